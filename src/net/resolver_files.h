/* resolver_files.h -- /etc/hosts and /etc/resolv.conf, read again when they change. */
#pragma once

#include "base/ip.h"
#include "base/map.h"

enum {
    RESOLVER_FILES_BYTES_MAX = 4 << 20, /* of a file; the rest is ignored */
    RESOLVER_FILES_NAMES_MAX = 200000,
    RESOLVER_FILES_ADDRESSES_MAX = 16, /* of one name */
    RESOLVER_FILES_SERVERS_MAX = 6,
};

/* What tells one version of a file from another. */
struct resolver_file {
    char *path; /* owned; NULL: no file */
    uint64_t inode, bytes;
    int64_t changed_s, changed_ns;
    bool is_there, was_read;
};
void resolver_file_open(struct resolver_file *f, const char *path);
void resolver_file_close(struct resolver_file *f);
bool resolver_file_has_changed(struct resolver_file *f); /* since the last call; true at first */

struct resolver_host {
    struct ip ip[RESOLVER_FILES_ADDRESSES_MAX];
    unsigned count;
    size_t name_bytes;
    char name[]; /* lower case */
};
struct resolver_hosts {
    struct map by_name; /* struct resolver_host */
};
void resolver_hosts_init(struct resolver_hosts *h);
void resolver_hosts_close(struct resolver_hosts *h);
void resolver_hosts_read(struct resolver_hosts *h, const char *path); /* replaces */
void resolver_hosts_parse(struct resolver_hosts *h, struct slice text);
/* name: any case, with or without final dot. */
const struct resolver_host *resolver_hosts_find(const struct resolver_hosts *h, struct slice name);

/* The "nameserver" lines, port 53; 127.0.0.1 when there are none. How many. */
unsigned resolver_conf_read(const char *path, struct ip_port out[RESOLVER_FILES_SERVERS_MAX]);
unsigned resolver_conf_parse(struct slice text, struct ip_port out[RESOLVER_FILES_SERVERS_MAX]);
