/* look_file.c -- see look_file.h. */
#include "look_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "journal/journal.h"
#include "journal/journal_rescue.h"
#include "store_names.h"

enum { LOOKS_MAX = 6 /* at a file that looks wrong */, LOOK_AGAIN_MS = 20 };

int look_file_open(const struct store_look *l, const char *name)
{
    return openat(l->queue_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* it may be a FIFO */
}

static bool is_zero(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i])
            return false;
    }
    return true;
}

/* Numbers only grow: what has a later one was renamed, what has one that is there is a copy. */
static void judge_other_number(const struct store_look *l, struct store_look_file *f)
{
    unsigned long long says = f->header.sequence;
    struct stat st;
    bool is_later = f->header.sequence > f->sequence;
    bool is_copy =
        !is_later && fstatat(l->queue_fd, segment_name(f->header.sequence).s, &st, 0) == 0;
    f->state = is_later || is_copy ? STORE_LOOK_LOST : STORE_LOOK_UNUSED;
    if (is_later || is_copy)
        (void)fault_set(&f->why, ERR_BAD, 0, "its header is of segment %016llx: %s", says,
                        is_later ? "it was renamed" : "it is a copy of that");
}

static void judge(const struct store_look *l, struct store_look_file *f, struct slice image)
{
    struct journal_header h;
    uint32_t version = journal_header_version(image);
    f->is_other_version = version && version != JOURNAL_VERSION;
    if (f->is_other_version) {
        f->state = STORE_LOOK_UNREAD;
        (void)fault_set(&f->why, ERR_BAD, 0, "has format version %u, this program reads %d",
                        version, JOURNAL_VERSION);
    } else if (journal_header_parse(image, &h, &f->why) == ERR_OK) {
        f->header = h;
        /* An earlier life's header: renamed to this, and nothing was written since. */
        f->state = STORE_LOOK_GOOD;
        if (h.sequence != f->sequence)
            judge_other_number(l, f);
        f->is_foreign = l->installation && h.installation != l->installation;
        f->is_cut = f->state == STORE_LOOK_GOOD && f->bytes < h.segment_bytes;
        f->has_index = f->state == STORE_LOOK_GOOD && f->kind == STORE_LOOK_SEGMENT &&
                       !f->sealed_by &&
                       faccessat(l->queue_fd, index_name(f->sequence).s, F_OK, 0) == 0;
    } else if (is_zero(slice_from(image, JOURNAL_HEADER_BYTES)) && !f->is_read_in_part) {
        f->state = STORE_LOOK_UNUSED;
        f->why = (struct fault){0};
    } else {
        f->state = STORE_LOOK_LOST;
    }
}

/* Is this name still that file, and its header what we read? Numbers are never given again: then it
 * has been that segment all the time. */
static bool is_same(const struct store_look *l, const char *name, int fd, struct slice image)
{
    char head[JOURNAL_HEADER_BYTES];
    struct stat now, then;
    if (fstatat(l->queue_fd, name, &now, 0) != 0 || fstat(fd, &then) != 0 ||
        now.st_ino != then.st_ino)
        return false;
    size_t n = image.n < sizeof head ? image.n : sizeof head;
    ssize_t got = pread(fd, head, n, 0);
    return got < 0 || ((size_t)got == n && (n == 0 || memcmp(head, image.p, n) == 0));
}

static bool is_copy_of_segment(const struct store_look *l, const struct store_look_file *f,
                               const struct stat *st)
{
    struct stat other;
    return f->kind == STORE_LOOK_ASIDE &&
           fstatat(l->queue_fd, segment_name(f->sequence).s, &other, 0) == 0 &&
           other.st_ino == st->st_ino && other.st_dev == st->st_dev;
}

/* Its bytes, and what they are at first sight. */
static struct slice take_bytes(struct store_look *l, struct store_look_file *f)
{
    struct stat st;
    int fd = look_file_open(l, f->name);
    f->is_read_in_part = false;
    f->why = (struct fault){0};
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        f->state = fd < 0 && errno == ENOENT ? STORE_LOOK_GONE : STORE_LOOK_UNREAD;
        if (fd < 0)
            (void)fault_set(&f->why, ERR_SYSTEM, errno, "cannot be opened");
        else
            (void)fault_set(&f->why, ERR_BAD, 0, "is no regular file");
        if (fd >= 0)
            close(fd);
        return SLICE_NONE;
    }
    f->bytes = (uint64_t)st.st_size;
    if (is_copy_of_segment(l, f, &st)) {
        f->state = STORE_LOOK_COPY;
        close(fd);
        return SLICE_NONE;
    }
    size_t n = f->bytes < JOURNAL_SEGMENT_BYTES_MOST ? f->bytes : JOURNAL_SEGMENT_BYTES_MOST;
    f->is_read_in_part = !image_read(&l->image, &store_real_syscalls, fd, n, &f->why);
    struct slice image = slice_of(l->image.p, n);
    if (is_same(l, f->name, fd, image))
        judge(l, f, image);
    else
        f->state = STORE_LOOK_GONE;
    close(fd);
    return image;
}

/* What looks wrong, and where; 0: nothing. Equal twice: it is wrong. */
static uint64_t first_wrong(const struct store_look_file *f, struct slice image)
{
    struct journal_walk w;
    struct journal_record r;
    if (f->state != STORE_LOOK_GOOD)
        return f->state == STORE_LOOK_LOST || f->state == STORE_LOOK_UNREAD ? 1 : 0;
    journal_walk_init(&w, image, &f->header, f->valid_end);
    for (;;) {
        switch (journal_walk_next(&w, &r)) {
        case JOURNAL_STEP_RECORD:
            break;
        case JOURNAL_STEP_DAMAGED:
            return w.bad_from;
        case JOURNAL_STEP_TORN:
            return f->is_newest ? 0 : w.bad_from;
        case JOURNAL_STEP_END:
            return 0;
        }
    }
}

static struct slice take_until_sure(struct store_look *l, struct store_look_file *f)
{
    static const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    struct slice image = take_bytes(l, f);
    uint64_t wrong = first_wrong(f, image);
    for (int i = 1; wrong && i < LOOKS_MAX; i++) {
        uint64_t before = wrong;
        nanosleep(&pause, NULL);
        image = take_bytes(l, f);
        wrong = first_wrong(f, image);
        if (wrong == before)
            break;
    }
    return image;
}

static void tell_record(struct store_look *l, struct store_look_file *f,
                        const struct journal_record *r, bool is_certain)
{
    f->records += is_certain;
    f->beyond += !is_certain;
    if (l->cb->record)
        l->cb->record(l->cb->ctx, f, r, is_certain);
}

static void tell_damage(struct store_look *l, struct store_look_file *f, uint32_t from, uint32_t to)
{
    f->damages++;
    f->damaged_bytes += to - from;
    if (l->cb->damage)
        l->cb->damage(l->cb->ctx, f, from, to);
}

static void walk_file(struct store_look *l, struct store_look_file *f, struct slice image)
{
    bool is_certain = f->state == STORE_LOOK_GOOD && f->kind == STORE_LOOK_SEGMENT;
    struct journal_walk w;
    struct journal_record r;
    journal_walk_init(&w, image, &f->header, f->valid_end);
    for (bool is_over = false; !is_over;) {
        switch (journal_walk_next(&w, &r)) {
        case JOURNAL_STEP_RECORD:
            tell_record(l, f, &r, is_certain);
            break;
        case JOURNAL_STEP_DAMAGED:
            tell_damage(l, f, w.bad_from, w.bad_to);
            break;
        case JOURNAL_STEP_TORN:
            f->torn_bytes = w.bad_to - w.bad_from;
            f->end = w.offset;
            f->is_tail_damaged = is_certain && f->has_followers && !f->sealed_by;
            if (f->is_tail_damaged)
                tell_damage(l, f, w.bad_from, w.bad_to);
            while (journal_walk_beyond(&w, &r))
                tell_record(l, f, &r, false);
            is_over = true;
            break;
        case JOURNAL_STEP_END:
            f->end = w.offset;
            is_over = true;
            break;
        }
    }
}

void look_file_tell(struct store_look *l, struct store_look_file *f)
{
    if (f->kind == STORE_LOOK_SPARE) {
        struct stat st;
        f->state = fstatat(l->queue_fd, f->name, &st, 0) == 0 ? STORE_LOOK_UNUSED : STORE_LOOK_GONE;
        f->bytes = f->state == STORE_LOOK_UNUSED ? (uint64_t)st.st_size : 0;
    } else {
        struct slice image = take_until_sure(l, f);
        if (f->state == STORE_LOOK_LOST && !journal_rescue_header(image, f->sequence, &f->header))
            f->header = (struct journal_header){0};
        if (f->state == STORE_LOOK_GOOD || (f->state == STORE_LOOK_LOST && f->header.nonce))
            walk_file(l, f, image);
    }
    if (l->cb->file)
        l->cb->file(l->cb->ctx, f);
}
