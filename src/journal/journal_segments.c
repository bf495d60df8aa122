/* journal_segments.c -- which segments and spare files there are, and which may go.
 *
 * Two rules bind a dead segment:
 * - Released ones go in the order of their release, each only when the one before is gone for good:
 *   an outcome may stand in the later one whose message stands in the earlier one.
 * - One that says where another one ends (holds its seal) outlives it, or the seal moves: the next
 *   header repeats what stands in dead segments only. So a dead segment waits for one header at
 *   most, not for the life of another segment. */
#include "journal_inside.h"

#include <string.h>

void shelf_close(struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++)
        mem_free(s->segment[i]);
    mem_free(s->segment);
    *s = (struct shelf){0};
}

struct segment *shelf_find(const struct shelf *s, uint64_t sequence)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t here = s->segment[middle]->header.sequence;
        if (here == sequence)
            return s->segment[middle];
        if (here < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct segment *shelf_add(struct shelf *s, const struct journal_header *h)
{
    CHECK(s->count == 0 || h->sequence > s->segment[s->count - 1]->header.sequence);
    if (h->sequence >= s->next_sequence)
        s->next_sequence = h->sequence + 1;
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->segment = mem_resize(s->segment, s->cap * sizeof *s->segment);
    }
    struct segment *g = mem_new(sizeof *g);
    g->header = *h;
    s->segment[s->count++] = g;
    s->live_bytes += h->segment_bytes;
    return g;
}

void shelf_remove(struct shelf *s, struct segment *g)
{
    size_t i = 0;
    while (s->segment[i] != g)
        i++;
    shelf_dead(s, g, false);
    s->live_bytes -= g->header.segment_bytes;
    memmove(s->segment + i, s->segment + i + 1, (s->count - i - 1) * sizeof(struct segment *));
    s->count--;
    mem_free(g);
}

void shelf_dead(struct shelf *s, struct segment *g, bool is_dead)
{
    if (g->is_dead == is_dead)
        return;
    g->is_dead = is_dead;
    if (is_dead)
        s->dead_count++;
    else
        s->dead_count--;
    g->turn = 0;
}

void shelf_release(struct shelf *s, struct segment *g)
{
    if (g->is_dead)
        return;
    shelf_dead(s, g, true);
    g->turn = ++s->turns;
}

static bool holds_seal(const struct shelf *s, uint64_t sequence)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->segment[i]->sealed_by == sequence)
            return true;
    }
    return false;
}

struct segment *shelf_next_retired(const struct shelf *s, uint64_t epoch,
                                   const struct segment *current)
{
    struct segment *first = NULL;
    size_t seen = 0;
    for (size_t i = 0; i < s->count && seen < s->dead_count; i++) {
        struct segment *g = s->segment[i];
        if (!g->is_dead)
            continue;
        seen++;
        if (g->turn == 0 && g != current && !g->is_indexing && !holds_seal(s, g->header.sequence))
            return g;
        if (g->turn && (!first || g->turn < first->turn))
            first = g;
    }
    if (!first || first == current || first->is_indexing || epoch < first->needs_epoch ||
        holds_seal(s, first->header.sequence))
        return NULL;
    return first;
}

/* The holder of its seal is dead and will not see it go. */
static bool has_dying_seal(const struct shelf *s, const struct segment *g)
{
    if (g->sealed_by == 0)
        return false;
    const struct segment *holder = shelf_find(s, g->sealed_by);
    return !holder || (holder->is_dead && (!g->is_dead || g->turn > holder->turn));
}

static bool holds_dying_seal(const struct shelf *s, uint64_t sequence)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->segment[i]->sealed_by == sequence && has_dying_seal(s, s->segment[i]))
            return true;
    }
    return false;
}

size_t shelf_failed_count(const struct shelf *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct segment *g = s->segment[i];
        n += g->is_failed && g->is_dead && g->turn == 0 && !holds_dying_seal(s, g->header.sequence);
    }
    return n;
}

bool shelf_is_stuck(const struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (has_dying_seal(s, s->segment[i]))
            return true;
    }
    return false;
}

bool shelf_wants_seals(const struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->segment[i]->needs_seal)
            return true;
    }
    return shelf_is_stuck(s);
}

bool shelf_add_spare(struct shelf *s, struct spare spare)
{
    if (s->spare_count == SPARES_KNOWN_MAX)
        return false;
    if (spare.number >= s->next_spare)
        s->next_spare = spare.number + 1;
    s->spare[s->spare_count++] = spare;
    return true;
}

struct spare shelf_take_spare(struct shelf *s)
{
    if (s->spare_count == 0)
        return (struct spare){0};
    size_t best = 0;
    for (size_t i = 1; i < s->spare_count; i++) {
        if (s->spare[best].is_quick && !s->spare[i].is_quick)
            best = i;
    }
    struct spare taken = s->spare[best];
    s->spare_count--;
    memmove(s->spare + best, s->spare + best + 1, (s->spare_count - best) * sizeof *s->spare);
    return taken;
}

size_t shelf_filled_count(const struct shelf *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->spare_count; i++)
        n += !s->spare[i].is_quick;
    return n;
}

uint64_t shelf_new_spare_number(struct shelf *s)
{
    return s->reuse_count ? s->reuse[--s->reuse_count] : s->next_spare++;
}

void shelf_reuse_number(struct shelf *s, uint64_t number)
{
    if (number && s->reuse_count < SPARES_KNOWN_MAX)
        s->reuse[s->reuse_count++] = number;
}

/* Whose seal comes next into the header of `holder`: those that stand nowhere, then those of the
 * oldest holders, so that all have their turn. */
static struct segment *next_to_seal(const struct shelf *s, uint64_t holder)
{
    struct segment *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct segment *g = s->segment[i];
        if (g->next_sealed_by == holder || !(g->needs_seal || has_dying_seal(s, g)))
            continue;
        if (!best || g->sealed_by < best->sealed_by)
            best = g;
    }
    return best;
}

size_t shelf_write_head(struct shelf *s, const struct segment *g, char *head)
{
    journal_header_build(&g->header, head);
    struct buf seals;
    buf_init(&seals, FIRST_BYTES_MAX);
    for (int count = 0; count < JOURNAL_SEALS_MAX; count++) {
        struct segment *sealed = next_to_seal(s, g->header.sequence);
        if (!sealed)
            break;
        char text[JOURNAL_SEAL_BYTES];
        struct slice part = slice_of(text, sizeof text);
        journal_seal_build(&(struct journal_seal){.segment = sealed->header.sequence,
                                                  .nonce = sealed->header.nonce,
                                                  .valid_end = sealed->valid_end},
                           text);
        bool is_built = journal_record_build(&seals, &g->header, JOURNAL_TYPE_OWN, 0, &part, 1);
        CHECK(is_built);
        sealed->next_sealed_by = g->header.sequence;
    }
    size_t n = JOURNAL_HEADER_BYTES + seals.n;
    if (seals.n)
        memcpy(head + JOURNAL_HEADER_BYTES, seals.p, seals.n);
    memset(head + n, 0, JOURNAL_FRAME_BYTES); /* the end mark */
    buf_close(&seals);
    return n;
}

void shelf_end_seals(struct shelf *s, uint64_t holder, bool is_written)
{
    for (size_t i = 0; i < s->count; i++) {
        struct segment *g = s->segment[i];
        if (g->next_sealed_by != holder)
            continue;
        g->next_sealed_by = 0;
        if (is_written) {
            g->sealed_by = holder;
            g->needs_seal = false;
        }
    }
}
