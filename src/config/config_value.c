/* config_value.c -- readers for each type of the option table, with words for what is wrong. */
#include "config_value.h"

#include "base/utf8.h"
#include "config_field.h"
#include "config_fingerprint.h"
#include "config_map.h"
#include "config_net.h"
#include "smtp/smtp_scram.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    QUOTE_BYTES_MAX = 60,
    HASH_BYTES_MAX = 512,
    RATE_COUNT_MAX = 1000000,
    RATE_MS_MAX = 7 * 24 * 3600 * 1000,
};

_Static_assert(sizeof(enum delivery_tls) == sizeof(unsigned), "choices are written as unsigned");

struct slice config_value_quote(struct arena *a, struct slice text)
{
    char out[QUOTE_BYTES_MAX + 8];
    size_t n = 0;
    out[n++] = '"';
    while (text.n > 0 && n <= QUOTE_BYTES_MAX) {
        uint32_t code;
        int bytes = utf8_next(text, &code);
        bool is_shown = bytes > 0 && code >= 0x20 && (code < 0x7f || code > 0x9f) &&
                        code != 0x2028 && code != 0x2029;
        if (is_shown) {
            memcpy(out + n, text.p, (size_t)bytes);
            n += (size_t)bytes;
        } else {
            out[n++] = '?';
        }
        text = slice_from(text, bytes > 0 ? (size_t)bytes : 1);
    }
    return arena_printf(a, "%.*s%s\"", (int)n, out, text.n > 0 ? "..." : "");
}

void config_value_build(const struct config_option *o, const char *raw, struct buf *out)
{
    bool is_text = config_type_facts[o->type].is_text;
    struct slice rest = slice_cstr(raw);
    if (o->is_list)
        buf_add_cstr(out, "[");
    while (rest.n > 0) {
        size_t end = o->is_list ? slice_find(rest, ' ') : rest.n;
        const char *quote = is_text ? "\"" : "";
        struct slice item = slice_head(rest, end);
        buf_addf(out, "%s%.*s%s", quote, SLICE_FMT(item), quote);
        rest = slice_from(rest, end + 1);
        if (rest.n > 0)
            buf_add_cstr(out, ", ");
    }
    if (o->is_list)
        buf_add_cstr(out, "]");
}

/* ---- numbers ---- */

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"KB", 1000},
    {"MB", 1000 * 1000},
    {"GB", 1000ull * 1000 * 1000},
    {"TB", 1000ull * 1000 * 1000 * 1000},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
};

static bool parse_with_unit(struct slice text, const struct unit *units, size_t count,
                            uint64_t *out)
{
    size_t digits = 0;
    while (digits < text.n && ascii_is_digit(text.p[digits]))
        digits++;
    uint64_t v;
    if (!slice_to_u64(slice_head(text, digits), &v))
        return false;
    struct slice unit = slice_from(text, digits);
    for (size_t i = 0; i < count; i++) {
        if (!slice_eq(unit, slice_cstr(units[i].name)))
            continue;
        if (v > INT64_MAX / units[i].factor)
            return false;
        *out = v * units[i].factor;
        return true;
    }
    return false;
}

bool config_value_parse_size(struct slice text, uint64_t *bytes)
{
    return parse_with_unit(text, size_units, COUNT_OF(size_units), bytes);
}

bool config_value_parse_duration(struct slice text, int64_t *ms)
{
    uint64_t v;
    if (!parse_with_unit(text, duration_units, COUNT_OF(duration_units), &v))
        return false;
    *ms = (int64_t)v;
    return true;
}

bool config_duration_parse(struct slice text, int64_t *ms)
{
    return config_value_parse_duration(text, ms);
}

bool config_size_parse(struct slice text, uint64_t *bytes)
{
    return config_value_parse_size(text, bytes);
}

bool config_value_parse_decimal(struct slice text, double *v)
{
    size_t point = slice_find(text, '.');
    struct slice fraction = slice_from(text, point + 1);
    uint64_t whole, part = 0;
    if (!slice_to_u64(slice_head(text, point), &whole))
        return false;
    if (point < text.n && (fraction.n > 15 || !slice_to_u64(fraction, &part)))
        return false;
    double scale = 1;
    for (size_t i = 0; i < fraction.n; i++)
        scale *= 10;
    *v = (double)whole + (double)part / scale;
    return true;
}

static struct slice out_of_range(const struct config_option *o, struct arena *a)
{
    return arena_printf(a, "must be from %s to %s", o->least, o->most);
}

static struct slice set_size(const struct config_option *o, struct slice text, struct arena *a,
                             uint64_t *out)
{
    uint64_t v, least, most;
    if (!config_value_parse_size(text, &v)) {
        struct slice q = config_value_quote(a, text);
        return arena_printf(a,
                            "%.*s is not a size: write a whole number and a unit, such as "
                            "\"64KiB\", \"50MiB\", \"10GiB\" or \"50MB\"",
                            SLICE_FMT(q));
    }
    CHECK(config_value_parse_size(slice_cstr(o->least), &least));
    CHECK(config_value_parse_size(slice_cstr(o->most), &most));
    if (v < least || v > most)
        return out_of_range(o, a);
    *out = v;
    return SLICE_NONE;
}

static struct slice set_duration(const struct config_option *o, struct slice text, struct arena *a,
                                 int64_t *out)
{
    int64_t v, least, most;
    if (!config_value_parse_duration(text, &v)) {
        struct slice q = config_value_quote(a, text);
        return arena_printf(a,
                            "%.*s is not a duration: write a whole number and a unit, such as "
                            "\"250ms\", \"30s\", \"5m\", \"4h\" or \"5d\"",
                            SLICE_FMT(q));
    }
    CHECK(config_value_parse_duration(slice_cstr(o->least), &least));
    CHECK(config_value_parse_duration(slice_cstr(o->most), &most));
    if (v < least || v > most)
        return out_of_range(o, a);
    *out = v;
    return SLICE_NONE;
}

static struct slice set_count(const struct config_option *o, struct slice text, struct arena *a,
                              unsigned *out)
{
    uint64_t v, least, most;
    CHECK(slice_to_u64(slice_cstr(o->least), &least));
    CHECK(slice_to_u64(slice_cstr(o->most), &most));
    if (!slice_to_u64(text, &v) || v < least || v > most)
        return out_of_range(o, a);
    *out = (unsigned)v;
    return SLICE_NONE;
}

static bool parse_level(struct slice text, int *out)
{
    uint64_t v;
    bool is_below = text.n && text.p[0] == '-';
    if (!slice_to_u64(slice_from(text, is_below), &v) || v > INT_MAX)
        return false;
    *out = is_below ? -(int)v : (int)v;
    return true;
}

static struct slice set_level(const struct config_option *o, struct slice text, struct arena *a,
                              int *out)
{
    int v, least, most;
    CHECK(parse_level(slice_cstr(o->least), &least));
    CHECK(parse_level(slice_cstr(o->most), &most));
    if (!parse_level(text, &v) || v < least || v > most)
        return out_of_range(o, a);
    *out = v;
    return SLICE_NONE;
}

struct slice config_value_set_factor(const struct config_option *o, double v, struct arena *a,
                                     double *out)
{
    double least, most;
    CHECK(config_value_parse_decimal(slice_cstr(o->least), &least));
    CHECK(config_value_parse_decimal(slice_cstr(o->most), &most));
    bool is_within = v >= least && v <= most; /* false for a NaN */
    if (!is_within)
        return out_of_range(o, a);
    *out = v;
    return SLICE_NONE;
}

static struct slice set_factor(const struct config_option *o, struct slice text, struct arena *a,
                               double *out)
{
    double v;
    if (!config_value_parse_decimal(text, &v))
        return out_of_range(o, a);
    return config_value_set_factor(o, v, a, out);
}

/* "100/h", "10/15m": a count and a duration, whose number may be missing. */
static bool parse_rate(struct slice text, struct policy_rate *out)
{
    size_t slash = slice_find(text, '/');
    struct slice unit = slice_from(text, slash + 1);
    char with_number[16];
    uint64_t count;
    if (!slice_to_u64(slice_head(text, slash), &count) || count < 1 || count > RATE_COUNT_MAX)
        return false;
    if (!unit.n || unit.n + 1 >= sizeof with_number)
        return false;
    int n = snprintf(with_number, sizeof with_number, "%s%.*s",
                     ascii_is_digit(unit.p[0]) ? "" : "1", SLICE_FMT(unit));
    out->count = (unsigned)count;
    return config_value_parse_duration(slice_of(with_number, (size_t)n), &out->per_ms) &&
           out->per_ms >= 1000 && out->per_ms <= RATE_MS_MAX;
}

static struct slice set_rate(struct slice text, struct arena *a, struct policy_rate *out)
{
    struct policy_rate rate;
    if (parse_rate(text, &rate)) {
        *out = rate;
        return SLICE_NONE;
    }
    struct slice q = config_value_quote(a, text);
    return arena_printf(a,
                        "%.*s is not a rate: write a whole number up to %d and a time from a "
                        "second to a week, such as \"100/h\", \"10/m\" or \"500/1d\"",
                        SLICE_FMT(q), RATE_COUNT_MAX);
}

static struct slice set_choice(const struct config_option *o, struct slice text, struct arena *a,
                               unsigned *out)
{
    const char *later = NULL;
    for (const struct config_choice *c = o->choices; c->name; c++) {
        if (!slice_eq(text, slice_cstr(c->name)))
            continue;
        if (!c->later) {
            *out = c->value;
            return SLICE_NONE;
        }
        later = c->later;
    }
    struct slice q = config_value_quote(a, text);
    struct slice s = later ? arena_printf(a, "%s: write ", later)
                           : arena_printf(a, "%.*s is not known here: write ", SLICE_FMT(q));
    const char *gap = "";
    for (const struct config_choice *c = o->choices; c->name; c++) {
        if (c->later)
            continue;
        bool is_last = !c[1].name || c[1].later;
        s = arena_printf(a, "%.*s%s\"%s\"", SLICE_FMT(s), is_last ? " or " : gap, c->name);
        gap = ", ";
    }
    return s;
}

/* ---- text ---- */

/* What no value but a secret may hold: it ends up in C strings, in log lines and on the wire. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((uint8_t)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return false;
    }
    return utf8_is_valid(text);
}

static bool has_blank(struct slice text)
{
    return slice_find(text, ' ') < text.n;
}

static struct slice set_text(struct slice text, struct arena *a, struct slice *out)
{
    *out = arena_copy(a, text);
    return SLICE_NONE;
}

/* Text whose length the row limits. */
static struct slice set_name(const struct config_option *o, struct slice text, struct arena *a,
                             struct slice *out)
{
    uint64_t most;
    CHECK(slice_to_u64(slice_cstr(o->most), &most));
    if (text.n > most)
        return arena_printf(a, "is longer than %s bytes", o->most);
    return set_text(text, a, out);
}

static struct slice set_hostname(struct slice text, struct arena *a, struct slice *out)
{
    struct ip ip;
    bool is_literal = text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']' &&
                      ip_literal_parse(slice_of(text.p + 1, text.n - 2), &ip);
    if (is_literal || mail_domain_is_valid(text, 0))
        return set_text(text, a, out);
    struct slice q = config_value_quote(a, text);
    return arena_printf(a,
                        "%.*s is not a domain name: write one such as \"relay.example.com\" or an "
                        "address literal such as \"[192.0.2.1]\"",
                        SLICE_FMT(q));
}

static struct slice set_path(const struct config_option *o, struct slice text, struct arena *a,
                             struct slice *out)
{
    if (text.p[0] == '/')
        return set_name(o, text, a, out);
    struct slice q = config_value_quote(a, text);
    return arena_printf(a, "%.*s is not an absolute path: it must begin with \"/\"", SLICE_FMT(q));
}

/* "$id$...": what crypt(3) and libsodium make; or a SCRAM secret. The rest is judged when somebody
 * logs in. */
static struct slice set_hash(struct slice text, struct arena *a, struct slice *out)
{
    struct smtp_scram_secret scram;
    if (slice_starts(text, SLICE(SMTP_SCRAM_SECRET_HEAD))) {
        if (text.n <= HASH_BYTES_MAX && smtp_scram_secret_parse(text, &scram))
            return set_text(text, a, out);
        return arena_printf(a, "is no SCRAM secret: `outpost passwd --scram` makes one "
                               "(\"" SMTP_SCRAM_SECRET_HEAD "4096:...$...:...\")");
    }
    size_t id = 0;
    struct slice rest = slice_from(text, 1);
    while (id < rest.n && (ascii_is_digit(rest.p[id]) || ascii_is_alpha(rest.p[id])))
        id++;
    if (text.p[0] != '$' || id == 0 || id + 1 >= rest.n || rest.p[id] != '$' || has_blank(text))
        return arena_printf(a, "is not a password hash: never write the password itself here; "
                               "`outpost passwd` makes its hash (\"$argon2id$...\")");
    if (slice_starts(text, SLICE("$apr1$")))
        return arena_printf(a, "is a hash of Apache's own (\"$apr1$\"), which crypt(3) does not "
                               "know: make one with `outpost passwd`, or `htpasswd -B`");
    if (text.n > HASH_BYTES_MAX)
        return arena_printf(a, "is longer than %d bytes, and so no password hash", HASH_BYTES_MAX);
    return set_text(text, a, out);
}

/* Typing mistakes only: any text can be a pattern for mail_address_match. */
static struct slice set_pattern(struct slice text, struct arena *a, struct slice *out)
{
    struct slice q = config_value_quote(a, text);
    if (text.n > MAIL_ADDRESS_BYTES_MAX)
        return arena_printf(a, "%.*s is longer than %d bytes", SLICE_FMT(q),
                            MAIL_ADDRESS_BYTES_MAX);
    bool is_bracketed = slice_find(text, '<') < text.n || slice_find(text, '>') < text.n;
    bool is_listed = slice_find(text, ',') < text.n || slice_find(text, ';') < text.n;
    if (slice_find(text, '"') == text.n && (is_bracketed || is_listed || has_blank(text)))
        return arena_printf(a,
                            "%.*s is not an address pattern: write one such as "
                            "\"user@example.com\", \"*@example.com\" or \"*.example.com\"",
                            SLICE_FMT(q));
    return set_text(text, a, out);
}

static struct slice set_glob(const struct config_option *o, struct slice text, struct arena *a,
                             struct slice *out)
{
    bool is_name = true;
    for (size_t i = 0; i < text.n; i++)
        is_name &= text.p[i] > ' ' && text.p[i] < 0x7f && text.p[i] != '@';
    if (!is_name)
        return arena_printf(a,
                            "%.*s is not a name pattern: write one such as \"example.com\" or "
                            "\"*.example.com\", in ASCII and without \"@\"",
                            SLICE_FMT(config_value_quote(a, text)));
    return set_name(o, text, a, out);
}

struct slice config_value_set(const struct config_option *o, struct slice text, struct arena *a,
                              void *out)
{
    bool is_secret = config_type_facts[o->type].is_secret;
    if (text.n == 0)
        return arena_printf(a, "is empty");
    if (o->type != CONFIG_SECRET && !is_plain(text))
        return arena_printf(a, "holds a control character or invalid UTF-8%s",
                            is_secret ? ", and so is no password hash" : "");
    struct slice said = SLICE_NONE;
    switch (o->type) {
    case CONFIG_NAME:
        return set_name(o, text, a, out);
    case CONFIG_HOSTNAME:
        return set_hostname(text, a, out);
    case CONFIG_PATH:
        return set_path(o, text, a, out);
    case CONFIG_HASH:
        return set_hash(text, a, out);
    case CONFIG_SECRET:
        return set_text(text, a, out);
    case CONFIG_LISTEN:
        return config_net_set_listen(text, a, out);
    case CONFIG_ENDPOINT:
        return slice_starts(text, SLICE("unix:")) ? config_net_set_unix(text, a, out)
                                                  : config_net_set_listen(text, a, out);
    case CONFIG_PATTERN:
        return set_pattern(text, a, out);
    case CONFIG_GLOB:
        return set_glob(o, text, a, out);
    case CONFIG_BOOL:
        *(bool *)out = slice_eq(text, SLICE("true"));
        return SLICE_NONE;
    case CONFIG_COUNT:
        return set_count(o, text, a, out);
    case CONFIG_LEVEL:
        return set_level(o, text, a, out);
    case CONFIG_PORT: {
        unsigned port = 0;
        said = set_count(o, text, a, &port);
        if (!said.n)
            *(uint16_t *)out = (uint16_t)port;
        return said;
    }
    case CONFIG_SIZE:
        return set_size(o, text, a, out);
    case CONFIG_DURATION:
        return set_duration(o, text, a, out);
    case CONFIG_FACTOR:
        return set_factor(o, text, a, out);
    case CONFIG_RATE:
        return set_rate(text, a, out);
    case CONFIG_CHOICE:
        return set_choice(o, text, a, out);
    case CONFIG_IP:
        return config_net_set_ip(text, a, out);
    case CONFIG_NETWORK:
        return config_net_set_network(text, a, out);
    case CONFIG_RESOLVER:
        return config_net_set_resolver(text, a, out);
    case CONFIG_HOST:
        return config_net_set_host(text, a, out);
    case CONFIG_ADDRESS:
        return config_map_set_address(text, a, out);
    case CONFIG_RULE:
        return config_map_set_rule(text, a, out);
    case CONFIG_SHA256:
        return config_fingerprint_set(text, a, out);
    case CONFIG_FIELD:
        return config_field_set(o, text, a, out);
    case CONFIG_HEADING:
        return config_field_set_name(o, text, a, out);
    case CONFIG_TYPE_COUNT:
        break;
    }
    CHECK(!"a type of the table");
    return said;
}
