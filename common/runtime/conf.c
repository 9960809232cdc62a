#include "runtime/conf.h"

#include <stddef.h>

#include "base/cleanup.h"
#include "base/conf.h"

#define FIELD(name) offsetof(struct worker_conf, name)
#define SECOND_MS 1000
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)

static const struct conf_row rows[] = {
    {CONF_SECRET, "ALEX_STORE_URL", FIELD(store_url), NULL, 1, 4096,
     "database with the engine: postgres://user:password@host:5432/alex or "
     "rds-data://<cluster ARN>?secret=<ARN>&database=alex"},
    {CONF_SECRET, "ALEX_QUEUE_URL", FIELD(queue_url), NULL, 1, 4096,
     "broker of the doorbells: redis://user:password@host:6379/0, "
     "sqs://region/account or kafka://host:9092"},
    {CONF_STR, "ALEX_INTAKE_QUEUE", FIELD(intake_queue), "", 1, 80,
     "planner: also take jobs from this queue, which Alex's own API writes to: "
     "alex-analysis-jobs"},
    {CONF_CHOICE, "ALEX_LLM_URL", FIELD(llm_url), "offline:", 0, 0,
     "language model; offline: is none, every analysis is complete without",
     "offline:"},
    {CONF_INT, "ALEX_CONCURRENCY", FIELD(concurrency), "8", 1, 256,
     "handler processes: tasks that compute at the same time"},
    {CONF_INT, "ALEX_IN_FLIGHT", FIELD(in_flight), "1000", 1, 4000,
     "tasks held at most, those that wait for answers included"},
    {CONF_SPAN, "ALEX_LEASE", FIELD(lease_ms), "60s", SECOND_MS, HOUR_MS,
     "how long a claimed task stays ours without a sign of life"},
    {CONF_SPAN, "ALEX_GRACE", FIELD(grace_ms), "25s", 0, HOUR_MS,
     "how long running tasks may take to end after SIGTERM"},
    {CONF_INT, "ALEX_RECYCLE", FIELD(recycle_tasks), "1000", 1, 1000000,
     "tasks after which a handler process is replaced"},
    {CONF_INT, "ALEX_MEMORY", FIELD(memory_mib), "0", 0, 65536,
     "MiB a handler may allocate; 0 is what the agent needs"},
    {CONF_BOOL, "ALEX_ADOPT", FIELD(adopt), "on", 0, 0,
     "take up jobs of Alex's own API that nobody rang for; off beside "
     "upstream's planner"},
    {CONF_INT, "ALEX_HTTP_PORT", FIELD(http_port), "0", 0, 65535,
     "port of /metrics, /live and /ready; 0 is none"},
    {CONF_STR, "ALEX_HTTP_BIND", FIELD(http_bind), "127.0.0.1", 1, 64,
     "address that port is bound to"},
};

int
worker_conf_load(struct worker_conf *ret, struct err *err)
{
    return conf_load(rows, ARRAY_COUNT(rows), ret, err);
}

void
worker_conf_help(FILE *out)
{
    conf_help(rows, ARRAY_COUNT(rows), out);
}

void
worker_conf_print(const struct worker_conf *conf, FILE *out)
{
    conf_print(rows, ARRAY_COUNT(rows), conf, out);
}

void
worker_conf_wipe(void)
{
    conf_wipe_secrets(rows, ARRAY_COUNT(rows));
}
