/* control_route.c -- see control_route.h. */
#include "control_route.h"
#include "control_operate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/msgid.h"
#include "view_token.h"
#include "why.h"

static const char type_json[] = "application/json";
static const char type_text[] = "text/plain; charset=utf-8";
static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

void control_refuse(struct exchange *x, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct slice said = slice_of(text, n < 0 ? 0 : strlen(text));
    x->status = status;
    x->next[0] = 0;
    buf_clear(x->body);
    if (x->wants_text) {
        x->type = type_text;
        buf_addf(x->body, "%.*s\n", SLICE_FMT(said));
        return;
    }
    x->type = type_json;
    struct json j;
    json_init(&j, x->body);
    json_object(&j, NULL);
    json_string(&j, "error", said);
    json_end(&j, '}');
    buf_add_char(x->body, '\n');
}

bool control_parameter(const struct exchange *x, const char *key, struct buf *out)
{
    buf_init(out, CONTROL_PARAMETER_BYTES_MAX);
    return http_query_get(x->request->query, key, out) ||
           http_query_get(slice_trim(x->request->body), key, out);
}

/* --- looking --- */

static void answer_stats(struct exchange *x)
{
    view_stats_json(&x->view, x->body);
}

static void answer_metrics(struct exchange *x)
{
    x->type = type_metrics;
    view_metrics(&x->view, x->body);
}

static void answer_status(struct exchange *x)
{
    x->type = type_text;
    view_status_text(&x->view, x->body);
}

static void answer_health(struct exchange *x)
{
    struct engine_stats e;
    engine_stats(driver_engine(x->o->driver), &e);
    const char *state = e.is_store_full      ? "the queue is full"
                        : e.is_store_failing ? "cannot write the journal"
                        : e.is_stopping      ? "stopping"
                                             : "ok";
    if (x->wants_text)
        buf_addf(x->body, "%s\n", state);
    else
        buf_addf(x->body, "{\"status\":\"%s\"}\n", state);
}

static void answer_queue(struct exchange *x)
{
    struct control_filter f;
    struct engine_page page = {0};
    const struct engine *e = driver_engine(x->o->driver);
    int64_t now_ms = driver_now_ms(x->o->driver);
    if (control_filter_read(x, &f)) {
        if (x->wants_text) {
            engine_queue_text(e, &f.filter, now_ms, x->body, &page);
        } else {
            buf_add_cstr(x->body, "{\"messages\":");
            engine_queue_json(e, &f.filter, now_ms, x->body, &page);
        }
        if (page.last)
            snprintf(x->next, sizeof x->next, "%s", msgid_build(page.last).s);
        if (!x->wants_text)
            buf_addf(x->body, page.last ? ",\"next\":\"%s\"}\n" : ",\"next\":null}\n", x->next);
    }
    control_filter_close(&f);
}

static void answer_message(struct exchange *x)
{
    const struct engine *e = driver_engine(x->o->driver);
    int64_t now_ms = driver_now_ms(x->o->driver);
    if (x->wants_text)
        engine_message_text(e, x->msg, now_ms, x->body);
    else
        engine_message_json(e, x->msg, now_ms, x->body);
    if (x->body->n && x->body->p[x->body->n - 1] != '\n')
        buf_add_char(x->body, '\n');
}

static void answer_why(struct exchange *x)
{
    struct buf query, number;
    uint64_t limit = WHY_LIMIT_DEFAULT;
    bool has_query = control_parameter(x, "q", &query) && slice_trim(buf_slice(&query)).n > 0;
    bool is_good =
        !control_parameter(x, "limit", &number) || slice_to_u64(buf_slice(&number), &limit);
    limit = limit < 1 ? 1 : limit > CONTROL_LIST_MAX ? CONTROL_LIST_MAX : limit;
    if (!has_query)
        control_refuse(x, 400, "say of what: ?q= with a message id, an address or a Message-ID");
    else if (!is_good)
        control_refuse(x, 400, "limit must be a number");
    else
        why_answer(x, slice_trim(buf_slice(&query)), (unsigned)limit);
    buf_close(&query);
    buf_close(&number);
}

static void answer_history(struct exchange *x)
{
    why_answer_history(x, x->msg);
}

static void answer_destinations(struct exchange *x)
{
    const struct engine *e = driver_engine(x->o->driver);
    int64_t now_ms = driver_now_ms(x->o->driver);
    if (x->wants_text) {
        engine_destinations_text(e, CONTROL_LIST_MAX, now_ms, x->body);
        return;
    }
    buf_add_cstr(x->body, "{\"destinations\":");
    engine_destinations_json(e, CONTROL_LIST_MAX, now_ms, x->body);
    buf_add_cstr(x->body, "}\n");
}

/* ?check=1: 503 when one of them has no token, or will have none. */
static void answer_tokens(struct exchange *x)
{
    struct buf account, check;
    const struct engine *e = driver_engine(x->o->driver);
    int64_t now_ms = driver_now_ms(x->o->driver);
    (void)control_parameter(x, "account", &account);
    bool is_check = control_parameter(x, "check", &check) && check.n;
    bool are_well = (x->wants_text ? view_tokens_text : view_tokens_json)(e, buf_slice(&account),
                                                                          now_ms, x->body);
    if (is_check && !are_well)
        x->status = 503;
    buf_close(&account);
    buf_close(&check);
}

static void answer_paused(struct exchange *x)
{
    if (x->wants_text)
        view_paused_text(&x->view, x->body);
    else
        view_paused_json(&x->view, x->body);
}

static void answer_help(struct exchange *x);

/* --- changing --- */

void control_done(struct exchange *x, const char *fmt, ...)
{
    char text[CONTROL_PARAMETER_BYTES_MAX + 128];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct slice said = slice_of(text, n < 0 ? 0 : strlen(text));
    if (x->wants_text) {
        buf_addf(x->body, "%.*s\n", SLICE_FMT(said));
        return;
    }
    struct json j;
    json_init(&j, x->body);
    json_object(&j, NULL);
    json_bool(&j, "ok", true);
    json_string(&j, "text", said);
    json_end(&j, '}');
    buf_add_char(x->body, '\n');
}

/* A domain (or address literal) as the engine keeps it: lower case, no final dot. */
static bool tidy_domain(struct buf *domain)
{
    if (domain->n && domain->p[domain->n - 1] == '.')
        domain->n--;
    for (size_t i = 0; i < domain->n; i++) {
        char c = domain->p[i] = ascii_lower(domain->p[i]);
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && !memchr("-_.[]:", c, 6))
            return false;
    }
    return domain->n > 0 && domain->n <= 255;
}

static void pause_or_resume(struct exchange *x, enum operator_verb verb, const char *is_now)
{
    struct buf domain, all;
    bool has_domain = control_parameter(x, "domain", &domain);
    bool is_all = control_parameter(x, "all", &all) && slice_eq(buf_slice(&all), SLICE("1"));
    if (has_domain && !is_all && !tidy_domain(&domain)) {
        control_refuse(x, 400, "that is no domain");
    } else if (has_domain && !is_all) {
        control_operate(x, verb, buf_slice(&domain));
        control_done(x, "%s is %s", buf_cstr(&domain), is_now);
    } else if (is_all && !has_domain) {
        control_operate(x, verb, SLICE_NONE);
        control_done(x, "everything is %s", is_now);
    } else {
        control_refuse(x, 400, "say which: ?domain=example.org or ?all=1");
    }
    buf_close(&domain);
    buf_close(&all);
}

static void answer_pause(struct exchange *x)
{
    pause_or_resume(x, OPERATOR_PAUSE, "paused");
}

static void answer_resume(struct exchange *x)
{
    pause_or_resume(x, OPERATOR_RESUME, "resumed");
}

/* An account's token is fetched at once; ?new=1: because the operator has enrolled it. */
static void answer_enrolled(struct exchange *x)
{
    struct buf account, is_new;
    bool has_new = control_parameter(x, "new", &is_new);
    if (!control_parameter(x, "account", &account))
        control_refuse(x, 400, "say which: ?account=NAME");
    else if (!driver_enrolled(x->o->driver, buf_slice(&account), has_new))
        control_refuse(x, 404, "there is no [[oauth2]] of that name in the running configuration");
    else
        control_done(x, "the access token of %s is being fetched", buf_cstr(&account));
    buf_close(&account);
    buf_close(&is_new);
}

static void answer_reload(struct exchange *x)
{
    struct fault why = {0};
    enum err e = x->o->reload(x->o->ctx, &why);
    if (e)
        control_refuse(x, e == ERR_BAD ? 422 : 500, "the old configuration stays: %s", why.text);
    else
        control_done(x, "the configuration has been read again");
}

/* --- the table --- */

static const struct route {
    const char *method, *path; /* "ID" in it: a message of the queue */
    void (*answer)(struct exchange *x);
    bool is_change, is_for_tcp;
    const char *word; /* the bare word that stands for it */
    const char *help;
} route[] = {
    {"GET", "/stats", answer_stats, false, false, "stats", "figures, as JSON"},
    {"GET", "/metrics", answer_metrics, false, true, "metrics", "figures, for Prometheus"},
    {"GET", "/status", answer_status, false, false, "status", "one screen for people"},
    {"GET", "/health", answer_health, false, true, "health", "is it alive"},
    {"GET", "/queue", answer_queue, false, false, "queue",
     "messages; ?from= &to= &domain= &state= &older= &limit= &after="},
    {"GET", "/destinations", answer_destinations, false, false, "destinations",
     "destinations in trouble or paused"},
    {"GET", "/paused", answer_paused, false, false, "paused", "what is paused"},
    {"GET", "/queue/ID", answer_message, false, false, NULL, "one message"},
    {"GET", "/queue/ID/body", control_body, true, false, NULL, "the message itself, as it is sent"},
    {"POST", "/queue/retry", control_retry, true, false, "flush",
     "try now: everything, or with a filter as of the list"},
    {"POST", "/queue/hold", control_hold, true, false, NULL, "keep back; with a filter or all=1"},
    {"POST", "/queue/release", control_release, true, false, NULL, "let go on; the same"},
    {"POST", "/queue/bounce", control_bounce, true, false, NULL,
     "return to the senders; the same, and reason="},
    {"POST", "/queue/delete", control_delete, true, false, NULL,
     "remove without a report; the same"},
    {"POST", "/queue/ID/retry", control_retry, true, false, NULL, "the same for one message"},
    {"POST", "/queue/ID/hold", control_hold, true, false, NULL, ""},
    {"POST", "/queue/ID/release", control_release, true, false, NULL, ""},
    {"POST", "/queue/ID/bounce", control_bounce, true, false, NULL, ""},
    {"POST", "/queue/ID/delete", control_delete, true, false, NULL, ""},
    {"GET", "/tokens", answer_tokens, false, false, "tokens",
     "access tokens of OAuth2 accounts; ?account= &check=1"},
    {"POST", "/tokens", answer_enrolled, true, false, NULL,
     "fetch an account's access token now; ?account= &new=1"},
    {"GET", "/why", answer_why, false, false, NULL,
     "the story of a message, live or finished; ?q=ID, address or Message-ID &limit="},
    {"GET", "/explain", control_explain, false, false, NULL,
     "which way a message would take; ?to= &from= &user= &size="},
    {"GET", "/history/ID", answer_history, false, false, NULL, "one finished message"},
    {"POST", "/pause", answer_pause, true, false, NULL,
     "stop delivering; ?domain=example.org or ?all=1"},
    {"POST", "/resume", answer_resume, true, false, NULL, "deliver again; the same"},
    {"POST", "/reload", answer_reload, true, false, NULL, "read the configuration again"},
    {"GET", "/help", answer_help, false, false, "help", "this list"},
};

static void answer_help(struct exchange *x)
{
    x->type = type_text;
    buf_add_cstr(x->body, "outpost " OUTPOST_VERSION ", control socket: HTTP requests, or one word "
                          "on a line\n\n");
    for (size_t i = 0; i < COUNT_OF(route); i++)
        buf_addf(x->body, "%-13s %-4s %-18s %s\n", route[i].word ? route[i].word : "",
                 route[i].method, route[i].path, route[i].help);
    buf_add_cstr(x->body, "\n?format=text gives lines for people instead of JSON.\n");
}

static struct slice take_segment(struct slice *path)
{
    struct slice s = slice_head(*path, slice_find(*path, '/'));
    *path = slice_from(*path, s.n + 1);
    return s;
}

static bool path_matches(const char *pattern, struct slice path, struct slice *id)
{
    struct slice p = slice_cstr(pattern);
    if (slice_find(p, 'I') == p.n) /* the only capital letter in the table is in "ID" */
        return slice_eq(p, path);
    while (p.n && path.n) {
        struct slice want = take_segment(&p), got = take_segment(&path);
        if (slice_eq(want, SLICE("ID")) && got.n)
            *id = got;
        else if (!slice_eq(want, got))
            return false;
    }
    return p.n == 0 && path.n == 0;
}

static const struct route *find_route(struct exchange *x, bool *is_other_method)
{
    const struct http_request *rq = x->request;
    struct slice method = slice_eq(rq->method, SLICE("HEAD")) ? SLICE("GET") : rq->method;
    *is_other_method = false;
    for (size_t i = 0; i < COUNT_OF(route); i++) {
        const struct route *r = &route[i];
        x->id = SLICE_NONE; /* of a row that was for another method */
        if (rq->word.n) {
            if (r->word && slice_eq_nocase(rq->word, slice_cstr(r->word)))
                return r;
        } else if (path_matches(r->path, rq->path, &x->id)) {
            if (slice_eq(method, slice_cstr(r->method)))
                return r;
            *is_other_method = true;
        }
    }
    return NULL;
}

static bool wants_text(const struct http_request *rq)
{
    if (rq->word.n)
        return true;
    struct buf format;
    buf_init(&format, 16);
    bool is_said = http_query_get(rq->query, "format", &format);
    bool is_text = is_said ? slice_eq(buf_slice(&format), SLICE("text"))
                           : slice_starts_nocase(rq->accept, SLICE("text/plain"));
    buf_close(&format);
    return is_text;
}

void control_route(struct exchange *x)
{
    bool is_other_method;
    x->id = SLICE_NONE;
    x->status = 200;
    x->next[0] = 0;
    x->wants_text = wants_text(x->request);
    x->type = x->wants_text ? type_text : type_json;
    buf_clear(x->body);
    const struct route *r = find_route(x, &is_other_method);
    uint32_t own = (uint32_t)geteuid();
    if (x->is_tcp && (!r || !r->is_for_tcp))
        control_refuse(x, 404, "only /metrics and /health are served here");
    else if (!r && x->request->word.n)
        control_refuse(x, 404, "no such word: %.*s (\"help\" lists them)",
                       (int)(x->request->word.n < 64 ? x->request->word.n : 64),
                       x->request->word.p);
    else if (!r && is_other_method)
        control_refuse(x, 405, "another method is needed here: see /help");
    else if (!r)
        control_refuse(x, 404, "there is nothing here: see /help");
    else if (r->is_change && x->uid != 0 && x->uid != own)
        control_refuse(x, 403, "%s needs root or the relay's own user (uid %lu); you are uid %lu",
                       slice_eq(x->request->method, SLICE("GET")) ? "reading a message"
                                                                  : "changing something",
                       (unsigned long)own, (unsigned long)x->uid);
    else if (x->id.n && !msgid_parse(x->id, &x->msg))
        control_refuse(x, 400, "a message id has %d letters and digits", MSGID_CHARS);
    else if (x->id.n && slice_starts(slice_cstr(r->path), SLICE("/queue/")) &&
             !engine_has_message(driver_engine(x->o->driver), x->msg))
        control_refuse(x, 404, "no message %.*s in the queue (outpost why tells of finished ones)",
                       SLICE_FMT(x->id));
    else
        r->answer(x);
    if (x->body->is_full)
        control_refuse(x, 413, "the answer is too long: ask for less with limit=");
}
