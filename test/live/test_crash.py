"""kill -9 under load, again and again: every message answered 250 arrives."""
import collections
import os
import random
import smtplib
import threading

import pytest

from relay import wait_for

ROUNDS = int(os.environ.get("OUTPOST_CRASH_ROUNDS", "50"))
CLIENTS = 4


class Load(threading.Thread):
    """Sends messages, each with a name of its own, and remembers which were answered 250."""

    def __init__(self, port, number, going):
        super().__init__(daemon=True)
        self.port, self.number, self.going = port, number, going
        self.answered, self.tried = [], 0
        self.rng = random.Random(number)

    def run(self):
        while self.going.is_set():
            try:
                self.session()
            except (OSError, smtplib.SMTPException):
                self.going.wait(0.005)

    def session(self):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as client:
            for _ in range(20):
                if not self.going.is_set():
                    return
                name = f"{self.number}-{self.tried}"
                self.tried += 1
                size = self.rng.choice([10, 200, 5000, 5000, 70000, 300000])
                body = f"Subject: {name}\r\n\r\n" + ("y" * 68 + "\r\n") * (size // 70)
                refused = client.sendmail("a@sender.example", [f"m-{name}@sink.example"], body)
                assert not refused
                self.answered.append(name)


@pytest.mark.slow
def test_kill_nine(relay, sink, record_property):
    relay.set("queue", max_size="1GiB")
    relay.set("log", level="warn")
    rng = random.Random(ROUNDS)
    loads = []
    number = 0
    for round_number in range(ROUNDS):
        relay.start(20)
        going = threading.Event()
        going.set()
        now = [Load(relay.port, number + n, going) for n in range(CLIENTS)]
        number += CLIENTS
        for load in now:
            load.start()
        wait_for(lambda: any(load.answered for load in now), 20)
        threading.Event().wait(rng.uniform(0.0, 0.25))  # somewhere in the middle of it all
        relay.kill()
        going.clear()
        for load in now:
            load.join(20)
        loads += now
    relay.start(20)
    relay.wait_empty(120)
    assert relay.stop() == 0
    answered = {f"m-{name}@sink.example" for load in loads for name in load.answered}
    arrived = collections.Counter(sink.recipients())
    missing = sorted(answered - set(arrived))
    twice = sum(n - 1 for n in arrived.values() if n > 1)
    unanswered = len(set(arrived) - answered)
    summary = (f"{ROUNDS} kills, {len(answered)} messages answered 250, {len(missing)} missing, "
               f"{twice} duplicates, {unanswered} delivered whose 250 was lost")
    print(summary)
    record_property("crash", summary)
    assert not missing, f"{summary}: {missing[:10]}"
    for message in sink.messages:
        name = message.recipients[0][2:].split("@")[0]
        assert f"Subject: {name}\r\n".encode() in message.data, "a message in another's envelope"
        assert message.data.endswith(b"\r\n")


def test_nothing_twice_when_the_reply_was_heard(relay, sink):
    """What has been delivered and counted is not delivered again, whenever the plug is pulled."""
    for n in range(10):
        relay.start()
        relay.send("a@sender.example", f"m-{n}@sink.example", "Subject: x\r\n\r\nx\r\n")
        relay.wait_empty()
        relay.kill()
    relay.start()
    assert relay.queued() == 0
    assert sink.count() == 10, "delivered twice"


@pytest.mark.slow
def test_kill_while_starting(relay, sink):
    """A crash during recovery costs nothing either."""
    rng = random.Random(7)
    relay.start()
    relay.command("pause", "--all")
    for n in range(200):
        relay.send("a@sender.example", f"m-{n}@sink.example", "Subject: x\r\n\r\nx\r\n")
    for _ in range(20):
        relay.kill()
        relay.launch()
        threading.Event().wait(rng.uniform(0.0, 0.03))
    relay.kill()
    relay.start()
    assert relay.queued() == 200
    relay.command("resume", "--all")
    wait_for(lambda: len(set(sink.recipients())) == 200, 30)
    relay.wait_empty()
