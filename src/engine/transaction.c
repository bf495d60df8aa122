/* transaction.c -- how much of a job goes into one transaction, and how many go on one connection.
 *
 *   a job -> [recipients that fit] -> DONE: recorded -> the rest: next transaction, same connection
 *                                                    -> or, when that has had enough: another one
 *
 * What bounds them: our own limits, what the remote says of itself (LIMITS, RFC 9422), what it
 * refuses (452, RFC 5321 section 4.5.3.1.10), and what was learned of the destination: after how
 * many messages it ends a connection, and whether BDAT is known there after all. Each transaction
 * decides at least one recipient, so the rest shrinks. */
#include "line.h"

#include "mail/address.h"

enum {
    LEARNED_MS = 60 * 60 * 1000,
    TURN_MESSAGES = 20, /* of a connection, while others want one and there is none */
};

static unsigned least(unsigned a, unsigned b)
{
    return b && b < a ? b : a; /* b 0: no limit */
}

static unsigned messages_most(const struct engine *e, const struct line *l)
{
    const struct destination *d = l->destination;
    unsigned learned = e->now_ms < d->reuse.messages_until_ms ? d->reuse.messages_most : 0;
    bool is_short = !list_is_empty(&e->wanting) && !deliver_has_slot(e);
    unsigned most = least(least(d->limits.connection_messages, learned),
                          smtp_client_limits(l->smtp).transactions);
    return is_short ? least(most, TURN_MESSAGES) : most;
}

bool transaction_may_begin(const struct engine *e, const struct line *l)
{
    return !l->is_spent && !l->race.has_refused_v6 && l->messages < messages_most(e, l) &&
           e->now_ms - l->opened_ms < l->destination->limits.age_ms;
}

int64_t transaction_idle_ms(const struct engine *e, const struct line *l)
{
    const struct policy_limits *limits = &l->destination->limits;
    int64_t left_ms = l->opened_ms + limits->age_ms - e->now_ms;
    int64_t ms = left_ms < limits->idle_ms ? left_ms : limits->idle_ms;
    return ms > 1 ? ms : 1;
}

static uint64_t domain_hash(struct slice domain)
{
    char lower[MAIL_DOMAIN_BYTES_MAX];
    size_t n = domain.n < sizeof lower ? domain.n : sizeof lower;
    for (size_t i = 0; i < n; i++) {
        char c = domain.p[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
    }
    return hash_sip13(0, 0, slice_of(lower, n));
}

/* RCPTDOMAINMAX counts the domains of a session. */
static bool fits_by_domain(struct line *l, uint32_t recipient)
{
    unsigned most = smtp_client_limits(l->smtp).domains;
    if (!most)
        return true;
    struct slice domain = mail_address_domain_of(queue_address(l->job->message, recipient));
    uint64_t hash = domain_hash(domain);
    for (unsigned i = 0; i < l->domain_count; i++)
        if (l->domain[i] == hash)
            return true;
    if (l->domain_count >= least(LINE_DOMAINS_MAX, most))
        return false;
    l->domain[l->domain_count++] = hash;
    return true;
}

bool transaction_fits(struct line *l, uint32_t recipient, uint32_t count)
{
    unsigned most = least(least(l->destination->limits.recipients, l->recipients_most),
                          smtp_client_limits(l->smtp).recipients);
    return count < most && fits_by_domain(l, recipient);
}

void transaction_set_whole(const struct engine *e, struct line *l)
{
    const struct destination *d = l->destination;
    if (!d->limits.chunking || e->now_ms < d->reuse.by_data_until_ms || l->body->extent_count)
        return;
    l->message.whole[0] = l->body->prefix;
    l->message.whole[1] = l->body->tail;
    /* The remote may be closing an idle line just now, and the chunk would leave us in doubt. */
    l->message.may_run_ahead = !l->was_idle;
}

void transaction_return(struct engine *e, struct line *l)
{
    struct job *j = l->job;
    l->job = NULL;
    l->is_spent = true;
    line_drop_transaction(l);
    schedule_return(e, j);
}

static bool may_go_on_here(const struct engine *e, const struct line *l)
{
    const struct queue_message *m = l->job->message;
    bool is_ordered = m->is_held || m->is_bouncing || m->is_removing;
    return !is_ordered && !e->is_stopping && !job_is_paused(e, l->job) &&
           transaction_may_begin(e, l);
}

/* Those that the job was taken for and that had no turn yet are due, whenever they were to be. */
static void mark_due(const struct engine *e, const struct line *l)
{
    struct queue_message *m = l->job->message;
    for (uint32_t i = l->job->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job)
        if (line_is_open(l, i))
            m->recipient[i].next_ms = e->now_ms;
}

bool transaction_goes_on(struct engine *e, struct line *l)
{
    struct destination *d = l->destination;
    l->was_idle = false;
    if (l->messages > d->reuse.messages_seen)
        d->reuse.messages_seen = 0;
    if (!line_has_undecided(l))
        return false;
    mark_due(e, l);
    line_end_part(e, l);
    if (!may_go_on_here(e, l)) {
        transaction_return(e, l);
        schedule_pump(e, d); /* the line is there still, and d with it */
        return true;
    }
    struct body *body = l->body;
    l->body = NULL;
    line_drop_transaction(l);
    l->body = body; /* not read again */
    return true;
}

bool transaction_is_unsure(struct engine *e, struct line *l, struct smtp_status status,
                           const char *why)
{
    for (uint32_t i = 0; i < l->recipient_count; i++)
        if (!l->recipient[i].is_settled)
            line_add_result(l, l->index[i], ATTEMPT_UNSURE, status, NULL, why);
    if (!line_has_undecided(l))
        return false;
    mark_due(e, l);
    line_end_part(e, l);
    return true;
}

/* The remote left, after mail had gone over the connection and before anything of this one was
 * decided. Twice after the same number: that is its limit. */
static void learn_messages(struct engine *e, const struct line *l)
{
    struct destination_reuse *reuse = &l->destination->reuse;
    if (reuse->messages_seen == l->messages) {
        reuse->messages_most = l->messages;
        reuse->messages_until_ms = e->now_ms + LEARNED_MS;
    }
    reuse->messages_seen = l->messages;
}

bool transaction_learn(struct engine *e, const struct line *l, const struct policy_answer *a)
{
    if (a->scope != SMTP_SCOPE_SESSION || !l->smtp)
        return false;
    bool has_left = !l->conn || (a->reply && a->reply->code == 421);
    if (has_left && l->messages && !l->result_count && !smtp_client_accepted(l->smtp))
        learn_messages(e, l);
    if (!smtp_client_has_chunk_trouble(l->smtp))
        return false;
    l->destination->reuse.by_data_until_ms = e->now_ms + LEARNED_MS;
    return !a->is_unsure && !e->is_stopping;
}
