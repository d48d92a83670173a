"""What the door makes of a request, without a store."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.admission.rules import Rules
from portaria.core.errors import InvalidRequest, StoreUnavailable
from portaria.core.seal import KeyRing
from portaria.intake.admission import Admission, Admitted
from portaria.intake.catalogue import Catalogue, Served
from portaria.jobs.discovery import load_files
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.jobs_service_pb2 import SubmitJobRequest
from portaria_workers.mail.v1.mail_pb2 import SendEmail

MAIL = SendEmail(to="a@b.cd", template="welcome", variables={"name": "Ana"})


@pytest.fixture(scope="module")
def admission() -> Admission:
    """A door that knows the mail types."""
    catalogue = Catalogue(load_files(("portaria_workers",)))
    catalogue.learn({})
    keys = KeyRing([bytes(32)])
    return Admission(catalogue=catalogue, rules=Rules(), keys=keys, namespace="default")


def _admit(admission: Admission, mail: SendEmail | None = None, **options: object) -> Admitted:
    request = SubmitJobRequest(request_id="r1")
    request.spec.payload.Pack(mail or MAIL)
    if options:
        request.spec.options.CopyFrom(SubmitOptions(**options))  # type: ignore[arg-type]
    return admission.admit(request)


def test_equal_content_has_equal_hashes(admission: Admission) -> None:
    """Whatever the order of a map; job ids differ all the same."""
    names = ["code", "name", "user_id", "valid_for"]
    first = SendEmail(to="a@b.cd", template="activation", variables=dict.fromkeys(names, "x"))
    names.reverse()
    second = SendEmail(to="a@b.cd", template="activation", variables=dict.fromkeys(names, "x"))

    one, two = _admit(admission, first), _admit(admission, second)

    assert one.submission.content_hash == two.submission.content_hash
    assert one.submission.job_id != two.submission.job_id


def test_what_is_served_may_change_in_the_middle() -> None:
    """A thread learns: each submission is checked by what was served at one moment."""
    before, after = Catalogue(load_files(("portaria_workers",))), Catalogue({})
    moments = [before.served]

    class Changing:
        """Serves something else each time that it is asked, and is complete once it was asked."""

        is_complete = False

        @property
        def served(self) -> Served:
            self.is_complete = True
            return moments.pop() if moments else after.served

    rules, keys = Rules(), KeyRing([bytes(32)])
    admission = Admission(catalogue=Changing(), rules=rules, keys=keys, namespace="default")  # type: ignore[arg-type]

    assert _admit(admission).job_type.name == "portaria_workers.mail.v1.SendEmail"
    assert not moments
    admission._catalogue = Changing()  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        _admit(admission)


def test_what_differs_differs_in_its_hash(admission: Admission) -> None:
    """Payload and each option; headers do not count."""
    hashes = [
        _admit(admission, mail, **options).submission.content_hash
        for mail, options in (
            (None, {}),
            (SendEmail(to="b@b.cd", template="welcome", variables={"name": "Ana"}), {}),
            (None, {"delay": Duration(seconds=1)}),
            (None, {"labels": {"a": "b"}}),
            (None, {"priority": 2}),
            (None, {"timeout": Duration(seconds=60)}),
        )
    ]

    assert len(set(hashes)) == len(hashes)
    assert (
        hashes[3]
        == _admit(admission, labels={"a": "b"}, headers={"h": "1"}).submission.content_hash
    )


def test_defaults_are_those_of_the_type(admission: Admission) -> None:
    """Queue, timeout, retention, attempts."""
    submission = _admit(admission).submission

    assert (submission.queue, submission.timeout_s, submission.max_attempts) == ("mail:high", 60, 5)
    assert (submission.ttl_ms, submission.delay_ms, submission.run_at_ms) == (86_400_000, 0, 0)


def test_options_win_over_defaults(admission: Admission) -> None:
    """Parts of a second are not lost."""
    submission = _admit(
        admission,
        priority=1,
        timeout=Duration(seconds=1, nanos=500_000_000),
        delay=Duration(nanos=1_500_000),
        result_ttl=Duration(seconds=60),
        labels={"e": "5", "d": "4", "c": "3", "b": "2", "a": "1"},
    ).submission

    assert (submission.queue, submission.timeout_s) == ("mail:low", 2)
    assert (submission.delay_ms, submission.ttl_ms) == (1, 60_000)
    assert list(submission.labels) == [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]


@pytest.mark.parametrize("seconds", [-62_135_596_800, -1, 0, 1])
def test_any_moment_in_the_past_is_now(seconds: int, admission: Admission) -> None:
    """Never mistaken for "not given"."""
    submission = _admit(admission, run_time=Timestamp(seconds=seconds)).submission

    assert 0 < submission.run_at_ms <= 1000


def test_every_option_is_served() -> None:
    """A new option of the contract fails here until somebody decides."""
    served = {
        "priority",
        "run_time",
        "delay",
        "timeout",
        "retry",
        "result_ttl",
        "labels",
        "headers",
        "start_before_time",
        "deadline",
        "unique_key",
        "on_conflict",
        "on_success",
        "on_failure",
        "on_retry",
    }

    assert {field.name for field in SubmitOptions.DESCRIPTOR.fields} == served


def test_a_known_type_under_a_foreign_prefix_is_that_type(admission: Admission) -> None:
    """Only what follows the last slash counts, as everywhere in protobuf."""
    request = SubmitJobRequest(request_id="r1")
    request.spec.payload.Pack(MAIL, "example.com/types")

    admitted = admission.admit(request)

    assert admitted.submission.type == "portaria_workers.mail.v1.SendEmail"
    assert admitted.submission.content_hash == _admit(admission).submission.content_hash


def test_what_is_wrong_is_never_repeated(admission: Admission) -> None:
    """Not even in the exception."""
    with pytest.raises(InvalidRequest) as raised:
        _admit(admission, SendEmail(to="canary", template="canary", subject="canary\n"))

    assert len(raised.value.violations) == 3
    assert "canary" not in f"{raised.value} {raised.value.violations}"
