/* fuzz_policy_hint.c -- any words of a peer's: what they ask for is a wait within bounds, and
 * bytes behind a finished clause change nothing of it. */
#include "policy/policy_hint.h"
#include "policy/policy_reply.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    int64_t ms = 0, again = 0;
    bool has = policy_hint_wait_ms(in, &ms);
    CHECK(!has || (ms > 0 && ms <= POLICY_HINT_MS_MAX));
    if (has && size < 4096) {
        char longer[4096 + 64];
        memcpy(longer, data, size);
        memcpy(longer + size, ". Try again in 9 seconds", 24);
        CHECK(policy_hint_wait_ms(slice_of(longer, size + 24), &again) && again == ms);
    }
    (void)policy_hint_is_greylisting(450, in);

    /* The same as a reply: its text keeps its bound, and rules find an end. */
    struct smtp_reply r;
    size_t used;
    if (smtp_reply_parse(in, &r, &used) != PARSE_DONE)
        return 0;
    struct buf text;
    buf_init(&text, POLICY_REPLY_TEXT_BYTES_MAX + 2);
    policy_reply_text(&r, &text);
    CHECK(!text.is_full && text.n <= POLICY_REPLY_TEXT_BYTES_MAX + 1);
    static const struct slice host = SLICE_INIT("mx.google.com");
    struct policy_place p = {.hosts = &host, .host_count = 1};
    const struct policy_reply_rule *rule = policy_reply_find(
        policy_reply_builtin, policy_reply_builtin_count, &p, &r, buf_slice(&text));
    CHECK(!rule || r.code >= 400);
    buf_close(&text);
    return 0;
}
