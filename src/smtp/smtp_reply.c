/* smtp_reply.c -- read one SMTP reply out of received bytes, and say one in a line.
 *
 *   reply = *( code "-" [text] CRLF ) code [ SP [text] ] CRLF     the code is the same on each line
 *
 * What follows from a code is the conversation's business. A line end is CRLF or a bare LF; a CR
 * elsewhere is text. A wrong byte is reported as soon as it is there, not when its line ends. */
#include "smtp/smtp_reply.h"

#include <stdio.h>
#include <string.h>

enum { CODE_BYTES = 3 };

/* The code and separator at the start of `line`, of which not all may have come. *wrong_at is set
 * when this is PARSE_BAD. */
static enum parse head_parse(struct slice line, int *code, bool *is_last, size_t *wrong_at)
{
    *code = 0;
    for (size_t i = 0; i < CODE_BYTES; i++) {
        if (i == line.n)
            return PARSE_MORE;
        bool is_fine =
            ascii_is_digit(line.p[i]) && (i > 0 || (line.p[0] >= '2' && line.p[0] <= '5'));
        if (!is_fine) {
            *wrong_at = i;
            return PARSE_BAD;
        }
        *code = *code * 10 + (line.p[i] - '0');
    }
    if (line.n == CODE_BYTES)
        return PARSE_MORE;
    char separator = line.p[CODE_BYTES];
    *is_last = separator != '-';
    *wrong_at = CODE_BYTES;
    if (separator == '-' || separator == ' ' || separator == '\n')
        return PARSE_DONE;
    if (separator != '\r')
        return PARSE_BAD;
    /* "250" CRLF: a bare code, which RFC 5321 section 4.2 asks clients to accept. */
    *wrong_at = CODE_BYTES + 1;
    if (line.n == CODE_BYTES + 1)
        return PARSE_MORE;
    return line.p[CODE_BYTES + 1] == '\n' ? PARSE_DONE : PARSE_BAD;
}

/* Text behind the separator, without its line end; `line` ends with LF. */
static struct slice text_of(struct slice line)
{
    size_t end = line.n - 1;
    if (end > CODE_BYTES && line.p[end - 1] == '\r')
        end--;
    return slice_from(slice_head(line, end), CODE_BYTES + 1);
}

static void find_status(struct smtp_reply *r)
{
    struct smtp_status status;
    size_t used;
    if (smtp_status_parse(r->line[0], &status, &used) && status.class == r->code / 100)
        r->status = status;
}

enum parse smtp_reply_parse(struct slice in, struct smtp_reply *out, size_t *used)
{
    out->code = 0;
    out->status = (struct smtp_status){0};
    out->line_count = 0;
    *used = 0;
    for (size_t at = 0;;) {
        struct slice rest = slice_from(in, at);
        int code;
        bool is_last = false;
        size_t wrong_at = 0;
        if (out->line_count == SMTP_REPLY_LINES_MAX) {
            *used = at;
            return PARSE_BAD;
        }
        enum parse p = head_parse(rest, &code, &is_last, &wrong_at);
        if (p == PARSE_MORE)
            return PARSE_MORE;
        if (p == PARSE_BAD || (at > 0 && code != out->code)) {
            *used = at + (p == PARSE_BAD ? wrong_at : 0);
            return PARSE_BAD;
        }
        struct slice reach = slice_head(rest, SMTP_REPLY_LINE_BYTES_MAX);
        size_t end = slice_find(reach, '\n');
        if (end == reach.n) {
            if (reach.n < SMTP_REPLY_LINE_BYTES_MAX)
                return PARSE_MORE;
            *used = at + reach.n;
            return PARSE_BAD;
        }
        out->code = code;
        out->line[out->line_count++] = text_of(slice_head(rest, end + 1));
        at += end + 1;
        if (is_last) {
            find_status(out);
            *used = at;
            return PARSE_DONE;
        }
    }
}

/* One to three digits at *at. */
static bool number_parse(struct slice s, size_t *at, int *out)
{
    size_t from = *at;
    *out = 0;
    while (*at < s.n && *at - from < 3 && ascii_is_digit(s.p[*at]))
        *out = *out * 10 + (s.p[(*at)++] - '0');
    return *at > from;
}

static bool dot_parse(struct slice s, size_t *at)
{
    return *at < s.n && s.p[(*at)++] == '.';
}

bool smtp_status_parse(struct slice text, struct smtp_status *out, size_t *used)
{
    size_t at = 1;
    struct smtp_status status = {0};
    *out = status;
    *used = 0;
    if (!text.n || (text.p[0] != '2' && text.p[0] != '4' && text.p[0] != '5'))
        return false;
    status.class = text.p[0] - '0';
    bool is_fine = dot_parse(text, &at) && number_parse(text, &at, &status.subject) &&
                   dot_parse(text, &at) && number_parse(text, &at, &status.detail);
    if (!is_fine || (at < text.n && text.p[at] != ' ' && text.p[at] != '\t'))
        return false;
    *out = status;
    *used = at < text.n ? at + 1 : at;
    return true;
}

struct smtp_status_text smtp_status_build(struct smtp_status s)
{
    struct smtp_status_text text;
    snprintf(text.s, sizeof text.s, "%u.%u.%u", (unsigned)s.class % 10u,
             (unsigned)s.subject % 1000u, (unsigned)s.detail % 1000u);
    return text;
}

/* Adds what still fits under `end` bytes; control characters and bytes over 126 as '?'. */
static void add_clean(struct buf *out, struct slice s, size_t end)
{
    for (size_t i = 0; i < s.n && out->n < end; i++) {
        if (!buf_add_char(out, s.p[i] >= 32 && s.p[i] <= 126 ? s.p[i] : '?'))
            return;
    }
}

void smtp_reply_text(const struct smtp_reply *r, struct buf *out, size_t max)
{
    char code[16];
    snprintf(code, sizeof code, "%d", r->code);
    size_t end = max < SIZE_MAX - out->n ? out->n + max : SIZE_MAX;
    add_clean(out, slice_cstr(code), end);
    for (int i = 0; i < r->line_count; i++) {
        struct slice line = r->line[i];
        struct smtp_status status;
        size_t used;
        /* Servers repeat the enhanced code on each line; once says it. */
        if (i > 0 && smtp_status_parse(line, &status, &used) &&
            memcmp(&status, &r->status, sizeof status) == 0)
            line = slice_from(line, used);
        if (!line.n)
            continue;
        add_clean(out, SLICE(" "), end);
        add_clean(out, line, end);
    }
}
