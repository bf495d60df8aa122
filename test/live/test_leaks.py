"""valgrind: after a busy life and an orderly end nothing is left, and nothing was misused."""
import shutil

import pytest

import relay as relay_module
from relay import passwd, wait_for
from test_delivery import MESSAGE


@pytest.mark.slow
@pytest.mark.plain_binary
def test_no_leak_at_shutdown(relay, new_receiver, sink, certs, folder, monkeypatch):
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    monkeypatch.setattr(relay_module, "SLOW", 10)
    report = folder + "/valgrind.log"
    relay.wrapper = ["valgrind", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
                     "--errors-for-leak-kinds=definite,indirect,possible", "--error-exitcode=99",
                     "--num-callers=30", f"--log-file={report}"]
    moody = new_receiver("mx.moody.example", context=certs.server_context("moody"),
                         rcpt=lambda s, a: {"gone": "550 5.1.1 no", "later": "450 4.2.1 later"}.get(
                             a.split("@")[0]))
    relay.add("user", name="app", password=passwd("secret"))
    relay.start(30)
    relay.send("a@sender.example", ["x@sink.example", "y@moody.example", "gone@moody.example",
                                    "later@moody.example", "z@gone.example"], MESSAGE,
               "app", "secret")
    relay.send("b@sender.example", "x@sink.example", MESSAGE + ("large" * 12 + "\r\n") * 8000)
    wait_for(lambda: sink.count() == 2 and moody.count() >= 1, 30)
    with relay.raw() as client:
        client.say("EHLO c.example\r\n", "250")
        client.say("MAIL FROM:<a@sender.example>\r\n", "250")
        client.say("NO\rOP\r\n", "500")
    relay.command("status")
    relay.command("queue", "list")
    relay.get("/metrics")
    relay.reload()
    relay.wait_event("reloaded", 30)
    relay.send("b@sender.example", "x@sink.example", MESSAGE)
    wait_for(lambda: sink.count() == 3, 30)
    half = relay.raw()  # one client is in the middle of something
    half.envelope("c@sender.example", "x@sink.example")
    status = relay.stop(30)
    half.socket.close()
    with open(report, encoding="utf-8") as f:
        said = f.read()
    assert status == 0, said[-6000:]
    assert "definitely lost: 0 bytes" in said or "no leaks are possible" in said, said[-6000:]
