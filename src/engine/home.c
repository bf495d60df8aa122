/* home.c -- see the header. */
#include "home.h"

enum {
    MOVED_A_STEP = 512,
    STAYS_MS = 60 * 1000, /* at the old home, before the MX is looked up again */
    LOOKED_AGAIN = 100,   /* domains, when their home fails; the next ones when it fails again */
};

static int order(const struct home_host *a, const struct home_host *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
    for (size_t i = 0; i < n; i++) {
        char x = ascii_lower(a->name.p[i]), y = ascii_lower(b->name.p[i]);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a->name.n == b->name.n ? 0 : a->name.n < b->name.n ? -1 : 1;
}

/* Few of them: insertion sort. */
static void sort_hosts(struct home_host *h, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct home_host x = h[i];
        unsigned j = i;
        for (; j > 0 && order(&h[j - 1], &x) > 0; j--)
            h[j] = h[j - 1];
        h[j] = x;
    }
}

struct destination *home_of(const struct engine *e, struct destination *domain)
{
    return domain->home && !destination_is_paused(e, domain) ? domain->home : domain;
}

bool home_is_stale(const struct engine *e, const struct destination *domain)
{
    return domain->home && domain->home_until_ms <= e->now_ms && !domain->resolve;
}

void home_leave(struct engine *e, struct destination *domain)
{
    struct destination *home = domain->home;
    if (!home)
        return;
    domain->home = NULL;
    list_remove(&domain->in_home);
    home->guest_count--;
    e->guest_count--;
    destination_drop_if_unused(e, home);
}

static void settle(struct engine *e, struct destination *domain, struct destination *home)
{
    if (domain->home == home)
        return;
    home->guest_count++;
    e->guest_count++;
    if (domain->home) {
        domain->home->sift_left = domain->home->ready_count;
        schedule_want(e, domain->home);
    }
    home_leave(e, domain);
    domain->home = home;
    list_add_last(&home->guests, &domain->in_home);
}

void home_found(struct engine *e, struct destination *domain, const struct home_host *host,
                unsigned count, struct target_list *targets, int64_t until_ms)
{
    struct home_host *sorted = mem_new((count ? count : 1) * sizeof *sorted);
    for (unsigned i = 0; i < count; i++)
        sorted[i] = host[i];
    sort_hosts(sorted, count);
    struct destination *home = destination_get_set(e, domain, sorted, count);
    mem_free(sorted);
    settle(e, domain, home);
    domain->home_until_ms = until_ms;
    domain->state = DESTINATION_READY;
    if (home->state == DESTINATION_RESOLVING) { /* it asks for them itself */
        target_list_unref(targets);
    } else {
        home->state = DESTINATION_READY;
        target_list_unref(home->targets);
        home->targets = targets;
        home->targets_until_ms = until_ms;
    }
    schedule_want(e, domain); /* not at once: others of the message may be about to come along */
}

void home_look_again(struct engine *e, struct destination *set)
{
    for (uint32_t i = 0; i < LOOKED_AGAIN && i < set->guest_count; i++) {
        struct list *first = list_take_first(&set->guests);
        list_add_last(&set->guests, first);
        struct destination *domain = CONTAINER_OF(first, struct destination, in_home);
        if (domain->job_count && home_is_stale(e, domain))
            schedule_want(e, domain);
    }
}

bool home_stays(struct engine *e, struct destination *domain)
{
    if (!domain->home)
        return false;
    domain->home_until_ms = e->now_ms + STAYS_MS;
    domain->state = DESTINATION_READY;
    return true;
}

bool home_move(struct engine *e, struct destination *domain)
{
    struct destination *home = home_of(e, domain);
    if (home == domain)
        return false;
    for (int i = 0; i < MOVED_A_STEP && !turns_is_empty(&domain->ready); i++)
        schedule_move(e, CONTAINER_OF(turns_first(&domain->ready), struct job, in_ready));
    return !turns_is_empty(&domain->ready);
}

bool home_sift(struct engine *e, struct destination *set)
{
    for (int i = 0; i < MOVED_A_STEP && set->sift_left && !turns_is_empty(&set->ready); i++) {
        set->sift_left--;
        /* Who stays goes to the end and has had a turn, so that each comes to be looked at. */
        struct job *j = CONTAINER_OF(turns_first(&set->ready), struct job, in_ready);
        turns_charge(&set->ready, j->message->wire_bytes);
        schedule_move(e, j);
    }
    if (turns_is_empty(&set->ready))
        set->sift_left = 0;
    return set->sift_left > 0;
}

bool home_place(struct engine *e, struct job *j)
{
    struct destination *to = home_of(e, j->domain), *from = j->destination;
    if (to == from)
        return false;
    j->destination = to;
    if (to != j->domain)
        to->job_count++;
    if (from != j->domain && --from->job_count == 0)
        schedule_want(e, from); /* perhaps it is of no use any more; whoever calls still names it */
    return true;
}
