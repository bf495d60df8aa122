/* smtp_client_chunk.c -- a binary body's pieces as chunks (BDAT, RFC 3030).
 *
 * The pieces come in wire form, as all bodies are stored: a dot at the start or behind CRLF is
 * doubled. Behind BDAT it stands single; nothing else is touched, and no line end is added. */
#include "smtp_client_state.h"

void smtp_client_chunk_begin(struct smtp_client *c)
{
    c->is_chunking = c->message.is_binary;
    c->chunks_asked = 0;
    c->is_body_ended = c->is_chunk_refused = false;
    c->is_at_line = true;
    c->is_behind_cr = false;
}

/* Is the next byte the first of a doubled dot? Moves on behind it. */
static bool is_stuffing(struct smtp_client *c, char next)
{
    bool is_it = c->is_at_line && next == '.';
    c->is_at_line = c->is_behind_cr && next == '\n';
    c->is_behind_cr = next == '\r';
    return is_it;
}

void smtp_client_chunk_say(struct smtp_client *c, struct slice piece)
{
    bool is_at_line = c->is_at_line, is_behind_cr = c->is_behind_cr;
    size_t bytes = 0;
    for (size_t i = 0; i < piece.n; i++)
        bytes += !is_stuffing(c, piece.p[i]);
    if (bytes == 0) /* the first of two dots, alone: the second will come */
        return;
    c->is_at_line = is_at_line;
    c->is_behind_cr = is_behind_cr;
    smtp_client_expect_reply(c);
    c->chunks_asked++;
    CHECK(buf_addf(&c->output, "BDAT %zu\r\n", bytes));
    for (size_t i = 0, from = 0; i <= piece.n; i++) {
        if (i < piece.n && !is_stuffing(c, piece.p[i]))
            continue;
        CHECK(buf_add(&c->output, slice_head(slice_from(piece, from), i - from)));
        from = i + 1;
    }
}
