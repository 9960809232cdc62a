/* What a real handler process can still do: the bench worker's probe tries, and
 * the kernel's own account of the process is read from outside. */
#include "bench_handlers.h"

#include <dirent.h>

#include "base/json.h"
#include "runtime/sandbox.h"

struct fixture {
    struct handlers *handlers;
    struct run run;
    struct json_object *detail; /* What the probe answered; borrowed. */
    struct json_object *root;
    int pid;
};

static int
setup(void **state)
{
    static struct fixture f;
    struct err err = {0};

    f.handlers = bench_handlers_start(&bench_worker, 1, 1000);
    bench_handlers_give(f.handlers, &f.run, "{\"op\":\"probe\"}");
    if (!bench_handlers_wait(f.handlers, &f.run) ||
        f.run.end != HANDLERS_RESULT ||
        json_parse(f.run.bytes.data, f.run.bytes.size, "probe", &f.root,
                   &err) != 0 ||
        handlers_pids(f.handlers, &f.pid, 1) != 1) {
        return -1;
    }
    *state = &f;
    return json_member(f.root, "detail", json_type_object, &f.detail, &err);
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    json_put(&f->root);
    run_free(&f->run);
    handlers_free(&f->handlers);
    return 0;
}

static void
test_every_way_out_is_refused(void **state)
{
    static const char *const ways[] = {
        "open_file",
        "list_descriptors",
        "create_file",
        "socket",
        "parent_environment",
        "connect",
        "fork",
        "execute",
        "signal_parent",
        "trace",
        "read_parent_memory",
        "executable_memory",
        "io_uring",
        "bpf",
        "raise_limit",
        "dumpable",
        "random",
    };
    struct fixture *f = *state;
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
        const char *outcome = NULL;
        assert_int_equal(
            json_string_required(f->detail, ways[i], 100, &outcome, &err), 0);
        if (strcmp(outcome, "refused") != 0) {
            print_error("%s: %s\n", ways[i], outcome);
            fail();
        }
    }
}

static void
test_environment_is_empty_and_only_the_channel_is_open(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(f->run.bytes.data, "\"environment\":\"empty\""));
    assert_non_null(strstr(f->run.bytes.data, "\"descriptors\":[3]"));
}

static void
test_kernel_lists_no_descriptor_but_the_channel(void **state)
{
    struct fixture *f = *state;
    char path[64];
    int count = 0;

    snprintf(path, sizeof(path), "/proc/%d/fd", f->pid);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        print_message("SKIP: %s can be read by root only\n", path);
        skip();
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            assert_string_equal(entry->d_name, "3");
            count++;
        }
    }
    closedir(directory);
    assert_int_equal(count, 1);
}

/* The value of 'key' in /proc/PID/FILE. */
static void
proc_value(int pid, const char *file, const char *key, char *value)
{
    char path[64];
    char line[256];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    FILE *stream = fopen(path, "re");
    assert_non_null(stream);
    value[0] = '\0';
    while (fgets(line, sizeof(line), stream) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            assert_int_equal(sscanf(line + strlen(key), " %63s", value), 1);
        }
    }
    fclose(stream);
}

static void
test_kernel_reports_filter_privileges_and_limits(void **state)
{
    static const struct {
        const char *file;
        const char *key;
        const char *value;
    } rows[] = {
        {"status", "NoNewPrivs:", "1"},        {"status", "Seccomp:", "2"},
        {"limits", "Max core file size", "0"}, {"limits", "Max file size", "0"},
        {"limits", "Max open files", "4"},
    };
    struct fixture *f = *state;
    char value[64];

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        proc_value(f->pid, rows[i].file, rows[i].key, value);
        assert_string_equal(value, rows[i].value);
    }
    proc_value(f->pid, "limits", "Max address space", value);
    assert_string_not_equal(value, "unlimited");
}

static void
test_memory_ends_at_the_limit(void **state)
{
    struct fixture *f = *state;

    bench_handlers_give(f->handlers, &f->run,
                        "{\"op\":\"memory\",\"bytes\":100000000}");
    assert_true(bench_handlers_wait(f->handlers, &f->run));
    assert_non_null(strstr(f->run.bytes.data, "\"granted\":true"));
    bench_handlers_give(f->handlers, &f->run,
                        "{\"op\":\"memory\",\"bytes\":135000000}");
    assert_true(bench_handlers_wait(f->handlers, &f->run));
    assert_non_null(strstr(f->run.bytes.data, "\"granted\":false"));
}

static void
test_abort_still_kills(void **state)
{
    struct fixture *f = *state;

    bench_handlers_give(f->handlers, &f->run,
                        "{\"op\":\"crash\",\"signal\":6}");
    assert_true(bench_handlers_wait(f->handlers, &f->run));
    assert_int_equal(f->run.end, HANDLERS_CRASHED);
    assert_int_equal(f->run.err.code, SIGABRT);
}

int
main(int argc, char **argv)
{
    bench_handlers_main(argc, argv);
#ifdef SANDBOX_SANITIZED
    printf("SKIP: a build with a sanitizer has no seccomp and few limits\n");
    return 77;
#endif

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_out_is_refused),
        cmocka_unit_test(
            test_environment_is_empty_and_only_the_channel_is_open),
        cmocka_unit_test(test_kernel_lists_no_descriptor_but_the_channel),
        cmocka_unit_test(test_kernel_reports_filter_privileges_and_limits),
        cmocka_unit_test(test_memory_ends_at_the_limit),
        cmocka_unit_test(test_abort_still_kills),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
