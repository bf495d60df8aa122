/* queue.c -- messages in memory. See the header; segments are queue_segment.c's. */
#include "queue_inside.h"

#include <stdlib.h>
#include <string.h>

#include "mail/message_id.h"

void queue_init(struct queue *q, uint64_t seed)
{
    *q = (struct queue){0};
    sorted_init(&q->by_id);
    sorted_init(&q->segments);
    map_init(&q->reasons, seed + 1);
    map_init(&q->pauses, seed + 2);
    sorted_init(&q->orders);
}

/* --- replies, shared while there are not too many different ones --- */

struct shared_reason {
    uint32_t users;
    bool is_in_table;
    char text[];
};

static struct shared_reason *reason_of(const char *text)
{
    return CONTAINER_OF((char *)(uintptr_t)text, struct shared_reason, text);
}

static const char *reason_take(struct queue *q, struct slice text)
{
    struct shared_reason *s = map_get(&q->reasons, text);
    if (!s) {
        s = mem_new(sizeof *s + text.n + 1);
        memcpy(s->text, text.p, text.n);
        s->is_in_table = q->reasons.count < QUEUE_REASONS_SHARED_MAX;
        if (s->is_in_table)
            map_put(&q->reasons, slice_of(s->text, text.n), s);
    }
    s->users++;
    return s->text;
}

static void reason_drop(struct queue *q, const char *text)
{
    struct shared_reason *s = text ? reason_of(text) : NULL;
    if (!s || --s->users)
        return;
    if (s->is_in_table)
        (void)map_take(&q->reasons, slice_cstr(s->text));
    mem_free(s);
}

void queue_set_reason(struct queue *q, struct queue_recipient *r, struct slice reason)
{
    reason = slice_head(reason, r->fate == QUEUE_WAITING ? QUEUE_REASON_BYTES_MAX
                                                         : QUEUE_LAST_WORDS_BYTES_MAX);
    reason = slice_head(reason, slice_find(reason, 0)); /* kept as a C string */
    if (slice_eq(slice_cstr(r->reason), reason))
        return;
    const char *old = r->reason; /* `reason` may be a part of it */
    r->reason = reason.n ? reason_take(q, reason) : NULL;
    reason_drop(q, old);
}

/* --- what a message holds --- */

static void trail_add(struct queue_message *m, struct queue_hold hold)
{
    struct queue_trail *t = m->trail;
    if (!t || t->count == t->cap) {
        uint32_t cap = t ? t->cap * 2 : 1;
        t = mem_resize(t, sizeof *t + cap * sizeof t->hold[0]);
        t->count = m->trail ? t->count : 0;
        t->cap = cap;
        m->trail = t;
    }
    t->hold[t->count++] = hold;
}

static void hold(struct queue *q, struct queue_message *m, enum queue_hold_kind kind,
                 uint64_t segment, uint64_t bytes)
{
    if (bytes > UINT32_MAX) /* of an extent that no record has: the same when it is let go */
        bytes = UINT32_MAX;
    for (uint32_t i = m->trail ? m->trail->count : 0; i-- > 0;) {
        struct queue_hold *h = &m->trail->hold[i];
        if (h->segment != segment || h->kind != kind || bytes > UINT32_MAX - h->bytes)
            continue;
        if (kind != QUEUE_HOLD_STALE) {
            h->bytes += (uint32_t)bytes;
            segment_weigh(q, segment, bytes);
        }
        return;
    }
    trail_add(m, (struct queue_hold){segment, (uint32_t)bytes, kind});
    if (kind != QUEUE_HOLD_STALE)
        segment_hold(q, segment, bytes);
}

/* Lets go of all of one kind. */
static void let_go(struct queue *q, struct queue_message *m, enum queue_hold_kind kind)
{
    struct queue_trail *t = m->trail;
    uint32_t left = 0;
    for (uint32_t i = 0; t && i < t->count; i++) {
        if (t->hold[i].kind != kind)
            t->hold[left++] = t->hold[i];
        else if (kind != QUEUE_HOLD_STALE)
            segment_drop(q, t->hold[i].segment, t->hold[i].bytes);
    }
    if (t && !left) {
        mem_free(t);
        m->trail = NULL;
    } else if (t) {
        t->count = left;
    }
}

static void hold_body(struct queue *q, struct queue_message *m, struct journal_pos pos,
                      const struct queue_accept *a)
{
    m->accept = pos;
    segment_hold(q, pos.segment, journal_record_span(pos.bytes));
    for (uint32_t i = 0; i < a->envelope.extent_count; i++) {
        struct journal_pos chunk = queue_accept_extent(a, i);
        hold(q, m, QUEUE_HOLD_CHUNKS, chunk.segment, journal_record_span(chunk.bytes));
    }
}

void queue_recorded(struct queue *q, struct queue_message *m, struct journal_pos pos, bool is_whole)
{
    if (is_whole)
        let_go(q, m, QUEUE_HOLD_STATE);
    if (pos.segment != m->accept.segment)
        hold(q, m, QUEUE_HOLD_STATE, pos.segment, journal_record_span(pos.bytes));
}

void queue_ordered(struct queue *q, struct queue_message *m, struct journal_pos pos)
{
    if (pos.segment != m->accept.segment)
        hold(q, m, QUEUE_HOLD_ORDER, pos.segment, journal_record_span(pos.bytes));
}

void queue_moved(struct queue *q, struct queue_message *m, struct journal_pos pos,
                 const struct queue_accept *a)
{
    struct journal_pos old = m->accept;
    let_go(q, m, QUEUE_HOLD_STATE);
    let_go(q, m, QUEUE_HOLD_ORDER);
    let_go(q, m, QUEUE_HOLD_CHUNKS);
    hold_body(q, m, pos, a);
    segment_drop(q, old.segment, journal_record_span(old.bytes));
    /* It no longer lives by m, but as long as it lasts it holds an older accept record. */
    if (old.segment != pos.segment)
        hold(q, m, QUEUE_HOLD_STALE, old.segment, 0);
}

uint64_t queue_held(const struct queue_message *m, uint32_t i)
{
    if (i-- == 0)
        return m->accept.segment;
    for (uint32_t at = 0; m->trail && at < m->trail->count; at++)
        if (m->trail->hold[at].kind != QUEUE_HOLD_STALE && i-- == 0)
            return m->trail->hold[at].segment;
    return 0;
}

bool queue_has_stale(const struct queue_message *m)
{
    for (uint32_t i = 0; m->trail && i < m->trail->count; i++)
        if (m->trail->hold[i].kind == QUEUE_HOLD_STALE)
            return true;
    return false;
}

/* --- messages --- */

static void message_free(struct queue *q, struct queue_message *m)
{
    for (uint32_t i = 0; i < m->recipient_count; i++)
        reason_drop(q, m->recipient[i].reason);
    mem_free(m->trail);
    mem_free(m);
}

void queue_close(struct queue *q)
{
    for (struct queue_message *m; (m = queue_first(q));) {
        (void)sorted_take(&q->by_id, m->id);
        message_free(q, m);
    }
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&q->pauses, &at));)
        mem_free(e->value);
    queue_orders_close(q);
    checkpoints_close(&q->checkpoints);
    segments_close(q);
    sorted_close(&q->by_id);
    map_close(&q->reasons);
    map_close(&q->pauses);
    *q = (struct queue){0};
}

enum { ENVID_LENGTH_BYTES = 1, ORCPT_LENGTH_BYTES = 2 }; /* before the text, where there is one */

static size_t texts_bytes(const struct queue_accept *a)
{
    const struct queue_envelope *e = &a->envelope;
    size_t n = sizeof(uint32_t) + e->sender.n + e->user.n + e->client.n;
    if (e->envid.n)
        n += ENVID_LENGTH_BYTES + e->envid.n;
    struct slice rest = a->recipients, address;
    struct queue_state state;
    while (queue_accept_next(&rest, &address, &state))
        n += address.n;
    struct queue_dsn dsn;
    for (rest = a->dsn; queue_accept_next_dsn(&rest, &dsn);)
        n += dsn.orcpt.n ? ORCPT_LENGTH_BYTES + dsn.orcpt.n : 0;
    return n;
}

static uint32_t put_text(char *texts, uint32_t at, struct slice s)
{
    if (s.n)
        memcpy(texts + at, s.p, s.n);
    return at + (uint32_t)s.n;
}

static uint32_t put_envid(struct queue_message *m, char *texts, uint32_t at, struct slice envid)
{
    if (!envid.n)
        return at;
    m->has_envid = true;
    texts[at] = (char)envid.n;
    return put_text(texts, at + ENVID_LENGTH_BYTES, envid);
}

static uint32_t put_dsn(struct queue_recipient *r, char *texts, uint32_t at,
                        const struct queue_dsn *dsn)
{
    r->notify = dsn->notify & 15u;
    if (!dsn->orcpt.n)
        return at;
    r->has_orcpt = true;
    texts[at] = (char)(dsn->orcpt.n & 255);
    texts[at + 1] = (char)(dsn->orcpt.n >> 8);
    return put_text(texts, at + ORCPT_LENGTH_BYTES, dsn->orcpt);
}

struct queue_message *queue_add(struct queue *q, uint64_t id, struct journal_pos pos,
                                const struct queue_accept *a)
{
    const struct queue_envelope *e = &a->envelope;
    size_t texts_at =
        sizeof(struct queue_message) + e->recipient_count * sizeof(struct queue_recipient);
    if (queue_find(q, id))
        return NULL;
    struct queue_message *m = mem_new(texts_at + texts_bytes(a) + 1);
    m->id = id;
    m->accepted_ms = e->accepted_ms;
    m->wire_bytes = (uint32_t)e->wire_bytes;
    m->is_8bit = e->is_8bit;
    m->is_report = e->is_report;
    m->is_utf8 = e->is_utf8;
    m->requires_tls = e->requires_tls;
    m->is_binary = e->is_binary;
    m->ret = e->ret & 3u;
    m->recipient_count = e->recipient_count;
    if (e->has_order)
        queue_order_set(q, m, &e->order);
    m->sender_bytes = (uint16_t)e->sender.n;
    m->user_bytes = (uint16_t)e->user.n;
    m->client_bytes = (uint16_t)e->client.n;
    char *texts = (char *)m + texts_at;
    uint32_t at = put_text(texts, 0, e->sender);
    at = put_text(texts, at, e->user);
    at = put_text(texts, at, e->client);
    uint32_t hash = mail_message_id_hash(e->message_id);
    at = put_text(texts, at, slice_of(&hash, sizeof hash));
    at = put_envid(m, texts, at, e->envid);
    struct slice rest = a->recipients, rest_dsn = a->dsn, address;
    struct queue_state state;
    for (uint32_t i = 0; queue_accept_next(&rest, &address, &state); i++) {
        struct queue_recipient *r = &m->recipient[i];
        r->text_at = at;
        r->text_bytes = (uint16_t)address.n;
        r->next_in_job = QUEUE_UNASSIGNED;
        at = put_text(texts, at, address);
        struct queue_dsn dsn;
        if (queue_accept_next_dsn(&rest_dsn, &dsn))
            at = put_dsn(r, texts, at, &dsn);
        r->fate = QUEUE_WAITING;
        m->waiting_count++;
        q->recipients++;
        queue_set_state(q, m, i, &state);
    }
    bool is_new = sorted_put(&q->by_id, id, m);
    CHECK(is_new);
    q->bytes += m->wire_bytes;
    hold_body(q, m, pos, a);
    return m;
}

struct queue_message *queue_find(const struct queue *q, uint64_t id)
{
    return sorted_get(&q->by_id, id);
}

struct queue_message *queue_first(const struct queue *q)
{
    return sorted_first(&q->by_id);
}

struct queue_message *queue_after_id(const struct queue *q, uint64_t id)
{
    return sorted_after(&q->by_id, id);
}

struct queue_message *queue_after(const struct queue *q, const struct queue_message *m)
{
    return sorted_after(&q->by_id, m->id);
}

/* Behind the last recipient. */
static const char *texts_of(const struct queue_message *m)
{
    return (const char *)&m->recipient[m->recipient_count];
}

struct slice queue_sender(const struct queue_message *m)
{
    return slice_of(texts_of(m), m->sender_bytes);
}

struct slice queue_user(const struct queue_message *m)
{
    return slice_of(texts_of(m) + m->sender_bytes, m->user_bytes);
}

struct slice queue_client(const struct queue_message *m)
{
    return slice_of(texts_of(m) + m->sender_bytes + m->user_bytes, m->client_bytes);
}

uint32_t queue_message_id_hash(const struct queue_message *m)
{
    uint32_t hash;
    memcpy(&hash, texts_of(m) + m->sender_bytes + m->user_bytes + m->client_bytes, sizeof hash);
    return hash;
}

struct slice queue_address(const struct queue_message *m, uint32_t i)
{
    CHECK(i < m->recipient_count);
    return slice_of(texts_of(m) + m->recipient[i].text_at, m->recipient[i].text_bytes);
}

struct slice queue_envid(const struct queue_message *m)
{
    const char *p = texts_of(m) + m->sender_bytes + m->user_bytes + m->client_bytes;
    p += sizeof(uint32_t); /* the Message-ID's hash */
    return m->has_envid ? slice_of(p + ENVID_LENGTH_BYTES, (uint8_t)p[0]) : SLICE_NONE;
}

struct slice queue_orcpt(const struct queue_message *m, uint32_t i)
{
    CHECK(i < m->recipient_count);
    const struct queue_recipient *r = &m->recipient[i];
    const char *p = texts_of(m) + r->text_at + r->text_bytes;
    if (!r->has_orcpt)
        return SLICE_NONE;
    return slice_of(p + ORCPT_LENGTH_BYTES, (size_t)(uint8_t)p[0] | (size_t)(uint8_t)p[1] << 8);
}

unsigned queue_notify(const struct queue_message *m, uint32_t i)
{
    CHECK(i < m->recipient_count);
    return m->recipient[i].notify;
}

void queue_set_state(struct queue *q, struct queue_message *m, uint32_t i,
                     const struct queue_state *s)
{
    struct queue_recipient *r = &m->recipient[i];
    bool was_waiting = r->fate == QUEUE_WAITING, is_waiting = s->fate == QUEUE_WAITING;
    if (was_waiting && !is_waiting) {
        m->waiting_count--;
        q->recipients--;
    } else if (!was_waiting && is_waiting) {
        m->waiting_count++;
        q->recipients++;
    }
    r->fate = (uint8_t)s->fate;
    r->is_warned = s->is_warned;
    r->attempts = s->attempts;
    r->next_ms = s->next_ms;
    queue_set_reason(q, r, s->reason);
}

void queue_get_state(const struct queue_message *m, uint32_t i, struct queue_state *out)
{
    const struct queue_recipient *r = &m->recipient[i];
    *out = (struct queue_state){.fate = (enum queue_fate)r->fate,
                                .is_warned = r->is_warned,
                                .attempts = r->attempts,
                                .next_ms = r->next_ms,
                                .reason = slice_cstr(r->reason)};
}

/* --- the end --- */

void message_end(struct queue *q, struct queue_message *m)
{
    q->recipients -= m->waiting_count;
    q->bytes -= m->wire_bytes;
    let_go(q, m, QUEUE_HOLD_STATE);
    let_go(q, m, QUEUE_HOLD_ORDER);
    let_go(q, m, QUEUE_HOLD_CHUNKS);
    queue_order_forget(q, m);
    segment_drop(q, m->accept.segment, journal_record_span(m->accept.bytes));
    (void)sorted_take(&q->by_id, m->id);
    message_free(q, m);
}

/* Where its last outcome stands: records of one message never go to an older segment. */
static uint64_t last_of(const struct queue_message *m)
{
    uint64_t last = m->accept.segment;
    for (uint32_t i = 0; m->trail && i < m->trail->count; i++)
        if (m->trail->hold[i].kind == QUEUE_HOLD_STATE && m->trail->hold[i].segment > last)
            last = m->trail->hold[i].segment;
    return last;
}

void queue_finish(struct queue *q, struct queue_message *m)
{
    CHECK(m->waiting_count == 0);
    struct queue_segment *last = segment_get(q, last_of(m));
    segment_needs(q, last, m->accept.segment);
    for (uint32_t i = 0; m->trail && i < m->trail->count; i++)
        if (m->trail->hold[i].kind == QUEUE_HOLD_STALE)
            segment_needs(q, last, m->trail->hold[i].segment);
    message_end(q, m);
    segment_consider(q, last);
}

void queue_forget(struct queue *q, struct queue_message *m)
{
    CHECK(m->waiting_count == 0);
    message_end(q, m);
}
