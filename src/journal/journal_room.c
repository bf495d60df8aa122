/* journal_room.c -- disk space: what fits where, whether more may be had, which spare is made next
 * and which dead segment goes.
 *
 *   on disk = (segments + spares + the one in the making) * segment_bytes
 *   mail            needs  segments + new ones              <= bytes_max
 *   everything else needs  segments + new ones              <= the most: bytes_max +
 *                          JOURNAL_RESERVE_SEGMENTS, or what the start has found if that is more
 *   the first segment after a start may be one beyond that, for everything else: however often the
 *   relay was killed with a full queue, what frees segments can be written
 *   seals that keep dead segments may take two beyond it: they give back more
 *   a spare ahead   needs  segments + spares + 1            <= bytes_max
 *
 * New ones are counted exactly: records are placed first fit, in order, so where the gathering
 * batch will end is known when a record is appended. */
#include "journal_inside.h"

uint64_t room_bytes(const struct journal *j)
{
    return j->shelf.live_bytes + (j->shelf.spare_count + j->is_make_out) * j->options.segment_bytes;
}

void room_plan(struct journal *j, size_t span)
{
    if (span > j->plan_rest) {
        j->plan_new++;
        j->plan_rest = j->options.segment_bytes - FIRST_BYTES_MAX;
    }
    j->plan_rest -= span;
}

/* Anew, after the current segment has changed. */
void room_plan_all(struct journal *j)
{
    j->plan_rest = j->current ? j->options.segment_bytes - j->end : 0;
    j->plan_new = 0;
    const struct batch *b = &j->flight;
    for (int pass = 0; pass < 2; pass++, b = &j->gathering) {
        for (size_t i = b->done; i < b->count; i++)
            room_plan(j, entry_span(&b->entry[i]));
    }
}

/* For what is not mail; `more` segments beyond. */
static uint64_t most_bytes(const struct journal *j, unsigned more)
{
    uint64_t most = j->options.bytes_max + JOURNAL_RESERVE_SEGMENTS * j->options.segment_bytes;
    return (most > j->found_bytes ? most : j->found_bytes) + more * j->options.segment_bytes;
}

/* May this record be taken in, as far as disk space goes? */
bool room_has(struct journal *j, size_t span, bool is_admission)
{
    uint64_t segments = j->plan_new + (span > j->plan_rest);
    if (segments == 0 && !is_admission) /* mail may not fill what an outcome has begun, either */
        return true;
    uint64_t live = j->shelf.live_bytes - (j->coming ? j->coming->header.segment_bytes : 0);
    uint64_t limit = j->options.bytes_max;
    if (!is_admission)
        limit = most_bytes(j, !j->has_had_segment);
    if (live + segments * j->options.segment_bytes > limit)
        return false;
    /* While no spare can be made, the last one is kept for outcomes. */
    return !is_admission || !segments || !j->is_make_blocked || segments < j->shelf.spare_count;
}

bool room_may_make(const struct journal *j, bool is_needed)
{
    uint64_t limit = j->options.bytes_max;
    if (is_needed)
        limit = most_bytes(j, shelf_is_stuck(&j->shelf) ? 2 : !j->has_had_segment);
    return room_bytes(j) + j->options.segment_bytes <= limit;
}

struct journal_io room_retire_io(struct journal *j)
{
    if (j->shelf.dead_count == 0 || j->is_retire_out || j->is_retire_blocked)
        return (struct journal_io){0};
    const struct segment *busy = j->current ? j->current : j->coming;
    const struct segment *g = shelf_next_retired(&j->shelf, j->sync_epoch, busy);
    if (!g)
        return (struct journal_io){0};
    struct journal_io io = {.kind = JOURNAL_IO_RETIRE, .segment = g->header.sequence};
    if (!g->is_failed && !g->is_quick && g->header.segment_bytes == j->options.segment_bytes &&
        shelf_filled_count(&j->shelf) + j->is_make_out < JOURNAL_SPARES_MAX &&
        room_bytes(j) <= j->options.bytes_max)
        io.spare = shelf_new_spare_number(&j->shelf);
    return io;
}

/* How many filled spares there should be: one, and two once the relay is busy. A segment that is
 * adopted but empty counts for one: an idle relay takes little disk. */
static size_t wanted_spares(const struct journal *j)
{
    if (!j->current)
        return 1;
    if (!j->current->is_quick && j->current->records == 0)
        return 0;
    bool is_busy = j->shelf.count > 1 || j->end > j->options.segment_bytes / 2;
    return is_busy ? JOURNAL_SPARE_SEGMENTS : 1;
}

/* At the very start a quick one comes first, so that a fresh relay can take mail at once. */
struct journal_io room_make_io(struct journal *j)
{
    bool is_needed = j->step == WAITING;
    if (j->is_make_out || (!is_needed && (!j->is_started || j->is_make_blocked)))
        return (struct journal_io){0};
    /* What is being retired may become the spare that is missing. */
    if (!is_needed &&
        (j->coming || j->is_retire_out || shelf_filled_count(&j->shelf) >= wanted_spares(j)))
        return (struct journal_io){0};
    if (!room_may_make(j, is_needed))
        return (struct journal_io){0};
    j->is_make_quick = is_needed || (!j->current && j->shelf.spare_count == 0);
    j->making = shelf_new_spare_number(&j->shelf);
    return (struct journal_io){
        .kind = JOURNAL_IO_MAKE, .is_quick = j->is_make_quick, .spare = j->making};
}

void room_on_made(struct journal *j, const struct journal_io *io, enum err result)
{
    CHECK(j->is_make_out && io->spare == j->making);
    j->is_make_out = false;
    j->is_make_blocked = result != ERR_OK;
    if (result == ERR_OK && shelf_add_spare(&j->shelf, (struct spare){io->spare, io->is_quick}))
        return;
    shelf_reuse_number(&j->shelf, io->spare);
    if (j->step == WAITING && j->shelf.spare_count == 0)
        chain_fail_waiting(j, result);
}

void room_on_retired(struct journal *j, const struct journal_io *io, enum err result)
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
