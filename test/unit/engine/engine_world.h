/* engine_world.h -- a driver without a world: carries out the engine's actions in memory.
 *
 * Actions are collected after every event. What comes of them is told by world_settle(): appends go
 * to a list of records (unless held), look-ups are answered from a zone written as text, outgoing
 * connections talk to a remote server that answers by rules. Tests can hold any of this back and
 * tell the events by hand. Checked on the way: nothing is wanted of a connection that is gone, no
 * "queued as" before its record is on disk, every ticket once. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/msgid.h"
#include "engine/engine_port.h"
#include "engine/engine_view.h"
#include "queue/queue_record.h"

enum {
    WORLD_CONNS_MAX = 3000,
    WORLD_RECORDS_MAX = 8000,
    WORLD_WAITS_MAX = 512,
    WORLD_MAILS_MAX = 512,
    WORLD_SEGMENTS_MAX = 4096,
    WORLD_RECORDS_A_SEGMENT = 1000,
};

struct world_conn {
    uint64_t id;
    bool is_out, is_connecting, is_connected, is_open, is_reading;
    bool wants_tls_server, wants_tls_client, needs_verify, has_tls, asks_certificate;
    char tls_begun[64]; /* what the client had said of its handshake */
    unsigned drained_owed;
    struct ip_port address;
    struct ip source;                      /* it was to come from here */
    struct buf sent;                       /* by the engine */
    size_t seen;                           /* of it by the remote, or by the test */
    bool is_in_data, is_in_chunk, is_deaf; /* deaf: says nothing more */
    size_t data_at, chunk_bytes;
    unsigned mails, recipients; /* commands on it; taken in the transaction */
    char from[300];
    struct buf to;
};

struct world_record {
    uint8_t type;
    uint64_t id, ticket;
    struct buf payload;
    bool needs_sync, is_admission;
    struct journal_pos pos; /* segment 0: not on disk */
};

struct world_wait { /* a fetch or a look-up */
    uint64_t ticket, id;
    struct journal_pos pos;
    char name[300];
    enum dns_type type;
};

struct world_mail { /* as a remote took it */
    char ip[64], from[300];
    char *to;   /* addresses, each followed by a blank */
    char *body; /* wire form, without the final dot */
    size_t body_bytes;
};

/* What a remote says when a line begins with `prefix`; ip NULL: any host. Prefixes of our own:
 * "CONNECT" (the greeting; reply "refuse": the connection fails; "no route"; "never": no answer),
 * "TLS" (reply "fail"), "DOT" (the final dot), "CHUNK" (a BDAT LAST with its bytes; "BDAT" is
 * answered before them, and they are read as commands), "BODY" (as soon as body bytes come). Reply
 * NULL: the line is cut; "": silence; a '!' at the end: cut after the reply. times: 0 for ever,
 * else so often. */
struct world_rule {
    const char *ip, *prefix, *reply;
    int times;
};

struct world {
    struct engine_options opt;
    struct engine_listener listener[2];
    struct engine *e;
    int64_t now_ms;
    const char *zone;
    struct world_rule *rules; /* ends with a prefix NULL */
    struct ip bad_source;     /* cannot be called from */
    bool offers_tls;
    const char *ehlo; /* what else remotes offer: "250-DSN\r\n"; NULL: nothing */
    unsigned mails_most,
        recipients_most; /* of a connection: then 421; of a transaction: then 452 */
    bool holds_appends, holds_fetches, holds_lookups, holds_remotes;
    enum err append_err, fetch_err; /* answered instead of ERR_OK */
    struct world_conn *conn[WORLD_CONNS_MAX];
    unsigned conn_count;
    uint64_t next_in;
    struct world_record record[WORLD_RECORDS_MAX]; /* on disk, in order */
    unsigned record_count;
    struct world_record append[WORLD_WAITS_MAX];
    unsigned append_count;
    struct world_wait fetch[WORLD_WAITS_MAX], lookup[WORLD_WAITS_MAX];
    unsigned fetch_count, lookup_count, lookups, fetches;
    uint64_t last_ticket, segment;
    uint32_t offset;
    bool is_unverified;     /* a shell that lets a bad certificate through */
    uint64_t segment_bytes; /* told at start; 0: no compaction */
    bool is_released[WORLD_SEGMENTS_MAX];
    struct world_mail mail[WORLD_MAILS_MAX];
    unsigned mail_count;
    unsigned notes[NOTE_COUNT], limits[NOTE_LIMIT_COUNT];
    struct buf log;
    struct buf history; /* the latest record */
    unsigned histories;
    int64_t told_ms;            /* EVENT_TOLD at the next start; 0: none */
    struct engine_action login; /* last one; user and password copied */
    struct smtp_sasl_sum sum;   /* its kind and rounds; the texts are gone */
    int sums;
    char login_user[300], login_password[300];
    char login_binding[80];
    unsigned logins;
    unsigned tokens_asked;
    char token_account[64]; /* the last one asked for */
    uint64_t operated;      /* the last order that is on disk, or, is_operated_lost, is not */
    bool is_operated_lost;
    struct engine_operated result; /* of the last order */
};

static const char world_zone[] = "a.example MX 10 mx1.a.example\n"
                                 "a.example MX 20 mx2.a.example\n"
                                 "mx1.a.example A 9.1.0.1\n"
                                 "mx2.a.example A 9.1.0.2\n"
                                 "b.example MX 10 mx.b.example\n"
                                 "mx.b.example A 9.2.0.1\n"
                                 "mx.b.example AAAA 2600::b\n"
                                 "implicit.example A 9.3.0.1\n"
                                 "sender.example MX 5 mx.sender.example\n"
                                 "mx.sender.example A 9.4.0.1\n"
                                 "null.example MX 0 .\n"
                                 "loop.example MX 10 relay.example\n"
                                 "loop.example MX 20 mx2.a.example\n"
                                 "backup.example MX 10 mx1.a.example\n"
                                 "backup.example MX 10 mx.b.example\n"
                                 "backup.example MX 20 relay.example\n"
                                 "backup.example MX 30 mx2.a.example\n"
                                 "private.example MX 10 mx.private.example\n"
                                 "mx.private.example A 10.0.0.1\n"
                                 "mx.private.example AAAA ::1\n"
                                 "noaddress.example MX 10 empty.example\n"
                                 "empty.example TXT -\n"
                                 "servfail.example MX SERVFAIL\n"
                                 "timeout.example MX TIMEOUT\n"
                                 "halffail.example MX 10 servfail-a.example\n"
                                 "servfail-a.example A SERVFAIL\n"
                                 "smart.example A 10.0.0.25\n";

/* --- actions --- */

static inline struct world_conn *world_conn(struct world *w, uint64_t id)
{
    for (unsigned i = 0; i < w->conn_count; i++)
        if (w->conn[i]->id == id)
            return w->conn[i];
    return NULL;
}

static inline struct world_conn *world_live_conn(struct world *w, uint64_t id)
{
    struct world_conn *c = world_conn(w, id);
    if (!c || !c->is_open)
        fail_msg("an action for connection %llu, which is gone", (unsigned long long)id);
    return c;
}

static inline struct world_conn *world_conn_new(struct world *w, uint64_t id)
{
    assert_null(world_conn(w, id));
    assert_true(w->conn_count < WORLD_CONNS_MAX);
    struct world_conn *c = mem_new(sizeof *c);
    c->id = id;
    c->is_open = c->is_reading = true;
    buf_init(&c->sent, 64 << 20);
    buf_init(&c->to, 1 << 20);
    w->conn[w->conn_count++] = c;
    return c;
}

/* Promise 1: nothing is called queued that is not on disk. */
static inline void world_check_queued(struct world *w, struct slice out)
{
    static const char words[] = "queued as ";
    char *text = mem_dup(out.p, out.n);
    for (char *p = text; (p = strstr(p, words)); p += 1) {
        uint64_t id;
        assert_true(msgid_parse(slice_of(p + sizeof words - 1, MSGID_CHARS), &id));
        bool is_there = false;
        for (unsigned i = 0; i < w->record_count; i++)
            is_there |= w->record[i].type == QUEUE_RECORD_ACCEPT && w->record[i].id == id;
        assert_true(is_there);
    }
    mem_free(text);
}

static inline void world_take(struct world *w, const struct engine_action *a)
{
    struct world_conn *c;
    switch (a->kind) {
    case ACTION_SEND:
        c = world_live_conn(w, a->conn);
        assert_true(a->bytes.n > 0);
        if (c->is_out)
            assert_true(c->is_connected);
        else
            world_check_queued(w, a->bytes);
        assert_true(buf_add(&c->sent, a->bytes));
        c->drained_owed += a->wants_drained;
        break;
    case ACTION_READ:
        world_live_conn(w, a->conn)->is_reading = a->is_on;
        break;
    case ACTION_TLS_SERVER:
        c = world_live_conn(w, a->conn);
        c->wants_tls_server = true;
        c->asks_certificate = a->asks_certificate;
        snprintf(c->tls_begun, sizeof c->tls_begun, "%.*s", SLICE_FMT(a->bytes));
        break;
    case ACTION_TLS_CLIENT:
        c = world_live_conn(w, a->conn);
        c->wants_tls_client = true;
        c->needs_verify = a->needs_verify;
        break;
    case ACTION_CLOSE:
        c = world_live_conn(w, a->conn);
        c->is_open = c->is_connecting = c->wants_tls_client = false;
        break;
    case ACTION_CONNECT:
        assert_true(a->conn % 2 == 0 && a->conn > 0);
        c = world_conn_new(w, a->conn);
        c->is_out = c->is_connecting = true;
        c->address = a->address;
        c->source = a->source;
        break;
    case ACTION_LOGIN:
        w->login = *a;
        w->logins++;
        snprintf(w->login_user, sizeof w->login_user, "%.*s", SLICE_FMT(a->user));
        snprintf(w->login_password, sizeof w->login_password, "%.*s", SLICE_FMT(a->password));
        snprintf(w->login_binding, sizeof w->login_binding, "%.*s", SLICE_FMT(a->binding));
        break;
    case ACTION_SUM:
        w->sum = a->sum;
        w->sums++;
        break;
    case ACTION_APPEND: {
        assert_true(w->append_count < WORLD_WAITS_MAX && a->ticket > w->last_ticket);
        w->last_ticket = a->ticket;
        struct world_record *r = &w->append[w->append_count++];
        *r = (struct world_record){.type = a->type,
                                   .id = a->id,
                                   .ticket = a->ticket,
                                   .needs_sync = a->needs_sync,
                                   .is_admission = a->is_admission};
        buf_init(&r->payload, JOURNAL_RECORD_BYTES_MAX);
        for (int i = 0; i < a->part_count; i++)
            assert_true(buf_add(&r->payload, a->part[i]));
        break;
    }
    case ACTION_FETCH:
        assert_true(w->fetch_count < WORLD_WAITS_MAX && a->ticket > w->last_ticket);
        w->last_ticket = a->ticket;
        w->fetch[w->fetch_count++] =
            (struct world_wait){.ticket = a->ticket, .id = a->id, .pos = a->pos};
        w->fetches++;
        break;
    case ACTION_RELEASE:
        assert_true(a->segment < WORLD_SEGMENTS_MAX && !w->is_released[a->segment]);
        assert_true(a->segment < w->segment);
        w->is_released[a->segment] = true;
        break;
    case ACTION_LOOKUP: {
        assert_true(w->lookup_count < WORLD_WAITS_MAX && a->ticket > w->last_ticket);
        w->last_ticket = a->ticket;
        struct world_wait *l = &w->lookup[w->lookup_count++];
        *l = (struct world_wait){.ticket = a->ticket, .type = a->dns_type};
        snprintf(l->name, sizeof l->name, "%.*s", SLICE_FMT(a->text));
        w->lookups++;
        break;
    }
    case ACTION_NOTE:
        w->notes[a->note->kind]++;
        w->limits[a->note->limit]++;
        note_build_text(a->note, w->now_ms, &w->log);
        buf_add_char(&w->log, '\n');
        break;
    case ACTION_OPERATED:
        w->operated = a->ticket;
        w->is_operated_lost = !a->is_on;
        break;
    case ACTION_HISTORY:
        w->histories++;
        buf_clear(&w->history);
        buf_add(&w->history, a->bytes);
        break;
    case ACTION_TOKEN:
        w->tokens_asked++;
        snprintf(w->token_account, sizeof w->token_account, "%.*s", SLICE_FMT(a->text));
        break;
    }
}

static inline void world_tell(struct world *w, struct engine_event ev)
{
    ev.now_ms = w->now_ms;
    engine_handle(w->e, &ev);
    for (const struct engine_action *a; (a = engine_next_action(w->e));)
        world_take(w, a);
}

/* --- disk --- */

/* The n-th append that waits ends so. */
static inline void world_appended(struct world *w, unsigned n, enum err err)
{
    assert_true(n < w->append_count);
    struct world_record r = w->append[n];
    w->append_count--;
    memmove(w->append + n, w->append + n + 1, (w->append_count - n) * sizeof r);
    struct engine_event ev = {.kind = EVENT_APPENDED, .ticket = r.ticket, .err = err};
    if (err) {
        buf_close(&r.payload);
    } else {
        if (w->record_count % WORLD_RECORDS_A_SEGMENT == 0) {
            w->segment++;
            w->offset = 64;
        }
        assert_true(w->record_count < WORLD_RECORDS_MAX);
        ev.pos = r.pos = (struct journal_pos){w->segment, w->offset, (uint32_t)r.payload.n};
        w->offset += 64;
        w->record[w->record_count++] = r;
    }
    world_tell(w, ev);
}

static inline void world_new_segment(struct world *w)
{
    w->segment++;
    w->offset = 64;
}

static inline void world_fetched(struct world *w, enum err err)
{
    struct world_wait f = w->fetch[0];
    w->fetch_count--;
    memmove(w->fetch, w->fetch + 1, w->fetch_count * sizeof f);
    struct engine_event ev = {
        .kind = EVENT_FETCHED, .ticket = f.ticket, .err = err, .text = SLICE("a bad sector")};
    struct journal_record found = {0};
    for (unsigned i = 0; !err && i < w->record_count; i++) {
        const struct world_record *r = &w->record[i];
        if (r->pos.segment == f.pos.segment && r->pos.offset == f.pos.offset) {
            assert_int_equal(r->id, f.id);
            assert_int_equal(r->pos.bytes, f.pos.bytes);
            found = (struct journal_record){
                .type = r->type, .id = r->id, .payload = buf_slice(&r->payload), .pos = r->pos};
        }
    }
    assert_true(err || (found.type && !w->is_released[found.pos.segment]));
    ev.record = err ? NULL : &found;
    world_tell(w, ev);
}

/* --- DNS --- */

static inline void world_answer_from(const char *zone, const struct world_wait *l,
                                     struct dns_answer *out)
{
    *out = (struct dns_answer){.result = DNS_NO_NAME, .ttl_s = 300};
    static const struct {
        enum dns_type type;
        const char *name;
    } types[] = {{DNS_A, "A"}, {DNS_AAAA, "AAAA"}, {DNS_MX, "MX"}, {DNS_TXT, "TXT"}};
    for (const char *line = zone; *line; line = strchr(line, '\n') + 1) {
        char name[300], type[16], value[300];
        unsigned preference = 0;
        assert_int_equal(sscanf(line, "%299s %15s %299[^\n]", name, type, value), 3);
        if (!slice_eq_nocase(slice_cstr(name), slice_cstr(l->name)))
            continue;
        if (out->result == DNS_NO_NAME)
            out->result = DNS_NO_DATA;
        for (size_t i = 0; i < COUNT_OF(types); i++) {
            if (strcmp(types[i].name, type) || types[i].type != l->type)
                continue;
            struct dns_record *r = &out->record[out->count];
            char target[300] = "";
            if (!strcmp(value, "SERVFAIL") || !strcmp(value, "TIMEOUT")) {
                out->result = value[0] == 'S' ? DNS_SERVFAIL : DNS_TIMEOUT;
                return;
            }
            if (l->type == DNS_MX) {
                assert_int_equal(sscanf(value, "%u %299s", &preference, target), 2);
                r->preference = (uint16_t)preference;
                snprintf(r->name, sizeof r->name, "%.250s", strcmp(target, ".") ? target : "");
            } else {
                assert_true(ip_parse(slice_cstr(value), &r->ip));
            }
            out->count++;
            out->result = DNS_OK;
        }
    }
}

static inline void world_answered(struct world *w)
{
    struct world_wait l = w->lookup[0];
    w->lookup_count--;
    memmove(w->lookup, w->lookup + 1, w->lookup_count * sizeof l);
    static struct dns_answer answer;
    world_answer_from(w->zone, &l, &answer);
    world_tell(w,
               (struct engine_event){.kind = EVENT_ANSWER, .ticket = l.ticket, .answer = &answer});
}

/* --- remote servers --- */

static inline const struct world_rule *world_rule(struct world *w, const struct world_conn *c,
                                                  const char *prefix)
{
    struct ip_text ip = ip_build(&c->address.ip);
    for (struct world_rule *r = w->rules; r && r->prefix; r++) {
        if ((r->ip && strcmp(r->ip, ip.s)) || r->times < 0 ||
            !slice_starts_nocase(slice_cstr(prefix), slice_cstr(r->prefix)))
            continue;
        if (r->times && --r->times == 0)
            r->times = -1;
        return r;
    }
    return NULL;
}

static inline bool world_has_rule(const struct world *w, const struct world_conn *c,
                                  const char *prefix)
{
    struct ip_text ip = ip_build(&c->address.ip);
    for (const struct world_rule *r = w->rules; r && r->prefix; r++)
        if ((!r->ip || !strcmp(r->ip, ip.s)) && r->times >= 0 && !strcmp(prefix, r->prefix))
            return true;
    return false;
}

static inline void world_bytes(struct world *w, uint64_t conn, const char *text)
{
    world_tell(w,
               (struct engine_event){.kind = EVENT_BYTES, .conn = conn, .bytes = slice_cstr(text)});
}

static inline void world_closed(struct world *w, struct world_conn *c, enum err err,
                                const char *text)
{
    c->is_open = c->is_connecting = c->wants_tls_client = c->wants_tls_server = false;
    world_tell(w, (struct engine_event){
                      .kind = EVENT_CLOSED, .conn = c->id, .err = err, .text = slice_cstr(text)});
}

/* What the remote says to this; false: nothing, or the line is cut. */
static inline bool world_remote_says(struct world *w, struct world_conn *c, const char *prefix,
                                     const char *normally)
{
    const struct world_rule *r = world_rule(w, c, prefix);
    const char *reply = r ? r->reply : normally;
    if (!reply) {
        world_closed(w, c, ERR_CLOSED, "connection closed by the remote");
        return false;
    }
    size_t n = strlen(reply);
    if (!n) {
        c->is_deaf = true;
        return false;
    }
    bool is_cut = reply[n - 1] == '!';
    char *text = mem_new(n + 3);
    memcpy(text, reply, n - is_cut);
    strcat(text, "\r\n");
    world_bytes(w, c->id, text);
    mem_free(text);
    if (is_cut && c->is_open)
        world_closed(w, c, ERR_CLOSED, "connection closed by the remote");
    return !is_cut;
}

static inline void world_remote_got(struct world *w, struct world_conn *c, size_t end)
{
    assert_true(w->mail_count < WORLD_MAILS_MAX);
    struct world_mail *m = &w->mail[w->mail_count++];
    struct ip_text ip = ip_build(&c->address.ip);
    snprintf(m->ip, sizeof m->ip, "%s", ip.s);
    snprintf(m->from, sizeof m->from, "%s", c->from);
    m->to = mem_dup(c->to.p, c->to.n);
    m->body_bytes = end - c->data_at;
    m->body = mem_dup(c->sent.p + c->data_at, m->body_bytes);
}

/* The whole message behind BDAT n LAST. */
static inline bool world_remote_chunk(struct world *w, struct world_conn *c)
{
    if (c->sent.n - c->seen < c->chunk_bytes)
        return false;
    c->data_at = c->seen;
    c->seen += c->chunk_bytes;
    c->is_in_chunk = false;
    const char *said = c->to.n ? "250 2.0.0 taken" : "554 5.5.1 no valid recipients";
    const struct world_rule *r = world_rule(w, c, "CHUNK");
    const char *reply = r ? r->reply : said;
    if (!reply || reply[0] == '2')
        world_remote_got(w, c, c->seen);
    if (reply) {
        char text[300];
        snprintf(text, sizeof text, "%s\r\n", reply);
        world_bytes(w, c->id, text);
    } else {
        world_closed(w, c, ERR_CLOSED, "connection closed by the remote");
    }
    return true;
}

/* What its own limits make it say; NULL: nothing. */
static inline const char *world_remote_limit(struct world *w, struct world_conn *c,
                                             const char *line)
{
    if (slice_starts_nocase(slice_cstr(line), SLICE("MAIL"))) {
        c->recipients = 0;
        if (w->mails_most && ++c->mails > w->mails_most)
            return "421 4.7.0 too many messages on this connection!";
    } else if (slice_starts_nocase(slice_cstr(line), SLICE("RCPT")) && w->recipients_most &&
               c->recipients >= w->recipients_most) {
        return "452 4.5.3 too many recipients";
    }
    return NULL;
}

static inline void world_remote_line(struct world *w, struct world_conn *c, const char *line)
{
    const char *over = world_remote_limit(w, c, line);
    if (over) {
        (void)world_remote_says(w, c, "LIMIT", over);
        return;
    }
    bool is_chunk = slice_starts_nocase(slice_cstr(line), SLICE("BDAT")) &&
                    sscanf(line, "BDAT %zu LAST", &c->chunk_bytes) == 1;
    if (is_chunk && !world_has_rule(w, c, "BDAT")) {
        c->is_in_chunk = true;
        return;
    }
    char path[300] = "", hello[300];
    (void)sscanf(line, "%*[^<]<%299[^>]", path);
    const char *said = "250 ok";
    size_t to = c->to.n;
    if (slice_starts_nocase(slice_cstr(line), SLICE("EHLO"))) {
        snprintf(hello, sizeof hello, "250-mx\r\n%s%s250 PIPELINING", w->ehlo ? w->ehlo : "",
                 w->offers_tls && !c->has_tls ? "250-STARTTLS\r\n" : "250-AUTH PLAIN\r\n");
        said = hello;
    } else if (slice_starts_nocase(slice_cstr(line), SLICE("MAIL"))) {
        snprintf(c->from, sizeof c->from, "%s", path);
        buf_clear(&c->to);
        to = 0;
    } else if (slice_starts_nocase(slice_cstr(line), SLICE("RCPT"))) {
        buf_addf(&c->to, "%s ", path);
    } else if (slice_starts_nocase(slice_cstr(line), SLICE("DATA"))) {
        said = c->to.n ? "354 go on" : "554 no valid recipients";
    } else if (slice_starts_nocase(slice_cstr(line), SLICE("STARTTLS"))) {
        said = "220 go ahead";
    } else if (slice_starts_nocase(slice_cstr(line), SLICE("AUTH"))) {
        said = "235 ok";
    } else if (slice_starts_nocase(slice_cstr(line), SLICE("QUIT"))) {
        said = "221 bye!";
    }
    const struct world_rule *r = NULL;
    for (const struct world_rule *k = w->rules; k && k->prefix; k++) {
        struct ip_text ip = ip_build(&c->address.ip);
        if (!r && k->times >= 0 && (!k->ip || !strcmp(k->ip, ip.s)) &&
            slice_starts_nocase(slice_cstr(line), slice_cstr(k->prefix)))
            r = k;
    }
    const char *reply = r ? r->reply : said;
    if (slice_starts_nocase(slice_cstr(line), SLICE("RCPT")) && (!reply || reply[0] != '2'))
        c->to.n = to;
    else if (slice_starts_nocase(slice_cstr(line), SLICE("RCPT")))
        c->recipients++;
    if (slice_starts_nocase(slice_cstr(line), SLICE("DATA")) && reply && reply[0] == '3') {
        c->is_in_data = true;
        c->data_at = c->seen;
    }
    (void)world_remote_says(w, c, line, said);
}

static inline bool world_remote_data(struct world *w, struct world_conn *c)
{
    if (world_rule(w, c, "BODY")) {
        c->seen = c->sent.n;
        c->is_in_data = false;
        (void)world_remote_says(w, c, "BODY", NULL);
        return true;
    }
    size_t from = c->data_at;
    const char *end = NULL;
    if (c->sent.n >= from + 3 && !memcmp(c->sent.p + from, ".\r\n", 3))
        end = c->sent.p + from - 2;
    else if (c->sent.n > from)
        end = memmem(c->sent.p + from, c->sent.n - from, "\r\n.\r\n", 5);
    if (!end)
        return false;
    size_t body_end = (size_t)(end - c->sent.p) + 2;
    c->seen = body_end + 3;
    c->is_in_data = false;
    const struct world_rule *r = NULL;
    struct ip_text ip = ip_build(&c->address.ip);
    for (const struct world_rule *k = w->rules; k && k->prefix && !r; k++)
        if (k->times >= 0 && (!k->ip || !strcmp(k->ip, ip.s)) && !strcmp(k->prefix, "DOT"))
            r = k;
    if (!r || (r->reply && r->reply[0] == '2'))
        world_remote_got(w, c, body_end);
    (void)world_remote_says(w, c, "DOT", "250 2.0.0 taken");
    return true;
}

/* One thing that this connection's other side does; false: nothing to do. */
static inline bool world_remote_step(struct world *w, struct world_conn *c)
{
    if (!c->is_open || !c->is_out || c->is_deaf)
        return false;
    if (c->is_connecting) {
        const struct world_rule *r = NULL;
        for (const struct world_rule *k = w->rules; k && k->prefix && !r; k++) {
            struct ip_text ip = ip_build(&c->address.ip);
            if (k->times >= 0 && (!k->ip || !strcmp(k->ip, ip.s)) && !strcmp(k->prefix, "CONNECT"))
                r = k;
        }
        if (r && r->reply && !strcmp(r->reply, "never"))
            return false;
        c->is_connecting = false;
        if (c->source.family != IP_NONE && ip_eq(&c->source, &w->bad_source)) {
            world_closed(w, c, ERR_SOURCE, "source address: cannot be assigned");
            return true;
        }
        if (r && r->reply && !strcmp(r->reply, "refuse")) {
            (void)world_rule(w, c, "CONNECT");
            world_closed(w, c, ERR_REFUSED, "connection refused");
            return true;
        }
        if (r && r->reply && !strcmp(r->reply, "no route")) {
            (void)world_rule(w, c, "CONNECT");
            world_closed(w, c, ERR_NO_ROUTE, "network is unreachable");
            return true;
        }
        c->is_connected = true;
        world_tell(
            w, (struct engine_event){.kind = EVENT_CONNECTED, .conn = c->id, .peer = c->address});
        if (c->is_open && !c->wants_tls_client)
            (void)world_remote_says(w, c, "CONNECT", "220 mx ESMTP");
        return true;
    }
    if (c->wants_tls_client) {
        c->wants_tls_client = false;
        const struct world_rule *broken = world_rule(w, c, "TLS");
        if (broken && !broken->reply[0])
            return true; /* silence */
        if (broken) {
            world_closed(w, c, ERR_TLS, "handshake failed");
            return true;
        }
        const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                       .cipher = SLICE_INIT("X"),
                                       .is_verified = !w->is_unverified};
        c->has_tls = true;
        world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
        return true;
    }
    if (c->drained_owed) {
        c->drained_owed--;
        world_tell(w, (struct engine_event){.kind = EVENT_DRAINED, .conn = c->id});
        return true;
    }
    if (c->is_in_data)
        return c->sent.n > c->seen && world_remote_data(w, c);
    if (c->is_in_chunk)
        return world_remote_chunk(w, c);
    const char *end =
        c->sent.n > c->seen ? memchr(c->sent.p + c->seen, '\n', c->sent.n - c->seen) : NULL;
    if (!end)
        return false;
    size_t n = (size_t)(end - (c->sent.p + c->seen)) + 1;
    char *line = mem_dup(c->sent.p + c->seen, n - 2);
    c->seen += n;
    world_remote_line(w, c, line);
    mem_free(line);
    return true;
}

static inline bool world_step(struct world *w)
{
    if (w->append_count && !w->holds_appends) {
        world_appended(w, 0, w->append_err);
        return true;
    }
    if (w->fetch_count && !w->holds_fetches) {
        world_fetched(w, w->fetch_err);
        return true;
    }
    if (w->lookup_count && !w->holds_lookups) {
        world_answered(w);
        return true;
    }
    for (unsigned i = 0; i < w->conn_count; i++) {
        struct world_conn *c = w->conn[i];
        if (!c->is_out && c->is_open && c->drained_owed) {
            c->drained_owed--;
            world_tell(w, (struct engine_event){.kind = EVENT_DRAINED, .conn = c->id});
            return true;
        }
        if (!w->holds_remotes && world_remote_step(w, c))
            return true;
    }
    return false;
}

/* Until nothing is left that could happen without time going on. */
static inline void world_settle(struct world *w)
{
    for (int i = 0; world_step(w); i++)
        assert_true(i < 200000);
}

/* Time goes on, deadline by deadline. */
static inline void world_pass(struct world *w, int64_t ms)
{
    int64_t until = w->now_ms + ms;
    world_settle(w);
    for (int ticks = 0;; ticks++) {
        int64_t due = engine_deadline_ms(w->e);
        if (due > until)
            break;
        if (due > w->now_ms) {
            w->now_ms = due;
            ticks = 0;
        }
        assert_true(ticks < 1000); /* a timer that fires for ever */
        world_tell(w, (struct engine_event){.kind = EVENT_TICK});
        world_settle(w);
    }
    w->now_ms = until;
}

/* --- life --- */

static inline void world_start(struct world *w)
{
    w->e = engine_new(&w->opt, 42);
    if (w->told_ms)
        world_tell(w, (struct engine_event){.kind = EVENT_TOLD, .told_ms = w->told_ms});
    for (unsigned i = 0; i < w->record_count; i++) {
        const struct world_record *r = &w->record[i];
        if (w->is_released[r->pos.segment])
            continue;
        struct journal_record jr = {
            .type = r->type, .id = r->id, .payload = buf_slice(&r->payload), .pos = r->pos};
        world_tell(w, (struct engine_event){.kind = EVENT_RECORD, .record = &jr});
    }
    w->segment++;
    w->offset = 64;
    world_tell(w, (struct engine_event){.kind = EVENT_STARTED, .segment_bytes = w->segment_bytes});
}

/* All lines are cut, what was not on disk is lost, and it comes up again. */
static inline void world_crash(struct world *w)
{
    engine_free(w->e);
    for (unsigned i = 0; i < w->conn_count; i++) {
        buf_close(&w->conn[i]->sent);
        buf_close(&w->conn[i]->to);
        mem_free(w->conn[i]);
    }
    for (unsigned i = 0; i < w->append_count; i++)
        buf_close(&w->append[i].payload);
    w->conn_count = w->append_count = w->fetch_count = w->lookup_count = 0;
    w->last_ticket = 0;
    world_start(w);
}

static inline struct world *world_new(void)
{
    struct world *w = mem_new(sizeof *w);
    engine_options_default(&w->opt);
    w->opt.hostname = SLICE("relay.example");
    w->opt.login_delay_ms = 0;
    w->listener[0] = (struct engine_listener){.address = SLICE("127.0.0.1:587"),
                                              .tls = LISTENER_TLS_STARTTLS,
                                              .auth = SMTP_AUTH_REQUIRED};
    w->listener[1] = (struct engine_listener){.address = SLICE("127.0.0.1:465"),
                                              .tls = LISTENER_TLS_IMPLICIT,
                                              .auth = SMTP_AUTH_REQUIRED};
    w->opt.listeners = w->listener;
    w->opt.listener_count = 2;
    w->now_ms = 1760000000000;
    w->zone = world_zone;
    w->next_in = 1;
    buf_init(&w->log, 64 << 20);
    buf_init(&w->history, 1 << 20);
    return w;
}

static inline struct world *world_up(void)
{
    struct world *w = world_new();
    world_start(w);
    return w;
}

static inline void world_down(struct world *w)
{
    engine_free(w->e);
    for (unsigned i = 0; i < w->conn_count; i++) {
        buf_close(&w->conn[i]->sent);
        buf_close(&w->conn[i]->to);
        mem_free(w->conn[i]);
    }
    for (unsigned i = 0; i < w->record_count; i++)
        buf_close(&w->record[i].payload);
    for (unsigned i = 0; i < w->append_count; i++)
        buf_close(&w->append[i].payload);
    for (unsigned i = 0; i < w->mail_count; i++) {
        mem_free(w->mail[i].to);
        mem_free(w->mail[i].body);
    }
    buf_close(&w->log);
    buf_close(&w->history);
    mem_free(w);
}

/* --- clients --- */

static inline struct world_conn *world_client_of(struct world *w, const char *ip, unsigned listener)
{
    struct engine_event ev = {.kind = EVENT_ACCEPTED, .listener = listener};
    struct world_conn *c = world_conn_new(w, ev.conn = w->next_in);
    w->next_in += 2;
    assert_true(ip_port_parse(slice_cstr(ip), 1000, &ev.peer));
    world_tell(w, ev);
    return c;
}

static inline struct world_conn *world_client(struct world *w)
{
    return world_client_of(w, "127.0.0.1", 0);
}

static inline void world_say(struct world *w, struct world_conn *c, const char *text)
{
    world_bytes(w, c->id, text);
}

/* What the engine has answered since the last time. */
static inline const char *world_heard(struct world_conn *c)
{
    const char *text = buf_cstr(&c->sent) + c->seen;
    c->seen = c->sent.n;
    return text;
}

static inline void world_expect(struct world_conn *c, const char *part)
{
    const char *heard = world_heard(c);
    if (!strstr(heard, part))
        fail_msg("\"%s\" is not in: %s", part, heard);
}

static inline void world_expect_not(struct world_conn *c, const char *part)
{
    const char *heard = world_heard(c);
    if (strstr(heard, part))
        fail_msg("\"%s\" is in: %s", part, heard);
}

/* EHLO, MAIL, RCPT of each blank-separated address, DATA. */
static inline void world_envelope(struct world *w, struct world_conn *c, const char *from,
                                  const char *to)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_addf(&text, "EHLO client\r\nMAIL FROM:<%s>\r\n", from);
    for (const char *p = to; *p;) {
        size_t n = strcspn(p, " ");
        buf_addf(&text, "RCPT TO:<%.*s>\r\n", (int)n, p);
        p += n + (p[n] == ' ');
    }
    buf_add_cstr(&text, "DATA\r\n");
    world_say(w, c, buf_cstr(&text));
    buf_close(&text);
    world_expect(c, "354 ");
}

/* A whole message on a connection of its own; gives its id once it is answered 250. */
static inline uint64_t world_submit(struct world *w, const char *from, const char *to)
{
    struct world_conn *c = world_client(w);
    world_envelope(w, c, from, to);
    world_say(w, c, "Subject: x\r\n\r\nhello\r\n.\r\n");
    assert_true(w->append_count > 0);
    assert_int_equal(w->append[w->append_count - 1].type, QUEUE_RECORD_ACCEPT);
    for (unsigned n = w->append_count; n--;) /* appends end in their order */
        world_appended(w, 0, ERR_OK);
    const char *heard = world_heard(c), *id = strstr(heard, "queued as ");
    uint64_t msg;
    assert_non_null(id);
    assert_true(msgid_parse(slice_of(id + 10, MSGID_CHARS), &msg));
    world_say(w, c, "QUIT\r\n");
    return msg;
}

static inline void world_operator(struct world *w, enum operator_verb verb, uint64_t msg,
                                  const char *domain)
{
    struct engine_operator op = {.verb = verb,
                                 .msg = msg,
                                 .domain = slice_cstr(domain),
                                 .who = SLICE("uid=0"),
                                 .result = &w->result};
    world_tell(w, (struct engine_event){.kind = EVENT_OPERATOR, .op = &op});
}

/* A page of those that the filter means; words: why. */
static inline void world_order(struct world *w, enum operator_verb verb,
                               const struct engine_filter *f, const char *words, uint64_t answer)
{
    struct engine_operator op = {.verb = verb,
                                 .filter = f,
                                 .words = slice_cstr(words),
                                 .who = SLICE("uid=0"),
                                 .answer = answer,
                                 .result = &w->result};
    world_tell(w, (struct engine_event){.kind = EVENT_OPERATOR, .op = &op});
}

static inline struct engine_stats world_stats(const struct world *w)
{
    struct engine_stats s;
    engine_stats(w->e, &s);
    return s;
}

static inline unsigned world_open_out(const struct world *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->conn_count; i++)
        n += w->conn[i]->is_out && w->conn[i]->is_open;
    return n;
}

static inline unsigned world_out(const struct world *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->conn_count; i++)
        n += w->conn[i]->is_out;
    return n;
}

static inline void world_log_has(struct world *w, const char *part)
{
    if (!strstr(buf_cstr(&w->log), part))
        fail_msg("\"%s\" is not in the log:\n%s", part, buf_cstr(&w->log));
}

/* The queue is empty, and nothing is left of anything. */
static inline void world_all_done(struct world *w)
{
    struct engine_stats s = world_stats(w);
    assert_int_equal(s.messages, 0);
    assert_int_equal(s.recipients, 0);
    assert_int_equal(s.bytes, 0);
    assert_int_equal(s.ready, 0);
    assert_int_equal(s.in_flight, 0);
    assert_int_equal(s.deferred, 0);
    assert_int_equal(s.hot_bytes, 0);
    assert_int_equal(w->append_count, 0);
}
