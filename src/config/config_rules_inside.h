/* config_rules_inside.h -- what the rules between keys share. */
#pragma once

#include "config_rules.h"

struct rules {
    struct config_draft *draft;
    struct config *c; /* the draft's */
    const struct toml_node *tree;
    const struct config_world *world;
    struct config_mistakes *m;
};

extern const struct toml_spot rules_nowhere;

/* The entry of a table; NULL: it is no table, or has none. */
const struct toml_node *rules_entry(const struct toml_node *table, const char *key);
/* The key's value in the file, NULL when it was not given. */
const struct toml_node *rules_given(const struct rules *r, const char *section, const char *key);
/* The node of the n-th [[section]]. */
const struct toml_node *rules_nth(const struct rules *r, const char *section, unsigned n);
struct toml_spot rules_spot(const struct toml_node *node);

void config_oauth_check(struct rules *r); /* config_oauth.c */
void config_oauth_check_route(struct rules *r, const struct engine_route *route,
                              const struct toml_node *auth);
void config_routes_check(struct rules *r); /* config_routes.c */
