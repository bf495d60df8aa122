/* test_control_later.c -- answers that come later and in pieces, over a real Unix socket; the
 * routes are the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../../src/app/control_core.h"

static struct {
    uv_loop_t loop;
    struct clock clock;
    struct control *control;
    char dir[64], path[96];
    uint64_t answer[64];
    unsigned answers, refused, gone, asked;
    bool is_closed;
    char piece[CONTROL_PIECE_BYTES];
} t;

/* --- the routes --- */

static void on_gone(void *ctx)
{
    t.gone++;
}

static void give_one(void *ctx, uint64_t answer)
{
    char text[32];
    t.asked++;
    snprintf(text, sizeof text, "piece %u\n", t.asked);
    if (t.asked < 4)
        control_piece(t.control, answer, slice_cstr(text));
    else
        control_end(t.control, answer, slice_cstr("the end\n"));
}

static void give_endless(void *ctx, uint64_t answer)
{
    t.asked++;
    control_piece(t.control, answer, slice_of(t.piece, sizeof t.piece));
}

static void never(void *ctx, uint64_t answer)
{
    t.asked++;
}

void control_refuse(struct exchange *x, int status, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    x->status = status;
    x->type = "text/plain";
    buf_clear(x->body);
    buf_add_cstr(x->body, text);
}

void control_route(struct exchange *x)
{
    x->status = 200;
    x->type = "text/plain";
    buf_clear(x->body);
    struct slice what = x->request->word.n ? x->request->word : x->request->path;
    struct control_source s = {.gone = on_gone};
    if (slice_eq(what, SLICE("/now"))) {
        buf_add_cstr(x->body, "at once\n");
        return;
    }
    if (slice_eq(what, SLICE("/pieces")) || slice_eq(what, SLICE("pieces")))
        s.more = give_one;
    else if (slice_eq(what, SLICE("/endless")))
        s.more = give_endless;
    else if (slice_eq(what, SLICE("/begun")))
        s.more = never;
    uint64_t id = control_later(x, &s);
    if (!id) {
        t.refused++;
        return;
    }
    t.answer[t.answers++] = id;
    if (s.more == give_one)
        give_one(NULL, id);
    else if (s.more)
        control_piece(x->control, id, slice_of(t.piece, sizeof t.piece));
    if (slice_eq(what, SLICE("/sync")))
        control_end(x->control, id, SLICE("sync\n"));
}

/* --- the world --- */

static int set_up(void **state)
{
    memset(&t, 0, sizeof t);
    memset(t.piece, 'x', sizeof t.piece);
    snprintf(t.dir, sizeof t.dir, "/tmp/outpost-later-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    snprintf(t.path, sizeof t.path, "%s/c", t.dir);
    clock_start(&t.clock);
    assert_int_equal(uv_loop_init(&t.loop), 0);
    const struct control_options o = {.loop = &t.loop, .clock = &t.clock};
    struct fault why = {0};
    assert_int_equal(control_open(&t.control, &o, slice_cstr(t.path), SLICE_NONE, &why), ERR_OK);
    return 0;
}

static void on_closed(void *ctx)
{
    t.is_closed = true;
}

static int tear_down(void **state)
{
    control_close(t.control, on_closed, NULL);
    for (int i = 0; i < 1000 && !t.is_closed; i++)
        uv_run(&t.loop, UV_RUN_ONCE);
    assert_true(t.is_closed);
    uv_run(&t.loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&t.loop), 0);
    unlink(t.path);
    rmdir(t.dir);
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 20; i++) {
        uv_run(&t.loop, UV_RUN_NOWAIT);
        usleep(200);
    }
}

static int dial(const char *request)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, t.path, strlen(t.path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    return fd;
}

/* All that comes; *has_ended: and then the end. */
static const char *hear(int fd, bool *has_ended)
{
    static char in[65536];
    size_t n = 0;
    *has_ended = false;
    for (int i = 0; i < 50 && !*has_ended; i++) {
        turn();
        ssize_t got = read(fd, in + n, sizeof in - 1 - n);
        *has_ended = got == 0;
        n += got > 0 ? (size_t)got : 0;
    }
    in[n] = 0;
    return in;
}

#define HTTP11(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define HTTP10(path) "GET " path " HTTP/1.0\r\n\r\n"

/* --- cases --- */

static void test_framing(void **state)
{
    static const struct {
        const char *shown, *request, *has, *body;
        bool ends;
    } row[] = {
        {"one piece has a length", HTTP11("/sync"), "Content-Length: 5", "\r\n\r\nsync\n", false},
        {"1.0 ends with the connection", HTTP10("/sync"), "Content-Length: 5", "\r\n\r\nsync\n",
         true},
        {"pieces are chunked", HTTP11("/pieces"), "Transfer-Encoding: chunked",
         "\r\n\r\n8\r\npiece 1\n\r\n8\r\npiece 2\n\r\n8\r\npiece 3\n\r\n8\r\nthe "
         "end\n\r\n0\r\n\r\n",
         false},
        {"pieces to 1.0 end with the connection", HTTP10("/pieces"), "Connection: close",
         "\r\n\r\npiece 1\npiece 2\npiece 3\nthe end\n", true},
        {"a word gets bare pieces", "pieces\n", "piece 1", "piece 1\npiece 2\npiece 3\nthe end\n",
         true},
        {"HEAD gets the head", "HEAD /pieces HTTP/1.1\r\n\r\n", "chunked", "keep-alive\r\n\r\n",
         false},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        bool has_ended;
        t.asked = 0;
        int fd = dial(row[i].request);
        const char *in = hear(fd, &has_ended);
        if (!strstr(in, row[i].has) || has_ended != row[i].ends ||
            strlen(in) < strlen(row[i].body) ||
            strcmp(in + strlen(in) - strlen(row[i].body), row[i].body) != 0)
            fail_msg("%s: ended %d: %s", row[i].shown, has_ended, in);
        close(fd);
        turn();
    }
    assert_int_equal(t.gone, 0);
    assert_int_equal(t.control->later_count, 0);
}

static void test_the_next_request_waits(void **state)
{
    bool has_ended;
    int fd = dial(HTTP11("/later") HTTP11("/now"));
    assert_string_equal(hear(fd, &has_ended), "");
    assert_true(control_is_wanted(t.control, t.answer[0]));
    control_end(t.control, t.answer[0], SLICE("done\n"));
    const char *in = hear(fd, &has_ended);
    const char *first = strstr(in, "done\n"), *second = strstr(in, "at once\n");
    assert_non_null(first);
    assert_true(second > first);
    assert_false(has_ended);
    assert_false(control_is_wanted(t.control, t.answer[0]));
    control_end(t.control, t.answer[0], SLICE("again\n")); /* does nothing */
    close(fd);
}

static void test_memory_is_bounded_by_a_piece(void **state)
{
    int fd = dial(HTTP11("/endless"));
    turn();
    unsigned before = t.asked;
    for (int i = 0; i < 20; i++)
        turn();
    assert_true(t.asked - before < 4); /* nobody reads: nobody is asked */
    size_t heard = 0;
    static char in[1 << 20];
    for (int i = 0; i < 20000 && heard < 64 * sizeof t.piece; i++) {
        uv_run(&t.loop, UV_RUN_NOWAIT);
        ssize_t n = read(fd, in, sizeof in);
        heard += n > 0 ? (size_t)n : 0;
    }
    assert_true(heard >= 64 * sizeof t.piece);
    close(fd);
    turn();
    assert_int_equal(t.gone, 1);
    assert_int_equal(t.control->later_count, 0);
}

static void test_the_client_goes(void **state)
{
    int fd = dial(HTTP11("/later"));
    turn();
    assert_int_equal(t.answers, 1);
    close(fd);
    turn();
    assert_int_equal(t.gone, 1);
    assert_false(control_is_wanted(t.control, t.answer[0]));
    control_fail(t.control, t.answer[0], 500, "nobody hears");
}

static void test_failures(void **state)
{
    bool has_ended;
    int fd = dial(HTTP11("/later"));
    turn();
    control_fail(t.control, t.answer[0], 500, "broken %d", 7);
    const char *in = hear(fd, &has_ended);
    assert_non_null(strstr(in, "HTTP/1.1 500"));
    assert_non_null(strstr(in, "broken 7"));
    assert_false(has_ended);
    close(fd);
    fd = dial(HTTP11("/begun"));
    turn();
    control_fail(t.control, t.answer[1], 500, "in the middle");
    static char all[1 << 20];
    size_t n = 0;
    for (int i = 0; i < 50; i++) {
        turn();
        ssize_t got = read(fd, all + n, sizeof all - n);
        n += got > 0 ? (size_t)got : 0;
    }
    struct http_answer a;
    assert_false(http_answer_parse(all, n, &a)); /* nobody takes it for whole */
    close(fd);
}

static void test_limit(void **state)
{
    int fd[CONTROL_LATER_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(fd); i++) {
        fd[i] = dial(HTTP11("/later"));
        turn();
    }
    assert_int_equal(t.answers, CONTROL_LATER_MAX);
    assert_int_equal(t.refused, 1);
    bool has_ended;
    assert_non_null(strstr(hear(fd[CONTROL_LATER_MAX], &has_ended), "HTTP/1.1 503"));
    control_end(t.control, t.answer[0], SLICE_NONE);
    int again = dial(HTTP11("/later"));
    turn();
    assert_int_equal(t.answers, CONTROL_LATER_MAX + 1);
    close(again);
    for (size_t i = 0; i < COUNT_OF(fd); i++)
        close(fd[i]);
}

static void test_time_is_over(void **state)
{
    bool has_ended;
    int late = dial(HTTP11("/later")), begun = dial(HTTP11("/endless"));
    turn();
    t.clock.wall_ms += CONTROL_DRAIN_MS + 1;
    control_tick(t.control);
    assert_non_null(strstr(hear(late, &has_ended), "HTTP/1.1 504"));
    assert_int_equal(t.gone, 2);
    assert_int_equal(t.control->later_count, 0);
    close(late);
    close(begun);
}

static void test_the_relay_stops(void **state)
{
    int fd = dial(HTTP11("/later"));
    turn();
    control_close(t.control, on_closed, NULL);
    for (int i = 0; i < 1000 && !t.is_closed; i++)
        uv_run(&t.loop, UV_RUN_ONCE);
    assert_int_equal(t.gone, 1);
    close(fd);
    t.is_closed = false;
    struct fault why = {0};
    const struct control_options o = {.loop = &t.loop, .clock = &t.clock};
    assert_int_equal(control_open(&t.control, &o, slice_cstr(t.path), SLICE_NONE, &why), ERR_OK);
}

/* --- the client's side --- */

static void test_answers_are_read(void **state)
{
    static const struct {
        const char *shown, *in, *body;
    } row[] = {
        {"by length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"},
        {"too short", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", NULL},
        {"until the end", "HTTP/1.0 200 OK\r\n\r\nabc", "abc"},
        {"chunks",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
         "abc"},
        {"chunks without an end",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n", NULL},
        {"a chunk cut short", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
         NULL},
        {"no chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\na\r\n", NULL},
        {"a chunk size beyond numbers",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na", NULL},
        {"no head", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char in[256];
        struct http_answer a;
        snprintf(in, sizeof in, "%s", row[i].in);
        bool is_read = http_answer_parse(in, strlen(in), &a);
        if (is_read != (row[i].body != NULL) ||
            (is_read && !slice_eq(a.body, slice_cstr(row[i].body))))
            fail_msg("%s", row[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_framing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_next_request_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded_by_a_piece, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_client_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_relay_stops, set_up, tear_down),
        cmocka_unit_test(test_answers_are_read),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
