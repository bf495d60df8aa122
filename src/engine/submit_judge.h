/* submit_judge.h -- may this login send this? Sender, recipients, From, size, rates and quota.
 *
 * An answer's text lives as long as the actions of the event; a limit behind it is left in
 * e->struck. A session without a login is judged by its network (submit_mail.c) and its place's
 * rate alone. */
#pragma once

#include "intake.h"

/* Has this place (ip_place) messages left in its rate? */
struct smtp_answer submit_judge_place(struct engine *e, uint64_t place);
struct smtp_answer submit_judge_sender(struct engine *e, struct slice name,
                                       const struct smtp_server_event *ev);
/* `before`: recipients the message has already. */
struct smtp_answer submit_judge_recipient(struct engine *e, struct slice name, struct slice address,
                                          unsigned before);
/* The whole message has come. A yes is charged, and the intake knows it. */
struct smtp_answer submit_judge_message(struct engine *e, struct slice name, struct intake *in);
/* It was not accepted after all. */
void submit_judge_undo(struct engine *e, struct intake *in);
