/* test_store_index.c -- indices on a real disk: a start takes what they say, and nothing of it when
 * anything is off; making one may fail anywhere without harm. */
#include "store_owner.h"

#include "journal/journal_index.h"

enum { HEAD = 100, LEFT = 6 /* segments that can have an index in most cases */ };

static size_t head_bytes(uint8_t type, struct slice payload)
{
    return payload.n < HEAD ? payload.n : HEAD;
}

static uint64_t indices(const struct owner *o)
{
    struct journal_usage u;
    store_usage(o->store, &u);
    return u.indices;
}

static void fill_segments(struct owner *o, uint64_t count)
{
    uint64_t from = o->tickets ? o->known[o->tickets].pos.segment : 0;
    while (o->tickets == 0 || o->known[o->tickets].pos.segment < from + count)
        assert_int_equal(append_one(o, o->tickets + 1, 5000), ERR_OK);
}

/* A relay that has left LEFT + 1 segments, each but the last with its index; stopped. */
static void prepare(struct owner *o)
{
    owner_init(o);
    o->head_bytes = head_bytes;
    owner_start(o, 100);
    fill_segments(o, LEFT + 2);
    WAIT(o, indices(o) == segments(o) - 2);
    owner_stop(o);
    assert_int_equal(count_files(o, "indexing"), 0);
}

static void path_of(const struct owner *o, uint64_t segment, const char *kind, char *path, size_t n)
{
    snprintf(path, n, "%s/queue/%016llx.%s", o->dir, (unsigned long long)segment, kind);
}

static uint64_t first_index(const struct owner *o)
{
    char path[128];
    struct stat st;
    for (uint64_t n = 1; n < 1000; n++) {
        path_of(o, n, "idx", path, sizeof path);
        if (stat(path, &st) == 0)
            return n;
    }
    fail();
    return 0;
}

/* All records are there, whole or not, and can be fetched. */
static void check_all(struct owner *o)
{
    assert_int_equal(o->records, o->tickets);
    o->fetched = 0;
    for (uint64_t t = 1; t <= o->tickets; t++) {
        assert_true(o->known[t].is_found);
        assert_int_equal(o->known[t].pos.bytes, o->known[t].bytes);
        o->known[t].is_fetched = false;
        store_fetch(o->store, t, o->known[t].id, o->known[t].pos);
    }
    wait_for(o, &o->fetched, o->tickets);
    for (uint64_t t = 1; t <= o->tickets; t++)
        assert_int_equal(o->known[t].fetch_err, ERR_OK);
}

static void a_start_reads_the_indices(void **state)
{
    struct owner o;
    prepare(&o);
    uint64_t made = count_files(&o, ".idx");
    owner_start(&o, 100);
    assert_int_equal(store_recovery(o.store).indexed, made);
    assert_int_equal(store_recovery(o.store).walked, 2);
    assert_int_equal(o.notes, 0);
    check_all(&o);
    struct journal_usage u;
    store_usage(o.store, &u);
    assert_true(u.index_bytes > made * JOURNAL_INDEX_HEADER_BYTES);
    assert_true(u.bytes >= (u.segments + u.spare_segments) * SEGMENT + u.index_bytes);
    /* What was walked gets its index now; the next start reads that one, too. */
    WAIT(&o, indices(&o) > made);
    owner_stop(&o);
    owner_start(&o, 100);
    assert_int_equal(store_recovery(o.store).indexed, made + 1);
    check_all(&o);
    owner_close(&o);
}

enum harm {
    GONE,
    EMPTY,
    CUT,
    FLIPPED,
    LONGER,
    OF_ANOTHER_SEGMENT,
    OF_ANOTHER_LIFE,
    A_DIRECTORY,
    HARMS
};

static void harm(const struct owner *o, uint64_t segment, enum harm h)
{
    char index[128], other[160], command[400];
    struct stat st;
    path_of(o, segment, "idx", index, sizeof index);
    path_of(o, segment + 1, "idx", other, sizeof other);
    assert_int_equal(stat(index, &st), 0);
    char name[40];
    snprintf(name, sizeof name, "queue/%016llx.idx", (unsigned long long)segment);
    switch (h) {
    case GONE:
        assert_int_equal(unlink(index), 0);
        break;
    case EMPTY:
        assert_int_equal(truncate(index, 0), 0);
        break;
    case CUT:
        assert_int_equal(truncate(index, st.st_size - 8), 0);
        break;
    case FLIPPED:
        patch(o, name, st.st_size / 2, "\x5a", 1);
        break;
    case LONGER:
        assert_int_equal(truncate(index, st.st_size + 4096), 0);
        break;
    case OF_ANOTHER_SEGMENT:
        snprintf(command, sizeof command, "cp '%s' '%s'", other, index);
        assert_int_equal(system(command), 0);
        break;
    case OF_ANOTHER_LIFE:
        patch(o, name, 24, "another!", 8);
        break;
    case A_DIRECTORY:
        assert_int_equal(unlink(index), 0);
        assert_int_equal(mkdir(index, 0700), 0);
        break;
    case HARMS:
        break;
    }
}

static void an_index_that_is_off_is_as_good_as_none(void **state)
{
    for (int h = 0; h < HARMS; h++) {
        struct owner o;
        prepare(&o);
        uint64_t made = count_files(&o, ".idx"), segment = first_index(&o) + 1;
        harm(&o, segment, (enum harm)h);
        owner_start(&o, 100);
        if (store_recovery(o.store).indexed != made - 1)
            fail_msg("harm %d: %d indices were believed", h, (int)store_recovery(o.store).indexed);
        assert_int_equal(o.notes, 0);
        check_all(&o);
        if (h != A_DIRECTORY) { /* made again, over the other */
            WAIT(&o, indices(&o) == made + 1);
            owner_stop(&o);
            owner_start(&o, 100);
            assert_int_equal(store_recovery(o.store).indexed, made + 1);
            check_all(&o);
        }
        owner_close(&o);
    }
}

/* The messages are known, and what became of their bodies is found out when they are fetched. */
static void a_cut_segment_is_said_and_its_index_believed(void **state)
{
    struct owner o;
    char path[128];
    prepare(&o);
    uint64_t made = count_files(&o, ".idx"), segment = first_index(&o) + 1;
    path_of(&o, segment, "seg", path, sizeof path);
    assert_int_equal(truncate(path, SEGMENT / 2), 0);
    owner_start(&o, 100);
    assert_int_equal(store_recovery(o.store).indexed, made);
    assert_int_equal(o.records, o.tickets);
    assert_int_equal(o.notes, 1);
    assert_non_null(strstr(o.note, "is cut short: 32768 of 65536 bytes"));
    assert_non_null(strstr(o.note, "are lost"));
    assert_int_equal(count_files(&o, ".bad"), 1);
    for (uint64_t t = 1; t <= o.tickets; t++)
        store_fetch(o.store, t, o.known[t].id, o.known[t].pos);
    wait_for(&o, &o.fetched, o.tickets);
    for (uint64_t t = 1; t <= o.tickets; t++) {
        const struct journal_pos *pos = &o.known[t].pos;
        bool is_lost =
            pos->segment == segment && pos->offset + journal_record_span(pos->bytes) > SEGMENT / 2;
        assert_int_equal(o.known[t].fetch_err, is_lost ? ERR_SYSTEM : ERR_OK);
    }
    owner_close(&o);
}

static void what_lies_about_is_cleared_away(void **state)
{
    struct owner o;
    char path[128], command[256];
    prepare(&o);
    uint64_t made = count_files(&o, ".idx"), segment = first_index(&o);
    snprintf(command, sizeof command, "touch '%s'/queue/indexing '%s'/queue/00000000000000ff.idx",
             o.dir, o.dir);
    assert_int_equal(system(command), 0);
    path_of(&o, segment, "seg", path, sizeof path);
    assert_int_equal(unlink(path), 0); /* its index is an orphan */
    owner_start(&o, 100);
    assert_int_equal(count_files(&o, "ff.idx"), 0);
    /* The name is in use again while a segment that was walked gets its index. */
    WAIT(&o, count_files(&o, "indexing") == 0);
    path_of(&o, segment, "idx", path, sizeof path);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(store_recovery(o.store).indexed, made - 1);
    assert_int_equal(o.notes, 1);
    assert_non_null(strstr(o.note, "is missing"));
    /* And with the segment's end comes the index's. */
    for (uint64_t n = 1; n <= o.known[o.tickets].pos.segment; n++)
        store_release(o.store, n);
    WAIT(&o, count_files(&o, ".idx") == 0);
    owner_close(&o);
}

/* libuv's pool has other things to do until it is let go. */
enum { POOL = 4 };
static uv_sem_t gate;
static uv_work_t busy[POOL];

static void on_busy(uv_work_t *work)
{
    uv_sem_wait(&gate);
}

static void on_not_busy(uv_work_t *work, int status)
{
}

static void hold_pool(struct owner *o)
{
    assert_int_equal(uv_sem_init(&gate, 0), 0);
    for (int i = 0; i < POOL; i++)
        assert_int_equal(uv_queue_work(&o->loop, &busy[i], on_busy, on_not_busy), 0);
}

static void let_pool_go(void)
{
    for (int i = 0; i < POOL; i++)
        uv_sem_post(&gate);
}

static void making_one_may_fail_anywhere(void **state)
{
    static const struct {
        const char *what;
        enum call call;
        int errnum;
    } row[] = {
        {"the segment cannot be read", PREAD, EIO},
        {"the disk is full", PWRITE, ENOSPC},
        {"it cannot be renamed", RENAME, EIO},
        {"it cannot be created", OPEN, EMFILE},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct owner o;
        struct journal_usage u;
        char path[128];
        prepare(&o);
        uint64_t made = count_files(&o, ".idx");
        path_of(&o, first_index(&o), "idx", path, sizeof path);
        assert_int_equal(unlink(path), 0);
        hold_pool(&o);
        owner_start(&o, 100);
        WAIT(&o, store_is_idle(o.store));
        faults.errnum = row[i].errnum;
        faults.fail_from[row[i].call] = 1;
        faults.fail_to[row[i].call] = 1000000;
        let_pool_go();
        do {
            run_for(&o, 2);
            store_usage(o.store, &u);
            assert_int_equal(u.indices_made, 0);
        } while (u.indices_failed == 0);
        assert_true(o.troubles > 0);
        assert_int_equal(count_files(&o, "indexing"), 0);
        faults_clear();
        WAIT(&o, indices(&o) == made + 1); /* after the next flush */
        assert_int_equal(count_files(&o, "indexing"), 0);
        assert_int_equal(append_one(&o, 1, 100), ERR_OK);
        o.records++;
        o.known[o.tickets].is_found = true;
        check_all(&o);
        owner_close(&o);
        uv_sem_destroy(&gate);
    }
}

/* Damage that is met on the way is said, once; the next start says more. */
static void damage_is_seen_when_the_index_is_made(void **state)
{
    struct owner o;
    struct journal_usage u;
    char name[64];
    owner_init(&o);
    o.head_bytes = head_bytes;
    owner_start(&o, 100);
    fill_segments(&o, 1);
    uint64_t segment = o.known[o.tickets].pos.segment;
    snprintf(name, sizeof name, "queue/%016llx.seg", (unsigned long long)segment);
    patch(&o, name, 1000, "rot", 3);
    fill_segments(&o, 4);
    WAIT(&o, indices(&o) > 0 && o.troubles > 0);
    store_usage(o.store, &u);
    assert_int_equal(u.indices_failed, 1);
    assert_non_null(strstr(o.trouble.text, "damaged at byte 64"));
    fill_segments(&o, 2);
    run_for(&o, 1200); /* longer than a flush */
    assert_int_equal(o.troubles, 1);
    owner_stop(&o);
    owner_start(&o, 100);
    assert_int_equal(o.notes, 1);
    assert_non_null(strstr(o.note, "is damaged from byte 64"));
    owner_close(&o);
}

static size_t all_of_it(uint8_t type, struct slice payload)
{
    return payload.n;
}

static void one_that_is_hardly_smaller_is_not_kept(void **state)
{
    struct owner o;
    struct journal_usage u;
    owner_init(&o);
    o.head_bytes = all_of_it;
    owner_start(&o, 100);
    fill_segments(&o, 6);
    run_for(&o, 100);
    store_usage(o.store, &u);
    /* Sparse ones, the first at least, were left early: little stands in them. */
    assert_true(u.indices + 1 < u.segments);
    for (uint64_t n = 1; n <= o.known[o.tickets].pos.segment; n++) {
        char path[128];
        struct stat st;
        path_of(&o, n, "idx", path, sizeof path);
        assert_true(stat(path, &st) != 0 || (uint64_t)st.st_size <= SEGMENT / 2);
    }
    assert_int_equal(u.indices_failed, 0);
    assert_int_equal(count_files(&o, ".idx"), u.indices);
    assert_int_equal(count_files(&o, "indexing"), 0);
    assert_int_equal(o.troubles, 0);
    owner_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_reads_the_indices),
        cmocka_unit_test(an_index_that_is_off_is_as_good_as_none),
        cmocka_unit_test(a_cut_segment_is_said_and_its_index_believed),
        cmocka_unit_test(what_lies_about_is_cleared_away),
        cmocka_unit_test(making_one_may_fail_anywhere),
        cmocka_unit_test(damage_is_seen_when_the_index_is_made),
        cmocka_unit_test(one_that_is_hardly_smaller_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
