"""The dialogue files against the live binary: what the pure machine says, the relay says."""
import pytest

from dialog import Dialog, Mismatch, all_names, play
from relay import passwd

PLANNED = "the caller's answer is planned in the file"
SHUTDOWN = "the relay is asked to shut down in the middle"
LIMIT = "the relay's limit of errors or commands is another"
ANY_LOGIN = "any password is right for the machine alone"
SESSION = "certificates and channel binding need more than a socket: tests of their own"

SKIPPED = {
    "answers-421": PLANNED,
    "answers-hostile-text": PLANNED,
    "answers-mail": PLANNED,
    "auth-guessing": PLANNED,
    "auth-login": PLANNED,
    "chunk-after-refused-mail": PLANNED,
    "chunk-full-queue": PLANNED,
    "chunk-message-refused": PLANNED,
    "chunk-no-valid-recipient": PLANNED,
    "data-without-recipients": PLANNED,
    "limits-refused-recipients": PLANNED,
    "pipeline-data-deferred": PLANNED,
    "pipeline-data-refused": PLANNED,
    "pipeline-mail-refused": PLANNED,
    "pipeline-some-recipients": PLANNED,
    "chunk-shutdown": SHUTDOWN,
    "shutdown-idle": SHUTDOWN,
    "shutdown-in-body": SHUTDOWN,
    "chunk-many-empty": LIMIT,
    "chunk-many-refused": LIMIT,
    "commands-too-many": LIMIT,
    "errors-too-many": LIMIT,
    "auth-crlf-name": ANY_LOGIN,
    "auth-line-limit": ANY_LOGIN,
    "auth-long": ANY_LOGIN,
    "auth-external": SESSION,
    "auth-external-name": SESSION,
    "auth-external-not-needed": SESSION,
    "auth-external-starttls": SESSION,
    "auth-external-then-password": SESSION,
    **{name: SESSION for name in all_names() if name.startswith(("certificate-", "scram-"))},
}

# Those of the files that log in for good.
LOGINS = {"app": "s3cret", "a": "b", "u": "p"}

DIALOGS = [Dialog(name) for name in all_names()]


def configure(relay, options):
    """A relay for files with these options; the port to talk to."""
    relay.config["hostname"] = "mx.test"
    is_trusted = options["trusted"] == "yes" or options["auth"] != "required"
    relay.set("submission", max_message_size=options["size"] + "B",
              max_recipients=int(options["recipients"]),
              max_messages_per_session=int(options["mails"]),
              max_recipients_per_session=int(options["session-recipients"]),
              trusted_networks=["127.0.0.0/8"] if is_trusted else [])
    relay.set("rewrite", unqualified="refuse")  # as the machine alone does
    for name, password in LOGINS.items():
        relay.add("user", name=name, password=passwd(password))
    tls = {"none": "none", "offered": "starttls", "on": "implicit"}[options["tls"]]
    relay.config["listen"] = [{"address": f"127.0.0.1:{relay.port}", "tls": tls,
                               "auth": options["auth"]}]
    return relay.start().port


def failures(relay, dialogs):
    """name -> what went wrong"""
    port = configure(relay, dialogs[0].options)
    wrong = {}
    for dialog in dialogs:
        try:
            play(dialog, port)
        except Mismatch as why:
            wrong[dialog.name] = str(why)
    return wrong


def grouped(dialogs):
    groups = {}
    for dialog in dialogs:
        groups.setdefault(dialog.key(), []).append(dialog)
    return list(groups.values())


def name_of(group):
    return " ".join(f"{k}={v}" for k, v in group[0].key())


@pytest.mark.parametrize("group", grouped([d for d in DIALOGS if d.name not in SKIPPED]),
                         ids=name_of)
def test_dialogs(relay, group):
    assert failures(relay, group) == {}


@pytest.mark.parametrize("group", grouped([d for d in DIALOGS if d.name in SKIPPED]), ids=name_of)
def test_no_file_is_skipped_in_vain(relay, group):
    """Each of them goes wrong when it is played all the same."""
    assert set(failures(relay, group)) == {d.name for d in group}


def test_the_list_of_skipped_files_is_true():
    assert set(SKIPPED) <= {d.name for d in DIALOGS}
    assert len(DIALOGS) - len(SKIPPED) >= 200
