/* sim_scene.h -- fixed, named worlds: each shows one path and says ok. */
#pragma once

/* All of them, or those named; "-v" first: with everything that happens. */
int sim_scene_run(int count, char **name);
