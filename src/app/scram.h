/* scram.h -- the sums of SCRAM-SHA-256 on the server's side, and the secret that is stored. */
#pragma once

#include "engine/engine_port.h"
#include "smtp/smtp_scram.h"

enum { SCRAM_ROUNDS = 4096, SCRAM_SALT_BYTES = 16 };

/* One exchange. */
struct scram {
    bool is_known; /* else nobody has this name: it goes on and fails in the end */
    struct smtp_scram_secret secret;
    struct buf signed_text; /* client-first-bare "," server-first */
    struct buf nonce, binding;
    struct buf out; /* our next message */
};

/* Our first message is in s->out. False: the client's is wrong. binding: of the channel; "": the
 * exchange is not bound to one. */
MUST_USE bool scram_begin(struct scram *s, struct slice first, struct slice binding,
                          const struct smtp_scram_secret *secret, bool is_known);
/* LOGIN_OK: our last message is in s->out. */
MUST_USE enum engine_login scram_end(struct scram *s, struct slice final);
void scram_close(struct scram *s);

/* Slow: some milliseconds. Any thread. */
void scram_make(struct smtp_scram_secret *out, struct slice password); /* rounds and salt are set */
/* The client's side. The keys are slow, too; rounds and salt of s are set. */
struct scram_keys {
    uint8_t client[SMTP_SCRAM_KEY_BYTES], server[SMTP_SCRAM_KEY_BYTES];
};
void scram_keys(const struct smtp_scram_secret *s, struct slice password, struct scram_keys *out);
/* ClientProof, then ServerSignature. */
void scram_prove(const struct scram_keys *keys, struct slice text,
                 uint8_t out[2 * SMTP_SCRAM_KEY_BYTES]);
MUST_USE bool scram_verify(const struct smtp_scram_secret *secret, struct slice password);
