"""A queue directory that somebody has been at: the relay starts, says what it found, and keeps and
delivers the rest; no message is ever delivered altered."""
import glob
import hashlib
import os
import random
import shutil

import pytest

from relay import wait_for

MESSAGES = 40


def body(number, size):
    text = "".join(f"{number * 100000 + at:09d} " * 7 + "\r\n" for at in range(size // 72 + 1))
    return f"Subject: {hashlib.md5(text.encode()).hexdigest()}\r\n\r\n{text}"


def is_unaltered(message):
    head, _, text = message.data.partition(b"\r\n\r\n")
    return b"Subject: " + hashlib.md5(text).hexdigest().encode() in head


def flip_bits(queue, rng):
    path = rng.choice(sorted(glob.glob(queue + "/*.seg")))
    with open(path, "r+b") as f:
        used = max(at for at, byte in enumerate(f.read()) if byte)
        for _ in range(20):
            at = rng.randrange(used)
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1 << rng.randrange(8)]))


def cut_out(queue, rng):
    path = rng.choice(sorted(glob.glob(queue + "/*.seg")))
    with open(path, "rb") as f:
        data = f.read()
    at = rng.randrange(4096, len(data.rstrip(b"\0")) // 2)
    with open(path, "wb") as f:
        f.write(data[:at] + data[at + 8 * rng.randrange(1, 1000):])


def random_page(queue, rng):
    path = rng.choice(sorted(glob.glob(queue + "/*.seg")))
    with open(path, "r+b") as f:
        f.seek(4096 * rng.randrange(1, 50))
        f.write(rng.randbytes(4096))


def truncate(queue, rng):
    os.truncate(sorted(glob.glob(queue + "/*.seg"))[-1], rng.randrange(4096, 400000))


def no_header(queue, rng):
    with open(sorted(glob.glob(queue + "/*.seg"))[0], "r+b") as f:
        f.write(rng.randbytes(4096))


def one_less(queue, rng):
    os.unlink(rng.choice(sorted(glob.glob(queue + "/*.seg"))))


def a_copy(queue, rng):
    path = sorted(glob.glob(queue + "/*.seg"))[0]
    for number in (1000, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1):
        shutil.copy(path, f"{queue}/{number:016x}.seg")


def strange_files(queue, rng):
    for name in ("garbage", "zz.seg", "spare-x", "spare-0", "spare-99999999999999999999", "making",
                 "spare-18446744073709551615", "0000000000000001.segx", "0x00000000000001.seg",
                 "+000000000000001.seg", "000000000000000A.seg", "ffffffffffffffff.bad",
                 "ffffffffffffffff.seg", ".hidden"):
        with open(f"{queue}/{name}", "wb") as f:
            f.write(rng.randbytes(rng.randrange(3000)))
    os.mkdir(queue + "/00000000000000ff.seg")
    os.mkfifo(queue + "/00000000000000fe.seg")
    os.symlink("/dev/zero", queue + "/00000000000000fd.seg")
    os.symlink("nowhere", queue + "/spare-77")
    os.mkdir(queue + "/spare-78")


@pytest.fixture(scope="module")
def filled(place):
    return os.path.join(place, "filled")


@pytest.fixture
def with_queue(relay, filled):
    """The relay, stopped, with a queue of MESSAGES that nobody took; filled once."""
    relay.set("queue", max_size="64MiB").set("retry", first="1h", max="2h").set("log", level="info")
    if not os.path.exists(filled):
        rng = random.Random(1)
        relay.start()
        with relay.client() as client:
            for number in range(MESSAGES):
                client.sendmail("a@sender.example", [f"m{number}@sink.example"],
                                body(number, rng.choice([10, 5000, 70000, 300000])))
        relay.kill()
        shutil.copytree(relay.config["state_dir"], filled)
        shutil.rmtree(relay.config["state_dir"])
    shutil.copytree(filled, relay.config["state_dir"])
    return relay


@pytest.mark.parametrize("change, all_stay", [
    (flip_bits, False), (cut_out, False), (random_page, False), (truncate, False),
    (no_header, False), (one_less, False), (a_copy, True), (strange_files, True)],
    ids=lambda value: getattr(value, "__name__", ""))
def test_a_queue_somebody_has_been_at(with_queue, new_receiver, change, all_stay):
    relay = with_queue
    change(relay.config["state_dir"] + "/queue", random.Random(7))
    relay.start()
    found = relay.queued()
    assert found == MESSAGES if all_stay else 0 < found <= MESSAGES
    if change in (flip_bits, random_page, no_header):
        assert relay.events("journal"), "it says nothing of it"
    relay.send("a@sender.example", ["new@sink.example"], body(1000, 5000))
    for message in relay.get("/queue?limit=1000")["messages"]:
        relay.get("/queue/" + message["id"])

    sink = new_receiver()
    relay.word("flush")

    def is_settled():
        cannot = [m for m in relay.queue() if "cannot be read" in (m.get("reason") or "")]
        return len(cannot) == relay.queued() and sink.count() + len(cannot) == found + 1

    wait_for(is_settled)
    assert all(is_unaltered(message) for message in sink.messages)
    assert "new@sink.example" in sink.recipients()
    left = relay.queued()
    relay.kill()
    relay.start()
    assert relay.queued() == left
