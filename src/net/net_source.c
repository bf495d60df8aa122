/* net_source.c -- see the header.
 *
 * With IP_BIND_ADDRESS_NO_PORT the kernel picks the port at connect, when it knows the other end:
 * ports are then scarce for each destination, not for all of them together. Where it is unknown
 * the port is picked at bind; everything else is the same. */
#include "net_source.h"

#include "net/net.h"
#include "net_addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

/* A socket that is bound to it, or -errno. */
static int open_bound(const struct ip *source)
{
    const int one = 1;
    struct sockaddr_storage sa;
    const struct ip_port from = {.ip = *source};
    net_addr_build(&from, &sa);
    socklen_t bytes =
        source->family == IP_V6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&sa, bytes) == 0)
        return fd;
    int e = -errno;
    close(fd);
    return e;
}

int net_source_open(uv_tcp_t *tcp, const struct ip *source)
{
    int fd = open_bound(source);
    if (fd < 0)
        return fd; /* uv's errors are -errno */
    int e = uv_tcp_open(tcp, fd);
    if (e)
        close(fd);
    return e;
}

enum err net_source_check(const struct ip *source, struct fault *why)
{
    int fd = open_bound(source);
    if (fd < 0)
        return fault_set(why, ERR_SOURCE, -fd, "%s", ip_build(source).s);
    close(fd);
    return ERR_OK;
}
