/* tls.h -- identities, trust and the facts of a TLS connection (BearSSL, TLS 1.2). */
#pragma once

#include "base/slice.h"

enum {
    TLS_NAME_BYTES_MAX = 255,   /* longer names of a certificate are left out */
    TLS_NAMES_BYTES_MAX = 2048, /* all together, each with its NUL; further ones are left out */
    TLS_BINDING_BYTES_MAX = 64,
    TLS_UNIQUE_BYTES = 12,
    TLS_HINTS_BYTES_MAX = 16384, /* of the names of authorities that clients are told */
};

/* What a client has shown and, as the handshake is over, proved to own. */
struct tls_certificate {
    uint8_t sha256[32];     /* of the whole certificate (DER) */
    uint8_t key_sha256[32]; /* of its SubjectPublicKeyInfo */
    /* Its alternative names of the kinds DNS and email; without any, the common name. Printable
     * ASCII, one behind the other, a NUL behind each. */
    char names[TLS_NAMES_BYTES_MAX];
    unsigned names_bytes;
};

struct tls_facts {
    const char *version; /* "TLSv1.2" */
    const char *cipher;  /* "ECDHE-ECDSA-AES128-GCM-SHA256" */
    /* Client side: chain and name of the server's certificate were checked and are good. Server
     * side: chain, dates and use of the client's. */
    bool is_verified;
    /* Not verified: why ("self-signed", "wrong name"); "" otherwise, and on the server side when
     * no certificate was shown. */
    const char *verdict;
    bool is_resumed;
    /* Server side. A certificate that cannot be used (kind of key, size) is not there, but has a
     * verdict. */
    bool has_certificate;
    struct tls_certificate certificate;
    /* For channel binding (RFC 5929); no bytes: it cannot be had. */
    uint8_t end_point[TLS_BINDING_BYTES_MAX], unique[TLS_UNIQUE_BYTES];
    unsigned end_point_bytes, unique_bytes;
};

/* Server side: certificates and keys of the listeners, session cache; shared by connections,
 * reference counted. Without a cache it is also what we show as a client. */
struct tls_server_config;
/* PEM texts (whole files). ECDSA P-256/384/521 or RSA up to 4096. Says clearly what is wrong: key
 * does not belong to the certificate, encrypted key, Ed25519, no certificate in the file... */
MUST_USE enum err tls_server_config_new(struct tls_server_config **out,
                                        struct slice certificate_pem, struct slice key_pem,
                                        unsigned session_cache_entries, struct fault *why);
struct tls_trust; /* trust anchors, reference counted */
/* Whom we believe when a client's certificate is verified; takes the reference (NULL: nobody).
 * Their names tell clients which certificate to send. Before the config is used. */
MUST_USE enum err tls_server_config_trust(struct tls_server_config *c, struct tls_trust *clients,
                                          struct fault *why);
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
MUST_USE enum err
tls_trust_new(struct tls_trust **out, struct slice ca_pem, unsigned *count,
              struct fault *why); /* slow (50 ms): run it on a worker after start */
struct tls_trust *tls_trust_ref(struct tls_trust *t);
void tls_trust_unref(struct tls_trust *t);

struct tls_client_config {
    struct tls_trust *trust; /* may be NULL: nothing is verified, TLS_VERIFY_NAME fails */
    enum tls_verify verify;
    struct tls_server_config *identity; /* what we show when we are asked; NULL: nothing */
};
const char *tls_error_text(int bearssl_error); /* one line for each number of BearSSL's */
