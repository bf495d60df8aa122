/* token_file.c -- see the header. */
#include "token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "oauth/oauth_account.h"

enum { FILE_MODE_FORBIDDEN = 077, DIRECTORY_MODE = 0700 };

static enum err path_of(struct slice state_dir, struct slice account, const char *tail,
                        char path[PATH_MAX], struct fault *why)
{
    int n = snprintf(path, PATH_MAX, "%.*s/tokens%s%.*s%s", SLICE_FMT(state_dir),
                     account.n ? "/" : "", SLICE_FMT(account), tail);
    if (n < 0 || n >= PATH_MAX)
        return fault_set(why, ERR_BAD, ENAMETOOLONG, "the file of account %.*s",
                         SLICE_FMT(account));
    return ERR_OK;
}

bool token_file_parse(struct slice content, struct slice *token)
{
    struct slice s = content;
    while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    while (s.n && (unsigned char)s.p[0] <= ' ')
        s = slice_from(s, 1);
    *token = s;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= OAUTH_TOKEN_BYTES_MAX;
}

/* Of the open file, so that nobody can change it in between. */
static enum err judge(const char *path, int fd, struct fault *why)
{
    struct stat st;
    if (fstat(fd, &st))
        return fault_set(why, ERR_SYSTEM, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode))
        return fault_set(why, ERR_BAD, 0, "%s is no file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return fault_set(why, ERR_DENIED, 0,
                         "%s belongs to uid %lu, not to the relay (uid %lu): it is not used", path,
                         (unsigned long)st.st_uid, (unsigned long)geteuid());
    if (st.st_mode & FILE_MODE_FORBIDDEN)
        return fault_set(
            why, ERR_DENIED, 0,
            "%s has mode %04o, so that others may use it: chmod 600, if you trust what "
            "is in it",
            path, (unsigned)st.st_mode & 07777);
    return ERR_OK;
}

static enum err read_content(const char *path, int fd, struct buf *out, struct fault *why)
{
    char room[OAUTH_TOKEN_BYTES_MAX + 64];
    size_t n = 0;
    while (n < sizeof room) {
        ssize_t got = read(fd, room + n, sizeof room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_set(why, ERR_SYSTEM, errno, "cannot read %s", path);
        if (got == 0)
            break;
        n += (size_t)got;
    }
    struct slice token;
    bool is_good = token_file_parse(slice_of(room, n), &token) && buf_add(out, token);
    explicit_bzero(room, sizeof room);
    return is_good ? ERR_OK : fault_set(why, ERR_BAD, 0, "%s holds no token", path);
}

enum err token_file_read(struct slice state_dir, struct slice account, struct buf *out,
                         struct fault *why)
{
    char path[PATH_MAX];
    enum err e = path_of(state_dir, account, "", path, why);
    if (e)
        return e;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return fault_set(why,
                         errno == ENOENT   ? ERR_MISSING
                         : errno == EACCES ? ERR_DENIED
                                           : ERR_SYSTEM,
                         errno, "cannot read %s", path);
    e = judge(path, fd, why);
    if (!e)
        e = read_content(path, fd, out, why);
    close(fd);
    return e;
}

/* `outpost login` as root for a relay that runs as somebody else. */
static enum err give_away(const char *path, struct slice state_dir, struct fault *why)
{
    char dir[PATH_MAX];
    struct stat st;
    snprintf(dir, sizeof dir, "%.*s", SLICE_FMT(state_dir));
    if (geteuid() != 0)
        return ERR_OK;
    if (stat(dir, &st) || lchown(path, st.st_uid, st.st_gid))
        return fault_set(why, ERR_SYSTEM, errno, "cannot give %s to the owner of %s", path, dir);
    return ERR_OK;
}

enum err token_file_write(struct slice state_dir, struct slice account, struct slice token,
                          struct fault *why)
{
    char path[PATH_MAX], dir[PATH_MAX], fresh[PATH_MAX];
    enum err e = path_of(state_dir, SLICE_NONE, "", dir, why);
    if (!e)
        e = path_of(state_dir, account, "", path, why);
    if (!e)
        e = path_of(state_dir, account, ".new", fresh, why);
    if (!e)
        e = file_make_directory(dir, DIRECTORY_MODE, why);
    if (!e)
        e = give_away(dir, state_dir, why);
    if (e)
        return e;
    unlink(fresh); /* of a run that was killed, perhaps as another user */
    struct buf line;
    buf_init(&line, OAUTH_TOKEN_BYTES_MAX + 1);
    buf_add(&line, token);
    buf_add_char(&line, '\n');
    CHECK(!line.is_full);
    e = file_write(path, buf_slice(&line), why);
    explicit_bzero(line.p, line.n);
    buf_close(&line);
    return e ? e : give_away(path, state_dir, why);
}

int64_t token_file_time(struct slice state_dir, struct slice account)
{
    char path[PATH_MAX];
    struct stat st;
    if (path_of(state_dir, account, "", path, NULL) || stat(path, &st))
        return 0;
    return (int64_t)st.st_mtime;
}
