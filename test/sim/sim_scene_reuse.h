/* sim_scene_reuse.h -- scenes of connections used again, and of hosts that take little at a time.
 */
#pragma once

#include "sim_stage.h"

void sim_scene_limits(struct sim_stage *s);
void sim_scene_told_limits(struct sim_stage *s);
void sim_scene_ends_early(struct sim_stage *s);
void sim_scene_chunks(struct sim_stage *s);
void sim_scene_no_chunks(struct sim_stage *s);
