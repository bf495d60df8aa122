/* config_rules.h -- what one row cannot know: defaults from the world, and rules between keys. */
#pragma once

#include "config_mistakes.h"

/* The file has been read into the draft as far as it is right. tree: its root, for what was given
 * and where. */
void config_rules_apply(struct config_draft *d, const struct toml_node *tree,
                        const struct config_world *world, struct config_mistakes *m);
