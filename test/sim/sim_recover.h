/* sim_recover.h -- what store does at a start, on the false disk: survey, walk, spares. */
#pragma once

struct sim_world;

/* Makes the journal's machine and feeds every record to the engine. */
void sim_recover(struct sim_world *w);
