"""Listeners on Unix sockets: who is at the other end is known by uid, and may relay."""
import os
import pwd
import smtplib
import socket
import stat

from relay import SLOW, wait_for

MESSAGE = "From: a@sender.example\r\nTo: b@sink.example\r\nSubject: by socket\r\n\r\nhello\r\n"


class UnixSmtp(smtplib.SMTP):
    """smtplib over a Unix socket: the path is the host."""

    def _get_socket(self, host, port, timeout):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(host)
        return s


def send(path, sender="a@sender.example", to="b@sink.example"):
    with UnixSmtp(path, 1, local_hostname="client", timeout=20 * SLOW) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        client.sendmail(sender, [to], MESSAGE)


def me():
    uid = os.getuid()
    return f"uid={uid} {pwd.getpwuid(uid).pw_name}"


def test_identity_in_log_received_and_queue(relay, sink):
    path = relay.folder + "/s.sock"
    relay.closed_to_strangers().add("listen", address=f"unix:{path},mode=0600").start()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    send(path)
    accepted = relay.wait_event("accepted")
    assert accepted["ip"] == me()
    got = wait_for(lambda: sink.messages)[0]
    assert f"({me()})" in got.data.decode().split("Subject:")[0].replace("\r\n\t", " ")


def test_default_socket_is_next_to_the_control_socket(relay, sink):
    relay.closed_to_strangers().start()
    path = relay.folder + "/submit.sock"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    send(path)
    relay.wait_event("accepted")
    assert relay.stop() == 0
    assert not os.path.exists(path)


def test_a_socket_that_cannot_be_opened_is_a_warning(relay):
    with open(relay.folder + "/file", "w", encoding="ascii"):
        pass
    relay.set("sendmail", socket=relay.folder + "/file/s.sock").start()
    assert "only use the drop directory" in relay.wait_event("warning")["text"]


def test_sockets_come_and_go_with_a_reload(relay):
    relay.start()
    first, second = relay.folder + "/submit.sock", relay.folder + "/other/s.sock"
    relay.set("sendmail", socket=second).reload()
    relay.wait_event("reloaded")
    assert os.path.exists(second) and not os.path.exists(first)
    relay.set("sendmail", enabled=False).reload()
    wait_for(lambda: not os.path.exists(second))
