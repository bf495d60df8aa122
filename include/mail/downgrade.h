/* downgrade.h -- a message for a server that takes seven bits only: parts in 8bit or binary become
 * quoted-printable or base64 (RFC 6152 section 3, RFC 3030 section 3, RFC 2045 section 6).
 *
 * Wire form in and out (CRLF lines, dots doubled; binary bodies as they are stored), piece by
 * piece; any chunking gives the same result. What happens to a part:
 *
 *   text, message/global and its kin in 8bit, 7bit or without an encoding   quoted-printable
 *   anything else so                            base64
 *   multipart, message/rfc822                   "7bit"; their parts are walked through
 *   quoted-printable, base64, unknown ones      untouched
 *   other message types; in multipart/signed what is declared (or means) 7bit     untouched
 *
 * Only Content-Transfer-Encoding fields change; MIME-Version and Content-Type are added where a
 * body with eight bits has none (charset unknown-8bit, RFC 1428). Signatures over what is changed
 * break: so it is done only for servers that take nothing else, and before anything of ours
 * signs. Nothing that leaves holds NUL, CR or LF but as CRLF; a byte beyond ASCII only where a part
 * lied about itself. */
#pragma once

#include "base/buf.h"

struct mail_downgrade;

/* is_binary: it came as BINARYMIME, its parts may hold CR and LF alone whatever they say. */
MUST_USE struct mail_downgrade *mail_downgrade_new(bool is_binary);
void mail_downgrade_free(struct mail_downgrade *d);

/* What n bytes of input may add to the output, at most. */
enum { MAIL_DOWNGRADE_OUT_BASE = 65536, MAIL_DOWNGRADE_OUT_EACH = 4 };

void mail_downgrade_feed(struct mail_downgrade *d, struct slice wire, struct buf *out);
void mail_downgrade_end(struct mail_downgrade *d, struct buf *out);
