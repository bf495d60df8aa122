/* submit_rewrite.h -- what the operator's rules make of MAIL and RCPT, on the way into the intake.
 *
 * Every change is said in the log (`rewritten`); the address that RCPT named goes on as ORCPT, so
 * that reports and `outpost queue show` can tell it. */
#pragma once

#include "intake.h"

struct intake *submit_rewrite_mail(struct engine *e, struct session *s,
                                   const struct smtp_server_event *ev);
/* Code 0: all that it turned into is kept; else nothing is. */
struct smtp_answer submit_rewrite_rcpt(struct engine *e, struct intake *in,
                                       const struct smtp_server_event *ev);
/* The final dot has come: those who get every message. */
void submit_rewrite_end(struct engine *e, struct intake *in);
