/* test_journal_indices.c -- when the machine wants an index, and that one on its way holds up
 * nothing but the recycling of its own segment. All other ios succeed at once unless told
 * otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"

enum { SEGMENT = 16 * 1024, RECORD = 5000, RETIRED_MAX = 100 };

struct rig {
    struct journal *j;
    uint64_t tickets, retired[RETIRED_MAX];
    size_t retired_count;
    enum journal_io_kind fails; /* the next io of this kind does */
    bool has_index;
    struct journal_io index; /* out, not answered */
    struct journal_pos last;
};

static void rig_init(struct rig *r)
{
    struct journal_options o = {SEGMENT, 1000 * SEGMENT, 7};
    *r = (struct rig){.j = journal_new(&o, 1)};
}

static void rig_open(struct rig *r)
{
    rig_init(r);
    journal_started(r->j);
}

/* Everything but INDEX ends at once. */
static void serve(struct rig *r)
{
    struct journal_completion c;
    for (struct journal_io io; (io = journal_next_io(r->j)).kind;) {
        if (io.kind == JOURNAL_IO_INDEX) {
            assert_false(r->has_index);
            r->has_index = true;
            r->index = io;
            continue;
        }
        if (io.kind == JOURNAL_IO_RETIRE)
            r->retired[r->retired_count++] = io.segment;
        bool is_failing = io.kind == r->fails;
        if (is_failing)
            r->fails = JOURNAL_IO_NONE;
        journal_on_io(r->j, &io, is_failing ? ERR_SYSTEM : ERR_OK, 0);
    }
    while (journal_next_completion(r->j, &c))
        r->last = c.err ? r->last : c.pos;
}

static void answer(struct rig *r, enum err err, uint64_t bytes)
{
    assert_true(r->has_index);
    r->has_index = false;
    r->index.index_bytes = bytes;
    journal_on_io(r->j, &r->index, err, 0);
    serve(r);
}

static void append(struct rig *r, bool needs_sync)
{
    static const char payload[RECORD];
    struct slice part = slice_of(payload, RECORD);
    uint64_t id = ++r->tickets;
    assert_int_equal(journal_append(r->j, id, 1, id, &part, 1, needs_sync, true), ERR_OK);
    serve(r);
}

/* Appends until records go to this segment. */
static void fill_to(struct rig *r, uint64_t segment)
{
    while (r->last.segment < segment)
        append(r, true);
    assert_int_equal(r->last.segment, segment);
}

static struct journal_usage usage(const struct rig *r)
{
    struct journal_usage u;
    journal_usage(r->j, &u);
    return u;
}

static void each_segment_gets_one_when_the_next_is_left_too(void **state)
{
    struct rig r;
    rig_open(&r);
    fill_to(&r, 2);
    assert_false(r.has_index); /* 1 was left last */
    fill_to(&r, 3);
    assert_true(r.has_index);
    assert_int_equal(r.index.segment, 1);
    fill_to(&r, 6); /* one at a time, the oldest first */
    assert_int_equal(r.index.segment, 1);
    answer(&r, ERR_OK, 100);
    assert_int_equal(r.index.segment, 2);
    assert_int_equal(r.index.offset, JOURNAL_HEADER_BYTES + 3 * journal_record_span(RECORD));
    answer(&r, ERR_OK, 10);
    answer(&r, ERR_OK, 0); /* not worth one: that is an answer, too */
    assert_int_equal(r.index.segment, 4);
    answer(&r, ERR_OK, 1);
    assert_false(r.has_index);
    struct journal_usage u = usage(&r);
    assert_int_equal(u.indices, 3);
    assert_int_equal(u.indices_made, 3);
    assert_int_equal(u.index_bytes, 111);
    assert_int_equal(u.bytes, (u.segments + u.spare_segments) * SEGMENT + 111);
    assert_false(journal_wants_flush(r.j));
    journal_release(r.j, 1);
    serve(&r);
    assert_int_equal(usage(&r).index_bytes, 11); /* went with its segment */
    journal_free(r.j);
}

/* What was written without a sync is synced before its segment may have an index. */
static void everything_in_it_is_on_disk(void **state)
{
    struct rig r;
    rig_open(&r);
    while (r.last.segment < 4) {
        uint64_t syncs = usage(&r).syncs, at = r.last.segment;
        append(&r, false);
        if (r.last.segment > at && at)
            assert_int_equal(usage(&r).syncs, syncs + 2); /* of the one left, of the new header */
    }
    assert_int_equal(r.index.segment, 1);
    journal_free(r.j);
}

static void the_dead_get_none(void **state)
{
    struct rig r;
    rig_open(&r);
    fill_to(&r, 2);
    journal_release(r.j, 1);
    serve(&r);
    fill_to(&r, 4);
    assert_true(r.has_index);
    assert_int_equal(r.index.segment, 2);
    journal_release(r.j, 3);
    fill_to(&r, 5);
    answer(&r, ERR_OK, 1);
    assert_false(r.has_index);
    journal_free(r.j);
}

static void nor_those_that_failed(void **state)
{
    static const enum journal_io_kind kind[] = {JOURNAL_IO_WRITE, JOURNAL_IO_SYNC};
    for (size_t i = 0; i < COUNT_OF(kind); i++) {
        struct rig r;
        rig_open(&r);
        fill_to(&r, 2);
        r.fails = kind[i];
        append(&r, true); /* gives 2 up */
        fill_to(&r, 5);
        assert_int_equal(r.index.segment, 1);
        answer(&r, ERR_OK, 1);
        assert_int_equal(r.index.segment, 3);
        answer(&r, ERR_OK, 1);
        assert_false(r.has_index);
        journal_free(r.j);
    }
}

/* In all orders of: 1 is released, 2 is released, the index of 1 is done, well or not. */
static void death_while_it_is_made_keeps_the_order(void **state)
{
    static const struct {
        const char *order; /* 1, 2: release; +: done; -: failed */
        const char *waits; /* after each step: how many have gone */
    } row[] = {
        {"12+", "002"}, {"12-", "002"}, {"1+2", "012"}, {"1-2", "012"}, {"21+", "112"},
        {"2+1", "112"}, {"+12", "012"}, {"+21", "012"}, {"-12", "012"}, {"2-1", "112"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct rig r;
        rig_open(&r);
        fill_to(&r, 3);
        assert_int_equal(r.index.segment, 1);
        for (size_t k = 0; k < 3; k++) {
            char c = row[i].order[k];
            if (c == '+' || c == '-')
                answer(&r, c == '+' ? ERR_OK : ERR_SYSTEM, c == '+' ? 50 : 0);
            else
                journal_release(r.j, (uint64_t)(c - '0'));
            serve(&r);
            if (r.retired_count != (size_t)(row[i].waits[k] - '0'))
                fail_msg("%s, step %zu: %zu have gone", row[i].order, k, r.retired_count);
        }
        size_t first = strchr(row[i].order, '1') < strchr(row[i].order, '2') ? 1 : 2;
        assert_int_equal(r.retired[0], first);
        assert_int_equal(r.retired[1], 3 - first);
        assert_int_equal(usage(&r).index_bytes, 0);
        journal_free(r.j);
    }
}

static void a_failure_rests_longer_each_time(void **state)
{
    struct rig r;
    unsigned flushes = 0, failures = 0, at[] = {1, 3, 7, 15, 31, 63, 127, 191, 255};
    rig_open(&r);
    fill_to(&r, 3);
    while (failures < COUNT_OF(at)) {
        answer(&r, failures % 2 ? ERR_SYSTEM : ERR_FULL, 0);
        assert_false(r.has_index);
        assert_int_equal(usage(&r).indices_failed, failures + 1);
        while (!r.has_index) {
            assert_true(journal_wants_flush(r.j));
            append(&r, true); /* mail goes on */
            assert_false(r.has_index);
            journal_flush(r.j);
            serve(&r);
            flushes++;
        }
        assert_int_equal(flushes, at[failures++]);
    }
    answer(&r, ERR_OK, 1);
    assert_true(r.has_index); /* of the next one, at once */
    answer(&r, ERR_SYSTEM, 0);
    journal_flush(r.j);
    serve(&r);
    assert_true(r.has_index); /* patience is new */
    journal_free(r.j);
}

static void what_cannot_have_one_is_left_alone(void **state)
{
    struct rig r;
    rig_open(&r);
    fill_to(&r, 3);
    answer(&r, ERR_BAD, 0);
    assert_int_equal(usage(&r).indices_failed, 1);
    assert_false(journal_wants_flush(r.j));
    fill_to(&r, 4);
    assert_int_equal(r.index.segment, 2);
    answer(&r, ERR_CLOSED, 0); /* the store is closing: nobody's failure */
    assert_int_equal(usage(&r).indices_failed, 1);
    journal_free(r.j);
}

static void found(struct rig *r, uint64_t sequence)
{
    struct journal_header h = {
        .sequence = sequence, .nonce = sequence + 100, .installation = 7, .segment_bytes = SEGMENT};
    journal_found_segment(r->j, &h);
}

static void of_those_found_the_clean_ones_get_one(void **state)
{
    struct rig r;
    rig_init(&r);
    for (uint64_t n = 1; n <= 8; n++)
        found(&r, n);
    journal_found_clean(r.j, 1, 1000);
    journal_found_end(r.j, 2, 500, 3); /* a seal stands against it */
    journal_found_clean(r.j, 2, 500);
    journal_found_end(r.j, 3, 600, 0); /* torn */
    journal_found_clean(r.j, 4, 2000);
    journal_found_damage(r.j, 4);
    journal_found_empty(r.j, 5);
    journal_found_clean(r.j, 5, 64);
    journal_found_indexed(r.j, 6, 800, 77);
    journal_found_clean(r.j, 7, 3000);
    journal_found_clean(r.j, 8, 4000); /* the last one */
    serve(&r);
    assert_false(r.has_index); /* not before the start */
    journal_started(r.j);
    serve(&r);
    assert_int_equal(usage(&r).index_bytes, 77);
    assert_int_equal(r.index.segment, 1);
    assert_int_equal(r.index.offset, 1000);
    answer(&r, ERR_OK, 1);
    assert_int_equal(r.index.segment, 7);
    assert_int_equal(r.index.offset, 3000);
    answer(&r, ERR_OK, 1);
    assert_false(r.has_index);
    fill_to(&r, 12); /* the seals' turn is in between */
    assert_int_equal(r.index.segment, 8);
    assert_int_equal(r.index.offset, 4000);
    journal_free(r.j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_segment_gets_one_when_the_next_is_left_too),
        cmocka_unit_test(everything_in_it_is_on_disk),
        cmocka_unit_test(the_dead_get_none),
        cmocka_unit_test(nor_those_that_failed),
        cmocka_unit_test(death_while_it_is_made_keeps_the_order),
        cmocka_unit_test(a_failure_rests_longer_each_time),
        cmocka_unit_test(what_cannot_have_one_is_left_alone),
        cmocka_unit_test(of_those_found_the_clean_ones_get_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
