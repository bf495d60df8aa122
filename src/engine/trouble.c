/* trouble.c -- a line's host or session fails: what becomes of its job.
 *
 * What that means is policy_outcome's table; here are the facts it asks for, and what each verdict
 * entails for the line and for its destination. */
#include "health.h"
#include "line.h"
#include "route_host.h"
#include "token.h"

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
                        const struct shape_ruling *ruling, const char *why)
{
    uint32_t from = l->result_count;
    line_decide_rest(l, verdict, ruling->status, why);
    line_rule(l, from, ruling);
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

/* To the same target, once more. */
static void connect_again(struct engine *e, struct line *l, bool is_in_plain)
{
    line_hang_up(e, l, true);
    line_drop_transaction(l);
    l->has_no_tls = is_in_plain;
    race_begin_again(e, l);
}

void line_note_trouble(struct engine *e, struct line *l, const char *why)
{
    const struct target *t = line_target(l);
    struct ip_text ip = ip_port_build(&t->address);
    line_note(e, l, NOTE_CONNECT_FAILED, why);
    snprintf(l->trouble, sizeof l->trouble, "%s[%s]: %s", t->host, ip.s, why);
}

void line_go_elsewhere(struct engine *e, struct line *l, const char *why)
{
    line_note_trouble(e, l, why);
    line_hang_up(e, l, true);
    line_drop_transaction(l);
    l->has_no_tls = false;
    race_begin(e, l);
}

bool line_has_next_host(const struct engine *e, const struct line *l)
{
    return !e->is_stopping && race_has_next(e, l);
}

void line_go_on(struct engine *e, struct line *l)
{
    l->goes_on = false;
    if (l->result_count)
        line_end_part(e, l); /* what was said of the others is recorded at once */
    line_go_elsewhere(e, l, "a rule sends what it refused to the next host");
}

void line_fail(struct engine *e, struct line *l, struct policy_answer a, const char *why)
{
    struct destination *d = l->destination;
    if (token_is_blamed(e, l, &a)) {
        line_note_trouble(e, l, why);
        give_back(e, l);
        return;
    }
    a.is_reused = l->messages > 0 && !l->result_count;
    a.may_go_plain = may_go_plain(l);
    a.may_go_by_data = transaction_learn(e, l, &a);
    l->goes_on = false;
    (void)race_on_refusal(e, l, a.reply);
    a.has_next_host = line_has_undecided(l) && line_has_next_host(e, l);
    a.is_crowded = !l->was_ready && !l->result_count && has_working_line(d);
    struct shape_ruling ruling;
    enum policy_verdict verdict = shape_judge(e, l, &a, policy_outcome(&a), &ruling);
    bool is_elsewhere = verdict == POLICY_NEXT_HOST || verdict == POLICY_LATER;
    bool is_busy_host = a.reply && a.reply->code == 421;
    if ((a.scope == SMTP_SCOPE_HOST || is_busy_host) && is_elsewhere)
        route_host_fails(e, l, why);
    if (a.scope == SMTP_SCOPE_HOST && (is_elsewhere || verdict == POLICY_RETURN))
        health_failed(e, d, &line_target(l)->address);
    else if (a.scope == SMTP_SCOPE_SESSION && (is_elsewhere || verdict == POLICY_UNSURE))
        destination_strained(e, d);
    switch (verdict) {
    case POLICY_UNSURE:
        if (transaction_is_unsure(e, l, ruling.status, why))
            give_back(e, l);
        else
            end_attempt(e, l, ATTEMPT_UNSURE, &ruling, why);
        return;
    case POLICY_RETURN:
        if (a.scope == SMTP_SCOPE_HOST) {
            line_note_trouble(e, l, why);
            destination_crowded(e, d);
        }
        give_back(e, l);
        return;
    case POLICY_IN_PLAIN:
        line_note_trouble(e, l, why);
        connect_again(e, l, true); /* better than not at all */
        return;
    case POLICY_BY_DATA:
        line_note_trouble(e, l, why);
        connect_again(e, l, l->has_no_tls);
        return;
    case POLICY_NEXT_HOST:
        line_go_elsewhere(e, l, why);
        return;
    case POLICY_LATER:
        line_note_trouble(e, l, why);
        if (!l->was_ready && !ruling.is_resting)
            destination_trouble(e, d, slice_cstr(l->trouble));
        end_attempt(e, l, ATTEMPT_LATER, &ruling, l->trouble);
        return;
    case POLICY_BOUNCE: /* by a rule only */
        line_note_trouble(e, l, why);
        end_attempt(e, l, ATTEMPT_BOUNCE, &ruling, l->trouble);
        return;
    case POLICY_DELIVERED:
    case POLICY_NEXT_TRANSACTION:
        break;
    }
    CHECK(!"a session delivers nothing");
}
