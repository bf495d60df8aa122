/* schedule.c -- station 3: which job goes when, and over how many connections.
 *
 * A message's recipients are grouped into jobs, one a destination. A job is ready (in its
 * destination's line), in flight (a connection has it), or deferred (its timer runs). Its timer
 * also brings the delay warning and the expiry, whatever else the job is doing. While a destination
 * is left in peace its jobs wait without cost. */
#include "fallback.h"
#include "home.h"
#include "job.h"
#include "report.h"
#include "route.h"
#include "token.h"

#include "mail/address.h"

enum {
    PICKS_PER_PROBE = 8,    /* connections to others for each probe of a destination in trouble */
    REROUTED_A_STEP = 1024, /* messages, after a reload */
    LOOKS_A_TAKE = 64,      /* jobs that stand in a line they do not belong in any more */
    REPORT_TURN_MS = 1000,  /* and up to as much again as REPORT_SPREAD_MS: until it is tried */
    REPORT_SPREAD_MS = 60 * 1000, /* again to report of an expiry or a delay */
};

static bool wants_warning(const struct engine *e, const struct job *j)
{
    const struct queue_message *m = j->message;
    if (!e->opt->warn_after_ms || m->is_report || !m->sender_bytes)
        return false;
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT; i = m->recipient[i].next_in_job)
        if (m->recipient[i].fate == QUEUE_WAITING && !m->recipient[i].is_warned &&
            !m->recipient[i].is_reporting && report_is_wanted(m, i, MAIL_DSN_DELAYED))
            return true;
    return false;
}

void schedule_arm(struct engine *e, struct job *j)
{
    const struct queue_message *m = j->message;
    int64_t born_ms = queue_born_ms(&e->queue, m), due = born_ms + e->opt->lifetime_ms;
    if (wants_warning(e, j) && born_ms + e->opt->warn_after_ms < due)
        due = born_ms + e->opt->warn_after_ms;
    if (!j->line && !list_has(&j->in_ready) && j->next_ms < due && !job_is_staged_out(e, j))
        due = j->next_ms;
    timer_set(e, &j->timer, j->line || job_is_kept_back(m) ? INT64_MAX : due);
}

static void want(struct engine *e, struct destination *d)
{
    if (!list_has(&d->in_wanting))
        list_add_last(d->failures ? &e->wanting_probe : &e->wanting, &d->in_wanting);
}

static void want_last(struct engine *e, struct destination *d)
{
    list_remove(&d->in_wanting);
    want(e, d);
}

/* A thousand dead destinations must not keep the living from the few connections there are. */
static struct destination *next_wanting(struct engine *e)
{
    bool is_probe = list_is_empty(&e->wanting) || ++e->picks % PICKS_PER_PROBE == 0;
    struct list *from =
        is_probe && !list_is_empty(&e->wanting_probe) ? &e->wanting_probe : &e->wanting;
    struct list *l = list_take_first(from);
    return l ? CONTAINER_OF(l, struct destination, in_wanting) : NULL;
}

void schedule_want(struct engine *e, struct destination *d)
{
    want(e, d);
    timer_set(e, &e->pump_timer, e->now_ms);
}

/* Those that want: now, or step by step when the whole queue is at work. A pump may end jobs, so
 * nobody walks over jobs meanwhile. */
static void pump_soon(struct engine *e)
{
    if (e->is_bulk)
        timer_set(e, &e->pump_timer, e->now_ms);
    else
        schedule_pump_wanting(e);
}

/* No wait of ours is so long: the clock was ahead when it was written, or retry.max was larger. */
static void shorten_wait(struct engine *e, struct job *j)
{
    int64_t most_ms = e->opt->retry_max_ms;
    if (j->next_ms > e->now_ms + 2 * most_ms)
        j->next_ms = e->now_ms + rng_between(&e->rng, 0, most_ms); /* not all at once */
}

/* Of the recipient's route, or of the fallback. */
static struct destination *destination_for(struct engine *e, const struct route_question *q,
                                           bool requires_tls)
{
    struct slice domain = mail_address_domain_of(q->recipient);
    int route = route_find(e->opt, q);
    struct destination *d =
        destination_get(e, route, domain, requires_tls, route_credential(e->opt, route, q));
    if (!fallback_takes(e, home_of(e, d)))
        return d;
    struct destination *other = destination_get(e, d->fallback, domain, requires_tls,
                                                route_credential(e->opt, d->fallback, q));
    destination_drop_if_unused(e, d);
    return other;
}

void schedule_message(struct engine *e, struct queue_message *m)
{
    struct route_question q = {
        .by = m->user_bytes ? engine_options_user(e->opt, queue_user(m)) : NULL,
        .sender = queue_sender(m),
        .bytes = m->wire_bytes,
    };
    for (uint32_t i = m->recipient_count; i-- > 0;) { /* to the front each: in their order then */
        struct queue_recipient *r = &m->recipient[i];
        if (r->fate != QUEUE_WAITING || r->is_reporting || r->next_in_job != QUEUE_UNASSIGNED)
            continue;
        q.recipient = queue_address(m, i);
        struct destination *d = destination_for(e, &q, m->requires_tls);
        struct job *j = job_get(e, m, d);
        r->next_in_job = j->first_recipient;
        j->first_recipient = i;
        if (r->attempts > j->attempts)
            j->attempts = r->attempts;
        if (r->next_ms < j->next_ms)
            j->next_ms = r->next_ms;
    }
    for (struct job *j = m->jobs; j; j = j->next_of_message) {
        if (j->line)
            continue;
        shorten_wait(e, j);
        if (j->next_ms <= e->now_ms)
            job_make_ready(e, j, TURNS_LAST);
        schedule_arm(e, j);
        want(e, j->destination);
    }
    pump_soon(e);
}

bool schedule_is_parked(const struct engine *e, const struct queue_message *m)
{
    for (const struct job *j = m->jobs; j; j = j->next_of_message)
        if (j->line || (j->destination->backoff_until_ms <= e->now_ms &&
                        shape_quiet_until_ms(j->destination) <= e->now_ms && !job_is_paused(e, j)))
            return false;
    return true;
}

void schedule_move(struct engine *e, struct job *j)
{
    job_unready(e, j);
    job_make_ready(e, j, TURNS_LAST);
    schedule_want(e, j->destination);
}

/* The first of the line that may go; others are put where they belong, a bounded number of them. */
static struct job *first_to_go(struct engine *e, struct destination *d)
{
    for (int i = 0; i < LOOKS_A_TAKE && !turns_is_empty(&d->ready); i++) {
        struct job *j = CONTAINER_OF(turns_first(&d->ready), struct job, in_ready);
        if (job_is_staged_out(e, j)) { /* made ready before the reload that began staging */
            job_unready(e, j);
            schedule_arm(e, j);
        } else if (home_of(e, j->domain) != d) {
            schedule_move(e, j);
        } else {
            return j;
        }
    }
    if (!turns_is_empty(&d->ready))
        schedule_want(e, d);
    return NULL;
}

/* Is anybody in it who was due when the part was done? Else it is a job for itself. */
static bool had_no_turn(const struct job *j, int64_t part_ms)
{
    const struct queue_message *m = j->message;
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT; i = m->recipient[i].next_in_job)
        if (m->recipient[i].fate == QUEUE_WAITING && !m->recipient[i].is_reporting &&
            m->recipient[i].next_ms <= part_ms)
            return true;
    return false;
}

/* Those that went together are jobs of their domains again; is_first: untouched, to the front. */
static void part(struct engine *e, struct job *j, bool is_first)
{
    struct queue_message *m = j->message;
    int64_t part_ms = is_first ? j->part_ms : 0;
    bool was_bulk = e->is_bulk;
    e->is_bulk = true; /* pumps wait for the next turn */
    job_free(e, j);
    schedule_message(e, m);
    e->is_bulk = was_bulk;
    for (j = m->jobs; j; j = j->next_of_message) {
        if (!is_first || !list_has(&j->in_ready) || (part_ms && !had_no_turn(j, part_ms)))
            continue;
        j->part_ms = part_ms;
        job_unready(e, j);
        job_make_ready(e, j, TURNS_FIRST);
    }
}

struct job *schedule_take(struct engine *e, struct destination *d)
{
    if (e->is_stopping || turns_is_empty(&d->ready) || destination_is_paused(e, d) ||
        shape_holds(e, d))
        return NULL;
    struct job *j = first_to_go(e, d);
    if (!j)
        return NULL;
    turns_charge(&d->ready, j->message->wire_bytes);
    job_unready(e, j);
    if (home_is_stale(e, j->domain))
        schedule_want(e, j->domain); /* its pump asks */
    if (j->message->jobs != j || j->next_of_message)
        job_take_along(e, j);
    e->in_flight_count++;
    timer_stop(e, &j->timer);
    shape_took(e, d);
    return j;
}

static void not_in_flight(struct engine *e, struct job *j)
{
    if (j->line) {
        j->line = NULL;
        e->in_flight_count--;
    }
}

void schedule_return(struct engine *e, struct job *j)
{
    not_in_flight(e, j);
    if (j->message->is_removing || j->message->is_bouncing) { /* ordered meanwhile */
        outcome_ordered(e, j->message, j);
        return;
    }
    if (j->is_mixed) {
        part(e, j, true);
        return;
    }
    job_make_ready(e, j, TURNS_FIRST);
    schedule_arm(e, j);
}

void schedule_defer(struct engine *e, struct job *j)
{
    struct queue_message *m = j->message;
    not_in_flight(e, j);
    job_unready(e, j);
    if (m->is_removing || m->is_bouncing) { /* those that an earlier part of the job put off */
        outcome_ordered(e, m, j);
        return;
    }
    if (j->is_mixed) {
        part(e, j, false);
        return;
    }
    if (fallback_take(e, j))
        return;
    j->next_ms = fallback_due_ms(e, j->destination);
    if (j->next_ms <= e->now_ms)
        j->next_ms = INT64_MAX;
    j->part_ms = 0;
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job) {
        const struct queue_recipient *r = &m->recipient[i];
        if (r->fate != QUEUE_WAITING || r->is_reporting)
            continue;
        if (r->next_ms < j->next_ms)
            j->next_ms = r->next_ms;
        if (r->attempts > j->attempts)
            j->attempts = r->attempts;
    }
    schedule_arm(e, j);
}

void schedule_end(struct engine *e, struct job *j)
{
    not_in_flight(e, j);
    job_free(e, j);
}

/* Who gets a connection */

/* The first in line is of a message that goes to other domains as well. */
static bool has_companions(const struct destination *d)
{
    if (turns_is_empty(&d->ready))
        return false;
    const struct job *j = CONTAINER_OF(turns_first(&d->ready), struct job, in_ready);
    return j->next_of_message || j->message->jobs != j;
}

/* A domain that knows where its mail goes: its line moves there. */
static void pump_domain(struct engine *e, struct destination *d)
{
    if (home_is_stale(e, d) && d->job_count) {
        schedule_on_room(e, d); /* while it is looked up, the old home serves */
        resolve_destination(e, d);
        return; /* the cache may have answered: then its mail is on its way, and d perhaps gone */
    }
    bool has_others = has_companions(d);
    if (home_move(e, d))
        schedule_want(e, d);
    if (has_others)
        schedule_want(e, d->home); /* behind those of the message that may be about to move, too */
    else
        schedule_pump(e, d->home);
}

void schedule_pump(struct engine *e, struct destination *d)
{
    if (d->home && e->is_started && !e->is_stopping && !e->is_bulk) {
        pump_domain(e, d);
        return;
    }
    if (d->sift_left && home_sift(e, d))
        schedule_want(e, d);
    if (!e->is_started || e->is_stopping || turns_is_empty(&d->ready) ||
        destination_is_paused(e, d) || d->state == DESTINATION_RESOLVING)
        return;
    if (e->is_bulk) {
        want(e, d);
        timer_set(e, &e->pump_timer, e->now_ms);
        return;
    }
    if (shape_holds(e, d))
        return;
    while (deliver_on_idle(e, d))
        if (turns_is_empty(&d->ready))
            return;
    if (!fallback_move(e, d))
        return;
    if (d->backoff_until_ms > e->now_ms) {
        timer_set(e, &d->timer, fallback_wake_ms(e, d));
        return;
    }
    if (!token_is_at_hand(e, d))
        return;
    if (destination_needs_targets(e, d)) {
        d->state = DESTINATION_RESOLVING;
        resolve_destination(e, d);
        return;
    }
    uint32_t most = destination_lines_most(e, d);
    while (d->line_count + d->rival_count < most && !turns_is_empty(&d->ready) &&
           !shape_holds(e, d)) {
        if (!deliver_has_slot(e) && !deliver_make_slot(e)) {
            want(e, d);
            return;
        }
        struct job *j = schedule_take(e, d);
        if (!j)
            return;
        deliver_start(e, d, j);
    }
}

void schedule_pump_wanting(struct engine *e)
{
    /* Each destination at most once a round: one that still wants goes to the end. */
    for (uint64_t n = e->destinations.count; n > 0; n--) {
        if (!deliver_has_slot(e))
            return; /* a line that goes comes back here */
        if (e->action_count >= ACTIONS_ENOUGH) {
            timer_set(e, &e->pump_timer, e->now_ms);
            return;
        }
        struct destination *d = next_wanting(e);
        if (!d)
            return;
        if (destination_is_unused(d))
            destination_drop_if_unused(e, d); /* its last job has moved away */
        else
            schedule_pump(e, d);
    }
}

void schedule_on_targets(struct engine *e, struct destination *d, struct target_list *targets,
                         int64_t until_ms)
{
    d->state = DESTINATION_READY;
    target_list_unref(d->targets);
    d->targets = targets;
    d->targets_until_ms = until_ms;
    shape_limits(e, d);
    schedule_pump(e, d);
}

void schedule_on_line_gone(struct engine *e, struct destination *d)
{
    if (!d->job_count)
        destination_drop_if_unused(e, d);
    else if (list_is_empty(&e->wanting))
        schedule_pump(e, d); /* which may end its jobs, and d with them */
    else
        want_last(e, d); /* behind those that waited for its connection */
    schedule_pump_wanting(e);
}

void schedule_on_room(struct engine *e, struct destination *d)
{
    want(e, d);
    timer_set(e, &e->pump_timer, e->now_ms);
}

/* Too many reports are being made: this job's turn comes a little later. */
static void put_off_report(struct engine *e, struct job *j)
{
    int64_t wait_ms = REPORT_TURN_MS + (int64_t)rng_below(&e->rng, REPORT_SPREAD_MS);
    timer_set(e, &j->timer, e->now_ms + wait_ms);
}

static void on_job_timer(struct engine *e, struct job *j)
{
    const struct queue_message *m = j->message;
    if (j->line || job_is_kept_back(m))
        return; /* its outcome, or the release, looks at the time */
    bool is_crowded = e->report_count >= REPORTS_OUT_MAX;
    int64_t born_ms = queue_born_ms(&e->queue, m);
    if (e->now_ms >= born_ms + e->opt->lifetime_ms) {
        is_crowded ? put_off_report(e, j) : outcome_expire(e, j);
        return;
    }
    if (!list_has(&j->in_ready) && j->next_ms <= e->now_ms)
        job_make_ready(e, j, TURNS_LAST);
    struct destination *d = j->destination;
    bool is_late = wants_warning(e, j) && e->now_ms >= born_ms + e->opt->warn_after_ms;
    if (is_late && !is_crowded)
        outcome_warn(e, j);
    schedule_arm(e, j);
    if (is_late && is_crowded)
        put_off_report(e, j);
    schedule_pump(e, d);
}

static void on_destination_timer(struct engine *e, struct destination *d)
{
    if (d->job_count || d->line_count)
        schedule_pump(e, d);
    else
        destination_drop_if_unused(e, d);
}

void schedule_on_timer(struct engine *e, struct timer *t)
{
    if (t->node.tag == TIMER_JOB) {
        on_job_timer(e, CONTAINER_OF(t, struct job, timer));
        return;
    }
    struct destination *d = CONTAINER_OF(t, struct destination, timer);
    if (d->job_count)
        schedule_pump(e, d);
    else
        on_destination_timer(e, CONTAINER_OF(t, struct destination, timer));
}

/* The operator */

void schedule_retry(struct engine *e, struct queue_message *m)
{
    bool is_first = !e->is_bulk;
    for (struct job *j = m->jobs; j; j = j->next_of_message) {
        j->domain->backoff_until_ms = j->destination->backoff_until_ms = 0;
        shape_forget(j->destination);
        if (!j->line)
            j->part_ms = 0; /* all its recipients are meant */
        if (is_first)
            job_unready(e, j); /* the one that was asked for goes before all others */
        job_make_ready(e, j, is_first ? TURNS_URGENT : TURNS_LAST);
        schedule_arm(e, j);
        want(e, j->destination);
    }
    pump_soon(e);
}

void schedule_order(struct engine *e, struct queue_message *m)
{
    if (m->is_bouncing || m->is_removing) {
        outcome_ordered(e, m, NULL);
        return;
    }
    for (struct job *j = m->jobs; j; j = j->next_of_message) {
        if (!j->line)
            job_unready(e, j);
        schedule_arm(e, j);
    }
}

static void pump_all(struct engine *e)
{
    e->is_bulk = true;
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->destinations, &at));)
        schedule_pump(e, m->value);
    e->is_bulk = false;
}

void schedule_pause(struct engine *e, struct slice name, bool is_paused)
{
    if (!queue_pause(&e->queue, name, is_paused))
        return;
    struct note *n = engine_note(e, is_paused ? NOTE_PAUSED : NOTE_RESUMED, 0);
    engine_tell(e, n, "destination", name.n ? name : SLICE("*"));
    spool_pauses(e);
    if (!is_paused)
        pump_all(e);
}

void schedule_all(struct engine *e)
{
    e->is_bulk = true;
    for (struct queue_message *m = queue_first(&e->queue); m; m = queue_after(&e->queue, m))
        schedule_message(e, m);
    e->is_bulk = false;
}

/* New options: jobs that are not in flight are routed anew, some messages at a time. Until the
 * walk is past them they go where they went. */
void schedule_reroute(struct engine *e)
{
    struct queue_message *m;
    e->is_bulk = true;
    for (int i = 0; i < REROUTED_A_STEP && (m = queue_after_id(&e->queue, e->reroute_at_id)); i++) {
        struct job *next;
        for (struct job *j = m->jobs; j; j = next) {
            next = j->next_of_message;
            if (!j->line && j->destination->generation != e->generation)
                job_free(e, j);
        }
        schedule_message(e, m);
        e->reroute_at_id = m->id;
    }
    e->is_bulk = false;
    if (queue_after_id(&e->queue, e->reroute_at_id))
        timer_set(e, &e->reroute_timer, e->now_ms + STEP_MS);
}

void schedule_reroute_again(struct engine *e)
{
    e->reroute_at_id = 0;
    timer_set(e, &e->reroute_timer, e->now_ms + STEP_MS);
}

void schedule_on_options(struct engine *e)
{
    e->generation++;
    destination_drop_lingering(e);
    e->reroute_at_id = 0;
    destination_on_options(e);
    schedule_reroute(e);
}

void schedule_init(struct engine *e)
{
    list_init(&e->lingering);
    map_init(&e->destinations, rng_u64(&e->rng));
    turns_book_init(&e->turns, rng_u64(&e->rng));
    list_init(&e->wanting);
    list_init(&e->wanting_probe);
    timer_init(&e->pump_timer, TIMER_PUMP);
    timer_init(&e->reroute_timer, TIMER_REROUTE);
}

void schedule_close(struct engine *e)
{
    for (struct queue_message *m = queue_first(&e->queue); m; m = queue_after(&e->queue, m))
        while (m->jobs)
            schedule_end(e, m->jobs);
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->destinations, &at));)
        ((struct destination *)m->value)->home = NULL;
    at = 0;
    for (struct map_entry *d; (d = map_next(&e->destinations, &at)); at = 0)
        destination_free(e, d->value);
    map_close(&e->destinations);
    turns_book_close(&e->turns);
}
