#include "test.h"

#include "base/json.h"
#include "queue/bell.h"
#include "queue/queue.h"

#define JOB "6f1f9a36-6c1c-4d0e-9d62-0a1e0c0ffee5"
#define TASK "0b9d7a64-95f4-5e3c-8a11-3a5d1f0c2b77"
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/* A CloudEvent with these attributes before its data, and this data. */
#define EVENT(attributes, data)                                                \
    "{\"specversion\":\"1.0\",\"type\":\"alex.bell\",\"source\":\"alex\","     \
    "\"id\":\"1\"," attributes "\"data\":" data "}"
#define DATA "{\"v\":1,\"agent\":\"reporter\",\"job\":\"" JOB "\"}"

static struct bell
decode(const char *body)
{
    struct bell bell;
    struct err err = {0};
    memset(&bell, 'x', sizeof(bell));
    if (bell_decode(body, strlen(body), &bell, &err)) {
        fail_msg("%s: %s", body, err.text);
    }
    return bell;
}

static void
test_event_gives_all_its_fields(void **state)
{
    (void)state;
    struct bell bell = decode(
        EVENT("\"traceparent\":\"" TRACE "\",\"partitionkey\":\"user_1\",",
              "{\"v\":1,\"agent\":\"reporter\",\"job\":\"" JOB
              "\",\"task\":\"" TASK "\"}"));
    assert_string_equal(bell.agent, "reporter");
    assert_string_equal(bell.job, JOB);
    assert_string_equal(bell.task, TASK);
    assert_string_equal(bell.trace, TRACE);
    assert_string_equal(bell.group, "user_1");
    assert_int_equal(bell.delay_ms, 0);
}

static void
test_absent_fields_are_empty(void **state)
{
    (void)state;
    struct bell bell = decode(EVENT("", "{\"v\":1,\"job\":\"" JOB "\"}"));
    assert_string_equal(bell.agent, "");
    assert_string_equal(bell.task, "");
    assert_string_equal(bell.trace, "");
    assert_string_equal(bell.group, "");
}

static void
test_unknown_members_are_ignored(void **state)
{
    (void)state;
    struct bell bell =
        decode(EVENT("\"time\":\"2026-01-01T00:00:00Z\",\"subject\":7,",
                     "{\"v\":1,\"job\":\"" JOB "\",\"later\":[{}]}"));
    assert_string_equal(bell.job, JOB);
}

static void
test_ids_are_taken_in_either_case_and_given_in_lower(void **state)
{
    (void)state;
    struct bell bell = decode("6F1F9A36-6C1C-4D0E-9D62-0A1E0C0FFEE5");
    assert_string_equal(bell.job, JOB);
}

static void
test_upstreams_object_names_a_job(void **state)
{
    (void)state;
    struct bell bell = decode("{\"job_id\": \"" JOB
                              "\", \"timestamp\": \"2025-08-01T10:00:00\"}");
    assert_string_equal(bell.job, JOB);
    assert_string_equal(bell.agent, "");
    assert_string_equal(bell.task, "");
}

static void
test_bare_id_names_a_job_also_with_a_newline(void **state)
{
    (void)state;
    assert_string_equal(decode(JOB).job, JOB);
    assert_string_equal(decode(JOB " \r\n").job, JOB);
}

static void
test_unreadable_trace_is_dropped_and_the_bell_kept(void **state)
{
    (void)state;
    static const char *const traces[] = {
        "",
        "00",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00-0af7651916cd43dd8448eb211h80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    for (size_t i = 0; i < ARRAY_COUNT(traces); i++) {
        char body[512];
        snprintf(body, sizeof(body), EVENT("\"traceparent\":\"%s\",", DATA),
                 traces[i]);
        struct bell bell = decode(body);
        assert_string_equal(bell.trace, "");
        assert_string_equal(bell.job, JOB);
    }
}

static const struct {
    const char *body;
    const char *names; /* What the error's text must name. */
    int code;
} bad[] = {
    {"", "doorbell", 0},
    {" ", "doorbell", 0},
    {"hello", "doorbell", 0},
    {"null", "neither", 0},
    {"[]", "neither", 0},
    {"42", "neither", 0},
    {"\"" JOB "\"", "neither", 0},
    {"{}", "job_id", 0},
    {"{\"job_id\":7}", "job_id", 0},
    {"{\"job_id\":null}", "job_id", 0},
    {"{\"job_id\":\"7\"}", "job_id", 0},
    {"{\"job_id\":\"" JOB "x\"}", "job_id", 0},
    {"{\"job_id\":\"" JOB "\"} x", "doorbell", 0},
    {"{\"job_id\":\"" JOB "\"", "doorbell", 0},
    {"{\"job_id\":\"6f1f9a36-6c1c-4d0e-9d62-0a1e0c0ffeg5\"}", "job_id", 0},
    {JOB "\x01", "doorbell", 0},
    {"6f1f9a366c1c4d0e9d620a1e0c0ffee5", "doorbell", 0},
    {"{\"specversion\":1}", "specversion", 0},
    {"{\"specversion\":\"2.0\"}", "specversion", 426},
    {"{\"specversion\":\"1.0\"}", "type", 0},
    {EVENT("", "{}"), "v", 0},
    {EVENT("", "[]"), "data", 0},
    {EVENT("", "null"), "data", 0},
    {EVENT("", "{\"v\":0,\"job\":\"" JOB "\"}"), "v", 0},
    {EVENT("", "{\"v\":\"1\",\"job\":\"" JOB "\"}"), "v", 0},
    {EVENT("", "{\"v\":2,\"job\":\"" JOB "\"}"), "v", 426},
    {EVENT("", "{\"v\":1}"), "job", 0},
    {EVENT("", "{\"v\":1,\"job\":\"x\"}"), "job", 0},
    {EVENT("", "{\"v\":1,\"job\":\"" JOB "\",\"task\":\"\"}"), "task", 0},
    {EVENT("", "{\"v\":1,\"job\":\"" JOB "\",\"task\":3}"), "task", 0},
    {EVENT("", "{\"v\":1,\"job\":\"" JOB "\",\"agent\":\"Re}x\"}"), "agent", 0},
    {EVENT("\"traceparent\":5,", DATA), "traceparent", 0},
    {"{\"specversion\":\"1.0\",\"type\":\"other\",\"source\":\"s\","
     "\"id\":\"1\",\"data\":" DATA "}",
     "type", 0},
    {"{\"specversion\":\"1.0\",\"type\":\"alex.bell\",\"id\":\"1\","
     "\"data\":" DATA "}",
     "source", 0},
    {"{\"job_id\":\"" JOB "\\u0000\"}", "doorbell", 0},
    {"{\"job_id\":\"\xff\"}", "doorbell", 0},
    {"{\"job_id\":\"\\ud800\"}", "doorbell", 0},
};

static void
test_everything_else_is_rejected_naming_the_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct bell bell = {.agent = "untouched"};
        struct err err = {0};
        if (bell_decode(bad[i].body, strlen(bad[i].body), &bell, &err) == 0) {
            fail_msg("accepted: %s", bad[i].body);
        }
        assert_int_equal(err.kind, ERR_REJECT);
        assert_int_equal(err.code, bad[i].code);
        if (!strstr(err.text, bad[i].names)) {
            fail_msg("%s: '%s' does not name %s", bad[i].body, err.text,
                     bad[i].names);
        }
        assert_string_equal(bell.agent, "untouched");
    }
}

static void
test_nul_bytes_are_rejected_wherever_they_are(void **state)
{
    (void)state;
    static const char after[] = JOB "\0";
    static const char inside[] = "{\"job_id\"\0:\"" JOB "\"}";
    struct bell bell;
    struct err err;
    assert_int_equal(bell_decode(after, sizeof(after), &bell, &err), -1);
    assert_int_equal(bell_decode(inside, sizeof(inside) - 1, &bell, &err), -1);
}

static void
test_longest_agent_fits_and_a_longer_one_is_rejected(void **state)
{
    (void)state;
    char agent[65];
    char body[512];
    struct bell bell;
    struct err err;
    memset(agent, 'a', 64);
    agent[63] = '\0';
    snprintf(body, sizeof(body),
             EVENT("", "{\"v\":1,\"agent\":\"%s\",\"job\":\"" JOB "\"}"),
             agent);
    assert_string_equal(decode(body).agent, agent);
    agent[63] = 'a';
    agent[64] = '\0';
    snprintf(body, sizeof(body),
             EVENT("", "{\"v\":1,\"agent\":\"%s\",\"job\":\"" JOB "\"}"),
             agent);
    assert_int_equal(bell_decode(body, strlen(body), &bell, &err), -1);
}

static void
test_body_over_the_limit_is_rejected_unparsed(void **state)
{
    (void)state;
    size_t size = QUEUE_BODY_MAX_BYTES + 1;
    _cleanup(cleanup_free) char *body = malloc(size);
    struct bell bell;
    struct err err;
    memset(body, ' ', size);
    memcpy(body, "{\"job_id\":\"" JOB "\"}", 11 + 36 + 2);
    assert_int_equal(bell_decode(body, size - 1, &bell, &err), 0);
    assert_int_equal(bell_decode(body, size, &bell, &err), -1);
    assert_non_null(strstr(err.text, "65536"));
}

static void
test_deep_nesting_is_rejected(void **state)
{
    (void)state;
    char body[4096];
    struct bell bell;
    struct err err;
    memset(body, '[', sizeof(body));
    assert_int_equal(bell_decode(body, sizeof(body), &bell, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static void
test_encoded_bell_decodes_to_itself(void **state)
{
    (void)state;
    static const struct bell bells[] = {
        {.agent = "tagger", .job = JOB, .task = TASK, .trace = TRACE},
        {.agent = "planner", .job = JOB},
    };
    for (size_t i = 0; i < ARRAY_COUNT(bells); i++) {
        _cleanup(buf_free) struct buf out = {0};
        struct bell back;
        struct err err;
        bell_encode(&bells[i], &out);
        assert_int_equal(bell_decode(out.data, out.size, &back, &err), 0);
        assert_string_equal(back.agent, bells[i].agent);
        assert_string_equal(back.job, bells[i].job);
        assert_string_equal(back.task, bells[i].task);
        assert_string_equal(back.trace, bells[i].trace);
    }
}

/* CloudEvents: source and id together are unique for each event. */
static void
test_two_encodings_have_different_ids(void **state)
{
    (void)state;
    const struct bell bell = {.agent = "a", .job = JOB};
    _cleanup(buf_free) struct buf one = {0};
    _cleanup(buf_free) struct buf two = {0};
    bell_encode(&bell, &one);
    bell_encode(&bell, &two);
    assert_string_not_equal(one.data, two.data);
}

static void
test_queue_name_is_alex_and_the_agent(void **state)
{
    (void)state;
    char name[96];
    bell_queue_name("reporter", name);
    assert_string_equal(name, "alex-reporter");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_gives_all_its_fields),
        cmocka_unit_test(test_absent_fields_are_empty),
        cmocka_unit_test(test_unknown_members_are_ignored),
        cmocka_unit_test(test_ids_are_taken_in_either_case_and_given_in_lower),
        cmocka_unit_test(test_upstreams_object_names_a_job),
        cmocka_unit_test(test_bare_id_names_a_job_also_with_a_newline),
        cmocka_unit_test(test_unreadable_trace_is_dropped_and_the_bell_kept),
        cmocka_unit_test(test_everything_else_is_rejected_naming_the_field),
        cmocka_unit_test(test_nul_bytes_are_rejected_wherever_they_are),
        cmocka_unit_test(test_longest_agent_fits_and_a_longer_one_is_rejected),
        cmocka_unit_test(test_body_over_the_limit_is_rejected_unparsed),
        cmocka_unit_test(test_deep_nesting_is_rejected),
        cmocka_unit_test(test_encoded_bell_decodes_to_itself),
        cmocka_unit_test(test_two_encodings_have_different_ids),
        cmocka_unit_test(test_queue_name_is_alex_and_the_agent),
    };
    return RUN_TESTS(tests);
}
