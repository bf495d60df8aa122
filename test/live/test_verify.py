"""`outpost queue verify` and `queue salvage`: a damaged queue is told from a sound one, a busy one
is not taken for damaged, and everything that is whole comes out byte for byte."""
import glob
import hashlib
import json
import os
import random
import shutil
import smtplib
import struct
import subprocess
import threading

import pytest

from relay import BINARY, SLOW, wait_for

MESSAGES = 60
SEGMENT_HEADER = 64


def run(*args, status=None):
    done = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=120 * SLOW,
                          check=False)
    if status is not None:
        assert done.returncode == status, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def verify(state, status=None):
    done = run("queue", "verify", "--dir", state, "--json", status=status)
    report = json.loads(done.stdout)
    assert report["sound"] == (done.returncode == 0)
    return report


def salvage(state, to, *more, status=None):
    done = run("queue", "salvage", "--dir", state, "--to", to, "--json", *more, status=status)
    return json.loads(done.stdout)


def message(number, size):
    """With lines that begin with dots, and its own checksum in the subject."""
    line = f"{number:06d} " + "z" * 60
    text = "".join(("." * (at % 4)) + line + f"{at}\r\n" for at in range(size // 70 + 1))
    return f"Subject: {hashlib.md5(text.encode()).hexdigest()}\r\nX-Number: {number}\r\n\r\n{text}"


def number_of(eml):
    return int(eml.split(b"X-Number: ")[1].split(b"\r\n")[0])


def saved(folder):
    """{number: (the file's bytes, the envelope)}; each .eml has its envelope, nothing else lies there."""
    found = {}
    emls = glob.glob(folder + "/*.eml")
    for path in emls:
        with open(path, "rb") as f:
            eml = f.read()
        with open(path[:-4] + ".envelope.json", encoding="utf-8") as f:
            found[number_of(eml)] = (eml, json.load(f))
    assert len(os.listdir(folder)) == 2 * len(emls) == 2 * len(found)
    return found


def assert_whole(eml, number, sizes):
    """What was sent stands at the end of it, behind the fields that we added."""
    sent = message(number, sizes[number]).encode()
    assert eml.endswith(sent), f"message {number} is altered"
    assert eml[:-len(sent)].startswith(b"Received: ")


@pytest.fixture(scope="module")
def sizes():
    rng = random.Random(5)
    return {n: rng.choice([10, 300, 5000, 5000, 70000, 300000]) for n in range(MESSAGES)}


@pytest.fixture(scope="module")
def filled(place):
    return os.path.join(place, "verify-filled")


@pytest.fixture
def state(relay, filled, sizes):
    """A state directory without a relay: MESSAGES wait in several segments. Filled once."""
    relay.set("queue", max_size="64MiB").set("retry", first="1h", max="2h")
    if not os.path.exists(filled):
        numbers = sorted(sizes)
        for half in (numbers[::2], numbers[1::2]):
            relay.start()
            with relay.client() as client:
                for number in half:
                    client.sendmail("a@sender.example", [f"m{number}@sink.example"],
                                    message(number, sizes[number]))
            relay.stop()
        shutil.copytree(relay.config["state_dir"], filled)
        shutil.rmtree(relay.config["state_dir"])
    shutil.copytree(filled, relay.config["state_dir"])
    return relay.config["state_dir"]


def segments(state):
    return sorted(glob.glob(state + "/queue/*.seg"))


def used(path):
    with open(path, "rb") as f:
        return len(f.read().rstrip(b"\0"))


def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def records(path):
    """(offset, span, type, id) of the records in front of a segment."""
    with open(path, "rb") as f:
        data = f.read()
    at, found = SEGMENT_HEADER, []
    while at + 24 <= len(data):
        size, kind, _, _, ident = struct.unpack_from("<IBBHQ", data, at)
        if kind == 0:
            break
        span = 24 + (size + 7) // 8 * 8
        found.append((at, span, kind, ident))
        at += span
    return found


# --- a sound queue ---

def test_a_sound_queue(state, sizes):
    before = {path: os.stat(path).st_mtime_ns for path in glob.glob(state + "/queue/*")}
    report = verify(state, status=0)
    assert report["totals"]["messages_waiting"] == MESSAGES
    assert report["totals"]["recipients_waiting"] == MESSAGES
    assert report["totals"]["damaged_places"] == report["totals"]["messages_damaged"] == 0
    assert "the queue is sound" in run("queue", "verify", "--dir", state, status=0).stdout
    assert before == {path: os.stat(path).st_mtime_ns for path in glob.glob(state + "/queue/*")}


def test_salvage_of_a_sound_queue(state, sizes, folder):
    report = salvage(state, folder + "/out", status=0)
    assert report["saved"] == MESSAGES and report["uncertain"] == 0
    found = saved(folder + "/out")
    assert sorted(found) == sorted(sizes)
    for number, (eml, envelope) in found.items():
        assert_whole(eml, number, sizes)
        assert envelope["sender"] == "a@sender.example" and envelope["certain"] is True
        assert [r["address"] for r in envelope["recipients"]] == [f"m{number}@sink.example"]
        assert envelope["recipients"][0]["state"] == "waiting"
        assert envelope["accepted"].startswith("20") and envelope["client"]
        assert envelope["message_id"].encode() in eml
    # Again: nothing is written twice, and nothing is wrong.
    again = salvage(state, folder + "/out", status=0)
    assert again["saved"] == 0 and again["already_there"] == MESSAGES


def test_salvage_never_overwrites(state, folder):
    salvage(state, folder + "/out", status=0)
    path = sorted(glob.glob(folder + "/out/*.eml"))[3]
    with open(path, "wb") as f:
        f.write(b"mine")
    report = salvage(state, folder + "/out", status=1)
    assert report["lost"] == 1 and "another file is there" in report["not_saved"][0]["why"]
    with open(path, "rb") as f:
        assert f.read() == b"mine"


def test_only_the_queue_directory(state, folder):
    """What was saved of a dead machine's disk may be no more than its segments."""
    shutil.move(state + "/queue", folder + "/q")
    assert verify(folder + "/q", status=0)["totals"]["messages_waiting"] == MESSAGES
    assert salvage(folder + "/q", folder + "/out", status=0)["saved"] == MESSAGES


def test_usage(state, folder):
    assert "--to DIR" in run("queue", "salvage", "--dir", state, status=2).stderr
    assert "cannot open" in run("queue", "verify", "--dir", folder + "/none", status=1).stderr
    with open(folder + "/bad.toml", "w", encoding="utf-8") as f:
        f.write("state_dir = 5\n")
    assert "mistakes" in run("queue", "verify", "-c", folder + "/bad.toml", status=78).stderr
    assert "no option --json" not in run("queue", "verify", "--help", status=0).stdout
    assert "--limit" in run("queue", "verify", "--limit", "5", "--dir", state, status=2).stderr


# --- damage ---

def lost_header(state, rng):
    overwrite(rng.choice(segments(state)), 0, rng.randbytes(SEGMENT_HEADER))


def lost_front(state, rng):
    overwrite(rng.choice(segments(state)), 0, bytes(4096))


def header_bit(state, rng):
    path = rng.choice(segments(state))
    with open(path, "rb") as f:
        byte = f.read(64)[45]
    overwrite(path, 45, bytes([byte ^ 1]))


def one_byte(state, rng):
    path = rng.choice(segments(state))
    at, span, _, _ = rng.choice(records(path))
    with open(path, "rb") as f:
        f.seek(at + span // 2)
        byte = f.read(1)[0]
    overwrite(path, at + span // 2, bytes([byte ^ 0x10]))


def a_page(state, rng):
    path = rng.choice(segments(state))
    overwrite(path, rng.randrange(0, used(path)) // 4096 * 4096, rng.randbytes(4096))


def zero_sectors(state, rng):
    for path in segments(state):
        for _ in range(3):
            overwrite(path, rng.randrange(8, used(path) // 512) * 512, bytes(512))


def cut_short(state, rng):
    path = rng.choice(segments(state))
    os.truncate(path, rng.randrange(SEGMENT_HEADER, used(path)))


def one_less(state, rng):
    os.unlink(rng.choice(segments(state)))


def aside(state, rng):
    path = rng.choice(segments(state))
    os.rename(path, path[:-4] + ".bad")


def aside_without_header(state, rng):
    lost_header(state, rng)
    for path in segments(state):
        with open(path, "rb") as f:
            if f.read(8) != b"OUTPOSTJ":
                os.rename(path, path[:-4] + ".bad")


def a_last_record(state, rng):
    """Nothing behind it proves that it was synced, but the next segment does."""
    path = segments(state)[0]
    at, span, _, _ = records(path)[-1]
    overwrite(path, at + span // 2, b"?")


DAMAGES = [lost_header, lost_front, header_bit, one_byte, a_page, zero_sectors, cut_short, one_less,
           aside, aside_without_header, a_last_record]


@pytest.mark.parametrize("seed", range(int(os.environ.get("OUTPOST_SALVAGE_SEEDS", "3"))))
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_what_is_whole_comes_out(relay, state, filled, sizes, folder, damage, seed):
    originals = {os.path.basename(p): open(p, "rb").read() for p in segments(filled)}
    salvage(filled, folder + "/all", status=0)
    by_id = {e["id"]: n for n, (_, e) in saved(folder + "/all").items()}
    damage(state, random.Random(f"{damage.__name__} {seed}"))
    untouched = untouched_messages(state, filled, originals)

    # A segment that is not there is missed only by messages with a part in it: numbers have gaps.
    report = verify(state, status=None if damage is one_less else 1)
    taken = salvage(state, folder + "/out")
    found = saved(folder + "/out")
    for number, (eml, _) in found.items():
        assert_whole(eml, number, sizes)
    missing = {by_id[i] for i in untouched} - set(found)
    assert not missing, f"whole, but not saved: {missing}\n{report}\n{taken}"
    assert len(found) == taken["saved"]
    if damage in (aside, aside_without_header, lost_header, header_bit):
        assert len(found) == MESSAGES and report["totals"]["messages_uncertain"] > 0

    # What verify says of a start is what a start does, when it has no index to believe.
    for path in glob.glob(state + "/queue/*.idx"):
        os.unlink(path)
    report = verify(state)
    relay.start()
    assert relay.queued() == report["totals"]["messages_waiting"]
    relay.stop()
    for file in report["files"]:
        bad = os.path.exists(f"{state}/queue/{file['file'][:-4]}.bad")
        says = file["start"]
        assert bad == ("a copy" in says or says in ("sets it aside", "leaves it alone")), file


def untouched_messages(state, filled, originals):
    """Ids of messages whose records all stand where and as they stood."""
    hurt, every = set(), set()
    for path in segments(filled):
        name = os.path.basename(path)
        now = b""
        for other in (state + "/queue/" + name, state + "/queue/" + name[:-4] + ".bad"):
            if os.path.exists(other):
                with open(other, "rb") as f:
                    now = f.read()
        for at, span, kind, ident in records(path):
            if kind not in (1, 2):
                continue
            every.add(ident)
            if now[at:at + span] != originals[name][at:at + span]:
                hurt.add(ident)
    return {id_text(i) for i in every - hurt}


def id_text(number):
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    return "".join(digits[number >> shift & 31] for shift in range(60, -1, -5))


# --- under load ---

@pytest.mark.slow
def test_no_false_alarm_under_load(relay, sink, folder, sizes):
    """Accepting, delivering, compacting and recycling while it is read."""
    relay.set("queue", max_size="64MiB").set("log", level="info").start()
    going = threading.Event()
    going.set()

    def load(number):
        rng = random.Random(number)
        while going.is_set():
            with relay.client() as client:
                for _ in range(30):
                    to = rng.choice(["sink.example", "sink.example", "sink.example", "dead.example"])
                    try:
                        client.sendmail("a@sender.example", [f"x@{to}"],
                                        message(number, rng.choice([10, 5000, 70000, 300000])))
                    except smtplib.SMTPDataError:  # the queue is full for a moment
                        going.wait(0.05)

    threads = [threading.Thread(target=load, args=(n,), daemon=True) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: sink.count() > 50, 30)
        looks = recycled = 0
        first = segments(relay.config["state_dir"])[0]
        deadline = threading.Event()
        threading.Timer(8 * SLOW, deadline.set).start()
        while not deadline.is_set():
            report = verify(relay.config["state_dir"])
            assert report["sound"], report
            looks += 1
            out = f"{folder}/out{looks}"
            taken = salvage(relay.config["state_dir"], out, status=0)
            assert taken["lost"] == 0, taken
            for eml in glob.glob(out + "/*.eml"):
                with open(eml, "rb") as f:
                    text = f.read()
                if b"X-Number: " not in text[:1000]:  # a report
                    continue
                head, _, body = text.partition(b"\r\n\r\n")
                assert b"Subject: " + hashlib.md5(body).hexdigest().encode() in head
            shutil.rmtree(out)
            recycled = segments(relay.config["state_dir"])[0] != first
        assert looks > 3 and recycled, "the test shows nothing: no segment was recycled"
    finally:
        going.clear()
        for thread in threads:
            thread.join(20)
