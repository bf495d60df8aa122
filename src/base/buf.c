/* buf.c -- a growing byte buffer with a ceiling, and the reader that goes the other way. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BYTES = 256 };

/* Memory for n more bytes. One byte over the ceiling may be allocated: the NUL of buf_cstr. */
static void grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : FIRST_BYTES;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max && need <= b->max)
        cap = b->max;
    b->p = mem_resize(b->p, cap);
    b->cap = cap;
}

static bool has_room(struct buf *b, size_t n)
{
    if (n > b->max - b->n) {
        b->is_full = true;
        return false;
    }
    if (n > b->cap - b->n)
        grow(b, b->n + n);
    return true;
}

void buf_init(struct buf *b, size_t max)
{
    CHECK(max < SIZE_MAX);
    *b = (struct buf){.max = max};
}

void buf_close(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->is_full = false;
}

void buf_trim(struct buf *b)
{
    if (b->n)
        return;
    mem_free(b->p);
    b->p = NULL;
    b->cap = 0;
}

bool buf_add(struct buf *b, struct slice s)
{
    if (!has_room(b, s.n))
        return false;
    if (s.n)
        memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
    return true;
}

bool buf_add_cstr(struct buf *b, const char *s)
{
    return buf_add(b, slice_cstr(s));
}

bool buf_add_char(struct buf *b, char c)
{
    if (!has_room(b, 1))
        return false;
    b->p[b->n++] = c;
    return true;
}

bool buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(b->p ? b->p + b->n : NULL, b->cap - b->n, fmt, args);
    va_end(args);
    size_t had = b->cap - b->n;
    bool is_added = n >= 0 && has_room(b, (size_t)n);
    if (is_added && (size_t)n >= had) {
        /* It was cut: vsnprintf wants room for a NUL, which may lie past the ceiling. */
        if (b->cap - b->n < (size_t)n + 1)
            grow(b, b->n + (size_t)n + 1);
        vsnprintf(b->p + b->n, b->cap - b->n, fmt, again);
    }
    va_end(again);
    if (is_added)
        b->n += (size_t)n;
    return is_added;
}

static bool add_little_endian(struct buf *b, uint64_t v, size_t n)
{
    if (!has_room(b, n))
        return false;
    for (size_t i = 0; i < n; i++)
        b->p[b->n++] = (char)(uint8_t)(v >> (8 * i));
    return true;
}

bool buf_add_u8(struct buf *b, uint8_t v)
{
    return add_little_endian(b, v, 1);
}

bool buf_add_u16(struct buf *b, uint16_t v)
{
    return add_little_endian(b, v, 2);
}

bool buf_add_u32(struct buf *b, uint32_t v)
{
    return add_little_endian(b, v, 4);
}

bool buf_add_u64(struct buf *b, uint64_t v)
{
    return add_little_endian(b, v, 8);
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (!has_room(b, n))
        return NULL;
    if (!b->p)
        grow(b, n);
    return b->p + b->n;
}

void buf_wrote(struct buf *b, size_t n)
{
    CHECK(n <= b->cap - b->n && n <= b->max - b->n);
    b->n += n;
}

void buf_drop(struct buf *b, size_t n)
{
    CHECK(n <= b->n);
    b->n -= n;
    if (n && b->n)
        memmove(b->p, b->p + n, b->n);
}

struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->p, b->n};
}

const char *buf_cstr(struct buf *b)
{
    if (b->n == 0)
        return "";
    if (b->cap == b->n)
        grow(b, b->n + 1);
    b->p[b->n] = 0;
    return b->p;
}

static uint64_t read_little_endian(struct reader *r, size_t n)
{
    struct slice s = read_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v |= (uint64_t)(uint8_t)s.p[i] << (8 * i);
    return v;
}

uint8_t read_u8(struct reader *r)
{
    return (uint8_t)read_little_endian(r, 1);
}

uint16_t read_u16(struct reader *r)
{
    return (uint16_t)read_little_endian(r, 2);
}

uint32_t read_u32(struct reader *r)
{
    return (uint32_t)read_little_endian(r, 4);
}

uint64_t read_u64(struct reader *r)
{
    return read_little_endian(r, 8);
}

struct slice read_bytes(struct reader *r, size_t n)
{
    if (r->is_bad || n > r->in.n) {
        r->is_bad = true;
        return SLICE_NONE;
    }
    struct slice s = {r->in.p, n};
    r->in = slice_from(r->in, n);
    return s;
}
