/* oauth_answer.h -- what the server that issues tokens has answered (RFC 6749 section 5), and the
 * device flow (RFC 8628) as a pure machine. */
#pragma once

#include "oauth/oauth_account.h"

enum {
    OAUTH_WORDS_BYTES_MAX = 300,
    OAUTH_ANSWER_BYTES_MAX = 65536, /* of the body: both tokens, an ID token, and then some */
    OAUTH_LEAST_S = 60,             /* a token that is said to live less, or not at all */
    OAUTH_MOST_S = 7 * 24 * 3600,
    OAUTH_NORMAL_S = 3600, /* when nothing is said (expires_in is only recommended) */
};

struct oauth_answer {
    bool is_good;                      /* token and expires_s are there */
    bool needs_login;                  /* invalid_grant: the refresh token is of no more use */
    int64_t expires_s;                 /* within OAUTH_LEAST_S .. OAUTH_MOST_S */
    struct buf token, refresh_token;   /* the second: empty unless there is a new one */
    char error[64];                    /* the server's code, "invalid_client"; "" without one */
    char words[OAUTH_WORDS_BYTES_MAX]; /* not good: why, one line, no secret in it */
};

void oauth_answer_init(struct oauth_answer *a);
void oauth_answer_close(struct oauth_answer *a); /* what was secret is overwritten */
/* Into an answer that was initialised. `sent`: a refresh or device code that the server knows, and
 * that must not stand in words; so does the account's secret. */
void oauth_answer_parse(struct oauth_answer *out, int status, struct slice body,
                        const struct oauth_account *account, struct slice sent);

enum {
    OAUTH_CODE_BYTES_MAX = 2048, /* of a device code */
    OAUTH_SHOWN_BYTES_MAX = 512, /* of what a person is to read */
};

struct oauth_device {
    char code[OAUTH_CODE_BYTES_MAX];           /* what we poll with: a secret */
    char user_code[OAUTH_SHOWN_BYTES_MAX];     /* what the person types */
    char url[OAUTH_SHOWN_BYTES_MAX];           /* where */
    int64_t interval_ms, poll_at_ms, until_ms; /* poll then; the code is good until */
};

/* The answer to the first form. False: words say why. */
MUST_USE bool oauth_device_begin(struct oauth_device *d, int status, struct slice body,
                                 const struct oauth_account *account, int64_t now_ms,
                                 char words[OAUTH_WORDS_BYTES_MAX]);
enum oauth_device_step {
    OAUTH_DEVICE_WAIT,   /* poll again at poll_at_ms */
    OAUTH_DEVICE_DONE,   /* `answer` has the tokens */
    OAUTH_DEVICE_FAILED, /* answer.words */
};
/* The answer to a poll. */
MUST_USE enum oauth_device_step oauth_device_polled(struct oauth_device *d, int status,
                                                    struct slice body,
                                                    const struct oauth_account *account,
                                                    int64_t now_ms, struct oauth_answer *answer);
/* A poll got no answer at all: half as often from now on (RFC 8628 section 3.5). */
MUST_USE enum oauth_device_step oauth_device_unanswered(struct oauth_device *d, int64_t now_ms,
                                                        struct oauth_answer *answer);
