/* https.c -- see the header.
 *
 *   look up A and AAAA -> connect to one address after the other -> TLS -> request -> reply
 *
 * An address that does not answer or whose handshake fails is followed by the next; what happens
 * after the request was sent is the answer. */
#include "net/https.h"

#include "http/http_reply.h"
#include "net/net.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ADDRESSES_MAX = 8, TICKET_A = 1, TICKET_AAAA = 2, PARTS = 3 };

struct https {
    uv_loop_t *loop;
    struct net *net;
    struct resolver *resolver;
    uv_timer_t timer;
    struct tls_trust *trust;
    int64_t connect_ms, until_ms; /* of uv_now */
    char *host;
    bool is_address;
    uint16_t port;
    struct buf request;
    struct http_reply reply;
    struct ip address[2][ADDRESSES_MAX]; /* of A, of AAAA */
    unsigned count[2], tried;
    unsigned looking; /* look-ups under way */
    uint64_t conn;    /* 0: none */
    bool is_sent, is_over, is_closing;
    char reason[256]; /* why the last address was of no use */
    enum err err;
    https_answered *answered;
    void *ctx;
    unsigned parts;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void answer(struct https *h, enum err err)
{
    if (h->is_over || h->is_closing)
        return;
    h->is_over = true;
    uv_timer_stop(&h->timer);
    if (h->conn)
        net_close(h->net, h->conn, true);
    h->conn = 0;
    const struct https_answer a = {err, h->reply.status, buf_slice(&h->reply.body), h->reason};
    h->answered(h->ctx, &a); /* h may be closed now; its end comes later */
}

static void fail(struct https *h, enum err err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(struct https *h, enum err err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(h->reason, sizeof h->reason, fmt, args);
    va_end(args);
    answer(h, err);
}

/* ---- addresses ---- */

static void on_timer(uv_timer_t *t);

/* The family that was not tried last goes next, as long as both have addresses. */
static const struct ip *next_address(struct https *h)
{
    unsigned at = h->tried++, both = h->count[0] < h->count[1] ? h->count[0] : h->count[1];
    if (at < 2 * both)
        return &h->address[(at + 1) % 2][at / 2]; /* IPv6 first */
    at -= both;
    unsigned more = h->count[0] > h->count[1] ? 0 : 1;
    return at < h->count[more] ? &h->address[more][at] : NULL;
}

static void arm(struct https *h)
{
    int64_t now_ms = (int64_t)uv_now(h->loop), wait_ms = h->until_ms - now_ms;
    if (h->conn && !h->is_sent && h->connect_ms < wait_ms)
        wait_ms = h->connect_ms;
    uv_timer_start(&h->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

static void try_next(struct https *h)
{
    const struct ip *ip = next_address(h);
    if (!ip) {
        answer(h, h->err);
        return;
    }
    const struct ip_port to = {.ip = *ip, .port = h->port};
    h->conn = 2 * (uint64_t)h->tried;
    const struct ip any = {.family = IP_NONE};
    net_connect(h->net, h->conn, &to, &any);
    arm(h);
}

/* It is of no use; perhaps another one is. */
static void give_up_address(struct https *h, enum err err, const char *why)
{
    snprintf(h->reason, sizeof h->reason, "%.100s: %.140s", h->host, why);
    h->err = err;
    h->conn = 0;
    try_next(h);
}

static void on_timer(uv_timer_t *t)
{
    struct https *h = t->data;
    if (h->err && !h->tried) { /* it could not even begin */
        answer(h, h->err);
        return;
    }
    if ((int64_t)uv_now(h->loop) >= h->until_ms || h->is_sent || !h->conn) {
        fail(h, ERR_TIMEOUT, "%.100s: no answer in time", h->host);
        return;
    }
    net_close(h->net, h->conn, true);
    give_up_address(h, ERR_TIMEOUT, "no connection in time");
}

static void on_found(void *ctx, uint64_t ticket, const struct dns_answer *a)
{
    struct https *h = ctx;
    unsigned family = ticket == TICKET_A ? 0 : 1;
    if (h->is_over || h->is_closing)
        return;
    for (unsigned i = 0; a->result == DNS_OK && i < a->count && h->count[family] < ADDRESSES_MAX;
         i++)
        h->address[family][h->count[family]++] = a->record[i].ip;
    if (a->result != DNS_OK && a->result != DNS_NO_DATA)
        snprintf(h->reason, sizeof h->reason, "%.100s cannot be found: %s", h->host,
                 dns_result_name(a->result));
    if (--h->looking)
        return;
    if (!h->count[0] && !h->count[1] && !h->reason[0])
        snprintf(h->reason, sizeof h->reason, "%.100s has no address", h->host);
    h->err = ERR_MISSING;
    try_next(h);
}

/* ---- the connection ---- */

static void on_connected(void *ctx, uint64_t conn, const struct net_peer *peer)
{
    struct https *h = ctx;
    if (conn != h->conn)
        return;
    const struct tls_client_config config = {.trust = h->trust, .verify = TLS_VERIFY_NAME};
    net_tls_client(h->net, conn, &config, slice_cstr(h->is_address ? "" : h->host));
}

static void on_tls_up(void *ctx, uint64_t conn, const struct tls_facts *facts)
{
    struct https *h = ctx;
    if (conn != h->conn)
        return;
    if (!facts->is_verified) { /* net refuses it first */
        fail(h, ERR_TLS, "%.100s: its certificate was not verified", h->host);
        return;
    }
    h->is_sent = true;
    net_send(h->net, conn, buf_slice(&h->request));
    arm(h);
}

static void judge(struct https *h, enum parse p)
{
    if (p == PARSE_DONE)
        answer(h, ERR_OK);
    else if (p == PARSE_BAD)
        fail(h, ERR_BAD, "%.100s: %s", h->host, h->reply.flaw);
}

static void on_bytes(void *ctx, uint64_t conn, struct slice in)
{
    struct https *h = ctx;
    if (conn == h->conn && h->is_sent)
        judge(h, http_reply_feed(&h->reply, in));
}

static void on_closed(void *ctx, uint64_t conn, enum err err, const char *reason)
{
    struct https *h = ctx;
    if (conn != h->conn || h->is_over)
        return;
    if (!h->is_sent)
        give_up_address(h, err, reason);
    else if (err == ERR_CLOSED)
        judge(h, http_reply_end(&h->reply));
    else
        fail(h, err, "%.100s: %.140s", h->host, reason);
}

static void on_drained(void *ctx, uint64_t conn)
{
}

static void on_accepted(void *ctx, uint64_t conn, unsigned listener, const struct net_peer *peer)
{
}

/* ---- life ---- */

static void begin(struct https *h, const struct https_options *o, const struct http_url *url)
{
    struct fault why = {0};
    if (url->is_address) {
        struct ip ip;
        CHECK(ip_parse(url->host, &ip));
        h->address[0][h->count[0]++] = ip;
        h->err = ERR_REFUSED;
        try_next(h);
        return;
    }
    h->err = resolver_new(&h->resolver, h->loop, o->dns, o->seed, on_found, h, &why);
    if (h->err) {
        snprintf(h->reason, sizeof h->reason, "%s", why.text);
        uv_timer_start(&h->timer, on_timer, 0, 0);
        return;
    }
    h->looking = 2;
    resolver_ask(h->resolver, TICKET_A, url->host, DNS_A);
    resolver_ask(h->resolver, TICKET_AAAA, url->host, DNS_AAAA);
    arm(h);
}

struct https *https_post(uv_loop_t *loop, const struct https_options *o, const struct http_url *url,
                         struct slice form, https_answered *answered, void *ctx)
{
    struct https *h = mem_new(sizeof *h);
    h->loop = loop;
    h->answered = answered;
    h->ctx = ctx;
    h->host = mem_dup(url->host.p, url->host.n);
    h->port = url->port;
    h->is_address = url->is_address;
    h->connect_ms = o->connect_ms;
    uv_update_time(loop);
    h->until_ms = (int64_t)uv_now(loop) + o->whole_ms;
    h->trust = o->trust ? tls_trust_ref(o->trust) : NULL;
    buf_init(&h->request, HTTP_POST_BYTES_MAX);
    http_reply_init(&h->reply, o->answer_bytes_max);
    CHECK(uv_timer_init(loop, &h->timer) == 0);
    h->timer.data = h;
    const struct net_options net = {.connections_max = 1, .output_bytes_max = HTTP_POST_BYTES_MAX};
    const struct net_callbacks callbacks = {
        .ctx = h,
        .accepted = on_accepted,
        .connected = on_connected,
        .bytes = on_bytes,
        .drained = on_drained,
        .tls_up = on_tls_up,
        .closed = on_closed,
    };
    h->net = net_new(loop, &net, &callbacks);
    if (http_post_build(url, form, &h->request)) {
        begin(h, o, url);
        return h;
    }
    h->err = ERR_FULL;
    snprintf(h->reason, sizeof h->reason, "the request is too long");
    uv_timer_start(&h->timer, on_timer, 0, 0);
    return h;
}

static void wipe(struct buf *b)
{
    if (b->n)
        explicit_bzero(b->p, b->n);
    buf_close(b);
}

static void close_part(void *ctx)
{
    struct https *h = ctx;
    if (--h->parts)
        return;
    void (*closed)(void *) = h->closed;
    void *closed_ctx = h->closed_ctx;
    if (h->trust)
        tls_trust_unref(h->trust);
    wipe(&h->request);
    if (h->reply.body.n)
        explicit_bzero(h->reply.body.p, h->reply.body.n);
    http_reply_close(&h->reply);
    mem_free(h->host);
    mem_free(h);
    if (closed)
        closed(closed_ctx);
}

static void on_timer_closed(uv_handle_t *t)
{
    close_part(t->data);
}

void https_close(struct https *h, void (*closed)(void *ctx), void *ctx)
{
    CHECK(!h->is_closing);
    h->is_closing = true;
    h->closed = closed;
    h->closed_ctx = ctx;
    h->parts = h->resolver ? PARTS : PARTS - 1;
    uv_close((uv_handle_t *)&h->timer, on_timer_closed);
    net_close_all(h->net, close_part, h);
    if (h->resolver)
        resolver_close(h->resolver, close_part, h);
}
