#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alexctl/bench.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/conf.h"

#define STOP_WITHIN_MS 10000
#define POLL_MS 10
#define ENVIRONMENT 10

/* The program in the build tree that alexctl itself is in, else its name, for
 * PATH.
 * Owner: the result is malloc'd. */
static char *
find_program(const char *agent)
{
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (size > 0) {
        self[size] = '\0';
        *strrchr(self, '/') = '\0';
        char *path = xasprintf("%s/../../workers/alex-%s", self, agent);
        if (access(path, X_OK) == 0) {
            return path;
        }
        free(path);
    }
    return xasprintf("alex-%s", agent);
}

/* Owner: the strings live in 'mem'. */
static void
make_environment(const struct bench *bench, int concurrency, int in_flight,
                 struct arena *mem, char *ret[ENVIRONMENT])
{
    const char *path = conf_env("PATH");
    size_t i = 0;
    ret[i++] = arena_printf(mem, "PATH=%s", path ? path : "/usr/bin:/bin");
    ret[i++] = arena_printf(mem, "ALEX_STORE_URL=%s", bench->ctl->store_url);
    ret[i++] = arena_printf(mem, "ALEX_QUEUE_URL=%s", bench->ctl->queue_url);
    ret[i++] = arena_printf(mem, "ALEX_CONCURRENCY=%d", concurrency);
    ret[i++] = arena_printf(mem, "ALEX_IN_FLIGHT=%d", in_flight);
    ret[i++] = arena_strdup(mem, "ALEX_ASK_DELAY=on");
    ret[i++] = arena_strdup(mem, "ALEX_GRACE=2s");
    ret[i++] = arena_strdup(mem, "ALEX_LOG=text");
    ret[i++] = arena_strdup(mem, "ALEX_LOG_LEVEL=error");
    ret[i] = NULL;
}

static void
actions_free(posix_spawn_file_actions_t *actions)
{
    posix_spawn_file_actions_destroy(actions);
}

static void
attributes_free(posix_spawnattr_t *attributes)
{
    posix_spawnattr_destroy(attributes);
}

/* Own process group: Ctrl-C is for us, who then stop it. */
static int
spawn(const char *program, char *const *environment, pid_t *ret)
{
    _cleanup(actions_free) posix_spawn_file_actions_t actions;
    _cleanup(attributes_free) posix_spawnattr_t attributes;
    char *words[] = {(char *)program, NULL};
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                     O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
                                     O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    return posix_spawnp(ret, program, &actions, &attributes, words,
                        environment);
}

int
bench_worker_start(struct bench *bench, const char *agent, int concurrency,
                   int in_flight, struct bench_worker *ret, struct err *err)
{
    _cleanup(arena_free) struct arena *mem = arena_new(1 << 12);
    _cleanup(cleanup_free) char *program = find_program(agent);
    char *environment[ENVIRONMENT];
    pid_t pid = 0;
    make_environment(bench, concurrency, in_flight, mem, environment);
    errno = spawn(program, environment, &pid);
    if (errno != 0) {
        return err_set(err, ERR_FATAL, CTL_EXIT_CONFIG,
                       "cannot start %s (%s): bench looks beside itself in a "
                       "build tree, then in PATH",
                       program, strerror(errno));
    }
    ret->pid = pid;
    snprintf(ret->agent, sizeof(ret->agent), "%s", agent);
    return 0;
}

static bool
has_ended(pid_t pid, int *status)
{
    return waitpid(pid, status, WNOHANG) == pid;
}

void
bench_worker_stop(struct bench_worker *worker)
{
    int status = 0;
    if (worker->pid == 0) {
        return;
    }
    kill(worker->pid, SIGTERM);
    for (int left_ms = STOP_WITHIN_MS; left_ms > 0; left_ms -= POLL_MS) {
        if (has_ended(worker->pid, &status)) {
            worker->pid = 0;
            return;
        }
        clock_sleep_ms(POLL_MS);
    }
    kill(worker->pid, SIGKILL);
    waitpid(worker->pid, &status, 0);
    worker->pid = 0;
}

int
bench_worker_check(const struct bench_worker *worker, struct err *err)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)worker->pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
            0 &&
        info.si_pid == 0) {
        return 0;
    }
    return err_set(err, ERR_FATAL, 0,
                   "alex-%s ended by itself with %d (its reason is above)",
                   worker->agent, info.si_status);
}

int
bench_worker_start_warm(struct bench *bench, struct bench_worker *worker,
                        struct err *err)
{
    return bench_worker_start(bench, "bench", BENCH_HANDLERS, BENCH_IN_FLIGHT,
                              worker, err) < 0 ||
                   bench_submit(bench, NULL, BENCH_HANDLERS, false, err) < 0 ||
                   bench_await(bench, worker, BENCH_PATIENCE_MS, err) < 0
               ? -1
               : 0;
}
