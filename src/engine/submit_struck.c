/* submit_struck.c -- see the header. */
#include "submit_struck.h"

static const struct {
    enum note_limit limit;
    enum note_kind kind;
    const char *why;
} of_machine[SMTP_SERVER_LIMIT_COUNT] = {
    [SMTP_SERVER_LIMIT_COMMANDS] = {NOTE_LIMIT_COMMANDS, NOTE_SESSION_REFUSED,
                                    "too many commands without a message"},
    [SMTP_SERVER_LIMIT_ERRORS] = {NOTE_LIMIT_ERRORS, NOTE_SESSION_REFUSED, "too many errors"},
    [SMTP_SERVER_LIMIT_RECIPIENTS] = {NOTE_LIMIT_RECIPIENTS, NOTE_REJECTED,
                                      "too many recipients of a message"},
    [SMTP_SERVER_LIMIT_SESSION_RECIPIENTS] = {NOTE_LIMIT_SESSION_RECIPIENTS, NOTE_REJECTED,
                                              "too many recipients in one session"},
    [SMTP_SERVER_LIMIT_REFUSED_RECIPIENTS] = {NOTE_LIMIT_REFUSED_RECIPIENTS, NOTE_SESSION_REFUSED,
                                              "too many refused recipients"},
    [SMTP_SERVER_LIMIT_MAILS] = {NOTE_LIMIT_SESSION_MESSAGES, NOTE_SESSION_REFUSED,
                                 "too many messages in one session"},
    [SMTP_SERVER_LIMIT_MESSAGE_BYTES] = {NOTE_LIMIT_MESSAGE_SIZE, NOTE_REJECTED,
                                         "the message is too big"},
    [SMTP_SERVER_LIMIT_LINE_BYTES] = {NOTE_LIMIT_LINE_LENGTH, NOTE_REJECTED, "a line is too long"},
};

static void tell(struct engine *e, struct session *s, enum note_kind kind, enum note_limit limit,
                 struct slice why)
{
    struct note *n = session_note(e, s, kind, 0);
    note_limit(n, limit);
    note_text(n, "reason", why);
}

void submit_struck_by_machine(struct engine *e, struct session *s)
{
    unsigned limits = smtp_server_take_limits(s->smtp);
    for (unsigned i = 0; i < SMTP_SERVER_LIMIT_COUNT && limits; i++)
        if (limits & BIT(i))
            tell(e, s, of_machine[i].kind, of_machine[i].limit, slice_cstr(of_machine[i].why));
}

void submit_struck_end(struct engine *e, struct session *s, enum note_limit limit, struct slice why)
{
    tell(e, s, NOTE_SESSION_REFUSED, limit, why);
}

const char *submit_struck_late(struct engine *e, struct session *s, enum note_limit limit)
{
    if (limit == NOTE_LIMIT_TRANSACTION_TIME) {
        submit_struck_end(e, s, limit, SLICE("the message takes too long"));
        return "time-out: the message takes too long";
    }
    if (limit == NOTE_LIMIT_DATA_RATE) {
        submit_struck_end(e, s, limit, SLICE("the message comes too slowly"));
        return "time-out: the message comes too slowly";
    }
    tell(e, s, NOTE_TIMED_OUT, limit, SLICE("nothing comes")); /* nothing to be alarmed by */
    return "time-out: nothing came from you for too long";
}
