/* test_policy_quota.c -- rates and the daily quota of a login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy_quota.h"

enum { HOUR = 3600000, DAY = 24 * HOUR };
static const int64_t midnight = 20000ll * DAY;

static void a_rate_is_a_bucket_that_fills_again(void **state)
{
    const struct policy_quota q = {.messages = {10, HOUR}};
    struct policy_usage u = {0};
    int64_t wait;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(policy_quota_judge(&q, &u, 5, midnight, &wait), POLICY_LIMIT_NONE);
        policy_quota_charge(&q, &u, 5, midnight);
    }
    assert_int_equal(policy_quota_judge(&q, &u, 5, midnight, &wait), POLICY_LIMIT_MESSAGES);
    assert_int_equal(wait, HOUR / 10);
    assert_int_equal(policy_quota_judge(&q, &u, 5, midnight + HOUR / 10 - 1, &wait),
                     POLICY_LIMIT_MESSAGES);
    assert_int_equal(wait, 1);
    assert_int_equal(policy_quota_judge(&q, &u, 5, midnight + HOUR / 10, &wait), POLICY_LIMIT_NONE);
    policy_quota_charge(&q, &u, 5, midnight + HOUR / 10);
    assert_int_equal(policy_quota_judge(&q, &u, 5, midnight + HOUR / 10, &wait),
                     POLICY_LIMIT_MESSAGES);
    policy_quota_refund(&q, &u, 5, midnight + HOUR / 10);
    assert_int_equal(policy_quota_judge(&q, &u, 5, midnight + HOUR / 10, &wait), POLICY_LIMIT_NONE);
}

static void recipients_count_each(void **state)
{
    const struct policy_quota q = {.recipients = {100, HOUR}};
    struct policy_usage u = {0};
    int64_t wait;
    assert_int_equal(policy_quota_judge(&q, &u, 100, midnight, &wait), POLICY_LIMIT_NONE);
    /* More than the bucket holds never fits, however long one waits. */
    assert_int_equal(policy_quota_judge(&q, &u, 101, midnight, &wait), POLICY_LIMIT_RECIPIENTS);
    policy_quota_charge(&q, &u, 60, midnight);
    assert_int_equal(policy_quota_judge(&q, &u, 40, midnight, &wait), POLICY_LIMIT_NONE);
    assert_int_equal(policy_quota_judge(&q, &u, 50, midnight, &wait), POLICY_LIMIT_RECIPIENTS);
    assert_int_equal(wait, HOUR / 10);
}

static void the_day_ends_at_midnight_utc(void **state)
{
    const struct policy_quota q = {.daily = 50};
    struct policy_usage u = {0};
    int64_t wait, late = midnight + DAY - 60000;
    policy_quota_charge(&q, &u, 45, late);
    assert_int_equal(policy_quota_judge(&q, &u, 5, late, &wait), POLICY_LIMIT_NONE);
    assert_int_equal(policy_quota_judge(&q, &u, 6, late, &wait), POLICY_LIMIT_DAILY);
    assert_int_equal(wait, 60000);
    assert_int_equal(policy_quota_judge(&q, &u, 50, midnight + DAY, &wait), POLICY_LIMIT_NONE);
    policy_quota_refund(&q, &u, 45, late);
    assert_int_equal(policy_quota_judge(&q, &u, 50, late, &wait), POLICY_LIMIT_NONE);
}

/* Saved when the clock was a year ahead, or under a rate a hundred times as slow. */
static void nobody_is_shut_out_by_a_wrong_clock(void **state)
{
    const struct policy_quota q = {.messages = {10, HOUR}};
    struct policy_usage u = {.messages_full_us = (midnight + 365ll * DAY) * 1000};
    int64_t wait;
    assert_int_equal(policy_quota_judge(&q, &u, 1, midnight, &wait), POLICY_LIMIT_MESSAGES);
    assert_true(wait <= HOUR);
}

static void no_limit_is_no_limit(void **state)
{
    const struct policy_quota q = {0};
    struct policy_usage u = {0};
    int64_t wait;
    for (int i = 0; i < 1000; i++)
        policy_quota_charge(&q, &u, 1000, midnight);
    assert_int_equal(policy_quota_judge(&q, &u, 1000, midnight, &wait), POLICY_LIMIT_NONE);
    assert_false(policy_usage_is_idle(&u, midnight));
    assert_true(policy_usage_is_idle(&u, midnight + DAY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_a_bucket_that_fills_again),
        cmocka_unit_test(recipients_count_each),
        cmocka_unit_test(the_day_ends_at_midnight_utc),
        cmocka_unit_test(nobody_is_shut_out_by_a_wrong_clock),
        cmocka_unit_test(no_limit_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
