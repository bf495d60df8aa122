/* tls_profile.h -- which versions, suites and algorithms we speak, and their names. */
#pragma once

#include <bearssl.h>

#include "base/err.h"

/* TLS 1.2, six suites with forward secrecy and authenticated encryption, no SHA-1. */
void tls_profile_strict(br_ssl_engine_context *e);
/* For opportunistic delivery: what protects better than no TLS at all. TLS 1.0 to 1.2, also CBC
 * and static RSA. */
void tls_profile_lax(br_ssl_engine_context *e);

const char *tls_profile_suite_name(unsigned suite);
const char *tls_profile_version_name(unsigned version);
