/* test_policy_outcome.c -- the whole table: every scope, reply and fact in every combination.
 *
 * A host or a session is judged by the facts, whatever was said; a message or a recipient by what
 * was said, whatever the facts. Two tables that are written out, and their product is walked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy_outcome.h"

#define DELIVERED POLICY_DELIVERED
#define LATER POLICY_LATER
#define NEXT POLICY_NEXT_HOST
#define PLAIN POLICY_IN_PLAIN
#define RETURN POLICY_RETURN
#define UNSURE POLICY_UNSURE
#define BOUNCE POLICY_BOUNCE
#define BY_DATA POLICY_BY_DATA
#define ANEW POLICY_NEXT_TRANSACTION

enum { FACTS = 128 };

static const struct said {
    const char *shown;
    int code;
    struct smtp_status status;
    enum policy_verdict message, recipient;
    enum policy_verdict with_others; /* of a recipient, when some were taken before it */
} said[] = {
    {"no reply at all", 0, {0}, LATER, LATER, LATER},
    {"fine", 250, {2, 0, 0}, DELIVERED, DELIVERED, DELIVERED},
    {"fine, will forward", 251, {0}, DELIVERED, DELIVERED, DELIVERED},
    {"fine, cannot verify", 252, {0}, DELIVERED, DELIVERED, DELIVERED},
    {"fine, and bye", 221, {0}, DELIVERED, DELIVERED, DELIVERED},
    {"go on, where nothing goes on", 354, {0}, LATER, LATER, LATER},
    {"the server leaves", 421, {0}, NEXT, NEXT, NEXT},
    {"the server leaves, and says why", 421, {4, 7, 0}, NEXT, NEXT, NEXT},
    {"mailbox busy", 450, {4, 2, 1}, LATER, LATER, LATER},
    {"trouble", 451, {0}, LATER, LATER, LATER},
    {"no room, or too many recipients", 452, {0}, LATER, LATER, ANEW},
    {"too many recipients", 452, {4, 5, 3}, LATER, LATER, ANEW},
    {"too many recipients, of another code", 451, {4, 5, 3}, LATER, LATER, ANEW},
    {"too many recipients, the server leaves", 421, {4, 5, 3}, NEXT, NEXT, NEXT},
    {"mailbox full", 452, {4, 2, 2}, LATER, LATER, LATER},
    {"too many recipients, for good", 550, {5, 5, 3}, BOUNCE, BOUNCE, ANEW},
    {"too large for now", 452, {4, 3, 4}, LATER, LATER, LATER},
    {"TLS is wanted", 454, {4, 7, 0}, LATER, LATER, LATER},
    {"an unknown 4xx", 499, {0}, LATER, LATER, LATER},
    {"syntax", 500, {0}, BOUNCE, BOUNCE, BOUNCE},
    {"no mail here (RFC 7504)", 521, {5, 3, 2}, BOUNCE, BOUNCE, BOUNCE},
    {"log in first", 530, {5, 7, 0}, BOUNCE, BOUNCE, BOUNCE},
    {"refused", 550, {5, 7, 1}, BOUNCE, BOUNCE, BOUNCE},
    {"refused, its code of 4 was dropped by the parser", 550, {0}, BOUNCE, BOUNCE, BOUNCE},
    {"552: of a recipient an old way to say too many", 552, {0}, BOUNCE, LATER, ANEW},
    {"552: mailbox full", 552, {5, 2, 2}, BOUNCE, LATER, LATER},
    {"552: too many recipients", 552, {5, 5, 3}, BOUNCE, LATER, ANEW},
    {"552: larger than the server takes", 552, {5, 3, 4}, BOUNCE, BOUNCE, BOUNCE},
    {"552: larger than the mailbox takes", 552, {5, 2, 3}, BOUNCE, BOUNCE, BOUNCE},
    {"a bad name", 553, {5, 1, 3}, BOUNCE, BOUNCE, BOUNCE},
    {"no service", 554, {0}, BOUNCE, BOUNCE, BOUNCE},
    {"a parameter", 555, {5, 5, 4}, BOUNCE, BOUNCE, BOUNCE},
    {"no mail for this domain (RFC 7504)", 556, {5, 1, 10}, BOUNCE, BOUNCE, BOUNCE},
    {"an unknown 5xx", 599, {0}, BOUNCE, BOUNCE, BOUNCE},
};

/* By crowded, next host, may go plain, reused, unsure, the last one running fastest. */
static const enum policy_verdict of_host[32] = {
    LATER, LATER, LATER, LATER, PLAIN, PLAIN,  PLAIN,  PLAIN,  NEXT,   NEXT,  NEXT,
    NEXT,  PLAIN, PLAIN, PLAIN, PLAIN, RETURN, RETURN, RETURN, RETURN, PLAIN, PLAIN,
    PLAIN, PLAIN, NEXT,  NEXT,  NEXT,  NEXT,   PLAIN,  PLAIN,  PLAIN,  PLAIN,
};
static const enum policy_verdict of_session[32] = {
    LATER,  UNSURE, RETURN, UNSURE, LATER,  UNSURE, RETURN, UNSURE, NEXT,   UNSURE, RETURN,
    UNSURE, NEXT,   UNSURE, RETURN, UNSURE, LATER,  UNSURE, RETURN, UNSURE, LATER,  UNSURE,
    RETURN, UNSURE, NEXT,   UNSURE, RETURN, UNSURE, NEXT,   UNSURE, RETURN, UNSURE,
};

static struct policy_answer answer(enum smtp_scope scope, const struct smtp_reply *r,
                                   unsigned facts)
{
    return (struct policy_answer){.scope = scope,
                                  .reply = r->code ? r : NULL,
                                  .is_unsure = facts & 1,
                                  .is_reused = facts & 2,
                                  .may_go_plain = facts & 4,
                                  .has_next_host = facts & 8,
                                  .is_crowded = facts & 16,
                                  .may_go_by_data = facts & 32,
                                  .has_others = facts & 64};
}

static enum policy_verdict of_lost_session(unsigned facts)
{
    bool is_by_data = (facts & 32) && !(facts & 1); /* never what may have been taken */
    return is_by_data ? BY_DATA : of_session[facts % 32];
}

static void all_combinations(void **state)
{
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        static struct smtp_reply r;
        r.code = said[i].code;
        r.status = said[i].status;
        for (unsigned facts = 0; facts < FACTS; facts++) {
            const enum policy_verdict want[] = {
                [SMTP_SCOPE_HOST] = of_host[facts % 32],
                [SMTP_SCOPE_SESSION] = of_lost_session(facts),
                [SMTP_SCOPE_MESSAGE] = said[i].message,
                [SMTP_SCOPE_RECIPIENT] = facts & 64 ? said[i].with_others : said[i].recipient};
            for (unsigned scope = 0; scope < COUNT_OF(want); scope++) {
                struct policy_answer a = answer((enum smtp_scope)scope, &r, facts);
                enum policy_verdict got = policy_outcome(&a);
                if (got != want[scope])
                    fail_msg("%s, scope %u, facts %u: %d, not %d", said[i].shown, scope, facts, got,
                             want[scope]);
            }
        }
    }
}

/* No reply bounces but 5xx to a message or its recipient, none delivers but 2xx; a lost dot is
 * never anything but unsure, and nothing else is; nothing goes to a host that there is not. */
static void every_code(void **state)
{
    static struct smtp_reply r;
    for (r.code = 0; r.code < 1000; r.code++)
        for (r.status.subject = 0; r.status.subject < 8; r.status.subject++)
            for (unsigned n = 0; n < 4 * FACTS; n++) {
                struct policy_answer a = answer((enum smtp_scope)(n / FACTS), &r, n % FACTS);
                enum policy_verdict v = policy_outcome(&a);
                bool is_of_mail = a.scope >= SMTP_SCOPE_MESSAGE;
                assert_true(v != BOUNCE || (r.code / 100 == 5 && is_of_mail));
                assert_true(v != DELIVERED || (r.code / 100 == 2 && is_of_mail));
                assert_int_equal(v == UNSURE, a.scope == SMTP_SCOPE_SESSION && a.is_unsure);
                assert_true(v != NEXT || a.has_next_host || r.code == 421);
                assert_true(v != PLAIN || a.may_go_plain);
                assert_true(v != BY_DATA || a.may_go_by_data);
                bool may_be_anew = a.scope == SMTP_SCOPE_RECIPIENT && a.has_others && r.code >= 400;
                assert_true(v != ANEW || may_be_anew); /* or it would go on for ever */
            }
}

static void statuses(void **state)
{
    static const struct {
        const char *shown;
        enum smtp_scope scope;
        struct smtp_status given;
        bool has_reply;
        enum policy_verdict verdict;
        struct smtp_status status;
    } cases[] = {
        {"theirs", SMTP_SCOPE_RECIPIENT, {5, 1, 1}, true, BOUNCE, {5, 1, 1}},
        {"theirs, temporary", SMTP_SCOPE_RECIPIENT, {4, 2, 2}, true, LATER, {4, 2, 2}},
        {"none given", SMTP_SCOPE_MESSAGE, {0, 0, 0}, true, BOUNCE, {5, 0, 0}},
        {"none given, temporary", SMTP_SCOPE_MESSAGE, {0, 0, 0}, true, LATER, {4, 0, 0}},
        {"theirs contradicts", SMTP_SCOPE_MESSAGE, {4, 2, 2}, true, BOUNCE, {5, 0, 0}},
        {"theirs is permanent, the verdict is not",
         SMTP_SCOPE_MESSAGE,
         {5, 2, 2},
         true,
         LATER,
         {4, 0, 0}},
        {"no reply", SMTP_SCOPE_MESSAGE, {0, 0, 0}, false, BOUNCE, {5, 0, 0}},
        {"a host's own words", SMTP_SCOPE_HOST, {4, 7, 0}, true, LATER, {4, 7, 0}},
        {"a host refuses for good, for now", SMTP_SCOPE_HOST, {5, 7, 1}, true, LATER, {4, 4, 1}},
        {"a silent host", SMTP_SCOPE_HOST, {0, 0, 0}, false, LATER, {4, 4, 1}},
        {"a lost line", SMTP_SCOPE_SESSION, {0, 0, 0}, false, LATER, {4, 4, 2}},
        {"a lost dot", SMTP_SCOPE_SESSION, {0, 0, 0}, false, UNSURE, {4, 4, 2}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        static struct smtp_reply reply;
        reply.status = cases[i].given;
        struct policy_answer a = {.scope = cases[i].scope,
                                  .reply = cases[i].has_reply ? &reply : NULL};
        struct smtp_status s = policy_status(&a, cases[i].verdict);
        if (s.class != cases[i].status.class || s.subject != cases[i].status.subject ||
            s.detail != cases[i].status.detail)
            fail_msg("%s: %s", cases[i].shown, smtp_status_build(s).s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_combinations),
        cmocka_unit_test(every_code),
        cmocka_unit_test(statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
