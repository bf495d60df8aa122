/* store.h -- the journal on a real disk: files, locks, threads. Carries out what the pure
 * journal machine (journal/journal.h) decides; knows nothing of what a record means.
 *
 * state_dir/lock             flock()ed by the running relay, holds its pid
 * state_dir/installation     16 hex digits, made once
 * state_dir/queue/SEQ.seg    segments (16 hex digits)
 * state_dir/queue/SEQ.idx    what a start needs of that segment (journal/journal_index.h); may be
 *                            lost at any time; indexing: the next one
 * state_dir/queue/SEQ.bad    set aside because it cannot be read, or the kept copy of a segment
 *                            with damage in the middle
 * state_dir/queue/spare-N    files of zeroes ahead of need, or recycled ones; making: the next one
 *
 * Writes and syncs run on one thread of the store's own (a busy thread pool must not delay a 250);
 * fetches, making segments and their indices run on libuv's pool. All callbacks come on the loop,
 * never inside the call that caused them. */
#pragma once

#include <uv.h>

#include "journal/journal.h"

struct store_options {
    const char *state_dir;  /* copied */
    uint64_t segment_bytes; /* 0: a sixteenth of bytes_max, from 4 to 64 MiB */
    uint64_t bytes_max;     /* queue.max_size */
};

struct store_callbacks {
    void *ctx;
    void (*appended)(void *ctx, const struct journal_completion *done);
    /* payload lives until the callback returns. err: ERR_SYSTEM (read failed), ERR_DAMAGED
     * (checksum), ERR_MISSING (no such segment), ERR_CLOSED (store_close came first); record is
     * NULL then, why NULL without error. */
    void (*fetched)(void *ctx, uint64_t ticket, enum err err, const struct journal_record *record,
                    const struct fault *why);
    /* The disk went wrong or well again; once per change and per failing batch, for the log. Well
     * again: why->errnum is 0. May be NULL. */
    void (*trouble)(void *ctx, const struct fault *why);
    /* How many bytes off the front of this payload the owner wants to see at start: no more of it
     * is kept in a segment's index. Called on any thread. NULL: no indices are made or read. */
    size_t (*head_bytes)(uint8_t type, struct slice payload);
};

struct store;

/* Makes the directories (0700), takes the lock (ERR_BUSY: another relay runs on it, its pid in the
 * text), checks that it can write (ERR_DENIED: says what to do). seed: from the system's random
 * source; the segments' nonces come from it. */
MUST_USE enum err store_open(struct store **out, uv_loop_t *loop, const struct store_options *o,
                             const struct store_callbacks *cb, uint64_t seed, struct fault *why);
/* Every record of every segment in order, once, before the first append. Of its payload no more
 * than head_bytes said is sure to be there; pos.bytes is the whole one's size. What cannot be read
 * is reported through `note` (text, one line; may be NULL) and set aside; everything else still
 * loads. ERR_BAD: the queue of another installation lies there. In `record`, store_release may not
 * be called; release afterwards. Segments without any record of the owner's go by themselves. */
MUST_USE enum err store_replay(struct store *s, void *ctx,
                               void (*record)(void *ctx, const struct journal_record *r),
                               void (*note)(void *ctx, const char *text), struct fault *why);
/* How the replay went. */
struct store_recovery {
    uint64_t indexed, walked; /* segments whose records came from their index; read in full */
    int64_t took_us;
};
struct store_recovery store_recovery(const struct store *s);
/* See journal_append; ERR_CLOSED after store_close. */
MUST_USE enum err store_append(struct store *s, uint64_t ticket, uint8_t type, uint64_t id,
                               const struct slice *part, int part_count, bool needs_sync,
                               bool is_admission);
/* Starts writing what has been appended; call once after a round of appends. */
void store_kick(struct store *s);
/* id: of the record that is expected at pos. */
void store_fetch(struct store *s, uint64_t ticket, uint64_t id, struct journal_pos pos);
void store_release(struct store *s, uint64_t segment);
void store_usage(const struct store *s, struct journal_usage *out);
uint64_t store_segment_bytes(const struct store *s); /* of new segments */
int64_t store_last_sync_us(const struct store *s);   /* duration of the latest write+sync */
bool store_is_idle(const struct store *s);
/* Waits for what is in flight, writes and syncs what was appended, unlocks, frees; `closed` may be
 * NULL. Fetches that still wait are told ERR_CLOSED. The loop must run until it is called. */
void store_close(struct store *s, void (*closed)(void *ctx), void *ctx);
