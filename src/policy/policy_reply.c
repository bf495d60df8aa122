/* policy_reply.c -- see the header. The rules of our own are policy_reply_builtin.c's. */
#include "policy/policy_reply.h"

const char *const policy_reply_then_word[POLICY_REPLY_THEN_COUNT] = {
    [POLICY_REPLY_BACK_OFF] = "back_off",   [POLICY_REPLY_SLOW_DOWN] = "slow_down",
    [POLICY_REPLY_PERMANENT] = "permanent", [POLICY_REPLY_TEMPORARY] = "temporary",
    [POLICY_REPLY_NEXT_HOST] = "next_host",
};

void policy_reply_text(const struct smtp_reply *r, struct buf *out)
{
    for (int i = 0; i < r->line_count && out->n < POLICY_REPLY_TEXT_BYTES_MAX; i++) {
        struct slice line = r->line[i];
        struct smtp_status status;
        size_t used;
        if (smtp_status_parse(line, &status, &used))
            line = slice_from(line, used);
        if (out->n)
            buf_add_char(out, ' ');
        for (size_t k = 0; k < line.n && out->n < POLICY_REPLY_TEXT_BYTES_MAX; k++)
            buf_add_char(out, line.p[k] >= ' ' && line.p[k] < 0x7f ? line.p[k] : '?');
    }
}

static bool is_code(struct slice pattern, int code)
{
    for (int i = 2; i >= 0; i--, code /= 10)
        if (pattern.p[i] != '?' && pattern.p[i] != '0' + code % 10)
            return false;
    return true;
}

static bool fits(const struct policy_reply_rule *rule, const struct policy_place *p,
                 const struct smtp_reply *r, struct slice status, struct slice text)
{
    return (!rule->code.n || (rule->code.n == 3 && is_code(rule->code, r->code))) &&
           (!rule->status.n || (status.n && slice_glob_nocase(rule->status, status))) &&
           policy_where_matches(&rule->where, p) &&
           (!rule->text.n || slice_glob_nocase(rule->text, text));
}

const struct policy_reply_rule *policy_reply_find(const struct policy_reply_rule *rule,
                                                  unsigned count, const struct policy_place *p,
                                                  const struct smtp_reply *r, struct slice text)
{
    struct smtp_status_text built = {{0}};
    if (r->status.class)
        built = smtp_status_build(r->status);
    for (unsigned i = 0; i < count && r->code >= 400; i++)
        if (fits(&rule[i], p, r, slice_cstr(built.s), text))
            return &rule[i];
    return NULL;
}

bool policy_reply_may_judge(const struct policy_answer *a, enum policy_verdict v)
{
    if (!a->reply || a->reply->code < 400 || a->is_unsure)
        return false;
    return v == POLICY_LATER || v == POLICY_NEXT_HOST || v == POLICY_BOUNCE;
}

enum policy_verdict policy_reply_verdict(const struct policy_reply_rule *rule,
                                         const struct policy_answer *a, enum policy_verdict v)
{
    if (!policy_reply_may_judge(a, v))
        return v;
    switch (rule->then) {
    case POLICY_REPLY_BACK_OFF:
    case POLICY_REPLY_SLOW_DOWN:
    case POLICY_REPLY_TEMPORARY:
        return POLICY_LATER;
    case POLICY_REPLY_PERMANENT:
        return POLICY_BOUNCE;
    case POLICY_REPLY_NEXT_HOST:
        return a->has_next_host ? POLICY_NEXT_HOST : POLICY_LATER;
    case POLICY_REPLY_THEN_COUNT:
        break;
    }
    CHECK(!"a rule without an action");
    return v;
}

struct smtp_status policy_reply_status(const struct smtp_reply *r, enum policy_verdict v)
{
    int class = v == POLICY_BOUNCE ? 5 : 4;
    if (r->status.class)
        return (struct smtp_status){class, r->status.subject, r->status.detail};
    return (struct smtp_status){class, 7, 1};
}
