/* bench_engine.c -- how long single events take the engine with very many messages in the queue:
 * the engine alone, no disk and no network, so that only its own work is seen.
 *
 *   bench_engine [MESSAGES [DOMAINS]]
 *
 * For each kind of work: how many events, the mean and the longest of them in milliseconds, and
 * bytes of memory a message at the end. What is longer than 10 ms would hold up the loop. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "engine/engine_port.h"
#include "engine/engine_view.h"
#include "queue/queue_record.h"

enum { SEGMENT_BYTES = 64 * 1024 * 1024, MESSAGE_BYTES = 2200 };

struct bench {
    struct engine_options opt;
    struct engine *e;
    struct rng rng;
    int64_t now_ms;
    uint64_t segment;
    uint32_t offset;
    uint64_t ticket[65536]; /* appends and look-ups that ask for an answer */
    struct journal_pos pos[65536];
    unsigned ticket_count;
    uint64_t lookup[65536];
    unsigned lookup_count;
    /* of the work under way */
    uint64_t events;
    double sum_ms, most_ms;
};

static double clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void tell(struct bench *b, struct engine_event ev)
{
    double from = clock_ms();
    ev.now_ms = b->now_ms;
    engine_handle(b->e, &ev);
    double took = clock_ms() - from;
    for (const struct engine_action *a; (a = engine_next_action(b->e));) {
        if (a->kind == ACTION_APPEND && b->ticket_count < COUNT_OF(b->ticket)) {
            uint32_t n = 0;
            for (int i = 0; i < a->part_count; i++)
                n += (uint32_t)a->part[i].n;
            if (b->offset + n + 64 > SEGMENT_BYTES) {
                b->segment++;
                b->offset = 64;
            }
            b->pos[b->ticket_count] = (struct journal_pos){b->segment, b->offset, n};
            b->ticket[b->ticket_count++] = a->ticket;
            b->offset += (uint32_t)journal_record_span(n);
        } else if (a->kind == ACTION_LOOKUP && b->lookup_count < COUNT_OF(b->lookup)) {
            b->lookup[b->lookup_count++] = a->ticket;
        }
    }
    b->events++;
    b->sum_ms += took;
    b->most_ms = took > b->most_ms ? took : b->most_ms;
}

/* The disk and the DNS answer; every name fails for now. */
static void answer(struct bench *b)
{
    unsigned n = b->ticket_count;
    for (unsigned i = 0; i < n; i++)
        tell(b, (struct engine_event){
                    .kind = EVENT_APPENDED, .ticket = b->ticket[i], .pos = b->pos[i]});
    memmove(b->ticket, b->ticket + n, (b->ticket_count - n) * sizeof b->ticket[0]);
    memmove(b->pos, b->pos + n, (b->ticket_count - n) * sizeof b->pos[0]);
    b->ticket_count -= n;
    static const struct dns_answer fails = {.result = DNS_SERVFAIL};
    while (b->lookup_count)
        tell(b, (struct engine_event){.kind = EVENT_ANSWER,
                                      .ticket = b->lookup[--b->lookup_count],
                                      .answer = &fails});
}

static void tick_for(struct bench *b, int64_t ms)
{
    for (int64_t until = b->now_ms + ms; b->now_ms < until; b->now_ms++) {
        if (engine_deadline_ms(b->e) <= b->now_ms)
            tell(b, (struct engine_event){.kind = EVENT_TICK});
        answer(b);
    }
}

static void report(struct bench *b, const char *what)
{
    printf("%-44s %9llu events  mean %8.4f ms  longest %8.3f ms\n", what,
           (unsigned long long)b->events, b->events ? b->sum_ms / (double)b->events : 0,
           b->most_ms);
    b->events = 0;
    b->sum_ms = b->most_ms = 0;
}

static struct slice address_of(void *ctx, uint32_t i)
{
    return slice_cstr(ctx);
}

static void add(struct bench *b, uint64_t id, unsigned domain)
{
    char to[64];
    struct buf out;
    snprintf(to, sizeof to, "recipient%llu@d%u.example", (unsigned long long)id, domain);
    struct queue_envelope v = {.accepted_ms = b->now_ms,
                               .wire_bytes = MESSAGE_BYTES,
                               .sender = SLICE("sender@example.com"),
                               .client = SLICE("127.0.0.1"),
                               .recipient_count = 1};
    struct queue_accept_source from = {.envelope = &v, .ctx = to, .recipient = address_of};
    buf_init(&out, 4096);
    if (!queue_accept_build(&out, &from))
        abort();
    uint32_t bytes = (uint32_t)out.n + MESSAGE_BYTES;
    if (b->offset + bytes + 64 > SEGMENT_BYTES) {
        b->segment++;
        b->offset = 64;
    }
    struct journal_record r = {.type = QUEUE_RECORD_ACCEPT,
                               .id = id,
                               .payload = buf_slice(&out),
                               .pos = {b->segment, b->offset, bytes}};
    b->offset += (uint32_t)journal_record_span(bytes);
    tell(b, (struct engine_event){.kind = EVENT_RECORD, .record = &r});
    buf_close(&out);
}

static void operate(struct bench *b, enum operator_verb verb)
{
    struct engine_operator op = {.verb = verb, .who = SLICE("bench")};
    tell(b, (struct engine_event){.kind = EVENT_OPERATOR, .op = &op});
}

/* Page by page, as the command line does it. */
static void operate_all(struct bench *b, enum operator_verb verb)
{
    struct engine_filter f = {.limit = 1000};
    struct engine_operated done;
    do {
        struct engine_operator op = {
            .verb = verb, .filter = &f, .who = SLICE("bench"), .result = &done};
        tell(b, (struct engine_event){.kind = EVENT_OPERATOR, .op = &op});
        answer(b);
        f.after = done.next;
        f.until = f.until ? f.until : done.newest;
    } while (done.has_more);
}

static void list_pages(struct bench *b)
{
    struct engine_filter f = {.to = SLICE("nobody@*"), .limit = 100};
    struct engine_page page;
    struct buf out;
    buf_init(&out, 1 << 20);
    do {
        buf_clear(&out);
        double from = clock_ms(), took;
        engine_queue_text(b->e, &f, b->now_ms, &out, &page);
        took = clock_ms() - from;
        b->events++;
        b->sum_ms += took;
        b->most_ms = took > b->most_ms ? took : b->most_ms;
        f.after = page.last;
    } while (f.after);
    buf_close(&out);
}

int main(int argc, char **argv)
{
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    unsigned domains = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000;
    struct bench *b = calloc(1, sizeof *b);
    if (!b || !messages || !domains)
        return 2;
    b->now_ms = 1000000;
    b->segment = 1;
    b->offset = 64;
    rng_init(&b->rng, 1);
    engine_options_default(&b->opt);
    b->e = engine_new(&b->opt, 1);
    size_t idle = mallinfo2().uordblks + mallinfo2().hblkhd;

    for (uint64_t i = 1; i <= messages; i++)
        add(b, i << 20, (unsigned)rng_below(&b->rng, domains));
    report(b, "a record is read at start");
    tell(b, (struct engine_event){.kind = EVENT_STARTED, .segment_bytes = SEGMENT_BYTES});
    report(b, "the start (before clients are let in)");
    size_t used = mallinfo2().uordblks + mallinfo2().hblkhd - idle;
    printf("%-44s %9.0f\n", "bytes a message, none was tried yet", (double)used / (double)messages);

    tick_for(b, 2000);
    report(b, "two seconds: no destination is found");
    list_pages(b);
    report(b, "a page of the list that finds nothing");
    operate(b, OPERATOR_PAUSE);
    operate(b, OPERATOR_RETRY);
    tick_for(b, 3000);
    report(b, "flush");
    operate_all(b, OPERATOR_HOLD);
    report(b, "hold of all, a page");
    operate_all(b, OPERATOR_RELEASE);
    report(b, "release of all, a page");
    operate(b, OPERATOR_RESUME);
    tick_for(b, 3000);
    report(b, "resume");
    struct engine_options next = b->opt;
    next.warn_after_ms = 0;
    tell(b, (struct engine_event){.kind = EVENT_OPTIONS, .options = &next});
    tick_for(b, 5000);
    report(b, "reload");
    b->now_ms += 3600 * 1000;
    tick_for(b, 2000);
    report(b, "an hour later");
    used = mallinfo2().uordblks + mallinfo2().hblkhd - idle;
    printf("%-44s %9.0f\n", "bytes a message, in the end", (double)used / (double)messages);
    operate_all(b, OPERATOR_DELETE);
    tick_for(b, 1000);
    report(b, "delete of all, a page; they are forgotten");
    struct engine_stats left;
    engine_stats(b->e, &left);
    printf("%-44s %9llu\n", "messages left", (unsigned long long)left.messages);
    fflush(stdout);
    double from = clock_ms();
    engine_free(b->e);
    printf("%-44s %9.0f ms\n", "the end", clock_ms() - from);
    free(b);
    return 0;
}
