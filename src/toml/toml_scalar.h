/* toml_scalar.h -- values that stand bare: booleans, numbers, dates and times. */
#pragma once

#include "toml_text.h"

/* The cursor stands on the first byte of what should be one. Fills kind and value of out. */
bool toml_scalar_parse(struct toml_text *t, struct toml_node *out);
