"""What a watcher knows of a job already."""

from dataclasses import dataclass, field

from portaria.v1.job_pb2 import JobState, Progress
from portaria.v1.jobs_service_pb2 import JobEvent


@dataclass(frozen=True, slots=True)
class Seen:
    """The last event of a job; what tells no more is not shown again."""

    state: JobState.ValueType
    attempt: int
    progress: tuple[int, int, str]
    moment: int = field(compare=False)

    def outdates(self, event: JobEvent) -> bool:
        """Whether it is progress from before what is known: a door that lags tells of such."""
        if not event.HasField("progress"):
            return False
        if event.attempt == self.attempt and event.state != self.state:
            return True
        return (event.attempt, _moment(event)) < (self.attempt, self.moment)

    @classmethod
    def after(cls, before: "Seen | None", event: JobEvent) -> "Seen":
        """What is known after an event."""
        kind = event.WhichOneof("event")
        progress = before.progress if before else (0, 0, "")
        if kind == "progress":
            progress = _figures(event.progress)
        elif kind == "snapshot":
            progress = _figures(event.snapshot.progress)
        moment = max(_moment(event), before.moment if before else 0)
        return cls(event.state, event.attempt, progress, moment)


def _moment(event: JobEvent) -> int:
    milliseconds: int = event.event_time.ToMilliseconds()
    return milliseconds


def _figures(progress: Progress) -> tuple[int, int, str]:
    return progress.current, progress.total, progress.message
