"""Routes: mail to a smarthost with a login, and how sure we are of whom we talk to."""
import json

import pytest

from conftest import PASSWORD, USER
from names import HOSTS
from postfix import parsed
from relay import wait_for
from test_delivery import MESSAGE, report_of


def via(relay, host, port, **keys):
    return relay.add("route", recipients=["*"], hosts=[f"{host}:{port}"], **keys)


def test_postfix_with_login_over_verified_tls(relay, postfix):
    via(relay, "smart.example", postfix.smart_port, tls="verify",
        auth={"user": USER, "password": PASSWORD}).start()
    relay.send("a@sender.example", "someone@anywhere.example", MESSAGE + "through the smarthost\r\n")
    mail = parsed(postfix.wait_mail("through the smarthost"))
    assert mail["Delivered-To"] == "someone@anywhere.example"
    assert "with ESMTPSA" in mail["Received"]
    relay.wait_empty()
    event = relay.wait_event("delivered")
    assert event["host"] == "smart.example" and event["tls"]


def test_password_from_a_file(relay, postfix, folder):
    path = folder + "/secret"
    with open(path, "w", encoding="utf-8") as f:
        f.write(PASSWORD + "\n")
    via(relay, "smart.example", postfix.smart_port,
        auth={"user": USER, "password_file": path}).start()
    relay.send("a@sender.example", "someone@anywhere.example", MESSAGE + "from a file\r\n")
    postfix.wait_mail("from a file")


def test_wrong_password_is_no_reason_to_bounce(relay, postfix):
    via(relay, "smart.example", postfix.smart_port,
        auth={"user": USER, "password": "wrong"}).start()
    relay.send("a@sender.example", "someone@anywhere.example", MESSAGE)
    event = wait_for(lambda: relay.events("deferred"))[0]
    assert "535" in event["reply"], event
    assert relay.totals()["bounced"] == 0
    assert relay.queue()[0]["state"] == "deferred" or relay.queued() == 1


@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN"])
def test_mechanism_that_is_offered(relay, new_receiver, certs, mechanisms):
    receiver = new_receiver("smart.example", context=certs.server_context("smart"),
                            users={"u": "p w"})
    ehlo = lambda s: (f"250-smart\r\n250 AUTH {mechanisms}" if s.has_tls
                      else "250-smart\r\n250 STARTTLS")
    receiver.moods["ehlo"] = ehlo
    via(relay, "smart.example", receiver.port, auth={"user": "u", "password": "p w"}).start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    wait_for(receiver.count)
    assert receiver.messages[0].user == "u" and receiver.messages[0].has_tls
    assert any(line.startswith("AUTH " + mechanisms) for _, line in receiver.commands)


@pytest.mark.parametrize("leaf", ["unknown", "wrong-name", "expired"])
def test_verify_refuses(relay, new_receiver, certs, leaf):
    receiver = new_receiver("smart.example", context=certs.server_context(leaf), users={"u": "p"})
    via(relay, "smart.example", receiver.port, tls="verify",
        auth={"user": "u", "password": "p"}).start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    relay.wait_event("deferred")
    assert receiver.received == 0 and relay.totals()["bounced"] == 0
    assert not any(line.startswith(("AUTH", "MAIL")) for _, line in receiver.commands)


def test_require_does_not_ask_who(relay, new_receiver, certs):
    receiver = new_receiver("smart.example", context=certs.server_context("unknown"))
    via(relay, "smart.example", receiver.port, tls="require").start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    wait_for(receiver.count)
    assert receiver.messages[0].has_tls


def test_require_and_no_tls_offered(relay, new_receiver):
    receiver = new_receiver("smart.example")
    via(relay, "smart.example", receiver.port, tls="require").start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    relay.wait_event("deferred")
    assert receiver.received == 0
    assert not any(line.startswith("MAIL") for _, line in receiver.commands)


def test_opportunistic_uses_what_there_is(relay, new_receiver, certs):
    with_tls = new_receiver("mx.sink.example", context=certs.server_context("unknown"))
    without = new_receiver("mx.moody.example")
    relay.start()
    relay.send("a@sender.example", ["x@sink.example", "x@moody.example"], MESSAGE)
    wait_for(lambda: with_tls.count() and without.count())
    assert with_tls.messages[0].has_tls and not without.messages[0].has_tls


def test_opportunistic_falls_back_to_plain(relay, new_receiver, certs):
    """STARTTLS is offered and its handshake fails: better in clear than not at all."""
    receiver = new_receiver("mx.moody.example", context=certs.server_context("moody"))

    class Broken:
        def wrap_socket(self, connection, server_side):
            connection.sendall(b"this is no TLS record" * 10)
            raise OSError()

    receiver.context = Broken()
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(receiver.count, 20)
    assert not receiver.messages[0].has_tls


def test_tls_none_asks_for_none(relay, new_receiver, certs):
    receiver = new_receiver("mx.sink.example", context=certs.server_context("unknown"))
    relay.set("delivery", tls="none").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(receiver.count)
    assert not receiver.messages[0].has_tls


def test_mx_hosts_can_be_verified_too(relay, new_receiver, certs):
    good = new_receiver("mx.moody.example", context=certs.server_context("moody"))
    bad = new_receiver("mx.sink.example", context=certs.server_context("wrong-name"))
    relay.set("delivery", tls="verify").start()
    relay.send("a@sender.example", ["x@sink.example", "x@moody.example"], MESSAGE)
    wait_for(good.count)
    relay.wait_event("deferred", to="x@sink.example")
    assert bad.received == 0


def test_second_smarthost(relay, new_receiver):
    receiver = new_receiver("up.two.example")
    relay.add("route", recipients=["*"], tls="none",
              hosts=[f"down.two.example:{receiver.port}", f"up.two.example:{receiver.port}"]).start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    wait_for(receiver.count)


def test_first_route_that_matches(relay, new_receiver, sink, mx_port):
    other = new_receiver("mx.other.example")
    relay.add("route", recipients=["*@special.example", "vip@*"], tls="none",
              hosts=[f"{HOSTS['mx.other.example']}:{mx_port}"]).start()
    relay.send("a@sender.example", ["x@special.example", "vip@sink.example", "x@sink.example"],
               MESSAGE)
    wait_for(lambda: len(other.recipients()) == 2 and sink.count() == 1)
    assert sorted(other.recipients()) == ["vip@sink.example", "x@special.example"]
    assert sink.recipients() == ["x@sink.example"]


def test_routes_by_sender_and_size(relay, new_receiver, sink, mx_port):
    other = new_receiver("mx.other.example")
    hosts = [f"{HOSTS['mx.other.example']}:{mx_port}"]
    relay.add("route", name="news", senders=["*@news.example"], tls="none", hosts=hosts)
    relay.add("route", name="large", min_size="20KiB", tls="none", hosts=hosts).start()
    relay.send("a@news.example", "x@sink.example", MESSAGE)
    relay.send("a@sender.example", "y@sink.example", MESSAGE)
    relay.send("a@sender.example", "z@sink.example", MESSAGE + 30 * ("y" * 900 + "\r\n"))
    wait_for(lambda: len(other.recipients()) == 2 and sink.count() == 1)
    assert sorted(other.recipients()) == ["x@sink.example", "z@sink.example"]
    assert sink.recipients() == ["y@sink.example"]

    text = relay.command("explain", "--from", "a@sender.example", "--size", "300", "q@sink.example")
    assert "none fits\n" in text and "not news: another sender\n" in text
    assert "not large: smaller than its min_size\n" in text
    told = json.loads(relay.command("explain", "--size", "1MiB", "q@sink.example", "--json"))
    assert told["recipients"][0]["route"] == "large"
    assert told["recipients"][0]["hosts"] == [
        {"name": HOSTS["mx.other.example"], "port": mx_port, "priority": 1, "weight": 1,
         "failures": 0, "skipped_s": 0}]
    assert "is no address" in relay.command("explain", "a b", status=1)
    assert "ip must be an address" in relay.command("explain", "a@b.example", "--ip", "x", status=1)
    assert "no login, and the address" in relay.command("explain", "a@b.example", "--ip", "192.0.2.1")
    assert "size must be a size" in relay.command("explain", "a@b.example", "--size", "big", status=1)


def test_smarthost_refuses_a_recipient(relay, new_receiver, sender):
    receiver = new_receiver("smart.example", rcpt=lambda s, a: "550 5.7.1 not through us")
    relay.add("route", recipients=["*@far.example"], hosts=[f"smart.example:{receiver.port}"],
              tls="none").start()
    relay.send("a@sender.example", "x@far.example", MESSAGE)
    _, blocks = report_of(sender)
    assert "not through us" in blocks["x@far.example"]["Diagnostic-Code"]


def test_no_password_in_clear(relay, new_receiver):
    """A server that offers AUTH but no TLS gets no password ..."""
    receiver = new_receiver("smart.example", users={"u": "p"})
    via(relay, "smart.example", receiver.port, tls="opportunistic",
        auth={"user": "u", "password": "p"}).start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    wait_for(lambda: relay.events("deferred"))
    assert not any(line.startswith("AUTH") for _, line in receiver.commands)


def test_password_in_clear_to_this_machine(relay, new_receiver):
    """... unless it is this machine, by its number."""
    receiver = new_receiver("smart.example", users={"u": "p"})
    via(relay, HOSTS["smart.example"], receiver.port, tls="none",
        auth={"user": "u", "password": "p"}).start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    wait_for(receiver.count)
    assert receiver.messages[0].user == "u"
