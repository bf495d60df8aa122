/* sim_scene_shape.h -- scenes of limits and of rules about replies; rows of sim_scene.c. */
#pragma once

#include "sim_stage.h"

void sim_scene_rate(struct sim_stage *s);
void sim_scene_storm(struct sim_stage *s);
void sim_scene_slowed(struct sim_stage *s);
void sim_scene_greylist_once(struct sim_stage *s);
