"""Several smarthosts, the way back to the better one, fallbacks, and replies that were lost."""
import json
import threading

from names import HOSTS
from receiver import Drop
from relay import wait_for
from test_delivery import MESSAGE, report_of


def smarthosts(relay, port, *hosts, **keys):
    return relay.add("route", name="smart", recipients=["*@far.example"],
                     hosts=[f"{h}:{port}{rank}" for h, rank in hosts], tls="none", **keys)


def send(relay, n):
    relay.send("a@sender.example", f"r{n}@far.example", MESSAGE)


def hosts_told(relay):
    told = json.loads(relay.command("explain", "q@far.example", "--json"))
    return {h["name"]: h for h in told["recipients"][0]["hosts"]}


def test_one_dies_and_comes_back(relay, new_receiver, mx_port):
    better, worse = new_receiver("smart.example"), new_receiver("mx.other.example")
    smarthosts(relay, mx_port, ("smart.example", ""), ("mx.other.example", "")).start()
    send(relay, 1)
    wait_for(lambda: better.recipients() == ["r1@far.example"])
    assert worse.sessions == 0

    better.close()
    send(relay, 2)
    wait_for(lambda: worse.recipients() == ["r2@far.example"])
    skipped = relay.wait_event("host-skipped")
    assert skipped["host"] == "smart.example" and skipped["reason"]
    assert hosts_told(relay)["smart.example"]["failures"] >= 1
    assert relay.totals()["deferred"] == 0

    better = new_receiver("smart.example")
    sent = 2

    def one_more_goes_to_the_better_one():
        nonlocal sent
        sent += 1
        send(relay, sent)
        wait_for(lambda: len(better.recipients()) + len(worse.recipients()) == sent - 1)
        return better.count()

    wait_for(one_more_goes_to_the_better_one)
    assert relay.wait_event("host-back")["host"] == "smart.example"
    # From here on the worse one gets nothing, and its connections end.
    before = worse.count()
    for _ in range(5):
        one_more_goes_to_the_better_one()
    assert worse.count() == before
    wait_for(lambda: not worse.open)
    assert hosts_told(relay)["smart.example"] == {
        "name": "smart.example", "port": mx_port, "priority": 1, "weight": 1, "failures": 0,
        "skipped_s": 0}


def test_certificate_that_does_not_verify(relay, new_receiver, certs, mx_port):
    """The next host, and the log says why."""
    wrong = new_receiver("mx.other.example", context=certs.server_context("wrong-name"))
    right = new_receiver("smart.example", context=certs.server_context("smart"))
    relay.add("route", name="smart", recipients=["*@far.example"], tls="verify",
              hosts=[f"mx.other.example:{mx_port}", f"smart.example:{mx_port}"]).start()
    send(relay, 1)
    wait_for(right.count)
    assert wrong.count() == 0
    skipped = relay.wait_event("host-skipped")
    assert skipped["host"] == "mx.other.example", skipped
    assert "certificate" in skipped["reason"] or "name" in skipped["reason"], skipped


def test_421_in_the_middle(relay, new_receiver, mx_port):
    new_receiver("smart.example", mail=lambda s, a: "421 4.3.2 closing")
    other = new_receiver("mx.other.example")
    smarthosts(relay, mx_port, ("smart.example", ""), ("mx.other.example", "")).start()
    send(relay, 1)
    wait_for(other.count)
    assert relay.totals()["deferred"] == 0


def test_priority_goes_before_the_list(relay, new_receiver, mx_port):
    first, second = new_receiver("smart.example"), new_receiver("mx.other.example")
    smarthosts(relay, mx_port, ("smart.example", ",priority=2"),
               ("mx.other.example", ",priority=1, weight=5")).start()
    send(relay, 1)
    wait_for(second.count)
    assert first.sessions == 0
    text = relay.command("explain", "q@far.example")
    assert f"smart.example:{mx_port}, priority 2, weight 1\n" in text


def test_fallback(relay, new_receiver, sink, mx_port):
    """Nobody listens at the MX host; later it does."""
    sink.close()
    backup = new_receiver("smart.example")
    relay.add("route", name="backup", hosts=[f"smart.example:{mx_port}"], tls="none")
    relay.set("delivery", fallback="backup", fallback_after="1s").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(lambda: relay.events("deferred"))
    wait_for(lambda: backup.recipients() == ["x@sink.example"])
    fell = relay.wait_event("fallback")
    assert fell["destination"] == "mx.sink.example" and fell["route"] == "backup"
    assert "fallback    backup, in use: " in relay.command("explain", "y@sink.example")
    relay.wait_empty()
    assert "smart.example" in relay.command("why", "x@sink.example")

    again = new_receiver()

    def goes_directly():
        relay.send("a@sender.example", "y@sink.example", MESSAGE)
        relay.wait_empty()
        return again.count()

    wait_for(goes_directly)
    assert relay.wait_event("direct-again")["destination"] == "mx.sink.example"


def test_fallback_takes_no_mail_by_itself(relay, new_receiver, sink, mx_port):
    backup = new_receiver("smart.example")
    relay.add("route", name="backup", hosts=[f"smart.example:{mx_port}"], tls="none")
    relay.set("delivery", fallback="backup").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(sink.count)
    assert backup.sessions == 0


def test_unsure_is_sent_again(relay, new_receiver):
    times = []

    def lose(session, message):
        times.append(1)
        if len(times) == 1:
            raise Drop()

    receiver = new_receiver(stored=lose)
    relay.set("delivery", unsure_wait="300ms").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(receiver.count)
    assert relay.totals()["unsure"] == 1
    assert len(times) == 2


def test_unsure_is_told_and_not_sent_again(relay, new_receiver, sender):
    lost = threading.Event()

    def lose(session, message):
        lost.set()
        raise Drop()

    receiver = new_receiver(stored=lose)
    relay.set("delivery", on_unsure="bounce").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    _, blocks = report_of(sender)
    assert lost.is_set() and receiver.received == 1
    assert blocks["x@sink.example"]["Status"] == "5.4.2"
    relay.wait_empty()
    assert relay.totals()["unsure"] == 1
