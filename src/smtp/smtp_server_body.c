/* smtp_server_body.c -- the body's end, and nothing that only looks like it (RFC 5321 4.1.1.4). */
#include "smtp_server_body.h"

#include "smtp/smtp_server.h"

#include <string.h>

void smtp_server_body_init(struct smtp_server_body *b, bool is_binary)
{
    *b = (struct smtp_server_body){.at = BODY_AT_LINE, .in_header = true, .is_binary = is_binary};
}

/* One line, or what there is of it: in[from..] up to `to`. */
struct run {
    size_t to;
    bool is_ended; /* with CRLF */
    bool is_bad;   /* a bare CR stands before `to`, or a bare LF at it */
};

static struct run find_run(const struct smtp_server_body *b, struct slice in, size_t from)
{
    const char *p = in.p + from;
    size_t n = in.n - from;
    const char *lf = memchr(p, '\n', n);
    if (lf)
        n = (size_t)(lf - p);
    const char *cr = n ? memchr(p, '\r', n) : NULL;
    size_t before_cr = cr ? (size_t)(cr - p) : n;

    if (lf && ((n > 0 && before_cr == n - 1) || (n == 0 && b->at == BODY_AT_CR)))
        return (struct run){.to = from + n + 1, .is_ended = true};
    /* A bare CR counts as text here and is found out by what follows it, as it is when the two
     * come in two pieces. */
    if (cr && (lf || before_cr != n - 1))
        return (struct run){.to = from + before_cr + 1, .is_bad = true};
    if (lf)
        return (struct run){.to = from + n, .is_bad = true};
    return (struct run){.to = from + n};
}

/* Takes in[from..to) into the line, at most up to where the line gets too long. */
static size_t advance(struct smtp_server_body *b, struct slice in, size_t from, struct run run)
{
    size_t n = run.to - from;
    size_t room = SMTP_BODY_LINE_BYTES_MAX - b->line_bytes;
    bool fits = n < room || (n == room && run.is_ended);
    if (!fits && room > 0) {
        b->has_endless_line = true;
        n = room;
        run.is_ended = false;
    }
    if (run.is_ended) {
        b->at = BODY_AT_LINE;
        b->line_bytes = 0;
    } else if (n) {
        b->at = in.p[from + n - 1] == '\r' ? BODY_AT_CR : BODY_AT_TEXT;
        b->line_bytes += (uint32_t)(n < room ? n : room);
    }
    return from + n;
}

/* Body text from the start of `in`, as much as is certain; 0 when something else stands there. */
static size_t text_bytes(struct smtp_server_body *b, struct slice in)
{
    size_t i = 0;
    while (i < in.n) {
        bool may_end =
            b->at == BODY_AT_LINE && in.p[i] == '.' && (i + 1 == in.n || in.p[i + 1] == '\r');
        if (may_end)
            break;
        struct run run = find_run(b, in, i);
        size_t to = advance(b, in, i, run);
        i = to;
        if (run.is_bad || to != run.to || !run.is_ended)
            break;
    }
    return i;
}

enum smtp_server_body_found smtp_server_body_scan(struct smtp_server_body *b, struct slice in,
                                                  size_t *used, struct slice *text)
{
    *used = 0;
    *text = SLICE_NONE;
    if (in.n == 0)
        return SMTP_SERVER_BODY_MORE;

    switch (b->at) {
    case BODY_AT_CR:
        if (in.p[0] != '\n')
            return SMTP_SERVER_BODY_BARE;
        break;
    case BODY_AT_DOT:
        if (in.p[0] == '\r') {
            b->at = BODY_AT_DOT_CR;
            *used = 1;
            return SMTP_SERVER_BODY_MORE;
        }
        b->at = BODY_AT_TEXT;
        b->line_bytes = 1;
        *text = SLICE(".");
        return SMTP_SERVER_BODY_TEXT;
    case BODY_AT_DOT_CR:
        if (in.p[0] != '\n')
            return SMTP_SERVER_BODY_BARE;
        *used = 1;
        return SMTP_SERVER_BODY_DOT;
    case BODY_AT_LINE:
    case BODY_AT_TEXT:
        if (in.p[0] == 0)
            return SMTP_SERVER_BODY_NUL;
        break;
    }

    /* What stands behind a NUL is not looked at before the NUL has its turn at the start. */
    in = slice_head(in, SMTP_SERVER_BODY_BLOCK_BYTES);
    in.n = slice_find(in, 0);
    size_t n = text_bytes(b, in);
    if (n) {
        *used = n;
        *text = slice_head(in, n);
        return SMTP_SERVER_BODY_TEXT;
    }
    if (in.p[0] == '.' && b->at == BODY_AT_LINE) {
        b->at = BODY_AT_DOT;
        *used = 1;
        return SMTP_SERVER_BODY_MORE;
    }
    return SMTP_SERVER_BODY_BARE;
}

static bool is_strict(const struct smtp_server_body *b)
{
    return b->in_header || !b->is_binary;
}

/* Lines from the start of `in`, up to a dot that needs another one, and no further than to the
 * header's end. */
static size_t line_bytes(struct smtp_server_body *b, struct slice in)
{
    size_t i = 0;
    while (i < in.n && !(b->at == BODY_AT_LINE && in.p[i] == '.')) {
        uint32_t before = b->line_bytes;
        struct run run = find_run(b, in, i);
        size_t to = advance(b, in, i, run), n = to - i;
        bool is_whole = to == run.to && run.is_ended;
        i = to;
        if (run.is_bad || !is_whole)
            break;
        if (b->in_header && before + n == 2) {
            b->in_header = false;
            break;
        }
    }
    return i;
}

/* Any bytes, up to a dot at a line's start. */
static size_t binary_bytes(struct smtp_server_body *b, struct slice in)
{
    size_t n = in.n;
    if (b->at == BODY_AT_CR && in.p[0] == '\n') {
        b->at = BODY_AT_LINE;
        return 1;
    }
    const char *dot = memmem(in.p, in.n, "\r\n.", 3);
    if (dot)
        n = (size_t)(dot - in.p) + 2;
    if (n >= 2 && in.p[n - 2] == '\r' && in.p[n - 1] == '\n')
        b->at = BODY_AT_LINE;
    else
        b->at = in.p[n - 1] == '\r' ? BODY_AT_CR : BODY_AT_TEXT;
    return n;
}

enum smtp_server_body_found smtp_server_body_scan_chunk(struct smtp_server_body *b, struct slice in,
                                                        size_t *used, struct slice *text)
{
    *used = 0;
    *text = SLICE_NONE;
    if (in.n == 0)
        return SMTP_SERVER_BODY_MORE;
    if (is_strict(b) && b->at == BODY_AT_CR && in.p[0] != '\n')
        return SMTP_SERVER_BODY_BARE;
    if (is_strict(b) && in.p[0] == 0)
        return SMTP_SERVER_BODY_NUL;
    if (b->at == BODY_AT_LINE && in.p[0] == '.') {
        b->at = BODY_AT_TEXT;
        b->line_bytes = 1;
        *text = SLICE(".");
        return SMTP_SERVER_BODY_TEXT;
    }
    in = slice_head(in, SMTP_SERVER_BODY_BLOCK_BYTES);
    if (is_strict(b)) {
        in.n = slice_find(in, 0);
        *used = line_bytes(b, in);
    } else {
        *used = binary_bytes(b, in);
    }
    *text = slice_head(in, *used);
    return *used ? SMTP_SERVER_BODY_TEXT : SMTP_SERVER_BODY_BARE;
}

enum smtp_server_body_found smtp_server_body_end_chunks(const struct smtp_server_body *b,
                                                        struct slice *text)
{
    *text = SLICE_NONE;
    if (!is_strict(b) || b->at == BODY_AT_LINE)
        return SMTP_SERVER_BODY_MORE;
    if (b->at == BODY_AT_CR)
        return SMTP_SERVER_BODY_BARE;
    *text = SLICE("\r\n");
    return SMTP_SERVER_BODY_TEXT;
}
