"""Real mail servers to deliver to: Postfix as MX and as smarthost, and smtp-sink."""
import email
import email.policy
import os
import pwd
import shutil
import subprocess

import pytest

from relay import free_port, wait_for
from names import HOSTS, is_listening

# What every instance of ours has; {folder} and {daemons} are filled in.
COMMON = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
"""

MAIN = COMMON + """
myhostname = mx.postfix.example
mydestination =
mynetworks =
inet_interfaces = all
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
message_size_limit = 104857600
virtual_mailbox_limit = 0
virtual_mailbox_domains = postfix.example, sender.example
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
default_transport = virtual
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ refused@postfix.example = REJECT nobody of that name }}, {{ later@postfix.example = 450 4.2.0 not now }} }}
cyrus_sasl_config_path = {folder}/sasl
smtpd_sasl_type = cyrus
smtpd_sasl_local_domain = postfix.example
"""

MASTER = """
{mx}:{port} inet n - n - - smtpd
{mx}:{few_port} inet n - n - - smtpd
  -o smtpd_recipient_limit=10
{smart}:{smart_port} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o smtpd_tls_security_level=encrypt
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
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
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, folder, mx_port, smart_port, certificate, user, password, more="",
                 mechanisms="PLAIN LOGIN"):
        """more: lines of main.cf, of keys that MAIN does not have: a warning ties postlogd up."""
        if os.geteuid() != 0:
            pytest.skip("Postfix wants to be started by root")
        if not shutil.which("postfix", path="/usr/sbin"):
            pytest.skip("Postfix is not installed")
        self.folder, self.mx_port, self.smart_port = folder, mx_port, smart_port
        self.few_port = free_port(HOSTS["mx.postfix.example"])  # takes ten recipients at once
        self.inbox = os.path.join(folder, "mail", "inbox")
        who = pwd.getpwnam("postfix")
        for name in ("", "spool", "data", "mail", "sasl"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
            os.chmod(os.path.join(folder, name), 0o755)
        for name in ("data", "mail"):
            os.chown(os.path.join(folder, name), who.pw_uid, who.pw_gid)
        daemons = next(path for path in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix")
                       if os.path.exists(path))
        self.write("main.cf", MAIN.format(folder=folder, daemons=daemons, uid=who.pw_uid,
                                          gid=who.pw_gid, certificate=certificate[0],
                                          key=certificate[1]) + more)
        self.write("master.cf", MASTER.format(mx=HOSTS["mx.postfix.example"], port=mx_port, few_port=self.few_port,
                                              smart=HOSTS["smart.example"], smart_port=smart_port))
        self.write("sasl/smtpd.conf", f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                                      f"sasldb_path: {folder}/sasldb2\nmech_list: {mechanisms}\n")
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", f"{folder}/sasldb2", "-u",
                        "postfix.example", user], input=password, text=True, check=True,
                       capture_output=True)
        os.chmod(f"{folder}/sasldb2", 0o644)
        self.control("start")
        wait_for(lambda: is_listening(HOSTS["mx.postfix.example"], mx_port))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def control(self, verb):
        done = subprocess.run(["/usr/sbin/postfix", "-c", self.folder, verb], text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, f"postfix {verb}: {done.stdout}{done.stderr}"

    def close(self):
        self.control("stop")

    def log(self):
        with open(os.path.join(self.folder, "maillog"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def mails(self):
        """What lies in the mailbox, as bytes (line ends as files have them)."""
        new = os.path.join(self.inbox, "new")
        found = []
        for name in sorted(os.listdir(new)) if os.path.isdir(new) else []:
            with open(os.path.join(new, name), "rb") as f:
                found.append(f.read())
        return found

    def wait_mail(self, mark, seconds=15):
        """The mail that holds these bytes."""
        mark = mark.encode() if isinstance(mark, str) else mark
        return wait_for(lambda: [m for m in self.mails() if mark in m], seconds)[0]

    def clear(self):
        shutil.rmtree(self.inbox, ignore_errors=True)


def parsed(mail):
    return email.message_from_bytes(mail, policy=email.policy.default)


class Sink:
    """smtp-sink, which swallows mail quickly and counts."""

    def __init__(self, address, port, *options):
        path = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")
        if not path:
            pytest.skip("smtp-sink is not installed (package postfix)")
        # -c counts on standard output; as root it wants another user to become.
        become = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [path, *become, *options, f"inet:{address}:{port}", "1024"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: is_listening(address, port))

    def close(self):
        self.process.terminate()
        self.process.wait(10)
