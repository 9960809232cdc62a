/* Processes: what they weigh, and how soon a new one works. */

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alexctl/bench.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define HANDLERS 8
#define STARTS 5
#define CHILDREN_MAX 64
#define PATIENCE_MS 60000
#define MEGABYTE 1e6

static void
close_file(FILE **file)
{
    if (*file != NULL) {
        fclose(*file);
    }
}

/* A number in a line of a file of /proc, after 'label'. */
static int
read_proc(pid_t pid, const char *name, const char *label, long *ret)
{
    char path[64];
    char line[512];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    _cleanup(close_file) FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, label, strlen(label)) == 0) {
            *ret = strtol(line + strlen(label), NULL, 10);
            return 0;
        }
    }
    return -1;
}

static size_t
children_of(pid_t parent, pid_t children[CHILDREN_MAX])
{
    size_t count = 0;
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc != NULL && count < CHILDREN_MAX &&
           (entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        long of = 0;
        if (pid > 0 && read_proc(pid, "status", "PPid:", &of) == 0 &&
            of == parent) {
            children[count++] = pid;
        }
    }
    if (proc != NULL) {
        closedir(proc);
    }
    return count;
}

int
bench_worker_memory(const struct bench_worker *worker,
                    double *ret_supervisor_mb, double *ret_handler_mb)
{
    pid_t children[CHILDREN_MAX];
    size_t count = children_of(worker->pid, children);
    long supervisor_kb = 0;
    double handlers_kb = 0;
    if (count == 0 ||
        read_proc(worker->pid, "smaps_rollup", "Pss:", &supervisor_kb) < 0) {
        ctl_say("  memory can not be read here: be root");
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        long kb = 0;
        if (read_proc(children[i], "smaps_rollup", "Pss:", &kb) < 0) {
            return -1;
        }
        handlers_kb += (double)kb;
    }
    *ret_supervisor_mb = (double)supervisor_kb * 1024 / MEGABYTE;
    *ret_handler_mb = handlers_kb / (double)count * 1024 / MEGABYTE;
    return 0;
}

static int
measure_memory(struct bench *bench, struct bench_results *ret, struct err *err)
{
    _cleanup(bench_worker_stop) struct bench_worker worker = {0};
    if (bench_worker_start(bench, "bench", HANDLERS, 1000, &worker, err) < 0 ||
        bench_submit(bench, NULL, 1000, false, err) < 0 ||
        bench_await(bench, &worker, PATIENCE_MS, err) < 0) {
        return -1;
    }
    clock_sleep_ms(1000);
    double supervisor_mb = 0;
    double handler_mb = 0;
    if (bench_worker_memory(&worker, &supervisor_mb, &handler_mb) == 0) {
        bench_record(ret, BENCH_SUPERVISOR, supervisor_mb);
        bench_record(ret, BENCH_HANDLER, handler_mb);
    }
    return 0;
}

/* From before the spawn to the claim of a task that waits for it. */
static int
measure_start(struct bench *bench, double *ret_ms, struct err *err)
{
    _cleanup(bench_worker_stop) struct bench_worker worker = {0};
    double from = 0;
    double to = 0;
    if (bench_submit(bench, NULL, 1, false, err) < 0 ||
        bench_now(bench, &from, err) < 0 ||
        bench_worker_start(bench, "bench", HANDLERS, 1000, &worker, err) < 0 ||
        bench_await(bench, &worker, PATIENCE_MS, err) < 0 ||
        bench_query(bench,
                    "select extract(epoch from max(claimed_at))::text "
                    "from fleet.tasks where job_id in %s",
                    &to, err) < 0) {
        return -1;
    }
    *ret_ms = (to - from) * 1000;
    return 0;
}

int
bench_process(struct bench *bench, struct bench_results *ret, struct err *err)
{
    double starts_ms[STARTS];
    if (measure_memory(bench, ret, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < STARTS; i++) {
        if (measure_start(bench, &starts_ms[i], err) < 0) {
            return -1;
        }
    }
    bench_record(ret, BENCH_START, bench_percentile(starts_ms, STARTS, 50));
    return 0;
}
