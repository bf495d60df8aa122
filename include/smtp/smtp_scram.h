/* smtp_scram.h -- the messages of SCRAM-SHA-256 (RFC 5802, RFC 7677) and the stored secret. Text
 * only: whoever has the hash functions does the sums.
 *
 *   client first  n,,n=USER,r=NONCE            server first  r=NONCE+OURS,s=SALT,i=ROUNDS
 *   client final  c=biws,r=NONCE+OURS,p=PROOF  server final  v=SIGNATURE
 *
 * The first byte tells of channel binding (section 6): n the client cannot, y it could but thinks
 * that we cannot, p= it does, and "p=TYPE" stands in place of "n". Acting for another user ("a=")
 * is refused, as are extensions ("m="). */
#pragma once

#include "base/buf.h"

enum {
    SMTP_SCRAM_MESSAGE_BYTES_MAX = 2048,
    SMTP_SCRAM_NONCE_BYTES_MAX = 512, /* of the client's */
    SMTP_SCRAM_NAME_BYTES_MAX = 255,
    SMTP_SCRAM_KEY_BYTES = 32,
    SMTP_SCRAM_SALT_BYTES_MAX = 64,
    SMTP_SCRAM_ROUNDS_MAX = 1000000,
};

enum smtp_scram_flag { SMTP_SCRAM_UNABLE, SMTP_SCRAM_UNUSED, SMTP_SCRAM_BOUND };

struct smtp_scram_first {
    enum smtp_scram_flag flag;
    struct slice binding; /* BOUND: "tls-unique" */
    struct slice header;  /* "n,,": comes back as c= in base64 */
    struct slice bare;    /* the rest, part of what is signed */
    struct slice nonce;
    char name[SMTP_SCRAM_NAME_BYTES_MAX + 1]; /* "=2C" and "=3D" undone */
    size_t name_bytes;
};
/* False: not well formed, or with something we refuse. Slices point into `in`. */
MUST_USE bool smtp_scram_first_parse(struct slice in, struct smtp_scram_first *out);

struct smtp_scram_final {
    struct slice binding;       /* c=, base64 */
    struct slice nonce;         /* both halves */
    struct slice without_proof; /* part of what is signed */
    uint8_t proof[SMTP_SCRAM_KEY_BYTES];
};
MUST_USE bool smtp_scram_final_parse(struct slice in, struct smtp_scram_final *out);

/* "SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY", three times base64, as PostgreSQL has it. */
struct smtp_scram_secret {
    unsigned rounds;
    uint8_t salt[SMTP_SCRAM_SALT_BYTES_MAX];
    size_t salt_bytes;
    uint8_t stored_key[SMTP_SCRAM_KEY_BYTES], server_key[SMTP_SCRAM_KEY_BYTES];
};
#define SMTP_SCRAM_SECRET_HEAD "SCRAM-SHA-256$"
MUST_USE bool smtp_scram_secret_parse(struct slice in, struct smtp_scram_secret *out);
bool smtp_scram_secret_build(const struct smtp_scram_secret *s, struct buf *out);
