"""However a client groups its commands (RFC 2920), the running relay says the same.

test_smtp_pipeline tries all groupings with the pure machine; here are the loop, the disk and the
answers of the engine between, which come later than the next command of a group."""
import random
import re
import socket

SESSIONS = 150
STEPS = 7
LAST = ("DATA", "NOOP", "EHLO", "QUIT")  # end a group (section 3.1)
BODY = b"Subject: x\r\n\r\nRSET\r\n..\r\n.\r\n"

COMMANDS = [
    b"MAIL FROM:<a@sender.example>\r\n",
    b"MAIL FROM:<a@sender.example> SIZE=99999999999\r\n",
    b"RCPT TO:<b@sink.example>\r\n",
    b"RCPT TO:<c@sink.example>\r\n",
    b"RCPT TO:<bad\r\n",
    b"RSET\r\n",
    b"DATA\r\n",
    b"BDAT 11\r\nx: y\r\n\r\nRSE",
    b"BDAT 6 LAST\r\nQUIT\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 4\r\n\n.\r\n",
    b"NOOP\r\n",
    b"EHLO c\r\n",
    b"QUIT\r\n",
]
# Most of what is drawn is mail that somebody could mean.
WEIGHTS = [6, 1, 6, 2, 1, 1, 4, 3, 3, 1, 1, 1, 1, 1]


class Wire:
    def __init__(self, relay):
        self.client = relay.raw()
        self.client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.say("EHLO c\r\n", "250")
        self.replies = []

    def send(self, data):
        try:
            self.client.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            pass

    def read(self, count):
        for _ in range(count):
            reply = self.client.reply()
            if not reply:
                return
            self.replies.append(re.sub(r"queued as \w+", "queued as ID", reply))

    def close(self):
        """What came that nobody waited for, too."""
        self.client.socket.shutdown(socket.SHUT_WR)
        self.read(1000)
        self.client.file.close()
        self.client.socket.close()
        return self.replies


def one_by_one(relay, steps):
    """The replies, and which DATA was answered 354."""
    wire, taken = Wire(relay), []
    for step in steps:
        before = len(wire.replies)
        wire.send(step)
        wire.read(1)
        taken.append(len(wire.replies) > before and wire.replies[-1].startswith("354"))
        if taken[-1]:
            wire.send(BODY)
            wire.read(1)
    return wire.close(), taken


def grouped(relay, steps, taken, chance):
    wire, group, waiting = Wire(relay), b"", 0
    for step, is_taken in zip(steps, taken):
        group += step
        waiting += 1
        if is_taken:
            wire.send(group)
            wire.read(waiting)
            group, waiting = BODY, 1
        is_last = step[:4].decode() in LAST and not is_taken
        if is_last or chance.random() < 0.3:
            cut = chance.randrange(len(group) + 1)
            wire.send(group[:cut])
            wire.send(group[cut:])
            wire.read(waiting)
            group, waiting = b"", 0
    wire.send(group)
    wire.read(waiting)
    return wire.close()


def test_grouping_changes_no_reply(relay, sink):
    relay.start()
    chance = random.Random(2920)
    queued = 0
    for number in range(SESSIONS):
        steps = [COMMANDS[0], COMMANDS[2]] if number % 2 else []
        steps += chance.choices(COMMANDS, WEIGHTS, k=STEPS - len(steps))
        want, taken = one_by_one(relay, steps)
        assert grouped(relay, steps, taken, chance) == want, steps
        queued += sum("queued as ID" in reply for reply in want)
    assert queued > SESSIONS / 4
    assert relay.stats()["totals"]["accepted"] == 2 * queued
