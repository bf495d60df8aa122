#!/usr/bin/env python3
"""First figures: how fast Outpost takes and relays mail, beside Postfix, on this machine, now.

    test/bench/run_bench.py [--rounds 5] [--messages 5000] [--sessions 20] [--without-postfix]

Builds a static release binary in build-bench, then lets both systems take turns, round by round, so
that what else the machine does hits both alike; the figures are medians. Each has its durability as
shipped. Loads come from smtp-source, mail goes to smtp-sink (both in package postfix), all on
loopback; Postfix needs root. Prints a table in Markdown; --json FILE keeps every round.
"""
import argparse
import atexit
import json
import os
import pwd
import shutil
import subprocess
import sys
import time

from peer import Outpost, Sink, build, free_port, greets, median, smtp_source, wait_for, work_folder

BYTES = 5120

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = relay.example
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
alias_maps =
relayhost = [127.0.0.1]:{sink_port}
smtp_tls_security_level =
"""

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    name = "Postfix"

    def __init__(self, folder, sink_port):
        self.folder = folder
        self.port = free_port()
        owner = pwd.getpwnam("postfix")
        for name in ("", "spool", "data"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
            os.chmod(os.path.join(folder, name), 0o755)
        os.chown(folder + "/data", owner.pw_uid, owner.pw_gid)
        daemons = next(p for p in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix")
                       if os.path.exists(p))
        self.main = POSTFIX_MAIN.format(folder=folder, daemons=daemons, sink_port=sink_port)
        self.write("main.cf", self.main)
        self.write("master.cf", POSTFIX_MASTER.format(port=self.port))
        self.is_up = False
        atexit.register(self.stop)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def control(self, *words):
        subprocess.run(["/usr/sbin/postfix", "-c", self.folder, *words], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        self.control("start")
        self.is_up = True
        wait_for(lambda: greets(self.port))

    def stop(self):
        if self.is_up:
            self.control("stop")
        self.is_up = False

    def pause(self):
        self.write("main.cf", self.main + "defer_transports = smtp\n")
        self.control("reload")
        wait_for(lambda: greets(self.port))

    def empty(self):
        self.stop()
        shutil.rmtree(self.folder + "/spool")
        os.makedirs(self.folder + "/spool", 0o755)
        self.write("main.cf", self.main)

    def cpu_s(self):
        return None


def accept_round(system, args):
    """Messages a second that are safe on disk; nothing is delivered meanwhile."""
    system.start()
    system.pause()
    before = system.cpu_s()
    seconds = smtp_source(system.port, args.messages, args.sessions, BYTES)
    cpu = system.cpu_s() - before if before is not None else None
    if system.name == "Outpost":
        system.resume()
    system.empty()
    return args.messages / seconds, cpu and cpu * 1000 / args.messages


def relay_round(system, sink, args):
    """Messages a second at the sink, from the first byte sent to the last message there."""
    system.start()
    goal = sink.count() + args.messages
    before = system.cpu_s()
    begin = time.monotonic()
    smtp_source(system.port, args.messages, args.sessions, BYTES)
    wait_for(lambda: sink.count() >= goal, 300)
    seconds = time.monotonic() - begin
    cpu = system.cpu_s() - before if before is not None else None
    system.empty()
    return args.messages / seconds, cpu and cpu * 1000 / args.messages


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--binary", help="this one, instead of building a static release binary")
    parser.add_argument("--without-postfix", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    binary = os.path.abspath(args.binary) if args.binary else build()
    folder = work_folder()
    sink = Sink(folder)
    systems = [Outpost(binary, folder + "/outpost", sink.port)]
    if not args.without_postfix:
        if os.geteuid() != 0:
            sys.exit("Postfix wants root; or --without-postfix")
        systems.append(Postfix(folder + "/postfix", sink.port))
    rounds = {s.name: {"accept": [], "accept_cpu": [], "relay": [], "relay_cpu": []} for s in systems}
    for n in range(args.rounds):
        for system in systems if n % 2 == 0 else systems[::-1]:
            rate, cpu = accept_round(system, args)
            rounds[system.name]["accept"].append(rate)
            rounds[system.name]["accept_cpu"].append(cpu)
        for system in systems if n % 2 == 0 else systems[::-1]:
            rate, cpu = relay_round(system, sink, args)
            rounds[system.name]["relay"].append(rate)
            rounds[system.name]["relay_cpu"].append(cpu)
        print(f"round {n + 1} of {args.rounds}: " + ", ".join(
            f"{s.name} {rounds[s.name]['accept'][-1]:,.0f} accepted/s "
            f"{rounds[s.name]['relay'][-1]:,.0f} relayed/s" for s in systems), file=sys.stderr)
    outpost = systems[0]
    starts = []
    for _ in range(21):
        starts.append(outpost.start() * 1000)
        outpost.stop()
    outpost.start()
    time.sleep(3)  # the spare segments are made
    pss = outpost.memory_kib()["pss"]
    outpost.stop()
    sink.close()

    peer = rounds.get("Postfix")
    print(f"{args.messages} messages of 5 KiB, {args.sessions} sessions, medians of {args.rounds} "
          f"rounds\n")
    print("| figure | Outpost | Postfix | ratio |\n| --- | --- | --- | --- |")
    for key, title in (("accept", "durable accepts, messages/s"),
                       ("relay", "relayed end to end, messages/s")):
        ours, theirs = median(rounds["Outpost"][key]), median(peer[key]) if peer else None
        print(f"| {title} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.1f} |" if theirs
              else f"| {title} | {ours:,.0f} | | |")
    for key, title in (("accept_cpu", "CPU s per 1000 accepted"),
                       ("relay_cpu", "CPU s per 1000 relayed")):
        print(f"| {title} | {median(rounds['Outpost'][key]):.2f} | | |")
    print(f"| binary, static, stripped, MiB | {os.path.getsize(binary) / 1048576:.2f} | | |")
    print(f"| memory when idle (PSS), MiB | {pss / 1024:.1f} | | |")
    print(f"| start to 220, ms | {median(starts):.0f} | | |")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"rounds": rounds, "starts_ms": starts, "pss_kib": pss}, f, indent=1)


if __name__ == "__main__":
    main()
