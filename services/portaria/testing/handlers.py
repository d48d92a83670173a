"""Which function runs a job: one that the test gave, else the one that a worker would find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import Message

from portaria.core.errors import ConfigurationError
from portaria.core.job_type import JobType, descriptor_of, is_job_type, job_type_from
from portaria.jobs.context import JobContext
from portaria.jobs.discovery import find_handler
from portaria.jobs.handler import Handler, handler_of

Answer = Message | BaseException | Callable[[Any, JobContext], Any] | None


class Handlers:
    """Handlers by type; what is found stays."""

    def __init__(self) -> None:
        self._by_type: dict[str, Handler | None] = {}

    def use(self, function: Callable[..., Any]) -> None:
        """A function marked with @job. Raises ConfigurationError for any other."""
        handler = handler_of(function)
        if handler is None:
            raise ConfigurationError(f"{function.__qualname__} is not marked with @job")
        self._by_type[handler.job_type.name] = handler

    def answer(self, kind: type[Message], answer: Answer) -> None:
        """Something in the handler's place: a result, an error to raise, or a function."""
        if not is_job_type(descriptor_of(kind)):
            raise ConfigurationError(f"{kind.DESCRIPTOR.full_name} is not a job type")
        job_type = job_type_from(descriptor_of(kind))

        def function(payload: Message, ctx: JobContext) -> Any:
            if isinstance(answer, BaseException):
                raise answer
            return answer(payload, ctx) if callable(answer) else answer

        self._by_type[job_type.name] = Handler(
            job_type=job_type, function=function, is_async=False, returns=_returned(job_type)
        )

    def find(self, job_type: JobType) -> Handler | None:
        """The handler of a type; None where there is none to be found."""
        if job_type.name not in self._by_type:
            self._by_type[job_type.name] = find_handler(job_type)
        return self._by_type[job_type.name]


def _returned(job_type: JobType) -> type[Message] | None:
    if not job_type.result_type:
        return None
    pool = descriptor_of(job_type.message).file.pool
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(job_type.result_type))
