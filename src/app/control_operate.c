/* control_operate.c -- see control_operate.h.
 *
 * An order of many messages goes page by page: each request looks at a bounded number of them and
 * says where the next one goes on, so that none of them stalls the relay. The answer comes when the
 * order is on disk: what the operator was told survives a crash. */
#include "control_operate.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/msgid.h"
#include "control_core.h"
#include "queue/queue_record.h"

enum { WHO_BYTES = 100, NAME_CHARS_MAX = 32 };

/* --- filters --- */

/* A parameter that is too long must not pass for one that was not given: an order would mean more
 * messages than it should. False: x says so. *has: it was given. */
static bool read_text(struct exchange *x, const char *key, struct buf *out, bool *has)
{
    *has = control_parameter(x, key, out);
    if (!out->is_full)
        return true;
    control_refuse(x, 400, "%s is longer than %d bytes", key, CONTROL_PARAMETER_BYTES_MAX);
    return false;
}

static bool read_id(struct exchange *x, const char *key, uint64_t *out)
{
    struct buf text;
    bool has, is_good = read_text(x, key, &text, &has);
    if (is_good && has && !msgid_parse(buf_slice(&text), out)) {
        is_good = false;
        control_refuse(x, 400, "%s must be a message id", key);
    }
    buf_close(&text);
    return is_good;
}

static bool read_limit(struct exchange *x, unsigned *out)
{
    struct buf text;
    uint64_t limit = CONTROL_LIST_DEFAULT;
    bool has, is_good = read_text(x, "limit", &text, &has);
    if (is_good && has && !slice_to_u64(buf_slice(&text), &limit)) {
        is_good = false;
        control_refuse(x, 400, "limit must be a number");
    }
    buf_close(&text);
    *out = limit < 1 ? 1 : limit > CONTROL_LIST_MAX ? CONTROL_LIST_MAX : (unsigned)limit;
    return is_good;
}

static void refuse_state(struct exchange *x)
{
    struct buf known;
    buf_init(&known, 256);
    for (int i = 0; i < ENGINE_STATE_COUNT; i++)
        buf_addf(&known, "%s%s", i ? ", " : "", engine_state_name((enum engine_state)i));
    for (size_t i = 1; i < known.n; i++)
        if (known.p[i] == ' ' && known.p[i - 1] != ',')
            known.p[i] = '-';
    control_refuse(x, 400, "there is no such state; known are: %s", buf_cstr(&known));
    buf_close(&known);
}

static bool read_state(struct exchange *x, enum engine_state *out)
{
    struct buf text;
    bool has, is_good = read_text(x, "state", &text, &has);
    *out = ENGINE_STATE_ANY;
    if (is_good && has && !engine_state_parse(buf_slice(&text), out)) {
        is_good = false;
        refuse_state(x);
    }
    buf_close(&text);
    return is_good;
}

static bool read_older(struct exchange *x, int64_t *out, bool *has)
{
    struct buf text;
    bool is_good = read_text(x, "older", &text, has);
    if (is_good && *has && !config_duration_parse(buf_slice(&text), out)) {
        is_good = false;
        control_refuse(x, 400, "older must be a duration: 30m, 2h, 5d");
    }
    buf_close(&text);
    return is_good;
}

static bool is_said(const struct exchange *x, const char *key)
{
    struct buf text;
    bool is_one = control_parameter(x, key, &text) && slice_eq(buf_slice(&text), SLICE("1"));
    buf_close(&text);
    return is_one;
}

/* A misspelt filter must not pass for none: the order would mean more messages than it should. */
static bool knows_all_names(struct exchange *x)
{
    static const char *const known[] = {"from", "to", "domain", "state", "older", "after", "until",
                                        "limit", "all", "dry_run", "reason", "by", "format"};
    const struct slice text[] = {x->request->query, slice_trim(x->request->body)};
    for (size_t i = 0; i < COUNT_OF(text); i++) {
        for (struct slice rest = text[i]; rest.n;) {
            struct slice pair = slice_head(rest, slice_find(rest, '&'));
            struct slice name = slice_head(pair, slice_find(pair, '='));
            bool is_known = !pair.n;
            for (size_t k = 0; k < COUNT_OF(known) && !is_known; k++)
                is_known = slice_eq(name, slice_cstr(known[k]));
            if (!is_known) {
                control_refuse(x, 400, "there is no parameter %.*s here",
                               (int)(name.n < 64 ? name.n : 64), name.p);
                return false;
            }
            rest = slice_from(rest, pair.n + 1);
        }
    }
    return true;
}

bool control_filter_read(struct exchange *x, struct control_filter *f)
{
    bool has_from, has_to, has_domain, has_older = false;
    *f = (struct control_filter){0};
    if (!knows_all_names(x))
        return false;
    bool is_good = read_text(x, "from", &f->from, &has_from);
    is_good &= read_text(x, "to", &f->to, &has_to);
    is_good &= read_text(x, "domain", &f->domain, &has_domain);
    f->filter = (struct engine_filter){
        .from = buf_slice(&f->from), .to = buf_slice(&f->to), .domain = buf_slice(&f->domain)};
    if (!is_good || !read_state(x, &f->filter.state) ||
        !read_older(x, &f->filter.older_ms, &has_older) || !read_id(x, "after", &f->filter.after) ||
        !read_id(x, "until", &f->filter.until) || !read_limit(x, &f->filter.limit))
        return false;
    f->is_given = has_from || has_to || has_domain || has_older || is_said(x, "all") ||
                  f->filter.state != ENGINE_STATE_ANY;
    f->has_empty = (has_from && !f->from.n) || (has_to && !f->to.n) || (has_domain && !f->domain.n);
    return true;
}

void control_filter_close(struct control_filter *f)
{
    buf_close(&f->from);
    buf_close(&f->to);
    buf_close(&f->domain);
}

/* --- who --- */

/* The kernel says the uid. Behind sudo that is always 0, so the command line adds the name it was
 * called under; it stands in brackets because nobody has checked it. */
static void who_is_it(const struct exchange *x, char who[WHO_BYTES])
{
    struct buf name;
    bool is_name = control_parameter(x, "by", &name) && name.n && name.n <= NAME_CHARS_MAX;
    for (size_t i = 0; i < name.n; i++)
        is_name &= ascii_is_alpha(name.p[i]) || ascii_is_digit(name.p[i]) ||
                   memchr("-_.", name.p[i], 3) != NULL;
    snprintf(who, WHO_BYTES, is_name ? "uid=%lu (%s)" : "uid=%lu", (unsigned long)x->uid,
             buf_cstr(&name));
    buf_close(&name);
}

void control_operate(struct exchange *x, enum operator_verb verb, struct slice domain)
{
    char who[WHO_BYTES];
    struct engine_operated result = {0};
    who_is_it(x, who);
    struct engine_operator op = {
        .verb = verb, .domain = domain, .who = slice_cstr(who), .result = &result};
    driver_operator(x->o->driver, &op, NULL, NULL);
}

/* --- orders --- */

/* In words: what became of a message, why nothing did, what became of many. */
static const struct {
    const char *done, *not_done, *many;
} words[OPERATOR_END] = {
    [OPERATOR_RETRY] = {"is tried again now",
                        "cannot be tried now: it is held (release it first) or about to leave",
                        "tried again now"},
    [OPERATOR_HOLD] = {"is held (an attempt under way is finished first)",
                       "is held already, or about to leave", "held"},
    [OPERATOR_RELEASE] = {"is released", "is not held", "released"},
    [OPERATOR_BOUNCE] = {"is returned to its sender (an attempt under way is finished first)",
                         "is about to leave already", "returned to their senders"},
    [OPERATOR_DELETE] = {"is removed (an attempt under way is finished first)",
                         "is about to leave already", "removed"},
};

/* An answer that waits for the disk. */
struct pending {
    struct control *control;
    uint64_t answer; /* 0: nobody waits any more */
    struct buf body;
};

static void on_gone(void *ctx)
{
    ((struct pending *)ctx)->answer = 0;
}

static void on_recorded(void *ctx, bool is_on_disk)
{
    struct pending *p = ctx;
    if (p->answer && is_on_disk)
        control_end(p->control, p->answer, buf_slice(&p->body));
    else if (p->answer)
        control_fail(p->control, p->answer, 500,
                     "it is done, but the journal cannot be written now: a restart would undo it");
    buf_close(&p->body);
    mem_free(p);
}

struct order {
    enum operator_verb verb;
    bool is_dry, is_one;
    const struct engine_filter *filter;
    struct engine_operated result;
};

static void tell_text(struct exchange *x, const struct order *o)
{
    const struct engine_operated *r = &o->result;
    if (o->is_one && !o->is_dry)
        buf_addf(x->body, "message %s %s\n", msgid_build(x->msg).s, words[o->verb].done);
    else if (!o->is_dry && !o->filter)
        buf_addf(x->body, "all %llu messages are tried again now\n", (unsigned long long)r->done);
    else
        buf_addf(x->body, "%llu message%s%s %s\n",
                 (unsigned long long)(o->is_dry ? r->matched : r->done),
                 (o->is_dry ? r->matched : r->done) == 1 ? "" : "s", o->is_dry ? " would be" : "",
                 words[o->verb].many);
}

/* The end of a JSON answer that has begun with what else is to be said. */
static void tell_json(struct exchange *x, const struct order *o)
{
    const struct engine_operated *r = &o->result;
    buf_addf(x->body, "\"verb\":\"%s\",\"matched\":%llu,\"done\":%llu,\"dry_run\":%s",
             engine_verb_name(o->verb), (unsigned long long)r->matched, (unsigned long long)r->done,
             o->is_dry ? "true" : "false");
    buf_addf(x->body, ",\"until\":\"%s\"", msgid_build(r->newest).s);
    buf_addf(x->body, x->next[0] ? ",\"next\":\"%s\"}\n" : ",\"next\":null}\n", x->next);
}

static void tell(struct exchange *x, const struct order *o)
{
    if (o->result.has_more)
        snprintf(x->next, sizeof x->next, "%s", msgid_build(o->result.next).s);
    if (x->wants_text) {
        tell_text(x, o);
        return;
    }
    buf_add_cstr(x->body, "{\"ok\":true,");
    if (o->is_one)
        buf_addf(x->body, "\"text\":\"message %s %s\",", msgid_build(x->msg).s,
                 words[o->verb].done);
    tell_json(x, o);
}

/* What it would do: the list of those it would change. */
static void dry_run(struct exchange *x, struct order *o)
{
    const struct engine *e = driver_engine(x->o->driver);
    struct engine_page page;
    struct engine_filter f = *o->filter;
    o->result.newest = f.until ? f.until : engine_newest(e);
    if (x->wants_text) {
        engine_queue_text(e, &f, driver_now_ms(x->o->driver), x->body, &page);
    } else {
        buf_add_cstr(x->body, "{\"ok\":true,\"messages\":");
        engine_queue_json(e, &f, driver_now_ms(x->o->driver), x->body, &page);
        buf_add_char(x->body, ',');
    }
    o->result.matched = page.count;
    if (page.last)
        snprintf(x->next, sizeof x->next, "%s", msgid_build(page.last).s);
    if (x->wants_text)
        tell_text(x, o);
    else
        tell_json(x, o);
}

static void give_order(struct exchange *x, struct order *o, struct slice reason)
{
    char who[WHO_BYTES];
    struct pending *p = mem_new(sizeof *p);
    who_is_it(x, who);
    struct engine_operator op = {.verb = o->verb,
                                 .msg = x->msg,
                                 .filter = o->filter,
                                 .words = reason,
                                 .who = slice_cstr(who),
                                 .result = &o->result};
    driver_operator(x->o->driver, &op, on_recorded, p);
    if (o->is_one && !o->result.done)
        control_refuse(x, 409, "message %s %s", msgid_build(x->msg).s, words[o->verb].not_done);
    else
        tell(x, o);
    if (!o->result.is_recording) {
        mem_free(p);
        return;
    }
    const struct control_source source = {.ctx = p, .gone = on_gone};
    p->control = x->control;
    buf_init(&p->body, CONTROL_BODY_BYTES_MAX);
    buf_add(&p->body, buf_slice(x->body));
    p->answer = control_later(x, &source); /* there is room: order() has looked */
}

/* It stands in a report to the sender. */
static bool is_one_line(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

static void order(struct exchange *x, enum operator_verb verb)
{
    struct control_filter f;
    struct buf reason;
    struct order o = {.verb = verb, .is_dry = is_said(x, "dry_run"), .is_one = x->id.n > 0};
    bool has_reason, is_good = control_filter_read(x, &f);
    is_good &= read_text(x, "reason", &reason, &has_reason);
    bool is_all = verb == OPERATOR_RETRY && !f.is_given && !o.is_dry;
    if (is_good && o.is_one && o.is_dry)
        f.filter = (struct engine_filter){.after = x->msg - 1, .until = x->msg, .limit = 1};
    f.filter.would = verb; /* a limit counts those that change */
    if (o.is_one ? o.is_dry : !is_all)
        o.filter = &f.filter;
    if (is_good && !o.is_one && !is_all && !f.is_given)
        control_refuse(x, 400, "say which: from= to= domain= state= older=, or all=1");
    else if (is_good && f.has_empty) /* a script's variable that was not set, mostly */
        control_refuse(x, 400, "from=, to= and domain= must not be empty in an order");
    else if (is_good && reason.n > QUEUE_REASON_BYTES_MAX)
        control_refuse(x, 400, "reason is longer than %d bytes", QUEUE_REASON_BYTES_MAX);
    else if (is_good && !is_one_line(buf_slice(&reason)))
        control_refuse(x, 400, "reason must be one line of text");
    else if (is_good && x->control->later_count >= CONTROL_LATER_MAX)
        control_refuse(x, 503, "too many answers are being made: try again in a moment");
    else if (is_good && o.is_dry)
        dry_run(x, &o);
    else if (is_good)
        give_order(x, &o, buf_slice(&reason));
    control_filter_close(&f);
    buf_close(&reason);
}

void control_retry(struct exchange *x)
{
    order(x, OPERATOR_RETRY);
}

void control_hold(struct exchange *x)
{
    order(x, OPERATOR_HOLD);
}

void control_release(struct exchange *x)
{
    order(x, OPERATOR_RELEASE);
}

void control_bounce(struct exchange *x)
{
    order(x, OPERATOR_BOUNCE);
}

void control_delete(struct exchange *x)
{
    order(x, OPERATOR_DELETE);
}
