/* slice.c -- questions about borrowed bytes, ASCII only. */
#include "base/slice.h"

#include <string.h>

struct slice slice_cstr(const char *s)
{
    return s ? (struct slice){s, strlen(s)} : SLICE_NONE;
}

bool slice_is_ascii(struct slice s)
{
    uint64_t seen = 0, eight;
    for (; s.n >= sizeof eight; s = slice_from(s, sizeof eight)) {
        memcpy(&eight, s.p, sizeof eight);
        seen |= eight;
    }
    for (size_t i = 0; i < s.n; i++)
        seen |= (uint8_t)s.p[i];
    return !(seen & 0x8080808080808080u);
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    }
    return true;
}

bool slice_starts(struct slice s, struct slice head)
{
    return s.n >= head.n && slice_eq(slice_head(s, head.n), head);
}

bool slice_starts_nocase(struct slice s, struct slice head)
{
    return s.n >= head.n && slice_eq_nocase(slice_head(s, head.n), head);
}

bool slice_ends_nocase(struct slice s, struct slice tail)
{
    return s.n >= tail.n && slice_eq_nocase(slice_from(s, s.n - tail.n), tail);
}

size_t slice_find(struct slice s, char c)
{
    if (s.n == 0)
        return 0;
    const char *at = memchr(s.p, c, s.n);
    return at ? (size_t)(at - s.p) : s.n;
}

size_t slice_find_last(struct slice s, char c)
{
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == c)
            return i - 1;
    }
    return s.n;
}

struct slice slice_from(struct slice s, size_t from)
{
    if (!s.p)
        return s;
    if (from > s.n)
        from = s.n;
    return (struct slice){s.p + from, s.n - from};
}

struct slice slice_head(struct slice s, size_t n)
{
    return (struct slice){s.p, n < s.n ? n : s.n};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
    size_t from = 0;
    while (from < s.n && is_blank(s.p[from]))
        from++;
    while (s.n > from && is_blank(s.p[s.n - 1]))
        s.n--;
    return slice_from(s, from);
}

bool slice_to_u64(struct slice s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit(s.p[i]))
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

bool slice_glob_nocase(struct slice pattern, struct slice s)
{
    size_t i = 0, k = 0;
    size_t star = SIZE_MAX, resume = 0; /* the last star, and where its run ends for now */
    while (i < s.n) {
        if (k < pattern.n && pattern.p[k] == '*') {
            star = k++;
            resume = i;
        } else if (k < pattern.n && ascii_lower(pattern.p[k]) == ascii_lower(s.p[i])) {
            k++;
            i++;
        } else if (star != SIZE_MAX) {
            k = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (k < pattern.n && pattern.p[k] == '*')
        k++;
    return k == pattern.n;
}
