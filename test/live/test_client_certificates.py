"""TLS client certificates: by fingerprint and by authority, with AUTH EXTERNAL and without, from
Python's ssl, openssl, curl, swaks and msmtp; and those that do not count."""
import hashlib
import os
import shutil
import smtplib
import socket
import ssl
import subprocess

import pytest

from names import HOSTS
from postfix import Postfix, parsed
from relay import BINARY, SLOW, free_port, passwd, trusting, wait_for

MESSAGE = ("From: <a@sender.example>\r\nTo: <b@sink.example>\r\nSubject: with a certificate\r\n"
           "\r\nhello\r\n")


@pytest.fixture(scope="module")
def shown(certs):
    """What clients show: name -> (chain, key)."""
    certs.leaf("c-ec", "app.example")
    certs.leaf("c-rsa", "app.example", key="rsa")
    certs.leaf("c-expired", "app.example", days=-1)
    certs.leaf("c-stranger", "app.example", authority="stranger")
    certs.make_authority("c-self", "app.example")
    return certs


def fingerprint(certs, name, of_key=False):
    with open(certs.path(name)[0], encoding="ascii") as f:
        der = ssl.PEM_cert_to_DER_cert(f.read())
    if not of_key:
        return "sha256:" + hashlib.sha256(der).hexdigest()
    key = subprocess.run(["openssl", "x509", "-in", certs.path(name)[0], "-pubkey", "-noout"],
                         capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                         capture_output=True, check=True).stdout
    return "spki-sha256:" + hashlib.sha256(der).hexdigest().upper()


def asking(relay, mode="optional", tls="starttls", **user):
    relay.closed_to_strangers()
    relay.config["listen"][0].update(client_certificates=mode, tls=tls)
    relay.add("user", name="app", **user)
    return relay


def context(certs, name=None):
    made = trusting()
    if name:
        made.load_cert_chain(*certs.path(name))
    return made


def connected(relay, certs, name=None, port=None):
    client = relay.client(port)
    client.starttls(context=context(certs, name))
    client.ehlo()
    return client


def mechanisms(client):
    return client.esmtp_features.get("auth", "").split()


def may_send(client):
    code = client.mail("a@sender.example")[0]
    client.rset()
    return code == 250


@pytest.mark.parametrize("name, of_key", [("c-ec", False), ("c-rsa", False), ("c-ec", True),
                                          ("c-rsa", True), ("c-self", False), ("c-expired", False)])
def test_a_fingerprint(relay, shown, sink, name, of_key):
    """Whoever signed it, and when it ends, does not matter."""
    asking(relay, certificates=[fingerprint(shown, name, of_key)]).start()
    with connected(relay, shown, name) as client:
        assert mechanisms(client)[0] == "EXTERNAL"
        client.sendmail("a@sender.example", "b@sink.example", MESSAGE)
    wait_for(sink.count)
    assert "with ESMTPSA" in parsed(sink.messages[0].data)["Received"]
    login = relay.wait_event("login", user="app")
    assert login["certificate"] == fingerprint(shown, name)
    assert relay.wait_event("accepted")["user"] == "app"


@pytest.mark.parametrize("response", ["=", "YXBw", None])
def test_auth_external(relay, shown, response):
    asking(relay, certificates=[fingerprint(shown, "c-ec")]).start()
    with connected(relay, shown, "c-ec") as client:
        if response:
            assert client.docmd("AUTH", "EXTERNAL " + response)[0] == 235
        else:
            assert client.docmd("AUTH", "EXTERNAL") == (334, b"")
            assert client.docmd("")[0] == 235
        assert may_send(client)
    with connected(relay, shown, "c-ec") as client:
        assert client.docmd("AUTH", "EXTERNAL Ym9zcw==")[0] == 535


@pytest.mark.parametrize("name, is_known, reason", [
    ("c-ec", True, None),
    ("c-rsa", True, None),
    ("c-expired", False, "expired"),
    ("c-stranger", False, "not trusted"),
    ("c-self", False, "self-signed"),
    ("smart", False, "no user's"),        # good, with a name that is nobody's
])
def test_an_authority(relay, shown, name, is_known, reason):
    relay.set("tls", client_ca_file=shown.authority)
    asking(relay, certificate_names=["app.*"]).start()
    with connected(relay, shown, name) as client:
        assert ("EXTERNAL" in mechanisms(client)) == is_known
        assert may_send(client) == is_known
    if reason:
        assert reason in relay.wait_event("certificate-unknown")["reason"]
        assert relay.events("certificate-unknown")[0]["certificate"] == fingerprint(shown, name)


def test_optional_means_optional(relay, shown):
    asking(relay, certificates=[fingerprint(shown, "c-ec")])
    relay.add("user", name="other", password=passwd("pw")).start()
    for name in (None, "c-rsa"):
        with connected(relay, shown, name) as client:
            assert "EXTERNAL" not in mechanisms(client) and not may_send(client)
            client.login("other", "pw")
            assert may_send(client)
    with connected(relay, shown, "c-ec") as client:  # a login takes the certificate's place
        client.user, client.password = "other", "pw"
        assert client.auth("PLAIN", client.auth_plain)[0] == 235
        client.sendmail("a@sender.example", "b@sink.example", MESSAGE)
    assert relay.wait_event("accepted")["user"] == "other"


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_required(relay, shown, tls):
    asking(relay, "required", tls, certificates=[fingerprint(shown, "c-ec")], password=passwd("pw"))
    relay.set("submission", trusted_networks=["127.0.0.0/8"])
    relay.start()

    def opened(name):
        if tls == "starttls":
            return connected(relay, shown, name)
        return smtplib.SMTP_SSL("127.0.0.1", relay.port, context=context(shown, name),
                                timeout=30 * SLOW)

    for name in (None, "c-rsa"):
        with opened(name) as client:
            client.ehlo()
            assert not mechanisms(client)
            code, text = client.mail("a@sender.example")
            assert (code, b"certificate is required" in text) == (530, True)
            assert client.docmd("AUTH", "PLAIN AGFwcABwdw==")[0] == 530
    with opened("c-ec") as client:
        client.ehlo()
        assert may_send(client)
    assert not relay.events("login-failed")
    assert {e["reason"] for e in relay.events("certificate-unknown")} == {
        "none was shown", "no authority of clients is configured"}


def test_a_user_keeps_to_its_limits(relay, shown):
    asking(relay, certificates=[fingerprint(shown, "c-ec")], senders=["*@sender.example"],
           recipients=["*@sink.example"], daily_quota=1).start()
    with connected(relay, shown, "c-ec") as client:
        assert client.mail("a@other.example")[0] == 553
        client.mail("a@sender.example")
        assert client.rcpt("b@other.example")[0] == 550
        client.rset()
        client.sendmail("a@sender.example", "b@sink.example", MESSAGE)
        assert client.mail("a@sender.example")[0] == 450


def test_where_nobody_asks(relay, shown):
    """A certificate is no login on another listener, nor does a session there help here."""
    asking(relay, certificates=[fingerprint(shown, "c-ec")])
    port = relay.add_listener()
    relay.start()
    with connected(relay, shown, "c-ec", port) as client:
        assert "EXTERNAL" not in mechanisms(client) and not may_send(client)


def test_a_resumed_session_is_none(relay, shown):
    """What was made with a certificate is not taken up again without one, nor across listeners."""
    asking(relay, certificates=[fingerprint(shown, "c-ec")])
    port = relay.add_listener(tls="implicit")
    relay.config["listen"][0]["tls"] = "implicit"
    relay.start()

    def session(to, made, before=None):
        with socket.create_connection(("127.0.0.1", to), timeout=30 * SLOW) as plain:
            with made.wrap_socket(plain, session=before) as tls:
                tls.recv(1000)
                tls.sendall(b"EHLO x\r\n")
                return tls.session, tls.session_reused, b"EXTERNAL" in tls.recv(1000)

    made = context(shown, "c-ec")
    first, _, is_known = session(relay.port, made)
    assert is_known
    assert session(relay.port, made, first)[1:] == (False, True)
    other, _, is_known = session(port, made)
    assert not is_known
    assert session(port, made, other)[1:] == (True, False)
    assert session(relay.port, made, other)[1:] == (False, True)


def test_a_reload(relay, shown):
    asking(relay, certificates=[fingerprint(shown, "c-ec")]).start()
    with connected(relay, shown, "c-ec") as before:
        assert may_send(before)
        relay.config["user"][0]["certificates"] = [fingerprint(shown, "c-rsa")]
        relay.config["user"][0]["name"] = "renamed"
        relay.reload()
        relay.wait_event("reloaded")
        code, text = before.mail("a@sender.example")
        assert (code, b"no longer valid" in text) == (530, True)
    with connected(relay, shown, "c-ec") as client:
        assert not may_send(client)
    with connected(relay, shown, "c-rsa") as client:
        assert may_send(client)


@pytest.mark.parametrize("text, said", [
    (None, "client-ca.pem"),
    ("no certificate\n", "no usable certificate"),
])
def test_a_bad_bundle(relay, shown, folder, text, said):
    path = os.path.join(folder, "client-ca.pem")
    if text:
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
    relay.set("tls", client_ca_file=path)
    asking(relay, certificate_names=["app.example"])
    status, printed = relay.run_to_end()
    assert status == 78 and said in printed and "tls.client_ca_file" in printed
    done = subprocess.run([BINARY, "check", "-c", relay.config_path], capture_output=True, text=True,
                          timeout=30 * SLOW, check=False)
    assert done.returncode == 78 and said in done.stdout


# --- clients ---

@pytest.fixture
def named(relay, shown):
    relay.set("tls", client_ca_file=shown.authority)
    return asking(relay, certificate_names=["app.example"]).start()


def run(*args, feed=None):
    done = subprocess.run(args, input=feed, capture_output=True, text=True, timeout=60 * SLOW,
                          check=False)
    assert done.returncode == 0, f"{args[0]}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def arrived(relay, sink):
    wait_for(sink.count)
    assert relay.wait_event("accepted")["user"] == "app"
    return parsed(sink.messages[0].data)


def test_openssl_is_told_whom_we_believe(named, shown):
    said = run("openssl", "s_client", "-connect", f"127.0.0.1:{named.port}", "-starttls", "smtp",
               "-cert", shown.path("c-rsa")[0], "-key", shown.path("c-rsa")[1], feed="QUIT\r\n")
    names = said.split("Acceptable client certificate CA names\n", 1)[1]
    assert "Test Authority" in names.split("\n")[0]
    named.wait_event("login", user="app")


def test_swaks(named, shown, sink):
    chain, key = shown.path("c-ec")
    run("swaks", "--server", "127.0.0.1", "--port", str(named.port), "--tls", "--tls-cert", chain,
        "--tls-key", key, "--from", "a@sender.example", "--to", "b@sink.example")
    arrived(named, sink)


def test_curl(named, shown, sink, folder):
    chain, key = shown.path("c-rsa")
    path = os.path.join(folder, "message")
    with open(path, "w", encoding="ascii") as f:
        f.write(MESSAGE)
    said = run("curl", "-sv", "--insecure", "--ssl-reqd", "--cert", chain, "--key", key,
               "--url", f"smtp://127.0.0.1:{named.port}", "--user", "app:",
               "--login-options", "AUTH=EXTERNAL", "--mail-from", "a@sender.example",
               "--mail-rcpt", "b@sink.example", "--upload-file", path)
    assert "AUTH EXTERNAL" in said
    arrived(named, sink)


def test_postfix(named, shown, sink, place):
    """Postfix relays through us and is known by its certificate alone."""
    chain, key = shown.path("c-ec")
    more = f"""
smtp_tls_security_level = encrypt
smtp_tls_cert_file = {chain}
smtp_tls_key_file = {key}
transport_maps = inline:{{ {{ sink.example = smtp:[127.0.0.1]:{named.port} }} }}
"""
    postfix = Postfix(os.path.join(place, "client"), free_port(HOSTS["mx.postfix.example"]),
                      free_port(HOSTS["smart.example"]), shown.path("relay"), "postmaster",
                      "pw", more)
    try:
        with smtplib.SMTP(HOSTS["smart.example"], postfix.smart_port, timeout=30 * SLOW) as client:
            client.starttls(context=trusting())
            client.login("postmaster@postfix.example", "pw")
            client.sendmail("a@sender.example", "b@sink.example", MESSAGE)
        wait_for(sink.count, 30)
        arrived(named, sink)
    finally:
        postfix.close()


def msmtp(relay, certs, name, auth):
    chain, key = certs.path(name)
    return subprocess.run(
        ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={relay.port}", "--tls=on",
         "--tls-starttls=on", "--tls-certcheck=off", f"--tls-cert-file={chain}",
         f"--tls-key-file={key}", f"--auth={auth}", "--user=app", "--from=a@sender.example",
         "b@sink.example"], input=MESSAGE.replace("\r", ""), capture_output=True, text=True,
        timeout=60 * SLOW, check=False)


needs_msmtp = pytest.mark.skipif(not shutil.which("msmtp"), reason="needs msmtp")


@needs_msmtp
@pytest.mark.parametrize("auth", ["external", "off"])
def test_msmtp(named, shown, sink, auth):
    done = msmtp(named, shown, "c-ec", auth)
    assert done.returncode == 0, done.stderr
    arrived(named, sink)


@needs_msmtp
@pytest.mark.parametrize("is_named", [True, False])
def test_msmtp_with_a_fingerprint(relay, shown, sink, is_named):
    """GnuTLS sends a certificate only when its issuer is among those we name: a certificate that has
    signed itself can be its own authority."""
    if is_named:
        relay.set("tls", client_ca_file=shown.path("c-self")[0])
    asking(relay, certificates=[fingerprint(shown, "c-self")]).start()
    done = msmtp(relay, shown, "c-self", "off")
    assert (done.returncode == 0) == is_named, done.stderr
    if is_named:
        arrived(relay, sink)
