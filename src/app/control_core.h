/* control_core.h -- the inside of the control socket: connections (control.c) and the answers that
 * come later (control_later.c). */
#pragma once

#include "control_later.h"
#include "net/net.h"

enum { CONTROL_PLACES = 2 * CONTROL_CONNECTIONS_MAX }; /* net lets a few more in by a Unix socket */

/* The one answer of a connection that is still to come. */
struct control_late {
    uint64_t id; /* 0: none */
    struct control_source source;
    bool is_owed;   /* a piece; else the last one is still leaving */
    bool has_begun; /* the head is sent */
    bool may_chunk, is_word, is_head, keeps_alive, wants_text;
    int status;
    const char *type;
    char next[16];
};

struct control_conn {
    uint64_t conn; /* 0: the place is free */
    bool is_tcp, is_sending, is_working;
    bool is_ending; /* closed when what was sent has left */
    uint32_t uid;
    int64_t until_ms;
    struct buf in;
    struct control_late late;
};

struct control {
    struct control_options o;
    struct net *net;
    struct control_conn at[CONTROL_PLACES];
    struct buf body, out;
    uint64_t last_later;
    unsigned later_count;
    uv_idle_t hungry; /* active while a source is to be asked for more */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* control.c */
void control_send(struct control *c, struct control_conn *k,
                  struct slice bytes);                                      /* and no more
                                                                               until drained */
void control_drop(struct control *c, struct control_conn *k, bool at_once); /* ends a connection */
void control_work(struct control *c, struct control_conn *k);
void control_give_time(struct control *c, struct control_conn *k, int64_t ms);

/* control_later.c */
void control_later_init(struct control *c);
void control_later_drained(struct control *c, struct control_conn *k);
/* Its time is over. False: the connection is to be cut. */
bool control_later_expired(struct control *c, struct control_conn *k);
void control_later_gone(struct control *c, struct control_conn *k); /* tells the source */
