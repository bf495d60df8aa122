/* cli_passwd.c -- `outpost passwd`: asks for a password twice, or reads one line when nobody sits
 * there, and prints its Argon2id hash, or a secret for SCRAM, ready for the configuration. */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli.h"
#include "scram.h"

enum { PASSWORD_BYTES_MAX = 1024, HASH_BYTES_MAX = 1024 };

static struct termios as_it_was;
static bool is_echo_off;

static void restore_echo(void)
{
    if (is_echo_off)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &as_it_was);
    is_echo_off = false;
}

static void on_signal(int signum)
{
    restore_echo();
    signal(signum, SIG_DFL);
    raise(signum);
}

static void turn_echo_off(void)
{
    struct termios quiet;
    if (tcgetattr(STDIN_FILENO, &as_it_was))
        return;
    quiet = as_it_was;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    is_echo_off = true;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
}

/* One line without its end. False: nothing came, or too much. */
static bool read_line(char out[PASSWORD_BYTES_MAX], size_t *n)
{
    *n = 0;
    for (;;) {
        char c;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 && *n > 0;
        if (c == '\n')
            return true;
        if (*n == PASSWORD_BYTES_MAX)
            return false;
        out[(*n)++] = c;
    }
}

static bool ask(const char *prompt, char out[PASSWORD_BYTES_MAX], size_t *n)
{
    fputs(prompt, stderr);
    fflush(stderr);
    bool is_read = read_line(out, n);
    fputc('\n', stderr);
    return is_read;
}

static int read_password(char out[PASSWORD_BYTES_MAX], size_t *n)
{
    if (!isatty(STDIN_FILENO)) {
        if (!read_line(out, n))
            return cli_fail(EXIT_FAILED, "no password could be read from the standard input");
        if (*n && out[*n - 1] == '\r')
            (*n)--;
    } else {
        char again[PASSWORD_BYTES_MAX];
        size_t again_n = 0;
        turn_echo_off();
        bool is_read = ask("Password: ", out, n) && ask("Once more: ", again, &again_n);
        restore_echo();
        bool is_same = is_read && slice_eq(slice_of(out, *n), slice_of(again, again_n));
        sodium_memzero(again, sizeof again);
        if (!is_read)
            return cli_fail(EXIT_FAILED, "no password was given");
        if (!is_same)
            return cli_fail(EXIT_FAILED, "the two are not the same");
    }
    return *n ? EXIT_GOOD : cli_fail(EXIT_FAILED, "an empty password is none");
}

static void print_hash(const struct cli *c, const char *hash)
{
    /* JSON strings and TOML basic strings quote alike. */
    struct buf out;
    struct json j;
    buf_init(&out, 16384);
    json_init(&j, &out);
    const char *user = c->arg_count ? c->arg[0] : "app";
    if (c->wants_line) {
        buf_addf(&out, "%s:%s", user, hash);
    } else if (c->is_json) {
        json_object(&j, NULL);
        json_string(&j, "name", slice_cstr(user));
        json_string(&j, "password", slice_cstr(hash));
        json_end(&j, '}');
    } else {
        json_string(&j, NULL, slice_cstr(user));
        printf("[[user]]\nname = %s\n", buf_cstr(&out));
        buf_clear(&out);
        buf_addf(&out, "password = \"%s\"", hash);
    }
    puts(buf_cstr(&out));
    buf_close(&out);
}

/* Into `out`; false: no memory. */
static bool make_hash(struct slice password, bool is_scram, struct buf *out)
{
    char hash[crypto_pwhash_STRBYTES];
    if (is_scram) {
        struct smtp_scram_secret secret = {.rounds = SCRAM_ROUNDS, .salt_bytes = SCRAM_SALT_BYTES};
        randombytes_buf(secret.salt, secret.salt_bytes);
        scram_make(&secret, password);
        return smtp_scram_secret_build(&secret, out);
    }
    return crypto_pwhash_str(hash, password.p, password.n, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                             crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0 &&
           buf_add_cstr(out, hash);
}

int cli_passwd(const struct cli *c)
{
    char password[PASSWORD_BYTES_MAX];
    size_t n = 0;
    if (sodium_init() < 0)
        return cli_fail(EXIT_FAILED, "no random numbers can be had from this system");
    struct buf hash;
    buf_init(&hash, HASH_BYTES_MAX);
    int status = read_password(password, &n);
    if (!status && !make_hash(slice_of(password, n), c->wants_scram, &hash))
        status = cli_fail(EXIT_FAILED, "not enough memory to hash a password (64 MiB)");
    sodium_memzero(password, sizeof password);
    if (!status)
        print_hash(c, buf_cstr(&hash));
    buf_close(&hash);
    return status;
}
