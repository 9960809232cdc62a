/* A worker's settings: good without options, refused with a reason. */
#include "test.h"

#include "runtime/conf.h"

/* A process keeps them for ever; these tests load them again and again. */
static void
forget(struct worker_conf *conf)
{
    free(conf->store_url);
    free(conf->queue_url);
    free(conf->llm_url);
    free(conf->http_bind);
}

static void
set_urls(void)
{
    clearenv();
    setenv("ALEX_STORE_URL", "postgres://a:secret@h/alex", 1);
    setenv("ALEX_QUEUE_URL", "redis://h:6379/0", 1);
}

static void
test_urls_alone_are_enough(void **state)
{
    _cleanup(forget) struct worker_conf conf = {0};
    struct err err = {0};

    (void)state;
    set_urls();
    assert_int_equal(worker_conf_load(&conf, &err), 0);
    assert_int_equal(conf.concurrency, 8);
    assert_int_equal(conf.lease_ms, 60000);
    assert_int_equal(conf.grace_ms, 25000);
    assert_int_equal(conf.in_flight, 1000);
    assert_int_equal(conf.http_port, 0);
    assert_true(conf.adopt);
}

static void
test_bad_value_is_refused_naming_the_variable(void **state)
{
    static const char *const bad[][2] = {
        {"ALEX_CONCURRENCY", "0"},        {"ALEX_CONCURRENCY", "257"},
        {"ALEX_LEASE", "999ms"},          {"ALEX_LEASE", "60"},
        {"ALEX_IN_FLIGHT", "many"},       {"ALEX_HTTP_PORT", "65536"},
        {"ALEX_LLM_URL", "https://x.ai"}, {"ALEX_ADOPT", "maybe"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct worker_conf conf = {0};
        struct err err = {0};
        set_urls();
        setenv(bad[i][0], bad[i][1], 1);
        assert_int_equal(worker_conf_load(&conf, &err), -1);
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, 78);
        assert_non_null(strstr(err.text, bad[i][0]));
        assert_null(conf.store_url);
    }
}

static void
test_missing_url_is_refused(void **state)
{
    _cleanup(forget) struct worker_conf conf = {0};
    struct err err = {0};

    (void)state;
    set_urls();
    unsetenv("ALEX_QUEUE_URL");
    assert_int_equal(worker_conf_load(&conf, &err), -1);
    assert_non_null(strstr(err.text, "ALEX_QUEUE_URL"));
}

static void
test_urls_are_gone_from_the_environment_once_loaded(void **state)
{
    _cleanup(forget) struct worker_conf conf = {0};
    struct err err = {0};

    (void)state;
    set_urls();
    assert_int_equal(worker_conf_load(&conf, &err), 0);
    worker_conf_wipe();
    assert_null(getenv("ALEX_STORE_URL"));
    assert_string_equal(conf.store_url, "postgres://a:secret@h/alex");
}

static void
test_print_does_not_show_a_password(void **state)
{
    _cleanup(forget) struct worker_conf conf = {0};
    struct err err = {0};
    char *text = NULL;
    size_t size = 0;

    (void)state;
    set_urls();
    assert_int_equal(worker_conf_load(&conf, &err), 0);
    FILE *out = open_memstream(&text, &size);
    worker_conf_print(&conf, out);
    fclose(out);
    assert_null(strstr(text, "secret"));
    assert_non_null(strstr(text, "ALEX_STORE_URL"));
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_alone_are_enough),
        cmocka_unit_test(test_bad_value_is_refused_naming_the_variable),
        cmocka_unit_test(test_missing_url_is_refused),
        cmocka_unit_test(test_urls_are_gone_from_the_environment_once_loaded),
        cmocka_unit_test(test_print_does_not_show_a_password),
    };

    return RUN_TESTS(tests);
}
