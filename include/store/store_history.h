/* store_history.h -- what is over and may still be asked for, on disk: records found by keys, kept
 * by age and size. Layout of the files: doc/history.md and history/history_file.h.
 *
 * state_dir/history/salt      32 hex digits, drawn once; the owner makes its keys with them
 * state_dir/history/SEQ.log   records in order of time, the last file grows
 * state_dir/history/SEQ.idx   the sorted keys of a closed one; making.idx: the next one
 *
 * Nothing here is promised to anybody. Records wait in memory for a tenth of a second and are written on
 * libuv's pool without a sync, so that the journal's disk is left alone; what cannot be written in
 * time is dropped and counted. What a record means, and what its keys are, is the owner's. All
 * callbacks come on the loop, never inside the call that caused them. */
#pragma once

#include <uv.h>

#include "base/slice.h"

enum {
    STORE_HISTORY_PENDING_BYTES_MAX = 4 * 1024 * 1024, /* waiting to be written; beyond: dropped */
    STORE_HISTORY_FINDS_MAX = 64,                      /* look-ups at once */
    STORE_HISTORY_FIND_KEYS_MAX = 4,
    STORE_HISTORY_FIND_MAX = 1000, /* records of one answer */
};

struct store_history_options {
    const char *state_dir; /* copied */
    int64_t keep_ms;       /* a file goes when its newest record is older. 0: nothing is kept */
    uint64_t bytes_max;    /* the oldest files go when all are larger */
    uint64_t salt[2];      /* random; for a history that begins */
};

struct store_history_callbacks {
    void *ctx;
    /* The disk went wrong (why->text), or well again (err ERR_OK): once a change. */
    void (*trouble)(void *ctx, enum err err, const struct fault *why);
};

struct store_history_usage {
    uint64_t records, lost, lookups; /* since the start */
    uint64_t bytes, files;           /* on disk */
    uint64_t pending_bytes;
    bool is_failing;
};

struct store_history_answer {
    enum err err; /* ERR_CLOSED, or the disk's: what was found before it is given */
    unsigned count;
    const struct slice *payload; /* the newest first; they live until the callback returns */
    bool has_more;
};

struct store_history;

/* Never fails: without a usable directory records are dropped, `trouble` says why, and it is tried
 * again. Reads or makes the salt (blocking, tiny: at start-up); all the rest on the pool. */
struct store_history *store_history_new(uv_loop_t *loop, const struct store_history_options *o,
                                        const struct store_history_callbacks *cb);
/* False: there is none (yet), so nothing can be kept or found. */
bool store_history_salt(const struct store_history *h, uint64_t out[2]);
/* One record. False: it was dropped and counted. */
bool store_history_append(struct store_history *h, int64_t now_ms, const uint64_t *key,
                          unsigned key_count, struct slice payload);
/* The same at start-up, of something that may be known already: taken only when the file that
 * grows has none with its first key. */
void store_history_append_once(struct store_history *h, int64_t now_ms, const uint64_t *key,
                               unsigned key_count, struct slice payload);
/* What waits is written now; store_history_has_written() of the number says when it is, or that it
 * cannot be. */
uint64_t store_history_flush(struct store_history *h);
bool store_history_has_written(const struct store_history *h, uint64_t number);
/* When the files that were found at start were written last (wall time); 0: there are none. */
int64_t store_history_found_ms(const struct store_history *h);
void store_history_drop(struct store_history *h); /* counts one that could not even be made */
/* The newest records with any of these keys, at most `limit`, also those appended just before.
 * False: STORE_HISTORY_FINDS_MAX are out already, or it is closing; `found` is not called. */
MUST_USE bool store_history_find(struct store_history *h, const uint64_t *key, unsigned key_count,
                                 unsigned limit,
                                 void (*found)(void *ctx, const struct store_history_answer *a),
                                 void *ctx);
/* About once a second: tries again what failed, lets go of what is too old. */
void store_history_tick(struct store_history *h, int64_t now_ms);
void store_history_configure(struct store_history *h, int64_t keep_ms, uint64_t bytes_max);
void store_history_usage(const struct store_history *h, struct store_history_usage *out);
/* Writes what waits, tells look-ups ERR_CLOSED, frees; the loop must run until `closed`. */
void store_history_close(struct store_history *h, void (*closed)(void *ctx), void *ctx);
