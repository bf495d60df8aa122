/* driver.c -- the driver's life, the turn of the loop, the one timer.
 *
 * Just before the loop waits for the world: appends of the turn go to the disk as one batch, log
 * lines go out in one write, the timer is set to what the engine asks for. */
#include "driver_core.h"
#include "sources.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

int64_t driver_now_ms(const struct driver *d)
{
    return clock_now_ms(d->o.clock);
}

void driver_note(struct driver *d, const struct note *n)
{
    metrics_note(d->o.metrics, n);
    log_note(d->o.log, n, driver_now_ms(d));
}

void driver_warn(struct driver *d, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct note note;
    note_init(&note, NOTE_WARNING, 0);
    note_text(&note, "text", slice_of(text, n < 0 ? 0 : strlen(text)));
    driver_note(d, &note);
}

static uint64_t random_u64(void)
{
    uint64_t v;
    randombytes_buf(&v, sizeof v);
    return v;
}

/* --- the turn of the loop --- */

static void measure_turn(struct driver *d)
{
    uint64_t now_ns = uv_hrtime(), idle_ns = uv_metrics_idle_time(d->o.loop);
    if (d->turn_ns)
        metrics_turn(d->o.metrics, (now_ns - d->turn_ns - (idle_ns - d->idle_ns)) / 1000);
    d->turn_ns = now_ns;
    d->idle_ns = idle_ns;
}

static void on_timer(uv_timer_t *t);

static void arm_timer(struct driver *d)
{
    int64_t at_ms = engine_deadline_ms(d->engine);
    if (handshakes_deadline_ms(&d->handshakes) < at_ms)
        at_ms = handshakes_deadline_ms(&d->handshakes);
    if (at_ms == d->armed_ms)
        return;
    d->armed_ms = at_ms;
    if (at_ms == INT64_MAX) {
        uv_timer_stop(&d->timer);
        return;
    }
    int64_t wait_ms = at_ms - driver_now_ms(d);
    uv_update_time(d->o.loop);
    uv_timer_start(&d->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

static void expire_handshakes(struct driver *d)
{
    struct handshake h;
    while (handshakes_take_expired(&d->handshakes, driver_now_ms(d), &h)) {
        net_close(d->net, h.conn, true);
        struct ip_text ip = ip_build(&h.peer.address.ip);
        struct note n;
        note_init(&n, NOTE_TLS_FAILED, 0);
        note_text(&n, "ip", slice_cstr(ip.s));
        note_limit(&n, NOTE_LIMIT_TLS_TIME);
        note_text(&n, "reason", SLICE("no handshake in time"));
        driver_note(d, &n);
    }
}

static void on_timer(uv_timer_t *t)
{
    struct driver *d = t->data;
    d->armed_ms = INT64_MAX; /* it has gone off: set it again, also when it was early */
    expire_handshakes(d);
    struct engine_event event = {.kind = EVENT_TICK};
    if (engine_deadline_ms(d->engine) <= driver_now_ms(d))
        driver_tell(d, &event);
}

/* The reader of the log was slow: that there is a turn of the loop is enough. */
static void on_log_timer(uv_timer_t *t)
{
}

static void on_prepare(uv_prepare_t *p)
{
    struct driver *d = p->data;
    driver_append_held(d);
    driver_release_held(d, false);
    driver_tell(d, NULL);
    driver_tell_asked(d);
    if (d->has_appended) {
        d->has_appended = false;
        store_kick(d->store);
    }
    arm_timer(d);
    if (d->is_stopping && !d->was_quiet && list_is_empty(&d->held) && engine_is_quiet(d->engine) &&
        store_is_idle(d->store)) {
        d->was_quiet = true;
        d->o.quiet(d->o.ctx);
    }
    measure_turn(d);
    if (!log_flush(d->o.log, driver_now_ms(d)))
        uv_timer_start(&d->log_timer, on_log_timer, LOG_AGAIN_MS, 0);
}

/* --- trust --- */

static void load_trust(struct driver *d)
{
    if (d->is_trust_loading) {
        d->is_trust_stale = true;
        return;
    }
    d->is_trust_loading = true;
    identity_trust_load(d->o.loop, d->config->tls_ca_file, driver_on_trust, d);
    driver_token_trust(d);
}

static void close_part(void *ctx);

void driver_on_trust(void *ctx, struct tls_trust *trust, unsigned count, const struct fault *why)
{
    struct driver *d = ctx;
    d->is_trust_loading = false;
    if (d->trust)
        tls_trust_unref(d->trust);
    d->trust = trust;
    if (d->is_closed) {
        close_part(d);
        return;
    }
    driver_token_trust(d);
    if (!trust)
        driver_warn(d, "certificates of other servers cannot be verified: %s", why->text);
    while (!list_is_empty(&d->trust_waiters)) {
        struct trust_waiter *w =
            CONTAINER_OF(list_take_first(&d->trust_waiters), struct trust_waiter, link);
        driver_tls_client(d, w->conn, slice_cstr(w->server_name), w->needs_verify,
                          slice_cstr(w->certificate));
        mem_free(w->server_name);
        mem_free(w->certificate);
        mem_free(w);
    }
    if (d->is_trust_stale) {
        d->is_trust_stale = false;
        load_trust(d);
    }
}

/* --- start --- */

static unsigned connections_wanted(const struct driver *d)
{
    return d->config->engine.connections_max + DRIVER_REFUSALS_MAX;
}

static uint64_t files_reserved(const struct driver *d)
{
    return d->config->engine.out_connections_max + (uint64_t)DRIVER_FILES_RESERVED;
}

static unsigned connection_limit(const struct driver *d)
{
    uint64_t reserved = files_reserved(d);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == RLIM_INFINITY ||
        files.rlim_cur >= connections_wanted(d) + reserved)
        return connections_wanted(d);
    return files.rlim_cur > reserved + 16 ? (unsigned)(files.rlim_cur - reserved) : 16;
}

/* So many files that neither we nor net, which keeps a quarter for others, lower the limit. */
static uint64_t files_needed(const struct driver *d)
{
    uint64_t wanted = connections_wanted(d), ours = wanted + files_reserved(d);
    uint64_t net = (wanted + DRIVER_FILES_RESERVED) * 4 / 3 + 1;
    return ours > net ? ours : net;
}

static void warn_of_few_files(struct driver *d)
{
    unsigned allowed = net_connections_max(d->net);
    struct rlimit files;
    if (allowed >= connections_wanted(d) || getrlimit(RLIMIT_NOFILE, &files))
        return;
    driver_warn(
        d,
        "only %llu files may be open: at most %u clients at once instead of %u, and further "
        "ones wait instead of hearing 421 (raise LimitNOFILE or ulimit -n to %llu)",
        (unsigned long long)files.rlim_cur, allowed, d->config->engine.connections_max,
        (unsigned long long)files_needed(d));
}

static void on_source_warning(void *ctx, const char *text)
{
    driver_warn(ctx, "%s", text);
}

static struct resolver_options resolver_options(const struct config *c)
{
    return (struct resolver_options){
        .servers = c->dns_servers,
        .server_count = c->dns_server_count,
        .timeout_ms = c->dns_timeout_ms,
        .resolv_conf = "/etc/resolv.conf",
        .hosts = "/etc/hosts",
    };
}

static enum err open_store(struct driver *d, struct fault *why)
{
    char state_dir[PATH_MAX];
    if (d->config->state_dir.n >= sizeof state_dir)
        return fault_set(why, ERR_BAD, 0, "state_dir is longer than %d bytes", PATH_MAX);
    snprintf(state_dir, sizeof state_dir, "%.*s", SLICE_FMT(d->config->state_dir));
    const struct store_options options = {
        .state_dir = state_dir,
        .bytes_max = d->config->engine.queue_bytes_max,
    };
    const struct store_callbacks callbacks = driver_store_callbacks(d);
    struct fault inner = {0};
    enum err e = store_open(&d->store, d->o.loop, &options, &callbacks, random_u64(), &inner);
    if (!e)
        return ERR_OK;
    if (e == ERR_DENIED || inner.errnum == EACCES || inner.errnum == EPERM || inner.errnum == EROFS)
        return fault_set(why, ERR_DENIED, 0, "%s: make it writable for this user, or set state_dir",
                         inner.text);
    *why = inner;
    return e;
}

static enum err open_parts(struct driver *d, struct fault *why)
{
    enum err e = open_store(d, why);
    if (e)
        return e;
    e = identity_load(d->config, &d->identity, why);
    if (e)
        return d->config->tls_certificate.n || d->config->tls_client_ca_file.n ? ERR_BAD : e;
    e = identity_shown_load(d->config, &d->shown, why);
    if (e)
        return ERR_BAD;
    const struct resolver_options resolver = resolver_options(d->config);
    e = resolver_new(&d->resolver, d->o.loop, &resolver, random_u64(), driver_on_answer, d, why);
    if (e)
        return e;
    const struct net_options net = {.connections_max = connection_limit(d),
                                    .output_bytes_max = DRIVER_OUTPUT_BYTES_MAX};
    const struct net_callbacks callbacks = driver_net_callbacks(d);
    d->net = net_new(d->o.loop, &net, &callbacks);
    warn_of_few_files(d);
    (void)sources_check(d->config, on_source_warning, d);
    listeners_init(&d->listeners, d->net);
    driver_token_open(d);
    return ERR_OK;
}

static void on_drop_warning(void *ctx, const char *text)
{
    driver_warn(ctx, "%s", text);
}

/* The relay goes without a drop directory where there can be none. */
static void open_drop(struct driver *d)
{
    const struct config *c = d->config;
    struct fault why = {0};
    if (!c->has_sendmail || !c->sendmail_drop_dir.n)
        return;
    char *dir = mem_dup(c->sendmail_drop_dir.p, c->sendmail_drop_dir.n);
    const struct drop_options options = {
        .loop = d->o.loop,
        .dir = dir,
        .helo = c->engine.hostname,
        .bytes_max = c->engine.message_bytes_max,
        .client = driver_on_drop,
        .warn = on_drop_warning,
        .ctx = d,
    };
    if (drop_open(&d->drop, &options, &why) != ERR_OK)
        driver_warn(d, "sendmail(1) cannot store mail while the relay is down: %s", why.text);
    mem_free(dir);
}

enum err driver_open(struct driver **out, const struct driver_options *o, struct fault *why)
{
    struct driver *d = mem_new(sizeof *d);
    *out = d;
    d->o = *o;
    d->config = o->config;
    d->armed_ms = INT64_MAX;
    list_init(&d->trust_waiters);
    list_init(&d->held);
    list_init(&d->asks_done);
    map_init(&d->asks, random_u64());
    list_init(&d->releases);
    map_init(&d->wants_drained, random_u64());
    handshakes_init(&d->handshakes, random_u64());
    who_load(&d->who);
    enum err e = open_parts(d, why);
    if (e)
        return e; /* the process ends; the system takes back what was opened */
    driver_history_open(d, (const uint64_t[2]){random_u64(), random_u64()});
    d->auth = auth_new(o->loop, driver_on_login, d);
    auth_configure(d->auth, d->config->users, d->config->user_count);
    d->sums = sums_new(o->loop, driver_on_sum, d);
    d->engine = engine_new(&d->config->engine, random_u64());
    driver_usage_load(d);
    uv_prepare_init(o->loop, &d->prepare);
    uv_timer_init(o->loop, &d->timer);
    uv_timer_init(o->loop, &d->log_timer);
    d->prepare.data = d->timer.data = d->log_timer.data = d;
    open_drop(d);
    return ERR_OK;
}

static enum err apply_listeners(struct driver *d, const struct config *config, struct fault *why)
{
    enum err e = listeners_apply(&d->listeners, &config->engine, why);
    if (!e && d->listeners.trouble.text[0])
        driver_warn(d, "sendmail(1) can only use the drop directory: %s",
                    d->listeners.trouble.text);
    return e;
}

enum err driver_listen(struct driver *d, struct fault *why)
{
    net_accept_pause(d->net, true);
    return apply_listeners(d, d->config, why);
}

enum err driver_replay(struct driver *d, struct fault *why)
{
    driver_history_told(d);
    return store_replay(d->store, d, driver_on_replayed, driver_on_replay_note, why);
}

void driver_start(struct driver *d)
{
    const struct store_recovery how = store_recovery(d->store);
    struct engine_event event = {.kind = EVENT_STARTED,
                                 .segment_bytes = store_segment_bytes(d->store),
                                 .recovery = {how.indexed, how.walked, how.took_us / 1000}};
    driver_tell(d, &event);
    d->is_started = true;
    load_trust(d);
    uv_prepare_start(&d->prepare, on_prepare);
    net_accept_pause(d->net, false);
    if (d->drop)
        drop_start(d->drop);
}

/* --- while it runs --- */

static void say_restart_is_needed(struct driver *d, const char *key, bool is_changed)
{
    if (is_changed)
        driver_warn(d, "%s has changed: that takes effect after a restart", key);
}

enum err driver_reload(struct driver *d, const struct config *config, struct fault *why)
{
    struct tls_server_config *identity = NULL;
    struct identity_shown shown = {0};
    enum err e = identity_load(config, &identity, why);
    if (!e)
        e = identity_shown_load(config, &shown, why);
    if (!e)
        e = apply_listeners(d, config, why);
    const struct resolver_options resolver = resolver_options(config);
    if (!e) {
        e = resolver_configure(d->resolver, &resolver, why);
        struct fault unused;
        if (e && listeners_apply(&d->listeners, &d->config->engine, &unused) != ERR_OK)
            driver_warn(d, "not every listener could be opened again: %s", unused.text);
    }
    if (e) {
        if (identity)
            tls_server_config_unref(identity);
        identity_shown_close(&shown);
        return e;
    }
    const struct config *old = d->config;
    say_restart_is_needed(d, "state_dir", !slice_eq(old->state_dir, config->state_dir));
    say_restart_is_needed(d, "submission.max_connections (more of them)",
                          config->engine.connections_max > old->engine.connections_max);
    say_restart_is_needed(d, "sendmail.enabled (the drop directory)",
                          old->has_sendmail != config->has_sendmail);
    say_restart_is_needed(d, "sendmail.drop_dir",
                          !slice_eq(old->sendmail_drop_dir, config->sendmail_drop_dir));
    if (d->drop)
        drop_configure(d->drop, config->engine.message_bytes_max);
    if (d->identity)
        tls_server_config_unref(d->identity);
    d->identity = identity;
    identity_shown_close(&d->shown);
    d->shown = shown;
    d->config = config;
    token_fetch_configure(d->token_fetch, config);
    who_close(&d->who);
    who_load(&d->who);
    auth_configure(d->auth, config->users, config->user_count);
    store_history_configure(d->history, config->engine.history_ms, config->history_bytes_max);
    load_trust(d);
    (void)sources_check(config, on_source_warning, d);
    struct engine_event event = {.kind = EVENT_OPTIONS, .options = &config->engine};
    driver_tell(d, &event);
    return ERR_OK;
}

void driver_stop(struct driver *d)
{
    d->is_stopping = true;
    listeners_stop(&d->listeners);
    if (d->drop)
        drop_stop(d->drop);
    struct engine_event event = {.kind = EVENT_STOP};
    driver_tell(d, &event);
}

const struct engine *driver_engine(const struct driver *d)
{
    return d->engine;
}

const struct config *driver_config(const struct driver *d)
{
    return d->config;
}

void driver_addresses(const struct driver *d, struct buf *out)
{
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        const char *address = d->listeners.at[i].address;
        if (!address)
            continue;
        size_t n = strlen(address);
        bool is_any_port = n > 2 && strcmp(address + n - 2, ":0") == 0;
        buf_addf(out, "%s%.*s", out->n ? " " : "", (int)(is_any_port ? n - 1 : n), address);
        if (is_any_port)
            buf_addf(out, "%u", (unsigned)net_listener_port(d->net, i));
    }
}

void driver_tick(struct driver *d)
{
    driver_release_held(d, true);
    store_history_tick(d->history, driver_now_ms(d));
    driver_usage_tick(d);
}

void driver_figures(const struct driver *d, struct metrics_view *out)
{
    *out = (struct metrics_view){
        .journal_bytes_max = d->config->engine.queue_bytes_max,
        .last_sync_us = store_last_sync_us(d->store),
        .uptime_ms = clock_uptime_ms(d->o.clock),
        .log_lost = d->o.log->lost,
        .login_waiting = auth_waiting(d->auth),
    };
    engine_stats(d->engine, &out->engine);
    store_usage(d->store, &out->journal);
    store_history_usage(d->history, &out->history);
}

/* --- the end --- */

static void free_driver(struct driver *d)
{
    void (*closed)(void *) = d->closed;
    void *ctx = d->closed_ctx;
    driver_drop_asks(d);
    driver_usage_close(d);
    engine_free(d->engine);
    if (d->identity)
        tls_server_config_unref(d->identity);
    identity_shown_close(&d->shown);
    if (d->trust)
        tls_trust_unref(d->trust);
    handshakes_close(&d->handshakes);
    who_close(&d->who);
    map_close(&d->wants_drained);
    mem_free(d->late);
    while (!list_is_empty(&d->held))
        mem_free(CONTAINER_OF(list_take_first(&d->held), struct held_append, link));
    while (!list_is_empty(&d->releases)) /* dead at the next start as well */
        mem_free(CONTAINER_OF(list_take_first(&d->releases), struct held_release, link));
    while (!list_is_empty(&d->trust_waiters)) {
        struct trust_waiter *w =
            CONTAINER_OF(list_take_first(&d->trust_waiters), struct trust_waiter, link);
        mem_free(w->server_name);
        mem_free(w->certificate);
        mem_free(w);
    }
    mem_free(d);
    if (closed)
        closed(ctx);
}

void driver_close_part(struct driver *d)
{
    if (--d->parts_open == 0)
        free_driver(d);
}

static void close_part(void *ctx)
{
    driver_close_part(ctx);
}

static void on_handle_closed(uv_handle_t *h)
{
    close_part(h->data);
}

void driver_close(struct driver *d, void (*closed)(void *ctx), void *ctx)
{
    CHECK(!d->is_closed && !d->is_telling);
    driver_append_held(d); /* what is decided is written, as far as the journal takes it */
    store_kick(d->store);
    d->is_closed = true;
    d->closed = closed;
    d->closed_ctx = ctx;
    d->parts_open = 10 + d->is_trust_loading + (d->drop != NULL) + d->is_usage_writing;
    uv_prepare_stop(&d->prepare);
    uv_close((uv_handle_t *)&d->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&d->timer, on_handle_closed);
    uv_close((uv_handle_t *)&d->log_timer, on_handle_closed);
    store_close(d->store, close_part, d);
    store_history_close(d->history, close_part, d);
    net_close_all(d->net, close_part, d);
    resolver_close(d->resolver, close_part, d);
    auth_close(d->auth, close_part, d);
    sums_close(d->sums, close_part, d);
    token_fetch_close(d->token_fetch, close_part, d);
    if (d->drop)
        drop_close(d->drop, close_part, d);
}
