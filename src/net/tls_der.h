/* tls_der.h -- the parts of a certificate's DER that BearSSL does not hand out.
 *
 * All slices point into the certificate. Lengths are those of DER up to 16 MB; what the parts hold
 * is not judged here. */
#pragma once

#include "base/slice.h"

/* The element at the start of *in, header included; *in moves behind it. */
MUST_USE bool tls_der_take(struct slice *in, unsigned *tag, struct slice *whole,
                           struct slice *body);
/* The same, of this tag only; *body is what it holds. */
MUST_USE bool tls_der_take_of(struct slice *in, unsigned tag, struct slice *body);

enum {
    TLS_DER_INTEGER = 0x02,
    TLS_DER_BIT_STRING = 0x03,
    TLS_DER_OCTET_STRING = 0x04,
    TLS_DER_OID = 0x06,
    TLS_DER_SEQUENCE = 0x30,
    TLS_DER_SET = 0x31,
};

/* RFC 5280 section 4.1. */
struct tls_der_certificate {
    struct slice issuer, subject; /* whole elements */
    struct slice key;             /* SubjectPublicKeyInfo, whole */
    struct slice extensions;      /* what their sequence holds; empty: there are none */
    struct slice signature;       /* the OID of the algorithm that signed it, its content */
};
MUST_USE bool tls_der_certificate(struct slice der, struct tls_der_certificate *out);
