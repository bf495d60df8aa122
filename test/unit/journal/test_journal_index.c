/* test_journal_index.c -- an index there and back: out of any windows over a segment, refused when
 * a bit of it is off, when it is cut, and when it belongs to anything else than this segment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "journal/journal_index.h"
#include "journal/journal_recover.h"

enum { SEGMENT = 64 * 1024, RECORDS = 200, FILE_MAX = 4 * 1024 * 1024 };

static const struct journal_header life = {
    .sequence = 5, .nonce = 0x1234567890abcdefu, .installation = 9, .segment_bytes = SEGMENT};

/* Type 1: nothing; 2: up to 40 bytes; others: more than there is, which is all. */
static size_t head_bytes(uint8_t type, struct slice payload)
{
    return type == 1 ? 0 : type == 2 && payload.n > 40 ? 40 : payload.n + 7;
}

struct image {
    struct buf bytes; /* up to the valid end, and SEGMENT of zeroes in all */
    uint32_t end;
    unsigned records;
};

static void image_init(struct image *m, unsigned records, unsigned seals)
{
    char header[JOURNAL_HEADER_BYTES], payload[500];
    *m = (struct image){.records = records};
    buf_init(&m->bytes, SEGMENT);
    journal_header_build(&life, header);
    buf_add(&m->bytes, slice_of(header, sizeof header));
    for (unsigned i = 0; i < seals; i++) {
        char seal[JOURNAL_SEAL_BYTES];
        struct slice part = slice_of(seal, sizeof seal);
        journal_seal_build(&(struct journal_seal){.segment = i + 1}, seal);
        assert_true(journal_record_build(&m->bytes, &life, JOURNAL_TYPE_OWN, 0, &part, 1));
    }
    for (unsigned i = 0; i < records; i++) {
        struct slice part = slice_of(payload, i * 37 % sizeof payload);
        memset(payload, (int)i, sizeof payload);
        assert_true(
            journal_record_build(&m->bytes, &life, (uint8_t)(1 + i % 3), 1000 + i, &part, 1));
    }
    m->end = (uint32_t)m->bytes.n;
    static const char zeroes[SEGMENT];
    assert_true(buf_add(&m->bytes, slice_of(zeroes, SEGMENT - m->bytes.n)));
}

/* Windows begin with `least` bytes and grow while nothing fits; what is held is drained each time.
 */
static enum parse make(const struct image *m, uint32_t end, size_t least, struct buf *file)
{
    struct journal_index_builder b;
    char header[JOURNAL_INDEX_HEADER_BYTES] = {0};
    enum parse p = PARSE_MORE;
    buf_init(file, FILE_MAX);
    assert_true(buf_add(file, slice_of(header, sizeof header)));
    journal_index_begin(&b, &life, end, head_bytes);
    for (size_t n = least; p == PARSE_MORE && n <= 2 * SEGMENT; n++) {
        uint32_t before = b.offset;
        p = journal_index_add(&b, slice_head(slice_from(buf_slice(&m->bytes), b.offset), n));
        assert_true(buf_add(file, buf_slice(&b.out)));
        buf_clear(&b.out);
        if (b.offset > before)
            n = least;
    }
    journal_index_header(&b, header);
    memcpy(file->p, header, sizeof header);
    journal_index_close(&b);
    return p;
}

/* What the index says is what a walk says. */
static void compare(const struct image *m, struct slice file)
{
    struct journal_index x;
    struct journal_walk w;
    struct journal_record head, whole;
    assert_int_equal(journal_index_open(&x, file, &life), ERR_OK);
    assert_int_equal(x.valid_end, m->end);
    assert_int_equal(x.count, m->records);
    journal_walk_init(&w, buf_slice(&m->bytes), &life, UINT32_MAX);
    for (unsigned i = 0; i < m->records; i++) {
        assert_int_equal(journal_walk_next(&w, &whole), JOURNAL_STEP_RECORD);
        assert_true(journal_index_next(&x, &head));
        assert_int_equal(head.type, whole.type);
        assert_int_equal(head.id, whole.id);
        assert_memory_equal(&head.pos, &whole.pos, sizeof head.pos);
        size_t n = head_bytes(whole.type, whole.payload);
        assert_int_equal(head.payload.n, n < whole.payload.n ? n : whole.payload.n);
        if (head.payload.n)
            assert_memory_equal(head.payload.p, whole.payload.p, head.payload.n);
    }
    assert_false(journal_index_next(&x, &head));
    assert_int_equal(journal_walk_next(&w, &whole), JOURNAL_STEP_END);
    assert_int_equal(w.offset, x.valid_end);
}

static void there_and_back_through_any_window(void **state)
{
    static const struct {
        const char *what;
        unsigned records, seals;
        size_t window;
    } row[] = {
        {"one look", RECORDS, 0, SEGMENT}, {"behind seals", RECORDS, 3, SEGMENT},
        {"byte by byte", 20, 2, 1},        {"a frame at a time", RECORDS, 1, 24},
        {"odd pieces", RECORDS, 32, 333},  {"nothing in it", 0, 0, SEGMENT},
        {"nothing but seals", 0, 32, 100}, {"one record", 1, 0, SEGMENT},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct image m;
        struct buf file;
        image_init(&m, row[i].records, row[i].seals);
        if (make(&m, m.end, row[i].window, &file) != PARSE_DONE)
            fail_msg("%s", row[i].what);
        compare(&m, buf_slice(&file));
        buf_close(&file);
        buf_close(&m.bytes);
    }
}

static void a_segment_that_is_not_what_it_should_be_gets_none(void **state)
{
    static const struct {
        const char *what;
        int end_by;       /* the valid end is that far off */
        uint32_t flip_at; /* a byte of the segment; 0: none */
    } row[] = {
        {"the end cuts a record", -8, 0},
        {"the end cuts a frame", -16, 0},
        {"there is room for a frame behind the last record", 24, 0},
        {"and for none", 8, 0},
        {"a payload is damaged", 0, 64 + 24 + 50},
        {"a length is damaged", 0, 65},
        {"a length is beyond all measure", 0, 67},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct image m;
        struct buf file;
        image_init(&m, RECORDS, 0);
        if (row[i].flip_at)
            m.bytes.p[row[i].flip_at] ^= 0x55;
        if (make(&m, (uint32_t)((int)m.end + row[i].end_by), SEGMENT, &file) != PARSE_BAD)
            fail_msg("%s", row[i].what);
        buf_close(&file);
        buf_close(&m.bytes);
    }
}

static void no_bit_may_be_off_and_no_byte_missing(void **state)
{
    struct image m;
    struct buf file;
    struct journal_index x;
    image_init(&m, 12, 1);
    assert_int_equal(make(&m, m.end, SEGMENT, &file), PARSE_DONE);
    for (size_t at = 0; at < file.n; at++) {
        assert_int_equal(journal_index_open(&x, slice_head(buf_slice(&file), at), &life), ERR_BAD);
        for (unsigned bit = 0; bit < 8; bit++) {
            file.p[at] = (char)(file.p[at] ^ (char)BIT(bit));
            assert_int_equal(journal_index_open(&x, buf_slice(&file), &life), ERR_BAD);
            file.p[at] = (char)(file.p[at] ^ (char)BIT(bit));
        }
    }
    compare(&m, buf_slice(&file));
    assert_true(buf_add(&file, SLICE("\0\0\0\0\0\0\0\0")));
    assert_int_equal(journal_index_open(&x, buf_slice(&file), &life), ERR_BAD);
    buf_close(&file);
    buf_close(&m.bytes);
}

static void it_belongs_to_one_life_of_one_segment(void **state)
{
    struct image m;
    struct buf file;
    struct journal_index x;
    struct journal_header h[4] = {life, life, life, life};
    h[0].sequence++;
    h[1].nonce++;
    h[2].installation++;
    h[3].segment_bytes += 4096;
    image_init(&m, 3, 0);
    assert_int_equal(make(&m, m.end, SEGMENT, &file), PARSE_DONE);
    for (size_t i = 0; i < COUNT_OF(h); i++)
        assert_int_equal(journal_index_open(&x, buf_slice(&file), &h[i]), ERR_BAD);
    struct journal_header later = life; /* when it was made says nothing */
    later.created_ms++;
    assert_int_equal(journal_index_open(&x, buf_slice(&file), &later), ERR_OK);
    buf_close(&file);
    buf_close(&m.bytes);
}

static void put(struct buf *b, size_t at, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        b->p[at + i] = (char)(uint8_t)(v >> (8 * i));
}

/* Somebody wrote it with right checksums: each length is looked at all the same. */
static void checksums_alone_are_not_believed(void **state)
{
    enum {
        ENTRY = JOURNAL_INDEX_HEADER_BYTES,
        OFFSET = ENTRY + 8,
        BYTES = ENTRY + 12,
        HEAD = ENTRY + 16,
        TYPE = ENTRY + 20
    };
    static const struct {
        const char *what;
        size_t at, n;
        uint64_t value;
    } row[] = {
        {"an older version", 8, 4, 0},
        {"a newer version", 8, 4, 2},
        {"another header size", 12, 4, 80},
        {"an end inside the segment's header", 48, 4, 56},
        {"an end behind the segment", 48, 4, SEGMENT + 8},
        {"an end before the last record's", 48, 4, 100},
        {"one entry fewer than there are", 52, 4, 2},
        {"one entry more", 52, 4, 4},
        {"four billion entries", 52, 4, UINT32_MAX},
        {"fewer bytes than there are", 56, 8, 24},
        {"a record inside the segment's header", OFFSET, 4, 56},
        {"a record at an odd place", OFFSET, 4, 65},
        {"a record over the next one", OFFSET, 4, 80},
        {"a payload over the next record", BYTES, 4, 4096},
        {"a payload larger than any", BYTES, 4, JOURNAL_RECORD_BYTES_MAX + 1},
        {"a head larger than its payload", HEAD, 4, 300},
        {"a head larger than the file", HEAD, 4, UINT32_MAX},
        {"no type", TYPE, 4, 0},
        {"the journal's own type", TYPE, 4, JOURNAL_TYPE_OWN},
        {"a type of more than a byte", TYPE, 4, 0x102},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct image m;
        struct buf file;
        struct journal_index x;
        image_init(&m, 3, 0);
        assert_int_equal(make(&m, m.end, SEGMENT, &file), PARSE_DONE);
        put(&file, row[i].at, row[i].value, row[i].n);
        put(&file, 64, crc32c(0, slice_from(buf_slice(&file), JOURNAL_INDEX_HEADER_BYTES)), 4);
        put(&file, 68, crc32c(0, slice_head(buf_slice(&file), 68)), 4);
        if (journal_index_open(&x, buf_slice(&file), &life) != ERR_BAD)
            fail_msg("%s", row[i].what);
        buf_close(&file);
        buf_close(&m.bytes);
    }
}

static size_t all(uint8_t type, struct slice payload)
{
    return payload.n;
}

/* Records of the largest size, all head: out is full after each look and never too small. */
static void what_is_held_is_bounded(void **state)
{
    struct journal_header h = life;
    struct journal_index_builder b;
    struct buf image;
    char *payload = calloc(1, JOURNAL_RECORD_BYTES_MAX);
    struct slice part = slice_of(payload, JOURNAL_RECORD_BYTES_MAX);
    buf_init(&image, 8 * 1024 * 1024);
    h.segment_bytes = 8 * 1024 * 1024;
    char header[JOURNAL_HEADER_BYTES];
    journal_header_build(&h, header);
    assert_true(buf_add(&image, slice_of(header, sizeof header)));
    for (int i = 0; i < 5; i++)
        assert_true(journal_record_build(&image, &h, 3, 1, &part, 1));
    journal_index_begin(&b, &h, (uint32_t)image.n, all);
    enum parse p;
    unsigned rounds = 0;
    do {
        p = journal_index_add(&b, slice_from(buf_slice(&image), b.offset));
        assert_in_range(b.out.n, 1, JOURNAL_INDEX_OUT_BYTES_MAX + JOURNAL_RECORD_BYTES_MAX + 24);
        buf_clear(&b.out);
        rounds++;
    } while (p == PARSE_MORE);
    assert_int_equal(p, PARSE_DONE);
    assert_int_equal(rounds, 5);
    assert_true(b.entry_bytes > journal_index_bytes_max(h.segment_bytes));
    journal_index_close(&b);
    buf_close(&image);
    free(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back_through_any_window),
        cmocka_unit_test(a_segment_that_is_not_what_it_should_be_gets_none),
        cmocka_unit_test(no_bit_may_be_off_and_no_byte_missing),
        cmocka_unit_test(it_belongs_to_one_life_of_one_segment),
        cmocka_unit_test(checksums_alone_are_not_believed),
        cmocka_unit_test(what_is_held_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
