/* submit_limit.c -- see the header. */
#include "submit_limit.h"

#include <string.h>

struct place {
    unsigned sessions;
};

/* The /64 as a number, or the IPv4 address: below every /64 in use, ::/32 being reserved. */
static uint64_t place_of(const struct ip *peer)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:192.0.2.1 */
    uint64_t id = 0;
    if (peer->family == IP_NONE)
        return 0;
    bool is_mapped = peer->family == IP_V6 && memcmp(peer->b, mapped, sizeof mapped) == 0;
    const uint8_t *b = is_mapped ? peer->b + 12 : peer->b;
    for (int i = 0; i < (peer->family == IP_V4 || is_mapped ? 4 : 8); i++)
        id = id << 8 | b[i];
    return id ? id : 1; /* ::1 and its like */
}

bool submit_limit_init(struct submit_limit *l, struct map *places, const struct engine_options *o,
                       const struct ip *peer, bool is_counted, int64_t now_ms)
{
    *l = (struct submit_limit){.progress_ms = now_ms};
    uint64_t id = place_of(peer);
    if (!is_counted || !id)
        return true;
    struct place *p = map_get_id(places, id);
    if (p && o->connections_per_address_max && p->sessions >= o->connections_per_address_max)
        return false;
    if (!p) {
        p = mem_new(sizeof *p);
        map_put_id(places, id, p);
    }
    p->sessions++;
    l->place = id;
    return true;
}

void submit_limit_close(struct submit_limit *l, struct map *places)
{
    struct place *p = l->place ? map_get_id(places, l->place) : NULL;
    if (p && --p->sessions == 0)
        mem_free(map_take_id(places, l->place));
    *l = (struct submit_limit){0};
}

void submit_limit_places_close(struct map *places)
{
    CHECK(places->count == 0); /* the last session of each took it along */
    map_close(places);
}

void submit_limit_on_progress(struct submit_limit *l, int64_t now_ms)
{
    l->progress_ms = now_ms;
}

void submit_limit_on_minute(struct submit_limit *l, int64_t now_ms)
{
    l->window_ms = now_ms;
    l->window_bytes = 0;
}

static bool is_too_slow(const struct submit_limit *l, const struct engine_options *o)
{
    return l->window_bytes < o->data_rate_min * (SUBMIT_RATE_WINDOW_MS / 1000);
}

void submit_limit_on_body(struct submit_limit *l, const struct engine_options *o, uint64_t bytes,
                          int64_t now_ms)
{
    l->progress_ms = now_ms;
    if (!l->window_ms)
        submit_limit_on_minute(l, now_ms);
    l->window_bytes += bytes;
    if (now_ms - l->window_ms >= SUBMIT_RATE_WINDOW_MS && !is_too_slow(l, o))
        submit_limit_on_minute(l, now_ms);
}

void submit_limit_on_pause(struct submit_limit *l)
{
    l->window_ms = 0;
    l->window_bytes = 0;
}

/* When this minute may have been too slow; a fast one is not looked at. */
static int64_t window_end_ms(const struct submit_limit *l, const struct engine_options *o)
{
    if (!l->window_ms || !o->data_rate_min)
        return INT64_MAX;
    return l->window_ms + SUBMIT_RATE_WINDOW_MS;
}

int64_t submit_limit_due_ms(const struct submit_limit *l, const struct engine_options *o,
                            int64_t began_ms)
{
    int64_t due_ms = l->progress_ms + o->idle_ms, end_ms = window_end_ms(l, o);
    if (began_ms && due_ms > began_ms + o->transaction_ms)
        due_ms = began_ms + o->transaction_ms;
    return due_ms < end_ms ? due_ms : end_ms;
}

enum submit_overdue submit_limit_overdue(const struct submit_limit *l,
                                         const struct engine_options *o, int64_t began_ms,
                                         int64_t now_ms)
{
    if (now_ms >= l->progress_ms + o->idle_ms)
        return SUBMIT_IDLE;
    if (began_ms && now_ms >= began_ms + o->transaction_ms)
        return SUBMIT_TOO_LONG;
    if (now_ms >= window_end_ms(l, o) && is_too_slow(l, o))
        return SUBMIT_TOO_SLOW;
    return SUBMIT_IN_TIME;
}

struct slice submit_limit_why(enum submit_overdue how)
{
    switch (how) {
    case SUBMIT_IN_TIME:
        break;
    case SUBMIT_IDLE:
        return SLICE("nothing comes");
    case SUBMIT_TOO_LONG:
        return SLICE("the message takes too long");
    case SUBMIT_TOO_SLOW:
        return SLICE("the message comes too slowly");
    }
    return SLICE_NONE;
}
