/* view_explain_hosts.c -- see the header. */
#include "view_explain_hosts.h"

#include "fallback.h"
#include "route_host.h"

enum { TRIES_TOLD = 6 };

static void add_span(struct buf *out, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } unit[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (unit[i].ms > 1 && (ms < unit[i].ms || ms % unit[i].ms))
        i++;
    buf_addf(out, "%lld%s", (long long)(ms / unit[i].ms), unit[i].name);
}

static bool is_mx(const struct view_explain_hosts *h)
{
    return !h->route || !h->route->host_count;
}

static int64_t seconds_until(const struct view_explain_hosts *h, int64_t ms)
{
    return ms > h->now_ms ? (ms - h->now_ms + 999) / 1000 : 0;
}

static const struct route_host *state_of(const struct view_explain_hosts *h, unsigned i)
{
    return h->d && i < h->d->host_count ? &h->d->host[i] : NULL;
}

static int64_t skipped_s(const struct view_explain_hosts *h, const struct route_host *s)
{
    int64_t until =
        s->failing_until_ms > s->trial_until_ms ? s->failing_until_ms : s->trial_until_ms;
    return seconds_until(h, until);
}

static void text_host(struct buf *out, const struct view_explain_hosts *h, unsigned i)
{
    const struct engine_host *host = &h->route->hosts[i];
    const struct route_host *s = state_of(h, i);
    buf_addf(out, "%.*s:%u", SLICE_FMT(host->name), host->port);
    if (h->route->host_count < 2)
        return;
    struct target_rank rank = target_rank(h->route->hosts, h->route->host_count, i);
    buf_addf(out, ", priority %u, weight %u", rank.priority, rank.weight);
    if (s && route_host_is_failing(s, h->now_ms))
        buf_addf(out, "; failed %u times, tried last for %llds", s->failures,
                 (long long)skipped_s(h, s));
    else if (s && s->failures)
        buf_add_cstr(out, "; failed, the next connection tries it again");
}

/* What the DNS said lately; nothing is asked. */
static void text_mx(struct buf *out, const struct view_explain_hosts *h)
{
    unsigned count;
    const struct dns_record *mx = resolve_known(h->e, h->domain, DNS_MX, h->now_ms, &count);
    buf_addf(out, "the MX hosts of %.*s", SLICE_FMT(h->domain));
    if (h->d && h->d->targets)
        return;
    if (!mx)
        buf_add_cstr(out, "; not looked up yet");
    for (unsigned i = 0; mx && i < count; i++)
        buf_addf(out, "%s%u %s", i ? ", " : "; looked up: ", mx[i].preference, mx[i].name);
}

void view_explain_hosts_text(struct buf *out, const struct view_explain_hosts *h)
{
    buf_add_cstr(out, "  hosts       ");
    if (is_mx(h))
        text_mx(out, h);
    for (unsigned i = 0; !is_mx(h) && i < h->route->host_count; i++) {
        buf_add_cstr(out, i ? "\n              " : "");
        text_host(out, h, i);
    }
    for (uint32_t i = 0; h->d && h->d->targets && i < h->d->targets->count; i++)
        buf_addf(out, "%s%s %s", i ? ", " : "; known now: ", h->d->targets->target[i].host,
                 ip_port_build(&h->d->targets->target[i].address).s);
    buf_add_char(out, '\n');
}

void view_explain_hosts_json(struct json *j, const struct view_explain_hosts *h)
{
    json_array(j, "hosts");
    for (unsigned i = 0; !is_mx(h) && i < h->route->host_count; i++) {
        const struct route_host *s = state_of(h, i);
        struct target_rank rank = target_rank(h->route->hosts, h->route->host_count, i);
        json_object(j, NULL);
        json_string(j, "name", h->route->hosts[i].name);
        json_int(j, "port", h->route->hosts[i].port);
        json_int(j, "priority", rank.priority);
        json_int(j, "weight", rank.weight);
        json_int(j, "failures", s ? s->failures : 0);
        json_int(j, "skipped_s", s && s->failures ? skipped_s(h, s) : 0);
        json_end(j, '}');
    }
    json_end(j, ']');
    unsigned count = 0;
    const struct dns_record *mx =
        is_mx(h) ? resolve_known(h->e, h->domain, DNS_MX, h->now_ms, &count) : NULL;
    json_array(j, "mx");
    for (unsigned i = 0; mx && i < count; i++)
        json_string(j, NULL, slice_cstr(mx[i].name));
    json_end(j, ']');
    json_array(j, "addresses");
    for (uint32_t i = 0; h->d && h->d->targets && i < h->d->targets->count; i++)
        json_string(j, NULL, slice_cstr(ip_port_build(&h->d->targets->target[i].address).s));
    json_end(j, ']');
}

static bool is_in_use(const struct view_explain_hosts *h)
{
    return h->d && fallback_due_ms(h->e, h->d) <= h->now_ms;
}

void view_explain_fallback_text(struct buf *out, const struct view_explain_hosts *h)
{
    if (h->fallback < 0)
        return;
    buf_addf(out, "  fallback    %.*s, ", SLICE_FMT(h->e->opt->routes[h->fallback].name));
    if (is_in_use(h)) {
        buf_add_cstr(out, "in use: direct delivery has been in trouble for ");
        add_span(out, (h->now_ms - h->d->trouble_since_ms) / 1000 * 1000);
    } else {
        buf_add_cstr(out, "after ");
        add_span(out, h->e->opt->fallback_after_ms);
        buf_add_cstr(out, " of trouble");
    }
    buf_add_char(out, '\n');
}

void view_explain_fallback_json(struct json *j, const struct view_explain_hosts *h)
{
    if (h->fallback < 0) {
        json_null(j, "fallback");
        return;
    }
    json_string(j, "fallback", h->e->opt->routes[h->fallback].name);
    json_bool(j, "is_fallback_in_use", is_in_use(h));
}

static int64_t next_wait(const struct engine_options *o, int64_t wait_ms)
{
    double next = (double)wait_ms * o->retry_factor;
    return next < (double)o->retry_max_ms ? (int64_t)next : o->retry_max_ms;
}

void view_explain_retry_text(struct buf *out, const struct engine_options *o)
{
    int64_t wait_ms = o->retry_first_ms;
    buf_add_cstr(out, "retry         after ");
    for (int i = 0; i < TRIES_TOLD; i++) {
        add_span(out, wait_ms);
        buf_add_cstr(out, ", ");
        wait_ms = next_wait(o, wait_ms);
    }
    buf_add_cstr(out, "then up to every ");
    add_span(out, o->retry_max_ms);
    if (o->warn_after_ms) {
        buf_add_cstr(out, "; its sender is warned after ");
        add_span(out, o->warn_after_ms);
    }
    buf_add_cstr(out, "; given up after ");
    add_span(out, o->lifetime_ms);
    if (o->on_unsure == DELIVERY_UNSURE_BOUNCE) {
        buf_add_cstr(out, "\nunsure        not sent again when the last reply is lost\n");
        return;
    }
    buf_add_cstr(out, "\nunsure        sent again when the last reply is lost, after ");
    add_span(out, o->unsure_wait_ms);
    buf_add_cstr(out, " at least\n");
}

void view_explain_retry_json(struct json *j, const struct engine_options *o)
{
    int64_t wait_ms = o->retry_first_ms;
    json_array(j, "retry_s");
    for (int i = 0; i < TRIES_TOLD; i++) {
        json_double(j, NULL, (double)wait_ms / 1000);
        wait_ms = next_wait(o, wait_ms);
    }
    json_end(j, ']');
    json_double(j, "warned_after_s", (double)o->warn_after_ms / 1000);
    json_double(j, "given_up_after_s", (double)o->lifetime_ms / 1000);
    json_string(j, "on_unsure",
                o->on_unsure == DELIVERY_UNSURE_BOUNCE ? SLICE("bounce") : SLICE("retry"));
}
