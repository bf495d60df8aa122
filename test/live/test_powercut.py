"""The power goes, at any moment of a busy relay's life: whatever was answered 250 before is there
afterwards, whole, and nothing torn is taken for mail.

One run of the real binary under powercut.c; then its log is cut at many places, each time the disk is
built as it may look then (powercut_disk.py), and the binary is set upon it: verify and salvage on
all, the whole relay on some. OUTPOST_POWERCUTS says how many."""
import glob
import hashlib
import json
import os
import random
import shutil
import signal
import smtplib
import subprocess
import tempfile
import threading

import pytest

from powercut_disk import NAMES_END, RENAME, SYNC_END, Disk, Log
from relay import BINARY, wait_for

CUTS = int(os.environ.get("OUTPOST_POWERCUTS", "120"))
STARTS = max(3, CUTS // 30)
LIVES, CLIENTS = 3, 4
AGAIN = 8  # second cuts of one that is started on
LOG_BYTES_MAX = 60 * 1024 * 1024  # a life's share of what may be written
SHIM = os.path.join(os.path.dirname(BINARY), "test", "live", "libpowercut.so")
NEVER = 1 << 62

pytestmark = [pytest.mark.slow, pytest.mark.plain_binary]


def text_of(number, size):
    body = "".join(("." if at % 3 else "") + f"{number:07d} {at:07d} " + "p" * 50 + "\r\n"
                   for at in range(size // 70 + 1))
    return f"Subject: {hashlib.md5(body.encode()).hexdigest()}\r\nX-Number: {number}\r\n\r\n{body}"


class Story:
    """What was sent, and how long the log was when a client heard 250, and when it arrived."""

    def __init__(self, log_path):
        self.log_path = log_path
        self.sent, self.answered, self.arrived = {}, {}, {}
        self.lock = threading.Lock()
        self.next = 0

    def now(self):
        return os.stat(self.log_path).st_size

    def begin(self, size):
        with self.lock:
            self.next += 1
            self.sent[self.next] = text_of(self.next, size).encode()
            return self.next

    def on_stored(self, _session, message):
        """Before the reply: so the relay cannot have recorded it yet."""
        if random.random() < 0.1:
            return "450 4.2.0 later"
        number = number_of(message.data)
        if number:
            self.arrived.setdefault(number, self.now())
        return None

    def is_whole(self, number, data):
        sent = self.sent[number]
        return data.endswith(sent) and data.startswith(b"Received: ") and \
            data.count(b"X-Number: ") == 1

    def promised(self, at):
        """Numbers of messages answered 250, and not delivered, when the log was so long."""
        return {n for n, answered in self.answered.items()
                if answered <= at < self.arrived.get(n, NEVER)}


def number_of(data):
    head = data.split(b"\r\n\r\n")[0]
    return int(head.split(b"X-Number: ")[1].split(b"\r\n")[0]) if b"X-Number: " in head else None


class Client(threading.Thread):
    def __init__(self, story, port, seed, going):
        super().__init__(daemon=True)
        self.story, self.port, self.going = story, port, going
        self.rng = random.Random(seed)

    def run(self):
        while self.going.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as client:
                    for _ in range(20):
                        if self.going.is_set():
                            self.one(client)
            except (OSError, smtplib.SMTPException):
                self.going.wait(0.005)

    def one(self, client):
        # A few wait for long, so that segments must be emptied by copying.
        waits = self.rng.random() < 0.08
        size = self.rng.choice([10, 3000, 90000] if waits else [10, 3000, 3000, 70000, 300000])
        number = self.story.begin(size)
        to = "x@implicit.example" if waits else "x@sink.example"
        client.sendmail("", [to], self.story.sent[number])
        self.story.answered[number] = self.story.now()


@pytest.fixture
def quick_disk():
    """Images are many and large: in memory where there is room."""
    folder = tempfile.mkdtemp(prefix="outpost-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def kill(relay):
    """kill -9, but never between an operation and its entry in the log."""
    relay.process.send_signal(signal.SIGUSR2)
    assert relay.process.wait(30) == -signal.SIGKILL


def live(relay, story, sink_of, rng):
    """The lives: all but the last end by kill -9."""
    for life in range(LIVES):
        before = story.now() if life else 0
        sink = sink_of()
        relay.start()
        going = threading.Event()
        going.set()
        clients = [Client(story, relay.port, rng.random(), going) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            wait_for(lambda: story.now() - before > LOG_BYTES_MAX, 60)
            if life + 1 == LIVES:
                going.clear()
                assert relay.stop() == 0
            else:
                kill(relay)
        finally:
            going.clear()
            for client in clients:
                client.join(15)
            sink.close()


def places(log, rng):
    """Where to cut: half of them anywhere, half right at a sync or a change of names."""
    edges = [n for n, e in enumerate(log.entries) if e.op in (SYNC_END, NAMES_END, RENAME)]
    some = [rng.randrange(len(log.entries) + 1) for _ in range(CUTS // 2)]
    some += [min(max(rng.choice(edges) + rng.randint(-1, 2), 0), len(log.entries))
             for _ in range(CUTS - len(some))]
    return sorted(some)


def command(*args):
    done = subprocess.run([BINARY, *args, "--json"], capture_output=True, text=True, timeout=60,
                          check=False)
    return done, json.loads(done.stdout or "{}")


def look_at(image, out, story, at, what):
    """verify calls it sound, and salvage brings out all that was promised. The numbers found."""
    if not os.path.isdir(image + "/queue"):
        assert not story.promised(at), what
        return {}
    done, report = command("queue", "verify", "--dir", image)
    assert done.returncode == 0, f"{what}: a power cut is no damage: {done.stdout}{done.stderr}"
    done, report = command("queue", "salvage", "--dir", image, "--to", out)
    assert done.returncode == 0, f"{what}: {done.stdout}{done.stderr}"
    certain = {}
    for path in glob.glob(out + "/*.eml"):
        with open(path, "rb") as f:
            data = f.read()
        number = number_of(data)
        assert number and story.is_whole(number, data), f"{what}: {path} is altered"
        with open(path[:-4] + ".envelope.json", encoding="utf-8") as f:
            envelope = json.load(f)
        if envelope["certain"]:
            certain[number] = envelope
    missing = story.promised(at) - set(certain)
    assert not missing, f"{what}: answered 250 and lost: {sorted(missing)[:10]}; {report}"
    shutil.rmtree(out)
    return certain


def cut_again(image, folder, new_relay, story, at, what, rng):
    """The power goes a second time while the relay starts on what the first cut left."""
    state, log_path = folder + "/again", folder + "/again.log"
    shutil.copytree(image, state)
    os.mkdir(folder + "/again.copies")
    relay = new_relay(f"again{at}")
    relay.config["state_dir"] = state
    relay.set("queue", max_size="64MiB").set("log", level="info")
    relay.environment = {"LD_PRELOAD": SHIM, "OUTPOST_POWERCUT_DIR": state,
                         "OUTPOST_POWERCUT_LOG": log_path}
    disk = Disk(None, folder + "/again.copies")
    disk.found(state)
    relay.start()
    threading.Event().wait(rng.uniform(0.0, 0.5))
    kill(relay)
    disk.log = Log(log_path)
    for count in sorted(rng.randrange(len(disk.log.entries) + 1) for _ in range(AGAIN)):
        disk.go(count)
        second = folder + "/second"
        os.mkdir(second)
        disk.cut(second, rng)
        look_at(second, folder + "/out", story, at, f"{what}, again behind entry {count}")
        shutil.rmtree(second)
    for path in (state, folder + "/again.copies"):
        shutil.rmtree(path)
    os.unlink(log_path)


def start_on(image, new_relay, new_receiver, story, at, what):
    """The relay itself, on a copy: it starts, delivers what was promised and nothing torn."""
    relay = new_relay(f"cut{at}")
    relay.config["state_dir"] = image
    relay.set("queue", max_size="64MiB").set("log", level="info").set("retry", first="100ms")
    relay.start()
    receivers = [new_receiver("mx.sink.example"), new_receiver("implicit.example")]
    wait_for(lambda: relay.queued() == 0, 60)
    assert relay.stop() == 0
    arrived = {}
    for message in [m for r in receivers for m in r.messages]:
        number = number_of(message.data)
        assert number and story.is_whole(number, message.data), f"{what}: delivered altered"
        arrived[number] = arrived.get(number, 0) + 1
    for receiver in receivers:
        receiver.close()
    missing = story.promised(at) - set(arrived)
    assert not missing, f"{what}: answered 250 and never delivered: {sorted(missing)[:10]}"
    assert not [n for n, times in arrived.items() if times > 1], f"{what}: delivered twice"
    assert not relay.events("damaged"), what
    assert not glob.glob(image + "/queue/*.bad"), f"{what}: a power cut was taken for damage"


def test_power_cut(relay, new_relay, new_receiver, quick_disk, record_property):
    if not os.path.exists(SHIM):
        pytest.skip(f"{SHIM} is not built")
    seed = int(os.environ.get("OUTPOST_POWERCUT_SEED", "0")) or random.randrange(1, 1 << 32)
    print(f"OUTPOST_POWERCUT_SEED={seed}")
    rng = random.Random(seed)
    state, log_path = quick_disk + "/state", quick_disk + "/log"
    relay.config["state_dir"] = state
    relay.set("queue", max_size="64MiB").set("log", level="info")
    relay.environment = {"LD_PRELOAD": SHIM, "OUTPOST_POWERCUT_DIR": state,
                         "OUTPOST_POWERCUT_LOG": log_path}
    story = Story(log_path)
    live(relay, story, lambda: new_receiver("mx.sink.example", stored=story.on_stored), rng)

    log = Log(log_path)
    os.mkdir(quick_disk + "/copies")
    disk = Disk(log, quick_disk + "/copies")
    found, started = {}, 0
    starts = set(rng.sample(range(CUTS), STARTS))
    for number, count in enumerate(places(log, rng)):
        disk.go(count)
        at = log.entries[count - 1].end if count else 0
        image, what = quick_disk + "/image", f"cut {number} behind entry {count} of {len(log.entries)}"
        os.mkdir(image)
        disk.cut(image, rng)
        found = look_at(image, quick_disk + "/out", story, at, what)
        if number in starts and os.path.isdir(image + "/queue"):
            cut_again(image, quick_disk, new_relay, story, at, what, rng)
            shutil.copytree(image, quick_disk + "/copy")
            start_on(quick_disk + "/copy", new_relay, new_receiver, story, at, what)
            shutil.rmtree(quick_disk + "/copy")
            started += 1
        shutil.rmtree(image)

    # The shim has missed nothing: its log gives the very files that lie there.
    disk.go(len(log.entries))
    for name, content in disk.everything().items():
        with open(os.path.join(state, name), "rb") as f:
            assert f.read() == content, f"{name} was changed behind the shim's back"
    # And the run was worth cutting: segments went round, and what waits was copied out of old ones.
    recycled = sum(1 for e in log.entries if e.op == RENAME and e.name.endswith(".seg"))
    oldest = min(found) if found else 0
    summary = (f"{CUTS} cuts in {len(log.entries)} operations of {LIVES} lives, {started} starts, "
               f"{len(story.answered)} messages answered 250, {recycled} segments recycled")
    print(summary)
    record_property("powercut", summary)
    assert recycled > 3, summary
    assert oldest and found[oldest]["segment"] > 1, f"nothing was ever copied: {summary}"
