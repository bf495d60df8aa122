"""HAProxy in front of a relay: mode tcp, with its PROXY header."""
import os
import socket
import subprocess

from names import is_listening
from relay import free_port, wait_for

HEAD = """
global
    maxconn 200
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""


class HaProxy:
    """Add ways in, then start. Towards the relay it always comes from SOURCE."""

    SOURCE = "127.0.0.66"

    def __init__(self, folder):
        self.folder = folder
        self.text = HEAD
        self.ports = []
        self.process = None

    def add(self, port, options, host="127.0.0.1", check=""):
        """One more port to connect to, and where it leads."""
        mine = free_port()
        where = f"[{host}]" if ":" in host else host
        self.text += (f"listen p{mine}\n    bind {where}:{mine}\n{check}"
                      f"    server relay 127.0.0.1:{port} source {self.SOURCE} {options}\n")
        self.ports.append((host, mine))
        return mine

    def add_statistics(self):
        """A socket that answers `ask`."""
        path = os.path.join(self.folder, "h.sock")
        self.text = self.text.replace("global\n", f"global\n    stats socket {path} mode 600\n")
        return path

    @staticmethod
    def ask(path, what):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(path)
            s.sendall(what.encode() + b"\n")
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def start(self):
        path = os.path.join(self.folder, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.text)
        with open(os.path.join(self.folder, "haproxy.log"), "ab") as log:
            self.process = subprocess.Popen(["haproxy", "-db", "-f", path], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        wait_for(self.is_up)
        return self

    def is_up(self):
        assert self.process.poll() is None, open(f"{self.folder}/haproxy.log", encoding="utf-8").read()
        return all(is_listening(host, port) for host, port in self.ports)

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
