/* store_disk.c -- what is done to files: written, synced, made, renamed, deleted. Every failure
 * says what was tried on which file. */
#include "store_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err disk_fault(const struct disk *d, struct fault *why, int errnum, const char *what,
                    const char *name)
{
    enum err e = errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG  ? ERR_FULL
                 : errnum == ENOENT                                       ? ERR_MISSING
                 : errnum == EACCES || errnum == EPERM || errnum == EROFS ? ERR_DENIED
                                                                          : ERR_SYSTEM;
    return fault_set(why, e, errnum, "cannot %s %s/queue/%s", what, d->path, name);
}

static int write_all(const struct disk *d, int fd, struct slice s, off_t at)
{
    while (s.n) {
        ssize_t n = d->sys->pwrite(fd, s.p, s.n, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        s = slice_from(s, (size_t)n);
        at += n;
    }
    return 0;
}

enum err disk_write(const struct disk *d, int fd, struct slice bytes, uint32_t offset,
                    const char *name, struct fault *why)
{
    int errnum = write_all(d, fd, bytes, offset);
    return errnum ? disk_fault(d, why, errnum, "write", name) : ERR_OK;
}

/* What stands in a file that somebody has deleted is gone with us, however well it was synced. */
enum err disk_sync(const struct disk *d, int fd, const char *name, struct fault *why)
{
    struct stat st;
    if (d->sys->fdatasync(fd) || fstat(fd, &st))
        return disk_fault(d, why, errno, "sync", name);
    if (st.st_nlink)
        return ERR_OK;
    return fault_set(why, ERR_MISSING, 0,
                     "%s/queue/%s was removed while the relay was writing to it: if the directory "
                     "is gone too, restart the relay",
                     d->path, name);
}

/* Zeroes, really written: later syncs then have nothing but data to bring to the disk. */
static int fill(struct disk *d, int fd, struct journal_io *io)
{
    static char zeroes[FILL_BYTES];
    if (d->sys->allocate(fd, (off_t)d->segment_bytes)) {
        if (errno != EOPNOTSUPP)
            return errno;
        if (d->sys->truncate(fd, (off_t)d->segment_bytes))
            return errno;
    }
    uint64_t unsynced = 0;
    for (uint64_t at = 0; at < d->segment_bytes;) {
        if (atomic_load(&d->is_ending))
            return ECANCELED;
        if (atomic_load(&d->is_hurried)) {
            io->is_quick = true;
            break;
        }
        uint64_t n = d->segment_bytes - at < FILL_BYTES ? d->segment_bytes - at : FILL_BYTES;
        int errnum = write_all(d, fd, slice_of(zeroes, n), (off_t)at);
        if (errnum)
            return errnum;
        at += n;
        unsynced += n;
        if (unsynced >= FILL_SYNC_BYTES && d->sys->fdatasync(fd))
            return errno;
        unsynced %= FILL_SYNC_BYTES;
    }
    return d->sys->fsync(fd) ? errno : 0;
}

enum err disk_make(struct disk *d, struct journal_io *io, struct fault *why)
{
    /* Under another name until it is whole. */
    struct file_name spare = spare_name(io->spare), name = {"making"};
    int fd = d->sys->open(d->queue_fd, name.s, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return disk_fault(d, why, errno, "create", name.s);
    int errnum;
    if (io->is_quick)
        errnum = d->sys->truncate(fd, (off_t)d->segment_bytes) ? errno : 0;
    else
        errnum = fill(d, fd, io);
    close(fd);
    if (!errnum && d->sys->rename(d->queue_fd, name.s, spare.s))
        errnum = errno;
    if (!errnum)
        return ERR_OK;
    (void)d->sys->unlink(d->queue_fd, name.s);
    if (errnum == ECANCELED)
        return ERR_CLOSED;
    return disk_fault(d, why, errnum, "make", spare.s);
}

static enum err sync_names(struct disk *d, struct fault *why)
{
    if (d->sys->fsync(d->queue_fd))
        return disk_fault(d, why, errno, "sync", "");
    if (!d->is_new)
        return ERR_OK;
    if (d->sys->fsync(d->state_fd))
        return disk_fault(d, why, errno, "sync", "..");
    int fd = d->sys->open(d->state_fd, "..", O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0) { /* where we may not read the parent, its owner has made our directory */
        (void)d->sys->fsync(fd);
        close(fd);
    }
    d->is_new = false;
    return ERR_OK;
}

enum err disk_adopt(struct disk *d, const struct journal_io *io, struct fault *why)
{
    struct file_name from = spare_name(io->spare), to = segment_name(io->segment);
    if (d->sys->rename(d->queue_fd, from.s, to.s))
        return disk_fault(d, why, errno, "rename", from.s);
    enum err e = sync_names(d, why);
    if (e)
        (void)d->sys->rename(d->queue_fd, to.s, from.s);
    return e;
}

/* A hard link stands for a copy set aside; holes would make the next life slow. */
static bool is_worth_keeping(const struct disk *d, const char *name)
{
    struct stat st;
    return fstatat(d->queue_fd, name, &st, 0) == 0 && st.st_nlink == 1 &&
           (uint64_t)st.st_size == d->segment_bytes &&
           (uint64_t)st.st_blocks * 512 >= d->segment_bytes;
}

enum err disk_retire(struct disk *d, struct journal_io *io, struct fault *why)
{
    struct file_name name = segment_name(io->segment), spare = spare_name(io->spare);
    /* First: an index without its segment tells a start that somebody took the segment away. */
    struct file_name index = index_name(io->segment);
    if (d->sys->unlink(d->queue_fd, index.s) && errno != ENOENT)
        return disk_fault(d, why, errno, "delete", index.s);
    if (io->spare && !is_worth_keeping(d, name.s))
        io->spare = 0;
    int failed = io->spare ? d->sys->rename(d->queue_fd, name.s, spare.s)
                           : d->sys->unlink(d->queue_fd, name.s);
    if (failed && errno != ENOENT)
        return disk_fault(d, why, errno, io->spare ? "rename" : "delete", name.s);
    if (d->sys->fsync(d->queue_fd))
        return disk_fault(d, why, errno, "sync", "");
    return ERR_OK;
}

void disk_close(struct disk *d)
{
    if (d->queue_fd >= 0)
        close(d->queue_fd);
    if (d->lock_fd >= 0)
        close(d->lock_fd); /* the lock goes with it */
    if (d->state_fd >= 0)
        close(d->state_fd);
    mem_free(d->path);
    d->path = NULL;
    d->state_fd = d->queue_fd = d->lock_fd = -1;
}
