/* line_scan.h -- is a body declared BINARYMIME text after all?
 *
 * Clients declare it casually, and few servers take it. What has no NUL, no CR or LF but as CRLF
 * and no line over 998 bytes (RFC 5321 section 4.5.3.1.6) can be sent to all of them. Fed with the
 * body in wire form, in any pieces; zeroed, it is at the start. */
#pragma once

#include "base/slice.h"

struct mail_line_scan {
    size_t line_bytes;             /* of the present line so far */
    bool is_behind_cr, is_doubled; /* the line began with a doubled dot */
    bool is_binary, has_8bit;      /* as far as it was seen */
};

void mail_line_scan_feed(struct mail_line_scan *s, struct slice in);
/* Behind the last byte: no CR waits for its LF. `lacks_end`: the last line has no CRLF. */
void mail_line_scan_end(struct mail_line_scan *s, bool *lacks_end);
