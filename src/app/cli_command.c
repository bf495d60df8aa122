/* cli_command.c -- the commands that ask the running relay. What is printed comes from there, as
 * text for people or, with --json, as it is. */
#include <stdio.h>

#include "base/msgid.h"
#include "cli_remote.h"

enum { PAGE = 1000 }; /* CONTROL_LIST_MAX */

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
    return remote_complain(r);
}

static int ask_once(const struct cli *c, const char *method, const char *path)
{
    struct remote r;
    int status = remote_init(&r, c);
    if (status)
        return status;
    char target[256];
    snprintf(target, sizeof target, "%s?%s", path, remote_format(c));
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

/* Rows of a page: each begins with an id; the heading and a row's second line do not. */
static uint64_t rows_in(struct slice body, bool is_json)
{
    uint64_t n = 0;
    const struct slice row = SLICE("{\"id\":\""); /* a quote inside a string has a backslash */
    for (size_t i = 0; is_json && i + row.n <= body.n; i++)
        n += slice_starts(slice_from(body, i), row);
    while (!is_json && body.n) {
        n += msgid_parse(slice_head(body, MSGID_CHARS), &(uint64_t){0});
        body = slice_from(body, slice_find(body, '\n') + 1);
    }
    return n;
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

/* A list while its pages come in. */
struct listing {
    struct remote r;
    struct buf next; /* where it goes on, "" at the end */
    uint64_t left;   /* rows */
    bool is_first, has_rows;
};

static void print_text_page(struct listing *l, struct slice body)
{
    if (!l->is_first) /* the heading stands above the first page */
        body = slice_from(body, slice_find(body, '\n') + 1);
    print(l->next.n && l->left ? without_hint(body) : body, stdout);
}

/* Pages become one document: {"messages":[ rows of each ],"next":...} */
static void print_json_page(struct listing *l, struct slice body)
{
    const struct slice head = SLICE("{\"messages\":[");
    size_t end = slice_find_last(body, ']');
    struct slice rows = slice_from(slice_head(body, end), head.n);
    if (l->is_first)
        print(head, stdout);
    if (rows.n && l->has_rows)
        putchar(',');
    l->has_rows |= rows.n > 0;
    print(rows, stdout);
    if (!l->next.n || !l->left)
        print(slice_from(body, end), stdout);
}

static int print_page(struct listing *l, const struct cli *c)
{
    struct buf target;
    struct fault why = {0};
    int status = EXIT_GOOD;
    buf_init(&target, REMOTE_TARGET_BYTES_MAX);
    buf_addf(&target, "/queue?%s&limit=%llu", remote_format(c),
             (unsigned long long)(l->left < PAGE ? l->left : PAGE));
    remote_add_filter(&target, c);
    if (l->next.n)
        remote_add(&target, "after", buf_cstr(&l->next));
    if (target.is_full) {
        status = cli_fail(EXIT_USAGE, "the arguments are too long");
    } else if (!remote_ask(&l->r, "GET", buf_cstr(&target), &why)) {
        status = cli_fail(EXIT_FAILED, "%s", why.text);
    } else if (l->r.answer.status != 200) {
        status = remote_complain(&l->r);
    } else {
        struct slice body = l->r.answer.body;
        uint64_t rows = rows_in(body, c->is_json);
        buf_clear(&l->next);
        buf_add(&l->next, l->r.answer.next);
        l->left -= rows < l->left ? rows : l->left;
        c->is_json ? print_json_page(l, body) : print_text_page(l, body);
    }
    buf_close(&target);
    return status;
}

int cli_queue_list(const struct cli *c)
{
    struct listing l = {.left = c->is_json ? PAGE : UINT64_MAX, .is_first = true};
    if (c->limit && (!slice_to_u64(slice_cstr(c->limit), &l.left) || l.left == 0))
        return cli_fail(EXIT_USAGE, "--limit needs a number above 0");
    int status = remote_init(&l.r, c);
    if (status)
        return status;
    buf_init(&l.next, 64);
    if (c->after && !buf_add_cstr(&l.next, c->after))
        status = cli_fail(EXIT_USAGE, "--after needs a message id");
    do {
        if (!status)
            status = print_page(&l, c);
        l.is_first = false;
    } while (!status && l.next.n && l.left);
    buf_close(&l.next);
    remote_close(&l.r);
    return status;
}

/* Body by body to stdout, as it comes. */
static int show_body(struct remote *r, const char *target)
{
    struct fault why = {0};
    if (!remote_copy(r, target, stdout, &why))
        return cli_fail(EXIT_FAILED, "%s", why.text);
    return r->answer.status == 200 ? EXIT_GOOD : remote_complain(r);
}

int cli_queue_show(const struct cli *c)
{
    struct remote r;
    if (c->wants_body && (c->is_json || c->arg_count != 1))
        return cli_fail(EXIT_USAGE, "--body prints one message, as it is");
    int status = remote_init(&r, c);
    if (status)
        return status;
    for (int i = 0; i < c->arg_count; i++) {
        struct buf target;
        buf_init(&target, REMOTE_TARGET_BYTES_MAX);
        buf_add_cstr(&target, "/queue/");
        http_escape(slice_cstr(c->arg[i]), &target);
        buf_addf(&target, "%s?%s", c->wants_body ? "/body" : "", remote_format(c));
        int one = target.is_full  ? cli_fail(EXIT_USAGE, "that is no message id")
                  : c->wants_body ? show_body(&r, buf_cstr(&target))
                                  : ask_and_print(&r, "GET", buf_cstr(&target));
        if (one > status)
            status = one;
        if (i + 1 < c->arg_count && !c->is_json)
            putchar('\n');
        buf_close(&target);
    }
    remote_close(&r);
    return status;
}

/* Asks for each argument, a blank line between the answers. */
static int ask_each(const struct cli *c, const char *too_long,
                    void (*build)(const struct cli *c, const char *arg, struct buf *target))
{
    struct remote r;
    int status = remote_init(&r, c);
    if (status)
        return status;
    for (int i = 0; i < c->arg_count; i++) {
        struct buf target;
        buf_init(&target, REMOTE_TARGET_BYTES_MAX);
        build(c, c->arg[i], &target);
        if (i && !c->is_json)
            putchar('\n');
        int one = target.is_full ? cli_fail(EXIT_USAGE, "%s", too_long)
                                 : ask_and_print(&r, "GET", buf_cstr(&target));
        status = one > status ? one : status;
        buf_close(&target);
    }
    remote_close(&r);
    return status;
}

static void build_why(const struct cli *c, const char *arg, struct buf *target)
{
    buf_addf(target, "/why?%s", remote_format(c));
    remote_add(target, "q", arg);
    remote_add(target, "limit", c->limit);
}

int cli_why(const struct cli *c)
{
    uint64_t limit = 0;
    if (c->limit && (!slice_to_u64(slice_cstr(c->limit), &limit) || limit == 0))
        return cli_fail(EXIT_USAGE, "--limit needs a number above 0");
    return ask_each(c, "that is too long for a message's name", build_why);
}

static void build_explain(const struct cli *c, const char *arg, struct buf *target)
{
    buf_addf(target, "/explain?%s", remote_format(c));
    remote_add(target, "to", arg);
    remote_add(target, "from", c->from);
    remote_add(target, "user", c->user);
    remote_add(target, "size", c->size);
    remote_add(target, "ip", c->ip);
}

int cli_explain(const struct cli *c)
{
    return ask_each(c, "that is too long for an address", build_explain);
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
        buf_init(&target, REMOTE_TARGET_BYTES_MAX);
        buf_addf(&target, "%s?%s", path, remote_format(c));
        remote_add(&target, c->is_all ? "all" : "domain", c->is_all ? "1" : c->arg[i]);
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
