/* history_index.c -- see the header. Keys are hashes under a secret salt: their low bits choose the
 * chain as they are. */
#include "history/history_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"

enum { VERSION = 1, CAP_LEAST = 1024, ENTRY_BYTES = 16 };

static const char magic[8] = {'O', 'U', 'T', 'P', 'O', 'S', 'T', 'I'};

void history_index_init(struct history_index *ix)
{
    *ix = (struct history_index){0};
}

void history_index_close(struct history_index *ix)
{
    mem_free(ix->entry);
    mem_free(ix->first);
    *ix = (struct history_index){0};
}

bool history_index_has_room(const struct history_index *ix, uint32_t count)
{
    return count <= HISTORY_INDEX_ENTRIES_MAX - ix->count;
}

static void link_entry(struct history_index *ix, uint32_t at)
{
    uint32_t *first = &ix->first[ix->entry[at].key & (ix->cap - 1)];
    ix->entry[at].next = *first;
    *first = at + 1;
}

static void grow(struct history_index *ix)
{
    ix->cap = ix->cap ? ix->cap * 2 : CAP_LEAST;
    ix->entry = mem_resize(ix->entry, ix->cap * sizeof *ix->entry);
    ix->first = mem_resize(ix->first, ix->cap * sizeof *ix->first);
    memset(ix->first, 0, ix->cap * sizeof *ix->first);
    for (uint32_t i = 0; i < ix->count; i++)
        link_entry(ix, i);
}

void history_index_add(struct history_index *ix, uint64_t key, uint32_t offset)
{
    CHECK(history_index_has_room(ix, 1));
    if (ix->count == ix->cap)
        grow(ix);
    ix->entry[ix->count] = (struct history_index_entry){.key = key, .offset = offset};
    link_entry(ix, ix->count++);
}

unsigned history_index_find(const struct history_index *ix, uint64_t key, uint32_t *offset,
                            unsigned max)
{
    unsigned count = 0;
    uint32_t at = ix->cap ? ix->first[key & (ix->cap - 1)] : 0;
    for (; at && count < max; at = ix->entry[at - 1].next)
        if (ix->entry[at - 1].key == key)
            offset[count++] = ix->entry[at - 1].offset;
    return count;
}

/* --- sealed --- */

static int compare(const void *a, const void *b)
{
    const struct history_index_entry *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

bool history_index_build(const struct history_index *ix, const struct history_index_head *head,
                         struct buf *out)
{
    size_t at = out->n;
    buf_add(out, slice_of(magic, sizeof magic));
    buf_add_u32(out, VERSION);
    buf_add_u32(out, HISTORY_INDEX_HEADER_BYTES);
    buf_add_u64(out, head->sequence);
    buf_add_u64(out, head->log_bytes);
    buf_add_u32(out, ix->count);
    buf_add_u32(out, head->records);
    buf_add_u64(out, (uint64_t)head->oldest_ms);
    buf_add_u64(out, (uint64_t)head->newest_ms);
    if (out->is_full)
        return false;
    buf_add_u32(out, crc32c(0, slice_of(out->p + at, 56)));
    buf_add_u32(out, 0);
    struct history_index_entry *sorted = mem_new((ix->count + 1) * sizeof *sorted);
    if (ix->count)
        memcpy(sorted, ix->entry, ix->count * sizeof *sorted);
    qsort(sorted, ix->count, sizeof *sorted, compare);
    for (uint32_t i = 0; i < ix->count; i++) {
        buf_add_u64(out, sorted[i].key);
        buf_add_u64(out, sorted[i].offset);
    }
    mem_free(sorted);
    return !out->is_full;
}

bool history_index_head_parse(struct slice in, struct history_index_head *out)
{
    struct reader r = {.in = in};
    struct slice first = read_bytes(&r, sizeof magic);
    uint32_t version = read_u32(&r), bytes = read_u32(&r);
    out->sequence = read_u64(&r);
    out->log_bytes = read_u64(&r);
    out->entries = read_u32(&r);
    out->records = read_u32(&r);
    out->oldest_ms = (int64_t)read_u64(&r);
    out->newest_ms = (int64_t)read_u64(&r);
    uint32_t crc = read_u32(&r);
    return !r.is_bad && slice_eq(first, slice_of(magic, sizeof magic)) && version == VERSION &&
           bytes == HISTORY_INDEX_HEADER_BYTES && out->entries <= HISTORY_INDEX_ENTRIES_MAX &&
           crc == crc32c(0, slice_head(in, 56));
}

static bool read_entry(const struct history_index_source *from, uint32_t i, uint64_t *key,
                       uint64_t *offset)
{
    char bytes[ENTRY_BYTES];
    if (!from->read(from->ctx, HISTORY_INDEX_HEADER_BYTES + (uint64_t)i * ENTRY_BYTES, bytes,
                    sizeof bytes))
        return false;
    struct reader r = {.in = slice_of(bytes, sizeof bytes)};
    *key = read_u64(&r);
    *offset = read_u64(&r);
    return true;
}

bool history_index_search(const struct history_index_source *from,
                          const struct history_index_head *head, uint64_t key, uint32_t *offset,
                          unsigned max, unsigned *count)
{
    uint32_t low = 0, high = head->entries; /* the first entry whose key is greater */
    uint64_t k, at;
    *count = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (!read_entry(from, middle, &k, &at))
            return false;
        if (k <= key)
            low = middle + 1;
        else
            high = middle;
    }
    while (low > 0 && *count < max) {
        if (!read_entry(from, --low, &k, &at))
            return false;
        if (k != key)
            break;
        if (at < head->log_bytes)
            offset[(*count)++] = (uint32_t)at;
    }
    return true;
}
