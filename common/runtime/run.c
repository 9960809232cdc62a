#include "runtime/run.h"

#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

struct run *
run_ref(struct run *run)
{
    atomic_fetch_add_explicit(&run->refs, 1, memory_order_relaxed);
    return run;
}

static void
answer_free(struct run_answer *answer)
{
    free(answer->bytes);
    free(answer->err);
}

void
run_unref(struct run *run)
{
    if (run == NULL ||
        atomic_fetch_sub_explicit(&run->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < run->answer_count; i++) {
        answer_free(&run->answers[i]);
    }
    free(run->answers);
    free(run->input);
    free(run->progress);
    queue_message_free(&run->message);
    free(run);
}

bool
run_fenced(const struct run *run)
{
    return clock_boot_ms() >=
           atomic_load_explicit(&run->good_until_ms, memory_order_relaxed);
}

void
run_add_answer(struct run *run, uint32_t ordinal, const char *sha256,
               char *bytes, size_t size, bool stored, const struct err *err)
{
    size_t count = run->answer_count;

    if ((count & (count - 1)) == 0) { /* Full at every power of two. */
        run->answers = xrealloc(run->answers, (count == 0 ? 1 : 2 * count) *
                                                  sizeof(*run->answers));
    }
    struct run_answer *answer = &run->answers[run->answer_count++];
    *answer = (struct run_answer){
        .ordinal = ordinal, .bytes = bytes, .size = size, .stored = stored};
    memcpy(answer->sha256, sha256, DIGEST_SHA256_SIZE);
    if (err != NULL) {
        answer->err = xmalloc(sizeof(*err));
        *answer->err = *err;
    }
    run->answer_bytes += size;
}

const struct run_answer *
run_find_answer(const struct run *run, uint32_t ordinal, const char *sha256)
{
    for (size_t i = 0; i < run->answer_count; i++) {
        if (run->answers[i].ordinal == ordinal &&
            strcmp(run->answers[i].sha256, sha256) == 0) {
            return &run->answers[i];
        }
    }
    return NULL;
}

void
run_drop_answers(struct run *run)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->answer_count; i++) {
        if (run->answers[i].err != NULL) { /* An error is not stored. */
            run->answers[kept++] = run->answers[i];
        } else {
            answer_free(&run->answers[i]);
        }
    }
    run->answer_count = kept;
    if (kept == 0) {
        free(run->answers);
        run->answers = NULL;
    }
    run->answer_bytes = 0;
}

size_t
run_bytes(const struct run *run)
{
    return (run->input != NULL ? run->input_size : 0) + run->answer_bytes;
}

/* A quarter of the lease is the margin for a request on its way and for clocks
 * that drift. */
void
run_set_lease(struct run *run, int64_t sent_ms, int64_t lease_ms)
{
    atomic_store_explicit(&run->good_until_ms,
                          sent_ms + lease_ms - lease_ms / 4,
                          memory_order_relaxed);
}
