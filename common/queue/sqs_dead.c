#include "queue/sqs_dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/sqs_entry.h"
#include "queue/sqs_lease.h"

#define HIDDEN_MS 30000
#define SCAN_MAX_MS 10000
#define SCAN_WAIT_MS 1000 /* An empty long poll has asked every server. */
#define SCAN_MAX_BYTES (64u * 1024 * 1024)

/* A dead letter hidden for us. */
struct corpse {
    struct queue_message message; /* Its handle is the MessageId. */
    char *receipt;
    int64_t buried_wall_ms;
    size_t place; /* As it came. */
    bool taken;
};

struct sqs_peek {
    char name[QUEUE_NAME_SIZE];
    int64_t until_boot_ms; /* The first of them may show to others. */
    size_t count;
    size_t bytes;
    struct corpse corpses[SQS_PEEK_MAX]; /* Oldest first. */
};

/* --- burying ------------------------------------------------------------- */

/* One message of any size. */
static int
send_one(struct sqs *sqs, const char *name, const struct queue_message *message,
         const struct sqs_epitaph *epitaph, struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    _cleanup(sqs_call_free) struct sqs_call call = {
        .action = "SendMessage",
        .queue = name,
        .deadline_ms = sqs_wire_deadline_ms(&sqs->wire),
    };
    if (sqs_call_start(&call, &sqs->wire, err)) {
        return -1;
    }
    sqs_entry_write_dead(&call.body, message->body, message->body_size,
                         epitaph);
    return sqs_call_run(&call, &sqs->wire, &reply, err);
}

static int
delete_one(struct sqs *sqs, const char *name, const char *receipt_text,
           struct err *err)
{
    struct sqs_receipt receipt = {.text = receipt_text};
    return sqs_lease_change(&sqs->wire, name, "DeleteMessageBatch", &receipt, 1,
                            sqs_wire_deadline_ms(&sqs->wire), err);
}

int
sqs_dead_letter(struct queue *queue, const struct queue_message *message,
                const char *reason, struct err *err)
{
    struct sqs *sqs = (struct sqs *)queue;
    struct sqs_hold *hold;
    size_t lost;
    char dead[QUEUE_NAME_SIZE];
    const struct sqs_epitaph epitaph = {reason, message->sent_wall_ms,
                                        message->deliveries};
    if (sqs_holds_begin(sqs->holds, message, 1, SQS_HOLD_ENDING,
                        sqs_wire_deadline_ms(&sqs->wire), &hold, &lost)) {
        return err_set(err, ERR_RETRY, 0,
                       "SQS: the message is still being extended");
    }
    if (!hold) {
        return 0;
    }
    sqs_dead_name(queue->name, dead);
    if (send_one(sqs, dead, message, &epitaph, err) ||
        delete_one(sqs, queue->name, hold->receipt, err)) {
        sqs_holds_keep(sqs->holds, hold, 0);
        return -1;
    }
    sqs_holds_drop(sqs->holds, hold);
    return 0;
}

/* --- looking ------------------------------------------------------------- */

static void
peek_free(struct sqs_peek **peek)
{
    for (size_t i = 0; *peek && i < (*peek)->count; i++) {
        queue_message_free(&(*peek)->corpses[i].message);
        free((*peek)->corpses[i].receipt);
    }
    free(*peek);
    *peek = NULL;
}

static void
show_again(struct sqs *sqs, const struct sqs_peek *peek)
{
    char dead[QUEUE_NAME_SIZE];
    struct err ignored;
    size_t count = 0;
    _cleanup(cleanup_free) struct sqs_receipt *receipts =
        xcalloc(SQS_PEEK_MAX, sizeof(*receipts));
    for (size_t i = 0; i < peek->count; i++) {
        if (!peek->corpses[i].taken) {
            receipts[count++].text = peek->corpses[i].receipt;
        }
    }
    sqs_dead_name(peek->name, dead);
    sqs_lease_change(&sqs->wire, dead, "ChangeMessageVisibilityBatch", receipts,
                     count, sqs_wire_deadline_ms(&sqs->wire), &ignored);
}

static bool
is_fresh(const struct sqs_peek *peek)
{
    return clock_boot_ms() < peek->until_boot_ms;
}

void
sqs_dead_give_back(struct sqs *sqs)
{
    if (sqs->peek && is_fresh(sqs->peek)) {
        show_again(sqs, sqs->peek);
    }
    peek_free(&sqs->peek);
}

/* What SQS itself moved here has no reason with it. */
static char *
redrive_reason(const struct queue_message *message)
{
    return xasprintf("received %" PRId64 " times without an end (moved by SQS)",
                     message->deliveries > 1 ? message->deliveries - 1 : 1);
}

static void
add_corpse(struct sqs_peek *peek, struct json_object *entry)
{
    struct corpse corpse = {.place = peek->count};
    const char *receipt;
    if (!sqs_entry_read(entry, &corpse.message, &receipt,
                        &corpse.buried_wall_ms)) {
        return;
    }
    if (!corpse.message.reason) {
        corpse.message.reason = redrive_reason(&corpse.message);
    }
    corpse.receipt = xstrdup(receipt);
    peek->bytes += corpse.message.body_size;
    peek->corpses[peek->count++] = corpse;
}

static int
compare(const void *a, const void *b)
{
    const struct corpse *x = a;
    const struct corpse *y = b;
    int order = (x->buried_wall_ms > y->buried_wall_ms) -
                (x->buried_wall_ms < y->buried_wall_ms);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int
scan(struct sqs *sqs, struct sqs_peek *peek, struct err *err)
{
    char dead[QUEUE_NAME_SIZE];
    int64_t started_ms = clock_boot_ms();
    size_t came;
    peek->until_boot_ms = started_ms + HIDDEN_MS;
    sqs_dead_name(peek->name, dead);
    do {
        _cleanup(json_put) struct json_object *entries = NULL;
        size_t room = SQS_PEEK_MAX - peek->count;
        struct sqs_question question = {.queue = dead,
                                        .max = room,
                                        .wait_ms = SCAN_WAIT_MS,
                                        .hidden_ms = HIDDEN_MS};
        if (sqs_receive_batch(sqs, &question, &entries, err)) {
            return -1;
        }
        came = entries ? json_object_array_length(entries) : 0;
        for (size_t i = 0; i < came && peek->count < SQS_PEEK_MAX; i++) {
            add_corpse(peek, json_object_array_get_idx(entries, i));
        }
    } while (came > 0 && peek->count < SQS_PEEK_MAX &&
             peek->bytes < SCAN_MAX_BYTES &&
             clock_boot_ms() - started_ms < SCAN_MAX_MS);
    qsort(peek->corpses, peek->count, sizeof(peek->corpses[0]), compare);
    return 0;
}

/* Looks at all of them anew. */
static int
look(struct sqs *sqs, const char *name, struct err *err)
{
    _cleanup(peek_free) struct sqs_peek *peek = xcalloc(1, sizeof(*peek));
    sqs_dead_give_back(sqs);
    snprintf(peek->name, sizeof(peek->name), "%s", name);
    if (scan(sqs, peek, err)) {
        show_again(sqs, peek);
        return -1;
    }
    sqs->peek = STEAL(peek);
    return 0;
}

static bool
looks_at(const struct sqs *sqs, const char *name)
{
    return sqs->peek && is_fresh(sqs->peek) &&
           strcmp(sqs->peek->name, name) == 0;
}

/* NULL when it is not among those hidden for us. */
static struct corpse *
find(struct sqs *sqs, const char *name, const char *handle)
{
    for (size_t i = 0; looks_at(sqs, name) && i < sqs->peek->count; i++) {
        if (strcmp(sqs->peek->corpses[i].message.handle, handle) == 0) {
            return &sqs->peek->corpses[i];
        }
    }
    return NULL;
}

static int
not_there(const char *name, const char *handle, struct err *err)
{
    return err_set(err, ERR_REJECT, 404, "no dead letter %.100s of %s", handle,
                   name);
}

static struct queue_message
copy(const struct queue_message *message)
{
    struct queue_message found = *message;
    if (found.body_size > QUEUE_BODY_MAX_BYTES) {
        found.body_size = QUEUE_BODY_MAX_BYTES;
    }
    found.body = xmemdup(message->body, found.body_size);
    found.reason = xstrdup(message->reason);
    return found;
}

int
sqs_dead_peek(struct queue *queue, const char *name, const char *after,
              size_t max, struct queue_message *ret, size_t *ret_count,
              char ret_next[QUEUE_HANDLE_SIZE], struct err *err)
{
    struct sqs *sqs = (struct sqs *)queue;
    size_t count = 0;
    size_t last = 0;
    if (!(after[0] && looks_at(sqs, name)) && look(sqs, name, err)) {
        return -1;
    }
    const struct corpse *from = find(sqs, name, after);
    if (after[0] && !from) {
        return not_there(name, after, err);
    }
    const struct sqs_peek *peek = sqs->peek;
    size_t i = from ? (size_t)(from - peek->corpses) + 1 : 0;
    for (; i < peek->count && count < max; i++) {
        if (!peek->corpses[i].taken) {
            ret[count++] = copy(&peek->corpses[i].message);
            last = i;
        }
    }
    snprintf(ret_next, QUEUE_HANDLE_SIZE, "%s",
             i < peek->count ? peek->corpses[last].message.handle : "");
    *ret_count = count;
    return 0;
}

/* --- taking -------------------------------------------------------------- */

int
sqs_dead_take(struct queue *queue, const char *name, const char *handle,
              bool resend, struct err *err)
{
    struct sqs *sqs = (struct sqs *)queue;
    char dead[QUEUE_NAME_SIZE];
    struct corpse *corpse = find(sqs, name, handle);
    if (!corpse && look(sqs, name, err)) {
        return -1;
    }
    corpse = find(sqs, name, handle);
    if (!corpse || corpse->taken) {
        return not_there(name, handle, err);
    }
    sqs_dead_name(name, dead);
    if ((resend && send_one(sqs, name, &corpse->message, NULL, err)) ||
        delete_one(sqs, dead, corpse->receipt, err)) {
        return -1;
    }
    corpse->taken = true;
    return 0;
}
