/* dsn.c -- a delivery status notification, in three parts.
 *
 *   header           ours: to the sender, from nobody (the envelope sender is "<>")
 *   --boundary       what happened, in words
 *   --boundary       message/delivery-status: what happened, for programs
 *   --boundary       text/rfc822-headers: the original's header section
 *
 * Where the sender's address is not ASCII the second is message/global-delivery-status; where the
 * original's header is not, the third is message/global-headers or message/global (RFC 6533).
 *   --boundary--
 *
 * The parts are written plainly first, then a boundary that is in none of them is chosen, and all
 * is dot-stuffed on its way into the output: each of the three in one place. */
#include "mail/dsn.h"

#include <string.h>

#include "base/utf8.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/received.h"
#include "text.h"

enum {
    NAME_BYTES_MAX = 255, /* hosts, ids, addresses */
    STATUS_BYTES_MAX = 9, /* "5.123.123" */
    REASON_BYTES_MAX = 1000,
    XTEXT_BYTES_MAX = 500, /* RFC 3461: an ORCPT may take 500 */
    ENVID_BYTES_MAX = 100, /* RFC 3461 section 4.4 */
    LINE_BYTES_MAX = 900,  /* of an original line before it is broken */
    BOUNDARY_BYTES_MAX = 64,
};

struct parts {
    struct buf words, status, header;
};

/* What a status says, for those who do not read numbers: RFC 3463, the IANA registry. The first
 * row that begins like "x.1.1" without its class speaks. */
static const struct {
    const char *subject;
    const char *words;
} meaning[] = {
    {".1.1", "The address does not exist there."},
    {".1.2", "The domain of the address does not exist or takes no mail."},
    {".1.3", "The address is not written correctly."},
    {".1.6", "The recipient has moved and left no new address."},
    {".1.7", "Your own address was not accepted as the sender."},
    {".1.8", "The domain of your own address was not accepted as the sender."},
    {".1.10", "The recipient's domain declares that it takes no mail."},
    {".2.1", "The mailbox is disabled."},
    {".2.2", "The mailbox is full."},
    {".2.3", "The message is larger than the mailbox takes."},
    {".3.1", "The receiving system has no room left."},
    {".3.4", "The message is larger than the receiving system takes."},
    {".4.1", "The receiving system did not answer."},
    {".4.2", "The connection to the receiving system broke."},
    {".4.3", "The domain could not be looked up."},
    {".4.4", "No route to the receiving system was found."},
    {".4.6", "The message went round in a loop."},
    {".4.7", "Delivery took longer than the time allowed for it."},
    {".6.3", "The receiving system does not take messages of this form."},
    {".6.7", "The receiving system does not take internationalised addresses."},
    {".7.0", "The receiving system refused the message as a matter of its policy."},
    {".7.1", "You are not permitted to send to this recipient through that system."},
    {".7.4", "The secure connection that is required for this recipient was not possible."},
    {".7.26", "The message did not pass the receiving system's SPF and DKIM checks."},
};

static struct slice status_of(const struct mail_dsn *d, const struct mail_dsn_recipient *r)
{
    struct slice s = r->status;
    bool is_good = s.n >= 5 && s.n <= STATUS_BYTES_MAX && s.p[1] == '.' &&
                   (s.p[0] == '2' || s.p[0] == '4' || s.p[0] == '5');
    struct slice rest = slice_from(s, 2);
    size_t dot = slice_find(rest, '.');
    uint64_t number;
    is_good = is_good && dot <= 3 && slice_to_u64(slice_head(rest, dot), &number) &&
              rest.n - dot <= 4 && slice_to_u64(slice_from(rest, dot + 1), &number);
    if (is_good)
        return s;
    return d->kind == MAIL_DSN_DELAYED ? SLICE("4.0.0") : SLICE("5.0.0");
}

static const char *words_of(struct slice status)
{
    for (size_t i = 0; i < COUNT_OF(meaning); i++) {
        if (slice_eq(slice_from(status, 1), slice_cstr(meaning[i].subject)))
            return meaning[i].words;
    }
    return NULL;
}

static bool is_address(struct slice text)
{
    struct mail_address a;
    size_t used;
    return mail_address_parse(text, MAIL_ADDRESS_UTF8 | MAIL_ADDRESS_UNQUALIFIED, &a, &used) ==
           PARSE_DONE;
}

/* An address that our parser takes is written as it is, anything else is cleaned. */
static void add_address(struct buf *out, struct slice address)
{
    if (is_address(address))
        buf_add(out, address);
    else
        mail_text_add_clean(out, address, NAME_BYTES_MAX, " ()<>[]:;\\,\"", true);
}

static void add_host(struct buf *out, struct slice host)
{
    mail_text_add_clean(out, host, NAME_BYTES_MAX, " ()<>;@\\,\"", false);
}

static void add_date(struct buf *out, const char *name, int64_t unix_ms)
{
    char text[MAIL_DATE_BYTES];
    if (unix_ms > 0)
        buf_addf(out, "%s: %s\r\n", name, mail_date_build(unix_ms, text));
}

/* ---- the words ---- */

static void add_line(struct buf *out, const char *text)
{
    buf_addf(out, "%s\r\n", text);
}

static void add_paragraph(struct buf *out, const char *indent, struct slice text)
{
    struct mail_text t = mail_text_start(out, indent, indent, true);
    mail_text_run(&t, text);
    mail_text_end(&t);
}

static void add_recipient_words(struct buf *out, const struct mail_dsn *d,
                                const struct mail_dsn_recipient *r)
{
    struct slice status = status_of(d, r);
    const char *words = words_of(status);
    char date[MAIL_DATE_BYTES];
    buf_add_cstr(out, "<");
    add_address(out, r->final);
    buf_add_cstr(out, ">:\r\n");
    if (r->reason.n)
        add_paragraph(out, "    ", slice_head(r->reason, REASON_BYTES_MAX));
    else if (words)
        buf_addf(out, "    %s\r\n", words);
    if (r->diagnostic.n) {
        buf_add_cstr(out, "    ");
        if (r->remote_mta.n || r->remote_ip.n) {
            buf_add_cstr(out, "The mail server");
            if (r->remote_mta.n) {
                buf_add_char(out, ' ');
                add_host(out, r->remote_mta);
            }
            if (r->remote_ip.n) {
                buf_add_cstr(out, " [");
                add_host(out, r->remote_ip);
                buf_add_char(out, ']');
            }
            buf_add_cstr(out, " said:\r\n");
        } else {
            buf_add_cstr(out, "The answer was:\r\n");
        }
        add_paragraph(out, "        ", slice_head(r->diagnostic, MAIL_DSN_DIAGNOSTIC_BYTES_MAX));
    } else if (!r->reason.n && !words) {
        add_line(out, "    No more is known about the cause.");
    }
    if (r->last_attempt_ms > 0)
        buf_addf(out, "    Last attempt: %s\r\n", mail_date_build(r->last_attempt_ms, date));
    add_line(out, "");
}

static void add_words(struct buf *out, const struct mail_dsn *d)
{
    char date[MAIL_DATE_BYTES];
    const char *them = d->recipient_count == 1 ? "this recipient" : "these recipients";
    buf_add_cstr(out, "This is the mail relay at ");
    add_host(out, d->hostname);
    buf_add_cstr(out, ".\r\n\r\n");
    switch (d->kind) {
    case MAIL_DSN_FAILED:
        buf_addf(out, "Your message of %s\r\n", mail_date_build(d->arrival_ms, date));
        buf_addf(out, "could not be delivered to %s:\r\n\r\n", them);
        break;
    case MAIL_DSN_DELAYED:
        buf_addf(out, "Your message of %s\r\n", mail_date_build(d->arrival_ms, date));
        buf_addf(out, "has not been delivered to %s yet:\r\n\r\n", them);
        break;
    case MAIL_DSN_RELAYED:
        buf_addf(out, "Your message of %s\r\n", mail_date_build(d->arrival_ms, date));
        buf_addf(out, "was handed on to the next mail server for %s:\r\n\r\n", them);
        break;
    }
    for (size_t i = 0; i < d->recipient_count; i++)
        add_recipient_words(out, d, &d->recipient[i]);
    switch (d->kind) {
    case MAIL_DSN_FAILED:
        add_line(out,
                 "What happens next: nothing more. The relay has stopped trying for the above.");
        add_line(out, "If the cause can be mended, please send the message again afterwards.");
        break;
    case MAIL_DSN_DELAYED:
        add_line(out,
                 "What happens next: the relay goes on trying. You need not do anything, and you");
        add_line(out, "need not send the message again.");
        if (d->retry_until_ms > 0)
            buf_addf(out, "It gives up on %s\r\nand tells you if it does.\r\n",
                     mail_date_build(d->retry_until_ms, date));
        break;
    case MAIL_DSN_RELAYED:
        add_line(out,
                 "What happens next: that server delivers the message. It does not send reports");
        add_line(out, "of success, so you may hear no more of it.");
        break;
    }
    buf_addf(out, "\r\n%s is attached.\r\nThe relay knows it by the id ",
             d->is_whole ? "Your message" : "The header of your message");
    add_host(out, d->id);
    buf_add_cstr(out, ".\r\n");
}

/* ---- for programs ---- */

static int hex_value(char c)
{
    return ascii_is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 section 4: "+2B" is '+'. What is no xtext stays as it is. */
static struct slice decode_xtext(struct slice in, char text[XTEXT_BYTES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < in.n && n < XTEXT_BYTES_MAX; i++) {
        char c = in.p[i];
        if (c == '+' && in.n - i > 2 && hex_value(in.p[i + 1]) >= 0 &&
            hex_value(in.p[i + 2]) >= 0) {
            c = (char)(hex_value(in.p[i + 1]) << 4 | hex_value(in.p[i + 2]));
            i += 2;
        }
        text[n++] = c;
    }
    return slice_of(text, n);
}

/* Clean and bounded. */
static void add_xtext(struct buf *out, struct slice in, size_t max)
{
    char text[XTEXT_BYTES_MAX];
    mail_text_add_clean(out, slice_head(decode_xtext(in, text), max), max, "", false);
}

/* RFC 6533 section 3: a UTF-8 address in an ASCII report is written with \x{...}. */
static void add_escaped(struct buf *out, struct slice address)
{
    for (size_t at = 0; at < address.n;) {
        uint32_t code = '?';
        int n = utf8_next(slice_from(address, at), &code);
        if (n == 1 && code > ' ' && code < 0x7f && code != '+' && code != '=' && code != '\\')
            buf_add_char(out, (char)code);
        else
            buf_addf(out, "\\x{%02X}", (unsigned)(n ? code : '?'));
        at += n ? (size_t)n : 1;
    }
}

/* The report goes to an address beyond ASCII, and so only where SMTPUTF8 is. */
static bool is_global(const struct mail_dsn *d)
{
    return !slice_is_ascii(d->sender);
}

static void add_typed_address(struct buf *out, const struct mail_dsn *d, struct slice address)
{
    if (slice_is_ascii(address)) {
        buf_add_cstr(out, "rfc822; ");
        add_address(out, address);
        return;
    }
    buf_add_cstr(out, "utf-8; ");
    if (is_global(d) && is_address(address)) {
        buf_add(out, address);
        return;
    }
    /* An escape takes six bytes: what is no address must stay within a line too. */
    if (!is_address(address))
        address = slice_head(address, LINE_BYTES_MAX / 6);
    add_escaped(out, address);
}

/* "type;xtext", the type being an atom of RFC 3461; nothing at all when it is not. */
static void add_original(struct buf *out, struct slice orcpt)
{
    size_t semicolon = slice_find(orcpt, ';');
    struct slice type = slice_head(orcpt, semicolon), rest = slice_from(orcpt, semicolon + 1);
    bool is_good = semicolon < orcpt.n && type.n > 0 && type.n <= 64 && rest.n > 0;
    for (size_t i = 0; i < type.n && is_good; i++)
        is_good = ascii_is_alpha(type.p[i]) || ascii_is_digit(type.p[i]) || type.p[i] == '-';
    if (!is_good)
        return;
    char text[XTEXT_BYTES_MAX];
    struct slice plain = decode_xtext(rest, text);
    bool is_hidden_utf8 =
        slice_eq_nocase(type, SLICE("rfc822")) && !slice_is_ascii(plain) && utf8_is_valid(plain);
    buf_add_cstr(out, "Original-Recipient: ");
    buf_add(out, is_hidden_utf8 ? SLICE("utf-8") : type);
    buf_add_cstr(out, "; ");
    /* The utf-8 type has an escape of its own, which programs undo themselves. */
    if (slice_eq_nocase(type, SLICE("utf-8")))
        mail_text_add_clean(out, rest, XTEXT_BYTES_MAX, "", false);
    else if (is_hidden_utf8)
        add_escaped(out, slice_head(plain, LINE_BYTES_MAX / 6));
    else
        mail_text_add_clean(out, plain, XTEXT_BYTES_MAX, "", false);
    buf_add_cstr(out, "\r\n");
}

static void add_recipient_status(struct buf *out, const struct mail_dsn *d,
                                 const struct mail_dsn_recipient *r)
{
    static const char *const action[] = {[MAIL_DSN_FAILED] = "failed",
                                         [MAIL_DSN_DELAYED] = "delayed",
                                         [MAIL_DSN_RELAYED] = "relayed"};
    buf_add_cstr(out, "\r\n");
    add_original(out, r->original);
    buf_add_cstr(out, "Final-Recipient: ");
    add_typed_address(out, d, r->final);
    buf_addf(out, "\r\nAction: %s\r\n", action[d->kind]);
    buf_addf(out, "Status: %.*s\r\n", SLICE_FMT(status_of(d, r)));
    if (r->remote_mta.n) {
        buf_add_cstr(out, "Remote-MTA: dns; ");
        add_host(out, r->remote_mta);
        buf_add_cstr(out, "\r\n");
    }
    if (r->diagnostic.n || r->reason.n) {
        struct slice text = r->diagnostic.n
                                ? slice_head(r->diagnostic, MAIL_DSN_DIAGNOSTIC_BYTES_MAX)
                                : slice_head(r->reason, REASON_BYTES_MAX);
        const char *type = r->diagnostic.n ? "smtp;" : "x-outpost;";
        struct mail_text t = mail_text_start(out, "Diagnostic-Code:", " ", false);
        mail_text_word(&t, type, SLICE_NONE, "");
        mail_text_run(&t, text);
        mail_text_end(&t);
    }
    add_date(out, "Last-Attempt-Date", r->last_attempt_ms);
    if (d->kind == MAIL_DSN_DELAYED)
        add_date(out, "Will-Retry-Until", d->retry_until_ms);
}

static void add_status(struct buf *out, const struct mail_dsn *d)
{
    if (d->envid.n) {
        buf_add_cstr(out, "Original-Envelope-Id: ");
        add_xtext(out, d->envid, ENVID_BYTES_MAX);
        buf_add_cstr(out, "\r\n");
    }
    buf_add_cstr(out, "Reporting-MTA: dns; ");
    add_host(out, d->hostname);
    buf_add_cstr(out, "\r\nX-Outpost-Queue-ID: ");
    add_host(out, d->id);
    buf_add_cstr(out, "\r\nX-Outpost-Sender: ");
    add_typed_address(out, d, d->sender);
    buf_add_cstr(out, "\r\n");
    add_date(out, "Arrival-Date", d->arrival_ms);
    for (size_t i = 0; i < d->recipient_count; i++)
        add_recipient_status(out, d, &d->recipient[i]);
}

/* ---- the original's header ---- */

static void add_original_line(struct buf *out, struct slice line)
{
    for (size_t at = 0; at < line.n; at++) {
        char c = line.p[at];
        bool is_good = (uint8_t)c >= ' ' ? c != 0x7f : c == '\t';
        if (at > 0 && at % LINE_BYTES_MAX == 0)
            buf_add_cstr(out, "\r\n ");
        buf_add_char(out, is_good ? c : '?');
    }
    buf_add_cstr(out, "\r\n");
}

static void add_header(struct buf *out, struct slice wire)
{
    struct mail_header_scan scan;
    struct slice in = slice_head(wire, MAIL_DSN_HEADER_BYTES_MAX);
    mail_header_scan_init(&scan);
    mail_header_scan_feed(&scan, in);
    /* Not over: cut before its end, and so is its last line, which has no LF. */
    if (scan.is_over)
        in = slice_head(in, (size_t)scan.header_bytes);
    for (;;) {
        size_t lf = slice_find(in, '\n');
        if (lf == in.n)
            return;
        struct slice line = slice_head(in, lf);
        in = slice_from(in, lf + 1);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n && line.p[0] == '.')
            line = slice_from(line, 1);
        if (line.n == 0)
            return;
        add_original_line(out, line);
    }
}

/* As it was sent: only the dots of the wire form are undone. */
static void add_message(struct buf *out, struct slice wire)
{
    while (wire.n) {
        size_t n = slice_find(wire, '\n');
        n += n < wire.n;
        struct slice line = slice_head(wire, n);
        buf_add(out, line.p[0] == '.' ? slice_from(line, 1) : line);
        wire = slice_from(wire, n);
    }
}

/* ---- all of it ---- */

static bool contains(struct slice text, struct slice what)
{
    while (text.n >= what.n) {
        size_t at = slice_find(text, what.p[0]);
        text = slice_from(text, at);
        if (slice_starts(text, what))
            return true;
        text = slice_from(text, 1);
    }
    return false;
}

/* Deterministic. Ends, because a text of n bytes cannot hold more than n different candidates. */
static void choose_boundary(struct buf *out, const struct mail_dsn *d, const struct parts *p)
{
    for (unsigned try = 0;; try++) {
        buf_clear(out);
        buf_add_cstr(out, "=_outpost-");
        for (size_t i = 0; i < d->dsn_id.n && i < 20; i++) {
            char c = d->dsn_id.p[i];
            buf_add_char(out, ascii_is_alpha(c) || ascii_is_digit(c) ? c : '-');
        }
        buf_addf(out, "-%u", try);
        struct slice boundary = buf_slice(out);
        if (!contains(buf_slice(&p->words), boundary) &&
            !contains(buf_slice(&p->status), boundary) &&
            !contains(buf_slice(&p->header), boundary))
            return;
    }
}

/* In-Reply-To and References (RFC 3834 section 3.1.5), when it really is one message id. */
static void add_thread(struct buf *out, struct slice id)
{
    bool is_good = id.n > 4 && id.n <= 250 && id.p[0] == '<' && id.p[id.n - 1] == '>';
    for (size_t i = 1; i + 1 < id.n && is_good; i++)
        is_good = id.p[i] > ' ' && id.p[i] < 0x7f && id.p[i] != '<' && id.p[i] != '>';
    if (is_good)
        buf_addf(out, "In-Reply-To: %.*s\r\nReferences: %.*s\r\n", SLICE_FMT(id), SLICE_FMT(id));
}

static const char *encoding_of(bool is_8bit)
{
    return is_8bit ? "8bit" : "7bit";
}

static void add_top(struct buf *out, const struct mail_dsn *d, struct slice boundary, bool is_8bit)
{
    buf_add_cstr(out, "From: Mail Delivery System <MAILER-DAEMON@");
    add_host(out, d->hostname);
    buf_add_cstr(out, ">\r\nTo: <");
    add_address(out, d->sender);
    static const char *const subject[] = {
        [MAIL_DSN_FAILED] = "Undelivered: your message could not be delivered",
        [MAIL_DSN_DELAYED] = "Delayed: your message is still on its way",
        [MAIL_DSN_RELAYED] = "Relayed: your message was handed on"};
    buf_addf(out, ">\r\nSubject: %s\r\n", subject[d->kind]);
    mail_date_field_build(d->now_ms, out);
    mail_message_id_build(out, d->dsn_id, d->hostname);
    add_thread(out, d->message_id);
    buf_add_cstr(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                      "Content-Type: multipart/report; report-type=delivery-status;\r\n");
    buf_addf(out, "\tboundary=\"%.*s\"\r\n", SLICE_FMT(boundary));
    buf_addf(out, "Content-Transfer-Encoding: %s\r\n\r\n", encoding_of(is_8bit));
    add_line(out, "This is a delivery status notification in MIME format.");
}

static void add_part(struct buf *out, struct slice boundary, const char *type, struct slice part)
{
    bool is_8bit = !slice_is_ascii(part);
    buf_addf(out, "\r\n--%.*s\r\nContent-Type: %s\r\n", SLICE_FMT(boundary), type);
    buf_addf(out, "Content-Transfer-Encoding: %s\r\n\r\n", encoding_of(is_8bit));
    buf_add(out, part);
}

static void add_stuffed(struct buf *out, struct slice text)
{
    while (text.n) {
        size_t n = slice_find(text, '\n');
        n += n < text.n;
        if (text.p[0] == '.')
            buf_add_char(out, '.');
        buf_add(out, slice_head(text, n));
        text = slice_from(text, n);
    }
}

/* The type of the third part. */
static const char *original_type(const struct mail_dsn *d)
{
    struct mail_header_scan scan;
    mail_header_scan_init(&scan);
    mail_header_scan_feed(&scan, d->header);
    if (d->is_whole)
        return scan.has_8bit ? "message/global" : "message/rfc822";
    return scan.has_8bit ? "message/global-headers" : "text/rfc822-headers";
}

bool mail_dsn_build(struct buf *out, const struct mail_dsn *d)
{
    struct parts p;
    struct buf boundary, all;
    size_t max = out->max;
    buf_init(&p.words, max);
    buf_init(&p.status, max);
    buf_init(&p.header, max);
    buf_init(&boundary, BOUNDARY_BYTES_MAX);
    buf_init(&all, max);

    add_words(&p.words, d);
    add_status(&p.status, d);
    if (d->is_whole)
        add_message(&p.header, d->header);
    else
        add_header(&p.header, d->header);
    choose_boundary(&boundary, d, &p);

    struct slice line = buf_slice(&boundary);
    bool is_8bit = !slice_is_ascii(buf_slice(&p.words)) || !slice_is_ascii(buf_slice(&p.status)) ||
                   !slice_is_ascii(buf_slice(&p.header));
    add_top(&all, d, line, is_8bit || !slice_is_ascii(d->sender));
    add_part(&all, line, "text/plain; charset=utf-8", buf_slice(&p.words));
    add_part(&all, line,
             is_global(d) ? "message/global-delivery-status" : "message/delivery-status",
             buf_slice(&p.status));
    add_part(&all, line, original_type(d), buf_slice(&p.header));
    buf_addf(&all, "\r\n--%.*s--\r\n", SLICE_FMT(line));
    add_stuffed(out, buf_slice(&all));

    bool is_whole =
        !out->is_full && !all.is_full && !p.words.is_full && !p.status.is_full && !p.header.is_full;
    buf_close(&p.words);
    buf_close(&p.status);
    buf_close(&p.header);
    buf_close(&boundary);
    buf_close(&all);
    return is_whole;
}
