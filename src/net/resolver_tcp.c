/* resolver_tcp.c -- connect, write length and question, read length and answer, close. The deadline
 * is the caller's: it cancels. */
#include "resolver_tcp.h"

#include <string.h>

#include "base/buf.h"
#include "net_addr.h"

enum { LENGTH_BYTES = 2, ANSWER_BYTES_MAX = 65535 };

struct resolver_tcp {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct buf query, answer;
    resolver_tcp_done *done; /* NULL: told or cancelled */
    void *ctx;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

static void on_closed(uv_handle_t *handle)
{
    struct resolver_tcp *t = handle->data;
    void (*gone)(void *) = t->gone;
    void *ctx = t->gone_ctx;
    if (t->done) /* it failed before it began */
        t->done(t->ctx, SLICE_NONE);
    buf_close(&t->query);
    buf_close(&t->answer);
    mem_free(t);
    gone(ctx);
}

static void finish(struct resolver_tcp *t, struct slice answer)
{
    resolver_tcp_done *done = t->done;
    t->done = NULL;
    if (uv_is_closing((uv_handle_t *)&t->tcp))
        return;
    uv_close((uv_handle_t *)&t->tcp, on_closed);
    if (done)
        done(t->ctx, answer);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct resolver_tcp *t = handle->data;
    size_t room = LENGTH_BYTES + ANSWER_BYTES_MAX - t->answer.n;
    if (room > 8192)
        room = 8192;
    *out = uv_buf_init(buf_reserve(&t->answer, room), (unsigned)room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct resolver_tcp *t = stream->data;
    if (n < 0) {
        finish(t, SLICE_NONE);
        return;
    }
    buf_wrote(&t->answer, (size_t)n);
    if (t->answer.n < LENGTH_BYTES)
        return;
    const uint8_t *p = (const uint8_t *)t->answer.p;
    size_t whole = (size_t)p[0] << 8 | p[1];
    if (t->answer.n >= LENGTH_BYTES + whole)
        finish(t, slice_of(p + LENGTH_BYTES, whole));
}

static void on_written(uv_write_t *write, int status)
{
    struct resolver_tcp *t = write->handle->data;
    if (status < 0)
        finish(t, SLICE_NONE);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct resolver_tcp *t = connect->handle->data;
    if (uv_is_closing((uv_handle_t *)&t->tcp))
        return;
    uv_buf_t b = uv_buf_init(t->query.p, (unsigned)t->query.n);
    if (status < 0 || uv_write(&t->write, (uv_stream_t *)&t->tcp, &b, 1, on_written) ||
        uv_read_start((uv_stream_t *)&t->tcp, on_room, on_read))
        finish(t, SLICE_NONE);
}

struct resolver_tcp *resolver_tcp_ask(uv_loop_t *loop, const struct ip_port *server,
                                      struct slice query, resolver_tcp_done *done, void *ctx,
                                      void (*gone)(void *ctx), void *gone_ctx)
{
    struct resolver_tcp *t = mem_new(sizeof *t);
    struct sockaddr_storage sa;
    t->done = done;
    t->ctx = ctx;
    t->gone = gone;
    t->gone_ctx = gone_ctx;
    buf_init(&t->query, ANSWER_BYTES_MAX);
    buf_init(&t->answer, LENGTH_BYTES + ANSWER_BYTES_MAX);
    buf_add_u8(&t->query, (uint8_t)(query.n >> 8));
    buf_add_u8(&t->query, (uint8_t)query.n);
    buf_add(&t->query, query);
    CHECK(!t->query.is_full && uv_tcp_init(loop, &t->tcp) == 0);
    t->tcp.data = t;
    net_addr_build(server, &sa);
    if (uv_tcp_connect(&t->connect, &t->tcp, (struct sockaddr *)&sa, on_connected))
        uv_close((uv_handle_t *)&t->tcp, on_closed);
    return t;
}

void resolver_tcp_cancel(struct resolver_tcp *t)
{
    t->done = NULL;
    if (!uv_is_closing((uv_handle_t *)&t->tcp))
        uv_close((uv_handle_t *)&t->tcp, on_closed);
}
