/* smtp_server_body.h -- find the end of a message in received bytes, strictly.
 *
 *            CR LF                     '.'            CR             LF
 *   TEXT  ----------->  LINE (start)  ----->  DOT  ------->  DOT_CR ----->  end
 *     ^------ any ---------'  ^--- any, the held dot is text ---'
 *
 * Only CRLF "." CRLF ends a message and only CRLF a line; a CR or LF alone, and a NUL, are never
 * text. A dot that may begin the end is held back until it is known to be text, so that text is
 * exactly the body in wire form. Bytes are searched with memchr, block by block. */
#pragma once

#include "base/slice.h"

enum { SMTP_SERVER_BODY_BLOCK_BYTES = 65536 }; /* looked at in one call */

enum smtp_server_body_found {
    SMTP_SERVER_BODY_MORE, /* *used bytes gave nothing to hand on; call again when any are left */
    SMTP_SERVER_BODY_TEXT, /* *text is body: a part of `in`, or a static dot (*used is 0 then) */
    SMTP_SERVER_BODY_DOT,  /* the end: *used bytes belong to it */
    SMTP_SERVER_BODY_BARE, /* CR or LF alone stands at `in` */
    SMTP_SERVER_BODY_NUL,  /* NUL stands at `in` */
};

struct smtp_server_body {
    enum {
        BODY_AT_LINE, /* first: a message may be the dot alone */
        BODY_AT_TEXT,
        BODY_AT_CR,
        BODY_AT_DOT,    /* a dot is held back */
        BODY_AT_DOT_CR, /* and a CR */
    } at;
    uint32_t line_bytes;   /* of the present line so far */
    bool has_endless_line; /* a line passed SMTP_BODY_LINE_BYTES_MAX (with CRLF); sticks */
};

void smtp_server_body_init(struct smtp_server_body *b);
enum smtp_server_body_found smtp_server_body_scan(struct smtp_server_body *b, struct slice in,
                                                  size_t *used, struct slice *text);
