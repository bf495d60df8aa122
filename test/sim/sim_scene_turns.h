/* sim_scene_turns.h -- a scene of senders that take turns at one destination. */
#pragma once

#include "sim_stage.h"

void sim_scene_turns(struct sim_stage *s);
