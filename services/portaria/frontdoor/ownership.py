"""Jobs of other namespaces do not exist."""

from __future__ import annotations

from typing import TypeGuard

from portaria.core.errors import NotFound
from portaria.store import JobRecord


def is_ours(record: JobRecord | None, namespace: str) -> TypeGuard[JobRecord]:
    """Whether there is a job, of this namespace."""
    return record is not None and record.tag.namespace == namespace


def ours(record: JobRecord | None, namespace: str) -> JobRecord:
    """The job. Raises NotFound."""
    if not is_ours(record, namespace):
        raise NotFound
    return record
