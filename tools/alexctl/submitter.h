/* Submitting jobs so that none is lost, wherever the submitter dies.
 *
 * A delayed doorbell goes out before the job is committed: if the submitter
 * dies before its immediate one, somebody still looks at the job 30 seconds
 * later.  The commit must come within 20 seconds of that, or it starts again.
 * All of it may be repeated: the job's id is known before. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "alexctl/ctl.h"
#include "base/uuid.h"

#define SUBMITTER_BATCH_MAX 100

enum submitter_verdict {
    SUBMITTER_CREATED,
    SUBMITTER_EXISTING, /* The same job was submitted before. */
    SUBMITTER_CONFLICT, /* Another request has this key. */
    SUBMITTER_NO_USER,
};

struct submitter_job {
    char id[UUID_SIZE];
    const char *user;
    const char *type;    /* "portfolio_analysis" */
    const char *key;     /* Idempotency key, or NULL. */
    const char *agent;   /* "planner" */
    const char *node;    /* "plan" */
    const char *request; /* JSON object. */
    const char *params;  /* JSON object, or NULL. */
    bool no_snapshot;    /* The root task wants no portfolio. */
    /* For measuring only: */
    bool uninsured; /* No delayed doorbell: a lost submitter loses it. */
    bool silent;    /* No doorbell at all. */
    enum submitter_verdict verdict; /* Out. */
};

/* A job's id: a new one, or with a key always the same for this user. */
void submitter_job_id(const char *user, const char *key, char ret[UUID_SIZE]);

/* Submits 1..SUBMITTER_BATCH_MAX jobs in one call.
 * Errors: ERR_RETRY: database or broker not reachable, or too slow; repeating
 *   with the same ids is safe. */
int submitter_submit(struct ctl *ctl, struct submitter_job *jobs, size_t count,
                     struct err *err);

/* "created", "existing", ... */
const char *submitter_verdict_name(enum submitter_verdict verdict);
