"""OAuth2 to a smarthost: tokens fetched, refreshed, refused and repaired, against a server that
issues them and nodemailer's smtp-server that takes them."""
import json
import os
import stat
import subprocess
import threading

import pytest

from relay import BINARY, wait_for
from test_delivery import MESSAGE
from tokens import OauthSmarthost, TokenServer, refuse, reply

USER = "sender@office.example"


@pytest.fixture
def tokens(certs, folder):
    server = TokenServer(certs, folder)
    yield server
    server.close()


@pytest.fixture
def smarthost(certs, tokens):
    if not os.path.isdir(os.path.join(os.path.dirname(__file__), "node_modules", "smtp-server")):
        pytest.skip("npm ci has not been run in test/live")
    server = OauthSmarthost(certs, tokens.good_path, USER)
    yield server
    server.close()


def enrolled(relay, tokens, smarthost=None, **keys):
    """A relay with one account, "office"; without a smarthost nothing listens where mail goes."""
    port = smarthost.port if smarthost else 1
    account = {"name": "office", "client_id": "the-client", "token_url": tokens.url + "/token",
               "device_url": tokens.url + "/device", "refresh_token": "refresh-0"}
    account.update(keys)
    relay.add("oauth2", **{k: v for k, v in account.items() if v is not None})
    return relay.add("route", hosts=[f"smart.example:{port}"],
                     auth={"user": USER, "oauth2": "office"})


def account_of(relay):
    return relay.get("/tokens")["accounts"][0]


def token_path(relay):
    return os.path.join(relay.config["state_dir"], "tokens", "office")


def kept(relay):
    with open(token_path(relay), encoding="utf-8") as f:
        return f.read()


def send(relay, text="hello"):
    relay.send("a@sender.example", "b@anywhere.example", MESSAGE + text + "\r\n")


def no_secret_is_said(relay, *more):
    said = relay.log() + relay.get("/stats?x=1").__repr__() + relay.word("metrics")
    for secret in ("refresh-", "access-", "the-secret", "the-device-code", *more):
        assert secret not in said, secret


def test_delivery_with_a_refreshed_token(relay, tokens, smarthost):
    enrolled(relay, tokens, smarthost, client_secret="the-secret", scope="mail.send").start()
    send(relay)
    wait_for(smarthost.mails)
    assert smarthost.logins() == [("access-1", True)]
    assert smarthost.said("login")[0]["tls"]
    assert tokens.forms == [{"grant_type": "refresh_token", "refresh_token": "refresh-0",
                             "client_id": "the-client", "client_secret": "the-secret",
                             "scope": "mail.send"}]
    relay.wait_empty()
    assert account_of(relay)["state"] == "well" and 3500 < account_of(relay)["expires_s"] <= 3600
    assert "1 account, 0 failing" in relay.command("status")
    assert f"logging in as {USER} with a token of office" in relay.command("explain", "b@x.example")
    assert relay.command("login", "--check", "office").startswith("office")
    metrics = relay.word("metrics")
    assert 'outpost_token_fetches_total{account="office"} 1\n' in metrics
    assert 'outpost_token_failing{account="office"} 0\n' in metrics
    expiry = [l for l in metrics.splitlines() if l.startswith("outpost_token_expiry_seconds{")]
    assert 3500 < int(expiry[0].split()[1]) <= 3600
    no_secret_is_said(relay)


def test_client_credentials(relay, tokens, smarthost):
    enrolled(relay, tokens, smarthost, client_secret="the-secret", refresh_token=None,
             grant="client_credentials", scope="https://mail.example/.default").start()
    send(relay)
    wait_for(smarthost.mails)
    assert tokens.forms[0] == {"grant_type": "client_credentials", "client_id": "the-client",
                               "client_secret": "the-secret",
                               "scope": "https://mail.example/.default"}
    assert "needs no login" in relay.command("login", "office", status=1)


def test_rotation_is_kept_over_a_restart(relay, tokens, smarthost):
    tokens.rotates = True
    enrolled(relay, tokens, smarthost).start()
    wait_for(lambda: account_of(relay)["has_token"])
    assert kept(relay) == "refresh-1\n"
    info = os.stat(token_path(relay))
    assert stat.S_IMODE(info.st_mode) == 0o600 and info.st_uid == os.geteuid()
    assert stat.S_IMODE(os.stat(os.path.dirname(token_path(relay))).st_mode) == 0o700
    relay.stop()
    relay.start()
    wait_for(lambda: account_of(relay)["has_token"])
    assert [f["refresh_token"] for f in tokens.forms] == ["refresh-0", "refresh-1"]
    assert kept(relay) == "refresh-2\n"
    send(relay)
    wait_for(smarthost.mails)
    no_secret_is_said(relay)


def test_a_token_that_lost_its_worth_is_fetched_anew(relay, tokens, smarthost):
    enrolled(relay, tokens, smarthost).start()
    send(relay, "first")
    wait_for(lambda: len(smarthost.mails()) == 1)
    tokens.make_good("of somebody else")  # a password was changed, say
    relay.stop()                          # no connection is left that is logged in
    tokens.moods = [lambda h, f: reply(h, 200, {"access_token": "stale", "expires_in": 3600})]
    relay.start()
    send(relay, "second")
    wait_for(lambda: len(smarthost.mails()) == 2)
    assert smarthost.logins() == [("access-1", True), ("stale", False), ("access-2", True)]
    assert not relay.events("deferred") and not relay.events("token-failed")
    relay.wait_empty()


def test_a_token_that_is_refused_again_waits(relay, tokens, smarthost):
    stale = lambda h, f: reply(h, 200, {"access_token": "stale", "expires_in": 3600})
    tokens.moods = [stale, stale]
    enrolled(relay, tokens, smarthost).start()
    send(relay)
    reason = relay.wait_event("token-failed")["reason"]
    assert "the smarthost refuses it: 535" in reason
    assert relay.totals()["bounced"] == 0
    wait_for(lambda: "1 failing" in relay.command("status"))
    assert "refuses it" in relay.command("login", "--check", status=1)
    relay.post("/tokens?account=office")  # what an operator does who has repaired it
    wait_for(smarthost.mails, 30)
    assert smarthost.logins()[:3] == [("stale", False), ("stale", False), ("access-1", True)]
    relay.wait_empty()
    assert account_of(relay)["state"] == "well"


@pytest.mark.slow
def test_a_token_ends_and_the_next_one_was_there_before(relay, tokens, smarthost):
    """With the shortest life that counts, a minute."""
    tokens.life = -5
    enrolled(relay, tokens, smarthost).start()
    send(relay, "first")
    wait_for(lambda: len(smarthost.mails()) == 1)
    assert 50 < account_of(relay)["expires_s"] <= 60
    assert account_of(relay)["next_fetch_s"] < account_of(relay)["expires_s"] - 5
    wait_for(lambda: tokens.issued == 2, 60)  # and only the second is good now
    wait_for(lambda: relay.stats()["connections"]["out"] == 0)
    send(relay, "second")
    wait_for(lambda: len(smarthost.mails()) == 2)
    assert smarthost.logins() == [("access-1", True), ("access-2", True)]


TROUBLES = {
    "500": (lambda h, f: reply(h, 500, "oops"), "HTTP 500"),
    "401": (lambda h, f: reply(h, 401, {"error": "invalid_client"}), "invalid_client"),
    "garbage": (lambda h, f: h.wfile.write(b"\0\1\2 garbage\r\n\r\n"), "does not speak HTTP"),
    "html": (lambda h, f: reply(h, 200, "<html>log in, please</html>"), "no JSON object"),
    "huge": (lambda h, f: reply(h, 200, "x" * 70000), "too long"),
    "endless": (lambda h, f: endless(h), "begins with too much"),
    "no token": (lambda h, f: reply(h, 200, {"expires_in": 3600}), "no access token"),
    "cut": (lambda h, f: cut(h), "before its answer was whole"),
    "redirect": (lambda h, f: reply(h, 302, ""), "HTTP 302"),
    "closed": (lambda h, f: h.connection.close(), "login.example: "),
}


def endless(handler):
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-More: and more\r\n" * 100)
    except OSError:
        handler.close_connection = True


def cut(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"access_token\":\"x")
    handler.close_connection = True


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_with_the_server_loses_nothing(relay, tokens, smarthost, trouble):
    mood, words = TROUBLES[trouble]
    tokens.moods = [mood]
    enrolled(relay, tokens, smarthost).start()
    reason = relay.wait_event("token-failed")["reason"]
    assert words in reason
    send(relay)
    wait_for(lambda: f"no access token for account office: {reason}" in relay.command("status"))
    assert relay.queued() == 1 and not smarthost.logins()
    assert account_of(relay)["state"] == "failing" and account_of(relay)["failures"] == 1
    assert 'outpost_token_failing{account="office"} 1\n' in relay.word("metrics")
    relay.post("/tokens?account=office")
    wait_for(smarthost.mails)
    relay.wait_empty()
    assert not relay.events("deferred") and account_of(relay)["state"] == "well"
    no_secret_is_said(relay)


@pytest.mark.parametrize("leaf", ["login-unknown", "login-expired", "wrong-name"])
def test_a_server_that_is_somebody_else(relay, certs, folder, leaf):
    tokens = TokenServer(certs, folder, leaf)
    try:
        enrolled(relay, tokens).start()
        assert "TLS" in relay.wait_event("token-failed")["reason"]
        assert not tokens.forms  # and so no secret was said
    finally:
        tokens.close()


def test_nobody_there(relay, tokens):
    enrolled(relay, tokens, token_url="https://login.example:1/token").start()
    assert "refused" in relay.wait_event("token-failed")["reason"]


def test_no_such_host(relay, tokens):
    enrolled(relay, tokens, token_url="https://gone.nowhere.example/token").start()
    assert "gone.nowhere.example" in relay.wait_event("token-failed")["reason"]


def test_the_relay_stops_while_a_server_is_silent(relay, tokens):
    release = threading.Event()
    tokens.moods = [lambda h, f: release.wait(30)]
    enrolled(relay, tokens).start()
    wait_for(lambda: tokens.forms)
    assert account_of(relay)["state"] == "fetching"
    assert relay.stop() == 0
    release.set()


def test_many_accounts_take_turns(relay, tokens):
    """Four are asked for at once, the others when one has ended; a silent server holds up no other
    for ever."""
    seen, most, lock, release = [0], [0], threading.Lock(), threading.Event()

    def slow(handler, form):
        with lock:
            seen[0] += 1
            most[0] = max(most[0], seen[0])
        release.wait(20)
        with lock:
            seen[0] -= 1
        reply(handler, 200, {"access_token": "x", "expires_in": 3600})

    tokens.moods = [slow] * 20
    for i in range(20):
        relay.add("oauth2", name=f"a{i}", client_id="c", client_secret="the-secret",
                  grant="client_credentials", token_url=tokens.url + "/token")
        relay.add("route", recipients=[f"*@d{i}.example"], hosts=["smart.example:1"],
                  auth={"user": USER, "oauth2": f"a{i}"})
    relay.start()
    wait_for(lambda: seen[0] == 4)
    assert len(relay.get("/tokens")["accounts"]) == 20
    release.set()
    wait_for(lambda: all(a["has_token"] for a in relay.get("/tokens")["accounts"]), 20)
    assert most[0] == 4 and len(tokens.forms) == 20


def test_a_lost_grant_and_a_new_login(relay, tokens, smarthost):
    tokens.refresh_token = "another one"
    enrolled(relay, tokens, smarthost, refresh_token="refresh-0").start()
    assert "invalid_grant: the grant is no more" in relay.wait_event("token-failed")["reason"]
    assert account_of(relay)["state"] == "needs login"
    send(relay)
    assert "needs login" in relay.command("login", "--check", status=1)
    said = json_free(login(relay))
    assert "WDJB-MJHT" in said and tokens.url + "/enter" in said
    wait_for(smarthost.mails)
    assert account_of(relay)["state"] == "well"
    assert kept(relay).startswith("refresh-")
    no_secret_is_said(relay)


def login(relay, *args, status=0, feed=None):
    return relay.command("login", "office", *args, status=status, feed=feed)


def json_free(text):
    assert "the-device-code" not in text and "access-" not in text and "refresh-" not in text
    return text


def test_login_polls_until_it_is_entered(relay, tokens):
    tokens.pending = 2
    enrolled(relay, tokens, refresh_token=None, client_secret="the-secret", scope="a b")
    relay.write_config()
    assert "use it when it starts" in json_free(login(relay))
    assert tokens.paths == ["/device", "/token", "/token", "/token"]
    assert tokens.forms[0] == {"client_id": "the-client", "scope": "a b"}
    assert tokens.forms[1] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "the-device-code", "client_id": "the-client", "client_secret": "the-secret"}
    assert kept(relay) == "refresh-1\n"
    relay.start()
    wait_for(lambda: account_of(relay)["has_token"])
    assert tokens.forms[-1]["refresh_token"] == "refresh-1"


def test_login_that_is_denied(relay, tokens):
    enrolled(relay, tokens, refresh_token=None)
    relay.write_config()
    tokens.moods = [None, lambda h, f: refuse(h, "access_denied")]
    assert "access was denied" in login(relay, status=1)
    assert not os.path.exists(token_path(relay))
    tokens.moods = [lambda h, f: refuse(h, "unauthorized_client", "not for devices")]
    assert "unauthorized_client: not for devices" in login(relay, status=1)


def test_login_at_google_says_what_helps(relay, tokens):
    enrolled(relay, tokens, refresh_token=None, preset="google", scope=None)
    relay.write_config()
    tokens.moods = [lambda h, f: refuse(h, "invalid_scope")]
    assert "--refresh-token-file" in login(relay, status=1)
    assert tokens.forms == [{"client_id": "the-client", "scope": "https://mail.google.com/"}]


def test_login_by_a_token_had_elsewhere(relay, tokens, folder):
    enrolled(relay, tokens, refresh_token=None).start()
    assert "no refresh token yet: outpost login office" in relay.wait_event("token-failed")["reason"]
    assert "is being fetched" in login(relay, "--refresh-token-file", "-", feed="refresh-0\n")
    wait_for(lambda: account_of(relay)["has_token"])
    path = folder + "/token"
    with open(path, "w", encoding="utf-8") as f:
        f.write("two words\n")
    assert "holds no token" in login(relay, "--refresh-token-file", path, status=1)
    assert kept(relay) == "refresh-0\n"


def test_login_usage(relay, tokens):
    enrolled(relay, tokens, device_url=None)
    relay.write_config()
    assert "say which account" in relay.command("login", status=2)
    assert 'no [[oauth2]] with name = "nobody"' in relay.command("login", "nobody", status=1)
    assert "--refresh-token-file" in login(relay, status=1)
    done = subprocess.run([BINARY, "login", "--help"], capture_output=True, text=True, check=True)
    assert "--refresh-token-file" in done.stdout


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_a_file_that_others_may_read_is_not_used(relay, tokens, mode):
    enrolled(relay, tokens)
    relay.write_config()
    login(relay, "--refresh-token-file", "-", feed="refresh-0\n")
    os.chmod(token_path(relay), mode)
    relay.start()
    assert f"mode 0{mode:o}" in relay.wait_event("token-failed")["reason"]
    assert not tokens.forms
    os.chmod(token_path(relay), 0o600)
    relay.post("/tokens?account=office")
    wait_for(lambda: account_of(relay)["has_token"])


def test_a_kept_token_that_is_refused_gives_way_to_the_configured(relay, tokens):
    enrolled(relay, tokens)
    relay.write_config()
    login(relay, "--refresh-token-file", "-", feed="old-one\n")
    relay.start()
    wait_for(lambda: account_of(relay)["has_token"])
    assert [f["refresh_token"] for f in tokens.forms] == ["old-one", "refresh-0"]


def test_a_new_token_that_cannot_be_written_is_used_all_the_same(relay, tokens):
    tokens.rotates = True
    enrolled(relay, tokens)
    os.makedirs(token_path(relay) + ".new")
    relay.start()
    wait_for(lambda: account_of(relay)["has_token"])
    wait_for(lambda: any("only in memory" in e["text"] for e in relay.events("warning")))
    os.rmdir(token_path(relay) + ".new")
    relay.post("/tokens?account=office")
    wait_for(lambda: os.path.exists(token_path(relay)))
    assert [f["refresh_token"] for f in tokens.forms] == ["refresh-0", "refresh-1"]
    assert kept(relay) == "refresh-2\n"
    no_secret_is_said(relay)


def test_a_reload_brings_and_takes_accounts(relay, tokens):
    enrolled(relay, tokens).start()
    wait_for(lambda: account_of(relay)["has_token"])
    del relay.config["route"][0]["auth"]
    relay.reload()
    wait_for(lambda: relay.get("/tokens")["accounts"] == [])
    relay.config["route"][0]["auth"] = {"user": USER, "oauth2": "office"}
    relay.reload()
    wait_for(lambda: relay.get("/tokens")["accounts"] and account_of(relay)["has_token"])
    assert relay.http("POST", "/tokens?account=nobody")[0] == 404
    assert json.loads(relay.http("POST", "/tokens")[1])["error"]
