/* from.c -- see the header. One mailbox at a time:
 *
 *   words "<" address ">"  |  address        up to "," ";" or the end; comments are dropped
 *   words ":"                                a group begins: its words name nobody */
#include "mail/from.h"

enum { COMMENT_DEPTH_MAX = 32 };

struct mailbox {
    char *text;
    size_t n;
    bool has_angle, is_in_angle, is_over; /* over: ">" came */
};

/* Behind the comment that begins at rest[0]; 0: it does not end. */
static size_t comment_bytes(struct slice in)
{
    int depth = 0;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\\')
            i++;
        else if (in.p[i] == '(' && ++depth > COMMENT_DEPTH_MAX)
            return 0;
        else if (in.p[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* The same of a quoted string or of a domain literal. */
static size_t span_bytes(struct slice in, char end)
{
    for (size_t i = 1; i < in.n; i++) {
        if (in.p[i] == '\\')
            i++;
        else if (in.p[i] == end)
            return i + 1;
    }
    return 0;
}

static bool add(struct mailbox *m, struct slice s)
{
    if (m->is_over || s.n > MAIL_FROM_ADDRESS_MAX - m->n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        m->text[m->n++] = s.p[i];
    return true;
}

/* One piece that is neither comment nor the mailbox's end; 0: wrong. */
static size_t take_piece(struct mailbox *m, struct slice in)
{
    size_t n = 1;
    switch (in.p[0]) {
    case '"':
        n = span_bytes(in, '"');
        break;
    case '[':
        n = span_bytes(in, ']');
        break;
    case '<':
        if (m->has_angle)
            return 0;
        m->has_angle = m->is_in_angle = true;
        m->n = 0;
        return 1;
    case '>':
        if (!m->is_in_angle)
            return 0;
        m->is_in_angle = false;
        m->is_over = true;
        return 1;
    case ' ':
    case '\t':
        if (m->is_over)
            return 1;
        break;
    case ':':
        if (m->has_angle)
            return 0;
        m->n = 0;
        return 1;
    }
    return n && add(m, slice_head(in, n)) ? n : 0;
}

/* Up to the end of one mailbox, which may be empty. False: wrong. */
static bool take_mailbox(struct slice *rest, struct mailbox *m)
{
    while (rest->n) {
        char c = rest->p[0];
        if (!m->is_in_angle && (c == ',' || c == ';')) {
            *rest = slice_from(*rest, 1);
            return true;
        }
        size_t n;
        if (c == '(') {
            n = comment_bytes(*rest);
        } else {
            n = take_piece(m, *rest);
        }
        if (!n)
            return false;
        *rest = slice_from(*rest, n);
    }
    return !m->is_in_angle;
}

enum parse mail_from_next(struct slice *rest, char text[MAIL_FROM_ADDRESS_MAX],
                          struct mail_address *out)
{
    while (rest->n) {
        struct mailbox m = {.text = text};
        if (!take_mailbox(rest, &m))
            return PARSE_BAD;
        struct slice address = slice_trim(slice_of(text, m.n));
        if (!address.n && !m.has_angle)
            continue;
        size_t used;
        enum parse p =
            mail_address_parse(address, MAIL_ADDRESS_LAX | MAIL_ADDRESS_UTF8, out, &used);
        return p == PARSE_DONE && out->domain.n ? PARSE_DONE : PARSE_BAD;
    }
    return PARSE_MORE;
}
