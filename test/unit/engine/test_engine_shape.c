/* test_engine_shape.c -- limits by [[shape]], the rate of a destination, rules about replies, and
 * words that ask to come again. */
#include "../../../src/engine/engine_core.h"
#include "engine_world.h"

#include "engine/engine_operator.h"
#include "engine/engine_view.h"

#define MINUTE 60000LL

static struct slice of_a[] = {SLICE_INIT("a.example")}, of_b[] = {SLICE_INIT("mx.b.*")},
                    of_smart[] = {SLICE_INIT("smart")};
static struct engine_host smart = {.name = SLICE_INIT("smart.example"), .port = 25};
static struct engine_route routes[] = {{.name = SLICE_INIT("smart"),
                                        .hosts = &smart,
                                        .host_count = 1,
                                        .recipients = of_a,
                                        .recipient_count = 1}};

static const struct destination *only_destination(struct world *w)
{
    const struct destination *only = NULL;
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&w->e->destinations, &at));) {
        const struct destination *d = m->value;
        if (d->home) /* a domain, that is all */
            continue;
        assert_null(only);
        only = d;
    }
    assert_non_null(only);
    return only;
}

/* Limits */

static void limits_are_overlaid(void **state)
{
    static struct engine_shape shapes[] = {
        {.name = SLICE_INIT("first"),
         .where = {.domains = of_a, .domain_count = 1},
         .limits = {.connections = 3}},
        {.name = SLICE_INIT("second"), .limits = {.connections = 7, .connection_messages = 9}},
        {.name = SLICE_INIT("mx"),
         .where = {.hosts = of_b, .host_count = 1},
         .limits = {.connection_messages = 11, .command_ms = 77}},
        {.name = SLICE_INIT("route"),
         .where = {.routes = of_smart, .route_count = 1},
         .limits = {.final_ms = 88}}};
    static const struct {
        const char *shown, *to;
        bool has_route;
        unsigned connections, messages;
        int64_t command_ms, final_ms;
    } rows[] = {
        {"the first has its way, the second the rest", "r@a.example", false, 3, 9, 300000, 600000},
        {"hosts are known behind the look-up", "r@b.example", false, 7, 9, 77, 600000},
        {"a route has no domain", "r@a.example", true, 7, 9, 300000, 88},
        {"what nobody names", "r@implicit.example", false, 7, 9, 300000, 600000},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[] = {{NULL, "CONNECT", "refuse", 0}, {0}};
        struct world *w = world_new();
        w->rules = rules;
        w->opt.shapes = shapes;
        w->opt.shape_count = COUNT_OF(shapes);
        w->opt.allow_private_mx = true;
        if (rows[i].has_route) {
            w->opt.routes = routes;
            w->opt.route_count = 1;
        }
        world_start(w);
        world_submit(w, "", rows[i].to);
        world_settle(w);
        const struct policy_limits *l = &only_destination(w)->limits;
        if (l->connections != rows[i].connections || l->connection_messages != rows[i].messages ||
            l->command_ms != rows[i].command_ms || l->final_ms != rows[i].final_ms)
            fail_msg("%s: %u %u", rows[i].shown, l->connections, l->connection_messages);
        world_down(w);
    }
}

static void new_options_bring_new_limits(void **state)
{
    (void)state;
    static struct engine_shape shapes[] = {{.limits = {.connections = 2}}};
    struct world_rule rules[] = {{NULL, "RCPT", "450 4.2.1 busy", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "", "r@a.example");
    world_settle(w);
    assert_int_equal(only_destination(w)->limits.connections, 20);
    struct engine_options with = w->opt;
    with.shapes = shapes;
    with.shape_count = 1;
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &with});
    world_pass(w, 10000);
    assert_int_equal(only_destination(w)->limits.connections, 2);
    world_down(w);
}

/* The rate */

static unsigned delivered(struct world *w)
{
    return w->notes[NOTE_DELIVERED];
}

static void a_rate_is_kept(void **state)
{
    (void)state;
    static struct engine_shape shapes[] = {
        {.where = {.domains = of_a, .domain_count = 1}, .limits = {.messages = {6, MINUTE}}}};
    struct world *w = world_new();
    w->opt.shapes = shapes;
    w->opt.shape_count = 1;
    world_start(w);
    for (int i = 0; i < 30; i++)
        world_submit(w, "", "r@a.example");
    world_settle(w);
    assert_int_equal(delivered(w), 1); /* and no connection for the others */
    assert_int_equal(world_out(w), 1);
    for (int i = 0; i < 5; i++)
        world_submit(w, "", "r@b.example");
    world_settle(w);
    assert_int_equal(delivered(w), 6); /* another destination does not wait */
    for (unsigned minute = 1; minute <= 4; minute++) {
        world_pass(w, MINUTE);
        assert_in_range(delivered(w), 6 + 6 * minute - 1, 6 + 6 * minute);
    }
    world_pass(w, MINUTE);
    assert_int_equal(delivered(w), 35);
    world_all_done(w);
    world_down(w);
}

/* Nothing happens between two messages: the timer alone wakes it. */
static void a_rate_costs_nothing(void **state)
{
    (void)state;
    static struct engine_shape shapes[] = {{.limits = {.messages = {1, 60 * MINUTE}}}};
    struct world *w = world_new();
    w->opt.shapes = shapes;
    w->opt.shape_count = 1;
    w->opt.warn_after_ms = 0;
    world_start(w);
    for (int i = 0; i < 3; i++)
        world_submit(w, "", "r@a.example");
    world_pass(w, MINUTE); /* the idle connection goes meanwhile */
    assert_int_equal(delivered(w), 1);
    assert_int_equal(engine_deadline_ms(w->e), w->now_ms + 59 * MINUTE);
    world_pass(w, 59 * MINUTE);
    assert_int_equal(delivered(w), 2);
    world_pass(w, 60 * MINUTE);
    world_all_done(w);
    world_down(w);
}

/* Its jobs are done and its connections gone, but not its rate; and there is an end to that. */
static void a_rate_is_remembered(void **state)
{
    (void)state;
    static struct engine_shape shapes[] = {{.limits = {.messages = {1, 60 * MINUTE}}}};
    struct world *w = world_new();
    w->opt.shapes = shapes;
    w->opt.shape_count = 1;
    world_start(w);
    world_submit(w, "", "r@a.example");
    world_pass(w, 10 * MINUTE);
    world_submit(w, "", "r@a.example");
    world_pass(w, 50 * MINUTE - 1);
    assert_int_equal(delivered(w), 1);
    world_pass(w, 1);
    assert_int_equal(delivered(w), 2);
    world_pass(w, 61 * MINUTE);
    assert_int_equal(w->e->destinations.count, 0);
    assert_int_equal(w->e->shaped_count, 0);

    char to[64];
    w->e->shaped_count = SHAPE_KEPT_MAX - 1; /* as if there were so many */
    for (int i = 0; i < 3; i++) {
        snprintf(to, sizeof to, "r@[9.9.9.%d]", i);
        world_submit(w, "", to);
    }
    world_pass(w, MINUTE);
    assert_int_equal(delivered(w), 5);
    assert_int_equal(w->e->destinations.count, 1);
    world_pass(w, 61 * MINUTE);
    assert_int_equal(w->e->shaped_count, SHAPE_KEPT_MAX - 1);
    world_down(w);
}

/* Replies */

static struct policy_reply_rule one_rule[1];

static struct world *world_with(struct policy_reply_rule rule, struct world_rule *said)
{
    struct world *w = world_new();
    one_rule[0] = rule;
    w->opt.replies = one_rule;
    w->opt.reply_count = 1;
    w->rules = said;
    world_start(w);
    return w;
}

static void rules_move_verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *shown, *prefix, *reply;
        enum policy_reply_then then;
        enum note_kind fate, ruled;
        unsigned connections;
        const char *log;
    } rows[] = {
        {"a 4xx for good", "RCPT", "450 4.7.9 x", POLICY_REPLY_PERMANENT, NOTE_BOUNCED,
         NOTE_RULED_PERMANENT, 1, "status=5.7.9"},
        {"a 5xx for now", "RCPT", "550 5.2.1 x", POLICY_REPLY_TEMPORARY, NOTE_DEFERRED,
         NOTE_RULED_TEMPORARY, 1, "rule=mine"},
        {"of the message", "DOT", "554 5.7.1 x", POLICY_REPLY_TEMPORARY, NOTE_DEFERRED,
         NOTE_RULED_TEMPORARY, 1, "rule=mine"},
        {"a greeting for good", "CONNECT", "554 x", POLICY_REPLY_PERMANENT, NOTE_BOUNCED,
         NOTE_RULED_PERMANENT, 1, "status=5.7.1"},
        {"a greeting for now: no other host", "CONNECT", "554 x", POLICY_REPLY_TEMPORARY,
         NOTE_DEFERRED, NOTE_RULED_TEMPORARY, 1, "rule=mine"},
        {"421 for good", "MAIL", "421 4.7.0 x!", POLICY_REPLY_PERMANENT, NOTE_BOUNCED,
         NOTE_RULED_PERMANENT, 1, "status=5.7.0"},
        {"421 and rest: no other host", "MAIL", "421 4.7.0 x!", POLICY_REPLY_BACK_OFF,
         NOTE_DEFERRED, NOTE_BACKED_OFF, 1, "rule=mine"},
        {"5xx and rest", "RCPT", "550 5.7.0 x", POLICY_REPLY_BACK_OFF, NOTE_DEFERRED,
         NOTE_BACKED_OFF, 1, "rule=mine"},
        {"the other host refuses, too", "RCPT", "450 4.7.9 x", POLICY_REPLY_NEXT_HOST,
         NOTE_DEFERRED, NOTE_RULED_NEXT_HOST, 2, "rule=mine"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule said[] = {{NULL, rows[i].prefix, rows[i].reply, 0}, {0}};
        struct world *w = world_with((struct policy_reply_rule){.name = SLICE("mine"),
                                                                .text = SLICE("x"),
                                                                .then = rows[i].then,
                                                                .for_ms = 30 * MINUTE},
                                     said);
        world_submit(w, "", "r@a.example");
        world_settle(w);
        if (w->notes[rows[i].fate] != 1 || !w->notes[rows[i].ruled] ||
            world_out(w) != rows[i].connections)
            fail_msg("%s: %u connections\n%s", rows[i].shown, world_out(w), buf_cstr(&w->log));
        world_log_has(w, rows[i].log);
        world_down(w);
    }
}

/* Some recipients go on, the others are done: nobody gets it twice. */
static void the_next_host_takes_the_rest(void **state)
{
    (void)state;
    struct world_rule said[] = {{"9.1.0.1", "RCPT TO:<moved", "450 4.7.9 not here", 0},
                                {"9.1.0.1", "RCPT TO:<bad", "550 5.1.1 no", 0},
                                {0}};
    struct world *w = world_with((struct policy_reply_rule){.name = SLICE("mine"),
                                                            .text = SLICE("not here"),
                                                            .then = POLICY_REPLY_NEXT_HOST},
                                 said);
    world_submit(w, "", "good@a.example moved@a.example bad@a.example also-moved@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 3);
    assert_int_equal(w->notes[NOTE_BOUNCED], 1);
    assert_int_equal(w->mail_count, 2);
    assert_string_equal(w->mail[0].to, "good@a.example also-moved@a.example ");
    assert_string_equal(w->mail[1].to, "moved@a.example ");
    assert_string_equal(w->mail[1].ip, "9.1.0.2");
    world_all_done(w);
    world_down(w);
}

/* A recipient that is taken along before its own time goes to the next host as well. */
static void taken_along(void **state)
{
    (void)state;
    struct world_rule said[] = {{NULL, "RCPT TO:<grey", "451 4.7.1 try again in 50 minutes", 1},
                                {NULL, "RCPT TO:<late", "451 4.3.0 busy", 1},
                                {"9.1.0.1", "RCPT TO:<grey", "450 4.7.9 not here", 0},
                                {0}};
    struct world *w = world_with((struct policy_reply_rule){.name = SLICE("mine"),
                                                            .text = SLICE("not here"),
                                                            .then = POLICY_REPLY_NEXT_HOST},
                                 said);
    world_submit(w, "", "grey@a.example late@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DEFERRED], 2);
    world_pass(w, 2 * MINUTE); /* late's time */
    assert_int_equal(w->notes[NOTE_DELIVERED], 2);
    assert_int_equal(w->notes[NOTE_RULED_NEXT_HOST], 1);
    assert_string_equal(w->mail[1].ip, "9.1.0.2");
    world_all_done(w);
    world_down(w);
}

/* What no rule reaches: a success, a lost line, a lost final reply. */
static void rules_have_limits(void **state)
{
    (void)state;
    static const struct {
        const char *shown, *prefix, *reply;
        enum note_kind fate;
    } rows[] = {
        {"delivered", "DOT", "250 x", NOTE_DELIVERED},
        {"the line is lost", "MAIL", NULL, NOTE_DEFERRED},
        {"the final reply is lost", "DOT", NULL, NOTE_UNSURE},
        {"no answer to the dot", "DOT", "354 x", NOTE_UNSURE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule said[] = {{NULL, rows[i].prefix, rows[i].reply, 0}, {0}};
        struct world *w = world_with((struct policy_reply_rule){.name = SLICE("mine"),
                                                                .text = SLICE("*"),
                                                                .then = POLICY_REPLY_PERMANENT},
                                     said);
        world_submit(w, "", "r@a.example");
        world_settle(w);
        if (w->notes[rows[i].fate] != 1 || w->notes[NOTE_RULED_PERMANENT])
            fail_msg("%s:\n%s", rows[i].shown, buf_cstr(&w->log));
        world_down(w);
    }
}

static void status_of(struct world *w, struct buf *out)
{
    buf_init(out, 100000);
    engine_destinations_text(w->e, 10, w->now_ms, out);
}

/* It says 421, and is left alone with all that waits for it, others go on; then it all goes. */
static void a_destination_rests(void **state)
{
    (void)state;
    struct world_rule said[] = {{"9.1.0.1", "MAIL", "421 4.7.28 unusual rate!", 1}, {0}};
    struct world *w = world_with((struct policy_reply_rule){.name = SLICE("rate"),
                                                            .code = SLICE("421"),
                                                            .status = SLICE("4.7.*"),
                                                            .then = POLICY_REPLY_BACK_OFF,
                                                            .for_ms = 30 * MINUTE},
                                 said);
    uint64_t refused = world_submit(w, "", "r@a.example"), waits = 0;
    world_settle(w);
    unsigned before = world_out(w);
    for (int i = 0; i < 20; i++)
        waits = world_submit(w, "", "r@a.example");
    world_submit(w, "", "r@b.example");
    world_pass(w, 29 * MINUTE);
    assert_int_equal(delivered(w), 1); /* b.example's */
    assert_int_equal(world_out(w), before + 1);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    assert_int_equal(w->notes[NOTE_BACKED_OFF], 1);
    struct buf text;
    status_of(w, &text);
    assert_non_null(strstr(buf_cstr(&text), "a.example: 21 waiting, left in peace for"));
    assert_non_null(strstr(buf_cstr(&text), "by rule rate: 421 4.7.28 unusual rate"));
    buf_clear(&text);
    assert_true(engine_message_text(w->e, refused, w->now_ms, &text));
    assert_non_null(strstr(buf_cstr(&text), "421 4.7.28 unusual rate (rule rate)"));
    buf_clear(&text);
    assert_true(engine_message_text(w->e, waits, w->now_ms, &text));
    assert_non_null(strstr(buf_cstr(&text), "rule rate: 421 4.7.28 unusual rate"));
    buf_close(&text);
    world_pass(w, 2 * MINUTE);
    assert_int_equal(delivered(w), 22);
    status_of(w, &text);
    assert_int_equal(text.n, 0);
    buf_close(&text);
    world_all_done(w);
    world_down(w);
}

/* On a connection that has carried mail the job goes back, and the destination rests all the same;
 * the operator ends it. */
static void a_kept_connection_is_refused(void **state)
{
    (void)state;
    struct world_rule said[] = {{NULL, "MAIL FROM:<second", "421 4.7.28 unusual rate!", 1}, {0}};
    struct world *w = world_with((struct policy_reply_rule){.name = SLICE("rate"),
                                                            .code = SLICE("421"),
                                                            .then = POLICY_REPLY_BACK_OFF,
                                                            .for_ms = 30 * MINUTE},
                                 said);
    world_submit(w, "first@sender.example", "r@a.example");
    world_settle(w);
    uint64_t id = world_submit(w, "second@sender.example", "r@a.example");
    world_pass(w, 20 * MINUTE);
    assert_int_equal(delivered(w), 1);
    assert_int_equal(w->notes[NOTE_DEFERRED], 0); /* no attempt was counted */
    assert_int_equal(w->notes[NOTE_BACKED_OFF], 1);
    world_operator(w, OPERATOR_RETRY, id, "");
    world_settle(w);
    assert_int_equal(delivered(w), 2);
    world_all_done(w);
    world_down(w);
}

/* After its rest one connection asks whether all is well, then there are as many as ever. */
static void a_rest_ends_with_a_probe(void **state)
{
    (void)state;
    struct world_rule said[] = {{NULL, "MAIL", "421 4.7.28 unusual rate!", 2}, {0}};
    struct world *w = world_with((struct policy_reply_rule){.name = SLICE("rate"),
                                                            .code = SLICE("421"),
                                                            .then = POLICY_REPLY_BACK_OFF,
                                                            .for_ms = 30 * MINUTE},
                                 said);
    world_submit(w, "", "r@a.example");
    world_settle(w);
    for (int i = 0; i < 20; i++)
        world_submit(w, "", "r@a.example");
    unsigned before = world_out(w);
    world_pass(w, 30 * MINUTE); /* refused again */
    assert_int_equal(world_out(w), before + 1);
    assert_int_equal(w->notes[NOTE_BACKED_OFF], 2);
    w->holds_remotes = true;
    world_pass(w, 30 * MINUTE);
    assert_int_equal(world_open_out(w), 1);
    assert_int_equal(world_out(w), before + 2);
    w->holds_remotes = false;
    world_settle(w);
    world_pass(w, 1);
    assert_true(world_out(w) > before + 3);
    world_pass(w, 2 * MINUTE);
    assert_int_equal(delivered(w), 21);
    world_all_done(w);
    world_down(w);
}

static void a_rest_outlives_a_reload(void **state)
{
    (void)state;
    struct world_rule said[] = {{NULL, "MAIL", "421 4.7.28 unusual rate!", 1}, {0}};
    struct world *w = world_with((struct policy_reply_rule){.name = SLICE("rate"),
                                                            .code = SLICE("421"),
                                                            .then = POLICY_REPLY_BACK_OFF,
                                                            .for_ms = 30 * MINUTE},
                                 said);
    world_submit(w, "", "r@a.example");
    world_settle(w);
    struct engine_options again = w->opt;
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &again});
    world_submit(w, "", "r@a.example");
    world_pass(w, 29 * MINUTE);
    assert_int_equal(delivered(w), 0);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    struct buf text;
    status_of(w, &text);
    assert_non_null(strstr(buf_cstr(&text), "by rule rate: 421 4.7.28 unusual rate"));
    buf_close(&text);
    world_pass(w, 2 * MINUTE);
    assert_int_equal(delivered(w), 2);
    world_all_done(w);
    world_pass(w, MINUTE);
    assert_int_equal(w->e->destinations.count, 0);
    assert_int_equal(w->e->shaped_count, 0);
    world_down(w);
}

static void halved_and_halved_again(void **state)
{
    (void)state;
    struct world_rule said[] = {{"9.1.0.1", "CONNECT", "421 4.7.0 too busy", 1}, {0}};
    struct world *w = world_new();
    one_rule[0] = (struct policy_reply_rule){.name = SLICE("slow"),
                                             .text = SLICE("too busy"),
                                             .then = POLICY_REPLY_SLOW_DOWN,
                                             .for_ms = 10 * MINUTE};
    w->opt.replies = one_rule;
    w->opt.reply_count = 1;
    w->opt.limits.connections = 8;
    w->opt.limits.idle_ms = 1000;
    world_start(w);
    world_submit(w, "", "r@a.example");
    w->rules = said;
    w->holds_remotes = true;
    for (int i = 0; i < 20; i++)
        world_submit(w, "", "r@a.example");
    w->holds_remotes = false;
    world_settle(w);
    world_pass(w, 2000); /* all connections gone */
    assert_int_equal(w->notes[NOTE_SLOWED], 1);
    const struct destination *d = only_destination(w); /* the refused one waits */
    assert_int_equal(destination_lines_most(w->e, d), 4);
    w->holds_remotes = true;
    for (int i = 0; i < 20; i++)
        world_submit(w, "", "r@a.example");
    assert_int_equal(d->line_count, 4);
    said[0].times = 1;
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->notes[NOTE_SLOWED], 2);
    world_pass(w, 2000);
    assert_int_equal(destination_lines_most(w->e, d), 2);
    world_pass(w, 30 * MINUTE);
    assert_int_equal(delivered(w), 41);
    world_all_done(w);
    world_down(w);
}

static void our_own_rules(void **state)
{
    static char zone[] = "a.example MX 10 mx.l.google.com\nmx.l.google.com A 9.1.0.1\n";
    (void)state;
    for (int has = 0; has < 2; has++) {
        struct world_rule said[] = {{NULL, "DOT", "421-4.7.28 x\r\n421 4.7.28 y", 1}, {0}};
        struct world *w = world_new();
        w->zone = zone;
        w->rules = said;
        w->opt.has_builtin_rules = has;
        world_start(w);
        world_submit(w, "", "r@a.example");
        world_settle(w);
        assert_int_equal(w->notes[NOTE_BACKED_OFF], has);
        assert_int_equal(w->notes[NOTE_DEFERRED], 1);
        if (has)
            world_log_has(w, "rule=google-rate");
        world_down(w);
    }
}

/* Words */

static void waits_as_it_is_told(void **state)
{
    static const struct {
        const char *shown, *prefix, *reply;
        int64_t least, most;
    } rows[] = {
        {"the schedule", "RCPT", "450 4.2.1 busy", 48000, 72000},
        {"a greylist", "RCPT", "450 4.2.0 Greylisted", 5 * MINUTE, 5 * MINUTE + 31000},
        {"a greylist that says when", "RCPT", "451 4.7.1 Greylisted for 120 seconds", 2 * MINUTE,
         2 * MINUTE + 13000},
        {"a wait", "DOT", "451 4.7.1 try again in 10 minutes", 10 * MINUTE, 11 * MINUTE + 1000},
        {"too short a wait", "RCPT", "451 4.7.1 try again in 1 second", MINUTE, MINUTE + 7000},
        {"too long a wait", "RCPT", "451 4.7.1 try again in 3 days", 120 * MINUTE, 120 * MINUTE},
        {"a 5xx asks in vain, by a rule it is later", "MAIL", "550 x try again in 10 minutes",
         48000, 72000},
        {"421 at once: its destination", "CONNECT", "421 try again in 10 minutes", 10 * MINUTE,
         10 * MINUTE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule said[] = {{NULL, rows[i].prefix, rows[i].reply, 0}, {0}};
        struct world *w = world_with((struct policy_reply_rule){.name = SLICE("mine"),
                                                                .code = SLICE("550"),
                                                                .then = POLICY_REPLY_TEMPORARY},
                                     said);
        world_submit(w, "", "r@a.example");
        world_settle(w);
        assert_int_equal(w->notes[NOTE_DEFERRED], 1);
        world_pass(w, rows[i].least - 1);
        unsigned early = w->notes[NOTE_DEFERRED];
        world_pass(w, rows[i].most - rows[i].least + 1);
        if (early != 1 || w->notes[NOTE_DEFERRED] != 2)
            fail_msg("%s: %u, %u\n%s", rows[i].shown, early, w->notes[NOTE_DEFERRED],
                     buf_cstr(&w->log));
        world_down(w);
    }
}

/* The second refusal of a greylist goes by the schedule; and no wait leads past the end. */
static void greylisted_once(void **state)
{
    (void)state;
    struct world_rule said[] = {{NULL, "RCPT", "450 4.2.0 Greylisted", 2}, {0}};
    struct world *w = world_up();
    w->rules = said;
    world_submit(w, "", "r@a.example");
    world_pass(w, 5 * MINUTE + 31000);
    assert_int_equal(w->notes[NOTE_DEFERRED], 2);
    assert_int_equal(w->notes[NOTE_GREYLISTED], 2);
    world_pass(w, 3 * MINUTE); /* 2 minutes, more or less */
    assert_int_equal(delivered(w), 1);
    world_all_done(w);
    world_down(w);
}

static void no_wait_past_the_end(void **state)
{
    (void)state;
    struct world_rule said[] = {{NULL, "RCPT", "451 4.7.1 try again in 2 hours", 1}, {0}};
    struct world *w = world_new();
    w->opt.lifetime_ms = 60 * MINUTE;
    w->opt.warn_after_ms = 0;
    w->rules = said;
    world_start(w);
    world_submit(w, "", "r@a.example");
    world_pass(w, 2 * MINUTE);
    assert_int_equal(delivered(w), 1);
    world_all_done(w);
    world_down(w);
}

static void it_is_explained(void **state)
{
    (void)state;
    static struct engine_shape shapes[] = {
        {.name = SLICE_INIT("gentle"),
         .where = {.domains = of_a, .domain_count = 1},
         .limits = {.connections = 3, .messages = {100, MINUTE}}},
        {.name = SLICE_INIT("other"),
         .where = {.domains = of_b, .domain_count = 1},
         .limits = {.connections = 4}}};
    struct world_rule said[] = {{NULL, "MAIL", "421 x!", 0}, {0}};
    struct world *w = world_with((struct policy_reply_rule){.name = SLICE("mine"),
                                                            .code = SLICE("421"),
                                                            .then = POLICY_REPLY_BACK_OFF,
                                                            .for_ms = 30 * MINUTE},
                                 said);
    w->opt.shapes = shapes;
    w->opt.shape_count = 2;
    struct engine_case c = {.recipient = SLICE("r@a.example"), .bytes = 100};
    struct buf text, json;
    buf_init(&text, 10000);
    engine_explain_text(w->e, &c, w->now_ms, &text);
    assert_non_null(strstr(buf_cstr(&text), "limits      3 connections, 1000 messages on each, 100 "
                                            "messages in 60s; shaped by gentle\n"));
    assert_null(strstr(buf_cstr(&text), "resting"));
    world_submit(w, "", "r@a.example");
    world_settle(w);
    buf_clear(&text);
    engine_explain_text(w->e, &c, w->now_ms, &text);
    assert_non_null(strstr(buf_cstr(&text), "resting     for 1800s: rule mine: 421 x\n"));
    buf_init(&json, 10000);
    engine_explain_json(w->e, &c, w->now_ms, &json);
    assert_non_null(strstr(buf_cstr(&json), "\"shapes\":[\"gentle\"]"));
    assert_non_null(strstr(buf_cstr(&json), "\"rate_messages\":100"));
    assert_non_null(strstr(buf_cstr(&json), "\"rule\":\"rule mine: 421 x\",\"rule_s\":1800"));
    buf_close(&text);
    buf_close(&json);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_overlaid),
        cmocka_unit_test(new_options_bring_new_limits),
        cmocka_unit_test(a_rate_is_kept),
        cmocka_unit_test(a_rate_costs_nothing),
        cmocka_unit_test(a_rate_is_remembered),
        cmocka_unit_test(rules_move_verdicts),
        cmocka_unit_test(the_next_host_takes_the_rest),
        cmocka_unit_test(taken_along),
        cmocka_unit_test(rules_have_limits),
        cmocka_unit_test(a_destination_rests),
        cmocka_unit_test(a_kept_connection_is_refused),
        cmocka_unit_test(a_rest_ends_with_a_probe),
        cmocka_unit_test(a_rest_outlives_a_reload),
        cmocka_unit_test(halved_and_halved_again),
        cmocka_unit_test(our_own_rules),
        cmocka_unit_test(waits_as_it_is_told),
        cmocka_unit_test(greylisted_once),
        cmocka_unit_test(no_wait_past_the_end),
        cmocka_unit_test(it_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
