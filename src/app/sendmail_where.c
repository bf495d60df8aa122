/* sendmail_where.c -- see sendmail_where.h. */
#include "sendmail_where.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char system_socket[] = "/run/outpost/submit.sock";
static const char system_drop_dir[] = "/var/lib/outpost/drop";

static void add(struct sendmail_where *w, const char *socket, const char *drop_dir)
{
    w->place[w->place_count].socket = socket ? socket : "";
    w->place[w->place_count].drop_dir = drop_dir ? drop_dir : "";
    w->place_count++;
}

/* "Bob Builder,Room 3,..." and "& Builder", where & is the login name. */
static void take_gecos(struct sendmail_where *w, const char *gecos)
{
    size_t n = 0;
    for (; gecos && *gecos && *gecos != ',' && n + 1 < sizeof w->full_name; gecos++) {
        if (*gecos != '&') {
            w->full_name[n++] = *gecos;
            continue;
        }
        for (const char *c = w->user; *c && n + 1 < sizeof w->full_name; c++) {
            bool is_first = c == w->user && *c >= 'a' && *c <= 'z';
            w->full_name[n++] = is_first ? (char)(*c - 32) : *c;
        }
    }
    w->full_name[n] = 0;
}

static void find_user(struct sendmail_where *w)
{
    uid_t uid = getuid();
    snprintf(w->user, sizeof w->user, "uid%lu", (unsigned long)uid);
    FILE *passwd = fopen("/etc/passwd", "re");
    for (struct passwd *p; passwd && (p = fgetpwent(passwd));) {
        if (p->pw_uid != uid)
            continue;
        snprintf(w->user, sizeof w->user, "%s", p->pw_name);
        take_gecos(w, p->pw_gecos);
        break;
    }
    if (passwd)
        fclose(passwd);
}

bool sendmail_where_find(struct sendmail_where *w, const char *config, struct fault *why)
{
    *w = (struct sendmail_where){0};
    const char *named = config ? config : getenv("OUTPOST_CONFIG");
    if (named && !*named)
        named = NULL;
    enum err e = config_file_load(&w->file, named, why);
    if (e && named)
        return false;
    const struct config *c = w->file.config;
    if (c && !c->has_sendmail && !w->file.is_missing) {
        fault_set(why, ERR_DENIED, 0, "%s: sendmail.enabled is false", w->file.path);
        return false;
    }
    bool is_configured = c && !w->file.is_missing;
    if (!is_configured)
        add(w, system_socket, system_drop_dir);
    if (c && (is_configured || geteuid() != 0))
        add(w, c->sendmail_socket.p, c->sendmail_drop_dir.p);
    if (gethostname(w->hostname, sizeof w->hostname - 1) || !w->hostname[0])
        strcpy(w->hostname, "localhost");
    if (c && c->engine.hostname.n && c->engine.hostname.n < sizeof w->hostname)
        snprintf(w->hostname, sizeof w->hostname, "%.*s", SLICE_FMT(c->engine.hostname));
    find_user(w);
    return true;
}

void sendmail_where_close(struct sendmail_where *w)
{
    config_file_close(&w->file);
    *w = (struct sendmail_where){0};
}
