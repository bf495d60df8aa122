/* rewrite.h -- the envelope as the operator wants it: one address in, one or several out.
 *
 *   sender:     completed with a domain -> first rule of `senders`
 *   recipient:  completed -> aliases, several levels -> first rule of `recipients` -> staging
 *
 * Pure and without allocation. Addresses are canonical (mail_address_build); rules come checked
 * from the configuration, where `rewrite_find_loop` says what must not be run. */
#pragma once

#include "mail/address.h"

enum {
    REWRITE_TARGETS_MAX = 64, /* that one recipient may turn into */
    REWRITE_DEPTH_MAX = 8,    /* aliases of aliases */
    REWRITE_STEPS_MAX = 512,  /* names looked at for one recipient: lists that share members */
};

/* "pattern = target". A target "@domain" keeps the local part. */
struct rewrite_rule {
    struct slice pattern;  /* mail_address_match; of an alias: a local part */
    struct slice *targets; /* canonical addresses or "@domain" */
    unsigned target_count; /* 1 unless it is an alias */
};

enum rewrite_environment { REWRITE_PRODUCTION, REWRITE_STAGING };

struct rewrite_options {
    struct slice domain; /* completes "root"; empty: the host's name, for targets of aliases */
    struct rewrite_rule *aliases, *senders, *recipients;
    unsigned alias_count, sender_count, recipient_count;
    struct slice *always_bcc; /* further recipients of each message */
    unsigned always_bcc_count;
    enum rewrite_environment environment;
    struct slice staging_mailbox; /* gets what may not leave */
    struct slice *staging_allow;  /* patterns of those who still get their own mail */
    unsigned staging_allow_count;
};

struct rewrite_text {
    size_t n;
    char s[MAIL_ADDRESS_BYTES_MAX + 2];
};

struct rewrite_list {
    unsigned count;
    struct rewrite_text address[REWRITE_TARGETS_MAX];
    bool is_too_many;   /* a ceiling was reached: the list is not whole, use none of it */
    bool is_redirected; /* staging put its mailbox in the place of one */
};

/* host: our name. The null sender stays null. */
void rewrite_sender(const struct rewrite_options *o, struct slice host, struct slice address,
                    struct rewrite_text *out);
/* Who gets it instead; without rules the address itself. No address is in it twice. */
void rewrite_recipient(const struct rewrite_options *o, struct slice host, struct slice address,
                       struct rewrite_list *out);
/* Staging's last word on somebody whom no rule of ours made, such as the reader of a report. */
struct rewrite_text rewrite_staged(const struct rewrite_options *o, struct slice address);
/* May mail leave for it? Staging: to its mailbox and to those allowed alone, whoever put the
 * message into the queue and when. */
bool rewrite_may_leave(const struct rewrite_options *o, struct slice address);
/* Does an alias lead back to itself, or further than the ceilings above? Then its index, else
 * alias_count. */
unsigned rewrite_find_loop(const struct rewrite_options *o, struct slice host);

static inline struct slice rewrite_text_slice(const struct rewrite_text *t)
{
    return slice_of(t->s, t->n);
}
