"""A limit that is reached gets the client a 4xx, and the relay goes on."""
import os
import smtplib
import socket
import subprocess
import time

import pytest

from relay import Raw, wait_for
from test_delivery import MESSAGE

LARGE = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * (1024 * 1024 // 72)


def send_until_refused(relay, most=200):
    """How many were taken before a 452; it must come, and be a 452."""
    for n in range(most):
        try:
            relay.send("a@sender.example", f"x{n}@sink.example", LARGE)
        except smtplib.SMTPSenderRefused as refused:
            code = refused.smtp_code
        except smtplib.SMTPDataError as refused:
            code = refused.smtp_code
        except smtplib.SMTPRecipientsRefused as refused:
            code = next(iter(refused.recipients.values()))[0]
        else:
            continue
        assert code == 452, code
        return n
    raise AssertionError(f"{most} messages were taken")


def test_full_queue(relay, sink):
    relay.set("queue", max_size="32MiB").start()
    relay.command("pause", "--all")
    taken = send_until_refused(relay)
    assert 5 <= taken <= 32
    assert relay.queued() == taken
    send_until_refused(relay, 1)
    used = int(subprocess.run(["du", "-sm", relay.config["state_dir"]], capture_output=True,
                              text=True, check=True).stdout.split()[0])
    assert used <= 64, f"{used} MiB on disk with max_size 32 MiB"
    # Still refused after a restart, and still all there.
    assert relay.stop() == 0
    relay.start()
    assert relay.queued() == taken
    send_until_refused(relay, 1)
    relay.command("resume", "--all")
    wait_for(lambda: sink.count() == taken, 30)
    relay.wait_empty()
    wait_for(lambda: is_accepted(relay))
    wait_for(lambda: sink.count() == taken + 1)


def is_accepted(relay):
    try:
        relay.send("a@sender.example", "again@sink.example", MESSAGE)
        return True
    except smtplib.SMTPException:
        return False


@pytest.fixture
def small_disk(new_disk):
    return new_disk("size=40m")


def fill(path):
    """Leaves nothing; the file to remove for room."""
    name = path + "/filler"
    with open(name, "wb", buffering=0) as f:
        try:
            while f.write(b"\xff" * 65536) == 65536:
                pass
            while f.write(b"\xff"):
                pass
        except OSError:
            pass
    return name


def test_full_disk(relay, sink, small_disk):
    """Nothing that was answered 250 is lost, clients get 452, and room brings back good days."""
    relay.config["state_dir"] = small_disk + "/state"
    relay.set("queue", max_size="64MiB").start()
    relay.command("pause", "--all")
    relay.send("a@sender.example", "first@sink.example", MESSAGE)
    filler = fill(small_disk)
    taken = send_until_refused(relay)
    assert relay.queued() == taken + 1
    wait_for(lambda: [e for e in relay.events("journal") if "No space left" in e["text"]])
    failures = relay.stats()["totals"]["store_failures"] + relay.totals()["rejected"]
    assert failures > 0
    os.remove(filler)
    wait_for(lambda: is_accepted(relay), 20)
    relay.command("resume", "--all")
    wait_for(lambda: sink.count() == taken + 2, 30)
    relay.wait_empty()
    assert relay.stop() == 0


def test_delivery_goes_on_while_the_disk_is_full(relay, sink, small_disk):
    relay.config["state_dir"] = small_disk + "/state"
    relay.set("queue", max_size="64MiB").start()
    relay.command("pause", "--all")
    for n in range(5):
        relay.send("a@sender.example", f"x{n}@sink.example", MESSAGE)
    fill(small_disk)
    send_until_refused(relay)
    relay.command("resume", "--all")
    wait_for(lambda: sink.count() >= 5, 20)


def test_start_on_a_full_disk(relay, sink, small_disk):
    relay.config["state_dir"] = small_disk + "/state"
    relay.set("queue", max_size="64MiB").start()
    relay.command("pause", "--all")
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    relay.kill()
    filler = fill(small_disk)
    relay.launch()
    wait_for(lambda: relay.process.poll() is not None or relay.is_ready())
    if not relay.is_running():
        assert relay.process.returncode == 1 and "space" in relay.log()
    os.remove(filler)
    if not relay.is_running():
        relay.start()
    wait_for(lambda: relay.queued() == 1)
    relay.command("resume", "--all")
    wait_for(sink.count)


def test_too_many_connections(relay):
    """Further clients wait or get a 421; those inside are served; room is given back."""
    relay.set("submission", max_connections=5).start()
    inside = [relay.raw() for _ in range(5)]
    outside = socket.create_connection(("127.0.0.1", relay.port), 10)
    outside.settimeout(0.5)
    try:
        said = outside.recv(100)
    except TimeoutError:
        said = b""
    assert said == b"" or said.startswith(b"421 4."), said
    for client in inside:
        client.say("NOOP\r\n", "250")
    for client in inside:
        client.socket.close()
        client.file.close()
    outside.close()

    def is_let_in():
        try:
            with Raw(relay.port) as client:
                return client.greeting.startswith("220")
        except OSError:
            return False
    wait_for(is_let_in)


def test_hundreds_of_clients_at_once(relay, sink):
    relay.start()
    clients = [relay.raw() for _ in range(300)]
    for n, client in enumerate(clients):
        client.socket.sendall(f"EHLO c{n}.example\r\nMAIL FROM:<a@sender.example>\r\n"
                              f"RCPT TO:<x{n}@sink.example>\r\nDATA\r\n".encode())
    for client in clients:
        for want in ("250", "250", "250", "354"):
            assert client.reply().startswith(want)
        client.socket.sendall(b"Subject: x\r\n\r\nx\r\n.\r\n")
    for client in clients:
        assert client.reply().startswith("250")
        client.socket.close()
    wait_for(lambda: sink.count() == 300, 30)


@pytest.mark.plain_binary
def test_memory_does_not_follow_a_large_message(relay, new_receiver):
    """50 MiB go through in chunks, not whole."""
    def peak():
        with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) // 1024

    sink = new_receiver()
    relay.start()
    before = peak()
    with relay.raw() as client:
        client.envelope("a@sender.example", "x@sink.example")
        client.socket.sendall(b"Subject: large\r\n\r\n")
        line = b"x" * 998 + b"\r\n"
        for _ in range(45):
            client.socket.sendall(line * 1048)
        client.say(".\r\n", "250")
    wait_for(sink.count, 60)
    assert len(sink.messages[0].data) > 45 * 1000 * 1000
    grown = peak() - before
    assert grown < 24, f"{grown} MiB more"


def test_one_stuck_message_does_not_fill_the_disk(relay, sink):
    """Four times queue.max_size passes by a message that nobody takes."""
    relay.set("queue", max_size="32MiB").start()
    relay.send("a@sender.example", "stuck@moody.example", MESSAGE)
    relay.wait_event("deferred")
    for n in range(128):
        relay.send("a@sender.example", f"x{n}@sink.example", LARGE)
        wait_for(lambda count=n + 1: sink.count() == count)
    wait_for(lambda: relay.queued() == 1)


def test_half_a_queue_of_stuck_mail_leaves_room(relay, sink):
    """Nearly half of queue.max_size is alive, in segments with much that is not: mail may have to
    come back for a moment, never for good."""
    def is_taken(to):
        try:
            return not relay.send("a@sender.example", to, LARGE)
        except smtplib.SMTPResponseException as refused:
            assert refused.smtp_code == 452
            return False

    relay.set("queue", max_size="64MiB").set("log", level="info").start()
    for n in range(28):
        wait_for(lambda to=f"stuck{n}@moody.example": is_taken(to))
        wait_for(lambda to=f"x{n}@sink.example": is_taken(to))
    for n in range(28, 128):
        wait_for(lambda to=f"x{n}@sink.example": is_taken(to))
        wait_for(lambda count=n + 1: sink.count() == count)
    wait_for(lambda: relay.queued() == 28)


def test_connections_per_address(relay):
    """Those of one address have an end, others still get in, and who leaves makes room."""
    relay.set("submission", trusted_networks=[], max_connections_per_address=2).start()
    with Raw(relay.port) as first, Raw(relay.port) as second, Raw(relay.port) as third:
        assert first.greeting.startswith("220")
        assert second.greeting.startswith("220")
        assert third.greeting.startswith("421 4.3.2 "), third.greeting
        assert third.reply() == ""
        relay.wait_event("session-refused")
        other = socket.create_connection(("127.0.0.1", relay.port), 15, ("127.0.0.2", 0))
        with other:
            assert other.recv(3) == b"220"
        first.say("QUIT\r\n", "221")
    wait_for(lambda: is_greeted(relay))


def is_greeted(relay):
    with Raw(relay.port) as client:
        return client.greeting.startswith("220")


def test_a_command_one_byte_at_a_time(relay):
    """Bytes that finish nothing do not put idle_timeout off."""
    relay.set("submission", idle_timeout="2s").start()
    with Raw(relay.port) as client:
        began = time.monotonic()
        client.socket.settimeout(0.2)
        got = b""
        while time.monotonic() - began < 20:
            try:
                client.socket.sendall(b"N")
                got = client.socket.recv(100)
                break
            except TimeoutError:
                continue
        assert got.startswith(b"421 4.4.2"), got
        assert time.monotonic() - began >= 1.9


def test_a_message_that_takes_too_long(relay):
    relay.set("submission", transaction_timeout="2s").start()
    with Raw(relay.port) as client:
        client.say("EHLO x\r\nMAIL FROM:<a@sender.example>\r\n")
        client.reply()
        client.say("RCPT TO:<b@sink.example>\r\n", "250")
        client.say("DATA\r\n", "354")
        client.socket.settimeout(0.2)
        got, began = b"", time.monotonic()
        while not got and time.monotonic() - began < 20:
            try:
                client.socket.sendall(b"x: y\r\n")
                got = client.socket.recv(100)
            except TimeoutError:
                continue
        assert got.startswith(b"421 4.4.2"), got
    relay.wait_event("session-refused")
    assert relay.queued() == 0
