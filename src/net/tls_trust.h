/* tls_trust.h -- the inside of a set of trust anchors: read-only once made, so workers share it. */
#pragma once

#include <bearssl.h>

#include "net/tls.h"

enum { TLS_TRUST_ANCHORS_MAX = 5000 };

struct tls_trust {
    unsigned refs; /* touched by the loop's thread only */
    br_x509_trust_anchor *anchor;
    size_t count;
};
