"""Bodies that rot, and segments that vanish or come from elsewhere: what is damaged is said to be,
and never delivered altered; the rest is delivered."""
import glob
import hashlib
import os
import shutil

import pytest

from relay import wait_for
from test_faults import is_said, metric, try_send

SMALL, LARGE = 3000, 200000  # bytes: in the accept record, and in chunks of their own


def body(name, size):
    text = "".join(f"{name} line {at} " + hashlib.md5(f"{name}{at}".encode()).hexdigest() + "\r\n"
                   for at in range(size // 60))
    return f"Subject: {name}\r\n\r\n{text}"


def is_whole(message, sizes):
    name = message.recipients[0].split("@")[0]
    return message.data.endswith(body(name, sizes[name]).encode())


def segments(relay):
    return sorted(glob.glob(relay.config["state_dir"] + "/queue/*.seg"))


def find(relay, text):
    """Where these bytes stand: (segment's path, offset)."""
    for path in segments(relay):
        with open(path, "rb") as f:
            at = f.read().find(text)
        if at >= 0:
            return path, at
    raise AssertionError(f"{text} is in no segment")


def standing_in(relay, path, beyond=0):
    """The messages that have a line behind that offset of the segment."""
    with open(path, "rb") as f:
        data = f.read()
    return {name for name in relay.sizes if data.rfind(f"{name} line ".encode()) >= beyond}


def flip(relay, name, line):
    """One bit of that line of the message."""
    path, at = find(relay, f"{name} line {line} ".encode())
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 4]))


@pytest.fixture
def cold(relay):
    """A paused relay after a restart, so that bodies are on disk alone: small0 to small3 and large0
    to large3, in two segments or more."""
    relay.sizes = {}
    relay.set("queue", max_size="64MiB").set("retry", first="1h", max="2h").start()
    relay.command("pause", "--all")
    for n in range(4):
        for kind, size in (("small", SMALL), ("large", LARGE)):
            relay.sizes[f"{kind}{n}"] = size
            assert try_send(relay, f"{kind}{n}", body(f"{kind}{n}", size))
        if n == 1:  # a start begins a new segment
            assert relay.stop() == 0
            relay.start()
    assert relay.stop() == 0
    relay.start()
    return relay


def deliver(relay, sink, damaged):
    """Resumes; all but the damaged arrive, as they were; those are deferred, and say why."""
    relay.command("resume", "--all")
    good = set(relay.sizes) - damaged
    wait_for(lambda: {r.split("@")[0] for r in sink.recipients()} == good)
    wait_for(lambda: relay.queued() == len(damaged))
    assert sink.count() == len(good)
    assert all(is_whole(message, relay.sizes) for message in sink.messages)
    wait_for(lambda: len(relay.events("deferred")) == len(damaged))
    assert len(relay.events("unreadable")) == len(damaged)


def test_bits_flip_under_a_running_relay(cold, sink):
    flip(cold, "small1", 20)
    flip(cold, "large2", 0)      # in the first chunk
    flip(cold, "large3", 1500)   # in the second: half of it was sent by then
    deliver(cold, sink, {"small1", "large2", "large3"})
    assert len(cold.events("deferred")) == 3
    assert all("is damaged" in e["reply"] for e in cold.events("deferred"))
    assert all("is damaged" in e["reason"] for e in cold.events("unreadable"))
    assert metric(cold, "unreadable_total") == 3


def test_bits_have_flipped_before_a_start(cold, sink):
    """Where recovery reads the record it skips it, and keeps a copy of the segment; what it knows
    from an index, and the chunk of a large message, is found out by the delivery."""
    cold.stop()
    for path in glob.glob(cold.config["state_dir"] + "/queue/*.idx"):
        os.unlink(path)
    flip(cold, "small1", 20)
    flip(cold, "large2", 700)
    cold.start()
    found = len(is_said(cold, "is damaged"))
    assert len(glob.glob(cold.config["state_dir"] + "/queue/*.bad")) == found
    gone = len(cold.sizes) - cold.queued()
    assert 1 <= found <= 2 and gone <= 1
    cold.command("resume", "--all")
    good = set(cold.sizes) - {"small1", "large2"}
    wait_for(lambda: {r.split("@")[0] for r in sink.recipients()} == good)
    wait_for(lambda: len(cold.events("unreadable")) == 2 - gone)
    assert sink.count() == len(good)
    assert all(is_whole(message, cold.sizes) for message in sink.messages)
    assert metric(cold, "journal_reports_total") >= found
    assert metric(cold, "unreadable_total") == 2 - gone
    wait_for(lambda: cold.queued() == 2 - gone)


def test_bits_have_flipped_behind_an_index(cold, sink):
    """A start takes the segment's index and does not read bodies: all messages are known, and the
    one that is bad waits and says why."""
    path, _ = find(cold, b"small1 line")
    wait_for(lambda: os.path.exists(path.replace(".seg", ".idx")))
    cold.stop()
    flip(cold, "small1", 20)
    cold.start()
    assert not is_said(cold, "is damaged")
    assert cold.queued() == len(cold.sizes)
    deliver(cold, sink, {"small1"})
    assert metric(cold, "unreadable_total") == 1


def test_segment_vanishes_under_a_running_relay(cold, sink):
    path, _ = find(cold, b"small0 line")
    damaged = standing_in(cold, path)
    assert 0 < len(damaged) < len(cold.sizes)
    os.unlink(path)
    deliver(cold, sink, damaged)
    assert metric(cold, "unreadable_total") == len(damaged)
    assert try_send(cold, "new", body("new", SMALL))
    wait_for(lambda: "new@sink.example" in sink.recipients() and cold.queued() == len(damaged))
    # They are gone for good: a start does not know them, and has nothing to send twice.
    before = sink.count()
    cold.kill()
    cold.start()
    assert cold.queued() == 0 and sink.count() == before


def test_segment_is_cut_short_under_a_running_relay(cold, sink):
    path, at = find(cold, b"small1 line")
    damaged = standing_in(cold, path, at)
    assert "small1" in damaged and "small0" not in damaged
    os.truncate(path, at)
    deliver(cold, sink, damaged)
    assert metric(cold, "unreadable_total") == len(damaged)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def change_header(path, at, value):
    """Puts bytes into a segment's header (doc/journal.md) and makes its checksum good again."""
    with open(path, "r+b") as f:
        head = bytearray(f.read(64))
        head[at:at + len(value)] = value
        head[56:60] = crc32c(head[:56]).to_bytes(4, "little")
        f.seek(0)
        f.write(head)


def test_segment_of_another_version(cold, sink):
    """After a downgrade: its messages are not to be forgotten in a file set aside. Nothing is touched,
    the relay says what to do, and when the file is moved away the rest goes on."""
    cold.stop()
    path, _ = find(cold, b"small0 line")
    as_was = path.replace(".seg", ".away")
    shutil.copy(path, as_was)
    change_header(path, 8, (99).to_bytes(4, "little"))
    before = sorted(os.listdir(os.path.dirname(path)))
    status, said = cold.run_to_end()
    assert status != 0 and "format version 99" in said and "move the file away" in said
    assert sorted(os.listdir(os.path.dirname(path))) == before
    os.rename(path, path.replace(".seg", ".away"))
    cold.start()
    for name in ("small0", "small1", "large0", "large1"):
        del cold.sizes[name]
    deliver(cold, sink, set())


def test_segment_of_another_installation(cold, sink):
    """Somebody's queue was mixed with ours: that is for a person to decide. Nothing is touched."""
    cold.stop()
    path, _ = find(cold, b"small0 line")
    foreign = path.replace(".seg", ".away")
    shutil.copy(path, foreign)
    change_header(path, 32, b"strange!")
    before = sorted(os.listdir(os.path.dirname(path)))
    status, said = cold.run_to_end()
    assert status != 0 and "another relay" in said and "to adopt it" in said
    assert os.path.basename(path).removesuffix(".seg") in said
    assert sorted(os.listdir(os.path.dirname(path))) == before
    os.rename(foreign, path)
    cold.start()
    deliver(cold, sink, set())


def test_segment_twice(cold, sink):
    """A copy under another number is no segment of that number: nothing comes twice."""
    cold.stop()
    path, _ = find(cold, b"small0 line")
    shutil.copy(path, os.path.dirname(path) + "/00000000000000aa.seg")
    cold.start()
    deliver(cold, sink, set())
    assert not os.path.exists(os.path.dirname(path) + "/00000000000000aa.seg")
