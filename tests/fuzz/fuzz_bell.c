/* Any bytes from a broker, as a worker reads them.
 *
 * - What is accepted names a job, and only what fits into statements, queue
 *   names and headers.
 * - Encoded again, it decodes to the same.
 * - What is refused is refused for good, with a reason. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "queue/bell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_bell: %s\n", what);
        abort();
    }
}

static void
require_sound(const struct bell *bell)
{
    require(uuid_valid(bell->job, strlen(bell->job)), "job is no UUID");
    require(!bell->task[0] || uuid_valid(bell->task, strlen(bell->task)),
            "task is no UUID");
    require(strspn(bell->agent, "abcdefghijklmnopqrstuvwxyz0123456789_-") ==
                strlen(bell->agent),
            "agent is no name");
    require(strspn(bell->trace, "0123456789abcdef-") == strlen(bell->trace) &&
                (!bell->trace[0] || strlen(bell->trace) == 55),
            "trace is no traceparent");
    require(bell->delay_ms == 0, "delay came from outside");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup(buf_free) struct buf out = {0};
    struct bell bell;
    struct bell again;
    struct err err = {0};

    if (bell_decode((const char *)data, size, &bell, &err) != 0) {
        require(err.kind == ERR_REJECT && err.text[0],
                "refused without reason");
        return 0;
    }
    require_sound(&bell);
    bell_encode(&bell, &out);
    require(bell_decode(out.data, out.size, &again, &err) == 0,
            "cannot read what it wrote");
    require(strcmp(bell.agent, again.agent) == 0 &&
                strcmp(bell.job, again.job) == 0 &&
                strcmp(bell.task, again.task) == 0 &&
                strcmp(bell.trace, again.trace) == 0,
            "reads what it wrote differently");
    return 0;
}
