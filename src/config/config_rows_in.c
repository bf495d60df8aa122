/* config_rows_in.c -- the options of the relay itself, and of what clients may do. */
#include "config_rows.h"

#include "rewrite/rewrite_header.h"

static const struct config_choice log_levels[] = {
    {"debug", LOG_DEBUG, NULL},
    {"info", LOG_INFO, NULL},
    {"warn", LOG_WARN, NULL},
    {"error", LOG_ERROR, NULL},
    {0},
};

static const struct config_choice log_formats[] = {
    {"text", LOG_TEXT, NULL},
    {"json", LOG_JSON, NULL},
    {0},
};

static const struct config_choice listener_tls[] = {
    {"starttls", LISTENER_TLS_STARTTLS, NULL},
    {"implicit", LISTENER_TLS_IMPLICIT, NULL},
    {"none", LISTENER_TLS_NONE, NULL},
    {0},
};

static const struct config_choice listener_auth[] = {
    {"required", SMTP_AUTH_REQUIRED, NULL},
    {"optional", SMTP_AUTH_OPTIONAL, NULL},
    {"off", SMTP_AUTH_OFF, NULL},
    {0},
};

static const struct config_choice listener_certificates[] = {
    {"none", LISTENER_CERTIFICATES_NONE, NULL},
    {"optional", LISTENER_CERTIFICATES_OPTIONAL, NULL},
    {"required", LISTENER_CERTIFICATES_REQUIRED, NULL},
    {0},
};

static const struct config_choice environments[] = {
    {"production", REWRITE_PRODUCTION, NULL},
    {"staging", REWRITE_STAGING, NULL},
    {0},
};

static const struct config_choice unqualified[] = {
    {"complete", REWRITE_COMPLETE, NULL},
    {"refuse", REWRITE_UNQUALIFIED_REFUSED, NULL},
    {0},
};

static const struct config_choice signed_headers[] = {
    {"keep", REWRITE_SIGNED_KEEP, NULL},
    {"change", REWRITE_SIGNED_CHANGE, NULL},
    {"refuse", REWRITE_SIGNED_REFUSE, NULL},
    {0},
};

/* path, type, lands in, normal, least, most, meaning */
static const struct config_option rows[] = {
    ROW("hostname", HOSTNAME, ENGINE(hostname), NULL, NULL, NULL,
        "The name we greet with and put into Received. It should resolve to this host's address, "
        "and "
        "the address back to it.",
        .sample = "relay.example.com", .normal_said = "the system's host name"),
    ROW("state_dir", PATH, TOP(state_dir), NULL, NULL, "1024",
        "Directory of the queue and of everything else that must outlive a restart.",
        .sample = "/var/lib/outpost",
        .normal_said = "/var/lib/outpost for root, else ~/.local/state/outpost"),
    ROW("shutdown_grace", DURATION, TOP(shutdown_grace_ms), "30s", "0s", "1h",
        "How long a stop waits for sessions and deliveries under way; what is not finished then is "
        "tried again after the start."),
    ROW("environment", CHOICE, ENGINE(rewrite.environment), "production", NULL, NULL,
        "staging: nobody outside of staging.allow gets mail, all goes to staging.mailbox.",
        .choices = environments),

    ROW("users_file", PATH, TOP(users_file), NULL, NULL, "4095",
        "More users, one \"name:hash\" a line, as `htpasswd -B` writes them; read again by itself "
        "when "
        "it has changed. A name that a [[user]] has adds a password to that one.",
        .sample = "/etc/outpost/users", .normal_said = "none"),

    ROW("log.level", CHOICE, TOP(log_level), "info", NULL, NULL, "The least that is logged.",
        .choices = log_levels),
    ROW("log.format", CHOICE, TOP(log_format), "text", NULL, NULL,
        "One event a line: words with key=value pairs, or a JSON object.", .choices = log_formats),

    ROW("tls.certificate", PATH, TOP(tls_certificate), NULL, NULL, "4095",
        "Certificate chain (PEM), our own first. Comes together with key.",
        .sample = "/etc/outpost/fullchain.pem",
        .normal_said = "a self-signed certificate is made under state_dir"),
    ROW("tls.key", PATH, TOP(tls_key), NULL, NULL, "4095", "Its private key (PEM; EC or RSA).",
        .sample = "/etc/outpost/key.pem", .normal_said = "made with the certificate"),
    ROW("tls.ca_file", PATH, TOP(tls_ca_file), "/etc/ssl/certs/ca-certificates.crt", NULL, "4095",
        "The certificate authorities (PEM) we believe when tls = \"verify\"."),
    ROW("tls.client_ca_file", PATH, TOP(tls_client_ca_file), NULL, NULL, "4095",
        "The certificate authorities (PEM) we believe when clients show certificates, for "
        "user.certificate_names. Their names also tell clients which certificate to send.",
        .sample = "/etc/outpost/clients-ca.pem", .normal_said = "none"),

    ROW("listen.address", ENDPOINT, LISTENER(address), NULL, NULL, NULL,
        "\"address:port\" or \"[v6]:port\", numeric. 0.0.0.0 and [::] are all addresses; port 0 "
        "lets the system choose. Or \"unix:/path\", a socket file with mode 0666 (another mode: "
        "\"unix:/path,mode=0660\"), without TLS: whoever may open it may relay, and is known by "
        "uid.",
        .is_required = true, .sample = "0.0.0.0:587"),
    ROW("listen.tls", CHOICE, LISTENER(tls), "starttls", NULL, NULL,
        "starttls: offered, and needed for AUTH. implicit: TLS from the first byte, as on port "
        "465. "
        "none: no TLS and so no AUTH; always so for unix:.",
        .choices = listener_tls),
    ROW("listen.auth", CHOICE, LISTENER(auth), "required", NULL, NULL,
        "required: clients log in or come from a trusted network. optional: anyone may talk, but "
        "only "
        "those two may relay. off: AUTH is not offered.",
        .choices = listener_auth),
    ROW("listen.client_certificates", CHOICE, LISTENER(certificates), NULL, NULL, NULL,
        "optional: clients are asked for a certificate, and who shows one of a user is that user, "
        "with or without AUTH EXTERNAL. required: nothing is taken from others, from trusted "
        "networks either. none: nobody is asked.",
        .sample = "optional", .choices = listener_certificates, .normal_said = "none"),
    ROW("listen.proxy_networks", NETWORK, LISTENER(proxy_networks), NULL, NULL, NULL,
        "Proxies such as HAProxy, addresses or networks. Connections from there must begin with a "
        "PROXY header (version 1 or 2), before TLS, and are then those of the client that it "
        "names; from all others it is never read. At the widest /8 (IPv4) or /16 (IPv6).",
        LIST(LISTENER(proxy_network_count), 1, CONFIG_NETWORKS_MAX), .sample = "192.0.2.10",
        .normal_said = "none"),

    ROW("submission.trusted_networks", NETWORK, ENGINE(trusted_networks), "127.0.0.0/8 ::1/128",
        NULL, NULL,
        "Clients from here may relay without logging in. At the widest /8 (IPv4) or /16 (IPv6).",
        LIST(ENGINE(trusted_network_count), 0, CONFIG_NETWORKS_MAX)),
    ROW("submission.max_message_size", SIZE, ENGINE(message_bytes_max), "50MiB", "1B", "16GiB",
        "Larger messages are refused."),
    ROW("submission.max_recipients", COUNT, ENGINE(recipients_max), "1000", "1", "100000",
        "Of one message."),
    ROW("submission.max_messages_per_session", COUNT, ENGINE(session_mails_max), "0", "0",
        "1000000", "MAIL commands, then the client has to connect again. 0: no limit."),
    ROW("submission.max_recipients_per_session", COUNT, ENGINE(session_recipients_max), "0", "0",
        "100000000", "Then 452, and the client has to connect again. 0: no limit."),
    ROW("submission.max_commands", COUNT, ENGINE(commands_max), "1000", "10", "1000000",
        "Of one session since its last message, recipients and chunks aside; then 421."),
    ROW("submission.max_errors", COUNT, ENGINE(errors_max), "20", "1", "1000000",
        "Of one session since its last message; then 421."),
    ROW("submission.message_rate", RATE, ENGINE(address_messages), NULL, NULL, NULL,
        "Messages from one IPv4 address or IPv6 /64 in a time, such as \"1000/h\"; further ones "
        "get "
        "450. Counted in trusted networks, too, as nobody has to log in there; not on Unix "
        "sockets.",
        .sample = "1000/h", .normal_said = "no limit"),
    ROW("submission.max_connections", COUNT, ENGINE(connections_max), "10000", "1", "1000000",
        "Clients at once; further ones get 421."),
    ROW("submission.max_connections_per_address", COUNT, ENGINE(connections_per_address_max), "100",
        "0", "1000000",
        "At once from one IPv4 address or IPv6 /64; further ones get 421. 0: any number. Trusted "
        "networks are not counted."),
    ROW("submission.idle_timeout", DURATION, ENGINE(idle_ms), "5m", "10ms", "1d",
        "A client that finishes no command and sends nothing of a message for so long is sent "
        "away."),
    ROW("submission.greeting_timeout", DURATION, ENGINE(first_command_ms), "1m", "10ms", "1d",
        "For EHLO or HELO, whatever else is said before; once more after STARTTLS."),
    ROW("submission.tls_timeout", DURATION, ENGINE(tls_ms), "30s", "10ms", "1d",
        "For the TLS handshake, with and without STARTTLS."),
    ROW("submission.auth_timeout", DURATION, ENGINE(auth_ms), "1m", "10ms", "1d",
        "For each answer of the client while it logs in."),
    ROW("submission.data_timeout", DURATION, ENGINE(body_ms), "3m", "10ms", "1d",
        "In the midst of a message, for the next bytes."),
    ROW("submission.channel_binding", BOOL, ENGINE(offers_binding), "false", NULL, NULL,
        "Offers SCRAM-SHA-256-PLUS, which binds a login to its TLS connection. GNU SASL chooses it "
        "wherever it is offered, and programs such as neomutt then fail: turn it on where all "
        "clients can."),
    ROW("submission.login_failures", COUNT, ENGINE(login_failures_max), "10", "1", "100000",
        "Wrong passwords from one address (IPv6: one /64) within login_window; then it is answered "
        "421 until the window is over. Of one user, from wherever, five times as many."),
    ROW("submission.login_window", DURATION, ENGINE(login_window_ms), "10m", "1s", "1d",
        "It begins with the first wrong password."),
    ROW("submission.login_delay", DURATION, ENGINE(login_delay_ms), "1s", "0s", "1m",
        "A wrong password is answered so long after it came."),
    ROW("submission.transaction_timeout", DURATION, ENGINE(transaction_ms), "2h", "10ms", "7d",
        "For one message, from MAIL to its end, however busy the client looks."),
    ROW("submission.min_data_rate", SIZE, ENGINE(data_rate_min), "100B", "0B", "1GiB",
        "A client that sends its message with fewer bytes a second, over a minute, is sent away. "
        "\"0B\": it may be as slow as it likes."),

    ROW("user.name", NAME, USER(engine.name), NULL, NULL, "255", "What the client logs in as.",
        .is_required = true, .sample = "app"),
    ROW("user.password", HASH, USER(password), NULL, NULL, NULL,
        "The hash of the password, as `outpost passwd` or crypt(3) make it, or what `outpost "
        "passwd "
        "--scram` makes; or password_file = \"/path\" to keep it elsewhere.",
        .sample = "$argon2id$...", .normal_said = "none: then passwords or certificates has some"),
    ROW("user.passwords", HASH, USER(passwords), NULL, NULL, NULL,
        "Hashes of further passwords, any of which will do: while one is replaced, the old and the "
        "new one stand here.",
        LIST(USER(password_count), 1, CONFIG_PASSWORDS_MAX), .sample = "$argon2id$...",
        .normal_said = "none"),
    ROW("user.certificates", SHA256, USER(engine.certificates), NULL, NULL, NULL,
        "Fingerprints of client certificates that are this user: sha256 of the certificate, as "
        "`openssl x509 -noout -fingerprint -sha256` prints it, or spki-sha256 of its public key. "
        "Whoever signed them, and when they expire, does not matter.",
        LIST(USER(engine.certificate_count), 1, CONFIG_CERTIFICATES_MAX),
        .sample = "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        .normal_said = "none"),
    ROW("user.certificate_names", NAME, USER(engine.certificate_names), NULL, NULL, "255",
        "Names (DNS or email, else the common name) in client certificates of "
        "tls.client_ca_file that are this user; * is any run of characters.",
        LIST(USER(engine.certificate_name_count), 1, CONFIG_CERTIFICATES_MAX),
        .sample = "app.example.com", .normal_said = "none"),
    ROW("user.senders", PATTERN, USER(engine.senders), NULL, NULL, NULL,
        "Whom it may send as: the sender of the envelope and everybody named in From must match.",
        LIST(USER(engine.sender_count), 1, CONFIG_PATTERNS_MAX), .sample = "*@example.com",
        .normal_said = "anyone"),
    ROW("user.recipients", PATTERN, USER(engine.recipients), NULL, NULL, NULL,
        "Whom it may send to.", LIST(USER(engine.recipient_count), 1, CONFIG_PATTERNS_MAX),
        .sample = "*@example.com", .normal_said = "anyone"),
    ROW("user.max_message_size", SIZE, USER(engine.message_bytes_max), NULL, "1B", "16GiB",
        "Larger messages of this user are refused; at most submission.max_message_size.",
        .sample = "10MiB", .normal_said = "submission.max_message_size"),
    ROW("user.message_rate", RATE, USER(engine.quota.messages), NULL, NULL, NULL,
        "Messages in a time, such as \"100/h\": so many at once, and so many again as it passes. "
        "Further ones are asked to come back later.",
        .sample = "100/h", .normal_said = "no limit"),
    ROW("user.recipient_rate", RATE, USER(engine.quota.recipients), NULL, NULL, NULL,
        "The same, counting each recipient.", .sample = "1000/h", .normal_said = "no limit"),
    ROW("user.daily_quota", COUNT, USER(engine.quota.daily), NULL, "1", "1000000000",
        "Recipients a day; days begin at midnight UTC.", .sample = "5000",
        .normal_said = "no limit"),
    ROW("user.route", NAME, USER(route), NULL, NULL, "255",
        "The name of the route that all mail of this user takes, whatever the recipient.",
        .sample = "bulk", .normal_said = "the first that matches the recipient"),
    ROW("user.priority", LEVEL, USER(engine.priority), "0", "-9", "9",
        "Whose mail goes first where several wait for one destination: three steps more are four "
        "times as many turns. Nobody waits for good.",
        .sample = "3"),

    ROW("rewrite.domain", HOSTNAME, ENGINE(rewrite.domain), NULL, NULL, NULL,
        "Completes addresses without a domain, such as root, in envelope and header.",
        .sample = "example.com", .normal_said = "hostname"),
    ROW("rewrite.unqualified", CHOICE, ENGINE(rewrite.unqualified), "complete", NULL, NULL,
        "refuse: MAIL and RCPT without a domain are refused (postmaster aside), so that an "
        "application's slip is seen; the header stays as it is.",
        .choices = unqualified),
    ROW("rewrite.aliases", RULE, ENGINE(rewrite.aliases), NULL, NULL, NULL,
        "Recipients at hostname, domain or localhost: \"name = address, address\"; an alias may "
        "lead to another.",
        LIST(ENGINE(rewrite.alias_count), 0, CONFIG_RULES_MAX), .sample = "root=ops@example.com",
        .normal_said = "none"),
    ROW("rewrite.senders", RULE, ENGINE(rewrite.senders), NULL, NULL, NULL,
        "\"pattern = address\", or \"pattern = @domain\" to keep the local part; the first that "
        "matches is applied, once: to the sender, and in the header to From, Sender and Reply-To.",
        LIST(ENGINE(rewrite.sender_count), 0, CONFIG_RULES_MAX),
        .sample = "*@*.example.com=@example.com", .normal_said = "none"),
    ROW("rewrite.recipients", RULE, ENGINE(rewrite.recipients), NULL, NULL, NULL,
        "The same for recipients, behind aliases, and for To and Cc in the header.",
        LIST(ENGINE(rewrite.recipient_count), 0, CONFIG_RULES_MAX),
        .sample = "*@old.example=@example.com", .normal_said = "none"),
    ROW("rewrite.masquerade", HOSTNAME, ENGINE(rewrite.masquerade), NULL, NULL, NULL,
        "Domains whose hosts are not shown: bob@web3.example.com becomes bob@example.com, as "
        "sender "
        "and in the header, where no rule is for it.",
        LIST(ENGINE(rewrite.masquerade_count), 0, CONFIG_MASQUERADE_MAX), .sample = "example.com",
        .normal_said = "none"),
    ROW("rewrite.envelope_only", BOOL, ENGINE(rewrite.is_envelope_only), "false", NULL, NULL,
        "senders, recipients and masquerade leave the header alone."),
    ROW("rewrite.from", RULE, ENGINE(rewrite.from), NULL, NULL, NULL,
        "Rules for the From field alone; \"*\" is everybody. Where one changes it, the old From "
        "becomes Reply-To unless there is one.",
        LIST(ENGINE(rewrite.from_count), 0, CONFIG_RULES_MAX), .sample = "*=noreply@example.com",
        .normal_said = "none"),
    ROW("rewrite.add_headers", FIELD, ENGINE(rewrite.add_headers), NULL, NULL, "900",
        "\"Name: value\", for messages that have no such field.",
        LIST(ENGINE(rewrite.add_header_count), 0, REWRITE_FIELDS_MAX),
        .sample = "X-Environment:production", .normal_said = "none"),
    ROW("rewrite.remove_headers", HEADING, ENGINE(rewrite.remove_headers), NULL, NULL, "100",
        "Names of fields that go; before add_headers, so that both together replace one. Bcc and "
        "Resent-Bcc always go.",
        LIST(ENGINE(rewrite.remove_header_count), 0, REWRITE_FIELDS_MAX),
        .sample = "X-PHP-Originating-Script", .normal_said = "none"),
    ROW("rewrite.hide_client", BOOL, ENGINE(rewrite.hides_client), "false", NULL, NULL,
        "Our Received field does not tell the client's name and address. The log still does."),
    ROW("rewrite.on_signed", CHOICE, ENGINE(rewrite.on_signed), "keep", NULL, NULL,
        "A field would be changed that a DKIM or ARC signature of the client covers. keep: it "
        "stays "
        "as it is; change: the signature breaks; refuse: the message is refused.",
        .choices = signed_headers),
    ROW("rewrite.always_bcc", ADDRESS, ENGINE(rewrite.always_bcc), NULL, NULL, NULL,
        "Also get every message.", LIST(ENGINE(rewrite.always_bcc_count), 0, CONFIG_BCC_MAX),
        .sample = "archive@example.com", .normal_said = "nobody"),

    ROW("staging.mailbox", ADDRESS, ENGINE(rewrite.staging_mailbox), NULL, NULL, NULL,
        "Gets the mail of everybody who is not allowed; whom it was for stands in X-Original-To.",
        .sample = "staging@example.com", .normal_said = "none; staging needs one"),
    ROW("staging.allow", PATTERN, ENGINE(rewrite.staging_allow), NULL, NULL, NULL,
        "Who still gets mail.", LIST(ENGINE(rewrite.staging_allow_count), 0, CONFIG_PATTERNS_MAX),
        .sample = "*@example.com", .normal_said = "nobody"),
};
const struct config_rows config_rows_in = {rows, COUNT_OF(rows)};
