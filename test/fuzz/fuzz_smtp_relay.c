/* fuzz_smtp_relay.c -- a body comes in by DATA or BDAT and goes on by DATA.
 *
 * The first four bytes choose how it comes, where its chunks end and how it is cut; the rest is the
 * body. What is taken arrives as it was sent, and no receiver, however careless with line ends,
 * sees more than one message in what we say to it. */
#include "../dialog/drive.h"
#include "../dialog/next_hop.h"

enum { CHOICES = 4 };

static const struct smtp_server_options server_options = {
    .hostname = {"mx.test", 7},
    .message_bytes_max = 1 << 20,
    .recipients_max = 5,
    .errors_max = 1000,
    .commands_max = 10000,
    .auth = SMTP_AUTH_OFF,
};
static const struct smtp_client_options client_options = {.helo = {"me.example", 10}};

struct caller {
    size_t piece_bytes; /* as which it goes on */
    struct buf text;    /* of the first message, dot-stuffing undone */
};

static void undo_stuffing(struct slice wire, struct buf *out)
{
    for (size_t i = 0; i < wire.n; i++) {
        if (wire.p[i] != '.' || (i > 0 && wire.p[i - 1] != '\n'))
            CHECK(buf_add_char(out, wire.p[i]));
    }
}

static struct smtp_answer relay(struct drive *d, const struct smtp_server_event *ev)
{
    struct caller *caller = d->context;
    if (ev->kind != SMTP_SERVER_BODY_END)
        return (struct smtp_answer){0};
    struct slice wire = buf_slice(&d->body);
    struct smtp_client *c = next_hop_connect(&client_options);
    struct buf data;
    buf_init(&data, 1 << 24);
    next_hop_send(c, wire, caller->piece_bytes, &data);
    CHECK(next_hop_fooled(buf_slice(&data)) == NEXT_HOP_COUNT);
    CHECK(slice_eq(slice_head(buf_slice(&data), wire.n), wire));
    if (d->messages == 1)
        undo_stuffing(wire, &caller->text);
    buf_close(&data);
    smtp_client_free(c);
    return (struct smtp_answer){0};
}

static void add_chunks(struct buf *in, struct slice body, const uint8_t *choice)
{
    size_t first = body.n * choice[1] / 256, second = (body.n - first) * choice[2] / 256;
    size_t size[] = {first, second, body.n - first - second};
    for (size_t i = 0; i < COUNT_OF(size); i++) {
        buf_addf(in, "BDAT %zu%s\r\n", size[i], i == 2 ? " LAST" : "");
        buf_add(in, slice_head(body, size[i]));
        body = slice_from(body, size[i]);
    }
}

/* All of a body by chunks is in the message, and but for a line end it lacked nothing more. */
static void check_chunked(const struct drive *d, struct slice text, struct slice body)
{
    if (!d->messages)
        return;
    CHECK(d->messages == 1);
    CHECK(slice_eq(slice_head(text, body.n), body));
    CHECK(text.n == body.n || slice_eq(slice_from(text, body.n), SLICE("\r\n")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CHOICES)
        return 0;
    bool is_chunked = data[0] & 1;
    struct slice body = slice_of(data + CHOICES, size - CHOICES);
    struct caller caller = {.piece_bytes = 1u + data[3]};
    struct drive d;
    struct buf in;
    buf_init(&in, 1 << 24);
    buf_init(&caller.text, 1 << 24);
    buf_add_cstr(&in, "HELO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n");
    if (is_chunked) {
        add_chunks(&in, body, data);
    } else {
        buf_add_cstr(&in, "DATA\r\n");
        buf_add(&in, body);
        buf_add_cstr(&in, "\r\n.\r\n");
    }
    drive_init(&d, &server_options);
    d.answer = relay;
    d.context = &caller;
    smtp_server_greet(d.machine);
    drive_feed_pieces(&d, buf_slice(&in), data[0] >> 1, 7);
    if (is_chunked)
        check_chunked(&d, buf_slice(&caller.text), body);
    drive_close(&d);
    buf_close(&caller.text);
    buf_close(&in);
    return 0;
}
