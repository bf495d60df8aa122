/* fallback.c -- see the header. */
#include "fallback.h"

#include "job.h"
#include "mail/address.h"
#include "route.h"

enum { KNOWN_MS = 24 * 60 * 60 * 1000 };

int64_t fallback_due_ms(const struct engine *e, const struct destination *d)
{
    if (d->fallback < 0 || !d->failures || d->generation != e->generation)
        return INT64_MAX;
    return d->trouble_since_ms + e->opt->fallback_after_ms;
}

static bool is_due(const struct engine *e, const struct destination *d)
{
    return fallback_due_ms(e, d) <= e->now_ms;
}

bool fallback_takes(const struct engine *e, const struct destination *d)
{
    return is_due(e, d) && (d->backoff_until_ms > e->now_ms || d->line_count || d->ready_count);
}

int64_t fallback_known_until_ms(const struct engine *e, const struct destination *d)
{
    return is_due(e, d) ? d->backoff_until_ms + KNOWN_MS : 0;
}

int64_t fallback_wake_ms(const struct engine *e, const struct destination *d)
{
    int64_t due_ms = fallback_due_ms(e, d);
    if (due_ms <= e->now_ms)
        due_ms = d->ready_count ? e->now_ms : INT64_MAX;
    return due_ms < d->backoff_until_ms ? due_ms : d->backoff_until_ms;
}

static void begin(struct engine *e, struct destination *d)
{
    if (d->has_fallen)
        return;
    d->has_fallen = true;
    struct note *n = engine_note(e, NOTE_FALLBACK, 0);
    engine_tell(e, n, "destination", slice_cstr(d->name));
    engine_tell(e, n, "route", e->opt->routes[d->fallback].name);
    engine_tell(e, n, "reason", slice_cstr(d->trouble));
}

const struct engine_route *fallback_in_use(const struct engine *e, const struct destination *d)
{
    bool is_current = d->generation == e->generation; /* else the index is of former options */
    return is_current && d->has_fallen ? &e->opt->routes[d->fallback] : NULL;
}

void fallback_ends(struct engine *e, struct destination *d)
{
    if (!d->has_fallen)
        return;
    d->has_fallen = false;
    engine_tell(e, engine_note(e, NOTE_DIRECT_AGAIN, 0), "destination", slice_cstr(d->name));
}

/* Its recipients become those of the message's job for the fallback. False: that one is in flight,
 * and they have to wait for it. Pumps have to wait: somebody may be walking over jobs. */
static bool move(struct engine *e, struct job *j)
{
    struct queue_message *m = j->message;
    struct route_question q = {
        .by = m->user_bytes ? engine_options_user(e->opt, queue_user(m)) : NULL,
        .sender = queue_sender(m),
        .recipient = queue_address(m, j->first_recipient),
        .bytes = m->wire_bytes,
    };
    int fallback = j->destination->fallback;
    struct destination *to =
        destination_get(e, fallback, mail_address_domain_of(q.recipient), m->requires_tls,
                        route_credential(e->opt, fallback, &q));
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT; i = m->recipient[i].next_in_job)
        if (m->recipient[i].fate == QUEUE_WAITING && !m->recipient[i].is_reporting)
            m->recipient[i].next_ms = e->now_ms;
    struct job *at = job_get(e, m, to);
    if (at->line)
        return false;
    job_join(e, at, j);
    job_make_ready(e, at, TURNS_LAST);
    schedule_arm(e, at);
    schedule_want(e, at->destination);
    return true;
}

bool fallback_move(struct engine *e, struct destination *d)
{
    if (!is_due(e, d))
        return true;
    begin(e, d);
    bool is_tried = d->backoff_until_ms <= e->now_ms && !d->line_count;
    uint64_t left = is_tried ? 1 : 0; /* finds out whether it works again */
    d->line_count++;                  /* stays while its jobs leave */
    for (int i = 0; i < JOBS_A_STEP && d->ready_count > left; i++)
        if (!move(e, CONTAINER_OF(turns_first(&d->ready), struct job, in_ready)))
            break;
    d->line_count--;
    if (d->ready_count > left) {
        timer_set(e, &d->timer, e->now_ms + STEP_MS);
        return false;
    }
    if (!left)
        destination_drop_if_unused(e, d);
    return left;
}

bool fallback_take(struct engine *e, struct job *j)
{
    struct destination *d = j->destination;
    if (!fallback_takes(e, d))
        return false;
    begin(e, d);
    return move(e, j);
}
