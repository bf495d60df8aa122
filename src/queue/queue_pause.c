/* queue_pause.c -- paused destinations: a small set of names, or everything. */
#include "queue/queue.h"

#include <string.h>

struct queue_pause {
    size_t n;
    char name[];
};

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
