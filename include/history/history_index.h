/* history_index.h -- where the frames with a key stand in one history file.
 *
 * While a file grows its index is in memory (a table of chains, newest first); when it is closed
 * the index is written beside it, sorted by key and offset, and a look-up is a binary search over
 * reads of 16 bytes (layout: doc/history.md). */
#pragma once

#include "base/buf.h"

enum {
    HISTORY_INDEX_ENTRIES_MAX = 256 * 1024, /* in memory: 16 bytes each, and 4 for the chain */
    HISTORY_INDEX_HEADER_BYTES = 64,
    HISTORY_INDEX_BYTES_MAX = HISTORY_INDEX_HEADER_BYTES + 16 * HISTORY_INDEX_ENTRIES_MAX,
};

struct history_index_entry {
    uint64_t key;
    uint32_t offset, next; /* next of the chain + 1 */
};

struct history_index {
    struct history_index_entry *entry; /* owned */
    uint32_t *first;                   /* of each chain + 1; as many as `cap`; owned */
    uint32_t count, cap;
};

void history_index_init(struct history_index *ix);
void history_index_close(struct history_index *ix);
/* Room for so many more? */
bool history_index_has_room(const struct history_index *ix, uint32_t count);
void history_index_add(struct history_index *ix, uint64_t key, uint32_t offset);
/* Offsets of the newest frames with this key, the newest first; how many. */
unsigned history_index_find(const struct history_index *ix, uint64_t key, uint32_t *offset,
                            unsigned max);

/* The index of a closed file. */
struct history_index_head {
    uint64_t sequence;
    uint64_t log_bytes; /* of the file it is about */
    uint32_t entries, records;
    int64_t oldest_ms, newest_ms;
};
bool history_index_build(const struct history_index *ix, const struct history_index_head *head,
                         struct buf *out);
bool history_index_head_parse(struct slice in, struct history_index_head *out);

struct history_index_source {
    void *ctx;
    bool (*read)(void *ctx, uint64_t at, void *to, size_t n); /* false: it cannot be read */
};
/* As history_index_find. False: a read failed. */
bool history_index_search(const struct history_index_source *from,
                          const struct history_index_head *head, uint64_t key, uint32_t *offset,
                          unsigned max, unsigned *count);
