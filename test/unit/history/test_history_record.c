/* test_history_record.c -- records there and back, cut short, redacted, shown; and their keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "history/history_key.h"
#include "history/history_redact.h"
#include "history/history_view.h"
#include "mail/message_id.h"

#define S(text) SLICE_INIT(text)

static const struct history_record message = {
    .id = 0x123456789abcdef,
    .accepted_ms = 1700000000000,
    .finished_ms = 1700000002500,
    .bytes = 2048,
    .message_id_hash = 77, /* test_keys has the right one */
    .sender = S("Anna@Sender.example"),
    .user = S("app"),
    .client = S("127.0.0.1"),
    .message_id = S("<one@sender.example>"),
    .recipient_count = 2,
};

static const struct history_recipient to[2] = {
    {.address = S("bob@sink.example"),
     .fate = HISTORY_DELIVERED,
     .attempts = 1,
     .ended_ms = 1700000000400,
     .host = S("mx.sink.example"),
     .ip = S("192.0.2.1"),
     .reply = S("250 2.0.0 queued as 7")},
    {.address = S("carl@moody.example"),
     .fate = HISTORY_BOUNCED,
     .attempts = 3,
     .ended_ms = 1700000002500,
     .reply = S("550 <Carl@Moody.Example>: no carl here")},
};

static void build(struct buf *out)
{
    buf_init(out, 64 * 1024);
    assert_true(history_record_begin(&message, out));
    for (int i = 0; i < 2; i++)
        assert_true(history_record_add(&to[i], out));
}

static void test_there_and_back(void **state)
{
    struct buf in, again;
    struct history_record r;
    struct history_recipient one;
    build(&in);
    assert_int_equal(history_record_parse(buf_slice(&in), &r), PARSE_DONE);
    assert_true(r.id == message.id && r.accepted_ms == message.accepted_ms);
    assert_true(r.finished_ms == message.finished_ms && r.bytes == 2048 && !r.is_report);
    assert_true(slice_eq(r.message_id, message.message_id) && slice_eq(r.user, message.user));
    struct slice rest = r.recipients;
    for (int i = 0; i < 2; i++) {
        assert_true(history_record_next(&rest, &one));
        assert_true(slice_eq(one.address, to[i].address) && slice_eq(one.reply, to[i].reply));
        assert_true(slice_eq(one.host, to[i].host) && slice_eq(one.ip, to[i].ip));
        assert_true(one.fate == to[i].fate && one.attempts == to[i].attempts);
    }
    assert_false(history_record_next(&rest, &one));
    buf_init(&again, 64 * 1024);
    assert_true(history_redact(&r, HISTORY_REDACT_NONE, &again));
    assert_true(slice_eq(buf_slice(&in), buf_slice(&again)));
    buf_close(&in);
    buf_close(&again);
}

static void test_what_is_wrong_is_refused(void **state)
{
    struct buf in;
    struct history_record r;
    build(&in);
    for (size_t n = 0; n < in.n; n++)
        assert_int_equal(history_record_parse(slice_of(in.p, n), &r), PARSE_BAD);
    static const struct {
        const char *shown;
        size_t at;
        char value;
    } row[] = {
        {"another version", 0, 2},        {"an unknown flag", 1, 2},
        {"room that must be zero", 2, 1}, {"more recipients than there are", 4, 3},
        {"no recipient", 4, 0},           {"fewer recipients than there are", 4, 1},
        {"too many recipients", 6, 1},    {"a text that is too long", 45, 5},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char kept = in.p[row[i].at];
        in.p[row[i].at] = row[i].value;
        if (history_record_parse(buf_slice(&in), &r) != PARSE_BAD)
            fail_msg("%s", row[i].shown);
        in.p[row[i].at] = kept;
    }
    buf_add_char(&in, 0);
    assert_int_equal(history_record_parse(buf_slice(&in), &r), PARSE_BAD);
    buf_close(&in);
}

static void test_text_is_cut(void **state)
{
    static char text[3000];
    memset(text, 'x', sizeof text);
    struct buf in;
    struct history_record head = message, r;
    head.recipient_count = 1;
    head.message_id = slice_of(text, sizeof text);
    buf_init(&in, 64 * 1024);
    assert_true(history_record_begin(&head, &in) && history_record_add(&to[0], &in));
    assert_int_equal(history_record_parse(buf_slice(&in), &r), PARSE_DONE);
    assert_int_equal(r.message_id.n, HISTORY_TEXT_BYTES_MAX);
    buf_close(&in);
}

static void test_redaction(void **state)
{
    static const struct {
        const char *shown;
        enum history_redaction how;
        const char *text, *local, *is;
    } row[] = {
        {"an address", HISTORY_REDACT_LOCAL_PART, "bob@example.org", "", "b***@example.org"},
        {"all of it", HISTORY_REDACT_ALL, "bob@example.org", "", "***"},
        {"in a sentence", HISTORY_REDACT_LOCAL_PART, "550 <bob@example.org>: no such user", "",
         "550 <b***@example.org>: no such user"},
        {"the local part alone", HISTORY_REDACT_LOCAL_PART, "550 user Bob unknown", "bob",
         "550 user *** unknown"},
        {"not inside a word", HISTORY_REDACT_LOCAL_PART, "bobsled", "bob", "bobsled"},
        {"a short local part is a word", HISTORY_REDACT_LOCAL_PART, "a message", "a", "a message"},
        {"no address", HISTORY_REDACT_ALL, "250 @ ok x@ @y", "", "250 @ ok x@ @y"},
        {"two signs", HISTORY_REDACT_LOCAL_PART, "a@b@c.example", "", "a***@c.example"},
    };
    struct buf out;
    buf_init(&out, 1024);
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        buf_clear(&out);
        history_redact_text(slice_cstr(row[i].text), slice_cstr(row[i].local), row[i].how, &out);
        if (!slice_eq(buf_slice(&out), slice_cstr(row[i].is)))
            fail_msg("%s: %s", row[i].shown, buf_cstr(&out));
    }
    buf_close(&out);
}

static bool has(const struct buf *b, const char *text)
{
    struct slice all = buf_slice(b), want = slice_cstr(text);
    for (size_t i = 0; i + want.n <= all.n; i++)
        if (slice_eq_nocase(slice_head(slice_from(all, i), want.n), want))
            return true;
    return false;
}

static void test_no_address_is_left(void **state)
{
    struct buf in, out;
    struct history_record r;
    build(&in);
    assert_int_equal(history_record_parse(buf_slice(&in), &r), PARSE_DONE);
    buf_init(&out, 64 * 1024);
    assert_true(history_redact(&r, HISTORY_REDACT_LOCAL_PART, &out));
    assert_false(has(&out, "bob") || has(&out, "carl") || has(&out, "anna"));
    assert_true(has(&out, "b***@sink.example") && has(&out, "c***@moody.example"));
    assert_int_equal(history_record_parse(buf_slice(&out), &r), PARSE_DONE);
    assert_int_equal(history_record_parse(buf_slice(&in), &r), PARSE_DONE);
    buf_clear(&out);
    assert_true(history_redact(&r, HISTORY_REDACT_ALL, &out));
    assert_false(has(&out, "bob") || has(&out, "carl@") || has(&out, "moody.example"));
    buf_close(&in);
    buf_close(&out);
}

static bool is_key(const uint64_t *key, unsigned count, uint64_t want)
{
    for (unsigned i = 0; i < count; i++)
        if (key[i] == want)
            return true;
    return false;
}

static void test_keys(void **state)
{
    const struct history_salt salt = {1, 2}, other = {1, 3};
    static uint64_t key[HISTORY_KEYS_MAX];
    struct buf in;
    struct history_record r;
    build(&in);
    assert_int_equal(history_record_parse(buf_slice(&in), &r), PARSE_DONE);
    assert_int_equal(r.message_id_hash, 77);
    r.message_id_hash = mail_message_id_hash(r.message_id);
    unsigned n = history_keys(&salt, &r, key);
    assert_int_equal(n, 5);
    assert_true(is_key(key, n, history_key_id(&salt, r.id)));
    assert_true(is_key(key, n, history_key_address(&salt, SLICE("anna@sender.EXAMPLE"))));
    assert_true(is_key(key, n, history_key_address(&salt, SLICE("BOB@sink.example"))));
    assert_true(is_key(key, n, history_key_message_id(&salt, SLICE(" <one@sender.example>"))));
    assert_true(is_key(key, n, history_key_message_id(&salt, SLICE("one@sender.example"))));
    assert_false(is_key(key, n, history_key_message_id(&salt, SLICE("One@sender.example"))));
    assert_false(is_key(key, n, history_key_message_id(&salt, SLICE("bob@sink.example"))));
    assert_false(is_key(key, n, history_key_address(&other, SLICE("bob@sink.example"))));
    buf_close(&in);
}

static void test_text(void **state)
{
    struct buf in, out;
    struct history_record r;
    build(&in);
    assert_int_equal(history_record_parse(buf_slice(&in), &r), PARSE_DONE);
    buf_init(&out, 64 * 1024);
    history_view_text(&r, &out);
    static const char *const want[] = {
        "1 delivered, 1 bounced\n",
        "from      <Anna@Sender.example>\n",
        "client    127.0.0.1, logged in as app\n",
        "known as  <one@sender.example>\n",
        "accepted  2023-11-14T22:13:20.000Z, 2048 bytes\n",
        "after 2.5 s\n",
        "delivered after 400 ms, 1 attempt, by mx.sink.example [192.0.2.1]\n"
        "          250 2.0.0 queued as 7\n",
        "bounced after 2.5 s, 3 attempts\n          550 <Carl@Moody.Example>: no carl here\n",
    };
    for (size_t i = 0; i < COUNT_OF(want); i++)
        if (!has(&out, want[i]))
            fail_msg("no \"%s\" in:\n%s", want[i], buf_cstr(&out));
    buf_clear(&out);
    struct json j;
    json_init(&j, &out);
    history_view_json(&r, &j);
    assert_true(has(&out, "\"state\":\"bounced\"") && has(&out, "\"delay_s\":2.5"));
    assert_true(has(&out, "\"message_id\":\"<one@sender.example>\""));
    buf_close(&in);
    buf_close(&out);
}

static void test_a_line_stays_a_line(void **state)
{
    struct buf in, out;
    struct history_record head = message, r;
    struct history_recipient one = to[0];
    one.reply = SLICE("250 a\nmessage   forged\x1b[2J\x9b \xc2\x9b \xe2\x80\xae \xc3\xa4");
    head.recipient_count = 1;
    buf_init(&in, 4096);
    buf_init(&out, 4096);
    assert_true(history_record_begin(&head, &in) && history_record_add(&one, &in));
    assert_int_equal(history_record_parse(buf_slice(&in), &r), PARSE_DONE);
    history_view_text(&r, &out);
    assert_true(has(&out, "250 a?message   forged?[2J? ? ? \xc3\xa4\n"));
    buf_close(&in);
    buf_close(&out);
}

static void test_spans(void **state)
{
    static const struct {
        int64_t ms;
        const char *is;
    } row[] = {{-5, "0 ms"},         {0, "0 ms"},           {450, "450 ms"},
               {1000, "1.0 s"},      {59999, "59.9 s"},     {60000, "1 m"},
               {200000, "3 m 20 s"}, {3600000, "1 h"},      {7260000, "2 h 1 m"},
               {86400000, "1 d"},    {90000000, "1 d 1 h"}, {INT64_MAX, "106751991167 d 7 h"}};
    for (size_t i = 0; i < COUNT_OF(row); i++)
        assert_string_equal(history_span_of(row[i].ms).s, row[i].is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_is_wrong_is_refused),
        cmocka_unit_test(test_text_is_cut),
        cmocka_unit_test(test_redaction),
        cmocka_unit_test(test_no_address_is_left),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_a_line_stays_a_line),
        cmocka_unit_test(test_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
