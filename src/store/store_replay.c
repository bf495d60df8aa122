/* store_replay.c -- start-up: what lies in the queue directory, told to the machine and, record by
 * record, to the owner. What cannot be read is set aside and said; everything else loads. */
#include "store_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void replay_note(struct replay *r, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (r->note)
        r->note(r->ctx, text);
}

/* --- reading --- */

bool replay_read(struct replay *r, int fd, size_t n, struct fault *why)
{
    return image_read(&r->image, r->store->disk.sys, fd, n, why);
}

int replay_open(struct replay *r, uint64_t sequence, size_t most, size_t *n, bool *is_whole,
                struct fault *why)
{
    struct disk *d = &r->store->disk;
    struct file_name name = segment_name(sequence);
    struct stat st;
    int fd = d->sys->open(d->queue_fd, name.s, O_RDWR, 0);
    if (fd < 0) {
        (void)disk_fault(d, why, errno, "open", name.s);
        return -1;
    }
    *n = fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
    if (*n > most)
        *n = most;
    *is_whole = replay_read(r, fd, *n, why);
    return fd;
}

struct slice replay_index(struct replay *r, uint64_t sequence)
{
    struct disk *d = &r->store->disk;
    struct stat st;
    struct fault ignored;
    size_t n = 0;
    int fd = d->sys->open(d->queue_fd, index_name(sequence).s, O_RDONLY, 0);
    if (fd < 0)
        return SLICE_NONE;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= JOURNAL_SEGMENT_BYTES_MOST &&
        replay_read(r, fd, (size_t)st.st_size, &ignored))
        n = (size_t)st.st_size;
    close(fd);
    return slice_of(r->image.p, n);
}

static enum err replay(struct replay *r, struct fault *why)
{
    struct store *s = r->store;
    struct rng rng;
    bool is_known = s->installation != 0;
    rng_init(&rng, s->seed);
    uint64_t drawn = rng_u64(&rng);
    enum err e = replay_list(r, why);
    if (e)
        return e;
    replay_survey(r);
    if (!s->installation)
        s->installation = rng_u64(&rng) | 1;
    e = replay_judge(r, why);
    if (!e && !is_known)
        e = disk_keep_installation(&s->disk, s->installation, why);
    if (e)
        return e;
    struct journal_options options = {s->disk.segment_bytes, s->options.bytes_max, s->installation};
    s->journal = journal_new(&options, drawn);
    replay_load(r);
    replay_drop_orphans(r);
    journal_found_gone(s->journal, r->gone);
    replay_keep_spares(r);
    return ERR_OK;
}

enum err store_replay(struct store *s, void *ctx,
                      void (*record)(void *ctx, const struct journal_record *r),
                      void (*say)(void *ctx, const char *text), struct fault *why)
{
    CHECK(s->journal == NULL && !s->is_closing);
    uint64_t began = uv_hrtime();
    struct replay r = {.store = s, .ctx = ctx, .record = record, .note = say, .next_spare = 1};
    journal_survey_init(&r.survey);
    enum err e = replay(&r, why);
    journal_survey_close(&r.survey);
    mem_free(r.sequence);
    mem_free(r.spare);
    mem_free(r.index);
    image_close(&r.image);
    if (e)
        return e;
    s->recovery.took_us = (int64_t)((uv_hrtime() - began) / 1000);
    journal_started(s->journal);
    store_pump(s);
    return ERR_OK;
}
