/* tls_check.c -- one X.509 class for all modes.
 *
 * The certificates are kept as they come. At the end the leaf's key is decoded: without it there
 * is no handshake in any mode. Then the chain is judged by BearSSL's minimal engine, and when it
 * stumbles over order or strangers (it wants the exact path), once more over the path that we
 * sort out by issuer and subject. Opportunistic delivery goes on whatever the verdict is.
 *
 * That the server owns the leaf's key is proved to the engine later, in the key exchange.
 *
 * Of a client, the same; but whatever the verdict, the handshake goes on, and those above decide.
 * BearSSL is told to tolerate clients without a certificate, and then it lets a chain that this
 * class refuses pass too, without asking for a signature. So a certificate that is handed on
 * (is_usable) is always one that was not refused here: its owner has signed the handshake. */
#include "tls_check.h"

#include <string.h>

#include "tls_certificate.h"
#include "tls_der.h"
#include "tls_trust.h"

enum { RSA_BYTES_MIN = 256 };

/* ---- judging ------------------------------------------------------------------------------ */

static struct slice certificate(const struct tls_check *c, unsigned i)
{
    size_t from = i ? c->end[i - 1] : 0;
    return slice_of(c->der.p + from, c->end[i] - from);
}

static unsigned judge(struct tls_check *c, const unsigned *path, unsigned count)
{
    br_x509_minimal_context *m = &c->minimal;
    br_x509_minimal_init(m, &br_sha256_vtable, c->trust->anchor, c->trust->count);
    br_x509_minimal_set_hash(m, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(m, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(m, br_sha512_ID, &br_sha512_vtable);
    br_x509_minimal_set_rsa(m, br_rsa_pkcs1_vrfy_get_default());
    br_x509_minimal_set_ecdsa(m, br_ec_get_default(), br_ecdsa_vrfy_asn1_get_default());
    br_x509_minimal_set_minrsa(m, RSA_BYTES_MIN);
    m->vtable->start_chain(&m->vtable, c->name);
    for (unsigned i = 0; i < count; i++) {
        struct slice der = certificate(c, path[i]);
        m->vtable->start_cert(&m->vtable, (uint32_t)der.n);
        m->vtable->append(&m->vtable, (const unsigned char *)der.p, der.n);
        m->vtable->end_cert(&m->vtable);
    }
    return m->vtable->end_chain(&m->vtable);
}

/* From the leaf upwards, each time the certificate whose subject is the last one's issuer. */
static unsigned sort_path(const struct tls_check *c, unsigned path[TLS_CHECK_CHAIN_MAX])
{
    struct tls_der_certificate part[TLS_CHECK_CHAIN_MAX];
    bool is_used[TLS_CHECK_CHAIN_MAX] = {false};
    unsigned count = 0, next = 0;
    for (unsigned i = 0; i < c->count; i++) {
        if (!tls_der_certificate(certificate(c, i), &part[i]))
            part[i] = (struct tls_der_certificate){0};
    }
    while (next < c->count) {
        unsigned last = next;
        path[count++] = last;
        is_used[last] = true;
        if (part[last].issuer.n == 0 || slice_eq(part[last].issuer, part[last].subject))
            break;
        for (next = 0; next < c->count; next++) {
            if (!is_used[next] && slice_eq(part[next].subject, part[last].issuer))
                break;
        }
    }
    return count;
}

static bool is_self_signed(const struct tls_check *c)
{
    struct tls_der_certificate part;
    return tls_der_certificate(certificate(c, 0), &part) && slice_eq(part.issuer, part.subject);
}

static unsigned verify(struct tls_check *c)
{
    unsigned path[TLS_CHECK_CHAIN_MAX], error;
    if (!c->trust) {
        c->verdict = c->is_of_client ? "no authority of clients is configured"
                                     : "nothing to verify with: no CA certificates are loaded";
        return BR_ERR_X509_NOT_TRUSTED;
    }
    for (unsigned i = 0; i < c->count; i++)
        path[i] = i;
    error = judge(c, path, c->count);
    if (error == BR_ERR_X509_DN_MISMATCH || error == BR_ERR_X509_NOT_TRUSTED) {
        unsigned again = judge(c, path, sort_path(c, path));
        if (again != BR_ERR_X509_DN_MISMATCH)
            error = again;
    }
    if (!error && c->is_of_client && !tls_certificate_is_for_clients(certificate(c, 0))) {
        c->verdict = "the certificate is not for clients (extended key usage)";
        return BR_ERR_X509_FORBIDDEN_KEY_USAGE;
    }
    /* The engine checks no name when there is none. */
    if (!error && !c->is_of_client && !c->name[0]) {
        c->verdict = "no server name to verify";
        return BR_ERR_X509_BAD_SERVER_NAME;
    }
    if (error == BR_ERR_X509_NOT_TRUSTED && is_self_signed(c))
        c->verdict = "the certificate is self-signed";
    else
        c->verdict = error ? tls_error_text((int)error) : "";
    c->is_verified = !error;
    return error;
}

/* ---- the class ---------------------------------------------------------------------------- */

static void start_chain(const br_x509_class **ctx, const char *server_name)
{
    struct tls_check *c = (struct tls_check *)ctx;
    buf_clear(&c->der);
    c->count = 0;
}

static void start_cert(const br_x509_class **ctx, uint32_t n)
{
    struct tls_check *c = (struct tls_check *)ctx;
    c->is_too_large |= c->count == TLS_CHECK_CHAIN_MAX;
}

static void append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
    struct tls_check *c = (struct tls_check *)ctx;
    if (!c->is_too_large)
        c->is_too_large = !buf_add(&c->der, slice_of(p, n));
}

static void end_cert(const br_x509_class **ctx)
{
    struct tls_check *c = (struct tls_check *)ctx;
    if (!c->is_too_large)
        c->end[c->count++] = c->der.n;
}

static bool is_weak(const br_x509_pkey *key)
{
    return key->key_type == BR_KEYTYPE_RSA && key->key.rsa.nlen < RSA_BYTES_MIN;
}

static unsigned read_chain(struct tls_check *c)
{
    if (c->is_too_large)
        return BR_ERR_X509_LIMIT_EXCEEDED;
    if (c->count == 0)
        return BR_ERR_X509_EMPTY_CHAIN;
    struct slice der = certificate(c, 0);
    br_x509_decoder_init(&c->leaf, NULL, NULL);
    br_x509_decoder_push(&c->leaf, der.p, der.n);
    int unreadable = br_x509_decoder_last_error(&c->leaf);
    if (unreadable)
        return (unsigned)unreadable;
    return c->is_of_client && is_weak(br_x509_decoder_get_pkey(&c->leaf))
               ? BR_ERR_X509_WEAK_PUBLIC_KEY
               : 0;
}

static unsigned end_chain(const br_x509_class **ctx)
{
    struct tls_check *c = (struct tls_check *)ctx;
    unsigned error = read_chain(c);
    if (error) {
        if (c->is_of_client && error != BR_ERR_X509_EMPTY_CHAIN)
            c->verdict = tls_error_text((int)error);
        return error;
    }
    c->is_usable = true;
    error = verify(c);
    return c->verify == TLS_VERIFY_NONE ? 0 : error;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
    struct tls_check *c = (struct tls_check *)ctx;
    if (usages) /* a client has to sign: its key is of no use otherwise */
        *usages = c->is_of_client ? BR_KEYTYPE_SIGN : BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
    return br_x509_decoder_get_pkey(&c->leaf);
}

static const br_x509_class check_class = {
    .context_size = sizeof(struct tls_check),
    .start_chain = start_chain,
    .start_cert = start_cert,
    .append = append,
    .end_cert = end_cert,
    .end_chain = end_chain,
    .get_pkey = get_pkey,
};

void tls_check_init(struct tls_check *c, const struct tls_client_config *config,
                    struct slice server_name)
{
    c->vtable = &check_class;
    c->trust = config->trust;
    c->verify = config->verify;
    c->verdict = "no certificate was sent";
    buf_init(&c->der, TLS_CHECK_CHAIN_BYTES_MAX);
    if (server_name.n && server_name.n < sizeof c->name)
        memcpy(c->name, server_name.p, server_name.n);
}

void tls_check_init_client(struct tls_check *c, const struct tls_trust *trust)
{
    c->vtable = &check_class;
    c->trust = trust;
    c->verify = TLS_VERIFY_NONE;
    c->is_of_client = true;
    c->verdict = "";
    buf_init(&c->der, TLS_CHECK_CLIENT_BYTES_MAX);
}

struct slice tls_check_leaf(const struct tls_check *c)
{
    return c->is_usable ? certificate(c, 0) : SLICE_NONE;
}

struct slice tls_check_first(const struct tls_check *c)
{
    return c->count && !c->is_too_large ? certificate(c, 0) : SLICE_NONE;
}

void tls_check_close(struct tls_check *c)
{
    buf_close(&c->der);
    *c = (struct tls_check){.vtable = NULL};
}
