"""Mail servers that send through us, each as its own manual sets it up (doc/clients.md)."""
import os
import pwd
import shutil
import smtplib
import subprocess

import pytest

from names import is_listening
from postfix import COMMON
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
# One that every user may open, whatever the system's is like.
mknod -m 666 "$ours/layer/null" c 1 3
mount --bind "$ours/layer/null" /dev/null
echo laid
read -r _
"""


class Laid:
    """A package that was not installed (script/mtas.sh), as if it were."""

    def __init__(self, package, folder, way, files, users=()):
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
        with open(way.ca_file, encoding="utf-8") as f:
            self.write("etc/ssl/certs/ca-certificates.crt", f.read())
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

    def bytes(self, *args):
        return subprocess.run(self.inside(*args), capture_output=True, timeout=30 * SLOW,
                              check=True).stdout

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


def submit(port, letter, options=(), to_options=()):
    """Over SMTP to the mail server, which does the rest."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30 * SLOW) as client:
        client.ehlo("host.sender.example")
        if not letter.is_ascii():
            options = [*options, "SMTPUTF8"]
        refused = client.sendmail(letter.sender, letter.to, letter.raw("\r\n"),
                                  ["BODY=8BITMIME", *options], to_options)
        assert not refused, refused


EXIM = """
keep_environment =
log_selector = +pipelining
primary_hostname = exim.sender.example
daemon_smtp_ports =
local_interfaces = 127.0.0.1
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_rcpt = accept
acl_smtp_data = accept

begin routers
smarthost:
  driver = manualroute
  route_list = * {way.host}::{way.port} byname
  self = send
  transport = relay

begin transports
relay:
  driver = smtp
  protocol = {protocol}
  allow_localhost
  hosts_require_tls = *
  hosts_require_auth = *
  tls_verify_certificates = {way.ca_file}
  tls_verify_hosts = *

begin authenticators
{auth}
begin retry
* * F,1h,1s
"""
EXIM_AUTH = {
    "PLAIN": "plain:\n  driver = plaintext\n  public_name = PLAIN\n"
             "  client_send = ^{way.user}^{way.password}\n",
    "LOGIN": "login:\n  driver = plaintext\n  public_name = LOGIN\n"
             "  client_send = : {way.user} : {way.password}\n",
}


class Exim(Laid):
    """One process for each message: exim -bs."""

    def __init__(self, folder, way):
        auth = EXIM_AUTH[way.auth].format(way=way)
        text = EXIM.format(way=way, auth=auth, protocol="smtps" if way.tls == "implicit" else "smtp")
        super().__init__("exim4-daemon-light", folder, way, {"etc/exim4/exim4.conf": text}, ["Debian-exim"])
        self.run("sh", "-c", "mkdir -p /var/spool/exim4 /var/log/exim4;"
                             "chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4")

    def send(self, letter, options="", to_options=""):
        if not letter.is_ascii():
            options += " SMTPUTF8"
        stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line
                               for line in letter.raw("\r\n").split(b"\r\n"))
        talk = [f"EHLO host.sender.example\r\nMAIL FROM:<{letter.sender}> BODY=8BITMIME{options}\r\n"]
        talk += [f"RCPT TO:<{address}>{to_options}\r\n" for address in letter.to]
        feed = "".join([*talk, "DATA\r\n"]).encode() + stuffed + b".\r\nQUIT\r\n"
        return self.run("/usr/sbin/exim4", "-odf", "-bs", feed=feed)

    def log(self):
        return self.run("cat", "/var/log/exim4/mainlog")


OPENSMTPD = """
table secrets {{ "us" = "{way.user}:{way.password}" }}
listen on 127.0.0.1 port {port}
action "relay" relay host "{scheme}://us@{way.host}:{way.port}" auth <secrets>
match from any for any action "relay"
"""


class OpenSmtpd(Laid):
    def __init__(self, folder, way):
        self.port = free_port()
        scheme = "smtps" if way.tls == "implicit" else "smtp+tls"
        super().__init__("opensmtpd", folder, way,
                         {"etc/smtpd.conf": OPENSMTPD.format(way=way, port=self.port, scheme=scheme),
                          "etc/mailname": "opensmtpd.sender.example\n"}, ["opensmtpd", "opensmtpq"])
        self.run("mkdir", "-p", "/var/empty", "/var/spool/smtpd")
        self.run("chmod", "711", "/var/spool/smtpd")
        self.start("/usr/sbin/smtpd", "-d")
        wait_for(lambda: is_listening("127.0.0.1", self.port))

    def send(self, letter, options="", to_options=""):
        submit(self.port, letter, options.split(), to_options.split())


class Nullmailer(Laid):
    def __init__(self, folder, way):
        tls = {"starttls": "--starttls", "implicit": "--ssl"}[way.tls]
        auth = "--auth-login" if way.auth == "LOGIN" else ""
        super().__init__("nullmailer", folder, way, {
            "etc/nullmailer/me": "nullmailer.sender.example\n",
            "etc/nullmailer/pausetime": "1\n",
            "etc/nullmailer/remotes": f"{way.host} smtp --port={way.port} {tls} {auth} "
                                      f"--x509cafile={way.ca_file} '--user={way.user}' "
                                      f"'--pass={way.password}'\n"}, ["nullmail"])
        self.run("sh", "-c", "cd /var/spool && mkdir -p nullmailer/queue nullmailer/tmp nullmailer/failed &&"
                             "mkfifo -m 622 nullmailer/trigger")
        self.start("/usr/sbin/nullmailer-send")

    def send(self, letter):
        self.run("/usr/sbin/sendmail", "-f", letter.sender, *letter.to, feed=letter.raw())


class Dma(Laid):
    def __init__(self, folder, way):
        super().__init__("dma", folder, way, {
            "etc/dma/dma.conf": f"SMARTHOST {way.host}\nPORT {way.port}\nAUTHPATH /etc/dma/auth.conf\n"
                                "SECURETRANSFER\nMAILNAME dma.sender.example\n"
                                + ("STARTTLS\n" if way.tls == "starttls" else ""),
            "etc/dma/auth.conf": f"{way.user}|{way.host}:{way.password}\n"})
        self.run("sh", "-c", "mkdir -p /var/spool/dma && chown root:mail /var/spool/dma &&"
                             "chmod 2775 /var/spool/dma")

    def send(self, letter):
        self.said = self.run("/usr/sbin/dma", "-D", "-i", "-f", letter.sender, *letter.to, feed=letter.raw(),
                             ok=False)

    def log(self):
        return self.said


class Ssmtp(Laid):
    def __init__(self, folder, way):
        super().__init__("ssmtp", folder, way, {"etc/ssmtp/ssmtp.conf":
            f"mailhub={way.host}:{way.port}\nhostname=ssmtp.sender.example\nFromLineOverride=YES\n"
            f"UseTLS=YES\nUseSTARTTLS={'YES' if way.tls == 'starttls' else 'NO'}\n"
            f"TLS_CA_File={way.ca_file}\nAuthUser={way.user}\nAuthPass={way.password.split()[0]}\n"
            f"AuthMethod={way.auth}\n"})

    def send(self, letter):
        self.said = self.run("/usr/sbin/ssmtp", "-v", "-oi", "-f", letter.sender, *letter.to,
                             feed=letter.raw(), ok=False)

    def log(self):
        return self.said


POSTFIX_MAIN = COMMON + """
myhostname = postfix.sender.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
smtp_host_lookup = native
smtp_tls_CAfile = {ca_file}
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = hostname
smtp_sasl_auth_enable = yes
smtp_sasl_tls_security_options = noanonymous
smtp_sasl_password_maps = texthash:{folder}/passwords
sender_dependent_default_transport_maps = texthash:{folder}/transports
smtp_destination_concurrency_limit = 1
bounce_size_limit = 1000
"""


class PostfixClient:
    """One Postfix with a transport for each way; the sender's local part chooses it."""

    def __init__(self, folder, ways):
        if os.geteuid() != 0:
            pytest.skip("mail servers want to be started by root")
        assert shutil.which("postfix", path="/usr/sbin"), "postfix is not installed"
        self.folder, self.port = folder, free_port()
        who = pwd.getpwnam("postfix")
        for name in ("", "spool", "data"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
            os.chmod(os.path.join(folder, name), 0o755)
        os.chown(os.path.join(folder, "data"), who.pw_uid, who.pw_gid)
        some = next(iter(ways.values()))
        self.write("main.cf", POSTFIX_MAIN.format(folder=folder, ca_file=some.ca_file,
                                                  daemons="/usr/lib/postfix/sbin"))
        master = [f"127.0.0.1:{self.port} inet n - n - - smtpd"]
        for name, way in ways.items():
            master += [f"{name} unix - - n - - smtp", f"  -o smtp_sasl_mechanism_filter={way.auth}",
                       f"  -o smtp_tls_wrappermode={'yes' if way.tls == 'implicit' else 'no'}"]
        with open(os.path.join(HERE, "postfix.py"), encoding="utf-8") as f:
            services = f.read().split("\npickup unix", 1)[1].split('"""', 1)[0]
        self.write("master.cf", "\n".join(master) + "\npickup unix" + services)
        self.write("passwords", "".join({f"[{w.host}]:{w.port} {w.user}:{w.password}\n"
                                         for w in ways.values()}))
        self.write("transports", "".join(f"{name}@sender.example {name}:[{w.host}]:{w.port}\n"
                                         for name, w in ways.items()))
        self.control("start")
        wait_for(lambda: is_listening("127.0.0.1", self.port))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def control(self, verb):
        done = subprocess.run(["/usr/sbin/postfix", "-c", self.folder, verb], text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, f"postfix {verb}: {done.stdout}{done.stderr}"

    def send(self, letter, options="", to_options=""):
        submit(self.port, letter, options.split(), to_options.split())

    def log(self):
        with open(os.path.join(self.folder, "maillog"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def close(self):
        self.control("stop")
