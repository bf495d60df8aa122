#!/usr/bin/env python3
"""How long one message waits behind another sender's bulk job; beside Postfix, now.

    test/bench/run_urgent.py [--messages 4000] [--delay 100] [--rounds 3] [--urgent 5]

One sender fills the queue for a server that answers each group of commands after a delay. When a
twentieth of it has gone, another sender's message comes, and a few more, one after the other; the
figure is the time from its 250 to the server's own, which knows it by its sender. A round ends when
these have arrived: the rest of the bulk is thrown away. Postfix needs root.
"""
import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import smtplib
import subprocess
import sys
import time

from peer import BUILD, Outpost, build, free_port, greets, median, wait_for, work_folder
from run_bench import Postfix

EHLO = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
SENDER = "reset@shop.example"


class Talk(asyncio.Protocol):
    def __init__(self, sink):
        self.sink, self.input, self.is_data, self.is_urgent = sink, b"", False, False

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"220 sink\r\n")

    def taken(self):
        counter = self.sink.urgent if self.is_urgent else self.sink.bulk
        if self.is_urgent:
            self.sink.arrived.value = time.monotonic()
        with counter.get_lock():
            counter.value += 1
        return b"250 taken\r\n"

    def step(self):
        """The answer to one thing read; None: more is needed."""
        end = self.input.find(b"\r\n.\r\n" if self.is_data else b"\r\n")
        if end < 0:
            return None
        line, self.input = self.input[:end], self.input[end + (5 if self.is_data else 2):]
        if self.is_data:
            self.is_data = False
            return self.taken()
        verb = line[:4].upper()
        self.is_data = verb == b"DATA"
        if verb == b"MAIL":
            self.is_urgent = SENDER.encode() in line
        return {b"EHLO": EHLO, b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}.get(
            verb, b"250 ok\r\n")

    def data_received(self, data):
        self.input += data
        answers = b"".join(iter(self.step, None))
        if answers:
            asyncio.get_running_loop().call_later(self.sink.delay, self.transport.write, answers)


class Sink:
    """Counts the two senders' messages; all times are of the one monotonic clock."""

    def __init__(self, delay_ms):
        self.port, self.delay = free_port(), delay_ms / 1000
        self.bulk, self.urgent = (multiprocessing.Value("q", 0) for _ in range(2))
        self.arrived = multiprocessing.Value("d", 0)
        self.process = multiprocessing.Process(target=self.run, daemon=True)
        self.process.start()
        wait_for(lambda: greets(self.port))

    def run(self):
        async def serve():
            server = await asyncio.get_running_loop().create_server(
                lambda: Talk(self), "127.0.0.1", self.port)
            await server.serve_forever()
        asyncio.run(serve())

    def close(self):
        self.process.terminate()
        self.process.join()


def send(port):
    """The time of the 250."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail(SENDER, ["u@d0.example"], "Subject: your password\r\n\r\nhello\r\n")
        return time.monotonic()


def urgent_round(system, sink, args):
    """Seconds that each urgent message took, and how much of the bulk was before the first."""
    system.start()
    before = sink.bulk.value
    load = subprocess.Popen([BUILD + "/test/bench/bench_load", str(system.port),
                             str(args.messages), "20", "5120", "1"], stdout=subprocess.DEVNULL)
    if load.wait() != 0:
        sys.exit("bench_load failed")
    wait_for(lambda: sink.bulk.value - before >= args.messages / 20, 600)
    took = []
    most = args.messages - (sink.bulk.value - before)
    for _ in range(args.urgent):
        if sink.bulk.value - before >= args.messages:
            break
        goal, begin = sink.urgent.value + 1, send(system.port)
        wait_for(lambda: sink.urgent.value >= goal, 3600)
        took.append(sink.arrived.value - begin)
    if not took:
        sys.exit("the bulk job was over before the urgent message: ask for more --messages")
    system.empty()
    return took, most


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--urgent", type=int, default=5, help="messages a round")
    parser.add_argument("--delay", type=int, default=100, help="ms, of each group of replies")
    parser.add_argument("--binary", help="this one, instead of building a static release binary")
    parser.add_argument("--without-postfix", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    built = build("bench_load")
    binary = os.path.abspath(args.binary) if args.binary else built
    if not args.without_postfix and os.geteuid() != 0:
        sys.exit("Postfix wants root; or --without-postfix")
    folder, sink = work_folder(), Sink(args.delay)
    systems = [Outpost(binary, folder + "/outpost", sink.port)]
    if not args.without_postfix:
        systems.append(Postfix(folder + "/postfix", sink.port))
    rounds = {s.name: [] for s in systems}
    for n in range(args.rounds):
        for system in systems if n % 2 == 0 else systems[::-1]:
            took, left = urgent_round(system, sink, args)
            rounds[system.name] += took
            print(f"round {n + 1} of {args.rounds}: {system.name} "
                  f"{', '.join(f'{s * 1000:,.0f}' for s in took)} ms, {left:,} of the bulk before the first",
                  file=sys.stderr)
    for system in systems:
        shutil.rmtree(system.folder, ignore_errors=True)
    sink.close()
    print(f"{args.messages} messages of 5 KiB in the way, replies after {args.delay} ms\n")
    print("| system | median, ms | longest, ms |\n| --- | --- | --- |")
    for name, took in rounds.items():
        print(f"| {name} | {median(took) * 1000:,.0f} | {max(took) * 1000:,.0f} |")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(rounds, f, indent=1)


if __name__ == "__main__":
    main()
