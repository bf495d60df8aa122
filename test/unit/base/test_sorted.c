/* test_sorted.c -- sorted pointers against a naive array, in the orders that queues know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"
#include "base/sorted.h"

enum { NUMBERS = 3000 };

struct model {
    struct sorted s;
    bool has[NUMBERS];
    size_t count;
};

static void *value_of(size_t number)
{
    return (void *)(uintptr_t)(number * 8 + 8);
}

static void put(struct model *m, size_t number)
{
    assert_int_equal(sorted_put(&m->s, number, value_of(number)), !m->has[number]);
    m->count += !m->has[number];
    m->has[number] = true;
}

static void take(struct model *m, size_t number)
{
    assert_ptr_equal(sorted_take(&m->s, number), m->has[number] ? value_of(number) : NULL);
    m->count -= m->has[number];
    m->has[number] = false;
}

/* Every question there is. */
static void check(const struct model *m)
{
    void *below = NULL, *above = NULL;
    assert_int_equal(m->s.count, m->count);
    for (size_t i = 0; i < NUMBERS; i++) {
        assert_ptr_equal(sorted_get(&m->s, i), m->has[i] ? value_of(i) : NULL);
        assert_ptr_equal(sorted_before(&m->s, i), below);
        if (m->has[i])
            below = value_of(i);
    }
    for (size_t i = NUMBERS; i-- > 0;) {
        assert_ptr_equal(sorted_after(&m->s, i), above);
        if (m->has[i])
            above = value_of(i);
    }
    assert_ptr_equal(sorted_first(&m->s), above);
    for (size_t i = 1; i < m->s.leaf_count; i++)
        assert_true(m->s.leaf[i - 1].first < m->s.leaf[i].first);
}

static void empty(void **ctx)
{
    struct model m = {0};
    sorted_init(&m.s);
    check(&m);
    assert_null(sorted_take(&m.s, 7));
    assert_null(sorted_after(&m.s, UINT64_MAX));
    put(&m, 7);
    assert_ptr_equal(sorted_before(&m.s, UINT64_MAX), value_of(7));
    take(&m, 7);
    check(&m);
    sorted_close(&m.s);
}

static void growing_numbers_fill_their_pages(void **ctx)
{
    struct model m = {0};
    sorted_init(&m.s);
    for (size_t i = 0; i < NUMBERS; i++)
        put(&m, i);
    check(&m);
    assert_true(m.s.leaf_count <= NUMBERS / 127 + 1);
    for (size_t i = 0; i < NUMBERS; i++) /* as a queue drains */
        take(&m, i);
    check(&m);
    assert_int_equal(m.s.leaf_count, 0);
    sorted_close(&m.s);
}

static void few_leave_few_pages(void **ctx)
{
    struct model m = {0};
    sorted_init(&m.s);
    for (size_t i = NUMBERS; i-- > 0;) /* the worst order */
        put(&m, i);
    check(&m);
    for (size_t i = 0; i < NUMBERS; i++)
        if (i % 100)
            take(&m, i);
    check(&m);
    assert_true(m.s.leaf_count <= 2);
    sorted_close(&m.s);
}

static void random_walk(void **ctx)
{
    static const struct {
        const char *what;
        unsigned put_percent;
    } rows[] = {{"grows", 80}, {"stays", 50}, {"shrinks", 20}};
    struct rng r;
    struct model m = {0};
    rng_init(&r, 1);
    sorted_init(&m.s);
    for (int round = 0; round < 9; round++) {
        for (int i = 0; i < 4000; i++) {
            size_t number = rng_below(&r, NUMBERS);
            if (rng_chance(&r, rows[round % 3].put_percent))
                put(&m, number);
            else
                take(&m, number);
        }
        check(&m);
    }
    sorted_close(&m.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(growing_numbers_fill_their_pages),
        cmocka_unit_test(few_leave_few_pages),
        cmocka_unit_test(random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
