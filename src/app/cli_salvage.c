/* cli_salvage.c -- `outpost queue salvage`: everything that is whole comes out of a queue, however
 * damaged, as files that any mail program reads. A message of which a byte is missing is named,
 * never written.
 *
 * On a running relay messages move and end meanwhile: what could not be read because its segment
 * has gone is looked for again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/msgid.h"
#include "cli.h"
#include "queue_dir.h"
#include "salvage_write.h"

enum { WALKS_MAX = 5, OUT_BYTES_MAX = 1024 * 1024, SEED = 1 };

struct salvage {
    struct store_look *look;
    struct queue_audit audit;
    struct salvage_writer writer;
    struct map done;  /* ids: written, or told as lost */
    struct map aside; /* segments set aside or without a header: a start gets nothing of them */
    bool is_json, is_all;
    struct buf out;
    struct json json;
    uint64_t saved, were_there, uncertain, lost, unconfirmed, damages, damaged_bytes, lost_files;
};

static void flush(struct salvage *s)
{
    fwrite(s->out.p ? s->out.p : "", 1, s->out.n, stdout);
    buf_clear(&s->out);
}

/* --- what there is --- */

static void on_record(void *ctx, const struct store_look_file *f, const struct journal_record *r,
                      bool is_certain)
{
    struct salvage *s = ctx;
    (void)queue_audit_record(&s->audit, r, is_certain);
}

static void on_damage(void *ctx, const struct store_look_file *f, uint32_t from, uint32_t to)
{
    struct salvage *s = ctx;
    s->damages++;
    s->damaged_bytes += to - from;
    if (!s->is_json)
        buf_addf(&s->out, "  %s is damaged from byte %u to %u\n", f->name, from, to);
}

static void on_file(void *ctx, const struct store_look_file *f)
{
    struct salvage *s = ctx;
    bool is_lost =
        f->state == STORE_LOOK_UNREAD || (f->state == STORE_LOOK_LOST && !f->header.nonce);
    s->lost_files += is_lost;
    if (f->state == STORE_LOOK_LOST || f->kind == STORE_LOOK_ASIDE)
        map_put_id(&s->aside, f->sequence, s);
    if (!s->is_json && is_lost)
        buf_addf(&s->out, "  %s: nothing in it can be proved to be a record (%s)\n", f->name,
                 f->why.text);
    else if (!s->is_json && f->state == STORE_LOOK_LOST)
        buf_addf(&s->out, "  %s: its header is lost, %" PRIu64 " records prove themselves\n",
                 f->name, f->beyond);
    flush(s);
}

static void on_damage_again(void *ctx, const struct store_look_file *f, uint32_t from, uint32_t to)
{
}

static enum err look(struct salvage *s, bool is_first, struct fault *why)
{
    struct store_look_callbacks cb = {s, on_record, is_first ? on_damage : on_damage_again,
                                      is_first ? on_file : NULL};
    queue_audit_close(&s->audit);
    queue_audit_init(&s->audit, true);
    return store_look_walk(s->look, &cb, why);
}

/* --- what comes out --- */

static void tell_lost(struct salvage *s, const struct queue_audit_message *m, const char *why)
{
    struct msgid_text id = msgid_build(m->id);
    /* Half a message in a torn tail was being written when the power went: nobody heard 250. */
    bool is_lost = m->is_certain || map_get_id(&s->aside, m->accept.segment);
    s->lost += is_lost;
    s->unconfirmed += !is_lost;
    if (s->is_json) {
        json_object(&s->json, NULL);
        json_string(&s->json, "id", slice_cstr(id.s));
        json_bool(&s->json, "was_confirmed", is_lost);
        json_string(&s->json, "why", slice_cstr(why));
        json_end(&s->json, '}');
    } else {
        buf_addf(&s->out, "  message %s is not saved: %s%s\n", id.s, why,
                 is_lost ? "" : " (it stands in a torn tail and was never confirmed)");
    }
    flush(s);
}

/* ERR_BUSY: it should be looked for again. Other errors: the target takes no more. */
static enum err save_one(struct salvage *s, const struct queue_audit_message *m, bool is_last,
                         struct fault *why)
{
    bool is_new;
    enum err e = salvage_write(&s->writer, s->look, m, &is_new, why);
    if ((e == ERR_MISSING || e == ERR_DAMAGED) && !is_last)
        return ERR_BUSY;
    map_put_id(&s->done, m->id, s);
    if (e) {
        tell_lost(s, m, why->text);
        return e == ERR_FULL ? e : ERR_OK;
    }
    s->saved += is_new;
    s->were_there += !is_new;
    s->uncertain += !m->is_certain;
    return ERR_OK;
}

/* In a whole queue what a checkpoint denies is over. In a damaged one the record that took its
 * place may be what is lost. */
static bool is_wanted(const struct salvage *s, struct queue_audit_message *m)
{
    if (m->is_denied && (s->damages || s->lost_files || s->aside.count))
        m->is_certain = false;
    return s->is_all || (m->waiting_count && !(m->is_denied && m->is_certain));
}

/* *again: messages that could not be read this time. */
static enum err save(struct salvage *s, bool is_last, size_t *again, struct fault *why)
{
    size_t count;
    enum err e = ERR_OK;
    struct queue_audit_message **all = queue_audit_list(&s->audit, &count);
    *again = 0;
    for (size_t i = 0; !e && i < count; i++) {
        struct queue_audit_message *m = all[i];
        if (!is_wanted(s, m) || map_get_id(&s->done, m->id))
            continue;
        e = save_one(s, m, is_last, why);
        if (e == ERR_BUSY) {
            (*again)++;
            e = ERR_OK;
        }
    }
    mem_free(all);
    return e;
}

/* A message that stays unreadable is told as lost after a walk that changed nothing. */
static enum err salvage(struct salvage *s, struct fault *why)
{
    size_t again = 0, before;
    enum err e = look(s, true, why);
    if (!e)
        e = save(s, false, &again, why);
    for (int i = 2; !e && again; i++) {
        before = again;
        e = look(s, false, why);
        if (!e)
            e = save(s, i == WALKS_MAX, &again, why);
        if (!e && again == before)
            e = save(s, true, &again, why);
    }
    return e;
}

/* --- the whole --- */

static void begin(struct salvage *s)
{
    if (!s->is_json) {
        printf("queue %s, to %s\n", store_look_path(s->look), s->writer.dir);
        return;
    }
    json_object(&s->json, NULL);
    json_string(&s->json, "queue", slice_cstr(store_look_path(s->look)));
    json_string(&s->json, "to", slice_cstr(s->writer.dir));
    json_array(&s->json, "not_saved");
}

static void end(struct salvage *s)
{
    if (s->is_json) {
        json_end(&s->json, ']');
        json_int(&s->json, "saved", (int64_t)s->saved);
        json_int(&s->json, "already_there", (int64_t)s->were_there);
        json_int(&s->json, "uncertain", (int64_t)s->uncertain);
        json_int(&s->json, "lost", (int64_t)s->lost);
        json_int(&s->json, "unconfirmed", (int64_t)s->unconfirmed);
        json_int(&s->json, "damaged_places", (int64_t)s->damages);
        json_int(&s->json, "damaged_bytes", (int64_t)s->damaged_bytes);
        json_int(&s->json, "unreadable_files", (int64_t)s->lost_files);
        json_end(&s->json, '}');
        buf_add_char(&s->out, '\n');
        flush(s);
        return;
    }
    printf("%" PRIu64 " messages saved, %" PRIu64 " were there already, %" PRIu64
           " could not be saved\n",
           s->saved, s->were_there, s->lost);
    if (s->uncertain)
        printf("%" PRIu64 " of them are uncertain (\"certain\": false in the envelope): they come "
               "from a file set aside,\na segment without a header or a torn tail; they may have "
               "been delivered, or never confirmed\n",
               s->uncertain);
    if (s->damages || s->lost_files)
        printf("what stood in %" PRIu64 " damaged places (%" PRIu64 " bytes) and %" PRIu64
               " unreadable files is lost\n",
               s->damages, s->damaged_bytes, s->lost_files);
}

static int run(struct salvage *s)
{
    struct fault why = {0}, ignored;
    begin(s);
    enum err e = salvage(s, &why);
    enum err closing = salvage_writer_close(&s->writer, e ? &ignored : &why);
    end(s);
    if (e || closing)
        return cli_fail(EXIT_FAILED, "%s", why.text);
    return s->lost || s->damages || s->lost_files ? EXIT_FAILED : EXIT_GOOD;
}

int cli_queue_salvage(const struct cli *c)
{
    struct salvage s = {.is_json = c->is_json, .is_all = c->is_all};
    struct fault why = {0};
    if (!c->to || !c->to[0])
        return cli_fail(EXIT_USAGE, "say where to write: outpost queue salvage --to DIR");
    int status = queue_dir_open(c, &s.look);
    if (status)
        return status;
    if (salvage_writer_init(&s.writer, c->to, &why) != ERR_OK) {
        store_look_close(s.look);
        return cli_fail(EXIT_FAILED, "%s", why.text);
    }
    buf_init(&s.out, OUT_BYTES_MAX);
    json_init(&s.json, &s.out);
    map_init(&s.done, SEED);
    map_init(&s.aside, SEED);
    status = run(&s);
    queue_audit_close(&s.audit);
    map_close(&s.done);
    map_close(&s.aside);
    buf_close(&s.out);
    store_look_close(s.look);
    return status;
}
