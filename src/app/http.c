/* http.c -- see http.h. */
#include "http.h"

#include <string.h>

/* The next line of *in without its end (CRLF, or LF alone); false: it has not ended. */
static bool take_line(struct slice *in, struct slice *line)
{
    size_t n = slice_find(*in, '\n');
    if (n == in->n)
        return false;
    *line = slice_head(*in, n > 0 && in->p[n - 1] == '\r' ? n - 1 : n);
    *in = slice_from(*in, n + 1);
    return true;
}

static struct slice take_until(struct slice *in, char c)
{
    size_t n = slice_find(*in, c);
    struct slice head = slice_head(*in, n);
    *in = slice_from(*in, n + 1);
    return head;
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    }
    return s.n > 0;
}

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((uint8_t)s.p[i] <= ' ' || (uint8_t)s.p[i] == 0x7f)
            return false;
    }
    return s.n > 0;
}

static enum parse bad(struct http_request *out, int status, const char *mistake)
{
    out->status = status;
    out->mistake = mistake;
    return PARSE_BAD;
}

static enum parse parse_request_line(struct slice line, struct http_request *out)
{
    struct slice left = line;
    out->method = take_until(&left, ' ');
    struct slice target = take_until(&left, ' ');
    if (!is_token(out->method) || !is_visible(target))
        return bad(out, 400, "this is no HTTP request; the word \"help\" is answered");
    if (!slice_starts(left, SLICE("HTTP/1.")) || left.n != 8 || !ascii_is_digit(left.p[7]))
        return bad(out, slice_starts(left, SLICE("HTTP/")) ? 505 : 400, "HTTP/1.1 is spoken here");
    out->keeps_alive = out->may_chunk = left.p[7] != '0';
    if (slice_starts_nocase(target, SLICE("http://"))) { /* RFC 9112 section 3.2.2 */
        target = slice_from(target, 7);
        target = slice_from(target, slice_find(target, '/'));
    }
    if (target.n == 0 || target.p[0] != '/')
        return bad(out, 400, "the path must begin with a slash");
    out->path = take_until(&target, '?');
    out->query = target;
    return PARSE_DONE;
}

static enum parse parse_header(struct slice line, struct http_request *out, uint64_t *body_bytes)
{
    struct slice value = line;
    struct slice name = take_until(&value, ':');
    if (!is_token(name) || name.n == line.n)
        return bad(out, 400, "a header line that cannot be read");
    value = slice_trim(value);
    if (slice_eq_nocase(name, SLICE("content-length"))) {
        uint64_t v;
        if (!slice_to_u64(value, &v) || (*body_bytes && v != *body_bytes))
            return bad(out, 400, "a Content-Length that cannot be read");
        *body_bytes = v;
    } else if (slice_eq_nocase(name, SLICE("transfer-encoding"))) {
        return bad(out, 501, "chunked bodies are not read here; send Content-Length");
    } else if (slice_eq_nocase(name, SLICE("connection"))) {
        if (slice_eq_nocase(value, SLICE("close")))
            out->keeps_alive = false;
        else if (slice_eq_nocase(value, SLICE("keep-alive")))
            out->keeps_alive = true;
    } else if (slice_eq_nocase(name, SLICE("accept"))) {
        out->accept = value;
    }
    return PARSE_DONE;
}

enum parse http_request_parse(struct slice in, struct http_request *out, size_t *used)
{
    *out = (struct http_request){0};
    struct slice left = in, line;
    uint64_t body_bytes = 0;
    *used = 0;
    if (!take_line(&left, &line))
        goto unfinished;
    struct slice word = slice_trim(line);
    if (is_token(word)) {
        out->word = word;
        *used = in.n - left.n;
        return PARSE_DONE;
    }
    enum parse e = parse_request_line(line, out);
    if (e != PARSE_DONE)
        return e;
    for (int i = 0;; i++) {
        if (!take_line(&left, &line))
            goto unfinished;
        if (line.n == 0)
            break;
        if (i == HTTP_HEADERS_MAX)
            return bad(out, 431, "too many header lines");
        e = parse_header(line, out, &body_bytes);
        if (e != PARSE_DONE)
            return e;
    }
    if (body_bytes > HTTP_REQUEST_BYTES_MAX - (in.n - left.n) ||
        in.n - left.n > HTTP_REQUEST_BYTES_MAX)
        return bad(out, 413, "the request is too large");
    if (left.n < body_bytes)
        return PARSE_MORE;
    out->body = slice_head(left, (size_t)body_bytes);
    *used = in.n - left.n + (size_t)body_bytes;
    return PARSE_DONE;

unfinished:
    if (in.n >= HTTP_REQUEST_BYTES_MAX)
        return bad(out, 431, "the request's head is too large");
    return PARSE_MORE;
}

static int hex_digit(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool add_decoded(struct slice s, struct buf *out)
{
    bool is_added = true;
    for (size_t i = 0; i < s.n && is_added; i++) {
        char c = s.p[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%' && s.n - i > 2 && hex_digit(s.p[i + 1]) >= 0 &&
                   hex_digit(s.p[i + 2]) >= 0) {
            c = (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
            i += 2;
        }
        is_added = buf_add_char(out, c);
    }
    return is_added;
}

bool http_query_get(struct slice query, const char *key, struct buf *out)
{
    while (query.n) {
        struct slice value = take_until(&query, '&');
        if (slice_eq(take_until(&value, '='), slice_cstr(key)))
            return add_decoded(value, out);
    }
    return false;
}

void http_escape(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~')
            buf_add_char(out, c);
        else
            buf_addf(out, "%%%02X", (unsigned)(uint8_t)c);
    }
}

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } row[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {422, "Unprocessable Content"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        if (row[i].status == status)
            return row[i].text;
    }
    return "Unknown";
}

void http_response_build(const struct http_response *r, struct buf *out)
{
    buf_addf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", r->status, status_text(r->status),
             r->type);
    if (r->framing == HTTP_FRAMING_LENGTH)
        buf_addf(out, "Content-Length: %zu\r\n", r->body.n);
    if (r->framing == HTTP_FRAMING_CHUNKED)
        buf_add(out, SLICE("Transfer-Encoding: chunked\r\n"));
    buf_addf(out, "Cache-Control: no-store\r\nConnection: %s\r\n",
             r->keeps_alive ? "keep-alive" : "close");
    if (r->next)
        buf_addf(out, "X-Outpost-Next: %s\r\n", r->next);
    buf_add(out, SLICE("\r\n"));
    if (!r->is_head && r->framing == HTTP_FRAMING_LENGTH)
        buf_add(out, r->body);
}

void http_chunk_build(struct slice piece, struct buf *out)
{
    buf_addf(out, "%zx\r\n", piece.n);
    buf_add(out, piece);
    buf_add(out, SLICE("\r\n"));
}

/* --- the client's side --- */

static enum parse parse_answer_field(struct slice line, struct http_answer *out)
{
    struct slice value = line;
    struct slice name = take_until(&value, ':');
    value = slice_trim(value);
    if (slice_eq_nocase(name, SLICE("x-outpost-next"))) {
        out->next = value;
    } else if (slice_eq_nocase(name, SLICE("transfer-encoding"))) {
        if (!slice_eq_nocase(value, SLICE("chunked")))
            return PARSE_BAD;
        out->framing = HTTP_FRAMING_CHUNKED;
        out->left = 0;
    } else if (slice_eq_nocase(name, SLICE("content-length")) &&
               out->framing != HTTP_FRAMING_CHUNKED) {
        if (!slice_to_u64(value, &out->left))
            return PARSE_BAD;
        out->framing = HTTP_FRAMING_LENGTH;
    }
    return PARSE_DONE;
}

enum parse http_answer_head(struct slice in, struct http_answer *out, size_t *used)
{
    *out = (struct http_answer){.framing = HTTP_FRAMING_CLOSE};
    struct slice left = in, line;
    uint64_t v;
    *used = 0;
    if (!take_line(&left, &line))
        return PARSE_MORE;
    if (!slice_starts(line, SLICE("HTTP/1.")) || line.n < 12 ||
        !slice_to_u64(slice_head(slice_from(line, 9), 3), &v))
        return PARSE_BAD;
    out->status = (int)v;
    for (;;) {
        if (!take_line(&left, &line))
            return PARSE_MORE;
        if (line.n == 0)
            break;
        if (parse_answer_field(line, out) != PARSE_DONE)
            return PARSE_BAD;
    }
    *used = in.n - left.n;
    return PARSE_DONE;
}

/* The line before a chunk; the line end behind the chunk before it counts as its beginning. */
static enum parse parse_chunk_size(struct slice *in, uint64_t *size)
{
    struct slice line;
    if (slice_starts(*in, SLICE("\r\n")))
        *in = slice_from(*in, 2);
    if (!take_line(in, &line))
        return in->n > 64 ? PARSE_BAD : PARSE_MORE;
    *size = 0;
    for (size_t i = 0; i < line.n; i++) {
        int digit = hex_digit(line.p[i]);
        if (digit < 0 || i == 15)
            return PARSE_BAD;
        *size = *size * 16 + (uint64_t)digit;
    }
    return line.n ? PARSE_DONE : PARSE_BAD;
}

enum parse http_answer_piece(struct http_answer *a, struct slice in, struct slice *piece,
                             size_t *used)
{
    struct slice left = in;
    *piece = SLICE_NONE;
    *used = 0;
    if (a->framing == HTTP_FRAMING_CHUNKED && a->left == 0 && !a->is_over) {
        enum parse e = parse_chunk_size(&left, &a->left);
        if (e != PARSE_DONE)
            return e;
        a->is_over = a->left == 0;
    }
    bool is_over = a->framing != HTTP_FRAMING_CLOSE && a->left == 0;
    if (left.n == 0 && !is_over) {
        *used = in.n;
        return PARSE_MORE;
    }
    if (a->framing == HTTP_FRAMING_CLOSE)
        *piece = left;
    else
        *piece = slice_head(left, a->left < left.n ? (size_t)a->left : left.n);
    if (a->framing != HTTP_FRAMING_CLOSE)
        a->left -= piece->n;
    *used = in.n - left.n + piece->n;
    return PARSE_DONE;
}

bool http_answer_parse(char *in, size_t n, struct http_answer *out)
{
    size_t at, used, to;
    if (http_answer_head(slice_of(in, n), out, &at) != PARSE_DONE)
        return false;
    to = at;
    size_t from = at;
    for (;;) {
        struct slice piece;
        enum parse e = http_answer_piece(out, slice_of(in + at, n - at), &piece, &used);
        if (e != PARSE_DONE && out->framing != HTTP_FRAMING_CLOSE)
            return false;
        if (!piece.n)
            break;
        memmove(in + to, piece.p, piece.n);
        to += piece.n;
        at += used;
    }
    out->body = slice_of(in + from, to - from);
    return true;
}
