"""The operator's orders: hold, release, retry, bounce, delete, by id and by filter; a message's
body; who may, and what a restart makes of it."""
import json
import os
import re
import socket
import subprocess

import pytest

from relay import BINARY, wait_for
from test_delivery import MESSAGE


def quiet(relay):
    """A relay whose queue stays: nobody takes mail for moody.example, and retries are far away."""
    return relay.set("retry", first="1h", max="1h").start()


def ids(relay, query=""):
    return [m["id"] for m in relay.get("/queue" + query)["messages"]]


def fill(relay, count=4):
    for n in range(count):
        relay.send(f"{'ab'[n % 2]}@sender.example", f"x{n}@moody.example", MESSAGE)
    wait_for(lambda: relay.stats()["queue"]["deferred"] + relay.stats()["queue"]["ready"] == count)
    wait_for(lambda: relay.events("deferred"))
    return ids(relay)


def test_hold_release_by_id_and_restart(relay, new_receiver):
    quiet(relay)
    first, second, third, fourth = fill(relay)
    said = relay.command("queue", "hold", "--reason", "looks odd", first, second)
    assert said.count("is held") == 2
    assert relay.stats()["queue"]["held"] == 2
    assert "outpost_queue_held 2" in relay.word("metrics")
    assert "held" in relay.command("status")
    assert ids(relay, "?state=held") == [first, second]
    assert first in relay.command("queue", "list", "--state", "held")
    shown = json.loads(relay.command("queue", "show", "--json", first))
    assert shown["order"]["is"] == "held" and shown["order"]["who"].startswith(f"uid={os.geteuid()}")
    assert shown["order"]["reason"] == "looks odd" and shown["order"]["since"].endswith("Z")
    assert shown["to"][0]["state"] == "held" and shown["to"][0]["attempts"] >= 0
    text = relay.command("queue", "show", first)
    assert re.search(r"order +held by uid=\d+.* since 20.*: looks odd", text), text
    assert "409" in str(relay.http("POST", f"/queue/{first}/hold")[0])
    assert "is held already" in relay.command("queue", "hold", first, status=1)
    [line] = relay.events("operator", verb="hold", msg=first, count="1")
    assert line["reason"] == "looks odd" and "uid=" in line["who"]
    assert relay.events("held", msg=second)
    relay.kill()
    relay.start()
    assert ids(relay, "?state=held") == [first, second]
    moody = new_receiver("mx.moody.example")
    relay.command("queue", "retry", "--all")
    wait_for(lambda: moody.count() == 2)
    wait_for(lambda: ids(relay) == [first, second])
    assert "release it first" in relay.command("queue", "retry", first, status=1)
    assert "is released" in relay.command("queue", "release", first)
    assert ids(relay, "?state=deferred") == [first]  # it goes on as if it had not been held
    relay.command("queue", "retry", first)
    wait_for(lambda: moody.count() == 3)
    assert "release: 1 message" in relay.command("queue", "release", "--state", "held")
    relay.command("queue", "retry", "--all")  # it may have been tried before it was held
    wait_for(lambda: moody.count() == 4)
    relay.wait_empty()
    assert relay.stats()["queue"]["held"] == 0
    assert relay.totals()["held"] == 0 and relay.totals()["released"] == 2  # of this life


def test_dry_run_changes_nothing(relay):
    quiet(relay)
    all_of_them = fill(relay)
    before = relay.get("/queue")
    for verb in ("hold", "retry", "bounce", "delete"):
        text = relay.command("queue", verb, "--from", "a@*", "--dry-run")
        assert all_of_them[0] in text and all_of_them[2] in text and all_of_them[1] not in text
        assert f"{verb}: 2 messages would be touched" in text
        answer = json.loads(relay.command("queue", verb, "--from", "a@*", "--dry-run", "--json"))
        assert answer["dry_run"] is True and answer["matched"] == 2 and answer["done"] == 0
        assert [m["id"] for m in answer["messages"]] == [all_of_them[0], all_of_them[2]]
        assert all_of_them[1] in relay.command("queue", verb, "--dry-run", all_of_them[1])
    assert "release: 0 messages would be" in relay.command("queue", "release", "--all", "--dry-run")
    after = relay.get("/queue")
    assert [(m["id"], m["state"]) for m in before["messages"]] == \
        [(m["id"], m["state"]) for m in after["messages"]]
    assert not relay.events("operator")


def test_a_filter_must_be_given(relay):
    quiet(relay)
    fill(relay, 2)
    for verb in ("hold", "release", "bounce", "delete", "retry"):
        for args in ([], ["--limit", "5"], ["--all", "0000000000000"]):
            assert "say which" in relay.command("queue", verb, *args, status=2)
    for verb in ("hold", "release", "bounce", "delete"):
        status, body = relay.http("POST", f"/queue/{verb}")
        assert status == 400 and "say which" in body
    for query, word in (("state=lost", "in-flight"), ("older=soon", "duration"),
                        ("limit=x", "number"), ("after=1", "message id"), ("until=x", "message id"),
                        ("domian=a.example", "no parameter domian"), ("dryrun=1", "no parameter")):
        for target in ("/queue?", "/queue/hold?all=1&"):
            status, body = relay.http("POST" if "hold" in target else "GET", target + query)
            assert status == 400 and word in body, (query, body)
    assert "no such state" in relay.command("queue", "list", "--state", "lost", status=1)
    assert "longer than" in relay.command("queue", "bounce", "--all", "--reason", "x" * 300, status=1)
    # What restricts less than it seems to is refused: an unset variable, a pattern cut off.
    for args in (["--from", ""], ["--from", "", "--state", "deferred"], ["--to", ""]):
        assert "must not be empty" in relay.command("queue", "delete", *args, status=1)
    for key in ("from", "to", "domain", "state", "older", "reason"):
        status, body = relay.http("POST", f"/queue/delete?all=1&{key}={'x' * 1100}")
        assert status == 400 and f"{key} is longer" in body
    for reason in ("a\r\nSubject: b", "a\x1b[1m"):
        assert "one line" in relay.command("queue", "bounce", "--all", "--reason", reason, status=1)
    assert len(ids(relay)) == 2


def test_delete_by_filter_page_by_page(relay):
    quiet(relay)
    relay.post("/pause?all=1")
    for n in range(12):
        relay.send(f"{'ab'[n % 2]}@sender.example", f"x{n}@sink.example", MESSAGE)
    wait_for(lambda: relay.queued() == 12)
    page = relay.post("/queue/delete?from=a@sender.example&limit=4")
    assert page["done"] == 4 and page["matched"] == 4 and page["next"]
    page = relay.post(f"/queue/delete?from=a@sender.example&limit=4&after={page['next']}")
    assert page["done"] == 2 and page["next"] is None
    assert json.loads(relay.command("queue", "delete", "--to", "x1@*", "--json")) == {
        "verb": "delete", "dry_run": False, "matched": 1, "done": 1}
    assert "delete: 2 messages" in relay.command("queue", "delete", "--older", "0s", "--limit", "2",
                                                 "--state", "paused")
    assert "delete: 3 messages" in relay.command("queue", "delete", "--all")
    relay.wait_empty()
    assert relay.totals()["removed"] == 12 and relay.totals()["bounced"] == 0
    relay.kill()
    relay.start()
    assert relay.queued() == 0


def test_many_go_page_by_page(relay):
    quiet(relay)
    relay.post("/pause?all=1")
    message = "Subject: x\r\n\r\nhello\r\n"
    with relay.client() as client:
        for n in range(1100):
            client.sendmail("ab"[n % 2] + "@sender.example", [f"x{n}@sink.example"], message)
    assert relay.queued() == 1100
    text = relay.command("queue", "hold", "--from", "a@*", "--dry-run")
    assert text.count("FROM -> TO") == 1 and text.count("... more") == 0
    assert text.count("<a@sender.example>") == 550 and "550 messages would be" in text
    answer = json.loads(relay.command("queue", "hold", "--all", "--dry-run", "--json"))
    assert len({m["id"] for m in answer["messages"]}) == 1100
    assert "hold: 550 messages" in relay.command("queue", "hold", "--from", "a@*")
    assert relay.stats()["queue"]["held"] == 550
    lines = relay.events("operator", verb="hold")
    assert sum(int(line["count"]) for line in lines) == 550 and len(lines) == 2
    assert all(line["filter"] == "from=a@*" for line in lines)
    listed = json.loads(relay.command("queue", "list", "--json", "--limit", "1050"))
    assert len(listed["messages"]) == 1050 and listed["next"]
    assert "delete: 600 messages" in relay.command("queue", "delete", "--all", "--limit", "600")
    assert "bounce: 500 messages" in relay.command("queue", "bounce", "--all", "--reason", "gone")
    wait_for(lambda: relay.queued() == 500)  # the reports
    assert relay.stats()["queue"]["held"] == 0


def test_list_goes_on_over_sparse_pages(relay):
    quiet(relay)
    relay.post("/pause?all=1")
    for n in range(7):
        relay.send("a@sender.example", f"x{n}@sink.example", MESSAGE)
    wait_for(lambda: relay.queued() == 7)
    listed = json.loads(relay.command("queue", "list", "--json", "--limit", "3"))
    assert len(listed["messages"]) == 3 and listed["next"] == listed["messages"][-1]["id"]
    more = json.loads(relay.command("queue", "list", "--json", "--after", listed["next"]))
    assert len(more["messages"]) == 4 and more["next"] is None
    text = relay.command("queue", "list", "--limit", "2")
    assert text.count(" -> ") == 3 and "more follow" in text
    # The message a page ended with may be gone.
    relay.command("queue", "delete", listed["next"])
    assert len(ids(relay, f"?after={listed['next']}")) == 4


def test_bounce_tells_the_sender(relay, sender):
    quiet(relay)
    one, two = fill(relay, 2)
    assert "returned" in relay.command("queue", "bounce", "--reason", "not from here", one)
    wait_for(sender.count)
    report = sender.messages[0].data.decode()
    assert "returned by the operator: not from here" in report and "Status: 5.0.0" in report
    assert "x0@moody.example" in report
    wait_for(lambda: ids(relay) == [two])
    assert relay.events("bounced", msg=one)
    assert "bounce: 1 message" in relay.command("queue", "bounce", "--domain", "MOODY.example")
    wait_for(lambda: sender.count() == 2)
    relay.wait_empty()


def test_only_root_and_the_relay_may_order_and_read(relay):
    quiet(relay)
    one, _ = fill(relay, 2)
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    os.chmod(relay.socket, 0o666)
    requests = [f"POST /queue/{one}/{verb}" for verb in ("hold", "bounce", "delete", "release")]
    requests += [f"POST /queue/{verb}?all=1" for verb in ("hold", "bounce", "delete", "retry")]
    requests.append(f"GET /queue/{one}/body")
    for request in requests:
        ask = ("import socket,os;os.setuid(65534);s=socket.socket(socket.AF_UNIX);"
               f"s.connect({relay.socket!r});"
               f"s.sendall(b'{request} HTTP/1.0\\r\\n\\r\\n');print(s.recv(4000))")
        done = subprocess.run(["/usr/bin/python3", "-c", ask], capture_output=True, text=True,
                              check=True)
        assert " 403 " in done.stdout, (request, done.stdout)
    assert len(ids(relay)) == 2 and relay.stats()["queue"]["held"] == 0
    assert not relay.events("operator")


def body_of(relay, msg):
    return subprocess.run([BINARY, "queue", "show", "--body", msg, "-c", relay.config_path],
                          capture_output=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("size", [0, 300, 65536, 5 * 1024 * 1024])
def test_body_is_what_is_sent(relay, new_receiver, size):
    quiet(relay)
    lines = [b"Subject: dots", b"", b".", b"..", b".x", b"a.b"]
    n = 0
    while sum(len(line) + 2 for line in lines) < size:
        lines += [b"." * (n % 5) + os.urandom(30).hex().encode() + b"." * (n % 3)] * 10
        n += 1
        if n % 500 == 0 and len(lines) > 10 and size > 1 << 20:
            lines += lines[6:]  # doubling: the sum above is slow
    message = b"\r\n".join(lines) + b"\r\n"
    relay.send("a@sender.example", "x@moody.example", message)
    wait_for(lambda: relay.events("deferred"))
    [msg] = ids(relay)
    body = body_of(relay, msg)
    assert body.endswith(message) and body.startswith(b"Received: ")
    moody = new_receiver("mx.moody.example")
    relay.command("queue", "retry", msg)
    wait_for(moody.count, 30)
    assert moody.messages[0].data == body
    relay.wait_empty()
    assert "no message" in relay.command("queue", "show", "--body", msg, status=1)


def test_body_that_is_damaged_is_an_error(relay):
    quiet(relay)
    message = "Subject: x\r\n\r\n" + "0123456789abcdef" * 4 + "\r\n"
    large = message + ("y" * 70 + "\r\n") * 20000
    relay.send("a@sender.example", "x@moody.example", large)
    wait_for(lambda: relay.events("deferred"))
    [msg] = ids(relay)
    folder = os.path.join(relay.folder, "state", "queue")
    [segment] = [os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".seg")]
    with open(segment, "r+b") as f:
        data = f.read()
        f.seek(data.index(b"y" * 70, 700000) + 10)
        f.write(b"Y")
    done = subprocess.run([BINARY, "queue", "show", "--body", msg, "-c", relay.config_path],
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 1 and b"outpost: " in done.stderr and done.stderr.count(b"\n") == 1
    assert b"Y" not in done.stdout.split(b"\r\n\r\n", 1)[1]
    assert relay.is_running()


def test_a_reader_that_leaves_is_no_harm(relay):
    quiet(relay)
    relay.send("a@sender.example", "x@moody.example",
               "Subject: x\r\n\r\n" + ("y" * 70 + "\r\n") * 60000)
    wait_for(lambda: relay.events("deferred"))
    [msg] = ids(relay)
    readers = []
    for n in range(20):  # more than may be served at once: 503, and the others go on
        s = socket.socket(socket.AF_UNIX)
        s.connect(relay.socket)
        s.sendall(f"GET /queue/{msg}/body HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        readers.append(s)
    heads = [s.recv(1000).split(b"\r\n")[0] for s in readers]
    assert heads.count(b"HTTP/1.1 200 OK") == 16 and len([h for h in heads if b" 503 " in h]) == 4
    for s in readers[:10]:
        s.close()
    for s in readers[10:]:
        s.recv(50000)
        s.close()
    wait_for(lambda: len(body_of(relay, msg)) > 60000 * 72)


def test_usage_of_body(relay):
    quiet(relay)
    one, two = fill(relay, 2)
    relay.command("queue", "show", "--body", one, two, status=2)
    relay.command("queue", "show", "--body", "--json", one, status=2)
    assert relay.command("queue", "show", "--body", one).count("Subject:") == 1
