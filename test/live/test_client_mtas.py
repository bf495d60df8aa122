"""Mail servers that relay through us with AUTH over TLS (doc/clients.md)."""
import os
from dataclasses import replace

import pytest

from clients import Letter
from mtas import Dma, Exim, Nullmailer, OpenSmtpd, PostfixClient, Ssmtp
from postfix import parsed
from relay import wait_for

OTHERS = [
    (Exim, "starttls PLAIN"), (Exim, "implicit PLAIN"), (Exim, "starttls LOGIN"),
    (OpenSmtpd, "starttls PLAIN"), (OpenSmtpd, "implicit PLAIN"),
    (Nullmailer, "starttls PLAIN"), (Nullmailer, "implicit PLAIN"), (Nullmailer, "starttls LOGIN"),
    (Dma, "starttls LOGIN"), (Dma, "implicit LOGIN"),
    (Ssmtp, "starttls LOGIN"), (Ssmtp, "implicit LOGIN"),
]


def check(stage, letter, relay_log):
    """It is there, unchanged, and who sent it had logged in."""
    try:
        parts = stage.arrived(letter)
    except AssertionError:
        raise AssertionError(relay_log()[-3000:]) from None
    for part in parts:
        mail = parsed(part.data)
        assert mail["Subject"] == letter.subject and part.sender == letter.sender
        assert mail.get_content().rstrip().splitlines() == letter.lines
        received = " ".join(mail["Received"].split())
        protocol = "ESMTPSA" if letter.is_ascii() else "UTF8SMTPSA"
        assert f"by relay.example (Outpost) with {protocol} (TLSv1.2" in received


def returned(stage, sender, text):
    with stage.sink.lock:
        return any(sender in m.recipients and text in m.data for m in stage.sink.messages)


@pytest.mark.parametrize("kind, way", OTHERS, ids=lambda x: getattr(x, "__name__", x))
def test_mta(stage, folder, kind, way):
    way = replace(stage.way(way), user="mta")
    mta = kind(os.path.join(folder, "m"), way)
    try:
        letter = Letter(f"{kind.__name__} over {way}.")
        mta.send(letter)
        check(stage, letter, mta.log)
        sender = f"{kind.__name__}-{way.port}-{way.auth}@sink.example"
        mta.send(Letter("To another.", sender, to=["b@other.example"]))
        # In the log, or in what comes back to the sender.
        wait_for(lambda: "5.7.1" in mta.log() or returned(stage, sender, b"5.7.1"))
    finally:
        mta.close()


@pytest.fixture(params=[Exim, OpenSmtpd], ids=lambda kind: kind.__name__)
def mta(request, stage, folder):
    made = request.param(os.path.join(folder, "m"), replace(stage.way("starttls PLAIN"), user="mta"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def postfix_client(place, stage):
    ways = {f"postfix-{i}": replace(stage.way(way), user="scram") for i, way in enumerate(POSTFIX)}
    client = PostfixClient(os.path.join(place, "postfix-client"), ways)
    yield client
    client.close()


def asks_for_dsn(stage, mta, letter):
    mta.send(letter, " RET=HDRS ENVID=Q1", " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old@x.example")
    check(stage, letter, mta.log)
    assert stage.commands("MAIL", letter.sender, "RET=HDRS", "ENVID=Q1")
    for address in letter.to:
        assert stage.commands("RCPT", address, "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;old@x.example")


def test_dsn(stage, mta):
    name = type(mta).__name__
    asks_for_dsn(stage, mta, Letter(f"{name} DSN.", f"{name}@sender.example",
                                    [f"{name}-1@sink.example", f"{name}-2@sink.example"]))


def test_exim_pipelines_and_sends_chunks(stage, folder):
    """In its log, L stands for a pipelined envelope and K for a text that went by BDAT."""
    exim = Exim(os.path.join(folder, "m"), replace(stage.way("starttls PLAIN"), user="mta"))
    try:
        for letter in (Letter("Exim, one chunk."), Letter("Exim, many chunks.", fill=4000),
                       Letter("Exim, UTF-8.", "ä@sender.example", ["b@sink.example", "ö@sink.example"])):
            exim.send(letter)
            check(stage, letter, exim.log)
        sent = [line for line in exim.log().splitlines() if " => " in line]
        assert len(sent) == 3 and all(" L K C=" in line for line in sent), exim.log()
    finally:
        exim.close()


POSTFIX = ["starttls PLAIN", "implicit PLAIN", "starttls LOGIN", "starttls SCRAM-SHA-256",
           "implicit SCRAM-SHA-256"]


@pytest.mark.parametrize("n", range(len(POSTFIX)), ids=POSTFIX)
def test_postfix(stage, postfix_client, n):
    letter = Letter(f"Postfix {n}.", sender=f"postfix-{n}@sender.example")
    postfix_client.send(letter)
    check(stage, letter, postfix_client.log)


def test_postfix_and_extensions(stage, postfix_client):
    sender = "postfix-0@sender.example"
    letter = Letter("Postfix DSN.", sender, ["p1@sink.example", "p2@sink.example"])
    asks_for_dsn(stage, postfix_client, letter)
    letter = Letter("Postfix, UTF-8.", sender, ["b@sink.example", "ö@sink.example"])
    postfix_client.send(letter)
    check(stage, letter, postfix_client.log)
    letter = Letter("Postfix, long.", sender, fill=4000)
    postfix_client.send(letter)
    check(stage, letter, postfix_client.log)


def test_postfix_is_refused_one_of_two(stage, postfix_client):
    letter = Letter("Postfix, one refused.", "postfix-0@sender.example",
                    ["b@sink.example", "no@other.example"])
    postfix_client.send(letter)
    wait_for(lambda: any("to=<no@other.example>" in line and "said: 550 5.7.1" in line
                         for line in postfix_client.log().splitlines()))
    letter.to.pop()
    check(stage, letter, postfix_client.log)
