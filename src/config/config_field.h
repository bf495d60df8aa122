/* config_field.h -- header fields that rewrite adds, and names of those it removes. */
#pragma once

#include "base/arena.h"
#include "config_table.h"

/* As config_value_set: what is wrong, empty when nothing is. */
struct slice config_field_set(const struct config_option *o, struct slice text, struct arena *a,
                              struct slice *out);
struct slice config_field_set_name(const struct config_option *o, struct slice text,
                                   struct arena *a, struct slice *out);
