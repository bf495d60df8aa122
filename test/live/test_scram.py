"""SCRAM-SHA-256: with a client of our own, with GNU SASL's, and the wrong ones."""
import base64
import hashlib
import hmac
import os
import secrets
import shutil
import smtplib
import socket
import subprocess

import pytest

from names import HOSTS
from postfix import Postfix
from relay import BINARY, SLOW, free_port, passwd, trusting, wait_for


def secret(password):
    made = subprocess.run([BINARY, "passwd", "--scram", "app"], input=password + "\n", text=True,
                          capture_output=True, check=True, timeout=30 * SLOW).stdout
    return made.split('password = "', 1)[1].split('"', 1)[0]


@pytest.fixture
def scrammed(relay):
    relay.closed_to_strangers()
    relay.set("submission", login_delay="0s", channel_binding=True)
    relay.add("user", name="a,p=p", password=secret("pencil \u00e4"), passwords=[passwd("old")])
    relay.add("user", name="plain", password=passwd("plain"))
    return relay.start()


def connected(relay):
    client = relay.client()
    client.starttls(context=trusting())
    client.ehlo()
    return client


def digest(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Exchange:
    """RFC 5802 from the client's side. flag: "n", "y" or "p=TYPE"; bound: the channel's bytes."""

    def __init__(self, client, user, flag="n", bound=b""):
        self.client = client
        self.binding = base64.b64encode(f"{flag},,".encode() + bound).decode()
        self.nonce = secrets.token_hex(12)
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}"
        mechanism = "SCRAM-SHA-256-PLUS " if flag.startswith("p=") else "SCRAM-SHA-256 "
        code, text = client.docmd("AUTH", mechanism + self.encode(f"{flag},,{self.bare}"))
        assert code == 334, text
        self.server_first = base64.b64decode(text).decode()
        fields = dict(part.split("=", 1) for part in self.server_first.split(","))
        self.both, self.rounds = fields["r"], int(fields["i"])
        self.salt = base64.b64decode(fields["s"])
        assert self.both.startswith(self.nonce) and len(self.both) >= len(self.nonce) + 20

    @staticmethod
    def encode(text):
        return base64.b64encode(text.encode()).decode()

    def prove(self, password, nonce=None, binding=None, spoil=0):
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, self.rounds)
        without = f"c={binding or self.binding},r={nonce or self.both}"
        signed = f"{self.bare},{self.server_first},{without}".encode()
        key = digest(salted, b"Client Key")
        mask = digest(hashlib.sha256(key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(key, mask))
        proof = bytes([proof[0] ^ spoil]) + proof[1:]
        self.signature = digest(digest(salted, b"Server Key"), signed)
        return self.client.docmd(self.encode(f"{without},p={base64.b64encode(proof).decode()}"))


def test_a_login(scrammed):
    with connected(scrammed) as client:
        assert "SCRAM-SHA-256" in client.esmtp_features["auth"]
        exchange = Exchange(client, "a,p=p")
        code, text = exchange.prove("pencil \u00e4")
        assert code == 334
        assert base64.b64decode(text).decode() == "v=" + base64.b64encode(exchange.signature).decode()
        assert client.docmd("")[0] == 235
        assert client.mail("x@y.example")[0] == 250
    assert scrammed.wait_event("login")["user"] == "a,p=p"


def test_the_same_secret_serves_plain(scrammed):
    for password in ("pencil \u00e4", "old"):
        with connected(scrammed) as client:
            message = base64.b64encode(f"\0a,p=p\0{password}".encode()).decode()
            assert client.docmd("AUTH", "PLAIN " + message)[0] == 235


@pytest.mark.parametrize("user, password, keys", [
    ("a,p=p", "pencil", {}),
    ("a,p=p", "old", {}),                    # its hash is none for SCRAM
    ("plain", "plain", {}),
    ("nobody", "pencil \u00e4", {}),
    ("a,p=p", "pencil \u00e4", {"spoil": 1}),
    ("a,p=p", "pencil \u00e4", {"nonce": "another"}),
    ("a,p=p", "pencil \u00e4", {"binding": "eSws"}),   # y,, now, n,, before
])
def test_who_is_not_let_in(scrammed, user, password, keys):
    with connected(scrammed) as client:
        code, text = Exchange(client, user).prove(password, **keys)
        assert (code, text[:5]) == (535, b"5.7.8")
        assert client.mail("x@y.example")[0] == 530
    assert scrammed.wait_event("login-failed")["code"] == "535"


def test_nobody_looks_like_somebody(scrammed):
    """The same salt each time, as long as a real one, so that it does not tell who exists."""
    with connected(scrammed) as client:
        salts = set()
        for _ in range(2):
            exchange = Exchange(client, "nobody")
            salts.add(exchange.salt)
            client.docmd("*")
        known = Exchange(client, "a,p=p")
        assert len(salts) == 1 and len(salts.pop()) == len(known.salt)
        assert exchange.rounds == known.rounds
        client.docmd("*")


def test_not_offered_where_nobody_can(relay):
    relay.closed_to_strangers().add("user", name="app", password=passwd("x"))
    relay.start()
    with connected(relay) as client:
        assert "SCRAM" not in client.esmtp_features["auth"]
        assert client.docmd("AUTH", "SCRAM-SHA-256 biwsbj11c2VyLHI9eA==")[0] == 504


@pytest.mark.skipif(not shutil.which("gsasl"), reason="needs gsasl")
@pytest.mark.parametrize("password, code", [("pencil", 235), ("pencils", 535)])
def test_gsasl(relay, password, code):
    """GNU SASL does the sums; its own SMTP sends STARTTLS before EHLO, so we carry its lines."""
    relay.closed_to_strangers().add("user", name="app", password=secret("pencil"))
    relay.start()
    gsasl = subprocess.Popen(
        ["gsasl", "--client", "--quiet", "-m", "SCRAM-SHA-256", "-a", "app", "-z", "", "-p", password,
         "--no-cb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with gsasl, connected(relay) as client:
        assert gsasl.stdout.readline() == "SCRAM-SHA-256\n"
        got, text = client.docmd("AUTH", "SCRAM-SHA-256 " + gsasl.stdout.readline().strip())
        while got == 334:
            gsasl.stdin.write(text.decode() + "\n")
            gsasl.stdin.flush()
            got, text = client.docmd(gsasl.stdout.readline().strip())
        gsasl.kill()
    assert got == code, text
    relay.wait_event("login" if code == 235 else "login-failed", user="app")


# --- bound to the channel ---

def end_point(client, algorithm="sha256"):
    return hashlib.new(algorithm, client.sock.getpeercert(binary_form=True)).digest()


def unique(client):
    return client.sock.get_channel_binding("tls-unique")


def logs_in(client, flag, bound):
    code, text = Exchange(client, "a,p=p", flag, bound).prove("pencil \u00e4")
    if code != 334:
        assert (code, text[:5]) == (535, b"5.7.8")
        return False
    return client.docmd("")[0] == 235


@pytest.mark.parametrize("flag, bytes_of", [("p=tls-server-end-point", end_point),
                                            ("p=tls-unique", unique)])
def test_bound(scrammed, flag, bytes_of):
    with connected(scrammed) as client:
        assert client.esmtp_features["auth"].split() == [
            "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
        assert logs_in(client, flag, bytes_of(client))
        assert client.mail("x@y.example")[0] == 250
    assert scrammed.wait_event("login")["user"] == "a,p=p"


def test_bound_to_another_channel(scrammed):
    """What somebody in the middle would pass on: the right password, bound to his own channel."""
    with connected(scrammed) as other, connected(scrammed) as client:
        assert not logs_in(client, "p=tls-unique", unique(other))
        assert not logs_in(client, "p=tls-server-end-point", hashlib.sha256(b"his").digest())
        assert not logs_in(client, "p=tls-server-end-point", b"")
        assert not logs_in(client, "p=tls-unique", end_point(client))
        assert logs_in(client, "p=tls-unique", unique(client))


def test_a_downgrade(scrammed):
    """A client that can bind and has seen no -PLUS, which is offered."""
    with connected(scrammed) as client:
        message = base64.b64encode(b"y,,n=a=2Cp=3Dp,r=x").decode()
        code, text = client.docmd("AUTH", "SCRAM-SHA-256 " + message)
        assert code == 535 and b"was offered" in text


@pytest.mark.parametrize("digest_name, is_pss", [("sha256", False), ("sha384", False),
                                                 ("sha512", False), ("sha256", True)])
def test_the_certificates_own_hash(relay, folder, digest_name, is_pss):
    """tls-server-end-point goes by the hash of the certificate's signature; for RSA-PSS there is
    none that all agree on, and tls-unique is left."""
    pair = [f"{folder}/own.pem", f"{folder}/own.key"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pair[1], "-out",
         pair[0], "-subj", "/CN=relay.example", "-days", "30", f"-{digest_name}",
         *(["-sigopt", "rsa_padding_mode:pss"] if is_pss else [])], check=True, capture_output=True)
    relay.set("tls", certificate=pair[0], key=pair[1]).closed_to_strangers()
    relay.set("submission", login_delay="0s", channel_binding=True)
    relay.add("user", name="a,p=p", password=secret("pencil \u00e4")).start()
    with connected(relay) as client:
        if is_pss:
            message = base64.b64encode(b"p=tls-server-end-point,,n=a=2Cp=3Dp,r=x").decode()
            code, text = client.docmd("AUTH", "SCRAM-SHA-256-PLUS " + message)
            assert code == 535 and b"cannot be had" in text
        else:
            assert logs_in(client, "p=tls-server-end-point", end_point(client, digest_name))
    with connected(relay) as client:
        assert logs_in(client, "p=tls-unique", unique(client))


def test_a_resumed_session_has_no_unique_bytes(scrammed):
    """Without an extended master secret they could be those of another connection."""
    scrammed.stop()
    scrammed.config["listen"][0]["tls"] = "implicit"
    scrammed.start()
    context, before = trusting(), None
    for turn in range(2):
        with smtplib.SMTP() as client:
            client.timeout = 30 * SLOW
            plain = socket.create_connection(("127.0.0.1", scrammed.port), timeout=30 * SLOW)
            client.sock = context.wrap_socket(plain, session=before)
            client.file = None
            assert client.getreply()[0] == 220
            client.ehlo()
            assert client.sock.session_reused == (turn == 1)
            if turn == 1:
                message = base64.b64encode(b"p=tls-unique,,n=a=2Cp=3Dp,r=x").decode()
                assert client.docmd("AUTH", "SCRAM-SHA-256-PLUS " + message)[0] == 535
            assert logs_in(client, "p=tls-server-end-point", end_point(client))
            before = client.sock.session


# --- clients that do not bind, where -PLUS is offered ---

MESSAGE = "From: <a@sender.example>\nTo: <b@sink.example>\nSubject: scrammed\n\nhello\n"


@pytest.mark.skipif(not shutil.which("msmtp"), reason="needs msmtp")
@pytest.mark.parametrize("auth", ["scram-sha-256", "on"])
def test_msmtp(relay, sink, auth):
    relay.closed_to_strangers().add("user", name="app", password=secret("pencil"))
    relay.set("submission", channel_binding=True)
    relay.start()
    done = subprocess.run(
        ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={relay.port}", "--tls=on",
         "--tls-starttls=on", "--tls-certcheck=off", f"--auth={auth}", "--user=app",
         "--passwordeval=echo pencil", "--from=a@sender.example", "b@sink.example"],
        input=MESSAGE, capture_output=True, text=True, timeout=60 * SLOW, check=False)
    assert done.returncode == 0, done.stderr
    wait_for(sink.count)
    assert relay.wait_event("accepted")["user"] == "app"


def test_postfix(relay, certs, sink, place):
    """With Cyrus SASL."""
    relay.closed_to_strangers().add("user", name="app", password=secret("pencil"))
    relay.set("submission", channel_binding=True)
    relay.start()
    more = f"""
smtp_tls_security_level = encrypt
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = !plain, !login, static:all
smtp_sasl_password_maps = inline:{{ {{ 127.0.0.1 = app:pencil }} }}
transport_maps = inline:{{ {{ sink.example = smtp:[127.0.0.1]:{relay.port} }} }}
"""
    postfix = Postfix(os.path.join(place, "scram"), free_port(HOSTS["mx.postfix.example"]),
                      free_port(HOSTS["smart.example"]), certs.path("relay"), "postmaster", "pw",
                      more)
    try:
        with smtplib.SMTP(HOSTS["smart.example"], postfix.smart_port, timeout=30 * SLOW) as client:
            client.starttls(context=trusting())
            client.login("postmaster@postfix.example", "pw")
            client.sendmail("a@sender.example", "b@sink.example", MESSAGE)
        wait_for(sink.count, 30)
    finally:
        postfix.close()
    assert relay.wait_event("accepted")["user"] == "app"
