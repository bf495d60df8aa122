/* test_engine_certificate.c -- whose certificate it is, and what its session may do. */
#include "../../../src/engine/submit_certificate.h"
#include "engine_world.h"

static const uint8_t sum_a[32] = {1}, sum_b[32] = {2}, key_a[32] = {3}, key_b[32] = {4};
static struct engine_fingerprint of_a = {.sha256 = {1}}, of_key_b = {true, {4}};
static struct slice names[] = {SLICE_INIT("*.b.example"), SLICE_INIT("ops@b.example")};
static struct slice all_names[] = {SLICE_INIT("*")};
static struct slice senders[] = {SLICE_INIT("*@sender.example")};

static struct engine_user users[] = {
    {.name = SLICE_INIT("by-name"), .certificate_names = names, .certificate_name_count = 2},
    {.name = SLICE_INIT("by-print"),
     .certificates = &of_a,
     .certificate_count = 1,
     .senders = senders,
     .sender_count = 1},
    {.name = SLICE_INIT("by-key"), .certificates = &of_key_b, .certificate_count = 1},
    {.name = SLICE_INIT("password")},
    {.name = SLICE_INIT("rest"), .certificate_names = all_names, .certificate_name_count = 1},
};

#define NAMES(s) SLICE_INIT(s "\0")

static const struct {
    const char *shows;
    struct engine_certificate certificate;
    bool is_verified;
    const char *user; /* NULL: nobody */
} rows[] = {
    {"the fingerprint of the certificate", {sum_a, key_a, NAMES("x")}, false, "by-print"},
    {"of its key", {sum_b, key_b, NAMES("x")}, false, "by-key"},
    {"a certificate's is no key's", {key_b, sum_a, NAMES("x")}, false, NULL},
    {"a name, verified", {sum_b, key_a, NAMES("h.b.example")}, true, "by-name"},
    {"in other letters", {sum_b, key_a, NAMES("H.B.Example")}, true, "by-name"},
    {"the second name", {sum_b, key_a, NAMES("x.example\0h.b.example")}, true, "by-name"},
    {"an email address", {sum_b, key_a, NAMES("ops@b.example")}, true, "by-name"},
    {"a fingerprint goes before a name", {sum_a, key_a, NAMES("h.b.example")}, true, "by-print"},
    {"the first that matches", {sum_b, key_a, NAMES("b.example")}, true, "rest"},
    {"no name", {sum_b, key_a, {0}}, true, NULL},
    {"a name, not verified", {sum_b, key_a, NAMES("h.b.example")}, false, NULL},
};

static struct engine_options options(void)
{
    struct engine_options o;
    engine_options_default(&o);
    o.users = users;
    o.user_count = COUNT_OF(users);
    return o;
}

static void whose_it_is(void **state)
{
    const struct engine_options o = options();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct engine_tls tls = {.certificate = &rows[i].certificate,
                                 .is_verified = rows[i].is_verified};
        const struct engine_user *u = submit_certificate_user(&o, &tls);
        const char *wanted = rows[i].user ? rows[i].user : "";
        if (!slice_eq(u ? u->name : SLICE(""), slice_cstr(wanted)))
            fail_msg("%s: %.*s", rows[i].shows, SLICE_FMT(u ? u->name : SLICE("nobody")));
    }
    struct engine_tls none = {.is_verified = true};
    assert_null(submit_certificate_user(&o, &none));
}

/* ---- sessions ---- */

static struct world *world_with(enum engine_certificates mode)
{
    struct world *w = world_new();
    w->opt.users = users;
    w->opt.user_count = COUNT_OF(users);
    w->listener[0].certificates = mode;
    w->listener[1].certificates = mode;
    world_start(w);
    return w;
}

static struct world_conn *shown(struct world *w, const struct engine_certificate *certificate,
                                struct slice verdict)
{
    const struct engine_tls tls = {.version = SLICE("TLSv1.2"),
                                   .cipher = SLICE("X"),
                                   .certificate = certificate,
                                   .verdict = verdict};
    struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
    world_say(w, c, "EHLO x\r\nSTARTTLS\r\n");
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
    (void)world_heard(c);
    world_say(w, c, "EHLO x\r\n");
    return c;
}

static bool logged(struct world *w, const char *part)
{
    return strstr(buf_cstr(&w->log), part) != NULL;
}

static const struct engine_certificate good = {sum_a, key_a, NAMES("one.example")},
                                       unknown = {sum_b, key_a, NAMES("two.example")};

static void a_certificate_is_a_login(void **state)
{
    struct world *w = world_with(LISTENER_CERTIFICATES_OPTIONAL);
    struct world_conn *c = shown(w, &good, SLICE("no authority"));
    world_expect(c, "250-AUTH EXTERNAL PLAIN LOGIN");
    assert_true(c->asks_certificate);
    assert_int_equal(w->notes[NOTE_LOGIN], 1);
    assert_true(logged(w, "login ip=9.9.9.9 user=by-print certificate=sha256:01000000"));
    assert_true(logged(w, " name=one.example"));
    /* All that a user is held to holds: here, whom it may send as. */
    world_say(w, c, "MAIL FROM:<x@other.example>\r\n");
    world_expect(c, "553 5.7.1 this login may not send as that address");
    world_say(w, c,
              "MAIL FROM:<x@sender.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\nx: y\r\n\r\n.\r\n");
    while (w->append_count)
        world_appended(w, 0, ERR_OK);
    world_expect(c, "250 2.0.0 queued");
    assert_true(logged(w, "accepted msg="));
    assert_true(logged(w, "user=by-print tls=TLSv1.2"));
    world_down(w);
}

static void an_unknown_one_is_nobody(void **state)
{
    struct world *w = world_with(LISTENER_CERTIFICATES_OPTIONAL);
    struct world_conn *c = shown(w, &unknown, SLICE("self-signed"));
    world_expect(c, "250-AUTH PLAIN LOGIN");
    assert_true(logged(w, "certificate-unknown ip=9.9.9.9 certificate=sha256:02000000"));
    assert_true(logged(w, "name=two.example reason=self-signed"));
    world_say(w, c, "MAIL FROM:<x@sender.example>\r\n");
    world_expect(c, "530 5.7.0 Authentication required");
    (void)shown(w, NULL, SLICE("the certificate's key is too weak"));
    assert_true(logged(w, "reason=\"the certificate's key is too weak\""));
    assert_int_equal(w->notes[NOTE_CERTIFICATE_UNKNOWN], 2);
    (void)shown(w, NULL, SLICE_NONE);
    assert_int_equal(w->notes[NOTE_CERTIFICATE_UNKNOWN], 2);
    world_down(w);
}

static void required(void **state)
{
    struct world *w = world_with(LISTENER_CERTIFICATES_REQUIRED);
    struct world_conn *c = shown(w, NULL, SLICE_NONE);
    world_expect_not(c, "AUTH");
    assert_true(logged(w, "reason=\"none was shown\""));
    world_say(w, c, "MAIL FROM:<x@sender.example>\r\n");
    world_expect(c, "530 5.7.0 a client certificate is required here");
    c = shown(w, &unknown, SLICE_NONE);
    assert_true(logged(w, "reason=\"it is no user's\""));
    world_say(w, c, "AUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
    world_expect(c, "530 5.7.0 a client certificate is required here");
    c = shown(w, &good, SLICE_NONE);
    world_say(w, c, "MAIL FROM:<x@sender.example>\r\n");
    world_expect(c, "250 2.1.0");
    world_down(w);
}

/* Nobody asked for it, so whatever came does not count: a handshake begun before a reload. */
static void not_asked_for(void **state)
{
    struct world *w = world_with(LISTENER_CERTIFICATES_NONE);
    struct world_conn *c = shown(w, &good, SLICE_NONE);
    assert_false(c->asks_certificate);
    world_expect_not(c, "EXTERNAL");
    assert_int_equal(w->notes[NOTE_LOGIN], 0);
    world_down(w);
}

/* Who has gone from the configuration is nobody, in sessions that are open, too. */
static void a_user_that_is_gone(void **state)
{
    struct world *w = world_with(LISTENER_CERTIFICATES_OPTIONAL);
    struct world_conn *c = shown(w, &good, SLICE_NONE);
    w->opt.user_count = 1;
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    world_say(w, c, "MAIL FROM:<x@sender.example>\r\n");
    world_expect(c, "530 5.7.0 the login is no longer valid");
    c = shown(w, &good, SLICE_NONE);
    world_expect_not(c, "EXTERNAL");
    world_down(w);
}

static void what_scram_binds_to(void **state)
{
    static struct engine_user user = {.name = SLICE_INIT("user"), .has_scram = true};
    struct world *w = world_new();
    w->opt.users = &user;
    w->opt.user_count = 1;
    w->opt.offers_binding = true;
    world_start(w);
    const struct engine_tls tls = {.version = SLICE("TLSv1.2"),
                                   .cipher = SLICE("X"),
                                   .end_point = SLICE("END"),
                                   .unique = SLICE("UNIQUE")};
    struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
    world_say(w, c, "EHLO x\r\nSTARTTLS\r\n");
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
    world_say(w, c, "EHLO x\r\n");
    world_expect(c, "250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
    /* p=tls-unique,,n=user,r=x */
    world_say(w, c, "AUTH SCRAM-SHA-256-PLUS cD10bHMtdW5pcXVlLCxuPXVzZXIscj14\r\n");
    assert_string_equal(w->login_binding, "UNIQUE");
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_it_is),
        cmocka_unit_test(a_certificate_is_a_login),
        cmocka_unit_test(an_unknown_one_is_nobody),
        cmocka_unit_test(required),
        cmocka_unit_test(not_asked_for),
        cmocka_unit_test(a_user_that_is_gone),
        cmocka_unit_test(what_scram_binds_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
