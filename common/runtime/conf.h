/* Settings of a worker: one table is default, bounds, parser and --help. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct worker_conf {
    char *store_url;
    char *queue_url;
    char *intake_queue;
    char *llm_url;
    char *http_bind;
    int64_t concurrency;
    int64_t recycle_tasks;
    int64_t lease_ms;
    int64_t grace_ms;
    int64_t in_flight;
    int64_t memory_mib;
    int64_t http_port;
    bool adopt;
};

/* Errors: ERR_FATAL (78), naming variable and range. */
int worker_conf_load(struct worker_conf *ret, struct err *err);
void worker_conf_help(FILE *out);
void worker_conf_print(const struct worker_conf *conf, FILE *out);
/* Takes the URLs (they have passwords) out of this process's environment. */
void worker_conf_wipe(void);
