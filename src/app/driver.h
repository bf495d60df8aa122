/* driver.h -- the real world around the engine: libuv connections, the journal on disk, DNS,
 * passwords. What happens becomes an event; what the engine wants is carried out.
 *
 * Start: open, listen, replay, start. End: stop, (quiet), close. */
#pragma once

#include <uv.h>

#include "clock.h"
#include "config/config.h"
#include "engine/engine_view.h"
#include "history/history_key.h"
#include "log.h"
#include "metrics.h"
#include "store/store_history.h"

struct driver_options {
    uv_loop_t *loop;
    const struct config *config; /* lives until driver_reload gives another or driver_close ends */
    const struct clock *clock;
    struct log *log;
    struct metrics *metrics;
    void (*quiet)(void *ctx); /* after driver_stop: nothing is in flight any more; once */
    void *ctx;
};

struct driver;

/* The state directory with its lock, the certificate, the parts of the shell. No client is let in.
 * ERR_BAD: the configuration is to blame. */
MUST_USE enum err driver_open(struct driver **out, const struct driver_options *o,
                              struct fault *why);
MUST_USE enum err driver_listen(struct driver *d, struct fault *why);
MUST_USE enum err driver_replay(struct driver *d, struct fault *why);
void driver_start(struct driver *d); /* clients come in */
/* All of the new configuration that may change while running, or nothing of it. The old one may be
 * freed after ERR_OK. */
MUST_USE enum err driver_reload(struct driver *d, const struct config *config, struct fault *why);
void driver_stop(struct driver *d); /* no new clients, finish what is in flight */
/* Syncs the journal, closes everything; the loop must run until `closed`, then d is gone. */
void driver_close(struct driver *d, void (*closed)(void *ctx), void *ctx);

int64_t driver_now_ms(const struct driver *d);
void driver_note(struct driver *d, const struct note *n); /* to the log and the counters */
void driver_warn(struct driver *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* driver_ask.c. op->result is filled when it returns; with is_recording in it, `recorded` is called
 * once, later, when the order is on disk or cannot be written. */
void driver_operator(struct driver *d, struct engine_operator *op,
                     void (*recorded)(void *ctx, bool is_on_disk), void *ctx);
/* A record of the journal, later and once; err: it cannot be read, and `why` says why. */
void driver_fetch(struct driver *d, uint64_t id, struct journal_pos pos,
                  void (*fetched)(void *ctx, enum err err, const struct journal_record *record,
                                  const char *why),
                  void *ctx);
const struct engine *driver_engine(const struct driver *d);
const struct config *driver_config(const struct driver *d);
/* "127.0.0.1:587 [::1]:587", with the port that was got where 0 was asked for. */
void driver_addresses(const struct driver *d, struct buf *out);
/* Finished messages, and the salt of the keys they are found by. False: there is none (yet). */
struct store_history *driver_history(const struct driver *d);
bool driver_history_salt(const struct driver *d, struct history_salt *out);
/* An account's access token is fetched now; is_new: its file has a new refresh token. False: there
 * is no such account. */
bool driver_enrolled(struct driver *d, struct slice account, bool is_new);
void driver_tick(struct driver *d); /* about once a second */
void driver_figures(const struct driver *d, struct metrics_view *out);
