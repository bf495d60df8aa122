/* test_heap.c -- heaps: the least key comes first through puts, re-keys and removals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/rng.h"

struct item {
    int before;
    struct heap_node node;
};

static void check(const struct heap *h)
{
    for (size_t i = 0; i < h->count; i++) {
        assert_int_equal(h->node[i]->at, i + 1);
        if (i > 0)
            assert_true(h->node[(i - 1) / 2]->key <= h->node[i]->key);
    }
}

static void random_walk(void **state)
{
    static struct item item[300];
    struct rng r;
    struct heap h;
    rng_init(&r, 1);
    heap_init(&h);
    assert_null(heap_first(&h));
    for (int step = 0; step < 20000; step++) {
        struct item *it = &item[rng_below(&r, COUNT_OF(item))];
        if (rng_chance(&r, 60)) {
            heap_put(&h, &it->node, rng_between(&r, -50, 50));
            assert_true(heap_has(&it->node));
        } else {
            heap_remove(&h, &it->node);
            assert_false(heap_has(&it->node));
        }
        if (step % 50 == 0)
            check(&h);
    }
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(item); i++)
        count += heap_has(&item[i].node);
    assert_int_equal(count, h.count);
    int64_t last = INT64_MIN;
    for (struct heap_node *n; (n = heap_first(&h)) != NULL; count--) {
        assert_true(n->key >= last);
        last = n->key;
        heap_remove(&h, n);
    }
    assert_int_equal(count, 0);
    heap_put(&h, &item[0].node, INT64_MAX);
    assert_ptr_equal(CONTAINER_OF(heap_first(&h), struct item, node), &item[0]);
    heap_close(&h);
    assert_false(heap_has(&item[0].node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_walk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
