/* guard.h -- guessing passwords: who has failed too often is not even tried any more.
 *
 * Failures are counted by address (IPv6: by /64, which is what one customer gets) and by user, in
 * windows that begin with a first failure. A user is counted so that one password cannot be guessed
 * from many addresses; addresses that have logged in as that user before are let in all the same,
 * so that guessing locks nobody out. Unknown users count as known ones do. The table is bounded:
 * what was touched longest ago makes room. */
#pragma once

#include "engine_core.h"

enum {
    GUARD_ENTRIES_MAX = 20000,
    GUARD_USER_TIMES = 5,              /* a user may fail so many times as often as an address */
    GUARD_KNOWN_MS = 7 * 24 * 3600000, /* an address is remembered as its user's */
};

enum guard_verdict { GUARD_FREE, GUARD_ADDRESS, GUARD_USER };

void guard_init(struct engine *e);
void guard_close(struct engine *e);
/* Anything but FREE: *wait_ms until then. A trusted address is free of the first limit: many people
 * may stand behind it. */
enum guard_verdict guard_ask(struct engine *e, const struct ip *from, bool is_trusted,
                             struct slice user, int64_t *wait_ms);
void guard_wrong(struct engine *e, const struct ip *from, struct slice user);
void guard_right(struct engine *e, const struct ip *from, struct slice user);
