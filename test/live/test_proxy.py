"""Behind HAProxy: everything that knows the client's address knows the client's, not the proxy's."""
import re
import shutil
import smtplib
import socket

import pytest

from haproxy import HaProxy
from relay import Raw, passwd, trusting, wait_for
from test_delivery import MESSAGE

TRUSTED, STRANGER = "127.0.0.9", "127.0.0.77"
WAYS = {"v1": "send-proxy", "v2": "send-proxy-v2 proxy-v2-options crc32c,authority"}


@pytest.fixture
def haproxy(folder):
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin"):
        pytest.skip("needs haproxy")
    proxy = HaProxy(folder)
    yield proxy
    proxy.close()


@pytest.fixture
def behind(relay):
    """A relay that trusts one address, which is not the proxy's, with the proxy in front of it."""
    relay.set("submission", trusted_networks=[TRUSTED, "::1"])
    relay.config["listen"][0]["proxy_networks"] = [HaProxy.SOURCE]
    relay.add("user", name="app", password=passwd("right"))
    return relay


def client(port, source, kind=smtplib.SMTP, host="127.0.0.1", **keys):
    return kind(host, port, timeout=30, source_address=(source, 0), **keys)


def taken(sink, count=1):
    """What the last of so many messages says."""
    wait_for(lambda: sink.count() >= count)
    return sink.messages[count - 1].data


def metric(relay, name):
    return int(re.search(rf"^outpost_{name} (\d+)$", relay.get("/metrics"), re.M).group(1))


@pytest.mark.parametrize("way", WAYS)
def test_received_log_and_trust(behind, haproxy, sink, way):
    port = haproxy.add(behind.start().port, WAYS[way])
    haproxy.start()
    with client(port, TRUSTED) as trusted:
        trusted.sendmail("a@sender.example", "b@sink.example", MESSAGE)
    received = taken(sink).split(b"\r\nFrom:")[0].decode()
    assert f"([{TRUSTED}])" in received, received
    assert HaProxy.SOURCE not in received
    behind.wait_event("accepted", ip=TRUSTED)
    behind.wait_event("connected", ip=TRUSTED, proxy=HaProxy.SOURCE)
    assert TRUSTED in behind.command("why", "b@sink.example")
    with client(port, STRANGER) as stranger:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            stranger.sendmail("a@sender.example", "b@sink.example", MESSAGE)
        assert refused.value.smtp_code == 530
    behind.wait_event("connected", ip=STRANGER, proxy=HaProxy.SOURCE)
    assert metric(behind, "proxies_refused_total") == 0


@pytest.mark.parametrize("way", WAYS)
def test_ipv6_client(behind, haproxy, sink, way):
    port = haproxy.add(behind.start().port, WAYS[way], host="::1")
    haproxy.start()
    with smtplib.SMTP("::1", port, timeout=30) as trusted:
        trusted.sendmail("a@sender.example", "b@sink.example", MESSAGE)
    assert b"([IPv6:::1])" in taken(sink)
    behind.wait_event("accepted", ip="::1")


@pytest.mark.parametrize("way", WAYS)
def test_starttls_and_login(behind, haproxy, sink, way):
    """A stranger is let in by his password; a wrong one is told with his address."""
    port = haproxy.add(behind.start().port, WAYS[way])
    haproxy.start()
    with client(port, STRANGER) as stranger:
        stranger.starttls(context=trusting())
        stranger.ehlo()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            stranger.login("app", "wrong")
        stranger.login("app", "right")
        stranger.sendmail("a@sender.example", "b@sink.example", MESSAGE)
    assert f"([{STRANGER}])".encode() in taken(sink)
    behind.wait_event("login-failed", ip=STRANGER)
    assert not behind.events("login-failed", ip=HaProxy.SOURCE)


@pytest.mark.parametrize("way", WAYS)
def test_implicit_tls(behind, haproxy, sink, way):
    """The header is in front of the ClientHello."""
    implicit = behind.add_listener(tls="implicit", proxy_networks=[HaProxy.SOURCE])
    behind.start()
    port = haproxy.add(implicit, WAYS[way])
    haproxy.start()
    with client(port, STRANGER, smtplib.SMTP_SSL, context=trusting()) as stranger:
        stranger.login("app", "right")
        stranger.sendmail("a@sender.example", "b@sink.example", MESSAGE)
    first = taken(sink)
    with client(port, TRUSTED, smtplib.SMTP_SSL, context=trusting()) as trusted:
        trusted.sendmail("a@sender.example", "b@sink.example", MESSAGE)
    second = taken(sink, 2)
    assert f"([{STRANGER}])".encode() in first and f"([{TRUSTED}])".encode() in second
    assert b"ESMTPSA" in first and b"ESMTPS (" in second
    # No TLS behind the header: told with the client's address.
    with socket.create_connection(("127.0.0.1", port), 30, (STRANGER, 0)) as plain:
        plain.sendall(b"EHLO x\r\n")
        while plain.recv(1000):
            pass
    behind.wait_event("tls-failed", ip=STRANGER)
    # Others come to the same port without a header, as ever.
    with client(implicit, TRUSTED, smtplib.SMTP_SSL, context=trusting()) as direct:
        direct.sendmail("a@sender.example", "b@sink.example", MESSAGE)
    assert f"([{TRUSTED}])".encode() in taken(sink, 3)
    behind.wait_event("connected", ip=STRANGER, proxy=HaProxy.SOURCE)


def test_limits_are_the_clients(behind, haproxy):
    behind.set("submission", max_connections_per_address=2)
    port = haproxy.add(behind.start().port, "send-proxy-v2")
    haproxy.start()
    with client(port, STRANGER), client(port, STRANGER):
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            client(port, STRANGER)
        assert refused.value.smtp_code == 421
        with client(port, "127.0.0.78"), client(port, "127.0.0.79"):
            pass
    behind.wait_event("session-refused", ip=STRANGER)
    assert not behind.events("session-refused", ip=HaProxy.SOURCE)


@pytest.mark.parametrize("way", WAYS)
def test_health_checks(behind, haproxy, way):
    """They name nobody (LOCAL, UNKNOWN), get their greeting, and are not trusted as the proxy."""
    behind.set("submission", trusted_networks=[TRUSTED, HaProxy.SOURCE])
    port = haproxy.add(behind.start().port, WAYS[way] + " check inter 100ms fall 1",
                       check="    option smtpchk EHLO check.example\n")
    haproxy.start()
    wait_for(lambda: len(behind.events("connected", ip=HaProxy.SOURCE, proxy=HaProxy.SOURCE)) >= 3)
    with client(port, TRUSTED) as trusted:  # the server counts as up
        assert trusted.noop()[0] == 250
    assert metric(behind, "proxies_refused_total") == 0
    with say_as_proxy(behind.port, b"PROXY UNKNOWN\r\n") as nobody:
        assert nobody.greeting.startswith("220")
        nobody.say("EHLO x\r\n", "250")
        nobody.say("MAIL FROM:<a@sender.example>\r\n", "530 5.7.0")


def test_health_checks_before_tls(behind, haproxy):
    """They go away where the handshake would begin: no line of the log for each."""
    implicit = behind.add_listener(tls="implicit", proxy_networks=[HaProxy.SOURCE])
    behind.start()
    port = haproxy.add(implicit, "send-proxy-v2 check inter 50ms fall 1")
    statistics = haproxy.add_statistics()
    haproxy.start()
    wait_for(lambda: "L4OK" in haproxy.ask(statistics, "show stat"))
    for _ in range(5):
        with client(port, TRUSTED, smtplib.SMTP_SSL, context=trusting()) as trusted:
            assert trusted.noop()[0] == 250
    assert not behind.events("tls-failed", ip=HaProxy.SOURCE)
    assert metric(behind, "proxies_refused_total") == 0


class say_as_proxy(Raw):
    """A connection from the proxy's address that begins with these bytes."""

    def __init__(self, port, begin):
        self.socket = socket.create_connection(("127.0.0.1", port), 30, (HaProxy.SOURCE, 0))
        self.socket.sendall(begin)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()


def test_a_header_from_elsewhere_is_not_believed(behind):
    """From an address that is no proxy's it is an unknown command, in either version."""
    behind.start()
    with Raw(behind.port) as other:
        assert other.greeting.startswith("220")
        other.say(f"PROXY TCP4 {TRUSTED} 127.0.0.1 1234 587\r\n", "500 5.5.2")
        other.say("EHLO x\r\n", "250")
        other.say("MAIL FROM:<a@sender.example>\r\n", "530 5.7.0")
    with Raw(behind.port) as other:
        other.say(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x09\x7f\0\0\1\4\0\2\x4b", "500 5.5.2")
    assert not behind.events("connected", ip=TRUSTED)


def test_without_a_header_a_proxy_is_sent_away(behind, haproxy):
    """HAProxy with send-proxy forgotten: no greeting, a line for the operator, and a count."""
    port = haproxy.add(behind.start().port, "")
    haproxy.start()
    with socket.create_connection(("127.0.0.1", port), 30, (TRUSTED, 0)) as silent_server:
        silent_server.sendall(b"EHLO x\r\n")
        assert silent_server.recv(1000) == b""
    refused = behind.wait_event("proxy-refused", ip=HaProxy.SOURCE)
    assert "PROXY header" in refused["reason"]
    wait_for(lambda: metric(behind, "proxies_refused_total") >= 1)
    for begin in (b"PROXY TCP4 127.0.0.9 ::1 1 2\r\n", b"\x16\x03\x01\x02\x00", b"PROXY TCP9 "):
        with say_as_proxy(behind.port, begin + b"x" * 200) as bad:
            assert bad.greeting == ""


def test_reload_changes_who_is_a_proxy(behind):
    behind.start()
    with say_as_proxy(behind.port, f"PROXY TCP4 {TRUSTED} 127.0.0.1 1 587\r\n".encode()) as known:
        assert known.greeting.startswith("220")
        behind.config["listen"][0]["proxy_networks"] = ["127.0.0.67"]
        behind.reload()
        behind.wait_event("reloaded")
        known.say("EHLO x\r\nMAIL FROM:<a@sender.example>\r\n", "250")
        assert known.reply().startswith("250 2.1.0")
    with say_as_proxy(behind.port, b"PROXY UNKNOWN\r\n") as no_longer:
        assert no_longer.greeting.startswith("220")
        assert no_longer.reply().startswith("500 5.5.2")
