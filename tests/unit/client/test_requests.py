"""What a submit puts on the wire."""

from datetime import UTC, datetime, timedelta

import pytest

from portaria.client import chain, group, step
from portaria.client.many import Chunks
from portaria.client.planning import schedule_of
from portaria.client.requests import spec_of, submit_request
from portaria.core.errors import InvalidRequest
from portaria.v1.job_pb2 import PRIORITY_CRITICAL, PRIORITY_LOW, SubmitOptions
from portaria_workers.mail.v1.mail_pb2 import SendEmail

MAIL = SendEmail(to="ana@example.com", template="welcome", variables={"b": "2", "a": "1"})


def test_the_payload_is_packed_under_its_full_name():
    """The type URL ends in the message's name, and the bytes are that message."""
    payload = submit_request(MAIL).spec.payload

    assert payload.type_url == "type.googleapis.com/portaria_workers.mail.v1.SendEmail"
    assert SendEmail.FromString(payload.value) == MAIL


def test_a_request_id_is_made_where_none_is_given():
    """Each submit without one has its own; a given one is kept, an empty one too."""
    made = {submit_request(MAIL).request_id for _ in range(10)}

    assert len(made) == 10
    assert all(made)
    assert submit_request(MAIL, request_id="mine").request_id == "mine"
    assert submit_request(MAIL, request_id="").request_id == ""


def test_named_arguments_win_over_options():
    """And the caller's options are left as they were."""
    options = SubmitOptions(priority=PRIORITY_LOW, labels={"team": "a", "kept": "yes"})

    delay, labels = timedelta(seconds=90), {"team": "b"}

    request = submit_request(MAIL, options=options, priority="critical", delay=delay, labels=labels)

    assert request.spec.options.priority == PRIORITY_CRITICAL
    assert request.spec.options.delay.seconds == 90
    assert dict(request.spec.options.labels) == {"team": "b", "kept": "yes"}
    assert options == SubmitOptions(priority=PRIORITY_LOW, labels={"team": "a", "kept": "yes"})


def test_a_run_time_is_a_moment_with_its_zone():
    """An aware time is sent as that instant; a naive one could mean anything, and is refused."""
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)

    request = submit_request(MAIL, run_time=moment)

    assert request.spec.options.run_time.ToDatetime(tzinfo=UTC) == moment
    with pytest.raises(InvalidRequest, match="needs a time zone"):
        submit_request(MAIL, run_time=moment.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"priority": "urgent"}, "is one of critical, high, default, low"),
        ({"delay": timedelta(1), "run_time": datetime.now(UTC)}, "excludes a delay"),
    ],
)
def test_what_the_wire_cannot_carry_is_refused_before_it(arguments, words):
    """With the same error as the door would raise."""
    with pytest.raises(InvalidRequest, match=words):
        submit_request(MAIL, **arguments)


@pytest.mark.parametrize(
    ("payload", "words"),
    [("x", "got str"), (None, "got NoneType"), (SendEmail, "got the class SendEmail: call it")],
)
def test_what_is_no_message_is_refused_in_words(payload, words):
    """A mistake of the program."""
    with pytest.raises(TypeError, match=f"expected the message of a job type.*{words}"):
        submit_request(payload)


@pytest.mark.parametrize(
    "build",
    [
        lambda labels: submit_request(MAIL, labels=labels),
        lambda labels: step(MAIL, labels=labels),
        lambda labels: schedule_of("nightly", MAIL, {"every": timedelta(1), "labels": labels}),
        lambda labels: Chunks(size=1, labels=labels, request_id=None, on_error=None),
    ],
)
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"b": "1", "a": 1}, r"labels\['a'\]: expected a str; got int"),
        ({"a": None}, r"labels\['a'\]: expected a str; got NoneType"),
        ({7: "1"}, r"labels\[7\]: expected a str; got int"),
    ],
)
def test_a_label_that_is_no_str_is_named(build, labels, words):
    """A mistake of the program, told in words of ours."""
    with pytest.raises(TypeError, match=words):
        build(labels)


@pytest.mark.parametrize(
    "build",
    [
        lambda: submit_request(chain(MAIL)),
        lambda: submit_request(MAIL, on_success=chain(MAIL)),
        lambda: submit_request(MAIL, on_failure=group(MAIL)),
        lambda: submit_request(MAIL, on_retry=step(MAIL)),
        lambda: spec_of(chain(MAIL)),
    ],
)
def test_a_step_is_no_job(build):
    """Nor a hook, which is one job."""
    with pytest.raises(TypeError, match=r"expected the message of a job type.*got a Step"):
        build()
