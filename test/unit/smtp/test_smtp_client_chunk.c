/* test_smtp_client_chunk.c -- a binary message at the sending machine: BODY=BINARYMIME and BDAT
 * (RFC 3030), every kind of reply at every chunk, and servers that speak too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "smtp/smtp_client.h"

#define OFFER "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"
#define ENVELOPE "MAIL FROM:<me@b> BODY=BINARYMIME\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n"

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

static void want_failed(struct world *w, const char *reason, bool is_unsure)
{
    struct smtp_client_event e = want(w, SMTP_CLIENT_FAILED);
    assert_string_equal(e.reason, reason);
    assert_int_equal(e.is_unsure, is_unsure);
    want(w, SMTP_CLIENT_NEEDS_INPUT);
}

static void tell(struct world *w, const char *line)
{
    smtp_client_on_bytes(w->c, slice_cstr(line));
}

static void said_bytes(struct world *w, struct slice wanted)
{
    struct slice out = smtp_client_output(w->c);
    if (!slice_eq(out, wanted))
        fail_msg("said %.*s instead of %.*s", SLICE_FMT(out), SLICE_FMT(wanted));
    smtp_client_sent(w->c, out.n);
}

static void said(struct world *w, const char *text)
{
    said_bytes(w, slice_cstr(text));
}

static void open_ready(struct world *w, const char *offer)
{
    *w = (struct world){.options = {.helo = SLICE("me"),
                                    .greeting_ms = 1000,
                                    .command_ms = 20000,
                                    .data_ms = 3000,
                                    .final_ms = 4000}};
    w->recipient[0].address = SLICE("a@b");
    w->recipient[1].address = SLICE("c@b");
    w->message = (struct smtp_client_message){.sender = SLICE("me@b"),
                                              .recipient = w->recipient,
                                              .recipient_count = 2,
                                              .is_8bit = true,
                                              .is_binary = true};
    w->c = smtp_client_new(&w->options);
    smtp_client_on_connected(w->c);
    tell(w, "220 x\r\n");
    want(w, SMTP_CLIENT_NEEDS_INPUT);
    said(w, "EHLO me\r\n");
    tell(w, offer);
    want(w, SMTP_CLIENT_READY);
    want(w, SMTP_CLIENT_NEEDS_INPUT);
}

static void open_at_body(struct world *w)
{
    open_ready(w, OFFER);
    smtp_client_begin(w->c, &w->message);
    said(w, ENVELOPE); /* nothing of the body in the envelope's group */
    tell(w, "250 ok\r\n250 ok\r\n250 ok\r\n");
    want(w, SMTP_CLIENT_BODY);
    want(w, SMTP_CLIENT_NEEDS_INPUT);
    assert_true(smtp_client_takes_body(w->c));
}

static void say(struct world *w, const char *piece, const char *chunk)
{
    smtp_client_body(w->c, slice_cstr(piece));
    said(w, chunk);
}

static void a_message_goes_in_chunks(void **state)
{
    struct world w;
    open_at_body(&w);
    say(&w, "A: b\r\n\r\n", "BDAT 8\r\nA: b\r\n\r\n");
    smtp_client_body(w.c, SLICE("..\0\n.\r\xff\r\n"));
    said_bytes(&w, SLICE("BDAT 8\r\n.\0\n.\r\xff\r\n"));
    smtp_client_body(w.c, SLICE(".")); /* the first of two, alone: no chunk of nothing */
    said(&w, "");
    say(&w, ".end\r", "BDAT 5\r\n.end\r");
    say(&w, "\n..", "BDAT 2\r\n\n.");
    assert_int_equal(smtp_client_timeout_ms(w.c), 3000);
    smtp_client_body_end(w.c);
    assert_false(smtp_client_takes_body(w.c));
    said(&w, ""); /* LAST when all of them are taken */
    tell(&w, "250 ok\r\n250 ok\r\n250 ok\r\n");
    want(&w, SMTP_CLIENT_NEEDS_INPUT);
    said(&w, "");
    tell(&w, "250 ok\r\n");
    want(&w, SMTP_CLIENT_NEEDS_INPUT);
    said(&w, "BDAT 0 LAST\r\n");
    assert_int_equal(smtp_client_timeout_ms(w.c), 4000);
    tell(&w, "250 taken\r\n");
    want_recipient(&w, 0, true, 250);
    want_recipient(&w, 1, true, 250);
    want(&w, SMTP_CLIENT_DONE);
    want(&w, SMTP_CLIENT_READY);
    smtp_client_begin(w.c, &w.message); /* nothing is left open: no RSET */
    said(&w, ENVELOPE);
    smtp_client_free(w.c);
}

/* The same body cut everywhere, byte by byte too, gives the same bytes. */
static void doubled_dots_become_single_over_any_border(void **state)
{
    static const char wire[] = "..a\r\n..\r\n...b\r\r\n..\n.\r.\0\r\n..";
    static const char body[] = ".a\r\n.\r\n..b\r\r\n.\n.\r.\0\r\n.";
    for (size_t step = 1; step < sizeof wire; step++) {
        struct world w;
        struct buf got;
        buf_init(&got, 1000);
        open_at_body(&w);
        for (size_t at = 0; at < sizeof wire - 1; at += step) {
            smtp_client_body(w.c, slice_head(slice_of(wire + at, sizeof wire - 1 - at), step));
            struct slice out = smtp_client_output(w.c);
            size_t header = slice_find(out, '\n') + 1;
            if (!out.n)
                continue;
            unsigned bytes = 0;
            assert_int_equal(sscanf(out.p, "BDAT %u\r", &bytes), 1);
            assert_int_equal(out.n - header, bytes);
            buf_add(&got, slice_from(out, header));
            smtp_client_sent(w.c, out.n);
            tell(&w, "250 ok\r\n");
            want(&w, SMTP_CLIENT_BODY);
            want(&w, SMTP_CLIENT_NEEDS_INPUT);
        }
        assert_int_equal(got.n, sizeof body - 1);
        assert_memory_equal(got.p, body, got.n);
        buf_close(&got);
        smtp_client_free(w.c);
    }
}

static void without_pipelining_one_chunk_waits(void **state)
{
    struct world w;
    open_ready(&w, "250-x\r\n250-CHUNKING\r\n250 BINARYMIME\r\n");
    w.message.recipient_count = 1;
    smtp_client_begin(w.c, &w.message);
    said(&w, "MAIL FROM:<me@b> BODY=BINARYMIME\r\n");
    tell(&w, "250 ok\r\n");
    want(&w, SMTP_CLIENT_NEEDS_INPUT);
    said(&w, "RCPT TO:<a@b>\r\n");
    tell(&w, "250 ok\r\n");
    want(&w, SMTP_CLIENT_BODY);
    say(&w, "x", "BDAT 1\r\nx");
    assert_false(smtp_client_takes_body(w.c));
    tell(&w, "250 ok\r\n");
    want(&w, SMTP_CLIENT_BODY);
    assert_true(smtp_client_takes_body(w.c));
    say(&w, "y", "BDAT 1\r\ny");
    smtp_client_body_end(w.c);
    said(&w, "");
    tell(&w, "250 ok\r\n");
    want(&w, SMTP_CLIENT_NEEDS_INPUT);
    said(&w, "BDAT 0 LAST\r\n");
    smtp_client_free(w.c);
}

static void chunks_under_way_are_limited(void **state)
{
    struct world w;
    open_at_body(&w);
    for (int i = 0; i < SMTP_CLIENT_CHUNKS_MAX; i++) {
        assert_true(smtp_client_takes_body(w.c));
        say(&w, "x", "BDAT 1\r\nx");
    }
    assert_false(smtp_client_takes_body(w.c));
    tell(&w, "250 ok\r\n");
    want(&w, SMTP_CLIENT_BODY);
    assert_true(smtp_client_takes_body(w.c));
    smtp_client_free(w.c);
}

static void the_largest_pieces_fit(void **state)
{
    static char piece[SMTP_CLIENT_PIECE_BYTES_MAX];
    struct world w;
    open_at_body(&w);
    memset(piece, 'x', sizeof piece);
    smtp_client_body(w.c, slice_of(piece, sizeof piece));
    assert_int_equal(smtp_client_output(w.c).n, sizeof piece + strlen("BDAT 65536\r\n"));
    smtp_client_free(w.c);
}

/* Where the server stands when it says something: two chunks were said, and then LAST. */
enum at { AT_FIRST, AT_SECOND, AT_LAST };

static const struct {
    const char *reply;
    int code; /* of the refusal; 0: no refusal, the session fails */
} replies[] = {{"354 go\r\n", 0},        {"421 bye\r\n", 0},          {"451 later\r\n", 451},
               {"452 full\r\n", 452},    {"500 what\r\n", 500},       {"502 no\r\n", 502},
               {"503 order\r\n", 503},   {"550-a\r\n550 b\r\n", 550}, {"552 size\r\n", 552},
               {"554 content\r\n", 554}, {"rubbish\r\n", 0}};

static void check_reply(enum at at, size_t i, bool is_ended)
{
    struct world w;
    open_at_body(&w);
    say(&w, "x", "BDAT 1\r\nx");
    say(&w, "y", "BDAT 1\r\ny");
    if (is_ended)
        smtp_client_body_end(w.c);
    for (int k = AT_FIRST; k < (int)at; k++) {
        tell(&w, "250 ok\r\n");
        want(&w, is_ended ? SMTP_CLIENT_NEEDS_INPUT : SMTP_CLIENT_BODY);
    }
    said(&w, at == AT_LAST ? "BDAT 0 LAST\r\n" : "");
    tell(&w, replies[i].reply);
    if (replies[i].code) {
        want_recipient(&w, 0, false, replies[i].code);
        want_recipient(&w, 1, false, replies[i].code);
    }
    if (!replies[i].code || !is_ended) {
        struct smtp_client_event e = want(&w, SMTP_CLIENT_FAILED);
        bool is_refusal = replies[i].code || replies[i].reply[0] == '4';
        assert_int_equal(e.is_unsure, at == AT_LAST && !is_refusal);
        assert_int_equal(w.recipient[0].is_settled, replies[i].code != 0);
    } else {
        if (at == AT_FIRST) { /* the other chunk's answer, whatever it is, is nobody's any more */
            want(&w, SMTP_CLIENT_NEEDS_INPUT);
            tell(&w, "503 no transaction\r\n");
        }
        want(&w, SMTP_CLIENT_DONE);
        want(&w, SMTP_CLIENT_READY);
        smtp_client_begin(w.c, &w.message);
        said(&w, at == AT_LAST ? ENVELOPE : "RSET\r\n" ENVELOPE);
    }
    smtp_client_free(w.c);
}

static void every_reply_at_every_chunk(void **state)
{
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        check_reply(AT_FIRST, i, true);
        check_reply(AT_SECOND, i, true);
        check_reply(AT_LAST, i, true);
        check_reply(AT_FIRST, i, false); /* more of the body would follow: the line is cut */
        check_reply(AT_SECOND, i, false);
    }
}

static void replies_before_their_time(void **state)
{
    struct world w;
    open_at_body(&w);
    tell(&w, "250 ok\r\n"); /* to no chunk at all */
    want_failed(&w, "not a reply to a chunk", false);
    smtp_client_free(w.c);
    open_at_body(&w);
    smtp_client_body(w.c, SLICE("xyz"));
    smtp_client_sent(w.c, 10); /* not all of it */
    tell(&w, "250 ok\r\n");
    want_failed(&w, "not a reply to a chunk", false);
    smtp_client_free(w.c);
    open_at_body(&w);
    smtp_client_body(w.c, SLICE("xyz"));
    smtp_client_sent(w.c, 10);
    smtp_client_body_end(w.c);
    tell(&w, "552 size\r\n"); /* a refusal counts, but the rest cannot be unsaid */
    want_recipient(&w, 0, false, 552);
    want_recipient(&w, 1, false, 552);
    want_failed(&w, "refused in the middle of the body", false);
    smtp_client_free(w.c);
    open_at_body(&w);
    say(&w, "x", "BDAT 1\r\nx");
    smtp_client_body_end(w.c);
    tell(&w, "250 ok\r\n250 and LAST, which was not said\r\n");
    struct smtp_client_event e = want(&w, SMTP_CLIENT_FAILED);
    assert_null(e.reply); /* nobody is delivered by it */
    assert_false(w.recipient[0].is_settled);
    smtp_client_free(w.c);
}

static void lines_that_die_and_time_outs(void **state)
{
    for (int is_timeout = 0; is_timeout <= 1; is_timeout++) {
        for (int steps = 0; steps < 4; steps++) {
            struct world w;
            open_at_body(&w);
            if (steps > 0)
                say(&w, "x", "BDAT 1\r\nx");
            if (steps > 1)
                smtp_client_body_end(w.c);
            if (steps > 2) {
                tell(&w, "250 ok\r\n");
                want(&w, SMTP_CLIENT_NEEDS_INPUT);
                said(&w, "BDAT 0 LAST\r\n");
            }
            if (is_timeout)
                smtp_client_on_timeout(w.c);
            else
                smtp_client_on_closed(w.c, "connection lost");
            assert_int_equal(want(&w, SMTP_CLIENT_FAILED).is_unsure, steps == 3);
            smtp_client_free(w.c);
        }
    }
}

static void nobody_left_no_chunk(void **state)
{
    struct world w;
    open_ready(&w, OFFER);
    smtp_client_begin(w.c, &w.message);
    said(&w, ENVELOPE);
    tell(&w, "250 ok\r\n550 no\r\n450 no\r\n");
    want_recipient(&w, 0, false, 550);
    want_recipient(&w, 1, false, 450);
    want(&w, SMTP_CLIENT_DONE);
    want(&w, SMTP_CLIENT_READY);
    said(&w, "");
    smtp_client_begin(w.c, &w.message);
    said(&w, "RSET\r\n" ENVELOPE);
    tell(&w, "250 ok\r\n501 BODY?\r\n503 no\r\n503 no\r\n");
    want_recipient(&w, 0, false, 501);
    want_recipient(&w, 1, false, 501);
    want(&w, SMTP_CLIENT_DONE);
    want(&w, SMTP_CLIENT_READY);
    said(&w, "");
    smtp_client_free(w.c);
}

static void both_extensions_are_needed(void **state)
{
    static const char *const offers[] = {
        "250 x\r\n", "250-x\r\n250 CHUNKING\r\n", "250-x\r\n250 BINARYMIME\r\n",
        "250-x\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 CHUNKING\r\n"};
    for (size_t i = 0; i < COUNT_OF(offers); i++) {
        struct world w;
        open_ready(&w, offers[i]);
        smtp_client_begin(w.c, &w.message);
        for (unsigned k = 0; k < 2; k++) {
            struct smtp_client_event e = want(&w, SMTP_CLIENT_RECIPIENT);
            assert_int_equal(e.scope, SMTP_SCOPE_MESSAGE);
            assert_int_equal(e.reply->code, 554);
            assert_int_equal(e.reply->status.class, 5);
            assert_int_equal(e.reply->status.subject, 6);
            assert_int_equal(e.reply->status.detail, 3);
        }
        want(&w, SMTP_CLIENT_DONE);
        want(&w, SMTP_CLIENT_READY);
        said(&w, "");
        w.message.is_binary = false; /* text goes on over the same line, by DATA */
        w.message.recipient_count = 1;
        smtp_client_begin(w.c, &w.message);
        assert_true(slice_starts(smtp_client_output(w.c), SLICE("MAIL FROM:<me@b>")));
        smtp_client_free(w.c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_in_chunks),
        cmocka_unit_test(doubled_dots_become_single_over_any_border),
        cmocka_unit_test(without_pipelining_one_chunk_waits),
        cmocka_unit_test(chunks_under_way_are_limited),
        cmocka_unit_test(the_largest_pieces_fit),
        cmocka_unit_test(every_reply_at_every_chunk),
        cmocka_unit_test(replies_before_their_time),
        cmocka_unit_test(lines_that_die_and_time_outs),
        cmocka_unit_test(nobody_left_no_chunk),
        cmocka_unit_test(both_extensions_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
