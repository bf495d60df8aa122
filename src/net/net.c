/* net.c -- the door of net: finds the connection behind a number, and the turns of the loop in
 * which deferred things happen. */
#include "net/net.h"

#include <string.h>
#include <sys/resource.h>

#include "net_addr.h"
#include "net_conn.h"
#include "net_source.h"

enum { TICK_MS = 500 };

static struct net_conn *find(const struct net *n, uint64_t conn)
{
    return map_get_id(&n->by_id, conn);
}

/* ---- turns ------------------------------------------------------------------------------------
 */

static void on_tick(uv_timer_t *timer)
{
    struct net *n = timer->data;
    int64_t now_ms = (int64_t)uv_now(n->loop);
    for (struct list *at = n->ending.next; at != &n->ending;) {
        struct net_conn *c = CONTAINER_OF(at, struct net_conn, ending);
        at = at->next;
        if (c->end_at_ms <= now_ms)
            net_conn_shut(c);
    }
    if (list_is_empty(&n->ending))
        uv_timer_stop(&n->timer);
}

static void on_idle(uv_idle_t *idle)
{
    struct net *n = idle->data;
    struct list *at, now;
    uv_idle_stop(&n->idle);
    list_init(&now); /* what is deferred from here on waits for the next turn */
    while ((at = list_take_first(&n->deferred)))
        list_add_last(&now, at);
    while ((at = list_take_first(&now)))
        net_conn_deferred(CONTAINER_OF(at, struct net_conn, deferred));
    if (n->must_accept) {
        n->must_accept = false;
        net_accept_waiting(n);
    }
    if (!n->is_closing && !list_is_empty(&n->ending) && !uv_is_active((uv_handle_t *)&n->timer))
        uv_timer_start(&n->timer, on_tick, TICK_MS, TICK_MS);
}

void net_wake(struct net *n)
{
    if (!n->is_closing && !uv_is_active((uv_handle_t *)&n->idle))
        uv_idle_start(&n->idle, on_idle);
}

/* ---- opening and closing ------------------------------------------------------------------------
 */

/* Other files need descriptors as well, outgoing connections most of all. */
static unsigned incoming_ceiling(unsigned wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return wanted;
    rlim_t most = limit.rlim_cur - limit.rlim_cur / 4;
    most = most > 2 * NET_FILES_SPARE ? most - NET_FILES_SPARE : most / 2;
    return wanted < most ? wanted : (unsigned)most;
}

struct net *net_new(uv_loop_t *loop, const struct net_options *o, const struct net_callbacks *cb)
{
    struct net *n = mem_new(sizeof *n);
    n->loop = loop;
    n->cb = *cb;
    n->output_bytes_max = o->output_bytes_max;
    n->incoming_max = incoming_ceiling(o->connections_max);
    n->next_id = 1;
    map_init(&n->by_id, uv_hrtime());
    list_init(&n->conns);
    list_init(&n->listeners);
    list_init(&n->deferred);
    list_init(&n->ending);
    list_init(&n->handshakes);
    CHECK(uv_idle_init(loop, &n->idle) == 0 && uv_timer_init(loop, &n->timer) == 0);
    n->idle.data = n->timer.data = n;
    n->handles = 2;
    return n;
}

unsigned net_connections_max(const struct net *n)
{
    return n->incoming_max;
}

void net_handle_closed(struct net *n)
{
    if (--n->handles)
        return;
    CHECK(n->is_closing && n->workers == 0);
    void (*closed)(void *) = n->closed;
    void *ctx = n->closed_ctx;
    map_close(&n->by_id);
    mem_free(n);
    if (closed)
        closed(ctx);
}

static void on_own_closed(uv_handle_t *handle)
{
    net_handle_closed(handle->data);
}

void net_close_all(struct net *n, void (*closed)(void *ctx), void *ctx)
{
    n->is_closing = true;
    n->closed = closed;
    n->closed_ctx = ctx;
    while (!list_is_empty(&n->listeners))
        net_listener_close(CONTAINER_OF(n->listeners.next, struct net_listener, link));
    for (struct list *at = n->conns.next; at != &n->conns; at = at->next)
        net_conn_shut(CONTAINER_OF(at, struct net_conn, link));
    uv_close((uv_handle_t *)&n->idle, on_own_closed);
    uv_close((uv_handle_t *)&n->timer, on_own_closed);
}

/* ---- connections --------------------------------------------------------------------------------
 */

/* Without an address of the family that could call there it is "not available". */
static enum err connect_error(int e)
{
    return e == UV_EADDRNOTAVAIL ? ERR_NO_ROUTE : net_conn_error(e);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct net_conn *c = request->handle->data;
    struct net_peer peer = {.is_unix = false};
    if (c->state != N_CONNECTING)
        return;
    if (status < 0) {
        net_conn_fail(c, connect_error(status), "%s", uv_strerror(status));
        return;
    }
    net_addr_tune(&c->handle.tcp);
    net_addr_of(&c->handle.tcp, &peer.address, &peer.local);
    net_conn_open(c);
    c->net->cb.connected(c->net->cb.ctx, c->id, &peer);
    net_conn_settle(c);
}

void net_connect(struct net *n, uint64_t conn, const struct ip_port *to, const struct ip *source)
{
    struct sockaddr_storage sa;
    CHECK(conn % 2 == 0 && !find(n, conn)); /* odd numbers are ours */
    if (n->is_closing)
        return;
    struct net_conn *c = net_conn_new(n, conn, false);
    map_put_id(&n->by_id, conn, c);
    net_addr_build(to, &sa);
    int e = source->family == IP_NONE ? 0 : net_source_open(&c->handle.tcp, source);
    if (e) {
        /* Out of descriptors or ports is no fault of the address. */
        bool is_its_own = e == UV_EADDRNOTAVAIL || e == UV_EACCES || e == UV_EAFNOSUPPORT;
        net_conn_fail(c, is_its_own ? ERR_SOURCE : net_conn_error(e), "source address %s: %s",
                      ip_build(source).s, uv_strerror(e));
        return;
    }
    e = uv_tcp_connect(&c->request.connect, &c->handle.tcp, (struct sockaddr *)&sa, on_connected);
    if (e)
        net_conn_fail(c, connect_error(e), "%s", uv_strerror(e));
}

void net_send(struct net *n, uint64_t conn, struct slice out)
{
    struct net_conn *c = find(n, conn);
    if (c && c->state == N_OPEN && out.n)
        net_conn_send(c, out);
}

void net_read(struct net *n, uint64_t conn, bool is_on)
{
    struct net_conn *c = find(n, conn);
    if (!c || c->wants_read == is_on)
        return;
    c->wants_read = is_on;
    if (c->state == N_OPEN && is_on && c->tls == T_UP)
        net_conn_defer(c); /* decrypted bytes may wait */
    if (c->state == N_OPEN)
        net_conn_update_reading(c);
}

void net_close(struct net *n, uint64_t conn, bool at_once)
{
    struct net_conn *c = find(n, conn);
    if (c && at_once)
        net_conn_shut(c);
    else if (c)
        net_conn_end(c);
}

size_t net_output_bytes(const struct net *n, uint64_t conn)
{
    const struct net_conn *c = find(n, conn);
    return c ? net_conn_unsent(c) : 0;
}

unsigned net_connection_count(const struct net *n)
{
    return n->incoming;
}
