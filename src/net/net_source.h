/* net_source.h -- outgoing connections from a chosen address. */
#pragma once

#include <uv.h>

#include "base/ip.h"

/* Gives the handle a socket of its own that calls from there; a uv error: it cannot be. */
int net_source_open(uv_tcp_t *tcp, const struct ip *source);
