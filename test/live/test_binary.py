"""BINARYMIME to the end: every byte over the queue and a crash to a server that takes it, and the way
back from one that does not."""
import os
import subprocess

import pytest

from relay import BINARY, wait_for
from test_esmtp import chunks

TAKES_BINARY = ["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME", "ENHANCEDSTATUSCODES"]
ANY_BYTE = bytes(range(256))
HEADER = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n"


def submit(relay, body, size=50000, sender="a@sender.example", to="b@sink.example", extra=b""):
    text = extra + HEADER + body
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say(f"MAIL FROM:<{sender}> BODY=BINARYMIME\r\n", "250")
        client.say(f"RCPT TO:<{to}>\r\n", "250")
        replies = chunks(client, *(text[i:i + size] for i in range(0, len(text), size)))
        assert all(r.startswith("250 2.0.0 ") for r in replies), replies
    return text


def body_of(repeats):
    return b".\0\r\n.\r\n\n.\n\r.\r" + (ANY_BYTE + b"\r\n.") * repeats + b"\0no end"


@pytest.mark.parametrize("repeats", [1, 4000], ids=["small", "large"])
@pytest.mark.parametrize("offer", [TAKES_BINARY, TAKES_BINARY[1:]], ids=["pipelining", "one by one"])
def test_every_byte_arrives(relay, sink, repeats, offer):
    sink.extensions = offer
    relay.start()
    text = submit(relay, body_of(repeats))
    wait_for(sink.count)
    message = sink.messages[0]
    assert "BODY=BINARYMIME" in message.sender_parameters
    assert message.data.endswith(b"\r\n" + text)
    wait_for(lambda: not relay.queue())


def test_the_queue_keeps_every_byte_over_a_crash(relay, sink, folder):
    sink.extensions = TAKES_BINARY
    relay.start()
    relay.post("/pause?all=1")
    text = submit(relay, body_of(1000))
    relay.kill()
    to = os.path.join(folder, "saved")
    relay.command("queue", "salvage", "--to", to)
    (name,) = (n for n in os.listdir(to) if n.endswith(".eml"))
    with open(os.path.join(to, name), "rb") as f:
        assert f.read().endswith(b"\r\n" + text)
    relay.start()
    relay.post("/resume?all=1")
    wait_for(sink.count)
    assert sink.messages[0].data.endswith(b"\r\n" + text)


def test_a_refused_chunk_is_the_messages_fate(relay, sink):
    sink.extensions = TAKES_BINARY
    sink.moods["chunk"] = lambda session: "552 5.3.4 too large"
    relay.start()
    submit(relay, body_of(4000), sender="a@sink.example")
    wait_for(sink.count)  # the report is small, and whole with its LAST
    report = sink.messages[0]
    assert report.sender == "" and b"Status: 5.3.4" in report.data
    assert b"\0" not in report.data and "BINARYMIME" not in report.sender_parameters
    wait_for(lambda: not relay.queue())


def test_text_that_was_declared_binary_goes_to_everybody(relay, sink):
    relay.start()
    text = submit(relay, b"only \xff text\r\n.\r\nend")
    wait_for(sink.count)
    message = sink.messages[0]
    assert "BODY=8BITMIME" in message.sender_parameters
    assert message.data.endswith(b"\r\n" + text + b"\r\n")


def test_back_from_a_server_without_it(relay, sink):
    sink.extensions = ["PIPELINING", "8BITMIME", "CHUNKING"]
    relay.set("delivery", on_no_8bitmime="bounce")
    relay.start()
    submit(relay, body_of(1), sender="a@sink.example")
    wait_for(sink.count)
    report = sink.messages[0]
    assert report.sender == "" and report.recipients == ["a@sink.example"]
    assert b"Status: 5.6.3" in report.data and b"Subject: x" in report.data
    assert b"\0" not in report.data
    wait_for(lambda: not relay.queue())


def test_postfix_takes_chunks_but_nothing_binary(relay, postfix):
    relay.set("delivery", on_no_8bitmime="bounce")
    relay.start()
    submit(relay, body_of(1), sender="user@postfix.example", to="other@postfix.example")
    report = postfix.wait_mail("delivery-status")
    assert b"Status: 5.6.3" in report
    assert b"Final-Recipient: rfc822; other@postfix.example" in report
    wait_for(lambda: not relay.queue())


def test_the_body_can_be_looked_at(relay):
    relay.start()
    relay.post("/pause?all=1")
    text = submit(relay, body_of(1000))
    (message,) = relay.queue()
    done = subprocess.run([BINARY, "queue", "show", "--body", message["id"], "-c", relay.config_path],
                          capture_output=True, check=True)
    assert done.stdout.endswith(b"\r\n" + text)


@pytest.mark.parametrize("repeats", [1, 4000], ids=["small", "large"])
def test_rules_change_the_header_and_no_other_byte(relay, sink, repeats):
    sink.extensions = TAKES_BINARY
    relay.set("rewrite", add_headers=["X-Environment: test"], remove_headers=["Subject"])
    relay.start()
    submit(relay, body_of(repeats), size=7 if repeats == 1 else 50000)
    wait_for(sink.count)
    head, body = sink.messages[0].data.split(b"\r\n\r\n", 1)
    assert body == body_of(repeats)
    assert b"\r\nX-Environment: test\r\n" in head and b"Subject" not in head
