/* sim_action.h -- carrying out what the engine wants. Nothing here tells the engine anything: what
 * comes of an action is put on the agenda. */
#pragma once

#include "engine/engine_port.h"

struct sim_world;

void sim_action_carry_out(struct sim_world *w, const struct engine_action *a);
