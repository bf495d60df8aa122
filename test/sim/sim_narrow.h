/* sim_narrow.h -- what a host without 8BITMIME gets, read back with eyes of its own. */
#pragma once

#include "base/buf.h"

/* `got`: a message as it came, dots undone. Was it made quoted-printable by the relay, `out` is
 * what it was before. False: it was not. */
bool sim_narrow_undo(struct slice got, struct buf *out);
