/* smtp_line.h -- take one command line out of received bytes, strictly.
 *
 * Only CRLF ends a line; a CR or LF alone and a NUL are found in the order they came. What comes of
 * a line without its end is kept here; an overlong line is not kept but counted up to its end. The
 * result does not depend on how the bytes were cut into pieces. */
#pragma once

#include "base/buf.h"

enum { SMTP_LINE_DROP_BYTES_MAX = 65536 }; /* an overlong line is read through up to here */

enum smtp_line_found {
    SMTP_LINE_MORE,    /* everything is used, the end has not come */
    SMTP_LINE_DONE,    /* *text is the line without CRLF, valid until the next call */
    SMTP_LINE_LONG,    /* a line longer than allowed has ended */
    SMTP_LINE_ENDLESS, /* SMTP_LINE_DROP_BYTES_MAX without an end: close */
    SMTP_LINE_BARE,    /* CR or LF alone: close */
    SMTP_LINE_NUL,     /* close */
};

struct smtp_line {
    struct buf kept; /* first part of a line, its end to come */
    size_t bytes;    /* of the line so far, kept or not */
    bool is_long;    /* its bytes are not kept any more */
    bool has_cr;     /* its last byte was CR */
};

void smtp_line_init(struct smtp_line *l);
void smtp_line_close(struct smtp_line *l);
/* is_auth: the line answers an AUTH challenge and may have SMTP_AUTH_LINE_BYTES_MAX, as a line that
 * begins with "AUTH " may. */
enum smtp_line_found smtp_line_take(struct smtp_line *l, struct slice in, bool is_auth,
                                    size_t *used, struct slice *text);
/* After DONE, when the text is not needed any more: wipes and frees what was kept of it. */
void smtp_line_forget(struct smtp_line *l);
bool smtp_line_is_begun(const struct smtp_line *l);

/* Overwrites what may have held a password, then frees it. The buf stays usable. */
void smtp_line_wipe(struct buf *b);
