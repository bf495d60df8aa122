/* test_smtp_client_whole.c -- a small text as one chunk (BDAT n LAST) at the sending machine: what
 * it costs in round trips, every reply and every loss in its group, and RSET in front of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "smtp/smtp_client.h"

#define OFFER "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
#define MAIL "MAIL FROM:<me@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n"
#define BODY "A: b\r\n\r\n..x\r\n"
#define CHUNK "BDAT 12 LAST\r\nA: b\r\n\r\n.x\r\n"

struct world {
    struct smtp_client_options options;
    struct smtp_client_recipient recipient[2];
    struct smtp_client_message message;
    struct smtp_client *c;
};

static struct smtp_client_event want(struct world *w, enum smtp_client_event_kind kind)
{
    struct smtp_client_event e = smtp_client_next(w->c);
    if (e.kind != kind)
        fail_msg("event %d instead of %d in %s: %s", e.kind, kind, smtp_client_state_name(w->c),
                 e.reason ? e.reason : "");
    return e;
}

static void want_recipient(struct world *w, unsigned index, bool is_delivered, int code)
{
    struct smtp_client_event e = want(w, SMTP_CLIENT_RECIPIENT);
    assert_int_equal(e.index, index);
    assert_int_equal(e.is_delivered, is_delivered);
    assert_int_equal(e.reply->code, code);
}

static void want_over(struct world *w)
{
    want(w, SMTP_CLIENT_DONE);
    want(w, SMTP_CLIENT_READY);
    want(w, SMTP_CLIENT_NEEDS_INPUT);
}

static void tell(struct world *w, const char *line)
{
    smtp_client_on_bytes(w->c, slice_cstr(line));
}

static void said(struct world *w, const char *text)
{
    struct slice out = smtp_client_output(w->c);
    if (!slice_eq(out, slice_cstr(text)))
        fail_msg("said %.*s instead of %s", SLICE_FMT(out), text);
    smtp_client_sent(w->c, out.n);
}

static void open_ready(struct world *w, const char *offer)
{
    *w = (struct world){.options = {.helo = SLICE("me"),
                                    .greeting_ms = 1000,
                                    .command_ms = 20000,
                                    .data_ms = 3000,
                                    .final_ms = 40000}};
    w->recipient[0].address = SLICE("a@b");
    w->recipient[1].address = SLICE("c@b");
    w->message = (struct smtp_client_message){.sender = SLICE("me@b"),
                                              .recipient = w->recipient,
                                              .recipient_count = 2,
                                              .whole = {SLICE(BODY)},
                                              .may_run_ahead = true};
    w->c = smtp_client_new(&w->options);
    smtp_client_on_connected(w->c);
    tell(w, "220 x\r\n");
    want(w, SMTP_CLIENT_NEEDS_INPUT);
    said(w, "EHLO me\r\n");
    tell(w, offer);
    want(w, SMTP_CLIENT_READY);
    want(w, SMTP_CLIENT_NEEDS_INPUT);
}

/* One message was taken, so that the next may go in one group. */
static void open_proven(struct world *w)
{
    open_ready(w, OFFER);
    smtp_client_begin(w->c, &w->message);
    said(w, MAIL); /* not before somebody is known to take it, and BDAT to be known */
    tell(w, "250 ok\r\n250 ok\r\n250 ok\r\n");
    want(w, SMTP_CLIENT_NEEDS_INPUT);
    said(w, CHUNK);
    tell(w, "250 taken\r\n");
    want_recipient(w, 0, true, 250);
    want_recipient(w, 1, true, 250);
    want_over(w);
}

static void open_group(struct world *w)
{
    open_proven(w);
    smtp_client_begin(w->c, &w->message);
    said(w, MAIL CHUNK);
}

static void the_second_goes_in_one_group(void **state)
{
    struct world w;
    open_group(&w);
    assert_int_equal(smtp_client_timeout_ms(w.c), 40000); /* all replies may come with the last */
    tell(&w, "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n");
    want_recipient(&w, 1, false, 550);
    want(&w, SMTP_CLIENT_NEEDS_INPUT);
    assert_int_equal(smtp_client_accepted(w.c), 1);
    tell(&w, "250 taken\r\n");
    want_recipient(&w, 0, true, 250);
    want_over(&w);
    smtp_client_begin(w.c, &w.message);
    said(&w, MAIL CHUNK); /* nothing was left open */
    smtp_client_free(w.c);
    open_proven(&w);
    w.message.may_run_ahead = false; /* the caller is careful */
    smtp_client_begin(w.c, &w.message);
    said(&w, MAIL);
    smtp_client_free(w.c);
}

/* A server that answers each group as a whole: how many groups do so many messages need? */
static unsigned rounds(const char *offer, bool has_whole, unsigned messages)
{
    struct world w;
    open_ready(&w, offer);
    w.message.recipient_count = 1;
    if (!has_whole)
        w.message.whole[0] = SLICE_NONE;
    unsigned n = 0;
    bool is_in_data = false;
    smtp_client_begin(w.c, &w.message);
    while (messages) {
        struct smtp_client_event e = smtp_client_next(w.c);
        assert_int_not_equal(e.kind, SMTP_CLIENT_FAILED);
        if (e.kind == SMTP_CLIENT_BODY) {
            smtp_client_body(w.c, SLICE(BODY));
            smtp_client_body_end(w.c);
        } else if (e.kind == SMTP_CLIENT_READY && --messages) {
            smtp_client_begin(w.c, &w.message);
        }
        if (e.kind != SMTP_CLIENT_NEEDS_INPUT)
            continue;
        n++;
        struct buf answer;
        buf_init(&answer, 1000);
        struct slice out = smtp_client_output(w.c);
        while (out.n) {
            struct slice line = slice_head(out, slice_find(out, '\n') + 1);
            if (is_in_data)
                line = out;
            unsigned bytes = 0;
            out = slice_from(out, line.n);
            if (sscanf(line.p, "BDAT %u", &bytes) == 1)
                out = slice_from(out, bytes);
            is_in_data = slice_starts(line, SLICE("DATA"));
            buf_add_cstr(&answer, is_in_data ? "354 go\r\n" : "250 ok\r\n");
        }
        smtp_client_sent(w.c, smtp_client_output(w.c).n);
        assert_true(answer.n > 0);
        smtp_client_on_bytes(w.c, buf_slice(&answer));
        buf_close(&answer);
    }
    smtp_client_free(w.c);
    return n;
}

static void round_trips(void **state)
{
    static const char plain[] = "250-x\r\n250 CHUNKING\r\n";
    assert_int_equal(rounds(OFFER, false, 10), 20); /* envelope and DATA; body */
    assert_int_equal(rounds(OFFER, true, 10), 11);  /* all at once, but for the first */
    assert_int_equal(rounds(plain, false, 10), 40); /* MAIL; RCPT; DATA; body */
    assert_int_equal(rounds(plain, true, 10), 30);  /* MAIL; RCPT; BDAT */
}

static void the_body_behind_bdat(void **state)
{
    static const struct {
        const char *a, *b, *chunk;
    } rows[] = {
        {"x\r\n", "", "BDAT 3 LAST\r\nx\r\n"},
        {"", "x\r\n", "BDAT 3 LAST\r\nx\r\n"},
        {"x", "", "BDAT 3 LAST\r\nx\r\n"}, /* the CRLF that it lacks */
        {"x\r", "\n", "BDAT 3 LAST\r\nx\r\n"},
        {"..", "", "BDAT 3 LAST\r\n.\r\n"},
        {".", ".\r\n", "BDAT 3 LAST\r\n.\r\n"},
        {"a\r\n", "..\r\n", "BDAT 6 LAST\r\na\r\n.\r\n"},
        {"a\r\n.", ".\r\n", "BDAT 6 LAST\r\na\r\n.\r\n"},
        {"a\r", "\n..\r\n", "BDAT 6 LAST\r\na\r\n.\r\n"},
        {"a\r\n....", "..\r\n", "BDAT 10 LAST\r\na\r\n.....\r\n"},
        {"a.\r\n", ".b..\r\n..\r\n..", "BDAT 15 LAST\r\na.\r\nb..\r\n.\r\n.\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world w;
        open_ready(&w, OFFER);
        w.message.recipient_count = 1;
        w.message.whole[0] = slice_cstr(rows[i].a);
        w.message.whole[1] = slice_cstr(rows[i].b);
        smtp_client_begin(w.c, &w.message);
        said(&w, "MAIL FROM:<me@b>\r\nRCPT TO:<a@b>\r\n");
        tell(&w, "250 ok\r\n250 ok\r\n");
        want(&w, SMTP_CLIENT_NEEDS_INPUT);
        said(&w, rows[i].chunk);
        smtp_client_free(w.c);
    }
}

/* Nothing is added to a binary one, and there is no DATA to fall back to. */
static void a_binary_body_too(void **state)
{
    struct world w;
    open_ready(&w, "250-x\r\n250-CHUNKING\r\n250-PIPELINING\r\n250 BINARYMIME\r\n");
    w.message.recipient_count = 1;
    w.message.is_binary = true;
    w.message.whole[0] = SLICE("a\r\n\r\n");
    w.message.whole[1] = SLICE("..\n.\r");
    smtp_client_begin(w.c, &w.message);
    said(&w, "MAIL FROM:<me@b> BODY=BINARYMIME\r\nRCPT TO:<a@b>\r\n");
    tell(&w, "250 ok\r\n250 ok\r\n");
    want(&w, SMTP_CLIENT_NEEDS_INPUT);
    said(&w, "BDAT 9 LAST\r\na\r\n\r\n.\n.\r");
    tell(&w, "502 no\r\n");
    want_recipient(&w, 0, false, 502);
    want_over(&w);
    smtp_client_free(w.c);
}

static void larger_ones_go_by_data(void **state)
{
    static char text[SMTP_CLIENT_WHOLE_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    for (int over = 0; over < 2; over++) {
        struct world w;
        open_ready(&w, OFFER);
        w.message.whole[0] = slice_of(text, 1);
        w.message.whole[1] = slice_of(text, SMTP_CLIENT_WHOLE_BYTES_MAX - 1 + (size_t)over);
        smtp_client_begin(w.c, &w.message);
        said(&w, over ? MAIL "DATA\r\n" : MAIL);
        tell(&w, "250 ok\r\n250 ok\r\n250 ok\r\n");
        want(&w, SMTP_CLIENT_NEEDS_INPUT);
        if (!over)
            assert_int_equal(smtp_client_output(w.c).n,
                             SMTP_CLIENT_WHOLE_BYTES_MAX + 2 + strlen("BDAT 65538 LAST\r\n"));
        smtp_client_free(w.c);
    }
}

/* The line takes nothing for a while: the group grows up to its limit, and the chunk comes last. */
static void the_largest_group_fits(void **state)
{
    enum { COUNT = 2000 };
    static struct smtp_client_recipient many[COUNT];
    static char text[SMTP_CLIENT_WHOLE_BYTES_MAX], address[101];
    memset(text, 'x', sizeof text);
    memset(address, 'y', sizeof address - 1);
    struct world w;
    open_proven(&w);
    for (int i = 0; i < COUNT; i++)
        many[i].address = slice_of(address, 100);
    w.message.recipient = many;
    w.message.recipient_count = COUNT;
    w.message.whole[0] = slice_of(text, sizeof text);
    smtp_client_begin(w.c, &w.message);
    size_t bytes = 0;
    for (struct slice out; (out = smtp_client_output(w.c)).n;) {
        bytes += out.n;
        smtp_client_sent(w.c, out.n < 10000 ? out.n : 10000);
        bytes -= out.n < 10000 ? 0 : out.n - 10000;
    }
    assert_int_equal(bytes, strlen("MAIL FROM:<me@b>\r\n") +
                                COUNT * (100 + strlen("RCPT TO:<>\r\n")) +
                                strlen("BDAT 65538 LAST\r\n") + sizeof text + 2);
    smtp_client_free(w.c);
}

static const struct {
    const char *reply;
    int code;        /* of the refusal; 0: the session fails */
    bool is_unknown; /* BDAT itself */
} replies[] = {{"354 go\r\n", 0, false},      {"421 bye\r\n", 0, false},
               {"451 later\r\n", 451, false}, {"452 full\r\n", 452, false},
               {"500 what\r\n", 0, true},     {"501 no\r\n", 0, true},
               {"502 no\r\n", 0, true},       {"503 order\r\n", 0, true},
               {"504 no\r\n", 0, true},       {"550-a\r\n550 b\r\n", 550, false},
               {"552 size\r\n", 552, false},  {"554 content\r\n", 554, false},
               {"rubbish\r\n", 0, false}};

static void every_reply_to_the_chunk(void **state)
{
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        struct world w;
        open_group(&w);
        tell(&w, "250 ok\r\n250 ok\r\n250 ok\r\n");
        want(&w, SMTP_CLIENT_NEEDS_INPUT);
        tell(&w, replies[i].reply);
        if (replies[i].code) {
            want_recipient(&w, 0, false, replies[i].code);
            want_recipient(&w, 1, false, replies[i].code);
            want_over(&w);
            smtp_client_begin(w.c, &w.message); /* RSET, and behind it the chunk waits */
            said(&w, "RSET\r\n" MAIL);
        } else {
            struct smtp_client_event e = want(&w, SMTP_CLIENT_FAILED);
            bool is_refusal = replies[i].reply[0] == '4' || replies[i].reply[0] == '5';
            assert_int_equal(e.is_unsure, !is_refusal);
            assert_int_equal(smtp_client_has_chunk_trouble(w.c),
                             replies[i].is_unknown || !is_refusal);
            assert_false(w.recipient[0].is_settled);
        }
        smtp_client_free(w.c);
    }
}

/* The line dies, or nothing more comes, behind so many replies of the group. */
static void every_loss_in_the_group(void **state)
{
    static const struct {
        const char *got;
        unsigned settled; /* recipients whose fate is known */
        bool is_unsure;
    } rows[] = {
        {"", 0, true},
        {"250 ok\r\n", 0, true},
        {"250 ok\r\n250 ok\r\n", 0, true},
        {"250 ok\r\n550 no\r\n", 1, true},
        {"250 ok\r\n550 no\r\n250 ok\r\n", 1, true},
        {"250 ok\r\n250 ok\r\n250 ok\r\n25", 0, true},
        {"250 ok\r\n550 no\r\n550 no\r\n", 2, false}, /* nobody can have got it */
        {"550 no\r\n", 2, false},
        {"550 no\r\n503 no\r\n503 no\r\n", 2, false},
        {"421 bye\r\n", 0, false}, /* it leaves, and has taken nothing */
        {"250 ok\r\n421 bye\r\n", 0, false},
        {"250 ok\r\n250 ok\r\n421 bye\r\n", 0, false},
    };
    for (int how = 0; how < 2; how++)
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct world w;
            open_group(&w);
            tell(&w, rows[i].got);
            unsigned settled = 0;
            struct smtp_client_event e;
            while ((e = smtp_client_next(w.c)).kind == SMTP_CLIENT_RECIPIENT)
                settled++;
            if (e.kind == SMTP_CLIENT_NEEDS_INPUT) {
                how ? smtp_client_on_timeout(w.c) : smtp_client_on_closed(w.c, "connection lost");
                e = want(&w, SMTP_CLIENT_FAILED);
            }
            assert_int_equal(e.kind, SMTP_CLIENT_FAILED);
            if (settled != rows[i].settled || e.is_unsure != rows[i].is_unsure)
                fail_msg("%s: %u settled, unsure %d", rows[i].got, settled, e.is_unsure);
            assert_int_equal(smtp_client_has_chunk_trouble(w.c), e.is_unsure);
            smtp_client_free(w.c);
        }
}

/* The chunk was said before it was known that nobody takes it: its answer is nobody's. */
static void a_chunk_for_nobody(void **state)
{
    static const struct {
        const char *envelope;
        int code;
    } rows[] = {
        {"451 no\r\n503 no\r\n503 no\r\n", 451},
        {"250 ok\r\n550 no\r\n550 no\r\n", 550},
    };
    static const char *const answers[] = {"503 no\r\n", "554 no recipients\r\n", "250 fine\r\n"};
    for (size_t i = 0; i < COUNT_OF(rows) * COUNT_OF(answers); i++) {
        const char *answer = answers[i / COUNT_OF(rows)];
        struct world w;
        open_group(&w);
        tell(&w, rows[i % COUNT_OF(rows)].envelope);
        want_recipient(&w, 0, false, rows[i % COUNT_OF(rows)].code);
        want_recipient(&w, 1, false, rows[i % COUNT_OF(rows)].code);
        want(&w, SMTP_CLIENT_NEEDS_INPUT);
        tell(&w, answer);
        want_over(&w);
        smtp_client_begin(w.c, &w.message);
        said(&w, answer[0] == '2' ? MAIL CHUNK : "RSET\r\n" MAIL);
        smtp_client_free(w.c);
    }
    struct world w;
    open_group(&w);
    tell(&w, "451 no\r\n250 ok\r\n250 ok\r\n250 taken, from whom?\r\n");
    want_recipient(&w, 0, false, 451);
    want_recipient(&w, 1, false, 451);
    assert_string_equal(want(&w, SMTP_CLIENT_FAILED).reason,
                        "the server takes a message from a sender that it refused");
    smtp_client_free(w.c);
}

/* No chunk where it is known in time that nobody takes it. */
static void nobody_left_no_chunk(void **state)
{
    struct world w;
    open_ready(&w, OFFER);
    smtp_client_begin(w.c, &w.message);
    said(&w, MAIL);
    tell(&w, "250 ok\r\n550 no\r\n450 no\r\n");
    want_recipient(&w, 0, false, 550);
    want_recipient(&w, 1, false, 450);
    want_over(&w);
    said(&w, "");
    w.recipient[0].address = w.recipient[1].address = SLICE("no\r\n@b"); /* cannot be said */
    smtp_client_begin(w.c, &w.message);
    said(&w, "RSET\r\nMAIL FROM:<me@b>\r\n");
    tell(&w, "250 ok\r\n250 ok\r\n");
    want_recipient(&w, 0, false, 553);
    want_recipient(&w, 1, false, 553);
    want_over(&w);
    said(&w, "");
    smtp_client_free(w.c);
}

/* RSET goes in front of the next envelope, in its group. What it is answered with. */
static void rset_and_odd_answers(void **state)
{
    static const struct {
        const char *answer;
        bool fails;
    } rows[] = {
        {"250 ok\r\n", false},   {"220 ok\r\n", false},
        {"200 fine\r\n", false}, {"250-a\r\n250 b\r\n", false},
        {"354 go\r\n", true},    {"450 no\r\n", true},
        {"500 what\r\n", true},  {"502 no\r\n", true},
        {"421 bye\r\n", true},   {"RSET\r\n", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world w;
        open_proven(&w);
        smtp_client_begin(w.c, &w.message);
        said(&w, MAIL CHUNK);
        tell(&w, "250 ok\r\n550 no\r\n550 no\r\n554 no\r\n");
        want_recipient(&w, 0, false, 550);
        want_recipient(&w, 1, false, 550);
        want_over(&w);
        said(&w, ""); /* not by itself */
        smtp_client_begin(w.c, &w.message);
        said(&w, "RSET\r\n" MAIL);
        tell(&w, rows[i].answer);
        if (rows[i].fails) {
            struct smtp_client_event e = want(&w, SMTP_CLIENT_FAILED);
            assert_false(e.is_unsure);
            assert_false(smtp_client_has_chunk_trouble(w.c));
            assert_int_equal(e.scope, SMTP_SCOPE_SESSION);
        } else {
            want(&w, SMTP_CLIENT_NEEDS_INPUT);
            tell(&w, "250 ok\r\n250 ok\r\n250 ok\r\n");
            want(&w, SMTP_CLIENT_NEEDS_INPUT);
            said(&w, CHUNK);
        }
        smtp_client_free(w.c);
    }
}

static void what_limits_say(void **state)
{
    static const struct {
        const char *offer;
        struct smtp_client_limits limits;
    } rows[] = {
        {"250 x\r\n", {0}},
        {"250-x\r\n250 LIMITS\r\n", {0}},
        {"250-x\r\n250 LIMITS MAILMAX=5\r\n", {.transactions = 5}},
        {"250-x\r\n250 limits rcptmax=20  MailMax=5 RCPTDOMAINMAX=1\r\n", {5, 20, 1}},
        {"250-x\r\n250 LIMITS RCPTMAX=x MAILMAX= RCPTDOMAINMAX=-1 FOO=9\r\n", {0}},
        {"250-x\r\n250 LIMITS RCPTMAX=99999999999\r\n", {.recipients = UINT32_MAX}},
        {"250-x\r\n250 LIMITS RCPTMAX=99999999999999999999999\r\n", {0}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world w;
        open_ready(&w, rows[i].offer);
        struct smtp_client_limits got = smtp_client_limits(w.c);
        assert_int_equal(got.transactions, rows[i].limits.transactions);
        assert_int_equal(got.recipients, rows[i].limits.recipients);
        assert_int_equal(got.domains, rows[i].limits.domains);
        smtp_client_free(w.c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_goes_in_one_group), cmocka_unit_test(round_trips),
        cmocka_unit_test(the_body_behind_bdat),         cmocka_unit_test(a_binary_body_too),
        cmocka_unit_test(larger_ones_go_by_data),       cmocka_unit_test(the_largest_group_fits),
        cmocka_unit_test(every_reply_to_the_chunk),     cmocka_unit_test(every_loss_in_the_group),
        cmocka_unit_test(a_chunk_for_nobody),           cmocka_unit_test(nobody_left_no_chunk),
        cmocka_unit_test(rset_and_odd_answers),         cmocka_unit_test(what_limits_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
