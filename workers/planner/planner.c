#include "planner/planner.h"

#include <string.h>

#include "base/cleanup.h"
#include "portfolio/facts.h"

/* The summary shares 48 KB with the other agents' payloads. */
enum { SUMMARY_NAMES_MAX = 25, SUMMARY_ISSUES_BYTES = 2500 };

extern const char embed_planner_result[];

struct planner {
    const struct portfolio *portfolio; /* With the fresh prices. */
    struct portfolio_facts facts;
    const char *node; /* Of this task: what the others need. */
};

static bool
has_unclassified(const struct planner *p)
{
    return p->facts.unclassified_count > 0;
}

static bool
always(const struct planner *p)
{
    (void)p;
    return true;
}

static bool
has_two_positions(const struct planner *p)
{
    return p->portfolio->position_count >= 2;
}

static bool
has_goals(const struct planner *p)
{
    return p->portfolio->years >= 0 || p->portfolio->income_cents >= 0;
}

static const struct step {
    const char *node;
    const char *agent;
    bool (*applies)(const struct planner *p);
    bool required;
} steps[] = {
    {"tag", "tagger", has_unclassified, false},
    {"report", "reporter", always, true},
    {"chart", "charter", has_two_positions, true},
    {"retire", "retirement", has_goals, true},
};

static void
write_params(const struct planner *p, const struct step *step,
             struct buf *output)
{
    buf_json_key(output, "params");
    buf_json_object(output);
    if (step->applies == has_unclassified) {
        buf_json_key(output, "symbols");
        buf_json_array(output);
        for (size_t i = 0; i < p->facts.unclassified_count; i++) {
            buf_json_string(output, p->facts.unclassified[i]->symbol);
        }
        buf_json_end(output);
    }
    buf_json_end(output);
}

static void
write_step(const struct planner *p, const struct step *step, struct buf *output)
{
    bool is_tag = step->applies == has_unclassified;

    buf_json_object(output);
    buf_json_key(output, "node");
    buf_json_string(output, step->node);
    buf_json_key(output, "agent");
    buf_json_string(output, step->agent);
    buf_json_key(output, "needs");
    buf_json_array(output);
    buf_json_string(output, p->node);
    if (!is_tag && has_unclassified(p)) {
        buf_json_string(output, steps[0].node);
    }
    buf_json_end(output);
    buf_json_key(output, "required");
    buf_json_bool(output, step->required);
    write_params(p, step, output);
    buf_json_end(output);
}

static void
write_plan(const struct planner *p, struct buf *output)
{
    buf_json_key(output, "plan");
    buf_json_array(output);
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        if (steps[i].applies(p)) {
            write_step(p, &steps[i], output);
        }
    }
    buf_json_end(output);
}

/* Classification is left to the tagger, which is only about to begin. */
static void
write_issues(const struct planner *p, struct buf *output)
{
    size_t begin = output->size;

    buf_json_key(output, "data_quality");
    buf_json_array(output);
    for (size_t i = 0; i < p->facts.issue_count &&
                       output->size - begin < SUMMARY_ISSUES_BYTES;
         i++) {
        const struct portfolio_issue *issue = &p->facts.issues[i];

        if (issue->about != PORTFOLIO_ISSUE_CLASSIFICATION) {
            buf_json_string(output, issue->text);
        }
    }
    buf_json_end(output);
}

static void
write_summary_lists(const struct planner *p, struct buf *output)
{
    buf_json_key(output, "plan");
    buf_json_array(output);
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        if (steps[i].applies(p)) {
            buf_json_string(output, steps[i].node);
        }
    }
    buf_json_end(output);
    buf_json_key(output, "unpriced");
    buf_json_array(output);
    for (size_t i = 0; i < p->facts.unpriced_count && i < SUMMARY_NAMES_MAX;
         i++) {
        buf_json_string(output, p->facts.unpriced[i]->symbol);
    }
    buf_json_end(output);
    write_issues(p, output);
}

static void
write_summary(const struct planner *p, struct buf *output)
{
    char total[32];

    portfolio_decimal_text(p->portfolio->total_cents, 2, total);
    buf_json_key(output, "summary_payload");
    buf_json_object(output);
    buf_json_key(output, "total_value");
    buf_json_raw(output, total, strlen(total));
    buf_json_key(output, "accounts");
    buf_json_int(output, (int64_t)p->portfolio->account_count);
    buf_json_key(output, "positions");
    buf_json_int(output, (int64_t)p->portfolio->position_count);
    write_summary_lists(p, output);
    buf_json_end(output);
}

/* What later tasks of the job read, and what is kept for people. */
static void
write_prices(const struct planner_prices *prices, struct buf *output)
{
    buf_json_key(output, "prices");
    buf_json_raw(output, prices->changes.data, prices->changes.size);
    buf_json_key(output, "detail");
    buf_json_object(output);
    buf_json_key(output, "price_source");
    buf_json_string(output, prices->source);
    buf_json_key(output, "prices_asked");
    buf_json_int(output, (int64_t)prices->asked);
    buf_json_key(output, "prices_changed");
    buf_json_int(output, (int64_t)prices->changed);
    buf_json_key(output, "notes");
    buf_json_array(output);
    for (size_t i = 0; i < prices->note_count; i++) {
        buf_json_string(output, prices->notes[i]);
    }
    buf_json_end(output);
    buf_json_end(output);
}

/* The portfolio as the tasks to come will load it: with what the asks brought,
 * through the same door. */
static int
load_priced(const char *input, size_t input_size,
            const struct planner_prices *prices, struct arena *mem,
            struct planner *ret, struct err *err)
{
    _cleanup(buf_free) struct buf result = {0};

    buf_json_object(&result);
    write_prices(prices, &result);
    buf_json_end(&result);
    if (portfolio_load_with(input, input_size, result.data, result.size, mem,
                            &ret->portfolio, err)) {
        return -1;
    }
    portfolio_facts(ret->portfolio, mem, &ret->facts);
    ret->node = ret->portfolio->node[0] == '\0' ? "plan" : ret->portfolio->node;
    return 0;
}

int
planner_handle(struct task *task, const char *input, size_t input_size,
               struct buf *output, struct err *err)
{
    _cleanup(planner_prices_free) struct planner_prices prices = {0};
    struct arena *mem = task_arena(task);
    const struct portfolio *stored = NULL;
    struct planner planner = {0};

    if (portfolio_load(input, input_size, mem, &stored, err) ||
        planner_prices_ask(task, stored, mem, &prices, err) ||
        load_priced(input, input_size, &prices, mem, &planner, err)) {
        return -1;
    }
    buf_json_object(output);
    write_plan(&planner, output);
    write_summary(&planner, output);
    write_prices(&prices, output);
    buf_json_end(output);
    return 0;
}

const struct worker planner_worker = {
    .name = "planner",
    .summary = "refreshes prices and plans the tasks of an analysis, by rule",
    .handle = planner_handle,
    .result_schema = embed_planner_result,
    .intake = true,
};
