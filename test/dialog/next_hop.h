/* next_hop.h -- what we send on in DATA, and what careless receivers make of it.
 *
 * A message in wire form goes through the client machine; the bytes behind the 354 are then read by
 * receivers that take other things than CRLF for a line's end. None may see an end before the end
 * (SMTP smuggling): the second half would be a message that nobody authorised. */
#pragma once

#include "smtp/smtp_client.h"

#include <string.h>

/* What a receiver takes for a line's end. */
enum next_hop {
    NEXT_HOP_STRICT,      /* CRLF */
    NEXT_HOP_LF,          /* LF, and a CR before it belongs to it */
    NEXT_HOP_CR,          /* CR, and LF behind it belongs to it */
    NEXT_HOP_ANY,         /* CRLF, CR or LF */
    NEXT_HOP_CR_DROPPED,  /* LF; every CR is thrown away */
    NEXT_HOP_NUL_DROPPED, /* as ANY, every NUL thrown away first */
    NEXT_HOP_COUNT
};

/* Bytes of the line end at the start of `in`, 0: none. */
static inline size_t next_hop_line_end(enum next_hop hop, struct slice in)
{
    bool has_cr = in.n && in.p[0] == '\r', has_lf = in.n && in.p[0] == '\n';
    bool has_crlf = slice_starts(in, SLICE("\r\n"));
    switch (hop) {
    case NEXT_HOP_STRICT:
        return has_crlf ? 2 : 0;
    case NEXT_HOP_LF:
    case NEXT_HOP_CR_DROPPED:
        return has_crlf ? 2 : has_lf;
    case NEXT_HOP_CR:
        return has_crlf ? 2 : has_cr;
    case NEXT_HOP_ANY:
    case NEXT_HOP_NUL_DROPPED:
        return has_crlf ? 2 : has_cr || has_lf;
    case NEXT_HOP_COUNT:
        break;
    }
    return 0;
}

/* What the receiver drops before it looks. */
static inline void next_hop_filter(enum next_hop hop, struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        bool is_dropped =
            (hop == NEXT_HOP_NUL_DROPPED && c == 0) || (hop == NEXT_HOP_CR_DROPPED && c == '\r');
        if (!is_dropped)
            CHECK(buf_add_char(out, c));
    }
}

/* Bytes of `data` up to and with the first thing this receiver takes for the message's end; 0: it
 * is still waiting. */
static inline size_t next_hop_end(enum next_hop hop, struct slice data)
{
    bool at_line = true;
    for (size_t i = 0; i < data.n;) {
        struct slice rest = slice_from(data, i);
        size_t end = next_hop_line_end(hop, rest);
        if (end == 0 && at_line && rest.p[0] == '.') {
            size_t n = next_hop_line_end(hop, slice_from(rest, 1));
            if (n)
                return i + 1 + n;
        }
        at_line = end > 0;
        i += end ? end : 1;
    }
    return 0;
}

/* The first receiver that sees an end where none is meant, or none at the end; NEXT_HOP_COUNT: they
 * all see the same. */
static inline enum next_hop next_hop_fooled(struct slice data)
{
    struct buf seen;
    buf_init(&seen, 1 << 24);
    enum next_hop hop = NEXT_HOP_STRICT;
    for (; hop < NEXT_HOP_COUNT; hop++) {
        buf_clear(&seen);
        next_hop_filter(hop, data, &seen);
        if (next_hop_end(hop, buf_slice(&seen)) != seen.n)
            break;
    }
    buf_close(&seen);
    return hop;
}

static inline void next_hop_drain(struct smtp_client *c, struct buf *out)
{
    struct slice said = smtp_client_output(c);
    if (out)
        CHECK(buf_add(out, said));
    smtp_client_sent(c, said.n);
}

static inline void next_hop_reply(struct smtp_client *c, const char *reply,
                                  enum smtp_client_event_kind wanted)
{
    next_hop_drain(c, NULL);
    smtp_client_on_bytes(c, slice_cstr(reply));
    struct smtp_client_event e = smtp_client_next(c);
    while (e.kind == SMTP_CLIENT_RECIPIENT)
        e = smtp_client_next(c);
    CHECK(e.kind == wanted);
}

/* The client's side of a session, ready for a message. */
static inline struct smtp_client *next_hop_connect(const struct smtp_client_options *o)
{
    struct smtp_client *c = smtp_client_new(o);
    smtp_client_on_connected(c);
    next_hop_reply(c, "220 there\r\n", SMTP_CLIENT_NEEDS_INPUT);
    next_hop_reply(c, "250-there\r\n250 8BITMIME\r\n", SMTP_CLIENT_READY);
    return c;
}

/* Sends a message of this body, wire form, in pieces; *data: all that was sent behind the 354. */
static inline void next_hop_send(struct smtp_client *c, struct slice wire, size_t piece_bytes,
                                 struct buf *data)
{
    struct smtp_client_recipient r = {.address = SLICE("b@example.net")};
    struct smtp_client_message m = {.sender = SLICE("a@example.com"),
                                    .recipient = &r,
                                    .recipient_count = 1,
                                    .wire_bytes = wire.n,
                                    .is_8bit = true};
    smtp_client_begin(c, &m);
    next_hop_reply(c, "250 ok\r\n", SMTP_CLIENT_NEEDS_INPUT);
    next_hop_reply(c, "250 ok\r\n", SMTP_CLIENT_NEEDS_INPUT);
    next_hop_reply(c, "354 go\r\n", SMTP_CLIENT_BODY);
    next_hop_drain(c, NULL);
    while (wire.n) {
        struct slice piece = slice_head(wire, piece_bytes);
        smtp_client_body(c, piece);
        next_hop_drain(c, data);
        wire = slice_from(wire, piece.n);
    }
    smtp_client_body_end(c);
    next_hop_drain(c, data);
    next_hop_reply(c, "250 ok\r\n", SMTP_CLIENT_DONE);
    CHECK(smtp_client_next(c).kind == SMTP_CLIENT_READY);
}
