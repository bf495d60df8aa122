/* cli_login.c -- `outpost login ACCOUNT`: enrols an OAuth2 account by the device flow (RFC 8628),
 * or takes a refresh token that was had elsewhere; the running relay is told, so that it is used at
 * once. `outpost login --check`: how the relay's tokens are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "cli_remote.h"
#include "config_file.h"
#include "file.h"
#include "net/https.h"
#include "oauth/oauth_answer.h"
#include "token_file.h"

enum { CONNECT_MS = 15 * 1000, WHOLE_MS = 60 * 1000, FORM_BYTES_MAX = 32768 };

struct login {
    const struct cli *cli;
    const struct config *config;
    const struct oauth_account *account;
    uv_loop_t loop;
    struct tls_trust *trust;
    struct https *https;
    enum err err; /* of the last post; ERR_OK: status and body */
    int status;
    struct buf body;
    char reason[256];
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_until(int64_t at_ms)
{
    int64_t ms = at_ms - now_ms();
    if (ms <= 0)
        return;
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) && errno == EINTR)
        continue;
}

/* ---- asking the server ---- */

static void on_answer(void *ctx, const struct https_answer *a)
{
    struct login *l = ctx;
    l->err = a->err;
    l->status = a->status;
    snprintf(l->reason, sizeof l->reason, "%s", a->err ? a->reason : "");
    buf_add(&l->body, a->body);
    https_close(l->https, NULL, NULL);
}

/* Runs the loop until the answer is there and all is closed again. */
static void post(struct login *l, struct slice address, struct slice form)
{
    const struct config *c = l->config;
    const struct resolver_options dns = {
        .servers = c->dns_servers,
        .server_count = c->dns_server_count,
        .timeout_ms = c->dns_timeout_ms,
        .resolv_conf = "/etc/resolv.conf",
        .hosts = "/etc/hosts",
    };
    const struct https_options o = {
        .dns = &dns,
        .trust = l->trust,
        .seed = uv_hrtime(),
        .connect_ms = CONNECT_MS,
        .whole_ms = WHOLE_MS,
        .answer_bytes_max = OAUTH_ANSWER_BYTES_MAX,
    };
    struct http_url url;
    CHECK(http_url_parse(address, &url)); /* the configuration has no mistakes */
    buf_clear(&l->body);
    l->https = https_post(&l->loop, &o, &url, form, on_answer, l);
    uv_run(&l->loop, UV_RUN_DEFAULT);
}

static int open_trust(struct login *l)
{
    char path[4096];
    struct buf pem;
    struct fault why = {0};
    snprintf(path, sizeof path, "%.*s", SLICE_FMT(l->config->tls_ca_file));
    buf_init(&pem, FILE_BYTES_MAX);
    enum err e = file_read(path, &pem, &why);
    if (!e)
        e = tls_trust_new(&l->trust, buf_slice(&pem), NULL, &why);
    buf_close(&pem);
    if (e)
        return cli_fail(EXIT_FAILED, "tls.ca_file %s: %s", path, why.text);
    return EXIT_GOOD;
}

/* ---- keeping the token ---- */

/* It need not run. */
static void tell_relay(const struct login *l)
{
    struct remote r;
    struct fault why = {0};
    struct buf target;
    if (remote_init(&r, l->cli))
        return;
    buf_init(&target, REMOTE_TARGET_BYTES_MAX);
    buf_addf(&target, "/tokens?new=1&%s", remote_format(l->cli));
    char name[OAUTH_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "%.*s", SLICE_FMT(l->account->name));
    remote_add(&target, "account", name);
    if (!remote_ask(&r, "POST", buf_cstr(&target), &why))
        fprintf(stderr, "outpost: the relay will use it when it starts (%s)\n", why.text);
    else if (r.answer.status == 404)
        fputs("outpost: the running relay does not know this account yet: outpost reload\n",
              stderr);
    else if (r.answer.status != 200)
        remote_complain(&r);
    else
        fwrite(r.answer.body.p, 1, r.answer.body.n, stdout);
    buf_close(&target);
    remote_close(&r);
}

static int keep(const struct login *l, struct slice token)
{
    struct fault why = {0};
    if (token_file_write(l->config->state_dir, l->account->name, token, &why) != ERR_OK)
        return cli_fail(EXIT_FAILED, "the token cannot be stored: %s", why.text);
    if (!l->cli->is_json)
        printf("stored the refresh token of %.*s under %.*s/tokens\n", SLICE_FMT(l->account->name),
               SLICE_FMT(l->config->state_dir));
    fflush(stdout);
    tell_relay(l);
    return EXIT_GOOD;
}

static int import(const struct login *l)
{
    struct buf content;
    struct fault why = {0};
    struct slice token;
    const char *path = strcmp(l->cli->token_file, "-") ? l->cli->token_file : "/dev/stdin";
    buf_init(&content, 2 * OAUTH_TOKEN_BYTES_MAX);
    int status = EXIT_GOOD;
    if (file_read(path, &content, &why) != ERR_OK)
        status = cli_fail(EXIT_FAILED, "%s", why.text);
    else if (!token_file_parse(buf_slice(&content), &token))
        status = cli_fail(EXIT_FAILED,
                          "%s holds no token: one line without blanks, at most %d "
                          "bytes",
                          l->cli->token_file, OAUTH_TOKEN_BYTES_MAX);
    else
        status = keep(l, token);
    if (content.n)
        explicit_bzero(content.p, content.n);
    buf_close(&content);
    return status;
}

/* ---- the device flow ---- */

static void show(const struct login *l, const struct oauth_device *d)
{
    printf("Open %s in any browser, log in as the account that sends the mail, and enter\n\n"
           "    %s\n\nWaiting ...\n",
           d->url, d->user_code);
    fflush(stdout);
}

/* What the words of the server do not say. */
static const char *hint(const struct login *l)
{
    return l->account->preset == OAUTH_GOOGLE ? "; Google's device flow issues no tokens for mail: "
                                                "get a refresh token elsewhere and "
                                                "store it with --refresh-token-file"
                                              : "";
}

static int begin(struct login *l, struct oauth_device *d)
{
    struct buf form;
    char words[OAUTH_WORDS_BYTES_MAX];
    buf_init(&form, FORM_BYTES_MAX);
    CHECK(oauth_form_device(l->account, &form)); /* all of it is bounded by the configuration */
    post(l, l->account->device_url, buf_slice(&form));
    buf_close(&form);
    if (l->err)
        return cli_fail(EXIT_FAILED, "%s", l->reason);
    if (!oauth_device_begin(d, l->status, buf_slice(&l->body), l->account, now_ms(), words))
        return cli_fail(EXIT_FAILED, "%s%s", words, hint(l));
    return EXIT_GOOD;
}

static enum oauth_device_step poll_once(struct login *l, struct oauth_device *d,
                                        struct oauth_answer *answer)
{
    struct buf form;
    wait_until(d->poll_at_ms);
    buf_init(&form, FORM_BYTES_MAX);
    CHECK(oauth_form_poll(l->account, slice_cstr(d->code), &form));
    post(l, l->account->token_url, buf_slice(&form));
    explicit_bzero(form.p, form.n);
    buf_close(&form);
    if (l->err)
        return oauth_device_unanswered(d, now_ms(), answer);
    return oauth_device_polled(d, l->status, buf_slice(&l->body), l->account, now_ms(), answer);
}

static int enrol(struct login *l)
{
    struct oauth_device d;
    struct oauth_answer answer;
    int status = begin(l, &d);
    if (status)
        return status;
    show(l, &d);
    enum oauth_device_step step;
    do {
        oauth_answer_init(&answer);
        step = poll_once(l, &d, &answer);
        if (step == OAUTH_DEVICE_DONE)
            status = keep(l, buf_slice(&answer.refresh_token));
        else if (step == OAUTH_DEVICE_FAILED)
            status = cli_fail(EXIT_FAILED, "%s", answer.words);
        oauth_answer_close(&answer);
    } while (step == OAUTH_DEVICE_WAIT);
    explicit_bzero(&d, sizeof d);
    return status;
}

static int enrol_by_device(struct login *l)
{
    if (!l->account->device_url.n)
        return cli_fail(
            EXIT_FAILED,
            "account %.*s has no device_url: get a refresh token elsewhere and store it "
            "with --refresh-token-file",
            SLICE_FMT(l->account->name));
    int status = open_trust(l);
    if (status)
        return status;
    CHECK(uv_loop_init(&l->loop) == 0);
    buf_init(&l->body, OAUTH_ANSWER_BYTES_MAX);
    status = enrol(l);
    if (l->body.n)
        explicit_bzero(l->body.p, l->body.n);
    buf_close(&l->body);
    tls_trust_unref(l->trust);
    uv_loop_close(&l->loop);
    return status;
}

/* ---- the command ---- */

/* How the relay's tokens are, as it says. */
static int check(const struct cli *c)
{
    struct remote r;
    struct fault why = {0};
    struct buf target;
    int status = remote_init(&r, c);
    if (status)
        return status;
    buf_init(&target, REMOTE_TARGET_BYTES_MAX);
    buf_addf(&target, "/tokens?check=1&%s", remote_format(c));
    remote_add(&target, "account", c->arg_count ? c->arg[0] : NULL);
    if (!remote_ask(&r, "GET", buf_cstr(&target), &why)) {
        status = cli_fail(EXIT_FAILED, "%s", why.text);
    } else if (r.answer.status != 200 && r.answer.status != 503) {
        status = remote_complain(&r);
    } else {
        status = r.answer.status == 200 ? EXIT_GOOD : EXIT_FAILED;
        if (r.answer.body.n)
            fwrite(r.answer.body.p, 1, r.answer.body.n, stdout);
        else
            status = cli_fail(EXIT_FAILED, "no route of the running relay uses %s",
                              c->arg_count ? "this account" : "an OAuth2 account");
    }
    buf_close(&target);
    remote_close(&r);
    return status;
}

static int run(struct login *l)
{
    const struct cli *c = l->cli;
    const struct config *config = l->config;
    l->account = config_account(config, slice_cstr(c->arg[0]));
    if (!l->account)
        return cli_fail(EXIT_FAILED,
                        "there is no [[oauth2]] with name = \"%s\" in the configuration",
                        c->arg[0]);
    if (l->account->grant == OAUTH_CLIENT_CREDENTIALS)
        return cli_fail(
            EXIT_FAILED,
            "account %s needs no login: with client_credentials the relay asks by itself "
            "(outpost login --check tells how that goes)",
            c->arg[0]);
    return c->token_file ? import(l) : enrol_by_device(l);
}

int cli_login(const struct cli *c)
{
    struct config_file file = {0};
    struct fault why = {0};
    if (c->wants_check)
        return check(c);
    if (!c->arg_count)
        return cli_fail(EXIT_USAGE, "say which account: outpost login ACCOUNT, or --check");
    if (config_file_load(&file, c->config, &why) != ERR_OK)
        return cli_fail(EXIT_CONFIG, "%s", why.text);
    struct login l = {.cli = c, .config = file.config};
    int status = EXIT_CONFIG;
    if (file.mistake_count)
        config_file_print_mistakes(&file, stderr);
    else
        status = run(&l);
    config_file_close(&file);
    return status;
}
