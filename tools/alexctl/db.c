/* alexctl db seed, db fsck. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "alexctl/term.h"
#include "base/cleanup.h"

extern const char embed_instruments[]; /* schemas/instruments.json */

struct db_options {
    bool json;
    bool repair;
};

/* --- seed -----------------------------------------------------------------*/

static const struct args_option seed_options[] = {
    {ARGS_FLAG, "json", NULL, offsetof(struct db_options, json), 0, 0, NULL,
     "print the engine's answer as JSON"},
};

/* What fleet.seed is asked: the instruments of the file. */
static int
seed_request(struct buf *request, struct err *err)
{
    _cleanup(json_put) struct json_object *file = NULL;
    struct json_object *instruments = NULL;
    if (json_parse(embed_instruments, strlen(embed_instruments),
                   "schemas/instruments.json", &file, err) < 0 ||
        json_member(file, "instruments", json_type_array, &instruments, err) <
            0) {
        return -1;
    }
    const char *text = json_object_to_json_string_ext(
        instruments, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    buf_json_object(request);
    buf_json_key(request, "v");
    buf_json_int(request, 1);
    buf_json_key(request, "instruments");
    buf_json_raw(request, text, strlen(text));
    buf_json_end(request);
    return 0;
}

static int
seed(struct ctl *ctl, const void *given, struct err *err)
{
    const struct db_options *o = given;
    struct store *store = NULL;
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    if (ctl_store(ctl, true, &store, err) < 0 ||
        seed_request(&request, err) < 0 ||
        ctl_call(ctl, "seed", &request, &reply, err) < 0) {
        return -1;
    }
    if (o->json) {
        puts(reply.rows[0].head);
        return CTL_EXIT_OK;
    }
    _cleanup(json_put) struct json_object *head = NULL;
    int64_t count = 0;
    if (ctl_head(&reply, 0, &head, err) < 0 ||
        json_int(head, "instruments", 0, INT64_MAX, 0, &count, err) < 0) {
        return -1;
    }
    printf("%" PRId64 " instruments seeded\n", count);
    return CTL_EXIT_OK;
}

const struct command command_db_seed = {
    .name = "db seed",
    .summary = "Load the 22 instruments of upstream's seed.",
    .details = "May be repeated: prices that are newer in the database stay."
               "\n\n"
               "Examples:\n"
               "  alexctl db migrate && alexctl db seed\n",
    .options = seed_options,
    .option_count = ARRAY_COUNT(seed_options),
    .options_size = sizeof(struct db_options),
    .run = seed,
};

/* --- fsck -----------------------------------------------------------------*/

static const struct args_option fsck_options[] = {
    {ARGS_FLAG, "repair", NULL, offsetof(struct db_options, repair), 0, 0, NULL,
     "mend what can be mended"},
    {ARGS_FLAG, "json", NULL, offsetof(struct db_options, json), 0, 0, NULL,
     "print one JSON array"},
};

static int
print_violation(const struct store_reply *reply, size_t row, struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    _cleanup(buf_free) struct buf line = {0};
    const char *rule = NULL;
    const char *job = NULL;
    const char *task = NULL;
    const char *detail = NULL;
    const char *advice = NULL;
    if (ctl_head(reply, row, &head, err) < 0 ||
        json_string_required(head, "rule", 100, &rule, err) < 0 ||
        json_string(head, "advice", 1000, "", &advice, err) < 0 ||
        json_string(head, "job", UUID_SIZE, "-", &job, err) < 0 ||
        json_string(head, "task", UUID_SIZE, "-", &task, err) < 0 ||
        json_string(head, "detail", 8000, "", &detail, err) < 0) {
        return -1;
    }
    buf_printf(&line, "%s: job %s, task %s: %s (%s)", rule, job, task, detail,
               json_flag(head, "repaired", false) ? "repaired" : advice);
    term_print_line(stdout, line.data);
    return 0;
}

/* Rings for what can run in jobs that were mended. */
static int
ring_mended(struct ctl *ctl, struct json_object *head, struct err *err)
{
    struct json_object *bells = NULL;
    if (json_member(head, "ring", json_type_array, &bells, err) < 0) {
        return -1;
    }
    if (bells == NULL || json_object_array_length(bells) == 0) {
        return 0;
    }
    if (ctl->queue_url[0] == '\0') {
        ctl_say("ALEX_QUEUE_URL is not set: the next 'alexctl reap' rings for "
                "what was mended");
        return 0;
    }
    return ctl_ring_json(ctl, bells, NULL, err);
}

static int
fsck(struct ctl *ctl, const void *given, struct err *err)
{
    const struct db_options *o = given;
    struct store *store = NULL;
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *head = NULL;
    int64_t found = 0;
    int64_t repaired = 0;
    buf_printf(&request, "{\"v\":1,\"repair\":%s}",
               o->repair ? "true" : "false");
    if (ctl_store(ctl, true, &store, err) < 0 ||
        ctl_call(ctl, "fsck", &request, &reply, err) < 0 ||
        ctl_head(&reply, 0, &head, err) < 0 ||
        json_int_required(head, "violations", 0, INT64_MAX, &found, err) < 0 ||
        json_int(head, "repaired", 0, INT64_MAX, 0, &repaired, err) < 0) {
        return -1;
    }
    if (o->json) {
        ctl_print_items(&reply);
    }
    for (size_t i = 1; !o->json && i < reply.count; i++) {
        if (print_violation(&reply, i, err) < 0) {
            return -1;
        }
    }
    ctl_say("%" PRId64 " violations, %" PRId64 " repaired", found, repaired);
    if (ring_mended(ctl, head, err) < 0) {
        return -1;
    }
    return found > repaired ? CTL_EXIT_FAILED : CTL_EXIT_OK;
}

const struct command command_db_fsck = {
    .name = "db fsck",
    .summary = "Check what must always be true of the engine's rows.",
    .details = "Prints each violation, and what to do if --repair can't mend "
               "it:\nhistory is not invented. What is derived is derived anew, "
               "a run or a\ntask that is lost is made again from what is left, "
               "a task whose result\nis gone runs again, and what belongs to "
               "nothing goes. Ends with 1 if\nany violation is left.\n\n"
               "Examples:\n"
               "  alexctl db fsck\n"
               "  alexctl db fsck --repair\n",
    .options = fsck_options,
    .option_count = ARRAY_COUNT(fsck_options),
    .options_size = sizeof(struct db_options),
    .run = fsck,
};
