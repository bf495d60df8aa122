/* smtp_server_chunk.h -- BDAT (RFC 3030): messages in chunks whose length is known beforehand.
 *
 * Whatever is wrong with a chunk, its bytes are read through to the declared length and never taken
 * for commands; only where no length can be read, or too many bytes would have to be dropped, the
 * session ends. A refused chunk ends the transaction: the rest of its pipelined group is refused
 * too. */
#pragma once

#include "smtp_server_state.h"

/* The command line's "1000 LAST". */
struct smtp_server_event smtp_server_chunk_begin(struct smtp_server *s, struct slice args);
/* The caller's answer to the first chunk of a message. */
void smtp_server_chunk_on_data(struct smtp_server *s, bool is_accepted);
/* Something is to be done even if no input is there. */
bool smtp_server_chunk_is_due(const struct smtp_server *s);
/* Is the input, for now, chunk bytes? */
bool smtp_server_chunk_is_open(const struct smtp_server *s);
struct smtp_server_event smtp_server_chunk_step(struct smtp_server *s, struct slice in,
                                                size_t *used);
