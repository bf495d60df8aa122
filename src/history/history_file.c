/* history_file.c -- see the header. */
#include "history/history_file.h"

#include "base/crc32c.h"

enum { VERSION = 1 };

static const char magic[8] = {'O', 'U', 'T', 'P', 'O', 'S', 'T', 'H'};

void history_file_begin(uint64_t sequence, struct buf *out)
{
    size_t at = out->n;
    buf_add(out, slice_of(magic, sizeof magic));
    buf_add_u32(out, VERSION);
    buf_add_u32(out, HISTORY_FILE_HEADER_BYTES);
    buf_add_u64(out, sequence);
    buf_add_u32(out, crc32c(0, slice_of(out->p + at, 24)));
    buf_add_u32(out, 0);
}

bool history_file_is_good(struct slice header, uint64_t sequence)
{
    struct reader r = {.in = header};
    struct slice first = read_bytes(&r, sizeof magic);
    uint32_t version = read_u32(&r), bytes = read_u32(&r);
    uint64_t number = read_u64(&r);
    uint32_t crc = read_u32(&r);
    return !r.is_bad && slice_eq(first, slice_of(magic, sizeof magic)) && version == VERSION &&
           bytes == HISTORY_FILE_HEADER_BYTES && number == sequence &&
           crc == crc32c(0, slice_head(header, 24));
}

static size_t padding(size_t n)
{
    return (8 - n % 8) % 8;
}

bool history_frame_build(int64_t time_ms, const uint64_t *key, uint32_t key_count,
                         struct slice payload, struct buf *out)
{
    if (key_count > HISTORY_FRAME_KEYS_MAX || payload.n > HISTORY_FRAME_PAYLOAD_BYTES_MAX)
        return false;
    size_t at = out->n;
    size_t body = HISTORY_FRAME_HEADER_BYTES + 8 * (size_t)key_count + payload.n;
    if (out->is_full || body + padding(body) > out->max - out->n)
        return false;
    buf_add_u32(out, (uint32_t)payload.n);
    buf_add_u32(out, 0);
    buf_add_u64(out, (uint64_t)time_ms);
    buf_add_u32(out, key_count);
    buf_add_u32(out, 0);
    for (uint32_t i = 0; i < key_count; i++)
        buf_add_u64(out, key[i]);
    buf_add(out, payload);
    buf_add(out, slice_of("\0\0\0\0\0\0\0", padding(body)));
    uint32_t crc = crc32c(0, slice_of(out->p + at, 4));
    crc = crc32c(crc, slice_of(out->p + at + 8, body - 8));
    for (int i = 0; i < 4; i++)
        out->p[at + 4 + (size_t)i] = (char)(crc >> (8 * i));
    return true;
}

enum parse history_frame_parse(struct slice in, struct history_frame *out, size_t *used)
{
    struct reader r = {.in = in};
    *out = (struct history_frame){0};
    *used = 0;
    uint32_t payload_bytes = read_u32(&r), crc = read_u32(&r);
    out->time_ms = (int64_t)read_u64(&r);
    out->key_count = read_u32(&r);
    uint32_t zero = read_u32(&r);
    if (r.is_bad)
        return PARSE_MORE;
    if (zero || out->key_count > HISTORY_FRAME_KEYS_MAX ||
        payload_bytes > HISTORY_FRAME_PAYLOAD_BYTES_MAX)
        return PARSE_BAD;
    out->keys = read_bytes(&r, 8 * (size_t)out->key_count);
    out->payload = read_bytes(&r, payload_bytes);
    size_t body = HISTORY_FRAME_HEADER_BYTES + 8 * (size_t)out->key_count + payload_bytes;
    struct slice pad = read_bytes(&r, padding(body));
    if (r.is_bad)
        return PARSE_MORE;
    for (size_t i = 0; i < pad.n; i++)
        if (pad.p[i])
            return PARSE_BAD;
    uint32_t right = crc32c(crc32c(0, slice_head(in, 4)), slice_of(in.p + 8, body - 8));
    if (crc != right)
        return PARSE_BAD;
    *used = body + pad.n;
    return PARSE_DONE;
}

uint64_t history_frame_key(const struct history_frame *f, uint32_t i)
{
    struct reader r = {.in = slice_from(f->keys, 8 * (size_t)i)};
    return read_u64(&r);
}
