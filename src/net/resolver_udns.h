/* resolver_udns.h -- udns as a carrier of packets: UDP, retries, several servers. Nothing else of
 * it is used, and its header stays in one file: its names are ours as well (enum dns_type). */
#pragma once

#include <stddef.h>
#include <uv.h>

#include "base/ip.h"

enum { RESOLVER_UDNS_SERVERS_MAX = 6, RESOLVER_UDNS_TICK_MS = 100 };

struct resolver_udns_options {
    const struct ip_port *servers;
    unsigned server_count; /* 1 .. RESOLVER_UDNS_SERVERS_MAX */
    unsigned udp_bytes;    /* told to the servers; longer answers are cut */
    int try_ticks;         /* wait of the first try; each further one waits twice as long */
    int tries;
    bool wants_dnssec;
    void *owner; /* handed to `done` */
};

struct resolver_udns;
struct resolver_udns_query;

/* The last packet that udns took for an answer, whatever it says; NULL: nobody answered, or nothing
 * could be sent. No ticket: a forgotten query has ended, there is room for another. Called from the
 * loop only; may send again. */
typedef void resolver_udns_done(void *owner, void *ticket, const unsigned char *packet, size_t n);

MUST_USE enum err resolver_udns_new(struct resolver_udns **out, uv_loop_t *loop,
                                    const struct resolver_udns_options *o, resolver_udns_done *done,
                                    struct fault *why);
/* name: as on the wire, uncompressed. NULL: udns does not want it. */
struct resolver_udns_query *resolver_udns_send(struct resolver_udns *u, const unsigned char *name,
                                               int type, void *ticket);
/* No ticket for this one; it runs out by itself (cancelling leaks in udns 0.4). */
void resolver_udns_forget(struct resolver_udns_query *q);
unsigned resolver_udns_inflight(const struct resolver_udns *u); /* forgotten ones too */
/* Whatever is under way ends without `done`. */
void resolver_udns_close(struct resolver_udns *u, void (*closed)(void *ctx), void *ctx);
