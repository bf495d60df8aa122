/* test_note.c -- the log line of a note, as text and as JSON, and the table behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/msgid.h"
#include "base/utf8.h"
#include "note/note.h"

#define BYTES(lit)                                                                                 \
    {                                                                                              \
        lit, sizeof(lit) - 1                                                                       \
    }

static void test_text_of_a_field(void **state)
{
    static const struct {
        const char *shows;
        struct slice in;
        const char *text;
    } row[] = {
        {"a plain word stands bare", BYTES("a@example.com"), "a@example.com"},
        {"brackets stand bare", BYTES("<>"), "<>"},
        {"nothing is shown as two quotation marks", BYTES(""), "\"\""},
        {"a blank is quoted", BYTES("250 ok"), "\"250 ok\""},
        {"an equals sign is quoted", BYTES("a=b"), "\"a=b\""},
        {"quotation marks are escaped", BYTES("say \"hi\""), "\"say \\\"hi\\\"\""},
        {"a backslash is escaped", BYTES("\\x41"), "\"\\\\x41\""},
        {"a line end cannot begin a new line", BYTES("a\r\nb"), "\"a\\x0d\\x0ab\""},
        {"a NUL is shown", BYTES("a\0b"), "\"a\\x00b\""},
        {"escape and delete are shown", BYTES("\x1b[2J\x7f"), "\"\\x1b[2J\\x7f\""},
        {"UTF-8 is kept, bare", BYTES("j\xc3\xbcrgen"), "j\xc3\xbcrgen"},
        {"UTF-8 is kept, quoted", BYTES("\xe2\x82\xac 5"), "\"\xe2\x82\xac 5\""},
        {"a byte that is no UTF-8 is shown", BYTES("a\xff"), "\"a\\xff\""},
        {"a cut sequence is shown", BYTES("a\xe2\x82"), "\"a\\xe2\\x82\""},
        {"C1 control characters are shown",
         BYTES("\xc2\x9b"
               "2J"),
         "\"\\xc2\\x9b2J\""},
        {"a line separator is shown",
         BYTES("a\xe2\x80\xa8"
               "b"),
         "\"a\\xe2\\x80\\xa8b\""},
        {"a turn of direction is shown", BYTES("\xe2\x80\xae"), "\"\\xe2\\x80\\xae\""},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        print_message("%s\n", row[i].shows);
        struct note n;
        note_init(&n, NOTE_DEFERRED, 0);
        note_text(&n, "reply", row[i].in);
        struct buf out;
        buf_init(&out, 4096);
        note_build_text(&n, 0, &out);
        char want[256];
        snprintf(want, sizeof want, "1970-01-01T00:00:00.000Z info deferred reply=%s", row[i].text);
        assert_string_equal(buf_cstr(&out), want);
        buf_close(&out);
    }
}

static void test_time(void **state)
{
    static const struct {
        const char *shows;
        int64_t ms;
        const char *text;
    } row[] = {
        {"a day of ours", 1795308462123, "2026-11-22T00:47:42.123Z"},
        {"the beginning", 0, "1970-01-01T00:00:00.000Z"},
        {"before the beginning", -5, "1970-01-01T00:00:00.000Z"},
        {"a leap day", 1709164799999, "2024-02-28T23:59:59.999Z"},
        {"its next millisecond", 1709164800000, "2024-02-29T00:00:00.000Z"},
        {"a leap day of a century", 951782400000, "2000-02-29T00:00:00.000Z"},
        {"no leap day in 2100", 4107542400000, "2100-03-01T00:00:00.000Z"},
        {"the last", 253402300799999, "9999-12-31T23:59:59.999Z"},
        {"after the last", INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        print_message("%s\n", row[i].shows);
        struct note n;
        note_init(&n, NOTE_STARTED, 0);
        struct buf out;
        buf_init(&out, 4096);
        note_build_text(&n, row[i].ms, &out);
        assert_memory_equal(buf_cstr(&out), row[i].text, 24);
        assert_string_equal(buf_cstr(&out) + 24, " info started");
        buf_close(&out);
    }
}

static struct note whole_note(void)
{
    struct note n;
    note_init(&n, NOTE_ACCEPTED, 7);
    note_text(&n, "from", SLICE(""));
    note_text(&n, "helo", SLICE("two \"words\"\n"));
    note_number(&n, "bytes", 0);
    note_number(&n, "least", INT64_MIN);
    note_number(&n, "most", INT64_MAX);
    return n;
}

static void test_whole_line(void **state)
{
    struct note n = whole_note();
    struct buf out;
    buf_init(&out, 4096);
    note_build_text(&n, 1000, &out);
    assert_string_equal(buf_cstr(&out),
                        "1970-01-01T00:00:01.000Z info accepted msg=0000000000007 from=\"\" "
                        "helo=\"two \\\"words\\\"\\x0a\" bytes=0 least=-9223372036854775808 "
                        "most=9223372036854775807");
    buf_clear(&out);
    note_build_json(&n, 1000, &out);
    assert_string_equal(buf_cstr(&out),
                        "{\"time\":\"1970-01-01T00:00:01.000Z\",\"level\":\"info\",\"event\":"
                        "\"accepted\",\"msg\":\"0000000000007\",\"from\":\"\",\"helo\":\"two "
                        "\\\"words\\\"\\n\",\"bytes\":0,\"least\":-9223372036854775808,\"most\":"
                        "9223372036854775807}");
    buf_close(&out);
}

static void test_a_full_buffer_is_told(void **state)
{
    struct note n = whole_note();
    struct buf out;
    buf_init(&out, 4096);
    note_build_text(&n, 1000, &out);
    size_t whole = out.n;
    buf_close(&out);
    for (size_t max = 0; max < whole + 2; max++) {
        buf_init(&out, max);
        note_build_text(&n, 1000, &out);
        assert_true(out.n <= max);
        assert_int_equal(out.is_full, max < whole);
        buf_close(&out);
    }
}

/* Whatever a field holds, the line is one line of valid UTF-8 without control characters. */
static void test_any_two_bytes_stay_one_line(void **state)
{
    struct buf out;
    buf_init(&out, 4096);
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            char in[2] = {(char)a, (char)b};
            struct note n;
            note_init(&n, NOTE_BOUNCED, 0);
            note_text(&n, "k", slice_of(in, 2));
            buf_clear(&out);
            note_build_text(&n, 0, &out);
            assert_true(utf8_is_valid(buf_slice(&out)));
            for (size_t i = 0; i < out.n; i++)
                assert_true((uint8_t)out.p[i] >= ' ' && out.p[i] != 0x7f);
        }
    }
    buf_close(&out);
}

static void test_table(void **state)
{
    for (int i = 0; i < NOTE_COUNT; i++) {
        const struct note_row *r = &note_row[i];
        assert_non_null(r->name);
        assert_true(r->help[strlen(r->help) - 1] == '.');
        assert_true(slice_ends_nocase(slice_cstr(r->counter), SLICE("_total")));
        for (const char *p = r->counter; *p; p++)
            assert_true((*p >= 'a' && *p <= 'z') || *p == '_');
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(r->word, note_row[k].word);
            assert_string_not_equal(r->counter, note_row[k].counter);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_of_a_field),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_whole_line),
        cmocka_unit_test(test_a_full_buffer_is_told),
        cmocka_unit_test(test_any_two_bytes_stay_one_line),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
