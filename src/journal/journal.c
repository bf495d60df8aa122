/* journal.c -- the write chain: which io comes next, and what its result means.
 *
 *   AT_REST --batch fits--------------------------------> WRITING -> SYNCING -> AT_REST
 *      |                                                     (no sync asked: straight back)
 *      +--needs a segment--> LEAVING -> WAITING -> ADOPTING -> HEADING -> HEADING_SYNC -> AT_REST
 *      |                    (if dirty) (for a spare)
 *      +--wants_flush------> FLUSHING -> AT_REST
 *
 * A failure of WRITING or SYNCING fails the piece, of LEAVING or FLUSHING loses what was not synced
 * (both give up the segment); of what lies between it fails the batch that waits. Then AT_REST:
 * nothing is tried twice on the same pages.
 *
 * Left to journal_batch.c: records in a row. To journal_segments.c: which files there are. To
 * journal_room.c: disk space. */
#include "journal_inside.h"

#include "journal_frame.h"

#include <string.h>

/* --- completions --- */

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

static void fail_entry(struct journal *j, const struct entry *e, enum err err)
{
    if (!e->needs_sync)
        lost_add(&j->lost, e->id);
    complete(j, e, err, (struct journal_pos){0});
}

static void complete_piece(struct journal *j, bool is_synced)
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
    if (j->current && j->current->records == 0)
        shelf_dead(&j->shelf, j->current, true); /* its owner never heard of it */
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

static void unstash(struct journal *j)
{
    if (j->piece.stash_at)
        memcpy(j->piece.stash_at, j->piece.stash, sizeof j->piece.stash);
    j->piece.stash_at = NULL;
}

/* The piece's bytes may be on disk or not: they must never count. A seal in the next segment says
 * so; it is written at once, not with the next mail. */
static void fail_piece(struct journal *j, enum err err)
{
    for (size_t i = j->piece.first; i < j->piece.end; i++)
        fail_entry(j, &j->flight.entry[i], err);
    struct segment *g = j->current;
    g->needs_seal = true;
    g->valid_end = j->step == WRITING ? j->end : j->end - j->piece.bytes;
    j->wants_seal = true;
    j->step = AT_REST;
    give_up_segment(j);
}

/* No segment can be had. */
static void fail_waiting(struct journal *j, enum err err)
{
    for (size_t i = j->flight.done; i < j->flight.count; i++)
        fail_entry(j, &j->flight.entry[i], err);
    if (j->flight.done < j->flight.count)
        j->usage.failed_batches++;
    j->flight.done = j->flight.count;
    j->wants_seal = false; /* with the next segment, whenever that is */
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

/* Takes what fits of the batch in flight into the current segment. False: not even one record. */
static bool place_piece(struct journal *j)
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

/* The piece's bytes with the end mark behind them, where there is room for one. */
static struct slice piece_bytes(struct journal *j)
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
        fail_waiting(j, ERR_FULL);
        return true;
    }
    struct spare spare = shelf_take_spare(&j->shelf);
    if (spare.number == 0) {
        if (j->is_make_out || room_may_make(j, true))
            return false;
        fail_waiting(j, ERR_FULL);
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
    if (!has_batch && !j->wants_seal && !may_get_ready(j)) {
        if (j->wants_flush && j->is_dirty)
            j->step = FLUSHING;
        j->wants_flush = false;
        return;
    }
    if (has_batch)
        lost_drop(&j->lost, &j->flight);
    if (!j->current || wants_better_segment(j) || !has_batch || !place_piece(j)) {
        new_segment(j);
        return;
    }
    if (j->piece.bytes)
        j->step = WRITING;
    else
        complete_piece(j, true);
}

static bool is_resting_with_work(const struct journal *j)
{
    return may_get_ready(j) || j->flight.done < j->flight.count || j->gathering.count > 0 ||
           j->wants_seal || (j->wants_flush && j->is_dirty);
}

static void advance(struct journal *j)
{
    for (;;) {
        if (j->step == AT_REST && is_resting_with_work(j))
            start_work(j);
        else if (j->step != WAITING || !take_spare(j))
            break;
    }
    if (j->step == AT_REST)
        rest(j);
}

/* --- io out --- */

static struct journal_io chain_io(struct journal *j)
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
    j->coming = NULL;
    j->end = j->synced_end = (uint32_t)j->head_bytes;
    j->wants_seal = false;
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
    fail_waiting(j, err);
}

static void on_written(struct journal *j)
{
    unstash(j);
    j->end += j->piece.bytes;
    j->usage.batches++;
    j->usage.written_bytes += j->piece.bytes;
    if (j->piece.needs_sync) {
        j->step = SYNCING;
        return;
    }
    j->step = AT_REST;
    complete_piece(j, false);
}

static void on_chain_done(struct journal *j)
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
        complete_piece(j, true);
        on_synced(j);
        break;
    case FLUSHING:
        on_synced(j);
        j->step = AT_REST;
        break;
    }
}

static void on_chain_failed(struct journal *j, enum err err)
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
        unstash(j);
        fail_piece(j, err);
        break;
    }
}

static void on_made(struct journal *j, const struct journal_io *io, enum err result)
{
    CHECK(j->is_make_out && io->spare == j->making);
    j->is_make_out = false;
    j->is_make_blocked = result != ERR_OK;
    if (result == ERR_OK && shelf_add_spare(&j->shelf, (struct spare){io->spare, io->is_quick}))
        return;
    shelf_reuse_number(&j->shelf, io->spare);
    if (j->step == WAITING && j->shelf.spare_count == 0)
        fail_waiting(j, result);
}

static void on_retired(struct journal *j, const struct journal_io *io, enum err result)
{
    CHECK(j->is_retire_out);
    j->is_retire_out = false;
    struct segment *g = shelf_find(&j->shelf, io->segment);
    CHECK(g && g->is_dead);
    if (result != ERR_OK) {
        /* A half-done rename: tried again later, by deletion. */
        g->is_failed = true;
        j->is_retire_blocked = true;
        shelf_reuse_number(&j->shelf, io->spare);
        return;
    }
    shelf_remove(&j->shelf, g);
    if (io->spare)
        (void)shelf_add_spare(&j->shelf, (struct spare){io->spare, false});
}

/* --- the door --- */

struct journal *journal_new(const struct journal_options *options, uint64_t seed)
{
    CHECK(options->segment_bytes >= SEGMENT_BYTES_LEAST && options->segment_bytes % 4096 == 0 &&
          options->segment_bytes <= JOURNAL_SEGMENT_BYTES_MOST);
    struct journal *j = mem_new(sizeof *j);
    j->options = *options;
    if (j->options.bytes_max < 2 * options->segment_bytes)
        j->options.bytes_max = 2 * options->segment_bytes;
    rng_init(&j->rng, seed);
    j->shelf.next_sequence = j->shelf.next_spare = 1;
    batch_init(&j->gathering);
    batch_init(&j->flight);
    lost_init(&j->lost, rng_u64(&j->rng));
    j->unsynced = mem_new(JOURNAL_UNSYNCED_RECORDS_MAX * sizeof *j->unsynced);
    j->head = mem_new(FIRST_BYTES_MAX + JOURNAL_FRAME_BYTES);
    return j;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    batch_close(&j->gathering);
    batch_close(&j->flight);
    lost_close(&j->lost);
    shelf_close(&j->shelf);
    mem_free(j->unsynced);
    mem_free(j->head);
    mem_free(j->completion);
    mem_free(j);
}

void journal_found_segment(struct journal *j, const struct journal_header *h)
{
    CHECK(!j->is_started);
    struct segment *g = shelf_add(&j->shelf, h);
    g->records = 1; /* the owner knows it, or says that nothing in it is alive */
}

void journal_found_end(struct journal *j, uint64_t segment, uint32_t end, uint64_t sealed_by)
{
    struct segment *g = shelf_find(&j->shelf, segment);
    CHECK(g != NULL);
    g->valid_end = end;
    g->sealed_by = sealed_by;
    g->needs_seal = sealed_by == 0;
}

void journal_found_damage(struct journal *j, uint64_t segment)
{
    struct segment *g = shelf_find(&j->shelf, segment);
    CHECK(g != NULL);
    g->is_failed = true;
}

void journal_found_gone(struct journal *j, uint64_t segment)
{
    if (segment >= j->shelf.next_sequence)
        j->shelf.next_sequence = segment + 1;
}

bool journal_found_spare(struct journal *j, uint64_t spare)
{
    if (spare == 0 || j->shelf.spare_count >= JOURNAL_SPARES_MAX ||
        room_bytes(j) + j->options.segment_bytes > j->options.bytes_max)
        return false;
    return shelf_add_spare(&j->shelf, (struct spare){spare, false});
}

void journal_started(struct journal *j)
{
    j->is_started = j->wants_ready = true;
}

enum err journal_append(struct journal *j, uint64_t ticket, uint8_t type, uint64_t id,
                        const struct slice *part, int part_count, bool needs_sync,
                        bool is_admission)
{
    CHECK(type != 0 && type != JOURNAL_TYPE_OWN && part_count <= JOURNAL_PARTS_MAX);
    size_t n = 0;
    for (int i = 0; i < part_count; i++) {
        if (part[i].n > JOURNAL_RECORD_BYTES_MAX - n)
            return ERR_BAD;
        n += part[i].n;
    }
    size_t span = journal_record_span(n);
    if (span > j->options.segment_bytes - FIRST_BYTES_MAX)
        return ERR_BAD;
    if (j->gathering.bytes.n + span > JOURNAL_BATCH_BYTES_MAX)
        return ERR_BUSY;
    if (!room_has(j, span, is_admission)) {
        j->is_make_blocked = false; /* somebody wants it: try again */
        return ERR_FULL;
    }
    size_t at = j->gathering.bytes.n;
    bool is_built = journal_frame_begin(&j->gathering.bytes, type, id, part, part_count);
    CHECK(is_built);
    *batch_add(&j->gathering) = (struct entry){.ticket = ticket,
                                               .id = id,
                                               .at = (uint32_t)at,
                                               .payload_bytes = (uint32_t)n,
                                               .needs_sync = needs_sync};
    room_plan(j, span);
    return ERR_OK;
}

void journal_release(struct journal *j, uint64_t segment)
{
    struct segment *g = shelf_find(&j->shelf, segment);
    if (!g || g == j->coming)
        return;
    shelf_dead(&j->shelf, g, true);
    g->needs_epoch = j->sync_epoch + j->is_dirty;
    j->wants_flush = j->wants_flush || (j->is_dirty && g != j->current);
    j->is_retire_blocked = false;
}

void journal_flush(struct journal *j)
{
    j->wants_flush = j->is_dirty;
    j->is_make_blocked = j->is_retire_blocked = false;
}

bool journal_wants_flush(const struct journal *j)
{
    return j->is_dirty || j->is_make_blocked || j->is_retire_blocked;
}

struct journal_io journal_next_io(struct journal *j)
{
    advance(j);
    struct journal_io io = {0};
    if (!j->is_chain_out && (io = chain_io(j)).kind) {
        j->is_chain_out = true;
        return io;
    }
    if ((io = room_retire_io(j)).kind) {
        j->is_retire_out = true;
        return io;
    }
    if ((io = room_make_io(j)).kind)
        j->is_make_out = true;
    return io;
}

void journal_on_io(struct journal *j, const struct journal_io *io, enum err result, int64_t now_ms)
{
    j->now_ms = now_ms;
    switch (io->kind) {
    case JOURNAL_IO_NONE:
        break;
    case JOURNAL_IO_WRITE:
    case JOURNAL_IO_SYNC:
    case JOURNAL_IO_ADOPT:
        CHECK(j->is_chain_out);
        j->is_chain_out = false;
        if (result == ERR_OK)
            on_chain_done(j);
        else
            on_chain_failed(j, result);
        break;
    case JOURNAL_IO_MAKE:
        on_made(j, io, result);
        break;
    case JOURNAL_IO_RETIRE:
        on_retired(j, io, result);
        break;
    }
    advance(j);
}

bool journal_next_completion(struct journal *j, struct journal_completion *out)
{
    if (j->completion_first == j->completion_count)
        return false;
    *out = j->completion[j->completion_first++];
    return true;
}

void journal_usage(const struct journal *j, struct journal_usage *out)
{
    *out = j->usage;
    out->segments = j->shelf.count;
    out->spare_segments = j->shelf.spare_count;
    out->bytes = room_bytes(j);
    out->bytes_max = j->options.bytes_max;
    out->unsynced_records = j->unsynced_count;
    for (size_t i = 0; i < j->shelf.count; i++)
        out->unsealed += j->shelf.segment[i]->needs_seal;
}

bool journal_is_idle(const struct journal *j)
{
    return j->step == AT_REST && !is_resting_with_work(j) &&
           j->completion_first == j->completion_count;
}

bool journal_is_waiting(const struct journal *j)
{
    return j->step == WAITING;
}

const struct journal_header *journal_segment(const struct journal *j, uint64_t segment)
{
    const struct segment *g = shelf_find(&j->shelf, segment);
    return g ? &g->header : NULL;
}

uint64_t journal_current_segment(const struct journal *j)
{
    return j->current ? j->current->header.sequence : 0;
}
