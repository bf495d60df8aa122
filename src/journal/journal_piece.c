/* journal_piece.c -- a piece: what fits of the batch in flight into the current segment, and what
 * those are told who wait for it. */
#include "journal_inside.h"

#include "journal_frame.h"

#include <string.h>

static void complete(struct journal *j, const struct entry *e, enum err err, struct journal_pos pos)
{
    if (j->completion_first == j->completion_count)
        j->completion_first = j->completion_count = 0;
    if (j->completion_count == j->completion_cap) {
        j->completion_cap = j->completion_cap ? j->completion_cap * 2 : 64;
        j->completion = mem_resize(j->completion, j->completion_cap * sizeof *j->completion);
    }
    j->completion[j->completion_count++] =
        (struct journal_completion){.ticket = e->ticket, .err = err, .pos = pos};
}

void piece_fail_entry(struct journal *j, const struct entry *e, enum err err)
{
    if (!e->needs_sync)
        lost_add(&j->lost, e->id);
    complete(j, e, err, (struct journal_pos){0});
}

void piece_complete(struct journal *j, bool is_synced)
{
    struct segment *g = j->current;
    uint32_t base = j->end - j->piece.bytes;
    for (size_t i = j->piece.first; i < j->piece.end; i++) {
        const struct entry *e = &j->flight.entry[i];
        if (e->is_dropped) {
            complete(j, e, ERR_SYSTEM, (struct journal_pos){0});
            continue;
        }
        uint32_t offset = base + (e->at - j->piece.at);
        complete(j, e, ERR_OK, (struct journal_pos){g->header.sequence, offset, e->payload_bytes});
        g->records++;
        j->usage.records++;
        if (!is_synced) {
            CHECK(j->unsynced_count < JOURNAL_UNSYNCED_RECORDS_MAX);
            j->unsynced[j->unsynced_count++] = e->id;
        }
    }
    if (!is_synced && j->piece.bytes) {
        j->unsynced_bytes += j->piece.bytes;
        j->is_dirty = true;
    }
    if (j->piece.bytes)
        shelf_dead(&j->shelf, g, false); /* whatever was said before, now it holds new records */
}

bool piece_place(struct journal *j)
{
    struct batch *b = &j->flight;
    struct piece *p = &j->piece;
    uint64_t nonce = j->current->header.nonce;
    uint64_t room = j->options.segment_bytes - j->end;
    size_t unsynced = j->unsynced_count;
    *p = (struct piece){.first = b->done, .end = b->done, .at = b->entry[b->done].at};
    while (p->end < b->count) {
        struct entry *e = &b->entry[p->end];
        size_t span = entry_span(e);
        if (span > room - p->bytes)
            break;
        p->end++;
        if (e->is_dropped)
            continue;
        journal_frame_finish(b->bytes.p + e->at, nonce, j->synced_end);
        p->bytes += (uint32_t)span;
        p->needs_sync = p->needs_sync || e->needs_sync;
        unsynced++;
    }
    if (p->end == p->first)
        return false;
    if (j->wants_flush || unsynced > JOURNAL_UNSYNCED_RECORDS_MAX ||
        j->unsynced_bytes + p->bytes > UNSYNCED_BYTES_MAX)
        p->needs_sync = p->bytes > 0;
    b->done = p->end;
    return true;
}

struct slice piece_bytes(struct journal *j)
{
    struct piece *p = &j->piece;
    char *from = j->flight.bytes.p + p->at;
    size_t n = p->bytes;
    if (j->options.segment_bytes - j->end - n >= JOURNAL_FRAME_BYTES) {
        p->stash_at = from + n; /* in a split batch the next record stands there */
        memcpy(p->stash, p->stash_at, sizeof p->stash);
        memset(p->stash_at, 0, JOURNAL_FRAME_BYTES);
        n += JOURNAL_FRAME_BYTES;
    }
    return slice_of(from, n);
}

void piece_unstash(struct journal *j)
{
    if (j->piece.stash_at)
        memcpy(j->piece.stash_at, j->piece.stash, sizeof j->piece.stash);
    j->piece.stash_at = NULL;
}
