/* test_received.c -- trace fields: their form, folding, and that nothing handed in breaks out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mail/received.h"

static struct mail_received usual(void)
{
    struct mail_received r = {
        .helo = SLICE("client.example.org"),
        .by = SLICE("relay.example.com"),
        .protocol = mail_received_protocol(true, true, true, false),
        .tls = SLICE("TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
        .id = SLICE("1m5x0000abcde"),
        .recipient = SLICE("user@example.net"),
        .time_ms = 1795308462123,
    };
    assert_true(ip_parse(SLICE("192.0.2.7"), &r.peer));
    return r;
}

static void expect(const struct mail_received *r, const char *text)
{
    struct buf b;
    buf_init(&b, 2000);
    assert_true(mail_received_build(&b, r));
    assert_string_equal(buf_cstr(&b), text);
    buf_close(&b);
}

static void the_client_hidden(void **state)
{
    struct mail_received r = usual();
    r.hides_client = true;
    r.local = SLICE("uid=1000 bob");
    static const char text[] = "Received: by relay.example.com (Outpost) with ESMTPSA (TLSv1.2\r\n"
                               "\tECDHE-ECDSA-AES256-GCM-SHA384)\r\n"
                               "\tid 1m5x0000abcde for <user@example.net>;\r\n"
                               "\tSun, 22 Nov 2026 00:47:42 +0000\r\n";
    expect(&r, text);
    r.peer = (struct ip){0};
    expect(&r, text);
}

static void forms(void **state)
{
    struct mail_received r = usual();
    expect(&r, "Received: from client.example.org ([192.0.2.7])\r\n"
               "\tby relay.example.com (Outpost) with ESMTPSA (TLSv1.2\r\n"
               "\tECDHE-ECDSA-AES256-GCM-SHA384)\r\n"
               "\tid 1m5x0000abcde for <user@example.net>;\r\n"
               "\tSun, 22 Nov 2026 00:47:42 +0000\r\n");
    r.tls = r.recipient = r.helo = SLICE_NONE;
    r.protocol = mail_received_protocol(false, false, false, false);
    assert_true(ip_parse(SLICE("2001:db8::7"), &r.peer));
    expect(&r, "Received: from unknown ([IPv6:2001:db8::7])\r\n"
               "\tby relay.example.com (Outpost) with SMTP\r\n"
               "\tid 1m5x0000abcde;\r\n"
               "\tSun, 22 Nov 2026 00:47:42 +0000\r\n");
    r.peer = (struct ip){0};
    r.helo = SLICE("[192.0.2.9]");
    r.tls = SLICE("TLSv1.3");
    expect(&r, "Received: from [192.0.2.9] (local)\r\n"
               "\tby relay.example.com (Outpost) with SMTP (TLSv1.3)\r\n"
               "\tid 1m5x0000abcde;\r\n"
               "\tSun, 22 Nov 2026 00:47:42 +0000\r\n");
    r.tls = SLICE_NONE;
    r.local = SLICE("uid=1000 b(o)b");
    expect(&r, "Received: from [192.0.2.9] (uid=1000 b?o?b)\r\n"
               "\tby relay.example.com (Outpost) with SMTP\r\n"
               "\tid 1m5x0000abcde;\r\n"
               "\tSun, 22 Nov 2026 00:47:42 +0000\r\n");
}

static void protocols(void **state)
{
    assert_true(slice_eq(mail_received_protocol(true, false, false, false), SLICE("ESMTP")));
    assert_true(slice_eq(mail_received_protocol(true, true, false, false), SLICE("ESMTPS")));
    assert_true(slice_eq(mail_received_protocol(true, false, true, false), SLICE("ESMTPA")));
    assert_true(slice_eq(mail_received_protocol(true, true, true, true), SLICE("UTF8SMTPSA")));
    assert_true(slice_eq(mail_received_protocol(false, true, true, true), SLICE("SMTP")));
}

/* Lines end in CRLF, go on with a tab, and stay under 998; none looks like a new field. */
static void check_shape(struct slice s, size_t fields)
{
    size_t starts = 0;
    while (s.n) {
        size_t lf = slice_find(s, '\n');
        assert_true(lf < s.n && lf > 0 && s.p[lf - 1] == '\r');
        assert_true(lf < 998);
        starts += s.p[0] != '\t';
        for (size_t i = 0; i + 1 < lf; i++) {
            uint8_t c = (uint8_t)s.p[i];
            assert_true((c >= ' ' && c != 0x7f) || (c == '\t' && i == 0));
        }
        s = slice_from(s, lf + 1);
    }
    assert_int_equal(starts, fields);
}

static void hostile(void **state)
{
    static char bytes[5000];
    const struct {
        const char *shows;
        struct slice evil;
    } rows[] = {
        {"header injection", SLICE("x\r\nBcc: all@example.com\r\n\r\nbody")},
        {"bare LF", SLICE("x\nBcc: y")},
        {"bare CR", SLICE("x\rBcc: y")},
        {"NUL", SLICE("a\0b")},
        {"comment", SLICE("a) by evil (b")},
        {"5000 letters", {bytes, sizeof bytes}},
        {"every byte", {bytes + 1000, 256}},
        {"unicode line ends", SLICE("a\xc2\x85"
                                    "b\xe2\x80\xa8"
                                    "c")},
    };
    memset(bytes, 'a', sizeof bytes);
    for (int i = 0; i < 256; i++)
        bytes[1000 + i] = (char)i;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int field = 0; field < 6; field++) {
            struct mail_received r = usual();
            struct slice *at[] = {&r.helo, &r.by, &r.protocol, &r.tls, &r.id, &r.recipient};
            struct buf b;
            buf_init(&b, 4000);
            *at[field] = rows[i].evil;
            assert_true(mail_received_build(&b, &r));
            check_shape(buf_slice(&b), 1);
            assert_true(slice_find(buf_slice(&b), ';') == slice_find_last(buf_slice(&b), ';') ||
                        field == 3 || field == 5);
            buf_clear(&b);
            assert_true(mail_message_id_build(&b, rows[i].evil, rows[i].evil));
            check_shape(buf_slice(&b), 1);
            buf_close(&b);
        }
    }
}

static void message_ids(void **state)
{
    struct buf b;
    buf_init(&b, 100);
    assert_true(mail_message_id_build(&b, SLICE("1m5x0000abcde"), SLICE("relay.example.com")));
    assert_string_equal(buf_cstr(&b), "Message-ID: <1m5x0000abcde@relay.example.com>\r\n");
    buf_clear(&b);
    assert_true(mail_message_id_build(&b, SLICE("a>\r\nX: <"), SLICE("b c")));
    assert_string_equal(buf_cstr(&b), "Message-ID: <a???X???@b?c>\r\n");
    buf_close(&b);
    buf_init(&b, 20);
    assert_false(mail_message_id_build(&b, SLICE("1m5x0000abcde"), SLICE("relay.example.com")));
    struct mail_received r = usual();
    assert_false(mail_received_build(&b, &r));
    buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),   cmocka_unit_test(the_client_hidden), cmocka_unit_test(protocols),
        cmocka_unit_test(hostile), cmocka_unit_test(message_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
