/* view_explain.c -- which way a message would take, and why: nothing is sent, nothing is looked up.
 */
#include "base/json.h"
#include "engine/engine_view.h"
#include "engine_core.h"
#include "mail/address.h"
#include "policy/policy_accept.h"
#include "route.h"
#include "view_explain_hosts.h"
#include "view_sources.h"

#include <string.h>

static const char *const miss_words[] = {
    [ROUTE_TAKEN] = "",
    [ROUTE_FALLBACK] = "it is a fallback only",
    [ROUTE_RECIPIENT] = "another recipient",
    [ROUTE_SENDER] = "another sender",
    [ROUTE_LOGIN] = "another login, or none",
    [ROUTE_TOO_SMALL] = "smaller than its min_size",
    [ROUTE_TOO_LARGE] = "larger than its max_size",
};

static const char *const tls_words[] = {
    [DELIVERY_TLS_NONE] = "none",
    [DELIVERY_TLS_OPPORTUNISTIC] = "opportunistic",
    [DELIVERY_TLS_REQUIRE] = "require",
    [DELIVERY_TLS_VERIFY] = "verify",
};

struct explain {
    const struct engine *e;
    const struct engine_case *given;
    int64_t now_ms;
    struct rewrite_text sender;
    struct rewrite_list list;
    struct route_question question;
    const char *refused; /* what is said to RCPT or MAIL; NULL: nothing */
};

/* One recipient's way. */
struct way {
    struct slice address, domain;
    int route;
    bool is_bound;                      /* by its user */
    const struct engine_route *options; /* NULL: none is taken */
    const struct destination *d;        /* NULL: nothing goes there now */
    struct slice pause;                 /* under this name */
    enum delivery_tls tls;
    struct slice login, account; /* "": none with a name; no token */
    uint32_t lines_most;
};

static uint64_t most_bytes(const struct engine *e, const struct engine_user *by)
{
    return by && by->message_bytes_max ? by->message_bytes_max : e->opt->message_bytes_max;
}

static const char *refusal(const struct engine *e, const struct engine_case *c,
                           const struct engine_user *by)
{
    if (c->user.n && !by)
        return "there is no such user";
    if (!by && c->from.family != IP_NONE &&
        !policy_is_trusted(&c->from, e->opt->trusted_networks, e->opt->trusted_network_count))
        return "no login, and the address is in none of submission.trusted_networks";
    if (by && !policy_may_send_as(by->senders, by->sender_count, c->sender))
        return "the user may not send as this address";
    if (by && by->recipient_count &&
        !policy_matches_any(by->recipients, by->recipient_count, c->recipient))
        return "the user may not send to this address";
    return c->bytes > most_bytes(e, by) ? "larger than max_message_size" : NULL;
}

static void begin(struct explain *x, const struct engine *e, const struct engine_case *c,
                  int64_t now_ms)
{
    const struct engine_options *o = e->opt;
    *x = (struct explain){.e = e, .given = c, .now_ms = now_ms};
    x->question.by = engine_options_user(o, c->user);
    x->question.bytes = c->bytes;
    x->refused = refusal(e, c, x->question.by);
    rewrite_sender(&o->rewrite, o->hostname, c->sender, &x->sender);
    x->question.sender = rewrite_text_slice(&x->sender);
    rewrite_recipient(&o->rewrite, o->hostname, c->recipient, &x->list);
    if (x->list.is_too_many && !x->refused)
        x->refused = "the aliases of this name lead too far";
}

static struct way find_way(struct explain *x, struct slice address)
{
    const struct engine_options *o = x->e->opt;
    struct way w = {.address = address, .domain = mail_address_domain_of(address)};
    x->question.recipient = address;
    w.route = route_find(o, &x->question);
    w.is_bound = x->question.by && x->question.by->has_route;
    w.options = w.route >= 0 ? &o->routes[w.route] : NULL;
    int credential = route_credential(o, w.route, &x->question);
    w.login = credential >= 0 ? o->credentials[credential].user
              : w.options     ? w.options->user
                              : SLICE_NONE;
    w.account = credential >= 0 ? o->credentials[credential].account
                : w.options     ? w.options->account
                                : SLICE_NONE;
    w.d = destination_find(x->e, w.route, w.domain, false, credential);
    w.pause = w.d                                  ? slice_cstr(w.d->name)
              : w.options && w.options->host_count ? w.options->name
                                                   : w.domain;
    if (w.d && w.d->home)
        w.d = w.d->home;
    w.tls = w.options ? w.options->tls : o->delivery_tls;
    w.lines_most =
        w.d ? destination_lines_most(x->e, w.d)
            : shape_connections(x->e, &(struct shape_case){w.route, w.domain, NULL, x->now_ms});
    return w;
}

/* The routes before the one that is taken: all of them when none is. */
static unsigned passed_over(const struct explain *x, const struct way *w)
{
    return w->is_bound ? 0 : w->route < 0 ? x->e->opt->route_count : (unsigned)w->route;
}

static bool is_rewritten(const struct explain *x)
{
    return x->list.count != 1 ||
           !slice_eq(rewrite_text_slice(&x->list.address[0]), x->given->recipient);
}

/* What is known of a destination that has no mail now is known by this name: that of its first host
 * (home.c), as the cache has it. */
static struct slice name_of(const struct explain *x, const struct way *w)
{
    if (w->d)
        return slice_cstr(w->d->name);
    if (w->options && w->options->host_count)
        return w->pause;
    unsigned count;
    const struct dns_record *mx = resolve_known(x->e, w->domain, DNS_MX, x->now_ms, &count);
    const struct dns_record *first = NULL;
    for (unsigned i = 0; mx && i < count; i++)
        if (!first || mx[i].preference < first->preference ||
            (mx[i].preference == first->preference && strcmp(mx[i].name, first->name) < 0))
            first = &mx[i];
    return first ? slice_cstr(first->name) : w->pause;
}

static struct view_sources sources_of(const struct explain *x, const struct way *w)
{
    return (struct view_sources){x->e, w->route, name_of(x, w), w->d, x->now_ms};
}

static struct view_explain_hosts hosts_of(const struct explain *x, const struct way *w)
{
    return (struct view_explain_hosts){.e = x->e,
                                       .route = w->options,
                                       .d = w->d,
                                       .domain = w->domain,
                                       .fallback = destination_fallback_of(x->e->opt, w->route),
                                       .now_ms = x->now_ms};
}

static const struct policy_limits *limits_of(const struct explain *x, const struct way *w)
{
    return w->d ? &w->d->limits : &x->e->opt->limits;
}

static int64_t next_s(const struct explain *x, const struct destination *d)
{
    int64_t ms = d->backoff_until_ms - x->now_ms;
    return ms > 0 ? (ms + 999) / 1000 : 0;
}

/* ---- JSON ---- */

static void json_passed_over(struct json *j, const struct explain *x, const struct way *w)
{
    json_array(j, "passed_over");
    for (unsigned i = 0; i < passed_over(x, w); i++) {
        const struct engine_route *r = &x->e->opt->routes[i];
        json_object(j, NULL);
        json_string(j, "route", r->name);
        json_string(j, "why", slice_cstr(miss_words[route_judge(r, &x->question)]));
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void json_way(struct json *j, struct explain *x, struct slice address)
{
    struct way w = find_way(x, address);
    json_object(j, NULL);
    json_string(j, "to", w.address);
    if (w.options)
        json_string(j, "route", w.options->name);
    else
        json_null(j, "route");
    json_bool(j, "is_users_route", w.is_bound);
    json_passed_over(j, x, &w);
    json_bool(j, "is_mx", !w.options || !w.options->host_count);
    struct view_explain_hosts h = hosts_of(x, &w);
    view_explain_hosts_json(j, &h);
    view_explain_fallback_json(j, &h);
    json_string(j, "tls", slice_cstr(tls_words[w.tls]));
    json_string(j, "login", w.login);
    if (w.account.n)
        json_string(j, "account", w.account);
    struct view_sources v = sources_of(x, &w);
    view_sources_json(&v, j);
    json_int(j, "connections", w.d ? w.d->line_count : 0);
    json_int(j, "connections_max", w.lines_most);
    json_int(j, "connection_messages_max", limits_of(x, &w)->connection_messages);
    json_int(j, "waiting", w.d ? (int64_t)w.d->job_count : 0);
    shape_json(x->e, &(struct shape_case){w.route, w.domain, w.d, x->now_ms}, j);
    json_bool(j, "is_paused", queue_is_paused(&x->e->queue, w.pause));
    if (w.d && w.d->failures) {
        json_int(j, "next_s", next_s(x, w.d));
        json_string(j, "trouble", slice_cstr(w.d->trouble));
    }
    json_end(j, '}');
}

void engine_explain_json(const struct engine *e, const struct engine_case *c, int64_t now_ms,
                         struct buf *out)
{
    struct explain x;
    struct json j;
    begin(&x, e, c, now_ms);
    json_init(&j, out);
    json_object(&j, NULL);
    json_string(&j, "from", c->sender);
    json_string(&j, "sent_from", x.question.sender);
    json_string(&j, "to", c->recipient);
    json_int(&j, "size_max", (int64_t)most_bytes(e, x.question.by));
    json_bool(&j, "is_redirected", x.list.is_redirected);
    if (x.refused)
        json_string(&j, "refused", slice_cstr(x.refused));
    view_explain_retry_json(&j, e->opt);
    json_array(&j, "recipients");
    for (unsigned i = 0; !x.list.is_too_many && i < x.list.count; i++)
        json_way(&j, &x, rewrite_text_slice(&x.list.address[i]));
    json_end(&j, ']');
    json_end(&j, '}');
}

/* ---- lines ---- */

static void text_route(struct buf *out, const struct explain *x, const struct way *w)
{
    buf_add_cstr(out, "  route       ");
    if (w->is_bound)
        buf_addf(out, "%.*s, which all mail of this user takes\n", SLICE_FMT(w->options->name));
    else if (w->options)
        buf_addf(out, "%.*s, the first that fits\n", SLICE_FMT(w->options->name));
    else
        buf_addf(out, "none%s\n", x->e->opt->route_count ? " fits" : "");
    for (unsigned i = 0; i < passed_over(x, w); i++) {
        const struct engine_route *r = &x->e->opt->routes[i];
        buf_addf(out, "              not %.*s: %s\n", SLICE_FMT(r->name),
                 miss_words[route_judge(r, &x->question)]);
    }
}

static void text_state(struct buf *out, const struct explain *x, const struct way *w)
{
    buf_addf(out, "  connections %u of at most %u, %llu messages waiting\n",
             w->d ? w->d->line_count : 0, w->lines_most,
             (unsigned long long)(w->d ? w->d->job_count : 0));
    if (queue_is_paused(&x->e->queue, w->pause))
        buf_add_cstr(out, "  paused      by the operator\n");
    if (w->d && w->d->failures)
        buf_addf(out, "  trouble     failed %u times, next try in %llds: %s\n", w->d->failures,
                 (long long)next_s(x, w->d), w->d->trouble ? w->d->trouble : "");
}

static void text_way(struct buf *out, struct explain *x, struct slice address)
{
    struct way w = find_way(x, address);
    buf_addf(out, "to            <%.*s>\n", SLICE_FMT(w.address));
    text_route(out, x, &w);
    struct view_explain_hosts h = hosts_of(x, &w);
    view_explain_hosts_text(out, &h);
    view_explain_fallback_text(out, &h);
    buf_addf(out, "  tls         %s (%s)", tls_words[w.tls],
             w.options ? "route.tls" : "delivery.tls");
    if (w.login.n)
        buf_addf(out, ", logging in as %.*s", SLICE_FMT(w.login));
    if (w.account.n)
        buf_addf(out, " with a token of %.*s", SLICE_FMT(w.account));
    buf_add_char(out, '\n');
    struct view_sources v = sources_of(x, &w);
    view_sources_text(&v, out);
    shape_text(x->e, &(struct shape_case){w.route, w.domain, w.d, x->now_ms}, out);
    text_state(out, x, &w);
}

void engine_explain_text(const struct engine *e, const struct engine_case *c, int64_t now_ms,
                         struct buf *out)
{
    struct explain x;
    begin(&x, e, c, now_ms);
    if (x.refused)
        buf_addf(out, "refused       %s\n", x.refused);
    buf_addf(out, "from          <%.*s>", SLICE_FMT(x.question.sender));
    if (!slice_eq(x.question.sender, c->sender))
        buf_addf(out, ", rewritten from <%.*s>", SLICE_FMT(c->sender));
    buf_addf(out, "\nsize          %llu bytes, at most %llu\n", (unsigned long long)c->bytes,
             (unsigned long long)most_bytes(e, x.question.by));
    view_explain_retry_text(out, e->opt);
    if (is_rewritten(&x))
        buf_addf(out, "rewritten     <%.*s> is %u recipient%s%s\n", SLICE_FMT(c->recipient),
                 x.list.count, x.list.count == 1 ? "" : "s",
                 x.list.is_redirected ? "; staging keeps it inside" : "");
    for (unsigned i = 0; !x.list.is_too_many && i < x.list.count; i++)
        text_way(out, &x, rewrite_text_slice(&x.list.address[i]));
}
