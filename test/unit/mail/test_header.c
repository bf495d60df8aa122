/* test_header.c -- the header scanner: what it finds, however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mail/header.h"

enum { DATE = 1, MSGID = 2, FROM = 4, TO = 8, AUTO = 16, NONE = 32, MALFORMED = 64, OVER = 128 };

static const struct {
    const char *shows;
    struct slice in;
    unsigned flags; /* before the end is told; OVER: it was known by then */
    unsigned received;
    size_t header_bytes; /* after the end was told */
    const char *message_id, *from, *subject;
} rows[] = {
    {"a usual message",
     SLICE_INIT("Received: from a\r\n\tby b\r\nReceived: x\r\nDate: today\r\nMessage-ID: <1@x>\r\n"
                "From: A <a@x>\r\nTo: b@y\r\nSubject: Hi\r\n\r\nDate: body\r\n"),
     DATE | MSGID | FROM | TO | OVER, 2, 109, "<1@x>", "A <a@x>", "Hi"},
    {"names in any case, blanks before the colon",
     SLICE_INIT("mEsSaGe-iD \t: <1@x>\r\nCC:\r\n\r\n"), MSGID | TO | OVER, 0, 28, "<1@x>", "", ""},
    {"Bcc is a recipient", SLICE_INIT("Bcc: x\r\n\r\n"), TO | OVER, 0, 10, "", "", ""},
    {"names that only begin alike",
     SLICE_INIT("Dates: x\r\nFrom-: x\r\nMessage-IDx: y\r\nReceived-SPF: z\r\nTot: q\r\n"
                "Auto-Submitted-By: me\r\nXDate: \r\n\r\n"),
     OVER, 0, 95, "", "", ""},
    {"folded value", SLICE_INIT("Subject:\r\n one\r\n\ttwo \r\n  \r\nFrom: f\r\n\r\n"), FROM | OVER,
     0, 38, "", "f", "one two"},
    {"folding starts no field", SLICE_INIT("Subject: a\r\n Date: no\r\n\r\n"), OVER, 0, 25, "", "",
     "a Date: no"},
    {"first one counts", SLICE_INIT("From: a\r\nFrom: b\r\n\r\n"), FROM | OVER, 0, 20, "", "a", ""},
    {"an empty first From keeps the second out", SLICE_INIT("From:\r\nFrom: b\r\n\r\n"),
     FROM | OVER, 0, 18, "", "", ""},
    {"controls are marked", SLICE_INIT("Subject: a\0b\x1b[0m\tc\x7f\r\n\r\n"), OVER, 0, 23, "", "",
     "a?b?[0m c?"},
    {"8 bit stays", SLICE_INIT("Subject: \xc3\xa4\r\n\r\n"), OVER, 0, 15, "", "", "\xc3\xa4"},
    {"machine made", SLICE_INIT("Auto-Submitted: auto-replied\r\n\r\n"), AUTO | OVER, 0, 32, "", "",
     ""},
    {"machine made, folded", SLICE_INIT("Auto-Submitted:\r\n auto-generated; x=y\r\n\r\n"),
     AUTO | OVER, 0, 41, "", "", ""},
    {"by hand", SLICE_INIT("Auto-Submitted: NO\r\n\r\n"), OVER, 0, 22, "", "", ""},
    {"by hand with a comment", SLICE_INIT("Auto-Submitted: no (really)\r\n\r\n"), OVER, 0, 31, "",
     "", ""},
    {"not quite no", SLICE_INIT("Auto-Submitted: now\r\n\r\n"), AUTO | OVER, 0, 23, "", "", ""},
    {"no value", SLICE_INIT("Auto-Submitted:\r\n\r\n"), OVER, 0, 19, "", "", ""},
    {"dot-stuffed name", SLICE_INIT("..x: y\r\n.From: z\r\n\r\n"), FROM | OVER, 0, 20, "", "z", ""},
    {"dot-stuffed empty line cannot be", SLICE_INIT("From: z\r\n.\r\nTo: x\r\n"), FROM | OVER, 0, 9,
     "", "z", ""},
    {"no header at all: empty line first", SLICE_INIT("\r\nFrom: a\r\n"), OVER, 0, 2, "", "", ""},
    {"no header at all: text", SLICE_INIT("Hello there\r\nFrom: a\r\n\r\n"),
     NONE | MALFORMED | OVER, 0, 0, "", "", ""},
    {"no header at all: word", SLICE_INIT("Hello\r\nFrom: a\r\n\r\n"), NONE | MALFORMED | OVER, 0,
     0, "", "", ""},
    {"no header at all: blank first", SLICE_INIT(" From: a\r\n\r\n"), NONE | MALFORMED | OVER, 0, 0,
     "", "", ""},
    {"no header at all: colon first", SLICE_INIT(": a\r\n\r\n"), NONE | MALFORMED | OVER, 0, 0, "",
     "", ""},
    {"no header at all: 8 bit name", SLICE_INIT("Fr\xc3\xb6m: a\r\n\r\n"), NONE | MALFORMED | OVER,
     0, 0, "", "", ""},
    {"mbox line", SLICE_INIT("From a@x Sat Nov 22 00:47:42 2026\r\nFrom: a\r\n\r\n"),
     NONE | MALFORMED | OVER, 0, 0, "", "", ""},
    {"empty line forgotten", SLICE_INIT("From: a\r\nHello there\r\nTo: b\r\n"),
     FROM | MALFORMED | OVER, 0, 9, "", "a", ""},
    {"CR alone at a line's start", SLICE_INIT("From: a\r\n\rTo: b\r\n"), FROM | MALFORMED | OVER, 0,
     9, "", "a", ""},
    {"CR inside of a value ends nothing", SLICE_INIT("Subject: a\rTo: b\r\n\r\n"), OVER, 0, 20, "",
     "", "aTo: b"},
    {"bare LF ends a line", SLICE_INIT("From: a\nTo: b\n\nx"), FROM | TO | OVER, 0, 15, "", "a",
     ""},
    {"empty", SLICE_INIT(""), 0, 0, 0, "", "", ""},
    {"ends behind a field", SLICE_INIT("From: a\r\nTo: b\r\n"), FROM | TO, 0, 16, "", "a", ""},
    {"ends inside of a value", SLICE_INIT("From: a\r\nSubject: b "), FROM, 0, 20, "", "a", "b"},
    {"ends inside of a name", SLICE_INIT("From: a\r\nSub"), FROM | MALFORMED, 0, 9, "", "a", ""},
};

static unsigned flags_of(const struct mail_header_scan *s)
{
    return (s->has_date ? DATE : 0) | (s->has_message_id ? MSGID : 0) | (s->has_from ? FROM : 0) |
           (s->has_to_or_cc ? TO : 0) | (s->is_auto_submitted ? AUTO : 0) |
           (s->has_no_header ? NONE : 0) | (s->is_malformed ? MALFORMED : 0);
}

static void feed(struct mail_header_scan *s, struct slice in, size_t step)
{
    mail_header_scan_init(s);
    for (size_t at = 0; at < in.n; at += step) {
        bool wants_more = mail_header_scan_feed(s, slice_head(slice_from(in, at), step));
        assert_int_equal(wants_more, !s->is_over);
    }
}

static void table(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t step = 1; step <= rows[i].in.n + 1; step++) {
            static struct mail_header_scan s; /* stale bytes must not matter */
            feed(&s, rows[i].in, step);
            assert_int_equal(s.is_over, (rows[i].flags & OVER) != 0);
            mail_header_scan_end(&s);
            if (flags_of(&s) != (rows[i].flags & ~(unsigned)OVER) || !s.is_over)
                fail_msg("%s by %zu: flags %x", rows[i].shows, step, flags_of(&s));
            if (s.received_count != rows[i].received || s.header_bytes != rows[i].header_bytes)
                fail_msg("%s by %zu: %u received, %u bytes", rows[i].shows, step,
                         (unsigned)s.received_count, (unsigned)s.header_bytes);
            if (!slice_eq(mail_header_message_id(&s), slice_cstr(rows[i].message_id)) ||
                !slice_eq(mail_header_from(&s), slice_cstr(rows[i].from)) ||
                !slice_eq(mail_header_subject(&s), slice_cstr(rows[i].subject)))
                fail_msg("%s by %zu: '%.*s' '%.*s' '%.*s'", rows[i].shows, step,
                         SLICE_FMT(mail_header_message_id(&s)), SLICE_FMT(mail_header_from(&s)),
                         SLICE_FMT(mail_header_subject(&s)));
        }
    }
}

/* Each place where the message may be cut off: no crash, and an end is always found. */
static void cut_short(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t n = 0; n < rows[i].in.n; n++) {
            struct mail_header_scan s;
            feed(&s, slice_head(rows[i].in, n), n);
            mail_header_scan_end(&s);
            assert_true(s.is_over);
            assert_true(s.header_bytes <= n);
        }
    }
}

static void values_have_ceilings(void **state)
{
    static char line[100000];
    struct mail_header_scan s;
    memset(line, 'x', sizeof line);
    mail_header_scan_init(&s);
    static const char *const field[] = {
        "Message-ID: ", "From: ", "Subject: ", "Auto-Submitted: ", "X: "};
    for (size_t i = 0; i < COUNT_OF(field); i++) {
        mail_header_scan_feed(&s, slice_cstr(field[i]));
        mail_header_scan_feed(&s, slice_of(line, sizeof line));
        mail_header_scan_feed(&s, SLICE("\r\n more\r\n"));
    }
    mail_header_scan_feed(&s, slice_of(line, sizeof line)); /* a name as long */
    assert_true(mail_header_scan_feed(&s, SLICE(":\r\n")));
    assert_false(mail_header_scan_feed(&s, SLICE("\r\n")));
    assert_false(s.is_malformed);
    assert_int_equal(s.message_id_bytes, MAIL_HEADER_MESSAGE_ID_MAX);
    assert_int_equal(s.from_bytes, MAIL_HEADER_FROM_MAX);
    assert_int_equal(s.subject_bytes, MAIL_HEADER_SUBJECT_MAX);
    assert_true(s.is_auto_submitted);
}

static void loops_are_counted(void **state)
{
    struct mail_header_scan s;
    mail_header_scan_init(&s);
    for (int i = 0; i < 1000; i++)
        mail_header_scan_feed(&s, SLICE("Received: from a\r\n\tby b\r\n"));
    assert_int_equal(s.received_count, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(values_have_ceilings),
        cmocka_unit_test(loops_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
