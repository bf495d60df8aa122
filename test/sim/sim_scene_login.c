/* sim_scene_login.c -- see the header. */
#include "sim_scene_login.h"

enum { LOGIN_MAILS = 30 };

/* The relay with all its mail to a host that wants a login. */
static struct sim_host *open_smarthost(struct sim_stage *s)
{
    struct sim_options *o = &s->options;
    struct sim_host *h = &s->w->host[sim_host_add(s->w, "smart.test")];
    h->tls = SIM_TLS_GOOD;
    h->needs_auth = true;
    o->route_host[0] = (struct engine_host){.name = SLICE("smart.test"), .port = 587};
    o->route = (struct engine_route){.hosts = o->route_host,
                                     .host_count = 1,
                                     .tls = DELIVERY_TLS_VERIFY,
                                     .user = SLICE("sim"),
                                     .password = SLICE("secret"),
                                     .name = SLICE("smart.test")};
    o->o.routes = &o->route;
    o->o.route_count = 1;
    return h;
}

static bool is_delivered(const struct sim_stage *s, const void *mail)
{
    const struct sim_mail *m = mail;
    return m->state == SIM_MAIL_ACCEPTED && sim_stage_fate(s, m, 0) == QUEUE_DELIVERED;
}

void sim_scene_login_each(struct sim_stage *s)
{
    static const char *const offers[] = {"LOGIN", "PLAIN", "GSSAPI CRAM-MD5 LOGIN",
                                         "PLAIN LOGIN SCRAM-SHA-256 CRAM-MD5"};
    struct sim_host *h = open_smarthost(s);
    sim_stage_begin(s);
    for (unsigned i = 0; i < COUNT_OF(offers); i++) {
        h->auth = offers[i];
        struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
        sim_stage_wait_for(s, is_delivered, m, SIM_MINUTE_MS, "delivered with a login");
        sim_stage_expect(s, h->logins == i + 1 && h->bad_logins == 0, "one login, and a right one");
        sim_stage_wait(s, SIM_MINUTE_MS); /* the line is given up */
    }
}

/* Thirty messages and six hours of a wrong password: the relay must not lock its user out. */
void sim_scene_login_wrong(struct sim_stage *s)
{
    struct sim_mail *m[LOGIN_MAILS];
    struct sim_host *h = open_smarthost(s);
    h->auth = "SCRAM-SHA-256 PLAIN";
    h->password = "changed";
    sim_stage_begin(s);
    for (unsigned i = 0; i < LOGIN_MAILS; i++)
        m[i] = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait(s, 6 * SIM_HOUR_MS);
    sim_stage_expect(s, h->bad_logins >= 5 && h->bad_logins <= 16, "tried, but seldom");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_SMARTHOST_LOGIN_REFUSED) == h->bad_logins,
                     "and each is told");
    for (unsigned i = 0; i < LOGIN_MAILS; i++)
        sim_stage_expect(s, sim_stage_fate(s, m[i], 0) == QUEUE_WAITING, "nothing is lost");
    h->password = "secret";
    sim_stage_wait_for_rest(s, 3 * SIM_HOUR_MS);
    for (unsigned i = 0; i < LOGIN_MAILS; i++)
        sim_stage_expect(s, is_delivered(s, m[i]), "delivered when the password is right again");
}

void sim_scene_login_flaky(struct sim_stage *s)
{
    struct sim_mail *m[LOGIN_MAILS];
    struct sim_host *h = open_smarthost(s);
    h->auth = "CRAM-MD5";
    h->auth_454_percent = 60;
    sim_stage_begin(s);
    for (unsigned i = 0; i < LOGIN_MAILS; i++) {
        m[i] = sim_stage_submit(s, "u@d.test", 2000);
        sim_stage_wait(s, 20 * SIM_SECOND_MS);
    }
    sim_stage_wait_for_rest(s, SIM_DAY_MS);
    for (unsigned i = 0; i < LOGIN_MAILS; i++)
        sim_stage_expect(s, is_delivered(s, m[i]), "delivered in the end");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_SMARTHOST_LOGIN_REFUSED) == 0,
                     "454 is no refusal of the login");
}
