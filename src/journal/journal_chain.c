/* journal_chain.c -- the write chain: which io comes next, and what its result means.
 *
 *   AT_REST --batch fits--------------------------------> WRITING -> SYNCING -> AT_REST
 *      |                                                     (no sync asked: straight back)
 *      +--needs a segment--> LEAVING -> WAITING -> ADOPTING -> HEADING -> HEADING_SYNC -> AT_REST
 *      |                    (if dirty) (for a spare)
 *      +--wants_flush------> FLUSHING -> AT_REST
 *
 * A failure of WRITING or SYNCING fails the piece, of LEAVING or FLUSHING loses what was not synced
 * (both give up the segment); of what lies between it fails the batch that waits. Then AT_REST:
 * nothing is tried twice on the same pages. */
#include "journal_inside.h"

/* --- syncs and failures --- */

static void on_synced(struct journal *j)
{
    j->usage.syncs++;
    j->sync_epoch++;
    j->synced_end = j->end;
    j->unsynced_count = 0;
    j->unsynced_bytes = 0;
    j->is_dirty = j->wants_flush = false;
}

/* Nothing more goes into the current segment. */
static void leave(struct journal *j)
{
    struct segment *g = j->current;
    if (g && g->records == 0)
        shelf_dead(&j->shelf, g, true); /* its owner never heard of it */
    else if (g && !g->is_failed)
        indices_on_clean(j, g, j->end); /* what it holds is synced by now */
    j->current = NULL;
}

/* A sync failed: whatever was not synced in the current segment may be gone. */
static void give_up_segment(struct journal *j)
{
    for (size_t i = 0; i < j->unsynced_count; i++)
        lost_add(&j->lost, j->unsynced[i]);
    j->unsynced_count = 0;
    j->unsynced_bytes = 0;
    j->is_dirty = j->wants_flush = false;
    j->sync_epoch++; /* nothing is left that a release could wait for */
    j->current->is_failed = true;
    j->usage.failed_batches++;
    leave(j);
    room_plan_all(j);
}

/* The piece's bytes may be on disk or not: they must never count. A seal in the next segment says
 * so; it is written at once, not with the next mail. */
static void fail_piece(struct journal *j, enum err err)
{
    for (size_t i = j->piece.first; i < j->piece.end; i++)
        piece_fail_entry(j, &j->flight.entry[i], err);
    struct segment *g = j->current;
    g->needs_seal = true;
    g->valid_end = j->step == WRITING ? j->end : j->end - j->piece.bytes;
    j->wants_seal = true;
    j->step = AT_REST;
    give_up_segment(j);
}

void chain_fail_waiting(struct journal *j, enum err err)
{
    for (size_t i = j->flight.done; i < j->flight.count; i++)
        piece_fail_entry(j, &j->flight.entry[i], err);
    if (j->flight.done < j->flight.count)
        j->usage.failed_batches++;
    j->flight.done = j->flight.count;
    j->wants_seal = false; /* with the next segment, or when it is time to try again */
    j->is_seal_blocked = shelf_wants_seals(&j->shelf);
    j->step = AT_REST;
    room_plan_all(j);
}

/* --- what to do next, as far as it needs no io --- */

static void swap_batches(struct journal *j)
{
    struct batch empty = j->flight;
    batch_clear(&empty);
    j->flight = j->gathering;
    j->gathering = empty;
    if (j->flight.count)
        batch_end(&j->flight);
}

/* Nothing to do: memory of a rush is given back. */
static void rest(struct journal *j)
{
    if (j->flight.bytes.cap > BATCH_KEPT_BYTES && j->flight.done == j->flight.count) {
        batch_clear(&j->flight);
        buf_trim(&j->flight.bytes);
    }
}

static bool wants_better_segment(const struct journal *j)
{
    /* Not where a segment left early would soon be missed. */
    return j->current->is_quick && shelf_filled_count(&j->shelf) > 0 &&
           j->options.bytes_max >= 8 * j->options.segment_bytes;
}

static void new_segment(struct journal *j)
{
    if (j->current && j->is_dirty) {
        j->step = LEAVING;
        return;
    }
    leave(j);
    j->step = WAITING;
    j->wants_ready = false;
}

/* False: nothing to adopt yet. */
static bool take_spare(struct journal *j)
{
    if (shelf_failed_count(&j->shelf) >= FAILED_SEGMENTS_MAX) {
        chain_fail_waiting(j, ERR_FULL);
        return true;
    }
    struct spare spare = shelf_take_spare(&j->shelf);
    if (spare.number == 0) {
        if (j->is_make_out || room_may_make(j, true))
            return false;
        chain_fail_waiting(j, ERR_FULL);
        return true;
    }
    struct journal_header h = {
        .sequence = j->shelf.next_sequence,
        .nonce = rng_u64(&j->rng),
        .installation = j->options.installation,
        .segment_bytes = j->options.segment_bytes,
    };
    j->coming = shelf_add(&j->shelf, &h);
    j->coming->is_quick = spare.is_quick;
    j->coming_spare = spare.number;
    j->step = ADOPTING;
    return true;
}

/* Before the first mail: a segment is adopted ahead, so that it need not wait for that. */
static bool may_get_ready(const struct journal *j)
{
    return j->wants_ready && !j->current && shelf_filled_count(&j->shelf) > 0;
}

static void start_work(struct journal *j)
{
    if (j->flight.done == j->flight.count)
        swap_batches(j);
    bool has_batch = j->flight.done < j->flight.count;
    j->wants_seal = j->wants_seal && shelf_wants_seals(&j->shelf);
    if (!has_batch && !j->wants_seal && !may_get_ready(j)) {
        if (j->wants_flush && j->is_dirty)
            j->step = FLUSHING;
        j->wants_flush = false;
        return;
    }
    if (has_batch)
        lost_drop(&j->lost, &j->flight);
    if (!j->current || wants_better_segment(j) || !has_batch || !piece_place(j)) {
        new_segment(j);
        return;
    }
    if (j->piece.bytes)
        j->step = WRITING;
    else
        piece_complete(j, true);
}

bool chain_has_work(const struct journal *j)
{
    return may_get_ready(j) || j->flight.done < j->flight.count || j->gathering.count > 0 ||
           j->wants_seal || (j->wants_flush && j->is_dirty);
}

void chain_advance(struct journal *j)
{
    for (;;) {
        if (j->step == AT_REST && chain_has_work(j))
            start_work(j);
        else if (j->step != WAITING || !take_spare(j))
            break;
    }
    if (j->step == AT_REST)
        rest(j);
}

/* --- io out --- */

struct journal_io chain_io(struct journal *j)
{
    uint64_t here = j->current ? j->current->header.sequence : 0;
    switch (j->step) {
    case AT_REST:
    case WAITING:
        break;
    case LEAVING:
    case SYNCING:
    case FLUSHING:
        return (struct journal_io){.kind = JOURNAL_IO_SYNC, .segment = here};
    case ADOPTING:
        return (struct journal_io){.kind = JOURNAL_IO_ADOPT,
                                   .segment = j->coming->header.sequence,
                                   .spare = j->coming_spare};
    case HEADING:
        j->coming->header.created_ms = j->now_ms;
        j->head_bytes = shelf_write_head(&j->shelf, j->coming, j->head);
        return (struct journal_io){.kind = JOURNAL_IO_WRITE,
                                   .sync_follows = true,
                                   .segment = j->coming->header.sequence,
                                   .bytes = slice_of(j->head, j->head_bytes + JOURNAL_FRAME_BYTES)};
    case HEADING_SYNC:
        return (struct journal_io){.kind = JOURNAL_IO_SYNC, .segment = j->coming->header.sequence};
    case WRITING:
        return (struct journal_io){.kind = JOURNAL_IO_WRITE,
                                   .sync_follows = j->piece.needs_sync,
                                   .segment = here,
                                   .offset = j->end,
                                   .bytes = piece_bytes(j)};
    }
    return (struct journal_io){0};
}

/* --- results in --- */

static void on_header_synced(struct journal *j)
{
    shelf_end_seals(&j->shelf, j->coming->header.sequence, true);
    j->usage.syncs++;
    j->current = j->coming;
    j->has_had_segment = true;
    j->coming = NULL;
    j->end = j->synced_end = (uint32_t)j->head_bytes;
    j->wants_seal = false;
    j->is_seal_blocked = shelf_wants_seals(&j->shelf); /* more than one header holds */
    j->step = AT_REST;
    room_plan_all(j);
}

/* The new segment never held a record: its file, if there is one, goes. */
static void fail_coming(struct journal *j, enum err err)
{
    struct segment *g = j->coming;
    shelf_end_seals(&j->shelf, g->header.sequence, false);
    if (j->step == ADOPTING)
        shelf_reuse_number(&j->shelf, j->coming_spare);
    g->is_failed = true;
    shelf_dead(&j->shelf, g, true);
    j->coming = NULL;
    chain_fail_waiting(j, err);
}

static void on_written(struct journal *j)
{
    piece_unstash(j);
    j->end += j->piece.bytes;
    j->usage.batches++;
    j->usage.written_bytes += j->piece.bytes;
    if (j->piece.needs_sync) {
        j->step = SYNCING;
        return;
    }
    j->step = AT_REST;
    piece_complete(j, false);
}

static void on_done(struct journal *j)
{
    switch (j->step) {
    case AT_REST:
    case WAITING:
        break;
    case LEAVING:
        on_synced(j);
        leave(j);
        j->step = WAITING;
        break;
    case ADOPTING:
        j->step = HEADING;
        break;
    case HEADING:
        j->step = HEADING_SYNC;
        break;
    case HEADING_SYNC:
        on_header_synced(j);
        break;
    case WRITING:
        on_written(j);
        break;
    case SYNCING:
        j->step = AT_REST;
        piece_complete(j, true);
        on_synced(j);
        break;
    case FLUSHING:
        on_synced(j);
        j->step = AT_REST;
        break;
    }
}

static void on_failed(struct journal *j, enum err err)
{
    switch (j->step) {
    case AT_REST:
    case WAITING:
        break;
    case LEAVING: /* what follows goes elsewhere and does not fail with it */
    case FLUSHING:
        j->step = AT_REST;
        give_up_segment(j);
        break;
    case ADOPTING:
    case HEADING:
    case HEADING_SYNC:
        fail_coming(j, err);
        break;
    case WRITING:
    case SYNCING:
        piece_unstash(j);
        fail_piece(j, err);
        break;
    }
}

void chain_on_io(struct journal *j, enum err result)
{
    CHECK(j->is_chain_out);
    j->is_chain_out = false;
    if (result == ERR_OK)
        on_done(j);
    else
        on_failed(j, result);
}
