/* toml_string.c -- the four forms of strings.
 *
 *   "basic"     one line, escapes        """basic"""    many lines, escapes
 *   'literal'   one line, as it stands   '''literal'''  many lines, as it stands
 *
 * The end is looked for first; what stands before it bounds the result, because no escape is
 * shorter than what it means. Control characters were refused by toml_text_init. */
#include "toml_string.h"

#include "base/utf8.h"

struct form {
    char mark;          /* " or ' */
    bool has_escapes;   /* basic */
    bool is_multi_line; /* three marks on each side */
};

/* The cursor stands behind the opening marks; *body gets what is before the closing ones and the
 * cursor moves behind them. */
static bool find_end(struct toml_text *t, const char *opening, struct form f, struct slice *body)
{
    const char *start = t->p;
    for (const char *p = start; p < t->end; p++) {
        if (f.has_escapes && *p == '\\') {
            /* Whatever is escaped is no end; a line end is left to be seen as one. */
            if (p + 1 < t->end && p[1] != '\n' && p[1] != '\r')
                p++;
        } else if (!f.is_multi_line && (*p == '\n' || *p == '\r')) {
            return toml_text_fail(t, opening, "the string is not closed on its line");
        } else if (*p == f.mark) {
            if (!f.is_multi_line) {
                *body = slice_of(start, (size_t)(p - start));
                t->p = p + 1;
                return true;
            }
            if (t->end - p >= 3 && p[1] == f.mark && p[2] == f.mark) {
                /* Up to two marks may stand directly before the closing three. */
                for (int i = 0; i < 2 && t->end - p > 3 && p[3] == f.mark; i++)
                    p++;
                *body = slice_of(start, (size_t)(p - start));
                t->p = p + 3;
                return true;
            }
        }
    }
    return toml_text_fail(t, opening, "the string is not closed");
}

static int hex_digit(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    char low = ascii_lower(c);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* in starts with the digits behind \u or \U. Bytes written to out, 0: refused. */
static int decode_unicode(struct toml_text *t, const char *at, struct slice in, size_t digits,
                          char out[4])
{
    uint32_t code = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = i < in.n ? hex_digit(in.p[i]) : -1;
        if (digit < 0) {
            toml_text_fail(t, at, "\\%c needs %d hexadecimal digits", digits == 4 ? 'u' : 'U',
                           (int)digits);
            return 0;
        }
        code = code << 4 | (uint32_t)digit;
    }
    int n = utf8_build(code, out);
    if (n == 0)
        toml_text_fail(t, at, "%.*s is not a Unicode character", (int)digits + 2, at);
    return n;
}

/* Bytes of the line-ending backslash at the start of in, with all the white space that goes with
 * it; 0 when it is none. */
static size_t line_continuation(struct slice in)
{
    size_t n = 1;
    bool has_newline = false;
    for (; n < in.n && slice_find(SLICE(" \t\r\n"), in.p[n]) < 4; n++)
        has_newline |= in.p[n] == '\n';
    return has_newline ? n : 0;
}

/* in starts with a backslash. Bytes of it that were used, 0: refused. */
static size_t decode_escape(struct toml_text *t, struct slice in, bool is_multi_line, char *out,
                            size_t *out_bytes)
{
    static const char meanings[] = "\b\t\n\f\r\"\\";
    static const struct slice letters = {"btnfr\"\\", sizeof meanings - 1};
    size_t letter = in.n > 1 ? slice_find(letters, in.p[1]) : letters.n;
    if (letter < letters.n) {
        out[0] = meanings[letter];
        *out_bytes = 1;
        return 2;
    }
    if (in.n > 1 && (in.p[1] == 'u' || in.p[1] == 'U')) {
        size_t digits = in.p[1] == 'u' ? 4 : 8;
        int n = decode_unicode(t, in.p, slice_from(in, 2), digits, out);
        *out_bytes = (size_t)n;
        return n ? 2 + digits : 0;
    }
    *out_bytes = 0;
    size_t skipped = is_multi_line ? line_continuation(in) : 0;
    if (skipped)
        return skipped;

    uint32_t code = 0;
    int n = utf8_next(slice_from(in, 1), &code);
    toml_text_fail(t, in.p, "unknown escape '\\%s': write \\\\ for a backslash, or use '...'",
                   toml_quote(slice_of(in.p + 1, (size_t)n)).s);
    return 0;
}

static bool decode(struct toml_text *t, struct slice in, struct form f, struct slice *out)
{
    char *bytes = arena_new(t->arena, in.n + 1);
    size_t n = 0;
    while (in.n > 0) {
        size_t used = 1;
        if (f.has_escapes && in.p[0] == '\\') {
            size_t more = 0;
            used = decode_escape(t, in, f.is_multi_line, bytes + n, &more);
            if (used == 0)
                return false;
            n += more;
        } else if (in.p[0] != '\r') { /* it stands only before a line feed */
            bytes[n++] = in.p[0];
        }
        in = slice_from(in, used);
    }
    *out = slice_of(bytes, n);
    return true;
}

bool toml_string_parse(struct toml_text *t, struct slice *out)
{
    const char *opening = t->p;
    struct form f = {.mark = *opening, .has_escapes = *opening == '"'};
    f.is_multi_line = toml_text_accept(t, f.has_escapes ? "\"\"\"" : "'''");
    if (f.is_multi_line)
        toml_text_skip_newline(t); /* one directly behind the opening is not part of it */
    else
        t->p++;

    struct slice body = SLICE_NONE;
    return find_end(t, opening, f, &body) && decode(t, body, f, out);
}

bool toml_string_parse_key(struct toml_text *t, struct slice *out)
{
    struct slice rest = toml_text_rest(t);
    if (slice_starts(rest, SLICE("\"\"\"")) || slice_starts(rest, SLICE("'''")))
        return toml_text_fail(t, t->p, "a key cannot be a string of several lines");
    return toml_string_parse(t, out);
}
