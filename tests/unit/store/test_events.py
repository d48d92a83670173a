"""Events: what the scripts write is what watchers read, whatever labels hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portaria.store.calls import Submission, tag
from portaria.store.events import (
    Tag,
    decode_labels,
    encode_labels,
    in_step,
    job_id_of,
    parse_progress,
    parse_state,
    parse_tag,
)

LABELS = st.dictionaries(st.text(), st.text(), max_size=6)
TAG = "mail:high acme.v1.Send default - tenant=a"
READ = Tag("mail:high", "acme.v1.Send", "default", "", {"tenant": "a"})


@given(labels=LABELS)
def test_labels_survive_their_encoding(labels: dict[str, str]) -> None:
    """Any unicode in keys and values; the order stays."""
    decoded = decode_labels(encode_labels(labels.items()))

    assert list(decoded.items()) == list(labels.items())


@given(labels=LABELS)
def test_encoded_labels_are_one_word_of_ascii(labels: dict[str, str]) -> None:
    """Blanks part the words of an entry."""
    word = encode_labels(labels.items())

    assert word.split() == [word]
    assert word.isascii()


@given(
    queue=st.sampled_from(["mail:high", "documents:low"]),
    labels=LABELS,
    workflow=st.sampled_from(["-", "0192-w"]),
)
def test_what_a_submission_says_is_what_its_events_carry(
    queue: str, labels: dict[str, str], workflow: str
) -> None:
    """From the tag that is stored to the tag that watchers select by."""
    job = Submission(
        namespace="default", request_id="r", content_hash="c", job_id="j", queue=queue,
        type="acme.v1.Send", envelope=b"", timeout_s=1, ttl_ms=1, max_attempts=1,
        labels=list(labels.items()), workflow_id=workflow,
    )  # fmt: skip

    read = parse_tag(tag(job).split(" "))

    expected = "" if workflow == "-" else workflow
    assert read == Tag(queue, "acme.v1.Send", "default", expected, labels)


def test_a_change_is_read_whole() -> None:
    """Every word of it."""
    event = parse_state(b"17-0", f"0192 RETRYING 2 RUNNING ana.1 1795000000123 {TAG}".encode())

    assert (event.entry_id, event.job_id, event.state) == ("17-0", "0192", "RETRYING")
    assert (event.attempt, event.previous, event.worker) == (2, "RUNNING", "ana.1")
    assert (event.next_ms, event.tag) == (1795000000123, READ)


def test_dashes_stand_for_nothing() -> None:
    """No previous state, no worker, no labels."""
    event = parse_state(b"1-0", b"0192 PENDING 0 - - 0 mail:low acme.v1.Send default w1 -")

    assert (event.previous, event.worker, event.tag.labels) == ("", "", {})
    assert event.tag.workflow_id == "w1"


def test_words_that_a_newer_release_adds_are_ignored() -> None:
    """Door and workers may be one release apart."""
    newer = f"0192 PENDING 0 - - 0 {TAG} more words".encode()

    assert parse_state(b"1-0", newer).tag == READ


def test_the_job_of_an_entry_is_known_without_reading_it() -> None:
    """What nobody watches is skipped so."""
    assert job_id_of(b"0192 PENDING and whatever") == b"0192"


def test_progress_is_read_whole() -> None:
    """The report stays as it came."""
    event = parse_progress(f"0192 3 {TAG}".encode(), b"\x00\xff")

    assert (event.job_id, event.attempt, event.report, event.tag) == ("0192", 3, b"\x00\xff", READ)
    assert not event.cancelling
    assert parse_progress(f"0192 3 {TAG} CANCELLING".encode(), b"").cancelling
    assert not parse_progress(f"0192 3 {TAG} RUNNING".encode(), b"").cancelling


@pytest.mark.parametrize(
    "packed", [b"", b"0192", b"0192 PENDING", b"\xff PENDING 0 - - 0 a b c d -"]
)
def test_half_an_entry_is_an_error(packed: bytes) -> None:
    """Not half an event."""
    with pytest.raises(ValueError):
        parse_state(b"1-0", packed)


def _entries(*ids: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return [(entry_id.encode(), {}) for entry_id in ids]


@pytest.mark.parametrize(
    ("changes", "reports", "told"),
    [
        (["7-0"], ["8-0", "9-0"], (1, 2)),
        # Cut: there may be progress of 9, and behind it.
        (["8-5", "9-0", "10-0"], ["7-0", "8-0", "9-0", "9-1"], (1, 4)),
        (["10-0"], ["6-0", "7-0", "8-0", "9-0"], (0, 4)),
        (["6-0", "7-0", "8-0", "9-0"], ["8-9", "9-0", "11-0"], (4, 1)),
        (["4-0", "5-0", "6-0", "7-0"], ["6-0", "7-0", "8-0", "9-0"], (4, 1)),
        (["6-0", "7-0", "8-0", "9-0"], ["6-0", "7-0", "8-0", "9-0"], (3, 3)),
        (["9-0", "9-1", "9-2", "9-3"], ["9-0", "9-1", "9-2", "9-3"], (4, 4)),
        ([], [], (0, 0)),
    ],
)
def test_streams_that_were_cut_are_told_in_step(
    changes: list[str], reports: list[str], told: tuple[int, int]
) -> None:
    """As far as both were read; four of each are read at most, and something is always told."""
    first, second = _entries(*changes), _entries(*reports)

    assert in_step(first, second, 4) == (first[: told[0]], second[: told[1]])
