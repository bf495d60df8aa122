/* test_engine_operate.c -- the operator's orders: each verb in each state of a message, by id and
 * by filter, over restarts, and when the disk says no. */
#include "engine_world.h"

static const int64_t hour_ms = 3600 * 1000, day_ms = 24 * 3600 * 1000;

static struct world_rule late[] = {{NULL, "RCPT TO:<late", "450 4.2.0 busy", 0}, {0}};

static const struct world_mail *mail_to(const struct world *w, const char *to)
{
    for (unsigned i = 0; i < w->mail_count; i++)
        if (strstr(w->mail[i].to, to))
            return &w->mail[i];
    return NULL;
}

static unsigned matching(struct world *w, struct engine_filter f)
{
    struct buf out;
    struct engine_page page;
    buf_init(&out, 4 << 20);
    f.limit = f.limit ? f.limit : 1000;
    engine_queue_json(w->e, &f, w->now_ms, &out, &page);
    buf_close(&out);
    return (unsigned)page.count;
}

static unsigned in_state(struct world *w, enum engine_state state)
{
    return matching(w, (struct engine_filter){.state = state});
}

/* Hold */

static void held_messages_stay(void **state)
{
    struct world *w = world_up();
    w->rules = late;
    uint64_t id = world_submit(w, "s@sender.example", "late@a.example late@b.example");
    world_settle(w);
    world_operator(w, OPERATOR_HOLD, id, "");
    assert_int_equal(w->result.done, 1);
    world_settle(w);
    assert_int_equal(w->notes[NOTE_HELD], 1);
    assert_int_equal(world_stats(w).held, 1);
    assert_int_equal(in_state(w, ENGINE_STATE_HELD), 1);
    assert_int_equal(in_state(w, ENGINE_STATE_DEFERRED), 0);
    w->rules = NULL;
    unsigned attempts = w->notes[NOTE_DEFERRED];
    for (int i = 0; i < 3; i++) { /* beyond the lifetime, no attempt, warning, expiry */
        world_pass(w, 4 * day_ms);
        world_operator(w, OPERATOR_RETRY, i ? id : 0, "");
        assert_int_equal(w->result.done, i ? 0 : 1); /* of all: it says how many there are */
        if (i == 1)
            world_crash(w);
    }
    assert_int_equal(w->mail_count, 0);
    assert_int_equal(w->notes[NOTE_DEFERRED], attempts);
    assert_int_equal(w->notes[NOTE_EXPIRED] + w->notes[NOTE_REPORTED], 0);
    assert_int_equal(world_stats(w).held, 1);
    world_operator(w, OPERATOR_HOLD, id, ""); /* once is enough */
    assert_int_equal(w->result.matched, 1);
    assert_int_equal(w->result.done, 0);
    world_operator(w, OPERATOR_RELEASE, id, "");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_RELEASED], 1);
    assert_non_null(mail_to(w, "late@a.example"));
    assert_non_null(mail_to(w, "late@b.example"));
    world_all_done(w);
    world_down(w);
}

/* What was left of its life at the hold is left after it; the same when a restart lies between. */
static void time_held_is_no_time(void **state)
{
    for (int is_crash = 0; is_crash < 2; is_crash++) {
        struct world *w = world_up();
        w->rules = late;
        w->opt.warn_after_ms = 0;
        uint64_t id = world_submit(w, "s@sender.example", "late@a.example");
        world_pass(w, 2 * day_ms);
        world_operator(w, OPERATOR_HOLD, id, "");
        world_pass(w, 10 * day_ms);
        world_operator(w, OPERATOR_RELEASE, id, "");
        world_settle(w);
        if (is_crash)
            world_crash(w);
        world_pass(w, 3 * day_ms - hour_ms);
        assert_int_equal(w->notes[NOTE_EXPIRED], 0);
        assert_true(engine_has_message(w->e, id));
        world_pass(w, 2 * hour_ms);
        assert_int_equal(w->notes[NOTE_EXPIRED], 1);
        world_all_done(w);
        world_down(w);
    }
}

/* Each verb at each step of a delivery: what is in flight is finished, the rest follows the order,
 * and after a restart nothing is otherwise. */
static void any_verb_at_any_step(void **state)
{
    static const enum operator_verb verbs[] = {OPERATOR_HOLD, OPERATOR_BOUNCE, OPERATOR_DELETE};
    for (size_t v = 0; v < COUNT_OF(verbs); v++) {
        for (int steps = 0; steps < 120; steps++) {
            struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 busy", 0},
                                         {NULL, "RCPT TO:<bad", "550 5.1.1 no", 0},
                                         {"9.1.0.1", "CONNECT", "refuse", 1},
                                         {0}};
            bool is_crash = steps % 2;
            struct world *w = world_up();
            w->rules = rules;
            uint64_t id = world_submit(w, "s@sender.example",
                                       "r@a.example late@a.example r@b.example bad@b.example");
            for (int i = 0; i < steps / 2 && world_step(w);)
                i++;
            world_operator(w, verbs[v], id, "");
            for (unsigned n = w->append_count; n--;)
                world_appended(w, 0, ERR_OK);
            if (is_crash)
                world_crash(w);
            world_settle(w);
            unsigned late_tries = w->notes[NOTE_DEFERRED], mails = w->mail_count;
            world_pass(w, day_ms);
            if (engine_has_message(w->e, id) && verbs[v] != OPERATOR_HOLD)
                fail_msg("%s after %d steps: it is still there", engine_verb_name(verbs[v]), steps);
            if (verbs[v] == OPERATOR_HOLD && engine_has_message(w->e, id)) {
                if (w->notes[NOTE_DEFERRED] != late_tries || w->mail_count != mails)
                    fail_msg("held after %d steps, and tried", steps);
                world_operator(w, OPERATOR_BOUNCE, id, "");
                world_pass(w, hour_ms);
            }
            unsigned ends = w->notes[NOTE_DELIVERED] + w->notes[NOTE_BOUNCED] +
                            w->notes[NOTE_REMOVED] - w->notes[NOTE_REPORTED];
            if (!is_crash && ends != 4)
                fail_msg("%s after %d steps: %u ends", engine_verb_name(verbs[v]), steps, ends);
            if (verbs[v] == OPERATOR_DELETE && !is_crash)
                assert_true(w->notes[NOTE_BOUNCED] <= 1); /* the remote's own */
            world_all_done(w);
            world_crash(w);
            assert_int_equal(world_stats(w).messages, 0);
            world_down(w);
        }
    }
}

/* Bounce */

static void bounced_with_the_operators_words(void **state)
{
    struct world *w = world_up();
    w->rules = late;
    world_submit(w, "s@sender.example", "late@a.example late@b.example");
    world_submit(w, "", "late@a.example"); /* nobody to tell */
    world_settle(w);
    struct engine_filter all = {0};
    world_order(w, OPERATOR_BOUNCE, &all, "this is spam", 0);
    assert_int_equal(w->result.done, 2);
    world_settle(w);
    assert_int_equal(w->notes[NOTE_BOUNCED], 3);
    const struct world_mail *dsn = mail_to(w, "s@sender.example");
    assert_non_null(dsn);
    assert_non_null(strstr(dsn->body, "returned by the operator: this is spam"));
    assert_non_null(strstr(dsn->body, "Status: 5.0.0"));
    assert_non_null(strstr(dsn->body, "late@b.example"));
    world_log_has(w, "verb=bounce filter=all count=2 reason=\"this is spam\" who=\"uid=0\"");
    world_all_done(w);
    world_down(w);
}

/* The relay dies when the order is on disk and its reports are not: it is seen to its end. */
static void orders_outlive_a_crash(void **state)
{
    static const enum operator_verb verbs[] = {OPERATOR_BOUNCE, OPERATOR_DELETE};
    for (size_t v = 0; v < COUNT_OF(verbs); v++) {
        struct world *w = world_up();
        w->rules = late;
        for (int i = 0; i < 150; i++) {
            world_submit(w, "s@sender.example", "late@a.example late@b.example");
            world_settle(w);
        }
        struct engine_filter f = {.limit = 100};
        world_order(w, verbs[v], &f, "", 0);
        unsigned ordered = 0;
        for (unsigned i = 0; i < w->append_count;) {
            bool is_order = w->append[i].type == QUEUE_RECORD_OPERATOR;
            is_order ? world_appended(w, i, ERR_OK) : (void)i++;
            ordered += is_order;
        }
        assert_int_equal(ordered, 100);
        w->notes[NOTE_REMOVED] = 0;
        world_crash(w);
        world_pass(w, 10 * 1000);
        assert_int_equal(world_stats(w).recipients, 300 - 2 * ordered);
        assert_int_equal(w->notes[verbs[v] == OPERATOR_BOUNCE ? NOTE_BOUNCED : NOTE_REMOVED] >=
                             2 * ordered,
                         true);
        world_down(w);
    }
}

/* Filters */

static void states_and_ages(void **state)
{
    struct world *w = world_up();
    w->rules = late;
    world_submit(w, "s@sender.example", "late@a.example");
    world_settle(w);
    w->now_ms += 30 * 60 * 1000 / 100; /* 18 s: sooner than its next try */
    uint64_t held = world_submit(w, "t@sender.example", "r@b.example");
    world_operator(w, OPERATOR_HOLD, held, "");
    world_operator(w, OPERATOR_PAUSE, 0, "implicit.example");
    w->holds_lookups = true;
    world_submit(w, "u@sender.example", "r@implicit.example");
    world_submit(w, "v@sender.example", "r@null.example");
    static const struct {
        enum engine_state state;
        int64_t older_ms;
        unsigned count;
    } rows[] = {
        {ENGINE_STATE_ANY, 0, 4},          {ENGINE_STATE_DEFERRED, 0, 1},
        {ENGINE_STATE_HELD, 0, 1},         {ENGINE_STATE_PAUSED, 0, 1},
        {ENGINE_STATE_RESOLVING, 0, 1},    {ENGINE_STATE_IN_FLIGHT, 0, 0},
        {ENGINE_STATE_REPORTING, 0, 0},    {ENGINE_STATE_BACKING_OFF, 0, 0},
        {ENGINE_STATE_ANY, 18000, 1},      {ENGINE_STATE_ANY, 18001, 0},
        {ENGINE_STATE_DEFERRED, 18000, 1}, {ENGINE_STATE_HELD, 18000, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned n = matching(
            w, (struct engine_filter){.state = rows[i].state, .older_ms = rows[i].older_ms});
        if (n != rows[i].count)
            fail_msg("row %zu: %u", i, n);
    }
    world_down(w);
}

static void states_have_words(void **state)
{
    enum engine_state s;
    for (int i = 0; i < ENGINE_STATE_COUNT; i++) {
        assert_true(engine_state_parse(slice_cstr(engine_state_name((enum engine_state)i)), &s));
        assert_int_equal(s, i);
    }
    assert_true(engine_state_parse(SLICE("in-flight"), &s) && s == ENGINE_STATE_IN_FLIGHT);
    assert_true(engine_state_parse(SLICE("Backing_Off"), &s) && s == ENGINE_STATE_BACKING_OFF);
    assert_false(engine_state_parse(SLICE("lost"), &s));
    assert_false(engine_state_parse(SLICE(""), &s));
    assert_string_equal(engine_state_name(ENGINE_STATE_COUNT), "unknown");
    assert_string_equal(engine_verb_name(OPERATOR_END), "unknown");
}

static void a_filter_in_words(void **state)
{
    struct buf out;
    struct engine_filter f = {.from = SLICE("*@a.example"),
                              .domain = SLICE("b.example"),
                              .state = ENGINE_STATE_BACKING_OFF,
                              .older_ms = 7200000};
    buf_init(&out, 1000);
    engine_filter_text(&f, &out);
    assert_string_equal(buf_cstr(&out),
                        "from=*@a.example domain=b.example state=backing off older=7200s");
    buf_clear(&out);
    engine_filter_text(&(struct engine_filter){0}, &out);
    assert_string_equal(buf_cstr(&out), "all");
    buf_close(&out);
}

/* A page looks at so many messages and no more, finds what it finds, and goes on where it ended,
 * though the message it ended with is gone. */
static void pages_are_bounded(void **state)
{
    struct world *w = world_new();
    w->rules = late;
    world_start(w);
    w->holds_lookups = true;
    for (int i = 0; i < 1200; i++) {
        world_submit(w, i % 100 ? "s@sender.example" : "t@sender.example", "r@a.example");
    }
    struct engine_filter f = {.limit = 7};
    unsigned pages = 0, done = 0;
    do {
        world_order(w, OPERATOR_HOLD, &f, "", 0);
        assert_true(w->result.done <= 7);
        f.after = w->result.next;
        done += (unsigned)w->result.done;
        pages++;
        for (unsigned n = w->append_count; n--;)
            world_appended(w, 0, ERR_OK);
    } while (w->result.has_more);
    assert_int_equal(done, 1200);
    assert_int_equal(pages, 172);
    assert_int_equal(world_stats(w).held, 1200);
    f = (struct engine_filter){.from = SLICE("t@*"), .would = OPERATOR_HOLD};
    assert_int_equal(matching(w, f), 0);
    f.would = OPERATOR_DELETE;
    assert_int_equal(matching(w, f), 12);
    f.limit = 5;
    done = 0;
    do {
        world_order(w, OPERATOR_DELETE, &f, "", 0);
        f.after = w->result.next;
        done += (unsigned)w->result.done;
        world_settle(w);
    } while (w->result.has_more);
    assert_int_equal(done, 12);
    assert_int_equal(world_stats(w).messages, 1188);
    /* until: what comes after the order was given is not meant */
    uint64_t newest = w->result.newest;
    world_submit(w, "s@sender.example", "r@a.example");
    f = (struct engine_filter){.until = newest};
    assert_int_equal(matching(w, (struct engine_filter){.after = newest}), 1);
    f.after = newest - 1;
    assert_true(matching(w, f) <= 1);
    world_down(w);
}

/* A look at a message with many recipients counts as several: such a queue has shorter pages. */
static void a_page_without_a_match_ends_too(void **state)
{
    enum { MESSAGES = 50, RECIPIENTS = 400 }; /* 101 looks each, of 4000 */
    struct world *w = world_up();
    struct buf to;
    buf_init(&to, 1 << 20);
    for (int i = 0; i < RECIPIENTS; i++)
        buf_addf(&to, "%sr%d@a.example", i ? " " : "", i);
    w->holds_lookups = true;
    for (int i = 0; i < MESSAGES; i++)
        world_submit(w, "s@sender.example", buf_cstr(&to));
    struct engine_filter f = {.to = SLICE("nobody@*")};
    unsigned pages = 0;
    do {
        world_order(w, OPERATOR_DELETE, &f, "", 0);
        assert_int_equal(w->result.matched, 0);
        assert_true(w->result.next > f.after);
        f.after = w->result.next;
        pages++;
    } while (w->result.has_more);
    assert_int_equal(pages, 2);
    struct engine_page page;
    buf_clear(&to);
    engine_queue_text(w->e, &(struct engine_filter){.to = f.to}, w->now_ms, &to, &page);
    assert_true(page.last > 0 && page.count == 0);
    assert_non_null(strstr(buf_cstr(&to), "... more follow after"));
    buf_close(&to);
    world_down(w);
}

/* A bulk bounce waits for its reports: a page that can do nothing says so, and nothing piles up. */
static void bounces_wait_for_their_reports(void **state)
{
    struct world *w = world_up();
    w->rules = late;
    for (int i = 0; i < 260; i++) {
        world_submit(w, "s@sender.example", "late@a.example");
        world_settle(w);
    }
    struct engine_filter f = {.limit = 1000};
    world_order(w, OPERATOR_BOUNCE, &f, "", 0);
    assert_int_equal(w->result.done, 200);
    assert_true(w->result.has_more);
    f.after = w->result.next;
    world_order(w, OPERATOR_BOUNCE, &f, "", 0);
    assert_int_equal(w->result.done, 0);
    assert_true(w->result.has_more && w->result.next == f.after);
    world_settle(w);
    world_order(w, OPERATOR_BOUNCE, &f, "", 0);
    assert_int_equal(w->result.done, 60);
    f = (struct engine_filter){0};
    world_settle(w);
    assert_int_equal(w->notes[NOTE_BOUNCED], 260);
    world_down(w);
}

/* Retry */

static void a_retry_of_all_goes_in_steps(void **state)
{
    struct world *w = world_up();
    struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 busy", 0}, {0}};
    w->rules = rules;
    for (int i = 0; i < 1100; i++) {
        world_submit(w, "s@sender.example", "late@a.example");
        if (i % 50 == 49)
            world_settle(w);
    }
    world_settle(w);
    assert_int_equal(world_stats(w).deferred, 1100);
    w->holds_remotes = w->holds_lookups = true;
    world_operator(w, OPERATOR_RETRY, 0, "");
    assert_int_equal(w->result.done, 1100);
    struct engine_stats s = world_stats(w);
    assert_true(s.ready + s.in_flight >= 500 && s.ready + s.in_flight <= 520);
    world_pass(w, 10);
    s = world_stats(w);
    assert_int_equal(s.ready + s.in_flight, 1100);
    world_down(w);
}

static void a_retry_by_filter(void **state)
{
    struct world *w = world_up();
    struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 busy", 3}, {0}};
    w->rules = rules;
    world_submit(w, "s@sender.example", "late@a.example");
    world_submit(w, "t@sender.example", "late@a.example");
    world_submit(w, "t@sender.example", "late@b.example");
    world_settle(w);
    struct engine_filter f = {.from = SLICE("t@*")};
    world_order(w, OPERATOR_RETRY, &f, "", 9);
    assert_int_equal(w->result.done, 2);
    assert_true(w->result.is_recording);
    world_settle(w);
    assert_int_equal(w->operated, 9);
    assert_int_equal(w->mail_count, 2);
    const struct world_record *last = NULL;
    for (unsigned i = 0; i < w->record_count; i++)
        if (w->record[i].type == QUEUE_RECORD_OPERATOR)
            last = &w->record[i];
    struct queue_operator op;
    assert_non_null(last);
    assert_int_equal(queue_operator_parse(buf_slice(&last->payload), &op), PARSE_DONE);
    assert_int_equal(op.verb, QUEUE_VERB_RETRY);
    assert_true(last->id == 0 && slice_eq(op.words, SLICE("from=t@*")));
    world_down(w);
}

/* The disk */

static void the_operator_is_told_when_it_is_on_disk(void **state)
{
    struct world *w = world_up();
    w->rules = late;
    for (int i = 0; i < 3; i++)
        world_submit(w, "s@sender.example", "late@a.example");
    world_settle(w);
    struct engine_filter f = {0};
    world_order(w, OPERATOR_HOLD, &f, "", 5);
    assert_int_equal(w->append_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(w->append[0].needs_sync);
        assert_int_equal(w->operated, 0);
        world_appended(w, 0, ERR_OK);
    }
    assert_int_equal(w->operated, 5);
    assert_false(w->is_operated_lost);
    world_order(w, OPERATOR_HOLD, &f, "", 6); /* nothing to do, nothing to wait for */
    assert_false(w->result.is_recording);
    assert_int_equal(w->operated, 5);
    world_down(w);
}

static void an_order_that_cannot_be_written_is_written_later(void **state)
{
    static const struct {
        enum operator_verb verb;
        unsigned messages; /* after the restart */
    } rows[] = {{OPERATOR_HOLD, 1}, {OPERATOR_BOUNCE, 0}, {OPERATOR_DELETE, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_up();
        w->rules = late;
        uint64_t id = world_submit(w, "s@sender.example", "late@a.example");
        world_settle(w);
        struct engine_filter f = {.after = id - 1, .until = id};
        world_order(w, rows[i].verb, &f, "", 5);
        world_appended(w, 0, ERR_SYSTEM);
        assert_int_equal(w->operated, 5);
        assert_true(w->is_operated_lost);
        world_pass(w, 5000);
        world_crash(w);
        world_pass(w, day_ms);
        assert_int_equal(engine_has_message(w->e, id), rows[i].messages);
        assert_int_equal(world_stats(w).held, rows[i].messages);
        world_down(w);
    }
}

static void large_message(struct world *w, const char *to)
{
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", to);
    world_say(w, c, "Subject: large\r\n\r\n");
    for (int i = 0; i < 200; i++) {
        char line[1001];
        memset(line, 'x', 998);
        strcpy(line + 998, "\r\n");
        world_say(w, c, line);
    }
    world_say(w, c, ".\r\n");
    world_settle(w);
}

/* Compaction moves a held message: the copy says so, and its old segments may go. */
static void a_hold_moves_along(void **state)
{
    struct world *w = world_new();
    w->segment_bytes = 1 << 20;
    w->rules = late;
    world_start(w);
    uint64_t id = world_submit(w, "s@sender.example", "late@a.example");
    world_settle(w);
    world_new_segment(w);
    world_operator(w, OPERATOR_HOLD, id, "");
    world_settle(w);
    uint64_t ordered = w->segment;
    for (int i = 0; i < 15; i++) { /* its segments are those with the least alive in them */
        world_new_segment(w);
        large_message(w, "late@b.example");
    }
    world_pass(w, 10 * 1000);
    char moved[40];
    snprintf(moved, sizeof moved, "moved msg=%s", msgid_build(id).s);
    world_log_has(w, moved);
    assert_true(w->is_released[ordered]);
    world_crash(w);
    assert_int_equal(world_stats(w).held, 1);
    world_pass(w, 10 * day_ms); /* the others have expired */
    assert_int_equal(world_stats(w).messages, 1);
    struct buf out;
    buf_init(&out, 10000);
    assert_true(engine_message_text(w->e, id, w->now_ms, &out));
    assert_non_null(strstr(buf_cstr(&out), "order     held by uid=0 since 2025-"));
    assert_non_null(strstr(buf_cstr(&out), "once released"));
    buf_close(&out);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_messages_stay),
        cmocka_unit_test(time_held_is_no_time),
        cmocka_unit_test(any_verb_at_any_step),
        cmocka_unit_test(bounced_with_the_operators_words),
        cmocka_unit_test(orders_outlive_a_crash),
        cmocka_unit_test(states_and_ages),
        cmocka_unit_test(states_have_words),
        cmocka_unit_test(a_filter_in_words),
        cmocka_unit_test(pages_are_bounded),
        cmocka_unit_test(a_page_without_a_match_ends_too),
        cmocka_unit_test(bounces_wait_for_their_reports),
        cmocka_unit_test(a_retry_of_all_goes_in_steps),
        cmocka_unit_test(a_retry_by_filter),
        cmocka_unit_test(the_operator_is_told_when_it_is_on_disk),
        cmocka_unit_test(an_order_that_cannot_be_written_is_written_later),
        cmocka_unit_test(a_hold_moves_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
