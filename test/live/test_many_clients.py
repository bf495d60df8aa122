"""Many clients that are connected and do nothing: what each costs, and what the next one hears.

OUTPOST_IDLE_CLIENTS is how many, plain; a quarter of them under TLS, from 10,000 on as many. With
pytest -s it says what they cost."""
import os
import re
import resource
import socket
import ssl

import pytest

from relay import REPOSITORY, SLOW, Raw, trusting, wait_for

CLIENTS = int(os.environ.get("OUTPOST_IDLE_CLIENTS", "2000"))
TLS_CLIENTS = CLIENTS if CLIENTS >= 10000 else CLIENTS // 4
PLAIN_KIB_MAX, TLS_KIB_MAX = 16, 48
WARM = 50  # clients that come first: what they bring about once is nobody's
EHLO = b"EHLO client.example\r\n"


@pytest.fixture
def files():
    """Descriptors enough for CLIENTS at both ends: here, and in the relay, which inherits them."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(CLIENTS + 1300, (CLIENTS + 200) * 4 // 3)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"{needed} open files are needed, and {hard} allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def memory_kib(relay):
    with open(f"/proc/{relay.process.pid}/smaps_rollup", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("Pss:")).split()[1])


def metric(relay, name):
    return int(re.search(rf"^{re.escape(name)} (\d+)$", relay.word("metrics"), re.M)[1])


def sessions(relay):
    return metric(relay, "outpost_sessions")


def struck(relay, limit):
    return metric(relay, f'outpost_limit_hits_total{{limit="{limit}"}}')


def plain_client(port):
    connection = socket.create_connection(("127.0.0.1", port), 30 * SLOW)
    assert connection.recv(200).startswith(b"220 ")
    connection.sendall(EHLO)
    assert connection.recv(1000).endswith(b"250 ENHANCEDSTATUSCODES\r\n")
    return connection


def slow_client(port):
    """In the midst of its message, and of a line of it."""
    connection = plain_client(port)
    connection.sendall(b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@sink.example>\r\nDATA\r\n"
                       b"Subject: slow\r\nFrom: <a@sender.exam")
    with connection.makefile("rb") as replies:
        assert [replies.readline()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
    return connection


class Tls:
    """TLS over a socket, whose state can be thrown away: it alone would take gigabytes here."""

    def __init__(self, context, connection):
        self.socket, self.got, self.out = connection, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.link = context.wrap_bio(self.got, self.out)
        self.wait(self.link.do_handshake)

    def wait(self, what):
        while True:
            try:
                return what()
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionResetError from None
                self.got.write(data)
            finally:
                self.flush()

    def flush(self):
        if self.out.pending:
            self.socket.sendall(self.out.read())

    def read(self):
        return self.wait(lambda: self.link.read(1000))

    def write(self, data):
        self.link.write(data)
        self.flush()


def tls_client(port, context=trusting()):
    connection = socket.create_connection(("127.0.0.1", port), 30 * SLOW)
    tls = Tls(context, connection)
    assert tls.read().startswith(b"220 ")
    tls.write(EHLO)
    assert tls.read().endswith(b"250 ENHANCEDSTATUSCODES\r\n")
    return connection


def hold(relay, count, client, port):
    """So many of them, and KiB for each but the first."""
    held = [client(port) for _ in range(WARM)]
    before = memory_kib(relay)
    held += [client(port) for _ in range(count - WARM)]
    each = (memory_kib(relay) - before) / (count - WARM)
    assert sessions(relay) == count
    print(f"{count} of {client.__name__}: {each:.2f} KiB each")
    return held, each


def configured(relay, count):
    return relay.set("submission", max_connections=count, idle_timeout="1h").set("log", level="info")


def assert_next_is_refused(relay):
    before = struck(relay, "max_connections")
    with Raw(relay.port) as one_more:
        assert one_more.greeting.startswith("421 4.3.2 "), one_more.greeting
        assert one_more.reply() == ""
    relay.wait_event("session-refused", limit="max_connections")
    assert struck(relay, "max_connections") == before + 1


@pytest.mark.plain_binary
def test_idle_plain_clients(relay, files):
    configured(relay, CLIENTS).start()
    held, each = hold(relay, CLIENTS, plain_client, relay.port)
    assert_next_is_refused(relay)
    held.pop().close()
    wait_for(lambda: sessions(relay) < CLIENTS)
    held.append(plain_client(relay.port))
    held[0].sendall(b"QUIT\r\n")  # the first of all is still served
    assert held[0].recv(100).startswith(b"221 ")
    for connection in held:
        connection.close()
    wait_for(lambda: sessions(relay) == 0, 60)
    assert each <= PLAIN_KIB_MAX


@pytest.mark.plain_binary
def test_idle_tls_clients(relay, files):
    implicit = relay.add_listener(tls="implicit")
    configured(relay, TLS_CLIENTS).start()
    held, each = hold(relay, TLS_CLIENTS, tls_client, implicit)
    assert_next_is_refused(relay)
    with socket.create_connection(("127.0.0.1", implicit), 30 * SLOW) as one_more:
        assert Tls(trusting(), one_more).read().startswith(b"421 4.3.2 ")
    for connection in held:
        connection.close()
    wait_for(lambda: sessions(relay) == 0, 60)
    assert each <= TLS_KIB_MAX


@pytest.mark.plain_binary
def test_slow_clients(relay, files):
    configured(relay, TLS_CLIENTS).set("submission", data_timeout="1h", min_data_rate="0B").start()
    held, each = hold(relay, TLS_CLIENTS, slow_client, relay.port)
    assert_next_is_refused(relay)
    for connection in held:
        connection.close()
    wait_for(lambda: sessions(relay) == 0, 60)
    assert relay.queued() == 0
    assert each <= PLAIN_KIB_MAX


def silent(port, count):
    return [socket.create_connection(("127.0.0.1", port), 30 * SLOW) for _ in range(count)]


def is_cut(port):
    with socket.create_connection(("127.0.0.1", port), 30 * SLOW) as connection:
        try:
            return connection.recv(1) == b""
        except ConnectionResetError:
            return True


def test_handshakes_of_one_address(relay):
    """Clients of implicit TLS that never begin: beside the limit of their address a few more wait
    for a 421, the next one is cut, and so they are when tls_timeout is over."""
    relay.set("submission", trusted_networks=[], max_connections_per_address=3, tls_timeout="5s")
    implicit = relay.add_listener(tls="implicit")
    relay.start()
    waiting = silent(implicit, 3 + 4)
    assert is_cut(implicit)
    relay.wait_event("session-refused", limit="max_connections_per_address")
    with Raw(relay.port) as plain:
        assert plain.greeting.startswith("421 4.3.2 ")
    elsewhere = socket.create_connection(("127.0.0.1", implicit), 30 * SLOW, ("127.0.0.2", 0))
    with elsewhere:
        assert Tls(trusting(), elsewhere).read().startswith(b"220 ")
    for connection in waiting:
        assert connection.recv(1) == b""
        connection.close()
    relay.wait_event("tls-failed", limit="tls_timeout")
    with Raw(relay.port) as plain:
        assert plain.greeting.startswith("220 ")


def test_handshakes_in_all(relay):
    """They count as connections, and leave room for those who can be told 421."""
    relay.set("submission", max_connections=4)
    implicit = relay.add_listener(tls="implicit")
    relay.start()
    waiting = silent(implicit, 4 + 32)
    assert is_cut(implicit)
    relay.wait_event("session-refused", limit="max_connections")
    with Raw(relay.port) as plain:
        assert plain.greeting.startswith("421 4.3.2 ")
    for connection in waiting:
        connection.close()
    wait_for(lambda: Raw(relay.port).greeting.startswith("220 "))


def test_a_handshake_byte_by_byte(relay):
    """tls_timeout runs from the connection on, whatever comes meanwhile."""
    relay.set("submission", tls_timeout="1s")
    implicit = relay.add_listener(tls="implicit")
    relay.start()
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        trusting().wrap_bio(ours, theirs).do_handshake()
    hello = iter(theirs.read()[:-1])
    with socket.create_connection(("127.0.0.1", implicit), 0.05) as connection:
        def is_over():
            try:
                connection.sendall(bytes([next(hello)]))
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except (ConnectionResetError, BrokenPipeError):
                return True
        wait_for(is_over)
    relay.wait_event("tls-failed", limit="tls_timeout")


@pytest.mark.parametrize("files_max, clients", [(12000, 8936), (1500, 372)])
def test_too_few_files_are_told_of(relay, files_max, clients):
    """max_connections that cannot be reached: it says so, and what would do."""
    relay.wrapper = ["prlimit", f"--nofile={files_max}:{files_max}"]
    relay.start()
    text = relay.wait_event("warning")["text"]
    assert f"only {files_max} files may be open: at most {clients} clients" in text, text
    needed = int(re.search(r"ulimit -n to (\d+)", text)[1])
    relay.stop()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < needed:
        return
    before = len(relay.events("warning"))
    relay.wrapper = ["prlimit", f"--nofile={needed}:{needed}"]
    relay.start()
    assert len(relay.events("warning")) == before


def test_the_rate_of_an_address(relay, sink):
    """Over TLS or not, logged in or not: by address."""
    relay.set("submission", message_rate="2/h").start()
    for n in range(2):
        relay.send("a@sender.example", f"x{n}@sink.example", "Subject: x\r\n\r\nx\r\n")
    with relay.raw() as client:
        client.say("EHLO x\r\n", "250")
        answer = client.say("MAIL FROM:<a@sender.example>\r\n", "450 4.7.1 ")
        assert "your address sends too many messages, try again in" in answer
    relay.wait_event("rejected", limit="message_rate")
    assert struck(relay, "message_rate") == 1
    wait_for(lambda: sink.count() == 2)


def test_each_limit_is_documented_and_has_its_series(relay):
    relay.start()
    shown = re.findall(r'^outpost_limit_hits_total{limit="(\w+)"} 0$', relay.word("metrics"), re.M)
    with open(os.path.join(REPOSITORY, "doc", "limits.md"), encoding="utf-8") as f:
        text = f.read()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert sorted(shown) == sorted(name for row in rows for name in re.findall(r"`(\w+)`", row))
    assert f"{len(shown)} of them" in text
