/* test_sendmail_options.c -- command lines of sendmail(1) as programs write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../../src/app/sendmail_options.h"
#include "base/buf.h"

enum { ARGS_MAX = 16 };

/* What was understood, in words; "!" and why when it was refused. */
static void tell(const struct sendmail_options *o, struct buf *out)
{
    static const char *const modes[] = {"send",   "smtp",    "queue", "flush",
                                        "verify", "nothing", "help"};
    buf_add_cstr(out, modes[o->mode]);
    buf_add_cstr(out, o->takes_recipients ? " t" : "");
    buf_add_cstr(out, o->ignores_dots ? " i" : "");
    buf_add_cstr(out, o->is_8bit ? " 8" : "");
    buf_add_cstr(out, o->is_verbose ? " v" : "");
    const char *const value[] = {o->from,
                                 o->full_name,
                                 o->config,
                                 o->envid,
                                 *o->notify ? o->notify : NULL,
                                 *o->ret ? o->ret : NULL};
    static const char *const name[] = {"f", "F", "C", "V", "N", "R"};
    for (size_t i = 0; i < COUNT_OF(value); i++) {
        if (value[i])
            buf_addf(out, " %s=%s", name[i], value[i]);
    }
    for (int i = 0; i < o->recipient_count; i++)
        buf_addf(out, " <%s>", o->recipient[i]);
}

static const struct {
    const char *shows;
    const char *line[ARGS_MAX];
    const char *wanted;
} cases[] = {
    {"PHP", {"-t", "-i"}, "send t i"},
    {"PHP with a sender", {"-t", "-i", "-fbob@example.com"}, "send t i f=bob@example.com"},
    {"together", {"-ti", "a@b"}, "send t i <a@b>"},
    {"together, a value at the end", {"-itfbob", "a@b"}, "send t i f=bob <a@b>"},
    {"a value as the next word", {"-f", "bob", "a@b"}, "send f=bob <a@b>"},
    {"an empty value", {"-f", "", "a@b"}, "send f= <a@b>"},
    {"-r is -f", {"-r", "bob", "a@b"}, "send f=bob <a@b>"},
    {"cron of Debian",
     {"-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"},
     "send i 8 F=CronDaemon <root>"},
    {"7BIT is found out", {"-B7BIT", "a@b"}, "send <a@b>"},
    {"-oi", {"-oi", "-t"}, "send t i"},
    {"other -o options", {"-oem", "-odq", "-oA/x", "-om", "a@b"}, "send <a@b>"},
    {"-O", {"-O", "IgnoreDots=true", "-OTimeout.x=1", "a@b"}, "send i <a@b>"},
    {"ignored with a value",
     {"-X", "/tmp/log", "-L", "tag", "-h", "5", "-p", "x:y", "-Am", "-d0-99.1", "-em", "a@b"},
     "send <a@b>"},
    {"ignored without", {"-GUnm", "-v", "a@b"}, "send v <a@b>"},
    {"what follows -- is no option", {"-t", "--", "-f@x"}, "send t <-f@x>"},
    {"options behind addresses", {"a@b", "-i", "c@d"}, "send i <a@b> <c@d>"},
    {"DSN",
     {"-N", "success,DELAY", "-R", "hdrs", "-V", "id7", "a@b"},
     "send V=id7 N=SUCCESS,DELAY R=HDRS <a@b>"},
    {"never", {"-Nnever", "-Rfull", "a@b"}, "send N=NEVER R=FULL <a@b>"},
    {"-bm", {"-bm", "a@b"}, "send <a@b>"},
    {"-bs", {"-bs"}, "smtp"},
    {"-bp", {"-bp"}, "queue"},
    {"-bv", {"-bv", "a@b"}, "verify <a@b>"},
    {"-bi", {"-bi"}, "nothing"},
    {"-I", {"-I"}, "nothing"},
    {"-q", {"-q"}, "flush"},
    {"-C", {"-C", "/x.toml", "a@b"}, "send C=/x.toml <a@b>"},
    {"--help", {"--help"}, "help"},
    {"a lone dash is an address", {"-"}, "send <->"},

    {"a daemon", {"-bd", "-q15m"}, "!-bd: the relay is started with \"outpost run\""},
    {"a queue runner",
     {"-q15m"},
     "!-q15m: the relay works through its queue by itself; -q alone tries everything now"},
    {"address test mode", {"-bt"}, "!there is no mode -bt: see sendmail --help"},
    {"no mode", {"-b"}, "!there is no mode -b: see sendmail --help"},
    {"an unknown letter", {"-tz"}, "!there is no option -z: see sendmail --help"},
    {"an unknown word", {"--dry-run"}, "!there is no option --dry-run: see sendmail --help"},
    {"no value", {"-t", "-f"}, "!-f needs a value: see sendmail --help"},
    {"never is alone",
     {"-Nnever,success"},
     "!-N never,success: write success,failure,delay or never, which stands alone"},
    {"-N of nothing", {"-N", ""}, "!-N : write success,failure,delay or never, which stands alone"},
    {"-R of something", {"-Rall"}, "!-R all: write full or hdrs"},
    {"-V with a blank",
     {"-V", "a b"},
     "!-V a b: an envelope id has no blanks, no \"+\" and no \"=\""},
    {"-B of something", {"-B", "9BIT"}, "!-B 9BIT: write 8BITMIME or 7BIT"},
};

static void test_cases(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *argv[ARGS_MAX + 2];
        int argc = 1;
        struct sendmail_options o;
        struct fault why = {0};
        struct buf out;
        argv[0] = mem_dup("sendmail", 8);
        for (; cases[i].line[argc - 1]; argc++)
            argv[argc] = mem_dup(cases[i].line[argc - 1], strlen(cases[i].line[argc - 1]));
        argv[argc] = NULL;
        char *all[ARGS_MAX + 2];
        memcpy(all, argv, sizeof all);
        buf_init(&out, 4096);
        if (sendmail_options_parse(argc, argv, &o, &why))
            tell(&o, &out);
        else
            buf_addf(&out, "!%s", why.text);
        if (strcmp(buf_cstr(&out), cases[i].wanted) != 0)
            fail_msg("%s: %s", cases[i].shows, buf_cstr(&out));
        buf_close(&out);
        for (int k = 0; k < argc; k++)
            mem_free(all[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
