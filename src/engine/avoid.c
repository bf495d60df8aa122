/* avoid.c -- see the header.
 *
 * A few losses in a row, or one refusal, begin a period in which IPv6 is tried last. When it is
 * over the next connection tests it: a loss begins the next period at once, twice as long; a
 * delivery over IPv6 ends it all. */
#include "avoid.h"

#include "engine_core.h"

#include <string.h>

enum {
    NAMES_MAX = 4096,
    LOSSES_MAX = 3, /* then a period begins */
    LOST_MS = 10 * 60 * 1000,
    REFUSED_MS = 60 * 60 * 1000,
    NO_ROUTE_MS = 5 * 60 * 1000,
    PERIOD_MOST_MS = 24 * 60 * 60 * 1000,
    DOUBLINGS_MAX = 10,
};

static void forget(struct engine *e, struct avoid *a)
{
    map_take(&e->avoid.by_name, slice_cstr(a->name));
    list_remove(&a->in_age);
    mem_free(a->name);
    mem_free(a);
}

static struct avoid *find(const struct engine *e, struct slice name)
{
    return e->avoid.by_name.count ? map_get(&e->avoid.by_name, name) : NULL;
}

static struct avoid *get(struct engine *e, const struct destination *d)
{
    struct avoid *a = find(e, slice_cstr(d->name));
    if (a) {
        list_remove(&a->in_age);
    } else {
        if (e->avoid.by_name.count == NAMES_MAX)
            forget(e, CONTAINER_OF(e->avoid.age.next, struct avoid, in_age));
        a = mem_new(sizeof *a);
        a->name = mem_dup(d->name, strlen(d->name));
        map_put(&e->avoid.by_name, slice_cstr(a->name), a);
    }
    list_add_last(&e->avoid.age, &a->in_age);
    return a;
}

static void begin_period(struct engine *e, struct avoid *a, int64_t first_ms, const char *why)
{
    int64_t wait_ms = first_ms << (a->periods < DOUBLINGS_MAX ? a->periods : DOUBLINGS_MAX);
    a->periods++;
    a->until_ms = e->now_ms + (wait_ms < PERIOD_MOST_MS ? wait_ms : PERIOD_MOST_MS);
    struct note *n = engine_note(e, NOTE_V6_AVOIDED, 0);
    engine_tell(e, n, "destination", a->name ? slice_cstr(a->name) : SLICE("*"));
    note_text(n, "for",
              arena_printf(&e->arena, "%lldm", (long long)((a->until_ms - e->now_ms) / 60000)));
    engine_tell(e, n, "reason", slice_cstr(why));
}

/* What was begun before a period does not count again. */
static void lose(struct engine *e, struct avoid *a, int64_t first_ms, const char *why)
{
    if (a->until_ms > e->now_ms || (!a->periods && ++a->losses < LOSSES_MAX))
        return;
    begin_period(e, a, first_ms, why);
}

void avoid_lost(struct engine *e, struct destination *d)
{
    if (e->avoid.everywhere.until_ms > e->now_ms)
        return; /* it is not this destination's fault */
    lose(e, get(e, d), LOST_MS, "IPv4 answers first");
}

void avoid_refused(struct engine *e, struct destination *d, const char *why)
{
    struct avoid *a = get(e, d);
    if (a->until_ms <= e->now_ms)
        begin_period(e, a, REFUSED_MS, why);
}

void avoid_no_route(struct engine *e)
{
    lose(e, &e->avoid.everywhere, NO_ROUTE_MS, "there is no route for IPv6");
}

void avoid_connected(struct engine *e)
{
    struct avoid *a = &e->avoid.everywhere;
    a->losses = a->periods = 0;
    a->until_ms = 0;
}

void avoid_delivered(struct engine *e, struct destination *d)
{
    struct avoid *a = find(e, slice_cstr(d->name));
    if (a)
        forget(e, a);
}

int64_t avoid_v6_until_ms(const struct engine *e, struct slice name, bool *everywhere)
{
    const struct avoid *a = find(e, name);
    int64_t here = a ? a->until_ms : 0, all = e->avoid.everywhere.until_ms;
    *everywhere = all > here;
    return all > here ? all : here;
}

bool avoid_v6(const struct engine *e, const struct destination *d)
{
    bool everywhere;
    return avoid_v6_until_ms(e, slice_cstr(d->name), &everywhere) > e->now_ms;
}

void avoid_init(struct engine *e)
{
    map_init(&e->avoid.by_name, rng_u64(&e->rng));
    list_init(&e->avoid.age);
}

void avoid_close(struct engine *e)
{
    while (!list_is_empty(&e->avoid.age))
        forget(e, CONTAINER_OF(e->avoid.age.next, struct avoid, in_age));
    map_close(&e->avoid.by_name);
}
