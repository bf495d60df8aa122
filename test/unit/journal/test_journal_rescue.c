/* test_journal_rescue.c -- a segment without its header: what its records prove. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"
#include "journal/journal_recover.h"
#include "journal/journal_rescue.h"

enum { BYTES = 64 * 1024, RECORDS = 10, SPAN = 24 + 104 };

static const struct journal_header life = {
    .sequence = 9, .nonce = 0x8765432112345678u, .installation = 42, .segment_bytes = BYTES};
static const struct journal_header earlier = {
    .sequence = 3, .nonce = 0x1111222233334444u, .installation = 42, .segment_bytes = BYTES};
static const struct journal_header forged = {
    .sequence = 9, .nonce = 0xaaaabbbbccccddddu, .installation = 42, .segment_bytes = BYTES};

static void put_records(char *to, const struct journal_header *h, unsigned count, uint64_t first_id,
                        struct slice payload)
{
    struct buf b;
    buf_init(&b, BYTES);
    for (unsigned i = 0; i < count; i++)
        assert_true(journal_record_build(&b, h, 1, first_id + i, &payload, 1));
    memcpy(to, b.p, b.n);
    buf_close(&b);
}

static void image_build(char image[BYTES])
{
    char payload[100];
    memset(image, 0, BYTES);
    memset(payload, 'x', sizeof payload);
    journal_header_build(&life, image);
    put_records(image + JOURNAL_HEADER_BYTES, &life, RECORDS, 1, slice_of(payload, 100));
}

static unsigned count(struct slice image, const struct journal_header *h)
{
    struct journal_walk w;
    struct journal_record r;
    unsigned n = 0;
    journal_walk_init(&w, image, h, UINT32_MAX);
    while (journal_walk_beyond(&w, &r)) {
        assert_in_range(r.id, 1, RECORDS);
        n++;
    }
    return n;
}

static void records_prove_themselves(void **state)
{
    static const struct {
        const char *shows;
        unsigned wipe_from, wipe_to; /* bytes turned */
        uint8_t with;                /* xor; 0: zeroed */
        unsigned found;
    } row[] = {
        {"a bit of the header, not of the nonce", 45, 46, 1, RECORDS},
        {"the nonce", 24, 32, 0xff, RECORDS},
        {"all of the header", 0, 64, 0x5a, RECORDS},
        {"a header of zeroes", 0, 64, 0, RECORDS},
        {"header and two records", 0, 64 + 2 * SPAN, 0, RECORDS - 2},
        {"all but two records", 0, 64 + 8 * SPAN, 0, 2},
        {"all but one: nothing is proved", 0, 64 + 9 * SPAN, 0, 0},
        {"everything", 0, 64 + 10 * SPAN, 0, 0},
        {"the nonce stands, one record is whole", 40, 64 + 9 * SPAN, 0, 1},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char image[BYTES];
        struct journal_header h;
        image_build(image);
        for (unsigned at = row[i].wipe_from; at < row[i].wipe_to; at++)
            image[at] = row[i].with ? (char)(image[at] ^ (char)row[i].with) : 0;
        bool is_proved = journal_rescue_header(slice_of(image, BYTES), 9, &h);
        unsigned found = is_proved ? count(slice_of(image, BYTES), &h) : 0;
        if (found != row[i].found || is_proved != (row[i].found > 0))
            fail_msg("%s: %u records, not %u", row[i].shows, found, row[i].found);
        if (is_proved)
            assert_true(h.sequence == 9 && h.segment_bytes == BYTES);
    }
}

static void any_nonce_can_be_stood_in_for(void **state)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 200; i++) {
        char image[BYTES] = {0}, payload[60];
        struct journal_header any = life, h;
        any.nonce = rng_u64(&rng);
        memset(payload, i, sizeof payload);
        put_records(image + 64, &any, RECORDS, 1, slice_of(payload, rng_below(&rng, 60)));
        assert_true(journal_rescue_header(slice_of(image, BYTES), 9, &h));
        assert_int_equal(count(slice_of(image, BYTES), &h), RECORDS);
    }
}

static void the_present_life_comes_before_earlier_ones(void **state)
{
    char image[BYTES], payload[100];
    struct journal_header h;
    image_build(image);
    memset(payload, 'o', sizeof payload);
    put_records(image + 20000, &earlier, 50, 1000, slice_of(payload, 100));
    memset(image, 0, JOURNAL_HEADER_BYTES);
    assert_true(journal_rescue_header(slice_of(image, BYTES), 9, &h));
    assert_int_equal(count(slice_of(image, BYTES), &h), RECORDS); /* ids of the other: refused */
}

/* A body that imitates records, inside a whole record, is never asked. */
static void a_body_of_records_is_a_body(void **state)
{
    char image[BYTES] = {0}, body[20 * SPAN], payload[100];
    struct journal_header h;
    struct journal_record r;
    struct journal_walk w;
    memset(payload, 'f', sizeof payload);
    put_records(body, &forged, 20, 666, slice_of(payload, 100));
    put_records(image + 64, &life, 3, 1, slice_of(body, sizeof body));
    assert_true(journal_rescue_header(slice_of(image, BYTES), 9, &h));
    journal_walk_init(&w, slice_of(image, BYTES), &h, UINT32_MAX);
    for (unsigned n = 1; n <= 3; n++) {
        assert_int_equal(journal_walk_next(&w, &r), JOURNAL_STEP_RECORD);
        assert_int_equal(r.id, n);
    }
    assert_int_equal(journal_walk_next(&w, &r), JOURNAL_STEP_END);
}

/* Bytes that repeat agree with each other, and prove nothing. */
static void what_repeats_proves_nothing(void **state)
{
    char image[BYTES] = {0}, payload[100];
    struct journal_header h;
    memset(payload, 'x', sizeof payload);
    put_records(image + 64, &life, 1, 5, slice_of(payload, 100));
    for (size_t at = 64 + SPAN; at + SPAN <= BYTES; at += SPAN)
        memcpy(image + at, image + 64, SPAN);
    assert_false(journal_rescue_header(slice_of(image, BYTES), 9, &h));
}

/* Frames that promise much and keep nothing: it gives up before long. */
static void effort_is_bounded(void **state)
{
    size_t n = 4 * 1024 * 1024;
    char *image = mem_new(n);
    struct journal_header h;
    for (size_t at = 64; at + 24 <= n; at += 8) {
        image[at + 1] = (char)0xf0; /* 61,440 bytes of payload */
        image[at + 2] = (char)((uint32_t)(at / 8) * 2654435761u >> 29); /* checksums differ */
        image[at + 4] = 1;
    }
    assert_false(journal_rescue_header(slice_of(image, n), 9, &h));
    assert_false(journal_rescue_header(slice_of(image, 63), 9, &h));
    mem_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_prove_themselves),
        cmocka_unit_test(any_nonce_can_be_stood_in_for),
        cmocka_unit_test(the_present_life_comes_before_earlier_ones),
        cmocka_unit_test(a_body_of_records_is_a_body),
        cmocka_unit_test(what_repeats_proves_nothing),
        cmocka_unit_test(effort_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
