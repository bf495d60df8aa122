/* submit_profile.c -- see the header. */
#include "submit_profile.h"

enum {
    ERRORS_MAX = 20,
    COMMANDS_MAX = 1000,
};

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
        p->smtp = (struct smtp_server_options){
            .hostname = slice_of(p->hostname, o->hostname.n),
            .message_bytes_max = o->message_bytes_max,
            .recipients_max = recipients_max,
            .mails_max = o->session_mails_max,
            .errors_max = ERRORS_MAX,
            .commands_max = COMMANDS_MAX,
            .domain = slice_of(p->domain, domain.n),
            .is_staging = o->rewrite.environment == REWRITE_STAGING,
            .offers_tls = p->tls == LISTENER_TLS_STARTTLS,
            .auth = o->listeners[i].auth,
            .offers_scram = has_scram(o),
        };
        e->profile[i] = p;
    }
}
