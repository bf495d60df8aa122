/* store_history_inside.h -- the history's two sides: what is done with files, on the pool
 * (store_history_disk.c, store_history_open.c), and what is decided, on the loop (store_history.c).
 */
#pragma once

#include "base/list.h"
#include "history/history_file.h"
#include "history/history_index.h"
#include "store/store_history.h"
#include "store_syscalls.h"

enum {
    HISTORY_FLUSH_MS = 100,                     /* what waits is written after so long, */
    HISTORY_FLUSH_BYTES = 256 * 1024,           /* or as soon as it is so much */
    HISTORY_TAKEN_A_TURN = 500,                 /* records into the index in one turn of the loop */
    HISTORY_FILE_BYTES_LEAST = 64 * 1024,       /* a file is closed at a sixteenth of bytes_max, */
    HISTORY_FILE_BYTES_MOST = 16 * 1024 * 1024, /* between these */
    HISTORY_FILE_BYTES_CEILING = 256 * 1024 * 1024, /* whatever hinders closing it */
    HISTORY_FILES_OF_AGE = 8,                       /* or at this part of keep_ms */
    HISTORY_RETIRE_AT_ONCE = 64,
    HISTORY_FINDS_AT_ONCE = 4,
    HISTORY_ONCE_BYTES_MAX = 16 * 1024 * 1024, /* at start, until the files are open */
    HISTORY_FIND_BYTES_MAX = 4 * 1024 * 1024,  /* of one answer */
};

struct history_name {
    char s[32];
};
struct history_name history_log_name(uint64_t sequence);
struct history_name history_index_name(uint64_t sequence);

struct history_disk {
    const struct store_syscalls *sys;
    char *path; /* of state_dir/history, owned */
    int fd;     /* of it; -1: not open */
};

/* A file that still grows, or is being closed. Its index is in memory. */
struct history_growing {
    uint64_t sequence; /* 0: none */
    int fd;            /* -1: not open yet */
    uint64_t bytes;    /* good ones; 0: not even a header */
    bool is_torn;      /* behind them stands what a write left half done */
    uint32_t records;
    int64_t oldest_ms, newest_ms;
    struct history_index index;
};

struct history_sealed {
    struct history_index_head head;
    uint64_t bytes; /* both files */
};

struct history_listing {
    struct history_sealed *sealed; /* owned; oldest first */
    size_t sealed_count;
    struct history_growing growing;
    uint64_t last_sequence;
};

/* Its next frame stands where it ends. Times may go back: the clock may have been set. */
void history_take_frame(struct history_growing *g, const struct history_frame *f, size_t used);

/* --- on the pool --- */

enum err history_fault(const struct history_disk *d, struct fault *why, int errnum,
                       const char *what, const char *name);
/* The directory and the salt; both made when `makes` and missing. ERR_MISSING: not there. */
MUST_USE enum err history_disk_open(struct history_disk *d, bool makes, uint64_t salt[2],
                                    struct fault *why);
/* What lies there: closed files are known by their index, the last one is read again. */
MUST_USE enum err history_disk_list(struct history_disk *d, struct history_listing *out,
                                    struct fault *why);
/* Appends frames; g's fd and is_torn are changed, the rest is the loop's. */
MUST_USE enum err history_disk_write(const struct history_disk *d, struct history_growing *g,
                                     struct slice frames, struct fault *why);
MUST_USE enum err history_disk_seal(const struct history_disk *d, const struct history_growing *g,
                                    struct history_sealed *out, struct fault *why);
int64_t history_disk_newest_ms(const struct history_disk *d); /* 0: no file, or none can be seen */
void history_disk_retire(const struct history_disk *d, uint64_t sequence);

struct history_search {
    uint64_t key[STORE_HISTORY_FIND_KEYS_MAX];
    unsigned key_count, limit;
    struct hot {
        uint64_t sequence;
        uint32_t *offset; /* owned; the newest first, without doubles */
        unsigned count;
    } hot[2];                          /* of the growing file, and of the one being closed */
    struct history_index_head *sealed; /* owned; the oldest first */
    size_t sealed_count;
    /* the answer */
    struct buf bytes;
    struct slice *payload; /* owned */
    unsigned count;
    bool has_more;
};
MUST_USE enum err history_disk_search(const struct history_disk *d, struct history_search *s,
                                      struct fault *why);
/* The newest first, each once: how many are left. */
unsigned history_sort_offsets(uint32_t *offset, unsigned count);

/* --- on the loop --- */

struct history_find;
struct store_history {
    uv_loop_t *loop;
    uv_timer_t flush;
    struct store_history_callbacks cb;
    struct history_disk disk;
    int64_t keep_ms, now_ms;
    uint64_t bytes_max;
    uint64_t salt[2], fresh_salt[2];
    bool has_salt, is_open;
    bool is_write_ill, is_keep_ill; /* and it has been said */

    struct history_sealed *sealed; /* oldest first; owned */
    size_t sealed_count, sealed_cap;
    struct history_growing growing, sealing;
    uint64_t last_sequence;

    struct buf pending, flying;
    struct buf once; /* frames that are perhaps known; looked at when the files are open */
    int64_t found_ms;
    uint64_t pending_count, flying_count;
    size_t flying_taken; /* bytes of what flies that are written, and in the index */
    uint32_t pending_keys, flying_keys;
    uint64_t appended, written; /* all ever taken; all of them that are in files */
    uint64_t lost, lookups;

    bool is_opening, is_writing, is_keeping; /* jobs out; one of each */
    struct list finds;                       /* waiting */
    unsigned finding, find_count;
    bool is_closing, is_ending;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

struct store_history *store_history_new_with(uv_loop_t *loop, const struct store_history_options *o,
                                             const struct store_history_callbacks *cb,
                                             const struct store_syscalls *sys);

void history_queue_work(struct store_history *h, uv_work_t *work, uv_work_cb run,
                        uv_after_work_cb done);
void history_pump(struct store_history *h); /* after each job: what is next */
void history_start_open(struct store_history *h);
void history_start_write(struct store_history *h);
void history_start_finds(struct store_history *h);
void history_finds_wait(struct store_history *h); /* for what has been appended by now */
void history_tell_all(struct store_history *h, enum err err);
