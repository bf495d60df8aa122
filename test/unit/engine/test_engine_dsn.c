/* test_engine_dsn.c -- what MAIL and RCPT asked for is honoured at the other end: RFC 3461 in what
 * is passed on and in our own reports, SMTPUTF8 and A-labels, REQUIRETLS. */
#include "engine_world.h"

/* A message with these parameters; text: header and body. */
static void submit(struct world *w, const char *mail, const char *rcpt, const char *text)
{
    struct world_conn *c = world_client(w);
    char line[600];
    snprintf(line, sizeof line, "EHLO client\r\nMAIL FROM:<s@sender.example>%s\r\nRCPT TO:%s\r\n",
             mail, rcpt);
    world_say(w, c, line);
    world_say(w, c, "DATA\r\n");
    world_expect(c, "354 ");
    world_say(w, c, text);
    world_say(w, c, ".\r\n");
    for (unsigned n = w->append_count; n--;)
        world_appended(w, 0, ERR_OK);
    world_expect(c, "queued as ");
    world_settle(w);
}

static const char plain_text[] = "Subject: x\r\n\r\nhello\r\n";

static const struct world_mail *report_of(const struct world *w)
{
    for (unsigned i = 0; i < w->mail_count; i++)
        if (strstr(w->mail[i].to, "s@sender.example"))
            return &w->mail[i];
    return NULL;
}

/* All that was ever said to remotes. */
static bool has_said(const struct world *w, const char *part)
{
    for (unsigned i = 0; i < w->conn_count; i++)
        if (w->conn[i]->is_out && strstr(buf_cstr(&w->conn[i]->sent), part))
            return true;
    return false;
}

static void parameters_go_on_where_dsn_is_offered(void **state)
{
    static const struct {
        const char *what, *ehlo, *said;
        bool is_said, has_report;
    } rows[] = {
        {"offered", "250-DSN\r\n", " RET=HDRS ENVID=Q1\r\n", true, false},
        {"offered: to the recipient", "250-DSN\r\n", " NOTIFY=SUCCESS ORCPT=rfc822;old@y\r\n", true,
         false},
        {"not offered", "", " RET=", false, true},
        {"not offered: to the recipient", "", " NOTIFY=", false, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_up();
        w->ehlo = rows[i].ehlo;
        submit(w, " RET=HDRS ENVID=Q1", "<r@a.example> NOTIFY=SUCCESS ORCPT=rfc822;old@y",
               plain_text);
        if (has_said(w, rows[i].said) != rows[i].is_said)
            fail_msg("%s", rows[i].what);
        const struct world_mail *report = report_of(w);
        if ((report != NULL) != rows[i].has_report)
            fail_msg("%s: report", rows[i].what);
        if (report) {
            assert_non_null(strstr(report->body, "\r\nAction: relayed\r\n"));
            assert_non_null(strstr(report->body, "\r\nOriginal-Envelope-Id: Q1\r\n"));
            assert_non_null(strstr(report->body, "\r\nOriginal-Recipient: rfc822; old@y\r\n"));
            assert_non_null(strstr(report->body, "\r\nStatus: 2."));
        }
        world_all_done(w);
        world_down(w);
    }
}

static struct world_rule refuses[] = {{NULL, "RCPT TO:<r@a.example>", "550 5.1.1 no", 0}, {0}};

static void notify_decides_who_is_told_of_a_failure(void **state)
{
    static const struct {
        const char *rcpt;
        bool has_report;
    } rows[] = {
        {"<r@a.example>", true},
        {"<r@a.example> NOTIFY=FAILURE", true},
        {"<r@a.example> NOTIFY=DELAY,FAILURE,SUCCESS", true},
        {"<r@a.example> NOTIFY=NEVER", false},
        {"<r@a.example> NOTIFY=SUCCESS", false},
        {"<r@a.example> NOTIFY=DELAY", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_up();
        w->rules = refuses;
        submit(w, "", rows[i].rcpt, plain_text);
        if ((report_of(w) != NULL) != rows[i].has_report)
            fail_msg("%s", rows[i].rcpt);
        assert_int_equal(w->notes[NOTE_BOUNCED], 1); /* its fate counts either way */
        assert_int_equal(w->notes[NOTE_REPORT_DROPPED], !rows[i].has_report);
        world_all_done(w);
        world_down(w);
    }
}

/* One wants to know, the other does not. */
static void each_recipient_has_its_own_wish(void **state)
{
    struct world *w = world_up();
    static struct world_rule all[] = {{NULL, "RCPT TO:", "550 5.1.1 no", 2}, {0}};
    w->rules = all;
    submit(w, "", "<quiet@a.example> NOTIFY=NEVER\r\nRCPT TO:<told@a.example> NOTIFY=FAILURE",
           plain_text);
    const struct world_mail *report = report_of(w);
    assert_non_null(report);
    assert_non_null(strstr(report->body, "told@a.example"));
    assert_null(strstr(report->body, "quiet@a.example"));
    world_all_done(w);
    world_down(w);
}

static void no_warning_where_delay_was_not_asked_for(void **state)
{
    static const struct {
        const char *rcpt;
        bool is_warned;
    } rows[] = {{"<r@a.example>", true},
                {"<r@a.example> NOTIFY=DELAY", true},
                {"<r@a.example> NOTIFY=FAILURE", false},
                {"<r@a.example> NOTIFY=NEVER", false}};
    static struct world_rule later[] = {{NULL, "RCPT TO:<r@", "450 4.2.0 later", 0}, {0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_up();
        w->rules = later;
        submit(w, "", rows[i].rcpt, plain_text);
        world_pass(w, w->opt.warn_after_ms + 3600 * 1000);
        if ((report_of(w) != NULL) != rows[i].is_warned)
            fail_msg("%s", rows[i].rcpt);
        world_down(w);
    }
}

static void ret_says_how_much_comes_back(void **state)
{
    static const struct {
        const char *mail;
        uint64_t returned_bytes_max;
        bool is_whole;
    } rows[] = {{"", 65536, false},
                {" RET=HDRS", 65536, false},
                {" RET=FULL", 65536, true},
                {" RET=FULL", 100, false}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_up();
        w->opt.returned_bytes_max = rows[i].returned_bytes_max;
        w->rules = refuses;
        submit(w, rows[i].mail, "<r@a.example>", "Subject: x\r\n\r\nhello\r\n..dot\r\n");
        const char *body = report_of(w)->body;
        if ((strstr(body, "hello\r\n..dot\r\n") != NULL) != rows[i].is_whole ||
            (strstr(body, "Content-Type: message/rfc822\r\n") != NULL) != rows[i].is_whole)
            fail_msg("%s: %s", rows[i].mail, body);
        assert_non_null(strstr(body, "Subject: x\r\n"));
        world_all_done(w);
        world_down(w);
    }
}

static void utf8_goes_only_where_it_is_understood(void **state)
{
    static const struct {
        const char *what, *mail, *rcpt, *text, *ehlo, *said;
        bool is_delivered;
    } rows[] = {
        {"a header in UTF-8, offered", " SMTPUTF8", "<r@a.example>",
         "Subject: \xc3\xa4\r\n\r\nhello\r\n", "250-SMTPUTF8\r\n", " SMTPUTF8\r\n", true},
        {"a header in UTF-8, not offered", " SMTPUTF8", "<r@a.example>",
         "Subject: \xc3\xa4\r\n\r\nhello\r\n", "", NULL, false},
        {"a local part, not offered", " SMTPUTF8", "<\xc3\xa4@a.example>", plain_text, "", NULL,
         false},
        {"asked for and not needed", " SMTPUTF8", "<r@a.example>", plain_text, "",
         "RCPT TO:<r@a.example>", true},
        {"a domain goes as A-labels", " SMTPUTF8", "<r@ex\xc3\xa4mple.example>", plain_text, "",
         "RCPT TO:<r@xn--exmple-cua.example>", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new();
        w->zone = "a.example MX 10 mx1.a.example\n"
                  "xn--exmple-cua.example MX 10 mx1.a.example\n"
                  "mx1.a.example A 9.1.0.1\n"
                  "sender.example MX 5 mx1.a.example\n";
        world_start(w);
        w->ehlo = rows[i].ehlo;
        submit(w, rows[i].mail, rows[i].rcpt, rows[i].text);
        if ((w->notes[NOTE_DELIVERED] > 0 && !report_of(w)) != rows[i].is_delivered)
            fail_msg("%s: %s", rows[i].what, buf_cstr(&w->log));
        if (rows[i].said && !has_said(w, rows[i].said))
            fail_msg("%s: %s was not said", rows[i].what, rows[i].said);
        if (!rows[i].is_delivered)
            assert_non_null(strstr(report_of(w)->body, "\r\nStatus: 5.6.7\r\n"));
        world_all_done(w);
        world_down(w);
    }
}

static void requiretls_never_goes_where_it_is_not_kept(void **state)
{
    static const struct {
        const char *what, *ehlo;
        bool offers_tls, is_unverified, is_delivered;
    } rows[] = {
        {"all is well", "250-REQUIRETLS\r\n", true, false, true},
        {"not offered", "", true, false, false},
        {"no TLS", "250-REQUIRETLS\r\n", false, false, false},
        {"a certificate nobody vouches for", "250-REQUIRETLS\r\n", true, true, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_up();
        w->ehlo = rows[i].ehlo;
        w->offers_tls = rows[i].offers_tls;
        w->is_unverified = rows[i].is_unverified;
        struct world_conn *c = world_client_of(w, "127.0.0.1", 1); /* TLS from the first byte */
        static const struct engine_tls tls = {.version = {"TLSv1.2", 7}, .cipher = {"X", 1}};
        world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
        world_say(w, c,
                  "EHLO client\r\nMAIL FROM:<s@sender.example> REQUIRETLS\r\n"
                  "RCPT TO:<r@a.example>\r\nDATA\r\n");
        world_expect(c, "354 ");
        world_say(w, c, plain_text);
        world_say(w, c, ".\r\n");
        world_settle(w);
        world_expect(c, "queued as ");
        if (has_said(w, "RCPT TO:<r@a.example>") != rows[i].is_delivered)
            fail_msg("%s", rows[i].what);
        if (rows[i].is_delivered)
            assert_true(has_said(w, " REQUIRETLS\r\n"));
        world_down(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_go_on_where_dsn_is_offered),
        cmocka_unit_test(notify_decides_who_is_told_of_a_failure),
        cmocka_unit_test(each_recipient_has_its_own_wish),
        cmocka_unit_test(no_warning_where_delay_was_not_asked_for),
        cmocka_unit_test(ret_says_how_much_comes_back),
        cmocka_unit_test(utf8_goes_only_where_it_is_understood),
        cmocka_unit_test(requiretls_never_goes_where_it_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
