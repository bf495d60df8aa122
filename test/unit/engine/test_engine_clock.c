/* test_engine_clock.c -- the wall clock was wrong, and is put right while the relay is down. */
#include "engine_world.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static struct world_rule later[] = {{NULL, "RCPT TO:<late", "450 4.2.0 not yet", 0}, {0}};

/* Deferred at a time that has not come yet: it is not kept until then. */
static void mail_from_the_future_is_tried_soon(void **state)
{
    static const int64_t wrong_ms[] = {2 * 3600 * 1000, 20 * (int64_t)DAY_MS,
                                       100000 * (int64_t)DAY_MS};
    for (size_t i = 0; i < COUNT_OF(wrong_ms); i++) {
        struct world *w = world_new();
        w->rules = later;
        w->now_ms += wrong_ms[i];
        world_start(w);
        uint64_t id = world_submit(w, "s@sender.example", "late@a.example");
        world_settle(w);
        assert_int_equal(w->notes[NOTE_DEFERRED], 1);
        w->now_ms -= wrong_ms[i];
        w->rules = NULL;
        world_crash(w);
        assert_true(engine_has_message(w->e, id));
        world_pass(w, 2 * w->opt.retry_max_ms);
        assert_int_equal(w->mail_count, 1);
        assert_int_equal(w->notes[NOTE_EXPIRED], 0);
        assert_true(world_submit(w, "s@sender.example", "r@a.example") > id);
        world_settle(w);
        world_all_done(w);
        world_down(w);
    }
}

/* The wait that was agreed on is kept while it can be true. */
static void a_restart_alone_changes_no_wait(void **state)
{
    struct world *w = world_new();
    w->rules = later;
    world_start(w);
    world_submit(w, "s@sender.example", "late@a.example");
    world_pass(w, 6 * 3600 * 1000); /* by now it waits the longest */
    unsigned tries = w->notes[NOTE_DEFERRED];
    for (int i = 0; i < 100; i++) {
        world_crash(w);
        world_settle(w);
    }
    assert_int_equal(w->notes[NOTE_DEFERRED], tries);
    world_pass(w, 3 * w->opt.retry_max_ms);
    assert_true(w->notes[NOTE_DEFERRED] > tries);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_from_the_future_is_tried_soon),
        cmocka_unit_test(a_restart_alone_changes_no_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
