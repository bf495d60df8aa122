/* sendmail_smtp.c -- see sendmail_smtp.h. */
#include "sendmail_smtp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "handover.h"

enum { CHUNK_BYTES = 16384, TAIL_BYTES = 7 };

struct proxy {
    int fd;
    bool has_input;        /* standard input has not ended */
    char tail[TAIL_BYTES]; /* of the input: was QUIT the last line? */
    size_t tail_bytes;
};

static void remember_tail(struct proxy *p, struct slice s)
{
    for (size_t i = s.n > TAIL_BYTES ? s.n - TAIL_BYTES : 0; i < s.n; i++) {
        if (p->tail_bytes == TAIL_BYTES)
            memmove(p->tail, p->tail + 1, --p->tail_bytes);
        p->tail[p->tail_bytes++] = s.p[i];
    }
}

static bool has_quit(const struct proxy *p)
{
    struct slice tail = slice_of(p->tail, p->tail_bytes);
    return slice_ends_nocase(tail, SLICE("\nQUIT\r\n")) || slice_eq_nocase(tail, SLICE("QUIT\r\n"));
}

/* False: nothing more can come from there. */
static bool copy(struct proxy *p, bool is_input)
{
    char chunk[CHUNK_BYTES];
    ssize_t n = read(is_input ? STDIN_FILENO : p->fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0)
        return false;
    if (is_input) {
        remember_tail(p, slice_of(chunk, (size_t)n));
        return handover_send(p->fd, slice_of(chunk, (size_t)n));
    }
    for (struct slice rest = slice_of(chunk, (size_t)n); rest.n;) {
        ssize_t out = write(STDOUT_FILENO, rest.p, rest.n);
        if (out < 0 && errno == EINTR)
            continue;
        if (out <= 0)
            return false;
        rest = slice_from(rest, (size_t)out);
    }
    return true;
}

int sendmail_smtp(const struct sendmail_where *w)
{
    struct proxy p = {.fd = -1, .has_input = true};
    for (int i = 0; i < w->place_count && p.fd < 0; i++)
        p.fd = handover_connect(w->place[i].socket);
    if (p.fd < 0) {
        printf("421 4.3.2 %s: no relay answers at %s\r\n", w->hostname, w->place[0].socket);
        fflush(stdout);
        return EX_TEMPFAIL;
    }
    for (;;) {
        struct pollfd at[2] = {{.fd = p.fd, .events = POLLIN},
                               {.fd = p.has_input ? STDIN_FILENO : -1, .events = POLLIN}};
        int n = poll(at, 2, p.has_input || has_quit(&p) ? -1 : SENDMAIL_SMTP_QUIET_MS);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || (at[0].revents && !copy(&p, false)))
            break;
        if (at[1].revents && !copy(&p, true))
            p.has_input = false;
    }
    close(p.fd);
    return EX_OK;
}
