/* sim_scene_address.h -- scenes of hosts with several addresses; rows of sim_scene.c. */
#pragma once

#include "sim_stage.h"

void sim_scene_v6_hole(struct sim_stage *s);
void sim_scene_v6_refused(struct sim_stage *s);
void sim_scene_no_v6(struct sim_stage *s);
void sim_scene_half_dead(struct sim_stage *s);
void sim_scene_slow_host(struct sim_stage *s);
void sim_scene_sources(struct sim_stage *s);
