"""Jobs in calls: how many go together, and what an answer says of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo
from portaria.client import AlreadyExists, InvalidRequest, PortariaError, RpcError
from portaria.client.many import Chunk, Chunks, ManyJob, OnError, chunks_of
from portaria.core.errors import Violation
from portaria.frontdoor.status import status_of
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.jobs_service_pb2 import BatchSubmitJobsResponse, BatchSubmitResult


def chunks(
    *jobs: ManyJob,
    size: int = 1000,
    request_id: str | None = None,
    on_error: OnError | None = None,
) -> list[Chunk]:
    """The calls that jobs are made into."""
    collecting = Chunks(size=size, labels={"a": "1"}, request_id=request_id, on_error=on_error)
    return list(chunks_of(jobs, collecting))


def ignored(_: int, __: PortariaError) -> None:
    """Leaves bad jobs out."""


def sizes(found: list[Chunk]) -> list[int]:
    return [len(each.request.specs) for each in found]


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(0, 10, []), (1, 10, [1]), (10, 10, [10]), (25, 10, [10, 10, 5]), (3, 1, [1, 1, 1])],
)
def test_a_call_has_so_many_jobs_at_most(count: int, size: int, expected: list[int]) -> None:
    """All of them in order, and none twice."""
    found = chunks(*(Echo(text=str(number)) for number in range(count)), size=size)

    assert sizes(found) == expected
    assert [each.first for each in found] == [size * number for number in range(len(expected))]
    specs = [spec for each in found for spec in each.request.specs]
    echoes = [Echo() for _ in specs]
    for spec, echo in zip(specs, echoes, strict=True):
        assert spec.payload.Unpack(echo)
    assert [echo.text for echo in echoes] == [str(number) for number in range(count)]


@pytest.mark.parametrize("size", [1, 1000])
def test_a_call_is_smaller_than_a_door_takes(size: int) -> None:
    """3 MiB in all, so that a large job goes alone."""
    jobs = [Echo(text="x" * length) for length in (2_000_000, 2_000_000, 3_145_600, 10, 10)]

    found = chunks(*jobs, size=size)

    assert sizes(found) == ([1, 1, 1, 2] if size > 1 else [1] * 5)
    assert all(each.request.ByteSize() <= 3 * 1024 * 1024 for each in found)


def test_a_job_that_no_call_can_hold_is_told_in_its_turn() -> None:
    """After the call with those before it; the others are handed in, and count on."""
    told: list[tuple[int, PortariaError]] = []
    jobs = [Echo(text="x" * length) for length in (10, 4_000_000, 20, 9_000_000, 3_145_730, 30)]
    collecting = Chunks(
        size=2, labels=None, request_id="r", on_error=lambda *each: told.append(each)
    )

    seen = [(each, len(told)) for each in chunks_of(jobs, collecting)]

    assert [(each.first, len(each.request.specs), before) for each, before in seen] == [
        (0, 1, 0), (2, 1, 1), (5, 1, 3),
    ]  # fmt: skip
    assert [each.request.request_id for each, _ in seen] == ["r.0", "r.1", "r.2"]
    assert [number for number, _ in told] == [1, 3, 4]
    for number, error in told:
        assert isinstance(error, InvalidRequest)
        (wrong,) = error.violations
        assert (wrong.field, wrong.reason) == (f"specs[{number}].payload", "TOO_LARGE")


def test_a_job_that_no_call_can_hold_ends_it_where_nobody_is_told() -> None:
    """What came before it was handed in."""
    collecting = Chunks(size=1000, labels=None, request_id=None, on_error=None)
    source = chunks_of([Echo(), Echo(text="x" * 4_000_000), Echo()], collecting)

    first = next(source)
    with pytest.raises(InvalidRequest, match=r"specs\[1\]\.payload: is too large"):
        next(source)

    assert len(first.request.specs) == 1


def test_it_takes_from_an_endless_source_what_the_next_call_needs() -> None:
    """Not one job more."""
    taken = []

    def endless() -> Iterator[Echo]:
        while True:
            taken.append(1)
            yield Echo()

    collecting = Chunks(size=7, labels=None, request_id=None, on_error=None)
    source = chunks_of(endless(), collecting)
    next(source)
    next(source)

    assert len(taken) == 14


def test_calls_have_request_ids_of_their_own() -> None:
    """Random ones, or numbered ones that a repeat of all makes again."""
    one, two = chunks(Echo(), Echo(), size=1)
    assert one.request.request_id != two.request.request_id

    numbered = chunks(Echo(), Echo(), size=1, request_id="import-7")

    assert [each.request.request_id for each in numbered] == ["import-7.0", "import-7.1"]


def test_options_and_labels_go_with_the_jobs() -> None:
    """A job's options on its spec, the labels of all on the call."""
    (call,) = chunks((Echo(), SubmitOptions(unique_key="k")), Echo(), on_error=ignored)

    assert call.request.specs[0].options.unique_key == "k"
    assert not call.request.specs[1].HasField("options")
    assert dict(call.request.labels) == {"a": "1"}
    assert call.request.allow_partial


def test_the_fields_of_a_refusal_count_over_all_jobs() -> None:
    """Whichever call they went in."""
    _, second = chunks(Echo(), Echo(), Echo(), size=2)
    error = InvalidRequest(
        [
            Violation("specs[0].payload.to", "FORMAT", "is bad"),
            Violation("specs", "TOO_LARGE", "are large"),
            Violation("labels", "TOO_MANY", "are many"),
        ]
    )

    moved = second.refused(error)

    assert isinstance(moved, InvalidRequest)
    assert [each.field for each in moved.violations] == ["specs[2].payload.to", "specs", "labels"]
    other = AlreadyExists("no")
    assert second.refused(other) is other


def test_an_answer_is_ids_and_errors() -> None:
    """Ids in order; each error with its number, as the kind that a call would raise."""
    (chunk,) = chunks(Echo(), Echo(), Echo(), Echo(), on_error=ignored)
    bad = status_of(InvalidRequest([Violation("specs[1].payload", "REQUIRED", "is required")]))
    held = status_of(AlreadyExists("held", metadata={"job_id": "j0"}))
    strange = status_of(PortariaError("x"))
    del strange.details[:]
    answer = BatchSubmitJobsResponse(
        results=[
            BatchSubmitResult(job_id="j1"),
            BatchSubmitResult(error=bad),
            BatchSubmitResult(error=held),
            BatchSubmitResult(error=strange),
        ]
    )
    told: list[tuple[int, PortariaError]] = []

    ids = list(chunk.accepted(answer, lambda number, error: told.append((number, error))))

    assert ids == ["j1"]
    assert [number for number, _ in told] == [1, 2, 3]
    kinds = [type(error) for _, error in told]
    assert kinds == [InvalidRequest, AlreadyExists, RpcError]
    assert told[1][1].metadata["job_id"] == "j0"


@pytest.mark.parametrize("size", [0, -1, 1001])
def test_a_chunk_that_no_door_takes_is_refused_at_once(size: int) -> None:
    """A mistake of the program."""
    with pytest.raises(ValueError, match="expected 1 to 1000"):
        Chunks(size=size, labels=None, request_id=None, on_error=None)
