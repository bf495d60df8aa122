/* submit_login.h -- a login of a session: asked for, answered, and a wrong one answered late.
 *
 * A wrong password is answered opt->login_delay_ms after it came, however long its hash took: that
 * slows guessing, and the time does not tell whether there is such a user. */
#pragma once

#include "engine_core.h"

struct submit_login {
    uint64_t conn;
    struct ip from;
    bool is_trusted, is_unix;
    char user[256]; /* who is being verified */
    int64_t asked_ms;
    int64_t due_ms; /* a refusal waits until then; 0: none does */
};

/* Name and password have come. True: the app verifies them; false: *a is the answer. */
bool submit_login_ask(struct engine *e, struct submit_login *l, const struct smtp_server_event *ev,
                      struct smtp_answer *a);
/* It was verified. True: *a is to be said now; false: at l->due_ms. */
bool submit_login_answered(struct engine *e, struct submit_login *l, enum engine_login login,
                           struct smtp_answer *a);
/* l->due_ms has come. */
struct smtp_answer submit_login_late(struct submit_login *l);
