/* trouble.c -- a line's host or session fails: what becomes of its job.
 *
 * What that means is policy_outcome's table; here are the facts it asks for, and what each verdict
 * entails for the line and for its destination. */
#include "route_host.h"

#include <stdio.h>

static bool has_working_line(const struct destination *d)
{
    for (const struct list *i = d->lines.next; i != &d->lines; i = i->next)
        if (CONTAINER_OF(i, struct line, in_destination)->was_ready)
            return true;
    return false;
}

static bool may_go_plain(const struct line *l)
{
    return l->has_tls_failed && !l->has_no_tls && l->state == LINE_TALKING &&
           l->destination->tls == DELIVERY_TLS_OPPORTUNISTIC &&
           l->options.tls == SMTP_CLIENT_TLS_OPPORTUNISTIC;
}

static void end_attempt(struct engine *e, struct line *l, enum attempt_verdict verdict,
                        struct smtp_status status, const char *why)
{
    line_decide_rest(l, verdict, status, why);
    line_hang_up(e, l, true);
    line_end_attempt(e, l);
    line_free(e, l);
}

/* The job goes back to the front, as if it had never been taken. */
static void give_back(struct engine *e, struct line *l)
{
    struct job *j = l->job;
    l->job = NULL;
    line_hang_up(e, l, true);
    line_drop_transaction(l);
    schedule_return(e, j);
    line_free(e, l);
}

static void connect_anew(struct engine *e, struct line *l, uint32_t target, bool has_no_tls)
{
    line_hang_up(e, l, true);
    line_drop_transaction(l);
    l->target = target;
    l->has_no_tls = has_no_tls;
    line_connect(e, l);
}

static void note_trouble(struct engine *e, struct line *l, const char *why)
{
    const struct target *t = line_target(l);
    struct ip_text ip = ip_port_build(&t->address);
    line_note(e, l, NOTE_CONNECT_FAILED, why);
    snprintf(l->trouble, sizeof l->trouble, "%s[%s]: %s", t->host, ip.s, why);
}

void line_fail(struct engine *e, struct line *l, struct policy_answer a, const char *why)
{
    struct destination *d = l->destination;
    a.is_reused = l->messages > 0 && !l->result_count;
    a.may_go_plain = may_go_plain(l);
    a.has_next_host = line_has_undecided(l) && l->target + 1 < l->targets->count && !e->is_stopping;
    a.is_crowded = !l->was_ready && !l->result_count && has_working_line(d);
    enum policy_verdict verdict = policy_outcome(&a);
    struct smtp_status status = policy_status(&a, verdict);
    bool is_busy_host = a.reply && a.reply->code == 421;
    if ((a.scope == SMTP_SCOPE_HOST || is_busy_host) &&
        (verdict == POLICY_NEXT_HOST || verdict == POLICY_LATER))
        route_host_fails(e, l, why);
    switch (verdict) {
    case POLICY_UNSURE:
        end_attempt(e, l, ATTEMPT_UNSURE, status, why);
        return;
    case POLICY_RETURN:
        if (a.scope == SMTP_SCOPE_HOST) {
            note_trouble(e, l, why);
            destination_crowded(e, d);
        }
        give_back(e, l);
        return;
    case POLICY_IN_PLAIN:
        note_trouble(e, l, why);
        connect_anew(e, l, l->target, true); /* better than not at all */
        return;
    case POLICY_NEXT_HOST:
        note_trouble(e, l, why);
        connect_anew(e, l, l->target + 1, false);
        return;
    case POLICY_LATER:
        note_trouble(e, l, why);
        if (!l->was_ready)
            destination_trouble(e, d, slice_cstr(l->trouble));
        end_attempt(e, l, ATTEMPT_LATER, status, l->trouble);
        return;
    case POLICY_DELIVERED:
    case POLICY_BOUNCE:
        break;
    }
    CHECK(!"a session is neither delivered nor bounced");
}
