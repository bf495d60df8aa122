/* config_sources.c -- rules for [[source]] and for whoever names one. */
#include "config_rules_inside.h"

static void check_addresses(struct rules *r, const struct engine_source *s,
                            const struct toml_node *node)
{
    const struct toml_node *v4 = rules_entry(node, "address");
    const struct toml_node *v6 = rules_entry(node, "address6");
    if (!v4 && !v6)
        config_mistakes_add(r->m, rules_spot(node), "source", SLICE_NONE,
                            "needs an address: write address = \"192.0.2.10\", address6 = "
                            "\"2001:db8::10\", or both");
    if (s->v4.family == IP_V6)
        config_mistakes_add(r->m, rules_spot(v4), "source", SLICE("address"),
                            "is an IPv6 address: that is address6");
    if (s->v6.family == IP_V4)
        config_mistakes_add(r->m, rules_spot(v6), "source", SLICE("address6"),
                            "is an IPv4 address: that is address");
}

static int find(const struct engine_options *e, struct slice name)
{
    for (unsigned i = 0; i < e->source_count; i++)
        if (slice_eq(e->sources[i].name, name))
            return (int)i;
    return -1;
}

static void check_names(struct rules *r, const struct toml_node *at, const char *section,
                        const struct slice *name, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (name[i].n && find(&r->c->engine, name[i]) < 0)
            config_mistakes_add(r->m, rules_spot(at), section, SLICE("sources"),
                                "there is no [[source]] named \"%.*s\"", SLICE_FMT(name[i]));
        for (unsigned k = 0; k < i; k++)
            if (slice_eq(name[i], name[k])) {
                config_mistakes_add(r->m, rules_spot(at), section, SLICE("sources"),
                                    "names \"%.*s\" twice: give it a weight instead",
                                    SLICE_FMT(name[i]));
                break;
            }
    }
}

void config_sources_check(struct rules *r)
{
    const struct engine_options *e = &r->c->engine;
    for (unsigned i = 0; i < e->source_count; i++) {
        const struct toml_node *node = rules_nth(r, "source", i);
        check_addresses(r, &e->sources[i], node);
        int first = find(e, e->sources[i].name);
        if (e->sources[i].name.n && first < (int)i)
            config_mistakes_add(r->m, rules_spot(rules_entry(node, "name")), "source",
                                SLICE("name"), "the source on line %d is named so already",
                                rules_spot(rules_nth(r, "source", (unsigned)first)).line);
    }
    check_names(r, rules_given(r, "delivery", "sources"), "delivery", e->mx_sources,
                e->mx_source_count);
    for (unsigned i = 0; i < e->route_count; i++)
        check_names(r, rules_entry(rules_nth(r, "route", i), "sources"), "route",
                    e->routes[i].sources, e->routes[i].source_count);
}
