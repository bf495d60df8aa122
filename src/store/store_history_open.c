/* store_history_open.c -- the history at start: its directory and salt, and which files lie there.
 *
 * A closed file is known by the head of its index; nothing else of it is read. A file without an
 * index was growing when the relay ended: it is read again, up to the first frame that is not
 * whole. The newest of them grows on, any other is closed now. */
#include "store_history_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, SALT_CHARS = 32 };

/* --- directory and salt --- */

static bool parse_salt(const char text[SALT_CHARS], uint64_t salt[2])
{
    salt[0] = salt[1] = 0;
    for (int i = 0; i < SALT_CHARS; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        salt[i / 16] = salt[i / 16] << 4 | (uint64_t)digit;
    }
    return true;
}

static enum err read_salt(struct history_disk *d, uint64_t salt[2], struct fault *why)
{
    char text[SALT_CHARS];
    int fd = d->sys->open(d->fd, "salt", O_RDONLY, 0);
    if (fd < 0)
        return history_fault(d, why, errno, "open", "salt");
    ssize_t n = d->sys->pread(fd, text, sizeof text, 0);
    int errnum = n < 0 ? errno : 0;
    close(fd);
    if (errnum)
        return history_fault(d, why, errnum, "read", "salt");
    return n == SALT_CHARS && parse_salt(text, salt) ? ERR_OK : ERR_MISSING; /* torn: a new one */
}

static enum err make_salt(struct history_disk *d, const uint64_t salt[2], struct fault *why)
{
    char text[SALT_CHARS + 2];
    snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64 "\n", salt[0], salt[1]);
    int fd = d->sys->open(d->fd, "salt.new", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return history_fault(d, why, errno, "make", "salt");
    ssize_t n = d->sys->pwrite(fd, text, SALT_CHARS + 1, 0);
    int errnum = n == SALT_CHARS + 1 ? 0 : n < 0 ? errno : EIO;
    if (!errnum && d->sys->fdatasync(fd) != 0)
        errnum = errno;
    close(fd);
    if (!errnum && d->sys->rename(d->fd, "salt.new", "salt") != 0)
        errnum = errno;
    return errnum ? history_fault(d, why, errnum, "write", "salt") : ERR_OK;
}

enum err history_disk_open(struct history_disk *d, bool makes, uint64_t salt[2], struct fault *why)
{
    if (d->fd < 0) {
        if (makes && mkdir(d->path, 0700) != 0 && errno != EEXIST)
            return history_fault(d, why, errno, "make", "");
        d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (d->fd < 0)
            return history_fault(d, why, errno, "open", "");
    }
    uint64_t kept[2];
    enum err e = read_salt(d, kept, why);
    if (e == ERR_MISSING && makes)
        return make_salt(d, salt, why);
    if (!e)
        memcpy(salt, kept, sizeof kept);
    return e;
}

/* --- which files there are --- */

struct names {
    uint64_t *log, *index; /* owned */
    size_t log_count, index_count;
};

static void add_name(uint64_t **list, size_t *count, uint64_t sequence)
{
    if ((*count & (*count - 1)) == 0) /* room doubles */
        *list = mem_resize(*list, (*count ? 2 * *count : 1) * sizeof **list);
    (*list)[(*count)++] = sequence;
}

static void found_name(struct names *n, const char *name)
{
    char *end;
    if (strlen(name) != 20 || strspn(name, "0123456789abcdef") != 16)
        return;
    uint64_t sequence = strtoull(name, &end, 16);
    if (sequence && strcmp(end, ".log") == 0)
        add_name(&n->log, &n->log_count, sequence);
    else if (sequence && strcmp(end, ".idx") == 0)
        add_name(&n->index, &n->index_count, sequence);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static enum err read_names(const struct history_disk *d, struct names *n, struct fault *why)
{
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return history_fault(d, why, errnum, "list", "");
    }
    for (struct dirent *entry; (entry = readdir(dir));)
        found_name(n, entry->d_name);
    closedir(dir);
    if (n->log_count)
        qsort(n->log, n->log_count, sizeof *n->log, by_number);
    if (n->index_count)
        qsort(n->index, n->index_count, sizeof *n->index, by_number);
    return ERR_OK;
}

static void sweep_indexes(const struct history_disk *d, const struct names *n)
{
    for (size_t i = 0; i < n->index_count; i++)
        if (!n->log_count ||
            !bsearch(&n->index[i], n->log, n->log_count, sizeof *n->log, by_number))
            (void)d->sys->unlink(d->fd, history_index_name(n->index[i]).s);
}

int64_t history_disk_newest_ms(const struct history_disk *d)
{
    struct names n = {0};
    struct stat st;
    struct fault why;
    int64_t at_ms = 0;
    if (d->fd >= 0 && read_names(d, &n, &why) == ERR_OK && n.log_count &&
        fstatat(d->fd, history_log_name(n.log[n.log_count - 1]).s, &st, 0) == 0)
        at_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    mem_free(n.log);
    mem_free(n.index);
    return at_ms;
}

/* --- one file --- */

static bool read_sealed(const struct history_disk *d, uint64_t sequence, struct history_sealed *out)
{
    char head[HISTORY_INDEX_HEADER_BYTES];
    struct stat index, log;
    int fd = d->sys->open(d->fd, history_index_name(sequence).s, O_RDONLY, 0);
    if (fd < 0)
        return false;
    bool is_good = d->sys->pread(fd, head, sizeof head, 0) == sizeof head &&
                   history_index_head_parse(slice_of(head, sizeof head), &out->head) &&
                   out->head.sequence == sequence && fstat(fd, &index) == 0 &&
                   (uint64_t)index.st_size == sizeof head + 16 * (uint64_t)out->head.entries;
    close(fd);
    is_good = is_good && fstatat(d->fd, history_log_name(sequence).s, &log, 0) == 0 &&
              (uint64_t)log.st_size >= out->head.log_bytes;
    if (is_good)
        out->bytes = (uint64_t)index.st_size + (uint64_t)log.st_size;
    return is_good;
}

/* Reads the frames again. False: this is no history file, or it cannot be read. */
static bool read_again(const struct history_disk *d, struct history_growing *g)
{
    struct buf in;
    buf_init(&in, HISTORY_FRAME_BYTES_MAX + READ_BYTES);
    bool is_over = false, has_error = false;
    uint64_t at = 0;
    while (!is_over && !has_error) {
        char *room = buf_reserve(&in, READ_BYTES);
        ssize_t n = room ? d->sys->pread(g->fd, room, READ_BYTES, (off_t)at) : 0;
        has_error = n < 0 && errno != EINTR;
        is_over = n == 0;
        if (n <= 0)
            continue;
        at += (uint64_t)n;
        buf_wrote(&in, (size_t)n);
        struct slice left = buf_slice(&in);
        if (!g->bytes && left.n >= HISTORY_FILE_HEADER_BYTES) {
            if (!history_file_is_good(left, g->sequence))
                break;
            g->bytes = HISTORY_FILE_HEADER_BYTES;
            left = slice_from(left, HISTORY_FILE_HEADER_BYTES);
        }
        struct history_frame f;
        size_t used;
        enum parse p = PARSE_MORE;
        while (g->bytes && (p = history_frame_parse(left, &f, &used)) == PARSE_DONE &&
               history_index_has_room(&g->index, f.key_count)) {
            history_take_frame(g, &f, used);
            left = slice_from(left, used);
        }
        is_over = is_over || p != PARSE_MORE;
        buf_drop(&in, in.n - left.n);
    }
    buf_close(&in);
    struct stat st;
    g->is_torn = fstat(g->fd, &st) != 0 || (uint64_t)st.st_size > g->bytes;
    return g->bytes > 0 && !has_error;
}

static void add_sealed(struct history_listing *l, const struct history_sealed *s)
{
    if ((l->sealed_count & (l->sealed_count - 1)) == 0)
        l->sealed =
            mem_resize(l->sealed, (l->sealed_count ? 2 * l->sealed_count : 1) * sizeof *l->sealed);
    l->sealed[l->sealed_count++] = *s;
}

static void close_growing(struct history_growing *g)
{
    if (g->fd >= 0)
        close(g->fd);
    history_index_close(&g->index);
    *g = (struct history_growing){.fd = -1};
}

/* A file without a good index. */
static enum err take_unsealed(struct history_disk *d, struct history_listing *l, uint64_t sequence,
                              bool is_last, struct fault *why)
{
    struct history_growing g = {.sequence = sequence};
    struct history_sealed sealed;
    history_index_init(&g.index);
    g.fd = d->sys->open(d->fd, history_log_name(sequence).s, O_RDWR, 0);
    if (g.fd < 0)
        return history_fault(d, why, errno, "open", history_log_name(sequence).s);
    if (!read_again(d, &g)) {
        struct stat st;
        if (fstat(g.fd, &st) == 0 && st.st_size < HISTORY_FILE_HEADER_BYTES)
            history_disk_retire(d, sequence); /* made, and never written */
        close_growing(&g); /* else damaged at its head, or of another version: left alone */
        return ERR_OK;
    }
    if (is_last) {
        l->growing = g;
        return ERR_OK;
    }
    if (history_disk_seal(d, &g, &sealed, why) == ERR_OK) /* else the next start tries again */
        add_sealed(l, &sealed);
    close_growing(&g);
    return ERR_OK;
}

enum err history_disk_list(struct history_disk *d, struct history_listing *out, struct fault *why)
{
    struct names n = {0};
    struct history_sealed sealed;
    *out = (struct history_listing){.growing.fd = -1};
    enum err e = read_names(d, &n, why);
    if (!e)
        sweep_indexes(d, &n);
    for (size_t i = 0; i < n.log_count && !e; i++) {
        bool is_last = i + 1 == n.log_count;
        out->last_sequence = n.log[i];
        if (read_sealed(d, n.log[i], &sealed))
            add_sealed(out, &sealed);
        else
            e = take_unsealed(d, out, n.log[i], is_last, why);
    }
    if (e) {
        close_growing(&out->growing);
        mem_free(out->sealed);
        *out = (struct history_listing){.growing.fd = -1};
    }
    mem_free(n.log);
    mem_free(n.index);
    return e;
}
