/* engine_view.h -- looking at the engine: figures, lists, one message. Changes nothing. */
#pragma once

#include "base/buf.h"
#include "engine/engine_port.h"

struct engine_stats {
    uint64_t messages, recipients, bytes; /* in the queue; bytes: wire form of the messages */
    uint64_t ready, deferred, in_flight;  /* jobs: (message, destination) pairs */
    uint64_t destinations, destinations_in_trouble, destinations_paused;
    bool is_all_paused;
    uint64_t sessions, out_connections, out_idle;
    uint64_t hot_bytes, dns_cache_entries;
    int64_t oldest_ms; /* acceptance time of the oldest message; 0: none */
    bool is_stopping, is_store_failing;
};
void engine_stats(const struct engine *e, struct engine_stats *out);

struct engine_filter {
    struct slice from, to; /* patterns of mail_address_match; empty: any */
    struct slice domain;   /* of a recipient; empty: any */
    uint64_t after;        /* page: ids greater than this */
    unsigned limit;        /* at most this many */
};
/* JSON array text of messages, oldest first: [{"id","from","to":[first
 * few],"recipients","bytes","age_s","state","next_s","reason"}...]. *last: id to continue after,
 * 0 at the end. */
void engine_queue_json(const struct engine *e, const struct engine_filter *f, int64_t now_ms,
                       struct buf *out, uint64_t *last);
/* The same as lines for people, with a heading. */
void engine_queue_text(const struct engine *e, const struct engine_filter *f, int64_t now_ms,
                       struct buf *out, uint64_t *last);
/* Everything known of one message; false: not in the queue. */
bool engine_message_json(const struct engine *e, uint64_t id, int64_t now_ms, struct buf *out);
bool engine_message_text(const struct engine *e, uint64_t id, int64_t now_ms, struct buf *out);
/* Destinations in trouble or paused, at most limit; JSON array / lines. */
void engine_destinations_json(const struct engine *e, unsigned limit, int64_t now_ms,
                              struct buf *out);
void engine_destinations_text(const struct engine *e, unsigned limit, int64_t now_ms,
                              struct buf *out);
bool engine_has_message(const struct engine *e, uint64_t id);
/* Paused domains, separated by blanks into out. */
void engine_paused_text(const struct engine *e, struct buf *out);
