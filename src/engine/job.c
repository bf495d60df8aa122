/* job.c -- see the header. */
#include "job.h"

#include "home.h"
#include "mail/address.h"

struct job *job_get(struct engine *e, struct queue_message *m, struct destination *d)
{
    for (struct job *j = m->jobs; j; j = j->next_of_message)
        if (j->domain == d)
            return j;
    struct job *j = mem_new(sizeof *j);
    j->message = m;
    j->domain = j->destination = d;
    j->next_of_message = m->jobs;
    j->first_recipient = QUEUE_NO_RECIPIENT;
    j->next_ms = INT64_MAX;
    timer_init(&j->timer, TIMER_JOB);
    m->jobs = j;
    d->job_count++;
    e->job_count++;
    return j;
}

/* By the operator: no attempt begins, nothing expires. */
bool job_is_kept_back(const struct queue_message *m)
{
    return m->is_held || m->is_bouncing || m->is_removing;
}

/* A queue from before staging, or from another host: none of it may go where staging forbids. */
bool job_is_staged_out(const struct engine *e, const struct job *j)
{
    const struct queue_message *m = j->message;
    if (e->opt->rewrite.environment != REWRITE_STAGING)
        return false;
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT; i = m->recipient[i].next_in_job)
        if (!rewrite_may_leave(&e->opt->rewrite, queue_address(m, i)))
            return true;
    return false;
}

void job_unready(struct engine *e, struct job *j)
{
    if (!list_has(&j->in_ready))
        return;
    turns_remove(&e->turns, &j->destination->ready, &j->in_ready);
    j->destination->ready_count--;
    e->ready_count--;
}

int job_priority(const struct engine *e, const struct queue_message *m)
{
    const struct engine_user *u = m->user_bytes ? engine_options_user(e->opt, queue_user(m)) : NULL;
    return u ? u->priority : 0;
}

void job_make_ready(struct engine *e, struct job *j, enum turns_place place)
{
    if (list_has(&j->in_ready) || j->line || job_is_kept_back(j->message) ||
        job_is_staged_out(e, j))
        return;
    j->next_ms = 0;
    home_place(e, j);
    const struct queue_message *m = j->message;
    struct turns_who who = {
        .name = m->user_bytes ? queue_user(m) : mail_address_domain_of(queue_sender(m)),
        .is_login = m->user_bytes,
        .priority = job_priority(e, m),
    };
    turns_add(&e->turns, &j->destination->ready, &j->in_ready, &who, place);
    j->destination->ready_count++;
    e->ready_count++;
}

/* Out of its message and its destination; recipients still waiting are in no job then. */
void job_free(struct engine *e, struct job *j)
{
    struct queue_message *m = j->message;
    struct destination *domain = j->domain, *d = j->destination;
    job_unready(e, j);
    timer_stop(e, &j->timer);
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;) {
        uint32_t next = m->recipient[i].next_in_job;
        m->recipient[i].next_in_job = QUEUE_UNASSIGNED;
        i = next;
    }
    struct job *first = m->jobs;
    if (first == j) {
        m->jobs = j->next_of_message;
    } else {
        while (first->next_of_message != j)
            first = first->next_of_message;
        first->next_of_message = j->next_of_message;
    }
    mem_free(j);
    e->job_count--;
    domain->job_count--;
    if (d != domain) {
        d->job_count--;
        destination_drop_if_unused(e, d);
    }
    destination_drop_if_unused(e, domain);
}

/* Two lists of recipients, each in the message's order, become one. */
static uint32_t merge(struct queue_message *m, uint32_t a, uint32_t b)
{
    uint32_t first = QUEUE_NO_RECIPIENT, *at = &first;
    while (a != QUEUE_NO_RECIPIENT || b != QUEUE_NO_RECIPIENT) {
        uint32_t *from = a < b ? &a : &b; /* QUEUE_NO_RECIPIENT is behind all others */
        *at = *from;
        at = &m->recipient[*from].next_in_job;
        *from = *at;
    }
    *at = QUEUE_NO_RECIPIENT;
    return first;
}

/* The message's other jobs that are ready at the same place: one transaction for all. */
void job_join(struct engine *e, struct job *j, struct job *other)
{
    j->first_recipient = merge(j->message, j->first_recipient, other->first_recipient);
    other->first_recipient = QUEUE_NO_RECIPIENT;
    if (other->attempts > j->attempts)
        j->attempts = other->attempts;
    job_free(e, other);
}

void job_take_along(struct engine *e, struct job *j)
{
    struct job *next;
    for (struct job *other = j->message->jobs; other; other = next) {
        next = other->next_of_message;
        if (other == j || !list_has(&other->in_ready) || other->destination != j->destination ||
            home_of(e, other->domain) != j->destination || job_is_staged_out(e, other))
            continue;
        j->is_mixed = true;
        job_join(e, j, other);
    }
}
