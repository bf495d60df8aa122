/* rewrite.c -- see the header. */
#include "rewrite/rewrite.h"

#include <string.h>

/* What one address goes through. */
struct walk {
    const struct rewrite_options *o;
    struct slice host;
    struct rewrite_list *out;
    bool is_deep; /* an alias led further than REWRITE_DEPTH_MAX or _STEPS_MAX */
    unsigned steps;
};

static struct slice own_domain(const struct rewrite_options *o, struct slice host)
{
    return o->domain.n ? o->domain : host;
}

/* False: longer than an address may be; the text is empty then. */
static bool set_text(struct rewrite_text *t, struct slice local, struct slice domain)
{
    t->n = 0;
    size_t n = local.n + (domain.n ? 1 + domain.n : 0);
    if (n > MAIL_ADDRESS_BYTES_MAX)
        return false;
    if (local.n)
        memmove(t->s, local.p, local.n);
    if (domain.n) {
        t->s[local.n] = '@';
        memcpy(t->s + local.n + 1, domain.p, domain.n);
    }
    t->n = n;
    return true;
}

/* An address that would become too long stays as it was: the limits of what is sent later hold. */
static void complete(const struct rewrite_options *o, struct slice host, struct slice address,
                     struct rewrite_text *out)
{
    if (mail_address_domain_of(address).n || !address.n)
        (void)set_text(out, address, SLICE_NONE);
    else if (!set_text(out, address, own_domain(o, host)))
        (void)set_text(out, address, SLICE_NONE);
}

/* Where a rule's target leads for this address. */
static void aim(struct slice target, struct slice address, struct rewrite_text *out)
{
    if (!target.n || target.p[0] != '@')
        (void)set_text(out, target, SLICE_NONE);
    else if (!set_text(out, mail_address_local_of(address), slice_from(target, 1)))
        (void)set_text(out, address, SLICE_NONE);
}

/* FNV-1a of the domain in lower case, never 0. */
static uint64_t key_of(struct slice domain)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < domain.n; i++)
        h = (h ^ (uint8_t)ascii_lower(domain.p[i])) * 0x100000001b3u;
    return h ? h : 1;
}

uint64_t rewrite_key(struct slice pattern)
{
    size_t at = slice_find_last(pattern, '@');
    struct slice domain = at < pattern.n ? slice_from(pattern, at + 1) : pattern;
    bool is_one = domain.n && slice_find(domain, '*') == domain.n;
    return is_one ? key_of(domain) : 0;
}

/* Rules of one list, and which of them can be for an address at all. */
struct rules {
    const struct rewrite_rule *rule;
    unsigned count;
    const uint64_t *key;
};

static const struct rewrite_rule *first_rule(const struct rules *r, struct slice address)
{
    uint64_t key = r->key ? key_of(mail_address_domain_of(address)) : 0;
    for (unsigned i = 0; i < r->count; i++)
        if ((!key || !r->key[i] || r->key[i] == key) &&
            mail_address_match(r->rule[i].pattern, address))
            return &r->rule[i];
    return NULL;
}

static struct rules senders_of(const struct rewrite_options *o)
{
    return (struct rules){o->senders, o->sender_count, o->sender_keys};
}

static struct rules recipients_of(const struct rewrite_options *o)
{
    return (struct rules){o->recipients, o->recipient_count, o->recipient_keys};
}

static bool map_once(struct rules rules, struct rewrite_text *t)
{
    const struct rewrite_rule *found = first_rule(&rules, rewrite_text_slice(t));
    if (!found)
        return false;
    struct rewrite_text from = *t;
    aim(found->targets[0], rewrite_text_slice(&from), t);
    return true;
}

/* bob@web3.example.com -> bob@example.com */
static void masquerade(const struct rewrite_options *o, struct rewrite_text *t)
{
    struct rewrite_text from = *t;
    struct slice domain = mail_address_domain_of(rewrite_text_slice(&from));
    for (unsigned i = 0; i < o->masquerade_count; i++) {
        struct slice above = o->masquerade[i];
        if (domain.n <= above.n + 1 || !slice_ends_nocase(domain, above) ||
            domain.p[domain.n - above.n - 1] != '.')
            continue;
        CHECK(set_text(t, mail_address_local_of(rewrite_text_slice(&from)), above));
        return;
    }
}

static void map_author(const struct rewrite_options *o, struct rewrite_text *t)
{
    if (!map_once(senders_of(o), t))
        masquerade(o, t);
}

/* Aliases are for names of this host: its own name, the completing domain, "localhost". */
static bool is_local(const struct rewrite_options *o, struct slice host, struct slice domain)
{
    return slice_eq_nocase(domain, host) || slice_eq_nocase(domain, SLICE("localhost")) ||
           (o->domain.n && slice_eq_nocase(domain, o->domain));
}

static const struct rewrite_rule *find_alias(const struct rewrite_options *o, struct slice host,
                                             struct slice address)
{
    if (!o->alias_count || !is_local(o, host, mail_address_domain_of(address)))
        return NULL;
    struct slice local = mail_address_local_of(address);
    for (unsigned i = 0; i < o->alias_count; i++)
        if (slice_eq_nocase(o->aliases[i].pattern, local))
            return &o->aliases[i];
    return NULL;
}

bool rewrite_may_leave(const struct rewrite_options *o, struct slice address)
{
    if (o->environment != REWRITE_STAGING || slice_eq(address, o->staging_mailbox))
        return true;
    for (unsigned i = 0; i < o->staging_allow_count; i++)
        if (mail_address_match(o->staging_allow[i], address))
            return true;
    return false;
}

struct rewrite_text rewrite_staged(const struct rewrite_options *o, struct slice address)
{
    struct rewrite_text t;
    bool is_free = !address.n || rewrite_may_leave(o, address);
    (void)set_text(&t, is_free ? address : o->staging_mailbox, SLICE_NONE);
    return t;
}

static void add(struct walk *w, const struct rewrite_text *t)
{
    struct rewrite_list *l = w->out;
    struct rewrite_text staged = rewrite_staged(w->o, rewrite_text_slice(t));
    struct slice address = rewrite_text_slice(&staged);
    l->is_redirected |= !slice_eq(address, rewrite_text_slice(t));
    for (unsigned i = 0; i < l->count; i++)
        if (slice_eq(rewrite_text_slice(&l->address[i]), address))
            return;
    if (l->count == REWRITE_TARGETS_MAX) {
        l->is_too_many = true;
        return;
    }
    l->address[l->count++] = staged;
}

static void expand(struct walk *w, struct slice address, unsigned depth)
{
    struct rewrite_text t;
    complete(w->o, w->host, address, &t);
    const struct rewrite_rule *alias = find_alias(w->o, w->host, rewrite_text_slice(&t));
    if (++w->steps > REWRITE_STEPS_MAX || (alias && depth == REWRITE_DEPTH_MAX)) {
        w->is_deep = true;
        return;
    }
    if (!alias) {
        map_once(recipients_of(w->o), &t);
        add(w, &t);
        return;
    }
    for (unsigned i = 0; i < alias->target_count && !w->out->is_too_many && !w->is_deep; i++) {
        struct rewrite_text target;
        aim(alias->targets[i], rewrite_text_slice(&t), &target);
        expand(w, rewrite_text_slice(&target), depth + 1);
    }
}

void rewrite_sender(const struct rewrite_options *o, struct slice host, struct slice address,
                    struct rewrite_text *out)
{
    complete(o, host, address, out);
    if (out->n)
        map_author(o, out);
}

struct slice rewrite_completion(const struct rewrite_options *o, struct slice host)
{
    return o->unqualified == REWRITE_COMPLETE ? own_domain(o, host) : SLICE_NONE;
}

bool rewrite_map(const struct rewrite_options *o, enum rewrite_list_kind kind, struct slice address,
                 struct rewrite_text *out)
{
    if (!set_text(out, address, SLICE_NONE))
        return false;
    switch (kind) {
    case REWRITE_SENDERS:
        if (!o->is_envelope_only)
            map_author(o, out);
        break;
    case REWRITE_RECIPIENTS:
        if (!o->is_envelope_only && !map_once(recipients_of(o), out))
            masquerade(o, out);
        break;
    }
    return !slice_eq(rewrite_text_slice(out), address);
}

bool rewrite_force(const struct rewrite_options *o, struct slice address, struct rewrite_text *out)
{
    struct rules rules = {o->from, o->from_count, o->from_keys};
    return set_text(out, address, SLICE_NONE) && map_once(rules, out);
}

void rewrite_recipient(const struct rewrite_options *o, struct slice host, struct slice address,
                       struct rewrite_list *out)
{
    out->count = 0;
    out->is_too_many = out->is_redirected = false;
    struct walk w = {.o = o, .host = host, .out = out};
    expand(&w, address, 0);
    out->is_too_many |= w.is_deep;
}

unsigned rewrite_find_loop(const struct rewrite_options *o, struct slice host)
{
    for (unsigned i = 0; i < o->alias_count; i++) {
        struct rewrite_list list = {0};
        struct walk w = {.o = o, .host = host, .out = &list};
        expand(&w, o->aliases[i].pattern, 0);
        if (w.is_deep)
            return i;
    }
    return o->alias_count;
}
