"""Nothing is smuggled, nothing is buffered without end, and every byte arrives."""
import random

import pytest

from relay import wait_for

# Ends of a message that other servers have taken for one, with a second message behind them.
FALSE_ENDS = {
    "LF dot LF": b"\n.\n",
    "LF dot CRLF": b"\n.\r\n",
    "CRLF dot LF": b"\r\n.\n",
    "CR dot CR": b"\r.\r",
    "CR dot CRLF": b"\r.\r\n",
    "CRLF dot CR": b"\r\n.\r",
    "CR LF dot CR LF with a NUL": b"\r\n\0.\r\n",
    "CRLF dot CR CRLF": b"\r\n.\r\r\n",
}
SECOND = (b"MAIL FROM:<forged@sender.example>\r\nRCPT TO:<victim@sink.example>\r\nDATA\r\n"
          b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")


@pytest.mark.parametrize("end", FALSE_ENDS.values(), ids=FALSE_ENDS.keys())
def test_smuggling(relay, sink, end):
    relay.start()
    with relay.raw() as client:
        client.envelope("a@sender.example", "b@sink.example")
        client.socket.sendall(b"Subject: first\r\n\r\nfirst" + end + SECOND)
        answer = client.reply()
        assert answer.startswith("5"), answer
        assert client.reply() == "" and client.is_closed()
    relay.send("a@sender.example", "after@sink.example", "Subject: after\r\n\r\nafter\r\n")
    wait_for(sink.count)
    assert sink.recipients() == ["after@sink.example"]


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\rOP\r\n", b"NOOP\r\r\n", b"NO\0OP\r\n"])
def test_bad_line_ends_in_commands(relay, line):
    relay.start()
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say(line, "500 5.5.")
        assert client.is_closed()


def test_old_manners(relay, sink):
    """As text books and old programs have it."""
    relay.start()
    with relay.raw() as client:
        client.say("helo there\r\n", "250")
        client.say("mail from: <a@sender.example>\r\n", "250")
        client.say("RcPt To: b@sink.example\r\n", "250")
        client.say("data\r\n", "354")
        client.say("Subject: old\r\n\r\nold\r\n.\r\n", "250 2.0.0")
        client.say("vrfy b@sink.example\r\n", "252")
        client.say("noop something\r\n", "250")
        client.say("help\r\n", "214")
        client.say("rset\r\n", "250")
        client.say("quit\r\n", "221")
        assert client.is_closed()
    wait_for(sink.count)
    assert b"with SMTP\r\n" in sink.messages[0].data


def test_everything_in_one_packet(relay, sink):
    relay.start()
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.socket.sendall(
            b"MAIL FROM:<a@sender.example> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<b@sink.example>\r\n"
            b"RCPT TO:<not an address>\r\nRCPT TO:<c@sink.example>\r\nDATA\r\n")
        codes = [client.reply()[:3] for _ in range(5)]
        assert codes == ["250", "250", "501", "250", "354"]
        client.socket.sendall(b"Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
        assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "250", "221"]
    wait_for(sink.count)
    assert sorted(sink.recipients()) == ["b@sink.example", "c@sink.example"]


def test_unknown_commands_are_limited(relay):
    relay.start()
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say("XYZZY\r\n", "500 5.5.2")
        client.say("MAIL FRUM:<a@sender.example>\r\n", "501 5.5")
        client.say("RCPT TO:<b@sink.example>\r\n", "503 5.5.1")
        client.say("DATA\r\n", "503 5.5.1")
        answers = []
        for _ in range(200):
            try:
                answers.append(client.say("FOO\r\n"))
            except OSError:
                break
            if not answers[-1] or answers[-1].startswith("421"):
                break
        assert len(answers) < 100, "it never ends"
        assert client.is_closed()


def test_long_command_line(relay):
    relay.start()
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say("NOOP " + "x" * 3000 + "\r\n", "500 5.5.6")
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        try:
            for _ in range(2000):
                client.socket.sendall(b"x" * 10000)
        except OSError:
            pass  # it hung up, as it should
        assert client.reply()[:3] in ("500", "")
        assert client.is_closed()


def test_size_is_refused_when_declared(relay):
    relay.set("submission", max_message_size="100KiB").start()
    with relay.raw() as client:
        assert "SIZE 102400" in client.say("EHLO c.example\r\n", "250")
        client.say("MAIL FROM:<a@sender.example> SIZE=102401\r\n", "552 5.3.4")
        client.say("MAIL FROM:<a@sender.example> SIZE=102400\r\n", "250")


def test_size_is_refused_when_reached(relay, sink):
    relay.set("submission", max_message_size="100KiB").start()
    with relay.client() as client:
        client.ehlo()
        client.mail("a@sender.example")
        client.rcpt("b@sink.example")
        code, text = client.data(b"x" * 70 + b"\r\n" + b"y" * 50000 + b"\r\n" * 30000)
        assert (code, text[:5]) == (552, b"5.3.4")
        client.sendmail("a@sender.example", ["b@sink.example"], "Subject: small\r\n\r\nsmall\r\n")
    wait_for(sink.count)
    assert b"small" in sink.messages[0].data and sink.count() == 1


def test_too_many_recipients(relay, sink):
    relay.set("submission", max_recipients=3).start()
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say("MAIL FROM:<a@sender.example>\r\n", "250")
        for n in range(3):
            client.say(f"RCPT TO:<b{n}@sink.example>\r\n", "250")
        client.say("RCPT TO:<b3@sink.example>\r\n", "452 4.5.3")
        client.say("DATA\r\n", "354")
        client.say("Subject: x\r\n\r\nx\r\n.\r\n", "250")
    wait_for(sink.count)
    assert len(sink.recipients()) == 3


def test_idle_client_is_sent_away(relay):
    relay.set("submission", idle_timeout="300ms").start()
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        assert client.reply().startswith("421 4.") and client.is_closed()


HEADER = b"Subject: bytes\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <x@sender.example>\r\n\r\n"
BODIES = {
    "empty": b"",
    "one line": b"hello\r\n",
    "dots": b".\r\n..\r\n.leading\r\n...\r\n. \r\nend.\r\n.\r\n",
    "blank lines at the end": b"x\r\n\r\n\r\n",
    "eight bits": bytes(b for b in range(1, 256) if b not in (10, 13)) * 3 + b"\r\n",
    "line of 998": b"x" * 998 + b"\r\n",
    "line of 60000": b"y" * 60000 + b"\r\n",
    "blanks at line ends": b"a \t \r\n\t\r\n \r\n",
    "many short lines": b"z\r\n" * 50000,
    "dot at each block's edge": (b"." + b"q" * 1021 + b"\r\n") * 600,
}


def submitted(relay, data):
    """As bytes, without smtplib's own ideas about line ends."""
    with relay.raw() as client:
        client.envelope("a@sender.example", "b@sink.example")
        stuffed = (b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:]
        client.say(stuffed + b".\r\n", "250 2.0.0")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_every_byte_arrives(relay, sink, body):
    relay.start()
    submitted(relay, HEADER + body)
    wait_for(sink.count)
    got = sink.messages[0].data
    assert got.startswith(b"Received: ") and got.endswith(HEADER + body)
    added = got[:-len(HEADER + body)]
    assert added.count(b"\r\n") == added.count(b"\n") and b"\r\n\r\n" not in added
    relay.wait_empty()


def test_every_byte_of_twenty_mebibytes(relay, sink):
    rng = random.Random(1)
    body = b"".join(
        rng.choice([b".", b"", b"a"]) + rng.randbytes(60000).translate(None, b"\r\n\0") + b"\r\n"
        for _ in range(20 * 1024 * 1024 // 59000))
    relay.start()
    submitted(relay, HEADER + body)
    wait_for(sink.count, 60)
    assert sink.messages[0].data.endswith(HEADER + body)


def test_bytes_across_a_restart(relay, new_receiver):
    """Read back from the journal, not from memory."""
    relay.start()
    body = BODIES["dots"] + BODIES["eight bits"] + BODIES["dot at each block's edge"]
    submitted(relay, HEADER + body)
    relay.wait_event("deferred")
    relay.kill()
    sink = new_receiver()
    relay.start()
    wait_for(sink.count)
    assert sink.messages[0].data.endswith(HEADER + body)


def test_longer_lines_of_a_message_are_refused(relay):
    relay.start()
    with relay.raw() as client:
        client.envelope("a@sender.example", "b@sink.example")
        client.say(HEADER + b"x" * 200000 + b"\r\n.\r\n", "550 5.6.0")
        client.say("NOOP\r\n", "250")
