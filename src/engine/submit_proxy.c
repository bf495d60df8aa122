/* submit_proxy.c -- see the header. */
#include "submit_proxy.h"

#include "smtp/smtp_proxy.h"

bool submit_proxy_begin(struct engine *e, struct session *s, const struct engine_event *accepted)
{
    const struct engine_listener *l = &e->opt->listeners[accepted->listener];
    /* is_tls: its handshake began before a reload made its address a proxy's. */
    if (accepted->is_unix || accepted->is_tls || !engine_listener_is_proxied(l, &s->peer.ip))
        return false;
    s->stage = SESSION_HEADER;
    s->proxy = s->peer.ip;
    timer_set(e, &s->timer, e->now_ms + SUBMIT_PROXY_HEADER_MS);
    return true;
}

static void tell(struct engine *e, struct session *s, enum note_kind kind, struct slice reason)
{
    engine_tell(e, session_note(e, s, kind, 0), "reason", reason);
}

enum parse submit_proxy_read(struct engine *e, struct session *s, struct slice in,
                             struct slice *rest)
{
    struct smtp_proxy header;
    size_t used;
    enum parse p = smtp_proxy_parse(in, &header, &used);
    *rest = slice_from(in, used);
    if (p == PARSE_BAD)
        tell(e, s, NOTE_PROXY_REFUSED, SLICE("it does not begin with a valid PROXY header"));
    if (p != PARSE_DONE)
        return p;
    s->is_nameless = !header.has_peer;
    if (header.has_peer) {
        s->peer = header.peer;
        s->handshakes_there = 0; /* those were of the proxy's own address */
    }
    return p;
}

void submit_proxy_secure(struct engine *e, struct session *s, struct slice rest)
{
    s->stage = SESSION_HANDSHAKE;
    timer_set(e, &s->timer, e->now_ms + e->opt->tls_ms);
    rest = engine_keep(e, rest);
    struct engine_action *a = engine_do(e, ACTION_TLS_SERVER);
    a->conn = s->conn;
    a->asks_certificate = s->profile->certificates != LISTENER_CERTIFICATES_NONE;
    a->bytes = rest;
}

void submit_proxy_on_overdue(struct engine *e, struct session *s)
{
    if (s->stage == SESSION_HEADER)
        tell(e, s, NOTE_PROXY_REFUSED, SLICE("no PROXY header in time"));
    else
        tell(e, s, NOTE_TLS_FAILED, SLICE("no handshake in time"));
}

void submit_proxy_on_closed(struct engine *e, struct session *s, struct slice reason)
{
    if (s->stage == SESSION_HEADER && s->held.n)
        tell(e, s, NOTE_PROXY_REFUSED, SLICE("it was closed inside the PROXY header"));
    if (s->stage == SESSION_HANDSHAKE && !s->is_nameless)
        tell(e, s, NOTE_TLS_FAILED, reason);
    /* else a proxy looked whether the port is open, every other second */
}
