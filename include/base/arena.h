/* arena.h -- memory that dies all at once.
 *
 * Blocks are kept on reset, so that a busy loop allocates nothing. */
#pragma once

#include "base/slice.h"

struct arena_block;
struct arena {
    struct arena_block *first; /* newest block first */
    size_t block_bytes;        /* size of a normal block */
    size_t used_bytes;         /* handed out since the last reset */
};

void arena_init(struct arena *a, size_t block_bytes);
void arena_close(struct arena *a);
void arena_reset(struct arena *a); /* all that was handed out is dead; keeps one block */
MUST_USE void *arena_new(struct arena *a, size_t n);      /* zeroed, 16-byte aligned */
struct slice arena_copy(struct arena *a, struct slice s); /* a NUL stands behind the copy */
struct slice arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
