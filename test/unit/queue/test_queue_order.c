/* test_queue_order.c -- what the operator ordered, live and replayed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/queue.h"
#include "queue_case.h"

static struct slice payload_of(struct accept_case *c, struct buf *out)
{
    buf_init(out, 4096);
    assert_true(case_build(c, out));
    return buf_slice(out);
}

static struct accept_case plain(void)
{
    return (struct accept_case){
        .envelope = {.accepted_ms = 1000, .wire_bytes = 10, .recipient_count = 1},
        .recipient = {SLICE("a@y")}};
}

static struct queue_message *add(struct queue *q, uint64_t id)
{
    struct accept_case c = plain();
    struct buf out;
    struct queue_accept a;
    assert_int_equal(queue_accept_parse(payload_of(&c, &out), &a), PARSE_DONE);
    struct queue_message *m = queue_add(q, id, (struct journal_pos){1, 64, 100}, &a);
    buf_close(&out);
    return m;
}

static void end(struct queue *q, struct queue_message *m)
{
    queue_set_state(q, m, 0, &(struct queue_state){.fate = QUEUE_REMOVED});
    queue_recorded(q, m, (struct journal_pos){1, 128, 40}, true);
    queue_finish(q, m);
}

/* Orders */

static const struct {
    const char *shown;
    struct {
        enum queue_verb verb;
        int64_t time_ms;
    } step[4];
    bool is_held, is_bouncing, is_removing;
    int64_t since_ms, held_ms, born_ms;
} rows[] = {
    {"a retry is no order", {{QUEUE_VERB_RETRY, 5}}, false, false, false, 0, 0, 1000},
    {"held", {{QUEUE_VERB_HOLD, 2000}}, true, false, false, 2000, 0, 1000},
    {"held twice: since the first",
     {{QUEUE_VERB_HOLD, 2000}, {QUEUE_VERB_HOLD, 3000}},
     true,
     false,
     false,
     2000,
     0,
     1000},
    {"released: the time held does not count",
     {{QUEUE_VERB_HOLD, 2000}, {QUEUE_VERB_RELEASE, 2500}},
     false,
     false,
     false,
     2000,
     500,
     1500},
    {"held again: both count",
     {{QUEUE_VERB_HOLD, 2000},
      {QUEUE_VERB_RELEASE, 2500},
      {QUEUE_VERB_HOLD, 4000},
      {QUEUE_VERB_RELEASE, 4100}},
     false,
     false,
     false,
     4000,
     600,
     1600},
    {"a clock that went back takes nothing away",
     {{QUEUE_VERB_HOLD, 2000}, {QUEUE_VERB_RELEASE, 1500}},
     false,
     false,
     false,
     2000,
     0,
     1000},
    {"a release without a hold", {{QUEUE_VERB_RELEASE, 2500}}, false, false, false, 0, 0, 1000},
    {"bounced while held",
     {{QUEUE_VERB_HOLD, 2000}, {QUEUE_VERB_BOUNCE, 2100}},
     false,
     true,
     false,
     2000,
     100,
     1100},
    {"deleted while it is bounced",
     {{QUEUE_VERB_BOUNCE, 2000}, {QUEUE_VERB_DELETE, 2100}},
     false,
     false,
     true,
     0,
     0,
     1000},
};

static void assert_row(const struct queue *q, const struct queue_message *m, size_t i)
{
    const struct queue_order *o = queue_order_of(q, m);
    bool is_good = m->is_held == rows[i].is_held && m->is_bouncing == rows[i].is_bouncing &&
                   m->is_removing == rows[i].is_removing &&
                   queue_born_ms(q, m) == rows[i].born_ms && q->held_count == rows[i].is_held &&
                   (!o || (o->since_ms == rows[i].since_ms && o->held_ms == rows[i].held_ms &&
                           slice_eq(o->who, SLICE("uid=0")) && slice_eq(o->words, SLICE("why"))));
    if (!is_good)
        fail_msg("%s", rows[i].shown);
}

static void replay(struct queue *q, uint8_t type, uint64_t segment, struct slice payload)
{
    struct journal_record r = {
        .type = type, .id = 7, .payload = payload, .pos = {segment, 64, (uint32_t)payload.n}};
    assert_true(queue_replay(q, &r));
}

static void orders_live_replayed_and_copied(void **ctx)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct queue live, again, copied;
        struct accept_case c = plain();
        struct buf accept, record;
        queue_init(&live, 1);
        queue_init(&again, 1);
        queue_init(&copied, 1);
        struct queue_message *m = add(&live, 7);
        struct slice payload = payload_of(&c, &accept);
        replay(&again, QUEUE_RECORD_ACCEPT, 1, payload);
        replay(&copied, QUEUE_RECORD_ACCEPT, 1, payload);
        for (size_t k = 0; k < COUNT_OF(rows[i].step) && rows[i].step[k].verb; k++) {
            struct queue_operator op = {.verb = rows[i].step[k].verb,
                                        .time_ms = rows[i].step[k].time_ms,
                                        .who = SLICE("uid=0"),
                                        .words = SLICE("why")};
            buf_init(&record, 1024);
            assert_true(queue_operator_build(&record, &op));
            queue_operate(&live, m, &op);
            replay(&again, QUEUE_RECORD_OPERATOR, 2, buf_slice(&record));
            buf_close(&record);
        }
        /* What compaction writes carries the order, and needs none of the records before. */
        if (m->has_order) {
            struct buf copy;
            c.envelope.has_order = true;
            c.envelope.order = *queue_order_of(&live, m);
            replay(&copied, QUEUE_RECORD_ACCEPT, 3, payload_of(&c, &copy));
            buf_close(&copy);
        }
        queue_replayed(&again);
        queue_replayed(&copied);
        assert_row(&live, m, i);
        assert_row(&again, queue_find(&again, 7), i);
        assert_row(&copied, queue_find(&copied, 7), i);
        assert_int_equal(copied.orders.count, m->has_order);
        end(&live, m);
        assert_int_equal(live.orders.count + live.held_count, 0);
        buf_close(&accept);
        queue_close(&live);
        queue_close(&again);
        queue_close(&copied);
    }
}

/* The record keeps its segment, also when a later outcome says all of the recipients: without it a
 * restart would let the message go. */
static void an_order_pins_its_segment(void **ctx)
{
    struct queue q;
    struct buf accept, record;
    struct accept_case c = plain();
    struct queue_operator op = {.verb = QUEUE_VERB_HOLD, .time_ms = 1};
    queue_init(&q, 1);
    replay(&q, QUEUE_RECORD_ACCEPT, 1, payload_of(&c, &accept));
    buf_init(&record, 1024);
    assert_true(queue_operator_build(&record, &op));
    replay(&q, QUEUE_RECORD_OPERATOR, 2, buf_slice(&record));
    queue_newest(&q, 4);
    queue_replayed(&q);
    struct queue_message *m = queue_find(&q, 7);
    queue_recorded(&q, m, (struct journal_pos){3, 64, 40}, true);
    assert_int_equal(queue_segment_live(&q, 2), 1);
    assert_int_equal(queue_segment_live(&q, 3), 1);
    struct queue_accept a; /* compaction's copy has it all */
    assert_int_equal(queue_accept_parse(buf_slice(&accept), &a), PARSE_DONE);
    queue_moved(&q, m, (struct journal_pos){4, 64, 100}, &a);
    assert_int_equal(
        queue_segment_live(&q, 1) + queue_segment_live(&q, 2) + queue_segment_live(&q, 3), 0);
    buf_close(&accept);
    buf_close(&record);
    queue_close(&q);
}

static void records_of_nobody_are_no_harm(void **ctx)
{
    struct queue q;
    struct buf record;
    struct queue_operator op = {.verb = QUEUE_VERB_HOLD, .time_ms = 1};
    queue_init(&q, 1);
    buf_init(&record, 1024);
    assert_true(queue_operator_build(&record, &op));
    replay(&q, QUEUE_RECORD_OPERATOR, 2, buf_slice(&record));
    queue_replayed(&q);
    assert_int_equal(q.by_id.count + q.orders.count, 0);
    assert_int_equal(queue_next_dead(&q), 2);
    buf_close(&record);
    queue_close(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_live_replayed_and_copied),
        cmocka_unit_test(an_order_pins_its_segment),
        cmocka_unit_test(records_of_nobody_are_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
