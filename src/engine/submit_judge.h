/* submit_judge.h -- may this login send this? Sender, recipients, From, size, rates and quota.
 *
 * An answer's text lives as long as the actions of the event. A session without a login is judged
 * by its network alone (submit_mail.c) and never comes here. */
#pragma once

#include "intake.h"

struct smtp_answer submit_judge_sender(struct engine *e, struct slice name,
                                       const struct smtp_server_event *ev);
/* `before`: recipients the message has already. */
struct smtp_answer submit_judge_recipient(struct engine *e, struct slice name, struct slice address,
                                          unsigned before);
/* The whole message has come. A yes is charged, and the intake knows it. */
struct smtp_answer submit_judge_message(struct engine *e, struct slice name, struct intake *in);
/* It was not accepted after all. */
void submit_judge_undo(struct engine *e, struct intake *in);
