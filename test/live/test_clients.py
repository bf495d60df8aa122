"""A first mail from each client that people use, to servers that people use."""
import base64
import os
import shutil
import subprocess
from email.message import EmailMessage

import pytest

from postfix import parsed
from relay import SLOW, passwd, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
PASSWORD = "correct horse"


@pytest.fixture
def with_user(relay):
    return relay.closed_to_strangers().add("user", name="app", password=passwd(PASSWORD)).start()


def run(*args, feed=None):
    done = subprocess.run(args, input=feed, capture_output=True, timeout=60 * SLOW, check=False)
    assert done.returncode == 0, f"{args[0]}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.decode()


def test_smtplib_to_postfix(relay, postfix):
    relay.start()
    message = EmailMessage()
    message["From"], message["To"] = "App <app@sender.example>", "bob@postfix.example"
    message["Subject"] = "Grüße über die Grenze"
    message.set_content("Zeile eins\nZeile zwei\n")
    message.add_attachment(bytes(range(256)) * 64, maintype="application", subtype="octet-stream",
                           filename="all-bytes.bin")
    with relay.client() as client:
        client.send_message(message)
    mail = parsed(postfix.wait_mail("all-bytes.bin"))
    assert mail["Delivered-To"] == "bob@postfix.example"
    assert mail["Return-Path"] == "<app@sender.example>"
    assert mail["Subject"] == "Grüße über die Grenze"
    assert next(mail.iter_attachments()).get_content() == bytes(range(256)) * 64
    received = mail.get_all("Received")
    assert len(received) == 2 and "by relay.example" in received[1], received
    relay.wait_empty()
    delivered = relay.wait_event("delivered", to="bob@postfix.example")
    assert delivered["msg"] == relay.events("accepted")[0]["msg"]
    assert len(delivered["msg"]) == 13
    totals = relay.totals()
    assert (totals["accepted"], totals["delivered"], totals["bounced"]) == (1, 1, 0)


def test_date_and_message_id_are_added_where_missing(relay, sink):
    relay.start()
    relay.send("a@sender.example", "b@sink.example", "Subject: bare\r\n\r\nhello\r\n")
    wait_for(sink.count)
    mail = parsed(sink.messages[0].data)
    assert mail["Date"] and mail["Message-ID"].endswith("@relay.example>")
    assert "from" in mail["Received"] and "127.0.0.1" in mail["Received"]
    kept = "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <mine@sender.example>\r\n"
    relay.send("a@sender.example", "b@sink.example", kept + "\r\nhello\r\n")
    wait_for(lambda: sink.count() == 2)
    mail = parsed(sink.messages[1].data)
    assert mail.get_all("Message-ID") == ["<mine@sender.example>"]
    assert len(mail.get_all("Date")) == 1


def test_smtplib_logs_in_under_tls(with_user, sink):
    with_user.send("a@sender.example", ["b@sink.example"], "Subject: x\r\n\r\nx\r\n", "app", PASSWORD)
    wait_for(sink.count)
    assert "ESMTPSA" in parsed(sink.messages[0].data)["Received"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(with_user, sink, mechanism):
    run("swaks", "--server", f"127.0.0.1:{with_user.port}", "--from", "a@sender.example", "--to",
        "b@sink.example,c@sink.example", "--tls", "--auth", mechanism, "--auth-user", "app",
        "--auth-password", PASSWORD, "--header", "Subject: from swaks", "--pipeline")
    wait_for(sink.count)
    assert sorted(sink.recipients()) == ["b@sink.example", "c@sink.example"]
    assert parsed(sink.messages[0].data)["Subject"] == "from swaks"


def test_swaks_without_tls_from_a_trusted_network(relay, sink):
    relay.start()
    run("swaks", "--server", f"127.0.0.1:{relay.port}", "--from", "a@sender.example", "--to",
        "b@sink.example", "--protocol", "SMTP")  # HELO, no extensions
    wait_for(sink.count)


def test_curl(with_user, sink, folder):
    path = os.path.join(folder, "mail.txt")
    with open(path, "wb") as f:
        f.write(b"Subject: from curl\r\nFrom: a@sender.example\r\n\r\n.a dot\r\nfrom curl\r\n")
    run("curl", "-sS", "--ssl-reqd", "-k", "-u", f"app:{PASSWORD}", "--mail-from",
        "a@sender.example", "--mail-rcpt", "b@sink.example", "--upload-file", path,
        f"smtp://127.0.0.1:{with_user.port}")
    wait_for(sink.count)
    assert sink.messages[0].data.endswith(b"\r\n\r\n.a dot\r\nfrom curl\r\n")


NODE = """
const nodemailer = require('nodemailer');
const [port, user, pass] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host: '127.0.0.1', port: +port, requireTLS: true, pool: true, maxConnections: 2,
  tls: { rejectUnauthorized: false }, auth: { user, pass },
});
const mails = [1, 2, 3, 4, 5].map(n => transport.sendMail({
  from: 'a@sender.example', to: `n${n}@sink.example`, subject: `from node ${n}`,
  text: '.\\n..\\nHällo\\n', attachments: [{ filename: 'x.bin', content: Buffer.alloc(100000, n) }],
}));
Promise.all(mails).then(() => { transport.close(); }, error => { console.error(error); process.exit(1); });
"""


def test_nodemailer(with_user, sink, folder):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    if not os.path.isdir(os.path.join(HERE, "node_modules", "nodemailer")):
        pytest.skip("nodemailer is not installed (npm --prefix test/live ci)")
    path = os.path.join(folder, "send.js")
    with open(path, "w", encoding="utf-8") as f:
        f.write(NODE)
    done = subprocess.run(["node", path, str(with_user.port), "app", PASSWORD], text=True,
                          capture_output=True, timeout=60 * SLOW, check=False,
                          env={**os.environ, "NODE_PATH": os.path.join(HERE, "node_modules")})
    assert done.returncode == 0, done.stderr
    wait_for(lambda: sink.count() == 5)
    mail = parsed(sink.messages[0].data)
    assert mail["Subject"].startswith("from node")
    assert mail.get_body().get_content().splitlines() == [".", "..", "Hällo"]


def test_openssl(with_user, sink):
    """By hand: openssl s_client speaks STARTTLS, the rest is typed."""
    plain = base64.b64encode(f"\0app\0{PASSWORD}".encode()).decode()
    typed = (f"EHLO by.hand\r\nAUTH PLAIN {plain}\r\nMAIL FROM:<a@sender.example>\r\n"
             "rcpt to: <b@sink.example>\r\nDATA\r\n")
    process = subprocess.Popen(
        ["openssl", "s_client", "-quiet", "-crlf", "-starttls", "smtp", "-connect",
         f"127.0.0.1:{with_user.port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for line in typed.splitlines():
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            while process.stdout.readline()[3:4] == b"-":
                pass
        process.stdin.write(b"Subject: by hand\n\nhello\n.\nQUIT\n")
        process.stdin.flush()
        wait_for(sink.count)
    finally:
        process.kill()
        process.wait()
    assert parsed(sink.messages[0].data)["Subject"] == "by hand"


def test_smtp_sink(relay, smtp_sink):
    smtp_sink()
    relay.start()
    with relay.client() as client:
        for n in range(200):
            client.sendmail("a@sender.example", [f"b{n}@sink.example"], "Subject: x\r\n\r\nx\r\n")
    relay.wait_empty(20)
    assert relay.totals()["delivered"] == 200
