/* handshakes.h -- clients of implicit-TLS listeners until their handshake is done: the engine does
 * not know them yet, so their time limit is kept here, and how many there are of each place. */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "net/net.h"

struct handshake {
    struct list link;
    uint64_t conn;
    unsigned listener; /* net's number */
    struct net_peer peer;
    uint64_t place; /* ip_place */
    int64_t until_ms;
};
struct handshakes {
    struct list by_age; /* the oldest ends first; after a reload a newer one may end late, by as
                           much as the limit has become shorter */
    struct map by_conn;
    struct map by_place; /* counts, of places that have any */
};

void handshakes_init(struct handshakes *h, uint64_t seed);
void handshakes_close(struct handshakes *h);
void handshakes_add(struct handshakes *h, uint64_t conn, unsigned listener,
                    const struct net_peer *peer, int64_t until_ms);
unsigned handshakes_count(const struct handshakes *h);
unsigned handshakes_count_at(const struct handshakes *h, const struct ip *ip);
/* True: it was one of ours and is forgotten; *out is a copy. */
bool handshakes_take(struct handshakes *h, uint64_t conn, struct handshake *out);
bool handshakes_take_expired(struct handshakes *h, int64_t now_ms, struct handshake *out);
int64_t handshakes_deadline_ms(const struct handshakes *h); /* INT64_MAX: none */
