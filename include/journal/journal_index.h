/* journal_index.h -- a segment's index: what a start needs of its records without reading their
 * payloads (see doc/journal.md, "Index"). Derived data: it may be lost, torn or stale at any time,
 * then the segment is walked. So nobody syncs it, and nothing but its checksums is believed.
 *
 * Pure. Little-endian. The file SEQ.idx:
 *
 *   0   header, 72 bytes:
 *       magic "OUTPOSTI" | version u32 | header bytes u32 | sequence u64 | nonce u64 |
 *       installation u64 | segment bytes u64 | valid end u32 | entries u32 | entry bytes u64 |
 *       CRC-32C of all entries u32 | CRC-32C of the above u32
 *   72  entries, one a record of the owner's, in order of offset:
 *       id u64 | offset u32 | payload bytes u32 | head bytes u32 | type u8 | zero u8[3] |
 *       head | zeroes up to the next multiple of 8
 *
 * valid end: every byte of the segment before it belongs to header, seals and these records; what
 * stands behind does not count. The head is the front of the payload; only the owner knows how much
 * of it is needed (head_bytes). */
#pragma once

#include "journal/journal_codec.h"

enum {
    JOURNAL_INDEX_HEADER_BYTES = 72,
    JOURNAL_INDEX_ENTRY_BYTES = 24,
    JOURNAL_INDEX_VERSION = 1,
    JOURNAL_INDEX_OUT_BYTES_MAX = 256 * 1024, /* held by the builder: then drain it; and one more
                                               * entry, which is a record at most */
};

/* A larger one is not worth having: the walk takes hardly longer. */
uint64_t journal_index_bytes_max(uint64_t segment_bytes);

/* --- making one: over a window that slides along the segment --- */

struct journal_index_builder {
    struct journal_header header;
    size_t (*head_bytes)(uint8_t type, struct slice payload);
    uint32_t offset; /* of the next record: where the window begins */
    uint32_t valid_end;
    uint32_t entries, crc;
    uint64_t entry_bytes;
    struct buf out; /* entries that nobody has taken yet; owned */
};

/* head_bytes: how much of this payload belongs into the index; more than there is counts as all. */
void journal_index_begin(struct journal_index_builder *b, const struct journal_header *h,
                         uint32_t valid_end,
                         size_t (*head_bytes)(uint8_t type, struct slice payload));
void journal_index_close(struct journal_index_builder *b);
/* window: the segment's bytes from b->offset on (moved by this call), as many as there are at hand;
 * a record and its frame must fit. PARSE_DONE: valid end is reached. PARSE_MORE: drain b->out, then
 * come again. PARSE_BAD: something at b->offset is no record of this life. */
MUST_USE enum parse journal_index_add(struct journal_index_builder *b, struct slice window);
/* After PARSE_DONE: what stands at the file's start. */
void journal_index_header(const struct journal_index_builder *b,
                          char out[JOURNAL_INDEX_HEADER_BYTES]);

/* --- reading one --- */

struct journal_index {
    struct slice entries; /* not read yet; borrowed */
    uint64_t segment;
    uint32_t valid_end, count;
};

/* Of which segment it says to be, for one that is not there any more. ERR_BAD: no index. */
MUST_USE enum err journal_index_owner(struct slice file, struct journal_header *out);
/* file: the whole of it. h: the header that the segment has now. Every entry is checked here.
 * ERR_BAD: of no use. */
MUST_USE enum err journal_index_open(struct journal_index *x, struct slice file,
                                     const struct journal_header *h);
/* payload is the head alone; pos.bytes the whole payload's. synced is not known: 0. */
bool journal_index_next(struct journal_index *x, struct journal_record *out);
