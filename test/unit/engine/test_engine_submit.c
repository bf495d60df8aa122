/* test_engine_submit.c -- the door for clients: what comes before the 250, and who is refused. */
#include "engine_world.h"

static void a_250_comes_after_the_record_is_on_disk(void **state)
{
    struct world *w = world_up();
    w->holds_lookups = true;
    struct world_conn *c = world_client(w);
    world_expect(c, "220 relay.example");
    world_envelope(w, c, "s@sender.example", "r@a.example");
    world_say(w, c, "Subject: x\r\n\r\nhello\r\n");
    assert_int_equal(w->append_count, 0);
    world_say(w, c, ".\r\n");
    assert_int_equal(w->append_count, 1);
    const struct world_record *r = &w->append[0];
    assert_int_equal(r->type, QUEUE_RECORD_ACCEPT);
    assert_true(r->needs_sync && r->is_admission);
    assert_string_equal(world_heard(c), "");
    assert_int_equal(w->notes[NOTE_ACCEPTED], 0);
    assert_int_equal(world_stats(w).messages, 0);

    struct queue_accept a;
    assert_int_equal(queue_accept_parse(buf_slice(&r->payload), &a), PARSE_DONE);
    assert_true(slice_eq(a.envelope.sender, SLICE("s@sender.example")));
    assert_true(slice_eq(a.envelope.client, SLICE("127.0.0.1")));
    assert_true(slice_starts(a.prefix, SLICE("Received: from client")));
    assert_true(slice_eq(a.tail, SLICE("Subject: x\r\n\r\nhello\r\n")));
    assert_int_equal(a.envelope.wire_bytes, a.prefix.n + a.tail.n);

    world_appended(w, 0, ERR_OK);
    world_expect(c, "250 2.0.0 ");
    assert_int_equal(w->notes[NOTE_ACCEPTED], 1);
    assert_int_equal(world_stats(w).messages, 1);
    assert_int_equal(w->lookup_count, 1); /* and it is on its way */
    world_down(w);
}

/* What MAIL and RCPT ask for stands in the record, and in the queue afterwards. */
static void parameters_are_stored(void **state)
{
    struct world *w = world_up();
    w->holds_lookups = true;
    struct world_conn *c = world_client(w);
    world_expect(c, "220 ");
    world_say(w, c,
              "EHLO client\r\n"
              "MAIL FROM:<\xc3\xa4@sender.example> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=Q+2B1\r\n"
              "RCPT TO:<r@a.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@a.example\r\n"
              "RCPT TO:<r@b.example>\r\n"
              "RCPT TO:<r@a.example> NOTIFY=NEVER\r\n" /* again: the first counts */
              "BDAT 15\r\nSubject: \xc3\xa4\r\n\r\n"
              "BDAT 4 LAST\r\n.");
    (void)world_heard(c);
    assert_int_equal(w->append_count, 0);
    world_tell(w,
               (struct engine_event){.kind = EVENT_BYTES, .conn = c->id, .bytes = SLICE("a\r\n")});
    assert_int_equal(w->append_count, 1);
    struct queue_accept a;
    assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
    assert_true(a.envelope.is_utf8 && a.envelope.is_8bit && !a.envelope.requires_tls);
    assert_int_equal(a.envelope.ret, MAIL_RET_HDRS);
    assert_true(slice_eq(a.envelope.envid, SLICE("Q+2B1")));
    assert_true(slice_eq(a.tail, SLICE("Subject: \xc3\xa4\r\n\r\n..a\r\n")));
    assert_true(memmem(a.prefix.p, a.prefix.n, "with UTF8SMTP", 13) != NULL);
    struct queue_dsn dsn;
    assert_int_equal(a.envelope.recipient_count, 2);
    assert_true(queue_accept_next_dsn(&a.dsn, &dsn));
    assert_int_equal(dsn.notify, MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_DELAY);
    assert_true(slice_eq(dsn.orcpt, SLICE("rfc822;old@a.example")));
    assert_true(queue_accept_next_dsn(&a.dsn, &dsn));
    assert_true(!dsn.notify && !dsn.orcpt.n);
    world_appended(w, 0, ERR_OK);
    world_down(w);
}

/* A message's ORCPTs together are bounded: the record has to fit. */
static void orcpt_has_a_limit(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_expect(c, "220 ");
    world_say(w, c, "EHLO client\r\nMAIL FROM:<s@sender.example>\r\n");
    (void)world_heard(c);
    char line[1000], address[MAIL_ORCPT_BYTES_MAX];
    memset(address, 'x', sizeof address);
    unsigned taken = 0, most = QUEUE_ORCPT_BYTES_MAX / MAIL_ORCPT_BYTES_MAX;
    for (unsigned i = 0; i <= most; i++) {
        snprintf(line, sizeof line, "RCPT TO:<r%u@a.example> ORCPT=rfc822;%.*s\r\n", i,
                 MAIL_ORCPT_BYTES_MAX - 7, address);
        world_say(w, c, line);
        const char *said = world_heard(c);
        taken += strncmp(said, "250 ", 4) == 0;
        if (i == most)
            assert_string_equal(said, "452 4.5.3 too many recipients\r\n");
    }
    assert_int_equal(taken, most);
    world_say(w, c, "RCPT TO:<one-more@a.example>\r\n");
    world_expect(c, "250 2.1.5 ");
    world_down(w);
}

static void a_failed_write_is_452(void **state)
{
    static const enum err errs[] = {ERR_SYSTEM, ERR_FULL, ERR_BUSY};
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    for (size_t i = 0; i < COUNT_OF(errs); i++) {
        world_envelope(w, c, "s@sender.example", "r@a.example");
        world_say(w, c, "x: y\r\n\r\n.\r\n");
        world_appended(w, 0, errs[i]);
        world_expect(c, errs[i] == ERR_SYSTEM ? "452 4.3.1 the queue cannot be written"
                        : errs[i] == ERR_FULL ? "452 4.3.1 the queue is full"
                                              : "452 4.3.1 ");
        assert_int_equal(world_stats(w).messages, 0);
        assert_int_equal(w->notes[NOTE_STORE_FAILED], i + 1);
    }
    world_envelope(w, c, "s@sender.example", "r@a.example"); /* the session goes on */
    world_say(w, c, "x: y\r\n\r\n.\r\n");
    world_appended(w, 0, ERR_OK);
    world_expect(c, "250 2.0.0 ");
    assert_false(world_stats(w).is_store_failing);
    world_down(w);
}

static void byte_by_byte_is_the_same(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    for (const char *p = "EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<r@a.example>\r\n"
                         "DATA\r\nx: y\r\n\r\n..dot\r\n.\r\n";
         *p; p++)
        world_bytes(w, c->id, (char[]){*p, 0});
    assert_int_equal(w->append_count, 1);
    struct queue_accept a;
    assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
    assert_true(slice_eq(a.tail, SLICE("x: y\r\n\r\n..dot\r\n")));
    world_down(w);
}

/* Two messages and a QUIT in one write: the second waits for the first's answer. */
static void pipelined_messages_wait_their_turn(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_say(w, c,
              "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<r@a.example>\r\nDATA\r\n"
              "x: y\r\n\r\n1\r\n.\r\n"
              "MAIL FROM:<>\r\nRCPT TO:<r@b.example>\r\nDATA\r\n");
    assert_int_equal(w->append_count, 1);
    assert_false(c->is_reading);
    world_appended(w, 0, ERR_OK);
    assert_true(c->is_reading);
    world_say(w, c, "x: y\r\n\r\n2\r\n.\r\nQUIT\r\n");
    assert_int_equal(w->append_count, 1);
    assert_true(c->is_open);
    world_appended(w, 0, ERR_OK);
    world_expect(c, "221 ");
    assert_false(c->is_open);
    assert_int_equal(w->notes[NOTE_ACCEPTED], 2);
    world_down(w);
}

static void what_is_missing_is_added(void **state)
{
    static const struct {
        const char *shown, *header;
        bool date, id, blank;
    } rows[] = {
        {"nothing", "Subject: x\r\n\r\n", true, true, false},
        {"a date", "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n", false, true, false},
        {"an id", "message-ID: <a@b>\r\n\r\n", true, false, false},
        {"no header at all", "just text\r\n", true, true, true},
    };
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        world_envelope(w, c, "s@sender.example", "r@a.example");
        world_say(w, c, rows[i].header);
        world_say(w, c, ".\r\n");
        struct queue_accept a;
        assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
        char *prefix = mem_dup(a.prefix.p, a.prefix.n);
        assert_int_equal(!!strstr(prefix, "\r\nDate: "), rows[i].date);
        assert_int_equal(!!strstr(prefix, "\r\nMessage-ID: "), rows[i].id);
        assert_int_equal(slice_ends_nocase(a.prefix, SLICE("\r\n\r\n")), rows[i].blank);
        mem_free(prefix);
        world_appended(w, 0, ERR_OK);
        world_expect(c, "250 2.0.0");
    }
    world_down(w);
}

static void a_recipient_named_twice_is_one(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example q@a.example r@A.example r@a.example");
    world_say(w, c, "x: y\r\n\r\n.\r\n");
    world_appended(w, 0, ERR_OK);
    assert_int_equal(world_stats(w).recipients, 2);
    world_down(w);
}

static void strangers_may_not_relay(void **state)
{
    static const enum smtp_auth_mode modes[] = {SMTP_AUTH_REQUIRED, SMTP_AUTH_OPTIONAL,
                                                SMTP_AUTH_OFF};
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct world *w = world_new();
        w->listener[0].auth = modes[i];
        world_start(w);
        struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
        world_say(w, c,
                  "EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<r@a.example>\r\n"
                  "DATA\r\n");
        const char *heard = world_heard(c);
        assert_null(strstr(heard, "354"));
        assert_true(strstr(heard, "\r\n550 5.7.1") || strstr(heard, "\r\n530 5.7.0"));
        world_down(w);
    }
    struct world *w = world_new();
    w->opt.trusted_network_count = 0;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, "EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<r@a.example>\r\n");
    world_expect(c, "530 5.7.0");
    world_down(w);
}

/* Who may open a Unix socket may relay; who it is stands in the field, the record and the log. */
static void a_unix_client_is_known_by_its_uid(void **state)
{
    static const struct {
        const char *who, *client, *field;
    } rows[] = {
        {"uid=1000 bob", "uid=1000 bob", "Received: from x (uid=1000 bob)\r\n"},
        {"uid=1000 bob drop=m0", "uid=1000 bob drop=m0",
         "Received: from x (uid=1000 bob drop=m0)\r\n"},
        {"", "local", "Received: from x (local)\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new();
        w->opt.trusted_network_count = 0;
        world_start(w);
        struct engine_event ev = {.kind = EVENT_ACCEPTED,
                                  .is_unix = true,
                                  .text = slice_cstr(rows[i].who),
                                  .conn = w->next_in};
        struct world_conn *c = world_conn_new(w, w->next_in);
        w->next_in += 2;
        world_tell(w, ev);
        world_say(w, c,
                  "EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\n"
                  "x: y\r\n\r\n.\r\n");
        struct queue_accept a;
        assert_int_equal(w->append_count, 1);
        assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
        assert_true(slice_eq(a.envelope.client, slice_cstr(rows[i].client)));
        if (!slice_starts(a.prefix, slice_cstr(rows[i].field)))
            fail_msg("%.*s", SLICE_FMT(a.prefix));
        world_appended(w, 0, ERR_OK);
        world_expect(c, "250 2.0.0");
        world_log_has(w, rows[i].client);
        world_down(w);
    }
}

/* STARTTLS and a login by AUTH PLAIN as "app". */
static void log_in(struct world *w, struct world_conn *c, enum engine_login login)
{
    world_say(w, c, "EHLO x\r\nSTARTTLS\r\n");
    world_expect(c, "\r\n220 ");
    assert_true(c->wants_tls_server);
    static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                          .cipher = SLICE_INIT("X")};
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
    world_say(w, c, "EHLO x\r\nAUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
    assert_string_equal(w->login_user, "app");
    assert_string_equal(w->login_password, "secret");
    (void)world_heard(c);
    world_tell(w, (struct engine_event){.kind = EVENT_LOGIN, .conn = c->id, .login = login});
}

static struct slice patterns[] = {SLICE_INIT("*@sender.example")};
static struct engine_user users[] = {
    {.name = SLICE_INIT("app"), .senders = patterns, .sender_count = 1}};

static struct world *world_with_users(void)
{
    struct world *w = world_new();
    w->opt.users = users;
    w->opt.user_count = 1;
    world_start(w);
    return w;
}

static void logins(void **state)
{
    static const struct {
        enum engine_login login;
        const char *reply;
        enum note_kind note;
    } rows[] = {{LOGIN_OK, "235 ", NOTE_LOGIN},
                {LOGIN_WRONG, "535 5.7.8", NOTE_LOGIN_FAILED},
                {LOGIN_TROUBLE, "454 4.7.0", NOTE_LOGIN_FAILED}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_with_users();
        struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
        log_in(w, c, rows[i].login);
        world_expect(c, rows[i].reply);
        assert_int_equal(w->notes[rows[i].note], 1);
        world_say(w, c, "MAIL FROM:<s@sender.example>\r\n");
        world_expect(c, rows[i].login == LOGIN_OK ? "250 " : "530 5.7.0");
        world_down(w);
    }
}

static void a_login_may_send_only_as_its_senders(void **state)
{
    struct world *w = world_with_users();
    struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
    log_in(w, c, LOGIN_OK);
    world_say(w, c, "MAIL FROM:<boss@other.example>\r\n");
    world_expect(c, "553 5.7.1");
    world_say(w, c, "MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<a@sender.example>\r\n");
    world_expect_not(c, "553");
    world_say(w, c, "RCPT TO:<r@a.example>\r\nDATA\r\nx: y\r\n\r\n.\r\n");
    struct queue_accept a;
    assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
    assert_true(slice_eq(a.envelope.user, SLICE("app")));
    world_down(w);
}

/* The user is taken out of the configuration while logged in. */
static void a_login_ends_with_its_user(void **state)
{
    struct world *w = world_with_users();
    struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
    log_in(w, c, LOGIN_OK);
    struct engine_options less = w->opt;
    less.user_count = 0;
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &less});
    world_say(w, c, "MAIL FROM:<a@sender.example>\r\n");
    world_expect(c, "\r\n530 5.7.0");
    world_down(w);
}

/* The client does not wait for its answer: the message counts all the same, or fails alone. */
static void the_client_leaves_before_the_answer(void **state)
{
    for (int is_failing = 0; is_failing < 2; is_failing++) {
        struct world *w = world_with_users();
        struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
        log_in(w, c, LOGIN_OK);
        world_say(w, c,
                  "MAIL FROM:<a@sender.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\n"
                  "Message-ID: <1@x>\r\n\r\nhello\r\n.\r\n");
        world_closed(w, c, ERR_CLOSED, "end of file");
        world_appended(w, 0, is_failing ? ERR_SYSTEM : ERR_OK);
        assert_int_equal(world_stats(w).messages, !is_failing);
        if (!is_failing)
            world_log_has(w, "user=app");
        world_settle(w);
        world_down(w);
    }
}

static void the_client_leaves_during_a_login(void **state)
{
    struct world *w = world_with_users();
    struct world_conn *c = world_client_of(w, "127.0.0.1", 0);
    log_in(w, c, LOGIN_WRONG);
    world_say(w, c, "AUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
    assert_int_equal(w->logins, 2);
    world_closed(w, c, ERR_CLOSED, "end of file");
    world_tell(w, (struct engine_event){.kind = EVENT_LOGIN, .conn = c->id, .login = LOGIN_OK});
    assert_int_equal(world_stats(w).sessions, 0);
    world_down(w);
}

/* Large bodies */

static void say_lines(struct world *w, struct world_conn *c, size_t bytes)
{
    char block[4097];
    for (size_t i = 0; i < 4096; i++)
        block[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (char)('a' + i % 26);
    block[4096] = 0;
    for (size_t n = 0; n < bytes; n += 4096)
        world_say(w, c, block);
}

static void large_bodies_go_in_chunks(void **state)
{
    struct world *w = world_up();
    w->holds_lookups = true;
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    world_say(w, c, "x: y\r\n\r\n");
    say_lines(w, c, 3 * QUEUE_CHUNK_BYTES);
    assert_int_equal(w->append_count, 3);
    assert_false(c->is_reading); /* the disk is to catch up */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w->append[i].type, QUEUE_RECORD_CHUNK);
        assert_int_equal(w->append[i].payload.n, QUEUE_CHUNK_BYTES);
        assert_false(w->append[i].needs_sync);
    }
    world_appended(w, 0, ERR_OK);
    assert_true(c->is_reading);
    world_say(w, c, ".\r\n");
    assert_int_equal(w->append_count, 2); /* the end waits for all of them */
    world_appended(w, 0, ERR_OK);
    assert_int_equal(w->append_count, 1);
    world_appended(w, 0, ERR_OK);
    assert_int_equal(w->append_count, 1);
    struct queue_accept a;
    assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
    assert_int_equal(a.envelope.extent_count, 3);
    assert_int_equal(a.envelope.wire_bytes, a.prefix.n + 8 + 3 * QUEUE_CHUNK_BYTES);
    assert_int_equal(queue_accept_extent(&a, 1).offset, w->record[1].pos.offset);
    assert_string_equal(world_heard(c), "");
    world_appended(w, 0, ERR_OK);
    world_expect(c, "250 2.0.0");
    assert_int_equal(world_stats(w).bytes, a.envelope.wire_bytes);
    world_down(w);
}

static void a_chunk_that_fails_fails_the_message(void **state)
{
    for (unsigned bad = 0; bad < 3; bad++) {
        for (int is_early = 0; is_early < 2; is_early++) {
            struct world *w = world_up();
            struct world_conn *c = world_client(w);
            world_envelope(w, c, "s@sender.example", "r@a.example");
            say_lines(w, c, 2 * QUEUE_CHUNK_BYTES);
            if (is_early) {
                for (unsigned i = 0; i < 2; i++)
                    world_appended(w, 0, i == bad ? ERR_SYSTEM : ERR_OK);
                say_lines(w, c, QUEUE_CHUNK_BYTES);
                while (w->append_count)
                    world_appended(w, 0, bad == 2 ? ERR_SYSTEM : ERR_OK);
                world_say(w, c, ".\r\n");
            } else {
                world_say(w, c, ".\r\n");
                for (unsigned i = 0; i < 2; i++)
                    world_appended(w, 0, i == bad % 2 ? ERR_SYSTEM : ERR_OK);
            }
            assert_int_equal(w->append_count, 0); /* no accept record */
            world_expect(c, "452 4.3.1");
            assert_int_equal(world_stats(w).messages, 0);
            world_envelope(w, c, "s@sender.example", "r@a.example");
            world_say(w, c, "x: y\r\n\r\n.\r\n");
            world_appended(w, 0, ERR_OK);
            world_expect(c, "250 2.0.0");
            world_down(w);
        }
    }
}

static void the_client_leaves_in_a_large_body(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    say_lines(w, c, 2 * QUEUE_CHUNK_BYTES);
    world_appended(w, 0, ERR_OK);
    world_closed(w, c, ERR_CLOSED, "end of file");
    world_new_segment(w);
    world_appended(w, 0, ERR_OK);
    assert_int_equal(world_stats(w).sessions, 0);
    assert_true(w->is_released[w->record[0].pos.segment]); /* nothing holds the chunk */
    world_tell(w, (struct engine_event){.kind = EVENT_STOP});
    assert_true(engine_is_quiet(w->e));
    world_down(w);
}

/* Freed with appends, look-ups and sessions under way: nothing may leak. */
static void the_end_in_the_middle(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    say_lines(w, c, 2 * QUEUE_CHUNK_BYTES);
    c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    say_lines(w, c, 2 * QUEUE_CHUNK_BYTES);
    world_closed(w, c, ERR_CLOSED, "end of file");
    c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    world_say(w, c, "x: y\r\n\r\n.\r\n");
    world_down(w);
}

/* Limits */

static void a_full_queue_refuses(void **state)
{
    struct world *w = world_new();
    w->opt.queue_bytes_max = 100000;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, "EHLO x\r\nMAIL FROM:<s@sender.example> SIZE=100001\r\n");
    world_expect(c, "452 4.3.1");
    world_envelope(w, c, "s@sender.example", "r@a.example");
    struct world_conn *d = world_client(w);
    world_envelope(w, d, "s@sender.example", "r@a.example");
    say_lines(w, c, 61440);
    say_lines(w, d, 61440); /* both arrive: only one has room */
    world_say(w, c, ".\r\n");
    world_expect(c, "452 4.3.1");
    world_say(w, d, ".\r\n");
    world_appended(w, 0, ERR_OK);
    world_expect(d, "250 2.0.0");
    world_say(w, c, "MAIL FROM:<s@sender.example> SIZE=50000\r\n");
    world_expect(c, "452 4.3.1");
    assert_int_equal(w->limits[NOTE_LIMIT_QUEUE_SIZE], 3);
    world_say(w, c, "MAIL FROM:<s@sender.example> SIZE=1000\r\n");
    world_expect(c, "250 ");
    world_down(w);
}

static void too_many_connections(void **state)
{
    struct world *w = world_new();
    w->opt.connections_max = 2;
    world_start(w);
    struct world_conn *a = world_client(w), *b = world_client(w), *c = world_client(w);
    world_expect(a, "220 ");
    world_expect(b, "220 ");
    world_expect(c, "421 ");
    assert_false(c->is_open);
    world_say(w, a, "QUIT\r\n");
    c = world_client(w);
    world_expect(c, "220 ");
    world_down(w);
}

static void too_many_recipients(void **state)
{
    struct world *w = world_new();
    w->opt.recipients_max = 3;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_say(w, c, "EHLO x\r\nMAIL FROM:<s@sender.example>\r\n");
    for (int i = 0; i < 3; i++) {
        char text[64];
        snprintf(text, sizeof text, "RCPT TO:<r%d@a.example>\r\n", i);
        world_say(w, c, text);
        world_expect_not(c, "452");
    }
    world_say(w, c, "RCPT TO:<one-more@a.example>\r\n");
    world_expect(c, "452 4.5.3");
    world_down(w);
}

static void loops_are_refused(void **state)
{
    static const struct {
        int received;
        const char *reply;
    } rows[] = {{100, "250 2.0.0"}, {101, "554 5.4.6"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_up();
        struct world_conn *c = world_client(w);
        world_envelope(w, c, "s@sender.example", "r@a.example");
        for (int k = 0; k < rows[i].received; k++)
            world_say(w, c, "Received: from x by y\r\n");
        world_say(w, c, "\r\n.\r\n");
        if (w->append_count)
            world_appended(w, 0, ERR_OK);
        world_expect(c, rows[i].reply);
        world_down(w);
    }
}

static void idle_clients_are_sent_away(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_say(w, c, "EHLO x\r\n");
    (void)world_heard(c);
    world_pass(w, w->opt.idle_ms - 1);
    assert_true(c->is_open);
    world_say(w, c, "NOOP\r\n");
    world_pass(w, w->opt.idle_ms - 1);
    assert_true(c->is_open);
    world_pass(w, 2);
    world_expect(c, "421 4.");
    assert_false(c->is_open);
    assert_int_equal(world_stats(w).sessions, 0);
    world_down(w);
}

/* Who waits for us is not idle. */
static void no_timer_runs_while_the_disk_works(void **state)
{
    struct world *w = world_up();
    w->holds_appends = true;
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    world_say(w, c, "x: y\r\n\r\n.\r\n");
    world_pass(w, 10 * w->opt.idle_ms);
    assert_true(c->is_open);
    world_appended(w, 0, ERR_OK);
    world_expect(c, "250 2.0.0");
    world_down(w);
}

/* A client that sends and never reads: replies do not pile up without end. */
static void replies_that_nobody_reads(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_cstr(&text, "EHLO x\r\nMAIL FROM:<s@sender.example>\r\n");
    while (text.n < 60000)
        buf_add_cstr(&text, "RCPT TO:<x>\r\n");
    world_say(w, c, buf_cstr(&text));
    for (int i = 0; i < 100 && c->is_open; i++) {
        if (!c->is_reading)
            break;
        world_say(w, c, buf_cstr(&text));
    }
    assert_true(!c->is_reading || !c->is_open);
    assert_true(c->sent.n < 300000);
    world_settle(w); /* it reads after all */
    assert_true(c->is_reading || !c->is_open);
    buf_close(&text);
    world_down(w);
}

static void bytes_against_our_will_end_the_session(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    world_say(w, c, "x: y\r\n\r\n.\r\n");
    assert_true(c->is_reading); /* so that its leaving is noticed; one read is let in */
    say_lines(w, c, 1024);
    assert_false(c->is_reading);
    say_lines(w, c, 100 * 1024);
    assert_true(c->is_open);
    say_lines(w, c, 64 * 1024);
    assert_false(c->is_open);
    world_appended(w, 0, ERR_OK);
    assert_int_equal(world_stats(w).messages, 1);
    world_down(w);
}

static void a_message_may_not_take_for_ever(void **state)
{
    struct world *w = world_new();
    w->opt.data_rate_min = 0;
    world_start(w);
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    for (int minutes = 0; minutes < 119; minutes++) {
        world_say(w, c, "x");
        world_pass(w, 60000);
        assert_true(c->is_open);
    }
    world_say(w, c, "x");
    world_pass(w, 60001);
    assert_false(c->is_open);
    world_expect(c, "421 4.4.2 ");
    world_down(w);
}

static void stopping(void **state)
{
    struct world *w = world_up();
    struct world_conn *idle = world_client(w), *busy = world_client(w), *stored = world_client(w);
    world_envelope(w, busy, "s@sender.example", "r@a.example");
    world_envelope(w, stored, "s@sender.example", "r@a.example");
    world_say(w, stored, "x: y\r\n\r\n.\r\n");
    (void)world_heard(idle);
    world_tell(w, (struct engine_event){.kind = EVENT_STOP});
    world_expect(idle, "421 4.3.2");
    assert_false(idle->is_open);
    assert_true(busy->is_open && stored->is_open);
    assert_false(engine_is_quiet(w->e));
    struct world_conn *late = world_client(w);
    world_expect(late, "421 ");
    world_appended(w, 0, ERR_OK);
    world_expect(stored, "250 2.0.0");
    assert_false(stored->is_open);
    world_say(w, busy, "x: y\r\n\r\n.\r\n");
    world_appended(w, 0, ERR_OK);
    world_expect(busy, "250 2.0.0");
    assert_false(busy->is_open);
    world_settle(w);
    assert_true(engine_is_quiet(w->e));
    assert_int_equal(world_out(w), 0); /* nothing new was begun */
    world_crash(w);
    assert_int_equal(world_stats(w).messages, 2);
    world_down(w);
}

static void implicit_tls_greets_after_the_handshake(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client_of(w, "127.0.0.1", 1);
    assert_string_equal(world_heard(c), "");
    static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                          .cipher = SLICE_INIT("X")};
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
    world_expect(c, "220 ");
    world_say(w, c, "EHLO x\r\n");
    world_expect_not(c, "STARTTLS");
    world_closed(w, c, ERR_TLS, "bad record");
    assert_int_equal(w->notes[NOTE_TLS_FAILED], 1);
    world_down(w);
}

static void events_of_unknown_connections_are_nothing(void **state)
{
    static const enum engine_event_kind kinds[] = {EVENT_BYTES,     EVENT_DRAINED, EVENT_CLOSED,
                                                   EVENT_CONNECTED, EVENT_TLS_UP,  EVENT_LOGIN};
    struct world *w = world_up();
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        for (uint64_t conn = 90; conn < 92; conn++)
            world_tell(w, (struct engine_event){.kind = kinds[i], .conn = conn});
    world_tell(w, (struct engine_event){.kind = EVENT_APPENDED, .ticket = 99});
    world_tell(w, (struct engine_event){.kind = EVENT_FETCHED, .ticket = 99});
    world_tell(w, (struct engine_event){.kind = EVENT_ANSWER, .ticket = 99});
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_250_comes_after_the_record_is_on_disk),
        cmocka_unit_test(parameters_are_stored),
        cmocka_unit_test(orcpt_has_a_limit),
        cmocka_unit_test(a_failed_write_is_452),
        cmocka_unit_test(byte_by_byte_is_the_same),
        cmocka_unit_test(pipelined_messages_wait_their_turn),
        cmocka_unit_test(what_is_missing_is_added),
        cmocka_unit_test(a_recipient_named_twice_is_one),
        cmocka_unit_test(strangers_may_not_relay),
        cmocka_unit_test(a_unix_client_is_known_by_its_uid),
        cmocka_unit_test(logins),
        cmocka_unit_test(a_login_may_send_only_as_its_senders),
        cmocka_unit_test(a_login_ends_with_its_user),
        cmocka_unit_test(the_client_leaves_before_the_answer),
        cmocka_unit_test(the_client_leaves_during_a_login),
        cmocka_unit_test(large_bodies_go_in_chunks),
        cmocka_unit_test(a_chunk_that_fails_fails_the_message),
        cmocka_unit_test(the_client_leaves_in_a_large_body),
        cmocka_unit_test(the_end_in_the_middle),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(too_many_connections),
        cmocka_unit_test(too_many_recipients),
        cmocka_unit_test(loops_are_refused),
        cmocka_unit_test(idle_clients_are_sent_away),
        cmocka_unit_test(no_timer_runs_while_the_disk_works),
        cmocka_unit_test(replies_that_nobody_reads),
        cmocka_unit_test(bytes_against_our_will_end_the_session),
        cmocka_unit_test(a_message_may_not_take_for_ever),
        cmocka_unit_test(stopping),
        cmocka_unit_test(implicit_tls_greets_after_the_handshake),
        cmocka_unit_test(events_of_unknown_connections_are_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
