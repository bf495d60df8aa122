/* sim_remote.c -- see the header.
 *
 * A talk takes one line at a time: judge it, find what the mood does at this stage, answer (perhaps
 * later), go on with what has arrived meanwhile. */
#include "sim_login.h"
#include "sim_narrow.h"
#include "sim_world.h"

#include "base/base64.h"

#include <stdio.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 8 * 1024 * 1024, COMMAND_BYTES_MAX = 1024, GREY_MS = 240 * 1000 };

enum after { GO_ON, THEN_CLOSE, THEN_DIE, THEN_TLS, THEN_BODY };

struct talk {
    struct sim_conn *conn;
    struct sim_host *host;
    struct buf in;
    size_t scanned; /* of a body: no end before here */
    struct buf answer;
    enum after after;
    bool is_busy;               /* an answer is being thought over */
    bool is_silent;             /* never says anything again */
    bool is_over;               /* nothing may come any more */
    bool is_in_body, is_taking; /* the answer under way is the final 250 */
    bool is_in_chunk;           /* BDAT n LAST was said */
    uint64_t chunk_bytes;
    unsigned mails, rcpts; /* MAILs on this connection, RCPTs behind the last one */
    bool is_stubborn;      /* has refused RSET */
    bool has_tls, waits_tls, has_hello, has_auth, has_sender;
    bool offers_pipelining, offers_8bit;
    struct sim_login login;
    char sender[SIM_ADDRESS_BYTES];
    char (*recipient)[SIM_ADDRESS_BYTES];
    unsigned recipient_count, recipient_cap;
};

struct grey {
    int64_t since_ms;
    char address[SIM_ADDRESS_BYTES];
};

void sim_remote_close(struct sim_world *w)
{
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&w->grey, &at));)
        mem_free(e->value);
    map_close(&w->grey);
    for (size_t i = 0; i < w->net.count; i++) {
        struct sim_conn *c = w->net.all[i];
        if (!c->is_outgoing || !c->has_peer)
            continue;
        struct talk *t = c->peer;
        buf_close(&t->in);
        buf_close(&t->answer);
        mem_free(t->recipient);
        mem_free(t);
    }
}

static enum sim_deed deed_at(struct sim_world *w, const struct sim_host *h, enum sim_point stage)
{
    for (int i = 0; i < SIM_FAULTS_MAX; i++) {
        const struct sim_fault *f = &h->mood->fault[i];
        if (f->percent && f->stage == stage && rng_chance(&w->rng, f->percent))
            return f->deed;
    }
    return SIM_DOES_NOTHING;
}

/* Answers */

static void go_on(struct sim_world *w, struct talk *t);

static void say(struct sim_world *w, void *thing, uint64_t unused)
{
    struct sim_conn *c = thing;
    struct talk *t = c->peer;
    if (!c->has_peer || !t)
        return;
    sim_trace(w, "host says", c->id, 0, buf_slice(&t->answer));
    sim_net_say(w, c, buf_slice(&t->answer));
    buf_clear(&t->answer);
    if (t->is_taking && t->after == GO_ON) {
        c->mark = c->said_bytes;
        c->has_mark = true;
    }
    t->is_taking = t->is_busy = false;
    switch (t->after) {
    case GO_ON:
        break;
    case THEN_BODY:
        t->is_in_body = true;
        t->scanned = 0;
        break;
    case THEN_TLS:
        t->waits_tls = true;
        return;
    case THEN_CLOSE:
        sim_net_hang_up(w, c, false);
        return;
    case THEN_DIE:
        t->is_over = t->is_silent = true;
        sim_net_kill(w, c);
        return;
    }
    go_on(w, t);
}

static void answer(struct sim_world *w, struct talk *t, enum after after, const char *text)
{
    int64_t slow = t->host->mood->slow_ms;
    t->after = after;
    t->is_busy = true;
    buf_add_cstr(&t->answer, text);
    if (slow && rng_chance(&w->rng, 70)) {
        int64_t later = rng_between(&w->rng, 0, slow * 1000);
        sim_agenda_add(&w->agenda, w->now_us + later, say, t->conn, 0);
    } else {
        say(w, t->conn, 0);
    }
}

static void answer_half(struct sim_world *w, struct talk *t, const char *text)
{
    char half[128];
    snprintf(half, sizeof half, "%.*s", (int)rng_between(&w->rng, 0, (int64_t)strlen(text) - 1),
             text);
    answer(w, t, THEN_DIE, half);
}

static void drop(struct sim_world *w, struct talk *t)
{
    answer(w, t, THEN_DIE, "");
}

/* False: the mood has answered in another way. `good` is the whole answer that was due. */
static bool is_well(struct sim_world *w, struct talk *t, enum sim_point stage, const char *good)
{
    switch (deed_at(w, t->host, stage)) {
    case SIM_DOES_NOTHING:
    case SIM_DOES_REFUSE:
    case SIM_DOES_LOSE:
        return true;
    case SIM_DOES_IGNORE:
        t->is_silent = true;
        return false;
    case SIM_DOES_TEMP:
        answer(w, t, stage == SIM_AT_GREETING ? THEN_CLOSE : GO_ON,
               stage == SIM_AT_RCPT ? "452 4.2.2 mailbox full\r\n" : "451 4.3.0 not today\r\n");
        return false;
    case SIM_DOES_PERM:
        answer(w, t, stage == SIM_AT_GREETING ? THEN_CLOSE : GO_ON,
               "554-5.7.1 we do not like this\r\n554 5.7.1 not at all\r\n");
        return false;
    case SIM_DOES_SHUT:
        answer(w, t, THEN_CLOSE, "421 4.3.2 closing down\r\n");
        return false;
    case SIM_DOES_DROP:
        drop(w, t);
        return false;
    case SIM_DOES_HALF:
        answer_half(w, t, good);
        return false;
    }
    return true;
}

/* Commands */

static void forget_mail(struct talk *t)
{
    t->has_sender = false;
    t->recipient_count = 0;
}

static const char *offered(const struct sim_host *h)
{
    return h->needs_token ? "XOAUTH2" : h->auth ? h->auth : "PLAIN LOGIN";
}

static void on_hello(struct sim_world *w, struct talk *t, bool is_ehlo, struct slice name)
{
    struct sim_host *h = t->host;
    snprintf(h->hello, sizeof h->hello, "%.*s", SLICE_FMT(slice_head(name, sizeof h->hello - 1)));
    forget_mail(t);
    if (is_ehlo && h->has_no_ehlo) {
        answer(w, t, GO_ON, "502 5.5.1 what is that\r\n");
        return;
    }
    if (!is_well(w, t, SIM_AT_EHLO, "250-host\r\n250 SIZE\r\n"))
        return;
    t->has_hello = true;
    char text[400];
    int n = snprintf(text, sizeof text, is_ehlo ? "250-%s hello\r\n" : "250 %s hello\r\n", h->name);
    t->offers_pipelining = is_ehlo && !h->has_no_pipelining;
    t->offers_8bit = is_ehlo && !h->has_no_8bitmime;
    if (is_ehlo) {
        if (t->offers_pipelining)
            n += snprintf(text + n, sizeof text - (size_t)n, "250-PIPELINING\r\n");
        if (h->tls != SIM_TLS_NONE && !t->has_tls)
            n += snprintf(text + n, sizeof text - (size_t)n, "250-STARTTLS\r\n");
        if (h->size_max)
            n += snprintf(text + n, sizeof text - (size_t)n, "250-SIZE %llu\r\n",
                          (unsigned long long)h->size_max);
        if (h->needs_auth && t->has_tls)
            n += snprintf(text + n, sizeof text - (size_t)n, "250-AUTH %s\r\n", offered(h));
        if (h->offers_chunking)
            n += snprintf(text + n, sizeof text - (size_t)n, "250-CHUNKING\r\n");
        if (h->tells_limits && h->mails_max)
            n += snprintf(text + n, sizeof text - (size_t)n, "250-LIMITS MAILMAX=%u RCPTMAX=%u\r\n",
                          h->mails_max, h->recipients_max);
        snprintf(text + n, sizeof text - (size_t)n,
                 t->offers_8bit ? "250 8BITMIME\r\n" : "250 HELP\r\n");
    }
    answer(w, t, GO_ON, text);
}

static void on_starttls(struct sim_world *w, struct talk *t)
{
    if (t->in.n)
        sim_fail(w, "the relay says more behind STARTTLS");
    if (t->host->tls == SIM_TLS_NONE || t->has_tls)
        sim_fail(w, "STARTTLS is used though it is not offered");
    if (t->host->tls == SIM_TLS_REFUSED)
        answer(w, t, GO_ON, "454 4.7.0 TLS not available\r\n");
    else
        answer(w, t, THEN_TLS, "220 2.0.0 go ahead\r\n");
}

static void on_token(struct sim_world *w, struct talk *t, struct slice line)
{
    struct buf b;
    buf_init(&b, 1024);
    struct slice begin = SLICE("AUTH XOAUTH2 ");
    t->has_auth = t->has_tls && slice_starts_nocase(line, begin) &&
                  base64_parse(slice_trim(slice_from(line, begin.n)), &b) &&
                  sim_token_is_good(w, buf_slice(&b));
    buf_close(&b);
    if (!t->has_tls)
        sim_fail(w, "the relay sends a token over a plain line");
    answer(w, t, GO_ON, t->has_auth ? "235 2.7.0 welcome\r\n" : "535 5.7.8 no\r\n");
}

static void on_auth(struct sim_world *w, struct talk *t, struct slice line)
{
    struct sim_host *h = t->host;
    if (h->needs_token) {
        on_token(w, t, line);
        return;
    }
    struct buf next;
    buf_init(&next, 2048);
    enum sim_login_end end =
        sim_login_on_line(&t->login, offered(h), h->password ? h->password : "secret", line, &next);
    if (!t->has_tls)
        sim_fail(w, "the relay sends a password over a plain line");
    if (end == SIM_LOGIN_IS_ODD)
        sim_fail(w, "the relay logs in as nobody would: %.*s", SLICE_FMT(line));
    h->logins += end == SIM_LOGIN_IS_GOOD;
    h->bad_logins += end == SIM_LOGIN_IS_BAD;
    if (end == SIM_LOGIN_GOES_ON) {
        answer(w, t, GO_ON, buf_cstr(&next));
    } else if (end == SIM_LOGIN_IS_GOOD && h->auth_454_percent &&
               rng_chance(&w->rng, h->auth_454_percent)) {
        answer(w, t, GO_ON, "454 4.7.0 the directory is away\r\n");
    } else {
        t->has_auth = end == SIM_LOGIN_IS_GOOD;
        answer(w, t, GO_ON, t->has_auth ? "235 2.7.0 welcome\r\n" : "535 5.7.8 no\r\n");
    }
    buf_close(&next);
}

/* The path between the angle brackets; parameters behind. */
static bool path_of(struct slice line, struct slice *path, struct slice *rest)
{
    size_t from = slice_find(line, '<'), to = slice_find(line, '>');
    if (from >= to || to == line.n || to - from - 1 >= SIM_ADDRESS_BYTES)
        return false;
    *path = slice_of(line.p + from + 1, to - from - 1);
    *rest = slice_trim(slice_from(line, to + 1));
    return true;
}

static bool check_parameters(struct sim_world *w, const struct talk *t, struct slice rest,
                             uint64_t *size)
{
    while (rest.n) {
        struct slice word = slice_head(rest, slice_find(rest, ' '));
        rest = slice_trim(slice_from(rest, word.n));
        if (slice_starts(word, SLICE("SIZE=")) && t->host->size_max) {
            if (!slice_to_u64(slice_from(word, 5), size))
                return false;
        } else if (!t->offers_8bit || !slice_eq(word, SLICE("BODY=8BITMIME"))) {
            sim_fail(w, "the relay uses %.*s, which is not offered", SLICE_FMT(word));
            return false;
        }
    }
    return true;
}

static void on_mail(struct sim_world *w, struct talk *t, struct slice line)
{
    struct slice path, rest;
    uint64_t size = 0;
    t->rcpts = 0;
    if (t->is_stubborn) {
        answer(w, t, GO_ON, "503 5.5.1 one after the other\r\n");
        return;
    }
    if (!t->has_hello || t->has_sender || !path_of(line, &path, &rest) ||
        !check_parameters(w, t, rest, &size)) {
        sim_fail(w, "bad or misplaced: %.*s", SLICE_FMT(line));
        return;
    }
    if (++t->mails > w->mails_max)
        sim_fail(w, "%u messages on a connection, %u are allowed", t->mails, w->mails_max);
    if (t->host->mails_max && t->mails > t->host->mails_max) {
        if (t->host->tells_limits)
            sim_fail(w, "the relay begins more transactions than the host's MAILMAX");
        t->is_over = true;
        answer(w, t, THEN_CLOSE, "421 4.7.0 enough on this connection\r\n");
        return;
    }
    if (t->host->needs_auth && !t->has_auth) {
        answer(w, t, GO_ON, "530 5.7.0 log in first\r\n");
        return;
    }
    if (t->host->size_max && size > t->host->size_max) {
        answer(w, t, GO_ON, "552 5.3.4 too large\r\n");
        return;
    }
    sim_host_on_mail(w, t->host);
    if (!is_well(w, t, SIM_AT_MAIL, "250 2.1.0 ok\r\n"))
        return;
    snprintf(t->sender, sizeof t->sender, "%.*s", SLICE_FMT(path));
    t->has_sender = true;
    t->recipient_count = 0;
    answer(w, t, GO_ON, "250 2.1.0 ok\r\n");
}

static bool is_grey(struct sim_world *w, struct slice path)
{
    struct grey *g = map_get(&w->grey, path);
    if (!g) {
        g = mem_new(sizeof *g);
        g->since_ms = sim_world_now_ms(w);
        snprintf(g->address, sizeof g->address, "%.*s", SLICE_FMT(path));
        map_put(&w->grey, slice_cstr(g->address), g);
    }
    return sim_world_now_ms(w) - g->since_ms < GREY_MS;
}

static void on_rcpt(struct sim_world *w, struct talk *t, struct slice line)
{
    struct slice path, rest;
    if (!path_of(line, &path, &rest) || rest.n || !path.n) {
        sim_fail(w, "bad: %.*s", SLICE_FMT(line));
        return;
    }
    if (++t->rcpts > w->recipients_max)
        sim_fail(w, "%u recipients in a transaction, %u are allowed", t->rcpts, w->recipients_max);
    if (!t->has_sender) { /* a pipelined group whose MAIL was refused */
        answer(w, t, GO_ON, "503 5.5.1 MAIL first\r\n");
        return;
    }
    if (!is_well(w, t, SIM_AT_RCPT, "250 2.1.5 ok\r\n"))
        return;
    if (t->host->recipients_max && t->recipient_count >= t->host->recipients_max) {
        if (t->host->tells_limits)
            sim_fail(w, "the relay names more recipients than the host's RCPTMAX");
        answer(w, t, GO_ON, "452 4.5.3 too many recipients\r\n");
        return;
    }
    if (t->host->refuses_v6 && t->conn->address.ip.family == IP_V6) {
        answer(w, t, GO_ON, "550 5.7.25 no PTR record for this address\r\n");
        return;
    }
    if (path.p[0] == 'x') {
        answer(w, t, GO_ON, "550 5.1.1 no such user here\r\n");
        return;
    }
    if (path.p[0] == 'g' && is_grey(w, path)) {
        answer(w, t, GO_ON, "450 4.7.1 greylisted, come back later\r\n");
        return;
    }
    if (t->recipient_count == t->recipient_cap) {
        t->recipient_cap = t->recipient_cap ? t->recipient_cap * 2 : 4;
        t->recipient = mem_resize(t->recipient, t->recipient_cap * sizeof *t->recipient);
    }
    snprintf(t->recipient[t->recipient_count++], SIM_ADDRESS_BYTES, "%.*s", SLICE_FMT(path));
    answer(w, t, GO_ON, "250 2.1.5 ok\r\n");
}

static void on_data(struct sim_world *w, struct talk *t)
{
    if (!t->has_sender || !t->recipient_count) {
        answer(w, t, GO_ON, "503 5.5.1 no valid recipients\r\n");
        return;
    }
    if (is_well(w, t, SIM_AT_DATA, "354 go\r\n"))
        answer(w, t, THEN_BODY, "354 go ahead\r\n");
}

/* The message comes behind it, whatever is thought of that. */
static void on_bdat(struct sim_world *w, struct talk *t, struct slice line)
{
    struct slice number = slice_head(slice_from(line, 5), slice_find(slice_from(line, 5), ' '));
    if (!t->host->offers_chunking) {
        sim_fail(w, "BDAT is used though it is not offered");
        return;
    }
    if (!slice_to_u64(number, &t->chunk_bytes) ||
        !slice_eq(slice_from(line, 5 + number.n), SLICE(" LAST"))) {
        sim_fail(w, "the host knows only whole messages: %.*s", SLICE_FMT(line));
        return;
    }
    if (t->host->knows_no_bdat) {
        t->is_over = true;
        answer(w, t, THEN_CLOSE, "502 5.5.1 what is that\r\n");
        return;
    }
    t->is_in_chunk = true;
    t->scanned = 0;
}

static void on_rset(struct sim_world *w, struct talk *t)
{
    t->is_stubborn = true; /* what was said behind it may follow */
    if (!is_well(w, t, SIM_AT_RSET, "250 2.0.0 ok\r\n"))
        return;
    t->is_stubborn = false;
    forget_mail(t);
    answer(w, t, GO_ON, "250 2.0.0 ok\r\n");
}

static void on_command(struct sim_world *w, struct talk *t, struct slice line)
{
    static const struct {
        const char *verb;
        int what;
    } verbs[] = {{"EHLO ", 0},    {"HELO ", 1}, {"STARTTLS", 2}, {"AUTH ", 3}, {"MAIL FROM:", 4},
                 {"RCPT TO:", 5}, {"DATA", 6},  {"RSET", 7},     {"QUIT", 8},  {"BDAT ", 9}};
    int what = t->login.step ? 3 : -1;
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (what != 3 && slice_starts(line, slice_cstr(verbs[i].verb)))
            what = verbs[i].what;
    switch (what) {
    case 0:
    case 1:
        on_hello(w, t, what == 0, slice_trim(slice_from(line, 5)));
        return;
    case 2:
        on_starttls(w, t);
        return;
    case 3:
        on_auth(w, t, line);
        return;
    case 4:
        on_mail(w, t, line);
        return;
    case 5:
        on_rcpt(w, t, line);
        return;
    case 6:
        on_data(w, t);
        return;
    case 7:
        on_rset(w, t);
        return;
    case 9:
        on_bdat(w, t, line);
        return;
    case 8:
        t->is_over = true;
        answer(w, t, THEN_CLOSE, "221 2.0.0 bye\r\n");
        return;
    default:
        sim_fail(w, "the relay says what is no command: %.*s", SLICE_FMT(line));
    }
}

/* The message */

/* What came to a host of seven bits, as it was submitted. */
static void widen(struct sim_world *w, struct buf *body)
{
    struct buf wide;
    buf_init(&wide, INPUT_BYTES_MAX);
    if (!slice_is_ascii(buf_slice(body)))
        sim_fail(w, "eight bits come to a host that takes seven");
    if (sim_narrow_undo(buf_slice(body), &wide)) {
        buf_clear(body);
        buf_add(body, buf_slice(&wide));
    }
    buf_close(&wide);
}

static void take_it(struct sim_world *w, struct talk *t, struct slice wire)
{
    struct sim_conn *c = t->conn;
    struct buf body;
    buf_init(&body, INPUT_BYTES_MAX);
    t->host->chunks += t->is_in_chunk;
    if (t->is_in_chunk)
        buf_add(&body, wire);
    else
        sim_mail_unstuff(wire, &body);
    t->is_in_chunk = false;
    if (!t->offers_8bit)
        widen(w, &body);
    t->host->taken++;
    t->host->taken_v6 += t->conn->address.ip.family == IP_V6;
    sim_trace(w, "host takes", c->id, body.n, slice_cstr(t->sender));
    c->taking = sim_ledger_take(w, slice_cstr(t->sender), t->recipient, t->recipient_count,
                                buf_slice(&body));
    c->has_mark = false;
    buf_close(&body);
    if (c->taking && !c->has_engine) {
        sim_ledger_unsure(w, c->taking);
        c->taking = NULL;
    }
}

static void on_message(struct sim_world *w, struct talk *t, struct slice wire)
{
    static const char good[] = "250 2.0.0 taken\r\n";
    enum sim_deed deed = deed_at(w, t->host, SIM_AT_FINAL);
    t->is_in_body = false;
    if (deed == SIM_DOES_DROP) {
        t->is_in_chunk = false;
        forget_mail(t);
        drop(w, t);
        return;
    }
    if (deed == SIM_DOES_TEMP || deed == SIM_DOES_PERM || deed == SIM_DOES_SHUT) {
        t->is_in_chunk = false;
        forget_mail(t);
        answer(w, t, deed == SIM_DOES_SHUT ? THEN_CLOSE : GO_ON,
               deed == SIM_DOES_TEMP   ? "451 4.3.0 try again\r\n"
               : deed == SIM_DOES_PERM ? "554 5.6.0 content refused\r\n"
                                       : "421 4.3.2 closing down\r\n");
        return;
    }
    take_it(w, t, wire);
    forget_mail(t);
    if (deed == SIM_DOES_LOSE) {
        drop(w, t);
    } else if (deed == SIM_DOES_HALF) {
        answer_half(w, t, good);
    } else if (deed == SIM_DOES_IGNORE) {
        t->is_silent = true;
    } else {
        t->is_taking = true;
        answer(w, t, GO_ON, good);
    }
}

/* False: the host has had enough as the body began to come. */
static bool hears_on(struct sim_world *w, struct talk *t)
{
    if (t->scanned > 0 || !t->in.n)
        return true;
    enum sim_deed deed = deed_at(w, t->host, SIM_AT_BODY);
    if (deed == SIM_DOES_DROP)
        drop(w, t);
    else if (deed == SIM_DOES_SHUT)
        answer(w, t, THEN_CLOSE, "421 4.3.2 closing down\r\n");
    return deed != SIM_DOES_DROP && deed != SIM_DOES_SHUT;
}

static bool find_chunk_end(struct sim_world *w, struct talk *t)
{
    if (!hears_on(w, t))
        return false;
    t->scanned = t->in.n;
    if (t->in.n < t->chunk_bytes)
        return false;
    char *copy = mem_dup(t->in.p, t->chunk_bytes);
    struct slice body = slice_of(copy, t->chunk_bytes);
    buf_drop(&t->in, t->chunk_bytes);
    if (t->has_sender && t->recipient_count) {
        on_message(w, t, body);
    } else {
        t->is_in_chunk = false;
        answer(w, t, GO_ON, "503 5.5.1 no valid recipients\r\n");
    }
    mem_free(copy);
    return true;
}

/* True: the end has come and was dealt with. */
static bool find_end(struct sim_world *w, struct talk *t)
{
    if (t->is_in_chunk)
        return find_chunk_end(w, t);
    struct slice in = buf_slice(&t->in);
    if (!hears_on(w, t))
        return false;
    size_t body = SIZE_MAX, used = 0;
    if (slice_starts(in, SLICE(".\r\n"))) {
        body = 0;
        used = 3;
    } else {
        size_t from = t->scanned > 4 ? t->scanned - 4 : 0;
        const char *end = memmem(in.p + from, in.n - from, "\r\n.\r\n", 5);
        if (end) {
            body = (size_t)(end - in.p) + 2;
            used = body + 3;
        }
    }
    t->scanned = in.n;
    if (body == SIZE_MAX)
        return false;
    char *copy = mem_dup(in.p, body);
    buf_drop(&t->in, used);
    on_message(w, t, slice_of(copy, body));
    mem_free(copy);
    return true;
}

static bool find_line(struct sim_world *w, struct talk *t)
{
    struct slice in = buf_slice(&t->in);
    size_t lf = slice_find(in, '\n');
    if (lf == in.n) {
        if (in.n > COMMAND_BYTES_MAX)
            sim_fail(w, "the relay says a command of more than %d bytes", COMMAND_BYTES_MAX);
        return false;
    }
    if (lf == 0 || in.p[lf - 1] != '\r' || lf > COMMAND_BYTES_MAX) {
        sim_fail(w, "the relay ends a command with a bare LF, or it is too long");
        return false;
    }
    char line[COMMAND_BYTES_MAX + 1];
    memcpy(line, in.p, lf - 1);
    line[lf - 1] = 0;
    buf_drop(&t->in, lf + 1);
    bool is_chunk = slice_starts(slice_of(line, lf - 1), SLICE("BDAT "));
    if (t->in.n && !t->offers_pipelining && !is_chunk) {
        sim_fail(w, "the relay pipelines though it is not offered: behind \"%s\"", line);
        return false;
    }
    sim_trace(w, "host hears", t->conn->id, 0, slice_of(line, lf - 1));
    on_command(w, t, slice_of(line, lf - 1));
    return true;
}

static void go_on(struct sim_world *w, struct talk *t)
{
    struct sim_conn *c = t->conn;
    while (c->has_peer && !t->is_busy && !t->is_silent && !t->is_over && !w->has_failed)
        if (!(t->is_in_body || t->is_in_chunk ? find_end(w, t) : find_line(w, t)))
            return;
}

/* From the network */

static void on_opened(struct sim_world *w, struct sim_conn *c)
{
    struct talk *t = c->peer;
    if (is_well(w, t, SIM_AT_GREETING, "220 hello\r\n")) {
        char text[128];
        snprintf(text, sizeof text, "220 %s ESMTP sim\r\n", t->host->name);
        answer(w, t, GO_ON, text);
    }
}

static void on_bytes(struct sim_world *w, struct sim_conn *c, struct slice in)
{
    struct talk *t = c->peer;
    if (t->is_silent && !t->is_busy)
        return; /* reads, and does nothing about it */
    if (t->is_over || t->waits_tls) {
        if (t->waits_tls)
            sim_fail(w, "plain bytes while the handshake goes on");
        return;
    }
    if (t->is_busy && !t->offers_pipelining && !t->is_in_body && t->after != THEN_CLOSE &&
        t->after != THEN_DIE) {
        sim_fail(w, "the relay does not wait for the answer of a host without PIPELINING");
        return;
    }
    CHECK(buf_add(&t->in, in));
    go_on(w, t);
}

static void on_tls_up(struct sim_world *w, struct sim_conn *c)
{
    struct talk *t = c->peer;
    t->waits_tls = false;
    t->has_tls = true;
    t->has_hello = t->has_auth = t->offers_pipelining = false;
    forget_mail(t);
}

static void on_closed(struct sim_world *w, struct sim_conn *c)
{
    struct talk *t = c->peer;
    if (t->host->tls == SIM_TLS_BROKEN && t->waits_tls)
        sim_trace(w, "handshake broke", c->id, 0, SLICE_NONE);
    buf_close(&t->in);
    buf_close(&t->answer);
    mem_free(t->recipient);
    mem_free(t);
}

static const struct sim_peer remote_peer = {on_opened, on_bytes, on_tls_up, on_closed};

void sim_remote_on_connect(struct sim_world *w, struct sim_conn *c)
{
    struct sim_host *h = c->host;
    enum sim_deed deed = h ? deed_at(w, h, SIM_AT_CONNECT) : SIM_DOES_IGNORE;
    enum sim_reach reach = h ? sim_host_reach(h, &c->address.ip) : SIM_REACH_HOLE;
    if (c->source.family != IP_NONE && ip_eq(&c->source, &w->bad_source)) {
        sim_net_refuse(w, c, ERR_SOURCE);
        return;
    }
    if (reach == SIM_REACH_NO_ROUTE) {
        sim_net_refuse(w, c, ERR_NO_ROUTE);
        return;
    }
    if (deed == SIM_DOES_REFUSE || reach == SIM_REACH_REFUSED) {
        sim_net_refuse(w, c, ERR_REFUSED);
        return;
    }
    if (deed == SIM_DOES_IGNORE || reach == SIM_REACH_HOLE)
        return;
    struct talk *t = mem_new(sizeof *t);
    t->conn = c;
    t->host = h;
    buf_init(&t->in, INPUT_BYTES_MAX);
    buf_init(&t->answer, 4096);
    sim_net_let_in(w, c, &remote_peer, t);
}

void sim_remote_on_told(struct sim_world *w, struct sim_conn *c)
{
    if (!c->taking || !c->has_mark || c->told_bytes < c->mark)
        return;
    sim_ledger_told(w, c->taking);
    c->taking = NULL;
}

void sim_remote_on_engine_gone(struct sim_world *w, struct sim_conn *c)
{
    if (c->taking)
        sim_ledger_unsure(w, c->taking);
    c->taking = NULL;
}
