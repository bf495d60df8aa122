/* sim_scene_token.h -- scenes of access tokens; rows of sim_scene.c. */
#pragma once

#include "sim_stage.h"

void sim_scene_token(struct sim_stage *s);
void sim_scene_token_refused(struct sim_stage *s);
