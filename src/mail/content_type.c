/* content_type.c -- see the header. */
#include "mail/content_type.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_token(char c)
{
    return (uint8_t)c > ' ' && (uint8_t)c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* Blanks, folding and comments, which nest (RFC 5322 section 3.2.2). */
static struct slice skip(struct slice in)
{
    size_t at = 0;
    unsigned depth = 0;
    while (at < in.n) {
        char c = in.p[at];
        if (c == '(')
            depth++;
        else if (depth && c == ')')
            depth--;
        else if (depth && c == '\\')
            at++;
        else if (!depth && !is_space(c))
            break;
        at++;
    }
    return slice_from(in, at);
}

static struct slice take_token(struct slice *in)
{
    *in = skip(*in);
    size_t n = 0;
    while (n < in->n && is_token(in->p[n]))
        n++;
    struct slice token = slice_head(*in, n);
    *in = skip(slice_from(*in, n));
    return token;
}

static bool take_char(struct slice *in, char c)
{
    if (!in->n || in->p[0] != c)
        return false;
    *in = skip(slice_from(*in, 1));
    return true;
}

/* A quoted string, its quoting undone into out; more than fits is counted and dropped. */
static size_t take_quoted(struct slice *in, char *out, size_t room)
{
    size_t n = 0, at = 1;
    for (; at < in->n && in->p[at] != '"'; at++) {
        if (in->p[at] == '\\' && at + 1 < in->n)
            at++;
        if (in->p[at] == '\r' || in->p[at] == '\n')
            continue;
        if (n < room)
            out[n] = in->p[at];
        n++;
    }
    *in = skip(slice_from(*in, at + 1));
    return n;
}

/* RFC 2046 section 5.1.1: a boundary does not end with a blank; we ask for printable ones. */
static bool is_boundary(const char *p, size_t n)
{
    if (n == 0 || n > MAIL_BOUNDARY_BYTES_MAX || p[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (p[i] < ' ' || p[i] > 0x7e)
            return false;
    return true;
}

static size_t take_value(struct slice *in, char out[MAIL_BOUNDARY_BYTES_MAX])
{
    if (in->n && in->p[0] == '"')
        return take_quoted(in, out, MAIL_BOUNDARY_BYTES_MAX);
    struct slice token = take_token(in);
    memcpy(out, token.n ? token.p : "", slice_head(token, MAIL_BOUNDARY_BYTES_MAX).n);
    return token.n;
}

struct mail_content_type mail_content_type_parse(struct slice body)
{
    struct mail_content_type t = {0};
    struct slice type = take_token(&body);
    if (!type.n || !take_char(&body, '/'))
        return t;
    struct slice subtype = take_token(&body);
    if (!subtype.n)
        return t;
    t.type = type;
    t.subtype = subtype;
    while (take_char(&body, ';')) {
        struct slice name = take_token(&body);
        char value[MAIL_BOUNDARY_BYTES_MAX];
        if (!name.n || !take_char(&body, '='))
            continue;
        size_t n = take_value(&body, value);
        if (!t.boundary_bytes && slice_eq_nocase(name, SLICE("boundary")) &&
            is_boundary(value, n)) {
            memcpy(t.boundary, value, n);
            t.boundary_bytes = n;
        }
    }
    return t;
}

struct slice mail_content_encoding_parse(struct slice body)
{
    return take_token(&body);
}
