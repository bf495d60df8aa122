"""doc/clients.md names the versions that the live tests run."""
import json
import os
import re
import subprocess

import pytest

from relay import REPOSITORY

PACKAGES = {
    "swaks": "swaks", "Python smtplib": "python3.11", "aiosmtplib": "python3-aiosmtplib",
    "curl": "curl", "msmtp": "msmtp", "esmtp (libesmtp 1.1)": "esmtp", "mailutils `mail`": "mailutils",
    "s-nail": "s-nail", "mutt": "mutt", "neomutt": "neomutt", "git send-email": "git-email",
    "PHPMailer": "libphp-phpmailer", "Ruby Net::SMTP": "ruby3.1", "Perl Net::SMTP": "perl",
    "Postfix": "postfix",
}
# Unpacked by script/mtas.sh, or a part of the system that changes by itself.
OTHERS = {"nodemailer (npm)", "`openssl s_client`", "Exim", "OpenSMTPD", "nullmailer", "dma", "ssmtp"}


def table():
    """name -> version, of the tables of clients and of mail servers."""
    with open(os.path.join(REPOSITORY, "doc", "clients.md"), encoding="utf-8") as f:
        text = f.read().split("## Programs that call sendmail")[0]
    rows = re.findall(r"^\| ([^|]+) \| (\d[^|]*) \|", text, re.MULTILINE)
    return dict(rows)


def test_every_client_has_a_row():
    assert set(table()) == set(PACKAGES) | OTHERS


def test_versions():
    with open("/etc/os-release", encoding="utf-8") as f:
        if 'VERSION_ID="12"' not in f.read():
            pytest.skip("the table is that of Debian 12")
    stale = {}
    for name, package in PACKAGES.items():
        done = subprocess.run(["dpkg-query", "-W", "-f", "${source:Upstream-Version}", package],
                              text=True, capture_output=True, check=False)
        told = re.match(r"[\d.]+", table()[name]).group(0)
        if not re.match(re.escape(told) + r"(\D|$)", re.sub(r".*\+really", "", done.stdout)):
            stale[name] = f"{told}, {package} is {done.stdout}"
    assert not stale


def test_version_of_nodemailer():
    with open(os.path.join(REPOSITORY, "test/live/package-lock.json"), encoding="utf-8") as f:
        locked = json.load(f)["packages"]["node_modules/nodemailer"]["version"]
    assert table()["nodemailer (npm)"] == locked
