/* Any bytes as a handler's input, given to each agent without a model or price
 * source: a refusal has a text; an answer is JSON that the agent's schema
 * accepts, and the payload keeps to its share of a job's row. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "charter/charter.h"
#include "planner/planner.h"
#include "reporter/reporter.h"
#include "tagger/tagger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const struct worker *worker;
    const char *payload;
    size_t bytes_max; /* As PostgreSQL writes jsonb, about. */
} agents[] = {
    {&planner_worker, "summary_payload", 6000},
    {&tagger_worker, "detail", 1000},
    {&reporter_worker, "report_payload", REPORTER_PAYLOAD_BYTES_MAX + 20},
    {&charter_worker, "charts_payload", 8000},
};

static void
require(bool condition, const char *what, const char *detail)
{
    if (!condition) {
        fprintf(stderr, "fuzz_agents: %s: %s\n", what, detail);
        abort();
    }
}

static void
check_output(size_t agent, const struct buf *output)
{
    const char *text = agents[agent].worker->result_schema;
    _cleanup(json_put) struct json_object *schema = NULL;
    _cleanup(json_put) struct json_object *value = NULL;
    struct err err = {0};

    require(json_parse(output->data, output->size, "output", &value, &err) == 0,
            "not JSON", err.text);
    require(json_parse(text, strlen(text), "schema", &schema, &err) == 0,
            "schema", err.text);
    require(json_validate(schema, value, &err) == 0, "against its schema",
            err.text);
    require(strlen(json_object_to_json_string_ext(
                json_object_object_get(value, agents[agent].payload),
                JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)) <=
                agents[agent].bytes_max,
            "payload too large", agents[agent].payload);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup(cleanup_free) char *input = xmalloc(size + 1);

    memcpy(input, data, size);
    input[size] = '\0';
    for (size_t i = 0; i < ARRAY_COUNT(agents); i++) {
        _cleanup(task_offline_free) struct task *task = NULL;
        _cleanup(buf_free) struct buf output = {0};
        struct err err = {0};

        require(task_offline_new(NULL, 0, &task, &err) == 0, "task", err.text);
        if (agents[i].worker->handle(task, input, size, &output, &err) == 0) {
            check_output(i, &output);
        } else {
            require(err.kind == ERR_REJECT && err.text[0] != '\0',
                    "refused without a reason", agents[i].worker->name);
        }
    }
    return 0;
}
