"""sendmail(1), mailq and newaliases: the binary by its other names, and the drop directory."""
import os
import pwd
import signal
import socket
import stat
import subprocess
import threading

import pytest

from relay import BINARY, SLOW, wait_for

USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def mailer(relay, folder):
    """Links to the binary, and programs that use them."""
    bin_dir = folder + "/bin"
    os.makedirs(bin_dir)
    for name in ("sendmail", "mailq", "newaliases"):
        os.symlink(BINARY, f"{bin_dir}/{name}")
    relay.bin = bin_dir
    relay.closed_to_strangers()
    relay.write_config()
    return relay


def environment(relay):
    return {**os.environ, "OUTPOST_CONFIG": relay.config_path}


def call(relay, *args, feed="", status=0, name="sendmail", env=None):
    feed = feed if isinstance(feed, bytes) else feed.encode()
    done = subprocess.run([f"{relay.bin}/{name}", *args], input=feed, capture_output=True,
                          timeout=60 * SLOW, check=False, env=env or environment(relay))
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == status, f"{args}: {done.returncode} {said}"
    return said


def only(sink):
    wait_for(lambda: sink.messages)
    assert len(sink.messages) == 1
    return sink.messages[0]


def drops(relay):
    try:
        return sorted(os.listdir(relay.config["state_dir"] + "/drop"))
    except FileNotFoundError:
        return []


MESSAGE = "Subject: hello\nTo: b@sink.example\nBcc: c@sink.example\n\nline\n.x\nlast\n"


def test_recipients_of_the_message(mailer, sink):
    mailer.start()
    said = call(mailer, "-v", "-t", "-i", "-f", "a@sender.example", feed=MESSAGE)
    assert "queued as" in said
    got = only(sink)
    assert got.sender == "a@sender.example"
    assert sorted(got.recipients) == ["b@sink.example", "c@sink.example"]
    text = got.data.decode()
    assert "Bcc" not in text and "\r\nline\r\n.x\r\nlast\r\n" in text
    assert "From: " in text and "<a@sender.example>" in text and f" {USER})" in text
    assert mailer.wait_event("accepted")["ip"].startswith(f"uid={os.getuid()}")


def test_recipients_of_the_command_line(mailer, sink):
    mailer.start()
    call(mailer, "-oi", "-fa@sender.example", "-F", "Ann \"A\"", "--", "b@sink.example, <c@sink.example>",
         feed="just text\n.\nmore\n")
    got = only(sink)
    assert sorted(got.recipients) == ["b@sink.example", "c@sink.example"]
    text = got.data.decode()
    assert 'From: "Ann \\"A\\"" <a@sender.example>' in text
    assert text.endswith("\r\n\r\njust text\r\n.\r\nmore\r\n")


def test_both_kinds_of_recipients(mailer, sink):
    mailer.start()
    call(mailer, "-ti", "d@sink.example", feed=MESSAGE)
    assert sorted(only(sink).recipients) == [f"{c}@sink.example" for c in "bcd"]


def test_a_dot_ends_the_message_without_i(mailer, sink):
    mailer.start()
    call(mailer, "b@sink.example", feed="From: a@sender.example\n\nfirst\n.\nsecond\n")
    text = only(sink).data.decode()
    assert text.endswith("first\r\n")
    sink.messages.clear()
    with subprocess.Popen([mailer.bin + "/sendmail", "b@sink.example"], stdin=subprocess.PIPE,
                          env=environment(mailer)) as typing:
        typing.stdin.write(b"Subject: typed\n\nhi\n.\n")
        typing.stdin.flush()
        assert typing.wait(20 * SLOW) == 0  # without an end of file
    assert only(sink).data.decode().endswith("hi\r\n")


def test_null_sender_and_local_names(mailer, new_receiver):
    sink = new_receiver()
    mailer.config["hostname"] = "sink.example"
    mailer.start()
    call(mailer, "-f", "<>", "root", feed="From: a@b\n\nx\n")
    got = only(sink)
    assert got.sender == "" and got.recipients == ["root@sink.example"]
    sink.messages.clear()
    call(mailer, "root", feed="x\n")
    assert only(sink).sender == f"{USER}@sink.example"


def test_8bit_and_big(mailer, sink):
    mailer.start()
    body = ("Zeile mit Ü\n" * 300000).encode()
    call(mailer, "-i", "b@sink.example", feed=b"Subject: big\n\n" + body)
    got = only(sink)
    assert "8BITMIME" in got.sender_parameters
    assert got.data.split(b"\r\n\r\n", 1)[1] == body.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("args,feed,status,words", [
    (["-z", "b@sink.example"], "", 64, "no option -z"),
    (["-bd"], "", 64, "outpost run"),
    (["-q15m"], "", 64, "-q alone"),
    ([], "x\n", 64, "to whom"),
    (["-t"], "Subject: x\n\nx\n", 64, "no recipient"),
    (["-f"], "", 64, "-f needs a value"),
    (["-N", "sometimes", "b@sink.example"], "", 64, "success,failure,delay"),
    (["-f", "a@b, c@d", "b@sink.example"], "x\n", 64, "not one address"),
    (["b@"], "x\n", 67, "no address"),
    (["-t"], "To: bob builder\n\nx\n", 65, "without a comma"),
    (["b@sink.example"], "a\0b\n", 65, "NUL"),
])
def test_refused_by_itself(mailer, sink, args, feed, status, words):
    mailer.start()
    assert words in call(mailer, *args, feed=feed, status=status)
    assert not mailer.events("accepted") and not drops(mailer)


def test_refused_by_the_relay(mailer):
    mailer.set("submission", max_message_size=2000).start()
    said = call(mailer, "b@sink.example", feed="x\n" * 5000, status=69)
    assert "refused; nothing was sent" in said
    assert not drops(mailer)


def test_help_mailq_newaliases_and_verify(mailer):
    mailer.start()
    assert "usage: sendmail" in call(mailer, "--help")
    call(mailer, name="newaliases")
    call(mailer, "-bi")
    call(mailer, "-q")
    call(mailer, "-bp")
    subprocess.run([mailer.bin + "/mailq", "-c", mailer.config_path], check=True)
    assert "well-formed" in call(mailer, "-bv", "Bob <bob@sink.example>")
    call(mailer, "-bv", "bob@", status=67)
    done = subprocess.run([BINARY, "sendmail", "--help"], capture_output=True, check=True)
    assert b"usage: sendmail" in done.stdout


def test_smtp_on_standard_input(mailer, sink):
    mailer.start()
    said = call(mailer, "-bs", feed="EHLO me\r\nMAIL FROM:<a@sender.example>\r\n"
                "RCPT TO:<b@sink.example>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n")
    assert "queued as" in said and "221" in said
    only(sink)
    mailer.stop()
    assert call(mailer, "-bs", status=75).startswith("421 ")


def test_reports_that_are_asked_for(mailer):
    """-N, -R and -V, by the socket and by the drop directory."""
    asked = ["-N", "success,delay", "-R", "hdrs", "-V", "id77", "b@sink.example"]
    mailer.start()
    call(mailer, *asked, feed="x\n")
    mailer.stop()
    call(mailer, *asked, feed="x\n")
    mailer.start()
    wait_for(lambda: len(mailer.events("accepted")) == 2)
    for event in mailer.events("accepted"):
        shown = mailer.command("why", event["msg"])
        assert "b@sink.example" in shown
        shown = mailer.command("queue", "show", event["msg"])
        assert "RET=HDRS ENVID=id77" in shown and "NOTIFY=SUCCESS,DELAY" in shown


# --- the drop directory ---

def test_stored_while_the_relay_is_down_and_taken_up(mailer, sink):
    mailer.start()
    assert mailer.stop() == 0
    for i in range(3):
        call(mailer, "-t", "-f", "a@sender.example", feed=MESSAGE.replace("hello", f"drop {i}"))
    directory = mailer.config["state_dir"] + "/drop"
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o1733
    names = drops(mailer)
    assert len(names) == 3
    assert all(stat.S_IMODE(os.stat(f"{directory}/{n}").st_mode) == 0o600 for n in names)
    mailer.start()
    wait_for(lambda: len(sink.messages) == 3)
    wait_for(lambda: not drops(mailer))
    for got in sink.messages:
        assert got.sender == "a@sender.example"
        assert sorted(got.recipients) == ["b@sink.example", "c@sink.example"]
        assert b"\r\nline\r\n.x\r\nlast\r\n" in got.data
    clients = [e["ip"] for e in mailer.events("accepted")]
    assert sorted(c.split("drop=")[1] for c in clients) == names
    assert all(c.startswith(f"uid={os.getuid()} {USER} ") for c in clients)


def test_stored_when_the_relay_wants_it_later(mailer, sink):
    """A full queue: the message is in the drop directory until there is room."""
    mailer.set("queue", max_size="64KiB").start()
    call(mailer, "b@sink.example", feed="x" * 70 + "\n" + "y\n" * 50000)
    assert len(drops(mailer)) == 1
    mailer.set("queue", max_size="100MiB").reload()
    wait_for(lambda: not drops(mailer), 20)
    only(sink)


def test_many_recipients_are_split(mailer, sink):
    mailer.set("submission", max_recipients=30).start()
    everybody = [f"r{i}@sink.example" for i in range(250)]
    call(mailer, *everybody[:100], feed="Subject: up\n\nx\n")
    wait_for(lambda: sum(len(m.recipients) for m in sink.messages) == 100)
    sink.messages.clear()
    mailer.stop()
    call(mailer, *everybody, feed="Subject: down\n\nx\n")
    assert len(drops(mailer)) == 3
    mailer.start()
    wait_for(lambda: sum(len(m.recipients) for m in sink.messages) == 250, 20)
    assert sorted(r for m in sink.messages for r in m.recipients) == sorted(everybody)


def test_nothing_works_nothing_is_promised(mailer):
    said = call(mailer, "b@sink.example", feed="x\n", status=75)
    assert "not sent" in said and "drop" in said
    mailer.set("sendmail", enabled=False)
    mailer.write_config()
    assert "sendmail.enabled is false" in call(mailer, "b@sink.example", feed="x\n", status=78)


def test_what_is_no_message_is_set_aside(mailer, sink):
    mailer.start()
    mailer.stop()
    directory = mailer.config["state_dir"] + "/drop/"
    call(mailer, "b@sink.example", feed="good\n")
    good = open(directory + drops(mailer)[0], "rb").read()

    def name(i):
        return directory + f"m{i:032x}"
    for i, content in enumerate((b"", b"nonsense\n\n", good[:-3], good + b"more",
                                 good.replace(b"to b@sink.example", b"to b@sink.example>\r"),
                                 good.replace(b"to ", b"bcc "))):
        with open(name(i), "wb") as f:
            f.write(content)
    os.symlink("/etc/passwd", name(10))
    os.mkfifo(name(11))
    os.mkdir(name(12))
    with open(directory + "outside", "wb") as f:
        f.write(good)
    os.link(directory + "outside", name(13))
    with open(directory + "t" + "m" + "0" * 32, "wb") as f:
        f.write(good)
    mailer.start()
    only(sink)
    wait_for(lambda: len([n for n in drops(mailer) if n.endswith(".bad")]) == 10)
    left = [n for n in drops(mailer) if not n.endswith(".bad")]
    assert left == ["outside", "tm" + "0" * 32]
    assert len(mailer.events("warning")) == 10
    assert len(mailer.events("accepted")) == 1


def test_refused_after_the_fact_is_set_aside(mailer, sink):
    mailer.start()
    mailer.stop()
    call(mailer, "b@sink.example", feed="x\n" * 3000)
    mailer.set("submission", max_message_size=1000).start()
    wait_for(lambda: drops(mailer) and drops(mailer)[0].endswith(".bad"))
    assert "set aside" in mailer.wait_event("warning")["text"]


def test_a_crash_between_taking_and_removing_sends_once(mailer, sink):
    """The file is back after the message was accepted, as if it had not been removed in time."""
    mailer.start()
    mailer.stop()
    call(mailer, "b@sink.example", feed="once\n")
    directory = mailer.config["state_dir"] + "/drop/"
    name = drops(mailer)[0]
    content = open(directory + name, "rb").read()
    mailer.start()
    wait_for(lambda: not drops(mailer))
    only(sink)
    mailer.wait_event("completed")  # else it is the outcome that the kill loses
    mailer.kill()
    with open(directory + name, "wb") as f:
        f.write(content)
    mailer.start()
    assert drops(mailer) == []
    call(mailer, "b@sink.example", feed="another\n")
    wait_for(lambda: len(sink.messages) == 2)
    assert b"another" in sink.messages[1].data


def test_killed_while_taking_up_loses_nothing(mailer, sink):
    mailer.start()
    mailer.stop()
    for i in range(40):
        call(mailer, "b@sink.example", feed=f"Subject: n{i}\n\nx\n")
    for _ in range(3):
        mailer.launch()
        wait_for(lambda: mailer.events("accepted"))
        mailer.process.send_signal(signal.SIGKILL)
        mailer.process.wait()
    mailer.start()
    wait_for(lambda: not drops(mailer), 20)
    mailer.wait_empty(20)
    # Lines of the log may be lost with the process; messages may not.
    subjects = {line for m in sink.messages for line in m.data.decode().splitlines()
                if line.startswith("Subject: ")}
    assert len(subjects) == 40


def test_a_stop_while_a_drop_is_taken_up(mailer, sink):
    """The orderly end: what is not taken stays."""
    mailer.start()
    mailer.stop()
    for i in range(60):
        call(mailer, "b@sink.example", feed=f"Subject: n{i}\n\n" + "x\n" * 20000)
    mailer.launch()
    wait_for(lambda: mailer.events("accepted"))
    assert mailer.stop() == 0
    left = len(drops(mailer))
    mailer.start()
    wait_for(lambda: not drops(mailer), 30)
    mailer.wait_empty(30)
    assert len(mailer.events("accepted")) == 60, left


def test_another_user(mailer, sink):
    """Without rights of any kind, and without reading the configuration's secrets."""
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody else")
    for path in (os.path.dirname(mailer.folder), mailer.folder, mailer.bin):
        os.chmod(path, 0o711)
    nobody = pwd.getpwnam("nobody")
    os.chmod(mailer.config_path, 0o644)
    at = BINARY
    while at != "/":
        if not os.stat(at).st_mode & 0o001:
            pytest.skip(f"nobody cannot run {BINARY}")
        at = os.path.dirname(at)

    def send(text):
        done = subprocess.run([mailer.bin + "/sendmail", "b@sink.example"], input=text.encode(),
                              user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
                              env=environment(mailer), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    mailer.start()
    send("up\n")
    only(sink)
    mailer.stop()
    send("down\n")
    directory = mailer.config["state_dir"] + "/drop"
    assert os.stat(f"{directory}/{drops(mailer)[0]}").st_uid == nobody.pw_uid
    listing = subprocess.run(["ls", directory], user=nobody.pw_uid, group=nobody.pw_gid,
                             capture_output=True, check=False)
    assert listing.returncode != 0
    mailer.start()
    wait_for(lambda: len(sink.messages) == 2)
    assert {e["ip"].split(" drop=")[0] for e in mailer.events("accepted")} == {
        f"uid={nobody.pw_uid} nobody"}


def test_a_relay_that_vanishes_in_the_middle(mailer, folder):
    """The socket takes half a message and closes: it is stored, not lost."""
    mailer.start()
    mailer.stop()
    path = mailer.folder + "/submit.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)

        def serve():
            conn, _ = listener.accept()
            conn.sendall(b"220 x\r\n")
            for reply in (b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
                conn.recv(1000)
                conn.sendall(reply)
            conn.recv(100)
            conn.close()
        threading.Thread(target=serve, daemon=True).start()
        call(mailer, "b@sink.example", feed="x\n" * 200000)
    assert len(drops(mailer)) == 1


def test_a_relay_that_is_not_root(mailer, sink):
    """It cannot read files of mode 0600 of others: they are 0644, under names nobody can list."""
    if os.getuid() != 0 or not os.path.exists("/usr/bin/setpriv"):
        pytest.skip("needs root and setpriv")
    nobody = pwd.getpwnam("nobody")
    os.chmod(os.path.dirname(mailer.folder), 0o711)
    os.chown(mailer.folder, nobody.pw_uid, nobody.pw_gid)
    mailer.wrapper = ["setpriv", "--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid),
                      "--clear-groups"]
    mailer.start()
    mailer.stop()
    call(mailer, "b@sink.example", feed="Subject: x\n\nby root\n")
    directory = mailer.config["state_dir"] + "/drop"
    st = os.stat(f"{directory}/{drops(mailer)[0]}")
    assert st.st_uid == 0 and stat.S_IMODE(st.st_mode) == 0o644
    mailer.start()
    assert b"by root" in only(sink).data
    wait_for(lambda: not drops(mailer))
    assert mailer.wait_event("accepted")["ip"].startswith("uid=0 root drop=")


class FakeRelay(threading.Thread):
    """One connection on the submission socket; replies by the first word of each command."""

    def __init__(self, relay, replies):
        super().__init__(daemon=True)
        self.replies, self.heard = replies, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(relay.folder + "/submit.sock")
        self.listener.listen(1)
        self.start()

    def run(self):
        conn, _ = self.listener.accept()
        self.listener.close()
        with conn, conn.makefile("rwb", 0) as line:
            line.write(self.replies.get("greeting", b"220 fake\r\n"))
            while command := line.readline().decode().strip():
                self.heard.append(command)
                reply = next((r for begin, r in self.replies.items() if command.startswith(begin)),
                             b"250 ok\r\n")
                line.write(reply)


@pytest.mark.parametrize("replies,status,words", [
    ({"RCPT TO:<c@": b"550 5.1.1 nobody here\r\n"}, 67, "<c@sink.example> is refused; nothing was sent"),
    ({"MAIL": b"553 5.7.1 not as that\r\n"}, 69, "nothing was sent: 553 5.7.1 not as that"),
    ({"greeting": b"554 5.3.2 no\r\n"}, 69, "554 5.3.2 no"),
    ({"greeting": b"421 4.3.2 later\r\n"}, 75, "421 4.3.2 later"),
    ({"MAIL": b"452 4.3.1 full\r\n"}, 75, "452 4.3.1 full"),
    ({"RCPT": b"451 4.3.0 later\r\n"}, 75, "451 4.3.0 later"),
    ({"DATA": b"451 4.3.0 later\r\n"}, 75, "451 4.3.0 later"),
    ({"EHLO": b"nonsense\r\n"}, 75, "the relay"),
])
def test_every_way_a_relay_says_no(mailer, replies, status, words):
    """There is no drop directory here, so that "later" is seen too."""
    fake = FakeRelay(mailer, replies)
    said = call(mailer, "b@sink.example", "c@sink.example", feed="x\n", status=status)
    assert words in said
    assert "Subject" not in "".join(fake.heard) and "." not in fake.heard
