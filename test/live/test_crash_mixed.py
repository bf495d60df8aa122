"""kill -9 while everything happens at once: accepting, delivering, deferring, and compacting
segments of 4 MiB: whatever was answered 250 arrives, whole, and the queue is empty at the end."""
import collections
import os
import random
import threading

import pytest

from relay import wait_for
from test_crash import Load

ROUNDS = max(3, int(os.environ.get("OUTPOST_CRASH_ROUNDS", "50")) // 2)
CLIENTS = 3
STUCK = 12  # of these that nobody takes before the end; what compaction has to move


class Moods:
    """Of a receiver that puts off some of what it is offered; all of it once `is_kind`."""

    def __init__(self):
        self.rng = random.Random(5)
        self.is_kind = False

    def rcpt(self, _session, address):
        if not self.is_kind and (address.startswith("stuck-") or self.rng.random() < 0.2):
            return "450 4.2.1 later"
        return None

    def stored(self, _session, _message):
        return "451 4.3.0 later" if not self.is_kind and self.rng.random() < 0.05 else None


def send_stuck(relay, round_number):
    """Messages of all sizes that stay; they grow old while segments come and go."""
    names = []
    with relay.client() as client:
        for n in range(STUCK):
            name = f"stuck-{round_number}-{n}"
            body = f"Subject: {name}\r\n\r\n" + ("z" * 68 + "\r\n") * (10, 1000, 3000)[n % 3]
            client.sendmail("a@sender.example", [f"{name}@sink.example"], body)
            names.append(name)
    return names


def count_moved(relay):
    line = next(line for line in relay.get("/metrics").splitlines()
                if line.startswith("outpost_messages_moved_total "))
    return int(line.split()[1])


@pytest.mark.slow
def test_kill_nine_under_mixed_load(relay, new_receiver, record_property):
    moods = Moods()
    sink = new_receiver(rcpt=moods.rcpt, stored=moods.stored)
    relay.set("queue", max_size="64MiB").set("log", level="warn")
    rng = random.Random(ROUNDS)
    loads, stuck, moved, number = [], [], 0, 1000
    for round_number in range(ROUNDS):
        relay.start(20)
        if round_number < 3:  # some MiB: room for the load to go round many times
            stuck += send_stuck(relay, round_number)
        going = threading.Event()
        going.set()
        now = [Load(relay.port, number + n, going) for n in range(CLIENTS)]
        number += CLIENTS
        for load in now:
            load.start()
        wait_for(lambda: any(load.answered for load in now), 20)
        threading.Event().wait(rng.uniform(0.1, 0.6))
        moved += count_moved(relay)
        threading.Event().wait(rng.uniform(0.0, 0.05))
        relay.kill()
        going.clear()
        for load in now:
            load.join(20)
        loads += now
    moods.is_kind = True
    relay.start(20)
    relay.word("flush")
    relay.wait_empty(120)
    assert relay.stop() == 0
    answered = {f"m-{name}@sink.example" for load in loads for name in load.answered}
    answered |= {f"{name}@sink.example" for name in stuck}
    arrived = collections.Counter(sink.recipients())
    missing = sorted(answered - set(arrived))
    twice = sum(n - 1 for n in arrived.values() if n > 1)
    summary = (f"{ROUNDS} kills, {moved} messages moved before them, {len(answered)} answered 250, "
               f"{len(missing)} missing, {twice} duplicates")
    print(summary)
    record_property("crash_mixed", summary)
    assert not missing, f"{summary}: {missing[:10]}"
    assert moved > ROUNDS, f"{summary}: compaction hardly ran"
    for message in sink.messages:
        name = message.recipients[0].split("@")[0].removeprefix("m-")
        assert f"Subject: {name}\r\n".encode() in message.data, "a message in another's envelope"
        assert message.data.endswith(b"\r\n")
