/* sim_client.h -- submitting clients: scripted, each with its messages and its manners. They know
 * exactly which message was answered 250 to the final dot; what was refused for now is offered
 * again, as a new message. */
#pragma once

#include "sim_mail.h"
#include "sim_net.h"

struct sim_world;

enum sim_vanish {
    SIM_STAYS,
    SIM_LEAVES_IN_ENVELOPE, /* closes after some of MAIL, RCPT, DATA */
    SIM_LEAVES_IN_BODY,
    SIM_LEAVES_AFTER_DOT, /* closes, and never learns what came of it */
    SIM_FALLS_SILENT,     /* in the body; keeps the line open */
};

struct sim_manners {
    bool is_pipelining;
    bool is_eager;    /* pipelining: the next envelope goes out right behind the final dot */
    bool wants_tls;   /* STARTTLS and AUTH from a foreign address; else from a trusted one */
    bool is_implicit; /* the second listener */
    bool is_proxied;  /* comes from sim_client_proxy, whose header names it */
    bool quits;       /* QUIT at the end, else it just closes */
    bool says_8bit, says_size;
    bool is_chunking; /* BDAT instead of DATA; pipelining: in the envelope's group */
    bool repeats_recipient;
    unsigned vanish_percent; /* per message */
    unsigned messages_a_session;
    int64_t pause_ms; /* between sessions, at most */
};

extern const struct ip_port sim_client_proxy; /* a stranger's address, if it were not a proxy's */

struct sim_client;

/* Mails belong to the world (sim_world_add_mail). The client begins at begin_ms, on its own. */
struct sim_client *sim_client_add(struct sim_world *w, const struct sim_manners *manners,
                                  struct sim_mail **mail, unsigned count, int64_t begin_ms);
bool sim_client_is_done(const struct sim_client *c);
void sim_client_close(struct sim_world *w);
