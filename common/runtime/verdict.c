#include "runtime/verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define SPAN_MAX_MS (400LL * 24 * 3600 * 1000)
/* Longest release asked of a broker at once; the bell then rings again. */
#define RELEASE_MAX_MS (11LL * 3600 * 1000)

static const struct {
    const char *word;
    enum verdict_action action;
} words[] = {
    {"run", VERDICT_RUN},
    {"busy", VERDICT_RELEASE},
    {"later", VERDICT_RELEASE},
    {"succeeded", VERDICT_RING_ACK},
    {"dead", VERDICT_RING_ACK},
    {"quarantined", VERDICT_RING_ACK},
    {"cancelled", VERDICT_RING_ACK},
    {"skipped", VERDICT_RING_ACK},
    {"blocked", VERDICT_RING_ACK},
    {"wrong_agent", VERDICT_RING_ACK},
    {"adopted", VERDICT_RING_ACK},
    {"unknown", VERDICT_UNKNOWN},
};

void
verdict_free(struct verdict *verdict)
{
    json_put(&verdict->head);
}

static void
decide(struct verdict *verdict)
{
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcmp(verdict->word, words[i].word) == 0) {
            verdict->action = words[i].action;
            return;
        }
    }
    verdict->action = VERDICT_RELEASE;
    verdict->until_ms = VERDICT_LATER_MS;
}

static int
decode(struct json_object *head, struct verdict *verdict, struct err *err)
{
    if (json_string_required(head, "n", UUID_SIZE - 1, &verdict->nonce, err) ||
        json_string_required(head, "verdict", 64, &verdict->word, err) ||
        json_int(head, "until_ms", 0, SPAN_MAX_MS, 0, &verdict->until_ms,
                 err) ||
        json_member(head, "ring", json_type_array, &verdict->ring, err)) {
        return -1;
    }
    if (verdict->until_ms > RELEASE_MAX_MS) {
        verdict->until_ms = RELEASE_MAX_MS;
    }
    decide(verdict);
    if (verdict->action != VERDICT_RUN) {
        return 0;
    }
    if (json_int_required(head, "lease_ms", 0, SPAN_MAX_MS, &verdict->lease_ms,
                          err) ||
        json_int_required(head, "deadline_ms", 0, SPAN_MAX_MS,
                          &verdict->deadline_ms, err) ||
        json_int(head, "checkpoints", 0, INT32_MAX, 0, &verdict->checkpoints,
                 err)) {
        return -1;
    }
    return 0;
}

int
verdict_decode(struct json_object *head, struct verdict *ret, struct err *err)
{
    _cleanup(verdict_free) struct verdict verdict = {.head = head};

    if (decode(head, &verdict, err)) {
        err->kind = ERR_FATAL;
        return err_wrap(err, "claim's verdict");
    }
    *ret = verdict;
    verdict.head = NULL;
    return 0;
}

/* Cut off where it is only for the log. */
static int
copy(struct json_object *head, const char *key, size_t size, char *ret,
     struct err *err)
{
    const char *text;

    if (json_string(head, key, 1024, "", &text, err)) {
        return -1;
    }
    snprintf(ret, size, "%s", text);
    return 0;
}

int
verdict_fill(const struct verdict *verdict, int64_t sent_ms, struct run *run,
             struct err *err)
{
    struct json_object *head = verdict->head;

    if (copy(head, "job", sizeof(run->job), run->job, err) ||
        copy(head, "task", sizeof(run->task), run->task, err) ||
        copy(head, "node", sizeof(run->node), run->node, err) ||
        copy(head, "trace", sizeof(run->trace), run->trace, err) ||
        json_int_required(head, "fence", 1, INT64_MAX, &run->fence, err) ||
        json_int(head, "attempt", 0, INT32_MAX, 0, &run->attempt, err)) {
        err->kind = ERR_FATAL;
        return err_wrap(err, "claim's verdict");
    }
    run->alone = json_flag(head, "alone", false);
    atomic_store(&run->watched, json_flag(head, "watched", false));
    run->deadline_ms = sent_ms + verdict->deadline_ms;
    return 0;
}

int64_t
verdict_unknown_delay_ms(const struct queue_message *message,
                         int64_t now_wall_ms)
{
    if (message->sent_wall_ms > 0) {
        return now_wall_ms - message->sent_wall_ms < VERDICT_LATER_MS
                   ? VERDICT_LATER_MS
                   : -1;
    }
    return message->deliveries <= 1 ? VERDICT_LATER_MS : -1;
}
