/* driver_event.c -- what the shell reports, as events. */
#include "driver_core.h"

#include "policy/policy_accept.h"
#include "queue/queue_record.h"

static void tell_one(struct driver *d, struct engine_event *event)
{
    const struct engine_action *a;
    event->now_ms = driver_now_ms(d);
    engine_handle(d->engine, event);
    while ((a = engine_next_action(d->engine)))
        driver_carry_out(d, a);
}

static void tell_late(struct driver *d)
{
    while (d->late_from < d->late_count) {
        struct late_event late = d->late[d->late_from++];
        struct engine_event event = {
            .kind = late.kind,
            .conn = late.conn,
            .ticket = late.ticket,
            .err = late.err,
            .login = late.login,
            .text = late.has_challenge ? auth_challenge(d->auth, late.conn) : slice_cstr(late.text),
        };
        tell_one(d, &event);
    }
    d->late_from = d->late_count = 0;
}

void driver_tell(struct driver *d, struct engine_event *event)
{
    if (d->is_closed)
        return;
    CHECK(!d->is_telling);
    d->is_telling = true;
    if (event)
        tell_one(d, event);
    tell_late(d);
    d->is_telling = false;
}

/* --- net --- */

/* more: what else is to be known of a Unix client, " drop=NAME". is_tls: TLS is up. */
static void tell_accepted(struct driver *d, uint64_t conn, unsigned index,
                          const struct net_peer *peer, const char *more, bool is_tls)
{
    char text[sizeof(struct who) + sizeof(struct drop_name) + 8] = "";
    if (peer->is_unix)
        snprintf(text, sizeof text, "%s%s", who_build(&d->who, peer->uid).s, more);
    struct engine_event event = {
        .kind = EVENT_ACCEPTED,
        .conn = conn,
        .listener = index,
        .peer = peer->address,
        .local = peer->local,
        .is_unix = peer->is_unix,
        .is_tls = is_tls,
        .handshakes = handshakes_count(&d->handshakes),
        .handshakes_there = handshakes_count_at(&d->handshakes, &peer->address.ip),
        .text = slice_cstr(text),
    };
    driver_tell(d, &event);
}

/* A client of implicit TLS hears its 421 inside TLS only, and until then nothing but tls_timeout
 * ends it. NOTE_NO_LIMIT: there is room for its handshake. */
static enum note_limit judge_handshake(struct driver *d, const struct ip *ip)
{
    const struct engine_options *o = &d->config->engine;
    if (engine_session_count(d->engine) + handshakes_count(&d->handshakes) >=
        (uint64_t)o->connections_max + DRIVER_HANDSHAKE_REFUSALS_MAX)
        return NOTE_LIMIT_CONNECTIONS;
    if (!o->connections_per_address_max ||
        policy_is_trusted(ip, o->trusted_networks, o->trusted_network_count))
        return NOTE_NO_LIMIT;
    return (uint64_t)engine_sessions_at(d->engine, ip) + handshakes_count_at(&d->handshakes, ip) >=
                   (uint64_t)o->connections_per_address_max + DRIVER_HANDSHAKE_REFUSALS_AT_MAX
               ? NOTE_LIMIT_ADDRESS_CONNECTIONS
               : NOTE_NO_LIMIT;
}

static void begin_handshake(struct driver *d, uint64_t conn, unsigned listener,
                            const struct net_peer *peer, bool asks_certificate)
{
    enum note_limit limit = judge_handshake(d, &peer->address.ip);
    if (limit) {
        struct ip_text ip = ip_build(&peer->address.ip);
        struct note n;
        note_init(&n, NOTE_SESSION_REFUSED, 0);
        note_text(&n, "ip", slice_cstr(ip.s));
        note_limit(&n, limit);
        note_text(&n, "reason", SLICE("too many connections, some of them without a handshake"));
        driver_note(d, &n);
        net_close(d->net, conn, true);
        return;
    }
    handshakes_add(&d->handshakes, conn, listener, peer,
                   driver_now_ms(d) + d->config->engine.tls_ms);
    net_tls_server(d->net, conn, d->identity, asks_certificate);
}

static void on_accepted(void *ctx, uint64_t conn, unsigned listener, const struct net_peer *peer)
{
    struct driver *d = ctx;
    unsigned index;
    if (!listeners_find(&d->listeners, listener, &index)) {
        net_close(d->net, conn, true);
        return;
    }
    const struct engine_listener *l = &d->config->engine.listeners[index];
    /* A proxy's header comes before the handshake: the engine reads it and asks for TLS then. */
    if (l->tls != LISTENER_TLS_IMPLICIT || engine_listener_is_proxied(l, &peer->address.ip)) {
        tell_accepted(d, conn, index, peer, "", false);
        return;
    }
    if (!d->identity) {
        net_close(d->net, conn, true);
        return;
    }
    begin_handshake(d, conn, listener, peer, l->certificates != LISTENER_CERTIFICATES_NONE);
}

/* A message out of the drop directory comes as a client of the local listener. */
void driver_on_drop(void *ctx, int fd, uid_t owner, const char *name)
{
    struct driver *d = ctx;
    const struct engine_options *o = &d->config->engine;
    const struct net_peer peer = {.is_unix = true, .uid = owner};
    char more[sizeof(struct drop_name) + 8];
    unsigned index = 0;
    while (index < o->listener_count && !o->listeners[index].is_local)
        index++;
    if (index == o->listener_count || d->is_stopping) { /* switched off since */
        close(fd);
        return;
    }
    uint64_t conn = net_adopt(d->net, fd);
    snprintf(more, sizeof more, " drop=%s", name);
    if (conn)
        tell_accepted(d, conn, index, &peer, more, false);
}

static void on_connected(void *ctx, uint64_t conn, const struct net_peer *peer)
{
    struct engine_event event = {
        .kind = EVENT_CONNECTED,
        .conn = conn,
        .peer = peer->address,
        .local = peer->local,
        .is_unix = peer->is_unix,
    };
    driver_tell(ctx, &event);
}

static void on_bytes(void *ctx, uint64_t conn, struct slice in)
{
    struct engine_event event = {.kind = EVENT_BYTES, .conn = conn, .bytes = in};
    driver_tell(ctx, &event);
}

static void on_drained(void *ctx, uint64_t conn)
{
    struct driver *d = ctx;
    struct engine_event event = {.kind = EVENT_DRAINED, .conn = conn};
    if (map_take_id(&d->wants_drained, conn))
        driver_tell(d, &event);
}

static void on_tls_up(void *ctx, uint64_t conn, const struct tls_facts *facts)
{
    struct driver *d = ctx;
    struct handshake h;
    unsigned index;
    if (handshakes_take(&d->handshakes, conn, &h)) {
        if (!listeners_find(&d->listeners, h.listener, &index)) {
            net_close(d->net, conn, true);
            return;
        }
        tell_accepted(d, conn, index, &h.peer, "", true);
    }
    const struct engine_certificate certificate = {
        .sha256 = facts->certificate.sha256,
        .key_sha256 = facts->certificate.key_sha256,
        .names = slice_of(facts->certificate.names, facts->certificate.names_bytes),
    };
    const struct engine_tls tls = {
        .version = slice_cstr(facts->version),
        .cipher = slice_cstr(facts->cipher),
        .is_verified = facts->is_verified,
        .verdict = slice_cstr(facts->verdict),
        .certificate = facts->has_certificate ? &certificate : NULL,
        .end_point = slice_of(facts->end_point, facts->end_point_bytes),
        .unique = slice_of(facts->unique, facts->unique_bytes),
    };
    struct engine_event event = {.kind = EVENT_TLS_UP, .conn = conn, .tls = &tls};
    driver_tell(d, &event);
}

static void note_failed_handshake(struct driver *d, const struct handshake *h, const char *reason)
{
    struct ip_text ip = ip_build(&h->peer.address.ip);
    struct note n;
    note_init(&n, NOTE_TLS_FAILED, 0);
    note_text(&n, "ip", h->peer.is_unix ? SLICE("unix") : slice_cstr(ip.s));
    note_text(&n, "reason", slice_cstr(reason));
    driver_note(d, &n);
}

static void on_closed(void *ctx, uint64_t conn, enum err err, const char *reason)
{
    struct driver *d = ctx;
    struct handshake h;
    map_take_id(&d->wants_drained, conn);
    auth_forget(d->auth, conn);
    sums_forget(d->sums, conn);
    if (handshakes_take(&d->handshakes, conn, &h)) {
        note_failed_handshake(d, &h, reason);
        return;
    }
    struct engine_event event = {
        .kind = EVENT_CLOSED, .conn = conn, .err = err, .text = slice_cstr(reason)};
    driver_tell(d, &event);
}

struct net_callbacks driver_net_callbacks(struct driver *d)
{
    return (struct net_callbacks){
        .ctx = d,
        .accepted = on_accepted,
        .connected = on_connected,
        .bytes = on_bytes,
        .drained = on_drained,
        .tls_up = on_tls_up,
        .closed = on_closed,
    };
}

/* --- store --- */

static void on_appended(void *ctx, const struct journal_completion *done)
{
    struct engine_event event = {
        .kind = EVENT_APPENDED, .ticket = done->ticket, .err = done->err, .pos = done->pos};
    driver_tell(ctx, &event);
}

static void on_fetched(void *ctx, uint64_t ticket, enum err err,
                       const struct journal_record *record, const struct fault *why)
{
    const char *text = err && why ? why->text : "";
    if (driver_fetched(ctx, ticket, err, record, text))
        return;
    struct engine_event event = {.kind = EVENT_FETCHED,
                                 .ticket = ticket,
                                 .err = err,
                                 .record = record,
                                 .text = slice_cstr(text)};
    driver_tell(ctx, &event);
}

static void note_journal(struct driver *d, const char *text)
{
    struct note n;
    note_init(&n, NOTE_JOURNAL, 0);
    note_text(&n, "text", slice_cstr(text));
    driver_note(d, &n);
}

static void on_trouble(void *ctx, const struct fault *why)
{
    note_journal(ctx, why->text);
}

struct store_callbacks driver_store_callbacks(struct driver *d)
{
    return (struct store_callbacks){.ctx = d,
                                    .appended = on_appended,
                                    .fetched = on_fetched,
                                    .trouble = on_trouble,
                                    .head_bytes = queue_record_head_bytes};
}

void driver_on_replayed(void *ctx, const struct journal_record *r)
{
    struct driver *d = ctx;
    struct queue_accept accept;
    if (d->drop && r->type == QUEUE_RECORD_ACCEPT &&
        queue_accept_parse_head(r->payload, &accept) == PARSE_DONE)
        drop_on_accepted(d->drop, accept.envelope.client);
    struct engine_event event = {.kind = EVENT_RECORD, .record = r};
    driver_tell(ctx, &event);
}

void driver_on_replay_note(void *ctx, const char *text)
{
    note_journal(ctx, text);
}

/* --- the others --- */

void driver_on_answer(void *ctx, uint64_t ticket, const struct dns_answer *answer)
{
    struct engine_event event = {.kind = EVENT_ANSWER, .ticket = ticket, .answer = answer};
    driver_tell(ctx, &event);
}

void driver_on_login(void *ctx, uint64_t conn, enum engine_login login)
{
    struct engine_event event = {.kind = EVENT_LOGIN, .conn = conn, .login = login};
    driver_tell(ctx, &event);
}

void driver_on_sum(void *ctx, uint64_t conn, struct slice sum)
{
    struct engine_event event = {.kind = EVENT_SUM, .conn = conn, .bytes = sum};
    driver_tell(ctx, &event);
}
