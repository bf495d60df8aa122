/* net.h -- TCP and Unix stream connections on the loop, plain or TLS; knows nothing of SMTP.
 *
 * A connection is a 64-bit number that is never used twice; a call about one that is gone does
 * nothing. Callbacks come from the loop and never inside a call of this header. */
#pragma once

#include <uv.h>

#include "base/ip.h"
#include "net/tls.h"

struct net_peer {
    struct ip_port address; /* IP_NONE family for a Unix socket */
    struct ip_port local;
    bool is_unix;
    uint32_t uid; /* Unix socket: SO_PEERCRED */
};

struct net_callbacks {
    void *ctx;
    void (*accepted)(void *ctx, uint64_t conn, unsigned listener, const struct net_peer *peer);
    void (*connected)(void *ctx, uint64_t conn,
                      const struct net_peer *peer);           /* an outgoing one is up */
    void (*bytes)(void *ctx, uint64_t conn, struct slice in); /* plaintext; valid during the call */
    void (*drained)(void *ctx, uint64_t conn); /* what was sent has left for the kernel (after
                                                  net_send left some behind) */
    void (*tls_up)(void *ctx, uint64_t conn, const struct tls_facts *facts);
    /* Once per connection, last of all; also for a failed connect or handshake. reason: one line
     * for a person
     * ("connection refused", "TLS: certificate has expired"); err: ERR_CLOSED for an orderly end of
     * file. Not called after net_close. What was sent before an end of file still leaves. */
    void (*closed)(void *ctx, uint64_t conn, enum err err, const char *reason);
};

struct net_options {
    unsigned connections_max;  /* incoming ones; beyond, accepting waits in the backlog (Unix
                                  sockets: 32 more). Lowered to what RLIMIT_NOFILE allows. */
    unsigned output_bytes_max; /* unsent plaintext a connection may hold; beyond: it is cut (caller
                                  should wait for drained) */
};

struct net;

MUST_USE struct net *net_new(uv_loop_t *loop, const struct net_options *o,
                             const struct net_callbacks *cb);
/* Closes everything; the loop must run until all handles are closed; then `closed` is called (may
 * be NULL) and the struct is freed. */
void net_close_all(struct net *n, void (*closed)(void *ctx), void *ctx);

/* address: "host:port" with numeric host, "[v6]:port" or "unix:/path" (an old socket file is
 * replaced when nobody answers on it; mode 0666, or "unix:/path,mode=0600"). backlog 1024. port 0
 * is allowed: net_listener_port tells. The number is the caller's. For implicit TLS the caller
 * starts the handshake in `accepted`. */
MUST_USE enum err net_listen(struct net *n, unsigned listener, const char *address,
                             struct fault *why);
/* A connected stream socket, non-blocking, becomes an incoming connection; `accepted` is not
 * called. 0: it cannot, and fd is closed. */
uint64_t net_adopt(struct net *n, int fd);
uint16_t net_listener_port(const struct net *n, unsigned listener);
void net_listen_stop(struct net *n,
                     unsigned listener); /* closes the listening socket, keeps its connections */
void net_accept_pause(struct net *n, bool is_paused); /* new clients wait in the backlog */

/* What became of options.connections_max. */
unsigned net_connections_max(const struct net *n);

/* source: called from there (IP_NONE: the system chooses); ERR_SOURCE when it cannot be. */
void net_connect(struct net *n, uint64_t conn, const struct ip_port *to, const struct ip *source);
/* Would this machine let us call from there? */
MUST_USE enum err net_source_check(const struct ip *source, struct fault *why);
void net_send(struct net *n, uint64_t conn,
              struct slice out); /* copied, or written at once; TCP_NODELAY is set */
/* Starts a handshake on a plain connection; unread plain bytes must not exist (they are a failure).
 * For a server: after what was sent has left; asks_certificate: of the client, who may have none.
 */
void net_tls_server(struct net *n, uint64_t conn, struct tls_server_config *config,
                    bool asks_certificate);
/* The same, where the first bytes of the other side's handshake were read already. */
void net_tls_server_begun(struct net *n, uint64_t conn, struct tls_server_config *config,
                          bool asks_certificate, struct slice begun);
void net_tls_client(struct net *n, uint64_t conn, const struct tls_client_config *config,
                    struct slice server_name);
void net_read(struct net *n, uint64_t conn, bool is_on); /* backpressure */
/* After what was sent has left (bounded: 10 s), or at once. No callback follows. */
void net_close(struct net *n, uint64_t conn, bool at_once);
size_t net_output_bytes(const struct net *n, uint64_t conn); /* unsent */
unsigned net_connection_count(const struct net *n);          /* incoming, open */
