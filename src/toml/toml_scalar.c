/* toml_scalar.c -- values that stand bare: booleans, numbers, dates and times.
 *
 * A bare value ends before a blank, line end, comma, bracket, brace or #; one blank may join a
 * date and a time. Its first characters say what it means to be, and then it has to be all of it:
 *
 *   dddd-            a date, or date and time: RFC 3339
 *   dd:              a time
 *   a digit or sign  a number, or a signed inf, nan
 *   a letter         true, false, inf, nan */
#include "toml_scalar.h"

#include <math.h>
#include <stdlib.h>

/* ---- dates and times ---- */

static bool take_char(struct slice *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

static bool take_digits(struct slice *s, size_t count, int *out)
{
    int v = 0;
    if (s->n < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!ascii_is_digit(s->p[i]))
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *out = v;
    *s = slice_from(*s, count);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static bool parse_date(struct toml_text *t, struct slice *s, struct toml_time *out)
{
    const char *at = s->p;
    if (!take_digits(s, 4, &out->year) || !take_char(s, '-') || !take_digits(s, 2, &out->month) ||
        !take_char(s, '-') || !take_digits(s, 2, &out->day))
        return toml_text_fail(t, at, "a date is written YYYY-MM-DD");
    if (out->month < 1 || out->month > 12)
        return toml_text_fail(t, at, "there is no month %02d", out->month);
    if (out->day < 1 || out->day > days_in_month(out->year, out->month))
        return toml_text_fail(t, at, "there is no day %02d in month %04d-%02d", out->day, out->year,
                              out->month);
    return true;
}

static bool parse_fraction(struct toml_text *t, struct slice *s, struct toml_time *out)
{
    if (s->n == 0 || !ascii_is_digit(s->p[0]))
        return toml_text_fail(t, s->p, "digits are missing behind the point");
    int unit = 100 * 1000 * 1000;
    for (; s->n > 0 && ascii_is_digit(s->p[0]); *s = slice_from(*s, 1)) {
        out->nanosecond += (s->p[0] - '0') * unit;
        unit /= 10;
    }
    return true;
}

static bool parse_time(struct toml_text *t, struct slice *s, struct toml_time *out)
{
    const char *at = s->p;
    if (!take_digits(s, 2, &out->hour) || !take_char(s, ':') || !take_digits(s, 2, &out->minute) ||
        !take_char(s, ':') || !take_digits(s, 2, &out->second))
        return toml_text_fail(t, at, "a time is written HH:MM:SS");
    if (out->hour > 23 || out->minute > 59 || out->second > 60)
        return toml_text_fail(t, at, "there is no time %02d:%02d:%02d", out->hour, out->minute,
                              out->second);
    return take_char(s, '.') ? parse_fraction(t, s, out) : true;
}

static bool parse_offset(struct toml_text *t, struct slice *s, struct toml_time *out)
{
    const char *at = s->p;
    if (take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    int sign = take_char(s, '-') ? -1 : 1;
    int hours = 0, minutes = 0;
    if (sign > 0 && !take_char(s, '+'))
        return toml_text_fail(t, at, "a time ends with nothing, Z, +HH:MM or -HH:MM");
    if (!take_digits(s, 2, &hours) || !take_char(s, ':') || !take_digits(s, 2, &minutes))
        return toml_text_fail(t, at, "an offset is written +HH:MM or -HH:MM");
    if (hours > 23 || minutes > 59)
        return toml_text_fail(t, at, "there is no offset of %02d:%02d", hours, minutes);
    out->offset_minutes = sign * (hours * 60 + minutes);
    return true;
}

static bool parse_date_time(struct toml_text *t, struct slice s, struct toml_node *out)
{
    out->kind = TOML_LOCAL_DATE;
    if (!parse_date(t, &s, &out->time))
        return false;
    if (take_char(&s, 'T') || take_char(&s, 't') || take_char(&s, ' ')) {
        out->kind = TOML_LOCAL_DATE_TIME;
        if (!parse_time(t, &s, &out->time))
            return false;
        if (s.n > 0) {
            out->kind = TOML_OFFSET_DATE_TIME;
            if (!parse_offset(t, &s, &out->time))
                return false;
        }
    }
    return s.n == 0 || toml_text_fail(t, s.p, "unexpected '%s' behind the date", toml_quote(s).s);
}

static bool parse_local_time(struct toml_text *t, struct slice s, struct toml_node *out)
{
    out->kind = TOML_LOCAL_TIME;
    if (!parse_time(t, &s, &out->time))
        return false;
    return s.n == 0 || toml_text_fail(t, s.p, "unexpected '%s' behind the time", toml_quote(s).s);
}

/* ---- numbers ---- */

static int digit_of(char c, int radix)
{
    char low = ascii_lower(c);
    int v = ascii_is_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : radix;
    return v < radix ? v : -1;
}

static bool fail_number(struct toml_text *t, struct slice word)
{
    return toml_text_fail(t, word.p, "'%s' is not a number: put text in quotes",
                          toml_quote(word).s);
}

/* The word without its underscores, with a NUL behind it. NULL: one stands where none may. */
static char *take_underscores(struct toml_text *t, struct slice word, int radix, char *small,
                              size_t small_bytes)
{
    char *clean = word.n < small_bytes ? small : arena_new(t->arena, word.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < word.n; i++) {
        if (word.p[i] != '_') {
            clean[n++] = word.p[i];
        } else if (i == 0 || i + 1 == word.n || digit_of(word.p[i - 1], radix) < 0 ||
                   digit_of(word.p[i + 1], radix) < 0) {
            toml_text_fail(t, word.p + i, "an underscore stands only between two digits");
            return NULL;
        }
    }
    clean[n] = '\0';
    return clean;
}

static bool parse_digits(struct toml_text *t, struct slice word, const char *digits, int radix,
                         bool is_negative, struct toml_node *out)
{
    uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t v = 0;
    if (!*digits)
        return fail_number(t, word);
    for (; *digits; digits++) {
        int digit = digit_of(*digits, radix);
        if (digit < 0)
            return fail_number(t, word);
        if (v > (limit - (uint64_t)digit) / (uint64_t)radix)
            return toml_text_fail(t, word.p, "%s does not fit into 64 bits", toml_quote(word).s);
        v = v * (uint64_t)radix + (uint64_t)digit;
    }
    out->kind = TOML_INTEGER;
    if (v > INT64_MAX)
        out->integer = INT64_MIN;
    else
        out->integer = is_negative ? -(int64_t)v : (int64_t)v;
    return true;
}

static const char *skip_digits(const char *p)
{
    while (ascii_is_digit(*p))
        p++;
    return p;
}

/* [.digits][e[sign]digits] and then the end. */
static bool is_float_tail(const char *p)
{
    if (*p == '.') {
        const char *fraction = p + 1;
        p = skip_digits(fraction);
        if (p == fraction)
            return false;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        const char *exponent = *p == '+' || *p == '-' ? p + 1 : p;
        p = skip_digits(exponent);
        if (p == exponent)
            return false;
    }
    return *p == '\0';
}

static bool parse_decimal(struct toml_text *t, struct slice word, const char *clean,
                          struct toml_node *out)
{
    const char *whole = clean + (*clean == '+' || *clean == '-');
    const char *tail = skip_digits(whole);
    bool is_float = *tail != '\0';
    if (tail == whole || (is_float && !is_float_tail(tail)))
        return fail_number(t, word);
    if (*whole == '0' && tail - whole > 1)
        return toml_text_fail(t, word.p, "a number has no leading zeros: put text in quotes");
    if (!is_float)
        return parse_digits(t, word, whole, 10, *clean == '-', out);

    /* Its decimal point is the locale's, and no locale but "C" is ever set. */
    out->kind = TOML_FLOAT;
    out->number = strtod(clean, NULL);
    if (isinf(out->number))
        return toml_text_fail(t, word.p, "%s is too large for a float", toml_quote(word).s);
    return true;
}

static bool parse_number(struct toml_text *t, struct slice word, struct toml_node *out)
{
    struct slice prefix = slice_head(word, 2);
    int radix = 10;
    if (slice_eq(prefix, SLICE("0x")))
        radix = 16;
    else if (slice_eq(prefix, SLICE("0o")))
        radix = 8;
    else if (slice_eq(prefix, SLICE("0b")))
        radix = 2;
    char small[64];
    char *clean = take_underscores(t, word, radix, small, sizeof small);
    if (!clean)
        return false;
    if (radix != 10)
        return parse_digits(t, word, clean + 2, radix, false, out);
    return parse_decimal(t, word, clean, out);
}

/* ---- the word ---- */

static struct slice take_word(struct toml_text *t)
{
    static const struct slice stops = {" \t\r\n,[]{}#", 10};
    const char *start = t->p;
    while (t->p < t->end && slice_find(stops, *t->p) == stops.n)
        t->p++;
    return slice_of(start, (size_t)(t->p - start));
}

static size_t count_digits(struct slice s)
{
    size_t n = 0;
    while (n < s.n && ascii_is_digit(s.p[n]))
        n++;
    return n;
}

static bool parse_name(struct toml_text *t, struct slice word, struct toml_node *out)
{
    struct slice name = word.p[0] == '+' || word.p[0] == '-' ? slice_from(word, 1) : word;
    bool has_sign = name.n < word.n;
    if (slice_eq(name, SLICE("inf")) || slice_eq(name, SLICE("nan"))) {
        out->kind = TOML_FLOAT;
        out->number = name.p[0] == 'n' ? (double)NAN : (double)INFINITY;
        if (word.p[0] == '-' && name.p[0] == 'i')
            out->number = -out->number;
        return true;
    }
    if (!has_sign && (slice_eq(name, SLICE("true")) || slice_eq(name, SLICE("false")))) {
        out->kind = TOML_BOOL;
        out->boolean = name.p[0] == 't';
        return true;
    }
    if (slice_eq_nocase(word, SLICE("true")) || slice_eq_nocase(word, SLICE("false")))
        return toml_text_fail(t, word.p, "'%s' is not a value: booleans are true and false",
                              toml_quote(word).s);
    return toml_text_fail(t, word.p, "'%s' is not a value: put text in quotes", toml_quote(word).s);
}

bool toml_scalar_parse(struct toml_text *t, struct toml_node *out)
{
    struct slice word = take_word(t);
    if (word.n == 0)
        return toml_text_fail(t, t->p, "expected a value, found %s", toml_text_found(t).s);

    size_t digits = count_digits(word);
    char behind = digits < word.n ? word.p[digits] : '\0';
    if (digits > 0 && behind == ':')
        return parse_local_time(t, word, out);
    if (digits > 0 && behind == '-') {
        if (word.n == 10 && toml_text_peek(t, 0) == ' ' && ascii_is_digit(toml_text_peek(t, 1))) {
            t->p++;
            word.n += 1 + take_word(t).n;
        }
        return parse_date_time(t, word, out);
    }
    char first = word.p[word.n > 1 && (word.p[0] == '+' || word.p[0] == '-')];
    if (ascii_is_digit(first) || first == '.' || first == '+' || first == '-' || first == '_')
        return parse_number(t, word, out);
    return parse_name(t, word, out);
}
