/* header_field.c -- see the header. */
#include "mail/header_field.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line at the start of `in`, its end included. */
static struct slice line_of(struct slice in)
{
    return slice_head(in, slice_find(in, '\n') + 1);
}

bool mail_header_field_next(struct slice *rest, struct mail_header_field *out)
{
    struct slice in = *rest;
    size_t n = 0;
    while (n < in.n && in.p[n] > ' ' && in.p[n] < 0x7f && in.p[n] != ':')
        n++;
    size_t colon = n;
    while (colon < in.n && is_blank(in.p[colon]))
        colon++;
    if (!n || colon == in.n || in.p[colon] != ':')
        return false;
    size_t end = line_of(in).n;
    while (end < in.n && is_blank(in.p[end]))
        end += line_of(slice_from(in, end)).n;
    *out = (struct mail_header_field){
        .whole = slice_head(in, end),
        .name = slice_head(in, n),
        .body = slice_from(slice_head(in, end), colon + 1),
    };
    *rest = slice_from(in, end);
    return true;
}

bool mail_header_is_stuffed(struct slice section)
{
    for (; section.n; section = slice_from(section, line_of(section).n))
        if (section.p[0] == '.')
            return true;
    return false;
}

bool mail_header_unstuff(struct slice wire, struct buf *out)
{
    while (wire.n) {
        struct slice line = line_of(wire);
        buf_add(out, slice_from(line, line.p[0] == '.'));
        wire = slice_from(wire, line.n);
    }
    return !out->is_full;
}

bool mail_header_stuff(struct slice lines, struct buf *out)
{
    while (lines.n) {
        struct slice line = line_of(lines);
        if (line.p[0] == '.')
            buf_add_char(out, '.');
        buf_add(out, line);
        lines = slice_from(lines, line.n);
    }
    return !out->is_full;
}
