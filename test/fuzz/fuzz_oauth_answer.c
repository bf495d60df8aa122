/* fuzz_oauth_answer.c -- any bytes as the JSON of a server that issues tokens: the first byte picks
 * the status. What is taken for a token can be said in a line, words are one line without secrets.
 */
#include "base/json_read.h"
#include "oauth/oauth_answer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_token(struct slice s)
{
    CHECK(s.n <= OAUTH_TOKEN_BYTES_MAX);
    for (size_t i = 0; i < s.n; i++)
        CHECK(s.p[i] > ' ' && s.p[i] <= '~');
}

static void check_words(const char *words)
{
    CHECK(memchr(words, 0, OAUTH_WORDS_BYTES_MAX));
    for (; *words; words++)
        CHECK(*words >= ' ' && *words <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 401, 500};
    static const struct oauth_account account = {.client_secret = SLICE_INIT("hunter2")};
    struct slice body = slice_of(data + (size > 0), size ? size - 1 : 0);
    int status = statuses[size ? data[0] % COUNT_OF(statuses) : 0];
    struct oauth_answer a;
    struct oauth_device d;
    char words[OAUTH_WORDS_BYTES_MAX] = "";
    oauth_answer_init(&a);
    oauth_answer_parse(&a, status, body, &account, SLICE("sent"));
    CHECK(!a.is_good || (json_read_is_object(body) && a.token.n && a.expires_s >= OAUTH_LEAST_S &&
                         a.expires_s <= OAUTH_MOST_S && !a.words[0]));
    CHECK(a.is_good || (a.words[0] && !strstr(a.words, "hunter2")));
    if (a.is_good)
        check_token(buf_slice(&a.token)), check_token(buf_slice(&a.refresh_token));
    check_words(a.words);
    oauth_answer_close(&a);
    if (oauth_device_begin(&d, status, body, &account, 1000, words)) {
        CHECK(d.code[0] && d.user_code[0] && d.url[0] && d.poll_at_ms > 1000);
        oauth_answer_init(&a);
        if (oauth_device_polled(&d, status, body, &account, d.poll_at_ms, &a) == OAUTH_DEVICE_WAIT)
            CHECK(d.poll_at_ms < d.until_ms);
        oauth_answer_close(&a);
    }
    check_words(words);
    return 0;
}
