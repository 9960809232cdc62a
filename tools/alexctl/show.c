/* alexctl show: what an analysis found. */

#include <inttypes.h>
#include <json-c/json_object_iterator.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "alexctl/markdown.h"
#include "alexctl/projection.h"
#include "alexctl/term.h"
#include "base/cleanup.h"
#include "portfolio/money.h"

#define PAYLOAD_MAX_BYTES (16u * 1024 * 1024)
#define LABEL_COLUMNS 24
#define SUMMARY_COLUMNS 14
#define NUMBER_COLUMNS 26 /* " $123,456,789.00   12.3%" */

struct options {
    const char *job;
    const char *section;
    bool json;
};

#define FIELD(name) offsetof(struct options, name)

static const struct args_option options[] = {
    {ARGS_WORD, "JOB", NULL, FIELD(job), 0, 0, NULL, "the job's id"},
    {ARGS_TEXT, "section", "S", FIELD(section), 0, 0, NULL,
     "only report, charts, retirement or summary"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL,
     "print the job and its payloads as one JSON object"},
};

/* --- fetching -------------------------------------------------------------*/

/* The engine's pages of 'what', put together.  Empty when there is none. */
static int
fetch(struct ctl *ctl, const char *job, const char *what, const char *node,
      struct buf *out, struct err *err)
{
    int64_t from = 0;
    do {
        _cleanup(buf_free) struct buf request = {0};
        _cleanup(store_reply_free) struct store_reply reply = {0};
        _cleanup(json_put) struct json_object *head = NULL;
        buf_printf(&request, "{\"v\":1,\"job\":\"%s\",\"what\":\"%s\",", job,
                   what);
        if (node != NULL) {
            buf_printf(&request, "\"node\":\"%s\",", node);
        }
        buf_printf(&request, "\"from\":%" PRId64 "}", from);
        if (ctl_call(ctl, "show", &request, &reply, err) < 0 ||
            ctl_head(&reply, 0, &head, err) < 0 ||
            json_int(head, "next", from + 1, INT64_MAX, -1, &from, err) < 0) {
            return -1;
        }
        for (size_t i = 1; i < reply.count; i++) {
            if (reply.rows[i].body != NULL) {
                buf_append(out, reply.rows[i].body, reply.rows[i].body_size);
            }
        }
    } while (from != -1 && out->size < PAYLOAD_MAX_BYTES);
    return 0;
}

/* As JSON; NULL when there is none yet. */
static int
fetch_json(struct ctl *ctl, const char *job, const char *what, const char *node,
           struct json_object **ret, struct err *err)
{
    _cleanup(buf_free) struct buf text = {0};
    if (fetch(ctl, job, what, node, &text, err) < 0) {
        return -1;
    }
    *ret = NULL;
    return text.size == 0 ? 0
                          : json_parse(text.data, text.size, what, ret, err);
}

/* --- text: charts ---------------------------------------------------------*/

/* Sum and largest of the absolute values. */
static int
measure(struct json_object *data, double *ret_sum, double *ret_largest,
        struct err *err)
{
    double sum = 0;
    double largest = 0;
    for (size_t i = 0; i < json_object_array_length(data); i++) {
        double value = 0;
        if (json_number_required(json_object_array_get_idx(data, i), "value",
                                 -1e15, 1e15, &value, err) < 0) {
            return -1;
        }
        sum += value;
        largest = fabs(value) > largest ? fabs(value) : largest;
    }
    *ret_sum = sum;
    *ret_largest = largest;
    return 0;
}

static int
append_bar(struct json_object *point, double sum, double largest,
           struct buf *out, struct err *err)
{
    const char *name = NULL;
    double value = 0;
    char money[40];
    size_t width = term_width();
    size_t used = LABEL_COLUMNS + NUMBER_COLUMNS + 4;
    size_t room = width > used + 8 ? width - used : 8;
    if (json_string_required(point, "name", 500, &name, err) < 0 ||
        json_number_required(point, "value", -1e15, 1e15, &value, err) < 0) {
        return -1;
    }
    portfolio_money_text(llround(value * 100), money);
    buf_puts(out, "  ");
    term_pad(out, name, LABEL_COLUMNS);
    buf_printf(out, " %16s %6.1f%%  ", money, sum > 0 ? 100 * value / sum : 0);
    term_bar(out, largest > 0 ? value / largest : 0, room);
    buf_puts(out, "\n");
    return 0;
}

static int
append_chart(struct json_object *chart, struct buf *out, struct err *err)
{
    const char *title = NULL;
    struct json_object *data = NULL;
    double sum = 0;
    double largest = 0;
    char money[40];
    if (json_string(chart, "title", 500, "", &title, err) < 0 ||
        json_member(chart, "data", json_type_array, &data, err) < 0) {
        return -1;
    }
    if (data == NULL) {
        return 0;
    }
    if (measure(data, &sum, &largest, err) < 0) {
        return -1;
    }
    buf_puts(out, "\n");
    term_escape(out, title, strlen(title), false);
    portfolio_money_text(llround(sum * 100), money);
    buf_printf(out, " (%s)\n", money);
    for (size_t i = 0; i < json_object_array_length(data); i++) {
        if (append_bar(json_object_array_get_idx(data, i), sum, largest, out,
                       err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
print_charts(struct ctl *ctl, const char *job, struct err *err)
{
    _cleanup(json_put) struct json_object *charts = NULL;
    _cleanup(buf_free) struct buf out = {0};
    if (fetch_json(ctl, job, "charts_payload", NULL, &charts, err) < 0) {
        return -1;
    }
    if (charts == NULL) {
        puts("There are no charts.");
        return 0;
    }
    struct json_object_iterator at = json_object_iter_begin(charts);
    struct json_object_iterator end = json_object_iter_end(charts);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        if (append_chart(json_object_iter_peek_value(&at), &out, err) < 0) {
            return err_wrap(err, "chart %.60s",
                            json_object_iter_peek_name(&at));
        }
    }
    fwrite(out.data, 1, out.size, stdout);
    return 0;
}

/* --- text: the rest -------------------------------------------------------*/

static int
print_markdown(struct ctl *ctl, const char *job, const char *what,
               const char *key, struct err *err)
{
    _cleanup(json_put) struct json_object *payload = NULL;
    _cleanup(buf_free) struct buf out = {0};
    const char *text = NULL;
    if (fetch_json(ctl, job, what, NULL, &payload, err) < 0) {
        return -1;
    }
    if (payload == NULL) {
        printf("There is no %.*s.\n", (int)strcspn(what, "_"), what);
        return 0;
    }
    if (json_string_required(payload, key, PAYLOAD_MAX_BYTES, &text, err) < 0) {
        return -1;
    }
    markdown_render(text, strlen(text), term_width(), ctl->colour, &out);
    fwrite(out.data, 1, out.size, stdout);
    return 0;
}

static int
print_report(struct ctl *ctl, const char *job, struct err *err)
{
    return print_markdown(ctl, job, "report_payload", "content", err);
}

static int
print_retirement(struct ctl *ctl, const char *job, struct err *err)
{
    _cleanup(json_put) struct json_object *output = NULL;
    _cleanup(buf_free) struct buf out = {0};
    if (print_markdown(ctl, job, "retirement_payload", "analysis", err) < 0 ||
        fetch_json(ctl, job, "results", "retire", &output, err) < 0) {
        return -1;
    }
    if (output != NULL &&
        projection_render(output, term_width(), &out, err) < 0) {
        return -1;
    }
    fwrite(out.data ? out.data : "", 1, out.size, stdout);
    return 0;
}

/* A value in one line: text as it is, the rest as JSON. */
static void
append_plain(struct json_object *value, struct buf *out)
{
    const char *text = json_object_is_type(value, json_type_string)
                           ? json_object_get_string(value)
                           : json_object_to_json_string_ext(
                                 value, JSON_C_TO_STRING_PLAIN |
                                            JSON_C_TO_STRING_NOSLASHESCAPE);
    term_escape(out, text, strlen(text), false);
    buf_puts(out, "\n");
}

static void
append_key(const char *key, struct buf *out)
{
    buf_puts(out, "  ");
    term_pad(out, key, SUMMARY_COLUMNS);
}

/* "key  value"; the items of an array a line each.  What has members of its own
 * is for --json. */
static void
append_value(const char *key, struct json_object *value, struct buf *out)
{
    if (json_object_is_type(value, json_type_object)) {
        return;
    }
    bool list = json_object_is_type(value, json_type_array);
    size_t count = list ? json_object_array_length(value) : 1;
    for (size_t i = 0; i < count; i++) {
        append_key(i == 0 ? key : "", out);
        append_plain(list ? json_object_array_get_idx(value, i) : value, out);
    }
}

static void
append_members(struct json_object *object, struct buf *out)
{
    struct json_object_iterator at = json_object_iter_begin(object);
    struct json_object_iterator end = json_object_iter_end(object);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        append_value(json_object_iter_peek_name(&at),
                     json_object_iter_peek_value(&at), out);
    }
}

static int
print_summary(struct ctl *ctl, const char *job, struct err *err)
{
    _cleanup(json_put) struct json_object *summary = NULL;
    _cleanup(buf_free) struct buf out = {0};
    if (fetch_json(ctl, job, "summary_payload", NULL, &summary, err) < 0) {
        return -1;
    }
    if (summary == NULL) {
        puts("There is no summary.");
        return 0;
    }
    append_members(summary, &out);
    fwrite(out.data ? out.data : "", 1, out.size, stdout);
    return 0;
}

/* --- the command ----------------------------------------------------------*/

static const struct section {
    const char *name;
    const char *title;
    const char *payload;
    int (*print)(struct ctl *ctl, const char *job, struct err *err);
} sections[] = {
    {"summary", "Summary", "summary_payload", print_summary},
    {"report", "Report", "report_payload", print_report},
    {"charts", "Charts", "charts_payload", print_charts},
    {"retirement", "Retirement", "retirement_payload", print_retirement},
};

static int
check_section(const char *name, struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(sections); i++) {
        if (name == NULL || strcmp(name, sections[i].name) == 0) {
            return 0;
        }
    }
    return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                   "--section is report, charts, retirement or summary, not "
                   "'%.40s'",
                   name);
}

static bool
is_wanted(const struct options *o, const struct section *section)
{
    return o->section == NULL || strcmp(o->section, section->name) == 0;
}

static int
print_json(struct ctl *ctl, const struct options *o, const char *job,
           const struct store_row *status, struct err *err)
{
    _cleanup(buf_free) struct buf out = {0};
    buf_json_object(&out);
    buf_json_key(&out, "job");
    buf_json_raw(&out, status->head, status->head_size);
    for (size_t i = 0; i < ARRAY_COUNT(sections); i++) {
        _cleanup(buf_free) struct buf payload = {0};
        if (!is_wanted(o, &sections[i])) {
            continue;
        }
        if (fetch(ctl, job, sections[i].payload, NULL, &payload, err) < 0) {
            return -1;
        }
        buf_json_key(&out, sections[i].payload);
        if (payload.size > 0) {
            buf_json_raw(&out, payload.data, payload.size);
        } else {
            buf_json_null(&out);
        }
    }
    buf_json_end(&out);
    puts(out.data);
    return 0;
}

static int
print_text(struct ctl *ctl, const struct options *o, const char *job,
           const struct store_reply *status, struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    const char *state = NULL;
    const char *error = NULL;
    if (ctl_head(status, 1, &head, err) < 0 ||
        json_string_required(head, "state", 40, &state, err) < 0 ||
        json_string(head, "error", 8000, "", &error, err) < 0) {
        return -1;
    }
    if (strcmp(state, "completed") != 0) {
        printf("The job is %s", state);
        fputs(error[0] ? ": " : "", stdout);
        term_print_line(stdout, error);
    }
    for (size_t i = 0; i < ARRAY_COUNT(sections); i++) {
        if (!is_wanted(o, &sections[i])) {
            continue;
        }
        if (o->section == NULL) {
            printf("%s%s\n%s\n", i > 0 ? "\n" : "", sections[i].title,
                   "----------------------------------------");
        }
        if (sections[i].print(ctl, job, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
show(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    char job[UUID_SIZE];
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply status = {0};
    if (check_section(o->section, err) < 0 ||
        ctl_job_id(o->job, job, err) < 0) {
        return -1;
    }
    buf_printf(&request, "{\"v\":1,\"job\":\"%s\"}", job);
    if (ctl_call(ctl, "status", &request, &status, err) < 0) {
        return -1;
    }
    if (status.count < 2) {
        return err_set(err, ERR_REJECT, 0, "there is no job %s", job);
    }
    int result = o->json ? print_json(ctl, o, job, &status.rows[1], err)
                         : print_text(ctl, o, job, &status, err);
    return result < 0 ? -1 : CTL_EXIT_OK;
}

const struct command command_show = {
    .name = "show",
    .summary = "Show what an analysis found: summary, report, charts, "
               "retirement.",
    .details = "What is ready shows, also of a job that goes on or has "
               "failed.\n\n"
               "Examples:\n"
               "  alexctl show $job\n"
               "  alexctl show $job --section charts\n"
               "  alexctl show $job --json | jq .summary_payload\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct options),
    .run = show,
};
