/* smtp_server_command.h -- one command line: what it is, whether it may stand here, its answer. */
#pragma once

#include "smtp_server_state.h"

/* line: without CRLF, no CR, LF or NUL in it. is_last: no input stands behind it. The event is
 * NEEDS_INPUT when the command was answered and nobody has to know. */
struct smtp_server_event smtp_server_command_run(struct smtp_server *s, struct slice line,
                                                 bool is_last);
