/* sim_disk.c -- see the header. */
#include "sim_disk.h"

#include <stdlib.h>
#include <string.h>

static void forget(struct sim_file *f)
{
    free(f->now);
    free(f->safe);
}

void sim_disk_init(struct sim_disk *d, struct rng *rng, size_t file_bytes)
{
    *d = (struct sim_disk){.rng = rng, .file_bytes = file_bytes};
}

void sim_disk_close(struct sim_disk *d)
{
    for (size_t i = 0; i < d->count; i++)
        forget(&d->file[i]);
    for (size_t i = 0; i < d->index_count; i++)
        mem_free(d->index[i].bytes);
    mem_free(d->file);
    mem_free(d->index);
    *d = (struct sim_disk){0};
}

struct sim_file *sim_disk_find(struct sim_disk *d, bool is_spare, uint64_t number)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->file[i].is_spare == is_spare && d->file[i].number == number)
            return &d->file[i];
    return NULL;
}

void sim_disk_delete(struct sim_disk *d, struct sim_file *f)
{
    forget(f);
    *f = d->file[--d->count];
}

/* --- indices --- */

struct sim_index *sim_disk_find_index(struct sim_disk *d, uint64_t number)
{
    for (size_t i = 0; i < d->index_count; i++)
        if (d->index[i].number == number)
            return &d->index[i];
    return NULL;
}

void sim_disk_delete_index(struct sim_disk *d, struct sim_index *x)
{
    mem_free(x->bytes);
    *x = d->index[--d->index_count];
}

static void forget_index(struct sim_disk *d, uint64_t number)
{
    struct sim_index *x = sim_disk_find_index(d, number);
    if (x)
        sim_disk_delete_index(d, x);
}

static void put_index(struct sim_disk *d, uint64_t number, struct slice bytes)
{
    forget_index(d, number);
    if (!bytes.n)
        return;
    if (d->index_count == d->index_cap) {
        d->index_cap = d->index_cap ? d->index_cap * 2 : 16;
        d->index = mem_resize(d->index, d->index_cap * sizeof *d->index);
    }
    const struct sim_file *f = sim_disk_find(d, false, number);
    d->index[d->index_count++] = (struct sim_index){number, mem_dup(bytes.p, bytes.n), bytes.n,
                                                    f && f->lost_from < f->lost_to};
}

/* Whole, empty, cut, with sectors missing, or not there any more. False: the last. */
static bool tear_index(struct sim_disk *d, struct sim_index *x)
{
    switch (rng_below(d->rng, 6)) {
    case 0:
        return false;
    case 1:
        x->n = 0;
        return true;
    case 2:
        x->n = rng_below(d->rng, x->n + 1);
        return true;
    case 3:
        for (size_t at = 0; at < x->n; at += SIM_DISK_SECTOR)
            if (rng_chance(d->rng, 30))
                memset(x->bytes + at, 0, x->n - at < SIM_DISK_SECTOR ? x->n - at : SIM_DISK_SECTOR);
        return true;
    default:
        return true;
    }
}

static void tear_indices(struct sim_disk *d)
{
    for (size_t i = 0; i < d->index_count;)
        if (tear_index(d, &d->index[i]))
            i++;
        else
            sim_disk_delete_index(d, &d->index[i]);
}

/* --- files --- */

static void widen(size_t *from, size_t *to, size_t more_from, size_t more_to)
{
    if (*from == *to) {
        *from = more_from;
        *to = more_to;
        return;
    }
    *from = more_from < *from ? more_from : *from;
    *to = more_to > *to ? more_to : *to;
}

void sim_disk_sync(struct sim_file *f)
{
    memcpy(f->safe + f->dirty_from, f->now + f->dirty_from, f->dirty_to - f->dirty_from);
    f->dirty_from = f->dirty_to = 0;
}

/* Each sector that was not synced made it or not; forgets_rest: nobody will read it again either.
 */
static void tear(struct sim_disk *d, struct sim_file *f, bool forgets_rest)
{
    size_t from = f->dirty_from / SIM_DISK_SECTOR * SIM_DISK_SECTOR;
    for (size_t at = from; at < f->dirty_to; at += SIM_DISK_SECTOR) {
        size_t n = d->file_bytes - at < SIM_DISK_SECTOR ? d->file_bytes - at : SIM_DISK_SECTOR;
        if (rng_chance(d->rng, 50))
            memcpy(f->safe + at, f->now + at, n);
        else if (forgets_rest)
            memcpy(f->now + at, f->safe + at, n);
    }
    if (forgets_rest)
        f->dirty_from = f->dirty_to = 0;
}

void sim_disk_power_cut(struct sim_disk *d)
{
    tear_indices(d);
    for (size_t i = 0; i < d->count; i++) {
        struct sim_file *f = &d->file[i];
        tear(d, f, true);
        memcpy(f->now + f->lost_from, f->safe + f->lost_from, f->lost_to - f->lost_from);
        f->lost_from = f->lost_to = 0;
    }
}

static void write_bytes(struct sim_disk *d, const struct journal_io *io, size_t n)
{
    struct sim_file *f = sim_disk_find(d, false, io->segment);
    CHECK(f && io->offset % 8 == 0 && io->offset + io->bytes.n <= d->file_bytes);
    if (!n)
        return;
    memcpy(f->now + io->offset, io->bytes.p, n);
    widen(&f->dirty_from, &f->dirty_to, io->offset, io->offset + n);
}

void sim_disk_rename(struct sim_disk *d, bool was_spare, uint64_t from, uint64_t to)
{
    struct sim_file *f = sim_disk_find(d, !was_spare, to);
    CHECK(!f || !was_spare); /* only a spare in doubt is overwritten */
    if (f)
        sim_disk_delete(d, f);
    f = sim_disk_find(d, was_spare, from);
    CHECK(f);
    f->is_spare = !was_spare;
    f->number = to;
}

static void make(struct sim_disk *d, uint64_t number)
{
    struct sim_file *f = sim_disk_find(d, true, number);
    if (f)
        sim_disk_delete(d, f);
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->file = mem_resize(d->file, d->cap * sizeof *d->file);
    }
    d->file[d->count++] = (struct sim_file){.is_spare = true,
                                            .number = number,
                                            .now = calloc(1, d->file_bytes),
                                            .safe = calloc(1, d->file_bytes)};
    CHECK(d->file[d->count - 1].now && d->file[d->count - 1].safe);
}

static void do_all(struct sim_disk *d, const struct journal_io *io)
{
    struct sim_file *f = sim_disk_find(d, false, io->segment);
    switch (io->kind) {
    case JOURNAL_IO_NONE:
        break;
    case JOURNAL_IO_WRITE:
        write_bytes(d, io, io->bytes.n);
        break;
    case JOURNAL_IO_SYNC:
        CHECK(f);
        sim_disk_sync(f);
        break;
    case JOURNAL_IO_MAKE:
        make(d, io->spare);
        break;
    case JOURNAL_IO_ADOPT:
        sim_disk_rename(d, true, io->spare, io->segment);
        break;
    case JOURNAL_IO_RETIRE:
        forget_index(d, io->segment);
        if (f && io->spare)
            sim_disk_rename(d, false, io->segment, io->spare);
        else if (f)
            sim_disk_delete(d, f);
        break;
    case JOURNAL_IO_INDEX:
        put_index(d, io->segment, io->bytes);
        break;
    }
}

/* Whole sectors from the front. */
static size_t some_bytes(struct sim_disk *d, const struct journal_io *io)
{
    size_t end = (io->offset + rng_below(d->rng, io->bytes.n + SIM_DISK_SECTOR)) / SIM_DISK_SECTOR *
                 SIM_DISK_SECTOR;
    if (end <= io->offset)
        return 0;
    return end - io->offset < io->bytes.n ? end - io->offset : io->bytes.n;
}

static void do_part(struct sim_disk *d, const struct journal_io *io, bool is_failing)
{
    struct sim_file *f = sim_disk_find(d, false, io->segment);
    switch (io->kind) {
    case JOURNAL_IO_WRITE:
        write_bytes(d, io, some_bytes(d, io));
        break;
    case JOURNAL_IO_SYNC:
        /* A failed sync leaves pages clean that are not on disk: they may be read for a while, or
         * not. */
        CHECK(f);
        if (is_failing && f->dirty_from < f->dirty_to)
            widen(&f->lost_from, &f->lost_to, f->dirty_from, f->dirty_to);
        tear(d, f, is_failing && rng_chance(d->rng, 50));
        if (is_failing)
            f->dirty_from = f->dirty_to = 0;
        break;
    case JOURNAL_IO_NONE:
    case JOURNAL_IO_MAKE:
    case JOURNAL_IO_ADOPT:
    case JOURNAL_IO_RETIRE:
    case JOURNAL_IO_INDEX:
        if (rng_chance(d->rng, 50))
            do_all(d, io);
        break;
    }
}

void sim_disk_do_some(struct sim_disk *d, const struct journal_io *io)
{
    if (rng_chance(d->rng, 30))
        do_all(d, io);
    else
        do_part(d, io, false);
}

enum err sim_disk_do(struct sim_disk *d, const struct journal_io *io)
{
    if (d->is_full && io->kind == JOURNAL_IO_MAKE) {
        d->failures++;
        return ERR_FULL;
    }
    unsigned percent = d->fail_percent[io->kind];
    if (!percent || !rng_chance(d->rng, percent)) {
        do_all(d, io);
        return ERR_OK;
    }
    d->failures++;
    do_part(d, io, true);
    return rng_chance(d->rng, 50) ? ERR_FULL : ERR_SYSTEM;
}

bool sim_disk_is_safe(struct sim_disk *d, struct journal_pos pos)
{
    struct sim_file *f = sim_disk_find(d, false, pos.segment);
    if (!f)
        return false;
    size_t n = journal_record_span(pos.bytes);
    CHECK(pos.offset + n <= d->file_bytes);
    return memcmp(f->now + pos.offset, f->safe + pos.offset, n) == 0;
}
