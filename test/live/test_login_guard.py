"""Guessing passwords: late answers, an address that is sent away, lines that fail2ban matches."""
import base64
import os
import shutil
import smtplib
import subprocess
import time

import pytest

from relay import REPOSITORY, SLOW, passwd, trusting, wait_for

FILTER = os.path.join(REPOSITORY, "packaging", "fail2ban", "filter.d", "outpost.conf")


@pytest.fixture
def guarded(relay):
    relay.closed_to_strangers()
    relay.set("submission", login_failures=3, login_delay="300ms")
    relay.add("user", name="app", password=passwd("right"))
    return relay


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def wrong(relay, user="app"):
    """The code that a wrong password gets, and after how long."""
    with relay.client() as client:
        client.starttls(context=trusting())
        client.ehlo()
        began = time.monotonic()
        try:
            code, _ = client.docmd("AUTH", "PLAIN " + plain(user, "wrong"))
        except smtplib.SMTPServerDisconnected:
            code = 421
        return code, time.monotonic() - began


def test_late_and_then_not_at_all(guarded):
    guarded.start()
    for _ in range(3):
        code, took = wrong(guarded, "nobody")
        assert code == 535 and took >= 0.29, (code, took)
    with guarded.client() as client:
        client.starttls(context=trusting())
        client.ehlo()
        code, text = client.docmd("AUTH", "PLAIN " + plain("app", "right"))  # the right one, too late
        assert (code, text[:5]) == (421, b"4.7.0")
        assert b"too many failed logins from your address, try again in" in text
    blocked = guarded.wait_event("login-blocked")
    assert (blocked["user"], blocked["code"]) == ("app", "421")


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="needs fail2ban")
@pytest.mark.parametrize("form", ["text", "json"])
def test_fail2ban_matches(guarded, tmp_path, form):
    guarded.set("submission", login_failures=2)
    guarded.set("log", format=form)
    guarded.start()
    for user in ("app", 'x" ip=9.9.9.9 code=535', "app"):
        wrong(guarded, user)
    log = tmp_path / "log"
    wait_for(lambda: guarded.log().count("login-") == 3)
    lines = [line for line in guarded.log().splitlines() if "login-" in line]
    log.write_text("\n".join(lines) + "\n")
    found = subprocess.run(["fail2ban-regex", str(log), FILTER, "-o", "ip"],
                           capture_output=True, text=True, check=False, timeout=60 * SLOW)
    assert found.stdout.split() == ["127.0.0.1"] * 3, (found.stdout, found.stderr, lines)
