/* shape.c -- see the header. What is decided by replies is shape_reply.c's. */
#include "engine_core.h"

#include "base/json.h"

enum { HOSTS_MAX = 64 }; /* of one destination that are compared with patterns */

/* What is known of where it goes. host: room for HOSTS_MAX names. */
static struct policy_place place_of(const struct engine *e, const struct shape_case *c,
                                    struct slice *host)
{
    const struct engine_options *o = e->opt;
    bool is_current = !c->d || c->d->generation == e->generation;
    const struct engine_route *r = c->route >= 0 && is_current ? &o->routes[c->route] : NULL;
    bool is_by_mx = c->route < 0 || (c->d ? !c->d->host_count : r && !r->host_count);
    struct policy_place p = {.route = r ? r->name : SLICE_NONE, .hosts = host};
    if (c->d)
        p.domain = shape_domain(c->d);
    else if (is_by_mx)
        p.domain = c->domain;
    const struct target_list *t = c->d ? c->d->targets : NULL;
    for (unsigned i = 0; c->d && i < c->d->host_count && p.host_count < HOSTS_MAX; i++)
        host[p.host_count++] = slice_cstr(c->d->host[i].name);
    for (unsigned i = 0; !c->d && r && i < r->host_count && p.host_count < HOSTS_MAX; i++)
        host[p.host_count++] = r->hosts[i].name;
    for (unsigned i = 0; c->d && i < c->d->set_count && p.host_count < HOSTS_MAX; i++)
        host[p.host_count++] = slice_cstr(c->d->set[i].name);
    for (uint32_t i = 0; is_by_mx && t && i < t->count && p.host_count < HOSTS_MAX; i++)
        host[p.host_count++] = slice_cstr(t->target[i].host);
    return p;
}

struct slice shape_domain(const struct destination *d)
{
    return d->host_count ? SLICE_NONE : slice_cstr(d->domain ? d->domain : d->name);
}

int64_t shape_quiet_until_ms(const struct destination *d)
{
    return d ? d->shape.quiet_until_ms : 0;
}

static struct shape_case case_of(const struct destination *d)
{
    return (struct shape_case){
        .route = d->route, .domain = slice_cstr(d->domain ? d->domain : d->name), .d = d};
}

/* The first shape that says something of a limit has its way: those behind it come before. */
static struct policy_limits limits_of(const struct engine *e, const struct shape_case *c)
{
    struct slice host[HOSTS_MAX];
    struct policy_place p = place_of(e, c, host);
    struct policy_limits limits = e->opt->limits;
    for (unsigned i = e->opt->shape_count; i-- > 0;)
        if (policy_where_matches(&e->opt->shapes[i].where, &p))
            policy_limits_overlay(&limits, &e->opt->shapes[i].limits);
    return limits;
}

void shape_limits(const struct engine *e, struct destination *d)
{
    if (d->generation != e->generation)
        return; /* on its way out, with the options it was made by */
    struct shape_case c = case_of(d);
    d->limits = limits_of(e, &c);
}

void shape_add_class(const struct engine *e, const struct destination *domain, struct buf *key)
{
    struct policy_place p = {.domain = slice_cstr(domain->name)};
    for (unsigned i = 0; i < e->opt->shape_count && domain->generation == e->generation; i++) {
        const struct policy_where *w = &e->opt->shapes[i].where;
        struct policy_where alone = {.domains = w->domains, .domain_count = w->domain_count};
        if (w->domain_count && policy_where_matches(&alone, &p))
            buf_addf(key, " s%u", i);
    }
}

void shape_close(struct engine *e, struct destination *d)
{
    shape_used(e, d);
    mem_free(d->shape.words);
    d->shape = (struct shape){0};
}

bool shape_keeps(struct engine *e, struct destination *d)
{
    struct shape *s = &d->shape;
    int64_t until_ms = s->pace.free_us / 1000 + 1;
    if (until_ms < s->quiet_until_ms)
        until_ms = s->quiet_until_ms;
    if (until_ms < s->slow_until_ms)
        until_ms = s->slow_until_ms;
    if (until_ms <= e->now_ms || (!s->is_kept && e->shaped_count >= SHAPE_KEPT_MAX))
        return false;
    e->shaped_count += !s->is_kept;
    s->is_kept = true;
    timer_set(e, &d->timer, until_ms);
    return true;
}

/* The same destination of the options before has the same key behind its generation; a route may
 * have another place now, and another one its. */
void shape_inherit(struct engine *e, struct destination *d)
{
    struct buf key;
    if (!e->generation || d->generation != e->generation)
        return;
    buf_init(&key, 1024);
    buf_addf(&key, "%llu", (unsigned long long)(e->generation - 1));
    buf_add(&key, slice_from(d->key, slice_find(d->key, ' ')));
    struct destination *old = map_get(&e->destinations, buf_slice(&key));
    buf_close(&key);
    if (!old || !slice_eq(slice_cstr(old->name), slice_cstr(d->name)))
        return;
    shape_used(e, old);
    d->shape = old->shape;
    old->shape = (struct shape){0};
}

void shape_used(struct engine *e, struct destination *d)
{
    e->shaped_count -= d->shape.is_kept;
    d->shape.is_kept = false;
}

void shape_forget(struct destination *d)
{
    if (!d)
        return;
    struct shape *s = &d->shape;
    mem_free(s->words);
    s->words = NULL;
    s->quiet_until_ms = s->slow_until_ms = 0;
    s->is_probing = false;
}

static unsigned slowed(const struct engine *e, const struct destination *d)
{
    return d->shape.slow_until_ms > e->now_ms ? d->shape.slowed : 1;
}

bool shape_holds(struct engine *e, struct destination *d)
{
    int64_t from_ms = policy_pace_next_ms(&d->shape.pace, &d->limits.messages, slowed(e, d));
    if (from_ms < d->shape.quiet_until_ms)
        from_ms = d->shape.quiet_until_ms;
    if (from_ms <= e->now_ms)
        return false;
    timer_set(e, &d->timer, from_ms);
    return true;
}

void shape_took(struct engine *e, struct destination *d)
{
    struct shape *s = &d->shape;
    policy_pace_take(&s->pace, &d->limits.messages, slowed(e, d), e->now_ms);
    if (s->slowed > 1 && s->slow_until_ms <= e->now_ms) {
        s->slowed = 1;
        timer_set(e, &d->timer, e->now_ms); /* there may be more connections again */
    }
}

void shape_proved(struct engine *e, struct destination *d)
{
    if (!d->shape.is_probing || d->shape.quiet_until_ms > e->now_ms)
        return;
    d->shape.is_probing = false;
    timer_set(e, &d->timer, e->now_ms);
}

uint32_t shape_lines_most(const struct engine *e, const struct destination *d, uint32_t most)
{
    uint32_t part = d->shape.is_probing ? 1 : most / slowed(e, d);
    return part ? part : 1;
}

bool shape_has_too_many(const struct engine *e, const struct destination *d)
{
    return slowed(e, d) > 1 && d->line_count > destination_lines_most(e, d);
}

const char *shape_trouble(const struct destination *d, int64_t now_ms, int64_t *until_ms)
{
    const struct shape *s = &d->shape;
    *until_ms = s->quiet_until_ms > now_ms ? s->quiet_until_ms : s->slow_until_ms;
    return *until_ms > now_ms && s->words ? s->words : NULL;
}

/* For people */

void shape_text(const struct engine *e, const struct shape_case *c, struct buf *out)
{
    struct slice host[HOSTS_MAX];
    struct policy_place p = place_of(e, c, host);
    struct policy_limits l = limits_of(e, c);
    buf_addf(out, "  limits      %u connections, %u messages on each", l.connections,
             l.connection_messages);
    if (l.messages.count)
        buf_addf(out, ", %u messages in %llds", l.messages.count,
                 (long long)(l.messages.per_ms / 1000));
    const char *between = "; shaped by ";
    for (unsigned i = 0; i < e->opt->shape_count; i++) {
        if (!policy_where_matches(&e->opt->shapes[i].where, &p))
            continue;
        buf_addf(out, "%s%.*s", between, SLICE_FMT(e->opt->shapes[i].name));
        between = ", ";
    }
    buf_add_char(out, '\n');
    int64_t until_ms;
    const char *why = c->d ? shape_trouble(c->d, c->now_ms, &until_ms) : NULL;
    if (why)
        buf_addf(out, "  %s for %llds: %s\n",
                 c->d->shape.quiet_until_ms > c->now_ms ? "resting    " : "slowed down",
                 (long long)((until_ms - c->now_ms + 999) / 1000), why);
}

unsigned shape_connections(const struct engine *e, const struct shape_case *c)
{
    return limits_of(e, c).connections;
}

void shape_json(const struct engine *e, const struct shape_case *c, struct json *j)
{
    struct slice host[HOSTS_MAX];
    struct policy_place p = place_of(e, c, host);
    struct policy_limits l = limits_of(e, c);
    json_array(j, "shapes");
    for (unsigned i = 0; i < e->opt->shape_count; i++)
        if (policy_where_matches(&e->opt->shapes[i].where, &p))
            json_string(j, NULL, e->opt->shapes[i].name);
    json_end(j, ']');
    json_int(j, "messages_per_connection_max", l.connection_messages);
    json_int(j, "rate_messages", l.messages.count);
    json_int(j, "rate_per_ms", l.messages.count ? l.messages.per_ms : 0);
    int64_t until_ms;
    const char *why = c->d ? shape_trouble(c->d, c->now_ms, &until_ms) : NULL;
    if (!why)
        return;
    json_string(j, "rule", slice_cstr(why));
    json_int(j, "rule_s", (until_ms - c->now_ms + 999) / 1000);
}
