/* sim_index.h -- segments' indices in the false world: made as the store does, and never believed
 * without a look at the segment itself. */
#pragma once

#include "journal/journal.h"
#include "journal/journal_recover.h"

struct sim_world;
/* The index that this io wants, in w->index. */
struct slice sim_index_make(struct sim_world *w, const struct journal_io *io);
/* A segment found at start out of its index, if it has a good one. `tell` gets each record twice:
 * as the index has it, and as it stands in the segment. The world fails where they differ. */
bool sim_index_load(struct sim_world *w, const struct journal_found *f,
                    void (*tell)(struct sim_world *w, const struct journal_record *head,
                                 const struct journal_record *whole));
/* Indices whose segment is gone. */
void sim_index_drop_orphans(struct sim_world *w);
