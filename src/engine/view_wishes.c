/* view_wishes.c -- see the header. */
#include "view_wishes.h"

enum { NOTIFY_BYTES_MAX = 64 };

static const char *ret_name(const struct queue_message *m)
{
    static const char *const name[] = {"", "FULL", "HDRS", ""};
    return name[m->ret];
}

void view_wishes_json(struct json *j, const struct queue_message *m)
{
    struct slice envid = queue_envid(m);
    if (m->is_utf8)
        json_bool(j, "smtputf8", true);
    if (m->requires_tls)
        json_bool(j, "requiretls", true);
    if (m->is_binary)
        json_bool(j, "binarymime", true);
    if (m->ret)
        json_string(j, "ret", slice_cstr(ret_name(m)));
    if (envid.n)
        json_string(j, "envid", envid);
}

void view_wishes_text(struct buf *out, const struct queue_message *m)
{
    struct slice envid = queue_envid(m);
    if (!m->is_utf8 && !m->requires_tls && !m->is_binary && !m->ret && !envid.n)
        return;
    buf_add_cstr(out, "asks for ");
    buf_add_cstr(out, m->is_utf8 ? " SMTPUTF8" : "");
    buf_add_cstr(out, m->requires_tls ? " REQUIRETLS" : "");
    buf_add_cstr(out, m->is_binary ? " BINARYMIME" : "");
    if (m->ret)
        buf_addf(out, " RET=%s", ret_name(m));
    if (envid.n)
        buf_addf(out, " ENVID=%.*s", SLICE_FMT(envid));
    buf_add_char(out, '\n');
}

void view_wish_json(struct json *j, const struct queue_message *m, uint32_t i)
{
    struct buf notify;
    buf_init(&notify, NOTIFY_BYTES_MAX);
    if (mail_notify_build(queue_notify(m, i), &notify) && notify.n)
        json_string(j, "notify", buf_slice(&notify));
    buf_close(&notify);
    if (queue_orcpt(m, i).n)
        json_string(j, "orcpt", queue_orcpt(m, i));
}

void view_wish_text(struct buf *out, const struct queue_message *m, uint32_t i)
{
    struct slice orcpt = queue_orcpt(m, i);
    if (!queue_notify(m, i) && !orcpt.n)
        return;
    buf_add_cstr(out, "\n         ");
    if (queue_notify(m, i)) {
        buf_add_cstr(out, " NOTIFY=");
        mail_notify_build(queue_notify(m, i), out);
    }
    if (orcpt.n)
        buf_addf(out, " ORCPT=%.*s", SLICE_FMT(orcpt));
}
