/* resolver_udns.c -- drives a udns context from the loop.
 *
 * Time is counted in ticks of 100 ms of the monotonic clock: all that udns wants is a number that
 * grows. Its own timer callback is not used, since it never fires again once it came a moment
 * early; instead the timer is set from what dns_timeouts returns, after every event.
 *
 * Answers are taken in the debug hook, which is shown every accepted packet, also those that udns
 * reduces to an error number (NXDOMAIN, truncation). */
#include "resolver_udns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <udns.h>

#include "base/heap.h"
#include "base/list.h"
#include "net_addr.h"

enum { RECEIVE_BYTES = 1 << 20 }; /* of the socket: 200 answers may come at once */

struct resolver_udns_query {
    struct resolver_udns *carrier;
    void *ticket; /* NULL: forgotten */
    struct list link;
    unsigned char *packet;
    size_t n;
};

struct resolver_udns {
    struct dns_ctx *ctx;
    uv_poll_t poll;
    uv_timer_t timer;
    resolver_udns_done *done;
    void *owner;
    struct list queries;
    unsigned inflight;
    int flags;
    bool must_step; /* something was submitted and waits for dns_timeouts */
    bool is_closing;
    int handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static time_t now_ticks(void)
{
    return (time_t)(uv_hrtime() / (1000000u * RESOLVER_UDNS_TICK_MS)) + 1;
}

static void on_timer(uv_timer_t *timer);

/* Sends what waits, gives up what took too long, and sets the timer for the next of either. */
static void step(struct resolver_udns *u)
{
    u->must_step = false;
    int ticks = dns_timeouts(u->ctx, -1, now_ticks());
    if (u->is_closing)
        return;
    if (u->must_step)
        uv_timer_start(&u->timer, on_timer, 0, 0);
    else if (ticks >= 0)
        uv_timer_start(&u->timer, on_timer, (unsigned)(ticks ? ticks : 1) * RESOLVER_UDNS_TICK_MS,
                       0);
    else
        uv_timer_stop(&u->timer);
}

static void on_timer(uv_timer_t *timer)
{
    step(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct resolver_udns *u = poll->data;
    dns_ioevent(u->ctx, now_ticks());
    if (!u->is_closing)
        step(u);
}

static void free_query(struct resolver_udns_query *q)
{
    list_remove(&q->link);
    mem_free(q->packet);
    mem_free(q);
}

static void on_packet(int code, const struct sockaddr *sa, unsigned sa_n, dnscc_t *packet, int n,
                      const struct dns_query *ignored, void *data)
{
    struct resolver_udns_query *q = data;
    if (code != 0 || !ignored || !q || n <= 0)
        return;
    mem_free(q->packet); /* a later server may have said more */
    q->packet = (unsigned char *)mem_dup(packet, (size_t)n);
    q->n = (size_t)n;
}

static void on_done(struct dns_ctx *ctx, void *result, void *data)
{
    struct resolver_udns_query *q = data;
    struct resolver_udns *u = q->carrier;
    free(result); /* a copy made by udns, of the same packet at most */
    u->inflight--;
    if (!u->is_closing)
        u->done(u->owner, q->ticket, q->packet, q->n);
    free_query(q);
}

static enum err open_context(struct resolver_udns *u, const struct resolver_udns_options *o,
                             struct fault *why)
{
    struct sockaddr_storage sa;
    dns_reset(&dns_defctx); /* dns_new copies it and insists that it was set up */
    u->ctx = dns_new(NULL);
    if (!u->ctx)
        return fault_set(why, ERR_NO_MEMORY, 0, "no memory for the resolver");
    dns_add_serv(u->ctx, NULL);
    dns_add_srch(u->ctx, NULL);
    for (unsigned i = 0; i < o->server_count && i < RESOLVER_UDNS_SERVERS_MAX; i++) {
        net_addr_build(&o->servers[i], &sa);
        dns_add_serv_s(u->ctx, (struct sockaddr *)&sa);
    }
    dns_set_opt(u->ctx, DNS_OPT_UDPSIZE, (int)o->udp_bytes);
    dns_set_opt(u->ctx, DNS_OPT_TIMEOUT, o->try_ticks);
    dns_set_opt(u->ctx, DNS_OPT_NTRIES, o->tries);
    dns_set_dbgfn(u->ctx, on_packet);
    if (dns_open(u->ctx) >= 0)
        return ERR_OK;
    int e = errno;
    dns_free(u->ctx);
    return fault_set(why, ERR_SYSTEM, e, "cannot open a socket for DNS");
}

enum err resolver_udns_new(struct resolver_udns **out, uv_loop_t *loop,
                           const struct resolver_udns_options *o, resolver_udns_done *done,
                           struct fault *why)
{
    struct resolver_udns *u = mem_new(sizeof *u);
    const int receive_bytes = RECEIVE_BYTES;
    *out = NULL;
    enum err e = open_context(u, o, why);
    if (e) {
        mem_free(u);
        return e;
    }
    u->done = done;
    u->owner = o->owner;
    u->flags = DNS_NOSRCH | (o->wants_dnssec ? DNS_SET_DO : 0);
    list_init(&u->queries);
    int fd = dns_sock(u->ctx);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    CHECK(uv_timer_init(loop, &u->timer) == 0);
    CHECK(uv_poll_init(loop, &u->poll, fd) == 0);
    CHECK(uv_poll_start(&u->poll, UV_READABLE, on_readable) == 0);
    u->timer.data = u->poll.data = u;
    u->handles = 2;
    *out = u;
    return ERR_OK;
}

/* Nothing is sent inside this call: a failing send would call back at once. */
struct resolver_udns_query *resolver_udns_send(struct resolver_udns *u, const unsigned char *name,
                                               int type, void *ticket)
{
    struct resolver_udns_query *q = mem_new(sizeof *q);
    q->carrier = u;
    q->ticket = ticket;
    list_add_last(&u->queries, &q->link);
    if (!dns_submit_dn(u->ctx, name, DNS_C_IN, type, u->flags, NULL, on_done, q)) {
        free_query(q);
        return NULL;
    }
    u->inflight++;
    u->must_step = true;
    uv_timer_start(&u->timer, on_timer, 0, 0);
    return q;
}

void resolver_udns_forget(struct resolver_udns_query *q)
{
    q->ticket = NULL;
}

unsigned resolver_udns_inflight(const struct resolver_udns *u)
{
    return u->inflight;
}

static void on_closed(uv_handle_t *handle)
{
    struct resolver_udns *u = handle->data;
    if (--u->handles)
        return;
    dns_free(u->ctx); /* closes the socket, drops its queries without a word */
    while (!list_is_empty(&u->queries))
        free_query(CONTAINER_OF(u->queries.next, struct resolver_udns_query, link));
    void (*closed)(void *) = u->closed;
    void *ctx = u->closed_ctx;
    mem_free(u);
    closed(ctx);
}

void resolver_udns_close(struct resolver_udns *u, void (*closed)(void *ctx), void *ctx)
{
    u->is_closing = true;
    u->closed = closed;
    u->closed_ctx = ctx;
    uv_close((uv_handle_t *)&u->poll, on_closed);
    uv_close((uv_handle_t *)&u->timer, on_closed);
}
