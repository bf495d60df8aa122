/* test_letter.c -- what sendmail(1) makes of its input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mail/letter.h"

#define FROM "From: \"Bob B\" <bob@host.example>\r\n"

static const struct {
    const char *shows;
    bool takes;                 /* -t */
    const char *in, *wire, *to; /* to: joined by '|'; "!" and why when it cannot be sent */
} cases[] = {
    {"LF becomes CRLF", 0, "From: a@b\nSubject: x\n\nhello\n",
     "From: a@b\r\nSubject: x\r\n\r\nhello\r\n", ""},
    {"CRLF stays", 0, "From: a@b\r\n\r\nhello\r\n", "From: a@b\r\n\r\nhello\r\n", ""},
    {"CR CR LF is one end", 0, "From: a@b\r\r\n\r\r\nhello\r\r\n", "From: a@b\r\n\r\nhello\r\n",
     ""},
    {"a CR inside a line ends it", 0, "From: a@b\n\n10%\r20%\rdone\n",
     "From: a@b\r\n\r\n10%\r\n20%\r\ndone\r\n", ""},
    {"the last line lacks its end", 0, "From: a@b\n\nhello", "From: a@b\r\n\r\nhello\r\n", ""},
    {"no body", 0, "From: a@b\n", "From: a@b\r\n\r\n", ""},
    {"nothing at all", 0, "", FROM "\r\n", ""},
    {"no header", 0, "just text\n", FROM "\r\njust text\r\n", ""},
    {"no header, but an empty line", 0, "\njust text\n", FROM "\r\njust text\r\n", ""},
    {"the empty line is missing", 0, "From: a@b\nnot a field\n", "From: a@b\r\n\r\nnot a field\r\n",
     ""},
    {"From is added", 0, "Subject: x\n\nhi\n", "Subject: x\r\n" FROM "\r\nhi\r\n", ""},
    {"a mailbox's first line goes", 0, "From bob Mon Jan  1 00:00:00 2024\nFrom: a@b\n\nhi\n",
     "From: a@b\r\n\r\nhi\r\n", ""},
    {"a quoted one too", 0, ">From bob Mon Jan  1 00:00:00 2024\nFrom: a@b\n\nhi\n",
     "From: a@b\r\n\r\nhi\r\n", ""},
    {"From with a blank before the colon stays", 0, "From : a@b\n\nhi\n",
     "From : a@b\r\n\r\nhi\r\n", ""},
    {"in the body it stays", 0, "From: a@b\n\nFrom here on\n", "From: a@b\r\n\r\nFrom here on\r\n",
     ""},
    {"dots are left alone here", 0, "From: a@b\n\n.\n..\n.x\n",
     "From: a@b\r\n\r\n.\r\n..\r\n.x\r\n", ""},
    {"without -t nobody is read", 0, "From: a@b\nTo: c@d\n\n", "From: a@b\r\nTo: c@d\r\n\r\n", ""},
    {"Bcc, Return-Path and Content-Length go", 0,
     "Return-Path: <x@y>\nFrom: a@b\nBCC: c@d,\n e@f\nContent-Length: 7\nSubject: x\n\n",
     "From: a@b\r\nSubject: x\r\n\r\n", ""},

    {"-t: To, Cc and Bcc", 1,
     "From: a@b\nTo: Bob <c@d.example>\nCc: e@f.example,\n\tg@h.example\nBcc: i@j.example\n\nhi\n",
     "From: a@b\r\nTo: Bob <c@d.example>\r\nCc: e@f.example,\r\n\tg@h.example\r\n\r\nhi\r\n",
     "c@d.example|e@f.example|g@h.example|i@j.example"},
    {"-t: several of a kind, and any case", 1, "From: a@b\nTO: c@d.example\nto: e@f.example\n\n",
     "From: a@b\r\nTO: c@d.example\r\nto: e@f.example\r\n\r\n", "c@d.example|e@f.example"},
    {"-t: each address once", 1, "From: a@b\nTo: c@d.example, c@D.example\nCc: c@d.example\n\n",
     "From: a@b\r\nTo: c@d.example, c@D.example\r\nCc: c@d.example\r\n\r\n", "c@d.example"},
    {"-t: Resent-* wins", 1,
     "Resent-To: r@s.example\nResent-Bcc: t@u.example\nFrom: a@b\nTo: c@d.example\nBcc: x@y\n\n",
     "Resent-To: r@s.example\r\nFrom: a@b\r\nTo: c@d.example\r\n\r\n", "r@s.example|t@u.example"},
    {"-t: a group", 1, "From: a@b\nTo: Team: c@d.example, e@f.example;\n\n",
     "From: a@b\r\nTo: Team: c@d.example, e@f.example;\r\n\r\n", "c@d.example|e@f.example"},
    {"-t: local names", 1, "From: root\nTo: root (Cron)\n\n",
     "From: root\r\nTo: root (Cron)\r\n\r\n", "root@host.example"},
    {"-t: nobody", 1, "From: a@b\nTo: undisclosed-recipients:;\n\n",
     "From: a@b\r\nTo: undisclosed-recipients:;\r\n\r\n", ""},
    {"-t: a To in the body is text", 1, "From: a@b\nTo: c@d.example\n\nTo: e@f.example\n",
     "From: a@b\r\nTo: c@d.example\r\n\r\nTo: e@f.example\r\n", "c@d.example"},
    {"-t: no address", 1, "To: c@d.example, bob@\n\n", NULL, "!\"bob@\": that is no address"},
    {"NUL", 0, "From: a@b\n\nx", NULL, NULL},
};

static const struct letter_options base = {
    .hostname = SLICE_INIT("host.example"),
    .from = SLICE_INIT("bob@host.example"),
    .full_name = SLICE_INIT("Bob B"),
};

/* The wire form in *wire; what was read of recipients, or why not, in *to. */
static bool build(struct slice in, bool takes, struct buf *wire, struct buf *to, bool *is_8bit)
{
    struct letter_options o = base;
    struct letter_recipients found;
    struct fault why = {0};
    o.takes_recipients = takes;
    letter_recipients_init(&found);
    bool is_good = letter_build(in, &o, wire, &found, is_8bit, &why);
    size_t at = 0;
    for (struct slice one; is_good && (one = letter_recipients_next(&found, &at)).n;) {
        if (to->n)
            buf_add_char(to, '|');
        buf_add(to, one);
    }
    if (!is_good)
        buf_addf(to, "!%s", why.text);
    letter_recipients_close(&found);
    return is_good;
}

static void test_cases(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf wire, to;
        bool is_8bit;
        buf_init(&wire, 65536);
        buf_init(&to, 65536);
        size_t n = strlen(cases[i].in) + !cases[i].to; /* the NUL case takes its NUL along */
        char *exact = mem_dup(cases[i].in, n);
        bool is_good = build(slice_of(exact, n), cases[i].takes, &wire, &to, &is_8bit);
        mem_free(exact);
        if (is_good != (cases[i].wire != NULL) ||
            (is_good && strcmp(buf_cstr(&wire), cases[i].wire) != 0))
            fail_msg("%s: [%s]", cases[i].shows, buf_cstr(&wire));
        if (cases[i].to && strcmp(buf_cstr(&to), cases[i].to) != 0)
            fail_msg("%s: to [%s]", cases[i].shows, buf_cstr(&to));
        if (!cases[i].to)
            assert_non_null(strstr(buf_cstr(&to), "NUL"));
        buf_close(&wire);
        buf_close(&to);
    }
}

static const struct {
    const char *shows, *name, *wanted;
} names[] = {
    {"no name", "", "From: <bob@host.example>\r\n"},
    {"quotes are kept quoted", "Bob \"B\" \\x",
     "From: \"Bob \\\"B\\\" \\\\x\" <bob@host.example>\r\n"},
    {"no line ends", "Bob\r\nBcc: x@y", "From: \"Bob  Bcc: x@y\" <bob@host.example>\r\n"},
    {"beyond ASCII: an encoded word", "J\303\274rgen",
     "From: =?utf-8?B?SsO8cmdlbg==?= <bob@host.example>\r\n"},
    {"and not half a character", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\303\274b",
     "From: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" <bob@host.example>\r\n"},
};

static void test_names(void **state)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct letter_options o = base;
        struct letter_recipients to;
        struct fault why;
        struct buf wire;
        bool is_8bit;
        o.full_name = slice_cstr(names[i].name);
        letter_recipients_init(&to);
        buf_init(&wire, 65536);
        assert_true(letter_build(SLICE("Subject: x\n\n"), &o, &wire, &to, &is_8bit, &why));
        assert_false(is_8bit);
        assert_true(slice_ends_nocase(buf_slice(&wire), SLICE("\r\n\r\n")));
        wire.n -= 2;
        if (strcmp(buf_cstr(&wire) + strlen("Subject: x\r\n"), names[i].wanted) != 0)
            fail_msg("%s: %s", names[i].shows, buf_cstr(&wire));
        buf_close(&wire);
        letter_recipients_close(&to);
    }
}

static void test_8bit_and_limits(void **state)
{
    struct letter_recipients to;
    struct fault why;
    struct buf wire;
    bool is_8bit;
    letter_recipients_init(&to);
    buf_init(&wire, 40);
    assert_true(
        letter_build(SLICE("From: a@b\n\nJ\303\274rgen\n"), &base, &wire, &to, &is_8bit, &why));
    assert_true(is_8bit);
    buf_clear(&wire);
    assert_false(letter_build(SLICE("From: a@b\n\n123456789012345678901234567890\n"), &base, &wire,
                              &to, &is_8bit, &why));
    assert_non_null(strstr(why.text, "larger than 40 bytes"));
    buf_close(&wire);
    char one[64];
    for (int i = 0; i < LETTER_RECIPIENTS_MAX; i++) {
        snprintf(one, sizeof one, "user%d@b.example", i);
        assert_true(letter_recipients_add(&to, slice_cstr(one), SLICE("h"), &why));
    }
    assert_int_equal(to.count, LETTER_RECIPIENTS_MAX);
    assert_true(letter_recipients_add(&to, slice_cstr(one), SLICE("h"), &why)); /* not a new one */
    assert_false(letter_recipients_add(&to, SLICE("a@b"), SLICE("h"), &why));
    letter_recipients_close(&to);
}

static const struct {
    const char *shows, *in;
    size_t wanted, next; /* wanted == length: no dot */
} dots[] = {
    {"a dot alone", "a\n.\nb\n", 2, 4}, {"at once", ".\n", 0, 2},
    {"with CRLF", "a\r\n.\r\nb", 3, 6}, {"two dots are text", "..\na\n", 5, 0},
    {"a dot and more", ".a\n", 3, 0},   {"its line has not ended", "a\n.", 3, 0},
};

static void test_dots(void **state)
{
    for (size_t i = 0; i < COUNT_OF(dots); i++) {
        size_t whole = strlen(dots[i].in);
        size_t from = 0, next = 0, got = whole;
        /* Byte by byte: the search goes on where it was. */
        for (size_t n = 1; n <= whole; n++) {
            got = letter_find_dot(slice_of(dots[i].in, n), &from, &next);
            if (got < n)
                break;
        }
        if (got != dots[i].wanted || (got < whole && next != dots[i].next))
            fail_msg("%s: %zu %zu", dots[i].shows, got, next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_8bit_and_limits),
        cmocka_unit_test(test_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
