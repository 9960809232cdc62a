#include "test.h"

#include "store/sqlstate.h"

static void
test_each_state_has_the_kind_the_interface_promises(void **state)
{
    (void)state;
    /* From PostgreSQL's appendix A and from store.h. */
    static const struct {
        const char *state;
        enum err_kind kind;
    } expected[] = {
        {"40001", ERR_RETRY},  /* serialization_failure */
        {"40P01", ERR_RETRY},  /* deadlock_detected */
        {"55P03", ERR_RETRY},  /* lock_not_available */
        {"57014", ERR_RETRY},  /* query_canceled */
        {"57P01", ERR_RETRY},  /* admin_shutdown */
        {"57P02", ERR_RETRY},  /* crash_shutdown */
        {"57P03", ERR_RETRY},  /* cannot_connect_now */
        {"53100", ERR_RETRY},  /* disk_full */
        {"53200", ERR_RETRY},  /* out_of_memory */
        {"53300", ERR_RETRY},  /* too_many_connections */
        {"08006", ERR_RETRY},  /* connection_failure */
        {"25006", ERR_RETRY},  /* read_only_sql_transaction: a standby */
        {"22P02", ERR_REJECT}, /* invalid_text_representation */
        {"22003", ERR_REJECT}, /* numeric_value_out_of_range */
        {"23505", ERR_REJECT}, /* unique_violation */
        {"23503", ERR_REJECT}, /* foreign_key_violation */
        {"28P01", ERR_FATAL},  /* invalid_password */
        {"28000", ERR_FATAL},  /* invalid_authorization_specification */
        {"3D000", ERR_FATAL},  /* invalid_catalog_name */
        {"3F000", ERR_FATAL},  /* invalid_schema_name */
        {"42883", ERR_FATAL},  /* undefined_function */
        {"42501", ERR_FATAL},  /* insufficient_privilege */
        {"42601", ERR_FATAL},  /* syntax_error */
        {"FL001", ERR_FATAL},  /* the engine's: unknown version */
        {"FL002", ERR_FATAL},  /* the engine's: malformed request */
        {"P0001", ERR_FATAL},  /* raise_exception */
        {"", ERR_FATAL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        const struct sqlstate *found = sqlstate_find(expected[i].state);
        if (found->kind != expected[i].kind) {
            fail_msg("%s", expected[i].state);
        }
    }
}

static void
test_state_is_found_in_a_refusal(void **state)
{
    (void)state;
    char found[SQLSTATE_SIZE];
    const char *line = sqlstate_scan(
        "connection to server at \"::1\", port 5432 failed: Connection "
        "refused\n\tIs the server running?\n"
        "connection to server at \"127.0.0.1\", port 5432 failed: "
        "SCHWERWIEGEND:  28P01: Passwort-Authentifizierung\n"
        "LOCATION:  auth_failed, auth.c:326\n",
        found);
    assert_non_null(line);
    assert_string_equal(found, "28P01");
    assert_int_equal(strncmp(line, "connection to server at \"127.0.0.1\"", 35),
                     0);
}

static void
test_message_without_a_state_gives_none(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "",
        "\n",
        "connection refused",
        "failed:  later",
        "failed:  28P0",
        "FATAL: 28P01: one space only",
        "x:  28p01: lower case",
        ":  ",
    };
    for (size_t i = 0; i < ARRAY_COUNT(messages); i++) {
        char found[SQLSTATE_SIZE] = "?";
        assert_null(sqlstate_scan(messages[i], found));
        assert_string_equal(found, "?");
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_state_has_the_kind_the_interface_promises),
        cmocka_unit_test(test_state_is_found_in_a_refusal),
        cmocka_unit_test(test_message_without_a_state_gives_none),
    };
    return RUN_TESTS(tests);
}
