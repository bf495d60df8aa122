/* test_smtp_client_limits.c -- the sending machine at its ceilings, its waits, and against servers
 * that speak out of turn: what a dialogue of whole lines cannot show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "smtp/smtp_client.h"

static struct smtp_client_options options(void)
{
    return (struct smtp_client_options){.helo = SLICE("me"),
                                        .greeting_ms = 1000,
                                        .command_ms = 20000,
                                        .data_ms = 3000,
                                        .final_ms = 4000};
}

/* Pulls until `kind` comes, which must. */
static struct smtp_client_event want(struct smtp_client *c, enum smtp_client_event_kind kind)
{
    struct smtp_client_event e = smtp_client_next(c);
    if (e.kind != kind)
        fail_msg("event %d instead of %d in %s: %s", e.kind, kind, smtp_client_state_name(c),
                 e.reason ? e.reason : "");
    return e;
}

static void want_failed(struct smtp_client *c, const char *reason, bool is_unsure)
{
    struct smtp_client_event e = want(c, SMTP_CLIENT_FAILED);
    assert_string_equal(e.reason, reason);
    assert_int_equal(e.is_unsure, is_unsure);
    assert_true(e.scope == SMTP_SCOPE_HOST || e.scope == SMTP_SCOPE_SESSION);
    assert_int_equal(smtp_client_output(c).n, 0);
    want(c, SMTP_CLIENT_NEEDS_INPUT);
}

static void tell(struct smtp_client *c, const char *line)
{
    smtp_client_on_bytes(c, slice_cstr(line));
}

static void drain(struct smtp_client *c)
{
    smtp_client_sent(c, smtp_client_output(c).n);
}

/* What is said is `line`, and goes. */
static void said(struct smtp_client *c, const char *line)
{
    struct slice out = smtp_client_output(c);
    if (!slice_eq(out, slice_cstr(line)))
        fail_msg("said %.*s instead of %s", SLICE_FMT(out), line);
    drain(c);
}

static struct smtp_client *ready(const struct smtp_client_options *o, const char *ehlo_reply)
{
    struct smtp_client *c = smtp_client_new(o);
    smtp_client_on_connected(c);
    tell(c, "220 x\r\n");
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    said(c, "EHLO me\r\n");
    tell(c, ehlo_reply);
    want(c, SMTP_CLIENT_READY);
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    assert_true(smtp_client_is_ready(c));
    return c;
}

struct one {
    struct smtp_client_options options;
    struct smtp_client_recipient recipient;
    struct smtp_client_message message;
    struct smtp_client *c;
};

/* A message for one, up to BODY. */
static void open_at_body(struct one *w)
{
    w->options = options();
    w->recipient = (struct smtp_client_recipient){.address = SLICE("a@b")};
    w->message = (struct smtp_client_message){
        .sender = SLICE("me@b"), .recipient = &w->recipient, .recipient_count = 1};
    w->c = ready(&w->options, "250-x\r\n250 PIPELINING\r\n");
    smtp_client_begin(w->c, &w->message);
    said(w->c, "MAIL FROM:<me@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    tell(w->c, "250 ok\r\n250 ok\r\n354 go\r\n");
    want(w->c, SMTP_CLIENT_BODY);
    want(w->c, SMTP_CLIENT_NEEDS_INPUT);
}

enum { MANY = 5000, GROUP_BYTES_MAX = 65536 };
static struct smtp_client_recipient many[MANY];
static char many_text[MANY][64];
static unsigned many_events[MANY];

static struct smtp_client_message message_for_many(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(many_text[i], sizeof many_text[i], "recipient-number-%u@an.example.net", i);
        many[i] = (struct smtp_client_recipient){.address = slice_cstr(many_text[i])};
        many_events[i] = 0;
    }
    return (struct smtp_client_message){
        .sender = SLICE("me@b"), .recipient = many, .recipient_count = MANY};
}

/* A server that answers each line it was sent, with every third recipient refused; it takes
 * `chunk` bytes at a time. */
static void deliver_to_many(size_t chunk, bool is_pipelining)
{
    struct smtp_client_options o = options();
    struct smtp_client *c = ready(&o, is_pipelining ? "250-x\r\n250 PIPELINING\r\n" : "250 x\r\n");
    struct smtp_client_message m = message_for_many();
    struct buf got;
    unsigned rcpts = 0, refused = 0, delivered = 0, flights = 0;
    bool is_done = false;
    buf_init(&got, 1 << 20);
    smtp_client_begin(c, &m);
    while (!is_done) {
        struct slice out = slice_head(smtp_client_output(c), chunk);
        assert_true(out.n > 0); /* else both wait */
        assert_true(smtp_client_output(c).n <= GROUP_BYTES_MAX);
        if (!is_pipelining)
            assert_true(slice_find(smtp_client_output(c), '\n') == smtp_client_output(c).n - 1);
        flights++;
        buf_add(&got, out);
        smtp_client_sent(c, out.n);
        for (size_t n; (n = slice_find(buf_slice(&got), '\n')) < got.n;) {
            struct slice line = slice_head(buf_slice(&got), n);
            if (slice_starts(line, SLICE("RCPT")))
                tell(c, rcpts++ % 3 == 0 ? "550 no\r\n" : "250 ok\r\n");
            else
                tell(c, slice_starts(line, SLICE("DATA")) ? "354 go\r\n" : "250 ok\r\n");
            buf_drop(&got, n + 1);
        }
        for (struct smtp_client_event e = smtp_client_next(c); e.kind; e = smtp_client_next(c)) {
            assert_int_not_equal(e.kind, SMTP_CLIENT_FAILED);
            if (e.kind == SMTP_CLIENT_RECIPIENT) {
                assert_int_equal(++many_events[e.index], 1);
                assert_int_equal(e.is_delivered, e.index % 3 != 0);
                e.is_delivered ? delivered++ : refused++;
            }
            if (e.kind == SMTP_CLIENT_BODY)
                smtp_client_body_end(c);
            if (e.kind == SMTP_CLIENT_DONE)
                is_done = true;
        }
    }
    assert_int_equal(rcpts, MANY);
    assert_int_equal(refused, (MANY + 2) / 3);
    assert_int_equal(delivered, MANY - refused);
    if (is_pipelining && chunk >= GROUP_BYTES_MAX)
        assert_in_range(flights, 4, 10);
    buf_close(&got);
    smtp_client_free(c);
}

static void many_recipients_go_in_groups(void **state)
{
    deliver_to_many(GROUP_BYTES_MAX, true);
    deliver_to_many(1000, true);
    deliver_to_many(7, true);
    deliver_to_many(GROUP_BYTES_MAX, false);
}

/* What was not said when MAIL is refused is not said any more. */
static void mail_refused_in_the_first_group(void **state)
{
    struct smtp_client_options o = options();
    struct smtp_client *c = ready(&o, "250-x\r\n250 PIPELINING\r\n");
    struct smtp_client_message m = message_for_many();
    smtp_client_begin(c, &m);
    struct slice out = smtp_client_output(c);
    unsigned lines = 0;
    for (size_t i = 0; i < out.n; i++)
        lines += out.p[i] == '\n';
    assert_in_range(lines, 100, MANY);
    drain(c);
    /* Its taking makes room for the next group. */
    out = smtp_client_output(c);
    for (size_t i = 0; i < out.n; i++)
        lines += out.p[i] == '\n';
    tell(c, "451 wait\r\n");
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(want(c, SMTP_CLIENT_RECIPIENT).index, i);
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    drain(c);
    assert_int_equal(smtp_client_output(c).n, 0);
    for (unsigned i = 1; i < lines; i++) {
        want(c, SMTP_CLIENT_NEEDS_INPUT);
        tell(c, "503 no\r\n");
    }
    want(c, SMTP_CLIENT_DONE);
    want(c, SMTP_CLIENT_READY);
    smtp_client_free(c);
}

static void waits_and_their_ends(void **state)
{
    struct one w = {.options = options()};
    struct smtp_client *c = smtp_client_new(&w.options);
    assert_int_equal(smtp_client_timeout_ms(c), 0);
    smtp_client_on_connected(c);
    assert_int_equal(smtp_client_timeout_ms(c), 1000);
    uint32_t wait = smtp_client_wait(c);
    tell(c, "220-slow\r\n22");
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    assert_int_equal(smtp_client_wait(c), wait); /* half a reply buys no time */
    tell(c, "0 x\r\n");
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    assert_int_not_equal(smtp_client_wait(c), wait);
    assert_int_equal(smtp_client_timeout_ms(c), 20000);
    smtp_client_free(c);

    open_at_body(&w);
    assert_int_equal(smtp_client_timeout_ms(w.c), 3000);
    smtp_client_body(w.c, SLICE("abc\r\n"));
    wait = smtp_client_wait(w.c);
    smtp_client_sent(w.c, 1);
    assert_int_not_equal(smtp_client_wait(w.c), wait);
    smtp_client_body_end(w.c);
    assert_int_equal(smtp_client_timeout_ms(w.c), 3000); /* the dot has not left */
    said(w.c, "bc\r\n.\r\n");
    assert_int_equal(smtp_client_timeout_ms(w.c), 4000);
    tell(w.c, "250 ok\r\n");
    want(w.c, SMTP_CLIENT_RECIPIENT);
    want(w.c, SMTP_CLIENT_DONE);
    want(w.c, SMTP_CLIENT_READY);
    assert_int_equal(smtp_client_timeout_ms(w.c), 0);
    smtp_client_quit(w.c);
    assert_int_equal(smtp_client_timeout_ms(w.c), 10000);
    smtp_client_free(w.c);

    open_at_body(&w);
    smtp_client_body_end(w.c);
    smtp_client_on_timeout(w.c);
    want_failed(w.c, "time-out sending the body", true);
    smtp_client_free(w.c);
}

static void too_much_input(void **state)
{
    static char line[1024], much[SMTP_CLIENT_INPUT_BYTES_MAX + 1];
    struct smtp_client_options o = options();
    struct smtp_client *c = smtp_client_new(&o);
    smtp_client_on_connected(c);
    memset(much, 'x', sizeof much);
    memcpy(much, "220-", 4);
    smtp_client_on_bytes(c, slice_of(much, sizeof much));
    want_failed(c, "too much input", false);
    smtp_client_free(c);

    /* A reply without end is not waited for. */
    c = smtp_client_new(&o);
    smtp_client_on_connected(c);
    memset(line, 'x', sizeof line);
    memcpy(line, "220-", 4);
    line[1022] = '\r';
    line[1023] = '\n';
    for (int i = 0; i < SMTP_REPLY_LINES_MAX - 1; i++) {
        smtp_client_on_bytes(c, slice_of(line, sizeof line));
        want(c, SMTP_CLIENT_NEEDS_INPUT);
    }
    smtp_client_on_bytes(c, slice_of(line, sizeof line));
    want_failed(c, "what the server sends is not SMTP", false);
    smtp_client_free(c);

    /* The longest reply of all, whole, is one. */
    c = smtp_client_new(&o);
    smtp_client_on_connected(c);
    for (int i = 0; i < SMTP_REPLY_LINES_MAX; i++) {
        line[3] = i == SMTP_REPLY_LINES_MAX - 1 ? ' ' : '-';
        smtp_client_on_bytes(c, slice_of(line, sizeof line));
    }
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    said(c, "EHLO me\r\n");
    smtp_client_free(c);
}

static void replies_out_of_turn(void **state)
{
    struct smtp_client_options o = options();

    /* Two replies to EHLO: the second would answer MAIL. */
    struct smtp_client *c = smtp_client_new(&o);
    smtp_client_on_connected(c);
    tell(c, "220 x\r\n250 y\r\n");
    want_failed(c, "a reply to nothing", false);
    smtp_client_free(c);

    /* Half of it is there when MAIL is said. */
    struct one w;
    w.recipient = (struct smtp_client_recipient){.address = SLICE("a@b")};
    w.message = (struct smtp_client_message){
        .sender = SLICE("me@b"), .recipient = &w.recipient, .recipient_count = 1};
    c = ready(&o, "250 x\r\n");
    tell(c, "250 o");
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    smtp_client_begin(c, &w.message);
    tell(c, "k\r\n");
    want_failed(c, "a reply to nothing", false);
    smtp_client_free(c);

    /* But a farewell is one whenever it comes. */
    c = ready(&o, "250 x\r\n");
    tell(c, "421 idl");
    smtp_client_begin(c, &w.message);
    tell(c, "e\r\n");
    struct smtp_client_event e = want(c, SMTP_CLIENT_FAILED);
    assert_int_equal(e.reply->code, 421);
    smtp_client_free(c);

    /* In one piece with the 220 to STARTTLS. */
    o.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC;
    c = smtp_client_new(&o);
    smtp_client_on_connected(c);
    tell(c, "220 x\r\n");
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    tell(c, "250-x\r\n250 STARTTLS\r\n");
    want(c, SMTP_CLIENT_NEEDS_INPUT);
    said(c, "EHLO me\r\nSTARTTLS\r\n");
    tell(c, "220 go\r\n2");
    want_failed(c, "plain bytes behind the reply to STARTTLS", false);
    assert_false(smtp_client_has_tls(c));
    smtp_client_free(c);

    /* Half a reply in the body would be the whole one to the dot. */
    open_at_body(&w);
    tell(w.c, "250 o");
    smtp_client_body_end(w.c);
    want_failed(w.c, "a reply in the middle of the body", false);
    assert_false(w.recipient.is_settled);
    smtp_client_free(w.c);

    /* Taken before the dot has left: nobody knows. */
    open_at_body(&w);
    smtp_client_body(w.c, SLICE("abc"));
    smtp_client_body_end(w.c);
    tell(w.c, "250 ok\r\n");
    want_failed(w.c, "not a reply to the final dot", true);
    assert_false(w.recipient.is_settled);
    smtp_client_free(w.c);

    /* Refused before the dot has left: refused, and the dot never leaves. */
    open_at_body(&w);
    smtp_client_body(w.c, SLICE("abc"));
    smtp_client_body_end(w.c);
    tell(w.c, "552 big\r\n");
    e = want(w.c, SMTP_CLIENT_RECIPIENT);
    assert_int_equal(e.scope, SMTP_SCOPE_MESSAGE);
    want_failed(w.c, "refused in the middle of the body", false);
    smtp_client_free(w.c);
}

/* What the server said last is read before the end of the line counts. */
static void last_words(void **state)
{
    struct one w;
    open_at_body(&w);
    smtp_client_body_end(w.c);
    drain(w.c);
    tell(w.c, "250 ok\r\n");
    smtp_client_on_closed(w.c, "reset");
    struct smtp_client_event e = want(w.c, SMTP_CLIENT_RECIPIENT);
    assert_true(e.is_delivered);
    want(w.c, SMTP_CLIENT_DONE);
    want(w.c, SMTP_CLIENT_READY);
    want_failed(w.c, "reset", false);
    smtp_client_free(w.c);

    /* Half a word is none. */
    open_at_body(&w);
    smtp_client_body_end(w.c);
    drain(w.c);
    tell(w.c, "250 o");
    smtp_client_on_closed(w.c, "reset");
    want_failed(w.c, "reset", true);
    smtp_client_free(w.c);
}

static void bodies_in_pieces(void **state)
{
    static char piece[SMTP_CLIENT_PIECE_BYTES_MAX];
    static const struct {
        const char *shown, *first, *second, *end;
    } rows[] = {
        {"the line end split over two pieces", "a\r", "\n", ".\r\n"},
        {"whole pieces", "a\r\n", "b\r\n", ".\r\n"},
        {"the line end alone in the last piece", "a", "\r\n", ".\r\n"},
        {"LF alone is no line end", "a", "\n", "\r\n.\r\n"},
        {"CR first, then a byte", "a\r", "b", "\r\n.\r\n"},
        {"an empty piece changes nothing", "a\r\n", "", ".\r\n"},
    };
    struct one w;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_at_body(&w);
        smtp_client_body(w.c, slice_cstr(rows[i].first));
        drain(w.c);
        smtp_client_body(w.c, slice_cstr(rows[i].second));
        drain(w.c);
        smtp_client_body_end(w.c);
        if (!slice_eq(smtp_client_output(w.c), slice_cstr(rows[i].end)))
            fail_msg("%s: %.*s", rows[i].shown, SLICE_FMT(smtp_client_output(w.c)));
        smtp_client_free(w.c);
    }

    /* The largest piece, and the dot rides with it. */
    open_at_body(&w);
    memset(piece, 'x', sizeof piece);
    smtp_client_body(w.c, slice_of(piece, sizeof piece));
    smtp_client_body_end(w.c);
    assert_int_equal(smtp_client_output(w.c).n, sizeof piece + 5);
    smtp_client_free(w.c);
}

static void credentials_too_long(void **state)
{
    static char password[9000];
    struct smtp_client_options o = options();
    o.tls = SMTP_CLIENT_TLS_IMPLICIT;
    o.user = SLICE("u");
    memset(password, 'p', sizeof password);
    for (size_t n = 8189; n <= 8190; n++) {
        o.password = slice_of(password, n);
        struct smtp_client *c = smtp_client_new(&o);
        smtp_client_on_connected(c);
        tell(c, "220 x\r\n");
        want(c, SMTP_CLIENT_NEEDS_INPUT);
        drain(c);
        tell(c, "250-x\r\n250 AUTH PLAIN\r\n");
        if (n == 8190) {
            want_failed(c, "user and password are too long for AUTH", false);
        } else {
            want(c, SMTP_CLIENT_NEEDS_INPUT);
            assert_true(slice_eq(smtp_client_output(c), SLICE("AUTH PLAIN\r\n")));
            drain(c);
            tell(c, "334 \r\n");
            want(c, SMTP_CLIENT_NEEDS_INPUT);
            assert_in_range(smtp_client_output(c).n, 8190, 12288);
        }
        smtp_client_free(c);
    }
}

static void addresses_at_their_ceiling(void **state)
{
    static char text[SMTP_CLIENT_ADDRESS_BYTES_MAX + 1];
    memset(text, 'a', sizeof text);
    text[10] = '@';
    struct one w = {.options = options()};
    for (size_t n = sizeof text - 1; n <= sizeof text; n++) {
        w.recipient = (struct smtp_client_recipient){.address = slice_of(text, n)};
        w.message = (struct smtp_client_message){.sender = slice_of(text, sizeof text - 1),
                                                 .recipient = &w.recipient,
                                                 .recipient_count = 1};
        w.c = ready(&w.options, "250 x\r\n");
        smtp_client_begin(w.c, &w.message);
        drain(w.c);
        tell(w.c, "250 ok\r\n");
        if (n == sizeof text) {
            assert_int_equal(want(w.c, SMTP_CLIENT_RECIPIENT).reply->code, 553);
            assert_int_equal(w.recipient.code, 553);
            want(w.c, SMTP_CLIENT_DONE);
        } else {
            want(w.c, SMTP_CLIENT_NEEDS_INPUT);
            assert_in_range(smtp_client_output(w.c).n, n, 512);
        }
        smtp_client_free(w.c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_recipients_go_in_groups),
        cmocka_unit_test(mail_refused_in_the_first_group),
        cmocka_unit_test(waits_and_their_ends),
        cmocka_unit_test(too_much_input),
        cmocka_unit_test(replies_out_of_turn),
        cmocka_unit_test(last_words),
        cmocka_unit_test(bodies_in_pieces),
        cmocka_unit_test(credentials_too_long),
        cmocka_unit_test(addresses_at_their_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
