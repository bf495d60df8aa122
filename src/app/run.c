/* run.c -- `outpost run`: start-up, signals, reload, the orderly end.
 *
 *   configuration -> state directory and lock -> certificate -> listeners -> control socket
 *   -> replay of the journal -> clients are let in
 *
 * SIGTERM or SIGINT: no new clients, what is in flight is finished (shutdown_grace at most), the
 * journal is closed, exit 0. A second one: exit 1 at once; the journal makes that safe. */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "config_file.h"
#include "control.h"
#include "driver.h"
#include "notify.h"
#include "users_watch.h"

enum { TICK_MS = 1000, SIGNALS = 3 };

/* One relay in a process, and it lives as long as the process. */
static struct relay {
    uv_loop_t loop;
    struct clock clock;
    struct log log;
    struct metrics metrics;
    const char *config_path; /* NULL: the default one */
    struct config *config;
    struct buf config_text; /* what it was made of */
    struct users_watch users;
    struct driver *driver;
    struct control *control;
    uv_signal_t signal[SIGNALS];
    uv_timer_t tick, grace;
    bool is_stopping, is_closing;
} relay;

static enum note_level level_of(enum log_level_option o)
{
    switch (o) {
    case LOG_DEBUG:
        return NOTE_DEBUG;
    case LOG_INFO:
        return NOTE_INFO;
    case LOG_WARN:
        return NOTE_WARN;
    case LOG_ERROR:
        return NOTE_ERROR;
    }
    return NOTE_INFO;
}

/* --- the end --- */

static void on_driver_closed(void *ctx)
{
    relay.driver = NULL;
}

static void on_control_closed(void *ctx)
{
    relay.control = NULL;
    driver_close(relay.driver, on_driver_closed, NULL);
}

static void note_stopped(void)
{
    struct engine_stats e;
    struct note n;
    engine_stats(driver_engine(relay.driver), &e);
    note_init(&n, NOTE_STOPPED, 0);
    note_number(&n, "uptime_s", clock_uptime_ms(&relay.clock) / 1000);
    note_number(&n, "messages", (int64_t)e.messages);
    note_number(&n, "in_flight", (int64_t)e.in_flight);
    driver_note(relay.driver, &n);
}

static void close_all(void)
{
    if (relay.is_closing)
        return;
    relay.is_closing = true;
    note_stopped();
    for (int i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&relay.signal[i], NULL);
    uv_close((uv_handle_t *)&relay.tick, NULL);
    uv_close((uv_handle_t *)&relay.grace, NULL);
    control_close(relay.control, on_control_closed, NULL);
}

static void on_quiet(void *ctx)
{
    close_all();
}

static void on_grace_over(uv_timer_t *t)
{
    driver_warn(relay.driver, "shutdown_grace is over: what is still in flight is tried again "
                              "after the next start");
    close_all();
}

static void stop(void)
{
    if (relay.is_stopping) {
        log_close(&relay.log);
        _exit(EXIT_FAILED);
    }
    relay.is_stopping = true;
    notify_manager("STOPPING=1");
    driver_stop(relay.driver);
    uv_timer_start(&relay.grace, on_grace_over, (uint64_t)relay.config->shutdown_grace_ms, 0);
}

/* --- reload --- */

static void note_reload_failed(const struct fault *why, unsigned mistake_count)
{
    struct note n;
    note_init(&n, NOTE_RELOAD_FAILED, 0);
    note_text(&n, "text", slice_cstr(why->text));
    if (mistake_count)
        note_number(&n, "mistakes", mistake_count);
    driver_note(relay.driver, &n);
}

static void use(struct config *fresh)
{
    struct config *old = relay.config;
    if (!slice_eq(old->control_socket, fresh->control_socket))
        driver_warn(relay.driver, "control.socket has changed: that takes effect after a restart");
    if (!slice_eq(old->metrics_listen, fresh->metrics_listen))
        driver_warn(relay.driver, "metrics.listen has changed: that takes effect after a restart");
    log_configure(&relay.log, level_of(fresh->log_level), fresh->log_format == LOG_JSON);
    relay.config = fresh;
    config_free(old);
    struct buf addresses;
    struct note n;
    buf_init(&addresses, 4096);
    driver_addresses(relay.driver, &addresses);
    note_init(&n, NOTE_RELOADED, 0);
    note_text(&n, "listen", buf_slice(&addresses));
    driver_note(relay.driver, &n);
    buf_close(&addresses);
}

/* The text that belongs to relay.config. */
static void keep_text(struct config_file *f)
{
    buf_close(&relay.config_text);
    relay.config_text = f->text;
    buf_init(&f->text, 0);
}

static enum err use_file(struct config_file *f, enum err e, struct fault *why)
{
    unsigned mistake_count = 0;
    if (!e && f->mistake_count) {
        mistake_count = f->mistake_count;
        config_file_first_mistake(f, why);
        e = ERR_BAD;
    }
    if (!e)
        e = driver_reload(relay.driver, f->config, why);
    if (e) {
        note_reload_failed(why, mistake_count);
    } else {
        keep_text(f);
        use(config_file_take(f));
        users_watch_set(&relay.users, relay.config->users_file);
    }
    config_file_close(f);
    return e;
}

static enum err reload(void *ctx, struct fault *why)
{
    struct config_file f = {0};
    enum err e = relay.is_stopping ? fault_set(why, ERR_CLOSED, 0, "the relay is stopping")
                                   : config_file_load(&f, relay.config_path, why);
    return use_file(&f, e, why);
}

/* users_file has changed: the configuration that runs with the users of now. What else was edited
 * in the meantime waits for its own reload. */
static void on_users_changed(void)
{
    struct config_file f;
    struct fault why = {0};
    if (relay.is_stopping)
        return;
    config_file_load_text(&f, relay.config_path, buf_slice(&relay.config_text));
    if (use_file(&f, ERR_OK, &why) != ERR_OK)
        return; /* it is in the log, and the users from before stay */
}

/* --- while it runs --- */

static void on_signal(uv_signal_t *s, int signum)
{
    struct fault why = {0};
    if (signum != SIGHUP)
        stop();
    else if (reload(NULL, &why) != ERR_OK)
        return; /* it is in the log */
}

static void on_tick(uv_timer_t *t)
{
    metrics_tick(&relay.metrics, clock_now_ms(&relay.clock));
    control_tick(relay.control);
    driver_tick(relay.driver);
    users_watch_tick(&relay.users);
}

static void start_handles(void)
{
    static const int signum[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < SIGNALS; i++) {
        uv_signal_init(&relay.loop, &relay.signal[i]);
        uv_signal_start(&relay.signal[i], on_signal, signum[i]);
    }
    uv_timer_init(&relay.loop, &relay.tick);
    uv_timer_start(&relay.tick, on_tick, TICK_MS, TICK_MS);
    uv_timer_init(&relay.loop, &relay.grace);
}

/* --- start --- */

static void prepare_process(void)
{
    struct rlimit files;
    umask(077);
#ifdef __GLIBC__
    /* While a long queue drains, hundreds of thousands of small blocks would wait in malloc's fast
     * bins to be joined all at once, which takes milliseconds. */
    mallopt(M_MXFAST, 0);
#endif
    setenv("UV_THREADPOOL_SIZE", "6", 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files); /* when refused, connection limits shrink to fit */
    }
}

static int load_config(const char *path)
{
    struct config_file f;
    struct fault why = {0};
    relay.config_path = path;
    if (config_file_load(&f, path, &why) != ERR_OK)
        return cli_fail(EXIT_CONFIG, "%s", why.text);
    if (f.mistake_count) {
        config_file_print_mistakes(&f, stderr);
        config_file_close(&f);
        return EXIT_CONFIG;
    }
    keep_text(&f);
    relay.config = config_file_take(&f);
    config_file_close(&f);
    return EXIT_GOOD;
}

static enum err open_all(struct fault *why)
{
    const struct driver_options driver = {
        .loop = &relay.loop,
        .config = relay.config,
        .clock = &relay.clock,
        .log = &relay.log,
        .metrics = &relay.metrics,
        .quiet = on_quiet,
    };
    enum err e = driver_open(&relay.driver, &driver, why);
    if (e)
        return e;
    e = driver_listen(relay.driver, why);
    if (e)
        return e == ERR_BAD ? ERR_SYSTEM : e;
    const struct control_options control = {
        .loop = &relay.loop,
        .driver = relay.driver,
        .metrics = &relay.metrics,
        .clock = &relay.clock,
        .reload = reload,
    };
    e = control_open(&relay.control, &control, relay.config->control_socket,
                     relay.config->metrics_listen, why);
    if (e)
        return e == ERR_BAD ? ERR_SYSTEM : e;
    return driver_replay(relay.driver, why);
}

static void note_started(int64_t began_ms)
{
    struct engine_stats e;
    struct buf addresses;
    struct note n;
    buf_init(&addresses, 4096);
    driver_addresses(relay.driver, &addresses);
    engine_stats(driver_engine(relay.driver), &e);
    note_init(&n, NOTE_STARTED, 0);
    note_text(&n, "version", SLICE(OUTPOST_VERSION));
    note_number(&n, "pid", getpid());
    note_text(&n, "hostname", relay.config->engine.hostname);
    note_text(&n, "listen", buf_slice(&addresses));
    note_text(&n, "state_dir", relay.config->state_dir);
    note_number(&n, "messages", (int64_t)e.messages);
    note_number(&n, "recipients", (int64_t)e.recipients);
    note_number(&n, "ms", clock_now_ms(&relay.clock) - began_ms);
    driver_note(relay.driver, &n);
    buf_close(&addresses);
}

static int run_loop(void)
{
    uv_run(&relay.loop, UV_RUN_DEFAULT);
    int left = uv_loop_close(&relay.loop);
    log_close(&relay.log);
    config_free(relay.config);
    relay.config = NULL;
    buf_close(&relay.config_text);
    if (left)
        return cli_fail(EXIT_FAILED, "something was left open at the end: %s", uv_strerror(left));
    return EXIT_GOOD;
}

int cli_relay(const struct cli *c)
{
    prepare_process();
    if (sodium_init() < 0)
        return cli_fail(EXIT_FAILED, "no random numbers can be had from this system");
    int status = load_config(c->config);
    if (status)
        return status;
    clock_start(&relay.clock);
    int64_t began_ms = clock_now_ms(&relay.clock);
    log_init(&relay.log, STDERR_FILENO);
    log_configure(&relay.log, level_of(relay.config->log_level),
                  relay.config->log_format == LOG_JSON);
    metrics_init(&relay.metrics, began_ms);
    if (uv_loop_init(&relay.loop) || uv_loop_configure(&relay.loop, UV_METRICS_IDLE_TIME))
        return cli_fail(EXIT_FAILED, "the event loop cannot be made");
    struct fault why = {0};
    enum err e = open_all(&why);
    if (e) {
        log_close(&relay.log);
        return cli_fail(e == ERR_BAD ? EXIT_CONFIG : EXIT_FAILED, "%s", why.text);
    }
    start_handles();
    users_watch_init(&relay.users, &relay.loop, on_users_changed);
    users_watch_set(&relay.users, relay.config->users_file);
    driver_start(relay.driver);
    note_started(began_ms);
    notify_manager("READY=1");
    return run_loop();
}
