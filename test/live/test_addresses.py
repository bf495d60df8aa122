"""Hosts with addresses of both families, and the addresses we call from."""
import json
import socket

import pytest

from relay import wait_for
from test_delivery import MESSAGE

RACE = "mx.race.example"  # 127.0.2.10 and ::1


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


class BlackHole:
    """A listening socket whose queue is full: whoever calls hears nothing."""

    def __init__(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.server = socket.socket(family)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind((address, port))
        self.server.listen(0)
        self.callers = []
        for _ in range(64):
            caller = socket.socket(family)
            self.callers.append(caller)
            caller.settimeout(0.3)
            try:
                caller.connect((address, port))
            except TimeoutError:
                return
        raise AssertionError("its queue has no end")

    def close(self):
        for s in [*self.callers, self.server]:
            s.close()


@pytest.fixture
def hole(mx_port):
    made = []

    def new(address):
        made.append(BlackHole(address, mx_port))

    yield new
    for one in made:
        one.close()


def send(relay, to="b@race.example", text="hello"):
    relay.send("a@sender.example", to, MESSAGE + text + "\r\n")


@needs_ipv6
def test_ipv6_first(relay, new_receiver):
    v4, v6 = new_receiver(RACE), new_receiver(RACE, address="::1")
    relay.start()
    send(relay)
    wait_for(v6.count)
    assert v4.sessions == 0
    assert relay.wait_event("delivered")["ip"] == "::1"


def test_refused_over_one_family(relay, new_receiver):
    v4 = new_receiver(RACE)
    relay.start()
    send(relay)
    wait_for(v4.count)
    assert relay.wait_event("delivered")["ip"] == "127.0.2.10"
    assert not relay.events("deferred")


@needs_ipv6
@pytest.mark.parametrize("dead,address", [("::1", "127.0.2.10"), ("127.0.2.10", "::1")])
def test_black_hole(relay, new_receiver, hole, dead, address):
    """The connect time-out is far beyond the patience of this test."""
    hole(dead)
    receiver = new_receiver(RACE, address=address)
    relay.set("delivery", connect_timeout="10m").start()
    for i in range(1, 6):
        send(relay)
        wait_for(lambda: receiver.count() == i)
    relay.wait_empty()
    assert not relay.events("deferred")


@needs_ipv6
def test_black_hole_within_one_connection(relay, new_receiver, hole):
    hole("::1")
    receiver = new_receiver(RACE)
    relay.set("delivery", connect_timeout="10m", max_connections_per_destination=1).start()
    send(relay)
    wait_for(receiver.count)


@needs_ipv6
def test_a_better_host_that_is_a_black_hole(relay, new_receiver, hole, mx_port):
    """two.example: the first host never answers, the second takes over."""
    hole("127.0.2.2")
    receiver = new_receiver("up.two.example")
    relay.set("delivery", connect_timeout="10m").start()
    send(relay, "b@two.example")
    wait_for(receiver.count, 20)


@needs_ipv6
@pytest.mark.parametrize("where", ["mail", "rcpt", "stored", "greet"])
def test_refused_for_coming_by_ipv6(relay, new_receiver, where):
    no = "550 5.7.25 no PTR record for this address"
    v4 = new_receiver(RACE)
    v6 = new_receiver(RACE, address="::1", **{where: lambda *_: no})
    relay.start()
    send(relay)
    wait_for(v4.count)
    relay.wait_empty()
    assert relay.totals()["bounced"] == 0 and not relay.events("deferred")
    assert relay.wait_event("ipv6-avoided")["destination"] == RACE
    before = v6.sessions
    send(relay)
    wait_for(lambda: v4.count() == 2)
    assert v6.sessions == before and v6.count() == 0
    said = relay.command("explain", "--from", "a@sender.example", "b@race.example")
    assert "ipv6        tried last for another" in said, said


def with_sources(relay, *names, section="delivery"):
    relay.add("source", name="out1", address="127.0.0.2", address6="::1", helo="one.relay.example")
    relay.add("source", name="out2", address="127.0.0.3", helo="two.relay.example")
    relay.add("source", name="foreign", address="192.0.2.1", helo="no.relay.example")
    return relay.set("delivery", sources=list(names)) if section == "delivery" else relay


HELO = {"127.0.0.2": "one.relay.example", "::1": "one.relay.example",
        "127.0.0.3": "two.relay.example"}


def test_a_destination_keeps_its_source(relay, sink, new_receiver):
    other = new_receiver("mx.other.example")
    with_sources(relay, "out1", "out2")
    relay.start()
    for life in range(2):
        for i in range(1, 4):
            send(relay, "b@sink.example")
            send(relay, "b@other.example")
            wait_for(lambda: sink.count() == 3 * life + i == other.count())
        relay.wait_empty()
        if not life:
            assert relay.stop() == 0
            relay.start()
    for receiver in (sink, other):
        peers = {m.peer for m in receiver.messages}
        assert len(peers) == 1 and peers <= {"127.0.0.2", "127.0.0.3"}, peers
        assert {m.helo for m in receiver.messages} == {HELO[peers.pop()]}
    made = relay.wait_event("outgoing", destination="sink.example")
    assert made["source"] == sink.messages[0].peer


@needs_ipv6
def test_each_family_has_its_address(relay, new_receiver):
    v6 = new_receiver(RACE, address="::1")
    with_sources(relay, "out1").start()
    send(relay)
    wait_for(v6.count)
    assert v6.messages[0].helo == "one.relay.example"


@needs_ipv6
def test_no_source_of_the_family(relay, new_receiver):
    v6 = new_receiver(RACE, address="::1")
    with_sources(relay, "out2").start()
    send(relay, "b@six.example")
    event = relay.wait_event("deferred")
    assert "none of the sources for it has an IPv6 address" in json.dumps(event), event
    assert v6.sessions == 0 and relay.totals()["bounced"] == 0


def test_a_foreign_address(relay, sink):
    with_sources(relay, "foreign", "out2")
    relay.write_config()
    checked = relay.command("check")
    assert "warning: source \"foreign\" cannot be used on this machine: 192.0.2.1" in checked
    relay.start()
    assert "foreign" in relay.wait_event("warning")["text"]
    for i in range(1, 21):
        relay.send("a@sender.example", f"b@sink.example", MESSAGE)
        wait_for(lambda: sink.count() == i)
    assert {m.peer for m in sink.messages} == {"127.0.0.3"}
    assert len(relay.events("source-refused")) <= 1


def test_only_a_foreign_address(relay, sink):
    with_sources(relay, "foreign").start()
    send(relay, "b@sink.example")
    assert relay.wait_event("source-refused")["source"] == "192.0.2.1"
    wait_for(lambda: relay.events("deferred"))
    assert sink.sessions == 0 and relay.totals()["bounced"] == 0
    said = relay.command("explain", "--from", "a@sender.example", "b@sink.example")
    assert "source      foreign, 192.0.2.1, as no.relay.example; not usable at present" in said, said
    assert "sources       1 cannot be used on this machine" in relay.command("status")
    relay.set("delivery", sources=["out1"])  # the operator sees it, and mends it
    relay.reload()
    wait_for(sink.count)
    assert sink.messages[0].peer == "127.0.0.2"


def test_a_route_has_sources_of_its_own(relay, sink, new_receiver):
    smart = new_receiver("smart.example")
    with_sources(relay, "out1")
    relay.add("route", recipients=["*@anywhere.example"], hosts=[f"smart.example:{smart.port}"],
              sources=["out2"])
    relay.start()
    send(relay, "b@anywhere.example")
    send(relay, "b@sink.example")
    wait_for(lambda: smart.count() and sink.count())
    assert (smart.messages[0].peer, smart.messages[0].helo) == ("127.0.0.3", "two.relay.example")
    assert (sink.messages[0].peer, sink.messages[0].helo) == ("127.0.0.2", "one.relay.example")
