/* cli.h -- the command line: one table of commands, one parser of options, exit statuses. */
#pragma once

#include "base/slice.h"

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 };

struct cli {
    const char *config; /* -c; NULL: not given */
    const char *socket; /* --socket; NULL: the configuration's */
    const char *from, *to, *domain, *state, *older, *limit, *after, *reason;
    const char *user, *size, *ip;
    const char *token_file;
    const char *dir, *rounds, *seconds;
    bool is_json, is_all, is_dry_run, wants_body, wants_scram, wants_line, wants_check;
    const char **arg; /* what is no option */
    int arg_count;
};

/* Runs what argv asks for and returns the exit status. */
int cli_run(int argc, char **argv);

/* "outpost: text" on stderr; returns status. */
int cli_fail(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The commands. */
int cli_relay(const struct cli *c); /* run.c */
int cli_check(const struct cli *c);
int cli_passwd(const struct cli *c);
int cli_login(const struct cli *c);
int cli_status(const struct cli *c);
int cli_why(const struct cli *c);
int cli_explain(const struct cli *c);
int cli_health(const struct cli *c);
int cli_reload(const struct cli *c);
int cli_pause(const struct cli *c);
int cli_resume(const struct cli *c);
int cli_queue_list(const struct cli *c);
int cli_queue_show(const struct cli *c);
int cli_queue_retry(const struct cli *c); /* cli_operate.c: the orders */
int cli_queue_hold(const struct cli *c);
int cli_queue_release(const struct cli *c);
int cli_queue_bounce(const struct cli *c);
int cli_queue_delete(const struct cli *c);
int cli_queue_verify(const struct cli *c);
int cli_queue_salvage(const struct cli *c);
int cli_selftest_spool(const struct cli *c);
