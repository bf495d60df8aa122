/* sim_net.c -- see the header. */
#include "sim_world.h"

#include <string.h>

enum { PIECE_BYTES_MAX = 64 * 1024, FINE_BYTES = 3000, BUFFER_BYTES_MAX = 64 * 1024 * 1024 };

static void to_engine_arrives(struct sim_world *w, void *thing, uint64_t n);
static void to_peer_arrives(struct sim_world *w, void *thing, uint64_t n);

void sim_net_init(struct sim_world *w)
{
    w->net.conns = mem_new(sizeof *w->net.conns);
    map_init(w->net.conns, 1);
    w->net.last_incoming = 1;
}

void sim_net_close_all(struct sim_world *w)
{
    for (size_t i = 0; i < w->net.count; i++) {
        struct sim_conn *c = w->net.all[i];
        buf_close(&c->to_engine.flying);
        buf_close(&c->to_peer.flying);
        buf_close(&c->unread);
        mem_free(c);
    }
    map_close(w->net.conns);
    mem_free(w->net.conns);
    mem_free(w->net.all);
    w->net = (struct sim_net){0};
}

/* A new engine counts its outgoing connections from the start. */
static uint64_t key_of(const struct sim_world *w, uint64_t id)
{
    return id % 2 ? id : id | w->life << 40;
}

struct sim_conn *sim_net_find(struct sim_world *w, uint64_t id)
{
    return map_get_id(w->net.conns, key_of(w, id));
}

static struct sim_conn *conn_new(struct sim_world *w, uint64_t id)
{
    struct sim_conn *c = mem_new(sizeof *c);
    struct sim_net *n = &w->net;
    c->id = id;
    c->is_reading = true;
    c->is_outgoing = id % 2 == 0;
    c->latency_us = rng_between(&w->rng, 50, rng_chance(&w->rng, 20) ? 200000 : 20000);
    unsigned grain = (unsigned)rng_below(&w->rng, 10);
    c->grain = grain < 4   ? SIM_GRAIN_WHOLE
               : grain < 7 ? SIM_GRAIN_PACKETS
               : grain < 9 ? SIM_GRAIN_SMALL
                           : SIM_GRAIN_BYTES;
    if (n->death_percent && rng_chance(&w->rng, n->death_percent))
        c->dies_after = (int)rng_between(&w->rng, 1, rng_chance(&w->rng, 50) ? 12 : 60);
    buf_init(&c->to_engine.flying, BUFFER_BYTES_MAX);
    buf_init(&c->to_peer.flying, BUFFER_BYTES_MAX);
    buf_init(&c->unread, BUFFER_BYTES_MAX);
    if (n->count == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 64;
        n->all = mem_resize(n->all, n->cap * sizeof *n->all);
    }
    n->all[n->count++] = c;
    map_put_id(n->conns, key_of(w, id), c);
    return c;
}

/* Nobody has it any more: its memory goes, the struct stays for what is still on the agenda. */
static void let_go(struct sim_conn *c)
{
    if (c->has_engine || c->has_peer)
        return;
    buf_close(&c->to_engine.flying);
    buf_close(&c->to_peer.flying);
    buf_close(&c->unread);
    c->to_engine.is_dead = c->to_peer.is_dead = true;
    c->to_engine.arrived = c->to_peer.arrived = 0;
}

static void engine_let_go(struct sim_world *w, struct sim_conn *c)
{
    if (!c->has_engine)
        return;
    c->has_engine = c->is_connecting = false;
    if (c->is_outgoing) {
        w->net.outgoing--;
        sim_host_on_hung_up(w, c);
        sim_remote_on_engine_gone(w, c);
    }
    let_go(c);
}

static void peer_let_go(struct sim_world *w, struct sim_conn *c)
{
    if (!c->has_peer)
        return;
    c->has_peer = false;
    c->ops->closed(w, c);
    c->peer = NULL;
    let_go(c);
}

/* Pipes */

static int64_t next_arrival(struct sim_world *w, struct sim_conn *c, struct sim_pipe *p)
{
    int64_t at = w->now_us + c->latency_us;
    if (at <= p->last_us)
        at = p->last_us + (int64_t)rng_below(&w->rng, 300);
    return p->last_us = at;
}

static size_t piece(struct sim_world *w, const struct sim_conn *c, size_t left, size_t sent)
{
    size_t n = PIECE_BYTES_MAX;
    switch (sent < FINE_BYTES ? c->grain : SIM_GRAIN_WHOLE) {
    case SIM_GRAIN_WHOLE:
        break;
    case SIM_GRAIN_PACKETS:
        n = 1 + (size_t)rng_below(&w->rng, 1460);
        break;
    case SIM_GRAIN_SMALL:
        n = 1 + (size_t)rng_below(&w->rng, 100);
        break;
    case SIM_GRAIN_BYTES:
        n = rng_chance(&w->rng, 90) ? 1 : 40;
        break;
    }
    if (sent >= FINE_BYTES && rng_chance(&w->rng, 30))
        n = 1 + (size_t)rng_below(&w->rng, PIECE_BYTES_MAX);
    return n < left ? n : left;
}

static void put(struct sim_world *w, struct sim_conn *c, struct sim_pipe *p, struct slice bytes,
                void (*arrives)(struct sim_world *w, void *thing, uint64_t n))
{
    if (p->is_dead || !bytes.n)
        return;
    CHECK(buf_add(&p->flying, bytes));
    for (size_t sent = 0; sent < bytes.n;) {
        size_t n = piece(w, c, bytes.n - sent, sent);
        sim_agenda_add(&w->agenda, next_arrival(w, c, p), arrives, c, n);
        sent += n;
    }
}

/* The next n bytes of the pipe; empty when they were lost. */
static struct slice take(struct sim_pipe *p, size_t n)
{
    if (p->is_dead)
        return SLICE_NONE;
    struct slice s = slice_head(slice_from(buf_slice(&p->flying), p->arrived), n);
    p->arrived += s.n;
    return s;
}

static void took(struct sim_pipe *p)
{
    if (!p->is_dead && p->arrived == p->flying.n) {
        buf_clear(&p->flying);
        p->arrived = 0;
    }
}

static bool dies_now(struct sim_world *w, struct sim_conn *c)
{
    if (!c->dies_after || --c->dies_after)
        return false;
    sim_net_kill(w, c);
    return true;
}

/* Towards the engine */

static void tell_bytes(struct sim_world *w, struct sim_conn *c, struct slice in)
{
    c->told_bytes += in.n;
    if (c->is_outgoing)
        sim_remote_on_told(w, c);
    struct engine_event ev = {.kind = EVENT_BYTES, .conn = c->id, .bytes = in};
    sim_world_tell(w, &ev);
}

static void tell_end(struct sim_world *w, struct sim_conn *c)
{
    enum err err = c->end_err;
    engine_let_go(w, c);
    struct engine_event ev = {
        .kind = EVENT_CLOSED,
        .conn = c->id,
        .err = err,
        .text = err == ERR_CLOSED     ? SLICE("the other side closed the connection")
                : err == ERR_REFUSED  ? SLICE("connection refused")
                : err == ERR_SOURCE   ? SLICE("source address: address not available")
                : err == ERR_NO_ROUTE ? SLICE("network is unreachable")
                : err == ERR_TLS      ? SLICE("TLS: the handshake failed")
                                      : SLICE("connection reset by peer"),
    };
    sim_world_tell(w, &ev);
}

/* What arrived while the engine did not read. */
static void pour(struct sim_world *w, void *thing, uint64_t unused)
{
    struct sim_conn *c = thing;
    c->is_pouring = false;
    while (c->has_engine && c->is_reading && c->unread.n) {
        size_t n = c->unread.n < PIECE_BYTES_MAX ? c->unread.n : PIECE_BYTES_MAX;
        char *copy = mem_dup(c->unread.p, n);
        buf_drop(&c->unread, n);
        tell_bytes(w, c, slice_of(copy, n));
        mem_free(copy);
    }
    if (c->has_engine && c->is_reading && c->has_end)
        tell_end(w, c);
}

static void to_engine_arrives(struct sim_world *w, void *thing, uint64_t n)
{
    struct sim_conn *c = thing;
    struct slice in = take(&c->to_engine, n);
    if (!in.n || !c->has_engine) {
        took(&c->to_engine);
        return;
    }
    if (!c->is_reading || c->unread.n || c->is_pouring) {
        CHECK(buf_add(&c->unread, in));
        took(&c->to_engine);
        return;
    }
    char *copy = mem_dup(in.p, in.n);
    took(&c->to_engine);
    tell_bytes(w, c, slice_of(copy, in.n));
    mem_free(copy);
    if (c->has_engine)
        (void)dies_now(w, c);
}

static void end_arrives(struct sim_world *w, void *thing, uint64_t err)
{
    struct sim_conn *c = thing;
    if (!c->has_engine || c->has_end)
        return;
    c->has_end = true;
    c->end_err = (enum err)err;
    if ((c->is_reading && !c->unread.n && !c->is_pouring) || c->is_connecting)
        tell_end(w, c);
}

static void end_engine_later(struct sim_world *w, struct sim_conn *c, enum err err)
{
    int64_t at = next_arrival(w, c, &c->to_engine);
    sim_agenda_add(&w->agenda, at, end_arrives, c, err);
}

void sim_net_say(struct sim_world *w, struct sim_conn *c, struct slice bytes)
{
    c->said_bytes += bytes.n;
    put(w, c, &c->to_engine, bytes, to_engine_arrives);
}

/* Towards the peer */

static void drained(struct sim_world *w, void *thing, uint64_t unused)
{
    struct sim_conn *c = thing;
    if (!c->has_engine || !c->wants_drained || c->to_peer.flying.n)
        return;
    c->wants_drained = false;
    struct engine_event ev = {.kind = EVENT_DRAINED, .conn = c->id};
    sim_world_tell(w, &ev);
}

static void to_peer_arrives(struct sim_world *w, void *thing, uint64_t n)
{
    struct sim_conn *c = thing;
    struct slice in = take(&c->to_peer, n);
    if (in.n && c->has_peer) {
        char *copy = mem_dup(in.p, in.n);
        c->ops->bytes(w, c, slice_of(copy, in.n));
        mem_free(copy);
    }
    took(&c->to_peer);
    if (c->has_peer && dies_now(w, c))
        return;
    drained(w, c, 0);
}

static void end_at_peer(struct sim_world *w, void *thing, uint64_t unused)
{
    peer_let_go(w, thing);
}

static void end_peer_later(struct sim_world *w, struct sim_conn *c)
{
    int64_t at = next_arrival(w, c, &c->to_peer);
    sim_agenda_add(&w->agenda, at, end_at_peer, c, 0);
}

void sim_net_hang_up(struct sim_world *w, struct sim_conn *c, bool at_once)
{
    if (!c->has_peer)
        return;
    if (at_once && rng_chance(&w->rng, 50))
        c->to_engine.is_dead = true;
    end_engine_later(w, c, at_once ? ERR_SYSTEM : ERR_CLOSED);
    peer_let_go(w, c);
}

void sim_net_kill(struct sim_world *w, struct sim_conn *c)
{
    if (rng_chance(&w->rng, 50))
        c->to_engine.is_dead = true;
    if (rng_chance(&w->rng, 50))
        c->to_peer.is_dead = true;
    sim_trace(w, "line dies", c->id, c->to_engine.is_dead * 2u + c->to_peer.is_dead, SLICE_NONE);
    if (c->has_engine)
        end_engine_later(w, c, ERR_SYSTEM);
    if (c->has_peer)
        end_peer_later(w, c);
}

/* The engine's side */

static void accepted(struct sim_world *w, void *thing, uint64_t life)
{
    struct sim_conn *c = thing;
    if (!c->has_peer)
        return;
    if (!w->engine || !w->is_started || w->is_stopping) {
        peer_let_go(w, c); /* nobody listens */
        return;
    }
    c->has_engine = true;
    struct engine_event ev = {.kind = EVENT_ACCEPTED,
                              .conn = c->id,
                              .listener = c->listener,
                              .peer = c->address,
                              .local = w->local};
    sim_world_tell(w, &ev);
    if (c->has_engine && w->options->listeners[c->listener].tls == LISTENER_TLS_IMPLICIT)
        sim_net_tls_server(w, c->id);
    if (c->has_peer)
        c->ops->opened(w, c);
}

struct sim_conn *sim_net_dial(struct sim_world *w, const struct sim_peer *ops, void *peer,
                              struct ip_port from, unsigned listener)
{
    struct sim_conn *c = conn_new(w, w->net.last_incoming += 2);
    c->ops = ops;
    c->peer = peer;
    c->has_peer = true;
    c->address = from;
    c->listener = listener;
    sim_agenda_add(&w->agenda, w->now_us + c->latency_us, accepted, c, w->life);
    return c;
}

static void connected(struct sim_world *w, void *thing, uint64_t unused)
{
    struct sim_conn *c = thing;
    if (!c->has_engine || c->has_end)
        return;
    c->is_connecting = false;
    struct engine_event ev = {
        .kind = EVENT_CONNECTED, .conn = c->id, .peer = c->address, .local = w->local};
    sim_world_tell(w, &ev);
}

static void opened(struct sim_world *w, void *thing, uint64_t unused)
{
    struct sim_conn *c = thing;
    if (c->has_peer)
        c->ops->opened(w, c);
}

void sim_net_let_in(struct sim_world *w, struct sim_conn *c, const struct sim_peer *ops, void *peer)
{
    c->ops = ops;
    c->peer = peer;
    c->has_peer = true;
    sim_agenda_add(&w->agenda, next_arrival(w, c, &c->to_engine), connected, c, 0);
    sim_agenda_add(&w->agenda, c->to_engine.last_us, opened, c, 0);
}

void sim_net_refuse(struct sim_world *w, struct sim_conn *c, enum err err)
{
    end_engine_later(w, c, err);
}

static void knocks(struct sim_world *w, void *thing, uint64_t unused)
{
    struct sim_conn *c = thing;
    if (c->has_engine)
        sim_remote_on_connect(w, c);
}

void sim_net_connect(struct sim_world *w, uint64_t id, struct ip_port to, struct ip source)
{
    CHECK(id % 2 == 0 && !sim_net_find(w, id));
    struct sim_conn *c = conn_new(w, id);
    c->address = to;
    c->source = source;
    c->has_engine = c->is_connecting = true;
    w->net.outgoing++;
    sim_host_on_dialled(w, c);
    const struct sim_host *h = c->host;
    int64_t slow_us = h ? sim_host_slow_ms(h, &to.ip) * 1000 : 0;
    sim_agenda_add(&w->agenda, w->now_us + c->latency_us + slow_us, knocks, c, 0);
}

void sim_net_send(struct sim_world *w, uint64_t id, struct slice bytes, bool wants_drained)
{
    struct sim_conn *c = sim_net_find(w, id);
    if (!c || !c->has_engine)
        return;
    if (c->is_connecting) {
        sim_fail(w, "the engine sends on connection %llu before it is up", (unsigned long long)id);
        return;
    }
    put(w, c, &c->to_peer, bytes, to_peer_arrives);
    if (!wants_drained)
        return;
    c->wants_drained = true;
    if (c->to_peer.is_dead) /* nobody will take it: the kernel does, until the end comes */
        buf_clear(&c->to_peer.flying);
    if (!c->to_peer.flying.n)
        sim_agenda_add(&w->agenda, w->now_us, drained, c, 0);
}

void sim_net_read(struct sim_world *w, uint64_t id, bool is_on)
{
    struct sim_conn *c = sim_net_find(w, id);
    if (!c || !c->has_engine)
        return;
    c->is_reading = is_on;
    if (is_on && !c->is_pouring && (c->unread.n || c->has_end)) {
        c->is_pouring = true;
        sim_agenda_add(&w->agenda, w->now_us + (int64_t)rng_below(&w->rng, 200), pour, c, 0);
    }
}

void sim_net_close(struct sim_world *w, uint64_t id, bool at_once)
{
    struct sim_conn *c = sim_net_find(w, id);
    if (!c || !c->has_engine)
        return;
    if (at_once && rng_chance(&w->rng, 50))
        c->to_peer.is_dead = true;
    engine_let_go(w, c);
    if (c->has_peer)
        end_peer_later(w, c);
}

static void tls_done(struct sim_world *w, void *thing, uint64_t unused)
{
    struct sim_conn *c = thing;
    if (!c->has_engine || c->has_end || !c->has_peer)
        return;
    static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                          .cipher =
                                              SLICE_INIT("ECDHE_ECDSA_WITH_CHACHA20_POLY1305"),
                                          .is_verified = true};
    struct engine_event ev = {.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls};
    sim_world_tell(w, &ev);
    if (c->has_peer)
        c->ops->tls_up(w, c);
}

/* Two ways there and back, and the hard sums. */
static void handshake(struct sim_world *w, struct sim_conn *c)
{
    int64_t from = c->to_peer.last_us > w->now_us ? c->to_peer.last_us : w->now_us;
    sim_agenda_add(&w->agenda, from + 4 * c->latency_us + rng_between(&w->rng, 500, 20000),
                   tls_done, c, 0);
}

void sim_net_tls_server(struct sim_world *w, uint64_t id)
{
    struct sim_conn *c = sim_net_find(w, id);
    if (c && c->has_engine)
        handshake(w, c);
}

void sim_net_tls_client(struct sim_world *w, uint64_t id, bool needs_verify)
{
    struct sim_conn *c = sim_net_find(w, id);
    if (!c || !c->has_engine)
        return;
    if (sim_host_takes_tls(w, c, needs_verify))
        handshake(w, c);
    else
        end_engine_later(w, c, ERR_TLS);
}

void sim_net_engine_gone(struct sim_world *w)
{
    for (size_t i = 0; i < w->net.count; i++) {
        struct sim_conn *c = w->net.all[i];
        if (!c->has_engine)
            continue;
        if (rng_chance(&w->rng, 50))
            c->to_peer.is_dead = true;
        engine_let_go(w, c);
        if (c->has_peer)
            end_peer_later(w, c);
    }
}
