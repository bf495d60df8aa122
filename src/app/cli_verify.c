/* cli_verify.c -- `outpost queue verify`: is the queue whole? Reads all of it and changes nothing,
 * whether a relay runs on it or not.
 *
 * One walk over the files tells of each what is in it and what a start would do. Then each waiting
 * message is held against the records that were seen. A relay that runs moves and finishes messages
 * meanwhile, so what is amiss with one counts only when a second walk says the same. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/msgid.h"
#include "cli.h"
#include "queue/queue_audit.h"
#include "queue_dir.h"

enum {
    RANGES_SHOWN_MAX = 20, /* damaged ranges of one file; all are counted */
    OUT_BYTES_MAX = 1024 * 1024,
};

struct range {
    uint32_t from, to;
};

struct suspect {
    uint64_t id;
    struct queue_audit_verdict verdict;
};

struct verify {
    struct store_look *look;
    bool is_json;
    struct buf out;
    struct json json;
    struct queue_audit audit;
    struct range range[RANGES_SHOWN_MAX]; /* of the file at hand */
    uint64_t unusable_before;

    uint64_t segments, spares, aside, records, beyond;
    uint64_t damages, damaged_bytes, unusable;
    uint64_t bad_files; /* with something wrong with them */
    bool is_refused;    /* a start would not run on it */

    struct suspect *suspect; /* owned */
    size_t suspect_count, suspect_cap;
    uint64_t waiting, recipients, bytes, finished, uncertain;
};

static void flush(struct verify *v)
{
    fwrite(v->out.p ? v->out.p : "", 1, v->out.n, stdout);
    buf_clear(&v->out);
}

/* --- files --- */

static void on_record(void *ctx, const struct store_look_file *f, const struct journal_record *r,
                      bool is_certain)
{
    struct verify *v = ctx;
    bool is_of_use = queue_audit_record(&v->audit, r, is_certain);
    v->unusable += is_certain && !is_of_use;
}

static void on_damage(void *ctx, const struct store_look_file *f, uint32_t from, uint32_t to)
{
    struct verify *v = ctx;
    if (f->damages <= RANGES_SHOWN_MAX)
        v->range[f->damages - 1] = (struct range){from, to};
}

static bool is_wrong(const struct verify *v, const struct store_look_file *f)
{
    switch (f->state) {
    case STORE_LOOK_LOST:
    case STORE_LOOK_UNREAD:
        return true;
    case STORE_LOOK_GOOD:
        return f->kind == STORE_LOOK_ASIDE || f->damages || f->is_foreign || f->is_cut ||
               f->is_read_in_part || v->unusable > v->unusable_before;
    case STORE_LOOK_UNUSED:
        return f->is_foreign;
    case STORE_LOOK_COPY:
    case STORE_LOOK_GONE:
        return false;
    }
    return false;
}

static const char *how_a_start_loads(const struct store_look_file *f)
{
    bool keeps_copy = f->damages || f->is_read_in_part || f->is_cut;
    if (f->has_index) /* what is damaged comes out when a message is fetched */
        return f->is_cut ? "loads it by its index, keeps a copy" : "loads it by its index";
    if (f->torn_bytes)
        return keeps_copy ? "loads what is whole, keeps a copy, cuts the tail" : "cuts the tail";
    return keeps_copy ? "loads what is whole, keeps a copy" : "loads it";
}

static const char *what_a_start_does(const struct store_look_file *f)
{
    if (f->kind == STORE_LOOK_SPARE)
        return "keeps it ready";
    if (f->state == STORE_LOOK_COPY || f->kind == STORE_LOOK_ASIDE)
        return "leaves it alone";
    if (f->is_foreign || f->is_other_version)
        return "refuses to run";
    switch (f->state) {
    case STORE_LOOK_GOOD:
        return how_a_start_loads(f);
    case STORE_LOOK_UNUSED:
        return "makes it a spare";
    case STORE_LOOK_LOST:
    case STORE_LOOK_UNREAD:
        return "sets it aside";
    case STORE_LOOK_COPY:
    case STORE_LOOK_GONE:
        break;
    }
    return "does not see it";
}

static const char *state_word(const struct store_look_file *f)
{
    switch (f->state) {
    case STORE_LOOK_GOOD:
        return f->kind == STORE_LOOK_ASIDE ? "set aside" : "good";
    case STORE_LOOK_UNUSED:
        return "unused";
    case STORE_LOOK_LOST:
        return "header lost";
    case STORE_LOOK_UNREAD:
        return "unreadable";
    case STORE_LOOK_COPY:
        return "copy";
    case STORE_LOOK_GONE:
        return "recycled meanwhile";
    }
    return "";
}

static void add_file_json(struct verify *v, const struct store_look_file *f, bool is_bad)
{
    static const char *const kind[] = {"segment", "aside", "spare"};
    struct json *j = &v->json;
    json_object(j, NULL);
    json_string(j, "file", slice_cstr(f->name));
    json_string(j, "kind", slice_cstr(kind[f->kind]));
    json_string(j, "state", slice_cstr(state_word(f)));
    json_bool(j, "sound", !is_bad);
    json_string(j, "start", slice_cstr(what_a_start_does(f)));
    json_int(j, "bytes", (int64_t)f->bytes);
    json_int(j, "records", (int64_t)f->records);
    json_int(j, "records_uncertain", (int64_t)f->beyond);
    json_int(j, "end", f->end);
    if (f->sealed_by)
        json_int(j, "sealed_by", (int64_t)f->sealed_by);
    json_int(j, "torn_bytes", f->torn_bytes);
    json_int(j, "unusable", (int64_t)(v->unusable - v->unusable_before));
    json_int(j, "damaged_bytes", (int64_t)f->damaged_bytes);
    json_array(j, "damaged");
    for (unsigned i = 0; i < f->damages && i < RANGES_SHOWN_MAX; i++) {
        json_array(j, NULL);
        json_int(j, NULL, v->range[i].from);
        json_int(j, NULL, v->range[i].to);
        json_end(j, ']');
    }
    json_end(j, ']');
    if (f->why.text[0])
        json_string(j, "why", slice_cstr(f->why.text));
    json_end(j, '}');
}

static void add_file_text(struct verify *v, const struct store_look_file *f)
{
    struct buf *b = &v->out;
    buf_addf(b, "  %-21s %s", f->name, state_word(f));
    if (f->state == STORE_LOOK_GOOD || f->state == STORE_LOOK_LOST)
        buf_addf(b, ", %" PRIu64 " records up to byte %u of %" PRIu64, f->records, f->end,
                 f->bytes);
    if (f->sealed_by)
        buf_addf(b, ", sealed there by %016" PRIx64, f->sealed_by);
    if (f->torn_bytes && !f->damages)
        buf_addf(b, ", %u torn bytes behind%s", f->torn_bytes,
                 f->is_newest ? " (or just being written)" : "");
    if (f->is_cut)
        buf_addf(b, ", cut off: it should have %" PRIu64 " bytes", f->header.segment_bytes);
    if (f->is_foreign)
        buf_addf(b, ", of installation %016" PRIx64, f->header.installation);
    if (f->why.text[0] && (f->state != STORE_LOOK_GOOD || f->is_read_in_part))
        buf_addf(b, f->is_read_in_part ? ", cannot be read at %s" : ": %s", f->why.text);
    if (f->beyond)
        buf_addf(b, "; %" PRIu64 " records that a start does not take can be salvaged", f->beyond);
    if (v->unusable > v->unusable_before)
        buf_addf(b, "; %" PRIu64 " records make no sense", v->unusable - v->unusable_before);
    buf_addf(b, ": a start %s\n", what_a_start_does(f));
    for (unsigned i = 0; i < f->damages && i < RANGES_SHOWN_MAX; i++)
        buf_addf(b, "    damaged from byte %u to %u\n", v->range[i].from, v->range[i].to);
    if (f->damages > RANGES_SHOWN_MAX)
        buf_addf(b, "    ... and %u places more\n", f->damages - RANGES_SHOWN_MAX);
}

static void on_file(void *ctx, const struct store_look_file *f)
{
    struct verify *v = ctx;
    bool is_bad = is_wrong(v, f);
    v->bad_files += is_bad;
    v->is_refused |= (f->is_foreign || f->is_other_version) && f->kind == STORE_LOOK_SEGMENT;
    v->segments += f->kind == STORE_LOOK_SEGMENT && f->state != STORE_LOOK_GONE;
    v->aside += f->kind == STORE_LOOK_ASIDE;
    v->spares += f->kind == STORE_LOOK_SPARE;
    v->records += f->records;
    v->beyond += f->beyond;
    v->damages += f->damages;
    v->damaged_bytes += f->damaged_bytes;
    if (v->is_json)
        add_file_json(v, f, is_bad);
    else if (f->kind != STORE_LOOK_SPARE)
        add_file_text(v, f);
    v->unusable_before = v->unusable;
    flush(v);
}

/* --- messages --- */

static void count_messages(struct verify *v, struct queue_audit_message **all, size_t count)
{
    v->finished = v->audit.finished;
    for (size_t i = 0; i < count; i++) {
        const struct queue_audit_message *m = all[i];
        if (!m->is_certain) {
            v->uncertain += m->waiting_count > 0;
            continue;
        }
        v->waiting++;
        v->recipients += m->waiting_count;
        v->bytes += m->wire_bytes;
    }
}

static void find_suspects(struct verify *v, struct queue_audit_message **all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct queue_audit_verdict verdict;
        if (!all[i]->is_certain || queue_audit_check(&v->audit, all[i], &verdict))
            continue;
        if (v->suspect_count == v->suspect_cap) {
            v->suspect_cap = v->suspect_cap ? v->suspect_cap * 2 : 16;
            v->suspect = mem_resize(v->suspect, v->suspect_cap * sizeof *v->suspect);
        }
        v->suspect[v->suspect_count++] = (struct suspect){all[i]->id, verdict};
    }
}

static void on_record_again(void *ctx, const struct store_look_file *f,
                            const struct journal_record *r, bool is_certain)
{
    struct verify *v = ctx;
    (void)queue_audit_record(&v->audit, r, is_certain);
}

/* Those that are amiss in a second walk, too, are. */
static enum err convict(struct verify *v, struct fault *why)
{
    struct store_look_callbacks cb = {.ctx = v, .record = on_record_again};
    struct suspect *before = v->suspect;
    size_t before_count = v->suspect_count, kept = 0, at = 0, count;
    v->suspect = NULL;
    v->suspect_count = v->suspect_cap = 0;
    queue_audit_close(&v->audit);
    queue_audit_init(&v->audit, false);
    enum err e = store_look_walk(v->look, &cb, why);
    struct queue_audit_message **all = queue_audit_list(&v->audit, &count);
    find_suspects(v, all, count);
    mem_free(all);
    for (size_t i = 0; i < v->suspect_count; i++) { /* both lists are in order of ids */
        while (at < before_count && before[at].id < v->suspect[i].id)
            at++;
        if (at < before_count && before[at].id == v->suspect[i].id)
            v->suspect[kept++] = v->suspect[i];
    }
    v->suspect_count = kept;
    mem_free(before);
    return e;
}

static void add_suspect(struct verify *v, const struct suspect *s)
{
    struct msgid_text id = msgid_build(s->id);
    if (v->is_json) {
        json_object(&v->json, NULL);
        json_string(&v->json, "id", slice_cstr(id.s));
        json_int(&v->json, "missing_chunks", s->verdict.missing_count);
        json_bool(&v->json, "size_wrong", s->verdict.is_size_wrong);
        json_end(&v->json, '}');
    } else if (s->verdict.missing_count) {
        buf_addf(&v->out,
                 "  message %s: %u chunks of its body are missing or damaged, the first at byte %u "
                 "of segment %016" PRIx64 "\n",
                 id.s, s->verdict.missing_count, s->verdict.missing.offset,
                 s->verdict.missing.segment);
    } else {
        buf_addf(&v->out, "  message %s: its parts are not the size that was promised\n", id.s);
    }
    flush(v);
}

/* --- the whole --- */

static bool is_sound(const struct verify *v)
{
    return !v->bad_files && !v->suspect_count;
}

static void begin(struct verify *v)
{
    if (!v->is_json) {
        printf("queue %s\n", store_look_path(v->look));
        return;
    }
    json_object(&v->json, NULL);
    json_string(&v->json, "queue", slice_cstr(store_look_path(v->look)));
    json_array(&v->json, "files");
}

static void end_json(struct verify *v)
{
    struct json *j = &v->json;
    json_end(j, ']');
    char installation[17];
    snprintf(installation, sizeof installation, "%016" PRIx64, store_look_installation(v->look));
    json_string(j, "installation", slice_cstr(installation));
    json_object(j, "totals");
    json_int(j, "segments", (int64_t)v->segments);
    json_int(j, "spares", (int64_t)v->spares);
    json_int(j, "aside", (int64_t)v->aside);
    json_int(j, "records", (int64_t)v->records);
    json_int(j, "records_uncertain", (int64_t)v->beyond);
    json_int(j, "records_unusable", (int64_t)v->unusable);
    json_int(j, "messages_waiting", (int64_t)v->waiting);
    json_int(j, "recipients_waiting", (int64_t)v->recipients);
    json_int(j, "bytes_waiting", (int64_t)v->bytes);
    json_int(j, "messages_finished", (int64_t)v->finished);
    json_int(j, "messages_uncertain", (int64_t)v->uncertain);
    json_int(j, "messages_damaged", (int64_t)v->suspect_count);
    json_int(j, "damaged_places", (int64_t)v->damages);
    json_int(j, "damaged_bytes", (int64_t)v->damaged_bytes);
    json_end(j, '}');
    json_bool(j, "start_refused", v->is_refused);
    json_bool(j, "sound", is_sound(v));
    json_end(j, '}');
    buf_add_char(&v->out, '\n');
    flush(v);
}

static void end_text(const struct verify *v)
{
    printf("%" PRIu64 " segments, %" PRIu64 " spares, %" PRIu64 " set aside: %" PRIu64 " records\n"
           "%" PRIu64 " messages wait (%" PRIu64 " recipients, %" PRIu64 " bytes), %" PRIu64
           " are finished\n",
           v->segments, v->spares, v->aside, v->records, v->waiting, v->recipients, v->bytes,
           v->finished);
    if (v->uncertain)
        printf("%" PRIu64 " messages besides stand where a start does not look: "
               "outpost queue salvage gets them\n",
               v->uncertain);
    if (is_sound(v)) {
        puts("the queue is sound");
        return;
    }
    printf("the queue is damaged: %" PRIu64 " files, %" PRIu64 " places (%" PRIu64
           " bytes), %zu messages\n",
           v->bad_files, v->damages, v->damaged_bytes, v->suspect_count);
    puts(v->is_refused
             ? "a start would refuse it: segments of another relay or another version lie there"
             : "a start would load the rest; outpost queue salvage saves what can be saved");
}

static int verify(struct verify *v)
{
    struct store_look_callbacks cb = {v, on_record, on_damage, on_file};
    struct fault why = {0};
    size_t count;
    begin(v);
    enum err e = store_look_walk(v->look, &cb, &why);
    struct queue_audit_message **all = queue_audit_list(&v->audit, &count);
    count_messages(v, all, count);
    find_suspects(v, all, count);
    mem_free(all);
    if (!e && v->suspect_count)
        e = convict(v, &why);
    if (e)
        return cli_fail(EXIT_FAILED, "%s", why.text);
    if (v->is_json) {
        json_end(&v->json, ']');
        json_array(&v->json, "damaged_messages");
    }
    for (size_t i = 0; i < v->suspect_count; i++)
        add_suspect(v, &v->suspect[i]);
    if (v->is_json)
        end_json(v);
    else
        end_text(v);
    return is_sound(v) ? EXIT_GOOD : EXIT_FAILED;
}

int cli_queue_verify(const struct cli *c)
{
    struct verify v = {.is_json = c->is_json};
    int status = queue_dir_open(c, &v.look);
    if (status)
        return status;
    buf_init(&v.out, OUT_BYTES_MAX);
    json_init(&v.json, &v.out);
    queue_audit_init(&v.audit, false);
    status = verify(&v);
    queue_audit_close(&v.audit);
    buf_close(&v.out);
    mem_free(v.suspect);
    store_look_close(v.look);
    return status;
}
