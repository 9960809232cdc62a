#include "bench/ops.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/uuid.h"

#define OPS_MS_MAX 600000
#define OPS_BYTES_MAX ((int64_t)1 << 40)
#define OPS_OVERSIZE_BYTES ((int64_t)5 * 1024 * 1024)
#define OPS_OUTPUT_MAX ((int64_t)64 * 1024 * 1024)
#define OPS_HEX_MAX 8192
/* The channel, which a handler otherwise never touches itself. */
#define OPS_CHANNEL_FD 3

int
ops_echo(const struct ops_call *call, struct buf *output, struct err *err)
{
    char sha256[DIGEST_SHA256_SIZE];

    (void)err;
    digest_sha256_hex(call->input, call->input_size, sha256);
    buf_json_key(output, "bytes");
    buf_json_int(output, (int64_t)call->input_size);
    buf_json_key(output, "sha256");
    buf_json_string(output, sha256);
    return 0;
}

static int64_t
cpu_ms(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (int64_t)used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000;
}

int
ops_spin(const struct ops_call *call, struct buf *output, struct err *err)
{
    const int64_t start_ms = cpu_ms();
    int64_t ms = 0;
    volatile uint64_t turns = 0;

    (void)output;
    if (json_int(call->params, "ms", 0, OPS_MS_MAX, 10, &ms, err) != 0) {
        return -1;
    }
    while (cpu_ms() - start_ms < ms) {
        for (int i = 0; i < 20000; i++) {
            turns = turns + 1;
        }
    }
    return 0;
}

int
ops_sleep(const struct ops_call *call, struct buf *output, struct err *err)
{
    int64_t ms = 0;

    (void)output;
    if (json_int(call->params, "ms", 0, OPS_MS_MAX, 10, &ms, err) != 0) {
        return -1;
    }
    const struct timespec span = {.tv_sec = ms / 1000,
                                  .tv_nsec = ms % 1000 * 1000000};
    ppoll(NULL, 0, &span, NULL);
    return 0;
}

int
ops_memory(const struct ops_call *call, struct buf *output, struct err *err)
{
    int64_t bytes = 0;

    if (json_int(call->params, "bytes", 1, OPS_BYTES_MAX, 1024 * 1024, &bytes,
                 err) != 0) {
        return -1;
    }
    /* volatile: a compiler may grant memory that it sees nobody read. */
    char *volatile memory = malloc((size_t)bytes);
    if (memory != NULL) {
        memset(memory, 1, (size_t)bytes);
    }
    buf_json_key(output, "granted");
    buf_json_bool(output, memory != NULL);
    free(memory);
    return 0;
}

int
ops_reject(const struct ops_call *call, struct buf *output, struct err *err)
{
    const char *text = NULL;

    (void)output;
    if (json_string(call->params, "text", 1000, "told to", &text, err) != 0) {
        return -1;
    }
    return err_set(err, ERR_REJECT, 0, "%s", text);
}

int
ops_retry(const struct ops_call *call, struct buf *output, struct err *err)
{
    const char *text = NULL;
    int64_t after_ms = 0;
    int64_t code = 0;

    (void)output;
    if (json_string(call->params, "text", 1000, "told to", &text, err) != 0 ||
        json_int(call->params, "after_ms", 0, OPS_MS_MAX, 0, &after_ms, err) !=
            0 ||
        json_int(call->params, "code", 0, 999, 0, &code, err) != 0) {
        return -1;
    }
    err_set(err, ERR_RETRY, (int)code, "%s", text);
    err->after_ms = after_ms;
    return -1;
}

int
ops_crash(const struct ops_call *call, struct buf *output, struct err *err)
{
    int64_t number = 0;

    (void)output;
    if (json_int(call->params, "signal", 1, 64, SIGSEGV, &number, err) != 0) {
        return -1;
    }
    signal((int)number, SIG_DFL); /* A sanitizer would catch it. */
    raise((int)number);
    return err_set(err, ERR_REJECT, 0, "signal %d did not kill", (int)number);
}

int
ops_exit(const struct ops_call *call, struct buf *output, struct err *err)
{
    int64_t status = 0;

    (void)output;
    if (json_int(call->params, "status", 0, 255, 1, &status, err) != 0) {
        return -1;
    }
    _exit((int)status);
}

/* Appends the bytes that params."hex" spells. */
static int
append_hex(const struct ops_call *call, const char *fallback, struct buf *out,
           struct err *err)
{
    const char *hex = NULL;

    if (json_string(call->params, "hex", OPS_HEX_MAX, fallback, &hex, err) !=
        0) {
        return -1;
    }
    const size_t size = strlen(hex);
    for (size_t i = 0; i + 1 < size; i += 2) {
        const char pair[3] = {hex[i], hex[i + 1], '\0'};
        char *end = NULL;
        const unsigned char byte = (unsigned char)strtoul(pair, &end, 16);
        if (*end != '\0') {
            return err_set(err, ERR_REJECT, 0, "params.hex: not hex at %zu", i);
        }
        buf_append(out, &byte, 1);
    }
    return 0;
}

int
ops_raw(const struct ops_call *call, struct buf *output, struct err *err)
{
    buf_reset(output);
    return append_hex(call, "", output, err);
}

int
ops_oversize(const struct ops_call *call, struct buf *output, struct err *err)
{
    int64_t bytes = 0;

    if (json_int(call->params, "bytes", 1, OPS_OUTPUT_MAX, OPS_OVERSIZE_BYTES,
                 &bytes, err) != 0) {
        return -1;
    }
    buf_json_key(output, "filler");
    buf_append(output, "\"", 1);
    memset(buf_reserve(output, (size_t)bytes), 'x', (size_t)bytes);
    output->size += (size_t)bytes;
    buf_append(output, "\"", 1);
    return 0;
}

int
ops_garbage(const struct ops_call *call, struct buf *output, struct err *err)
{
    buf_reset(output);
    if (append_hex(call, "ffffffff", output, err) != 0) {
        return -1;
    }
    if (write(OPS_CHANNEL_FD, output->data, output->size) < 0) {
        return err_errno(err, ERR_REJECT, "cannot write to the channel");
    }
    /* Until the supervisor notices. */
    ppoll(NULL, 0, NULL, NULL);
    return err_set(err, ERR_REJECT, 0, "the garbage went unnoticed");
}
