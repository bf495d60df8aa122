/* sendmail_where.h -- where a message of this user goes: the relay's socket and drop directory, and
 * who the user is.
 *
 * Any user may send, and need not be able to read the configuration (it may hold secrets): then the
 * places of a relay that root runs are tried. Without a configuration these come first too, and
 * those of a relay of this user second. */
#pragma once

#include "config_file.h"

enum { SENDMAIL_PLACES_MAX = 2 };

struct sendmail_where {
    struct config_file file; /* owns what `place` points to, when it does not point to constants */
    struct {
        const char *socket, *drop_dir; /* "" when there is none */
    } place[SENDMAIL_PLACES_MAX];
    int place_count;
    char hostname[256];
    char user[256];      /* login name, or "uid1000" */
    char full_name[256]; /* from /etc/passwd; may be empty */
};

/* False: *why says why (a configuration that was named cannot be read, sendmail is disabled). */
MUST_USE bool sendmail_where_find(struct sendmail_where *w, const char *config, struct fault *why);
void sendmail_where_close(struct sendmail_where *w);
