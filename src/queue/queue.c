/* queue.c -- messages in memory and the segments they keep alive. See the header.
 *
 * A finished message leaves a trace: the segment D with its last outcome needs every other segment
 * S with a record of it to die first, else a restart would find its accept record in S without the
 * outcome and deliver again. D keeps a short list of such S.
 *
 * Segments die in two steps: nothing holds one any more (it is put on `dead`), and queue_next_dead
 * hands it out. In between it may be needed again: at start a body's chunks stand before the accept
 * record that names them. */
#include "queue/queue.h"

#include <stdlib.h>
#include <string.h>

struct queue_segment {
    uint64_t sequence;
    uint64_t live;  /* messages and pins that name it */
    uint64_t *need; /* segments that must die before this one */
    uint32_t need_count, need_cap;
    struct list in_dead;
};

struct queue_pause {
    size_t n;
    char name[];
};

/* Segments */

static struct queue_segment *segment_find(const struct queue *q, uint64_t sequence)
{
    return map_get_id(&q->segments, sequence);
}

static struct queue_segment *segment_get(struct queue *q, uint64_t sequence)
{
    struct queue_segment *s = segment_find(q, sequence);
    if (s)
        return s;
    s = mem_new(sizeof *s);
    s->sequence = sequence;
    map_put_id(&q->segments, sequence, s);
    return s;
}

static void segment_consider(struct queue *q, struct queue_segment *s)
{
    if (!s->live && !s->need_count && s->sequence < q->newest_segment && !list_has(&s->in_dead))
        list_add_last(&q->dead, &s->in_dead);
}

static void segment_hold(struct queue *q, uint64_t sequence)
{
    struct queue_segment *s = segment_get(q, sequence);
    s->live++;
    list_remove(&s->in_dead);
}

static void segment_drop(struct queue *q, uint64_t sequence)
{
    struct queue_segment *s = segment_find(q, sequence);
    CHECK(s && s->live > 0);
    s->live--;
    segment_consider(q, s);
}

static void segment_needs(struct queue_segment *s, uint64_t other)
{
    for (uint32_t i = 0; i < s->need_count; i++)
        if (s->need[i] == other)
            return;
    if (s->need_count == s->need_cap) {
        s->need_cap = s->need_cap ? s->need_cap * 2 : 4;
        s->need = mem_resize(s->need, s->need_cap * sizeof *s->need);
    }
    s->need[s->need_count++] = other;
    list_remove(&s->in_dead);
}

/* `gone` is dead: nobody needs to outlive it any more. One step a segment, only when one dies. */
static void segments_forget(struct queue *q, uint64_t gone)
{
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&q->segments, &at));) {
        struct queue_segment *s = e->value;
        for (uint32_t i = 0; i < s->need_count; i++) {
            if (s->need[i] != gone)
                continue;
            s->need[i] = s->need[--s->need_count];
            segment_consider(q, s);
            break;
        }
    }
}

void queue_pin(struct queue *q, uint64_t segment)
{
    segment_hold(q, segment);
}

void queue_unpin(struct queue *q, uint64_t segment)
{
    segment_drop(q, segment);
}

void queue_newest(struct queue *q, uint64_t segment)
{
    if (segment <= q->newest_segment)
        return;
    uint64_t before = q->newest_segment;
    q->newest_segment = segment;
    (void)segment_get(q, segment);
    struct queue_segment *old = before ? segment_find(q, before) : NULL;
    if (old)
        segment_consider(q, old);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t queue_nth_segment(const struct queue *q, uint64_t n)
{
    uint64_t count = 0, *all = mem_new((q->segments.count + 1) * sizeof *all);
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&q->segments, &at));)
        if (!list_has(&((struct queue_segment *)e->value)->in_dead))
            all[count++] = ((struct queue_segment *)e->value)->sequence;
    qsort(all, count, sizeof *all, by_number);
    uint64_t found = n >= 1 && n <= count ? all[n - 1] : 0;
    mem_free(all);
    return found;
}

uint64_t queue_next_dead(struct queue *q)
{
    struct list *l = list_take_first(&q->dead);
    if (!l)
        return 0;
    struct queue_segment *s = CONTAINER_OF(l, struct queue_segment, in_dead);
    uint64_t sequence = s->sequence;
    map_take_id(&q->segments, sequence);
    mem_free(s->need);
    mem_free(s);
    segments_forget(q, sequence);
    return sequence;
}

/* Messages */

static void message_free(struct queue_message *m)
{
    for (uint32_t i = 0; i < m->recipient_count; i++)
        mem_free(m->recipient[i].reason);
    mem_free(m->segment);
    mem_free(m);
}

void queue_init(struct queue *q, uint64_t seed)
{
    *q = (struct queue){0};
    map_init(&q->by_id, seed);
    map_init(&q->segments, seed + 1);
    map_init(&q->pauses, seed + 2);
    list_init(&q->messages);
    list_init(&q->dead);
}

void queue_close(struct queue *q)
{
    for (struct list *l; (l = list_take_first(&q->messages));)
        message_free(CONTAINER_OF(l, struct queue_message, in_queue));
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&q->segments, &at));) {
        mem_free(((struct queue_segment *)e->value)->need);
        mem_free(e->value);
    }
    at = 0;
    for (struct map_entry *e; (e = map_next(&q->pauses, &at));)
        mem_free(e->value);
    map_close(&q->by_id);
    map_close(&q->segments);
    map_close(&q->pauses);
    *q = (struct queue){0};
}

static size_t texts_bytes(const struct queue_accept *a)
{
    const struct queue_envelope *e = &a->envelope;
    size_t n = e->sender.n + e->user.n + e->client.n;
    struct slice rest = a->recipients, address;
    struct queue_state state;
    while (queue_accept_next(&rest, &address, &state))
        n += address.n;
    return n;
}

static uint32_t put_text(char *texts, uint32_t at, struct slice s)
{
    if (s.n)
        memcpy(texts + at, s.p, s.n);
    return at + (uint32_t)s.n;
}

/* Ids are given when a message begins, so its place is near the end. At start copies made by
 * compaction may come much later than their neighbours: then all are sorted once. */
static void link_by_id(struct queue *q, struct queue_message *m)
{
    struct list *before = q->messages.prev;
    while (!q->is_replaying && before != &q->messages &&
           CONTAINER_OF(before, struct queue_message, in_queue)->id > m->id)
        before = before->prev;
    list_add_first(before, &m->in_queue);
}

struct queue_message *queue_add(struct queue *q, uint64_t id, struct journal_pos pos,
                                const struct queue_accept *a)
{
    const struct queue_envelope *e = &a->envelope;
    if (map_get_id(&q->by_id, id))
        return NULL;
    size_t recipients_at = (sizeof(struct queue_message) + 15) & ~(size_t)15;
    size_t texts_at = recipients_at + e->recipient_count * sizeof(struct queue_recipient);
    struct queue_message *m = mem_new(texts_at + texts_bytes(a) + 1);
    m->id = id;
    m->accepted_ms = e->accepted_ms;
    m->wire_bytes = e->wire_bytes;
    m->accept = pos;
    m->is_8bit = e->is_8bit;
    m->is_report = e->is_report;
    m->recipient_count = e->recipient_count;
    m->recipient = (struct queue_recipient *)(void *)((char *)m + recipients_at);
    m->texts = (char *)m + texts_at;
    m->sender_bytes = (uint16_t)e->sender.n;
    m->user_bytes = (uint16_t)e->user.n;
    m->client_bytes = (uint16_t)e->client.n;
    uint32_t at = put_text(m->texts, 0, e->sender);
    at = put_text(m->texts, at, e->user);
    at = put_text(m->texts, at, e->client);
    struct slice rest = a->recipients, address;
    struct queue_state state;
    for (uint32_t i = 0; queue_accept_next(&rest, &address, &state); i++) {
        struct queue_recipient *r = &m->recipient[i];
        r->text_at = at;
        r->text_bytes = (uint16_t)address.n;
        r->next_in_job = QUEUE_UNASSIGNED;
        at = put_text(m->texts, at, address);
        r->fate = QUEUE_WAITING;
        m->waiting_count++;
        q->recipients++;
        queue_set_state(q, m, i, &state);
    }
    map_put_id(&q->by_id, id, m);
    link_by_id(q, m);
    q->bytes += m->wire_bytes;
    queue_in_segment(q, m, pos.segment);
    for (uint32_t i = 0; i < e->extent_count; i++)
        queue_in_segment(q, m, queue_accept_extent(a, i).segment);
    return m;
}

struct queue_message *queue_find(const struct queue *q, uint64_t id)
{
    return map_get_id(&q->by_id, id);
}

struct queue_message *queue_first(const struct queue *q)
{
    if (list_is_empty(&q->messages))
        return NULL;
    return CONTAINER_OF(q->messages.next, struct queue_message, in_queue);
}

struct queue_message *queue_after(const struct queue *q, const struct queue_message *m)
{
    if (m->in_queue.next == &q->messages)
        return NULL;
    return CONTAINER_OF(m->in_queue.next, struct queue_message, in_queue);
}

struct slice queue_sender(const struct queue_message *m)
{
    return slice_of(m->texts, m->sender_bytes);
}

struct slice queue_user(const struct queue_message *m)
{
    return slice_of(m->texts + m->sender_bytes, m->user_bytes);
}

struct slice queue_client(const struct queue_message *m)
{
    return slice_of(m->texts + m->sender_bytes + m->user_bytes, m->client_bytes);
}

struct slice queue_address(const struct queue_message *m, uint32_t i)
{
    CHECK(i < m->recipient_count);
    return slice_of(m->texts + m->recipient[i].text_at, m->recipient[i].text_bytes);
}

void queue_set_reason(struct queue_recipient *r, struct slice reason)
{
    reason = slice_head(reason, QUEUE_REASON_BYTES_MAX);
    if (r->reason && slice_eq(slice_cstr(r->reason), reason))
        return;
    char *old = r->reason; /* `reason` may be a part of it */
    r->reason = reason.n ? mem_dup(reason.p, reason.n) : NULL;
    mem_free(old);
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
    queue_set_reason(r, s->reason);
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

void queue_in_segment(struct queue *q, struct queue_message *m, uint64_t segment)
{
    for (uint32_t i = m->segment_count; i-- > 0;)
        if (m->segment[i] == segment)
            return;
    uint32_t all = m->segment_count + m->stale_count;
    m->segment = mem_resize(m->segment, (all + 1) * sizeof *m->segment);
    m->segment[all] = m->segment[m->segment_count]; /* the stale ones stand behind */
    m->segment[m->segment_count++] = segment;
    segment_hold(q, segment);
}

static bool is_in(const uint64_t *segment, uint32_t count, uint64_t sequence)
{
    for (uint32_t i = 0; i < count; i++)
        if (segment[i] == sequence)
            return true;
    return false;
}

void queue_moved(struct queue *q, struct queue_message *m, struct journal_pos pos,
                 const struct queue_accept *a)
{
    uint64_t *old = m->segment;
    uint32_t was_live = m->segment_count, count = was_live + m->stale_count;
    m->segment = NULL;
    m->segment_count = m->stale_count = 0;
    m->accept = pos;
    queue_in_segment(q, m, pos.segment);
    for (uint32_t i = 0; i < a->envelope.extent_count; i++)
        queue_in_segment(q, m, queue_accept_extent(a, i).segment);
    m->segment = mem_resize(m->segment, (m->segment_count + count) * sizeof *m->segment);
    for (uint32_t i = 0; i < count; i++) {
        if (i < was_live)
            segment_drop(q, old[i]);
        /* It no longer lives by m, but as long as it lasts it holds an older accept record. */
        if (!is_in(m->segment, m->segment_count, old[i]) && segment_find(q, old[i]))
            m->segment[m->segment_count + m->stale_count++] = old[i];
    }
    mem_free(old);
}

static void message_end(struct queue *q, struct queue_message *m)
{
    CHECK(m->waiting_count == 0);
    for (uint32_t i = 0; i < m->segment_count; i++)
        segment_drop(q, m->segment[i]);
    map_take_id(&q->by_id, m->id);
    list_remove(&m->in_queue);
    q->bytes -= m->wire_bytes;
    message_free(m);
}

void queue_finish(struct queue *q, struct queue_message *m, uint64_t segment)
{
    struct queue_segment *last = segment_get(q, segment);
    for (uint32_t i = 0; i < m->segment_count + m->stale_count; i++)
        if (m->segment[i] != segment && segment_find(q, m->segment[i]))
            segment_needs(last, m->segment[i]);
    message_end(q, m);
    segment_consider(q, last);
}

void queue_forget(struct queue *q, struct queue_message *m)
{
    message_end(q, m);
}

uint64_t queue_segment_live(const struct queue *q, uint64_t segment)
{
    const struct queue_segment *s = segment < q->newest_segment ? segment_find(q, segment) : NULL;
    return s ? s->live : 0;
}

/* Start-up */

static bool replay_accept(struct queue *q, const struct journal_record *r)
{
    struct queue_accept a;
    if (queue_accept_parse(r->payload, &a) != PARSE_DONE)
        return false;
    struct queue_message *m = queue_find(q, r->id);
    if (!m)
        return queue_add(q, r->id, r->pos, &a) != NULL;
    /* A copy made by compaction: newer, and it carries the state with it. */
    if (a.envelope.recipient_count != m->recipient_count)
        return false;
    struct slice rest = a.recipients, address;
    struct queue_state state;
    for (uint32_t i = 0; queue_accept_next(&rest, &address, &state); i++)
        queue_set_state(q, m, i, &state);
    queue_moved(q, m, r->pos, &a);
    return true;
}

static bool replay_outcome(struct queue *q, const struct journal_record *r)
{
    struct queue_outcome o;
    if (queue_outcome_parse(r->payload, &o) != PARSE_DONE)
        return false;
    struct queue_message *m = queue_find(q, r->id);
    if (!m)
        return true; /* finished and gone: its accept record's segment was recycled */
    uint32_t index;
    struct queue_state state;
    for (struct slice rest = o.states; queue_outcome_next(&rest, &index, &state);)
        if (index >= m->recipient_count)
            return false;
    while (queue_outcome_next(&o.states, &index, &state))
        queue_set_state(q, m, index, &state);
    queue_in_segment(q, m, r->pos.segment);
    if (m->waiting_count == 0)
        queue_finish(q, m, r->pos.segment);
    return true;
}

static bool replay_pauses(struct queue *q, const struct journal_record *r)
{
    struct queue_pauses p;
    if (queue_pauses_parse(r->payload, &p) != PARSE_DONE)
        return false;
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&q->pauses, &at));)
        mem_free(e->value);
    map_close(&q->pauses);
    map_init(&q->pauses, q->by_id.k0 + 2);
    struct slice name;
    q->is_all_paused = p.is_all;
    while (queue_pauses_next(&p.names, &name))
        if (name.n)
            (void)queue_pause(q, name, true);
    if (q->pauses_segment)
        queue_unpin(q, q->pauses_segment);
    q->pauses_segment = r->pos.segment;
    queue_pin(q, q->pauses_segment);
    return true;
}

bool queue_replay(struct queue *q, const struct journal_record *r)
{
    q->is_replaying = true;
    queue_newest(q, r->pos.segment);
    switch ((enum queue_record_type)r->type) {
    case QUEUE_RECORD_CHUNK:
        return true; /* alive only if an accept record names it */
    case QUEUE_RECORD_ACCEPT:
        return replay_accept(q, r);
    case QUEUE_RECORD_OUTCOME:
        return replay_outcome(q, r);
    case QUEUE_RECORD_PAUSES:
        return replay_pauses(q, r);
    }
    return false;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = (*(struct queue_message *const *)a)->id;
    uint64_t y = (*(struct queue_message *const *)b)->id;
    return x < y ? -1 : x > y;
}

static void sort_by_id(struct queue *q)
{
    size_t n = 0, count = q->by_id.count;
    if (!count)
        return;
    struct queue_message **all = mem_new(count * sizeof *all);
    for (struct list *l; (l = list_take_first(&q->messages));)
        all[n++] = CONTAINER_OF(l, struct queue_message, in_queue);
    CHECK(n == count);
    qsort(all, n, sizeof *all, compare_ids);
    for (size_t i = 0; i < n; i++)
        list_add_last(&q->messages, &all[i]->in_queue);
    mem_free(all);
}

/* A copy made when its last outcome was on the way: it says that nobody waits. */
static void finish_if_done(struct queue *q, struct queue_message *m)
{
    if (m->waiting_count)
        return;
    uint64_t last = 0;
    for (uint32_t i = 0; i < m->segment_count; i++)
        last = m->segment[i] > last ? m->segment[i] : last;
    queue_finish(q, m, last);
}

void queue_replayed(struct queue *q)
{
    q->is_replaying = false;
    for (struct queue_message *m = queue_first(q), *next; m; m = next) {
        next = queue_after(q, m);
        finish_if_done(q, m);
    }
    sort_by_id(q);
    /* Nothing is ever appended to a segment found at start. */
    queue_newest(q, q->newest_segment + 1);
}

/* Pauses */

bool queue_is_paused(const struct queue *q, struct slice name)
{
    return q->is_all_paused || (q->pauses.count && map_get(&q->pauses, name));
}

bool queue_pause(struct queue *q, struct slice name, bool is_paused)
{
    if (!name.n) {
        bool is_change = q->is_all_paused != is_paused || (!is_paused && q->pauses.count);
        q->is_all_paused = is_paused;
        size_t at = 0;
        for (struct map_entry *e; !is_paused && (e = map_next(&q->pauses, &at)); at = 0)
            mem_free(map_take(&q->pauses, e->key));
        return is_change;
    }
    struct queue_pause *p = map_get(&q->pauses, name);
    if (!is_paused) {
        mem_free(p ? map_take(&q->pauses, name) : NULL);
        return p != NULL;
    }
    if (p || q->pauses.count >= QUEUE_PAUSES_MAX || name.n > QUEUE_TEXT_BYTES_MAX)
        return false;
    p = mem_new(sizeof *p + name.n + 1);
    p->n = name.n;
    memcpy(p->name, name.p, name.n);
    map_put(&q->pauses, slice_of(p->name, p->n), p);
    return true;
}

bool queue_pauses_record(const struct queue *q, struct buf *out)
{
    queue_pauses_begin(out, q->is_all_paused, (uint32_t)q->pauses.count);
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&q->pauses, &at));)
        queue_pauses_add(out, e->key);
    return !out->is_full;
}
