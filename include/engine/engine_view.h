/* engine_view.h -- looking at the engine: figures, lists, one message. Changes nothing. */
#pragma once

#include "base/buf.h"
#include "engine/engine_port.h"

struct engine_stats {
    uint64_t messages, recipients, bytes; /* in the queue; bytes: wire form of the messages */
    uint64_t ready, deferred, in_flight;  /* jobs: (message, destination) pairs */
    uint64_t held;                        /* messages; their jobs count as deferred */
    uint64_t destinations, destinations_in_trouble, destinations_paused;
    uint64_t sources_refused; /* addresses that the system lately did not let us call from */
    bool is_all_paused, is_staging;
    uint64_t sessions, out_connections, out_idle;
    uint64_t hot_bytes, dns_cache_entries;
    int64_t oldest_ms; /* acceptance time of the oldest message; 0: none */
    bool is_stopping, is_store_failing;
    bool is_store_full; /* that is why: queue.max_size is reached, or the disk is full */
};
/* An OAuth2 account that a route logs in with. */
struct engine_token_view {
    struct slice account;
    bool has_token, is_asked, needs_login;
    int64_t until_ms;     /* 0: there is none */
    int64_t next_ms;      /* the next fetch; INT64_MAX while one is under way */
    struct slice trouble; /* "": none */
    uint64_t fetch_count, failure_count;
};
/* Walk: *at starts at 0; false at the end. */
bool engine_token_next(const struct engine *e, size_t *at, struct engine_token_view *out);
/* Sessions in all, and those that count against connections_per_address_max at this address. */
uint64_t engine_session_count(const struct engine *e);
unsigned engine_sessions_at(const struct engine *e, const struct ip *ip);
void engine_stats(const struct engine *e, struct engine_stats *out);

/* One page of a list. A page looks at a bounded number of messages: it may hold fewer than asked
 * for, even none, and still go on. */
struct engine_page {
    uint64_t last;  /* id to continue after; 0: the end */
    uint64_t count; /* messages shown */
};
/* JSON array text of messages, oldest first: [{"id","from","to":[first
 * few],"recipients","bytes","age_s","state","next_s","reason"}...]. */
void engine_queue_json(const struct engine *e, const struct engine_filter *f, int64_t now_ms,
                       struct buf *out, struct engine_page *page);
/* The same as lines for people, with a heading. */
void engine_queue_text(const struct engine *e, const struct engine_filter *f, int64_t now_ms,
                       struct buf *out, struct engine_page *page);
/* Everything known of one message; false: not in the queue. */
bool engine_message_json(const struct engine *e, uint64_t id, int64_t now_ms, struct buf *out);
bool engine_message_text(const struct engine *e, uint64_t id, int64_t now_ms, struct buf *out);
/* Destinations in trouble or paused, at most limit; JSON array / lines. */
void engine_destinations_json(const struct engine *e, unsigned limit, int64_t now_ms,
                              struct buf *out);
void engine_destinations_text(const struct engine *e, unsigned limit, int64_t now_ms,
                              struct buf *out);
/* A message that somebody thinks of: which way it would take, and why. */
struct engine_case {
    struct slice user;              /* empty: without a login */
    struct slice sender, recipient; /* canonical */
    uint64_t bytes;
    struct ip from; /* family IP_NONE: not said */
};
/* JSON object / lines: what the envelope is rewritten to; of each recipient the route, the routes
 * before it and why they are not taken, hosts, TLS, connections and trouble; what a user's limits
 * say against it. */
void engine_explain_json(const struct engine *e, const struct engine_case *c, int64_t now_ms,
                         struct buf *out);
void engine_explain_text(const struct engine *e, const struct engine_case *c, int64_t now_ms,
                         struct buf *out);
/* Messages by what a person knows of them; what is empty is not asked for. Looks at some thousands
 * behind *after (0: from the oldest on) and tells of those that match. False: those were all. */
struct engine_query {
    struct slice address;    /* sender or recipient, case ignored */
    struct slice message_id; /* with or without its angle brackets */
};
enum { ENGINE_FIND_STEP = 2000 };
bool engine_find(const struct engine *e, const struct engine_query *q, uint64_t *after,
                 void (*found)(void *ctx, uint64_t id), void *ctx);
bool engine_has_message(const struct engine *e, uint64_t id);
/* Where its accept record stands now; compaction moves it. False: not in the queue. */
bool engine_message_pos(const struct engine *e, uint64_t id, struct journal_pos *out);
uint64_t engine_newest(const struct engine *e); /* the last id that was given */
/* What logins have used of their rates and quotas: a text to be saved, for EVENT_USAGE. */
void engine_usage(const struct engine *e, struct buf *out);
/* Paused domains, separated by blanks into out. */
void engine_paused_text(const struct engine *e, struct buf *out);
