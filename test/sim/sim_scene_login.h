/* sim_scene_login.h -- scenes of logins at a smarthost; rows of sim_scene.c. */
#pragma once

#include "sim_stage.h"

void sim_scene_login_each(struct sim_stage *s);
void sim_scene_login_wrong(struct sim_stage *s);
void sim_scene_login_flaky(struct sim_stage *s);
