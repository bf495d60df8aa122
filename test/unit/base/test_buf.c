/* test_buf.c -- buffers: growth, the ceiling, little-endian numbers there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"

static void the_ceiling_holds_and_sticks(void **state)
{
    struct buf b;
    buf_init(&b, 5);
    assert_string_equal(buf_cstr(&b), "");
    assert_true(buf_add(&b, SLICE("abc")));
    assert_false(buf_add(&b, SLICE("def")));
    assert_true(b.is_full);
    assert_true(slice_eq(buf_slice(&b), SLICE("abc"))); /* not even a part was added */
    assert_true(buf_add(&b, SLICE("de")));
    assert_true(b.is_full);
    assert_string_equal(buf_cstr(&b), "abcde"); /* the NUL fits behind a full buffer */
    assert_false(buf_add_char(&b, 'x'));
    assert_false(buf_add_u8(&b, 1));
    assert_false(buf_addf(&b, "%d", 1));
    assert_null(buf_reserve(&b, 1));
    assert_true(buf_add(&b, SLICE_NONE));
    buf_clear(&b);
    assert_false(b.is_full);
    assert_true(buf_addf(&b, "%s", "12345"));
    assert_string_equal(buf_cstr(&b), "12345");
    buf_close(&b);
    assert_null(b.p);
}

static void printing_grows(void **state)
{
    struct buf b;
    buf_init(&b, 100000);
    char *expected = mem_new(60001);
    for (int i = 0; i < 10000; i++) {
        assert_true(buf_addf(&b, "%05d,", i));
        memcpy(expected + i * 6,
               (char[6]){(char)('0' + i / 10000), (char)('0' + i / 1000 % 10),
                         (char)('0' + i / 100 % 10), (char)('0' + i / 10 % 10),
                         (char)('0' + i % 10), ','},
               6);
    }
    assert_int_equal(b.n, 60000);
    assert_memory_equal(b.p, expected, b.n);
    assert_true(b.cap <= b.max + 1);
    assert_true(buf_addf(&b, "%s", ""));
    assert_false(buf_addf(&b, "%50000d", 1));
    assert_int_equal(b.n, 60000);
    mem_free(expected);
    buf_close(&b);
}

/* A text that fits exactly, for each length around the first allocation. */
static void printing_at_the_edge(void **state)
{
    for (int n = 250; n < 262; n++) {
        struct buf b;
        buf_init(&b, (size_t)n);
        assert_true(buf_addf(&b, "%*d", n, 7));
        assert_int_equal(b.n, n);
        assert_int_equal(b.p[n - 1], '7');
        assert_false(buf_addf(&b, "x"));
        buf_close(&b);
    }
}

static void reserve_drop_trim(void **state)
{
    struct buf b;
    buf_init(&b, 1000);
    char *to = buf_reserve(&b, 1000);
    assert_non_null(to);
    memcpy(to, "hello world", 11);
    buf_wrote(&b, 11);
    buf_trim(&b); /* not empty: nothing happens */
    assert_non_null(b.p);
    buf_drop(&b, 6);
    assert_true(slice_eq(buf_slice(&b), SLICE("world")));
    buf_drop(&b, 0);
    buf_drop(&b, 5);
    assert_int_equal(b.n, 0);
    buf_trim(&b);
    assert_null(b.p);
    assert_non_null(buf_reserve(&b, 0));
    buf_close(&b);
}

static void numbers_there_and_back(void **state)
{
    struct buf b;
    buf_init(&b, 100);
    buf_add_u8(&b, 0xfe);
    buf_add_u16(&b, 0xfedc);
    buf_add_u32(&b, 0xfedcba98);
    buf_add_u64(&b, 0xfedcba9876543210);
    buf_add(&b, SLICE("xyz"));
    assert_memory_equal(b.p, "\xfe\xdc\xfe\x98\xba\xdc\xfe\x10\x32\x54\x76\x98\xba\xdc\xfe", 15);
    for (size_t n = 0; n <= b.n; n++) { /* cut short at each place */
        struct reader r = {slice_of(b.p, n), false};
        bool has[] = {n >= 1, n >= 3, n >= 7, n >= 15, n >= 18};
        assert_int_equal(read_u8(&r), has[0] ? 0xfe : 0);
        assert_int_equal(read_u16(&r), has[1] ? 0xfedc : 0);
        assert_int_equal(read_u32(&r), has[2] ? 0xfedcba98 : 0);
        assert_true(read_u64(&r) == (has[3] ? 0xfedcba9876543210 : 0));
        struct slice s = read_bytes(&r, 3);
        assert_int_equal(s.n, has[4] ? 3 : 0);
        assert_int_equal(r.is_bad, !has[4]);
        assert_int_equal(read_u8(&r), 0);
        assert_true(r.is_bad);
    }
    struct reader r = {SLICE("ab"), false};
    assert_int_equal(read_bytes(&r, SIZE_MAX).n, 0);
    assert_true(r.is_bad);
    assert_int_equal(read_u8(&r), 0); /* bad stays bad */
    buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ceiling_holds_and_sticks), cmocka_unit_test(printing_grows),
        cmocka_unit_test(printing_at_the_edge),         cmocka_unit_test(reserve_drop_trim),
        cmocka_unit_test(numbers_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
