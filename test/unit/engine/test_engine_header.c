/* test_engine_header.c -- the header between DATA and the queue: rewritten whatever the pieces it
 * comes in, judged as the client wrote it, sizes and promises kept. */
#include "engine_world.h"

#include "rewrite/rewrite_header.h"

static struct slice to_new[] = {SLICE_INIT("@new.example")}, to_no[] = {SLICE_INIT("no@x.example")};
static struct rewrite_rule maps[] = {{SLICE_INIT("*@old.example"), to_new, 1}};
static struct rewrite_rule force[] = {{SLICE_INIT("*"), to_no, 1}};
static struct slice added[] = {SLICE_INIT("X-Relay: ours")};
static struct slice removed[] = {SLICE_INIT("Message-ID"), SLICE_INIT("X-Secret")};

static struct rewrite_options mapping(void)
{
    return (struct rewrite_options){
        .recipients = maps, .recipient_count = 1, .senders = maps, .sender_count = 1};
}

static struct world *up(struct rewrite_options o)
{
    struct world *w = world_new();
    w->opt.rewrite = o;
    world_start(w);
    return w;
}

static void say_in_pieces(struct world *w, struct world_conn *c, const char *text, size_t piece)
{
    char part[64];
    for (size_t n = strlen(text); n; n -= piece) {
        piece = piece < n ? piece : n;
        memcpy(part, text, piece);
        part[piece] = 0;
        world_say(w, c, part);
        text += piece;
    }
}

/* What is stored for the only message, prefix and tail. */
static struct queue_accept stored(struct world *w)
{
    struct queue_accept a;
    assert_int_equal(w->append_count, 1);
    assert_int_equal(queue_accept_parse(buf_slice(&w->append[0].payload), &a), PARSE_DONE);
    return a;
}

static bool has(struct slice text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static void the_same_in_any_pieces(void **state)
{
    static const struct {
        const char *in, *out; /* out NULL: byte for byte */
    } row[] = {
        {"From: a@b.example\r\nTo: c@d.example\r\n\r\n..x\r\n\r\nBcc: body\r\n", NULL},
        {"From: a@old.example\r\nBcc: x\r\n\ty@z.example\r\nTo: \"x\" <b@old.example>\r\n\r\n"
         "From: a@old.example\r\n..\r\n",
         "From: a@new.example\r\nTo: \"x\" <b@new.example>\r\n\r\nFrom: a@old.example\r\n..\r\n"},
        {"From: a@old.example\r\nno field\r\nBcc: x\r\n",
         "From: a@new.example\r\nno field\r\nBcc: x\r\n"},
        {"From: a@old.example\r\nno-field-yet\r\n", "From: a@new.example\r\nno-field-yet\r\n"},
        {"From: a@old.example\r\n", "From: a@new.example\r\n"},
        {"no header\r\nTo: a@old.example\r\n", NULL},
        {"\r\nTo: a@old.example\r\n", NULL},
        {".. \r\nTo: a@old.example\r\n", NULL},
        {"", NULL},
        {"\r\n", NULL},
    };
    static const size_t pieces[] = {1, 2, 3, 7, 60};
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        for (size_t k = 0; k < COUNT_OF(pieces); k++) {
            struct world *w = up(mapping());
            struct world_conn *c = world_client(w);
            world_envelope(w, c, "s@sender.example", "r@a.example");
            say_in_pieces(w, c, row[i].in, pieces[k]);
            world_say(w, c, ".\r\n");
            struct queue_accept a = stored(w);
            if (!slice_eq(a.tail, slice_cstr(row[i].out ? row[i].out : row[i].in)))
                fail_msg("%zu in pieces of %zu: %.*s", i, pieces[k], SLICE_FMT(a.tail));
            assert_int_equal(a.envelope.wire_bytes, a.prefix.n + a.tail.n);
            assert_int_equal(w->notes[NOTE_HEADER_REWRITTEN], row[i].out != NULL);
            world_appended(w, 0, ERR_OK);
            world_settle(w);
            world_expect(c, "250 2.0.0 queued as");
            assert_int_equal(w->mail_count, 1);
            world_all_done(w);
            world_down(w);
        }
    }
}

/* Chunks: what follows the header is not touched, and does not have to wait for it. */
static void in_chunks(void **state)
{
    struct world *w = up(mapping());
    struct world_conn *c = world_client(w);
    world_say(w, c,
              "EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<r@a.example>\r\n"
              "BDAT 13\r\nFrom: a@old.eBDAT 10\r\nxample\r\n\r\nBDAT 6 LAST\r\n.body\n");
    world_expect(c, "550 "); /* a bare LF */
    (void)world_heard(c);
    world_say(w, c,
              "MAIL FROM:<s@sender.example>\r\nRCPT TO:<r@a.example>\r\n"
              "BDAT 13\r\nFrom: a@old.eBDAT 10\r\nxample\r\n\r\nBDAT 7 LAST\r\n.body\r\n");
    struct queue_accept a = stored(w);
    assert_true(slice_eq(a.tail, SLICE("From: a@new.example\r\n\r\n..body\r\n")));
    world_appended(w, 0, ERR_OK);
    world_settle(w);
    world_down(w);
}

/* Many chunk records, and a header that grows to more than one. */
static void sizes_are_those_of_what_goes_on(void **state)
{
    enum { ADDRESSES = 4000, LINES = 3000 };
    static struct slice far[] = {SLICE_INIT("@a-much-longer-name.of.the.same.people.new.example")};
    static struct rewrite_rule longer[] = {{SLICE_INIT("*@old.example"), far, 1}};
    struct world *w = up((struct rewrite_options){.recipients = longer, .recipient_count = 1});
    struct world_conn *c = world_client(w);
    uint64_t heard = 0, kept = 0;
    struct queue_accept a;
    world_envelope(w, c, "s@sender.example", "r@a.example");
    world_say(w, c, "To: x@y.example");
    for (int i = 0; i < ADDRESSES; i++)
        world_say(w, c, ",\r\n a@old.example");
    world_say(w, c, "\r\n\r\n");
    for (int i = 0; i < LINES; i++) {
        world_say(w, c,
                  "This line is part of a body that is not small, and none of its bytes move.\r\n");
        while (w->append_count) {
            kept += w->append[0].payload.n;
            world_appended(w, 0, ERR_OK);
        }
    }
    world_say(w, c, ".\r\n");
    a = stored(w);
    heard = 15 + ADDRESSES * 17 + 4 + LINES * 76;
    kept += a.prefix.n + a.tail.n;
    assert_int_equal(a.envelope.wire_bytes, kept);
    assert_int_equal(kept, heard + a.prefix.n + ADDRESSES * (far[0].n - strlen("@old.example")));
    assert_true(a.envelope.extent_count > 5);
    world_appended(w, 0, ERR_OK);
    world_settle(w);
    world_expect(c, "250 2.0.0 queued as");
    assert_int_equal(w->mail_count, 1);
    assert_int_equal(w->mail[0].body_bytes, kept);
    world_all_done(w);
    world_down(w);
}

static void a_header_may_be_so_long(void **state)
{
    for (int is_over = 0; is_over < 2; is_over++) {
        struct world *w = up((struct rewrite_options){0});
        struct world_conn *c = world_client(w);
        int lines = REWRITE_HEADER_BYTES_MAX / 32;
        world_envelope(w, c, "s@sender.example", "r@a.example");
        for (int i = 0; i < lines; i++)
            world_say(w, c,
                      i < lines - 1 ? "X-A: 0123456789012345678901234\r\n"
                      : is_over     ? "X-A: 0123456789012345678901234\r\nX:y\r\n"
                                    : "X-A: 01234567890123456789012\r\n");
        world_say(w, c, "\r\nbody\r\n.\r\n");
        while (w->append_count)
            world_appended(w, 0, ERR_OK);
        world_expect(c, is_over ? "552 5.3.4 the header of the message is too large"
                                : "250 2.0.0 queued as");
        world_say(w, c, "NOOP\r\n");
        world_expect(c, "250 2.0.0"); /* and the session goes on */
        world_settle(w);
        assert_int_equal(w->mail_count, !is_over);
        world_all_done(w);
        world_down(w);
    }
}

/* ---- repair ---- */

static struct queue_accept offer(struct world *w, const char *from, const char *to,
                                 const char *message)
{
    struct world_conn *c = world_client(w);
    world_envelope(w, c, from, to);
    world_say(w, c, message);
    return stored(w);
}

static void what_we_add_follows_the_rules(void **state)
{
    struct rewrite_options o = mapping();
    o.from = force;
    o.from_count = 1;
    o.add_headers = added;
    o.add_header_count = 1;
    o.remove_headers = removed;
    o.remove_header_count = 2;
    o.hides_client = true;
    struct world *w = up(o);
    struct queue_accept a =
        offer(w, "s@old.example", "r@a.example", "Message-ID: <theirs@x>\r\n\r\nhello\r\n.\r\n");
    assert_true(has(a.prefix, "From: <no@x.example>\r\n"));
    assert_true(has(a.prefix, "Message-ID: <") && !has(a.tail, "Message-ID"));
    assert_true(slice_starts(a.prefix, SLICE("Received: by relay.example (Outpost) with ")));
    assert_false(has(a.prefix, "9.9.9.9") || has(a.prefix, "client"));
    assert_true(slice_eq(a.tail, SLICE("X-Relay: ours\r\n\r\nhello\r\n")));
    assert_true(slice_eq(a.envelope.sender, SLICE("s@new.example")));
    assert_int_equal(a.envelope.message_id.n, 0); /* theirs is not its name any more */
    world_log_has(w, "header=-Message-ID,+X-Relay");
    world_down(w);

    w = up(o);
    a = offer(w, "s@old.example", "r@a.example", "no header\r\n.\r\n");
    assert_true(slice_eq(a.tail, SLICE("X-Relay: ours\r\n\r\nno header\r\n")));
    assert_true(slice_eq(slice_from(a.prefix, a.prefix.n - 2), SLICE("\r\n")) &&
                !has(a.prefix, "\r\n\r\n"));
    world_down(w);
}

static void unqualified_addresses(void **state)
{
    struct world *w = up((struct rewrite_options){0});
    struct queue_accept a = offer(w, "root", "r@a.example", "From: root\r\n\r\nx\r\n.\r\n");
    assert_true(slice_eq(a.envelope.sender, SLICE("root@relay.example")));
    assert_true(slice_eq(a.tail, SLICE("From: root@relay.example\r\n\r\nx\r\n")));
    world_down(w);

    w = up((struct rewrite_options){.domain = SLICE("corp.example")});
    a = offer(w, "root", "r@a.example", "From: root\r\n\r\nx\r\n.\r\n");
    assert_true(slice_eq(a.envelope.sender, SLICE("root@corp.example")));
    assert_true(slice_eq(a.tail, SLICE("From: root@corp.example\r\n\r\nx\r\n")));
    world_down(w);

    w = up((struct rewrite_options){.unqualified = REWRITE_UNQUALIFIED_REFUSED});
    struct world_conn *c = world_client(w);
    world_say(w, c, "EHLO x\r\nMAIL FROM:<root>\r\n");
    world_expect(c, "501 ");
    world_say(w, c, "MAIL FROM:<a@b.example>\r\nRCPT TO:<root>\r\n");
    world_expect(c, "501 ");
    world_say(w, c, "RCPT TO:<Postmaster>\r\n");
    world_expect(c, "250 2.1.5");
    world_say(w, c, "DATA\r\nFrom: root\r\n\r\nx\r\n.\r\n");
    a = stored(w);
    assert_true(slice_eq(a.tail, SLICE("From: root\r\n\r\nx\r\n")));
    assert_true(has(a.recipients, "Postmaster@relay.example"));
    world_down(w);
}

/* ---- signatures ---- */

static void signatures(void **state)
{
    static const struct {
        enum rewrite_signed policy;
        enum note_kind note;
        const char *reply;
        bool is_changed;
    } row[] = {
        {REWRITE_SIGNED_KEEP, NOTE_SIGNED_KEPT, "250 2.0.0", false},
        {REWRITE_SIGNED_CHANGE, NOTE_SIGNED_BROKEN, "250 2.0.0", true},
        {REWRITE_SIGNED_REFUSE, NOTE_SIGNED_REFUSED, "550 5.7.1 a signature covers", false},
    };
    static const char message[] = "DKIM-Signature: v=1; h=From:To;\r\n\tb=x\r\n"
                                  "From: a@old.example\r\nCc: b@old.example\r\n\r\nx\r\n.\r\n";
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct rewrite_options o = mapping();
        o.on_signed = row[i].policy;
        struct world *w = up(o);
        struct world_conn *c = world_client(w);
        world_envelope(w, c, "s@sender.example", "r@a.example");
        world_say(w, c, message);
        if (row[i].policy != REWRITE_SIGNED_REFUSE) {
            struct queue_accept a = stored(w);
            assert_int_equal(has(a.tail, "From: a@new.example\r\n"), row[i].is_changed);
            assert_true(has(a.tail, "Cc: b@new.example\r\n"));
            world_appended(w, 0, ERR_OK);
        }
        assert_int_equal(w->append_count, 0);
        world_expect(c, row[i].reply);
        for (int k = NOTE_SIGNED_KEPT; k <= NOTE_SIGNED_REFUSED; k++)
            assert_int_equal(w->notes[k], k == (int)row[i].note);
        world_log_has(w, "header=From");
        world_settle(w);
        world_down(w);
    }
}

/* One that says that there is no Date is not made a liar. */
static void a_signed_absence(void **state)
{
    struct world *w = up((struct rewrite_options){0});
    struct queue_accept a =
        offer(w, "s@sender.example", "r@a.example",
              "DKIM-Signature: h=from:date:message-id\r\nFrom: a@b.example\r\n\r\nx\r\n.\r\n");
    assert_false(has(a.prefix, "Date:") || has(a.prefix, "Message-ID:"));
    assert_int_equal(w->notes[NOTE_SIGNED_KEPT], 1);
    world_log_has(w, "header=Date,Message-ID");
    world_down(w);
}

/* ---- who may send ---- */

/* From is judged as the client wrote it: no rule makes a forged one pass, none a good one fail. */
static void from_is_judged_before(void **state)
{
    static struct slice senders[] = {SLICE_INIT("*@sender.example")};
    static struct slice home[] = {SLICE_INIT("@sender.example")};
    static struct rewrite_rule to_home[] = {{SLICE_INIT("*@boss.example"), home, 1}};
    static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                          .cipher = SLICE_INIT("X")};
    static const struct {
        const char *from, *reply;
    } row[] = {
        {"x@sender.example", "250 2.0.0"},
        {"ceo@boss.example", "550 5.7.1 this login may not send as <ceo@boss.example>"},
        {"x@sender.example, ceo@boss.example", "550 5.7.1"},
        {"x", "550 5.7.1"},
        {"x y z", "550 5.7.1"},
    };
    for (int is_forced = 0; is_forced < 2; is_forced++) {
        struct engine_user user = {
            .name = SLICE("app"), .senders = senders, .sender_count = COUNT_OF(senders)};
        struct rewrite_options o = {.senders = to_home, .sender_count = 1};
        if (is_forced)
            o = (struct rewrite_options){.from = force, .from_count = 1};
        struct world *w = world_new();
        w->opt.users = &user;
        w->opt.user_count = 1;
        w->opt.rewrite = o;
        world_start(w);
        struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
        world_say(w, c, "EHLO x\r\nSTARTTLS\r\n");
        world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
        world_say(w, c, "EHLO x\r\nAUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
        world_tell(w, (struct engine_event){.kind = EVENT_LOGIN, .conn = c->id, .login = LOGIN_OK});
        for (size_t i = 0; i < COUNT_OF(row); i++) {
            char text[400];
            (void)world_heard(c);
            snprintf(text, sizeof text,
                     "MAIL FROM:<x@sender.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\n"
                     "From: %s\r\n\r\nx\r\n.\r\n",
                     row[i].from);
            world_say(w, c, text);
            if (w->append_count && is_forced)
                assert_true(
                    has(stored(w).tail, "From: no@x.example\r\nReply-To: x@sender.example\r\n"));
            while (w->append_count)
                world_appended(w, 0, ERR_OK);
            world_expect(c, row[i].reply);
        }
        world_settle(w);
        world_down(w);
    }
}

/* Staging redirects by the envelope; the header may say what it wants. */
static void under_staging(void **state)
{
    struct rewrite_options o = mapping();
    o.environment = REWRITE_STAGING;
    o.staging_mailbox = SLICE("stage@implicit.example");
    struct world *w = up(o);
    struct queue_accept a =
        offer(w, "s@old.example", "r@old.example t@a.example",
              "From: s@old.example\r\nTo: r@old.example\r\nBcc: u@a.example\r\n\r\nx\r\n.\r\n");
    assert_int_equal(a.envelope.recipient_count, 1);
    assert_true(
        has(a.prefix, "X-Original-To: <r@old.example>\r\nX-Original-To: <t@a.example>\r\n"));
    assert_true(slice_eq(a.tail, SLICE("From: s@new.example\r\nTo: r@new.example\r\n\r\nx\r\n")));
    world_appended(w, 0, ERR_OK);
    world_settle(w);
    assert_int_equal(w->mail_count, 1);
    assert_string_equal(w->mail[0].to, "stage@implicit.example ");
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_in_any_pieces),
        cmocka_unit_test(in_chunks),
        cmocka_unit_test(sizes_are_those_of_what_goes_on),
        cmocka_unit_test(a_header_may_be_so_long),
        cmocka_unit_test(what_we_add_follows_the_rules),
        cmocka_unit_test(unqualified_addresses),
        cmocka_unit_test(signatures),
        cmocka_unit_test(a_signed_absence),
        cmocka_unit_test(from_is_judged_before),
        cmocka_unit_test(under_staging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
