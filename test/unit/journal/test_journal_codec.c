/* test_journal_codec.c -- header, frames and seals, there and back, cut short and with every bit
 * turned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "journal/journal_codec.h"

static const struct journal_header life = {.sequence = 9,
                                           .nonce = 0x0123456789abcdefu,
                                           .installation = 42,
                                           .segment_bytes = 64 * 1024,
                                           .created_ms = 1700000000000};

static void a_header_comes_back_as_it_was(void **state)
{
    char bytes[JOURNAL_HEADER_BYTES];
    struct journal_header h;
    journal_header_build(&life, bytes);
    assert_memory_equal(bytes, "OUTPOSTJ\1\0\0\0\x40\0\0\0\x09\0\0\0\0\0\0\0\xef\xcd\xab", 27);
    assert_int_equal(journal_header_parse(slice_of(bytes, sizeof bytes), &h, NULL), ERR_OK);
    assert_memory_equal(&h, &life, sizeof h);
}

static void a_header_with_any_bit_turned_is_refused(void **state)
{
    char bytes[JOURNAL_HEADER_BYTES];
    struct journal_header h;
    struct fault why;
    journal_header_build(&life, bytes);
    for (size_t bit = 0; bit < 8 * 60; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_not_equal(journal_header_parse(slice_of(bytes, sizeof bytes), &h, &why), ERR_OK);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(journal_header_parse(slice_of(bytes, n), &h, &why), ERR_BAD);
}

static void a_header_with_impossible_values_is_refused(void **state)
{
    static const struct {
        const char *shows;
        uint64_t sequence, segment_bytes;
    } row[] = {
        {"sequence 0", 0, 65536},
        {"smaller than its header", 1, 63},
        {"larger than offsets reach", 1, (uint64_t)UINT32_MAX + 1},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char bytes[JOURNAL_HEADER_BYTES];
        struct journal_header h = life;
        h.sequence = row[i].sequence;
        h.segment_bytes = row[i].segment_bytes;
        journal_header_build(&h, bytes);
        if (journal_header_parse(slice_of(bytes, sizeof bytes), &h, NULL) != ERR_BAD)
            fail_msg("%s", row[i].shows);
    }
}

static void records_come_back_as_they_were(void **state)
{
    static const struct {
        const char *shows;
        size_t bytes;
        int parts;
    } row[] = {
        {"no payload, no part", 0, 0},
        {"no payload, one part", 0, 1},
        {"one byte", 1, 1},
        {"seven bytes in two parts", 7, 2},
        {"eight bytes in three parts", 8, 3},
        {"nine bytes in four parts", 9, 4},
        {"a large one", 30000, 4},
    };
    static char payload[30000];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)(i * 13 + 5);
    struct buf b;
    buf_init(&b, 64 * 1024);
    char header[JOURNAL_HEADER_BYTES];
    journal_header_build(&life, header);
    buf_add(&b, slice_of(header, sizeof header));
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct slice part[JOURNAL_PARTS_MAX];
        size_t at = 0;
        for (int p = 0; p < row[i].parts; p++) {
            size_t n = p + 1 == row[i].parts ? row[i].bytes - at : row[i].bytes / 4;
            part[p] = slice_of(payload + at, n);
            at += n;
        }
        size_t before = b.n;
        assert_true(journal_record_build(&b, &life, (uint8_t)(i + 1), 100 + i, part, row[i].parts));
        assert_int_equal(b.n - before, journal_record_span(row[i].bytes));
        assert_int_equal(b.n % 8, 0);
    }
    size_t end = b.n;
    for (int i = 0; i < 64; i++)
        buf_add_u8(&b, 0);

    uint32_t offset = JOURNAL_HEADER_BYTES;
    struct journal_record r, again;
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        assert_int_equal(journal_record_parse(buf_slice(&b), &life, offset, &r), JOURNAL_READ_OK);
        if (r.type != i + 1 || r.id != 100 + i || r.payload.n != row[i].bytes ||
            memcmp(r.payload.p, payload, r.payload.n) != 0)
            fail_msg("%s", row[i].shows);
        assert_int_equal(r.pos.segment, life.sequence);
        assert_int_equal(r.pos.offset, offset);
        assert_int_equal(r.pos.bytes, row[i].bytes);
        struct slice alone = slice_of(b.p + offset, journal_record_span(row[i].bytes));
        assert_int_equal(journal_record_verify(alone, &life, r.pos, r.id, &again, NULL), ERR_OK);
        assert_int_equal(journal_record_verify(alone, &life, r.pos, r.id + 1, &again, NULL),
                         ERR_DAMAGED);
        struct journal_pos wrong = r.pos;
        wrong.bytes++;
        assert_int_equal(journal_record_verify(alone, &life, wrong, r.id, &again, NULL),
                         ERR_DAMAGED);
        alone.n--;
        assert_int_equal(journal_record_verify(alone, &life, r.pos, r.id, &again, NULL),
                         ERR_DAMAGED);
        offset += (uint32_t)journal_record_span(row[i].bytes);
    }
    assert_int_equal(offset, end);
    assert_int_equal(journal_record_parse(buf_slice(&b), &life, offset, &r), JOURNAL_READ_END);
    buf_close(&b);
}

static void a_record_with_any_bit_turned_cut_or_of_another_life_is_torn(void **state)
{
    struct buf b;
    struct journal_record r;
    struct slice part = SLICE("every bit of this counts!");
    buf_init(&b, 4096);
    assert_true(journal_record_build(&b, &life, 3, 77, &part, 1));
    for (size_t bit = 0; bit < 8 * (JOURNAL_FRAME_BYTES + part.n); bit++) {
        b.p[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(journal_record_parse(buf_slice(&b), &life, 0, &r), JOURNAL_READ_TORN);
        b.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(journal_record_parse(slice_of(b.p, n), &life, 0, &r),
                         n < JOURNAL_FRAME_BYTES ? JOURNAL_READ_END : JOURNAL_READ_TORN);
    for (int bit = 0; bit < 64; bit++) {
        struct journal_header other = life;
        other.nonce ^= (uint64_t)1 << bit;
        assert_int_equal(journal_record_parse(buf_slice(&b), &other, 0, &r), JOURNAL_READ_TORN);
    }
    assert_int_equal(journal_record_parse(buf_slice(&b), &life, 0, &r), JOURNAL_READ_OK);
    assert_int_equal(journal_record_parse(buf_slice(&b), &life, UINT32_MAX, &r), JOURNAL_READ_END);
    buf_close(&b);
}

static void what_does_not_fit_is_not_added(void **state)
{
    static char big[JOURNAL_RECORD_BYTES_MAX];
    struct buf b;
    struct slice part[2] = {slice_of(big, sizeof big), SLICE("!")};
    buf_init(&b, 2 * JOURNAL_RECORD_BYTES_MAX);
    assert_false(journal_record_build(&b, &life, 3, 77, part, 2));
    assert_int_equal(b.n, 0);
    assert_true(journal_record_build(&b, &life, 3, 77, part, 1));
    assert_false(journal_record_build(&b, &life, 3, 77, part, 1));
    assert_int_equal(b.n, journal_record_span(sizeof big));
    buf_close(&b);
}

static void a_seal_comes_back_as_it_was(void **state)
{
    struct journal_seal s = {.segment = 5, .nonce = 6, .valid_end = 4096}, back;
    char text[JOURNAL_SEAL_BYTES];
    journal_seal_build(&s, text);
    struct journal_record r = {.type = JOURNAL_TYPE_OWN, .payload = slice_of(text, sizeof text)};
    assert_true(journal_seal_parse(&r, &back));
    assert_int_equal(back.segment, 5);
    assert_int_equal(back.nonce, 6);
    assert_int_equal(back.valid_end, 4096);
    r.payload.n--;
    assert_false(journal_seal_parse(&r, &back));
    r.payload.n++;
    r.type = 1;
    assert_false(journal_seal_parse(&r, &back));
    r.type = JOURNAL_TYPE_OWN;
    text[0] = 2; /* of a kind to come */
    assert_false(journal_seal_parse(&r, &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_comes_back_as_it_was),
        cmocka_unit_test(a_header_with_any_bit_turned_is_refused),
        cmocka_unit_test(a_header_with_impossible_values_is_refused),
        cmocka_unit_test(records_come_back_as_they_were),
        cmocka_unit_test(a_record_with_any_bit_turned_cut_or_of_another_life_is_torn),
        cmocka_unit_test(what_does_not_fit_is_not_added),
        cmocka_unit_test(a_seal_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
