/* test_policy_mx.c -- the order of MX hosts; sets are written "preference name, ...", the root is
 * ".". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "policy/policy_mx.h"

enum { SET_MAX = DNS_RECORDS_MAX };

static unsigned set_parse(const char *text, struct dns_record *record)
{
    unsigned n = 0;
    for (int used; *text; text += used) {
        unsigned preference;
        char name[64];
        assert_int_equal(sscanf(text, "%u %63[^,]%n", &preference, name, &used), 2);
        used += text[used] == ',';
        record[n] = (struct dns_record){.preference = (uint16_t)preference};
        strcpy(record[n++].name, strcmp(name, ".") ? name : "");
    }
    return n;
}

static void set_build(const struct dns_record *record, unsigned count, char *out, size_t max)
{
    size_t n = 0;
    out[0] = 0;
    for (unsigned i = 0; i < count; i++)
        n += (size_t)snprintf(out + n, max - n, "%s%u %s", i ? "," : "", record[i].preference,
                              record[i].name);
}

static const struct {
    const char *shown, *in;
    enum policy_mx result;
    const char *out;
} rows[] = {
    {"one", "10 a", POLICY_MX_OK, "10 a"},
    {"sorted", "30 c,10 a,20 b", POLICY_MX_OK, "10 a,20 b,30 c"},
    {"the largest and the smallest preference", "65535 a,0 b", POLICY_MX_OK, "0 b,65535 a"},
    {"a name twice: the better stays", "20 a,30 b,10 a", POLICY_MX_OK, "10 a,30 b"},
    {"a name twice in two spellings", "20 A.x,10 a.X", POLICY_MX_OK, "10 a.X"},
    {"the same record twice", "10 a,10 a", POLICY_MX_OK, "10 a"},
    {"our name cuts what is worse", "10 a,20 us,30 c", POLICY_MX_OK, "10 a"},
    {"our name in capitals", "10 a,20 US,30 c", POLICY_MX_OK, "10 a"},
    {"and what is as good", "10 a,20 b,20 us,20 c,30 d", POLICY_MX_OK, "10 a"},
    {"our name twice: the better counts", "10 a,15 us,20 b,30 us", POLICY_MX_OK, "10 a"},
    {"a name that only begins like ours", "10 us.x,20 b", POLICY_MX_OK, "10 us.x,20 b"},
    {"we are the best", "10 us,20 b", POLICY_MX_LOOP, ""},
    {"we are among the best", "10 a,10 us,20 b", POLICY_MX_LOOP, ""},
    {"we are the only one", "10 us", POLICY_MX_LOOP, ""},
    {"null MX", "0 .", POLICY_MX_NULL, NULL},
    {"null MX with another preference", "10 .", POLICY_MX_NULL, NULL},
    {"null MX twice", "0 .,10 .", POLICY_MX_NULL, NULL},
    {"the root among others is left out", "0 .,10 a", POLICY_MX_OK, "10 a"},
    {"the root and ourselves", "0 .,10 us", POLICY_MX_LOOP, ""},
};

static void order(void **state)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dns_record record[SET_MAX];
        unsigned count = set_parse(rows[i].in, record);
        enum policy_mx result = policy_mx_order(record, &count, SLICE("us"), &rng);
        char out[512];
        if (result != rows[i].result)
            fail_msg("%s: result %d", rows[i].shown, result);
        if (!rows[i].out)
            continue;
        set_build(record, count, out, sizeof out);
        if (strcmp(out, rows[i].out))
            fail_msg("%s: %s", rows[i].shown, out);
    }
}

/* Each host of one preference comes first about equally often, and none leaves its place. */
static void equals_are_shuffled(void **state)
{
    enum { ROUNDS = 3000 };
    struct rng rng;
    rng_init(&rng, 1);
    unsigned first[3] = {0}, last[2] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        struct dns_record record[SET_MAX];
        unsigned count = set_parse("20 x,10 a,10 b,20 y,10 c,5 best", record);
        assert_int_equal(policy_mx_order(record, &count, SLICE("us"), &rng), POLICY_MX_OK);
        assert_int_equal(count, 6);
        assert_string_equal(record[0].name, "best");
        unsigned seen = 0;
        for (unsigned k = 1; k <= 3; k++)
            seen |= BIT(record[k].name[0] - 'a');
        assert_int_equal(seen, 7);
        first[record[1].name[0] - 'a']++;
        last[record[5].name[0] - 'x']++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(first[i], ROUNDS / 3 - 150, ROUNDS / 3 + 150);
    for (int i = 0; i < 2; i++)
        assert_in_range(last[i], ROUNDS / 2 - 150, ROUNDS / 2 + 150);
}

static void the_largest_set(void **state)
{
    struct rng rng;
    rng_init(&rng, 1);
    struct dns_record record[SET_MAX];
    unsigned count = SET_MAX;
    for (unsigned i = 0; i < SET_MAX; i++) {
        record[i] = (struct dns_record){.preference = (uint16_t)(SET_MAX - i)};
        snprintf(record[i].name, sizeof record[i].name, "h%u", i);
    }
    assert_int_equal(policy_mx_order(record, &count, SLICE("us"), &rng), POLICY_MX_OK);
    assert_int_equal(count, SET_MAX);
    for (unsigned i = 0; i < SET_MAX; i++)
        assert_int_equal(record[i].preference, i + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(equals_are_shuffled),
        cmocka_unit_test(the_largest_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
