/* test_engine_deliver.c -- from the queue to a remote: names, hosts, connections, bodies. */
#include "engine_world.h"

static const struct world_mail *only_mail(const struct world *w)
{
    assert_int_equal(w->mail_count, 1);
    return &w->mail[0];
}

static void a_message_is_delivered(void **state)
{
    struct world *w = world_up();
    uint64_t id = world_submit(w, "s@sender.example", "r@a.example");
    assert_int_equal(w->lookup_count, 1);
    assert_string_equal(w->lookup[0].name, "a.example");
    assert_int_equal(w->lookup[0].type, DNS_MX);
    world_settle(w);
    const struct world_mail *m = only_mail(w);
    assert_string_equal(m->ip, "9.1.0.1");
    assert_string_equal(m->from, "s@sender.example");
    assert_string_equal(m->to, "r@a.example ");
    struct queue_accept a; /* byte for byte what is on disk */
    assert_int_equal(queue_accept_parse(buf_slice(&w->record[0].payload), &a), PARSE_DONE);
    assert_int_equal(m->body_bytes, a.prefix.n + a.tail.n);
    assert_memory_equal(m->body, a.prefix.p, a.prefix.n);
    assert_memory_equal(m->body + a.prefix.n, a.tail.p, a.tail.n);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    assert_int_equal(w->notes[NOTE_COMPLETED], 1);
    assert_int_equal(w->record_count, 2);
    assert_int_equal(w->record[1].type, QUEUE_RECORD_OUTCOME);
    assert_int_equal(w->record[1].id, id);
    assert_false(engine_has_message(w->e, id));
    world_all_done(w);
    world_crash(w);
    assert_false(engine_has_message(w->e, id)); /* and it does not come back */
    world_down(w);
}

/* Which hosts are tried, and what becomes of names that lead nowhere. */
static const struct {
    const char *shown, *to;
    const char *ips[4]; /* all refuse; the addresses in the order in which they are tried */
    enum note_kind fate;
    const char *log;
} roads[] = {
    {"MX by preference",
     "r@a.example",
     {"9.1.0.1", "9.1.0.2"},
     NOTE_DEFERRED,
     "connection refused"},
    {"IPv6 before IPv4", "r@b.example", {"2600::b", "9.2.0.1"}, NOTE_DEFERRED, "refused"},
    {"no MX: the name itself", "r@implicit.example", {"9.3.0.1"}, NOTE_DEFERRED, "refused"},
    {"an address literal", "r@[9.9.0.9]", {"9.9.0.9"}, NOTE_DEFERRED, "refused"},
    {"an IPv6 literal", "r@[IPv6:2600::9]", {"2600::9"}, NOTE_DEFERRED, "refused"},
    {"a domain in capitals", "r@A.EXAMPLE", {"9.1.0.1", "9.1.0.2"}, NOTE_DEFERRED, "refused"},
    {"null MX", "r@null.example", {0}, NOTE_BOUNCED, "status=5.1.10"},
    {"we are the best MX", "r@loop.example", {0}, NOTE_BOUNCED, "status=5.4.6"},
    {"our own name without MX", "r@relay.example", {0}, NOTE_BOUNCED, "status="},
    {"no such domain", "r@nowhere.example", {0}, NOTE_BOUNCED, "status=5.1.2"},
    {"only private addresses", "r@private.example", {0}, NOTE_BOUNCED, "status=5.4.4"},
    {"a private literal", "r@[127.0.0.1]", {0}, NOTE_BOUNCED, "status=5.4.4"},
    {"a private literal, mapped", "r@[IPv6:::ffff:10.0.0.1]", {0}, NOTE_BOUNCED, "status=5.4.4"},
    {"hosts without an address", "r@noaddress.example", {0}, NOTE_BOUNCED, "status=5.4.4"},
    {"SERVFAIL", "r@servfail.example", {0}, NOTE_DEFERRED, "SERVFAIL"},
    {"no answer", "r@timeout.example", {0}, NOTE_DEFERRED, "no answer"},
    {"SERVFAIL for the host", "r@halffail.example", {0}, NOTE_DEFERRED, "cannot be looked up"},
};

static void roads_that_are_taken(void **state)
{
    for (size_t i = 0; i < COUNT_OF(roads); i++) {
        struct world_rule rules[] = {{NULL, "CONNECT", "refuse", 0}, {0}};
        struct world *w = world_up();
        w->rules = rules;
        world_submit(w, "", roads[i].to); /* null sender: no report joins in */
        world_settle(w);
        unsigned n = 0;
        for (unsigned k = 0; k < w->conn_count; k++) {
            if (!w->conn[k]->is_out)
                continue;
            struct ip_text ip = ip_build(&w->conn[k]->address.ip);
            assert_int_equal(w->conn[k]->address.port, 25);
            if (n == 4 || !roads[i].ips[n] || strcmp(roads[i].ips[n], ip.s))
                fail_msg("%s: connects to %s", roads[i].shown, ip.s);
            n++;
        }
        if ((n < 4 && roads[i].ips[n]) || w->notes[roads[i].fate] != 1)
            fail_msg("%s: %u connections\n%s", roads[i].shown, n, buf_cstr(&w->log));
        world_log_has(w, roads[i].log);
        assert_int_equal(world_stats(w).messages, roads[i].fate == NOTE_DEFERRED);
        world_down(w);
    }
}

static void our_own_name_cuts_the_list(void **state)
{
    struct world_rule rules[] = {{NULL, "CONNECT", "refuse", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "", "r@backup.example");
    world_settle(w);
    assert_int_equal(world_out(w), 3); /* mx1.a, and mx.b twice; never mx2.a behind ourselves */
    for (unsigned i = 0; i < w->conn_count; i++) {
        struct ip_text ip = ip_build(&w->conn[i]->address.ip);
        assert_string_not_equal(ip.s, "9.1.0.2");
    }
    world_down(w);
}

static void private_hosts_are_used_where_allowed(void **state)
{
    struct world *w = world_new();
    w->opt.allow_private_mx = true;
    world_start(w);
    world_submit(w, "", "r@private.example");
    world_settle(w);
    assert_string_equal(only_mail(w)->ip, "::1");
    world_down(w);
}

static void equal_questions_are_one(void **state)
{
    struct world *w = world_up();
    w->holds_lookups = true;
    for (int i = 0; i < 10; i++)
        world_submit(w, "", "r@a.example");
    assert_int_equal(w->lookups, 1);
    w->holds_lookups = false;
    world_settle(w);
    assert_int_equal(w->lookups, 5); /* MX, and A and AAAA of two hosts */
    assert_int_equal(w->notes[NOTE_DELIVERED], 10);
    world_all_done(w);
    world_down(w);
}

/* Smarthosts */

static struct engine_host smart_hosts[] = {{.name = SLICE_INIT("smart.example"), .port = 587}};
static struct slice some_recipients[] = {SLICE_INIT("a.example")};
static struct engine_route smart_routes[] = {{.recipients = some_recipients,
                                              .recipient_count = 1,
                                              .hosts = smart_hosts,
                                              .host_count = 1,
                                              .tls = DELIVERY_TLS_NONE,
                                              .user = SLICE_INIT("u"),
                                              .password = SLICE_INIT("p"),
                                              .name = SLICE_INIT("smart.example")}};

static struct world *world_with_route(void)
{
    struct world *w = world_new();
    w->opt.routes = smart_routes;
    w->opt.route_count = 1;
    world_start(w);
    return w;
}

static void a_route_takes_its_recipients(void **state)
{
    struct world *w = world_with_route();
    world_submit(w, "s@sender.example", "r@a.example q@b.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    int smart = strcmp(w->mail[0].ip, "10.0.0.25") ? 1 : 0; /* private: the operator's word */
    assert_string_equal(w->mail[smart].ip, "10.0.0.25");
    assert_string_equal(w->mail[smart].to, "r@a.example ");
    assert_string_equal(w->mail[1 - smart].to, "q@b.example ");
    for (unsigned i = 0; i < w->conn_count; i++)
        if (w->conn[i]->is_out && w->conn[i]->address.port == 587)
            assert_non_null(strstr(buf_cstr(&w->conn[i]->sent), "AUTH PLAIN AHUAcA=="));
    world_all_done(w);
    world_down(w);
}

static void a_lost_smarthost_bounces_nothing(void **state)
{
    struct world *w = world_with_route();
    w->zone = "x.example A 9.9.9.9\n"; /* NXDOMAIN for the smarthost */
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_BOUNCED], 0);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    w->zone = world_zone;
    world_pass(w, 3600000); /* what DNS said of it is kept for a while */
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    world_all_done(w);
    world_down(w);
}

static void new_options_route_anew(void **state)
{
    struct world *w = world_up();
    w->holds_lookups = true;
    world_submit(w, "s@sender.example", "r@a.example");
    struct engine_options next = w->opt;
    next.routes = smart_routes;
    next.route_count = 1;
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &next});
    w->holds_lookups = false;
    world_settle(w);
    assert_string_equal(only_mail(w)->ip, "10.0.0.25");
    world_all_done(w);

    /* and while an attempt is in flight */
    w->holds_remotes = true;
    world_submit(w, "s@sender.example", "r@a.example r@b.example");
    world_settle(w);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->mail_count, 3);
    world_pass(w, 60000);
    world_all_done(w);
    assert_int_equal(world_stats(w).destinations, 0);
    world_down(w);
}

/* Hosts in trouble */

static void the_next_host_is_tried(void **state)
{
    static const struct {
        const char *shown, *prefix, *reply;
    } rows[] = {
        {"refused", "CONNECT", "refuse"},
        {"closed before the greeting", "CONNECT", NULL},
        {"554 greeting", "CONNECT", "554 no"},
        {"421 greeting", "CONNECT", "421 busy!"},
        {"no SMTP at all", "CONNECT", "HTTP/1.1 400"},
        {"closed at EHLO", "EHLO", NULL},
        {"421 at EHLO", "EHLO", "421 busy!"},
        {"421 at MAIL", "MAIL", "421 busy!"},
        {"closed at MAIL", "MAIL", NULL},
        {"421 at RCPT", "RCPT", "421 busy!"},
        {"421 at RCPT, and it stays", "RCPT", "421 busy"},
        {"closed at RCPT", "RCPT", NULL},
        {"421 at DATA", "DATA", "421 busy!"},
        {"closed at DATA", "DATA", NULL},
        {"421 to the dot", "DOT", "421 busy!"},
        {"silence instead of a greeting", "CONNECT", ""},
        {"silence at EHLO", "EHLO", ""},
        {"silence at RCPT", "RCPT", ""},
        {"a connection that never comes up", "CONNECT", "never"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[] = {{"9.1.0.1", rows[i].prefix, rows[i].reply, 0}, {0}};
        struct world *w = world_up();
        w->rules = rules;
        world_submit(w, "s@sender.example", "r@a.example q@a.example");
        world_pass(w, 6 * 60000);
        if (w->mail_count != 1 || strcmp(w->mail[0].ip, "9.1.0.2") ||
            w->notes[NOTE_DELIVERED] != 2 || w->notes[NOTE_BOUNCED])
            fail_msg("%s:\n%s", rows[i].shown, buf_cstr(&w->log));
        world_pass(w, 3600000);
        world_all_done(w);
        assert_int_equal(world_open_out(w), 0);
        world_down(w);
    }
}

/* The second host gets its whole time for the greeting, not what is left of the first one's. */
static void each_host_has_its_own_time(void **state)
{
    struct world_rule rules[] = {
        {"9.1.0.1", "CONNECT", NULL, 0}, {"9.1.0.2", "CONNECT", "", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, w->opt.limits.greeting_ms - 1000);
    assert_int_equal(world_open_out(w), 1);
    world_pass(w, 2000);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    world_down(w);
}

/* The line dies when all is said of all recipients, but before the transaction is closed. */
static void a_line_dies_when_all_is_decided(void **state)
{
    static const struct {
        const char *shown;
        struct world_rule rules[4];
    } rows[] = {
        {"550 to the only recipient, then closed", {{"9.1.0.1", "RCPT", "550 5.1.1 no!", 0}, {0}}},
        {"550, and closed instead of an answer to DATA",
         {{"9.1.0.1", "RCPT", "550 5.1.1 no", 0}, {"9.1.0.1", "DATA", NULL, 0}, {0}}},
        {"550 to MAIL, then closed", {{"9.1.0.1", "MAIL", "550 5.7.1 no!", 0}, {0}}},
        {"550, and 421 at DATA",
         {{"9.1.0.1", "RCPT", "550 5.1.1 no", 0}, {"9.1.0.1", "DATA", "421 bye!", 0}, {0}}},
        {"552 in the middle of the body", {{"9.1.0.1", "BODY", "552 5.3.4 too big!", 0}, {0}}},
        {"554 to DATA, then closed", {{"9.1.0.1", "DATA", "554 5.7.1 no!", 0}, {0}}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[4];
        memcpy(rules, rows[i].rules, sizeof rules);
        struct world *w = world_up();
        w->rules = rules;
        world_submit(w, "", "r@a.example");
        world_pass(w, 60000);
        if (w->notes[NOTE_BOUNCED] != 1 || world_stats(w).messages != 0)
            fail_msg("%s:\n%s", rows[i].shown, buf_cstr(&w->log));
        world_all_done(w);
        world_down(w);
    }
}

static void a_line_dies_after_the_dot(void **state)
{
    struct world_rule rules[] = {{NULL, "DOT", NULL, 1}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_UNSURE], 1); /* not at the next host at once */
    assert_int_equal(w->mail_count, 0);
    world_pass(w, 2 * w->opt.retry_first_ms);
    assert_int_equal(w->notes[NOTE_DELIVERED], 0);
    world_pass(w, w->opt.unsure_wait_ms);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    world_all_done(w);
    world_down(w);
}

/* Where twice would be worse than not at all: its sender learns that nobody knows. */
static void what_is_unsure_is_not_sent_again(void **state)
{
    struct world_rule rules[] = {{"9.1.0.1", "DOT", NULL, 0}, {0}};
    struct world *w = world_new();
    w->opt.on_unsure = DELIVERY_UNSURE_BOUNCE;
    w->rules = rules;
    world_start(w);
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, 3600 * 1000);
    assert_int_equal(w->notes[NOTE_UNSURE], 1);
    assert_int_equal(w->notes[NOTE_BOUNCED], 1);
    assert_int_equal(w->mail_count, 1);
    assert_string_equal(w->mail[0].to, "s@sender.example ");
    assert_non_null(strstr(w->mail[0].body, "may have been delivered"));
    assert_non_null(strstr(w->mail[0].body, "Status: 5.4.2"));
    world_all_done(w);
    world_down(w);
}

static void a_dead_destination_is_probed_by_one(void **state)
{
    struct world_rule rules[] = {{NULL, "CONNECT", "refuse", 0}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    for (int i = 0; i < 100; i++)
        world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    unsigned at_first = world_out(w);
    assert_int_equal(world_stats(w).destinations_in_trouble, 1);
    world_pass(w, 3600000);
    assert_true(world_out(w) - at_first < 2 * 20); /* two hosts a probe */
    rules[0].times = -1;
    world_pass(w, 2 * 3600000);
    assert_int_equal(w->notes[NOTE_DELIVERED], 100);
    assert_int_equal(world_stats(w).destinations_in_trouble, 0);
    world_all_done(w);
    world_down(w);
}

/* The last line of a destination goes, and its remaining message finds that the domain has
 * vanished: the destination ends in the middle of it. */
static void a_destination_ends_with_its_last_line(void **state)
{
    static struct slice some[] = {SLICE_INIT("x@a.example")};
    static struct engine_route routes[] = {{.recipients = some, .recipient_count = 1}};
    struct world_rule rules[] = {{NULL, "DOT", "250 ok!", 0}, {0}};
    struct world *w = world_new();
    w->opt.limits.connections = 1;
    w->opt.routes = routes; /* direct too, but a destination of its own */
    w->opt.route_count = 1;
    w->rules = rules;
    world_start(w);
    world_submit(w, "", "r@a.example");
    world_submit(w, "", "q@a.example");
    while (!world_conn(w, 2) || !strstr(buf_cstr(&world_conn(w, 2)->sent), "hello"))
        assert_true(world_step(w));
    w->holds_remotes = true;
    world_pass(w, 301000);
    w->zone = "b.example A 9.9.9.9\n";
    world_submit(w, "", "x@a.example");
    world_pass(w, 1000);
    assert_int_equal(w->notes[NOTE_BOUNCED], 1);
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->notes[NOTE_BOUNCED], 2);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    world_all_done(w);
    assert_int_equal(world_stats(w).destinations, 0);
    world_down(w);
}

/* Connections */

static void a_connection_is_used_again(void **state)
{
    struct world *w = world_up();
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(world_stats(w).out_idle, 1);
    world_submit(w, "s@sender.example", "q@a.example");
    world_settle(w);
    assert_int_equal(world_out(w), 1);
    assert_int_equal(w->mail_count, 2);
    world_pass(w, 4999);
    assert_int_equal(world_open_out(w), 1);
    world_pass(w, 2);
    assert_int_equal(world_open_out(w), 0);
    assert_non_null(strstr(buf_cstr(&w->conn[1]->sent), "QUIT\r\n"));
    assert_int_equal(world_stats(w).destinations, 0); /* nobody needs it any more */
    world_down(w);
}

/* A remote that leaves: while idle, at QUIT without a word, or when the next message begins. */
static void the_remote_leaves_first(void **state)
{
    static const struct {
        const char *shown, *prefix, *reply;
    } rows[] = {
        {"no answer to QUIT", "QUIT", NULL},
        {"silence at QUIT", "QUIT", ""},
        {"nonsense at QUIT", "QUIT", "hm"},
        {"the usual", "QUIT", "221 bye!"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[] = {{NULL, rows[i].prefix, rows[i].reply, 0}, {0}};
        struct world *w = world_up();
        w->rules = rules;
        world_submit(w, "s@sender.example", "r@a.example");
        world_pass(w, 60000);
        if (world_open_out(w) || world_stats(w).out_connections)
            fail_msg("%s", rows[i].shown);
        world_all_done(w);
        world_down(w);
    }
    for (int is_said = 0; is_said < 2; is_said++) {
        struct world *w = world_up();
        world_submit(w, "s@sender.example", "r@a.example");
        world_settle(w);
        struct world_conn *c = world_conn(w, 2);
        assert_true(c && c->is_open);
        if (is_said)
            world_bytes(w, c->id, "421 timeout\r\n");
        if (c->is_open)
            world_closed(w, c, ERR_CLOSED, "closed");
        assert_int_equal(world_stats(w).out_idle, 0);
        world_submit(w, "s@sender.example", "q@a.example");
        world_settle(w);
        assert_int_equal(w->mail_count, 2);
        world_all_done(w);
        world_down(w);
    }
}

static void an_old_connection_is_no_fault_of_the_message(void **state)
{
    struct world_rule rules[] = {{NULL, "MAIL", "250 ok", 1}, {NULL, "MAIL", NULL, 1}, {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    world_submit(w, "s@sender.example", "q@a.example"); /* the line dies under it */
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 2);
    assert_int_equal(w->notes[NOTE_DEFERRED], 0);
    world_all_done(w);
    world_down(w);
}

static void connections_are_limited(void **state)
{
    struct world *w = world_new();
    w->opt.out_connections_max = 3;
    w->opt.limits.connections = 2;
    world_start(w);
    w->holds_remotes = true;
    for (int i = 0; i < 5; i++) {
        world_submit(w, "s@sender.example", "r@a.example");
        world_submit(w, "s@sender.example", "r@b.example");
        world_submit(w, "s@sender.example", "r@implicit.example");
    }
    world_settle(w);
    assert_int_equal(world_out(w), 3);
    assert_int_equal(world_stats(w).in_flight, 3);
    w->holds_remotes = false;
    world_pass(w, 60000);
    assert_int_equal(w->notes[NOTE_DELIVERED], 15);
    world_all_done(w);
    world_down(w);
}

/* TLS */

static void tls_of_the_delivery(void **state)
{
    static const struct {
        const char *shown;
        enum delivery_tls tls;
        bool is_offered, is_broken;
        unsigned delivered;
        bool has_tls;
    } rows[] = {
        {"none", DELIVERY_TLS_NONE, true, false, 1, false},
        {"opportunistic, offered", DELIVERY_TLS_OPPORTUNISTIC, true, false, 1, true},
        {"opportunistic, not offered", DELIVERY_TLS_OPPORTUNISTIC, false, false, 1, false},
        {"opportunistic, broken: plain at the same host", DELIVERY_TLS_OPPORTUNISTIC, true, true, 1,
         false},
        {"required", DELIVERY_TLS_REQUIRE, true, false, 1, true},
        {"required, not offered", DELIVERY_TLS_REQUIRE, false, false, 0, false},
        {"required, broken", DELIVERY_TLS_REQUIRE, true, true, 0, false},
        {"verified", DELIVERY_TLS_VERIFY, true, false, 1, true},
        {"verified, broken", DELIVERY_TLS_VERIFY, true, true, 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[] = {
            {"9.1.0.1", "TLS", "fail", 0}, {"9.1.0.2", "TLS", "fail", 0}, {0}};
        struct world *w = world_new();
        w->opt.delivery_tls = rows[i].tls;
        w->offers_tls = rows[i].is_offered;
        w->rules = rows[i].is_broken ? rules : NULL;
        world_start(w);
        world_submit(w, "s@sender.example", "r@a.example");
        world_settle(w);
        if (w->notes[NOTE_DELIVERED] != rows[i].delivered || w->notes[NOTE_BOUNCED])
            fail_msg("%s:\n%s", rows[i].shown, buf_cstr(&w->log));
        bool needs_verify = false, was_mail_before_tls = false;
        for (unsigned k = 0; k < w->conn_count; k++) {
            const struct world_conn *c = w->conn[k];
            needs_verify |= c->is_out && c->needs_verify;
            was_mail_before_tls |=
                c->is_out && !c->has_tls && strstr(buf_cstr(&w->conn[k]->sent), "MAIL FROM");
        }
        assert_int_equal(needs_verify, rows[i].tls == DELIVERY_TLS_VERIFY);
        if (was_mail_before_tls != (rows[i].delivered && !rows[i].has_tls))
            fail_msg("%s: in plain", rows[i].shown);
        if (rows[i].delivered)
            assert_string_equal(w->mail[0].ip, "9.1.0.1");
        world_down(w);
    }
}

/* A handshake that never ends says as little of the mail as one that fails. */
static void a_silent_handshake(void **state)
{
    static const struct {
        const char *shown;
        enum delivery_tls tls;
        const char *ip;
    } rows[] = {
        {"opportunistic: plain at the same host", DELIVERY_TLS_OPPORTUNISTIC, "9.1.0.1"},
        {"required: the next host", DELIVERY_TLS_REQUIRE, "9.1.0.2"},
        {"verified: the next host", DELIVERY_TLS_VERIFY, "9.1.0.2"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[] = {{"9.1.0.1", "TLS", "", 0}, {0}};
        struct world *w = world_new();
        w->opt.delivery_tls = rows[i].tls;
        w->offers_tls = true;
        w->rules = rules;
        world_start(w);
        world_submit(w, "s@sender.example", "r@a.example");
        world_pass(w, 6 * 60000);
        if (w->mail_count != 1 || strcmp(w->mail[0].ip, rows[i].ip) || w->notes[NOTE_DEFERRED])
            fail_msg("%s:\n%s", rows[i].shown, buf_cstr(&w->log));
        world_down(w);
    }
}

/* The shell refuses a bad certificate; should it ever not, nothing is said to that host. */
static void an_unverified_host_gets_nothing(void **state)
{
    struct world *w = world_new();
    w->opt.delivery_tls = DELIVERY_TLS_VERIFY;
    w->offers_tls = w->is_unverified = true;
    world_start(w);
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 0);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    for (unsigned k = 0; k < w->conn_count; k++)
        assert_null(strstr(buf_cstr(&w->conn[k]->sent), w->conn[k]->is_out ? "MAIL FROM" : "\1"));
    world_down(w);
}

/* Bodies */

static void say_lines(struct world *w, struct world_conn *c, int lines)
{
    for (int i = 0; i < lines; i++) {
        char line[1001];
        memset(line, 'a' + i % 26, 998);
        strcpy(line + 998, "\r\n");
        world_say(w, c, line);
        world_settle(w); /* chunks go to disk */
    }
}

static uint64_t submit_large(struct world *w, int lines)
{
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    world_say(w, c, "Subject: large\r\n\r\n");
    say_lines(w, c, lines);
    world_say(w, c, ".\r\n");
    world_settle(w);
    world_expect(c, "250 2.0.0");
    return w->record[w->record_count - 1].id;
}

static void assert_large(const struct world_mail *m, int lines)
{
    const char *body = strstr(m->body, "Subject: large\r\n\r\n");
    assert_non_null(body);
    assert_int_equal((size_t)(m->body + m->body_bytes - body), 18 + 1000 * (size_t)lines);
    for (int i = 0; i < lines; i++)
        for (int k = 0; k < 998; k += 499)
            assert_int_equal(body[18 + i * 1000 + k], 'a' + i % 26);
}

static void large_bodies_arrive_whole(void **state)
{
    for (int is_cold = 0; is_cold < 2; is_cold++) {
        struct world *w = world_up();
        w->holds_remotes = is_cold;
        submit_large(w, 300);
        if (is_cold) {
            world_crash(w);
            w->holds_remotes = false;
        }
        world_settle(w);
        assert_large(only_mail(w), 300);
        assert_int_equal(w->fetches, 4 + is_cold);
        world_all_done(w);
        world_down(w);
    }
}

/* Two lines want a cold message at once: one fetch serves both. */
static void a_cold_body_is_fetched_once(void **state)
{
    struct world *w = world_up();
    w->holds_remotes = true;
    world_submit(w, "s@sender.example", "r@a.example r@b.example");
    world_crash(w);
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->fetches, 1);
    assert_int_equal(w->mail_count, 2);
    world_all_done(w);
    world_down(w);
}

static void a_body_that_cannot_be_read(void **state)
{
    struct world *w = world_up();
    w->holds_remotes = true;
    world_submit(w, "s@sender.example", "r@a.example r@b.example");
    world_crash(w);
    w->holds_remotes = false;
    w->fetch_err = ERR_DAMAGED;
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DEFERRED], 2);
    world_log_has(w, "cannot be read from the queue: a bad sector");
    assert_true(w->notes[NOTE_UNREADABLE] >= 1);
    world_log_has(w, "error=damaged");
    w->fetch_err = ERR_OK;
    world_pass(w, 10 * 60000);
    assert_int_equal(w->mail_count, 2);
    world_all_done(w);
    world_down(w);
}

/* A start finds the head of a message, and nothing of the segment with the front of its body. */
static void a_segment_that_was_taken_away_is_said(void **state)
{
    struct world *w = world_up();
    w->holds_remotes = true;
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    say_lines(w, c, 100);
    uint64_t first = w->record[0].pos.segment;
    world_new_segment(w);
    say_lines(w, c, 100);
    world_say(w, c, ".\r\n");
    world_settle(w);
    world_expect(c, "250 2.0.0");
    world_crash(w);
    assert_int_equal(w->notes[NOTE_JOURNAL], 0);
    w->is_released[first] = true;
    w->fetch_err = ERR_MISSING;
    w->holds_remotes = false;
    world_crash(w);
    assert_int_equal(w->notes[NOTE_JOURNAL], 1);
    world_log_has(w, "a segment is missing");
    assert_int_equal(world_stats(w).messages, 1);
    world_settle(w);
    assert_int_equal(w->mail_count, 0);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    world_down(w);
}

static void a_chunk_that_cannot_be_read_cuts_the_line(void **state)
{
    struct world *w = world_up();
    w->holds_remotes = true;
    submit_large(w, 300);
    w->holds_fetches = true;
    w->holds_remotes = false;
    world_settle(w);
    world_fetched(w, ERR_OK);
    world_settle(w);
    world_fetched(w, ERR_DAMAGED);
    w->holds_fetches = false;
    world_settle(w);
    assert_int_equal(w->mail_count, 0); /* never half a message */
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    assert_int_equal(w->notes[NOTE_UNREADABLE], 1);
    assert_null(strstr(buf_cstr(&world_conn(w, 2)->sent), "\r\n.\r\n"));
    world_pass(w, 10 * 60000);
    assert_large(only_mail(w), 300);
    world_all_done(w);
    world_down(w);
}

static void a_piece_comes_after_its_line_is_gone(void **state)
{
    struct world *w = world_up();
    w->holds_remotes = true;
    submit_large(w, 300);
    w->holds_fetches = true;
    w->holds_remotes = false;
    world_settle(w);
    world_closed(w, world_conn(w, 2), ERR_CLOSED, "closed");
    world_fetched(w, ERR_OK);
    w->holds_fetches = false;
    world_settle(w);
    assert_large(only_mail(w), 300);
    world_all_done(w);
    world_down(w);
}

static void the_end_in_the_middle(void **state)
{
    for (int steps = 0; steps < 60; steps++) {
        struct world *w = world_up();
        submit_large(w, 200);
        world_submit(w, "s@sender.example", "r@a.example r@b.example r@null.example");
        for (int i = 0; i < steps && world_step(w);)
            i++;
        world_down(w);
    }
}

/* Stopped at any step it becomes quiet, and what was not delivered is there after the start. */
static void stopping_at_any_step(void **state)
{
    for (int steps = 0; steps < 100; steps++) {
        struct world *w = world_up();
        w->offers_tls = true;
        world_submit(w, "s@sender.example", "r@a.example r@b.example r@null.example");
        for (int i = 0; i < steps && world_step(w);)
            i++;
        world_tell(w, (struct engine_event){.kind = EVENT_STOP});
        world_pass(w, 60000);
        assert_true(engine_is_quiet(w->e));
        uint64_t left = world_stats(w).recipients;
        world_crash(w);
        assert_int_equal(world_stats(w).recipients, left);
        world_pass(w, 3600000);
        world_all_done(w);
        assert_int_equal(w->notes[NOTE_DELIVERED], 3); /* two and the report */
        assert_int_equal(w->notes[NOTE_BOUNCED], 1);
        world_down(w);
    }
}

/* An outcome on its way to the disk is not yet quiet: the process would end before it is there. */
static void quiet_means_recorded(void **state)
{
    struct world *w = world_up();
    world_submit(w, "s@sender.example", "r@a.example");
    w->holds_appends = true;
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    assert_int_equal(w->append_count, 1);
    world_tell(w, (struct engine_event){.kind = EVENT_STOP});
    world_settle(w);
    assert_false(engine_is_quiet(w->e));
    world_appended(w, 0, ERR_OK);
    world_settle(w);
    assert_true(engine_is_quiet(w->e));
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_handshake),
        cmocka_unit_test(an_unverified_host_gets_nothing),
        cmocka_unit_test(a_message_is_delivered),
        cmocka_unit_test(roads_that_are_taken),
        cmocka_unit_test(our_own_name_cuts_the_list),
        cmocka_unit_test(private_hosts_are_used_where_allowed),
        cmocka_unit_test(equal_questions_are_one),
        cmocka_unit_test(a_route_takes_its_recipients),
        cmocka_unit_test(a_lost_smarthost_bounces_nothing),
        cmocka_unit_test(new_options_route_anew),
        cmocka_unit_test(the_next_host_is_tried),
        cmocka_unit_test(each_host_has_its_own_time),
        cmocka_unit_test(a_line_dies_when_all_is_decided),
        cmocka_unit_test(a_line_dies_after_the_dot),
        cmocka_unit_test(what_is_unsure_is_not_sent_again),
        cmocka_unit_test(a_dead_destination_is_probed_by_one),
        cmocka_unit_test(a_destination_ends_with_its_last_line),
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(the_remote_leaves_first),
        cmocka_unit_test(an_old_connection_is_no_fault_of_the_message),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(tls_of_the_delivery),
        cmocka_unit_test(large_bodies_arrive_whole),
        cmocka_unit_test(a_cold_body_is_fetched_once),
        cmocka_unit_test(a_body_that_cannot_be_read),
        cmocka_unit_test(a_segment_that_was_taken_away_is_said),
        cmocka_unit_test(a_chunk_that_cannot_be_read_cuts_the_line),
        cmocka_unit_test(a_piece_comes_after_its_line_is_gone),
        cmocka_unit_test(the_end_in_the_middle),
        cmocka_unit_test(stopping_at_any_step),
        cmocka_unit_test(quiet_means_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
