/* test_rewrite_header.c -- the header editor over headers as the wild has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/header_field.h"
#include "rewrite/rewrite_header.h"

#define S(lit) SLICE_INIT(lit)

static struct slice to_new[] = {S("@new.example")}, to_vip[] = {S("vip@new.example")},
                    to_bob[] = {S("bob@x.example")}, to_no[] = {S("no@x.example")},
                    to_utf8[] = {S("\xc3\xbc@x.example")};
static struct rewrite_rule senders[] = {{S("bob@old.example"), to_bob, 1},
                                        {S("*@old.example"), to_new, 1},
                                        {S("utf@old2.example"), to_utf8, 1}};
static struct rewrite_rule recipients[] = {{S("v@old.example"), to_vip, 1},
                                           {S("*@old.example"), to_new, 1}};
static struct rewrite_rule force[] = {{S("*@forced.example"), to_no, 1},
                                      {S("s@sender.example"), to_no, 1}};
static struct slice masked[] = {S("corp.example")};
static struct slice removed[] = {S("X-Secret"), S("Organization")};
static struct slice added[] = {S("X-Relay: ours"), S("Organization: We")};

/* Nothing but what always happens; then everything. */
static struct rewrite_options plain(void)
{
    return (struct rewrite_options){.domain = SLICE("d.example")};
}

static struct rewrite_options full(void)
{
    return (struct rewrite_options){.domain = SLICE("d.example"),
                                    .senders = senders,
                                    .sender_count = COUNT_OF(senders),
                                    .recipients = recipients,
                                    .recipient_count = COUNT_OF(recipients),
                                    .from = force,
                                    .from_count = COUNT_OF(force),
                                    .masquerade = masked,
                                    .masquerade_count = 1};
}

static struct rewrite_options fields(void)
{
    return (struct rewrite_options){.unqualified = REWRITE_UNQUALIFIED_REFUSED,
                                    .remove_headers = removed,
                                    .remove_header_count = COUNT_OF(removed),
                                    .add_headers = added,
                                    .add_header_count = COUNT_OF(added)};
}

static const struct rewrite_message message = {SLICE_INIT("h.example"), SLICE_INIT("e@s.example"),
                                               false};

struct row {
    const char *name;
    const char *in, *out; /* out NULL: the same */
    const char *told;     /* changed; NULL: not looked at */
};

static void check_row(const struct rewrite_options *o, const struct rewrite_message *m,
                      const struct row *r)
{
    struct rewrite_header h;
    rewrite_header_build(o, m, slice_cstr(r->in), &h);
    struct slice out = h.outcome == REWRITE_HEADER_SAME ? slice_cstr(r->in) : buf_slice(&h.out);
    const char *wanted = r->out ? r->out : r->in;
    if ((h.outcome == REWRITE_HEADER_SAME) != !r->out || !slice_eq(out, slice_cstr(wanted)))
        fail_msg("%s:\n%.*s\ninstead of\n%s", r->name, SLICE_FMT(out), wanted);
    if (r->told && !slice_eq(slice_of(h.changed.s, h.changed.n), slice_cstr(r->told)))
        fail_msg("%s: told %.*s", r->name, (int)h.changed.n, h.changed.s);
    rewrite_header_close(&h);
}

#define END "\r\n"

static void what_always_happens(void **state)
{
    static const struct row row[] = {
        {"nothing", "", NULL, ""},
        {"the empty line alone", "\r\n", NULL, ""},
        {"nothing to do", "From: a@b.example\r\nTo: c@d.example\r\n" END, NULL, ""},
        {"odd but fine", "from :\ta@b.example\r\nTO:c@d.example,\r\n\t \r\n e@f.example\r\n" END,
         NULL, ""},
        {"without a body", "From: a@b.example\r\n", NULL, ""},
        {"without a line end", "From: a@b.example", NULL, ""},
        {"Bcc", "From: a@b.example\r\nBcc: x@y.example\r\nTo: c@d.example\r\n" END,
         "From: a@b.example\r\nTo: c@d.example\r\n" END, "-Bcc"},
        {"Bcc folded, twice, alone", "bcc :\r\n x@y.example,\r\n\tz@y.example\r\nBCC: \r\n" END,
         END, "-Bcc"},
        {"Resent-Bcc", "Resent-Bcc: x\r\nA: b\r\n" END, "A: b\r\n" END, "-Resent-Bcc"},
        {"Bcc at the end without one", "A: b\r\nBcc: x", "A: b\r\n", "-Bcc"},
        {"not Bcc", "X-Bcc: x\r\nBccc: x\r\n" END, NULL, ""},
        {"stuffed fields stay", "..a: b\r\nBcc: x\r\n.\tc\r\n..d: e\r\n" END,
         "..a: b\r\n..d: e\r\n" END, "-Bcc"},
        {"a dot hides Bcc", ".Bcc: x\r\nA: b\r\n" END, "A: b\r\n" END, "-Bcc"},
        {"a dot hides a continuation", "A: b\r\nBcc: x\r\n. y@z.example\r\n" END, "A: b\r\n" END,
         "-Bcc"},
        {"unqualified", "From: root\r\nTo: a, \"B\" <b>, c@d.example\r\n" END,
         "From: root@d.example\r\nTo: a@d.example, \"B\" <b@d.example>, c@d.example\r\n" END,
         "From,To"},
        {"unqualified with comments", "From: root (Cron (x) Daemon)\r\n" END,
         "From: root@d.example (Cron (x) Daemon)\r\n" END, "From"},
        {"a name is no address",
         "To: \"Undisclosed recipients\"\r\nCc: undisclosed recipients\r\n" END, NULL, ""},
        {"an empty group", "To: undisclosed-recipients:;\r\n" END, NULL, ""},
        {"other fields", "Subject: root\r\nX-To: root\r\nErrors-To: root\r\n" END, NULL, ""},
        {"several authors", "From: a@b.example, c@d.example\r\n" END,
         "Sender: <e@s.example>\r\nFrom: a@b.example, c@d.example\r\n" END, "+Sender"},
        {"several authors and a sender",
         "From: a@b.example, c@d.example\r\nSender: a@b.example\r\n" END, NULL, ""},
        {"CR alone", "From: a\rb@c.example\r\nTo: x\r\n" END,
         "From: a\rb@c.example\r\nTo: x@d.example\r\n" END, "To"},
        {"LF alone", "From: a@b.example\nTo: x\n\n", "From: a@b.example\nTo: x@d.example\n\n",
         "To"},
        {"no address at all", "From: ,,;\r\nTo:\r\nCc: <>\r\nSender: @@\r\n" END, NULL, ""},
        {"not closed", "From: (a\r\nTo: \"b\r\nCc: <c\r\nSender: [\r\nReply-To: a\\\r\n" END, NULL,
         ""},
        {"what was read before it cannot be", "To: a, b, <c d>, e\r\n" END,
         "To: a@d.example, b@d.example, <c d>, e\r\n" END, "To"},
    };
    struct rewrite_options o = plain();
    for (size_t i = 0; i < COUNT_OF(row); i++)
        check_row(&o, &message, &row[i]);
}

static void addresses_are_mapped(void **state)
{
    static const struct row row[] = {
        {"bare", "From: a@old.example\r\n" END, "From: a@new.example\r\n" END, "From"},
        {"the first rule", "From: Bob@OLD.example\r\n" END, "From: bob@x.example\r\n" END, "From"},
        {"lists are apart", "From: v@old.example\r\nTo: v@old.example, bob@old.example\r\n" END,
         "From: v@new.example\r\nTo: vip@new.example, bob@new.example\r\n" END, "From,To"},
        {"all fields",
         "Sender: a@old.example\r\nReply-To: a@old.example\r\nCc: a@old.example\r\n"
         "Resent-From: a@old.example\r\nResent-Sender: a@old.example\r\nResent-To: "
         "a@old.example\r\n"
         "Resent-Cc: a@old.example\r\nResent-Reply-To: a@old.example\r\n" END,
         "Sender: a@new.example\r\nReply-To: a@new.example\r\nCc: a@new.example\r\n"
         "Resent-From: a@new.example\r\nResent-Sender: a@new.example\r\nResent-To: "
         "a@new.example\r\n"
         "Resent-Cc: a@new.example\r\nResent-Reply-To: a@new.example\r\n" END,
         "Sender,Reply-To,Cc,Resent-From,Resent-Sender,Resent-To,Resent-Cc,Resent-Reply-To"},
        {"name, comment, folding",
         "From: \"A, \\\"x\\\" <b@old.example>\" (c@old.example)\r\n\t<a@old.example> (d)\r\n" END,
         "From: \"A, \\\"x\\\" <b@old.example>\" (c@old.example)\r\n\t<a@new.example> (d)\r\n" END,
         "From"},
        {"encoded words",
         "From: =?utf-8?q?J=C3=BCrgen_=3Ca=40old=2Eexample=3E?= <j@old.example>\r\n" END,
         "From: =?utf-8?q?J=C3=BCrgen_=3Ca=40old=2Eexample=3E?= <j@new.example>\r\n" END, "From"},
        {"8-bit names", "To: J\xfcrgen <j@old.example>, \xe2\x82\xac <k@old.example>\r\n" END,
         "To: J\xfcrgen <j@new.example>, \xe2\x82\xac <k@new.example>\r\n" END, "To"},
        {"groups", "To: team: a@old.example,\r\n B <b@old.example>;, c@old.example\r\n" END,
         "To: team: a@new.example,\r\n B <b@new.example>;, c@new.example\r\n" END, "To"},
        {"comments within", "To: a (x) @ (y (z)) old.example, <b(q)@old.example>\r\n" END,
         "To: a@new.example (x) (y (z)), <b@new.example (q)>\r\n" END, "To"},
        {"a source route", "To: <@h.example,@i.example:a@old.example>\r\n" END,
         "To: <a@new.example>\r\n" END, "To"},
        {"quoted local parts", "To: \"a b\"@old.example, \"a(\\\"\"@old.example\r\n" END,
         "To: \"a b\"@new.example, \"a(\\\"\"@new.example\r\n" END, "To"},
        {"folded within", "To: a\r\n @old.example,\r\n b@old.example\r\n" END,
         "To: a@new.example,\r\n b@new.example\r\n" END, "To"},
        {"masquerade",
         "From: a@web.corp.example\r\nTo: b@x.y.CORP.example, c@corp.example,"
         " d@xcorp.example\r\n" END,
         "From: a@corp.example\r\nTo: b@corp.example, c@corp.example, d@xcorp.example\r\n" END,
         "From,To"},
        {"UTF-8 only where it may be", "From: utf@old2.example\r\n" END, NULL, ""},
        {"forced", "From: \"B\" <b@forced.example>\r\nTo: x@y.example\r\n" END,
         "From: \"B\" <no@x.example>\r\nReply-To: \"B\" <b@forced.example>\r\nTo: "
         "x@y.example\r\n" END,
         "From,+Reply-To"},
        {"forced, with Reply-To", "Reply-To: r@y.example\r\nFrom: b@forced.example\r\n" END,
         "Reply-To: r@y.example\r\nFrom: no@x.example\r\n" END, "From"},
        {"forced, twice", "From: b@forced.example\r\nFrom: c@forced.example\r\n" END,
         "Sender: <e@s.example>\r\nFrom: no@x.example\r\nReply-To: b@forced.example\r\n"
         "From: no@x.example\r\n" END,
         "From,+Reply-To,+Sender"},
        {"forced at the cut end", "From: b@forced.example",
         "From: no@x.example\r\nReply-To: b@forced.example\r\n", NULL},
    };
    struct rewrite_options o = full();
    for (size_t i = 0; i < COUNT_OF(row); i++)
        check_row(&o, &message, &row[i]);
    o.is_envelope_only = true;
    static const struct row alone[] = {
        {"the envelope alone", "From: a@old.example\r\nTo: b@web.corp.example\r\n" END, NULL, ""},
        {"but From is forced", "From: b@forced.example\r\n" END,
         "From: no@x.example\r\nReply-To: b@forced.example\r\n" END, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(alone); i++)
        check_row(&o, &message, &alone[i]);
}

static void utf8_where_it_may_be(void **state)
{
    struct rewrite_options o = full();
    struct rewrite_message m = message;
    m.is_utf8 = true;
    static const struct row row[] = {
        {"mapped to UTF-8", "From: utf@old2.example\r\n" END, "From: \xc3\xbc@x.example\r\n" END,
         "From"},
        {"mapped from UTF-8", "From: \xc3\xbc <\xc3\xa4@old.example>\r\n" END,
         "From: \xc3\xbc <\xc3\xa4@new.example>\r\n" END, "From"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++)
        check_row(&o, &m, &row[i]);
}

/* Nobody can read it, so nobody can say that no rule was for it. */
static void from_that_cannot_be_read(void **state)
{
    struct rewrite_options o = full();
    struct rewrite_message m = message;
    m.sender = SLICE("s@sender.example");
    static const struct row row[] = {
        {"broken", "From: a b c@d@e\r\n" END, "From: <no@x.example>\r\nReply-To: a b c@d@e\r\n" END,
         "From,+Reply-To"},
        {"nobody", "From: x:;\r\n" END, "From: <no@x.example>\r\nReply-To: x:;\r\n" END, NULL},
        {"fine", "From: a@b.example\r\n" END, NULL, ""},
        {"the second one", "From: a@b.example\r\nFrom: b@\r\n" END,
         "Sender: <s@sender.example>\r\nFrom: a@b.example\r\nFrom: <no@x.example>\r\n"
         "Reply-To: b@\r\n" END,
         NULL},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++)
        check_row(&o, &m, &row[i]);
    struct rewrite_header h;
    rewrite_header_build(&o, &m, SLICE("A: b\r\n\r\n"), &h);
    assert_true(slice_eq(rewrite_text_slice(&h.from), SLICE("no@x.example")));
    rewrite_header_close(&h);
    rewrite_header_build(&o, &message, SLICE("A: b\r\n\r\n"), &h);
    assert_true(slice_eq(rewrite_text_slice(&h.from), SLICE("e@s.example")));
    rewrite_header_close(&h);
}

static void fields_come_and_go(void **state)
{
    struct rewrite_options o = fields();
    static const struct row row[] = {
        {"added", "A: b\r\n" END, "X-Relay: ours\r\nOrganization: We\r\nA: b\r\n" END,
         "+X-Relay,+Organization"},
        {"removed", "x-secret : 1\r\n 2\r\nA: b\r\nX-Secret: 3\r\nX-RELAY: theirs\r\n" END,
         "Organization: We\r\nA: b\r\nX-RELAY: theirs\r\n" END, "-X-Secret,+Organization"},
        {"replaced", "Organization: They\r\nX-Relay: x\r\n" END,
         "Organization: We\r\nX-Relay: x\r\n" END, "-Organization,+Organization"},
        {"no header", "", "X-Relay: ours\r\nOrganization: We\r\n" END, NULL},
        {"an empty header", END, "X-Relay: ours\r\nOrganization: We\r\n" END, NULL},
        {"unqualified stays", "To: root\r\nX-Relay: x\r\nFrom: y\r\n",
         "Organization: We\r\nTo: root\r\nX-Relay: x\r\nFrom: y\r\n", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++)
        check_row(&o, &message, &row[i]);
}

/* ---- signatures ---- */

struct sign_row {
    const char *name, *in;
    const char *kept;    /* out with on_signed = keep; NULL: the same */
    const char *changed; /* with "change" */
    const char *told;    /* what is signed; "": no signature is in the way */
    bool is_broken;      /* with "keep" */
};

#define FORCED "From: b@forced.example\r\n"
#define FREE "From: no@x.example\r\nReply-To: b@forced.example\r\n"

static const struct sign_row sign_row[] = {
    {"covers From", "DKIM-Signature: v=1; h=from:to; b=x\r\n" FORCED END, NULL,
     "DKIM-Signature: v=1; h=from:to; b=x\r\n" FREE END, "From", false},
    {"behind what it covers", FORCED "dkim-signature: v=1; b=x;\r\n\th=to :\r\n\t From \r\n" END,
     NULL, FREE "dkim-signature: v=1; b=x;\r\n\th=to :\r\n\t From \r\n" END, "From", false},
    {"ARC", "ARC-Message-Signature: i=1; h = FROM\r\n" FORCED END, NULL,
     "ARC-Message-Signature: i=1; h = FROM\r\n" FREE END, "From", false},
    {"covers another", "DKIM-Signature: bh=from; h=to:subject\r\n" FORCED END,
     "DKIM-Signature: bh=from; h=to:subject\r\n" FREE END,
     "DKIM-Signature: bh=from; h=to:subject\r\n" FREE END, "", false},
    {"the second one", "DKIM-Signature: h=to\r\nDKIM-Signature: h=from\r\n" FORCED END, NULL,
     "DKIM-Signature: h=to\r\nDKIM-Signature: h=from\r\n" FREE END, "From", false},
    {"nothing would change", "DKIM-Signature: h=from:to\r\nFrom: a@b.example\r\n" END, NULL, NULL,
     "", false},
    {"no Reply-To may be there", "DKIM-Signature: h=reply-to\r\n" FORCED END,
     "DKIM-Signature: h=reply-to\r\nFrom: no@x.example\r\n" END,
     "DKIM-Signature: h=reply-to\r\n" FREE END, "Reply-To", false},
    {"Bcc goes whatever is signed", "DKIM-Signature: h=bcc\r\nBcc: x\r\n" END,
     "DKIM-Signature: h=bcc\r\n" END, "DKIM-Signature: h=bcc\r\n" END, "Bcc", true},
    {"Bcc that is not there", "DKIM-Signature: h=bcc\r\nA: b\r\n" END, NULL, NULL, "", false},
    {"no h=", "DKIM-Signature: v=1\r\n" FORCED END, "DKIM-Signature: v=1\r\n" FREE END,
     "DKIM-Signature: v=1\r\n" FREE END, "", false},
};

static void check_signed(const struct rewrite_options *o, const struct sign_row *r)
{
    struct rewrite_header h;
    bool is_kept = o->on_signed == REWRITE_SIGNED_KEEP;
    rewrite_header_build(o, &message, slice_cstr(r->in), &h);
    if (o->on_signed == REWRITE_SIGNED_REFUSE && r->told[0]) {
        assert_int_equal(h.outcome, REWRITE_HEADER_REFUSED);
    } else {
        const char *wanted = is_kept ? r->kept : r->changed;
        struct slice out = h.outcome == REWRITE_HEADER_SAME ? slice_cstr(r->in) : buf_slice(&h.out);
        if (!slice_eq(out, slice_cstr(wanted ? wanted : r->in)))
            fail_msg("%s (%d):\n%.*s", r->name, o->on_signed, SLICE_FMT(out));
        assert_int_equal(h.is_broken, is_kept ? r->is_broken : r->told[0] != 0);
        assert_int_equal(h.is_kept, is_kept && r->told[0] && !r->is_broken);
    }
    if (!slice_eq(slice_of(h.is_signed.s, h.is_signed.n), slice_cstr(r->told)))
        fail_msg("%s: told %.*s", r->name, (int)h.is_signed.n, h.is_signed.s);
    rewrite_header_close(&h);
}

static void signatures_are_never_broken_silently(void **state)
{
    struct rewrite_options o = full();
    for (int policy = REWRITE_SIGNED_KEEP; policy <= REWRITE_SIGNED_REFUSE; policy++) {
        o.on_signed = (enum rewrite_signed)policy;
        for (size_t i = 0; i < COUNT_OF(sign_row); i++) {
            check_signed(&o, &sign_row[i]);
        }
    }
}

static void a_signature_says_what_is_not_there(void **state)
{
    struct rewrite_options o = plain();
    struct rewrite_header h;
    struct slice in = SLICE("DKIM-Signature: h=from:date:message-id:sender\r\n"
                            "To: c@d.example\r\n\r\n");
    rewrite_header_build(&o, &message, in, &h);
    assert_true(h.keeps_without_date && h.keeps_without_message_id && !h.from.n && h.is_kept);
    assert_int_equal(h.outcome, REWRITE_HEADER_SAME);
    rewrite_header_close(&h);
    o.on_signed = REWRITE_SIGNED_CHANGE;
    rewrite_header_build(&o, &message, in, &h);
    assert_true(!h.keeps_without_date && !h.keeps_without_message_id && h.from.n && h.is_broken);
    rewrite_header_close(&h);
}

/* ---- ceilings ---- */

static char *repeat(const char *head, const char *unit, size_t bytes, const char *end)
{
    size_t n = strlen(unit);
    char *all = malloc(bytes + 64);
    size_t at = (size_t)sprintf(all, "%s", head);
    for (; at + n + strlen(end) <= bytes; at += n)
        memcpy(all + at, unit, n);
    strcpy(all + at, end);
    return all;
}

static void long_headers(void **state)
{
    static struct slice far[] = {SLICE_INIT("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz@"
                                            "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz."
                                            "example")};
    static struct rewrite_rule rule[] = {{SLICE_INIT("*"), far, 1}};
    struct rewrite_options o = {.recipients = rule, .recipient_count = 1};
    struct rewrite_header h;
    char *in = repeat("To: x@y.example", ", a@b.example", 40000, "\r\n\r\n");
    rewrite_header_build(&o, &message, slice_cstr(in), &h);
    assert_int_equal(h.outcome, REWRITE_HEADER_CHANGED);
    struct slice out = buf_slice(&h.out);
    for (size_t n; out.n; out = slice_from(out, n + 1)) {
        n = slice_find(out, '\n');
        assert_in_range(n, 1, 998 + 1);
    }
    rewrite_header_close(&h);
    free(in);
    in = repeat("To: x@y", ", a@b", REWRITE_HEADER_BYTES_MAX, "\r\n\r\n");
    rewrite_header_build(&o, &message, slice_cstr(in), &h);
    assert_int_equal(h.outcome, REWRITE_HEADER_TOO_LONG);
    rewrite_header_close(&h);
    free(in);
    in = repeat("", "Bcc:\r\n", REWRITE_HEADER_BYTES_MAX, "\r\n");
    rewrite_header_build(&o, &message, slice_cstr(in), &h);
    assert_true(slice_eq(buf_slice(&h.out), SLICE("\r\n")));
    rewrite_header_close(&h);
    free(in);
}

/* What is told stays within its ceiling. */
static void many_names(void **state)
{
    static struct slice names[REWRITE_FIELDS_MAX], lines[REWRITE_FIELDS_MAX];
    static char text[REWRITE_FIELDS_MAX][40];
    for (int i = 0; i < REWRITE_FIELDS_MAX; i++) {
        int n = sprintf(text[i], "X-Quite-A-Long-Name-%d: x", i);
        lines[i] = slice_of(text[i], (size_t)n);
        names[i] = slice_head(lines[i], slice_find(lines[i], ':'));
    }
    struct rewrite_options o = {.remove_headers = names,
                                .remove_header_count = REWRITE_FIELDS_MAX,
                                .add_headers = lines,
                                .add_header_count = REWRITE_FIELDS_MAX};
    struct rewrite_header h;
    rewrite_header_build(&o, &message, SLICE("A: b\r\n\r\n"), &h);
    assert_in_range(h.changed.n, REWRITE_HEADER_TOLD_MAX - 30, REWRITE_HEADER_TOLD_MAX);
    assert_int_equal(h.outcome, REWRITE_HEADER_CHANGED);
    rewrite_header_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_always_happens),
        cmocka_unit_test(addresses_are_mapped),
        cmocka_unit_test(utf8_where_it_may_be),
        cmocka_unit_test(from_that_cannot_be_read),
        cmocka_unit_test(fields_come_and_go),
        cmocka_unit_test(signatures_are_never_broken_silently),
        cmocka_unit_test(a_signature_says_what_is_not_there),
        cmocka_unit_test(long_headers),
        cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
