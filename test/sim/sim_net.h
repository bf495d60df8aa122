/* sim_net.h -- the false network: connections between the engine and its peers (submitting clients,
 * receiving hosts), with latency, bytes cut into pieces anywhere, and lines that die with bytes in
 * flight.
 *
 * A connection has two pipes. Bytes in a pipe arrive in order or, once it is dead, never. The
 * engine's end follows engine_port.h: nothing after ACTION_CLOSE, CLOSED last, DRAINED when asked
 * for, no bytes while it does not read. */
#pragma once

#include "base/buf.h"
#include "engine/engine_port.h"

struct sim_world;
struct sim_conn;
struct sim_taking;

/* The other end: a client or a receiving host. */
struct sim_peer {
    void (*opened)(struct sim_world *w, struct sim_conn *c);
    void (*bytes)(struct sim_world *w, struct sim_conn *c, struct slice in);
    void (*tls_up)(struct sim_world *w, struct sim_conn *c);
    void (*closed)(struct sim_world *w, struct sim_conn *c); /* the last */
};

struct sim_pipe {
    struct buf flying;
    size_t arrived;  /* of `flying` */
    int64_t last_us; /* when the latest piece arrives */
    bool is_dead;
};

enum sim_grain { SIM_GRAIN_WHOLE, SIM_GRAIN_PACKETS, SIM_GRAIN_SMALL, SIM_GRAIN_BYTES };

struct sim_conn {
    uint64_t id;
    bool is_outgoing;
    bool has_engine, has_peer; /* that end has it open */
    bool is_connecting;        /* the engine waits for CONNECTED */
    bool is_reading, wants_drained, is_pouring;
    bool has_end; /* the end has come while the engine did not read */
    enum err end_err;
    struct sim_pipe to_engine, to_peer;
    struct buf unread;
    enum sim_grain grain;
    int64_t latency_us;
    uint64_t said_bytes, told_bytes; /* towards the engine: put in by the peer, given to it */
    struct ip_port address;          /* the far end's */
    struct ip source;                /* outgoing: where it was to come from */
    int dies_after;                  /* pieces until the line dies; 0: it does not */
    const struct sim_peer *ops;
    void *peer; /* the client or the host's session */
    void *host; /* outgoing: where it goes to, also before the session begins */
    unsigned listener;
    /* Outgoing: a message the host took, until the engine has read `mark` bytes, the end of its
     * final reply, or never will. */
    struct sim_taking *taking;
    bool has_mark;
    uint64_t mark;
};

struct sim_net {
    struct map *conns; /* by id; owned */
    struct sim_conn **all;
    size_t count, cap;
    uint64_t last_incoming;
    unsigned death_percent; /* of new connections */
    unsigned outgoing;      /* open, as the engine sees it */
};

void sim_net_init(struct sim_world *w);
void sim_net_close_all(struct sim_world *w);

/* Peers' side. */
struct sim_conn *sim_net_dial(struct sim_world *w, const struct sim_peer *ops, void *peer,
                              struct ip_port from, unsigned listener);
void sim_net_say(struct sim_world *w, struct sim_conn *c, struct slice bytes); /* to the engine */
/* After what was said, or at once with what is in flight. */
void sim_net_hang_up(struct sim_world *w, struct sim_conn *c, bool at_once);
/* The line dies: each end notices after a while, bytes in flight may be lost. */
void sim_net_kill(struct sim_world *w, struct sim_conn *c);
/* The peer answers a connect: up, refused (text) or, with neither called, never. */
void sim_net_let_in(struct sim_world *w, struct sim_conn *c, const struct sim_peer *ops,
                    void *peer);
void sim_net_refuse(struct sim_world *w, struct sim_conn *c, enum err err);

/* The engine's side. */
void sim_net_connect(struct sim_world *w, uint64_t id, struct ip_port to, struct ip source);
void sim_net_send(struct sim_world *w, uint64_t id, struct slice bytes, bool wants_drained);
void sim_net_read(struct sim_world *w, uint64_t id, bool is_on);
void sim_net_close(struct sim_world *w, uint64_t id, bool at_once);
void sim_net_tls_server(struct sim_world *w, uint64_t id);
void sim_net_tls_client(struct sim_world *w, uint64_t id, bool needs_verify);
/* The process is gone: its ends are closed, its peers notice. */
void sim_net_engine_gone(struct sim_world *w);
struct sim_conn *sim_net_find(struct sim_world *w, uint64_t id);
