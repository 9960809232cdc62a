#include "alexctl/submitter.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"

#define INSURANCE_DELAY_MS 30000
#define COMMIT_WITHIN_MS 20000
#define ROUNDS_MAX 3

static const char *const verdicts[] = {
    [SUBMITTER_CREATED] = "created",
    [SUBMITTER_EXISTING] = "existing",
    [SUBMITTER_CONFLICT] = "conflict",
    [SUBMITTER_NO_USER] = "no_user",
};

const char *
submitter_verdict_name(enum submitter_verdict verdict)
{
    return verdicts[verdict];
}

void
submitter_job_id(const char *user, const char *key, char ret[UUID_SIZE])
{
    char name_space[UUID_SIZE];
    if (key == NULL) {
        uuid_v4(ret);
        return;
    }
    uuid_v5(UUID_NAMESPACE_ALEX, user, strlen(user), name_space);
    uuid_v5(name_space, key, strlen(key), ret);
}

static int
ring_insurance(struct ctl *ctl, const struct submitter_job *jobs, size_t count,
               struct err *err)
{
    struct bell bells[SUBMITTER_BATCH_MAX] = {0};
    size_t insured = 0;
    for (size_t i = 0; i < count; i++) {
        struct bell *bell = &bells[insured];
        snprintf(bell->agent, sizeof(bell->agent), "%s", jobs[i].agent);
        memcpy(bell->job, jobs[i].id, UUID_SIZE);
        bell_set_group(bell, jobs[i].user);
        bell->delay_ms = INSURANCE_DELAY_MS;
        insured += !jobs[i].uninsured;
    }
    return ctl_ring(ctl, bells, insured, err);
}

/* A new W3C traceparent, sampled. */
static void
write_trace(struct buf *out)
{
    char id[2][UUID_SIZE];
    char digits[64];
    size_t size = 0;
    uuid_v4(id[0]);
    uuid_v4(id[1]);
    for (size_t i = 0; i < 2; i++) {
        for (const char *p = id[i]; *p != '\0' && size < 48; p++) {
            if (*p != '-') {
                digits[size++] = *p;
            }
        }
    }
    char trace[64];
    snprintf(trace, sizeof(trace), "00-%.32s-%.16s-01", digits, digits + 32);
    buf_json_key(out, "trace");
    buf_json_string(out, trace);
}

static void
write_text(struct buf *out, const char *key, const char *text)
{
    buf_json_key(out, key);
    buf_json_string(out, text);
}

static void
write_job(const struct submitter_job *job, struct buf *out)
{
    buf_json_object(out);
    write_text(out, "job", job->id);
    write_text(out, "user", job->user);
    write_text(out, "type", job->type);
    if (job->key != NULL) {
        write_text(out, "key", job->key);
    }
    write_text(out, "agent", job->agent);
    write_text(out, "node", job->node);
    buf_json_key(out, "request");
    buf_json_raw(out, job->request, strlen(job->request));
    if (job->params != NULL) {
        buf_json_key(out, "params");
        buf_json_raw(out, job->params, strlen(job->params));
    }
    buf_json_key(out, "snapshot");
    buf_json_bool(out, !job->no_snapshot);
    write_trace(out);
    buf_json_end(out);
}

static void
write_request(const struct submitter_job *jobs, size_t count, struct buf *out)
{
    buf_json_object(out);
    buf_json_key(out, "v");
    buf_json_int(out, 1);
    buf_json_key(out, "jobs");
    buf_json_array(out);
    for (size_t i = 0; i < count; i++) {
        write_job(&jobs[i], out);
    }
    buf_json_end(out);
    buf_json_end(out);
}

static int
decode_verdict(const char *word, enum submitter_verdict *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(verdicts); i++) {
        if (strcmp(word, verdicts[i]) == 0) {
            *ret = (enum submitter_verdict)i;
            return 0;
        }
    }
    return err_set(err, ERR_FATAL, 0,
                   "the engine answered '%.40s', which this alexctl does not "
                   "know: use the one of its release",
                   word);
}

static struct submitter_job *
find_job(struct submitter_job *jobs, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(jobs[i].id, id) == 0) {
            return &jobs[i];
        }
    }
    return NULL;
}

/* One row of the answer: the verdict of a job and whom to ring. */
static int
take_row(const struct store_reply *reply, size_t row,
         struct submitter_job *jobs, size_t count, struct json_object *bells,
         struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    struct json_object *ring = NULL;
    const char *id = NULL;
    const char *verdict = NULL;
    if (ctl_head(reply, row, &head, err) < 0 ||
        json_string_required(head, "job", UUID_SIZE, &id, err) < 0 ||
        json_string_required(head, "verdict", 40, &verdict, err) < 0 ||
        json_member(head, "ring", json_type_array, &ring, err) < 0) {
        return -1;
    }
    struct submitter_job *job = find_job(jobs, count, id);
    if (job == NULL) {
        return err_set(err, ERR_FATAL, 0, "an answer about job %s", id);
    }
    size_t rings = ring && !job->silent ? json_object_array_length(ring) : 0;
    for (size_t i = 0; i < rings; i++) {
        struct json_object *bell = json_object_array_get_idx(ring, i);
        if (strlen(job->user) < BELL_GROUP_SIZE) {
            json_object_object_add(bell, "group",
                                   json_object_new_string(job->user));
        }
        json_object_array_add(bells, json_object_get(bell));
    }
    return decode_verdict(verdict, &job->verdict, err);
}

/* Calls the engine, then rings for all jobs at once. */
static int
submit_and_ring(struct ctl *ctl, const struct buf *request,
                struct submitter_job *jobs, size_t count, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *bells = json_object_new_array();
    if (ctl_call(ctl, "submit", request, &reply, err) < 0) {
        return -1;
    }
    FAULT_POINT(FAULT_SUBMITTER_COMMITTED);
    for (size_t row = 1; row < reply.count; row++) {
        if (take_row(&reply, row, jobs, count, bells, err) < 0) {
            return -1;
        }
    }
    return ctl_ring_json(ctl, bells, NULL, err);
}

int
submitter_submit(struct ctl *ctl, struct submitter_job *jobs, size_t count,
                 struct err *err)
{
    _cleanup(buf_free) struct buf request = {0};
    write_request(jobs, count, &request);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (ring_insurance(ctl, jobs, count, err) < 0) {
            return -1;
        }
        FAULT_POINT(FAULT_SUBMITTER_INSURED);
        int64_t rung_ms = clock_boot_ms();
        if (submit_and_ring(ctl, &request, jobs, count, err) < 0) {
            return -1;
        }
        if (clock_boot_ms() - rung_ms <= COMMIT_WITHIN_MS) {
            return 0;
        }
    }
    return err_set(err, ERR_RETRY, CTL_TIMED_OUT,
                   "the database takes longer than %d s to commit; the jobs "
                   "may exist: submit again with the same --idempotency-key",
                   COMMIT_WITHIN_MS / 1000);
}
