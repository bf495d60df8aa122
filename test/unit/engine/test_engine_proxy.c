/* test_engine_proxy.c -- sessions behind a proxy: who must begin with the header, whose session it
 * is then, and what happens without one. Listener 0 has STARTTLS, listener 1 implicit TLS. */
#include "engine_world.h"

#define PROXY "192.0.2.10:40000"
#define V1(client) "PROXY TCP4 " client " 192.0.2.10 1234 587\r\n"
#define MAIL "EHLO x\r\nMAIL FROM:<s@sender.example>\r\n"

static struct ip_net proxies[] = {{.ip = {IP_V4, {192, 0, 2, 10}}, .bits = 32},
                                  {.ip = {IP_V6, {0x20, 1, 0x0d, 0xb8}}, .bits = 32}};

static struct world *world_behind_proxy(void)
{
    struct world *w = world_new();
    for (unsigned i = 0; i < COUNT_OF(w->listener); i++) {
        w->listener[i].proxy_networks = proxies;
        w->listener[i].proxy_network_count = COUNT_OF(proxies);
    }
    world_start(w);
    return w;
}

static void say_bytes(struct world *w, struct world_conn *c, struct slice in)
{
    world_tell(w, (struct engine_event){.kind = EVENT_BYTES, .conn = c->id, .bytes = in});
}

static void tls_up(struct world *w, struct world_conn *c)
{
    static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                          .cipher = SLICE_INIT("X")};
    assert_true(c->wants_tls_server);
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
}

static void log_lacks(struct world *w, const char *part)
{
    if (strstr(buf_cstr(&w->log), part))
        fail_msg("\"%s\" is in the log:\n%s", part, buf_cstr(&w->log));
}

/* One message through to the journal: its client and its Received field name the client. */
static void expect_client(struct world *w, struct world_conn *c, const char *client,
                          const char *field)
{
    world_say(w, c,
              "EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\n"
              "x: y\r\n\r\n.\r\n");
    struct queue_accept a;
    assert_int_equal(w->append_count, 1);
    assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
    if (!slice_eq(a.envelope.client, slice_cstr(client)))
        fail_msg("%.*s", SLICE_FMT(a.envelope.client));
    if (!slice_starts(a.prefix, slice_cstr(field)))
        fail_msg("%.*s", SLICE_FMT(a.prefix));
    world_appended(w, 0, ERR_OK);
    world_expect(c, "250 2.0.0");
}

/* Whole, and byte by byte; trust is the client's (loopback is trusted in this world). */
static void the_client_is_who_the_header_names(void **state)
{
    static const struct {
        const char *shows;
        struct slice header;
        const char *proxy, *client, *field; /* field NULL: not trusted */
    } rows[] = {
        {"version 1", SLICE_INIT(V1("127.0.0.9")), PROXY, "127.0.0.9",
         "Received: from x ([127.0.0.9])\r\n"},
        {"version 1, IPv6", SLICE_INIT("PROXY TCP6 ::1 ::1 1 587\r\n"), "[2001:db8::a]:1", "::1",
         "Received: from x ([IPv6:::1])\r\n"},
        {"version 2",
         SLICE_INIT("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x09\xc0\0\2\x0a\4\0\2\x4b"), PROXY,
         "127.0.0.9", "Received: from x ([127.0.0.9])\r\n"},
        {"a stranger", SLICE_INIT(V1("198.51.100.7")), PROXY, "198.51.100.7", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows) * 2; i++) {
        size_t r = i / 2;
        struct world *w = world_behind_proxy();
        struct world_conn *c = world_client_of(w, rows[r].proxy, 0);
        assert_int_equal(c->sent.n, 0);
        assert_int_equal(w->notes[NOTE_CONNECTED], 0);
        size_t step = i % 2 ? 1 : rows[r].header.n;
        for (size_t at = 0; at < rows[r].header.n; at += step) {
            assert_int_equal(c->sent.n, 0);
            say_bytes(w, c, slice_head(slice_from(rows[r].header, at), step));
        }
        world_expect(c, "220 ");
        assert_int_equal(w->notes[NOTE_CONNECTED], 1);
        char said[100];
        snprintf(said, sizeof said, "connected ip=%s proxy=", rows[r].client);
        world_log_has(w, said);
        if (rows[r].field) {
            expect_client(w, c, rows[r].client, rows[r].field);
        } else {
            world_say(w, c, MAIL);
            world_expect(c, "530 5.7.0");
        }
        world_say(w, c, "QUIT\r\n");
        world_expect(c, "221 ");
        assert_int_equal(w->notes[NOTE_PROXY_REFUSED], 0);
        world_down(w);
    }
}

/* A proxy in a trusted network does not make its clients trusted. */
static void trust_is_not_the_proxys(void **state)
{
    static struct ip_net trusted[] = {{.ip = {IP_V4, {192, 0, 2}}, .bits = 24}};
    static const struct {
        const char *header, *answer;
    } rows[] = {
        {V1("192.0.2.77"), "250 2.1.0"},
        {V1("198.51.100.7"), "530 5.7.0"},
        {"PROXY UNKNOWN\r\n", "530 5.7.0"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new();
        w->listener[0].proxy_networks = proxies;
        w->listener[0].proxy_network_count = 1;
        w->opt.trusted_networks = trusted;
        w->opt.trusted_network_count = 1;
        world_start(w);
        struct world_conn *c = world_client_of(w, PROXY, 0);
        world_say(w, c, rows[i].header);
        world_say(w, c, MAIL);
        world_expect(c, rows[i].answer);
        world_down(w);
    }
}

/* What came with the header is the client's first words. */
static void words_behind_the_header(void **state)
{
    struct world *w = world_behind_proxy();
    struct world_conn *c = world_client_of(w, PROXY, 0);
    world_say(w, c, V1("127.0.0.9") MAIL "QUIT\r\n");
    const char *heard = world_heard(c);
    assert_true(strncmp(heard, "220 ", 4) == 0);
    assert_non_null(strstr(heard, "250 2.1.0"));
    assert_non_null(strstr(heard, "221 2.0.0"));
    assert_false(c->is_open);
    world_down(w);
}

/* The header is believed once, and from nobody else. */
static void a_second_header_is_an_unknown_command(void **state)
{
    struct world *w = world_behind_proxy();
    struct world_conn *c = world_client_of(w, PROXY, 0);
    world_say(w, c, V1("198.51.100.7") V1("127.0.0.9"));
    world_expect(c, "\r\n500 5.5.");
    world_say(w, c, MAIL);
    world_expect(c, "530 5.7.0");

    static const char *const others[] = {"192.0.2.11:1", "127.0.0.1:1", "[2001:db9::1]:1"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        c = world_client_of(w, others[i], 0);
        world_expect(c, "220 ");
        world_say(w, c, V1("203.0.113.200"));
        world_expect(c, "500 5.5.");
    }
    log_lacks(w, "ip=203.0.113.200");
    world_down(w);
}

static void without_a_header_it_is_closed(void **state)
{
    static const struct {
        const char *shows;
        struct slice in;
    } rows[] = {
        {"SMTP at once", SLICE_INIT("EHLO x\r\n")},
        {"TLS at once", SLICE_INIT("\x16\3\1\2\0\1")},
        {"an address that is none", SLICE_INIT(V1("192.0.2.256"))},
        {"a family that does not fit", SLICE_INIT(V1("::1"))},
        {"version 3", SLICE_INIT("\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c")},
        {"too long a line", SLICE_INIT("PROXY UNKNOWN 123456789012345678901234567890123456789012345"
                                       "67890123456789012345678901234567890123456789012345678")},
    };
    for (size_t i = 0; i < COUNT_OF(rows) * 2; i++) {
        struct world *w = world_behind_proxy();
        struct world_conn *c = world_client_of(w, PROXY, i % 2);
        say_bytes(w, c, rows[i / 2].in);
        if (c->is_open || c->sent.n || w->notes[NOTE_PROXY_REFUSED] != 1)
            fail_msg("%s", rows[i / 2].shows);
        world_log_has(w, "warn proxy-refused ip=192.0.2.10 reason=\"it does not begin with");
        assert_int_equal(w->notes[NOTE_CONNECTED] + w->notes[NOTE_DISCONNECTED], 0);
        world_down(w);
    }
}

/* More than the longest header is never gathered. */
static void an_endless_header(void **state)
{
    static char in[16 + 4096] =
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\0\x7f\0\0\x09\xc0\0\2\x0a\4\0\2\x4b";
    struct world *w = world_behind_proxy();
    struct world_conn *c = world_client_of(w, PROXY, 0);
    say_bytes(w, c, slice_of(in, sizeof in - 1));
    assert_true(c->is_open && c->sent.n == 0);
    say_bytes(w, c, slice_of(in + sizeof in - 1, 1));
    world_expect(c, "220 ");

    in[14] = 0x10;
    in[15] = 1; /* one byte more than we take is refused when it is announced */
    c = world_client_of(w, PROXY, 0);
    say_bytes(w, c, slice_of(in, 16));
    assert_false(c->is_open);
    world_down(w);
}

static void a_header_in_time(void **state)
{
    for (int begun = 0; begun < 2; begun++) {
        struct world *w = world_behind_proxy();
        struct world_conn *c = world_client_of(w, PROXY, 0);
        if (begun)
            world_say(w, c, "PROXY TCP4 ");
        world_pass(w, 9900);
        if (begun)
            world_say(w, c, "127.0"); /* a few bytes do not begin the time anew */
        assert_true(c->is_open);
        world_pass(w, 200);
        assert_false(c->is_open);
        assert_int_equal(c->sent.n, 0);
        world_log_has(w, "proxy-refused ip=192.0.2.10 reason=\"no PROXY header in time\"");
        world_down(w);
    }
    struct world *w = world_behind_proxy(); /* and then the usual time is counted */
    struct world_conn *c = world_client_of(w, PROXY, 0);
    world_pass(w, 9000);
    world_say(w, c, V1("127.0.0.9"));
    world_pass(w, w->opt.first_command_ms - 1000);
    assert_true(c->is_open);
    world_pass(w, 2000);
    assert_false(c->is_open);
    assert_int_equal(w->notes[NOTE_PROXY_REFUSED], 0);
    world_down(w);
}

/* A proxy that looks whether the port is open is not worth a line; half a header is. */
static void closed_before_the_header(void **state)
{
    struct world *w = world_behind_proxy();
    size_t before = w->log.n;
    struct world_conn *c = world_client_of(w, PROXY, 0);
    c->is_open = false;
    world_tell(w, (struct engine_event){.kind = EVENT_CLOSED, .conn = c->id, .err = ERR_CLOSED});
    assert_int_equal(w->log.n, before);
    c = world_client_of(w, PROXY, 0);
    world_say(w, c, "PROXY ");
    c->is_open = false;
    world_tell(w, (struct engine_event){.kind = EVENT_CLOSED, .conn = c->id, .err = ERR_CLOSED});
    assert_int_equal(w->notes[NOTE_PROXY_REFUSED], 1);
    world_down(w);
}

static void connections_are_counted_by_client(void **state)
{
    struct world *w = world_new();
    w->listener[0].proxy_networks = proxies;
    w->listener[0].proxy_network_count = 1;
    w->opt.connections_per_address_max = 2;
    world_start(w);
    struct world_conn *c[4];
    for (unsigned i = 0; i < COUNT_OF(c); i++) {
        c[i] = world_client_of(w, PROXY, 0);
        world_say(w, c[i], i < 3 ? V1("198.51.100.7") : V1("198.51.100.8"));
        world_expect(c[i], i == 2 ? "421 4.3.2 " : "220 ");
    }
    world_log_has(w, "session-refused ip=198.51.100.7 ");
    world_say(w, c[0], "QUIT\r\n");
    c[0] = world_client_of(w, PROXY, 0);
    world_say(w, c[0], V1("198.51.100.7"));
    world_expect(c[0], "220 ");
    for (int i = 0; i < 5; i++) { /* nobody's connections are no address's */
        struct world_conn *unnamed = world_client_of(w, PROXY, 0);
        world_say(w, unnamed, "PROXY UNKNOWN\r\n");
        world_expect(unnamed, "220 ");
    }
    world_down(w);
}

/* All connections count in connections_max, also those of a proxy. */
static void connections_in_all(void **state)
{
    struct world *w = world_new();
    w->listener[0].proxy_networks = proxies;
    w->listener[0].proxy_network_count = 1;
    w->opt.connections_max = 2;
    world_start(w);
    struct world_conn *c[3];
    for (unsigned i = 0; i < COUNT_OF(c); i++)
        c[i] = world_client_of(w, PROXY, 0);
    world_say(w, c[2], V1("198.51.100.7"));
    world_expect(c[2], "421 4.3.2 ");
    world_say(w, c[0], V1("198.51.100.7"));
    world_expect(c[0], "220 ");
    world_down(w);
}

/* Guessing through a proxy blocks who guesses, not the proxy. */
static void the_login_guard_knows_the_client(void **state)
{
    struct world *w = world_new();
    w->listener[0].proxy_networks = proxies;
    w->listener[0].proxy_network_count = 1;
    w->opt.login_failures_max = 2;
    world_start(w);
    for (int i = 0; i < 4; i++) {
        bool is_other = i == 3;
        struct world_conn *c = world_client_of(w, PROXY, 0);
        world_say(w, c, is_other ? V1("198.51.100.8") : V1("198.51.100.7"));
        world_say(w, c, "EHLO x\r\nSTARTTLS\r\n");
        tls_up(w, c);
        world_say(w, c, "EHLO x\r\nAUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
        if (i == 2) {
            world_expect(c, "421 4.7.0");
            continue;
        }
        world_tell(w,
                   (struct engine_event){.kind = EVENT_LOGIN, .conn = c->id, .login = LOGIN_WRONG});
        world_expect(c, "535 5.7.8");
    }
    world_log_has(w, "login-failed ip=198.51.100.7 ");
    world_log_has(w, "login-blocked ip=198.51.100.7 ");
    log_lacks(w, "login-failed ip=192.0.2.10");
    world_down(w);
}

/* Header, then the handshake, of which the first bytes may have come along, then the greeting. */
static void implicit_tls(void **state)
{
    struct world *w = world_behind_proxy();
    struct world_conn *c = world_client_of(w, PROXY, 1);
    assert_false(c->wants_tls_server);
    world_say(w, c, V1("127.0.0.9") "hello of a client");
    assert_string_equal(c->tls_begun, "hello of a client");
    assert_int_equal(c->sent.n, 0);
    assert_int_equal(w->notes[NOTE_CONNECTED], 0);
    tls_up(w, c);
    world_expect(c, "220 ");
    expect_client(w, c, "127.0.0.9", "Received: from x ([127.0.0.9])\r\n");
    world_down(w);
}

static void implicit_tls_fails(void **state)
{
    struct world *w = world_behind_proxy();
    struct world_conn *c = world_client_of(w, PROXY, 1);
    world_say(w, c, V1("198.51.100.7"));
    assert_true(c->wants_tls_server);
    assert_string_equal(c->tls_begun, "");
    c->is_open = false;
    world_tell(w, (struct engine_event){.kind = EVENT_CLOSED,
                                        .conn = c->id,
                                        .err = ERR_TLS,
                                        .text = SLICE("TLS: no version")});
    world_log_has(w, "tls-failed ip=198.51.100.7 reason=\"TLS: no version\"");

    c = world_client_of(w, PROXY, 1);
    world_say(w, c, V1("198.51.100.8"));
    world_pass(w, 29900);
    assert_true(c->is_open);
    world_pass(w, 200);
    assert_false(c->is_open);
    world_log_has(w, "tls-failed ip=198.51.100.8 reason=\"no handshake in time\"");
    assert_int_equal(w->notes[NOTE_CONNECTED] + w->notes[NOTE_DISCONNECTED], 0);
    world_down(w);
}

/* A health check of the proxy goes away there, every other second. */
static void implicit_tls_checked(void **state)
{
    struct world *w = world_behind_proxy();
    size_t before = w->log.n;
    struct world_conn *c = world_client_of(w, PROXY, 1);
    say_bytes(w, c, SLICE("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"));
    assert_true(c->wants_tls_server);
    c->is_open = false;
    world_tell(w, (struct engine_event){.kind = EVENT_CLOSED, .conn = c->id, .err = ERR_TLS});
    assert_int_equal(w->log.n, before);
    world_down(w);
}

/* A limit of the client's is said inside TLS. */
static void implicit_tls_refused(void **state)
{
    struct world *w = world_new();
    w->listener[1].proxy_networks = proxies;
    w->listener[1].proxy_network_count = 1;
    w->opt.connections_per_address_max = 1;
    world_start(w);
    for (int i = 0; i < 2; i++) {
        struct world_conn *c = world_client_of(w, PROXY, 1);
        world_say(w, c, V1("198.51.100.7"));
        assert_int_equal(c->sent.n, 0);
        tls_up(w, c);
        world_expect(c, i ? "421 4.3.2" : "220 ");
        assert_int_equal(c->is_open, !i);
    }
    world_down(w);
}

/* Its handshake was done before a reload made it a proxy: there will be no header. */
static void tls_first_means_no_header(void **state)
{
    struct world *w = world_behind_proxy();
    struct engine_event ev = {
        .kind = EVENT_ACCEPTED, .listener = 1, .conn = w->next_in, .is_tls = true};
    struct world_conn *c = world_conn_new(w, w->next_in);
    w->next_in += 2;
    assert_true(ip_port_parse(SLICE(PROXY), 0, &ev.peer));
    world_tell(w, ev);
    c->wants_tls_server = true;
    tls_up(w, c);
    world_expect(c, "220 ");
    world_say(w, c, "EHLO x\r\n");
    world_expect(c, "250 ");
    world_down(w);
}

static void stop_ends_what_has_not_begun(void **state)
{
    struct world *w = world_behind_proxy();
    struct world_conn *header = world_client_of(w, PROXY, 0);
    struct world_conn *handshake = world_client_of(w, PROXY, 1);
    world_say(w, header, "PROXY ");
    world_say(w, handshake, V1("198.51.100.7"));
    world_tell(w, (struct engine_event){.kind = EVENT_STOP});
    assert_false(header->is_open || handshake->is_open);
    assert_int_equal(header->sent.n + handshake->sent.n, 0);
    assert_true(engine_is_quiet(w->e));
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_who_the_header_names),
        cmocka_unit_test(trust_is_not_the_proxys),
        cmocka_unit_test(words_behind_the_header),
        cmocka_unit_test(a_second_header_is_an_unknown_command),
        cmocka_unit_test(without_a_header_it_is_closed),
        cmocka_unit_test(an_endless_header),
        cmocka_unit_test(a_header_in_time),
        cmocka_unit_test(closed_before_the_header),
        cmocka_unit_test(connections_are_counted_by_client),
        cmocka_unit_test(connections_in_all),
        cmocka_unit_test(the_login_guard_knows_the_client),
        cmocka_unit_test(implicit_tls),
        cmocka_unit_test(implicit_tls_fails),
        cmocka_unit_test(implicit_tls_checked),
        cmocka_unit_test(implicit_tls_refused),
        cmocka_unit_test(tls_first_means_no_header),
        cmocka_unit_test(stop_ends_what_has_not_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
