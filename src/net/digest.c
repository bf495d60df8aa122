/* digest.c -- see the header. */
#include "net/digest.h"

#include <bearssl.h>

void digest_hmac_md5(struct slice key, struct slice text, uint8_t out[DIGEST_MD5_BYTES])
{
    br_hmac_key_context prepared;
    br_hmac_context hmac;
    br_hmac_key_init(&prepared, &br_md5_vtable, key.p, key.n);
    br_hmac_init(&hmac, &prepared, 0);
    br_hmac_update(&hmac, text.p, text.n);
    br_hmac_out(&hmac, out);
}
