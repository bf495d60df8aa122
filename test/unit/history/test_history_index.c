/* test_history_index.c -- the index in memory and the sealed one give the same answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"
#include "history/history_index.h"

struct image {
    struct buf bytes;
    unsigned reads;
    unsigned fails_at; /* the n-th read; 0: never */
};

static bool read_image(void *ctx, uint64_t at, void *to, size_t n)
{
    struct image *im = ctx;
    if (++im->reads == im->fails_at || at + n > im->bytes.n)
        return false;
    memcpy(to, im->bytes.p + at, n);
    return true;
}

static const struct history_index_head shape = {
    .sequence = 5, .log_bytes = 1u << 30, .records = 3, .oldest_ms = 10, .newest_ms = 20};

static void seal(const struct history_index *ix, struct image *im, struct history_index_head *head)
{
    *im = (struct image){0};
    buf_init(&im->bytes, HISTORY_INDEX_BYTES_MAX);
    assert_true(history_index_build(ix, &shape, &im->bytes));
    assert_true(history_index_head_parse(
        slice_head(buf_slice(&im->bytes), HISTORY_INDEX_HEADER_BYTES), head));
}

static void test_both_say_the_same(void **state)
{
    enum { ENTRIES = 20000, KEYS = 700 };
    struct history_index ix;
    struct history_index_head head;
    struct image im;
    struct rng rng;
    rng_init(&rng, 1);
    history_index_init(&ix);
    for (uint32_t i = 0; i < ENTRIES; i++)
        history_index_add(&ix, rng_below(&rng, KEYS) * 0x9e3779b97f4a7c15, 100 + i * 8);
    seal(&ix, &im, &head);
    assert_int_equal(head.entries, ENTRIES);
    assert_true(head.sequence == 5 && head.oldest_ms == 10 && head.newest_ms == 20);
    const struct history_index_source from = {&im, read_image};
    for (uint64_t k = 0; k <= KEYS; k++) { /* the last one is not in */
        uint64_t key = k * 0x9e3779b97f4a7c15;
        uint32_t a[16], b[16];
        unsigned n = history_index_find(&ix, key, a, 16), m;
        im.reads = 0;
        assert_true(history_index_search(&from, &head, key, b, 16, &m));
        assert_int_equal(n, m);
        assert_true(k < KEYS ? n == 16 : n == 0);
        assert_memory_equal(a, b, n * sizeof *a);
        for (unsigned i = 1; i < n; i++)
            assert_true(a[i] < a[i - 1]); /* the newest first */
        assert_true(im.reads <= 16 + 17); /* no scan */
    }
    buf_close(&im.bytes);
    history_index_close(&ix);
}

static void test_edges(void **state)
{
    struct history_index ix;
    struct history_index_head head;
    struct image im;
    uint32_t at[4];
    unsigned n;
    history_index_init(&ix);
    assert_int_equal(history_index_find(&ix, 1, at, 4), 0);
    seal(&ix, &im, &head);
    const struct history_index_source from = {&im, read_image};
    assert_true(history_index_search(&from, &head, 1, at, 4, &n) && n == 0);
    buf_close(&im.bytes);
    history_index_add(&ix, 0, 8);
    history_index_add(&ix, UINT64_MAX, 16);
    seal(&ix, &im, &head);
    assert_true(history_index_search(&from, &head, 0, at, 4, &n) && n == 1 && at[0] == 8);
    assert_true(history_index_search(&from, &head, UINT64_MAX, at, 4, &n) && n == 1 && at[0] == 16);
    for (unsigned i = 1; i <= 2; i++) {
        im.fails_at = (im.reads = 0, i);
        assert_false(history_index_search(&from, &head, 0, at, 4, &n));
    }
    buf_close(&im.bytes);
    history_index_close(&ix);
}

static void test_head_is_checked(void **state)
{
    struct history_index ix;
    struct history_index_head head;
    struct image im;
    history_index_init(&ix);
    history_index_add(&ix, 1, 8);
    seal(&ix, &im, &head);
    for (size_t n = 0; n < 60; n++) {
        assert_false(history_index_head_parse(slice_of(im.bytes.p, n), &head));
        im.bytes.p[n] ^= 1;
        assert_false(history_index_head_parse(buf_slice(&im.bytes), &head));
        im.bytes.p[n] ^= 1;
    }
    buf_close(&im.bytes);
    history_index_close(&ix);
}

static void test_ceiling(void **state)
{
    struct history_index ix;
    history_index_init(&ix);
    for (uint32_t i = 0; i < HISTORY_INDEX_ENTRIES_MAX; i++) {
        assert_true(history_index_has_room(&ix, HISTORY_INDEX_ENTRIES_MAX - i));
        history_index_add(&ix, i * 0x9e3779b97f4a7c15, i);
    }
    assert_false(history_index_has_room(&ix, 1));
    history_index_close(&ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_say_the_same),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_head_is_checked),
        cmocka_unit_test(test_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
