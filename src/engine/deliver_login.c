/* deliver_login.c -- a line logs in at a smarthost: what the login is bound to and what is worked
 * out for it, and what follows when it is refused. */
#include "line.h"

/* RFC 5929. "unique" tells apart two connections with the same certificate. */
void deliver_login_bind(struct line *l, const struct engine_tls *tls)
{
    if (tls->unique.n)
        smtp_client_bind(l->smtp, "tls-unique", tls->unique);
    else
        smtp_client_bind(l->smtp, "tls-server-end-point", tls->end_point);
}

void deliver_login_sum(struct engine *e, struct line *l, const struct smtp_sasl_sum *sum)
{
    struct smtp_sasl_sum kept = *sum;
    kept.password = engine_keep(e, sum->password);
    kept.salt = engine_keep(e, sum->salt);
    kept.text = engine_keep(e, sum->text);
    struct engine_action *a = engine_do(e, ACTION_SUM);
    a->conn = l->conn;
    a->sum = kept;
}

void deliver_on_sum(struct engine *e, struct line *l, struct slice sum)
{
    if (!l->smtp)
        return;
    smtp_client_on_sum(l->smtp, sum);
    deliver_pump(e, l);
}

/* What becomes of the job is the same as of any host that does not serve us. */
void deliver_login_refused(struct engine *e, struct line *l, const char *why)
{
    struct destination *d = l->destination;
    d->is_login_good = false;
    line_note(e, l, NOTE_SMARTHOST_LOGIN_REFUSED, why);
}
