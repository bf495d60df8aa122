/* config_table.h -- the option table: every key with its type, the place where it lands, default,
 * range and meaning. Parsing, `outpost check`, config.example.toml and doc/configuration.md are
 * read off it. A new key is a new row. */
#pragma once

#include "config/config.h"

enum {
    CONFIG_BYTES_MAX = 4 * 1024 * 1024,  /* of the file */
    CONFIG_STRING_BYTES_MAX = 64 * 1024, /* of one string, after ${NAME} */
    CONFIG_SECRET_BYTES_MAX = 4096,
    CONFIG_MISTAKES_MAX = 200, /* told at once; one more says that there are more */

    CONFIG_LISTENERS_MAX = 64,
    CONFIG_USERS_MAX = 1000,
    CONFIG_ROUTES_MAX = 1000,
    CONFIG_SHAPES_MAX = 200,
    CONFIG_REPLIES_MAX = 200,
    CONFIG_CREDENTIALS_MAX = 1000,
    CONFIG_MECHANISMS_MAX = 16, /* of one login */
    CONFIG_NETWORKS_MAX = 64,
    CONFIG_PATTERNS_MAX = 1000, /* of one user or route */
    CONFIG_RULES_MAX = 10000,   /* of one list of rewrite */
    CONFIG_BCC_MAX = 16,
    CONFIG_MASQUERADE_MAX = 100,
    CONFIG_ACCOUNTS_MAX = 100, /* of OAuth2 */
    CONFIG_HOSTS_MAX = ENGINE_HOSTS_MAX,
    CONFIG_PASSWORDS_MAX = 8,     /* of one user, besides `password` */
    CONFIG_CERTIFICATES_MAX = 32, /* of one user, and as many names */
    CONFIG_DNS_SERVERS_MAX = 6,   /* the resolver knows no more */
};

/* The type says how the text is read and what it becomes in memory. */
enum config_type {
    CONFIG_NAME,     /* struct slice: no control characters */
    CONFIG_HOSTNAME, /* struct slice: domain name or "[address literal]" */
    CONFIG_PATH,     /* struct slice: absolute; `most` is its length */
    CONFIG_HASH,     /* struct slice: secret, "$id$..." */
    CONFIG_SECRET,   /* struct slice: secret, any byte */
    CONFIG_LISTEN,   /* struct slice: numeric "host:port" */
    CONFIG_ENDPOINT, /* struct slice: the same, or "unix:/path" */
    CONFIG_PATTERN,  /* struct slice: mail_address_match */
    CONFIG_GLOB,     /* struct slice: of names of domains, hosts and routes */
    CONFIG_BOOL,     /* bool */
    CONFIG_COUNT,    /* unsigned */
    CONFIG_LEVEL,    /* int, of few: below 0, too */
    CONFIG_PORT,     /* uint16_t */
    CONFIG_SIZE,     /* uint64_t, bytes */
    CONFIG_DURATION, /* int64_t, ms */
    CONFIG_FACTOR,   /* double */
    CONFIG_RATE,     /* struct policy_rate */
    CONFIG_CHOICE,   /* an enum, see choices */
    CONFIG_IP,       /* struct ip, not a group or the unspecified one */
    CONFIG_NETWORK,  /* struct ip_net */
    CONFIG_RESOLVER, /* struct ip_port, port 53 unless given */
    CONFIG_HOST,     /* struct engine_host, port 587 unless given */
    CONFIG_ADDRESS,  /* struct slice: canonical */
    CONFIG_RULE,     /* struct rewrite_rule */
    CONFIG_SHA256,   /* struct engine_fingerprint */
    CONFIG_FIELD,    /* struct slice: a field of the header, "Name: value" */
    CONFIG_HEADING,  /* struct slice: the name of one */
    CONFIG_TYPE_COUNT
};

struct config_type_facts {
    const char *said; /* "a duration" */
    size_t bytes;     /* in memory */
    bool is_text;     /* a TOML string */
    bool is_secret;   /* never told again; KEY_file may stand for KEY */
};
extern const struct config_type_facts config_type_facts[CONFIG_TYPE_COUNT];

struct config_choice {
    const char *name; /* NULL ends the list */
    unsigned value;
    const char *later; /* refused with this sentence */
};

/* Default, sample and limits are written as the value stands in the file, but without quotes; the
 * items of a list are parted by blanks. */
struct config_option {
    const char *path; /* "queue.max_size" */
    enum config_type type;
    size_t at;          /* offset in struct config_draft, or in the item of a section of many */
    const char *normal; /* NULL: none, or found out at the start (rules) */
    const char *least, *most;
    const char *meaning; /* sentences, for the example and the documentation */
    bool is_list;
    size_t count_at; /* of a list: offset of its unsigned count */
    unsigned items_least, items_most;
    bool is_required;
    const char *sample; /* for the example where it differs from `normal` */
    const struct config_choice *choices;
    const char *normal_said; /* what the documentation says when `normal` is NULL */
};

enum config_shape {
    CONFIG_ONE,   /* [queue] */
    CONFIG_MANY,  /* [[user]] */
    CONFIG_INNER, /* auth = { ... }: its options land in the item around it */
};

struct config_section {
    const char *path; /* "" is the top */
    enum config_shape shape;
    const char *meaning;
    const char *sample;              /* INNER */
    size_t item_bytes, at, count_at; /* MANY: where pointer and count land in struct config_draft */
    unsigned items_least, items_most;
};

struct config_user_item {
    struct engine_user engine;
    struct slice password, *passwords;
    unsigned password_count;
    struct slice route; /* a name */
};

/* What the rows write into while loading. The config is its first member. */
struct config_draft {
    struct config config;
    struct config_user_item *users;
    unsigned user_count;
};

/* The row behind o, in the order of the example; NULL: the first one. NULL behind the last one. */
const struct config_option *config_option_next(const struct config_option *o);
extern const struct config_section config_sections[];
extern const size_t config_section_count;

/* Names that people may expect, with a sentence why they do not work. */
struct config_later {
    const char *path, *said;
};
extern const struct config_later config_laters[];
extern const size_t config_later_count;

/* section: "" or "queue"; NULL when there is none. */
const struct config_option *config_option_find(const char *section, struct slice key);
const struct config_section *config_section_find(const char *section, struct slice key);
const struct config_later *config_later_find(const char *section, struct slice key);
/* Is it directly in this section? */
bool config_option_is_in(const struct config_option *o, const char *section);
bool config_section_is_in(const struct config_section *s, const char *section);
const char *config_last_part(const char *path); /* "max_size" of "queue.max_size" */
