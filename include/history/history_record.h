/* history_record.h -- what is remembered of a finished message (layout: doc/history.md).
 *
 * A pure codec, no allocation when parsing: slices point into the payload. Unknown versions, flags
 * and fates are PARSE_BAD, and what parses is built again byte for byte the same. */
#pragma once

#include "base/buf.h"

enum {
    HISTORY_RECORD_BYTES_MAX = 1024 * 1024,
    HISTORY_RECIPIENTS_MAX = 2000,
    HISTORY_TEXT_BYTES_MAX = 1024, /* addresses, user, client, Message-ID, host, reply: cut here */
};

enum history_fate {
    HISTORY_DELIVERED,
    HISTORY_BOUNCED,
    HISTORY_EXPIRED,
    HISTORY_REMOVED,
    HISTORY_FATE_COUNT
};
const char *history_fate_name(enum history_fate f);

struct history_recipient {
    struct slice address;
    enum history_fate fate;
    uint32_t attempts;
    int64_t ended_ms;
    struct slice host, ip; /* who said it; empty: nobody was reached, or not known */
    struct slice reply;    /* the last words, the remote's or ours */
};

struct history_record {
    uint64_t id;
    int64_t accepted_ms, finished_ms;
    uint64_t bytes;
    bool is_report;
    uint32_t message_id_hash; /* mail_message_id_hash; also where the text was not at hand */
    struct slice sender, user, client, message_id;
    uint32_t recipient_count;
    struct slice recipients; /* when parsed: walk with history_record_next */
};

/* The record without its recipients, then recipient_count times history_record_add. False: full. */
bool history_record_begin(const struct history_record *r, struct buf *out);
bool history_record_add(const struct history_recipient *r, struct buf *out);

MUST_USE enum parse history_record_parse(struct slice payload, struct history_record *out);
/* `rest` starts as record.recipients, which history_record_parse has checked. */
bool history_record_next(struct slice *rest, struct history_recipient *out);
