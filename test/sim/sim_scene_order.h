/* sim_scene_order.h -- scenes of what an operator does; rows of sim_scene.c. */
#pragma once

#include "sim_stage.h"

void sim_scene_paused(struct sim_stage *s);
void sim_scene_deleted(struct sim_stage *s);
void sim_scene_held(struct sim_stage *s);
void sim_scene_held_and_moved(struct sim_stage *s);
void sim_scene_bounced(struct sim_stage *s);
