/* config_mistakes.h -- the list of what is wrong, for people.
 *
 * Bounded: behind CONFIG_MISTAKES_MAX only one more says that there are more. */
#pragma once

#include "config_table.h"
#include "toml/toml.h"

struct config_mistakes {
    struct arena *arena; /* the caller's; keys and texts live in it */
    struct config_mistake *list;
    unsigned count;
    bool has_more;
};

void config_mistakes_init(struct config_mistakes *m, struct arena *arena);
/* The key is section "." key, or section alone when key is empty (which may be a whole path then).
 * Both empty: the file as a whole. */
void config_mistakes_add(struct config_mistakes *m, struct toml_spot at, const char *section,
                         struct slice key, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Sorts by place. */
void config_mistakes_finish(struct config_mistakes *m);

/* What to say about a key that no row knows: the nearest one, or where it belongs, or all. */
struct slice config_mistakes_unknown(const char *section, struct slice key, struct arena *arena);
