"""The disk goes wrong under a running relay: nothing that was answered 250 is lost, clients hear
452, the log and the metrics say it, other mail goes on, and when the trouble is over so is ours."""
import glob
import os
import shutil
import smtplib
import subprocess

import pytest

from relay import wait_for
from test_delivery import MESSAGE

LARGE = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * (1024 * 1024 // 72)
NOBODY = 65534


def metric(relay, name):
    line = next(line for line in relay.get("/metrics").splitlines()
                if line.startswith(f"outpost_{name} "))
    return float(line.split()[1])


def try_send(relay, name, message=MESSAGE):
    """True: taken. False: refused for now. Anything else is an error."""
    try:
        relay.send("a@sender.example", f"{name}@sink.example", message)
        return True
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as refused:
        assert refused.smtp_code == 452, refused
    except smtplib.SMTPRecipientsRefused as refused:
        assert all(code == 452 for code, _ in refused.recipients.values()), refused
    return False


def send_until_refused(relay, message, most=100):
    taken = []
    for n in range(most):
        if not try_send(relay, f"x{n}", message):
            return taken
        taken.append(f"x{n}@sink.example")
    raise AssertionError(f"{most} messages were taken")


def is_said(relay, text):
    return [e for e in relay.events("journal") if text in e["text"]]


@pytest.fixture
def unprivileged(relay):
    """The relay as a user whom file modes stop."""
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed")
        relay.wrapper = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        os.chown(relay.folder, NOBODY, NOBODY)
    return relay


def test_read_only_directory(unprivileged, sink):
    relay = unprivileged
    relay.set("queue", max_size="64MiB").start()
    relay.command("pause", "--all")
    queue = relay.config["state_dir"] + "/queue"
    os.chmod(queue, 0o500)
    taken = send_until_refused(relay, LARGE)
    assert relay.queued() == len(taken)
    assert is_said(relay, "Permission denied")
    assert metric(relay, "journal_reports_total") > 0
    assert metric(relay, "store_failures_total") + metric(relay, "rejected_total") > 0
    relay.command("resume", "--all")
    wait_for(lambda: set(sink.recipients()) == set(taken), 20)  # what it has goes on
    os.chmod(queue, 0o700)
    wait_for(lambda: try_send(relay, "again"), 20)
    wait_for(lambda: "again@sink.example" in sink.recipients())
    wait_for(lambda: is_said(relay, "works again"))
    assert metric(relay, "store_failing") == 0
    relay.wait_empty()


def test_full_inode_table(relay, sink, new_disk):
    disk = new_disk("size=200m,nr_inodes=24")
    relay.config["state_dir"] = disk + "/state"
    relay.set("queue", max_size="64MiB").start()
    relay.command("pause", "--all")
    fillers = fill_inodes(disk)
    taken = send_until_refused(relay, LARGE)
    assert relay.queued() == len(taken)
    assert is_said(relay, "No space left on device")
    assert metric(relay, "journal_reports_total") > 0
    relay.command("resume", "--all")
    wait_for(lambda: set(sink.recipients()) == set(taken), 20)
    for filler in fillers:
        os.unlink(filler)
    wait_for(lambda: try_send(relay, "again"), 20)
    wait_for(lambda: "again@sink.example" in sink.recipients())
    relay.wait_empty()
    assert metric(relay, "store_failing") == 0


def fill_inodes(disk):
    names = [f"{disk}/filler-{n}" for n in range(1000)]
    for at, name in enumerate(names):
        try:
            with open(name, "w", encoding="ascii"):
                pass
        except OSError:
            return names[:at]
    raise AssertionError("inodes enough for everything")


def test_start_without_inodes(relay, new_disk):
    disk = new_disk("size=200m,nr_inodes=24")
    relay.config["state_dir"] = disk + "/state"
    fillers = fill_inodes(disk)
    status, said = relay.run_to_end()
    assert status == 1 and "No space left on device" in said and disk in said
    for filler in fillers:
        os.unlink(filler)
    relay.start()


def test_state_directory_is_removed(relay, sink):
    """No 250 for what would stand in a file without a name; what is known is still delivered."""
    relay.set("queue", max_size="64MiB").start()
    relay.command("pause", "--all")
    for n in range(5):
        assert try_send(relay, f"known{n}")
    shutil.rmtree(relay.config["state_dir"])
    assert not try_send(relay, "lost"), "answered 250, and it would not survive a restart"
    assert not try_send(relay, "lost")
    wait_for(lambda: is_said(relay, "was removed"))
    assert metric(relay, "store_failing") == 1
    assert metric(relay, "store_failures_total") > 0
    relay.command("resume", "--all")
    wait_for(lambda: sink.count() == 5)
    relay.kill()
    relay.start()
    assert try_send(relay, "later")
    wait_for(lambda: "later@sink.example" in sink.recipients())
    assert "lost@sink.example" not in sink.recipients()


def test_segment_that_is_written_to_is_removed(relay, sink):
    relay.set("queue", max_size="64MiB").start()
    assert try_send(relay, "first")
    wait_for(sink.count)
    relay.command("pause", "--all")

    def is_noticed():  # at once, unless a new segment was just being taken
        for path in glob.glob(relay.config["state_dir"] + "/queue/*.seg"):
            os.unlink(path)
        return not try_send(relay, "lost")

    wait_for(is_noticed)
    wait_for(lambda: is_said(relay, "was removed"))
    wait_for(lambda: try_send(relay, "second"))
    relay.kill()
    relay.start()
    relay.command("resume", "--all")
    wait_for(lambda: sorted(sink.recipients()) == ["first@sink.example", "second@sink.example"])


def start_later(relay, offset, file=None):
    """As if the machine's clock were off by so much ("+2d", "-30d"; None: as it is), or by what
    stands in `file` at any time."""
    library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not library:
        pytest.skip("libfaketime is not installed")
    relay.environment = {}
    if offset or file:
        relay.environment = {"LD_PRELOAD": library[0], "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    if offset:
        relay.environment["FAKETIME"] = offset
    if file:
        relay.environment |= {"FAKETIME_TIMESTAMP_FILE": file, "FAKETIME_NO_CACHE": "1"}
    relay.start()


@pytest.mark.plain_binary
def test_clock_goes_backwards_over_a_restart(relay, new_receiver):
    """Mail from the future is neither lost, nor sent twice, nor kept until then."""
    sink = new_receiver(rcpt=lambda s, a: "450 4.2.1 later" if a.startswith("later") else None)
    relay.set("retry", first="2s", factor=1.0, max="2s")
    start_later(relay, "+20d")
    for name in ("later1", "later2", "done"):
        assert try_send(relay, name)
    wait_for(lambda: len(relay.events("deferred")) >= 2)
    wait_for(lambda: sink.recipients() == ["done@sink.example"])
    first = relay.queue()
    relay.kill()
    start_later(relay, None)
    assert relay.queued() == 2
    sink.moods.clear()
    wait_for(lambda: sorted(sink.recipients()) == [
        f"{name}@sink.example" for name in ("done", "later1", "later2")], 10)
    relay.wait_empty()
    assert not relay.events("expired") and not relay.events("bounced")
    # New ids still sort behind old ones.
    relay.command("pause", "--all")
    assert try_send(relay, "new")
    assert relay.queue()[0]["id"] > max(m["id"] for m in first)


@pytest.mark.plain_binary
def test_clock_jumps_under_a_running_relay(relay, new_receiver):
    """The wall clock may be set to anything meanwhile: waits are as long as they were."""
    sink = new_receiver(rcpt=lambda s, a: "450 4.2.1 later" if a.startswith("later") else None)
    relay.set("retry", first="1s", factor=1.0, max="1s")
    clock = relay.folder + "/clock"
    set_clock(clock, "+0")
    start_later(relay, None, clock)
    for n, offset in enumerate(("-20d", "+20d", "+0")):
        assert try_send(relay, f"later{n}")
        wait_for(lambda n=n: relay.events("deferred", to=f"later{n}@sink.example"))
        set_clock(clock, offset)
    sink.moods.clear()
    wait_for(lambda: sink.count() == 3, 10)
    assert try_send(relay, "now")
    wait_for(lambda: sink.count() == 4)
    relay.wait_empty()
    assert not relay.events("expired") and not relay.events("reported")


def set_clock(path, offset):
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(offset + "\n")
    os.rename(path + ".new", path)


@pytest.mark.plain_binary
def test_clock_goes_forwards_over_a_restart(relay, sink, sender):
    """Four days are no reason to bounce what may live five; six are."""
    relay.start()
    relay.command("pause", "--all")
    assert try_send(relay, "old")
    assert relay.stop() == 0
    start_later(relay, "+4d")
    relay.wait_event("reported", kind="delayed")
    assert not relay.events("expired")
    assert relay.stop() == 0
    start_later(relay, "+6d")
    relay.wait_event("expired")
    relay.command("resume", "--all")
    relay.wait_empty()
    assert sink.count() == 0 and sender.count() == 2


def test_beside_thousands_of_messages(relay, sink):
    """However many are queued: answers have a limit, and what concerns all of them (a flush, a
    reload, a pause) is work done step by step, between which clients are served."""
    relay.set("log", level="warn").start()
    relay.command("pause", "--all")
    load(relay, 20000)
    assert relay.queued() == 20000
    assert len(relay.get("/queue?limit=50")["messages"]) == 50
    for words in (["pause", "sink.example"], ["resume", "sink.example"], ["reload"], ["status"]):
        relay.command(*words)
        assert try_send(relay, words[0])
    relay.word("flush")
    assert try_send(relay, "flushed")
    assert relay.queued() == 20005
    assert sink.count() == 0
    relay.kill()
    relay.start()
    assert relay.queued() == 20005


def load(relay, count):
    source = shutil.which("smtp-source", path="/usr/sbin:/usr/bin")
    if not source:
        pytest.skip("smtp-source is not installed (package postfix)")
    subprocess.run([source, "-s", "20", "-d", "-l", "500", "-m", str(count), "-f",
                    "a@sender.example", "-t", "b@sink.example", f"inet:127.0.0.1:{relay.port}"],
                   check=True, stdout=subprocess.DEVNULL, timeout=120)
