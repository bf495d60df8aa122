/* journal.h -- the group-committing log as a pure machine: it decides what is written where and who
 * may be told; somebody else (store with a real disk, the simulator with a false one) does the
 * writing.
 *
 *   append -> [gathering batch] -> WRITE -> SYNC (when any record of it needs it) -> completions
 *
 * One batch is in flight at a time; what arrives meanwhile gathers for the next. A failed write or
 * sync fails every record of that batch and is never retried on the same pages: the segment is
 * sealed and the next batch goes to a new one. When a new segment cannot be had either, records
 * fail with ERR_FULL until one can. It knows nothing of what records mean: the owner says when a
 * segment is dead (journal_release).
 *
 * What a completion without error is worth:
 * - with needs_sync: this record is on disk, and so is every record of the same id that completed
 *   without error before. When an earlier record of that id (not synced itself) failed or was lost
 *   in a failed sync, the next synced one fails too and is not written at all; then the owner
 * knows.
 * - without: it will be on disk with the next sync of the journal. A crash, or a failed sync (seen
 *   as failed_batches of journal_usage), may lose it. */
#pragma once

#include "base/rng.h"
#include "journal/journal_codec.h"

enum {
    JOURNAL_SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024,
    JOURNAL_SEGMENT_BYTES_LEAST = 4 * 1024 * 1024, /* tests may go down to 16 KiB */
    JOURNAL_SEGMENT_BYTES_MOST = 1024 * 1024 * 1024,
    JOURNAL_BATCH_BYTES_MAX = 8 * 1024 * 1024, /* gathering; beyond it append says ERR_BUSY */
    JOURNAL_SPARE_SEGMENTS = 2,                /* made ahead of need once the relay is busy */
    JOURNAL_SPARES_MAX = 4,                    /* kept when recycling */
    JOURNAL_RESERVE_SEGMENTS = 4,              /* beyond bytes_max, for outcomes and reports; at
                                                * times one or two more, so that others get free */
    JOURNAL_UNSYNCED_RECORDS_MAX = 16 * 1024,  /* then a batch is synced though nobody asked */
    JOURNAL_LOST_IDS_MAX = 128 * 1024,         /* ids remembered after failures; oldest go first */
    JOURNAL_SEALS_MAX = 32,                    /* in one segment; more wait for the next */
};

struct journal_options {
    uint64_t segment_bytes; /* a multiple of 4 KiB */
    uint64_t bytes_max;     /* all segments together (queue.max_size), spare ones included; at least
                             * two segments are used whatever it says */
    uint64_t installation;  /* random, drawn once per state directory */
};

/* What the machine wants done. Out at a time: at most one of WRITE, SYNC, ADOPT; one MAKE; one
 * RETIRE; one INDEX. */
struct journal_io {
    enum journal_io_kind {
        JOURNAL_IO_NONE = 0,
        JOURNAL_IO_WRITE,  /* bytes at offset of this segment's file; stays valid until on_io */
        JOURNAL_IO_SYNC,   /* fdatasync of this segment's file */
        JOURNAL_IO_MAKE,   /* create or overwrite spare `spare`: a file of segment_bytes zeroes,
                            * written and synced; is_quick: somebody waits, a sparse file will do. The
                            * executor may set is_quick in the copy it hands to on_io when it cut the
                            * filling short */
        JOURNAL_IO_ADOPT,  /* spare `spare` becomes segment `segment`: rename + directory sync; its
                            * header comes as a WRITE. On failure: undo the rename if possible */
        JOURNAL_IO_RETIRE, /* a dead segment becomes spare `spare` (rename, over a file of that name
                            * if need be), or is deleted when spare is 0; then directory sync. Not
                            * there any more: also good. The executor may delete instead of
                            * renaming: it sets spare = 0 in the copy it hands to on_io. The
                            * segment's index goes with it */
        JOURNAL_IO_INDEX, /* make the index (journal_index.h) of a segment that nobody writes to any
                           * more; offset: its valid end. Unsynced, and best when nothing else wants
                           * the disk. The executor sets index_bytes in the copy it hands to on_io;
                           * it may leave the index away where it would be too large to be worth it:
                           * ERR_OK and 0. ERR_BAD: the segment is not what it should be */
    } kind;
    bool is_quick;     /* MAKE */
    bool sync_follows; /* WRITE: a hint: when it succeeds, the next thing wanted is SYNC */
    uint32_t offset;
    uint64_t segment, spare;
    uint64_t index_bytes; /* INDEX: the result */
    struct slice bytes;
};

struct journal_completion {
    uint64_t ticket;
    enum err err; /* ERR_OK: see above. ERR_FULL: limit or disk full. ERR_SYSTEM: disk trouble */
    struct journal_pos pos;
};

struct journal_usage {
    uint64_t segments, spare_segments;
    uint64_t indices, index_bytes; /* segments with an index; on disk */
    uint64_t bytes;                /* on disk: segments, spares, indices */
    uint64_t bytes_max;            /* for admissions: of segments and spares */
    uint64_t indices_made, indices_failed;
    uint64_t batches, syncs, records, failed_batches, written_bytes;
    uint64_t unsealed; /* failed segments whose seal is not on disk yet: a crash now may bring back
                        * records that were reported failed */
    uint64_t unsynced_records;
};

struct journal;

MUST_USE struct journal *journal_new(const struct journal_options *options, uint64_t seed);
void journal_free(struct journal *j);

/* Start-up, in order of sequence: tell it each segment found. Nothing is ever appended to them: new
 * records go to a new segment. */
void journal_found_segment(struct journal *j, const struct journal_header *h);
/* Recovery stopped at `end` of this segment, because of the seal in `sealed_by`, or (0) because it
 * was torn there: then a seal is written, so that it stays the end. */
void journal_found_end(struct journal *j, uint64_t segment, uint32_t end, uint64_t sealed_by);
/* No record of it was told to the owner, who will never release it: it goes. (journal_release would
 * make the owner's segments wait for it.) */
void journal_found_empty(struct journal *j, uint64_t segment);
/* It could not be read without fault: it will be deleted when dead, not recycled. */
void journal_found_damage(struct journal *j, uint64_t segment);
/* It was walked without fault up to `end`, a regular one, and is on disk: an index may be made.
 * (Not of one with a seal against it: after a failed sync nobody knows what is on disk.) */
void journal_found_clean(struct journal *j, uint64_t segment, uint32_t end);
/* A valid index says so, and has so many bytes. */
void journal_found_indexed(struct journal *j, uint64_t segment, uint32_t end, uint64_t index_bytes);
/* This number is taken: by a file that is no segment any more (set aside), or by the header that a
 * spare still has of its earlier life. The latter must be told of every spare: adopted under the
 * same number again, that life would come back with it. */
void journal_found_gone(struct journal *j, uint64_t segment);
/* False: one too many, delete it. */
bool journal_found_spare(struct journal *j, uint64_t spare);
void journal_started(struct journal *j);

/* Adds a record to the gathering batch; type is neither 0 nor JOURNAL_TYPE_OWN. is_admission: new
 * mail, refused with ERR_FULL when bytes_max is reached; outcomes and reports may use the reserve.
 * ERR_BUSY: the batch is full, try after the next completion. ERR_BAD: larger than a record may be.
 * ERR_OK: exactly one completion with this ticket follows, in the order of appends. */
MUST_USE enum err journal_append(struct journal *j, uint64_t ticket, uint8_t type, uint64_t id,
                                 const struct slice *part, int part_count, bool needs_sync,
                                 bool is_admission);
/* The segment holds nothing alive. It goes once everything completed before is synced and every
 * segment released before is gone for good: so a later one, with the outcomes of what stands in an
 * earlier one, never goes first. Of the current one it is remembered until it is sealed, but a
 * record that completes in it later makes it alive again: release segments other than
 * journal_current_segment(). Unknown: ignored. */
void journal_release(struct journal *j, uint64_t segment);
/* Once a second or so, while wants_flush says so: what was written without a sync gets one, and
 * spares, seals, deletions or indices that failed are tried again. */
void journal_flush(struct journal *j);
bool journal_wants_flush(const struct journal *j);

struct journal_io journal_next_io(struct journal *j); /* pull until NONE; each once */
/* io: as it was pulled (bytes are not looked at). result: ERR_OK, ERR_FULL (no space) or any other
 * error. */
void journal_on_io(struct journal *j, const struct journal_io *io, enum err result, int64_t now_ms);
bool journal_next_completion(struct journal *j, struct journal_completion *out);

void journal_usage(const struct journal *j, struct journal_usage *out);
/* Nothing gathered, no batch in flight, no completion untold. Spares may be in the making. */
bool journal_is_idle(const struct journal *j);
/* A batch cannot go on until a spare is made: an executor that fills one should hurry. */
bool journal_is_waiting(const struct journal *j);
/* The header of a live segment, for verifying fetched records; NULL: recycled. Good until the next
 * call of journal_on_io. */
const struct journal_header *journal_segment(const struct journal *j, uint64_t segment);
uint64_t journal_current_segment(const struct journal *j); /* 0: none yet */
