/* test_target_order.c -- what is said of hosts becomes the order in which connections try them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../src/engine/target_order.h"

enum { DRAWS = 10000, HOSTS = 4 };

static void what_is_not_said(void **state)
{
    static const struct {
        const char *shows;
        struct engine_host host[3];
        unsigned priority[3], weight[3];
    } rows[] = {
        {"plain names: as listed", {{.port = 1}, {.port = 1}, {.port = 1}}, {1, 2, 3}, {1, 1, 1}},
        {"one weight makes equals",
         {{.weight = 3}, {.port = 1}, {.port = 1}},
         {1, 1, 1},
         {3, 1, 1}},
        {"one priority", {{.port = 1}, {.port = 1}, {.priority = 2}}, {1, 1, 2}, {1, 1, 1}},
        {"all of it",
         {{.priority = 5, .weight = 2}, {.priority = 5}, {.priority = 4, .weight = 9}},
         {5, 5, 4},
         {2, 1, 9}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (unsigned h = 0; h < 3; h++) {
            struct target_rank r = target_rank(rows[i].host, 3, h);
            if (r.priority != rows[i].priority[h] || r.weight != rows[i].weight[h] || r.is_failing)
                fail_msg("%s: host %u", rows[i].shows, h);
        }
}

/* How often, of a hundred, each host is the first one. */
static void the_first_one(void **state)
{
    static const struct {
        const char *shows;
        struct target_rank rank[HOSTS];
        unsigned count, percent[HOSTS];
    } rows[] = {
        {"one host", {{1, 1, false}}, 1, {100}},
        {"priority", {{2, 9, false}, {1, 1, false}, {3, 9, false}}, 3, {0, 100, 0}},
        {"weights of equals", {{1, 3, false}, {1, 1, false}}, 2, {75, 25}},
        {"no weight of a worse one",
         {{1, 1, false}, {1, 1, false}, {2, 98, false}},
         3,
         {50, 50, 0}},
        {"a failing one is last", {{1, 1, true}, {2, 1, false}}, 2, {0, 100}},
        {"its weight goes to the others",
         {{1, 2, true}, {1, 1, false}, {1, 1, false}},
         3,
         {0, 50, 50}},
        {"all failing: by priority", {{2, 1, true}, {1, 1, true}}, 2, {0, 100}},
        {"large weights", {{1, 1000, false}, {1, 1000, false}}, 2, {50, 50}},
    };
    struct rng rng;
    rng_init(&rng, 7);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned first[HOSTS] = {0};
        for (int n = 0; n < DRAWS; n++) {
            unsigned order[HOSTS];
            target_order(rows[i].rank, rows[i].count, &rng, order);
            first[order[0]]++;
        }
        for (unsigned h = 0; h < rows[i].count; h++) {
            unsigned wanted = rows[i].percent[h] * (DRAWS / 100);
            unsigned off = first[h] > wanted ? first[h] - wanted : wanted - first[h];
            bool is_exact = wanted == 0 || wanted == DRAWS;
            if (is_exact ? off != 0 : off > DRAWS / 40)
                fail_msg("%s: host %u was first %u times", rows[i].shows, h, first[h]);
        }
    }
}

/* Whatever the ranks: every host once, none before a better one. */
static void every_order_is_one(void **state)
{
    struct rng rng;
    rng_init(&rng, 8);
    for (int n = 0; n < DRAWS; n++) {
        struct target_rank rank[ENGINE_HOSTS_MAX];
        unsigned order[ENGINE_HOSTS_MAX], seen = 0;
        unsigned count = 1 + (unsigned)rng_below(&rng, ENGINE_HOSTS_MAX);
        for (unsigned i = 0; i < count; i++)
            rank[i] = (struct target_rank){.priority = 1 + (unsigned)rng_below(&rng, 4),
                                           .weight = 1 + (unsigned)rng_below(&rng, 1000),
                                           .is_failing = rng_chance(&rng, 30)};
        target_order(rank, count, &rng, order);
        for (unsigned i = 0; i < count; i++) {
            assert_true(order[i] < count);
            seen |= BIT(order[i]);
            if (!i)
                continue;
            const struct target_rank *a = &rank[order[i - 1]], *b = &rank[order[i]];
            assert_true(a->is_failing <= b->is_failing);
            assert_true(a->is_failing != b->is_failing || a->priority <= b->priority);
        }
        assert_int_equal(seen, BIT(count) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said),
        cmocka_unit_test(the_first_one),
        cmocka_unit_test(every_order_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
