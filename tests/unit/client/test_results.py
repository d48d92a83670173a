"""From the end of a job to its result, or to the error that says why there is none."""

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.empty_pb2 import Empty

from portaria.client import JobCancelled, JobExpired, JobFailed, JobNotSucceeded, ResultUnavailable
from portaria.client.results import lacks_result, result_of
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Failure, Job
from portaria_workers.mail.v1.mail_pb2 import SendEmail, SendEmailResult

SEND_EMAIL = "portaria_workers.mail.v1.SendEmail"


def ended(state, **fields) -> Job:
    return Job(job_id="j1", type=SEND_EMAIL, state=state, done=True, **fields)


def packed(message) -> Any:
    found = Any()
    found.Pack(message)
    return found


def test_a_result_comes_as_its_own_type():
    """The message that the handler returned, not the envelope."""
    result = SendEmailResult(message_id="<1@x>")

    found = result_of(ended(job_pb2.JOB_STATE_SUCCEEDED, result=packed(result)))

    assert found == result
    assert type(found) is SendEmailResult


def test_a_failure_says_reason_message_and_job():
    """JobFailed carries what a caller decides on."""
    failure = Failure(reason="SMTP_REFUSED", message="mailbox full")

    with pytest.raises(JobFailed, match="job j1 failed: SMTP_REFUSED: mailbox full") as caught:
        result_of(ended(job_pb2.JOB_STATE_FAILED, last_failure=failure))

    assert caught.value.reason == "SMTP_REFUSED"
    assert caught.value.job_id == "j1"
    assert caught.value.failure == failure


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (job_pb2.JOB_STATE_FAILED, JobFailed),
        (job_pb2.JOB_STATE_CANCELLED, JobCancelled),
        (job_pb2.JOB_STATE_EXPIRED, JobExpired),
    ],
)
def test_every_bad_end_has_its_error(state, kind):
    """All are JobNotSucceeded, so that one except clause catches them."""
    with pytest.raises(kind) as caught:
        result_of(ended(state))

    assert isinstance(caught.value, JobNotSucceeded)


def test_a_type_without_a_result_answers_empty():
    """Where the job type promises nothing, nothing is not an error."""
    job = Job(job_id="j1", type="google.protobuf.Empty", state=job_pb2.JOB_STATE_SUCCEEDED)

    assert result_of(job) == Empty()
    assert not lacks_result(job)


def test_a_promised_result_that_is_not_there_is_an_error():
    """It is asked for in full first; what is still missing is not kept any more."""
    job = ended(job_pb2.JOB_STATE_SUCCEEDED)

    assert lacks_result(job)
    with pytest.raises(ResultUnavailable, match="not kept"):
        result_of(job)


def test_a_result_of_an_unknown_type_names_it():
    """The caller has to import its generated module."""
    foreign = Any(type_url="type.googleapis.com/acme.v9.Report", value=b"")

    with pytest.raises(ResultUnavailable, match=r"a acme\.v9\.Report, whose generated module"):
        result_of(ended(job_pb2.JOB_STATE_SUCCEEDED, result=foreign))


def test_a_broken_result_is_an_error_of_its_own():
    """Bytes that do not parse do not escape as protobuf's exception."""
    broken = packed(SendEmail(to="x"))
    broken.value = b"\xff\xff"

    with pytest.raises(ResultUnavailable, match="does not parse"):
        result_of(ended(job_pb2.JOB_STATE_SUCCEEDED, result=broken))
