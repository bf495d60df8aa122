/* token_fetch.c -- see the header. One fetch:
 *
 *   READING -> WAITING (for whom to believe, for its turn) -> ASKING -> [WRITING] -> told, gone
 *   the file's token was refused and the configuration has another one: ASKING again */
#include "token_fetch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/list.h"
#include "net/https.h"
#include "oauth/oauth_answer.h"
#include "token_file.h"

enum {
    CONNECT_MS = 15 * 1000,
    WHOLE_MS = 60 * 1000,
    FORM_BYTES_MAX = 49152,
    ASKING_MAX = 4, /* at once; the others wait their turn, at most so many accounts */
};

enum fetch_state { FETCH_READING, FETCH_WAITING, FETCH_ASKING, FETCH_WRITING };

struct fetch {
    struct list link;
    struct token_fetch *owner;
    enum fetch_state state;
    struct arena arena; /* of what is copied from the configuration */
    struct oauth_account account;
    struct slice state_dir;
    struct buf refresh_token; /* what is asked with */
    bool is_of_file;
    uv_work_t work;
    enum err err;
    struct fault why;
    struct https *https;
    struct oauth_answer answer;
};

/* A refresh token that the disk did not take. */
struct unsaved {
    struct list link;
    char *account, *token; /* owned */
};

struct token_fetch {
    uv_loop_t *loop;
    struct token_fetch_callbacks cb;
    const struct config *config;
    struct tls_trust *trust; /* borrowed */
    bool is_trust_loading, is_closing;
    struct list fetches, unsaved;
    unsigned asking;
    uv_idle_t handle; /* only so that the end is never told inside token_fetch_close */
    bool is_handle_closed;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void free_unsaved(struct unsaved *u)
{
    explicit_bzero(u->token, strlen(u->token));
    list_remove(&u->link);
    mem_free(u->account);
    mem_free(u->token);
    mem_free(u);
}

static struct unsaved *find_unsaved(const struct token_fetch *f, struct slice account)
{
    for (struct list *l = f->unsaved.next; l != &f->unsaved; l = l->next) {
        struct unsaved *u = CONTAINER_OF(l, struct unsaved, link);
        if (slice_eq(slice_cstr(u->account), account))
            return u;
    }
    return NULL;
}

void token_fetch_forget(struct token_fetch *f, struct slice account)
{
    struct unsaved *u = find_unsaved(f, account);
    if (u)
        free_unsaved(u);
}

static void end_if_done(struct token_fetch *f)
{
    if (!f->is_handle_closed || !list_is_empty(&f->fetches))
        return;
    while (!list_is_empty(&f->unsaved))
        free_unsaved(CONTAINER_OF(f->unsaved.next, struct unsaved, link));
    void (*closed)(void *) = f->closed;
    void *ctx = f->closed_ctx;
    mem_free(f);
    if (closed)
        closed(ctx);
}

static void fetch_free(struct fetch *x)
{
    struct token_fetch *f = x->owner;
    list_remove(&x->link);
    if (x->refresh_token.n)
        explicit_bzero(x->refresh_token.p, x->refresh_token.n);
    buf_close(&x->refresh_token);
    oauth_answer_close(&x->answer);
    arena_close(&x->arena);
    mem_free(x);
    if (f->is_closing)
        end_if_done(f);
}

static void end(struct fetch *x)
{
    struct token_fetch *f = x->owner;
    if (!f->is_closing)
        f->cb.fetched(f->cb.ctx, x->account.name, &x->answer);
    fetch_free(x);
}

static void end_badly(struct fetch *x, bool needs_login, const char *words)
{
    snprintf(x->answer.words, sizeof x->answer.words, "%s", words);
    x->answer.needs_login = needs_login;
    end(x);
}

/* ---- a new refresh token ---- */

static void write_file(uv_work_t *w)
{
    struct fetch *x = w->data;
    x->err = token_file_write(x->state_dir, x->account.name, buf_slice(&x->answer.refresh_token),
                              &x->why);
}

static void on_written(uv_work_t *w, int status)
{
    struct fetch *x = w->data;
    struct token_fetch *f = x->owner;
    token_fetch_forget(f, x->account.name);
    if (x->err) {
        char text[512];
        snprintf(text, sizeof text,
                 "the new refresh token of account %.*s is only in memory, and lost at the end: %s",
                 SLICE_FMT(x->account.name), x->why.text);
        f->cb.warn(f->cb.ctx, text);
        struct unsaved *u = mem_new(sizeof *u);
        u->account = mem_dup(x->account.name.p, x->account.name.n);
        u->token = mem_dup(x->answer.refresh_token.p, x->answer.refresh_token.n);
        list_add_last(&f->unsaved, &u->link);
    }
    end(x);
}

static void keep_refresh_token(struct fetch *x)
{
    struct token_fetch *f = x->owner;
    if (x->answer.is_good && !x->answer.refresh_token.n && find_unsaved(f, x->account.name))
        buf_add(&x->answer.refresh_token, buf_slice(&x->refresh_token)); /* perhaps now */
    struct slice fresh = buf_slice(&x->answer.refresh_token);
    bool is_kept = x->is_of_file && slice_eq(fresh, buf_slice(&x->refresh_token));
    if (!x->answer.is_good || !fresh.n || x->account.grant != OAUTH_REFRESH_TOKEN || is_kept) {
        end(x);
        return;
    }
    x->state = FETCH_WRITING;
    CHECK(uv_queue_work(f->loop, &x->work, write_file, on_written) == 0);
}

/* ---- asking ---- */

static void ask(struct fetch *x);
static void ask_next(struct token_fetch *f);

/* What is kept was refused, and the configuration has another one: written later, perhaps. */
static bool may_try_the_configured(const struct fetch *x)
{
    return x->answer.needs_login && x->is_of_file && x->account.refresh_token.n &&
           !slice_eq(x->account.refresh_token, buf_slice(&x->refresh_token));
}

static void on_asked(void *ctx)
{
    struct fetch *x = ctx;
    struct token_fetch *f = x->owner;
    f->asking--;
    bool has_news = x->answer.is_good && x->answer.refresh_token.n; /* not to be lost */
    if (f->is_closing) {
        has_news ? keep_refresh_token(x) : fetch_free(x); /* f may be gone then */
        return;
    }
    if (may_try_the_configured(x)) {
        oauth_answer_close(&x->answer);
        oauth_answer_init(&x->answer);
        buf_clear(&x->refresh_token);
        buf_add(&x->refresh_token, x->account.refresh_token);
        x->is_of_file = false;
        ask(x);
    } else {
        keep_refresh_token(x);
    }
    ask_next(f);
}

static void on_answer(void *ctx, const struct https_answer *a)
{
    struct fetch *x = ctx;
    if (a->err)
        snprintf(x->answer.words, sizeof x->answer.words, "%s", a->reason);
    else
        oauth_answer_parse(&x->answer, a->status, a->body, &x->account,
                           buf_slice(&x->refresh_token));
    if (x->answer.needs_login)
        token_fetch_forget(x->owner, x->account.name);
    struct https *h = x->https;
    x->https = NULL;
    https_close(h, on_asked, x);
}

static void ask(struct fetch *x)
{
    struct token_fetch *f = x->owner;
    const struct config *c = f->config;
    const struct resolver_options dns = {
        .servers = c->dns_servers,
        .server_count = c->dns_server_count,
        .timeout_ms = c->dns_timeout_ms,
        .resolv_conf = "/etc/resolv.conf",
        .hosts = "/etc/hosts",
    };
    const struct https_options o = {
        .dns = &dns,
        .trust = f->trust,
        .seed = uv_hrtime(),
        .connect_ms = CONNECT_MS,
        .whole_ms = WHOLE_MS,
        .answer_bytes_max = OAUTH_ANSWER_BYTES_MAX,
    };
    struct http_url url;
    struct buf form;
    buf_init(&form, FORM_BYTES_MAX);
    if (!http_url_parse(x->account.token_url, &url)) {
        end_badly(x, false, "its token_url is no address");
    } else if (!oauth_form_token(&x->account, buf_slice(&x->refresh_token), &form)) {
        end_badly(x, false, "its secrets are too long");
    } else {
        x->state = FETCH_ASKING;
        f->asking++;
        x->https = https_post(f->loop, &o, &url, buf_slice(&form), on_answer, x);
    }
    if (form.n)
        explicit_bzero(form.p, form.n);
    buf_close(&form);
}

/* As many as may. */
static void ask_next(struct token_fetch *f)
{
    if (f->is_closing || (!f->trust && f->is_trust_loading))
        return;
    for (struct list *l = f->fetches.next, *next; l != &f->fetches && f->asking < ASKING_MAX;
         l = next) {
        struct fetch *x = CONTAINER_OF(l, struct fetch, link);
        next = l->next;
        if (x->state == FETCH_WAITING)
            ask(x);
    }
}

static void wait_to_ask(struct fetch *x)
{
    x->state = FETCH_WAITING;
    ask_next(x->owner);
}

/* ---- reading ---- */

static void read_file(uv_work_t *w)
{
    struct fetch *x = w->data;
    if (x->account.grant == OAUTH_REFRESH_TOKEN && !x->refresh_token.n)
        x->err = token_file_read(x->state_dir, x->account.name, &x->refresh_token, &x->why);
}

static void on_read(uv_work_t *w, int status)
{
    struct fetch *x = w->data;
    char words[OAUTH_WORDS_BYTES_MAX];
    if (x->owner->is_closing) {
        fetch_free(x);
        return;
    }
    if (x->account.grant == OAUTH_CLIENT_CREDENTIALS || x->refresh_token.n) {
        x->is_of_file = x->refresh_token.n && !find_unsaved(x->owner, x->account.name);
        wait_to_ask(x);
        return;
    }
    if (x->err == ERR_MISSING && x->account.refresh_token.n) {
        buf_add(&x->refresh_token, x->account.refresh_token);
        wait_to_ask(x);
        return;
    }
    if (x->err == ERR_MISSING)
        snprintf(words, sizeof words, "there is no refresh token yet: outpost login %.*s",
                 SLICE_FMT(x->account.name));
    else
        snprintf(words, sizeof words, "%s", x->why.text);
    end_badly(x, true, words);
}

/* ---- the door ---- */

static void copy_account(struct fetch *x, const struct oauth_account *a)
{
    x->account = *a;
    struct slice *const text[] = {&x->account.name,      &x->account.tenant,
                                  &x->account.client_id, &x->account.client_secret,
                                  &x->account.scope,     &x->account.refresh_token,
                                  &x->account.token_url, &x->account.device_url};
    for (size_t i = 0; i < COUNT_OF(text); i++)
        *text[i] = arena_copy(&x->arena, *text[i]);
}

void token_fetch_start(struct token_fetch *f, struct slice account)
{
    const struct oauth_account *a = config_account(f->config, account);
    struct fetch *x = mem_new(sizeof *x);
    CHECK(a && !f->is_closing); /* a route names it, so config has made sure */
    x->owner = f;
    arena_init(&x->arena, 4096);
    buf_init(&x->refresh_token, OAUTH_TOKEN_BYTES_MAX);
    oauth_answer_init(&x->answer);
    copy_account(x, a);
    x->state_dir = arena_copy(&x->arena, f->config->state_dir);
    struct unsaved *u = find_unsaved(f, account);
    if (u)
        buf_add_cstr(&x->refresh_token, u->token);
    x->work.data = x;
    list_add_last(&f->fetches, &x->link);
    CHECK(uv_queue_work(f->loop, &x->work, read_file, on_read) == 0);
}

struct token_fetch *token_fetch_new(uv_loop_t *loop, const struct token_fetch_callbacks *cb)
{
    struct token_fetch *f = mem_new(sizeof *f);
    f->loop = loop;
    f->cb = *cb;
    list_init(&f->fetches);
    list_init(&f->unsaved);
    CHECK(uv_idle_init(loop, &f->handle) == 0);
    f->handle.data = f;
    return f;
}

void token_fetch_configure(struct token_fetch *f, const struct config *config)
{
    f->config = config;
}

void token_fetch_trust(struct token_fetch *f, struct tls_trust *trust, bool is_loading)
{
    f->trust = trust;
    f->is_trust_loading = is_loading;
    ask_next(f);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct token_fetch *f = h->data;
    f->is_handle_closed = true;
    end_if_done(f);
}

void token_fetch_close(struct token_fetch *f, void (*closed)(void *ctx), void *ctx)
{
    f->is_closing = true;
    f->closed = closed;
    f->closed_ctx = ctx;
    uv_close((uv_handle_t *)&f->handle, on_handle_closed);
    for (struct list *l = f->fetches.next, *next; l != &f->fetches; l = next) {
        struct fetch *x = CONTAINER_OF(l, struct fetch, link);
        next = l->next;
        if (x->state == FETCH_ASKING && x->https)
            https_close(x->https, on_asked, x);
        else if (x->state == FETCH_WAITING)
            fetch_free(x);
    }
}
