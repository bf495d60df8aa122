/* dsn_request.c -- the parameters of RFC 3461.
 *
 *   xtext    = *( xchar / "+" HEX HEX )     HEX in upper case
 *   xchar    = %d33-126 but "+" and "="
 *   ORCPT    = addr-type ";" xtext          addr-type: an atom
 *   utf-8    = "utf-8;" *( xchar but "\" / "\x{" HEX "}" / UTF-8 )     RFC 6533 section 3 */
#include "mail/dsn_request.h"

#include "base/utf8.h"

#include <string.h>

static const struct {
    struct slice name;
    unsigned bit;
} notify_names[] = {
    {SLICE_INIT("NEVER"), MAIL_NOTIFY_NEVER},
    {SLICE_INIT("SUCCESS"), MAIL_NOTIFY_SUCCESS},
    {SLICE_INIT("FAILURE"), MAIL_NOTIFY_FAILURE},
    {SLICE_INIT("DELAY"), MAIL_NOTIFY_DELAY},
};

bool mail_ret_parse(struct slice value, enum mail_ret *out)
{
    if (slice_eq_nocase(value, SLICE("FULL")))
        *out = MAIL_RET_FULL;
    else if (slice_eq_nocase(value, SLICE("HDRS")))
        *out = MAIL_RET_HDRS;
    else
        return false;
    return true;
}

bool mail_notify_is_valid(unsigned notify)
{
    return notify <= 15 && (!(notify & MAIL_NOTIFY_NEVER) || notify == MAIL_NOTIFY_NEVER);
}

bool mail_notify_parse(struct slice value, unsigned *out)
{
    unsigned notify = 0;
    for (bool has_more = true; has_more;) {
        size_t n = slice_find(value, ','), i = 0;
        struct slice one = slice_head(value, n);
        has_more = n < value.n;
        value = slice_from(value, n + 1);
        while (i < COUNT_OF(notify_names) && !slice_eq_nocase(one, notify_names[i].name))
            i++;
        if (i == COUNT_OF(notify_names) || notify & notify_names[i].bit)
            return false;
        notify |= notify_names[i].bit;
    }
    *out = notify;
    return mail_notify_is_valid(notify);
}

bool mail_notify_build(unsigned notify, struct buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < COUNT_OF(notify_names); i++) {
        if (!(notify & notify_names[i].bit))
            continue;
        if (!is_first)
            buf_add_char(out, ',');
        buf_add(out, notify_names[i].name);
        is_first = false;
    }
    return !out->is_full;
}

static bool is_xchar(char c)
{
    return c > ' ' && c <= '~' && c != '+' && c != '=';
}

/* -1: no upper case hexadecimal digit. */
static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character at text[*at], *at moved behind it; -1: what stands there is not xtext. */
static int take_xchar(struct slice text, size_t *at)
{
    char c = text.p[*at];
    if (is_xchar(c)) {
        *at += 1;
        return c;
    }
    if (c != '+' || text.n - *at < 3)
        return -1;
    int high = hex_value(text.p[*at + 1]), low = hex_value(text.p[*at + 2]);
    if (high < 0 || low < 0)
        return -1;
    *at += 3;
    return high * 16 + low;
}

bool mail_xtext_is_valid(struct slice text)
{
    for (size_t at = 0; at < text.n;) {
        if (take_xchar(text, &at) < 0)
            return false;
    }
    return true;
}

bool mail_xtext_decode(struct slice text, struct buf *out)
{
    for (size_t at = 0; at < text.n;) {
        int c = take_xchar(text, &at);
        if (c < 0) {
            at++;
            c = '?';
        }
        buf_add_char(out, c >= ' ' && c <= '~' ? (char)c : '?');
    }
    return !out->is_full;
}

bool mail_xtext_build(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (is_xchar(text.p[i]))
            buf_add_char(out, text.p[i]);
        else
            buf_addf(out, "+%02X", (uint8_t)text.p[i]);
    }
    return !out->is_full;
}

/* It stands for text that a report repeats: nothing that could end a line there. */
static bool stands_for_printable(struct slice text)
{
    for (size_t at = 0; at < text.n;) {
        int c = take_xchar(text, &at);
        if (c < ' ' || c > '~')
            return false;
    }
    return text.n > 0;
}

/* Of an address, UTF-8 too: RFC 3461 lets xtext stand for any byte, and Postfix writes an address
 * of a message with SMTPUTF8 that way, as type rfc822. */
static bool stands_for_address(struct slice text)
{
    char decoded[MAIL_ORCPT_BYTES_MAX];
    size_t n = 0;
    CHECK(text.n <= sizeof decoded);
    for (size_t at = 0; at < text.n;) {
        int c = take_xchar(text, &at);
        if (c < 0)
            return false;
        decoded[n++] = (char)c;
    }
    for (size_t at = 0; at < n;) {
        uint32_t code;
        int length = utf8_next(slice_of(decoded + at, n - at), &code);
        if (!length || code < ' ' || (code >= 0x7f && code < 0xa0))
            return false;
        at += (size_t)length;
    }
    return n > 0;
}

bool mail_envid_is_valid(struct slice value)
{
    return value.n <= MAIL_ENVID_BYTES_MAX && stands_for_printable(value);
}

/* "\x{" 2 to 6 HEX "}" at text[*at], of a character that is no control; false: it is not. */
static bool take_escape(struct slice text, size_t *at)
{
    struct slice rest = slice_from(text, *at);
    if (!slice_starts(rest, SLICE("\\x{")))
        return false;
    size_t n = slice_find(rest, '}');
    if (n == rest.n || n < 5 || n > 9)
        return false;
    uint32_t code = 0;
    for (size_t i = 3; i < n; i++) {
        int digit = hex_value(rest.p[i]);
        if (digit < 0)
            return false;
        code = code << 4 | (uint32_t)digit;
    }
    char bytes[4];
    *at += n + 1;
    return utf8_build(code, bytes) && code >= ' ' && code != 0x7f && (code < 0x80 || code >= 0xa0);
}

static bool is_utf8_address(struct slice text, bool is_utf8)
{
    for (size_t at = 0; at < text.n;) {
        uint32_t code;
        char c = text.p[at];
        int n = utf8_next(slice_from(text, at), &code);
        if (c == '\\') {
            if (!take_escape(text, &at))
                return false;
        } else if (is_xchar(c)) {
            at++;
        } else if (c == '+') {
            int x = take_xchar(text, &at);
            if (x < ' ' || x > '~')
                return false;
        } else if (is_utf8 && n > 1 && code >= 0xa0) {
            at += (size_t)n;
        } else {
            return false;
        }
    }
    return text.n > 0;
}

static bool is_atom(struct slice text)
{
    static const char specials[] = "()<>@,;:\\\"[].=+";
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] > '~' || memchr(specials, text.p[i], sizeof specials - 1))
            return false;
    }
    return text.n > 0;
}

bool mail_orcpt_is_valid(struct slice value, bool is_utf8)
{
    size_t n = slice_find(value, ';');
    if (value.n > MAIL_ORCPT_BYTES_MAX || n == value.n || n > MAIL_ORCPT_TYPE_BYTES_MAX)
        return false;
    struct slice type = slice_head(value, n), address = slice_from(value, n + 1);
    if (slice_eq_nocase(type, SLICE("utf-8")))
        return is_utf8_address(address, is_utf8);
    return is_atom(type) && stands_for_address(address);
}
