/* file.c -- whole small files. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 16384 };

static enum err failed(struct fault *why, const char *what, const char *path)
{
    int e = errno;
    enum err kind = e == ENOENT                 ? ERR_MISSING
                    : e == EACCES || e == EPERM ? ERR_DENIED
                    : e == ENOSPC               ? ERR_FULL
                                                : ERR_SYSTEM;
    return fault_set(why, kind, e, "cannot %s %s", what, path);
}

enum err file_read(const char *path, struct buf *out, struct fault *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return failed(why, "read", path);
    enum err e = ERR_OK;
    for (;;) {
        char chunk[CHUNK_BYTES];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            e = failed(why, "read", path);
        else if (n > 0 && !buf_add(out, slice_of(chunk, (size_t)n)))
            e = fault_set(why, ERR_FULL, 0, "%s is larger than %zu bytes", path, out->max);
        if (n <= 0 || e)
            break;
    }
    close(fd);
    return e;
}

static enum err write_whole(int fd, struct slice s, const char *path, struct fault *why)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(why, "write", path);
        s = slice_from(s, (size_t)n);
    }
    return fsync(fd) ? failed(why, "sync", path) : ERR_OK;
}

enum err file_write(const char *path, struct slice content, struct fault *why)
{
    char fresh[PATH_MAX];
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", path) >= sizeof fresh)
        return fault_set(why, ERR_BAD, ENAMETOOLONG, "cannot write %s", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(why, "create", fresh);
    enum err e = write_whole(fd, content, fresh, why);
    close(fd);
    if (!e && rename(fresh, path))
        e = failed(why, "rename to", path);
    if (e)
        unlink(fresh);
    return e;
}

static enum err make_one(const char *path, unsigned mode, struct fault *why)
{
    if (mkdir(path, mode) == 0)
        return chmod(path, mode) ? failed(why, "set the mode of", path) : ERR_OK; /* umask */
    struct stat st;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ERR_OK;
    return failed(why, "create the directory", path);
}

enum err file_make_directory(const char *path, unsigned mode, struct fault *why)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof part)
        return fault_set(why, ERR_BAD, ENAMETOOLONG, "cannot create the directory %s", path);
    for (size_t i = 1; i < n; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        struct stat st;
        if (stat(part, &st) == 0)
            continue;
        enum err e = make_one(part, mode, why);
        if (e)
            return e;
    }
    return make_one(path, mode, why);
}

enum err file_make_parent(const char *path, unsigned mode, struct fault *why)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return ERR_OK;
    size_t n = (size_t)(slash - path);
    if (n >= sizeof parent)
        return fault_set(why, ERR_BAD, ENAMETOOLONG, "cannot create the directory of %s", path);
    memcpy(parent, path, n);
    parent[n] = 0;
    return file_make_directory(parent, mode, why);
}
