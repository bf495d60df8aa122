/* test_engine_outcome.c -- what becomes of each recipient: recorded, reported, tried again, given
 * up, removed; and what the operator may do about it. */
#include "engine_world.h"

#include "smtp/smtp_client.h"

static const struct world_mail *mail_to(const struct world *w, const char *to)
{
    for (unsigned i = 0; i < w->mail_count; i++)
        if (strstr(w->mail[i].to, to))
            return &w->mail[i];
    fail_msg("no mail to %s", to);
    return NULL;
}

static void recipients_with_different_fates(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 mailbox busy", 2},
                                 {NULL, "RCPT TO:<bad", "550 5.1.1 no such user", 0},
                                 {NULL, "RCPT TO:<full", "552 5.2.2 mailbox full", 1},
                                 {0}};
    struct world *w = world_up();
    w->rules = rules;
    uint64_t id = world_submit(w, "s@sender.example",
                               "good@a.example late@a.example bad@a.example full@a.example");
    world_settle(w);
    assert_string_equal(mail_to(w, "good")->to, "good@a.example ");
    assert_int_equal(w->notes[NOTE_DELIVERED], 2); /* and the report */
    assert_int_equal(w->notes[NOTE_DEFERRED], 2);
    assert_int_equal(w->notes[NOTE_BOUNCED], 1);
    const struct world_mail *dsn = mail_to(w, "s@sender.example");
    assert_string_equal(dsn->from, "");
    assert_non_null(strstr(dsn->body, "bad@a.example"));
    assert_non_null(strstr(dsn->body, "550 5.1.1 no such user"));
    assert_non_null(strstr(dsn->body, "Status: 5.1.1"));
    assert_non_null(strstr(dsn->body, "Action: failed"));
    assert_non_null(strstr(dsn->body, "Subject: x"));
    assert_null(strstr(dsn->body, "good@a.example"));
    assert_null(strstr(dsn->body, "late@a.example"));
    assert_true(engine_has_message(w->e, id));
    assert_int_equal(world_stats(w).recipients, 2);
    world_pass(w, 48000 - 1); /* the least of 0.8 x first */
    assert_int_equal(w->notes[NOTE_DELIVERED], 2);
    world_pass(w, 24002);
    assert_int_equal(w->notes[NOTE_DELIVERED], 3);
    assert_string_equal(mail_to(w, "full")->to, "full@a.example ");
    world_pass(w, 3600000);
    assert_int_equal(w->notes[NOTE_DELIVERED], 4);
    assert_int_equal(w->notes[NOTE_DEFERRED], 3);
    world_all_done(w);
    world_down(w);
}

static void refusals_of_the_whole_message(void **state)
{
    static const struct {
        const char *shown, *prefix, *reply;
        unsigned bounced, deferred;
    } rows[] = {
        {"5xx to MAIL", "MAIL", "550 5.7.1 no", 2, 0},
        {"4xx to MAIL", "MAIL", "451 4.7.1 later", 0, 2},
        {"5xx to DATA", "DATA", "554 5.7.1 no", 2, 0},
        {"4xx to DATA", "DATA", "451 4.3.0 later", 0, 2},
        {"5xx to the dot", "DOT", "554 5.7.1 spam", 2, 0},
        {"4xx to the dot", "DOT", "452 4.3.1 full", 0, 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[] = {{"9.1.0.1", rows[i].prefix, rows[i].reply, 0},
                                     {"9.1.0.2", rows[i].prefix, rows[i].reply, 0},
                                     {0}};
        struct world *w = world_up();
        w->rules = rules;
        world_submit(w, "s@sender.example", "r@a.example q@a.example");
        world_settle(w);
        if (w->notes[NOTE_BOUNCED] != rows[i].bounced ||
            w->notes[NOTE_DEFERRED] != rows[i].deferred)
            fail_msg("%s:\n%s", rows[i].shown, buf_cstr(&w->log));
        assert_int_equal(w->notes[NOTE_REPORTED], rows[i].bounced ? 1 : 0);
        world_down(w);
    }
}

/* The fate counts only when its report is on disk, and a report that cannot be stored is made
 * again. */
static void a_report_is_on_disk_before_the_fate(void **state)
{
    struct world_rule rules[] = {{"9.1.0.1", "RCPT", "550 5.1.1 no", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "s@sender.example", "bad@a.example");
    w->holds_appends = true;
    world_settle(w);
    assert_int_equal(w->append_count, 1);
    assert_int_equal(w->append[0].type, QUEUE_RECORD_ACCEPT);
    assert_true(w->append[0].needs_sync);
    assert_false(w->append[0].is_admission); /* it may use the reserve */
    assert_int_equal(w->notes[NOTE_BOUNCED], 0);
    for (int i = 0; i < 3; i++) {
        world_appended(w, 0, ERR_FULL);
        assert_int_equal(w->append_count, 0);
        assert_int_equal(world_stats(w).recipients, 1);
        world_pass(w, 30000);
        assert_int_equal(w->append_count, 1);
    }
    world_appended(w, 0, ERR_OK);
    assert_int_equal(w->notes[NOTE_BOUNCED], 1);
    assert_int_equal(w->notes[NOTE_REPORTED], 1);
    w->holds_appends = false;
    world_settle(w);
    (void)mail_to(w, "s@sender.example");
    world_all_done(w);
    world_down(w);
}

/* A crash between the two: a second attempt, never a failure that nobody hears of. */
static void a_crash_before_the_report(void **state)
{
    for (int appended = 0; appended < 3; appended++) {
        struct world_rule rules[] = {{"9.1.0.1", "RCPT", "550 5.1.1 no", 0}, {0}};
        struct world *w = world_up();
        w->rules = rules;
        world_submit(w, "s@sender.example", "bad@a.example");
        w->holds_appends = true;
        w->holds_remotes = false;
        world_settle(w);
        for (int i = 0; i < appended && w->append_count; i++)
            world_appended(w, 0, ERR_OK);
        world_crash(w);
        w->holds_appends = false;
        world_pass(w, 60000);
        assert_true(w->notes[NOTE_REPORTED] >= 1 || appended);
        (void)mail_to(w, "s@sender.example");
        world_all_done(w);
        world_down(w);
    }
}

static void no_report_about_a_report(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT", "550 5.1.1 no", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "s@sender.example", "bad@a.example");
    world_submit(w, "", "bad@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_REPORTED], 1);
    assert_int_equal(w->notes[NOTE_REPORT_DROPPED], 2); /* its own, and the null sender's */
    assert_int_equal(w->notes[NOTE_BOUNCED], 3);
    world_all_done(w);
    world_down(w);
}

/* Unless somebody is named for it; and about what went to that one, nobody hears. */
static void double_bounces_have_a_reader(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<bad@a.example>", "550 5.1.1 no", 0},
                                 {NULL, "RCPT TO:<s@sender.example>", "550 5.1.1 nor", 0},
                                 {0}};
    struct world *w = world_new();
    w->opt.double_bounces_to = SLICE("Last@a.example");
    w->rules = rules;
    world_start(w);
    world_submit(w, "s@sender.example", "bad@a.example"); /* report, and a report about that */
    world_settle(w);
    assert_int_equal(w->notes[NOTE_REPORTED], 2);
    const struct world_mail *m = mail_to(w, "Last@a.example");
    assert_non_null(strstr(m->body, "\r\nTo: <Last@a.example>\r\n"));
    assert_non_null(strstr(m->body, "Final-Recipient: rfc822; s@sender.example\r\n"));
    assert_non_null(strstr(m->body, "\r\nSubject: Undelivered"));
    world_submit(w, "", "bad@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_REPORTED], 3);
    assert_int_equal(w->notes[NOTE_REPORT_DROPPED], 0);

    struct world_rule none[] = {{NULL, "RCPT", "550 5.1.1 no", 0}, {0}};
    w->rules = none;
    world_submit(w, "", "bad@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_REPORTED], 4);
    assert_int_equal(w->notes[NOTE_REPORT_DROPPED], 1); /* Last's own */
    world_all_done(w);
    world_down(w);
}

static void a_report_to_nowhere(void **state)
{
    struct world *w = world_up();
    world_submit(w, "s@nowhere.example", "bad@nowhere.example");
    world_submit(w, "s@[127.0.0.1]", "bad@[127.0.0.1]");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_REPORT_DROPPED], 2);
    world_all_done(w);
    world_down(w);
}

/* Larger than what a connection takes in one piece; more recipients than one report tells of. */
static void large_reports_are_delivered(void **state)
{
    char reply[501] = "550 5.7.1 ";
    memset(reply + 10, 'z', 480);
    struct world_rule rules[] = {{"9.1.0.1", "RCPT", reply, 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    struct buf to;
    buf_init(&to, 1 << 20);
    for (int i = 0; i < 250; i++)
        buf_addf(&to, "%sbad%d@a.example", i ? " " : "", i);
    world_submit(w, "s@sender.example", buf_cstr(&to));
    buf_close(&to);
    world_settle(w);
    assert_int_equal(w->notes[NOTE_BOUNCED], 250);
    assert_int_equal(w->notes[NOTE_REPORTED], 3);
    assert_int_equal(w->mail_count, 3);
    size_t most = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct slice body = slice_of(w->mail[i].body, w->mail[i].body_bytes);
        assert_true(slice_ends_nocase(body, SLICE("--\r\n")));
        most = body.n > most ? body.n : most;
    }
    assert_true(most > SMTP_CLIENT_PIECE_BYTES_MAX);
    for (int i = 0; i < 250; i++) { /* each recipient is told of */
        char name[64];
        snprintf(name, sizeof name, "Final-Recipient: rfc822; bad%d@a.example\r\n", i);
        unsigned told = 0;
        for (unsigned k = 0; k < 3; k++)
            told += !!strcasestr(w->mail[k].body, name);
        if (told != 1)
            fail_msg("%s: %u times", name, told);
    }
    world_all_done(w);
    world_down(w);
}

/* The header of the original stands in its first chunk, on disk. */
static void a_report_about_a_large_message(void **state)
{
    for (int is_unreadable = 0; is_unreadable < 2; is_unreadable++) {
        struct world_rule rules[] = {{"9.1.0.1", "RCPT", "550 5.1.1 no", 0}, {0}};
        struct world *w = world_up();
        w->rules = rules;
        w->fetch_err = is_unreadable ? ERR_DAMAGED : ERR_OK;
        struct world_conn *c = world_client(w);
        world_envelope(w, c, "s@sender.example", "bad@a.example");
        world_say(w, c, "X-Mark: here\r\n\r\n");
        for (int i = 0; i < 80; i++) {
            char line[1001];
            memset(line, 'b', 998);
            strcpy(line + 998, "\r\n");
            world_say(w, c, line);
        }
        world_say(w, c, ".\r\n");
        world_settle(w);
        const struct world_mail *dsn = mail_to(w, "s@sender.example");
        assert_int_equal(!!strstr(dsn->body, "X-Mark: here"), !is_unreadable);
        assert_null(strstr(dsn->body, "bbbbbb"));
        world_all_done(w);
        world_down(w);
    }
}

/* Time */

static void retries_grow_until_the_end(void **state)
{
    struct world_rule rules[] = {{"9.1.0.1", "RCPT", "451 4.7.1 mailbox is busy", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    uint64_t id = world_submit(w, "s@sender.example", "r@a.example");
    int64_t began = w->now_ms, last = began;
    unsigned seen = 0;
    int64_t waits[6] = {0};
    while (engine_has_message(w->e, id)) {
        world_settle(w);
        if (w->notes[NOTE_DEFERRED] > seen) {
            if (seen > 0 && seen <= 6)
                waits[seen - 1] = w->now_ms - last;
            seen = w->notes[NOTE_DEFERRED];
            last = w->now_ms;
        }
        world_pass(w, 1000);
        assert_true(w->now_ms - began < w->opt.lifetime_ms + 7200000);
    }
    for (int i = 0; i < 6; i++) {
        int64_t middle = 60000LL << i;
        assert_in_range(waits[i], middle * 8 / 10 - 1000, middle * 12 / 10 + 2000);
    }
    assert_in_range(seen, 100, 170); /* five days, an hour apart */
    assert_true(w->now_ms - began >= w->opt.lifetime_ms);
    assert_true(w->now_ms - began <= w->opt.lifetime_ms + 2000);
    assert_int_equal(w->notes[NOTE_EXPIRED], 1);
    assert_int_equal(w->notes[NOTE_REPORTED], 2); /* delayed, then failed */
    assert_int_equal(w->mail_count, 2);
    assert_non_null(strstr(w->mail[0].body, "Action: delayed"));
    assert_non_null(strstr(w->mail[0].body, "mailbox is busy"));
    assert_non_null(strstr(w->mail[1].body, "Action: failed"));
    assert_non_null(strstr(w->mail[1].body, "mailbox is busy"));
    world_all_done(w);
    world_down(w);
}

static void a_delay_is_told_once(void **state)
{
    struct world_rule rules[] = {{"9.1.0.1", "RCPT TO:<late", "451 4.7.1 later", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "s@sender.example", "late@a.example good@a.example");
    world_pass(w, w->opt.warn_after_ms - 60000);
    assert_int_equal(w->notes[NOTE_REPORTED], 0);
    world_pass(w, 120000);
    assert_int_equal(w->notes[NOTE_REPORTED], 1);
    const struct world_mail *dsn = mail_to(w, "s@sender.example");
    assert_non_null(strstr(dsn->body, "late@a.example"));
    assert_null(strstr(dsn->body, "good@a.example"));
    world_crash(w); /* it is remembered */
    world_pass(w, 24 * 3600000);
    assert_int_equal(w->notes[NOTE_REPORTED], 1);
    world_down(w);
}

static void unreachable_hosts_expire_too(void **state)
{
    struct world_rule rules[] = {
        {"9.1.0.1", "CONNECT", "refuse", 0}, {"9.1.0.2", "CONNECT", "refuse", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    for (int i = 0; i < 3; i++)
        world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, w->opt.lifetime_ms + 60000);
    assert_int_equal(w->notes[NOTE_EXPIRED], 3);
    assert_int_equal(w->notes[NOTE_REPORTED], 6);
    assert_non_null(strstr(w->mail[5].body, "refused"));
    world_all_done(w);
    world_down(w);
}

/* Records */

static void an_outcome_that_cannot_be_written_is_written_later(void **state)
{
    struct world *w = world_up();
    uint64_t id = world_submit(w, "s@sender.example", "r@a.example q@b.example");
    w->append_err = ERR_SYSTEM;
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 2);
    assert_int_equal(w->record_count, 1);
    assert_true(engine_has_message(w->e, id)); /* its end is not on disk */
    assert_true(world_stats(w).is_store_failing);
    world_pass(w, 10000);
    assert_int_equal(w->mail_count, 2); /* no second attempt meanwhile */
    assert_false(engine_is_quiet(w->e));
    w->append_err = ERR_OK;
    world_pass(w, 2000);
    assert_false(engine_has_message(w->e, id));
    assert_false(world_stats(w).is_store_failing);
    world_all_done(w);
    world_crash(w);
    assert_int_equal(world_stats(w).messages, 0);
    world_down(w);
}

/* The last outcome holds all, so that the ones before it may go first. */
static void the_last_outcome_says_all(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 busy", 1}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "s@sender.example", "late@a.example b@a.example c@a.example");
    world_pass(w, 3600000);
    world_all_done(w);
    assert_int_equal(w->record_count, 3);
    struct queue_outcome o;
    assert_int_equal(queue_outcome_parse(buf_slice(&w->record[1].payload), &o), PARSE_DONE);
    assert_int_equal(o.count, 3);
    assert_int_equal(queue_outcome_parse(buf_slice(&w->record[2].payload), &o), PARSE_DONE);
    assert_int_equal(o.count, 3);
    uint32_t index;
    struct queue_state s;
    while (queue_outcome_next(&o.states, &index, &s))
        assert_int_equal(s.fate, QUEUE_DELIVERED);
    world_down(w);
}

static void segments_are_released_in_order(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 busy", 3}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "s@sender.example", "late@a.example");
    world_submit(w, "s@sender.example", "b@a.example");
    uint64_t first = w->record[0].pos.segment;
    world_new_segment(w);
    world_settle(w);
    uint64_t second = w->segment;
    world_new_segment(w);
    world_submit(w, "s@sender.example", "c@a.example");
    world_settle(w);
    assert_false(w->is_released[first] || w->is_released[second]);
    world_crash(w);
    assert_int_equal(world_stats(w).messages, 1);
    world_pass(w, 3600000);
    world_all_done(w);
    world_new_segment(w);
    world_submit(w, "s@sender.example", "d@a.example");
    world_settle(w);
    assert_true(w->is_released[first] && w->is_released[second]);
    world_crash(w);
    world_settle(w);
    world_all_done(w);
    world_down(w);
}

/* Crashed at any step of it, every recipient has one fate in the end. */
static void crashes_at_any_step(void **state)
{
    for (int steps = 0; steps < 90; steps++) {
        struct world_rule rules[] = {{NULL, "RCPT TO:<bad", "550 5.1.1 no", 0},
                                     {NULL, "RCPT TO:<late", "450 4.2.0 busy", 1},
                                     {0}};
        struct world *w = world_up();
        w->rules = rules;
        world_submit(w, "s@sender.example", "good@a.example bad@a.example late@b.example");
        for (int i = 0; i < steps && world_step(w);)
            i++;
        world_crash(w);
        world_pass(w, 3600000);
        world_all_done(w);
        unsigned good = 0, late = 0, reports = 0;
        for (unsigned i = 0; i < w->mail_count; i++) {
            good += !!strstr(w->mail[i].to, "good@a");
            late += !!strstr(w->mail[i].to, "late@b");
            reports += !!strstr(w->mail[i].to, "s@sender");
        }
        if (good < 1 || good > 2 || late < 1 || late > 2 || reports < 1 || reports > 2)
            fail_msg("after %d steps: %u %u %u", steps, good, late, reports);
        world_crash(w);
        assert_int_equal(world_stats(w).messages, 0);
        world_down(w);
    }
}

/* The operator */

static void pause_and_resume(void **state)
{
    static const char *const names[] = {"a.example", ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct world *w = world_up();
        world_operator(w, OPERATOR_PAUSE, 0, names[i]);
        world_settle(w);
        assert_int_equal(w->record[0].type, QUEUE_RECORD_PAUSES);
        assert_true(w->record[0].needs_sync);
        world_submit(w, "s@sender.example", "r@a.example");
        world_submit(w, "s@sender.example", "r@b.example");
        world_pass(w, 3600000);
        assert_int_equal(w->mail_count, i == 0 ? 1 : 0);
        world_crash(w); /* a pause outlives the process */
        world_pass(w, 3600000);
        assert_int_equal(w->mail_count, i == 0 ? 1 : 0);
        world_operator(w, OPERATOR_RETRY, 0, ""); /* not even by force */
        world_settle(w);
        assert_int_equal(w->mail_count, i == 0 ? 1 : 0);
        world_operator(w, OPERATOR_RESUME, 0, names[i]);
        world_settle(w);
        assert_int_equal(w->mail_count, 2);
        world_all_done(w);
        world_crash(w);
        assert_false(world_stats(w).is_all_paused);
        assert_int_equal(world_stats(w).destinations_paused, 0);
        world_down(w);
    }
}

/* A pause while a message is in flight lets it end; the connection takes no other. */
static void a_pause_stops_at_the_next_message(void **state)
{
    struct world *w = world_new();
    w->opt.limits.connections = 1;
    world_start(w);
    w->holds_remotes = true;
    world_submit(w, "s@sender.example", "r@a.example");
    world_submit(w, "s@sender.example", "q@a.example");
    world_settle(w);
    world_operator(w, OPERATOR_PAUSE, 0, "a.example");
    w->holds_remotes = false;
    world_pass(w, 60000);
    assert_int_equal(w->mail_count, 1);
    world_operator(w, OPERATOR_RESUME, 0, "a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    world_all_done(w);
    world_down(w);
}

static void a_pause_that_cannot_be_written(void **state)
{
    struct world *w = world_up();
    w->append_err = ERR_SYSTEM;
    world_operator(w, OPERATOR_PAUSE, 0, "a.example");
    world_settle(w);
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, 5000);
    assert_int_equal(w->mail_count, 0); /* it holds all the same */
    w->append_err = ERR_OK;
    world_pass(w, 5000);
    world_crash(w);
    assert_int_equal(world_stats(w).destinations_paused, 1);
    world_down(w);
}

static void retry_now(void **state)
{
    for (int is_all = 0; is_all < 2; is_all++) {
        struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 busy", 2},
                                     {"9.2.0.1", "CONNECT", "refuse", 1},
                                     {"2600::b", "CONNECT", "refuse", 1},
                                     {0}};
        struct world *w = world_up();
        w->rules = rules;
        uint64_t id = world_submit(w, "s@sender.example", "late1@a.example");
        world_submit(w, "s@sender.example", "late2@a.example");
        world_submit(w, "s@sender.example", "r@b.example"); /* its destination backs off */
        world_settle(w);
        assert_int_equal(w->mail_count, 0);
        assert_int_equal(world_stats(w).deferred, 3);
        world_operator(w, OPERATOR_RETRY, is_all ? 0 : id, "");
        world_settle(w);
        assert_int_equal(w->mail_count, is_all ? 3 : 1);
        world_operator(w, OPERATOR_RETRY, 12345, ""); /* no such message */
        world_settle(w);
        world_pass(w, 3600000);
        world_all_done(w);
        world_down(w);
    }
}

static void deleted_messages_go_without_a_report(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 busy", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    uint64_t id = world_submit(w, "s@sender.example", "late@a.example late@b.example");
    world_settle(w);
    world_operator(w, OPERATOR_DELETE, id, "");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_REMOVED], 2);
    assert_int_equal(w->mail_count, 0);
    world_all_done(w);
    world_operator(w, OPERATOR_DELETE, id, ""); /* no such message any more */
    world_crash(w);
    assert_int_equal(world_stats(w).messages, 0);
    world_down(w);
}

/* At any step of its delivery: it is delivered or removed, and never tried again. */
static void deleted_at_any_step(void **state)
{
    for (int steps = 0; steps < 60; steps++) {
        struct world_rule rules[] = {
            {NULL, "RCPT TO:<late", "450 4.2.0 busy", 0}, {"9.1.0.1", "CONNECT", "refuse", 1}, {0}};
        struct world *w = world_up();
        w->rules = rules;
        uint64_t id = world_submit(w, "s@sender.example", "r@a.example late@a.example r@b.example");
        for (int i = 0; i < steps && world_step(w);)
            i++;
        world_operator(w, OPERATOR_DELETE, id, "");
        world_settle(w);
        if (engine_has_message(w->e, id))
            fail_msg("it is still there after %d steps", steps);
        assert_int_equal(w->notes[NOTE_REMOVED] + w->notes[NOTE_DELIVERED], 3);
        world_pass(w, 3600000);
        world_all_done(w);
        world_down(w);
    }
}

/* The line dies with the message on it, before anything was decided: that is no new attempt. */
static void deleted_while_its_connection_dies(void **state)
{
    struct world *w = world_up();
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    struct world_conn *c = world_conn(w, 2);
    w->holds_remotes = true;
    uint64_t id = world_submit(w, "s@sender.example", "q@a.example"); /* on the open connection */
    world_operator(w, OPERATOR_DELETE, id, "");
    world_closed(w, c, ERR_CLOSED, "closed");
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->mail_count, 1);
    assert_int_equal(w->notes[NOTE_REMOVED], 1);
    world_all_done(w);
    world_down(w);
}

/* Pauses are written anew in each segment, else an old one would keep all that follow. */
static void an_old_pause_keeps_no_segments(void **state)
{
    struct world *w = world_up();
    world_operator(w, OPERATOR_PAUSE, 0, "other.example");
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    uint64_t first = w->record[0].pos.segment;
    for (int i = 0; i < 3; i++) {
        world_new_segment(w);
        world_submit(w, "s@sender.example", "r@a.example");
        world_settle(w);
    }
    assert_true(w->is_released[first]);
    world_crash(w);
    assert_int_equal(world_stats(w).destinations_paused, 1);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipients_with_different_fates),
        cmocka_unit_test(refusals_of_the_whole_message),
        cmocka_unit_test(a_report_is_on_disk_before_the_fate),
        cmocka_unit_test(a_crash_before_the_report),
        cmocka_unit_test(no_report_about_a_report),
        cmocka_unit_test(double_bounces_have_a_reader),
        cmocka_unit_test(a_report_to_nowhere),
        cmocka_unit_test(large_reports_are_delivered),
        cmocka_unit_test(a_report_about_a_large_message),
        cmocka_unit_test(retries_grow_until_the_end),
        cmocka_unit_test(a_delay_is_told_once),
        cmocka_unit_test(unreachable_hosts_expire_too),
        cmocka_unit_test(an_outcome_that_cannot_be_written_is_written_later),
        cmocka_unit_test(the_last_outcome_says_all),
        cmocka_unit_test(segments_are_released_in_order),
        cmocka_unit_test(crashes_at_any_step),
        cmocka_unit_test(pause_and_resume),
        cmocka_unit_test(a_pause_stops_at_the_next_message),
        cmocka_unit_test(a_pause_that_cannot_be_written),
        cmocka_unit_test(retry_now),
        cmocka_unit_test(deleted_messages_go_without_a_report),
        cmocka_unit_test(deleted_at_any_step),
        cmocka_unit_test(deleted_while_its_connection_dies),
        cmocka_unit_test(an_old_pause_keeps_no_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
