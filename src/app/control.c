/* control.c -- the connections of the control socket and of the metrics listener.
 *
 * One request of a connection is answered at a time; the next is looked at when the answer has
 * left, so that what is unsent stays bounded. An answer may also come later: control_later.h. */
#include "control_core.h"

#include <limits.h>
#include <stdio.h>

#include "file.h"

enum { LISTENER_SOCKET, LISTENER_METRICS };
enum { INPUT_BYTES_MAX = HTTP_REQUEST_BYTES_MAX + 65536 }; /* what one read may bring besides */
enum { KEPT_BYTES = 256 * 1024 };
static struct control_conn *find(struct control *c, uint64_t conn)
{
    for (size_t i = 0; i < CONTROL_PLACES; i++) {
        if (c->at[i].conn == conn)
            return &c->at[i];
    }
    return NULL;
}

static void forget(struct control *c, struct control_conn *k)
{
    buf_close(&k->in);
    control_later_gone(c, k);
    *k = (struct control_conn){0};
}

void control_drop(struct control *c, struct control_conn *k, bool at_once)
{
    net_close(c->net, k->conn, at_once);
    forget(c, k);
}

void control_give_time(struct control *c, struct control_conn *k, int64_t ms)
{
    k->until_ms = clock_now_ms(c->o.clock) + ms;
}

void control_send(struct control *c, struct control_conn *k, struct slice bytes)
{
    net_send(c->net, k->conn, bytes);
    if (net_output_bytes(c->net, k->conn)) {
        k->is_sending = true;
        net_read(c->net, k->conn, false);
    }
}

static void send_answer(struct control *c, struct control_conn *k, const struct exchange *x,
                        bool keeps_alive)
{
    buf_clear(&c->out);
    if (x->request->word.n) {
        buf_add(&c->out, buf_slice(x->body));
    } else {
        const struct http_response r = {
            .status = x->status,
            .type = x->type,
            .next = x->next[0] ? x->next : NULL,
            .body = buf_slice(x->body),
            .keeps_alive = keeps_alive,
            .is_head = slice_eq(x->request->method, SLICE("HEAD")),
        };
        http_response_build(&r, &c->out);
    }
    control_send(c, k, buf_slice(&c->out));
    if (c->out.cap > KEPT_BYTES) {
        buf_clear(&c->out);
        buf_trim(&c->out);
        buf_clear(&c->body);
        buf_trim(&c->body);
    }
}

/* Answers one request. False: the connection is gone. */
static bool answer(struct control *c, struct control_conn *k, const struct http_request *rq,
                   bool is_bad)
{
    uint64_t conn = k->conn;
    struct exchange x = {
        .o = &c->o,
        .control = c,
        .conn = k,
        .view = {.driver = c->o.driver, .metrics = c->o.metrics, .clock = c->o.clock},
        .request = rq,
        .is_tcp = k->is_tcp,
        .uid = k->uid,
        .body = &c->body,
    };
    bool keeps_alive = !is_bad && rq->keeps_alive;
    if (is_bad)
        control_refuse(&x, rq->status, "%s", rq->mistake);
    else
        control_route(&x);
    if (x.is_late) {
        /* A word's client has mostly closed its half already: that must not end the exchange. */
        if (k->conn == conn && rq->word.n)
            net_read(c->net, conn, false);
        return k->conn == conn;
    }
    send_answer(c, k, &x, keeps_alive);
    if (keeps_alive)
        return true;
    control_drop(c, k, false);
    return false;
}

static bool step(struct control *c, struct control_conn *k)
{
    struct http_request rq;
    size_t used;
    enum parse p = http_request_parse(buf_slice(&k->in), &rq, &used);
    if (p == PARSE_MORE || !answer(c, k, &rq, p == PARSE_BAD))
        return false;
    buf_drop(&k->in, used);
    buf_trim(&k->in);
    if (!k->late.id && !k->is_ending)
        control_give_time(c, k, CONTROL_REQUEST_MS);
    return true;
}

void control_work(struct control *c, struct control_conn *k)
{
    k->is_working = true;
    while (!k->is_sending && !k->late.id)
        if (!step(c, k))
            break;
    k->is_working = false;
}

static void on_accepted(void *ctx, uint64_t conn, unsigned listener, const struct net_peer *peer)
{
    struct control *c = ctx;
    struct control_conn *k = find(c, 0);
    if (!k) {
        net_close(c->net, conn, true);
        return;
    }
    k->conn = conn;
    k->is_tcp = listener == LISTENER_METRICS;
    k->uid = k->is_tcp ? UINT32_MAX : peer->uid;
    buf_init(&k->in, INPUT_BYTES_MAX);
    control_give_time(c, k, CONTROL_REQUEST_MS);
}

static void on_bytes(void *ctx, uint64_t conn, struct slice in)
{
    struct control *c = ctx;
    struct control_conn *k = find(c, conn);
    if (!k)
        return;
    if (!buf_add(&k->in, in))
        control_drop(c, k, true);
    else
        control_work(c, k);
}

static void on_drained(void *ctx, uint64_t conn)
{
    struct control *c = ctx;
    struct control_conn *k = find(c, conn);
    if (!k || !k->is_sending)
        return;
    k->is_sending = false;
    if (k->is_ending) {
        control_drop(c, k, false);
        return;
    }
    if (k->late.id) {
        control_later_drained(c, k);
        return;
    }
    control_give_time(c, k, CONTROL_REQUEST_MS);
    net_read(c->net, conn, true);
    control_work(c, k);
}

static void on_closed(void *ctx, uint64_t conn, enum err err, const char *reason)
{
    struct control_conn *k = find(ctx, conn);
    if (k)
        forget(ctx, k);
}

/* A client that connects never, and a server that speaks TLS never, both happen elsewhere. */
static void on_connected(void *ctx, uint64_t conn, const struct net_peer *peer)
{
}

static void on_tls_up(void *ctx, uint64_t conn, const struct tls_facts *facts)
{
}

static enum err open_socket(struct control *c, struct slice socket, struct fault *why)
{
    char path[PATH_MAX], address[PATH_MAX + 32];
    if (socket.n >= sizeof path)
        return fault_set(why, ERR_BAD, 0, "control.socket is too long a path");
    snprintf(path, sizeof path, "%.*s", SLICE_FMT(socket));
    snprintf(address, sizeof address, "unix:%s,mode=0660", path);
    struct fault inner = {0};
    enum err e = file_make_parent(path, 0755, &inner);
    if (!e)
        e = net_listen(c->net, LISTENER_SOCKET, address, &inner);
    if (e)
        return fault_set(why, e, 0,
                         "control socket: %s: set control.socket to a path this user may "
                         "write to",
                         inner.text);
    return ERR_OK;
}

static enum err open_metrics(struct control *c, struct slice listen, struct fault *why)
{
    char address[256];
    snprintf(address, sizeof address, "%.*s", SLICE_FMT(listen));
    struct fault inner = {0};
    enum err e = net_listen(c->net, LISTENER_METRICS, address, &inner);
    if (e)
        return fault_set(why, e, 0, "metrics.listen %s: %s", address, inner.text);
    return ERR_OK;
}

enum err control_open(struct control **out, const struct control_options *o, struct slice socket,
                      struct slice metrics_listen, struct fault *why)
{
    struct control *c = mem_new(sizeof *c);
    c->o = *o;
    buf_init(&c->body, CONTROL_BODY_BYTES_MAX);
    buf_init(&c->out, CONTROL_BODY_BYTES_MAX + 1024);
    const struct net_options options = {.connections_max = CONTROL_CONNECTIONS_MAX,
                                        .output_bytes_max = 2 * CONTROL_BODY_BYTES_MAX};
    const struct net_callbacks callbacks = {
        .ctx = c,
        .accepted = on_accepted,
        .connected = on_connected,
        .bytes = on_bytes,
        .drained = on_drained,
        .tls_up = on_tls_up,
        .closed = on_closed,
    };
    c->net = net_new(o->loop, &options, &callbacks);
    control_later_init(c);
    *out = c;
    enum err e = socket.n ? open_socket(c, socket, why) : ERR_OK;
    if (!e && metrics_listen.n)
        e = open_metrics(c, metrics_listen, why);
    return e;
}

void control_tick(struct control *c)
{
    int64_t now_ms = clock_now_ms(c->o.clock);
    for (size_t i = 0; i < CONTROL_PLACES; i++) {
        struct control_conn *k = &c->at[i];
        if (k->conn && k->until_ms <= now_ms && !control_later_expired(c, k))
            control_drop(c, k, true);
    }
}

static void on_idle_closed(uv_handle_t *h)
{
    struct control *c = h->data;
    void (*closed)(void *) = c->closed;
    void *closed_ctx = c->closed_ctx;
    buf_close(&c->body);
    buf_close(&c->out);
    mem_free(c);
    if (closed)
        closed(closed_ctx);
}

static void on_net_closed(void *ctx)
{
    struct control *c = ctx;
    uv_close((uv_handle_t *)&c->hungry, on_idle_closed);
}

void control_close(struct control *c, void (*closed)(void *ctx), void *ctx)
{
    c->closed = closed;
    c->closed_ctx = ctx;
    for (size_t i = 0; i < CONTROL_PLACES; i++)
        forget(c, &c->at[i]);
    net_close_all(c->net, on_net_closed, c);
}
