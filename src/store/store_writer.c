/* store_writer.c -- the thread that writes and syncs. It is the store's own, because a pool full of
 * password hashes must not delay a 250. One job at a time: the machine asks for no more. */
#include "store_inside.h"

#include <errno.h>
#include <fcntl.h>

static enum err run_write(struct disk *d, struct write_job *job)
{
    struct file_name name = segment_name(job->io.segment);
    if (job->fd < 0) {
        job->fd = d->sys->open(d->queue_fd, name.s, O_RDWR, 0);
        if (job->fd < 0)
            return disk_fault(d, &job->why, errno, "open", name.s);
    }
    if (job->io.kind == JOURNAL_IO_SYNC)
        return disk_sync(d, job->fd, name.s, &job->why);
    enum err e = disk_write(d, job->fd, job->io.bytes, job->io.offset, name.s, &job->why);
    if (e || !job->io.sync_follows)
        return e;
    /* The machine will ask for it next: no need to go round the loop for that. */
    job->sync_err = disk_sync(d, job->fd, name.s, &job->why);
    job->has_synced = true;
    return ERR_OK;
}

static void run(struct disk *d, struct write_job *job)
{
    uint64_t from = uv_hrtime();
    job->err =
        job->io.kind == JOURNAL_IO_ADOPT ? disk_adopt(d, &job->io, &job->why) : run_write(d, job);
    job->took_us = (int64_t)((uv_hrtime() - from) / 1000);
}

static void thread_main(void *arg)
{
    struct writer *w = arg;
    uv_mutex_lock(&w->mutex);
    while (!w->is_stopping) {
        if (!w->has_job) {
            uv_cond_wait(&w->wake, &w->mutex);
            continue;
        }
        uv_mutex_unlock(&w->mutex);
        run(w->disk, &w->job);
        uv_mutex_lock(&w->mutex);
        w->has_job = false;
        w->is_done = true;
        uv_async_send(w->done);
    }
    uv_mutex_unlock(&w->mutex);
}

int writer_start(struct writer *w, struct disk *disk, uv_async_t *done)
{
    *w = (struct writer){.disk = disk, .done = done};
    int r = uv_mutex_init(&w->mutex);
    if (r)
        return r;
    r = uv_cond_init(&w->wake);
    if (r)
        goto mutex;
    r = uv_thread_create(&w->thread, thread_main, w);
    if (r)
        goto cond;
    w->is_running = true;
    return 0;

cond:
    uv_cond_destroy(&w->wake);
mutex:
    uv_mutex_destroy(&w->mutex);
    return r;
}

void writer_stop(struct writer *w)
{
    if (!w->is_running)
        return;
    uv_mutex_lock(&w->mutex);
    CHECK(!w->has_job);
    w->is_stopping = true;
    uv_cond_signal(&w->wake);
    uv_mutex_unlock(&w->mutex);
    uv_thread_join(&w->thread);
    uv_cond_destroy(&w->wake);
    uv_mutex_destroy(&w->mutex);
    w->is_running = false;
}

void writer_give(struct writer *w, const struct write_job *job)
{
    uv_mutex_lock(&w->mutex);
    CHECK(!w->has_job && !w->is_done);
    w->job = *job;
    w->has_job = true;
    uv_cond_signal(&w->wake);
    uv_mutex_unlock(&w->mutex);
}

bool writer_take(struct writer *w, struct write_job *job)
{
    uv_mutex_lock(&w->mutex);
    bool is_done = w->is_done;
    if (is_done)
        *job = w->job;
    w->is_done = false;
    uv_mutex_unlock(&w->mutex);
    return is_done;
}
