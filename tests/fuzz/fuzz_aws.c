/* Any bytes from a file of profiles, a metadata service, STS or a service that
 * refuses.
 *
 * - What becomes credentials can stand in a header.
 * - A value of a file that passes the check is one of its bytes' own.
 * - What is refused is refused with a reason, in one line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/ini.h"
#include "aws/refusal.h"
#include "aws/source.h"
#include "base/arena.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_aws: %s\n", what);
        abort();
    }
}

static void
require_word(const char *text)
{
    require(text[0] != '\0', "an empty key");
    for (; *text; text++) {
        require(*text > ' ' && *text < 0x7f, "a key that breaks a header");
    }
}

typedef int decoder(const char *bytes, size_t size, struct credentials *ret,
                    struct err *err);

static void
try_decode(decoder *decode, const char *bytes, size_t size)
{
    _cleanup(credentials_free) struct credentials credentials = {0};
    struct err err = {0};
    if (decode(bytes, size, &credentials, &err) != 0) {
        require(err.kind == ERR_RETRY && err.text[0], "no reason");
        require(!credentials.access_key && !credentials.secret_key,
                "credentials of a failure");
        return;
    }
    require_word(credentials.access_key);
    require_word(credentials.secret_key);
    if (credentials.token) {
        require_word(credentials.token);
    }
}

static void
try_ini(const char *text)
{
    struct err err = {0};
    if (ini_check(text, "file", &err) != 0) {
        require(err.kind == ERR_FATAL && strstr(err.text, "file line "),
                "a bad file without its line");
    }
    _cleanup(cleanup_free) char *value =
        ini_value(text, "default", "aws_access_key_id");
    require(!value || (ini_has(text, "default") && strstr(text, value)),
            "a value from nowhere");
    require(!value || !strchr(value, '\n'), "a value of two lines");
}

static void
try_refusal(const char *bytes, size_t size)
{
    _cleanup(fetched_free) struct fetched fetched = {.status = 400};
    _cleanup(aws_reply_free) struct aws_reply reply = {0};
    struct err err = {0};
    buf_append(&fetched.body, bytes, size);
    buf_append(&fetched.headers, bytes, size);
    refusal_read(&fetched, &reply);
    require(refusal_fail("sqs", "host", &fetched, &reply, &err) == -1 &&
                err.kind != ERR_NONE && err.text[0],
            "a refusal without a reason");
    require(err.after_ms >= 0 && err.after_ms <= 3600 * 1000, "an absurd wait");
    require(!strpbrk(reply.code, " \r\n") && !strpbrk(reply.message, "\r\n"),
            "a refusal of two lines");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    _cleanup(cleanup_free) char *text = xmemdup(data, size);
    int64_t wall_ms = 0;
    struct err err;
    try_decode(source_decode_json, bytes, size);
    try_decode(source_decode_xml, bytes, size);
    try_ini(text);
    try_refusal(bytes, size);
    if (source_time(text, &wall_ms, &err) == 0) {
        require(wall_ms > 0, "a time before all clouds");
    }
    return 0;
}
