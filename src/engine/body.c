/* body.c -- a message's bytes in memory: shared while they are sent, kept hot for an immediate
 * delivery while there is room, fetched from the journal otherwise. */
#include "engine_core.h"

struct body *body_new(char *memory, size_t bytes, struct slice prefix, struct slice tail)
{
    struct body *b = mem_new(sizeof *b);
    b->refs = 1;
    b->bytes = bytes + sizeof *b;
    b->memory = memory;
    b->prefix = prefix;
    b->tail = tail;
    return b;
}

void body_ref(struct body *b)
{
    b->refs++;
}

void body_unref(struct body *b)
{
    if (!b || --b->refs)
        return;
    mem_free(b->memory);
    mem_free(b->message_id);
    mem_free(b->extent);
    mem_free(b);
}

void body_know_as(struct body *b, struct slice message_id)
{
    if (!b->message_id && message_id.n)
        b->message_id = mem_dup(message_id.p, message_id.n);
}

struct body *body_parse(struct slice payload)
{
    struct queue_accept a;
    if (queue_accept_parse(payload, &a) != PARSE_DONE)
        return NULL;
    size_t n = a.prefix.n + a.tail.n; /* they stand side by side */
    char *memory = mem_dup(a.prefix.p, n);
    struct body *b =
        body_new(memory, n, slice_of(memory, a.prefix.n), slice_of(memory + a.prefix.n, a.tail.n));
    body_know_as(b, a.envelope.message_id);
    b->extent_count = a.envelope.extent_count;
    if (b->extent_count)
        b->extent = mem_new(b->extent_count * sizeof *b->extent);
    for (uint32_t i = 0; i < b->extent_count; i++)
        b->extent[i] = queue_accept_extent(&a, i);
    return b;
}

void body_cool(struct engine *e, struct queue_message *m)
{
    struct body *b = m->body;
    if (!b)
        return;
    m->body = NULL;
    b->owner = NULL;
    list_remove(&b->in_hot);
    e->hot_bytes -= b->bytes;
    body_unref(b);
}

void body_heat(struct engine *e, struct queue_message *m, struct body *b)
{
    body_cool(e, m);
    m->body = b;
    b->owner = m;
    list_add_last(&e->hot, &b->in_hot);
    e->hot_bytes += b->bytes;
    while (e->hot_bytes > HOT_BYTES_MAX && e->hot.next != &b->in_hot)
        body_cool(e, CONTAINER_OF(e->hot.next, struct body, in_hot)->owner);
}

void body_unreadable(struct engine *e, const struct queue_message *m, enum err err,
                     struct slice why)
{
    struct note *n = engine_note(e, NOTE_UNREADABLE, m->id);
    engine_tell(e, n, "from", queue_sender(m));
    note_text(n, "error", slice_cstr(err_name(err)));
    engine_tell(e, n, "reason", why);
}

void body_fetch(struct engine *e, struct queue_message *m)
{
    if (m->is_fetching)
        return;
    m->is_fetching = true;
    m->pending++;
    uint64_t ticket = ticket_new(e, TICKET_BODY, NULL, 0, m->id);
    struct engine_action *a = engine_do(e, ACTION_FETCH);
    a->ticket = ticket;
    a->id = m->id;
    a->pos = m->accept;
}
