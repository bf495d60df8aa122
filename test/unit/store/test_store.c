/* test_store.c -- the journal on a real disk under a real loop, in a directory of its own: what is
 * told is there after a restart, whatever fails, and whatever lies in the way is said and survived.
 */
#include "store_owner.h"

static void what_was_told_is_there_after_a_restart(void **state)
{
    struct owner o;
    owner_init(&o);
    owner_start(&o, 100);
    for (int round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 60; i++)
            append(&o, i, 8 + (i * 97 + (uint64_t)round * 1000) % 9000, i % 3 != 0);
        kick(&o);
        wait_for(&o, &o.completed, o.tickets);
    }
    assert_true(store_last_sync_us(o.store) > 0);
    owner_stop(&o);
    owner_start(&o, 100);
    assert_int_equal(o.records, o.tickets);
    assert_int_equal(o.notes, 0);
    for (uint64_t t = 1; t <= o.tickets; t++) {
        assert_int_equal(o.known[t].err, ERR_OK);
        assert_true(o.known[t].is_found);
        o.is_inside_call = true;
        store_fetch(o.store, t, o.known[t].id, o.known[t].pos);
        o.is_inside_call = false;
    }
    assert_false(store_is_idle(o.store));
    wait_for(&o, &o.fetched, o.tickets);
    for (uint64_t t = 1; t <= o.tickets; t++)
        assert_int_equal(o.known[t].fetch_err, ERR_OK);
    assert_int_equal(append_one(&o, 1, 100), ERR_OK); /* a new segment after a restart */
    assert_true(o.known[o.tickets].pos.segment > o.known[o.tickets - 1].pos.segment);
    assert_int_equal(o.troubles, 0);
    owner_close(&o);
}

static void fetches_say_what_is_wrong(void **state)
{
    struct owner o;
    owner_init(&o);
    owner_start(&o, 16);
    for (int i = 0; i < 4; i++)
        assert_int_equal(append_one(&o, 7, 1000), ERR_OK);
    struct journal_pos pos = o.known[1].pos;
    store_fetch(o.store, 1, 8, pos); /* another id */
    pos.bytes++;
    store_fetch(o.store, 2, 7, pos);
    pos.segment += 99;
    store_fetch(o.store, 3, 7, pos);
    wait_for(&o, &o.fetched, 3);
    assert_int_equal(o.known[1].fetch_err, ERR_DAMAGED);
    assert_int_equal(o.known[2].fetch_err, ERR_DAMAGED);
    assert_int_equal(o.known[3].fetch_err, ERR_MISSING);
    faults.fail_from[PREAD] = atomic_load(&faults.made[PREAD]) + 1;
    faults.fail_to[PREAD] = 1 << 30;
    faults.errnum = EIO;
    store_fetch(o.store, 4, 7, o.known[4].pos);
    wait_for(&o, &o.fetched, 4);
    assert_int_equal(o.known[4].fetch_err, ERR_SYSTEM);
    owner_close(&o);
}

static void dead_segments_are_recycled(void **state)
{
    struct owner o;
    owner_init(&o);
    owner_start(&o, 16);
    for (int i = 0; i < 300; i++) {
        WAIT(&o, segments(&o) < 14); /* a busy machine recycles later than it appends */
        assert_int_equal(append_one(&o, 1, 9000), ERR_OK);
        for (uint64_t s = 1; s + 1 < o.known[o.tickets].pos.segment; s++)
            store_release(o.store, s);
    }
    WAIT(&o, segments(&o) <= 4);
    assert_true(count_files(&o, ".seg") <= 4);
    assert_true(count_files(&o, "spare") <= JOURNAL_SPARES_MAX + 1);
    owner_stop(&o);
    owner_start(&o, 16); /* stale records stand behind every end: none is taken for torn */
    assert_int_equal(o.notes, 0);
    assert_true(o.known[o.tickets].is_found);
    assert_false(o.known[1].is_found);
    owner_close(&o);
}

/* The highest number that a spare still carries in the header of its earlier life. */
static uint64_t newest_earlier_life(const struct owner *o)
{
    uint64_t newest = 0;
    for (int n = 1; n < 100; n++) {
        char path[128], head[JOURNAL_HEADER_BYTES];
        struct journal_header h;
        snprintf(path, sizeof path, "%s/queue/spare-%d", o->dir, n);
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            continue;
        ssize_t got = read(fd, head, sizeof head);
        close(fd);
        if (got == sizeof head &&
            journal_header_parse(slice_of(head, sizeof head), &h, NULL) == ERR_OK &&
            h.sequence > newest)
            newest = h.sequence;
    }
    return newest;
}

static void numbers_are_never_given_twice(void **state)
{
    struct owner o;
    char path[128];
    owner_init(&o);
    owner_start(&o, 16);
    WAIT(&o, segments(&o) == 1);
    for (int i = 0; i < 40; i++)
        assert_int_equal(append_one(&o, 1, 9000), ERR_OK);
    uint64_t newest = o.known[o.tickets].pos.segment;
    for (uint64_t s = 1; s < newest; s++)
        store_release(o.store, s);
    WAIT(&o, segments(&o) == 1 && spares(&o) >= JOURNAL_SPARES_MAX);
    owner_stop(&o);
    /* Were it not for the spares' old headers, nothing would know how far it had counted. */
    snprintf(path, sizeof path, "%s/queue/%016llx.seg", o.dir, (unsigned long long)newest);
    assert_int_equal(unlink(path), 0);
    uint64_t earlier = newest_earlier_life(&o);
    assert_true(earlier > 0);
    owner_start(&o, 16);
    assert_int_equal(o.records, 0);
    assert_int_equal(append_one(&o, 1, 100), ERR_OK);
    assert_true(o.known[o.tickets].pos.segment > earlier);
    owner_close(&o);
}

static void a_fresh_relay_takes_little_disk(void **state)
{
    struct owner o;
    struct stat st;
    char path[128];
    owner_init(&o);
    owner_start(&o, 100);
    WAIT(&o, segments(&o) == 1);
    run_for(&o, 20);
    assert_int_equal(count_files(&o, ".seg"), 1);
    assert_int_equal(count_files(&o, "spare"), 1); /* a sparse one for haste */
    snprintf(path, sizeof path, "%s/queue/spare-1", o.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, SEGMENT);
    assert_int_equal(st.st_blocks, 0);
    snprintf(path, sizeof path, "%s/queue/0000000000000001.seg", o.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_blocks * 512 >= SEGMENT);
    owner_stop(&o);
    for (int i = 0; i < 3; i++) { /* restarts do not pile them up */
        owner_start(&o, 100);
        WAIT(&o, count_files(&o, ".seg") == 1 && count_files(&o, "spare") <= 1);
        owner_stop(&o);
    }
    owner_close(&o);
}

static void a_second_relay_is_told_who_runs(void **state)
{
    struct owner o;
    struct store *second;
    struct fault why;
    char pid[32];
    owner_init(&o);
    owner_start(&o, 16);
    struct store_options options = {o.dir, SEGMENT, 16 * SEGMENT};
    struct store_callbacks cb = {&o, on_appended, on_fetched, on_trouble, NULL};
    assert_int_equal(store_open(&second, &o.loop, &options, &cb, 1, &why), ERR_BUSY);
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    assert_non_null(strstr(why.text, pid));
    assert_non_null(strstr(why.text, o.dir));
    owner_stop(&o);
    owner_start(&o, 16); /* free again */
    owner_close(&o);
}

static void a_directory_that_cannot_be_used_says_what_to_do(void **state)
{
    struct owner o;
    struct fault why;
    char dir[100];
    owner_init(&o);
    assert_int_equal(chmod(o.dir, 0755), 0);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    else
        assert_int_equal(chmod(o.dir, 0555), 0);
    enum err e = owner_open(&o, 16 * SEGMENT, &why);
    struct store_options options = {dir, SEGMENT, 16 * SEGMENT};
    struct store_callbacks cb = {&o, on_appended, on_fetched, on_trouble, NULL};
    snprintf(dir, sizeof dir, "%s/not/there/", o.dir);
    enum err e2 = store_open(&o.store, &o.loop, &options, &cb, 1, &why);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(o.dir, 0700), 0);
    assert_int_equal(e, ERR_DENIED);
    assert_int_equal(e2, ERR_DENIED);
    assert_non_null(strstr(why.text, "chown"));
    assert_int_equal(store_open(&o.store, &o.loop, &options, &cb, 1, &why), ERR_OK);
    owner_stop(&o); /* closed without a replay */
    owner_close(&o);
}

static void a_file_in_the_place_of_the_directory_is_said(void **state)
{
    struct owner o;
    struct fault why;
    char path[100];
    owner_init(&o);
    snprintf(path, sizeof path, "%s/queue", o.dir);
    fclose(fopen(path, "w"));
    assert_int_equal(owner_open(&o, 16 * SEGMENT, &why), ERR_SYSTEM);
    assert_non_null(strstr(why.text, "queue"));
    o.store = NULL;
    owner_close(&o);
}

static void every_call_may_fail(void **state)
{
    static const struct {
        const char *shows;
        enum call call;
    } row[] = {
        {"open", OPEN},     {"pwrite", PWRITE},     {"fdatasync", FDATASYNC}, {"fsync", FSYNC},
        {"rename", RENAME}, {"allocate", ALLOCATE}, {"truncate", TRUNCATE},   {"unlink", UNLINK},
    };
    static const int errnums[] = {ENOSPC, EIO};
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        for (int n = 1; n <= 9; n++) {
            for (int times = 1; times <= 4; times += 3) {
                struct owner o;
                owner_init(&o);
                faults.fail_from[row[i].call] = n;
                faults.fail_to[row[i].call] = n + times - 1;
                faults.errnum = errnums[(n + times) % 2];
                owner_start(&o, 16);
                unsigned bad = 0;
                for (uint64_t k = 0; k < 30; k++) {
                    bad += append_one(&o, k, 5000) != ERR_OK;
                    for (uint64_t s = 1; s + 1 < o.known[o.tickets].pos.segment; s++)
                        store_release(o.store, s);
                }
                if (bad >
                    (unsigned)times + 6) /* refused while it looks for space: these count too */
                    fail_msg("%s %d x %d: %u of 30 failed", row[i].shows, n, times, bad);
                if (bad && !o.troubles)
                    fail_msg("%s %d x %d: nothing was said", row[i].shows, n, times);
                uint64_t newest = 0;
                for (uint64_t t = 1; t <= o.tickets; t++) {
                    if (o.known[t].pos.segment > newest)
                        newest = o.known[t].pos.segment;
                }
                owner_stop(&o);
                faults_clear();
                owner_start(&o, 16);
                for (uint64_t t = 1; t <= o.tickets; t++) {
                    const struct known *k = &o.known[t];
                    if (k->err ? k->is_found : (k->pos.segment + 1 >= newest && !k->is_found))
                        fail_msg("%s %d x %d: record %d (%s) is %s", row[i].shows, n, times, (int)t,
                                 err_name(k->err), k->is_found ? "found" : "lost");
                }
                assert_int_equal(append_one(&o, 1, 5000), ERR_OK);
                owner_close(&o);
            }
        }
    }
}

static void short_writes_are_carried_on(void **state)
{
    struct owner o;
    owner_init(&o);
    faults.short_bytes = 100;
    owner_start(&o, 16);
    for (int i = 0; i < 5; i++)
        assert_int_equal(append_one(&o, 1, 5000), ERR_OK);
    owner_stop(&o);
    owner_start(&o, 16);
    assert_int_equal(o.records, 5);
    owner_close(&o);
}

static void trouble_is_said_and_its_end_too(void **state)
{
    struct owner o;
    owner_init(&o);
    owner_start(&o, 16);
    WAIT(&o, segments(&o) == 1);
    assert_int_equal(append_one(&o, 1, 100), ERR_OK);
    WAIT(&o, spares(&o) == 2);
    faults.fail_from[FDATASYNC] = faults.fail_to[FDATASYNC] =
        atomic_load(&faults.made[FDATASYNC]) + 1;
    faults.errnum = EIO;
    append(&o, 1, 100, true);
    kick(&o);
    wait_for(&o, &o.completed, o.tickets);
    assert_int_equal(o.known[o.tickets].err, ERR_SYSTEM);
    assert_int_equal(append_one(&o, 1, 100), ERR_OK);
    assert_int_equal(o.troubles, 2);
    assert_int_equal(o.trouble.errnum, 0);
    assert_non_null(strstr(o.trouble.text, "works again"));
    owner_close(&o);
}

static void nothing_is_confirmed_in_a_removed_segment(void **state)
{
    struct owner o;
    char path[128];
    owner_init(&o);
    owner_start(&o, 16);
    assert_int_equal(append_one(&o, 1, 100), ERR_OK);
    WAIT(&o, spares(&o) > 0 && store_is_idle(o.store)); /* the first one is left for it */
    assert_int_equal(append_one(&o, 1, 100), ERR_OK);
    uint64_t segment = o.known[o.tickets].pos.segment;
    snprintf(path, sizeof path, "%s/queue/%016llx.seg", o.dir, (unsigned long long)segment);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(append_one(&o, 1, 100), ERR_SYSTEM);
    assert_non_null(strstr(o.trouble.text, "was removed"));
    assert_int_equal(append_one(&o, 1, 100), ERR_OK); /* in another one */
    assert_true(o.known[o.tickets].pos.segment > segment);
    owner_close(&o);
}

static void damage_in_the_middle_costs_only_itself(void **state)
{
    struct owner o;
    owner_init(&o);
    owner_start(&o, 16);
    WAIT(&o, segments(&o) == 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(append_one(&o, 1, 1000), ERR_OK);
    owner_stop(&o);
    struct journal_pos pos = o.known[4].pos;
    char file[64];
    snprintf(file, sizeof file, "queue/%016llx.seg", (unsigned long long)pos.segment);
    patch(&o, file, pos.offset + 500, "!!!!", 4);
    for (int again = 0; again < 2; again++) {
        owner_start(&o, 16);
        assert_int_equal(o.records, 9);
        assert_false(o.known[4].is_found);
        assert_int_equal(o.notes, 1);
        assert_non_null(strstr(o.note, "damaged"));
        assert_int_equal(count_files(&o, ".bad"), 1);
        owner_stop(&o);
    }
    owner_start(&o, 16);
    store_release(o.store, pos.segment);
    WAIT(&o, count_files(&o, strchr(file, '/') + 1) == 0);
    assert_int_equal(count_files(&o, ".bad"), 1); /* the copy stays */
    owner_close(&o);
}

static void a_segment_without_a_header_is_set_aside(void **state)
{
    struct owner o;
    owner_init(&o);
    owner_start(&o, 16);
    WAIT(&o, segments(&o) == 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(append_one(&o, 1, 9000), ERR_OK);
    owner_stop(&o);
    struct journal_pos first = o.known[1].pos;
    char file[64];
    snprintf(file, sizeof file, "queue/%016llx.seg", (unsigned long long)first.segment);
    patch(&o, file, 8, "????????", 8);
    owner_start(&o, 16);
    assert_int_equal(o.notes, 1);
    assert_int_equal(count_files(&o, ".bad"), 1);
    for (uint64_t t = 1; t <= 20; t++)
        assert_int_equal(o.known[t].is_found, o.known[t].pos.segment != first.segment);
    owner_close(&o);
}

static void what_cannot_be_read_costs_only_itself(void **state)
{
    struct owner o;
    owner_init(&o);
    owner_start(&o, 16);
    WAIT(&o, segments(&o) == 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(append_one(&o, 1, 9000), ERR_OK);
    owner_stop(&o);
    faults_clear();
    /* The first segment's body, after all heads: as a whole, then page by page. */
    faults.fail_from[PREAD] = (int)count_files(&o, ".seg") + 1;
    faults.fail_to[PREAD] = faults.fail_from[PREAD] + SEGMENT / 4096;
    faults.errnum = EIO;
    owner_start(&o, 16);
    assert_true(o.notes > 0);
    for (uint64_t t = 1; t <= 20; t++)
        assert_int_equal(o.known[t].is_found, o.known[t].pos.segment != o.known[1].pos.segment);
    owner_close(&o);
}

static void another_installations_queue_is_refused(void **state)
{
    struct owner o;
    struct fault why;
    owner_init(&o);
    owner_start(&o, 16);
    assert_int_equal(append_one(&o, 1, 100), ERR_OK);
    owner_stop(&o);
    patch(&o, "installation", 0, "00000000000000ab", 16);
    assert_int_equal(owner_open(&o, 16 * SEGMENT, &why), ERR_OK);
    assert_int_equal(owner_replay(&o, &why), ERR_BAD);
    assert_non_null(strstr(why.text, "another relay"));
    owner_stop(&o);
    char path[100];
    snprintf(path, sizeof path, "%s/installation", o.dir);
    assert_int_equal(unlink(path), 0);
    owner_start(&o, 16); /* lost: the segments know it */
    assert_int_equal(o.records, 1);
    assert_int_equal(access(path, R_OK), 0);
    owner_close(&o);
}

static void an_adopted_segment_that_was_never_written_becomes_a_spare(void **state)
{
    struct owner o;
    char path[128];
    owner_init(&o);
    owner_start(&o, 16);
    for (int i = 0; i < 8; i++)
        assert_int_equal(append_one(&o, 1, 9000), ERR_OK);
    owner_stop(&o);
    snprintf(path, sizeof path, "%s/queue/00000000000000f0.seg", o.dir);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    char *zeroes = calloc(1, SEGMENT);
    assert_int_equal(write(fd, zeroes, SEGMENT), SEGMENT);
    free(zeroes);
    close(fd);
    snprintf(path, sizeof path, "%s/queue/00000000000000f1.seg", o.dir);
    fclose(fopen(path, "w")); /* an empty file */
    owner_start(&o, 16);
    assert_int_equal(o.notes, 0);
    assert_int_equal(o.records, 8);
    assert_int_equal(count_files(&o, "f0.seg"), 0);
    assert_int_equal(count_files(&o, "f1.seg"), 0);
    assert_int_equal(append_one(&o, 1, 100), ERR_OK);
    assert_true(o.known[o.tickets].pos.segment > 0xf1);
    owner_close(&o);
}

static void unsynced_records_are_synced_in_the_end(void **state)
{
    struct owner o;
    struct journal_usage u;
    owner_init(&o);
    owner_start(&o, 16);
    assert_int_equal(append_one(&o, 1, 100), ERR_OK);
    append(&o, 1, 100, false);
    kick(&o);
    wait_for(&o, &o.completed, o.tickets);
    store_usage(o.store, &u);
    assert_int_equal(u.unsynced_records, 1);
    uint64_t from = uv_hrtime();
    WAIT(&o, (store_usage(o.store, &u), u.unsynced_records == 0));
    assert_true(uv_hrtime() - from > (FLUSH_MS - 200) * UINT64_C(1000000));
    append(&o, 1, 100, false); /* not even kicked */
    int syncs = atomic_load(&faults.made[FDATASYNC]);
    owner_stop(&o);
    assert_true(atomic_load(&faults.made[FDATASYNC]) > syncs);
    owner_start(&o, 16);
    assert_int_equal(o.records, 3);
    for (uint64_t t = 1; t <= 3; t++)
        store_fetch(o.store, t, 1, o.known[t].pos);
    owner_stop(&o); /* fetches are told, whatever comes of them */
    assert_int_equal(o.fetched, 3);
    owner_close(&o);
}

/* A relay is killed while it writes: everything it had been told of is there. */
static void child(const char *dir, int to)
{
    struct owner o;
    memset(&o, 0, sizeof o);
    strcpy(o.dir, dir);
    o.known = calloc(TICKETS_MAX, sizeof *o.known);
    if (uv_loop_init(&o.loop))
        _exit(1);
    owner_start(&o, 200);
    o.tickets = o.completed = o.last_found;
    while (o.tickets + 20 < TICKETS_MAX) {
        for (uint64_t i = 0; i < 1 + o.tickets % 7; i++)
            append(&o, i, 8 + (o.tickets * 331) % 6000, true);
        kick(&o);
        wait_for(&o, &o.completed, o.tickets);
        if (write(to, &o.completed, sizeof o.completed) != sizeof o.completed)
            _exit(1);
    }
    _exit(0);
}

static void a_killed_relay_has_kept_its_word(void **state)
{
    struct owner o;
    owner_init(&o);
    uint64_t told = 0;
    for (int round = 0; round < 8; round++) {
        int pipe_fd[2];
        assert_int_equal(pipe(pipe_fd), 0);
        pid_t pid = fork();
        if (pid == 0)
            child(o.dir, pipe_fd[1]);
        close(pipe_fd[1]);
        for (int i = 0; i < 10 + round * 5; i++)
            assert_int_equal(read(pipe_fd[0], &told, sizeof told), sizeof told);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(pipe_fd[0], &told, sizeof told) == sizeof told)
            continue;
        close(pipe_fd[0]);
        owner_start(&o, 200);
        for (uint64_t t = 1; t <= told; t++)
            assert_true(o.known[t].is_found);
        owner_stop(&o);
    }
    owner_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_is_there_after_a_restart),
        cmocka_unit_test(fetches_say_what_is_wrong),
        cmocka_unit_test(dead_segments_are_recycled),
        cmocka_unit_test(numbers_are_never_given_twice),
        cmocka_unit_test(a_fresh_relay_takes_little_disk),
        cmocka_unit_test(a_second_relay_is_told_who_runs),
        cmocka_unit_test(a_directory_that_cannot_be_used_says_what_to_do),
        cmocka_unit_test(a_file_in_the_place_of_the_directory_is_said),
        cmocka_unit_test(every_call_may_fail),
        cmocka_unit_test(short_writes_are_carried_on),
        cmocka_unit_test(trouble_is_said_and_its_end_too),
        cmocka_unit_test(nothing_is_confirmed_in_a_removed_segment),
        cmocka_unit_test(damage_in_the_middle_costs_only_itself),
        cmocka_unit_test(a_segment_without_a_header_is_set_aside),
        cmocka_unit_test(what_cannot_be_read_costs_only_itself),
        cmocka_unit_test(another_installations_queue_is_refused),
        cmocka_unit_test(an_adopted_segment_that_was_never_written_becomes_a_spare),
        cmocka_unit_test(unsynced_records_are_synced_in_the_end),
        cmocka_unit_test(a_killed_relay_has_kept_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
