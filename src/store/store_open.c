/* store_open.c -- the state directory: made, locked, ours. Each refusal says what to do. */
#include "store_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err denied(const struct disk *d, struct fault *why)
{
    return fault_set(why, ERR_DENIED, 0,
                     "state directory %s is not writable by uid %u: chown it to that user, or set "
                     "state_dir",
                     d->path, (unsigned)geteuid());
}

static enum err dir_fault(const struct disk *d, struct fault *why, int errnum, const char *what,
                          const char *name)
{
    if (errnum == EACCES || errnum == EPERM)
        return denied(d, why);
    if (errnum == EROFS)
        return fault_set(why, ERR_DENIED, 0,
                         "state directory %s is on a read-only file system: set state_dir to a "
                         "writable place",
                         d->path);
    enum err e = errnum == ENOSPC || errnum == EDQUOT ? ERR_FULL
                 : errnum == ENOENT                   ? ERR_MISSING
                                                      : ERR_SYSTEM;
    return fault_set(why, e, errnum, "cannot %s %s%s", what, d->path, name);
}

/* state_dir with its parents, like mkdir -p; only what is missing is made. */
static int make_path(struct disk *d)
{
    for (char *p = d->path + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char was = *p;
        *p = 0;
        int failed = mkdir(d->path, was ? 0755 : 0700);
        int errnum = errno;
        *p = was;
        if (!failed)
            d->is_new = true;
        else if (errnum != EEXIST)
            return errnum;
        if (!was)
            return 0;
    }
}

static enum err open_dirs(struct disk *d, struct fault *why)
{
    struct stat st;
    if (stat(d->path, &st) != 0) {
        int errnum = make_path(d);
        if (errnum == EACCES || errnum == EPERM)
            return fault_set(why, ERR_DENIED, 0,
                             "state directory %s is not there and uid %u may not make it: make it "
                             "and chown it to that user, or set state_dir",
                             d->path, (unsigned)geteuid());
        if (errnum)
            return dir_fault(d, why, errnum, "make", "");
    }
    d->state_fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->state_fd < 0)
        return dir_fault(d, why, errno, "open", "");
    if (mkdirat(d->state_fd, "queue", 0700) == 0)
        d->is_new = true;
    else if (errno != EEXIST)
        return dir_fault(d, why, errno, "make", "/queue");
    d->queue_fd = openat(d->state_fd, "queue", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->queue_fd < 0)
        return dir_fault(d, why, errno, "open", "/queue");
    if (faccessat(d->state_fd, "queue", R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return dir_fault(d, why, errno, "use", "/queue");
    return ERR_OK;
}

static enum err lock(struct disk *d, struct fault *why)
{
    char pid[32] = "";
    d->lock_fd = openat(d->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return dir_fault(d, why, errno, "open", "/lock");
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return dir_fault(d, why, errno, "lock", "/lock");
        ssize_t n = pread(d->lock_fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
        return fault_set(why, ERR_BUSY, 0,
                         "another relay (pid %s) runs on %s: stop it first, or give this one a "
                         "state_dir of its own",
                         pid[0] ? pid : "unknown", d->path);
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(d->lock_fd, 0) != 0 || pwrite(d->lock_fd, pid, (size_t)n, 0) != n)
        return dir_fault(d, why, errno, "write", "/lock");
    return ERR_OK;
}

/* 0 when there is none, or none that can be read: then the segments know it. */
static uint64_t read_installation(const struct disk *d)
{
    char text[32] = "", *end = NULL;
    int fd = openat(d->state_fd, "installation", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    uint64_t id = n >= 16 ? strtoull(text, &end, 16) : 0;
    return end == text + 16 ? id : 0;
}

enum err disk_keep_installation(struct disk *d, uint64_t id, struct fault *why)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%016" PRIx64 "\n", id);
    int fd =
        openat(d->state_fd, "installation.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return dir_fault(d, why, errno, "make", "/installation");
    /* Not synced: what a crash takes, the segments' headers give back. */
    ssize_t written = write(fd, text, (size_t)n);
    int errnum = written < 0 ? errno : EIO;
    close(fd);
    if (written != n)
        return dir_fault(d, why, errnum, "write", "/installation");
    if (renameat(d->state_fd, "installation.new", d->state_fd, "installation") != 0)
        return dir_fault(d, why, errno, "rename", "/installation.new");
    return ERR_OK;
}

static uint64_t choose_segment_bytes(uint64_t bytes_max)
{
    uint64_t n = bytes_max / 16;
    if (n < JOURNAL_SEGMENT_BYTES_LEAST)
        n = JOURNAL_SEGMENT_BYTES_LEAST;
    if (n > JOURNAL_SEGMENT_BYTES_DEFAULT)
        n = JOURNAL_SEGMENT_BYTES_DEFAULT;
    return n / 4096 * 4096;
}

enum err disk_open(struct disk *d, const struct store_options *o, uint64_t *installation,
                   struct fault *why)
{
    size_t n = strlen(o->state_dir);
    while (n > 1 && o->state_dir[n - 1] == '/')
        n--;
    d->path = mem_dup(o->state_dir, n);
    if (d->segment_bytes == 0)
        d->segment_bytes = choose_segment_bytes(o->bytes_max);
    enum err e = open_dirs(d, why);
    if (!e)
        e = lock(d, why);
    if (e)
        disk_close(d);
    else
        *installation = read_installation(d);
    return e;
}
