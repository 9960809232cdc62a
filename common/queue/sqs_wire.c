#include "queue/sqs_wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/sqs_entry.h"

#define URLS_MAX 64
/* Ten of the largest messages, each byte escaped. */
#define REPLY_MAX_BYTES (SQS_BATCH_MAX * SQS_MESSAGE_MAX_BYTES * 6)
#define TIMEOUT_MIN_MS 50
#define ROUNDS_MAX 5
#define ROUND_PAUSE_MS 40

struct sqs_url {
    struct sqs_url *next;
    char name[QUEUE_NAME_SIZE];
    char url[SQS_URL_MAX_BYTES + 1];
};

/* --- queue URLs ---------------------------------------------------------- */

static void
forget_urls(struct sqs_wire *wire)
{
    while (wire->urls) {
        struct sqs_url *url = wire->urls;
        wire->urls = url->next;
        free(url);
    }
}

static const char *
known_url(const struct sqs_wire *wire, const char *name)
{
    for (const struct sqs_url *url = wire->urls; url; url = url->next) {
        if (strcmp(url->name, name) == 0) {
            return url->url;
        }
    }
    return NULL;
}

static void
keep_url(struct sqs_wire *wire, const char *name, const char *text)
{
    size_t count = 0;
    for (const struct sqs_url *url = wire->urls; url; url = url->next) {
        count++;
    }
    if (count >= URLS_MAX) {
        forget_urls(wire);
    }
    struct sqs_url *url = xcalloc(1, sizeof(*url));
    snprintf(url->name, sizeof(url->name), "%s", name);
    snprintf(url->url, sizeof(url->url), "%s", text);
    url->next = wire->urls;
    wire->urls = url;
}

static int
ask_url(struct sqs_wire *wire, struct sqs_call *for_call, struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    _cleanup(sqs_call_free) struct sqs_call call = {
        .action = "GetQueueUrl",
        .queue = for_call->queue,
        .deadline_ms = for_call->deadline_ms,
        .waits = for_call->waits,
    };
    const char *url = NULL;
    buf_json_object(&call.body);
    buf_json_key(&call.body, "QueueName");
    buf_json_string(&call.body, call.queue);
    if (wire->account[0]) {
        buf_json_key(&call.body, "QueueOwnerAWSAccountId");
        buf_json_string(&call.body, wire->account);
    }
    int result = sqs_call_run(&call, wire, &reply, err);
    for_call->missing = call.missing;
    if (result ||
        json_string_required(reply, "QueueUrl", SQS_URL_MAX_BYTES, &url, err)) {
        return -1;
    }
    keep_url(wire, call.queue, url);
    return 0;
}

/* --- errors -------------------------------------------------------------- */

/* The JSON protocol's name or the older Query protocol's. */
static bool
is_missing(const char *code)
{
    return strstr(code, "QueueDoesNotExist") ||
           strstr(code, "NonExistentQueue");
}

static bool
is_denied(const char *code)
{
    return strstr(code, "AccessDenied") || strstr(code, "UnauthorizedOp");
}

/* What a refusal means, where aws/call.h can't know. */
static int
refused(struct sqs_call *call, struct sqs_wire *wire, const char *code,
        struct err *err)
{
    const char *queue = call->queue ? call->queue : "";
    if (is_missing(code)) {
        forget_urls(wire);
        call->missing = true;
        return err_set(err, ERR_RETRY, 404,
                       "queue %s does not exist in %s; make it with: "
                       "alexctl queue create",
                       queue, aws_client_region(wire->client));
    }
    if (err->kind == ERR_REJECT && is_denied(code)) {
        err->kind = ERR_FATAL;
    } else if (err->kind == ERR_REJECT &&
               (sqs_entry_is_throttle(code) ||
                strstr(code, "QueueDeletedRecently"))) {
        err->kind = ERR_RETRY;
    }
    return err_wrap(err, "SQS %s%s%s", call->action, queue[0] ? " " : "",
                    queue);
}

/* --- calls --------------------------------------------------------------- */

static int
call_once(struct sqs_call *call, struct sqs_wire *wire, const char *target,
          struct aws_reply *reply, struct err *err)
{
    int64_t left_ms = call->deadline_ms - clock_boot_ms();
    const struct aws_request request = {
        .path = "/",
        .target = target,
        .content_type = "application/x-amz-json-1.0",
        .body = call->body.data,
        .body_size = call->body.size,
        .timeout_ms = left_ms > TIMEOUT_MIN_MS ? left_ms : TIMEOUT_MIN_MS,
        .max_bytes = REPLY_MAX_BYTES,
    };
    return aws_client_call(wire->client, &request, reply, err);
}

static bool
was_woken(const struct err *err)
{
    return err->kind == ERR_RETRY && err->code == ECANCELED;
}

/* Every call of ours may be repeated: a doorbell sent twice does no harm.  A
 * wake that was meant for a receive ends whatever call it meets. */
static bool
is_worth_another(const struct sqs_call *call, const struct aws_reply *reply,
                 const struct err *err)
{
    return was_woken(err) ? !call->waits
                          : err->kind == ERR_RETRY && err->after_ms == 0 &&
                                reply->status >= 500;
}

int
sqs_call_start(struct sqs_call *call, struct sqs_wire *wire, struct err *err)
{
    if (!known_url(wire, call->queue) && ask_url(wire, call, err)) {
        return -1;
    }
    buf_json_object(&call->body);
    buf_json_key(&call->body, "QueueUrl");
    buf_json_string(&call->body, known_url(wire, call->queue));
    return 0;
}

static int
decode(const struct sqs_call *call, const struct aws_reply *reply,
       struct json_object **ret, struct err *err)
{
    bool empty = reply->body.size == 0;
    _cleanup(json_put) struct json_object *object = NULL;
    if (json_parse(empty ? "{}" : reply->body.data,
                   empty ? 2 : reply->body.size, call->action, &object,
                   err) == 0 &&
        !json_object_is_type(object, json_type_object)) {
        err_set(err, ERR_RETRY, 0, "%s: answered no object", call->action);
    } else if (object) {
        *ret = STEAL(object);
        return 0;
    }
    err->kind = ERR_RETRY;
    return err_wrap(err, "SQS");
}

int
sqs_call_run(struct sqs_call *call, struct sqs_wire *wire,
             struct json_object **ret, struct err *err)
{
    char target[96];
    int result = -1;
    _cleanup(aws_reply_free) struct aws_reply reply = {0};
    snprintf(target, sizeof(target), "AmazonSQS.%s", call->action);
    buf_json_end(&call->body);
    int round = 0;
    do {
        aws_reply_free(&reply);
        result = call_once(call, wire, target, &reply, err);
    } while (result && is_worth_another(call, &reply, err) &&
             sqs_wire_pause(++round, call->deadline_ms));
    if (result && was_woken(err)) {
        return -1;
    }
    return result ? refused(call, wire, reply.code, err)
                  : decode(call, &reply, ret, err);
}

void
sqs_call_free(struct sqs_call *call)
{
    buf_free(&call->body);
}

/* --- opening and closing ------------------------------------------------- */

static int
parse(const char *url, char *region, size_t region_size, struct sqs_wire *wire,
      struct err *err)
{
    const char *at = url + strlen("sqs://");
    size_t size = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");
    const char *account = at[size] == '/' ? at + size + 1 : at + size;
    size_t digits = strspn(account, "0123456789");
    if (size == 0 || size >= region_size || account[digits] ||
        (digits != 0 && digits != 12)) {
        return err_set(err, ERR_FATAL, 78,
                       "queue URL: expected sqs://REGION or "
                       "sqs://REGION/ACCOUNT, like "
                       "sqs://eu-west-1/123456789012");
    }
    snprintf(region, region_size, "%.*s", (int)size, at);
    snprintf(wire->account, sizeof(wire->account), "%s", account);
    return 0;
}

int
sqs_wire_open(struct sqs_wire *wire, const char *url, struct err *err)
{
    char region[40];
    if (parse(url, region, sizeof(region), wire, err)) {
        return -1;
    }
    const struct aws_options options = {.service = "sqs", .region = region};
    return aws_client_open(&options, &wire->client, err);
}

void
sqs_wire_close(struct sqs_wire *wire)
{
    forget_urls(wire);
    aws_client_close(&wire->client);
}

int64_t
sqs_wire_deadline_ms(const struct sqs_wire *wire)
{
    return clock_boot_ms() + wire->call_ms;
}

bool
sqs_wire_pause(int round, int64_t deadline_ms)
{
    int64_t pause_ms =
        clock_jitter_ms(ROUND_PAUSE_MS / 2, (int64_t)ROUND_PAUSE_MS << round);
    if (round >= ROUNDS_MAX || clock_boot_ms() + pause_ms >= deadline_ms) {
        return false;
    }
    clock_sleep_ms(pause_ms);
    return true;
}

void
sqs_dead_name(const char *name, char ret[QUEUE_NAME_SIZE])
{
    snprintf(ret, QUEUE_NAME_SIZE, "%.*s-dlq", QUEUE_NAME_SIZE - 5, name);
}
