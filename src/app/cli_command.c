/* cli_command.c -- the commands that ask the running relay. What is printed comes from there, as
 * text for people or, with --json, as it is. */
#include <stdio.h>

#include "cli_remote.h"

enum { TARGET_BYTES_MAX = 8192, PAGE = 1000 }; /* CONTROL_LIST_MAX */

static void print(struct slice s, FILE *to)
{
    fwrite(s.p ? s.p : "", 1, s.n, to);
}

/* Asks and prints; an error is printed as the relay says it. */
static int ask_and_print(struct remote *r, const char *method, const char *target)
{
    struct fault why = {0};
    if (!remote_ask(r, method, target, &why))
        return cli_fail(EXIT_FAILED, "%s", why.text);
    if (r->answer.status == 200) {
        print(r->answer.body, stdout);
        return EXIT_GOOD;
    }
    fputs("outpost: ", stderr);
    print(r->answer.body, stderr);
    return EXIT_FAILED;
}

static const char *format_of(const struct cli *c)
{
    return c->is_json ? "format=json" : "format=text";
}

static int ask_once(const struct cli *c, const char *method, const char *path)
{
    struct remote r;
    int status = remote_init(&r, c);
    if (status)
        return status;
    char target[256];
    snprintf(target, sizeof target, "%s?%s", path, format_of(c));
    status = ask_and_print(&r, method, target);
    remote_close(&r);
    return status;
}

int cli_status(const struct cli *c)
{
    return ask_once(c, "GET", c->is_json ? "/stats" : "/status");
}

int cli_reload(const struct cli *c)
{
    return ask_once(c, "POST", "/reload");
}

int cli_health(const struct cli *c)
{
    struct remote r;
    struct fault why = {0};
    int status = remote_init(&r, c);
    if (status)
        return status;
    r.wait_s = REMOTE_WAIT_HEALTH_S;
    if (!remote_ask(&r, "GET", "/stats", &why))
        status = cli_fail(EXIT_FAILED, "%s", why.text);
    else if (r.answer.status != 200)
        status = cli_fail(EXIT_FAILED, "the relay answers with status %d", r.answer.status);
    else
        puts(c->is_json ? "{\"status\":\"ok\"}" : "ok");
    remote_close(&r);
    return status;
}

/* --- the queue --- */

static void add_parameter(struct buf *target, const char *key, const char *value)
{
    if (!value)
        return;
    buf_addf(target, "&%s=", key);
    http_escape(slice_cstr(value), target);
}

/* A page that is not the last ends with a line that says so ("... more follow"); when the next page
 * follows at once nobody needs it. */
static struct slice without_hint(struct slice body)
{
    struct slice lines =
        slice_head(body, body.n && body.p[body.n - 1] == '\n' ? body.n - 1 : body.n);
    size_t end = slice_find_last(lines, '\n');
    bool is_hint = end < lines.n && slice_starts(slice_from(lines, end + 1), SLICE("... "));
    return is_hint ? slice_head(body, end + 1) : body;
}

/* One page; *left counts down. *next: where the list goes on, "" at the end. */
static int print_page(struct remote *r, const struct cli *c, struct buf *next, bool is_first,
                      uint64_t *left)
{
    struct buf target;
    struct fault why = {0};
    int status = EXIT_GOOD;
    uint64_t limit = *left < PAGE ? *left : PAGE;
    buf_init(&target, TARGET_BYTES_MAX);
    buf_addf(&target, "/queue?%s&limit=%llu", format_of(c), (unsigned long long)limit);
    add_parameter(&target, "from", c->from);
    add_parameter(&target, "to", c->to);
    add_parameter(&target, "domain", c->domain);
    if (next->n)
        add_parameter(&target, "after", buf_cstr(next));
    if (target.is_full) {
        status = cli_fail(EXIT_USAGE, "the arguments are too long");
    } else if (!remote_ask(r, "GET", buf_cstr(&target), &why)) {
        status = cli_fail(EXIT_FAILED, "%s", why.text);
    } else if (r->answer.status != 200) {
        fputs("outpost: ", stderr);
        print(r->answer.body, stderr);
        status = EXIT_FAILED;
    } else {
        struct slice body = r->answer.body;
        if (!is_first) /* the heading stands above the first page */
            body = slice_from(body, slice_find(body, '\n') + 1);
        buf_clear(next);
        buf_add(next, r->answer.next);
        *left -= limit;
        print(next->n && *left ? without_hint(body) : body, stdout);
    }
    buf_close(&target);
    return status;
}

int cli_queue_list(const struct cli *c)
{
    struct remote r;
    uint64_t left = c->is_json ? PAGE : UINT64_MAX;
    if (c->limit && (!slice_to_u64(slice_cstr(c->limit), &left) || left == 0))
        return cli_fail(EXIT_USAGE, "--limit needs a number above 0");
    if (c->is_json && left > PAGE)
        left = PAGE; /* one document; "next" in it goes on with --after */
    int status = remote_init(&r, c);
    if (status)
        return status;
    struct buf next;
    buf_init(&next, 64);
    if (c->after && !buf_add_cstr(&next, c->after))
        status = cli_fail(EXIT_USAGE, "--after needs a message id");
    bool is_first = true;
    do {
        if (!status)
            status = print_page(&r, c, &next, is_first, &left);
        is_first = false;
    } while (!status && next.n && left);
    buf_close(&next);
    remote_close(&r);
    return status;
}

/* "/queue/ID" + behind for each ID. */
static int for_each_message(const struct cli *c, const char *method, const char *behind)
{
    struct remote r;
    int status = remote_init(&r, c);
    if (status)
        return status;
    for (int i = 0; i < c->arg_count; i++) {
        struct buf target;
        buf_init(&target, TARGET_BYTES_MAX);
        buf_add_cstr(&target, "/queue/");
        http_escape(slice_cstr(c->arg[i]), &target);
        buf_addf(&target, "%s?%s", behind, format_of(c));
        int one = target.is_full ? cli_fail(EXIT_USAGE, "that is no message id")
                                 : ask_and_print(&r, method, buf_cstr(&target));
        if (one > status)
            status = one;
        if (i + 1 < c->arg_count && method[0] == 'G' && !c->is_json)
            putchar('\n');
        buf_close(&target);
    }
    remote_close(&r);
    return status;
}

int cli_queue_show(const struct cli *c)
{
    return for_each_message(c, "GET", "");
}

int cli_queue_retry(const struct cli *c)
{
    if (c->is_all == (c->arg_count > 0))
        return cli_fail(EXIT_USAGE, "say which: outpost queue retry ID... or --all");
    return c->is_all ? ask_once(c, "POST", "/queue/retry") : for_each_message(c, "POST", "/retry");
}

int cli_queue_delete(const struct cli *c)
{
    return for_each_message(c, "POST", "/delete");
}

/* --- destinations --- */

static int pause_or_resume(const struct cli *c, const char *path)
{
    struct remote r;
    int status = remote_init(&r, c);
    if (status)
        return status;
    for (int i = 0; i < (c->is_all ? 1 : c->arg_count); i++) {
        struct buf target;
        buf_init(&target, TARGET_BYTES_MAX);
        buf_addf(&target, "%s?%s", path, format_of(c));
        add_parameter(&target, c->is_all ? "all" : "domain", c->is_all ? "1" : c->arg[i]);
        int one = target.is_full ? cli_fail(EXIT_USAGE, "that is no domain")
                                 : ask_and_print(&r, "POST", buf_cstr(&target));
        if (one > status)
            status = one;
        buf_close(&target);
    }
    remote_close(&r);
    return status;
}

int cli_pause(const struct cli *c)
{
    if (c->is_all && c->arg_count)
        return cli_fail(EXIT_USAGE, "say which: outpost pause DOMAIN... or --all");
    if (!c->is_all && !c->arg_count)
        return ask_once(c, "GET", "/paused");
    return pause_or_resume(c, "/pause");
}

int cli_resume(const struct cli *c)
{
    if (c->is_all == (c->arg_count > 0))
        return cli_fail(EXIT_USAGE, "say which: outpost resume DOMAIN... or --all");
    return pause_or_resume(c, "/resume");
}
