/* sim_stage.c -- see the header. */
#include "sim_stage.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESSES_MAX = 128 };

void sim_stage_open(struct sim_stage *s, bool is_verbose)
{
    memset(s, 0, sizeof *s);
    sim_options_init(&s->options);
    sim_options_init(&s->other);
    s->w = sim_world_new(1, &s->options.o, SIM_SEGMENT_BYTES);
    s->w->is_verbose = is_verbose;
    (void)sim_stage_domain(s, "s.test");
    s->host = sim_stage_domain(s, "d.test");
}

void sim_stage_begin(struct sim_stage *s)
{
    sim_host_group(s->w);
    sim_world_start(s->w);
}

void sim_stage_close(struct sim_stage *s)
{
    sim_world_free(s->w);
}

unsigned sim_stage_domain(struct sim_stage *s, const char *name)
{
    char host[SIM_NAME_BYTES];
    snprintf(host, sizeof host, "mx.%s", name);
    unsigned i = sim_host_add(s->w, host);
    s->w->host[i].tls = SIM_TLS_GOOD;
    s->w->host[i].size_max = 64 * 1024 * 1024;
    sim_dns_add_mx(s->w, sim_dns_add(s->w, name, SIM_DOMAIN_MX), 10, i);
    return i;
}

void sim_stage_mood(struct sim_stage *s, unsigned host, const char *mood)
{
    s->w->host[host].mood = sim_mood_named(mood);
}

struct sim_domain *sim_stage_find(struct sim_stage *s, const char *name)
{
    struct sim_domain *d = sim_dns_find(s->w, slice_cstr(name));
    CHECK(d);
    return d;
}

struct sim_mail *sim_stage_mail(struct sim_stage *s, const char *to, size_t bytes)
{
    char text[ADDRESSES_MAX][SIM_ADDRESS_BYTES];
    const char *address[ADDRESSES_MAX];
    unsigned n = 0;
    while (*to) {
        size_t span = strcspn(to, " ");
        CHECK(n < ADDRESSES_MAX);
        snprintf(text[n], sizeof text[n], "%.*s", (int)span, to);
        address[n] = text[n];
        n++;
        to += span + strspn(to + span, " ");
    }
    struct sim_wish wish = {address, n, "s.test", bytes};
    return sim_world_mail(s->w, &wish);
}

struct sim_mail *sim_stage_submit(struct sim_stage *s, const char *to, size_t bytes)
{
    static const struct sim_manners manners = {
        .quits = true, .messages_a_session = 100, .pause_ms = SIM_MINUTE_MS};
    struct sim_mail *m = sim_stage_mail(s, to, bytes);
    sim_client_add(s->w, &manners, &m, 1, sim_world_now_ms(s->w) + 10);
    return m;
}

void sim_stage_wait(struct sim_stage *s, int64_t ms)
{
    sim_world_run(s->w, sim_world_now_ms(s->w) + ms);
}

void sim_stage_expect(struct sim_stage *s, bool is_so, const char *what)
{
    if (!is_so)
        sim_fail(s->w, "expected: %s", what);
}

bool sim_stage_wait_for(struct sim_stage *s,
                        bool (*is_so)(const struct sim_stage *s, const void *x), const void *x,
                        int64_t most_ms, const char *what)
{
    int64_t last = sim_world_now_ms(s->w) + most_ms;
    while (!is_so(s, x) && sim_world_step(s->w, last))
        ;
    sim_stage_expect(s, is_so(s, x), what);
    return !s->w->has_failed;
}

static bool is_at_rest(const struct sim_stage *s, const void *unused)
{
    return sim_world_is_at_rest(s->w);
}

void sim_stage_wait_for_rest(struct sim_stage *s, int64_t most_ms)
{
    (void)sim_stage_wait_for(s, is_at_rest, NULL, most_ms, "all is done and the queue is empty");
}

struct sim_fate *sim_stage_fate_of(const struct sim_stage *s, const struct sim_mail *m, unsigned i)
{
    struct sim_parcel *p = sim_ledger_of_mail(s->w, m);
    return p ? sim_ledger_fate(p, slice_cstr(sim_mail_goes_to(&m->recipient[i]))) : NULL;
}

enum queue_fate sim_stage_fate(const struct sim_stage *s, const struct sim_mail *m, unsigned i)
{
    const struct sim_fate *f = sim_stage_fate_of(s, m, i);
    return f ? f->noted : QUEUE_WAITING;
}

unsigned sim_stage_takes(const struct sim_stage *s, const struct sim_mail *m, unsigned i)
{
    const struct sim_fate *f = sim_stage_fate_of(s, m, i);
    return f ? f->takes : 0;
}

const struct sim_report *sim_stage_report(struct sim_stage *s, const struct sim_mail *m,
                                          bool is_failure)
{
    static struct sim_report r;
    const struct sim_parcel *found = NULL;
    for (size_t i = 0; i < s->w->ledger.count; i++) {
        const struct sim_parcel *p = s->w->ledger.all[i];
        if (!p->is_report || p->mail != m || p->is_failure != is_failure ||
            p->state != SIM_PARCEL_STORED)
            continue;
        sim_stage_expect(s, !found, "one report only");
        found = p;
    }
    sim_stage_expect(s, found && found->fate[0].takes == 1, "a report that the sender has got");
    if (!found || !sim_report_parse(buf_slice(&found->text), &r, NULL))
        return NULL;
    return &r;
}

uint64_t sim_stage_notes(const struct sim_stage *s, enum note_kind kind)
{
    return s->w->ledger.notes[kind];
}
