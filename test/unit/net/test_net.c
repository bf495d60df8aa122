/* test_net.c -- connections on a real loop over loopback: plain, TLS, STARTTLS, pressure, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/net.h"
#include "rsa_identity.h"

/* ---- the stage --------------------------------------------------------------------------- */

enum { SIDES_MAX = 2048, WATCHDOG_MS = 20000 };

struct side { /* one end of a connection */
    uint64_t id;
    unsigned listener;
    struct net_peer peer;
    struct buf got;
    bool is_up, is_tls_up, is_closed;
    unsigned drained;
    struct tls_facts facts;
    enum err err;
    char reason[256];
    /* What the scene does here; may be NULL. */
    void (*on_bytes)(struct side *s, struct slice in);
    void (*on_drained)(struct side *s);
    size_t left; /* for the scene's own counting */
    uint64_t sum_sent, sum_got;
    size_t n_got; /* bytes, or calls */
};

static uv_loop_t loop;
static struct net *net;
static struct side side[SIDES_MAX];
static unsigned side_count;
static int in_call; /* callbacks inside our calls are forbidden */
static bool all_closed;
static void (*on_accepted)(struct side *s);
static void (*on_connected)(struct side *s);
static void (*on_tls_up)(struct side *s);
static struct tls_server_config *identity;
static struct buf cert_pem;

static struct side *side_of(uint64_t id)
{
    for (unsigned i = 0; i < side_count; i++)
        if (side[i].id == id)
            return &side[i];
    assert_true(side_count < SIDES_MAX);
    struct side *s = &side[side_count++];
    memset(s, 0, sizeof *s);
    s->id = id;
    buf_init(&s->got, 64 << 20);
    return s;
}

#define CALL(x) (in_call++, (x), in_call--)

static void accepted(void *ctx, uint64_t conn, unsigned listener, const struct net_peer *peer)
{
    assert_int_equal(in_call, 0);
    assert_int_equal(conn % 2, 1);
    struct side *s = side_of(conn);
    s->is_up = true;
    s->listener = listener;
    s->peer = *peer;
    if (on_accepted)
        on_accepted(s);
}

static void connected(void *ctx, uint64_t conn, const struct net_peer *peer)
{
    assert_int_equal(in_call, 0);
    struct side *s = side_of(conn);
    assert_false(s->is_closed);
    s->is_up = true;
    s->peer = *peer;
    if (on_connected)
        on_connected(s);
}

static void bytes(void *ctx, uint64_t conn, struct slice in)
{
    assert_int_equal(in_call, 0);
    struct side *s = side_of(conn);
    assert_false(s->is_closed);
    assert_true(in.n > 0);
    if (s->on_bytes)
        s->on_bytes(s, in);
    else
        buf_add(&s->got, in);
}

static void drained(void *ctx, uint64_t conn)
{
    assert_int_equal(in_call, 0);
    struct side *s = side_of(conn);
    assert_false(s->is_closed);
    s->drained++;
    if (s->on_drained)
        s->on_drained(s);
}

static void tls_up(void *ctx, uint64_t conn, const struct tls_facts *facts)
{
    assert_int_equal(in_call, 0);
    struct side *s = side_of(conn);
    assert_false(s->is_tls_up || s->is_closed);
    s->is_tls_up = true;
    s->facts = *facts;
    if (on_tls_up)
        on_tls_up(s);
}

static void closed(void *ctx, uint64_t conn, enum err err, const char *reason)
{
    assert_int_equal(in_call, 0);
    struct side *s = side_of(conn);
    assert_false(s->is_closed);
    s->is_closed = true;
    s->err = err;
    snprintf(s->reason, sizeof s->reason, "%s", reason);
}

static void open_stage(unsigned connections_max, unsigned output_bytes_max)
{
    static const struct net_callbacks cb = {
        .accepted = accepted,
        .connected = connected,
        .bytes = bytes,
        .drained = drained,
        .tls_up = tls_up,
        .closed = closed,
    };
    struct net_options o = {connections_max, output_bytes_max};
    assert_int_equal(uv_loop_init(&loop), 0);
    net = net_new(&loop, &o, &cb);
    side_count = 0;
    all_closed = false;
    on_accepted = on_connected = on_tls_up = NULL;
}

static void set_all_closed(void *ctx)
{
    all_closed = true;
}

static void close_stage(void)
{
    net_close_all(net, set_all_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(all_closed);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (unsigned i = 0; i < side_count; i++)
        buf_close(&side[i].got);
}

static void on_alarm(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

static void on_alarm_closed(uv_handle_t *h)
{
    free(h);
}

/* Runs the loop until the condition holds. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        bool is_late = false;                                                                      \
        uv_timer_t *alarm_ = malloc(sizeof *alarm_);                                               \
        uv_timer_init(&loop, alarm_);                                                              \
        alarm_->data = &is_late;                                                                   \
        uv_update_time(&loop);                                                                     \
        uv_timer_start(alarm_, on_alarm, WATCHDOG_MS, 1);                                          \
        while (!(condition) && !is_late)                                                           \
            uv_run(&loop, UV_RUN_ONCE);                                                            \
        uv_close((uv_handle_t *)alarm_, on_alarm_closed);                                          \
        uv_run(&loop, UV_RUN_NOWAIT);                                                              \
        if (!(condition))                                                                          \
            fail_msg("%s:%d: waited too long for %s", __FILE__, __LINE__, #condition);             \
    } while (0)

static void run_for(unsigned ms)
{
    bool is_over = false;
    uv_timer_t *t = malloc(sizeof *t);
    assert_non_null(t);
    uv_timer_init(&loop, t);
    t->data = &is_over;
    uv_update_time(&loop);
    uv_timer_start(t, on_alarm, ms, 1); /* again, so that no poll waits for ever */
    while (!is_over)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)t, on_alarm_closed);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static const struct ip no_source = {.family = IP_NONE};

static struct ip_port here(unsigned listener)
{
    struct ip_port at = {.ip = {.family = IP_V4, .b = {127, 0, 0, 1}}};
    at.port = net_listener_port(net, listener);
    assert_int_not_equal(at.port, 0);
    return at;
}

static void listen_here(unsigned listener)
{
    struct fault why;
    if (net_listen(net, listener, "127.0.0.1:0", &why))
        fail_msg("%s", why.text);
}

static struct side *connect_to(uint64_t id, unsigned listener)
{
    struct ip_port at = here(listener);
    struct side *s = side_of(id);
    CALL(net_connect(net, id, &at, &no_source));
    return s;
}

static void send_text(struct side *s, const char *text)
{
    CALL(net_send(net, s->id, slice_cstr(text)));
}

static bool has(const struct side *s, const char *text)
{
    return slice_eq(buf_slice(&s->got), slice_cstr(text));
}

static struct side *first_incoming(void)
{
    for (unsigned i = 0; i < side_count; i++)
        if (side[i].id % 2)
            return &side[i];
    return NULL;
}

static void echo(struct side *s, struct slice in)
{
    CALL(net_send(net, s->id, in));
}

static void echo_on_accept(struct side *s)
{
    s->on_bytes = echo;
}

/* ---- plain ------------------------------------------------------------------------------- */

static void test_echo(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(7);
    on_accepted = echo_on_accept;
    struct side *c = connect_to(2, 7);
    UNTIL(c->is_up);
    assert_int_equal(c->peer.address.port, net_listener_port(net, 7));
    send_text(c, "hello");
    UNTIL(has(c, "hello"));
    struct side *s = first_incoming();
    assert_int_equal(s->listener, 7);
    assert_int_equal(s->peer.address.port, c->peer.local.port);
    assert_true(ip_is_loopback(&s->peer.address.ip));
    assert_false(s->peer.is_unix);
    assert_int_equal(net_connection_count(net), 1);
    CALL(net_close(net, 2, false));
    UNTIL(s->is_closed);
    assert_int_equal(s->err, ERR_CLOSED);
    assert_false(c->is_closed);
    UNTIL(net_connection_count(net) == 0);
    close_stage();
}

static void test_refused(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    struct ip_port at = here(1);
    net_listen_stop(net, 1);
    run_for(1);
    struct side *c = side_of(2);
    CALL(net_connect(net, 2, &at, &no_source));
    UNTIL(c->is_closed);
    assert_int_equal(c->err, ERR_REFUSED);
    assert_string_equal(c->reason, "connection refused");
    close_stage();
}

/* From an address of ours that we choose, and from one that is not ours. */
static void test_source(void **state)
{
    static const struct ip ours = {.family = IP_V4, .b = {127, 0, 0, 3}};
    static const struct ip foreign = {.family = IP_V4, .b = {192, 0, 2, 1}};
    static const struct ip other_family = {.family = IP_V6, .b = {[15] = 1}};
    open_stage(10, 1 << 20);
    listen_here(1);
    struct ip_port at = here(1);
    struct side *c = side_of(2);
    CALL(net_connect(net, 2, &at, &ours));
    UNTIL(c->is_up && net_connection_count(net) == 1);
    assert_true(ip_eq(&c->peer.local.ip, &ours));
    assert_int_not_equal(c->peer.local.port, 0);
    struct side *bad = side_of(4);
    CALL(net_connect(net, 4, &at, &foreign));
    UNTIL(bad->is_closed);
    assert_int_equal(bad->err, ERR_SOURCE);
    assert_string_equal(bad->reason, "source address 192.0.2.1: address not available");
    struct side *wrong = side_of(6);
    CALL(net_connect(net, 6, &at, &other_family));
    UNTIL(wrong->is_closed);
    struct fault why;
    assert_int_equal(net_source_check(&ours, &why), ERR_OK);
    assert_int_equal(net_source_check(&foreign, &why), ERR_SOURCE);
    assert_string_equal(why.text, "192.0.2.1: Cannot assign requested address");
    close_stage();
}

static void test_bad_listeners(void **state)
{
    static const struct {
        const char *what, *address;
        enum err err;
    } row[] = {
        {"no port", "127.0.0.1", ERR_BAD},
        {"a name", "localhost:25", ERR_BAD},
        {"empty", "", ERR_BAD},
        {"an empty path", "unix:", ERR_BAD},
        {"not our address", "192.0.2.1:0", ERR_REFUSED},
        {"a path over 107 bytes",
         "unix:/tmp/"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaa",
         ERR_BAD},
        {"no such directory", "unix:/tmp/outpost-no-such-dir/x", ERR_SYSTEM},
        {"a bad mode", "unix:/tmp/x,mode=0999", ERR_BAD},
    };
    open_stage(10, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct fault why;
        enum err e = net_listen(net, 9, row[i].address, &why);
        if (e != row[i].err)
            fail_msg("%s: %s", row[i].what, e ? why.text : "accepted");
    }
    listen_here(1);
    char taken[40];
    struct fault why;
    snprintf(taken, sizeof taken, "127.0.0.1:%u", net_listener_port(net, 1));
    assert_int_equal(net_listen(net, 2, taken, &why), ERR_BUSY);
    assert_non_null(strstr(why.text, taken));
    assert_int_equal(net_listen(net, 1, "127.0.0.1:0", &why), ERR_BUSY);
    assert_int_equal(net_listener_port(net, 2), 0);
    close_stage();
}

static void test_ipv6(void **state)
{
    struct fault why;
    open_stage(10, 1 << 20);
    if (net_listen(net, 1, "[::1]:0", &why)) {
        close_stage();
        skip();
    }
    on_accepted = echo_on_accept;
    struct ip_port at = {.ip = {.family = IP_V6, .b = {[15] = 1}}};
    at.port = net_listener_port(net, 1);
    struct side *c = side_of(2);
    CALL(net_connect(net, 2, &at, &no_source));
    UNTIL(c->is_up);
    send_text(c, "six");
    UNTIL(has(c, "six"));
    assert_int_equal(first_incoming()->peer.address.ip.family, IP_V6);
    close_stage();
}

static int unix_connect(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void test_unix(void **state)
{
    char dir[] = "/tmp/outpost-test-XXXXXX", path[64], address[100];
    struct fault why;
    struct stat st;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(address, sizeof address, "unix:%s,mode=0600", path);
    open_stage(1, 1 << 20);
    on_accepted = echo_on_accept;
    /* a file that is no socket is left alone */
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(net_listen(net, 1, address, &why), ERR_BUSY);
    unlink(path);
    assert_int_equal(net_listen(net, 1, address, &why), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* somebody listens */
    assert_int_equal(net_listen(net, 2, address, &why), ERR_BUSY);
    fd = unix_connect(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "ping", 4), 4);
    shutdown(fd, SHUT_WR); /* half closed: the answer still comes */
    UNTIL(first_incoming() && first_incoming()->is_closed);
    assert_true(first_incoming()->peer.is_unix);
    assert_int_equal(first_incoming()->peer.uid, getuid());
    assert_int_equal(first_incoming()->peer.address.ip.family, IP_NONE);
    char answer[10];
    assert_int_equal(read(fd, answer, sizeof answer), 4);
    close(fd);
    net_listen_stop(net, 1);
    run_for(1);
    assert_int_not_equal(stat(path, &st), 0);
    /* a dead socket's file is replaced */
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    assert_int_equal(bind(dead, (struct sockaddr *)&sa, sizeof sa), 0);
    close(dead);
    snprintf(address, sizeof address, "unix:%s", path);
    assert_int_equal(net_listen(net, 1, address, &why), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    close_stage();
    assert_int_not_equal(stat(path, &st), 0);
    rmdir(dir);
}

/* A socket made elsewhere is a connection like any other, and counts as one. */
static void test_adopt(void **state)
{
    int pair[2];
    uint64_t conn = 0;
    open_stage(10, 1 << 20);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    CALL(conn = net_adopt(net, pair[1]));
    assert_int_equal(conn % 2, 1);
    assert_int_equal(net_connection_count(net), 1);
    struct side *s = side_of(conn);
    char answer[10];
    s->on_bytes = echo;
    assert_int_equal(write(pair[0], "ping", 4), 4);
    UNTIL(recv(pair[0], answer, sizeof answer, MSG_PEEK) == 4);
    close(pair[0]);
    UNTIL(s->is_closed);
    UNTIL(net_connection_count(net) == 0);
    /* At the limit it is refused, and closed. */
    int peer[64], count = 0;
    for (; count < 64 && conn; count++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        peer[count] = pair[0];
        CALL(conn = net_adopt(net, pair[1]));
    }
    assert_in_range(count, 11, 63);
    assert_int_equal(fcntl(pair[1], F_GETFD), -1);
    while (count)
        close(peer[--count]);
    UNTIL(net_connection_count(net) == 0);
    close_stage();
}

static void test_limit_and_pause(void **state)
{
    open_stage(2, 1 << 20);
    listen_here(1);
    on_accepted = echo_on_accept;
    struct side *c[4];
    for (unsigned i = 0; i < 4; i++)
        c[i] = connect_to(2 + 2 * i, 1);
    for (unsigned i = 0; i < 4; i++) {
        UNTIL(c[i]->is_up);
        send_text(c[i], "x");
    }
    UNTIL(has(c[0], "x") && has(c[1], "x"));
    run_for(50);
    assert_int_equal(net_connection_count(net), 2);
    assert_false(has(c[2], "x"));
    CALL(net_close(net, c[0]->id, true));
    UNTIL(has(c[2], "x"));
    assert_false(has(c[3], "x"));
    CALL(net_accept_pause(net, true));
    CALL(net_close(net, c[1]->id, true));
    UNTIL(net_connection_count(net) == 1);
    run_for(50);
    assert_false(has(c[3], "x"));
    CALL(net_accept_pause(net, false));
    UNTIL(has(c[3], "x"));
    close_stage();
}

static void test_listener_stops_connections_stay(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    on_accepted = echo_on_accept;
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    net_listen_stop(net, 1);
    net_listen_stop(net, 1);
    run_for(1);
    send_text(c, "still here");
    UNTIL(has(c, "still here"));
    close_stage();
}

/* ---- pressure ---------------------------------------------------------------------------- */

enum { BIG = 6 << 20, CHUNK = 50000 };

static char pattern(uint64_t at)
{
    return (char)(at * 2654435761u >> 13);
}

static void send_more(struct side *s)
{
    static char chunk[CHUNK];
    while (s->left && net_output_bytes(net, s->id) == 0) {
        size_t n = s->left < CHUNK ? s->left : CHUNK;
        for (size_t i = 0; i < n; i++)
            chunk[i] = pattern(s->sum_sent + i);
        s->sum_sent += n;
        s->left -= n;
        CALL(net_send(net, s->id, slice_of(chunk, n)));
    }
}

static void take_checked(struct side *s, struct slice in)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != pattern(s->n_got + i))
            fail_msg("wrong byte at %zu", s->n_got + i);
    }
    s->n_got += in.n;
}

static void big_both_ways(struct side *a, struct side *b)
{
    struct side *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        both[i]->on_bytes = take_checked;
        both[i]->on_drained = send_more;
        both[i]->left = BIG;
    }
    send_more(a);
    send_more(b);
    UNTIL(a->n_got == BIG && b->n_got == BIG);
    assert_true(a->drained > 0 && b->drained > 0);
}

static void test_big_plain(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    big_both_ways(c, first_incoming());
    close_stage();
}

/* Who does not read stops the other from sending, and loses nothing. */
static void hold_back(struct side *from, struct side *to)
{
    to->on_bytes = take_checked;
    from->on_drained = send_more;
    from->left = BIG;
    CALL(net_read(net, to->id, false));
    send_more(from);
    run_for(200);
    size_t left = from->left, n_got = to->n_got;
    assert_int_not_equal(left, 0);
    run_for(100);
    assert_int_equal(from->left, left);
    assert_int_equal(to->n_got, n_got);
    CALL(net_read(net, to->id, true));
    UNTIL(to->n_got == BIG);
}

static void test_hold_back_plain(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    hold_back(c, first_incoming());
    close_stage();
}

static void test_output_ceiling(void **state)
{
    static char block[100000];
    open_stage(10, 150000);
    listen_here(1);
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    CALL(net_read(net, first_incoming()->id, false));
    for (int i = 0; i < 200 && net_output_bytes(net, 2) < 60000; i++)
        CALL(net_send(net, 2, slice_of(block, sizeof block)));
    CALL(net_send(net, 2, slice_of(block, sizeof block)));
    CALL(net_send(net, 2, slice_of(block, sizeof block)));
    UNTIL(c->is_closed);
    assert_int_equal(c->err, ERR_FULL);
    close_stage();
}

static void test_close_after_output(void **state)
{
    static char block[16000000];
    open_stage(10, sizeof block);
    listen_here(1);
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    struct side *s = first_incoming();
    CALL(net_read(net, c->id, false));
    CALL(net_send(net, s->id, slice_of(block, sizeof block)));
    assert_true(net_output_bytes(net, s->id) > 0);
    CALL(net_close(net, s->id, false));
    assert_int_equal(net_output_bytes(net, s->id), 0); /* gone for the caller */
    run_for(20);
    CALL(net_read(net, c->id, true));
    UNTIL(c->is_closed);
    assert_int_equal(c->got.n, sizeof block);
    assert_int_equal(c->err, ERR_CLOSED);
    assert_false(s->is_closed);
    close_stage();
}

/* We close while the client still talks: what we said last must arrive, not a reset. */
static void test_close_over_input(void **state)
{
    static char noise[200000];
    open_stage(10, 1 << 20);
    listen_here(1);
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    struct side *s = first_incoming();
    CALL(net_read(net, s->id, false));
    CALL(net_send(net, 2, slice_of(noise, sizeof noise)));
    run_for(20);
    send_text(s, "421 enough\r\n");
    CALL(net_close(net, s->id, false));
    UNTIL(c->is_closed);
    assert_true(has(c, "421 enough\r\n"));
    assert_int_equal(c->err, ERR_CLOSED);
    close_stage();
}

static void test_linger_is_bounded(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(net_listener_port(net, 1)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    UNTIL(first_incoming());
    CALL(net_close(net, first_incoming()->id, false));
    assert_int_equal(net_connection_count(net), 1);
    uint64_t from = uv_hrtime();
    UNTIL(net_connection_count(net) == 0); /* the client never closes */
    assert_true((uv_hrtime() - from) / 1000000 < 4000);
    close(fd);
    close_stage();
}

static void close_in_callback(struct side *s, struct slice in)
{
    send_text(s, "bye");
    CALL(net_close(net, s->id, false));
    send_text(s, "not sent");
}

static void test_close_in_callback(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    first_incoming()->on_bytes = close_in_callback;
    send_text(c, "x");
    UNTIL(c->is_closed);
    assert_true(has(c, "bye"));
    assert_false(first_incoming()->is_closed);
    close_stage();
}

static void test_unknown_numbers(void **state)
{
    open_stage(10, 1 << 20);
    net_send(net, 12345, SLICE("x"));
    net_read(net, 12345, false);
    net_close(net, 12345, true);
    net_tls_server(net, 12345, identity, false);
    assert_int_equal(net_output_bytes(net, 12345), 0);
    close_stage();
}

static void test_many(void **state)
{
    enum { MANY = 500 };
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2048 && limit.rlim_max >= 2048) {
        limit.rlim_cur = 2048;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < 2048)
        skip();
    open_stage(MANY, 1 << 20);
    listen_here(1);
    on_accepted = echo_on_accept;
    for (unsigned i = 0; i < MANY; i++)
        connect_to(2 + 2 * i, 1);
    unsigned up = 0;
    UNTIL((up = net_connection_count(net)) == MANY);
    for (unsigned i = 0; i < MANY; i++) {
        UNTIL(side_of(2 + 2 * i)->is_up);
        send_text(side_of(2 + 2 * i), "many");
    }
    for (unsigned i = 0; i < MANY; i++)
        UNTIL(has(side_of(2 + 2 * i), "many"));
    close_stage();
}

/* ---- TLS --------------------------------------------------------------------------------- */

static struct tls_client_config client;
static const char *server_name;

static void server_on_accept(struct side *s)
{
    s->on_bytes = echo;
    CALL(net_tls_server(net, s->id, identity, false));
}

static void client_on_connect(struct side *s)
{
    CALL(net_tls_client(net, s->id, &client, slice_cstr(server_name)));
}

static struct side *open_tls(const char *name, enum tls_verify verify, struct tls_trust *trust)
{
    open_stage(1000, 4 << 20);
    listen_here(1);
    on_accepted = server_on_accept;
    on_connected = client_on_connect;
    server_name = name;
    client = (struct tls_client_config){.verify = verify, .trust = trust};
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_tls_up || c->is_closed);
    return c;
}

static struct tls_trust *trust_in(struct slice pem)
{
    struct tls_trust *t;
    struct fault why;
    unsigned count;
    if (tls_trust_new(&t, pem, &count, &why))
        fail_msg("%s", why.text);
    return t;
}

static struct tls_trust *trust_in_another(void)
{
    unsigned char seed[32] = {77};
    struct buf cert, key;
    buf_init(&cert, 8192);
    buf_init(&key, 8192);
    assert_int_equal(tls_self_signed(SLICE("mail.example"), seed, time(NULL), &cert, &key, NULL),
                     0);
    struct tls_trust *t = trust_in(buf_slice(&cert));
    buf_close(&cert);
    buf_close(&key);
    return t;
}

static void test_tls_opportunistic(void **state)
{
    struct side *c = open_tls("other.example", TLS_VERIFY_NONE, NULL);
    if (c->is_closed)
        fail_msg("%s", c->reason);
    assert_string_equal(c->facts.version, "TLSv1.2");
    assert_non_null(strstr(c->facts.cipher, "ECDHE-ECDSA-"));
    assert_false(c->facts.is_verified);
    assert_non_null(strstr(c->facts.verdict, "no CA certificates"));
    send_text(c, "secret");
    UNTIL(has(c, "secret"));
    assert_true(first_incoming()->is_tls_up);
    assert_string_equal(first_incoming()->facts.version, "TLSv1.2");
    assert_false(first_incoming()->facts.is_resumed);
    CALL(net_close(net, c->id, false));
    UNTIL(first_incoming()->is_closed);
    assert_int_equal(first_incoming()->err, ERR_CLOSED);
    close_stage();
}

static void test_tls_verdicts(void **state)
{
    struct tls_trust *own = trust_in(buf_slice(&cert_pem)), *other = trust_in_another();
    struct {
        const char *what, *name;
        enum tls_verify verify;
        struct tls_trust *trust;
        bool is_up, is_verified;
        const char *says;
    } row[] = {
        {"trusted, right name", "mail.example", TLS_VERIFY_NAME, own, true, true, ""},
        {"upper case and a final dot", "Mail.Example.", TLS_VERIFY_NAME, own, true, true, ""},
        {"trusted, opportunistic", "mail.example", TLS_VERIFY_NONE, own, true, true, ""},
        {"wrong name", "mail.example.org", TLS_VERIFY_NAME, own, false, false, "another name"},
        {"wrong name, opportunistic", "mx.x", TLS_VERIFY_NONE, own, true, false, "another name"},
        {"another issuer", "mail.example", TLS_VERIFY_NAME, other, false, false, "self-signed"},
        {"the same, opportunistic", "mail.example", TLS_VERIFY_NONE, other, true, false,
         "self-signed"},
        {"nobody trusted", "mail.example", TLS_VERIFY_NAME, NULL, false, false, "no CA"},
        {"an address", "127.0.0.1", TLS_VERIFY_NAME, own, false, false, "no server name"},
        {"no name", "", TLS_VERIFY_NAME, own, false, false, "no server name"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct side *c = open_tls(row[i].name, row[i].verify, row[i].trust);
        const char *said = c->is_tls_up ? c->facts.verdict : c->reason;
        if (c->is_tls_up != row[i].is_up || c->facts.is_verified != row[i].is_verified ||
            !strstr(said, row[i].says) || (c->is_closed && c->err != ERR_TLS))
            fail_msg("%s: %s", row[i].what, said);
        if (c->is_closed && !slice_starts(slice_cstr(c->reason), SLICE("TLS: ")))
            fail_msg("%s: %s", row[i].what, said);
        close_stage();
    }
    tls_trust_unref(own);
    tls_trust_unref(other);
}

static void test_tls_rsa(void **state)
{
    struct tls_server_config *ecdsa = identity;
    struct tls_trust *own = trust_in(slice_cstr(rsa_certificate));
    struct fault why;
    if (tls_server_config_new(&identity, slice_cstr(rsa_certificate), slice_cstr(rsa_key), 0, &why))
        fail_msg("%s", why.text);
    for (int verify = 0; verify < 2; verify++) {
        struct side *c = open_tls("rsa.example", verify ? TLS_VERIFY_NAME : TLS_VERIFY_NONE, own);
        if (!c->is_tls_up || !c->facts.is_verified)
            fail_msg("%s", c->is_tls_up ? c->facts.verdict : c->reason);
        assert_non_null(strstr(c->facts.cipher, "ECDHE-RSA-"));
        close_stage();
    }
    tls_server_config_unref(identity);
    identity = ecdsa;
    tls_trust_unref(own);
}

static void test_tls_big(void **state)
{
    struct side *c = open_tls("x", TLS_VERIFY_NONE, NULL);
    UNTIL(first_incoming()->is_tls_up);
    big_both_ways(c, first_incoming());
    close_stage();
}

static void test_tls_hold_back(void **state)
{
    struct side *c = open_tls("x", TLS_VERIFY_NONE, NULL);
    UNTIL(first_incoming()->is_tls_up);
    hold_back(c, first_incoming());
    hold_back(first_incoming(), c);
    close_stage();
}

static void count_bytes(struct side *s, struct slice in)
{
    s->n_got += in.n;
}

static void test_tls_close_after_output(void **state)
{
    static char block[3000000];
    struct side *c = open_tls("x", TLS_VERIFY_NONE, NULL);
    UNTIL(first_incoming()->is_tls_up);
    struct side *s = first_incoming();
    c->on_bytes = count_bytes;
    CALL(net_send(net, s->id, slice_of(block, sizeof block)));
    CALL(net_close(net, s->id, false));
    UNTIL(c->is_closed);
    assert_int_equal(c->n_got, sizeof block);
    assert_int_equal(c->err, ERR_CLOSED);
    close_stage();
}

static void test_tls_idle_and_again(void **state)
{
    struct side *c = open_tls("x", TLS_VERIFY_NONE, NULL);
    UNTIL(first_incoming()->is_tls_up);
    for (int i = 0; i < 50; i++) {
        buf_clear(&c->got);
        send_text(c, "ping");
        UNTIL(has(c, "ping"));
        run_for(1);
    }
    close_stage();
}

static void test_tls_many(void **state)
{
    enum { MANY = 40 };
    struct side *c = open_tls("x", TLS_VERIFY_NONE, NULL);
    for (unsigned i = 1; i < MANY; i++)
        connect_to(2 + 2 * i, 1);
    for (unsigned i = 0; i < MANY; i++) {
        c = side_of(2 + 2 * i);
        UNTIL(c->is_tls_up);
        send_text(c, "hello");
    }
    for (unsigned i = 0; i < MANY; i++)
        UNTIL(has(side_of(2 + 2 * i), "hello"));
    close_stage();
}

/* Closed in the middle of handshakes, workers busy: nothing may be used after it was freed. */
static void test_tls_close_in_handshake(void **state)
{
    for (int round = 0; round < 30; round++) {
        open_stage(1000, 4 << 20);
        listen_here(1);
        on_accepted = server_on_accept;
        on_connected = client_on_connect;
        server_name = "x";
        client = (struct tls_client_config){.verify = TLS_VERIFY_NONE};
        for (unsigned i = 0; i < 5; i++)
            connect_to(2 + 2 * i, 1);
        for (int turn = 0; turn < round; turn++)
            run_for((unsigned)round % 3);
        for (unsigned i = 0; i < side_count; i++) {
            if (i % 3)
                CALL(net_close(net, side[i].id, i % 2));
        }
        for (int turn = 0; turn < round % 7; turn++)
            uv_run(&loop, UV_RUN_NOWAIT);
        close_stage();
    }
}

static void test_not_tls(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    on_accepted = server_on_accept;
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    send_text(c, "EHLO plain.example\r\n");
    UNTIL(first_incoming()->is_closed);
    assert_int_equal(first_incoming()->err, ERR_TLS);
    assert_non_null(strstr(first_incoming()->reason, "not TLS"));
    close_stage();
}

static void test_hung_up_in_handshake(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    on_accepted = server_on_accept;
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    CALL(net_close(net, 2, true));
    UNTIL(first_incoming()->is_closed);
    assert_int_equal(first_incoming()->err, ERR_TLS);
    assert_non_null(strstr(first_incoming()->reason, "during the handshake"));
    close_stage();
}

/* ---- STARTTLS ---------------------------------------------------------------------------- */

static void starttls_server(struct side *s, struct slice in)
{
    if (s->is_tls_up) {
        echo(s, in);
        return;
    }
    assert_true(slice_starts(in, SLICE("STARTTLS\r\n")));
    send_text(s, "220 go\r\n");
    CALL(net_tls_server(net, s->id, identity, false));
}

static void starttls_client(struct side *s, struct slice in)
{
    buf_add(&s->got, in);
    if (!s->is_tls_up)
        CALL(net_tls_client(net, s->id, &client, SLICE("mail.example")));
}

static void starttls_on_accept(struct side *s)
{
    s->on_bytes = starttls_server;
}

static void test_starttls(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    on_accepted = starttls_on_accept;
    client = (struct tls_client_config){.verify = TLS_VERIFY_NONE};
    struct side *c = connect_to(2, 1);
    c->on_bytes = starttls_client;
    UNTIL(c->is_up);
    send_text(c, "STARTTLS\r\n");
    UNTIL(c->is_tls_up && first_incoming()->is_tls_up);
    assert_true(has(c, "220 go\r\n"));
    send_text(c, "EHLO again\r\n");
    UNTIL(has(c, "220 go\r\nEHLO again\r\n"));
    close_stage();
}

/* Plain words and the begin of the handshake in one read: who reads the words gives the rest back.
 */
static void words_first_server(struct side *s, struct slice in)
{
    static const struct slice words = SLICE_INIT("words\r\n");
    if (s->is_tls_up) {
        echo(s, in);
        return;
    }
    buf_add(&s->got, in);
    struct slice got = buf_slice(&s->got);
    if (got.n > words.n)
        CALL(net_tls_server_begun(net, s->id, identity, false, slice_from(got, words.n)));
}

static void words_first_on_accept(struct side *s)
{
    s->on_bytes = words_first_server;
}

static void words_first_on_connect(struct side *s)
{
    send_text(s, "words\r\n");
    CALL(net_tls_client(net, s->id, &client, SLICE("mail.example")));
}

static void test_handshake_begun(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    on_accepted = words_first_on_accept;
    on_connected = words_first_on_connect;
    client = (struct tls_client_config){.verify = TLS_VERIFY_NONE};
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_tls_up || c->is_closed);
    if (c->is_closed)
        fail_msg("%s", c->reason);
    send_text(c, "EHLO inside\r\n");
    UNTIL(has(c, "EHLO inside\r\n"));
    close_stage();
}

static void begun_badly_on_accept(struct side *s)
{
    CALL(net_tls_server_begun(net, s->id, identity, false, SLICE("EHLO plain.example\r\n")));
}

static void begun_too_long_on_accept(struct side *s)
{
    static char block[1 << 20];
    CALL(net_tls_server_begun(net, s->id, identity, false, slice_of(block, sizeof block)));
}

static void test_handshake_begun_badly(void **state)
{
    for (int is_long = 0; is_long < 2; is_long++) {
        open_stage(10, 1 << 20);
        listen_here(1);
        on_accepted = is_long ? begun_too_long_on_accept : begun_badly_on_accept;
        connect_to(2, 1);
        UNTIL(first_incoming() && first_incoming()->is_closed);
        assert_int_equal(first_incoming()->err, ERR_TLS);
        assert_non_null(strstr(first_incoming()->reason, is_long ? "too many" : "not TLS"));
        close_stage();
    }
}

static void test_starttls_injected(void **state)
{
    open_stage(10, 1 << 20);
    listen_here(1);
    on_accepted = starttls_on_accept;
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up);
    send_text(c, "STARTTLS\r\n");
    UNTIL(has(c, "220 go\r\n"));
    send_text(c, "MAIL FROM:<evil@x>\r\n"); /* plain, as an attacker would */
    UNTIL(first_incoming()->is_closed);
    assert_int_equal(first_incoming()->err, ERR_TLS);
    assert_true(has(c, "220 go\r\n") || c->got.n > 8); /* at most an alert */
    close_stage();
}

/* The 220 is stuck behind other output when plain bytes come. */
static void late_starttls(struct side *s, struct slice in)
{
    static char block[8000000];
    if (s->n_got++ == 0) {
        CALL(net_send(net, s->id, slice_of(block, sizeof block)));
        CALL(net_tls_server(net, s->id, identity, false));
    }
}

static void late_on_accept(struct side *s)
{
    s->on_bytes = late_starttls;
}

static void test_starttls_before_drained(void **state)
{
    open_stage(10, 16 << 20);
    listen_here(1);
    on_accepted = late_on_accept;
    struct side *c = connect_to(2, 1);
    UNTIL(c->is_up && first_incoming());
    CALL(net_read(net, 2, false));
    send_text(c, "STARTTLS\r\n");
    UNTIL(first_incoming()->n_got);
    send_text(c, "NOOP\r\n");
    UNTIL(first_incoming()->is_closed);
    assert_int_equal(first_incoming()->err, ERR_TLS);
    assert_non_null(strstr(first_incoming()->reason, "plaintext"));
    close_stage();
}

static void test_close_in_each_state(void **state)
{
    for (int at_once = 0; at_once < 2; at_once++) {
        open_stage(10, 1 << 20);
        listen_here(1);
        struct side *c = connect_to(2, 1);
        CALL(net_close(net, 2, at_once)); /* connecting */
        run_for(5);
        assert_false(c->is_up);
        c = connect_to(4, 1);
        UNTIL(c->is_up);
        CALL(net_close(net, 4, at_once)); /* open */
        CALL(net_close(net, 4, at_once));
        c = connect_to(6, 1);
        UNTIL(c->is_up);
        CALL(net_tls_client(net, 6, &client, SLICE("x"))); /* nobody answers the handshake */
        run_for(5);
        CALL(net_close(net, 6, at_once));
        for (unsigned i = 0; i < side_count; i++)
            assert_false(side[i].id % 2 == 0 && side[i].is_closed);
        close_stage();
    }
}

static int setup(void **state)
{
    unsigned char seed[32] = {9};
    struct buf key;
    struct fault why;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    buf_init(&cert_pem, 8192);
    buf_init(&key, 8192);
    int e = tls_self_signed(SLICE("mail.example"), seed, time(NULL), &cert_pem, &key, &why);
    if (!e)
        e = tls_server_config_new(&identity, buf_slice(&cert_pem), buf_slice(&key), 100, &why);
    buf_close(&key);
    return e;
}

static int teardown(void **state)
{
    tls_server_config_unref(identity);
    buf_close(&cert_pem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_bad_listeners),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_limit_and_pause),
        cmocka_unit_test(test_listener_stops_connections_stay),
        cmocka_unit_test(test_big_plain),
        cmocka_unit_test(test_hold_back_plain),
        cmocka_unit_test(test_output_ceiling),
        cmocka_unit_test(test_close_after_output),
        cmocka_unit_test(test_close_over_input),
        cmocka_unit_test(test_linger_is_bounded),
        cmocka_unit_test(test_close_in_callback),
        cmocka_unit_test(test_unknown_numbers),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_tls_opportunistic),
        cmocka_unit_test(test_tls_verdicts),
        cmocka_unit_test(test_tls_rsa),
        cmocka_unit_test(test_tls_big),
        cmocka_unit_test(test_tls_hold_back),
        cmocka_unit_test(test_tls_close_after_output),
        cmocka_unit_test(test_tls_idle_and_again),
        cmocka_unit_test(test_tls_many),
        cmocka_unit_test(test_tls_close_in_handshake),
        cmocka_unit_test(test_not_tls),
        cmocka_unit_test(test_hung_up_in_handshake),
        cmocka_unit_test(test_starttls),
        cmocka_unit_test(test_handshake_begun),
        cmocka_unit_test(test_handshake_begun_badly),
        cmocka_unit_test(test_starttls_injected),
        cmocka_unit_test(test_starttls_before_drained),
        cmocka_unit_test(test_close_in_each_state),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
