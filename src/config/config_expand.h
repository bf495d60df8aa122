/* config_expand.h -- ${NAME} in strings, from the environment.
 *
 * NAME is [A-Za-z_][A-Za-z0-9_]*; "$${" stands for the characters "${"; any other "$" is itself.
 * What comes out of a variable is not looked at again. */
#pragma once

#include "config_table.h"

/* SLICE_NONE: *out is the result, in the arena. Else what is wrong, for a person; the text itself
 * is not repeated, as it may be a secret. */
MUST_USE struct slice config_expand(struct slice text, const struct config_world *world,
                                    struct arena *a, struct slice *out);
