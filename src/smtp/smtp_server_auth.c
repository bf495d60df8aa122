/* smtp_server_auth.c -- AUTH PLAIN and LOGIN, with and without an initial response.
 *
 *   AUTH PLAIN [response]             -> 334 ""       -> response
 *   AUTH LOGIN [user]                 -> 334 Username -> user -> 334 Password -> password
 *   a response of "*" cancels (RFC 4954 section 4)
 *
 * User and password lie in the scratch buffer, which is wiped when the answer is known. */
#include "smtp_server_auth.h"

#include "base/base64.h"

#define BAD_BASE64 "501 5.5.2 cannot decode this response"

bool smtp_server_auth_is_offered(const struct smtp_server *s)
{
    bool is_local_socket = s->is_trusted && s->peer.family == IP_NONE;
    return s->options->auth != SMTP_AUTH_OFF && (s->has_tls || is_local_socket);
}

static struct smtp_server_event fail(struct smtp_server *s, const char *reply)
{
    smtp_server_state_forget_scratch(s);
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

struct smtp_server_event smtp_server_auth_begin(struct smtp_server *s, struct slice args)
{
    const char *no = refusal(s);
    size_t blank = slice_find(args, ' ');
    struct slice mechanism = slice_head(args, blank);
    struct slice initial = slice_trim(slice_from(args, blank));
    bool is_plain = slice_eq_nocase(mechanism, SLICE("PLAIN"));
    if (!no && mechanism.n == 0)
        no = "501 5.5.4 AUTH needs a mechanism";
    if (!no && !is_plain && !slice_eq_nocase(mechanism, SLICE("LOGIN")))
        no = "504 5.5.4 unknown mechanism: use PLAIN or LOGIN";
    if (no) {
        smtp_server_state_complain(s, no);
        return smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT);
    }

    smtp_server_state_enter(s, is_plain ? S_AUTH_PLAIN : S_AUTH_USER);
    if (initial.n == 0) {
        /* The challenge of PLAIN is empty; LOGIN's is "Username:". */
        smtp_server_state_say(s, is_plain ? "334 " : "334 VXNlcm5hbWU6");
        return smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT);
    }
    /* "=" stands for an empty initial response. */
    if (slice_eq(initial, SLICE("=")))
        initial = SLICE_NONE;
    return smtp_server_auth_line(s, initial);
}
