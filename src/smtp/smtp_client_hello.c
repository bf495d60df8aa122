/* smtp_client_hello.c -- from the greeting to READY: EHLO or HELO, STARTTLS and EHLO again, AUTH.
 */
#include "smtp_client_state.h"

/* EHLO or HELO is answered, or STARTTLS refused. */
static void after_hello(struct smtp_client *c)
{
    const struct smtp_client_options *o = c->options;
    bool wants_tls = o->tls == SMTP_CLIENT_TLS_OPPORTUNISTIC || o->tls == SMTP_CLIENT_TLS_REQUIRED;
    if (wants_tls && !c->has_tls && !c->is_tls_refused && c->offer.has_starttls)
        smtp_client_enter(c, S_STARTTLS);
    else if (o->tls == SMTP_CLIENT_TLS_REQUIRED && !c->has_tls)
        smtp_client_fail(c, "no STARTTLS offered, TLS is required");
    else if (!o->user.n)
        smtp_client_go_ready(c);
    else if (!c->has_tls && !o->allows_plain_auth)
        smtp_client_fail(c, "AUTH is configured and the line has no TLS: the password is not sent");
    else if (o->user.n + o->password.n + o->token.n > SMTP_CLIENT_CREDENTIAL_BYTES_MAX)
        smtp_client_fail(c, "user and password are too long for AUTH");
    else if (o->token.n && c->offer.has_auth_xoauth2)
        smtp_client_enter(c, S_AUTH_XOAUTH2);
    else if (o->token.n)
        smtp_client_fail(c, "the server offers no AUTH XOAUTH2");
    else if (c->offer.has_auth_plain)
        smtp_client_enter(c, S_AUTH_PLAIN);
    else if (c->offer.has_auth_login)
        smtp_client_enter(c, S_AUTH_LOGIN);
    else
        smtp_client_fail(c, "the server offers no AUTH mechanism that we know (PLAIN, LOGIN)");
}

void smtp_client_hello_on_greeting(struct smtp_client *c, const struct smtp_reply *r)
{
    if (smtp_client_is_fine(r))
        smtp_client_enter(c, S_EHLO);
    else
        smtp_client_fail_by_reply(c, "the greeting refuses us");
}

void smtp_client_hello_on_ehlo(struct smtp_client *c, const struct smtp_reply *r)
{
    if (smtp_client_is_fine(r)) {
        c->offer = smtp_client_offer_parse(r);
        after_hello(c);
    } else if (r->code >= 500) {
        smtp_client_enter(c, S_HELO);
    } else {
        smtp_client_fail_by_reply(c, "EHLO was refused");
    }
}

void smtp_client_hello_on_helo(struct smtp_client *c, const struct smtp_reply *r)
{
    if (smtp_client_is_fine(r))
        after_hello(c);
    else
        smtp_client_fail_by_reply(c, "EHLO and HELO were refused");
}

void smtp_client_hello_on_starttls(struct smtp_client *c, const struct smtp_reply *r)
{
    if (smtp_client_is_fine(r)) {
        /* Whoever put bytes behind the 220 wants them taken for what TLS protects. */
        if (smtp_client_unread(c))
            smtp_client_fail(c, "plain bytes behind the reply to STARTTLS");
        else
            smtp_client_enter(c, S_HANDSHAKE);
    } else if (smtp_client_is_refusal(r) && c->options->tls == SMTP_CLIENT_TLS_OPPORTUNISTIC) {
        c->is_tls_refused = true;
        after_hello(c);
    } else {
        smtp_client_fail_by_reply(c, "STARTTLS was refused, TLS is required");
    }
}

void smtp_client_hello_on_auth(struct smtp_client *c, const struct smtp_reply *r)
{
    /* 504: this mechanism is not known after all (RFC 4954 section 4). */
    if (smtp_client_is_fine(r))
        smtp_client_go_ready(c);
    else if (r->code == 334 && c->state == S_AUTH_XOAUTH2)
        smtp_client_enter(c, S_AUTH_ERROR); /* why not, in base64; the refusal follows */
    else if (r->code == 504 && c->state == S_AUTH_PLAIN && c->offer.has_auth_login)
        smtp_client_enter(c, S_AUTH_LOGIN);
    else
        smtp_client_fail_by_reply(c, "AUTH was refused");
}

void smtp_client_hello_on_challenge(struct smtp_client *c, const struct smtp_reply *r,
                                    enum smtp_client_state next)
{
    if (r->code == 334)
        smtp_client_enter(c, next);
    else
        smtp_client_fail_by_reply(c, "AUTH was refused");
}
