"""A watch over cut streams: nothing missed, nothing told twice."""

from datetime import timedelta

import pytest

from portaria.client import DoorUnavailable, NotFound
from portaria.client.retries import Outage
from portaria.client.waiting import Deadline
from portaria.client.watching import WatchOptions, WatchSession
from portaria.core.errors import CursorExpired, DeadlineExceeded, InvalidRequest
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Job, Progress
from portaria.v1.jobs_service_pb2 import (
    WATCH_UNTIL_ALL_DONE,
    WATCH_UNTIL_FOREVER,
    JobEvent,
    JobSelector,
    WatchJobsResponse,
)

AWAY = DoorUnavailable("door:1", "socket closed")
PENDING, RUNNING = job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING
CANCELLING = job_pb2.JOB_STATE_CANCELLING
RETRYING, SUCCEEDED = job_pb2.JOB_STATE_RETRYING, job_pb2.JOB_STATE_SUCCEEDED


@pytest.fixture
def watch(clock, rng):
    """Starts a session; its outages are borne for a minute."""

    def start(*job_ids, timeout=None, **options) -> WatchSession:
        outage = Outage(
            at_first=timedelta(seconds=10), patience=timedelta(minutes=1), clock=clock, rng=rng
        )
        deadline = Deadline(timeout, clock)
        return WatchSession(job_ids, WatchOptions(**options), deadline=deadline, outage=outage)

    return start


def snapshot(job_id, state=PENDING, **job) -> JobEvent:
    done = state == SUCCEEDED
    shown = Job(job_id=job_id, state=state, **job)
    return JobEvent(job_id=job_id, state=state, done=done, snapshot=shown)


def change(job_id, state, attempt=1) -> JobEvent:
    event = JobEvent(job_id=job_id, state=state, done=state == SUCCEEDED, attempt=attempt)
    event.state_change.SetInParent()
    return event


def progress(job_id, current, attempt=1, at=0, state=RUNNING) -> JobEvent:
    figures = Progress(current=current, total=10)
    event = JobEvent(job_id=job_id, state=state, attempt=attempt, progress=figures)
    event.event_time.FromMilliseconds(at)
    return event


def frame(cursor, *events, complete=False) -> WatchJobsResponse:
    return WatchJobsResponse(cursor=cursor, events=events, snapshot_complete=complete)


def told(session, *frames) -> list[JobEvent]:
    return [event for each in frames for event in session.receive(each)]


def test_the_first_stream_asks_for_the_present_state(watch):
    """Without a cursor the request has none, names the jobs, and ends with them."""
    request = watch("a", "b", progress_interval=timedelta(milliseconds=500)).request()

    assert list(request.selector.job_ids) == ["a", "b"]
    assert request.cursor == ""
    assert request.until == WATCH_UNTIL_ALL_DONE
    assert request.progress_interval.ToMilliseconds() == 500


def test_a_cut_stream_resumes_after_the_last_frame(watch):
    """The next request carries the cursor of the last frame, a heartbeat's included."""
    session = watch("a")
    told(session, frame("c1", snapshot("a"), complete=True), frame("c2", change("a", RUNNING)))
    told(session, frame("c3"))

    wait = session.failed(AWAY)

    assert timedelta() < wait < timedelta(seconds=1)
    assert session.request().cursor == "c3"


def test_a_stream_cut_within_the_snapshot_starts_again_and_repeats_nothing(watch):
    """Jobs that were shown before the cut are told again only where they moved on."""
    session = watch("a", "b", "c")
    first = told(session, frame("c1", snapshot("a"), snapshot("b")))
    session.failed(AWAY)

    assert session.request().cursor == ""
    moved = snapshot("b", RUNNING)
    second = told(session, frame("c2", snapshot("a"), moved, snapshot("c"), complete=True))

    assert [event.job_id for event in first] == ["a", "b"]
    assert second == [moved, snapshot("c")]
    assert session.request().cursor == "c2"


def test_a_trimmed_history_is_bridged_by_a_snapshot(watch):
    """CURSOR_EXPIRED after an outage: the present state is told, where it is news."""
    session = watch("a", "b")
    told(session, frame("c1", snapshot("a"), snapshot("b"), complete=True))
    told(session, frame("c2", progress("a", 3)))
    session.failed(AWAY)

    session.failed(CursorExpired("trimmed"))

    assert session.request().cursor == ""
    moved = snapshot("a", SUCCEEDED)
    assert told(session, frame("c9", moved, snapshot("b"), complete=True)) == [moved]


def test_progress_of_a_run_that_is_over_is_no_news(watch):
    """A door that lags behind the one before tells of it after the resume."""
    session = watch("a")
    told(session, frame("c1", snapshot("a"), complete=True), frame("c2", change("a", RUNNING)))
    told(session, frame("c3", progress("a", 3), change("a", RETRYING)))
    session.failed(AWAY)

    late = told(session, frame("c3", progress("a", 4)))
    begun = told(session, frame("c4", change("a", RUNNING, attempt=2)))
    later = told(session, frame("c5", progress("a", 5), progress("a", 1, attempt=2)))

    assert late == []
    assert begun == [change("a", RUNNING, attempt=2)]
    assert later == [progress("a", 1, attempt=2)]


def test_progress_before_its_run_was_told_is_news(watch):
    """Of a short run RUNNING may not be told at all."""
    session = watch("a")

    seen = told(session, frame("c1", snapshot("a"), progress("a", 3), complete=True))

    assert seen == [snapshot("a"), progress("a", 3)]


def test_progress_that_is_known_is_no_news(watch):
    """From the snapshot, or from the door before; nor is older progress."""
    session = watch("a")
    known = snapshot("a", RUNNING, progress=Progress(current=3, total=10))
    known.attempt = 1
    known.event_time.FromMilliseconds(3)
    told(session, frame("c1", known, complete=True))

    assert told(session, frame("c2", progress("a", 3, at=3))) == []
    assert told(session, frame("c3", progress("a", 4, at=4))) == [progress("a", 4, at=4)]
    session.failed(AWAY)
    assert told(session, frame("c3", progress("a", 3, at=3), progress("a", 4, at=4))) == []


def test_progress_does_not_undo_the_request_to_end(watch):
    """What was reported before it is no news after it."""
    session = watch("a")
    told(session, frame("c1", snapshot("a"), complete=True), frame("c2", change("a", RUNNING)))
    told(session, frame("c3", change("a", CANCELLING)))

    assert told(session, frame("c3", progress("a", 4))) == []
    still = progress("a", 5, state=CANCELLING)
    assert told(session, frame("c3", still)) == [still]


def test_a_watch_that_is_broken_off_is_logged_once(watch, caplog):
    """For whoever wonders; a door that stays away, or never was there, is no more of it."""
    caplog.set_level("INFO", logger="portaria.client")
    session = watch("a")
    session.failed(AWAY)
    assert caplog.messages == []
    told(session, frame("c1", snapshot("a"), complete=True))

    session.failed(AWAY)
    session.failed(AWAY)

    assert caplog.messages == [
        "a watch was broken off, and goes on: cannot reach the door at door:1"
    ]


def test_a_history_lost_within_the_snapshot_starts_again(watch):
    """The door may lose its place before it has told everything; no cursor was given then."""
    session = watch("a", "b")
    told(session, frame("c1", snapshot("a")))

    session.failed(CursorExpired("lost"))

    assert told(session, frame("c2", snapshot("a"), snapshot("b"))) == [snapshot("b")]


def test_a_caller_s_own_expired_cursor_is_the_caller_s_to_know(watch):
    """A cursor that was given and does not hold is an error, not a silent gap."""
    session = watch("a", cursor="old")
    assert session.request().cursor == "old"

    with pytest.raises(CursorExpired):
        session.failed(CursorExpired("trimmed"))


def test_a_watch_ends_with_the_last_job(watch):
    """Done jobs are asked for no more; nothing follows a terminal event."""
    session = watch("a", "b")
    told(session, frame("c1", snapshot("a"), snapshot("b"), complete=True))

    told(session, frame("c2", change("a", SUCCEEDED)))
    late = told(session, frame("c3", change("a", SUCCEEDED)))

    assert late == []
    assert list(session.request().selector.job_ids) == ["b"]
    assert not session.is_finished()
    told(session, frame("c4", change("b", SUCCEEDED)))
    assert session.is_finished()


def test_a_batch_is_watched_until_the_door_ends_the_stream(watch):
    """Only the door knows its jobs; none is told of after its end, and a cut is no end."""
    session = watch(selection={"workflow_id": "w1"})
    assert session.request().selector == JobSelector(workflow_id="w1")
    told(session, frame("c1", snapshot("a"), snapshot("b"), complete=True))
    told(session, frame("c2", change("a", SUCCEEDED)))
    session.failed(AWAY)
    assert session.request().selector == JobSelector(workflow_id="w1")
    assert session.request().cursor == "c2"

    assert told(session, frame("c3", change("a", SUCCEEDED))) == []
    assert told(session, frame("c4", change("b", SUCCEEDED))) == [change("b", SUCCEEDED)]
    assert not session.is_finished()
    assert session.ended() == timedelta()
    assert session.is_finished()


def test_a_batch_that_the_door_ends_too_early_is_asked_for_again(watch):
    """With a job open, as far as is known."""
    session = watch(selection={"workflow_id": "w1"})
    told(session, frame("c1", snapshot("a"), snapshot("b", SUCCEEDED), complete=True))

    assert session.ended() > timedelta()
    assert not session.is_finished()
    assert session.request().cursor == "c1"


def test_a_job_that_is_gone_ends_its_watch(watch):
    """`removed` is told once, and is the end of that job."""
    session = watch("a")
    gone = JobEvent(job_id="a")
    gone.removed.reason = "purged"

    assert told(session, frame("c1", gone)) == [gone]
    assert session.is_finished()


def test_progress_is_told_each_time(watch):
    """Two equal figures at two moments are two events; the same one again is none."""
    session = watch("a")

    events = told(session, frame("c1", *(progress("a", 3, at=moment) for moment in (1, 2, 2, 1))))

    assert len(events) == 2


def test_a_stream_that_ends_early_is_asked_again_then_settled_by_a_snapshot(watch):
    """A door that ends a stream in order though a job is open is asked what it holds."""
    session = watch("a")
    told(session, frame("c1", snapshot("a"), complete=True))

    session.ended()
    assert session.request().cursor == "c1"
    session.ended()
    assert session.request().cursor == ""
    told(session, frame("c2", snapshot("a", SUCCEEDED), complete=True))

    assert session.is_finished()


def test_an_unknown_job_ends_the_watch(watch):
    """NOT_FOUND is not retried."""
    with pytest.raises(NotFound):
        watch("a").failed(NotFound("no such job"))


def test_the_caller_s_time_ends_the_watch(watch, clock):
    """A stream lasts no longer than the caller wants, and the end says which jobs are open."""
    session = watch("a", timeout=timedelta(seconds=5))
    assert session.seconds() == 5
    clock.pass_by(timedelta(seconds=5))

    with pytest.raises(DeadlineExceeded, match="a: not done after 5 s"):
        session.failed(DeadlineExceeded("the stream's own"))


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        (3, "j0, j1, j2: not done after 0.99 s"),
        (4, "j0, j1, j2 and 1 more: not done after 0.99 s"),
        (50_000, "j0, j1, j2 and 49,997 more: not done after 0.99 s"),
    ],
)
def test_the_end_names_some_of_many_jobs(watch, clock, jobs, said):
    """A workflow may have 50,000; nor does what is left of a wait tell its microseconds."""
    left = timedelta(seconds=0.990698)
    session = watch(*(f"j{number}" for number in range(jobs)), timeout=left)
    clock.pass_by(left)

    with pytest.raises(DeadlineExceeded) as ended:
        session.failed(DeadlineExceeded("the stream's own"))

    assert ended.value.message == said


def test_no_wait_is_longer_than_the_caller_s_time(watch, clock):
    """Between two streams, too."""
    session = watch("a", timeout=timedelta(seconds=5))
    told(session, frame("c1", snapshot("a"), complete=True))
    clock.pass_by(timedelta(seconds=4.99))

    assert session.failed(AWAY) <= timedelta(seconds=0.0101)


def test_watching_nothing_is_refused(watch):
    """No id is a mistake of the caller's, and said before any call."""
    with pytest.raises(InvalidRequest, match="names no job"):
        watch()


def test_a_workflow_is_watched_until_the_door_has_told_all(watch):
    """Its jobs are not known beforehand; what a second snapshot repeats is not told again."""
    session = watch(selection={"workflow_id": "w"})
    told(session, frame("c1", snapshot("a", SUCCEEDED), snapshot("b"), complete=True))
    session.failed(CursorExpired("trimmed"))
    again = session.request()
    news = told(
        session,
        frame("c8", snapshot("a", SUCCEEDED), snapshot("b"), complete=True),
        frame("c9", change("b", SUCCEEDED)),
    )

    assert (again.selector.workflow_id, again.until) == ("w", WATCH_UNTIL_ALL_DONE)
    assert [event.job_id for event in news] == ["b"]
    assert not session.is_finished()
    assert session.ended() == timedelta()
    assert session.is_finished()


def test_a_job_of_a_workflow_that_a_new_snapshot_lacks_is_removed(watch):
    """It went while the watch was away; the door tells of it no more, and waits for it no more."""
    session = watch(selection={"workflow_id": "w"})
    told(session, frame("c1", snapshot("a"), snapshot("b"), snapshot("c"), complete=True))
    session.failed(CursorExpired("trimmed"))
    told(session, frame("c8", snapshot("a")))
    session.failed(AWAY)

    cut = told(session, frame("c8", snapshot("b", SUCCEEDED)))
    news = told(session, frame("c9", snapshot("c", SUCCEEDED), complete=True))

    assert [event.job_id for event in cut] == ["b"]
    gone = JobEvent(job_id="a", done=True, removed=JobEvent.Removed(reason="NOT_FOUND"))
    assert news == [snapshot("c", SUCCEEDED), gone]
    assert told(session, frame("c9", progress("a", 4))) == []
    assert session.ended() == timedelta()
    assert session.is_finished()


def test_a_resumed_workflow_waits_for_what_it_is_not_told_of(watch):
    """A stream that goes on after a cursor has no snapshot, and shows only news."""
    session = watch(selection={"workflow_id": "w"})
    told(session, frame("c1", snapshot("a"), snapshot("b"), complete=True))
    session.failed(AWAY)

    news = told(session, frame("c2", change("b", SUCCEEDED), complete=True))

    assert [event.job_id for event in news] == ["b"]
    assert session.ended() > timedelta()


def test_what_jobs_have_in_common_is_watched_for_ever(watch):
    """Resumed where it was, whatever ended it; nothing of done jobs is kept."""
    session = watch(selection={"labels": {"team": "a"}, "domains": ["mail"]})
    told(session, frame("c1", complete=True), frame("c2", change("a", SUCCEEDED)))

    for _ in range(3):
        session.ended()
    request = session.request()

    assert not session.is_finished()
    assert (request.cursor, request.until) == ("c2", WATCH_UNTIL_FOREVER)
    assert dict(request.selector.labels) == {"team": "a"}
    assert len(told(session, frame("c3", change("a", SUCCEEDED)))) == 1


def test_a_gap_that_no_snapshot_can_bridge_is_told(watch):
    """Of jobs that nobody named there is no present state to show."""
    session = watch(selection={"domains": ["mail"]})
    told(session, frame("c1", complete=True))

    with pytest.raises(CursorExpired):
        session.failed(CursorExpired("trimmed"))


def test_ids_and_what_they_have_in_common_go_together(watch):
    """Each job that has it not is removed by the door, and then done."""
    session = watch("a", "b", selection={"domains": ["mail"]})
    request = session.request()
    gone = JobEvent(job_id="b", done=True, removed=JobEvent.Removed(reason="NOT_FOUND"))
    told(session, frame("c1", snapshot("a", SUCCEEDED), gone, complete=True))

    assert (list(request.selector.job_ids), list(request.selector.domains)) == (
        ["a", "b"],
        ["mail"],
    )
    assert session.is_finished()


def test_a_snapshot_without_a_cursor_is_begun_again(watch):
    """It may show more than the door has a place for; and what is trimmed then is no caller's."""
    session = watch("a")
    told(session, frame("", snapshot("a"), complete=True))
    session.failed(AWAY)

    assert session.request().cursor == ""
    assert session.failed(CursorExpired("trimmed")) >= timedelta()
    assert told(session, frame("c1", snapshot("a"), complete=True)) == []
    session.failed(AWAY)
    assert session.request().cursor == "c1"
