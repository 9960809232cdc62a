#include "reporter/page.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

/* "&amp;" and "&#38;" show as something else than they are. */
static bool
is_entity(const char *text)
{
    size_t size = 1 + strspn(text + 1, "#abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

    return size > 1 && text[size] == ';';
}

/* What GitHub's markdown would read as more than the character itself. */
static bool
is_markup(const char *text, size_t at)
{
    const char *p = text + at;

    switch (*p) {
    case '\\':
    case '`':
    case '*':
    case '_':
    case '[':
    case ']':
    case '<':
    case '>':
    case '|':
    case '~':
        return true;
    case '#':
    case '+':
    case '-':
    case '=':
        return at == 0; /* A heading or a list inside a list. */
    case '.':
    case ')':
        return at > 0 && strspn(text, "0123456789") == at; /* "1." */
    case '&':
        return is_entity(p);
    default:
        return false;
    }
}

/* Where readers see a link without any markup.  They look for it in the text
 * that is left when escapes are gone, so that only a character in between, an
 * invisible one, keeps them from it. */
static bool
is_link(const char *text, size_t at)
{
    const char *p = text + at;

    return (p[0] == '/' && at > 0 && p[-1] == ':') ||
           (at > 0 && p[-1] == '@') ||
           (p[0] == '.' && at >= 3 && strncasecmp(p - 3, "www", 3) == 0);
}

const char *
page_escape(const struct page *page, const char *text)
{
    _cleanup(buf_free) struct buf escaped = {0};

    buf_puts(&escaped, "");
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (is_link(text, i)) {
            buf_puts(&escaped, "\u2060");
        }
        if (is_markup(text, i)) {
            buf_puts(&escaped, "\\");
        }
        buf_append(&escaped, &text[i], 1);
    }
    return arena_strdup(page->mem, escaped.data);
}

const char *
page_name(const struct page *page, const char *text)
{
    const char *shown = portfolio_display(text, PAGE_NAME_CHARS, page->mem);

    return shown[0] == '\0' ? "?" : page_escape(page, shown);
}

const char *
page_money(const struct page *page, int64_t cents)
{
    char text[40];

    portfolio_money_text(cents, text);
    return arena_strdup(page->mem, text);
}

static const char *
permille(const struct page *page, int64_t value)
{
    char text[32];

    portfolio_permille_text(value, text);
    return arena_strdup(page->mem, text);
}

const char *
page_share(const struct page *page, int64_t part, int64_t whole)
{
    return permille(page, portfolio_permille(part, whole));
}

const char *
page_weight(const struct page *page, int64_t weight)
{
    return permille(page, portfolio_permille(weight, PORTFOLIO_WHOLE));
}

const char *
page_points(const struct page *page, int64_t weight)
{
    char text[32];

    portfolio_decimal_text(portfolio_permille(weight, PORTFOLIO_WHOLE), 1,
                           text);
    return arena_printf(page->mem, "%s points", text);
}

const char *
page_label(const struct page *page, enum portfolio_dimension dimension,
           size_t slice)
{
    char *label =
        arena_strdup(page->mem, portfolio_slice_label(dimension, slice));

    if (slice == PORTFOLIO_UNCLASSIFIED) {
        return "what is not classified";
    }
    if (dimension != PORTFOLIO_REGION) {
        label[0] = (char)tolower((unsigned char)label[0]);
    }
    return label;
}

size_t
page_largest(const struct page *page, enum portfolio_dimension dimension)
{
    const int64_t *cents = page->facts->exposures[dimension].cents;
    size_t best = PORTFOLIO_SLICES;

    for (size_t i = 0; i < PORTFOLIO_SLICES; i++) {
        bool is_gap = i == PORTFOLIO_UNCLASSIFIED || i == PORTFOLIO_CASH;

        if (!is_gap && cents[i] > 0 &&
            (best == PORTFOLIO_SLICES || cents[i] > cents[best])) {
            best = i;
        }
    }
    return best;
}

const struct portfolio_drift_row *
page_widest(const struct portfolio_drift *drift)
{
    const struct portfolio_drift_row *widest = NULL;

    for (size_t i = 0; i < drift->count; i++) {
        const struct portfolio_drift_row *row = &drift->rows[i];

        if (row->target >= 0 &&
            (!widest || llabs(row->gap_cents) > llabs(widest->gap_cents))) {
            widest = row;
        }
    }
    return widest;
}

int64_t
page_four_percent(const struct page *page)
{
    return (page->portfolio->total_cents * 4 + 50) / 100;
}
