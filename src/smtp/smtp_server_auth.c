/* smtp_server_auth.c -- AUTH PLAIN, LOGIN, SCRAM and EXTERNAL, with and without an initial
 * response.
 *
 *   AUTH PLAIN [response]             -> 334 ""       -> response
 *   AUTH LOGIN [user]                 -> 334 Username -> user -> 334 Password -> password
 *   AUTH SCRAM-SHA-256 [client first] -> 334 server first -> client final -> 334 server final -> ""
 *   AUTH EXTERNAL [user]              -> 334 ""       -> user, or "" for the certificate's
 *   a response of "*" cancels (RFC 4954 section 4)
 *
 * User and password lie in the scratch buffer, which is wiped when the answer is known. */
#include "smtp_server_auth.h"

#include "base/base64.h"
#include "smtp/smtp_scram.h"

#define BAD_BASE64 "501 5.5.2 cannot decode this response"

static const struct slice binding_names[SMTP_BINDING_COUNT] = {
    [SMTP_BINDING_END_POINT] = SLICE_INIT("tls-server-end-point"),
    [SMTP_BINDING_UNIQUE] = SLICE_INIT("tls-unique"),
};

static bool is_offered(const struct smtp_server *s)
{
    bool is_local_socket = s->is_trusted && s->peer.family == IP_NONE;
    return s->options->auth != SMTP_AUTH_OFF && (s->has_tls || is_local_socket) &&
           !smtp_server_state_lacks_certificate(s);
}

static bool can_bind(const struct smtp_server *s)
{
    return s->options->offers_scram && s->options->offers_binding &&
           (s->binding_bytes[SMTP_BINDING_END_POINT] || s->binding_bytes[SMTP_BINDING_UNIQUE]);
}

void smtp_server_auth_say_offer(struct smtp_server *s)
{
    if (!is_offered(s))
        return;
    CHECK(buf_addf(&s->out, "250-AUTH%s%s%s", s->certified ? " EXTERNAL" : "",
                   can_bind(s) ? " SCRAM-SHA-256-PLUS" : "",
                   s->options->offers_scram ? " SCRAM-SHA-256" : ""));
    smtp_server_state_say(s, " PLAIN LOGIN");
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

/* RFC 5802 section 6. NULL: it goes on, bound to *binding or, when that is empty, to nothing. */
static const char *judge_binding(const struct smtp_server *s, const struct smtp_scram_first *first,
                                 struct slice *binding)
{
    *binding = SLICE_NONE;
    if (s->is_bound && first->flag != SMTP_SCRAM_BOUND)
        return "501 5.5.2 SCRAM-SHA-256-PLUS without channel binding";
    if (!s->is_bound && first->flag == SMTP_SCRAM_BOUND)
        return "501 5.5.2 channel binding without SCRAM-SHA-256-PLUS";
    /* It can bind and has not seen our offer: somebody between us took it out. */
    if (first->flag == SMTP_SCRAM_UNUSED && can_bind(s))
        return "535 5.7.8 SCRAM-SHA-256-PLUS was offered: what you have heard is not what we said";
    for (int i = 0; i < SMTP_BINDING_COUNT && s->is_bound; i++)
        if (slice_eq(first->binding, binding_names[i]))
            *binding = slice_of(s->binding[i], s->binding_bytes[i]);
    return s->is_bound && !binding->n
               ? "535 5.7.8 this kind of channel binding cannot be had in this session"
               : NULL;
}

static struct smtp_server_event on_scram_first(struct smtp_server *s, struct slice response)
{
    if (!base64_parse(response, &s->scratch))
        return fail(s, BAD_BASE64);
    struct smtp_scram_first first;
    struct slice binding;
    if (!smtp_scram_first_parse(buf_slice(&s->scratch), &first))
        return fail(s, "501 5.5.2 malformed SCRAM message, or one with an extension");
    const char *no = judge_binding(s, &first, &binding);
    if (no)
        return fail(s, no);
    struct smtp_server_event ev = ask(s, slice_of(first.name, first.name_bytes), SLICE_NONE);
    ev.user = slice_cstr(s->claimed);
    ev.binding = binding;
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

/* RFC 4422 appendix A: the certificate has proved who it is; the response may say so again. */
static struct smtp_server_event on_external(struct smtp_server *s, struct slice response)
{
    if (!base64_parse(response, &s->scratch))
        return fail(s, BAD_BASE64);
    struct slice authzid = buf_slice(&s->scratch), user = slice_cstr(s->certified);
    if (authzid.n && !slice_eq(authzid, user))
        return fail(s, "535 5.7.8 the certificate belongs to another user");
    smtp_server_state_enter(s, S_READY);
    s->user = mem_dup(user.p, user.n);
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
    if (s->state == S_AUTH_EXTERNAL)
        return on_external(s, response);
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
    if (s->has_tls && smtp_server_state_lacks_certificate(s))
        return "530 5.7.0 a client certificate is required here, one that belongs to a user";
    if (!is_offered(s))
        return "538 5.7.11 encryption required for authentication: issue STARTTLS first";
    return NULL;
}

static const struct mechanism {
    struct slice name;
    enum smtp_server_state state; /* where its first response is read */
    const char *challenge;        /* without an initial response */
    bool is_bound;                /* to the channel */
} mechanisms[] = {
    {SLICE_INIT("PLAIN"), S_AUTH_PLAIN, "334 ", false},
    {SLICE_INIT("LOGIN"), S_AUTH_USER, "334 VXNlcm5hbWU6", false}, /* "Username:" */
    {SLICE_INIT("SCRAM-SHA-256"), S_AUTH_SCRAM_FIRST, "334 ", false},
    {SLICE_INIT("SCRAM-SHA-256-PLUS"), S_AUTH_SCRAM_FIRST, "334 ", true},
    {SLICE_INIT("EXTERNAL"), S_AUTH_EXTERNAL, "334 ", false},
};

static bool is_possible(const struct smtp_server *s, const struct mechanism *m)
{
    if (m->state == S_AUTH_EXTERNAL)
        return s->certified;
    if (m->state == S_AUTH_SCRAM_FIRST)
        return m->is_bound ? can_bind(s) : s->options->offers_scram;
    return true;
}

static const struct mechanism *find_mechanism(const struct smtp_server *s, struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        const struct mechanism *m = &mechanisms[i];
        if (slice_eq_nocase(name, m->name) && is_possible(s, m))
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
    s->is_bound = m->is_bound;
    if (initial.n == 0) {
        smtp_server_state_say(s, m->challenge);
        return smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT);
    }
    /* "=" stands for an empty initial response. */
    if (slice_eq(initial, SLICE("=")))
        initial = SLICE_NONE;
    return smtp_server_auth_line(s, initial);
}
