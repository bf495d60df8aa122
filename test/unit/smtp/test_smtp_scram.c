/* test_smtp_scram.c -- SCRAM: its messages, the stored secret, and how AUTH carries them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/base64.h"
#include "smtp/smtp_scram.h"
#include "smtp/smtp_server.h"

static const struct {
    const char *shows, *message, *name; /* NULL: refused */
} firsts[] = {
    {"as in RFC 7677", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "user"},
    {"a client that could bind", "y,,n=user,r=x", "user"},
    {"escaped", "n,,n=a=2Cb=3Dc,r=x", "a,b=c"},
    {"an unknown extension at the end is ignored", "n,,n=user,r=x,z=1", "user"},
    {"UTF-8", "n,,n=\xc3\xa4,r=x", "\xc3\xa4"},
    {"binding", "p=tls-unique,,n=user,r=x", "user"},
    {"binding, for itself", "p=tls-server-end-point,a=user,n=user,r=x", "user"},
    {"binding to nothing", "p=,,n=user,r=x", NULL},
    {"binding to no name", "p=a b,,n=user,r=x", NULL},
    {"binding alone", "p=tls-unique", NULL},
    {"a flag with a tail", "nn,,n=user,r=x", NULL},
    {"no flag", ",,n=user,r=x", NULL},
    {"an unknown flag", "x,,n=user,r=x", NULL},
    {"for itself", "n,a=user,n=user,r=x", "user"},
    {"for nobody in particular", "n,a=,n=user,r=x", "user"},
    {"half a header", "n,n=user,r=x", NULL},
    {"for another user", "n,a=boss,n=user,r=x", NULL},
    {"a mandatory extension", "n,,m=1,n=user,r=x", NULL},
    {"no name", "n,,n=,r=x", NULL},
    {"no nonce", "n,,n=user", NULL},
    {"an empty nonce", "n,,n=user,r=", NULL},
    {"a blank in the nonce", "n,,n=user,r=a b", NULL},
    {"a bad escape", "n,,n=a=2c,r=x", NULL},
    {"half an escape", "n,,n=a=2,r=x", NULL},
    {"no UTF-8", "n,,n=\xff,r=x", NULL},
    {"nothing", "", NULL},
    {"the header alone", "n,,", NULL},
};

static void first_messages(void **state)
{
    struct smtp_scram_first f;
    for (size_t i = 0; i < COUNT_OF(firsts); i++) {
        bool is_good = smtp_scram_first_parse(slice_cstr(firsts[i].message), &f);
        if (is_good != (firsts[i].name != NULL) ||
            (is_good && !slice_eq(slice_of(f.name, f.name_bytes), slice_cstr(firsts[i].name))))
            fail_msg("%s", firsts[i].shows);
    }
    assert_true(smtp_scram_first_parse(SLICE("p=tls-unique,a=u,n=u,r=x"), &f));
    assert_int_equal(f.flag, SMTP_SCRAM_BOUND);
    assert_true(slice_eq(f.binding, SLICE("tls-unique")));
    assert_true(slice_eq(f.header, SLICE("p=tls-unique,a=u,")));
    assert_true(slice_eq(f.bare, SLICE("n=u,r=x")));
    assert_true(smtp_scram_first_parse(SLICE("y,,n=u,r=x"), &f));
    assert_int_equal(f.flag, SMTP_SCRAM_UNUSED);
    assert_true(smtp_scram_first_parse(SLICE("n,,n=u,r=x"), &f));
    assert_int_equal(f.flag, SMTP_SCRAM_UNABLE);
    char nul[] = "n,,n=a\0b,r=x", many[600] = "n,,n=";
    assert_false(smtp_scram_first_parse(slice_of(nul, sizeof nul - 1), &f));
    memset(many + 5, 'a', 255);
    strcpy(many + 5 + 255, ",r=x");
    assert_true(smtp_scram_first_parse(slice_cstr(many), &f));
    memset(many + 5, 'a', 256);
    strcpy(many + 5 + 256, ",r=x");
    assert_false(smtp_scram_first_parse(slice_cstr(many), &f));
    memset(many + 9, 'a', sizeof many - 10);
    memcpy(many, "n,,n=a,r=", 9);
    assert_false(smtp_scram_first_parse(slice_cstr(many), &f));
}

static void final_messages(void **state)
{
    static const char good[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                               "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    struct smtp_scram_final f;
    assert_true(smtp_scram_final_parse(slice_cstr(good), &f));
    assert_true(slice_eq(f.binding, SLICE("biws")));
    assert_true(slice_eq(f.nonce, SLICE("rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")));
    assert_int_equal(f.without_proof.n, strlen(good) - 47);
    for (size_t n = 0; n < sizeof good - 1; n++)
        assert_false(smtp_scram_final_parse(slice_of(good, n), &f));
    assert_false(smtp_scram_final_parse(SLICE("c=biws,r=x,p=AAAA"), &f));
    assert_false(smtp_scram_final_parse(SLICE("r=x,c=biws,p=AAAA"), &f));
}

static void secrets(void **state)
{
    static const char good[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
                               "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                               "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    struct smtp_scram_secret s;
    struct buf again;
    buf_init(&again, 1000);
    assert_true(smtp_scram_secret_parse(slice_cstr(good), &s));
    assert_int_equal(s.rounds, 4096);
    assert_int_equal(s.salt_bytes, 16);
    assert_true(smtp_scram_secret_build(&s, &again));
    assert_string_equal(buf_cstr(&again), good);
    buf_close(&again);
    for (size_t n = 0; n < sizeof good - 1; n++)
        assert_false(smtp_scram_secret_parse(slice_of(good, n), &s));
    static const char *const bad[] = {"SCRAM-SHA-256$0:AAAA$AAAA:AAAA", "SCRAM-SHA-256$4096:$a:b",
                                      "SCRAM-SHA-256$99999999:AAAA$AAAA:AAAA",
                                      "SCRAM-SHA-256$$:", "SCRAM-SHA-1$4096:AAAA$AAAA:AAAA"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(smtp_scram_secret_parse(slice_cstr(bad[i]), &s));
}

/* ---- in AUTH ---- */

static struct smtp_server *session(bool offers_scram)
{
    static struct smtp_server_options o;
    o = (struct smtp_server_options){.hostname = SLICE("mx.test"),
                                     .message_bytes_max = 1000,
                                     .recipients_max = 5,
                                     .errors_max = 10,
                                     .commands_max = 50,
                                     .auth = SMTP_AUTH_REQUIRED,
                                     .offers_scram = offers_scram};
    struct smtp_server *s = smtp_server_new(&o);
    smtp_server_on_tls(s);
    smtp_server_greet(s);
    return s;
}

static struct smtp_server_event say(struct smtp_server *s, const char *line)
{
    size_t used;
    smtp_server_sent(s, smtp_server_output(s).n);
    return smtp_server_feed(s, slice_cstr(line), &used);
}

static bool hears(const struct smtp_server *s, const char *part)
{
    char text[2000] = "";
    struct slice out = smtp_server_output(s);
    memcpy(text, out.p, out.n < sizeof text ? out.n : sizeof text - 1);
    return strstr(text, part) != NULL;
}

#define FIRST "biwsbj11c2VyLHI9eA==" /* n,,n=user,r=x */

static void a_whole_exchange(void **state)
{
    for (int has_initial = 0; has_initial < 2; has_initial++) {
        struct smtp_server *s = session(true);
        (void)say(s, "EHLO x\r\n");
        assert_true(hears(s, "250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"));
        struct smtp_server_event ev;
        if (has_initial) {
            ev = say(s, "AUTH scram-sha-256 " FIRST "\r\n");
        } else {
            (void)say(s, "AUTH SCRAM-SHA-256\r\n");
            assert_true(hears(s, "334 \r\n"));
            ev = say(s, FIRST "\r\n");
        }
        assert_int_equal(ev.kind, SMTP_SERVER_LOGIN);
        assert_int_equal(ev.step, SMTP_LOGIN_SCRAM_FIRST);
        assert_true(slice_eq(ev.user, SLICE("user")));
        assert_true(slice_eq(ev.message, SLICE("n,,n=user,r=x")));
        smtp_server_on_challenge(s, SLICE("r=xy,s=AAAA,i=1"), false);
        assert_true(hears(s, "334 cj14eSxzPUFBQUEsaT0x\r\n"));
        ev = say(s, "Yz1iaXdz\r\n");
        assert_int_equal(ev.step, SMTP_LOGIN_SCRAM_FINAL);
        assert_true(slice_eq(ev.user, SLICE("user")));
        assert_true(slice_eq(ev.message, SLICE("c=biws")));
        smtp_server_on_challenge(s, SLICE("v=1"), true);
        assert_int_equal(smtp_server_user(s).n, 0);
        (void)say(s, "\r\n");
        assert_true(hears(s, "235 2.7.0"));
        assert_true(slice_eq(smtp_server_user(s), SLICE("user")));
        smtp_server_free(s);
    }
}

static void an_exchange_that_ends_early(void **state)
{
    struct smtp_server *s = session(true);
    (void)say(s, "EHLO x\r\n");
    (void)say(s, "AUTH SCRAM-SHA-256 " FIRST "\r\n");
    smtp_server_on_challenge(s, SLICE("r"), false);
    (void)say(s, "*\r\n");
    assert_true(hears(s, "501 5.7.0 authentication cancelled"));

    (void)say(s, "AUTH SCRAM-SHA-256 " FIRST "\r\n");
    smtp_server_on_challenge(s, SLICE("r"), false);
    (void)say(s, "Yz1iaXdz\r\n");
    smtp_server_on_login(s, (struct smtp_answer){535, {5, 7, 8}, "wrong"});
    assert_true(hears(s, "535 5.7.8 wrong"));

    (void)say(s, "AUTH SCRAM-SHA-256 " FIRST "\r\n");
    smtp_server_on_challenge(s, SLICE("r"), false);
    (void)say(s, "Yz1iaXdz\r\n");
    smtp_server_on_challenge(s, SLICE("v"), true);
    (void)say(s, "*\r\n"); /* it does not believe us */
    assert_true(hears(s, "501 "));
    assert_int_equal(smtp_server_user(s).n, 0);
    (void)say(s, "MAIL FROM:<a@b.example>\r\n");
    assert_true(hears(s, "530 "));

    (void)say(s, "AUTH SCRAM-SHA-256 bm9uc2Vuc2U=\r\n");
    assert_true(hears(s, "501 5.5.2 malformed SCRAM"));
    (void)say(s, "AUTH SCRAM-SHA-256 !\r\n");
    assert_true(hears(s, "501 5.5.2 cannot decode"));
    (void)say(s, "AUTH SCRAM-SHA-256-PLUS " FIRST "\r\n");
    assert_true(hears(s, "504 "));
    smtp_server_free(s);

    s = session(false);
    (void)say(s, "EHLO x\r\n");
    assert_true(hears(s, "250-AUTH PLAIN LOGIN\r\n"));
    (void)say(s, "AUTH SCRAM-SHA-256 " FIRST "\r\n");
    assert_true(hears(s, "504 "));
    smtp_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_messages),
        cmocka_unit_test(final_messages),
        cmocka_unit_test(secrets),
        cmocka_unit_test(a_whole_exchange),
        cmocka_unit_test(an_exchange_that_ends_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
