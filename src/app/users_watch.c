/* users_watch.c -- see users_watch.h. A file is another one when its inode, size or time of change
 * is. One that was changed less than two seconds before it was read may change again within the
 * same tick of its clock, so it is read once more. */
#include "users_watch.h"

#include <string.h>

enum { RECENT_S = 2 };

void users_watch_init(struct users_watch *w, uv_loop_t *loop, void (*changed)(void))
{
    *w = (struct users_watch){.loop = loop, .changed = changed};
}

/* All zero: it cannot be looked at. */
static bool keep(struct users_watch *w, const uv_fs_t *r)
{
    const uv_stat_t none = {0};
    const uv_stat_t *st = r->result == 0 ? &r->statbuf : &none;
    bool is_same = w->is_known && w->inode == st->st_ino && w->size == st->st_size &&
                   w->mtime_s == st->st_mtim.tv_sec && w->mtime_ns == st->st_mtim.tv_nsec;
    w->is_known = true;
    w->inode = st->st_ino;
    w->size = st->st_size;
    w->mtime_s = st->st_mtim.tv_sec;
    w->mtime_ns = st->st_mtim.tv_nsec;
    return is_same;
}

void users_watch_set(struct users_watch *w, struct slice path)
{
    w->is_stale = w->is_asking;
    w->is_known = false;
    w->path[0] = 0;
    if (!path.n || path.n >= sizeof w->path)
        return;
    memcpy(w->path, path.p, path.n);
    w->path[path.n] = 0;
    uv_fs_t r;
    uv_timeval64_t now;
    (void)uv_fs_stat(NULL, &r, w->path, NULL);
    (void)keep(w, &r);
    uv_gettimeofday(&now);
    if (now.tv_sec - w->mtime_s < RECENT_S)
        w->is_known = false;
    uv_fs_req_cleanup(&r);
}

static void on_stat(uv_fs_t *r)
{
    struct users_watch *w = r->data;
    bool is_same = w->is_stale || keep(w, r);
    uv_fs_req_cleanup(r);
    w->is_asking = w->is_stale = false;
    if (!is_same)
        w->changed();
}

void users_watch_tick(struct users_watch *w)
{
    if (!w->path[0] || w->is_asking || uv_now(w->loop) - w->asked_ms < USERS_WATCH_MS)
        return;
    w->asked_ms = uv_now(w->loop);
    w->request.data = w;
    w->is_asking = uv_fs_stat(w->loop, &w->request, w->path, on_stat) == 0;
}
