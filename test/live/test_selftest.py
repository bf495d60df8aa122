"""`outpost selftest spool` on this machine's own disk."""
import json
import os
import subprocess

import pytest

from relay import BINARY, SLOW


def selftest(*args, status=0):
    done = subprocess.run([BINARY, "selftest", "spool", *args], capture_output=True, text=True,
                          timeout=120 * SLOW, check=False)
    assert done.returncode == status, f"{done.returncode} {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_what_was_confirmed_survives(folder):
    report = json.loads(selftest("--dir", folder, "--rounds", "3", "--json"))
    assert report["good"] and report["lost"] == report["altered"] == 0
    assert report["rounds"] == 3 and report["kills"] > 0 and report["checked"] > report["confirmed"] > 0
    for kind in ("sync_filled", "sync_growing"):
        one = report[kind]
        assert 0 < one["count"] and one["min_us"] <= one["median_us"] <= one["p99_us"] <= one["max_us"]
    assert os.listdir(folder) == [], "it left something"


def test_it_says_what_it_does(folder):
    said = selftest("--dir", folder, "--seconds", "1")
    assert "at most" in said and "MiB" in said and "commits/s" in said and "survived" in said


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no file system in memory here")
def test_a_disk_that_forgets_is_named():
    assert "restart of the machine" in selftest("--dir", "/dev/shm", "--rounds", "1")


def test_the_state_directory_of_a_relay(relay, sink):
    """Beside a running relay, and without touching its queue."""
    relay.start()
    before = sorted(os.listdir(relay.config["state_dir"]))
    relay.command("selftest", "spool", "--rounds", "1")
    assert sorted(os.listdir(relay.config["state_dir"])) == before
    relay.send("a@sender.example", "b@sink.example", "Subject: x\r\n\r\nx\r\n")
    relay.wait_empty()


def test_usage(folder):
    assert "--rounds needs" in selftest("--rounds", "0", status=2)
    assert "--seconds needs" in selftest("--seconds", "x", status=2)
    assert "cannot use" in selftest("--dir", folder + "/none", status=1)
