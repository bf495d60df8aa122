/* history_view.c -- see the header. What a peer said is printed so that it stays on its line and
 * cannot move a terminal's cursor. */
#include "history/history_view.h"

#include <stdio.h>

#include "base/json.h"
#include "base/msgid.h"
#include "base/utf8.h"
#include "mail/date.h"

struct history_span history_span_of(int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } unit[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}};
    struct history_span t;
    long long v = ms > 0 ? ms : 0;
    if (v < 1000) {
        snprintf(t.s, sizeof t.s, "%lld ms", v);
        return t;
    }
    if (v < 60000) {
        snprintf(t.s, sizeof t.s, "%lld.%lld s", v / 1000, v % 1000 / 100);
        return t;
    }
    int i = 0;
    while (v < unit[i].ms)
        i++;
    long long rest = v % unit[i].ms / unit[i + 1].ms;
    int n = snprintf(t.s, sizeof t.s, "%lld %s", v / unit[i].ms, unit[i].name);
    if (rest)
        snprintf(t.s + n, sizeof t.s - (size_t)n, " %lld %s", rest, unit[i + 1].name);
    return t;
}

/* A record may say anything of its times: none is not enough, and too much is a lot. */
static int64_t between_ms(int64_t from, int64_t to)
{
    uint64_t ms = to > from ? (uint64_t)to - (uint64_t)from : 0;
    return ms < INT64_MAX ? (int64_t)ms : INT64_MAX;
}

/* --- JSON --- */

static void json_date(struct json *j, const char *key, int64_t ms)
{
    char date[MAIL_DATE_BYTES];
    json_string(j, key, slice_cstr(mail_date_iso(ms, date)));
}

static void json_recipient(struct json *j, const struct history_record *r,
                           const struct history_recipient *to)
{
    json_object(j, NULL);
    json_string(j, "address", to->address);
    json_string(j, "state", slice_cstr(history_fate_name(to->fate)));
    json_int(j, "attempts", to->attempts);
    json_date(j, "ended", to->ended_ms);
    json_double(j, "delay_s", (double)between_ms(r->accepted_ms, to->ended_ms) / 1000);
    if (to->host.n)
        json_string(j, "host", to->host);
    if (to->ip.n)
        json_string(j, "ip", to->ip);
    json_string(j, "reply", to->reply);
    json_end(j, '}');
}

void history_view_json(const struct history_record *r, struct json *j)
{
    json_object(j, NULL);
    json_string(j, "id", slice_cstr(msgid_build(r->id).s));
    json_string(j, "from", r->sender);
    json_string(j, "client", r->client);
    json_string(j, "user", r->user);
    json_string(j, "message_id", r->message_id);
    json_date(j, "accepted", r->accepted_ms);
    json_date(j, "finished", r->finished_ms);
    json_double(j, "delay_s", (double)between_ms(r->accepted_ms, r->finished_ms) / 1000);
    json_int(j, "bytes", (int64_t)r->bytes);
    json_int(j, "recipients", r->recipient_count);
    json_bool(j, "is_report", r->is_report);
    json_array(j, "to");
    struct history_recipient to;
    for (struct slice rest = r->recipients; history_record_next(&rest, &to);)
        json_recipient(j, r, &to);
    json_end(j, ']');
    json_end(j, '}');
}

/* --- text --- */

static bool is_harmless(uint32_t code)
{
    return code >= 0xa0 && !(code >= 0x200e && code <= 0x200f) &&
           !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

static void add_clean(struct buf *out, struct slice s)
{
    while (s.n) {
        uint32_t code = 0;
        int n = utf8_next(s, &code);
        bool is_good = n == 1 ? code >= ' ' && code != 0x7f : n > 1 && is_harmless(code);
        size_t taken = n > 0 ? (size_t)n : 1;
        buf_add(out, is_good ? slice_head(s, taken) : SLICE("?"));
        s = slice_from(s, taken);
    }
}

static void add_line(struct buf *out, const char *title, struct slice s)
{
    buf_addf(out, "%-9s ", title);
    add_clean(out, s);
    buf_add_char(out, '\n');
}

/* "delivered", or "2 delivered, 1 bounced". */
static void add_summary(const struct history_record *r, struct buf *out)
{
    unsigned count[HISTORY_FATE_COUNT] = {0}, kinds = 0, said = 0;
    struct history_recipient to;
    for (struct slice rest = r->recipients; history_record_next(&rest, &to);)
        kinds += count[to.fate]++ == 0;
    for (int f = 0; f < HISTORY_FATE_COUNT; f++) {
        if (!count[f])
            continue;
        buf_add_cstr(out, said++ ? ", " : "");
        if (kinds > 1)
            buf_addf(out, "%u ", count[f]);
        buf_add_cstr(out, history_fate_name((enum history_fate)f));
    }
}

static void add_recipient(const struct history_record *r, const struct history_recipient *to,
                          struct buf *out)
{
    buf_add_cstr(out, "to        <");
    add_clean(out, to->address);
    buf_addf(out, ">\n          %s after %s", history_fate_name(to->fate),
             history_span_of(between_ms(r->accepted_ms, to->ended_ms)).s);
    buf_addf(out, ", %u attempt%s", to->attempts, to->attempts == 1 ? "" : "s");
    if (to->host.n) {
        buf_add_cstr(out, to->fate == HISTORY_DELIVERED ? ", by " : ", said by ");
        add_clean(out, to->host);
        if (to->ip.n) {
            buf_add_cstr(out, " [");
            add_clean(out, to->ip);
            buf_add_char(out, ']');
        }
    }
    buf_add_char(out, '\n');
    if (to->reply.n) {
        buf_add_cstr(out, "          ");
        add_clean(out, to->reply);
        buf_add_char(out, '\n');
    }
}

void history_view_text(const struct history_record *r, struct buf *out)
{
    char date[MAIL_DATE_BYTES];
    buf_addf(out, "message   %s, ", msgid_build(r->id).s);
    add_summary(r, out);
    buf_add_cstr(out, r->is_report ? " (a report of ours)\nfrom      <" : "\nfrom      <");
    add_clean(out, r->sender);
    buf_add_cstr(out, ">\n");
    if (r->client.n || r->user.n) {
        buf_add_cstr(out, "client    ");
        add_clean(out, r->client);
        if (r->user.n) {
            buf_add_cstr(out, ", logged in as ");
            add_clean(out, r->user);
        }
        buf_add_char(out, '\n');
    }
    if (r->message_id.n)
        add_line(out, "known as", r->message_id);
    buf_addf(out, "accepted  %s, %llu bytes\n", mail_date_iso(r->accepted_ms, date),
             (unsigned long long)r->bytes);
    buf_addf(out, "finished  %s, after %s\n", mail_date_iso(r->finished_ms, date),
             history_span_of(between_ms(r->accepted_ms, r->finished_ms)).s);
    struct history_recipient to;
    for (struct slice rest = r->recipients; history_record_next(&rest, &to);)
        add_recipient(r, &to, out);
}
