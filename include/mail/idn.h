/* idn.h -- internationalised domain names (IDNA2008): U-labels to A-labels.
 *
 * In the envelope a domain stays as it was received. The DNS, and a peer that has no SMTPUTF8, want
 * "xn--" labels: whoever asks the one or talks to the other converts. */
#pragma once

#include "base/buf.h"

/* "exämple.net" -> "xn--exmple-cua.net", lower case; a domain in ASCII and an address literal in
 * brackets come out as they are. False: no such name can exist in the DNS, or out is full. */
bool mail_domain_to_ascii(struct slice domain, struct buf *out);
/* The whole address. False also where the local part is not ASCII: nothing can stand for it. */
bool mail_address_to_ascii(struct slice text, struct buf *out);
