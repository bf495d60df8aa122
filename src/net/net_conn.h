/* net_conn.h -- the inside of net: one connection, and what connections share.
 *
 * A connection's life:
 *
 *   CONNECTING -> OPEN -> FAILED -> ENDING -> CLOSING
 *
 * FAILED: `closed` will be told from the deferred list. ENDING: nobody above knows it any more;
 * what was sent leaves, then FIN, then we wait a little for the other side's. CLOSING: uv_close was
 * called. Any state may be skipped; none is entered twice.
 *
 * Output: net_send -> [plain -> TLS engine ->] raw -> flying -> kernel. Only `flying` is lent to
 * the kernel, one write at a time. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "net/net.h"
#include "tls_link.h"

enum {
    NET_SLAB_BYTES = 65536,
    NET_BACKLOG = 1024,
    NET_END_MS = 10000,   /* for output to leave after net_close */
    NET_LINGER_MS = 2000, /* for the other side's FIN after ours */
    NET_WORKERS_MAX = 2,  /* of the pool's four: the journal syncs there too */
    NET_FILES_SPARE = 64, /* descriptors that connections never take */
    NET_UNIX_EXTRA = 32,  /* connections over the limit, by Unix sockets only */
};

enum net_state { N_CONNECTING, N_OPEN, N_FAILED, N_ENDING, N_CLOSING };
enum net_tls { T_NONE, T_WAIT, T_HANDSHAKE, T_UP }; /* T_WAIT: output leaves in plain first */

union net_handle {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct net_listener {
    struct net *net;
    union net_handle handle;
    unsigned number;
    bool is_unix;
    bool is_waiting; /* a client stands in the door; uv_accept was not called yet */
    char *path;      /* of a Unix socket, owned */
    struct list link;
};

struct net_handshake {
    uv_work_t work;
    struct net_conn *conn;
    struct buf in;  /* received, not eaten */
    struct buf out; /* records to send */
    struct list queued;
    bool is_away; /* the link is in a worker's hands */
};

struct net_conn {
    union net_handle handle;
    struct net *net;
    uint64_t id;
    struct list link;     /* net->conns */
    struct list deferred; /* net->deferred */
    struct list ending;   /* net->ending */
    enum net_state state;
    enum net_tls tls;
    bool is_incoming, is_unix;
    bool wants_read, is_reading, is_writing;
    bool is_in_callback; /* `bytes` runs: what it sends goes out together afterwards */
    bool owes_drained;
    bool has_eof, is_shut, has_said_bye; /* the end of each layer */
    bool is_handle_closed;
    int64_t end_at_ms;
    struct buf plain; /* for the TLS engine; from plain_at on */
    size_t plain_at;
    struct buf raw, flying;
    struct buf in_left; /* ciphertext that the engine cannot take yet */
    struct tls_link *tls_link;
    struct net_handshake *handshake;
    uv_write_t write;
    union {
        uv_connect_t connect;
        uv_shutdown_t shutdown;
    } request;
    enum err err; /* N_FAILED */
    char *reason;
};

struct net {
    uv_loop_t *loop;
    struct net_callbacks cb;
    size_t output_bytes_max;
    unsigned incoming, incoming_max;
    uint64_t next_id;
    struct map by_id;
    struct list conns, listeners, deferred, ending;
    struct list handshakes; /* wait for a worker */
    unsigned workers;
    bool is_paused, is_closing, must_accept;
    unsigned handles; /* open, of all kinds, and connections not freed */
    uv_idle_t idle;   /* runs while something is deferred */
    uv_timer_t timer; /* runs while something is ending */
    void (*closed)(void *ctx);
    void *closed_ctx;
    char in_slab[NET_SLAB_BYTES], out_slab[NET_SLAB_BYTES];
};

/* net_conn.c */
struct net_conn *net_conn_new(struct net *n, uint64_t id, bool is_unix);
void net_conn_open(struct net_conn *c); /* the handle is connected */
void net_conn_send(struct net_conn *c, struct slice out);
void net_conn_raw(struct net_conn *c, struct slice out); /* to the socket as it is */
void net_conn_fail(struct net_conn *c, enum err e, const char *fmt, ...) PRINTF_LIKE(3, 4);
void net_conn_end(struct net_conn *c);  /* after what was sent has left */
void net_conn_shut(struct net_conn *c); /* at once */
void net_conn_free_if_done(struct net_conn *c);
void net_conn_defer(struct net_conn *c);
void net_conn_deferred(struct net_conn *c); /* its turn has come */
/* After every event: output goes on, what it waits for happens, reading fits the state. */
void net_conn_settle(struct net_conn *c);
void net_conn_update_reading(struct net_conn *c);
size_t net_conn_unsent(const struct net_conn *c);
bool net_conn_is_behind(const struct net_conn *c); /* the kernel does not take more now */
enum err net_conn_error(int uv_error);

/* net_tls.c */
void net_tls_begin(struct net_conn *c); /* T_WAIT, nothing unsent */
void net_tls_bytes(struct net_conn *c, struct slice in);
void net_tls_output(struct net_conn *c);
void net_tls_resume(struct net_conn *c); /* reading is wanted again, or output moved */

/* net_listen.c */
void net_listener_close(struct net_listener *l);
void net_accept_waiting(struct net *n);

/* net.c */
void net_handle_closed(struct net *n); /* one of n->handles is gone */
void net_wake(struct net *n);          /* run the deferred list soon */
