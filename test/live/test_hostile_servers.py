"""Three hundred hostile servers at once, each with a domain of its own. What becomes of a
message is told exactly: whether it is delivered, put off, bounced or unsure, for which reason, after
how many sessions, and whether the next host was tried. When the servers are healed, all that was put
off arrives, and nothing arrives twice but where the reply to the dot was lost."""
import collections
import os
import re

from hostile import (CHUNKS, EHLO, Host, deaf, drip, drop, endless, for_tls, one_by_one, silent, then_drop,
                     then_reset, then_silent)
from relay import wait_for
from test_delivery import parsed

DELIVERED, DEFERRED, BOUNCED, UNSURE = "delivered", "deferred", "bounced", "unsure"
FATES = (DELIVERED, DEFERRED, BOUNCED, UNSURE)
NOT_SMTP = "what the server sends is not SMTP"
WRONG_KIND = "a reply of the wrong kind"
ENDS = "the server ends the session"
TO_NOTHING = "a reply to nothing"
CLOSED = "closed by the other side"
MEMORY_MAX_KIB = 32 << 10

Row = collections.namedtuple("Row", "name fate says script status users sessions next leaf route big apart")


def row(name, fate, says, script, status=None, users=None, sessions=1, next=None, leaf=None,
        route=None, big=False, apart=False):
    """users: {name: fate} where they differ; next: the users that the second host has to get, None
    where there is no second host; leaf: the certificate of a server with TLS; apart: each user gets a
    message of its own."""
    return Row(name, fate, says, script, status, users or {"u": fate}, sessions, next, leaf, route,
               big, apart)


def without(keyword):
    return b"".join(line for line in EHLO.splitlines(True) if keyword not in line)


# --- what can go wrong with any reply: MAIL, RCPT, DATA and the dot ---

def of_each_command():
    for verb in ("MAIL", "RCPT", "DATA", "dot"):
        good = b"354" if verb == "DATA" else b"250"
        other = b"250" if verb == "DATA" else b"354"
        lost = UNSURE if verb == "dot" else DEFERRED  # was it taken or not?
        wait = ("time-out waiting for the reply to " +
                ("the final dot" if verb == "dot" else verb))
        for name, fate, says, said, status in (
                ("4xx", DEFERRED, "451 4.3.0 not now", b"451 4.3.0 not now\r\n", None),
                ("5xx", BOUNCED, "550 5.7.1 never", b"550 5.7.1 never\r\n", "5.7.1"),
                ("5xx without an enhanced code", BOUNCED, "554 never", b"554 never\r\n", "5.0.0"),
                ("5xx with a code of 4", BOUNCED, "550 4.2.1 hm", b"550 4.2.1 hm\r\n", "5.0.0"),
                ("4xx with a code of 5", DEFERRED, "450 5.1.1 hm", b"450 5.1.1 hm\r\n", None),
                ("421", DEFERRED, ENDS, then_drop(b"421 4.3.2 going\r\n"), None),
                ("other kind", lost, "not a reply to the final dot" if verb == "dot" else WRONG_KIND,
                 other + b" what\r\n", None),
                ("1xx", lost, NOT_SMTP, b"150 wait\r\n", None),
                ("6xx", lost, NOT_SMTP, b"650 what\r\n", None),
                ("000", lost, NOT_SMTP, b"000 what\r\n", None),
                ("no code", lost, NOT_SMTP, b"fine with me\r\n", None),
                ("empty line", lost, NOT_SMTP, b"\r\n", None),
                ("code glued to text", lost, NOT_SMTP, good + b"ok\r\n", None),
                ("many lines", DELIVERED, "", (good + b"-a\r\n") * 20 + good + b" c\r\n", None),
                ("bare code", DELIVERED, "", good + b"\r\n", None),
                ("two codes in one reply", lost, NOT_SMTP, good + b"-a\r\n550 b\r\n", None),
                ("bare LF", DELIVERED, "", good + b"-a\n" + good + b" ok\n", None),
                # One reply with what comes behind it: the replies are one too few.
                ("bare CR", lost, {"MAIL": WRONG_KIND, "RCPT": "time-out waiting for the reply to DATA"}
                 .get(verb, wait), good + b" ok\r", None),
                ("one byte at a time", DELIVERED, "", one_by_one(good + b" ok\r\n"), None),
                ("too slow", lost, wait, drip(good + b" ok, in a while\r\n"), None),
                ("drop", lost, CLOSED, drop, None),
                ("drop within the reply", lost, CLOSED, then_drop(good + b"-o"), None),
                ("reset", lost, "", then_reset(b""), None),
                ("hang", lost, wait, silent, None),
                ("a line without end", lost, NOT_SMTP, endless(good + b"-" + b"z" * 65536), None),
                ("lines without end", lost, NOT_SMTP, endless((good + b"-z\r\n") * 5000), None),
        ):
            yield row(f"{verb}: {name}", fate, says, {verb: said}, status)


# --- greeting, EHLO, STARTTLS: the host is of no use ---

HOST = [
    row("greeting: 4xx", DEFERRED, "the greeting refuses us: 450 busy", {"greet": b"450 busy\r\n"}),
    row("greeting: 5xx", DEFERRED, "the greeting refuses us: 554 no", {"greet": b"554 no\r\n"}),
    row("greeting: 521", DEFERRED, "521 no mail", {"greet": b"521 no mail\r\n"}),
    row("greeting: 421", DEFERRED, ENDS, {"greet": then_drop(b"421 busy\r\n")}),
    row("greeting: 354", DEFERRED, WRONG_KIND, {"greet": b"354 go\r\n"}),
    row("greeting: garbage", DEFERRED, NOT_SMTP, {"greet": b"hello there\r\n"}),
    row("greeting: binary", DEFERRED, NOT_SMTP, {"greet": b"\0\xff\x01 hi\r\n"}),
    row("greeting: a TLS alert", DEFERRED, NOT_SMTP, {"greet": b"\x15\x03\x03\0\x02\x02\x28"}),
    row("greeting: HTTP", DEFERRED, NOT_SMTP, {"greet": b"HTTP/1.1 400 Bad Request\r\n\r\n"}),
    row("greeting: many lines", DELIVERED, "", {"greet": b"220-a\r\n220-b\r\n220 c\r\n"}),
    row("greeting: 10,000 lines", DEFERRED, NOT_SMTP, {"greet": b"220-a\r\n" * 10000 + b"220 c\r\n"}),
    row("greeting: very long", DEFERRED, NOT_SMTP, {"greet": b"220 " + b"x" * 100000 + b"\r\n"}),
    row("greeting: endless line", DEFERRED, NOT_SMTP, {"greet": endless(b"220" + b" " * 65536)}),
    row("greeting: endless lines", DEFERRED, NOT_SMTP, {"greet": endless(b"220-on\r\n" * 5000)}),
    row("greeting: NUL and ESC", DELIVERED, "", {"greet": b"220 \0\x1b[31m\xff\r\n"}),
    row("greeting: no line end", DEFERRED, "time-out waiting for the greeting",
        {"greet": then_silent(b"220 hi")}),
    row("greeting: none", DEFERRED, "time-out waiting for the greeting", {"greet": silent}),
    row("greeting: deaf and dumb", DEFERRED, "time-out waiting for the greeting", {"greet": deaf}),
    row("greeting: drip", DEFERRED, "time-out waiting for the greeting",
        {"greet": drip(b"220 this takes a while\r\n")}),
    row("greeting: one byte at a time", DELIVERED, "", {"greet": one_by_one(b"220 slow\r\n")}),
    row("greeting: drop", DEFERRED, CLOSED, {"greet": drop}),
    row("greeting: twice", DEFERRED, TO_NOTHING, {"greet": b"220 a\r\n220 b\r\n"}),
    row("greeting: the whole talk at once", DEFERRED, TO_NOTHING,
        {"greet": b"220 x\r\n" + EHLO + b"250 ok\r\n" * 2 + b"354 go\r\n250 ok\r\n"}),

    row("EHLO: 502, then HELO", DELIVERED, "", {"EHLO": b"502 what\r\n"}),
    row("EHLO: 550, then HELO, all of it without PIPELINING", DEFERRED, "451 later",
        {"EHLO": b"550 what\r\n", "RCPT": b"451 later\r\n"}),
    row("EHLO and HELO: 550", DEFERRED, "EHLO and HELO were refused: 550 no",
        {"EHLO": b"502 what\r\n", "HELO": b"550 no\r\n"}),
    row("EHLO: 4xx", DEFERRED, "EHLO was refused: 450 no", {"EHLO": b"450 no\r\n"}),
    row("EHLO: 421", DEFERRED, ENDS, {"EHLO": then_drop(b"421 no\r\n")}),
    row("EHLO: 354", DEFERRED, WRONG_KIND, {"EHLO": b"354 no\r\n"}),
    row("EHLO: 999", DEFERRED, NOT_SMTP, {"EHLO": b"999 no\r\n"}),
    row("EHLO: garbage keywords", DELIVERED, "",
        {"EHLO": b"250-\r\n250- \r\n250-\0\x01\xff\r\n250-AUTH=\r\n250-AUTH \t \r\n250--\r\n"
                 b"250-STARTTLSX\r\n250-PIPELINING=no\r\n250 XYZ \x1b[2J\r\n"}),
    row("EHLO: no number in SIZE", DELIVERED, "", {"EHLO": b"250-x\r\n250 SIZE big\r\n"}),
    row("EHLO: SIZE -1", DELIVERED, "", {"EHLO": b"250-x\r\n250 SIZE -1\r\n"}),
    row("EHLO: SIZE 0", DELIVERED, "", {"EHLO": b"250-x\r\n250 SIZE 0\r\n"}),
    row("EHLO: SIZE of 40 digits", DELIVERED, "", {"EHLO": b"250-x\r\n250 SIZE " + b"9" * 40 + b"\r\n"}),
    row("EHLO: SIZE 10", BOUNCED, "552 5.3.4", {"EHLO": b"250-x\r\n250 SIZE 10\r\n"}, "5.3.4"),
    row("EHLO: contradictions", DELIVERED, "",
        {"EHLO": b"250-x\r\n250-SIZE 10\r\n250-SIZE 100000000\r\n250-PIPELINING\r\n"
                 b"250-PIPELINING\r\n250 SIZE 100000000\r\n"}),
    row("EHLO: a line of 10 kB", DEFERRED, NOT_SMTP,
        {"EHLO": b"250-x\r\n250-X" + b"y" * 10240 + b"\r\n250 SIZE\r\n"}),
    row("EHLO: 10,000 lines", DEFERRED, NOT_SMTP,
        {"EHLO": b"250-x\r\n" * 10000 + b"250 SIZE\r\n"}),
    row("EHLO: bare LF", DELIVERED, "", {"EHLO": EHLO.replace(b"\r", b"")}),
    row("EHLO: two codes", DEFERRED, NOT_SMTP, {"EHLO": b"250-x\r\n550 y\r\n"}),
    row("EHLO: one byte at a time", DELIVERED, "", {"EHLO": one_by_one(EHLO)}),
    row("EHLO: drop", DEFERRED, CLOSED, {"EHLO": drop}),
    row("EHLO: hang", DEFERRED, "time-out waiting for the reply to EHLO", {"EHLO": silent}),
    row("EHLO: twice", DEFERRED, TO_NOTHING, {"EHLO": EHLO + EHLO}),
]

VERIFY = {"tls": "verify"}
OFFERS_TLS = b"250-x\r\n250 STARTTLS\r\n"


def starttls(name, fate, says, script, **keys):
    return row("STARTTLS: " + name, fate, says, {"EHLO": [OFFERS_TLS], **script}, **keys)


TLS = [
    starttls("454, then plain", DELIVERED, "", {"STARTTLS": b"454 no\r\n"}),
    starttls("500, then plain", DELIVERED, "", {"STARTTLS": b"500 no\r\n"}),
    starttls("421", DEFERRED, ENDS, {"STARTTLS": then_drop(b"421 no\r\n")}),
    starttls("354", DEFERRED, WRONG_KIND, {"STARTTLS": b"354 no\r\n"}),
    starttls("garbage", DEFERRED, NOT_SMTP, {"STARTTLS": b"go on\r\n"}),
    starttls("drop", DEFERRED, CLOSED, {"STARTTLS": drop}),
    starttls("hang", DEFERRED, "time-out waiting for the reply to STARTTLS", {"STARTTLS": silent}),
    starttls("plain bytes behind the 220", DEFERRED, "plain bytes behind the reply to STARTTLS",
             {"STARTTLS": b"220 go\r\n250 x\r\n"}),
    starttls("garbage for a handshake, then plain", DELIVERED, "",
             {"STARTTLS": for_tls(bytes(range(256)) * 20)}, sessions=2),
    starttls("SMTP for a handshake, then plain", DELIVERED, "",
             {"STARTTLS": for_tls(b"250 hi\r\n" * 5)}, sessions=2),
    starttls("an alert for a handshake, then plain", DELIVERED, "",
             {"STARTTLS": for_tls(b"\x15\x03\x03\0\x02\x02\x28")}, sessions=2),
    starttls("closed in the handshake, then plain", DELIVERED, "", {"STARTTLS": for_tls(b"")},
             sessions=2),
    starttls("reset in the handshake, then plain", DELIVERED, "",
             {"STARTTLS": then_reset(b"220 go\r\n")}, sessions=2),
    starttls("silent in the handshake, then plain", DELIVERED, "",
             {"STARTTLS": then_silent(b"220 go\r\n")}, sessions=2),
    row("STARTTLS: a certificate of nobody, not asked for", DELIVERED, "", {}, leaf="unknown"),
    row("verify: good", DELIVERED, "", {}, leaf="good", route=VERIFY),
    row("verify: unknown authority", DEFERRED, "certificate", {}, leaf="unknown", route=VERIFY),
    row("verify: wrong name", DEFERRED, "certificate", {}, leaf="wrong-name", route=VERIFY),
    row("verify: expired", DEFERRED, "certificate", {}, leaf="expired", route=VERIFY),
    row("verify: not offered", DEFERRED, "no STARTTLS offered", {}, route=VERIFY),
    starttls("454, and verify", DEFERRED, "STARTTLS was refused, TLS is required: 454 no",
             {"STARTTLS": b"454 no\r\n"}, route=VERIFY),
    starttls("garbage for a handshake, and verify", DEFERRED, "TLS",
             {"STARTTLS": for_tls(b"250 hi\r\n" * 5)}, route=VERIFY),
    row("verify: EHLO refused inside", DELIVERED, "", {"EHLO": [OFFERS_TLS, b"502 what\r\n"]},
        leaf="good", route=VERIFY),
    row("verify: drop inside", DEFERRED, CLOSED, {"EHLO": [OFFERS_TLS, drop]}, leaf="good",
        route=VERIFY),
]

LOG_IN = {**VERIFY, "auth": {"user": "us", "password": "pa"}}
OFFERS_SCRAM = {"EHLO": [OFFERS_TLS, b"250-x\r\n250 AUTH SCRAM-SHA-256\r\n"]}
OFFERS_AUTH = {"EHLO": [OFFERS_TLS, b"250-x\r\n250 AUTH PLAIN\r\n"]}


def auth(name, fate, says, script):
    return row("AUTH: " + name, fate, says, {**OFFERS_AUTH, **script}, leaf="good", route=LOG_IN)


AUTH = [
    auth("taken", DELIVERED, "", {"AUTH": b"235 welcome\r\n"}),
    auth("4xx", DEFERRED, "login put off (PLAIN): 454 4.7.0 later", {"AUTH": b"454 4.7.0 later\r\n"}),
    auth("5xx", DEFERRED, "login refused (PLAIN): 535 5.7.8 no", {"AUTH": b"535 5.7.8 no\r\n"}),
    auth("421", DEFERRED, ENDS, {"AUTH": then_drop(b"421 no\r\n")}),
    auth("a challenge that is none", DEFERRED, WRONG_KIND, {"AUTH": b"334 ?\r\n"}),
    auth("garbage", DEFERRED, NOT_SMTP, {"AUTH": b"welcome\r\n"}),
    auth("drop", DEFERRED, CLOSED, {"AUTH": drop}),
    auth("hang", DEFERRED, "time-out waiting for the reply to AUTH", {"AUTH": silent}),
    auth("offered no more", DEFERRED, "no way to log in: the server offers AUTH GSSAPI",
         {"EHLO": [OFFERS_TLS, b"250-x\r\n250 AUTH GSSAPI\r\n"]}),
    auth("a challenge without end", DEFERRED, NOT_SMTP, {"AUTH": b"334 " + 3000 * b"A" + b"\r\n"}),
    auth("an impostor says 235", DEFERRED, "never proved to know the password",
         {**OFFERS_SCRAM, "AUTH": b"235 welcome\r\n"}),
    auth("somebody else's nonce", DEFERRED, "a nonce that is not ours",
         {**OFFERS_SCRAM, "AUTH": b"334 cj14eSxzPWMyRnNkQT09LGk9NDA5Ng==\r\n"}),
    auth("SCRAM is not known after all", DEFERRED, "login refused (SCRAM-SHA-256): 504 what",
         {**OFFERS_SCRAM, "AUTH": b"504 what\r\n"}),
    auth("drop behind CRAM-MD5's challenge", DEFERRED, "connection ",
         {"EHLO": [OFFERS_TLS, b"250-x\r\n250 AUTH CRAM-MD5\r\n"],
          "AUTH": then_drop(b"334 PDFAeD4=\r\n")}),
]

# --- transactions ---

GOOD_AND_BAD = {"u1": DELIVERED, "u2": BOUNCED, "u3": DELIVERED}
MAIL = [
    row("552 5.3.4 to MAIL", BOUNCED, "552 5.3.4 too big", {"MAIL": b"552 5.3.4 too big\r\n"}, "5.3.4"),
    row("552 5.3.4 to RCPT", BOUNCED, "552 5.3.4 too big", {"RCPT": b"552 5.3.4 too big\r\n"}, "5.3.4"),
    row("552 to RCPT may mean too many", DEFERRED, "552 enough", {"RCPT": b"552 enough\r\n"}),
    row("552 5.3.4 to the dot", BOUNCED, "552 5.3.4 too big", {"dot": b"552 5.3.4 too big\r\n"}, "5.3.4"),
    row("the second of RCPT: 550", None, "550 5.1.1 no", {"RCPT": [b"250 ok\r\n", b"550 5.1.1 no\r\n"]},
        "5.1.1", users=GOOD_AND_BAD),
    row("the second of RCPT: 550, without PIPELINING", None, "550 5.1.1 no",
        {"EHLO": without(b"PIPELINING"), "RCPT": [b"250 ok\r\n", b"550 5.1.1 no\r\n"]}, "5.1.1",
        users=GOOD_AND_BAD),
    row("each of RCPT another", None, "",
        {"RCPT": [b"550 5.1.1 no\r\n", b"450 4.2.1 later\r\n", b"251 forwarded\r\n"]}, "5.1.1",
        users={"u1": BOUNCED, "u2": DEFERRED, "u3": DELIVERED}),
    row("a refused RCPT, then a refused dot", None, "",
        {"RCPT": [b"550 5.1.1 no\r\n"], "dot": b"451 later\r\n"}, "5.1.1",
        users={"u1": BOUNCED, "u2": DEFERRED}),
    row("a refused RCPT, then a lost dot", None, "", {"RCPT": [b"550 5.1.1 no\r\n"], "dot": drop},
        "5.1.1", users={"u1": BOUNCED, "u2": UNSURE}),
    row("all RCPT refused, DATA taken", BOUNCED, "550 5.1.1 no",
        {"RCPT": b"550 5.1.1 no\r\n", "DATA": b"354 go\r\n"}, "5.1.1"),
    row("MAIL refused, the rest taken", BOUNCED, "550 5.7.1 no",
        {"MAIL": b"550 5.7.1 no\r\n", "RCPT": b"250 ok\r\n", "DATA": b"354 go\r\n"}, "5.7.1"),
    row("all RCPT put off, DATA taken", DEFERRED, "450 4.2.1 later",
        {"RCPT": b"450 4.2.1 later\r\n", "DATA": b"354 go\r\n"}),
    row("too many replies", DEFERRED, "", {"RCPT": b"250 ok\r\n250 extra\r\n"}),
    row("too few replies", DEFERRED, WRONG_KIND, {"RCPT": b""}),
    row("too few replies at the end", DEFERRED, "time-out waiting for the reply to DATA", {"DATA": b""}),
    row("replies to the whole group at once", DELIVERED, "",
        {"MAIL": b"", "RCPT": b"", "DATA": b"250 ok\r\n250 ok\r\n354 go\r\n"}),
    row("221 to RCPT, and gone", DEFERRED, CLOSED, {"RCPT": then_drop(b"221 bye\r\n")}),
    row("221 to MAIL, and gone", DEFERRED, CLOSED, {"MAIL": then_drop(b"221 bye\r\n")}),
    row("two replies to the dot", DELIVERED, "", {"dot": b"250 ok\r\n550 no\r\n"}),
    row("250 to the dot, and a reset", DELIVERED, "", {"dot": then_reset(b"250 ok\r\n")}),
    row("250 to the dot, and gone", DELIVERED, "", {"dot": then_drop(b"250 ok\r\n")}),
    row("250 with a code of 5 to the dot", DELIVERED, "", {"dot": b"250 5.0.0 ok\r\n"}),
    row("binary refusal", BOUNCED, "550 5.1.1 ???[31m\"\\?",
        {"RCPT": b"550 5.1.1 \0\x80\x1b[31m\"\\\xff\r\n"}, "5.1.1"),
    row("binary delay", DEFERRED, "450 4.2.1 ??[2J", {"RCPT": b"450 4.2.1 \0\x1b[2J\x9b\r\n"}),
    row("binary delivery", DELIVERED, "250 ??[2J", {"dot": b"250 \0\x1b[2J\x9b\r\n"}),
    row("a refusal of 60 long lines", BOUNCED, "554 n", {"MAIL": b"554-" + b"n" * 900 + b"\r\n" +
        (b"554-" + b"m" * 900 + b"\r\n") * 58 + b"554 end\r\n"}, "5.0.0"),
    row("never reads the body", DEFERRED, "time-out sending the body", {"middle": deaf}, big=True),
    row("leaves within the body", DEFERRED, "", {"middle": drop}, big=True),
    row("250 within the body", DEFERRED, "in the middle of the body",
        {"middle": then_silent(b"250 early\r\n")}, big=True),
    row("552 within the body", BOUNCED, "552 5.3.4 enough",
        {"middle": then_silent(b"552 5.3.4 enough\r\n")}, "5.3.4", big=True),
    row("421 within the body", DEFERRED, ENDS, {"middle": then_silent(b"421 going\r\n")}, big=True),
    row("5xx to QUIT", DELIVERED, "", {"QUIT": b"500 what\r\n"}),
    row("hangs at QUIT", DELIVERED, "", {"QUIT": silent}),
    row("never closes after QUIT", DELIVERED, "", {"QUIT": then_silent(b"221 bye\r\n")}),
]

# --- the second message on a connection: the first is done with, whatever comes ---

def again(name, script, second=DELIVERED, sessions=2, says=""):
    return row("second: " + name, None, says, script, users={"u1": DELIVERED, "u2": second},
               sessions=sessions, apart=True)


def of_each_second_command():
    for verb, good in (("MAIL", b"250 ok\r\n"), ("RCPT", b"250 ok\r\n"), ("DATA", b"354 go\r\n")):
        for name, said in (("drop", drop), ("421", b"421 idle\r\n"), ("garbage", b"what\r\n"),
                           ("hang", silent), ("reset", then_reset(b""))):
            yield again(f"{verb}: {name}", {verb: [good, said]})
        yield again(f"{verb}: 4xx", {verb: [good, b"451 no\r\n"]}, DEFERRED, 1, "451 no")


SECOND = [
    *of_each_second_command(),
    again("none, it is gone", {"dot": [then_drop(b"250 ok\r\n")]}),
    again("none, it was reset", {"dot": [then_reset(b"250 ok\r\n")]}),
    again("none, 421 behind the 250", {"dot": [b"250 ok\r\n421 idle\r\n"]}),
    again("none, 550 behind the 250", {"dot": [b"250 ok\r\n550 no\r\n"]}),
    again("none, 250 behind the 250", {"dot": [b"250 ok\r\n250 ok\r\n"]}),
    again("the dot: 4xx", {"dot": [b"250 ok\r\n", b"451 no\r\n"]}, DEFERRED, 1, "451 no"),
    again("the dot: drop", {"dot": [b"250 ok\r\n", drop]}, UNSURE, 1),
    again("the dot: garbage", {"dot": [b"250 ok\r\n", b"what\r\n"]}, UNSURE, 1),
    # The first was refused and its transaction is still open.
    *(row(f"second: RSET: {name}", None, "", {"RCPT": [b"550 5.1.1 no\r\n"], "RSET": said}, "5.1.1",
          users={"u1": BOUNCED, "u2": BOUNCED}, sessions=2, apart=True)
      for name, said in (("5xx", b"500 what\r\n"), ("4xx", b"450 no\r\n"), ("drop", drop),
                         ("hang", silent), ("354", b"354 go\r\n"))),
    row("second: RSET: 250", None, "", {"RCPT": [b"550 5.1.1 no\r\n"]}, "5.1.1",
        users={"u1": BOUNCED, "u2": DELIVERED}, apart=True),
]

# --- a text as one chunk, where CHUNKING is offered ---

def chunk(name, fate, says, said, status=None, sessions=1, **script):
    return row("chunk: " + name, fate, says, {"EHLO": CHUNKS, "chunk": said, **script}, status,
               sessions=sessions)


def again_in_chunks(name, script, second=DELIVERED, sessions=2, says=""):
    return again("chunk: " + name, {"EHLO": CHUNKS, **script}, second, sessions, says)


CHUNK = [
    chunk("fine", DELIVERED, "", b"250 ok\r\n"),
    chunk("many lines", DELIVERED, "", b"250-a\r\n" * 20 + b"250 c\r\n"),
    chunk("one byte at a time", DELIVERED, "", one_by_one(b"250 ok\r\n")),
    chunk("4xx", DEFERRED, "451 4.3.0 not now", b"451 4.3.0 not now\r\n"),
    chunk("5xx", BOUNCED, "554 5.7.1 never", b"554 5.7.1 never\r\n", "5.7.1"),
    chunk("421", DEFERRED, ENDS, then_drop(b"421 4.3.2 going\r\n")),
    chunk("other kind", UNSURE, "not a reply to the final dot", b"354 go\r\n"),
    chunk("no SMTP", UNSURE, NOT_SMTP, b"fine with me\r\n"),
    chunk("two codes in one reply", UNSURE, NOT_SMTP, b"250-a\r\n550 b\r\n"),
    chunk("drop", UNSURE, CLOSED, drop),
    chunk("drop within the reply", UNSURE, CLOSED, then_drop(b"250-o")),
    chunk("reset", UNSURE, "", then_reset(b"")),
    chunk("hang", UNSURE, "time-out waiting for the reply to the final dot", silent),
    # It offers what it does not know: the same host has it by DATA, in the same attempt.
    *(chunk(f"refused as a command: {code.decode()}", DELIVERED, "", code + b" 5.5.1 what\r\n",
            sessions=2) for code in (b"500", b"501", b"502", b"503", b"504")),
    chunk("refused as a command, and gone", DELIVERED, "", then_drop(b"502 what\r\n"), sessions=2),
    chunk("its bytes are read as commands", DELIVERED, "", b"", BDAT=b"500 what\r\n", sessions=2),
    chunk("its bytes are read, and nothing is said", UNSURE, "", b"", BDAT=silent),
    chunk("nobody takes it", BOUNCED, "550 5.1.1 no", b"250 ok\r\n", "5.1.1",
          RCPT=b"550 5.1.1 no\r\n"),
    again_in_chunks("fine", {}, sessions=1),
    again_in_chunks("drop", {"chunk": [b"250 ok\r\n", drop]}, UNSURE, 1),
    again_in_chunks("hang", {"chunk": [b"250 ok\r\n", silent]}, UNSURE, 1),
    again_in_chunks("4xx", {"chunk": [b"250 ok\r\n", b"451 no\r\n"]}, DEFERRED, 1, "451 no"),
    again_in_chunks("421 to MAIL", {"MAIL": [b"250 ok\r\n", then_drop(b"421 bye\r\n")]}),
    again_in_chunks("4xx to MAIL", {"MAIL": [b"250 ok\r\n", b"451 no\r\n"]}, DEFERRED, 1, "451 no"),
    again_in_chunks("4xx to RCPT", {"RCPT": [b"250 ok\r\n", b"451 no\r\n"]}, DEFERRED, 1, "451 no"),
    *(row(f"second: chunk: RSET: {name}", None, "",
          {"EHLO": CHUNKS, "chunk": [b"554 5.7.1 no\r\n"], "RSET": said}, "5.7.1",
          users={"u1": BOUNCED, "u2": BOUNCED}, sessions=2, apart=True)
      for name, said in (("5xx", b"500 what\r\n"), ("drop", drop), ("354", b"354 go\r\n"))),
    row("second: chunk: RSET: 250", None, "", {"EHLO": CHUNKS, "chunk": [b"554 5.7.1 no\r\n"]},
        "5.7.1", users={"u1": BOUNCED, "u2": DELIVERED}, apart=True),
]

# --- more recipients than it takes at once ---

def several(name, script, third=DELIVERED, sessions=1, says="", status=None):
    return row("recipients: " + name, None, says, script, status,
               users={"u1": DELIVERED, "u2": DELIVERED, "u3": third}, sessions=sessions)


SEVERAL = [
    *(several(f"{said.decode()}, then the next transaction", {"RCPT": [ok, ok, said + b"\r\n"]})
      for ok in (b"250 ok\r\n",) for said in (
          b"452 4.5.3 too many", b"452 too many", b"552 too many", b"552 5.5.3 too many",
          b"550 5.5.3 too many", b"451 4.5.3 too many")),
    several("452 each time", {"RCPT": [b"250 ok\r\n", b"452 4.5.3 no\r\n", b"452 4.5.3 no\r\n"]}),
    several("452 is of the mailbox", {"RCPT": [b"250 ok\r\n"] * 2 + [b"452 4.2.2 full\r\n"]},
            DEFERRED, says="452 4.2.2 full"),
    several("552 is of the mailbox", {"RCPT": [b"250 ok\r\n"] * 2 + [b"552 5.2.3 large\r\n"]},
            BOUNCED, status="5.2.3"),
    row("recipients: 452 to the first", DEFERRED, "452 4.5.3 no", {"RCPT": b"452 4.5.3 no\r\n"}),
    several("RCPTMAX 1", {"EHLO": b"250-x\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=1\r\n"}),
    several("RCPTMAX 2, MAILMAX 1", {"EHLO": b"250-x\r\n250 LIMITS RCPTMAX=2 MAILMAX=1\r\n"},
            sessions=2),
    several("LIMITS of nonsense",
            {"EHLO": b"250-x\r\n250-LIMITS\r\n250-LIMITS =\r\n250 LIMITS RCPTMAX=0 MAILMAX=-1 "
                     b"RCPTMAX= RCPTDOMAINMAX=x " + b"Y" * 500 + b"\r\n"}),
    several("421 in the second transaction",
            {"EHLO": b"250-x\r\n250 LIMITS RCPTMAX=2\r\n",
             "MAIL": [b"250 ok\r\n", then_drop(b"421 enough\r\n")]}, sessions=2),
    several("drop in the second transaction",
            {"EHLO": b"250-x\r\n250 LIMITS RCPTMAX=2\r\n", "DATA": [b"354 go\r\n", drop]},
            sessions=2),
    several("the second dot is lost",
            {"EHLO": b"250-x\r\n250 LIMITS RCPTMAX=2\r\n", "dot": [b"250 ok\r\n", drop]}, UNSURE),
]

# --- two hosts: who is asked next ---

NEXT = [
    row("next host: greeting 4xx", DELIVERED, "", {"greet": b"450 busy\r\n"}, next=["u"]),
    row("next host: greeting 5xx", DELIVERED, "", {"greet": b"554 no\r\n"}, next=["u"]),
    row("next host: garbage", DELIVERED, "", {"greet": b"hello\r\n"}, next=["u"]),
    row("next host: silence", DELIVERED, "", {"greet": silent}, next=["u"]),
    row("next host: EHLO and HELO refused", DELIVERED, "",
        {"EHLO": b"502 no\r\n", "HELO": b"502 no\r\n"}, next=["u"]),
    row("next host: drop at EHLO", DELIVERED, "", {"EHLO": drop}, next=["u"]),
    row("next host: drop at MAIL", DELIVERED, "", {"MAIL": drop}, next=["u"]),
    row("next host: drop at RCPT", DELIVERED, "", {"RCPT": drop}, next=["u"]),
    row("next host: drop at DATA", DELIVERED, "", {"DATA": drop}, next=["u"]),
    row("next host: garbage at DATA", DELIVERED, "", {"DATA": b"what\r\n"}, next=["u"]),
    row("next host: 421 to MAIL", DELIVERED, "", {"MAIL": b"421 no\r\n"}, next=["u"]),
    row("next host: 421 to RCPT", DELIVERED, "", {"RCPT": b"421 no\r\n"}, next=["u"]),
    row("next host: 421 to DATA", DELIVERED, "", {"DATA": b"421 no\r\n"}, next=["u"]),
    row("next host: 421 to the dot", DELIVERED, "", {"dot": b"421 no\r\n"}, next=["u"]),
    row("next host: who was not decided", None, "", {"RCPT": [b"550 5.1.1 no\r\n"], "DATA": drop},
        "5.1.1", users={"u1": BOUNCED, "u2": DELIVERED}, next=["u2"]),
    row("not the next host: 4xx to MAIL", DEFERRED, "451 no", {"MAIL": b"451 no\r\n"}, next=[]),
    row("not the next host: 4xx to RCPT", DEFERRED, "451 no", {"RCPT": b"451 no\r\n"}, next=[]),
    row("not the next host: 4xx to the dot", DEFERRED, "451 no", {"dot": b"451 no\r\n"}, next=[]),
    row("not the next host: 5xx to RCPT", BOUNCED, "550 no", {"RCPT": b"550 no\r\n"}, "5.0.0", next=[]),
    row("not the next host: the dot was lost", UNSURE, "", {"dot": drop}, next=[]),
    row("not the next host: no reply to the dot", UNSURE, "", {"dot": silent}, next=[]),
]

ROWS = [*of_each_command(), *HOST, *TLS, *AUTH, *MAIL, *SECOND, *CHUNK, *SEVERAL, *NEXT]
SMALL = "Subject: %s\r\n\r\n.dot\r\n" + ("q" * 60 + "\r\n") * 20
BIG = "Subject: %s\r\n\r\n" + ("w" * 70 + "\r\n") * 150000
CONTROL = re.compile(r"[^\t\n\r -~]")


class Scene:
    """All rows at once: their names, their servers, the mail to each."""

    def __init__(self, relay, names, certs, port):
        self.relay, self.certs, self.hosts, self.nexts = relay, certs, [], []
        for i, r in enumerate(ROWS):
            names.zone[(f"h{i}.example.", "MX")] = [(60, "IN", f"10 mx.h{i}.example.")]
            names.zone[(f"mx.h{i}.example.", "A")] = [(60, "IN", self.address(i, 1))]
            if r.next is not None:
                names.zone[(f"h{i}.example.", "MX")].append((60, "IN", f"20 mx2.h{i}.example."))
                names.zone[(f"mx2.h{i}.example.", "A")] = [(60, "IN", self.address(i, 2))]
            if r.route:
                hosts = {"hosts": [f"mx.h{i}.example:{port}"]} if "auth" in r.route else {}
                relay.add("route", recipients=[f"*@h{i}.example"], **hosts, **r.route)
            context = self.context(i, r.leaf) if r.leaf else None
            self.hosts.append(Host(self.address(i, 1), port, r.script, context, r.big))
            self.nexts.append(Host(self.address(i, 2), port, {}) if r.next is not None else None)

    @staticmethod
    def address(i, n):
        return f"127.5.{i % 200}.{i // 200 * 10 + n}"

    def context(self, i, leaf):
        if leaf == "wrong-name":
            return self.certs.server_context(leaf)
        name = f"h{i}-{leaf}"
        self.certs.leaf(name, f"mx.h{i}.example", days=-1 if leaf == "expired" else 3650,
                        authority="stranger" if leaf == "unknown" else "ca")
        return self.certs.server_context(name)

    def heal(self):
        for i, r in enumerate(ROWS):
            self.hosts[i].heal(OFFERS_AUTH if r.route == LOG_IN else {},
                               self.context(i, "good") if r.route else None)

    def send(self):
        with self.relay.client() as client:
            for i, r in enumerate(ROWS):
                for users in [[u] for u in r.users] if r.apart else [r.users]:
                    client.sendmail("a@sender.example", [f"{u}@h{i}.example" for u in users],
                                    (BIG if r.big else SMALL) % i)

    def told(self):
        """{(row, user): [event, ...]} of the log, an event with its word."""
        told = collections.defaultdict(list)
        for word in FATES:
            for event in self.relay.events(word):
                user, _, domain = event["to"].partition("@")
                if re.fullmatch(r"h\d+\.example", domain):
                    told[int(domain[1:].partition(".")[0]), user].append((word, event))
        return told

    def is_decided(self):
        return len(self.told()) == sum(len(r.users) for r in ROWS)

    def flaws(self):
        """What is not as its row has it."""
        told = self.told()
        for i, r in enumerate(ROWS):
            events = {u: told[i, u] for u in r.users}
            fates = {u: [word for word, _ in e] for u, e in events.items()}
            if fates != {u: [fate] for u, fate in r.users.items()}:
                yield r.name, fates, [e for e in events.values()]
                continue
            for u, [(word, event)] in events.items():
                if word == BOUNCED and event["status"] != r.status:
                    yield r.name, event["status"]
            replies = [event["reply"] for [(_, event)] in events.values()]
            if not any(r.says in reply for reply in replies):
                yield r.name, replies
            if self.hosts[i].sessions != r.sessions:
                yield r.name, f"{self.hosts[i].sessions} sessions"
            if r.next is not None:
                got = [u.partition("@")[0] for users, _ in self.nexts[i].taken for u in users]
                if got != r.next or self.nexts[i].sessions != bool(r.next):
                    yield r.name, f"the next host got {got}"
            yield from ((r.name, wrong) for wrong in self.hosts[i].wrong)

    def arrivals(self, i):
        """How often the message of a row came to each user, and whether always whole."""
        count, r = collections.Counter(), ROWS[i]
        body = ((BIG if r.big else SMALL) % i).replace("\r\n.", "\r\n..").encode() + b".\r\n"
        for host in filter(None, (self.hosts[i], self.nexts[i])):
            for users, got in host.taken:
                # What nobody gets is empty (RFC 2920 section 3.1).
                assert got.endswith(body) if users else got == b".\r\n", (r.name, got[-200:])
                count.update(u.partition("@")[0] for u in users)
        return {u: count[u] for u in r.users}

    def close(self):
        for host in filter(None, self.hosts + self.nexts):
            host.close()


def peak_kib(relay):
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s*(\d+)", f.read()).group(1))


def nothing_to_fear(relay, sender):
    """Nobody's terminal is written to by a remote server's words."""
    for text in (relay.log(), relay.command("queue", "list"),
                 relay.command("queue", "show", *[m["id"] for m in relay.queue()]),
                 relay.command("status"), relay.get("/metrics"),
                 *[relay.command("why", f"u@h{i}.example")
                   for i, r in enumerate(ROWS) if r.name.startswith("binary")],
                 *[m.data.decode("latin-1") for m in sender.messages]):
        assert not CONTROL.search(text), CONTROL.search(text)


def test_hostile_servers(new_relay, moody_dns, certs, mx_port, new_receiver, sender):
    assert len(ROWS) > 200 and len({r.name for r in ROWS}) == len(ROWS)
    names, sink = moody_dns(), new_receiver()
    relay = new_relay(dns=names)
    relay.set("delivery", greeting_timeout="2s", command_timeout="2s", data_timeout="2s",
              final_timeout="2s", max_connections_per_destination=1)
    relay.set("retry", first="1h", max="2h")
    scene = Scene(relay, names, certs, mx_port)
    try:
        relay.start()
        scene.send()
        relay.send("a@sender.example", ["b@sink.example"], SMALL % "well")
        wait_for(sink.count, 5)  # whatever the others are doing
        wait_for(scene.is_decided, 20)
        flaws = list(scene.flaws())
        assert not flaws, "\n".join(map(str, flaws))
        bounces = sum(sum(fate == BOUNCED for fate in r.users.values()) if r.apart else
                      BOUNCED in r.users.values() for r in ROWS)
        wait_for(lambda: sender.count() == bounces)
        nothing_to_fear(relay, sender)
        statuses = collections.Counter(
            part["Status"] for m in sender.messages for part in reports_in(m))
        assert statuses == collections.Counter(
            r.status for r in ROWS for fate in r.users.values() if fate == BOUNCED)

        scene.heal()
        relay.word("flush")
        relay.wait_empty(15)
        for i, r in enumerate(ROWS):
            for user, times in scene.arrivals(i).items():
                fate = r.users[user]
                most = 2 if fate == UNSURE else 1
                assert (times == 0) if fate == BOUNCED else (1 <= times <= most), (r.name, user, times)
        wait_for(lambda: relay.stats()["connections"]["out"] == 0, 20)
        assert all("QUIT" in scene.hosts[i].verbs() for i, r in enumerate(ROWS) if "QUIT" in r.name)
        relay.send("a@sender.example", ["c@sink.example"], SMALL % "still well")
        wait_for(lambda: sink.count() == 2)
        assert relay.totals()["deferred"] == sum(
            fate == DEFERRED for r in ROWS for fate in r.users.values())
        print(f"at most {peak_kib(relay)} KiB")
        if "asan" not in os.path.realpath(f"/proc/{relay.process.pid}/exe"):
            assert peak_kib(relay) < MEMORY_MAX_KIB
    finally:
        scene.close()


def reports_in(message):
    _, status, *_ = parsed(message.data).iter_parts()
    return status.get_payload()[1:]
