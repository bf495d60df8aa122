/* log.c -- see log.h. */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void log_init(struct log *l, int fd)
{
    *l = (struct log){.fd = fd, .least = NOTE_INFO};
    struct stat st;
    if (fstat(fd, &st) == 0) {
        l->is_regular = S_ISREG(st.st_mode);
        l->is_socket = S_ISSOCK(st.st_mode);
    }
    buf_init(&l->out, LOG_BYTES_MAX);
    buf_init(&l->line, LOG_LINE_BYTES_MAX);
}

void log_configure(struct log *l, enum note_level least, bool is_json)
{
    l->least = least;
    l->is_json = is_json;
}

static void add_line(struct log *l, const struct note *n, int64_t now_ms)
{
    buf_clear(&l->line);
    if (l->is_json)
        note_build_json(n, now_ms, &l->line);
    else
        note_build_text(n, now_ms, &l->line);
    buf_add_char(&l->line, '\n');
    if (l->line.is_full || !buf_add(&l->out, buf_slice(&l->line)))
        l->lost++;
}

void log_note(struct log *l, const struct note *n, int64_t now_ms)
{
    if (note_row[n->kind].level >= l->least)
        add_line(l, n, now_ms);
}

/* Bytes taken; 0: none now. A reader that is gone takes everything: there is nobody to tell. */
static size_t write_some(struct log *l, struct slice s)
{
    ssize_t n;
    if (l->is_socket) {
        n = send(l->fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        /* The file description may be shared with a shell, so it is not made non-blocking. */
        struct pollfd ready = {.fd = l->fd, .events = POLLOUT};
        if (!l->is_regular) {
            if (poll(&ready, 1, 0) <= 0)
                return 0;
            s = slice_head(s, LOG_PIPE_BYTES);
        }
        n = write(l->fd, s.p, s.n);
    }
    if (n >= 0)
        return (size_t)n;
    if (errno == EAGAIN || errno == EINTR || errno == ENOSPC)
        return 0;
    return s.n;
}

static void write_all(struct log *l)
{
    size_t sent = 0;
    while (sent < l->out.n) {
        size_t n = write_some(l, slice_from(buf_slice(&l->out), sent));
        if (n == 0)
            break;
        sent += n;
    }
    buf_drop(&l->out, sent);
    if (l->out.n == 0)
        l->out.is_full = false;
}

bool log_flush(struct log *l, int64_t now_ms)
{
    if (l->out.n)
        write_all(l);
    if (l->lost == l->lost_told || l->out.n > LOG_BYTES_MAX / 2)
        return l->out.n == 0;
    struct note n;
    note_init(&n, NOTE_WARNING, 0);
    note_text(&n, "text", SLICE("log lines were lost: nobody reads them fast enough"));
    note_number(&n, "lines", (int64_t)(l->lost - l->lost_told));
    l->lost_told = l->lost;
    add_line(l, &n, now_ms);
    write_all(l);
    return l->out.n == 0;
}

void log_close(struct log *l)
{
    for (int waited_ms = 0; l->out.n && waited_ms < LOG_CLOSE_MS; waited_ms += 10) {
        write_all(l);
        struct pollfd ready = {.fd = l->fd, .events = POLLOUT};
        if (l->out.n)
            poll(&ready, 1, 10);
    }
    buf_close(&l->out);
    buf_close(&l->line);
}
