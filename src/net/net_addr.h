/* net_addr.h -- addresses as the kernel has them, and a socket's options. */
#pragma once

#include <sys/socket.h>
#include <uv.h>

#include "base/ip.h"

void net_addr_build(const struct ip_port *a, struct sockaddr_storage *out);
bool net_addr_parse(const struct sockaddr *sa, struct ip_port *out); /* false: IP_NONE */
/* Both ends of a connected socket; IP_NONE where the kernel does not know any more. */
void net_addr_of(const uv_tcp_t *tcp, struct ip_port *peer, struct ip_port *local);
void net_addr_tune(uv_tcp_t *tcp);
