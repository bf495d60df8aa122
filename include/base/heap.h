/* heap.h -- intrusive binary min-heap over a 64-bit key (times in ms, mostly).
 *
 * A node lives inside its owner's struct and knows its place, so that removing and re-keying
 * cost O(log n). Ties leave in any order. */
#pragma once

#include "base/err.h"

struct heap_node {
    int64_t key;
    uint32_t at;  /* place + 1; 0 when in no heap */
    uint32_t tag; /* the owner's: there is room for it */
};

struct heap {
    struct heap_node **node;
    size_t count;
    size_t cap;
};

void heap_init(struct heap *h);
void heap_close(struct heap *h);                                 /* nodes are the caller's */
void heap_put(struct heap *h, struct heap_node *n, int64_t key); /* inserts or re-keys */
void heap_remove(struct heap *h, struct heap_node *n);           /* no-op when not in */
struct heap_node *heap_first(const struct heap *h);              /* NULL when empty */
static inline bool heap_has(const struct heap_node *n)
{
    return n->at != 0;
}
