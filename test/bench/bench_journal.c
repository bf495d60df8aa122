/* bench_journal.c -- how fast the store commits, starts and replays, in a directory given.
 *
 *   bench_journal DIR            everything below, one line each
 *
 * Not a test: figures depend on the disk. Build: ninja test/bench/bench_journal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"

enum { MESSAGE_BYTES = 5 * 1024, MESSAGES = 50000 };

struct bench {
    uv_loop_t loop;
    struct store *store;
    uint64_t asked, told, wanted, parallel;
    uint64_t records, bytes, worst_ns, began_ns;
    bool is_closed;
};

static char payload[MESSAGE_BYTES];

static double seconds_since(uint64_t from)
{
    return (double)(uv_hrtime() - from) / 1e9;
}

static void ask(struct bench *b)
{
    while (b->asked < b->wanted && b->asked - b->told < b->parallel) {
        struct slice part = slice_of(payload, sizeof payload);
        if (store_append(b->store, b->asked + 1, 1, b->asked, &part, 1, true, true))
            break;
        b->asked++;
    }
    store_kick(b->store);
}

static void on_appended(void *ctx, const struct journal_completion *c)
{
    struct bench *b = ctx;
    if (c->err) {
        fprintf(stderr, "append failed: %s\n", err_name(c->err));
        exit(1);
    }
    b->told++;
    if (b->parallel == 1) {
        uint64_t took = uv_hrtime() - b->began_ns;
        if (took > b->worst_ns)
            b->worst_ns = took;
        b->began_ns = uv_hrtime();
    }
    ask(b);
}

static void on_fetched(void *ctx, uint64_t ticket, enum err err, const struct journal_record *r,
                       const struct fault *why)
{
}

static void on_trouble(void *ctx, const struct fault *why)
{
    fprintf(stderr, "%s\n", why->text);
}

static void on_record(void *ctx, const struct journal_record *r)
{
    struct bench *b = ctx;
    b->records++;
    b->bytes += r->payload.n;
}

static void on_note(void *ctx, const char *text)
{
    fprintf(stderr, "note: %s\n", text);
}

static void on_closed(void *ctx)
{
    ((struct bench *)ctx)->is_closed = true;
}

static void start(struct bench *b, const char *dir)
{
    struct store_options o = {dir, 0, UINT64_C(10) << 30};
    struct store_callbacks cb = {b, on_appended, on_fetched, on_trouble};
    struct fault why;
    uint64_t from = uv_hrtime();
    b->records = b->bytes = 0;
    if (store_open(&b->store, &b->loop, &o, &cb, from, &why) ||
        store_replay(b->store, b, on_record, on_note, &why)) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    printf("start: %.1f ms, %llu records, %.0f MB\n", seconds_since(from) * 1e3,
           (unsigned long long)b->records, (double)b->bytes / 1e6);
}

static void stop(struct bench *b)
{
    uint64_t from = uv_hrtime();
    store_close(b->store, on_closed, b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    printf("stop: %.1f ms\n", seconds_since(from) * 1e3);
}

static void commit(struct bench *b, const char *shows, uint64_t parallel, uint64_t count)
{
    struct journal_usage before, u;
    store_usage(b->store, &before);
    b->asked = b->told = b->worst_ns = 0;
    b->parallel = parallel;
    b->wanted = count;
    uint64_t from = b->began_ns = uv_hrtime();
    ask(b);
    while (b->told < count)
        uv_run(&b->loop, UV_RUN_ONCE);
    double took = seconds_since(from);
    store_usage(b->store, &u);
    printf("%s: %.0f messages/s, %.2f ms each, %.0f syncs/s", shows, (double)count / took,
           took * 1e3 * (double)parallel / (double)count, (double)(u.syncs - before.syncs) / took);
    if (parallel == 1)
        printf(", worst %.1f ms", (double)b->worst_ns / 1e6);
    printf("\n");
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: bench_journal DIR\n");
        return 2;
    }
    if (uv_loop_init(&b.loop))
        return 1;
    start(&b, argv[1]);
    commit(&b, "first message", 1, 1);
    commit(&b, "one client, at once", 1, 300);
    usleep(1500000);
    commit(&b, "one client", 1, 2000);
    commit(&b, "10 clients", 10, 5000);
    commit(&b, "100 clients", 100, 20000);
    commit(&b, "1000 clients", 1000, MESSAGES);
    stop(&b);
    start(&b, argv[1]);
    stop(&b);
    return uv_loop_close(&b.loop) != 0;
}
