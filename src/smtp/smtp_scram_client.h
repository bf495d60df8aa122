/* smtp_scram_client.h -- the client's side of SCRAM-SHA-256 and -PLUS, as text (see smtp_scram.h
 * for the messages). The password is taken byte for byte: SASLprep would change nothing of ASCII.
 */
#pragma once

#include "base/buf.h"
#include "smtp/smtp_scram.h"

enum {
    SMTP_SCRAM_ROUNDS_LEAST = 4096, /* RFC 7677 section 4: fewer would sell the password cheaply */
    SMTP_SCRAM_TEXT_BYTES_MAX = 8192,
};

struct smtp_scram_client {
    struct buf header;      /* "n,,", "y,,", "p=tls-unique,,": part of c= */
    struct buf nonce;       /* ours */
    struct buf signed_text; /* the AuthMessage, as far as it has come */
    struct buf without_proof;
    uint8_t salt[SMTP_SCRAM_SALT_BYTES_MAX];
    size_t salt_bytes;
    unsigned rounds;
    uint8_t signature[SMTP_SCRAM_KEY_BYTES];
};

void smtp_scram_client_init(struct smtp_scram_client *s);
void smtp_scram_client_close(struct smtp_scram_client *s);

/* Our first message into `out`. binding: the channel's type, for -PLUS; "": no binding.
 * is_able: it could be bound, but the server does not offer it. */
void smtp_scram_client_first(struct smtp_scram_client *s, struct slice user, struct slice nonce,
                             struct slice binding, bool is_able, struct buf *out);
/* The server's first message: signed_text, salt and rounds are what the proof is made of then.
 * NULL: it is good; else what is wrong with it. data: what the channel is bound to. */
MUST_USE const char *smtp_scram_client_challenge(struct smtp_scram_client *s, struct slice in,
                                                 struct slice data);
/* Our last message. proof: ClientProof and ServerSignature. */
void smtp_scram_client_final(struct smtp_scram_client *s,
                             const uint8_t proof[2 * SMTP_SCRAM_KEY_BYTES], struct buf *out);
/* The server's last message. NULL: it knows the password, too. */
MUST_USE const char *smtp_scram_client_verify(const struct smtp_scram_client *s, struct slice in);
