/* policy_reply_builtin.c -- what large providers answer, and what they mean by it.
 *
 * A row is here because the code alone misleads: a 421 that is no trouble of one host but a rate
 * that all of them keep, a 5xx that asks to come again, a 4xx or a greeting that will not change.
 * Each has a reply in test_policy_reply_builtin.c and a line in doc/shaping.md. */
#include "policy/policy_reply.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

static const struct slice google[] = {SLICE_INIT("*.google.com"), SLICE_INIT("*.googlemail.com"),
                                      SLICE_INIT("*.gmail.com")};
static const struct slice microsoft[] = {SLICE_INIT("*.outlook.com"), SLICE_INIT("*.mx.microsoft"),
                                         SLICE_INIT("*.hotmail.com")};
static const struct slice yahoo[] = {SLICE_INIT("*.yahoodns.net"), SLICE_INIT("*.yahoo.com")};
static const struct slice apple[] = {SLICE_INIT("*.icloud.com")};
static const struct slice comcast[] = {SLICE_INIT("*.comcast.net")};
static const struct slice orange[] = {SLICE_INIT("*.orange.fr"), SLICE_INIT("*.wanadoo.fr")};
static const struct slice laposte[] = {SLICE_INIT("*.laposte.net")};
static const struct slice united[] = {SLICE_INIT("*.gmx.net"), SLICE_INIT("*.web.de"),
                                      SLICE_INIT("*.kundenserver.de")};
static const struct slice telekom[] = {SLICE_INIT("*.t-online.de")};
static const struct slice mailru[] = {SLICE_INIT("*.mail.ru")};
static const struct slice tencent[] = {SLICE_INIT("*.qq.com")};
static const struct slice mimecast[] = {SLICE_INIT("*.mimecast.com")};

#define AT(provider) .where = {.hosts = provider, .host_count = COUNT_OF(provider)}
#define RULE(name_, code_, status_, text_, then_, ...)                                             \
    {                                                                                              \
        .name = SLICE_INIT(name_), .code = SLICE_INIT(code_), .status = SLICE_INIT(status_),       \
        .text = SLICE_INIT(text_), .then = POLICY_REPLY_##then_, .is_builtin = true, __VA_ARGS__   \
    }

const struct policy_reply_rule policy_reply_builtin[] = {
    /* One mailbox gets too much: nothing is said of the others, also where the code is 550. */
    RULE("google-user-rate", "", "", "*receiving mail at a rate that prevents*", TEMPORARY,
         AT(google)),
    RULE("google-daily-limit", "550", "5.4.5", "*sending limit exceeded*", BACK_OFF, AT(google),
         .for_ms = HOUR_MS),
    RULE("google-rate", "4??", "4.7.28", "", BACK_OFF, AT(google), .for_ms = 30 * MINUTE_MS),
    RULE("google-reputation", "421", "4.7.0", "*suspicious due to*", BACK_OFF, AT(google),
         .for_ms = 30 * MINUTE_MS),
    RULE("google-busy", "421", "4.7.0", "try again later*", SLOW_DOWN, AT(google),
         .for_ms = 15 * MINUTE_MS),

    RULE("microsoft-blocked", "", "", "*on our block list*", PERMANENT, AT(microsoft)),
    RULE("microsoft-connections", "4??", "4.7.652", "", SLOW_DOWN, AT(microsoft),
         .for_ms = 15 * MINUTE_MS),
    RULE("microsoft-rate", "4??", "4.7.65*", "", BACK_OFF, AT(microsoft), .for_ms = 30 * MINUTE_MS),
    RULE("microsoft-busy", "4??", "4.7.500", "", BACK_OFF, AT(microsoft), .for_ms = 10 * MINUTE_MS),
    RULE("microsoft-limits", "421", "", "RP-00*", BACK_OFF, AT(microsoft), .for_ms = HOUR_MS),
    RULE("microsoft-forest", "421", "4.3.2", "*concurrent*connections*", SLOW_DOWN, AT(microsoft),
         .for_ms = 15 * MINUTE_MS),

    /* "permanently deferred; Retrying will NOT succeed", and yet it is a 421. */
    RULE("yahoo-refused", "4??", "", "*permanently deferred*", PERMANENT, AT(yahoo)),
    RULE("yahoo-deferred", "4??", "", "*[TS*temporarily deferred*", BACK_OFF, AT(yahoo),
         .for_ms = 30 * MINUTE_MS),
    RULE("yahoo-blocked", "5??", "", "*connections will not be accepted from*", PERMANENT,
         AT(yahoo)),

    RULE("apple-policy", "4??", "", "*due to local policy*", BACK_OFF, AT(apple),
         .for_ms = 30 * MINUTE_MS),

    RULE("comcast-rate", "4??", "", "*RL0000*", BACK_OFF, AT(comcast), .for_ms = 15 * MINUTE_MS),
    RULE("comcast-sessions", "421", "", "*too many sessions*", SLOW_DOWN, AT(comcast),
         .for_ms = 15 * MINUTE_MS),

    RULE("orange-connections", "421", "", "*OFR*104*", SLOW_DOWN, AT(orange),
         .for_ms = 15 * MINUTE_MS),
    RULE("orange-refused", "421", "", "*OFR_999*", BACK_OFF, AT(orange), .for_ms = 30 * MINUTE_MS),
    RULE("laposte-refused", "550", "5.7.1", "*please try later*", BACK_OFF, AT(laposte),
         .for_ms = 30 * MINUTE_MS),

    RULE("united-limit", "4??", "", "*mail send limit exceeded*", BACK_OFF, AT(united),
         .for_ms = HOUR_MS),
    RULE("united-policy", "4??", "", "*requested mail action not taken*policy*", BACK_OFF,
         AT(united), .for_ms = 30 * MINUTE_MS),

    /* In place of the greeting, to whoever is not welcome. */
    RULE("t-online-blocked", "554", "", "*tosa@rx.t-online.de*", PERMANENT, AT(telekom)),

    RULE("mail-ru-rate", "4??", "", "*too many messages*", BACK_OFF, AT(mailru),
         .for_ms = 30 * MINUTE_MS),
    RULE("qq-rate", "550", "", "*frequency limited*", BACK_OFF, AT(tencent),
         .for_ms = 30 * MINUTE_MS),
    RULE("mimecast-blocked", "4??", "", "*temporarily blacklisted*", BACK_OFF, AT(mimecast),
         .for_ms = 30 * MINUTE_MS),

    /* Whoever says so. */
    RULE("connections", "421", "", "*too many*connections*", SLOW_DOWN, .for_ms = 10 * MINUTE_MS),
    RULE("sessions", "421", "", "*too many*sessions*", SLOW_DOWN, .for_ms = 10 * MINUTE_MS),
    RULE("rate", "421", "", "*rate limit*", SLOW_DOWN, .for_ms = 10 * MINUTE_MS),
};
const unsigned policy_reply_builtin_count = COUNT_OF(policy_reply_builtin);
