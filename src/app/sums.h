/* sums.h -- what logins of ours need worked out (smtp_sasl_sum), on the thread pool: PBKDF2 runs
 * for as many rounds as the server asks, which may take half a second. What comes of the rounds is
 * the same as long as password, salt and rounds are, and is remembered (RFC 5802 section 5.1). */
#pragma once

#include <uv.h>

#include "smtp/smtp_sasl.h"

enum {
    SUMS_RUNNING_MAX = 1, /* at once: the pool has the disk to serve */
    SUMS_KEYS_MAX = 64,   /* remembered; the oldest go */
};

/* sum: empty when it cannot be had; valid during the call. */
typedef void sums_answered(void *ctx, uint64_t conn, struct slice sum);

struct sums;
MUST_USE struct sums *sums_new(uv_loop_t *loop, sums_answered *answered, void *ctx);
/* `answered` is called once, later. A connection has one at a time, so that there are never more
 * than outgoing connections. */
void sums_ask(struct sums *s, uint64_t conn, const struct smtp_sasl_sum *sum);
/* The connection is gone: nothing is answered. */
void sums_forget(struct sums *s, uint64_t conn);
unsigned sums_remembered(const struct sums *s); /* keys */
/* No answer follows; `closed` when the last one under way has ended. */
void sums_close(struct sums *s, void (*closed)(void *ctx), void *ctx);

/* The sum itself; any thread. How many bytes there are in out. */
size_t sums_work_out(const struct smtp_sasl_sum *sum, uint8_t out[SMTP_SASL_SCRAM_BYTES]);
