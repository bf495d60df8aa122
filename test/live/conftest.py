"""What every live test may ask for. Everything runs on loopback and high ports, in one folder, and
is ended by the process that started it."""
import os
import shutil
import subprocess
import tempfile

import pytest

from certs import Certificates
from names import HOSTS, MoodyDns, Unbound
from postfix import Postfix, Sink
from receiver import Receiver
from relay import ALARMS, BINARY, Relay, free_port
from stage import Stage

USER, PASSWORD = "smart-user", "smart pass/word"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than some seconds")
    config.addinivalue_line("markers", "plain_binary: says nothing new with a sanitized binary")
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: build first, or name it in OUTPOST_BIN", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, "report_" + report.when, report)


@pytest.fixture(scope="session")
def place():
    """One short path (sockets have room for 107 bytes) that other users can enter."""
    folder = tempfile.mkdtemp(prefix="outpost-")
    os.chmod(folder, 0o755)
    yield folder
    if os.environ.get("OUTPOST_KEEP"):
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def certs(place):
    return Certificates(os.path.join(place, "certs"))


@pytest.fixture(scope="session")
def names(place):
    server = Unbound(os.path.join(place, "unbound"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def mx_port():
    return free_port("127.0.2.1")


@pytest.fixture(scope="session")
def postfix_server(place, certs, mx_port):
    server = Postfix(os.path.join(place, "postfix"), mx_port, free_port("127.0.2.8"),
                     certs.path("smart"), USER, PASSWORD)
    yield server
    server.close()


@pytest.fixture
def postfix(postfix_server):
    postfix_server.clear()
    return postfix_server


@pytest.fixture
def folder(place, request):
    made = tempfile.mkdtemp(prefix="t", dir=place)
    os.chmod(made, 0o755)
    return made


@pytest.fixture
def new_disk(folder):
    """Makes file systems in memory, with the options that mount knows for tmpfs."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    made = []

    def new(options):
        path = f"{folder}/disk{len(made)}"
        os.mkdir(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path],
                              capture_output=True, check=False)
        if done.returncode:
            pytest.skip("a tmpfs cannot be mounted here")
        made.append(path)
        return path

    yield new
    for path in made:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def new_relay(folder, names, mx_port, certs, request):
    """Makes relays that are stopped at the end; each must have ended well and said nothing bad."""
    made = []

    def new(name="r", dns=None):
        relay = Relay(os.path.join(folder, name), dns or names, mx_port, certs.authority)
        made.append(relay)
        return relay

    yield new
    wrong = []
    for relay in made:
        if relay.is_running():
            status = relay.stop()
            if status != 0:
                wrong.append(f"the relay ended with {status}")
        log = relay.log()
        wrong += [f"the log has {alarm!r}" for alarm in ALARMS if alarm in log]
        report = getattr(request.node, "report_call", None)
        if wrong or (report and report.failed):
            print(f"--- end of {relay.log_path}\n{log[-6000:]}")
    assert not wrong, wrong


@pytest.fixture
def relay(new_relay):
    """Configured and not started yet: `relay.set(...).start()`."""
    return new_relay()


@pytest.fixture(scope="module")
def stage(place, names, mx_port, certs):
    """For modules with many clients: the relays are started once."""
    made = Stage(place, names, mx_port, certs)
    yield made
    made.close()


@pytest.fixture
def new_receiver(mx_port):
    made = []

    def new(host="mx.sink.example", port=None, address=None, **moods):
        receiver = Receiver(address or HOSTS[host], port or mx_port, **moods)
        made.append(receiver)
        return receiver

    yield new
    for receiver in made:
        receiver.close()


@pytest.fixture
def sink(new_receiver):
    """Takes everything for sink.example (and same.example)."""
    return new_receiver()


@pytest.fixture
def sender(new_receiver):
    """The senders' mailbox, where reports come back to."""
    return new_receiver("mx.sender.example")


@pytest.fixture
def smtp_sink(mx_port):
    made = []

    def new(*options, host="mx.sink.example"):
        made.append(Sink(HOSTS[host], mx_port, *options))
        return made[-1]

    yield new
    for server in made:
        server.close()


@pytest.fixture
def moody_dns():
    made = []

    def new(mood=None):
        made.append(MoodyDns(mood))
        return made[-1]

    yield new
    for server in made:
        server.close()
