/* drop_file.c -- see drop_file.h. */
#include "drop_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mail/address.h"

static const struct slice magic = SLICE_INIT("outpost-drop 1\n");

/* ---- writing ---- */

static bool new_name(struct drop_name *out)
{
    uint64_t chance;
    struct timespec now;
    if (getrandom(&chance, sizeof chance, 0) != (ssize_t)sizeof chance ||
        clock_gettime(CLOCK_REALTIME, &now))
        return false;
    uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    snprintf(out->s, sizeof out->s, "m%016llx%016llx", (unsigned long long)us,
             (unsigned long long)chance);
    return true;
}

bool drop_name_is_good(const char *name)
{
    if (name[0] != 'm' || strlen(name) != DROP_NAME_BYTES)
        return false;
    for (const char *c = name + 1; *c; c++) {
        if (!strchr("0123456789abcdef", *c))
            return false;
    }
    return true;
}

static void add_line(struct buf *out, const char *word, struct slice value)
{
    if (value.n)
        buf_addf(out, "%s %.*s\n", word, SLICE_FMT(value));
}

/* The header for recipients from *at on, as many as go into one file. */
static unsigned build_header(struct buf *out, const struct handover_envelope *e, size_t bytes,
                             unsigned *at)
{
    unsigned count = 0;
    buf_add(out, magic);
    add_line(out, "from", e->sender);
    add_line(out, "notify", e->notify);
    add_line(out, "ret", e->ret);
    add_line(out, "envid", e->envid);
    if (e->is_8bit)
        buf_add_cstr(out, "8bit\n");
    for (; *at < e->recipient_count && count < DROP_RECIPIENTS_MAX; ++*at) {
        if (e->recipient[*at].is_taken)
            continue;
        add_line(out, "to", e->recipient[*at].address);
        count++;
    }
    buf_addf(out, "bytes %zu\n\n", bytes);
    return count;
}

static bool write_all(int fd, struct slice s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = slice_from(s, (size_t)n);
    }
    return true;
}

/* One file, synced, under a name that the relay does not look at. */
static bool write_hidden(int dir_fd, const char *hidden, unsigned mode, struct slice header,
                         struct slice message)
{
    int fd = openat(dir_fd, hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool is_written = write_all(fd, header) && write_all(fd, message) &&
                      fchmod(fd, (mode_t)mode) == 0 && fsync(fd) == 0;
    int e = errno;
    close(fd);
    if (!is_written)
        unlinkat(dir_fd, hidden, 0);
    errno = e;
    return is_written;
}

/* Who may list it may be somebody else than who writes: without O_RDONLY there is no fsync of a
 * directory, so the file system is synced. */
static bool sync_directory(int dir_fd, const char *dir, const char *name)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        bool is_synced = fd >= 0 && syncfs(fd) == 0;
        if (fd >= 0)
            close(fd);
        return is_synced;
    }
    bool is_synced = fsync(fd) == 0;
    close(fd);
    return is_synced;
}

static enum err failed(struct fault *why, const char *dir)
{
    enum err e = errno == ENOENT || errno == ENOTDIR  ? ERR_MISSING
                 : errno == ENOSPC || errno == EDQUOT ? ERR_FULL
                 : errno == EACCES || errno == EPERM  ? ERR_DENIED
                                                      : ERR_SYSTEM;
    return fault_set(why, e, errno, "drop directory %s", dir);
}

/* What has been written and not shown, or shown and not promised. */
static void take_back(int dir_fd, const struct drop_name *name, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char hidden[sizeof name[i].s + 2];
        snprintf(hidden, sizeof hidden, "t%s", name[i].s);
        unlinkat(dir_fd, hidden, 0);
        unlinkat(dir_fd, name[i].s, 0);
    }
}

static bool write_files(int dir_fd, const char *dir, unsigned mode,
                        const struct handover_envelope *e, struct slice message,
                        struct drop_name *name, unsigned *count)
{
    char hidden[sizeof name->s + 2];
    for (unsigned at = 0;;) {
        struct buf header;
        buf_init(&header, DROP_HEADER_BYTES_MAX);
        unsigned recipients = build_header(&header, e, message.n, &at);
        bool is_good = !recipients || (!header.is_full && new_name(&name[*count]));
        snprintf(hidden, sizeof hidden, "t%s", name[*count].s);
        if (is_good && recipients)
            is_good = write_hidden(dir_fd, hidden, mode, buf_slice(&header), message);
        *count += is_good && recipients;
        buf_close(&header);
        if (!is_good)
            return false;
        if (!recipients)
            break;
    }
    for (unsigned i = 0; i < *count; i++) {
        snprintf(hidden, sizeof hidden, "t%s", name[i].s);
        if (renameat(dir_fd, hidden, dir_fd, name[i].s))
            return false;
    }
    return *count == 0 || sync_directory(dir_fd, dir, name[*count - 1].s);
}

enum err drop_file_write(const char *dir, const struct handover_envelope *e, struct slice message,
                         struct fault *why)
{
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (dir_fd < 0)
        return failed(why, dir);
    if (fstat(dir_fd, &st)) {
        close(dir_fd);
        return failed(why, dir);
    }
    bool relay_reads_all = st.st_uid == 0 || st.st_uid == geteuid();
    unsigned files_max = e->recipient_count / DROP_RECIPIENTS_MAX + 2, count = 0;
    struct drop_name *name = mem_new(files_max * sizeof *name);
    enum err failure = ERR_OK;
    if (!write_files(dir_fd, dir, relay_reads_all ? 0600 : 0644, e, message, name, &count)) {
        failure = failed(why, dir);
        take_back(dir_fd, name, count);
    }
    mem_free(name);
    close(dir_fd);
    return failure;
}

/* ---- reading ---- */

static bool is_clean(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((uint8_t)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    }
    return true;
}

/* What may be said as an SMTP parameter: printable, without blanks. */
static bool is_parameter(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    }
    return s.n > 0 && s.n <= 100;
}

static bool is_address(struct slice s)
{
    struct mail_address unused;
    size_t used;
    return mail_address_parse(s, MAIL_ADDRESS_UTF8 | MAIL_ADDRESS_UNQUALIFIED | MAIL_ADDRESS_LAX,
                              &unused, &used) == PARSE_DONE;
}

static bool take_line(struct handover_envelope *e, struct slice line, uint64_t *bytes)
{
    struct slice word = slice_head(line, slice_find(line, ' '));
    struct slice value = slice_from(line, word.n + 1);
    struct slice *parameter = slice_eq(word, SLICE("notify"))  ? &e->notify
                              : slice_eq(word, SLICE("ret"))   ? &e->ret
                              : slice_eq(word, SLICE("envid")) ? &e->envid
                                                               : NULL;
    if (slice_eq(word, SLICE("8bit")))
        return e->is_8bit = true;
    if (slice_eq(word, SLICE("bytes")))
        return slice_to_u64(value, bytes);
    if (parameter) {
        *parameter = value;
        return is_parameter(value);
    }
    bool is_to = slice_eq(word, SLICE("to"));
    if (!is_clean(value) || !is_address(value) || (!is_to && !slice_eq(word, SLICE("from"))))
        return false;
    if (!is_to) {
        e->sender = value;
        return true;
    }
    if (e->recipient_count == DROP_FILE_RECIPIENTS_MAX)
        return false;
    e->recipient = mem_resize(e->recipient, (e->recipient_count + 1) * sizeof *e->recipient);
    e->recipient[e->recipient_count++] = (struct handover_recipient){.address = value};
    return true;
}

bool drop_file_parse(struct slice header, struct handover_envelope *out, uint64_t *bytes,
                     struct fault *why)
{
    *out = (struct handover_envelope){0};
    *bytes = 0;
    bool is_good = slice_starts(header, magic);
    for (struct slice rest = slice_from(header, magic.n); is_good && rest.n;) {
        struct slice line = slice_head(rest, slice_find(rest, '\n'));
        rest = slice_from(rest, line.n + 1);
        is_good = take_line(out, line, bytes);
    }
    if (is_good && out->recipient_count)
        return true;
    fault_set(why, ERR_BAD, 0, is_good ? "it has no recipient" : "its header is wrong");
    mem_free(out->recipient);
    *out = (struct handover_envelope){0};
    return false;
}

static bool read_header(struct drop_file *f, struct fault *why)
{
    char chunk[4096];
    for (;;) {
        size_t before = f->header.n > 0 ? f->header.n - 1 : 0;
        ssize_t n = pread(f->fd, chunk, sizeof chunk, (off_t)f->header.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !buf_add(&f->header, slice_of(chunk, (size_t)n))) {
            fault_set(why, ERR_BAD, 0, "its header has no end");
            return false;
        }
        for (size_t i = before; i + 1 < f->header.n; i++) {
            if (f->header.p[i] != '\n' || f->header.p[i + 1] != '\n')
                continue;
            f->begin = i + 2;
            f->header.n = i + 1;
            return true;
        }
    }
}

enum err drop_file_open(struct drop_file *f, int dir_fd, const char *name, uint64_t bytes_max,
                        struct fault *why)
{
    *f = (struct drop_file){
        .fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    buf_init(&f->header, DROP_HEADER_BYTES_MAX);
    if (f->fd < 0)
        return errno == ELOOP || errno == ENXIO
                   ? fault_set(why, ERR_BAD, 0, "it is no file")
                   : fault_set(why, ERR_SYSTEM, errno, "it cannot be read");
    struct stat st;
    enum err e = ERR_OK;
    if (fstat(f->fd, &st))
        e = fault_set(why, ERR_SYSTEM, errno, "it cannot be read");
    else if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        e = fault_set(why, ERR_BAD, 0, "it is no file of its own");
    else if ((uint64_t)st.st_size > bytes_max + DROP_HEADER_BYTES_MAX)
        e = fault_set(why, ERR_FULL, 0, "it has %lld bytes, more than max_message_size",
                      (long long)st.st_size);
    else if (!read_header(f, why) ||
             !drop_file_parse(buf_slice(&f->header), &f->envelope, &f->bytes, why))
        e = ERR_BAD;
    else if (f->begin + f->bytes != (uint64_t)st.st_size)
        e = fault_set(why, ERR_BAD, 0, "it has another size than it says");
    f->owner = e ? 0 : st.st_uid;
    if (e)
        drop_file_close(f);
    return e;
}

void drop_file_close(struct drop_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    buf_close(&f->header);
    mem_free(f->envelope.recipient);
    *f = (struct drop_file){.fd = -1};
}

bool drop_file_read(void *ctx, uint64_t at, char *to, size_t *n)
{
    struct drop_file *f = ctx;
    uint64_t left = at < f->bytes ? f->bytes - at : 0;
    size_t want = left < *n ? (size_t)left : *n;
    *n = 0;
    while (*n < want) {
        ssize_t got = pread(f->fd, to + *n, want - *n, (off_t)(f->begin + at + *n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false; /* it has been cut since */
        *n += (size_t)got;
    }
    return true;
}
