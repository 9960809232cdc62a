#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "charter/charter.h"

/* Names that mean the same in every chart, and in every portfolio. */
static const struct {
    const char *name;
    const char *color;
} fixed[] = {
    {"Cash", "#6B7280"},
    {"Unclassified", "#D1D5DB"},

    {"Equity", "#3B82F6"},
    {"Fixed income", "#10B981"},
    {"Real estate", "#EF4444"},
    {"Commodities", "#F59E0B"},
    {"Alternatives", "#A855F7"},

    {"North America", "#6366F1"},
    {"Europe", "#F97316"},
    {"Asia", "#EC4899"},
    {"Latin America", "#84CC16"},
    {"Africa", "#EAB308"},
    {"Middle East", "#B45309"},
    {"Oceania", "#8B5CF6"},
    {"Global", "#14B8A6"},
    {"International", "#0EA5E9"},

    {"Technology", "#8B5CF6"},
    {"Healthcare", "#22C55E"},
    {"Financials", "#2563EB"},
    {"Consumer discretionary", "#EC4899"},
    {"Consumer staples", "#84CC16"},
    {"Industrials", "#0891B2"},
    {"Energy", "#B45309"},
    {"Materials", "#A16207"},
    {"Utilities", "#EAB308"},
    {"Communication", "#D946EF"},
    {"Treasury bonds", "#059669"},
    {"Corporate bonds", "#34D399"},
    {"Mortgage bonds", "#0D9488"},
    {"Government-related bonds", "#5EEAD4"},
    {"Diversified", "#60A5FA"},
    {"Other", "#9CA3AF"},
    {"Other holdings", "#9CA3AF"},
    {"Other accounts", "#9CA3AF"},

    {"Tax-advantaged", "#10B981"},
    {"Taxable", "#3B82F6"},
    {"Not stated", "#D1D5DB"},
};

static const char *const palette[] = {
    "#3B82F6", "#60A5FA", "#6366F1", "#8B5CF6", "#EC4899", "#EF4444",
    "#F97316", "#F59E0B", "#84CC16", "#10B981", "#14B8A6", "#0EA5E9",
};

static const char *
fixed_color(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(fixed); i++) {
        if (strcmp(fixed[i].name, name) == 0) {
            return fixed[i].color;
        }
    }
    return NULL;
}

/* FNV-1a, 32 bits. */
static uint32_t
hash(const char *name)
{
    uint32_t h = 2166136261u;

    for (const char *p = name; *p != '\0'; p++) {
        h = (h ^ (unsigned char)*p) * 16777619u;
    }
    return h;
}

static bool
is_taken(const struct charter_chart *chart, const char *color)
{
    for (size_t i = 0; i < chart->count; i++) {
        const char *taken = chart->points[i].color;

        if (taken && strcmp(taken, color) == 0) {
            return true;
        }
    }
    return false;
}

static const char *
free_color(const struct charter_chart *chart, const char *name)
{
    size_t first = hash(name) % ARRAY_COUNT(palette);

    for (size_t i = 0; i < ARRAY_COUNT(palette); i++) {
        size_t at = (first + i) % ARRAY_COUNT(palette);

        if (!is_taken(chart, palette[at])) {
            return palette[at];
        }
    }
    return palette[first];
}

void
charter_color(struct charter_chart *chart)
{
    for (size_t i = 0; i < chart->count; i++) {
        chart->points[i].color = fixed_color(chart->points[i].name);
    }
    for (size_t i = 0; i < chart->count; i++) {
        struct charter_point *point = &chart->points[i];

        if (!point->color) {
            point->color = free_color(chart, point->name);
        }
    }
}
