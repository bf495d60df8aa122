/* One form over HTTPS, against servers of our own on loopback: addresses in turn, time-outs, who
 * is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/https.h"
#include "net/net.h"

enum { SHORT_MS = 150, LONG_MS = 20000, ANSWER_MAX = 64 };

#define OK "HTTP/1.1 200 OK\r\n"

static uv_loop_t loop;
static struct net *server;
static struct tls_server_config *identity;
static struct tls_trust *trust;
static char hosts[] = "/tmp/test_https.XXXXXX";

/* What the server does, and what it has seen. */
static const char *says; /* to a request; NULL: nothing */
static bool closes;      /* after it */
static unsigned silent;  /* the listener that never begins a handshake; 0: none */
static unsigned accepts, closes_seen;
static struct buf heard;

static enum err err;
static int status, answers;
static char body[ANSWER_MAX + 1], reason[256];
static struct https *asked;

static void on_accepted(void *ctx, uint64_t conn, unsigned listener, const struct net_peer *peer)
{
    accepts++;
    buf_clear(&heard); /* of a handshake that nobody answered */
    if (listener != silent)
        net_tls_server(server, conn, identity, false);
}

static void on_nothing(void *ctx, uint64_t conn)
{
}

static void on_connected(void *ctx, uint64_t conn, const struct net_peer *peer)
{
}

static void on_tls_up(void *ctx, uint64_t conn, const struct tls_facts *facts)
{
}

static void on_bytes(void *ctx, uint64_t conn, struct slice in)
{
    buf_add(&heard, in);
    if (!strstr(buf_cstr(&heard), "\r\n\r\na=b"))
        return;
    if (says)
        net_send(server, conn, slice_cstr(says));
    if (closes)
        net_close(server, conn, false);
}

static void on_closed(void *ctx, uint64_t conn, enum err e, const char *why)
{
    closes_seen++;
}

static void on_answer(void *ctx, const struct https_answer *a)
{
    answers++;
    err = a->err;
    status = a->status;
    snprintf(body, sizeof body, "%.*s", SLICE_FMT(a->body));
    snprintf(reason, sizeof reason, "%s", a->err ? a->reason : "");
    https_close(asked, NULL, NULL);
    net_close_all(server, NULL, NULL);
}

static void write_hosts(const char *text)
{
    FILE *f = fopen(hosts, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Listener 1 at 127.0.0.3, and on its port, if wanted, listener 2 at 127.0.0.2. */
static uint16_t open_server(bool has_second)
{
    const struct net_options o = {.connections_max = 10, .output_bytes_max = 65536};
    const struct net_callbacks cb = {.accepted = on_accepted,
                                     .connected = on_connected,
                                     .bytes = on_bytes,
                                     .drained = on_nothing,
                                     .tls_up = on_tls_up,
                                     .closed = on_closed};
    struct fault why = {0};
    char address[64];
    assert_int_equal(uv_loop_init(&loop), 0);
    server = net_new(&loop, &o, &cb);
    assert_int_equal(net_listen(server, 1, "127.0.0.3:0", &why), ERR_OK);
    uint16_t port = net_listener_port(server, 1);
    snprintf(address, sizeof address, "127.0.0.2:%u", (unsigned)port);
    if (has_second)
        assert_int_equal(net_listen(server, 2, address, &why), ERR_OK);
    says = OK "Content-Length: 5\r\n\r\nhello";
    closes = false;
    silent = accepts = closes_seen = 0;
    answers = 0;
    body[0] = 0;
    buf_init(&heard, 65536);
    return port;
}

static void post(const char *host, uint16_t port, int64_t connect_ms, int64_t whole_ms)
{
    const struct resolver_options dns = {
        .timeout_ms = LONG_MS, .resolv_conf = "/dev/null", .hosts = hosts};
    const struct https_options o = {.dns = &dns,
                                    .trust = trust,
                                    .seed = 1,
                                    .connect_ms = connect_ms,
                                    .whole_ms = whole_ms,
                                    .answer_bytes_max = ANSWER_MAX};
    const struct http_url url = {.host = slice_cstr(host), .port = port, .target = SLICE("/t")};
    asked = https_post(&loop, &o, &url, SLICE("a=b"), on_answer, NULL);
    assert_int_equal(answers, 0);
}

static void run(void)
{
    uv_run(&loop, UV_RUN_DEFAULT); /* until all handles are closed */
    assert_int_equal(answers, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void expect_hello(void)
{
    assert_string_equal(reason, "");
    assert_int_equal(err, ERR_OK);
    assert_int_equal(status, 200);
    assert_string_equal(body, "hello");
    buf_close(&heard);
}

static void test_the_next_address_when_one_refuses(void **state)
{
    write_hosts("127.0.0.2 h.test\n127.0.0.3 h.test\n");
    uint16_t port = open_server(false);
    post("h.test", port, LONG_MS, LONG_MS);
    run();
    assert_true(slice_starts(buf_slice(&heard), SLICE("POST /t HTTP/1.1\r\nHost: h.test:")));
    expect_hello();
}

static void test_the_next_address_when_one_is_silent(void **state)
{
    write_hosts("127.0.0.2 h.test\n127.0.0.3 h.test\n");
    uint16_t port = open_server(true);
    silent = 2;
    post("h.test", port, SHORT_MS * 10, LONG_MS);
    run();
    assert_int_equal(accepts, 2);
    expect_hello();
}

static void test_an_answer_that_ends_with_the_connection(void **state)
{
    write_hosts("127.0.0.3 h.test\n");
    uint16_t port = open_server(false);
    says = OK "\r\nhello";
    closes = true;
    post("h.test", port, LONG_MS, LONG_MS);
    run();
    expect_hello();
}

static void expect_failure(enum err wanted, const char *words)
{
    assert_int_equal(err, wanted);
    if (!strstr(reason, words))
        fail_msg("\"%s\" is not in: %s", words, reason);
    buf_close(&heard);
}

static void test_all_refuse(void **state)
{
    write_hosts("127.0.0.2 h.test\n127.0.0.4 h.test\n");
    uint16_t port = open_server(false);
    post("h.test", port, LONG_MS, LONG_MS);
    run();
    expect_failure(ERR_REFUSED, "h.test: connection refused");
}

static void test_no_answer_in_time(void **state)
{
    write_hosts("127.0.0.3 h.test\n");
    uint16_t port = open_server(false);
    says = NULL;
    post("h.test", port, LONG_MS, SHORT_MS * 10);
    run();
    expect_failure(ERR_TIMEOUT, "no answer in time");
}

static void test_cut_and_too_long(void **state)
{
    write_hosts("127.0.0.3 h.test\n");
    uint16_t port = open_server(false);
    says = OK "Content-Length: 50\r\n\r\nhel";
    closes = true;
    post("h.test", port, LONG_MS, LONG_MS);
    run();
    expect_failure(ERR_BAD, "before its answer was whole");
    port = open_server(false);
    says = OK "Content-Length: 65\r\n\r\n";
    post("h.test", port, LONG_MS, LONG_MS);
    run();
    expect_failure(ERR_BAD, "too long");
}

static void test_another_name_is_told_nothing(void **state)
{
    write_hosts("127.0.0.3 other.test\n");
    uint16_t port = open_server(false);
    post("other.test", port, LONG_MS, LONG_MS);
    run();
    assert_int_equal(accepts, 1);
    assert_int_equal(heard.n, 0);
    expect_failure(ERR_TLS, "other.test: TLS");
}

static void test_no_trust_at_all(void **state)
{
    write_hosts("127.0.0.3 h.test\n");
    struct tls_trust *all = trust;
    uint16_t port = open_server(false);
    trust = NULL;
    post("h.test", port, LONG_MS, LONG_MS);
    run();
    trust = all;
    assert_int_equal(heard.n, 0);
    expect_failure(ERR_TLS, "h.test: ");
}

static void test_a_form_that_is_too_long(void **state)
{
    static char much[HTTP_POST_BYTES_MAX];
    memset(much, 'x', sizeof much);
    const struct resolver_options dns = {
        .timeout_ms = LONG_MS, .resolv_conf = "/dev/null", .hosts = hosts};
    const struct https_options o = {
        .dns = &dns, .trust = trust, .connect_ms = LONG_MS, .whole_ms = LONG_MS};
    const struct http_url url = {.host = SLICE("h.test"), .port = open_server(false)};
    asked = https_post(&loop, &o, &url, slice_of(much, sizeof much), on_answer, NULL);
    run();
    expect_failure(ERR_FULL, "too long");
}

static void note_closed(void *ctx)
{
    ++*(int *)ctx;
}

static void test_closed_before_its_answer(void **state)
{
    int closed = 0;
    write_hosts("127.0.0.3 h.test\n");
    uint16_t port = open_server(false);
    post("h.test", port, LONG_MS, LONG_MS);
    https_close(asked, note_closed, &closed);
    assert_int_equal(closed, 0);
    net_close_all(server, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(closed, 1);
    assert_int_equal(answers, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    buf_close(&heard);
}

static int setup(void **state)
{
    static const unsigned char seed[32] = {7};
    struct buf cert, key;
    int fd = mkstemp(hosts);
    buf_init(&cert, 65536);
    buf_init(&key, 65536);
    bool is_good =
        fd >= 0 && close(fd) == 0 &&
        tls_self_signed(SLICE("h.test"), seed, time(NULL), &cert, &key, NULL) == ERR_OK &&
        tls_server_config_new(&identity, buf_slice(&cert), buf_slice(&key), 4, NULL) == ERR_OK &&
        tls_trust_new(&trust, buf_slice(&cert), NULL, NULL) == ERR_OK;
    buf_close(&cert);
    buf_close(&key);
    return is_good ? 0 : -1;
}

static int teardown(void **state)
{
    tls_server_config_unref(identity);
    tls_trust_unref(trust);
    return unlink(hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_next_address_when_one_refuses),
        cmocka_unit_test(test_the_next_address_when_one_is_silent),
        cmocka_unit_test(test_an_answer_that_ends_with_the_connection),
        cmocka_unit_test(test_all_refuse),
        cmocka_unit_test(test_no_answer_in_time),
        cmocka_unit_test(test_cut_and_too_long),
        cmocka_unit_test(test_another_name_is_told_nothing),
        cmocka_unit_test(test_no_trust_at_all),
        cmocka_unit_test(test_a_form_that_is_too_long),
        cmocka_unit_test(test_closed_before_its_answer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
