/* test_journal.c -- the machine on a false disk that forgets what was not synced, in 512-byte
 * sectors, and fails when told to. Random runs are crashed at any io step, recovered by
 * journal_recover, checked, and go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/journal_recover.h"

enum {
    SECTOR = 512,
    FILES_MAX = 128,
    RELEASES_MAX = 1000,
    KINDS = JOURNAL_IO_INDEX + 1,
    INSTALLATION = 77
};

/* --- the false disk --- */

struct file {
    bool is_spare;
    uint64_t number;
    size_t bytes;
    char *now, *safe; /* as read back; what survives a crash for sure */
};

struct disk {
    struct file file[FILES_MAX];
    size_t count, bytes;
    uint64_t seed;
    struct rng rng;
    unsigned fail_percent;
    bool fails_records;              /* headers can be written, records cannot */
    uint64_t released[RELEASES_MAX]; /* segments in the order of their release, in this life */
    size_t released_count;
    uint64_t ios[KINDS], fail_from[KINDS], fail_to[KINDS]; /* n-th to m-th io of a kind fails */
    enum err fail_as;
};

static void disk_close(struct disk *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->file[i].now);
        free(d->file[i].safe);
    }
    d->count = 0;
}

static struct file *disk_find(struct disk *d, bool is_spare, uint64_t number)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->file[i].is_spare == is_spare && d->file[i].number == number)
            return &d->file[i];
    }
    return NULL;
}

static void disk_delete(struct disk *d, struct file *f)
{
    free(f->now);
    free(f->safe);
    *f = d->file[--d->count];
}

static void sector_copy(struct file *f, size_t at, const char *from, char *to)
{
    size_t n = f->bytes - at < SECTOR ? f->bytes - at : SECTOR;
    memcpy(to + at, from + at, n);
}

/* Each sector that was not synced either made it or not. */
static void disk_tear(struct disk *d, struct file *f)
{
    for (size_t at = 0; at < f->bytes; at += SECTOR) {
        if (rng_chance(&d->rng, 50))
            sector_copy(f, at, f->now, f->safe);
    }
    memcpy(f->now, f->safe, f->bytes);
}

static void disk_crash(struct disk *d)
{
    for (size_t i = 0; i < d->count; i++)
        disk_tear(d, &d->file[i]);
}

static void disk_write(struct disk *d, const struct journal_io *io, size_t n)
{
    struct file *f = disk_find(d, false, io->segment);
    assert_non_null(f);
    assert_true(io->offset + io->bytes.n <= f->bytes);
    assert_true(io->offset % 8 == 0);
    memcpy(f->now + io->offset, io->bytes.p, n);
}

static void disk_rename(struct disk *d, bool was_spare, uint64_t from, uint64_t to)
{
    struct file *f = disk_find(d, !was_spare, to);
    assert_true(!f || was_spare == false); /* only a spare in doubt is overwritten */
    if (f)
        disk_delete(d, f);
    f = disk_find(d, was_spare, from);
    assert_non_null(f);
    f->is_spare = !was_spare;
    f->number = to;
}

static void disk_make(struct disk *d, uint64_t number)
{
    struct file *f = disk_find(d, true, number);
    if (f)
        disk_delete(d, f);
    assert_true(d->count < FILES_MAX);
    d->file[d->count++] =
        (struct file){true, number, d->bytes, calloc(1, d->bytes), calloc(1, d->bytes)};
}

/* Of two released segments the later one may hold the outcome of what the earlier one holds. */
static void check_order(struct disk *d, uint64_t leaving)
{
    size_t turn = 0;
    while (turn < d->released_count && d->released[turn] != leaving)
        turn++;
    for (size_t i = 0; turn < d->released_count && i < turn; i++) {
        if (disk_find(d, false, d->released[i]))
            fail_msg("seed %llu: segment %d goes before %d, which was released earlier",
                     (unsigned long long)d->seed, (int)leaving, (int)d->released[i]);
    }
}

/* Carries an io out, wholly. */
static void disk_do(struct disk *d, const struct journal_io *io)
{
    struct file *f = disk_find(d, false, io->segment);
    switch (io->kind) {
    case JOURNAL_IO_NONE:
        fail();
        break;
    case JOURNAL_IO_WRITE:
        disk_write(d, io, io->bytes.n);
        break;
    case JOURNAL_IO_SYNC:
        assert_non_null(f);
        memcpy(f->safe, f->now, f->bytes);
        break;
    case JOURNAL_IO_MAKE:
        disk_make(d, io->spare);
        break;
    case JOURNAL_IO_ADOPT:
        disk_rename(d, true, io->spare, io->segment);
        break;
    case JOURNAL_IO_RETIRE:
        check_order(d, io->segment);
        if (f && io->spare)
            disk_rename(d, false, io->segment, io->spare);
        else if (f)
            disk_delete(d, f);
        break;
    case JOURNAL_IO_INDEX: /* what it would hold is test_journal_index.c's */
        assert_non_null(f);
        break;
    }
}

/* A part of a write, whole sectors. */
static size_t disk_some(struct disk *d, const struct journal_io *io)
{
    size_t end = (io->offset + rng_below(&d->rng, io->bytes.n + SECTOR)) / SECTOR * SECTOR;
    if (end <= io->offset)
        return 0;
    return end - io->offset < io->bytes.n ? end - io->offset : io->bytes.n;
}

/* It fails: a part of it may have happened all the same. */
static void disk_do_half(struct disk *d, const struct journal_io *io)
{
    struct file *f = disk_find(d, false, io->segment);
    switch (io->kind) {
    case JOURNAL_IO_WRITE:
        disk_write(d, io, disk_some(d, io));
        break;
    case JOURNAL_IO_SYNC:
        disk_tear(d, f);
        break;
    case JOURNAL_IO_NONE:
    case JOURNAL_IO_MAKE:
    case JOURNAL_IO_ADOPT:
    case JOURNAL_IO_RETIRE:
    case JOURNAL_IO_INDEX:
        if (rng_chance(&d->rng, 50))
            disk_do(d, io);
        break;
    }
}

static enum err disk_run(struct disk *d, const struct journal_io *io)
{
    uint64_t n = ++d->ios[io->kind];
    bool is_failing = (n >= d->fail_from[io->kind] && n <= d->fail_to[io->kind]) ||
                      (d->fails_records && io->kind == JOURNAL_IO_WRITE && io->offset > 0) ||
                      (d->fail_percent && rng_chance(&d->rng, d->fail_percent));
    if (!is_failing) {
        disk_do(d, io);
        return ERR_OK;
    }
    disk_do_half(d, io);
    return d->fail_as ? d->fail_as : rng_chance(&d->rng, 50) ? ERR_FULL : ERR_SYSTEM;
}

/* --- an owner who remembers what it was told --- */

enum { RECORDS_MAX = 6000, OUT_MAX = 8 };

struct known {
    uint64_t id;
    uint32_t bytes;
    uint8_t type;
    bool needs_sync, is_done, is_released;
    enum err err;
    struct journal_pos pos;
    bool is_found, was_found, was_missing; /* by the latest recovery; by one before */
};

struct world {
    struct disk disk;
    struct journal *j;
    struct journal_options options;
    struct known *known; /* by ticket */
    uint64_t tickets, completed, spares, starts;
    struct journal_io out[OUT_MAX];
    size_t out_count;
    int64_t now_ms;
    uint64_t seed;
    bool expects_clean; /* everything was synced: nothing may look torn */
    bool may_return;    /* failures whose seal was not on disk at a crash */
};

static void world_init(struct world *w, uint64_t seed, uint64_t segment_bytes, uint64_t segments)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->disk.seed = seed;
    rng_init(&w->disk.rng, seed);
    w->disk.bytes = segment_bytes;
    w->options = (struct journal_options){segment_bytes, segments * segment_bytes, INSTALLATION};
    w->known = calloc(RECORDS_MAX, sizeof *w->known);
    w->j = journal_new(&w->options, seed);
    journal_started(w->j);
    w->starts = 1;
}

static void world_close(struct world *w)
{
    journal_free(w->j);
    disk_close(&w->disk);
    free(w->known);
}

static void fill(char *p, size_t n, uint64_t ticket)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(uint8_t)(ticket * 31 + i * 7 + (i >> 8));
    if (n >= 8) /* how recovery knows it again */
        memcpy(p, &ticket, 8);
}

static enum err world_append(struct world *w, uint64_t id, size_t n, bool needs_sync,
                             bool is_admission)
{
    assert_true(w->tickets + 1 < RECORDS_MAX);
    char *p = malloc(n + 1);
    uint64_t ticket = w->tickets + 1;
    fill(p, n, ticket);
    size_t cut = n / 3;
    struct slice part[2] = {slice_of(p, cut), slice_of(p + cut, n - cut)};
    uint8_t type = (uint8_t)(1 + ticket % 5);
    enum err e = journal_append(w->j, ticket, type, id, part, 2, needs_sync, is_admission);
    free(p);
    if (e)
        return e;
    w->tickets++;
    w->known[ticket] =
        (struct known){.id = id, .bytes = (uint32_t)n, .type = type, .needs_sync = needs_sync};
    return ERR_OK;
}

static void world_listen(struct world *w)
{
    struct journal_completion c;
    while (journal_next_completion(w->j, &c)) {
        assert_int_equal(c.ticket, w->completed + 1); /* in the order of appends */
        w->completed++;
        struct known *k = &w->known[c.ticket];
        k->is_done = true;
        k->err = c.err;
        k->pos = c.pos;
        if (c.err == ERR_OK) {
            assert_int_equal(c.pos.bytes, k->bytes);
            assert_non_null(journal_segment(w->j, c.pos.segment));
        }
    }
}

static void world_pull(struct world *w)
{
    for (;;) {
        struct journal_io io = journal_next_io(w->j);
        if (io.kind == JOURNAL_IO_NONE)
            break;
        assert_true(w->out_count < 4);
        w->out[w->out_count++] = io;
    }
    struct journal_usage u;
    journal_usage(w->j, &u);
    assert_true(u.bytes <= w->options.bytes_max + (JOURNAL_RESERVE_SEGMENTS + 1 + 2 * w->starts) *
                                                      w->options.segment_bytes);
}

/* One of the ios that are out ends. */
static bool world_step(struct world *w)
{
    world_pull(w);
    if (w->out_count == 0)
        return false;
    size_t i = rng_below(&w->disk.rng, w->out_count);
    struct journal_io io = w->out[i];
    enum err e = disk_run(&w->disk, &io);
    w->out[i] = w->out[--w->out_count];
    w->now_ms += 3;
    journal_on_io(w->j, &io, e, w->now_ms);
    world_listen(w);
    return true;
}

static void world_settle(struct world *w)
{
    for (int i = 0; i < 100000; i++) {
        if (!world_step(w)) {
            world_listen(w);
            assert_true(journal_is_idle(w->j));
            assert_int_equal(w->completed, w->tickets);
            return;
        }
    }
    fail_msg("seed %llu: never comes to rest", (unsigned long long)w->seed);
}

static void remember_release(struct world *w, uint64_t segment)
{
    struct disk *d = &w->disk;
    for (size_t i = 0; i < d->released_count; i++) {
        if (d->released[i] == segment)
            return;
    }
    if (!journal_segment(w->j, segment))
        return;
    assert_true(d->released_count < RELEASES_MAX);
    d->released[d->released_count++] = segment;
}

static void world_release(struct world *w, uint64_t segment)
{
    remember_release(w, segment);
    for (uint64_t t = 1; t <= w->tickets; t++) {
        if (w->known[t].is_done && w->known[t].pos.segment == segment)
            w->known[t].is_released = true;
    }
    journal_release(w->j, segment);
}

/* --- crash and recovery --- */

static void check_record(struct world *w, const struct journal_record *r, uint64_t *last)
{
    uint64_t ticket = 0;
    assert_true(r->payload.n >= 8);
    memcpy(&ticket, r->payload.p, 8);
    assert_true(ticket >= 1 && ticket <= w->tickets);
    struct known *k = &w->known[ticket];
    char *expected = malloc(r->payload.n + 1);
    fill(expected, r->payload.n, ticket);
    assert_memory_equal(r->payload.p, expected, r->payload.n);
    free(expected);
    assert_int_equal(r->payload.n, k->bytes);
    assert_int_equal(r->type, k->type);
    assert_int_equal(r->id, k->id);
    if (ticket <= *last)
        fail_msg("seed %llu: record %llu comes twice or out of order", (unsigned long long)w->seed,
                 (unsigned long long)ticket);
    *last = ticket;
    k->is_found = true;
    if (k->was_missing && !k->is_released)
        fail_msg("seed %llu: record %llu came back", (unsigned long long)w->seed,
                 (unsigned long long)ticket);
    if (k->is_done && k->err && !w->may_return && !k->was_found)
        fail_msg("seed %llu: record %llu failed and is found", (unsigned long long)w->seed,
                 (unsigned long long)ticket);
    k->pos = r->pos;
}

static void check_promises(struct world *w)
{
    for (uint64_t t = 1; t <= w->tickets; t++) {
        struct known *k = &w->known[t];
        bool is_promised = k->is_done && k->err == ERR_OK && k->needs_sync && !k->is_released;
        if ((is_promised || (k->was_found && !k->is_released)) && !k->is_found)
            fail_msg("seed %llu: record %llu is lost", (unsigned long long)w->seed,
                     (unsigned long long)t);
        if (!is_promised)
            continue;
        for (uint64_t u = t - 1; u > 0; u--) {
            const struct known *early = &w->known[u];
            if (early->id == k->id && early->needs_sync && early->is_done && early->err)
                break; /* the owner was told */
            if (early->id == k->id && early->is_done && early->err == ERR_OK &&
                !early->is_released && !early->was_missing && !early->is_found)
                fail_msg("seed %llu: record %llu of id %llu is lost, but %llu was promised",
                         (unsigned long long)w->seed, (unsigned long long)u,
                         (unsigned long long)k->id, (unsigned long long)t);
        }
    }
}

static void recover_segment(struct world *w, const struct journal_found *f, uint64_t *last)
{
    struct file *file = disk_find(&w->disk, false, f->sequence);
    struct journal_walk walk;
    struct journal_record r;
    journal_found_segment(w->j, &f->header);
    if (f->sealed_by)
        journal_found_end(w->j, f->sequence, f->valid_end, f->sealed_by);
    journal_walk_init(&walk, slice_of(file->now, file->bytes), &f->header, f->valid_end);
    for (;;) {
        switch (journal_walk_next(&walk, &r)) {
        case JOURNAL_STEP_RECORD:
            check_record(w, &r, last);
            break;
        case JOURNAL_STEP_DAMAGED:
            fail_msg("seed %llu: a crash looks like damage", (unsigned long long)w->seed);
            break;
        case JOURNAL_STEP_TORN:
            assert_false(w->expects_clean);
            if (!f->sealed_by)
                journal_found_end(w->j, f->sequence, walk.offset, 0);
            return;
        case JOURNAL_STEP_END:
            return;
        }
    }
}

static void world_crash(struct world *w)
{
    struct journal_usage u;
    world_pull(w);
    journal_usage(w->j, &u);
    w->may_return = w->may_return || u.unsealed > 0;
    for (size_t i = 0; i < w->out_count; i++) /* the last ios may have happened, wholly or half */
        disk_do_half(&w->disk, &w->out[i]);
    w->out_count = 0;
    disk_crash(&w->disk);
    w->disk.released_count = 0;
    journal_free(w->j);
    w->completed = w->tickets; /* the rest will never be told */

    w->j = journal_new(&w->options, rng_u64(&w->disk.rng));
    for (uint64_t t = 1; t <= w->tickets; t++)
        w->known[t].is_found = false;
    struct journal_survey survey;
    journal_survey_init(&survey);
    for (size_t i = 0; i < w->disk.count; i++) {
        struct file *f = &w->disk.file[i];
        if (!f->is_spare)
            journal_survey_add(&survey, f->number, INSTALLATION,
                               slice_of(f->now, JOURNAL_SURVEY_BYTES));
    }
    journal_survey_finish(&survey);
    uint64_t last = 0;
    for (size_t i = 0; i < survey.count; i++) {
        const struct journal_found *f = &survey.found[i];
        if (f->verdict == SEGMENT_GOOD) {
            recover_segment(w, f, &last);
            continue;
        }
        if (f->verdict != SEGMENT_SPARE)
            fail_msg("seed %llu: %s", (unsigned long long)w->seed, f->why.text);
        journal_found_gone(w->j, f->sequence);
        disk_rename(&w->disk, false, f->sequence, 1000 + w->spares++);
    }
    check_promises(w);
    for (uint64_t t = 1; t <= w->tickets; t++) {
        struct known *k = &w->known[t];
        k->was_found = k->is_found;
        k->was_missing = !k->is_found;
        if (k->is_found && k->err == ERR_OK)
            k->is_done = true;
        if (!k->is_found)
            k->pos = (struct journal_pos){0};
    }
    w->may_return = false;
    for (size_t i = 0; i < survey.count;
         i++) { /* without owner's records nobody would release it */
        const struct journal_found *f = &survey.found[i];
        bool is_used = false;
        for (uint64_t t = 1; t <= w->tickets && !is_used; t++)
            is_used = w->known[t].is_found && w->known[t].pos.segment == f->sequence;
        if (f->verdict == SEGMENT_GOOD && !is_used)
            journal_found_empty(w->j, f->sequence);
    }
    journal_survey_close(&survey);
    for (size_t i = 0; i < w->disk.count;) {
        struct file *f = &w->disk.file[i];
        struct journal_header earlier;
        if (f->is_spare &&
            journal_header_parse(slice_of(f->now, JOURNAL_HEADER_BYTES), &earlier, NULL) == ERR_OK)
            journal_found_gone(w->j, earlier.sequence);
        if (f->is_spare && !journal_found_spare(w->j, f->number))
            disk_delete(&w->disk, f);
        else
            i++;
    }
    journal_started(w->j);
    w->starts++;
}

/* --- random runs --- */

static void random_append(struct world *w)
{
    struct rng *r = &w->disk.rng;
    size_t n = rng_chance(r, 10)   ? rng_below(r, w->options.segment_bytes - 4000)
               : rng_chance(r, 50) ? rng_below(r, 600)
                                   : rng_below(r, 60);
    enum err e = world_append(w, 1 + rng_below(r, 12), 8 + n, rng_chance(r, 40), rng_chance(r, 50));
    assert_true(e == ERR_OK || e == ERR_FULL || e == ERR_BUSY);
}

static void random_release(struct world *w)
{
    if (w->completed == 0)
        return;
    uint64_t t = 1 + rng_below(&w->disk.rng, w->completed);
    uint64_t segment = w->known[t].pos.segment;
    if (segment && segment != journal_current_segment(w->j))
        world_release(w, segment);
}

/* A record alone, on a disk that is well: there must be a way. */
static void check_it_works(struct world *w, const char *shows)
{
    world_settle(w);
    for (int i = 0; i < 3; i++) { /* some seconds */
        journal_flush(w->j);
        world_settle(w);
    }
    enum err e = world_append(w, 1000000 + w->tickets, 100, true, true);
    struct journal_usage u;
    journal_usage(w->j, &u);
    if (e == ERR_FULL && u.segments * w->options.segment_bytes >= w->options.bytes_max)
        e = world_append(w, 1000000 + w->tickets, 100, true, false); /* not all was released */
    world_settle(w);
    if (e || w->known[w->tickets].err)
        fail_msg("%s, seed %llu: the disk is well, but the journal is not", shows,
                 (unsigned long long)w->seed);
}

static void run_seed(uint64_t seed)
{
    struct world w;
    struct rng r;
    rng_init(&r, seed * 7919 + 1);
    world_init(&w, seed, (uint64_t)rng_between(&r, 4, 8) * 4096, (uint64_t)rng_between(&r, 2, 10));
    w.disk.fail_percent = rng_chance(&r, 50) ? 0 : (unsigned)rng_between(&r, 1, 20);
    int crashes = (int)rng_between(&r, 1, 4);
    for (int c = 0; c < crashes; c++) {
        int ops = (int)rng_between(&r, 1, 150);
        for (int i = 0; i < ops; i++) {
            uint64_t what = rng_below(&r, 100);
            if (what < 55)
                random_append(&w);
            else if (what < 93)
                (void)world_step(&w);
            else if (what < 98)
                random_release(&w);
            else
                journal_flush(w.j);
        }
        world_crash(&w);
    }
    if (rng_chance(&r, 50)) {
        for (int i = 0; i < 100; i++) {
            w.disk.fails_records = rng_chance(&r, 50);
            random_append(&w);
            for (uint64_t k = rng_below(&r, 12); k > 0; k--)
                (void)world_step(&w);
            if (rng_chance(&r, 10))
                random_release(&w);
        }
        w.disk.fails_records = false;
    }
    w.disk.fail_percent = 0;
    world_settle(&w);
    for (uint64_t t = 1; t <= w.tickets; t++) {
        if (rng_chance(&r, 95) && w.known[t].pos.segment &&
            w.known[t].pos.segment != journal_current_segment(w.j))
            world_release(&w, w.known[t].pos.segment);
    }
    check_it_works(&w, "at the end");
    world_crash(&w);
    world_settle(&w);
    world_close(&w);
}

static void any_crash_keeps_the_promises(void **state)
{
    const char *one = getenv("SEED");
    if (one) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    const char *many = getenv("SEEDS");
    uint64_t n = many ? strtoull(many, NULL, 10) : 2000;
    for (uint64_t seed = 1; seed <= n; seed++)
        run_seed(seed);
}

/* --- single scenes --- */

/* A relay that has had time to make its first segment. */
static void scene_init(struct world *w, uint64_t seed, uint64_t segment_bytes, uint64_t segments)
{
    world_init(w, seed, segment_bytes, segments);
    world_settle(w);
    memset(w->disk.ios, 0, sizeof w->disk.ios);
}

static void a_synced_record_is_told_after_write_and_sync(void **state)
{
    struct world w;
    scene_init(&w, 1, 64 * 1024, 16);
    /* A segment is ready, and a quick spare that was made first, in case of haste. */
    assert_int_equal(w.disk.count, 2);
    assert_int_equal(journal_current_segment(w.j), 1);
    assert_int_equal(world_append(&w, 1, 100, true, true), ERR_OK);
    static const enum journal_io_kind order[] = {JOURNAL_IO_WRITE, JOURNAL_IO_SYNC};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        struct journal_io io = {0};
        world_pull(&w);
        for (size_t k = 0; k < w.out_count; k++) {
            if (w.out[k].kind != JOURNAL_IO_MAKE)
                io = w.out[k];
        }
        assert_int_equal(io.kind, order[i]);
        assert_int_equal(w.completed, 0);
        size_t k = 0;
        while (w.out[k].kind != io.kind)
            k++;
        w.out[k] = w.out[--w.out_count];
        disk_do(&w.disk, &io);
        journal_on_io(w.j, &io, ERR_OK, 1);
        world_listen(&w);
    }
    assert_int_equal(w.completed, 1);
    assert_int_equal(w.known[1].err, ERR_OK);
    assert_int_equal(w.known[1].pos.offset, JOURNAL_HEADER_BYTES);
    world_settle(&w);
    world_close(&w);
}

static void mail_that_comes_first_finds_a_way(void **state)
{
    struct world w;
    world_init(&w, 11, 64 * 1024, 16);
    assert_int_equal(world_append(&w, 1, 100, true, true), ERR_OK);
    static const enum journal_io_kind order[] = {
        JOURNAL_IO_MAKE,  JOURNAL_IO_ADOPT, /* a quick one, then the header, then the mail */
        JOURNAL_IO_WRITE, JOURNAL_IO_SYNC,  JOURNAL_IO_WRITE, JOURNAL_IO_SYNC};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        struct journal_io io = {0};
        world_pull(&w);
        for (size_t k = 0; k < w.out_count; k++) {
            if (w.out[k].kind == order[i] && !io.kind) {
                io = w.out[k];
                w.out[k] = w.out[--w.out_count];
            }
        }
        assert_int_equal(io.kind, order[i]);
        assert_int_equal(w.completed, 0);
        assert_int_equal(io.is_quick, io.kind == JOURNAL_IO_MAKE);
        disk_do(&w.disk, &io);
        journal_on_io(w.j, &io, ERR_OK, 1);
        world_listen(&w);
    }
    assert_int_equal(w.completed, 1);
    world_settle(&w);
    assert_int_equal(world_append(&w, 1, 100, true, true), ERR_OK);
    world_settle(&w); /* the filled one is there: better */
    assert_true(w.known[2].pos.segment > w.known[1].pos.segment);
    world_crash(&w);
    world_settle(&w);
    world_close(&w);
}

static void what_arrives_during_a_sync_shares_the_next(void **state)
{
    struct world w;
    struct journal_usage u;
    scene_init(&w, 2, 256 * 1024, 16);
    assert_int_equal(world_append(&w, 1, 100, true, true), ERR_OK);
    world_settle(&w);
    journal_usage(w.j, &u);
    uint64_t syncs = u.syncs;
    assert_int_equal(world_append(&w, 1, 100, true, true), ERR_OK);
    world_pull(&w);
    for (uint64_t i = 0; i < 300; i++)
        assert_int_equal(world_append(&w, i, 100, true, true), ERR_OK);
    world_settle(&w);
    journal_usage(w.j, &u);
    assert_int_equal(u.syncs - syncs, 2);
    assert_int_equal(u.records, 302);
    world_close(&w);
}

static void a_record_without_sync_is_not_synced_until_asked(void **state)
{
    struct world w;
    struct journal_usage u;
    scene_init(&w, 3, 64 * 1024, 16);
    assert_int_equal(world_append(&w, 1, 100, false, false), ERR_OK);
    world_settle(&w);
    uint64_t syncs = w.disk.ios[JOURNAL_IO_SYNC];
    assert_int_equal(world_append(&w, 1, 100, false, false), ERR_OK);
    world_settle(&w);
    assert_int_equal(w.disk.ios[JOURNAL_IO_SYNC], syncs);
    assert_true(journal_wants_flush(w.j));
    journal_flush(w.j);
    assert_false(journal_is_idle(w.j));
    world_settle(&w);
    assert_int_equal(w.disk.ios[JOURNAL_IO_SYNC], syncs + 1);
    assert_false(journal_wants_flush(w.j));
    journal_usage(w.j, &u);
    assert_int_equal(u.unsynced_records, 0);
    world_close(&w);
}

static void unsynced_records_are_bounded(void **state)
{
    struct world w;
    struct journal_usage u;
    scene_init(&w, 4, 16 * 1024 * 1024, 4);
    struct slice none = SLICE_NONE;
    for (uint64_t i = 1; i <= JOURNAL_UNSYNCED_RECORDS_MAX + 1; i++)
        assert_int_equal(journal_append(w.j, i, 1, i, &none, 1, false, false), ERR_OK);
    struct journal_completion c;
    uint64_t told = 0;
    struct journal_io io;
    for (;;) {
        io = journal_next_io(w.j);
        if (io.kind == JOURNAL_IO_NONE)
            break;
        assert_int_equal(disk_run(&w.disk, &io), ERR_OK);
        journal_on_io(w.j, &io, ERR_OK, 1);
    }
    while (journal_next_completion(w.j, &c))
        told++;
    assert_int_equal(told, JOURNAL_UNSYNCED_RECORDS_MAX + 1);
    journal_usage(w.j, &u);
    assert_int_equal(u.unsynced_records, 0);
    assert_int_equal(u.syncs, 2); /* header, batch */
    world_close(&w);
}

static void a_full_batch_says_busy(void **state)
{
    struct world w;
    scene_init(&w, 5, 16 * 1024 * 1024, 8);
    char *big = calloc(1, JOURNAL_RECORD_BYTES_MAX + 1);
    struct slice part = slice_of(big, JOURNAL_RECORD_BYTES_MAX);
    uint64_t n = 0;
    enum err e;
    while ((e = journal_append(w.j, n + 1, 1, 1, &part, 1, true, true)) == ERR_OK)
        n++;
    assert_int_equal(e, ERR_BUSY);
    assert_int_equal(n, 7); /* 8 MiB less the frames */
    part.n++;
    assert_int_equal(journal_append(w.j, n + 1, 1, 1, &part, 1, true, true), ERR_BAD);
    free(big);
    w.tickets = n;
    for (uint64_t t = 1; t <= n; t++)
        w.known[t].bytes = JOURNAL_RECORD_BYTES_MAX;
    world_settle(&w);
    assert_int_equal(world_append(&w, 1, 10, true, true), ERR_OK);
    world_settle(&w);
    world_close(&w);
}

static void mail_stops_at_bytes_max_outcomes_at_the_reserve(void **state)
{
    struct world w;
    struct journal_usage u;
    scene_init(&w, 6, 64 * 1024, 8);
    uint64_t mails = 0, outcomes = 0;
    while (world_append(&w, 1, 10000, true, true) == ERR_OK) {
        world_settle(&w);
        mails++;
    }
    journal_usage(w.j, &u);
    assert_int_equal(u.segments, 8);
    assert_true(u.bytes <= w.options.bytes_max);
    assert_int_equal(mails, 8 * 6);
    while (world_append(&w, 1, 10000, false, false) == ERR_OK) {
        world_settle(&w);
        outcomes++;
        assert_int_equal(world_append(&w, 1, 100, true, true), ERR_FULL); /* nor fill theirs */
    }
    journal_usage(w.j, &u);
    assert_int_equal(u.segments, 12);
    assert_int_equal(u.bytes, 12 * 64 * 1024);
    assert_int_equal(outcomes, 4 * 6);
    assert_int_equal(world_append(&w, 1, 20000, true, true), ERR_FULL);
    for (uint64_t s = 1; s <= 6; s++)
        world_release(&w, s);
    world_settle(&w);
    assert_int_equal(world_append(&w, 1, 20000, true, true), ERR_OK);
    world_settle(&w);
    for (uint64_t t = 1; t <= w.tickets; t++)
        assert_int_equal(w.known[t].err, ERR_OK);
    world_crash(&w);
    world_settle(&w);
    world_close(&w);
}

/* The end of the last segment is in doubt after a kill: what would free segments needs a new one.
 */
static void a_start_with_the_reserve_used_up_can_write(void **state)
{
    struct world w;
    struct journal_usage u;
    scene_init(&w, 6, 64 * 1024, 8);
    while (world_append(&w, 1, 10000, true, false) == ERR_OK)
        world_settle(&w);
    world_crash(&w);
    assert_int_equal(world_append(&w, 1, 10000, true, true), ERR_FULL); /* mail must not */
    for (int i = 0; i < 6; i++) {
        assert_int_equal(world_append(&w, 1, 10000, true, false), ERR_OK);
        world_settle(&w);
        assert_int_equal(w.known[w.tickets].err, ERR_OK);
    }
    journal_usage(w.j, &u);
    assert_int_equal(u.segments, 13);
    assert_int_equal(world_append(&w, 1, 10000, true, false), ERR_FULL); /* one, not two */
    for (uint64_t s = 1; s <= 6; s++)
        world_release(&w, s);
    world_settle(&w);
    assert_int_equal(world_append(&w, 1, 10000, true, true), ERR_OK);
    world_settle(&w);
    world_close(&w);
}

static void dead_segments_are_used_again(void **state)
{
    struct world w;
    struct journal_usage u;
    scene_init(&w, 7, 64 * 1024, 8);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(world_append(&w, 1, 20000, true, true), ERR_OK);
        world_settle(&w);
        uint64_t now = w.known[w.tickets].pos.segment;
        if (now > 1)
            world_release(&w, now - 1);
        world_settle(&w);
    }
    journal_usage(w.j, &u);
    assert_true(u.segments <= 3);
    assert_true(w.disk.ios[JOURNAL_IO_MAKE] <= 6);
    assert_true(w.disk.ios[JOURNAL_IO_RETIRE] > 60);
    w.expects_clean = true; /* though stale bytes stand behind each end */
    world_crash(&w);
    world_settle(&w);
    world_close(&w);
}

static void a_release_waits_for_what_was_written_before(void **state)
{
    struct world w;
    scene_init(&w, 8, 64 * 1024, 8);
    for (int i = 0; i < 4; i++)
        assert_int_equal(world_append(&w, 1, 20000, true, true), ERR_OK);
    world_settle(&w);
    assert_true(w.known[4].pos.segment > 1);
    assert_int_equal(world_append(&w, 1, 100, false, false), ERR_OK); /* "all delivered" */
    world_settle(&w);
    uint64_t syncs = w.disk.ios[JOURNAL_IO_SYNC];
    world_release(&w, 1);
    world_pull(&w);
    assert_int_equal(w.out_count, 1);
    assert_int_equal(w.out[0].kind, JOURNAL_IO_SYNC);
    world_settle(&w);
    assert_int_equal(w.disk.ios[JOURNAL_IO_SYNC], syncs + 1);
    assert_true(w.disk.ios[JOURNAL_IO_RETIRE] > 0);
    assert_null(journal_segment(w.j, 1));
    world_close(&w);
}

/* The n-th io of one kind fails, for a while or once; then the disk is well again. */
static void every_io_may_fail_once(void **state)
{
    static const struct {
        const char *shows;
        enum journal_io_kind kind;
    } row[] = {
        {"write", JOURNAL_IO_WRITE}, {"sync", JOURNAL_IO_SYNC},     {"make", JOURNAL_IO_MAKE},
        {"adopt", JOURNAL_IO_ADOPT}, {"retire", JOURNAL_IO_RETIRE},
    };
    static const enum err as[] = {ERR_FULL, ERR_SYSTEM};
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        for (uint64_t n = 1; n <= 12; n++) {
            for (uint64_t times = 1; times <= 8; times += 7) {
                for (size_t a = 0; a < COUNT_OF(as); a++) {
                    struct world w;
                    scene_init(&w, n * 100 + i, 64 * 1024, 8);
                    w.disk.fail_from[row[i].kind] = n;
                    w.disk.fail_to[row[i].kind] = n + times - 1;
                    w.disk.fail_as = as[a];
                    uint64_t good = 0, bad = 0;
                    for (int k = 0; k < 60; k++) {
                        if (world_append(&w, (uint64_t)k, 9000, k % 3 > 0, k % 2) == ERR_OK)
                            world_settle(&w);
                        else
                            world_step(&w);
                        for (uint64_t s = 1; s + 2 < w.known[w.tickets].pos.segment; s++)
                            world_release(&w, s);
                        if (k % 10 == 9)
                            journal_flush(w.j);
                    }
                    for (uint64_t t = 1; t <= w.tickets; t++) {
                        good += w.known[t].err == ERR_OK;
                        bad += w.known[t].err != ERR_OK;
                    }
                    if (good < 40)
                        fail_msg("%s %d: only %d are good", row[i].shows, (int)n, (int)good);
                    if (bad > times)
                        fail_msg("%s %d: %d are bad", row[i].shows, (int)n, (int)bad);
                    struct journal_usage u;
                    world_settle(&w);
                    journal_usage(w.j, &u);
                    assert_int_equal(u.unsealed, 0);
                    assert_true(u.segments <= 4);
                    world_crash(&w);
                    world_settle(&w);
                    world_close(&w);
                }
            }
        }
    }
}

static void a_seal_is_written_at_once_and_hides_what_failed(void **state)
{
    struct world w;
    struct journal_usage u;
    scene_init(&w, 9, 64 * 1024, 8);
    assert_int_equal(world_append(&w, 1, 1000, true, true), ERR_OK);
    world_settle(&w);
    uint64_t n = w.disk.ios[JOURNAL_IO_SYNC] + 1;
    w.disk.fail_from[JOURNAL_IO_SYNC] = w.disk.fail_to[JOURNAL_IO_SYNC] = n;
    assert_int_equal(world_append(&w, 2, 1000, true, true), ERR_OK);
    world_settle(&w); /* no further append: the seal is written all the same */
    assert_int_equal(w.known[1].err, ERR_OK);
    assert_int_not_equal(w.known[2].err, ERR_OK);
    journal_usage(w.j, &u);
    assert_int_equal(u.unsealed, 0);
    assert_int_equal(u.failed_batches, 1);
    assert_int_equal(journal_current_segment(w.j), 2);
    /* The holder of the seal does not go before another one has it. */
    assert_int_equal(world_append(&w, 2, 60000, true, true), ERR_OK);
    world_settle(&w);
    assert_int_equal(world_append(&w, 2, 60000, true, true), ERR_OK);
    world_settle(&w);
    uint64_t syncs = w.disk.ios[JOURNAL_IO_SYNC];
    uint64_t retired = w.disk.ios[JOURNAL_IO_RETIRE];
    world_release(&w, 2);
    while (w.disk.ios[JOURNAL_IO_RETIRE] == retired)
        assert_true(world_step(&w));
    assert_true(w.disk.ios[JOURNAL_IO_SYNC] > syncs);
    world_settle(&w);
    assert_null(journal_segment(w.j, 2));
    for (int i = 0; i < 3; i++) { /* and so over restarts */
        world_crash(&w);
        assert_true(w.known[1].is_found);
        assert_false(w.known[2].is_found);
        world_settle(&w);
        for (uint64_t s = 2; s < journal_current_segment(w.j); s++)
            world_release(&w, s);
        world_settle(&w);
        assert_non_null(journal_segment(w.j, 1));
    }
    journal_usage(w.j, &u);
    assert_int_equal(u.segments, 2);
    world_release(&w, 1);
    world_settle(&w);
    assert_null(journal_segment(w.j, 1));
    world_close(&w);
}

static void a_lost_chunk_fails_its_accept(void **state)
{
    struct world w;
    scene_init(&w, 10, 64 * 1024, 8);
    assert_int_equal(world_append(&w, 5, 1000, false, true), ERR_OK); /* a chunk of message 5 */
    world_settle(&w);
    assert_int_equal(w.known[1].err, ERR_OK);
    uint64_t n = w.disk.ios[JOURNAL_IO_SYNC] + 1;
    w.disk.fail_from[JOURNAL_IO_SYNC] = w.disk.fail_to[JOURNAL_IO_SYNC] = n;
    assert_int_equal(world_append(&w, 6, 1000, true, true), ERR_OK); /* somebody else */
    world_settle(&w);
    assert_int_not_equal(w.known[2].err, ERR_OK);
    uint64_t written = w.disk.ios[JOURNAL_IO_WRITE];
    assert_int_equal(world_append(&w, 5, 1000, true, true), ERR_OK); /* the accept of message 5 */
    world_settle(&w);
    assert_int_equal(w.known[3].err, ERR_SYSTEM);
    assert_int_equal(w.disk.ios[JOURNAL_IO_WRITE], written);
    assert_int_equal(world_append(&w, 5, 1000, true, true), ERR_OK); /* told once: free again */
    world_settle(&w);
    assert_int_equal(w.known[4].err, ERR_OK);
    world_close(&w);
}

/* Else an old life's header would fit a new segment's name. */
static void numbers_are_never_given_twice(void **state)
{
    struct world w;
    uint64_t newest = 0;
    scene_init(&w, 12, 64 * 1024, 8);
    for (int i = 0; i < 20; i++)
        assert_int_equal(world_append(&w, 1, 20000, true, true), ERR_OK);
    world_settle(&w);
    for (int round = 0; round < 5; round++) {
        world_crash(&w);
        for (uint64_t s = 1; s < 100; s++)
            world_release(&w, s);
        world_settle(&w);
        assert_true(journal_current_segment(w.j) > newest);
        newest = journal_current_segment(w.j);
    }
    assert_true(newest > 6);
    world_close(&w);
}

static uint64_t live_segments(const struct world *w)
{
    uint64_t count = 0, last = 0;
    for (uint64_t t = 1; t <= w->tickets; t++) {
        if (!w->known[t].err && w->known[t].pos.segment != last) {
            last = w->known[t].pos.segment;
            count++;
        }
    }
    return count;
}

/* Each new segment takes over the seals of those that died before it, else a long row of failures
 * leaves a long row of segments, each kept for the seal of the one before. */
static void a_sick_disk_gets_well(void **state)
{
    static const struct {
        const char *shows;
        uint64_t segments;         /* that fit */
        enum journal_io_kind kind; /* what fails; NONE: records, while headers can be written */
        int good_every;            /* ... but some can */
    } row[] = {
        {"records fail, headers do not", 64, JOURNAL_IO_NONE, 1000},
        {"one good, two bad", 64, JOURNAL_IO_NONE, 3},
        {"records fail where space is short", 6, JOURNAL_IO_NONE, 1000},
        {"all writes fail", 64, JOURNAL_IO_WRITE, 1000},
        {"all syncs fail", 64, JOURNAL_IO_SYNC, 1000},
        {"records fail, and nothing can be deleted", 64, JOURNAL_IO_RETIRE, 1000},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct world w;
        struct journal_usage u;
        bool fails_records = row[i].kind == JOURNAL_IO_NONE || row[i].kind == JOURNAL_IO_RETIRE;
        scene_init(&w, 13 + i, 64 * 1024, row[i].segments);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(world_append(&w, 1, k < 2 ? 60000 : 100, true, true), ERR_OK);
            world_settle(&w);
        }
        w.disk.fail_to[row[i].kind] = row[i].kind ? UINT64_MAX : 0;
        for (int k = 0; k < 100; k++) {
            w.disk.fails_records = fails_records && k % row[i].good_every;
            if (world_append(&w, 2, 100, true, true) == ERR_OK)
                world_settle(&w);
            journal_usage(w.j, &u);
            if (u.segments > live_segments(&w) + 24)
                fail_msg("%s: %d segments", row[i].shows, (int)u.segments);
        }
        w.disk.fails_records = false;
        w.disk.fail_to[row[i].kind] = 0;
        check_it_works(&w, row[i].shows);
        journal_usage(w.j, &u);
        if (u.segments > live_segments(&w) + 1 || u.unsealed > 0)
            fail_msg("%s: %d segments, %d of them live, %d unsealed stay", row[i].shows,
                     (int)u.segments, (int)live_segments(&w), (int)u.unsealed);
        world_crash(&w);
        world_settle(&w);
        world_close(&w);
    }
}

/* Segment 1 is sealed and lives, 2 holds its seal, 3 and 4 are full of other things. */
static void with_a_seal(struct world *w, uint64_t seed, uint64_t segments)
{
    scene_init(w, seed, 64 * 1024, segments);
    assert_int_equal(world_append(w, 1, 1000, true, true), ERR_OK);
    world_settle(w);
    w->disk.fails_records = true;
    assert_int_equal(world_append(w, 2, 1000, true, true), ERR_OK);
    world_settle(w);
    w->disk.fails_records = false;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_append(w, 3, 60000, true, true), ERR_OK);
        world_settle(w);
    }
    assert_int_equal(w->known[1].pos.segment, 1);
    assert_int_equal(w->known[3].pos.segment, 2);
    assert_int_equal(w->known[5].pos.segment, 4);
}

static void segments_go_in_the_order_of_their_release(void **state)
{
    struct world w;
    with_a_seal(&w, 30, 8);
    world_release(&w, 2); /* message 3 was finished in segment 3 */
    world_release(&w, 3);
    world_settle(&w);
    assert_null(journal_segment(w.j, 2)); /* not for ever: its seal went elsewhere */
    assert_null(journal_segment(w.j, 3));
    assert_non_null(journal_segment(w.j, 1));
    world_crash(&w);
    assert_true(w.known[1].is_found);
    assert_false(w.known[2].is_found);
    world_settle(&w);
    world_close(&w);

    /* The younger one first, if it was released first. */
    with_a_seal(&w, 31, 8);
    world_release(&w, 3);
    world_settle(&w);
    assert_null(journal_segment(w.j, 3));
    world_close(&w);
}

/* More seals than one header holds: the next ones take the rest, and nobody waits for ever. */
static void seals_move_in_turns(void **state)
{
    enum { PAIRS = 2 * JOURNAL_SEALS_MAX };
    struct world w;
    struct journal_usage u;
    uint64_t second[PAIRS];
    scene_init(&w, 33, 64 * 1024, 110);
    for (int i = 0; i < PAIRS; i++) {
        w.disk.fails_records = false;
        assert_int_equal(world_append(&w, 1, 100, true, true), ERR_OK);
        world_settle(&w);
        second[i] = w.known[w.tickets].pos.segment; /* sealed, and holds the one before's seal */
        w.disk.fails_records = true;
        assert_int_equal(world_append(&w, 2, 100, true, true), ERR_OK);
        world_settle(&w);
    }
    w.disk.fails_records = false;
    for (int i = PAIRS - 1; i > 0; i -= 2)
        world_release(&w, second[i]);
    check_it_works(&w, "many seals");
    journal_usage(w.j, &u);
    assert_true(u.segments <= PAIRS / 2 + 1);
    world_crash(&w);
    world_settle(&w);
    journal_usage(w.j, &u);
    assert_true(u.segments <= PAIRS / 2 + 3);
    world_close(&w);
}

/* Else the space of all that was released would never come back. */
static void a_seal_moves_though_no_space_is_left(void **state)
{
    struct world w;
    struct journal_usage u;
    with_a_seal(&w, 32, 6);
    while (world_append(&w, 3, 60000, true, false) == ERR_OK)
        world_settle(&w);
    journal_usage(w.j, &u);
    assert_int_equal(u.segments, 10);
    world_release(&w, 2);
    for (uint64_t s = 3; s < 10; s++)
        world_release(&w, s);
    check_it_works(&w, "no space");
    journal_usage(w.j, &u);
    assert_true(u.segments <= 4);
    assert_non_null(journal_segment(w.j, 1));
    world_crash(&w);
    assert_false(w.known[2].is_found);
    world_settle(&w);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_synced_record_is_told_after_write_and_sync),
        cmocka_unit_test(mail_that_comes_first_finds_a_way),
        cmocka_unit_test(what_arrives_during_a_sync_shares_the_next),
        cmocka_unit_test(a_record_without_sync_is_not_synced_until_asked),
        cmocka_unit_test(unsynced_records_are_bounded),
        cmocka_unit_test(a_full_batch_says_busy),
        cmocka_unit_test(mail_stops_at_bytes_max_outcomes_at_the_reserve),
        cmocka_unit_test(a_start_with_the_reserve_used_up_can_write),
        cmocka_unit_test(dead_segments_are_used_again),
        cmocka_unit_test(a_release_waits_for_what_was_written_before),
        cmocka_unit_test(every_io_may_fail_once),
        cmocka_unit_test(a_seal_is_written_at_once_and_hides_what_failed),
        cmocka_unit_test(a_lost_chunk_fails_its_accept),
        cmocka_unit_test(numbers_are_never_given_twice),
        cmocka_unit_test(a_sick_disk_gets_well),
        cmocka_unit_test(segments_go_in_the_order_of_their_release),
        cmocka_unit_test(seals_move_in_turns),
        cmocka_unit_test(a_seal_moves_though_no_space_is_left),
        cmocka_unit_test(any_crash_keeps_the_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
