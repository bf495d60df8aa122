/* test_policy_window.c -- how many connections: from few to the limit, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "policy/policy_window.h"

static void a_round_doubles_it(void **state)
{
    struct policy_window w;
    policy_window_init(&w);
    assert_int_equal(w.most, POLICY_WINDOW_FIRST);
    for (unsigned most = POLICY_WINDOW_FIRST; most < 64; most *= 2) {
        assert_int_equal(w.most, most);
        for (unsigned i = 0; i < most; i++)
            policy_window_success(&w, w.most, 64);
    }
    assert_int_equal(w.most, 64);
    policy_window_success(&w, 64, 64);
    assert_int_equal(w.most, 64);
}

static void what_is_not_used_does_not_grow(void **state)
{
    struct policy_window w;
    policy_window_init(&w);
    for (int i = 0; i < 100; i++)
        policy_window_success(&w, POLICY_WINDOW_FIRST - 1, 64);
    assert_int_equal(w.most, POLICY_WINDOW_FIRST);
}

static void trouble_halves_it_once_in_a_while(void **state)
{
    struct policy_window w;
    policy_window_init(&w);
    w.most = 20;
    assert_true(policy_window_trouble(&w, 20, 1000));
    assert_int_equal(w.most, 10);
    assert_false(policy_window_trouble(&w, 19, 1000 + POLICY_WINDOW_REST_MS - 1));
    assert_int_equal(w.most, 10);
    assert_true(policy_window_trouble(&w, 10, 1000 + POLICY_WINDOW_REST_MS));
    assert_int_equal(w.most, 5);
    assert_true(policy_window_trouble(&w, 1, 1000 + 2 * POLICY_WINDOW_REST_MS));
    assert_int_equal(w.most, 1);
    assert_true(policy_window_trouble(&w, 0, 1000 + 3 * POLICY_WINDOW_REST_MS));
    assert_int_equal(w.most, 1);
}

static void beyond_the_threshold_it_grows_slowly(void **state)
{
    struct policy_window w;
    policy_window_init(&w);
    policy_window_crowded(&w, 5);
    assert_int_equal(w.most, 5);
    for (unsigned i = 0; i < 5 * POLICY_WINDOW_ROUNDS - 1; i++)
        policy_window_success(&w, 5, 20);
    assert_int_equal(w.most, 5);
    policy_window_success(&w, 5, 20);
    assert_int_equal(w.most, 6);
    policy_window_crowded(&w, 0);
    assert_int_equal(w.most, 1);
}

/* Whatever happens: at least one, and a success never leads beyond the limit. */
static void bounds(void **state)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int run = 0; run < 200; run++) {
        struct policy_window w;
        policy_window_init(&w);
        unsigned limit = 1 + (unsigned)rng_below(&rng, 40);
        int64_t now_ms = 0;
        for (int i = 0; i < 500; i++) {
            unsigned before = w.most, in_use = (unsigned)rng_below(&rng, w.most + 1);
            now_ms += (int64_t)rng_below(&rng, 5000);
            switch (rng_below(&rng, 10)) {
            case 0:
                (void)policy_window_trouble(&w, in_use, now_ms);
                assert_true(w.most <= before);
                break;
            case 1:
                policy_window_crowded(&w, in_use);
                break;
            default:
                policy_window_success(&w, in_use, limit);
                assert_true(w.most <= before + 1 && (w.most == before || w.most <= limit));
            }
            assert_true(w.most >= 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_doubles_it),
        cmocka_unit_test(what_is_not_used_does_not_grow),
        cmocka_unit_test(trouble_halves_it_once_in_a_while),
        cmocka_unit_test(beyond_the_threshold_it_grows_slowly),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
