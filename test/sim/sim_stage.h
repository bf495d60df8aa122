/* sim_stage.h -- what scenes stand on: a small well-behaved world and short words for what happens
 * in it. */
#pragma once

#include "sim_plan.h"

struct sim_stage {
    struct sim_options options, other; /* the second one: for a reload */
    struct sim_world *w;
    unsigned host; /* of d.test */
};

/* Domains s.test (senders) and d.test, one good host each; d.test's is s->host. Change options
 * before sim_stage_begin, which starts the relay. */
void sim_stage_open(struct sim_stage *s, bool is_verbose);
void sim_stage_begin(struct sim_stage *s);
void sim_stage_close(struct sim_stage *s);
/* A domain with one MX host of its own, mx.NAME; its index. */
unsigned sim_stage_domain(struct sim_stage *s, const char *name);
void sim_stage_mood(struct sim_stage *s, unsigned host, const char *mood);
struct sim_domain *sim_stage_find(struct sim_stage *s, const char *name);

/* A message for these addresses ("u@d.test x@d.test"), said by a client of its own, soon. */
struct sim_mail *sim_stage_submit(struct sim_stage *s, const char *to, size_t bytes);
/* The same to be said by the caller's client. */
struct sim_mail *sim_stage_mail(struct sim_stage *s, const char *to, size_t bytes);

void sim_stage_wait(struct sim_stage *s, int64_t ms);
/* Waits for it, at most so long; else the scene fails. */
bool sim_stage_wait_for(struct sim_stage *s,
                        bool (*is_so)(const struct sim_stage *s, const void *x), const void *x,
                        int64_t most_ms, const char *what);
/* Until all clients are done and the queue is empty. */
void sim_stage_wait_for_rest(struct sim_stage *s, int64_t most_ms);
void sim_stage_expect(struct sim_stage *s, bool is_so, const char *what);

/* What became of its i-th recipient. */
enum queue_fate sim_stage_fate(const struct sim_stage *s, const struct sim_mail *m, unsigned i);
unsigned sim_stage_takes(const struct sim_stage *s, const struct sim_mail *m, unsigned i);
struct sim_fate *sim_stage_fate_of(const struct sim_stage *s, const struct sim_mail *m, unsigned i);
/* The only report about this message that says so; NULL fails the scene. Valid until the next. */
const struct sim_report *sim_stage_report(struct sim_stage *s, const struct sim_mail *m,
                                          bool is_failure);
uint64_t sim_stage_notes(const struct sim_stage *s, enum note_kind kind);
