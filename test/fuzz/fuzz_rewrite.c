/* fuzz_rewrite.c -- whatever the rules and the address: what comes out can be written into a
 * command, ceilings hold, nobody is in it twice, and staging lets nobody through.
 *
 * Input: lines. The first is the address, the others are rules "Xpattern=target,target", X one of
 * a (alias), s (sender), r (recipient), t (allowed in staging). */
#include <stdint.h>
#include <string.h>

#include "rewrite/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RULES_MAX = 32 };

static struct slice target[3][RULES_MAX][4];
static struct rewrite_rule rule[3][RULES_MAX];
static unsigned count[3];
static struct slice allow[RULES_MAX];
static unsigned allow_count;

static bool is_address(struct slice text, unsigned options)
{
    struct mail_address a;
    size_t used;
    return mail_address_parse(text, options | MAIL_ADDRESS_LAX | MAIL_ADDRESS_UTF8, &a, &used) ==
           PARSE_DONE;
}

/* As the configuration checks them. */
static void add_rule(int list, struct slice line)
{
    size_t at = slice_find(line, '=');
    struct slice rest = slice_from(line, at + 1);
    if (at == line.n || count[list] == RULES_MAX)
        return;
    struct rewrite_rule r = {slice_head(line, at), target[list][count[list]], 0};
    while (rest.n && r.target_count < (list ? 1 : 4)) {
        size_t n = slice_find(rest, ',');
        struct slice t = slice_head(rest, n);
        bool is_domain = t.n && t.p[0] == '@' && mail_domain_is_valid(slice_from(t, 1), 0);
        if (!is_domain &&
            !(t.n <= MAIL_ADDRESS_BYTES_MAX && is_address(t, list ? 0 : MAIL_ADDRESS_UNQUALIFIED)))
            return;
        r.targets[r.target_count++] = t;
        rest = slice_from(rest, n + 1);
    }
    if (r.target_count)
        rule[list][count[list]++] = r;
}

static void check(struct slice out)
{
    CHECK(out.n <= MAIL_ADDRESS_BYTES_MAX);
    for (size_t i = 0; i < out.n; i++)
        CHECK((uint8_t)out.p[i] >= ' ' && out.p[i] != 0x7f);
}

static void check_list(const struct rewrite_options *o, const struct rewrite_list *l)
{
    CHECK(l->count <= REWRITE_TARGETS_MAX && (l->count || l->is_too_many));
    for (unsigned i = 0; i < l->count; i++) {
        struct slice address = rewrite_text_slice(&l->address[i]);
        check(address);
        CHECK(rewrite_may_leave(o, address));
        for (unsigned k = 0; k < i; k++)
            CHECK(!slice_eq(address, rewrite_text_slice(&l->address[k])));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rewrite_list list;
    struct slice in = slice_of((const char *)data, size);
    size_t n = slice_find(in, '\n');
    struct slice address = slice_head(in, n);
    memset(count, 0, sizeof count);
    allow_count = 0;
    if (address.n > MAIL_ADDRESS_BYTES_MAX || !is_address(address, 0))
        return 0;
    for (in = slice_from(in, n + 1); in.n; in = slice_from(in, n + 1)) {
        n = slice_find(in, '\n');
        struct slice line = slice_head(in, n);
        const char *list_name = line.n ? memchr("asr", line.p[0], 3) : NULL;
        if (list_name)
            add_rule((int)(*list_name == 'a' ? 0 : *list_name == 's' ? 1 : 2), slice_from(line, 1));
        else if (line.n && line.p[0] == 't' && allow_count < RULES_MAX)
            allow[allow_count++] = slice_from(line, 1);
    }
    struct rewrite_options o = {.aliases = rule[0],
                                .senders = rule[1],
                                .recipients = rule[2],
                                .alias_count = count[0],
                                .sender_count = count[1],
                                .recipient_count = count[2],
                                .staging_mailbox = SLICE("stage@example.org"),
                                .staging_allow = allow,
                                .staging_allow_count = allow_count};
    struct rewrite_text sender;
    rewrite_sender(&o, SLICE("h.example"), address, &sender);
    check(rewrite_text_slice(&sender));
    for (int i = 0; i < 2; i++) {
        o.environment = i ? REWRITE_STAGING : REWRITE_PRODUCTION;
        rewrite_recipient(&o, SLICE("h.example"), address, &list);
        check_list(&o, &list);
        CHECK(i || !list.is_redirected);
    }
    (void)rewrite_find_loop(&o, SLICE("h.example"));
    return 0;
}
