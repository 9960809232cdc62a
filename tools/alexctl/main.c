/* alexctl: the command line of the fleet. */

#include <stdio.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "alexctl/term.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/conf.h"

extern const struct command command_import, command_submit, command_jobs,
    command_watch, command_show, command_why, command_cancel, command_queue_ls,
    command_queue_create, command_reap, command_bench, command_db_migrate,
    command_db_seed, command_db_status, command_db_fsck, command_dlq_ls,
    command_dlq_show, command_dlq_replay, command_dlq_purge;

static const struct command *const commands[] = {
    &command_import,     &command_submit,    &command_jobs,
    &command_watch,      &command_show,      &command_why,
    &command_cancel,     &command_queue_ls,  &command_queue_create,
    &command_reap,       &command_dlq_ls,    &command_dlq_show,
    &command_dlq_replay, &command_dlq_purge, &command_bench,
    &command_db_migrate, &command_db_seed,   &command_db_status,
    &command_db_fsck,
};

static const struct conf_row settings[] = {
    {CONF_SECRET, "ALEX_STORE_URL", offsetof(struct ctl, store_url), "", 0,
     4096,
     "the database: postgres://user:password@host:5432/alex or "
     "rds-data://<cluster ARN>?secret=<ARN>&database=alex",
     NULL},
    {CONF_SECRET, "ALEX_ADMIN_STORE_URL", offsetof(struct ctl, admin_store_url),
     "", 0, 4096, "the same as its owner, for db; default: ALEX_STORE_URL",
     NULL},
    {CONF_SECRET, "ALEX_QUEUE_URL", offsetof(struct ctl, queue_url), "", 0,
     4096,
     "the broker: redis://user:password@host:6379/0, sqs://region/account "
     "or kafka://host:9092",
     NULL},
};

static void
help(FILE *out)
{
    fputs("Usage: alexctl COMMAND [OPTION...]\n\nCommands:\n", out);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs("\n'alexctl COMMAND --help' has the options and examples.\n\n"
          "Environment:\n",
          out);
    conf_help(settings, ARRAY_COUNT(settings), out);
    fputs("\nExit codes: 0 done; 1 the job failed, fsck found something or a "
          "canary died; "
          "64 usage;\n65 bad input; 69 database or broker not reachable; "
          "70 internal; 75 waited long\nenough, try again; 78 "
          "configuration.\n",
          out);
}

static void
command_help(const struct command *command, FILE *out)
{
    fprintf(out, "Usage: alexctl %s", command->name);
    args_usage(command->options, command->option_count, out);
    fprintf(out, "\n\n%s\n%s\nOptions:\n", command->summary, command->details);
    args_help(command->options, command->option_count, out);
}

/* How many of 'words' are the name of 'command', or 0. */
static size_t
match(const struct command *command, char *const *words, size_t count)
{
    const char *space = strchr(command->name, ' ');
    if (space == NULL) {
        return count >= 1 && strcmp(words[0], command->name) == 0;
    }
    size_t first = (size_t)(space - command->name);
    bool both = count >= 2 && strlen(words[0]) == first &&
                memcmp(words[0], command->name, first) == 0 &&
                strcmp(words[1], space + 1) == 0;
    return both ? 2 : 0;
}

static const struct command *
find(char *const *words, size_t count, size_t *ret_used)
{
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        size_t used = match(commands[i], words, count);
        if (used > 0) {
            *ret_used = used;
            return commands[i];
        }
    }
    return NULL;
}

static int
exit_code(const struct err *err)
{
    switch (err->kind) {
    case ERR_RETRY:
        return err->code == CTL_TIMED_OUT ? CTL_EXIT_AGAIN
                                          : CTL_EXIT_UNAVAILABLE;
    case ERR_REJECT:
        return err->code == CTL_EXIT_USAGE ? CTL_EXIT_USAGE : CTL_EXIT_DATA;
    case ERR_FATAL:
        return err->code == CTL_EXIT_CONFIG ? CTL_EXIT_CONFIG
                                            : CTL_EXIT_INTERNAL;
    case ERR_NONE:
    case ERR_LOST:
    case ERR_SUSPEND:
        break;
    }
    return CTL_EXIT_INTERNAL;
}

static int
fail(const struct command *command, const struct err *err)
{
    fputs("alexctl: ", stderr);
    term_print_line(stderr, err->text);
    if (err->kind == ERR_REJECT && err->code == CTL_EXIT_USAGE) {
        fprintf(stderr, "Try 'alexctl%s%s --help'.\n", command ? " " : "",
                command ? command->name : "");
    }
    return exit_code(err);
}

static int
run(const struct command *command, char *const *words, size_t count)
{
    struct err err = {0};
    _cleanup(cleanup_free) void *options =
        xcalloc(1, command->options_size ? command->options_size : 1);
    bool wants_help = false;
    if (args_parse(command->options, command->option_count, words, count,
                   options, &wants_help, &err) < 0) {
        return fail(command, &err);
    }
    if (wants_help) {
        command_help(command, stdout);
        return CTL_EXIT_OK;
    }
    /* Static: its settings live as long as the process. */
    static struct ctl settled;
    _cleanup(ctl_close) struct ctl *ctl = &settled;
    if (conf_load(settings, ARRAY_COUNT(settings), ctl, &err) < 0) {
        return fail(command, &err);
    }
    conf_wipe_secrets(settings, ARRAY_COUNT(settings));
    ctl->colour = term_has_colours(stdout);
    int code = command->run(ctl, options, &err);
    if (code < 0) {
        fflush(stdout);
        return fail(command, &err);
    }
    return code;
}

static bool
is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return CTL_EXIT_USAGE;
    }
    if (is_one_of(argv[1], "--help", "-h", "help")) {
        help(stdout);
        return CTL_EXIT_OK;
    }
    size_t used = 0;
    const struct command *command = find(argv + 1, (size_t)(argc - 1), &used);
    if (command == NULL) {
        struct err err;
        err_set(&err, ERR_REJECT, CTL_EXIT_USAGE, "no such command: %.60s",
                argv[1]);
        return fail(NULL, &err);
    }
    return run(command, argv + 1 + used, (size_t)argc - 1 - used);
}
