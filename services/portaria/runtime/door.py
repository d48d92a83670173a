"""Where the children of jobs are handed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from portaria.jobs.children import Child, ChildOptions, Named
from portaria.settings import Settings

if TYPE_CHECKING:
    from portaria.runtime.submitting import Submitting


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The address of a door, and how to speak TLS with it."""

    address: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Door:
        """As clients find it."""
        return cls(
            address=settings.address,
            ca_file=settings.tls_ca_file,
            cert_file=settings.tls_client_cert_file,
            key_file=settings.tls_client_key_file,
        )

    @property
    def is_tls(self) -> bool:
        """Whether any file is named."""
        return any((self.ca_file, self.cert_file, self.key_file))


class Doorway:
    """The way to the door, of one child process: opened when a job first hands something in."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._open: Submitting | None = None
        self._left: list[Submitting] = []
        self._is_abandoned = False

    def submit(
        self, parent_job_id: str, children: Iterable[Named], options: ChildOptions
    ) -> list[Child]:
        """See Hold. Raises RuntimeError in a fork of the process."""
        if self._is_abandoned:
            raise RuntimeError("a fork of the process that runs a job has no part in it")
        if self._open is None:
            from portaria.runtime.submitting import Submitting

            self._open = Submitting(self._door)
        return self._open.submit(parent_job_id, children, options)

    def abandon(self) -> None:
        """In a fork of the process: refuses from now on."""
        self._is_abandoned = True

    def forget(self) -> None:
        """Opens another channel next time; this one's descriptors may be others' by now."""
        if self._open is not None:
            self._left.append(self._open)
            self._open = None
