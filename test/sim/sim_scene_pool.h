/* sim_scene_pool.h -- scenes about destinations: domains with the same hosts, hosts that are dead,
 * DNS that fails now and then. */
#pragma once

#include "sim_stage.h"

void sim_scene_shared(struct sim_stage *s);
void sim_scene_silent_host(struct sim_stage *s);
void sim_scene_flapping(struct sim_stage *s);
void sim_scene_moved(struct sim_stage *s);
