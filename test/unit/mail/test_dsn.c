/* test_dsn.c -- notifications: their text, and that no input can break out of its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mail/dsn.h"

static struct mail_dsn_recipient one_recipient(void)
{
    return (struct mail_dsn_recipient){
        .final = SLICE("user@example.com"),
        .original = SLICE("rfc822;user+2Btag@example.com"),
        .status = SLICE("5.1.1"),
        .remote_mta = SLICE("mx.example.com"),
        .remote_ip = SLICE("192.0.2.1"),
        .diagnostic = SLICE("550 5.1.1 <user@example.com>: Recipient address rejected: User "
                            "unknown\r\nin local recipient table"),
        .last_attempt_ms = 1795308462123,
    };
}

static struct mail_dsn usual(const struct mail_dsn_recipient *r, size_t count)
{
    return (struct mail_dsn){
        .kind = MAIL_DSN_FAILED,
        .hostname = SLICE("relay.example.org"),
        .sender = SLICE("alice@example.org"),
        .id = SLICE("1m5x0000abcde"),
        .dsn_id = SLICE("1m5x0000abcdf"),
        .envid = SLICE("QQ+2B1"),
        .message_id = SLICE("<1@example.org>"),
        .header =
            SLICE("From: alice@example.org\r\n..dot: x\r\nSubject: Hi\r\n there\r\n\r\nbody\r\n"),
        .arrival_ms = 1795308400000,
        .now_ms = 1795308462123,
        .retry_until_ms = 1795740400000,
        .recipient = r,
        .recipient_count = count,
    };
}

static void build(struct buf *out, const struct mail_dsn *d)
{
    buf_init(out, MAIL_DSN_BASE_BYTES_MAX + d->recipient_count * MAIL_DSN_EACH_BYTES_MAX);
    assert_true(mail_dsn_build(out, d));
}

/* How many lines begin so. */
static size_t count_lines(struct slice s, const char *head)
{
    size_t count = 0;
    while (s.n) {
        count += slice_starts_nocase(s, slice_cstr(head));
        s = slice_from(s, slice_find(s, '\n') + 1);
    }
    return count;
}

/* The n-th part, counted from 0 = the top. */
static struct slice part(struct slice s, size_t n)
{
    struct slice rest = s;
    size_t at = 0;
    while (rest.n) {
        if (slice_starts(rest, SLICE("--=_outpost-"))) {
            if (at++ == n)
                return slice_head(s, (size_t)(rest.p - s.p));
            s = rest;
        }
        rest = slice_from(rest, slice_find(rest, '\n') + 1);
    }
    return s;
}

/* What holds for every notification, whatever was put in. */
static void check_shape(const char *shows, const struct mail_dsn *d, struct slice all)
{
    for (struct slice s = all; s.n;) {
        size_t lf = slice_find(s, '\n');
        if (lf == s.n || lf == 0 || s.p[lf - 1] != '\r' || lf > 998)
            fail_msg("%s: line of %zu bytes: %.*s", shows, lf, (int)(lf < 80 ? lf : 80), s.p);
        if (s.p[0] == '.' && s.p[1] != '.')
            fail_msg("%s: not stuffed: %.*s", shows, (int)lf, s.p);
        for (size_t i = 0; i + 1 < lf; i++) {
            uint8_t c = (uint8_t)s.p[i];
            if ((c < ' ' && c != '\t') || c == 0x7f)
                fail_msg("%s: control %d", shows, c);
        }
        s = slice_from(s, lf + 1);
    }
    if (count_lines(all, "--=_outpost-") != 4)
        fail_msg("%s: %zu boundaries", shows, count_lines(all, "--=_outpost-"));

    static const char *const top[] = {"From: ",
                                      "To: ",
                                      "Subject: ",
                                      "Date: ",
                                      "Message-ID: ",
                                      "Auto-Submitted: auto-replied\r\n",
                                      "MIME-Version: 1.0\r\n",
                                      "Content-Type: multipart/report;",
                                      "Content-Transfer-Encoding: "};
    struct slice header = part(all, 0);
    for (size_t i = 0; i < COUNT_OF(top); i++) {
        if (count_lines(header, top[i]) != 1)
            fail_msg("%s: %s is there %zu times", shows, top[i], count_lines(header, top[i]));
    }
    size_t fields = 0;
    while (!slice_starts(header, SLICE("\r\n"))) {
        fields += header.p[0] != '\t';
        header = slice_from(header, slice_find(header, '\n') + 1);
    }
    if (fields != COUNT_OF(top) && fields != COUNT_OF(top) + 2) /* two more make the thread */
        fail_msg("%s: %zu fields at the top", shows, fields);

    struct slice status = part(all, 2);
    static const char *const each[] = {"Final-Recipient: ", "Action: ", "Status: "};
    for (size_t i = 0; i < COUNT_OF(each); i++) {
        if (count_lines(status, each[i]) != d->recipient_count)
            fail_msg("%s: %s is there %zu times", shows, each[i], count_lines(status, each[i]));
    }
    if (count_lines(status, "\r\n") != d->recipient_count + 2) /* each, the part, the boundary */
        fail_msg("%s: %zu blocks", shows, count_lines(status, "\r\n"));
    if (count_lines(part(all, 0), "Bcc:") + count_lines(part(all, 1), "Bcc:") +
        count_lines(status, "Bcc:"))
        fail_msg("%s: a field was injected", shows);
}

static void a_failure(void **state)
{
    struct mail_dsn_recipient r = one_recipient();
    struct mail_dsn d = usual(&r, 1);
    struct buf b;
    build(&b, &d);
    check_shape("usual", &d, buf_slice(&b));
    assert_string_equal(
        buf_cstr(&b),
        "From: Mail Delivery System <MAILER-DAEMON@relay.example.org>\r\n"
        "To: <alice@example.org>\r\n"
        "Subject: Undelivered: your message could not be delivered\r\n"
        "Date: Sun, 22 Nov 2026 00:47:42 +0000\r\n"
        "Message-ID: <1m5x0000abcdf@relay.example.org>\r\n"
        "In-Reply-To: <1@example.org>\r\n"
        "References: <1@example.org>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        "\tboundary=\"=_outpost-1m5x0000abcdf-0\"\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "This is a delivery status notification in MIME format.\r\n"
        "\r\n"
        "--=_outpost-1m5x0000abcdf-0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "This is the mail relay at relay.example.org.\r\n"
        "\r\n"
        "Your message of Sun, 22 Nov 2026 00:46:40 +0000\r\n"
        "could not be delivered to this recipient:\r\n"
        "\r\n"
        "<user@example.com>:\r\n"
        "    The address does not exist there.\r\n"
        "    The mail server mx.example.com [192.0.2.1] said:\r\n"
        "        550 5.1.1 <user@example.com>: Recipient address rejected: User unknown\r\n"
        "        in local recipient table\r\n"
        "    Last attempt: Sun, 22 Nov 2026 00:47:42 +0000\r\n"
        "\r\n"
        "What happens next: nothing more. The relay has stopped trying for the above.\r\n"
        "If the cause can be mended, please send the message again afterwards.\r\n"
        "\r\n"
        "The header of your message is attached.\r\n"
        "The relay knows it by the id 1m5x0000abcde.\r\n"
        "\r\n"
        "--=_outpost-1m5x0000abcdf-0\r\n"
        "Content-Type: message/delivery-status\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Original-Envelope-Id: QQ+1\r\n"
        "Reporting-MTA: dns; relay.example.org\r\n"
        "X-Outpost-Queue-ID: 1m5x0000abcde\r\n"
        "X-Outpost-Sender: rfc822; alice@example.org\r\n"
        "Arrival-Date: Sun, 22 Nov 2026 00:46:40 +0000\r\n"
        "\r\n"
        "Original-Recipient: rfc822; user+tag@example.com\r\n"
        "Final-Recipient: rfc822; user@example.com\r\n"
        "Action: failed\r\n"
        "Status: 5.1.1\r\n"
        "Remote-MTA: dns; mx.example.com\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <user@example.com>: Recipient address\r\n"
        " rejected: User unknown in local recipient table\r\n"
        "Last-Attempt-Date: Sun, 22 Nov 2026 00:47:42 +0000\r\n"
        "\r\n"
        "--=_outpost-1m5x0000abcdf-0\r\n"
        "Content-Type: text/rfc822-headers\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "From: alice@example.org\r\n"
        "..dot: x\r\n"
        "Subject: Hi\r\n"
        " there\r\n"
        "\r\n"
        "--=_outpost-1m5x0000abcdf-0--\r\n");
    buf_close(&b);
}

static bool has_text(const struct buf *b, const char *text)
{
    struct slice s = buf_slice(b), what = slice_cstr(text);
    for (; s.n >= what.n; s = slice_from(s, 1)) {
        if (slice_starts(s, what))
            return true;
    }
    return false;
}

static void a_delay(void **state)
{
    struct mail_dsn_recipient r = {
        .final = SLICE("user@example.com"),
        .status = SLICE("4.4.1"),
        .reason = SLICE("No server of example.com could be reached."),
    };
    struct mail_dsn d = usual(&r, 1);
    struct buf b;
    d.kind = MAIL_DSN_DELAYED;
    build(&b, &d);
    check_shape("delay", &d, buf_slice(&b));
    static const char *const wanted[] = {
        "Subject: Delayed",
        "has not been delivered to this recipient yet",
        "    No server of example.com could be reached.\r\n",
        "need not send the message again",
        "It gives up on Fri, 27 Nov 2026 00:46:40 +0000",
        "Action: delayed\r\nStatus: 4.4.1\r\n",
        "Diagnostic-Code: x-outpost; No server",
        "Will-Retry-Until: Fri, 27 Nov 2026 00:46:40 +0000\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        if (!has_text(&b, wanted[i]))
            fail_msg("missing: %s\n%s", wanted[i], buf_cstr(&b));
    }
    static const char *const unwanted[] = {"Remote-MTA", "Last-Attempt-Date", "Original-Recipient",
                                           "said:",      "Last attempt",      "smtp;"};
    for (size_t i = 0; i < COUNT_OF(unwanted); i++) {
        if (has_text(&b, unwanted[i]))
            fail_msg("not wanted: %s", unwanted[i]);
    }
    buf_close(&b);
}

/* RFC 6533: UTF-8 as it is where the reader has SMTPUTF8, and headers of it under their own type.
 */
static void utf8(void **state)
{
    static const struct {
        const char *sender, *header;
        bool is_whole;
        const char *wanted[3];
    } rows[] = {
        {"a@x",
         "A: b\r\n\r\n\xc3\xbc\r\n",
         true,
         {"message/delivery-status", "message/rfc822", "utf-8; b\\x{FC}@example.com"}},
        {"a@x",
         "A: \xc3\xbc\r\n\r\nx\r\n",
         true,
         {"message/delivery-status", "message/global", "utf-8; b\\x{FC}@example.com"}},
        {"a@x",
         "A: \xc3\xbc\r\n\r\nx\r\n",
         false,
         {"message/delivery-status", "message/global-headers", "utf-8; b\\x{FC}@example.com"}},
        {"\xc3\xa4@x",
         "A: b\r\n\r\nx\r\n",
         false,
         {"message/global-delivery-status", "text/rfc822-headers", "utf-8; b\xc3\xbc@example.com"}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mail_dsn_recipient r = {.final = SLICE("b\xc3\xbc@example.com"),
                                       .status = SLICE("5.1.1")};
        struct mail_dsn d = usual(&r, 1);
        d.sender = slice_cstr(rows[i].sender);
        d.header = slice_cstr(rows[i].header);
        d.is_whole = rows[i].is_whole;
        struct buf b;
        build(&b, &d);
        for (size_t k = 0; k < 3; k++) {
            char line[100];
            snprintf(line, sizeof line, "%s%s\r\n",
                     k < 2 ? "Content-Type: " : "Final-Recipient: ", rows[i].wanted[k]);
            if (!strstr(buf_cstr(&b), line))
                fail_msg("row %zu: no %s in\n%s", i, line, buf_cstr(&b));
        }
        buf_close(&b);
    }
}

static void odd_values(void **state)
{
    static const struct {
        const char *shows;
        struct slice final, original, status;
        const char *wanted;
    } rows[] = {
        {"UTF-8 address", SLICE_INIT("b\xc3\xbc+x@example.com"), SLICE_INIT(""),
         SLICE_INIT("5.1.1"), "Final-Recipient: utf-8; b\\x{FC}\\x{2B}x@example.com\r\n"},
        {"UTF-8 original in xtext", SLICE_INIT("a@x"), SLICE_INIT("rfc822;b+C3+BC+2Bc@y"),
         SLICE_INIT("5.1.1"), "Original-Recipient: utf-8; b\\x{FC}\\x{2B}c@y\r\n"},
        {"no UTF-8 in xtext", SLICE_INIT("a@x"), SLICE_INIT("rfc822;b+C3@y"), SLICE_INIT("5.1.1"),
         "Original-Recipient: rfc822; b?@y\r\n"},
        {"UTF-8 original stays escaped", SLICE_INIT("a@x"), SLICE_INIT("utf-8;b\\x{FC}@y"),
         SLICE_INIT("5.1.1"), "Original-Recipient: utf-8; b\\x{FC}@y\r\n"},
        {"xtext cannot bring a line end", SLICE_INIT("a@x"), SLICE_INIT("rfc822;a+0D+0ABcc:b"),
         SLICE_INIT("5.1.1"), "Original-Recipient: rfc822; a??Bcc:b\r\n"},
        {"broken xtext stays", SLICE_INIT("a@x"), SLICE_INIT("rfc822;a+G0+2"), SLICE_INIT("5.1.1"),
         "Original-Recipient: rfc822; a+G0+2\r\n"},
        {"ORCPT without a type is left out", SLICE_INIT("a@x"), SLICE_INIT("a@y"),
         SLICE_INIT("5.1.1"), "\r\n\r\nFinal-Recipient: rfc822; a@x\r\n"},
        {"ORCPT with a bad type too", SLICE_INIT("a@x"), SLICE_INIT("rf c;a@y"),
         SLICE_INIT("5.1.1"), "\r\n\r\nFinal-Recipient: rfc822; a@x\r\n"},
        {"quoted recipient", SLICE_INIT("\"a b\"@x"), SLICE_INIT(""), SLICE_INIT("5.1.1"),
         "Final-Recipient: rfc822; \"a b\"@x\r\n"},
        {"status is none", SLICE_INIT("a@x"), SLICE_INIT(""), SLICE_INIT("bad"),
         "Status: 5.0.0\r\n"},
        {"status is empty", SLICE_INIT("a@x"), SLICE_INIT(""), SLICE_INIT(""), "Status: 5.0.0\r\n"},
        {"status of class 3", SLICE_INIT("a@x"), SLICE_INIT(""), SLICE_INIT("3.1.1"),
         "Status: 5.0.0\r\n"},
        {"status has two numbers", SLICE_INIT("a@x"), SLICE_INIT(""), SLICE_INIT("5.123"),
         "Status: 5.0.0\r\n"},
        {"status has four", SLICE_INIT("a@x"), SLICE_INIT(""), SLICE_INIT("5.1.1.1"),
         "Status: 5.0.0\r\n"},
        {"status number too long", SLICE_INIT("a@x"), SLICE_INIT(""), SLICE_INIT("5.1.1234"),
         "Status: 5.0.0\r\n"},
        {"longest status", SLICE_INIT("a@x"), SLICE_INIT(""), SLICE_INIT("5.123.456"),
         "Status: 5.123.456\r\n"},
        {"a status that expired", SLICE_INIT("a@x"), SLICE_INIT(""), SLICE_INIT("4.4.7"),
         "Status: 4.4.7\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mail_dsn_recipient r = {
            .final = rows[i].final, .original = rows[i].original, .status = rows[i].status};
        struct mail_dsn d = usual(&r, 1);
        struct buf b;
        build(&b, &d);
        check_shape(rows[i].shows, &d, buf_slice(&b));
        if (!has_text(&b, rows[i].wanted))
            fail_msg("%s:\n%s", rows[i].shows, buf_cstr(&b));
        buf_close(&b);
    }
}

enum { EVIL_BYTES = 5000 };
static char letters[EVIL_BYTES], dots[EVIL_BYTES], every[EVIL_BYTES], bad[EVIL_BYTES];

static void fill(void)
{
    memset(letters, 'a', sizeof letters);
    memset(dots, '.', sizeof dots);
    memset(bad, (char)0xff, sizeof bad);
    for (int i = 0; i < EVIL_BYTES; i++)
        every[i] = (char)i;
}

static void no_field_breaks_out(void **state)
{
    const struct {
        const char *shows;
        struct slice evil;
    } rows[] = {
        {"header injection", SLICE("x\r\nBcc: all@example.com\r\n\r\nbody")},
        {"bare LF", SLICE("x\nBcc: y\n\nz")},
        {"bare CR", SLICE("x\rBcc: y")},
        {"first thing", SLICE("\r\nBcc: y")},
        {"a MIME part",
         SLICE("\r\n--=_outpost-1m5x0000abcdf-0\r\nContent-Type: text/html\r\n\r\n")},
        {"the boundary itself", SLICE("--=_outpost-1m5x0000abcdf-0")},
        {"the end of data", SLICE("x\r\n.\r\nMAIL FROM:<>\r\n")},
        {"NUL", SLICE("a\0b\r\nBcc: c")},
        {"angle brackets", SLICE("a>, <b@example.com")},
        {"quotes", SLICE("\"a\" <b@example.com>")},
        {"line ends of Unicode", SLICE("a\xc2\x85"
                                       "b\xe2\x80\xa8"
                                       "c\xe2\x80\xa9"
                                       "d")},
        {"5000 letters", {letters, EVIL_BYTES}},
        {"5000 dots", {dots, EVIL_BYTES}},
        {"5000 bytes of every kind", {every, EVIL_BYTES}},
        {"5000 bytes of no UTF-8", {bad, EVIL_BYTES}},
        {"nothing", SLICE_NONE},
    };
    fill();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int kind = 0; kind < 2; kind++) {
            for (int field = 0; field < 14; field++) {
                struct mail_dsn_recipient r = one_recipient();
                struct mail_dsn d = usual(&r, 1);
                struct slice *at[14] = {
                    &d.hostname,   &d.sender,    &d.id,         &d.dsn_id,   &d.envid,
                    &d.message_id, &d.header,    &r.final,      &r.original, &r.status,
                    &r.remote_mta, &r.remote_ip, &r.diagnostic, &r.reason,
                };
                struct buf b;
                d.kind = kind ? MAIL_DSN_DELAYED : MAIL_DSN_FAILED;
                *at[field] = rows[i].evil;
                build(&b, &d);
                check_shape(rows[i].shows, &d, buf_slice(&b));
                buf_close(&b);
            }
        }
    }
}

static void original_header(const char *shows, struct slice in, const char *out)
{
    struct mail_dsn_recipient r = one_recipient();
    struct mail_dsn d = usual(&r, 1);
    struct buf b;
    d.header = in;
    build(&b, &d);
    check_shape(shows, &d, buf_slice(&b));
    struct slice p = part(buf_slice(&b), 3);
    while (!slice_starts(p, SLICE("\r\n"))) /* over the part's own fields */
        p = slice_from(p, slice_find(p, '\n') + 1);
    p = slice_from(p, 2);
    p.n -= 2; /* the CRLF belongs to the boundary */
    if (!slice_eq(p, slice_cstr(out)))
        fail_msg("%s: %.*s", shows, SLICE_FMT(p));
    buf_close(&b);
}

static void original_headers(void **state)
{
    original_header("whole", SLICE("A: b\r\nC: d\r\n\r\nbody: x\r\n"), "A: b\r\nC: d\r\n");
    original_header("cut in the middle of a line", SLICE("A: b\r\nC: d"), "A: b\r\n");
    original_header("cut inside of CRLF", SLICE("A: b\r\nC: d\r"), "A: b\r\n");
    original_header("no header", SLICE("Hello\r\n"), "");
    original_header("the body without an empty line", SLICE("A: b\r\nHello there\r\n"), "A: b\r\n");
    original_header("bare LF", SLICE("A: b\nC: d\n\nx"), "A: b\r\nC: d\r\n");
    original_header("bare LF does not hide a dot", SLICE("A: b\n..c: d\n.\nx"),
                    "A: b\r\n..c: d\r\n");
    original_header("controls", SLICE("A: b\0c\rd\te\r\n\r\n"), "A: b?c?d\te\r\n");
    original_header("8 bit", SLICE("A: \xc3\xa4\r\n\r\n"), "A: \xc3\xa4\r\n");
}

static void original_header_has_a_ceiling(void **state)
{
    struct mail_dsn_recipient r = one_recipient();
    struct mail_dsn d = usual(&r, 1);
    struct buf in, b;
    buf_init(&in, 1000000);
    for (int i = 0; i < 10000; i++)
        buf_addf(&in, "X-Field-%d: %d\r\n", i, i);
    d.header = buf_slice(&in);
    build(&b, &d);
    check_shape("many fields", &d, buf_slice(&b));
    assert_true(b.n < MAIL_DSN_HEADER_BYTES_MAX + 4000 && b.n > MAIL_DSN_HEADER_BYTES_MAX);
    buf_close(&b);

    buf_clear(&in); /* one line without end is left out whole */
    buf_add_cstr(&in, "A: b\r\nX: ");
    for (int i = 0; i < 100000; i++)
        buf_add_char(&in, 'x');
    buf_add_cstr(&in, "\r\n\r\n");
    d.header = buf_slice(&in);
    build(&b, &d);
    check_shape("one long field", &d, buf_slice(&b));
    assert_true(b.n < 4000);
    buf_close(&b);

    d.header.n = 9 + 50000; /* a long one that fits is broken into lines */
    in.p[9 + 50000] = '\n';
    d.header.n += 1;
    build(&b, &d);
    check_shape("one long field, folded", &d, buf_slice(&b));
    assert_true(b.n > 50000);
    buf_close(&b);
    buf_close(&in);
}

static void boundary_is_in_no_part(void **state)
{
    struct mail_dsn_recipient r = one_recipient();
    struct mail_dsn d = usual(&r, 1);
    struct buf in, b;
    buf_init(&in, 100000);
    for (int i = 0; i < 1500; i++)
        buf_addf(&in, "X: =_outpost-1m5x0000abcdf-%d\r\n", i);
    d.header = buf_slice(&in);
    build(&b, &d);
    check_shape("candidates in the header", &d, buf_slice(&b));
    assert_true(has_text(&b, "boundary=\"=_outpost-1m5x0000abcdf-1500\""));
    buf_close(&b);
    buf_close(&in);
}

static void promised_size_suffices(void **state)
{
    enum { COUNT = 50 };
    static struct mail_dsn_recipient r[COUNT];
    struct buf in, b, small;
    fill();
    buf_init(&in, MAIL_DSN_HEADER_BYTES_MAX);
    while (buf_add_cstr(&in, ".a:\n"))
        ;
    for (int evil = 0; evil < 4; evil++) {
        struct slice s = slice_of((char *[]){letters, dots, every, bad}[evil], EVIL_BYTES);
        for (size_t i = 0; i < COUNT; i++)
            r[i] = (struct mail_dsn_recipient){s, SLICE("rfc822;a"), s, s, s, s, s, INT64_MAX};
        struct mail_dsn d = usual(r, COUNT);
        d.hostname = d.sender = d.id = d.dsn_id = d.envid = s;
        d.header = buf_slice(&in);
        build(&b, &d);
        check_shape("all evil", &d, buf_slice(&b));
        buf_init(&small, b.n - 1);
        assert_false(mail_dsn_build(&small, &d));
        buf_close(&small);
        buf_close(&b);
    }
    buf_close(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure),
        cmocka_unit_test(a_delay),
        cmocka_unit_test(odd_values),
        cmocka_unit_test(utf8),
        cmocka_unit_test(no_field_breaks_out),
        cmocka_unit_test(original_headers),
        cmocka_unit_test(original_header_has_a_ceiling),
        cmocka_unit_test(boundary_is_in_no_part),
        cmocka_unit_test(promised_size_suffices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
