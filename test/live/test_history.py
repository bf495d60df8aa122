"""What is remembered of finished messages, and how `outpost why` tells it."""
import json
import os
import re
import socket
import subprocess

from relay import wait_for

MESSAGE_ID = "<first@sender.example>"


def message(message_id=MESSAGE_ID, subject="x"):
    return f"Message-ID: {message_id}\r\nSubject: {subject}\r\n\r\nhello\r\n"


def why(relay, query, *more):
    return json.loads(relay.command("why", query, "--json", *more))


def finished(relay, query, *more):
    """It is known a moment after the queue has forgotten the message."""
    def look():
        try:
            return why(relay, query, *more)["finished"]
        except AssertionError:
            return []
    return wait_for(look)


def accepted_id(relay, n=0):
    return relay.events("accepted")[n]["msg"]


def test_a_delivered_message_is_found(relay, sink):
    relay.start()
    relay.send("Anna@sender.example", "x@sink.example", message())
    relay.wait_empty()
    wait_for(lambda: relay.stats()["totals"]["completed"] == 1)
    msg = accepted_id(relay)
    ways = (msg, "x@sink.example", "X@SINK.example", "anna@SENDER.example", MESSAGE_ID, MESSAGE_ID[1:-1])
    for query in ways:
        [found] = finished(relay, query)
        assert found["id"] == msg, query
    assert found["from"] == "Anna@sender.example" and found["message_id"] == MESSAGE_ID
    assert found["recipients"] == 1 and not found["is_report"] and found["bytes"] > 30
    assert found["client"] and found["accepted"] <= found["finished"] and found["delay_s"] >= 0
    [to] = found["to"]
    assert to["address"] == "x@sink.example" and to["state"] == "delivered"
    assert to["host"] == "mx.sink.example" and to["ip"] == "127.0.2.1"
    assert to["attempts"] == 1 and to["reply"].startswith("250")
    assert relay.get(f"/history/{msg}") == found
    text = relay.command("why", "x@sink.example")
    for part in (f"message   {msg}, delivered", "from      <Anna@sender.example>", MESSAGE_ID,
                 "to        <x@sink.example>", "mx.sink.example [127.0.2.1]", to["reply"]):
        assert part in text, text
    assert relay.get(f"/history/{msg}?format=text") == text


def test_what_nobody_knows(relay, sink):
    relay.start()
    for query in ("nobody@sink.example", "0123456789abc", "<no@such>", "nonsense"):
        assert "nothing is known of" in relay.command("why", query, status=1)
    assert relay.http("GET", "/why")[0] == 400
    assert relay.http("GET", "/why?q=%20")[0] == 400
    assert relay.http("GET", "/why?q=a@b&limit=x")[0] == 400
    assert relay.http("GET", "/history/0123456789abc")[0] == 404
    assert relay.http("GET", "/history/nonsense")[0] == 400
    relay.command("why", status=2)
    relay.command("why", "a@b", "--limit", "0", status=2)


def test_every_fate_with_the_remote_s_words(relay, sink, sender, new_receiver):
    moody = new_receiver("mx.moody.example", rcpt=lambda s, a: refusal(a))
    relay.set("queue", lifetime="3s", warn_after="0s").start()
    relay.send("a@sender.example",
               ["good@sink.example", "bad@moody.example", "late@moody.example"], message())
    relay.send("b@sender.example", "removed@moody.example", message("<two@x>"))
    wait_for(lambda: len(relay.events("deferred")) >= 2)
    second = accepted_id(relay, 1)
    relay.command("queue", "delete", second)
    relay.wait_empty(20)
    [found] = finished(relay, MESSAGE_ID)
    to = {r["address"]: r for r in found["to"]}
    assert to["good@sink.example"]["state"] == "delivered"
    bad, late = to["bad@moody.example"], to["late@moody.example"]
    assert bad["state"] == "bounced" and bad["reply"] == "550 5.1.1 no bad here"
    assert bad["host"] == "mx.moody.example" and bad["ip"]
    assert late["state"] == "expired" and late["attempts"] > 1 and late["delay_s"] > 2
    assert "451 4.2.0 later" in late["reply"]
    text = relay.command("why", "late@moody.example")
    assert "1 delivered, 1 bounced, 1 expired" in text and "said by mx.moody.example" in text
    [removed] = finished(relay, "removed@moody.example")
    assert removed["id"] == second and removed["to"][0]["state"] == "removed"
    assert "operator" in removed["to"][0]["reply"]
    reports = [m for m in finished(relay, "a@sender.example") if m["is_report"]]
    assert len(reports) == 2 and all(m["from"] == "" for m in reports)
    assert moody.count() == 0


def refusal(address):
    return "550 5.1.1 no bad here" if "bad" in address else "451 4.2.0 later"


def test_live_ones_too(relay, sink):
    relay.start()
    relay.send("a@sender.example", "x@sink.example", message("<done@x>"))
    relay.wait_empty()
    relay.post("/pause?all=1")
    relay.send("a@sender.example", ["x@sink.example", "y@sink.example"], message())
    done, live = accepted_id(relay, 0), accepted_id(relay, 1)
    story = why(relay, "a@sender.example")
    assert [m["id"] for m in story["live"]] == [live]
    assert [m["id"] for m in story["finished"]] == [done]
    assert story["query"] == "a@sender.example" and story["is_complete"] and not story["has_more"]
    assert story["live"][0]["to"][0]["state"] == "paused"
    for query in (live, MESSAGE_ID, "Y@sink.example"):
        story = why(relay, query)
        assert [m["id"] for m in story["live"]] == [live] and not story["finished"], query
    text = relay.command("why", "x@sink.example")
    assert text.index(live) < text.index(done) and "paused" in text
    relay.post("/resume?all=1")
    relay.wait_empty()
    wait_for(lambda: len(finished(relay, "a@sender.example")) == 2)
    assert [m["id"] for m in finished(relay, "a@sender.example")] == [live, done]


def test_found_though_its_body_was_never_at_hand(relay, sink):
    relay.start()
    relay.post("/pause?all=1")
    relay.send("a@sender.example", "x@sink.example", message())
    assert relay.stop() == 0
    relay.start()
    msg = relay.queue()[0]["id"]
    assert [m["id"] for m in why(relay, MESSAGE_ID)["live"]] == [msg]
    relay.command("queue", "delete", msg)
    relay.wait_empty()
    [found] = wait_for(lambda: finished(relay, MESSAGE_ID))
    assert found["id"] == msg and found["to"][0]["state"] == "removed" and found["message_id"] == ""


def test_many_are_limited_newest_first(relay, sink):
    relay.start()
    with relay.client() as client:
        for n in range(60):
            client.sendmail("a@sender.example", [f"x{n}@sink.example"], message(f"<{n}@x>"))
    relay.wait_empty()
    wait_for(lambda: relay.totals()["completed"] == 60)
    story = why(relay, "a@sender.example", "--limit", "7")
    assert len(story["finished"]) == 7 and story["has_more"]
    assert "59@x" in json.dumps(story) or "58@x" in json.dumps(story)
    assert len(finished(relay, "a@sender.example")) == 20
    assert len(finished(relay, "a@sender.example", "--limit", "1000")) == 60
    assert "more than 7" in relay.command("why", "a@sender.example", "--limit", "7")
    assert len(finished(relay, "x31@sink.example")) == 1


def test_remembered_across_restarts(relay, sink):
    relay.start()
    relay.send("a@sender.example", "x@sink.example", message("<one@x>"))
    relay.wait_empty()
    wait_for(lambda: relay.totals()["completed"] == 1)
    assert relay.stop() == 0
    relay.start()
    assert len(finished(relay, "<one@x>")) == 1
    relay.send("a@sender.example", "x@sink.example", message("<two@x>"))
    relay.wait_empty()
    wait_for(lambda: relay.stats()["history"]["records"] == 1)
    relay.kill()
    relay.start()
    assert len(finished(relay, "<two@x>")) == 1
    assert len(finished(relay, "a@sender.example")) == 2, "told twice, or forgotten"
    assert relay.stop() == 0
    relay.start()
    assert len(finished(relay, "a@sender.example")) == 2
    assert not relay.events("warning")


def test_killed_under_load(relay, sink):
    """The last second may be missing, and nothing else; what is there is whole."""
    relay.start()
    for _ in range(3):
        with relay.client() as client:
            for n in range(150):
                client.sendmail("a@sender.example", [f"x{n}@sink.example"], message(f"<{n}@x>"))
        wait_for(lambda: relay.stats()["history"]["records"] > 0)
        kept = relay.stats()["history"]["records"]
        before = len(finished(relay, "a@sender.example", "--limit", "1000"))
        assert before >= kept
        relay.send("a@sender.example", "y@sink.example", message("<in the air@x>"))
        relay.kill()
        relay.start()
        story = why(relay, "a@sender.example", "--limit", "1000")
        assert len(story["finished"]) + len(story["live"]) >= before and story["is_complete"]
    relay.wait_empty()
    assert not relay.events("warning")


def test_killed_the_moment_it_was_delivered(relay, sink):
    """What the history had no time to write, the journal knows."""
    relay.start()
    for n in range(5):
        relay.send("a@sender.example", "x@sink.example", message(f"<{n}@x>"))
        relay.wait_event("completed", msg=accepted_id(relay, n))
        relay.kill()
        relay.start()
        relay.wait_empty()
        wait_for(lambda: len(finished(relay, "a@sender.example")) == n + 1)
        assert len(finished(relay, f"<{n}@x>")) == 1
    assert relay.stop() == 0
    relay.start()
    records = relay.stats()["history"]["records"]
    assert records == 0, "an orderly restart tells nothing again"


def test_the_impatient(relay, sink):
    """Clients that ask and go, and more of them than are answered at once."""
    relay.start()
    relay.send("a@sender.example", "x@sink.example", message())
    relay.wait_empty()
    for _ in range(3):
        sockets = [socket.socket(socket.AF_UNIX) for _ in range(40)]
        for n, s in enumerate(sockets):
            s.connect(relay.socket)
            s.sendall(b"GET /why?q=x@sink.example HTTP/1.1\r\n\r\n" * (1 + n % 3))
        for s in sockets:
            s.close()
    wait_for(lambda: relay.http("GET", "/why?q=x@sink.example")[0] == 200)  # 503 for a moment
    assert len(finished(relay, "x@sink.example")) == 1


def test_redaction(relay, sink, new_receiver):
    new_receiver("mx.moody.example", rcpt=lambda s, a: f"550 5.1.1 <{a}>: no secret-name here")
    relay.set("queue", history_redact="local-part").start()
    relay.send("anna@sender.example", ["secret-name@moody.example", "bob@sink.example"], message())
    relay.wait_event("bounced")
    wait_for(lambda: finished(relay, MESSAGE_ID), 20)
    found = [m for m in finished(relay, "secret-name@moody.example") if not m["is_report"]]
    assert found[0]["from"] == "a***@sender.example"
    assert {r["address"] for r in found[0]["to"]} == {"s***@moody.example", "b***@sink.example"}
    assert finished(relay, "ANNA@sender.example")
    assert "nothing is known" in relay.command("why", "s***@moody.example", status=1)
    wait_for(lambda: relay.stats()["history"]["records"] >= 1)
    stored = b"".join(contents(relay))
    for name in (b"secret-name", b"anna", b"bob@"):
        assert name not in stored
    assert b"s***@moody.example" in stored
    relay.set("queue", history_redact="all").reload()
    relay.wait_event("reloaded")
    relay.send("anna@sender.example", "carl@sink.example", message("<all@x>"))
    wait_for(lambda: relay.command("why", "carl@sink.example", "--json"), 5)
    wait_for(lambda: finished(relay, "carl@sink.example"))
    [found] = finished(relay, "carl@sink.example")
    assert found["from"] == "***" and found["to"][0]["address"] == "***"


def history_files(relay):
    folder = os.path.join(relay.folder, "state", "history")
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))] \
        if os.path.isdir(folder) else []


def contents(relay):
    for path in history_files(relay):
        with open(path, "rb") as f:
            yield f.read()


def test_size_is_kept(relay, sink):
    relay.set("queue", history_max_size="1MiB").set("submission", max_recipients=2000).start()
    to = [f"a-rather-long-name-of-a-recipient-{n}@sink.example" for n in range(400)]
    for n in range(40):
        relay.send(f"s{n}@sender.example", to, message(f"<{n}@x>"))
    relay.wait_empty(60)
    wait_for(lambda: relay.totals()["completed"] == 40)
    wait_for(lambda: relay.stats()["history"]["files"] > 1 and
             relay.stats()["history"]["bytes"] <= 1024 * 1024 + 300 * 1024)
    size = sum(os.path.getsize(path) for path in history_files(relay))
    assert size < 1400 * 1024
    assert finished(relay, "<39@x>")
    assert "nothing is known" in relay.command("why", "<0@x>", status=1)
    assert relay.stats()["history"]["lost"] == 0


def test_off(relay, sink):
    relay.set("queue", history="0s").start()
    relay.send("a@sender.example", "x@sink.example", message())
    relay.wait_empty()
    assert "not remembered" in relay.command("why", "x@sink.example", status=1)
    assert not history_files(relay)
    relay.post("/pause?all=1")
    relay.send("a@sender.example", "x@sink.example", message())
    assert len(why(relay, MESSAGE_ID)["live"]) == 1
    relay.set("queue", history="1d").reload()
    relay.wait_event("reloaded")
    wait_for(lambda: history_files(relay))
    relay.post("/resume?all=1")
    relay.wait_empty()
    finished(relay, MESSAGE_ID)
    relay.set("queue", history="0s").reload()
    wait_for(lambda: len(relay.events("reloaded")) == 2)
    wait_for(lambda: len(history_files(relay)) == 1)  # the salt
    assert "not remembered" in relay.command("why", MESSAGE_ID, status=1)


def test_without_a_directory_mail_goes_on(relay, sink):
    state = os.path.join(relay.folder, "state")
    os.makedirs(state)
    with open(os.path.join(state, "history"), "w", encoding="ascii") as f:
        f.write("in the way")
    relay.start()
    relay.wait_event("warning")
    relay.send("a@sender.example", "x@sink.example", message())
    wait_for(sink.count)
    relay.wait_empty()
    wait_for(lambda: relay.stats()["history"]["lost"] == 1)
    assert "cannot be read" in relay.command("why", MESSAGE_ID, status=1)
    assert re.search(r"^outpost_history_failing 1$", relay.get("/metrics"), re.M)
    os.unlink(os.path.join(state, "history"))
    wait_for(lambda: len(relay.events("warning")) == 2)
    relay.send("a@sender.example", "x@sink.example", message("<two@x>"))
    relay.wait_empty()
    wait_for(lambda: finished(relay, "<two@x>"))


def test_by_curl(relay, sink):
    relay.start()
    relay.send("a@sender.example", "x+y@sink.example", message())
    relay.wait_empty()
    wait_for(lambda: relay.totals()["completed"] == 1)
    done = subprocess.run(["curl", "-sS", "--fail", "--unix-socket", relay.socket,
                           "http://outpost/why?q=x%2By@sink.example"], capture_output=True, check=True)
    assert len(json.loads(done.stdout)["finished"]) == 1
