/* tls_check.h -- judges the certificates of a server we deliver to, or of a client that comes to
 * us, as BearSSL's X.509 class. */
#pragma once

#include <bearssl.h>

#include "base/buf.h"
#include "net/tls.h"

enum {
    TLS_CHECK_CHAIN_MAX = 10,
    TLS_CHECK_CHAIN_BYTES_MAX = 65536,  /* the protocol would allow 16 MB */
    TLS_CHECK_CLIENT_BYTES_MAX = 16384, /* of a stranger's chain while its handshake lasts */
    TLS_CHECK_NAME_BYTES_MAX = 254,
};

/* Needed during the handshake only. */
struct tls_check {
    const br_x509_class *vtable;   /* first: the engine knows only this */
    const struct tls_trust *trust; /* may be NULL; the link holds the reference */
    enum tls_verify verify;
    char name[TLS_CHECK_NAME_BYTES_MAX]; /* reference name, "" when there is none to check */
    struct buf der;                      /* all certificates, one behind the other */
    size_t end[TLS_CHECK_CHAIN_MAX];     /* where each ends in der */
    unsigned count;
    bool is_too_large;
    bool is_of_client;            /* nothing of it ends the handshake; no name to check */
    bool is_usable;               /* of_client: its key is the one that must have signed */
    br_x509_decoder_context leaf; /* holds the leaf's key */
    br_x509_minimal_context minimal;
    const char *verdict; /* "" once verified */
    bool is_verified;
};

/* server_name without final dot; an address literal or nothing leaves no name to check. */
void tls_check_init(struct tls_check *c, const struct tls_client_config *config,
                    struct slice server_name);
void tls_check_init_client(struct tls_check *c, const struct tls_trust *trust);
/* The leaf; empty: nothing was sent, or nothing that is usable. */
struct slice tls_check_leaf(const struct tls_check *c);
/* The one that was shown first, whatever became of it; empty: none. */
struct slice tls_check_first(const struct tls_check *c);
void tls_check_close(struct tls_check *c);
