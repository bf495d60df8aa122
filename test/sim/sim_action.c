/* sim_action.c -- see the header. */
#include "sim_action.h"
#include "sim_login.h"

#include "sim_world.h"

struct fetch {
    uint64_t ticket, id, life;
    struct journal_pos pos;
};

static void fetched(struct sim_world *w, void *thing, uint64_t unused)
{
    const struct fetch *f = thing;
    if (f->life != w->life)
        return;
    struct journal_record record = {0};
    struct fault why = {0};
    struct sim_file *file = sim_disk_find(&w->disk, false, f->pos.segment);
    const struct journal_header *h = journal_segment(w->journal, f->pos.segment);
    enum err e;
    if (!file || !h || f->pos.offset + journal_record_span(f->pos.bytes) > w->disk.file_bytes)
        e = fault_set(&why, ERR_MISSING, 0, "its segment is gone");
    else if (w->disk.read_fail_percent && rng_chance(&w->rng, w->disk.read_fail_percent))
        e = fault_set(&why, ERR_SYSTEM, 0, "input/output error");
    else
        e = journal_record_verify(
            slice_of(file->now + f->pos.offset, journal_record_span(f->pos.bytes)), h, f->pos,
            f->id, &record, &why);
    struct engine_event ev = {.kind = EVENT_FETCHED,
                              .ticket = f->ticket,
                              .err = e,
                              .record = e ? NULL : &record,
                              .text = slice_cstr(why.text)};
    sim_world_tell(w, &ev);
}

static void fetch(struct sim_world *w, const struct engine_action *a)
{
    struct fetch *f = arena_new(&w->arena, sizeof *f);
    *f = (struct fetch){a->ticket, a->id, w->life, a->pos};
    sim_agenda_add(&w->agenda, w->now_us + rng_between(&w->rng, 20, 5000), fetched, f, 0);
}

struct answer {
    uint64_t ticket, life;
    enum err err;
    enum engine_event_kind kind;
    enum engine_login login;
    struct sim_conn *conn;
    uint8_t sum[SMTP_SASL_SCRAM_BYTES];
    size_t sum_bytes;
};

static void answered(struct sim_world *w, void *thing, uint64_t unused)
{
    const struct answer *n = thing;
    if (n->life != w->life || (n->conn && !n->conn->has_engine))
        return;
    struct engine_event ev = {.kind = n->kind,
                              .ticket = n->ticket,
                              .conn = n->conn ? n->conn->id : 0,
                              .err = n->err,
                              .login = n->login,
                              .bytes = slice_of(n->sum, n->sum_bytes)};
    if (n->kind == EVENT_APPENDED)
        sim_ledger_on_appended(w, n->ticket, n->err, (struct journal_pos){0});
    sim_world_tell(w, &ev);
}

static void append(struct sim_world *w, const struct engine_action *a)
{
    sim_ledger_on_append(w, a);
    enum err e = journal_append(w->journal, a->ticket, a->type, a->id, a->part, a->part_count,
                                a->needs_sync, a->is_admission);
    if (!e)
        return;
    struct answer *n = arena_new(&w->arena, sizeof *n);
    *n = (struct answer){.ticket = a->ticket, .life = w->life, .err = e, .kind = EVENT_APPENDED};
    sim_agenda_add(&w->agenda, w->now_us, answered, n, 0);
}

static void login(struct sim_world *w, const struct engine_action *a)
{
    struct answer *n = arena_new(&w->arena, sizeof *n);
    bool is_right = slice_eq(a->user, SLICE("app")) && slice_eq(a->password, SLICE("secret"));
    *n = (struct answer){.life = w->life,
                         .kind = EVENT_LOGIN,
                         .login = is_right ? LOGIN_OK : LOGIN_WRONG,
                         .conn = sim_net_find(w, a->conn)};
    if (w->login_trouble_percent && rng_chance(&w->rng, w->login_trouble_percent))
        n->login = LOGIN_TROUBLE;
    if (n->conn)
        sim_agenda_add(&w->agenda, w->now_us + rng_between(&w->rng, 0, 80000), answered, n, 0);
}

static void sum(struct sim_world *w, const struct engine_action *a)
{
    struct answer *n = arena_new(&w->arena, sizeof *n);
    *n = (struct answer){.life = w->life, .kind = EVENT_SUM, .conn = sim_net_find(w, a->conn)};
    n->sum_bytes = sim_login_sum(&a->sum, (uint64_t)rng_between(&w->rng, 0, INT32_MAX), n->sum);
    if (n->conn)
        sim_agenda_add(&w->agenda, w->now_us + rng_between(&w->rng, 0, 500000), answered, n, 0);
}

static void note(struct sim_world *w, const struct note *n)
{
    buf_clear(&w->line);
    note_build_text(n, sim_world_now_ms(w), &w->line);
    sim_trace(w, "note", n->msg, 0, slice_from(buf_slice(&w->line), 25));
    sim_ledger_on_note(w, n);
}

static void send_bytes(struct sim_world *w, const struct engine_action *a)
{
    sim_trace(w, "engine sends", a->conn, a->wants_drained, a->bytes);
    if (a->conn % 2)
        sim_ledger_on_said(w, a->bytes);
    sim_net_send(w, a->conn, a->bytes, a->wants_drained);
}

static void release(struct sim_world *w, uint64_t segment)
{
    if (w->released_count == w->released_cap) {
        w->released_cap = w->released_cap ? w->released_cap * 2 : 16;
        w->released = mem_resize(w->released, w->released_cap * sizeof *w->released);
    }
    w->released[w->released_count++] = segment;
    journal_release(w->journal, segment);
}

void sim_action_carry_out(struct sim_world *w, const struct engine_action *a)
{
    switch (a->kind) {
    case ACTION_SEND:
        send_bytes(w, a);
        break;
    case ACTION_READ:
        sim_trace(w, "reads", a->conn, a->is_on, SLICE_NONE);
        sim_net_read(w, a->conn, a->is_on);
        break;
    case ACTION_TLS_SERVER:
        sim_net_tls_server(w, a->conn);
        break;
    case ACTION_TLS_CLIENT:
        sim_net_tls_client(w, a->conn, a->needs_verify);
        break;
    case ACTION_CLOSE:
        sim_trace(w, "engine closes", a->conn, a->at_once, SLICE_NONE);
        sim_net_close(w, a->conn, a->at_once);
        break;
    case ACTION_CONNECT:
        sim_trace(w, "connects", a->conn, 0, slice_cstr(ip_port_build(&a->address).s));
        sim_net_connect(w, a->conn, a->address, a->source);
        break;
    case ACTION_LOGIN:
        login(w, a);
        break;
    case ACTION_SUM:
        sum(w, a);
        break;
    case ACTION_APPEND:
        sim_trace(w, "appends", a->ticket, a->type, a->part[0]);
        append(w, a);
        break;
    case ACTION_FETCH:
        sim_trace(w, "fetches", a->ticket, a->pos.offset, SLICE_NONE);
        fetch(w, a);
        break;
    case ACTION_RELEASE:
        sim_trace(w, "releases", a->segment, 0, SLICE_NONE);
        release(w, a->segment);
        break;
    case ACTION_LOOKUP:
        sim_trace(w, "looks up", a->ticket, a->dns_type, a->text);
        sim_dns_lookup(w, a->ticket, a->text, a->dns_type);
        break;
    case ACTION_NOTE:
        note(w, a->note);
        break;
    case ACTION_OPERATED:
        sim_trace(w, "operated", a->ticket, a->is_on, SLICE_NONE);
        sim_ledger_on_operated(w, a->ticket, a->is_on);
        break;
    case ACTION_HISTORY:
        sim_trace(w, "remembers", a->id, 0, a->bytes);
        sim_ledger_on_history(w, a->id, a->bytes);
        break;
    case ACTION_TOKEN:
        sim_token_ask(w, a->text);
        break;
    }
}
