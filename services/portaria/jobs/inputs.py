"""What a job reads of those before it in its workflow, and of the one that it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from portaria.core.job_type import descriptor_of
from portaria.core.states import State
from portaria.jobs.errors import PermanentError
from portaria.v1.job_pb2 import Failure

Result = TypeVar("Result", bound=Message)


class StepFailed(PermanentError):
    """The job whose result was asked for did not succeed; `failure` says why."""

    def __init__(self, failure: Failure, job_id: str) -> None:
        words = f": {failure.message}" if failure.message else ""
        super().__init__("STEP_FAILED", f"job {job_id} failed: {failure.reason}{words}")
        self.failure = failure
        self.job_id = job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a job stands that this one may read."""

    job_id: str
    state: State
    result: AnyMessage | None = None
    """Of one that succeeded; None where it returned nothing."""
    failure: Failure | None = None
    """Of one that ended otherwise; the last one, of a job that is not done."""
    is_spared: bool = False
    """Its failure counts as if the job were not there."""

    def value(self, kind: type[Result]) -> Result:
        """What it returned. Raises StepFailed, or PermanentError for a message of another type."""
        if self.failure is not None:
            raise StepFailed(self.failure, self.job_id)
        wanted = descriptor_of(kind).full_name
        returned = self.result.type_url.rpartition("/")[2] if self.result is not None else "nothing"
        if self.result is None or returned != wanted:
            text = f"job {self.job_id} returned {returned}, asked for was {wanted}"
            raise PermanentError("INPUT_TYPE", text)
        try:
            return kind.FromString(self.result.value)
        except DecodeError:
            text = f"what job {self.job_id} returned cannot be read as {wanted}"
            raise PermanentError("INPUT_TYPE", text) from None


@dataclass(frozen=True, slots=True)
class Before:
    """Jobs before a job, in order; read while they are taken."""

    count: int
    endings: Iterator[Ending]

    def single(self, kind: type[Result]) -> Result:
        """The result of the only one. Raises as Ending.value, and ValueError where they are not
        one."""
        if self.count != 1:
            hint = ": take ctx.inputs, or name a node" if self.count else ""
            raise ValueError(f"there are {self.count} jobs to read from, not one{hint}")
        return next(self.endings).value(kind)

    def each(self, kind: type[Result]) -> Iterator[Result | Failure]:
        """The result of each, or its Failure in its place; without those that are spared."""
        for ending in self.endings:
            if ending.failure is None:
                yield ending.value(kind)
            elif not ending.is_spared:
                yield ending.failure


class Parent:
    """The job that submitted this one, or the job or workflow whose hook this one is."""

    def __init__(
        self, read: Callable[[], Ending], *, job_id: str = "", workflow_id: str = ""
    ) -> None:
        """`read` is called once, when something is first asked for."""
        self.job_id = job_id
        """Empty where it is a workflow."""
        self.workflow_id = workflow_id
        """Empty where it is a job."""
        self._read = read
        self._ending: Ending | None = None

    @property
    def state(self) -> State:
        """As it was when this or one of the next two was first asked for."""
        return self._known().state

    @property
    def failure(self) -> Failure | None:
        """Why it failed last; of a workflow, its first failure that counts."""
        return self._known().failure

    def result(self, kind: type[Result]) -> Result:
        """What it returned.

        Raises StepFailed where it did not succeed, PermanentError for a message of another type,
        and ValueError for a workflow, or a job that is not done.
        """
        if self.workflow_id:
            raise ValueError("a workflow has no result of its own")
        known = self._known()
        if not known.state.is_terminal:
            raise ValueError(f"job {self.job_id} has no result yet: it is {known.state}")
        return known.value(kind)

    def _known(self) -> Ending:
        if self._ending is None:
            self._ending = self._read()
        return self._ending
