/* journal_codec.h -- the journal's bytes: segment header and record frames (see doc/journal.md).
 *
 * Pure, no allocation. Little-endian. A segment is a fixed-size file:
 *
 *   0   segment header, 64 bytes:
 *       magic "OUTPOSTJ" | version u32 | header bytes u32 | sequence u64 | nonce u64 |
 *       installation u64 | segment bytes u64 | created (Unix ms) i64 | CRC-32C of the above u32 |
 *       zero u32
 *   64  records, each 8-byte aligned:
 *       payload bytes u32 | type u8 | flags u8 (0) | mark u16 | id u64 | CRC-32C u32 | synced u32 |
 *       payload | zeroes up to the next multiple of 8
 *   ..  a frame of 24 zeroes ends the log; what stands behind it is zero or stale
 *
 * mark is the low half of the nonce's low half. synced: what stands before this offset had been
 * synced when the record was written; it tells a torn tail from damage in the middle. The CRC goes
 * over payload, frame bytes 0..15, synced and the segment's nonce, in this order: bytes of an
 * earlier life of the file have another nonce and never pass for records. */
#pragma once

#include "base/buf.h"

enum {
    JOURNAL_HEADER_BYTES = 64,
    JOURNAL_FRAME_BYTES = 24,
    JOURNAL_VERSION = 1,
    JOURNAL_RECORD_BYTES_MAX = 1024 * 1024, /* payload */
    JOURNAL_TYPE_OWN = 255, /* records of the journal itself; never shown to the owner */
    JOURNAL_PARTS_MAX = 4,
};

struct journal_header {
    uint64_t sequence, nonce, installation, segment_bytes;
    int64_t created_ms;
};

/* Where a record is: good until its segment is recycled. */
struct journal_pos {
    uint64_t segment; /* sequence number; 0: nowhere */
    uint32_t offset;  /* of the frame */
    uint32_t bytes;   /* payload */
};

struct journal_record {
    uint8_t type; /* never 0; meaning belongs to queue */
    uint64_t id;
    struct slice payload;
    struct journal_pos pos;
    uint32_t synced; /* see above */
};

size_t journal_record_span(size_t payload_bytes); /* frame + payload + padding */
void journal_header_build(const struct journal_header *h, char out[JOURNAL_HEADER_BYTES]);
/* ERR_BAD: no header (other magic, version, size); ERR_DAMAGED: its checksum does not match. */
MUST_USE enum err journal_header_parse(struct slice in, struct journal_header *out,
                                       struct fault *why);
/* The format version of what is a header by its magic and checksum, whatever else it says (these
 * two and the version keep their places for ever); 0: none. */
uint32_t journal_header_version(struct slice in);
/* Appends one framed record to out. payload comes in up to JOURNAL_PARTS_MAX parts. False: out is
 * full. */
bool journal_record_build(struct buf *out, const struct journal_header *h, uint8_t type,
                          uint64_t id, const struct slice *part, int part_count);
/* One record at `offset` of a whole segment image. */
enum journal_read {
    JOURNAL_READ_OK,
    JOURNAL_READ_END,  /* zeroes, or no room for another record */
    JOURNAL_READ_TORN, /* something stands here that is no whole record of this segment's life */
};
enum journal_read journal_record_parse(struct slice segment, const struct journal_header *h,
                                       uint32_t offset, struct journal_record *out);
/* A frame and payload fetched alone from disk (the bytes from pos.offset on). */
MUST_USE enum err journal_record_verify(struct slice bytes, const struct journal_header *h,
                                        struct journal_pos pos, uint64_t id,
                                        struct journal_record *out, struct fault *why);

/* A seal says of an earlier segment: nothing from valid_end on counts. Written by the journal
 * itself (JOURNAL_TYPE_OWN), right behind the header of a later segment. Payload, 24 bytes:
 * kind u32 (1) | valid end u32 | sequence u64 | nonce u64, the last two of the sealed segment. */
enum { JOURNAL_SEAL_BYTES = 24 };
struct journal_seal {
    uint64_t segment, nonce;
    uint32_t valid_end;
};
void journal_seal_build(const struct journal_seal *s, char out[JOURNAL_SEAL_BYTES]);
bool journal_seal_parse(const struct journal_record *r, struct journal_seal *out);
