"""Mail clients that speak SMTP themselves, each set up as its manual says (doc/clients.md).

A client is a function (way, letter) that sends the letter that way and returns what came of it. It
is a program of its own in all cases, found on PATH or told to an interpreter."""
import base64
import os
import shutil
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass, field

from relay import SLOW

HERE = os.path.dirname(os.path.abspath(__file__))
BODY = [".", "..", ".dot first", "From here on it is text.", "Ä ö ✓", "", "last"]
ATTACHMENT = bytes(range(256)) * 40


@dataclass
class Way:
    """How the relay is reached."""
    port: int = 25
    tls: str = "none"    # or "starttls", "implicit"
    user: str = ""
    password: str = ""
    auth: str = ""       # the mechanism; without one nobody logs in
    ca_file: str = ""
    folder: str = ""     # of the test, as $HOME
    host: str = "localhost"
    socket: str = ""     # the path of a Unix socket, instead

    def __str__(self):
        return self.socket or f"{self.tls} {self.auth or 'no login'}"

    def url(self, plain="smtp", implicit="smtps", with_password=True, parameters=""):
        scheme = implicit if self.tls == "implicit" else plain
        who = ""
        if self.auth:
            quoted = [urllib.parse.quote(x, safe="") for x in (self.user, self.password)]
            who = (":".join(quoted) if with_password else quoted[0]) + parameters + "@"
        return f"{scheme}://{who}{self.host}:{self.port}"


@dataclass
class Letter:
    mark: str
    sender: str = "a@sender.example"
    to: list = field(default_factory=lambda: ["b@sink.example", "c@sink.example"])
    fill: int = 0        # lines more, of 64 bytes
    dsn: bool = False    # asks for NOTIFY=SUCCESS,FAILURE and RET=HDRS

    @property
    def subject(self):
        return f"Grüße, {self.mark}"

    @property
    def lines(self):
        return BODY + ["0123456789abcdef" * 4] * self.fill

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    def is_ascii(self):
        """Its addresses: else it needs SMTPUTF8."""
        return "".join([self.sender, *self.to]).isascii()

    def raw(self, end="\n"):
        """The whole message as 8-bit text, for programs that only carry it."""
        word = base64.b64encode(self.subject.encode()).decode()
        header = [f"From: A <{self.sender}>", f"To: {', '.join(self.to)}",
                  f"Subject: =?utf-8?B?{word}?=", "MIME-Version: 1.0",
                  "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", ""]
        return end.join(header + self.lines + [""]).encode()


def run(way, args, feed=b"", **env):
    """The finished process; its output and errors are in stdout."""
    known = {k: os.environ[k] for k in ("PATH", "ASAN_OPTIONS", "LD_LIBRARY_PATH") if k in os.environ}
    return subprocess.run(
        [str(a) for a in args], input=feed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=30 * SLOW, check=False, cwd=way.folder,
        env={**known, "HOME": way.folder, "LC_ALL": "C.UTF-8", "EMAIL": "a@sender.example", **env})


def need(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    assert path, f"{program} is not installed (script/deps.sh build test)"
    return path


def attachment(way):
    path = os.path.join(way.folder, "all bytes.bin")
    if not os.path.exists(path):
        with open(path, "wb") as f:
            f.write(ATTACHMENT)
    return path


def swaks(way, letter, *more):
    where = ["--socket", way.socket] if way.socket else ["--server", way.host, "--port", way.port]
    args = [need("swaks"), *where, "--from", letter.sender,
            "--to", ",".join(letter.to), "--header", "Subject: " + letter.subject,
            "--attach-type", "text/plain; charset=utf-8", "--attach-body", "-",
            "--attach-type", "application/octet-stream",
            "--attach", "@" + attachment(way), *more]
    if way.tls != "none":
        args += ["--tls-verify", "--tls-ca-path", way.ca_file,
                 "--tls" if way.tls == "starttls" else "--tls-on-connect"]
    if way.auth:
        args += ["--auth", way.auth, "--auth-user", way.user, "--auth-password", way.password]
    return run(way, args, letter.text.encode())


def curl(way, letter, *more):
    args = [need("curl"), "-sS", "-v", way.url(with_password=False).replace(f"{way.user}@", ""), "-T", "-",
            "--mail-from", letter.sender, *more]
    for address in letter.to:
        args += ["--mail-rcpt", address]
    if way.socket:
        args += ["--unix-socket", way.socket]
    if way.tls != "none":
        args += ["--ssl-reqd", "--cacert", way.ca_file]
    if way.auth:
        args += ["-u", f"{way.user}:{way.password}", "--login-options", f"AUTH={way.auth}"]
    return run(way, args, letter.raw("\r\n"))


def msmtp(way, letter, *more):
    args = [need("msmtp"), f"--host={way.host}", f"--port={way.port}", f"--from={letter.sender}", *more]
    if way.socket:
        args += [f"--socket={way.socket}"]
    if letter.dsn:
        args += ["--dsn-notify=success,failure", "--dsn-return=headers"]
    if way.tls != "none":
        args += ["--tls=on", f"--tls-trust-file={way.ca_file}",
                 f"--tls-starttls={'on' if way.tls == 'starttls' else 'off'}"]
    if way.auth:
        args += [f"--auth={way.auth.lower()}", f"--user={way.user}", "--passwordeval=echo \"$SECRET\""]
    return run(way, [*args, "--", *letter.to], letter.raw(), SECRET=way.password)


def esmtp(way, letter):
    """Its libesmtp believes the authorities in ~/.config/libesmtp/ca.pem."""
    starttls = {"none": "disabled", "starttls": "required"}[way.tls]
    home = os.path.join(way.folder, f"esmtp-{letter.mark}")
    os.makedirs(home + "/.config/libesmtp", 0o700)
    if way.ca_file:
        shutil.copy(way.ca_file, home + "/.config/libesmtp/ca.pem")
        os.chmod(home + "/.config/libesmtp/ca.pem", 0o600)
    path = os.path.join(home, "rc")
    with open(path, "w", encoding="utf-8", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
        f.write(f"hostname = {way.host}:{way.port}\nstarttls = {starttls}\n")
        if way.auth:
            f.write(f'username = "{way.user}"\npassword = "{way.password}"\n')
    return run(way, [need("esmtp"), "-C", path, "-v", "-oi", "-f", letter.sender, *letter.to], letter.raw(),
               HOME=home)


GARBLED = (b"Could not prepare internationalized", b"535 5.7.8")  # its own password


def mailutils(way, letter):
    """Again, when it garbles its password (doc/clients.md): about one time in a hundred."""
    url = way.url(parameters=f";auth={way.auth.lower()}")
    if way.tls == "none":
        url += ";notls"
    # The one type it is told is that of text and file.
    args = [need("mail.mailutils"), "-E", f'set sendmail="{url}"', "-s", letter.subject, "-r", letter.sender,
            "--content-type=text/plain; charset=utf-8", "--encoding=base64", "-A", attachment(way), *letter.to]
    for _ in range(3):
        done = run(way, args, letter.text.encode())
        if not any(words in done.stdout for words in GARBLED):
            break
    return done


def s_nail(way, letter):
    args = [need("s-nail"), "-:/", "-Sv15-compat", "-Sttycharset=utf-8", "-Ssendcharsets=utf-8",
            "-Smta=" + way.url("smtp", "smtps"), "-Ssmtp-auth=" + (way.auth.lower() or "none"),
            "-r", letter.sender, "-s", letter.subject, "-Ssendwait", "-a", attachment(way)]
    if way.tls != "none":
        args += ["-Stls-verify=strict", "-Stls-ca-no-defaults", f"-Stls-ca-file={way.ca_file}"]
    if way.tls == "starttls":
        args += ["-Ssmtp-use-starttls"]
    return run(way, [*args, *letter.to], letter.text.encode())


def mutt(way, letter, program="mutt"):
    settings = [f"set smtp_url='{way.url(with_password=False)}'", f"set smtp_pass='{way.password}'",
                f"set from='{letter.sender}' use_envelope_from=yes copy=no", "set charset=utf-8",
                f"set certificate_file='{way.ca_file}'",
                f"set smtp_authenticators='{way.auth.lower()}'",
                f"set ssl_force_tls={'no' if way.tls == 'none' else 'yes'} "
                f"ssl_starttls={'no' if way.tls == 'none' else 'yes'}"]
    if letter.dsn:
        settings.append("set dsn_notify='success,failure' dsn_return=hdrs")
    args = [need(program), "-n", "-F", "/dev/null"]
    for setting in settings:
        args += ["-e", setting]
    return run(way, [*args, "-s", letter.subject, "-a", attachment(way), "--", *letter.to],
               letter.text.encode())


def neomutt(way, letter):
    return mutt(way, letter, "neomutt")


def git_send_email(way, letter):
    path = os.path.join(way.folder, f"{letter.mark}.patch")
    with open(path, "wb") as f:
        f.write(b"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
                + letter.raw())
    args = [need("git"), "-c", "user.name=A", "-c", f"user.email={letter.sender}", "send-email",
            "--confirm=never", "--suppress-cc=all", f"--from=A <{letter.sender}>",
            f"--envelope-sender={letter.sender}", "--smtp-debug=1", f"--smtp-server={way.host}",
            f"--smtp-server-port={way.port}", *[f"--to={address}" for address in letter.to]]
    if way.tls != "none":
        args += [f"--smtp-encryption={'tls' if way.tls == 'starttls' else 'ssl'}",
                 f"--smtp-ssl-cert-path={way.ca_file}"]
    if way.auth:
        args += [f"--smtp-user={way.user}", f"--smtp-pass={way.password}", f"--smtp-auth={way.auth}"]
    return run(way, [*args, path])


def script(interpreter, text, **more):
    """A client that is a program of some lines; the way and the letter are in its environment."""
    def send(way, letter):
        env = {"PORT": str(way.port), "TLS": way.tls, "AUTH": way.auth, "USER": way.user,
               "SECRET": way.password, "CA": way.ca_file, "FROM": letter.sender,
               "TO": " ".join(letter.to), "SUBJECT": letter.subject, "FILE": attachment(way),
               "DSN": "1" if letter.dsn else "",
               "TEXT": letter.text, **more}
        return run(way, [*interpreter, text], letter.raw("\r\n"), **env)
    return send


SMTPLIB = r"""
import email.policy, os, smtplib, ssl, sys
from email.message import EmailMessage
e = os.environ
mail = EmailMessage()
mail["From"], mail["To"], mail["Subject"] = e["FROM"], e["TO"].replace(" ", ", "), e["SUBJECT"]
mail.set_content(e["TEXT"])
mail.add_attachment(open(e["FILE"], "rb").read(), maintype="application", subtype="octet-stream")
tls = ssl.create_default_context(cafile=e["CA"] or None)
client = (smtplib.SMTP_SSL("localhost", int(e["PORT"]), context=tls) if e["TLS"] == "implicit"
          else smtplib.SMTP("localhost", int(e["PORT"])))
if e["TLS"] == "starttls":
    client.starttls(context=tls)
if e["AUTH"]:
    client.ehlo()
    client.user, client.password = e["USER"], e["SECRET"]
    client.auth(e["AUTH"], getattr(client, "auth_" + e["AUTH"].lower()))
# send_message() would make ">From" of a line's first word.
options = ["RET=HDRS"] if e["DSN"] else []
utf8 = not (e["FROM"] + e["TO"]).isascii()
if utf8:
    options += ["SMTPUTF8", "BODY=8BITMIME"]
data = mail.as_bytes(policy=email.policy.SMTP.clone(utf8=utf8))
refused = client.sendmail(e["FROM"], e["TO"].split(), data, options,
                          ["NOTIFY=SUCCESS,FAILURE"] if e["DSN"] else [])
client.quit()
sys.exit(f"refused: {refused}" if refused else 0)
"""

AIOSMTPLIB = r"""
import asyncio, os, sys
from email.message import EmailMessage
import aiosmtplib
e = os.environ
mail = EmailMessage()
mail["From"], mail["To"], mail["Subject"] = e["FROM"], e["TO"].replace(" ", ", "), e["SUBJECT"]
mail.set_content(e["TEXT"])
mail.add_attachment(open(e["FILE"], "rb").read(), maintype="application", subtype="octet-stream")
async def main():
    client = aiosmtplib.SMTP(hostname="localhost", port=int(e["PORT"]), use_tls=e["TLS"] == "implicit",
                             start_tls=e["TLS"] == "starttls", cert_bundle=e["CA"] or None)
    async with client:
        if e["AUTH"]:
            await client.ehlo()
            await getattr(client, "auth_" + e["AUTH"].lower())(e["USER"], e["SECRET"])
        refused, _ = await client.send_message(mail, mail_options=["RET=HDRS"] if e["DSN"] else None,
                                               rcpt_options=["NOTIFY=SUCCESS,FAILURE"] if e["DSN"] else None)
        if refused:
            sys.exit(f"refused: {refused}")
asyncio.run(main())
"""

NODEMAILER = r"""
const nodemailer = require('nodemailer');
const fs = require('fs');
const e = process.env;
const options = { host: 'localhost', port: +e.PORT, secure: e.TLS === 'implicit',
  requireTLS: e.TLS === 'starttls', ignoreTLS: e.TLS === 'none' };
if (e.CA) options.tls = { ca: fs.readFileSync(e.CA) };
if (e.AUTH) { options.auth = { user: e.USER, pass: e.SECRET }; options.authMethod = e.AUTH; }
const dsn = e.DSN && { return: 'headers', notify: ['success', 'failure'] };
nodemailer.createTransport(options).sendMail({ dsn, from: e.FROM, to: e.TO.split(' '), subject: e.SUBJECT,
  text: e.TEXT, attachments: [{ filename: 'x.bin', content: fs.readFileSync(e.FILE) }],
}).then(info => { if (info.rejected.length) throw info.rejectedErrors[0]; })
  .catch(error => { console.error(error); process.exit(1); });
"""

PHPMAILER = r"""
require '/usr/share/php/libphp-phpmailer/autoload.php';
$m = new PHPMailer\PHPMailer\PHPMailer(true);
$m->isSMTP(); $m->Host = 'localhost'; $m->Port = getenv('PORT'); $m->CharSet = 'UTF-8';
$m->SMTPAutoTLS = false; $m->SMTPDebug = 2;
$m->SMTPSecure = ['none' => '', 'starttls' => 'tls', 'implicit' => 'ssl'][getenv('TLS')];
if (getenv('CA')) $m->SMTPOptions = ['ssl' => ['cafile' => getenv('CA')]];
if (getenv('AUTH')) { $m->SMTPAuth = true; $m->AuthType = getenv('AUTH');
    $m->Username = getenv('USER'); $m->Password = getenv('SECRET'); }
$m->setFrom(getenv('FROM')); foreach (explode(' ', getenv('TO')) as $to) $m->addAddress($to);
$m->Subject = getenv('SUBJECT'); $m->Body = getenv('TEXT');
$m->addAttachment(getenv('FILE'));
try { $m->send(); } catch (Exception $e) { fwrite(STDERR, $e->getMessage() . "\n"); exit(1); }
"""

RUBY = r"""
require 'net/smtp'
e = ENV
smtp = Net::SMTP.new('localhost', e['PORT'].to_i, starttls: false)
context = Net::SMTP.default_ssl_context
context.ca_file = e['CA'] if e['CA'] != ''
smtp.enable_tls(context) if e['TLS'] == 'implicit'
smtp.enable_starttls(context) if e['TLS'] == 'starttls'
login = e['AUTH'] == '' ? {} : { user: e['USER'], secret: e['SECRET'], authtype: e['AUTH'].downcase.to_sym }
smtp.start(**login) do |s|
  dsn = e['DSN'] == '' ? [] : [{ NOTIFY: 'SUCCESS,FAILURE' }]
  to = e['TO'].split.map { |address| Net::SMTP::Address.new(address, *dsn) }
  s.send_message(STDIN.read, Net::SMTP::Address.new(e['FROM'], *(dsn.empty? ? [] : [{ RET: 'HDRS' }])), *to)
end
"""

PERL = r"""
use Net::SMTP;
my %e = %ENV;
my @ssl = $e{CA} ? (SSL_ca_file => $e{CA}) : ();
my $s = Net::SMTP->new('localhost', Port => $e{PORT}, SSL => $e{TLS} eq 'implicit', @ssl)
    or die "cannot connect: $@\n";
sub need { $_[0] or die $s->code . ' ' . $s->message . "\n" }
need($s->starttls(@ssl)) if $e{TLS} eq 'starttls';
if ($e{AUTH}) {
    require Authen::SASL;
    need($s->auth(Authen::SASL->new(mechanism => $e{AUTH},
        callback => { user => $e{USER}, pass => $e{SECRET}, authname => '' })));
}
need($s->mail($e{FROM}, $e{DSN} ? (Return => 'HDRS') : ()));
need($s->to($_, $e{DSN} ? { Notify => ['SUCCESS', 'FAILURE'] } : ())) for split / /, $e{TO};
need($s->data); binmode STDIN;
while (<STDIN>) { $s->datasend($_) }
need($s->dataend); $s->quit;
"""

smtplib = script([sys.executable, "-c"], SMTPLIB)
aiosmtplib = script([sys.executable, "-c"], AIOSMTPLIB)
nodemailer = script(["node", "-e"], NODEMAILER, NODE_PATH=os.path.join(HERE, "node_modules"))
phpmailer = script(["php", "-r"], PHPMAILER)
ruby = script(["ruby", "-e"], RUBY)
perl = script(["perl", "-e"], PERL)
