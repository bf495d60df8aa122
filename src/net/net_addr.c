/* net_addr.c -- struct ip_port to and from struct sockaddr; TCP options. */
#include "net_addr.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

enum {
    KEEP_IDLE_S = 60,
    KEEP_INTERVAL_S = 15,
    KEEP_COUNT = 4,
    USER_TIMEOUT_MS = 120000, /* sent and not acknowledged for so long: the line is dead */
};

void net_addr_build(const struct ip_port *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->ip.family == IP_V6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(a->port);
        memcpy(&v6->sin6_addr, a->ip.b, 16);
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        memcpy(&v4->sin_addr, a->ip.b, 4);
    }
}

bool net_addr_parse(const struct sockaddr *sa, struct ip_port *out)
{
    *out = (struct ip_port){.port = 0};
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
        out->ip.family = IP_V4;
        out->port = ntohs(v4->sin_port);
        memcpy(out->ip.b, &v4->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
        out->ip.family = IP_V6;
        out->port = ntohs(v6->sin6_port);
        memcpy(out->ip.b, &v6->sin6_addr, 16);
    }
    return out->ip.family != IP_NONE;
}

void net_addr_of(const uv_tcp_t *tcp, struct ip_port *peer, struct ip_port *local)
{
    struct sockaddr_storage sa;
    int n = sizeof sa;
    *peer = *local = (struct ip_port){.port = 0};
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&sa, &n) == 0)
        net_addr_parse((struct sockaddr *)&sa, peer);
    n = sizeof sa;
    if (uv_tcp_getsockname(tcp, (struct sockaddr *)&sa, &n) == 0)
        net_addr_parse((struct sockaddr *)&sa, local);
}

/* uv_tcp_keepalive would probe every second, ten times. A failure leaves the kernel's defaults. */
void net_addr_tune(uv_tcp_t *tcp)
{
    const int one = 1, idle = KEEP_IDLE_S, interval = KEEP_INTERVAL_S, count = KEEP_COUNT;
    const unsigned user_ms = USER_TIMEOUT_MS;
    uv_os_fd_t fd;
    uv_tcp_nodelay(tcp, 1);
    if (uv_fileno((uv_handle_t *)tcp, &fd))
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
}
