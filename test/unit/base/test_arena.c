/* test_arena.c -- arenas: alignment, zeroes, large pieces, reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void pieces_are_aligned_zeroed_and_apart(void **state)
{
    struct arena a;
    arena_init(&a, 100);
    uint8_t *piece[200];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(piece); i++) {
            piece[i] = arena_new(&a, i);
            assert_int_equal((uintptr_t)piece[i] % 16, 0);
            for (size_t k = 0; k < i; k++)
                assert_int_equal(piece[i][k], 0);
            memset(piece[i], (int)i, i);
        }
        for (size_t i = 0; i < COUNT_OF(piece); i++) {
            for (size_t k = 0; k < i; k++)
                assert_int_equal(piece[i][k], (uint8_t)i);
        }
        assert_true(a.used_bytes >= 199 * 200 / 2);
        arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
        assert_non_null(a.first);
    }
    arena_close(&a);
    assert_null(a.first);
}

static void copies_end_in_nul(void **state)
{
    struct arena a;
    arena_init(&a, 64);
    struct slice s = arena_copy(&a, SLICE("abc"));
    assert_string_equal(s.p, "abc");
    assert_int_equal(s.n, 3);
    s = arena_copy(&a, SLICE_NONE);
    assert_string_equal(s.p, "");
    s = arena_printf(&a, "%0200d", 7);
    assert_int_equal(s.n, 200);
    assert_int_equal(strlen(s.p), 200);
    assert_int_equal(s.p[199], '7');
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_zeroed_and_apart),
        cmocka_unit_test(copies_end_in_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
