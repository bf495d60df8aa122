/* test_header_field.c -- fields of a whole section, and its dots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mail/header_field.h"

static void sections(void **state)
{
    static const struct {
        const char *in, *fields; /* name "=" bytes of the body, blank */
        const char *rest;
    } row[] = {
        {"", "", ""},
        {"\r\n", "", "\r\n"},
        {"A: b\r\n\r\n", "A=4 ", "\r\n"},
        {"A:b\r\n c\r\n\t\r\nB :\r\n\r\n", "A=10 B=2 ", "\r\n"},
        {"A:b\n c\n\n", "A=5 ", "\n"},
        {"A:", "A=0 ", ""},
        {"A:b\r\n c", "A=5 ", ""},
        {"A:b\r\nno field\r\nB: c\r\n", "A=3 ", "no field\r\nB: c\r\n"},
        {"A:b\r\n:c\r\n", "A=3 ", ":c\r\n"},
        {"A:b\r\n\xc3\xbc: c\r\n", "A=3 ", "\xc3\xbc: c\r\n"},
        {" A: b\r\n", "", " A: b\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct slice rest = slice_cstr(row[i].in);
        struct mail_header_field f;
        struct buf said;
        buf_init(&said, 1000);
        const char *at = rest.p;
        while (mail_header_field_next(&rest, &f)) {
            assert_ptr_equal(f.whole.p, at);
            at += f.whole.n;
            assert_ptr_equal(f.body.p + f.body.n, at);
            buf_addf(&said, "%.*s=%zu ", SLICE_FMT(f.name), f.body.n);
        }
        if (!slice_eq(buf_slice(&said), slice_cstr(row[i].fields)) ||
            !slice_eq(rest, slice_cstr(row[i].rest)))
            fail_msg("%s: %s", row[i].in, buf_cstr(&said));
        buf_close(&said);
    }
}

static void dots(void **state)
{
    static const struct {
        const char *wire, *text, *again; /* again NULL: as wire */
        bool is_stuffed;
    } row[] = {
        {"", "", NULL, false},
        {"A: .b\r\n .c\r\n\r\n", "A: .b\r\n .c\r\n\r\n", NULL, false},
        {"..a: b\r\nc: d\r\n...", ".a: b\r\nc: d\r\n..", NULL, true},
        {"A: b\r\n.\tc\r\n.D: e\r\n", "A: b\r\n\tc\r\nD: e\r\n", "A: b\r\n\tc\r\nD: e\r\n", true},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct buf text, wire;
        buf_init(&text, 1000);
        buf_init(&wire, 1000);
        assert_int_equal(mail_header_is_stuffed(slice_cstr(row[i].wire)), row[i].is_stuffed);
        assert_true(mail_header_unstuff(slice_cstr(row[i].wire), &text));
        assert_string_equal(buf_cstr(&text), row[i].text);
        assert_true(mail_header_stuff(buf_slice(&text), &wire));
        assert_string_equal(buf_cstr(&wire), row[i].again ? row[i].again : row[i].wire);
        buf_close(&text);
        buf_close(&wire);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sections), cmocka_unit_test(dots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
