/* smtp_client_hello.c -- from the greeting to the login: EHLO or HELO, STARTTLS and EHLO again. */
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
    else
        smtp_client_auth_begin(c);
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
