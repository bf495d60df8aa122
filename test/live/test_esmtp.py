"""What MAIL and RCPT ask for: taken over a socket, kept over a crash, shown, and in what is sent on."""
import json
import os

import pytest

from relay import trusting, wait_for

UTF8_SENDER, UTF8_RECIPIENT = "\u00e4nn@sender.example", "b\u00f6b@sink.example"


def hold_everything(relay):
    relay.start()
    relay.post("/pause?all=1")
    return relay


def chunks(client, *pieces):
    """Replies to the pieces, all said at once."""
    data = b""
    for i, piece in enumerate(pieces):
        last = b" LAST" if i == len(pieces) - 1 else b""
        data += b"BDAT %d%s\r\n" % (len(piece), last) + piece
    client.socket.sendall(data)
    return [client.reply() for _ in pieces]


def shown(relay):
    (message,) = relay.queue()
    return relay.get(f"/queue/{message['id']}")


def test_parameters_outlive_a_crash(relay):
    hold_everything(relay)
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say(f"MAIL FROM:<{UTF8_SENDER}> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=Q+2B1\r\n", "250")
        client.say(f"RCPT TO:<{UTF8_RECIPIENT}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@x.example\r\n",
                   "250")
        client.say("RCPT TO:<c@sink.example>\r\n", "250")
        replies = chunks(client, b"Subject: \xc3\xa4\r\n\r\nx\r\n.", b"\r\n..\r\nend\r\n")
        assert [r[:3] for r in replies] == ["250", "250"], replies
    for _ in range(2):
        message = shown(relay)
        assert message["from"] == UTF8_SENDER
        assert message["smtputf8"] and "requiretls" not in message
        assert (message["ret"], message["envid"]) == ("HDRS", "Q+2B1")
        first, second = message["to"]
        assert (first["address"], first["notify"], first["orcpt"]) == (
            UTF8_RECIPIENT, "SUCCESS,DELAY", "rfc822;old@x.example")
        assert "notify" not in second and "orcpt" not in second
        text = relay.http("GET", f"/queue/{message['id']}?format=text")[1]
        assert "asks for  SMTPUTF8 RET=HDRS ENVID=Q+2B1\n" in text
        assert "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@x.example\n" in text
        relay.kill()
        relay.start()


def test_salvage_keeps_parameters_and_every_byte(relay, folder):
    hold_everything(relay)
    any_byte = bytes(b for b in range(1, 256) if b not in b"\r\n")
    body = b"Subject: x\r\n\r\n.\r\n..\r\n\xff" + (any_byte + b"\r\n.") * 400 + b"end\r\n"
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say("MAIL FROM:<a@sender.example> BODY=8BITMIME ENVID=Q1\r\n", "250")
        client.say("RCPT TO:<b@sink.example> NOTIFY=NEVER\r\n", "250")
        replies = chunks(client, *(body[i:i + 9999] for i in range(0, len(body), 9999)))
        assert all(r.startswith("250 2.0.0 ") for r in replies), replies
    relay.stop()
    to = os.path.join(folder, "saved")
    relay.command("queue", "salvage", "--to", to)
    (name,) = (n for n in os.listdir(to) if n.endswith(".eml"))
    with open(os.path.join(to, name), "rb") as f:
        assert f.read().endswith(b"\r\n" + body)
    with open(os.path.join(to, name[:-4] + ".envelope.json"), encoding="utf-8") as f:
        envelope = json.load(f)
    assert envelope["envid"] == "Q1"
    assert envelope["recipients"][0]["notify"] == "NEVER"


def test_show_body_gives_every_byte(relay):
    hold_everything(relay)
    body = b"Subject: x\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n"
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say("MAIL FROM:<a@sender.example> BODY=8BITMIME\r\nRCPT TO:<b@sink.example>\r\n", "250")
        client.reply()
        chunks(client, body)
    (message,) = relay.queue()
    status, text = relay.http("GET", f"/queue/{message['id']}/body")
    assert status == 200 and text.encode().endswith(b"\r\n" + body)


@pytest.mark.parametrize("sizes", [(1,) * 40, (7, 1, 64), (70000, 3, 200000), (0, 5, 0)], ids=str)
def test_a_chunked_message_arrives_whole(relay, sink, sizes):
    """Pipelined, with dots at every border, of text: as if DATA had brought it."""
    relay.start()
    text = b"Subject: x\r\n\r\n" + b".\r\n..\r\ntext.\r\n" * (sum(sizes) // 14 + 3)
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at:at + size])
        at += size
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say("MAIL FROM:<a@sender.example>\r\n", "250")
        client.say("RCPT TO:<b@sink.example>\r\n", "250")
        replies = chunks(client, *pieces, text[at:])
        assert all(r.startswith("250 2.0.0 ") for r in replies), replies
    wait_for(sink.count)
    assert sink.messages[0].data.endswith(b"\r\n" + text)


def test_smtplib_with_utf8(relay):
    hold_everything(relay)
    with relay.client() as client:
        client.ehlo()
        assert client.has_extn("smtputf8") and client.has_extn("dsn") and client.has_extn("chunking")
        client.sendmail(UTF8_SENDER, [UTF8_RECIPIENT], "Subject: x\r\n\r\nx\r\n",
                        mail_options=["SMTPUTF8", "BODY=8BITMIME", "RET=FULL"],
                        rcpt_options=["NOTIFY=FAILURE"])
    message = shown(relay)
    assert message["from"] == UTF8_SENDER and message["ret"] == "FULL"
    assert message["to"][0]["notify"] == "FAILURE"
    text = relay.http("GET", f"/queue/{message['id']}/body")[1]
    assert "with UTF8SMTP" in text


def test_requiretls_is_kept(relay):
    relay.start()
    relay.post("/pause?all=1")
    with relay.client() as client:
        client.ehlo()
        assert not client.has_extn("requiretls")
        client.starttls(context=trusting())
        client.ehlo()
        assert client.has_extn("requiretls")
        client.sendmail("a@sender.example", ["b@sink.example"], "Subject: x\r\n\r\nx\r\n",
                        mail_options=["REQUIRETLS"])
    assert shown(relay)["requiretls"] is True
