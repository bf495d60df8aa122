"""A mail server that does what a test tells it: takes mail, or has moods."""
import base64
import socket
import socketserver
import ssl
import threading


class Message:
    def __init__(self, session):
        self.session = session.number
        self.has_tls = session.has_tls
        self.user = session.user
        self.peer = session.peer
        self.helo = session.helo
        self.sender = None
        self.sender_parameters = ""
        self.recipients = []
        self.data = b""


class Session:
    """What a mood may ask about the conversation it is in."""

    def __init__(self, number, peer):
        self.number = number
        self.peer = peer  # the address it comes from
        self.has_tls = False
        self.user = None
        self.helo = None
        self.message = None
        self.messages = 0  # finished ones


class Drop(Exception):
    """Ends the connection without a word."""


class Receiver:
    """Moods are functions that return a reply ("450 4.2.0 later") or None for the normal one, and
    may raise Drop:

      greet(session), ehlo(session), mail(session, address), rcpt(session, address),
      data(session), chunk(session), stored(session, message)    the last one after the final dot

    A message is kept when the reply to it is a 2xx.
    """

    def __init__(self, address, port, context=None, users=None, extensions=(), **moods):
        self.address, self.port = address, port
        self.context = context  # of TLS; None: no STARTTLS
        self.users = users      # {name: password}; None: no AUTH
        self.extensions = list(extensions) or ["PIPELINING", "8BITMIME", "SIZE 104857600",
                                               "ENHANCEDSTATUSCODES"]
        self.moods = moods
        self.messages = []
        self.received = 0        # messages read to the final dot, whatever was answered
        self.sessions = 0
        self.commands = []       # (session number, line)
        self.lock = threading.Lock()
        self.open = set()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self):
                with outer.lock:
                    outer.sessions += 1
                    number = outer.sessions
                    outer.open.add(self.request)
                try:
                    Conversation(outer, self.request, Session(number, self.client_address[0])).run()
                except (Drop, OSError, ValueError):
                    pass
                finally:
                    with outer.lock:
                        outer.open.discard(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 1024
            block_on_close = False
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        self.server = Server((address, port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def ask(self, mood, *args):
        return self.moods[mood](*args) if mood in self.moods else None

    def recipients(self):
        with self.lock:
            return [r for m in self.messages for r in m.recipients]

    def count(self):
        return len(self.messages)


class Conversation:
    def __init__(self, receiver, connection, session):
        self.receiver, self.session = receiver, session
        self.set_connection(connection)

    def set_connection(self, connection):
        self.connection = connection
        connection.settimeout(60)
        self.file = connection.makefile("rb")

    def say(self, text):
        self.connection.sendall(text.encode() + b"\r\n")

    def line(self):
        line = self.file.readline(65536)
        if not line.endswith(b"\r\n"):
            raise Drop()
        return line[:-2].decode("utf-8", "surrogateescape")

    def run(self):
        greeting = self.receiver.ask("greet", self.session)
        self.say(greeting or "220 receiver.example ESMTP")
        if greeting and not greeting.startswith("2"):
            return
        while True:
            line = self.line()
            with self.receiver.lock:
                self.receiver.commands.append((self.session.number, line))
            verb = line.split(" ")[0].upper()
            method = getattr(self, "on_" + verb.lower(), None)
            if not method:
                self.say("500 5.5.1 what?")
            elif method(line) is False:
                return

    def on_ehlo(self, line):
        self.session.helo = line[5:]
        answer = self.receiver.ask("ehlo", self.session)
        if answer:
            return self.say(answer)
        lines = ["receiver.example", *self.receiver.extensions]
        if self.receiver.context and not self.session.has_tls:
            lines.append("STARTTLS")
        if self.receiver.users and (self.session.has_tls or not self.receiver.context):
            lines.append("AUTH PLAIN LOGIN")
        self.say("\r\n".join(f"250-{word}" for word in lines[:-1]) + f"\r\n250 {lines[-1]}"
                 if len(lines) > 1 else f"250 {lines[0]}")

    def on_helo(self, line):
        self.session.helo = line[5:]
        self.say("250 receiver.example")

    def on_starttls(self, _line):
        if not self.receiver.context or self.session.has_tls:
            return self.say("502 5.5.1 no")
        self.say("220 2.0.0 go ahead")
        try:
            self.set_connection(
                self.receiver.context.wrap_socket(self.connection, server_side=True))
        except ssl.SSLError:
            raise Drop() from None
        self.session.has_tls = True

    def on_auth(self, line):
        words = line.split(" ")
        answer = self.receiver.ask("auth", self.session, words[1])
        if answer:
            return self.say(answer)
        if words[1].upper() == "PLAIN":
            if len(words) < 3:
                self.say("334 ")
                words.append(self.line())
            _, user, password = base64.b64decode(words[2]).decode().split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.line()).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.line()).decode()
        if (self.receiver.users or {}).get(user) != password:
            return self.say("535 5.7.8 no such user or password")
        self.session.user = user
        self.say("235 2.7.0 welcome")

    def on_mail(self, line):
        path, _, parameters = line[10:].strip().partition(" ")
        address = path.strip("<>")
        answer = self.receiver.ask("mail", self.session, address)
        if answer and not answer.startswith("2"):
            return self.say(answer)
        self.session.message = Message(self.session)
        self.session.message.sender = address
        self.session.message.sender_parameters = parameters
        self.say(answer or "250 2.1.0 ok")

    def on_rcpt(self, line):
        if not self.session.message:
            return self.say("503 5.5.1 MAIL first")
        address = line[8:].strip().split(" ")[0].strip("<>")
        answer = self.receiver.ask("rcpt", self.session, address)
        if not answer or answer.startswith("2"):
            self.session.message.recipients.append(address)
        self.say(answer or "250 2.1.5 ok")

    def on_data(self, _line):
        message = self.session.message
        if not message or not message.recipients:
            return self.say("554 5.5.1 no valid recipients")
        answer = self.receiver.ask("data", self.session)
        if answer and not answer.startswith("3"):
            return self.say(answer)
        self.say(answer or "354 go on")
        parts = []
        while True:
            line = self.file.readline()
            if not line:
                raise Drop()
            if line == b".\r\n":
                break
            parts.append(line[1:] if line.startswith(b".") else line)
        message.data = b"".join(parts)
        self.finish(message)

    def finish(self, message):
        with self.receiver.lock:
            self.receiver.received += 1
        self.session.message = None
        answer = self.receiver.ask("stored", self.session, message)
        if not answer or answer.startswith("2"):
            with self.receiver.lock:
                self.receiver.messages.append(message)
            self.session.messages += 1
        self.say(answer or "250 2.0.0 taken")

    def on_bdat(self, line):
        words = line.split(" ")
        data = self.file.read(int(words[1]))
        if len(data) < int(words[1]):
            raise Drop()
        message = self.session.message
        if not message or not message.recipients:
            return self.say("503 5.5.1 no transaction")
        message.data += data
        if words[2:] != ["LAST"]:
            answer = self.receiver.ask("chunk", self.session)
            if answer and not answer.startswith("2"):
                self.session.message = None
            return self.say(answer or "250 2.0.0 chunk taken")
        self.finish(message)

    def on_rset(self, _line):
        self.session.message = None
        self.say("250 2.0.0 ok")

    def on_noop(self, _line):
        self.say("250 2.0.0 ok")

    def on_quit(self, _line):
        self.say("221 2.0.0 bye")
        return False
