"""SendEmail over a real connection: once, or certainly not, or honestly unknown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from portaria.jobs import JobContext, JobError, PermanentError, RetryLater, SoftTimeout
from portaria.jobs.eager import EagerHold, EagerJob
from portaria_workers.mail import smtp
from portaria_workers.mail.deferrals import DEFERRALS
from portaria_workers.mail.handlers import send_email
from portaria_workers.mail.v1.mail_pb2 import SendEmail
from stack.eventually import eventually

from .conftest import RunningSandbox


def welcome(to: str, **variables: str) -> SendEmail:
    return SendEmail(to=to, template="welcome", variables={"name": "Inês", **variables})


def failure(mail: SendEmail, job: EagerJob) -> JobError:
    """How the next attempt fails."""
    with pytest.raises(JobError) as caught:
        send_email(mail, job.context())
    return caught.value


def test_a_mail_arrives_as_it_was_asked_for(sandbox: RunningSandbox, job: EagerJob) -> None:
    """Recipient, subject with accents, both bodies, and the Message-ID that the result names."""
    mail = SendEmail(
        to="Ines@Example.COM",
        template="activation",
        locale="pt-AO",
        subject="Código de activação — já!",
        variables={"name": "Inês", "code": "482913"},
    )

    result = send_email(mail, job.context())

    [delivered] = sandbox.mails()
    assert not result.maybe_sent
    assert delivered["Message-ID"] == result.message_id
    effect_id = JobContext(EagerHold(job)).effect_id("Ines@example.com")
    assert result.message_id == f"<{effect_id}@portaria.example>"
    assert (delivered["To"], delivered["Delivered-To"]) == ("Ines@example.com", "Ines@example.com")
    assert delivered["Subject"] == "Código de activação — já!"
    for kind in ("plain", "html"):
        body = delivered.get_body(preferencelist=(kind,))
        assert body is not None
        assert "482913" in body.get_content()


def test_jobs_share_a_connection_that_stays_open(sandbox: RunningSandbox) -> None:
    """Twenty mails of twenty jobs, refusals among them, need one connection."""
    for number in range(20):
        send_email(welcome(f"ana{number}@example.com"), EagerJob().context())
        assert failure(welcome("refuse+550@a.example"), EagerJob()).reason == "RECIPIENT_REFUSED"

    assert len(sandbox.mails()) == 20
    assert sandbox.server.connections == 1


def test_a_server_that_was_restarted_is_connected_to_again(sandbox: RunningSandbox) -> None:
    """The kept connection is dead, which the job does not notice."""
    send_email(welcome("ana@example.com"), EagerJob().context())
    sandbox.stop()
    sandbox.start()

    result = send_email(welcome("rui@example.com"), EagerJob().context())

    assert not result.maybe_sent
    assert sandbox.delivered_to() == ["ana@example.com", "rui@example.com"]


@pytest.mark.parametrize(
    ("address", "reply"),
    [
        ("refuse+550@a.example", "550 5.1.1 no such mailbox"),
        ("reject+554@a.example", "554 5.7.1 message not wanted"),
    ],
)
def test_a_refusal_ends_the_job_with_the_servers_words(
    sandbox: RunningSandbox, job: EagerJob, address: str, reply: str
) -> None:
    """5xx before or after the content: permanent, nothing kept, nothing in doubt."""
    error = failure(welcome(address), job)

    assert isinstance(error, PermanentError)
    assert error.reason == "RECIPIENT_REFUSED"
    assert reply in str(error)
    assert (sandbox.mails(), job.ledger) == ([], {})


def test_a_busy_mailbox_is_tried_again(sandbox: RunningSandbox, job: EagerJob) -> None:
    """4xx puts the job off, as greylisting wants it, at no cost; the next run delivers."""
    mail = welcome("busy+450x1@a.example")

    error = failure(mail, job)
    result = send_email(mail, job.context())

    assert isinstance(error, RetryLater)
    assert error.delay == DEFERRALS[0]
    assert "450 4.2.0 mailbox busy" in str(error)
    assert not result.maybe_sent
    assert len(sandbox.mails()) == 1


def test_a_lost_reply_is_reported_and_nothing_sent_again(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """The connection was cut after the content: this run and every later one say maybe_sent."""
    first = send_email(welcome("cut@a.example"), job.context())
    second = send_email(welcome("cut@a.example"), job.context())

    assert (first.maybe_sent, second.maybe_sent) == (True, True)
    assert first.message_id == second.message_id
    assert sandbox.delivered_to() == ["cut@a.example"]


def test_a_connection_cut_before_the_content_is_a_failure_to_repeat(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """Certainly not sent: the attempt fails, the next one delivers, once."""
    mail = welcome("cut-beforex1@a.example")

    error = failure(mail, job)
    result = send_email(mail, job.context())

    assert error.reason == "SMTP_UNAVAILABLE"
    assert not isinstance(error, PermanentError)
    assert not result.maybe_sent
    assert sandbox.delivered_to() == ["cut-beforex1@a.example"]


def test_a_kept_connection_cut_before_the_content_costs_no_attempt(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """It may have been stale, so a fresh one is tried at once; nobody gets two."""
    send_email(welcome("ana@example.com"), EagerJob().context())

    result = send_email(welcome("cut-beforex1@a.example"), job.context())

    assert not result.maybe_sent
    assert sandbox.delivered_to() == ["ana@example.com", "cut-beforex1@a.example"]
    assert sandbox.server.connections == 2


def test_a_server_that_is_away_is_a_failure_to_repeat(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """Connection refused, then it is back."""
    sandbox.stop()
    error = failure(welcome("ana@example.com"), job)
    sandbox.start()
    send_email(welcome("ana@example.com"), job.context())

    assert error.reason == "SMTP_UNAVAILABLE"
    assert f"127.0.0.1:{sandbox.port}" in str(error)
    assert sandbox.delivered_to() == ["ana@example.com"]


@pytest.mark.parametrize(
    ("reply", "reason", "permanent"),
    [
        ("421 4.3.2 going down", "SMTP_TEMPORARY", False),
        ("451 4.3.0 queue full", "SMTP_TEMPORARY", False),
        ("550 5.7.1 you may not send", "SENDER_REFUSED", True),
    ],
)
def test_a_server_that_takes_no_mail_says_why(
    sandbox: RunningSandbox, job: EagerJob, reply: str, reason: str, permanent: bool
) -> None:
    """The reply to MAIL is about the server or the sender, not about the recipient."""
    sandbox.faults.unavailable = reply

    error = failure(welcome("ana@example.com"), job)

    assert (error.reason, isinstance(error, PermanentError)) == (reason, permanent)
    assert reply in str(error)


def test_a_worker_that_died_before_the_record_leaves_the_outcome_open(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """The mail was sent and the ledger shows only the intent: the next run does not send it."""

    class Died(BaseException):
        pass

    def die(key: str, value: str) -> None:
        raise Died

    hold = job.begin()
    hold.end_effect = die  # type: ignore[method-assign]
    with pytest.raises(Died):
        send_email(welcome("ana@example.com"), JobContext(hold))

    result = send_email(welcome("ana@example.com"), job.context())

    assert result.maybe_sent
    assert sandbox.delivered_to() == ["ana@example.com"]


def test_a_timeout_in_the_middle_of_a_mail_leaves_no_broken_connection(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """The reply was not awaited: the outcome is in doubt, and the next mail gets its own reply."""

    def time_out(*_: object) -> None:
        raise SoftTimeout

    def interrupt() -> None:
        eventually(lambda: sandbox.server.mailbox.kept)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, time_out)
    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    try:
        with pytest.raises(SoftTimeout):
            send_email(welcome("slow+20s@a.example"), job.context())
    finally:
        interrupter.join()
        signal.signal(signal.SIGUSR1, before)

    other = send_email(welcome("refuse+250@a.example"), EagerJob().context())
    again = send_email(welcome("slow+20s@a.example"), job.context())

    assert [mark for mark, _ in job.ledger.values()] == ["doubt"]
    assert (other.maybe_sent, again.maybe_sent) == (False, True)
    assert sandbox.delivered_to() == ["slow+20s@a.example", "refuse+250@a.example"]


def test_line_breaks_in_variables_reach_no_header(sandbox: RunningSandbox, job: EagerJob) -> None:
    """CR, LF and lone dots stay text, on the wire as well."""
    mail = SendEmail(
        to="ana@example.com",
        template="message",
        variables={
            "subject": "Oi\r\nBcc: eve@example.com\r\n\r\n.\r\n",
            "message": "um\r\n.\r\nMAIL FROM:<eve@example.com>\r\n..dois",
        },
    )

    send_email(mail, job.context())

    [delivered] = sandbox.mails()
    assert delivered["Bcc"] is None
    assert delivered["Subject"] == "Oi Bcc: eve@example.com ."
    body = delivered.get_body(preferencelist=("plain",))
    assert body is not None
    assert "um\r\n.\r\nMAIL FROM:<eve@example.com>\r\n..dois\r\n" in body.get_content()


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        (SendEmail(to="a@b.example, c@d.example", template="welcome"), "EMAIL_FORMAT"),
        (SendEmail(to="ana@example.com", template="wellcome"), "TEMPLATE_UNKNOWN"),
        (SendEmail(to="ana@example.com", template="welcome", locale="fr"), "LOCALE_UNKNOWN"),
        (SendEmail(to="ana@example.com", template="welcome"), "TEMPLATE_VARIABLE"),
    ],
)
def test_what_can_never_be_sent_opens_no_connection(
    sandbox: RunningSandbox, job: EagerJob, mail: SendEmail, reason: str
) -> None:
    """What passed by the door's rules is refused here, for good."""
    error = failure(mail, job)

    assert isinstance(error, PermanentError)
    assert error.reason == reason
    assert sandbox.server.connections == 0


def test_a_forked_child_opens_its_own_connection(sandbox: RunningSandbox) -> None:
    """Parent, child, parent: three mails on two connections, no dialogue disturbed."""
    script = """
import os, sys
from portaria.jobs.eager import EagerJob
from portaria_workers.mail import smtp
from portaria_workers.mail.deferrals import DEFERRALS
from portaria_workers.mail.handlers import send_email
from portaria_workers.mail.v1.mail_pb2 import SendEmail

def send(to):
    mail = SendEmail(to=to, template="welcome", variables={"name": "Ana"})
    assert not send_email(mail, EagerJob().context()).maybe_sent

send("one@example.com")
child = os.fork()
if not child:
    send("two@example.com")
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
send("three@example.com")
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], env=env, check=True, timeout=30)

    assert sandbox.delivered_to() == ["one@example.com", "two@example.com", "three@example.com"]
    assert sandbox.server.connections == 2


def test_a_server_may_look_through_a_mail_before_it_takes_it(
    sandbox: RunningSandbox, job: EagerJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take longer over that than over any other reply."""
    monkeypatch.setattr(smtp, "REPLY_TIMEOUT", 0.3)

    result = send_email(welcome("slow+900ms.ana@example.com"), job.context())

    assert not result.maybe_sent


def test_a_job_whose_time_is_nearly_over_waits_no_longer(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """It says that the mail may have been sent, instead of being stopped."""
    hold = job.begin()
    hold.deadline = datetime.now(UTC) + timedelta(seconds=smtp.MARGIN)

    result = send_email(welcome("slow+30s.ana@example.com"), JobContext(hold))

    assert result.maybe_sent
