/* config_users.h -- the file that users_file names: one "name:hash" a line, as htpasswd writes
 * them.
 *
 * Blank lines and those that begin with "#" say nothing. A name that a [[user]] has adds its hash
 * to that one, whose limits it keeps; any other is a user without limits. */
#pragma once

#include "config_mistakes.h"
#include "config_table.h"

enum { CONFIG_FILE_USERS_MAX = 5000, CONFIG_FILE_USER_BYTES_MAX = 1024 };

/* One line. PARSE_DONE: a user. PARSE_MORE: it says nothing. PARSE_BAD: *said is what is wrong. */
MUST_USE enum parse config_users_line(struct slice line, struct arena *arena, struct slice *name,
                                      struct slice *hash, struct slice *said);
/* The whole text into the draft's users. */
void config_users_add(struct config_draft *d, struct slice text, struct toml_spot at,
                      struct config_mistakes *m);
