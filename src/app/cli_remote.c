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

static bool exchange(struct remote *r, int fd, struct slice request)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, r->path, sizeof to.sun_path);
    const struct timeval wait = {.tv_sec = r->wait_s};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
           connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 && send_all(fd, request) &&
           receive_all(fd, &r->in);
}

bool remote_ask(struct remote *r, const char *method, const char *target, struct fault *why)
{
    struct buf request;
    buf_init(&request, HTTP_REQUEST_BYTES_MAX);
    buf_addf(&request, "%s %s HTTP/1.1\r\nHost: outpost\r\nConnection: close\r\n\r\n", method,
             target);
    buf_clear(&r->in);
    if (request.is_full) {
        buf_close(&request);
        fault_set(why, ERR_FULL, 0, "the arguments are too long");
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_done = fd >= 0 && exchange(r, fd, buf_slice(&request));
    if (!is_done)
        failed(r, why);
    if (fd >= 0)
        close(fd);
    buf_close(&request);
    if (is_done && !http_answer_parse(r->in.p, r->in.n, &r->answer)) {
        fault_set(why, ERR_BAD, 0, "the answer on %s was cut short", r->path);
        return false;
    }
    return is_done;
}
