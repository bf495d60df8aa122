"""Starts that fail say what to do; starts that succeed need little."""
import os
import socket
import stat
import subprocess

import pytest

from relay import BINARY, REPOSITORY, SLOW, wait_for


def outpost(*args, feed=None, env=None):
    done = subprocess.run([BINARY, *args], input=feed, text=True, capture_output=True,
                          timeout=30 * SLOW, check=False, env=env)
    return done.returncode, done.stdout + done.stderr


WRONG = """hostnam = "relay.example"
state_dir = 7

[[listen]]
address = "127.0.0.1"
tls = "starttsl"

[queue]
max_size = "ten"
lifetime = "5 days"

[tls]
certificate = "/nowhere/cert.pem"
"""


def test_every_mistake_at_once(relay):
    status, said = relay.run_to_end(WRONG)
    assert status == 78
    path = relay.config_path
    for place, words in ((f"{path}:1:1: hostnam", "hostname"), (f"{path}:2:", "state_dir"),
                         (f"{path}:5:", "address"), (f"{path}:6:", "starttls"),
                         (f"{path}:9:", "max_size"), (f"{path}:10:", "lifetime"),
                         (f"{path}:13:", "key")):
        line = next((line for line in said.splitlines() if line.startswith(place)), None)
        assert line and words in line, f"{place} {words}:\n{said}"
    assert outpost("check", "-c", path)[0] == 78
    assert "hostname" in outpost("check", "-c", path)[1]


def test_no_toml_at_all(relay):
    status, said = relay.run_to_end("this is = not = toml\n")
    assert status == 78 and f"{relay.config_path}:1:" in said


def test_check_of_a_good_file(relay):
    relay.write_config()
    status, said = outpost("check", "-c", relay.config_path)
    assert status == 0, said


def test_file_that_is_not_there(folder):
    for verb in ("run", "check"):
        status, said = outpost(verb, "-c", folder + "/none.toml")
        assert status == 78 and "none.toml" in said


def test_example_configuration_is_good(relay):
    path = os.path.join(REPOSITORY, "config.example.toml")
    status, said = outpost("check", "-c", path)
    assert status == 0, said


def test_environment_in_the_configuration(relay):
    relay.config["hostname"] = "${RELAY_NAME}"
    relay.environment = {"RELAY_NAME": "from.environment.example"}
    relay.start()
    with relay.raw() as client:
        assert "from.environment.example" in client.greeting
    assert relay.stop() == 0
    relay.environment = {}
    status, said = relay.run_to_end()
    assert status == 78 and "RELAY_NAME" in said


def test_port_in_use(relay):
    with socket.socket() as other:
        other.bind(("127.0.0.1", relay.port))
        other.listen()
        status, said = relay.run_to_end()
    assert status == 1 and f"127.0.0.1:{relay.port}" in said and "in use" in said


def test_second_instance(relay, new_relay):
    relay.start()
    second = new_relay("second")
    second.config["state_dir"] = relay.config["state_dir"]
    status, said = second.run_to_end()
    assert status == 1 and "another relay" in said and str(relay.process.pid) in said
    assert relay.is_ready()


def test_second_instance_does_not_take_the_socket(relay, new_relay):
    relay.start()
    second = new_relay("second")
    second.config["control"]["socket"] = relay.socket
    status, said = second.run_to_end()
    assert status == 1 and relay.socket in said, said
    assert relay.is_ready()


def test_socket_left_by_a_crash_is_taken_over(relay):
    relay.start()
    relay.kill()
    assert os.path.exists(relay.socket)
    relay.start()


def test_missing_key_file(relay, folder):
    relay.set("tls", certificate=folder + "/none.pem", key=folder + "/none.key")
    status, said = relay.run_to_end()
    assert status == 78 and "none.pem" in said


def test_key_of_another_certificate(relay, certs):
    relay.set("tls", certificate=certs.path("relay")[0], key=certs.path("smart")[1])
    status, said = relay.run_to_end()
    assert status == 78 and "relay.pem" in said


def test_state_directory_that_cannot_be_made(relay, folder):
    with open(folder + "/file", "w", encoding="utf-8"):
        pass
    relay.config["state_dir"] = folder + "/file/state"
    status, said = relay.run_to_end()
    assert status == 1 and folder + "/file/state" in said


def test_unwritable_state_directory(relay, folder):
    """Root may write everywhere, so somebody else starts it."""
    made = folder + "/locked"
    os.mkdir(made, 0o500)
    relay.config["state_dir"] = made
    relay.config["control"]["socket"] = folder + "/nobody/c.sock"
    if os.geteuid() == 0:
        os.mkdir(folder + "/nobody")
        os.chown(folder + "/nobody", 65534, 65534)
        os.chmod(relay.folder, 0o755)
        relay.write_config()
        if subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", BINARY, "version"],
                          capture_output=True, check=False).returncode != 0:
            pytest.skip("the binary cannot be run by others from where it is")
        relay.wrapper = ["setpriv", "--reuid", "65534", "--clear-groups"]
    status, said = relay.run_to_end()
    assert status == 1 and made in said and "writable" in said, said


def test_directories_and_socket_are_private(relay):
    relay.start()
    state_dir = relay.config["state_dir"]
    # Local users go through it to the drop directory, and may list neither.
    assert stat.S_IMODE(os.stat(state_dir).st_mode) == 0o711
    for name in os.listdir(state_dir):
        mode = stat.S_IMODE(os.stat(f"{state_dir}/{name}").st_mode)
        assert mode == 0o1733 if name == "drop" else mode & 0o077 == 0, f"{name} {mode:o}"
    assert stat.S_IMODE(os.stat(relay.socket).st_mode) & 0o007 == 0


def test_without_sendmail_the_state_directory_is_closed(relay):
    relay.set("sendmail", enabled=False).start()
    state_dir = relay.config["state_dir"]
    assert stat.S_IMODE(os.stat(state_dir).st_mode) == 0o700
    assert not os.path.exists(state_dir + "/drop")


def test_built_in_defaults(folder):
    """Without a file: 127.0.0.1:587 and [::1]:587, and when that may not be, what to do."""
    if os.path.exists("/etc/outpost/outpost.toml"):
        pytest.skip("this machine has a configuration of its own")
    env = {"PATH": os.environ["PATH"], "HOME": folder, "XDG_RUNTIME_DIR": folder}
    assert outpost("check", env=env)[0] == 0
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as f:
        if int(f.read()) <= 587:
            pytest.skip("everybody may use port 587 here")
    become = []
    if os.geteuid() == 0:
        become = ["setpriv", "--reuid", "65534", "--clear-groups"]
        os.chown(folder, 65534, 65534)
    done = subprocess.run([*become, BINARY, "run"], text=True, capture_output=True, env=env,
                          timeout=20 * SLOW, check=False)
    if "Permission denied" in done.stderr and BINARY in done.stderr:
        pytest.skip("the binary cannot be run by others from where it is")
    assert done.returncode == 1
    assert "may not listen on 127.0.0.1:587" in done.stderr and "1023" in done.stderr
    assert os.path.isdir(folder + "/.local/state/outpost/queue")


def test_help_and_usage():
    status, said = outpost("--help")
    assert status == 0 and "queue list" in said
    assert outpost("run", "--help")[0] == 0
    status, said = outpost("stauts")
    assert status == 2 and '"status"' in said
    assert outpost()[0] == 2
    assert outpost("run", "--nonsense")[0] == 2
    assert outpost("queue", "show")[0] == 2
    status, said = outpost("version")
    assert status == 0 and said.startswith("outpost ")


def test_passwd():
    status, said = outpost("passwd", "bob", feed="secret\n")
    assert status == 0 and 'name = "bob"' in said and "$argon2id$" in said
    assert outpost("passwd", feed="")[0] == 1


def test_ipv6_listener(relay):
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    relay.add("listen", address=f"[::1]:{relay.port}")
    relay.start()
    with socket.create_connection(("::1", relay.port), 5 * SLOW) as s:
        assert s.recv(100).startswith(b"220 ")


def test_damaged_queue_file_does_not_stop_the_start(relay):
    relay.start()
    relay.post("/pause?all=1")
    for n in range(3):
        relay.send("a@sender.example", f"x{n}@sink.example", "Subject: x\r\n\r\nx\r\n")
    relay.kill()
    queue = relay.config["state_dir"] + "/queue"
    with open(queue + "/not-a-segment.seg", "w", encoding="utf-8") as f:
        f.write("x" * 10000)
    with open(queue + "/00000000000000ff.seg", "wb") as f:
        f.write(b"garbage" * 1000)
    relay.start()
    assert relay.queued() == 3
    wait_for(lambda: relay.log().count("started") >= 2)
