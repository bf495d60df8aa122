/* smtp_server_auth.h -- AUTH PLAIN (RFC 4616), LOGIN and SCRAM-SHA-256 (RFC 7677) inside SMTP (RFC
 * 4954). */
#pragma once

#include "smtp_server_state.h"

/* Is AUTH on offer in this session, here and now? Never in clear text over a network. */
bool smtp_server_auth_is_offered(const struct smtp_server *s);
/* The AUTH command. */
struct smtp_server_event smtp_server_auth_begin(struct smtp_server *s, struct slice args);
/* A line in one of the AUTH states. */
struct smtp_server_event smtp_server_auth_line(struct smtp_server *s, struct slice line);
/* SCRAM goes on; is_last: the client was right. */
void smtp_server_auth_challenge(struct smtp_server *s, struct slice message, bool is_last);
/* That line was too long. */
void smtp_server_auth_line_is_long(struct smtp_server *s);
