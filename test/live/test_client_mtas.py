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
        protocol = "ESMTPSA" if letter.sender.isascii() else "UTF8SMTPSA"
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


@pytest.fixture(scope="module")
def postfix_client(place, stage):
    ways = {f"postfix-{i}": replace(stage.way(way), user="scram") for i, way in enumerate(POSTFIX)}
    client = PostfixClient(os.path.join(place, "postfix-client"), ways)
    yield client
    client.close()


POSTFIX = ["starttls PLAIN", "implicit PLAIN", "starttls SCRAM-SHA-256"]


@pytest.mark.parametrize("n", range(len(POSTFIX)), ids=POSTFIX)
def test_postfix(stage, postfix_client, n):
    letter = Letter(f"Postfix {n}.", sender=f"postfix-{n}@sender.example")
    postfix_client.send(letter)
    check(stage, letter, postfix_client.log)
