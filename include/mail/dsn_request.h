/* dsn_request.h -- what a sender wants to be told about a message's fate (RFC 3461): RET and ENVID
 * of the message, NOTIFY and ORCPT of each recipient. Text in, text out.
 *
 * ENVID and ORCPT are kept and passed on as they were received, in xtext; only a report decodes
 * them. Once they passed the checks here they hold no blank, no control character and, but for
 * ORCPT=utf-8 of a message with SMTPUTF8, only ASCII: they can be written into any command. */
#pragma once

#include "base/buf.h"

enum {
    MAIL_ENVID_BYTES_MAX = 100, /* RFC 3461 section 4.4, encoded */
    MAIL_ORCPT_BYTES_MAX = 500, /* section 4.2: type, ";" and encoded address */
    MAIL_ORCPT_TYPE_BYTES_MAX = 64,
};

/* How much of the message a report of failure should bring back. */
enum mail_ret { MAIL_RET_NONE, MAIL_RET_FULL, MAIL_RET_HDRS, MAIL_RET_COUNT };

/* Combined with |; 0: NOTIFY was not given, which means failure and perhaps delay. NEVER stands
 * alone. */
enum mail_notify {
    MAIL_NOTIFY_NEVER = BIT(0),
    MAIL_NOTIFY_SUCCESS = BIT(1),
    MAIL_NOTIFY_FAILURE = BIT(2),
    MAIL_NOTIFY_DELAY = BIT(3),
};

/* False: not a value that RFC 3461 knows. */
bool mail_ret_parse(struct slice value, enum mail_ret *out);
bool mail_notify_parse(struct slice value, unsigned *out);
bool mail_notify_is_valid(unsigned notify);
/* "SUCCESS,DELAY" as a NOTIFY parameter has it; of 0: nothing. */
bool mail_notify_build(unsigned notify, struct buf *out);

/* 1 to 100 bytes of xtext that stand for printable ASCII. */
bool mail_envid_is_valid(struct slice value);
/* "rfc822;user+40example.com": 1 to 500 bytes of xtext that stand for UTF-8 without control
 * characters. is_utf8: the message has SMTPUTF8, so that the type
 * "utf-8" may have its address in UTF-8 (RFC 6533 section 3). */
bool mail_orcpt_is_valid(struct slice value, bool is_utf8);

/* xtext (RFC 3461 section 4): all printable ASCII but "+" and "=", which come as "+2B" and "+3D".
 */
bool mail_xtext_is_valid(struct slice text);
/* Decoded, as a field of a report may hold it: what is not printable ASCII becomes '?'. False: out
 * is full. */
bool mail_xtext_decode(struct slice text, struct buf *out);
bool mail_xtext_build(struct slice text, struct buf *out); /* the other way */
