/* test_policy_reply_builtin.c -- our own rules, each at replies as the providers send them, and
 * doc/shaping.md, which lists them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy_reply.h"

#define GOOGLE "gmail-smtp-in.l.google.com"
#define ALT "alt1.aspmx.l.google.com"
#define M365 "example-com.mail.protection.outlook.com"
#define HOTMAIL "hotmail-com.olc.protection.outlook.com"
#define YAHOO "mta7.am0.yahoodns.net"
#define ICLOUD "mx01.mail.icloud.com"
#define COMCAST "mx1.comcast.net"
#define ORANGE "smtp-in.orange.fr"
#define LAPOSTE "smtp4.laposte.net"
#define GMX "mx00.gmx.net"
#define WEBDE "mx-ha02.web.de"
#define TELEKOM "mx00.t-online.de"
#define MAILRU "mxs.mail.ru"
#define QQ "mx3.qq.com"
#define MIMECAST "eu-smtp-inbound-1.mimecast.com"

static const struct {
    const char *host, *wire, *rule; /* rule NULL: the table's verdict stands */
    enum policy_reply_then then;
} rows[] = {
    {GOOGLE,
     "421-4.7.28 [192.0.2.1      15] Our system has detected an unusual rate of\r\n"
     "421-4.7.28 unsolicited mail originating from your IP address. To protect our\r\n"
     "421 4.7.28 users from spam, mail sent from your IP address has been temporarily\r\n",
     "google-rate", POLICY_REPLY_BACK_OFF},
    {ALT,
     "421-4.7.0 [192.0.2.1      15] Our system has detected that this message is\r\n"
     "421-4.7.0 suspicious due to the very low reputation of the sending IP address.\r\n"
     "421 4.7.0 To protect our users from spam, mail sent from your IP has been deferred\r\n",
     "google-reputation", POLICY_REPLY_BACK_OFF},
    {GOOGLE, "421 4.7.0 Try again later, closing connection. (EHLO) x-v6si - gsmtp\r\n",
     "google-busy", POLICY_REPLY_SLOW_DOWN},
    {GOOGLE,
     "450-4.2.1 The user you are trying to contact is receiving mail at a rate that\r\n"
     "450-4.2.1 prevents additional messages from being delivered. Please resend your\r\n"
     "450 4.2.1 message at a later time.\r\n",
     "google-user-rate", POLICY_REPLY_TEMPORARY},
    {GOOGLE,
     "550-5.2.1 The user you are trying to contact is receiving mail at a rate that\r\n"
     "550 5.2.1 prevents additional messages from being delivered. x - gsmtp\r\n",
     "google-user-rate", POLICY_REPLY_TEMPORARY},
    {"smtp.gmail.com",
     "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\r\n"
     "550 5.4.5 sending limits go to https://support.google.com/a/answer/166852 - gsmtp\r\n",
     "google-daily-limit", POLICY_REPLY_BACK_OFF},
    {GOOGLE,
     "550-5.1.1 The email account that you tried to reach does not exist.\r\n550 5.1.1 x\r\n", NULL,
     0},
    {GOOGLE, "452 4.2.2 The email account that you tried to reach is over quota.\r\n", NULL, 0},

    {HOTMAIL, "451 4.7.500 Server busy. Please try again later from [192.0.2.2]. (AS761)\r\n",
     "microsoft-busy", POLICY_REPLY_BACK_OFF},
    {M365, "451 4.7.500 Server busy. Please try again later from [192.0.2.2]. (S77714)\r\n",
     "microsoft-busy", POLICY_REPLY_BACK_OFF},
    {HOTMAIL,
     "451 4.7.650 The mail server [192.0.2.2] has been temporarily rate limited due to IP "
     "reputation. For e-mail delivery information see https://postmaster.live.com (S775)\r\n",
     "microsoft-rate", POLICY_REPLY_BACK_OFF},
    {HOTMAIL,
     "451 4.7.651 The mail server [192.0.2.2] has been temporarily rate limited due to IP "
     "reputation. For e-mail delivery information, see https://aka.ms/postmaster (S843)\r\n",
     "microsoft-rate", POLICY_REPLY_BACK_OFF},
    {HOTMAIL,
     "451 4.7.652 The mail server [192.0.2.2] has exceeded the maximum number of connections. "
     "(S3115)\r\n",
     "microsoft-connections", POLICY_REPLY_SLOW_DOWN},
    {HOTMAIL,
     "421 RP-001 (COL004-MC6F20) Unfortunately, some messages from 192.0.2.2 weren't sent. Please "
     "try again. We have limits for how many messages can be sent per hour and per day.\r\n",
     "microsoft-limits", POLICY_REPLY_BACK_OFF},
    {M365,
     "421 4.3.2 The maximum number of concurrent server connections has exceeded a limit, closing "
     "transmission channel\r\n",
     "microsoft-forest", POLICY_REPLY_SLOW_DOWN},
    {HOTMAIL,
     "550 5.7.1 Unfortunately, messages from [192.0.2.2] weren't sent. Please contact your "
     "Internet "
     "service provider since part of their network is on our block list (S3140).\r\n",
     "microsoft-blocked", POLICY_REPLY_PERMANENT},
    {M365, "452 4.5.3 Too many recipients (AS780090)\r\n", NULL, 0},
    {M365, "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)\r\n", NULL, 0},

    {YAHOO,
     "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or "
     "user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes\r\n",
     "yahoo-deferred", POLICY_REPLY_BACK_OFF},
    {YAHOO,
     "421 4.7.0 [TS01] Messages from 192.0.2.1 temporarily deferred due to user complaints - "
     "4.16.55.1; see https://postmaster.yahooinc.com/error-codes\r\n",
     "yahoo-deferred", POLICY_REPLY_BACK_OFF},
    {YAHOO,
     "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT "
     "succeed. See https://postmaster.yahooinc.com/error-codes\r\n",
     "yahoo-refused", POLICY_REPLY_PERMANENT},
    {YAHOO,
     "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in "
     "Spamhaus's list; see https://postmaster.yahooinc.com/error-codes\r\n",
     "yahoo-blocked", POLICY_REPLY_PERMANENT},

    {ICLOUD, "421 4.7.1 [CS01] Message rejected due to local policy.\r\n", "apple-policy",
     POLICY_REPLY_BACK_OFF},
    {ICLOUD, "550 5.7.1 [CS01] Message rejected due to local policy.\r\n", NULL, 0},

    {COMCAST,
     "421 4.1.0 192.0.2.1 Throttled - try again later. Please see "
     "https://postmaster.comcast.net/mail-error-codes.php#RL000001\r\n",
     "comcast-rate", POLICY_REPLY_BACK_OFF},
    {COMCAST, "421 resimta-ch2-12v.sys.comcast.net comcast Too many sessions open, try later\r\n",
     "comcast-sessions", POLICY_REPLY_SLOW_DOWN},

    {ORANGE,
     "421 opmta1mti19nd1 Trop de connexions, veuillez verifier votre configuration. Too many "
     "connections, slow down. OFR004_104 [104]\r\n",
     "orange-connections", POLICY_REPLY_SLOW_DOWN},
    {ORANGE,
     "421 mwinf5c77 ME Service refuse. Veuillez essayer plus tard. Service refused, please try "
     "later. OFR_999 [999]\r\n",
     "orange-refused", POLICY_REPLY_BACK_OFF},
    {LAPOSTE,
     "550 5.7.1 Service refuse. Veuillez essayer plus tard. service refused, please try later. "
     "LPN007_510\r\n",
     "laposte-refused", POLICY_REPLY_BACK_OFF},

    {GMX,
     "450-Requested mail action not taken: mailbox unavailable\r\n"
     "450 Mail send limit exceeded. For explanation visit https://postmaster.gmx.net\r\n",
     "united-limit", POLICY_REPLY_BACK_OFF},
    {WEBDE,
     "421-Requested mail action not taken: mailbox unavailable\r\n"
     "421 Reject due to policy restrictions.\r\n",
     "united-policy", POLICY_REPLY_BACK_OFF},
    {WEBDE, "550 Requested action not taken: mailbox unavailable\r\n", NULL, 0},

    {TELEKOM,
     "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact "
     "tosa@rx.t-online.de to clarify.) (BL)\r\n",
     "t-online-blocked", POLICY_REPLY_PERMANENT},

    {MAILRU, "451 Too many messages from 192.0.2.1; try again later.\r\n", "mail-ru-rate",
     POLICY_REPLY_BACK_OFF},
    {QQ, "550 Ip frequency limited [x]. https://service.mail.qq.com/\r\n", "qq-rate",
     POLICY_REPLY_BACK_OFF},
    {MIMECAST, "451 IP temporarily blacklisted - https://community.mimecast.com/docs/DOC-1369\r\n",
     "mimecast-blocked", POLICY_REPLY_BACK_OFF},

    {"mx.example.org", "421 4.7.0 mx.example.org Error: too many connections from 192.0.2.1\r\n",
     "connections", POLICY_REPLY_SLOW_DOWN},
    {"mx.example.org", "421 Connection refused, too many sessions from 192.0.2.1. IB007\r\n",
     "sessions", POLICY_REPLY_SLOW_DOWN},
    {"mx.example.org", "421 4.7.0 Rate limit exceeded\r\n", "rate", POLICY_REPLY_SLOW_DOWN},
    {"mx.example.org", "450 4.2.1 Rate limit of this mailbox\r\n", NULL, 0},
    /* A provider's words count only where the provider says them. */
    {"mx.example.org", "421 4.7.0 [TSS04] Messages temporarily deferred\r\n", NULL, 0},
    {"google.com.example.org", "421 4.7.28 unusual\r\n", NULL, 0},
    {YAHOO, "421 4.7.28 unusual\r\n", NULL, 0},
};

static const struct policy_reply_rule *find(size_t i)
{
    struct smtp_reply r;
    size_t used;
    assert_int_equal(smtp_reply_parse(slice_cstr(rows[i].wire), &r, &used), PARSE_DONE);
    struct slice host = slice_cstr(rows[i].host);
    struct policy_place p = {.domain = SLICE("example.com"), .hosts = &host, .host_count = 1};
    struct buf text;
    buf_init(&text, POLICY_REPLY_TEXT_BYTES_MAX + 2);
    policy_reply_text(&r, &text);
    const struct policy_reply_rule *rule = policy_reply_find(
        policy_reply_builtin, policy_reply_builtin_count, &p, &r, buf_slice(&text));
    buf_close(&text);
    return rule;
}

static void replies_of_providers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct policy_reply_rule *rule = find(i);
        struct slice name = rule ? rule->name : SLICE_NONE;
        if (!slice_eq(name, slice_cstr(rows[i].rule)) || (rule && rule->then != rows[i].then))
            fail_msg("%s: %.40s: %.*s", rows[i].host, rows[i].wire, SLICE_FMT(name));
    }
}

static void each_rule_has_a_reply(void **state)
{
    (void)state;
    for (unsigned k = 0; k < policy_reply_builtin_count; k++) {
        const struct policy_reply_rule *rule = &policy_reply_builtin[k];
        bool is_shown = false;
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            is_shown |= slice_eq(slice_cstr(rows[i].rule), rule->name);
        bool takes_time =
            rule->then == POLICY_REPLY_BACK_OFF || rule->then == POLICY_REPLY_SLOW_DOWN;
        if (!is_shown || takes_time != (rule->for_ms > 0) || !rule->is_builtin)
            fail_msg("%.*s", SLICE_FMT(rule->name));
        for (unsigned i = 0; i < k; i++)
            assert_false(slice_eq(policy_reply_builtin[i].name, rule->name));
    }
}

/* The line of a rule in the documentation. */
static void build_line(const struct policy_reply_rule *rule, struct buf *out)
{
    buf_addf(out, "| `%.*s` | ", SLICE_FMT(rule->name));
    for (unsigned i = 0; i < rule->where.host_count; i++)
        buf_addf(out, "%s`%.*s`", i ? " " : "", SLICE_FMT(rule->where.hosts[i]));
    buf_addf(out, "%s | %.*s | %.*s | ", rule->where.host_count ? "" : "any", SLICE_FMT(rule->code),
             SLICE_FMT(rule->status));
    if (rule->text.n)
        buf_addf(out, "`%.*s`", SLICE_FMT(rule->text));
    buf_addf(out, " | %s", policy_reply_then_word[rule->then]);
    if (rule->for_ms)
        buf_addf(out, ", %lldm", (long long)rule->for_ms / 60000);
    buf_add_cstr(out, " |\n");
}

static void doc_path(char *path, size_t max)
{
    static const char here[] = "test/unit/policy/test_policy_reply_builtin.c";
    size_t n = strlen(__FILE__) - strlen(here);
    assert_string_equal(&__FILE__[n], here);
    assert_true(snprintf(path, max, "%.*sdoc/shaping.md", (int)n, __FILE__) < (int)max);
}

/* OUTPOST_REWRITE=1 writes the table anew. */
static void the_documentation_lists_them(void **state)
{
    (void)state;
    static const char begin[] = "| --- | --- | --- | --- | --- | --- |\n", end[] = "\n<!-- end";
    static char doc[200000];
    char path[4096];
    doc_path(path, sizeof path);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s cannot be opened", path);
    doc[fread(doc, 1, sizeof doc - 1, f)] = 0;
    fclose(f);
    char *from = strstr(doc, begin), *to = strstr(doc, end);
    assert_non_null(from);
    assert_non_null(to);
    from += strlen(begin);
    struct buf all;
    buf_init(&all, 100000);
    for (unsigned i = 0; i < policy_reply_builtin_count; i++)
        build_line(&policy_reply_builtin[i], &all);
    bool is_current = slice_eq(buf_slice(&all), slice_of(from, (size_t)(to - from)));
    if (!is_current && getenv("OUTPOST_REWRITE")) {
        f = fopen(path, "wb");
        assert_non_null(f);
        fprintf(f, "%.*s%s%s", (int)(from - doc), doc, buf_cstr(&all), to);
        fclose(f);
    } else if (!is_current) {
        fail_msg("doc/shaping.md has another table; OUTPOST_REWRITE=1 writes it anew");
    }
    buf_close(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_of_providers),
        cmocka_unit_test(each_rule_has_a_reply),
        cmocka_unit_test(the_documentation_lists_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
