"""Every client that speaks SMTP itself, over every way in that it knows (doc/clients.md)."""
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import clients
from clients import ATTACHMENT, Letter
from postfix import parsed
from stage import Recorder

@pytest.fixture
def recorder(stage):
    made = Recorder(stage.open.port)
    yield made
    made.close()


# client: (ways in, what it makes of the letter), "a" attaches a file, "r" carries the text as it is
PLAIN, LOGIN = ["none", "starttls PLAIN", "implicit PLAIN"], ["starttls LOGIN"]
SCRAM = ["starttls SCRAM-SHA-256", "implicit SCRAM-SHA-256"]
CLIENTS = {
    "swaks": (PLAIN + LOGIN + ["unix"], "a"),
    "smtplib": (PLAIN + LOGIN, "a"),
    "aiosmtplib": (PLAIN + LOGIN, "a"),
    "nodemailer": (PLAIN + LOGIN, "a"),
    "curl": (PLAIN + LOGIN + ["unix"], "r"),
    "msmtp": (PLAIN + LOGIN + SCRAM + ["unix"], "r"),
    "esmtp": (["none", "starttls PLAIN"], "r"),
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
        if not letter.is_ascii():
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
    if done.returncode and OWN_WORDS.get((name, what), SAYS[what]) in text:
        return None
    return f"{what}: exit {done.returncode}: {text[-1500:]}"


SAYS = {"password": "5.7.8", "recipient": "5.7.1", "size": "5.3.4"}
# Those that keep our words to themselves.
OWN_WORDS = {
    ("esmtp", "password"): "530 Authentication required",  # it goes on without
    ("esmtp", "recipient"): "550 this login may not send to that address",
    ("esmtp", "size"): "552 message is too big for this login",
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


@pytest.mark.parametrize("name", ["msmtp", "mutt", "neomutt", "smtplib", "aiosmtplib", "nodemailer",
                                  "perl", "ruby"])
def test_dsn(stage, name):
    """What a client asks for arrives at the next server."""
    need_node(name)
    letter = Letter(f"{name}-dsn.", to=[f"{name}1@sink.example", f"{name}2@sink.example"],
                    sender=f"{name}@sender.example", dsn=True)
    assert send(stage, name, stage.way("none"), letter) is None
    assert stage.commands("MAIL", letter.sender, "RET=HDRS")
    assert len(stage.commands("RCPT", name, "NOTIFY=SUCCESS,FAILURE")) == 2


@pytest.mark.parametrize("name", ["smtplib", "aiosmtplib", "nodemailer", "curl", "mutt", "neomutt"])
def test_smtputf8(stage, name):
    need_node(name)
    letter = Letter(f"{name}-utf8.", to=["böb@sink.example", "c@sink.example"],
                    sender=f"{name}-ä@sender.example")
    assert send(stage, name, stage.way("starttls PLAIN"), letter) is None
    assert stage.commands("MAIL", letter.sender, "SMTPUTF8")


@pytest.mark.parametrize("name", ["swaks", "msmtp", "perl", "ruby"])
def test_without_smtputf8(stage, name):
    """They cannot ask for it, so they are told."""
    letter = Letter(f"{name}-utf8.", sender=f"{name}-ä@sender.example")
    done = getattr(clients, name)(stage.way("starttls PLAIN"), letter)
    assert done.returncode and b"553 5.6.7" in done.stdout, done.stdout


def test_hanging_up_without_quit(stage):
    """The message counts when its last dot has come, whether the reply is waited for or not."""
    for mark, does_wait in (("hangs up after the reply.", True), ("hangs up before the reply.", False)):
        letter = Letter(mark, to=["b@sink.example"])
        with stage.open.raw() as client:
            client.envelope(letter.sender, *letter.to, hello="printer_1")
            client.socket.sendall(b"Subject: " + mark.encode() + b"\r\n\r\nscan\r\n.\r\n")
            if does_wait:
                assert client.reply().startswith("250")
        assert b"\r\n\r\nscan\r\n" in stage.arrived(letter)[0].data


def test_recorded(stage, recorder):
    """Who pipelines, and whose text comes in chunks."""
    for name in ("msmtp", "esmtp", "swaks"):
        del recorder.pieces[:]
        way, letter = replace(stage.way("none"), port=recorder.port), Letter(f"{name}-recorded.")
        more = ["--pipeline"] if name == "swaks" else []
        assert getattr(clients, name)(way, letter, *more).returncode == 0
        assert check(name, stage.arrived(letter), way, letter) is None
        assert any(piece.count(b"RCPT TO:") == 2 for piece in recorder.pieces), recorder.pieces
        is_bdat = any(piece.startswith(b"BDAT ") for piece in recorder.pieces)
        assert is_bdat == (name == "esmtp"), recorder.pieces
