/* test_policy_hint.c -- when refusals ask to come again, in the words of real servers, and what
 * only looks like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy_hint.h"

#define S 1000LL
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)

static const struct {
    const char *text;
    int64_t ms; /* 0: none */
} rows[] = {
    {"<r@a>: Recipient address rejected: Greylisted for 300 seconds", 300 * S},
    {"Greylisted, see http://postgrey.schweikert.ch/help/example.org.html", 0},
    {"Greylisting in action, please come back in 00:04:32", 272 * S},
    {"greylisted, try again in 5 minutes.", 5 * M},
    {"Please try again in 300 seconds", 300 * S},
    {"PLEASE RETRY AFTER 5 MINUTES", 5 * M},
    {"please retry after 00:04:32", 272 * S},
    {"Try again after 4:32.", 272 * S},
    {"Retry-After: 120", 120 * S},
    {"retry-after 90 please", 90 * S},
    {"Retry-After: 2 h", 2 * H},
    {"Too much mail. Please retry in PT5M", 5 * M},
    {"retry after PT1H30M", 90 * M},
    {"retry after P1DT1H", 25 * H},
    {"retry in 300s", 300 * S},
    {"retry in 1h30m", 90 * M},
    {"try again in 4 minutes and 32 seconds", 272 * S},
    {"try again in 1 hour 5 minutes, thank you", 65 * M},
    {"you must wait 10 min before the next message", 10 * M},
    {"Try again in about 2 hours", 2 * H},
    {"wait for at least 3 minutes", 3 * M},
    {"try again in 300 seconds: greylisted", 300 * S},
    {"try again in 5 minutes, 3 hours are too long", 5 * M},
    {"deferred for the next 15 minutes", 15 * M},
    {"come back in another 7 seconds", 7 * S},
    {"retry in 2 days", 2 * D},
    {"retry in 9999999 days", 7 * D},
    {"(greylisted for 60 seconds)", 60 * S},

    {"", 0},
    {"try again later", 0},
    {"try again", 0},
    {"try again in", 0},
    {"try again in 5", 0},
    {"try again in 5 messages", 0},
    {"More than 50 messages in 60 seconds, try again later", 0},
    {"50 messages in 60 seconds. Try again later", 0},
    {"in 5 minutes", 0},
    {"try again in 0 seconds", 0},
    {"retry after 10:75", 0},
    {"retry after 1:2:3:4", 0},
    {"retry after :", 0},
    {"retry after 10:", 0},
    {"retry after PT", 0},
    {"retry after PT5", 0},
    {"retry after P5M", 0},
    {"retry after policy", 0},
    {"retry after 99999999 seconds", 0},
    {"retry after 2026-11-28T12:00:00Z", 0},
    {"try again in -5 minutes", 0},
    {"Service refuse. Veuillez essayer plus tard. OFR_999 [999]", 0},
    {"Messages from 192.0.2.1 temporarily deferred; see https://example.com/5m", 0},
};

static void what_is_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t ms = -1;
        bool has = policy_hint_wait_ms(slice_cstr(rows[i].text), &ms);
        if (has != (rows[i].ms > 0) || (has && ms != rows[i].ms))
            fail_msg("\"%s\": %lld ms", rows[i].text, has ? (long long)ms : 0);
    }
}

/* Each text, cut anywhere, in memory of its own: nothing is read behind its end. */
static void cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t n = 0; n <= strlen(rows[i].text); n++) {
            char *piece = malloc(n ? n : 1);
            assert_non_null(piece);
            memcpy(piece, rows[i].text, n);
            int64_t ms;
            if (policy_hint_wait_ms(slice_of(piece, n), &ms))
                assert_in_range(ms, 1, POLICY_HINT_MS_MAX);
            (void)policy_hint_is_greylisting(451, slice_of(piece, n));
            free(piece);
        }
    }
}

static void greylisting_is_known(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *text;
        bool is_grey;
    } said[] = {
        {450, "<r@a>: Recipient address rejected: Greylisted, see http://postgrey.example", true},
        {451, "Greylisting in action, please come back in 00:05:00", true}, /* milter-greylist */
        {451, "Try again later", false},
        {451, "GREYLISTED, please try again later", true},
        {450, "Try again later (greylist)", true},
        {451, "Temporary failure, please try again later.", true}, /* OpenBSD spamd */
        {451, "Graylisted", true},
        {450, "you are on our grey list", true},
        {451, "Sorry, the service is currently unavailable. Please come back later.", true},
        {450, "mailbox of greyhound@example.org is busy", false},
        {421, "greylisted", false},
        {452, "greylisted", false},
        {550, "greylisted", false},
        {451, "", false},
    };
    for (size_t i = 0; i < COUNT_OF(said); i++)
        if (policy_hint_is_greylisting(said[i].code, slice_cstr(said[i].text)) != said[i].is_grey)
            fail_msg("%d %s", said[i].code, said[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(greylisting_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
