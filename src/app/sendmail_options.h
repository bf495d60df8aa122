/* sendmail_options.h -- the command line of sendmail(1), as Sendmail, Postfix and Exim have taught
 * programs to write it.
 *
 * What changes nothing here is taken and ignored (the table says which); what a caller would wait
 * for in vain (a daemon, a queue runner by the clock, an address test) is refused. Pure. */
#pragma once

#include "base/slice.h"

enum sendmail_mode {
    SENDMAIL_SEND,    /* -bm, the default */
    SENDMAIL_SMTP,    /* -bs: SMTP on standard input and output */
    SENDMAIL_QUEUE,   /* -bp, mailq */
    SENDMAIL_FLUSH,   /* -q */
    SENDMAIL_VERIFY,  /* -bv: the addresses are looked at */
    SENDMAIL_NOTHING, /* -bi, -I, newaliases: there is no table to build */
    SENDMAIL_HELP,
};

struct sendmail_options {
    enum sendmail_mode mode;
    bool takes_recipients; /* -t */
    bool ignores_dots;     /* -i */
    bool is_8bit;          /* -B 8BITMIME */
    bool is_verbose;       /* -v */
    const char *from;      /* -f, -r; NULL: not given */
    const char *full_name; /* -F; NULL: not given */
    const char *config;    /* -C; NULL: not given */
    const char *notify;    /* -N, canonical ("SUCCESS,DELAY"); "" or static or in notify_text */
    const char *ret;       /* -R: "FULL", "HDRS"; "": not given */
    const char *envid;     /* -V; NULL: not given */
    char notify_text[32];
    char **recipient; /* the rest of argv */
    int recipient_count;
};

/* argv[0] is the program's name and not looked at. Arguments that are no options are moved to the
 * front of argv[1...]. False: *why says what is wrong. */
MUST_USE bool sendmail_options_parse(int argc, char **argv, struct sendmail_options *out,
                                     struct fault *why);
extern const char sendmail_help[];
