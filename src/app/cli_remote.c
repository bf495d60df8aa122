/* cli_remote.c -- see cli_remote.h. */
#include "cli_remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "config_file.h"

int remote_init(struct remote *r, const struct cli *c)
{
    *r = (struct remote){.wait_s = REMOTE_WAIT_S};
    buf_init(&r->in, REMOTE_ANSWER_BYTES_MAX);
    struct config_file file = {0};
    struct fault why = {0};
    struct slice path = slice_cstr(c->socket);
    int status = EXIT_GOOD;
    if (!path.n) {
        if (config_file_load(&file, c->config, &why) != ERR_OK)
            status = cli_fail(EXIT_CONFIG, "%s (--socket PATH does without the file)", why.text);
        else if (file.mistake_count && !file.config->control_socket.n)
            status = cli_fail(EXIT_CONFIG, "the configuration has mistakes: see outpost check");
        else
            path = file.config->control_socket; /* good enough, whatever else is wrong */
    }
    if (!status && !path.n)
        status = cli_fail(EXIT_FAILED, "there is no control socket in the configuration");
    if (!status && path.n >= sizeof r->path)
        status = cli_fail(EXIT_FAILED, "the path of the control socket is too long");
    if (!status)
        memcpy(r->path, path.p, path.n);
    config_file_close(&file);
    if (status)
        buf_close(&r->in);
    return status;
}

void remote_close(struct remote *r)
{
    buf_close(&r->in);
}

static bool failed(const struct remote *r, struct fault *why)
{
    if (errno == ENOENT || errno == ECONNREFUSED)
        fault_set(why, ERR_MISSING, 0,
                  "the relay does not run, or not with this control socket: %s", r->path);
    else if (errno == EACCES)
        fault_set(why, ERR_DENIED, 0,
                  "no access to the control socket %s: run this as root or as "
                  "the relay's user or group",
                  r->path);
    else if (errno == EAGAIN || errno == EINPROGRESS)
        fault_set(why, ERR_TIMEOUT, 0, "the relay does not answer on %s", r->path);
    else
        fault_set(why, ERR_SYSTEM, errno, "control socket %s", r->path);
    return false;
}

static bool send_all(int fd, struct slice s)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        s = slice_from(s, (size_t)n);
    }
    return true;
}

static bool receive_all(int fd, struct buf *in)
{
    for (;;) {
        char chunk[16384];
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        if (!buf_add(in, slice_of(chunk, (size_t)n))) {
            errno = EMSGSIZE;
            return false;
        }
    }
}

static bool begin(struct remote *r, int fd, struct slice request)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, r->path, sizeof to.sun_path);
    const struct timeval wait = {.tv_sec = r->wait_s};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
           connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 && send_all(fd, request);
}

static bool build_request(struct buf *out, const char *method, const char *target,
                          struct fault *why)
{
    buf_init(out, HTTP_REQUEST_BYTES_MAX);
    buf_addf(out, "%s %s HTTP/1.1\r\nHost: outpost\r\nConnection: close\r\n\r\n", method, target);
    if (!out->is_full)
        return true;
    buf_close(out);
    fault_set(why, ERR_FULL, 0, "the arguments are too long");
    return false;
}

static bool was_cut(const struct remote *r, struct fault *why)
{
    fault_set(why, ERR_BAD, 0, "the answer on %s was cut short", r->path);
    return false;
}

bool remote_ask(struct remote *r, const char *method, const char *target, struct fault *why)
{
    struct buf request;
    if (!build_request(&request, method, target, why))
        return false;
    buf_clear(&r->in);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_done = fd >= 0 && begin(r, fd, buf_slice(&request)) && receive_all(fd, &r->in);
    if (!is_done)
        failed(r, why);
    if (fd >= 0)
        close(fd);
    buf_close(&request);
    if (is_done && !http_answer_parse(r->in.p, r->in.n, &r->answer))
        return was_cut(r, why);
    return is_done;
}

/* What has come of the body so far. False: it is no HTTP. *is_over: the last of it was there. */
static bool copy_pieces(struct remote *r, FILE *to, bool *is_over)
{
    for (;;) {
        struct slice piece;
        size_t used;
        enum parse e = http_answer_piece(&r->answer, buf_slice(&r->in), &piece, &used);
        if (e == PARSE_BAD)
            return false;
        *is_over = e == PARSE_DONE && !piece.n;
        fwrite(piece.p ? piece.p : "", 1, piece.n, to);
        buf_drop(&r->in, used);
        if (e != PARSE_DONE || *is_over)
            return true;
    }
}

/* The head, then piece by piece. errno 0: no system call failed, the answer was cut. */
static bool copy_answer(struct remote *r, int fd, FILE *to)
{
    bool has_head = false, is_over = false;
    char chunk[65536];
    while (!is_over) {
        size_t used;
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        errno = 0;
        if (n == 0 || !buf_add(&r->in, slice_of(chunk, (size_t)n)))
            return false;
        if (!has_head) {
            enum parse e = http_answer_head(buf_slice(&r->in), &r->answer, &used);
            if (e == PARSE_BAD)
                return false;
            if (e == PARSE_MORE)
                continue;
            if (r->answer.status != 200) /* short: an error's text */
                return receive_all(fd, &r->in) && http_answer_parse(r->in.p, r->in.n, &r->answer);
            has_head = true;
            buf_drop(&r->in, used);
        }
        if (!copy_pieces(r, to, &is_over))
            return false;
    }
    return true;
}

bool remote_copy(struct remote *r, const char *target, FILE *to, struct fault *why)
{
    struct buf request;
    if (!build_request(&request, "GET", target, why))
        return false;
    buf_clear(&r->in);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has_begun = fd >= 0 && begin(r, fd, buf_slice(&request));
    bool is_done = has_begun && copy_answer(r, fd, to);
    if (!is_done && has_begun && !errno)
        was_cut(r, why);
    else if (!is_done)
        failed(r, why);
    if (fd >= 0)
        close(fd);
    buf_close(&request);
    return is_done;
}

int remote_complain(const struct remote *r)
{
    fprintf(stderr, "outpost: %.*s", SLICE_FMT(r->answer.body));
    return EXIT_FAILED;
}

const char *remote_format(const struct cli *c)
{
    return c->is_json ? "format=json" : "format=text";
}

void remote_add(struct buf *target, const char *key, const char *value)
{
    if (!value)
        return;
    buf_addf(target, "&%s=", key);
    http_escape(slice_cstr(value), target);
}

void remote_add_filter(struct buf *target, const struct cli *c)
{
    remote_add(target, "from", c->from);
    remote_add(target, "to", c->to);
    remote_add(target, "domain", c->domain);
    remote_add(target, "state", c->state);
    remote_add(target, "older", c->older);
}
