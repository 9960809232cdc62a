/* How handler processes are born, die and are replaced, and what that costs the
 * run they had. */
#include "bench_handlers.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"

static int
only_pid(const struct handlers *handlers)
{
    int pid = 0;

    assert_int_equal(handlers_pids(handlers, &pid, 1), 1);
    return pid;
}

static void
test_crash_ends_one_run_and_names_the_signal(void **state)
{
    (void)state;
    START(handlers, 2);
    RUN(bad);
    RUN(good);

    bench_handlers_give(handlers, &bad, "{\"op\":\"crash\",\"signal\":11}");
    bench_handlers_give(handlers, &good, "{\"op\":\"sleep\",\"ms\":50}");
    assert_true(bench_handlers_wait(handlers, &bad));
    assert_int_equal(bad.end, HANDLERS_CRASHED);
    assert_int_equal(bad.err.code, SIGSEGV);
    assert_non_null(strstr(bad.err.text, "signal 11"));
    assert_true(bench_handlers_wait(handlers, &good));
    assert_int_equal(good.end, HANDLERS_RESULT);

    bench_handlers_give(handlers, &bad, "{\"op\":\"noop\"}");
    assert_true(bench_handlers_wait(handlers, &bad));
    assert_int_equal(bad.end, HANDLERS_RESULT);
}

static void
test_exit_without_an_answer_is_a_crash(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_give(handlers, &run, "{\"op\":\"exit\",\"status\":0}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_CRASHED);
    assert_non_null(strstr(run.err.text, "status 0"));
}

static void
test_frame_cut_short_by_death_is_a_crash(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_give(handlers, &run,
                        "{\"op\":\"garbage\",\"hex\":\"000000ff067b\"}");
    bench_handlers_serve(handlers, 100);
    assert_false(run.ended);
    kill(only_pid(handlers), SIGTERM); /* Ignored: the drain is not its own. */
    bench_handlers_serve(handlers, 100);
    assert_false(run.ended);
    kill(only_pid(handlers), SIGABRT);
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_CRASHED);
    assert_int_equal(run.err.code, SIGABRT);
}

static void
test_whole_result_counts_though_its_sender_was_killed(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_give(handlers, &run,
                        "{\"op\":\"garbage\",\"hex\":\"00000003067b7d\"}");
    usleep(300000); /* It writes; we do not look yet. */
    bench_handlers_serve(handlers, 0);
    if (!run.ended) { /* It was not born before that; now it is. */
        usleep(300000);
    }
    handlers_kill(handlers, &run, false);
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_RESULT);
    bench_handlers_serve(handlers, 100);
    assert_int_equal(run.ends, 1);
}

static void
test_killed_run_ends_as_killed(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_give(handlers, &run, "{\"op\":\"sleep\",\"ms\":60000}");
    bench_handlers_serve(handlers, 100);
    handlers_kill(handlers, &run, false);
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_KILLED);
    assert_int_equal(handlers_idle_count(handlers), 1);
}

static void
test_run_killed_before_its_handler_lives_ends_as_killed(void **state)
{
    (void)state;
    START(handlers, 2);
    RUN(starting);
    RUN(cold);

    bench_handlers_give(handlers, &starting, "{\"op\":\"noop\"}");
    bench_handlers_give(handlers, &cold, "{\"op\":\"noop\"}");
    handlers_kill(handlers, &starting, false);
    handlers_kill(handlers, &cold, false);
    assert_true(bench_handlers_wait(handlers, &starting));
    assert_true(bench_handlers_wait(handlers, &cold));
    assert_int_equal(starting.end, HANDLERS_KILLED);
    assert_int_equal(cold.end, HANDLERS_KILLED);
}

static void
test_forgotten_run_is_never_heard_of_again(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);
    RUN(next);

    bench_handlers_give(handlers, &run, "{\"op\":\"sleep\",\"ms\":60000}");
    bench_handlers_serve(handlers, 100);
    handlers_kill(handlers, &run, true);
    bench_handlers_serve(handlers, 200);
    assert_int_equal(run.ends, 0);
    bench_handlers_give(handlers, &next, "{\"op\":\"noop\"}");
    assert_true(bench_handlers_wait(handlers, &next));
    assert_int_equal(next.end, HANDLERS_RESULT);
}

static void
test_handler_is_replaced_after_its_share_of_tasks(void **state)
{
    (void)state;
    _cleanup(handlers_free) struct handlers *handlers =
        bench_handlers_start(&bench_worker, 1, 2);
    RUN(run);
    int pids[3];

    for (int i = 0; i < 3; i++) {
        bench_handlers_give(handlers, &run, "{\"op\":\"noop\"}");
        pids[i] = only_pid(handlers);
        assert_true(bench_handlers_wait(handlers, &run));
        assert_int_equal(run.end, HANDLERS_RESULT);
        bench_handlers_serve(handlers, 100);
    }
    assert_int_equal(pids[0], pids[1]);
    assert_int_not_equal(pids[1], pids[2]);
}

static void
test_idle_handler_found_dead_is_replaced_silently(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_serve(handlers, 100);
    const int before = only_pid(handlers);
    kill(before, SIGKILL);
    bench_handlers_serve(handlers, 200);
    assert_int_not_equal(only_pid(handlers), before);
    bench_handlers_give(handlers, &run, "{\"op\":\"noop\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_RESULT);
    assert_int_equal(run.ends, 1);
}

static void
test_run_given_to_a_handler_just_dead_is_not_charged(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_serve(handlers, 100);
    kill(only_pid(handlers), SIGKILL);
    usleep(50000); /* Dead, and nobody has looked. */
    bench_handlers_give(handlers, &run, "{\"op\":\"noop\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_RESULT);
}

static void
test_stopped_handler_does_not_stop_the_supervisor(void **state)
{
    _cleanup(buf_free) struct buf input = {0};
    struct err err = {0};

    (void)state;
    START(handlers, 1);
    RUN(run);
    bench_handlers_serve(handlers, 100);
    kill(only_pid(handlers), SIGSTOP);
    buf_append(&input, "\"", 1);
    memset(buf_reserve(&input, 4000000), 'x', 4000000);
    input.size += 4000000;
    buf_append(&input, "\"", 1);
    const int64_t start_ms = clock_boot_ms();
    assert_int_equal(
        handlers_start(handlers, &run, input.data, input.size, NULL, 0, &err),
        0);
    bench_handlers_serve(handlers, 0);
    assert_in_range(clock_boot_ms() - start_ms, 0, 1000);
    handlers_kill(handlers, &run, false);
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_KILLED);
}

static const struct worker strict_worker = {
    .name = "strict", .handle = bench_handle, .cpu_limit_ms = 300};

static void
test_cpu_limit_is_for_one_task_not_for_the_process(void **state)
{
    (void)state;
    _cleanup(handlers_free) struct handlers *handlers =
        bench_handlers_start(&strict_worker, 1, 1000);
    RUN(run);
    for (int i = 0; i < 4; i++) {
        bench_handlers_give(handlers, &run, "{\"op\":\"spin\",\"ms\":200}");
        assert_true(bench_handlers_wait(handlers, &run));
        assert_int_equal(run.end, HANDLERS_RESULT);
    }
    bench_handlers_give(handlers, &run, "{\"op\":\"spin\",\"ms\":8000}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_CRASHED);
    assert_int_equal(run.err.code, SIGXCPU);
    assert_non_null(strstr(run.err.text, "300 ms of CPU"));
}

static void
test_every_child_of_the_process_is_reaped(void **state)
{
    (void)state;
    START(handlers, 1);
    const pid_t orphan = fork();

    if (orphan == 0) {
        _exit(0);
    }
    bench_handlers_serve(handlers, 200);
    assert_int_equal(waitpid(orphan, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static const struct worker broken_worker = {.name = "broken"};

static void
test_handlers_that_never_get_ready_are_fatal(void **state)
{
    struct err err = {0};
    int64_t next_ms = 0;
    int status = 0;

    (void)state;
    _cleanup(handlers_free) struct handlers *handlers =
        bench_handlers_start(&broken_worker, 2, 1000);
    RUN(run);
    bench_handlers_give(handlers, &run, "{}");
    for (int i = 0; i < 1000 && status == 0; i++) {
        status = handlers_run(handlers, &next_ms, &err);
        usleep(10000);
    }
    assert_int_equal(status, -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "status 7"));
    assert_int_equal(run.ends, 0);
}

static const struct worker flaky_worker = {.name = "flaky"};

static void
flaky_path(const char *supervisor, char *path, size_t size)
{
    snprintf(path, size, "/tmp/alex-flaky-%s", supervisor);
}

static void
test_run_survives_a_handler_that_dies_before_it_is_ready(void **state)
{
    char self[24];
    char path[64];

    (void)state;
    snprintf(self, sizeof(self), "%d", (int)getpid());
    flaky_path(self, path, sizeof(path));
    close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0600));
    _cleanup(handlers_free) struct handlers *handlers =
        bench_handlers_start(&flaky_worker, 1, 1000);
    RUN(run);

    bench_handlers_give(handlers, &run, "{\"op\":\"noop\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_RESULT);
    assert_int_equal(access(path, F_OK), -1);
}

static bool
is_gone(pid_t pid)
{
    char path[64];
    char text[200] = "";

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return true;
    }
    const size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    const char *paren = strrchr(text, ')');
    return size == 0 || (paren != NULL && paren[2] == 'Z');
}

static void
test_handlers_die_with_their_supervisor(void **state)
{
    int pipe_fds[2];
    int pid = 0;

    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    const pid_t supervisor = fork();
    if (supervisor == 0) {
        struct handlers *handlers = bench_handlers_start(&bench_worker, 1, 9);
        bench_handlers_serve(handlers, 200);
        handlers_pids(handlers, &pid, 1);
        _exit(write(pipe_fds[1], &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
    }
    assert_int_equal(read(pipe_fds[0], &pid, sizeof(pid)), sizeof(pid));
    assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
    for (int i = 0; i < 200 && !is_gone(pid); i++) {
        usleep(10000);
    }
    assert_true(is_gone(pid));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* The first moments of this program as a handler of a worker by that name. */
static void
die_early(int argc, char **argv)
{
    char path[64];

    if (argc != 4) {
        return;
    }
    flaky_path(argv[2], path, sizeof(path));
    if (strcmp(argv[0], "alex-broken") == 0 ||
        (strcmp(argv[0], "alex-flaky") == 0 && unlink(path) == 0)) {
        _exit(7);
    }
    if (strcmp(argv[0], "alex-strict") == 0) {
        handlers_child_main(&strict_worker, argc, argv);
    }
}

int
main(int argc, char **argv)
{
    die_early(argc, argv);
    bench_handlers_main(argc, argv);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_ends_one_run_and_names_the_signal),
        cmocka_unit_test(test_exit_without_an_answer_is_a_crash),
        cmocka_unit_test(test_frame_cut_short_by_death_is_a_crash),
        cmocka_unit_test(test_whole_result_counts_though_its_sender_was_killed),
        cmocka_unit_test(test_killed_run_ends_as_killed),
        cmocka_unit_test(
            test_run_killed_before_its_handler_lives_ends_as_killed),
        cmocka_unit_test(test_forgotten_run_is_never_heard_of_again),
        cmocka_unit_test(test_handler_is_replaced_after_its_share_of_tasks),
        cmocka_unit_test(test_idle_handler_found_dead_is_replaced_silently),
        cmocka_unit_test(test_run_given_to_a_handler_just_dead_is_not_charged),
        cmocka_unit_test(test_stopped_handler_does_not_stop_the_supervisor),
        cmocka_unit_test(test_cpu_limit_is_for_one_task_not_for_the_process),
        cmocka_unit_test(test_every_child_of_the_process_is_reaped),
        cmocka_unit_test(test_handlers_that_never_get_ready_are_fatal),
        cmocka_unit_test(
            test_run_survives_a_handler_that_dies_before_it_is_ready),
        cmocka_unit_test(test_handlers_die_with_their_supervisor),
    };

    return RUN_TESTS(tests);
}
