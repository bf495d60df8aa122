/* driver_action.c -- carries out what the engine wants. Nothing here tells the engine anything:
 * what fails or ends at once is put off with driver_later(). */
#include "driver_core.h"

#include <string.h>

void driver_later(struct driver *d, const struct late_event *late)
{
    if (d->late_count == d->late_cap) {
        d->late_cap = d->late_cap ? d->late_cap * 2 : 64;
        d->late = mem_resize(d->late, d->late_cap * sizeof *d->late);
    }
    d->late[d->late_count++] = *late;
}

static void send_bytes(struct driver *d, const struct engine_action *a)
{
    net_send(d->net, a->conn, a->bytes);
    if (!a->wants_drained)
        return;
    if (net_output_bytes(d->net, a->conn) == 0)
        driver_later(d, &(struct late_event){.kind = EVENT_DRAINED, .conn = a->conn});
    else
        map_put_id(&d->wants_drained, a->conn, d);
}

static void start_server_tls(struct driver *d, const struct engine_action *a)
{
    if (d->identity) {
        net_tls_server_begun(d->net, a->conn, d->identity, a->asks_certificate, a->bytes);
        return;
    }
    net_close(d->net, a->conn, true);
    driver_later(d, &(struct late_event){.kind = EVENT_CLOSED,
                                         .conn = a->conn,
                                         .err = ERR_TLS,
                                         .text = "there is no certificate"});
}

void driver_tls_client(struct driver *d, uint64_t conn, struct slice server_name, bool needs_verify,
                       struct slice certificate)
{
    const struct tls_client_config config = {
        .trust = d->trust,
        .verify = needs_verify ? TLS_VERIFY_NAME : TLS_VERIFY_NONE,
        .identity = identity_shown_find(&d->shown, certificate),
    };
    net_tls_client(d->net, conn, &config, server_name);
}

static void start_client_tls(struct driver *d, const struct engine_action *a)
{
    if (!d->is_trust_loading || d->trust) {
        driver_tls_client(d, a->conn, a->text, a->needs_verify, a->certificate);
        return;
    }
    struct trust_waiter *w = mem_new(sizeof *w);
    w->conn = a->conn;
    w->server_name = mem_dup(a->text.p, a->text.n);
    w->certificate = mem_dup(a->certificate.p, a->certificate.n);
    w->needs_verify = a->needs_verify;
    list_add_last(&d->trust_waiters, &w->link);
}

static void hold_append(struct driver *d, const struct engine_action *a)
{
    size_t n = 0;
    for (int i = 0; i < a->part_count; i++)
        n += a->part[i].n;
    if (n > DRIVER_HELD_BYTES_MAX - d->held_bytes) {
        driver_later(
            d, &(struct late_event){.kind = EVENT_APPENDED, .ticket = a->ticket, .err = ERR_BUSY});
        return;
    }
    struct held_append *h = mem_new(sizeof *h + n);
    h->ticket = a->ticket;
    h->id = a->id;
    h->type = a->type;
    h->needs_sync = a->needs_sync;
    h->is_admission = a->is_admission;
    for (int i = 0; i < a->part_count; i++) {
        if (a->part[i].n)
            memcpy(h->bytes + h->n, a->part[i].p, a->part[i].n);
        h->n += a->part[i].n;
    }
    d->held_bytes += n;
    list_add_last(&d->held, &h->link);
}

static void append(struct driver *d, const struct engine_action *a)
{
    enum err e = ERR_BUSY; /* behind what is held: the order stays */
    d->has_appended = true;
    if (list_is_empty(&d->held))
        e = store_append(d->store, a->ticket, a->type, a->id, a->part, a->part_count, a->needs_sync,
                         a->is_admission);
    if (e == ERR_BUSY)
        hold_append(d, a);
    else if (e)
        driver_later(d,
                     &(struct late_event){.kind = EVENT_APPENDED, .ticket = a->ticket, .err = e});
}

void driver_append_held(struct driver *d)
{
    while (!list_is_empty(&d->held)) {
        struct held_append *h = CONTAINER_OF(d->held.next, struct held_append, link);
        d->has_appended = true;
        struct slice part = slice_of(h->bytes, h->n);
        enum err e = store_append(d->store, h->ticket, h->type, h->id, &part, 1, h->needs_sync,
                                  h->is_admission);
        if (e == ERR_BUSY)
            return;
        if (e)
            driver_later(
                d, &(struct late_event){.kind = EVENT_APPENDED, .ticket = h->ticket, .err = e});
        list_remove(&h->link);
        d->held_bytes -= h->n;
        mem_free(h);
    }
}

static void login(struct driver *d, const struct engine_action *a)
{
    enum engine_login answer;
    if (a->login_step != SMTP_LOGIN_PASSWORD) {
        answer = auth_scram(d->auth, a->conn, a->user, a->text, a->binding,
                            a->login_step == SMTP_LOGIN_SCRAM_FIRST);
        driver_later(
            d, &(struct late_event){
                   .kind = EVENT_LOGIN, .conn = a->conn, .login = answer, .has_challenge = true});
        return;
    }
    if (auth_ask(d->auth, a->conn, a->user, a->password, &answer))
        driver_later(d,
                     &(struct late_event){.kind = EVENT_LOGIN, .conn = a->conn, .login = answer});
}

void driver_carry_out(struct driver *d, const struct engine_action *a)
{
    switch (a->kind) {
    case ACTION_SEND:
        send_bytes(d, a);
        break;
    case ACTION_READ:
        net_read(d->net, a->conn, a->is_on);
        break;
    case ACTION_TLS_SERVER:
        start_server_tls(d, a);
        break;
    case ACTION_TLS_CLIENT:
        start_client_tls(d, a);
        break;
    case ACTION_CLOSE:
        map_take_id(&d->wants_drained, a->conn);
        auth_forget(d->auth, a->conn);
        sums_forget(d->sums, a->conn);
        net_close(d->net, a->conn, a->at_once);
        break;
    case ACTION_CONNECT:
        net_connect(d->net, a->conn, &a->address, &a->source);
        break;
    case ACTION_LOGIN:
        login(d, a);
        break;
    case ACTION_SUM:
        sums_ask(d->sums, a->conn, &a->sum);
        break;
    case ACTION_APPEND:
        append(d, a);
        break;
    case ACTION_FETCH:
        store_fetch(d->store, a->ticket, a->id, a->pos);
        break;
    case ACTION_RELEASE:
        driver_release(d, a->segment);
        break;
    case ACTION_LOOKUP:
        resolver_ask(d->resolver, a->ticket, a->text, a->dns_type);
        break;
    case ACTION_NOTE:
        driver_note(d, a->note);
        break;
    case ACTION_OPERATED:
        driver_operated(d, a->ticket, a->is_on);
        break;
    case ACTION_HISTORY:
        driver_remember(d, a->bytes);
        break;
    case ACTION_TOKEN:
        token_fetch_start(d->token_fetch, a->text);
        break;
    }
}
