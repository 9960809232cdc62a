/* The embedded assumption files: shape, sources, and the numbers themselves. */
#include "test.h"

#include <math.h>

#include "base/json.h"
#include "input.h"
#include "portfolio/vocabulary.h"
#include "retirement/assumptions.h"

static struct retirement_assumptions
load(const char *name)
{
    struct retirement_assumptions a = {0};
    struct err err = {0};

    if (retirement_assumptions_load(name, &a, &err)) {
        fail_msg("%s", err.text);
    }
    return a;
}

static size_t
class_of(const char *key)
{
    return (size_t)portfolio_key_find(PORTFOLIO_ASSET_CLASS, key);
}

/* The schema asks for a source beside every number. */
static void
test_every_file_fits_its_schema(void **state)
{
    _cleanup(cleanup_free) char *schema_text =
        input_file(SCHEMAS "/json/retirement.assumptions.json");
    _cleanup(json_put) struct json_object *schema = NULL;
    struct err err = {0};
    size_t count = 0;

    (void)state;
    assert_non_null(schema_text);
    assert_int_equal(
        json_parse(schema_text, strlen(schema_text), "schema", &schema, &err),
        0);
    for (; retirement_assumptions_text(count); count++) {
        const char *text = retirement_assumptions_text(count);
        _cleanup(json_put) struct json_object *file = NULL;

        assert_int_equal(json_parse(text, strlen(text), "file", &file, &err),
                         0);
        if (json_validate(schema, file, &err)) {
            fail_msg("%s", err.text);
        }
    }
    assert_int_equal(count, 2);
}

static void
test_the_embedded_files_are_those_of_the_source_tree(void **state)
{
    static const char *const paths[] = {
        SCHEMAS "/assumptions/alex-2026.json",
        SCHEMAS "/assumptions/upstream-v1.json",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        _cleanup(cleanup_free) char *text = input_file(paths[i]);

        assert_non_null(text);
        assert_string_equal(text, retirement_assumptions_text(i));
    }
}

/* Cholesky's factorisation exists exactly for positive definite matrices. */
static bool
is_positive_definite(double a[RETIREMENT_CLASSES][RETIREMENT_CLASSES])
{
    double l[RETIREMENT_CLASSES][RETIREMENT_CLASSES] = {{0}};

    for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i][j];

            for (size_t k = 0; k < j; k++) {
                sum -= l[i][k] * l[j][k];
            }
            if (i == j && sum <= 1e-9) {
                return false;
            }
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
    }
    return true;
}

static void
test_correlations_are_those_of_some_market(void **state)
{
    static const char *const names[] = {"alex-2026", "upstream-v1"};

    (void)state;
    for (size_t f = 0; f < ARRAY_COUNT(names); f++) {
        struct retirement_assumptions a = load(names[f]);

        for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
            assert_true(a.correlation[i][i] == 1);
            for (size_t j = 0; j < i; j++) {
                assert_true(a.correlation[i][j] == a.correlation[j][i]);
            }
        }
        assert_true(is_positive_definite(a.correlation));
        a.correlation[0][1] = a.correlation[1][0] = 0.99;
        a.correlation[0][2] = a.correlation[2][0] = 0.99;
        a.correlation[1][2] = a.correlation[2][1] = -0.99;
        assert_false(is_positive_definite(a.correlation));
    }
}

/* As published: equity 7/18, bonds 4/5, real estate 6/12, cash 2 fixed,
 * commodities nothing; 3 % in retirement only; 10,000; 30 years; age 40. */
static void
test_upstream_v1_has_upstreams_numbers(void **state)
{
    static const struct {
        const char *class;
        double mean, sd;
    } rows[] = {{"equity", 0.07, 0.18},      {"fixed_income", 0.04, 0.05},
                {"real_estate", 0.06, 0.12}, {"cash", 0.02, 0},
                {"commodities", 0, 0},       {"alternatives", 0, 0}};
    const struct retirement_assumptions a = load("upstream-v1");

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const size_t class = class_of(rows[i].class);

        assert_true(fabs(a.mean[class] - rows[i].mean) < 1e-15);
        assert_true(fabs(a.sd[class] - rows[i].sd) < 1e-15);
        for (size_t j = 0; j < RETIREMENT_CLASSES; j++) {
            assert_true(a.correlation[class][j] == (class == j ? 1 : 0));
        }
    }
    assert_true(a.inflation_before == 0);
    assert_true(fabs(a.inflation_after - 0.03) < 1e-15);
    assert_true(a.contribution == 10000);
    assert_int_equal(a.years_in_retirement, 30);
    assert_int_equal(a.years_to_retirement, 30);
    assert_int_equal(a.current_age, 40);
    assert_false(a.cash_inside_funds_earns);
    assert_int_equal(a.unclassified_class, -1);
}

static void
test_alex_2026_lets_every_class_earn_and_prices_rise(void **state)
{
    const struct retirement_assumptions a = load("alex-2026");

    (void)state;
    for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
        assert_true(a.mean[i] > 0 && a.sd[i] > 0);
    }
    assert_true(a.inflation_before > 0 && a.inflation_after > 0);
    assert_int_equal(a.unclassified_class, class_of("equity"));
    assert_int_equal(a.current_age, -1);
    assert_true(
        fabs(a.correlation[class_of("equity")][class_of("real_estate")] -
             0.65) < 1e-15);
    assert_string_equal(a.name, RETIREMENT_ASSUMPTIONS_DEFAULT);
}

static void
test_an_unknown_name_is_refused_with_those_there_are(void **state)
{
    struct retirement_assumptions a = {.name = "kept"};
    struct err err = {0};

    (void)state;
    assert_int_equal(retirement_assumptions_load("alex-1999", &a, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, "alex-2026, upstream-v1"));
    assert_string_equal(a.name, "kept");
}

/* The file's text with 'old' replaced; malloc'd. */
static char *
edited(const char *old, const char *new)
{
    const char *text = retirement_assumptions_text(0);
    const char *place = strstr(text, old);

    assert_non_null(place);
    return xasprintf("%.*s%s%s", (int)(place - text), text, new,
                     place + strlen(old));
}

/* Cash first instead of fifth: its row and column are now the first ones. */
static void
test_correlations_go_by_name_not_by_place(void **state)
{
    _cleanup(cleanup_free) char *text =
        edited("\"equity\", \"fixed_income\", \"real_estate\", "
               "\"commodities\", \"cash\"",
               "\"cash\", \"fixed_income\", \"real_estate\", "
               "\"commodities\", \"equity\"");
    struct retirement_assumptions a = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(retirement_assumptions_parse(text, &a, &err), 0);
    assert_true(a.correlation[class_of("cash")][class_of("real_estate")] ==
                0.65);
    assert_true(a.correlation[class_of("equity")][class_of("real_estate")] ==
                0);
}

static void
test_broken_files_are_refused_by_field(void **state)
{
    static const char *const rows[][3] = {
        {"\"fixed_income\", \"real_estate\"", "\"bonds\", \"real_estate\"",
         "correlation: order 1"},
        {"[1, 0.1, 0.65,", "[1, 0.65,", "correlation: matrix row 0"},
        {"\"matrix\"", "\"matrices\"", "correlation"},
        {"\"mean_pct\": 7.5", "\"mean_pct\": 750", "mean_pct"},
        {"\"before_retirement_pct\"", "\"before\"", "before_retirement_pct"},
        {"\"rules\"", "\"rulez\"", "rules"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(cleanup_free) char *text = edited(rows[i][0], rows[i][1]);
        struct retirement_assumptions a = {.name = "kept"};
        struct err err = {0};

        assert_int_equal(retirement_assumptions_parse(text, &a, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_non_null(strstr(err.text, rows[i][2]));
        assert_string_equal(a.name, "kept");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_file_fits_its_schema),
        cmocka_unit_test(test_the_embedded_files_are_those_of_the_source_tree),
        cmocka_unit_test(test_correlations_are_those_of_some_market),
        cmocka_unit_test(test_upstream_v1_has_upstreams_numbers),
        cmocka_unit_test(test_alex_2026_lets_every_class_earn_and_prices_rise),
        cmocka_unit_test(test_correlations_go_by_name_not_by_place),
        cmocka_unit_test(test_broken_files_are_refused_by_field),
        cmocka_unit_test(test_an_unknown_name_is_refused_with_those_there_are),
    };

    return RUN_TESTS(tests);
}
