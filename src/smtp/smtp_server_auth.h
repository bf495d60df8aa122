/* smtp_server_auth.h -- AUTH PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 with and without -PLUS (RFC
 * 7677) and EXTERNAL (RFC 4422) inside SMTP (RFC 4954). */
#pragma once

#include "smtp_server_state.h"

/* EHLO's line, if AUTH is on offer in this session, here and now: never in clear text over a
 * network. */
void smtp_server_auth_say_offer(struct smtp_server *s);
/* The AUTH command. */
struct smtp_server_event smtp_server_auth_begin(struct smtp_server *s, struct slice args);
/* A line in one of the AUTH states. */
struct smtp_server_event smtp_server_auth_line(struct smtp_server *s, struct slice line);
/* SCRAM goes on; is_last: the client was right. */
void smtp_server_auth_challenge(struct smtp_server *s, struct slice message, bool is_last);
/* That line was too long. */
void smtp_server_auth_line_is_long(struct smtp_server *s);
