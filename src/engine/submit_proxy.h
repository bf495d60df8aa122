/* submit_proxy.h -- what comes before the talk when a proxy made the connection: its header, and
 * behind that, where TLS is implicit, the client's handshake.
 *
 * Only connections from the listener's proxy_networks come here, and they must begin with the
 * header; of all others it is never read. From the header on the session is the client's whom it
 * names: trust, limits, the login guard, Received and the log know the client's address only. A
 * header that names nobody (LOCAL, UNKNOWN) makes a session of the proxy itself, which is a health
 * check or a client that the proxy hides: not trusted, whatever network the proxy is in, and not
 * counted against an address. */
#pragma once

#include "session.h"

enum {
    SUBMIT_PROXY_HEADER_MS = 10 * 1000, /* a proxy sends it at once; twice a lost segment */
};

/* True: the header is awaited. False: whoever connected is the client. */
bool submit_proxy_begin(struct engine *e, struct session *s, const struct engine_event *accepted);
/* in: all that has come. DONE: s->peer is the client, *rest is what it said. BAD: has been told. */
enum parse submit_proxy_read(struct engine *e, struct session *s, struct slice in,
                             struct slice *rest);
/* Listener with implicit TLS: its client's handshake begins, with `rest`. */
void submit_proxy_secure(struct engine *e, struct session *s, struct slice rest);
/* It ended before the talk began. */
void submit_proxy_on_overdue(struct engine *e, struct session *s);
void submit_proxy_on_closed(struct engine *e, struct session *s, struct slice reason);
