/* encode.h -- content into lines that every server takes: quoted-printable and base64
 * (RFC 2045 sections 6.7 and 6.8), and text that only has to stay within lines. Dots at the start
 * of a line are doubled. Inside of the mail room. */
#pragma once

#include "base/buf.h"

struct mail_encode {
    struct buf *out;
    bool is_in_line; /* something stands on the present line */
    size_t column;
    char blank; /* quoted-printable: held back, the line may end behind it; 0: none */
    uint8_t rest[3];
    unsigned rest_count; /* base64 */
};

/* Text as it is. A CR or LF alone ends the line, in a field (`folds`) it becomes '?', as NUL does.
 * A line over 998 is broken, in a field with a blank behind it. */
void mail_encode_plain(struct mail_encode *e, struct slice text, bool folds);
void mail_encode_line_end(struct mail_encode *e); /* CRLF */

void mail_encode_qp(struct mail_encode *e, struct slice text); /* of one line */
void mail_encode_qp_line_end(struct mail_encode *e);
void mail_encode_qp_end(struct mail_encode *e); /* the content ends without a line end */

void mail_encode_base64(struct mail_encode *e, struct slice bytes);
void mail_encode_base64_end(struct mail_encode *e);
