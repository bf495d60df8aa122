/* store_syscalls.c -- the real ones. */
#include "store_syscalls.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int real_open(int dir, const char *name, int flags, mode_t mode)
{
    return openat(dir, name, flags | O_CLOEXEC, mode);
}

static int real_allocate(int fd, off_t bytes)
{
    return fallocate(fd, 0, 0, bytes);
}

static int real_rename(int dir, const char *from, const char *to)
{
    return renameat(dir, from, dir, to);
}

static int real_unlink(int dir, const char *name)
{
    return unlinkat(dir, name, 0);
}

const struct store_syscalls store_real_syscalls = {
    .open = real_open,
    .pread = pread,
    .pwrite = pwrite,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .allocate = real_allocate,
    .truncate = ftruncate,
    .rename = real_rename,
    .unlink = real_unlink,
};
