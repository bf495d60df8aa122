/* test_queue_audit.c -- what records add up to: who waits, what is finished, what is missing; and
 * that a start's queue says the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "queue/queue.h"
#include "queue/queue_audit.h"
#include "queue_case.h"

enum { BYTES_MAX = 64 * 1024, CHUNK = 100 };

/* One record: 'a' accept, 'c' chunk, 'o' outcome, 'k' checkpoint, '?' something unknown. Capitals:
 * uncertain. The fates are the recipients', '.' is no part of the outcome. A checkpoint is about
 * extent[0]: segment, from, to, and lists the offset in extent[1]. */
struct step {
    char kind;
    uint64_t id, segment;
    uint32_t offset;
    const char *fates;
    struct journal_pos extent[2];
};

static const char fate_letter[] = "wdbxr"; /* enum queue_fate */

static enum queue_fate fate_of(char c)
{
    return (enum queue_fate)(strchr(fate_letter, c) - fate_letter);
}

static void build_accept(const struct step *s, struct buf *out)
{
    struct accept_case c = {.envelope = {.sender = SLICE("s@x"),
                                         .recipient_count = (uint32_t)strlen(s->fates)},
                            .has_states = true,
                            .prefix = SLICE("Received: x\r\n"),
                            .tail = SLICE("tail\r\n")};
    for (uint32_t i = 0; i < c.envelope.recipient_count; i++) {
        c.recipient[i] = SLICE("r@y");
        c.state[i].fate = fate_of(s->fates[i]);
    }
    while (c.envelope.extent_count < 2 && s->extent[c.envelope.extent_count].segment) {
        c.extent[c.envelope.extent_count] = s->extent[c.envelope.extent_count];
        c.envelope.extent_count++;
    }
    c.envelope.wire_bytes = c.prefix.n + c.tail.n + (uint64_t)c.envelope.extent_count * CHUNK;
    assert_true(case_build(&c, out));
}

static void build_outcome(const struct step *s, struct buf *out)
{
    uint32_t n = 0;
    for (const char *f = s->fates; *f; f++)
        n += *f != '.';
    assert_true(queue_outcome_begin(out, 1000, n));
    for (uint32_t i = 0; s->fates[i]; i++) {
        struct queue_state state = {.attempts = 1, .reason = SLICE("because")};
        if (s->fates[i] == '.')
            continue;
        state.fate = fate_of(s->fates[i]);
        assert_true(queue_outcome_add(out, i, &state));
    }
}

/* out holds the payload. */
static struct journal_record record_of(const struct step *s, struct buf *out)
{
    static const char chunk[CHUNK];
    struct journal_record r = {.id = s->id};
    buf_clear(out);
    switch (s->kind | 32) {
    case 'a':
        r.type = QUEUE_RECORD_ACCEPT;
        build_accept(s, out);
        break;
    case 'c':
        r.type = QUEUE_RECORD_CHUNK;
        buf_add(out, slice_of(chunk, CHUNK));
        break;
    case 'o':
        r.type = QUEUE_RECORD_OUTCOME;
        build_outcome(s, out);
        break;
    case 'k':
        r.type = QUEUE_RECORD_CHECKPOINT;
        queue_checkpoint_begin(out, s->extent[0].segment, s->extent[0].offset, s->extent[0].bytes,
                               s->extent[1].offset ? 1 : 0);
        if (s->extent[1].offset)
            queue_checkpoint_add(out, s->extent[1].offset);
        break;
    default:
        r.type = 77;
    }
    r.payload = buf_slice(out);
    r.pos = (struct journal_pos){s->segment, s->offset, (uint32_t)r.payload.n};
    return r;
}

static void records_add_up(void **ctx)
{
    static const struct {
        const char *shows;
        struct step step[6];
        unsigned messages, waiting, finished, unusable;
        unsigned missing; /* chunks, of all */
        bool is_uncertain;
    } row[] = {
        {"one that waits", {{'a', 1, 1, 64, "ww", {{0}}}}, 1, 2, 0, 0, 0, false},
        {"one of two is done",
         {{'a', 1, 1, 64, "ww", {{0}}}, {'o', 1, 2, 64, ".d", {{0}}}}, 1, 1, 0, 0, 0, false},
        {"finished",
         {{'a', 1, 1, 64, "ww", {{0}}}, {'o', 1, 2, 64, "dx", {{0}}}}, 0, 0, 1, 0, 0, false},
        {"finished in two steps",
         {{'a', 1, 1, 64, "ww", {{0}}},
          {'o', 1, 1, 900, "d.", {{0}}},
          {'o', 1, 2, 64, ".r", {{0}}}}, 0, 0, 1, 0, 0, false},
        {"an outcome without its message", {{'o', 1, 2, 64, "d", {{0}}}}, 0, 0, 0, 0, 0, false},
        {"a copy carries the state",
         {{'a', 1, 1, 64, "ww", {{0}}}, {'a', 1, 2, 64, "dw", {{0}}}}, 1, 1, 0, 0, 0, false},
        {"a copy that says all is done",
         {{'a', 1, 1, 64, "w", {{0}}}, {'a', 1, 2, 64, "d", {{0}}}}, 0, 0, 1, 0, 0, false},
        {"a copy of another message",
         {{'a', 1, 1, 64, "w", {{0}}}, {'a', 1, 2, 64, "ww", {{0}}}}, 1, 1, 0, 1, 0, false},
        {"a recipient too many in an outcome",
         {{'a', 1, 1, 64, "w", {{0}}}, {'o', 1, 2, 64, ".d", {{0}}}}, 1, 1, 0, 1, 0, false},
        {"an unknown record", {{'?', 1, 1, 64, "", {{0}}}}, 0, 0, 0, 1, 0, false},
        {"its chunks are there",
         {{'c', 1, 1, 64, "", {{0}}},
          {'c', 1, 1, 300, "", {{0}}},
          {'a', 1, 2, 64, "w", {{1, 64, CHUNK}, {1, 300, CHUNK}}}}, 1, 1, 0, 0, 0, false},
        {"one is missing",
         {{'c', 1, 1, 64, "", {{0}}},
          {'a', 1, 2, 64, "w", {{1, 64, CHUNK}, {1, 300, CHUNK}}}}, 1, 1, 0, 0, 1, false},
        {"one is somebody else's",
         {{'c', 2, 1, 64, "", {{0}}}, {'a', 1, 2, 64, "w", {{1, 64, CHUNK}, {0}}}}, 1, 1, 0, 0, 1,
         false},
        {"one stands elsewhere, out of order",
         {{'c', 1, 5, 64, "", {{0}}},
          {'c', 1, 2, 64, "", {{0}}},
          {'a', 1, 6, 64, "w", {{2, 64, CHUNK}, {5, 64, CHUNK}}}}, 1, 1, 0, 0, 0, false},
        {"a checkpoint denies it",
         {{'a', 1, 1, 64, "w", {{0}}}, {'k', 0, 2, 64, "", {{1, 64, 900}, {0}}}}, 0, 0, 1, 0, 0,
         false},
        {"a checkpoint lists it",
         {{'a', 1, 1, 64, "w", {{0}}}, {'k', 0, 2, 64, "", {{1, 64, 900}, {0, 64, 0}}}}, 1, 1, 0, 0,
         0, false},
        {"a checkpoint of what stands before it",
         {{'a', 1, 1, 64, "w", {{0}}}, {'k', 0, 2, 64, "", {{1, 0, 64}, {0}}}}, 1, 1, 0, 0, 0,
         false},
        {"it has moved out of what a checkpoint denies",
         {{'a', 1, 1, 64, "w", {{0}}},
          {'a', 1, 2, 64, "w", {{0}}},
          {'k', 0, 2, 900, "", {{1, 64, 900}, {0}}}}, 1, 1, 0, 0, 0, false},
        {"an uncertain checkpoint denies nothing",
         {{'a', 1, 1, 64, "w", {{0}}}, {'K', 0, 2, 64, "", {{1, 64, 900}, {0}}}}, 1, 1, 0, 0, 0,
         false},
        {"a checkpoint of its own segment makes no sense",
         {{'a', 1, 1, 64, "w", {{0}}}, {'k', 0, 1, 900, "", {{1, 64, 900}, {0}}}}, 1, 1, 0, 1, 0,
         false},
        {"uncertain", {{'A', 1, 1, 64, "w", {{0}}}}, 1, 1, 0, 0, 0, true},
        {"an uncertain outcome changes nothing certain",
         {{'a', 1, 1, 64, "w", {{0}}}, {'O', 1, 2, 64, "d", {{0}}}}, 1, 1, 0, 0, 0, false},
        {"a certain outcome ends an uncertain message",
         {{'A', 1, 1, 64, "w", {{0}}}, {'o', 1, 2, 64, "d", {{0}}}}, 0, 0, 0, 0, 0, false},
        {"an uncertain copy is no copy",
         {{'a', 1, 1, 64, "w", {{0}}}, {'A', 1, 2, 64, "d", {{0}}}}, 1, 1, 0, 0, 0, false},
        {"a certain copy makes it certain",
         {{'A', 1, 1, 64, "w", {{0}}}, {'a', 1, 2, 64, "w", {{0}}}}, 1, 1, 0, 0, 0, false},
        {"an uncertain chunk serves",
         {{'C', 1, 1, 64, "", {{0}}}, {'a', 1, 2, 64, "w", {{1, 64, CHUNK}, {0}}}}, 1, 1, 0, 0, 0,
         false},
    };
    struct buf out;
    buf_init(&out, BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct queue_audit audit;
        unsigned waiting = 0, missing = 0;
        size_t count;
        queue_audit_init(&audit, false);
        for (size_t k = 0; k < COUNT_OF(row[i].step) && row[i].step[k].kind; k++) {
            struct journal_record r = record_of(&row[i].step[k], &out);
            (void)queue_audit_record(&audit, &r, row[i].step[k].kind >= 'a' ||
                                                     row[i].step[k].kind == '?');
        }
        struct queue_audit_message **all = queue_audit_list(&audit, &count);
        for (size_t k = 0; k < count; k++) {
            struct queue_audit_verdict v;
            waiting += all[k]->waiting_count;
            if (queue_audit_check(&audit, all[k], &v) != (v.missing_count == 0))
                fail_msg("%s: size wrong: %d", row[i].shows, v.is_size_wrong);
            missing += v.missing_count;
            assert_int_equal(all[k]->is_certain, !row[i].is_uncertain);
        }
        if (count != row[i].messages || waiting != row[i].waiting || missing != row[i].missing ||
            audit.finished != row[i].finished || audit.unusable != row[i].unusable)
            fail_msg("%s: %zu messages, %u waiting, %u chunks missing, %u finished, %u unusable",
                     row[i].shows, count, waiting, missing, (unsigned)audit.finished,
                     (unsigned)audit.unusable);
        mem_free(all);
        queue_audit_close(&audit);
    }
    buf_close(&out);
}

/* Random records, in a random order of sense: a start and the audit believe the same. */
static void a_start_says_the_same(void **ctx)
{
    struct buf out;
    buf_init(&out, BYTES_MAX);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng rng;
        struct queue q;
        struct queue_audit audit;
        size_t count;
        rng_init(&rng, seed);
        queue_init(&q, seed);
        queue_audit_init(&audit, false);
        for (uint32_t n = 0; n < 60; n++) {
            char fates[4] = {0};
            struct step s = {.id = 1 + rng_below(&rng, 8),
                             .segment = 1 + n / 10,
                             .offset = 64 + n * 8,
                             .fates = fates};
            s.kind = "aaoooock"[rng_below(&rng, 8)];
            s.extent[0] = (struct journal_pos){s.kind == 'k' ? 1 + rng_below(&rng, 4) : 0,
                                               64 + (uint32_t)rng_below(&rng, 200), 600};
            size_t recipients = 1 + s.id % 3;
            for (size_t i = 0; i < recipients; i++)
                fates[i] = s.kind == 'a' ? 'w' : "wwd.bxr"[rng_below(&rng, 7)];
            struct journal_record r = record_of(&s, &out);
            bool of_use = queue_replay(&q, &r);
            assert_int_equal(queue_audit_record(&audit, &r, true), of_use);
        }
        queue_replayed(&q);
        struct queue_audit_message **all = queue_audit_list(&audit, &count);
        assert_int_equal(count, q.by_id.count);
        const struct queue_message *m = queue_first(&q);
        for (size_t i = 0; i < count; i++, m = queue_after(&q, m)) {
            assert_true(all[i]->id == m->id && all[i]->waiting_count == m->waiting_count);
            assert_true(all[i]->accept.segment == m->accept.segment &&
                        all[i]->accept.offset == m->accept.offset);
            for (uint32_t k = 0; k < m->recipient_count; k++)
                assert_int_equal(all[i]->recipient[k].fate, m->recipient[k].fate);
        }
        mem_free(all);
        queue_audit_close(&audit);
        while (queue_next_dead(&q))
            ;
        queue_close(&q);
    }
    buf_close(&out);
}

static void finished_ones_can_be_kept(void **ctx)
{
    static const struct step accept = {'a', 1, 1, 64, "w", {{0}}};
    static const struct step done = {'o', 1, 2, 64, "d", {{0}}};
    struct queue_audit audit;
    struct buf out;
    size_t count;
    buf_init(&out, BYTES_MAX);
    queue_audit_init(&audit, true);
    struct journal_record r = record_of(&accept, &out);
    assert_true(queue_audit_record(&audit, &r, true));
    r = record_of(&done, &out);
    assert_true(queue_audit_record(&audit, &r, true));
    struct queue_audit_message **all = queue_audit_list(&audit, &count);
    assert_int_equal(count, 1);
    assert_int_equal(all[0]->waiting_count, 0);
    assert_int_equal(all[0]->recipient[0].fate, QUEUE_DELIVERED);
    assert_true(all[0]->recipient[0].state.segment == 2 && all[0]->accept.segment == 1);
    mem_free(all);
    queue_audit_close(&audit);
    buf_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_add_up),
        cmocka_unit_test(a_start_says_the_same),
        cmocka_unit_test(finished_ones_can_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
