/* sim_world.h -- the false world: the second driver of the engine. Virtual time, an agenda of what
 * is going to happen, a false network, disk, DNS, clients and receiving hosts, all from one seed.
 *
 * It carries out the engine's actions as app does with libuv, and stops for good at the first thing
 * that breaks a promise. See doc/simulator.md. */
#pragma once

#include "base/arena.h"
#include "engine/engine_view.h"
#include "sim_agenda.h"
#include "sim_client.h"
#include "sim_disk.h"
#include "sim_dns.h"
#include "sim_host.h"
#include "sim_ledger.h"
#include "sim_remote.h"
#include "sim_token.h"
#include "sim_trace.h"

enum {
    SIM_DOMAINS_MAX = 1200,
    SIM_HOSTS_MAX = 1200,
    SIM_CLIENTS_MAX = 512,
    SIM_OPTIONS_MAX = 8,
    SIM_SEGMENT_BYTES = 256 * 1024, /* normally; a chunk of 64 KiB must fit */
    SIM_SEGMENT_BYTES_LEAST = 80 * 1024,
    SIM_SECOND_MS = 1000,
    SIM_MINUTE_MS = 60 * SIM_SECOND_MS,
    SIM_HOUR_MS = 60 * SIM_MINUTE_MS,
    SIM_DAY_MS = 24 * SIM_HOUR_MS,
};

struct sim_io {
    bool is_out;
    struct journal_io io;
};

struct sim_world {
    uint64_t seed;
    struct rng rng;
    int64_t now_us, begin_ms;
    struct sim_agenda agenda;
    struct arena arena; /* small things that live as long as the world */

    struct engine *engine; /* NULL: the process is down */
    struct journal *journal;
    uint64_t life;   /* of the process; what was meant for an earlier one is dropped */
    bool is_started; /* recovery is over */
    bool is_stopping;
    int64_t grace_until_ms;
    const struct engine_options *options;
    const struct engine_options *used[SIM_OPTIONS_MAX]; /* so far */
    unsigned used_count;
    int64_t lifetime_most_ms;
    struct ip_port local;
    uint64_t installation;
    struct sim_io io[4]; /* write chain, make, retire, index */
    struct buf index;    /* the file that is being made */
    uint64_t *released;  /* segments, in this life, in order; owned */
    size_t released_count, released_cap;
    struct map empty; /* segments in which this life found nothing: they go when they like */
    bool has_flush;
    int64_t down_ms; /* the latest crash's; until the next start */

    struct sim_disk disk;
    struct sim_net net;
    struct sim_ledger ledger;
    struct sim_domain domain[SIM_DOMAINS_MAX];
    unsigned domain_count;
    struct sim_host host[SIM_HOSTS_MAX];
    unsigned host_count;
    struct ip bad_source; /* the system lets nobody call from there */
    /* what the limits check allows; the last two: on a connection, in a transaction */
    unsigned out_max, out_each_max, mails_max, recipients_max;
    unsigned group_sets[SIM_DOMAINS_MAX], group_open[SIM_DOMAINS_MAX];
    struct map grey;
    struct sim_token_server tokens;
    struct sim_mail **mail; /* by number, from 1 on; owned */
    uint64_t mail_count, mail_cap;
    struct sim_client *client[SIM_CLIENTS_MAX];
    unsigned client_count;

    /* A crash is due after so many actions or ends of journal ios; 0: none. */
    unsigned crash_in_actions, crash_in_ios, crash_at_start_percent;
    enum sim_crash crash_kind;
    bool is_crash_due;
    unsigned crashes, operator_retries, reloads;
    uint64_t segments_indexed, segments_walked; /* at all starts so far */
    uint64_t orders, order_now;                 /* the operator's, so far; being told, 0: none */
    bool may_sync_slowly;
    bool was_orderly; /* the latest end of the process */
    unsigned login_trouble_percent;

    uint64_t steps, ticks_here, hash;
    bool is_verbose;
    bool has_failed;
    char failure[512];
    struct buf line; /* of a note */
};

/* --- life --- */
MUST_USE struct sim_world *sim_world_new(uint64_t seed, const struct engine_options *options,
                                         size_t segment_bytes);
void sim_world_free(struct sim_world *w);
void sim_world_start(struct sim_world *w); /* recovers from the disk and starts */
/* One thing happens, not later than until_ms; false: nothing did, and it is that late now. */
bool sim_world_step(struct sim_world *w, int64_t until_ms);
void sim_world_run(struct sim_world *w, int64_t until_ms);
int64_t sim_world_now_ms(const struct sim_world *w);

/* The process dies and is started again after down_ms. */
void sim_world_crash(struct sim_world *w, enum sim_crash kind, int64_t down_ms);
/* SIGTERM: finishes what is in flight, within grace_ms; started again after down_ms. */
void sim_world_stop(struct sim_world *w, int64_t grace_ms, int64_t down_ms);
void sim_world_reload(struct sim_world *w, const struct engine_options *options);
void sim_world_operate(struct sim_world *w, enum operator_verb verb, uint64_t msg,
                       const char *domain);
/* Page by page, all that the filter means. Gives how many were changed. */
uint64_t sim_world_order(struct sim_world *w, enum operator_verb verb, struct engine_filter f);

struct sim_mail *sim_world_mail(struct sim_world *w, const struct sim_wish *wish);
struct sim_mail *sim_world_again(struct sim_world *w, const struct sim_mail *m);

/* Clients are done and the queue is empty. */
bool sim_world_is_at_rest(struct sim_world *w);
/* Nothing may be left of it all: sessions, connections, jobs, messages, segments. */
void sim_world_check_rest(struct sim_world *w);

/* --- for the parts --- */
void sim_world_tell(struct sim_world *w, struct engine_event *ev);
