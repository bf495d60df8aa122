"""Hostile clients: what they do must cost them their connection at most."""
import os
import random
import socket
import ssl
import struct
import time

import pytest

from relay import free_port, passwd, trusting, wait_for

DIALOGUE = (b"EHLO x\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<b@sink.example>\r\nDATA\r\n"
            b"Subject: offsets\r\n\r\nbody\r\n..dot\r\n.\r\nQUIT\r\n")
WORDS = [b"EHLO x\r\n", b"HELO y\r\n", b"MAIL FROM:<a@sender.example>\r\n", b"RCPT TO:<b@sink.example>\r\n",
         b"DATA\r\n", b"x\r\n.\r\n", b".\r\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"VRFY x\r\n",
         b"AUTH PLAIN\r\n", b"AUTH LOGIN AAAA\r\n", b"*\r\n", b"STARTTLS\r\n", b"BDAT 4 LAST\r\nabcd",
         b"\x16\x03\x01\x02\x00\x01", b"\0", b"\n", b"\r", b"A" * 3000, b"\xff\xfe\r\n",
         b"MAIL FROM:<> SIZE=99999999999999999999999\r\n",
         b"RCPT TO:<\"a\\\"b c\"@sink.example>\r\n", b"RCPT TO:<postmaster>\r\n",
         b"MAIL FROM:<@a,@b:c@d.example> BODY=8BITMIME AUTH=<> SIZE=3\r\n"]


def connect(port, timeout=5):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def open_sockets(relay):
    """Sockets: the queue opens and closes files of its own, some of them a little after the start."""
    folder = f"/proc/{relay.process.pid}/fd"
    count = 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def resident_mib(relay):
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) // 1024


def wait_all_gone(relay, sessions):
    def is_so():
        totals = relay.totals()
        return totals["sessions_closed"] == totals["sessions"] >= sessions and relay.queued() == 0
    wait_for(is_so)


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["close", "reset"])
def test_leaving_at_every_byte(relay, sink, leave):
    relay.start()
    for at in range(len(DIALOGUE) + 1):
        connection = connect(relay.port)
        connection.sendall(DIALOGUE[:at])
        leave(connection)
    end = DIALOGUE.index(b"\r\n.\r\n") + 5
    wait_all_gone(relay, len(DIALOGUE) + 1)
    # A message may still be on its way to the disk after its session has gone.
    wait_for(lambda: relay.queued() == 0 and sink.count() == relay.totals()["accepted"])
    assert relay.totals()["accepted"] <= len(DIALOGUE) - end + 1
    assert all(m.data.endswith(b"\r\n\r\nbody\r\n.dot\r\n") for m in sink.messages)


def test_a_pause_at_every_byte(relay, sink):
    relay.start()
    for at in range(1, len(DIALOGUE)):
        with connect(relay.port) as connection, connection.makefile("rb") as replies:
            connection.sendall(DIALOGUE[:at])
            time.sleep(0.001)
            connection.sendall(DIALOGUE[at:])
            said = replies.read()
            assert b"queued as" in said and b"\r\n221 " in said, (at, said)
    wait_for(lambda: sink.count() == len(DIALOGUE) - 1)


def test_random_words(relay, sink):
    rng = random.Random(1)
    relay.start()
    before = open_sockets(relay)
    for _ in range(300):
        said = bytearray(b"".join(rng.choices(WORDS, k=rng.randrange(1, 40))))
        for _ in range(rng.choice([0, 0, 3])):
            said[rng.randrange(len(said))] = rng.randrange(256)
        with connect(relay.port) as connection:
            try:
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    wait_all_gone(relay, 300)
    assert open_sockets(relay) <= before + 8  # some outgoing ones are kept for the next message


@pytest.mark.plain_binary
@pytest.mark.parametrize("flood", [
    b"NOOP\r\n" * 5000, b"EHLO x\r\n" * 5000, b"A" * 65536,
    b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@null.example>\r\nDATA\r\nx\r\n.\r\n" * 1000,
], ids=["NOOP", "EHLO", "endless line", "messages"])
def test_a_flood_whose_replies_nobody_reads(relay, flood):
    relay.start()
    before = resident_mib(relay)
    with connect(relay.port, 0.5) as connection:
        try:
            connection.sendall(b"EHLO x\r\n")
            for _ in range(200):
                connection.sendall(flood)
        except OSError:  # it stopped reading, or threw us out
            pass
        begin = time.monotonic()
        relay.stats()
        assert time.monotonic() - begin < 0.5
        # A message that was taken in costs its place in the queue; nothing else may grow.
        assert resident_mib(relay) < before + 40 + relay.queued() // 1024


def test_garbage_where_tls_should_begin(relay):
    rng = random.Random(2)
    implicit = relay.add_listener(tls="implicit")
    relay.start()
    before = open_sockets(relay)
    hellos = [b"EHLO x\r\n", b"\x16", b"\0" * 10, b"\x16\x03\x01\x40\x00" + b"x" * 5000,
              b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x80\x2e\x01\x00\x02" + b"\0" * 60,
              b"\x16\x03\x01\x00\x00" * 500] + [rng.randbytes(rng.randrange(1, 3000)) for _ in range(20)]
    for hello in hellos:
        with connect(implicit) as connection:
            connection.sendall(hello)
        with relay.raw() as client:
            client.say("EHLO x\r\n", "250")
            client.say("STARTTLS\r\n", "220")
            client.socket.sendall(hello)
    wait_for(lambda: open_sockets(relay) <= before)
    with trusting().wrap_socket(connect(implicit)) as client:
        assert client.recv(100).startswith(b"220 ")


def test_leaving_in_the_handshake(relay):
    implicit = relay.add_listener(tls="implicit")
    relay.start()
    before = open_sockets(relay)
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        trusting().wrap_bio(ours, theirs).do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = theirs.read()
    waiting = []
    for at in range(0, len(hello) + 1, 5):
        connection = connect(implicit)
        connection.sendall(hello[:at])
        if at % 2:
            reset(connection)
        else:
            waiting.append(connection)
    for _ in range(60):
        waiting.append(connect(implicit))
        waiting[-1].sendall(hello)
    for connection in waiting[::2]:
        connection.close()
    with trusting().wrap_socket(connect(implicit, 15)) as client:
        assert client.recv(100).startswith(b"220 ")
    for connection in waiting:
        connection.close()
    wait_for(lambda: open_sockets(relay) <= before)


def test_logins_of_clients_that_left(relay):
    """They are not verified any more: a real user does not wait behind them."""
    relay.closed_to_strangers().add("user", name="u", password=passwd("right"))
    implicit = relay.add_listener(tls="implicit")
    relay.start()
    for _ in range(30):
        with trusting().wrap_socket(connect(implicit)) as client:
            client.recv(100)
            client.sendall(b"EHLO x\r\n")
            client.recv(500)
            client.sendall(b"AUTH PLAIN AHUAd3Jvbmc=\r\n")  # u, "wrong"
    wait_for(lambda: relay.stats()["logins_waiting"] == 0, 3)
    assert relay.totals()["login_failures"] < 20


def test_binary_and_slow_questions_at_the_control_socket(relay):
    port = free_port()
    relay.set("metrics", listen=f"127.0.0.1:{port}").start()
    before = open_sockets(relay)

    def ask(data):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(relay.socket)
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            try:
                return b"".join(iter(lambda: s.recv(65536), b""))
            except ConnectionResetError:
                return b""

    for data, want in [
            (b"\0\1\2\n", b"400"), (b"\xff" * 100 + b"\n", b"400"), (b"nonsense\n", b"no such word"),
            (b"GET /queue/%00%ff HTTP/1.0\r\n\r\n", b"400"),
            (b"GET /queue?limit=99999999999999999999 HTTP/1.0\r\n\r\n", b"400"),
            (b"POST /pause?domain=%ff%22 HTTP/1.0\r\n\r\n", b"400"),
            (b"POST /pause?domain=" + b"a" * 300 + b" HTTP/1.0\r\n\r\n", b"400"),
            (b"GET /stats HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
            (b"GET /stats HTTP/1.1\r\n" + b"A: b\r\n" * 2000 + b"\r\n", b"431"),
            (b"x" * 200000, b"")]:
        assert want in ask(data)[:300], data[:50]
    slow = [connect(port) for _ in range(70)]
    for connection in slow:
        connection.sendall(b"GET /m")
    assert relay.get("/stats")["version"]
    for connection in slow:
        connection.close()
    assert relay.get("/paused")["domains"] == []
    wait_for(lambda: open_sockets(relay) <= before)
