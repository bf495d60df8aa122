"""Eight bits and servers of seven: what arrives is seven bits and says the same."""
import email
import email.policy
from email.message import EmailMessage

import pytest

from relay import wait_for
from test_binary import ANY_BYTE, body_of, submit
from test_esmtp import UTF8_SENDER

SEVEN = ["PIPELINING", "ENHANCEDSTATUSCODES", "SIZE 104857600"]
EIGHT = email.policy.SMTP.clone(cte_type="8bit")


def parts_of(data):
    """(type, content) of each part that has no parts."""
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    return [(p.get_content_type(), p.get_payload(decode=True)) for p in message.walk()
            if not p.is_multipart()]


def letter(lines=20):
    m = EmailMessage(policy=EIGHT)
    m["Subject"] = "x"
    m["From"], m["To"] = "a@sender.example", "b@sink.example"
    m.set_content("Grüße = \r\n.\r\nFrom Æ \r\n" * lines, cte="8bit")
    m.add_alternative("<p>Grüße</p>\r\n" * lines, subtype="html", cte="8bit")
    m.add_attachment(ANY_BYTE * lines, maintype="application", subtype="x-any")
    inner = EmailMessage(policy=EIGHT)
    inner["Subject"] = "inner"
    inner.set_content("innen: ä\r\n", cte="8bit")
    m.add_attachment(inner, cte="8bit")
    return m.as_bytes()


def send(relay, data, sender="a@sender.example", **how):
    with relay.client() as client:
        client.ehlo()
        client.sendmail(sender, ["b@sink.example"], data, **how)


@pytest.mark.parametrize("lines", [20, 20000], ids=["small", "large"])
def test_every_part_says_the_same(relay, sink, lines):
    sink.extensions = SEVEN
    relay.start()
    data = letter(lines)
    send(relay, data)
    wait_for(sink.count)
    message = sink.messages[0]
    assert message.data.isascii()
    assert max(len(line) for line in message.data.split(b"\r\n")) <= 998
    assert "BODY" not in message.sender_parameters
    assert parts_of(message.data) == parts_of(data)
    wait_for(lambda: not relay.queue())


def test_seven_bits_are_left_alone(relay, sink):
    sink.extensions = SEVEN
    relay.start()
    data = b"Subject: x\r\n\r\nplain = \r\n"
    send(relay, data, mail_options=["BODY=8BITMIME"])  # most clients say so of everything
    wait_for(sink.count)
    assert sink.messages[0].data.endswith(b"\r\n" + data)


def test_eight_bits_are_seen_where_nobody_declared_them(relay, sink):
    relay.start()
    send(relay, b"Subject: x\r\n\r\n\xe4\r\n")
    wait_for(sink.count)
    assert "BODY=8BITMIME" in sink.messages[0].sender_parameters


def test_as_it_is(relay, sink):
    sink.extensions = SEVEN
    relay.set("delivery", on_no_8bitmime="send")
    relay.start()
    data = letter()
    send(relay, data)
    wait_for(sink.count)
    assert sink.messages[0].data.endswith(b"\r\n" + data)
    assert "BODY" not in sink.messages[0].sender_parameters


def test_back_to_the_sender(relay, sink):
    sink.extensions = SEVEN
    relay.set("delivery", on_no_8bitmime="bounce")
    relay.start()
    send(relay, letter(), sender="a@sink.example")
    wait_for(sink.count)
    report = sink.messages[0].data
    assert b"Status: 5.6.3" in report and b"does not offer 8BITMIME" in report


@pytest.mark.parametrize("repeats", [1, 4000], ids=["small", "large"])
def test_binary_becomes_base64(relay, sink, repeats):
    sink.extensions = SEVEN
    relay.start()
    text = b"MIME-Version: 1.0\r\nContent-Type: application/x-any\r\n"
    submit(relay, body_of(repeats), extra=text)
    wait_for(sink.count)
    message = sink.messages[0]
    assert message.data.isascii()
    assert parts_of(message.data) == [("application/x-any", body_of(repeats))]


def test_a_report_to_an_address_beyond_ascii(relay, sink):
    sink.extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
    sink.moods["rcpt"] = lambda session, to: "550 5.1.1 no" if to.startswith("b@") else None
    relay.start()
    sender = UTF8_SENDER.split("@")[0] + "@sink.example"
    send(relay, "Subject: Grüße\r\n\r\nx\r\n".encode(), sender=sender,
         mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    wait_for(sink.count)
    message = sink.messages[0]
    assert "SMTPUTF8" in message.sender_parameters and "8BITMIME" in message.sender_parameters
    report = email.message_from_bytes(message.data)
    assert [p.get_content_type() for p in report.get_payload()] == [
        "text/plain", "message/global-delivery-status", "message/global-headers"]
    assert f"X-Outpost-Sender: utf-8; {sender}".encode() in message.data


def test_a_report_about_utf8_to_an_ascii_address(relay, sink):
    sink.extensions = SEVEN
    sink.moods["rcpt"] = lambda session, to: "550 5.1.1 no" if to.startswith("b@") else None
    relay.start()
    send(relay, "Subject: Grüße\r\n\r\nx\r\n".encode(), sender="a@sink.example")
    wait_for(sink.count)
    message = sink.messages[0]
    assert message.data.isascii()
    text, status, header = email.message_from_bytes(message.data).get_payload()
    assert status.get_content_type() == "message/delivery-status"
    assert header.get_content_type() == "message/global-headers"
    assert header["Content-Transfer-Encoding"] == "quoted-printable"
    assert b"Subject: Gr=C3=BC=C3=9Fe" in message.data
