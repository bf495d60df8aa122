/* tls_link.h -- one TLS conversation as bytes in and bytes out; opens no socket.
 *
 *   wire -> feed -> [engine] -> got, ate -> application
 *   wire <- records <- [engine] <- put, flush <- application
 *
 * During the handshake only tls_link_step may be used, and it may run on a worker: the link
 * belongs to one thread at a time. Buffers exist only while something is in them. */
#pragma once

#include "base/buf.h"
#include "net/tls.h"

enum {
    TLS_LINK_HANDSHAKE_OUT_MAX = 256 * 1024, /* our own chain and a few messages */
    TLS_LINK_SEED_BYTES = 32,
};

struct tls_link;

/* seed: fresh bytes of the system, one set a link. Neither fails: what is wrong shows as the
 * link's error. The link holds its own references. asks_certificate: of the client, which need not
 * have one; its session is not resumed, as its certificate would not be there. */
MUST_USE struct tls_link *tls_link_server(struct tls_server_config *config, bool asks_certificate,
                                          const unsigned char seed[TLS_LINK_SEED_BYTES]);
MUST_USE struct tls_link *tls_link_client(const struct tls_client_config *config,
                                          struct slice server_name,
                                          const unsigned char seed[TLS_LINK_SEED_BYTES]);
void tls_link_free(struct tls_link *l);

/* Handshake: eats from `in`, adds records to `out`, stops when the link is up (the rest of `in` is
 * application data), closed, or in need of more. How many bytes were eaten. */
size_t tls_link_step(struct tls_link *l, struct slice in, struct buf *out);
bool tls_link_is_up(const struct tls_link *l); /* the handshake was finished, once */
/* After the handshake, on the loop's thread: gives back what only the handshake needed. */
void tls_link_settle(struct tls_link *l, struct tls_facts *facts);

size_t tls_link_feed(struct tls_link *l, struct slice in); /* 0 while got has something */
struct slice tls_link_got(struct tls_link *l);
void tls_link_ate(struct tls_link *l, size_t n);
size_t tls_link_put(struct tls_link *l, struct slice plain); /* how many were taken */
void tls_link_flush(struct tls_link *l);                     /* nothing more to put for now */
size_t tls_link_records(struct tls_link *l, char *to, size_t room);
void tls_link_end(struct tls_link *l);  /* says close_notify, forgets what was not eaten */
void tls_link_rest(struct tls_link *l); /* frees the buffers if they are empty */

bool tls_link_is_closed(const struct tls_link *l);
int tls_link_error(const struct tls_link *l);              /* BearSSL's number; 0: orderly */
const char *tls_link_error_text(const struct tls_link *l); /* the verdict where there is one */
