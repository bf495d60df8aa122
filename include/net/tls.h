/* tls.h -- identities, trust and the facts of a TLS connection (BearSSL, TLS 1.2). */
#pragma once

#include "base/slice.h"

struct tls_facts {
    const char *version; /* "TLSv1.2" */
    const char *cipher;  /* "ECDHE-ECDSA-AES128-GCM-SHA256" */
    bool is_verified;    /* client side: chain and name were checked and are good */
    const char
        *verdict; /* client side, not verified: why ("self-signed", "wrong name"); "" otherwise */
    bool is_resumed;
};

/* Server side: certificates and keys of the listeners, session cache; shared by connections,
 * reference counted. */
struct tls_server_config;
/* PEM texts (whole files). ECDSA P-256/384/521 or RSA up to 4096. Says clearly what is wrong: key
 * does not belong to the certificate, encrypted key, Ed25519, no certificate in the file... */
MUST_USE enum err tls_server_config_new(struct tls_server_config **out,
                                        struct slice certificate_pem, struct slice key_pem,
                                        unsigned session_cache_entries, struct fault *why);
struct tls_server_config *tls_server_config_ref(struct tls_server_config *c);
void tls_server_config_unref(
    struct tls_server_config *c); /* connections hold their own reference */

/* A self-signed ECDSA P-256 certificate for this host name, 10 years, as PEM; random32: 32 bytes
 * from the system. now: Unix seconds. */
struct buf;
MUST_USE enum err tls_self_signed(struct slice hostname, const unsigned char random32[32],
                                  int64_t now_s, struct buf *certificate_pem, struct buf *key_pem,
                                  struct fault *why);

enum tls_verify {
    TLS_VERIFY_NONE, /* opportunistic: any certificate; the verdict is still told */
    TLS_VERIFY_NAME, /* chain to a trusted root and the server's name */
};
struct tls_trust; /* trust anchors, reference counted */
MUST_USE enum err
tls_trust_new(struct tls_trust **out, struct slice ca_pem, unsigned *count,
              struct fault *why); /* slow (50 ms): run it on a worker after start */
struct tls_trust *tls_trust_ref(struct tls_trust *t);
void tls_trust_unref(struct tls_trust *t);

struct tls_client_config {
    struct tls_trust *trust; /* may be NULL: nothing is verified, TLS_VERIFY_NAME fails */
    enum tls_verify verify;
};
const char *tls_error_text(int bearssl_error); /* one line for each number of BearSSL's */
