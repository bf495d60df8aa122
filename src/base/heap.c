/* heap.c -- binary min-heap of nodes that know their place. */
#include "base/heap.h"

enum { FIRST_NODES = 64 };

static void set(struct heap *h, size_t at, struct heap_node *n)
{
    h->node[at] = n;
    n->at = (uint32_t)(at + 1);
}

static void sift_up(struct heap *h, size_t at)
{
    struct heap_node *n = h->node[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (h->node[parent]->key <= n->key)
            break;
        set(h, at, h->node[parent]);
        at = parent;
    }
    set(h, at, n);
}

static void sift_down(struct heap *h, size_t at)
{
    struct heap_node *n = h->node[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->node[child + 1]->key < h->node[child]->key)
            child++;
        if (h->node[child]->key >= n->key)
            break;
        set(h, at, h->node[child]);
        at = child;
    }
    set(h, at, n);
}

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_close(struct heap *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->node[i]->at = 0;
    mem_free(h->node);
    *h = (struct heap){0};
}

void heap_put(struct heap *h, struct heap_node *n, int64_t key)
{
    n->key = key;
    if (n->at) {
        size_t at = n->at - 1;
        CHECK(at < h->count && h->node[at] == n);
        sift_up(h, at);
        sift_down(h, n->at - 1);
        return;
    }
    CHECK(h->count < UINT32_MAX);
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : FIRST_NODES;
        h->node = mem_resize(h->node, h->cap * sizeof *h->node);
    }
    h->node[h->count] = n;
    sift_up(h, h->count++);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (!n->at)
        return;
    size_t at = n->at - 1;
    CHECK(at < h->count && h->node[at] == n);
    n->at = 0;
    struct heap_node *last = h->node[--h->count];
    if (last == n)
        return;
    set(h, at, last);
    sift_up(h, at);
    sift_down(h, last->at - 1);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->count ? h->node[0] : NULL;
}
