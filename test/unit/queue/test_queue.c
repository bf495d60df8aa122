/* test_queue.c -- the queue against a naive model: random runs in which records go to a false
 * journal, dead segments vanish from it, and what is left is replayed again and again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "queue/queue.h"
#include "queue_case.h"

static void assert_slice(struct slice is, struct slice wanted)
{
    assert_int_equal(is.n, wanted.n);
    if (is.n)
        assert_memory_equal(is.p, wanted.p, is.n);
}

/* Small scenes */

static struct queue_message *add(struct queue *q, uint64_t id, uint64_t segment,
                                 struct accept_case *c)
{
    struct buf out;
    buf_init(&out, 65536);
    assert_true(case_build(c, &out));
    struct queue_accept a;
    assert_int_equal(queue_accept_parse(buf_slice(&out), &a), PARSE_DONE);
    queue_newest(q, segment);
    struct queue_message *m = queue_add(q, id, (struct journal_pos){segment, 64, 1}, &a);
    buf_close(&out);
    return m;
}

static struct queue_message *add_plain(struct queue *q, uint64_t id, uint64_t segment)
{
    struct accept_case c = {.envelope = {.sender = SLICE("s@x"),
                                         .user = SLICE("u"),
                                         .client = SLICE("192.0.2.1"),
                                         .wire_bytes = 100,
                                         .recipient_count = 2},
                            .recipient = {SLICE("a@y"), SLICE("b@z")}};
    return add(q, id, segment, &c);
}

static void set_fate(struct queue *q, struct queue_message *m, uint32_t i, enum queue_fate fate)
{
    struct queue_state state;
    queue_get_state(m, i, &state);
    state.fate = fate;
    queue_set_state(q, m, i, &state);
}

static void finish(struct queue *q, struct queue_message *m, uint64_t segment)
{
    for (uint32_t i = 0; i < m->recipient_count; i++)
        set_fate(q, m, i, QUEUE_DELIVERED);
    queue_newest(q, segment);
    queue_recorded(q, m, (struct journal_pos){segment, 128, 40}, true);
    queue_finish(q, m);
}

static void messages_are_found_and_in_order(void **ctx)
{
    static const uint64_t ids[] = {50, 10, 70, 60, 5, 65};
    static const uint64_t sorted[] = {5, 10, 50, 60, 65, 70};
    struct queue q;
    queue_init(&q, 1);
    assert_null(queue_first(&q));
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct queue_message *m = add_plain(&q, ids[i], 3);
        assert_non_null(m);
        assert_ptr_equal(queue_find(&q, ids[i]), m);
    }
    assert_null(add_plain(&q, 10, 3)); /* known already */
    assert_null(queue_find(&q, 11));
    size_t n = 0;
    for (struct queue_message *m = queue_first(&q); m; m = queue_after(&q, m))
        assert_int_equal(m->id, sorted[n++]);
    assert_int_equal(n, COUNT_OF(sorted));
    struct queue_message *m = queue_find(&q, 60);
    assert_slice(queue_sender(m), SLICE("s@x"));
    assert_slice(queue_user(m), SLICE("u"));
    assert_slice(queue_client(m), SLICE("192.0.2.1"));
    assert_slice(queue_address(m, 0), SLICE("a@y"));
    assert_slice(queue_address(m, 1), SLICE("b@z"));
    assert_int_equal(m->recipient[1].next_in_job, QUEUE_UNASSIGNED);
    assert_int_equal(q.recipients, 12);
    assert_int_equal(q.bytes, 600);
    queue_close(&q);
}

/* Behind the addresses, and only where they were given. */
static void reports_asked_for_are_kept(void **ctx)
{
    struct accept_case c = {
        .envelope = {.sender = SLICE("s@x"),
                     .user = SLICE("u"),
                     .client = SLICE("192.0.2.1"),
                     .is_utf8 = true,
                     .requires_tls = true,
                     .is_binary = true,
                     .ret = MAIL_RET_HDRS,
                     .envid = SLICE("QQ314159"),
                     .recipient_count = 3},
        .recipient = {SLICE("a@y"), SLICE("b@z"), SLICE("c@z")},
        .dsn = {{MAIL_NOTIFY_NEVER, SLICE("rfc822;first@y")}, {0}, {14, SLICE("")}}};
    char long_orcpt[MAIL_ORCPT_BYTES_MAX];
    memset(long_orcpt, 'x', sizeof long_orcpt);
    c.dsn[2].orcpt = slice_of(long_orcpt, sizeof long_orcpt);
    struct queue q;
    queue_init(&q, 1);
    struct queue_message *m = add(&q, 1, 3, &c), *plain = add_plain(&q, 2, 3);
    assert_true(m->is_utf8 && m->requires_tls && m->is_binary);
    assert_int_equal(m->ret, MAIL_RET_HDRS);
    assert_slice(queue_envid(m), SLICE("QQ314159"));
    for (uint32_t i = 0; i < 3; i++) {
        assert_slice(queue_address(m, i), c.recipient[i]);
        assert_slice(queue_orcpt(m, i), c.dsn[i].orcpt);
        assert_int_equal(queue_notify(m, i), c.dsn[i].notify);
    }
    assert_slice(queue_client(m), SLICE("192.0.2.1"));
    assert_false(plain->is_utf8 || plain->requires_tls || plain->is_binary || plain->ret);
    assert_slice(queue_envid(plain), SLICE_NONE);
    assert_slice(queue_orcpt(plain, 1), SLICE_NONE);
    assert_int_equal(queue_notify(plain, 1), 0);
    queue_close(&q);
}

/* A million messages: each byte counts. */
static void messages_are_small(void **ctx)
{
    assert_true(sizeof(struct queue_recipient) <= 32);
    assert_true(offsetof(struct queue_message, recipient) <= 80);
}

static void waiting_is_counted(void **ctx)
{
    struct queue q;
    queue_init(&q, 1);
    struct queue_message *m = add_plain(&q, 1, 1);
    assert_int_equal(m->waiting_count, 2);
    static const struct {
        uint32_t recipient;
        enum queue_fate fate;
        uint32_t waiting;
    } steps[] = {
        {0, QUEUE_WAITING, 2}, {0, QUEUE_DELIVERED, 1}, {0, QUEUE_BOUNCED, 1},
        {0, QUEUE_WAITING, 2}, {1, QUEUE_REMOVED, 1},   {0, QUEUE_EXPIRED, 0},
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        set_fate(&q, m, steps[i].recipient, steps[i].fate);
        assert_int_equal(m->waiting_count, steps[i].waiting);
        assert_int_equal(q.recipients, steps[i].waiting);
    }
    queue_finish(&q, m);
    assert_null(queue_find(&q, 1));
    assert_int_equal(q.bytes, 0);
    assert_int_equal(q.live_bytes, 0);
    queue_close(&q);
}

static void states_and_reasons(void **ctx)
{
    struct queue q;
    queue_init(&q, 1);
    struct queue_message *m = add_plain(&q, 1, 1);
    struct queue_state in = {.is_warned = true,
                             .attempts = 7,
                             .next_ms = 99,
                             .reason = SLICE("451 4.3.0 later")},
                       out;
    queue_set_state(&q, m, 1, &in);
    queue_get_state(m, 1, &out);
    assert_true(out.is_warned);
    assert_int_equal(out.attempts, 7);
    assert_int_equal(out.next_ms, 99);
    assert_slice(out.reason, in.reason);
    queue_set_reason(&q, &m->recipient[1], out.reason);                /* its own */
    queue_set_reason(&q, &m->recipient[1], slice_head(out.reason, 3)); /* a part of its own */
    assert_string_equal(m->recipient[1].reason, "451");
    queue_set_reason(&q, &m->recipient[1], SLICE_NONE);
    assert_null(m->recipient[1].reason);
    char text[QUEUE_REASON_BYTES_MAX + 50];
    memset(text, 'r', sizeof text);
    queue_set_reason(&q, &m->recipient[1], slice_of(text, sizeof text));
    assert_int_equal(strlen(m->recipient[1].reason), QUEUE_REASON_BYTES_MAX);
    queue_close(&q);
}

static void assert_dead(struct queue *q, const uint64_t *wanted)
{
    for (uint64_t dead; (dead = queue_next_dead(q)); wanted++)
        assert_int_equal(dead, *wanted);
    assert_int_equal(*wanted, 0);
}
#define DEAD(q, ...) assert_dead((q), (const uint64_t[]){__VA_ARGS__, 0})

static void segments_die_in_order(void **ctx)
{
    struct queue q;
    queue_init(&q, 1);
    struct queue_message *m = add_plain(&q, 1, 1);
    struct queue_message *other = add_plain(&q, 2, 1);
    finish(&q, m, 2);
    queue_newest(&q, 3);
    DEAD(&q, 0); /* 2 is needed as long as 1 exists, and 1 has the other */
    finish(&q, other, 3);
    DEAD(&q, 1, 2); /* 3 still gets records */
    queue_newest(&q, 4);
    DEAD(&q, 3);
    queue_newest(&q, 3); /* backwards: nothing */
    DEAD(&q, 0);
    queue_close(&q);
}

static void pins_keep_segments(void **ctx)
{
    struct queue q;
    queue_init(&q, 1);
    queue_newest(&q, 1);
    queue_pin(&q, 1);
    queue_pin(&q, 1);
    queue_newest(&q, 2);
    DEAD(&q, 0);
    queue_unpin(&q, 1);
    DEAD(&q, 0);
    queue_unpin(&q, 1);
    queue_pin(&q, 1); /* needed again before anybody asked for the dead */
    DEAD(&q, 0);
    queue_unpin(&q, 1);
    DEAD(&q, 1);
    queue_close(&q);
}

static void moved_messages_leave_their_segments(void **ctx)
{
    struct accept_case c = {.envelope = {.recipient_count = 1, .extent_count = 1},
                            .recipient = {SLICE("a@y")},
                            .extent = {{2, 64, 10}}};
    struct buf out;
    struct queue_accept a;
    buf_init(&out, 4096);
    struct queue q;
    queue_init(&q, 1);
    queue_newest(&q, 1);
    queue_pin(&q, 1);
    queue_newest(&q, 2);
    struct queue_message *m = add(&q, 7, 3, &c);
    queue_newest(&q, 4);
    queue_recorded(&q, m, (struct journal_pos){4, 64, 40}, false);
    queue_newest(&q, 5);
    assert_true(case_build(&c, &out));
    assert_int_equal(queue_accept_parse_head(buf_slice(&out), &a), PARSE_DONE);
    queue_moved(&q, m, (struct journal_pos){5, 640, 99}, &a);
    assert_int_equal(m->accept.segment, 5);
    assert_int_equal(m->accept.offset, 640);
    assert_true(queue_has_stale(m));
    DEAD(&q, 3, 4); /* the copy has the state with it; 2 still holds its chunk */
    queue_newest(&q, 6);
    finish(&q, m, 6);
    queue_newest(&q, 7);
    DEAD(&q, 2, 5, 6);
    queue_unpin(&q, 1);
    DEAD(&q, 1);
    buf_close(&out);
    queue_close(&q);
}

static void later_outcomes_free_the_segments_of_earlier_ones(void **ctx)
{
    static const struct {
        const char *what;
        bool is_whole;
        uint64_t dead; /* when the second outcome is written */
    } rows[] = {{"of some recipients", false, 0}, {"of all", true, 2}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct queue q;
        queue_init(&q, 1);
        struct queue_message *m = add_plain(&q, 7, 1);
        queue_newest(&q, 2);
        queue_recorded(&q, m, (struct journal_pos){2, 64, 40}, false);
        queue_newest(&q, 3);
        queue_recorded(&q, m, (struct journal_pos){3, 64, 40}, rows[i].is_whole);
        queue_newest(&q, 4);
        assert_int_equal(queue_next_dead(&q), rows[i].dead);
        finish(&q, m, 4);
        assert_int_equal(q.live_bytes, 0);
        queue_close(&q);
    }
}

/* What a checkpoint of segment 1 in segment `holder` says: these offsets count. */
static struct slice checkpoint(struct buf *out, uint32_t from, uint32_t to, const uint32_t *offset,
                               uint32_t count)
{
    buf_init(out, 4096);
    queue_checkpoint_begin(out, 1, from, to, count);
    for (uint32_t i = 0; i < count; i++)
        queue_checkpoint_add(out, offset[i]);
    return buf_slice(out);
}

static void checkpoints_free_what_was_needed(void **ctx)
{
    struct queue q;
    queue_init(&q, 1);
    struct queue_message *early = add_plain(&q, 1, 1), *late = add_plain(&q, 2, 1);
    struct queue_message *stays = add_plain(&q, 3, 1);
    finish(&q, early, 2);
    queue_newest(&q, 3);
    assert_true(queue_segment_is_stuck(&q, queue_segment_find(&q, 2)));
    queue_pass(&q);
    finish(&q, late, 3); /* after the pass began: its outcome must stay */
    queue_newest(&q, 4);
    queue_checkpoint_part(&q, 1, 4);
    queue_checkpointed(&q, 1);
    DEAD(&q, 2);
    queue_newest(&q, 5);
    DEAD(&q, 0);
    assert_true(queue_segment_is_stuck(&q, queue_segment_find(&q, 4))); /* holds the checkpoint */
    finish(&q, stays, 5);
    queue_newest(&q, 6);
    DEAD(&q, 1, 3, 4, 5);
    queue_checkpoint_part(&q, 1, 6);
    queue_checkpointed(&q, 1); /* too late: it is gone */
    DEAD(&q, 0);
    queue_close(&q);
}

static void replayed_checkpoints_deny_the_finished(void **ctx)
{
    static const uint32_t none[] = {0}, first[] = {64}, both[] = {64, 128};
    static const struct {
        const char *what;
        uint32_t from, to;
        const uint32_t *offset;
        uint32_t count;
        bool has_first, has_second;
    } rows[] = {
        {"all count", 0, 1000, both, 2, true, true},
        {"one counts", 0, 1000, first, 1, true, false},
        {"none counts", 0, 1000, none, 0, false, false},
        {"it speaks of the first only", 0, 128, none, 0, false, true},
        {"of the second only", 128, 129, none, 0, true, false},
        {"of neither", 500, 1000, none, 0, true, true},
    };
    struct accept_case one = {.envelope = {.recipient_count = 1}, .recipient = {SLICE("a@y")}};
    struct buf a, c;
    buf_init(&a, 4096);
    assert_true(case_build(&one, &a));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct queue q;
        queue_init(&q, 1);
        for (uint64_t id = 1; id <= 2; id++) {
            struct journal_record r = {.type = QUEUE_RECORD_ACCEPT,
                                       .id = id,
                                       .payload = buf_slice(&a),
                                       .pos = {1, (uint32_t)(64 * id), (uint32_t)a.n}};
            assert_true(queue_replay(&q, &r));
        }
        struct journal_record r = {.type = QUEUE_RECORD_CHECKPOINT, .pos = {2, 64, 1}};
        r.payload = checkpoint(&c, rows[i].from, rows[i].to, rows[i].offset, rows[i].count);
        assert_true(queue_replay(&q, &r));
        r.pos.segment = 1; /* no segment speaks of itself */
        assert_false(queue_replay(&q, &r));
        queue_replayed(&q);
        assert_int_equal(queue_find(&q, 1) != NULL, rows[i].has_first);
        assert_int_equal(queue_find(&q, 2) != NULL, rows[i].has_second);
        assert_int_equal(q.recipients, rows[i].has_first + rows[i].has_second);
        if (rows[i].has_first || rows[i].has_second)
            DEAD(&q, 0); /* 2 outlives 1 */
        else
            DEAD(&q, 1, 2);
        queue_close(&q);
        buf_close(&c);
    }
    buf_close(&a);
}

static void equal_reasons_are_kept_once(void **ctx)
{
    struct queue q;
    queue_init(&q, 1);
    struct queue_message *m = add_plain(&q, 1, 1), *other = add_plain(&q, 2, 1);
    queue_set_reason(&q, &m->recipient[0], SLICE("451 later"));
    queue_set_reason(&q, &other->recipient[1], SLICE("451 later"));
    assert_ptr_equal(m->recipient[0].reason, other->recipient[1].reason);
    assert_int_equal(q.reasons.count, 1);
    queue_set_reason(&q, &m->recipient[0], SLICE("452 full"));
    assert_string_equal(other->recipient[1].reason, "451 later");
    queue_set_reason(&q, &other->recipient[1], SLICE_NONE);
    assert_int_equal(q.reasons.count, 1);
    for (int i = 0; i < QUEUE_REASONS_SHARED_MAX + 10; i++) { /* the table has its end */
        char text[32];
        int n = snprintf(text, sizeof text, "451 ticket %d", i);
        struct queue_message *one = add_plain(&q, (uint64_t)i + 10, 1);
        queue_set_reason(&q, &one->recipient[0], slice_of(text, (size_t)n));
        assert_string_equal(one->recipient[0].reason, text);
    }
    assert_int_equal(q.reasons.count, QUEUE_REASONS_SHARED_MAX);
    queue_close(&q);
}

static void pauses(void **ctx)
{
    struct queue q;
    queue_init(&q, 1);
    assert_false(queue_is_paused(&q, SLICE("a.example")));
    assert_true(queue_pause(&q, SLICE("a.example"), true));
    assert_false(queue_pause(&q, SLICE("a.example"), true));
    assert_true(queue_is_paused(&q, SLICE("a.example")));
    assert_false(queue_is_paused(&q, SLICE("b.example")));
    assert_false(queue_pause(&q, SLICE("b.example"), false));
    assert_true(queue_pause(&q, SLICE_NONE, true));
    assert_false(queue_pause(&q, SLICE_NONE, true));
    assert_true(queue_is_paused(&q, SLICE("b.example")));
    assert_true(queue_pause(&q, SLICE_NONE, false)); /* takes the named ones along */
    assert_false(queue_is_paused(&q, SLICE("a.example")));
    assert_false(queue_pause(&q, SLICE_NONE, false));
    assert_true(queue_pause(&q, SLICE("a.example"), true));
    assert_true(queue_pause(&q, SLICE_NONE, false)); /* only named ones: a change too */
    assert_true(queue_pause(&q, SLICE("a.example"), true));
    assert_true(queue_pause(&q, SLICE("a.example"), false));
    assert_int_equal(q.pauses.count, 0);

    char name[QUEUE_TEXT_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    assert_false(queue_pause(&q, slice_of(name, sizeof name), true));
    for (int i = 0; i < QUEUE_PAUSES_MAX; i++) {
        name[0] = (char)('a' + i % 26);
        name[1] = (char)('a' + i / 26);
        assert_true(queue_pause(&q, slice_of(name, 40), true));
    }
    assert_false(queue_pause(&q, SLICE("one too many"), true));

    struct buf out;
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX);
    assert_true(queue_pauses_record(&q, &out));
    struct queue again;
    queue_init(&again, 2);
    struct journal_record r = {
        .type = QUEUE_RECORD_PAUSES, .payload = buf_slice(&out), .pos = {3, 64, 1}};
    assert_true(queue_replay(&again, &r));
    r.pos.segment = 4;
    assert_true(queue_replay(&again, &r));
    queue_replayed(&again);
    DEAD(&again, 3);
    assert_int_equal(again.pauses_segment, 4);
    assert_int_equal(again.pauses.count, QUEUE_PAUSES_MAX);
    assert_true(queue_is_paused(&again, slice_of(name, 40)));
    queue_close(&again);
    queue_close(&q);
    buf_close(&out);
}

/* Replay of records that are of no use */

static bool replay(struct queue *q, uint8_t type, uint64_t id, uint64_t segment,
                   struct slice payload)
{
    struct journal_record r = {
        .type = type, .id = id, .payload = payload, .pos = {segment, 64, (uint32_t)payload.n}};
    return queue_replay(q, &r);
}

static void replay_of_odd_records(void **ctx)
{
    struct accept_case one = {.envelope = {.recipient_count = 1}, .recipient = {SLICE("a@y")}};
    struct accept_case two = {.envelope = {.recipient_count = 2},
                              .recipient = {SLICE("a@y"), SLICE("b@y")}};
    struct accept_case done = {.envelope = {.recipient_count = 1},
                               .recipient = {SLICE("a@y")},
                               .has_states = true,
                               .state = {{.fate = QUEUE_DELIVERED}}};
    struct buf a, b, d, o;
    buf_init(&a, 4096);
    buf_init(&b, 4096);
    buf_init(&d, 4096);
    buf_init(&o, 4096);
    assert_true(case_build(&one, &a) && case_build(&two, &b) && case_build(&done, &d));
    struct queue q;
    queue_init(&q, 1);
    assert_false(replay(&q, 9, 1, 1, SLICE("x")));
    assert_false(replay(&q, QUEUE_RECORD_ACCEPT, 1, 1, SLICE("x")));
    assert_false(replay(&q, QUEUE_RECORD_OUTCOME, 1, 1, SLICE("x")));
    assert_false(replay(&q, QUEUE_RECORD_PAUSES, 1, 1, SLICE("x")));
    assert_true(replay(&q, QUEUE_RECORD_CHUNK, 1, 1, SLICE("x")));
    assert_true(replay(&q, QUEUE_RECORD_ACCEPT, 5, 2, buf_slice(&a)));
    assert_false(replay(&q, QUEUE_RECORD_ACCEPT, 5, 3, buf_slice(&b))); /* another message */
    assert_int_equal(queue_find(&q, 5)->accept.segment, 2);

    struct queue_state delivered = {.fate = QUEUE_DELIVERED};
    queue_outcome_begin(&o, 0, 2);
    queue_outcome_add(&o, 0, &delivered);
    queue_outcome_add(&o, 1, &delivered); /* there is no such recipient: nothing of it counts */
    assert_false(replay(&q, QUEUE_RECORD_OUTCOME, 5, 3, buf_slice(&o)));
    assert_int_equal(queue_find(&q, 5)->waiting_count, 1);
    assert_true(replay(&q, QUEUE_RECORD_OUTCOME, 99, 3, buf_slice(&o))); /* long gone */

    assert_true(replay(&q, QUEUE_RECORD_ACCEPT, 6, 3, buf_slice(&d)));
    assert_true(replay(&q, QUEUE_RECORD_ACCEPT, 4, 4, buf_slice(&a)));
    queue_replayed(&q);
    assert_null(queue_find(&q, 6));           /* a copy that says it is done */
    assert_int_equal(queue_first(&q)->id, 4); /* put in order */
    assert_int_equal(queue_after(&q, queue_first(&q))->id, 5);
    DEAD(&q, 1, 3);
    queue_close(&q);
    buf_close(&a);
    buf_close(&b);
    buf_close(&d);
    buf_close(&o);
}

/* Chunks stand before the record that names them: their segment must survive the start. */
static void replay_keeps_the_chunks(void **ctx)
{
    struct accept_case c = {.envelope = {.recipient_count = 1, .extent_count = 2},
                            .recipient = {SLICE("a@y")},
                            .extent = {{1, 64, 10}, {2, 64, 10}}};
    struct buf a;
    buf_init(&a, 4096);
    assert_true(case_build(&c, &a));
    struct queue q;
    queue_init(&q, 1);
    assert_true(replay(&q, QUEUE_RECORD_CHUNK, 5, 1, SLICE("x")));
    assert_true(replay(&q, QUEUE_RECORD_CHUNK, 5, 2, SLICE("x")));
    assert_true(replay(&q, QUEUE_RECORD_CHUNK, 4, 3, SLICE("x")));
    assert_true(replay(&q, QUEUE_RECORD_ACCEPT, 5, 4, buf_slice(&a)));
    queue_replayed(&q);
    DEAD(&q, 3);
    finish(&q, queue_find(&q, 5), 5);
    queue_newest(&q, 6);
    DEAD(&q, 1, 2, 4, 5);
    queue_close(&q);
    buf_close(&a);
}

/* The model */

enum { RECORDS_MAX = 2000, SEGMENTS_MAX = 2000, LIVE_MAX = 30, RECIPIENTS = 3, UPLOADS = 3 };

struct record {
    uint8_t type;
    uint64_t id;
    struct journal_pos pos;
    char *payload;
    size_t n;
};
struct model_message {
    uint64_t id;
    struct accept_case c;
    struct journal_pos accept;
    char text[RECIPIENTS][24], reason[RECIPIENTS][24];
};
struct upload {
    bool is_on;
    struct journal_pos extent[2];
    uint32_t extent_count;
};
struct model {
    struct rng rng;
    struct queue q;
    struct record record[RECORDS_MAX];
    size_t record_count;
    bool is_gone[SEGMENTS_MAX];
    uint64_t segment;
    uint32_t offset;
    uint64_t last_id;
    struct model_message *live[LIVE_MAX];
    size_t live_count;
    struct upload upload[UPLOADS];
    uint64_t pauses_segment;
    uint64_t listed; /* the segment whose checkpoint is being made; 0: none */
    uint32_t offset_listed[LIVE_MAX], listed_count;
    unsigned restarts, moves, finished, checkpoints;
};

static struct journal_pos write_record(struct model *w, uint8_t type, uint64_t id, struct slice p)
{
    if (!w->segment || rng_chance(&w->rng, 25)) {
        w->segment += 1 + rng_below(&w->rng, 2);
        w->offset = 64;
    }
    assert_true(w->segment < SEGMENTS_MAX && w->record_count < RECORDS_MAX);
    struct journal_pos pos = {w->segment, w->offset, (uint32_t)p.n};
    w->offset += 64;
    w->record[w->record_count++] = (struct record){type, id, pos, mem_dup(p.p, p.n), p.n};
    queue_newest(&w->q, pos.segment);
    return pos;
}

static int compare_live(const void *a, const void *b)
{
    uint64_t x = (*(struct model_message *const *)a)->id,
             y = (*(struct model_message *const *)b)->id;
    return x < y ? -1 : x > y;
}

static void compare(const struct model *w, const struct queue *q)
{
    size_t n = 0;
    uint64_t waiting = 0, bytes = 0;
    for (struct queue_message *m = queue_first(q); m; m = queue_after(q, m), n++) {
        assert_true(n < w->live_count);
        const struct model_message *is = w->live[n];
        assert_int_equal(m->id, is->id);
        assert_ptr_equal(queue_find(q, m->id), m);
        assert_int_equal(m->accept.segment, is->accept.segment);
        assert_int_equal(m->accept.offset, is->accept.offset);
        assert_slice(queue_sender(m), is->c.envelope.sender);
        assert_int_equal(m->recipient_count, is->c.envelope.recipient_count);
        uint32_t waiting_here = 0;
        for (uint32_t i = 0; i < m->recipient_count; i++) {
            struct queue_state state;
            queue_get_state(m, i, &state);
            assert_slice(queue_address(m, i), is->c.recipient[i]);
            assert_int_equal(state.fate, is->c.state[i].fate);
            assert_int_equal(state.attempts, is->c.state[i].attempts);
            assert_int_equal(state.next_ms, is->c.state[i].next_ms);
            assert_slice(state.reason, is->c.state[i].reason);
            waiting_here += state.fate == QUEUE_WAITING;
        }
        assert_int_equal(m->waiting_count, waiting_here);
        assert_true(waiting_here > 0);
        waiting += waiting_here;
        bytes += m->wire_bytes;
        /* what its body needs is still there */
        assert_false(w->is_gone[m->accept.segment]);
        for (uint32_t i = 0; i < is->c.envelope.extent_count; i++)
            assert_false(w->is_gone[is->c.extent[i].segment]);
    }
    assert_int_equal(n, w->live_count);
    assert_int_equal(q->recipients, waiting);
    assert_int_equal(q->bytes, bytes);
    assert_int_equal(q->by_id.count, n);
}

static void replay_all(struct model *w, struct queue *q)
{
    queue_init(q, rng_u64(&w->rng));
    for (size_t i = 0; i < w->record_count; i++) {
        const struct record *r = &w->record[i];
        if (w->is_gone[r->pos.segment])
            continue;
        struct slice whole = slice_of(r->payload, r->n);
        struct journal_record jr = {.type = r->type, .id = r->id, .payload = whole, .pos = r->pos};
        /* What an index has of it is enough. */
        jr.payload.n = queue_record_head_bytes(r->type, whole);
        assert_true(jr.payload.n <= whole.n);
        assert_true(queue_replay(q, &jr));
    }
    queue_replayed(q);
}

static void check(struct model *w)
{
    qsort(w->live, w->live_count, sizeof *w->live, compare_live);
    compare(w, &w->q);
    struct queue again;
    replay_all(w, &again);
    compare(w, &again);
    assert_int_equal(again.pauses_segment, w->pauses_segment);
    queue_close(&again);
}

static void random_state(struct model *w, struct model_message *m, uint32_t i)
{
    struct queue_state *s = &m->c.state[i];
    s->attempts++;
    s->next_ms = (int64_t)rng_below(&w->rng, 1000);
    s->fate = rng_chance(&w->rng, 50)
                  ? (enum queue_fate)rng_between(&w->rng, QUEUE_DELIVERED, QUEUE_REMOVED)
                  : QUEUE_WAITING;
    int n = snprintf(m->reason[i], sizeof m->reason[i], "reply %u", s->attempts);
    s->reason = slice_of(m->reason[i], (size_t)n);
}

static void op_upload(struct model *w)
{
    struct upload *u = &w->upload[rng_below(&w->rng, UPLOADS)];
    if (!u->is_on) {
        *u = (struct upload){.is_on = true};
    } else if (u->extent_count < 2 && rng_chance(&w->rng, 60)) {
        struct journal_pos pos = write_record(w, QUEUE_RECORD_CHUNK, 1, SLICE("chunk"));
        u->extent[u->extent_count++] = pos;
        queue_pin(&w->q, pos.segment);
    } else if (rng_chance(&w->rng, 20) || w->live_count == LIVE_MAX) {
        for (uint32_t i = 0; i < u->extent_count; i++)
            queue_unpin(&w->q, u->extent[i].segment);
        u->is_on = false;
    } else {
        struct model_message *m = mem_new(sizeof *m);
        w->last_id += 5;
        m->id = w->last_id - rng_below(&w->rng, 2) * 5 - rng_below(&w->rng, 5);
        if (queue_find(&w->q, m->id) || m->id == 0) {
            mem_free(m);
            return;
        }
        m->c = (struct accept_case){
            .envelope = {.sender = SLICE("s@example"),
                         .wire_bytes = 1000 + m->id,
                         .recipient_count = 1 + (uint32_t)rng_below(&w->rng, RECIPIENTS),
                         .extent_count = u->extent_count},
            .has_states = true,
            .tail = SLICE("tail")};
        for (uint32_t i = 0; i < m->c.envelope.recipient_count; i++) {
            int n =
                snprintf(m->text[i], sizeof m->text[i], "r%u@%llu", i, (long long unsigned)m->id);
            m->c.recipient[i] = slice_of(m->text[i], (size_t)n);
        }
        memcpy(m->c.extent, u->extent, sizeof u->extent);
        struct buf out;
        buf_init(&out, 4096);
        struct queue_accept a;
        assert_true(case_build(&m->c, &out));
        assert_int_equal(queue_accept_parse(buf_slice(&out), &a), PARSE_DONE);
        m->accept = write_record(w, QUEUE_RECORD_ACCEPT, m->id, buf_slice(&out));
        assert_non_null(queue_add(&w->q, m->id, m->accept, &a));
        for (uint32_t i = 0; i < u->extent_count; i++)
            queue_unpin(&w->q, u->extent[i].segment);
        buf_close(&out);
        u->is_on = false;
        w->live[w->live_count++] = m;
    }
}

static void op_outcome(struct model *w, bool is_final)
{
    if (!w->live_count)
        return;
    size_t at = rng_below(&w->rng, w->live_count);
    struct model_message *m = w->live[at];
    struct queue_message *qm = queue_find(&w->q, m->id);
    uint32_t index[RECIPIENTS], count = 0, waiting = 0;
    for (uint32_t i = 0; i < m->c.envelope.recipient_count; i++) {
        if (m->c.state[i].fate == QUEUE_WAITING && (is_final || rng_chance(&w->rng, 60))) {
            random_state(w, m, i);
            if (is_final)
                m->c.state[i].fate = QUEUE_DELIVERED;
            index[count++] = i;
        }
        waiting += m->c.state[i].fate == QUEUE_WAITING;
    }
    for (uint32_t i = 0; !waiting && i < m->c.envelope.recipient_count; i++) {
        index[i] = i; /* the last outcome says all */
        count = i + 1;
    }
    struct buf out;
    buf_init(&out, 4096);
    queue_outcome_begin(&out, 0, count);
    for (uint32_t i = 0; i < count; i++) {
        queue_outcome_add(&out, index[i], &m->c.state[index[i]]);
        queue_set_state(&w->q, qm, index[i], &m->c.state[index[i]]);
    }
    struct journal_pos pos = write_record(w, QUEUE_RECORD_OUTCOME, m->id, buf_slice(&out));
    buf_close(&out);
    queue_recorded(&w->q, qm, pos, count == m->c.envelope.recipient_count);
    assert_int_equal(qm->waiting_count, waiting);
    if (waiting)
        return;
    queue_finish(&w->q, qm);
    w->finished++;
    mem_free(m);
    w->live[at] = w->live[--w->live_count];
}

/* Compaction: chunks copied or left where they are, then the accept record with its state. */
static void op_move(struct model *w)
{
    if (!w->live_count)
        return;
    struct model_message *m = w->live[rng_below(&w->rng, w->live_count)];
    uint64_t pinned[2] = {0};
    for (uint32_t i = 0; i < m->c.envelope.extent_count; i++) {
        if (rng_chance(&w->rng, 40))
            continue;
        m->c.extent[i] = write_record(w, QUEUE_RECORD_CHUNK, m->id, SLICE("copy"));
        queue_pin(&w->q, pinned[i] = m->c.extent[i].segment);
    }
    struct buf out;
    buf_init(&out, 4096);
    struct queue_accept a;
    assert_true(case_build(&m->c, &out));
    assert_int_equal(queue_accept_parse(buf_slice(&out), &a), PARSE_DONE);
    m->accept = write_record(w, QUEUE_RECORD_ACCEPT, m->id, buf_slice(&out));
    queue_moved(&w->q, queue_find(&w->q, m->id), m->accept, &a);
    for (int i = 0; i < 2; i++)
        if (pinned[i])
            queue_unpin(&w->q, pinned[i]);
    buf_close(&out);
    w->moves++;
}

static int compare_offsets(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* A pass lists what counts in one old segment; other things happen before it is written. */
static void op_list(struct model *w)
{
    uint64_t some = w->q.newest_segment ? rng_below(&w->rng, w->q.newest_segment) : 0;
    const struct queue_segment *s = queue_segment_after(&w->q, some);
    if (w->listed || !s || s->sequence >= w->q.newest_segment)
        return;
    queue_pass(&w->q);
    w->listed = s->sequence;
    w->listed_count = 0;
    for (size_t i = 0; i < w->live_count; i++)
        if (w->live[i]->accept.segment == w->listed)
            w->offset_listed[w->listed_count++] = w->live[i]->accept.offset;
    qsort(w->offset_listed, w->listed_count, sizeof *w->offset_listed, compare_offsets);
}

static void op_checkpoint(struct model *w)
{
    if (!w->listed)
        return;
    uint32_t cut = (uint32_t)rng_below(&w->rng, 1000); /* in two parts */
    for (int part = 0; part < 2; part++) {
        uint32_t from = part ? cut : 0, to = part ? UINT32_MAX : cut, count = 0;
        for (uint32_t i = 0; i < w->listed_count; i++)
            count += w->offset_listed[i] >= from && w->offset_listed[i] < to;
        struct buf out;
        buf_init(&out, 4096);
        queue_checkpoint_begin(&out, w->listed, from, to, count);
        for (uint32_t i = 0; i < w->listed_count; i++)
            if (w->offset_listed[i] >= from && w->offset_listed[i] < to)
                queue_checkpoint_add(&out, w->offset_listed[i]);
        struct journal_pos pos = write_record(w, QUEUE_RECORD_CHECKPOINT, 0, buf_slice(&out));
        queue_checkpoint_part(&w->q, w->listed, pos.segment);
        buf_close(&out);
    }
    queue_checkpointed(&w->q, w->listed);
    w->listed = 0;
    w->checkpoints++;
}

static void op_pause(struct model *w)
{
    queue_pause(&w->q, SLICE("p.example"), rng_chance(&w->rng, 50));
    struct buf out;
    buf_init(&out, 4096);
    assert_true(queue_pauses_record(&w->q, &out));
    struct journal_pos pos = write_record(w, QUEUE_RECORD_PAUSES, 0, buf_slice(&out));
    buf_close(&out);
    if (w->q.pauses_segment)
        queue_unpin(&w->q, w->q.pauses_segment);
    w->pauses_segment = w->q.pauses_segment = pos.segment;
    queue_pin(&w->q, pos.segment);
}

static void op_restart(struct model *w)
{
    queue_close(&w->q);
    replay_all(w, &w->q);
    memset(w->upload, 0, sizeof w->upload);
    w->listed = 0;
    w->segment++; /* the next record begins a segment */
    w->offset = 64;
    w->restarts++;
}

/* Each release is a moment at which the machine may die. */
static void release(struct model *w, bool is_checked)
{
    for (uint64_t dead; (dead = queue_next_dead(&w->q));) {
        /* After a start it may be one that is long gone and only named by a stale record. */
        assert_true(dead < SEGMENTS_MAX && dead < w->q.newest_segment);
        w->is_gone[dead] = true;
        if (is_checked)
            check(w);
    }
}

static void step(struct model *w)
{
    uint64_t dice = rng_below(&w->rng, 100);
    if (dice < 45)
        op_upload(w);
    else if (dice < 80)
        op_outcome(w, false);
    else if (dice < 83)
        op_list(w);
    else if (dice < 85)
        op_checkpoint(w);
    else if (dice < 93)
        op_move(w);
    else if (dice < 96)
        op_pause(w);
    else if (dice < 98)
        op_restart(w);
    else
        release(w, true);
}

static void run_seed(uint64_t seed, unsigned *restarts, unsigned *moves, unsigned *finished,
                     unsigned *checkpoints)
{
    struct model *w = mem_new(sizeof *w);
    rng_init(&w->rng, seed);
    queue_init(&w->q, seed);
    w->last_id = 10;
    for (int i = 0; i < 300; i++) {
        step(w);
        release(w, rng_chance(&w->rng, 10));
        if (rng_chance(&w->rng, 15))
            check(w);
    }
    check(w);
    /* When all is done nothing may be left over but the newest and the pauses. */
    for (int i = 0; i < UPLOADS; i++)
        for (uint32_t k = 0; w->upload[i].is_on && k < w->upload[i].extent_count; k++)
            queue_unpin(&w->q, w->upload[i].extent[k].segment);
    while (w->live_count)
        op_outcome(w, true);
    op_pause(w); /* written anew: an old one would keep its segment and all that need it */
    check(w);
    queue_newest(&w->q, w->segment + 10);
    release(w, true);
    for (size_t i = 0; i < w->record_count; i++)
        assert_true(w->is_gone[w->record[i].pos.segment] ||
                    w->record[i].pos.segment == w->pauses_segment);
    assert_true(w->q.segments.count <= 2);
    *restarts += w->restarts;
    *moves += w->moves;
    *finished += w->finished;
    *checkpoints += w->checkpoints;
    queue_close(&w->q);
    for (size_t i = 0; i < w->record_count; i++)
        mem_free(w->record[i].payload);
    mem_free(w);
}

static void random_runs(void **ctx)
{
    unsigned restarts = 0, moves = 0, finished = 0, checkpoints = 0;
    for (uint64_t seed = 1; seed <= 300; seed++)
        run_seed(seed, &restarts, &moves, &finished, &checkpoints);
    assert_true(restarts > 300 && moves > 1000 && finished > 3000 && checkpoints > 500); /* tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_found_and_in_order),
        cmocka_unit_test(reports_asked_for_are_kept),
        cmocka_unit_test(messages_are_small),
        cmocka_unit_test(waiting_is_counted),
        cmocka_unit_test(states_and_reasons),
        cmocka_unit_test(segments_die_in_order),
        cmocka_unit_test(pins_keep_segments),
        cmocka_unit_test(moved_messages_leave_their_segments),
        cmocka_unit_test(later_outcomes_free_the_segments_of_earlier_ones),
        cmocka_unit_test(checkpoints_free_what_was_needed),
        cmocka_unit_test(replayed_checkpoints_deny_the_finished),
        cmocka_unit_test(equal_reasons_are_kept_once),
        cmocka_unit_test(pauses),
        cmocka_unit_test(replay_of_odd_records),
        cmocka_unit_test(replay_keeps_the_chunks),
        cmocka_unit_test(random_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
