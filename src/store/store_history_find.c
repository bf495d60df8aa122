/* store_history_find.c -- look-ups in the history: each waits until what was appended before it is
 * in a file, then searches on the pool, in a picture of the files as they are at that moment. */
#include "store_history_inside.h"

#include <string.h>

struct history_find {
    uv_work_t work;
    struct list waiting;
    struct store_history *owner;
    uint64_t after; /* starts when so many have been written */
    struct history_search search;
    void (*found)(void *ctx, const struct store_history_answer *a);
    void *ctx;
    enum err err;
    struct fault why;
};

static void free_search(struct history_search *s)
{
    mem_free(s->hot[0].offset);
    mem_free(s->hot[1].offset);
    mem_free(s->sealed);
    mem_free(s->payload);
    buf_close(&s->bytes);
}

static void tell(struct history_find *f)
{
    const struct store_history_answer a = {.err = f->err,
                                           .count = f->search.count,
                                           .payload = f->search.payload,
                                           .has_more = f->search.has_more};
    f->owner->find_count--;
    f->found(f->ctx, &a);
    free_search(&f->search);
    mem_free(f);
}

static void on_find_work(uv_work_t *work)
{
    struct history_find *f = work->data;
    f->err = history_disk_search(&f->owner->disk, &f->search, &f->why);
}

static void on_find_done(uv_work_t *work, int status)
{
    struct history_find *f = work->data;
    struct store_history *h = f->owner;
    h->finding--;
    if (f->err && h->cb.trouble)
        h->cb.trouble(h->cb.ctx, f->err, &f->why);
    tell(f);
    history_pump(h);
}

static void find_hot(const struct history_growing *g, struct history_search *s, struct hot *out)
{
    unsigned wanted = s->limit + 1;
    out->sequence = g->sequence;
    out->offset = mem_new((size_t)s->key_count * wanted * sizeof *out->offset);
    for (unsigned k = 0; k < s->key_count && g->sequence; k++)
        out->count += history_index_find(&g->index, s->key[k], out->offset + out->count, wanted);
    out->count = history_sort_offsets(out->offset, out->count);
}

static void start_find(struct store_history *h, struct history_find *f)
{
    struct history_search *s = &f->search;
    h->finding++;
    find_hot(&h->growing, s, &s->hot[0]);
    find_hot(&h->sealing, s, &s->hot[1]);
    s->sealed_count = h->sealed_count;
    s->sealed = mem_new((h->sealed_count + 1) * sizeof *s->sealed);
    for (size_t i = 0; i < h->sealed_count; i++)
        s->sealed[i] = h->sealed[i].head;
    history_queue_work(h, &f->work, on_find_work, on_find_done);
}

void history_tell_all(struct store_history *h, enum err err)
{
    struct list *n;
    while ((n = list_take_first(&h->finds))) {
        struct history_find *f = CONTAINER_OF(n, struct history_find, waiting);
        f->err = err;
        tell(f);
    }
}

void history_start_finds(struct store_history *h)
{
    if (!h->is_open && !h->is_opening) { /* off, or the directory cannot be used */
        history_tell_all(h, h->is_write_ill ? ERR_SYSTEM : ERR_OK);
        return;
    }
    while (h->is_open && h->finding < HISTORY_FINDS_AT_ONCE && !list_is_empty(&h->finds)) {
        struct history_find *f = CONTAINER_OF(h->finds.next, struct history_find, waiting);
        if (h->written < f->after && h->is_writing)
            break; /* when nothing is being written, nothing can be: search what there is */
        list_remove(&f->waiting);
        start_find(h, f);
    }
}

void history_finds_wait(struct store_history *h)
{
    for (struct list *n = h->finds.next; n != &h->finds; n = n->next)
        CONTAINER_OF(n, struct history_find, waiting)->after = h->appended;
}

bool store_history_find(struct store_history *h, const uint64_t *key, unsigned key_count,
                        unsigned limit,
                        void (*found)(void *ctx, const struct store_history_answer *a), void *ctx)
{
    CHECK(key_count <= STORE_HISTORY_FIND_KEYS_MAX);
    if (h->is_closing || h->find_count == STORE_HISTORY_FINDS_MAX)
        return false;
    struct history_find *f = mem_new(sizeof *f);
    f->work.data = f;
    f->owner = h;
    f->after = h->appended;
    f->found = found;
    f->ctx = ctx;
    memcpy(f->search.key, key, key_count * sizeof *key);
    f->search.key_count = key_count;
    f->search.limit = limit < STORE_HISTORY_FIND_MAX ? limit : STORE_HISTORY_FIND_MAX;
    h->lookups++;
    h->find_count++;
    list_add_last(&h->finds, &f->waiting);
    if (!h->is_opening && !h->is_open)
        history_start_open(
            h); /* off or ill: one more look, so that the answer comes from the loop */
    else if (h->is_open && !h->is_write_ill)
        history_start_write(h);
    history_start_finds(h);
    return true;
}
