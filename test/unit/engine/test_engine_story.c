/* test_engine_story.c -- what the history is told of finished messages; and finding those that are
 * not finished. */
#include "engine_world.h"

#include "history/history_record.h"

static struct history_record told(struct world *w)
{
    struct history_record r;
    assert_int_equal(history_record_parse(buf_slice(&w->history), &r), PARSE_DONE);
    return r;
}

static struct history_recipient recipient(const struct history_record *r, const char *address)
{
    struct history_recipient to;
    for (struct slice rest = r->recipients; history_record_next(&rest, &to);)
        if (slice_eq(to.address, slice_cstr(address)))
            return to;
    fail_msg("%s is not in the record", address);
    return to;
}

static uint64_t submit(struct world *w, const char *from, const char *to, const char *message)
{
    struct world_conn *c = world_client(w);
    uint64_t msg;
    world_envelope(w, c, from, to);
    world_say(w, c, message);
    for (unsigned n = w->append_count; n--;)
        world_appended(w, 0, ERR_OK);
    const char *id = strstr(world_heard(c), "queued as ");
    assert_true(id && msgid_parse(slice_of(id + 10, MSGID_CHARS), &msg));
    return msg;
}

static const char message[] = "Message-ID: <one@sender.example>\r\n\r\nhello\r\n.\r\n";

static void a_delivered_message(void **state)
{
    struct world *w = world_up();
    int64_t begin_ms = w->now_ms;
    uint64_t id = submit(w, "s@sender.example", "r@a.example", message);
    world_settle(w);
    assert_int_equal(w->histories, 1);
    struct history_record r = told(w);
    assert_true(r.id == id && !r.is_report && r.recipient_count == 1 && r.bytes > 20);
    assert_true(r.accepted_ms >= begin_ms && r.finished_ms <= w->now_ms);
    assert_true(slice_eq(r.sender, SLICE("s@sender.example")));
    assert_true(slice_eq(r.message_id, SLICE("<one@sender.example>")));
    assert_true(r.client.n > 0);
    struct history_recipient to = recipient(&r, "r@a.example");
    assert_true(to.fate == HISTORY_DELIVERED && to.attempts == 1);
    assert_true(to.host.n > 0 && slice_starts(to.ip, SLICE("9.1.0.")));
    assert_true(slice_starts(to.reply, SLICE("250 ")));
    world_all_done(w);
    world_down(w);
}

static void each_recipient_has_its_fate(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<late", "450 4.2.0 mailbox busy", 2},
                                 {NULL, "RCPT TO:<bad", "550 5.1.1 no such user", 0},
                                 {0}};
    struct world *w = world_up();
    w->rules = rules;
    submit(w, "s@sender.example", "good@a.example late@a.example bad@a.example", message);
    world_settle(w);
    assert_int_equal(w->histories, 1); /* the report */
    struct history_record r = told(w);
    assert_true(r.is_report && !r.sender.n);
    assert_int_equal(recipient(&r, "s@sender.example").fate, HISTORY_DELIVERED);
    world_pass(w, 80000);
    world_pass(w, 3600000);
    assert_int_equal(w->histories, 2);
    r = told(w);
    struct history_recipient good = recipient(&r, "good@a.example"),
                             late = recipient(&r, "late@a.example"),
                             bad = recipient(&r, "bad@a.example");
    assert_true(good.fate == HISTORY_DELIVERED && good.attempts == 1 && good.host.n);
    assert_true(late.fate == HISTORY_DELIVERED && late.attempts > 1);
    assert_true(late.ended_ms > good.ended_ms && late.ended_ms <= r.finished_ms);
    assert_true(bad.fate == HISTORY_BOUNCED && bad.host.n && bad.ip.n);
    assert_true(slice_eq(bad.reply, SLICE("550 5.1.1 no such user")));
    world_all_done(w);
    world_down(w);
}

static void removed_and_expired(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<r@", "450 4.2.0 later", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    uint64_t id = submit(w, "s@sender.example", "r@a.example", message);
    world_settle(w);
    assert_int_equal(w->histories, 0);
    world_operator(w, OPERATOR_DELETE, id, "");
    world_settle(w);
    assert_int_equal(w->histories, 1);
    struct history_record r = told(w);
    struct history_recipient to = recipient(&r, "r@a.example");
    assert_int_equal(to.fate, HISTORY_REMOVED);
    assert_true(slice_eq(to.reply, SLICE("removed by the operator")) && !to.host.n);
    submit(w, "", "r@a.example", message); /* nobody to report to */
    world_settle(w);
    world_pass(w, 6 * 86400000ll);
    world_settle(w);
    r = told(w);
    to = recipient(&r, "r@a.example");
    assert_int_equal(to.fate, HISTORY_EXPIRED);
    assert_true(to.attempts > 10);
    world_all_done(w);
    world_down(w);
}

static void nothing_is_told_when_it_is_off(void **state)
{
    struct world *w = world_up();
    w->opt.history_ms = 0;
    submit(w, "s@sender.example", "r@a.example", message);
    world_settle(w);
    assert_int_equal(w->notes[NOTE_COMPLETED], 1);
    assert_int_equal(w->histories, 0);
    world_down(w);
}

/* The history may lack the last moment before a crash; the journal has it. */
static void a_start_tells_what_the_history_lacks(void **state)
{
    static const struct {
        const char *shown;
        bool is_said;
        int64_t told_ms; /* after it ended */
        unsigned histories;
    } row[] = {
        {"nothing is said: nothing is told", false, 0, 0},
        {"all is known", true, 1, 0},
        {"this one is not", true, 0, 1},
        {"nothing has been known for long", true, -86400000, 1},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct world *w = world_up();
        submit(w, "s@sender.example", "r@a.example", message);
        world_settle(w);
        assert_int_equal(w->histories, 1);
        struct history_record r = told(w);
        int64_t ended_ms = recipient(&r, "r@a.example").ended_ms;
        w->told_ms = row[i].is_said ? ended_ms + row[i].told_ms : 0;
        w->now_ms += 1000;
        world_crash(w);
        world_settle(w);
        if (w->histories != 1 + row[i].histories)
            fail_msg("%s: %u", row[i].shown, w->histories - 1);
        r = told(w);
        struct history_recipient to = recipient(&r, "r@a.example");
        assert_true(r.finished_ms >= ended_ms && to.ended_ms == ended_ms);
        assert_true(to.fate == HISTORY_DELIVERED && to.host.n && to.attempts == 1);
        assert_true(r.message_id_hash && !r.message_id.n == (w->histories > 1));
        world_down(w);
    }
}

/* --- finding --- */

static struct found {
    unsigned count;
    uint64_t last;
} found;

static void on_found(void *ctx, uint64_t id)
{
    found.count++;
    found.last = id;
}

static void live_messages_are_found(void **state)
{
    struct world *w = world_up();
    world_operator(w, OPERATOR_PAUSE, 0, "");
    uint64_t one = submit(w, "s@sender.example", "r@a.example q@b.example", message);
    uint64_t two =
        submit(w, "t@sender.example", "r@a.example", "Message-ID: <two@x>\r\n\r\nhello\r\n.\r\n");
    const struct {
        const char *shown;
        struct engine_query q;
        unsigned count;
        uint64_t last;
    } row[] = {
        {"a sender", {.address = SLICE("S@Sender.example")}, 1, one},
        {"a second recipient", {.address = SLICE("q@B.example")}, 1, one},
        {"a recipient of both", {.address = SLICE("r@a.example")}, 2, two},
        {"a Message-ID", {.message_id = SLICE("<two@x>")}, 1, two},
        {"without its brackets", {.message_id = SLICE("two@x")}, 1, two},
        {"either", {SLICE("s@sender.example"), SLICE("two@x")}, 2, two},
        {"nobody", {SLICE("a@sender.example"), SLICE("three@x")}, 0, 0},
        {"nothing", {SLICE_NONE, SLICE_NONE}, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        uint64_t after = 0;
        found = (struct found){0};
        assert_false(engine_find(w->e, &row[i].q, &after, on_found, NULL));
        if (found.count != row[i].count || found.last != row[i].last)
            fail_msg("%s: %u", row[i].shown, found.count);
    }
    uint64_t after = one;
    found = (struct found){0};
    assert_false(engine_find(w->e, &row[2].q, &after, on_found, NULL));
    assert_int_equal(found.count, 1);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delivered_message),
        cmocka_unit_test(each_recipient_has_its_fate),
        cmocka_unit_test(removed_and_expired),
        cmocka_unit_test(nothing_is_told_when_it_is_off),
        cmocka_unit_test(a_start_tells_what_the_history_lacks),
        cmocka_unit_test(live_messages_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
