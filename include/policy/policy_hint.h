/* policy_hint.h -- when a refusal's words ask to come again: "try again in 300 seconds",
 * "Greylisted for 5 minutes", "please come back in 00:04:32", "retry after PT5M". And whether they
 * are those of greylisting.
 *
 * A peer's text: any bytes, any length; one pass over it. */
#pragma once

#include "base/slice.h"

enum { POLICY_HINT_MS_MAX = 7 * 24 * 3600 * 1000 }; /* what is longer is cut to it */

/* A duration behind words that ask to wait, in one clause: "50 messages in 60 seconds, try later"
 * has none. */
bool policy_hint_wait_ms(struct slice text, int64_t *ms);
/* code: greylisting says 450 or 451 (RFC 6647 section 2). */
bool policy_hint_is_greylisting(int code, struct slice text);
