/* smtp_client_mail.c -- one transaction of the sending machine.
 *
 * Its commands are numbered: RSET, MAIL, one RCPT each, DATA. `said` and `answered` are the next
 * one to say and the next one to be answered. Without PIPELINING (RFC 2920) said is at most one
 * ahead, with it as far as the output has room. RSET stands in front only when the last transaction
 * was left open.
 *
 * A small body goes whole as one chunk where that is offered: BDAT n LAST stands in the place of
 * DATA and has the message's reply. It waits until the RCPTs are answered; once a chunk was taken
 * on the connection it goes in the envelope's group.
 *
 * A larger binary message has no DATA: its body begins when the last RCPT is answered (never with
 * the envelope's group: whether anybody is to get it must be known first), and goes as chunks.
 *
 * Who shares a reply is an announcement: a range of recipients, handed out one by one before the
 * next reply is read. */
#include "smtp_client_state.h"

enum { COMMAND_ROOM = 1280 }; /* the longest command of a transaction, and some */

static unsigned data_at(const struct smtp_client *c)
{
    return SMTP_CLIENT_AT_RCPT + c->message.recipient_count;
}

static enum smtp_client_state state_at(const struct smtp_client *c, unsigned number)
{
    if (number == SMTP_CLIENT_AT_RSET)
        return S_RSET;
    if (number == SMTP_CLIENT_AT_MAIL)
        return S_MAIL;
    if (number < data_at(c))
        return S_RCPT;
    if (c->is_whole)
        return c->is_void || !c->accepted ? S_VOID : S_FINAL;
    return c->is_chunking ? S_BODY : S_DATA;
}

static const char *flaw_at(const struct smtp_client *c, unsigned number)
{
    if (number < SMTP_CLIENT_AT_RCPT || number >= data_at(c))
        return NULL;
    return smtp_client_address_flaw(c->message.recipient[number - SMTP_CLIENT_AT_RCPT].address,
                                    false, c->offer.has_smtputf8);
}

/* One command of the transaction. */
static void say_at(struct smtp_client *c, unsigned number)
{
    smtp_client_expect_reply(c);
    if (number == SMTP_CLIENT_AT_RSET) {
        buf_add_cstr(&c->output, "RSET\r\n");
    } else if (number == SMTP_CLIENT_AT_MAIL) {
        smtp_client_say_mail(&c->output, &c->message, &c->offer);
    } else if (number < data_at(c)) {
        smtp_client_say_rcpt(&c->output, &c->message.recipient[number - SMTP_CLIENT_AT_RCPT],
                             &c->offer);
        c->asked++;
    } else if (c->is_whole) {
        smtp_client_chunk_say_whole(c);
    } else {
        buf_add_cstr(&c->output, "DATA\r\n");
    }
}

/* DATA, or the whole, is not said when no recipient can come of it. */
void smtp_client_mail_say_more(struct smtp_client *c)
{
    unsigned end = data_at(c) + (c->is_chunking ? 0 : 1);
    while (!c->is_void && c->said < end) {
        if (!flaw_at(c, c->said)) {
            bool is_whole = c->is_whole && c->said == data_at(c);
            bool may_say =
                c->awaited == 0 || (is_whole ? c->may_run_ahead : c->offer.has_pipelining);
            bool has_room = c->output.n + COMMAND_ROOM <= SMTP_CLIENT_COMMANDS_BYTES_MAX;
            bool is_idle_data = c->said == data_at(c) && c->accepted + c->asked == 0;
            if (!may_say || !has_room || is_idle_data)
                return;
            say_at(c, c->said);
        }
        c->said++;
    }
}

static void keep_own_reply(struct smtp_client *c, const char *line)
{
    CHECK(smtp_client_keep_reply(c, slice_cstr(line)) == PARSE_DONE);
}

/* All recipients that are not settled share the reply. */
static void announce_all(struct smtp_client *c, bool is_delivered)
{
    c->announcement = (struct announcement){.end = c->message.recipient_count,
                                            .scope = SMTP_SCOPE_MESSAGE,
                                            .is_delivered = is_delivered};
}

static void announce_refused(struct smtp_client *c, unsigned index)
{
    c->announcement =
        (struct announcement){.at = index, .end = index + 1, .scope = SMTP_SCOPE_RECIPIENT};
}

static void finish_transaction(struct smtp_client *c, bool is_left_open)
{
    c->is_left_open = is_left_open;
    c->is_done_due = true;
    smtp_client_go_ready(c);
}

/* The command at `answered` has its answer. */
static void advance(struct smtp_client *c)
{
    c->answered++;
    bool is_hopeless = c->is_void || (c->answered == data_at(c) && c->accepted == 0);
    if (is_hopeless && c->answered == c->said)
        finish_transaction(c, !c->is_void || c->accepted > 0);
    else
        smtp_client_enter(c, state_at(c, c->answered));
}

void smtp_client_mail_on_rset(struct smtp_client *c, const struct smtp_reply *r)
{
    if (smtp_client_is_fine(r))
        advance(c);
    else
        smtp_client_fail_by_reply(c, "RSET was refused");
}

void smtp_client_mail_on_mail(struct smtp_client *c, const struct smtp_reply *r)
{
    if (!smtp_client_is_fine(r) && !smtp_client_is_refusal(r)) {
        smtp_client_fail_by_kind(c);
        return;
    }
    if (smtp_client_is_refusal(r)) {
        c->is_void = true;
        announce_all(c, false);
    }
    advance(c);
}

void smtp_client_mail_on_rcpt(struct smtp_client *c, const struct smtp_reply *r)
{
    unsigned index = c->answered - SMTP_CLIENT_AT_RCPT;
    struct smtp_client_recipient *recipient = &c->message.recipient[index];
    if (!smtp_client_is_fine(r) && !smtp_client_is_refusal(r)) {
        smtp_client_fail_by_kind(c);
        return;
    }
    c->asked--;
    if (smtp_client_is_fine(r))
        c->accepted++;
    if (!c->is_void) {
        recipient->is_answered = true;
        recipient->code = r->code;
        if (smtp_client_is_refusal(r))
            announce_refused(c, index);
    }
    advance(c);
}

void smtp_client_mail_on_data(struct smtp_client *c, const struct smtp_reply *r)
{
    bool has_recipients = !c->is_void && c->accepted > 0;
    if (smtp_client_is_fine(r)) {
        smtp_client_fail_by_kind(c);
    } else if (smtp_client_is_refusal(r)) {
        if (has_recipients)
            announce_all(c, false);
        finish_transaction(c, !c->is_void || c->accepted > 0);
    } else if (has_recipients) {
        c->body_bytes = 0;
        smtp_client_enter(c, S_BODY);
    } else if (c->accepted > 0) {
        /* MAIL was refused, and yet an empty body would reach somebody. */
        smtp_client_fail(c, "the server takes DATA for a sender that it refused");
    } else {
        smtp_client_enter(c, S_VOID);
    }
}

/* Nobody asked yet. A refusal (552 at the limit, mostly) is the message's fate, for the line is cut
 * before the dot; the rest of the body cannot be unsaid. */
static void on_text_body(struct smtp_client *c, const struct smtp_reply *r)
{
    if (smtp_client_is_refusal(r)) {
        announce_all(c, false);
        smtp_client_fail_by_reply(c, "refused in the middle of the body");
    } else {
        smtp_client_fail(c, "a reply in the middle of the body");
    }
}

/* A refused chunk ends the message (RFC 3030 section 4.2). When all of it was said, what is still
 * to be answered is waited for and RSET clears up; else the line is cut, as in the middle of DATA.
 */
static void on_chunk(struct smtp_client *c, const struct smtp_reply *r)
{
    bool is_early = c->chunks_asked == 0 || (c->chunks_asked == 1 && c->output.n > 0);
    if (!c->is_chunk_refused && smtp_client_is_refusal(r)) {
        announce_all(c, false);
        c->is_chunk_refused = true;
        if (is_early || !c->is_body_ended) {
            smtp_client_fail_by_reply(c, "refused in the middle of the body");
            return;
        }
    } else if (is_early || (!smtp_client_is_fine(r) && !smtp_client_is_refusal(r))) {
        smtp_client_fail(c, "not a reply to a chunk");
        return;
    }
    c->chunks_asked--;
    if (!c->is_body_ended)
        c->owes_event = true;
    else if (c->chunks_asked == 0 && c->is_chunk_refused)
        finish_transaction(c, true);
    else if (c->chunks_asked == 0)
        smtp_client_enter(c, S_FINAL);
}

void smtp_client_mail_on_body(struct smtp_client *c, const struct smtp_reply *r)
{
    if (c->is_chunking)
        on_chunk(c, r);
    else
        on_text_body(c, r);
}

/* It offered CHUNKING, or somebody between us did, and takes BDAT for no command of its own. What
 * it answers to the body's lines would be read as replies to ours: the session is over. */
static bool is_chunk_unknown(const struct smtp_client *c, const struct smtp_reply *r)
{
    return c->is_whole && !c->message.is_binary && r->code >= 500 && r->code <= 504;
}

void smtp_client_mail_on_final(struct smtp_client *c, const struct smtp_reply *r)
{
    bool is_early = c->output.n > 0; /* the dot has not left yet */
    if (is_chunk_unknown(c, r)) {
        c->has_chunk_trouble = true;
        smtp_client_fail_by_reply(c, "BDAT is offered and refused");
    } else if (smtp_client_is_refusal(r)) {
        announce_all(c, false);
        if (is_early)
            smtp_client_fail_by_reply(c, "refused in the middle of the body");
        else
            finish_transaction(c, c->is_whole);
    } else if (is_early || !smtp_client_is_fine(r)) {
        smtp_client_fail(c, "not a reply to the final dot");
    } else {
        c->has_chunked = c->has_chunked || c->is_whole;
        announce_all(c, true);
        finish_transaction(c, false);
    }
}

void smtp_client_mail_on_void(struct smtp_client *c, const struct smtp_reply *r)
{
    if (c->is_whole && smtp_client_is_fine(r) && c->accepted > 0)
        smtp_client_fail(c, "the server takes a message from a sender that it refused");
    else if (smtp_client_is_fine(r) || smtp_client_is_refusal(r))
        finish_transaction(c, c->is_whole && smtp_client_is_refusal(r));
    else
        smtp_client_fail_by_kind(c);
}

bool smtp_client_mail_refuse_here(struct smtp_client *c)
{
    if (c->state != S_RCPT || c->answered == c->said)
        return false;
    const char *flaw = flaw_at(c, c->answered);
    if (!flaw)
        return false;
    if (!c->is_void) {
        keep_own_reply(c, flaw);
        announce_refused(c, c->answered - SMTP_CLIENT_AT_RCPT);
    }
    advance(c);
    return true;
}

bool smtp_client_mail_next_announced(struct smtp_client *c, struct smtp_client_event *e)
{
    struct announcement *a = &c->announcement;
    while (a->at < a->end) {
        unsigned index = a->at++;
        struct smtp_client_recipient *recipient = &c->message.recipient[index];
        if (recipient->is_settled)
            continue;
        recipient->is_settled = true;
        recipient->is_answered = true;
        if (!a->is_delivered)
            recipient->code = c->reply.code;
        *e = (struct smtp_client_event){.kind = SMTP_CLIENT_RECIPIENT,
                                        .index = index,
                                        .scope = a->scope,
                                        .is_delivered = a->is_delivered,
                                        .reply = &c->reply};
        return true;
    }
    return false;
}

static const char *message_flaw(const struct smtp_client *c)
{
    const struct smtp_client_message *m = &c->message;
    if (c->offer.has_size && c->offer.size_bytes && m->wire_bytes > c->offer.size_bytes)
        return "552 5.3.4 the message is larger than the server takes\r\n";
    if (m->requires_tls && (!c->has_tls || !c->offer.has_requiretls)) /* RFC 8689 section 4.2.1 */
        return "550 5.7.30 the message asks for REQUIRETLS and the server does not offer it\r\n";
    if (m->needs_8bit && !c->offer.has_8bitmime)
        return "554 5.6.3 the message has eight bits and the server does not offer 8BITMIME\r\n";
    if (m->is_binary && !smtp_client_takes_binary(c))
        return "554 5.6.3 the message is binary and the server does not offer BINARYMIME\r\n";
    if (m->needs_utf8 && !c->offer.has_smtputf8)
        return "550 5.6.7 the header is in UTF-8 and the server does not offer SMTPUTF8\r\n";
    return smtp_client_address_flaw(m->sender, true, c->offer.has_smtputf8);
}

void smtp_client_begin(struct smtp_client *c, const struct smtp_client_message *m)
{
    if (smtp_client_is_over(c))
        return;
    CHECK(smtp_client_is_ready(c));
    CHECK(m->recipient_count > 0 && m->recipient_count < UINT32_MAX - SMTP_CLIENT_AT_RCPT);
    c->message = *m;
    for (unsigned i = 0; i < m->recipient_count; i++) {
        m->recipient[i].is_answered = m->recipient[i].is_settled = false;
        m->recipient[i].code = 0;
    }
    c->is_void = false;
    c->accepted = c->asked = 0;
    smtp_client_chunk_begin(c);
    const char *flaw = message_flaw(c);
    if (flaw) {
        keep_own_reply(c, flaw);
        announce_all(c, false);
        finish_transaction(c, c->is_left_open);
        return;
    }
    c->said = c->answered = c->is_left_open ? SMTP_CLIENT_AT_RSET : SMTP_CLIENT_AT_MAIL;
    c->is_left_open = false;
    smtp_client_enter(c, state_at(c, c->answered));
}

bool smtp_client_takes_body(const struct smtp_client *c)
{
    bool has_room = !c->is_chunking || c->chunks_asked == 0 ||
                    (c->offer.has_pipelining && c->chunks_asked < SMTP_CLIENT_CHUNKS_MAX);
    return c->state == S_BODY && !c->is_body_ended && has_room;
}

void smtp_client_body(struct smtp_client *c, struct slice piece)
{
    if (smtp_client_is_over(c) || !piece.n)
        return;
    CHECK(smtp_client_takes_body(c) && piece.n <= SMTP_CLIENT_PIECE_BYTES_MAX);
    CHECK(c->output.n + piece.n <= SMTP_CLIENT_OUTPUT_BYTES_MAX);
    if (c->is_chunking) {
        smtp_client_chunk_say(c, piece);
        return;
    }
    buf_add(&c->output, piece);
    c->body_bytes += piece.n;
    c->tail[0] = piece.n > 1 ? piece.p[piece.n - 2] : c->tail[1];
    c->tail[1] = piece.p[piece.n - 1];
}

void smtp_client_body_end(struct smtp_client *c)
{
    if (smtp_client_is_over(c))
        return;
    CHECK(c->state == S_BODY);
    if (c->is_chunking) {
        c->is_body_ended = true;
        if (c->chunks_asked == 0)
            smtp_client_enter(c, S_FINAL);
    } else if (smtp_client_unread(c)) { /* the rest of it would pass for the reply to the dot */
        smtp_client_fail(c, "a reply in the middle of the body");
    } else {
        smtp_client_enter(c, S_FINAL);
    }
}

void smtp_client_body_abort(struct smtp_client *c)
{
    if (smtp_client_is_over(c))
        return;
    CHECK(c->state == S_BODY);
    smtp_client_fail(c, "the body cannot be read");
}
