/* test_history_file.c -- headers and frames there and back, cut short and with each bit turned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "history/history_file.h"

static void test_header(void **state)
{
    struct buf b;
    buf_init(&b, 1024);
    history_file_begin(7, &b);
    assert_int_equal(b.n, HISTORY_FILE_HEADER_BYTES);
    assert_true(history_file_is_good(buf_slice(&b), 7));
    assert_false(history_file_is_good(buf_slice(&b), 8));
    for (size_t n = 0; n < 28; n++) {
        assert_false(history_file_is_good(slice_of(b.p, n), 7));
        b.p[n] ^= 4;
        assert_false(history_file_is_good(buf_slice(&b), 7));
        b.p[n] ^= 4;
    }
    buf_close(&b);
}

static void test_frames(void **state)
{
    const uint64_t key[] = {1, UINT64_MAX, 0x123456789abcdef};
    struct buf b;
    struct history_frame f;
    size_t used, first;
    buf_init(&b, 1024);
    assert_true(history_frame_build(-5, key, 3, SLICE("payload"), &b));
    first = b.n;
    assert_int_equal(first % 8, 0);
    assert_true(history_frame_build(9, key, 0, SLICE_NONE, &b));
    assert_int_equal(history_frame_parse(buf_slice(&b), &f, &used), PARSE_DONE);
    assert_int_equal(used, first);
    assert_true(f.time_ms == -5 && f.key_count == 3 && slice_eq(f.payload, SLICE("payload")));
    for (uint32_t i = 0; i < 3; i++)
        assert_true(history_frame_key(&f, i) == key[i]);
    assert_int_equal(history_frame_parse(slice_from(buf_slice(&b), used), &f, &used), PARSE_DONE);
    assert_true(f.time_ms == 9 && !f.key_count && !f.payload.n);
    for (size_t n = 0; n < first; n++)
        assert_int_equal(history_frame_parse(slice_of(b.p, n), &f, &used), PARSE_MORE);
    for (size_t bit = 0; bit < 8 * first; bit++) {
        b.p[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_not_equal(history_frame_parse(slice_of(b.p, first), &f, &used), PARSE_DONE);
        b.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    buf_close(&b);
}

static void test_limits(void **state)
{
    static uint64_t key[HISTORY_FRAME_KEYS_MAX + 1];
    static char payload[HISTORY_FRAME_PAYLOAD_BYTES_MAX + 1];
    struct buf b;
    struct history_frame f;
    size_t used;
    buf_init(&b, HISTORY_FRAME_BYTES_MAX);
    assert_false(history_frame_build(0, key, HISTORY_FRAME_KEYS_MAX + 1, SLICE_NONE, &b));
    assert_false(history_frame_build(0, key, 0, slice_of(payload, sizeof payload), &b));
    assert_int_equal(b.n, 0);
    assert_true(history_frame_build(0, key, HISTORY_FRAME_KEYS_MAX,
                                    slice_of(payload, sizeof payload - 1), &b));
    assert_int_equal(history_frame_parse(buf_slice(&b), &f, &used), PARSE_DONE);
    assert_false(history_frame_build(0, key, 0, SLICE("no room"), &b));
    assert_false(b.is_full); /* and those before are not spoilt */
    buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
