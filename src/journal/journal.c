/* journal.c -- the door: what the owner says and asks, and who is handed the io.
 *
 * Left to journal_chain.c: what is written when. To journal_piece.c: who is told. To
 * journal_batch.c: records in a row. To journal_segments.c: which files there are. To
 * journal_room.c: disk space. To journal_indices.c: what makes the next start quick. */
#include "journal_inside.h"

#include "journal_frame.h"

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
    j->index_rest_next = 1;
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

void journal_found_empty(struct journal *j, uint64_t segment)
{
    struct segment *g = shelf_find(&j->shelf, segment);
    CHECK(g != NULL);
    shelf_dead(&j->shelf, g, true);
}

void journal_found_damage(struct journal *j, uint64_t segment)
{
    struct segment *g = shelf_find(&j->shelf, segment);
    CHECK(g != NULL);
    g->is_failed = true;
}

void journal_found_clean(struct journal *j, uint64_t segment, uint32_t end)
{
    struct segment *g = shelf_find(&j->shelf, segment);
    CHECK(g != NULL && !j->is_started);
    if (!g->needs_seal && !g->sealed_by)
        indices_on_clean(j, g, end);
}

void journal_found_indexed(struct journal *j, uint64_t segment, uint32_t end, uint64_t index_bytes)
{
    struct segment *g = shelf_find(&j->shelf, segment);
    CHECK(g != NULL);
    journal_found_clean(j, segment, end);
    g->is_indexed = true;
    g->index_bytes = index_bytes;
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
    j->found_bytes = j->shelf.live_bytes;
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
    shelf_release(&j->shelf, g);
    g->needs_epoch = j->sync_epoch + j->is_dirty;
    j->wants_seal = j->wants_seal || (j->is_started && shelf_is_stuck(&j->shelf));
    j->wants_flush = j->wants_flush || (j->is_dirty && g != j->current);
    j->is_retire_blocked = false;
}

void journal_flush(struct journal *j)
{
    j->wants_flush = j->is_dirty;
    j->wants_seal = j->wants_seal || j->is_seal_blocked;
    j->is_make_blocked = j->is_retire_blocked = j->is_seal_blocked = false;
    indices_on_flush(j);
}

bool journal_wants_flush(const struct journal *j)
{
    return j->is_dirty || j->is_make_blocked || j->is_retire_blocked || j->is_seal_blocked ||
           j->is_index_blocked;
}

struct journal_io journal_next_io(struct journal *j)
{
    chain_advance(j);
    struct journal_io io = {0};
    if (!j->is_chain_out && (io = chain_io(j)).kind) {
        j->is_chain_out = true;
        return io;
    }
    if ((io = room_retire_io(j)).kind) {
        j->is_retire_out = true;
        return io;
    }
    if ((io = room_make_io(j)).kind) {
        j->is_make_out = true;
        return io;
    }
    return indices_io(j);
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
        chain_on_io(j, result);
        break;
    case JOURNAL_IO_MAKE:
        room_on_made(j, io, result);
        break;
    case JOURNAL_IO_RETIRE:
        room_on_retired(j, io, result);
        break;
    case JOURNAL_IO_INDEX:
        indices_on_made(j, io, result);
        break;
    }
    chain_advance(j);
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
    for (size_t i = 0; i < j->shelf.count; i++) {
        const struct segment *g = j->shelf.segment[i];
        out->unsealed += g->needs_seal;
        out->indices += g->index_bytes > 0;
        out->index_bytes += g->index_bytes;
    }
    out->bytes += out->index_bytes;
}

bool journal_is_idle(const struct journal *j)
{
    return j->step == AT_REST && !chain_has_work(j) && j->completion_first == j->completion_count;
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
