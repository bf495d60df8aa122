/* toml_string.h -- the four forms of strings. */
#pragma once

#include "toml_text.h"

/* The cursor stands on a quotation mark. The result is a copy in the arena. */
bool toml_string_parse(struct toml_text *t, struct slice *out);
/* The same where a key is expected: the forms of several lines are refused. */
bool toml_string_parse_key(struct toml_text *t, struct slice *out);
