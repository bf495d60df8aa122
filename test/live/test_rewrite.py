"""Aliases, maps and staging, as the remote sees them."""
import smtplib

from relay import wait_for

MESSAGE = b"From: a@sender.example\r\nSubject: x\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n" \
          b"Message-ID: <x@sender.example>\r\nDKIM-Signature: v=1;\r\n\tb=x\r\n\r\n.dot\r\n\r\nend \r\n"


def test_aliases_and_maps(relay, sink):
    relay.set("rewrite", domain="corp.example", aliases=["root = ops@sink.example, admin",
                                                         "admin = eve@sink.example"],
              senders=["*@*.sender.example = @sender.example"],
              recipients=["*@old.example = @sink.example"], always_bcc=["keep@sink.example"]).start()
    relay.send("app@web.sender.example", ["root", "bob@old.example"], MESSAGE)
    relay.wait_empty()
    got = sink.messages
    assert {m.sender for m in got} == {"app@sender.example"}
    assert sorted(r for m in got for r in m.recipients) == [
        "bob@sink.example", "eve@sink.example", "keep@sink.example", "ops@sink.example"]
    assert all(m.data.endswith(MESSAGE) for m in got), got[0].data
    assert relay.wait_event("rewritten", original="root@corp.example")


def test_staging(relay, sink):
    relay.config["environment"] = "staging"
    relay.set("staging", mailbox="stage@sink.example", allow=["qa@sink.example"]).start()
    with smtplib.SMTP() as client:
        assert b"STAGING" in client.connect("127.0.0.1", relay.port)[1]
    relay.send("a@sender.example", ["qa@sink.example", "boss@sink.example", "x@real.example"],
               MESSAGE)
    relay.wait_empty()
    got = sink.messages
    assert sorted(r for m in got for r in m.recipients) == ["qa@sink.example", "stage@sink.example"]
    for m in got:
        head = m.data[:-len(MESSAGE)]
        assert m.data.endswith(MESSAGE)
        assert b"X-Original-To: <boss@sink.example>\r\nX-Original-To: <x@real.example>\r\n" in head
    assert "outpost_staging 1" in relay.word("metrics")
    assert relay.stats()["environment"] == "staging"
    assert "STAGING       everything goes to stage@sink.example" in relay.command("status")


HEADER = (b"From: \"App, web\" <app@web1.corp.example>\r\n"
          b"To: =?utf-8?q?J=C3=BCrgen?= <j@old.example>, team: k@old.example, (c) root;\r\n"
          b"Bcc: secret@sink.example,\r\n\tmore@sink.example\r\n"
          b"X-Secret: 10.0.0.1\r\nSubject: x\r\n")
BODY = b"\r\nTo: j@old.example\r\nBcc: text\r\n..dot\r\n"


def reload(relay):
    before = len(relay.events("reloaded"))
    relay.reload()
    wait_for(lambda: len(relay.events("reloaded")) > before)


def fields(message):
    """What stands above the body, unfolded, without our Received."""
    head = message.data.split(b"\r\n\r\n", 1)[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
    return head.split(b"\r\n")


def test_header(relay, sink):
    relay.set("rewrite", domain="corp.example", masquerade=["corp.example"],
              recipients=["*@old.example = @sink.example"], hide_client=True,
              add_headers=["X-Environment: test"], remove_headers=["X-Secret", "X-Never"]).start()
    relay.send("app@web1.corp.example", ["j@old.example"], HEADER + BODY)
    relay.wait_empty()
    got, = sink.messages
    assert got.sender == "app@corp.example" and got.recipients == ["j@sink.example"]
    head = fields(got)
    assert b'From: "App, web" <app@corp.example>' in head
    assert b"To: =?utf-8?q?J=C3=BCrgen?= <j@sink.example>, team: k@sink.example, (c) " \
           b"root@corp.example;" in head
    assert b"X-Environment: test" in head and b"Subject: x" in head
    assert not any(f.startswith((b"Bcc", b"X-Secret")) for f in head)
    received, = [f for f in head if f.startswith(b"Received:")]
    assert received.startswith(b"Received: by ") and b"127.0.0.1" not in received
    assert got.data.endswith(b"\r\n" + BODY)
    event = relay.wait_event("header-rewritten")
    assert event["header"] == "From,To,-Bcc,-X-Secret,+X-Environment"
    assert relay.wait_event("accepted")["ip"] == "127.0.0.1"  # the log still tells
    assert "outpost_headers_rewritten_total 1" in relay.word("metrics")


def test_forced_from(relay, sink):
    relay.set("rewrite", **{"from": ["*@corp.example = noreply@sink.example"]}).start()
    relay.send("a@corp.example", ["r@sink.example"], b"From: A <a@corp.example>\r\n\r\nx\r\n")
    relay.send("a@corp.example", ["r@sink.example"],
               b"From: a@corp.example\r\nReply-To: b@corp.example\r\n\r\nx\r\n")
    relay.send("a@corp.example", ["r@sink.example"], b"Subject: none\r\n\r\nx\r\n")
    relay.wait_empty()
    heads = [sorted(f for f in fields(m) if f.startswith((b"From", b"Reply-To")))
             for m in sink.messages]
    assert sorted(heads) == [
        [b"From: <noreply@sink.example>"],
        [b"From: A <noreply@sink.example>", b"Reply-To: A <a@corp.example>"],
        [b"From: noreply@sink.example", b"Reply-To: b@corp.example"]]


def test_signatures(relay, sink):
    signed = b"DKIM-Signature: v=1; h=from:to;\r\n\tb=x\r\nFrom: root\r\nCc: bob\r\n\r\nx\r\n"
    relay.set("rewrite", domain="corp.example").start()
    relay.send("a@corp.example", ["r@sink.example"], signed)
    relay.wait_empty()
    head = fields(sink.messages[0])
    assert b"From: root" in head and b"Cc: bob@corp.example" in head
    assert relay.wait_event("signature-kept")["header"] == "From"
    relay.set("rewrite", on_signed="change")
    reload(relay)
    relay.send("a@corp.example", ["r@sink.example"], signed)
    relay.wait_empty()
    assert b"From: root@corp.example" in fields(sink.messages[1])
    assert relay.wait_event("signature-broken")["header"] == "From"
    relay.set("rewrite", on_signed="refuse")
    reload(relay)
    try:
        relay.send("a@corp.example", ["r@sink.example"], signed)
        assert False, "it was accepted"
    except smtplib.SMTPDataError as e:
        assert e.smtp_code == 550 and b"a signature covers" in e.smtp_error
    metrics = relay.word("metrics")
    for name in ("kept", "broken", "refused"):
        assert f"outpost_signed_{name}_total 1" in metrics


def test_unqualified(relay, sink):
    relay.config["hostname"] = "sink.example"
    relay.start()
    relay.send("root", ["bob"], b"From: root\r\nTo: bob\r\n\r\nx\r\n")
    relay.wait_empty()
    got, = sink.messages
    assert got.sender == "root@sink.example" and got.recipients == ["bob@sink.example"]
    assert b"To: bob@sink.example" in fields(got)
    relay.set("rewrite", unqualified="refuse")
    reload(relay)
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        client.ehlo()
        assert client.docmd("MAIL FROM:<root>")[0] == 501
        assert client.docmd("MAIL FROM:<a@b.example>")[0] == 250
        assert client.docmd("RCPT TO:<postmaster>")[0] == 250
        assert client.docmd("RCPT TO:<bob>")[0] == 501
