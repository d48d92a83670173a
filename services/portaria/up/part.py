"""A part of the system: a process, what it needs, and how one sees that it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from portaria.up.process import OwnedProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One row of the table that `portaria up` works through."""

    name: str
    process: OwnedProcess
    ready: Callable[[], bool]
    """Whether it does its work now. Called again and again while it starts; returns soon."""
    needs: tuple[str, ...] = ()
    """Parts that must be ready before it starts, and that stop after it."""
    within: float = 30.0
    """Seconds from its start to its being ready."""


class PartFailed(Exception):
    """A part did not start; the text has its last words."""

    def __init__(self, part: Part, why: str) -> None:
        super().__init__(f"{part.name} {why}; it wrote:\n{part.process.tail()}")
        self.part = part
