/* submit_login.c -- see the header. Every refusal is one line of the log, which fail2ban matches
 * (packaging/fail2ban): change both together. */
#include "submit_login.h"

#include "guard.h"

#include <string.h>

static struct smtp_answer refuse(int code, int class, int subject, int detail, const char *text)
{
    return (struct smtp_answer){code, {class, subject, detail}, text};
}

static void tell(struct engine *e, const struct submit_login *l, enum note_kind kind, int code)
{
    struct note *n = engine_note(e, kind, 0);
    struct ip_text ip = ip_build(&l->from);
    engine_tell(e, n, "ip", l->is_unix ? SLICE("local") : slice_cstr(ip.s));
    engine_tell(e, n, "user", slice_cstr(l->user));
    if (kind == NOTE_LOGIN_BLOCKED)
        n->limit =
            NOTE_LIMIT_LOGIN_FAILURES; /* no field: the word says it, and fail2ban reads it */
    if (code)
        note_number(n, "code", code);
}

static struct smtp_answer blocked(struct engine *e, const struct submit_login *l,
                                  enum guard_verdict verdict, int64_t wait_ms)
{
    bool is_address = verdict == GUARD_ADDRESS;
    struct slice text = arena_printf(
        &e->arena, "too many failed logins %s, try again in %lld minutes",
        is_address ? "from your address" : "of this user", (long long)((wait_ms + 59999) / 60000));
    struct smtp_answer a = refuse(is_address ? 421 : 454, 4, 7, 0, text.p);
    tell(e, l, NOTE_LOGIN_BLOCKED, a.code);
    return a;
}

bool submit_login_ask(struct engine *e, struct submit_login *l, const struct smtp_server_event *ev,
                      struct smtp_answer *a)
{
    struct slice user = slice_head(ev->user, sizeof l->user - 1);
    memcpy(l->user, user.p ? user.p : "", user.n);
    l->user[user.n] = 0;
    l->asked_ms = e->now_ms;
    l->due_ms = 0;
    int64_t wait_ms;
    enum guard_verdict verdict = guard_ask(e, &l->from, l->is_trusted, user, &wait_ms);
    if (verdict != GUARD_FREE) {
        *a = blocked(e, l, verdict, wait_ms);
        return false;
    }
    struct slice name = engine_keep(e, ev->user), password = engine_keep(e, ev->password);
    struct slice message = engine_keep(e, ev->message);
    struct slice binding = engine_keep(e, ev->binding);
    struct engine_action *login = engine_do(e, ACTION_LOGIN);
    login->conn = l->conn;
    login->user = name;
    login->password = password;
    login->login_step = ev->step;
    login->text = message;
    login->binding = binding;
    return true;
}

static struct smtp_answer wrong(void)
{
    return refuse(535, 5, 7, 8, "authentication failed: wrong user name or password");
}

bool submit_login_answered(struct engine *e, struct submit_login *l, enum engine_login login,
                           struct smtp_answer *a)
{
    *a = (struct smtp_answer){0};
    switch (login) {
    case LOGIN_OK:
        guard_right(e, &l->from, slice_cstr(l->user));
        tell(e, l, NOTE_LOGIN, 0);
        return true;
    case LOGIN_TROUBLE:
        *a = refuse(454, 4, 7, 0, "temporary authentication failure, try again later");
        tell(e, l, NOTE_LOGIN_FAILED, a->code);
        return true;
    case LOGIN_CHALLENGE:
        return true;
    case LOGIN_WRONG:
        break;
    }
    *a = wrong();
    guard_wrong(e, &l->from, slice_cstr(l->user));
    tell(e, l, NOTE_LOGIN_FAILED, a->code);
    if (l->asked_ms + e->opt->login_delay_ms <= e->now_ms)
        return true;
    l->due_ms = l->asked_ms + e->opt->login_delay_ms;
    return false;
}

struct smtp_answer submit_login_late(struct submit_login *l)
{
    l->due_ms = 0;
    return wrong();
}
