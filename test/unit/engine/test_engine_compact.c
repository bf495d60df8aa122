/* test_engine_compact.c -- what stays must not keep every segment since: it moves out of emptied
 * segments, whole, and a checkpoint frees those that only waited; whatever goes wrong meanwhile. */
#include "engine_world.h"

enum { SEGMENT_BYTES = 1 << 20, PASSES_MS = 5000, STUCK = 12 };

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
    world_pass(w, PASSES_MS);
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

/* A checkpoint says what counts in the first segment; the others wait for nothing then. */
static void one_stuck_message_keeps_few_segments(void **state)
{
    struct world *w = up();
    uint64_t id = world_submit(w, "s@sender.example", "good@a.example late@a.example");
    world_settle(w);
    flow(w, 40);
    assert_true(held_segments(w) < 10);
    assert_true(w->notes[NOTE_CHECKPOINT] > 0);
    assert_true(engine_has_message(w->e, id));
    unsigned mails = w->mail_count;
    /* What is left is what a restart finds: one recipient is done, the other waits. */
    world_crash(w);
    assert_int_equal(world_stats(w).messages, 1);
    assert_int_equal(world_stats(w).recipients, 1);
    w->rules = NULL;
    world_operator(w, OPERATOR_RETRY, 0, "");
    world_settle(w);
    assert_int_equal(w->mail_count, mails + 1); /* none of the finished comes again */
    assert_non_null(mail_to(w, "late@a.example"));
    assert_non_null(strstr(mail_to(w, "late@a.example")->body, "\r\n\r\nhello\r\n"));
    assert_null(strstr(mail_to(w, "late@a.example")->to, "good"));
    world_all_done(w);
    world_down(w);
}

/* One in each segment that stays. */
static void stuck_in_each(struct world *w)
{
    for (int i = 0; i < STUCK; i++) {
        char to[40];
        snprintf(to, sizeof to, "late%d-@a.example", i);
        large_message(w, to);
        world_submit(w, "s@sender.example", "r@a.example");
        world_new_segment(w);
        world_settle(w);
    }
}

static void all_arrive(struct world *w)
{
    w->rules = NULL;
    world_operator(w, OPERATOR_RETRY, 0, "");
    world_settle(w);
    world_pass(w, 2 * 3600 * 1000);
    for (int i = 0; i < STUCK; i++) {
        char to[40];
        snprintf(to, sizeof to, "late%d-@a.example", i);
        const struct world_mail *m = mail_to(w, to);
        assert_non_null(m);
        const char *body = strstr(m->body, "\r\n\r\n");
        assert_non_null(body);
        assert_int_equal(strlen(body + 4), 200 * 1000);
        for (int k = 0; k < 200; k++)
            assert_int_equal(body[4 + 1000 * k + 997], 'a' + k % 26);
    }
    world_all_done(w);
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

static void what_stays_moves_to_few_segments(void **state)
{
    struct world *w = up();
    stuck_in_each(w);
    flow(w, 3);
    assert_true(w->notes[NOTE_MOVED] > 0);
    assert_true(held_segments(w) <= 2 * 3 + 6); /* three segments' worth is alive */
    world_crash(w);
    assert_int_equal(world_stats(w).messages, STUCK);
    all_arrive(w);
    world_down(w);
}

static void assert_asked_for(const struct world *w, uint64_t id)
{
    static const char *const parts[] = {
        "\"binarymime\":true",    "\"ret\":\"HDRS\"",         "\"envid\":\"Q1\"",
        "\"notify\":\"SUCCESS\"", "\"orcpt\":\"rfc822;x@y\"",
    };
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_true(engine_message_json(w->e, id, w->now_ms, &out));
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!strstr(buf_cstr(&out), parts[i]))
            fail_msg("no %s in %s", parts[i], buf_cstr(&out));
    buf_close(&out);
}

/* What RFC 3461 has is in the copy, and that it is binary, and found there by a start. */
static void what_was_asked_for_moves_too(void **state)
{
    struct world *w = up();
    w->ehlo = "250-CHUNKING\r\n250-BINARYMIME\r\n";
    struct world_conn *c = world_client(w);
    world_say(w, c,
              "EHLO client\r\n"
              "MAIL FROM:<s@sender.example> BODY=BINARYMIME RET=HDRS ENVID=Q1\r\n"
              "RCPT TO:<late@a.example> NOTIFY=SUCCESS ORCPT=rfc822;x@y\r\n"
              "BDAT 10 LAST\r\nA: b\r\n\r\n\nx");
    assert_int_equal(w->append_count, 1);
    world_appended(w, 0, ERR_OK);
    const char *queued = strstr(world_heard(c), "queued as ");
    uint64_t id;
    assert_non_null(queued);
    assert_true(msgid_parse(slice_of(queued + 10, MSGID_CHARS), &id));
    uint64_t segment = w->segment; /* the emptiest of them */
    world_new_segment(w);
    stuck_in_each(w);
    flow(w, 3);
    assert_true(w->is_released[segment]);
    assert_asked_for(w, id);
    world_crash(w);
    assert_asked_for(w, id);
    world_down(w);
}

/* Twice what is alive would be more than queue.max_size: mail must find room all the same. */
static void a_small_queue_keeps_room_for_mail(void **state)
{
    struct world *w = world_new();
    w->segment_bytes = SEGMENT_BYTES;
    w->rules = stuck;
    w->opt.queue_bytes_max = 8 * SEGMENT_BYTES;
    world_start(w);
    stuck_in_each(w);
    flow(w, 3);
    assert_true(held_segments(w) <= 6);
    world_crash(w);
    assert_int_equal(world_stats(w).messages, STUCK);
    all_arrive(w);
    world_down(w);
}

/* Where only an outcome stands, the state is written anew, not the message. */
static void states_leave_alone(void **state)
{
    struct world *w = up();
    for (int i = 0; i < STUCK; i++)
        world_submit(w, "s@sender.example", "good@a.example late@a.example");
    world_settle(w);
    for (int i = 0; i < STUCK; i++) { /* each try is an outcome in a segment of its own */
        world_new_segment(w);
        world_operator(w, OPERATOR_RETRY, 0, "");
        world_settle(w);
    }
    world_pass(w, PASSES_MS);
    assert_true(held_segments(w) < STUCK);
    world_crash(w);
    assert_int_equal(world_stats(w).messages, STUCK);
    assert_int_equal(world_stats(w).recipients, STUCK); /* the good ones are not forgotten */
    world_down(w);
}

/* Every append and fetch of a pass fails once, or the relay dies there: all messages stay. */
static void whatever_goes_wrong_the_messages_stay(void **state)
{
    for (unsigned bad = 0; bad < 120; bad += 1 + bad / 12) {
        for (int is_crash = 0; is_crash < 2; is_crash++) {
            struct world *w = up();
            stuck_in_each(w);
            unsigned step = 0;
            bool is_crashed = false;
            for (int64_t until_ms = w->now_ms + PASSES_MS; !is_crashed && w->now_ms < until_ms;) {
                bool is_bad = (w->append_count || w->fetch_count) && step++ == bad;
                if (is_bad && is_crash) {
                    world_crash(w);
                    is_crashed = true;
                } else if (w->append_count) {
                    world_appended(w, 0, is_bad ? ERR_SYSTEM : ERR_OK);
                } else if (w->fetch_count) {
                    world_fetched(w, is_bad ? ERR_SYSTEM : ERR_OK);
                } else {
                    w->now_ms += 10;
                    world_tell(w, (struct engine_event){.kind = EVENT_TICK});
                }
            }
            world_settle(w);
            flow(w, 10);
            assert_true(held_segments(w) <= 2 * 3 + 6);
            assert_int_equal(world_stats(w).messages, STUCK);
            all_arrive(w);
            world_down(w);
        }
    }
}

/* A pass that frees nothing is not made again at once. */
static void passes_in_vain_become_rare(void **state)
{
    struct world *w = up();
    struct world_conn *c = NULL;
    for (int i = 0; i < 20; i++) { /* uploads under way hold a segment each */
        c = world_client(w);
        world_envelope(w, c, "s@sender.example", "r@a.example");
        world_say(w, c, "Subject: large\r\n\r\n");
        for (int k = 0; k < 100; k++) {
            char line[1001];
            memset(line, 'a', 998);
            strcpy(line + 998, "\r\n");
            world_say(w, c, line);
        }
        world_settle(w);
        world_new_segment(w);
    }
    unsigned before = held_segments(w);
    world_pass(w, 60 * 1000);
    assert_int_equal(held_segments(w), before);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stuck_message_keeps_few_segments),
        cmocka_unit_test(without_need_nothing_is_copied),
        cmocka_unit_test(what_stays_moves_to_few_segments),
        cmocka_unit_test(what_was_asked_for_moves_too),
        cmocka_unit_test(a_small_queue_keeps_room_for_mail),
        cmocka_unit_test(states_leave_alone),
        cmocka_unit_test(whatever_goes_wrong_the_messages_stay),
        cmocka_unit_test(passes_in_vain_become_rare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
