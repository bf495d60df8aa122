/* policy_hint.c -- see the header. Text is read word by word; a clause ends at ".", ",", ";" or "!"
 * with a blank or nothing behind it. Within a clause first comes a word that asks ("retry"), then
 * one that leads to a duration ("in"), and then the duration itself. */
#include "policy/policy_hint.h"

enum { DIGITS_MAX = 7 };

static const char *const asking[] = {
    "retry",       "retrying",     "retried",     "again",      "try",         "back",
    "wait",        "resend",       "resubmit",    "deferred",   "delayed",     "greylisted",
    "greylisting", "grey-listed",  "greylist",    "graylisted", "graylisting", "graylist",
    "retry-after", "retry-after:", "grey-listing"};
static const char *const leading[] = {"in",    "after",       "for",          "wait", "another",
                                      "about", "retry-after", "retry-after:", "next", "least"};

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    {"s", 1000},       {"sec", 1000},      {"secs", 1000},   {"second", 1000},  {"seconds", 1000},
    {"m", 60000},      {"min", 60000},     {"mins", 60000},  {"minute", 60000}, {"minutes", 60000},
    {"h", 3600000},    {"hr", 3600000},    {"hrs", 3600000}, {"hour", 3600000}, {"hours", 3600000},
    {"day", 86400000}, {"days", 86400000},
};

static bool is_word(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == ':' || c == '-';
}

static bool is_one_of(struct slice word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq_nocase(word, slice_cstr(list[i])))
            return true;
    return false;
}

/* Past what parts words: the next word; empty at the end. *ends_clause: a clause ended before. */
static struct slice next_word(struct slice *text, bool *ends_clause)
{
    size_t at = 0;
    *ends_clause = false;
    for (; at < text->n && !is_word(text->p[at]); at++) {
        bool is_stop = slice_find(SLICE(".,;!"), text->p[at]) < 4;
        if (is_stop && (at + 1 == text->n || text->p[at + 1] == ' '))
            *ends_clause = true;
    }
    size_t end = at;
    while (end < text->n && is_word(text->p[end]))
        end++;
    struct slice word = slice_of(text->p + at, end - at);
    *text = slice_from(*text, end);
    return word;
}

/* The digits at the head; false: none, or too many. */
static bool take_number(struct slice *s, int64_t *v)
{
    size_t digits = 0;
    *v = 0;
    while (digits < s->n && ascii_is_digit(s->p[digits])) {
        if (digits >= DIGITS_MAX)
            return false;
        *v = *v * 10 + (s->p[digits++] - '0');
    }
    *s = slice_from(*s, digits);
    return digits > 0;
}

static int64_t unit_ms(struct slice word)
{
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (slice_eq_nocase(word, slice_cstr(units[i].name)))
            return units[i].ms;
    return 0;
}

/* "04:32", "00:04:32" */
static bool parse_clock(struct slice word, int64_t *ms)
{
    int64_t part, seconds = 0;
    for (int parts = 1; parts <= 3 && take_number(&word, &part); parts++) {
        if (parts > 1 && part >= 60)
            return false;
        seconds = seconds * 60 + part;
        *ms = seconds * 1000;
        if (!word.n)
            return parts > 1;
        if (word.p[0] != ':')
            return false;
        word = slice_from(word, 1);
    }
    return false;
}

/* ISO 8601: "PT1H30M", "P1D" */
static bool parse_iso(struct slice word, int64_t *ms)
{
    bool is_time = false, has_part = false;
    *ms = 0;
    for (word = slice_from(word, 1); word.n;) {
        int64_t v;
        if (!is_time && ascii_lower(word.p[0]) == 't') {
            is_time = true;
            word = slice_from(word, 1);
            continue;
        }
        if (!take_number(&word, &v) || !word.n)
            return false;
        char unit = ascii_lower(word.p[0]);
        int64_t each = is_time ? unit_ms(slice_of(&unit, 1)) : unit == 'd' ? 86400000 : 0;
        if (!each)
            return false;
        *ms += v * each;
        has_part = true;
        word = slice_from(word, 1);
    }
    return has_part;
}

/* The letters at the head. */
static struct slice take_letters(struct slice *s)
{
    size_t n = 0;
    while (n < s->n && ascii_is_alpha(s->p[n]))
        n++;
    struct slice letters = slice_head(*s, n);
    *s = slice_from(*s, n);
    return letters;
}

/* "300 seconds", "300s", "1h30m", "4 minutes and 32 seconds"; is_bare: a number alone is seconds.
 */
static bool parse_spoken(struct slice word, struct slice rest, bool is_bare, int64_t *ms)
{
    bool ends = false, has_part = false;
    int64_t v;
    *ms = 0;
    for (int parts = 0; parts < 4 && !ends && take_number(&word, &v); parts++) {
        if (!word.n)
            word = next_word(&rest, &ends);
        int64_t unit = ends ? 0 : unit_ms(take_letters(&word));
        if (!unit && is_bare && !has_part) {
            *ms = v * 1000;
            return true;
        }
        if (!unit)
            break;
        *ms += v * unit;
        has_part = true;
        if (!word.n)
            word = next_word(&rest, &ends);
        if (!ends && slice_eq_nocase(word, SLICE("and")))
            word = next_word(&rest, &ends);
    }
    return has_part;
}

static bool parse_duration(struct slice word, struct slice rest, bool is_bare, int64_t *ms)
{
    if (ascii_lower(word.p[0]) == 'p')
        return parse_iso(word, ms);
    if (slice_find(word, ':') < word.n)
        return parse_clock(word, ms);
    return parse_spoken(word, rest, is_bare, ms);
}

bool policy_hint_wait_ms(struct slice text, int64_t *ms)
{
    bool asks = false, leads = false, is_bare = false, ends;
    for (struct slice word = next_word(&text, &ends); word.n; word = next_word(&text, &ends)) {
        if (ends)
            asks = leads = is_bare = false;
        if (asks && leads && parse_duration(word, text, is_bare, ms) && *ms > 0) {
            *ms = *ms < POLICY_HINT_MS_MAX ? *ms : POLICY_HINT_MS_MAX;
            return true;
        }
        asks |= is_one_of(word, asking, COUNT_OF(asking));
        leads = is_one_of(word, leading, COUNT_OF(leading)) ||
                (leads && slice_eq_nocase(word, SLICE("the")));
        is_bare = slice_starts_nocase(word, SLICE("retry-after"));
    }
    return false;
}

bool policy_hint_is_greylisting(int code, struct slice text)
{
    static const struct slice said[] = {
        SLICE_INIT("*greylist*"),
        SLICE_INIT("*graylist*"),
        SLICE_INIT("*grey list*"),
        SLICE_INIT("*grey-list*"),
        SLICE_INIT("*gray list*"),
        SLICE_INIT("*gray-list*"),
        SLICE_INIT("*postgrey*"),
        SLICE_INIT("temporary failure, please try again later*"), /* OpenBSD's spamd */
        SLICE_INIT("*please come back later*"),
    };
    if (code != 450 && code != 451)
        return false;
    for (size_t i = 0; i < COUNT_OF(said); i++)
        if (slice_glob_nocase(said[i], text))
            return true;
    return false;
}
