"""Logins of ours: Postfix with Cyrus SASL, another Outpost, Python's ssl for certificates, and
hosts that refuse."""
import json
import os
import ssl
import subprocess

import pytest

from postfix import Postfix, parsed
from relay import BINARY, SLOW, free_port, passwd, trusting, wait_for
from test_client_certificates import fingerprint
from test_delivery import MESSAGE
from test_scram import secret

USER, PASSWORD = "re,l=ay", "p w=\u00e4 x"
MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"]


@pytest.fixture(scope="module")
def cyrus(place, certs):
    server = Postfix(os.path.join(place, "cyrus"), free_port("127.0.2.5"), free_port("127.0.2.8"),
                     certs.path("smart"), USER, PASSWORD, mechanisms=" ".join(MECHANISMS))
    yield server
    server.close()


def via(relay, port, host="smart.example", **auth):
    return relay.add("route", name="smart", hosts=[f"{host}:{port}"], auth=auth)


def send(relay, sender="a@sender.example", text="", **login):
    relay.send(sender, "someone@anywhere.example", MESSAGE + text, **login)


# --- Postfix with Cyrus SASL ---

@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_mechanism_of_cyrus(relay, cyrus, mechanism):
    cyrus.clear()
    via(relay, cyrus.smart_port, user=USER, password=PASSWORD, mechanisms=[mechanism]).start()
    send(relay, text=f"with {mechanism}\r\n")
    mail = parsed(cyrus.wait_mail(f"with {mechanism}"))
    assert "with ESMTPSA" in mail["Received"]
    wait_for(lambda: f"sasl_method={mechanism}, sasl_username={USER}" in cyrus.log())
    relay.wait_empty()


def test_the_best_is_taken(relay, cyrus):
    cyrus.clear()
    before = cyrus.log().count("sasl_method=SCRAM-SHA-256")
    via(relay, cyrus.smart_port, user=USER, password=PASSWORD).start()
    send(relay, text="the best\r\n")
    cyrus.wait_mail("the best")
    wait_for(lambda: cyrus.log().count("sasl_method=SCRAM-SHA-256") == before + 1)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_waits(relay, cyrus, mechanism):
    """It waits, says why in the server's words, and nothing is bounced."""
    via(relay, cyrus.smart_port, user=USER, password="wrong", mechanisms=[mechanism]).start()
    send(relay)
    refused = relay.wait_event("smarthost-login-refused")
    assert f"login refused ({mechanism}): 535" in refused["reason"], refused
    assert f"login refused ({mechanism}): 535" in relay.wait_event("deferred")["reply"]
    assert f"login refused ({mechanism}): 535" in relay.command("status")
    assert "outpost_smarthost_logins_refused_total" in relay.get("/metrics")
    assert relay.totals()["bounced"] == 0 and relay.queued() == 1


def test_nothing_in_common(relay, cyrus):
    via(relay, cyrus.smart_port, user=USER, password=PASSWORD,
        mechanisms=["SCRAM-SHA-256-PLUS"]).start()
    send(relay)
    assert ("the server offers AUTH" in relay.wait_event("deferred")["reply"]
            and "we could use SCRAM-SHA-256-PLUS" in relay.events("deferred")[0]["reply"])


# --- another Outpost ---

def upstream(new_relay, sink, **user):
    there = new_relay("upstream").closed_to_strangers()
    there.set("submission", login_delay="0s", channel_binding=True)
    there.add("user", name="boss", **user)
    return there


def test_bound_to_the_channel(relay, new_relay, sink):
    """SCRAM-SHA-256-PLUS, over a certificate that nobody verifies."""
    there = upstream(new_relay, sink, password=secret("pencil")).start()
    via(relay, there.port, "127.0.0.1", user="boss", password="pencil",
        mechanisms=["SCRAM-SHA-256-PLUS"])
    relay.config["route"][0]["tls"] = "require"
    relay.start()
    relay.send("a@sender.example", "b@sink.example", MESSAGE)
    wait_for(sink.count)
    assert there.wait_event("login", user="boss")


def test_bound_to_the_channel_and_wrong(relay, new_relay, sink):
    there = upstream(new_relay, sink, password=secret("pencil")).start()
    via(relay, there.port, "127.0.0.1", user="boss", password="crayon")
    relay.config["route"][0]["tls"] = "require"
    relay.start()
    relay.send("a@sender.example", "b@sink.example", MESSAGE)
    assert "(SCRAM-SHA-256-PLUS): 535" in relay.wait_event("smarthost-login-refused")["reason"]


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_external(relay, new_relay, sink, certs, key):
    certs.leaf("us-" + key, "us.example", key=key)
    there = upstream(new_relay, sink, certificates=[fingerprint(certs, "us-" + key)])
    there.config["listen"][0].update(client_certificates="required")
    there.start()
    shown, its_key = certs.path("us-" + key)
    via(relay, there.port, "127.0.0.1", certificate=shown, key=its_key, mechanisms=["EXTERNAL"])
    relay.config["route"][0]["tls"] = "require"
    relay.start()
    relay.send("a@sender.example", "b@sink.example", MESSAGE)
    wait_for(sink.count)
    assert there.wait_event("login", user="boss")["certificate"] == fingerprint(certs, "us-" + key)


# --- certificates, seen by OpenSSL ---

@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_a_certificate_without_auth(relay, new_receiver, certs, key):
    certs.leaf("us-" + key, "us.example", key=key)
    context = certs.server_context("smart")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certs.authority)
    receiver = new_receiver("smart.example", context=context)
    shown, its_key = certs.path("us-" + key)
    via(relay, receiver.port, certificate=shown, key=its_key).start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    wait_for(receiver.count)
    assert receiver.messages[0].has_tls


def test_no_certificate_where_one_is_wanted(relay, new_receiver, certs):
    context = certs.server_context("smart")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certs.authority)
    receiver = new_receiver("smart.example", context=context)
    relay.add("route", hosts=[f"smart.example:{receiver.port}"], tls="verify").start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    relay.wait_event("deferred")
    assert receiver.received == 0


def test_a_certificate_that_is_renewed(relay, new_receiver, certs):
    """A reload reads it again; one that cannot be read is refused, and the old one stays."""
    certs.leaf("renewed", "us.example", authority="stranger")
    context = certs.server_context("smart")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certs.authority)
    receiver = new_receiver("smart.example", context=context)
    shown, its_key = certs.path("renewed")
    via(relay, receiver.port, certificate=shown, key=its_key).start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    relay.wait_event("deferred")
    with open(shown, encoding="ascii") as f:
        old = f.read()
    with open(shown, "w", encoding="ascii") as f:
        f.write("nothing")
    relay.reload()
    assert "no certificate" in json.dumps(relay.wait_event("reload-failed"))
    with open(shown, "w", encoding="ascii") as f:
        f.write(old)
    certs.leaf("renewed", "us.example")
    relay.reload()
    wait_for(receiver.count)


@pytest.mark.parametrize("what, said", [
    ("", "no certificate in the certificate file"),
    (None, "No such file"),
])
def test_check_reads_the_certificate(relay, certs, folder, what, said):
    path = folder + "/us.pem"
    if what is not None:
        with open(path, "w", encoding="ascii") as f:
            f.write(what)
    via(relay, 25, certificate=path, key=certs.path("smart")[1]).write_config()
    done = subprocess.run([BINARY, "check", "-c", relay.config_path], capture_output=True,
                          text=True, timeout=10 * SLOW, check=False)
    assert done.returncode == 78 and said.lower() in done.stdout.lower(), done.stdout


# --- credentials ---

def test_credentials_by_sender_and_login(relay, new_receiver, certs):
    """Who sends decides whose login it is, and no connection carries mail of two."""
    users = {"common": "1", "shop": "2", "news": "3"}
    receiver = new_receiver("smart.example", context=certs.server_context("smart"), users=users)
    via(relay, receiver.port, user="common", password="1")
    relay.add("user", name="app", password=passwd("pw"))
    relay.add("credential", route="smart", senders=["*@shop.example"], user="shop", password="2")
    relay.add("credential", route="smart", logins=["app"], user="news", password="3")
    relay.start()
    with relay.client() as client:
        for sender in ("a@x.example", "a@shop.example", "b@x.example", "b@shop.example"):
            client.sendmail(sender, "someone@anywhere.example", MESSAGE)
    with relay.client() as client:
        client.starttls(context=trusting())
        client.login("app", "pw")
        for sender in ("c@x.example", "c@shop.example"):
            client.sendmail(sender, "someone@anywhere.example", MESSAGE)
    wait_for(lambda: receiver.count() == 6)
    assert {m.sender: m.user for m in receiver.messages} == {
        "a@x.example": "common", "b@x.example": "common", "a@shop.example": "shop",
        "b@shop.example": "shop", "c@shop.example": "shop", "c@x.example": "news"}
    said = relay.command("explain", "--from", "a@shop.example", "b@anywhere.example")
    assert "logging in as shop" in said


# --- hosts that refuse ---

def logins(receiver):
    return [line for _, line in receiver.commands if line.startswith("AUTH")]


def test_no_hammering(relay, new_receiver, certs):
    """Forty messages, a wrong password: it is tried by one connection at a time."""
    receiver = new_receiver("smart.example", context=certs.server_context("smart"),
                            users={"u": "right"})
    via(relay, receiver.port, user="u", password="wrong")
    relay.set("retry", first="30s", max="1m").start()
    for i in range(40):
        relay.send("a@sender.example", f"b{i}@anywhere.example", MESSAGE)
    relay.wait_event("deferred")
    wait_for(lambda: relay.stats()["queue"]["messages"] == 40)
    assert len(logins(receiver)) == 1, logins(receiver)


@pytest.mark.parametrize("reply, word", [
    ("454 4.7.0 temporary authentication failure", "login put off"),
    ("534 5.7.9 please use an app password", "login refused"),
    ("538 5.7.11 encryption required", "login refused"),
])
def test_what_the_host_says_is_told(relay, new_receiver, certs, reply, word):
    receiver = new_receiver("smart.example", context=certs.server_context("smart"),
                            users={"u": "p"}, auth=lambda *_: reply)
    via(relay, receiver.port, user="u", password="p").start()
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE)
    assert f"{word} (PLAIN): {reply}" in relay.wait_event("deferred")["reply"]
    assert relay.totals()["bounced"] == 0
