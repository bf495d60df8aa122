/* arena.c -- memory that dies all at once: a chain of blocks, cut from the front one. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t cap;
    size_t used;
    _Alignas(ALIGN) char bytes[];
};

static struct arena_block *block_new(size_t cap)
{
    struct arena_block *b = mem_resize(NULL, sizeof *b + cap);
    *b = (struct arena_block){.cap = cap};
    return b;
}

static void free_chain(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        mem_free(b);
        b = next;
    }
}

void arena_init(struct arena *a, size_t block_bytes)
{
    CHECK(block_bytes > 0 && block_bytes < SIZE_MAX / 4);
    *a = (struct arena){.block_bytes = (block_bytes + ALIGN - 1) / ALIGN * ALIGN};
}

void arena_close(struct arena *a)
{
    free_chain(a->first);
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL, *b = a->first;
    while (b) {
        struct arena_block *next = b->next;
        if (!keep && b->cap == a->block_bytes) {
            keep = b;
        } else {
            mem_free(b);
        }
        b = next;
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->first = keep;
    a->used_bytes = 0;
}

void *arena_new(struct arena *a, size_t n)
{
    CHECK(n < SIZE_MAX / 4);
    size_t need = (n + ALIGN - 1) / ALIGN * ALIGN;
    struct arena_block *b = a->first;
    if (!b || need > b->cap - b->used) {
        bool is_large = need > a->block_bytes;
        struct arena_block *fresh = block_new(is_large ? need : a->block_bytes);
        if (is_large && b) {
            /* Behind the front block, whose rest stays in use. */
            fresh->next = b->next;
            b->next = fresh;
        } else {
            fresh->next = b;
            a->first = fresh;
        }
        b = fresh;
    }
    void *p = b->bytes + b->used;
    b->used += need;
    a->used_bytes += need;
    memset(p, 0, need);
    return p;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *p = arena_new(a, s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

struct slice arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(n >= 0);
    char *p = arena_new(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return slice_of(p, (size_t)n);
}
