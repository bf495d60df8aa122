"""Every client that speaks SMTP itself, over every way in that it knows (doc/clients.md)."""
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import clients
from clients import ATTACHMENT, Letter, Way
from names import HOSTS
from postfix import parsed
from receiver import Receiver
from relay import ALARMS, BINARY, SLOW, Relay, passwd, wait_for

PASSWORD = "correct/horse 7"
# What else a mail may ask of the next server.
EXTENSIONS = ["PIPELINING", "8BITMIME", "SIZE 104857600", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN"]


def scram_secret(password):
    made = subprocess.run([BINARY, "passwd", "--scram", "scram"], input=password + "\n", text=True,
                          capture_output=True, check=True, timeout=30 * SLOW).stdout
    return made.split('password = "', 1)[1].split('"', 1)[0]


class Stage:
    """One relay that trusts this machine, one that trusts nobody, and where both deliver to."""

    def __init__(self, place, names, mx_port, certs):
        self.folder = tempfile.mkdtemp(prefix="w", dir=place)
        os.chmod(self.folder, 0o755)
        certs.leaf("localhost", "localhost")
        self.certs = certs
        self.sink = Receiver(HOSTS["mx.sink.example"], mx_port, extensions=EXTENSIONS)
        self.open = self.relay("open", names, mx_port)
        self.closed = self.relay("closed", names, mx_port).closed_to_strangers()
        self.closed.set("submission", login_delay="0s", login_failures=1000)
        self.closed.add("user", name="app", password=passwd(PASSWORD))
        self.closed.add("user", name="scram", password=scram_secret(PASSWORD))
        self.closed.add("user", name="narrow", password=passwd(PASSWORD),
                        recipients=["*@sink.example"], max_message_size="60KiB")
        self.implicit_port = self.closed.add_listener(tls="implicit")
        self.open.start()
        self.closed.start()

    def relay(self, name, names, mx_port):
        relay = Relay(os.path.join(self.folder, name), names, mx_port, self.certs.authority)
        certificate, key = self.certs.path("localhost")
        return relay.set("tls", certificate=certificate, key=key)

    def way(self, name):
        """`none`, or TLS and a mechanism: `starttls PLAIN`"""
        if name == "none":
            return Way(self.open.port, folder=self.folder)
        tls, auth = name.split(" ")
        return Way(self.implicit_port if tls == "implicit" else self.closed.port, tls,
                   "scram" if auth.startswith("SCRAM") else "app", PASSWORD, auth,
                   self.certs.authority, self.folder)

    def arrived(self, letter):
        """All parts of it, when everybody has got it."""
        def complete():
            with self.sink.lock:
                parts = [m for m in self.sink.messages if letter.mark in parsed(m.data)["Subject"]]
            return sorted(r for m in parts for r in m.recipients) == letter.to and parts
        return wait_for(complete)

    def close(self):
        wrong = []
        for relay in (self.open, self.closed):
            status = relay.stop() if relay.is_running() else relay.process.returncode
            if status or any(alarm in relay.log() for alarm in ALARMS):
                wrong.append(f"it ended with {status}:\n{relay.log()[-6000:]}")
        self.sink.close()
        assert not wrong, wrong[0]


@pytest.fixture(scope="module")
def stage(place, names, mx_port, certs):
    made = Stage(place, names, mx_port, certs)
    yield made
    made.close()


# client: (ways in, what it makes of the letter), "a" attaches a file, "r" carries the text as it is
PLAIN, LOGIN = ["none", "starttls PLAIN", "implicit PLAIN"], ["starttls LOGIN"]
SCRAM = ["starttls SCRAM-SHA-256", "implicit SCRAM-SHA-256"]
CLIENTS = {
    "swaks": (PLAIN + LOGIN, "a"),
    "smtplib": (PLAIN + LOGIN, "a"),
    "aiosmtplib": (PLAIN + LOGIN, "a"),
    "nodemailer": (PLAIN + LOGIN, "a"),
    "curl": (PLAIN + LOGIN, "r"),
    "msmtp": (PLAIN + LOGIN + SCRAM, "r"),
    "mailutils": (PLAIN + LOGIN + SCRAM, "a"),
    "s_nail": (PLAIN + LOGIN, "a"),
    "mutt": (PLAIN + LOGIN + SCRAM, "a"),
    "neomutt": (PLAIN + LOGIN + SCRAM, "a"),
    "git_send_email": (PLAIN + LOGIN, "r"),
    "phpmailer": (PLAIN + LOGIN, "a"),
    "ruby": (PLAIN + LOGIN, "r"),
    "perl": (PLAIN + LOGIN, "r"),
}
# Where nobody logs in.
PROTOCOL = {"s_nail": "SMTP"}


def send(stage, name, way, letter):
    done = getattr(clients, name)(way, letter)
    if done.returncode:
        return f"{way}: exit {done.returncode}: {done.stdout.decode(errors='replace')[-1500:]}"
    return check(name, stage.arrived(letter), way, letter)


def check(name, parts, way, letter):
    """What is wrong with it, or None."""
    for part in parts:
        mail = parsed(part.data)
        body = mail.get_body().get_content().rstrip().splitlines()
        protocol = "ESMTPSA" if way.auth else PROTOCOL.get(name, "ESMTP")
        if not letter.sender.isascii():
            protocol = "UTF8SMTPSA"
        if body != letter.lines:
            return f"{way}: the text is {body}"
        if mail["Subject"] != letter.subject:
            return f"{way}: the subject is {mail['Subject']}"
        if part.sender != letter.sender:
            return f"{way}: it is from {part.sender}"
        if f" with {protocol} " not in " ".join(mail["Received"].split()):
            return f"{way}: not with {protocol}: {mail['Received']}"
        files = [a.get_payload(decode=True) for a in mail.iter_attachments()]
        if files != ([ATTACHMENT] if CLIENTS[name][1] == "a" else []):
            return f"{way}: the attachments are {files}"
    return None


@pytest.mark.parametrize("name", CLIENTS)
def test_a_letter_over_each_way(stage, name):
    need_node(name)
    ways = [stage.way(way) for way in CLIENTS[name][0]]
    with ThreadPoolExecutor(3) as pool:
        wrong = list(pool.map(lambda at: send(stage, name, at[1], Letter(f"{name}-way-{at[0]}.")),
                              enumerate(ways)))
    assert not any(wrong), "\n".join(w for w in wrong if w)


def need_node(name):
    if name == "nodemailer" and not os.path.isdir(os.path.join(clients.HERE, "node_modules", name)):
        pytest.skip("nodemailer is not installed (npm --prefix test/live ci)")


def refused(stage, name, what):
    """What the client says when the relay refuses."""
    way = replace(stage.way("starttls PLAIN"), user="narrow")
    letter = Letter(f"{name}-{what}.")
    if what == "password":
        way.password = "wrong"
    elif what == "recipient":
        letter.to = ["b@other.example"]
    else:
        letter.fill = 1500
    done = getattr(clients, name)(way, letter)
    text = done.stdout.decode(errors="replace")
    return None if done.returncode and OWN_WORDS.get((name, what), SAYS[what]) in text else f"{what}: {done.returncode}: {text[-1500:]}"


SAYS = {"password": "5.7.8", "recipient": "5.7.1", "size": "5.3.4"}
# Those that keep our words to themselves.
OWN_WORDS = {
    ("mutt", "password"): "SASL authentication failed",
    ("mailutils", "recipient"): "Operation rejected by remote party",
    ("mailutils", "size"): "Operation rejected by remote party",
}


@pytest.mark.parametrize("name", CLIENTS)
def test_refusals_are_shown(stage, name):
    need_node(name)
    with ThreadPoolExecutor(3) as pool:
        wrong = list(pool.map(lambda what: refused(stage, name, what), SAYS))
    assert not any(wrong), "\n".join(w for w in wrong if w)


def commands(stage, *words):
    with stage.sink.lock:
        return [line for _, line in stage.sink.commands if all(word in line for word in words)]


@pytest.mark.parametrize("name", ["msmtp", "mutt", "neomutt", "smtplib", "aiosmtplib", "nodemailer",
                                  "perl", "ruby"])
def test_dsn(stage, name):
    """What a client asks for arrives at the next server."""
    need_node(name)
    letter = Letter(f"{name}-dsn.", to=[f"{name}1@sink.example", f"{name}2@sink.example"],
                    sender=f"{name}@sender.example", dsn=True)
    assert send(stage, name, stage.way("none"), letter) is None
    assert commands(stage, "MAIL", letter.sender, "RET=HDRS")
    assert len(commands(stage, "RCPT", name, "NOTIFY=SUCCESS,FAILURE")) == 2


@pytest.mark.parametrize("name", ["smtplib", "aiosmtplib", "nodemailer", "curl", "mutt", "neomutt"])
def test_smtputf8(stage, name):
    need_node(name)
    letter = Letter(f"{name}-utf8.", to=["böb@sink.example", "c@sink.example"],
                    sender=f"{name}-ä@sender.example")
    assert send(stage, name, stage.way("starttls PLAIN"), letter) is None
    assert commands(stage, "MAIL", letter.sender, "SMTPUTF8")


@pytest.mark.parametrize("name", ["swaks", "msmtp", "perl", "ruby"])
def test_without_smtputf8(stage, name):
    """They cannot ask for it, so they are told."""
    letter = Letter(f"{name}-utf8.", sender=f"{name}-ä@sender.example")
    done = getattr(clients, name)(stage.way("starttls PLAIN"), letter)
    assert done.returncode and b"553 5.6.7" in done.stdout, done.stdout
