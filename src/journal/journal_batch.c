/* journal_batch.c -- records in a row on their way to the disk, and the ids whose earlier records
 * were lost. */
#include "journal_inside.h"

#include <string.h>

void batch_init(struct batch *b)
{
    *b = (struct batch){0};
    buf_init(&b->bytes, JOURNAL_BATCH_BYTES_MAX + JOURNAL_FRAME_BYTES);
}

void batch_close(struct batch *b)
{
    buf_close(&b->bytes);
    mem_free(b->entry);
    *b = (struct batch){0};
}

void batch_clear(struct batch *b)
{
    buf_clear(&b->bytes);
    b->count = b->done = 0;
}

struct entry *batch_add(struct batch *b)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 64;
        b->entry = mem_resize(b->entry, b->cap * sizeof *b->entry);
    }
    return &b->entry[b->count++];
}

size_t entry_span(const struct entry *e)
{
    return e->is_dropped ? 0 : journal_record_span(e->payload_bytes);
}

void batch_end(struct batch *b)
{
    static const char zeroes[JOURNAL_FRAME_BYTES];
    bool is_added = buf_add(&b->bytes, slice_of(zeroes, sizeof zeroes));
    CHECK(is_added);
}

void lost_init(struct lost_ids *l, uint64_t seed)
{
    *l = (struct lost_ids){0};
    map_init(&l->ids, seed);
}

void lost_close(struct lost_ids *l)
{
    map_close(&l->ids);
    mem_free(l->ring);
    *l = (struct lost_ids){0};
}

void lost_add(struct lost_ids *l, uint64_t id)
{
    if (map_get_id(&l->ids, id))
        return;
    if (!l->ring)
        l->ring = mem_new(JOURNAL_LOST_IDS_MAX * sizeof *l->ring);
    if (l->count == JOURNAL_LOST_IDS_MAX)
        (void)map_take_id(&l->ids, l->ring[l->next]);
    else
        l->count++;
    l->ring[l->next] = id;
    l->next = (l->next + 1) % JOURNAL_LOST_IDS_MAX;
    map_put_id(&l->ids, id, l);
}

void lost_drop(struct lost_ids *l, struct batch *b)
{
    if (l->ids.count == 0)
        return;
    size_t from = b->done;
    while (from < b->count &&
           !(b->entry[from].needs_sync && map_get_id(&l->ids, b->entry[from].id)))
        from++;
    if (from == b->count)
        return;
    size_t to = b->entry[from].at;
    for (size_t i = from; i < b->count; i++) {
        struct entry *e = &b->entry[i];
        if (e->needs_sync && map_take_id(&l->ids, e->id))
            e->is_dropped = true;
        size_t span = entry_span(e);
        memmove(b->bytes.p + to, b->bytes.p + e->at, span);
        e->at = (uint32_t)to;
        to += span;
    }
    b->bytes.n = to;
    batch_end(b);
}
