/* queue_checkpoint.c -- checkpoints as a start finds them.
 *
 * Each says of the accept records in one segment, from one offset to another, which ones counted
 * when it was written. They are applied after the last record: by then a message whose accept
 * record still stands there is one of those listed, or one that had finished before, whose outcome
 * may be gone already. Later ones of the same segment only say less. */
#include "queue_inside.h"

#include <stdlib.h>

enum { LIST_ENTRY_BYTES = 4 };

struct queue_checkpoint_list {
    struct kept {
        uint64_t segment, holder;
        uint32_t from, to;
        char *offsets; /* owned; as in the record */
        size_t count;
    } * kept;
    size_t count, cap;
};

bool checkpoints_add(struct queue_checkpoint_list **list, const struct journal_record *r)
{
    struct queue_checkpoint c;
    if (queue_checkpoint_parse(r->payload, &c) != PARSE_DONE || c.segment >= r->pos.segment)
        return false;
    struct queue_checkpoint_list *l = *list;
    if (!l)
        l = *list = mem_new(sizeof *l);
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->kept = mem_resize(l->kept, l->cap * sizeof *l->kept);
    }
    l->kept[l->count++] = (struct kept){.segment = c.segment,
                                        .holder = r->pos.segment,
                                        .from = c.from,
                                        .to = c.to,
                                        .offsets = mem_dup(c.offsets.p, c.offsets.n),
                                        .count = c.count};
    return true;
}

static uint32_t offset_at(const struct kept *k, size_t i)
{
    struct reader r = {.in = slice_of(k->offsets + i * LIST_ENTRY_BYTES, LIST_ENTRY_BYTES)};
    return read_u32(&r);
}

static bool has_offset(const struct kept *k, uint32_t offset)
{
    size_t low = 0, high = k->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        uint32_t here = offset_at(k, middle);
        if (here == offset)
            return true;
        if (here < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static int by_segment(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->holder < y->holder ? -1 : x->holder > y->holder;
}

void checkpoints_sort(struct queue_checkpoint_list *l)
{
    if (l)
        qsort(l->kept, l->count, sizeof *l->kept, by_segment);
}

bool checkpoints_deny(const struct queue_checkpoint_list *l, struct journal_pos pos)
{
    size_t low = 0, high = l ? l->count : 0; /* the first one of its segment */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (l->kept[middle].segment < pos.segment)
            low = middle + 1;
        else
            high = middle;
    }
    for (; l && low < l->count && l->kept[low].segment == pos.segment; low++) {
        const struct kept *k = &l->kept[low];
        if (k->from <= pos.offset && pos.offset < k->to && !has_offset(k, pos.offset))
            return true;
    }
    return false;
}

void checkpoints_close(struct queue_checkpoint_list **list)
{
    struct queue_checkpoint_list *l = *list;
    for (size_t i = 0; l && i < l->count; i++)
        mem_free(l->kept[i].offsets);
    if (l)
        mem_free(l->kept);
    mem_free(l);
    *list = NULL;
}

void checkpoints_apply(struct queue *q)
{
    struct queue_checkpoint_list *l = q->checkpoints;
    if (!l)
        return;
    checkpoints_sort(l);
    for (struct queue_message *m = queue_first(q); m;) {
        uint64_t id = m->id;
        if (checkpoints_deny(l, m->accept))
            message_end(q, m);
        m = queue_after_id(q, id);
    }
    for (size_t i = 0; i < l->count; i++)
        segment_needs(q, segment_get(q, l->kept[i].holder), l->kept[i].segment);
    checkpoints_close(&q->checkpoints);
}
