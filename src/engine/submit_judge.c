/* submit_judge.c -- see the header. Rates are asked at MAIL and RCPT, so that a client hears early,
 * and once more when the message has come: only then they are charged, and sessions at the same
 * time cannot share one allowance. */
#include "submit_judge.h"

#include "mail/from.h"
#include "policy/policy_accept.h"
#include "submit_rate.h"
#include "usage.h"

static const struct smtp_answer yes = {0};

static struct smtp_answer refuse(int code, int class, int subject, int detail, const char *text)
{
    return (struct smtp_answer){code, {class, subject, detail}, text};
}

static struct smtp_answer no_user(void)
{
    return refuse(530, 5, 7, 0, "the login is no longer valid, log in again");
}

/* "90 seconds", "12 minutes", "7 hours": rounded up. */
static const char *wait_text(struct engine *e, const char *what, int64_t wait_ms)
{
    static const struct {
        int64_t most_ms, unit_ms;
        const char *unit;
    } units[] = {
        {180000, 1000, "seconds"}, {3 * 3600000, 60000, "minutes"}, {INT64_MAX, 3600000, "hours"}};
    size_t i = 0;
    while (wait_ms > units[i].most_ms)
        i++;
    return arena_printf(&e->arena, "%s, try again in %lld %s", what,
                        (long long)((wait_ms + units[i].unit_ms - 1) / units[i].unit_ms),
                        units[i].unit)
        .p;
}

static struct smtp_answer judge_quota(struct engine *e, const struct engine_user *u,
                                      unsigned recipients)
{
    int64_t wait_ms = 0;
    const char *what = NULL;
    switch (policy_quota_judge(&u->quota, usage_of(e, u->name), recipients, e->now_ms, &wait_ms)) {
    case POLICY_LIMIT_NONE:
        return yes;
    case POLICY_LIMIT_MESSAGES:
        e->struck = NOTE_LIMIT_USER_MESSAGES;
        what = "this login sends too many messages";
        break;
    case POLICY_LIMIT_RECIPIENTS:
        e->struck = NOTE_LIMIT_USER_RECIPIENTS;
        what = "this login sends to too many recipients";
        break;
    case POLICY_LIMIT_DAILY:
        e->struck = NOTE_LIMIT_USER_QUOTA;
        what = "this login's daily quota of recipients is used up";
        break;
    }
    return refuse(450, 4, 7, 1, wait_text(e, what, wait_ms));
}

static uint64_t bytes_max(const struct engine_user *u)
{
    return u->message_bytes_max ? u->message_bytes_max : UINT64_MAX;
}

static struct smtp_answer too_big(struct engine *e)
{
    e->struck = NOTE_LIMIT_USER_SIZE;
    return refuse(552, 5, 3, 4, "message is too big for this login");
}

struct smtp_answer submit_judge_place(struct engine *e, uint64_t place)
{
    int64_t wait_ms = submit_rate_wait_ms(e, place);
    if (!wait_ms)
        return yes;
    e->struck = NOTE_LIMIT_ADDRESS_RATE;
    return refuse(450, 4, 7, 1, wait_text(e, "your address sends too many messages", wait_ms));
}

struct smtp_answer submit_judge_sender(struct engine *e, struct slice name,
                                       const struct smtp_server_event *ev)
{
    const struct engine_user *u = engine_options_user(e->opt, name);
    if (!u)
        return no_user();
    if (!policy_may_send_as(u->senders, u->sender_count, ev->path_text))
        return refuse(553, 5, 7, 1, "this login may not send as that address");
    if (ev->declared_bytes > bytes_max(u))
        return too_big(e);
    return judge_quota(e, u, 0);
}

struct smtp_answer submit_judge_recipient(struct engine *e, struct slice name, struct slice address,
                                          unsigned before)
{
    const struct engine_user *u = engine_options_user(e->opt, name);
    if (!u)
        return no_user();
    if (u->recipient_count && !policy_matches_any(u->recipients, u->recipient_count, address))
        return refuse(550, 5, 7, 1, "this login may not send to that address");
    return judge_quota(e, u, before + 1);
}

/* Everybody whom From names must be someone the login may send as. */
static struct smtp_answer judge_from(struct engine *e, const struct engine_user *u,
                                     const struct mail_header_scan *scan)
{
    if (!u->sender_count)
        return yes;
    /* What stands behind such a line is body to us; others read on and may find a From there. */
    if (scan->is_malformed && !scan->has_no_header)
        return refuse(550, 5, 7, 1, "a line of the header is no field, so From cannot be checked");
    if (!scan->has_from)
        return yes;
    if (scan->has_many_from)
        return refuse(550, 5, 7, 1, "the message has more than one From field");
    struct slice rest = mail_header_from(scan);
    if (rest.n == MAIL_HEADER_FROM_MAX)
        return refuse(550, 5, 7, 1, "the From field is too long to be checked for this login");
    char text[MAIL_FROM_ADDRESS_MAX];
    struct mail_address one;
    struct buf canonical;
    buf_init(&canonical, MAIL_ADDRESS_BYTES_MAX);
    enum parse p;
    bool may = true;
    while (may && (p = mail_from_next(&rest, text, &one)) == PARSE_DONE) {
        buf_clear(&canonical);
        may = mail_address_build(&one, &canonical) &&
              policy_matches_any(u->senders, u->sender_count, buf_slice(&canonical));
    }
    struct smtp_answer a = yes;
    if (!may)
        a = refuse(550, 5, 7, 1,
                   arena_printf(&e->arena, "this login may not send as <%.*s>, which is in From",
                                SLICE_FMT(buf_slice(&canonical)))
                       .p);
    else if (p == PARSE_BAD)
        a = refuse(550, 5, 7, 1, "the From field cannot be read, and so not checked");
    buf_close(&canonical);
    return a;
}

struct smtp_answer submit_judge_message(struct engine *e, struct slice name, struct intake *in)
{
    const struct engine_user *u = engine_options_user(e->opt, name);
    if (!u)
        return no_user();
    if (in->wire_bytes > bytes_max(u))
        return too_big(e);
    struct smtp_answer a = judge_from(e, u, intake_said(in));
    if (!a.code)
        a = judge_quota(e, u, in->recipient_count);
    if (a.code)
        return a;
    policy_quota_charge(&u->quota, usage_of(e, name), in->recipient_count, e->now_ms);
    in->is_charged = true;
    buf_clear(&in->user);
    buf_add(&in->user, name);
    return yes;
}

void submit_judge_undo(struct engine *e, struct intake *in)
{
    if (in->rate_place)
        submit_rate_refund(e, in->rate_place);
    in->rate_place = 0;
    if (!in->is_charged)
        return;
    const struct engine_user *u = engine_options_user(e->opt, buf_slice(&in->user));
    if (u)
        policy_quota_refund(&u->quota, usage_of(e, u->name), in->recipient_count, e->now_ms);
    in->is_charged = false;
}
