/* tls_trust.c -- whom we believe: a bundle of CA certificates as BearSSL's trust anchors. */
#include "tls_trust.h"

#include <string.h>

#include "base/buf.h"
#include "tls_pem.h"

struct loading {
    struct tls_trust *trust;
    size_t cap;
    unsigned unusable;
    bool is_full;
    struct buf dn;
    br_x509_decoder_context decoder;
};

static unsigned char *copy(const void *p, size_t n)
{
    return (unsigned char *)mem_dup(p, n);
}

static void copy_key(br_x509_pkey *to, const br_x509_pkey *from)
{
    *to = *from;
    if (from->key_type == BR_KEYTYPE_RSA) {
        to->key.rsa.n = copy(from->key.rsa.n, from->key.rsa.nlen);
        to->key.rsa.e = copy(from->key.rsa.e, from->key.rsa.elen);
    } else {
        to->key.ec.q = copy(from->key.ec.q, from->key.ec.qlen);
    }
}

static void on_dn(void *ctx, const void *p, size_t n)
{
    buf_add(ctx, slice_of(p, n));
}

static bool on_certificate(void *ctx, const char *name, struct slice der)
{
    struct loading *l = ctx;
    struct tls_trust *t = l->trust;
    if (!tls_pem_is_certificate(name))
        return true;
    buf_clear(&l->dn);
    br_x509_decoder_init(&l->decoder, on_dn, &l->dn);
    br_x509_decoder_push(&l->decoder, der.p, der.n);
    const br_x509_pkey *key = br_x509_decoder_get_pkey(&l->decoder);
    if (!key || l->dn.is_full) {
        l->unusable++;
        return true;
    }
    if (t->count == TLS_TRUST_ANCHORS_MAX) {
        l->is_full = true;
        return false;
    }
    if (t->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        t->anchor = mem_resize(t->anchor, l->cap * sizeof *t->anchor);
    }
    br_x509_trust_anchor *a = &t->anchor[t->count++];
    a->dn.data = copy(l->dn.p, l->dn.n);
    a->dn.len = l->dn.n;
    a->flags = br_x509_decoder_isCA(&l->decoder) ? BR_X509_TA_CA : 0;
    copy_key(&a->pkey, key);
    return true;
}

enum err tls_trust_new(struct tls_trust **out, struct slice ca_pem, unsigned *count,
                       struct fault *why)
{
    struct loading l = {.trust = mem_new(sizeof *l.trust)};
    l.trust->refs = 1;
    *out = NULL;
    buf_init(&l.dn, TLS_PEM_OBJECT_BYTES_MAX);
    unsigned damaged = tls_pem_each(ca_pem, on_certificate, &l);
    buf_close(&l.dn);
    if (count)
        *count = (unsigned)l.trust->count;
    if (l.is_full || l.trust->count == 0) {
        tls_trust_unref(l.trust);
        if (l.is_full)
            return fault_set(why, ERR_FULL, 0, "more than %d certificates to trust",
                             TLS_TRUST_ANCHORS_MAX);
        return fault_set(why, ERR_BAD, 0,
                         "no usable certificate to trust (%u damaged, %u of unknown type)", damaged,
                         l.unusable);
    }
    *out = l.trust;
    return ERR_OK;
}

struct tls_trust *tls_trust_ref(struct tls_trust *t)
{
    t->refs++;
    return t;
}

void tls_trust_unref(struct tls_trust *t)
{
    if (!t || --t->refs)
        return;
    for (size_t i = 0; i < t->count; i++) {
        br_x509_trust_anchor *a = &t->anchor[i];
        mem_free(a->dn.data);
        if (a->pkey.key_type == BR_KEYTYPE_RSA) {
            mem_free(a->pkey.key.rsa.n);
            mem_free(a->pkey.key.rsa.e);
        } else {
            mem_free(a->pkey.key.ec.q);
        }
    }
    mem_free(t->anchor);
    mem_free(t);
}
