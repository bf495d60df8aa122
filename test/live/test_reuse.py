"""One connection for many messages and one message for many recipients, at real servers."""
import re

from relay import wait_for

BODY = "Subject: %s\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n"


def sessions(postfix, before):
    """What Postfix counted of each session since then: {"mail": "3", "bdat": "3", ...}."""
    return [dict(pair.split("=") for pair in line.split() if "=" in pair)
            for line in re.findall(r"disconnect from \S+ (.*)", postfix.log()[before:])]


def test_postfix_gets_chunks_over_one_connection(relay, postfix):
    relay.set("delivery", max_connections_per_destination=1)
    relay.start()
    before = len(postfix.log())
    relay.post("/pause?all=1")
    for i in range(10):
        relay.send("a@sender.example", "b@postfix.example", BODY % f"chunk-{i}-")
    relay.post("/resume?all=1")
    for i in range(10):
        mail = postfix.wait_mail(f"chunk-{i}-")
        assert mail.endswith(b"\n.dot\n..two\n.\nend\n\n") or mail.endswith(b"\n.dot\n..two\n.\nend\n")
    relay.wait_empty()
    (counts,) = wait_for(lambda: sessions(postfix, before), 20)  # the idle connection has ended
    assert (counts["mail"], counts["bdat"]) == ("10", "10"), counts
    assert "data" not in counts and "rset" not in counts, counts
    assert relay.totals()["delivered"] == 10


def test_chunking_can_be_switched_off(relay, postfix):
    relay.set("delivery", chunking=False, idle_timeout="0s")
    relay.start()
    before = len(postfix.log())
    relay.send("a@sender.example", "b@postfix.example", BODY % "by-data")
    postfix.wait_mail("by-data")
    (counts,) = wait_for(lambda: sessions(postfix, before))
    assert counts["data"] == "1" and "bdat" not in counts, counts


def test_more_recipients_than_postfix_takes(relay, postfix):
    """Its own limit of ten is not told in EHLO: 452 4.5.3, and the rest follows at once."""
    relay.add("route", hosts=[f"mx.postfix.example:{postfix.few_port}"], tls="opportunistic")
    relay.set("delivery", idle_timeout="0s")
    relay.start()
    before = len(postfix.log())
    relay.send("a@sender.example", [f"u{i}@postfix.example" for i in range(35)], BODY % "many")
    relay.wait_empty()
    totals = relay.totals()
    assert (totals["delivered"], totals["deferred"]) == (35, 0), totals
    (counts,) = wait_for(lambda: sessions(postfix, before))
    # 35 RCPT at once, of which ten are taken; then it is known: 10, 10, 5.
    assert (counts["mail"], counts["rcpt"]) == ("4", "60"), counts


def test_messages_per_connection(relay, new_receiver):
    sink = new_receiver("mx.moody.example")
    relay.set("delivery", max_connections_per_destination=1, max_messages_per_connection=3)
    relay.start()
    relay.post("/pause?all=1")
    for i in range(10):
        relay.send("a@sender.example", "b@moody.example", BODY % i)
    relay.post("/resume?all=1")
    wait_for(lambda: sink.count() == 10)
    relay.wait_empty()
    assert [len([m for m in sink.messages if m.session == s])
            for s in sorted({m.session for m in sink.messages})] == [3, 3, 3, 1]
