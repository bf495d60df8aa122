"""Large mail: 50 MiB messages, many at once, pass through whole and in bounded memory, and what a
client leaves half sent is thrown away."""
import hashlib
import os
import random
import socket
import threading

import pytest

from names import HOSTS
from relay import Raw, wait_for

MESSAGES = int(os.environ.get("OUTPOST_LARGE_MESSAGES", "20"))
MIB = 1024 * 1024
BYTES = 50 * MIB
BODY_KIB_A_SESSION = 256
BATCHES_KIB = 2 * 8 * 1024  # of the journal: one is written, one gathers
MARK = b"Subject: large "


class HashingServer:
    """Takes mail without keeping it: by Subject, a hash of all from that field on, as on the wire."""

    def __init__(self, address, port):
        self.found = {}
        self.doubles = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server((address, port), backlog=1024)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb", buffering=65536) as file:
            connection.sendall(b"220 hashing.example\r\n")
            while line := file.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    connection.sendall(b"354 go on\r\n")
                    if not self.take(file):
                        return
                    connection.sendall(b"250 taken\r\n")
                elif verb == b"QUIT":
                    connection.sendall(b"221 bye\r\n")
                    return
                else:
                    connection.sendall(b"250 ok\r\n")

    def take(self, file):
        """Reads to the final dot; False when the line died before."""
        tail, subject = b"", None
        hashed = hashlib.sha256()
        while block := file.read1(65536):
            window = tail + block
            if subject is None:
                at = window.find(MARK)
                if at < 0 or window.find(b"\r\n", at) < 0:
                    tail = window
                    continue
                subject = window[at:window.index(b"\r\n", at)]
                window = window[at:]
            if window.endswith(b"\r\n.\r\n"):
                hashed.update(window[:-3])
                with self.lock:
                    self.doubles += subject in self.found
                    self.found[subject] = hashed.hexdigest()
                return True
            hashed.update(window[:-5])
            tail = window[-5:]
        return False


@pytest.fixture
def hashing(mx_port):
    server = HashingServer(HOSTS["mx.sink.example"], mx_port)
    yield server
    server.close()


def blocks(number, size):
    """A message, as it goes over the wire, in parts: lines with doubled dots among others."""
    subject = MARK + b"%d" % number
    yield subject + b"\r\n\r\n"
    rng = random.Random(number)
    lines = [rng.choice([b"", b"..", b"...x"]) + rng.randbytes(360).hex().encode()
             for _ in range(1000)]
    part = b"\r\n".join(lines) + b"\r\n"
    for at in range(size // len(part)):
        yield b"part %d of %d\r\n" % (at, number) + part


def upload(relay, number, size, answers):
    hashed = hashlib.sha256()
    with Raw(relay.port) as client:
        client.socket.settimeout(300)
        client.envelope("a@sender.example", f"x{number}@sink.example")
        for part in blocks(number, size):
            hashed.update(part)
            client.socket.sendall(part)
        if client.say(b".\r\n").startswith("250"):
            answers[MARK + b"%d" % number] = hashed.hexdigest()


def upload_all(relay, count, size):
    answers = {}
    threads = [threading.Thread(target=upload, args=(relay, n, size, answers))
               for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == count
    return answers


def memory_kib(relay, what):
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(what + ":"))


def forget_peak(relay):
    with open(f"/proc/{relay.process.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


def peak_of(relay, work):
    """What the relay needed at most while `work` was done, over what it has now, in KiB."""
    forget_peak(relay)
    before = memory_kib(relay, "VmRSS")
    work()
    return memory_kib(relay, "VmHWM") - before


@pytest.mark.slow
@pytest.mark.plain_binary
def test_large_messages_at_once(relay, hashing, record_property):
    """All of them in, then all of them out, byte for byte. Beside the sessions only the journal
    may take memory."""
    relay.set("log", level="info").set("delivery", max_connections_per_destination=MESSAGES)
    relay.set("queue", max_size=f"{MESSAGES * 150 + 1024}MiB").start()
    relay.send("a@sender.example", "warm@sink.example", MARK.decode() + "warm\r\n\r\nup\r\n")
    wait_for(lambda: hashing.found)
    relay.command("pause", "--all")
    sent = {}
    bound = MESSAGES * BODY_KIB_A_SESSION + BATCHES_KIB
    taking = peak_of(relay, lambda: sent.update(upload_all(relay, MESSAGES, BYTES)))

    def deliver():
        relay.command("resume", "--all")
        wait_for(lambda: len(hashing.found) == MESSAGES + 1, 300, every=0.1)

    giving = peak_of(relay, deliver)
    summary = f"{MESSAGES} of 50 MiB: {taking} KiB more while taking, {giving} KiB while delivering"
    print(summary)
    record_property("large", summary)
    assert {k: v for k, v in hashing.found.items() if k in sent} == sent
    assert hashing.doubles == 0
    assert taking < bound, f"{summary}; the bound is {bound}"
    assert giving < bound, f"{summary}; the bound is {bound}"
    relay.wait_empty(30)
    wait_for(lambda: relay.stats()["journal"]["segments"] <= 3, 30)


def die_in_the_middle(relay, rng):
    """A client that says so much of a message and goes, rudely or not."""
    with Raw(relay.port) as client:
        client.envelope("a@sender.example", "half@sink.example")
        client.socket.sendall(b"Subject: half\r\n\r\n")
        left = rng.randrange(4 * MIB)
        while left > 0:
            part = min(left, 100000)
            client.socket.sendall((b"h" * 998 + b"\r\n") * (part // 1000 + 1))
            left -= part
        if rng.random() < 0.5:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def segments(relay):
    return relay.stats()["journal"]["segments"]


def test_interrupted_uploads_leave_nothing(relay, sink):
    """Some 100 MiB of halves pass through a queue of 64 MiB, beside mail that stays."""
    relay.set("queue", max_size="64MiB").set("log", level="info").start()
    relay.send("a@sender.example", "stuck@moody.example", "Subject: x\r\n\r\nx\r\n")
    rng = random.Random(3)
    for _ in range(10):
        threads = [threading.Thread(target=die_in_the_middle, args=(relay, rng)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    wait_for(lambda: relay.stats()["connections"]["sessions"] == 0)
    assert relay.stats()["journal"]["written_bytes"] > 20 * MIB, "few halves came so far"
    # Later mail goes through new segments, and the stuck message need not hold the old ones.
    body = "Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * 7000
    for n in range(30):
        relay.send("a@sender.example", f"x{n}@sink.example", body)
    wait_for(lambda: sink.count() == 30)
    wait_for(lambda: relay.queued() == 1)
    wait_for(lambda: segments(relay) <= 7)  # twice what is needed, and four
    assert not [r for r in sink.recipients() if r.startswith("half")]


def test_halves_are_gone_after_a_crash(relay, sink):
    relay.set("queue", max_size="64MiB").set("log", level="info").start()
    relay.command("pause", "--all")
    relay.send("a@sender.example", "whole@sink.example", "Subject: x\r\n\r\nx\r\n")
    halves = []
    for _ in range(4):
        client = relay.raw()
        client.envelope("a@sender.example", "half@sink.example")
        client.socket.sendall(b"Subject: half\r\n\r\n" + (b"h" * 998 + b"\r\n") * 4500)
        halves.append(client)
    wait_for(lambda: segments(relay) >= 4)
    relay.kill()
    for client in halves:
        client.socket.close()
    relay.start()
    assert relay.queued() == 1
    # That of the message, that of the pause, and the one that is written to.
    wait_for(lambda: segments(relay) <= 3)
    relay.command("resume", "--all")
    wait_for(sink.count)
    relay.wait_empty()
    assert sink.recipients() == ["whole@sink.example"]
