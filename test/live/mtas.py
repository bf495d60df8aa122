"""Mail servers that send through us, each as its own manual sets it up (doc/clients.md)."""
import os
import pwd
import shutil
import smtplib
import subprocess

import pytest

from names import is_listening
from relay import SLOW, free_port, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))

# Lays a package and our configuration over the system, for this process and its children only.
LAY = """
set -eu
package=$1 ours=$2
mount -t tmpfs tmpfs "$ours/layer"
for d in etc usr var; do
    mkdir -p "$package/$d" "$ours/$d" "$ours/layer/$d" "$ours/layer/$d.work"
    mount -t overlay overlay "/$d" \
        -o "lowerdir=$ours/$d:$package/$d:/$d,upperdir=$ours/layer/$d,workdir=$ours/layer/$d.work"
done
echo laid
read -r _
"""


class Laid:
    """A package that was not installed (script/mtas.sh), as if it were."""

    def __init__(self, package, folder, files, users=()):
        if os.geteuid() != 0:
            pytest.skip("mail servers want to be started by root")
        unpacked = os.path.join(HERE, "mtas", package)
        assert os.path.isdir(unpacked), f"{package} is not there (script/mtas.sh)"
        self.folder = folder
        os.makedirs(os.path.join(folder, "layer"))
        with open("/etc/passwd", encoding="utf-8") as f, open("/etc/group", encoding="utf-8") as g:
            self.write("etc/passwd", f.read() + "".join(
                f"{u}:x:{3001 + n}:{3001 + n}::/var/empty:/usr/sbin/nologin\n" for n, u in enumerate(users)))
            self.write("etc/group", g.read() + "".join(
                f"{u}:x:{3001 + n}:\n" for n, u in enumerate(users)))
        for name, text in files.items():
            self.write(name, text)
        self.holder = subprocess.Popen(
            ["unshare", "-m", "/bin/sh", "-c", LAY, "sh", unpacked, folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.daemon = None
        if self.holder.stdout.readline() != "laid\n":
            why = self.holder.communicate()[1]
            pytest.skip(f"nothing can be laid over the system here: {why.strip()}")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o644)

    def inside(self, *args):
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", *args]

    def run(self, *args, feed=b"", ok=True):
        done = subprocess.run(self.inside(*args), input=feed, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30 * SLOW, check=False)
        text = done.stdout.decode(errors="replace")
        assert not ok or done.returncode == 0, f"{args}: {done.returncode}: {text}"
        return text

    def start(self, *args):
        with open(os.path.join(self.folder, "daemon.log"), "wb") as log:
            self.daemon = subprocess.Popen(self.inside(*args), stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log)

    def log(self):
        """What the daemon says."""
        with open(os.path.join(self.folder, "daemon.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def close(self):
        for process in (self.daemon, self.holder):
            if process and process.poll() is None:
                process.terminate()
        for process in (self.daemon, self.holder):
            if process:
                process.wait(10)
