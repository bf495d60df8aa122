/* tls_certificate.h -- what a certificate says: fingerprints, names, use, and the hash that stands
 * for it in channel binding. */
#pragma once

#include "net/tls.h"

/* False: not readable as a certificate. */
MUST_USE bool tls_certificate_read(struct slice der, struct tls_certificate *out);
/* RFC 5280 4.2.1.12: it has no extended key usage, or one that includes TLS clients. */
bool tls_certificate_is_for_clients(struct slice der);
/* RFC 5929 section 4.1: the certificate's hash, by the hash function that its signature uses, but
 * SHA-256 in place of SHA-1. The length; 0: the signature is of a kind for which nobody has said
 * what it is (RSA-PSS, Ed25519). */
unsigned tls_certificate_end_point(struct slice der, uint8_t out[TLS_BINDING_BYTES_MAX]);
