/* address_list.h -- the addresses in a header field such as To, or in an argument of sendmail(1).
 *
 * Grammar: RFC 5322 section 3.4 with the obsolete forms of 4.4, and what the wild adds: ';' between
 * addresses, display names with dots, brackets or 8-bit bytes, empty items. Comments nest; display
 * names, encoded words in them too, are skipped and not looked into.
 *
 *   list    = item *( ("," / ";") item )
 *   item    = [ mailbox / group ]              group = phrase ":" [ list of mailboxes ] ";"
 *   mailbox = address / [ phrase ] "<" [ route ":" ] address ">"
 *
 * Pure and without allocation. */
#pragma once

#include "mail/address.h"

enum { MAIL_ADDRESS_LIST_ITEM_MAX = 512 }; /* of one address, comments and folding taken out */

struct mail_address_list {
    struct slice in; /* a field's body, folded or not */
    size_t at;
    bool is_in_group;
    const char *wrong; /* after PARSE_BAD: a sentence */
};

struct mail_address_item {
    size_t n;
    char text[MAIL_ADDRESS_LIST_ITEM_MAX]; /* as written, without comments, blanks and folding */
    struct mail_address address;           /* pointing into text; domain empty: unqualified */
    size_t begin, end; /* where it stands in the list, comments within it included; of one in angle
                          brackets all that is between them, a source route too */
};

void mail_address_list_init(struct mail_address_list *l, struct slice in);
/* PARSE_DONE: *out is the next address. PARSE_MORE: the list is over. PARSE_BAD: l->at is where it
 * went wrong; nothing more can be had from this list. */
MUST_USE enum parse mail_address_list_next(struct mail_address_list *l,
                                           struct mail_address_item *out);
