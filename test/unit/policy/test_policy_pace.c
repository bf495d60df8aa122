/* test_policy_pace.c -- a rate is never exceeded in any window of its length, however it is asked
 * for, and is reached where there is always something to send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/rng.h"
#include "policy/policy_limits.h"
#include "policy/policy_pace.h"

enum { SENT_MAX = 20000 };

static int64_t sent[SENT_MAX];

/* Sends whenever it may, as a timer of milliseconds would; gives how many. */
static int send_for(const struct policy_rate *r, unsigned slowed, int64_t from_ms, int64_t ms,
                    struct rng *pauses)
{
    struct policy_pace p = {0};
    int n = 0;
    for (int64_t now = from_ms; now < from_ms + ms && n < SENT_MAX;) {
        int64_t next = policy_pace_next_ms(&p, r, slowed);
        if (next > now) {
            now = next;
            continue;
        }
        policy_pace_take(&p, r, slowed, now);
        sent[n++] = now;
        if (pauses && rng_below(pauses, 5) == 0)
            now += (int64_t)rng_below(pauses, (uint64_t)r->per_ms);
    }
    return n;
}

static unsigned most_in_a_window(int n, int64_t ms)
{
    unsigned most = 0;
    for (int i = 0, k = 0; i < n; i++) {
        while (sent[i] - sent[k] >= ms)
            k++;
        if ((unsigned)(i - k + 1) > most)
            most = (unsigned)(i - k + 1);
    }
    return most;
}

static const struct policy_rate rates[] = {{1, 1000},   {1, 3600000},  {7, 1000},     {100, 60000},
                                           {97, 60000}, {1000, 60000}, {13, 86400000}};

static void never_exceeded(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        for (int pauses = 0; pauses < 2; pauses++) {
            int n =
                send_for(&rates[i], 1, 1700000000000, 5 * rates[i].per_ms, pauses ? &rng : NULL);
            assert_true(most_in_a_window(n, rates[i].per_ms) <= rates[i].count);
            if (!pauses) /* and reached: within one in a hundred */
                assert_true((unsigned)n >= 5 * rates[i].count - 5 * rates[i].count / 100);
        }
    }
}

/* Finer than a timer: what belongs into one grain goes together. */
static void fast_rates_are_reached(void **state)
{
    (void)state;
    static const struct policy_rate r = {3000, 1000};
    int n = send_for(&r, 1, 0, 3000, NULL);
    assert_in_range(n, 8900, 9100);
    assert_true(most_in_a_window(n, 1000) <= 3000 + 3000 * POLICY_PACE_GRAIN_MS / 1000 + 1);
}

static void slowed_down(void **state)
{
    (void)state;
    static const struct policy_rate r = {100, 60000};
    int n = send_for(&r, 4, 1000, 600000, NULL);
    assert_in_range(n, 248, 251);
}

static void no_rate_no_wait(void **state)
{
    (void)state;
    struct policy_pace p = {0};
    static const struct policy_rate none = {0}, some = {1, 60000};
    policy_pace_take(&p, &none, 1, 1000);
    assert_int_equal(policy_pace_next_ms(&p, &none, 1), 0);
    policy_pace_take(&p, &some, 1, 1000);
    assert_int_equal(policy_pace_next_ms(&p, &some, 1), 61000);
    assert_int_equal(policy_pace_next_ms(&p, &none, 1), 0); /* new limits: none any more */
}

static void limits_over_limits(void **state)
{
    (void)state;
    struct policy_limits to = {.connections = 20, .connect_ms = 1, .messages = {5, 1000}};
    policy_limits_overlay(&to, &(struct policy_limits){0});
    assert_int_equal(to.connections, 20);
    assert_int_equal(to.messages.count, 5);
    struct policy_limits over;
    memset(&over, 1, sizeof over);
    policy_limits_overlay(&to, &over);
    assert_memory_equal(&to, &over, offsetof(struct policy_limits, messages)); /* none left out */
    assert_int_equal(to.recipients, over.recipients);
    assert_int_equal(to.messages.count, over.messages.count);
    assert_int_equal(to.messages.per_ms, over.messages.per_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_exceeded),     cmocka_unit_test(fast_rates_are_reached),
        cmocka_unit_test(slowed_down),        cmocka_unit_test(no_rate_no_wait),
        cmocka_unit_test(limits_over_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
