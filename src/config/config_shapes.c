/* config_shapes.c -- rules for [[shape]] and [[reply]]. */
#include "config_rules_inside.h"

/* A pattern without "*" names a route that is there. */
static void check_routes(struct rules *r, const char *section, const struct toml_node *node,
                         const struct policy_where *w)
{
    const struct engine_options *e = &r->c->engine;
    for (unsigned i = 0; i < w->route_count; i++) {
        bool is_there = slice_find(w->routes[i], '*') < w->routes[i].n;
        for (unsigned k = 0; k < e->route_count && !is_there; k++)
            is_there = slice_glob_nocase(w->routes[i], e->routes[k].name);
        if (!is_there)
            config_mistakes_add(r->m, rules_spot(rules_entry(node, "routes")), section,
                                SLICE("routes"), "there is no [[route]] named \"%.*s\"",
                                SLICE_FMT(w->routes[i]));
    }
}

static void check_shape(struct rules *r, struct engine_shape *s, unsigned n)
{
    const struct toml_node *node = rules_nth(r, "shape", n);
    static const char *const limits[] = {"max_connections", "max_messages_per_connection",
                                         "message_rate",    "idle_timeout",
                                         "connect_timeout", "greeting_timeout",
                                         "command_timeout", "data_timeout",
                                         "final_timeout"};
    bool sets = false;
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        sets |= rules_entry(node, limits[i]) != NULL;
    if (!sets)
        config_mistakes_add(r->m, rules_spot(node), "shape", SLICE_NONE,
                            "sets nothing: give it max_connections, message_rate or another limit");
    if (!s->name.n)
        s->name = arena_printf(&r->c->arena, "shape %u", n + 1);
    check_routes(r, "shape", node, &s->where);
}

static bool is_code(struct slice code)
{
    for (size_t i = 0; i < code.n; i++)
        if (code.p[i] != '?' && !ascii_is_digit(code.p[i]))
            return false;
    return code.n == 3 && (code.p[0] == '4' || code.p[0] == '5' || code.p[0] == '?');
}

static bool is_status(struct slice status)
{
    for (size_t i = 0; i < status.n; i++)
        if (status.p[i] != '*' && status.p[i] != '.' && !ascii_is_digit(status.p[i]))
            return false;
    return status.n && (status.p[0] == '4' || status.p[0] == '5' || status.p[0] == '*');
}

static void check_reply(struct rules *r, struct policy_reply_rule *rule, unsigned n)
{
    const struct toml_node *node = rules_nth(r, "reply", n);
    if (!rules_entry(node, "code") && !rules_entry(node, "status") && !rules_entry(node, "text"))
        config_mistakes_add(r->m, rules_spot(node), "reply", SLICE_NONE,
                            "fits every refusal: give it code, status or text");
    if (rule->code.n && !is_code(rule->code))
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "code")), "reply", SLICE("code"),
                            "is no code of a refusal: write one such as \"421\", \"4??\" or "
                            "\"55?\"");
    if (rule->status.n && !is_status(rule->status))
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "status")), "reply", SLICE("status"),
                            "is no enhanced code of a refusal: write one such as \"4.7.28\", "
                            "\"4.7.*\" or \"*.7.1\"");
    bool takes_time = rule->then == POLICY_REPLY_BACK_OFF || rule->then == POLICY_REPLY_SLOW_DOWN;
    if (rules_entry(node, "for") && rules_entry(node, "then") && !takes_time)
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "for")), "reply", SLICE("for"),
                            "is for back_off and slow_down only");
    if (!rule->name.n)
        rule->name = arena_printf(&r->c->arena, "reply %u", n + 1);
    check_routes(r, "reply", node, &rule->where);
}

void config_shapes_check(struct rules *r)
{
    struct engine_options *e = &r->c->engine;
    for (unsigned i = 0; i < e->shape_count; i++)
        check_shape(r, &e->shapes[i], i);
    for (unsigned i = 0; i < e->reply_count; i++)
        check_reply(r, &e->replies[i], i);
}
