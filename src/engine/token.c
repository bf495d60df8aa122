/* token.c -- see the header.
 *
 *   none -> asked -> held -> asked (before it ends) -> held ..
 *   asked -> failed: asked again later; what is held is used up to its end
 *   held -> refused by the smarthost: none, asked at once; refused again: asked later */
#include "token.h"

#include "engine/engine_view.h"
#include "policy/policy_retry.h"

#include <stdio.h>
#include <string.h>

enum {
    MARGIN_MS = 5 * 60 * 1000, /* before its end a token is fetched anew, or a fifth of its life */
    SLACK_MS = 5000,           /* so near its end it is not said any more */
    FIRST_WAIT_MS = 10 * 1000,
    WAIT_MS_MAX = 60 * 60 * 1000, /* also where a login is needed: somebody may have repaired it */
    REFUSED_CODE = 535,           /* RFC 4954 section 6 */
};

enum token_health { TOKEN_WELL, TOKEN_FAILING, TOKEN_REFUSED, TOKEN_NEEDS_LOGIN };

struct token {
    char *name, *value; /* owned; value NULL: none */
    int64_t until_ms;
    struct timer timer;       /* the next fetch */
    bool is_asked, is_wanted; /* under way; by a route */
    enum token_health health;
    unsigned failures; /* fetches, in a row */
    unsigned refusals; /* tokens that smarthosts refused, in a row */
    char *trouble;     /* owned */
    uint64_t fetch_count, failure_count;
};

static struct token *find(const struct engine *e, struct slice account)
{
    return map_get(&e->tokens, account);
}

static bool is_usable(const struct engine *e, const struct token *t)
{
    return t->value && t->until_ms - SLACK_MS > e->now_ms;
}

static void drop_value(struct token *t)
{
    mem_free(t->value);
    t->value = NULL;
}

static void token_free(struct engine *e, struct token *t)
{
    map_take(&e->tokens, slice_cstr(t->name));
    timer_stop(e, &t->timer);
    drop_value(t);
    mem_free(t->trouble);
    mem_free(t->name);
    mem_free(t);
}

/* Those that nobody waits for and nobody wants; at the end all. */
static void drop_tokens(struct engine *e, bool is_all)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->tokens, &at));) {
        struct token *t = m->value;
        if (!is_all && (t->is_wanted || t->is_asked))
            continue;
        token_free(e, t);
        at = 0;
    }
}

void token_close(struct engine *e)
{
    drop_tokens(e, true);
    map_close(&e->tokens);
}

/* ---- fetching ---- */

static void fetch(struct engine *e, struct token *t)
{
    timer_stop(e, &t->timer);
    if (t->is_asked || !t->is_wanted || e->is_stopping || !e->is_started)
        return;
    t->is_asked = true;
    struct slice account = engine_keep(e, slice_cstr(t->name));
    engine_do(e, ACTION_TOKEN)->text = account;
}

static void fetch_later(struct engine *e, struct token *t, unsigned failures)
{
    const struct policy_retry p = {FIRST_WAIT_MS, WAIT_MS_MAX, 2.0};
    timer_set(e, &t->timer, e->now_ms + policy_retry_wait_ms(&p, failures, &e->rng));
}

static void fetch_before_end(struct engine *e, struct token *t)
{
    int64_t life_ms = t->until_ms - e->now_ms;
    int64_t margin_ms = life_ms / 5 < MARGIN_MS ? life_ms / 5 : MARGIN_MS;
    margin_ms += rng_between(&e->rng, 0, margin_ms / 2); /* not all accounts at once */
    timer_set(e, &t->timer, t->until_ms - margin_ms);
}

void token_on_timer(struct engine *e, struct timer *timer)
{
    fetch(e, CONTAINER_OF(timer, struct token, timer));
}

static void add_account(struct engine *e, struct slice account)
{
    struct token *t = find(e, account);
    if (!t) {
        t = mem_new(sizeof *t);
        t->name = mem_dup(account.p, account.n);
        timer_init(&t->timer, TIMER_TOKEN);
        map_put(&e->tokens, slice_cstr(t->name), t);
    }
    t->is_wanted = true;
}

void token_on_started(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->tokens, &at));) {
        struct token *t = m->value;
        if (!is_usable(e, t) || t->trouble)
            fetch(e, t);
    }
}

void token_on_options(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->tokens, &at));)
        ((struct token *)m->value)->is_wanted = false;
    for (unsigned i = 0; i < e->opt->route_count; i++)
        if (e->opt->routes[i].account.n)
            add_account(e, e->opt->routes[i].account);
    for (unsigned i = 0; i < e->opt->credential_count; i++)
        if (e->opt->credentials[i].account.n)
            add_account(e, e->opt->credentials[i].account);
    drop_tokens(e, false);
    if (e->is_started)
        token_on_started(e); /* whatever kept one from coming may be repaired */
}

void token_init(struct engine *e)
{
    map_init(&e->tokens, rng_u64(&e->rng));
    token_on_options(e);
}

/* ---- trouble ---- */

/* Said once when it begins, and when it changes its kind. */
static void fall_ill(struct engine *e, struct token *t, enum token_health health, struct slice why)
{
    bool is_news = t->health != health;
    t->health = health;
    mem_free(t->trouble);
    t->trouble = mem_dup(why.p, why.n);
    if (!is_news)
        return;
    struct note *n = engine_note(e, NOTE_TOKEN_FAILED, 0);
    engine_tell(e, n, "account", slice_cstr(t->name));
    engine_tell(e, n, "reason", slice_cstr(t->trouble));
}

static void get_well(struct token *t)
{
    t->health = TOKEN_WELL;
    mem_free(t->trouble);
    t->trouble = NULL;
}

/* The destination is said to be in trouble for want of a token. */
static void make_wait(struct engine *e, const struct token *t, struct destination *d)
{
    char why[QUEUE_REASON_BYTES_MAX];
    if (d->is_waiting_for_token || !t->trouble)
        return;
    d->is_waiting_for_token = true;
    snprintf(why, sizeof why, "no access token for account %s: %s", t->name, t->trouble);
    destination_trouble(e, d, slice_cstr(why));
}

static bool has_account(const struct destination *d, const struct token *t)
{
    return d->account && strcmp(d->account, t->name) == 0;
}

static void all_wait(struct engine *e, const struct token *t)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->destinations, &at));) {
        struct destination *d = m->value;
        if (has_account(d, t))
            make_wait(e, t, d);
    }
}

/* Pumps may end destinations, so nobody walks over them meanwhile. */
static void all_go_on(struct engine *e, const struct token *t)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->destinations, &at));) {
        struct destination *d = m->value;
        if (!has_account(d, t))
            continue;
        if (d->is_waiting_for_token)
            destination_well(e, d);
        d->is_waiting_for_token = false;
        schedule_want(e, d);
    }
    schedule_pump_wanting(e);
}

/* ---- what the driver brings ---- */

static void on_failure(struct engine *e, struct token *t, const struct engine_token *got)
{
    t->failures++;
    t->failure_count++;
    fall_ill(e, t, got->needs_login ? TOKEN_NEEDS_LOGIN : TOKEN_FAILING, got->why);
    fetch_later(e, t, got->needs_login ? UINT16_MAX : t->failures);
    if (!is_usable(e, t))
        all_wait(e, t);
}

static void on_token(struct engine *e, struct token *t, const struct engine_token *got)
{
    drop_value(t);
    t->value = mem_dup(got->token.p, got->token.n);
    t->until_ms = got->until_ms;
    t->failures = 0;
    t->fetch_count++;
    if (!t->refusals)
        get_well(t);
    struct note *n = engine_note(e, NOTE_TOKEN, 0);
    engine_tell(e, n, "account", slice_cstr(t->name));
    note_number(n, "valid_s", (t->until_ms - e->now_ms) / 1000);
    fetch_before_end(e, t);
    all_go_on(e, t);
}

void token_on_fetched(struct engine *e, const struct engine_token *got)
{
    struct token *t = find(e, got->account);
    if (!t)
        return;
    t->is_asked = false;
    if (!t->is_wanted)
        token_free(e, t); /* a reload came first */
    else if (got->token.n)
        on_token(e, t, got);
    else
        on_failure(e, t, got);
}

void token_on_enrolled(struct engine *e, struct slice account)
{
    struct token *t = find(e, account);
    if (t)
        fetch(e, t);
}

/* ---- lines ---- */

bool token_is_at_hand(struct engine *e, struct destination *d)
{
    if (!d->account)
        return true;
    struct token *t = find(e, slice_cstr(d->account));
    if (!t) { /* of options that are no more: came back after the walk over the jobs */
        schedule_reroute_again(e);
        return false;
    }
    if (is_usable(e, t))
        return true;
    make_wait(e, t, d);
    return false;
}

char *token_lend(struct engine *e, const struct destination *d)
{
    const struct token *t = d->account ? find(e, slice_cstr(d->account)) : NULL;
    return t && is_usable(e, t) ? mem_dup(t->value, strlen(t->value)) : NULL;
}

void token_on_taken(struct engine *e, const struct line *l)
{
    struct token *t = l->token ? find(e, slice_cstr(l->destination->account)) : NULL;
    if (!t || !t->refusals)
        return;
    t->refusals = 0;
    if (t->health == TOKEN_REFUSED)
        get_well(t);
}

static void on_refusal(struct engine *e, struct token *t, const struct smtp_reply *reply)
{
    drop_value(t);
    if (++t->refusals == 1) {
        fetch(e, t);
        return;
    }
    struct buf why;
    buf_init(&why, QUEUE_REASON_BYTES_MAX);
    buf_add_cstr(&why, "the smarthost refuses it: ");
    smtp_reply_text(reply, &why, QUEUE_REASON_BYTES_MAX - 64);
    fall_ill(e, t, TOKEN_REFUSED, buf_slice(&why));
    buf_close(&why);
    fetch_later(e, t, t->refusals - 1);
}

bool token_is_blamed(struct engine *e, const struct line *l, const struct policy_answer *a)
{
    const struct destination *d = l->destination;
    if (!d->account || !l->job)
        return false;
    if (!l->token) /* it came up, and there was none */
        return l->state == LINE_TALKING && !l->result_count;
    if (a->scope != SMTP_SCOPE_HOST || !a->reply || a->reply->code != REFUSED_CODE)
        return false;
    struct token *t = find(e, slice_cstr(d->account));
    if (!t || !t->value || strcmp(t->value, l->token) != 0)
        return !l->result_count; /* another line found it out before */
    on_refusal(e, t, a->reply);
    return t->refusals == 1 && !l->result_count;
}

/* ---- looking ---- */

bool engine_token_next(const struct engine *e, size_t *at, struct engine_token_view *out)
{
    const struct map_entry *m = map_next(&e->tokens, at);
    if (!m)
        return false;
    const struct token *t = m->value;
    *out = (struct engine_token_view){
        .account = slice_cstr(t->name),
        .has_token = t->value && t->until_ms > e->now_ms,
        .until_ms = t->value ? t->until_ms : 0,
        .next_ms = t->timer.due_ms,
        .is_asked = t->is_asked,
        .needs_login = t->health == TOKEN_NEEDS_LOGIN,
        .trouble = slice_cstr(t->trouble),
        .fetch_count = t->fetch_count,
        .failure_count = t->failure_count,
    };
    return true;
}
