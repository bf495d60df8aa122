"""What becomes of a message when the other side has moods: retries, reports, other hosts."""
import threading

import pytest

from postfix import parsed
from receiver import Drop
from relay import wait_for

MESSAGE = "Subject: to be delivered\r\nFrom: a@sender.example\r\n\r\nhello\r\n"


def report_of(receiver):
    """The first delivery report in this mailbox, taken apart: (mail, {recipient: fields})."""
    message = wait_for(lambda: [m for m in receiver.messages if m.sender == ""])[0]
    mail = parsed(message.data)
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "delivery-status"
    text, status, original = mail.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    assert original.get_content_type() in ("text/rfc822-headers", "message/rfc822")
    blocks = status.get_payload()
    assert blocks[0]["Reporting-MTA"] == "dns; relay.example"
    return mail, {b["Final-Recipient"].split(";")[1].strip(): b for b in blocks[1:]}


def test_refused_recipient_comes_back_as_a_report(relay, new_receiver, sender):
    moody = new_receiver("mx.moody.example", rcpt=lambda s, a: (
        "550 5.1.1 nobody of that name" if a.startswith("gone") else None))
    relay.start()
    relay.send("a@sender.example", ["good@moody.example", "gone@moody.example"], MESSAGE)
    mail, blocks = report_of(sender)
    assert mail["To"].addresses[0].addr_spec == "a@sender.example"
    assert mail["Auto-Submitted"].startswith("auto-")
    assert list(blocks) == ["gone@moody.example"]
    block = blocks["gone@moody.example"]
    assert block["Action"] == "failed" and block["Status"] == "5.1.1"
    assert "550 5.1.1 nobody of that name" in block["Diagnostic-Code"]
    assert "mx.moody.example" in block["Remote-MTA"]
    assert "Subject: to be delivered" in mail.as_string()
    assert "nobody of that name" in next(mail.iter_parts()).get_content()
    assert moody.recipients() == ["good@moody.example"]
    relay.wait_empty()
    totals = relay.totals()
    assert (totals["delivered"], totals["bounced"]) == (2, 1)
    bounced = relay.wait_event("bounced", to="gone@moody.example")
    assert "550 5.1.1 nobody of that name" in bounced["reply"]


def test_report_to_a_real_mailbox(relay, postfix):
    relay.start()
    relay.send("a@postfix.example", "refused@postfix.example", MESSAGE)
    mail = parsed(postfix.wait_mail("delivery-status"))
    assert mail.get_content_type() == "multipart/report"
    assert mail["Return-Path"] == "<>"
    relay.wait_empty()


def test_no_report_for_a_report(relay, new_receiver):
    new_receiver("mx.moody.example", rcpt=lambda s, a: "550 5.1.1 no")
    relay.start()
    relay.send("", "gone@moody.example", MESSAGE)
    relay.wait_event("bounced")
    relay.wait_empty()
    relay.wait_event("report-dropped")
    assert not relay.events("reported")


def test_message_refused_after_the_dot(relay, new_receiver, sender):
    new_receiver("mx.moody.example", stored=lambda s, m: "554 5.7.1 smells of spam")
    relay.start()
    relay.send("a@sender.example", ["x@moody.example", "y@moody.example"], MESSAGE)
    _, blocks = report_of(sender)
    assert sorted(blocks) == ["x@moody.example", "y@moody.example"]
    assert all(b["Status"] == "5.7.1" for b in blocks.values())


def test_greylisting(relay, new_receiver):
    seen = []

    def rcpt(_session, address):
        seen.append(address)
        return "451 4.7.1 come back later" if len(seen) <= 2 else None

    moody = new_receiver("mx.moody.example", rcpt=rcpt)
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(moody.count)
    relay.wait_empty()
    assert len(seen) == 3 and moody.count() == 1
    deferred = relay.events("deferred", to="x@moody.example")
    assert len(deferred) == 2 and "451 4.7.1 come back later" in deferred[0]["reply"]


def test_each_recipient_has_its_own_fate(relay, new_receiver, sender):
    tries = {}

    def rcpt(_session, address):
        tries[address] = tries.get(address, 0) + 1
        if address.startswith("later"):
            return "450 4.2.1 mailbox busy" if tries[address] == 1 else None
        return "550 5.1.1 no" if address.startswith("gone") else None

    moody = new_receiver("mx.moody.example", rcpt=rcpt)
    relay.start()
    relay.send("a@sender.example", [f"{w}@moody.example" for w in ("now", "later", "gone")], MESSAGE)
    relay.wait_empty()
    assert sorted(moody.recipients()) == ["later@moody.example", "now@moody.example"]
    assert tries["now@moody.example"] == 1 and tries["gone@moody.example"] == 1
    assert list(report_of(sender)[1]) == ["gone@moody.example"]


def test_connection_lost_after_the_message(relay, new_receiver):
    """Nobody knows whether it was taken: it is sent again, and the log says that this may double."""
    def stored(session, _message):
        if session.number == 1:
            raise Drop()

    moody = new_receiver("mx.moody.example", stored=stored)
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(moody.count)
    relay.wait_empty()
    assert moody.received == 2 and moody.count() == 1
    relay.wait_event("unsure")


def test_connection_lost_before_the_message(relay, new_receiver):
    def rcpt(session, _address):
        if session.number <= 2:
            raise Drop()

    moody = new_receiver("mx.moody.example", rcpt=rcpt)
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(moody.count)
    relay.wait_empty()
    assert moody.received == 1 and not relay.events("unsure")


def test_greeting_that_refuses(relay, new_receiver):
    moody = new_receiver("mx.moody.example", greet=lambda s: (
        "421 4.3.2 too busy" if s.number == 1 else None))
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(moody.count)
    assert "421 4.3.2 too busy" in str(relay.events("deferred") + relay.events("connect-failed"))


def test_server_without_extensions(relay, new_receiver):
    moody = new_receiver("mx.moody.example", ehlo=lambda s: "502 5.5.1 EHLO is too new for me")
    relay.start()
    relay.send("a@sender.example", ["x@moody.example", "y@moody.example"], MESSAGE)
    wait_for(moody.count)
    assert [line for _, line in moody.commands][1] == "HELO relay.example"


def test_second_mail_host_when_the_first_is_down(relay, new_receiver):
    up = new_receiver("up.two.example")
    relay.start()
    relay.send("a@sender.example", "x@two.example", MESSAGE)
    wait_for(up.count)
    assert relay.wait_event("delivered")["host"] == "up.two.example"


def test_second_mail_host_when_the_first_is_busy(relay, new_receiver):
    up = new_receiver("up.two.example")
    new_receiver("down.two.example", greet=lambda s: "421 4.3.2 too busy")
    relay.start()
    relay.send("a@sender.example", "x@two.example", MESSAGE)
    wait_for(up.count)


def test_dead_host_comes_back(relay, new_receiver):
    relay.start()
    for n in range(20):
        relay.send("a@sender.example", f"x{n}@moody.example", MESSAGE)
    relay.wait_event("deferred")
    assert relay.queued() == 20
    moody = new_receiver("mx.moody.example")
    wait_for(lambda: moody.count() == 20, 20)
    relay.wait_empty()


def test_connections_are_used_again(relay, sink):
    relay.start()
    with relay.client() as client:
        for n in range(100):
            client.sendmail("a@sender.example", [f"x{n}@sink.example"], MESSAGE)
    wait_for(lambda: sink.count() == 100)
    assert sink.sessions <= 20, "one connection for each message"


def test_no_more_connections_than_allowed(relay, new_receiver):
    gate = threading.Event()
    now, most = [0], [0]

    def data(_session):
        now[0] += 1
        most[0] = max(most[0], now[0])
        gate.wait(10)
        now[0] -= 1

    moody = new_receiver("mx.moody.example", data=data)
    relay.set("delivery", max_connections_per_destination=3).start()
    for n in range(10):
        relay.send("a@sender.example", f"x{n}@moody.example", MESSAGE)
    wait_for(lambda: now[0] >= 1)
    gate.set()
    wait_for(lambda: moody.count() == 10)
    assert most[0] <= 3 and moody.sessions <= 4


def test_one_transaction_for_many_recipients(relay, sink):
    relay.start()
    relay.send("a@sender.example", [f"x{n}@sink.example" for n in range(100)], MESSAGE)
    wait_for(lambda: len(sink.recipients()) == 100)
    assert sink.count() == 1


def test_expiry_and_delay_warning(relay, new_receiver, sender):
    new_receiver("mx.moody.example", rcpt=lambda s, a: "450 4.2.2 mailbox full")
    relay.set("queue", lifetime="2s", warn_after="500ms").start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(lambda: sender.count() == 2, 20)
    relay.wait_empty()
    actions = []
    for message in sender.messages:
        blocks = list(parsed(message.data).iter_parts())[1].get_payload()
        actions.append(blocks[1]["Action"])
        assert "mailbox full" in blocks[1]["Diagnostic-Code"]
    assert actions == ["delayed", "failed"]
    assert relay.totals()["expired"] == 1
    relay.wait_event("expired", to="x@moody.example")


def test_large_message_to_a_server_with_a_small_limit(relay, new_receiver, sender):
    moody = new_receiver("mx.moody.example", extensions=["SIZE 1000", "PIPELINING"])
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE + "x" * 70 + "\r\n" * 2000)
    _, blocks = report_of(sender)
    assert blocks["x@moody.example"]["Status"].startswith("5.3.4")
    assert moody.received == 0
