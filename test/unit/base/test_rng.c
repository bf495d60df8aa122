/* test_rng.c -- random numbers: the same from the same seed, inside their bounds, reaching both
 * ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

/* First outputs of the reference code (prng.di.unimi.it) for the state 1, 2, 3, 4. */
static void reference(void **state)
{
    struct rng r = {{1, 2, 3, 4}};
    assert_true(rng_u64(&r) == 11520);
    assert_true(rng_u64(&r) == 0);
    assert_true(rng_u64(&r) == 1509978240);
    assert_true(rng_u64(&r) == 1215971899390074240u);
}

static void bounds(void **state)
{
    struct rng a, b;
    unsigned seen = 0;
    rng_init(&a, 9);
    rng_init(&b, 9);
    for (int i = 0; i < 1000; i++) {
        int64_t v = rng_between(&a, -3, 3);
        assert_true(v == rng_between(&b, -3, 3));
        assert_true(v >= -3 && v <= 3);
        seen |= BIT(v + 3);
        assert_true(rng_below(&a, 1) == 0);
        rng_below(&b, 1);
    }
    assert_int_equal(seen, 0x7f);
    rng_between(&a, INT64_MIN, INT64_MAX);
    assert_true(rng_between(&a, INT64_MAX, INT64_MAX) == INT64_MAX);
    assert_false(rng_chance(&a, 0));
    assert_true(rng_chance(&a, 100));
    int yes = 0;
    for (int i = 0; i < 10000; i++)
        yes += rng_chance(&a, 30);
    assert_in_range(yes, 2700, 3300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reference), cmocka_unit_test(bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
