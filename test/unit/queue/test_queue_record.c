/* test_queue_record.c -- payloads there and back, cut at every byte, and with each byte that must
 * not be changed changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_case.h"

static char long_text[70000];

static void assert_slice(struct slice is, struct slice wanted)
{
    assert_int_equal(is.n, wanted.n);
    if (is.n)
        assert_memory_equal(is.p, wanted.p, is.n);
}

static void assert_state(const struct queue_state *is, const struct queue_state *wanted)
{
    assert_int_equal(is->fate, wanted->fate);
    assert_int_equal(is->is_warned, wanted->is_warned);
    assert_int_equal(is->attempts, wanted->attempts);
    assert_int_equal(is->next_ms, wanted->next_ms);
    assert_slice(is->reason, wanted->reason);
}

/* Accept */

static struct accept_case accept_cases[] = {
    {.envelope = {.accepted_ms = 1760000000000,
                  .wire_bytes = 5,
                  .sender = SLICE_INIT("a@b.example"),
                  .user = SLICE_INIT("app"),
                  .client = SLICE_INIT("192.0.2.1"),
                  .message_id = SLICE_INIT("<1@b.example>"),
                  .recipient_count = 1},
     .recipient = {SLICE_INIT("c@d.example")},
     .prefix = SLICE_INIT("Received: x\r\n"),
     .tail = SLICE_INIT("hello")},
    {/* every text empty, nothing behind the head */
     .envelope = {.recipient_count = 1}},
    {.envelope = {.accepted_ms = -1,
                  .wire_bytes = QUEUE_WIRE_BYTES_MAX,
                  .is_8bit = true,
                  .is_report = true,
                  .recipient_count = 3,
                  .extent_count = 2},
     .recipient = {SLICE_INIT("c@d.example"), SLICE_INIT(""), SLICE_INIT("e\0f@g")},
     .has_states = true,
     .state = {{.fate = QUEUE_DELIVERED, .attempts = UINT32_MAX, .reason = SLICE_INIT("250 ok")},
               {.fate = QUEUE_WAITING, .is_warned = true, .next_ms = INT64_MAX},
               {.fate = QUEUE_REMOVED, .next_ms = INT64_MIN, .reason = SLICE_INIT("\xff\0")}},
     .extent = {{1, 64, 65536}, {UINT64_MAX, UINT32_MAX, UINT32_MAX}},
     .tail = SLICE_INIT("t")},
    {.envelope = {.accepted_ms = 1760000000000,
                  .recipient_count = 1,
                  .has_order = true,
                  .order = {.is_held = true,
                            .since_ms = 1760000000001,
                            .held_ms = 86400000,
                            .who = SLICE_INIT("uid=0 (ann)"),
                            .words = SLICE_INIT("looks odd")}},
     .recipient = {SLICE_INIT("c@d.example")},
     .tail = SLICE_INIT("t")},
    {.envelope = {.recipient_count = 1,
                  .has_order = true,
                  .order = {.is_bouncing = true, .is_removing = true}},
     .recipient = {SLICE_INIT("c@d.example")}},
    {/* version 2: everything at once */
     .envelope = {.accepted_ms = 1760000000000,
                  .is_8bit = true,
                  .is_utf8 = true,
                  .requires_tls = true,
                  .is_binary = true,
                  .has_order = true,
                  .order = {.is_held = true, .who = SLICE_INIT("uid=0")},
                  .ret = MAIL_RET_HDRS,
                  .envid = SLICE_INIT("QQ314159"),
                  .recipient_count = 3,
                  .extent_count = 1},
     .recipient = {SLICE_INIT("c@d.example"), SLICE_INIT("e@f"), SLICE_INIT("g@h")},
     .dsn = {{MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_DELAY, SLICE_INIT("rfc822;c@d.example")},
             {0, SLICE_INIT("")},
             {MAIL_NOTIFY_NEVER, SLICE_INIT("")}},
     .extent = {{1, 64, 65536}},
     .prefix = SLICE_INIT("p"),
     .tail = SLICE_INIT("t")},
    {/* version 2 for one thing alone */
     .envelope = {.recipient_count = 2},
     .recipient = {SLICE_INIT("c@d.example"), SLICE_INIT("e@f")},
     .dsn = {{0}, {0, SLICE_INIT("rfc822;e@f")}}},
    {.envelope = {.recipient_count = 1, .ret = MAIL_RET_FULL}},
    {.envelope = {.recipient_count = 1, .requires_tls = true}},
};

static void assert_accept(const struct queue_accept *a, const struct accept_case *c)
{
    const struct queue_envelope *is = &a->envelope, *wanted = &c->envelope;
    assert_int_equal(is->accepted_ms, wanted->accepted_ms);
    assert_true(is->wire_bytes == wanted->wire_bytes);
    assert_int_equal(is->is_8bit, wanted->is_8bit);
    assert_int_equal(is->is_report, wanted->is_report);
    assert_slice(is->sender, wanted->sender);
    assert_slice(is->user, wanted->user);
    assert_slice(is->client, wanted->client);
    assert_slice(is->message_id, wanted->message_id);
    assert_int_equal(is->has_order, wanted->has_order);
    assert_int_equal(is->order.is_held, wanted->order.is_held);
    assert_int_equal(is->order.is_bouncing, wanted->order.is_bouncing);
    assert_int_equal(is->order.is_removing, wanted->order.is_removing);
    assert_int_equal(is->order.since_ms, wanted->order.since_ms);
    assert_int_equal(is->order.held_ms, wanted->order.held_ms);
    assert_slice(is->order.who, wanted->order.who);
    assert_slice(is->order.words, wanted->order.words);
    assert_int_equal(is->is_utf8, wanted->is_utf8);
    assert_int_equal(is->requires_tls, wanted->requires_tls);
    assert_int_equal(is->is_binary, wanted->is_binary);
    assert_int_equal(is->ret, wanted->ret);
    assert_slice(is->envid, wanted->envid);
    assert_int_equal(is->recipient_count, wanted->recipient_count);
    assert_int_equal(is->extent_count, wanted->extent_count);
    struct slice rest = a->recipients, address;
    struct queue_state state;
    uint32_t n = 0;
    for (; queue_accept_next(&rest, &address, &state); n++) {
        assert_slice(address, c->recipient[n]);
        assert_state(&state, &c->state[n]);
    }
    assert_int_equal(n, wanted->recipient_count);
    struct queue_dsn dsn;
    for (n = 0, rest = a->dsn; queue_accept_next_dsn(&rest, &dsn); n++) {
        assert_int_equal(dsn.notify, c->dsn[n].notify);
        assert_slice(dsn.orcpt, c->dsn[n].orcpt);
    }
    assert_int_equal(n, a->dsn.n ? wanted->recipient_count : 0);
    for (uint32_t i = 0; i < is->extent_count; i++) {
        struct journal_pos pos = queue_accept_extent(a, i);
        assert_true(pos.segment == c->extent[i].segment);
        assert_int_equal(pos.offset, c->extent[i].offset);
        assert_int_equal(pos.bytes, c->extent[i].bytes);
    }
}

static void accept_there_and_back(void **ctx)
{
    for (size_t i = 0; i < COUNT_OF(accept_cases); i++) {
        struct accept_case *c = &accept_cases[i];
        struct buf out;
        buf_init(&out, 4096);
        assert_true(case_build(c, &out));
        struct queue_accept a;
        assert_int_equal(queue_accept_parse(buf_slice(&out), &a), PARSE_DONE);
        assert_accept(&a, c);
        assert_slice(a.prefix, c->prefix);
        assert_slice(a.tail, c->tail);

        size_t head = out.n - c->prefix.n - c->tail.n;
        struct slice only_head = slice_head(buf_slice(&out), head);
        assert_int_equal(queue_accept_parse_head(only_head, &a), PARSE_DONE);
        assert_int_equal(a.head_bytes, only_head.n);
        assert_accept(&a, c);
        assert_slice(a.prefix, SLICE_NONE);
        assert_slice(a.tail, SLICE_NONE);
        buf_close(&out);
    }
}

/* A copy on the heap of exactly that size, so that a byte too far is seen by the sanitizer. */
static enum parse parse_copy(struct slice in,
                             enum parse (*parse)(struct slice in, struct queue_accept *out))
{
    char *p = mem_dup(in.p, in.n);
    char *exact = mem_resize(p, in.n ? in.n : 1);
    struct queue_accept a;
    enum parse result = parse(slice_of(exact, in.n), &a);
    mem_free(exact);
    return result;
}

static void accept_cut_short(void **ctx)
{
    for (size_t i = 0; i < COUNT_OF(accept_cases); i++) {
        struct accept_case *c = &accept_cases[i];
        struct buf out;
        buf_init(&out, 4096);
        assert_true(case_build(c, &out));
        size_t head = out.n - c->prefix.n - c->tail.n;
        for (size_t n = 0; n <= out.n; n++) {
            struct slice cut = slice_head(buf_slice(&out), n);
            enum parse whole = n < head + c->prefix.n ? PARSE_BAD : PARSE_DONE;
            assert_int_equal(parse_copy(cut, queue_accept_parse), whole);
            assert_int_equal(parse_copy(cut, queue_accept_parse_head),
                             n < head ? PARSE_BAD : PARSE_DONE);
        }
        buf_close(&out);
    }
}

static const struct {
    const char *shown;
    size_t at;
    const char *bytes;
    size_t n;
} accept_flaws[] = {
    {"version 0", 0, "\0", 1},
    {"version 2 without what it adds", 0, "\2", 1},
    {"a version to come", 0, "\3", 1},
    {"a flag of version 2", 1, "\10", 1},
    {"an order that is not there", 1, "\4", 1},
    {"RET in version 1", 2, "\1", 1},
    {"the reserved bytes are not zero", 3, "\1", 1},
    {"a prefix longer than the rest", 20, "\x13\0\0\0", 4},
    {"a prefix of 4 GiB", 20, "\xff\xff\xff\xff", 4},
    {"extents that are not there", 24, "\2\0\0\0", 4},
    {"too many extents", 24, "\1\100\0\0", 4},
    {"extents without end", 24, "\xff\xff\xff\xff", 4},
    {"no recipient", 28, "\0\0\0\0", 4},
    {"recipients that are not there", 28, "\2\0\0\0", 4},
    {"too many recipients", 28, "\xd1\7\0\0", 4},
    {"recipients without end", 28, "\xff\xff\xff\xff", 4},
    {"a sender longer than the rest", 32, "\xff\3", 2},
    {"an unknown fate", 89, "\5", 1},
    {"an unknown flag of a recipient", 90, "\2", 1},
};

static void accept_flawed(void **ctx)
{
    struct buf good;
    buf_init(&good, 4096);
    assert_true(case_build(&accept_cases[0], &good));
    assert_int_equal((uint8_t)good.p[89], QUEUE_WAITING); /* the table's offsets hold */
    assert_memory_equal(good.p + 78, "c@d.example", 11);
    for (size_t i = 0; i < COUNT_OF(accept_flaws); i++) {
        char *bad = mem_dup(good.p, good.n);
        memcpy(bad + accept_flaws[i].at, accept_flaws[i].bytes, accept_flaws[i].n);
        struct queue_accept a;
        if (queue_accept_parse(slice_of(bad, good.n), &a) != PARSE_BAD)
            fail_msg("parsed: %s", accept_flaws[i].shown);
        mem_free(bad);
    }
    buf_close(&good);
}

/* Version 2 of the smallest message: its head ends with ENVID, NOTIFY and ORCPT. */
static void accept_of_version_2_flawed(void **ctx)
{
    static const struct {
        const char *shown;
        int at; /* below 0: from the end */
        const char *bytes;
        size_t n;
        bool is_good;
    } rows[] = {
        {"as it is", 0, "\2", 1, true},
        {"nothing that version 1 could not say", -3, "\0", 1, false},
        {"NOTIFY of everything and NEVER", -3, "\17", 1, false},
        {"NOTIFY with a bit to come", -3, "\20", 1, false},
        {"NOTIFY=NEVER", -3, "\1", 1, true},
        {"ORCPT longer than the rest", -2, "\1", 1, false},
        {"ENVID longer than the rest", -5, "\144", 1, false},
        {"RET=FULL", 2, "\1", 1, true},
        {"RET to come", 2, "\3", 1, false},
        {"the reserved byte is not zero", 3, "\1", 1, false},
        {"all flags but the order", 1, "\73", 1, true},
        {"a flag to come", 1, "\100", 1, false},
        {"version 1 with what only 2 has", 0, "\1", 1, true}, /* it is body then */
    };
    struct accept_case c = {.envelope = {.recipient_count = 1},
                            .recipient = {SLICE("c@d.example")},
                            .dsn = {{.notify = MAIL_NOTIFY_SUCCESS}}};
    struct buf good;
    buf_init(&good, 4096);
    assert_true(case_build(&c, &good));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *bad = mem_dup(good.p, good.n);
        size_t at = rows[i].at < 0 ? good.n - (size_t)-rows[i].at : (size_t)rows[i].at;
        memcpy(bad + at, rows[i].bytes, rows[i].n);
        struct queue_accept a;
        if ((queue_accept_parse(slice_of(bad, good.n), &a) == PARSE_DONE) != rows[i].is_good)
            fail_msg("%s", rows[i].shown);
        mem_free(bad);
    }
    buf_close(&good);
    c.envelope.envid = slice_of(long_text, MAIL_ENVID_BYTES_MAX + 1);
    buf_init(&good, 4096);
    assert_false(case_build(&c, &good));
    buf_close(&good);
    c.envelope.envid = SLICE_NONE;
    c.dsn[0].orcpt = slice_of(long_text, MAIL_ORCPT_BYTES_MAX + 1);
    buf_init(&good, 4096);
    assert_false(case_build(&c, &good));
    buf_close(&good);
}

/* What the release before this one wrote: version 1, byte for byte. */
static void accept_of_version_1_is_as_it_was(void **ctx)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_true(case_build(&accept_cases[0], &out));
    assert_memory_equal(out.p, "\1\0\0\0", 4);
    assert_int_equal(out.n, 78 + 11 + 16 + 13 + 5);
    buf_close(&out);
}

static void text_lengths(void **ctx)
{
    static const struct {
        const char *shown;
        size_t sender, recipient, user, message_id;
        bool is_built;
        size_t user_back, id_back;
    } rows[] = {
        {"all at the limit", 1024, 1024, 1024, 1024, true, 1024, 1024},
        {"user and Message-ID are cut", 1, 1, 1025, 65537, true, 1024, 1024},
        {"a sender is not cut", 1025, 1, 1, 1, false, 0, 0},
        {"a recipient is not cut", 1, 1025, 1, 1, false, 0, 0},
        {"nor one whose length wraps", 1, 65537, 1, 1, false, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct accept_case c = {.envelope = {.sender = slice_of(long_text, rows[i].sender),
                                             .user = slice_of(long_text, rows[i].user),
                                             .message_id = slice_of(long_text, rows[i].message_id),
                                             .recipient_count = 1},
                                .recipient = {slice_of(long_text, rows[i].recipient)}};
        struct buf out;
        buf_init(&out, 1 << 20);
        if (case_build(&c, &out) != rows[i].is_built)
            fail_msg("%s", rows[i].shown);
        struct queue_accept a;
        if (rows[i].is_built) {
            assert_int_equal(queue_accept_parse(buf_slice(&out), &a), PARSE_DONE);
            assert_int_equal(a.envelope.user.n, rows[i].user_back);
            assert_int_equal(a.envelope.message_id.n, rows[i].id_back);
            assert_int_equal(a.envelope.sender.n, rows[i].sender);
        }
        buf_close(&out);
    }
}

static void reasons_are_cut(void **ctx)
{
    static const struct {
        enum queue_fate fate;
        size_t most;
    } row[] = {{QUEUE_WAITING, QUEUE_REASON_BYTES_MAX},
               {QUEUE_BOUNCED, QUEUE_LAST_WORDS_BYTES_MAX}};
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct queue_state state = {.fate = row[i].fate, .reason = slice_of(long_text, 65537)};
        struct buf out;
        buf_init(&out, 4096);
        assert_true(queue_outcome_begin(&out, 0, 1));
        assert_true(queue_outcome_add(&out, 0, &state));
        struct queue_outcome o;
        assert_int_equal(queue_outcome_parse(buf_slice(&out), &o), PARSE_DONE);
        uint32_t index;
        assert_true(queue_outcome_next(&o.states, &index, &state));
        assert_int_equal(state.reason.n, row[i].most);
        buf_close(&out);
    }
}

static struct slice same_recipient(void *ctx, uint32_t i)
{
    return slice_of(long_text, 256);
}

static void largest_dsn(void *ctx, uint32_t i, struct queue_dsn *out)
{
    *out =
        (struct queue_dsn){14, slice_of(long_text, QUEUE_ORCPT_BYTES_MAX / QUEUE_RECIPIENTS_MAX)};
}

/* The largest message that submission lets in must fit a record. */
static void accept_at_its_limits(void **ctx)
{
    static struct journal_pos extent[QUEUE_EXTENTS_MAX];
    struct queue_envelope e = {.sender = slice_of(long_text, 256),
                               .user = slice_of(long_text, 255),
                               .client = slice_of(long_text, 512),
                               .message_id = slice_of(long_text, 1024),
                               .envid = slice_of(long_text, MAIL_ENVID_BYTES_MAX),
                               .recipient_count = QUEUE_RECIPIENTS_MAX,
                               .extent_count = QUEUE_EXTENTS_MAX,
                               .prefix_bytes = 8192};
    struct queue_accept_source from = {
        .envelope = &e, .recipient = same_recipient, .dsn = largest_dsn, .extent = extent};
    struct buf out;
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX);
    assert_true(queue_accept_build(&out, &from));
    struct queue_accept a;
    assert_int_equal(queue_accept_parse_head(buf_slice(&out), &a), PARSE_DONE);
    assert_true(buf_add(&out, slice_of(long_text, 8192)));
    assert_true(buf_add(&out, slice_of(long_text, QUEUE_CHUNK_BYTES)));
    assert_int_equal(queue_accept_parse(buf_slice(&out), &a), PARSE_DONE);
    assert_int_equal(a.tail.n, QUEUE_CHUNK_BYTES);
    buf_close(&out);
}

static void full_buffers_are_noticed(void **ctx)
{
    struct buf whole;
    buf_init(&whole, 4096);
    assert_true(case_build(&accept_cases[2], &whole));
    for (size_t max = 0; max < whole.n; max++) {
        struct buf out;
        buf_init(&out, max);
        assert_false(case_build(&accept_cases[2], &out));
        buf_close(&out);
    }
    buf_close(&whole);
}

/* Outcome */

static const struct queue_state outcome_states[] = {
    {.fate = QUEUE_WAITING, .attempts = 1, .next_ms = 77, .reason = SLICE_INIT("451 later")},
    {.fate = QUEUE_EXPIRED, .is_warned = true},
    {.fate = QUEUE_BOUNCED, .reason = SLICE_INIT("")},
};

static void build_outcome(struct buf *out, uint32_t count)
{
    buf_init(out, 4096);
    assert_true(queue_outcome_begin(out, 1234567890123, count));
    for (uint32_t i = 0; i < count; i++)
        assert_true(queue_outcome_add(out, i * 1000, &outcome_states[i]));
}

static void outcome_there_and_back(void **ctx)
{
    for (uint32_t count = 0; count <= COUNT_OF(outcome_states); count++) {
        struct buf out;
        build_outcome(&out, count);
        struct queue_outcome o;
        assert_int_equal(queue_outcome_parse(buf_slice(&out), &o), PARSE_DONE);
        assert_int_equal(o.time_ms, 1234567890123);
        assert_int_equal(o.count, count);
        uint32_t index, n = 0;
        struct queue_state state;
        for (; queue_outcome_next(&o.states, &index, &state); n++) {
            assert_int_equal(index, n * 1000);
            assert_state(&state, &outcome_states[n]);
        }
        assert_int_equal(n, count);
        for (size_t cut = 0; cut < out.n; cut++)
            assert_int_equal(queue_outcome_parse(slice_head(buf_slice(&out), cut), &o), PARSE_BAD);
        buf_add_char(&out, 0);
        assert_int_equal(queue_outcome_parse(buf_slice(&out), &o), PARSE_BAD);
        buf_close(&out);
    }
}

static void outcome_flawed(void **ctx)
{
    static const struct {
        const char *shown;
        size_t at;
        const char *bytes;
        size_t n;
    } rows[] = {
        {"version 0", 0, "\0", 1},
        {"a version to come", 0, "\2", 1},
        {"the reserved bytes are not zero", 1, "\1", 1},
        {"the reserved bytes are not zero", 3, "\1", 1},
        {"one too few counted", 4, "\2", 1},
        {"one too many counted", 4, "\4", 1},
        {"counted without end", 4, "\xff\xff\xff\xff", 4},
        {"an unknown fate", 20, "\5", 1},
        {"an unknown flag", 21, "\x80", 1},
        {"a reason longer than the rest", 34, "\xc8", 1},
    };
    struct buf good;
    build_outcome(&good, 3);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *bad = mem_dup(good.p, good.n);
        memcpy(bad + rows[i].at, rows[i].bytes, rows[i].n);
        struct queue_outcome o;
        if (queue_outcome_parse(slice_of(bad, good.n), &o) != PARSE_BAD)
            fail_msg("parsed: %s", rows[i].shown);
        mem_free(bad);
    }
    buf_close(&good);
}

static void outcome_of_all(void **ctx)
{
    struct buf out;
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX);
    struct queue_state state = {.fate = QUEUE_BOUNCED,
                                .reason = slice_of(long_text, QUEUE_LAST_WORDS_BYTES_MAX)};
    for (uint32_t count = QUEUE_RECIPIENTS_MAX; count <= QUEUE_RECIPIENTS_MAX + 1; count++) {
        buf_clear(&out);
        queue_outcome_begin(&out, 0, count);
        for (uint32_t i = 0; i < count; i++)
            queue_outcome_add(&out, i, &state);
        assert_false(out.is_full);
        struct queue_outcome o;
        assert_int_equal(queue_outcome_parse(buf_slice(&out), &o),
                         count > QUEUE_RECIPIENTS_MAX ? PARSE_BAD : PARSE_DONE);
    }
    buf_close(&out);
}

/* Pauses */

static void pauses_there_and_back(void **ctx)
{
    static const struct slice names[] = {SLICE_INIT("example.com"), SLICE_INIT(""),
                                         SLICE_INIT("x")};
    for (uint32_t count = 0; count <= COUNT_OF(names); count++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_true(queue_pauses_begin(&out, count & 1, count));
        for (uint32_t i = 0; i < count; i++)
            assert_true(queue_pauses_add(&out, names[i]));
        struct queue_pauses p;
        assert_int_equal(queue_pauses_parse(buf_slice(&out), &p), PARSE_DONE);
        assert_int_equal(p.is_all, count & 1);
        struct slice name;
        uint32_t n = 0;
        for (; queue_pauses_next(&p.names, &name); n++)
            assert_slice(name, names[n]);
        assert_int_equal(n, count);
        for (size_t cut = 0; cut < out.n; cut++)
            assert_int_equal(queue_pauses_parse(slice_head(buf_slice(&out), cut), &p), PARSE_BAD);
        for (size_t at = 0; at < 4; at++) {
            char *bad = mem_dup(out.p, out.n);
            bad[at] = 2;
            assert_int_equal(queue_pauses_parse(slice_of(bad, out.n), &p), PARSE_BAD);
            mem_free(bad);
        }
        buf_add_char(&out, 0);
        assert_int_equal(queue_pauses_parse(buf_slice(&out), &p), PARSE_BAD);
        buf_close(&out);
    }
}

static void checkpoints_there_and_back(void **ctx)
{
    static const struct {
        const char *what;
        uint32_t from, to, offset[3], count;
        enum parse wanted;
    } rows[] = {
        {"none counts", 0, 100, {0}, 0, PARSE_DONE},
        {"some", 64, 1000, {64, 128, 999}, 3, PARSE_DONE},
        {"up to the end of numbers", 0, UINT32_MAX, {UINT32_MAX - 1}, 1, PARSE_DONE},
        {"not ascending", 0, 1000, {128, 64, 192}, 3, PARSE_BAD},
        {"twice the same", 0, 1000, {64, 64}, 2, PARSE_BAD},
        {"below its bounds", 64, 1000, {63}, 1, PARSE_BAD},
        {"beyond its bounds", 64, 128, {128}, 1, PARSE_BAD},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;
        struct queue_checkpoint c;
        buf_init(&out, 4096);
        assert_true(queue_checkpoint_begin(&out, 77, rows[i].from, rows[i].to, rows[i].count));
        for (uint32_t k = 0; k < rows[i].count; k++)
            assert_true(queue_checkpoint_add(&out, rows[i].offset[k]));
        if (queue_checkpoint_parse(buf_slice(&out), &c) != rows[i].wanted)
            fail_msg("%s", rows[i].what);
        for (size_t cut = 0; cut < out.n; cut++)
            assert_int_equal(queue_checkpoint_parse(slice_head(buf_slice(&out), cut), &c),
                             PARSE_BAD);
        buf_add_char(&out, 0);
        assert_int_equal(queue_checkpoint_parse(buf_slice(&out), &c), PARSE_BAD);
        buf_close(&out);
    }
    struct buf full;
    struct queue_checkpoint c;
    buf_init(&full, JOURNAL_RECORD_BYTES_MAX);
    queue_checkpoint_begin(&full, 77, 0, UINT32_MAX, QUEUE_CHECKPOINT_OFFSETS_MAX);
    for (uint32_t i = 0; i < QUEUE_CHECKPOINT_OFFSETS_MAX; i++)
        assert_true(queue_checkpoint_add(&full, i));
    assert_int_equal(queue_checkpoint_parse(buf_slice(&full), &c), PARSE_DONE);
    assert_int_equal(c.segment, 77);
    buf_close(&full);
    buf_init(&full, JOURNAL_RECORD_BYTES_MAX);
    queue_checkpoint_begin(&full, 77, 0, UINT32_MAX, QUEUE_CHECKPOINT_OFFSETS_MAX + 1);
    for (uint32_t i = 0; i <= QUEUE_CHECKPOINT_OFFSETS_MAX; i++)
        assert_true(queue_checkpoint_add(&full, i));
    assert_int_equal(queue_checkpoint_parse(buf_slice(&full), &c), PARSE_BAD);
    buf_close(&full);
}

static void pauses_at_their_limit(void **ctx)
{
    struct buf out;
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX + 2000);
    for (uint32_t count = QUEUE_PAUSES_MAX; count <= QUEUE_PAUSES_MAX + 1; count++) {
        buf_clear(&out);
        queue_pauses_begin(&out, false, count);
        for (uint32_t i = 0; i < count; i++)
            queue_pauses_add(&out, slice_of(long_text, 255));
        assert_false(out.is_full);
        struct queue_pauses p;
        assert_int_equal(queue_pauses_parse(buf_slice(&out), &p),
                         count > QUEUE_PAUSES_MAX ? PARSE_BAD : PARSE_DONE);
    }
    assert_false(queue_pauses_add(&out, slice_of(long_text, QUEUE_TEXT_BYTES_MAX + 1)));
    buf_close(&out);
}

static void an_index_takes_what_replay_needs(void **ctx)
{
    struct accept_case *c = &accept_cases[0];
    struct buf out;
    buf_init(&out, 4096);
    assert_true(case_build(c, &out));
    struct slice accept = buf_slice(&out);
    const struct {
        const char *what;
        uint8_t type;
        struct slice payload;
        size_t bytes;
    } row[] = {
        {"of a chunk nothing", QUEUE_RECORD_CHUNK, SLICE("body"), 0},
        {"of an accept record its head", QUEUE_RECORD_ACCEPT, accept,
         accept.n - c->prefix.n - c->tail.n},
        {"of one that cannot be read all", QUEUE_RECORD_ACCEPT, slice_head(accept, 20), 20},
        {"and of none", QUEUE_RECORD_ACCEPT, SLICE(""), 0},
        {"of an outcome all", QUEUE_RECORD_OUTCOME, SLICE("what became of it"), 17},
        {"of the pauses all", QUEUE_RECORD_PAUSES, SLICE("names"), 5},
        {"of what nobody knows all", 99, SLICE("future"), 6},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        if (queue_record_head_bytes(row[i].type, row[i].payload) != row[i].bytes)
            fail_msg("%s", row[i].what);
    }
    buf_close(&out);
}

/* Operator */

static void operator_there_and_back(void **ctx)
{
    static const struct queue_operator rows[] = {
        {QUEUE_VERB_HOLD, 1760000000000, SLICE_INIT("uid=0"), SLICE_INIT("")},
        {QUEUE_VERB_RELEASE, 0, SLICE_INIT(""), SLICE_INIT("")},
        {QUEUE_VERB_RETRY, 1, SLICE_INIT("uid=1000 (ann)"), SLICE_INIT("domain=a.example")},
        {QUEUE_VERB_BOUNCE, 1, SLICE_INIT("x"), SLICE_INIT("\xff\0 no")},
        {QUEUE_VERB_DELETE, 1, SLICE_INIT("x"), SLICE_INIT("spam")},
    };
    static const struct {
        size_t at;
        char byte;
    } flaws[] = {{0, 0}, {0, 2}, {1, 0}, {1, QUEUE_VERB_END}, {2, 1}, {3, 1}, {11, 1}, {12, 101}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;
        struct queue_operator op;
        buf_init(&out, 4096);
        assert_true(queue_operator_build(&out, &rows[i]));
        assert_int_equal(queue_operator_parse(buf_slice(&out), &op), PARSE_DONE);
        assert_int_equal(op.verb, rows[i].verb);
        assert_int_equal(op.time_ms, rows[i].time_ms);
        assert_slice(op.who, rows[i].who);
        assert_slice(op.words, rows[i].words);
        for (size_t cut = 0; cut < out.n; cut++)
            assert_int_equal(queue_operator_parse(slice_head(buf_slice(&out), cut), &op),
                             PARSE_BAD);
        for (size_t k = 0; k < COUNT_OF(flaws); k++) {
            char *bad = mem_dup(out.p, out.n);
            bad[flaws[k].at] = flaws[k].byte;
            assert_int_equal(queue_operator_parse(slice_of(bad, out.n), &op), PARSE_BAD);
            mem_free(bad);
        }
        buf_add_char(&out, 0);
        assert_int_equal(queue_operator_parse(buf_slice(&out), &op), PARSE_BAD);
        buf_close(&out);
    }
}

static void operator_texts_are_cut(void **ctx)
{
    struct queue_operator op = {QUEUE_VERB_HOLD, 1, slice_of(long_text, 65537),
                                slice_of(long_text, 65537)};
    struct buf out;
    buf_init(&out, 4096);
    assert_true(queue_operator_build(&out, &op));
    assert_int_equal(queue_operator_parse(buf_slice(&out), &op), PARSE_DONE);
    assert_int_equal(op.who.n, QUEUE_WHO_BYTES_MAX);
    assert_int_equal(op.words.n, QUEUE_REASON_BYTES_MAX);
    buf_close(&out);
}

static void fates_have_names(void **ctx)
{
    static const char *const name[] = {"waiting", "delivered", "bounced",
                                       "expired", "removed",   "unknown"};
    for (int f = 0; f <= QUEUE_FATE_COUNT; f++)
        assert_string_equal(queue_fate_name((enum queue_fate)f), name[f]);
}

int main(void)
{
    memset(long_text, 'x', sizeof long_text);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_there_and_back),
        cmocka_unit_test(accept_cut_short),
        cmocka_unit_test(accept_flawed),
        cmocka_unit_test(accept_of_version_2_flawed),
        cmocka_unit_test(accept_of_version_1_is_as_it_was),
        cmocka_unit_test(text_lengths),
        cmocka_unit_test(reasons_are_cut),
        cmocka_unit_test(accept_at_its_limits),
        cmocka_unit_test(full_buffers_are_noticed),
        cmocka_unit_test(outcome_there_and_back),
        cmocka_unit_test(outcome_flawed),
        cmocka_unit_test(outcome_of_all),
        cmocka_unit_test(pauses_there_and_back),
        cmocka_unit_test(pauses_at_their_limit),
        cmocka_unit_test(checkpoints_there_and_back),
        cmocka_unit_test(an_index_takes_what_replay_needs),
        cmocka_unit_test(operator_there_and_back),
        cmocka_unit_test(operator_texts_are_cut),
        cmocka_unit_test(fates_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
