/* journal_frame.h -- a record's frame in two steps, because a record is framed when it is appended
 * but learns its segment, and with it the nonce, only when its batch is started.
 *
 * journal_frame_begin copies and checksums the payload (the long part, once); the checksum so far
 * waits in the frame's CRC field. journal_frame_finish mixes the rest in: 28 bytes. */
#pragma once

#include "journal/journal_codec.h"

/* False: out is full. */
bool journal_frame_begin(struct buf *out, uint8_t type, uint64_t id, const struct slice *part,
                         int part_count);
void journal_frame_finish(char *frame, uint64_t nonce, uint32_t synced);
/* The cheap half of a look: could a record of this life start here? For scanning. */
bool journal_frame_is_likely(const char *frame, size_t room, uint64_t nonce);
