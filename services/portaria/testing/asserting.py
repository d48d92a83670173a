"""What was submitted, told so that a failing assertion can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from google.protobuf.text_format import MessageToString

from portaria.core.states import State
from portaria.testing.job import EagerHandle

_MOST = 20
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Wanted:
    """The submission that a test expects."""

    what: Message | type[Message]
    fields: Mapping[str, object]
    priority: str | None
    labels: Mapping[str, str]

    def __post_init__(self) -> None:
        if isinstance(self.what, Message) and self.fields:
            raise TypeError("give a type with some of its fields, or a whole message")
        names = {field.name for field in self.what.DESCRIPTOR.fields}
        for name in self.fields:
            if name not in names:
                raise TypeError(f"{self.what.DESCRIPTOR.name} has no field {name}")

    def fits(self, job: EagerHandle) -> bool:
        """Whether this is such a job."""
        payload = job.payload
        if isinstance(self.what, Message):
            is_it = payload == self.what
        else:
            is_it = isinstance(payload, self.what) and all(
                getattr(payload, name) == value for name, value in self.fields.items()
            )
        labels = job.labels.items()
        return is_it and self.priority in (None, job.priority) and self.labels.items() <= labels

    def missed(
        self, fits: Sequence[EagerHandle], jobs: Sequence[EagerHandle], times: int | None
    ) -> str:
        """Why the assertion fails."""
        how = f", priority {self.priority}" if self.priority else ""
        how += f", labels {dict(self.labels)}" if self.labels else ""
        number = "" if times is None else f"{times} × "
        text = f"expected {number}{words_of(self.what, self.fields)}{how}; "
        if times is not None:
            text += f"found {len(fits)} of them; "
        return text + (f"submitted were:\n{told(jobs)}" if jobs else "nothing was submitted")


def words_of(what: Message | type[Message], fields: Mapping[str, object]) -> str:
    """SendEmail(to: "ana@example.com")."""
    if isinstance(what, Message):
        return _line(what)
    inside = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return f"{what.DESCRIPTOR.name}({inside})"


def told(jobs: Sequence[EagerHandle]) -> str:
    """A line a job, the first ones."""
    lines = [f"  {_line(each.payload)}  {_standing(each)}" for each in jobs[:_MOST]]
    if len(jobs) > _MOST:
        lines.append(f"  … and {len(jobs) - _MOST} more")
    return "\n".join(lines)


def _standing(job: EagerHandle) -> str:
    words = [job.state.value, job.priority]
    if job.attempt:
        words.append(f"attempt {job.attempt}")
    if job.labels:
        words.append(str(job.labels))
    if job.next_at is not None:
        words.append(f"due {job.next_at.isoformat(timespec='milliseconds')}")
    failure = job.failure
    if failure is not None and job.state is not State.SUCCEEDED:
        words.append(f"{failure.reason}: {failure.message}"[:_LONGEST])
    return ", ".join(words)


def _line(message: Message) -> str:
    text = MessageToString(message, as_one_line=True, as_utf8=True)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"{message.DESCRIPTOR.name}({text})"
