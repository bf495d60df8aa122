/* sendmail_smtp.h -- sendmail -bs: standard input and output become a connection to the relay. */
#pragma once

#include "sendmail_where.h"

enum { SENDMAIL_SMTP_QUIET_MS = 10000 };

/* Bytes go through as they are; the relay does the talking. When the input ends, what the relay
 * still has to say is waited for: until it closes after QUIT, else until it is quiet for a while.
 * Returns the exit status. */
int sendmail_smtp(const struct sendmail_where *w);
