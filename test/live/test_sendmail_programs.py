"""Programs that send mail by calling sendmail, each as its manual says (doc/clients.md)."""
import os
import shutil
import subprocess

import pytest

from relay import BINARY, SLOW, wait_for


def need(program):
    path = shutil.which(program)
    if not path:
        pytest.skip(f"{program} is not installed (script/deps.sh build test)")
    return path


@pytest.fixture
def sendmail(relay, folder):
    """A link to the binary; the relay runs."""
    path = folder + "/bin/sendmail"
    os.makedirs(os.path.dirname(path))
    os.symlink(BINARY, path)
    relay.closed_to_strangers().start()
    return path


@pytest.fixture
def run(relay, folder):
    def run_program(args, feed="", **env):
        done = subprocess.run(
            args, input=feed.encode(), capture_output=True, timeout=60 * SLOW, check=False,
            cwd=folder, env={**os.environ, "HOME": folder, "OUTPOST_CONFIG": relay.config_path,
                             "EMAIL": "", **env})
        assert done.returncode == 0, f"{args}: {done.returncode} {done.stdout} {done.stderr}"
        return (done.stdout + done.stderr).decode()
    return run_program


def only(sink):
    wait_for(lambda: sink.messages)
    assert len(sink.messages) == 1
    return sink.messages[0]


def test_mailutils(sendmail, run, sink):
    program = need("mail.mailutils")
    run([program, "-E", f'set sendmail="sendmail:{sendmail}"', "-s", "from mailutils", "-r", "a@sender.example", "-a", "X-Test: yes",
         "b@sink.example", "c@sink.example"], "one\n.two\n\nlast\n")
    got = only(sink)
    assert got.sender == "a@sender.example"
    assert sorted(got.recipients) == ["b@sink.example", "c@sink.example"]
    text = got.data.decode()
    assert "Subject: from mailutils\r\n" in text and "X-Test: yes\r\n" in text
    assert text.split("\r\n\r\n", 1)[1].strip() == "one\r\n.two\r\n\r\nlast"


def test_s_nail(sendmail, run, sink):
    program = need("s-nail")
    run([program, "-n", f"-Smta={sendmail}", "-r", "a@sender.example", "-s", "from s-nail",
         "-c", "c@sink.example", "-b", "d@sink.example", "Bob <b@sink.example>"], "hello\n.\n")
    got = only(sink)
    assert got.sender == "a@sender.example"
    assert sorted(got.recipients) == [f"{x}@sink.example" for x in "bcd"]
    assert b"d@sink.example" not in got.data and b"Subject: from s-nail\r\n" in got.data


def test_mutt(sendmail, run, sink, folder):
    program = need("mutt")
    with open(folder + "/attachment.bin", "wb") as f:
        f.write(bytes(range(256)))
    run([program, "-n", "-F", "/dev/null", "-e", f"set sendmail='{sendmail} -oem -oi'",
         "-e", "set use_envelope_from=yes; set from=a@sender.example; set copy=no",
         "-s", "from mutt", "-c", "c@sink.example", "-b", "d@sink.example",
         "-a", folder + "/attachment.bin", "--", "b@sink.example"], "hello Ü\n")
    got = only(sink)
    assert got.sender == "a@sender.example"
    assert sorted(got.recipients) == [f"{x}@sink.example" for x in "bcd"]
    assert b"Subject: from mutt\r\n" in got.data and b"attachment.bin" in got.data
    assert b"d@sink.example" not in got.data


def test_php(sendmail, run, sink):
    program = need("php")
    run([program, "-d", f"sendmail_path={sendmail} -t -i", "-r",
         'exit(mail("b@sink.example", "from PHP", "hello\\nworld\\n.\\nend",'
         ' "From: a@sender.example\\r\\nBcc: c@sink.example\\r\\nX-Test: yes",'
         ' "-fbounce@sender.example") ? 0 : 1);'])
    got = only(sink)
    assert got.sender == "bounce@sender.example"
    assert sorted(got.recipients) == ["b@sink.example", "c@sink.example"]
    assert b"Bcc" not in got.data and b"\r\nX-Test: yes\r\n" in got.data
    assert got.data.endswith(b"hello\r\nworld\r\n.\r\nend\r\n")


def test_php_is_told(sendmail, run):
    program = need("php")
    run([program, "-d", f"sendmail_path={sendmail} -t -i", "-r",
         'exit(mail("no address at all", "x", "y") ? 1 : 0);'])


def test_git_send_email(sendmail, run, sink, folder):
    git = need("git")
    if not os.path.exists(subprocess.check_output([git, "--exec-path"], text=True).strip()
                          + "/git-send-email"):
        pytest.skip("git-email is not installed")
    patch = folder + "/0001.patch"
    with open(patch, "w", encoding="utf-8") as f:
        f.write("From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
                "From: Bob <bob@sender.example>\nDate: Sun, 22 Nov 2026 00:47:42 +0000\n"
                "Subject: [PATCH] from git\n\nFrom here it is text.\n---\n diff\n-- \n2.39\n")
    run([git, "-c", "user.name=Bob", "-c", "user.email=bob@sender.example", "send-email",
         "--confirm=never", f"--sendmail-cmd={sendmail}",
         "--from=Bob <bob@sender.example>", "--envelope-sender=auto", "--suppress-cc=all",
         "--to=B <b@sink.example>", "--cc=c@sink.example", patch])
    got = only(sink)
    assert got.sender == "bob@sender.example"
    assert sorted(got.recipients) == ["b@sink.example", "c@sink.example"]
    assert b"Subject: [PATCH] from git\r\n" in got.data
    assert b"\r\nFrom here it is text.\r\n" in got.data


def test_cron(sendmail, run, sink, relay):
    """As Debian's cron calls it (-i -FCronDaemon -B8BITMIME -oem user), and what it pipes in."""
    relay.config["hostname"] = "sink.example"
    relay.reload()
    relay.wait_event("reloaded")
    run([sendmail, "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"],
        "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@box> /usr/local/bin/job\n"
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nX-Cron-Env: <SHELL=/bin/sh>\n\n"
        "10%\r 50%\r100%\n.\nÜ\n")
    got = only(sink)
    assert got.recipients == ["root@sink.example"]
    assert got.data.decode().endswith("10%\r\n 50%\r\n100%\r\n.\r\nÜ\r\n")


def test_python_and_perl_style_pipe(sendmail, run, sink):
    """What countless scripts do: popen("sendmail -t -oi")."""
    run(["/bin/sh", "-c", f"printf 'To: b@sink.example\\nSubject: sh\\n\\nhi\\n' | {sendmail} -t -oi -oem"])
    assert b"Subject: sh\r\n" in only(sink).data
