"""A document as the registry knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portaria.jobs.errors import PermanentError


class Status(StrEnum):
    """Where a document stands."""

    PROCESSING = "PROCESSING"
    """It is being made or looked at."""
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A row of the registry. Moments are in UTC, with their zone."""

    id: str
    """32 hex digits."""
    namespace: str
    owner: str
    """The user whose it is, by the callers' own ids; empty for nobody's."""
    kind: str
    """What made it: "upload", "invoice", "report.daily", "export"…"""
    filename: str
    """As a person sees it; safe for file systems."""
    content_type: str
    status: Status
    reason: str = ""
    """Why it failed, UPPER_SNAKE."""
    key: str = ""
    """Of its object; empty before there is one."""
    size: int = 0
    sha256: str = ""
    pages: int = 0
    rows: int = 0
    job_id: str = ""
    """The job that made it, where one did."""
    created: datetime
    updated: datetime
    expires: datetime | None = None


class DocumentMissing(PermanentError):
    """There is no such document in this namespace; its id is in the text where it is given."""

    def __init__(self, document_id: str = "") -> None:
        super().__init__("DOCUMENT_MISSING", f"there is no such document{_named(document_id)}")


class DocumentNotReady(PermanentError):
    """It has no content: it is still being made, or that failed. The id as above."""

    def __init__(self, document_id: str = "") -> None:
        super().__init__("DOCUMENT_NOT_READY", f"the document has no content{_named(document_id)}")


def _named(document_id: str) -> str:
    return f": {document_id}" if document_id else ""
