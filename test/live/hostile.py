"""Mail servers that misbehave on purpose, one thing each, until they are healed."""
import select
import socket
import ssl
import struct
import threading

CHUNKS = b"250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 100000000\r\n"
EHLO = b"250-x\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250 8BITMIME\r\n"
ENDLESS_MAX = 64 << 20  # whoever reads that much of one reply has no limit


class Gone(Exception):
    """The conversation is over; its argument is what was said last."""


def drop(_talk):
    """Closes without a word."""
    raise Gone


def silent(talk):
    """Says nothing until the other side has gone; what that says is read."""
    while talk.connection.recv(65536):
        pass
    raise Gone


def deaf(talk):
    """Neither reads nor says anything: its window closes."""
    talk.host.healing.wait(60)
    raise Gone


def one_by_one(data):
    def say(talk):
        for i in range(len(data)):
            talk.send(data[i:i + 1])
        return b""
    return say


def drip(data):
    """A byte now and then, and never the last one."""
    def say(talk):
        for i in range(len(data) - 1):
            talk.send(data[i:i + 1])
            if select.select([talk.connection], [], [], 0.2)[0] and not talk.connection.recv(4096):
                break
        silent(talk)
    return say


def endless(data):
    def say(talk):
        for _ in range(ENDLESS_MAX // len(data)):
            talk.send(data)
        talk.host.wrong.append("an endless reply was read on and on")
        raise Gone
    return say


def then_drop(data):
    def say(talk):
        talk.send(data)
        raise Gone(data)
    return say


def then_silent(data):
    def say(talk):
        talk.send(data)
        silent(talk)
    return say


def then_reset(data):
    def say(talk):
        talk.send(data)
        talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone
    return say


def for_tls(data):
    """After the 220 and the client's first words: these bytes for a handshake."""
    def say(talk):
        talk.send(b"220 go\r\n")
        talk.connection.recv(4096)
        talk.send(data)
        raise Gone
    return say


class Host:
    """Says what its script has for a moment: "greet", a verb, "middle" (of the body), "dot", "chunk" (when a
    BDAT LAST is read; "BDAT": before that, and its bytes are taken for commands); a list holds the first, the second... of a session. Bytes are sent, a function is called with the
    conversation and returns bytes. For all else it is a well-behaved server."""

    def __init__(self, address, port, script, context=None, is_narrow=False):
        self.script, self.context = script, context
        self.healing = threading.Event()
        self.lock = threading.Lock()
        self.sessions = 0
        self.commands = []  # (session, line)
        self.taken = []     # (recipients, body to the dot) of what was answered 2xx, or not at all
        self.wrong = []
        self.listener = socket.create_server((address, port), backlog=64)
        if is_narrow:  # what is not read stays with the other side
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=Talk(self, connection, self.sessions).run, daemon=True).start()

    def heal(self, script=None, context=None):
        self.script, self.context = script or {}, context
        self.healing.set()

    def close(self):
        self.heal()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def verbs(self):
        return [line.split(b" ")[0].strip().upper().decode("ascii", "replace")
                for _, line in self.commands]


class Talk:
    def __init__(self, host, connection, number):
        self.host, self.number = host, number
        self.times = {}
        self.sender_is_taken = False
        self.recipients = []
        self.set_connection(connection)

    def set_connection(self, connection):
        self.connection = connection
        connection.settimeout(60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = connection.makefile("rb")

    def send(self, data):
        self.connection.sendall(data)

    def say(self, when, usual):
        """What was said, as far as it is known."""
        what = self.host.script.get(when, usual)
        at = self.times[when] = self.times.get(when, 0) + 1
        if isinstance(what, list):
            what = what[at - 1] if at <= len(what) else usual
        if callable(what):
            what = what(self)
        self.send(what)
        return what or usual

    def run(self):
        try:
            self.say("greet", b"220 x\r\n")
            while self.command():
                pass
        except (Gone, OSError, ValueError):
            pass
        finally:
            self.lines.close()
            self.connection.close()

    def command(self):
        line = self.lines.readline(65536)
        if not line.endswith(b"\r\n"):
            return False
        with self.host.lock:
            self.host.commands.append((self.number, line))
        verb = line.split()[0].upper().decode("ascii", "replace") if line.split() else ""
        getattr(self, "on_" + verb.lower(), self.on_other)(verb, line)
        return verb != "QUIT"

    def on_other(self, verb, _line):
        self.say(verb, b"250 ok\r\n")

    def on_ehlo(self, verb, _line):
        offers_tls = self.host.context and not isinstance(self.connection, ssl.SSLSocket)
        self.say(verb, b"250-x\r\n250 STARTTLS\r\n" if offers_tls else EHLO)

    def on_starttls(self, verb, _line):
        said = self.say(verb, b"220 go\r\n")
        if self.host.context and said.startswith(b"220"):
            self.set_connection(self.host.context.wrap_socket(self.connection, server_side=True))

    def on_mail(self, verb, _line):
        self.recipients = []
        self.sender_is_taken = self.say(verb, b"250 ok\r\n").startswith(b"2")

    def on_rcpt(self, verb, line):
        if self.say(verb, b"250 ok\r\n" if self.sender_is_taken
                    else b"503 MAIL first\r\n").startswith(b"2"):
            self.recipients.append(line[9:line.index(b">")].decode())

    def on_data(self, verb, _line):
        said = self.say(verb, b"354 go\r\n" if self.recipients else b"554 no recipients\r\n")
        if not said.splitlines()[-1].startswith(b"354"):
            return
        body = [self.lines.readline()]
        if body[-1] != b".\r\n":
            self.say("middle", b"")
        while body[-1] not in (b".\r\n", b""):
            body.append(self.lines.readline())
        if not body[-1]:
            raise Gone
        self.finish("dot", b"250 ok\r\n", (tuple(self.recipients), b"".join(body)))

    def finish(self, when, usual, whole):
        try:
            is_taken = self.say(when, usual).startswith(b"2")
        except (Gone, OSError) as end:
            said = end.args[0] if isinstance(end, Gone) and end.args else b""
            is_taken = not said.startswith((b"4", b"5"))  # it may well have been
            raise
        finally:
            if is_taken:
                with self.host.lock:
                    self.host.taken.append(whole)

    def on_bdat(self, verb, line):
        _, size, last = line.split()
        if verb in self.host.script:
            self.say(verb, b"")
            return
        assert last.upper() == b"LAST"
        body = self.lines.read(int(size))
        if len(body) < int(size):
            raise Gone
        stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
        usual = b"250 ok\r\n" if self.recipients else b"503 no recipients\r\n"
        self.finish("chunk", usual, (tuple(self.recipients), stuffed))

    def on_quit(self, verb, _line):
        self.say(verb, b"221 bye\r\n")
