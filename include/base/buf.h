/* buf.h -- a growing byte buffer with a ceiling.
 *
 * Owns its memory. What does not fit under `max` is not added at all and sets is_full, which
 * sticks until buf_clear: callers write freely and look once at the end. */
#pragma once

#include "base/slice.h"

struct buf {
    char *p;
    size_t n;   /* bytes used */
    size_t cap; /* bytes allocated */
    size_t max; /* never more than this */
    bool is_full;
};

void buf_init(struct buf *b, size_t max);
void buf_close(struct buf *b); /* frees, zeroes */
void buf_clear(struct buf *b); /* forgets the bytes, keeps the memory */
void buf_trim(struct buf *b);  /* frees the memory of an empty buffer */

bool buf_add(struct buf *b, struct slice s); /* false: did not fit */
bool buf_add_cstr(struct buf *b, const char *s);
bool buf_add_char(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Little-endian integers. */
bool buf_add_u8(struct buf *b, uint8_t v);
bool buf_add_u16(struct buf *b, uint16_t v);
bool buf_add_u32(struct buf *b, uint32_t v);
bool buf_add_u64(struct buf *b, uint64_t v);
/* Room for n more bytes at the end, NULL when they do not fit; buf_wrote says how many came. */
char *buf_reserve(struct buf *b, size_t n);
void buf_wrote(struct buf *b, size_t n);
void buf_drop(struct buf *b, size_t n); /* the first n bytes go, the rest moves down */
struct slice buf_slice(const struct buf *b);
/* NUL-terminated view; the NUL is not counted. "" when empty. */
const char *buf_cstr(struct buf *b);

/* Bounded little-endian reader, the other way. After a read past the end is_bad is set and every
 * further read gives 0 or an empty slice. */
struct reader {
    struct slice in;
    bool is_bad;
};
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
struct slice read_bytes(struct reader *r, size_t n);
