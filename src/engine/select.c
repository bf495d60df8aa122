/* select.c -- filters, and walking the queue with one in bounded steps.
 *
 * A queue of a million messages does not fit the processor's cache: a look at a message costs a
 * few cache misses, so a page has a ceiling of looks, whether it finds anything or not. */
#include "select.h"

#include "mail/address.h"

static const char *const state_name[ENGINE_STATE_COUNT] = {
    [ENGINE_STATE_ANY] = "any",
    [ENGINE_STATE_READY] = "ready",
    [ENGINE_STATE_RESOLVING] = "resolving",
    [ENGINE_STATE_IN_FLIGHT] = "in flight",
    [ENGINE_STATE_DEFERRED] = "deferred",
    [ENGINE_STATE_BACKING_OFF] = "backing off",
    [ENGINE_STATE_PAUSED] = "paused",
    [ENGINE_STATE_HELD] = "held",
    [ENGINE_STATE_REPORTING] = "reporting",
};

const char *engine_state_name(enum engine_state state)
{
    return state < ENGINE_STATE_COUNT ? state_name[state] : "unknown";
}

static bool is_same_word(struct slice said, struct slice name)
{
    if (said.n != name.n)
        return false;
    for (size_t i = 0; i < said.n; i++) {
        char c = said.p[i] == '-' || said.p[i] == '_' ? ' ' : ascii_lower(said.p[i]);
        if (c != name.p[i])
            return false;
    }
    return true;
}

bool engine_state_parse(struct slice s, enum engine_state *out)
{
    for (int i = 0; i < ENGINE_STATE_COUNT; i++) {
        if (is_same_word(s, slice_cstr(state_name[i]))) {
            *out = (enum engine_state)i;
            return true;
        }
    }
    return false;
}

static void add_word(struct buf *out, const char *key, struct slice value)
{
    if (value.n)
        buf_addf(out, "%s%s=%.*s", out->n ? " " : "", key, SLICE_FMT(value));
}

void engine_filter_text(const struct engine_filter *f, struct buf *out)
{
    add_word(out, "from", f->from);
    add_word(out, "to", f->to);
    add_word(out, "domain", f->domain);
    if (f->state != ENGINE_STATE_ANY)
        add_word(out, "state", slice_cstr(engine_state_name(f->state)));
    if (f->older_ms)
        buf_addf(out, "%solder=%llds", out->n ? " " : "", (long long)(f->older_ms / 1000));
    if (!out->n)
        buf_add_cstr(out, "all");
}

enum engine_state select_job_state(const struct engine *e, const struct job *j)
{
    const struct destination *d = j->destination;
    if (j->line)
        return ENGINE_STATE_IN_FLIGHT;
    if (j->message->is_held)
        return ENGINE_STATE_HELD;
    if (job_is_paused(e, j))
        return ENGINE_STATE_PAUSED;
    if (!list_has(&j->in_ready))
        return ENGINE_STATE_DEFERRED;
    if (d->backoff_until_ms > e->now_ms || shape_quiet_until_ms(d) > e->now_ms)
        return ENGINE_STATE_BACKING_OFF;
    return d->state == DESTINATION_RESOLVING ? ENGINE_STATE_RESOLVING : ENGINE_STATE_READY;
}

static bool has_state(const struct engine *e, const struct queue_message *m,
                      enum engine_state state)
{
    if (state == ENGINE_STATE_HELD) /* also when an attempt is still in flight */
        return m->is_held;
    if (state == ENGINE_STATE_REPORTING) {
        for (uint32_t i = 0; i < m->recipient_count; i++)
            if (m->recipient[i].fate == QUEUE_WAITING && m->recipient[i].is_reporting)
                return true;
        return false;
    }
    for (const struct job *j = m->jobs; j; j = j->next_of_message)
        if (select_job_state(e, j) == state)
            return true;
    return false;
}

bool select_matches(const struct engine *e, const struct queue_message *m,
                    const struct engine_filter *f, int64_t now_ms)
{
    if (f->older_ms && now_ms - m->accepted_ms < f->older_ms)
        return false;
    if (f->from.n && !mail_address_match(f->from, queue_sender(m)))
        return false;
    if (f->would && !operate_applies(m, f->would))
        return false;
    if (f->state != ENGINE_STATE_ANY && !has_state(e, m, f->state))
        return false;
    if (!f->to.n && !f->domain.n)
        return true;
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        struct slice a = queue_address(m, i);
        if ((!f->to.n || mail_address_match(f->to, a)) &&
            (!f->domain.n || slice_eq_nocase(f->domain, mail_address_domain_of(a))))
            return true;
    }
    return false;
}

void select_each(const struct engine *e, const struct engine_filter *f, int64_t now_ms,
                 bool (*fn)(void *ctx, struct queue_message *m), void *ctx, struct select_page *out)
{
    unsigned limit = f->limit && f->limit < SELECT_LIMIT_MAX ? f->limit : SELECT_LIMIT_MAX;
    uint64_t looks = 0;
    *out = (struct select_page){.next = f->after};
    struct queue_message *m = queue_after_id(&e->queue, f->after), *next;
    for (; m && (!f->until || m->id <= f->until); m = next) {
        if (out->matched == limit || looks >= SELECT_LOOKS_MAX) {
            out->has_more = true;
            return;
        }
        uint64_t id = m->id;
        next = queue_after(&e->queue, m);
        looks += 1 + m->recipient_count / SELECT_RECIPIENTS_A_LOOK;
        if (select_matches(e, m, f, now_ms)) {
            if (!fn(ctx, m)) {
                out->has_more = true;
                return;
            }
            out->matched++;
        }
        out->next = id;
    }
}
