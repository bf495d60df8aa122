/* cli.c -- see cli.h. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_file.h"
#include "sendmail.h"

enum option {
    OPTION_CONFIG = BIT(0),
    OPTION_SOCKET = BIT(1),
    OPTION_JSON = BIT(2),
    OPTION_ALL = BIT(3),
    OPTION_FROM = BIT(4),
    OPTION_TO = BIT(5),
    OPTION_DOMAIN = BIT(6),
    OPTION_LIMIT = BIT(7),
    OPTION_AFTER = BIT(8),
    OPTION_STATE = BIT(9),
    OPTION_OLDER = BIT(10),
    OPTION_DRY_RUN = BIT(11),
    OPTION_REASON = BIT(12),
    OPTION_BODY = BIT(13),
    OPTION_DIR = BIT(14),
    OPTION_INTO = BIT(15),
    OPTION_ROUNDS = BIT(16),
    OPTION_SECONDS = BIT(17),
    OPTION_SCRAM = BIT(18),
    OPTION_LINE = BIT(19),
    OPTION_SENDER = BIT(20),
    OPTION_USER = BIT(21),
    OPTION_SIZE = BIT(22),
    OPTION_CHECK = BIT(23),
    OPTION_TOKEN_FILE = BIT(24),
    OPTION_IP = BIT(25),

    OPTIONS_REMOTE = OPTION_CONFIG | OPTION_SOCKET | OPTION_JSON,
    OPTIONS_FILTER = OPTION_FROM | OPTION_TO | OPTION_DOMAIN | OPTION_STATE | OPTION_OLDER,
    OPTIONS_ORDER = OPTIONS_REMOTE | OPTIONS_FILTER | OPTION_ALL | OPTION_LIMIT | OPTION_DRY_RUN,
};

static const struct {
    enum option option;
    const char *name;  /* "--config" */
    const char *value; /* what follows; NULL: a flag */
    size_t at;         /* in struct cli */
    const char *help;
} options[] = {
    {OPTION_CONFIG, "--config", "FILE", offsetof(struct cli, config),
     "the configuration, default " CONFIG_FILE_DEFAULT " (short: -c)"},
    {OPTION_SOCKET, "--socket", "PATH", offsetof(struct cli, socket),
     "the control socket, instead of the configuration's"},
    {OPTION_JSON, "--json", NULL, offsetof(struct cli, is_json), "print JSON"},
    {OPTION_ALL, "--all", NULL, offsetof(struct cli, is_all), "everything"},
    {OPTION_FROM, "--from", "PATTERN", offsetof(struct cli, from),
     "only from this sender (*@example.com, bob@*)"},
    {OPTION_TO, "--to", "PATTERN", offsetof(struct cli, to), "only to this recipient"},
    {OPTION_DOMAIN, "--domain", "DOMAIN", offsetof(struct cli, domain),
     "only with a recipient in this domain"},
    {OPTION_STATE, "--state", "STATE", offsetof(struct cli, state),
     "only waiting so: ready deferred in-flight held paused backing-off ..."},
    {OPTION_OLDER, "--older", "TIME", offsetof(struct cli, older),
     "only accepted at least so long ago (30m, 2h, 5d)"},
    {OPTION_DRY_RUN, "--dry-run", NULL, offsetof(struct cli, is_dry_run),
     "only tell which messages it would be"},
    {OPTION_REASON, "--reason", "TEXT", offsetof(struct cli, reason),
     "why; a bounce tells the sender"},
    {OPTION_BODY, "--body", NULL, offsetof(struct cli, wants_body),
     "print the message itself, as it is sent"},
    {OPTION_LIMIT, "--limit", "N", offsetof(struct cli, limit), "at most N messages"},
    {OPTION_AFTER, "--after", "ID", offsetof(struct cli, after),
     "only messages after this one (\"next\" of the list before)"},
    {OPTION_DIR, "--dir", "DIR", offsetof(struct cli, dir),
     "this directory, instead of the configuration's state_dir"},
    {OPTION_INTO, "--to", "DIR", offsetof(struct cli, to),
     "where to write; made when it is not there"},
    {OPTION_ROUNDS, "--rounds", "N", offsetof(struct cli, rounds), "how many rounds"},
    {OPTION_SECONDS, "--seconds", "S", offsetof(struct cli, seconds),
     "no new round after so many seconds"},
    {OPTION_SCRAM, "--scram", NULL, offsetof(struct cli, wants_scram),
     "a secret for SCRAM-SHA-256; AUTH PLAIN and LOGIN work with it, too"},
    {OPTION_LINE, "--line", NULL, offsetof(struct cli, wants_line),
     "\"name:hash\", as it stands in users_file"},
    {OPTION_SENDER, "--from", "ADDRESS", offsetof(struct cli, from),
     "the sender; without: the null sender"},
    {OPTION_USER, "--user", "NAME", offsetof(struct cli, user), "who hands it in; without: nobody"},
    {OPTION_CHECK, "--check", NULL, offsetof(struct cli, wants_check),
     "ask the running relay how its tokens are; exit 1 when one is missing or fails"},
    {OPTION_TOKEN_FILE, "--refresh-token-file", "FILE", offsetof(struct cli, token_file),
     "store the refresh token in FILE (\"-\": standard input), had elsewhere"},
    {OPTION_SIZE, "--size", "SIZE", offsetof(struct cli, size), "of the message (300, 5MiB)"},
    {OPTION_IP, "--ip", "ADDRESS", offsetof(struct cli, ip),
     "where it comes from; without: from anywhere that may send"},
};

static int cli_version(const struct cli *c);
static int cli_help(const struct cli *c);
static int cli_sendmail(const struct cli *c);

static const struct command {
    const char *name; /* "queue list": two words */
    const char *args;
    int args_least, args_most;
    unsigned options;
    int (*run)(const struct cli *c);
    const char *help;
} commands[] = {
    {"run", "", 0, 0, OPTION_CONFIG, cli_relay,
     "run the relay in the foreground; SIGTERM stops, SIGHUP reloads"},
    {"check", "", 0, 0, OPTION_CONFIG, cli_check, "say every mistake in the configuration"},
    {"status", "", 0, 0, OPTIONS_REMOTE, cli_status, "one screen: queue, rates, trouble"},
    {"why", "ID|ADDRESS|MESSAGE-ID...", 1, 1000000, OPTIONS_REMOTE | OPTION_LIMIT, cli_why,
     "the whole story of a message, also after it has left the queue"},
    {"explain", "ADDRESS...", 1, 1000000,
     OPTIONS_REMOTE | OPTION_SENDER | OPTION_USER | OPTION_SIZE | OPTION_IP, cli_explain,
     "which way a message to this recipient would take, and why; nothing is sent"},
    {"queue list", "", 0, 0, OPTIONS_REMOTE | OPTIONS_FILTER | OPTION_LIMIT | OPTION_AFTER,
     cli_queue_list, "list the messages in the queue, oldest first"},
    {"queue show", "ID...", 1, 1000000, OPTIONS_REMOTE | OPTION_BODY, cli_queue_show,
     "everything known of a message"},
    {"queue hold", "ID...|FILTER", 0, 1000000, OPTIONS_ORDER | OPTION_REASON, cli_queue_hold,
     "keep messages back until they are released"},
    {"queue release", "ID...|FILTER", 0, 1000000, OPTIONS_ORDER | OPTION_REASON, cli_queue_release,
     "let held messages go on"},
    {"queue retry", "ID...|FILTER", 0, 1000000, OPTIONS_ORDER, cli_queue_retry, "try messages now"},
    {"queue bounce", "ID...|FILTER", 0, 1000000, OPTIONS_ORDER | OPTION_REASON, cli_queue_bounce,
     "return messages to their senders, with a report"},
    {"queue delete", "ID...|FILTER", 0, 1000000, OPTIONS_ORDER | OPTION_REASON, cli_queue_delete,
     "remove messages, without a report to the sender"},
    {"queue verify", "", 0, 0, OPTION_CONFIG | OPTION_DIR | OPTION_JSON, cli_queue_verify,
     "read the whole queue and say what is damaged; a relay may run on it"},
    {"queue salvage", "", 0, 0, OPTION_CONFIG | OPTION_DIR | OPTION_INTO | OPTION_ALL | OPTION_JSON,
     cli_queue_salvage,
     "write every intact waiting message to .eml files (--all: finished ones, too)"},
    {"selftest spool", "", 0, 0,
     OPTION_CONFIG | OPTION_DIR | OPTION_ROUNDS | OPTION_SECONDS | OPTION_JSON, cli_selftest_spool,
     "measure this volume's syncs; kill a writer again and again and see what survives"},
    {"pause", "DOMAIN...|--all", 0, 1000000, OPTIONS_REMOTE | OPTION_ALL, cli_pause,
     "stop delivering to a domain; without one: list what is paused"},
    {"resume", "DOMAIN...|--all", 0, 1000000, OPTIONS_REMOTE | OPTION_ALL, cli_resume,
     "deliver to a domain again"},
    {"reload", "", 0, 0, OPTIONS_REMOTE, cli_reload,
     "read the configuration again; with mistakes the old one stays"},
    {"health", "", 0, 0, OPTIONS_REMOTE, cli_health, "exit 0 when the relay answers"},
    {"passwd", "[USER]", 0, 1, OPTION_JSON | OPTION_SCRAM | OPTION_LINE, cli_passwd,
     "hash a password for [[user]]"},
    {"login", "[ACCOUNT]", 0, 1, OPTIONS_REMOTE | OPTION_CHECK | OPTION_TOKEN_FILE, cli_login,
     "enrol an [[oauth2]] account: shows a code to be entered in a browser"},
    {"sendmail", "[OPTION...] [ADDRESS...]", 0, 1000000, 0, cli_sendmail,
     "take a message as sendmail(1) does; also when called as sendmail"},
    {"version", "", 0, 0, 0, cli_version, "print the version"},
    {"help", "[COMMAND...]", 0, 2, 0, cli_help, "print this, or a command's options"},
};

int cli_fail(int status, const char *fmt, ...)
{
    va_list args;
    fputs("outpost: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

/* --- help --- */

static bool begins_with_word(const char *name, const char *word)
{
    size_t n = strlen(word);
    return strncmp(name, word, n) == 0 && name[n] == ' ';
}

/* family: only commands whose first of two words this is; NULL: all. */
static void print_overview(FILE *to, const char *family)
{
    fprintf(to, "outpost %s, an outbound mail relay\n\nusage: outpost %s [OPTION...]\n\n",
            OUTPOST_VERSION, family ? family : "COMMAND");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        char name[64];
        if (family && !begins_with_word(commands[i].name, family))
            continue;
        snprintf(name, sizeof name, "%s %s", commands[i].name, commands[i].args);
        fprintf(to, "  %-28s %s\n", name, commands[i].help);
    }
    fputs(
        "\noutpost COMMAND --help tells a command's options. Exit status: 0 good, 1 failed, 2 bad\n"
        "usage, 78 bad configuration.\n",
        to);
}

static void print_command(const struct command *cmd, FILE *to)
{
    fprintf(to, "usage: outpost %s%s%s%s\n\n%s\n", cmd->name, cmd->options ? " [OPTION...]" : "",
            cmd->args[0] ? " " : "", cmd->args, cmd->help);
    if (cmd->options)
        fputs("\n", to);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        char name[64];
        if (!(cmd->options & options[i].option))
            continue;
        snprintf(name, sizeof name, "%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        fprintf(to, "  %-18s %s\n", name, options[i].help);
    }
}

/* --- finding a command --- */

static bool is_first_word(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (begins_with_word(commands[i].name, word))
            return true;
    }
    return false;
}

/* The command at the start of word[]; *used: how many words it took. */
static const struct command *find_command(int count, const char *const *word, int *used)
{
    for (size_t i = 0; i < COUNT_OF(commands) && count > 0; i++) {
        char two[128];
        snprintf(two, sizeof two, "%s %s", word[0], count > 1 ? word[1] : "");
        *used = strchr(commands[i].name, ' ') ? 2 : 1;
        if (strcmp(commands[i].name, *used == 2 ? two : word[0]) == 0)
            return &commands[i];
    }
    return NULL;
}

enum { WORD_MAX = 32 };

/* How many letters must be added, dropped or changed to come from a to b. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (unsigned k = 0; k <= m; k++)
        row[k] = k;
    for (size_t i = 1; i <= n; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= m; k++) {
            unsigned changed = corner + (a[i - 1] != b[k - 1]);
            corner = row[k];
            unsigned best = row[k] < row[k - 1] ? row[k] + 1 : row[k - 1] + 1;
            row[k] = changed < best ? changed : best;
        }
    }
    return row[m];
}

static int unknown_command(int count, const char *const *word)
{
    if (count == 0) {
        print_overview(stderr, NULL);
        return EXIT_USAGE;
    }
    if (count == 1 && is_first_word(word[0])) {
        print_overview(stderr, word[0]);
        return EXIT_USAGE;
    }
    char two[128];
    snprintf(two, sizeof two, "%s %s", word[0], count > 1 ? word[1] : "");
    const char *said = count > 1 && is_first_word(word[0]) ? two : word[0];
    const char *nearest = NULL;
    unsigned least = 3; /* more than two letters off is another word */
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        bool is_pair = strchr(commands[i].name, ' ') != NULL;
        unsigned d = distance(is_pair ? two : word[0], commands[i].name);
        if (d < least) {
            least = d;
            nearest = commands[i].name;
        }
    }
    if (nearest)
        return cli_fail(EXIT_USAGE, "there is no command \"%s\"; is \"%s\" meant?", said, nearest);
    return cli_fail(EXIT_USAGE, "there is no command \"%s\": see outpost help", said);
}

static int cli_version(const struct cli *c)
{
    puts("outpost " OUTPOST_VERSION);
    return EXIT_GOOD;
}

/* With its own options it never comes here (cli_run). */
static int cli_sendmail(const struct cli *c)
{
    return cli_fail(EXIT_USAGE, "write outpost sendmail first, then the options it has");
}

static int cli_help(const struct cli *c)
{
    int used;
    const struct command *cmd = find_command(c->arg_count, c->arg, &used);
    if (cmd)
        print_command(cmd, stdout);
    else if (c->arg_count == 0 || (c->arg_count == 1 && is_first_word(c->arg[0])))
        print_overview(stdout, c->arg_count ? c->arg[0] : NULL);
    else
        return unknown_command(c->arg_count, c->arg);
    return EXIT_GOOD;
}

/* --- options --- */

/* The option called this, with "=VALUE" behind it or not; COUNT_OF(options): none. */
static size_t find_option(const char *arg, const char **value)
{
    *value = strchr(arg, '=');
    size_t n = *value ? (size_t)(*value - arg) : strlen(arg);
    if (strcmp(arg, "-c") == 0)
        return 0;
    if (*value)
        (*value)++;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strlen(options[i].name) == n && strncmp(options[i].name, arg, n) == 0)
            return i;
    }
    return COUNT_OF(options);
}

struct parsed {
    struct cli cli;
    unsigned seen; /* options */
    bool wants_help;
    const char *last; /* the option that is not the command's, for the complaint */
};

/* Sorts argv into options and the rest. False: it has complained. */
static bool parse(int argc, char **argv, struct parsed *p)
{
    bool are_over = false;
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (are_over || argv[i][0] != '-' || !argv[i][1]) {
            p->cli.arg[p->cli.arg_count++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            are_over = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            p->wants_help = true;
            continue;
        }
        size_t k = find_option(argv[i], &value);
        if (k == COUNT_OF(options)) {
            cli_fail(EXIT_USAGE, "there is no option %s: see outpost help", argv[i]);
            return false;
        }
        p->seen |= options[k].option;
        char *field = (char *)&p->cli + options[k].at;
        if (!options[k].value) {
            *(bool *)(void *)field = true;
            continue;
        }
        if (!value && i + 1 == argc) {
            cli_fail(EXIT_USAGE, "%s needs a value: %s %s", argv[i], options[k].name,
                     options[k].value);
            return false;
        }
        *(const char **)(void *)field = value ? value : argv[++i];
    }
    return true;
}

/* Two options may have one name: what it means depends on the command. */
static bool takes_option(const struct command *cmd, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(options[i].name, name) == 0 && (cmd->options & options[i].option))
            return true;
    }
    return false;
}

static int run_parsed(struct parsed *p)
{
    int used = 0;
    const struct command *cmd = find_command(p->cli.arg_count, p->cli.arg, &used);
    if (p->wants_help && cmd) {
        print_command(cmd, stdout);
        return EXIT_GOOD;
    }
    if (p->wants_help && p->cli.arg_count < 2 &&
        (p->cli.arg_count == 0 || is_first_word(p->cli.arg[0]))) {
        print_overview(stdout, p->cli.arg_count ? p->cli.arg[0] : NULL);
        return EXIT_GOOD;
    }
    if (!cmd)
        return unknown_command(p->cli.arg_count, p->cli.arg);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if ((p->seen & options[i].option) && !takes_option(cmd, options[i].name))
            return cli_fail(EXIT_USAGE, "outpost %s has no option %s: see outpost %s --help",
                            cmd->name, options[i].name, cmd->name);
    }
    p->cli.arg += used;
    p->cli.arg_count -= used;
    if (p->cli.arg_count < cmd->args_least || p->cli.arg_count > cmd->args_most) {
        print_command(cmd, stderr);
        return EXIT_USAGE;
    }
    return cmd->run(&p->cli);
}

/* Called as sendmail, mailq or newaliases, as old habits have it; "outpost sendmail" too. */
static bool is_sendmail(int argc, char **argv, int *skip)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
    *skip = argc > 1 && strcmp(argv[1], "sendmail") == 0 && strcmp(name, "sendmail") != 0;
    return *skip || strcmp(name, "sendmail") == 0;
}

static const char *command_of_name(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    const char *name = slash ? slash + 1 : argv0;
    return strcmp(name, "mailq") == 0 ? "mailq" : strcmp(name, "newaliases") == 0 ? name : NULL;
}

int cli_run(int argc, char **argv)
{
    int skip;
    if (is_sendmail(argc, argv, &skip))
        return sendmail_run(argc - skip, argv + skip);
    const char *name = argc > 0 ? command_of_name(argv[0]) : NULL;
    if (name && strcmp(name, "newaliases") == 0)
        return EXIT_GOOD; /* there are no aliases to rebuild */
    struct parsed p = {0};
    const char **room = mem_new(((size_t)argc + 3) * sizeof *room);
    p.cli.arg = room;
    if (name) {
        p.cli.arg[p.cli.arg_count++] = "queue";
        p.cli.arg[p.cli.arg_count++] = "list";
    }
    static char version[] = "version";
    if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
        argv[1] = version;
    int status = parse(argc, argv, &p) ? run_parsed(&p) : EXIT_USAGE;
    mem_free(room);
    if (fflush(stdout) && status == EXIT_GOOD)
        status = cli_fail(EXIT_FAILED, "the output could not be written");
    return status;
}
