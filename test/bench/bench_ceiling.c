/* bench_ceiling.c -- the least that a durable receiver can do, to hold ours against.
 *
 *   bench_ceiling PORT FILE
 *
 * An event loop that understands just enough SMTP, gathers finished messages, appends them to a
 * file that was written full of zeroes before, and answers each after the fdatasync that covers it:
 *
 *   DATA ... final dot -> gathering -> [pool: pwrite, fdatasync] -> 250
 *
 * One commit is under way at a time; what ends meanwhile gathers for the next. Nothing is checked,
 * kept apart, indexed or delivered. The file goes round when it is full. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
    FILE_BYTES = 256 * 1024 * 1024,
    MESSAGE_BYTES_MAX = 1024 * 1024,
    BATCH_BYTES_MAX = 16 * 1024 * 1024,
    WAITERS_MAX = 4096,
    BACKLOG = 1024,
};

struct client {
    uv_tcp_t tcp;
    char *in; /* MESSAGE_BYTES_MAX; grows by use only */
    size_t n;
    bool is_body, is_waiting, is_closed;
};

struct batch {
    char *bytes;
    size_t n;
    struct client *waiter[WAITERS_MAX];
    int waiter_count;
};

static struct {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_work_t work;
    int fd;
    off_t end;
    struct batch batch[2];
    int gathering; /* which of the two */
    bool is_busy;
} box;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void on_closed(uv_handle_t *h)
{
    struct client *c = h->data;
    free(c->in);
    free(c);
}

static void drop(struct client *c)
{
    if (c->is_closed)
        return;
    c->is_closed = true;
    if (!c->is_waiting)
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void say(struct client *c, const char *text)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
    if (uv_try_write((uv_stream_t *)&c->tcp, &b, 1) != (int)b.len)
        drop(c);
}

static void commit(void);

static void on_commit(uv_work_t *work)
{
    struct batch *b = &box.batch[!box.gathering];
    if (box.end + (off_t)b->n > FILE_BYTES)
        box.end = 0;
    if (pwrite(box.fd, b->bytes, b->n, box.end) != (ssize_t)b->n || fdatasync(box.fd))
        die("write");
    box.end += (off_t)((b->n + 4095) & ~(size_t)4095);
}

static void on_committed(uv_work_t *work, int status)
{
    struct batch *b = &box.batch[!box.gathering];
    for (int i = 0; i < b->waiter_count; i++) {
        struct client *c = b->waiter[i];
        c->is_waiting = false;
        if (c->is_closed)
            uv_close((uv_handle_t *)&c->tcp, on_closed);
        else
            say(c, "250 on disk\r\n");
    }
    b->n = 0;
    b->waiter_count = 0;
    box.is_busy = false;
    commit();
}

static void commit(void)
{
    if (box.is_busy || !box.batch[box.gathering].waiter_count)
        return;
    box.is_busy = true;
    box.gathering = !box.gathering;
    uv_queue_work(&box.loop, &box.work, on_commit, on_committed);
}

static void gather(struct client *c, size_t n)
{
    struct batch *b = &box.batch[box.gathering];
    if (b->n + n > BATCH_BYTES_MAX || b->waiter_count == WAITERS_MAX)
        die("more at once than was thought of");
    memcpy(b->bytes + b->n, c->in, n);
    b->n += n;
    b->waiter[b->waiter_count++] = c;
    c->is_waiting = true;
}

static void consume(struct client *c, size_t n)
{
    memmove(c->in, c->in + n, c->n - n);
    c->n -= n;
}

/* True: there may be more in what has been read. */
static bool step(struct client *c)
{
    if (c->is_body) {
        char *end = memmem(c->in, c->n, "\r\n.\r\n", 5);
        if (!end)
            return false;
        size_t n = (size_t)(end - c->in) + 5;
        gather(c, n);
        consume(c, n);
        c->is_body = false;
        return false;
    }
    char *end = memchr(c->in, '\n', c->n);
    if (!end)
        return false;
    char verb = c->in[0];
    consume(c, (size_t)(end - c->in) + 1);
    if (verb == 'D' || verb == 'd') {
        c->is_body = true;
        say(c, "354 go on\r\n");
    } else if (verb == 'Q' || verb == 'q') {
        say(c, "221 bye\r\n");
        drop(c);
    } else {
        say(c, "250 ok\r\n");
    }
    return true;
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *out)
{
    struct client *c = h->data;
    *out = uv_buf_init(c->in + c->n, (unsigned)(MESSAGE_BYTES_MAX - c->n));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct client *c = s->data;
    if (n < 0) {
        drop(c);
        return;
    }
    c->n += (size_t)n;
    while (!c->is_closed && !c->is_waiting && step(c))
        ;
    commit();
}

static void on_client(uv_stream_t *listener, int status)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c || !(c->in = malloc(MESSAGE_BYTES_MAX)))
        die("malloc");
    uv_tcp_init(&box.loop, &c->tcp);
    c->tcp.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp))
        die("accept");
    uv_tcp_nodelay(&c->tcp, 1);
    say(c, "220 ceiling\r\n");
    if (!c->is_closed)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void make_file(const char *path)
{
    enum { BLOCK = 1024 * 1024 };
    static char zeroes[BLOCK];
    box.fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (box.fd < 0)
        die(path);
    for (off_t at = 0; at < FILE_BYTES; at += BLOCK) {
        if (pwrite(box.fd, zeroes, BLOCK, at) != BLOCK)
            die("write");
    }
    if (fsync(box.fd))
        die("sync");
}

int main(int argc, char **argv)
{
    struct sockaddr_in at;
    if (argc != 3 || uv_ip4_addr("127.0.0.1", atoi(argv[1]), &at)) {
        fprintf(stderr, "usage: bench_ceiling PORT FILE\n");
        return 2;
    }
    make_file(argv[2]);
    for (int i = 0; i < 2; i++) {
        if (!(box.batch[i].bytes = malloc(BATCH_BYTES_MAX)))
            die("malloc");
    }
    if (uv_loop_init(&box.loop) || uv_tcp_init(&box.loop, &box.listener) ||
        uv_tcp_bind(&box.listener, (struct sockaddr *)&at, 0) ||
        uv_listen((uv_stream_t *)&box.listener, BACKLOG, on_client)) {
        fprintf(stderr, "cannot listen on port %s\n", argv[1]);
        return 1;
    }
    return uv_run(&box.loop, UV_RUN_DEFAULT);
}
