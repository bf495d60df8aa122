"""Receivers that are treated as [[shape]] says, and whose replies mean what [[reply]] says."""
import pytest

from relay import wait_for

MESSAGE = "Subject: shaped\r\nFrom: a@sender.example\r\n\r\nhello\r\n"


def metric(relay, name):
    for line in relay.get("/metrics").splitlines():
        if line.startswith(f"outpost_{name} "):
            return float(line.split()[1])
    raise AssertionError(f"there is no metric outpost_{name}")


def test_a_rate_is_kept(relay, new_receiver):
    """One message an hour: the others wait, without a connection; another destination goes on."""
    slow = new_receiver("mx.moody.example")
    other = new_receiver("mx.other.example")
    relay.add("shape", name="slow", mx=["*.moody.example"], message_rate="1/h", max_connections=3)
    relay.start()
    for _ in range(5):
        relay.send("a@sender.example", "x@moody.example", MESSAGE)
        relay.send("a@sender.example", "x@other.example", MESSAGE)
    wait_for(lambda: other.count() == 5 and slow.count() > 0)
    wait_for(lambda: relay.queued() == 4)
    assert slow.count() == 1 and slow.sessions == 1
    said = relay.command("explain", "x@moody.example")
    assert "limits      3 connections" in said and "1 messages in 3600s" in said
    assert "shaped by slow" in said
    assert "shaped by" not in relay.command("explain", "x@other.example")


def test_a_storm_of_421(relay, new_receiver):
    """It refuses everybody for its rate: one attempt, then peace; another destination goes on."""
    stormy = new_receiver("mx.moody.example",
                          mail=lambda s, a: "421 4.7.28 unusual rate of mail")
    calm = new_receiver("mx.other.example")
    relay.add("reply", name="too-fast", mx=["*.moody.example"], code="421", text="*unusual rate*",
              then="back_off")
    relay.set("retry", first="200ms", max="1s").set("delivery", max_connections_per_destination=1)
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    deferred = relay.wait_event("deferred")
    assert deferred["rule"] == "too-fast" and float(deferred["next_s"]) > 1700
    rested = relay.wait_event("backed-off")
    assert rested["rule"] == "too-fast" and rested["for_s"] == "1800"
    sessions = stormy.sessions
    for _ in range(20):
        relay.send("a@sender.example", "x@moody.example", MESSAGE)
        relay.send("a@sender.example", "x@other.example", MESSAGE)
    wait_for(lambda: calm.count() == 20)
    assert stormy.sessions == sessions
    status = relay.command("status")
    assert "left in peace" in status and "rule too-fast" in status
    why = relay.command("why", "x@moody.example")
    assert "(rule too-fast)" in why
    assert metric(relay, "destinations_backed_off_total") == 1
    stormy.moods.clear()
    relay.command("queue", "retry", "--all")
    wait_for(lambda: stormy.count() == 21)
    relay.wait_empty()


def test_a_4xx_that_will_not_change(relay, new_receiver, sender):
    new_receiver("mx.moody.example", rcpt=lambda s, a: "450 4.7.1 permanently deferred")
    relay.add("reply", text="*permanently deferred*", then="permanent")
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    report = wait_for(lambda: [m for m in sender.messages if m.sender == ""])[0].data.decode()
    assert "Status: 5.7.1" in report and "450 4.7.1 permanently deferred" in report
    relay.wait_empty()
    assert relay.events("ruled-permanent")[0]["rule"] == "reply 1"


def test_a_5xx_that_will(relay, new_receiver):
    refused = []

    def rcpt(_session, address):
        refused.append(address)
        return "550 5.2.1 at a rate that is too high" if len(refused) == 1 else None

    receiver = new_receiver("mx.moody.example", rcpt=rcpt)
    relay.add("reply", status="5.2.*", text="*at a rate*", then="temporary")
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(receiver.count)
    relay.wait_empty()
    assert not relay.events("bounced")


@pytest.mark.parametrize("reply, least_s, most_s", [
    ("450 4.2.0 <x>: Recipient address rejected: Greylisted for 300 seconds", 300, 332),
    ("451 4.7.1 Greylisting in action, please come back in 00:04:32", 272, 302),
    ("450 4.2.0 Greylisted, see http://postgrey.example", 120, 135),
    ("451 Temporary failure, please try again later.", 120, 135),
    ("451 4.3.2 try again in 1 second", 60, 68),
    ("451 4.3.2 busy", 48, 73),
])
def test_waits_as_it_is_told(relay, new_receiver, reply, least_s, most_s):
    new_receiver("mx.moody.example", rcpt=lambda s, a: reply)
    relay.set("retry", first="1m", max="1h", greylisted="2m").start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    assert least_s <= float(relay.wait_event("deferred")["next_s"]) <= most_s


def test_a_greylist_is_passed(relay, new_receiver):
    seen = []

    def rcpt(_session, address):
        seen.append(address)
        return "450 4.2.0 Greylisted" if len(seen) == 1 else None

    receiver = new_receiver("mx.moody.example", rcpt=rcpt)
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(receiver.count)
    relay.wait_empty()
    assert len(seen) == 2 and metric(relay, "greylisted_total") == 1
