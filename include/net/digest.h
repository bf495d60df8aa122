/* digest.h -- hash functions that only old protocols still ask for. */
#pragma once

#include "base/slice.h"

enum { DIGEST_MD5_BYTES = 16 };

/* HMAC-MD5 (RFC 2104). */
void digest_hmac_md5(struct slice key, struct slice text, uint8_t out[DIGEST_MD5_BYTES]);
