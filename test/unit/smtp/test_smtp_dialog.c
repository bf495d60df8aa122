/* test_smtp_dialog.c -- plays the dialogue files of test/dialog; their README has the format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../dialog/drive.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILES_MAX = 512, ANSWERS_MAX = 16, FILES_LEAST = 200 };

struct planned {
    char event[16];
    struct smtp_answer answer;
    char text[200];
    bool is_used;
};

struct player {
    struct drive drive;
    struct smtp_server_options options;
    struct planned planned[ANSWERS_MAX];
    size_t planned_count;
    struct buf input; /* the present group */
    size_t said_read, seen_read;
    bool is_started, is_trusted, has_tls, is_whole, checks_events, has_binding;
    struct slice certified; /* in the file's text */
    size_t piece_bytes;
    uint32_t seed;
    const char *path;
    unsigned line;
};

static _Noreturn void fail_at(struct player *p, const char *what, struct slice text)
{
    fail_msg("%s:%u: %s: %.*s (pieces of %zu, seed %u)\nsaid:\n%.*s\nseen:\n%.*s", p->path, p->line,
             what, SLICE_FMT(text), p->piece_bytes, p->seed, SLICE_FMT(buf_slice(&p->drive.said)),
             SLICE_FMT(buf_slice(&p->drive.seen)));
    abort();
}

static struct smtp_answer answer(struct drive *d, const struct smtp_server_event *ev)
{
    struct player *p = d->context;
    for (size_t i = 0; i < p->planned_count; i++) {
        struct planned *plan = &p->planned[i];
        if (plan->is_used || strcmp(plan->event, drive_name(ev->kind)) != 0)
            continue;
        plan->is_used = true;
        plan->answer.text = plan->text;
        return plan->answer;
    }
    return (struct smtp_answer){0};
}

static void tls_is_up(struct player *p)
{
    struct smtp_server *s = p->drive.machine;
    smtp_server_on_tls(s);
    if (p->certified.n)
        smtp_server_set_certified(s, p->certified);
    if (p->has_binding) {
        smtp_server_set_binding(s, SMTP_BINDING_END_POINT,
                                SLICE("tls-server-end-point of this channel"));
        smtp_server_set_binding(s, SMTP_BINDING_UNIQUE, SLICE("tls-unique of this channel"));
    }
}

static void start(struct player *p)
{
    if (p->is_started)
        return;
    p->is_started = true;
    struct ip peer;
    assert_true(ip_parse(SLICE("192.0.2.7"), &peer));
    drive_init(&p->drive, &p->options);
    p->drive.answer = answer;
    p->drive.context = p;
    smtp_server_set_peer(p->drive.machine, &peer, p->is_trusted);
    if (p->has_tls)
        tls_is_up(p);
    smtp_server_greet(p->drive.machine);
    drive_drain(&p->drive);
    p->said_read = p->drive.said.n; /* the greeting is checked in the unit test */
}

static void flush(struct player *p)
{
    start(p);
    drive_feed_pieces(&p->drive, buf_slice(&p->input), p->is_whole ? 0 : p->piece_bytes, p->seed);
    buf_clear(&p->input);
}

/* The next line of text at *read, without its end; false: there is none. */
static bool take_line(struct buf *from, size_t *read, const char *end, struct slice *line)
{
    struct slice rest = slice_from(buf_slice(from), *read);
    const char *at = rest.n ? memmem(rest.p, rest.n, end, strlen(end)) : NULL;
    if (!at)
        return false;
    *line = slice_head(rest, (size_t)(at - rest.p));
    *read += line->n + strlen(end);
    return true;
}

/* "250-...PATTERN": a reply of any number of lines, which begin with 250; one must fit. */
static void expect_long_reply(struct player *p, struct slice pattern)
{
    struct slice line;
    bool is_there = pattern.n == 0;
    do {
        if (!take_line(&p->drive.said, &p->said_read, "\r\n", &line))
            fail_at(p, "did not come", SLICE("250-..."));
        if (!slice_starts(line, SLICE("250-")) && !slice_starts(line, SLICE("250 ")))
            fail_at(p, "came instead", line);
        is_there |= slice_glob_nocase(pattern, slice_from(line, 4));
    } while (line.p[3] == '-');
    if (!is_there)
        fail_at(p, "is not in the reply", pattern);
}

static void expect_line(struct player *p, struct slice pattern, bool is_event)
{
    struct slice line;
    flush(p);
    if (!is_event && slice_starts(pattern, SLICE("250-..."))) {
        expect_long_reply(p, slice_from(pattern, 7));
        return;
    }
    bool is_there = is_event ? take_line(&p->drive.seen, &p->seen_read, "\n", &line)
                             : take_line(&p->drive.said, &p->said_read, "\r\n", &line);
    if (!is_there)
        fail_at(p, "did not come", pattern);
    if (!slice_glob_nocase(pattern, line))
        fail_at(p, "came instead", line);
}

static void expect_silence(struct player *p)
{
    if (p->is_started && p->said_read != p->drive.said.n)
        fail_at(p, "said too much", slice_from(buf_slice(&p->drive.said), p->said_read));
}

static int hex(char c)
{
    return ascii_is_digit(c) ? c - '0' : ascii_lower(c) - 'a' + 10;
}

static void add_bytes(struct player *p, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c != '\\') {
            buf_add_char(&p->input, c);
            continue;
        }
        i++;
        if (i == text.n)
            fail_at(p, "escape is cut short", text);
        c = text.p[i];
        if (c == 'x' && i + 2 < text.n) {
            buf_add_char(&p->input, (char)(hex(text.p[i + 1]) * 16 + hex(text.p[i + 2])));
            i += 2;
        } else if (c == '{') {
            struct slice rest = slice_from(text, i + 1);
            size_t colon = slice_find(rest, ':'), end = slice_find(rest, '}');
            uint64_t n;
            if (end >= rest.n || colon > end || !slice_to_u64(slice_head(rest, colon), &n))
                fail_at(p, "bad repetition", text);
            while (n--)
                buf_add(&p->input, slice_from(slice_head(rest, end), colon + 1));
            i += 1 + end;
        } else {
            static const char names[] = "rnt0\\", bytes[] = "\r\n\t\0\\";
            const char *at = memchr(names, c, sizeof names - 1);
            if (!at)
                fail_at(p, "unknown escape", text);
            buf_add_char(&p->input, bytes[at - names]);
        }
    }
}

static struct slice take_word(struct slice *s)
{
    *s = slice_trim(*s);
    size_t n = slice_find(*s, ' ');
    struct slice word = slice_head(*s, n);
    *s = slice_trim(slice_from(*s, n));
    return word;
}

static void set_option(struct player *p, struct slice text)
{
    struct slice name = take_word(&text);
    uint64_t n = 0;
    bool is_number = slice_to_u64(text, &n);
    if (slice_eq(name, SLICE("auth")))
        p->options.auth = slice_eq(text, SLICE("required"))   ? SMTP_AUTH_REQUIRED
                          : slice_eq(text, SLICE("optional")) ? SMTP_AUTH_OPTIONAL
                                                              : SMTP_AUTH_OFF;
    else if (slice_eq(name, SLICE("tls")))
        *(slice_eq(text, SLICE("on")) ? &p->has_tls : &p->options.offers_tls) = true;
    else if (slice_eq(name, SLICE("certificate")))
        p->certified = text;
    else if (slice_eq(name, SLICE("certificates")))
        p->options.needs_certificate = slice_eq(text, SLICE("required"));
    else if (slice_eq(name, SLICE("scram")))
        p->options.offers_scram = true;
    else if (slice_eq(name, SLICE("binding")))
        p->has_binding = p->options.offers_binding = true;
    else if (slice_eq(name, SLICE("trusted")))
        p->is_trusted = true;
    else if (slice_eq(name, SLICE("whole")))
        p->is_whole = true;
    else if (slice_eq(name, SLICE("size")) && is_number)
        p->options.message_bytes_max = n;
    else if (slice_eq(name, SLICE("recipients")) && is_number)
        p->options.recipients_max = (unsigned)n;
    else if (slice_eq(name, SLICE("mails")) && is_number)
        p->options.mails_max = (unsigned)n;
    else if (slice_eq(name, SLICE("session-recipients")) && is_number)
        p->options.session_recipients_max = (unsigned)n;
    else if (slice_eq(name, SLICE("errors")) && is_number)
        p->options.errors_max = (unsigned)n;
    else if (slice_eq(name, SLICE("commands")) && is_number)
        p->options.commands_max = (unsigned)n;
    else
        fail_at(p, "unknown option", name);
}

static void plan_answer(struct player *p, struct slice text)
{
    assert_true(p->planned_count < ANSWERS_MAX);
    struct planned *plan = &p->planned[p->planned_count++];
    struct slice event = take_word(&text), code = take_word(&text), status = take_word(&text);
    uint64_t n;
    if (!slice_to_u64(code, &n) || status.n != 5)
        fail_at(p, "bad answer", text);
    snprintf(plan->event, sizeof plan->event, "%.*s", SLICE_FMT(event));
    snprintf(plan->text, sizeof plan->text, "%.*s", SLICE_FMT(text));
    plan->answer.code = (int)n;
    plan->answer.status =
        (struct smtp_status){status.p[0] - '0', status.p[2] - '0', status.p[4] - '0'};
}

static void play_line(struct player *p, struct slice line)
{
    char tag = line.p[0];
    struct slice text = slice_from(line, 2);
    if (text.n && text.p[0] == ' ')
        text = slice_from(text, 1);
    switch (tag) {
    case '#':
        break;
    case '!':
        set_option(p, text);
        break;
    case 'C':
    case 'R':
        start(p);
        expect_silence(p);
        add_bytes(p, text);
        if (tag == 'C')
            buf_add_cstr(&p->input, "\r\n");
        break;
    case 'S':
        expect_line(p, text, false);
        break;
    case 'E':
        p->checks_events = true;
        expect_line(p, text, true);
        break;
    case 'A':
        flush(p);
        plan_answer(p, text);
        break;
    case 'T':
        flush(p);
        if (!p->drive.wants_tls)
            fail_at(p, "no handshake is due", text);
        tls_is_up(p);
        drive_feed(&p->drive, SLICE_NONE);
        break;
    case 'X': {
        flush(p);
        char *words = mem_dup(text.p, text.n);
        smtp_server_shutdown(p->drive.machine, words);
        mem_free(words);
        drive_feed(&p->drive, SLICE_NONE);
        break;
    }
    case 'Z':
        flush(p);
        expect_silence(p);
        if (!p->drive.is_closed)
            fail_at(p, "is still open", text);
        break;
    default:
        fail_at(p, "unknown tag", line);
    }
}

static void play(const char *path, struct slice text, size_t piece_bytes, uint32_t seed)
{
    struct player p = {.path = path, .piece_bytes = piece_bytes, .seed = seed};
    p.options = (struct smtp_server_options){
        .hostname = SLICE("mx.test"),
        .message_bytes_max = 10000,
        .recipients_max = 5,
        .errors_max = 5,
        .commands_max = 30,
        .auth = SMTP_AUTH_OFF,
    };
    buf_init(&p.input, 16u << 20);
    bool may_close = false;
    while (text.n) {
        size_t n = slice_find(text, '\n');
        struct slice line = slice_head(text, n);
        text = slice_from(text, n + 1);
        p.line++;
        if (line.n == 0)
            continue;
        may_close = line.p[0] == 'Z';
        play_line(&p, line);
    }
    flush(&p);
    expect_silence(&p);
    if (p.drive.is_closed && !may_close)
        fail_at(&p, "was closed", SLICE(""));
    if (p.checks_events && p.seen_read != p.drive.seen.n)
        fail_at(&p, "more happened", slice_from(buf_slice(&p.drive.seen), p.seen_read));
    for (size_t i = 0; i < p.planned_count; i++) {
        if (!p.planned[i].is_used)
            fail_at(&p, "was never asked", slice_cstr(p.planned[i].event));
    }
    buf_close(&p.input);
    drive_close(&p.drive);
}

static void read_file(const char *path, struct buf *out)
{
    buf_init(out, 1u << 20);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *room = buf_reserve(out, 1u << 20);
    assert_non_null(room);
    buf_wrote(out, fread(room, 1, 1u << 20, f));
    fclose(f);
}

static void test_dialog(void **state)
{
    const char *path = *state;
    struct buf text;
    read_file(path, &text);
    play(path, buf_slice(&text), 0, 0);
    play(path, buf_slice(&text), 1, 0);
    for (uint32_t seed = 1; seed <= 8; seed++)
        play(path, buf_slice(&text), seed * 5, seed);
    buf_close(&text);
}

static const char *find_dir(char *room, size_t n)
{
    const char *dir = getenv("DIALOG_DIR");
    if (dir)
        return dir;
    /* Beside this source file, whose name the compiler was given from the build directory. */
    const char *slash = strrchr(__FILE__, '/');
    snprintf(room, n, "%.*s/../../dialog", slash ? (int)(slash - __FILE__) : 1,
             slash ? __FILE__ : ".");
    const char *guess[] = {room, "test/dialog", "../test/dialog", "../dialog"};
    for (size_t i = 0; i < COUNT_OF(guess); i++) {
        DIR *d = opendir(guess[i]);
        if (!d)
            continue;
        closedir(d);
        return guess[i];
    }
    return NULL;
}

int main(void)
{
    static struct CMUnitTest tests[FILES_MAX];
    size_t count = 0;
    char room[4096];
    const char *dir = find_dir(room, sizeof room);
    DIR *d = dir ? opendir(dir) : NULL;
    if (!d) {
        fprintf(stderr, "no dialogues: set DIALOG_DIR to test/dialog\n");
        return 1;
    }
    struct dirent *e;
    while ((e = readdir(d)) && count < FILES_MAX) {
        if (!slice_ends_nocase(slice_cstr(e->d_name), SLICE(".txt")))
            continue;
        struct buf path;
        buf_init(&path, 8192);
        buf_addf(&path, "%s/%s", dir, e->d_name);
        char *name = mem_dup(path.p, path.n);
        buf_close(&path);
        tests[count++] =
            (struct CMUnitTest){.name = name, .test_func = test_dialog, .initial_state = name};
    }
    closedir(d);
    int bad = _cmocka_run_group_tests("smtp dialogues", tests, count, NULL, NULL);
    if (count < FILES_LEAST) {
        fprintf(stderr, "only %zu dialogues in %s\n", count, dir);
        bad++;
    }
    for (size_t i = 0; i < count; i++)
        mem_free(tests[i].initial_state);
    return bad != 0;
}
