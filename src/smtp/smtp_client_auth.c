/* smtp_client_auth.c -- logging in (RFC 4954), between EHLO and READY.
 *
 *   begin -> [AUTH_SUM: a nonce] -> AUTH (the command, with an initial response where it fits)
 *   334 -> [AUTH_SUM: a proof] -> AUTH (a response) ... 235 -> READY
 *   504: the next mechanism that both know; any other refusal ends the session
 *
 * Never over a line without TLS unless the operator said so. When a password is refused, no weaker
 * mechanism is tried with it: that would hand it to whoever only pretends, and count as one more
 * failure of this user. */
#include "smtp_client_state.h"

#include "base/base64.h"

#include <stdio.h>
#include <string.h>

enum { OFFER_BYTES_SHOWN = 120 };

/* ---- choosing ---- */

static bool has_password(const struct smtp_client_options *o)
{
    return o->user.n && (o->password.n || !o->token.n);
}

/* Of what we were given; whatever the server offers. */
static bool is_ours(const struct smtp_client *c, enum smtp_sasl m)
{
    const struct smtp_client_options *o = c->options;
    if (o->mechanisms && !(o->mechanisms & SMTP_SASL_BIT(m)))
        return false;
    switch (m) {
    case SMTP_SASL_EXTERNAL:
        return o->has_certificate && c->has_tls;
    case SMTP_SASL_SCRAM_SHA_256_PLUS:
        return has_password(o) && c->auth.binding;
    case SMTP_SASL_OAUTHBEARER:
    case SMTP_SASL_XOAUTH2:
        return o->user.n && o->token.n;
    case SMTP_SASL_SCRAM_SHA_256:
    case SMTP_SASL_CRAM_MD5:
    case SMTP_SASL_PLAIN:
    case SMTP_SASL_LOGIN:
        return has_password(o);
    case SMTP_SASL_COUNT:
        break;
    }
    return false;
}

static bool is_offered(const struct smtp_client *c, enum smtp_sasl m)
{
    return c->offer.mechanisms & ~c->auth.refused & SMTP_SASL_BIT(m);
}

static enum smtp_sasl choose(const struct smtp_client *c)
{
    enum smtp_sasl m = SMTP_SASL_EXTERNAL;
    while (m < SMTP_SASL_COUNT && !(is_ours(c, m) && is_offered(c, m)))
        m++;
    return m;
}

static void fail_for_want(struct smtp_client *c)
{
    char *to = c->auth.reason;
    size_t n = sizeof c->auth.reason, at;
    at = (size_t)snprintf(to, n, "no way to log in: the server offers %s%.*s, we could use",
                          c->offer.auth[0] ? "AUTH" : "no AUTH at all", OFFER_BYTES_SHOWN,
                          c->offer.auth);
    bool is_first = true;
    for (enum smtp_sasl m = 0; m < SMTP_SASL_COUNT && at < n; m++) {
        if (!is_ours(c, m))
            continue;
        at += (size_t)snprintf(to + at, n - at, "%s %s", is_first ? "" : ",", smtp_sasl_name(m));
        is_first = false;
    }
    if (is_first && at < n)
        snprintf(to + at, n - at, " nothing");
    smtp_client_fail(c, to);
}

/* ---- saying ---- */

static void say(struct smtp_client *c)
{
    smtp_client_enter(c, S_AUTH);
    buf_clear(&c->auth.text);
}

static void respond(struct smtp_client *c)
{
    buf_clear(&c->auth.line);
    smtp_client_say_base64(&c->auth.line, buf_slice(&c->auth.text));
    say(c);
}

/* The command, and our first message with it if there is one and it fits. */
static void name(struct smtp_client *c, bool has_message, enum smtp_client_auth_step next)
{
    struct smtp_client_auth *a = &c->auth;
    buf_clear(&a->line);
    buf_addf(&a->line, "AUTH %s", smtp_sasl_name(a->mechanism));
    size_t bytes = a->line.n + 1 + (a->text.n + 2) / 3 * 4 + 2;
    a->has_initial = has_message && !a->is_by_itself && bytes <= SMTP_CLIENT_AUTH_COMMAND_BYTES_MAX;
    if (a->has_initial) {
        buf_add_char(&a->line, ' ');
        if (a->text.n)
            smtp_client_say_base64(&a->line, buf_slice(&a->text));
        else
            buf_add_cstr(&a->line, "=\r\n");
    } else {
        buf_add_cstr(&a->line, "\r\n");
    }
    a->step = has_message && !a->has_initial ? AUTH_NAMED : next;
    say(c);
}

static void add_plain(struct buf *out, const struct smtp_client_options *o)
{
    buf_add_char(out, 0);
    buf_add(out, o->user);
    buf_add_char(out, 0);
    buf_add(out, o->password);
}

static void add_token(struct buf *out, const struct smtp_client_options *o, enum smtp_sasl m)
{
    if (m == SMTP_SASL_XOAUTH2) {
        buf_addf(out, "user=%.*s\1auth=Bearer %.*s\1\1", SLICE_FMT(o->user), SLICE_FMT(o->token));
        return;
    }
    buf_add_cstr(out, "n,a=");
    for (size_t i = 0; i < o->user.n; i++) { /* RFC 5801 section 4: a saslname */
        char ch = o->user.p[i];
        ch == ','   ? buf_add_cstr(out, "=2C")
        : ch == '=' ? buf_add_cstr(out, "=3D")
                    : buf_add_char(out, ch);
    }
    buf_addf(out, ",\1auth=Bearer %.*s\1\1", SLICE_FMT(o->token));
}

static void ask_sum(struct smtp_client *c, enum smtp_sasl_sum_kind kind, struct slice text)
{
    struct smtp_client_auth *a = &c->auth;
    a->sum = (struct smtp_sasl_sum){.kind = kind,
                                    .password = c->options->password,
                                    .salt = slice_of(a->scram.salt, a->scram.salt_bytes),
                                    .rounds = a->scram.rounds,
                                    .text = text};
    smtp_client_enter(c, S_AUTH_SUM);
}

/* Our first message, where the mechanism has one that needs no challenge. */
static void build_first(struct smtp_client *c)
{
    struct smtp_client_auth *a = &c->auth;
    buf_clear(&a->text);
    if (a->mechanism == SMTP_SASL_PLAIN)
        add_plain(&a->text, c->options);
    else if (a->mechanism == SMTP_SASL_OAUTHBEARER || a->mechanism == SMTP_SASL_XOAUTH2)
        add_token(&a->text, c->options, a->mechanism);
    else if (a->mechanism == SMTP_SASL_EXTERNAL)
        buf_add(&a->text, c->options->user);
}

static void use(struct smtp_client *c, enum smtp_sasl m)
{
    c->auth.mechanism = m;
    switch (m) {
    case SMTP_SASL_EXTERNAL:
    case SMTP_SASL_PLAIN:
    case SMTP_SASL_OAUTHBEARER:
    case SMTP_SASL_XOAUTH2:
        build_first(c);
        name(c, true, AUTH_OVER);
        break;
    case SMTP_SASL_SCRAM_SHA_256_PLUS:
    case SMTP_SASL_SCRAM_SHA_256:
        ask_sum(c, SMTP_SASL_SUM_NONCE, SLICE_NONE);
        break;
    case SMTP_SASL_CRAM_MD5:
    case SMTP_SASL_LOGIN:
        name(c, false, AUTH_CHALLENGE);
        break;
    case SMTP_SASL_COUNT:
        CHECK(!"a mechanism that there is not");
    }
}

static void use_best(struct smtp_client *c)
{
    enum smtp_sasl m = choose(c);
    if (m == SMTP_SASL_COUNT)
        fail_for_want(c);
    else
        use(c, m);
}

void smtp_client_auth_begin(struct smtp_client *c)
{
    const struct smtp_client_options *o = c->options;
    bool is_certificate_enough = !o->user.n && !o->mechanisms && o->has_certificate && c->has_tls;
    if (!o->user.n && !o->has_certificate)
        smtp_client_go_ready(c);
    else if (!c->has_tls && !o->allows_plain_auth)
        smtp_client_fail(c, "AUTH is configured and the line has no TLS: the password is not sent");
    else if (o->user.n + o->password.n > SMTP_CLIENT_CREDENTIAL_BYTES_MAX ||
             2 * o->user.n + o->token.n > SMTP_CLIENT_CREDENTIAL_BYTES_MAX)
        smtp_client_fail(c, "user and password are too long for AUTH");
    else if (is_certificate_enough && !is_offered(c, SMTP_SASL_EXTERNAL))
        smtp_client_go_ready(c); /* it was shown: many servers want no more */
    else
        use_best(c);
}

/* ---- what was worked out ---- */

static void on_nonce(struct smtp_client *c, struct slice nonce)
{
    struct smtp_client_auth *a = &c->auth;
    bool is_plus = a->mechanism == SMTP_SASL_SCRAM_SHA_256_PLUS;
    /* "y" lets a server that does offer PLUS notice that somebody took it out of its list. Where
     * the operator did not want it we say that we cannot. */
    bool is_able = is_ours(c, SMTP_SASL_SCRAM_SHA_256_PLUS) &&
                   !(a->refused & SMTP_SASL_BIT(SMTP_SASL_SCRAM_SHA_256_PLUS));
    buf_clear(&a->text);
    smtp_scram_client_first(&a->scram, c->options->user, nonce,
                            is_plus ? slice_cstr(a->binding) : SLICE_NONE, is_able, &a->text);
    name(c, true, AUTH_CHALLENGE);
}

static void on_digest(struct smtp_client *c, struct slice digest)
{
    struct buf *out = &c->auth.text;
    buf_clear(out);
    buf_addf(out, "%.*s ", SLICE_FMT(c->options->user));
    for (size_t i = 0; i < digest.n; i++)
        buf_addf(out, "%02x", (unsigned char)digest.p[i]);
    c->auth.step = AUTH_OVER;
    respond(c);
}

void smtp_client_on_sum(struct smtp_client *c, struct slice sum)
{
    static const size_t bytes[] = {[SMTP_SASL_SUM_NONCE] = SMTP_SASL_NONCE_BYTES,
                                   [SMTP_SASL_SUM_SCRAM] = SMTP_SASL_SCRAM_BYTES,
                                   [SMTP_SASL_SUM_HMAC_MD5] = SMTP_SASL_MD5_BYTES};
    struct smtp_client_auth *a = &c->auth;
    if (smtp_client_is_over(c))
        return;
    CHECK(c->state == S_AUTH_SUM);
    if (sum.n != bytes[a->sum.kind]) {
        smtp_client_fail(c, "what the login needs could not be worked out");
        return;
    }
    switch (a->sum.kind) {
    case SMTP_SASL_SUM_NONCE:
        on_nonce(c, sum);
        break;
    case SMTP_SASL_SUM_HMAC_MD5:
        on_digest(c, sum);
        break;
    case SMTP_SASL_SUM_SCRAM:
        buf_clear(&a->text);
        smtp_scram_client_final(&a->scram, (const uint8_t *)sum.p, &a->text);
        a->step = AUTH_SIGNATURE;
        respond(c);
        break;
    }
}

/* ---- what the server says ---- */

static void fail_login(struct smtp_client *c, const char *what, const char *why)
{
    struct smtp_client_auth *a = &c->auth;
    snprintf(a->reason, sizeof a->reason, "login %s (%s)%s%s", what, smtp_sasl_name(a->mechanism),
             why[0] ? ": " : "", why);
}

static void fail_server(struct smtp_client *c, const char *why)
{
    fail_login(c, "broken off", why);
    smtp_client_fail(c, c->auth.reason);
}

/* What the server says of the token, JSON mostly; ours to show, not to understand. */
static void note_cancel(struct smtp_client *c)
{
    struct smtp_client_auth *a = &c->auth;
    char said[200];
    size_t n = 0;
    for (size_t i = 0; i < a->got.n && n + 1 < sizeof said; i++)
        said[n++] = a->got.p[i] >= 32 && a->got.p[i] < 127 ? a->got.p[i] : '?';
    said[n] = 0;
    fail_login(c, "refused", said);
    a->is_cancelled = true;
    /* RFC 7628 section 3.2.3 wants %x01; XOAUTH2 an empty response. */
    if (a->mechanism == SMTP_SASL_OAUTHBEARER)
        buf_add_char(&a->text, 1);
    respond(c);
}

static void on_scram_challenge(struct smtp_client *c)
{
    struct smtp_client_auth *a = &c->auth;
    bool is_plus = a->mechanism == SMTP_SASL_SCRAM_SHA_256_PLUS;
    struct slice bound = slice_of(a->bound, is_plus ? a->bound_bytes : 0);
    const char *flaw = smtp_scram_client_challenge(&a->scram, buf_slice(&a->got), bound);
    if (flaw)
        fail_server(c, flaw);
    else
        ask_sum(c, SMTP_SASL_SUM_SCRAM, buf_slice(&a->scram.signed_text));
}

static void on_challenge(struct smtp_client *c)
{
    struct smtp_client_auth *a = &c->auth;
    if (a->mechanism == SMTP_SASL_LOGIN) {
        buf_add(&a->text, c->options->user);
        a->step = AUTH_PASSWORD;
        respond(c);
    } else if (a->mechanism == SMTP_SASL_CRAM_MD5) {
        ask_sum(c, SMTP_SASL_SUM_HMAC_MD5, buf_slice(&a->got));
    } else {
        on_scram_challenge(c);
    }
}

/* An initial response that was passed over is asked for once more. */
static void say_first_again(struct smtp_client *c)
{
    struct smtp_client_auth *a = &c->auth;
    bool is_scram =
        a->mechanism == SMTP_SASL_SCRAM_SHA_256_PLUS || a->mechanism == SMTP_SASL_SCRAM_SHA_256;
    if (is_scram) {
        buf_clear(&a->text);
        buf_add(&a->text, buf_slice(&a->scram.header));
        buf_add(&a->text, buf_slice(&a->scram.signed_text));
    } else {
        build_first(c);
    }
    a->step = is_scram ? AUTH_CHALLENGE : AUTH_OVER;
    respond(c);
}

static void on_signature(struct smtp_client *c)
{
    const char *flaw = smtp_scram_client_verify(&c->auth.scram, buf_slice(&c->auth.got));
    if (flaw) {
        fail_server(c, flaw);
        return;
    }
    c->auth.step = AUTH_OVER;
    respond(c); /* empty */
}

static void on_334(struct smtp_client *c, const struct smtp_reply *r)
{
    struct smtp_client_auth *a = &c->auth;
    struct slice text = r->line_count == 1 ? slice_trim(r->line[0]) : SLICE_NONE;
    bool is_token = a->mechanism == SMTP_SASL_OAUTHBEARER || a->mechanism == SMTP_SASL_XOAUTH2;
    buf_clear(&a->text);
    buf_clear(&a->got);
    bool is_base64 = base64_parse(text, &a->got);
    bool is_passed_over = a->has_initial && !a->got.n;
    a->has_initial = false;
    /* LOGIN asks in words, which some servers do not encode; others say something for "go on". */
    if (!is_base64 && a->mechanism != SMTP_SASL_LOGIN && a->step != AUTH_NAMED)
        smtp_client_fail_by_kind(c);
    else if (a->step == AUTH_NAMED || is_passed_over)
        say_first_again(c);
    else if (a->step == AUTH_CHALLENGE)
        on_challenge(c);
    else if (a->step == AUTH_SIGNATURE)
        on_signature(c);
    else if (a->step == AUTH_PASSWORD) {
        buf_add(&a->text, c->options->password);
        a->step = AUTH_OVER;
        respond(c);
    } else if (is_token && !a->is_cancelled)
        note_cancel(c);
    else
        smtp_client_fail_by_kind(c);
}

static void on_success(struct smtp_client *c)
{
    bool is_unproved = c->auth.step == AUTH_SIGNATURE || c->auth.step == AUTH_CHALLENGE;
    bool is_scram = c->auth.mechanism == SMTP_SASL_SCRAM_SHA_256_PLUS ||
                    c->auth.mechanism == SMTP_SASL_SCRAM_SHA_256;
    if (c->auth.step == AUTH_OVER && !c->auth.is_cancelled)
        smtp_client_go_ready(c);
    else if (is_scram && is_unproved)
        fail_server(c,
                    "it says 235 and never proved to know the password: this may be an impostor");
    else
        smtp_client_fail_by_kind(c);
}

static void on_refusal(struct smtp_client *c, const struct smtp_reply *r)
{
    struct smtp_client_auth *a = &c->auth;
    if (r->code == 504) { /* it is not known after all (RFC 4954 section 4) */
        a->refused |= SMTP_SASL_BIT(a->mechanism);
        if (choose(c) != SMTP_SASL_COUNT) {
            use_best(c);
            return;
        }
    }
    if (r->code == 501 && a->has_initial && !a->is_by_itself) {
        a->is_by_itself = true; /* as RFC 2554 had it */
        use(c, a->mechanism);
        return;
    }
    a->is_refused = r->code >= 500 && r->code != 504;
    if (!a->is_cancelled)
        fail_login(c, r->code >= 500 ? "refused" : "put off", "");
    smtp_client_fail_by_reply(c, a->reason);
}

void smtp_client_auth_on_reply(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code == 334)
        on_334(c, r);
    else if (smtp_client_is_refusal(r))
        on_refusal(c, r);
    else if (smtp_client_is_fine(r))
        on_success(c);
    else
        smtp_client_fail_by_kind(c);
}

/* ---- the doors ---- */

void smtp_client_auth_init(struct smtp_client *c)
{
    struct smtp_client_auth *a = &c->auth;
    buf_init(&a->text, SMTP_CLIENT_AUTH_LINE_BYTES_MAX);
    buf_init(&a->got, SMTP_REPLY_LINE_BYTES_MAX);
    buf_init(&a->line, SMTP_CLIENT_AUTH_LINE_BYTES_MAX);
    smtp_scram_client_init(&a->scram);
}

void smtp_client_auth_close(struct smtp_client *c)
{
    struct smtp_client_auth *a = &c->auth;
    buf_close(&a->text);
    buf_close(&a->got);
    buf_close(&a->line);
    smtp_scram_client_close(&a->scram);
}

void smtp_client_bind(struct smtp_client *c, const char *type, struct slice data)
{
    if (!data.n || data.n > SMTP_CLIENT_BINDING_BYTES_MAX)
        return;
    c->auth.binding = type;
    c->auth.bound_bytes = data.n;
    memcpy(c->auth.bound, data.p, data.n);
}

bool smtp_client_is_login_refused(const struct smtp_client *c)
{
    return c->state == S_FAILED && c->auth.is_refused;
}
