/* test_submit_attack.c -- clients that want to cost us something: slow in every state, or in
 * floods. All end at the limit that the row names, are counted there, and leave nothing behind. */
#include "engine_world.h"

#include "../../../src/engine/engine_core.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS };

#define ENVELOPE "EHLO c\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<r@a.example>\r\n"

static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"), .cipher = SLICE_INIT("X")};
static struct engine_user user = {.name = SLICE_INIT("app")};

static void assert_struck(struct world *w, enum note_limit limit, unsigned times)
{
    char text[80];
    snprintf(text, sizeof text, " limit=%s ", note_limit_word[limit]);
    assert_int_equal(w->limits[limit], times);
    world_log_has(w, text);
    for (int i = NOTE_NO_LIMIT + 1; i < NOTE_LIMIT_COUNT; i++)
        if (i != (int)limit && w->limits[i])
            fail_msg("%s struck as well", note_limit_word[i]);
}

static void all_gone(struct world *w)
{
    assert_int_equal(world_stats(w).sessions, 0);
    assert_int_equal(w->e->intake_count, 0);
    assert_int_equal(world_stats(w).messages, 0);
}

/* Says `open`, then `drip` every `each_ms`, until it is cut. */
struct slow {
    const char *shows, *open, *drip;
    int64_t each_ms;
    enum note_limit limit;
    int64_t after_ms;
};

static void one_slow(const struct slow *r)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    if (*r->open)
        world_say(w, c, r->open);
    (void)world_heard(c);
    int64_t began_ms = w->now_ms;
    while (c->is_open) {
        world_pass(w, r->each_ms);
        if (c->is_open && c->is_reading && *r->drip)
            world_say(w, c, r->drip);
        if (w->now_ms - began_ms > 24 * HOUR_MS)
            fail_msg("%s: still there after a day", r->shows);
    }
    int64_t took_ms = w->now_ms - began_ms;
    if (took_ms < r->after_ms || took_ms > r->after_ms + r->each_ms)
        fail_msg("%s: %lld ms", r->shows, (long long)took_ms);
    if (r->limit == NOTE_LIMIT_TLS_TIME) /* no clear text into the handshake */
        world_expect_not(c, "421");
    else
        world_expect(c, "421 4.4.2 ");
    assert_struck(w, r->limit, 1);
    all_gone(w);
    world_down(w);
}

static void slow_in_every_state(void **state)
{
    static const struct slow rows[] = {
        {"says nothing", "", "", SECOND_MS, NOTE_LIMIT_GREETING_TIME, MINUTE_MS},
        {"EHLO byte by byte", "", "E", SECOND_MS, NOTE_LIMIT_GREETING_TIME, MINUTE_MS},
        {"NOOP instead of EHLO", "", "NOOP\r\n", SECOND_MS, NOTE_LIMIT_GREETING_TIME, MINUTE_MS},
        {"silent after EHLO", "EHLO c\r\n", "", SECOND_MS, NOTE_LIMIT_IDLE_TIME, 5 * MINUTE_MS},
        {"MAIL byte by byte", "EHLO c\r\nMAIL FROM:<", "a", SECOND_MS, NOTE_LIMIT_IDLE_TIME,
         5 * MINUTE_MS},
        {"RCPT byte by byte", ENVELOPE "RCPT TO:<", "a", SECOND_MS, NOTE_LIMIT_IDLE_TIME,
         5 * MINUTE_MS},
        {"a recipient every four minutes", ENVELOPE, "RCPT TO:<r@a.example>\r\n", 4 * MINUTE_MS,
         NOTE_LIMIT_TRANSACTION_TIME, 2 * HOUR_MS},
        {"DATA and then nothing", ENVELOPE "DATA\r\n", "", SECOND_MS, NOTE_LIMIT_DATA_RATE,
         MINUTE_MS},
        {"DATA, a byte a second", ENVELOPE "DATA\r\n", "x", SECOND_MS, NOTE_LIMIT_DATA_RATE,
         MINUTE_MS},
        {"a chunk of which a byte a second comes", ENVELOPE "BDAT 100000\r\n", "x", SECOND_MS,
         NOTE_LIMIT_DATA_RATE, MINUTE_MS},
        {"a refused chunk, the same", "EHLO c\r\nBDAT 100000\r\n", "x", SECOND_MS,
         NOTE_LIMIT_DATA_RATE, MINUTE_MS},
        {"a chunk of a byte every four minutes", ENVELOPE, "BDAT 1\r\nx", 4 * MINUTE_MS,
         NOTE_LIMIT_TRANSACTION_TIME, 2 * HOUR_MS},
        {"fast, and no end of it", ENVELOPE "DATA\r\n",
         "a line that is long enough for the least rate, so that only the clock of the whole "
         "transaction can put an end to this message, which would go on for ever\r\n",
         SECOND_MS, NOTE_LIMIT_TRANSACTION_TIME, 2 * HOUR_MS},
        {"no handshake after STARTTLS", "EHLO c\r\nSTARTTLS\r\n", "", SECOND_MS,
         NOTE_LIMIT_TLS_TIME, 30 * SECOND_MS},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        one_slow(&rows[i]);
}

/* data_timeout, where the least rate is switched off. */
static void silent_in_a_message(void **state)
{
    struct world *w = world_new();
    w->opt.data_rate_min = 0;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, ENVELOPE "DATA\r\n");
    world_pass(w, 3 * MINUTE_MS - 1);
    world_say(w, c, "x");
    world_pass(w, 3 * MINUTE_MS - 1);
    assert_true(c->is_open);
    world_pass(w, 1);
    assert_false(c->is_open);
    world_expect(c, "421 4.4.2 ");
    assert_struck(w, NOTE_LIMIT_DATA_TIME, 1);
    all_gone(w);
    world_down(w);
}

/* A 334 is answered byte by byte, and after TLS EHLO has its time once more. */
static void slow_in_tls_and_auth(void **state)
{
    struct world *w = world_new();
    w->opt.users = &user;
    w->opt.user_count = 1;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_pass(w, MINUTE_MS - 1);
    world_say(w, c, "EHLO c\r\nSTARTTLS\r\n");
    world_pass(w, 30 * SECOND_MS - 1);
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
    world_pass(w, MINUTE_MS - 1);
    world_say(w, c, "EHLO c\r\nAUTH LOGIN\r\n");
    world_expect(c, "334 ");
    world_pass(w, MINUTE_MS - 1);
    world_say(w, c, "YXBw\r\n");
    world_expect(c, "334 ");
    for (int i = 0; i < 59; i++) {
        world_say(w, c, "A");
        world_pass(w, SECOND_MS);
    }
    assert_true(c->is_open);
    world_pass(w, SECOND_MS);
    assert_false(c->is_open);
    world_expect(c, "421 4.4.2 ");
    assert_int_equal(w->logins, 0);
    assert_struck(w, NOTE_LIMIT_AUTH_TIME, 1);
    all_gone(w);
    world_down(w);
}

/* Whatever the state, idle_timeout is the most. */
static void idle_timeout_is_the_most(void **state)
{
    static const char *const opens[] = {"", "EHLO c\r\n", "EHLO c\r\nSTARTTLS\r\n",
                                        ENVELOPE "DATA\r\n"};
    for (size_t i = 0; i < COUNT_OF(opens); i++) {
        struct world *w = world_new();
        w->opt.idle_ms = 10 * SECOND_MS;
        world_start(w);
        struct world_conn *c = world_client(w);
        if (*opens[i])
            world_say(w, c, opens[i]);
        world_pass(w, 10 * SECOND_MS - 1);
        assert_true(c->is_open);
        world_pass(w, 1);
        assert_false(c->is_open);
        assert_struck(w, NOTE_LIMIT_IDLE_TIME, 1);
        all_gone(w);
        world_down(w);
    }
}

/* `line` for ever; the end must come before `most` of them, with this reply. */
struct flood {
    const char *shows, *open, *line;
    unsigned most;
    enum note_limit limit;
    const char *reply;
};

static const struct flood floods[] = {
    {"RSET", "EHLO c\r\n", "RSET\r\n", 1000, NOTE_LIMIT_COMMANDS, "421 4.7.0"},
    {"NOOP", "EHLO c\r\n", "NOOP x\r\n", 1000, NOTE_LIMIT_COMMANDS, "421 4.7.0"},
    {"VRFY", "EHLO c\r\n", "VRFY x\r\n", 1000, NOTE_LIMIT_COMMANDS, "421 4.7.0"},
    {"EHLO", "", "EHLO c\r\n", 1001, NOTE_LIMIT_COMMANDS, "421 4.7.0"},
    {"HELP", "", "HELP\r\n", 1001, NOTE_LIMIT_COMMANDS, "421 4.7.0"},
    {"MAIL and RSET", "EHLO c\r\n", "MAIL FROM:<s@sender.example>\r\nRSET\r\n", 500,
     NOTE_LIMIT_COMMANDS, "421 4.7.0"},
    {"a message in vain", "EHLO c\r\n", ENVELOPE "BDAT 1\r\nxRSET\r\n", 500, NOTE_LIMIT_COMMANDS,
     "421 4.7.0"},
    {"empty chunks", ENVELOPE, "BDAT 0\r\n", 1000, NOTE_LIMIT_COMMANDS, "421 4.7.0"},
    {"refused chunks", "EHLO c\r\nMAIL FROM:<a b>\r\n", "BDAT 1\r\nx", 1000, NOTE_LIMIT_COMMANDS,
     "421 4.7.0"},
    {"errors", "EHLO c\r\n", "NONSENSE\r\n", 21, NOTE_LIMIT_ERRORS, "421 4.7.0"},
    {"bad recipients", ENVELOPE, "RCPT TO:<a b>\r\n", 21, NOTE_LIMIT_ERRORS, "421 4.7.0"},
    {"bad parameters", "EHLO c\r\n", "MAIL FROM:<s@sender.example> X=Y\r\n", 21, NOTE_LIMIT_ERRORS,
     "421 4.7.0"},
};

static void one_flood(const struct flood *r, bool is_pipelined)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    if (*r->open)
        world_say(w, c, r->open);
    unsigned n = 0;
    while (c->is_open && n <= r->most) {
        char text[8192] = "";
        for (int i = 0; i < (is_pipelined ? 30 : 1); i++, n++)
            strcat(text, r->line);
        world_say(w, c, text);
        world_settle(w);
    }
    if (c->is_open)
        fail_msg("%s: still there after %u", r->shows, n);
    world_expect(c, r->reply);
    assert_struck(w, r->limit, 1);
    all_gone(w);
    world_down(w);
}

static void floods_end(void **state)
{
    for (size_t i = 0; i < COUNT_OF(floods); i++) {
        one_flood(&floods[i], false);
        one_flood(&floods[i], true);
    }
}

/* max_errors and max_commands are the operator's. */
static void their_ends_are_configured(void **state)
{
    struct world *w = world_new();
    w->opt.errors_max = 2;
    w->opt.commands_max = 10;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, "X\r\nX\r\n");
    assert_true(c->is_open);
    world_say(w, c, "X\r\n");
    assert_false(c->is_open);
    c = world_client(w);
    for (int i = 0; i < 10; i++)
        world_say(w, c, "NOOP\r\n");
    assert_true(c->is_open);
    world_say(w, c, "NOOP\r\n");
    assert_false(c->is_open);
    world_down(w);
}

/* Recipients: those that are too many get 452 and one line of the log, until 10,000 were refused.
 */
static void a_flood_of_recipients(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_say(w, c, ENVELOPE);
    unsigned n = 1;
    for (; c->is_open && n < 20000; n++) {
        world_say(w, c, "RCPT TO:<r@a.example>\r\n");
        world_settle(w);
    }
    assert_int_equal(n, 1000 + 10000 + 1);
    world_expect(c, "452 4.5.3 too many recipients\r\n421 4.7.0");
    assert_int_equal(w->limits[NOTE_LIMIT_RECIPIENTS], 1);
    assert_int_equal(w->limits[NOTE_LIMIT_REFUSED_RECIPIENTS], 1);
    all_gone(w);
    world_down(w);
}

static void recipients_of_a_session(void **state)
{
    struct world *w = world_new();
    w->opt.session_recipients_max = 3;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, ENVELOPE "RCPT TO:<r@a.example>\r\nRSET\r\n");
    (void)world_heard(c);
    world_say(w, c, ENVELOPE "RCPT TO:<r@a.example>\r\nRCPT TO:<r@a.example>\r\n");
    world_expect(c, "452 4.5.3 too many recipients in one session, connect again");
    world_say(w, c, "RSET\r\nMAIL FROM:<s@sender.example>\r\n");
    world_expect(c, "421 4.7.0 relay.example too many recipients in one session");
    assert_struck(w, NOTE_LIMIT_SESSION_RECIPIENTS, 2);
    all_gone(w);
    world_down(w);
}

static void messages_of_a_session(void **state)
{
    struct world *w = world_new();
    w->opt.session_mails_max = 2;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, ENVELOPE "RSET\r\nMAIL FROM:<>\r\nRSET\r\n");
    assert_true(c->is_open);
    world_say(w, c, "MAIL FROM:<>\r\n");
    world_expect(c, "421 4.7.0 relay.example too many messages in one session");
    assert_struck(w, NOTE_LIMIT_SESSION_MESSAGES, 1);
    all_gone(w);
    world_down(w);
}

static void large_chunks(void **state)
{
    static const struct {
        const char *size, *reply;
        bool is_open;
    } rows[] = {
        {"18446744073709551615", "552 5.3.4", false}, /* 2^64 - 1 */
        {"18446744073709551616", "501 5.5.4", false}, /* no number of ours */
        {"9223372036854775808", "552 5.3.4", false},
        {"52428801", "552 5.3.4", true}, /* one byte over 50 MiB: read through */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_up();
        struct world_conn *c = world_client(w);
        char text[200];
        snprintf(text, sizeof text, ENVELOPE "BDAT %s\r\nMAIL FROM:<x@sender.example>\r\n",
                 rows[i].size);
        world_say(w, c, text);
        world_expect(c, rows[i].reply);
        assert_int_equal(c->is_open, rows[i].is_open);
        assert_int_equal(w->limits[NOTE_LIMIT_MESSAGE_SIZE],
                         rows[i].reply[0] == '5' && rows[i].reply[2] == '2');
        world_down(w);
    }
}

/* Chunks of a byte are no commands in vain, and 50,000 of them cost what a message of that size
 * does. */
static void many_small_chunks(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_say(w, c, ENVELOPE);
    (void)world_heard(c);
    for (int i = 0; i < 500; i++) {
        char text[1200] = "";
        for (int k = 0; k < 100; k++)
            strcat(text, k == 49 ? "BDAT 2\r\n\r\n" : "BDAT 1\r\nx");
        world_say(w, c, text);
        world_settle(w);
        assert_true(c->is_open);
        assert_true(w->append_count == 0 && c->is_reading);
    }
    (void)world_heard(c);
    world_say(w, c, "BDAT 0 LAST\r\n");
    world_settle(w);
    world_expect(c, "250 2.0.0 queued");
    assert_true(w->record_count < 5);
    world_down(w);
}

/* Its replies are not read: at some time neither is it. */
static void replies_that_nobody_reads(void **state)
{
    struct world *w = world_new();
    w->opt.commands_max = 1000000;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, "EHLO c\r\n");
    char text[6001] = "";
    for (int i = 0; i < 1000; i++)
        memcpy(text + 6 * i, "NOOP\r\n", 7);
    for (int i = 0; i < 100 && c->is_reading; i++)
        world_say(w, c, text); /* no DRAINED comes */
    assert_false(c->is_reading);
    assert_true(c->sent.n < 128 * 1024);
    int64_t began_ms = w->now_ms;
    while (c->is_open && w->now_ms - began_ms < HOUR_MS) {
        w->now_ms += SECOND_MS;
        if (engine_deadline_ms(w->e) <= w->now_ms)
            world_tell(w, (struct engine_event){.kind = EVENT_TICK});
    }
    assert_int_equal(w->now_ms - began_ms, 5 * MINUTE_MS);
    assert_struck(w, NOTE_LIMIT_IDLE_TIME, 1);
    all_gone(w);
    world_down(w);
}

/* It sends though nobody reads (the driver would not let it). */
static void input_that_nobody_reads(void **state)
{
    struct world *w = world_new();
    w->holds_appends = true;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, ENVELOPE "BDAT 1 LAST\r\nx");
    assert_true(c->is_open);
    static char text[10001];
    memset(text, 'x', 10000);
    for (int i = 0; i < 20 && c->is_open; i++)
        world_say(w, c, text);
    assert_false(c->is_open);
    assert_struck(w, NOTE_LIMIT_UNREAD_INPUT, 1);
    world_down(w);
}

static void lines_and_sizes(void **state)
{
    struct world *w = world_new();
    w->opt.message_bytes_max = 100000;
    world_start(w);
    struct world_conn *c = world_client(w);
    static char text[70001];
    memset(text, 'x', 70000);
    world_say(w, c, text); /* a command without an end */
    world_expect(c, "500 5.5.6 ");
    assert_false(c->is_open);
    assert_struck(w, NOTE_LIMIT_LINE_LENGTH, 1);
    c = world_client(w);
    world_say(w, c, ENVELOPE "DATA\r\n");
    world_say(w, c, text); /* a line of a message */
    world_say(w, c, "\r\n.\r\n");
    world_expect(c, "550 5.6.0 a line of the message is too long");
    assert_struck(w, NOTE_LIMIT_LINE_LENGTH, 2);
    world_say(w, c, "MAIL FROM:<s@sender.example> SIZE=100001\r\n");
    world_expect(c, "552 5.3.4");
    assert_int_equal(w->limits[NOTE_LIMIT_MESSAGE_SIZE], 1);
    world_log_has(w, "rejected ip=127.0.0.1 limit=max_message_size ");
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_in_every_state),
        cmocka_unit_test(silent_in_a_message),
        cmocka_unit_test(slow_in_tls_and_auth),
        cmocka_unit_test(idle_timeout_is_the_most),
        cmocka_unit_test(floods_end),
        cmocka_unit_test(their_ends_are_configured),
        cmocka_unit_test(a_flood_of_recipients),
        cmocka_unit_test(recipients_of_a_session),
        cmocka_unit_test(messages_of_a_session),
        cmocka_unit_test(large_chunks),
        cmocka_unit_test(many_small_chunks),
        cmocka_unit_test(replies_that_nobody_reads),
        cmocka_unit_test(input_that_nobody_reads),
        cmocka_unit_test(lines_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
