"""What a login may send: From, recipients, rates that outlive a restart, several passwords, a route."""
import smtplib

import pytest

from relay import passwd, trusting, wait_for


def message(sender):
    return f"From: {sender}\r\nSubject: x\r\n\r\nx\r\n"


def logged_in(relay, user, password):
    client = relay.client()
    client.starttls(context=trusting())
    client.login(user, password)
    return client


def test_any_of_several_passwords(relay):
    relay.closed_to_strangers()
    relay.add("user", name="app", password=passwd("first"), passwords=[passwd("second"), passwd("third")])
    relay.start()
    for password in ("first", "second", "third"):
        logged_in(relay, "app", password).quit()
    with pytest.raises(smtplib.SMTPAuthenticationError):
        logged_in(relay, "app", "fourth")


def test_from_and_recipients(relay, sink):
    relay.closed_to_strangers()
    relay.add("user", name="app", password=passwd("x"), senders=["*@sender.example"],
              recipients=["*@sink.example"])
    relay.start()
    with logged_in(relay, "app", "x") as client:
        client.sendmail("a@sender.example", ["b@sink.example"], message("A <a@sender.example>"))
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@sender.example", ["b@sink.example"], message("boss@other.example"))
        assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (550, b"5.7.1")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("a@sender.example", ["b@elsewhere.example"], message("a@sender.example"))
    wait_for(sink.count)
    assert sink.count() == 1


def test_a_quota_outlives_a_restart(relay, sink):
    relay.closed_to_strangers()
    relay.add("user", name="app", password=passwd("x"), daily_quota=3, message_rate="2/1d")
    relay.start()
    with logged_in(relay, "app", "x") as client:
        client.sendmail("a@sender.example", ["b@sink.example"], message("a@sender.example"))
    relay.stop()
    relay.start()
    with logged_in(relay, "app", "x") as client:
        client.sendmail("a@sender.example", ["b@sink.example"], message("a@sender.example"))
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail("a@sender.example", ["b@sink.example"], message("a@sender.example"))
        assert refused.value.smtp_code == 450
        assert refused.value.smtp_error.startswith(b"4.7.1 ") and b"try again in" in refused.value.smtp_error
