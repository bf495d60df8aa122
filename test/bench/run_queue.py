#!/usr/bin/env python3
"""The queue's figures: what it costs to accept, hold, restart with and drain many messages.

    test/bench/run_queue.py [--size 10k,100k,1M] [--rounds 3] [--drain-s 180] [--json FILE]
                            [--without-accept] [--without-compaction] [--binary FILE]
                            [--realtime]

Accepting: Outpost beside a bare receiver (bench_ceiling.c: group commit into a zero-filled file, and
nothing else), taking turns, at 1, 20 and 200 sessions of 5 KiB messages.
Holding: the queue is paused and filled with messages of 2 KiB, one recipient each, in 1,000
domains. Then memory, disk, restarts, the answers to an operator, and the drain to smtp-sink.
Compacting: the same load flows by, once with every tenth message taken by nobody, so that segments
are mostly dead and are emptied meanwhile, and once without.
The loop's lag is what the relay exports; a restart before each part starts it anew.

Everything is on loopback and in a folder of its own under TMPDIR, else /var/tmp: a million messages
take some 6 GiB there. Prints Markdown; --json keeps all that was measured.
"""
import argparse
import atexit
import json
import os
import subprocess
import sys
import time

from peer import (BUILD, Outpost, Sink, build, free_port, greets, median, smtp_source, wait_for,
                  work_folder)

SESSIONS = {1: 2000, 20: 10000, 200: 10000}  # and how many messages a round
ACCEPT_BYTES = 5120
QUEUE_BYTES, DOMAINS, LOADERS = 2048, 1000, 40
START_S = 900
RESTARTS = 3
SETTLE_S = 3  # the spare segments are made meanwhile

STUCK_DOMAINS = 100    # of DOMAINS, for compaction: so much of all mail is taken by nobody
COMPACT_MESSAGES = 400000

STUCK = """
[[route]]
recipients = [{patterns}]
hosts = ["127.0.0.1:1"]
tls = "none"
"""
QUIET = """
[log]
level = "warn"
[queue]
max_size = "{size}"
"""


def progress(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def parse_size(text):
    factor = {"k": 1000, "M": 1000000}.get(text[-1:], 1)
    return int(text.rstrip("kM")) * factor


def size_text(n):
    return f"{n // 1000000}M" if n % 1000000 == 0 else f"{n // 1000}k" if n % 1000 == 0 else str(n)


# --- accepting ---

class Ceiling:
    name = "ceiling"

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.port = free_port()

    def start(self):
        self.process = subprocess.Popen(
            [BUILD + "/test/bench/bench_ceiling", str(self.port), self.folder + "/file"])
        atexit.register(self.process.kill)
        wait_for(lambda: greets(self.port))

    def empty(self):
        self.process.kill()
        self.process.wait()


def accept_round(system, sessions):
    """Messages a second, and how many syncs each took (of Outpost)."""
    messages = SESSIONS[sessions]
    system.start()
    is_ours = system.name == "Outpost"
    if is_ours:
        system.pause()
        time.sleep(SETTLE_S)
        before = system.metrics()
    seconds = smtp_source(system.port, messages, sessions, ACCEPT_BYTES)
    syncs = None
    if is_ours:
        after = system.metrics()
        syncs = (after["journal_syncs_total"] - before["journal_syncs_total"]) / messages
        system.resume()
    system.empty()
    return messages / seconds, syncs


def measure_accept(binary, folder, sink, args):
    systems = [Outpost(binary, folder + "/accept", sink.port), Ceiling(folder + "/ceiling")]
    figures = {}
    for sessions in SESSIONS:
        rates, syncs = {s.name: [] for s in systems}, []
        for n in range(args.rounds):
            for system in systems if n % 2 == 0 else systems[::-1]:
                rate, each = accept_round(system, sessions)
                rates[system.name].append(rate)
                if each is not None:
                    syncs.append(each)
            progress(f"{sessions} sessions, round {n + 1}: " + ", ".join(
                f"{name} {rate[-1]:,.0f}/s" for name, rate in rates.items()))
        figures[sessions] = {"outpost": rates["Outpost"], "ceiling": rates["ceiling"],
                             "syncs_per_message": median(syncs)}
    return figures


# --- holding ---

def lag_ms(relay):
    return relay.metrics()["loop_lag_seconds"] * 1000


def load(relay, count):
    """Starts to fill; the process prints the seconds it took."""
    return subprocess.Popen(
        [BUILD + "/test/bench/bench_load", str(relay.port), str(count), str(min(LOADERS, count)),
         str(QUEUE_BYTES), str(DOMAINS)], stdout=subprocess.PIPE, text=True)


def fill(relay, count):
    """Fills the paused queue; what that cost, the idle relay taken off."""
    relay.start()
    relay.pause()
    time.sleep(SETTLE_S)
    idle, before, written = relay.memory_kib(), relay.metrics(), relay.written_bytes()
    cpu, slow = relay.cpu_s(), relay.slow_turns()
    loader = load(relay, count)
    if loader.wait():
        sys.exit("not all was accepted")
    seconds = float(loader.stdout.read())
    cpu = relay.cpu_s() - cpu
    after, lag = relay.metrics(), lag_ms(relay)
    time.sleep(SETTLE_S)
    full = relay.memory_kib()
    bytes_queued = after["queue_bytes"] - before["queue_bytes"]
    hot = after["hot_cache_bytes"]
    return {
        "idle_kib": idle, "full_kib": full, "hot_cache_bytes": hot,
        "accepted_per_s": count / seconds, "cpu_s_per_1000": cpu * 1000 / count,
        "lag_ms": lag, "slow_turns": relay.slow_turns() - slow, "message_bytes": bytes_queued / count,
        "memory": {k: ((full[k] - idle[k]) * 1024 - hot) / count for k in full},
        "journal_amplification":
            (after["journal_written_bytes_total"] - before["journal_written_bytes_total"])
            / bytes_queued,
        "disk_amplification":
            (relay.written_bytes() - written) / bytes_queued if written is not None else None,
        "syncs_per_message":
            (after["journal_syncs_total"] - before["journal_syncs_total"]) / count,
        "disk_per_message": relay.disk_bytes() / count,
    }


def restart(relay, count, idle):
    """Times to the 220, the file cache warm, after orderly stops and after a kill."""
    stops, starts = [], []
    for _ in range(RESTARTS):
        begin = time.monotonic()
        relay.stop(START_S)
        stops.append(time.monotonic() - begin)
        starts.append(relay.start(START_S))
    relay.kill()
    after_kill = relay.start(START_S)
    if relay.metrics()["queue_messages"] != count:
        sys.exit("a restart has lost messages")
    memory = relay.memory_kib()
    return {"stop_s": median(stops), "start_s": median(starts), "starts_s": starts,
            "start_after_kill_s": after_kill, "lag_ms": lag_ms(relay),
            "memory": {k: (memory[k] - idle[k]) * 1024 / count for k in memory}}


def operate(relay):
    """How long an operator waits for an answer, and what that does to the loop."""
    relay.stop(START_S)
    relay.start(START_S)
    lag, slow = {"start": lag_ms(relay)}, relay.slow_turns()
    took = {}
    for name, words in (("list", ["queue", "list"]), ("status", ["status"]),
                        ("pause one", ["pause", "d7.example"]),
                        ("resume one", ["resume", "d7.example"]), ("reload", ["reload"])):
        took[name] = relay.say(*words)
        lag[name] = lag_ms(relay)
    begin = time.monotonic()
    relay.get("/queue?limit=1000")
    took["GET /queue?limit=1000"] = time.monotonic() - begin
    lag["GET /queue?limit=1000"] = lag_ms(relay)
    return {"took_s": took, "lag_ms_so_far": lag, "slow_turns": relay.slow_turns() - slow}


def drain(relay, sink, count, most_s):
    relay.stop(START_S)
    relay.start(START_S)
    lag_before, slow = lag_ms(relay), relay.slow_turns()
    first, cpu = sink.count(), relay.cpu_s()
    begin = time.monotonic()
    relay.resume()
    lags, at = [], 0
    while at < most_s and sink.count() - first < count:
        time.sleep(0.25)
        at = time.monotonic() - begin
        lags.append((round(at, 1), lag_ms(relay), sink.count() - first))
    taken = sink.count() - first
    cpu = relay.cpu_s() - cpu
    return {"per_s": taken / at, "messages": taken, "seconds": at, "cpu_s_per_1000":
            cpu * 1000 / max(taken, 1), "lag_ms_at_start": lag_before,
            "lag_ms": max(lag for _, lag, _ in lags), "slow_turns": relay.slow_turns() - slow,
            "samples": lags[::max(1, len(lags) // 100)],
            "memory_kib": relay.memory_kib()}


def measure_queue(binary, folder, sink, count, args):
    gib = max(1, count * 8 * QUEUE_BYTES // 2 ** 30)
    relay = Outpost(binary, f"{folder}/{count}", sink.port, QUIET.format(size=f"{gib}GiB"))
    relay.is_realtime = args.realtime
    figures = {"empty_start_s": median([start_empty(relay) for _ in range(RESTARTS)])}
    progress(f"{size_text(count)}: filling")
    figures["fill"] = fill(relay, count)
    progress(f"{size_text(count)}: restarting")
    figures["restart"] = restart(relay, count, figures["fill"]["idle_kib"])
    progress(f"{size_text(count)}: operating")
    figures["operate"] = operate(relay)
    progress(f"{size_text(count)}: draining")
    figures["drain"] = drain(relay, sink, count, args.drain_s)
    relay.kill()
    relay.drop()
    return figures


# --- compacting ---

def compact_round(binary, folder, sink, stuck_domains):
    """Mail flows by; what nobody takes stays behind, and leaves its segments mostly dead."""
    patterns = ", ".join(f'"*@d{n}.example"' for n in range(stuck_domains))
    relay = Outpost(binary, folder + "/compact", sink.port, QUIET.format(size="1GiB"),
                    STUCK.format(patterns=patterns) if stuck_domains else "")
    relay.start()
    time.sleep(SETTLE_S)
    first = sink.count()
    loader, most = load(relay, COMPACT_MESSAGES), 0
    while loader.poll() is None:
        time.sleep(0.1)
        most = max(most, relay.metrics()["journal_bytes"])
    if loader.returncode:
        sys.exit("not all was accepted")
    seconds = float(loader.stdout.read())
    good = COMPACT_MESSAGES * (DOMAINS - stuck_domains) // DOMAINS
    wait_for(lambda: sink.count() - first >= good, 300)
    time.sleep(10)  # compaction may finish what it has begun
    end = relay.metrics()
    relay.kill()
    relay.drop()
    return {"accepted_per_s": COMPACT_MESSAGES / seconds, "journal_bytes_most": most,
            "journal_bytes": end["journal_bytes"], "queue_bytes": end["queue_bytes"],
            "segments": end["journal_segments"], "moved": end["messages_moved_total"],
            "lag_ms": end["loop_lag_seconds"] * 1000}


def measure_compaction(binary, folder, sink, args):
    figures = {0: [], STUCK_DOMAINS: []}
    for n in range(args.rounds):
        for stuck in sorted(figures, reverse=n % 2):
            figures[stuck].append(compact_round(binary, folder, sink, stuck))
            progress(f"{stuck / DOMAINS:.0%} stuck, round {n + 1}: "
                     f"{figures[stuck][-1]['accepted_per_s']:,.0f}/s, "
                     f"{figures[stuck][-1]['moved']:,.0f} moved")
    return figures


def start_empty(relay):
    seconds = relay.start()
    relay.empty()
    return seconds


# --- telling ---

ROWS = (
    ("accepted while filling, messages/s", lambda q: f"{q['fill']['accepted_per_s']:,.0f}"),
    ("memory per message (private), bytes", lambda q: f"{q['fill']['memory']['private']:,.0f}"),
    ("memory per message (Pss), bytes", lambda q: f"{q['fill']['memory']['pss']:,.0f}"),
    ("the same after a restart (Pss), bytes", lambda q: f"{q['restart']['memory']['pss']:,.0f}"),
    ("disk per message of 2 KiB, bytes", lambda q: f"{q['fill']['disk_per_message']:,.0f}"),
    ("journal bytes written / message bytes",
     lambda q: f"{q['fill']['journal_amplification']:.2f}"),
    ("bytes the disk wrote / message bytes, zeroes ahead included",
     lambda q: "" if q["fill"]["disk_amplification"] is None
     else f"{q['fill']['disk_amplification']:.2f}"),
    ("syncs per message while filling", lambda q: f"{q['fill']['syncs_per_message']:.3f}"),
    ("start with an empty queue, s", lambda q: f"{q['empty_start_s']:.3f}"),
    ("restart to the 220, s", lambda q: f"{q['restart']['start_s']:.2f}"),
    ("restart to the 220 after kill -9, s",
     lambda q: f"{q['restart']['start_after_kill_s']:.2f}"),
    ("orderly stop, s", lambda q: f"{q['restart']['stop_s']:.2f}"),
    ("drained, messages/s", lambda q: f"{q['drain']['per_s']:,.0f}"),
    ("CPU s per 1000 drained", lambda q: f"{q['drain']['cpu_s_per_1000']:.2f}"),
    ("longest turn of the loop while filling, ms", lambda q: f"{q['fill']['lag_ms']:.1f}"),
    ("... after a restart", lambda q: f"{q['restart']['lag_ms']:.1f}"),
    ("... while an operator asks",
     lambda q: f"{max(q['operate']['lag_ms_so_far'].values()):.1f}"),
    ("... while draining", lambda q: f"{q['drain']['lag_ms']:.1f}"),
    ("turns over 10 ms: filling, an operator asks, draining",
     lambda q: ", ".join(str(q[part]["slow_turns"]) for part in ("fill", "operate", "drain"))),
)


def print_accept(figures):
    print("| sessions | Outpost, accepts/s | ceiling | ratio | syncs per message |\n"
          "| --- | --- | --- | --- | --- |")
    for sessions, f in figures.items():
        ours, ceiling = median(f["outpost"]), median(f["ceiling"])
        print(f"| {sessions} | {ours:,.0f} | {ceiling:,.0f} | {ours / ceiling:.2f} "
              f"| {f['syncs_per_message']:.3f} |")
    print()


def print_compaction(figures):
    print("| taken by nobody | accepts/s | moved | files at most, MiB | in the end | live "
          "| segments | longest turn, ms |\n" + "| --- " * 8 + "|")
    for stuck, rounds in figures.items():
        f = {key: median([r[key] for r in rounds]) for key in rounds[0]}
        print(f"| {stuck / DOMAINS:.0%} | {f['accepted_per_s']:,.0f} | {f['moved']:,.0f} "
              f"| {f['journal_bytes_most'] / 2**20:.0f} | {f['journal_bytes'] / 2**20:.0f} "
              f"| {f['queue_bytes'] / 2**20:.0f} | {f['segments']:.0f} | {f['lag_ms']:.1f} |")
    print()


def print_queue(queues):
    print("| queued | " + " | ".join(size_text(n) for n in queues) + " |")
    print("| --- |" + " --- |" * len(queues))
    for title, cell in ROWS:
        print(f"| {title} | " + " | ".join(cell(q) for q in queues.values()) + " |")
    for n, q in queues.items():
        print(f"\n{size_text(n)}: " + ", ".join(
            f"{name} {seconds * 1000:.0f} ms" for name, seconds in q["operate"]["took_s"].items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--size", default="10k,100k,1M")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--drain-s", type=float, default=180)
    parser.add_argument("--binary", help="this one, instead of building a static release binary")
    parser.add_argument("--without-accept", action="store_true")
    parser.add_argument("--without-compaction", action="store_true")
    parser.add_argument("--realtime", action="store_true",
                        help="nobody takes the processor from the queue's relay (chrt, as root): "
                             "its loop's lag is its own then; rates are not comparable")
    parser.add_argument("--json")
    args = parser.parse_args()
    binary = build("bench_ceiling", "bench_load")
    binary = os.path.abspath(args.binary) if args.binary else binary
    folder = work_folder()
    sink = Sink(folder)
    figures = {"accept": {}, "compaction": {}, "queue": {}}
    if not args.without_accept:
        figures["accept"] = measure_accept(binary, folder, sink, args)
    if not args.without_compaction:
        figures["compaction"] = measure_compaction(binary, folder, sink, args)
    for count in map(parse_size, filter(None, args.size.split(","))):
        figures["queue"][count] = measure_queue(binary, folder, sink, count, args)
        if args.json:
            with open(args.json, "w", encoding="utf-8") as f:
                json.dump(figures, f, indent=1)
    if figures["accept"]:
        print_accept(figures["accept"])
    if figures["compaction"]:
        print_compaction(figures["compaction"])
    if figures["queue"]:
        print_queue(figures["queue"])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(figures, f, indent=1)


if __name__ == "__main__":
    main()
