#include "test.h"

#include "base/uuid.h"

/* RFC 9562, sections 6.6 and A.4. */
#define NAMESPACE_DNS "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

static void
test_v5_is_the_example_of_the_rfc(void **state)
{
    (void)state;
    char id[UUID_SIZE];

    uuid_v5(NAMESPACE_DNS, "www.example.com", 15, id);
    assert_string_equal(id, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    uuid_v5("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "www.example.com", 15, id);
    assert_string_equal(id, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

static void
test_v4_has_version_and_variant_and_does_not_repeat(void **state)
{
    (void)state;
    char ids[200][UUID_SIZE];

    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
        uuid_v4(ids[i]);
        assert_true(uuid_valid(ids[i], strlen(ids[i])));
        assert_int_equal(ids[i][14], '4');
        assert_non_null(strchr("89ab", ids[i][19]));
        for (size_t other = 0; other < i; other++) {
            assert_string_not_equal(ids[i], ids[other]);
        }
    }
}

static void
test_only_the_canonical_form_is_valid(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2ed6657d-e927-568b-95e1-2665a8aea6a",
        "2ed6657d-e927-568b-95e1-2665a8aea6a22",
        "2ed6657de927568b95e12665a8aea6a2",
        "{2ed6657d-e927-568b-95e1-2665a8aea6a2}",
        "2ed6657d_e927-568b-95e1-2665a8aea6a2",
        "2ed6657g-e927-568b-95e1-2665a8aea6a2",
        "-ed6657de927-568b-95e1-2665a8aea6a2-",
    };

    assert_true(uuid_valid(NAMESPACE_DNS, 36));
    assert_true(uuid_valid(UUID_NAMESPACE_ALEX, 36));
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(uuid_valid(bad[i], strlen(bad[i])));
    }
    assert_false(uuid_valid("2ed6657d-e927-568b-95e1-2665a8aea6a\0", 36));
}

static void
test_normalise_gives_lower_case(void **state)
{
    (void)state;
    char id[UUID_SIZE];

    uuid_normalise("2ED6657D-e927-568B-95e1-2665A8AEA6A2 and more", id);
    assert_string_equal(id, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

/* FIPS 180-2, appendix B.1, and the digest of nothing. */
static void
test_sha256_is_the_standards_example(void **state)
{
    (void)state;
    char digest[DIGEST_SHA256_SIZE];

    digest_sha256_hex("abc", 3, digest);
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223"
                                "b00361a396177a9cb410ff61f20015ad");
    digest_sha256_hex("", 0, digest);
    assert_string_equal(digest, "e3b0c44298fc1c149afbf4c8996fb924"
                                "27ae41e4649b934ca495991b7852b855");
}

static void
use_a_bad_namespace(void)
{
    char id[UUID_SIZE];

    uuid_v5("not a uuid", "x", 1, id);
}

static void
test_a_bad_namespace_is_a_bug(void **state)
{
    (void)state;
    assert_aborts(use_a_bad_namespace);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v5_is_the_example_of_the_rfc),
        cmocka_unit_test(test_v4_has_version_and_variant_and_does_not_repeat),
        cmocka_unit_test(test_only_the_canonical_form_is_valid),
        cmocka_unit_test(test_normalise_gives_lower_case),
        cmocka_unit_test(test_sha256_is_the_standards_example),
        cmocka_unit_test(test_a_bad_namespace_is_a_bug),
    };

    return RUN_TESTS(tests);
}
