/* sim_ledger_inside.h -- what the ledger's files share. */
#pragma once

#include "sim_world.h"

#define U(x) ((unsigned long long)(x))

/* Whose number stands in the address; NULL: nobody's. */
struct sim_mail *sim_ledger_mail(struct sim_world *w, struct slice address);
void sim_ledger_report_stored(struct sim_world *w, struct sim_parcel *p);
/* sim_ledger_order.c */
void sim_ledger_on_order(struct sim_world *w, const struct engine_action *a, struct slice payload);
void sim_ledger_order_appended(struct sim_world *w, uint64_t ticket, enum err err,
                               struct journal_pos pos);
void sim_ledger_orders_on_crash(struct sim_world *w);
/* Something was done for it: may it? */
void sim_ledger_check_order(struct sim_world *w, const struct sim_parcel *p, const char *what);
/* Where its chunks are; in the world's arena. */
struct journal_pos *sim_ledger_extents(struct sim_world *w, const struct queue_accept *accept);
