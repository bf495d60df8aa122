/* test_journal_recover.c -- what a walk makes of ends, torn tails, damage and seals; what a survey
 * makes of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../../../src/journal/journal_frame.h"
#include "journal/journal_recover.h"

enum { BYTES = 16 * 1024, PAYLOAD = 100, SPAN = 128 };

static const struct journal_header life = {
    .sequence = 9, .nonce = 0x1122334455667788u, .installation = 42, .segment_bytes = BYTES};

/* Ten records with ids 1 to 10; of each it is said that all before it was synced, from `unsynced`
 * on (1 to 10, 11: none) only what stands before that one. */
static void image_build(char image[BYTES], unsigned unsynced)
{
    struct buf b;
    char payload[PAYLOAD];
    struct slice part = slice_of(payload, PAYLOAD);
    memset(payload, 'x', sizeof payload);
    memset(image, 0, BYTES);
    journal_header_build(&life, image);
    buf_init(&b, BYTES);
    for (unsigned i = 1; i <= 10; i++) {
        uint32_t synced = JOURNAL_HEADER_BYTES + ((i < unsynced ? i : unsynced) - 1) * SPAN;
        size_t at = b.n;
        assert_true(journal_frame_begin(&b, 1, i, &part, 1));
        journal_frame_finish(b.p + at, life.nonce, synced);
    }
    memcpy(image + JOURNAL_HEADER_BYTES, b.p, b.n);
    buf_close(&b);
}

static uint32_t place(unsigned record)
{
    return JOURNAL_HEADER_BYTES + (record - 1) * SPAN;
}

static void walks_end_where_they_should(void **state)
{
    static const struct {
        const char *shows;
        unsigned unsynced;    /* records from this one on were never synced */
        unsigned hurt[3];     /* records with a byte turned */
        bool zero;            /* ... or rather zeroed whole */
        unsigned valid_end;   /* a seal stands before this record */
        const char *expected; /* ids in order, '!' damage, then E(nd) or T(orn) */
    } row[] = {
        {"all well", 11, {0}, false, 0, "1 2 3 4 5 6 7 8 9 10 E"},
        {"the last is torn", 10, {10}, false, 0, "1 2 3 4 5 6 7 8 9 T"},
        {"the last never came", 10, {10}, true, 0, "1 2 3 4 5 6 7 8 9 E"},
        {"a hole in the unsynced tail cuts all of it", 7, {8}, false, 0, "1 2 3 4 5 6 7 T"},
        {"a hole of zeroes in the unsynced tail", 7, {8}, true, 0, "1 2 3 4 5 6 7 T"},
        {"one damaged in the middle", 11, {4}, false, 0, "1 2 3 ! 5 6 7 8 9 10 E"},
        {"one zeroed in the middle", 11, {4}, true, 0, "1 2 3 ! 5 6 7 8 9 10 E"},
        {"the first damaged", 11, {1}, false, 0, "! 2 3 4 5 6 7 8 9 10 E"},
        {"two damaged apart", 11, {3, 7}, false, 0, "1 2 ! 4 5 6 ! 8 9 10 E"},
        {"two damaged side by side", 11, {3, 4}, false, 0, "1 2 ! 5 6 7 8 9 10 E"},
        {"damage and a torn tail", 8, {3, 9}, false, 0, "1 2 ! 4 5 6 7 8 T"},
        {"damage and a torn end", 10, {3, 10}, false, 0, "1 2 ! 4 5 6 7 8 9 T"},
        {"a seal hides the rest", 11, {0}, false, 6, "1 2 3 4 5 E"},
        {"damage before the seal, unproven", 4, {5}, false, 7, "1 2 3 4 T"},
        {"what stands behind a seal proves nothing", 11, {5}, false, 6, "1 2 3 4 T"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char image[BYTES], seen[100] = "";
        image_build(image, row[i].unsynced);
        for (int k = 0; k < 3; k++) {
            if (!row[i].hurt[k])
                continue;
            char *p = image + place(row[i].hurt[k]);
            if (row[i].zero)
                memset(p, 0, SPAN);
            else
                p[60] ^= 1;
        }
        struct journal_walk w;
        struct journal_record r;
        journal_walk_init(&w, slice_of(image, BYTES), &life,
                          row[i].valid_end ? place(row[i].valid_end) : UINT32_MAX);
        for (bool is_over = false; !is_over;) {
            char *to = seen + strlen(seen);
            switch (journal_walk_next(&w, &r)) {
            case JOURNAL_STEP_RECORD:
                strcpy(to, r.id == 10 ? "10 " : (char[]){(char)('0' + r.id), ' ', 0});
                break;
            case JOURNAL_STEP_DAMAGED:
                assert_true(w.bad_from < w.bad_to && w.bad_to == w.offset);
                strcpy(to, "! ");
                break;
            case JOURNAL_STEP_END:
                strcpy(to, "E");
                is_over = true;
                break;
            case JOURNAL_STEP_TORN:
                assert_true(w.bad_from == w.offset && w.bad_to > w.bad_from);
                strcpy(to, "T");
                is_over = true;
                break;
            }
        }
        if (strcmp(seen, row[i].expected) != 0)
            fail_msg("%s: %s, not %s", row[i].shows, seen, row[i].expected);
    }
}

static void an_image_cut_anywhere_gives_its_whole_records(void **state)
{
    char image[BYTES];
    image_build(image, 11);
    for (size_t n = JOURNAL_HEADER_BYTES; n < place(11); n++) {
        struct journal_walk w;
        struct journal_record r;
        uint64_t count = 0;
        enum journal_step step;
        journal_walk_init(&w, slice_of(image, n), &life, UINT32_MAX);
        while ((step = journal_walk_next(&w, &r)) == JOURNAL_STEP_RECORD)
            assert_int_equal(r.id, ++count);
        assert_int_not_equal(step, JOURNAL_STEP_DAMAGED);
        assert_int_equal(count, (n - JOURNAL_HEADER_BYTES) / SPAN);
    }
}

static void files_are_told_apart(void **state)
{
    static const struct {
        const char *shows;
        uint64_t name, sequence, installation;
        int zero_from, zero_to, turn; /* bytes zeroed; a byte turned */
        enum journal_verdict verdict;
    } row[] = {
        {"a segment", 9, 9, 42, 0, 0, -1, SEGMENT_GOOD},
        {"zeroes: adopted, never written", 9, 9, 42, 0, BYTES, -1, SEGMENT_SPARE},
        {"an earlier life's header: adopted, never written", 10, 9, 42, 0, 0, -1, SEGMENT_SPARE},
        {"a damaged header with records behind", 9, 9, 42, 0, 0, 20, SEGMENT_BAD},
        {"no header with records behind", 9, 9, 42, 0, 64, -1, SEGMENT_BAD},
        {"a torn header with nothing behind", 9, 9, 42, 64, BYTES, 20, SEGMENT_SPARE},
        {"of another installation", 9, 9, 43, 0, 0, -1, SEGMENT_FOREIGN},
        {"a later segment's header: no spare has such", 8, 9, 42, 0, 0, -1, SEGMENT_BAD},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char image[BYTES];
        struct journal_header h = life;
        struct journal_survey s;
        image_build(image, 11);
        memset(image + 2000, 'y', 1000);
        h.sequence = row[i].sequence;
        h.installation = row[i].installation;
        journal_header_build(&h, image);
        memset(image + row[i].zero_from, 0, (size_t)(row[i].zero_to - row[i].zero_from));
        if (row[i].turn >= 0)
            image[row[i].turn] ^= 1;
        journal_survey_init(&s);
        journal_survey_add(&s, row[i].name, 42, slice_of(image, JOURNAL_SURVEY_BYTES));
        journal_survey_finish(&s);
        if (s.found[0].verdict != row[i].verdict)
            fail_msg("%s: %d", row[i].shows, (int)s.found[0].verdict);
        journal_survey_close(&s);
    }
}

static void seals_count_for_the_life_they_name(void **state)
{
    char image[3][JOURNAL_SURVEY_BYTES];
    struct journal_header h[3];
    struct journal_survey s;
    memset(image, 0, sizeof image);
    for (unsigned i = 0; i < 3; i++) {
        h[i] = life;
        h[i].sequence = 5 + i;
        h[i].nonce = 1000 + i;
        journal_header_build(&h[i], image[i]);
    }
    /* 7 seals 5, and 6 in an earlier life of that number. */
    struct journal_seal seal[2] = {{5, 1000, 256}, {6, 999, 128}};
    struct buf b;
    buf_init(&b, 1024);
    for (int i = 0; i < 2; i++) {
        char text[JOURNAL_SEAL_BYTES];
        struct slice part = slice_of(text, sizeof text);
        journal_seal_build(&seal[i], text);
        assert_true(journal_record_build(&b, &h[2], JOURNAL_TYPE_OWN, 0, &part, 1));
    }
    memcpy(image[2] + JOURNAL_HEADER_BYTES, b.p, b.n);
    buf_close(&b);
    journal_survey_init(&s);
    for (int i = 2; i >= 0; i--) /* in any order */
        journal_survey_add(&s, h[i].sequence, 42, slice_of(image[i], sizeof image[i]));
    journal_survey_finish(&s);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.found[0].sequence, 5);
    assert_int_equal(s.found[0].valid_end, 256);
    assert_int_equal(s.found[0].sealed_by, 7);
    assert_int_equal(s.found[1].valid_end, UINT32_MAX);
    assert_int_equal(s.found[1].sealed_by, 0);
    struct journal_walk w;
    struct journal_record r;
    journal_walk_init(&w, slice_of(image[2], sizeof image[2]), &h[2], UINT32_MAX);
    assert_int_equal(journal_walk_next(&w, &r), JOURNAL_STEP_END); /* seals are not shown */
    assert_int_equal(w.offset, JOURNAL_HEADER_BYTES + 2 * journal_record_span(JOURNAL_SEAL_BYTES));
    journal_survey_close(&s);
}

/* A seal that moved stands in two segments: the newer one is its holder, the older one may go. */
static void of_two_holders_the_newest_counts(void **state)
{
    struct journal_header sealed = life;
    struct journal_seal seal = {.segment = life.sequence, .nonce = life.nonce, .valid_end = 256};
    for (int is_newest_first = 0; is_newest_first < 2; is_newest_first++) {
        char image[3][JOURNAL_SURVEY_BYTES];
        struct journal_survey s;
        memset(image, 0, sizeof image);
        journal_header_build(&sealed, image[0]);
        for (unsigned i = 1; i < 3; i++) {
            struct journal_header h = life;
            char text[JOURNAL_SEAL_BYTES];
            struct slice part = slice_of(text, sizeof text);
            struct buf b;
            h.sequence += i;
            h.nonce += i;
            journal_header_build(&h, image[i]);
            journal_seal_build(&seal, text);
            buf_init(&b, 1024);
            assert_true(journal_record_build(&b, &h, JOURNAL_TYPE_OWN, 0, &part, 1));
            memcpy(image[i] + JOURNAL_HEADER_BYTES, b.p, b.n);
            buf_close(&b);
        }
        journal_survey_init(&s);
        for (unsigned k = 0; k < 3; k++) {
            unsigned i = is_newest_first ? 2 - k : k;
            journal_survey_add(&s, life.sequence + i, 42, slice_of(image[i], sizeof image[i]));
        }
        journal_survey_finish(&s);
        assert_int_equal(s.found[0].valid_end, 256);
        assert_int_equal(s.found[0].sealed_by, life.sequence + 2);
        journal_survey_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_end_where_they_should),
        cmocka_unit_test(an_image_cut_anywhere_gives_its_whole_records),
        cmocka_unit_test(files_are_told_apart),
        cmocka_unit_test(seals_count_for_the_life_they_name),
        cmocka_unit_test(of_two_holders_the_newest_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
