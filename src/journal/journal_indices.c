/* journal_indices.c -- which segment gets an index, and when.
 *
 * One that was left in good order (or found so at start) and is alive: its bytes will not change
 * any more, and all of them are on disk. (One with a seal against it is never indexed: after a
 * failed sync nobody knows what of it is on disk.) The one left last is passed over: on a relay
 * whose mail flows it is dead a moment later, and a start walks one segment more without anybody
 * noticing.
 *
 * Nothing depends on the outcome. A failure is tried again after one flush, then after two, four,
 * ... so that a full disk is not read for nothing all the time. */
#include "journal_inside.h"

void indices_on_clean(struct journal *j, struct segment *g, uint32_t end)
{
    g->is_clean = true;
    g->valid_end = end;
    j->wants_index = true;
}

void indices_on_flush(struct journal *j)
{
    if (!j->is_index_blocked || --j->index_rest > 0)
        return;
    j->is_index_blocked = false;
    j->wants_index = true;
}

static bool is_wanting(const struct segment *g)
{
    return g->is_clean && !g->is_indexed && !g->is_dead && !g->is_failed;
}

/* The oldest that wants one. */
static struct segment *next_wanting(const struct journal *j)
{
    const struct shelf *s = &j->shelf;
    size_t count = s->count;
    while (count > 0 && (s->segment[count - 1] == j->current || s->segment[count - 1] == j->coming))
        count--;
    for (size_t i = 0; i + 1 < count; i++) {
        if (is_wanting(s->segment[i]))
            return s->segment[i];
    }
    return NULL;
}

struct journal_io indices_io(struct journal *j)
{
    if (!j->wants_index || !j->is_started || j->is_index_out || j->is_index_blocked)
        return (struct journal_io){0};
    struct segment *g = next_wanting(j);
    j->wants_index = g != NULL;
    if (!g)
        return (struct journal_io){0};
    j->is_index_out = g->is_indexing = true;
    return (struct journal_io){
        .kind = JOURNAL_IO_INDEX, .segment = g->header.sequence, .offset = g->valid_end};
}

void indices_on_made(struct journal *j, const struct journal_io *io, enum err result)
{
    struct segment *g = shelf_find(&j->shelf, io->segment);
    CHECK(j->is_index_out && g && g->is_indexing);
    j->is_index_out = g->is_indexing = false;
    if (result == ERR_OK) {
        g->is_indexed = true;
        g->index_bytes = io->index_bytes;
        j->usage.indices_made += io->index_bytes > 0;
        j->index_rest_next = 1;
        return;
    }
    j->usage.indices_failed += result != ERR_CLOSED;
    if (result == ERR_BAD) {
        g->is_indexed = true; /* a start will say what is wrong with it */
        return;
    }
    j->is_index_blocked = true;
    j->index_rest = j->index_rest_next;
    if (j->index_rest_next < INDEX_REST_MAX)
        j->index_rest_next *= 2;
}
