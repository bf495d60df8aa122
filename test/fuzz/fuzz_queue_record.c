/* fuzz_queue_record.c -- any bytes as the payload of an accept, outcome, pauses or operator record:
 * what parses is built again byte for byte the same, and the queue replays it, twice and out of
 * order, without a slip, and the audit comes to the same. The first byte says which kind comes
 * first. */
#include <string.h>

#include "queue/queue.h"
#include "queue/queue_audit.h"

static struct slice text_of(struct slice at, size_t n)
{
    return slice_head(at, n);
}

struct walk {
    struct slice rest, dsn;
    struct slice address;
    struct queue_state state;
    uint32_t next;
};

/* recipient() and state() are asked in order, the i-th address before the i-th state. */
static struct slice walk_recipient(void *ctx, uint32_t i)
{
    struct walk *w = ctx;
    CHECK(i == w->next);
    w->next++;
    CHECK(queue_accept_next(&w->rest, &w->address, &w->state));
    return w->address;
}

static void walk_state(void *ctx, uint32_t i, struct queue_state *out)
{
    struct walk *w = ctx;
    CHECK(i + 1 == w->next);
    *out = w->state;
}

/* Asked for all of them, perhaps more than once. */
static void walk_dsn(void *ctx, uint32_t i, struct queue_dsn *out)
{
    struct walk *w = ctx;
    struct slice rest = w->dsn;
    for (uint32_t at = 0; rest.n && at <= i; at++)
        CHECK(queue_accept_next_dsn(&rest, out));
}

static void check_same(const struct buf *out, struct slice in)
{
    CHECK(!out->is_full);
    CHECK(slice_eq(buf_slice(out), in));
}

static void try_accept(struct slice in, struct buf *out)
{
    struct queue_accept a, head;
    if (queue_accept_parse(in, &a) != PARSE_DONE)
        return;
    CHECK(queue_accept_parse_head(in, &head) == PARSE_DONE);
    CHECK(a.prefix.n == a.envelope.prefix_bytes);
    static struct journal_pos extent[QUEUE_EXTENTS_MAX];
    CHECK(a.envelope.extent_count <= QUEUE_EXTENTS_MAX);
    for (uint32_t i = 0; i < a.envelope.extent_count; i++)
        extent[i] = queue_accept_extent(&a, i);
    struct walk walk = {.rest = a.recipients, .dsn = a.dsn};
    struct queue_accept_source from = {.envelope = &a.envelope,
                                       .ctx = &walk,
                                       .recipient = walk_recipient,
                                       .state = walk_state,
                                       .dsn = walk_dsn,
                                       .extent = extent};
    buf_clear(out);
    CHECK(queue_accept_build(out, &from));
    CHECK(!walk.rest.n);
    CHECK(out->n + a.prefix.n + a.tail.n == in.n);
    buf_add(out, a.prefix);
    buf_add(out, a.tail);
    check_same(out, in);
    for (size_t n = 1; n <= 3 && n <= in.n - a.tail.n; n++) /* cut short: never a message */
        CHECK(queue_accept_parse(text_of(in, in.n - a.tail.n - n), &head) == PARSE_BAD);
}

static void try_outcome(struct slice in, struct buf *out)
{
    struct queue_outcome o;
    if (queue_outcome_parse(in, &o) != PARSE_DONE)
        return;
    buf_clear(out);
    CHECK(queue_outcome_begin(out, o.time_ms, o.count));
    uint32_t index, n = 0;
    struct queue_state state;
    for (struct slice rest = o.states; queue_outcome_next(&rest, &index, &state); n++)
        CHECK(queue_outcome_add(out, index, &state));
    CHECK(n == o.count);
    check_same(out, in);
}

static void try_pauses(struct slice in, struct buf *out)
{
    struct queue_pauses p;
    if (queue_pauses_parse(in, &p) != PARSE_DONE)
        return;
    buf_clear(out);
    CHECK(queue_pauses_begin(out, p.is_all, p.count));
    struct slice name;
    uint32_t n = 0;
    for (struct slice rest = p.names; queue_pauses_next(&rest, &name); n++)
        CHECK(queue_pauses_add(out, name));
    CHECK(n == p.count);
    check_same(out, in);
}

static void try_checkpoint(struct slice in, struct buf *out)
{
    struct queue_checkpoint c;
    if (queue_checkpoint_parse(in, &c) != PARSE_DONE)
        return;
    buf_clear(out);
    queue_checkpoint_begin(out, c.segment, c.from, c.to, c.count);
    struct reader r = {.in = c.offsets};
    for (uint32_t i = 0; i < c.count; i++)
        queue_checkpoint_add(out, read_u32(&r));
    check_same(out, in);
}

static void try_operator(struct slice in, struct buf *out)
{
    struct queue_operator op;
    if (queue_operator_parse(in, &op) != PARSE_DONE)
        return;
    buf_clear(out);
    CHECK(queue_operator_build(out, &op));
    check_same(out, in);
}

static void replay(struct queue *q, struct queue_audit *a, uint8_t type, uint64_t id,
                   uint64_t segment, struct slice in)
{
    struct journal_record r = {
        .type = type, .id = id, .payload = in, .pos = {segment, 64, (uint32_t)in.n}};
    bool is_of_use = queue_replay(q, &r);
    CHECK(queue_audit_record(a, &r, true) == is_of_use);
}

static void compare(const struct queue *q, struct queue_audit *a)
{
    size_t count, n = 0;
    struct queue_audit_message **all = queue_audit_list(a, &count);
    for (struct queue_message *m = queue_first(q); m; m = queue_after(q, m)) {
        struct queue_audit_verdict verdict;
        CHECK(n < count && all[n]->id == m->id && all[n]->waiting_count == m->waiting_count);
        CHECK(all[n]->accept.segment == m->accept.segment);
        (void)queue_audit_check(a, all[n++], &verdict);
    }
    CHECK(n == count);
    mem_free(all);
}

/* A known message first, then these bytes as records of it and of another. */
static void try_replay(uint8_t type, struct slice in)
{
    static const char known[] = "\1\0\0\0"
                                "\0\0\0\0\0\0\0\0"
                                "\144\0\0\0\0\0\0\0"
                                "\0\0\0\0"
                                "\0\0\0\0"
                                "\2\0\0\0"
                                "\3\0s@x"
                                "\0\0\0\0\0\0"
                                "\3\0a@y\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                "\3\0b@y\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    struct queue q;
    struct queue_audit audit;
    queue_init(&q, 1);
    queue_audit_init(&audit, false);
    replay(&q, &audit, QUEUE_RECORD_ACCEPT, 7, 10, slice_of(known, sizeof known - 1));
    CHECK(queue_find(&q, 7));
    for (uint64_t segment = 11; segment < 15; segment++)
        replay(&q, &audit, type, segment % 2 ? 7 : 5, segment, in);
    queue_replayed(&q);
    compare(&q, &audit);
    queue_audit_close(&audit);
    uint64_t waiting = 0, last = 0;
    for (struct queue_message *m = queue_first(&q); m; m = queue_after(&q, m)) {
        CHECK(m->id > last && m->waiting_count > 0);
        last = m->id;
        waiting += m->waiting_count;
    }
    CHECK(q.recipients == waiting);
    uint64_t held = 0;
    for (struct queue_message *m = queue_first(&q); m; m = queue_after(&q, m))
        held += m->is_held;
    CHECK(q.held_count == held && q.orders.count <= q.by_id.count);
    while (queue_next_dead(&q))
        ;
    for (struct queue_message *m; (m = queue_first(&q));) {
        for (uint32_t i = 0; i < m->recipient_count; i++)
            queue_set_state(&q, m, i, &(struct queue_state){.fate = QUEUE_REMOVED});
        queue_recorded(&q, m, (struct journal_pos){20, 64, 40}, m->id % 2);
        queue_finish(&q, m);
    }
    CHECK(q.recipients == 0 && q.bytes == 0 && q.live_bytes == 0 && q.held_count == 0 &&
          q.orders.count == 0);
    queue_close(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n || n > JOURNAL_RECORD_BYTES_MAX)
        return 0;
    struct slice in = slice_of(data + 1, n - 1);
    struct buf out;
    buf_init(&out, 2 * JOURNAL_RECORD_BYTES_MAX);
    try_accept(in, &out);
    try_outcome(in, &out);
    try_pauses(in, &out);
    try_checkpoint(in, &out);
    try_operator(in, &out);
    buf_close(&out);
    try_replay((uint8_t)(data[0] % 7), in);
    return 0;
}
