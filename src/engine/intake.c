/* intake.c -- see the header. */
#include "intake.h"

#include "base/msgid.h"
#include "mail/date.h"
#include "submit_judge.h"
#include "submit_rewrite.h"

#include <string.h>

enum {
    ORIGINALS_BYTES_MAX = 4096,
    PREFIX_BYTES_MAX = 8192 + ORIGINALS_BYTES_MAX,
};

static void intake_settled(struct engine *e, struct intake *in)
{
    e->unsettled_bytes -= in->counted;
    in->counted = 0;
}

void intake_free(struct engine *e, struct intake *in)
{
    submit_judge_undo(e, in);
    for (uint32_t i = 0; i < in->extent_count; i++)
        queue_unpin(&e->queue, in->extent[i].segment);
    intake_settled(e, in);
    buf_close(&in->sender);
    buf_close(&in->addresses);
    buf_close(&in->originals);
    buf_close(&in->head);
    buf_close(&in->tail);
    buf_close(&in->client);
    buf_close(&in->user);
    buf_close(&in->envid);
    body_unref(in->body);
    mem_free(in->said);
    mem_free(in->recipient);
    mem_free(in->extent);
    mem_free(in->address);
    mem_free(in->dsn);
    mem_free(in);
    e->intake_count--;
    spool_release_dead(e);
}

void intake_drop(struct engine *e, struct intake *in)
{
    in->session = NULL;
    if (!in->chunks_out && !in->is_storing)
        intake_free(e, in);
}

struct intake *intake_new(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    struct intake *in = mem_new(sizeof *in);
    in->session = s;
    in->began_ms = e->now_ms;
    in->id = e->last_msgid = msgid_next(e->last_msgid, e->now_ms);
    in->is_binary = ev->is_binary;
    in->is_utf8 = ev->is_utf8;
    in->requires_tls = ev->requires_tls;
    in->ret = ev->ret;
    buf_init(&in->sender, SMTP_PATH_BYTES_MAX);
    buf_init(&in->addresses,
             (size_t)QUEUE_RECIPIENTS_MAX * (SMTP_PATH_BYTES_MAX + 1) + QUEUE_ORCPT_BYTES_MAX);
    buf_init(&in->originals, ORIGINALS_BYTES_MAX);
    buf_init(&in->envid, MAIL_ENVID_BYTES_MAX);
    buf_init(&in->head, REWRITE_HEADER_BYTES_MAX);
    buf_init(&in->tail, 2 * QUEUE_CHUNK_BYTES);
    buf_init(&in->client, 512);
    buf_init(&in->user, 512);
    buf_add(&in->sender, ev->path_text);
    buf_add(&in->envid, ev->envid);
    mail_header_scan_init(&in->scan);
    e->intake_count++;
    return in;
}

static void intake_count(struct engine *e, struct intake *in, uint64_t bytes)
{
    in->counted += bytes;
    e->unsettled_bytes += bytes;
}

/* The oldest 64 KiB of the tail become a record of their own. */
static void intake_spill(struct engine *e, struct intake *in)
{
    if (in->extent_count + in->chunks_out >= QUEUE_EXTENTS_MAX) {
        in->err = ERR_FULL;
        buf_clear(&in->tail);
        return;
    }
    struct journal_pos *extent =
        mem_resize(in->extent, (in->extent_count + in->chunks_out + 1) * sizeof *in->extent);
    in->extent = extent;
    in->chunks_out++;
    uint64_t ticket = ticket_new(e, TICKET_CHUNK, in, 0, in->id);
    spool_chunk(e, ticket, in->id, engine_keep(e, buf_slice(&in->tail)));
    buf_clear(&in->tail);
}

void intake_keep(struct engine *e, struct intake *in, struct slice piece)
{
    in->kept_bytes += piece.n;
    while (piece.n && !in->err) {
        size_t room = QUEUE_CHUNK_BYTES - in->tail.n;
        struct slice part = slice_head(piece, room);
        buf_add(&in->tail, part);
        piece = slice_from(piece, part.n);
        if (in->tail.n == QUEUE_CHUNK_BYTES)
            intake_spill(e, in);
    }
}

const struct mail_header_scan *intake_said(const struct intake *in)
{
    return in->said ? in->said : &in->scan;
}

static void refuse_header(struct intake *in)
{
    in->header = INTAKE_HEADER_LONG;
    buf_close(&in->head);
}

/* The section is in head and in the first `n` bytes of the piece. */
static void end_header(struct engine *e, struct intake *in, struct slice piece)
{
    if (in->scan.header_bytes > REWRITE_HEADER_BYTES_MAX) {
        refuse_header(in);
        return;
    }
    /* What ends a section without an empty line is no field, and head may hold its begin. */
    size_t all = (size_t)in->scan.header_bytes;
    size_t n = all > in->head.n ? all - in->head.n : 0;
    struct buf head = in->head;
    buf_init(&in->head, 0);
    in->header = INTAKE_HEADER_KEPT;
    if (head.n)
        CHECK(buf_add(&head, slice_head(piece, n)));
    struct slice section = head.n ? slice_head(buf_slice(&head), all) : slice_head(piece, n);
    uint64_t before = in->kept_bytes;
    submit_rewrite_header(e, in, section);
    if (in->kept_bytes - before > section.n)
        intake_count(e, in, in->kept_bytes - before - section.n);
    if (in->header == INTAKE_HEADER_KEPT && head.n > all)
        intake_keep(e, in, slice_from(buf_slice(&head), all));
    if (in->header == INTAKE_HEADER_KEPT)
        intake_keep(e, in, slice_from(piece, n));
    buf_close(&head);
}

void intake_body(struct engine *e, struct intake *in, struct slice piece)
{
    in->wire_bytes += piece.n;
    if (in->err || in->header > INTAKE_HEADER_KEPT)
        return; /* refused at the end; nothing more is kept */
    intake_count(e, in, piece.n);
    if (in->is_binary)
        mail_line_scan_feed(&in->lines, piece);
    in->is_8bit = in->is_8bit || !slice_is_ascii(piece);
    if (in->header == INTAKE_HEADER_KEPT)
        intake_keep(e, in, piece);
    else if (!mail_header_scan_feed(&in->scan, piece))
        end_header(e, in, piece);
    else if (!buf_add(&in->head, piece))
        refuse_header(in);
}

unsigned intake_room(const struct intake *in)
{
    return QUEUE_RECIPIENTS_MAX - in->recipient_count;
}

bool intake_recipient(struct intake *in, const struct smtp_server_event *ev)
{
    size_t at = in->addresses.n;
    if (in->recipient_count >= QUEUE_RECIPIENTS_MAX ||
        in->orcpt_bytes + ev->orcpt.n > QUEUE_ORCPT_BYTES_MAX)
        return false;
    buf_add(&in->addresses, ev->path_text);
    buf_add(&in->addresses, ev->orcpt);
    in->orcpt_bytes += ev->orcpt.n;
    in->has_dsn |= ev->notify || ev->orcpt.n;
    unsigned n = in->recipient_count;
    if (!(n & (n - 1))) /* a power of two: full */
        in->recipient = mem_resize(in->recipient, (n ? n * 2 : 1) * sizeof *in->recipient);
    in->recipient[in->recipient_count++] =
        (struct intake_address){at, ev->path_text.n, (uint16_t)ev->orcpt.n, (uint8_t)ev->notify};
    return true;
}

/* Did the client name a recipient twice? Then once is enough. */
static void drop_repeated(struct intake *in)
{
    struct map seen;
    map_init(&seen, in->id);
    unsigned kept = 0;
    for (unsigned i = 0; i < in->recipient_count; i++) {
        struct slice a = slice_of(in->addresses.p + in->recipient[i].at, in->recipient[i].n);
        if (map_get(&seen, a))
            continue;
        map_put(&seen, a, in);
        in->recipient[kept++] = in->recipient[i];
    }
    in->recipient_count = kept;
    map_close(&seen);
}

/* Only text gets the line end that it lacks, as it would have without BODY=BINARYMIME. */
static void judge_binary(struct engine *e, struct intake *in)
{
    bool lacks_end;
    mail_line_scan_end(&in->lines, &lacks_end);
    if (in->lines.is_binary)
        return;
    if (lacks_end)
        intake_body(e, in, SLICE("\r\n"));
    in->is_binary = false;
}

void intake_complete(struct engine *e, struct intake *in)
{
    if (in->is_binary)
        judge_binary(e, in);
    mail_header_scan_end(&in->scan);
    if (in->header == INTAKE_HEADER_COMES && !in->err)
        end_header(e, in, SLICE_NONE);
    in->is_complete = true;
    drop_repeated(in);
}

/* The fields we add: Received always; Date and Message-ID where missing (RFC 6409 8.3, 8.4). */
static void build_prefix(struct engine *e, struct intake *in, const struct intake_origin *origin,
                         struct buf *out)
{
    struct msgid_text id = msgid_build(in->id);
    struct mail_received r = origin->received;
    r.by = e->opt->hostname;
    r.id = slice_of(id.s, MSGID_CHARS);
    r.recipient = in->recipient_count == 1 ? in->address[0] : SLICE_NONE;
    r.time_ms = e->now_ms;
    r.hides_client = e->opt->rewrite.hides_client;
    mail_received_build(out, &r);
    if (!in->scan.has_message_id && !in->keeps_without_message_id)
        mail_message_id_build(out, r.id, e->opt->hostname);
    if (!in->scan.has_date && !in->keeps_without_date)
        mail_date_field_build(e->now_ms, out);
    if (in->from.n) /* RFC 6409 8.1 lets us; a report's author is nobody */
        buf_addf(out, "From: <%.*s>\r\n", SLICE_FMT(rewrite_text_slice(&in->from)));
    buf_add(out, buf_slice(&in->originals));
    CHECK(!out->is_full);
    if (in->scan.has_no_header)
        buf_add(out, SLICE("\r\n")); /* all of it is body: our fields need an end */
}

static void make_body(struct intake *in, struct slice prefix)
{
    struct slice tail = buf_slice(&in->tail);
    char *memory = mem_new(prefix.n + tail.n + 1);
    memcpy(memory, prefix.p, prefix.n);
    if (tail.n)
        memcpy(memory + prefix.n, tail.p, tail.n);
    in->body = body_new(memory, prefix.n + tail.n, slice_of(memory, prefix.n),
                        slice_of(memory + prefix.n, tail.n));
    in->body->extent_count = in->extent_count;
    if (in->extent_count)
        in->body->extent = (void *)mem_dup(in->extent, in->extent_count * sizeof *in->extent);
    buf_close(&in->tail);
}

static void make_recipients(struct intake *in)
{
    in->address = mem_new(in->recipient_count * sizeof *in->address);
    if (in->has_dsn)
        in->dsn = mem_new(in->recipient_count * sizeof *in->dsn);
    for (unsigned i = 0; i < in->recipient_count; i++) {
        const struct intake_address *r = &in->recipient[i];
        const char *at = in->addresses.p + r->at;
        in->address[i] = slice_of(at, r->n);
        if (in->dsn)
            in->dsn[i] = (struct queue_dsn){r->notify, slice_of(at + r->n, r->orcpt_n)};
    }
}

void intake_store(struct engine *e, struct intake *in, const struct intake_origin *origin)
{
    struct buf prefix;
    make_recipients(in);
    buf_init(&prefix, PREFIX_BYTES_MAX);
    build_prefix(e, in, origin, &prefix);
    buf_add(&in->client, origin->client);
    buf_clear(&in->user);
    buf_add(&in->user, origin->user);
    make_body(in, buf_slice(&prefix));
    in->message = (struct spool_message){
        .id = in->id,
        .envelope = {.accepted_ms = e->now_ms,
                     .wire_bytes = in->kept_bytes + prefix.n,
                     .is_8bit = in->is_8bit,
                     .is_utf8 = in->is_utf8 && in->scan.has_8bit,
                     .requires_tls = in->requires_tls,
                     .is_binary = in->is_binary,
                     .ret = in->ret,
                     .envid = buf_slice(&in->envid),
                     .sender = buf_slice(&in->sender),
                     .user = buf_slice(&in->user),
                     .client = buf_slice(&in->client),
                     .message_id = mail_header_message_id(&in->scan),
                     .recipient_count = in->recipient_count,
                     .extent_count = in->extent_count,
                     .prefix_bytes = (uint32_t)prefix.n},
        .recipient = in->address,
        .dsn = in->dsn,
        .body = in->body,
    };
    buf_close(&prefix);
    in->is_storing = true;
    uint64_t ticket = ticket_new(e, TICKET_MESSAGE, in, 0, in->id);
    CHECK(spool_message(e, &in->message, ticket, true)); /* the limits above see to it */
}
