/* from.h -- the mailboxes of a From field (RFC 5322 section 3.6.2), to judge who is named there.
 *
 * Strict where readers differ: two addresses in one mailbox, text behind the ">", an open quote or
 * comment, blanks inside an address are PARSE_BAD, so that nobody is named whom we do not see. */
#pragma once

#include "mail/address.h"

enum { MAIL_FROM_ADDRESS_MAX = 512 }; /* of one mailbox, comments not counted */

/* The next mailbox of an unfolded value; *rest starts as the value. PARSE_DONE: *out points into
 * `text`. PARSE_MORE: there are no more (a group may be empty). */
MUST_USE enum parse mail_from_next(struct slice *rest, char text[MAIL_FROM_ADDRESS_MAX],
                                   struct mail_address *out);
