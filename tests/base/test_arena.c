#include "test.h"

#include "base/arena.h"

static void
test_memory_is_aligned_and_zero_even_after_reset(void **state)
{
    (void)state;
    _cleanup(arena_free) struct arena *mem = arena_new(1024);

    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 200; size++) {
            unsigned char *p = arena_alloc(mem, size);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(p[i], 0);
            }
            memset(p, 0xee, size);
        }
        arena_reset(mem);
    }
}

static void
test_pieces_do_not_overlap(void **state)
{
    (void)state;
    _cleanup(arena_free) struct arena *mem = arena_new(64);
    unsigned char *pieces[100];

    for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
        pieces[i] = arena_alloc(mem, i + 1);
        memset(pieces[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
        for (size_t at = 0; at <= i; at++) {
            assert_int_equal(pieces[i][at], i);
        }
    }
}

static void
test_a_piece_larger_than_a_chunk_is_served(void **state)
{
    (void)state;
    _cleanup(arena_free) struct arena *mem = arena_new(64);
    char *small = arena_strdup(mem, "before");
    char *large = arena_alloc(mem, 1 << 20);

    large[(1 << 20) - 1] = 'x';
    assert_string_equal(small, "before");
    assert_string_equal(arena_strdup(mem, "after"), "after");
}

static void
test_copies_are_terminated_and_keep_nul_bytes(void **state)
{
    (void)state;
    _cleanup(arena_free) struct arena *mem = arena_new(64);
    char *copy = arena_memdup(mem, "a\0b", 3);

    assert_memory_equal(copy, "a\0b", 4);
    assert_string_equal(arena_memdup(mem, NULL, 0), "");
    assert_string_equal(arena_printf(mem, "%s-%0200d", "x", 7) + 199, "007");
}

static void
test_free_accepts_an_empty_variable(void **state)
{
    (void)state;
    struct arena *mem = NULL;

    arena_free(&mem);
    mem = arena_new(0);
    assert_non_null(arena_alloc(mem, 1));
    arena_free(&mem);
    assert_null(mem);
}

static void
ask_for_too_much(void)
{
    xmalloc(SIZE_MAX / 2);
}

static void
overflow_a_product(void)
{
    xcalloc(SIZE_MAX / 2, 4);
}

static void
ask_arena_for_too_much(void)
{
    arena_alloc(arena_new(64), SIZE_MAX - 8);
}

static void
test_running_out_of_memory_aborts(void **state)
{
    (void)state;
    assert_aborts(ask_for_too_much);
    assert_aborts(overflow_a_product);
    assert_aborts(ask_arena_for_too_much);
}

static void
test_size_zero_is_not_out_of_memory(void **state)
{
    (void)state;
    _cleanup(cleanup_free) void *a = xmalloc(0);
    _cleanup(cleanup_free) void *b = xcalloc(0, 8);
    _cleanup(cleanup_free) char *c = xasprintf("%s", "");

    assert_non_null(a);
    assert_non_null(b);
    a = xrealloc(a, 0);
    assert_non_null(a);
    assert_string_equal(c, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_aligned_and_zero_even_after_reset),
        cmocka_unit_test(test_pieces_do_not_overlap),
        cmocka_unit_test(test_a_piece_larger_than_a_chunk_is_served),
        cmocka_unit_test(test_copies_are_terminated_and_keep_nul_bytes),
        cmocka_unit_test(test_free_accepts_an_empty_variable),
        cmocka_unit_test(test_running_out_of_memory_aborts),
        cmocka_unit_test(test_size_zero_is_not_out_of_memory),
    };

    return RUN_TESTS(tests);
}
