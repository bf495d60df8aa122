/* slice.h -- borrowed bytes: a pointer and a length, never owned, never stored beyond the call
 * unless a header says so. May hold any byte; p may be NULL when n is 0. */
#pragma once

#include "base/err.h"

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(lit) ((struct slice){"" lit, sizeof(lit) - 1})
#define SLICE_INIT(lit) {"" lit, sizeof(lit) - 1} /* the same in a static table */
#define SLICE_NONE ((struct slice){NULL, 0})
#define SLICE_FMT(s) (int)(s).n, ((s).p ? (s).p : "") /* for "%.*s" */

static inline struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){p, n};
}

/* ASCII only, whatever the locale. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool ascii_is_alpha(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

struct slice slice_cstr(const char *s); /* NULL gives SLICE_NONE */
bool slice_is_ascii(struct slice s); /* no byte over 0x7f */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_nocase(struct slice a, struct slice b); /* ASCII case only */
bool slice_starts(struct slice s, struct slice head);
bool slice_starts_nocase(struct slice s, struct slice head);
bool slice_ends_nocase(struct slice s, struct slice tail);
/* Index of the first / last such byte, or s.n when there is none. */
size_t slice_find(struct slice s, char c);
size_t slice_find_last(struct slice s, char c);
/* From `from` on; past the end gives an empty slice. */
struct slice slice_from(struct slice s, size_t from);
struct slice slice_head(struct slice s, size_t n); /* at most n bytes */
struct slice slice_trim(struct slice s);           /* blanks and tabs at both ends */
/* All digits, no sign, fits: true and *out. */
bool slice_to_u64(struct slice s, uint64_t *out);
/* "*" matches any run, everything else itself, ASCII case ignored. Linear-time backtracking
 * of one star at a time. */
bool slice_glob_nocase(struct slice pattern, struct slice s);
