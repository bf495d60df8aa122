"""The relay under test as a process: its configuration, start, stop, what it says of itself."""
import http.client
import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("OUTPOST_BIN", os.path.join(REPOSITORY, "build", "outpost"))
# How much slower this binary (sanitizers, valgrind) or machine may be.
SLOW = float(os.environ.get("OUTPOST_SLOW", "1"))

# What nobody wants to read in a log, whatever the test is about.
ALARMS = ("CHECK failed", "AddressSanitizer", "LeakSanitizer", "runtime error:", "Sanitizer:")


def wait_for(what, seconds=10, every=0.02):
    """Asks `what` until it answers with something true, and returns that. The one way to wait."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * SLOW:g} s in vain for {describe(what)}")
        time.sleep(every)


def describe(what):
    code = getattr(what, "__code__", None)
    return f"{code.co_name} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})" if code else what


_next_port = 20000 + os.getpid() * 37 % 9000


def free_port(address="127.0.0.1"):
    """Below the ephemeral ports, so that no outgoing connection takes it in between."""
    global _next_port
    while True:
        _next_port = _next_port + 1 if _next_port < 32000 else 20000
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((address, _next_port))
                udp.bind((address, _next_port))
            except OSError:
                continue
            return _next_port


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def toml(config):
    """Enough TOML to write a configuration: keys, tables, arrays of tables."""
    def is_table(value):
        return isinstance(value, dict) or (
            isinstance(value, list) and bool(value) and isinstance(value[0], dict))

    lines = [f"{k} = {toml_value(v)}" for k, v in config.items() if not is_table(v)]
    for name, value in config.items():
        if not is_table(value):
            continue
        for table in value if isinstance(value, list) else [value]:
            lines.append(f"\n[[{name}]]" if isinstance(value, list) else f"\n[{name}]")
            lines += [f"{k} = {toml_value(v)}" for k, v in table.items()]
    return "\n".join(lines) + "\n"


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("outpost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Relay:
    def __init__(self, folder, dns, mx_port, ca_file):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.port = free_port()
        self.config_path = os.path.join(folder, "outpost.toml")
        self.log_path = os.path.join(folder, "log")
        self.socket = os.path.join(folder, "c.sock")
        self.process = None
        self.wrapper = []
        self.environment = {}
        self.config = {
            "hostname": "relay.example",
            "state_dir": os.path.join(folder, "state"),
            "shutdown_grace": "5s",
            "log": {"level": "debug"},
            "tls": {"ca_file": ca_file},
            "listen": [{"address": f"127.0.0.1:{self.port}"}],
            "submission": {},
            "queue": {},
            "retry": {"first": "200ms", "factor": 1.5, "max": "1s", "greylisted": "300ms"},
            "delivery": {
                "port": mx_port,
                "allow_private_mx": True,
                "connect_timeout": "2s",
                "greeting_timeout": "10s",
                "command_timeout": "10s",
                "data_timeout": "10s",
                "final_timeout": "10s",
                "unsure_wait": "200ms",
            },
            "dns": {"servers": [f"127.0.0.1:{dns.port}"], "timeout": "2s"},
            "control": {"socket": self.socket},
        }

    # --- configuration ---

    def set(self, table, **keys):
        self.config.setdefault(table, {}).update(keys)
        return self

    def add(self, table, **keys):
        """One more [[table]]."""
        self.config.setdefault(table, []).append(keys)
        return self

    def add_listener(self, **keys):
        port = free_port()
        self.add("listen", address=f"127.0.0.1:{port}", **keys)
        return port

    def closed_to_strangers(self):
        """Nobody is trusted: log in or be refused."""
        return self.set("submission", trusted_networks=[])

    def write_config(self, text=None):
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(text if text is not None else toml(self.config))

    # --- life ---

    def launch(self, text=None):
        """Starts the process and does not wait for it."""
        self.write_config(text)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.wrapper + [BINARY, "run", "-c", self.config_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment})
        return self

    def start(self, seconds=10):
        self.launch()
        wait_for(self.is_ready, seconds)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"exit {self.process.returncode} at start:\n{self.log()[-3000:]}")
        try:
            return self.get("/health")
        except (OSError, http.client.HTTPException):
            return False

    def run_to_end(self, text=None, seconds=10):
        """For starts that fail: (exit status, what was said)."""
        before = len(self.log())
        self.launch(text)
        status = self.wait(seconds)
        return status, self.log()[before:]

    def wait(self, seconds=10):
        try:
            return self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the relay did not end:\n{self.log()[-3000:]}") from None

    def stop(self, seconds=15):
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def reload(self):
        self.write_config()
        self.process.send_signal(signal.SIGHUP)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def events(self, word, **fields):
        """Lines of the log with this word, as dicts of their fields."""
        found = []
        for line in self.log().splitlines():
            parts = line.split(" ", 3)
            if len(parts) < 3 or parts[2] != word:
                continue
            event = parse_fields(parts[3] if len(parts) > 3 else "")
            if all(event.get(k) == v for k, v in fields.items()):
                found.append(event)
        return found

    def wait_event(self, word, seconds=10, **fields):
        return wait_for(lambda: self.events(word, **fields), seconds)[0]

    # --- looking and operating ---

    def http(self, method, target, body=None, headers=None):
        connection = UnixHttp(self.socket, 10 * SLOW)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, target):
        status, body = self.http("GET", target)
        assert status == 200, f"{target}: {status} {body}"
        return json.loads(body) if body.startswith(("{", "[")) else body

    def post(self, target):
        status, body = self.http("POST", target)
        assert status == 200, f"{target}: {status} {body}"
        return json.loads(body)

    def word(self, word):
        """As `echo word | socat - UNIX-CONNECT:...` does."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10 * SLOW)
            s.connect(self.socket)
            s.sendall(word.encode() + b"\n")
            s.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def stats(self):
        return self.get("/stats")

    def totals(self):
        return self.stats()["totals"]

    def queue(self):
        return self.get("/queue")["messages"]

    def queued(self):
        return self.stats()["queue"]["messages"]

    def wait_empty(self, seconds=10):
        wait_for(lambda: self.queued() == 0, seconds)

    def command(self, *args, status=0, feed=None):
        """An `outpost` command that asks this relay: what it printed."""
        done = subprocess.run(
            [BINARY, *args, "-c", self.config_path], input=feed, text=True, capture_output=True,
            timeout=30 * SLOW, check=False)
        assert done.returncode == status, f"{args}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    # --- talking to it ---

    def client(self, port=None, **keys):
        return smtplib.SMTP("127.0.0.1", port or self.port, timeout=30 * SLOW, **keys)

    def send(self, sender, recipients, message, user=None, password=None, port=None):
        """One message; whoever is refused is in the exception or the returned dict."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with self.client(port) as client:
            if user:
                client.starttls(context=trusting())
                client.login(user, password)
            return client.sendmail(sender, recipients, message)

    def raw(self, port=None):
        return Raw(port or self.port)


class Raw:
    """A client that says exactly what it is told, and reads reply by reply."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=15 * SLOW)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def reply(self):
        """All lines of one reply; "" when the connection is closed."""
        lines = []
        while True:
            try:
                line = self.file.readline().decode("utf-8", "replace")
            except ConnectionResetError:
                line = ""
            if not line:
                return "".join(lines)
            lines.append(line)
            if line[3:4] != "-":
                return "".join(lines)

    def say(self, data, want=None):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        answer = self.reply()
        if want:
            assert answer.startswith(want), f"{data!r}: {answer!r}, not {want}"
        return answer

    def envelope(self, sender, *recipients, hello="client.example"):
        self.say(f"EHLO {hello}\r\n", "250")
        self.say(f"MAIL FROM:<{sender}>\r\n", "250")
        for recipient in recipients:
            self.say(f"RCPT TO:<{recipient}>\r\n", "250")
        self.say("DATA\r\n", "354")

    def is_closed(self):
        """Nothing more comes but the end."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def passwd(password):
    """The hash that `outpost passwd` makes."""
    done = subprocess.run([BINARY, "passwd", "--json"], input=password + "\n", text=True,
                          capture_output=True, check=True, timeout=30 * SLOW)
    return json.loads(done.stdout)["password"]


def trusting():
    """A TLS context of a client that does not ask who it talks to."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def parse_fields(text):
    """key=value key="quoted \\" value" -> dict"""
    fields, at = {}, 0
    while at < len(text):
        equals = text.find("=", at)
        if equals < 0:
            break
        key, at = text[at:equals].strip(), equals + 1
        if text[at:at + 1] == '"':
            value, at = [], at + 1
            while at < len(text) and text[at] != '"':
                at += text[at] == "\\"
                value.append(text[at:at + 1])
                at += 1
            at += 1
            fields[key] = "".join(value)
        else:
            end = text.find(" ", at)
            end = len(text) if end < 0 else end
            fields[key], at = text[at:end], end
        at += 1
    return fields
