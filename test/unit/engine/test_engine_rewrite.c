/* test_engine_rewrite.c -- aliases, maps and staging between RCPT and the remote. */
#include "engine_world.h"

static struct slice targets[][2] = {{{"r@a.example", 11}, {"r@b.example", 11}},
                                    {{"@sender.example", 15}}};
static struct rewrite_rule aliases[] = {{{"root", 4}, targets[0], 2}};
static struct rewrite_rule senders[] = {{{"*@*.sender.example", 18}, targets[1], 1}};
static struct slice allow[] = {{"*@b.example", 11}};
static struct slice bcc[] = {{"keep@implicit.example", 21}};

static struct rewrite_options staging(void)
{
    return (struct rewrite_options){.environment = REWRITE_STAGING,
                                    .staging_mailbox = SLICE("stage@implicit.example"),
                                    .staging_allow = allow,
                                    .staging_allow_count = 1};
}

static struct world *up(struct rewrite_options o)
{
    struct world *w = world_new();
    w->opt.rewrite = o;
    world_start(w);
    return w;
}

/* The accept record of a message with these recipients, before it is on disk. */
static struct queue_accept offer(struct world *w, const char *from, const char *to,
                                 const char *message)
{
    struct world_conn *c = world_client(w);
    struct queue_accept a;
    world_envelope(w, c, from, to);
    world_say(w, c, message);
    assert_int_equal(w->append_count, 1);
    assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
    return a;
}

static bool has(struct slice text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static void an_alias_becomes_several_recipients(void **state)
{
    struct world *w = up((struct rewrite_options){.domain = SLICE("corp.example"),
                                                  .aliases = aliases,
                                                  .alias_count = 1,
                                                  .senders = senders,
                                                  .sender_count = 1});
    struct queue_accept a =
        offer(w, "s@www.sender.example", "root r@a.example", "Subject: x\r\n\r\nhello\r\n.\r\n");
    assert_int_equal(a.envelope.recipient_count, 2); /* r@a.example once */
    assert_true(slice_eq(a.envelope.sender, SLICE("s@sender.example")));
    assert_true(has(a.recipients, "r@a.example") && has(a.recipients, "r@b.example"));
    assert_true(has(a.dsn, "rfc822;root@corp.example"));
    assert_true(slice_eq(a.tail, SLICE("Subject: x\r\n\r\nhello\r\n")));
    assert_false(has(a.prefix, "X-Original-To"));
    assert_int_equal(w->notes[NOTE_REWRITTEN], 3); /* the sender and two recipients */
    world_log_has(w, "original=root@corp.example");
    world_appended(w, 0, ERR_OK);
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    world_all_done(w);
    world_down(w);
}

static void from_where_it_is_missing(void **state)
{
    static const struct {
        const char *from, *message, *field;
    } row[] = {
        {"s@sender.example", "Subject: x\r\n\r\nhello\r\n.\r\n", "From: <s@sender.example>\r\n"},
        {"s@sender.example", "From: a@b\r\n\r\nhello\r\n.\r\n", NULL},
        {"", "Subject: x\r\n\r\nhello\r\n.\r\n", NULL},
        {"s@sender.example", "no header\r\n.\r\n", "From: <s@sender.example>\r\n\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct world *w = world_up();
        struct queue_accept a = offer(w, row[i].from, "r@a.example", row[i].message);
        assert_int_equal(has(a.prefix, row[i].field ? row[i].field : "\nFrom:"),
                         row[i].field != NULL);
        world_down(w);
    }
}

static void everybody_and_the_archive(void **state)
{
    struct world *w = up((struct rewrite_options){.always_bcc = bcc, .always_bcc_count = 1});
    struct queue_accept a =
        offer(w, "s@sender.example", "r@a.example", "Subject: x\r\n\r\nhello\r\n.\r\n");
    assert_int_equal(a.envelope.recipient_count, 2);
    assert_true(has(a.recipients, "keep@implicit.example"));
    assert_false(has(a.prefix, "keep@")); /* Received names nobody where there are several */
    world_down(w);
}

static void staging_sends_to_its_mailbox(void **state)
{
    struct world *w = up(staging());
    struct world_conn *c = world_client(w);
    world_expect(c, "220 relay.example ESMTP Outpost STAGING\r\n");
    assert_true(world_stats(w).is_staging);
    struct queue_accept a = offer(w, "s@sender.example", "r@a.example t@a.example ok@b.example",
                                  "Subject: x\r\n\r\nhello\r\n.\r\n");
    assert_int_equal(a.envelope.recipient_count, 2);
    assert_true(has(a.recipients, "stage@implicit.example") && has(a.recipients, "ok@b.example"));
    assert_false(has(a.recipients, "@a.example"));
    assert_true(has(a.prefix, "X-Original-To: <r@a.example>\r\nX-Original-To: <t@a.example>\r\n"));
    assert_false(has(a.prefix, "ok@b.example"));
    world_appended(w, 0, ERR_OK);
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    world_all_done(w);
    world_down(w);
}

/* What no longer fits into X-Original-To is put off, not redirected without a trace. */
static void staging_never_forgets_whom_it_was_for(void **state)
{
    struct world *w = up(staging());
    struct world_conn *c = world_client(w);
    world_say(w, c, "EHLO client\r\nMAIL FROM:<s@sender.example>\r\n");
    int taken = 0;
    (void)world_heard(c);
    for (int i = 0; i < 400; i++) {
        char line[64];
        snprintf(line, sizeof line, "RCPT TO:<r%d@a.example>\r\n", i);
        world_say(w, c, line);
        taken += !strncmp(world_heard(c), "250", 3);
    }
    assert_in_range(taken, 100, 200);
    world_say(w, c, "DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n");
    struct queue_accept a;
    assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
    int fields = 0;
    for (size_t i = 0; i + 14 < a.prefix.n; i++)
        fields += !memcmp(a.prefix.p + i, "X-Original-To:", 14);
    assert_int_equal(fields, taken);
    assert_int_equal(a.envelope.recipient_count, 1);
    world_down(w);
}

/* A queue from before staging, and one whose host was cloned. */
static void staging_keeps_an_old_queue_back(void **state)
{
    for (int is_reload = 0; is_reload < 2; is_reload++) {
        struct world *w = world_up();
        w->holds_lookups = true;
        world_submit(w, "s@sender.example", "r@a.example ok@b.example");
        w->opt.rewrite = staging();
        if (is_reload) {
            world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
            w->holds_lookups = false;
            world_answered(w);
        } else {
            w->holds_lookups = false;
            world_crash(w);
        }
        world_pass(w, 3600 * 1000);
        assert_int_equal(w->mail_count, 1); /* to ok@b.example */
        assert_int_equal(world_stats(w).recipients, 1);
        w->opt.rewrite = (struct rewrite_options){0};
        world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
        world_pass(w, 3600 * 1000);
        assert_int_equal(w->mail_count, 2);
        world_all_done(w);
        world_down(w);
    }
}

/* The sender of what expires is a recipient too. */
static void staging_redirects_reports(void **state)
{
    struct world *w = up(staging());
    struct queue_accept a =
        offer(w, "s@sender.example", "r@null.example", "Subject: x\r\n\r\nhello\r\n.\r\n");
    assert_int_equal(a.envelope.recipient_count, 1);
    world_appended(w, 0, ERR_OK);
    world_settle(w);
    world_all_done(w);
    w->opt.rewrite.staging_mailbox = SLICE("stage@null.example"); /* it bounces */
    w->opt.rewrite.staging_allow_count = 0;
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    unsigned mails = w->mail_count;
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_REPORTED], 1);
    world_log_has(w, "to=stage@null.example");
    assert_int_equal(w->mail_count, mails); /* nothing went to s@sender.example */
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_becomes_several_recipients),
        cmocka_unit_test(from_where_it_is_missing),
        cmocka_unit_test(everybody_and_the_archive),
        cmocka_unit_test(staging_sends_to_its_mailbox),
        cmocka_unit_test(staging_never_forgets_whom_it_was_for),
        cmocka_unit_test(staging_keeps_an_old_queue_back),
        cmocka_unit_test(staging_redirects_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
