/* driver_core.h -- the inside of the driver: one struct, and its files.
 *
 *   driver.c          its life, the turn of the loop, the timer
 *   driver_event.c    what the shell reports -> engine_handle
 *   driver_action.c   what the engine wants -> the shell
 *   driver_ask.c      what the control socket is told later
 *   driver_history.c  finished messages -> the history
 *   driver_token.c    access tokens
 *   driver_usage.c    what logins have used of their quotas, over restarts
 *
 * One rule holds them together: the engine is never told anything while an action of its is being
 * carried out. What an action brings about at once waits in `late` until the engine has no action
 * left. */
#pragma once

#include <limits.h>

#include "auth.h"
#include "base/list.h"
#include "base/map.h"
#include "driver.h"
#include "drop.h"
#include "handshakes.h"
#include "identity.h"
#include "listeners.h"
#include "net/resolver.h"
#include "store/store.h"
#include "store/store_history.h"
#include "sums.h"
#include "token_fetch.h"
#include "who.h"

enum {
    DRIVER_OUTPUT_BYTES_MAX = 8 * 1024 * 1024, /* unsent, of one connection */
    DRIVER_HELD_BYTES_MAX = 64 * 1024 * 1024,  /* appends that wait for the journal's next batch */
    LOG_AGAIN_MS = 10,
    DRIVER_FILES_RESERVED = 128,          /* journal, DNS, control socket, log */
    DRIVER_REFUSALS_MAX = 64,             /* connections beyond the limit, let in to be told 421 */
    DRIVER_HANDSHAKE_REFUSALS_MAX = 32,   /* of them for implicit TLS, whose 421 comes later */
    DRIVER_HANDSHAKE_REFUSALS_AT_MAX = 4, /* the same beyond the limit of one address */
};

/* An event that an action caused at once. */
struct late_event {
    enum engine_event_kind kind;
    uint64_t conn, ticket;
    enum err err;
    enum engine_login login;
    bool has_challenge; /* text: see auth_challenge */
    const char *text;   /* static */
};

/* An append that found the journal's batch full. */
struct held_append {
    struct list link;
    uint64_t ticket, id;
    uint8_t type;
    bool needs_sync, is_admission;
    size_t n;
    char bytes[];
};

/* A dead segment that goes when the history has written what it alone will know then. */
struct held_release {
    struct list link;
    uint64_t segment, number;
};

/* A TLS client that waits until we know whom to believe. */
struct trust_waiter {
    struct list link;
    uint64_t conn;
    char *server_name, *certificate;
    bool needs_verify;
};

struct driver {
    struct driver_options o;
    const struct config *config;
    struct engine *engine;
    struct store *store;
    struct store_history *history;
    struct net *net;
    struct resolver *resolver;
    struct auth *auth;
    struct sums *sums;
    struct listeners listeners;
    struct handshakes handshakes;
    struct who_list who;
    struct drop *drop;                  /* NULL: there is no drop directory */
    struct tls_server_config *identity; /* NULL: no listener uses TLS */
    struct identity_shown shown;
    struct tls_trust *trust;
    struct token_fetch *token_fetch;
    bool is_trust_loading, is_trust_stale;
    struct list trust_waiters;
    struct map wants_drained; /* connections the engine waits for; values only say "yes" */
    struct late_event *late;  /* a queue: late_from .. late_count */
    size_t late_from, late_count, late_cap;
    struct map asks; /* by number or ticket: struct ask */
    struct list asks_done;
    uint64_t last_ask;
    bool has_appended; /* this turn: the journal is to be kicked */
    struct list held;
    struct list releases;
    size_t held_bytes;
    uv_prepare_t prepare;
    uv_timer_t timer, log_timer;
    int64_t armed_ms; /* what the timer is set to; INT64_MAX: nothing */
    uint64_t turn_ns, idle_ns;
    char usage_path[PATH_MAX];
    struct buf usage_saved; /* as it stands on disk */
    int64_t usage_due_ms;
    bool is_usage_writing;
    bool is_telling; /* inside engine_handle or carrying out */
    bool is_started, is_stopping, was_quiet, is_closed;
    unsigned parts_open;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* driver_event.c: tells the engine and carries out all it wants. now_ms is filled in. */
void driver_tell(struct driver *d, struct engine_event *event);
void driver_on_trust(void *ctx, struct tls_trust *trust, unsigned count, const struct fault *why);
void driver_on_replayed(void *ctx, const struct journal_record *r);
void driver_on_replay_note(void *ctx, const char *text);
void driver_on_answer(void *ctx, uint64_t ticket, const struct dns_answer *answer);
void driver_on_drop(void *ctx, int fd, uid_t owner, const char *name);
void driver_on_login(void *ctx, uint64_t conn, enum engine_login login);
void driver_on_sum(void *ctx, uint64_t conn, struct slice sum);
struct net_callbacks driver_net_callbacks(struct driver *d);
struct store_callbacks driver_store_callbacks(struct driver *d);

/* driver_ask.c */
void driver_operated(struct driver *d, uint64_t answer, bool is_on_disk);
/* False: the engine's. */
bool driver_fetched(struct driver *d, uint64_t ticket, enum err err,
                    const struct journal_record *record, const char *why);
void driver_tell_asked(struct driver *d); /* once a turn */
void driver_drop_asks(struct driver *d);  /* at the end: all are told that nothing comes */

/* driver_action.c */
void driver_carry_out(struct driver *d, const struct engine_action *a);
void driver_later(struct driver *d, const struct late_event *late);
void driver_append_held(struct driver *d); /* once a turn */
void driver_tls_client(struct driver *d, uint64_t conn, struct slice server_name, bool needs_verify,
                       struct slice certificate);

/* driver_token.c */
void driver_token_open(struct driver *d);
void driver_token_trust(struct driver *d); /* it has come, or is being read */

/* driver_usage.c */
void driver_usage_load(struct driver *d);
void driver_usage_tick(struct driver *d);
void driver_usage_close(struct driver *d); /* blocks: nothing runs any more */
void driver_close_part(
    struct driver *d); /* driver.c: after driver_close, one thing less to wait for */

/* driver_history.c */
void driver_history_open(struct driver *d, const uint64_t salt[2]); /* for a history that begins */
/* Before the replay: what the journal says finished after the history's last write is told, too. */
void driver_history_told(struct driver *d);
void driver_remember(struct driver *d, struct slice record);
void driver_release(struct driver *d, uint64_t segment);
/* Once a turn; is_all: those that still wait, too, as the journal needs its room. */
void driver_release_held(struct driver *d, bool is_all);
