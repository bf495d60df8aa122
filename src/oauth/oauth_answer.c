/* oauth_answer.c -- see the header. */
#include "oauth/oauth_answer.h"

#include "base/json_read.h"

#include <stdio.h>
#include <string.h>

enum {
    INTERVAL_MS = 5000, /* when nothing is said (RFC 8628 section 3.2) */
    INTERVAL_MS_MAX = 5 * 60 * 1000,
    SLOW_DOWN_MS = 5000, /* section 3.5 */
    DEVICE_S_MAX = 3600,
};

void oauth_answer_init(struct oauth_answer *a)
{
    *a = (struct oauth_answer){0};
    buf_init(&a->token, OAUTH_TOKEN_BYTES_MAX);
    buf_init(&a->refresh_token, OAUTH_TOKEN_BYTES_MAX);
}

static void wipe(struct buf *b)
{
    volatile char *p = b->p;
    for (size_t i = 0; i < b->n; i++)
        p[i] = 0;
    buf_close(b);
}

void oauth_answer_close(struct oauth_answer *a)
{
    wipe(&a->token);
    wipe(&a->refresh_token);
    *a = (struct oauth_answer){0};
}

/* The first line of what a server says, as far as it can be printed. */
static void copy_line(char *out, size_t bytes, struct slice text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n && n + 1 < bytes; i++) {
        if (text.p[i] == '\r' || text.p[i] == '\n')
            break;
        out[n++] = text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?';
    }
    out[n] = 0;
}

/* One string of the answer as a line. False: there is none. */
static bool read_line(struct slice body, const char *key, char *out, size_t bytes)
{
    struct buf text;
    buf_init(&text, OAUTH_ANSWER_BYTES_MAX);
    bool is_read = json_read_string(body, key, &text);
    copy_line(out, bytes, buf_slice(&text));
    buf_close(&text);
    return is_read && out[0];
}

static bool says(const char *words, struct slice secret)
{
    return secret.n && memmem(words, strlen(words), secret.p, secret.n);
}

/* Why not, for people; false when it is none of the server's words. */
static void read_error(int status, struct slice body, const struct oauth_account *account,
                       struct slice sent, char error[64], char words[OAUTH_WORDS_BYTES_MAX])
{
    char more[OAUTH_WORDS_BYTES_MAX - 80];
    if (!json_read_is_object(body) || !read_line(body, "error", error, 64)) {
        error[0] = 0;
        snprintf(words, OAUTH_WORDS_BYTES_MAX, "the server answers HTTP %d without saying why",
                 status);
        return;
    }
    bool has_more = read_line(body, "error_description", more, sizeof more);
    snprintf(words, OAUTH_WORDS_BYTES_MAX, "the server says %s%s%s", error, has_more ? ": " : "",
             has_more ? more : "");
    if (says(words, account->client_secret) || says(words, account->refresh_token) ||
        says(words, sent)) {
        error[0] = 0;
        snprintf(words, OAUTH_WORDS_BYTES_MAX, "the server answers HTTP %d, with a secret in it",
                 status);
    }
}

/* What may stand in a header or in AUTH: visible, no blank (RFC 6749 appendix A.12). */
static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0;
}

static const char *flaw_of(struct oauth_answer *out, struct slice body)
{
    char type[32];
    if (!json_read_is_object(body))
        return "the server's answer is no JSON object";
    if (!json_read_string(body, "access_token", &out->token) || !is_token(buf_slice(&out->token)))
        return "the server's answer has no access token that can be used";
    if (read_line(body, "token_type", type, sizeof type) &&
        !slice_eq_nocase(slice_cstr(type), SLICE("bearer")))
        return "the server's token is no bearer token";
    if (!json_read_string(body, "refresh_token", &out->refresh_token))
        buf_clear(&out->refresh_token);
    if (out->refresh_token.n && !is_token(buf_slice(&out->refresh_token)))
        return "the server's answer has a refresh token that cannot be used";
    return NULL;
}

void oauth_answer_parse(struct oauth_answer *out, int status, struct slice body,
                        const struct oauth_account *account, struct slice sent)
{
    if (status != 200) {
        read_error(status, body, account, sent, out->error, out->words);
        out->needs_login = account->grant == OAUTH_REFRESH_TOKEN &&
                           slice_eq(slice_cstr(out->error), SLICE("invalid_grant"));
        return;
    }
    const char *flaw = flaw_of(out, body);
    if (flaw) {
        snprintf(out->words, sizeof out->words, "%s", flaw);
        return;
    }
    out->is_good = true;
    if (!json_read_int(body, "expires_in", &out->expires_s))
        out->expires_s = OAUTH_NORMAL_S;
    if (out->expires_s < OAUTH_LEAST_S)
        out->expires_s = OAUTH_LEAST_S;
    if (out->expires_s > OAUTH_MOST_S)
        out->expires_s = OAUTH_MOST_S;
}

bool oauth_device_begin(struct oauth_device *d, int status, struct slice body,
                        const struct oauth_account *account, int64_t now_ms,
                        char words[OAUTH_WORDS_BYTES_MAX])
{
    char error[64];
    int64_t expires_s, interval_s;
    *d = (struct oauth_device){0};
    if (status != 200) {
        read_error(status, body, account, SLICE_NONE, error, words);
        return false;
    }
    /* verification_url is what Google called it before the RFC. */
    if (!json_read_is_object(body) || !read_line(body, "device_code", d->code, sizeof d->code) ||
        !read_line(body, "user_code", d->user_code, sizeof d->user_code) ||
        (!read_line(body, "verification_uri", d->url, sizeof d->url) &&
         !read_line(body, "verification_url", d->url, sizeof d->url))) {
        snprintf(words, OAUTH_WORDS_BYTES_MAX, "the server's answer has no code to show");
        return false;
    }
    if (!json_read_int(body, "expires_in", &expires_s) || expires_s > DEVICE_S_MAX)
        expires_s = DEVICE_S_MAX;
    d->interval_ms = INTERVAL_MS;
    if (json_read_int(body, "interval", &interval_s) && interval_s > 0)
        d->interval_ms = interval_s > INTERVAL_MS_MAX / 1000 ? INTERVAL_MS_MAX : interval_s * 1000;
    d->until_ms = now_ms + (expires_s > 0 ? expires_s : 0) * 1000;
    d->poll_at_ms = now_ms + d->interval_ms;
    return true;
}

static enum oauth_device_step wait_on(struct oauth_device *d, int64_t now_ms,
                                      struct oauth_answer *answer)
{
    d->poll_at_ms = now_ms + d->interval_ms;
    if (d->poll_at_ms < d->until_ms)
        return OAUTH_DEVICE_WAIT;
    snprintf(answer->words, sizeof answer->words, "nobody has entered the code in time");
    return OAUTH_DEVICE_FAILED;
}

static void slow_down(struct oauth_device *d, int64_t interval_ms)
{
    d->interval_ms = interval_ms < INTERVAL_MS_MAX ? interval_ms : INTERVAL_MS_MAX;
}

enum oauth_device_step oauth_device_polled(struct oauth_device *d, int status, struct slice body,
                                           const struct oauth_account *account, int64_t now_ms,
                                           struct oauth_answer *answer)
{
    oauth_answer_parse(answer, status, body, account, slice_cstr(d->code));
    struct slice error = slice_cstr(answer->error);
    if (answer->is_good && answer->refresh_token.n)
        return OAUTH_DEVICE_DONE;
    if (answer->is_good)
        snprintf(answer->words, sizeof answer->words,
                 "the server gave no refresh token: does the scope ask for one "
                 "(offline_access at Microsoft)?");
    else if (slice_eq(error, SLICE("slow_down")))
        slow_down(d, d->interval_ms + SLOW_DOWN_MS);
    else if (slice_eq(error, SLICE("expired_token")))
        snprintf(answer->words, sizeof answer->words, "nobody has entered the code in time");
    else if (slice_eq(error, SLICE("access_denied")) ||
             slice_eq(error, SLICE("authorization_declined")))
        snprintf(answer->words, sizeof answer->words,
                 "access was denied where the code was entered");
    if (slice_eq(error, SLICE("slow_down")) || slice_eq(error, SLICE("authorization_pending")))
        return wait_on(d, now_ms, answer);
    if (status >= 500)
        return oauth_device_unanswered(d, now_ms, answer);
    return OAUTH_DEVICE_FAILED;
}

enum oauth_device_step oauth_device_unanswered(struct oauth_device *d, int64_t now_ms,
                                               struct oauth_answer *answer)
{
    slow_down(d, d->interval_ms * 2);
    return wait_on(d, now_ms, answer);
}
