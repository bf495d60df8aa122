/* smtp_server_auth.c -- AUTH PLAIN, LOGIN and SCRAM, with and without an initial response.
 *
 *   AUTH PLAIN [response]             -> 334 ""       -> response
 *   AUTH LOGIN [user]                 -> 334 Username -> user -> 334 Password -> password
 *   AUTH SCRAM-SHA-256 [client first] -> 334 server first -> client final -> 334 server final -> ""
 *   a response of "*" cancels (RFC 4954 section 4)
 *
 * User and password lie in the scratch buffer, which is wiped when the answer is known. */
#include "smtp_server_auth.h"

#include "base/base64.h"
#include "smtp/smtp_scram.h"

#define BAD_BASE64 "501 5.5.2 cannot decode this response"

bool smtp_server_auth_is_offered(const struct smtp_server *s)
{
    bool is_local_socket = s->is_trusted && s->peer.family == IP_NONE;
    return s->options->auth != SMTP_AUTH_OFF && (s->has_tls || is_local_socket);
}

static struct smtp_server_event fail(struct smtp_server *s, const char *reply)
{
    smtp_server_state_forget_scratch(s);
    mem_free(s->claimed);
    s->claimed = NULL;
    smtp_server_state_enter(s, S_READY);
    smtp_server_state_complain(s, reply);
    return smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT);
}

static struct smtp_server_event ask(struct smtp_server *s, struct slice user, struct slice password)
{
    smtp_server_state_enter(s, S_READY);
    struct smtp_server_event ev = smtp_server_state_ask(s, SMTP_SERVER_LOGIN);
    s->claimed = mem_dup(user.p, user.n);
    ev.user = user;
    ev.password = password;
    return ev;
}

/* message = [authzid] NUL authcid NUL passwd */
static struct smtp_server_event on_plain(struct smtp_server *s, struct slice response)
{
    if (!base64_parse(response, &s->scratch))
        return fail(s, BAD_BASE64);
    struct slice all = buf_slice(&s->scratch);
    size_t first = slice_find(all, 0);
    struct slice authzid = slice_head(all, first);
    struct slice rest = slice_from(all, first + 1);
    size_t second = slice_find(rest, 0);
    struct slice user = slice_head(rest, second);
    struct slice password = slice_from(rest, second + 1);
    bool is_well_formed = first < all.n && second < rest.n && user.n > 0 && password.n > 0 &&
                          slice_find(password, 0) == password.n;
    if (!is_well_formed || user.n > SMTP_SERVER_NAME_BYTES_MAX)
        return fail(s, "501 5.5.2 malformed PLAIN response");
    if (authzid.n && !slice_eq(authzid, user))
        return fail(s, "535 5.7.8 cannot act for another user");
    return ask(s, user, password);
}

static struct smtp_server_event on_user(struct smtp_server *s, struct slice response)
{
    if (!base64_parse(response, &s->scratch))
        return fail(s, BAD_BASE64);
    struct slice user = buf_slice(&s->scratch);
    if (user.n == 0 || user.n > SMTP_SERVER_NAME_BYTES_MAX || slice_find(user, 0) < user.n)
        return fail(s, "501 5.5.2 malformed user name");
    smtp_server_state_enter(s, S_AUTH_PASSWORD);
    smtp_server_state_say(s, "334 UGFzc3dvcmQ6"); /* "Password:" */
    return smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT);
}

static struct smtp_server_event on_password(struct smtp_server *s, struct slice response)
{
    size_t user_bytes = s->scratch.n;
    if (!base64_parse(response, &s->scratch))
        return fail(s, BAD_BASE64);
    struct slice both = buf_slice(&s->scratch);
    struct slice password = slice_from(both, user_bytes);
    if (password.n == 0 || slice_find(password, 0) < password.n)
        return fail(s, "501 5.5.2 malformed password");
    return ask(s, slice_head(both, user_bytes), password);
}

static struct smtp_server_event on_scram_first(struct smtp_server *s, struct slice response)
{
    if (!base64_parse(response, &s->scratch))
        return fail(s, BAD_BASE64);
    struct smtp_scram_first first;
    if (!smtp_scram_first_parse(buf_slice(&s->scratch), &first))
        return fail(s, "501 5.5.2 malformed SCRAM message, or one with an extension");
    struct smtp_server_event ev = ask(s, slice_of(first.name, first.name_bytes), SLICE_NONE);
    ev.user = slice_cstr(s->claimed);
    ev.step = SMTP_LOGIN_SCRAM_FIRST;
    ev.message = buf_slice(&s->scratch);
    return ev;
}

static struct smtp_server_event on_scram_final(struct smtp_server *s, struct slice response)
{
    if (!base64_parse(response, &s->scratch))
        return fail(s, BAD_BASE64);
    smtp_server_state_enter(s, S_READY);
    struct smtp_server_event ev = smtp_server_state_ask(s, SMTP_SERVER_LOGIN);
    ev.user = slice_cstr(s->claimed);
    ev.step = SMTP_LOGIN_SCRAM_FINAL;
    ev.message = buf_slice(&s->scratch);
    return ev;
}

static struct smtp_server_event on_scram_end(struct smtp_server *s, struct slice response)
{
    if (response.n)
        return fail(s, "501 5.5.2 an empty response was expected");
    smtp_server_state_enter(s, S_READY);
    s->user = s->claimed;
    s->claimed = NULL;
    smtp_server_state_say(s, "235 2.7.0 authentication succeeded");
    return smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT);
}

void smtp_server_auth_challenge(struct smtp_server *s, struct slice message, bool is_last)
{
    smtp_server_state_enter(s, is_last ? S_AUTH_SCRAM_END : S_AUTH_SCRAM_FINAL);
    CHECK(buf_add_cstr(&s->out, "334 ") && base64_build(message, &s->out));
    smtp_server_state_say(s, "");
}

struct smtp_server_event smtp_server_auth_line(struct smtp_server *s, struct slice line)
{
    /* The blanks that some scripts leave behind a response are no base64. */
    struct slice response = slice_trim(line);
    if (slice_eq(response, SLICE("*")))
        return fail(s, "501 5.7.0 authentication cancelled");
    if (s->state == S_AUTH_PLAIN)
        return on_plain(s, response);
    if (s->state == S_AUTH_USER)
        return on_user(s, response);
    if (s->state == S_AUTH_SCRAM_FIRST)
        return on_scram_first(s, response);
    if (s->state == S_AUTH_SCRAM_FINAL)
        return on_scram_final(s, response);
    if (s->state == S_AUTH_SCRAM_END)
        return on_scram_end(s, response);
    return on_password(s, response);
}

void smtp_server_auth_line_is_long(struct smtp_server *s)
{
    (void)fail(s, "500 5.5.6 authentication line too long");
}

/* Why AUTH cannot be had now; NULL when it can. */
static const char *refusal(const struct smtp_server *s)
{
    if (s->options->auth == SMTP_AUTH_OFF)
        return "502 5.5.1 AUTH is not offered";
    if (!s->is_esmtp)
        return "503 5.5.1 send EHLO first";
    if (s->user)
        return "503 5.5.1 already authenticated";
    if (smtp_server_state_in_transaction(s))
        return "503 5.5.1 AUTH is not allowed during a message";
    if (!smtp_server_auth_is_offered(s))
        return "538 5.7.11 encryption required for authentication: issue STARTTLS first";
    return NULL;
}

static const struct mechanism {
    struct slice name;
    enum smtp_server_state state; /* where its first response is read */
    const char *challenge;        /* without an initial response */
} mechanisms[] = {
    {SLICE_INIT("PLAIN"), S_AUTH_PLAIN, "334 "},
    {SLICE_INIT("LOGIN"), S_AUTH_USER, "334 VXNlcm5hbWU6"}, /* "Username:" */
    {SLICE_INIT("SCRAM-SHA-256"), S_AUTH_SCRAM_FIRST, "334 "},
};

static const struct mechanism *find_mechanism(const struct smtp_server *s, struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        const struct mechanism *m = &mechanisms[i];
        if (slice_eq_nocase(name, m->name) &&
            (m->state != S_AUTH_SCRAM_FIRST || s->options->offers_scram))
            return m;
    }
    return NULL;
}

struct smtp_server_event smtp_server_auth_begin(struct smtp_server *s, struct slice args)
{
    const char *no = refusal(s);
    size_t blank = slice_find(args, ' ');
    struct slice name = slice_head(args, blank);
    struct slice initial = slice_trim(slice_from(args, blank));
    const struct mechanism *m = find_mechanism(s, name);
    if (!no && name.n == 0)
        no = "501 5.5.4 AUTH needs a mechanism";
    if (!no && !m)
        no = "504 5.5.4 unknown mechanism: use PLAIN or LOGIN";
    if (no) {
        smtp_server_state_complain(s, no);
        return smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT);
    }

    smtp_server_state_enter(s, m->state);
    if (initial.n == 0) {
        smtp_server_state_say(s, m->challenge);
        return smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT);
    }
    /* "=" stands for an empty initial response. */
    if (slice_eq(initial, SLICE("=")))
        initial = SLICE_NONE;
    return smtp_server_auth_line(s, initial);
}
