/* What servers that issue tokens answer, and the device flow in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "oauth/oauth_answer.h"

static const struct oauth_account account = {.name = SLICE_INIT("office"),
                                             .client_secret = SLICE_INIT("hunter2"),
                                             .refresh_token = SLICE_INIT("configured")};

#define TOKEN "\"access_token\":\"abc.def\",\"token_type\":\"Bearer\""

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *shows;
        int status;
        const char *body;
        bool is_good, needs_login;
        int64_t expires_s;
        const char *says; /* the refresh token, or what the words have in them */
    } rows[] = {
        {"a token", 200, "{" TOKEN ",\"expires_in\":3599}", true, false, 3599, ""},
        {"its type in lower case", 200,
         "{\"access_token\":\"x\",\"token_type\":\"bearer\",\"expires_in\":\"3599\"}", true, false,
         3599, ""},
        {"no type", 200, "{\"access_token\":\"x\",\"expires_in\":100}", true, false, 100, ""},
        {"a new refresh token", 200, "{" TOKEN ",\"refresh_token\":\"next\",\"expires_in\":100}",
         true, false, 100, "next"},
        {"no time", 200, "{" TOKEN "}", true, false, OAUTH_NORMAL_S, ""},
        {"no time left", 200, "{" TOKEN ",\"expires_in\":0}", true, false, OAUTH_LEAST_S, ""},
        {"a negative time", 200, "{" TOKEN ",\"expires_in\":-7}", true, false, OAUTH_LEAST_S, ""},
        {"a huge time", 200, "{" TOKEN ",\"expires_in\":99999999999999999999}", true, false,
         OAUTH_MOST_S, ""},
        {"a time that is none", 200, "{" TOKEN ",\"expires_in\":\"soon\"}", true, false,
         OAUTH_NORMAL_S, ""},
        {"an empty token", 200, "{\"access_token\":\"\"}", false, false, 0, "no access token"},
        {"a token with a line end", 200, "{\"access_token\":\"a\\r\\nb\"}", false, false, 0,
         "no access token"},
        {"a token with a control character", 200, "{\"access_token\":\"a\\u0001b\"}", false, false,
         0, "no access token"},
        {"another kind of token", 200, "{\"access_token\":\"x\",\"token_type\":\"mac\"}", false,
         false, 0, "no bearer token"},
        {"a refresh token with a blank", 200, "{" TOKEN ",\"refresh_token\":\"a b\"}", false, false,
         0, "refresh token that cannot be used"},
        {"HTML", 200, "<html>log in</html>", false, false, 0, "no JSON"},
        {"nothing", 200, "", false, false, 0, "no JSON"},
        {"cut short", 200, "{" TOKEN, false, false, 0, "no JSON"},
        {"invalid_grant", 400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS70008: expired.\\r\\nTrace: "
         "1\"}",
         false, true, 0, "the server says invalid_grant: AADSTS70008: expired."},
        {"invalid_client", 401, "{\"error\":\"invalid_client\"}", false, false, 0,
         "the server says invalid_client"},
        {"an error that is no text", 400, "{\"error\":17}", false, false, 0, "HTTP 400"},
        {"500", 500, "oops", false, false, 0, "HTTP 500 without saying why"},
        {"a redirection", 302, "", false, false, 0, "HTTP 302"},
        {"our secret in its words", 400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"bad hunter2\"}", false, false, 0,
         "with a secret in it"},
        {"our token in its words", 400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"bad sent-token\"}", false, false, 0,
         "with a secret in it"},
        {"the configured token in its words", 400, "{\"error\":\"configured\"}", false, false, 0,
         "with a secret in it"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oauth_answer a;
        oauth_answer_init(&a);
        oauth_answer_parse(&a, rows[i].status, slice_cstr(rows[i].body), &account,
                           SLICE("sent-token"));
        bool is_said = rows[i].is_good
                           ? slice_eq(buf_slice(&a.refresh_token), slice_cstr(rows[i].says))
                           : strstr(a.words, rows[i].says) != NULL;
        if (a.is_good != rows[i].is_good || a.needs_login != rows[i].needs_login ||
            a.expires_s != rows[i].expires_s || !is_said || strchr(a.words, '\n'))
            fail_msg("%s: %s", rows[i].shows, a.words);
        assert_true(!a.is_good || a.token.n > 0);
        oauth_answer_close(&a);
    }
}

static void test_client_credentials_need_no_login(void **state)
{
    (void)state;
    struct oauth_answer a;
    struct oauth_account client = account;
    client.grant = OAUTH_CLIENT_CREDENTIALS;
    oauth_answer_init(&a);
    oauth_answer_parse(&a, 400, SLICE("{\"error\":\"invalid_grant\"}"), &client, SLICE_NONE);
    assert_false(a.needs_login);
    oauth_answer_close(&a);
}

static void test_token_that_is_too_long(void **state)
{
    (void)state;
    static char body[OAUTH_TOKEN_BYTES_MAX + 64];
    for (int more = 0; more < 2; more++) {
        struct oauth_answer a;
        int n = snprintf(body, sizeof body, "{\"access_token\":\"");
        memset(body + n, 'x', (size_t)OAUTH_TOKEN_BYTES_MAX + (size_t)more);
        strcpy(body + n + OAUTH_TOKEN_BYTES_MAX + more, "\"}");
        oauth_answer_init(&a);
        oauth_answer_parse(&a, 200, slice_cstr(body), &account, SLICE_NONE);
        assert_int_equal(a.is_good, more == 0);
        oauth_answer_close(&a);
    }
}

/* ---- device flow ---- */

#define CODE                                                                                       \
    "\"device_code\":\"secret-code\",\"user_code\":\"ABCD-EFGH\",\"verification_uri\":\"https://"  \
    "x.example/d\""

static void test_device_begins(void **state)
{
    (void)state;
    static const struct {
        const char *shows;
        int status;
        const char *body;
        bool is_good;
        int64_t interval_ms, life_ms;
        const char *says;
    } rows[] = {
        {"all of it", 200, "{" CODE ",\"interval\":7,\"expires_in\":900}", true, 7000, 900000, ""},
        {"no times", 200, "{" CODE "}", true, 5000, 3600000, ""},
        {"silly times", 200, "{" CODE ",\"interval\":-1,\"expires_in\":999999999}", true, 5000,
         3600000, ""},
        {"a very long interval", 200, "{" CODE ",\"interval\":99999999999}", true, 300000, 3600000,
         ""},
        {"Google's old name", 200,
         "{\"device_code\":\"c\",\"user_code\":\"u\",\"verification_url\":\"https://g.example\"}",
         true, 5000, 3600000, ""},
        {"no address", 200, "{\"device_code\":\"c\",\"user_code\":\"u\"}", false, 0, 0, "no code"},
        {"garbage", 200, "hello", false, 0, 0, "no code"},
        {"a refusal", 400, "{\"error\":\"unauthorized_client\"}", false, 0, 0,
         "unauthorized_client"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oauth_device d;
        char words[OAUTH_WORDS_BYTES_MAX] = "";
        bool is_good =
            oauth_device_begin(&d, rows[i].status, slice_cstr(rows[i].body), &account, 1000, words);
        if (is_good != rows[i].is_good || !strstr(words, rows[i].says))
            fail_msg("%s: %s", rows[i].shows, words);
        if (is_good &&
            (d.interval_ms != rows[i].interval_ms || d.until_ms != 1000 + rows[i].life_ms ||
             d.poll_at_ms != 1000 + rows[i].interval_ms))
            fail_msg("%s: other times", rows[i].shows);
    }
}

static enum oauth_device_step poll(struct oauth_device *d, int status, const char *body,
                                   int64_t now_ms, struct oauth_answer *a)
{
    oauth_answer_close(a);
    oauth_answer_init(a);
    return oauth_device_polled(d, status, slice_cstr(body), &account, now_ms, a);
}

static void begin(struct oauth_device *d)
{
    char words[OAUTH_WORDS_BYTES_MAX];
    assert_true(
        oauth_device_begin(d, 200, SLICE("{" CODE ",\"expires_in\":100}"), &account, 0, words));
}

static void test_device_polls(void **state)
{
    (void)state;
    struct oauth_device d;
    struct oauth_answer a;
    oauth_answer_init(&a);
    begin(&d);
    assert_int_equal(poll(&d, 400, "{\"error\":\"authorization_pending\"}", 5000, &a),
                     OAUTH_DEVICE_WAIT);
    assert_int_equal(d.poll_at_ms, 10000);
    assert_int_equal(poll(&d, 400, "{\"error\":\"slow_down\"}", 10000, &a), OAUTH_DEVICE_WAIT);
    assert_int_equal(d.poll_at_ms, 20000);
    oauth_answer_close(&a);
    oauth_answer_init(&a);
    assert_int_equal(oauth_device_unanswered(&d, 20000, &a), OAUTH_DEVICE_WAIT);
    assert_int_equal(d.poll_at_ms, 40000);
    assert_int_equal(poll(&d, 503, "busy", 40000, &a), OAUTH_DEVICE_WAIT);
    assert_int_equal(d.poll_at_ms, 80000);
    assert_int_equal(poll(&d, 200, "{" TOKEN ",\"refresh_token\":\"kept\"}", 80000, &a),
                     OAUTH_DEVICE_DONE);
    assert_string_equal(buf_cstr(&a.refresh_token), "kept");
    oauth_answer_close(&a);
}

static void test_device_ends_badly(void **state)
{
    (void)state;
    static const struct {
        const char *shows;
        int status;
        const char *body, *says;
        int64_t now_ms;
    } rows[] = {
        {"denied", 400, "{\"error\":\"access_denied\"}", "denied", 5000},
        {"declined, as Microsoft says", 400, "{\"error\":\"authorization_declined\"}", "denied",
         5000},
        {"expired", 400, "{\"error\":\"expired_token\"}", "in time", 5000},
        {"pending for too long", 400, "{\"error\":\"authorization_pending\"}", "in time", 96000},
        {"another error", 400, "{\"error\":\"invalid_client\"}", "invalid_client", 5000},
        {"no refresh token", 200, "{" TOKEN "}", "offline_access", 5000},
        {"the code in its words", 400, "{\"error\":\"x\",\"error_description\":\"secret-code\"}",
         "with a secret", 5000},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oauth_device d;
        struct oauth_answer a;
        oauth_answer_init(&a);
        begin(&d);
        if (poll(&d, rows[i].status, rows[i].body, rows[i].now_ms, &a) != OAUTH_DEVICE_FAILED ||
            !strstr(a.words, rows[i].says))
            fail_msg("%s: %s", rows[i].shows, a.words);
        oauth_answer_close(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_client_credentials_need_no_login),
        cmocka_unit_test(test_token_that_is_too_long),
        cmocka_unit_test(test_device_begins),
        cmocka_unit_test(test_device_polls),
        cmocka_unit_test(test_device_ends_badly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
