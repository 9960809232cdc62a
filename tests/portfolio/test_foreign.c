#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "input.h"
#include "portfolio/snapshot.h"

#define ACCOUNT(id, name, cash, positions)                                     \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"cash_balance\":" cash          \
    ",\"positions\":[" positions "]}"
#define POSITION(symbol, quantity)                                             \
    "{\"symbol\":\"" symbol "\",\"quantity\":\"" quantity "\"}"

struct loaded {
    struct arena *mem;
    const struct portfolio *p;
    struct err err;
};

static struct loaded
load(struct input in)
{
    _cleanup(cleanup_free) char *text = input_text(&in);
    struct loaded it = {.mem = arena_new(4096)};

    portfolio_load(text, strlen(text), it.mem, &it.p, &it.err);
    return it;
}

static const struct portfolio *
must(const struct loaded *it)
{
    assert_string_equal(it->err.text, "");
    assert_non_null(it->p);
    return it->p;
}

/* Loading fails and the text names what is wrong. */
static void
assert_rejected(struct input in, const char *named)
{
    struct loaded it = load(in);

    assert_null(it.p);
    assert_int_equal(it.err.kind, ERR_REJECT);
    if (!strstr(it.err.text, named)) {
        fail_msg("\"%s\" does not name %s", it.err.text, named);
    }
    arena_free(&it.mem);
}

static void
test_foreign_shapes_are_rejected_by_name(void **state)
{
    static const struct {
        struct input in;
        const char *named;
    } rows[] = {
        {{.accounts = "{}"}, "accounts"},
        {{.accounts = "[7]"}, "snapshot.accounts[0]"},
        {{.accounts = "[{\"positions\":7}]"}, "positions"},
        {{.accounts = "[{\"positions\":[7]}]"},
         "snapshot.accounts[0]: positions[0]"},
        {{.accounts = "[{\"positions\":[{\"quantity\":\"1\"}]}]"}, "symbol"},
        {{.accounts = "[{\"positions\":[{\"symbol\":\"X\"}]}]"}, "quantity"},
        {{.accounts = "[{\"positions\":[{\"symbol\":\"X\",\"quantity\":"
                      "\"1.000000001\"}]}]"},
         "8 decimals"},
        {{.accounts = "[{\"positions\":[{\"symbol\":\"X\",\"quantity\":"
                      "\"99999999999.0\"}]}]"},
         "90000000000"},
        {{.accounts = "[{\"positions\":[{\"symbol\":"
                      "\"ABCDEFGHIJKLMNOPQRSTU\",\"quantity\":\"1\"}]}]"},
         "20 characters"},
        {{.accounts = "[{\"cash_balance\":true}]"}, "cash_balance"},
        {{.accounts = "[{\"cash_balance\":\"10000000000.01\"}]"},
         "10000000000"},
        {{.instruments = "[]"}, "instruments"},
        {{.instruments = "{\"X\":7}"}, "snapshot.instruments.X"},
        {{.instruments = "{\"X\":{\"current_price\":\"abc\"}}"},
         "current_price"},
        {{.user = "{\"years_until_retirement\":101}"},
         "years_until_retirement"},
        {{.user = "{\"years_until_retirement\":-1}"}, "years_until_retirement"},
        {{.user = "{\"asset_class_targets\":{\"equity\":101}}"}, "equity"},
        {{.user = "null"}, "user"},
        {{.needs = "[]"}, "needs"},
        {{.needs = "{\"plan\":[]}"}, "plan"},
        {{.needs = "{\"plan\":{\"prices\":[{\"price\":\"1\"}]}}"},
         "needs.plan: prices: [0]: symbol"},
        {{.params = "[]"}, "params"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_rejected(rows[i].in, rows[i].named);
    }
}

static void
test_what_is_not_an_input_is_rejected(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "7",
        "{\"job\":{}}",
        "{\"job\":{},\"snapshot\":null}",
        "{\"job\":{},\"snapshot\":{}}",
    };
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        const struct portfolio *p = NULL;
        struct err err = {0};

        assert_int_equal(portfolio_load(bad[i], strlen(bad[i]), mem, &p, &err),
                         -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_null(p);
    }
}

/* 'count' copies of 'item', separated by commas, in brackets; malloc'd. */
static char *
repeat(const char *item, size_t count)
{
    _cleanup(buf_free) struct buf text = {0};

    buf_puts(&text, "[");
    for (size_t i = 0; i < count; i++) {
        buf_printf(&text, "%s%s", i > 0 ? "," : "", item);
    }
    buf_puts(&text, "]");
    return buf_steal(&text);
}

static void
test_counts_are_bounded(void **state)
{
    _cleanup(cleanup_free) char *accounts = repeat("{\"cash_balance\":1}", 100);
    _cleanup(cleanup_free) char *too_many = repeat("{}", 101);
    _cleanup(cleanup_free) char *positions = repeat(POSITION("X", "1"), 5000);
    _cleanup(cleanup_free) char *held =
        xasprintf("[{\"positions\":%s}]", positions);
    _cleanup(cleanup_free) char *over =
        xasprintf("[{\"positions\":%s},{\"positions\":[{}]}]", positions);
    struct loaded it = load((struct input){.accounts = accounts});
    struct loaded full = load((struct input){
        .accounts = held, .instruments = "{" INPUT_STOCK("X", "1") "}"});

    (void)state;
    assert_int_equal(must(&it)->total_cents, 10000);
    assert_int_equal(must(&full)->total_cents, 500000);
    assert_rejected((struct input){.accounts = too_many}, "at most 100");
    assert_rejected((struct input){.accounts = over}, "at most 5000");
    arena_free(&it.mem);
    arena_free(&full.mem);
}

static void
test_a_value_over_ten_trillion_is_rejected(void **state)
{
    /* 90 billion shares at 111.1111: just below; at 111.1112: above. */
    struct input in = {
        .accounts =
            "[" ACCOUNT("1", "A", "0", POSITION("X", "90000000000")) "]",
        .instruments = "{" INPUT_STOCK("X", "111.1111") "}",
    };
    struct loaded it = load(in);

    (void)state;
    assert_true(must(&it)->total_cents == INT64_C(999999900000000));
    arena_free(&it.mem);
    in.instruments = "{" INPUT_STOCK("X", "99999999.9999") "}";
    assert_rejected(in, "$10,000,000,000,000");
    in.instruments = "{" INPUT_STOCK("X", "111.1112") "}";
    assert_rejected(in, "positions[0]");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign_shapes_are_rejected_by_name),
        cmocka_unit_test(test_what_is_not_an_input_is_rejected),
        cmocka_unit_test(test_counts_are_bounded),
        cmocka_unit_test(test_a_value_over_ten_trillion_is_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
