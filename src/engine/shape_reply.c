/* shape_reply.c -- what remotes say, by the rules: the operator's, then our own. Which rule fits
 * and what it makes of a verdict is policy_reply's; here is what that entails for the destination,
 * and what a reply's words ask for. */
#include "line.h"
#include "policy/policy_hint.h"

#include <stdio.h>

enum { WORDS_MAX = 300, JITTER_PART = 10, JITTER_MS = 1000 };

static const struct policy_reply_rule *find_rule(const struct engine *e, const struct line *l,
                                                 const struct smtp_reply *r, struct slice text)
{
    const struct engine_options *o = e->opt;
    const struct destination *d = l->destination;
    bool has_route = d->route >= 0 && d->generation == e->generation;
    struct slice host = slice_cstr(line_target(l)->host);
    struct policy_place p = {
        .domain = d->host_count ? SLICE_NONE
                  : l->job      ? slice_cstr(l->job->domain->name)
                  : d->domain   ? slice_cstr(d->domain)
                                : slice_cstr(d->name),
        .route = has_route ? o->routes[d->route].name : SLICE_NONE,
        .hosts = &host,
        .host_count = 1,
    };
    const struct policy_reply_rule *rule =
        policy_reply_find(o->replies, o->reply_count, &p, r, text);
    if (!rule && o->has_builtin_rules)
        rule = policy_reply_find(policy_reply_builtin, policy_reply_builtin_count, &p, r, text);
    return rule;
}

static void note_rule(struct engine *e, struct line *l, enum note_kind kind,
                      const struct policy_reply_rule *rule, struct slice said, int64_t for_ms)
{
    struct note *n = engine_note(e, kind, l->job ? l->job->message->id : 0);
    engine_tell(e, n, "destination",
                slice_cstr(l->job ? l->job->domain->name : l->destination->name));
    engine_tell(e, n, "host", slice_cstr(line_target(l)->host));
    if (rule)
        engine_tell(e, n, "rule", rule->name);
    engine_tell(e, n, "reply", said);
    if (for_ms)
        note_number(n, "for_s", (for_ms + 999) / 1000);
}

static void keep_words(struct destination *d, const struct policy_reply_rule *rule,
                       struct slice said)
{
    char words[WORDS_MAX];
    struct slice name = rule ? rule->name : SLICE_NONE;
    int n = snprintf(words, sizeof words, "%s%.*s%s: %.*s", rule ? "rule " : "it asked to wait",
                     SLICE_FMT(name), rule && rule->is_builtin ? " (builtin)" : "",
                     SLICE_FMT(slice_head(said, 200)));
    mem_free(d->shape.words);
    d->shape.words = mem_dup(words, (size_t)n);
}

/* Once for all replies that say the same while it lasts. */
static void rest(struct engine *e, struct line *l, const struct policy_reply_rule *rule,
                 struct slice said, int64_t for_ms)
{
    struct shape *s = &l->destination->shape;
    if (s->quiet_until_ms > e->now_ms)
        return;
    s->quiet_until_ms = e->now_ms + for_ms;
    s->is_probing = true;
    keep_words(l->destination, rule, said);
    note_rule(e, l, NOTE_BACKED_OFF, rule, said, for_ms);
}

/* Half, and half again when that was not enough: not for each of the connections that were open
 * when the first was told. */
static void slow_down(struct engine *e, struct line *l, const struct policy_reply_rule *rule,
                      struct slice said)
{
    struct destination *d = l->destination;
    struct shape *s = &d->shape;
    bool is_slow = s->slow_until_ms > e->now_ms;
    bool is_more = !is_slow || d->line_count <= destination_lines_most(e, d);
    if (!is_slow)
        s->slowed = 1;
    if (is_more && s->slowed < SHAPE_SLOWED_MAX)
        s->slowed *= 2;
    s->slow_until_ms = e->now_ms + rule->for_ms;
    if (s->quiet_until_ms <= e->now_ms)
        keep_words(d, rule, said);
    if (is_more)
        note_rule(e, l, NOTE_SLOWED, rule, said, rule->for_ms);
}

/* Not sooner than any wait of ours, and not later than twice the longest. */
static int64_t within_reason(const struct engine *e, int64_t wait_ms)
{
    int64_t least = e->opt->retry_first_ms, most = 2 * e->opt->retry_max_ms;
    if (wait_ms < least)
        wait_ms = least;
    return wait_ms < most ? wait_ms : most;
}

static void apply(struct engine *e, struct line *l, const struct policy_answer *a,
                  struct slice said, int64_t hint_ms, struct shape_ruling *out)
{
    static const enum note_kind noted[] = {[POLICY_REPLY_PERMANENT] = NOTE_RULED_PERMANENT,
                                           [POLICY_REPLY_TEMPORARY] = NOTE_RULED_TEMPORARY,
                                           [POLICY_REPLY_NEXT_HOST] = NOTE_RULED_NEXT_HOST};
    const struct policy_reply_rule *rule = out->rule;
    switch (rule ? rule->then : POLICY_REPLY_THEN_COUNT) {
    case POLICY_REPLY_BACK_OFF:
        rest(e, l, rule, said, hint_ms ? within_reason(e, hint_ms) : rule->for_ms);
        out->is_resting = true;
        return;
    case POLICY_REPLY_SLOW_DOWN:
        slow_down(e, l, rule, said);
        break;
    case POLICY_REPLY_PERMANENT:
    case POLICY_REPLY_TEMPORARY:
    case POLICY_REPLY_NEXT_HOST:
        note_rule(e, l, noted[rule->then], rule, said, 0);
        break;
    case POLICY_REPLY_THEN_COUNT:
        break;
    }
    bool is_hosts = a->scope == SMTP_SCOPE_HOST || a->scope == SMTP_SCOPE_SESSION;
    if (hint_ms && is_hosts && a->reply->code < 500 && !a->has_next_host && !a->is_crowded &&
        (!rule || rule->then == POLICY_REPLY_SLOW_DOWN)) {
        rest(e, l, rule, said, within_reason(e, hint_ms));
        out->is_resting = true;
    }
}

/* What the message is told to wait. */
static void set_wait(struct engine *e, struct line *l, const struct policy_answer *a,
                     struct slice text, struct slice said, int64_t hint_ms,
                     struct shape_ruling *out)
{
    bool is_of_mail = a->scope == SMTP_SCOPE_MESSAGE || a->scope == SMTP_SCOPE_RECIPIENT;
    if (!is_of_mail || !l->job)
        return;
    bool is_grey = policy_hint_is_greylisting(a->reply->code, text);
    if (is_grey)
        note_rule(e, l, NOTE_GREYLISTED, NULL, said, hint_ms);
    else if (hint_ms)
        note_rule(e, l, NOTE_ASKED_TO_WAIT, NULL, said, hint_ms);
    out->is_greylisted = is_grey && !hint_ms;
    if (hint_ms)
        out->wait_ms = within_reason(e, hint_ms);
    else if (is_grey)
        out->wait_ms = e->opt->greylisted_ms;
}

enum policy_verdict shape_judge(struct engine *e, struct line *l, const struct policy_answer *a,
                                enum policy_verdict v, struct shape_ruling *out)
{
    *out = (struct shape_ruling){.status = policy_status(a, v)};
    bool may_judge = policy_reply_may_judge(a, v);
    /* Where the job goes back untouched its destination may still be left in peace. */
    if (!may_judge && (v != POLICY_RETURN || !a->reply || a->reply->code < 400))
        return v;
    struct buf text, said;
    int64_t hint_ms = 0;
    buf_init(&text, POLICY_REPLY_TEXT_BYTES_MAX + 2);
    buf_init(&said, WORDS_MAX);
    policy_reply_text(a->reply, &text);
    smtp_reply_text(a->reply, &said, WORDS_MAX - 1);
    out->rule = find_rule(e, l, a->reply, buf_slice(&text));
    bool is_for_host = out->rule && (out->rule->then == POLICY_REPLY_BACK_OFF ||
                                     out->rule->then == POLICY_REPLY_SLOW_DOWN);
    if (!may_judge && !is_for_host)
        out->rule = NULL;
    if (a->reply->code < 500 || is_for_host)
        (void)policy_hint_wait_ms(buf_slice(&text), &hint_ms);
    apply(e, l, a, buf_slice(&said), hint_ms, out);
    if (out->rule && may_judge) {
        v = policy_reply_verdict(out->rule, a, v);
        out->status = policy_reply_status(a->reply, v);
    }
    if (v == POLICY_LATER && a->reply->code < 500)
        set_wait(e, l, a, buf_slice(&text), buf_slice(&said), hint_ms, out);
    buf_close(&text);
    buf_close(&said);
    return v;
}

int64_t shape_wait_ms(struct engine *e, const struct job *j, const struct attempt_result *r,
                      int64_t schedule_ms)
{
    bool is_over = r->is_greylisted && j->message->recipient[r->recipient].attempts > 1;
    if (r->verdict != ATTEMPT_LATER || !r->wait_ms || is_over)
        return schedule_ms;
    uint64_t jitter = (uint64_t)(r->wait_ms / JITTER_PART + JITTER_MS);
    int64_t wait_ms = r->wait_ms + (int64_t)rng_below(&e->rng, jitter);
    if (wait_ms > 2 * e->opt->retry_max_ms)
        wait_ms = 2 * e->opt->retry_max_ms;
    int64_t end_ms = queue_born_ms(&e->queue, j->message) + e->opt->lifetime_ms;
    return e->now_ms + wait_ms < end_ms ? wait_ms : schedule_ms;
}
