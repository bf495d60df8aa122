/* test_smtp_pipeline.c -- the same commands say the same, however they are grouped (RFC 2920).
 *
 * All sessions of a few steps are played one command at a time first; then in every grouping that
 * section 3.1 allows, each group whole and byte by byte; then in one piece, which it does not
 * allow. Replies and events must be those of the first time. A step is a command, and DATA with
 * what follows it when it was answered 354. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../dialog/drive.h"

#include <stdio.h>

enum { STEPS_MAX = 7 };

static const struct step {
    const char *command;
    const char *body; /* sent when the command was answered 354 */
    bool is_last;     /* of a group (RFC 2920 section 3.1) */
    unsigned replies; /* without those to a body */
} steps[] = {
    {"MAIL FROM:<a@example.com>\r\n", NULL, false, 1},
    {"MAIL FROM:<no@example.com> BODY=8BITMIME\r\n", NULL, false, 1},
    {"RCPT TO:<b@example.net>\r\n", NULL, false, 1},
    {"RCPT TO:<no@example.net>\r\n", NULL, false, 1},
    {"RCPT TO:<bad\r\n", NULL, false, 1},
    {"RSET\r\n", NULL, false, 1},
    {"DATA\r\n", "a: b\r\n\r\nRSET\r\n..\r\n.\r\n", true, 1},
    {"BDAT 7\r\nx\r\nRSET", NULL, false, 1},
    {"BDAT 6 LAST\r\nQUIT\r\n", NULL, false, 1},
    {"BDAT 0 LAST\r\n", NULL, false, 1},
    {"BDAT 4\r\n\n.\r\n", NULL, false, 1}, /* refused for its bare LF */
    {"NOOP\r\n", NULL, true, 1},
    {"EHLO c\r\n", NULL, true, 1},
    {"QUIT\r\n", NULL, true, 1},
};

static const struct smtp_server_options options = {
    .hostname = {"mx.test", 7},
    .message_bytes_max = 1000,
    .recipients_max = 2,
    .errors_max = 50,
    .commands_max = 100,
    .auth = SMTP_AUTH_OFF,
};

/* Depends on nothing but what is asked about. */
static struct smtp_answer answer(struct drive *d, const struct smtp_server_event *ev)
{
    bool is_no = slice_starts(ev->path_text, SLICE("no@"));
    if (ev->kind == SMTP_SERVER_MAIL && is_no)
        return (struct smtp_answer){550, {5, 7, 1}, "not you"};
    if (ev->kind == SMTP_SERVER_RCPT && is_no)
        return (struct smtp_answer){451, {4, 2, 1}, "not now"};
    return (struct smtp_answer){0};
}

struct session {
    const struct step *step[STEPS_MAX];
    bool is_taken[STEPS_MAX]; /* DATA was answered 354 */
    size_t count;
    struct buf said, seen; /* the first time */
};

static void open_drive(struct drive *d)
{
    drive_init(d, &options);
    d->answer = answer;
    smtp_server_greet(d->machine);
    drive_feed(d, SLICE("EHLO c\r\n"));
}

static void add_step(struct session *s, size_t i, struct buf *out)
{
    buf_add_cstr(out, s->step[i]->command);
    if (s->is_taken[i])
        buf_add_cstr(out, s->step[i]->body);
}

static void show(const struct session *s, struct buf *out)
{
    for (size_t i = 0; i < s->count; i++)
        drive_show(out, slice_cstr(s->step[i]->command));
}

static void fail_session(const struct session *s, const char *what, const struct drive *d)
{
    struct buf text;
    buf_init(&text, 10000);
    show(s, &text);
    fail_msg("%s: %.*s\nsaid:\n%.*sat first:\n%.*sseen:\n%.*sat first:\n%.*s", what,
             SLICE_FMT(buf_slice(&text)), SLICE_FMT(buf_slice(&d->said)),
             SLICE_FMT(buf_slice(&s->said)), SLICE_FMT(buf_slice(&d->seen)),
             SLICE_FMT(buf_slice(&s->seen)));
}

/* One command at a time; each is answered with as many replies as it has a right to. */
static void play_first(struct session *s)
{
    struct drive d;
    unsigned wanted = 2; /* the greeting, EHLO */
    open_drive(&d);
    for (size_t i = 0; i < s->count; i++) {
        bool was_closed = d.is_closed;
        drive_feed(&d, slice_cstr(s->step[i]->command));
        wanted += was_closed ? 0 : s->step[i]->replies;
        s->is_taken[i] = s->step[i]->body && !was_closed &&
                         slice_ends_nocase(buf_slice(&d.said), SLICE("<CRLF>.<CRLF>\r\n"));
        if (s->is_taken[i]) {
            drive_feed(&d, slice_cstr(s->step[i]->body));
            wanted++;
        }
        if (reply_check_all(buf_slice(&d.said), options.hostname) != wanted)
            fail_session(s, "not one reply a command", &d);
    }
    buf_clear(&s->said);
    buf_clear(&s->seen);
    CHECK(buf_add(&s->said, buf_slice(&d.said)) && buf_add(&s->seen, buf_slice(&d.seen)));
    drive_close(&d);
}

static void compare(const struct session *s, const char *what, struct drive *d)
{
    if (!slice_eq(buf_slice(&d->said), buf_slice(&s->said)) ||
        !slice_eq(buf_slice(&d->seen), buf_slice(&s->seen)))
        fail_session(s, what, d);
    drive_close(d);
}

/* joins: bit i: step i + 1 is in the same group as step i. */
static void play_grouped(struct session *s, unsigned joins, size_t piece_bytes)
{
    struct drive d;
    struct buf group;
    open_drive(&d);
    buf_init(&group, 10000);
    for (size_t i = 0; i < s->count; i++) {
        buf_add_cstr(&group, s->step[i]->command);
        if (s->is_taken[i]) {
            /* Only now is it known that a body may come; what follows it may come with it. */
            drive_feed_pieces(&d, buf_slice(&group), piece_bytes, 1);
            buf_clear(&group);
            buf_add_cstr(&group, s->step[i]->body);
        }
        if (i + 1 < s->count && joins >> i & 1)
            continue;
        drive_feed_pieces(&d, buf_slice(&group), piece_bytes, 1);
        /* All replies of a group leave at its end at the latest. */
        assert_int_equal(smtp_server_output(d.machine).n, 0);
        buf_clear(&group);
    }
    buf_close(&group);
    compare(s, piece_bytes ? "grouped, byte by byte" : "grouped", &d);
}

static bool is_legal(const struct session *s, unsigned joins)
{
    for (size_t i = 0; i + 1 < s->count; i++) {
        /* A body that is taken is the first of a group, whatever DATA was. */
        if (joins >> i & 1 && s->step[i]->is_last && !s->is_taken[i])
            return false;
    }
    return true;
}

/* Cut in two at every byte. */
static void play_in_two(struct session *s)
{
    struct buf all;
    buf_init(&all, 10000);
    for (size_t i = 0; i < s->count; i++)
        add_step(s, i, &all);
    for (size_t cut = 0; cut <= all.n; cut++) {
        struct drive d;
        open_drive(&d);
        drive_feed(&d, slice_head(buf_slice(&all), cut));
        drive_feed(&d, slice_from(buf_slice(&all), cut));
        compare(s, "in two pieces", &d);
    }
    buf_close(&all);
}

static bool next_session(struct session *s, size_t most)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->step[i] + 1 < steps + COUNT_OF(steps)) {
            s->step[i]++;
            return true;
        }
        s->step[i] = steps;
    }
    if (s->count == most)
        return false;
    s->step[s->count++] = steps;
    return true;
}

static void all_sessions_of(size_t most, size_t in_two_most)
{
    struct session s = {0};
    unsigned groupings = 0;
    buf_init(&s.said, 100000);
    buf_init(&s.seen, 100000);
    while (next_session(&s, most)) {
        play_first(&s);
        for (unsigned joins = 0; joins < 1u << (s.count - 1); joins++) {
            if (!is_legal(&s, joins))
                continue;
            groupings++;
            play_grouped(&s, joins, 0);
            if (joins + 1 == 1u << (s.count - 1))
                play_grouped(&s, joins, 1);
        }
        if (s.count <= in_two_most)
            play_in_two(&s);
    }
    assert_true(groupings > 10000);
    buf_close(&s.said);
    buf_close(&s.seen);
}

static void every_short_session_in_every_grouping(void **state)
{
    all_sessions_of(4, 3);
}

/* Longer ones, each in every grouping, by chance. */
static void long_sessions_in_every_grouping(void **state)
{
    uint32_t seed = 1;
    struct session s = {.count = STEPS_MAX};
    buf_init(&s.said, 100000);
    buf_init(&s.seen, 100000);
    for (unsigned n = 0; n < 3000; n++) {
        for (size_t i = 0; i < s.count; i++) {
            seed = seed * 1664525u + 1013904223u;
            s.step[i] = &steps[(seed >> 8) % COUNT_OF(steps)];
        }
        play_first(&s);
        for (unsigned joins = 0; joins < 1u << (s.count - 1); joins++) {
            if (is_legal(&s, joins)) {
                play_grouped(&s, joins, 0);
                play_grouped(&s, joins, 1);
            }
        }
        play_in_two(&s);
    }
    buf_close(&s.said);
    buf_close(&s.seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_session_in_every_grouping),
        cmocka_unit_test(long_sessions_in_every_grouping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
