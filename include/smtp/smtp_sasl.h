/* smtp_sasl.h -- the mechanisms by which we log in at a smarthost, and what must be worked out for
 * them.
 *
 * The machine says and reads their messages; whoever has the hash functions does the sums
 * (smtp_sasl_sum), as they may take long: PBKDF2 runs for as many rounds as the server asks. */
#pragma once

#include "base/slice.h"

/* In the order of our choice: what shows the server the least comes first. */
enum smtp_sasl {
    SMTP_SASL_EXTERNAL,           /* the certificate shown in TLS (RFC 4422 appendix A) */
    SMTP_SASL_SCRAM_SHA_256_PLUS, /* bound to the TLS channel (RFC 5802, 7677, 5929) */
    SMTP_SASL_SCRAM_SHA_256,
    SMTP_SASL_OAUTHBEARER, /* RFC 7628 */
    SMTP_SASL_XOAUTH2,
    SMTP_SASL_CRAM_MD5, /* RFC 2195 */
    SMTP_SASL_PLAIN,    /* RFC 4616 */
    SMTP_SASL_LOGIN,
    SMTP_SASL_COUNT
};
#define SMTP_SASL_BIT(mechanism) (1u << (mechanism))

const char *smtp_sasl_name(enum smtp_sasl mechanism); /* "SCRAM-SHA-256-PLUS" */
/* Whatever its case. False: we do not know it. */
bool smtp_sasl_find(struct slice name, enum smtp_sasl *out);

enum smtp_sasl_sum_kind {
    SMTP_SASL_SUM_NONCE,    /* 15 bytes by chance */
    SMTP_SASL_SUM_SCRAM,    /* ClientProof, then ServerSignature (RFC 5802 section 3): 64 bytes */
    SMTP_SASL_SUM_HMAC_MD5, /* of text, with the password as the key: 16 bytes */
};
enum { SMTP_SASL_NONCE_BYTES = 15, SMTP_SASL_SCRAM_BYTES = 64, SMTP_SASL_MD5_BYTES = 16 };

/* What is to be worked out. */
struct smtp_sasl_sum {
    enum smtp_sasl_sum_kind kind;
    struct slice password, salt;
    struct slice text; /* SCRAM: the AuthMessage; HMAC_MD5: the challenge */
    unsigned rounds;
};
