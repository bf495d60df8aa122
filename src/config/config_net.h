/* config_net.h -- readers for addresses of the network: of sockets, networks, resolvers and hosts.
 *
 * Each gives what is wrong, for people; SLICE_NONE: it was taken. Texts are copied into the arena.
 */
#pragma once

#include "base/arena.h"
#include "engine/engine_options.h"

/* "unix:/path" or "unix:/path,mode=0660" */
struct slice config_net_set_unix(struct slice text, struct arena *a, struct slice *out);
/* "address:port", numeric */
struct slice config_net_set_listen(struct slice text, struct arena *a, struct slice *out);
/* Of a host: neither a group nor unspecified. */
struct slice config_net_set_ip(struct slice text, struct arena *a, struct ip *out);
struct slice config_net_set_network(struct slice text, struct arena *a, struct ip_net *out);
/* Port 53 unless given. */
struct slice config_net_set_resolver(struct slice text, struct arena *a, struct ip_port *out);
/* Port 587 unless given. */
struct slice config_net_set_host(struct slice text, struct arena *a, struct engine_host *out);
