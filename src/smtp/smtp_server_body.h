/* smtp_server_body.h -- read a message out of received bytes, strictly: up to its dot (DATA), or in
 * chunks whose length is known (BDAT, RFC 3030).
 *
 *            CR LF                     '.'            CR             LF
 *   TEXT  ----------->  LINE (start)  ----->  DOT  ------->  DOT_CR ----->  end
 *     ^------ any ---------'  ^--- any, the held dot is text ---'
 *
 * Only CRLF "." CRLF ends a message and only CRLF a line; a CR or LF alone, and a NUL, are never
 * text. A dot that may begin the end is held back until it is known to be text, so that text is
 * exactly the body in wire form. Bytes are searched with memchr, block by block.
 *
 * In a chunk a dot means nothing: one at a line's start is doubled, so that both ways give the same
 * wire form. Line ends are as strict; only the body of a BINARYMIME message, behind its header, may
 * hold any byte. There "a line's start" is behind CRLF, and it may end without one. */
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
    bool in_header; /* chunks: no empty line has come */
    bool is_binary; /* chunks of BODY=BINARYMIME */
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

void smtp_server_body_init(struct smtp_server_body *b, bool is_binary);
enum smtp_server_body_found smtp_server_body_scan(struct smtp_server_body *b, struct slice in,
                                                  size_t *used, struct slice *text);
/* `in` is of a chunk. Never DOT; *text may be a static dot, that of the input is still to come. */
enum smtp_server_body_found smtp_server_body_scan_chunk(struct smtp_server_body *b, struct slice in,
                                                        size_t *used, struct slice *text);
/* After the last chunk. TEXT: the CRLF that was missing; MORE: nothing is; BARE: it ends with CR.
 */
enum smtp_server_body_found smtp_server_body_end_chunks(const struct smtp_server_body *b,
                                                        struct slice *text);
