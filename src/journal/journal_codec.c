/* journal_codec.c -- the journal's bytes, there and back. The layouts stand in the header. */
#include "journal/journal_codec.h"

#include "base/crc32c.h"
#include "journal_frame.h"

#include <string.h>

enum {
    /* segment header */
    H_VERSION = 8,
    H_BYTES = 12,
    H_SEQUENCE = 16,
    H_NONCE = 24,
    H_INSTALLATION = 32,
    H_SEGMENT_BYTES = 40,
    H_CREATED = 48,
    H_CRC = 56,
    /* frame */
    F_TYPE = 4,
    F_FLAGS = 5,
    F_MARK = 6,
    F_ID = 8,
    F_CRC = 16,
    F_SYNCED = 20,
    ALIGN = 8,
    SEAL_KIND_FAILED = 1,
};

static const char magic[8] = {'O', 'U', 'T', 'P', 'O', 'S', 'T', 'J'};

static void put(char *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(uint8_t)(v >> (8 * i));
}

static uint64_t get(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)(uint8_t)p[i] << (8 * i);
    return v;
}

static uint16_t mark_of(uint64_t nonce)
{
    return (uint16_t)nonce;
}

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i])
            return false;
    }
    return true;
}

/* Payload first: the nonce is known last. */
static uint32_t finish_crc(uint32_t payload_crc, const char *frame, uint64_t nonce)
{
    char tail[F_CRC + 4 + 8];
    memcpy(tail, frame, F_CRC);
    memcpy(tail + F_CRC, frame + F_SYNCED, 4);
    put(tail + F_CRC + 4, nonce, 8);
    return crc32c(payload_crc, slice_of(tail, sizeof tail));
}

bool journal_frame_begin(struct buf *out, uint8_t type, uint64_t id, const struct slice *part,
                         int part_count)
{
    CHECK(type != 0 && part_count >= 0 && part_count <= JOURNAL_PARTS_MAX);
    size_t n = 0;
    for (int i = 0; i < part_count; i++) {
        if (part[i].n > JOURNAL_RECORD_BYTES_MAX - n)
            return false;
        n += part[i].n;
    }
    size_t span = journal_record_span(n);
    char *frame = buf_reserve(out, span);
    if (!frame)
        return false;
    char *at = frame + JOURNAL_FRAME_BYTES;
    for (int i = 0; i < part_count; i++) {
        if (part[i].n)
            memcpy(at, part[i].p, part[i].n);
        at += part[i].n;
    }
    memset(at, 0, (size_t)(frame + span - at));
    memset(frame, 0, JOURNAL_FRAME_BYTES);
    put(frame, n, 4);
    frame[F_TYPE] = (char)type;
    put(frame + F_ID, id, 8);
    put(frame + F_CRC, crc32c(0, slice_of(frame + JOURNAL_FRAME_BYTES, n)), 4);
    buf_wrote(out, span);
    return true;
}

void journal_frame_finish(char *frame, uint64_t nonce, uint32_t synced)
{
    uint32_t payload_crc = (uint32_t)get(frame + F_CRC, 4);
    put(frame + F_MARK, mark_of(nonce), 2);
    put(frame + F_SYNCED, synced, 4);
    put(frame + F_CRC, finish_crc(payload_crc, frame, nonce), 4);
}

bool journal_frame_is_likely(const char *frame, size_t room, uint64_t nonce)
{
    return room >= JOURNAL_FRAME_BYTES && frame[F_TYPE] != 0 && frame[F_FLAGS] == 0 &&
           get(frame + F_MARK, 2) == mark_of(nonce) && get(frame, 4) <= JOURNAL_RECORD_BYTES_MAX &&
           journal_record_span(get(frame, 4)) <= room;
}

size_t journal_record_span(size_t payload_bytes)
{
    return JOURNAL_FRAME_BYTES + (payload_bytes + ALIGN - 1) / ALIGN * ALIGN;
}

void journal_header_build(const struct journal_header *h, char out[JOURNAL_HEADER_BYTES])
{
    memset(out, 0, JOURNAL_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    put(out + H_VERSION, JOURNAL_VERSION, 4);
    put(out + H_BYTES, JOURNAL_HEADER_BYTES, 4);
    put(out + H_SEQUENCE, h->sequence, 8);
    put(out + H_NONCE, h->nonce, 8);
    put(out + H_INSTALLATION, h->installation, 8);
    put(out + H_SEGMENT_BYTES, h->segment_bytes, 8);
    put(out + H_CREATED, (uint64_t)h->created_ms, 8);
    put(out + H_CRC, crc32c(0, slice_of(out, H_CRC)), 4);
}

enum err journal_header_parse(struct slice in, struct journal_header *out, struct fault *why)
{
    if (in.n < JOURNAL_HEADER_BYTES)
        return fault_set(why, ERR_BAD, 0, "segment of %zu bytes is too short for its header", in.n);
    if (memcmp(in.p, magic, sizeof magic) != 0)
        return fault_set(why, ERR_BAD, 0, "not a journal segment (no OUTPOSTJ at its start)");
    if (get(in.p + H_CRC, 4) != crc32c(0, slice_of(in.p, H_CRC)))
        return fault_set(why, ERR_DAMAGED, 0, "segment header is damaged (checksum)");
    unsigned version = (unsigned)get(in.p + H_VERSION, 4);
    if (version != JOURNAL_VERSION || get(in.p + H_BYTES, 4) != JOURNAL_HEADER_BYTES)
        return fault_set(why, ERR_BAD, 0, "segment has format version %u, this program reads %d",
                         version, JOURNAL_VERSION);
    struct journal_header h = {
        .sequence = get(in.p + H_SEQUENCE, 8),
        .nonce = get(in.p + H_NONCE, 8),
        .installation = get(in.p + H_INSTALLATION, 8),
        .segment_bytes = get(in.p + H_SEGMENT_BYTES, 8),
        .created_ms = (int64_t)get(in.p + H_CREATED, 8),
    };
    if (h.sequence == 0 || h.segment_bytes < JOURNAL_HEADER_BYTES || h.segment_bytes > UINT32_MAX)
        return fault_set(why, ERR_BAD, 0, "segment header has impossible values");
    *out = h;
    return ERR_OK;
}

uint32_t journal_header_version(struct slice in)
{
    bool is_header = in.n >= JOURNAL_HEADER_BYTES && memcmp(in.p, magic, sizeof magic) == 0 &&
                     get(in.p + H_CRC, 4) == crc32c(0, slice_of(in.p, H_CRC));
    return is_header ? (uint32_t)get(in.p + H_VERSION, 4) : 0;
}

bool journal_record_build(struct buf *out, const struct journal_header *h, uint8_t type,
                          uint64_t id, const struct slice *part, int part_count)
{
    size_t at = out->n;
    if (!journal_frame_begin(out, type, id, part, part_count))
        return false;
    journal_frame_finish(out->p + at, h->nonce, 0);
    return true;
}

/* The whole check of one frame and its payload, which lie in `bytes`. */
static bool read_record(struct slice bytes, const struct journal_header *h,
                        struct journal_record *out)
{
    if (!journal_frame_is_likely(bytes.p, bytes.n, h->nonce))
        return false;
    size_t n = get(bytes.p, 4);
    struct slice payload = slice_of(bytes.p + JOURNAL_FRAME_BYTES, n);
    if (finish_crc(crc32c(0, payload), bytes.p, h->nonce) != get(bytes.p + F_CRC, 4))
        return false;
    *out = (struct journal_record){
        .type = (uint8_t)bytes.p[F_TYPE],
        .id = get(bytes.p + F_ID, 8),
        .payload = payload,
        .synced = (uint32_t)get(bytes.p + F_SYNCED, 4),
    };
    return true;
}

enum journal_read journal_record_parse(struct slice segment, const struct journal_header *h,
                                       uint32_t offset, struct journal_record *out)
{
    if (offset >= segment.n || segment.n - offset < JOURNAL_FRAME_BYTES)
        return JOURNAL_READ_END;
    const char *frame = segment.p + offset;
    if (frame[F_TYPE] == 0 && is_zero(frame, JOURNAL_FRAME_BYTES))
        return JOURNAL_READ_END;
    if (!read_record(slice_from(segment, offset), h, out))
        return JOURNAL_READ_TORN;
    out->pos = (struct journal_pos){h->sequence, offset, (uint32_t)out->payload.n};
    return JOURNAL_READ_OK;
}

enum err journal_record_verify(struct slice bytes, const struct journal_header *h,
                               struct journal_pos pos, uint64_t id, struct journal_record *out,
                               struct fault *why)
{
    struct journal_record r;
    if (bytes.n < journal_record_span(pos.bytes) || pos.segment != h->sequence ||
        !read_record(bytes, h, &r) || r.payload.n != pos.bytes || r.id != id)
        return fault_set(why, ERR_DAMAGED, 0,
                         "record of %u bytes at offset %u of segment %016llx is damaged", pos.bytes,
                         pos.offset, (unsigned long long)pos.segment);
    r.pos = pos;
    *out = r;
    return ERR_OK;
}

void journal_seal_build(const struct journal_seal *s, char out[JOURNAL_SEAL_BYTES])
{
    put(out, SEAL_KIND_FAILED, 4);
    put(out + 4, s->valid_end, 4);
    put(out + 8, s->segment, 8);
    put(out + 16, s->nonce, 8);
}

bool journal_seal_parse(const struct journal_record *r, struct journal_seal *out)
{
    if (r->type != JOURNAL_TYPE_OWN || r->payload.n != JOURNAL_SEAL_BYTES ||
        get(r->payload.p, 4) != SEAL_KIND_FAILED)
        return false;
    *out = (struct journal_seal){
        .segment = get(r->payload.p + 8, 8),
        .nonce = get(r->payload.p + 16, 8),
        .valid_end = (uint32_t)get(r->payload.p + 4, 4),
    };
    return true;
}
