/* queue_audit.c -- see the header. */
#include "queue/queue_audit.h"

#include <stdlib.h>

#include "queue_inside.h"

void queue_audit_init(struct queue_audit *a, bool keeps_finished)
{
    *a = (struct queue_audit){.keeps_finished = keeps_finished};
    sorted_init(&a->by_id);
}

void queue_audit_close(struct queue_audit *a)
{
    for (struct queue_audit_message *m = sorted_first(&a->by_id), *next; m; m = next) {
        next = sorted_after(&a->by_id, m->id);
        mem_free(m);
    }
    sorted_close(&a->by_id);
    mem_free(a->chunk);
    checkpoints_close(&a->checkpoints);
    *a = (struct queue_audit){0};
}

static bool add_chunk(struct queue_audit *a, const struct journal_record *r)
{
    if (a->chunk_count == a->chunk_cap) {
        a->chunk_cap = a->chunk_cap ? a->chunk_cap * 2 : 64;
        a->chunk = mem_resize(a->chunk, a->chunk_cap * sizeof *a->chunk);
    }
    a->chunk[a->chunk_count++] = (struct queue_audit_chunk){r->pos, r->id};
    a->are_chunks_sorted = false;
    return true;
}

static void set_fate(struct queue_audit_message *m, uint32_t i, enum queue_fate fate,
                     struct journal_pos pos)
{
    struct queue_audit_recipient *r = &m->recipient[i];
    m->waiting_count -= r->fate == QUEUE_WAITING;
    m->waiting_count += fate == QUEUE_WAITING;
    r->fate = fate;
    r->state = pos;
}

static struct queue_audit_message *message_new(const struct journal_record *r,
                                               const struct queue_accept *a, bool is_certain)
{
    const struct queue_envelope *e = &a->envelope;
    size_t lists = e->recipient_count * sizeof(struct queue_audit_recipient);
    struct queue_audit_message *m =
        mem_new(sizeof *m + lists + e->extent_count * sizeof(struct journal_pos));
    m->extent = (struct journal_pos *)(void *)((char *)(m + 1) + lists);
    m->id = r->id;
    m->accept = r->pos;
    m->wire_bytes = e->wire_bytes;
    m->own_bytes = a->prefix.n + a->tail.n;
    m->recipient_count = m->waiting_count = e->recipient_count; /* zeroed: all wait */
    m->is_certain = is_certain;
    m->extent_count = e->extent_count;
    for (uint32_t i = 0; i < e->extent_count; i++)
        m->extent[i] = queue_accept_extent(a, i);
    struct slice rest = a->recipients, address;
    struct queue_state state;
    for (uint32_t i = 0; queue_accept_next(&rest, &address, &state); i++)
        set_fate(m, i, state.fate, r->pos);
    return m;
}

static bool on_accept(struct queue_audit *a, const struct journal_record *r, bool is_certain)
{
    struct queue_accept accept;
    if (queue_accept_parse(r->payload, &accept) != PARSE_DONE)
        return false;
    struct queue_audit_message *old = sorted_get(&a->by_id, r->id);
    if (old && old->is_certain) {
        /* A copy made by compaction: newer, and it carries the state with it. */
        if (old->recipient_count != accept.envelope.recipient_count)
            return false;
        if (!is_certain)
            return true;
    }
    struct queue_audit_message *m = message_new(r, &accept, is_certain);
    mem_free(sorted_take(&a->by_id, r->id));
    bool is_new = sorted_put(&a->by_id, r->id, m);
    CHECK(is_new);
    return true;
}

static void finish(struct queue_audit *a, struct queue_audit_message *m)
{
    if (a->keeps_finished)
        return;
    a->finished += m->is_certain;
    (void)sorted_take(&a->by_id, m->id);
    mem_free(m);
}

static bool on_outcome(struct queue_audit *a, const struct journal_record *r, bool is_certain)
{
    struct queue_outcome o;
    if (queue_outcome_parse(r->payload, &o) != PARSE_DONE)
        return false;
    struct queue_audit_message *m = sorted_get(&a->by_id, r->id);
    if (!m || (m->is_certain && !is_certain))
        return true;
    uint32_t index;
    struct queue_state state;
    for (struct slice rest = o.states; queue_outcome_next(&rest, &index, &state);) {
        if (index >= m->recipient_count)
            return false;
    }
    while (queue_outcome_next(&o.states, &index, &state))
        set_fate(m, index, state.fate, r->pos);
    if (!m->waiting_count)
        finish(a, m);
    return true;
}

static bool take(struct queue_audit *a, const struct journal_record *r, bool is_certain)
{
    struct queue_pauses pauses;
    struct queue_operator op;
    switch ((enum queue_record_type)r->type) {
    case QUEUE_RECORD_CHUNK:
        return add_chunk(a, r);
    case QUEUE_RECORD_ACCEPT:
        return on_accept(a, r, is_certain);
    case QUEUE_RECORD_OUTCOME:
        return on_outcome(a, r, is_certain);
    case QUEUE_RECORD_PAUSES:
        return queue_pauses_parse(r->payload, &pauses) == PARSE_DONE;
    case QUEUE_RECORD_OPERATOR: /* what he ordered shows in outcomes */
        return queue_operator_parse(r->payload, &op) == PARSE_DONE;
    case QUEUE_RECORD_CHECKPOINT:
        return !is_certain || checkpoints_add(&a->checkpoints, r);
    }
    return false;
}

bool queue_audit_record(struct queue_audit *a, const struct journal_record *r, bool is_certain)
{
    bool is_of_use = take(a, r, is_certain);
    a->records++;
    a->unusable += !is_of_use;
    return is_of_use;
}

static int by_place(const void *x, const void *y)
{
    const struct journal_pos *a = &((const struct queue_audit_chunk *)x)->pos;
    const struct journal_pos *b = &((const struct queue_audit_chunk *)y)->pos;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

struct queue_audit_message **queue_audit_list(struct queue_audit *a, size_t *count)
{
    struct queue_audit_message **all = mem_new((a->by_id.count + 1) * sizeof(*all));
    size_t kept = 0;
    *count = 0;
    checkpoints_sort(a->checkpoints);
    for (struct queue_audit_message *m = sorted_first(&a->by_id); m;
         m = sorted_after(&a->by_id, m->id))
        all[(*count)++] = m;
    for (size_t i = 0; i < *count; i++) {
        struct queue_audit_message *m = all[i];
        m->is_denied = checkpoints_deny(a->checkpoints, m->accept);
        /* A copy made when its last outcome was on the way says that nobody waits. */
        if (a->keeps_finished || (m->waiting_count && !m->is_denied))
            all[kept++] = m;
        else
            finish(a, m);
    }
    *count = kept;
    if (a->chunk_count)
        qsort(a->chunk, a->chunk_count, sizeof *a->chunk, by_place);
    a->are_chunks_sorted = true;
    return all;
}

static bool has_chunk(const struct queue_audit *a, uint64_t id, struct journal_pos pos)
{
    struct queue_audit_chunk key = {.pos = pos};
    const struct queue_audit_chunk *c =
        a->chunk_count ? bsearch(&key, a->chunk, a->chunk_count, sizeof key, by_place) : NULL;
    return c && c->id == id && c->pos.bytes == pos.bytes;
}

bool queue_audit_check(const struct queue_audit *a, const struct queue_audit_message *m,
                       struct queue_audit_verdict *out)
{
    CHECK(a->are_chunks_sorted);
    *out = (struct queue_audit_verdict){0};
    uint64_t bytes = m->own_bytes;
    for (uint32_t i = 0; i < m->extent_count; i++) {
        bytes += m->extent[i].bytes;
        if (!has_chunk(a, m->id, m->extent[i]) && out->missing_count++ == 0)
            out->missing = m->extent[i];
    }
    out->is_size_wrong = bytes != m->wire_bytes;
    return !out->missing_count && !out->is_size_wrong;
}
