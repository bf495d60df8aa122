/* net_conn.c -- a connection: bytes in, bytes out, and its end.
 *
 * What is sent is tried at once and queued only when the kernel is full. What a `bytes` callback
 * sends is held until it returns: the replies to a pipelined batch leave in one segment.
 *
 * A failure is never told where it is found, which may be inside the caller's own call: it goes
 * on the deferred list. */
#include "net_conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { REASON_BYTES_MAX = 200, OUTPUT_OVERHEAD_BYTES = 512 * 1024 };

static void enter(struct net_conn *c, enum net_state next)
{
    CHECK(next > c->state);
    c->state = next;
}

/* ---- output ---------------------------------------------------------------------------------- */

bool net_conn_is_behind(const struct net_conn *c)
{
    return c->is_writing || c->raw.n > 0;
}

size_t net_conn_unsent(const struct net_conn *c)
{
    size_t n = c->plain.n - c->plain_at + c->raw.n;
    if (c->is_writing) /* not 0 before the write's callback ran */
        n += 1 + uv_stream_get_write_queue_size(&c->handle.stream);
    return n;
}

static bool can_write(const struct net_conn *c)
{
    return c->state == N_OPEN || c->state == N_ENDING;
}

/* How much went; the rest must wait. */
static size_t try_write(struct net_conn *c, struct slice out)
{
    if (c->is_writing || out.n == 0)
        return 0;
    uv_buf_t b = uv_buf_init((char *)out.p, (unsigned)out.n);
    int n = uv_try_write(&c->handle.stream, &b, 1);
    if (n >= 0)
        return (size_t)n;
    if (n != UV_EAGAIN && n != UV_ENOBUFS)
        net_conn_fail(c, net_conn_error(n), "%s", uv_strerror(n));
    return 0;
}

static void on_written(uv_write_t *write, int status)
{
    struct net_conn *c = write->handle->data;
    c->is_writing = false;
    buf_clear(&c->flying);
    buf_trim(&c->flying);
    if (c->state == N_CLOSING)
        return;
    if (status < 0 && c->state == N_ENDING)
        net_conn_shut(c);
    else if (status < 0)
        net_conn_fail(c, net_conn_error(status), "%s", uv_strerror(status));
    else
        net_conn_settle(c);
}

static void start_write(struct net_conn *c)
{
    if (c->is_writing || c->raw.n == 0 || c->is_in_callback)
        return;
    size_t went = try_write(c, buf_slice(&c->raw));
    if (!can_write(c))
        return;
    if (went == c->raw.n) {
        buf_clear(&c->raw);
        buf_trim(&c->raw);
        return;
    }
    struct buf empty = c->flying;
    c->flying = c->raw;
    c->raw = empty;
    uv_buf_t b = uv_buf_init(c->flying.p + went, (unsigned)(c->flying.n - went));
    int e = uv_write(&c->write, &c->handle.stream, &b, 1, on_written);
    if (e)
        net_conn_fail(c, net_conn_error(e), "%s", uv_strerror(e));
    else
        c->is_writing = true;
}

void net_conn_raw(struct net_conn *c, struct slice out)
{
    if (!net_conn_is_behind(c) && !c->is_in_callback)
        out = slice_from(out, try_write(c, out));
    if (out.n == 0 || !can_write(c))
        return;
    if (!buf_add(&c->raw, out))
        net_conn_fail(c, ERR_FULL, "too much unsent output");
    else
        start_write(c);
}

void net_conn_send(struct net_conn *c, struct slice out)
{
    size_t unsent = net_conn_unsent(c), max = c->net->output_bytes_max;
    if (unsent > max || out.n > max - unsent) {
        net_conn_fail(c, ERR_FULL, "too much unsent output");
        return;
    }
    if (c->tls == T_NONE) {
        net_conn_raw(c, out);
    } else {
        CHECK(buf_add(&c->plain, out)); /* its ceiling is above what unsent allows */
        if (c->tls == T_UP && !c->is_in_callback) {
            net_tls_output(c);
            if (c->state == N_OPEN)
                tls_link_rest(c->tls_link);
        }
    }
    if (net_conn_unsent(c))
        c->owes_drained = true;
}

/* ---- input ----------------------------------------------------------------------------------- */

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct net_conn *c = handle->data;
    *out = uv_buf_init(c->net->in_slab, sizeof c->net->in_slab);
}

static void on_end_of_input(struct net_conn *c, int status)
{
    c->has_eof = true;
    if (c->state == N_ENDING && status != UV_EOF)
        net_conn_shut(c);
    else if (c->state == N_ENDING)
        net_conn_settle(c);
    else if (c->state == N_OPEN && c->tls != T_NONE && c->tls != T_UP)
        net_conn_fail(c, ERR_TLS, "TLS: %s during the handshake",
                      status == UV_EOF ? "connection closed" : uv_strerror(status));
    else if (c->state == N_OPEN && status == UV_EOF)
        net_conn_fail(c, ERR_CLOSED, "connection closed by the other side");
    else if (c->state == N_OPEN)
        net_conn_fail(c, net_conn_error(status), "%s", uv_strerror(status));
    if (c->state != N_CLOSING)
        net_conn_update_reading(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct net_conn *c = stream->data;
    if (n == 0)
        return;
    if (n < 0) {
        on_end_of_input(c, (int)n);
        return;
    }
    if (c->state != N_OPEN)
        return;
    struct slice in = slice_of(b->base, (size_t)n);
    if (c->tls != T_NONE) {
        net_tls_bytes(c, in);
    } else {
        c->is_in_callback = true;
        c->net->cb.bytes(c->net->cb.ctx, c->id, in);
        c->is_in_callback = false;
    }
    net_conn_settle(c);
}

static bool should_read(const struct net_conn *c)
{
    switch (c->state) {
    case N_CONNECTING:
    case N_FAILED:
    case N_CLOSING:
        return false;
    case N_ENDING: /* and throw away: a close over unread input would reset the line */
        return !c->has_eof;
    case N_OPEN:
        break;
    }
    switch (c->tls) {
    case T_NONE:
        return c->wants_read;
    case T_WAIT:
        return true;
    case T_HANDSHAKE:
        return !c->handshake->is_away && !list_has(&c->handshake->queued);
    case T_UP:
        return c->wants_read && c->in_left.n == 0;
    }
    return false;
}

void net_conn_update_reading(struct net_conn *c)
{
    bool should = should_read(c);
    if (should == c->is_reading || c->state == N_CLOSING)
        return;
    c->is_reading = should;
    if (!should) {
        uv_read_stop(&c->handle.stream);
        return;
    }
    int e = uv_read_start(&c->handle.stream, on_room, on_read);
    if (e && c->state == N_OPEN)
        net_conn_fail(c, net_conn_error(e), "%s", uv_strerror(e));
}

/* ---- birth and death ------------------------------------------------------------------------- */

struct net_conn *net_conn_new(struct net *n, uint64_t id, bool is_unix)
{
    struct net_conn *c = mem_new(sizeof *c);
    c->net = n;
    c->id = id;
    c->is_unix = is_unix;
    c->wants_read = true;
    buf_init(&c->plain, 2 * n->output_bytes_max + OUTPUT_OVERHEAD_BYTES);
    buf_init(&c->raw, n->output_bytes_max + OUTPUT_OVERHEAD_BYTES);
    buf_init(&c->flying, n->output_bytes_max + OUTPUT_OVERHEAD_BYTES);
    buf_init(&c->in_left, 2 * NET_SLAB_BYTES);
    int e =
        is_unix ? uv_pipe_init(n->loop, &c->handle.pipe, 0) : uv_tcp_init(n->loop, &c->handle.tcp);
    CHECK(e == 0); /* without a socket yet, neither can fail */
    c->handle.any.data = c;
    n->handles++;
    list_add_last(&n->conns, &c->link);
    return c;
}

void net_conn_open(struct net_conn *c)
{
    enter(c, N_OPEN);
    net_conn_update_reading(c);
}

void net_conn_free_if_done(struct net_conn *c)
{
    struct net *n = c->net;
    if (!c->is_handle_closed || (c->handshake && c->handshake->is_away))
        return;
    if (c->handshake) {
        list_remove(&c->handshake->queued);
        buf_close(&c->handshake->in);
        buf_close(&c->handshake->out);
        mem_free(c->handshake);
    }
    tls_link_free(c->tls_link);
    buf_close(&c->plain);
    buf_close(&c->raw);
    buf_close(&c->flying);
    buf_close(&c->in_left);
    mem_free(c->reason);
    list_remove(&c->link);
    mem_free(c);
    net_handle_closed(n);
}

static void on_closed(uv_handle_t *handle)
{
    struct net_conn *c = handle->data;
    c->is_handle_closed = true;
    net_conn_free_if_done(c);
}

void net_conn_shut(struct net_conn *c)
{
    struct net *n = c->net;
    if (c->state == N_CLOSING)
        return;
    if (c->state <= N_FAILED && map_get_id(&n->by_id, c->id) == c)
        map_take_id(&n->by_id, c->id);
    enter(c, N_CLOSING);
    list_remove(&c->deferred);
    list_remove(&c->ending);
    if (c->handshake && !c->handshake->is_away)
        list_remove(&c->handshake->queued);
    if (c->is_incoming) {
        n->incoming--;
        n->must_accept = true;
        net_wake(n);
    }
    uv_close(&c->handle.any, on_closed);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
}

/* ENDING: one layer after the other says goodbye. */
static void end_step(struct net_conn *c)
{
    start_write(c);
    if (c->tls == T_UP) {
        net_tls_output(c);
        if (c->plain.n == 0 && !c->has_said_bye) {
            c->has_said_bye = true;
            tls_link_end(c->tls_link);
            net_tls_output(c);
        }
    }
    if (c->state != N_ENDING || net_conn_is_behind(c))
        return;
    if (c->has_eof) {
        net_conn_shut(c);
        return;
    }
    if (c->is_shut)
        return;
    c->is_shut = true;
    int64_t until_ms = (int64_t)uv_now(c->net->loop) + NET_LINGER_MS;
    if (until_ms < c->end_at_ms)
        c->end_at_ms = until_ms;
    if (uv_shutdown(&c->request.shutdown, &c->handle.stream, on_shutdown))
        net_conn_shut(c);
}

static void begin_end(struct net_conn *c)
{
    if (c->state == N_CONNECTING || (c->handshake && c->handshake->is_away)) {
        net_conn_shut(c);
        return;
    }
    if (map_get_id(&c->net->by_id, c->id) == c)
        map_take_id(&c->net->by_id, c->id);
    if (c->tls == T_WAIT || c->tls == T_HANDSHAKE) { /* nothing can be encrypted any more */
        buf_clear(&c->plain);
        c->plain_at = 0;
        if (c->handshake)
            list_remove(&c->handshake->queued);
    }
    enter(c, N_ENDING);
    list_remove(&c->deferred);
    c->end_at_ms = (int64_t)uv_now(c->net->loop) + NET_END_MS;
    list_add_last(&c->net->ending, &c->ending);
    net_wake(c->net);
}

void net_conn_end(struct net_conn *c)
{
    if (c->state >= N_ENDING)
        return;
    begin_end(c);
    if (c->state == N_ENDING && !c->is_in_callback)
        net_conn_settle(c);
}

/* ---- failures -------------------------------------------------------------------------------- */

enum err net_conn_error(int e)
{
    switch (e) {
    case UV_ECONNREFUSED:
    case UV_EHOSTUNREACH:
    case UV_EADDRNOTAVAIL:
        return ERR_REFUSED;
    case UV_ENETUNREACH:
    case UV_EAFNOSUPPORT:
        return ERR_NO_ROUTE;
    case UV_ETIMEDOUT:
        return ERR_TIMEOUT;
    case UV_ECONNRESET:
    case UV_EPIPE:
    case UV_EOF:
    case UV_ENOTCONN:
        return ERR_CLOSED;
    case UV_EMFILE:
    case UV_ENFILE:
        return ERR_FULL;
    case UV_EADDRINUSE:
        return ERR_BUSY;
    case UV_EACCES:
    case UV_EPERM:
        return ERR_DENIED;
    }
    return ERR_SYSTEM;
}

void net_conn_fail(struct net_conn *c, enum err e, const char *fmt, ...)
{
    char text[REASON_BYTES_MAX];
    va_list args;
    if (c->state == N_ENDING) {
        net_conn_shut(c);
        return;
    }
    if (c->state >= N_FAILED)
        return;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0)
        text[0] = 0;
    c->err = e;
    c->reason = mem_dup(text, strlen(text));
    enter(c, N_FAILED);
    net_conn_update_reading(c);
    net_conn_defer(c);
}

/* What was sent before the other side's end of file still goes out (`echo stats | socat ...`
 * closes its half and waits for the answer), and so does our TLS alert. */
static void report(struct net_conn *c)
{
    map_take_id(&c->net->by_id, c->id);
    bool has_ear = c->err == ERR_TLS || (c->err == ERR_CLOSED && c->has_eof);
    c->net->cb.closed(c->net->cb.ctx, c->id, c->err, c->reason);
    if (c->state != N_FAILED)
        return; /* everything was closed meanwhile */
    if (!has_ear || (c->err == ERR_CLOSED && net_conn_unsent(c) == 0)) {
        net_conn_shut(c);
        return;
    }
    begin_end(c);
    if (c->state == N_ENDING)
        net_conn_settle(c);
}

/* ---- turns ------------------------------------------------------------------------------------
 */

void net_conn_defer(struct net_conn *c)
{
    if (!list_has(&c->deferred))
        list_add_last(&c->net->deferred, &c->deferred);
    net_wake(c->net);
}

void net_conn_settle(struct net_conn *c)
{
    if (c->state == N_ENDING)
        end_step(c);
    if (c->state == N_OPEN)
        start_write(c);
    if (c->state == N_OPEN && c->tls == T_UP) {
        net_tls_output(c);
        if (c->in_left.n && !net_conn_is_behind(c))
            net_tls_resume(c);
    }
    if (c->state == N_OPEN && c->tls == T_WAIT && !net_conn_is_behind(c))
        net_tls_begin(c);
    if (c->state == N_OPEN && c->owes_drained && net_conn_unsent(c) == 0) {
        c->owes_drained = false;
        c->net->cb.drained(c->net->cb.ctx, c->id);
    }
    if (c->state == N_OPEN && c->tls == T_UP)
        tls_link_rest(c->tls_link);
    if (c->state != N_CLOSING)
        net_conn_update_reading(c);
}

void net_conn_deferred(struct net_conn *c)
{
    switch (c->state) {
    case N_FAILED:
        report(c);
        break;
    case N_OPEN:
        if (c->tls == T_UP)
            net_tls_resume(c);
        net_conn_settle(c);
        break;
    case N_ENDING:
        net_conn_settle(c);
        break;
    case N_CONNECTING:
    case N_CLOSING:
        break;
    }
}
