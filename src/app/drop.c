/* drop.c -- see drop.h. */
#include "drop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

enum { DROP_MODE = 01733, TEXT_BYTES = 800 };

/* What the thread has for the loop. */
struct visitor {
    int fd; /* -1: none */
    uid_t owner;
    struct drop_name name;
};

struct drop {
    struct drop_options o;
    char *dir, *helo;
    int dir_fd;
    struct drop_name *found; /* before the replay */
    size_t found_count;
    bool *was_taken; /* as many */
    uv_thread_t thread;
    uv_async_t async;
    bool has_thread;
    int wake[2];     /* written to: stop */
    uv_mutex_t lock; /* of all below */
    uint64_t bytes_max;
    struct visitor visitor;
    char *text[DROP_TEXTS_MAX];
    unsigned text_count;
    bool is_stopping;
    int line; /* the thread's end of the connection; -1: none */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- thread -> loop ---- */

static void say(struct drop *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct drop *d, const char *fmt, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    uv_mutex_lock(&d->lock);
    if (d->text_count < DROP_TEXTS_MAX)
        d->text[d->text_count++] = mem_dup(text, strlen(text));
    uv_mutex_unlock(&d->lock);
    uv_async_send(&d->async);
}

static void on_async(uv_async_t *a)
{
    struct drop *d = a->data;
    uv_mutex_lock(&d->lock);
    struct visitor v = d->visitor;
    d->visitor.fd = -1;
    char *text[DROP_TEXTS_MAX];
    unsigned count = d->text_count;
    memcpy(text, d->text, count * sizeof *text);
    d->text_count = 0;
    uv_mutex_unlock(&d->lock);
    for (unsigned i = 0; i < count; i++) {
        d->o.warn(d->o.ctx, text[i]);
        mem_free(text[i]);
    }
    if (v.fd >= 0)
        d->o.client(d->o.ctx, v.fd, v.owner, v.name.s);
}

/* The thread's end of a connection to the engine; -1: there is none to be had, or we stop. */
static int connect_to_loop(struct drop *d, uid_t owner, const struct drop_name *name)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -1;
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    uv_mutex_lock(&d->lock);
    bool is_stopping = d->is_stopping;
    if (!is_stopping) {
        d->visitor = (struct visitor){.fd = pair[1], .owner = owner, .name = *name};
        d->line = pair[0];
    }
    uv_mutex_unlock(&d->lock);
    if (!is_stopping) {
        uv_async_send(&d->async);
        return pair[0];
    }
    close(pair[0]);
    close(pair[1]);
    return -1;
}

static void disconnect(struct drop *d, int fd)
{
    uv_mutex_lock(&d->lock);
    d->line = -1;
    close(fd);
    uv_mutex_unlock(&d->lock);
}

static bool is_stopping(struct drop *d)
{
    uv_mutex_lock(&d->lock);
    bool is = d->is_stopping;
    uv_mutex_unlock(&d->lock);
    return is;
}

/* ---- one file ---- */

static void set_aside(struct drop *d, const struct drop_name *name, const char *why)
{
    char bad[DROP_NAME_BYTES + 8];
    snprintf(bad, sizeof bad, "%s.bad", name->s);
    if (renameat(d->dir_fd, name->s, d->dir_fd, bad) == 0)
        say(d, "%s/%s is set aside: %s", d->dir, bad, why);
    else if (errno != ENOENT)
        say(d, "%s/%s cannot be sent nor set aside: %s (%s)", d->dir, name->s, why,
            strerror(errno));
}

static void set_aside_for(struct drop *d, const struct drop_name *name,
                          const struct handover_envelope *e, const char *said)
{
    char why[TEXT_BYTES + 400];
    unsigned refused = 0;
    struct slice first = SLICE_NONE;
    for (unsigned i = 0; i < e->recipient_count; i++) {
        if (!e->recipient[i].is_refused)
            continue;
        first = refused++ ? first : e->recipient[i].address;
    }
    if (refused)
        snprintf(why, sizeof why, "from <%.*s>, %u of %u recipients are refused, <%.*s> first",
                 SLICE_FMT(e->sender), refused, e->recipient_count, SLICE_FMT(first));
    else
        snprintf(why, sizeof why, "from <%.*s>: %s", SLICE_FMT(e->sender), said);
    set_aside(d, name, why);
}

static bool any_refused(const struct handover_envelope *e)
{
    for (unsigned i = 0; i < e->recipient_count; i++) {
        if (e->recipient[i].is_refused)
            return true;
    }
    return false;
}

enum taken {
    TAKEN, /* sent or set aside: it is not looked at again */
    LEFT,  /* still there, and good */
    BUSY,  /* the same, and so would be all others: the queue is full, or we stop */
};

/* 421, or 4.3.x: it is not this message. */
static bool is_busy(const char *said)
{
    return strncmp(said, "421", 3) == 0 || strncmp(said, "452 4.3.", 8) == 0;
}

/* The open file to the engine. */
static enum taken hand_over(struct drop *d, const struct drop_name *name, struct drop_file *f)
{
    int fd = connect_to_loop(d, f->owner, name);
    if (fd < 0)
        return BUSY;
    struct handover h = {.fd = fd,
                         .helo = slice_cstr(d->helo),
                         .envelope = &f->envelope,
                         .read = drop_file_read,
                         .ctx = f,
                         .bytes = f->bytes};
    enum handover_end end = handover_run(&h);
    disconnect(d, fd);
    if (end == HANDOVER_LATER)
        return is_busy(h.said) ? BUSY : LEFT;
    if (end == HANDOVER_REFUSED || any_refused(&f->envelope))
        set_aside_for(d, name, &f->envelope, h.said);
    else
        unlinkat(d->dir_fd, name->s, 0);
    return TAKEN;
}

static enum taken take_up(struct drop *d, const struct drop_name *name)
{
    struct drop_file f;
    struct fault why = {0};
    uv_mutex_lock(&d->lock);
    uint64_t bytes_max = d->bytes_max;
    uv_mutex_unlock(&d->lock);
    enum err e = drop_file_open(&f, d->dir_fd, name->s, bytes_max, &why);
    if (e == ERR_BAD || e == ERR_FULL) {
        set_aside(d, name, why.text);
        return TAKEN;
    }
    if (e) {
        if (why.errnum != ENOENT)
            say(d, "%s/%s: %s", d->dir, name->s, why.text);
        return why.errnum == ENOENT ? TAKEN : LEFT;
    }
    enum taken taken = hand_over(d, name, &f);
    drop_file_close(&f);
    return taken;
}

/* ---- rounds ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct drop_name *)a)->s, ((const struct drop_name *)b)->s);
}

static void remove_if_stale(int dir_fd, const char *name)
{
    struct stat st;
    if (name[0] == 't' && drop_name_is_good(name + 1) &&
        fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_mtime < time(NULL) - DROP_STALE_S)
        unlinkat(dir_fd, name, 0);
}

/* The names in the directory, oldest first; the caller frees *out. */
static size_t list(struct drop *d, struct drop_name **out)
{
    size_t count = 0, cap = 0;
    *out = NULL;
    DIR *dir = opendir(d->dir);
    if (!dir)
        return 0;
    for (struct dirent *entry; count < DROP_LIST_MAX && (entry = readdir(dir));) {
        remove_if_stale(d->dir_fd, entry->d_name);
        if (!drop_name_is_good(entry->d_name))
            continue;
        if (count == cap) {
            cap = cap ? cap * 2 : 64;
            *out = mem_resize(*out, cap * sizeof **out);
        }
        memcpy((*out)[count++].s, entry->d_name, DROP_NAME_BYTES + 1);
    }
    closedir(dir);
    if (count)
        qsort(*out, count, sizeof **out, by_name);
    return count;
}

/* False: something was left for later. */
static bool round_of(struct drop *d)
{
    struct drop_name *name;
    size_t count = list(d, &name);
    bool is_done = count < DROP_LIST_MAX;
    enum taken taken = TAKEN;
    for (size_t i = 0; i < count && taken != BUSY && !is_stopping(d); i++) {
        taken = take_up(d, &name[i]);
        is_done &= taken == TAKEN;
    }
    mem_free(name);
    return is_done;
}

static void wait_for_more(struct drop *d, int watch, int wait_ms)
{
    struct pollfd at[2] = {{.fd = d->wake[0], .events = POLLIN}, {.fd = watch, .events = POLLIN}};
    char events[4096];
    if (poll(at, watch >= 0 ? 2 : 1, wait_ms) > 0 && watch >= 0 && (at[1].revents & POLLIN)) {
        while (read(watch, events, sizeof events) > 0)
            continue; /* which names does not matter: the directory is listed */
    }
}

static void on_thread(void *ctx)
{
    struct drop *d = ctx;
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch >= 0 && inotify_add_watch(watch, d->dir, IN_MOVED_TO) < 0) {
        close(watch);
        watch = -1;
    }
    int later_ms = DROP_LATER_MS;
    while (!is_stopping(d)) {
        bool is_done = round_of(d);
        wait_for_more(d, watch, is_done && watch >= 0 ? DROP_ROUND_MS : later_ms);
        later_ms = is_done ? DROP_LATER_MS : later_ms * 2;
        later_ms = later_ms < DROP_ROUND_MS ? later_ms : DROP_ROUND_MS;
    }
    if (watch >= 0)
        close(watch);
}

/* ---- life ---- */

/* Local users need to reach the directory; what else is in the state directory has modes of its
 * own. Where it is not ours to change, an operator who wants it so has done it. */
static void let_through(const char *dir)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(dir, '/');
    struct stat st;
    size_t n = (size_t)(slash - dir);
    if (n == 0 || n >= sizeof parent)
        return;
    memcpy(parent, dir, n);
    parent[n] = 0;
    if (stat(parent, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 0011) != 0011 &&
        chmod(parent, (st.st_mode & 07777) | 0011) != 0)
        return;
}

static enum err make_directory(struct drop *d, struct fault *why)
{
    struct stat st;
    enum err e = file_make_parent(d->dir, 0711, why);
    if (!e)
        e = file_make_directory(d->dir, DROP_MODE, why);
    if (e)
        return e;
    let_through(d->dir);
    d->dir_fd = open(d->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->dir_fd < 0 || fstat(d->dir_fd, &st))
        return fault_set(why, ERR_SYSTEM, errno, "drop directory %s", d->dir);
    if (st.st_uid != geteuid())
        return fault_set(why, ERR_DENIED, 0, "drop directory %s belongs to uid %lu, not to us",
                         d->dir, (unsigned long)st.st_uid);
    if ((st.st_mode & 07777) != DROP_MODE && fchmod(d->dir_fd, DROP_MODE))
        return fault_set(why, ERR_SYSTEM, errno, "the mode of drop directory %s", d->dir);
    return ERR_OK;
}

static void free_drop(struct drop *d)
{
    void (*closed)(void *) = d->closed;
    void *ctx = d->closed_ctx;
    if (d->dir_fd >= 0)
        close(d->dir_fd);
    for (int i = 0; i < 2; i++) {
        if (d->wake[i] >= 0)
            close(d->wake[i]);
    }
    if (d->visitor.fd >= 0)
        close(d->visitor.fd);
    for (unsigned i = 0; i < d->text_count; i++)
        mem_free(d->text[i]);
    uv_mutex_destroy(&d->lock);
    mem_free(d->found);
    mem_free(d->was_taken);
    mem_free(d->dir);
    mem_free(d->helo);
    mem_free(d);
    if (closed)
        closed(ctx);
}

enum err drop_open(struct drop **out, const struct drop_options *o, struct fault *why)
{
    struct drop *d = mem_new(sizeof *d);
    *d = (struct drop){.o = *o,
                       .dir_fd = -1,
                       .wake = {-1, -1},
                       .bytes_max = o->bytes_max,
                       .visitor = {.fd = -1},
                       .line = -1};
    d->dir = mem_dup(o->dir, strlen(o->dir));
    d->helo = mem_dup(o->helo.p, o->helo.n);
    CHECK(uv_mutex_init(&d->lock) == 0);
    enum err e = make_directory(d, why);
    if (!e && pipe2(d->wake, O_CLOEXEC | O_NONBLOCK))
        e = fault_set(why, ERR_SYSTEM, errno, "drop directory: a pipe");
    if (e) {
        free_drop(d);
        return e;
    }
    d->found_count = list(d, &d->found);
    d->was_taken = mem_new(d->found_count + 1);
    uv_async_init(o->loop, &d->async, on_async);
    d->async.data = d;
    *out = d;
    return ERR_OK;
}

void drop_on_accepted(struct drop *d, struct slice client)
{
    static const struct slice word = SLICE_INIT(" drop=");
    struct drop_name key;
    if (!d->found_count || client.n < word.n + DROP_NAME_BYTES)
        return;
    struct slice tail = slice_from(client, client.n - word.n - DROP_NAME_BYTES);
    if (!slice_starts(tail, word))
        return;
    memcpy(key.s, tail.p + word.n, DROP_NAME_BYTES);
    key.s[DROP_NAME_BYTES] = 0;
    struct drop_name *at = bsearch(&key, d->found, d->found_count, sizeof key, by_name);
    if (at)
        d->was_taken[at - d->found] = true;
}

void drop_start(struct drop *d)
{
    for (size_t i = 0; i < d->found_count; i++) {
        if (d->was_taken[i])
            unlinkat(d->dir_fd, d->found[i].s, 0);
    }
    mem_free(d->found);
    d->found = NULL;
    d->found_count = 0;
    CHECK(uv_thread_create(&d->thread, on_thread, d) == 0);
    d->has_thread = true;
}

void drop_configure(struct drop *d, uint64_t bytes_max)
{
    uv_mutex_lock(&d->lock);
    d->bytes_max = bytes_max;
    uv_mutex_unlock(&d->lock);
}

void drop_stop(struct drop *d)
{
    uv_mutex_lock(&d->lock);
    d->is_stopping = true;
    uv_mutex_unlock(&d->lock);
    ssize_t n = write(d->wake[1], "", 1); /* full: it is awake already */
    (void)n;
}

static void on_async_closed(uv_handle_t *h)
{
    free_drop(h->data);
}

void drop_close(struct drop *d, void (*closed)(void *ctx), void *ctx)
{
    d->closed = closed;
    d->closed_ctx = ctx;
    drop_stop(d);
    uv_mutex_lock(&d->lock);
    if (d->line >= 0)
        shutdown(d->line, SHUT_RDWR); /* a 250 that is in it already is still read */
    uv_mutex_unlock(&d->lock);
    if (d->has_thread)
        uv_thread_join(&d->thread);
    uv_close((uv_handle_t *)&d->async, on_async_closed);
}
