#include "runtime/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "runtime/asks.h"
#include "runtime/conf.h"
#include "runtime/handlers.h"
#include "runtime/once.h"
#include "runtime/supervisor.h"

enum worker_exit {
    WORKER_EXIT_OK = 0,
    WORKER_EXIT_USAGE = 64,
    WORKER_EXIT_CONFIG = 78,
};

static void
print_help(const struct worker *worker)
{
    printf("Usage: alex-%s [OPTION]\n\n"
           "%s\n\n"
           "Without an option: takes doorbells from queue alex-%s, claims the "
           "tasks they\nname and runs them in handler processes of its own, "
           "until SIGTERM.\n\n"
           "Options:\n"
           "  --once     run one task by hand, without database and queue; see "
           "below\n"
           "  --check    say what is configured and whether it is valid\n"
           "  --version  print the version\n"
           "  --help     print this\n\n"
           "One task by hand: its input is read from standard input, its "
           "output printed.\n"
           "  alex-%s --once < input.json\n"
           "  alex-%s --once --answers answers.json < input.json\n"
           "answers.json says what asks are answered: "
           "[{\"kind\",\"request\",\"answer\"}]; an\nask without an answer is "
           "printed, to be added.\n\n"
           "Environment (NAME_FILE may name a file with the value):\n",
           worker->name, worker->summary, worker->name, worker->name,
           worker->name);
    worker_conf_help(stdout);
    asks_help(stdout);
    printf("  ALEX_LOG=json|text, ALEX_LOG_LEVEL=debug|info|warn|error\n\n"
           "Signals: SIGTERM or SIGINT hands back what it has and ends; a "
           "second one ends at\nonce, its leases lapse.\n\n"
           "Exit codes: 0 done; 64 usage; 70 it could not go on (the log says "
           "why: restart\nit); 78 configuration; with --once also 65 input or "
           "answers\nrejected, 66 and 74 files, 75 an answer is missing or it "
           "may work later.\n");
}

static int
fail(const struct worker *worker, int code, const struct err *err)
{
    fprintf(stderr, "alex-%s: %s\n", worker->name, err->text);
    return code;
}

static int
mode_check(const struct worker *worker)
{
    static struct worker_conf conf; /* Its strings live on, too. */
    struct err err = {0};

    if (worker_conf_load(&conf, &err) ||
        supervisor_check(worker, &conf, &err)) {
        return fail(worker, WORKER_EXIT_CONFIG, &err);
    }
    worker_conf_print(&conf, stdout);
    if (asks_check(stdout, &err)) {
        return fail(worker, WORKER_EXIT_CONFIG, &err);
    }
    printf("configuration is valid\n");
    return WORKER_EXIT_OK;
}

static int
mode_work(const struct worker *worker)
{
    char service[96];
    static struct worker_conf conf; /* Its strings live on, too. */
    struct err err = {0};

    snprintf(service, sizeof(service), "alex-%s", worker->name);
    log_start(service);
    if (worker_conf_load(&conf, &err)) {
        return fail(worker, WORKER_EXIT_CONFIG, &err);
    }
    worker_conf_wipe();
    return supervisor_run(worker, &conf);
}

static int
mode_help(const struct worker *worker)
{
    print_help(worker);
    return WORKER_EXIT_OK;
}

static int
mode_version(const struct worker *worker)
{
    printf("alex-%s %s\n", worker->name, ALEX_VERSION);
    return WORKER_EXIT_OK;
}

static int
mode_once(const struct worker *worker)
{
    return once_main(worker, NULL);
}

static const struct {
    const char *option;
    int (*run)(const struct worker *worker);
} modes[] = {
    {"--check", mode_check}, {"--once", mode_once},       {"--help", mode_help},
    {"-h", mode_help},       {"--version", mode_version},
};

int
worker_main(int argc, char **argv, const struct worker *worker)
{
    if (argc > 1 && strcmp(argv[1], HANDLERS_CHILD_FLAG) == 0) {
        handlers_child_main(worker, argc, argv);
    }
    if (argc <= 1) {
        return mode_work(worker);
    }
    if (argc == 4 && strcmp(argv[1], "--once") == 0 &&
        strcmp(argv[2], "--answers") == 0) {
        return once_main(worker, argv[3]);
    }
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        if (argc == 2 && strcmp(argv[1], modes[i].option) == 0) {
            return modes[i].run(worker);
        }
    }
    fprintf(stderr, "alex-%s: unknown option '%s'; try --help\n", worker->name,
            argv[argc > 2 ? 2 : 1]);
    return WORKER_EXIT_USAGE;
}
