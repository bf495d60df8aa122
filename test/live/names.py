"""Name servers: unbound for the main paths, and one of our own for faults."""
import os
import socket
import socketserver
import subprocess
import threading

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset

from relay import free_port, wait_for

# Every host has a loopback address of its own, so that all can use one port. The first word of a
# test's receiver address is its host.
HOSTS = {
    "mx.sink.example": "127.0.2.1",
    "down.two.example": "127.0.2.2",      # nobody listens there
    "up.two.example": "127.0.2.3",
    "implicit.example": "127.0.2.4",
    "mx.postfix.example": "127.0.2.5",
    "mx.moody.example": "127.0.2.6",
    "mx.sender.example": "127.0.2.7",
    "smart.example": "127.0.2.8",
    "mx.other.example": "127.0.2.9",
    "mx.race.example": "127.0.2.10",      # and ::1
    "login.example": "127.0.2.11",       # issues access tokens
}
ZONE = [
    "example. 60 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60",
    "example. 60 IN NS ns.example.",
    "ns.example. 60 IN A 127.0.0.1",
    "sink.example. 60 IN MX 10 mx.sink.example.",
    "two.example. 60 IN MX 10 down.two.example.",
    "two.example. 60 IN MX 20 up.two.example.",
    "null.example. 60 IN MX 0 .",
    "alias.example. 60 IN CNAME sink.example.",
    "postfix.example. 60 IN MX 10 mx.postfix.example.",
    "moody.example. 60 IN MX 10 mx.moody.example.",
    "sender.example. 60 IN MX 10 mx.sender.example.",
    "other.example. 60 IN MX 10 mx.other.example.",
    "same.example. 60 IN MX 10 mx.sink.example.",
    "race.example. 60 IN MX 10 mx.race.example.",
    "mx.race.example. 60 IN AAAA ::1",
    "six.example. 60 IN MX 10 mx.six.example.",
    "mx.six.example. 60 IN AAAA ::1",
    # We are the second best host for it, so nothing worse than ourselves may be tried.
    "loop.example. 60 IN MX 10 relay.example.",
    "loop.example. 60 IN MX 20 mx.sink.example.",
    "nowhere.example. 60 IN MX 10 gone.nowhere.example.",
    "relay.example. 60 IN A 127.0.0.1",
    "text.example. 60 IN TXT \"no address and no MX\"",
] + [f"{name}. 60 IN A {address}" for name, address in HOSTS.items()]

CONFIG = """
server:
    interface: 127.0.0.1@{port}
    port: {port}
    do-daemonize: no
    use-syslog: no
    logfile: "{folder}/unbound.log"
    chroot: ""
    username: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    module-config: "iterator"
    qname-minimisation: no
    root-key-sentinel: no
    do-not-query-localhost: no
    outgoing-interface: 127.0.0.1
    num-threads: 1
auth-zone:
    name: "example."
    zonefile: "{folder}/example.zone"
    for-upstream: yes
    for-downstream: no
# Nothing leaves the machine: whatever else is asked for goes to a port where nobody is.
stub-zone:
    name: "."
    stub-addr: 127.0.0.1@1
remote-control:
    control-enable: no
"""


class Unbound:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.port = free_port()
        with open(os.path.join(folder, "example.zone"), "w", encoding="utf-8") as f:
            f.write("\n".join(ZONE) + "\n")
        path = os.path.join(folder, "unbound.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(port=self.port, folder=folder))
        self.process = subprocess.Popen(["/usr/sbin/unbound", "-d", "-c", path],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for(self.answers)

    def answers(self):
        assert self.process.poll() is None, "unbound did not start"
        try:
            query = dns.message.make_query("sink.example.", "MX")
            return dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.2).answer
        except (OSError, dns.exception.Timeout):
            return None

    def close(self):
        self.process.terminate()
        self.process.wait(10)


class MoodyDns:
    """Answers from the same zone unless the mood does: mood(query, is_tcp) returns a message, bytes,
    "drop" for silence, or None for the normal answer."""

    def __init__(self, mood=None):
        self.mood = mood
        self.questions = []  # (name, type, is_tcp)
        self.port = free_port()
        self.zone = {}
        for record in ZONE:
            name, ttl, cls, kind, value = record.split(" ", 4)
            self.zone.setdefault((name, kind), []).append((int(ttl), cls, value))
        outer = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                wire = outer.answer(self.request[0], False)
                if wire:
                    self.request[1].sendto(wire, self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self):
                length = self.rfile.read(2)
                if len(length) == 2:
                    wire = outer.answer(self.rfile.read(int.from_bytes(length, "big")), True)
                    if wire:
                        self.wfile.write(len(wire).to_bytes(2, "big") + wire)

        class UdpServer(socketserver.ThreadingUDPServer):
            daemon_threads = True

        class TcpServer(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.servers = [UdpServer(("127.0.0.1", self.port), Udp),
                        TcpServer(("127.0.0.1", self.port), Tcp)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05},
                             daemon=True).start()

    def answer(self, wire, is_tcp):
        try:
            query = dns.message.from_wire(wire)
        except Exception:  # what is no query gets no answer
            return None
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions.append((str(question.name).lower(), kind, is_tcp))
        made = self.mood(query, is_tcp) if self.mood else None
        if made == "drop":
            return None
        if isinstance(made, bytes):
            return made
        return (made or self.normal(query)).to_wire()

    def normal(self, query):
        question = query.question[0]
        name = str(question.name).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        found = self.zone.get((name, kind))
        if found:
            # The question's own spelling, as servers do by compressing: it is checked.
            reply.answer.append(dns.rrset.from_text(
                question.name, found[0][0], "IN", kind, *[value for _, _, value in found]))
        elif not any(known == name for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


def refuse_with(rcode):
    def mood(query, _is_tcp):
        reply = dns.message.make_response(query)
        reply.set_rcode(rcode)
        return reply
    return mood


def silence(_query, _is_tcp):
    return "drop"


def is_listening(address, port):
    try:
        with socket.create_connection((address, port), 1):
            return True
    except OSError:
        return False
