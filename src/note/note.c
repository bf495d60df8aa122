/* note.c -- happenings as values, and the one line of log that each of them becomes.
 *
 * Whatever a peer put into a field, a line stays one line and cannot move a terminal's cursor:
 * control characters, bytes that are no UTF-8, and the code points that turn the writing direction
 * are written as \xNN inside quotation marks. */
#include "note/note.h"

#include <string.h>

#include "base/json.h"
#include "base/msgid.h"
#include "base/utf8.h"

const struct note_row note_row[NOTE_COUNT] = {
#define X(name, level, word, counter, help)                                                        \
    [NOTE_##name] = {#name, NOTE_##level, word, counter, help},
    NOTE_TABLE(X)
#undef X
};

const char *const note_limit_word[NOTE_LIMIT_COUNT] = {
#define X(name, word) [NOTE_LIMIT_##name] = word,
    NOTE_LIMIT_TABLE(X)
#undef X
};

static const char *const level_word[] = {
    [NOTE_DEBUG] = "debug",
    [NOTE_INFO] = "info",
    [NOTE_WARN] = "warn",
    [NOTE_ERROR] = "error",
};

enum { TIME_CHARS = 24 };

static void put_digits(char *out, int digits, int64_t v)
{
    for (int i = digits - 1; i >= 0; i--, v /= 10)
        out[i] = (char)('0' + v % 10);
}

/* RFC 3339 in UTC, "2026-11-22T00:47:42.123Z". The calendar turns on 1 March of the year 0, so that
 * the leap day comes last; an era is 400 years. Before 1970 is 1970, after 9999 is the end of it.
 */
static void put_time(char out[TIME_CHARS], int64_t now_ms)
{
    const int64_t last_ms = 253402300799999;
    if (now_ms < 0)
        now_ms = 0;
    if (now_ms > last_ms)
        now_ms = last_ms;
    int64_t ms_of_day = now_ms % 86400000;
    int64_t days = now_ms / 86400000 + 719468;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    int64_t year = era * 400 + year_of_era + (month <= 2);

    memcpy(out, "0000-00-00T00:00:00.000Z", TIME_CHARS);
    put_digits(out, 4, year);
    put_digits(out + 5, 2, month);
    put_digits(out + 8, 2, day);
    put_digits(out + 11, 2, ms_of_day / 3600000);
    put_digits(out + 14, 2, ms_of_day / 60000 % 60);
    put_digits(out + 17, 2, ms_of_day / 1000 % 60);
    put_digits(out + 20, 3, ms_of_day % 1000);
}

/* U+0080..9F are control characters to a terminal; the others end a line or turn the writing
 * direction. */
static bool is_safe_code(uint32_t code)
{
    return !(code >= 0x80 && code < 0xa0) && !(code >= 0x200e && code <= 0x200f) &&
           !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

static bool is_plain(char c)
{
    return (uint8_t)c > ' ' && (uint8_t)c < 0x7f && c != '"' && c != '=' && c != '\\';
}

static void add_escaped(struct buf *out, struct slice s)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        const char text[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
        buf_add(out, slice_of(text, sizeof text));
    }
}

static void add_quoted(struct buf *out, struct slice s)
{
    buf_add_char(out, '"');
    for (size_t at = 0; at < s.n;) {
        size_t from = at;
        while (at < s.n && (is_plain(s.p[at]) || s.p[at] == ' ' || s.p[at] == '='))
            at++;
        buf_add(out, slice_of(s.p + from, at - from));
        if (at == s.n)
            break;
        uint32_t code = 0;
        int n = utf8_next(slice_from(s, at), &code);
        struct slice piece = slice_of(s.p + at, n > 1 ? (size_t)n : 1);
        if (n > 1 && is_safe_code(code)) {
            buf_add(out, piece);
        } else if (s.p[at] == '"' || s.p[at] == '\\') {
            buf_add_char(out, '\\');
            buf_add(out, piece);
        } else {
            add_escaped(out, piece);
        }
        at += piece.n;
    }
    buf_add_char(out, '"');
}

static bool may_stand_bare(struct slice s)
{
    if (s.n == 0)
        return false;
    for (size_t at = 0; at < s.n;) {
        if (is_plain(s.p[at])) {
            at++;
            continue;
        }
        uint32_t code = 0;
        int n = utf8_next(slice_from(s, at), &code);
        if (n < 2 || !is_safe_code(code))
            return false;
        at += (size_t)n;
    }
    return true;
}

static void add_number(struct buf *out, int64_t v)
{
    char text[20];
    size_t at = sizeof text;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (v < 0)
        text[--at] = '-';
    buf_add(out, slice_of(text + at, sizeof text - at));
}

void note_init(struct note *n, enum note_kind kind, uint64_t msg)
{
    CHECK((unsigned)kind < NOTE_COUNT);
    n->kind = kind;
    n->msg = msg;
    n->limit = NOTE_NO_LIMIT;
    n->count = 0;
}

static struct note_field *add_field(struct note *n, const char *key)
{
    CHECK(n->count < NOTE_FIELDS_MAX);
    struct note_field *f = &n->field[n->count++];
    *f = (struct note_field){.key = key};
    return f;
}

void note_text(struct note *n, const char *key, struct slice text)
{
    add_field(n, key)->text = text;
}

void note_number(struct note *n, const char *key, int64_t number)
{
    struct note_field *f = add_field(n, key);
    f->is_number = true;
    f->number = number;
}

void note_limit(struct note *n, enum note_limit limit)
{
    CHECK((unsigned)limit < NOTE_LIMIT_COUNT);
    n->limit = limit;
    if (limit)
        note_text(n, "limit", slice_cstr(note_limit_word[limit]));
}

void note_build_text(const struct note *n, int64_t now_ms, struct buf *out)
{
    const struct note_row *row = &note_row[n->kind];
    char time[TIME_CHARS];
    put_time(time, now_ms);
    buf_add(out, slice_of(time, sizeof time));
    buf_add_char(out, ' ');
    buf_add_cstr(out, level_word[row->level]);
    buf_add_char(out, ' ');
    buf_add_cstr(out, row->word);
    if (n->msg) {
        buf_add_cstr(out, " msg=");
        buf_add_cstr(out, msgid_build(n->msg).s);
    }
    for (int i = 0; i < n->count; i++) {
        const struct note_field *f = &n->field[i];
        buf_add_char(out, ' ');
        buf_add_cstr(out, f->key);
        buf_add_char(out, '=');
        if (f->is_number)
            add_number(out, f->number);
        else if (may_stand_bare(f->text))
            buf_add(out, f->text);
        else
            add_quoted(out, f->text);
    }
}

void note_build_json(const struct note *n, int64_t now_ms, struct buf *out)
{
    const struct note_row *row = &note_row[n->kind];
    char time[TIME_CHARS];
    put_time(time, now_ms);
    struct json j;
    json_init(&j, out);
    json_object(&j, NULL);
    json_string(&j, "time", slice_of(time, sizeof time));
    json_string(&j, "level", slice_cstr(level_word[row->level]));
    json_string(&j, "event", slice_cstr(row->word));
    if (n->msg)
        json_string(&j, "msg", slice_cstr(msgid_build(n->msg).s));
    for (int i = 0; i < n->count; i++) {
        const struct note_field *f = &n->field[i];
        if (f->is_number)
            json_int(&j, f->key, f->number);
        else
            json_string(&j, f->key, f->text);
    }
    json_end(&j, '}');
}
