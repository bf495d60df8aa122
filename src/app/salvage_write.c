/* salvage_write.c -- see salvage_write.h. */
#include "salvage_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/msgid.h"
#include "file.h"
#include "mail/date.h"

enum {
    TEXT_BYTES_MAX = 16 * 1024 * 1024, /* an envelope: 2,000 recipients, each 1 KiB and a reply */
    NAME_BYTES = 64,
};

static enum err failed(const struct salvage_writer *w, struct fault *why, const char *what,
                       const char *name)
{
    enum err e = errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_SYSTEM;
    return fault_set(why, e, errno, "cannot %s %s/%s", what, w->dir, name);
}

enum err salvage_writer_init(struct salvage_writer *w, const char *dir, struct fault *why)
{
    *w = (struct salvage_writer){.dir = dir, .dir_fd = -1};
    if (access(dir, F_OK) != 0) {
        enum err e = file_make_directory(dir, 0700, why);
        if (e)
            return e;
    }
    w->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->dir_fd < 0)
        return failed(w, why, "open", "");
    buf_init(&w->accept, JOURNAL_RECORD_BYTES_MAX + 2 * JOURNAL_FRAME_BYTES);
    buf_init(&w->piece, JOURNAL_RECORD_BYTES_MAX + 2 * JOURNAL_FRAME_BYTES);
    buf_init(&w->text, TEXT_BYTES_MAX);
    return ERR_OK;
}

enum err salvage_writer_close(struct salvage_writer *w, struct fault *why)
{
    enum err e = fsync(w->dir_fd) ? failed(w, why, "sync", "") : ERR_OK;
    close(w->dir_fd);
    buf_close(&w->accept);
    buf_close(&w->piece);
    buf_close(&w->text);
    return e;
}

/* --- a file that appears whole --- */

struct fresh {
    char temporary[NAME_BYTES];
    int fd;
};

static enum err fresh_open(struct salvage_writer *w, struct fresh *f, struct fault *why)
{
    snprintf(f->temporary, sizeof f->temporary, ".salvage-%ld-%" PRIu64, (long)getpid(),
             ++w->files);
    f->fd = openat(w->dir_fd, f->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return f->fd < 0 ? failed(w, why, "create", f->temporary) : ERR_OK;
}

static enum err fresh_write(struct salvage_writer *w, struct fresh *f, struct slice s,
                            struct fault *why)
{
    while (s.n) {
        ssize_t n = write(f->fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(w, why, "write", f->temporary);
        s = slice_from(s, (size_t)n);
    }
    return ERR_OK;
}

static bool is_same_content(int a, int b)
{
    char x[16384], y[16384];
    for (off_t at = 0;;) {
        ssize_t n = pread(a, x, sizeof x, at), m = pread(b, y, sizeof y, at);
        if (n != m || n < 0 || memcmp(x, y, (size_t)n) != 0)
            return false;
        if (n == 0)
            return true;
        at += n;
    }
}

/* Gives it its name. Somebody else's file of that name stays; our own of an earlier run is good. */
static enum err fresh_name(struct salvage_writer *w, struct fresh *f, const char *name,
                           bool *is_new, struct fault *why)
{
    if (fsync(f->fd))
        return failed(w, why, "sync", f->temporary);
    if (linkat(w->dir_fd, f->temporary, w->dir_fd, name, 0) == 0) {
        *is_new = true;
        return ERR_OK;
    }
    if (errno != EEXIST)
        return failed(w, why, "make", name);
    int there = openat(w->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_ours = there >= 0 && is_same_content(there, f->fd);
    if (there >= 0)
        close(there);
    return is_ours ? ERR_OK
                   : fault_set(why, ERR_BUSY, 0, "another file is there already: %s/%s", w->dir,
                               name);
}

static void fresh_close(struct salvage_writer *w, struct fresh *f)
{
    close(f->fd);
    (void)unlinkat(w->dir_fd, f->temporary, 0);
}

/* --- the message --- */

/* RFC 5321 section 4.5.2, undone: of each line that begins with a dot the first dot goes. */
struct undot {
    enum { LINE_START, IN_LINE, AFTER_CR } state;
    uint64_t wire_bytes;
};

static enum err write_undotted(struct salvage_writer *w, struct fresh *f, struct undot *u,
                               struct slice s, struct fault *why)
{
    size_t from = 0;
    u->wire_bytes += s.n;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (u->state == LINE_START && c == '.') {
            enum err e = fresh_write(w, f, slice_of(s.p + from, i - from), why);
            if (e)
                return e;
            from = i + 1;
        }
        u->state = c == '\r'                            ? AFTER_CR
                   : c == '\n' && u->state == AFTER_CR ? LINE_START
                                                        : IN_LINE;
    }
    return fresh_write(w, f, slice_from(s, from), why);
}

static enum err write_body(struct salvage_writer *w, struct store_look *look, struct fresh *f,
                           uint64_t id, const struct queue_accept *a, struct fault *why)
{
    struct undot u = {LINE_START, 0};
    enum err e = write_undotted(w, f, &u, a->prefix, why);
    for (uint32_t i = 0; !e && i < a->envelope.extent_count; i++) {
        struct journal_record r;
        e = store_look_fetch(look, id, queue_accept_extent(a, i), &w->piece, &r, why);
        if (!e && r.type != QUEUE_RECORD_CHUNK)
            e = fault_set(why, ERR_DAMAGED, 0, "a part of its body is something else");
        if (!e)
            e = write_undotted(w, f, &u, r.payload, why);
    }
    if (!e)
        e = write_undotted(w, f, &u, a->tail, why);
    if (!e && u.wire_bytes != a->envelope.wire_bytes)
        e = fault_set(why, ERR_DAMAGED, 0, "its parts have %" PRIu64 " bytes, not %" PRIu64,
                      u.wire_bytes, a->envelope.wire_bytes);
    return e;
}

/* --- the envelope --- */

static bool same_place(struct journal_pos a, struct journal_pos b)
{
    return a.segment == b.segment && a.offset == b.offset;
}

/* The newest state of recipient i, which an outcome record holds. False: it cannot be read. */
static bool find_state(struct store_look *look, const struct queue_audit_message *m, uint32_t i,
                       struct buf *piece, struct journal_pos *in_piece, struct queue_state *out)
{
    struct journal_record r;
    struct queue_outcome o;
    struct journal_pos pos = m->recipient[i].state;
    if (!same_place(pos, *in_piece) &&
        store_look_fetch(look, m->id, pos, piece, &r, NULL) != ERR_OK) {
        *in_piece = (struct journal_pos){0};
        return false;
    }
    *in_piece = pos;
    r.payload = slice_head(slice_from(buf_slice(piece), JOURNAL_FRAME_BYTES), pos.bytes);
    if (queue_outcome_parse(r.payload, &o) != PARSE_DONE)
        return false;
    for (uint32_t index; queue_outcome_next(&o.states, &index, out);) {
        if (index == i)
            return true;
    }
    return false;
}

static void add_time(struct json *j, const char *key, int64_t ms)
{
    char date[MAIL_DATE_BYTES];
    json_string(j, key, slice_cstr(mail_date_iso(ms, date)));
}

/* What was asked for, in the words of RFC 3461; missing: nothing. */
static void add_dsn(struct json *j, const struct queue_dsn *dsn)
{
    struct buf notify;
    buf_init(&notify, 64);
    if (mail_notify_build(dsn->notify, &notify) && notify.n)
        json_string(j, "notify", buf_slice(&notify));
    buf_close(&notify);
    if (dsn->orcpt.n)
        json_string(j, "orcpt", dsn->orcpt);
}

static void add_wishes(struct json *j, const struct queue_envelope *e)
{
    if (e->is_utf8)
        json_bool(j, "smtputf8", true);
    if (e->requires_tls)
        json_bool(j, "requiretls", true);
    if (e->is_binary)
        json_bool(j, "binarymime", true);
    if (e->ret)
        json_string(j, "ret", e->ret == MAIL_RET_FULL ? SLICE("FULL") : SLICE("HDRS"));
    if (e->envid.n)
        json_string(j, "envid", e->envid);
}

static void add_recipients(struct json *j, struct salvage_writer *w, struct store_look *look,
                           const struct queue_audit_message *m, const struct queue_accept *a)
{
    struct slice rest = a->recipients, rest_dsn = a->dsn, address;
    struct queue_state state;
    struct queue_dsn dsn;
    struct journal_pos in_piece = {0};
    json_array(j, "recipients");
    for (uint32_t i = 0; queue_accept_next(&rest, &address, &state); i++) {
        const struct queue_audit_recipient *r = &m->recipient[i];
        bool is_known = same_place(r->state, m->accept) ||
                        find_state(look, m, i, &w->piece, &in_piece, &state);
        json_object(j, NULL);
        json_string(j, "address", address);
        if (queue_accept_next_dsn(&rest_dsn, &dsn))
            add_dsn(j, &dsn);
        json_string(j, "state", slice_cstr(queue_fate_name(r->fate)));
        if (is_known) {
            json_int(j, "attempts", state.attempts);
            if (r->fate == QUEUE_WAITING && state.next_ms)
                add_time(j, "next", state.next_ms);
            if (state.reason.n)
                json_string(j, "reason", state.reason);
        }
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void build_envelope(struct salvage_writer *w, struct store_look *look,
                           const struct queue_audit_message *m, const struct queue_accept *a)
{
    const struct queue_envelope *e = &a->envelope;
    struct json j;
    buf_clear(&w->text);
    json_init(&j, &w->text);
    json_object(&j, NULL);
    json_string(&j, "id", slice_cstr(msgid_build(m->id).s));
    json_string(&j, "sender", e->sender);
    add_recipients(&j, w, look, m, a);
    json_string(&j, "user", e->user);
    json_string(&j, "client", e->client);
    add_time(&j, "accepted", e->accepted_ms);
    json_int(&j, "accepted_ms", e->accepted_ms);
    json_string(&j, "message_id", e->message_id);
    json_bool(&j, "is_8bit", e->is_8bit);
    json_bool(&j, "is_report", e->is_report);
    add_wishes(&j, e);
    json_int(&j, "wire_bytes", (int64_t)e->wire_bytes);
    json_bool(&j, "certain", m->is_certain);
    json_int(&j, "segment", (int64_t)m->accept.segment);
    json_end(&j, '}');
    buf_add_char(&w->text, '\n');
}

static enum err write_envelope(struct salvage_writer *w, const char *name, bool *is_new,
                               struct fault *why)
{
    struct fresh f;
    if (w->text.is_full)
        return fault_set(why, ERR_FULL, 0, "its envelope is too large");
    enum err e = fresh_open(w, &f, why);
    if (e)
        return e;
    e = fresh_write(w, &f, buf_slice(&w->text), why);
    if (!e)
        e = fresh_name(w, &f, name, is_new, why);
    fresh_close(w, &f);
    return e;
}

enum err salvage_write(struct salvage_writer *w, struct store_look *look,
                       const struct queue_audit_message *m, bool *is_new, struct fault *why)
{
    struct journal_record r;
    struct queue_accept a;
    struct fresh f;
    char name[NAME_BYTES];
    struct msgid_text id = msgid_build(m->id);
    *is_new = false;
    enum err e = store_look_fetch(look, m->id, m->accept, &w->accept, &r, why);
    if (e)
        return e;
    if (r.type != QUEUE_RECORD_ACCEPT || queue_accept_parse(r.payload, &a) != PARSE_DONE ||
        a.envelope.recipient_count != m->recipient_count)
        return fault_set(why, ERR_MISSING, 0, "it has changed meanwhile");
    e = fresh_open(w, &f, why);
    if (e)
        return e;
    e = write_body(w, look, &f, m->id, &a, why);
    snprintf(name, sizeof name, "%s.eml", id.s);
    if (!e)
        e = fresh_name(w, &f, name, is_new, why);
    fresh_close(w, &f);
    if (e)
        return e;
    build_envelope(w, look, m, &a);
    snprintf(name, sizeof name, "%s.envelope.json", id.s);
    return write_envelope(w, name, is_new, why);
}
