/* fuzz_smtp_server.c -- a hostile client against the server machine.
 *
 * The first four bytes choose what is on offer, how the caller answers, and how the rest is cut.
 * Whole and cut, the machine says the same and reports the same; a message it reports is exactly
 * the section of the input that ends with the final dot, and holds no line end but CRLF. */
#include "../dialog/drive.h"

enum { CHOICES = 4 };

struct caller {
    struct slice input;
    uint8_t answers; /* one bit a question, over and over */
    unsigned asked;
};

static void check_message(const struct drive *d, const struct caller *c)
{
    struct slice body = buf_slice(&d->body);
    CHECK(d->fed_bytes >= body.n + 3);
    struct slice section = slice_head(c->input, d->fed_bytes);
    section = slice_from(section, d->fed_bytes - body.n - 3);
    CHECK(slice_eq(slice_head(section, body.n), body));
    CHECK(slice_eq(slice_from(section, body.n), SLICE(".\r\n")));
    CHECK(body.n == 0 || slice_ends_nocase(body, SLICE("\r\n")));
    CHECK(!slice_starts(body, SLICE(".\r\n")));
    for (size_t i = 0; i < body.n; i++) {
        char before = i ? body.p[i - 1] : 0;
        CHECK(body.p[i] != 0);
        CHECK((before == '\r') == (body.p[i] == '\n'));
        CHECK(!slice_starts(slice_from(body, i), SLICE("\r\n.\r\n")));
    }
}

static struct smtp_answer answer(struct drive *d, const struct smtp_server_event *ev)
{
    struct caller *c = d->context;
    if (ev->kind == SMTP_SERVER_BODY_END)
        check_message(d, c);
    if (ev->kind == SMTP_SERVER_LOGIN)
        CHECK(ev->user.n > 0 && smtp_server_has_tls(d->machine));
    if (ev->kind == SMTP_SERVER_MAIL || ev->kind == SMTP_SERVER_RCPT) {
        CHECK(ev->path_text.n <= 600);
        CHECK(ev->kind == SMTP_SERVER_MAIL || ev->path_text.n > 0);
        for (size_t i = 0; i < ev->path_text.n; i++)
            CHECK(ev->path_text.p[i] >= ' ' && ev->path_text.p[i] <= '~');
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
    if (flags & 16)
        smtp_server_on_tls(d->machine);
    smtp_server_greet(d->machine);
    drive_drain(d);
    drive_feed_pieces(d, c->input, piece_bytes, 7);
    CHECK(d->output_most < 65536);
    CHECK(d->is_closed || smtp_server_output(d->machine).n == 0);
}

/* Every reply is CRLF lines of printable ASCII that begin with a code. */
static void check_said(struct slice said)
{
    while (said.n) {
        size_t n = slice_find(said, '\r');
        CHECK(n >= 4 && n + 1 < said.n && said.p[n + 1] == '\n');
        CHECK(said.p[0] >= '2' && said.p[0] <= '5' && ascii_is_digit(said.p[1]) &&
              ascii_is_digit(said.p[2]) && (said.p[3] == ' ' || said.p[3] == '-'));
        for (size_t i = 0; i < n; i++)
            CHECK(said.p[i] >= ' ' && said.p[i] <= '~');
        said = slice_from(said, n + 2);
    }
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
        .errors_max = data[3] & 2 ? 3 : 1000,
        .commands_max = data[3] & 4 ? 10 : 10000,
        .offers_tls = flags & 4,
        .auth = (enum smtp_auth_mode)((flags & 3) % 3),
    };
    struct caller one = {slice_of(data + CHOICES, size - CHOICES), data[2], 0};
    struct caller two = one;
    struct drive whole, cut;
    run(&whole, &one, &options, flags, 0);
    run(&cut, &two, &options, flags, 1 + data[1] % 64);
    check_said(buf_slice(&whole.said));
    check_said(buf_slice(&cut.said));
    /* What stands behind STARTTLS in one piece is an injection, in two it is not: the one
     * difference that cutting may make. */
    bool is_starttls = whole.wants_tls || cut.wants_tls;
    CHECK(is_starttls || slice_eq(buf_slice(&whole.said), buf_slice(&cut.said)));
    CHECK(is_starttls || slice_eq(buf_slice(&whole.seen), buf_slice(&cut.seen)));
    drive_close(&whole);
    drive_close(&cut);
    return 0;
}
