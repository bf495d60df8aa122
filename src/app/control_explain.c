/* control_explain.c -- GET /explain: which way would a message take? */
#include "control_operate.h"
#include "mail/address.h"

/* Canonical into out. False: x says what is wrong. */
static bool read_address(struct exchange *x, const char *key, bool is_required, unsigned options,
                         struct buf *out)
{
    struct buf text;
    struct mail_address a;
    size_t used;
    bool has = control_parameter(x, key, &text);
    struct slice given = buf_slice(&text);
    bool is_empty = given.n == 0 || slice_eq(given, SLICE("<>"));
    buf_init(out, MAIL_ADDRESS_BYTES_MAX + 2);
    bool is_good =
        !text.is_full && (is_empty ? !is_required
                                   : mail_address_parse(given, options, &a, &used) == PARSE_DONE &&
                                         used == given.n && mail_address_build(&a, out));
    if (!is_good && !has)
        control_refuse(x, 400, "say for whom: ?to=address");
    else if (!is_good)
        control_refuse(x, 400, "%s is no address", key);
    buf_close(&text);
    return is_good;
}

static bool read_size(struct exchange *x, uint64_t *bytes)
{
    struct buf text;
    *bytes = 0;
    bool is_good = !control_parameter(x, "size", &text) ||
                   config_size_parse(buf_slice(&text), bytes) ||
                   slice_to_u64(buf_slice(&text), bytes);
    if (!is_good)
        control_refuse(x, 400, "size must be a size: 300, 20KiB, 5MiB");
    buf_close(&text);
    return is_good;
}

static bool read_ip(struct exchange *x, struct ip *out)
{
    struct buf text;
    *out = (struct ip){.family = IP_NONE};
    bool is_good = !control_parameter(x, "ip", &text) || ip_parse(buf_slice(&text), out);
    if (!is_good)
        control_refuse(x, 400, "ip must be an address: 192.0.2.1, 2001:db8::1");
    buf_close(&text);
    return is_good;
}

static void explain(struct exchange *x, const struct engine_case *c)
{
    const struct engine *e = driver_engine(x->o->driver);
    int64_t now_ms = driver_now_ms(x->o->driver);
    if (x->wants_text) {
        engine_explain_text(e, c, now_ms, x->body);
        return;
    }
    engine_explain_json(e, c, now_ms, x->body);
    buf_add_char(x->body, '\n');
}

void control_explain(struct exchange *x)
{
    enum { RECIPIENT = MAIL_ADDRESS_UTF8 | MAIL_ADDRESS_LAX | MAIL_ADDRESS_UNQUALIFIED };
    struct buf from, to, user;
    struct engine_case c = {.bytes = 0};
    bool is_good = read_address(x, "to", true, RECIPIENT, &to);
    is_good = read_address(x, "from", false, RECIPIENT, &from) && is_good;
    is_good = is_good && read_size(x, &c.bytes);
    is_good = is_good && read_ip(x, &c.from);
    (void)control_parameter(x, "user", &user);
    c.recipient = buf_slice(&to);
    c.sender = buf_slice(&from);
    c.user = buf_slice(&user);
    if (is_good)
        explain(x, &c);
    buf_close(&from);
    buf_close(&to);
    buf_close(&user);
}
