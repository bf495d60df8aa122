/* json_read.c -- see the header. A reader that walks: nothing is built, nothing is kept. */
#include "base/json_read.h"

#include <string.h>

enum { KEY_BYTES_MAX = 256 };

struct walk {
    struct slice in;
    size_t at;
};

static char peek(const struct walk *w)
{
    return w->at < w->in.n ? w->in.p[w->at] : 0;
}

static void skip_blanks(struct walk *w)
{
    while (w->at < w->in.n && memchr(" \t\r\n", w->in.p[w->at], 4))
        w->at++;
}

static bool take(struct walk *w, char c)
{
    if (w->at >= w->in.n || w->in.p[w->at] != c)
        return false;
    w->at++;
    return true;
}

static bool take_word(struct walk *w, const char *word)
{
    if (!slice_starts(slice_from(w->in, w->at), slice_cstr(word)))
        return false;
    w->at += strlen(word);
    return true;
}

/* The string with its quotes, not looked into further than its end. */
static bool take_string(struct walk *w, struct slice *raw)
{
    if (!take(w, '"'))
        return false;
    size_t from = w->at;
    for (; w->at < w->in.n; w->at++) {
        char c = w->in.p[w->at];
        if (c == '"') {
            *raw = slice_head(slice_from(w->in, from), w->at - from);
            w->at++;
            return true;
        }
        if ((unsigned char)c < 0x20)
            return false;
        if (c == '\\')
            w->at++;
    }
    return false;
}

static bool take_digits(struct walk *w)
{
    size_t from = w->at;
    while (ascii_is_digit(peek(w)))
        w->at++;
    return w->at > from;
}

static bool take_number(struct walk *w, struct slice *raw)
{
    size_t from = w->at;
    (void)take(w, '-');
    if (!take(w, '0') && !take_digits(w))
        return false;
    if (take(w, '.') && !take_digits(w))
        return false;
    if (take(w, 'e') || take(w, 'E')) {
        if (!take(w, '+'))
            (void)take(w, '-');
        if (!take_digits(w))
            return false;
    }
    *raw = slice_head(slice_from(w->in, from), w->at - from);
    return true;
}

static bool take_scalar(struct walk *w)
{
    struct slice raw;
    if (peek(w) == '"')
        return take_string(w, &raw);
    return take_word(w, "true") || take_word(w, "false") || take_word(w, "null") ||
           take_number(w, &raw);
}

/* "key" and the colon behind it. */
static bool take_key(struct walk *w, struct slice *key)
{
    skip_blanks(w);
    if (!take_string(w, key))
        return false;
    skip_blanks(w);
    bool has_colon = take(w, ':');
    skip_blanks(w);
    return has_colon;
}

/* Behind a value: all brackets that close here. False: neither a comma nor the end. */
static bool close_brackets(struct walk *w, const char *closing, int *depth)
{
    for (;;) {
        skip_blanks(w);
        if (*depth == 0 || take(w, ','))
            return true;
        if (!take(w, closing[*depth - 1]))
            return false;
        --*depth;
    }
}

/* Any value. Brackets are kept in a row instead of in recursion. */
static bool skip_value(struct walk *w)
{
    char closing[JSON_READ_DEPTH_MAX];
    int depth = 0;
    do {
        struct slice key;
        skip_blanks(w);
        if (depth && closing[depth - 1] == '}' && !take_key(w, &key))
            return false;
        bool is_object = peek(w) == '{';
        if (is_object || peek(w) == '[') {
            if (depth == JSON_READ_DEPTH_MAX)
                return false;
            w->at++;
            closing[depth++] = is_object ? '}' : ']';
            skip_blanks(w);
            if (peek(w) != closing[depth - 1])
                continue; /* its first value */
            w->at++;
            depth--;
        } else if (!take_scalar(w)) {
            return false;
        }
        if (!close_brackets(w, closing, &depth))
            return false;
    } while (depth);
    return true;
}

bool json_read_is_object(struct slice text)
{
    struct walk w = {text, 0};
    skip_blanks(&w);
    if (peek(&w) != '{' || !skip_value(&w))
        return false;
    skip_blanks(&w);
    return w.at == text.n;
}

static bool hex4(struct slice s, uint32_t *out)
{
    *out = 0;
    if (s.n < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        char c = ascii_lower(s.p[i]);
        if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
        *out = *out * 16 + (uint32_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static bool add_utf8(struct buf *out, uint32_t c)
{
    char b[4];
    size_t n = 0;
    if (c < 0x80) {
        b[n++] = (char)c;
    } else {
        int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
        b[n++] = (char)(lead[more] | (c >> (6 * more)));
        while (more-- > 0)
            b[n++] = (char)(0x80 | ((c >> (6 * more)) & 0x3f));
    }
    return buf_add(out, slice_of(b, n));
}

/* \uXXXX, or a pair of them for what lies beyond. Gives how many bytes; 0: it is wrong. */
static size_t unescape_unicode(struct slice s, struct buf *out)
{
    uint32_t high, low;
    if (!hex4(slice_from(s, 2), &high))
        return 0;
    if (high < 0xd800 || high > 0xdfff)
        return add_utf8(out, high) ? 6 : 0;
    struct slice second = slice_from(s, 6);
    if (high > 0xdbff || !slice_starts(second, SLICE("\\u")) ||
        !hex4(slice_from(second, 2), &low) || low < 0xdc00 || low > 0xdfff)
        return 0;
    return add_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)) ? 12 : 0;
}

static bool unescape(struct slice raw, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    while (raw.n) {
        size_t plain = slice_find(raw, '\\');
        if (!buf_add(out, slice_head(raw, plain)))
            return false;
        raw = slice_from(raw, plain);
        if (!raw.n)
            return true;
        if (raw.n < 2)
            return false;
        const char *at = memchr(from, raw.p[1], sizeof from - 1);
        size_t used = at ? 2 : raw.p[1] == 'u' ? unescape_unicode(raw, out) : 0;
        if (!used || (at && !buf_add_char(out, to[at - from])))
            return false;
        raw = slice_from(raw, used);
    }
    return true;
}

static bool is_key(struct slice raw, const char *key)
{
    struct buf b;
    buf_init(&b, KEY_BYTES_MAX);
    bool is_it = unescape(raw, &b) && slice_eq(buf_slice(&b), slice_cstr(key));
    buf_close(&b);
    return is_it;
}

/* To where the member's value begins. */
static bool find(struct slice text, const char *key, struct walk *w)
{
    struct slice raw;
    *w = (struct walk){text, 0};
    skip_blanks(w);
    if (!take(w, '{'))
        return false;
    do {
        if (!take_key(w, &raw))
            return false;
        if (is_key(raw, key))
            return true;
        if (!skip_value(w))
            return false;
        skip_blanks(w);
    } while (take(w, ','));
    return false;
}

bool json_read_string(struct slice text, const char *key, struct buf *out)
{
    struct walk w;
    struct slice raw;
    return find(text, key, &w) && take_string(&w, &raw) && unescape(raw, out);
}

static int64_t whole_number(struct slice s)
{
    bool is_negative = s.n && s.p[0] == '-';
    int64_t v = 0;
    for (size_t i = is_negative; i < s.n && ascii_is_digit(s.p[i]); i++) {
        if (v > (INT64_MAX - 9) / 10)
            return is_negative ? INT64_MIN : INT64_MAX;
        v = v * 10 + (s.p[i] - '0');
    }
    return is_negative ? -v : v;
}

bool json_read_int(struct slice text, const char *key, int64_t *out)
{
    struct walk w;
    struct slice raw;
    if (!find(text, key, &w))
        return false;
    if (peek(&w) == '"') {
        struct walk digits;
        struct slice number;
        if (!take_string(&w, &raw))
            return false;
        digits = (struct walk){raw, 0};
        if (!take_number(&digits, &number) || number.n != raw.n)
            return false;
    } else if (!take_number(&w, &raw)) {
        return false;
    }
    for (size_t i = 0; i < raw.n; i++)
        if (raw.p[i] == 'e' || raw.p[i] == 'E')
            return false; /* nobody writes seconds so */
    *out = whole_number(raw);
    return true;
}
