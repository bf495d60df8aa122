/* http_reply.c -- see the header.
 *
 *   STATUS -> FIELDS -> BODY | REST | CHUNK_SIZE -> CHUNK -> CHUNK_END -> CHUNK_SIZE ..
 *                                     CHUNK_SIZE of 0 -> TRAILER -> END
 *   1xx: FIELDS -> STATUS again; whatever is wrong: FLAW, and it stays so */
#include "http/http_reply.h"

enum { CHUNK_DIGITS_MAX = 15 };

void http_reply_init(struct http_reply *r, size_t body_bytes_max)
{
    *r = (struct http_reply){0};
    buf_init(&r->line, HTTP_REPLY_LINE_BYTES_MAX);
    buf_init(&r->body, body_bytes_max);
}

void http_reply_close(struct http_reply *r)
{
    buf_close(&r->line);
    buf_close(&r->body);
    *r = (struct http_reply){0};
}

static void fail(struct http_reply *r, const char *flaw)
{
    r->at = HTTP_AT_FLAW;
    r->flaw = flaw;
}

/* HTTP/1.1 200 OK */
static void on_status(struct http_reply *r, struct slice line)
{
    uint64_t code;
    struct slice rest = slice_from(line, 9);
    if (!slice_starts(line, SLICE("HTTP/1.")) || line.n < 12 || !ascii_is_digit(line.p[7]) ||
        line.p[8] != ' ' || !slice_to_u64(slice_head(rest, 3), &code) || code < 100 || code > 599 ||
        (rest.n > 3 && rest.p[3] != ' ')) {
        fail(r, "it does not speak HTTP/1.1");
        return;
    }
    r->status = (int)code;
    r->has_length = r->is_chunked = false;
    r->at = HTTP_AT_FIELDS;
}

static void begin_body(struct http_reply *r)
{
    if (r->status < 200)
        r->at = HTTP_AT_STATUS; /* 100 Continue and the like */
    else if (r->status == 204 || r->status == 304)
        r->at = HTTP_AT_END;
    else if (r->is_chunked && r->has_length)
        fail(r, "its answer has two lengths");
    else if (r->is_chunked)
        r->at = HTTP_AT_CHUNK_SIZE;
    else if (!r->has_length)
        r->at = HTTP_AT_REST;
    else if (r->left > r->body.max)
        fail(r, "its answer is too long");
    else
        r->at = r->left ? HTTP_AT_BODY : HTTP_AT_END;
}

static void on_field(struct http_reply *r, struct slice line)
{
    size_t colon = slice_find(line, ':');
    struct slice name = slice_head(line, colon), value = slice_trim(slice_from(line, colon + 1));
    if (!line.n) {
        begin_body(r);
    } else if (colon == line.n || colon == 0 || name.p[colon - 1] == ' ') {
        fail(r, "its answer has a field that is none");
    } else if (slice_eq_nocase(name, SLICE("content-length"))) {
        uint64_t n;
        if (!slice_to_u64(value, &n) || (r->has_length && n != r->left)) {
            fail(r, "its answer has no usable length");
            return;
        }
        r->has_length = true;
        r->left = n;
    } else if (slice_eq_nocase(name, SLICE("transfer-encoding"))) {
        if (!slice_eq_nocase(value, SLICE("chunked")) || r->is_chunked) {
            fail(r, "its answer is encoded in a way that was not asked for");
            return;
        }
        r->is_chunked = true;
    } else if (slice_eq_nocase(name, SLICE("content-encoding")) &&
               !slice_eq_nocase(value, SLICE("identity"))) {
        fail(r, "its answer is compressed, which was not asked for");
    }
}

static void on_chunk_size(struct http_reply *r, struct slice line)
{
    struct slice digits = slice_trim(slice_head(line, slice_find(line, ';')));
    uint64_t n = 0;
    for (size_t i = 0; i < digits.n; i++) {
        char c = ascii_lower(digits.p[i]);
        bool is_letter = c >= 'a' && c <= 'f';
        if (i == CHUNK_DIGITS_MAX || (!ascii_is_digit(c) && !is_letter)) {
            fail(r, "its answer has a chunk without a size");
            return;
        }
        n = n * 16 + (uint64_t)(is_letter ? c - 'a' + 10 : c - '0');
    }
    if (!digits.n)
        fail(r, "its answer has a chunk without a size");
    else if (n > r->body.max - r->body.n)
        fail(r, "its answer is too long");
    else
        r->at = n ? HTTP_AT_CHUNK : HTTP_AT_TRAILER;
    r->left = n;
}

static void on_line(struct http_reply *r, struct slice line)
{
    switch (r->at) {
    case HTTP_AT_STATUS:
        on_status(r, line);
        break;
    case HTTP_AT_FIELDS:
        on_field(r, line);
        break;
    case HTTP_AT_CHUNK_SIZE:
        on_chunk_size(r, line);
        break;
    case HTTP_AT_CHUNK_END:
        if (line.n)
            fail(r, "its answer has a chunk longer than its size");
        else
            r->at = HTTP_AT_CHUNK_SIZE;
        break;
    case HTTP_AT_TRAILER:
        if (!line.n)
            r->at = HTTP_AT_END;
        break;
    case HTTP_AT_BODY:
    case HTTP_AT_REST:
    case HTTP_AT_CHUNK:
    case HTTP_AT_END:
    case HTTP_AT_FLAW:
        CHECK(!"no line is read here");
    }
}

/* A line ends with LF, before which a CR may stand (RFC 9112 section 2.2). */
static size_t take_line(struct http_reply *r, struct slice in)
{
    size_t n = slice_find(in, '\n'), used = n < in.n ? n + 1 : n;
    r->head_bytes += used;
    if (r->head_bytes > HTTP_REPLY_HEAD_BYTES_MAX || !buf_add(&r->line, slice_head(in, n))) {
        fail(r, "its answer begins with too much");
        return used;
    }
    if (n == in.n)
        return used;
    struct slice line = buf_slice(&r->line);
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    on_line(r, line);
    buf_clear(&r->line);
    return used;
}

static size_t take_body(struct http_reply *r, struct slice in)
{
    size_t n = r->at == HTTP_AT_REST || in.n < r->left ? in.n : (size_t)r->left;
    if (!buf_add(&r->body, slice_head(in, n))) {
        fail(r, "its answer is too long");
        return n;
    }
    if (r->at == HTTP_AT_REST)
        return n;
    r->left -= n;
    if (!r->left)
        r->at = r->at == HTTP_AT_BODY ? HTTP_AT_END : HTTP_AT_CHUNK_END;
    return n;
}

static enum parse verdict(const struct http_reply *r)
{
    return r->at == HTTP_AT_END ? PARSE_DONE : r->at == HTTP_AT_FLAW ? PARSE_BAD : PARSE_MORE;
}

enum parse http_reply_feed(struct http_reply *r, struct slice in)
{
    while (in.n && r->at != HTTP_AT_END && r->at != HTTP_AT_FLAW) {
        bool is_body = r->at == HTTP_AT_BODY || r->at == HTTP_AT_REST || r->at == HTTP_AT_CHUNK;
        in = slice_from(in, is_body ? take_body(r, in) : take_line(r, in));
    }
    return verdict(r);
}

enum parse http_reply_end(struct http_reply *r)
{
    if (r->at == HTTP_AT_REST)
        r->at = HTTP_AT_END;
    else if (r->at != HTTP_AT_END && r->at != HTTP_AT_FLAW)
        fail(r, "it ended the connection before its answer was whole");
    return verdict(r);
}
