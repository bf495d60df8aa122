/* map.h -- two hash tables over open addressing: by 64-bit number, by bytes.
 *
 * Values are pointers that the caller owns; NULL is no value. Hashing is SipHash-1-3 under the
 * table's own key, so that a peer who chooses keys cannot choose collisions. Grow by doubling at
 * 3/4 load; removal leaves no tombstones (backward shift). Ceilings are the caller's. */
#pragma once

#include "base/slice.h"

uint64_t hash_sip13(uint64_t k0, uint64_t k1, struct slice s);

struct map_entry {
    uint64_t hash;    /* id map: the id itself */
    struct slice key; /* string map only; borrowed: must live as long as the entry */
    void *value;
};
struct map {
    struct map_entry *slot;
    size_t count;
    size_t cap; /* power of two, or 0 */
    uint64_t k0, k1;
};

void map_init(struct map *m, uint64_t seed);
void map_close(struct map *m); /* keys and values are the caller's */

void *map_get_id(const struct map *m, uint64_t id);
void map_put_id(struct map *m, uint64_t id, void *value); /* replaces */
void *map_take_id(struct map *m, uint64_t id);            /* removed value or NULL */

/* Bytes are compared exactly: fold case before. */
void *map_get(const struct map *m, struct slice key);
void map_put(struct map *m, struct slice key, void *value); /* replaces key and value */
void *map_take(struct map *m, struct slice key);

/* Walk: *at starts at 0; NULL at the end. The table must not change meanwhile. */
struct map_entry *map_next(const struct map *m, size_t *at);
