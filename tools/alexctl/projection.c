#include "alexctl/projection.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "portfolio/money.h"

#define YEARS_A_ROW 5
#define MONEY_COLUMNS 13
#define DOLLARS_MAX 1e13

enum { P10, P25, P50, P75, P90, PERCENTILES };

static const char *const percentile_keys[PERCENTILES] = {"p10", "p25", "p50",
                                                         "p75", "p90"};

struct band {
    int64_t year;
    double dollars[PERCENTILES];
};

static int
decode_band(struct json_object *object, struct band *ret, struct err *err)
{
    if (json_int_required(object, "year", 0, 200, &ret->year, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < PERCENTILES; i++) {
        if (json_number_required(object, percentile_keys[i], 0, DOLLARS_MAX,
                                 &ret->dollars[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Whole dollars. */
static void
append_money(struct buf *out, double dollars)
{
    char text[40];
    portfolio_money_text(llround(dollars) * 100, text);
    text[strcspn(text, ".")] = '\0';
    buf_printf(out, " %*s", MONEY_COLUMNS, text);
}

/* Light from p10 to p90, dark from p25 to p75, the median in the middle. */
static void
append_fan(const struct band *band, double top, size_t columns, struct buf *out)
{
    size_t at[PERCENTILES];
    for (size_t i = 0; i < PERCENTILES; i++) {
        double part = top > 0 ? band->dollars[i] / top : 0;
        at[i] = (size_t)lround(fmin(part, 1) * (double)(columns - 1));
    }
    buf_puts(out, "  ");
    for (size_t column = 0; column <= at[P90]; column++) {
        bool inner = column >= at[P25] && column <= at[P75];
        buf_puts(out, column == at[P50]  ? "\xe2\x94\x83"
                      : column < at[P10] ? " "
                      : inner            ? "\xe2\x96\x93"
                                         : "\xe2\x96\x91");
    }
    buf_puts(out, "\n");
}

static int
append_bands(struct json_object *bands, int64_t retirement_year, size_t width,
             struct buf *out, struct err *err)
{
    size_t count = json_object_array_length(bands);
    size_t used = 6 + 3 * (MONEY_COLUMNS + 1) + 3;
    size_t columns = width > used + 10 ? width - used : 10;
    double top = 0;
    struct band band;
    for (size_t i = 0; i < count; i++) {
        if (decode_band(json_object_array_get_idx(bands, i), &band, err) < 0) {
            return -1;
        }
        top = fmax(top, band.dollars[P90]);
    }
    buf_printf(out, "\n  year %*s %*s %*s\n", MONEY_COLUMNS, "1 in 10 below",
               MONEY_COLUMNS, "median", MONEY_COLUMNS, "1 in 10 above");
    for (size_t i = 0; i < count; i++) {
        decode_band(json_object_array_get_idx(bands, i), &band, err);
        if (band.year % YEARS_A_ROW != 0 && i + 1 < count &&
            band.year != retirement_year) {
            continue;
        }
        buf_printf(out, "  %3" PRId64 "%s", band.year,
                   band.year == retirement_year ? "*" : " ");
        append_money(out, band.dollars[P10]);
        append_money(out, band.dollars[P50]);
        append_money(out, band.dollars[P90]);
        append_fan(&band, top, columns, out);
    }
    return 0;
}

static int
append_facts(struct json_object *detail, struct buf *out, struct err *err)
{
    double success = -1;
    double success_se = 0;
    double income = -1;
    int64_t paths = 0;
    if (json_number(detail, "success_rate_pct", 0, 100, -1, &success, err) <
            0 ||
        json_number(detail, "success_se_pct", 0, 100, 0, &success_se, err) <
            0 ||
        json_number(detail, "sustainable_income_90", 0, DOLLARS_MAX, -1,
                    &income, err) < 0 ||
        json_int(detail, "paths", 0, INT64_MAX, 0, &paths, err) < 0) {
        return -1;
    }
    buf_printf(out,
               "\n  * retirement; dollars of their year; %" PRId64
               " simulated futures\n",
               paths);
    if (success >= 0) {
        buf_printf(out,
                   "  The target is reached in %.1f%% of them (standard error "
                   "%.1f).\n",
                   success, success_se);
    }
    if (income >= 0) {
        buf_puts(out, "  Nine in ten sustain, in today's money and a year:");
        append_money(out, income);
        buf_puts(out, "\n");
    }
    return 0;
}

int
projection_render(struct json_object *output, size_t width, struct buf *out,
                  struct err *err)
{
    struct json_object *detail = NULL;
    struct json_object *bands = NULL;
    struct json_object *plan = NULL;
    int64_t year = 0;
    if (json_member(output, "detail", json_type_object, &detail, err) < 0) {
        return -1;
    }
    if (detail == NULL) {
        return 0;
    }
    if (json_member(detail, "bands", json_type_array, &bands, err) < 0 ||
        json_member(detail, "plan", json_type_object, &plan, err) < 0) {
        return -1;
    }
    if (bands == NULL || plan == NULL) {
        return 0;
    }
    if (json_int(plan, "years_to_retirement", 0, 200, 0, &year, err) < 0 ||
        append_bands(bands, year, width, out, err) < 0) {
        return -1;
    }
    return append_facts(detail, out, err);
}
