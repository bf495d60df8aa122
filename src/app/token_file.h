/* token_file.h -- refresh tokens under state_dir/tokens: one file an account, named so, mode 0600,
 * the token on its one line. Blocking. */
#pragma once

#include "base/buf.h"

/* The token into `out`. ERR_MISSING: there is none. A file that others may read or write, or that
 * is somebody else's, is refused: ERR_DENIED. */
MUST_USE enum err token_file_read(struct slice state_dir, struct slice account, struct buf *out,
                                  struct fault *why);
/* In place at once or not at all, synced. Written by root it belongs to whom the state directory
 * belongs to. */
MUST_USE enum err token_file_write(struct slice state_dir, struct slice account, struct slice token,
                                   struct fault *why);
/* One line that may be a token; blanks around it are dropped. False: it is none. */
MUST_USE bool token_file_parse(struct slice content, struct slice *token);
/* When it was written, Unix seconds; 0: there is none. */
int64_t token_file_time(struct slice state_dir, struct slice account);
