"""What the benchmarks share: the release binary, the relay as a process, loads and sinks."""
import atexit
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(REPOSITORY, "build-bench")

OUTPOST = """
hostname = "relay.example"
state_dir = "{folder}/state"
[[listen]]
address = "127.0.0.1:{port}"
{routes}
[[route]]
recipients = ["*"]
hosts = ["127.0.0.1:{sink_port}"]
tls = "none"
[control]
socket = "{folder}/c.sock"
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds=60, every=0.005):
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            sys.exit("waited in vain; is the machine busy?")
        time.sleep(every)


def greets(port, seconds=5):
    try:
        with socket.create_connection(("127.0.0.1", port), seconds) as s:
            return s.recv(4) == b"220 "
    except OSError:
        return False


def median(rounds):
    values = [v for v in rounds if v is not None]
    return statistics.median(values) if values else None


def tool(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:" + os.environ["PATH"]) or sys.exit(
        f"{name} is not installed (package postfix)")


def work_folder():
    """A folder of our own on the disk that is measured: TMPDIR, or /var/tmp."""
    folder = tempfile.mkdtemp(prefix="outpost-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    os.chmod(folder, 0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def build(*targets):
    """A static release build; the path of the stripped relay."""
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": REPOSITORY}
    if not os.path.exists(BUILD + "/build.ninja"):
        subprocess.run(["meson", "setup", BUILD, "-Dstatic=true", "-Dtests=disabled",
                        "--buildtype=release"], **quiet)
    subprocess.run(["ninja", "-C", BUILD, "outpost", *[f"test/bench/{t}" for t in targets]],
                   **quiet)
    stripped = BUILD + "/outpost.stripped"
    subprocess.run(["strip", "-o", stripped, BUILD + "/outpost"], check=True)
    return stripped


def smtp_source(port, messages, sessions, size, stays=True):
    keep = ["-d"] if stays else []
    begin = time.monotonic()
    subprocess.run([tool("smtp-source"), "-s", str(sessions), "-l", str(size), "-m",
                    str(messages), *keep, "-f", "a@sender.example", "-t", "b@sink.example",
                    f"inet:127.0.0.1:{port}"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


class Sink:
    """smtp-sink with its counter read from its output."""

    def __init__(self, folder, host="127.0.0.1"):
        """host "": all addresses."""
        self.port, self.host = free_port(), host
        self.path = os.path.join(folder, "sink")
        self.process = None
        atexit.register(self.close)
        self.open()

    def open(self):
        """Counts from 0 again."""
        become = ["-u", "nobody"] if os.geteuid() == 0 else []
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                [tool("smtp-sink"), "-c", *become, f"inet:{self.host}:{self.port}", "2048"],
                stdout=out, stderr=subprocess.DEVNULL)
        wait_for(lambda: greets(self.port))

    def count(self):
        with open(self.path, "rb") as f:
            f.seek(max(0, os.path.getsize(self.path) - 400))
            found = re.findall(rb"mesg=(\d+)\s", f.read())
        return int(found[-1]) if found else 0

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.process = None


class Outpost:
    name = "Outpost"

    def __init__(self, binary, folder, sink_port, more="", routes=""):
        """more: tables to add to the configuration; routes: those before the one to the sink."""
        self.binary, self.folder = binary, folder
        self.process = None
        self.is_realtime = False
        os.makedirs(folder)
        self.port = free_port()
        self.config = folder + "/outpost.toml"
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(OUTPOST.format(folder=folder, port=self.port, sink_port=sink_port,
                                   routes=routes) + more)
        atexit.register(self.kill)

    def start(self, seconds=60):
        """The time to the 220, in seconds."""
        with open(self.folder + "/log", "ab") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen([self.binary, "run", "-c", self.config], stderr=log)
        wait_for(lambda: greets(self.port, seconds), seconds, every=0.0005)
        took = time.monotonic() - begin
        if self.is_realtime:
            subprocess.run(["chrt", "-a", "-f", "-p", "10", str(self.process.pid)], check=True)
        return took

    def stop(self, seconds=60):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(seconds) != 0:
            sys.exit(f"outpost ended with {self.process.returncode}")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def say(self, *words):
        begin = time.monotonic()
        subprocess.run([self.binary, *words, "-c", self.config], check=True,
                       stdout=subprocess.DEVNULL)
        return time.monotonic() - begin

    def pause(self):
        self.say("pause", "--all")

    def resume(self):
        self.say("resume", "--all")

    def get(self, target):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(600)
            s.connect(self.folder + "/c.sock")
            s.sendall(f"GET {target} HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            sys.exit(f"{target}: {head.decode()}")
        return body.decode()

    def stats(self):
        return json.loads(self.get("/stats"))

    def metrics(self):
        """{name without outpost_: value}; series with labels are left out."""
        found = re.findall(r"^outpost_(\w+) ([0-9.e+-]+)$", self.get("/metrics"), re.M)
        return {name: float(value) for name, value in found}

    def slow_turns(self):
        """Of the event loop since the start: how many took more than 10 ms."""
        count = dict(re.findall(r'^outpost_loop_turn_seconds_bucket\{le="([^"]+)"\} (\d+)$',
                                self.get("/metrics"), re.M))
        return int(count["+Inf"]) - int(count["0.010000"])

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def empty(self):
        """The queue, thrown away: the next round starts as this one did."""
        self.stop()
        shutil.rmtree(self.folder + "/state/queue")

    def drop(self):
        """All that it has on the disk."""
        shutil.rmtree(self.folder)

    def memory_kib(self):
        """Pss, Rss and what is private to the process, in KiB."""
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as f:
            size = {words[0][:-1]: int(words[1]) for words in map(str.split, f)
                    if len(words) == 3 and words[2] == "kB"}
        return {"pss": size["Pss"], "rss": size["Rss"],
                "private": size["Private_Clean"] + size["Private_Dirty"]}

    def written_bytes(self):
        """What the disk itself has written, whoever asked for it: other work counts too. (The
        kernel's figure of a process counts whole large folios where a few blocks were dirtied.)"""
        device = os.stat(self.folder).st_dev
        path = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
        if not os.path.exists(path):
            return None
        with open(path, encoding="ascii") as f:
            return int(f.read().split()[6]) * 512

    def disk_bytes(self):
        """What the queue's files take on the disk."""
        return sum(entry.stat().st_blocks * 512
                   for entry in os.scandir(self.folder + "/state/queue"))
