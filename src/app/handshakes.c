/* handshakes.c -- see handshakes.h. */
#include "handshakes.h"

void handshakes_init(struct handshakes *h, uint64_t seed)
{
    list_init(&h->by_age);
    map_init(&h->by_conn, seed);
}

void handshakes_close(struct handshakes *h)
{
    struct handshake unused;
    while (handshakes_take_expired(h, INT64_MAX, &unused))
        continue;
    map_close(&h->by_conn);
}

void handshakes_add(struct handshakes *h, uint64_t conn, unsigned listener,
                    const struct net_peer *peer, int64_t now_ms)
{
    struct handshake *one = mem_new(sizeof *one);
    one->conn = conn;
    one->listener = listener;
    one->peer = *peer;
    one->until_ms = now_ms + HANDSHAKE_MS;
    list_add_last(&h->by_age, &one->link);
    map_put_id(&h->by_conn, conn, one);
}

bool handshakes_take(struct handshakes *h, uint64_t conn, struct handshake *out)
{
    struct handshake *one = map_take_id(&h->by_conn, conn);
    if (!one)
        return false;
    list_remove(&one->link);
    *out = *one;
    mem_free(one);
    return true;
}

bool handshakes_take_expired(struct handshakes *h, int64_t now_ms, struct handshake *out)
{
    if (handshakes_deadline_ms(h) > now_ms || list_is_empty(&h->by_age))
        return false;
    return handshakes_take(h, CONTAINER_OF(h->by_age.next, struct handshake, link)->conn, out);
}

int64_t handshakes_deadline_ms(const struct handshakes *h)
{
    if (list_is_empty(&h->by_age))
        return INT64_MAX;
    return CONTAINER_OF(h->by_age.next, struct handshake, link)->until_ms;
}
