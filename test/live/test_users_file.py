"""users_file: users beside the configuration, read again by itself when it has changed."""
import os
import smtplib

import pytest

from relay import passwd, trusting, wait_for


def may_log_in(relay, user, password):
    with relay.client() as client:
        client.starttls(context=trusting())
        try:
            client.login(user, password)
            return True
        except smtplib.SMTPAuthenticationError:
            return False


@pytest.fixture
def users(relay, tmp_path):
    path = tmp_path / "users"
    path.write_text(f"# users\nalice:{passwd('a')}\n")
    relay.closed_to_strangers()
    relay.set("submission", login_delay="0s", login_failures=1000)
    relay.config["users_file"] = str(path)
    relay.add("user", name="app", password=passwd("block"))
    relay.start()
    return path


def test_changes_are_seen(relay, users):
    assert may_log_in(relay, "alice", "a") and may_log_in(relay, "app", "block")
    assert not may_log_in(relay, "bob", "b")
    users.write_text(f"bob:{passwd('b')}\napp:{passwd('file')}\n")
    wait_for(lambda: may_log_in(relay, "bob", "b"), 20)
    assert not may_log_in(relay, "alice", "a")
    assert may_log_in(relay, "app", "block") and may_log_in(relay, "app", "file")

    # Put in place as editors do it.
    fresh = users.with_suffix(".new")
    fresh.write_text(f"carol:{passwd('c')}\n")
    os.rename(fresh, users)
    wait_for(lambda: may_log_in(relay, "carol", "c"), 20)


def test_a_mistake_keeps_the_users_from_before(relay, users):
    users.write_text("alice:hunter2\n")
    failed = relay.wait_event("reload-failed", 20)
    assert "users_file: line 1: is not a password hash" in failed["text"], failed
    assert "hunter2" not in relay.log()
    assert may_log_in(relay, "alice", "a")
    users.unlink()
    wait_for(lambda: len(relay.events("reload-failed")) == 2, 20)
    assert may_log_in(relay, "alice", "a")
    users.write_text(f"alice:{passwd('new')}\n")
    wait_for(lambda: may_log_in(relay, "alice", "new"), 20)


def test_other_edits_wait_for_their_reload(relay, users):
    """The configuration is half edited when the users change."""
    with open(relay.config_path, encoding="utf-8") as f:
        text = f.read()
    relay.write_config("hostname = \n" + text)
    users.write_text(f"bob:{passwd('b')}\n")
    wait_for(lambda: may_log_in(relay, "bob", "b"), 20)
    assert not relay.events("reload-failed")
