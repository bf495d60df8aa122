"""SCRAM-SHA-256: with a client of our own, with GNU SASL's, and the wrong ones."""
import base64
import hashlib
import hmac
import secrets
import shutil
import subprocess

import pytest

from relay import BINARY, SLOW, passwd, trusting


def secret(password):
    made = subprocess.run([BINARY, "passwd", "--scram", "app"], input=password + "\n", text=True,
                          capture_output=True, check=True, timeout=30 * SLOW).stdout
    return made.split('password = "', 1)[1].split('"', 1)[0]


@pytest.fixture
def scrammed(relay):
    relay.closed_to_strangers()
    relay.set("submission", login_delay="0s")
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
    """RFC 5802 from the client's side."""

    def __init__(self, client, user):
        self.client = client
        self.nonce = secrets.token_hex(12)
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}"
        code, text = client.docmd("AUTH", "SCRAM-SHA-256 " + self.encode("n,," + self.bare))
        assert code == 334, text
        self.server_first = base64.b64decode(text).decode()
        fields = dict(part.split("=", 1) for part in self.server_first.split(","))
        self.both, self.rounds = fields["r"], int(fields["i"])
        self.salt = base64.b64decode(fields["s"])
        assert self.both.startswith(self.nonce) and len(self.both) >= len(self.nonce) + 20

    @staticmethod
    def encode(text):
        return base64.b64encode(text.encode()).decode()

    def prove(self, password, nonce=None, binding="biws", spoil=0):
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, self.rounds)
        without = f"c={binding},r={nonce or self.both}"
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
