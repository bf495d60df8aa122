/* sim_scene_full.h -- scenes of a queue without room; rows of sim_scene.c. */
#pragma once

#include "sim_stage.h"

void sim_scene_queue_full(struct sim_stage *s);
void sim_scene_full_restarts(struct sim_stage *s);
