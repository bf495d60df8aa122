/* line_scan.c -- see the header. */
#include "mail/line_scan.h"

enum { LINE_BYTES_MAX = 998 };

void mail_line_scan_feed(struct mail_line_scan *s, struct slice in)
{
    for (size_t i = 0; i < in.n && !s->is_binary; i++) {
        unsigned char c = (unsigned char)in.p[i];
        if ((c == '\n') != s->is_behind_cr || c == 0) {
            s->is_binary = true;
        } else if (c == '\n') {
            s->is_behind_cr = false;
            s->line_bytes = 0;
            s->is_doubled = false;
        } else if (c == '\r') {
            s->is_behind_cr = true;
        } else {
            s->is_doubled |= s->line_bytes == 0 && c == '.';
            s->has_8bit |= c > 127;
            s->is_binary = ++s->line_bytes > LINE_BYTES_MAX + (s->is_doubled ? 1u : 0u);
        }
    }
}

void mail_line_scan_end(struct mail_line_scan *s, bool *lacks_end)
{
    s->is_binary |= s->is_behind_cr;
    *lacks_end = !s->is_binary && s->line_bytes > 0;
}
