/* resolver.c -- one look-up from question to answer.
 *
 *   ask -> WAITING -> UDP -> TCP -> answered        (deadline at any place: DNS_TIMEOUT)
 *            ^         |
 *            +- PAUSE -+   nothing came, or nothing could be sent: again, a little later
 *
 * READY: the answer is known without asking (hosts file, no name), and told on the loop.
 *
 * A spoofed packet must guess the id, the port and the case of every letter. udns checks the first
 * two, and its ids can be guessed; the case is drawn here and checked by dns_answer_parse. What
 * fails there is asked again over TCP, as is what was truncated. */
#include "net/resolver.h"

#include <string.h>
#include <sys/random.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/rng.h"
#include "resolver_files.h"
#include "resolver_tcp.h"
#include "resolver_udns.h"

enum {
    TRIES = 3,
    TRY_TICKS_MAX = 300,
    PAUSE_MS = 500,
    LOOK_MS = 1000,   /* at most so often the files are looked at */
    UDP_BYTES = 1232, /* never fragmented */
    UDP_BYTES_LOOPBACK = 4096,
    HOSTS_TTL_S = 1,
    QUERY_BYTES_MAX = 512,
    QUERY_NAME_AT = 12,
};

enum stage { S_READY, S_WAITING, S_UDP, S_PAUSE, S_TCP };

/* The servers of one configuration; lives until its last look-up has ended. */
struct upstream {
    struct resolver *resolver;
    struct resolver_udns *udns;
    struct ip_port server[RESOLVER_FILES_SERVERS_MAX];
    unsigned server_count;
    bool is_loopback;
    bool is_retired, is_closing;
    unsigned lookups; /* that hold a pointer here */
    struct list link;
};

struct lookup {
    struct resolver *resolver;
    uint64_t ticket;
    enum dns_type type;
    enum stage stage;
    struct list link; /* ready, waiting, or under way */
    struct heap_node due;
    int64_t deadline_ms;
    enum dns_result result; /* S_READY; and what TCP cannot better */
    bool has_host;
    struct upstream *via; /* S_UDP, S_PAUSE, S_TCP */
    struct resolver_udns_query *query;
    struct resolver_tcp *tcp;
    unsigned tcp_server;
    uint16_t tcp_id;
    size_t name_bytes;
    char name[DNS_NAME_BYTES_MAX + 1]; /* letters' case drawn */
};

struct resolver {
    uv_loop_t *loop;
    resolver_answered *answered;
    void *ctx;
    int64_t timeout_ms;
    bool has_own_servers;
    struct resolver_file conf_file, hosts_file;
    struct resolver_hosts hosts;
    int64_t looked_ms;
    struct upstream *upstream; /* for new look-ups */
    struct list upstreams;     /* all of them */
    struct list ready, waiting, under_way;
    unsigned waiting_count, tcp_count;
    struct heap due;
    struct rng rng;
    uv_timer_t timer; /* for the first of due */
    uv_idle_t idle;   /* while something is ready */
    bool is_closing;
    unsigned handles; /* own, of upstreams, of TCP */
    void (*closed)(void *ctx);
    void *closed_ctx;
    struct dns_answer answer; /* told to the caller; too large for the stack of a callback */
};

static void launch(struct resolver *r);
static void on_due(uv_timer_t *timer);

static int64_t now_ms(const struct resolver *r)
{
    return (int64_t)uv_now(r->loop);
}

static void handle_gone(void *ctx)
{
    struct resolver *r = ctx;
    if (--r->handles || !r->is_closing)
        return;
    void (*closed)(void *) = r->closed;
    void *closed_ctx = r->closed_ctx;
    resolver_hosts_close(&r->hosts);
    resolver_file_close(&r->hosts_file);
    resolver_file_close(&r->conf_file);
    heap_close(&r->due);
    mem_free(r);
    if (closed)
        closed(closed_ctx);
}

static void on_own_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

/* ---- upstreams
 * ------------------------------------------------------------------------------------ */

static void on_answer_packet(void *owner, void *ticket, const unsigned char *packet, size_t n);

static void upstream_gone(void *ctx)
{
    struct upstream *u = ctx;
    struct resolver *r = u->resolver;
    list_remove(&u->link);
    mem_free(u);
    handle_gone(r);
}

static void upstream_close(struct upstream *u)
{
    if (u->is_closing)
        return;
    u->is_closing = true;
    resolver_udns_close(u->udns, upstream_gone, u);
}

static void upstream_close_if_done(struct upstream *u)
{
    if (u->is_retired && u->lookups == 0)
        upstream_close(u);
}

static enum err upstream_open(struct resolver *r, const struct ip_port *servers, unsigned count,
                              struct fault *why)
{
    struct upstream *u = mem_new(sizeof *u);
    u->resolver = r;
    u->server_count = count < RESOLVER_FILES_SERVERS_MAX ? count : RESOLVER_FILES_SERVERS_MAX;
    memcpy(u->server, servers, u->server_count * sizeof *servers);
    u->is_loopback = true;
    for (unsigned i = 0; i < u->server_count; i++)
        u->is_loopback &= ip_is_loopback(&u->server[i].ip);
    /* TRIES waits, each twice the one before, and a tick between servers, fill the timeout. */
    int64_t ticks = r->timeout_ms / RESOLVER_UDNS_TICK_MS / ((1 << TRIES) - 1);
    struct resolver_udns_options o = {
        .servers = u->server,
        .server_count = u->server_count,
        .udp_bytes = u->is_loopback ? UDP_BYTES_LOOPBACK : UDP_BYTES,
        .try_ticks = ticks < 1               ? 1
                     : ticks > TRY_TICKS_MAX ? TRY_TICKS_MAX
                                             : (int)ticks,
        .tries = TRIES,
        .wants_dnssec = u->is_loopback, /* elsewhere the AD bit is worth nothing */
        .owner = r,
    };
    enum err e = resolver_udns_new(&u->udns, r->loop, &o, on_answer_packet, why);
    if (e) {
        mem_free(u);
        return e;
    }
    r->handles++;
    list_add_last(&r->upstreams, &u->link);
    struct upstream *old = r->upstream;
    r->upstream = u;
    if (old) {
        old->is_retired = true;
        upstream_close_if_done(old);
    }
    return ERR_OK;
}

/* ---- the end of a look-up
 * ---------------------------------------------------------------------------- */

static void arm(struct resolver *r)
{
    struct heap_node *first = heap_first(&r->due);
    if (r->is_closing)
        return;
    if (!first) {
        uv_timer_stop(&r->timer);
        return;
    }
    int64_t wait_ms = first->key - now_ms(r);
    uv_timer_start(&r->timer, on_due, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* Lets go of everything that the look-up holds. */
static void leave(struct lookup *l)
{
    struct resolver *r = l->resolver;
    if (l->stage == S_WAITING)
        r->waiting_count--;
    list_remove(&l->link);
    heap_remove(&r->due, &l->due);
    if (l->query)
        resolver_udns_forget(l->query);
    if (l->tcp) {
        resolver_tcp_cancel(l->tcp);
        r->tcp_count--;
    }
    l->query = NULL;
    l->tcp = NULL;
    if (l->via) {
        l->via->lookups--;
        upstream_close_if_done(l->via);
        l->via = NULL;
    }
}

static void tell(struct lookup *l) /* r->answer is filled */
{
    struct resolver *r = l->resolver;
    uint64_t ticket = l->ticket;
    leave(l);
    mem_free(l);
    r->answered(r->ctx, ticket, &r->answer);
    if (r->is_closing)
        return;
    launch(r);
    arm(r);
}

static void tell_result(struct lookup *l, enum dns_result result)
{
    struct dns_answer *a = &l->resolver->answer;
    a->result = result;
    a->is_authentic = false;
    a->ttl_s = 0;
    a->count = 0;
    a->canonical[0] = 0;
    tell(l);
}

/* ---- answers
 * ------------------------------------------------------------------------------------------ */

static bool ask_tcp(struct lookup *l);

static void on_tcp_answer(void *ctx, struct slice packet)
{
    struct lookup *l = ctx;
    struct resolver *r = l->resolver;
    l->tcp = NULL;
    r->tcp_count--;
    if (packet.n) {
        dns_answer_parse(packet, l->tcp_id, slice_of(l->name, l->name_bytes), l->type, &r->answer);
        enum dns_result result = r->answer.result;
        if (result != DNS_BAD && result != DNS_TRUNCATED && result != DNS_SERVFAIL) {
            r->answer.is_authentic &= l->via->is_loopback;
            tell(l);
            return;
        }
        l->result = result == DNS_SERVFAIL ? DNS_SERVFAIL : DNS_BAD;
    }
    l->tcp_server++;
    if (!ask_tcp(l))
        tell_result(l, l->result);
}

/* False: no server is left. */
static bool ask_tcp(struct lookup *l)
{
    struct resolver *r = l->resolver;
    struct buf query;
    if (l->tcp_server >= l->via->server_count)
        return false;
    buf_init(&query, QUERY_BYTES_MAX);
    l->stage = S_TCP;
    l->tcp_id = (uint16_t)rng_u64(&r->rng);
    CHECK(dns_query_build(&query, l->tcp_id, slice_of(l->name, l->name_bytes), l->type,
                          UDP_BYTES_LOOPBACK, l->via->is_loopback));
    l->tcp = resolver_tcp_ask(r->loop, &l->via->server[l->tcp_server], buf_slice(&query),
                              on_tcp_answer, l, handle_gone, r);
    r->handles++;
    r->tcp_count++;
    buf_close(&query);
    return true;
}

static void pause_lookup(struct lookup *l)
{
    struct resolver *r = l->resolver;
    int64_t until_ms = now_ms(r) + PAUSE_MS;
    l->stage = S_PAUSE;
    heap_put(&r->due, &l->due, until_ms < l->deadline_ms ? until_ms : l->deadline_ms);
    arm(r);
}

static void on_answer_packet(void *owner, void *ticket, const unsigned char *packet, size_t n)
{
    struct resolver *r = owner;
    struct lookup *l = ticket;
    if (!l) {
        launch(r);
        return;
    }
    l->query = NULL;
    if (!packet) {
        pause_lookup(l);
        return;
    }
    dns_answer_parse(slice_of(packet, n), -1, slice_of(l->name, l->name_bytes), l->type,
                     &r->answer);
    if (r->answer.result == DNS_BAD || r->answer.result == DNS_TRUNCATED) {
        l->result = r->answer.result == DNS_BAD ? DNS_BAD : DNS_SERVFAIL;
        l->tcp_server = 0;
        if (!ask_tcp(l))
            tell_result(l, l->result);
        return;
    }
    r->answer.is_authentic &= l->via->is_loopback;
    tell(l);
}

/* ---- sending
 * -------------------------------------------------------------------------------------------- */

static void send_udp(struct lookup *l)
{
    struct resolver *r = l->resolver;
    struct buf query;
    buf_init(&query, QUERY_BYTES_MAX);
    dns_name_randomise(l->name, l->name_bytes, rng_u64(&r->rng));
    CHECK(dns_query_build(&query, 0, slice_of(l->name, l->name_bytes), l->type, 0, false));
    l->stage = S_UDP;
    heap_put(&r->due, &l->due, l->deadline_ms);
    l->query =
        resolver_udns_send(l->via->udns, (unsigned char *)query.p + QUERY_NAME_AT, (int)l->type, l);
    buf_close(&query);
    if (!l->query)
        pause_lookup(l);
}

/* As many of those that wait as may be under way. */
static void launch(struct resolver *r)
{
    struct upstream *u = r->upstream;
    while (resolver_udns_inflight(u->udns) + r->tcp_count < RESOLVER_INFLIGHT_MAX) {
        struct list *first = list_take_first(&r->waiting);
        if (!first)
            break;
        struct lookup *l = CONTAINER_OF(first, struct lookup, link);
        r->waiting_count--;
        list_add_last(&r->under_way, &l->link);
        l->via = u;
        u->lookups++;
        send_udp(l);
    }
}

static void on_due(uv_timer_t *timer)
{
    struct resolver *r = timer->data;
    int64_t now = now_ms(r);
    struct heap_node *first;
    while (!r->is_closing && (first = heap_first(&r->due)) && first->key <= now) {
        struct lookup *l = CONTAINER_OF(first, struct lookup, due);
        if (l->stage == S_PAUSE && now < l->deadline_ms)
            send_udp(l);
        else
            tell_result(l, DNS_TIMEOUT);
    }
    if (r->is_closing)
        return;
    launch(r); /* forgotten queries may have run out */
    arm(r);
}

/* ---- answers that need no question
 * ------------------------------------------------------------------------ */

static void tell_host(struct lookup *l)
{
    struct resolver *r = l->resolver;
    struct dns_answer *a = &r->answer;
    const struct resolver_host *host =
        resolver_hosts_find(&r->hosts, slice_of(l->name, l->name_bytes));
    enum ip_family family = l->type == DNS_A ? IP_V4 : IP_V6;
    a->result = DNS_NO_DATA;
    a->is_authentic = false;
    a->ttl_s = HOSTS_TTL_S;
    a->count = 0;
    a->canonical[0] = 0;
    if (host) { /* the file may have changed since */
        memcpy(a->canonical, host->name, host->name_bytes);
        a->canonical[host->name_bytes] = 0;
    }
    for (unsigned i = 0; host && i < host->count; i++) {
        if (host->ip[i].family != family)
            continue;
        a->record[a->count] = (struct dns_record){.ip = host->ip[i]};
        a->count++;
        a->result = DNS_OK;
    }
    tell(l);
}

static void on_ready(uv_idle_t *idle)
{
    struct resolver *r = idle->data;
    struct list *first, now;
    uv_idle_stop(&r->idle);
    list_init(&now);
    while ((first = list_take_first(&r->ready)))
        list_add_last(&now, first);
    while (!r->is_closing && (first = list_take_first(&now))) {
        struct lookup *l = CONTAINER_OF(first, struct lookup, link);
        if (l->has_host)
            tell_host(l);
        else
            tell_result(l, l->result);
    }
    while ((first = list_take_first(&now))) /* closed meanwhile */
        mem_free(CONTAINER_OF(first, struct lookup, link));
}

static void make_ready(struct lookup *l, enum dns_result result)
{
    struct resolver *r = l->resolver;
    l->stage = S_READY;
    l->result = result;
    list_add_last(&r->ready, &l->link);
    uv_idle_start(&r->idle, on_ready);
}

/* ---- the door
 * ------------------------------------------------------------------------------------------------
 */

static void look_at_files(struct resolver *r)
{
    struct ip_port server[RESOLVER_FILES_SERVERS_MAX];
    int64_t now = now_ms(r);
    if (now < r->looked_ms + LOOK_MS)
        return;
    r->looked_ms = now;
    if (resolver_file_has_changed(&r->hosts_file))
        resolver_hosts_read(&r->hosts, r->hosts_file.path);
    if (!r->has_own_servers && resolver_file_has_changed(&r->conf_file)) {
        unsigned count = resolver_conf_read(r->conf_file.path, server);
        if (upstream_open(r, server, count, NULL) != ERR_OK)
            return; /* the old ones go on */
    }
}

static bool is_name(struct slice name)
{
    struct buf query;
    buf_init(&query, QUERY_BYTES_MAX);
    bool is_good = dns_query_build(&query, 0, name, DNS_A, 0, false);
    buf_close(&query);
    return is_good;
}

enum err resolver_configure(struct resolver *r, const struct resolver_options *o, struct fault *why)
{
    struct ip_port server[RESOLVER_FILES_SERVERS_MAX];
    r->timeout_ms = o->timeout_ms;
    resolver_file_close(&r->conf_file);
    resolver_file_close(&r->hosts_file);
    resolver_file_open(&r->conf_file, o->resolv_conf);
    resolver_file_open(&r->hosts_file, o->hosts);
    resolver_hosts_close(&r->hosts);
    resolver_hosts_init(&r->hosts);
    if (resolver_file_has_changed(&r->hosts_file))
        resolver_hosts_read(&r->hosts, r->hosts_file.path);
    r->looked_ms = now_ms(r);
    r->has_own_servers = o->server_count > 0;
    if (r->has_own_servers)
        return upstream_open(r, o->servers, o->server_count, why);
    resolver_file_has_changed(&r->conf_file); /* this is the version that is read now */
    unsigned count = resolver_conf_read(r->conf_file.path, server);
    return upstream_open(r, server, count, why);
}

enum err resolver_new(struct resolver **out, uv_loop_t *loop, const struct resolver_options *o,
                      uint64_t seed, resolver_answered *answered, void *ctx, struct fault *why)
{
    struct resolver *r = mem_new(sizeof *r);
    uint64_t more = 0;
    *out = NULL;
    r->loop = loop;
    r->answered = answered;
    r->ctx = ctx;
    if (getrandom(&more, sizeof more, 0) != sizeof more)
        more = uv_hrtime();
    rng_init(&r->rng, seed ^ more);
    heap_init(&r->due);
    list_init(&r->upstreams);
    list_init(&r->ready);
    list_init(&r->waiting);
    list_init(&r->under_way);
    resolver_hosts_init(&r->hosts);
    enum err e = resolver_configure(r, o, why);
    if (e) {
        resolver_hosts_close(&r->hosts);
        resolver_file_close(&r->hosts_file);
        resolver_file_close(&r->conf_file);
        heap_close(&r->due);
        mem_free(r);
        return e;
    }
    CHECK(uv_timer_init(loop, &r->timer) == 0 && uv_idle_init(loop, &r->idle) == 0);
    r->timer.data = r->idle.data = r;
    r->handles += 2;
    *out = r;
    return ERR_OK;
}

void resolver_ask(struct resolver *r, uint64_t ticket, struct slice name, enum dns_type type)
{
    if (r->is_closing)
        return;
    struct lookup *l = mem_new(sizeof *l);
    l->resolver = r;
    l->ticket = ticket;
    l->type = type;
    look_at_files(r);
    if (!is_name(name)) {
        make_ready(l, DNS_BAD_NAME);
        return;
    }
    l->name_bytes = name.n;
    memcpy(l->name, name.p, name.n);
    if ((type == DNS_A || type == DNS_AAAA) && resolver_hosts_find(&r->hosts, name)) {
        l->has_host = true;
        make_ready(l, DNS_OK);
        return;
    }
    if (r->waiting_count >= RESOLVER_WAITING_MAX) {
        make_ready(l, DNS_SERVFAIL);
        return;
    }
    l->stage = S_WAITING;
    l->deadline_ms = now_ms(r) + r->timeout_ms;
    heap_put(&r->due, &l->due, l->deadline_ms);
    list_add_last(&r->waiting, &l->link);
    r->waiting_count++;
    launch(r);
    arm(r);
}

static void drop_all(struct list *head)
{
    while (!list_is_empty(head)) {
        struct lookup *l = CONTAINER_OF(head->next, struct lookup, link);
        leave(l);
        mem_free(l);
    }
}

void resolver_close(struct resolver *r, void (*closed)(void *ctx), void *ctx)
{
    r->is_closing = true;
    r->closed = closed;
    r->closed_ctx = ctx;
    drop_all(&r->ready);
    drop_all(&r->waiting);
    drop_all(&r->under_way);
    for (struct list *at = r->upstreams.next; at != &r->upstreams; at = at->next)
        upstream_close(CONTAINER_OF(at, struct upstream, link));
    uv_close((uv_handle_t *)&r->timer, on_own_closed);
    uv_close((uv_handle_t *)&r->idle, on_own_closed);
}
