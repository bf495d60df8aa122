/* history_file.h -- the bytes of a history file: a header, then frames (layout: doc/history.md).
 *
 * A frame is a payload, its time, and the keys it is found by. This file knows nothing of what the
 * payload means; store/store_history.h keeps such files, and whoever writes them makes the keys. */
#pragma once

#include "base/buf.h"

enum {
    HISTORY_FILE_HEADER_BYTES = 32,
    HISTORY_FRAME_HEADER_BYTES = 24,
    HISTORY_FRAME_KEYS_MAX = 4096,
    HISTORY_FRAME_PAYLOAD_BYTES_MAX = 1024 * 1024,
    HISTORY_FRAME_BYTES_MAX = HISTORY_FRAME_HEADER_BYTES + 8 * HISTORY_FRAME_KEYS_MAX +
                              HISTORY_FRAME_PAYLOAD_BYTES_MAX + 8,
};

struct history_frame {
    int64_t time_ms;
    uint32_t key_count;
    struct slice keys; /* history_frame_key() */
    struct slice payload;
};

void history_file_begin(uint64_t sequence, struct buf *out);
bool history_file_is_good(struct slice header, uint64_t sequence);
/* False: out is full, or the frame is beyond the limits above; nothing is added. */
bool history_frame_build(int64_t time_ms, const uint64_t *key, uint32_t key_count,
                         struct slice payload, struct buf *out);
/* PARSE_DONE: *used bytes belong to it. PARSE_MORE: cut short, or the end. PARSE_BAD: no frame. */
MUST_USE enum parse history_frame_parse(struct slice in, struct history_frame *out, size_t *used);
uint64_t history_frame_key(const struct history_frame *f, uint32_t i);
