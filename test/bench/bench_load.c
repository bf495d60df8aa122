/* bench_load.c -- fills a relay's queue quickly: many sessions, one write and one wait a message.
 *
 *   bench_load PORT MESSAGES SESSIONS BYTES DOMAINS
 *
 * Each message has one recipient and one Message-ID of its own; recipients go round DOMAINS
 * domains (d0.example, d1.example, ...). The end of one message and the commands of the next go out
 * together. Ends with status 1 at the first reply that is no 2xx or 3xx. Prints the seconds it
 * took.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SESSIONS_MAX = 1000, BYTES_MAX = 1024 * 1024, HEAD_BYTES = 1024, LINE_BYTES = 78 };

static struct {
    int port, sessions;
    long messages, bytes, domains;
    atomic_long next;
    long run; /* part of the Message-IDs: two runs have different ones */
} load;

struct peer {
    int fd;
    char in[4096];
    size_t n, at;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static char next_char(struct peer *p)
{
    if (p->at == p->n) {
        ssize_t n = read(p->fd, p->in, sizeof p->in);
        if (n <= 0)
            fail("read");
        p->n = (size_t)n;
        p->at = 0;
    }
    return p->in[p->at++];
}

/* One whole reply, however many lines. */
static void expect_reply(struct peer *p)
{
    char line[512];
    size_t n;
    do {
        n = 0;
        for (char c; (c = next_char(p)) != '\n';) {
            if (n < sizeof line - 1)
                line[n++] = c;
        }
        line[n] = 0;
    } while (n > 3 && line[3] == '-');
    if (line[0] != '2' && line[0] != '3') {
        fprintf(stderr, "refused: %s\n", line);
        exit(1);
    }
}

static void send_all(struct peer *p, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = write(p->fd, bytes, n);
        if (sent <= 0)
            fail("write");
        bytes += sent;
        n -= (size_t)sent;
    }
}

static size_t add_envelope(char *out, long n)
{
    return (size_t)sprintf(out,
                           "MAIL FROM:<s%ld@sender.example>\r\nRCPT TO:<r%ld@d%ld.example>\r\n"
                           "DATA\r\n",
                           n % 97, n, n % load.domains);
}

static size_t add_message(char *out, long n)
{
    size_t at =
        (size_t)sprintf(out,
                        "From: s%ld@sender.example\r\nTo: r%ld@d%ld.example\r\n"
                        "Subject: message %ld\r\nMessage-ID: <%lx.%lx@load.example>\r\n\r\n",
                        n % 97, n, n % load.domains, n, load.run, n);
    while (at < (size_t)load.bytes) {
        size_t line = (size_t)load.bytes - at < LINE_BYTES ? (size_t)load.bytes - at : LINE_BYTES;
        memset(out + at, 'x', line);
        at += line;
        out[at++] = '\r';
        out[at++] = '\n';
    }
    memcpy(out + at, ".\r\n", 3);
    return at + 3;
}

static void greet(struct peer *p)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)load.port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof to))
        fail("connect");
    expect_reply(p);
    send_all(p, "EHLO load.example\r\n", 19);
    expect_reply(p);
}

static void *session(void *arg)
{
    struct peer p = {0};
    char *out = malloc((size_t)load.bytes * 2 + 2 * HEAD_BYTES);
    if (!out)
        fail("malloc");
    greet(&p);
    long n = atomic_fetch_add(&load.next, 1);
    if (n < load.messages)
        send_all(&p, out, add_envelope(out, n));
    while (n < load.messages) {
        for (int i = 0; i < 3; i++)
            expect_reply(&p);
        size_t bytes = add_message(out, n);
        n = atomic_fetch_add(&load.next, 1);
        if (n < load.messages)
            bytes += add_envelope(out + bytes, n);
        send_all(&p, out, bytes);
        expect_reply(&p);
    }
    send_all(&p, "QUIT\r\n", 6);
    expect_reply(&p);
    close(p.fd);
    free(out);
    return NULL;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static pthread_t thread[SESSIONS_MAX];
    if (argc == 6) {
        load.port = atoi(argv[1]);
        load.messages = atol(argv[2]);
        load.sessions = atoi(argv[3]);
        load.bytes = atol(argv[4]);
        load.domains = atol(argv[5]);
    }
    if (load.messages < 1 || load.sessions < 1 || load.sessions > SESSIONS_MAX ||
        load.domains < 1 || load.bytes < 1 || load.bytes > BYTES_MAX) {
        fprintf(stderr, "usage: bench_load PORT MESSAGES SESSIONS BYTES DOMAINS\n");
        return 2;
    }
    load.run = (long)time(NULL);
    double from = now_s();
    for (int i = 0; i < load.sessions; i++) {
        if (pthread_create(&thread[i], NULL, session, NULL))
            fail("pthread_create");
    }
    for (int i = 0; i < load.sessions; i++)
        pthread_join(thread[i], NULL);
    printf("%.3f\n", now_s() - from);
    return 0;
}
