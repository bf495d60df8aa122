/* fuzz_smtp_client.c -- a server that says anything, at any time, to a session with up to three
 * transactions under way.
 *
 * Input: one byte of settings, one of recipients and of the body's way (DATA, one chunk, the same
 * in the envelope's group, binary chunks), then the server's bytes; bytes from 0xf0 on are acts of
 * the caller instead (see act()). Held to be true: each recipient has at most one event, and one
 * when DONE comes; delivered only with the whole body and its dot, or LAST, taken by the line;
 * doubt only behind it; nothing behind FAILED; and what leaves is whole commands, then exactly the
 * body, in chunks of the length they say, whole or cut with the line. */
#include "smtp/smtp_client.h"

#include <string.h>

enum { RECIPIENTS_MAX = 4, TRANSACTIONS_MAX = 3 };

static const char *const names[] = {"a@b.example", "\"q> x\"@c.example", "no\r\nRSET@d.example",
                                    "\xc3\xa4@e.example"};
#define WHOLE "..x\r\n..\r\ny"
#define WHOLE_SAID ".x\r\n.\r\ny\r\n"
static const char *const pieces[] = {"", "x\r\n", "..a\r", "\n", "y"};

struct world {
    struct smtp_client_options options;
    struct smtp_client *c;
    struct smtp_client_recipient recipient[RECIPIENTS_MAX];
    struct smtp_client_message message;
    unsigned events_of[RECIPIENTS_MAX];
    bool is_in_transaction, is_in_body, is_over, is_slow, is_by_hand;
    const struct smtp_sasl_sum *sum; /* asked for, not given yet */
    unsigned transactions;
    struct buf taken; /* by the line */
    struct body {
        size_t at;     /* in the stream of what is said */
        char want[64]; /* with line end and dot when it is ended */
        size_t n;
        bool is_ended, is_in_chunks;
    } body[TRANSACTIONS_MAX];
    unsigned bodies;
    bool has_whole; /* said by BDAT, if it is offered, without asking */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct body *last_body(struct world *w)
{
    return &w->body[w->bodies - 1];
}

static void add_want(struct body *b, struct slice s)
{
    CHECK(b->n + s.n <= sizeof b->want);
    memcpy(b->want + b->n, s.p, s.n);
    b->n += s.n;
}

static void say_body(struct world *w, const char *text)
{
    struct slice piece = slice_cstr(text);
    struct body *b = last_body(w);
    if (b->n + piece.n + 5 > sizeof b->want || !smtp_client_takes_body(w->c))
        return;
    add_want(b, piece);
    smtp_client_body(w->c, piece);
}

static void end_body(struct world *w)
{
    struct body *b = last_body(w);
    b->is_ended = true;
    w->is_in_body = false;
    smtp_client_body_end(w->c);
    if (b->is_in_chunks)
        return;
    bool has_line_end = b->n == 0 || (b->n >= 2 && memcmp(b->want + b->n - 2, "\r\n", 2) == 0);
    add_want(b, has_line_end ? SLICE(".\r\n") : SLICE("\r\n.\r\n"));
}

static void begin(struct world *w)
{
    if (w->transactions == TRANSACTIONS_MAX) {
        smtp_client_quit(w->c);
        return;
    }
    w->transactions++;
    w->is_in_transaction = true;
    memset(w->events_of, 0, sizeof w->events_of);
    smtp_client_begin(w->c, &w->message);
}

static bool ends_with(struct slice s, struct slice end)
{
    return s.n >= end.n && slice_eq(slice_from(s, s.n - end.n), end);
}

static void on_recipient(struct world *w, const struct smtp_client_event *e)
{
    CHECK(w->is_in_transaction && e->index < w->message.recipient_count);
    CHECK(++w->events_of[e->index] == 1);
    CHECK(e->reply && e->reply->code >= 200 && e->reply->code <= 599);
    CHECK(e->is_delivered == (e->reply->code < 300));
    CHECK(w->recipient[e->index].is_settled && w->recipient[e->index].is_answered);
    if (!e->is_delivered)
        return;
    struct slice taken = buf_slice(&w->taken);
    struct body *b = w->bodies ? last_body(w) : NULL;
    if (w->has_whole && ends_with(taken, SLICE("LAST\r\n" WHOLE_SAID)))
        return;
    CHECK(b && b->is_ended);
    CHECK(b->is_in_chunks ? ends_with(taken, SLICE("BDAT 0 LAST\r\n"))
                          : w->taken.n == b->at + b->n);
}

/* Always the same: so a server that is fed the right signature gets on. */
static void give_sum(struct world *w, bool is_right)
{
    static const size_t bytes[] = {[SMTP_SASL_SUM_NONCE] = SMTP_SASL_NONCE_BYTES,
                                   [SMTP_SASL_SUM_SCRAM] = SMTP_SASL_SCRAM_BYTES,
                                   [SMTP_SASL_SUM_HMAC_MD5] = SMTP_SASL_MD5_BYTES};
    static const char same[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const struct smtp_sasl_sum *sum = w->sum;
    w->sum = NULL;
    CHECK(sum->text.n <= 8192 && sum->rounds <= 1000000 && sum->salt.n <= 64);
    smtp_client_on_sum(w->c, is_right ? slice_of(same, bytes[sum->kind]) : SLICE_NONE);
}

static void on_event(struct world *w, const struct smtp_client_event *e)
{
    CHECK(!w->is_over);
    switch (e->kind) {
    case SMTP_CLIENT_NEEDS_INPUT:
        break;
    case SMTP_CLIENT_START_TLS:
        smtp_client_on_tls(w->c);
        break;
    case SMTP_CLIENT_SUM:
        CHECK(!w->is_in_transaction && e->sum);
        w->sum = e->sum;
        if (!w->is_by_hand)
            give_sum(w, true);
        break;
    case SMTP_CLIENT_READY:
        CHECK(!w->is_in_transaction && smtp_client_is_ready(w->c));
        if (!w->is_by_hand)
            begin(w);
        break;
    case SMTP_CLIENT_RECIPIENT:
        on_recipient(w, e);
        break;
    case SMTP_CLIENT_BODY:
        if (w->message.is_binary && w->is_in_body) /* a chunk was taken */
            break;
        CHECK(w->is_in_transaction && !w->is_in_body && w->bodies < TRANSACTIONS_MAX);
        w->body[w->bodies++] = (struct body){.at = w->taken.n + smtp_client_output(w->c).n,
                                             .is_in_chunks = w->message.is_binary};
        w->is_in_body = true;
        if (!w->is_by_hand) {
            say_body(w, "..x\r\ny");
            end_body(w);
        }
        break;
    case SMTP_CLIENT_DONE:
        CHECK(w->is_in_transaction && !w->is_in_body);
        for (unsigned i = 0; i < w->message.recipient_count; i++)
            CHECK(w->events_of[i] == 1);
        w->is_in_transaction = false;
        break;
    case SMTP_CLIENT_FAILED:
        w->is_over = true;
        CHECK(e->reason && (e->scope == SMTP_SCOPE_SESSION ||
                            (e->scope == SMTP_SCOPE_HOST && !w->is_in_transaction)));
        CHECK(!e->reply || (e->reply->code >= 400 && !e->is_unsure));
        CHECK(!e->is_unsure ||
              (w->is_in_transaction && (w->has_whole || (w->bodies && last_body(w)->is_ended))));
        CHECK(smtp_client_output(w->c).n == 0);
        for (unsigned i = 0; w->is_in_transaction && i < w->message.recipient_count; i++)
            CHECK(w->recipient[i].is_settled == (w->events_of[i] == 1));
        break;
    case SMTP_CLIENT_CLOSE:
        w->is_over = true;
        CHECK(!w->is_in_transaction);
        break;
    }
}

static void take(struct world *w, size_t n)
{
    struct slice out = slice_head(smtp_client_output(w->c), n);
    CHECK(buf_add(&w->taken, out));
    smtp_client_sent(w->c, out.n);
}

static void pull(struct world *w)
{
    for (;;) {
        struct smtp_client_event e = smtp_client_next(w->c);
        if (e.kind == SMTP_CLIENT_NEEDS_INPUT)
            break;
        on_event(w, &e);
    }
    if (!w->is_slow)
        take(w, SIZE_MAX);
    CHECK(!w->is_over || smtp_client_timeout_ms(w->c) == 0);
}

static void act(struct world *w, uint8_t what)
{
    bool is_in_body = w->is_in_body && !w->is_over;
    if (what == 0xf0)
        take(w, 1);
    else if (what == 0xf1)
        take(w, SIZE_MAX);
    else if (what == 0xf2)
        smtp_client_on_closed(w->c, "closed");
    else if (what == 0xf3)
        smtp_client_on_timeout(w->c);
    else if (what == 0xf4)
        smtp_client_quit(w->c);
    else if (what == 0xf5 && smtp_client_is_ready(w->c))
        begin(w);
    else if (what == 0xf6 && is_in_body)
        smtp_client_body_abort(w->c);
    else if (what == 0xf7 && is_in_body)
        end_body(w);
    else if (what >= 0xf8 && what < 0xf8 + COUNT_OF(pieces) && is_in_body)
        say_body(w, pieces[what - 0xf8]);
    else if ((what == 0xfd || what == 0xfe) && w->sum && !w->is_over)
        give_sum(w, what == 0xfd);
    pull(w);
}

/* A response of a login: base64 or nothing. */
static bool is_response(struct slice line)
{
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '+' && c != '/' && c != '=')
            return false;
    }
    return true;
}

/* A command: a known verb, no control characters, and never long but for AUTH. */
static void check_command(struct slice line, bool is_behind_data, bool is_behind_auth)
{
    static const char *const verbs[] = {"EHLO me",   "HELO me", "STARTTLS", "MAIL FROM:<",
                                        "RCPT TO:<", "DATA",    "RSET",     "QUIT",
                                        "AUTH ",     "BDAT "};
    bool is_known =
        (is_behind_data && slice_eq(line, SLICE("."))) || (is_behind_auth && is_response(line));
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        is_known = is_known || slice_starts(line, slice_cstr(verbs[i]));
    CHECK(is_known && line.n <= 510);
    for (size_t i = 0; i < line.n; i++)
        CHECK((unsigned char)line.p[i] >= 32 && line.p[i] != 127);
}

/* The wire form's bytes behind BDAT, the slow way. */
static size_t unstuff(const struct body *b, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        bool is_at_line = i == 0 || (i >= 2 && memcmp(b->want + i - 2, "\r\n", 2) == 0);
        if (!is_at_line || b->want[i] != '.')
            out[n++] = b->want[i];
    }
    return n;
}

/* The chunks of one message. */
struct chunks {
    bool is_open;
    char want[64];
    size_t n, at;
};

/* The chunk behind its command; gives how much of the stream it is. */
static size_t check_chunk(struct world *w, struct chunks *k, unsigned *next, struct slice line,
                          struct slice rest)
{
    bool is_last = ends_with(line, SLICE(" LAST"));
    uint64_t bytes = 0;
    struct slice number = slice_from(line, 5);
    CHECK(slice_to_u64(slice_head(number, number.n - (is_last ? 5 : 0)), &bytes));
    CHECK(bytes || is_last);
    if (!k->is_open && w->has_whole) {
        CHECK(is_last);
        k->n = strlen(WHOLE_SAID);
        memcpy(k->want, WHOLE_SAID, k->n);
        k->at = 0;
    } else if (!k->is_open) {
        CHECK(*next < w->bodies);
        k->n = unstuff(&w->body[(*next)++], k->want);
        k->at = 0;
    }
    CHECK(k->at + bytes <= k->n);
    struct slice got = slice_head(rest, bytes);
    CHECK(memcmp(k->want + k->at, got.p, got.n) == 0);
    k->at += got.n;
    k->is_open = !is_last;
    CHECK(!is_last || got.n < bytes || k->at == k->n);
    return got.n;
}

/* All that was taken, once more from the start. */
static void check_stream(struct world *w)
{
    struct slice s = buf_slice(&w->taken);
    struct slice before = SLICE_NONE;
    struct chunks chunks = {0};
    bool is_in_login = false;
    size_t at = 0;
    for (unsigned next = 0; at < s.n;) {
        if (next < w->bodies && !w->body[next].is_in_chunks && at == w->body[next].at) {
            const struct body *b = &w->body[next++];
            struct slice got = slice_head(slice_from(s, at), b->n);
            CHECK(slice_starts(slice_of(b->want, b->n), got));
            CHECK(at + got.n == s.n || b->is_ended);
            at += got.n;
            continue;
        }
        struct slice rest = slice_from(s, at);
        size_t end = slice_find(rest, '\n');
        if (end == rest.n)
            break; /* cut in the middle of a command */
        CHECK(end > 0 && rest.p[end - 1] == '\r');
        struct slice line = slice_head(rest, end - 1);
        check_command(line, slice_eq(before, SLICE("DATA")), is_in_login);
        is_in_login = slice_starts(line, SLICE("AUTH ")) || (is_in_login && is_response(line));
        before = line;
        at += end + 1;
        if (slice_starts(line, SLICE("BDAT ")))
            at += check_chunk(w, &chunks, &next, line, slice_from(s, at));
        else
            chunks.is_open = false; /* RSET and so on: refused */
    }
}

static void open_world(struct world *w, uint8_t settings, uint8_t recipients)
{
    unsigned way = recipients / 16 % 4;
    *w = (struct world){.is_slow = settings & 16, .is_by_hand = settings & 32};
    w->options = (struct smtp_client_options){
        .helo = SLICE("me"),
        .tls = (enum smtp_client_tls)(settings & 3),
        .user = settings & 4 ? SLICE("u") : SLICE_NONE,
        .password = recipients & 128 ? SLICE_NONE : SLICE("p"),
        .token = recipients & 16 ? SLICE("t") : SLICE_NONE,
        .has_certificate = recipients & 32,
        .allows_plain_auth = settings & 8,
        .greeting_ms = 1,
        .command_ms = 1,
        .data_ms = 1,
        .final_ms = 1,
    };
    w->message = (struct smtp_client_message){
        .sender = settings & 64 ? SLICE("me@example.org") : SLICE_NONE,
        .recipient = w->recipient,
        .recipient_count = recipients % RECIPIENTS_MAX + 1,
        .wire_bytes = 1000,
        .is_8bit = settings & 128,
        .is_binary = way == 3,
        .may_run_ahead = way == 2,
    };
    if (way == 1 || way == 2) {
        w->has_whole = true;
        w->message.whole[0] = SLICE("..x\r\n.");
        w->message.whole[1] = slice_from(SLICE(WHOLE), 6);
    }
    for (unsigned i = 0; i < w->message.recipient_count; i++)
        w->recipient[i].address = slice_cstr(names[(i + (recipients & 15) / 4) % COUNT_OF(names)]);
    buf_init(&w->taken, 1 << 20);
    w->c = smtp_client_new(&w->options);
    if (recipients & 64)
        smtp_client_bind(w->c, "tls-unique", SLICE("0123456789ab"));
    smtp_client_on_connected(w->c);
    pull(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 8192)
        return 0;
    struct world w;
    open_world(&w, data[0], data[1]);
    for (size_t i = 2; i < size;) {
        size_t end = i;
        while (end < size && data[end] < 0xf0)
            end++;
        smtp_client_on_bytes(w.c, slice_of(data + i, end - i));
        pull(&w);
        if (end < size)
            act(&w, data[end]);
        i = end + 1;
    }
    smtp_client_on_closed(w.c, "closed");
    pull(&w);
    CHECK(w.is_over);
    check_stream(&w);
    smtp_client_free(w.c);
    buf_close(&w.taken);
    return 0;
}
