"""Where mail goes: MX, addresses, and name servers that fail."""
import dns.flags
import dns.message
import dns.rcode
import pytest

from names import refuse_with, silence
from relay import wait_for
from test_delivery import MESSAGE, report_of


def test_address_without_mx(relay, new_receiver):
    receiver = new_receiver("implicit.example")
    relay.start()
    relay.send("a@sender.example", "x@implicit.example", MESSAGE)
    wait_for(receiver.count)


def test_alias(relay, sink):
    relay.start()
    relay.send("a@sender.example", "x@alias.example", MESSAGE)
    wait_for(sink.count)
    assert sink.recipients() == ["x@alias.example"]


def test_address_literal(relay, sink):
    relay.start()
    relay.send("a@sender.example", "x@[127.0.2.1]", MESSAGE)
    wait_for(sink.count)


@pytest.mark.parametrize("domain, status, words", [
    ("null.example", "5.1.10", "null MX"),
    ("gone.example", "5.1.2", ""),
    ("text.example", "5.1.2", ""),
    ("nowhere.example", "5.4.4", ""),
], ids=["null MX", "no such domain", "neither MX nor address", "MX without address"])
def test_mail_for_nobody_comes_back(relay, sender, domain, status, words):
    relay.start()
    relay.send("a@sender.example", f"x@{domain}", MESSAGE)
    _, blocks = report_of(sender)
    block = blocks[f"x@{domain}"]
    assert block["Action"] == "failed"
    assert block["Status"].startswith("5."), block["Status"]
    assert block["Status"] in (status, "5.1.2", "5.4.4"), block["Status"]
    assert words.lower() in (block["Diagnostic-Code"] or "").lower()
    relay.wait_empty()


def test_we_are_the_best_host_ourselves(relay, sender, sink):
    """The relay's own name in the MX set cuts the list: no loop, and nothing to worse hosts."""
    relay.start()
    relay.send("a@sender.example", "x@loop.example", MESSAGE)
    _, blocks = report_of(sender)
    assert blocks["x@loop.example"]["Status"] in ("5.4.6", "5.3.5", "5.4.4"), blocks["x@loop.example"]["Status"]
    assert sink.count() == 0


def test_private_addresses_are_not_used_unless_allowed(relay, sink):
    relay.set("delivery", allow_private_mx=False).start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(lambda: relay.events("deferred") + relay.events("bounced"))
    assert sink.sessions == 0


@pytest.mark.parametrize("mood", [silence, refuse_with(dns.rcode.SERVFAIL),
                                  refuse_with(dns.rcode.REFUSED)],
                         ids=["silence", "SERVFAIL", "REFUSED"])
def test_name_server_down_and_up_again(new_relay, sink, moody_dns, mood):
    server = moody_dns(mood)
    relay = new_relay(dns=server).set("dns", timeout="500ms").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    relay.wait_event("deferred", to="x@sink.example")
    assert sink.count() == 0 and relay.totals()["bounced"] == 0
    server.mood = None
    wait_for(sink.count, 20)
    relay.wait_empty()


def test_truncated_answer_is_asked_for_over_tcp(new_relay, sink, moody_dns):
    def mood(query, is_tcp):
        if is_tcp:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.TC
        return reply

    server = moody_dns(mood)
    relay = new_relay(dns=server).start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(sink.count)
    assert ("sink.example.", "MX", True) in server.questions


def test_answer_to_another_question_is_not_taken(new_relay, sink, moody_dns):
    """Right id, wrong name: as a forger would guess it."""
    state = {"forged": 0}

    def mood(query, is_tcp):
        if is_tcp or state["forged"] >= 3:
            return None
        state["forged"] += 1
        other = dns.message.make_query("forged.example.", query.question[0].rdtype)
        other.id = query.id
        return dns.message.make_response(other)

    relay = new_relay(dns=moody_dns(mood)).set("dns", timeout="5s").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(sink.count, 20)


def test_garbage_from_the_name_server(new_relay, sink, moody_dns):
    rounds = {"n": 0}

    def mood(query, is_tcp):
        rounds["n"] += 1
        wire = bytearray(query.to_wire())
        if rounds["n"] < 40 and not is_tcp:
            wire[2] |= 0x80  # an answer
            wire[6:8] = b"\xff\xff"  # with very many records
            return bytes(wire) + b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\xff\xff\xc0\xff" * (rounds["n"] % 5)
        return None

    relay = new_relay(dns=moody_dns(mood)).set("dns", timeout="500ms").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(sink.count, 60)


def test_one_question_for_many_messages(new_relay, sink, moody_dns):
    server = moody_dns()
    relay = new_relay(dns=server).start()
    for n in range(20):
        relay.send("a@sender.example", f"x{n}@sink.example", MESSAGE)
    wait_for(lambda: sink.count() == 20)
    assert len([q for q in server.questions if q[:2] == ("sink.example.", "MX")]) == 1
