/* store_syscalls.h -- the system calls on which the journal's safety hangs, in a table, so that
 * tests can make the n-th of a kind fail or go short. */
#pragma once

#include <sys/types.h>

struct store_syscalls {
    int (*open)(int dir, const char *name, int flags, mode_t mode);
    ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
    ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*allocate)(int fd, off_t bytes);
    int (*truncate)(int fd, off_t bytes);
    int (*rename)(int dir, const char *from, const char *to);
    int (*unlink)(int dir, const char *name);
};

extern const struct store_syscalls store_real_syscalls;
