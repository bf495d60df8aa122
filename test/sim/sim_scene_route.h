/* sim_scene_route.h -- scenes of several smarthosts, and of mail that takes another way. */
#pragma once

#include "sim_stage.h"

void sim_scene_better_host(struct sim_stage *s);
void sim_scene_half_dead_smarthosts(struct sim_stage *s);
void sim_scene_fallback(struct sim_stage *s);
