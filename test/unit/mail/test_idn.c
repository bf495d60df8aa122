/* test_idn.c -- domains to A-labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mail/idn.h"

static void domains(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: there is no such name */
    } rows[] = {
        {"example.net", "example.net"},
        {"EXAMPLE.net", "EXAMPLE.net"},
        {"[192.0.2.1]", "[192.0.2.1]"},
        {"", ""},
        {"xn--exmple-cua.net", "xn--exmple-cua.net"},
        {"ex\xc3\xa4mple.net", "xn--exmple-cua.net"},
        {"EX\xc3\x84MPLE.NET", "xn--exmple-cua.net"},
        {"exa\xcc\x88mple.net", "xn--exmple-cua.net"}, /* not in NFC */
        {"fa\xc3\x9f.example", "xn--fa-hia.example"},  /* not "fass" */
        {"\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "xn--r8jz45g.xn--zckzah"},
        {"a\xe3\x80\x82m\xc3\xa4n", "a.xn--mn-via"}, /* the full stop of that script */
        {"\xcc\x88-.example", NULL},                 /* begins with a combining mark */
        {"\xc3.example", NULL},                      /* cut short */
        {"\xff.example", NULL},
        {"ex\xc3\xa4mple..net", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;
        buf_init(&out, 300);
        if (mail_domain_to_ascii(slice_cstr(rows[i].in), &out) != (rows[i].out != NULL))
            fail_msg("%s: %s", rows[i].in, buf_cstr(&out));
        if (rows[i].out)
            assert_string_equal(buf_cstr(&out), rows[i].out);
        buf_close(&out);
    }
}

static void lengths(void **state)
{
    char text[400];
    struct buf out;
    buf_init(&out, 300);
    memset(text, 'a', sizeof text);
    memcpy(text, "\xc3\xa4", 2);
    assert_false(mail_domain_to_ascii(slice_of(text, 64), &out)); /* a label of more than 63 */
    assert_false(mail_domain_to_ascii(slice_of(text, 300), &out));
    assert_false(mail_domain_to_ascii(SLICE("\xc3\xa4\0.example"), &out));
    buf_close(&out);
    buf_init(&out, 10);
    assert_false(mail_domain_to_ascii(SLICE("ex\xc3\xa4mple.net"), &out));
    buf_close(&out);
}

static void addresses(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"b@ex\xc3\xa4mple.net", "b@xn--exmple-cua.net"},
        {"b@example.net", "b@example.net"},
        {"\"a@b\"@ex\xc3\xa4mple.net", "\"a@b\"@xn--exmple-cua.net"},
        {"root", "root"},
        {"", ""},
        {"\xc3\xa4@example.net", NULL},
        {"b@\xff.net", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;
        buf_init(&out, 300);
        if (mail_address_to_ascii(slice_cstr(rows[i].in), &out) != (rows[i].out != NULL))
            fail_msg("%s: %s", rows[i].in, buf_cstr(&out));
        if (rows[i].out)
            assert_string_equal(buf_cstr(&out), rows[i].out);
        buf_close(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains),
        cmocka_unit_test(lengths),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
