/* test_smtp_server.c -- the server machine where a dialogue file does not reach: smuggling, limits,
 * output, memory, and the caller's side. Everything is fed whole, byte by byte and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../src/smtp/smtp_server_state.h"
#include "../../dialog/drive.h"

#include <stdio.h>

static const struct smtp_server_options plain = {
    .hostname = {"mx.test", 7},
    .message_bytes_max = 100000,
    .recipients_max = 100,
    .errors_max = 20,
    .commands_max = 100,
    .auth = SMTP_AUTH_OFF,
};

static void open_session(struct drive *d, const struct smtp_server_options *options)
{
    struct ip peer;
    assert_true(ip_parse(SLICE("192.0.2.7"), &peer));
    drive_init(d, options);
    smtp_server_set_peer(d->machine, &peer, false);
    smtp_server_greet(d->machine);
    drive_drain(d);
    buf_clear(&d->said);
}

static void assert_said(const struct drive *d, const char *want, const char *what)
{
    if (!slice_eq(buf_slice(&d->said), slice_cstr(want)))
        fail_msg("%s: said\n%.*swanted\n%s", what, SLICE_FMT(buf_slice(&d->said)), want);
}

static const char *seen(struct drive *d)
{
    return buf_cstr(&d->seen);
}

#define ENVELOPE "HELO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
#define ENVELOPE_SAID                                                                              \
    "250 mx.test\r\n250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n"                             \
    "354 end with <CRLF>.<CRLF>\r\n"
#define INNER                                                                                      \
    "MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nevil\r\n.\r\n"

/* Sequences that some server took for the end of a message (SMTP smuggling, December 2023, and the
 * lists that followed): none may end it here, and none may pass through either. */
static void nothing_is_smuggled(void **state)
{
    static const struct {
        const char *what;
        struct slice end;
        bool is_nul; /* else a bare CR or LF */
    } cases[] = {
        {"LF . LF", {"\n.\n", 3}, false},
        {"LF . CRLF", {"\n.\r\n", 4}, false},
        {"CRLF . LF", {"\r\n.\n", 4}, false},
        {"CR . CR", {"\r.\r", 3}, false},
        {"CR . CRLF", {"\r.\r\n", 4}, false},
        {"CR . LF", {"\r.\n", 3}, false},
        {"CRLF . CR", {"\r\n.\r", 4}, false},
        {"LF . CR", {"\n.\r", 3}, false},
        {"CRLF . CR CRLF", {"\r\n.\r\r\n", 6}, false},
        {"CR CRLF . CRLF", {"\r\r\n.\r\n", 6}, false},
        {"CR CRLF . CR CRLF", {"\r\r\n.\r\r\n", 7}, false},
        {"LF CR . CRLF", {"\n\r.\r\n", 5}, false},
        {"CRLF . LF CR", {"\r\n.\n\r", 5}, false},
        {"LF LF . CRLF", {"\n\n.\r\n", 5}, false},
        {"CRLF NUL . CRLF", {"\r\n\0.\r\n", 6}, true},
        {"CRLF . NUL CRLF", {"\r\n.\0\r\n", 6}, true},
        {"CR NUL LF . CRLF", {"\r\0\n.\r\n", 6}, false},
        {"LF NUL . CRLF", {"\n\0.\r\n", 5}, false},
        {"CRLF . CR NUL LF", {"\r\n.\r\0\n", 6}, false},
        {"NUL", {"\0", 1}, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 0; piece < 12; piece++) {
            struct buf in;
            buf_init(&in, 4096);
            buf_add_cstr(&in, ENVELOPE "Subject: x\r\n\r\ntext");
            buf_add(&in, cases[i].end);
            buf_add_cstr(&in, INNER "\r\n.\r\n" INNER);
            struct drive d;
            open_session(&d, &plain);
            drive_feed_pieces(&d, buf_slice(&in), piece, (uint32_t)piece);
            assert_said(&d,
                        cases[i].is_nul ? ENVELOPE_SAID "550 5.6.0 NUL in message\r\n"
                                        : ENVELOPE_SAID "550 5.6.11 bare CR or LF in message\r\n",
                        cases[i].what);
            assert_string_equal(seen(&d),
                                "MAIL <a@example.com>\nRCPT <b@example.net>\nDATA\nABORT\nCLOSE\n");
            assert_true(d.is_closed);
            buf_close(&in);
            drive_close(&d);
        }
    }
}

/* The same rules hold while a message that was refused is read through. */
static void nothing_is_smuggled_behind_a_refused_body(void **state)
{
    struct smtp_server_options options = plain;
    options.message_bytes_max = 10;
    for (size_t piece = 0; piece < 12; piece++) {
        struct drive d;
        open_session(&d, &options);
        drive_feed_pieces(&d, SLICE(ENVELOPE "more than ten\n.\r\n" INNER), piece, 3);
        assert_said(&d, ENVELOPE_SAID "550 5.6.11 bare CR or LF in message\r\n", "refused body");
        assert_int_equal(d.messages, 0);
        assert_true(d.is_closed);
        drive_close(&d);
    }
}

static void greeting_and_refusal(void **state)
{
    struct drive d;
    drive_init(&d, &plain);
    smtp_server_greet(d.machine);
    drive_drain(&d);
    assert_said(&d, "220 mx.test ESMTP Outpost\r\n", "greeting");
    assert_true(smtp_server_is_idle(d.machine));
    drive_close(&d);

    static const struct {
        int code;
        const char *want;
    } cases[] = {
        {421, "421 4.3.2 mx.test too many connections\r\n"},
        {554, "554 5.7.1 mx.test too many connections\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        drive_init(&d, &plain);
        smtp_server_refuse(d.machine, cases[i].code, "too many connections");
        drive_feed(&d, SLICE("EHLO x\r\n"));
        assert_said(&d, cases[i].want, "refusal");
        assert_true(d.is_closed);
        drive_close(&d);
    }
}

static void helo_is_sanitised(void **state)
{
    static const struct {
        const char *what;
        struct slice line;
        const char *want;
    } cases[] = {
        {"a name", {"HELO c.test\r\n", 13}, "c.test"},
        {"a literal", {"EHLO [IPv6:2001:db8::1]\r\n", 25}, "[IPv6:2001:db8::1]"},
        {"blanks", {"HELO a b\tc\r\n", 12}, "a?b?c"},
        {"control bytes and UTF-8", {"HELO \x1b[31m\xc3\xa4\x7f\r\n", 15}, "?[31m???"},
        {"what is syntax in Received", {"HELO a(b)<c>;\"\\,\r\n", 18}, "a?b??c?????"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct drive d;
        open_session(&d, &plain);
        assert_int_equal(smtp_server_helo(d.machine).n, 0);
        drive_feed(&d, cases[i].line);
        struct slice helo = smtp_server_helo(d.machine);
        if (!slice_eq(helo, slice_cstr(cases[i].want)))
            fail_msg("%s: %.*s", cases[i].what, SLICE_FMT(helo));
        drive_close(&d);
    }
    struct drive d;
    struct buf in;
    open_session(&d, &plain);
    buf_init(&in, 4096);
    buf_add_cstr(&in, "EHLO ");
    for (int i = 0; i < 1000; i++)
        buf_add_char(&in, 'x');
    buf_add_cstr(&in, "\r\n");
    drive_feed(&d, buf_slice(&in));
    assert_int_equal(smtp_server_helo(d.machine).n, 255);
    assert_true(smtp_server_is_esmtp(d.machine));
    buf_close(&in);
    drive_close(&d);
}

/* A chunk with thousands of commands: the machine stops reading when enough was said. */
static void output_is_bounded(void **state)
{
    struct smtp_server_options options = plain;
    options.commands_max = 1000000;
    enum { NOOPS = 20000 };
    struct buf in;
    struct drive d;
    open_session(&d, &options);
    buf_init(&in, 1 << 20);
    for (int i = 0; i < NOOPS; i++)
        buf_add_cstr(&in, "NOOP\r\n");

    size_t used;
    struct smtp_server_event ev = smtp_server_feed(d.machine, buf_slice(&in), &used);
    assert_int_equal(ev.kind, SMTP_SERVER_NEEDS_INPUT);
    assert_in_range(used, 1, in.n - 1);
    assert_in_range(smtp_server_output(d.machine).n, 32768, 33280);
    size_t first = used;
    ev = smtp_server_feed(d.machine, slice_from(buf_slice(&in), first), &used);
    assert_int_equal(ev.kind, SMTP_SERVER_NEEDS_INPUT);
    assert_int_equal(used, 0);

    drive_drain(&d);
    drive_feed(&d, slice_from(buf_slice(&in), first));
    assert_int_equal(d.said.n, NOOPS * strlen("250 2.0.0 ok\r\n"));
    assert_true(d.output_most <= 33280);
    buf_close(&in);
    drive_close(&d);
}

/* The longest reply of every kind on top of the high-water mark still fits. */
static void longest_replies_fit(void **state)
{
    char name[256];
    memset(name, 'h', sizeof name);
    struct smtp_server_options options = plain;
    options.hostname = slice_of(name, 255);
    options.commands_max = options.errors_max = 1000000;
    struct drive d;
    struct buf in;
    open_session(&d, &options);
    buf_init(&in, 1 << 20);
    for (int i = 0; i < 4000; i++)
        buf_add_cstr(&in, "EHLO x\r\n");
    drive_feed(&d, buf_slice(&in));
    assert_in_range(d.output_most, 32768, 34000);
    assert_false(d.is_closed);
    buf_close(&in);
    drive_close(&d);
}

/* Ten thousand connections that wait cost a few MiB: no buffer stays behind a command or message.
 */
static void an_idle_session_is_small(void **state)
{
    struct drive d;
    assert_in_range(sizeof(struct smtp_server), 1, 512);
    open_session(&d, &plain);
    drive_feed_pieces(&d, SLICE(ENVELOPE "text\r\n.\r\nNOOP \r\n"), 3, 1);
    assert_int_equal(d.messages, 1);
    assert_null(d.machine->out.p);
    assert_null(d.machine->scratch.p);
    assert_null(d.machine->line.kept.p);
    drive_close(&d);
}

static struct smtp_answer refuse_recipients(struct drive *d, const struct smtp_server_event *ev)
{
    struct smtp_answer no = {550, {5, 1, 1}, "no such user"};
    return ev->kind == SMTP_SERVER_RCPT ? no : (struct smtp_answer){0};
}

static void refused_recipients_end_some_day(void **state)
{
    struct drive d;
    open_session(&d, &plain);
    d.answer = refuse_recipients;
    drive_feed(&d, SLICE("HELO c\r\nMAIL FROM:<>\r\n"));
    for (int i = 0; i < 10000; i++) {
        drive_feed(&d, SLICE("RCPT TO:<b@example.net>\r\n"));
        assert_false(d.is_closed);
    }
    drive_feed(&d, SLICE("RCPT TO:<b@example.net>\r\n"));
    assert_true(d.is_closed);
    drive_close(&d);
}

static void shutdown_waits_for_an_answer(void **state)
{
    struct drive d;
    size_t used;
    open_session(&d, &plain);
    drive_feed(&d, SLICE(ENVELOPE));
    buf_clear(&d.said);
    struct smtp_server_event ev = smtp_server_feed(d.machine, SLICE(".\r\nQUIT\r\n"), &used);
    assert_int_equal(ev.kind, SMTP_SERVER_BODY_END);
    assert_int_equal(used, 3);
    assert_true(smtp_server_awaits_answer(d.machine));
    assert_false(smtp_server_is_idle(d.machine));
    smtp_server_shutdown(d.machine, "stopping");
    assert_int_equal(smtp_server_output(d.machine).n, 0);
    smtp_server_on_message(d.machine, (struct smtp_answer){0}, "0abc");
    drive_feed(&d, SLICE("QUIT\r\n"));
    assert_said(&d, "250 2.0.0 queued as 0abc\r\n421 4.3.2 mx.test stopping\r\n", "shutdown");
    assert_true(d.is_closed);
    drive_close(&d);
}

static void shutdown_during_handshake_says_nothing(void **state)
{
    struct smtp_server_options options = plain;
    options.offers_tls = true;
    struct drive d;
    open_session(&d, &options);
    drive_feed(&d, SLICE("EHLO c\r\nSTARTTLS\r\n"));
    assert_true(d.wants_tls);
    buf_clear(&d.said);
    smtp_server_shutdown(d.machine, "stopping");
    smtp_server_on_tls(d.machine);
    drive_feed(&d, SLICE_NONE);
    assert_said(&d, "", "handshake");
    assert_true(d.is_closed);
    drive_close(&d);
}

static void a_silent_client_hears_why_it_is_cut(void **state)
{
    struct drive d;
    open_session(&d, &plain);
    drive_feed(&d, SLICE("EHLO c\r\n"));
    buf_clear(&d.said);
    smtp_server_on_timeout(d.machine, "time-out: nothing came from you for too long");
    drive_feed(&d, SLICE_NONE);
    assert_said(&d, "421 4.4.2 mx.test time-out: nothing came from you for too long\r\n", "silent");
    assert_true(d.is_closed);
    drive_close(&d);
}

static void bytes_before_the_handshake_close(void **state)
{
    struct smtp_server_options options = plain;
    options.offers_tls = true;
    struct drive d;
    open_session(&d, &options);
    drive_feed(&d, SLICE("EHLO c\r\nSTARTTLS\r\n"));
    assert_true(d.wants_tls);
    drive_feed(&d, SLICE("MAIL FROM:<a@example.com>\r\n"));
    assert_string_equal(seen(&d), "STARTTLS\nCLOSE\n");
    drive_close(&d);
}

static void tls_from_the_first_byte(void **state)
{
    struct smtp_server_options options = plain;
    options.offers_tls = true;
    options.auth = SMTP_AUTH_REQUIRED;
    struct drive d;
    drive_init(&d, &options);
    smtp_server_on_tls(d.machine);
    smtp_server_greet(d.machine);
    drive_feed(&d, SLICE("EHLO c\r\nSTARTTLS\r\nAUTH PLAIN AGEAYg==\r\n"));
    assert_true(smtp_server_has_tls(d.machine));
    assert_true(slice_eq(smtp_server_user(d.machine), SLICE("a")));
    assert_said(&d,
                "220 mx.test ESMTP Outpost\r\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 100000\r\n"
                "250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n250-BINARYMIME\r\n"
                "250-LIMITS RCPTMAX=100\r\n250-REQUIRETLS\r\n250-AUTH PLAIN LOGIN\r\n250 "
                "ENHANCEDSTATUSCODES\r\n"
                "503 5.5.1 TLS is already on\r\n235 2.7.0 authentication succeeded\r\n",
                "implicit TLS");
    drive_close(&d);
}

/* Passwords in clear text: over a local socket only. */
static void login_without_tls(void **state)
{
    static const struct {
        const char *what;
        const char *ip; /* NULL: a local socket */
        bool is_trusted, is_offered;
    } cases[] = {
        {"trusted local socket", NULL, true, true},
        {"local socket that is not trusted", NULL, false, false},
        {"trusted network", "127.0.0.1", true, false},
        {"any network", "192.0.2.1", false, false},
    };
    struct smtp_server_options options = plain;
    options.auth = SMTP_AUTH_OPTIONAL;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct drive d;
        struct ip ip = {0};
        drive_init(&d, &options);
        if (cases[i].ip)
            assert_true(ip_parse(slice_cstr(cases[i].ip), &ip));
        smtp_server_set_peer(d.machine, cases[i].ip ? &ip : NULL, cases[i].is_trusted);
        smtp_server_greet(d.machine);
        drive_feed(&d, SLICE("EHLO c\r\nAUTH PLAIN AGEAYg==\r\n"));
        bool is_offered = strstr(buf_cstr(&d.said), "250-AUTH") != NULL;
        bool is_in = smtp_server_user(d.machine).n > 0;
        if (is_offered != cases[i].is_offered || is_in != cases[i].is_offered)
            fail_msg("%s: %s", cases[i].what, buf_cstr(&d.said));
        drive_close(&d);
    }
}

/* A login before the handshake could only be a local socket's; it does not outlive it. */
static void login_does_not_outlive_starttls(void **state)
{
    struct smtp_server_options options = plain;
    options.auth = SMTP_AUTH_OPTIONAL;
    options.offers_tls = true;
    struct drive d;
    drive_init(&d, &options);
    smtp_server_set_peer(d.machine, NULL, true);
    smtp_server_greet(d.machine);
    drive_feed(&d, SLICE("EHLO c\r\nAUTH PLAIN AGEAYg==\r\nSTARTTLS\r\n"));
    assert_true(slice_eq(smtp_server_user(d.machine), SLICE("a")));
    smtp_server_on_tls(d.machine);
    assert_int_equal(smtp_server_user(d.machine).n, 0);
    assert_int_equal(smtp_server_helo(d.machine).n, 0);
    assert_false(smtp_server_is_esmtp(d.machine));
    drive_close(&d);
}

static struct smtp_answer refuse_login(struct drive *d, const struct smtp_server_event *ev)
{
    struct smtp_answer no = {535, {5, 7, 8}, "wrong"};
    return ev->kind == SMTP_SERVER_LOGIN ? no : (struct smtp_answer){0};
}

static void a_refused_login_is_no_login(void **state)
{
    struct smtp_server_options options = plain;
    options.auth = SMTP_AUTH_REQUIRED;
    struct drive d;
    drive_init(&d, &options);
    smtp_server_on_tls(d.machine);
    smtp_server_greet(d.machine);
    d.answer = refuse_login;
    drive_feed(&d, SLICE("EHLO c\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@example.com>\r\n"));
    assert_int_equal(smtp_server_user(d.machine).n, 0);
    assert_string_equal(seen(&d), "LOGIN a b\n");
    assert_non_null(strstr(buf_cstr(&d.said), "530 5.7.0 Authentication required\r\n"));
    drive_close(&d);
}

/* The event's address points into its text. */
static void events_carry_parsed_addresses(void **state)
{
    struct drive d;
    size_t used;
    open_session(&d, &plain);
    drive_feed(&d, SLICE("HELO c\r\n"));
    struct smtp_server_event ev = smtp_server_feed(
        d.machine, SLICE("MAIL FROM:<User@EXAMPLE.com> size=7 BODY=8bitmime\r\nRSET\r\n"), &used);
    assert_int_equal(ev.kind, SMTP_SERVER_MAIL);
    assert_true(slice_eq(ev.path_text, SLICE("User@example.com")));
    assert_true(slice_eq(ev.address.local, SLICE("User")));
    assert_true(slice_eq(ev.address.domain, SLICE("example.com")));
    assert_ptr_equal(ev.address.local.p, ev.path_text.p);
    assert_int_equal(ev.declared_bytes, 7);
    assert_true(ev.is_8bit);
    smtp_server_on_mail(d.machine, (struct smtp_answer){0});
    assert_false(smtp_server_is_idle(d.machine));
    drive_feed(&d, SLICE("RCPT TO:<b@example.net>\r\n"));
    assert_int_equal(smtp_server_recipient_count(d.machine), 1);
    drive_feed(&d, SLICE("DATA\r\nxyz"));
    assert_true(smtp_server_in_body(d.machine));
    drive_feed(&d, SLICE("\r\n.\r\n"));
    assert_false(smtp_server_in_body(d.machine));
    assert_int_equal(smtp_server_recipient_count(d.machine), 0);
    assert_true(smtp_server_is_idle(d.machine));
    drive_feed(&d, SLICE("NO"));
    assert_false(smtp_server_is_idle(d.machine));
    drive_close(&d);
}

/* A large body comes in large pieces that point into the input. */
static void body_comes_in_large_pieces(void **state)
{
    struct drive d;
    struct buf in;
    open_session(&d, &plain);
    drive_feed(&d, SLICE(ENVELOPE));
    buf_init(&in, 1 << 20);
    while (in.n < 60000)
        buf_add_cstr(&in, "..Lorem ipsum dolor sit amet, consectetur adipiscing elit\r\n.x\r\n");
    size_t used;
    struct smtp_server_event ev = smtp_server_feed(d.machine, buf_slice(&in), &used);
    assert_int_equal(ev.kind, SMTP_SERVER_BODY);
    assert_ptr_equal(ev.body.p, in.p);
    assert_int_equal(ev.body.n, in.n);
    assert_int_equal(used, in.n);
    buf_close(&in);
    drive_close(&d);
}

/* One conversation with a bit of everything, cut in all ways: the same words, the same events. */
static void cuts_do_not_matter(void **state)
{
    static const char talk[] =
        "NOOP\r\nEHLO c\r\nAUTH PLAIN\r\nAGEAYg==\r\nMAIL FROM:<a@example.com> SIZE=5\r\n"
        "RCPT TO:<b@example.net>\r\nRCPT TO:<>\r\nDATA\r\n..\r\n.\r.x\r\n";
    static const char talk2[] =
        "EHLO c\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\n"
        "DATA\r\n.a\r\n..\r\n\r\n.\r\nVRFY x\r\nMAIL FROM:<c@example.com>\r\nRSET\r\nFOO\r\n"
        "MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n.\r\nQUIT\r\nNOOP\r\n";
    const struct slice talks[] = {slice_cstr(talk), slice_cstr(talk2)};
    struct smtp_server_options options = plain;
    options.auth = SMTP_AUTH_OPTIONAL;
    for (size_t t = 0; t < COUNT_OF(talks); t++) {
        struct drive whole;
        drive_init(&whole, &options);
        smtp_server_on_tls(whole.machine);
        smtp_server_greet(whole.machine);
        drive_feed(&whole, talks[t]);
        assert_true(whole.is_closed);
        for (uint32_t seed = 0; seed < 300; seed++) {
            struct drive d;
            drive_init(&d, &options);
            smtp_server_on_tls(d.machine);
            smtp_server_greet(d.machine);
            drive_feed_pieces(&d, talks[t], 1 + seed / 10, seed);
            assert_true(slice_eq(buf_slice(&d.said), buf_slice(&whole.said)));
            assert_true(slice_eq(buf_slice(&d.seen), buf_slice(&whole.seen)));
            drive_close(&d);
        }
        drive_close(&whole);
    }
}

/* Cut short anywhere, the machine waits for more and never claims a message. */
static void cut_short_is_no_message(void **state)
{
    static const char talk[] = ENVELOPE "one\r\n..two\r\n.\r\n";
    for (size_t n = 0; n < sizeof talk - 1; n++) {
        struct drive d;
        open_session(&d, &plain);
        drive_feed(&d, slice_of(talk, n));
        assert_int_equal(d.messages, 0);
        assert_false(d.is_closed);
        drive_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_smuggled),
        cmocka_unit_test(nothing_is_smuggled_behind_a_refused_body),
        cmocka_unit_test(greeting_and_refusal),
        cmocka_unit_test(helo_is_sanitised),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(longest_replies_fit),
        cmocka_unit_test(an_idle_session_is_small),
        cmocka_unit_test(refused_recipients_end_some_day),
        cmocka_unit_test(shutdown_waits_for_an_answer),
        cmocka_unit_test(shutdown_during_handshake_says_nothing),
        cmocka_unit_test(a_silent_client_hears_why_it_is_cut),
        cmocka_unit_test(bytes_before_the_handshake_close),
        cmocka_unit_test(tls_from_the_first_byte),
        cmocka_unit_test(login_without_tls),
        cmocka_unit_test(login_does_not_outlive_starttls),
        cmocka_unit_test(a_refused_login_is_no_login),
        cmocka_unit_test(events_carry_parsed_addresses),
        cmocka_unit_test(body_comes_in_large_pieces),
        cmocka_unit_test(cuts_do_not_matter),
        cmocka_unit_test(cut_short_is_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
