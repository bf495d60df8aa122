/* test_transaction.c -- how a job is cut into transactions and connections: by our limits, by what
 * the remote says of itself, refuses or does; and when a text goes as one chunk. */
#include "engine_world.h"

#define CHUNKS "250-CHUNKING\r\n"

static unsigned count_in(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

/* The n-th outgoing connection, from 0. */
static struct world_conn *out(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < w->conn_count; i++)
        if (w->conn[i]->is_out && n-- == 0)
            return w->conn[i];
    fail_msg("no such connection");
    return NULL;
}

static unsigned said(struct world *w, unsigned conn, const char *part)
{
    return count_in(buf_cstr(&out(w, conn)->sent), part);
}

static uint64_t submit_to(struct world *w, unsigned count)
{
    struct buf to;
    buf_init(&to, 1 << 20);
    for (unsigned i = 0; i < count; i++)
        buf_addf(&to, "%sr%u@a.example", i ? " " : "", i);
    uint64_t id = world_submit(w, "s@sender.example", buf_cstr(&to));
    buf_close(&to);
    return id;
}

/* Each of r0, r1, ... has got one message, and exactly one. */
static void each_has_one(const struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        unsigned n = 0;
        snprintf(name, sizeof name, "r%u@a.example ", i);
        for (unsigned k = 0; k < w->mail_count; k++) {
            const char *hit = strstr(w->mail[k].to, name);
            n += hit && (hit == w->mail[k].to || hit[-1] == ' ');
        }
        if (n != 1)
            fail_msg("%s has %u", name, n);
    }
}

/* Chunks */

static void a_text_goes_as_one_chunk(void **state)
{
    struct world *w = world_up();
    w->ehlo = CHUNKS;
    for (int i = 0; i < 2; i++) {
        struct world_conn *c = world_client(w);
        world_envelope(w, c, "s@sender.example", "r@a.example");
        world_say(w, c, "Subject: x\r\n\r\n..dot\r\n..\r\n.\r\n");
        world_settle(w);
        world_expect(c, "250 2.0.0");
    }
    assert_int_equal(w->mail_count, 2);
    for (int i = 0; i < 2; i++) {
        const char *body = strstr(w->mail[i].body, "Subject: x\r\n");
        assert_non_null(body);
        assert_int_equal(w->mail[i].body + w->mail[i].body_bytes - body, 23);
        assert_memory_equal(body, "Subject: x\r\n\r\n.dot\r\n.\r\n", 23);
    }
    assert_int_equal(w->fetches, 0); /* from memory */
    assert_int_equal(world_out(w), 1);
    assert_int_equal(said(w, 0, "DATA\r\n"), 0);
    assert_int_equal(said(w, 0, " LAST\r\n"), 2);
    assert_int_equal(said(w, 0, "RSET\r\n"), 0);
    world_all_done(w);
    world_down(w);
}

static void not_by_chunks(void **state)
{
    static const struct {
        const char *shown, *ehlo;
        bool chunking;
    } rows[] = {
        {"not offered", NULL, true},
        {"not wanted", CHUNKS, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new();
        w->ehlo = rows[i].ehlo;
        w->opt.limits.chunking = rows[i].chunking;
        world_start(w);
        submit_to(w, 1);
        world_settle(w);
        if (said(w, 0, "BDAT") || w->mail_count != 1)
            fail_msg("%s", rows[i].shown);
        world_all_done(w);
        world_down(w);
    }
}

/* It offers what it does not know: the same host again, by DATA, and for a while so. */
static void chunks_in_vain(void **state)
{
    static const char *const replies[] = {"500 5.5.1 what", "502 5.5.1 no", "503 5.5.1 no",
                                          "504 no", "501 no"};
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        struct world_rule rules[] = {{NULL, "CHUNK", replies[i], 1}, {0}};
        struct world *w = world_up();
        w->ehlo = CHUNKS;
        w->rules = rules;
        w->opt.limits.idle_ms = 2 * 3600 * 1000;
        submit_to(w, 1);
        world_settle(w);
        assert_int_equal(w->mail_count, 1);
        assert_string_equal(w->mail[0].ip, "9.1.0.1");
        assert_int_equal(w->notes[NOTE_DEFERRED], 0);
        assert_int_equal(w->notes[NOTE_DELIVERED], 1);
        assert_int_equal(world_out(w), 2);
        assert_int_equal(said(w, 1, "DATA\r\n"), 1);
        world_log_has(w, "BDAT is offered and refused");
        submit_to(w, 1);
        world_settle(w);
        assert_int_equal(world_out(w), 2);
        assert_int_equal(said(w, 1, "BDAT"), 0);
        world_all_done(w);
        world_down(w);
    }
}

/* The body's lines were read as commands: what is said to them belongs to nothing of ours. */
static void chunks_read_as_commands(void **state)
{
    struct world_rule rules[] = {{NULL, "BDAT", "502 5.5.1 no", 1}, {0}};
    struct world *w = world_up();
    w->ehlo = CHUNKS;
    w->rules = rules;
    submit_to(w, 1);
    world_settle(w);
    assert_int_equal(w->mail_count, 1);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    assert_int_equal(w->notes[NOTE_DEFERRED], 0);
    world_all_done(w);
    world_down(w);
}

/* Nobody answers to the chunk: unsure, and by DATA the next time. */
static void a_chunk_without_an_answer(void **state)
{
    struct world_rule rules[] = {{NULL, "CHUNK", NULL, 1}, {0}};
    struct world *w = world_up();
    w->opt.unsure_wait_ms = 0;
    w->ehlo = CHUNKS;
    w->rules = rules;
    submit_to(w, 1);
    world_settle(w);
    assert_int_equal(w->notes[NOTE_UNSURE], 1);
    assert_int_equal(world_out(w), 1); /* at no other host at once */
    submit_to(w, 1);                   /* keeps the destination, and what was learned, alive */
    world_pass(w, 2 * 60000);
    assert_int_equal(w->notes[NOTE_DELIVERED], 2);
    for (unsigned i = 1; i < world_out(w); i++)
        assert_int_equal(said(w, i, "BDAT"), 0);
    world_down(w);
}

/* A line that was idle may be closing just now: the chunk does not run ahead, and nothing is in
 * doubt. In a burst it does, and a line that dies under the whole group leaves doubt. */
static void a_line_dies_under_a_group(void **state)
{
    for (int is_burst = 0; is_burst < 2; is_burst++) {
        struct world_rule rules[] = {{NULL, "MAIL", "250 ok", 1}, {NULL, "MAIL", NULL, 1}, {0}};
        struct world *w = world_new();
        w->opt.limits.connections = 1;
        w->opt.unsure_wait_ms = 0;
        world_start(w);
        w->ehlo = CHUNKS;
        w->rules = rules;
        w->holds_remotes = is_burst;
        submit_to(w, 1);
        world_settle(w);
        submit_to(w, 1);
        w->holds_remotes = false;
        world_settle(w);
        assert_int_equal(w->notes[NOTE_UNSURE], is_burst);
        assert_int_equal(w->notes[NOTE_DELIVERED], 2 - is_burst);
        world_pass(w, 2 * 60000);
        assert_int_equal(w->notes[NOTE_DELIVERED], 2);
        world_all_done(w);
        world_down(w);
    }
}

static void a_refused_message_leaves_a_clean_line(void **state)
{
    struct world_rule rules[] = {{NULL, "CHUNK", "554 5.7.1 spam", 1}, {0}};
    struct world *w = world_up();
    w->ehlo = CHUNKS;
    w->rules = rules;
    world_submit(w, "", "r@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_BOUNCED], 1);
    world_submit(w, "", "q@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    assert_int_equal(world_out(w), 1);
    assert_int_equal(said(w, 0, "RSET\r\n"), 1);
    world_all_done(w);
    world_down(w);
}

/* Recipients */

static void more_recipients_than_a_transaction_takes(void **state)
{
    static const struct {
        const char *shown, *ehlo;
        unsigned ours, theirs, transactions, rcpts;
    } rows[] = {
        {"our limit", NULL, 100, 0, 3, 250},
        {"our limit, in chunks", CHUNKS, 100, 0, 3, 250},
        {"just so many", NULL, 125, 0, 2, 250},
        {"the remote says it: LIMITS", "250-LIMITS RCPTMAX=50\r\n", 100, 50, 5, 250},
        {"others of LIMITS", "250-LIMITS X=1 rcptmax=50 RCPTMAX=x MAILMAX=\r\n", 100, 50, 5, 250},
        {"452: once too many, then it is known", NULL, 100, 40, 7, 310},
        {"the same in chunks", CHUNKS, 100, 40, 7, 310},
        {"one each", NULL, 1, 0, 250, 250},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new();
        w->opt.limits.recipients = rows[i].ours;
        world_start(w);
        w->ehlo = rows[i].ehlo;
        w->recipients_most = rows[i].theirs;
        submit_to(w, 250);
        world_settle(w); /* no time passes */
        if (w->mail_count != rows[i].transactions || world_out(w) != 1 ||
            said(w, 0, "RCPT TO") != rows[i].rcpts || w->fetches)
            fail_msg("%s: %u transactions, %u connections, %u RCPT, %u fetches", rows[i].shown,
                     w->mail_count, world_out(w), said(w, 0, "RCPT TO"), w->fetches);
        assert_int_equal(said(w, 0, "RSET\r\n"), 0);
        assert_int_equal(w->notes[NOTE_DEFERRED], 0);
        each_has_one(w, 250);
        world_all_done(w);
        world_crash(w); /* each part's outcome is on disk */
        world_all_done(w);
        world_down(w);
    }
}

static void a_cold_body_serves_all_transactions(void **state)
{
    struct world *w = world_new();
    w->opt.limits.recipients = 10;
    world_start(w);
    w->holds_remotes = true;
    submit_to(w, 35);
    world_crash(w);
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->mail_count, 4);
    assert_int_equal(w->fetches, 1);
    each_has_one(w, 35);
    world_all_done(w);
    world_down(w);
}

/* Where none is taken a next transaction would hear the same. */
static void too_many_from_the_first_on(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT", "452 4.5.3 too many", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    submit_to(w, 3);
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DEFERRED], 3);
    assert_int_equal(said(w, 0, "MAIL FROM"), 1);
    world_down(w);
}

/* Who was put off in a part is left alone by the next ones, on other connections too. */
static void put_off_is_put_off(void **state)
{
    for (unsigned mails = 0; mails < 2; mails++) {
        struct world_rule rules[] = {{NULL, "RCPT TO:<r1@", "450 4.2.0 busy", 1},
                                     {NULL, "RCPT TO:<r12@", "550 5.1.1 no", 0},
                                     {0}};
        struct world *w = world_new();
        w->opt.limits.recipients = 10;
        w->opt.limits.connection_messages = mails ? mails : 1000;
        world_start(w);
        w->rules = rules;
        submit_to(w, 35);
        world_settle(w);
        assert_int_equal(w->notes[NOTE_DEFERRED], 1);
        assert_int_equal(w->notes[NOTE_BOUNCED], 1);
        unsigned rcpts = 0;
        for (unsigned i = 0; i < world_out(w); i++)
            rcpts += said(w, i, "RCPT TO:<r1@");
        assert_int_equal(rcpts, 1);
        assert_int_equal(world_stats(w).recipients, 1);
        world_pass(w, 2 * 60000);
        assert_int_equal(world_stats(w).messages, 0);
        for (unsigned i = 0; i < 35; i++) {
            char name[32];
            unsigned n = 0;
            snprintf(name, sizeof name, "r%u@a.example ", i);
            for (unsigned k = 0; k < w->mail_count; k++)
                n += strstr(w->mail[k].to, name) != NULL;
            assert_int_equal(n, i != 12);
        }
        world_down(w);
    }
}

/* The line dies in a later transaction: what the first ones did stands, and is on disk. */
static void a_line_dies_between_parts(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<r25@", NULL, 1}, {0}};
    struct world *w = world_new();
    w->opt.limits.recipients = 10;
    world_start(w);
    w->rules = rules;
    submit_to(w, 35);
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DEFERRED], 0);
    assert_int_equal(w->mail_count, 4);
    assert_int_equal(world_out(w), 2);
    each_has_one(w, 35);
    world_all_done(w);
    world_down(w);
}

/* The answer to a part is lost: its recipients are unsure, the others know nothing of it. */
static void a_part_is_unsure(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<r13@", "450 4.2.0 busy", 1},
                                 {NULL, "DOT", "250 ok", 1},
                                 {NULL, "DOT", NULL, 1},
                                 {0}};
    struct world *w = world_new();
    w->opt.limits.recipients = 10;
    world_start(w);
    w->rules = rules;
    submit_to(w, 35);
    world_settle(w);
    assert_int_equal(w->notes[NOTE_UNSURE], 9);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    assert_int_equal(w->notes[NOTE_DELIVERED], 25);
    assert_string_equal(w->mail[w->mail_count - 1].ip, "9.1.0.1");
    assert_int_equal(world_stats(w).recipients, 10);
    world_pass(w, 3 * 60000);
    assert_int_equal(w->notes[NOTE_DELIVERED], 35);
    world_all_done(w);
    world_down(w);
}

/* A job is due when one of its recipients is; the others, in a later part, have their turn too. */
static void those_not_due_are_taken_along(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<r0@", "450 4.2.0 busy", 2},
                                 {NULL, "RCPT TO:<r1@", "450 4.2.0 busy", 3},
                                 {NULL, "RCPT TO:<r2@", "450 4.2.0 busy", 4},
                                 {0}};
    struct world *w = world_new();
    w->opt.limits.recipients = 1;
    world_start(w);
    w->rules = rules;
    submit_to(w, 3);
    world_pass(w, 20 * 60000);
    assert_int_equal(w->notes[NOTE_DEFERRED], 9);
    each_has_one(w, 3);
    world_all_done(w);
    world_down(w);
}

static void a_crash_between_parts(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<r25@", "", 1}, {0}}; /* silence */
    struct world *w = world_new();
    w->opt.limits.recipients = 10;
    world_start(w);
    w->rules = rules;
    submit_to(w, 35);
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    world_crash(w);
    world_settle(w);
    each_has_one(w, 35);
    world_all_done(w);
    world_down(w);
}

/* Between two parts the operator's order counts. */
static void an_order_between_parts(void **state)
{
    struct world *w = world_new();
    w->opt.limits.recipients = 10;
    world_start(w);
    w->holds_remotes = true;
    uint64_t id = submit_to(w, 35);
    world_settle(w);
    world_operator(w, OPERATOR_DELETE, id, NULL);
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->mail_count, 1); /* it was in flight */
    assert_int_equal(w->notes[NOTE_REMOVED], 25);
    world_all_done(w);
    world_down(w);
}

/* Connections */

static void connections_end_in_time(void **state)
{
    static const struct {
        const char *shown, *ehlo;
        unsigned ours;
    } rows[] = {
        {"our limit", NULL, 4},
        {"MAILMAX", "250-LIMITS MAILMAX=4\r\n", 1000},
        {"ours is less than theirs", "250-LIMITS MAILMAX=40 RCPTMAX=1\r\n", 4},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new();
        w->opt.limits.connection_messages = rows[i].ours;
        w->opt.limits.connections = 1;
        world_start(w);
        w->ehlo = rows[i].ehlo;
        w->mails_most = 4; /* more would be refused */
        w->holds_remotes = true;
        for (int k = 0; k < 10; k++)
            world_submit(w, "s@sender.example", "r@a.example");
        w->holds_remotes = false;
        world_settle(w);
        if (w->mail_count != 10 || world_out(w) != 3 || said(w, 0, "MAIL FROM") != 4)
            fail_msg("%s: %u by %u", rows[i].shown, w->mail_count, world_out(w));
        assert_int_equal(w->notes[NOTE_DEFERRED], 0);
        assert_int_equal(said(w, 0, "QUIT"), 1);
        world_all_done(w);
        world_down(w);
    }
}

static void the_parts_of_a_job_end_a_connection_too(void **state)
{
    struct world *w = world_new();
    w->opt.limits.recipients = 10;
    w->opt.limits.connections = 1;
    world_start(w);
    w->ehlo = "250-LIMITS MAILMAX=2\r\n";
    w->mails_most = 2;
    submit_to(w, 95);
    world_settle(w);
    assert_int_equal(w->mail_count, 10);
    assert_int_equal(world_out(w), 5);
    each_has_one(w, 95);
    world_all_done(w);
    world_down(w);
}

/* It ends each connection with a 421 after so many, and says so nowhere: learned at the second. */
static void a_limit_that_is_learned(void **state)
{
    struct world *w = world_new();
    w->opt.limits.connections = 1;
    world_start(w);
    w->mails_most = 3;
    w->holds_remotes = true;
    for (int k = 0; k < 21; k++)
        world_submit(w, "s@sender.example", "r@a.example");
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->mail_count, 21);
    assert_int_equal(world_out(w), 7);
    assert_int_equal(w->notes[NOTE_DEFERRED], 0);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(said(w, i, "MAIL FROM"), i < 2 ? 4 : 3); /* wasted twice */
    world_all_done(w);
    world_down(w);
}

/* Once is chance: a connection that goes further forgets it. */
static void one_that_leaves_once_teaches_nothing(void **state)
{
    struct world_rule rules[] = {{NULL, "MAIL", "250 ok", 2}, {NULL, "MAIL", NULL, 1}, {0}};
    struct world *w = world_new();
    w->opt.limits.connections = 1;
    world_start(w);
    w->rules = rules;
    w->holds_remotes = true;
    for (int k = 0; k < 20; k++)
        world_submit(w, "s@sender.example", "r@a.example");
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->mail_count, 20);
    assert_int_equal(world_out(w), 2);
    assert_int_equal(said(w, 1, "MAIL FROM"), 18);
    world_all_done(w);
    world_down(w);
}

static void an_old_connection_is_left(void **state)
{
    struct world *w = world_new();
    w->opt.limits.idle_ms = 60 * 1000;
    w->opt.limits.age_ms = 90 * 1000;
    world_start(w);
    for (int i = 0; i < 4; i++) {
        world_submit(w, "s@sender.example", "r@a.example");
        world_pass(w, 40 * 1000);
    }
    assert_int_equal(w->mail_count, 4);
    assert_int_equal(world_out(w), 2); /* 0, 40, 80 s; 120 s */
    assert_int_equal(said(w, 0, "MAIL FROM"), 3);
    assert_int_equal(said(w, 0, "QUIT"), 1);
    assert_int_equal(world_open_out(w), 1);
    world_down(w);
}

static void no_connection_is_kept(void **state)
{
    struct world *w = world_new();
    w->opt.limits.idle_ms = 0;
    world_start(w);
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 1);
    assert_int_equal(world_open_out(w), 0);
    assert_int_equal(said(w, 0, "QUIT"), 1);
    world_all_done(w);
    world_down(w);
}

/* RCPTDOMAINMAX: so many domains on one connection (RFC 9422 section 4.3). */
static void domains_of_a_session(void **state)
{
    static struct slice all = SLICE_INIT("*");
    static struct engine_host hosts[] = {{.name = SLICE_INIT("smart.example"), .port = 587}};
    static struct engine_route route = {.name = SLICE_INIT("smart.example"),
                                        .recipients = &all,
                                        .recipient_count = 1,
                                        .hosts = hosts,
                                        .host_count = 1};
    struct world *w = world_new();
    w->opt.routes = &route;
    w->opt.route_count = 1;
    w->opt.limits.connections = 1;
    world_start(w);
    w->ehlo = "250-LIMITS RCPTDOMAINMAX=2\r\n";
    world_submit(w, "s@sender.example",
                 "a@x.example b@X.example a@y.example a@z.example "
                 "b@y.example b@z.example a@q.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 7);
    assert_int_equal(world_out(w), 2);
    assert_string_equal(w->mail[0].to, "a@x.example b@x.example a@y.example b@y.example ");
    assert_string_equal(w->mail[1].to, "a@z.example b@z.example a@q.example ");
    world_submit(w, "s@sender.example", "c@q.example"); /* still open, and known there */
    world_settle(w);
    assert_int_equal(world_out(w), 2);
    world_submit(w, "s@sender.example", "c@x.example"); /* not known there */
    world_settle(w);
    assert_int_equal(world_out(w), 3);
    assert_int_equal(w->notes[NOTE_DELIVERED], 9);
    world_all_done(w);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_goes_as_one_chunk),
        cmocka_unit_test(not_by_chunks),
        cmocka_unit_test(chunks_in_vain),
        cmocka_unit_test(chunks_read_as_commands),
        cmocka_unit_test(a_chunk_without_an_answer),
        cmocka_unit_test(a_line_dies_under_a_group),
        cmocka_unit_test(a_refused_message_leaves_a_clean_line),
        cmocka_unit_test(more_recipients_than_a_transaction_takes),
        cmocka_unit_test(a_cold_body_serves_all_transactions),
        cmocka_unit_test(too_many_from_the_first_on),
        cmocka_unit_test(put_off_is_put_off),
        cmocka_unit_test(a_line_dies_between_parts),
        cmocka_unit_test(a_part_is_unsure),
        cmocka_unit_test(those_not_due_are_taken_along),
        cmocka_unit_test(a_crash_between_parts),
        cmocka_unit_test(an_order_between_parts),
        cmocka_unit_test(connections_end_in_time),
        cmocka_unit_test(the_parts_of_a_job_end_a_connection_too),
        cmocka_unit_test(a_limit_that_is_learned),
        cmocka_unit_test(one_that_leaves_once_teaches_nothing),
        cmocka_unit_test(an_old_connection_is_left),
        cmocka_unit_test(no_connection_is_kept),
        cmocka_unit_test(domains_of_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
