/* source.c -- see the header.
 *
 * The order is rendezvous hashing: each source draws a number from its own name and the
 * destination's, a heavy one several times, and the highest draw is first. Taking one source away
 * moves only the destinations that had it. */
#include "source.h"

#include "engine_core.h"

enum { REFUSED_MS = 5 * 60 * 1000, KEY_BYTES_MAX = 1024 };

static const struct ip no_ip = {.family = IP_NONE};

const struct ip *source_ip(const struct engine_source *s, enum ip_family family)
{
    switch (family) {
    case IP_V4:
        return &s->v4;
    case IP_V6:
        return &s->v6;
    case IP_NONE:
        break;
    }
    return &no_ip;
}

static uint64_t draw(const struct engine_source *s, struct slice destination)
{
    uint64_t best = 0;
    struct buf key;
    buf_init(&key, KEY_BYTES_MAX);
    for (unsigned i = 0; i < s->weight; i++) {
        buf_clear(&key);
        buf_addf(&key, "%u %.*s ", i, SLICE_FMT(s->name));
        buf_add(&key, destination);
        /* The key is fixed: the choice must outlive the process. */
        uint64_t n = hash_sip13(0x6f757470, 0x6f7374, buf_slice(&key));
        best = n > best ? n : best;
    }
    buf_close(&key);
    return best;
}

static const struct engine_source *named(const struct engine_options *o, struct slice name)
{
    for (unsigned i = 0; i < o->source_count; i++)
        if (slice_eq(o->sources[i].name, name))
            return &o->sources[i];
    return NULL;
}

unsigned source_pool(const struct engine_options *o, int route, struct slice destination,
                     const struct engine_source **out)
{
    const struct engine_route *r = route >= 0 ? &o->routes[route] : NULL;
    bool has_own = r && (r->source_count || r->host_count);
    const struct slice *name = has_own ? r->sources : o->mx_sources;
    unsigned names = has_own ? r->source_count : o->mx_source_count, count = 0;
    uint64_t drawn[ENGINE_SOURCES_MAX];
    for (unsigned i = 0; i < names && count < ENGINE_SOURCES_MAX; i++) {
        const struct engine_source *s = named(o, name[i]);
        if (!s)
            continue;
        uint64_t n = draw(s, destination);
        unsigned at = count++;
        for (; at > 0 && drawn[at - 1] < n; at--) {
            drawn[at] = drawn[at - 1];
            out[at] = out[at - 1];
        }
        drawn[at] = n;
        out[at] = s;
    }
    return count;
}

void source_take_pool(struct engine *e, struct destination *d)
{
    const struct engine_source *pool[ENGINE_SOURCES_MAX];
    d->source_count = source_pool(e->opt, d->route, slice_cstr(d->name), pool);
    d->source = d->source_count ? mem_new(d->source_count * sizeof *d->source) : NULL;
    for (unsigned i = 0; i < d->source_count; i++) {
        struct engine_source *s = &d->source[i];
        *s = *pool[i];
        s->name = slice_of(mem_dup(s->name.p, s->name.n), s->name.n);
        s->helo = slice_of(mem_dup(s->helo.p, s->helo.n), s->helo.n);
    }
}

void source_drop_pool(struct destination *d)
{
    for (unsigned i = 0; i < d->source_count; i++) {
        mem_free((char *)(uintptr_t)d->source[i].name.p);
        mem_free((char *)(uintptr_t)d->source[i].helo.p);
    }
    mem_free(d->source);
    d->source = NULL;
    d->source_count = 0;
}

static struct source_refusal *refusal_of(const struct engine *e, const struct ip *ip)
{
    const struct source_refusals *r = &e->sources_refused;
    for (unsigned i = 0; i < r->count; i++)
        if (ip_eq(&r->refusal[i].ip, ip))
            return (struct source_refusal *)(uintptr_t)&r->refusal[i];
    return NULL;
}

bool source_is_usable(const struct engine *e, const struct ip *ip, int64_t now_ms)
{
    const struct source_refusal *r = refusal_of(e, ip);
    return !r || r->until_ms <= now_ms;
}

bool source_find(const struct engine *e, const struct destination *d, enum ip_family family,
                 const struct engine_source **out, const char **why)
{
    bool has_family = false;
    *out = NULL;
    if (!d->source_count)
        return true;
    for (unsigned i = 0; i < d->source_count; i++) {
        const struct ip *ip = source_ip(&d->source[i], family);
        has_family |= ip->family != IP_NONE;
        if (ip->family == IP_NONE || !source_is_usable(e, ip, e->now_ms))
            continue;
        *out = &d->source[i];
        return true;
    }
    if (has_family)
        *why = "no source address for it can be used on this machine (see source-refused)";
    else
        *why = family == IP_V6 ? "none of the sources for it has an IPv6 address"
                               : "none of the sources for it has an IPv4 address";
    return false;
}

void source_refused(struct engine *e, const struct ip *ip, struct slice why)
{
    struct source_refusals *all = &e->sources_refused;
    struct source_refusal *r = refusal_of(e, ip);
    if (!source_is_usable(e, ip, e->now_ms))
        return; /* by another connection that was begun with this one */

    /* A place whose time is over may have been a pool's of an earlier configuration. */
    for (unsigned i = 0; !r && i < all->count; i++)
        if (all->refusal[i].until_ms <= e->now_ms)
            r = &all->refusal[i];
    if (!r && all->count < SOURCES_REFUSED_MAX)
        r = &all->refusal[all->count++];
    if (!r)
        r = &all->refusal[rng_below(&e->rng, SOURCES_REFUSED_MAX)];
    *r = (struct source_refusal){*ip, e->now_ms + REFUSED_MS};
    struct note *n = engine_note(e, NOTE_SOURCE_REFUSED, 0);
    struct ip_text text = ip_build(ip);
    engine_tell(e, n, "source", slice_cstr(text.s));
    engine_tell(e, n, "reason", why);
}

void source_forget_refusals(struct engine *e)
{
    e->sources_refused.count = 0;
}

unsigned source_refused_count(const struct engine *e)
{
    unsigned n = 0;
    for (unsigned i = 0; i < e->sources_refused.count; i++)
        n += e->sources_refused.refusal[i].until_ms > e->now_ms;
    return n;
}
