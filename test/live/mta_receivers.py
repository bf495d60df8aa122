"""Mail servers that we deliver to, beside Postfix: Exim and OpenSMTPD, on mx.sink.example."""
from types import SimpleNamespace

from mtas import Laid
from names import HOSTS, is_listening
from relay import wait_for

HOST = "mx.sink.example"
BOX = "/var/spool/box"

EXIM = """
keep_environment =
primary_hostname = mx.sink.example
local_interfaces = {address}
daemon_smtp_ports = {port}
log_selector = +all
tls_advertise_hosts = *
tls_certificate = /etc/receiver.pem
tls_privatekey = /etc/receiver.key
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
recipients_max = {recipients_max}
smtp_accept_max_per_connection = 1000
smtp_accept_queue_per_connection = 0
message_size_limit = 20M
acl_smtp_rcpt = rcpt
acl_smtp_data = accept

begin acl
rcpt:
  deny local_parts = refused
       message = 5.1.1 nobody of that name
  defer local_parts = later
       message = 4.2.0 not now
  accept

begin routers
box:
  driver = accept
  transport = box

begin transports
box:
  driver = appendfile
  directory = {box}
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add
  user = Debian-exim
  group = Debian-exim
  batch_max = 1000

begin retry
* * F,1h,1m
"""

OPENSMTPD = """
pki receiver cert "/etc/receiver.pem"
pki receiver key "/etc/receiver.key"
smtp max-message-size 20M
smtp limit max-rcpt {recipients_max}
table boxes {{ "@" = "opensmtpd" }}
listen on {address} port {port} tls pki receiver hostname mx.sink.example
action "box" maildir "{box}" virtual <boxes>
match from any for rcpt-to "refused@sink.example" reject
match from any for domain "sink.example" action "box"
"""


class MtaReceiver(Laid):
    def __init__(self, package, folder, certs, port, files, users):
        self.port = port
        for name, path in zip(("pem", "key"), certs.path("relay-rsa")):
            with open(path, encoding="utf-8") as f:
                files["etc/receiver." + name] = f.read()
        super().__init__(package, folder, SimpleNamespace(ca_file=certs.authority), files, users)
        self.run("sh", "-c", f"mkdir -p {BOX}; chown {users[0]} {BOX}; chmod 600 /etc/receiver.key;"
                             f"chown {self.key_owner} /etc/receiver.key")

    def mails(self):
        script = f'cd {BOX}/new 2>/dev/null || exit 0; for f in *; do [ ! -f "$f" ] || {{ cat "$f"; ' \
                 'printf "\\000"; }; done'
        return [m for m in self.bytes("sh", "-c", script).split(b"\0") if m]

    def wait_mails(self, count, seconds=20):
        wait_for(lambda: len(self.mails()) >= count, seconds)
        return self.mails()


class EximReceiver(MtaReceiver):
    key_owner = "Debian-exim"

    def __init__(self, folder, certs, port, recipients_max=1000):
        text = EXIM.format(address=HOSTS[HOST], port=port, box=BOX, recipients_max=recipients_max)
        super().__init__("exim4-daemon-light", folder, certs, port,
                         {"etc/exim4/exim4.conf": text}, ["Debian-exim"])
        self.run("sh", "-c", "mkdir -p /var/spool/exim4 /var/log/exim4 /run/exim4;"
                             "chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4")
        self.start("/usr/sbin/exim4", "-bdf", "-oP", "/var/spool/exim4/pid")
        wait_for(lambda: is_listening(HOSTS[HOST], port))

    def log(self):
        return self.run("sh", "-c", "cat /var/log/exim4/*log")


class SmtpdReceiver(MtaReceiver):
    key_owner = "root"

    def __init__(self, folder, certs, port, recipients_max=1000):
        text = OPENSMTPD.format(address=HOSTS[HOST], port=port, box=BOX,
                                recipients_max=recipients_max)
        super().__init__("opensmtpd", folder, certs, port,
                         {"etc/smtpd.conf": text, "etc/mailname": "mx.sink.example\n"},
                         ["opensmtpd", "opensmtpq"])
        self.run("mkdir", "-p", "/var/empty", "/var/spool/smtpd")
        self.run("chmod", "711", "/var/spool/smtpd")
        self.start("/usr/sbin/smtpd", "-d")
        wait_for(lambda: is_listening(HOSTS[HOST], port))
