/* sendmail_options.c -- see sendmail_options.h. */
#include "sendmail_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char sendmail_help[] =
    "usage: sendmail [OPTION...] [ADDRESS...] < MESSAGE\n"
    "\n"
    "Hands a message to the Outpost relay of this host; while that is down, stores it for it.\n"
    "\n"
    "  -t              recipients from To, Cc and Bcc too (or Resent-*); Bcc is removed always\n"
    "  -i, -oi         a line with a dot alone does not end the message\n"
    "  -f, -r ADDRESS  the envelope sender; \"\" or <>: none\n"
    "  -F NAME         full name, for a From that is missing\n"
    "  -N WHEN         report success,failure,delay or never\n"
    "  -R full|hdrs    how much of the message a report carries\n"
    "  -V ID           envelope id in reports\n"
    "  -B 8BITMIME     the body has 8-bit bytes (7BIT: found out)\n"
    "  -bm             send (the default)\n"
    "  -bs             speak SMTP on standard input and output\n"
    "  -bp             list the queue, as mailq\n"
    "  -q              try everything in the queue now\n"
    "  -bv             look whether the addresses are well-formed; nothing is sent or asked\n"
    "  -bi, -I         nothing: there is no alias table to build, as newaliases\n"
    "  -C FILE         Outpost's configuration; else $OUTPOST_CONFIG, /etc/outpost/outpost.toml\n"
    "  -v              say what became of the message\n"
    "\n"
    "Taken and ignored: -A -G -L -O -U -X -d -e -h -m -n -p and other -o options.\n"
    "Exit status (sysexits.h): 0 the relay has it, or it is stored; 64 usage, 65 bad message or\n"
    "address, 67 a recipient was refused and nothing sent, 69 refused, 75 try again later.\n";

/* How a letter takes its argument. */
enum kind {
    UNKNOWN,
    FLAG,     /* none: more letters may follow */
    VALUE,    /* the rest of the word, or the next word */
    ATTACHED, /* the rest of the word only, perhaps nothing */
};

static enum kind kind_of(char letter)
{
    if (strchr("tivGUnmI", letter))
        return FLAG;
    if (strchr("frFNRVBCLhpXO", letter))
        return VALUE;
    return strchr("bqoAde", letter) ? ATTACHED : UNKNOWN;
}

static bool fail(struct fault *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool fail(struct fault *why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return false;
}

static bool take_mode(struct sendmail_options *o, const char *value, struct fault *why)
{
    static const struct {
        char letter;
        enum sendmail_mode mode;
    } modes[] = {
        {'m', SENDMAIL_SEND},   {'s', SENDMAIL_SMTP},    {'p', SENDMAIL_QUEUE},
        {'v', SENDMAIL_VERIFY}, {'i', SENDMAIL_NOTHING},
    };
    for (size_t i = 0; i < COUNT_OF(modes) && value[0] && !value[1]; i++) {
        if (modes[i].letter == value[0]) {
            o->mode = modes[i].mode;
            return true;
        }
    }
    if (value[0] == 'd' || value[0] == 'D')
        return fail(why, "-b%s: the relay is started with \"outpost run\"", value);
    return fail(why, "there is no mode -b%s: see sendmail --help", value);
}

static bool take_notify(struct sendmail_options *o, const char *value, struct fault *why)
{
    static const struct {
        const char *name, *said;
    } words[] = {
        {"success", "SUCCESS"}, {"failure", "FAILURE"}, {"delay", "DELAY"}, {"never", "NEVER"}};
    unsigned seen = 0;
    for (struct slice rest = slice_cstr(value); rest.n;) {
        struct slice word = slice_head(rest, slice_find(rest, ','));
        rest = slice_from(rest, word.n + 1);
        size_t i = 0;
        while (i < COUNT_OF(words) && !slice_eq_nocase(word, slice_cstr(words[i].name)))
            i++;
        if (i == COUNT_OF(words))
            return fail(why, "-N %s: write success,failure,delay or never", value);
        seen |= BIT(i);
    }
    if (!seen || ((seen & BIT(3)) && seen != BIT(3)))
        return fail(why, "-N %s: write success,failure,delay or never, which stands alone", value);
    o->notify_text[0] = 0;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!(seen & BIT(i)))
            continue;
        if (o->notify_text[0])
            strcat(o->notify_text, ",");
        strcat(o->notify_text, words[i].said);
    }
    o->notify = o->notify_text;
    return true;
}

static bool is_word(const char *value, const char *word)
{
    return slice_eq_nocase(slice_cstr(value), slice_cstr(word));
}

static bool take_return(struct sendmail_options *o, const char *value, struct fault *why)
{
    if (is_word(value, "full"))
        o->ret = "FULL";
    else if (is_word(value, "hdrs") || is_word(value, "headers"))
        o->ret = "HDRS";
    else
        return fail(why, "-R %s: write full or hdrs", value);
    return true;
}

static bool take_envid(struct sendmail_options *o, const char *value, struct fault *why)
{
    enum { ENVID_BYTES_MAX = 100 };
    size_t n = strlen(value);
    for (size_t i = 0; i < n; i++) {
        if (value[i] <= ' ' || value[i] >= 0x7f || value[i] == '+' || value[i] == '=')
            return fail(why, "-V %s: an envelope id has no blanks, no \"+\" and no \"=\"", value);
    }
    if (n == 0 || n > ENVID_BYTES_MAX)
        return fail(why, "-V %s: an envelope id has 1 to 100 bytes", value);
    o->envid = value;
    return true;
}

static bool take_body(struct sendmail_options *o, const char *value, struct fault *why)
{
    if (!is_word(value, "8BITMIME") && !is_word(value, "7BIT"))
        return fail(why, "-B %s: write 8BITMIME or 7BIT", value);
    o->is_8bit = is_word(value, "8BITMIME");
    return true;
}

/* One letter with its value (NULL: a flag). */
static bool take(struct sendmail_options *o, char letter, const char *value, struct fault *why)
{
    switch (letter) {
    case 't':
        o->takes_recipients = true;
        return true;
    case 'i':
        o->ignores_dots = true;
        return true;
    case 'v':
        o->is_verbose = true;
        return true;
    case 'I':
        o->mode = SENDMAIL_NOTHING;
        return true;
    case 'f':
    case 'r':
        o->from = value;
        return true;
    case 'F':
        o->full_name = value;
        return true;
    case 'C':
        o->config = value;
        return true;
    case 'N':
        return take_notify(o, value, why);
    case 'R':
        return take_return(o, value, why);
    case 'V':
        return take_envid(o, value, why);
    case 'B':
        return take_body(o, value, why);
    case 'b':
        return take_mode(o, value, why);
    case 'q':
        if (value[0])
            return fail(why,
                        "-q%s: the relay works through its queue by itself; -q alone tries "
                        "everything now",
                        value);
        o->mode = SENDMAIL_FLUSH;
        return true;
    case 'o':
        o->ignores_dots |= strcmp(value, "i") == 0;
        return true;
    case 'O':
        o->ignores_dots |= slice_eq_nocase(slice_cstr(value), SLICE("IgnoreDots=true")) ||
                           slice_eq_nocase(slice_cstr(value), SLICE("IgnoreDots"));
        return true;
    default:
        return true; /* changes nothing here */
    }
}

/* One word of options, "-ti" or "-fbob@example.com"; *i moves on when the value is the next. */
static bool take_word(struct sendmail_options *o, int argc, char **argv, int *i, struct fault *why)
{
    const char *word = argv[*i];
    for (const char *letter = word + 1; *letter; letter++) {
        const char *value = NULL;
        char name[2] = {*letter, 0};
        switch (kind_of(*letter)) {
        case UNKNOWN:
            return fail(why, "there is no option -%s: see sendmail --help", name);
        case FLAG:
            if (!take(o, *letter, NULL, why))
                return false;
            continue;
        case VALUE:
            value = letter[1] ? letter + 1 : *i + 1 < argc ? argv[++*i] : NULL;
            if (!value)
                return fail(why, "-%s needs a value: see sendmail --help", name);
            return take(o, *letter, value, why);
        case ATTACHED:
            return take(o, *letter, letter + 1, why);
        }
    }
    return true;
}

bool sendmail_options_parse(int argc, char **argv, struct sendmail_options *out, struct fault *why)
{
    bool are_over = false;
    *out = (struct sendmail_options){.notify = "", .ret = "", .recipient = argv + 1};
    for (int i = 1; i < argc; i++) {
        if (are_over || argv[i][0] != '-' || !argv[i][1]) {
            argv[1 + out->recipient_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            are_over = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            out->mode = SENDMAIL_HELP;
        } else if (argv[i][1] == '-') {
            return fail(why, "there is no option %s: see sendmail --help", argv[i]);
        } else if (!take_word(out, argc, argv, &i, why)) {
            return false;
        }
    }
    return true;
}
