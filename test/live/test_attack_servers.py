"""Hostile servers: each has a host of its own and does one wrong thing. A message is delivered whole
or kept; nobody else waits for it."""
import os
import socket
import threading
import time

import pytest

from relay import wait_for

EHLO = b"250-x\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250 8BITMIME\r\n"
OFFERS_TLS = b"250-x\r\n250 STARTTLS\r\n"


class Hostile:
    """Answers each verb with the bytes of its row; None ends the connection, a function is called
    with the connection and returns what to say, or None."""

    def __init__(self, address, port, row):
        self.row, self.bodies = row, []
        self.listener = socket.create_server((address, port), backlog=64)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        connection.settimeout(15)
        try:
            with connection, connection.makefile("rb") as lines:
                self.say(connection, "greet", b"220 x\r\n")
                for line in lines:
                    verb = line.split()[0].upper().decode("ascii", "replace")
                    self.say(connection, verb, EHLO if verb == "EHLO" else b"354 go\r\n"
                             if verb == "DATA" else b"250 ok\r\n")
                    if verb == "DATA" and self.row.get("DATA", b"354").startswith(b"354"):
                        body = [lines.readline()]
                        self.say(connection, "middle", b"")
                        while body[-1] not in (b".\r\n", b""):
                            body.append(lines.readline())
                        if body[-1]:
                            self.bodies.append(b"".join(body))
                        self.say(connection, "dot", b"250 ok\r\n")
        except OSError:
            pass

    def say(self, connection, when, usual):
        what = self.row.get(when, usual)
        if callable(what):
            what = what(connection)
        if what is None:
            raise ConnectionAbortedError
        connection.sendall(what)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def flood(data):
    def go(connection):
        for _ in range(200):
            connection.sendall(data)
        time.sleep(1)
    return go


def tls(data):
    def go(connection):
        connection.sendall(b"220 go\r\n")
        connection.recv(100)
        connection.sendall(data)
        time.sleep(0.3)
    return go


def leave(_connection):
    return None


DELIVERED, KEPT, BOUNCED, UNSURE = "delivered", "deferred", "bounced", "unsure"
ROWS = [
    ("leaves before the greeting", KEPT, {"greet": leave}),
    ("greets with binary", KEPT, {"greet": b"\0\xff\x01 hi\r\n"}),
    ("greets without an end", KEPT, {"greet": flood(b"z" * 65536)}),
    ("greets with endless lines", KEPT, {"greet": flood(b"220-again\r\n" * 5000)}),
    ("says all its replies at once", KEPT, {"greet": b"220 x\r\n" + EHLO + b"250 ok\r\n" * 2 +
                                            b"354 go\r\n250 stored\r\n"}),
    ("changes its code midway", KEPT, {"EHLO": b"250-x\r\n550 y\r\n"}),
    ("has the code 999", KEPT, {"EHLO": b"999 what\r\n"}),
    ("has odd extensions", DELIVERED, {"EHLO": b"250-\r\n250- \r\n250-SIZE\r\n250-SIZE 99999999999999"
                                       b"99999999\r\n250-AUTH=\r\n250 PIPELINING\r\n"}),
    ("takes only ten bytes", BOUNCED, {"EHLO": b"250-x\r\n250 SIZE 10\r\n"}),
    ("leaves at MAIL", KEPT, {"MAIL": leave}),
    ("says 354 to MAIL", KEPT, {"MAIL": b"354 go on\r\n"}),
    ("refuses in binary", BOUNCED, {"MAIL": b"550 \0\x01\xff\x1b[31m\"\\\r\n"}),
    ("refuses at length", BOUNCED, {"MAIL": b"550-" + b"n" * 900 + b"\r\n550 no\r\n"}),
    ("says two replies to RCPT", KEPT, {"RCPT": b"250 ok\r\n250 extra\r\n"}),
    ("says 250 to DATA", KEPT, {"DATA": b"250 ok\r\n"}),
    ("leaves in the body (all of it had been sent)", UNSURE, {"middle": leave}),
    ("leaves after the dot", UNSURE, {"dot": leave}),
    ("leaves within its last reply", UNSURE, {"dot": lambda c: c.sendall(b"250 ok")}),
    ("leaves between lines of its last reply", UNSURE, {"dot": lambda c: c.sendall(b"250-ok\r\n")}),
    ("ends without an end", UNSURE, {"dot": flood(b"250-no end\r\n" * 1000)}),
    ("says 354 to the dot", UNSURE, {"dot": b"354 again\r\n"}),
    ("says more than its last reply", DELIVERED, {"dot": b"250 ok\r\n250 more\r\n550 no\r\n"}),
    ("speaks garbage for TLS", DELIVERED, {"EHLO": OFFERS_TLS, "STARTTLS": tls(os.urandom(3000))}),
    ("speaks plainly for TLS", DELIVERED, {"EHLO": OFFERS_TLS, "STARTTLS": tls(b"250 hi\r\n" * 5)}),
    ("sends a TLS alert", DELIVERED, {"EHLO": OFFERS_TLS,
                                      "STARTTLS": tls(b"\x15\x03\x03\x00\x02\x02\x28")}),
    ("injects before TLS", KEPT, {"EHLO": OFFERS_TLS, "STARTTLS": b"220 go\r\n250 x\r\n"}),
]


def test_each_wrong_thing(new_relay, moody_dns, sender, mx_port):
    names = moody_dns()
    for i in range(len(ROWS)):
        names.zone[(f"h{i}.example.", "MX")] = [(60, "IN", f"10 mx.h{i}.example.")]
        names.zone[(f"mx.h{i}.example.", "A")] = [(60, "IN", f"127.0.3.{i + 1}")]
    relay = new_relay(dns=names)
    relay.set("delivery", greeting_timeout="2s", command_timeout="2s", final_timeout="2s")
    relay.set("retry", first="1h", max="2h").start()
    servers = [Hostile(f"127.0.3.{i + 1}", mx_port, row[2]) for i, row in enumerate(ROWS)]
    body = "Subject: hostile\r\n\r\n.dot\r\n" + ("q" * 60 + "\r\n") * 1000
    try:
        for i in range(len(ROWS)):
            relay.send("a@sender.example", [f"u@h{i}.example"], body)

        def fates():
            return [next((word for word in (DELIVERED, KEPT, BOUNCED, UNSURE)
                          if relay.events(word, to=f"u@h{i}.example")), None)
                    for i in range(len(ROWS))]

        wait_for(lambda: all(fates()), 15)
    finally:
        for server in servers:
            server.close()
    assert [(row[0], fate) for row, fate in zip(ROWS, fates())] == [row[:2] for row in ROWS]
    wrong = [row[0] for row, server in zip(ROWS, servers) for got in server.bodies
             if not got.endswith(b"\r\n\r\n..dot\r\n" + (b"q" * 60 + b"\r\n") * 1000 + b".\r\n")]
    assert not wrong
    wait_for(lambda: sender.count() == sum(row[1] == BOUNCED for row in ROWS))
    assert "\x1b" not in relay.log()


@pytest.mark.parametrize("said", [b"250 early\r\n", b"552 too big\r\n"])
def test_a_reply_in_the_middle_of_the_body(relay, mx_port, said):
    """It is no answer to the whole message."""
    relay.set("retry", first="1h", max="2h").start()

    def answer_early(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(said)
        time.sleep(1)

    server = Hostile("127.0.2.1", mx_port, {"middle": answer_early})
    try:
        relay.send("a@sender.example", ["u@sink.example"],
                   "Subject: big\r\n\r\n" + ("w" * 70 + "\r\n") * 200000)
        wait_for(lambda: relay.events(KEPT) + relay.events(BOUNCED) + relay.events(DELIVERED))
    finally:
        server.close()
    assert not relay.events(DELIVERED)
