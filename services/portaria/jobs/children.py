"""Jobs that a running job submits: named so that another run of it submits the same ones."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from google.protobuf.message import Message

from portaria.v1.job_pb2 import SubmitOptions


@dataclass(frozen=True, slots=True)
class Child:
    """A job that was handed in, by this run or by an earlier one."""

    job_id: str
    deduplicated: bool
    """An earlier run had handed it in."""


class ChildOptions(TypedDict, total=False):
    """How children are submitted; as for callers of the door."""

    options: SubmitOptions
    priority: Literal["critical", "high", "default", "low"]
    delay: timedelta
    run_time: datetime
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Named:
    """A child to be, with the request_id under which it is made once."""

    payload: Message
    request_id: str
    is_derived: bool
    """From the job and a key: what it stands for already is the child, whatever its content."""


class Names:
    """The request_ids of the children of one run."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._seen: Counter[str] = Counter()

    def one(self, payload: Message, key: str | None, request_id: str | None) -> Named:
        """A child under a key; by default its content, and how many of the same came before it.

        Raises TypeError for what is no message.
        """
        if not isinstance(payload, Message):
            raise TypeError(f"expected the message of a job type, got {type(payload).__name__}")
        if request_id is not None:
            return Named(payload, request_id, is_derived=False)
        if key is not None:
            return Named(payload, self._derived("key", key), is_derived=True)
        name = str(payload.DESCRIPTOR.full_name)
        content = hashlib.sha256(payload.SerializeToString(deterministic=True)).hexdigest()
        words = ("content", name, content)
        self._seen[name + content] += 1
        derived = self._derived(*words, str(self._seen[name + content]))
        return Named(payload, derived, is_derived=True)

    def many(self, payloads: Iterable[Message], key: str | None) -> Iterator[Named]:
        """Each under the key and its number."""
        for number, payload in enumerate(payloads):
            if key is None:
                yield self.one(payload, None, None)
            else:
                derived = self._derived("key", key, str(number))
                yield Named(self.one(payload, key, None).payload, derived, is_derived=True)

    def _derived(self, *words: str) -> str:
        # As JSON, so that no two lists of words are the same text.
        digest = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]
        return f"child/{self._job_id}/{digest}"
