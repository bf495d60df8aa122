/* auth.h -- is this the user's password? Verified on the thread pool, remembered for a while.
 *
 * Hashes: "$argon2..." with libsodium, "SCRAM-SHA-256$..." by scram.h, all others with crypt(3). An
 * unknown user costs the same time as a known one. Only successes are remembered, under a keyed
 * hash of user and password; a changed configuration forgets them all. */
#pragma once

#include <uv.h>

#include "config/config.h"
#include "engine/engine_port.h"

enum {
    AUTH_RUNNING_MAX = 2, /* so many at once: the pool has other work too */
    AUTH_WAITING_MAX = 1000,
    AUTH_CACHE_MAX = 10000,
    AUTH_CACHE_MS = 10 * 60 * 1000,
};

typedef void auth_answered(void *ctx, uint64_t conn, enum engine_login login);

struct auth;
MUST_USE struct auth *auth_new(uv_loop_t *loop, auth_answered *answered, void *ctx);
/* The users, copied; forgets what was remembered. */
void auth_configure(struct auth *a, const struct config_user *users, unsigned count);
/* True: *login holds the answer already. False: `answered` is called once, later. */
MUST_USE bool auth_ask(struct auth *a, uint64_t conn, struct slice user, struct slice password,
                       enum engine_login *login);
/* One message of SCRAM, answered at once; auth_challenge() is ours then. binding: what the exchange
 * is bound to, "" for nothing; of the first message. */
MUST_USE enum engine_login auth_scram(struct auth *a, uint64_t conn, struct slice user,
                                      struct slice message, struct slice binding, bool is_first);
struct slice auth_challenge(const struct auth *a, uint64_t conn); /* "": none */
/* The client is gone: what it asked and nobody has begun is not asked any more. */
void auth_forget(struct auth *a, uint64_t conn);
unsigned auth_waiting(const struct auth *a);
/* No answer follows; `closed` when the last verification under way has ended. */
void auth_close(struct auth *a, void (*closed)(void *ctx), void *ctx);

/* The verification itself; any thread. */
bool auth_verify(const char *hash, struct slice password);
