/* spool.c -- station 2: messages into the journal and out of it, outcomes after them, and what
 * recovery makes of the records at start.
 *
 * A message enters the queue in spool_stored(), after its accept record is synced, and leaves it in
 * spool_settle(), after its last outcome is written. Outcomes ride along without a sync of their
 * own: losing one in a power cut means a second delivery, never a lost message. */
#include "engine_core.h"

#include <string.h>

enum {
    UNRECORDED_RETRY_MS = 1000,
    UNRECORDED_A_STEP = 256, /* outcomes written again at once */
    MISSING_SAID_MAX = 100,  /* segments */
};

/* Records */

static struct engine_action *append(struct engine *e, uint64_t ticket, uint8_t type, uint64_t id)
{
    struct engine_action *a = engine_do(e, ACTION_APPEND);
    a->ticket = ticket;
    a->type = type;
    a->id = id;
    return a;
}

static struct slice recipient_of(void *ctx, uint32_t i)
{
    const struct spool_message *m = ctx;
    return m->recipient[i];
}

static void dsn_of(void *ctx, uint32_t i, struct queue_dsn *out)
{
    const struct spool_message *m = ctx;
    *out = m->dsn[i];
}

static bool build_head(const struct spool_message *m, struct buf *out)
{
    buf_init(out, JOURNAL_RECORD_BYTES_MAX);
    struct queue_accept_source from = {.envelope = &m->envelope,
                                       .ctx = (void *)(uintptr_t)m,
                                       .recipient = recipient_of,
                                       .dsn = m->dsn ? dsn_of : NULL,
                                       .extent = m->body->extent};
    return queue_accept_build(out, &from);
}

bool spool_message(struct engine *e, const struct spool_message *m, uint64_t ticket,
                   bool is_admission)
{
    struct buf head;
    bool fits = build_head(m, &head) &&
                head.n + m->body->prefix.n + m->body->tail.n <= JOURNAL_RECORD_BYTES_MAX;
    if (fits) {
        struct slice kept = engine_keep(e, buf_slice(&head));
        struct engine_action *a = append(e, ticket, QUEUE_RECORD_ACCEPT, m->id);
        engine_hold(e, m->body);
        a->part[0] = kept;
        a->part[1] = m->body->prefix;
        a->part[2] = m->body->tail;
        a->part_count = 3;
        a->needs_sync = true;
        a->is_admission = is_admission;
    }
    buf_close(&head);
    return fits;
}

bool spool_has_room(const struct engine *e, uint64_t bytes)
{
    uint64_t used = e->queue.bytes + e->unsettled_bytes;
    return used <= e->opt->queue_bytes_max && bytes <= e->opt->queue_bytes_max - used;
}

void spool_chunk(struct engine *e, uint64_t ticket, uint64_t id, struct slice bytes)
{
    struct engine_action *a = append(e, ticket, QUEUE_RECORD_CHUNK, id);
    a->part[0] = bytes;
    a->part_count = 1;
    a->is_admission = true;
}

struct queue_message *spool_stored(struct engine *e, const struct spool_message *m,
                                   struct journal_pos pos)
{
    struct buf head;
    struct queue_accept a;
    CHECK(build_head(m, &head));
    CHECK(queue_accept_parse_head(buf_slice(&head), &a) == PARSE_DONE);
    struct queue_message *added = queue_add(&e->queue, m->id, pos, &a);
    CHECK(added);
    buf_close(&head);
    body_ref(m->body);
    body_know_as(m->body, m->envelope.message_id);
    body_heat(e, added, m->body);
    schedule_message(e, added);
    if (schedule_is_parked(e, added))
        body_cool(e, added);
    return added;
}

static struct engine_action *append_states(struct engine *e, const struct queue_message *m,
                                           const uint32_t *index, uint32_t count, uint64_t ticket)
{
    struct buf out;
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX);
    bool is_all = !index;
    count = is_all ? m->recipient_count : count;
    queue_outcome_begin(&out, e->now_ms, count);
    for (uint32_t i = 0; i < count; i++) {
        struct queue_state state;
        uint32_t at = is_all ? i : index[i];
        queue_get_state(m, at, &state);
        queue_outcome_add(&out, at, &state);
    }
    CHECK(!out.is_full); /* QUEUE_RECIPIENTS_MAX states fit */
    struct slice kept = engine_keep(e, buf_slice(&out));
    buf_close(&out);
    struct engine_action *a = append(e, ticket, QUEUE_RECORD_OUTCOME, m->id);
    a->part[0] = kept;
    a->part_count = 1;
    return a;
}

static void record_states(struct engine *e, struct queue_message *m, const uint32_t *index,
                          uint32_t count)
{
    m->pending++;
    (void)append_states(e, m, index, count, ticket_new(e, TICKET_OUTCOME, NULL, 0, m->id));
}

void spool_state(struct engine *e, struct queue_message *m, uint64_t ticket)
{
    append_states(e, m, NULL, 0, ticket)->needs_sync = true;
}

void spool_outcome(struct engine *e, struct queue_message *m, const uint32_t *index, uint32_t count)
{
    /* The last one says all: the earlier outcomes may die before the accept record does. */
    record_states(e, m, m->waiting_count ? index : NULL, count);
}

void spool_pauses(struct engine *e)
{
    struct buf out;
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX);
    CHECK(queue_pauses_record(&e->queue, &out));
    struct slice kept = engine_keep(e, buf_slice(&out));
    buf_close(&out);
    e->is_pauses_dirty = false;
    uint64_t ticket = ticket_new(e, TICKET_PAUSES, NULL, 0, 0);
    struct engine_action *a = append(e, ticket, QUEUE_RECORD_PAUSES, 0);
    a->part[0] = kept;
    a->part_count = 1;
    a->needs_sync = true;
}

static void unrecorded(struct engine *e)
{
    if (!heap_has(&e->unrecorded_timer.node))
        timer_set(e, &e->unrecorded_timer, e->now_ms + UNRECORDED_RETRY_MS);
}

static void on_pauses(struct engine *e, enum err err, struct journal_pos pos)
{
    if (err) {
        e->is_pauses_dirty = true;
        unrecorded(e);
        return;
    }
    if (e->queue.pauses_segment)
        queue_unpin(&e->queue, e->queue.pauses_segment);
    e->queue.pauses_segment = pos.segment;
    queue_pin(&e->queue, pos.segment);
}

void spool_unrecorded(struct engine *e, struct queue_message *m, enum err err)
{
    m->is_unrecorded = true;
    map_put_id(&e->unrecorded, m->id, m);
    e->is_unrecorded_full |= err == ERR_FULL;
    unrecorded(e);
}

void spool_on_appended(struct engine *e, const struct ticket *t, enum err err,
                       struct journal_pos pos)
{
    if (t->kind == TICKET_PAUSES) {
        on_pauses(e, err, pos);
        return;
    }
    struct queue_message *m = queue_find(&e->queue, t->message);
    CHECK(m && m->pending > 0);
    m->pending--;
    if (err) {
        spool_unrecorded(e, m, err);
        return;
    }
    queue_recorded(&e->queue, m, pos, m->recipient_count == 1);
    spool_settle(e, m);
}

static bool is_over(const struct queue_message *m)
{
    return !m->waiting_count && !m->pending && !m->jobs && !queue_has_stale(m);
}

/* How many finished messages without a record name each segment; the count is the value itself. */
static void count_over(struct engine *e, struct map *counts)
{
    map_init(counts, e->last_ticket);
    size_t at = 0;
    for (struct map_entry *u; (u = map_next(&e->unrecorded, &at));) {
        const struct queue_message *m = u->value;
        uint64_t held;
        for (uint32_t i = 0; is_over(m) && (held = queue_held(m, i)); i++) {
            uintptr_t n = (uintptr_t)map_get_id(counts, held);
            map_put_id(counts, held, (void *)(n + 1));
        }
    }
}

/* The disk is so full that no outcome can be written, and only outcomes would free it. A segment in
 * which all is finished may go without them: when it is gone nothing of it can come back. */
static void forget_for_room(struct engine *e)
{
    struct map counts;
    struct queue_message **gone = mem_new((e->unrecorded.count + 1) * sizeof *gone);
    size_t gone_count = 0, at = 0;
    count_over(e, &counts);
    for (struct map_entry *u; (u = map_next(&e->unrecorded, &at));) {
        struct queue_message *m = u->value;
        uint64_t live = queue_segment_live(&e->queue, m->accept.segment);
        if (is_over(m) && live && live == (uintptr_t)map_get_id(&counts, m->accept.segment))
            gone[gone_count++] = m;
    }
    map_close(&counts);
    for (size_t i = 0; i < gone_count && e->action_count < ACTIONS_ENOUGH; i++) {
        struct note *n = engine_note(e, NOTE_JOURNAL, gone[i]->id);
        note_text(n, "text", SLICE("finished, and forgotten without a record: the disk is full"));
        map_take_id(&e->unrecorded, gone[i]->id);
        story_tell(e, gone[i]);
        body_cool(e, gone[i]);
        queue_forget(&e->queue, gone[i]);
    }
    mem_free(gone);
    spool_release_dead(e);
}

void spool_on_unrecorded(struct engine *e)
{
    if (e->is_unrecorded_full) {
        e->is_unrecorded_full = false;
        forget_for_room(e);
    }
    if (e->is_pauses_dirty)
        spool_pauses(e);
    for (int i = 0; i < UNRECORDED_A_STEP && e->unrecorded.count; i++) {
        size_t at = 0;
        struct queue_message *m = map_next(&e->unrecorded, &at)->value;
        map_take_id(&e->unrecorded, m->id);
        m->is_unrecorded = false;
        record_states(e, m, NULL, 0);
        operate_record_again(e, m);
    }
    if (e->unrecorded.count)
        unrecorded(e);
}

void spool_settle(struct engine *e, struct queue_message *m)
{
    if (m->waiting_count || m->pending || m->is_unrecorded || m->jobs)
        return;
    struct note *n = engine_note(e, NOTE_COMPLETED, m->id);
    engine_tell_delay(e, n, m->accepted_ms);
    story_tell(e, m);
    body_cool(e, m);
    queue_finish(&e->queue, m);
    compact_consider(e);
}

void spool_release_dead(struct engine *e)
{
    for (uint64_t dead; (dead = queue_next_dead(&e->queue));)
        engine_do(e, ACTION_RELEASE)->segment = dead;
}

/* Start-up */

void spool_on_record(struct engine *e, const struct journal_record *r)
{
    if (r->id > e->last_msgid)
        e->last_msgid = r->id;
    if (queue_replay(&e->queue, r))
        return;
    struct note *n = engine_note(e, NOTE_JOURNAL, r->id);
    note_text(n, "text", SLICE("a record of the journal cannot be used"));
    note_number(n, "segment", (int64_t)r->pos.segment);
    note_number(n, "offset", r->pos.offset);
    note_number(n, "type", r->type);
}

/* Somebody took it away: messages have a part of their body there. */
static void note_missing_segments(struct engine *e)
{
    const struct queue_segment *s = queue_segment_after(&e->queue, 0);
    for (unsigned said = 0; s && said < MISSING_SAID_MAX;
         s = queue_segment_after(&e->queue, s->sequence)) {
        if (s->is_seen || !s->live)
            continue;
        struct note *n = engine_note(e, NOTE_JOURNAL, 0);
        note_text(n, "text",
                  SLICE("a segment is missing: messages have a part of their body there"));
        note_number(n, "segment", (int64_t)s->sequence);
        said++;
    }
}

void spool_on_started(struct engine *e, const struct engine_recovery *how)
{
    queue_replayed(&e->queue);
    e->queue.finished = NULL;
    note_missing_segments(e);
    e->is_started = true;
    spool_release_dead(e);
    struct note *n = engine_note(e, NOTE_RECOVERED, 0);
    note_number(n, "messages", (int64_t)e->queue.by_id.count);
    note_number(n, "recipients", (int64_t)e->queue.recipients);
    note_number(n, "bytes", (int64_t)e->queue.bytes);
    note_number(n, "segments_indexed", (int64_t)how->segments_indexed);
    note_number(n, "segments_walked", (int64_t)how->segments_walked);
    note_number(n, "took_ms", how->took_ms);
    schedule_all(e);
    operate_on_started(e);
}
