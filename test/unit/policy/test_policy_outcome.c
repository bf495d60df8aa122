/* test_policy_outcome.c -- the whole table: how far a refusal reaches, and its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy_outcome.h"

#define DELIVERED POLICY_DELIVERED
#define LATER POLICY_LATER
#define NEXT POLICY_NEXT_HOST
#define BOUNCE POLICY_BOUNCE

static const struct {
    const char *shown;
    int code;
    enum policy_verdict session, message, recipient;
} rows[] = {
    {"no reply at all", 0, NEXT, LATER, LATER},
    {"fine", 250, NEXT, DELIVERED, DELIVERED},
    {"fine, will forward", 251, NEXT, DELIVERED, DELIVERED},
    {"fine, cannot verify", 252, NEXT, DELIVERED, DELIVERED},
    {"go on, where nothing goes on", 354, NEXT, LATER, LATER},
    {"the server leaves", 421, NEXT, NEXT, NEXT},
    {"mailbox busy", 450, NEXT, LATER, LATER},
    {"trouble", 451, NEXT, LATER, LATER},
    {"no room, or too many recipients", 452, NEXT, LATER, LATER},
    {"an unknown 4xx", 499, NEXT, LATER, LATER},
    {"syntax", 500, NEXT, BOUNCE, BOUNCE},
    {"refused", 550, NEXT, BOUNCE, BOUNCE},
    {"too large; of a recipient an old way to say too many (RFC 5321 4.5.3.1.10)", 552, NEXT,
     BOUNCE, LATER},
    {"a bad name", 553, NEXT, BOUNCE, BOUNCE},
    {"no service", 554, NEXT, BOUNCE, BOUNCE},
    {"no mail here (RFC 7504)", 521, NEXT, BOUNCE, BOUNCE},
    {"an unknown 5xx", 599, NEXT, BOUNCE, BOUNCE},
};

static void table(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int code = rows[i].code;
        if (policy_outcome(SMTP_SCOPE_SESSION, code) != rows[i].session ||
            policy_outcome(SMTP_SCOPE_MESSAGE, code) != rows[i].message ||
            policy_outcome(SMTP_SCOPE_RECIPIENT, code) != rows[i].recipient)
            fail_msg("%s (%d)", rows[i].shown, code);
    }
}

/* No code from the wire bounces but 5xx, and none delivers but 2xx. */
static void every_code(void **state)
{
    for (int code = 0; code < 1000; code++) {
        for (int scope = SMTP_SCOPE_SESSION; scope <= SMTP_SCOPE_RECIPIENT; scope++) {
            enum policy_verdict v = policy_outcome((enum smtp_scope)scope, code);
            assert_true(v != POLICY_BOUNCE || code / 100 == 5);
            assert_true(v != POLICY_DELIVERED || code / 100 == 2);
        }
    }
}

static void statuses(void **state)
{
    static const struct {
        const char *shown;
        struct smtp_status given;
        bool has_reply, is_permanent;
        struct smtp_status status;
    } cases[] = {
        {"theirs", {5, 1, 1}, true, true, {5, 1, 1}},
        {"theirs, temporary", {4, 2, 2}, true, false, {4, 2, 2}},
        {"none given", {0, 0, 0}, true, true, {5, 0, 0}},
        {"none given, temporary", {0, 0, 0}, true, false, {4, 0, 0}},
        {"theirs contradicts what it means", {4, 2, 2}, true, true, {5, 0, 0}},
        {"theirs is permanent, the verdict is not", {5, 2, 2}, true, false, {4, 0, 0}},
        {"no reply", {0, 0, 0}, false, true, {5, 0, 0}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        static struct smtp_reply reply;
        reply.status = cases[i].given;
        struct smtp_status s =
            policy_status(cases[i].has_reply ? &reply : NULL, cases[i].is_permanent);
        if (s.class != cases[i].status.class || s.subject != cases[i].status.subject ||
            s.detail != cases[i].status.detail)
            fail_msg("%s: %s", cases[i].shown, smtp_status_build(s).s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(every_code),
        cmocka_unit_test(statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
