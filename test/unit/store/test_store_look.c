/* test_store_look.c -- a queue directory as others see it: what each file is taken for, what is
 * told of it, and what changes under the reader's hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/store_look.h"

enum { BYTES = 16 * 1024, PAYLOAD = 100, SPAN = 128, RECORDS = 10 };

struct place {
    char dir[64], queue[80];
};

static void place_make(struct place *p)
{
    strcpy(p->dir, "/tmp/test_look.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->queue, sizeof p->queue, "%s/queue", p->dir);
    assert_int_equal(mkdir(p->queue, 0700), 0);
}

static void place_remove(struct place *p)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
    assert_int_equal(system(command), 0);
}

static void put_file(const struct place *p, const char *name, const char *bytes, size_t n)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", p->queue, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

static struct journal_header header_of(uint64_t sequence)
{
    return (struct journal_header){.sequence = sequence,
                                   .nonce = sequence * 0x123456789abcdefu,
                                   .installation = 7,
                                   .segment_bytes = BYTES};
}

/* Ids count on: 100 * sequence + 1 ... Each says that all before it is synced, if told so. */
static void segment_build(char image[BYTES], uint64_t sequence, unsigned records)
{
    struct journal_header h = header_of(sequence);
    struct buf b;
    char payload[PAYLOAD];
    struct slice part = slice_of(payload, PAYLOAD);
    memset(payload, 'p', sizeof payload);
    memset(image, 0, BYTES);
    journal_header_build(&h, image);
    buf_init(&b, BYTES);
    for (unsigned i = 1; i <= records; i++)
        assert_true(journal_record_build(&b, &h, 1, sequence * 100 + i, &part, 1));
    memcpy(image + JOURNAL_HEADER_BYTES, b.p, b.n);
    buf_close(&b);
}

static uint32_t place_of(unsigned record)
{
    return JOURNAL_HEADER_BYTES + (record - 1) * SPAN;
}

/* --- what was told --- */

struct told {
    struct store_look_file file[8];
    size_t files;
    unsigned certain, uncertain, damages;
    const struct place *place; /* for changes meanwhile */
    void (*at_first_record)(struct told *t);
    struct journal_pos last;
    uint64_t last_id;
};

static void on_record(void *ctx, const struct store_look_file *f, const struct journal_record *r,
                      bool is_certain)
{
    struct told *t = ctx;
    if (t->at_first_record && t->certain + t->uncertain == 0)
        t->at_first_record(t);
    t->certain += is_certain;
    t->uncertain += !is_certain;
    t->last = r->pos;
    t->last_id = r->id;
}

static void on_damage(void *ctx, const struct store_look_file *f, uint32_t from, uint32_t to)
{
    assert_true(from < to);
    ((struct told *)ctx)->damages++;
}

static void on_file(void *ctx, const struct store_look_file *f)
{
    struct told *t = ctx;
    assert_true(t->files < COUNT_OF(t->file));
    t->file[t->files++] = *f;
}

static struct store_look *look(const struct place *p, struct told *t)
{
    struct store_look *l;
    struct fault why;
    struct store_look_callbacks cb = {t, on_record, on_damage, on_file};
    assert_int_equal(store_look_open(&l, p->dir, &why), ERR_OK);
    assert_int_equal(store_look_walk(l, &cb, &why), ERR_OK);
    return l;
}

/* --- one file --- */

static void files_are_what_they_are(void **state)
{
    static const struct {
        const char *shows, *name;
        unsigned turn[3]; /* bytes; 0: none. Of the header (1..63) or anywhere */
        unsigned wipe_to; /* zeroes from 0 to here */
        unsigned keep;    /* the file's length; 0: whole */
        unsigned followers;
        enum store_look_kind kind;
        enum store_look_state found;
        unsigned certain, uncertain, damages;
    } row[] = {
        {"all well", "0000000000000005.seg", {0}, 0, 0, 0, STORE_LOOK_SEGMENT, STORE_LOOK_GOOD, 10,
         0, 0},
        {"a torn tail", "0000000000000005.seg", {64 + 8 * SPAN + 50}, 0, 0, 0, STORE_LOOK_SEGMENT,
         STORE_LOOK_GOOD, 8, 1, 0},
        {"a torn tail that had been synced", "0000000000000005.seg", {64 + 8 * SPAN + 50}, 0, 0, 1,
         STORE_LOOK_SEGMENT, STORE_LOOK_GOOD, 8, 1, 1},
        {"header lost", "0000000000000005.seg", {3}, 0, 0, 0, STORE_LOOK_SEGMENT, STORE_LOOK_LOST,
         0, 10, 0},
        {"header wiped", "0000000000000005.seg", {0}, 64, 0, 0, STORE_LOOK_SEGMENT, STORE_LOOK_LOST,
         0, 10, 0},
        {"all but one record wiped", "0000000000000005.seg", {0}, 64 + 9 * SPAN, 0, 0,
         STORE_LOOK_SEGMENT, STORE_LOOK_LOST, 0, 0, 0},
        {"all wiped", "0000000000000005.seg", {0}, BYTES, 0, 0, STORE_LOOK_SEGMENT,
         STORE_LOOK_UNUSED, 0, 0, 0},
        {"another's header", "0000000000000006.seg", {0}, 0, 0, 0, STORE_LOOK_SEGMENT,
         STORE_LOOK_UNUSED, 0, 0, 0},
        {"renamed from a later number", "0000000000000004.seg", {0}, 0, 0, 0, STORE_LOOK_SEGMENT,
         STORE_LOOK_LOST, 0, 10, 0},
        {"cut off", "0000000000000005.seg", {0}, 0, 64 + 4 * SPAN, 0, STORE_LOOK_SEGMENT,
         STORE_LOOK_GOOD, 4, 0, 0},
        {"empty", "0000000000000005.seg", {0}, 0, 1, 0, STORE_LOOK_SEGMENT, STORE_LOOK_UNUSED, 0, 0,
         0},
        {"set aside", "0000000000000005.bad", {0}, 0, 0, 0, STORE_LOOK_ASIDE, STORE_LOOK_GOOD, 0,
         10, 0},
        {"set aside without header", "0000000000000005.bad", {5}, 0, 0, 0, STORE_LOOK_ASIDE,
         STORE_LOOK_LOST, 0, 10, 0},
        {"a spare", "spare-5", {0}, 0, 0, 0, STORE_LOOK_SPARE, STORE_LOOK_UNUSED, 0, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct place p;
        struct told t = {0};
        char image[BYTES], later[BYTES];
        place_make(&p);
        segment_build(image, 5, RECORDS);
        for (size_t k = 0; k < 3 && row[i].turn[k]; k++)
            image[row[i].turn[k]] ^= 1;
        memset(image, 0, row[i].wipe_to);
        put_file(&p, row[i].name, image, row[i].keep ? row[i].keep : BYTES);
        if (row[i].followers) {
            segment_build(later, 8, 1);
            put_file(&p, "0000000000000008.seg", later, BYTES);
        }
        store_look_close(look(&p, &t));
        assert_int_equal(t.files, 1 + row[i].followers);
        if (t.file[0].kind != row[i].kind || t.file[0].state != row[i].found ||
            t.certain != row[i].certain + row[i].followers || t.uncertain != row[i].uncertain ||
            t.damages != row[i].damages)
            fail_msg("%s: kind %d, state %d, %u certain, %u not, %u damages", row[i].shows,
                     t.file[0].kind, t.file[0].state, t.certain, t.uncertain, t.damages);
        assert_int_equal(t.file[0].is_cut, strcmp(row[i].shows, "cut off") == 0);
        place_remove(&p);
    }
}

static void strange_files_are_passed_by(void **state)
{
    struct place p;
    struct told t = {0};
    char path[160], image[BYTES];
    place_make(&p);
    segment_build(image, 5, RECORDS);
    put_file(&p, "0000000000000005.seg", image, BYTES);
    static const char *const names[] = {"0000000000000005.idx", "garbage", "making", "5.seg",
                                        "000000000000000A.seg", "spare-0", "spare-x",
                                        "ffffffffffffffff.seg", "0000000000000005.segx"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        put_file(&p, names[i], image, BYTES);
    snprintf(path, sizeof path, "%s/00000000000000fe.seg", p.queue);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof path, "%s/00000000000000ff.seg", p.queue);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/00000000000000fd.seg", p.queue);
    assert_int_equal(symlink("/dev/zero", path), 0);
    store_look_close(look(&p, &t));
    assert_int_equal(t.files, 4);
    assert_int_equal(t.file[0].state, STORE_LOOK_GOOD);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(t.file[i].state, STORE_LOOK_UNREAD);
    assert_int_equal(t.certain, RECORDS);
    place_remove(&p);
}

static void a_kept_copy_is_the_same_file(void **state)
{
    struct place p;
    struct told t = {0};
    char image[BYTES], from[160], to[160];
    place_make(&p);
    segment_build(image, 5, RECORDS);
    put_file(&p, "0000000000000005.seg", image, BYTES);
    snprintf(from, sizeof from, "%s/0000000000000005.seg", p.queue);
    snprintf(to, sizeof to, "%s/0000000000000005.bad", p.queue);
    assert_int_equal(link(from, to), 0);
    store_look_close(look(&p, &t));
    assert_int_equal(t.files, 2);
    assert_int_equal(t.file[1].state, STORE_LOOK_COPY);
    assert_true(t.certain == RECORDS && t.uncertain == 0);
    place_remove(&p);
}

static void a_seal_ends_a_segment(void **state)
{
    struct place p;
    struct told t = {0};
    char image[BYTES], seal_bytes[JOURNAL_SEAL_BYTES];
    struct journal_header h = header_of(6), sealed = header_of(5);
    struct journal_seal seal = {5, sealed.nonce, place_of(4)};
    struct slice part = slice_of(seal_bytes, sizeof seal_bytes);
    struct buf b;
    place_make(&p);
    segment_build(image, 5, RECORDS);
    put_file(&p, "0000000000000005.seg", image, BYTES);
    memset(image, 0, BYTES);
    journal_header_build(&h, image);
    journal_seal_build(&seal, seal_bytes);
    buf_init(&b, 4096);
    assert_true(journal_record_build(&b, &h, JOURNAL_TYPE_OWN, 0, &part, 1));
    memcpy(image + JOURNAL_HEADER_BYTES, b.p, b.n);
    buf_close(&b);
    put_file(&p, "0000000000000006.seg", image, BYTES);
    store_look_close(look(&p, &t));
    assert_true(t.certain == 3 && t.uncertain == 0 && t.damages == 0);
    assert_int_equal(t.file[0].sealed_by, 6);
    place_remove(&p);
}

static void another_installation_is_noticed(void **state)
{
    struct place p;
    struct told t = {0};
    struct store_look *l;
    char image[BYTES], path[160];
    place_make(&p);
    segment_build(image, 5, RECORDS);
    put_file(&p, "0000000000000005.seg", image, BYTES);
    l = look(&p, &t);
    assert_int_equal(store_look_installation(l), 7); /* no file says: the segment does */
    assert_false(t.file[0].is_foreign);
    store_look_close(l);
    snprintf(path, sizeof path, "%s/installation", p.dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "0000000000000008\n", 17), 17);
    close(fd);
    t = (struct told){0};
    store_look_close(look(&p, &t));
    assert_true(t.file[0].is_foreign);
    place_remove(&p);
}

static void another_version_is_not_read(void **state)
{
    struct place p;
    struct told t = {0};
    char image[BYTES];
    place_make(&p);
    segment_build(image, 5, RECORDS);
    image[8] = 2;
    uint32_t crc = crc32c(0, slice_of(image, 56));
    for (int i = 0; i < 4; i++)
        image[56 + i] = (char)(uint8_t)(crc >> (8 * i));
    put_file(&p, "0000000000000005.seg", image, BYTES);
    store_look_close(look(&p, &t));
    assert_true(t.file[0].is_other_version && t.file[0].state == STORE_LOOK_UNREAD);
    assert_true(t.certain == 0 && t.uncertain == 0);
    place_remove(&p);
}

/* --- under the reader's hand --- */

static void recycle_and_go_on(struct told *t)
{
    char from[160], to[160], image[BYTES];
    snprintf(from, sizeof from, "%s/0000000000000006.seg", t->place->queue);
    snprintf(to, sizeof to, "%s/spare-1", t->place->queue);
    assert_int_equal(rename(from, to), 0);
    segment_build(image, 7, 2);
    put_file(t->place, "0000000000000007.seg", image, BYTES);
}

static void what_goes_and_comes_meanwhile(void **state)
{
    struct place p;
    char image[BYTES];
    place_make(&p);
    for (uint64_t n = 5; n <= 6; n++) {
        char name[40];
        segment_build(image, n, RECORDS);
        snprintf(name, sizeof name, "%016llx.seg", (unsigned long long)n);
        put_file(&p, name, image, BYTES);
    }
    struct told t = {.place = &p, .at_first_record = recycle_and_go_on};
    struct store_look *l = look(&p, &t);
    assert_int_equal(t.files, 3);
    assert_int_equal(t.file[1].state, STORE_LOOK_GONE);
    assert_true(t.file[2].sequence == 7 && t.file[2].state == STORE_LOOK_GOOD);
    assert_int_equal(t.certain, RECORDS + 2);
    assert_int_equal(t.damages, 0);
    assert_true(store_look_is_gone(l, 6));
    assert_false(store_look_is_gone(l, 5));
    store_look_close(l);
    place_remove(&p);
}

static void records_are_fetched(void **state)
{
    struct place p;
    struct told t = {0};
    struct buf into;
    struct journal_record r;
    struct fault why;
    char image[BYTES], path[160];
    place_make(&p);
    buf_init(&into, 2 * JOURNAL_RECORD_BYTES_MAX);
    segment_build(image, 5, RECORDS);
    memset(image, 0, 20); /* header lost: fetched all the same */
    put_file(&p, "0000000000000005.bad", image, BYTES);
    struct store_look *l = look(&p, &t);
    assert_int_equal(store_look_fetch(l, t.last_id, t.last, &into, &r, &why), ERR_OK);
    assert_true(r.payload.n == PAYLOAD && r.id == t.last_id && r.payload.p[5] == 'p');
    assert_int_equal(store_look_fetch(l, t.last_id + 1, t.last, &into, &r, &why), ERR_DAMAGED);
    struct journal_pos nowhere = {9, 64, 100}, behind = {5, BYTES - 8, 100}, huge = {5, 64, ~0u};
    assert_int_equal(store_look_fetch(l, 1, nowhere, &into, &r, &why), ERR_MISSING);
    assert_int_equal(store_look_fetch(l, 1, behind, &into, &r, &why), ERR_SYSTEM);
    assert_int_equal(store_look_fetch(l, 1, huge, &into, &r, &why), ERR_SYSTEM);
    snprintf(path, sizeof path, "%s/0000000000000005.bad", p.queue);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_look_fetch(l, t.last_id, t.last, &into, &r, &why), ERR_MISSING);
    store_look_close(l);
    buf_close(&into);
    place_remove(&p);
}

static void what_is_no_queue_is_refused(void **state)
{
    struct place p;
    struct store_look *l;
    struct fault why;
    char path[160];
    place_make(&p);
    snprintf(path, sizeof path, "%s/none", p.dir);
    assert_int_equal(store_look_open(&l, path, &why), ERR_MISSING);
    assert_int_equal(store_look_open(&l, p.queue, &why), ERR_MISSING); /* no journal file in it */
    char image[BYTES];
    segment_build(image, 5, RECORDS);
    put_file(&p, "0000000000000005.seg", image, BYTES);
    assert_int_equal(store_look_open(&l, p.queue, &why), ERR_OK);
    assert_string_equal(store_look_path(l), p.queue);
    store_look_close(l);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_what_they_are),
        cmocka_unit_test(strange_files_are_passed_by),
        cmocka_unit_test(a_kept_copy_is_the_same_file),
        cmocka_unit_test(a_seal_ends_a_segment),
        cmocka_unit_test(another_installation_is_noticed),
        cmocka_unit_test(another_version_is_not_read),
        cmocka_unit_test(what_goes_and_comes_meanwhile),
        cmocka_unit_test(records_are_fetched),
        cmocka_unit_test(what_is_no_queue_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
