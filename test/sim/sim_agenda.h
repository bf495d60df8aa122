/* sim_agenda.h -- what is going to happen, in order of virtual time; at the same moment, in order
 * of asking. Nothing is ever taken back: who asked looks, when it happens, whether it still
 * matters. */
#pragma once

#include "base/err.h"

struct sim_world;

struct sim_happening {
    int64_t at_us;
    uint64_t order;
    void (*run)(struct sim_world *w, void *thing, uint64_t arg);
    void *thing;
    uint64_t arg;
};

struct sim_agenda {
    struct sim_happening *item; /* owned, a binary heap */
    size_t count, cap;
    uint64_t order;
};

void sim_agenda_close(struct sim_agenda *a);
void sim_agenda_add(struct sim_agenda *a, int64_t at_us,
                    void (*run)(struct sim_world *w, void *thing, uint64_t arg), void *thing,
                    uint64_t arg);
int64_t sim_agenda_due_us(const struct sim_agenda *a); /* INT64_MAX: nothing */
struct sim_happening sim_agenda_take(struct sim_agenda *a);
