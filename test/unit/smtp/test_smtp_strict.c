/* test_smtp_strict.c -- every body of a few bytes there is: where a message ends, which is refused,
 * and what the next hop gets to see of it.
 *
 * What is right is said by a plain reading of the input that shares no code with the machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../dialog/drive.h"
#include "../../dialog/next_hop.h"

#include <stdio.h>

enum { LETTERS = 5, DATA_LENGTH_MAX = 7, CHUNK_LENGTH_MAX = 6 };

static const char letters[LETTERS] = {'\r', '\n', '.', 0, 'x'};

static const struct smtp_server_options options = {
    .hostname = {"mx.test", 7},
    .message_bytes_max = 100000,
    .recipients_max = 5,
    .errors_max = 5,
    .commands_max = 30,
    .auth = SMTP_AUTH_OFF,
};

static const struct smtp_client_options client_options = {.helo = {"me.example", 10}};

/* The wire form of the message that was under way, kept when it ends. */
static struct buf ended;

static struct smtp_answer keep_body(struct drive *d, const struct smtp_server_event *ev)
{
    if (ev->kind == SMTP_SERVER_BODY_END) {
        buf_clear(&ended);
        CHECK(buf_add(&ended, buf_slice(&d->body)));
    }
    return (struct smtp_answer){0};
}

static void open_session(struct drive *d)
{
    drive_init(d, &options);
    d->answer = keep_body;
    smtp_server_greet(d->machine);
    drive_feed(d, SLICE("HELO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n"));
    buf_clear(&d->said);
}

static bool next_string(char *s, size_t *n, size_t most)
{
    size_t i = 0;
    for (; i < *n; i++) {
        const char *at = memchr(letters, s[i], LETTERS);
        if (at + 1 < letters + LETTERS) {
            s[i] = at[1];
            return true;
        }
        s[i] = letters[0];
    }
    if (*n == most)
        return false;
    s[(*n)++] = letters[0];
    return true;
}

/* The first byte that may not be there; in.n: all may. *is_nul says which kind. */
static size_t first_bad(struct slice in, bool *is_nul)
{
    for (size_t i = 0; i < in.n; i++) {
        *is_nul = in.p[i] == 0;
        bool is_bare = in.p[i] == '\r'   ? i + 1 == in.n || in.p[i + 1] != '\n'
                       : in.p[i] == '\n' ? i == 0 || in.p[i - 1] != '\r'
                                         : false;
        if (*is_nul || is_bare)
            return i;
    }
    return in.n;
}

/* Bytes of the body before CRLF "." CRLF. */
static size_t body_bytes(struct slice in)
{
    if (slice_starts(in, SLICE(".\r\n")))
        return 0;
    const char *end = memmem(in.p, in.n, "\r\n.\r\n", 5);
    return end ? (size_t)(end - in.p) + 2 : in.n;
}

static void undo_stuffing(struct slice wire, struct buf *out)
{
    for (size_t i = 0; i < wire.n; i++) {
        bool is_stuffed = wire.p[i] == '.' && (i == 0 || wire.p[i - 1] == '\n');
        if (!is_stuffed)
            buf_add_char(out, wire.p[i]);
    }
}

static const char *name_of(struct slice s)
{
    static struct buf text;
    buf_init(&text, 1000);
    drive_show(&text, s);
    static char room[1000];
    snprintf(room, sizeof room, "%.*s", SLICE_FMT(buf_slice(&text)));
    buf_close(&text);
    return room;
}

/* Nobody at the next hop sees anything in it but this message. */
static void relay(struct smtp_client *c, struct slice wire, struct slice shown)
{
    struct buf data;
    buf_init(&data, 1 << 20);
    for (size_t piece = 1; piece <= 64; piece *= 64) {
        buf_clear(&data);
        next_hop_send(c, wire, piece, &data);
        enum next_hop fooled = next_hop_fooled(buf_slice(&data));
        if (fooled != NEXT_HOP_COUNT)
            fail_msg("%s: receiver %d is fooled", name_of(shown), (int)fooled);
        assert_true(slice_eq(slice_head(buf_slice(&data), wire.n), wire));
    }
    buf_close(&data);
}

static void feed_both_ways(struct slice in, size_t piece_bytes, struct drive *d)
{
    open_session(d);
    drive_feed_pieces(d, in, piece_bytes, 3);
}

static void try_data(struct smtp_client *c, struct slice text)
{
    struct buf in, all;
    bool is_nul = false;
    buf_init(&in, 1000);
    buf_init(&all, 1000);
    buf_add(&in, text);
    buf_add_cstr(&in, "\r\n.\r\nQUIT\r\n");
    buf_add_cstr(&all, "DATA\r\n");
    buf_add(&all, buf_slice(&in));
    size_t n = body_bytes(buf_slice(&in));
    bool is_good = first_bad(slice_head(buf_slice(&in), n), &is_nul) == n;
    for (size_t piece = 0; piece < 2; piece++) {
        struct drive d;
        feed_both_ways(buf_slice(&all), piece, &d);
        const char *want = is_good  ? "\r\n250 2.0.0 queued as ID\r\n"
                           : is_nul ? "\r\n550 5.6.0 NUL in message\r\n"
                                    : "\r\n550 5.6.11 bare CR or LF in message\r\n";
        bool is_said = memmem(d.said.p, d.said.n, want, strlen(want)) != NULL;
        if (!is_said || d.messages != is_good || !d.is_closed)
            fail_msg("%s: said %.*s", name_of(text), SLICE_FMT(buf_slice(&d.said)));
        if (!is_good)
            assert_true(slice_ends_nocase(buf_slice(&d.said), slice_cstr(want)));
        else
            assert_true(slice_eq(buf_slice(&ended), slice_head(buf_slice(&in), n)));
        drive_close(&d);
    }
    if (is_good)
        relay(c, slice_head(buf_slice(&in), n), text);
    buf_close(&all);
    buf_close(&in);
}

static void every_short_body_by_data(void **state)
{
    struct smtp_client *c = next_hop_connect(&client_options);
    char s[DATA_LENGTH_MAX] = {0};
    size_t n = 0;
    do
        try_data(c, slice_of(s, n));
    while (next_string(s, &n, DATA_LENGTH_MAX));
    smtp_client_free(c);
}

/* text in two chunks, the border behind `border` bytes. */
static void try_chunks(struct smtp_client *c, struct slice text, size_t border)
{
    struct buf in, plain;
    struct drive d;
    bool is_nul;
    buf_init(&in, 1000);
    buf_init(&plain, 1000);
    buf_addf(&in, "BDAT %zu\r\n", border);
    buf_add(&in, slice_head(text, border));
    buf_addf(&in, "BDAT %zu LAST\r\n", text.n - border);
    buf_add(&in, slice_from(text, border));
    buf_add_cstr(&in, "NOOP\r\n");
    bool is_good = first_bad(text, &is_nul) == text.n;
    feed_both_ways(buf_slice(&in), border % 3, &d);
    /* Refused or not, the session goes on behind the chunks. */
    if (d.messages != is_good || !slice_ends_nocase(buf_slice(&d.said), SLICE("250 2.0.0 ok\r\n")))
        fail_msg("%s at %zu: said %.*s", name_of(text), border, SLICE_FMT(buf_slice(&d.said)));
    if (is_good) {
        undo_stuffing(buf_slice(&ended), &plain);
        assert_true(slice_eq(slice_head(buf_slice(&plain), text.n), text));
        assert_true(plain.n == text.n ||
                    slice_eq(slice_from(buf_slice(&plain), text.n), SLICE("\r\n")));
        relay(c, buf_slice(&ended), text);
    }
    drive_close(&d);
    buf_close(&plain);
    buf_close(&in);
}

static void every_short_body_by_chunks(void **state)
{
    struct smtp_client *c = next_hop_connect(&client_options);
    char s[CHUNK_LENGTH_MAX] = {0};
    size_t n = 0;
    do {
        for (size_t border = 0; border <= n; border++)
            try_chunks(c, slice_of(s, n), border);
    } while (next_string(s, &n, CHUNK_LENGTH_MAX));
    smtp_client_free(c);
}

/* Bare line ends and NUL anywhere in a command end the session, and nothing behind them is read. */
static void every_short_command(void **state)
{
    char s[DATA_LENGTH_MAX - 1] = {0};
    size_t n = 0;
    do {
        struct buf in;
        struct drive d;
        bool is_nul;
        buf_init(&in, 1000);
        buf_add_cstr(&in, "NOOP ");
        buf_add(&in, slice_of(s, n));
        buf_add_cstr(&in, "\r\nRSET\r\n");
        bool is_bad = first_bad(buf_slice(&in), &is_nul) < in.n;
        feed_both_ways(buf_slice(&in), n % 2, &d);
        const char *want = !is_bad ? "250 2.0.0 ok\r\n"
                           : is_nul
                               ? "500 5.5.2 NUL in command, closing the connection\r\n"
                               : "500 5.5.2 bare CR or LF in command, closing the connection\r\n";
        if (d.is_closed != is_bad || !slice_ends_nocase(buf_slice(&d.said), slice_cstr(want)))
            fail_msg("%s: said %.*s", name_of(slice_of(s, n)), SLICE_FMT(buf_slice(&d.said)));
        drive_close(&d);
        buf_close(&in);
    } while (next_string(s, &n, DATA_LENGTH_MAX - 1));
}

/* The judge itself: it finds what is known to fool somebody, and lets good messages pass. */
static void receivers_are_fooled_by_what_is_known(void **state)
{
    static const struct {
        struct slice data;
        bool is_fooling;
    } cases[] = {
        {SLICE_INIT("x\r\n.\r\n"), false},
        {SLICE_INIT(".\r\n"), false},
        {SLICE_INIT("x\r\n..\r\n.\r\n"), false},
        {SLICE_INIT("x\r\n. \r\n.\r\n"), false},
        {SLICE_INIT("x\n.\n.\r\n"), true},
        {SLICE_INIT("x\n.\r\n\r\n.\r\n"), true},
        {SLICE_INIT("x\r.\r\r\n.\r\n"), true},
        {SLICE_INIT("x\r.\r\n\r\n.\r\n"), true},
        {SLICE_INIT("x\r\n.\n\r\n.\r\n"), true},
        {SLICE_INIT("x\r\n.\r\r\n.\r\n"), true},
        {SLICE_INIT("x\r\r\n.\r\r\n\r\n.\r\n"), true},
        {SLICE_INIT("x\r\n\0.\r\n\r\n.\r\n"), true},
        {SLICE_INIT("x\r\n.\0\r\n\r\n.\r\n"), true},
        {SLICE_INIT("x\r\n.\r"), true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if ((next_hop_fooled(cases[i].data) != NEXT_HOP_COUNT) != cases[i].is_fooling)
            fail_msg("case %zu: %s", i, name_of(cases[i].data));
    }
}

/* RFC 5321 section 4.5.3.1.5, with the longest name and whatever the caller says. */
static void no_reply_line_is_too_long(void **state)
{
    static char name[254], text[2000];
    memset(name, 'n', sizeof name - 1);
    memset(text, 't', sizeof text - 1);
    struct smtp_server_options long_name = options;
    long_name.hostname = slice_cstr(name);
    struct drive d;
    drive_init(&d, &long_name);
    smtp_server_greet(d.machine);
    drive_feed(&d, SLICE("EHLO c\r\nNOOP\r\n"));
    smtp_server_shutdown(d.machine, text);
    drive_feed(&d, SLICE_NONE);
    assert_true(d.is_closed);
    assert_int_equal(reply_check_all(buf_slice(&d.said), long_name.hostname), 4);
    drive_close(&d);

    drive_init(&d, &long_name);
    smtp_server_refuse(d.machine, 421, text);
    drive_feed(&d, SLICE_NONE);
    assert_int_equal(reply_check_all(buf_slice(&d.said), long_name.hostname), 1);
    drive_close(&d);
}

static struct smtp_answer hostile;

static struct smtp_answer say_hostile(struct drive *d, const struct smtp_server_event *ev)
{
    return hostile;
}

/* Whatever code, status and text the caller has for a client, it becomes one reply. */
static void every_refusal_is_well_formed(void **state)
{
    static char long_text[2000];
    memset(long_text, 'w', sizeof long_text - 1);
    static const char *const texts[] = {
        NULL, "", "no", "a\r\n250 2.0.0 b", "\t\xc3\xa4\x7f\x1b[2J", " leading", long_text};
    static const struct smtp_status statuses[] = {{0, 0, 0},  {2, 1, 0},     {4, 0, 0},
                                                  {4, 7, 28}, {5, 999, 999}, {5, 1, 1}};
    for (int code = 400; code < 560; code++) {
        if (code / 10 % 10 > 5) /* no such reply (RFC 5321 section 4.2) */
            continue;
        for (size_t t = 0; t < COUNT_OF(texts); t++) {
            struct drive d;
            hostile = (struct smtp_answer){code, statuses[(size_t)code % 6], texts[t]};
            drive_init(&d, &options);
            d.answer = say_hostile;
            smtp_server_greet(d.machine);
            drive_feed(&d, SLICE("HELO c\r\nMAIL FROM:<a@example.com>\r\n"));
            assert_int_equal(reply_check_all(buf_slice(&d.said), options.hostname), 3);
            drive_close(&d);
        }
    }
}

/* n,,n=u,r=0123456789abcdef */
#define SCRAM_FIRST "biwsbj11LHI9MDEyMzQ1Njc4OWFiY2RlZg=="

/* AUTH SCRAM-SHA-256 at each of its steps; the machine hands on what is well formed. */
static void scram_is_as_strict(void **state)
{
    static const struct {
        const char *lines, *said;
    } cases[] = {
        {"AUTH SCRAM-SHA-256 AAAA\r\n",
         "501 5.5.2 malformed SCRAM message, or one with an extension\r\n"},
        {"AUTH SCRAM-SHA-256 =\r\n",
         "501 5.5.2 malformed SCRAM message, or one with an extension\r\n"},
        {"AUTH SCRAM-SHA-256 !\r\n", "501 5.5.2 cannot decode this response\r\n"},
        {"AUTH SCRAM-SHA-256\r\n*\r\n", "501 5.7.0 authentication cancelled\r\n"},
        {"AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\n*\r\n", "501 5.7.0 authentication cancelled\r\n"},
        {"AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\nMAIL FROM:<a@example.com>\r\n",
         "501 5.5.2 cannot decode this response\r\n"},
        {"AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\nAAAA\r\nAAAA\r\n",
         "501 5.5.2 an empty response was expected\r\n"},
        {"AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\nAAAA\r\nRSET\r\n",
         "501 5.5.2 an empty response was expected\r\n"},
        {"AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\nAAAA\r\n\r\n",
         "235 2.7.0 authentication succeeded\r\n"},
    };
    struct smtp_server_options scram = options;
    scram.auth = SMTP_AUTH_OPTIONAL;
    scram.offers_scram = true;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 0; piece < 2; piece++) {
            struct drive d;
            drive_init(&d, &scram);
            smtp_server_on_tls(d.machine);
            smtp_server_greet(d.machine);
            drive_feed(&d, SLICE("EHLO c\r\n"));
            drive_feed_pieces(&d, slice_cstr(cases[i].lines), piece, 1);
            if (!slice_ends_nocase(buf_slice(&d.said), slice_cstr(cases[i].said)))
                fail_msg("%s: said %.*s", cases[i].lines, SLICE_FMT(buf_slice(&d.said)));
            drive_close(&d);
        }
    }
}

int main(void)
{
    buf_init(&ended, 1 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receivers_are_fooled_by_what_is_known),
        cmocka_unit_test(every_short_body_by_data),
        cmocka_unit_test(every_short_body_by_chunks),
        cmocka_unit_test(every_short_command),
        cmocka_unit_test(no_reply_line_is_too_long),
        cmocka_unit_test(every_refusal_is_well_formed),
        cmocka_unit_test(scram_is_as_strict),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_close(&ended);
    return failed;
}
