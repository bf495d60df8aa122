/* report.h -- reports (DSN) as outcome makes them: begun, filled, started; see report.c. */
#pragma once

#include "engine_core.h"
#include "mail/dsn.h"

/* fate: of the recipients afterwards (QUEUE_WAITING for a delay report); room: how many at most. */
struct report *report_new(struct engine *e, struct queue_message *m, enum mail_dsn_kind kind,
                          enum queue_fate fate, uint32_t room);
/* The texts are copied. */
void report_add(struct report *r, uint32_t index, struct smtp_status status, struct slice reply,
                struct slice reason, struct slice host, struct slice ip);
/* By what NOTIFY says of this recipient. */
bool report_is_wanted(const struct queue_message *m, uint32_t i, enum mail_dsn_kind kind);
/* Starts what report_new and report_add have prepared, or drops it when nobody was added. */
void report_start(struct engine *e, struct report *r);
