/* sim_scene_staging.h -- a scene of staging; a row of sim_scene.c. */
#pragma once

#include "sim_stage.h"

void sim_scene_staging(struct sim_stage *s);
