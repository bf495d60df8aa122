/* test_engine_compact.c -- one message that stays must not keep every segment since: it is copied
 * forward, whole, whatever goes wrong meanwhile. */
#include "engine_world.h"

enum { SEGMENT_BYTES = 1 << 20 };

static struct world_rule stuck[] = {{NULL, "RCPT TO:<late", "450 4.2.0 not yet", 0}, {0}};

static struct world *up(void)
{
    struct world *w = world_new();
    w->segment_bytes = SEGMENT_BYTES;
    w->rules = stuck;
    world_start(w);
    return w;
}

static unsigned held_segments(const struct world *w)
{
    unsigned n = 0;
    for (uint64_t s = 1; s <= w->segment; s++)
        n += !w->is_released[s];
    return n;
}

/* Traffic that comes and goes; each outcome stands in the segment behind its message's, so that
 * each segment waits for the one before. */
static void flow(struct world *w, int segments)
{
    for (int i = 0; i < segments; i++) {
        world_submit(w, "s@sender.example", "r@a.example");
        world_new_segment(w);
        world_settle(w);
    }
}

static void large_message(struct world *w, const char *to)
{
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", to);
    world_say(w, c, "Subject: large\r\n\r\n");
    for (int i = 0; i < 200; i++) {
        char line[1001];
        memset(line, 'a' + i % 26, 998);
        strcpy(line + 998, "\r\n");
        world_say(w, c, line);
    }
    world_say(w, c, ".\r\n");
    world_settle(w);
}

static const struct world_mail *mail_to(const struct world *w, const char *to)
{
    for (unsigned i = 0; i < w->mail_count; i++)
        if (strstr(w->mail[i].to, to))
            return &w->mail[i];
    return NULL;
}

static void one_stuck_message_keeps_few_segments(void **state)
{
    struct world *w = up();
    uint64_t id = world_submit(w, "s@sender.example", "good@a.example late@a.example");
    world_settle(w);
    flow(w, 40);
    assert_true(held_segments(w) < 10);
    assert_true(w->notes[NOTE_MOVED] > 0);
    assert_true(engine_has_message(w->e, id));
    /* What was copied is what a restart finds: one recipient is done, the other waits. */
    world_crash(w);
    assert_int_equal(world_stats(w).recipients, 1);
    w->rules = NULL;
    world_operator(w, OPERATOR_RETRY, 0, "");
    world_settle(w);
    assert_non_null(mail_to(w, "late@a.example"));
    assert_non_null(strstr(mail_to(w, "late@a.example")->body, "\r\n\r\nhello\r\n"));
    assert_null(strstr(mail_to(w, "late@a.example")->to, "good"));
    world_all_done(w);
    world_down(w);
}

static void without_need_nothing_is_copied(void **state)
{
    struct world *w = up();
    world_submit(w, "s@sender.example", "late@a.example");
    world_settle(w);
    flow(w, 3);
    assert_int_equal(w->notes[NOTE_MOVED], 0);
    world_down(w);
}

static void chunks_go_along(void **state)
{
    struct world *w = up();
    large_message(w, "late@a.example");
    flow(w, 40);
    assert_true(held_segments(w) < 10);
    world_crash(w);
    w->rules = NULL;
    world_operator(w, OPERATOR_RETRY, 0, "");
    world_settle(w);
    const struct world_mail *m = mail_to(w, "late@a.example");
    assert_non_null(m);
    const char *body = strstr(m->body, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 200 * 1000);
    for (int i = 0; i < 200; i++)
        assert_int_equal(body[4 + 1000 * i + 997], 'a' + i % 26);
    world_all_done(w);
    world_down(w);
}

/* Every append and fetch of the copying fails once, or the relay dies there: the message stays. */
static void whatever_goes_wrong_the_message_stays(void **state)
{
    for (unsigned bad = 0; bad < 24; bad++) {
        for (int is_crash = 0; is_crash < 2; is_crash++) {
            struct world *w = up();
            large_message(w, "late@a.example");
            flow(w, 5);
            world_submit(w, "s@sender.example", "r@a.example");
            world_new_segment(w);
            unsigned step = 0;
            while (w->append_count || w->fetch_count) {
                bool is_bad = step++ == bad;
                if (is_bad && is_crash) {
                    world_crash(w);
                    break;
                }
                if (w->append_count)
                    world_appended(w, 0, is_bad ? ERR_SYSTEM : ERR_OK);
                else
                    world_fetched(w, is_bad ? ERR_SYSTEM : ERR_OK);
            }
            world_settle(w);
            flow(w, 30);
            assert_true(held_segments(w) < 12);
            w->rules = NULL;
            world_operator(w, OPERATOR_RETRY, 0, "");
            world_settle(w);
            world_pass(w, 2 * 3600 * 1000);
            const struct world_mail *m = mail_to(w, "late@a.example");
            assert_non_null(m);
            assert_int_equal(strlen(strstr(m->body, "\r\n\r\n") + 4), 200 * 1000);
            world_all_done(w);
            world_down(w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stuck_message_keeps_few_segments),
        cmocka_unit_test(without_need_nothing_is_copied),
        cmocka_unit_test(chunks_go_along),
        cmocka_unit_test(whatever_goes_wrong_the_message_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
