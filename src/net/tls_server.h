/* tls_server.h -- the inside of a server configuration, and the policy object that speaks for it
 * in one handshake. */
#pragma once

#include <bearssl.h>
#include <pthread.h>

#include "net/tls.h"

enum {
    TLS_SERVER_CHAIN_MAX = 10,
    TLS_SERVER_KEY_BYTES_MAX = 2500, /* an RSA key of 4096 bits fits; more overflows the decoder */
};

/* Handshakes run on two workers at once: the library's cache behind a lock. */
struct tls_server_cache {
    const br_ssl_session_cache_class *vtable; /* first: the library knows only this */
    br_ssl_session_cache_lru lru;
    pthread_mutex_t lock;
    unsigned char *store;
};

struct tls_server_config {
    unsigned refs;                                   /* touched by the loop's thread only */
    br_x509_certificate chain[TLS_SERVER_CHAIN_MAX]; /* owns each data */
    size_t chain_count;
    struct {
        br_skey_decoder_context key;
        char spare[64]; /* the decoder may write up to 24 bytes past its end */
    } secret;
    bool has_key;
    struct tls_server_cache cache;
    bool has_cache;
    struct tls_trust *clients; /* may be NULL */
    uint8_t end_point[TLS_BINDING_BYTES_MAX];
    unsigned end_point_bytes;
};

/* One a connection; outlives its engine's handshake. */
struct tls_server_policy {
    const br_ssl_server_policy_class *vtable; /* first */
    const struct tls_server_config *config;
    bool was_asked; /* not on resumption */
};

void tls_server_policy_init(struct tls_server_policy *p, const struct tls_server_config *config);
