/* submit_limit.c -- see the header. */
#include "submit_limit.h"

#include <string.h>

struct place {
    unsigned sessions;
};

bool submit_limit_init(struct submit_limit *l, struct map *places, const struct engine_options *o,
                       const struct ip *peer, unsigned handshakes, bool is_counted, int64_t now_ms)
{
    *l = (struct submit_limit){
        .phase = SMTP_SERVER_PHASE_GREETING, .phase_ms = now_ms, .progress_ms = now_ms};
    uint64_t id = ip_place(peer);
    if (!is_counted || !id)
        return true;
    struct place *p = map_get_id(places, id);
    unsigned there = (p ? p->sessions : 0) + handshakes;
    if (o->connections_per_address_max && there >= o->connections_per_address_max)
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

unsigned submit_limit_sessions_at(const struct map *places, uint64_t place)
{
    const struct place *p = map_get_id(places, place);
    return p ? p->sessions : 0;
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

void submit_limit_on_phase(struct submit_limit *l, enum smtp_server_phase phase, int64_t now_ms)
{
    if (l->phase == phase)
        return;
    l->phase = phase;
    l->phase_ms = now_ms;
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

/* What the phase has besides idle_ms, and the clock it runs by: a client that has yet to greet or
 * to finish its handshake puts nothing off by what it says meanwhile. */
static int64_t phase_end_ms(const struct submit_limit *l, const struct engine_options *o,
                            enum note_limit *limit)
{
    switch (l->phase) {
    case SMTP_SERVER_PHASE_GREETING:
        *limit = NOTE_LIMIT_GREETING_TIME;
        return l->phase_ms + o->first_command_ms;
    case SMTP_SERVER_PHASE_TLS:
        *limit = NOTE_LIMIT_TLS_TIME;
        return l->phase_ms + o->tls_ms;
    case SMTP_SERVER_PHASE_AUTH:
        *limit = NOTE_LIMIT_AUTH_TIME;
        return l->progress_ms + o->auth_ms;
    case SMTP_SERVER_PHASE_BODY:
        *limit = NOTE_LIMIT_DATA_TIME;
        return l->progress_ms + o->body_ms;
    case SMTP_SERVER_PHASE_COMMAND:
        break;
    }
    *limit = NOTE_LIMIT_IDLE_TIME;
    return l->progress_ms + o->idle_ms;
}

int64_t submit_limit_due_ms(const struct submit_limit *l, const struct engine_options *o,
                            int64_t began_ms)
{
    enum note_limit unused;
    const int64_t ends_ms[] = {
        l->progress_ms + o->idle_ms,
        phase_end_ms(l, o, &unused),
        began_ms ? began_ms + o->transaction_ms : INT64_MAX,
        window_end_ms(l, o),
    };
    int64_t due_ms = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(ends_ms); i++)
        if (ends_ms[i] < due_ms)
            due_ms = ends_ms[i];
    return due_ms;
}

enum note_limit submit_limit_overdue(const struct submit_limit *l, const struct engine_options *o,
                                     int64_t began_ms, int64_t now_ms)
{
    enum note_limit limit;
    if (now_ms >= phase_end_ms(l, o, &limit))
        return limit;
    if (now_ms >= l->progress_ms + o->idle_ms)
        return NOTE_LIMIT_IDLE_TIME;
    if (began_ms && now_ms >= began_ms + o->transaction_ms)
        return NOTE_LIMIT_TRANSACTION_TIME;
    if (now_ms >= window_end_ms(l, o) && is_too_slow(l, o))
        return NOTE_LIMIT_DATA_RATE;
    return NOTE_NO_LIMIT;
}
