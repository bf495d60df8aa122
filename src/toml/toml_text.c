/* toml_text.c -- the document under a cursor: what holds everywhere in it is checked once at the
 * start, so that the parsers above meet only valid UTF-8 and no control characters. */
#include "toml_text.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is_control(uint32_t code)
{
    return code < 0x20 || code == 0x7f;
}

/* Legal in a document, but invisible or worse on an operator's terminal: C1 controls, what turns
 * the direction of text, zero-width characters. */
static bool is_invisible(uint32_t code)
{
    return (code >= 0x80 && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
           code == 0xfeff;
}

bool toml_text_fail(struct toml_text *t, const char *at, const char *fmt, ...)
{
    struct toml_spot spot = toml_text_locate(t, at);
    t->error->line = spot.line;
    t->error->column = spot.column;

    va_list args;
    va_start(args, fmt);
    vsnprintf(t->error->text, sizeof t->error->text, fmt, args);
    va_end(args);
    return false;
}

struct toml_spot toml_text_locate(struct toml_text *t, const char *at)
{
    if (at < t->located) {
        t->located = t->start;
        t->spot = (struct toml_spot){1, 1};
    }
    for (const char *p = t->located; p < at; p++) {
        if (*p == '\n') {
            t->spot.line++;
            t->spot.column = 1;
        } else if (((unsigned char)*p & 0xc0) != 0x80) { /* not a continuation byte */
            t->spot.column++;
        }
    }
    t->located = at;
    return t->spot;
}

struct toml_quote toml_quote(struct slice s)
{
    struct toml_quote q = {""};
    size_t n = 0;
    while (s.n > 0) {
        uint32_t code = 0;
        int bytes = utf8_next(s, &code);
        if (bytes == 0)
            break;
        if (n + (size_t)bytes + sizeof "..." > sizeof q.s) {
            memcpy(q.s + n, "...", sizeof "...");
            break;
        }
        if (is_control(code) || is_invisible(code))
            q.s[n++] = '?';
        else
            for (int i = 0; i < bytes; i++)
                q.s[n++] = s.p[i];
        s = slice_from(s, (size_t)bytes);
    }
    return q;
}

struct toml_quote toml_text_found(const struct toml_text *t)
{
    struct toml_quote q = {"the end of the file"};
    char c = toml_text_peek(t, 0);
    if (c == '\n' || c == '\r') {
        snprintf(q.s, sizeof q.s, "the end of the line");
    } else if (c != '\0') {
        uint32_t code = 0;
        int bytes = utf8_next(toml_text_rest(t), &code);
        if (is_invisible(code))
            snprintf(q.s, sizeof q.s, "character U+%04X", (unsigned)code);
        else
            snprintf(q.s, sizeof q.s, "'%.*s'", bytes, t->p);
    }
    return q;
}

/* Before anything is parsed, so that a wrong encoding is named as such. */
static bool check_characters(struct toml_text *t)
{
    struct slice rest = toml_text_rest(t);
    if (rest.n >= 2 && (memcmp(rest.p, "\xff\xfe", 2) == 0 || memcmp(rest.p, "\xfe\xff", 2) == 0))
        return toml_text_fail(t, t->start, "this is UTF-16: save the file as UTF-8");
    while (rest.n > 0) {
        uint32_t code = 0;
        int bytes = utf8_next(rest, &code);
        if (bytes == 0)
            return toml_text_fail(t, rest.p, "byte 0x%02x is not valid UTF-8",
                                  (unsigned)(unsigned char)rest.p[0]);
        if (code == '\r' && (rest.n < 2 || rest.p[1] != '\n'))
            return toml_text_fail(t, rest.p, "a carriage return without a line feed behind it");
        if (is_control(code) && code != '\t' && code != '\n' && code != '\r')
            return toml_text_fail(t, rest.p, "control character U+%04X is not allowed",
                                  (unsigned)code);
        rest = slice_from(rest, (size_t)bytes);
    }
    return true;
}

bool toml_text_init(struct toml_text *t, struct slice text, struct arena *arena,
                    struct toml_error *error)
{
    if (slice_starts(text, SLICE("\xef\xbb\xbf")))
        text = slice_from(text, 3);
    if (!text.p)
        text = SLICE("");
    *t = (struct toml_text){
        .start = text.p,
        .end = text.p + text.n,
        .p = text.p,
        .arena = arena,
        .error = error,
        .located = text.p,
        .spot = {1, 1},
    };
    if (text.n > TOML_BYTES_MAX)
        return toml_text_fail(t, t->start, "the document is larger than %d bytes", TOML_BYTES_MAX);
    return check_characters(t);
}

bool toml_text_accept(struct toml_text *t, const char *what)
{
    size_t n = strlen(what);
    if (!slice_starts(toml_text_rest(t), slice_of(what, n)))
        return false;
    t->p += n;
    return true;
}

void toml_text_skip_blanks(struct toml_text *t)
{
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
        t->p++;
}

void toml_text_skip_comment(struct toml_text *t)
{
    if (toml_text_peek(t, 0) != '#')
        return;
    while (t->p < t->end && *t->p != '\n' && *t->p != '\r')
        t->p++;
}

bool toml_text_skip_newline(struct toml_text *t)
{
    return toml_text_accept(t, "\n") || toml_text_accept(t, "\r\n");
}
