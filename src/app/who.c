/* who.c -- see who.h. */
#include "who.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may stand in a log line and in a comment of a header field as it is. */
static bool is_plain(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (!ascii_is_alpha(name[i]) && !ascii_is_digit(name[i]) && !strchr("._-$", name[i]))
            return false;
    }
    return n > 0 && n <= WHO_NAME_BYTES_MAX;
}

static int by_uid(const void *a, const void *b)
{
    uint32_t x = ((const struct who_user *)a)->uid, y = ((const struct who_user *)b)->uid;
    return x < y ? -1 : x > y;
}

void who_load(struct who_list *l)
{
    *l = (struct who_list){0};
    FILE *passwd = fopen("/etc/passwd", "re");
    if (!passwd)
        return;
    size_t cap = 0;
    for (struct passwd *p; l->count < WHO_USERS_MAX && (p = fgetpwent(passwd));) {
        if (!is_plain(p->pw_name))
            continue;
        if (l->count == cap) {
            cap = cap ? cap * 2 : 64;
            l->user = mem_resize(l->user, cap * sizeof *l->user);
        }
        struct who_user *u = &l->user[l->count++];
        *u = (struct who_user){.uid = p->pw_uid};
        memcpy(u->name, p->pw_name, strlen(p->pw_name));
    }
    fclose(passwd);
    if (l->count)
        qsort(l->user, l->count, sizeof *l->user, by_uid);
}

void who_close(struct who_list *l)
{
    mem_free(l->user);
    *l = (struct who_list){0};
}

struct who who_build(const struct who_list *l, uint32_t uid)
{
    struct who out;
    const struct who_user key = {.uid = uid};
    const struct who_user *u =
        l->count ? bsearch(&key, l->user, l->count, sizeof key, by_uid) : NULL;
    snprintf(out.s, sizeof out.s, "uid=%lu%s%s", (unsigned long)uid, u ? " " : "",
             u ? u->name : "");
    return out;
}
