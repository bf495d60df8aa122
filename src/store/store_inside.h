/* store_inside.h -- the store's parts: files and what is done with them (store_disk.c, any thread),
 * the writer thread (store_writer.c), jobs on libuv's pool (store_pool.c), start-up (store_open.c,
 * store_replay.h), and the loop's side that holds it together (store.c). */
#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "store/store.h"
#include "store/store_selftest.h"
#include "store_image.h"
#include "store_names.h"
#include "store_syscalls.h"

enum {
    FETCHES_MAX = 64,     /* on the pool at once; more wait in a list */
    FILES_OPEN_MAX = 256, /* segments kept open */
    FLUSH_MS = 1000,
    COMPLETIONS_A_TURN = 512, /* told; a large batch must not hold up the loop */
    FILL_BYTES = 1024 * 1024,
    FILL_SYNC_BYTES = 4 * 1024 * 1024, /* so that filling never clogs the disk for long */
};

/* --- files: no state but the directory; safe on any thread --- */

struct disk {
    const struct store_syscalls *sys;
    char *path; /* of state_dir */
    int state_fd, queue_fd, lock_fd;
    uint64_t segment_bytes;
    bool is_new;            /* directories were made and their names are not synced yet */
    atomic_bool is_hurried; /* somebody waits for the spare in the making */
    atomic_bool is_ending;  /* or nobody wants it any more */
};

MUST_USE enum err disk_open(struct disk *d, const struct store_options *o, uint64_t *installation,
                            struct fault *why);
void disk_close(struct disk *d);
MUST_USE enum err disk_keep_installation(struct disk *d, uint64_t id, struct fault *why);
enum err disk_fault(const struct disk *d, struct fault *why, int errnum, const char *what,
                    const char *name);
MUST_USE enum err disk_write(const struct disk *d, int fd, struct slice bytes, uint32_t offset,
                             const char *name, struct fault *why);
MUST_USE enum err disk_sync(const struct disk *d, int fd, const char *name, struct fault *why);
MUST_USE enum err disk_make(struct disk *d, struct journal_io *io, struct fault *why);
MUST_USE enum err disk_adopt(struct disk *d, const struct journal_io *io, struct fault *why);
MUST_USE enum err disk_retire(struct disk *d, struct journal_io *io, struct fault *why);

/* --- indices (store_index.c) --- */

/* io: JOURNAL_IO_INDEX of the segment with header h. Any thread. */
MUST_USE enum err disk_index(struct disk *d, struct journal_io *io, const struct journal_header *h,
                             size_t (*head_bytes)(uint8_t type, struct slice payload),
                             struct fault *why);

/* --- open segment files: the loop's alone --- */

struct open_file {
    uint64_t segment;
    int fd;
    unsigned users;
    bool is_gone; /* retired: closed when the last user is done */
    struct list by_use;
};

struct files {
    struct map by_segment;
    struct list by_use; /* least recently used first */
    size_t count;
};

void files_init(struct files *f, uint64_t seed);
void files_close(struct files *f);
struct open_file *files_use(struct files *f, uint64_t segment); /* NULL: not open */
void files_done(struct files *f, struct open_file *file);
void files_add(struct files *f, uint64_t segment, int fd); /* takes fd */
/* Out of the table, to be closed by the caller; -1: it is not open, or in use. */
int files_take(struct files *f, uint64_t segment);
void files_forget(struct files *f, uint64_t segment);

/* --- the writer: one thread, one job at a time --- */

struct write_job {
    struct journal_io io;
    int fd; /* -1: the thread opens it */
    enum err err, sync_err;
    struct fault why;
    bool has_synced; /* io.sync_follows was heeded: sync_err counts */
    int64_t took_us;
};

struct writer {
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t wake;
    uv_async_t *done;
    struct disk *disk;
    bool has_job, is_done, is_stopping, is_running;
    struct write_job job;
};

MUST_USE int writer_start(struct writer *w, struct disk *disk, uv_async_t *done);
void writer_stop(struct writer *w);
void writer_give(struct writer *w, const struct write_job *job);
bool writer_take(struct writer *w, struct write_job *job); /* false: not done */

/* --- the store --- */

struct fetch;
struct store {
    uv_loop_t *loop;
    struct store_callbacks cb;
    struct store_options options;
    uint64_t seed, installation; /* 0: not known before replay */
    struct disk disk;
    struct journal *journal; /* from replay on */
    struct writer writer;
    struct files files;
    uv_async_t async;
    uv_timer_t timer;

    bool is_writing;
    struct open_file *writing_to;
    bool has_sync_result; /* for the SYNC that the machine will ask for next */
    enum err sync_result;
    struct fault sync_why;
    int64_t last_sync_us;

    struct list fetches; /* waiting */
    unsigned fetching;
    unsigned pool_jobs;
    bool is_write_ill, is_make_ill, is_retire_ill, is_index_ill;
    struct store_recovery recovery;

    bool is_closing, is_closed, is_listening;
    int handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

MUST_USE enum err store_open_with(struct store **out, uv_loop_t *loop,
                                  const struct store_options *o, const struct store_callbacks *cb,
                                  uint64_t seed, const struct store_syscalls *sys,
                                  struct fault *why);
void store_pump(struct store *s); /* hands out what the machine wants done */
void store_listen(
    struct store *s); /* pump, then tell completions; only from the loop's callbacks */
void store_io_done(struct store *s, const struct journal_io *io, enum err err,
                   const struct fault *why);
void store_make(struct store *s, const struct journal_io *io);
void store_retire(struct store *s, const struct journal_io *io);
void store_index(struct store *s, const struct journal_io *io);
void store_cancel_fetches(struct store *s);

MUST_USE enum err store_selftest_round_with(const char *dir, uint64_t seed,
                                      const struct store_syscalls *sys,
                                      struct store_selftest_round *out, struct fault *why);
