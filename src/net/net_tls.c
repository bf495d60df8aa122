/* net_tls.c -- TLS on a connection: the handshake on workers, the pump on the loop.
 *
 * During the handshake each batch of received bytes goes through the engine on the thread pool:
 * signatures and certificate checks take milliseconds, and where in the engine they happen is not
 * ours to say. Meanwhile the connection is away: nobody reads for it or touches its engine; what
 * must close is closed, and freed when the worker comes back.
 *
 * Afterwards one loop moves bytes until nothing moves: output first, then plaintext to the caller,
 * then more ciphertext in. The engine takes no ciphertext while plaintext waits in it; what is
 * left over is kept, and reading stops until it is eaten. */
#include "net_conn.h"

#include <sys/random.h>

enum {
    RECORD_ROOM_BYTES = 8192,     /* no record of ours is longer */
    PLAIN_MOVE_BYTES = 64 * 1024, /* used-up bytes at the front that are worth moving */
};

/* ---- output ---------------------------------------------------------------------------------- */

static void drop_plain(struct net_conn *c, size_t n)
{
    c->plain_at += n;
    if (c->plain_at == c->plain.n) {
        buf_clear(&c->plain);
        buf_trim(&c->plain);
        c->plain_at = 0;
    } else if (c->plain_at >= PLAIN_MOVE_BYTES && c->plain_at >= c->plain.n / 2) {
        buf_drop(&c->plain, c->plain_at);
        c->plain_at = 0;
    }
}

/* Records until the slab is full or there is nothing to put into one. */
static size_t gather(struct net_conn *c, char *to, size_t room)
{
    size_t n = 0;
    while (room - n >= RECORD_ROOM_BYTES) {
        size_t took = tls_link_put(c->tls_link, slice_from(buf_slice(&c->plain), c->plain_at));
        drop_plain(c, took);
        if (c->plain.n == 0)
            tls_link_flush(c->tls_link);
        size_t made = tls_link_records(c->tls_link, to + n, room - n);
        n += made;
        if (!took && !made)
            break;
    }
    return n;
}

void net_tls_output(struct net_conn *c)
{
    while (!net_conn_is_behind(c) && (c->state == N_OPEN || c->state == N_ENDING)) {
        size_t n = gather(c, c->net->out_slab, sizeof c->net->out_slab);
        if (n == 0)
            break;
        net_conn_raw(c, slice_of(c->net->out_slab, n));
    }
}

/* ---- the pump ---------------------------------------------------------------------------------
 */

static void fail_closed(struct net_conn *c)
{
    if (tls_link_error(c->tls_link))
        net_conn_fail(c, ERR_TLS, "TLS: %s", tls_link_error_text(c->tls_link));
    else
        net_conn_fail(c, ERR_CLOSED, "connection closed by the other side");
}

/* How many bytes of `in` were eaten. */
static size_t pump(struct net_conn *c, struct slice in)
{
    size_t used = 0;
    for (;;) {
        net_tls_output(c);
        if (c->state != N_OPEN)
            break;
        struct slice got = tls_link_got(c->tls_link);
        if (got.n) {
            if (!c->wants_read)
                break;
            c->is_in_callback = true;
            c->net->cb.bytes(c->net->cb.ctx, c->id, got);
            c->is_in_callback = false;
            if (c->state != N_OPEN)
                break;
            tls_link_ate(c->tls_link, got.n);
            continue;
        }
        if (tls_link_is_closed(c->tls_link)) {
            fail_closed(c);
            break;
        }
        size_t n = tls_link_feed(c->tls_link, slice_from(in, used));
        if (n == 0)
            break;
        used += n;
    }
    return used;
}

void net_tls_resume(struct net_conn *c)
{
    size_t used = pump(c, buf_slice(&c->in_left));
    buf_drop(&c->in_left, used);
    buf_trim(&c->in_left);
}

/* ---- the handshake -----------------------------------------------------------------------------
 */

static void start_workers(struct net *n);

static void end_handshake(struct net_conn *c)
{
    struct net_handshake *h = c->handshake;
    struct tls_facts facts;
    tls_link_settle(c->tls_link, &facts);
    buf_add(&c->in_left, buf_slice(&h->in));
    buf_close(&h->in);
    buf_close(&h->out);
    mem_free(h);
    c->handshake = NULL;
    c->tls = T_UP;
    c->net->cb.tls_up(c->net->cb.ctx, c->id, &facts);
    if (c->state == N_OPEN)
        net_tls_resume(c);
}

/* After a step: what came out of it. */
static void on_step(struct net_conn *c)
{
    struct net_handshake *h = c->handshake;
    net_conn_raw(c, buf_slice(&h->out));
    buf_clear(&h->out);
    if (c->state != N_OPEN)
        return;
    if (tls_link_is_closed(c->tls_link))
        net_conn_fail(c, ERR_TLS, "TLS: %s", tls_link_error_text(c->tls_link));
    else if (tls_link_is_up(c->tls_link))
        end_handshake(c);
}

static void work(uv_work_t *w) /* on a worker */
{
    struct net_handshake *h = w->data;
    size_t used = tls_link_step(h->conn->tls_link, buf_slice(&h->in), &h->out);
    buf_drop(&h->in, used);
}

static void after_work(uv_work_t *w, int status)
{
    struct net_handshake *h = w->data;
    struct net_conn *c = h->conn;
    struct net *n = c->net;
    h->is_away = false;
    n->workers--;
    start_workers(n);
    if (c->state == N_OPEN) {
        on_step(c);
        net_conn_settle(c);
    } else if (c->state == N_CLOSING) {
        net_conn_free_if_done(c);
    }
}

static void start_workers(struct net *n)
{
    while (n->workers < NET_WORKERS_MAX) {
        struct list *first = list_take_first(&n->handshakes);
        if (!first)
            return;
        struct net_handshake *h = CONTAINER_OF(first, struct net_handshake, queued);
        h->work.data = h;
        CHECK(uv_queue_work(n->loop, &h->work, work, after_work) == 0);
        h->is_away = true;
        n->workers++;
    }
}

static void handshake_bytes(struct net_conn *c, struct slice in)
{
    struct net_handshake *h = c->handshake;
    CHECK(!h->is_away && !list_has(&h->queued)); /* reading was stopped */
    if (!buf_add(&h->in, in)) {
        net_conn_fail(c, ERR_TLS, "TLS: too many bytes in the handshake");
        return;
    }
    list_add_last(&c->net->handshakes, &h->queued);
    net_conn_update_reading(c);
    start_workers(c->net);
}

/* Without input: the client's first words. They cost no key operation. */
void net_tls_begin(struct net_conn *c)
{
    struct net_handshake *h = mem_new(sizeof *h);
    h->conn = c;
    buf_init(&h->in, 2 * NET_SLAB_BYTES);
    buf_init(&h->out, TLS_LINK_HANDSHAKE_OUT_MAX);
    c->handshake = h;
    c->tls = T_HANDSHAKE;
    tls_link_step(c->tls_link, SLICE_NONE, &h->out);
    on_step(c);
    if (c->state == N_OPEN && c->in_left.n) { /* net_tls_server_begun */
        handshake_bytes(c, buf_slice(&c->in_left));
        buf_clear(&c->in_left);
        buf_trim(&c->in_left);
    }
}

void net_tls_bytes(struct net_conn *c, struct slice in)
{
    switch (c->tls) {
    case T_WAIT:
        net_conn_fail(c, ERR_TLS, "TLS: plaintext where the handshake should begin");
        break;
    case T_HANDSHAKE:
        handshake_bytes(c, in);
        break;
    case T_UP: {
        size_t used = pump(c, in);
        if (c->state == N_OPEN && used < in.n)
            CHECK(buf_add(&c->in_left, slice_from(in, used))); /* empty before: we were reading */
        break;
    }
    case T_NONE:
        break;
    }
}

/* ---- the door ----------------------------------------------------------------------------------
 */

static bool may_begin(struct net *n, uint64_t conn, struct net_conn **out)
{
    struct net_conn *c = map_get_id(&n->by_id, conn);
    *out = c;
    return c && c->state == N_OPEN && c->tls == T_NONE;
}

static void set_link(struct net_conn *c, struct tls_link *link)
{
    c->tls_link = link;
    c->tls = T_WAIT;
    if (!c->is_in_callback && !net_conn_is_behind(c))
        net_tls_begin(c);
    net_conn_update_reading(c);
}

static void draw(unsigned char seed[TLS_LINK_SEED_BYTES])
{
    CHECK(getrandom(seed, TLS_LINK_SEED_BYTES, 0) == TLS_LINK_SEED_BYTES);
}

void net_tls_server(struct net *n, uint64_t conn, struct tls_server_config *config,
                    bool asks_certificate)
{
    net_tls_server_begun(n, conn, config, asks_certificate, SLICE_NONE);
}

void net_tls_server_begun(struct net *n, uint64_t conn, struct tls_server_config *config,
                          bool asks_certificate, struct slice begun)
{
    unsigned char seed[TLS_LINK_SEED_BYTES];
    struct net_conn *c;
    if (!may_begin(n, conn, &c))
        return;
    if (!buf_add(&c->in_left, begun)) {
        net_conn_fail(c, ERR_TLS, "TLS: too many bytes in the handshake");
        return;
    }
    draw(seed);
    set_link(c, tls_link_server(config, asks_certificate, seed));
}

void net_tls_client(struct net *n, uint64_t conn, const struct tls_client_config *config,
                    struct slice server_name)
{
    unsigned char seed[TLS_LINK_SEED_BYTES];
    struct net_conn *c;
    if (!may_begin(n, conn, &c))
        return;
    draw(seed);
    set_link(c, tls_link_client(config, server_name, seed));
}
