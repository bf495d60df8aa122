/* sim_client.c -- see the header.
 *
 *   greeting -> EHLO -> (STARTTLS -> EHLO -> AUTH) -> [MAIL RCPT.. DATA body dot].. -> QUIT
 *                                                  or [MAIL RCPT.. BDAT.. BDAT LAST]
 *
 * What was said and not answered stands in a line of expectations; a reply meets the first one. */
#include "sim_world.h"

#include "base/base64.h"
#include "base/msgid.h"

#include <stdio.h>
#include <string.h>

enum {
    EXPECTS_MAX = 4096,
    CHUNKS_MAX = 40,
    TRIES_MAX = 8,
    INPUT_BYTES_MAX = 256 * 1024,
    PATIENCE_MS = 1200 * 1000
};

enum expect {
    E_GREETING,
    E_EHLO,
    E_TLS,
    E_AUTH,
    E_MAIL,
    E_RCPT,
    E_DATA,
    E_CHUNK, /* a BDAT that is not the last */
    E_FINAL,
    E_QUIT,
    E_RSET
};

struct sim_client {
    struct sim_manners manners;
    struct sim_mail **mail; /* owned list; a refused one is replaced by its like */
    unsigned count, at;
    struct sim_conn *conn;
    uint64_t session; /* a new number each */
    struct buf in;
    enum expect expect[EXPECTS_MAX]; /* a ring would do, too: reset when empty */
    unsigned expect_from, expect_to;
    bool has_tls, has_auth, is_silent;
    bool is_ahead;         /* the next message's envelope was said before this one's answer */
    bool is_chunk_refused; /* of the present message */
    unsigned accepted, next_recipient, done_here;
    enum sim_vanish vanish;
};

static void dial(struct sim_world *w, void *thing, uint64_t unused);

static void later(struct sim_world *w, struct sim_client *c)
{
    if (c->at == c->count)
        return;
    int64_t ms = rng_between(&w->rng, 1, c->manners.pause_ms + 1);
    sim_agenda_add(&w->agenda, w->now_us + ms * 1000, dial, c, 0);
}

static struct sim_mail *mail_of(struct sim_client *c)
{
    return c->mail[c->at];
}

/* Talking */

static void say(struct sim_world *w, struct sim_client *c, enum expect expect, const char *text)
{
    CHECK(c->expect_to < EXPECTS_MAX);
    c->expect[c->expect_to++] = expect;
    sim_trace(w, "client says", c->conn->id, 0, slice_cstr(text));
    sim_net_say(w, c->conn, slice_cstr(text));
}

static void hang_up(struct sim_world *w, struct sim_client *c, bool at_once)
{
    sim_net_hang_up(w, c->conn, at_once); /* calls on_closed */
}

static void say_mail(struct sim_world *w, struct sim_client *c, const struct sim_mail *m)
{
    char text[400];
    int n = snprintf(text, sizeof text, "MAIL FROM:<%s>", m->sender.text);
    if (c->manners.says_size)
        n += snprintf(text + n, sizeof text - (size_t)n, " SIZE=%zu", m->body.n);
    if (c->manners.says_8bit)
        n += snprintf(text + n, sizeof text - (size_t)n, " BODY=8BITMIME");
    snprintf(text + n, sizeof text - (size_t)n, "\r\n");
    say(w, c, E_MAIL, text);
}

static void say_rcpt(struct sim_world *w, struct sim_client *c, const struct sim_mail *m)
{
    char text[200];
    snprintf(text, sizeof text, "RCPT TO:<%s>\r\n", m->recipient[c->next_recipient].text);
    c->next_recipient++;
    say(w, c, E_RCPT, text);
}

static bool leaves(struct sim_world *w, struct sim_client *c, enum sim_vanish when)
{
    if (c->vanish != when)
        return false;
    c->at++; /* it was never said whole, or it will never be known: on with the next */
    hang_up(w, c, rng_chance(&w->rng, 50));
    return true;
}

static void say_body(struct sim_world *w, struct sim_client *c);

static void say_data(struct sim_world *w, struct sim_client *c)
{
    if (c->manners.is_chunking)
        say_body(w, c);
    else
        say(w, c, E_DATA, "DATA\r\n");
}

static void begin_mail(struct sim_world *w, struct sim_client *c, struct sim_mail *m)
{
    c->accepted = c->next_recipient = 0;
    c->is_chunk_refused = false;
    for (unsigned i = 0; i < m->recipient_count; i++)
        m->recipient[i].is_taken = false;
    c->vanish = SIM_STAYS;
    if (!c->is_ahead && rng_chance(&w->rng, c->manners.vanish_percent))
        c->vanish = (enum sim_vanish)rng_between(&w->rng, SIM_LEAVES_IN_ENVELOPE, SIM_FALLS_SILENT);
    say_mail(w, c, m);
    if (!c->manners.is_pipelining)
        return;
    while (c->next_recipient < m->recipient_count)
        say_rcpt(w, c, m);
    if (!leaves(w, c, SIM_LEAVES_IN_ENVELOPE))
        say_data(w, c);
}

static void next_mail(struct sim_world *w, struct sim_client *c)
{
    if (c->is_ahead)
        c->is_ahead = false; /* its answers come next */
    else if (c->at < c->count && c->done_here < c->manners.messages_a_session)
        begin_mail(w, c, mail_of(c));
    else if (c->manners.quits)
        say(w, c, E_QUIT, "QUIT\r\n");
    else
        hang_up(w, c, false);
}

static void expect_one(struct sim_client *c, enum expect expect)
{
    CHECK(c->expect_to < EXPECTS_MAX);
    c->expect[c->expect_to++] = expect;
}

/* In chunks of any size, cut wherever it happens; sometimes the last one is empty. */
static unsigned add_chunks(struct sim_world *w, const struct sim_mail *m, struct buf *wire)
{
    struct slice rest = buf_slice(&m->body);
    unsigned count = 0;
    for (bool is_last = false; !is_last; count++) {
        bool is_all = count + 1 >= CHUNKS_MAX || rng_chance(&w->rng, 30);
        size_t n = is_all ? rest.n : (size_t)rng_below(&w->rng, rest.n + 1);
        is_last = n == rest.n && (count + 1 >= CHUNKS_MAX || rng_chance(&w->rng, 70));
        buf_addf(wire, "BDAT %zu%s\r\n", n, is_last ? " LAST" : "");
        buf_add(wire, slice_head(rest, n));
        rest = slice_from(rest, n);
    }
    CHECK(!wire->is_full);
    return count;
}

static void say_body(struct sim_world *w, struct sim_client *c)
{
    struct sim_mail *m = mail_of(c);
    struct buf wire;
    unsigned chunks = 1;
    buf_init(&wire, 16 * 1024 * 1024);
    if (c->manners.is_chunking)
        chunks = add_chunks(w, m, &wire);
    else
        sim_mail_wire(m, &wire);
    sim_trace(w, "client says a body", c->conn->id, m->number, buf_slice(&wire));
    if (c->vanish == SIM_LEAVES_IN_BODY || c->vanish == SIM_FALLS_SILENT) {
        size_t n = (size_t)rng_below(&w->rng, wire.n - 2);
        sim_net_say(w, c->conn, slice_head(buf_slice(&wire), n));
        buf_close(&wire);
        if (c->vanish == SIM_FALLS_SILENT) {
            c->is_silent = true;
            c->at++;
            return;
        }
        (void)leaves(w, c, SIM_LEAVES_IN_BODY);
        return;
    }
    while (--chunks)
        expect_one(c, E_CHUNK);
    expect_one(c, E_FINAL);
    m->state = SIM_MAIL_SAID;
    sim_net_say(w, c->conn, buf_slice(&wire));
    buf_close(&wire);
    if (leaves(w, c, SIM_LEAVES_AFTER_DOT))
        return;
    if (c->manners.is_eager && c->manners.is_pipelining && !c->manners.is_chunking &&
        c->at + 1 < c->count && c->done_here + 1 < c->manners.messages_a_session) {
        c->is_ahead = true;
        begin_mail(w, c, c->mail[c->at + 1]);
    }
}

/* Refused for now: the same again, later, under another number. */
static void try_again_later(struct sim_world *w, struct sim_client *c)
{
    struct sim_mail *m = mail_of(c);
    if (++m->tries >= TRIES_MAX)
        c->at++;
    else if (m->state != SIM_MAIL_NEW)
        c->mail[c->at] = sim_world_again(w, m);
    hang_up(w, c, false);
}

static void on_final(struct sim_world *w, struct sim_client *c, int code, struct slice line)
{
    static const struct slice queued = SLICE_INIT("250 2.0.0 queued as ");
    struct sim_mail *m = mail_of(c);
    uint64_t id;
    if (code == 250) {
        if (!slice_starts(line, queued) ||
            !msgid_parse(slice_head(slice_from(line, queued.n), MSGID_CHARS), &id)) {
            sim_fail(w, "the 250 to a message does not say its id: %.*s", SLICE_FMT(line));
            return;
        }
        sim_ledger_on_accepted(w, m, id);
        c->at++;
        c->done_here++;
        next_mail(w, c);
        return;
    }
    m->state = SIM_MAIL_REFUSED;
    if (code / 100 == 4 || c->is_chunk_refused || (c->manners.is_chunking && !c->accepted)) {
        try_again_later(w, c);
        return;
    }
    c->at++;
    c->done_here++;
    next_mail(w, c);
}

static void on_data(struct sim_world *w, struct sim_client *c, int code)
{
    if (code == 354)
        say_body(w, c);
    else
        try_again_later(w, c);
}

static void on_rcpt(struct sim_world *w, struct sim_client *c, int code)
{
    struct sim_mail *m = mail_of(c);
    unsigned answered = 0;
    for (unsigned i = c->expect_from; i < c->expect_to; i++)
        answered += c->expect[i] == E_RCPT;
    unsigned index = c->next_recipient - answered - 1;
    m->recipient[index].is_taken = code == 250;
    c->accepted += code == 250;
    if (c->manners.is_pipelining)
        return;
    if (c->next_recipient < m->recipient_count)
        say_rcpt(w, c, m);
    else if (!c->accepted)
        try_again_later(w, c);
    else if (!leaves(w, c, SIM_LEAVES_IN_ENVELOPE))
        say_data(w, c);
}

static void say_login(struct sim_world *w, struct sim_client *c)
{
    static const char login[] = "\0app\0secret";
    struct buf b;
    buf_init(&b, 256);
    buf_add_cstr(&b, "AUTH PLAIN ");
    CHECK(base64_build(slice_of(login, sizeof login - 1), &b));
    buf_add_cstr(&b, "\r\n");
    say(w, c, E_AUTH, buf_cstr(&b));
    buf_close(&b);
}

static void on_reply(struct sim_world *w, struct sim_client *c, int code, struct slice line)
{
    if (c->expect_from == c->expect_to) {
        if (code != 421)
            sim_fail(w, "a reply to nothing: %.*s", SLICE_FMT(line));
        hang_up(w, c, false);
        return;
    }
    enum expect e = c->expect[c->expect_from++];
    if (c->expect_from == c->expect_to)
        c->expect_from = c->expect_to = 0;
    if (code == 421) {
        if (e == E_FINAL)
            mail_of(c)->state = SIM_MAIL_REFUSED;
        if (c->at < c->count && e >= E_MAIL && e <= E_FINAL) {
            try_again_later(w, c);
            return;
        }
        hang_up(w, c, false);
        return;
    }
    switch (e) {
    case E_GREETING:
        say(w, c, E_EHLO, "EHLO client.test\r\n");
        break;
    case E_EHLO:
        if (c->manners.wants_tls && !c->has_tls)
            say(w, c, E_TLS, "STARTTLS\r\n");
        else if (c->manners.wants_tls && !c->has_auth)
            say_login(w, c);
        else
            next_mail(w, c);
        break;
    case E_TLS:
        if (code != 220)
            hang_up(w, c, false);
        break;
    case E_AUTH:
        c->has_auth = code == 235;
        if (code == 235)
            next_mail(w, c);
        else
            hang_up(w, c, false);
        break;
    case E_MAIL:
        if (code == 250 && !c->manners.is_pipelining)
            say_rcpt(w, c, mail_of(c));
        else if (code != 250 && !c->manners.is_pipelining)
            try_again_later(w, c);
        break;
    case E_RCPT:
        on_rcpt(w, c, code);
        break;
    case E_DATA:
        on_data(w, c, code);
        break;
    case E_CHUNK:
        c->is_chunk_refused |= code != 250;
        break;
    case E_FINAL:
        on_final(w, c, code, line);
        break;
    case E_QUIT:
        hang_up(w, c, false);
        break;
    case E_RSET:
        break;
    }
}

/* From the network */

const struct ip_port sim_client_proxy = {{IP_V4, {81, 2, 69, 170}}, 50000};

static struct ip_port address_of(const struct sim_client *c)
{
    static const struct ip_port trusted = {{IP_V4, {127, 0, 0, 1}}, 40000},
                                foreign = {{IP_V4, {81, 2, 69, 160}}, 40000};
    return c->manners.wants_tls ? foreign : trusted;
}

static void on_opened(struct sim_world *w, struct sim_conn *conn)
{
    struct sim_client *c = conn->peer;
    c->has_tls = c->manners.is_implicit;
    if (!c->manners.is_proxied)
        return;
    struct ip_port client = address_of(c);
    struct ip_text ip = ip_build(&client.ip);
    char header[120];
    snprintf(header, sizeof header, "PROXY TCP4 %s 127.0.0.1 %u 587\r\n", ip.s, client.port);
    sim_net_say(w, conn, slice_cstr(header));
}

static void on_bytes(struct sim_world *w, struct sim_conn *conn, struct slice in)
{
    struct sim_client *c = conn->peer;
    if (c->is_silent)
        return;
    CHECK(buf_add(&c->in, in));
    while (conn->has_peer && !w->has_failed) {
        struct slice all = buf_slice(&c->in);
        size_t lf = slice_find(all, '\n');
        if (lf == all.n)
            return;
        char line[1024];
        int n = snprintf(line, sizeof line, "%.*s", SLICE_FMT(slice_head(all, lf)));
        buf_drop(&c->in, lf + 1);
        sim_trace(w, "client hears", conn->id, 0, slice_cstr(line));
        uint64_t code;
        if (n < 4 || !slice_to_u64(slice_of(line, 3), &code)) {
            sim_fail(w, "a client hears what is no reply: %s", line);
            return;
        }
        if (line[3] != '-')
            on_reply(w, c, (int)code, slice_cstr(line));
    }
}

static void on_tls_up(struct sim_world *w, struct sim_conn *conn)
{
    struct sim_client *c = conn->peer;
    c->has_tls = true;
    if (!c->manners.is_implicit)
        say(w, c, E_EHLO, "EHLO client.test\r\n");
}

static void on_closed(struct sim_world *w, struct sim_conn *conn)
{
    struct sim_client *c = conn->peer;
    c->conn = NULL;
    buf_clear(&c->in);
    /* Nobody knows whether what was said whole was taken: it is not said again. */
    if (!c->is_silent && c->at < c->count) {
        struct sim_mail *m = mail_of(c);
        if (m->state == SIM_MAIL_SAID || m->state == SIM_MAIL_REFUSED || ++m->tries >= TRIES_MAX)
            c->at++;
    }
    later(w, c);
}

static const struct sim_peer client_peer = {on_opened, on_bytes, on_tls_up, on_closed};

static void dial(struct sim_world *w, void *thing, uint64_t unused)
{
    struct sim_client *c = thing;
    if (c->conn || c->at == c->count)
        return;
    struct ip_port from = c->manners.is_proxied ? sim_client_proxy : address_of(c);
    c->session++;
    c->has_tls = c->has_auth = c->is_silent = c->is_ahead = false;
    c->done_here = 0;
    c->expect_from = 0;
    c->expect_to = 1;
    c->expect[0] = E_GREETING;
    c->conn = sim_net_dial(w, &client_peer, c, from, c->manners.is_implicit);
}

struct sim_client *sim_client_add(struct sim_world *w, const struct sim_manners *manners,
                                  struct sim_mail **mail, unsigned count, int64_t begin_ms)
{
    struct sim_client *c = mem_new(sizeof *c);
    c->manners = *manners;
    c->count = count;
    c->mail = mem_new((count + 1) * sizeof *c->mail);
    memcpy(c->mail, mail, count * sizeof *c->mail);
    buf_init(&c->in, INPUT_BYTES_MAX);
    CHECK(w->client_count < SIM_CLIENTS_MAX);
    w->client[w->client_count++] = c;
    sim_agenda_add(&w->agenda, begin_ms * 1000, dial, c, 0);
    return c;
}

bool sim_client_is_done(const struct sim_client *c)
{
    return c->at == c->count && !c->conn;
}

void sim_client_close(struct sim_world *w)
{
    for (unsigned i = 0; i < w->client_count; i++) {
        buf_close(&w->client[i]->in);
        mem_free(w->client[i]->mail);
        mem_free(w->client[i]);
    }
    w->client_count = 0;
}
