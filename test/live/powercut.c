/* powercut.c -- LD_PRELOAD: writes down, in order, everything a process does to the files under one
 * directory, so that test_powercut.py can build what a power cut at any moment would have left.
 *
 *   OUTPOST_POWERCUT_DIR   the directory (absolute, no link in it)
 *   OUTPOST_POWERCUT_LOG   where to write; several lives of the process append
 *
 * SIGUSR2 is kill -9 between two operations: a real one may fall between an operation and its entry,
 * or into the entry itself, and the lives behind it would be written down as nonsense.
 *
 * The log: entries of a fixed head (struct entry, little-endian) and its texts and bytes. An
 * operation and its entry are one step under a lock, so the order of entries is the order of
 * operations. Only a sync has two entries, for it takes long and others go on meanwhile: what was
 * logged before BEGIN is on disk from END on. A write of zeroes carries no bytes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum op {
    OP_CREATE = 1,
    OP_WRITE,
    OP_ZERO,
    OP_SYNC_BEGIN,
    OP_SYNC_END,
    OP_TRUNCATE,
    OP_ALLOCATE,
    OP_RENAME,
    OP_LINK,
    OP_UNLINK,
    OP_MKDIR,
    OP_NAMES_BEGIN, /* fsync of a directory */
    OP_NAMES_END,
    OP_UNKNOWN, /* something this shim does not understand: the test fails on it */
};

struct entry {
    uint32_t op, name_bytes, other_bytes, data_bytes;
    uint64_t inode, at, n; /* at: offset, or the sync's number */
};

enum { FDS_MAX = 65536 };

struct tracked {
    bool is_dir;
    uint64_t inode;
    char *name; /* below the directory; "" is the directory itself; NULL: none of ours */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct tracked fds[FDS_MAX];
static char root[PATH_MAX];
static int log_fd = -1;
static uint64_t syncs;
static volatile sig_atomic_t is_told_to_die;

static void die(const char *what)
{
    fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void init(void)
{
    const char *dir = getenv("OUTPOST_POWERCUT_DIR"), *log = getenv("OUTPOST_POWERCUT_LOG");
    if (!dir || !log)
        return;
    snprintf(root, sizeof root, "%s", dir);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                          0600);
    if (log_fd < 0)
        die(log);
    syncs = (uint64_t)getpid() << 32;
}

/* Whoever holds the lock finishes what it does and dies of it in leave(). */
static void on_told_to_die(int number)
{
    (void)number;
    is_told_to_die = 1;
    if (pthread_mutex_trylock(&lock) == 0)
        kill(getpid(), SIGKILL);
}

__attribute__((constructor)) static void listen_for_the_end(void)
{
    struct sigaction told = {.sa_handler = on_told_to_die, .sa_flags = SA_RESTART};
    sigaction(SIGUSR2, &told, NULL);
}

static void enter(void)
{
    pthread_once(&once, init);
    pthread_mutex_lock(&lock);
}

static void leave(void)
{
    int e = errno;
    pthread_mutex_unlock(&lock);
    if (is_told_to_die) {
        pthread_mutex_lock(&lock);
        kill(getpid(), SIGKILL);
    }
    errno = e;
}

static void put(const void *p, size_t n)
{
    for (const char *at = p; n;) {
        long did = syscall(SYS_write, log_fd, at, n);
        if (did <= 0)
            die("log");
        at += did;
        n -= (size_t)did;
    }
}

static void note(enum op op, uint64_t inode, uint64_t at, uint64_t n, const char *name,
                 const char *other, const void *data, size_t data_bytes)
{
    struct entry e = {.op = op,
                      .name_bytes = name ? (uint32_t)strlen(name) : 0,
                      .other_bytes = other ? (uint32_t)strlen(other) : 0,
                      .data_bytes = (uint32_t)data_bytes,
                      .inode = inode,
                      .at = at,
                      .n = n};
    int saved = errno;
    size_t total = sizeof e + e.name_bytes + e.other_bytes + data_bytes, used = 0;
    char *whole = malloc(total); /* one write an entry: the log never ends inside one */
    if (!whole)
        die("memory");
    memcpy(whole, &e, used = sizeof e);
    if (name)
        memcpy(whole + used, name, e.name_bytes);
    used += e.name_bytes;
    if (other)
        memcpy(whole + used, other, e.other_bytes);
    used += e.other_bytes;
    if (data_bytes)
        memcpy(whole + used, data, data_bytes);
    put(whole, total);
    free(whole);
    errno = saved;
}

/* --- which files are ours --- */

static struct tracked *of(int fd)
{
    return log_fd >= 0 && fd >= 0 && fd < FDS_MAX && fds[fd].name ? &fds[fd] : NULL;
}

/* The path's part below the directory; false: not below it. */
static bool below(int dir, const char *path, char out[PATH_MAX])
{
    if (log_fd < 0)
        return false;
    size_t n = strlen(root);
    if (path[0] == '/') {
        if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != 0))
            return false;
        path += n;
        while (*path == '/')
            path++;
        snprintf(out, PATH_MAX, "%s", path);
        return true;
    }
    const struct tracked *t = of(dir);
    if (!t || !t->is_dir || strncmp(path, "..", 2) == 0)
        return false;
    if (strcmp(path, ".") == 0)
        snprintf(out, PATH_MAX, "%s", t->name);
    else
        snprintf(out, PATH_MAX, "%s%s%s", t->name, t->name[0] ? "/" : "", path);
    return true;
}

static void forget(int fd)
{
    if (fd >= 0 && fd < FDS_MAX) {
        free(fds[fd].name);
        fds[fd] = (struct tracked){0};
    }
}

static int open_any(int dir, const char *path, int flags, mode_t mode)
{
    char name[PATH_MAX];
    struct stat st;
    enter();
    bool is_ours = below(dir, path, name);
    bool was_there = is_ours && fstatat(dir, path, &st, 0) == 0;
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0) {
        forget(fd);
        if (is_ours && fd < FDS_MAX && fstat(fd, &st) == 0) {
            fds[fd] = (struct tracked){S_ISDIR(st.st_mode), st.st_ino, strdup(name)};
            if ((flags & O_CREAT) && !was_there)
                note(OP_CREATE, st.st_ino, 0, 0, name, NULL, NULL, 0);
            else if (flags & O_TRUNC)
                note(OP_TRUNCATE, st.st_ino, 0, 0, NULL, NULL, NULL, 0);
            if ((flags & O_ACCMODE) != O_RDONLY && (flags & (O_DSYNC | O_TMPFILE) & ~O_DIRECTORY))
                note(OP_UNKNOWN, st.st_ino, 0, 0, "O_DSYNC or O_TMPFILE", NULL, NULL, 0);
        }
    }
    leave();
    return fd;
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY ? va_arg(args, mode_t) : 0;
}

#define OPEN(name_, before, dir)                                                                   \
    EXPORT int name_ before                                                                        \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = mode_of(flags, args);                                                        \
        va_end(args);                                                                              \
        return open_any(dir, path, flags, mode);                                                   \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int at, const char *path, int flags, ...), at)
OPEN(openat64, (int at, const char *path, int flags, ...), at)

EXPORT int __open_2(const char *path, int flags);
EXPORT int __open_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}
EXPORT int __open64_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}
EXPORT int __openat_2(int dir, const char *path, int flags);
EXPORT int __openat_2(int dir, const char *path, int flags)
{
    return open_any(dir, path, flags, 0);
}
EXPORT int __openat64_2(int dir, const char *path, int flags);
EXPORT int __openat64_2(int dir, const char *path, int flags)
{
    return open_any(dir, path, flags, 0);
}

EXPORT int close(int fd)
{
    enter();
    forget(fd);
    int r = (int)syscall(SYS_close, fd);
    leave();
    return r;
}

/* --- bytes --- */

static void note_write(const struct tracked *t, const char *p, size_t n, off_t at)
{
    bool is_zero = n > 0 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
    note(is_zero ? OP_ZERO : OP_WRITE, t->inode, (uint64_t)at, n, NULL, NULL, p, is_zero ? 0 : n);
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    enter();
    ssize_t did = syscall(SYS_pwrite64, fd, p, n, at);
    if (did > 0 && of(fd))
        note_write(of(fd), p, (size_t)did, at);
    leave();
    return did;
}
EXPORT ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
    pthread_once(&once, init);
    if (!of(fd)) /* sockets and logs, without the lock */
        return syscall(SYS_write, fd, p, n);
    enter();
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (fcntl(fd, F_GETFL) & O_APPEND)
        at = lseek(fd, 0, SEEK_END);
    ssize_t did = syscall(SYS_write, fd, p, n);
    if (did > 0)
        note_write(of(fd), p, (size_t)did, at);
    leave();
    return did;
}

static ssize_t write_parts(int fd, const struct iovec *part, int count, off_t at, bool is_at)
{
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t did = is_at ? pwrite(fd, part[i].iov_base, part[i].iov_len, at + total)
                            : write(fd, part[i].iov_base, part[i].iov_len);
        if (did < 0)
            return total ? total : did;
        total += did;
        if ((size_t)did < part[i].iov_len)
            break;
    }
    return total;
}

EXPORT ssize_t pwritev(int fd, const struct iovec *part, int count, off_t at)
{
    return write_parts(fd, part, count, at, true);
}
EXPORT ssize_t pwritev64(int fd, const struct iovec *part, int count, off_t at)
{
    return write_parts(fd, part, count, at, true);
}
EXPORT ssize_t writev(int fd, const struct iovec *part, int count)
{
    pthread_once(&once, init);
    return of(fd) ? write_parts(fd, part, count, 0, false)
                  : syscall(SYS_writev, fd, part, count);
}

EXPORT int ftruncate(int fd, off_t n)
{
    enter();
    int r = (int)syscall(SYS_ftruncate, fd, n);
    if (r == 0 && of(fd))
        note(OP_TRUNCATE, of(fd)->inode, 0, (uint64_t)n, NULL, NULL, NULL, 0);
    leave();
    return r;
}
EXPORT int ftruncate64(int fd, off_t n)
{
    return ftruncate(fd, n);
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t n)
{
    enter();
    int r = (int)syscall(SYS_fallocate, fd, mode, at, n);
    if (r == 0 && of(fd))
        note(mode ? OP_UNKNOWN : OP_ALLOCATE, of(fd)->inode, (uint64_t)at, (uint64_t)n,
             mode ? "fallocate with a mode" : NULL, NULL, NULL, 0);
    leave();
    return r;
}
EXPORT int fallocate64(int fd, int mode, off_t at, off_t n)
{
    return fallocate(fd, mode, at, n);
}
EXPORT int posix_fallocate(int fd, off_t at, off_t n)
{
    return fallocate(fd, 0, at, n) ? errno : 0;
}
EXPORT int posix_fallocate64(int fd, off_t at, off_t n)
{
    return posix_fallocate(fd, at, n);
}

/* --- syncs --- */

static int sync_any(int fd, long call)
{
    enter();
    struct tracked *t = of(fd);
    if (!t) {
        leave();
        return (int)syscall(call, fd);
    }
    uint64_t number = ++syncs, inode = t->inode;
    bool is_dir = t->is_dir;
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s", t->name);
    note(is_dir ? OP_NAMES_BEGIN : OP_SYNC_BEGIN, inode, number, 0, name, NULL, NULL, 0);
    leave();
    int r = (int)syscall(call, fd);
    enter();
    if (r == 0)
        note(is_dir ? OP_NAMES_END : OP_SYNC_END, inode, number, 0, name, NULL, NULL, 0);
    leave();
    return r;
}

EXPORT int fsync(int fd)
{
    return sync_any(fd, SYS_fsync);
}
EXPORT int fdatasync(int fd)
{
    return sync_any(fd, SYS_fdatasync);
}

/* --- names --- */

static int rename_any(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    char a[PATH_MAX], b[PATH_MAX];
    enter();
    bool is_from = below(from_dir, from, a), is_to = below(to_dir, to, b);
    int r = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (r == 0 && is_from && is_to)
        note(OP_RENAME, 0, 0, 0, a, b, NULL, 0);
    else if (r == 0 && (is_from || is_to))
        note(OP_UNKNOWN, 0, 0, 0, "rename across the border", NULL, NULL, 0);
    leave();
    return r;
}

EXPORT int rename(const char *from, const char *to)
{
    return rename_any(AT_FDCWD, from, AT_FDCWD, to, 0);
}
EXPORT int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return rename_any(from_dir, from, to_dir, to, 0);
}
EXPORT int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return rename_any(from_dir, from, to_dir, to, flags);
}

EXPORT int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    char a[PATH_MAX], b[PATH_MAX];
    enter();
    bool is_ours = below(from_dir, from, a) && below(to_dir, to, b);
    int r = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    if (r == 0 && is_ours)
        note(OP_LINK, 0, 0, 0, a, b, NULL, 0);
    leave();
    return r;
}
EXPORT int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int unlinkat(int dir, const char *path, int flags)
{
    char name[PATH_MAX];
    enter();
    bool is_ours = below(dir, path, name);
    int r = (int)syscall(SYS_unlinkat, dir, path, flags);
    if (r == 0 && is_ours)
        note(OP_UNLINK, 0, 0, 0, name, NULL, NULL, 0);
    leave();
    return r;
}
EXPORT int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int mkdirat(int dir, const char *path, mode_t mode)
{
    char name[PATH_MAX];
    enter();
    bool is_ours = below(dir, path, name);
    int r = (int)syscall(SYS_mkdirat, dir, path, mode);
    if (r == 0 && is_ours)
        note(OP_MKDIR, 0, 0, 0, name, NULL, NULL, 0);
    leave();
    return r;
}
EXPORT int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}
