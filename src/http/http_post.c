/* http_post.c -- see the header. */
#include "http/http_post.h"

#include "base/ip.h"

#include <string.h>

enum { HTTPS_PORT = 443 };

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || memchr("\"<>\\^`{|}#", s.p[i], 10))
            return false;
    return true;
}

static bool is_host_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && !memchr("-._", s.p[i], 3))
            return false;
    return s.n > 0 && s.n <= 253 && s.p[0] != '.';
}

static bool read_port(struct slice text, uint16_t *port)
{
    uint64_t n;
    if (!slice_to_u64(text, &n) || n < 1 || n > 65535)
        return false;
    *port = (uint16_t)n;
    return true;
}

bool http_url_parse(struct slice text, struct http_url *out)
{
    struct slice scheme = SLICE("https://");
    *out = (struct http_url){.port = HTTPS_PORT};
    if (text.n > HTTP_URL_BYTES_MAX || !slice_starts_nocase(text, scheme) || !is_visible(text))
        return false;
    struct slice rest = slice_from(text, scheme.n);
    size_t slash = slice_find(rest, '/'), mark = slice_find(rest, '?');
    struct slice where = slice_head(rest, slash < mark ? slash : mark);
    out->target = slice_from(rest, where.n);
    struct ip ip;
    if (where.n && where.p[0] == '[') {
        size_t end = slice_find(where, ']');
        out->host = slice_head(slice_from(where, 1), end - 1);
        out->is_address = true;
        struct slice behind = slice_from(where, end + 1);
        return end < where.n && ip_parse(out->host, &ip) &&
               (!behind.n || (behind.p[0] == ':' && read_port(slice_from(behind, 1), &out->port)));
    }
    size_t colon = slice_find(where, ':');
    out->host = slice_head(where, colon);
    out->is_address = ip_parse(out->host, &ip);
    return is_host_name(out->host) &&
           (colon == where.n || read_port(slice_from(where, colon + 1), &out->port));
}

bool http_form_add(struct buf *form, const char *key, struct slice value)
{
    static const char digit[] = "0123456789ABCDEF";
    if (form->n)
        buf_add_char(form, '&');
    buf_addf(form, "%s=", key);
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (c < 0x80 &&
            (ascii_is_alpha((char)c) || ascii_is_digit((char)c) || (c && memchr("-._~", c, 4)))) {
            buf_add_char(form, (char)c);
        } else {
            const char escaped[] = {'%', digit[c >> 4], digit[c & 15]};
            buf_add(form, slice_of(escaped, sizeof escaped));
        }
    }
    return !form->is_full;
}

bool http_post_build(const struct http_url *url, struct slice form, struct buf *out)
{
    bool is_v6 = slice_find(url->host, ':') < url->host.n;
    bool has_path = url->target.n && url->target.p[0] == '/';
    buf_addf(out, "POST %s%.*s HTTP/1.1\r\nHost: %s%.*s%s", has_path ? "" : "/",
             SLICE_FMT(url->target), is_v6 ? "[" : "", SLICE_FMT(url->host), is_v6 ? "]" : "");
    if (url->port != HTTPS_PORT)
        buf_addf(out, ":%u", (unsigned)url->port);
    buf_addf(out,
             "\r\nUser-Agent: outpost\r\nAccept: application/json\r\nConnection: close\r\n"
             "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n",
             form.n);
    return buf_add(out, form) && !out->is_full;
}
