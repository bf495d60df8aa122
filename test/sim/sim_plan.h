/* sim_plan.h -- a whole world out of one number: configuration, domains, hosts, clients, and what
 * goes wrong when. */
#pragma once

#include "sim_world.h"

/* A configuration with room for what it points to; for plans and scenes to change. */
struct sim_options {
    struct engine_options o;
    struct engine_listener listener[2];
    struct ip_net proxy; /* in front of the first */
    struct engine_user user;
    struct engine_route route;
    struct engine_host route_host[2];
    struct slice route_recipient;
    struct engine_source source[2];
    struct slice source_name[2];
    struct engine_shape shape[2];
    struct policy_reply_rule reply[3];
    struct slice shaped; /* a pattern of hosts */
};
void sim_options_init(struct sim_options *o);
/* MX hosts are called from a pool: "one", of both families, and "two", which has no IPv6. */
void sim_options_add_sources(struct sim_options *o);

/* Runs the world of this seed to its end. False: `why` says what was broken. *hash: of the trace.
 */
bool sim_plan_run(uint64_t seed, bool is_verbose, uint64_t *hash, struct fault *why);

struct sim_totals {
    uint64_t worlds, mails, accepted, taken, reports, crashes, io_failures, steps;
    uint64_t segments_indexed, segments_walked;
    uint64_t notes[NOTE_COUNT];
};
extern struct sim_totals sim_totals; /* of all worlds so far, for people */
