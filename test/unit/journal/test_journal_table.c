/* test_journal_table.c -- the recovery decision table at the journal's level: what a survey makes
 * of a file's head and a walk of its bytes, for every combination of recovery_case.h. What files
 * and their names add is in store/test_store_table.c. */
#include "recovery_case.h"

static enum journal_verdict expected_verdict(const struct recovery_case *c)
{
    switch (c->header) {
    case H_GOOD:
    case H_OTHER_SIZE:
        return SEGMENT_GOOD;
    case H_ZERO:
    case H_TORN:
    case H_COPY:
    case H_LATER:
        return SEGMENT_BAD;
    case H_ZERO_EMPTY:
    case H_TORN_EMPTY:
    case H_STALE:
    case H_INDEXED: /* the index is the store's to see */
        return SEGMENT_SPARE;
    case H_VERSION:
        return SEGMENT_OTHER_VERSION;
    case H_INSTALLATION:
        return SEGMENT_FOREIGN;
    case HEADERS:
        break;
    }
    return SEGMENT_BAD;
}

static void check_walk(const struct recovery_case *c, const struct journal_found *f,
                       struct slice image)
{
    const struct walked *expected = case_walk(c);
    struct journal_walk w;
    struct journal_record r;
    enum journal_step step;
    char seen[16] = "";
    size_t n = 0;
    bool is_damaged = false;
    assert_non_null(expected);
    journal_walk_init(&w, image, &f->header, f->valid_end);
    while ((step = journal_walk_next(&w, &r)) == JOURNAL_STEP_RECORD ||
           step == JOURNAL_STEP_DAMAGED)
        if (step == JOURNAL_STEP_DAMAGED)
            is_damaged = true;
        else
            seen[n++] = (char)('0' + (int)(r.id - 200));
    if (strcmp(seen, expected->records) != 0)
        case_fail(c, seen);
    if (is_damaged != expected->is_damaged)
        case_fail(c, "damage is seen, or not");
    if ((step == JOURNAL_STEP_TORN) != expected->is_torn)
        case_fail(c, "a torn tail is seen, or not");
}

static void check(const struct recovery_case *c)
{
    static char before[CASE_SEGMENT], image[2 * CASE_SEGMENT + 4096], after[CASE_SEGMENT];
    struct journal_survey s;
    size_t n = case_image(c, image);
    if (c->file == F_BAD_PAGE)
        memset(image + 4096, 0, 4096);
    case_neighbour(before, CASE_BEFORE, 0);
    case_neighbour(after, CASE_AFTER, case_seal_nonce(c));
    journal_survey_init(&s);
    journal_survey_add(&s, CASE_NUMBER, CASE_INSTALLATION,
                       slice_head(slice_of(image, n), JOURNAL_SURVEY_BYTES));
    if (c->position == P_MIDDLE)
        journal_survey_add(&s, CASE_AFTER, CASE_INSTALLATION,
                           slice_of(after, JOURNAL_SURVEY_BYTES));
    if (c->position != P_ONLY)
        journal_survey_add(&s, CASE_BEFORE, CASE_INSTALLATION,
                           slice_of(before, JOURNAL_SURVEY_BYTES));
    journal_survey_finish(&s);
    const struct journal_found *f = &s.found[c->position != P_ONLY];
    assert_int_equal(f->sequence, CASE_NUMBER);
    if (f->verdict != expected_verdict(c))
        case_fail(c, "another verdict");
    bool is_sealed = c->seal == S_OURS && f->verdict == SEGMENT_GOOD;
    assert_int_equal(f->valid_end, is_sealed ? CASE_SEALED_END : UINT32_MAX);
    assert_int_equal(f->sealed_by, is_sealed ? CASE_AFTER : 0);
    if (f->verdict == SEGMENT_GOOD)
        check_walk(c, f, slice_of(image, n));
    else if (f->verdict != SEGMENT_SPARE && !f->why.text[0])
        case_fail(c, "nobody says why");
    journal_survey_close(&s);
}

static void every_combination_is_decided_as_written(void **state)
{
    unsigned seen = 0, impossible = 0;
    for (int h = 0; h < HEADERS; h++)
        for (int f = F_WHOLE; f <= F_BAD_PAGE; f++)
            for (int t = 0; t < TAILS; t++)
                for (int s = 0; s < SEALS; s++)
                    for (int p = 0; p < POSITIONS; p++) {
                        struct recovery_case c = {(enum header_kind)h,
                                                  (enum file_kind)f,
                                                  (enum tail_kind)t,
                                                  (enum seal_kind)s,
                                                  I_NONE,
                                                  (enum position)p};
                        if (case_impossible(&c)) {
                            impossible++;
                            continue;
                        }
                        check(&c);
                        seen++;
                    }
    assert_int_equal(seen + impossible, HEADERS * (F_BAD_PAGE + 1) * TAILS * SEALS * POSITIONS);
    assert_true(seen > 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_is_decided_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
