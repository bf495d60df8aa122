/* handshakes.c -- see handshakes.h. */
#include "handshakes.h"

void handshakes_init(struct handshakes *h, uint64_t seed)
{
    list_init(&h->by_age);
    map_init(&h->by_conn, seed);
    map_init(&h->by_place, seed);
}

static void count_up(struct handshakes *h, uint64_t place)
{
    unsigned *n = map_get_id(&h->by_place, place);
    if (!n) {
        n = mem_new(sizeof *n);
        map_put_id(&h->by_place, place, n);
    }
    ++*n;
}

static void count_down(struct handshakes *h, uint64_t place)
{
    unsigned *n = map_get_id(&h->by_place, place);
    CHECK(n && *n);
    if (--*n == 0)
        mem_free(map_take_id(&h->by_place, place));
}

void handshakes_close(struct handshakes *h)
{
    struct handshake unused;
    while (handshakes_take_expired(h, INT64_MAX, &unused))
        continue;
    map_close(&h->by_conn);
    map_close(&h->by_place);
}

void handshakes_add(struct handshakes *h, uint64_t conn, unsigned listener,
                    const struct net_peer *peer, int64_t until_ms)
{
    struct handshake *one = mem_new(sizeof *one);
    one->conn = conn;
    one->listener = listener;
    one->peer = *peer;
    one->place = ip_place(&peer->address.ip);
    one->until_ms = until_ms;
    count_up(h, one->place);
    list_add_last(&h->by_age, &one->link);
    map_put_id(&h->by_conn, conn, one);
}

unsigned handshakes_count(const struct handshakes *h)
{
    return (unsigned)h->by_conn.count;
}

unsigned handshakes_count_at(const struct handshakes *h, const struct ip *ip)
{
    const unsigned *n = map_get_id(&h->by_place, ip_place(ip));
    return n ? *n : 0;
}

bool handshakes_take(struct handshakes *h, uint64_t conn, struct handshake *out)
{
    struct handshake *one = map_take_id(&h->by_conn, conn);
    if (!one)
        return false;
    list_remove(&one->link);
    count_down(h, one->place);
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
