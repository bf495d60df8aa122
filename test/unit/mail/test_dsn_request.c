/* test_dsn_request.c -- the parameters of RFC 3461: what is let in, and xtext there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mail/dsn_request.h"

enum { NEVER = MAIL_NOTIFY_NEVER, SUCCESS = MAIL_NOTIFY_SUCCESS, FAILURE = MAIL_NOTIFY_FAILURE };
enum { DELAY = MAIL_NOTIFY_DELAY };

static void notify(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
        unsigned notify;
        const char *built;
    } rows[] = {
        {"NEVER", true, NEVER, "NEVER"},
        {"never", true, NEVER, "NEVER"},
        {"SUCCESS", true, SUCCESS, "SUCCESS"},
        {"DELAY,Failure,success", true, SUCCESS | FAILURE | DELAY, "SUCCESS,FAILURE,DELAY"},
        {"NEVER,FAILURE", false, 0, ""},
        {"FAILURE,NEVER", false, 0, ""},
        {"NEVER,NEVER", false, 0, ""},
        {"FAILURE,FAILURE", false, 0, ""},
        {"", false, 0, ""},
        {",", false, 0, ""},
        {"FAILURE,", false, 0, ""},
        {",FAILURE", false, 0, ""},
        {"FAILURE, DELAY", false, 0, ""},
        {"ALWAYS", false, 0, ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned got = 0;
        if (mail_notify_parse(slice_cstr(rows[i].text), &got) != rows[i].is_good)
            fail_msg("%s", rows[i].text);
        if (!rows[i].is_good)
            continue;
        assert_int_equal(got, rows[i].notify);
        struct buf out;
        buf_init(&out, 100);
        assert_true(mail_notify_build(got, &out));
        assert_string_equal(buf_cstr(&out), rows[i].built);
        buf_close(&out);
    }
    for (unsigned n = 0; n < 64; n++)
        assert_int_equal(mail_notify_is_valid(n), n == NEVER || (n < 16 && !(n & NEVER)));
}

static void ret(void **state)
{
    enum mail_ret got = MAIL_RET_NONE;
    assert_true(mail_ret_parse(SLICE("Full"), &got));
    assert_int_equal(got, MAIL_RET_FULL);
    assert_true(mail_ret_parse(SLICE("HDRS"), &got));
    assert_int_equal(got, MAIL_RET_HDRS);
    assert_false(mail_ret_parse(SLICE(""), &got));
    assert_false(mail_ret_parse(SLICE("HDR"), &got));
    assert_false(mail_ret_parse(SLICE("HDRSX"), &got));
}

static void envid(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {
        {"QQ314159", true}, {"a+2Bb+3Dc", true}, {"a+20b", true},
        {"", false},        {"a b", false},      {"a=b", false},
        {"a+", false},      {"a+2", false},      {"a+2b", false}, /* HEX is upper case */
        {"a+G0", false},    {"a+0D+0Ab", false}, {"a+00", false},
        {"a+7F", false},    {"a+C3+A4", false},  {"\xc3\xa4", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (mail_envid_is_valid(slice_cstr(rows[i].text)) != rows[i].is_good)
            fail_msg("%s", rows[i].text);
    char text[MAIL_ENVID_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    assert_true(mail_envid_is_valid(slice_of(text, MAIL_ENVID_BYTES_MAX)));
    assert_false(mail_envid_is_valid(slice_of(text, MAIL_ENVID_BYTES_MAX + 1)));
}

static void orcpt(void **state)
{
    static const struct {
        const char *text;
        bool is_good, is_good_utf8;
    } rows[] = {
        {"rfc822;b@example.net", true, true},
        {"RFC822;b+2Bx@example.net", true, true},
        {"x400;/ADMD+3DX/C+3DUS/", true, true},
        {"rfc822;", false, false},
        {";b@example.net", false, false},
        {"b@example.net", false, false},
        {"", false, false},
        {"rf c822;b", false, false},
        {"rf@c;b", false, false},
        {"rfc822;b=c", false, false},
        {"rfc822;b+0D+0ARCPT", false, false},
        {"rfc822;b+c3", false, false},
        {"rfc822;+C3+A4@example.net", true, true}, /* Postfix 3.7 */
        {"rfc822;+C3@example.net", false, false},
        {"rfc822;+C0+AE@example.net", false, false},
        {"rfc822;+C2+85@example.net", false, false},
        {"rfc822;+7F@example.net", false, false},
        {"rfc822;\xc3\xa4@example.net", false, false},
        {"utf-8;\xc3\xa4@example.net", false, true},
        {"utf-8;\xc3@example.net", false, false},
        {"utf-8;\xc0\xae@example.net", false, false},
        {"utf-8;\xc2\x85@example.net", false, false}, /* a control character */
        {"UTF-8;\\x{E4}@example.net", true, true},
        {"utf-8;\\x{10FFFF}@example.net", true, true},
        {"utf-8;a+2Bb\\x{5C}@example.net", true, true},
        {"utf-8;\\x{0D}\\x{0A}", false, false},
        {"utf-8;\\x{85}", false, false},
        {"utf-8;\\x{D800}", false, false},
        {"utf-8;\\x{110000}", false, false},
        {"utf-8;\\x{}", false, false},
        {"utf-8;\\x{E4", false, false},
        {"utf-8;\\y", false, false},
        {"utf-8;a+0Ab", false, false},
        {"utf-8;", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (mail_orcpt_is_valid(slice_cstr(rows[i].text), false) != rows[i].is_good)
            fail_msg("%s", rows[i].text);
        if (mail_orcpt_is_valid(slice_cstr(rows[i].text), true) != rows[i].is_good_utf8)
            fail_msg("with SMTPUTF8: %s", rows[i].text);
    }
    char text[MAIL_ORCPT_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    memcpy(text, "rfc822;", 7);
    assert_true(mail_orcpt_is_valid(slice_of(text, MAIL_ORCPT_BYTES_MAX), false));
    assert_false(mail_orcpt_is_valid(slice_of(text, MAIL_ORCPT_BYTES_MAX + 1), false));
    memset(text, 'x', sizeof text);
    text[MAIL_ORCPT_TYPE_BYTES_MAX] = ';';
    assert_true(mail_orcpt_is_valid(slice_of(text, 100), false));
    text[MAIL_ORCPT_TYPE_BYTES_MAX] = 'x';
    text[MAIL_ORCPT_TYPE_BYTES_MAX + 1] = ';';
    assert_false(mail_orcpt_is_valid(slice_of(text, 100), false));
}

static void xtext_there_and_back(void **state)
{
    char every[256];
    struct buf text, back;
    for (int i = 0; i < 256; i++)
        every[i] = (char)i;
    buf_init(&text, 1000);
    buf_init(&back, 1000);
    assert_true(mail_xtext_build(slice_of(every, sizeof every), &text));
    assert_true(mail_xtext_is_valid(buf_slice(&text)));
    assert_true(mail_xtext_decode(buf_slice(&text), &back));
    assert_int_equal(back.n, sizeof every);
    for (int i = 0; i < 256; i++)
        assert_int_equal(back.p[i], i >= ' ' && i <= '~' ? every[i] : '?');
    buf_clear(&back);
    assert_true(mail_xtext_decode(SLICE("a+2Bb+3D+zz"), &back)); /* not valid: still harmless */
    assert_string_equal(buf_cstr(&back), "a+b=?zz");
    buf_close(&text);
    buf_close(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notify),
        cmocka_unit_test(ret),
        cmocka_unit_test(envid),
        cmocka_unit_test(orcpt),
        cmocka_unit_test(xtext_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
