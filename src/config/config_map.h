/* config_map.h -- addresses and rules "pattern = target, target" of the configuration. */
#pragma once

#include "base/arena.h"
#include "rewrite/rewrite.h"

/* As config_value_set: what is wrong, empty when nothing is. */
struct slice config_map_set_address(struct slice text, struct arena *a, struct slice *out);
struct slice config_map_set_rule(struct slice text, struct arena *a, struct rewrite_rule *out);
