/* session.h -- a client's session: its connection (submit.c) and its mail (submit_mail.c). */
#pragma once

#include "engine_core.h"
#include "intake.h"
#include "submit_limit.h"
#include "submit_login.h"
#include "submit_profile.h"

/* Before the talk only behind a proxy (submit_proxy.c). */
enum session_stage { SESSION_HEADER, SESSION_HANDSHAKE, SESSION_TALK };

struct session {
    uint64_t conn;
    enum session_stage stage;
    struct submit_profile *profile;
    struct smtp_server *smtp;
    struct timer timer;
    struct submit_limit limit;
    struct ip_port peer;                   /* the client, also behind a proxy */
    struct ip proxy;                       /* IP_NONE: there is none */
    bool is_nameless;                      /* the proxy names no client: peer is the proxy itself */
    unsigned handshakes, handshakes_there; /* when it was accepted; see engine_event */
    char *local; /* who is at the other end of a Unix socket, "uid=0 root"; else NULL */
    bool is_trusted;
    bool is_reading;    /* the driver reads for us */
    bool is_draining;   /* output was sent that the client has yet to read */
    size_t burst_bytes; /* sent since it was last asked whether the client reads */
    struct buf held;
    struct intake *intake;
    struct slice tls_version, tls_cipher; /* static */
    struct submit_login login;
};

/* A note with what is known of the client. id: of the message; 0: of none. */
struct note *session_note(struct engine *e, struct session *s, enum note_kind kind, uint64_t id);
/* An answer came or the client has read: goes on with what was held. The session may be gone. */
void session_resume(struct engine *e, struct session *s);

/* submit_mail.c: what one message asks for and is answered */
void submit_mail_on_mail(struct engine *e, struct session *s, const struct smtp_server_event *ev);
void submit_mail_on_rcpt(struct engine *e, struct session *s, const struct smtp_server_event *ev);
void submit_mail_on_data(struct engine *e, struct session *s);
void submit_mail_on_body_end(struct engine *e, struct session *s);
/* The message under way, if there is one, will not come any more. */
void submit_mail_drop(struct engine *e, struct session *s);
