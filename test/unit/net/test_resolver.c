/* test_resolver.c -- look-ups against a false server on the same loop (UDP and TCP), and the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/net/resolver_files.h"
#include "net/resolver.h"

/* ---- a false server ---------------------------------------------------------------------- */

/* The first label of the name says how it behaves. */
static uv_loop_t loop;
static uv_udp_t udp;
static uv_tcp_t tcp;
static struct ip_port server;
static unsigned udp_questions, tcp_questions, with_do;
static bool has_tcp;

struct client { /* of the TCP side */
    uv_tcp_t tcp;
    uv_write_t write;
    char in[600];
    size_t n;
    unsigned char out[70000];
};

static size_t question_bytes(const unsigned char *q, size_t n)
{
    size_t at = 12;
    while (at < n && q[at])
        at += 1 + q[at];
    return at + 5;
}

static bool is_about(const unsigned char *q, const char *label)
{
    return q[12] == strlen(label) && slice_eq_nocase(slice_of(q + 13, q[12]), slice_cstr(label));
}

static size_t add_a(unsigned char *p, unsigned last)
{
    unsigned char rr[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, (unsigned char)last};
    memcpy(p, rr, sizeof rr);
    return sizeof rr;
}

/* The answer to a question; 0: silence. */
static size_t answer_to(const unsigned char *q, size_t n, bool is_tcp, unsigned char *out)
{
    size_t qn = question_bytes(q, n), used = qn;
    if (qn > n)
        return 0;
    memcpy(out, q, qn);
    out[2] = 0x81;
    out[3] = 0x80 | 0x20; /* AD */
    out[7] = 1;
    out[9] = out[10] = out[11] = 0;
    if (n >= qn + 11 && q[qn + 7] & 0x80)
        with_do++;
    if (is_about(q, "silent") || (is_about(q, "lost") && udp_questions == 1))
        return 0;
    if (is_about(q, "wrongid"))
        out[0] ^= 1;
    if (is_about(q, "wrongcase") && !is_tcp) {
        for (size_t i = 12; i < qn - 4; i++) {
            if (out[i] >= 'a' && out[i] <= 'z')
                out[i] = (unsigned char)(out[i] - 32);
            else if (out[i] >= 'A' && out[i] <= 'Z')
                out[i] = (unsigned char)(out[i] + 32);
        }
    }
    if (is_about(q, "echo") && !is_tcp)
        out[2] = 1; /* still a question */
    if (is_about(q, "servfail") || is_about(q, "refused") || is_about(q, "nxdomain")) {
        out[3] = is_about(q, "servfail") ? 0x82 : is_about(q, "refused") ? 0x85 : 0x83;
        out[7] = 0;
        return qn;
    }
    if (is_about(q, "nodata")) {
        out[7] = 0;
        return qn;
    }
    if ((is_about(q, "truncated") || is_about(q, "big")) && !is_tcp) {
        out[2] |= 2;
        out[7] = 0;
        return qn;
    }
    if ((is_about(q, "badtcp") || is_about(q, "mutetcp")) && !is_tcp)
        out[2] |= 2;
    if (is_about(q, "mutetcp") && is_tcp)
        return 0;
    if (is_about(q, "badtcp") && is_tcp)
        return 5;
    if (is_about(q, "big")) {
        out[6] = 3000 >> 8;
        out[7] = 3000 & 0xff;
        for (unsigned i = 0; i < 3000; i++)
            used += add_a(out + used, i & 0xff);
        return used;
    }
    return used + add_a(out + used, is_tcp ? 2 : 1);
}

static void on_room(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    static char room[2000];
    *b = uv_buf_init(room, sizeof room);
}

static void on_question(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from,
                        unsigned flags)
{
    static unsigned char out[70000];
    if (n <= 0 || !from)
        return;
    udp_questions++;
    size_t m = answer_to((unsigned char *)b->base, (size_t)n, false, out);
    uv_buf_t a = uv_buf_init((char *)out, (unsigned)m);
    if (m)
        uv_udp_try_send(u, &a, 1, from);
}

static void on_client_closed(uv_handle_t *h)
{
    free(h->data);
}

static void on_answered(uv_write_t *w, int status)
{
    struct client *c = w->handle->data;
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_client_closed);
}

static void on_tcp_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct client *c = s->data;
    if (n < 0) {
        uv_close((uv_handle_t *)&c->tcp, on_client_closed);
        return;
    }
    assert_true(c->n + (size_t)n <= sizeof c->in);
    memcpy(c->in + c->n, b->base, (size_t)n);
    c->n += (size_t)n;
    size_t want = c->n < 2 ? 0 : (size_t)(unsigned char)c->in[0] << 8 | (unsigned char)c->in[1];
    if (c->n < 2 || c->n < 2 + want)
        return;
    tcp_questions++;
    size_t m = answer_to((unsigned char *)c->in + 2, want, true, c->out + 2);
    if (!m)
        return;
    c->out[0] = (unsigned char)(m >> 8);
    c->out[1] = (unsigned char)m;
    uv_buf_t a = uv_buf_init((char *)c->out, (unsigned)(m + 2));
    uv_write(&c->write, s, &a, 1, on_answered);
}

static void on_client(uv_stream_t *s, int status)
{
    struct client *c = calloc(1, sizeof *c);
    uv_tcp_init(&loop, &c->tcp);
    c->tcp.data = c;
    assert_int_equal(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
    uv_read_start((uv_stream_t *)&c->tcp, on_room, on_tcp_bytes);
}

static void open_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < 20; i++) { /* one port for both */
        int n = sizeof at;
        at.sin_port = 0;
        uv_udp_init(&loop, &udp);
        uv_tcp_init(&loop, &tcp);
        assert_int_equal(uv_udp_bind(&udp, (struct sockaddr *)&at, 0), 0);
        uv_udp_getsockname(&udp, (struct sockaddr *)&at, &n);
        int bytes = 1 << 20;
        uv_recv_buffer_size((uv_handle_t *)&udp, &bytes);
        uv_tcp_bind(&tcp, (struct sockaddr *)&at, 0);
        if (uv_listen((uv_stream_t *)&tcp, 100, on_client) == 0)
            break;
        uv_close((uv_handle_t *)&udp, NULL);
        uv_close((uv_handle_t *)&tcp, NULL);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    uv_udp_recv_start(&udp, on_room, on_question);
    server =
        (struct ip_port){.ip = {.family = IP_V4, .b = {127, 0, 0, 1}}, .port = ntohs(at.sin_port)};
    has_tcp = true;
    udp_questions = tcp_questions = with_do = 0;
}

static void close_tcp(void)
{
    has_tcp = false;
    uv_close((uv_handle_t *)&tcp, NULL);
}

/* ---- the stage --------------------------------------------------------------------------- */

enum { TICKETS_MAX = 5000 };
static struct resolver *resolver;
static bool is_answered[TICKETS_MAX];
static enum dns_result result[TICKETS_MAX];
static struct dns_answer last;
static unsigned answers;
static int in_call;
static bool is_closed;
static void (*on_answer)(uint64_t ticket);

static void answered(void *ctx, uint64_t ticket, const struct dns_answer *a)
{
    assert_int_equal(in_call, 0);
    assert_true(ticket < TICKETS_MAX);
    assert_false(is_answered[ticket]);
    is_answered[ticket] = true;
    result[ticket] = a->result;
    last = *a;
    answers++;
    if (on_answer)
        on_answer(ticket);
}

static void open_stage(const struct resolver_options *o)
{
    struct fault why;
    memset(is_answered, 0, sizeof is_answered);
    answers = 0;
    is_closed = false;
    on_answer = NULL;
    if (resolver_new(&resolver, &loop, o, 1, answered, NULL, &why))
        fail_msg("%s", why.text);
}

static void open_both(int64_t timeout_ms)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    open_server();
    open_stage(&(struct resolver_options){
        .servers = &server, .server_count = 1, .timeout_ms = timeout_ms});
}

static void set_closed(void *ctx)
{
    is_closed = true;
}

static void close_both(void)
{
    resolver_close(resolver, set_closed, NULL);
    uv_close((uv_handle_t *)&udp, NULL);
    if (has_tcp)
        close_tcp();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(is_closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void ask(uint64_t ticket, const char *name, enum dns_type type)
{
    in_call++;
    resolver_ask(resolver, ticket, slice_cstr(name), type);
    in_call--;
}

static void on_alarm(uv_timer_t *t)
{
    fail_msg("waited too long");
}

static void on_tick(uv_timer_t *t)
{
}

static void wait_for(unsigned count)
{
    uv_timer_t alarm_;
    uv_timer_init(&loop, &alarm_);
    uv_update_time(&loop);
    uv_timer_start(&alarm_, on_alarm, 20000, 0);
    while (answers < count)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&alarm_, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void run_for(uint64_t ms)
{
    uv_timer_t tick;
    uint64_t until = uv_hrtime() / 1000000 + ms;
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 1, 1);
    while (uv_hrtime() / 1000000 < until)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* ---- look-ups ---------------------------------------------------------------------------- */

static void test_table(void **state)
{
    static const struct {
        const char *what, *name;
        enum dns_result result;
        unsigned last, udp, tcp; /* of the address; questions seen */
    } row[] = {
        {"an answer", "ok.example", DNS_OK, 1, 1, 0},
        {"a final dot", "ok.example.", DNS_OK, 1, 1, 0},
        {"no name", "nxdomain.example", DNS_NO_NAME, 0, 1, 0},
        {"no data", "nodata.example", DNS_NO_DATA, 0, 1, 0},
        {"server failure", "servfail.example", DNS_SERVFAIL, 0, 1, 0},
        {"refused", "refused.example", DNS_SERVFAIL, 0, 1, 0},
        {"truncated, then TCP", "truncated.example", DNS_OK, 2, 1, 1},
        {"case not kept, then TCP", "wrongcase.example", DNS_OK, 2, 1, 1},
        {"an echoed question, then TCP", "echo.example", DNS_OK, 2, 1, 1},
        {"TCP answers nonsense", "badtcp.example", DNS_BAD, 0, 1, 1},
        {"not a name", "no..name", DNS_BAD_NAME, 0, 0, 0},
        {"empty", "", DNS_BAD_NAME, 0, 0, 0},
        {"a byte too many", "\xc3\xa9.example", DNS_BAD_NAME, 0, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        open_both(3000);
        ask(7, row[i].name, DNS_A);
        wait_for(1);
        if (result[7] != row[i].result || udp_questions != row[i].udp ||
            tcp_questions != row[i].tcp ||
            (row[i].last && (last.count != 1 || last.record[0].ip.b[3] != row[i].last)))
            fail_msg("%s: %s, %u and %u questions", row[i].what, dns_result_name(result[7]),
                     udp_questions, tcp_questions);
        if (result[7] == DNS_OK)
            assert_true(last.is_authentic && with_do > 0);
        run_for(5);
        assert_int_equal(answers, 1);
        close_both();
    }
}

static void test_big_over_tcp(void **state)
{
    open_both(3000);
    ask(1, "big.example", DNS_A);
    wait_for(1);
    assert_int_equal(result[1], DNS_OK);
    assert_int_equal(last.count, DNS_RECORDS_MAX);
    close_both();
}

static void test_truncated_without_tcp(void **state)
{
    open_both(3000);
    close_tcp();
    ask(1, "truncated.example", DNS_A);
    wait_for(1);
    assert_int_equal(result[1], DNS_SERVFAIL);
    close_both();
}

static void test_timeouts(void **state)
{
    open_both(700);
    uint64_t from = uv_hrtime();
    ask(1, "silent.example", DNS_A);
    ask(2, "wrongid.example", DNS_A);
    ask(3, "lost.example", DNS_A);
    wait_for(3);
    uint64_t ms = (uv_hrtime() - from) / 1000000;
    assert_int_equal(result[1], DNS_TIMEOUT);
    assert_int_equal(result[2], DNS_TIMEOUT);
    assert_true(ms >= 650 && ms < 2500);
    assert_true(udp_questions > 3); /* it was asked again */
    close_both();
}

static void test_silence_on_tcp(void **state)
{
    open_both(500);
    ask(1, "mutetcp.example", DNS_A);
    wait_for(1);
    assert_int_equal(result[1], DNS_TIMEOUT);
    assert_int_equal(tcp_questions, 1);
    close_both();
}

static void test_lost_packet(void **state)
{
    open_both(5000);
    ask(1, "lost.example", DNS_A);
    wait_for(1);
    assert_int_equal(result[1], DNS_OK);
    assert_int_equal(udp_questions, 2);
    close_both();
}

static void test_second_server(void **state)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    open_server();
    struct ip_port both[2] = {server, server};
    both[0].port = 1; /* nobody there */
    open_stage(&(struct resolver_options){.servers = both, .server_count = 2, .timeout_ms = 3000});
    ask(1, "ok.example", DNS_A);
    wait_for(1);
    assert_int_equal(result[1], DNS_OK);
    memset(is_answered, 0, sizeof is_answered);
    ask(1, "truncated.example", DNS_A);
    wait_for(2);
    assert_int_equal(result[1], DNS_OK);
    close_both();
}

static void test_many(void **state)
{
    open_both(10000);
    for (unsigned i = 0; i < 3000; i++)
        ask(i, i % 10 ? "ok.example" : "truncated.example", DNS_A);
    wait_for(3000);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(result[i], DNS_OK);
    close_both();
}

/* More than may be under way, and nobody answers: all end in time. */
static void test_many_silent(void **state)
{
    open_both(400);
    for (unsigned i = 0; i < 1000; i++)
        ask(i, "silent.example", DNS_A);
    wait_for(1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(result[i], DNS_TIMEOUT);
    close_both();
}

/* Forgotten queries make room for those that wait. */
static void test_room_after_silence(void **state)
{
    open_both(700);
    for (unsigned i = 0; i < RESOLVER_INFLIGHT_MAX; i++)
        ask(i, "silent.example", DNS_A);
    run_for(500);
    ask(1000, "ok.example", DNS_A); /* its deadline is at 1.2 s, those end at 0.7 s */
    wait_for(RESOLVER_INFLIGHT_MAX + 1);
    assert_int_equal(result[1000], DNS_OK);
    close_both();
}

static void ask_again(uint64_t ticket)
{
    if (ticket < 20)
        ask(ticket + 1, ticket % 2 ? "ok.example" : "truncated.example", DNS_A);
}

static void test_ask_in_answer(void **state)
{
    open_both(3000);
    on_answer = ask_again;
    ask(0, "ok.example", DNS_A);
    wait_for(21);
    close_both();
}

static void close_in_answer(uint64_t ticket)
{
    resolver_close(resolver, set_closed, NULL);
    on_answer = NULL;
}

static void test_close_in_answer(void **state)
{
    static const char *const name[] = {"ok.example", "truncated.example", "..", "silent.example"};
    for (size_t i = 0; i < COUNT_OF(name); i++) {
        open_both(300);
        on_answer = close_in_answer;
        for (unsigned j = 0; j < 5; j++)
            ask(j, name[i], DNS_A);
        wait_for(1);
        assert_int_equal(answers, 1);
        uv_close((uv_handle_t *)&udp, NULL);
        close_tcp();
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_true(is_closed);
        assert_int_equal(answers, 1);
        assert_int_equal(uv_loop_close(&loop), 0);
    }
}

static void test_close_under_way(void **state)
{
    for (unsigned ms = 0; ms < 4; ms++) {
        open_both(3000);
        for (unsigned i = 0; i < 500; i++)
            ask(i, i % 3 ? "silent.example" : i % 2 ? "truncated.example" : "a..b", DNS_A);
        run_for(ms);
        close_both();
    }
}

static void test_new_servers(void **state)
{
    struct fault why;
    open_both(3000);
    struct ip_port dead = server;
    dead.port = 1;
    ask(1, "lost.example", DNS_A); /* under way with the old ones */
    run_for(20);
    in_call++;
    assert_int_equal(resolver_configure(resolver,
                                        &(struct resolver_options){
                                            .servers = &dead, .server_count = 1, .timeout_ms = 200},
                                        &why),
                     ERR_OK);
    in_call--;
    ask(2, "ok.example", DNS_A);
    wait_for(2);
    assert_int_equal(result[1], DNS_OK);
    assert_int_equal(result[2], DNS_TIMEOUT);
    close_both();
}

/* ---- files ------------------------------------------------------------------------------- */

static char dir[] = "/tmp/outpost-test-XXXXXX";
static char hosts[64], conf[64];

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_hosts(void **state)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    open_server();
    write_file(hosts, "# comment\n"
                      "127.0.0.1\tlocalhost Alias.Example # one\n"
                      "::1 localhost\r\n"
                      "10.0.0.1 two.example\n10.0.0.2 two.example two.example\n"
                      "not-an-address bad.example\n"
                      "10.0.0.3");
    open_stage(&(struct resolver_options){
        .servers = &server, .server_count = 1, .timeout_ms = 3000, .hosts = hosts});
    ask(1, "localhost", DNS_A);
    wait_for(1);
    assert_int_equal(result[1], DNS_OK);
    assert_string_equal(last.canonical, "localhost");
    assert_string_equal(ip_build(&last.record[0].ip).s, "127.0.0.1");
    assert_false(last.is_authentic);
    ask(2, "LOCALHOST.", DNS_AAAA);
    wait_for(2);
    assert_string_equal(ip_build(&last.record[0].ip).s, "::1");
    ask(3, "alias.example", DNS_AAAA);
    wait_for(3);
    assert_int_equal(result[3], DNS_NO_DATA);
    ask(4, "two.example", DNS_A);
    wait_for(4);
    assert_int_equal(last.count, 2);
    assert_int_equal(udp_questions, 0);
    ask(5, "bad.example", DNS_A);
    wait_for(5);
    assert_int_equal(udp_questions, 1);
    ask(6, "localhost", DNS_MX); /* only addresses come from the file */
    wait_for(6);
    assert_int_equal(udp_questions, 2);
    /* changed, noticed after a second */
    write_file(hosts, "10.9.9.9 new.example\n");
    ask(7, "new.example", DNS_A);
    wait_for(7);
    assert_int_equal(udp_questions, 3);
    run_for(1050);
    ask(8, "new.example", DNS_A);
    wait_for(8);
    assert_string_equal(ip_build(&last.record[0].ip).s, "10.9.9.9");
    unlink(hosts);
    run_for(1050);
    ask(9, "new.example", DNS_A);
    wait_for(9);
    assert_int_equal(udp_questions, 4);
    close_both();
}

static void test_resolv_conf_changes(void **state)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    open_server();
    write_file(conf, "nameserver 127.0.0.254\n");
    open_stage(&(struct resolver_options){.timeout_ms = 200, .resolv_conf = conf});
    ask(1, "ok.example", DNS_A);
    wait_for(1);
    assert_int_equal(result[1], DNS_TIMEOUT);
    write_file(conf, "nameserver 127.0.0.253\nnameserver 127.0.0.252\n");
    run_for(1050);
    ask(2, "ok.example", DNS_A);
    wait_for(2);
    assert_int_equal(result[2], DNS_TIMEOUT);
    close_both();
}

static void test_resolv_conf_parse(void **state)
{
    static const struct {
        const char *what, *text, *first;
        unsigned count;
    } row[] = {
        {"empty: the loopback", "", "127.0.0.1:53", 1},
        {"one", "nameserver 192.0.2.1\n", "192.0.2.1:53", 1},
        {"no last line end", "nameserver 192.0.2.1", "192.0.2.1:53", 1},
        {"blanks and CR", "nameserver \t192.0.2.1 \r\n", "192.0.2.1:53", 1},
        {"other lines", "search x\n# nameserver 1.1.1.1\n;c\noptions edns0\nnameserver ::1\n",
         "[::1]:53", 1},
        {"a scope is skipped", "nameserver fe80::1%eth0\nnameserver 192.0.2.2\n", "192.0.2.2:53",
         1},
        {"nonsense", "nameserver\nnameservers 1.2.3.4\nnameserver x\n", "127.0.0.1:53", 1},
        {"six at most",
         "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4\n"
         "nameserver 1.0.0.5\nnameserver 1.0.0.6\nnameserver 1.0.0.7\n",
         "1.0.0.1:53", 6},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct ip_port at[RESOLVER_FILES_SERVERS_MAX];
        unsigned n = resolver_conf_parse(slice_cstr(row[i].text), at);
        if (n != row[i].count || strcmp(ip_port_build(&at[0]).s, row[i].first) != 0)
            fail_msg("%s: %u, %s", row[i].what, n, ip_port_build(&at[0]).s);
    }
}

static void test_hosts_ceilings(void **state)
{
    struct resolver_hosts h;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (unsigned i = 0; i < 40; i++)
        buf_addf(&text, "10.0.0.%u many.example\n", i);
    buf_add_cstr(&text, "10.0.0.1 ");
    for (unsigned i = 0; i < 254; i++)
        buf_add_char(&text, 'a');
    resolver_hosts_init(&h);
    resolver_hosts_parse(&h, buf_slice(&text));
    assert_int_equal(h.by_name.count, 1);
    assert_int_equal(resolver_hosts_find(&h, SLICE("many.example"))->count,
                     RESOLVER_FILES_ADDRESSES_MAX);
    resolver_hosts_close(&h);
    buf_close(&text);
}

static int setup(void **state)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!mkdtemp(dir))
        return -1;
    snprintf(hosts, sizeof hosts, "%s/hosts", dir);
    snprintf(conf, sizeof conf, "%s/resolv.conf", dir);
    return 0;
}

static int teardown(void **state)
{
    unlink(hosts);
    unlink(conf);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_big_over_tcp),
        cmocka_unit_test(test_truncated_without_tcp),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_silence_on_tcp),
        cmocka_unit_test(test_lost_packet),
        cmocka_unit_test(test_second_server),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_many_silent),
        cmocka_unit_test(test_room_after_silence),
        cmocka_unit_test(test_ask_in_answer),
        cmocka_unit_test(test_close_in_answer),
        cmocka_unit_test(test_close_under_way),
        cmocka_unit_test(test_new_servers),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_resolv_conf_changes),
        cmocka_unit_test(test_resolv_conf_parse),
        cmocka_unit_test(test_hosts_ceilings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
