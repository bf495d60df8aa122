/* submit_profile.c -- see the header. */
#include "submit_profile.h"

void submit_profile_unref(struct submit_profile *p)
{
    if (!p || --p->refs)
        return;
    mem_free(p->hostname);
    mem_free(p->domain);
    mem_free(p);
}

void submit_profiles_drop(struct engine *e)
{
    for (unsigned i = 0; i < e->profile_count; i++)
        submit_profile_unref(e->profile[i]);
    mem_free(e->profile);
    e->profile = NULL;
    e->profile_count = 0;
}

static bool has_scram(const struct engine_options *o)
{
    for (unsigned i = 0; i < o->user_count; i++)
        if (o->users[i].has_scram)
            return true;
    return false;
}

void submit_profiles_make(struct engine *e)
{
    const struct engine_options *o = e->opt;
    e->profile = mem_new((o->listener_count + 1) * sizeof *e->profile);
    e->profile_count = o->listener_count;
    unsigned recipients_max =
        o->recipients_max < QUEUE_RECIPIENTS_MAX ? o->recipients_max : QUEUE_RECIPIENTS_MAX;
    struct slice domain = rewrite_completion(&o->rewrite, o->hostname);
    for (unsigned i = 0; i < o->listener_count; i++) {
        struct submit_profile *p = mem_new(sizeof *p);
        p->refs = 1;
        p->hostname = mem_dup(o->hostname.p, o->hostname.n);
        p->domain = mem_dup(domain.p, domain.n);
        p->tls = o->listeners[i].tls;
        p->certificates = o->listeners[i].certificates;
        p->smtp = (struct smtp_server_options){
            .hostname = slice_of(p->hostname, o->hostname.n),
            .message_bytes_max = o->message_bytes_max,
            .recipients_max = recipients_max,
            .mails_max = o->session_mails_max,
            .session_recipients_max = o->session_recipients_max,
            .errors_max = o->errors_max,
            .commands_max = o->commands_max,
            .domain = slice_of(p->domain, domain.n),
            .is_staging = o->rewrite.environment == REWRITE_STAGING,
            .offers_tls = p->tls == LISTENER_TLS_STARTTLS,
            .auth = o->listeners[i].auth,
            .offers_scram = has_scram(o),
            .offers_binding = o->offers_binding,
            .needs_certificate = p->certificates == LISTENER_CERTIFICATES_REQUIRED,
        };
        e->profile[i] = p;
    }
}
