"""Dialogue files (test/dialog/README.md) over a socket: what they ask of a relay, and playing them."""
import os
import re
import socket

from relay import REPOSITORY, SLOW, trusting

FOLDER = os.path.join(REPOSITORY, "test", "dialog")
NORMAL = {"auth": "off", "tls": "none", "trusted": "no", "size": "10000", "recipients": "5",
          "mails": "0", "session-recipients": "0"}
# Fixed in the relay; a file that depends on another limit cannot be played.
FIXED = ("errors", "commands", "whole")


class Mismatch(Exception):
    """Something else came than the file says."""


class Dialog:
    def __init__(self, name):
        self.name = name
        with open(os.path.join(FOLDER, name + ".txt"), encoding="utf-8") as f:
            lines = [line.rstrip("\n") for line in f if line.strip("\n")]
        self.options = dict(NORMAL)
        self.steps = []  # (tag, text)
        for line in lines:
            tag, text = line[0], line[3:] if line[2:3] == " " else line[2:]
            if tag == "!":
                key, value = text.split(None, 1)
                if key not in FIXED:
                    self.options[key] = value.strip()
            elif tag in "CRSATXZ":
                self.steps.append((tag, text))

    def key(self):
        """Files with the same key can share a relay."""
        return tuple(sorted(self.options.items()))


def all_names():
    return sorted(n[:-4] for n in os.listdir(FOLDER) if n.endswith(".txt"))


def unescape(text):
    def one(match):
        what = match.group(0)
        if what.startswith("\\x"):
            return bytes([int(what[2:], 16)]).decode("latin-1")
        if what.startswith("\\{"):
            count, piece = what[2:-1].split(":", 1)
            return int(count) * piece
        return {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}[what[1]]

    raw = text.encode("utf-8").decode("latin-1")
    return re.sub(r"\\x[0-9a-fA-F]{2}|\\\{\d+:[^}]*\}|\\.", one, raw).encode("latin-1")


def fits(pattern, line):
    parts = [re.escape(p) for p in pattern.replace("queued as ID", "queued as *").split("*")]
    return re.fullmatch(".*".join(parts), line, re.IGNORECASE | re.DOTALL) is not None


class Player:
    def __init__(self, port, is_tls):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=3 * SLOW)
        self.file = None
        if is_tls:
            self.start_tls()
        self.file = self.file or self.socket.makefile("rb")
        self.line()  # the greeting

    def close(self):
        self.file.close()
        self.socket.close()

    def start_tls(self):
        if self.file:
            self.file.close()
        self.socket = trusting().wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def line(self):
        """Without its end; None: closed."""
        try:
            line = self.file.readline()
        except (ConnectionResetError, BrokenPipeError):
            return None
        except TimeoutError:
            raise Mismatch("nothing came") from None
        return line.decode("latin-1").removesuffix("\r\n") if line else None

    def expect(self, pattern):
        if pattern.startswith("250-..."):
            self.expect_long(pattern[7:])
            return
        line = self.line()
        if line is None or not fits(pattern, line):
            raise Mismatch(f"{line!r} came instead of {pattern!r}")

    def expect_long(self, pattern):
        is_there = not pattern
        while True:
            line = self.line()
            if line is None or line[:4] not in ("250-", "250 "):
                raise Mismatch(f"{line!r} came instead of a long reply")
            is_there |= fits(pattern, line[4:])
            if line[3] == " ":
                break
        if not is_there:
            raise Mismatch(f"{pattern!r} is not in the reply")

    def expect_silence(self):
        """Nothing more was said: we hang up, and what comes then is the end."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        line = self.line()
        if line is not None:
            raise Mismatch(f"{line!r} came after all")

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            pass  # it closed meanwhile; what it said before is looked at


def play(dialog, port):
    """Raises Mismatch where the relay does not keep to the file."""
    player = Player(port, dialog.options["tls"] == "on")
    group = b""
    is_closed = False
    try:
        for tag, text in dialog.steps:
            if tag in "CR":
                group += unescape(text) + (b"\r\n" if tag == "C" else b"")
                continue
            if group:
                player.send(group)
                group = b""
            if tag == "S":
                player.expect(text)
            elif tag == "T":
                player.start_tls()
            elif tag == "Z":
                is_closed = True
                if player.line() is not None:
                    raise Mismatch("is still open")
        if group:
            player.send(group)
        if not is_closed:
            player.expect_silence()
    finally:
        player.close()
