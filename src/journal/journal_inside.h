/* journal_inside.h -- the machine's parts, shared by its files: batches and lost ids
 * (journal_batch.c), segments and spares (journal_segments.c), disk space (journal_room.c), which
 * segment gets an index (journal_indices.c), a piece on its way (journal_piece.c), the write chain
 * (journal_chain.c). */
#pragma once

#include "base/map.h"
#include "journal/journal.h"

enum {
    SEAL_SPAN = JOURNAL_FRAME_BYTES + JOURNAL_SEAL_BYTES,
    /* Header and seals at most: any record must fit behind them. */
    FIRST_BYTES_MAX = JOURNAL_HEADER_BYTES + JOURNAL_SEALS_MAX * SEAL_SPAN,
    SEGMENT_BYTES_LEAST = 16 * 1024,
    UNSYNCED_BYTES_MAX =
        4 * 1024 * 1024,           /* then a batch is synced, so that no later sync is slow */
    BATCH_KEPT_BYTES = 256 * 1024, /* a larger buffer is given back when nothing is going on */
    SPARES_KNOWN_MAX = 16,
    FAILED_SEGMENTS_MAX = 16, /* that cannot be deleted: no further one is taken then */
    INDEX_REST_MAX = 64,      /* flushes between two tries on a disk that fails them */
};

/* --- batch: appended records in a row, and who waits for them --- */

struct entry {
    uint64_t ticket, id;
    uint32_t at, payload_bytes; /* in the batch's bytes */
    bool needs_sync;
    bool is_dropped; /* an earlier record of its id was lost: takes no bytes */
};

struct batch {
    struct buf bytes;
    struct entry *entry;
    size_t count, cap;
    size_t done; /* entries before this are completed or in the piece that is being written */
};

void batch_init(struct batch *b);
void batch_close(struct batch *b);
void batch_clear(struct batch *b);
struct entry *batch_add(struct batch *b);
size_t entry_span(const struct entry *e);
/* Zeroes behind the last record, so that the log's end shows on disk. */
void batch_end(struct batch *b);

/* Ids of records without sync that were lost: their later synced records must fail. */
struct lost_ids {
    struct map ids;
    uint64_t *ring; /* in order of loss */
    size_t next, count;
};

void lost_init(struct lost_ids *l, uint64_t seed);
void lost_close(struct lost_ids *l);
void lost_add(struct lost_ids *l, uint64_t id);
/* Marks the not yet written records of the batch that must fail, and takes their bytes out. */
void lost_drop(struct lost_ids *l, struct batch *b);

/* --- segments and spares --- */

struct segment {
    struct journal_header header;
    bool is_dead;
    bool is_failed;   /* deleted when dead, never recycled */
    bool is_quick;    /* its file is sparse: slower, left as soon as there is better */
    bool needs_seal;  /* valid_end is not written down anywhere yet */
    bool is_clean;    /* regular up to valid_end, all on disk, nothing follows: may have an index */
    bool is_indexed;  /* or none is worth making, or none can be made */
    bool is_indexing; /* its index is being made: its file must stay */
    uint32_t valid_end;
    uint64_t index_bytes;
    uint64_t sealed_by;      /* 0: nowhere */
    uint64_t next_sealed_by; /* the coming segment, whose header is being written */
    uint64_t needs_epoch;    /* goes when this many syncs have been done */
    uint64_t turn;           /* of release: goes after all earlier ones; 0: not released */
    uint64_t records;        /* completed without error */
};

struct spare {
    uint64_t number;
    bool is_quick;
};

struct shelf {
    struct segment **segment; /* by sequence */
    size_t count, cap;
    size_t dead_count;
    uint64_t turns; /* given so far */
    uint64_t next_sequence;
    uint64_t live_bytes;
    struct spare spare[SPARES_KNOWN_MAX];
    size_t spare_count;
    uint64_t next_spare;
    uint64_t reuse[SPARES_KNOWN_MAX]; /* numbers whose file is in doubt: made anew first */
    size_t reuse_count;
};

void shelf_close(struct shelf *s);
struct segment *shelf_find(const struct shelf *s, uint64_t sequence);
struct segment *shelf_add(struct shelf *s, const struct journal_header *h); /* highest sequence */
void shelf_remove(struct shelf *s, struct segment *g);
void shelf_dead(struct shelf *s, struct segment *g, bool is_dead);
void shelf_release(struct shelf *s, struct segment *g); /* dead, and it goes in its turn */
/* The next dead segment that may go now; NULL: none. */
struct segment *shelf_next_retired(const struct shelf *s, uint64_t epoch,
                                   const struct segment *current);
/* Failed ones without records that wait for nothing but their deletion. */
size_t shelf_failed_count(const struct shelf *s);
/* Seals are due that stand nowhere, or only in segments that want to go. */
bool shelf_wants_seals(const struct shelf *s);
/* The latter, and nothing but a new segment helps. */
bool shelf_is_stuck(const struct shelf *s);
bool shelf_add_spare(struct shelf *s, struct spare spare); /* false: too many */
struct spare shelf_take_spare(struct shelf *s);            /* the best; number 0: none */
size_t shelf_filled_count(const struct shelf *s);
uint64_t shelf_new_spare_number(struct shelf *s);
void shelf_reuse_number(struct shelf *s, uint64_t number); /* 0: nothing */
/* Header of g and the seals that are due, with an end mark behind; head has FIRST_BYTES_MAX and a
 * frame. Returns the bytes without the mark. The seals count when shelf_end_seals says so. */
size_t shelf_write_head(struct shelf *s, const struct segment *g, char *head);
void shelf_end_seals(struct shelf *s, uint64_t holder, bool is_written);

/* --- the machine --- */

enum step {
    AT_REST,
    LEAVING,      /* sync of the segment we leave */
    WAITING,      /* for a spare */
    ADOPTING,     /* a spare gets the new segment's name */
    HEADING,      /* header and seals are written */
    HEADING_SYNC, /* ... and synced before anything follows */
    WRITING,      /* a piece: what fits of the batch in flight */
    SYNCING,
    FLUSHING, /* sync without a batch */
};

struct piece {
    size_t first, end;  /* entries of the batch in flight */
    uint32_t at, bytes; /* of records */
    bool needs_sync;
    char *stash_at; /* where zeroes stand for the next record's frame meanwhile; NULL: nowhere */
    char stash[JOURNAL_FRAME_BYTES];
};

struct journal {
    struct journal_options options;
    struct rng rng;
    int64_t now_ms;
    struct shelf shelf;
    bool is_started;
    uint64_t found_bytes; /* of segments, by the start */
    bool has_had_segment; /* since the start */

    enum step step;
    bool is_chain_out; /* the step's io was handed out */
    struct batch gathering, flight;
    struct piece piece;
    struct lost_ids lost;
    struct segment *current; /* NULL: the next piece needs a new one */
    struct segment *coming;  /* ADOPTING to HEADING_SYNC */
    uint64_t coming_spare;
    char *head; /* FIRST_BYTES_MAX */
    size_t head_bytes;
    uint32_t end, synced_end; /* of current */
    uint64_t *unsynced;       /* ids of records completed since the last sync */
    size_t unsynced_count;
    uint64_t unsynced_bytes;
    bool is_dirty; /* current holds such records */
    uint64_t sync_epoch;
    bool wants_flush, wants_seal, wants_ready;
    bool is_seal_blocked; /* could not be written: tried again at the next flush */
    /* Where the gathering batch will end: room left in the last segment, and how many new ones it
     * takes to get there. */
    uint64_t plan_rest, plan_new;

    bool is_make_out, is_make_quick, is_make_blocked;
    uint64_t making;
    bool is_retire_out, is_retire_blocked;
    bool is_index_out, is_index_blocked;
    bool wants_index;                     /* a segment may want one: look */
    unsigned index_rest, index_rest_next; /* flushes to wait for, now and after the next failure */

    struct journal_completion *completion;
    size_t completion_first, completion_count, completion_cap;

    struct journal_usage usage; /* counters only */
};

/* --- a piece of the batch in flight --- */

/* Takes what fits into the current segment. False: not even one record. */
bool piece_place(struct journal *j);
/* Its bytes with the end mark behind them, where there is room for one; piece_unstash when they are
 * written, or not. */
struct slice piece_bytes(struct journal *j);
void piece_unstash(struct journal *j);
/* Those who wait are told. */
void piece_complete(struct journal *j, bool is_synced);
void piece_fail_entry(struct journal *j, const struct entry *e, enum err err);

/* --- the write chain --- */

void chain_advance(struct journal *j);        /* as far as it goes without io */
bool chain_has_work(const struct journal *j); /* AT_REST, but not for long */
struct journal_io
chain_io(struct journal *j); /* what the present step wants; it is handed out once */
void chain_on_io(struct journal *j, enum err result);
/* No segment can be had: what is in flight fails. */
void chain_fail_waiting(struct journal *j, enum err err);

/* --- disk space --- */

void room_plan(struct journal *j, size_t span); /* a record was appended */
void room_plan_all(struct journal *j);          /* anew, after the current segment has changed */
/* May this record be taken in? */
bool room_has(struct journal *j, size_t span, bool is_admission);
bool room_may_make(const struct journal *j, bool is_needed);
uint64_t room_bytes(const struct journal *j); /* on disk */
/* The next thing to do, if any; nothing is marked as being out. */
struct journal_io room_retire_io(struct journal *j);
struct journal_io room_make_io(struct journal *j);
void room_on_made(struct journal *j, const struct journal_io *io, enum err result);
void room_on_retired(struct journal *j, const struct journal_io *io, enum err result);

/* --- indices --- */

/* g is left in good order, or was found so: it may have an index. */
void indices_on_clean(struct journal *j, struct segment *g, uint32_t end);
void indices_on_flush(struct journal *j);
/* The next one to make, if any; it counts as being out from now on. */
struct journal_io indices_io(struct journal *j);
void indices_on_made(struct journal *j, const struct journal_io *io, enum err result);
