/* users_watch.h -- has users_file changed? Asked of the pool every few seconds. */
#pragma once

#include <limits.h>
#include <uv.h>

#include "base/slice.h"

enum { USERS_WATCH_MS = 2000 };

struct users_watch {
    uv_loop_t *loop;
    void (*changed)(void);
    char path[PATH_MAX]; /* "": none */
    uv_fs_t request;
    bool is_asking, is_stale; /* stale: the answer is about a file from before */
    uint64_t asked_ms;
    bool is_known;
    uint64_t inode, size;
    int64_t mtime_s, mtime_ns;
};

void users_watch_init(struct users_watch *w, uv_loop_t *loop, void (*changed)(void));
/* It was just read from there. */
void users_watch_set(struct users_watch *w, struct slice path);
void users_watch_tick(struct users_watch *w); /* about once a second */
