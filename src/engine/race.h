/* race.h -- a line finds a host that answers: its targets, up to two at once (RFC 8305).
 *
 *   begin the first target; silent for delivery.race_delay: the next address of the same host, too
 *   silent still, or no room for two: the older one is given up for the next address
 *   the next host is begun only when its betters failed or were silent for OVERTAKE_MS
 *   whoever answers first wins; the other one is closed and may be tried again
 *
 * A failed attempt makes the next one begin at once. Where IPv6 is avoided (avoid.h) its targets
 * come last; targets for which there is no source address (source.h) are skipped. */
#pragma once

#include "base/ip.h"
#include "smtp/smtp_reply.h"

struct engine;
struct engine_event;
struct engine_source;
struct line;
struct target_list;

enum {
    RACE_AT_ONCE = 2,
    RACE_PATIENCE_MS = 2000, /* with an address, when its host has more: a SYN went out twice */
    RACE_OVERTAKE_MS = 5000, /* with the addresses of a host, when a worse host is left */
    RACE_TARGETS_MAX = 64,   /* bits of `tried` */
    RACE_NO_TARGET = -1,
};

struct race {
    struct race_attempt {
        uint64_t conn;
        uint32_t target;
        const struct engine_source *source; /* the destination's; NULL: the system's choice */
        int64_t began_ms, due_ms;
        bool is_behind_v6; /* IPv6 had been tried before it began */
    } attempt[RACE_AT_ONCE];
    unsigned count;
    uint64_t tried;  /* targets, by index */
    int64_t next_ms; /* when one more is begun; INT64_MAX: not by time */
    bool is_again;   /* this target and no other */
    bool has_tried_v6;
    bool has_refused_v6; /* this connection has no future: its jobs go on by IPv4 */
    char refusal[200];   /* in these words */
};

/* The target to be tried next: the first one that is not tried, of IPv6 last where that is avoided;
 * RACE_NO_TARGET: there is none. */
int race_pick(const struct target_list *t, uint64_t tried, bool avoids_v6);

/* The line has no connection: it begins. What comes of it is a later event. */
void race_begin(struct engine *e, struct line *l);
void race_begin_again(struct engine *e, struct line *l); /* with the target it had */
bool race_has_next(const struct engine *e, const struct line *l);
/* The winner's connection becomes the line's. */
void race_on_connected(struct engine *e, struct line *l, uint64_t conn);
/* The line may be gone after these two. */
void race_on_closed(struct engine *e, struct line *l, const struct engine_event *ev);
void race_on_timer(struct engine *e, struct line *l);
enum race_refusal {
    RACE_NO_REFUSAL,    /* of IPv6; or there is no other way, and what was said counts */
    RACE_GOES_ON,       /* by IPv4, at once: the next target is such a one */
    RACE_GOES_ON_LATER, /* IPv4 has been tried in vain this time */
};
/* The session's words: does the host refuse us for coming by IPv6? Then that is avoided. */
enum race_refusal race_on_refusal(struct engine *e, struct line *l, const struct smtp_reply *reply);
void race_on_done(struct engine *e, struct line *l);             /* a transaction is done */
void race_close(struct engine *e, struct line *l, bool is_open); /* all attempts */
