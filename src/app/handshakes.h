/* handshakes.h -- clients of implicit-TLS listeners until their handshake is done: the engine does
 * not know them yet, so their time limit is kept here. */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "net/net.h"

enum { HANDSHAKE_MS = 30000 };

struct handshake {
    struct list link;
    uint64_t conn;
    unsigned listener; /* net's number */
    struct net_peer peer;
    int64_t until_ms;
};
struct handshakes {
    struct list by_age; /* all have the same time limit: the oldest ends first */
    struct map by_conn;
};

void handshakes_init(struct handshakes *h, uint64_t seed);
void handshakes_close(struct handshakes *h);
void handshakes_add(struct handshakes *h, uint64_t conn, unsigned listener,
                    const struct net_peer *peer, int64_t now_ms);
/* True: it was one of ours and is forgotten; *out is a copy. */
bool handshakes_take(struct handshakes *h, uint64_t conn, struct handshake *out);
bool handshakes_take_expired(struct handshakes *h, int64_t now_ms, struct handshake *out);
int64_t handshakes_deadline_ms(const struct handshakes *h); /* INT64_MAX: none */
