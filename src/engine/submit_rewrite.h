/* submit_rewrite.h -- what the operator's rules make of MAIL, RCPT and the header, on the way into
 * the intake.
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
/* The header section is whole: it is kept as rewritten, or the intake knows why not. */
void submit_rewrite_header(struct engine *e, struct intake *in, struct slice section);
/* What then is answered to the message; code 0: nothing is wrong with its header. */
struct smtp_answer submit_rewrite_answer(const struct intake *in);
/* The final dot has come: those who get every message. */
void submit_rewrite_end(struct engine *e, struct intake *in);
