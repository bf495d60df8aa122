/* store_look.c -- see store_look.h.
 *
 *   walk: list names -> read all heads (seals!) -> each file: take its bytes, judge, walk
 *         -> list again, for segments that came since -> until none did
 *
 * Rules are the start's (journal_recover.h); here nothing follows from them but words. */
#include "store/store_look.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "look_file.h"
#include "store_names.h"

enum { ROUNDS_MAX = 16 }; /* lists of names; a relay under load makes some segments a second */

/* --- opening --- */

static uint64_t read_installation(int state_fd)
{
    char text[32] = "", *end = NULL;
    int fd = openat(state_fd, "installation", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    uint64_t id = n >= 16 ? strtoull(text, &end, 16) : 0;
    return end == text + 16 ? id : 0;
}

static void look_for_journal(void *ctx, const char *name)
{
    uint64_t n;
    enum store_name kind = file_kind_of(name, &n);
    *(bool *)ctx |= kind == FILE_SEGMENT || kind == FILE_BAD || kind == FILE_SPARE;
}

static enum err open_queue(struct store_look *l, const char *dir, struct fault *why)
{
    int state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state_fd < 0)
        return fault_set(why, errno == ENOENT ? ERR_MISSING : ERR_SYSTEM, errno, "cannot open %s",
                         dir);
    bool is_queue = false;
    l->queue_fd = openat(state_fd, "queue", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int errnum = errno;
    if (l->queue_fd >= 0) {
        l->installation = read_installation(state_fd);
        close(state_fd);
        return ERR_OK;
    }
    /* A queue that somebody saved from elsewhere may come without the directory around it. */
    if (errnum == ENOENT && file_names_list(state_fd, &is_queue, look_for_journal) == 0 &&
        is_queue) {
        l->path[strlen(l->path) - strlen("/queue")] = 0;
        l->queue_fd = state_fd;
        return ERR_OK;
    }
    close(state_fd);
    return fault_set(why, errnum == ENOENT ? ERR_MISSING : ERR_SYSTEM, errnum, "cannot open %s",
                     l->path);
}

enum err store_look_open(struct store_look **out, const char *dir, struct fault *why)
{
    struct store_look *l = mem_new(sizeof *l);
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    l->path = mem_new(n + sizeof "/queue");
    memcpy(l->path, dir, n);
    strcpy(l->path + n, "/queue");
    l->queue_fd = -1;
    enum err e = open_queue(l, dir, why);
    if (e)
        store_look_close(l);
    else
        *out = l;
    return e;
}

void store_look_close(struct store_look *l)
{
    if (l->queue_fd >= 0)
        close(l->queue_fd);
    image_close(&l->image);
    mem_free(l->file);
    mem_free(l->path);
    mem_free(l);
}

/* --- names --- */

static void found_name(void *ctx, const char *name)
{
    struct store_look *l = ctx;
    uint64_t n;
    enum store_name kind = file_kind_of(name, &n);
    if (kind == FILE_STRANGE || kind == FILE_INDEX || kind == FILE_UNFINISHED)
        return;
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 32;
        l->file = mem_resize(l->file, l->cap * sizeof *l->file);
    }
    struct look_file *file = &l->file[l->count++];
    *file = (struct look_file){.f = {.sequence = n, .valid_end = UINT32_MAX}};
    file->f.kind = kind == FILE_SEGMENT ? STORE_LOOK_SEGMENT
                   : kind == FILE_BAD   ? STORE_LOOK_ASIDE
                                        : STORE_LOOK_SPARE;
    snprintf(file->f.name, sizeof file->f.name, "%s", name);
}

static int in_order(const void *x, const void *y)
{
    const struct look_file *a = x, *b = y;
    bool a_spare = a->f.kind == STORE_LOOK_SPARE, b_spare = b->f.kind == STORE_LOOK_SPARE;
    if (a_spare != b_spare)
        return a_spare - b_spare;
    if (a->f.sequence != b->f.sequence)
        return a->f.sequence < b->f.sequence ? -1 : 1;
    if (a->f.kind != b->f.kind)
        return a->f.kind < b->f.kind ? -1 : 1;
    return b->is_told - a->is_told; /* of two with one name the one that was told comes first */
}

/* Lists again, and keeps what is known already. */
static int list_names(struct store_look *l)
{
    int errnum = file_names_list(l->queue_fd, l, found_name);
    if (l->count)
        qsort(l->file, l->count, sizeof *l->file, in_order);
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (kept == 0 || strcmp(l->file[kept - 1].f.name, l->file[i].f.name) != 0)
            l->file[kept++] = l->file[i];
    }
    l->count = kept;
    return errnum;
}

/* --- heads: what the seals in them say, and who comes after whom --- */

static void add_head(struct store_look *l, struct look_file *file, struct journal_survey *survey)
{
    struct stat st;
    struct fault ignored;
    struct journal_header h;
    int fd = look_file_open(l, file->f.name);
    if (fd < 0)
        return;
    size_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
    if (n > JOURNAL_SURVEY_BYTES)
        n = JOURNAL_SURVEY_BYTES;
    (void)image_read(&l->image, &store_real_syscalls, fd, n, &ignored);
    close(fd);
    struct slice head = slice_of(l->image.p, n);
    file->is_begun = false;
    if (journal_header_parse(head, &h, NULL) != ERR_OK)
        return;
    if (!l->installation)
        l->installation = h.installation;
    journal_survey_add(survey, file->f.sequence, h.installation, head);
    file->is_begun = h.sequence == file->f.sequence;
}

static void use_seals(struct store_look_file *f, const struct journal_survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        const struct journal_found *found = &survey->found[i];
        if (found->sequence == f->sequence) {
            f->valid_end = found->valid_end;
            f->sealed_by = found->sealed_by;
        }
    }
}

static void read_heads(struct store_look *l)
{
    struct journal_survey survey;
    bool is_newest = true, are_followers = false;
    journal_survey_init(&survey);
    for (size_t i = 0; i < l->count; i++) {
        if (l->file[i].f.kind == STORE_LOOK_SEGMENT)
            add_head(l, &l->file[i], &survey);
    }
    journal_survey_finish(&survey);
    for (size_t i = l->count; i-- > 0;) {
        struct look_file *file = &l->file[i];
        if (file->f.kind != STORE_LOOK_SEGMENT || file->is_told)
            continue;
        file->f.is_newest = is_newest;
        file->f.has_followers = are_followers;
        is_newest = false;
        are_followers |= file->is_begun;
        use_seals(&file->f, &survey);
    }
    journal_survey_close(&survey);
}

/* --- the door --- */

enum err store_look_walk(struct store_look *l, const struct store_look_callbacks *cb,
                         struct fault *why)
{
    l->count = 0;
    l->cb = cb;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool is_new = false;
        int errnum = list_names(l);
        if (errnum)
            return fault_set(why, ERR_SYSTEM, errnum, "cannot list %s", l->path);
        read_heads(l);
        for (size_t i = 0; i < l->count; i++) {
            struct look_file *file = &l->file[i];
            /* A spare that came since, or became a segment, is no news. */
            if (file->is_told || (round && file->f.kind == STORE_LOOK_SPARE))
                continue;
            file->is_told = is_new = true;
            look_file_tell(l, &file->f);
        }
        if (!is_new)
            break;
    }
    return ERR_OK;
}

uint64_t store_look_installation(const struct store_look *l)
{
    return l->installation;
}

const char *store_look_path(const struct store_look *l)
{
    return l->path;
}

bool store_look_is_gone(const struct store_look *l, uint64_t segment)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct store_look_file *f = &l->file[i].f;
        if (f->kind == STORE_LOOK_SEGMENT && f->sequence == segment)
            return f->state == STORE_LOOK_GONE || faccessat(l->queue_fd, f->name, F_OK, 0) != 0;
    }
    return false;
}

static enum err read_record(struct store_look *l, const struct store_look_file *f, uint64_t id,
                            struct journal_pos pos, struct buf *into, struct journal_record *out,
                            struct fault *why)
{
    size_t span = journal_record_span(pos.bytes), at = 0;
    int fd = look_file_open(l, f->name);
    if (fd < 0)
        return fault_set(why, ERR_MISSING, errno, "cannot open %s/%s", l->path, f->name);
    buf_clear(into);
    char *to = pos.bytes <= JOURNAL_RECORD_BYTES_MAX ? buf_reserve(into, span) : NULL;
    while (to && at < span) {
        ssize_t n = pread(fd, to + at, span - at, (off_t)(pos.offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    int errnum = errno;
    close(fd);
    if (!to || at < span)
        return fault_set(why, ERR_SYSTEM, to ? errnum : 0, "cannot read %s/%s at offset %u",
                         l->path, f->name, pos.offset);
    buf_wrote(into, span);
    return journal_record_verify(buf_slice(into), &f->header, pos, id, out, why);
}

enum err store_look_fetch(struct store_look *l, uint64_t id, struct journal_pos pos,
                          struct buf *into, struct journal_record *out, struct fault *why)
{
    enum err e = fault_set(why, ERR_MISSING, 0, "segment %016" PRIx64 " is not there", pos.segment);
    for (size_t i = 0; i < l->count; i++) {
        const struct store_look_file *f = &l->file[i].f;
        if (f->kind == STORE_LOOK_SPARE || f->sequence != pos.segment || !f->header.nonce ||
            f->state == STORE_LOOK_UNUSED || f->state == STORE_LOOK_GONE)
            continue;
        e = read_record(l, f, id, pos, into, out, why);
        if (!e)
            return ERR_OK;
    }
    return e && store_look_is_gone(l, pos.segment) ? ERR_MISSING : e;
}
