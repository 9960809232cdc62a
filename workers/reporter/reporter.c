#include "reporter/reporter.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "reporter/page.h"

enum { ROWS_MAX = 15 };

extern const char embed_reporter_result[];

static void (*const sections[])(struct page *) = {
    page_head,       page_summary,   page_composition,     page_diversification,
    page_risk,       page_readiness, page_recommendations, page_quality,
    page_conclusion,
};

static void
write_content(struct page *page)
{
    buf_reset(page->out);
    for (size_t i = 0; i < ARRAY_COUNT(sections); i++) {
        sections[i](page);
    }
}

static void
write_payload(const struct page *page, struct buf *output)
{
    buf_json_key(output, "report_payload");
    buf_json_object(output);
    buf_json_key(output, "content");
    buf_json_string_n(output, page->out->data, page->out->size);
    buf_json_key(output, "generated_at");
    buf_json_string(output, page->portfolio->generated_at);
    buf_json_key(output, "agent");
    buf_json_string(output, "reporter");
    buf_json_end(output);
}

static int64_t
count_words(const char *text)
{
    int64_t count = 0;
    bool is_inside = false;

    for (; *text != '\0'; text++) {
        bool is_space = isspace((unsigned char)*text);

        count += !is_space && !is_inside;
        is_inside = !is_space;
    }
    return count;
}

static void
write_detail(const struct page *page, struct buf *output)
{
    buf_json_key(output, "detail");
    buf_json_object(output);
    buf_json_key(output, "words");
    buf_json_int(output, count_words(page->out->data));
    buf_json_key(output, "recommendations");
    buf_json_array(output);
    for (size_t i = 0; i < page->advice_count; i++) {
        buf_json_object(output);
        buf_json_key(output, "action");
        buf_json_string(output, page->advice[i].action);
        buf_json_key(output, "reasoning");
        buf_json_string(output, page->advice[i].reasoning);
        buf_json_key(output, "priority");
        buf_json_string(output, page->advice[i].priority);
        buf_json_end(output);
    }
    buf_json_end(output);
    buf_json_end(output);
}

/* Tables are cut until the payload fits: names of users may be long, and each
 * character may take several bytes. */
static void
write_output(struct page *page, struct buf *output)
{
    size_t begin = 0;

    do {
        write_content(page);
        buf_reset(output);
        buf_json_object(output);
        begin = output->size;
        write_payload(page, output);
        page->rows_max /= 2;
    } while (output->size - begin > REPORTER_PAYLOAD_BYTES_MAX &&
             page->rows_max > 0);
    write_detail(page, output);
    buf_json_end(output);
}

int
reporter_handle(struct task *task, const char *input, size_t input_size,
                struct buf *output, struct err *err)
{
    _cleanup(buf_free) struct buf content = {0};
    struct portfolio_facts facts;
    struct page page = {
        .mem = task_arena(task),
        .out = &content,
        .facts = &facts,
        .rows_max = ROWS_MAX,
    };

    if (portfolio_load(input, input_size, page.mem, &page.portfolio, err)) {
        return -1;
    }
    portfolio_facts(page.portfolio, page.mem, &facts);
    page_advise(&page);
    write_output(&page, output);
    return 0;
}

const struct worker reporter_worker = {
    .name = "reporter",
    .summary = "writes the analysis of a portfolio, as markdown",
    .handle = reporter_handle,
    .result_schema = embed_reporter_result,
};
