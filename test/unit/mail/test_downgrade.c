/* test_downgrade.c -- eight bits become seven: part by part, and the same however it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "mail/content_type.h"
#include "mail/downgrade.h"

enum { OUT_BYTES_MAX = 1 << 20 };

static void convert(struct slice in, bool is_binary, size_t step, struct buf *out)
{
    struct mail_downgrade *d = mail_downgrade_new(is_binary);
    buf_init(out, OUT_BYTES_MAX);
    for (size_t at = 0; at < in.n; at += step)
        mail_downgrade_feed(d, slice_head(slice_from(in, at), step), out);
    mail_downgrade_end(d, out);
    assert_false(out->is_full);
    mail_downgrade_free(d);
}

/* No NUL, CR and LF only together, lines within bounds, dots doubled. */
static void check_form(struct slice wire)
{
    size_t line = 0;
    for (size_t i = 0; i < wire.n; i++) {
        char c = wire.p[i];
        assert_int_not_equal(c, 0);
        if (c == '\n')
            assert_true(i > 0 && wire.p[i - 1] == '\r');
        else if (i > 0)
            assert_int_not_equal(wire.p[i - 1], '\r');
        if (c == '.' && line == 0)
            assert_true(i + 1 < wire.n && wire.p[i + 1] == '.');
        line = c == '\n' ? 0 : line + 1;
        assert_true(line <= 998 + 2);
    }
    assert_true(wire.n == 0 || wire.p[wire.n - 1] == '\n');
}

static void check(struct slice in, bool is_binary, struct slice expected)
{
    struct buf whole;
    convert(in, is_binary, in.n ? in.n : 1, &whole);
    if (expected.p && !slice_eq(buf_slice(&whole), expected))
        fail_msg("got:\n%s\nexpected:\n%.*s", buf_cstr(&whole), SLICE_FMT(expected));
    check_form(buf_slice(&whole));
    for (size_t step = 1; step < 8 && step < in.n; step++) {
        struct buf cut;
        convert(in, is_binary, step, &cut);
        assert_true(slice_eq(buf_slice(&cut), buf_slice(&whole)));
        buf_close(&cut);
    }
    buf_close(&whole);
}

#define TEXT "text/plain; charset=utf-8\r\n"
#define TYPE "Content-Type: "
#define CTE "Content-Transfer-Encoding: "

static const struct {
    const char *shown;
    bool is_binary;
    struct slice in, out;
} rows[] = {
    {"text in 8bit", false,
     SLICE_INIT("Subject: s\r\nMIME-Version: 1.0\r\n" CTE "8bit\r\n" TYPE TEXT
                "\r\nGr\xc3\xbc\xc3\x9f"
                "e = 1 \r\n\r\nend\r\n"),
     SLICE_INIT("Subject: s\r\nMIME-Version: 1.0\r\n" TYPE TEXT CTE
                "quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe =3D 1=20\r\n\r\nend\r\n")},
    {"no MIME at all", false, SLICE_INIT("From: a@b\r\n\r\n\xe4\r\n"),
     SLICE_INIT("From: a@b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
                "charset=unknown-8bit\r\n" CTE "quoted-printable\r\n\r\n=E4\r\n")},
    {"no header", false, SLICE_INIT("\xe4 no field\r\n"),
     SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" CTE
                "quoted-printable\r\n\r\n=E4 no field\r\n")},
    {"dots", false, SLICE_INIT("MIME-Version: 1.0\r\n" CTE "8BIT\r\n\r\n..\r\n..a\xe4\r\n"),
     SLICE_INIT("MIME-Version: 1.0\r\n" CTE "quoted-printable\r\n\r\n..\r\n..a=E4\r\n")},
    {"encoded already", false,
     SLICE_INIT("MIME-Version: 1.0\r\n" CTE "Base64 (c)\r\n" TYPE TEXT "\r\nYWI=\r\n"),
     SLICE_INIT("MIME-Version: 1.0\r\n" TYPE TEXT CTE "Base64\r\n\r\nYWI=\r\n")},
    {"an encoding that nobody knows", false,
     SLICE_INIT("MIME-Version: 1.0\r\n" CTE "x-own\r\n\r\n=\r\n"),
     SLICE_INIT("MIME-Version: 1.0\r\n" CTE "x-own\r\n\r\n=\r\n")},
    {"parts", false,
     SLICE_INIT("MIME-Version: 1.0\r\n" TYPE "multipart/mixed;\r\n boundary=\"b 1\"\r\n" CTE
                "8bit\r\n\r\npreamble\r\n--b 1\r\n" TYPE TEXT CTE "8bit\r\n\r\n\xc3\xa4\r\n--b "
                "1\r\n" TYPE "application/x\r\n" CTE "8bit\r\n\r\n\xc3\xa4\r\n\r\n--b 1\r\n" TYPE
                "image/png\r\n" CTE "base64\r\n\r\nAAAA\r\n--b 1--  \r\nepilogue =\r\n"),
     SLICE_INIT("MIME-Version: 1.0\r\n" TYPE "multipart/mixed;\r\n boundary=\"b 1\"\r\n" CTE
                "7bit\r\n\r\npreamble\r\n--b 1\r\n" TYPE TEXT CTE
                "quoted-printable\r\n\r\n=C3=A4\r\n--b 1\r\n" TYPE "application/x\r\n" CTE
                "base64\r\n\r\nw6QNCg==\r\n--b 1\r\n" TYPE "image/png\r\n" CTE
                "base64\r\n\r\nAAAA\r\n--b 1--  \r\nepilogue =\r\n")},
    {"a message within, and its parts", false,
     SLICE_INIT(TYPE "multipart/digest; boundary=o\r\n\r\n--o\r\n\r\nSubject: i\r\n" TYPE
                     "multipart/alternative; boundary=i\r\n" CTE "8bit\r\n\r\n--i\r\n" CTE
                     "8bit\r\n\r\n\xe4\r\n--o--\r\n"),
     SLICE_INIT(TYPE "multipart/digest; boundary=o\r\n\r\n--o\r\n\r\nSubject: i\r\n" TYPE
                     "multipart/alternative; boundary=i\r\n" CTE "7bit\r\n\r\n--i\r\n" CTE
                     "quoted-printable\r\n\r\n=E4\r\n--o--\r\n")},
    {"signed: what says 7bit is what was signed", false,
     SLICE_INIT(TYPE "multipart/signed; boundary=b\r\n\r\n--b\r\n" TYPE
                     "text/plain\r\n\r\n= 1 \r\n--b\r\n" CTE "8bit\r\n\r\n\xe4\r\n--b--\r\n"),
     SLICE_INIT(TYPE "multipart/signed; boundary=b\r\n\r\n--b\r\n" TYPE
                     "text/plain\r\n\r\n= 1 \r\n--b\r\n" CTE
                     "quoted-printable\r\n\r\n=E4\r\n--b--\r\n")},
    {"message/global may be encoded, a report's status may not", false,
     SLICE_INIT(TYPE "multipart/report; boundary=b\r\n\r\n--b\r\n" TYPE
                     "message/delivery-status\r\n\r\na: =\r\n--b\r\n" TYPE "message/global\r\n" CTE
                     "8bit\r\n\r\n\xc3\xa4: 1\r\n--b--\r\n"),
     SLICE_INIT(TYPE "multipart/report; boundary=b\r\n\r\n--b\r\n" TYPE
                     "message/delivery-status\r\n\r\na: =\r\n--b\r\n" TYPE "message/global\r\n" CTE
                     "quoted-printable\r\n\r\n=C3=A4: 1\r\n--b--\r\n")},
    {"binary", true,
     SLICE_INIT("MIME-Version: 1.0\r\n" TYPE "multipart/mixed; boundary=b\r\n" CTE
                "binary\r\n\r\n--b\r\n" TYPE "application/x\r\n" CTE
                "binary\r\n\r\n\0\r\r\n\n--b\n\r\n--b\r\n" TYPE TEXT CTE
                "binary\r\n\r\na\nb\r\n--b--"),
     SLICE_INIT("MIME-Version: 1.0\r\n" TYPE "multipart/mixed; boundary=b\r\n" CTE
                "7bit\r\n\r\n--b\r\n" TYPE "application/x\r\n" CTE
                "base64\r\n\r\nAA0NCgotLWIK\r\n--b\r\n" TYPE TEXT CTE
                "quoted-printable\r\n\r\na=0Ab\r\n--b--\r\n")},
    {"binary, no line end at the end", true,
     SLICE_INIT("MIME-Version: 1.0\r\n" CTE "binary\r\n\r\na\nb "),
     SLICE_INIT("MIME-Version: 1.0\r\n" CTE "quoted-printable\r\n\r\na=0Ab=20=\r\n")},
    {"the header alone", false, SLICE_INIT("MIME-Version: 1.0\r\n" CTE "8bit\r\n"),
     SLICE_INIT("MIME-Version: 1.0\r\n" CTE "quoted-printable\r\n\r\n")},
    {"nothing", false, SLICE_INIT(""),
     SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" CTE
                "quoted-printable\r\n\r\n")},
};

static void messages(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("%s\n", rows[i].shown);
        check(rows[i].in, rows[i].is_binary, rows[i].out);
    }
}

static void add_many(struct buf *b, char c, size_t n)
{
    while (n--)
        buf_add_char(b, c);
}

static void long_lines(void **state)
{
    for (size_t n = 60; n < 3000; n += n < 90 ? 1 : 331) {
        struct buf in, out;
        buf_init(&in, 10000);
        buf_add_cstr(&in, "MIME-Version: 1.0\r\nX: ");
        add_many(&in, 'h', n);
        buf_add_cstr(&in, "\r\n" CTE "8bit\r\n\r\n");
        add_many(&in, n % 2 ? ' ' : 'x', n);
        buf_add_cstr(&in, "\xe4\r\n");
        check(buf_slice(&in), true, SLICE_NONE);
        convert(buf_slice(&in), true, 7, &out);
        struct slice body = buf_slice(&out);
        while (!slice_starts(body, SLICE("\r\n\r\n")))
            body = slice_from(body, 1);
        body = slice_from(body, 4);
        for (size_t column = 0; body.n; body = slice_from(body, 1)) {
            column = body.p[0] == '\n' ? 0 : column + (body.p[0] != '\r');
            assert_true(column <= 76);
        }
        buf_close(&in);
        buf_close(&out);
    }
}

/* Fields beyond what is looked at, multiparts beyond what is walked: bounded, and still a message.
 */
static void limits(void **state)
{
    struct buf in, out;
    buf_init(&in, 1 << 20);
    buf_add_cstr(&in, TYPE "text/plain;\r\n");
    for (int i = 0; i < 3000; i++)
        buf_add_cstr(&in, " a=b;\r\n");
    buf_add_cstr(&in, "Subject: behind\r\n\r\n\xe4\r\n");
    check(buf_slice(&in), false, SLICE_NONE);
    buf_clear(&in);
    for (int i = 0; i < 100; i++)
        buf_addf(&in, TYPE "multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    buf_add_cstr(&in, CTE "8bit\r\n\r\n\xe4\r\n--b3--\r\n--b2\r\n" CTE "8bit\r\n\r\n\xe4\r\n");
    check(buf_slice(&in), false, SLICE_NONE);
    convert(buf_slice(&in), false, 1000, &out);
    struct slice tail = SLICE("--b2\r\n" CTE "quoted-printable\r\n\r\n=E4\r\n");
    assert_true(slice_ends_nocase(buf_slice(&out), tail));
    buf_close(&in);
    buf_close(&out);
}

static void content_types(void **state)
{
    static const struct {
        const char *body, *type, *subtype, *boundary;
    } t[] = {
        {" multipart/mixed; boundary=abc", "multipart", "mixed", "abc"},
        {" Multipart/Mixed;\r\n\tcharset=\"a;boundary=no\";\r\n BOUNDARY = \"a\\\"b c\" (x)",
         "Multipart", "Mixed", "a\"b c"},
        {" (c (n)) text / plain (c)", "text", "plain", ""},
        {" multipart/mixed; boundary=\"ends with a blank \"", "multipart", "mixed", ""},
        {" multipart/mixed; boundary=\"\"", "multipart", "mixed", ""},
        {" multipart/mixed; boundary", "multipart", "mixed", ""},
        {" multipart/mixed; boundary=\"open", "multipart", "mixed", "open"},
        {" multipart/mixed; boundary=a; boundary=b", "multipart", "mixed", "a"},
        {" text", "", "", ""},
        {"", "", "", ""},
        {" (", "", "", ""},
        {" text/", "", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct mail_content_type c = mail_content_type_parse(slice_cstr(t[i].body));
        assert_true(slice_eq(c.type, slice_cstr(t[i].type)));
        assert_true(slice_eq(c.subtype, slice_cstr(t[i].subtype)));
        assert_true(slice_eq(slice_of(c.boundary, c.boundary_bytes), slice_cstr(t[i].boundary)));
    }
    char most[200] = "a/b; boundary=";
    size_t head = strlen(most);
    memset(most + head, 'x', MAIL_BOUNDARY_BYTES_MAX);
    assert_int_equal(mail_content_type_parse(slice_cstr(most)).boundary_bytes,
                     MAIL_BOUNDARY_BYTES_MAX);
    most[head + MAIL_BOUNDARY_BYTES_MAX] = 'x';
    assert_int_equal(mail_content_type_parse(slice_cstr(most)).boundary_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(limits),
        cmocka_unit_test(content_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
