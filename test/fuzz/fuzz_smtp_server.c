/* fuzz_smtp_server.c -- a hostile client against the server machine.
 *
 * The first four bytes choose what is on offer, how the caller answers, and how the rest is cut.
 * Whole and cut, the machine says the same and reports the same, in well-formed replies. A message
 * it reports is exactly the section of the input that ends with the final dot, or what a plain
 * reading of the BDAT commands gives, dots doubled; and but for the body of BINARYMIME it holds no
 * line end but CRLF.
 */
#include "../dialog/drive.h"
#include "base/utf8.h"

enum { CHOICES = 4 };

struct caller {
    struct slice input;
    uint8_t answers; /* one bit a question, over and over */
    unsigned asked;
    bool is_utf8, is_binary, is_chunked; /* the present transaction */
    size_t began;                        /* where its DATA or first BDAT stands */
};

static size_t line_start(struct slice in, size_t end)
{
    size_t at = end - 2; /* before CRLF */
    while (at > 0 && in.p[at - 1] != '\n')
        at--;
    return at;
}

/* The wire form of all chunks from the first one on, read without any of the machine's code. */
static void read_chunks(const struct drive *d, const struct caller *c, struct buf *wire)
{
    struct slice rest = slice_head(c->input, d->fed_bytes);
    rest = slice_from(rest, c->began);
    char before[2] = {'\r', '\n'};
    bool is_last = false;
    while (!is_last) {
        size_t n = slice_find(rest, '\n');
        CHECK(n < rest.n);
        struct slice line = slice_trim(slice_head(rest, n - 1));
        rest = slice_from(rest, n + 1);
        if (!slice_starts_nocase(line, SLICE("BDAT ")) &&
            !slice_starts_nocase(line, SLICE("BDAT\t")))
            continue;
        uint64_t bytes = 0;
        for (size_t i = 5; i < line.n; i++)
            if (ascii_is_digit(line.p[i]))
                bytes = bytes * 10 + (uint64_t)(line.p[i] - '0');
        is_last = slice_ends_nocase(line, SLICE("LAST"));
        CHECK(bytes <= rest.n);
        for (size_t i = 0; i < bytes; i++) {
            if (rest.p[i] == '.' && before[0] == '\r' && before[1] == '\n')
                buf_add_char(wire, '.');
            buf_add_char(wire, rest.p[i]);
            before[0] = before[1];
            before[1] = rest.p[i];
        }
        rest = slice_from(rest, (size_t)bytes);
    }
    CHECK(rest.n == 0);
}

static void check_chunks(const struct drive *d, const struct caller *c, struct slice body)
{
    struct buf wire;
    buf_init(&wire, 1 << 24);
    read_chunks(d, c, &wire);
    CHECK(slice_eq(slice_head(body, wire.n), buf_slice(&wire)));
    CHECK(body.n == wire.n || slice_eq(slice_from(body, wire.n), SLICE("\r\n")));
    buf_close(&wire);
}

static void check_dot(const struct drive *d, const struct caller *c, struct slice body)
{
    CHECK(d->fed_bytes >= body.n + 3);
    struct slice section = slice_head(c->input, d->fed_bytes);
    section = slice_from(section, d->fed_bytes - body.n - 3);
    CHECK(slice_eq(slice_head(section, body.n), body));
    CHECK(slice_eq(slice_from(section, body.n), SLICE(".\r\n")));
}

static void check_message(const struct drive *d, const struct caller *c)
{
    struct slice body = buf_slice(&d->body);
    if (c->is_chunked)
        check_chunks(d, c, body);
    else
        check_dot(d, c, body);
    CHECK(!c->is_binary || c->is_chunked);
    CHECK(body.n == 0 || c->is_binary || slice_ends_nocase(body, SLICE("\r\n")));
    CHECK(!slice_starts(body, SLICE(".\r\n")));
    bool in_header = true;
    for (size_t i = 0; i < body.n; i++) {
        char before = i ? body.p[i - 1] : 0;
        CHECK(!slice_starts(slice_from(body, i), SLICE("\r\n.\r\n")));
        if (c->is_binary && !in_header)
            continue;
        CHECK(body.p[i] != 0);
        CHECK((before == '\r') == (body.p[i] == '\n'));
        in_header = in_header && !(body.p[i] == '\n' && (i < 2 || body.p[i - 2] == '\n'));
    }
}

static bool is_written_safely(struct slice text, bool is_utf8)
{
    for (size_t i = 0; i < text.n; i++)
        if ((uint8_t)text.p[i] < ' ' || text.p[i] == 0x7f || (!is_utf8 && (uint8_t)text.p[i] > '~'))
            return false;
    return utf8_is_valid(text);
}

static void check_envelope(struct drive *d, struct caller *c, const struct smtp_server_event *ev)
{
    if (ev->kind == SMTP_SERVER_MAIL) {
        c->is_utf8 = ev->is_utf8;
        c->is_binary = ev->is_binary;
    }
    CHECK(ev->path_text.n <= 600);
    CHECK(ev->kind == SMTP_SERVER_MAIL || ev->path_text.n > 0);
    CHECK(is_written_safely(ev->path_text, c->is_utf8));
    CHECK(is_written_safely(ev->orcpt, c->is_utf8) && slice_find(ev->orcpt, ' ') == ev->orcpt.n);
    CHECK(is_written_safely(ev->envid, false) && slice_find(ev->envid, ' ') == ev->envid.n);
    CHECK(ev->envid.n <= MAIL_ENVID_BYTES_MAX && ev->orcpt.n <= MAIL_ORCPT_BYTES_MAX);
    CHECK(mail_notify_is_valid(ev->notify) || !ev->notify);
    CHECK(!ev->requires_tls || smtp_server_has_tls(d->machine));
}

static struct smtp_answer answer(struct drive *d, const struct smtp_server_event *ev)
{
    struct caller *c = d->context;
    if (ev->kind == SMTP_SERVER_BODY_END)
        check_message(d, c);
    if (ev->kind == SMTP_SERVER_LOGIN)
        CHECK(ev->user.n > 0 && smtp_server_has_tls(d->machine));
    if (ev->kind == SMTP_SERVER_MAIL || ev->kind == SMTP_SERVER_RCPT)
        check_envelope(d, c, ev);
    if (ev->kind == SMTP_SERVER_DATA) {
        c->began = line_start(c->input, d->fed_bytes);
        c->is_chunked = ascii_lower(c->input.p[c->began]) == 'b';
    }
    unsigned n = c->asked++;
    if (c->answers >> n % 8 & 1)
        return (struct smtp_answer){n % 5 == 4 ? 421 : n % 2 ? 450 : 550, {5, 1, 1}, "no\r\n250"};
    return (struct smtp_answer){0};
}

static void run(struct drive *d, struct caller *c, const struct smtp_server_options *options,
                uint8_t flags, size_t piece_bytes)
{
    struct ip peer = {.family = IP_V4, .b = {192, 0, 2, 1}};
    drive_init(d, options);
    d->answer = answer;
    d->context = c;
    smtp_server_set_peer(d->machine, &peer, flags & 8);
    if (flags & 16) {
        smtp_server_on_tls(d->machine);
        if (flags & 32)
            smtp_server_set_certified(d->machine, SLICE("app"));
        if (flags & 64)
            smtp_server_set_binding(d->machine, SMTP_BINDING_UNIQUE, SLICE("x"));
    }
    smtp_server_greet(d->machine);
    drive_drain(d);
    drive_feed_pieces(d, c->input, piece_bytes, 7);
    CHECK(d->output_most < 65536);
    CHECK(d->is_closed || smtp_server_output(d->machine).n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CHOICES)
        return 0;
    uint8_t flags = data[0];
    struct smtp_server_options options = {
        .hostname = SLICE("mx.test"),
        .message_bytes_max = data[3] & 1 ? 20 : 1000000,
        .recipients_max = 3,
        .session_recipients_max = data[3] & 32 ? 4 : 0,
        .errors_max = data[3] & 2 ? 3 : 1000,
        .commands_max = data[3] & 4 ? 10 : 10000,
        .mails_max = data[3] & 8 ? 2 : 0,
        .offers_tls = flags & 4,
        .auth = (enum smtp_auth_mode)((flags & 3) % 3),
        .offers_scram = data[3] & 8,
        .offers_binding = data[3] & 8,
        .needs_certificate = data[3] & 32,
    };
    struct caller one = {.input = slice_of(data + CHOICES, size - CHOICES), .answers = data[2]};
    struct caller two = one;
    struct drive whole, cut;
    run(&whole, &one, &options, flags, 0);
    run(&cut, &two, &options, flags, 1 + data[1] % 64);
    /* What stands behind STARTTLS in one piece is an injection, in two it is not: the one
     * difference that cutting may make. */
    bool is_starttls = whole.wants_tls || cut.wants_tls;
    CHECK(is_starttls || slice_eq(buf_slice(&whole.said), buf_slice(&cut.said)));
    CHECK(is_starttls || slice_eq(buf_slice(&whole.seen), buf_slice(&cut.seen)));
    drive_close(&whole);
    drive_close(&cut);
    return 0;
}
