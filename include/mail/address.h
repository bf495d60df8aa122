/* address.h -- mail addresses and paths of the SMTP envelope: text in, text out, patterns.
 *
 * Grammar: RFC 5321 section 4.1.2 (Mailbox, Path) and 4.1.3 (address literals), with UTF-8 as
 * RFC 6531 allows it. Control characters (CR, LF, NUL, DEL, U+0080..U+009F too) are an error
 * everywhere, so an address can be written into any command, header field or log line.
 * Pure and without allocation: slices in the results point into `in`. */
#pragma once

#include "base/buf.h"

enum {
    MAIL_LOCAL_BYTES_MAX = 64,   /* RFC 5321 4.5.3.1.1, quotes included */
    MAIL_DOMAIN_BYTES_MAX = 255, /* 4.5.3.1.2 */
    MAIL_LABEL_BYTES_MAX = 63,
    MAIL_PATH_BYTES_MAX = 256,    /* 4.5.3.1.3, with the angle brackets, without the route */
    MAIL_ADDRESS_BYTES_MAX = 254, /* the same without them: the longest text built here */
    MAIL_ROUTE_BYTES_MAX = 512,   /* a source route, which is dropped */
};

/* What is let through beyond the strict grammar; combined with |. */
enum mail_address_option {
    MAIL_ADDRESS_UTF8 = BIT(0),        /* SMTPUTF8 was asked for: UTF-8 in both parts */
    MAIL_ADDRESS_UNQUALIFIED = BIT(1), /* "root": a local part alone, domain is empty */
    MAIL_ADDRESS_LAX = BIT(2),         /* blanks before '<', no angle brackets, '_' in a domain */
    MAIL_ADDRESS_NULL = BIT(3),        /* "<>": the null reverse-path (paths only) */
    MAIL_ADDRESS_POSTMASTER = BIT(4),  /* "<Postmaster>" without a domain (paths only) */
};

struct mail_address {
    struct slice local;  /* as written, with its quotes when it is a quoted string */
    struct slice domain; /* as written; of a literal, what stands inside the brackets (for
                            ip_literal_parse); empty when unqualified */
    bool is_literal;
};

struct mail_path {
    struct mail_address address; /* all empty when is_null */
    bool is_null;                /* "<>" */
};

/* The whole of `in` is one address. PARSE_MORE: it was cut short; PARSE_BAD: *used is where it
 * went wrong. *out is filled and *used is in.n with PARSE_DONE only. */
MUST_USE enum parse mail_address_parse(struct slice in, unsigned options, struct mail_address *out,
                                       size_t *used);

/* What stands behind "MAIL FROM:" or "RCPT TO:": a path, up to its end or the blank before the
 * parameters (*used bytes). A source route "<@a,@b:user@c>" is checked and dropped (RFC 5321
 * appendix C). A line that ended and gives PARSE_MORE is wrong too. */
MUST_USE enum parse mail_path_parse(struct slice in, unsigned options, struct mail_path *out,
                                    size_t *used);

/* A domain name on its own (HELO argument, configuration): strict grammar of options as above. */
bool mail_domain_is_valid(struct slice in, unsigned options);

/* Canonical text: the domain in lower case (ASCII), literals as RFC 5952 has them, the local part
 * with as little quoting as it needs (RFC 5321 4.1.2). False: out is full. An address that was
 * parsed never takes more than MAIL_ADDRESS_BYTES_MAX; the empty address builds "". */
bool mail_address_build(const struct mail_address *a, struct buf *out);
/* The domain alone, canonical; a literal keeps its brackets and so never looks like a name. */
bool mail_address_build_domain(const struct mail_address *a, struct buf *out);

/* Both parts of a canonical text, at its last '@'; without one the domain is empty. For text that
 * mail_address_build made; brackets stay on. */
struct slice mail_address_local_of(struct slice text);
struct slice mail_address_domain_of(struct slice text);

/* Does the canonical text match? ASCII case is ignored in both parts, "*" is any run of bytes.
 *   "*"                 everything, the null sender "" too
 *   "user@example.com"  that address        "*@example.com", "@example.com"  any user of it
 *   "example.com"       the same            "*.example.com"                  any host below it
 *   "root@"             the unqualified address "root" */
bool mail_address_match(struct slice pattern, struct slice text);
