/* test_policy_retry.c -- waits grow, stay under their limit and spread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>

#include "policy/policy_retry.h"

enum { DRAWS = 300 };

static const struct {
    const char *shown;
    struct policy_retry p;
    unsigned attempts;
    int64_t middle_ms; /* the wait without jitter */
} rows[] = {
    {"the first wait", {60000, 3600000, 2.0}, 1, 60000},
    {"no attempt yet: as the first", {60000, 3600000, 2.0}, 0, 60000},
    {"doubled", {60000, 3600000, 2.0}, 2, 120000},
    {"doubled five times", {60000, 3600000, 2.0}, 6, 1920000},
    {"the limit", {60000, 3600000, 2.0}, 7, 3600000},
    {"the limit for good", {60000, 3600000, 2.0}, 1000, 3600000},
    {"a count from a damaged record", {60000, 3600000, 2.0}, UINT_MAX, 3600000},
    {"constant", {1000, 3600000, 1.0}, UINT_MAX, 1000},
    {"one and a half", {1000, 3600000, 1.5}, 3, 2250},
    {"first over the limit", {5000, 1000, 2.0}, 1, 1000},
    {"a huge factor", {1000, 86400000, 1e300}, 4000000000u, 86400000},
};

static void waits(void **state)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t least = INT64_MAX, most = 0, middle = rows[i].middle_ms;
        for (int k = 0; k < DRAWS; k++) {
            int64_t ms = policy_retry_wait_ms(&rows[i].p, rows[i].attempts, &rng);
            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        if (least < middle * 8 / 10 - 1 || most > middle * 12 / 10 + 1)
            fail_msg("%s: %lld..%lld", rows[i].shown, (long long)least, (long long)most);
        /* and they use that room */
        if (least > middle * 83 / 100 || most < middle * 117 / 100)
            fail_msg("%s spreads only over %lld..%lld", rows[i].shown, (long long)least,
                     (long long)most);
    }
}

static void a_wait_is_never_nothing(void **state)
{
    struct rng rng;
    rng_init(&rng, 7);
    struct policy_retry p = {0, 0, 2.0};
    for (unsigned i = 0; i < 100; i++)
        assert_true(policy_retry_wait_ms(&p, i, &rng) > 0);
}

/* A thousand messages deferred in one moment do not come back in one moment. */
static void a_crowd_is_spread(void **state)
{
    struct rng rng;
    rng_init(&rng, 7);
    struct policy_retry p = {60000, 3600000, 2.0};
    static unsigned in_ms[72001];
    unsigned most = 0;
    for (int i = 0; i < 1000; i++) {
        unsigned n = ++in_ms[policy_retry_wait_ms(&p, 1, &rng)];
        most = n > most ? n : most;
    }
    assert_true(most <= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits),
        cmocka_unit_test(a_wait_is_never_nothing),
        cmocka_unit_test(a_crowd_is_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
