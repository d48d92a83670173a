"""SendBulkEmail: everybody once, whatever happens on the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portaria.jobs import JobContext, JobError, PermanentError, RetryLater
from portaria.jobs.eager import EagerJob, Report
from portaria_workers.mail.bulk import LATER, MOST_LOST, SOON, send_bulk_email
from portaria_workers.mail.deferrals import DEFERRALS
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendBulkEmailResult

from .conftest import RunningSandbox

LOST = "cut@a.example"
REFUSED = "refuse+550@a.example"


def message_to(*addresses: str) -> SendBulkEmail:
    """What `send_bulk_email(subject, message, recipient_list)` was."""
    return SendBulkEmail(
        template="message",
        subject="Aviso",
        variables={"message": "Amanhã às dez."},
        recipients=[SendBulkEmail.Recipient(address=address) for address in addresses],
    )


def refused(result: SendBulkEmailResult) -> list[tuple[str, str]]:
    return [(each.address, each.reason) for each in result.refused]


def test_everybody_gets_one_and_a_refusal_stops_nobody(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """Duplicates count once, the refused address is reported, progress is told for each."""
    mail = message_to("ana@example.com", REFUSED, "rui@example.com", "ana@EXAMPLE.com")

    result = send_bulk_email(mail, job.context())

    assert sandbox.delivered_to() == ["ana@example.com", "rui@example.com"]
    assert (result.sent, list(result.maybe_sent)) == (2, [])
    assert refused(result) == [(REFUSED, "550 5.1.1 no such mailbox")]
    assert job.reports == [
        Report(1, 3, "1 sent"),
        Report(2, 3, "1 sent, 1 refused"),
        Report(3, 3, "2 sent, 1 refused"),
    ]
    assert sandbox.server.connections == 1


def test_a_recipients_own_variables_win(sandbox: RunningSandbox, job: EagerJob) -> None:
    """What all share is the default."""
    mail = SendBulkEmail(
        template="welcome",
        variables={"name": "cliente"},
        recipients=[
            SendBulkEmail.Recipient(address="ana@example.com", variables={"name": "Ana"}),
            SendBulkEmail.Recipient(address="rui@example.com"),
        ],
    )

    send_bulk_email(mail, job.context())

    assert [str(each["Subject"]) for each in sandbox.mails()] == [
        "Ana, sua conta está pronta",
        "cliente, sua conta está pronta",
    ]


def test_a_run_after_the_end_repeats_nobody_and_says_the_same(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """The ledger remembers refusals and doubts as well as deliveries."""
    mail = message_to("ana@example.com", REFUSED, LOST, "rui@example.com")

    first = send_bulk_email(mail, job.context())
    second = send_bulk_email(mail, job.context())

    assert first == second
    assert (second.sent, list(second.maybe_sent)) == (2, [LOST])
    assert refused(second) == [(REFUSED, "550 5.1.1 no such mailbox")]
    assert sandbox.delivered_to() == ["ana@example.com", LOST, "rui@example.com"]


def test_a_server_that_was_lost_on_the_way_burns_no_attempt(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """Cut at one recipient after the other, on fresh connections, too: the server is at fault."""
    cut = [f"cut-beforex2.{number}@a.example" for number in range(MOST_LOST + 1)]
    mail = message_to("ana@example.com", REFUSED, *cut, "rui@example.com")

    with pytest.raises(RetryLater) as caught:
        send_bulk_email(mail, job.context())
    delivered = sandbox.delivered_to()
    result = send_bulk_email(mail, job.context())

    assert caught.value.delay == LATER
    assert delivered == ["ana@example.com"]
    assert sandbox.delivered_to() == ["ana@example.com", *cut, "rui@example.com"]
    assert (result.sent, len(result.refused), list(result.maybe_sent)) == (len(cut) + 2, 1, [])


def test_one_at_whom_the_server_hangs_up_stops_nobody(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """Some do so instead of refusing: that one is tried again as a busy one, and then reported."""
    mail = message_to("ana@example.com", "cut-before@a.example", "rui@example.com")

    for _ in DEFERRALS:
        with pytest.raises(RetryLater, match="1 recipients are busy"):
            send_bulk_email(mail, job.context())
    result = send_bulk_email(mail, job.context())

    assert sandbox.delivered_to() == ["ana@example.com", "rui@example.com"]
    assert (result.sent, [each.address for each in result.refused]) == (2, ["cut-before@a.example"])
    assert "lost the SMTP server" in result.refused[0].reason


def test_a_server_going_down_fails_the_attempt(sandbox: RunningSandbox, job: EagerJob) -> None:
    """421 is about the server: nobody is marked as refused."""
    sandbox.faults.unavailable = "421 4.3.2 going down"
    with pytest.raises(JobError) as caught:
        send_bulk_email(message_to("ana@example.com"), job.context())
    sandbox.faults.unavailable = ""
    result = send_bulk_email(message_to("ana@example.com"), job.context())

    assert caught.value.reason == "SMTP_TEMPORARY"
    assert (result.sent, len(result.refused)) == (1, 0)


def test_a_run_whose_time_is_over_leaves_the_rest_to_the_next(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """At no cost: a slow server, or a low rate, is no failure."""
    mail = message_to("ana@example.com", "rui@example.com", "eva@example.com")
    hold = job.begin()
    hold.deadline = datetime.now(UTC)

    with pytest.raises(RetryLater) as caught:
        send_bulk_email(mail, JobContext(hold))
    delivered = sandbox.delivered_to()
    result = send_bulk_email(mail, job.context())

    assert caught.value.delay == SOON
    assert delivered == ["ana@example.com"]
    assert (result.sent, list(result.maybe_sent)) == (3, [])
    assert sandbox.delivered_to() == ["ana@example.com", "rui@example.com", "eva@example.com"]


def test_a_busy_recipient_is_tried_again_after_the_others(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """The run ends with RetryLater, which burns no attempt; the next reaches only the busy one."""
    mail = message_to("busy+450x1@a.example", "ana@example.com")

    with pytest.raises(RetryLater) as caught:
        send_bulk_email(mail, job.context())
    result = send_bulk_email(mail, job.context())

    assert caught.value.delay == DEFERRALS[0]
    assert (result.sent, len(result.refused)) == (2, 0)
    assert sandbox.delivered_to() == ["ana@example.com", "busy+450x1@a.example"]


def test_a_recipient_who_stays_busy_is_reported_in_the_end(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """After the last deferral the job ends well, with the server's words for the busy one."""
    mail = message_to("busy+450@a.example", "ana@example.com", REFUSED)

    delays = []
    for _ in DEFERRALS:
        with pytest.raises(RetryLater) as caught:
            send_bulk_email(mail, job.context())
        delays.append(caught.value.delay)
    result = send_bulk_email(mail, job.context())

    assert tuple(delays) == DEFERRALS
    assert result.sent == 1
    assert sorted(refused(result)) == [
        ("busy+450@a.example", "450 4.2.0 mailbox busy, try again later"),
        (REFUSED, "550 5.1.1 no such mailbox"),
    ]
    assert sandbox.delivered_to() == ["ana@example.com"]


def test_busy_recipients_who_fill_a_run_do_not_starve_the_others(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """Their deferrals pass, and then each run gets on, by a refusal at least."""
    mail = message_to("busy+450.a@a.example", "busy+450.b@a.example", "ana@example.com")

    delays, result = [], None
    for _ in range(10):
        hold = job.begin()
        hold.deadline = datetime.now(UTC)
        try:
            result = send_bulk_email(mail, JobContext(hold))
            break
        except RetryLater as later:
            delays.append(later.delay)

    assert delays == [*DEFERRALS, SOON, SOON, SOON]
    assert sandbox.delivered_to() == ["ana@example.com"]
    assert result is not None
    assert (result.sent, result.refused_count) == (1, 2)


def test_replies_lost_at_random_places_never_double_a_mail(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """Every fourth connection is cut after delivery: each of those is in doubt, none repeated."""
    sandbox.faults.lose_reply_every = 4
    addresses = [f"a{number}@example.com" for number in range(20)]

    result = send_bulk_email(message_to(*addresses), job.context())

    assert sandbox.delivered_to() == addresses
    assert result.sent == 15
    assert list(result.maybe_sent) == addresses[3::4]


def test_a_failure_tells_counts_where_no_list_can_be_stored(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """Mail needs no SQL, and goes without."""
    JobContext(job.begin()).once("ana@example.com", lambda: "")
    sandbox.faults.unavailable = "550 5.7.1 you may send no more"

    with pytest.raises(PermanentError) as caught:
        send_bulk_email(message_to("ana@example.com", "rui@example.com"), job.context())

    assert "; 1 sent, 1 left; the list of them cannot be stored: " in str(caught.value)
    assert "portaria db upgrade" in str(caught.value)


def test_nothing_is_sent_where_somebody_lacks_a_variable(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """All such recipients are named by number, at most twenty, and no value is shown."""
    recipients = [SendBulkEmail.Recipient(address="ana@example.com", variables={"name": "Ana"})]
    recipients += [SendBulkEmail.Recipient(address=f"b{n}@example.com") for n in range(22)]

    with pytest.raises(PermanentError) as caught:
        send_bulk_email(SendBulkEmail(template="welcome", recipients=recipients), job.context())

    assert caught.value.reason == "TEMPLATE_VARIABLE"
    assert 'recipients[1]: variable "name" is missing; recipients[2]' in str(caught.value)
    assert str(caught.value).endswith("; and 2 more")
    assert sandbox.server.connections == 0


def test_what_is_no_address_is_reported_and_not_tried(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """The door refuses these; a job that came another way still harms nobody."""
    result = send_bulk_email(
        message_to("a@b.example, c@d.example", "ana@example.com"), job.context()
    )

    assert refused(result) == [("a@b.example, c@d.example", "not tried: is not an e-mail address")]
    assert sandbox.delivered_to() == ["ana@example.com"]
