"""What an operator does: look, pause, retry, delete, reload, stop."""
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from relay import BINARY, SLOW, free_port, passwd, trusting, wait_for
from test_delivery import MESSAGE


def test_stats(relay, sink):
    relay.start()
    stats = relay.stats()
    assert stats["version"] and stats["uptime_s"] >= 0
    assert stats["queue"] == {**stats["queue"], "messages": 0, "recipients": 0, "bytes": 0}
    for name in ("accepted", "rejected", "delivered", "deferred", "bounced", "expired"):
        assert stats["totals"][name] == 0
    relay.send("a@sender.example", ["x@sink.example", "y@sink.example"], MESSAGE)
    wait_for(lambda: relay.totals()["delivered"] == 2)
    assert relay.totals()["accepted"] == 1


def test_bare_words(relay):
    relay.start()
    assert json.loads(relay.word("stats"))["queue"]["messages"] == 0
    assert "outpost_accepted_total 0" in relay.word("metrics")
    assert "stats" in relay.word("help")
    assert "no such word" in relay.word("nonsense")
    relay.word("flush")


def test_curl_on_the_control_socket(relay):
    relay.start()
    done = subprocess.run(["curl", "-sS", "--fail", "--unix-socket", relay.socket,
                           "http://outpost/stats"], capture_output=True, check=True)
    assert json.loads(done.stdout)["version"]
    assert relay.http("GET", "/nothing")[0] == 404
    assert relay.http("GET", "/queue/0000000000000")[0] in (400, 404)
    assert relay.http("DELETE", "/stats")[0] == 405


def test_metrics_are_well_formed(relay, sink):
    relay.start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(lambda: relay.totals()["delivered"] == 1)
    text = relay.get("/metrics")
    for name in re.findall(r"^([a-z_0-9]+)", text, re.M):
        assert name.startswith("outpost_"), name
    assert re.search(r"^outpost_delivered_total 1$", text, re.M)
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (package prometheus)")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_metrics_over_tcp(relay):
    port = free_port()
    relay.set("metrics", listen=f"127.0.0.1:{port}").start()
    done = subprocess.run(["curl", "-sS", "--fail", f"http://127.0.0.1:{port}/metrics"],
                          capture_output=True, check=True, text=True)
    assert "outpost_accepted_total 0" in done.stdout
    refused = subprocess.run(["curl", "-sS", "--fail", "-X", "POST",
                              f"http://127.0.0.1:{port}/queue/retry"], capture_output=True, check=False)
    assert refused.returncode != 0, "operating over TCP"


def test_status_and_health(relay):
    relay.start()
    assert "queue" in relay.command("status").lower()
    relay.command("health")
    assert relay.stop() == 0
    assert "does not run" in relay.command("status", status=1)
    relay.command("health", status=1)


def test_queue_list_show_delete(relay):
    relay.start()
    relay.post("/pause?all=1")
    relay.send("a@sender.example", ["x@sink.example", "y@moody.example"], MESSAGE)
    relay.send("b@sender.example", "x@sink.example", MESSAGE)
    wait_for(lambda: relay.queued() == 2)
    first, second = relay.queue()
    assert first["from"] == "a@sender.example" and first["recipients"] == 2
    assert "y@moody.example" in first["to"]
    text = relay.command("queue", "list")
    assert first["id"] in text and second["id"] in text
    listed = json.loads(relay.command("queue", "list", "--json"))
    assert [m["id"] for m in listed["messages"]] == [first["id"], second["id"]]
    assert second["id"] not in relay.command("queue", "list", "--domain", "moody.example")
    assert first["id"] not in relay.command("queue", "list", "--from", "b@sender.example")
    shown = json.loads(relay.command("queue", "show", "--json", first["id"]))
    assert {r["address"] for r in shown["to"]} == {"x@sink.example", "y@moody.example"}
    assert "y@moody.example" in relay.command("queue", "show", first["id"])
    relay.command("queue", "delete", first["id"])
    wait_for(lambda: relay.queued() == 1)
    relay.command("queue", "delete", first["id"], status=1)
    relay.command("queue", "show", "nonsense", status=1)
    assert relay.totals()["bounced"] == 0
    # What was deleted stays deleted.
    relay.kill()
    relay.start()
    assert [m["id"] for m in relay.queue()] == [second["id"]]


def test_queue_retry(relay, new_receiver):
    relay.set("retry", first="1h", max="1h").start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    relay.wait_event("deferred")
    moody = new_receiver("mx.moody.example")
    [message] = relay.queue()
    assert message["state"] == "deferred" and message["next_s"] > 1000
    relay.command("queue", "retry", message["id"])
    wait_for(moody.count)
    relay.wait_empty()


def test_flush_tries_everything(relay, new_receiver):
    relay.set("retry", first="1h", max="1h").start()
    for n in range(5):
        relay.send("a@sender.example", f"x{n}@moody.example", MESSAGE)
    wait_for(lambda: relay.events("deferred"))
    moody = new_receiver("mx.moody.example")
    relay.command("queue", "retry", "--all")
    wait_for(lambda: moody.count() == 5)


def test_pause_one_domain_survives_a_restart(relay, new_receiver, sink):
    moody = new_receiver("mx.moody.example")
    relay.start()
    relay.command("pause", "moody.example")
    relay.send("a@sender.example", ["x@sink.example", "x@moody.example"], MESSAGE)
    wait_for(sink.count)
    assert relay.queued() == 1
    assert relay.stop() == 0
    relay.start()
    relay.command("queue", "retry", "--all")
    assert "moody.example" in relay.command("pause")
    relay.send("a@sender.example", ["y@sink.example"], MESSAGE)
    wait_for(lambda: sink.count() == 2)
    assert moody.sessions == 0 and relay.queued() == 1
    relay.kill()
    relay.start()
    assert "moody.example" in relay.get("/paused")["domains"]
    relay.command("resume", "moody.example")
    wait_for(moody.count)
    relay.wait_empty()


def test_pause_all(relay, sink):
    relay.start()
    relay.command("pause", "--all")
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    assert relay.stop() == 0
    relay.start()
    assert relay.get("/paused")["all"] is True
    assert sink.sessions == 0 and relay.queued() == 1
    relay.command("resume", "--all")
    wait_for(sink.count)
    assert relay.stop() == 0
    relay.start()
    assert relay.get("/paused")["all"] is False


def test_only_root_and_the_relay_may_change(relay):
    relay.start()
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    os.chmod(relay.socket, 0o666)
    ask = ("import socket,os;os.setuid(65534);s=socket.socket(socket.AF_UNIX);"
           f"s.connect({relay.socket!r});"
           "s.sendall(b'POST /pause?all=1 HTTP/1.0\\r\\n\\r\\n');print(s.recv(4000))")
    done = subprocess.run(["/usr/bin/python3", "-c", ask], capture_output=True, text=True, check=True)
    assert " 403 " in done.stdout, done.stdout
    assert relay.get("/paused")["all"] is False


def test_stop_finishes_what_is_in_flight(relay, new_receiver):
    """SIGTERM: the delivery under way ends well, a client in the middle of a message gets its 250,
    new ones are not let in, exit 0."""
    gate = threading.Event()
    moody = new_receiver("mx.moody.example", data=lambda s: gate.wait(10) and None)
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(lambda: any(line.startswith("DATA") for _, line in moody.commands))
    with relay.raw() as client:
        client.envelope("b@sender.example", "y@moody.example")
        relay.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not can_connect(relay.port))
        client.say("Subject: x\r\n\r\nx\r\n.\r\n", "250 ")
        gate.set()
        assert relay.wait() == 0
    assert moody.count() >= 1 and moody.received == moody.count()
    relay.wait_event("stopped")
    relay.start()
    wait_for(lambda: moody.count() == 2)
    relay.wait_empty()
    assert sorted(moody.recipients()) == ["x@moody.example", "y@moody.example"]


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


def test_stop_does_not_wait_for_ever(relay, new_receiver):
    gate = threading.Event()
    moody = new_receiver("mx.moody.example", data=lambda s: gate.wait(30) and None)
    relay.config["shutdown_grace"] = "500ms"
    relay.start()
    relay.send("a@sender.example", "x@moody.example", MESSAGE)
    wait_for(lambda: any(line.startswith("DATA") for _, line in moody.commands))
    with relay.raw():
        begin = time.monotonic()
        assert relay.stop() == 0
        assert time.monotonic() - begin < 5 * SLOW
    gate.set()
    moody.moods.clear()
    relay.start()
    wait_for(moody.count)


def test_interrupt_stops_too(relay):
    relay.start()
    relay.process.send_signal(signal.SIGINT)
    assert relay.wait() == 0


def test_reload_users_limits_and_certificate(relay, certs):
    certificate, key = certs.path("relay")
    relay.set("tls", certificate=certificate, key=key)
    relay.closed_to_strangers().add("user", name="old", password=passwd("old")).start()
    kept = relay.client()
    kept.ehlo()
    relay.config["user"] = [{"name": "new", "password": passwd("new")}]
    certificate, key = certs.path("relay-new")
    relay.set("tls", certificate=certificate, key=key)
    relay.set("submission", max_message_size="1MiB")
    added = relay.add_listener(tls="none", auth="optional")
    relay.reload()
    relay.wait_event("reloaded")
    with relay.client() as client:
        client._host = "new.relay.example"
        client.starttls(context=certs.client_context())
        client.login("new", "new")
        assert client.esmtp_features["size"] == str(1024 * 1024)
        with pytest.raises(smtplib.SMTPAuthenticationError), relay.client() as other:
            other.starttls(context=trusting())
            other.login("old", "old")
    with relay.client(added) as client:
        assert client.noop()[0] == 250
    assert kept.noop()[0] == 250, "a session was lost by the reload"
    kept.close()


def test_reload_with_mistakes_keeps_the_old(relay, sink):
    relay.start()
    relay.write_config("hostname = 7\n[nonsense]\nx = 1\n")
    relay.process.send_signal(signal.SIGHUP)
    relay.wait_event("reload-failed")
    with open(relay.config_path, "a", encoding="utf-8") as f:
        f.write("[[listen\n")
    relay.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(relay.events("reload-failed")) == 2)
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(sink.count)
    relay.write_config()
    assert "read again" in relay.command("reload")


def test_reload_by_command_says_what_is_wrong(relay):
    relay.start()
    good = relay.config["control"]["socket"]
    relay.write_config("hostnam = \"x.example\"\n")
    done = relay.command("reload", "--socket", good, status=1)
    assert "old configuration stays" in done and "hostnam" in done


def test_log_as_json(relay, sink):
    relay.set("log", format="json").start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    wait_for(sink.count)
    wait_for(lambda: "delivered" in relay.log())
    events = [json.loads(line) for line in relay.log().splitlines()]
    accepted = next(e for e in events if e["event"] == "accepted")
    delivered = next(e for e in events if e["event"] == "delivered")
    assert accepted["msg"] == delivered["msg"] and len(accepted["msg"]) == 13
    assert delivered["to"] == "x@sink.example" and delivered["host"] == "mx.sink.example"


def test_log_line_has_what_a_grep_needs(relay, sink):
    relay.start()
    relay.send("a@sender.example", "x@sink.example", MESSAGE)
    event = relay.wait_event("delivered")
    for key in ("msg", "from", "to", "host", "ip", "tls", "reply", "delay"):
        assert key in event, f"{key} is missing: {event}"
    assert event["ip"].startswith("127.0.2.1")
    accepted = relay.wait_event("accepted")
    for key in ("msg", "from", "to", "ip", "tls", "size", "recipients"):
        assert key in accepted, f"{key} is missing: {accepted}"


def test_log_nobody_reads_does_not_stop_the_relay(relay, sink):
    """The log's reader sleeps; mail goes on."""
    relay.write_config()
    reader, writer = os.pipe()
    relay.process = subprocess.Popen(
        [BINARY, "run", "-c", relay.config_path], stderr=writer)
    os.close(writer)
    wait_for(relay.is_ready)
    with relay.client() as client:
        for n in range(600):
            client.sendmail("a@sender.example", [f"x{n}@sink.example"], MESSAGE)
    wait_for(lambda: sink.count() == 600, 30)
    os.close(reader)
