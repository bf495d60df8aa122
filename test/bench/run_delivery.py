#!/usr/bin/env python3
"""How fast mail leaves: to one host, to a hundred, and after an outage; beside Postfix, now.

    test/bench/run_delivery.py [--rounds 3] [--messages 5000] [--deferred 20000] [--parts one,hundred,drain]

Both systems take turns, round by round; the figures are medians. Loads come from bench_load.c
(20 sessions that stay open), mail goes to smtp-sink (package postfix), all on loopback; Postfix
needs root. CPU is that of all processes of a system, from the first byte to the last message at
the sink. The hundred hosts are a hundred addresses of one sink, each with a domain of its own.
For the outage the sink is down while mail comes in, so that both have tried and put off; then it is
back, and the operator asks for everything at once (`outpost flush`, `postqueue -f`). --json FILE
keeps every round.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from peer import BUILD, Outpost, Sink, build, median, wait_for, work_folder
from run_bench import Postfix

SESSIONS = 20
HOSTS = 100
PARTS = ("one", "hundred", "drain")
TITLES = {"one": "relayed to one host, messages/s", "hundred": "relayed to 100 hosts, messages/s",
          "drain": "drained after an outage, messages/s"}


def address(n):
    return f"127.0.1.{n + 1}"


def outpost_routes(port):
    return "".join(f'[[route]]\nrecipients = ["*@d{n}.example"]\nhosts = ["{address(n)}:{port}"]\n'
                   'tls = "none"\n' for n in range(HOSTS))


class PostfixToMany(Postfix):
    """With a route for each domain, and the CPU time of all its processes."""

    def __init__(self, folder, sink_port, hosts):
        super().__init__(folder, sink_port)
        if hosts > 1:
            self.write("transport", "".join(f"d{n}.example smtp:[{address(n)}]:{sink_port}\n"
                                            for n in range(hosts)))
            self.main += "transport_maps = texthash:" + folder + "/transport\n"
            self.write("main.cf", self.main)

    def cpu_s(self):
        """Of the master, of its children, and of those that have ended."""
        with open(self.folder + "/spool/pid/master.pid", encoding="ascii") as f:
            master = int(f.read())
        ticks = 0
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{int(name)}/stat", encoding="ascii") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except (OSError, ValueError):
                continue
            if int(name) == master:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == master:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def flush(self):
        subprocess.run(["/usr/sbin/postqueue", "-c", self.folder, "-f"], check=True)

    def queued(self):
        return sum(len(files) for name in ("incoming", "active", "deferred")
                   for _, _, files in os.walk(f"{self.folder}/spool/{name}"))

    def is_put_off(self, messages):
        return sum(len(files) for _, _, files
                   in os.walk(f"{self.folder}/spool/deferred")) >= messages


class OutpostToMany(Outpost):
    def flush(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.folder + "/c.sock")
            s.sendall(b"flush\n")
            s.recv(1000)

    def is_put_off(self, messages):
        stats = self.stats()
        return stats["queue"]["messages"] >= messages


def load(system, messages, size, domains):
    subprocess.run([BUILD + "/test/bench/bench_load", str(system.port), str(messages),
                    str(SESSIONS), str(size), str(domains)], check=True, stdout=subprocess.DEVNULL)


def relay_round(system, sink, messages, domains):
    """Messages a second, CPU seconds per 1,000."""
    system.start()
    goal = sink.count() + messages
    cpu, begin = system.cpu_s(), time.monotonic()
    load(system, messages, 5120, domains)
    wait_for(lambda: sink.count() >= goal, 600)
    seconds = time.monotonic() - begin
    cpu = system.cpu_s() - cpu
    system.empty()
    return messages / seconds, cpu * 1000 / messages


def drain_round(system, sink, messages):
    sink.close()
    system.start()
    load(system, messages, 2048, 1)
    wait_for(lambda: system.is_put_off(messages), 900, every=0.5)
    sink.open()
    cpu, begin = system.cpu_s(), time.monotonic()
    system.flush()
    wait_for(lambda: sink.count() >= messages, 1200, every=0.02)
    seconds = time.monotonic() - begin
    cpu = system.cpu_s() - cpu
    system.empty()
    return messages / seconds, cpu * 1000 / messages


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--deferred", type=int, default=20000)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--binary", help="this one, instead of building a static release binary")
    parser.add_argument("--without-postfix", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    parts = args.parts.split(",")
    built = build("bench_load")
    binary = os.path.abspath(args.binary) if args.binary else built
    folder = work_folder()
    sink = Sink(folder, host="")
    if not args.without_postfix and os.geteuid() != 0:
        sys.exit("Postfix wants root; or --without-postfix")
    rounds = {}
    for part in parts:
        hosts = HOSTS if part == "hundred" else 1
        systems = [OutpostToMany(binary, f"{folder}/outpost-{part}", sink.port,
                                 routes=outpost_routes(sink.port) if hosts > 1 else "")]
        if not args.without_postfix:
            systems.append(PostfixToMany(f"{folder}/postfix-{part}", sink.port, hosts))
        rounds[part] = {s.name: [] for s in systems}
        for n in range(args.rounds):
            for system in systems if n % 2 == 0 else systems[::-1]:
                figures = (drain_round(system, sink, args.deferred) if part == "drain"
                           else relay_round(system, sink, args.messages, hosts))
                rounds[part][system.name].append(figures)
                print(f"{part}, round {n + 1} of {args.rounds}: {system.name} "
                      f"{figures[0]:,.0f}/s, {figures[1]:.2f} s CPU per 1,000", file=sys.stderr)
        for system in systems:
            shutil.rmtree(system.folder, ignore_errors=True)
    sink.close()
    report(args, rounds)


def report(args, rounds):
    print(f"{args.messages} messages of 5 KiB, {args.deferred} of 2 KiB put off, {SESSIONS} "
          f"sessions, medians of {args.rounds} rounds\n")
    print("| figure | Outpost | Postfix | ratio |\n| --- | --- | --- | --- |")
    for part, systems in rounds.items():
        for index, title in enumerate((TITLES[part], "... CPU s per 1,000")):
            values = {name: median([r[index] for r in all_rounds])
                      for name, all_rounds in systems.items()}
            ours, theirs = values["Outpost"], values.get("Postfix")
            form = "{:,.0f}" if index == 0 else "{:.2f}"
            better = (ours / theirs if index == 0 else theirs / ours) if theirs else None
            print(f"| {title} | {form.format(ours)} | {form.format(theirs) if theirs else ''} | "
                  f"{f'{better:.1f}' if better else ''} |")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(rounds, f, indent=1)


if __name__ == "__main__":
    main()
