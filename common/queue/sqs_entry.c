#include "queue/sqs_entry.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "base/uuid.h"

#define ENCODING "alex-encoding"
#define REASON "alex-reason"
#define SENT "alex-sent"
#define DELIVERIES "alex-deliveries"

#define DELAY_MAX_MS (900 * 1000) /* A bell rung early does no harm. */
#define GROUP_MAX_BYTES 128
#define REASON_MAX_BYTES 1024
/* Room for the attributes of a dead letter. */
#define EPITAPH_MAX_BYTES (REASON_MAX_BYTES + 256)

/* --- bodies -------------------------------------------------------------- */

/* Size of the character at 'text' if SQS takes it, else 0. */
static size_t
allowed_size(const char *text, size_t size)
{
    unsigned char c = (unsigned char)text[0];
    if (c < 0x20) {
        return c == '\t' || c == '\n' || c == '\r';
    }
    /* U+FFFE and U+FFFF are valid UTF-8 and no characters of XML. */
    bool none = size >= 3 && memcmp(text, "\xef\xbf", 2) == 0 &&
                (unsigned char)text[2] >= 0xbe;
    return none ? 0 : utf8_size(text, size);
}

static bool
allowed(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t step = allowed_size(text + i, size - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

static size_t
base64_size(size_t size)
{
    return (size + 2) / 3 * 4;
}

static void
write_base64(struct buf *out, const char *bytes, size_t size)
{
    _cleanup(buf_free) struct buf text = {0};
    char *room = buf_reserve(&text, base64_size(size) + 1);
    int written = EVP_EncodeBlock((unsigned char *)room,
                                  (const unsigned char *)bytes, (int)size);
    buf_json_string_n(out, room, (size_t)written);
}

static void
write_text_attribute(struct buf *out, const char *name, const char *type,
                     const char *text, size_t size)
{
    buf_json_key(out, name);
    buf_json_object(out);
    buf_json_key(out, "DataType");
    buf_json_string(out, type);
    buf_json_key(out, "StringValue");
    buf_json_string_n(out, text, size);
    buf_json_end(out);
}

static void
write_int_attribute(struct buf *out, const char *name, int64_t value)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%" PRId64, value);
    write_text_attribute(out, name, "Number", text, (size_t)size);
}

/* Only what an attribute may hold, and never nothing. */
static void
write_reason(struct buf *out, const char *reason)
{
    _cleanup(buf_free) struct buf text = {0};
    size_t left = strlen(reason);
    while (left > 0 && text.size < REASON_MAX_BYTES - 4) {
        size_t step = allowed_size(reason, left);
        buf_append(&text, step ? reason : "?", step ? step : 1);
        reason += step ? step : 1;
        left -= step ? step : 1;
    }
    if (text.size == 0) {
        buf_puts(&text, "-");
    }
    write_text_attribute(out, REASON, "String", text.data, text.size);
}

void
sqs_entry_write_dead(struct buf *out, const char *body, size_t size,
                     const struct sqs_epitaph *epitaph)
{
    bool plain = allowed(body, size);
    bool fits = size + EPITAPH_MAX_BYTES <= SQS_MESSAGE_MAX_BYTES;
    buf_json_key(out, "MessageBody");
    if (plain) {
        buf_json_string_n(out, body, size);
    } else {
        write_base64(out, body, size);
    }
    if (plain && (!epitaph || !fits)) {
        return;
    }
    buf_json_key(out, "MessageAttributes");
    buf_json_object(out);
    if (!plain) {
        write_text_attribute(out, ENCODING, "String", "base64", 6);
    }
    if (epitaph && fits) {
        write_reason(out, epitaph->reason);
        write_int_attribute(out, SENT, epitaph->sent_wall_ms);
        write_int_attribute(out, DELIVERIES, epitaph->deliveries);
    }
    buf_json_end(out);
}

void
sqs_entry_write_body(struct buf *out, const char *body, size_t size)
{
    sqs_entry_write_dead(out, body, size, NULL);
}

/* --- letters ------------------------------------------------------------- */

bool
sqs_entry_trace(const char *traceparent, char ret[SQS_TRACE_SIZE])
{
    /* 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 */
    static const size_t sizes[] = {2, 32, 16, 2};
    const char *at = traceparent;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        char after = i + 1 < ARRAY_COUNT(sizes) ? '-' : '\0';
        if (strspn(at, "0123456789abcdef") != sizes[i] ||
            at[sizes[i]] != after) {
            return false;
        }
        at += sizes[i] + 1;
    }
    const char *trace = traceparent + 3;
    bool sampled = strtoul(traceparent + 53, NULL, 16) & 1;
    snprintf(ret, SQS_TRACE_SIZE, "Root=1-%.8s-%.24s;Parent=%.16s;Sampled=%d",
             trace, trace + 8, trace + 33, sampled);
    return true;
}

/* The user, for SQS to be fair between them; one that is no group id is known
 * by its hash. */
static void
write_group(struct buf *out, const char *group)
{
    size_t size = strlen(group);
    char hash[DIGEST_SHA256_SIZE];
    bool valid = size >= 1 && size <= GROUP_MAX_BYTES;
    for (size_t i = 0; valid && i < size; i++) {
        valid = group[i] > ' ' && group[i] <= '~';
    }
    if (!valid) {
        digest_sha256_hex(group, size, hash);
    }
    buf_json_key(out, "MessageGroupId");
    buf_json_string(out, valid ? group : hash);
}

static void
write_trace(struct buf *out, const char *traceparent)
{
    char header[SQS_TRACE_SIZE];
    if (sqs_entry_trace(traceparent, header)) {
        buf_json_key(out, "MessageSystemAttributes");
        buf_json_object(out);
        write_text_attribute(out, "AWSTraceHeader", "String", header,
                             strlen(header));
        buf_json_end(out);
    }
}

void
sqs_entry_write_letter(struct buf *out, const struct queue_letter *letter)
{
    int64_t delay_ms =
        letter->delay_ms < DELAY_MAX_MS ? letter->delay_ms : DELAY_MAX_MS;
    sqs_entry_write_body(out, letter->body, letter->body_size);
    if (delay_ms > 0) {
        buf_json_key(out, "DelaySeconds");
        buf_json_int(out, (delay_ms + 999) / 1000);
    }
    if (letter->group) {
        write_group(out, letter->group);
    }
    if (letter->trace) {
        write_trace(out, letter->trace);
    }
}

/* --- received messages --------------------------------------------------- */

static void
write_list(struct buf *out, const char *key, const char *const *items)
{
    buf_json_key(out, key);
    buf_json_array(out);
    for (; *items; items++) {
        buf_json_string(out, *items);
    }
    buf_json_end(out);
}

void
sqs_entry_write_wanted(struct buf *out)
{
    static const char *const system[] = {"SentTimestamp",
                                         "ApproximateReceiveCount", NULL};
    static const char *const ours[] = {ENCODING, REASON, SENT, DELIVERIES,
                                       NULL};
    write_list(out, "MessageSystemAttributeNames", system);
    write_list(out, "MessageAttributeNames", ours);
}

static struct json_object *
member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    bool has = json_object_is_type(object, json_type_object) &&
               json_object_object_get_ex(object, key, &value);
    return has ? value : NULL;
}

static const char *
text_of(struct json_object *value)
{
    return json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

static const char *
attribute(struct json_object *message, const char *name)
{
    struct json_object *all = member(message, "MessageAttributes");
    return text_of(member(member(all, name), "StringValue"));
}

/* All numbers of SQS are text. */
static int64_t
number(const char *text, int64_t fallback)
{
    int64_t value = text ? strtoll(text, NULL, 10) : fallback;
    return value < 0 ? fallback : value;
}

/* Decodes '*body' where it stands; leaves what is no base64 alone. */
static void
decode_base64(char **body, size_t *size)
{
    size_t padding = 0;
    while (padding < 2 && padding < *size &&
           (*body)[*size - 1 - padding] == '=') {
        padding++;
    }
    _cleanup(cleanup_free) char *bytes = xmalloc(*size + 1);
    int written = EVP_DecodeBlock((unsigned char *)bytes,
                                  (const unsigned char *)*body, (int)*size);
    if (written >= (int)padding && written > 0) {
        *size = (size_t)written - padding;
        bytes[*size] = '\0';
        free(*body);
        *body = STEAL(bytes);
    }
}

bool
sqs_entry_read(struct json_object *message, struct queue_message *ret,
               const char **ret_receipt, int64_t *ret_queued_wall_ms)
{
    const char *id = text_of(member(message, "MessageId"));
    const char *receipt = text_of(member(message, "ReceiptHandle"));
    struct json_object *body = member(message, "Body");
    struct json_object *system = member(message, "Attributes");
    if (!id || !id[0] || strlen(id) > SQS_ID_MAX_BYTES || !receipt ||
        strlen(receipt) > SQS_RECEIPT_MAX_BYTES || !text_of(body)) {
        return false;
    }
    const char *reason = attribute(message, REASON);
    const char *encoding = attribute(message, ENCODING);
    int64_t sent_ms = number(text_of(member(system, "SentTimestamp")), 0);
    int64_t count =
        number(text_of(member(system, "ApproximateReceiveCount")), 1);
    *ret = (struct queue_message){
        .body_size = (size_t)json_object_get_string_len(body),
        .sent_wall_ms = number(attribute(message, SENT), sent_ms),
        .deliveries = number(attribute(message, DELIVERIES), count),
        .reason = reason ? xstrdup(reason) : NULL,
    };
    ret->body = xmemdup(text_of(body), ret->body_size);
    if (encoding && strcmp(encoding, "base64") == 0) {
        decode_base64(&ret->body, &ret->body_size);
    }
    snprintf(ret->handle, sizeof(ret->handle), "%s", id);
    *ret_receipt = receipt;
    *ret_queued_wall_ms = sent_ms;
    return true;
}

/* --- replies to batches -------------------------------------------------- */

bool
sqs_entry_is_throttle(const char *code)
{
    static const char *const words[] = {"Throttl",       "OverLimit",
                                        "KmsThrottled",  "ServiceUnavailable",
                                        "InternalError", "InternalFailure"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strstr(code, words[i])) {
            return true;
        }
    }
    return false;
}

/* The place of the entry in its batch, or SQS_BATCH_MAX. */
static size_t
place(struct json_object *entry)
{
    const char *id = text_of(member(entry, "Id"));
    bool valid = id && id[0] >= '0' && id[0] <= '9' && !id[1];
    return valid ? (size_t)(id[0] - '0') : SQS_BATCH_MAX;
}

static size_t
length(struct json_object *list)
{
    size_t count = json_object_is_type(list, json_type_array)
                       ? json_object_array_length(list)
                       : 0;
    return count < SQS_BATCH_MAX ? count : SQS_BATCH_MAX;
}

static enum sqs_entry_outcome
failed(struct json_object *entry, struct err *err)
{
    const char *code = text_of(member(entry, "Code"));
    const char *text = text_of(member(entry, "Message"));
    struct json_object *fault = member(entry, "SenderFault");
    const char *word = text_of(fault);
    bool refused =
        (word ? strcmp(word, "true") == 0 : json_object_get_boolean(fault)) &&
        !(code && sqs_entry_is_throttle(code));
    err_set(err, refused ? ERR_REJECT : ERR_RETRY, 0, "%.90s: %.180s",
            code ? code : "refused", text ? text : "no reason given");
    return refused ? SQS_ENTRY_REFUSED : SQS_ENTRY_AGAIN;
}

void
sqs_entry_outcomes(struct json_object *reply,
                   enum sqs_entry_outcome ret[SQS_BATCH_MAX], struct err *err)
{
    struct json_object *done = member(reply, "Successful");
    struct json_object *not = member(reply, "Failed");
    enum sqs_entry_outcome all[SQS_BATCH_MAX + 1] = {SQS_ENTRY_AGAIN};
    for (size_t i = 0; i < length(done); i++) {
        all[place(json_object_array_get_idx(done, i))] = SQS_ENTRY_DONE;
    }
    for (size_t i = 0; i < length(not ); i++) {
        struct json_object *entry = json_object_array_get_idx(not, i);
        all[place(entry)] = failed(entry, err);
    }
    memcpy(ret, all, SQS_BATCH_MAX * sizeof(*ret));
}
