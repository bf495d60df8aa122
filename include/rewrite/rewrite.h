/* rewrite.h -- addresses as the operator wants them: one in, one or several out.
 *
 *   sender:     completed with a domain -> first rule of `senders`, else masquerade
 *   recipient:  completed -> aliases, several levels -> first rule of `recipients` -> staging
 *   in header:  completed -> first rule of its list, else masquerade   (rewrite_header.h)
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

/* What becomes of "root" where a client writes it. */
enum rewrite_unqualified { REWRITE_COMPLETE, REWRITE_UNQUALIFIED_REFUSED };

/* A header field that a signature covers would have to be changed. */
enum rewrite_signed {
    REWRITE_SIGNED_KEEP,   /* it stays */
    REWRITE_SIGNED_CHANGE, /* it is changed, the signature is broken */
    REWRITE_SIGNED_REFUSE, /* the message is refused */
};

enum rewrite_environment { REWRITE_PRODUCTION, REWRITE_STAGING };

struct rewrite_options {
    struct slice domain; /* completes "root"; empty: the host's name */
    enum rewrite_unqualified unqualified;
    struct rewrite_rule *aliases, *senders, *recipients;
    unsigned alias_count, sender_count, recipient_count;
    uint64_t *sender_keys, *recipient_keys, *from_keys; /* rewrite_key of each rule; or NULL */
    struct slice *masquerade; /* domains: hosts below them are not shown */
    unsigned masquerade_count;
    bool is_envelope_only;     /* senders, recipients and masquerade leave the header alone */
    struct rewrite_rule *from; /* From, the old one going to Reply-To */
    unsigned from_count;
    struct slice *add_headers; /* "Name: value", to messages without such a field */
    unsigned add_header_count;
    struct slice *remove_headers; /* names */
    unsigned remove_header_count;
    bool hides_client; /* in our own Received field */
    enum rewrite_signed on_signed;
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
/* Of a pattern's domain, 0 when that may be several: thousands of rules are passed over by
 * comparing numbers. */
uint64_t rewrite_key(struct slice pattern);
/* What completes an unqualified address; empty: nothing does, it is refused. */
struct slice rewrite_completion(const struct rewrite_options *o, struct slice host);
enum rewrite_list_kind { REWRITE_SENDERS, REWRITE_RECIPIENTS };
/* An address of the header, which is not completed here. False: it stays as it is. */
bool rewrite_map(const struct rewrite_options *o, enum rewrite_list_kind kind, struct slice address,
                 struct rewrite_text *out);
/* An address of From: the first rule of `from`. False: none is for it. */
bool rewrite_force(const struct rewrite_options *o, struct slice address, struct rewrite_text *out);
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
