/* smtp_client_chunk.c -- chunks (BDAT, RFC 3030): a binary body's pieces, or a small body whole.
 *
 * The bytes come in wire form, as all bodies are stored: a dot at the start or behind CRLF is
 * doubled. Behind BDAT it stands single. A text gets the CRLF that it may lack at its end; of a
 * binary body nothing else is touched. */
#include "smtp_client_state.h"

#include <string.h>

void smtp_client_chunk_begin(struct smtp_client *c)
{
    const struct smtp_client_message *m = &c->message;
    size_t bytes = m->whole[0].n + m->whole[1].n;
    c->is_whole = c->offer.has_chunking && bytes > 0 && bytes <= SMTP_CLIENT_WHOLE_BYTES_MAX;
    c->is_chunking = m->is_binary && !c->is_whole;
    c->is_whole_said = false;
    /* Behind RSET it waits: were that refused, what the chunk belongs to would be open. */
    c->may_run_ahead =
        m->may_run_ahead && c->offer.has_pipelining && c->has_chunked && !c->is_left_open;
    c->chunks_asked = 0;
    c->is_body_ended = c->is_chunk_refused = false;
    c->is_at_line = true;
    c->is_behind_cr = false;
}

/* Where, from `from` on, the first of two dots stands; the end: nowhere. */
static size_t next_doubled(const struct smtp_client *c, struct slice piece, size_t from)
{
    if (from == 0 && c->is_at_line && piece.p[0] == '.')
        return 0;
    if (from <= 1 && piece.n > 1 && c->is_behind_cr && piece.p[0] == '\n' && piece.p[1] == '.')
        return 1;
    size_t at = from > 2 ? from - 2 : 0;
    const char *hit = memmem(piece.p + at, piece.n - at, "\r\n.", 3);
    return hit ? (size_t)(hit - piece.p) + 2 : piece.n;
}

static void move_behind(struct smtp_client *c, struct slice piece)
{
    char last = piece.p[piece.n - 1];
    bool is_cr_before = piece.n > 1 ? piece.p[piece.n - 2] == '\r' : c->is_behind_cr;
    c->is_at_line = is_cr_before && last == '\n';
    c->is_behind_cr = last == '\r';
}

/* Its bytes behind BDAT. */
static size_t count(const struct smtp_client *c, struct slice piece)
{
    size_t bytes = piece.n;
    for (size_t at = 0; at < piece.n; at++) {
        at = next_doubled(c, piece, at);
        bytes -= at < piece.n;
    }
    return bytes;
}

static void add(struct smtp_client *c, struct slice piece)
{
    for (size_t from = 0; from < piece.n;) {
        size_t dot = next_doubled(c, piece, from);
        CHECK(buf_add(&c->output, slice_head(slice_from(piece, from), dot - from)));
        from = dot + 1;
    }
}

void smtp_client_chunk_say(struct smtp_client *c, struct slice piece)
{
    size_t bytes = count(c, piece);
    if (bytes) { /* else the first of two dots, alone: the second will come */
        smtp_client_expect_reply(c);
        c->chunks_asked++;
        CHECK(buf_addf(&c->output, "BDAT %zu\r\n", bytes));
        add(c, piece);
    }
    move_behind(c, piece);
}

void smtp_client_chunk_say_whole(struct smtp_client *c)
{
    const struct slice *whole = c->message.whole;
    size_t bytes = 0;
    for (int i = 0; i < 2; i++) {
        if (!whole[i].n)
            continue;
        bytes += count(c, whole[i]);
        move_behind(c, whole[i]);
    }
    bool lacks_line_end = !c->message.is_binary && !c->is_at_line;
    CHECK(buf_addf(&c->output, "BDAT %zu LAST\r\n", bytes + (lacks_line_end ? 2 : 0)));
    c->is_at_line = true;
    c->is_behind_cr = false;
    for (int i = 0; i < 2; i++) {
        if (!whole[i].n)
            continue;
        add(c, whole[i]);
        move_behind(c, whole[i]);
    }
    if (lacks_line_end)
        CHECK(buf_add_cstr(&c->output, "\r\n"));
    c->is_whole_said = true;
}
