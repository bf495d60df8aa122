/* queue_dir.h -- which queue directory a command means: --dir, or the configuration's state_dir. */
#pragma once

#include "cli.h"
#include "store/store_look.h"

enum { STATE_DIR_BYTES_MAX = 4096 };

/* 0, or an exit status (it has complained). */
MUST_USE int queue_dir_find(const struct cli *c, char out[STATE_DIR_BYTES_MAX]);
MUST_USE int queue_dir_open(const struct cli *c, struct store_look **out);
