/* net_listen.c -- listening sockets and the clients that stand in their doors.
 *
 * At the limit, or while accepting is paused, uv_accept is not called: one client waits with us,
 * the others in the kernel's backlog. */
#include "net_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net_addr.h"

enum { UNIX_MODE = 0666 };

/* ---- accepting ---------------------------------------------------------------------------------
 */

static void fill_peer(struct net_conn *c, struct net_peer *peer)
{
    *peer = (struct net_peer){.is_unix = c->is_unix};
    if (!c->is_unix) {
        net_addr_of(&c->handle.tcp, &peer->address, &peer->local);
        return;
    }
    struct ucred who;
    socklen_t n = sizeof who;
    uv_os_fd_t fd;
    peer->uid = UINT32_MAX; /* nobody, should the kernel not tell */
    if (uv_fileno(&c->handle.any, &fd) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0)
        peer->uid = who.uid;
}

/* A few more come in by Unix sockets: the operator must get through when all else is full. */
static bool may_accept(const struct net_listener *l)
{
    const struct net *n = l->net;
    unsigned most = n->incoming_max + (l->is_unix ? NET_UNIX_EXTRA : 0);
    return !n->is_paused && !n->is_closing && n->incoming < most;
}

static void accept_one(struct net_listener *l)
{
    struct net *n = l->net;
    struct net_peer peer;
    l->is_waiting = !may_accept(l);
    if (l->is_waiting)
        return;
    struct net_conn *c = net_conn_new(n, n->next_id, l->is_unix);
    if (uv_accept(&l->handle.stream, &c->handle.stream)) {
        net_conn_shut(c);
        return;
    }
    n->next_id += 2;
    n->incoming++;
    c->is_incoming = true;
    if (!l->is_unix)
        net_addr_tune(&c->handle.tcp);
    fill_peer(c, &peer);
    map_put_id(&n->by_id, c->id, c);
    net_conn_open(c);
    n->cb.accepted(n->cb.ctx, c->id, l->number, &peer);
    net_conn_settle(c);
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        accept_one(stream->data);
}

void net_accept_waiting(struct net *n)
{
    /* A callback may close listeners: look again from the start after each. */
    for (struct list *at = n->listeners.next; at != &n->listeners;) {
        struct net_listener *l = CONTAINER_OF(at, struct net_listener, link);
        at = at->next;
        if (l->is_waiting && may_accept(l)) {
            accept_one(l);
            at = n->listeners.next;
        }
    }
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static enum err cannot(struct fault *why, int e, const char *address)
{
    return fault_set(why, net_conn_error(e), -e, "cannot listen on %s", address);
}

static struct net_listener *make(struct net *n, unsigned number, bool is_unix)
{
    struct net_listener *l = mem_new(sizeof *l);
    l->net = n;
    l->number = number;
    l->is_unix = is_unix;
    list_add_last(&n->listeners, &l->link);
    return l;
}

static enum err listen_tcp(struct net *n, unsigned number, const char *address, struct fault *why)
{
    struct ip_port at;
    struct sockaddr_storage sa;
    if (!ip_port_parse(slice_cstr(address), 0, &at))
        return fault_set(why, ERR_BAD, 0, "not an address to listen on: %s", address);
    net_addr_build(&at, &sa);
    struct net_listener *l = make(n, number, false);
    CHECK(uv_tcp_init(n->loop, &l->handle.tcp) == 0);
    l->handle.any.data = l;
    n->handles++;
    int e = uv_tcp_bind(&l->handle.tcp, (struct sockaddr *)&sa,
                        at.ip.family == IP_V6 ? UV_TCP_IPV6ONLY : 0);
    if (!e)
        e = uv_listen(&l->handle.stream, NET_BACKLOG, on_connection);
    if (!e)
        return ERR_OK;
    net_listener_close(l);
    return cannot(why, e, address);
}

/* "unix:/path" or "unix:/path,mode=0600". */
static bool parse_unix(const char *address, struct sockaddr_un *sa, unsigned *mode)
{
    struct slice path = slice_from(slice_cstr(address), strlen("unix:"));
    static const char option[] = ",mode=";
    *mode = UNIX_MODE;
    if (path.n > sizeof option &&
        memcmp(path.p + path.n - 4 - (sizeof option - 1), option, sizeof option - 1) == 0) {
        *mode = 0;
        for (size_t i = path.n - 4; i < path.n; i++) {
            if (path.p[i] < '0' || path.p[i] > '7')
                return false;
            *mode = *mode << 3 | (unsigned)(path.p[i] - '0');
        }
        path.n -= 4 + sizeof option - 1;
    }
    if (path.n == 0 || path.n >= sizeof sa->sun_path)
        return false;
    *sa = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(sa->sun_path, path.p, path.n);
    return true;
}

/* A socket file on which nobody answers: left by a process that died. */
static bool is_left_over(const struct sockaddr_un *sa)
{
    struct stat st;
    if (lstat(sa->sun_path, &st) || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool is_dead =
        connect(fd, (const struct sockaddr *)sa, sizeof *sa) != 0 && errno == ECONNREFUSED;
    close(fd);
    return is_dead;
}

/* The mode is set on the socket before it gets its name, so that no moment is open to others. */
static int bind_unix(const struct sockaddr_un *sa, unsigned mode, int *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int e = 0;
    fchmod(fd, (mode_t)mode);
    if (bind(fd, (const struct sockaddr *)sa, sizeof *sa)) {
        e = -errno;
        if (e == -EADDRINUSE && is_left_over(sa) && unlink(sa->sun_path) == 0)
            e = bind(fd, (const struct sockaddr *)sa, sizeof *sa) ? -errno : 0;
    }
    if (!e && chmod(sa->sun_path, (mode_t)mode)) /* what the umask took away */
        e = -errno;
    if (e)
        close(fd);
    *out = fd;
    return e;
}

static enum err listen_unix(struct net *n, unsigned number, const char *address, struct fault *why)
{
    struct sockaddr_un sa;
    unsigned mode;
    int fd = -1;
    if (!parse_unix(address, &sa, &mode))
        return fault_set(why, ERR_BAD, 0, "not a path for a socket: %s", address);
    int e = bind_unix(&sa, mode, &fd);
    if (e)
        return cannot(why, e, address);
    struct net_listener *l = make(n, number, true);
    l->path = mem_dup(sa.sun_path, strlen(sa.sun_path));
    CHECK(uv_pipe_init(n->loop, &l->handle.pipe, 0) == 0);
    l->handle.any.data = l;
    n->handles++;
    e = uv_pipe_open(&l->handle.pipe, fd);
    if (e)
        close(fd);
    else
        e = uv_listen(&l->handle.stream, NET_BACKLOG, on_connection);
    if (!e)
        return ERR_OK;
    net_listener_close(l);
    return cannot(why, e, address);
}

/* ---- closing -----------------------------------------------------------------------------------
 */

static void on_closed(uv_handle_t *handle)
{
    struct net_listener *l = handle->data;
    struct net *n = l->net;
    mem_free(l->path);
    mem_free(l);
    net_handle_closed(n);
}

void net_listener_close(struct net_listener *l)
{
    list_remove(&l->link);
    if (l->path)
        unlink(l->path);
    uv_close(&l->handle.any, on_closed);
}

/* ---- the door ----------------------------------------------------------------------------------
 */

static struct net_listener *find(const struct net *n, unsigned number)
{
    for (struct list *at = n->listeners.next; at != &n->listeners; at = at->next) {
        struct net_listener *l = CONTAINER_OF(at, struct net_listener, link);
        if (l->number == number)
            return l;
    }
    return NULL;
}

enum err net_listen(struct net *n, unsigned number, const char *address, struct fault *why)
{
    if (find(n, number))
        return fault_set(why, ERR_BUSY, 0, "listener %u exists already", number);
    if (slice_starts(slice_cstr(address), SLICE("unix:")))
        return listen_unix(n, number, address, why);
    return listen_tcp(n, number, address, why);
}

uint64_t net_adopt(struct net *n, int fd)
{
    if (n->is_closing || n->incoming >= n->incoming_max + NET_UNIX_EXTRA) {
        close(fd);
        return 0;
    }
    struct net_conn *c = net_conn_new(n, n->next_id, true);
    if (uv_pipe_open(&c->handle.pipe, fd)) {
        close(fd);
        net_conn_shut(c);
        return 0;
    }
    n->next_id += 2;
    n->incoming++;
    c->is_incoming = true;
    map_put_id(&n->by_id, c->id, c);
    net_conn_open(c);
    return c->id;
}

uint16_t net_listener_port(const struct net *n, unsigned number)
{
    const struct net_listener *l = find(n, number);
    struct sockaddr_storage sa;
    int len = sizeof sa;
    struct ip_port at;
    if (!l || l->is_unix || uv_tcp_getsockname(&l->handle.tcp, (struct sockaddr *)&sa, &len) ||
        !net_addr_parse((struct sockaddr *)&sa, &at))
        return 0;
    return at.port;
}

void net_listen_stop(struct net *n, unsigned number)
{
    struct net_listener *l = find(n, number);
    if (l)
        net_listener_close(l);
}

void net_accept_pause(struct net *n, bool is_paused)
{
    n->is_paused = is_paused;
    if (!is_paused) {
        n->must_accept = true;
        net_wake(n);
    }
}
