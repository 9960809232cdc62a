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
