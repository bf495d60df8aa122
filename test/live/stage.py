"""What the clients of doc/clients.md send through: relays, the ways into them, and a sink behind."""
import os
import select
import socket
import socketserver
import subprocess
import tempfile
import threading

from clients import Way
from names import HOSTS
from postfix import parsed
from receiver import Receiver
from relay import ALARMS, BINARY, SLOW, Relay, wait_for

PASSWORD = "correct/horse 7"
# What else a mail may ask of the next server.
EXTENSIONS = ["PIPELINING", "8BITMIME", "SIZE 104857600", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN"]


def scram_secret(password):
    made = subprocess.run([BINARY, "passwd", "--scram", "scram"], input=password + "\n", text=True,
                          capture_output=True, check=True, timeout=30 * SLOW).stdout
    return made.split('password = "', 1)[1].split('"', 1)[0]


def crypt_hash(password):
    """One that costs little to verify, as we log in often."""
    return subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, text=True,
                          capture_output=True, check=True).stdout.strip()


class Stage:
    """One relay that trusts this machine, one that trusts nobody, and where both deliver to."""

    def __init__(self, place, names, mx_port, certs):
        self.folder = tempfile.mkdtemp(prefix="w", dir=place)
        os.chmod(self.folder, 0o755)
        certs.leaf("localhost", "localhost")
        self.certs = certs
        self.sink = Receiver(HOSTS["mx.sink.example"], mx_port, extensions=EXTENSIONS)
        self.open = self.relay("open", names, mx_port)
        self.closed = self.relay("closed", names, mx_port).closed_to_strangers()
        self.closed.set("submission", login_delay="0s", login_failures=1000)
        self.closed.add("user", name="app", password=crypt_hash(PASSWORD))
        self.closed.add("user", name="scram", password=scram_secret(PASSWORD),
                        recipients=["*@sink.example"])
        self.closed.add("user", name="narrow", password=crypt_hash(PASSWORD),
                        recipients=["*@sink.example"], max_message_size="60KiB")
        self.closed.add("user", name="mta", password=crypt_hash(PASSWORD),
                        passwords=[crypt_hash(PASSWORD.split()[0])], recipients=["*@sink.example"])
        self.implicit_port = self.closed.add_listener(tls="implicit")
        self.socket = self.closed.folder + "/unix"
        self.closed.add("listen", address="unix:" + self.socket)
        self.open.start()
        self.closed.start()

    def relay(self, name, names, mx_port):
        relay = Relay(os.path.join(self.folder, name), names, mx_port, self.certs.authority)
        certificate, key = self.certs.path("localhost")
        return relay.set("tls", certificate=certificate, key=key)

    def way(self, name):
        """`none`, `unix`, or TLS and a mechanism: `starttls PLAIN`"""
        if name == "unix":
            return Way(socket=self.socket, folder=self.folder)
        if name == "none":
            return Way(self.open.port, folder=self.folder)
        tls, auth = name.split(" ")
        return Way(self.implicit_port if tls == "implicit" else self.closed.port, tls,
                   "scram" if auth.startswith("SCRAM") else "app", PASSWORD, auth,
                   self.certs.authority, self.folder)

    def arrived(self, letter):
        """All parts of it, when everybody has got it."""
        def complete():
            with self.sink.lock:
                parts = [m for m in self.sink.messages if letter.mark in parsed(m.data)["Subject"]]
            return sorted(r for m in parts for r in m.recipients) == letter.to and parts
        return wait_for(complete)

    def commands(self, *words):
        """What the sink was told that has all of them."""
        with self.sink.lock:
            return [line for _, line in self.sink.commands if all(word in line for word in words)]

    def close(self):
        wrong = []
        for relay in (self.open, self.closed):
            status = relay.stop() if relay.is_running() else relay.process.returncode
            if status or any(alarm in relay.log() for alarm in ALARMS):
                wrong.append(f"it ended with {status}:\n{relay.log()[-6000:]}")
        self.sink.close()
        assert not wrong, wrong[0]


class Recorder:
    """Between a client and a relay: keeps what the client sent, in the pieces that came at once."""

    def __init__(self, port):
        self.pieces = []
        recorder = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with socket.create_connection(("127.0.0.1", port)) as relay:
                    recorder.carry(self.request, relay)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def carry(self, client, relay):
        while True:
            for ready in select.select([client, relay], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                if ready is client:
                    self.pieces.append(data)
                (relay if ready is client else client).sendall(data)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
