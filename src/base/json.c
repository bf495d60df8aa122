/* json.c -- write JSON (RFC 8259): commas, quoting, and the repair of what is no UTF-8. */
#include "base/json.h"

#include <stdio.h>

#include "base/utf8.h"

static bool is_plain(char c)
{
    return (uint8_t)c >= 0x20 && (uint8_t)c < 0x7f && c != '"' && c != '\\';
}

static void add_quoted(struct buf *out, struct slice s)
{
    buf_add_char(out, '"');
    for (size_t at = 0; at < s.n;) {
        size_t from = at;
        while (at < s.n && is_plain(s.p[at]))
            at++;
        if (at > from)
            buf_add(out, slice_of(s.p + from, at - from));
        if (at == s.n)
            break;
        char c = s.p[at];
        uint32_t code = 0;
        int n = utf8_next(slice_from(s, at), &code);
        if (n > 1) {
            buf_add(out, slice_of(s.p + at, (size_t)n));
        } else if (n == 0) {
            buf_add_cstr(out, "\xef\xbf\xbd"); /* U+FFFD for each byte that is no UTF-8 */
            n = 1;
        } else if (c == '"' || c == '\\') {
            buf_add_char(out, '\\');
            buf_add_char(out, c);
        } else if (c == '\n') {
            buf_add_cstr(out, "\\n");
        } else if (c == '\r') {
            buf_add_cstr(out, "\\r");
        } else if (c == '\t') {
            buf_add_cstr(out, "\\t");
        } else {
            buf_addf(out, "\\u%04x", (unsigned)code);
        }
        at += (size_t)n;
    }
    buf_add_char(out, '"');
}

static void start_value(struct json *j, const char *key)
{
    if (j->needs_comma[j->depth])
        buf_add_char(j->out, ',');
    j->needs_comma[j->depth] = true;
    if (key) {
        add_quoted(j->out, slice_cstr(key));
        buf_add_char(j->out, ':');
    }
}

static void open(struct json *j, const char *key, char opening)
{
    start_value(j, key);
    CHECK(j->depth + 1 < JSON_DEPTH_MAX);
    buf_add_char(j->out, opening);
    j->needs_comma[++j->depth] = false;
}

void json_init(struct json *j, struct buf *out)
{
    *j = (struct json){.out = out};
}

void json_object(struct json *j, const char *key)
{
    open(j, key, '{');
}

void json_array(struct json *j, const char *key)
{
    open(j, key, '[');
}

void json_end(struct json *j, char closing)
{
    CHECK(j->depth > 0);
    j->depth--;
    buf_add_char(j->out, closing);
}

void json_string(struct json *j, const char *key, struct slice v)
{
    start_value(j, key);
    add_quoted(j->out, v);
}

void json_int(struct json *j, const char *key, int64_t v)
{
    start_value(j, key);
    buf_addf(j->out, "%lld", (long long)v);
}

void json_double(struct json *j, const char *key, double v)
{
    /* JSON knows no infinity and no NaN. */
    if (!(v - v == 0)) {
        json_null(j, key);
        return;
    }
    start_value(j, key);
    buf_addf(j->out, "%.15g", v);
}

void json_bool(struct json *j, const char *key, bool v)
{
    start_value(j, key);
    buf_add_cstr(j->out, v ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
    start_value(j, key);
    buf_add_cstr(j->out, "null");
}
