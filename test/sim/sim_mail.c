/* sim_mail.c -- see the header. Written without the relay's own parsers: two eyes see more than
 * one. */
#include "sim_mail.h"

#include "base/msgid.h"

#include <stdio.h>
#include <string.h>

enum { BODY_BYTES_MAX = 4 * 1024 * 1024, LINE_BYTES_MAX = 3000, HEAD_BYTES_MAX = 16384 };

/* Making */

/* The client says it, and so does the relay. */
static void both(struct sim_mail *m, const char *text)
{
    buf_add_cstr(&m->body, text);
    buf_add_cstr(&m->head, text);
}

/* By number, not drawn: what else is drawn stays as it is. */
static void add_rewritten(struct sim_mail *m)
{
    bool is_signed = m->number % 3 == 0;
    if (is_signed)
        both(m, "DKIM-Signature: v=1; h=subject:\r\n\tTO; b=x\r\n");
    both(m, "To: \"A, <x@old.test>\" <a@");
    buf_add_cstr(&m->body, "old.test");
    buf_add_cstr(&m->head, is_signed ? "old.test" : "new.test");
    both(m, "> (y@old.test),\r\n team: c@d.test;\r\n");
    buf_add_cstr(&m->body, "Bcc: secret@old.test,\r\n\tsecret@d.test\r\nCc: e@old.test\r\n");
    buf_add_cstr(&m->head, "Cc: e@new.test\r\n");
}

static void add_header(struct sim_mail *m, struct rng *rng)
{
    char text[200];
    snprintf(text, sizeof text, "X-Sim: %llu\r\nSubject: message %llu\r\n",
             (unsigned long long)m->number, (unsigned long long)m->number);
    both(m, text);
    m->has_date = rng_chance(rng, 50);
    m->has_message_id = rng_chance(rng, 50);
    if (m->has_date)
        both(m, "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n");
    if (m->number % 5 >= 3)
        add_rewritten(m);
    snprintf(text, sizeof text, "Message-ID: <%llu@client.test>\r\n",
             (unsigned long long)m->number);
    if (m->has_message_id)
        both(m, text);
    if (rng_chance(rng, 30))
        both(m, "X-Folded: one\r\n\ttwo\r\n .three\r\n");
    if (rng_chance(rng, 20))
        for (int i = (int)rng_between(rng, 1, 200); i > 0; i--) {
            snprintf(text, sizeof text, "%sX-Long-%d: %llx\r\n", i % 50 ? "" : ".", i,
                     (unsigned long long)rng_u64(rng));
            both(m, text);
        }
    both(m, "\r\n");
    m->head_bytes = m->body.n;
}

/* What trips mail software: dots at line starts, empty lines, long lines, almost-commands. */
static void add_line(struct sim_mail *m, struct rng *rng, size_t left)
{
    static const char *const odd[] = {"",
                                      ".",
                                      "..",
                                      "...",
                                      ". ",
                                      ".\t",
                                      "..x",
                                      ".x",
                                      "QUIT",
                                      "DATA",
                                      "MAIL FROM:<a@b>",
                                      "From x",
                                      "--",
                                      "Received: from nowhere",
                                      " ",
                                      "\t.",
                                      "\xc3\xa4\xff"};
    struct buf *b = &m->body;
    if (rng_chance(rng, 30)) {
        buf_add_cstr(b, odd[rng_below(rng, COUNT_OF(odd))]);
    } else {
        size_t n = rng_chance(rng, 5) ? LINE_BYTES_MAX : rng_chance(rng, 50) ? 76 : 1000;
        n = 1 + (size_t)rng_below(rng, n < left + 1 ? n : left + 1);
        char *p = buf_reserve(b, n);
        CHECK(p);
        uint64_t x = rng_u64(rng) | 1;
        for (size_t i = 0; i < n; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            p[i] = (char)(' ' + (x >> 33) % 95);
        }
        if (rng_chance(rng, 10))
            p[0] = '.';
        buf_wrote(b, n);
    }
    buf_add_cstr(b, "\r\n");
}

static void make_body(struct sim_mail *m, struct rng *rng, size_t bytes)
{
    buf_init(&m->body, BODY_BYTES_MAX);
    buf_init(&m->head, HEAD_BYTES_MAX);
    m->has_header = !rng_chance(rng, 8);
    if (m->has_header)
        add_header(m, rng);
    else if (rng_chance(rng, 70))
        buf_addf(&m->body, "no header %llu\r\n", (unsigned long long)m->number);
    else
        return; /* nothing at all between DATA and the dot */
    while (m->body.n < bytes)
        add_line(m, rng, bytes - m->body.n);
}

struct sim_mail *sim_mail_new(struct rng *rng, uint64_t number, const struct sim_wish *wish)
{
    struct sim_mail *m = mem_new(sizeof *m);
    m->number = number;
    m->recipient_count = wish->count;
    m->recipient = mem_new(wish->count * sizeof *m->recipient);
    if (wish->sender_domain)
        snprintf(m->sender.text, sizeof m->sender.text, "s-m%llu@%s", (unsigned long long)number,
                 wish->sender_domain);
    for (unsigned i = 0; i < wish->count; i++) {
        const char *at = strchr(wish->address[i], '@');
        CHECK(at);
        snprintf(m->recipient[i].text, sizeof m->recipient[i].text, "%.*s%u-m%llu%s",
                 (int)(at - wish->address[i]), wish->address[i], i, (unsigned long long)number, at);
    }
    make_body(m, rng, wish->body_bytes);
    return m;
}

void sim_mail_free(struct sim_mail *m)
{
    if (!m)
        return;
    mem_free(m->recipient);
    buf_close(&m->body);
    buf_close(&m->head);
    mem_free(m);
}

const char *sim_mail_goes_to(const struct sim_address *recipient)
{
    return recipient->is_staged ? SIM_STAGING_MAILBOX : recipient->text;
}

struct sim_mail *sim_mail_again(struct rng *rng, uint64_t number, const struct sim_mail *m)
{
    char(*address)[SIM_ADDRESS_BYTES] = mem_new(m->recipient_count * sizeof *address);
    const char **list = mem_new(m->recipient_count * sizeof *list);
    for (unsigned i = 0; i < m->recipient_count; i++) {
        const char *text = m->recipient[i].text;
        snprintf(address[i], sizeof address[i], "%c%s", text[0], strchr(text, '@'));
        list[i] = address[i];
    }
    const char *at = strchr(m->sender.text, '@');
    struct sim_wish wish = {list, m->recipient_count, at ? at + 1 : NULL, m->body.n};
    struct sim_mail *again = sim_mail_new(rng, number, &wish);
    again->tries = m->tries;
    mem_free(list);
    mem_free(address);
    return again;
}

/* Wire form */

void sim_mail_wire(const struct sim_mail *m, struct buf *out)
{
    struct slice rest = buf_slice(&m->body);
    while (rest.n) {
        const char *lf = memchr(rest.p, '\n', rest.n);
        size_t n = lf ? (size_t)(lf - rest.p) + 1 : rest.n;
        if (rest.p[0] == '.')
            buf_add_char(out, '.');
        buf_add(out, slice_head(rest, n));
        rest = slice_from(rest, n);
    }
    CHECK(buf_add(out, SLICE(".\r\n")));
}

void sim_mail_unstuff(struct slice wire, struct buf *out)
{
    while (wire.n) {
        const char *lf = memchr(wire.p, '\n', wire.n);
        size_t n = lf ? (size_t)(lf - wire.p) + 1 : wire.n;
        struct slice line = slice_head(wire, n);
        buf_add(out, slice_from(line, line.p[0] == '.'));
        wire = slice_from(wire, n);
    }
    CHECK(!out->is_full);
}

/* Knowing it again */

uint64_t sim_mail_number_of(struct slice address)
{
    for (size_t i = 0; i + 2 < address.n; i++) {
        if (address.p[i] != '-' || address.p[i + 1] != 'm')
            continue;
        struct slice rest = slice_from(address, i + 2);
        uint64_t number;
        return slice_to_u64(slice_head(rest, slice_find(rest, '@')), &number) ? number : 0;
    }
    return 0;
}

/* One field with its folded lines off the front; empty: none stands there. */
static struct slice take_field(struct slice *rest)
{
    size_t n = 0;
    for (;;) {
        struct slice line = slice_from(*rest, n);
        size_t lf = slice_find(line, '\n');
        if (lf == line.n || (n == 0 && lf <= 1))
            break;
        n += lf + 1;
        char next = n < rest->n ? rest->p[n] : 0;
        if (next != ' ' && next != '\t')
            break;
    }
    struct slice field = slice_head(*rest, n);
    *rest = slice_from(*rest, n);
    return field;
}

static bool id_of_received(struct slice field, uint64_t *id)
{
    for (size_t i = 0; i + 4 + MSGID_CHARS <= field.n; i++)
        if (slice_starts(slice_from(field, i), SLICE("\tid ")) &&
            msgid_parse(slice_head(slice_from(field, i + 4), MSGID_CHARS), id))
            return true;
    return false;
}

static bool no(struct fault *why, const char *text)
{
    (void)fault_set(why, ERR_BAD, 0, "%s", text);
    return false;
}

/* X-Original-To names everybody who was redirected, each once. */
static bool take_originals(const struct sim_mail *m, struct slice *prefix)
{
    for (unsigned i = 0; i < m->recipient_count; i++) {
        char text[SIM_ADDRESS_BYTES + 32];
        if (!m->recipient[i].is_staged || !m->recipient[i].is_taken)
            continue;
        snprintf(text, sizeof text, "X-Original-To: <%s>\r\n", m->recipient[i].text);
        if (!slice_eq(take_field(prefix), slice_cstr(text)))
            return false;
    }
    return true;
}

bool sim_mail_is_it(const struct sim_mail *m, struct slice got, uint64_t *id, struct fault *why)
{
    struct slice head = buf_slice(&m->head), body = slice_from(buf_slice(&m->body), m->head_bytes);
    if (got.n < head.n + body.n)
        return no(why, "it is shorter than what was submitted");
    struct slice prefix = slice_head(got, got.n - body.n - head.n);
    if (!slice_eq(slice_from(got, got.n - body.n), body)) {
        size_t i = 0;
        while (got.p[got.n - body.n + i] == body.p[i])
            i++;
        (void)fault_set(why, ERR_BAD, 0, "the body differs from byte %zu of %zu on", i, body.n);
        return false;
    }
    if (!slice_eq(slice_head(slice_from(got, prefix.n), head.n), head))
        return no(why, "the header is not what the rules make of it");
    struct slice field = take_field(&prefix);
    if (!slice_starts(field, SLICE("Received: from ")) || !id_of_received(field, id))
        return no(why, "it does not begin with a Received field of ours");
    if (!m->has_message_id && !slice_starts(take_field(&prefix), SLICE("Message-ID: <")))
        return no(why, "no Message-ID was added");
    if (!m->has_date && !slice_starts(take_field(&prefix), SLICE("Date: ")))
        return no(why, "no Date was added");
    if (m->sender.text[0] && !slice_starts(take_field(&prefix), SLICE("From: <")))
        return no(why, "no From was added"); /* none of ours has one */
    if (!take_originals(m, &prefix))
        return no(why, "it does not say whom it was for");
    if (!m->has_header && slice_eq(prefix, SLICE("\r\n")))
        prefix = SLICE_NONE;
    if (prefix.n)
        return no(why, "something unknown stands before the body");
    return true;
}

/* Reports */

static bool value_of(struct slice line, const char *name, struct slice *out)
{
    if (!slice_starts_nocase(line, slice_cstr(name)))
        return false;
    *out = slice_trim(slice_from(line, strlen(name)));
    return true;
}

static bool typed_value_of(struct slice line, const char *name, struct slice *out)
{
    if (!value_of(line, name, out))
        return false;
    *out = slice_trim(slice_from(*out, slice_find(*out, ';') + 1));
    return true;
}

bool sim_report_parse(struct slice text, struct sim_report *out, struct fault *why)
{
    bool has_type = false, is_auto = false, has_action = false;
    *out = (struct sim_report){0};
    while (text.n) {
        size_t lf = slice_find(text, '\n');
        struct slice line = slice_head(text, lf), value;
        text = slice_from(text, lf + 1);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (value_of(line, "Message-ID: <", &value) && !out->id)
            (void)msgid_parse(slice_head(value, MSGID_CHARS), &out->id);
        else if (value_of(line, "Content-Type: multipart/report; report-type=delivery-status",
                          &value))
            has_type = true;
        else if (value_of(line, "Auto-Submitted: auto-replied", &value))
            is_auto = true;
        else if (typed_value_of(line, "Final-Recipient:", &value)) {
            if (out->count == SIM_REPORT_RECIPIENTS_MAX)
                return no(why, "the report names too many recipients");
            out->recipient[out->count++] = value;
        } else if (value_of(line, "Status:", &value) && out->count)
            out->status[out->count - 1] = value;
        else if (typed_value_of(line, "Diagnostic-Code:", &value) && out->count)
            out->diagnostic[out->count - 1] = value;
        else if (value_of(line, "Action:", &value)) {
            bool is_failure = slice_eq(value, SLICE("failed"));
            if (!is_failure && !slice_eq(value, SLICE("delayed")))
                return no(why, "the report has an unknown Action");
            if (has_action && is_failure != out->is_failure)
                return no(why, "the report mixes failures and delays");
            has_action = true;
            out->is_failure = is_failure;
        } else if (value_of(line, "X-Sim:", &value))
            out->has_original = true;
    }
    if (!has_type || !is_auto || !has_action || !out->id || !out->count)
        return no(why, "it is no delivery report");
    return true;
}
