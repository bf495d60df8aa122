"""Aliases, maps and staging, as the remote sees them."""
import smtplib

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
