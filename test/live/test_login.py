"""Who may relay: logins, trusted networks, TLS before a password, certificates of ours."""
import base64
import smtplib
import socket
import ssl
import subprocess

import pytest

from postfix import parsed
from relay import SLOW, Raw, passwd, trusting, wait_for

MESSAGE = "Subject: x\r\n\r\nx\r\n"


def crypt_hash(password, method):
    return subprocess.run(["openssl", "passwd", method, "-stdin"], input=password, text=True,
                          capture_output=True, check=True).stdout.strip()


@pytest.fixture
def closed(relay):
    """A listener that trusts nobody, with a user for each kind of hash."""
    relay.closed_to_strangers()
    relay.add("user", name="argon", password=passwd("argon secret"))
    relay.add("user", name="sha512", password=crypt_hash("sha512 secret", "-6"))
    relay.add("user", name="sha256", password=crypt_hash("sha256 secret", "-5"))
    relay.add("user", name="narrow", password=crypt_hash("narrow secret", "-6"),
              senders=["*@sender.example"])
    return relay.start()


@pytest.mark.parametrize("user", ["argon", "sha512", "sha256"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_each_hash_and_mechanism(closed, sink, user, mechanism):
    with closed.client() as client:
        client.starttls(context=trusting())
        client.ehlo()
        client.user, client.password = user, f"{user} secret"
        method = client.auth_plain if mechanism == "PLAIN" else client.auth_login
        code, _ = client.auth(mechanism, method, initial_response_ok=mechanism == "PLAIN")
        assert code == 235
        client.sendmail("a@sender.example", ["b@sink.example"], MESSAGE)
    wait_for(sink.count)
    assert closed.wait_event("accepted")["user"] == user


def test_wrong_password_and_unknown_user(closed):
    for user, password in (("argon", "argon secreT"), ("argon", ""), ("nobody", "x"),
                           ("sha512", "argon secret")):
        with closed.client() as client:
            client.starttls(context=trusting())
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                client.login(user, password)
            assert refused.value.smtp_code in (535, 501), refused.value
            with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                client.sendmail("a@sender.example", ["b@sink.example"], MESSAGE)
            assert refused.value.smtp_code == 530
    assert closed.wait_event("login-failed")["user"] == "argon"
    for line in closed.log().splitlines():
        assert "secreT" not in line, "a password in the log"


def test_guessing_is_cut_short(closed):
    with closed.client() as client:
        client.starttls(context=trusting())
        client.ehlo()
        wrong = base64.b64encode(b"\0sha512\0guess").decode()
        codes = []
        try:
            for _ in range(50):
                codes.append(client.docmd("AUTH PLAIN " + wrong)[0])
                if codes[-1] == 421:
                    break
        except smtplib.SMTPServerDisconnected:
            codes.append(421)
    assert codes[-1] == 421 and len(codes) < 25, codes


def test_no_password_without_tls(closed):
    with closed.raw() as client:
        assert "AUTH" not in client.say("EHLO c.example\r\n", "250")
        for line in ("AUTH PLAIN AHgAeA==\r\n", "AUTH LOGIN\r\n"):
            assert client.say(line)[:3] in ("538", "530"), line
        client.say("MAIL FROM:<a@sender.example>\r\n", "530")


def test_user_may_only_send_as_itself(closed, sink):
    with closed.client() as client:
        client.starttls(context=trusting())
        client.login("narrow", "narrow secret")
        client.sendmail("any@sender.example", ["b@sink.example"], MESSAGE)
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail("boss@other.example", ["b@sink.example"], MESSAGE)
        assert 500 <= refused.value.smtp_code < 600
    wait_for(sink.count)
    assert sink.count() == 1


def test_strangers_may_talk_but_not_relay(relay):
    """auth = "optional" lets anyone in; each recipient is refused."""
    port = relay.closed_to_strangers().add_listener(auth="optional")
    relay.add("user", name="app", password=passwd("x")).start()
    with relay.client(port) as client:
        client.ehlo()
        client.mail("a@sender.example")
        code, text = client.rcpt("b@sink.example")
        assert (code, text[:5]) == (554, b"5.7.1") or (code, text[:5]) == (550, b"5.7.1"), (code, text)
    relay.wait_event("rejected")


def test_auth_off_with_a_trusted_network(relay, sink):
    port = relay.add_listener(auth="off", tls="none")
    relay.start()
    with relay.client(port) as client:
        client.ehlo()
        assert not client.has_extn("auth") and not client.has_extn("starttls")
        client.sendmail("a@sender.example", ["b@sink.example"], MESSAGE)
    wait_for(sink.count)


def test_implicit_tls(relay, sink, certs):
    certificate, key = certs.path("relay")
    relay.set("tls", certificate=certificate, key=key)
    port = relay.closed_to_strangers().add_listener(tls="implicit")
    relay.add("user", name="app", password=passwd("x")).start()
    with smtplib.SMTP_SSL("127.0.0.1", port, timeout=20 * SLOW, context=trusting()) as client:
        client.ehlo()
        assert not client.has_extn("starttls") and client.has_extn("auth")
        client.login("app", "x")
        client.sendmail("a@sender.example", ["b@sink.example"], MESSAGE)
    wait_for(sink.count)
    assert "ESMTPSA" in parsed(sink.messages[0].data)["Received"]


@pytest.mark.parametrize("leaf", ["relay", "relay-rsa"])
def test_configured_certificate_verifies(relay, certs, leaf):
    certificate, key = certs.path(leaf)
    relay.set("tls", certificate=certificate, key=key).start()
    context = certs.client_context()
    with relay.client() as client:
        client._host = "relay.example"  # what STARTTLS asks for and verifies
        client.starttls(context=context)
        assert client.sock.version() == "TLSv1.2"
        client.ehlo()
        assert client.noop()[0] == 250


def test_self_signed_certificate_stays_the_same(relay):
    def shown():
        with relay.client() as client:
            client.starttls(context=trusting())
            return client.sock.getpeercert(binary_form=True)

    first = (relay.start(), shown())[1]
    assert relay.stop() == 0
    relay.start()
    assert shown() == first
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], input=first,
                          capture_output=True, check=True).stdout.decode()
    assert "relay.example" in text and "id-ecPublicKey" in text


def test_tls_sessions_are_resumed(relay):
    relay.start()
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def session(previous):
        with socket.create_connection(("127.0.0.1", relay.port), 20 * SLOW) as plain:
            plain.recv(1000)
            plain.sendall(b"EHLO c.example\r\n")
            plain.recv(1000)
            plain.sendall(b"STARTTLS\r\n")
            plain.recv(1000)
            with context.wrap_socket(plain, session=previous) as tls:
                tls.sendall(b"NOOP\r\n")
                assert tls.recv(1000).startswith(b"250")
                return tls.session, tls.session_reused

    first, _ = session(None)
    assert session(first)[1]


def test_nothing_is_slipped_in_before_tls(relay):
    """Commands behind STARTTLS in the same packet end the session."""
    relay.start()
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        answer = client.say("STARTTLS\r\nMAIL FROM:<a@sender.example>\r\n")
        assert answer.startswith("554")
        assert client.reply() == "" and client.is_closed()


def test_garbage_for_a_handshake(relay):
    relay.start()
    for garbage in (b"GET / HTTP/1.0\r\n\r\n" * 10, b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"\0"):
        with relay.raw() as client:
            client.say("EHLO c.example\r\n", "250")
            client.say("STARTTLS\r\n", "220")
            client.socket.sendall(garbage)
            client.socket.shutdown(socket.SHUT_WR)
            assert client.file.read() is not None
    relay.wait_event("tls-failed")
    with Raw(relay.port) as client:
        client.say("NOOP\r\n", "250")


def test_verified_logins_are_remembered(closed):
    """Argon2 costs tens of milliseconds; twenty logins in a row must not pay it twenty times."""
    import time
    begin = time.monotonic()
    closed.send("a@sender.example", "b@null.example", MESSAGE, "argon", "argon secret")
    first = time.monotonic() - begin
    begin = time.monotonic()
    for _ in range(20):
        closed.send("a@sender.example", "b@null.example", MESSAGE, "argon", "argon secret")
    assert time.monotonic() - begin < 20 * max(first, 0.1)
