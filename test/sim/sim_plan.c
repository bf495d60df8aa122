/* sim_plan.c -- see the header.
 *
 *   begin .. heal: clients submit, everything goes wrong
 *   heal  .. rest: nothing goes wrong any more; the queue must come to rest within a bound
 *
 * Most worlds are small and have one or two kinds of trouble: a failure is then easy to read. */
#include "sim_plan.h"

#include <stdio.h>
#include <string.h>

enum { SENDER_DOMAINS = 2, OPTIONS_MAX = 3, BODY_MAX = 400 * 1024 };

struct sim_totals sim_totals;

struct plan {
    struct sim_world *w;
    struct rng rng; /* apart from the world's: the plan does not change when the engine does */
    struct sim_options options[OPTIONS_MAX];
    unsigned options_at;
    int64_t heal_ms;
    bool is_healed;
    unsigned trouble_percent; /* of hosts, at each change of moods */
    char domain[32][SIM_NAME_BYTES];
    unsigned domains;
    bool has_tokens; /* a smarthost that wants them */
    bool is_heavy;   /* so much mail that the journal has to be compacted */
};

/* sim_mail.c writes headers for it, and knows what shall become of them. */
static void init_rewrite(struct rewrite_options *o)
{
    static struct slice target[] = {SLICE_INIT("@new.test")};
    static struct rewrite_rule rule[] = {{SLICE_INIT("*@old.test"), target, 1}};
    o->senders = o->recipients = rule;
    o->sender_count = o->recipient_count = 1;
}

void sim_options_init(struct sim_options *s)
{
    memset(s, 0, sizeof *s);
    engine_options_default(&s->o);
    s->listener[0] = (struct engine_listener){.address = SLICE("127.0.0.1:587"),
                                              .tls = LISTENER_TLS_STARTTLS,
                                              .auth = SMTP_AUTH_REQUIRED};
    s->listener[1] = (struct engine_listener){.address = SLICE("127.0.0.1:465"),
                                              .tls = LISTENER_TLS_IMPLICIT,
                                              .auth = SMTP_AUTH_REQUIRED};
    s->proxy = (struct ip_net){.ip = sim_client_proxy.ip, .bits = 32};
    s->listener[0].proxy_networks = &s->proxy;
    s->listener[0].proxy_network_count = 1;
    s->user.name = SLICE("app");
    s->o.hostname = SLICE("relay.test");
    s->o.listeners = s->listener;
    s->o.listener_count = 2;
    s->o.users = &s->user;
    s->o.user_count = 1;
    s->o.queue_bytes_max = 64 * 1024 * 1024;
    init_rewrite(&s->o.rewrite);
}

void sim_options_add_sources(struct sim_options *s)
{
    s->source_name[0] = SLICE("one");
    s->source_name[1] = SLICE("two");
    s->source[0] = (struct engine_source){.name = s->source_name[0],
                                          .v4 = {IP_V4, {81, 2, 69, 11}},
                                          .v6 = {IP_V6, {0x2a, 1, [15] = 11}},
                                          .helo = SLICE("one.relay.test"),
                                          .weight = 1};
    s->source[1] = (struct engine_source){.name = s->source_name[1],
                                          .v4 = {IP_V4, {81, 2, 69, 12}},
                                          .helo = SLICE("two.relay.test"),
                                          .weight = 1};
    s->o.sources = s->source;
    s->o.source_count = 2;
    s->o.mx_sources = s->source_name;
    s->o.mx_source_count = 2;
}

static int64_t one_of(struct rng *r, const int64_t *list, size_t count)
{
    return list[rng_below(r, count)];
}
#define ONE_OF(r, ...)                                                                             \
    one_of((r), (const int64_t[]){__VA_ARGS__},                                                    \
           sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void draw_options(struct plan *p, struct sim_options *s)
{
    struct rng *r = &p->rng;
    struct engine_options *o = &s->o;
    sim_options_init(s);
    o->lifetime_ms =
        ONE_OF(r, 1 * SIM_HOUR_MS, 6 * SIM_HOUR_MS, SIM_DAY_MS, 5 * (int64_t)SIM_DAY_MS);
    o->warn_after_ms = ONE_OF(r, 0, 30 * SIM_MINUTE_MS, 4 * SIM_HOUR_MS);
    o->retry_first_ms = ONE_OF(r, 10 * SIM_SECOND_MS, SIM_MINUTE_MS, 5 * SIM_MINUTE_MS);
    o->retry_max_ms = ONE_OF(r, 10 * SIM_MINUTE_MS, SIM_HOUR_MS, 4 * SIM_HOUR_MS);
    o->retry_factor = (double)ONE_OF(r, 3, 4, 6) / 2;
    o->out_connections_max = (unsigned)ONE_OF(r, 1, 2, 5, 50, 1000);
    o->limits.connections = (unsigned)ONE_OF(r, 1, 2, 5, 20);
    o->connections_max = (unsigned)ONE_OF(r, 2, 1000, 1000, 1000);
    o->recipients_max = (unsigned)ONE_OF(r, 3, 1000, 1000);
    if (rng_chance(r, 8))
        o->message_bytes_max = 100 * 1024;
    o->delivery_tls = rng_chance(r, 20) ? DELIVERY_TLS_NONE : DELIVERY_TLS_OPPORTUNISTIC;
    o->unsure_wait_ms = ONE_OF(r, 0, 5 * SIM_MINUTE_MS, 5 * SIM_MINUTE_MS);
    if (rng_chance(r, 10))
        o->on_unsure = DELIVERY_UNSURE_BOUNCE;
    if (rng_chance(r, 8))
        o->queue_bytes_max = 2 * 1024 * 1024;
    struct rng own = p->rng;
    o->limits.recipients = (unsigned)ONE_OF(&own, 1, 2, 5, 100, 100);
    o->limits.connection_messages = (unsigned)ONE_OF(&own, 1, 3, 1000, 1000);
    o->limits.age_ms = ONE_OF(&own, SIM_SECOND_MS, 5 * SIM_MINUTE_MS);
    o->limits.idle_ms = ONE_OF(&own, 0, 5 * SIM_SECOND_MS, SIM_MINUTE_MS);
    o->limits.chunking = rng_chance(&own, 80);
    if (rng_chance(r, 20))
        sim_options_add_sources(s);
}

#define LOGIN_HOST "login.test"

/* Some recipients go another way. */
static void draw_route(struct plan *p, struct sim_options *s)
{
    struct rng *r = &p->rng;
    if (!rng_chance(r, 25))
        return;
    s->route_host[0] = (struct engine_host){.name = SLICE("h0.test"), .port = 25};
    s->route_host[1] = (struct engine_host){.name = SLICE("h1.test"), .port = 2525};
    s->route_recipient = rng_chance(r, 50) ? SLICE("*@d2.test") : SLICE("*");
    s->route = (struct engine_route){.recipients = &s->route_recipient,
                                     .recipient_count = 1,
                                     .hosts = s->route_host,
                                     .host_count = (unsigned)rng_between(r, 1, 2),
                                     .tls = DELIVERY_TLS_OPPORTUNISTIC,
                                     .name = SLICE("h0.test")};
    s->o.routes = &s->route;
    s->o.route_count = 1;
    if (!rng_chance(r, 70))
        return;
    s->route_host[0] = (struct engine_host){.name = SLICE(LOGIN_HOST), .port = 587};
    s->route.host_count = 1;
    s->route.tls = DELIVERY_TLS_VERIFY;
    s->route.user = SLICE("sim");
    if (p->has_tokens)
        s->route.account = SLICE("office");
    else
        s->route.password = SLICE("secret");
    s->route.name = SLICE(LOGIN_HOST);
}

/* It takes mail from the route only, and from whoever logs in. */
static void draw_login_host(struct plan *p)
{
    static const char *const offers[] = {"PLAIN", "LOGIN PLAIN", "CRAM-MD5 PLAIN",
                                         "PLAIN SCRAM-SHA-256"};
    struct rng *r = &p->rng;
    struct sim_host *h = &p->w->host[sim_host_add(p->w, LOGIN_HOST)];
    h->tls = SIM_TLS_GOOD;
    h->needs_auth = true;
    h->auth = offers[rng_below(r, COUNT_OF(offers))];
    h->auth_454_percent = rng_chance(r, 30) ? 20 : 0;
    h->needs_token = p->has_tokens;
    p->w->tokens.life_ms = ONE_OF(&p->rng, SIM_MINUTE_MS, SIM_HOUR_MS);
}

/* What it takes at once, and how: off the plan's main line of numbers, which stays what it was. */
static void draw_reuse(const struct plan *p, struct sim_host *h)
{
    struct rng own = p->rng, *r = &own;
    h->offers_chunking = !h->has_no_ehlo && rng_chance(r, 50);
    h->knows_no_bdat = rng_chance(r, 10);
    if (rng_chance(r, 40)) {
        h->mails_max = (unsigned)ONE_OF(r, 1, 2, 3, 10);
        h->recipients_max = (unsigned)ONE_OF(r, 1, 2, 5, 20);
        h->tells_limits = !h->has_no_ehlo && rng_chance(r, 40);
    }
}

/* Some destinations are treated otherwise, and some of what they say means something else. From a
 * number of its own, so that the rest of the world is as it was without. */
static void draw_shapes(struct sim_options *s, uint64_t seed)
{
    struct rng rng, *r = &rng;
    rng_init(r, seed ^ 0x5a5a5a5a);
    if (rng_chance(r, 50))
        return;
    s->shaped = rng_chance(r, 50) ? SLICE("h0.test") : SLICE("*");
    s->shape[0] = (struct engine_shape){
        .name = SLICE("hosts"),
        .where = {.hosts = &s->shaped, .host_count = 1},
        .limits = {.connections = rng_chance(r, 30) ? 1 : 0,
                   .connection_messages = (unsigned)ONE_OF(r, 0, 1, 3),
                   .messages = {(unsigned)ONE_OF(r, 0, 60, 600), SIM_MINUTE_MS}}};
    s->shape[1] =
        (struct engine_shape){.name = SLICE("all"), .limits = {.final_ms = 2 * SIM_MINUTE_MS}};
    static const enum policy_reply_then soft[] = {POLICY_REPLY_BACK_OFF, POLICY_REPLY_SLOW_DOWN,
                                                  POLICY_REPLY_NEXT_HOST, POLICY_REPLY_TEMPORARY};
    static const char *const code[] = {"421", "4?1", "450"};
    for (unsigned i = 0; i < COUNT_OF(code); i++)
        s->reply[i] = (struct policy_reply_rule){.name = slice_cstr(code[i]),
                                                 .code = slice_cstr(code[i]),
                                                 .then = soft[rng_below(r, COUNT_OF(soft))],
                                                 .for_ms = rng_between(r, 10, 600) * SIM_SECOND_MS};
    s->o.shapes = s->shape;
    s->o.shape_count = COUNT_OF(s->shape);
    s->o.replies = s->reply;
    s->o.reply_count = COUNT_OF(s->reply);
}

static void draw_host(struct plan *p, const char *name)
{
    struct rng *r = &p->rng;
    unsigned i = sim_host_add(p->w, name);
    struct sim_host *h = &p->w->host[i];
    while (rng_chance(r, 40) && h->ip_count < SIM_HOST_ADDRESSES_MAX)
        rng_chance(r, 60) ? sim_host_add_v6(p->w, i) : sim_host_add_v4(p->w, i);
    h->has_no_ehlo = rng_chance(r, 10);
    h->has_no_pipelining = rng_chance(r, 30);
    h->has_no_8bitmime = rng_chance(r, 20);
    h->size_max = rng_chance(r, 30) ? 64 * 1024 * 1024 : rng_chance(r, 3) ? 20000 : 0;
    h->tls = (enum sim_host_tls)rng_below(r, SIM_TLS_BROKEN + 1);
    draw_reuse(p, h);
}

static void draw_domains(struct plan *p)
{
    struct rng *r = &p->rng;
    struct sim_world *w = p->w;
    unsigned hosts = (unsigned)rng_between(r, 2, 8);
    for (unsigned i = 0; i < hosts; i++) {
        char name[32];
        snprintf(name, sizeof name, "h%u.test", i);
        draw_host(p, name);
    }
    draw_login_host(p);
    p->domains = (unsigned)rng_between(r, 1, 8) + SENDER_DOMAINS;
    for (unsigned i = 0; i < p->domains; i++) {
        bool is_senders = i < SENDER_DOMAINS;
        snprintf(p->domain[i], sizeof p->domain[i], is_senders ? "s%u.test" : "d%u.test", i);
        enum sim_domain_kind kind = SIM_DOMAIN_MX;
        if (rng_chance(r, 15))
            kind = SIM_DOMAIN_IMPLICIT;
        else if (!is_senders && rng_chance(r, 12))
            kind = (enum sim_domain_kind)rng_between(r, SIM_DOMAIN_NULL, SIM_DOMAIN_BARE);
        struct sim_domain *d = sim_dns_add(w, p->domain[i], kind);
        unsigned mx =
            kind == SIM_DOMAIN_MX ? (unsigned)rng_between(r, 1, 3) : kind == SIM_DOMAIN_IMPLICIT;
        for (unsigned k = 0; k < mx; k++)
            sim_dns_add_mx(w, d, (uint16_t)(10 * rng_below(r, 3)), (unsigned)rng_below(r, hosts));
        d->is_own_mx = kind == SIM_DOMAIN_MX && !is_senders && rng_chance(r, 5);
        d->own_preference = 10;
    }
    sim_host_group(w);
    for (unsigned i = 0; i < 2; i++) /* routes may lead there, too */
        if (w->host[i].group != UINT32_MAX)
            w->group_sets[w->host[i].group]++;
}

/* Clients */

static struct sim_mail *draw_mail(struct plan *p)
{
    struct rng *r = &p->rng;
    char text[64][SIM_ADDRESS_BYTES];
    const char *address[64];
    unsigned count = rng_chance(r, 70)   ? 1
                     : rng_chance(r, 80) ? (unsigned)rng_between(r, 2, 5)
                                         : (unsigned)rng_between(r, 6, 40);
    for (unsigned i = 0; i < count; i++) {
        unsigned d = (unsigned)rng_below(r, p->domains);
        char kind = rng_chance(r, 8) ? 'x' : rng_chance(r, 8) ? 'g' : 'u';
        snprintf(text[i], sizeof text[i], "%c@%s", kind, p->domain[d]);
        address[i] = text[i];
    }
    unsigned size = (unsigned)rng_below(r, 100);
    int64_t bytes = p->is_heavy ? rng_between(r, 5000, 50000)
                    : size < 70 ? rng_between(r, 0, 3000)
                    : size < 95 ? rng_between(r, 0, 40000)
                                : rng_between(r, 60000, BODY_MAX);
    struct sim_wish wish = {address, count,
                            rng_chance(r, 92) ? p->domain[rng_below(r, SENDER_DOMAINS)] : NULL,
                            (size_t)bytes};
    struct sim_mail *m = sim_world_mail(p->w, &wish);
    if (count > 1 && rng_chance(r, 10))
        m->recipient[count - 1] = m->recipient[0]; /* named twice */
    return m;
}

static void draw_clients(struct plan *p)
{
    struct rng *r = &p->rng;
    unsigned clients = (unsigned)rng_between(r, 1, 6);
    unsigned most = p->is_heavy || rng_chance(r, 8) ? 60 : rng_chance(r, 30) ? 12 : 4;
    bool are_vanishing = rng_chance(r, 40);
    for (unsigned i = 0; i < clients; i++) {
        struct sim_mail *mail[64];
        unsigned count = (unsigned)rng_between(r, p->is_heavy ? 30 : 1, most);
        for (unsigned k = 0; k < count; k++)
            mail[k] = draw_mail(p);
        struct sim_manners manners = {.is_pipelining = rng_chance(r, 60),
                                      .is_eager = rng_chance(r, 40),
                                      .wants_tls = rng_chance(r, 40),
                                      .quits = rng_chance(r, 80),
                                      .says_8bit = rng_chance(r, 50),
                                      .is_chunking = rng_chance(r, 30),
                                      .says_size = rng_chance(r, 50),
                                      .vanish_percent = are_vanishing ? 20 : 0,
                                      .messages_a_session = (unsigned)ONE_OF(r, 1, 2, 5, 100),
                                      .pause_ms = ONE_OF(r, 10, SIM_MINUTE_MS, 20 * SIM_MINUTE_MS)};
        manners.is_implicit = manners.wants_tls && rng_chance(r, 40);
        manners.is_proxied = !manners.is_implicit && i % 3 == 2;
        int64_t begin = p->w->begin_ms + rng_between(r, 100, (p->heal_ms - p->w->begin_ms) / 2);
        sim_client_add(p->w, &manners, mail, count, begin);
    }
}

/* What goes wrong */

static void change_reach(struct plan *p, struct sim_host *h)
{
    struct rng *r = &p->rng;
    unsigned percent = p->trouble_percent / 2;
    for (unsigned i = 0; i < h->ip_count; i++) {
        bool is_well = !rng_chance(r, percent);
        h->reach[i] = is_well ? SIM_REACH_WELL : (enum sim_reach)rng_below(r, SIM_REACH_COUNT);
        h->slow_ms[i] = rng_chance(r, percent) ? ONE_OF(r, 300, 3000, 12000, 40000) : 0;
    }
    h->refuses_v6 = rng_chance(r, percent / 2);
}

static void change_moods(struct sim_world *w, void *thing, uint64_t unused)
{
    struct plan *p = thing;
    if (p->is_healed)
        return;
    for (unsigned i = 0; i < w->host_count; i++) {
        const struct sim_mood *m = sim_mood_named("good");
        if (rng_chance(&p->rng, p->trouble_percent))
            m = &sim_moods[rng_below(&p->rng, sim_mood_count)];
        w->host[i].mood = m;
        change_reach(p, &w->host[i]);
        w->host[i].dns_trouble =
            rng_chance(&p->rng, p->trouble_percent / 8) ? DNS_SERVFAIL : DNS_OK;
        sim_trace(w, "mood", i, 0, slice_cstr(m->name));
    }
    for (unsigned i = 0; i < w->domain_count; i++) {
        struct sim_domain *d = &w->domain[i];
        d->trouble = DNS_OK;
        d->trouble_percent = (unsigned)ONE_OF(&p->rng, 30, 100);
        if (rng_chance(&p->rng, p->trouble_percent / 4))
            d->trouble = (enum dns_result)ONE_OF(&p->rng, DNS_SERVFAIL, DNS_TIMEOUT, DNS_BAD);
    }
    w->bad_source = rng_chance(&p->rng, p->trouble_percent / 2) ? p->options[0].source[0].v4
                                                                : (struct ip){.family = IP_NONE};
    if (p->has_tokens) {
        bool is_bad = rng_chance(&p->rng, p->trouble_percent);
        w->tokens.mood =
            is_bad ? (enum sim_token_mood)rng_below(&p->rng, SIM_TOKEN_MOODS) : SIM_TOKENS_GOOD;
        if (is_bad && rng_chance(&p->rng, 30))
            sim_token_revoke(w);
    }
    int64_t next = ONE_OF(&p->rng, SIM_MINUTE_MS, 20 * SIM_MINUTE_MS, 3 * SIM_HOUR_MS);
    sim_agenda_add(&w->agenda, w->now_us + next * 1000, change_moods, p, 0);
}

static void change_disk(struct sim_world *w, void *thing, uint64_t unused)
{
    struct plan *p = thing;
    struct sim_disk *d = &w->disk;
    if (p->is_healed)
        return;
    bool is_bad = rng_chance(&p->rng, 50);
    memset(d->fail_percent, 0, sizeof d->fail_percent);
    d->is_full = is_bad && rng_chance(&p->rng, 30);
    d->read_fail_percent = is_bad && rng_chance(&p->rng, 20) ? 20 : 0;
    if (is_bad)
        d->fail_percent[rng_between(&p->rng, JOURNAL_IO_WRITE, JOURNAL_IO_INDEX)] =
            (unsigned)ONE_OF(&p->rng, 5, 30, 100);
    sim_trace(w, "disk changes", is_bad, d->is_full, SLICE_NONE);
    sim_agenda_add(&w->agenda,
                   w->now_us +
                       ONE_OF(&p->rng, 20, SIM_SECOND_MS, SIM_MINUTE_MS, SIM_HOUR_MS) * 1000,
                   change_disk, p, 0);
}

enum disaster { CRASH_NOW, CRASH_IN_ACTIONS, CRASH_IN_IOS, STOP, DISASTERS };

static void disaster(struct sim_world *w, void *thing, uint64_t unused)
{
    struct plan *p = thing;
    struct rng *r = &p->rng;
    if (p->is_healed || !w->engine || !w->is_started)
        return;
    w->crash_kind = rng_chance(r, 60) ? SIM_POWER_CUT : SIM_KILL;
    switch ((enum disaster)rng_below(r, DISASTERS)) {
    case CRASH_NOW:
        w->is_crash_due = true;
        break;
    case CRASH_IN_ACTIONS:
        w->crash_in_actions = (unsigned)rng_between(r, 1, 60);
        break;
    case CRASH_IN_IOS:
        w->crash_in_ios = (unsigned)rng_between(r, 1, 12);
        break;
    case STOP:
    case DISASTERS:
        sim_world_stop(w, ONE_OF(r, 200, 30 * SIM_SECOND_MS), rng_between(r, 100, SIM_MINUTE_MS));
        break;
    }
}

/* One message, or all to a domain, or all that are in some state. */
static void order(struct sim_world *w, struct plan *p, const struct sim_mail *m,
                  enum operator_verb verb)
{
    struct rng *r = &p->rng;
    struct engine_filter f = {.limit = (unsigned)rng_between(r, 1, 20)};
    switch (rng_below(r, 3)) {
    case 0:
        if (m->id)
            sim_world_operate(w, verb, m->id, NULL);
        return;
    case 1:
        f.domain = slice_cstr(p->domain[rng_below(r, p->domains)]);
        break;
    default:
        f.state = (enum engine_state)rng_below(r, ENGINE_STATE_COUNT);
        break;
    }
    sim_world_order(w, verb, f);
}

static void operate(struct sim_world *w, void *thing, uint64_t unused)
{
    struct plan *p = thing;
    struct rng *r = &p->rng;
    if (p->is_healed || w->mail_count < 2)
        return;
    struct sim_mail *m = w->mail[rng_between(r, 1, (int64_t)w->mail_count - 1)];
    const char *domain = p->domain[rng_below(r, p->domains)];
    switch (rng_below(r, 9)) {
    case 5:
    case 6:
        order(w, p, m, OPERATOR_HOLD);
        break;
    case 7:
        order(w, p, m, OPERATOR_RELEASE);
        break;
    case 8: /* these end much: not often */
        order(w, p, m,
              rng_chance(r, 50)   ? OPERATOR_BOUNCE
              : rng_chance(r, 50) ? OPERATOR_DELETE
                                  : OPERATOR_RETRY);
        break;
    case 0:
        sim_world_operate(w, OPERATOR_RETRY, rng_chance(r, 50) ? m->id : 0, NULL);
        break;
    case 1:
        if (m->id && w->engine) {
            m->is_deleted = true;
            sim_world_operate(w, OPERATOR_DELETE, m->id, NULL);
        }
        break;
    case 2:
        sim_world_operate(w, OPERATOR_PAUSE, 0, rng_chance(r, 80) ? domain : NULL);
        break;
    case 3:
        sim_world_operate(w, OPERATOR_RESUME, 0, rng_chance(r, 50) ? domain : NULL);
        break;
    default:
        p->options_at = (p->options_at + 1) % OPTIONS_MAX;
        sim_world_reload(w, &p->options[p->options_at].o);
        break;
    }
}

static int64_t some_time(struct plan *p)
{
    return rng_between(&p->rng, 1000, p->heal_ms - p->w->begin_ms);
}

static void draw_trouble(struct plan *p)
{
    struct sim_world *w = p->w;
    struct rng *r = &p->rng;
    p->trouble_percent = (unsigned)ONE_OF(r, 0, 20, 50, 90);
    w->net.death_percent = (unsigned)ONE_OF(r, 0, 0, 5, 30);
    w->may_sync_slowly = rng_chance(r, 20);
    w->login_trouble_percent = (unsigned)ONE_OF(r, 0, 0, 0, 20);
    w->crash_at_start_percent = (unsigned)ONE_OF(r, 0, 0, 30);
    sim_agenda_add(&w->agenda, w->now_us, change_moods, p, 0);
    if (rng_chance(r, 25))
        sim_agenda_add(&w->agenda, w->now_us + some_time(p) * 1000 / 4, change_disk, p, 0);
    for (int i = rng_chance(r, 50) ? (int)rng_between(r, 1, 5) : 0; i > 0; i--)
        sim_agenda_add(&w->agenda, w->now_us + some_time(p) * 1000 / (i % 2 ? 1 : 4), disaster, p,
                       0);
    for (int i = rng_chance(r, 20) ? (int)rng_between(r, 1, 6) : 0; i > 0; i--)
        sim_agenda_add(&w->agenda, w->now_us + some_time(p) * 1000, operate, p, 0);
}

/* From here on the world is well. */
static void heal(struct plan *p)
{
    struct sim_world *w = p->w;
    p->is_healed = true;
    sim_trace(w, "all is well", 0, 0, SLICE_NONE);
    for (unsigned i = 0; i < w->host_count; i++) {
        w->host[i].mood = sim_mood_named("good");
        w->host[i].dns_trouble = DNS_OK;
        memset(w->host[i].reach, 0, sizeof w->host[i].reach);
        memset(w->host[i].slow_ms, 0, sizeof w->host[i].slow_ms);
        w->host[i].refuses_v6 = false;
    }
    for (unsigned i = 0; i < w->domain_count; i++)
        w->domain[i].trouble = DNS_OK;
    w->bad_source = (struct ip){.family = IP_NONE};
    w->tokens.mood = SIM_TOKENS_GOOD;
    memset(w->disk.fail_percent, 0, sizeof w->disk.fail_percent);
    w->disk.is_full = false;
    w->disk.read_fail_percent = 0;
    w->net.death_percent = 0;
    w->may_sync_slowly = false;
    w->login_trouble_percent = 0;
    w->crash_at_start_percent = 0;
    w->crash_in_actions = w->crash_in_ios = 0;
}

static bool are_clients_done(const struct sim_world *w)
{
    for (unsigned i = 0; i < w->client_count; i++)
        if (!sim_client_is_done(w->client[i]))
            return false;
    return true;
}

/* Each wait is bounded: the longest retry wait for a message, one more for the report about it, the
 * time-outs of lines that were open, negative DNS answers that are still believed. */
static int64_t rest_bound_ms(const struct plan *p)
{
    int64_t most = 0;
    for (unsigned i = 0; i < OPTIONS_MAX; i++)
        if (p->options[i].o.retry_max_ms > most)
            most = p->options[i].o.retry_max_ms;
    return most * 4 + 3 * SIM_HOUR_MS;
}

static void run_to_rest(struct plan *p)
{
    struct sim_world *w = p->w;
    int64_t last = sim_world_now_ms(w) + 2 * SIM_DAY_MS;
    while (!w->has_failed && !are_clients_done(w) && sim_world_now_ms(w) < last)
        sim_world_run(w, sim_world_now_ms(w) + SIM_MINUTE_MS);
    if (!are_clients_done(w))
        sim_fail(w, "a client does not come to its end");
    while (!w->has_failed && (!w->engine || !w->is_started))
        sim_world_run(w, sim_world_now_ms(w) + SIM_SECOND_MS);
    sim_world_operate(w, OPERATOR_RESUME, 0, NULL);
    sim_world_order(w, OPERATOR_RELEASE, (struct engine_filter){.state = ENGINE_STATE_HELD});
    last = sim_world_now_ms(w) + rest_bound_ms(p);
    while (!w->has_failed && !sim_world_is_at_rest(w) && sim_world_now_ms(w) < last)
        sim_world_run(w, sim_world_now_ms(w) + SIM_MINUTE_MS);
    /* The journal's tidying up; and a destination is remembered while a rule slows it down. */
    sim_world_run(w, sim_world_now_ms(w) + 11 * SIM_MINUTE_MS);
}

static void count(const struct sim_world *w)
{
    struct sim_totals *t = &sim_totals;
    t->worlds++;
    t->crashes += w->crashes;
    t->segments_indexed += w->segments_indexed;
    t->segments_walked += w->segments_walked;
    t->io_failures += w->disk.failures;
    t->steps += w->steps;
    for (uint64_t i = 1; i < w->mail_count; i++) {
        t->mails++;
        t->accepted += w->mail[i]->state == SIM_MAIL_ACCEPTED;
    }
    for (unsigned i = 0; i < w->host_count; i++)
        t->taken += w->host[i].taken;
    for (int i = 0; i < NOTE_COUNT; i++)
        t->notes[i] += w->ledger.notes[i];
}

bool sim_plan_run(uint64_t seed, bool is_verbose, uint64_t *hash, struct fault *why)
{
    struct plan *p = mem_new(sizeof *p);
    rng_init(&p->rng, seed ^ 0x5eed);
    p->has_tokens = rng_chance(&p->rng, 50);
    for (unsigned i = 0; i < OPTIONS_MAX; i++)
        draw_options(p, &p->options[i]);
    for (unsigned i = 0; i < OPTIONS_MAX; i++)
        draw_route(p, &p->options[i]);
    for (unsigned i = 0; i < OPTIONS_MAX; i++)
        draw_shapes(&p->options[i], seed + i);
    p->is_heavy = rng_chance(&p->rng, 10);
    struct sim_world *w = p->w =
        sim_world_new(seed, &p->options[0].o,
                      p->is_heavy ? SIM_SEGMENT_BYTES_LEAST
                                  : (size_t)ONE_OF(&p->rng, SIM_SEGMENT_BYTES, 128 * 1024,
                                                   SIM_SEGMENT_BYTES_LEAST));
    w->is_verbose = is_verbose;
    p->heal_ms = w->begin_ms + ONE_OF(&p->rng, 2 * SIM_MINUTE_MS, 20 * SIM_MINUTE_MS,
                                      2 * SIM_HOUR_MS, 12 * SIM_HOUR_MS);
    draw_domains(p);
    draw_clients(p);
    draw_trouble(p);
    for (unsigned i = 0; i < OPTIONS_MAX; i++) {
        const struct engine_options *o = &p->options[i].o;
        sim_trace(w, "options: lifetime", i, (uint64_t)o->lifetime_ms, SLICE_NONE);
        sim_trace(w, "options: retry", (uint64_t)o->retry_first_ms, (uint64_t)o->retry_max_ms,
                  SLICE_NONE);
    }
    sim_world_start(w);
    sim_world_run(w, p->heal_ms);
    heal(p);
    run_to_rest(p);
    if (!w->has_failed) {
        sim_ledger_check_end(w);
        sim_world_check_rest(w);
    }
    count(w);
    bool is_good = !w->has_failed;
    if (!is_good)
        (void)fault_set(why, ERR_BAD, 0, "%s", w->failure);
    *hash = w->hash;
    sim_world_free(w);
    mem_free(p);
    return is_good;
}
