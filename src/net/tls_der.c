/* tls_der.c -- see tls_der.h. */
#include "tls_der.h"

enum { TAG_VERSION = 0xa0, TAG_EXTENSIONS = 0xa3 };

bool tls_der_take(struct slice *in, unsigned *tag, struct slice *whole, struct slice *body)
{
    const uint8_t *p = (const uint8_t *)in->p;
    size_t n, head = 2;
    if (in->n < 2 || (p[0] & 0x1f) == 0x1f)
        return false;
    *tag = p[0];
    n = p[1];
    if (n & 0x80) {
        size_t bytes = n & 0x7f;
        if (bytes == 0 || bytes > 3 || in->n < 2 + bytes)
            return false;
        for (n = 0; head < 2 + bytes; head++)
            n = n << 8 | p[head];
    }
    if (n > in->n - head)
        return false;
    *whole = slice_head(*in, head + n);
    *body = slice_from(*whole, head);
    *in = slice_from(*in, head + n);
    return true;
}

bool tls_der_take_of(struct slice *in, unsigned tag, struct slice *body)
{
    struct slice whole;
    unsigned found;
    return tls_der_take(in, &found, &whole, body) && found == tag;
}

/* Behind the subject: key, unique ids of issuer and subject, extensions. */
static bool take_rest(struct slice at, struct tls_der_certificate *out)
{
    struct slice whole, body;
    unsigned tag;
    if (!tls_der_take(&at, &tag, &out->key, &body) || tag != TLS_DER_SEQUENCE)
        return false;
    while (at.n) {
        if (!tls_der_take(&at, &tag, &whole, &body))
            return false;
        if (tag == TAG_EXTENSIONS && !tls_der_take_of(&body, TLS_DER_SEQUENCE, &out->extensions))
            return false;
    }
    return true;
}

/* version, serial, algorithm, issuer, validity, subject, ... */
static bool take_signed(struct slice at, struct tls_der_certificate *out)
{
    static const unsigned want[] = {TLS_DER_INTEGER, TLS_DER_SEQUENCE, TLS_DER_SEQUENCE,
                                    TLS_DER_SEQUENCE, TLS_DER_SEQUENCE};
    struct slice whole = SLICE_NONE, body;
    unsigned tag;
    if (at.n && (uint8_t)at.p[0] == TAG_VERSION && !tls_der_take(&at, &tag, &whole, &body))
        return false;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        if (!tls_der_take(&at, &tag, &whole, &body) || tag != want[i])
            return false;
        if (i == 2)
            out->issuer = whole;
    }
    out->subject = whole;
    return take_rest(at, out);
}

bool tls_der_certificate(struct slice der, struct tls_der_certificate *out)
{
    struct slice outer, body, algorithm;
    *out = (struct tls_der_certificate){0};
    return tls_der_take_of(&der, TLS_DER_SEQUENCE, &outer) &&
           tls_der_take_of(&outer, TLS_DER_SEQUENCE, &body) && take_signed(body, out) &&
           tls_der_take_of(&outer, TLS_DER_SEQUENCE, &algorithm) &&
           tls_der_take_of(&algorithm, TLS_DER_OID, &out->signature);
}
