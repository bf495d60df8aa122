/* driver_usage.c -- what logins have used of their rates and quotas, over restarts:
 * state_dir/usage, written anew once a minute by the pool when it has changed, and at the end. A
 * crash forgets what was used since. */
#include "driver_core.h"

#include <stdio.h>

#include "file.h"

enum { SAVE_MS = 60 * 1000, TEXT_BYTES_MAX = 2 * 1024 * 1024 };

struct usage_job {
    uv_work_t work;
    struct driver *driver;
    struct buf text;
    const char *path; /* the driver's */
    enum err err;
    struct fault why;
};

void driver_usage_load(struct driver *d)
{
    struct buf text;
    struct fault why = {0};
    snprintf(d->usage_path, sizeof d->usage_path, "%.*s/usage", SLICE_FMT(d->config->state_dir));
    buf_init(&text, TEXT_BYTES_MAX);
    enum err e = file_read(d->usage_path, &text, &why);
    if (e && e != ERR_MISSING)
        driver_warn(d, "what logins have used of their quotas is forgotten: %s", why.text);
    struct engine_event event = {.kind = EVENT_USAGE, .text = buf_slice(&text)};
    if (!e)
        driver_tell(d, &event);
    buf_init(&d->usage_saved, TEXT_BYTES_MAX);
    engine_usage(d->engine, &d->usage_saved);
    buf_close(&text);
}

static void write_usage(uv_work_t *w)
{
    struct usage_job *j = w->data;
    j->err = file_write(j->path, buf_slice(&j->text), &j->why);
}

static void end_job(struct driver *d, struct usage_job *j)
{
    if (j->err)
        driver_warn(d, "what logins have used of their quotas cannot be saved: %s", j->why.text);
    struct buf old = d->usage_saved;
    if (!j->err) {
        d->usage_saved = j->text;
        j->text = old;
    }
    buf_close(&j->text);
    mem_free(j);
}

/* NULL: nothing has changed. */
static struct usage_job *new_job(struct driver *d)
{
    struct usage_job *j = mem_new(sizeof *j);
    j->work.data = j;
    j->driver = d;
    j->path = d->usage_path;
    buf_init(&j->text, TEXT_BYTES_MAX);
    engine_usage(d->engine, &j->text);
    if (!slice_eq(buf_slice(&j->text), buf_slice(&d->usage_saved)))
        return j;
    buf_close(&j->text);
    mem_free(j);
    return NULL;
}

static void on_written(uv_work_t *w, int status)
{
    struct usage_job *j = w->data;
    struct driver *d = j->driver;
    end_job(d, j);
    d->is_usage_writing = false;
    if (d->is_closed)
        driver_close_part(d);
}

void driver_usage_tick(struct driver *d)
{
    if (d->is_usage_writing || driver_now_ms(d) < d->usage_due_ms)
        return;
    d->usage_due_ms = driver_now_ms(d) + SAVE_MS;
    struct usage_job *j = new_job(d);
    if (!j)
        return;
    d->is_usage_writing = true;
    CHECK(uv_queue_work(d->o.loop, &j->work, write_usage, on_written) == 0);
}

void driver_usage_close(struct driver *d)
{
    struct usage_job *j = new_job(d);
    if (j) {
        write_usage(&j->work);
        end_job(d, j);
    }
    buf_close(&d->usage_saved);
}
