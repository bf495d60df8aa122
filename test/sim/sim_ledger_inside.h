/* sim_ledger_inside.h -- what the ledger's files share. */
#pragma once

#include "sim_world.h"

#define U(x) ((unsigned long long)(x))

/* Whose number stands in the address; NULL: nobody's. */
struct sim_mail *sim_ledger_mail(struct sim_world *w, struct slice address);
void sim_ledger_report_stored(struct sim_world *w, struct sim_parcel *p);
/* Where its chunks are; in the world's arena. */
struct journal_pos *sim_ledger_extents(struct sim_world *w, const struct queue_accept *accept);
