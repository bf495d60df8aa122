/* who.h -- names of local users, for people: "uid=1000 bob".
 *
 * /etc/passwd is read with fgetpwent: getpwuid loads modules that a static program must not
 * load. Users that come from elsewhere (LDAP, systemd) have a number only. */
#pragma once

#include "base/slice.h"

enum { WHO_NAME_BYTES_MAX = 32, WHO_USERS_MAX = 10000 };

struct who {
    char s[64];
};

struct who_user {
    uint32_t uid;
    char name[WHO_NAME_BYTES_MAX + 1];
};
struct who_list {
    struct who_user *user; /* sorted by uid */
    size_t count;
};

/* Blocking, like the configuration; a list that cannot be read is empty. */
void who_load(struct who_list *l);
void who_close(struct who_list *l);
/* "uid=1000 bob", or "uid=1000". */
struct who who_build(const struct who_list *l, uint32_t uid);
