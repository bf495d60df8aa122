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

void config_sources_check(struct rules *r); /* config_sources.c */
void config_routes_check(struct rules *r);  /* config_routes.c */
void config_shapes_check(struct rules *r);  /* config_shapes.c */
void config_oauth_check(struct rules *r);   /* config_oauth.c */
/* Of a login in `section`: does the account that it names exist? */
void config_oauth_check_login(struct rules *r, const char *section, struct slice account,
                              const struct toml_node *login);
/* config_logins.c: what we log in with; and whether there is anything for a route. */
void config_logins_check(struct rules *r);
bool config_logins_has(const struct rules *r, unsigned route);
