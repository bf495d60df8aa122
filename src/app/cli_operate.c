/* cli_operate.c -- outpost queue hold|release|retry|bounce|delete: by id, or page by page over
 * those that a filter means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_remote.h"

enum { PAGE = 500, BUSY_WAIT_MS = 100 };

/* Who called us before sudo made everybody root. */
static const char *caller(void)
{
    static const char *const names[] = {"SUDO_USER", "DOAS_USER", "LOGNAME", "USER"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *name = getenv(names[i]);
        if (name && name[0])
            return name;
    }
    return NULL;
}

static void add_order(struct buf *target, const struct cli *c)
{
    remote_add(target, "reason", c->reason);
    remote_add(target, "by", caller());
    if (c->is_dry_run)
        remote_add(target, "dry_run", "1");
}

/* Asks; the answer is in r. */
static int ask(struct remote *r, struct buf *target)
{
    struct fault why = {0};
    if (target->is_full)
        return cli_fail(EXIT_USAGE, "the arguments are too long");
    if (!remote_ask(r, "POST", buf_cstr(target), &why))
        return cli_fail(EXIT_FAILED, "%s", why.text);
    return r->answer.status == 200 ? EXIT_GOOD : remote_complain(r);
}

static int by_id(struct remote *r, const struct cli *c, const char *verb)
{
    int status = EXIT_GOOD;
    for (int i = 0; i < c->arg_count; i++) {
        struct buf target;
        buf_init(&target, REMOTE_TARGET_BYTES_MAX);
        buf_add_cstr(&target, "/queue/");
        http_escape(slice_cstr(c->arg[i]), &target);
        buf_addf(&target, "/%s?%s", verb, remote_format(c));
        add_order(&target, c);
        int one = ask(r, &target);
        if (!one)
            fwrite(r->answer.body.p, 1, r->answer.body.n, stdout);
        if (one > status)
            status = one;
        buf_close(&target);
    }
    return status;
}

/* --- by filter --- */

struct work {
    struct remote r;
    const char *verb;
    uint64_t left; /* of --limit */
    uint64_t count;
    struct buf next, until;
    bool is_first;
};

/* The value behind "key": in an answer of ours; SLICE_NONE: null, or not there. */
static struct slice value_of(struct slice body, const char *key)
{
    char name[32];
    int n = snprintf(name, sizeof name, "\"%s\":", key);
    const char *at = NULL;
    /* The figures stand behind the messages of a dry run, and no key is written inside a string
     * without a backslash before its quotes. */
    for (size_t i = body.n; i-- > 0 && !at;)
        if (slice_starts(slice_from(body, i), slice_of(name, (size_t)n)))
            at = body.p + i + n;
    if (!at)
        return SLICE_NONE;
    struct slice rest = slice_of(at, (size_t)(body.p + body.n - at));
    if (rest.n && rest.p[0] == '"') {
        rest = slice_from(rest, 1);
        return slice_head(rest, slice_find(rest, '"'));
    }
    size_t end = 0;
    while (end < rest.n && ascii_is_digit(rest.p[end]))
        end++;
    return slice_head(rest, end);
}

static uint64_t leading_number(struct slice body)
{
    /* "12 messages would be removed" is the last line */
    struct slice last =
        slice_from(body, slice_find_last(slice_head(body, body.n ? body.n - 1 : 0), '\n') + 1);
    uint64_t v = 0;
    (void)slice_to_u64(slice_head(last, slice_find(last, ' ')), &v);
    return v;
}

static uint64_t number_of(struct slice body, const char *key)
{
    uint64_t v = 0;
    (void)slice_to_u64(value_of(body, key), &v);
    return v;
}

/* Pages of a dry run become one list, or one document. */
static void print_rows(struct work *w, const struct cli *c)
{
    struct slice body = w->r.answer.body;
    if (!c->is_json) {
        size_t count_line = slice_find_last(slice_head(body, body.n ? body.n - 1 : 0), '\n') + 1;
        body = slice_head(body, count_line < body.n ? count_line : 0);
        size_t hint = slice_find_last(slice_head(body, body.n ? body.n - 1 : 0), '\n') + 1;
        if (slice_starts(slice_from(body, hint), SLICE("... ")))
            body = slice_head(body, hint);
        if (!w->is_first)
            body = slice_from(body, slice_find(body, '\n') + 1);
    } else {
        size_t from = slice_find(body, '[') + 1;
        body = slice_from(slice_head(body, slice_find_last(body, ']')), from);
        if (w->is_first)
            printf("{\"verb\":\"%s\",\"dry_run\":true,\"messages\":[", w->verb);
        else if (body.n && w->count)
            putchar(',');
    }
    printf("%.*s", SLICE_FMT(body));
}

static int page(struct work *w, const struct cli *c)
{
    struct buf target;
    bool is_list = c->is_dry_run && !c->is_json;
    buf_init(&target, REMOTE_TARGET_BYTES_MAX);
    buf_addf(&target, "/queue/%s?format=%s&limit=%llu", w->verb, is_list ? "text" : "json",
             (unsigned long long)(w->left < PAGE ? w->left : PAGE));
    remote_add_filter(&target, c);
    if (c->is_all)
        remote_add(&target, "all", "1");
    if (w->next.n)
        remote_add(&target, "after", buf_cstr(&w->next));
    if (w->until.n)
        remote_add(&target, "until", buf_cstr(&w->until));
    add_order(&target, c);
    int status = ask(&w->r, &target);
    buf_close(&target);
    if (status)
        return status;
    struct slice body = w->r.answer.body, next = w->r.answer.next;
    uint64_t count =
        is_list ? leading_number(body) : number_of(body, c->is_dry_run ? "matched" : "done");
    bool is_busy = !count && next.n && slice_eq(next, buf_slice(&w->next));
    if (c->is_dry_run)
        print_rows(w, c);
    w->count += count;
    w->left -= count < w->left ? count : w->left;
    if (!w->until.n && !is_list) /* what comes meanwhile is not meant */
        buf_add(&w->until, value_of(body, "until"));
    buf_clear(&w->next);
    buf_add(&w->next, next);
    w->is_first = false;
    if (is_busy) /* reports are being written: let some of them go */
        nanosleep(&(struct timespec){.tv_nsec = BUSY_WAIT_MS * 1000000L}, NULL);
    return EXIT_GOOD;
}

static void print_sum(const struct work *w, const struct cli *c)
{
    unsigned long long n = w->count;
    if (c->is_json && c->is_dry_run)
        printf("],\"matched\":%llu,\"done\":0}\n", n);
    else if (c->is_json)
        printf("{\"verb\":\"%s\",\"dry_run\":false,\"matched\":%llu,\"done\":%llu}\n", w->verb, n,
               n);
    else
        printf("%s: %llu message%s%s\n", w->verb, n, n == 1 ? "" : "s",
               c->is_dry_run ? " would be touched" : "");
}

static int by_filter(const struct cli *c, struct work *w)
{
    int status;
    if (c->limit && (!slice_to_u64(slice_cstr(c->limit), &w->left) || w->left == 0))
        return cli_fail(EXIT_USAGE, "--limit needs a number above 0");
    buf_init(&w->next, 64);
    buf_init(&w->until, 64);
    do
        status = page(w, c);
    while (!status && w->next.n && w->left);
    if (!w->is_first)
        print_sum(w, c); /* so far, if it has failed then */
    buf_close(&w->next);
    buf_close(&w->until);
    return status;
}

static int operate(const struct cli *c, const char *verb)
{
    struct work w = {.verb = verb, .left = UINT64_MAX, .is_first = true};
    bool has_filter = c->from || c->to || c->domain || c->state || c->older || c->limit;
    int ways = (c->arg_count > 0) + (has_filter || c->is_all);
    if (ways != 1 ||
        (!c->arg_count && !c->is_all && !(c->from || c->to || c->domain || c->state || c->older)))
        return cli_fail(EXIT_USAGE,
                        "say which: outpost queue %s ID..., or --from --to --domain --state "
                        "--older, or --all",
                        verb);
    int status = remote_init(&w.r, c);
    if (status)
        return status;
    status = c->arg_count ? by_id(&w.r, c, verb) : by_filter(c, &w);
    remote_close(&w.r);
    return status;
}

/* Without a filter a retry is one order: the relay walks its queue by itself. */
int cli_queue_retry(const struct cli *c)
{
    bool is_plain = c->is_all && !c->is_dry_run && !c->arg_count && !c->limit && !c->from &&
                    !c->to && !c->domain && !c->state && !c->older;
    struct remote r;
    struct buf target;
    if (!is_plain)
        return operate(c, "retry");
    int status = remote_init(&r, c);
    if (status)
        return status;
    buf_init(&target, REMOTE_TARGET_BYTES_MAX);
    buf_addf(&target, "/queue/retry?%s", remote_format(c));
    add_order(&target, c);
    status = ask(&r, &target);
    if (!status)
        fwrite(r.answer.body.p, 1, r.answer.body.n, stdout);
    buf_close(&target);
    remote_close(&r);
    return status;
}

int cli_queue_hold(const struct cli *c)
{
    return operate(c, "hold");
}

int cli_queue_release(const struct cli *c)
{
    return operate(c, "release");
}

int cli_queue_bounce(const struct cli *c)
{
    return operate(c, "bounce");
}

int cli_queue_delete(const struct cli *c)
{
    return operate(c, "delete");
}
