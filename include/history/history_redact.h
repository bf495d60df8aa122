/* history_redact.h -- a record without the addresses in it, for those who may not keep them. The
 * keys are made before; a look-up by the full address still finds it. */
#pragma once

#include "history/history_record.h"

enum history_redaction {
    HISTORY_REDACT_NONE,
    HISTORY_REDACT_LOCAL_PART, /* "b***@example.org" */
    HISTORY_REDACT_ALL,        /* "***" */
};

/* A parsed record, written anew. Addresses go in sender, recipients and user, and wherever a reply
 * names one. False: out is full. */
bool history_redact(const struct history_record *r, enum history_redaction how, struct buf *out);
/* Any text: what looks like an address in it, and `local` standing as a word. */
void history_redact_text(struct slice text, struct slice local, enum history_redaction how,
                         struct buf *out);
