"""Documents: bytes in the object storage, and their rows in the registry.

Content is there before a row names it, and no row names it any longer before it goes; each content
has a key of its own, which is never used again. So whatever is killed, and however many runs of one
job live at once, a row never names what is not there. What no row names is found a day later,
unless several registries share the storage: then nobody knows whose it is.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from portaria.database import open_database, require_schema
from portaria.jobs.errors import PermanentError
from portaria.settings import Settings, load_settings
from portaria.storage.document import Document, DocumentMissing, DocumentNotReady, Status
from portaria.storage.names import UNKNOWN_TYPE, safe_filename, safe_type, type_of
from portaria.storage.objects import ObjectMissing, ObjectStore, StorageUnavailable
from portaria.storage.opening import open_store
from portaria.storage.registry import Registry, conditions

__all__ = ["Documents", "open_documents", "safe_filename"]

LEFT_BEHIND = timedelta(days=1)
"""The age at which what a run began is nobody's: none takes so long."""
ABANDONED = "ABANDONED"

_MIGRATIONS = Path(__file__).parent / "migrations"
_ID = re.compile(r"[0-9a-f]{32}")
# As _key_of makes them: what else lies in the storage is not ours to delete.
_KEY = re.compile(r"[a-z0-9-]+/\d{4}/\d{2}/([0-9a-f]{32})-[0-9a-f]{64}-[0-9a-f]{8}(\.\w+)?")
# No namespace begins with _.
_MARKERS = "_registries"
_MARKER = re.compile(rf"{_MARKERS}/([0-9a-f]{{32}})")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,16}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_BATCH = 500

_opened: dict[tuple[int, Settings], Documents] = {}
_lock = Lock()


class Documents:
    """What handlers and commands do with documents. Safe to use from threads."""

    def __init__(self, store: ObjectStore, registry: Registry, *, good_for: timedelta) -> None:
        """Links work for `good_for` where nothing else is said."""
        self._store = store
        self._registry = registry
        self._good_for = good_for
        self._marked = False

    def reserve(
        self,
        *,
        namespace: str,
        kind: str,
        filename: str,
        content_type: str,
        owner: str = "",
        document_id: str = "",
        job_id: str = "",
        keep: timedelta | None = None,
    ) -> Document:
        """Registers a document that is about to be made, PROCESSING.

        A run that is repeated gives the id of the first one (`ctx.effect_id("document")`) and has
        its row again; without an id a new one is made. Raises PermanentError DOCUMENT_EXISTS where
        the id is another namespace's or another job's.
        """
        wanted = _new(
            document_id, namespace, kind, filename, content_type, owner, keep, job_id=job_id
        )
        there = self._registry.add(wanted)
        if there == wanted:
            return there
        if (there.namespace, there.job_id) != (namespace, job_id):
            raise PermanentError("DOCUMENT_EXISTS", "the id is another document's")
        # Of a run before: what it completed stays readable until this run completes, too.
        completed = there.status is Status.COMPLETED
        status, reason = (there.status, there.reason) if completed else (Status.PROCESSING, "")
        return self._registry.change(
            there, status=status, reason=reason, expires=wanted.expires, updated=wanted.updated
        )[1]

    def complete(
        self,
        document: Document,
        source: Path,
        *,
        pages: int = 0,
        rows: int = 0,
        check: Callable[[], object] | None = None,
    ) -> Document:
        """Keeps the file as the document's content: COMPLETED, with key, size and hash.

        The content is there before the row says so; what it replaces is deleted after. Where the
        document is complete with the same bytes, it keeps them and its links. `check` is called
        when the content is there; what it raises leaves the document as it was. Raises OSError
        where the file cannot be read, StorageUnavailable, DatabaseUnavailable, and DocumentMissing
        where the row was deleted.
        """
        size, sha256 = _measure(source)
        key = _key_of(document, sha256)
        self._put(document, key, source)
        try:
            if check:
                check()
        except BaseException:
            self._drop(key)
            raise
        before, after = self._registry.complete(
            document,
            key=key,
            size=size,
            sha256=sha256,
            pages=pages,
            rows=rows,
            updated=_now(),
        )
        self._drop(before.key if after.key == key else key)
        return after

    def fail(self, document: Document, reason: str) -> Document:
        """FAILED, with a reason; its content, if any, stays."""
        return self._registry.change(document, status=Status.FAILED, reason=reason, updated=_now())[
            1
        ]

    def note(self, document: Document, *, content_type: str, pages: int, rows: int) -> Document:
        """COMPLETED, with what was found in it."""
        return self._registry.change(
            document,
            status=Status.COMPLETED,
            reason="",
            content_type=safe_type(content_type),
            pages=pages,
            rows=rows,
            updated=_now(),
        )[1]

    def put(
        self,
        source: Path,
        *,
        namespace: str,
        filename: str = "",
        content_type: str = "",
        owner: str = "",
        kind: str = "upload",
        keep: timedelta | None = None,
    ) -> Document:
        """Reserves and completes in one call; name and type by default as the file's name says."""
        name = filename or source.name
        kind_of_bytes = content_type or type_of(name)
        document = _new("", namespace, kind, name, kind_of_bytes, owner, keep)
        size, sha256 = _measure(source)
        key = _key_of(document, sha256)
        self._put(document, key, source)
        # One row that is complete from the start: there is none where the put was broken off.
        return self._registry.add(
            replace(document, status=Status.COMPLETED, key=key, size=size, sha256=sha256)
        )

    def get(self, document_id: str, *, namespace: str) -> Document:
        """Raises DocumentMissing, also for one that is another namespace's or has expired."""
        if not _ID.fullmatch(document_id):
            raise DocumentMissing
        return self._registry.get(document_id, namespace, _now())

    def find(
        self,
        *,
        namespace: str,
        owner: str | None = None,
        status: Status | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Document]:
        """Those created in [since, until), the newest first; read while they are taken."""
        return self._registry.find(conditions(namespace, owner, status, since, until), _now())

    def owners(
        self, *, namespace: str, since: datetime, until: datetime, besides: str | None = None
    ) -> list[str]:
        """Who had documents created in that time, sorted; without the empty one.

        Documents of the kind `besides` do not count.
        """
        return self._registry.owners(namespace, since, until, besides, _now())

    @contextmanager
    def reading(self, document: Document) -> Iterator[BinaryIO]:
        """Its bytes; can be sought. Raises DocumentNotReady, ObjectMissing, StorageUnavailable."""
        if not document.key:
            raise DocumentNotReady(document.id)
        with self._store.reading(document.key) as file:
            yield file

    def link(self, document: Document, good_for: timedelta | None = None) -> str:
        """A URL that whoever has it may fetch the document from, as long as `link_lasts` says.

        Raises DocumentNotReady.
        """
        if not document.key:
            raise DocumentNotReady(document.id)
        return self._store.link(
            document.key,
            filename=document.filename,
            content_type=document.content_type,
            good_for=self.link_lasts(document, good_for),
        )

    def link_lasts(self, document: Document, good_for: timedelta | None = None) -> timedelta:
        """How long a link that is made now works: by default link_seconds, but no longer than the
        document is kept, and than the storage can say (S3 by a machine's role: an hour)."""
        time = self._good_for if good_for is None else good_for
        time = min(time, self._store.longest_link)
        return min(time, document.expires - _now()) if document.expires else time

    def delete(self, document: Document) -> None:
        """Its row, then its content."""
        key = self._registry.remove(document)
        if key:
            self._store.delete(key)

    def delete_expired(self, now: datetime) -> int:
        """Deletes documents whose time has come; answers how many."""
        count = 0
        while keys := self._registry.remove_expired(now):
            count += len(keys)
            for key in filter(None, keys):
                self._store.delete(key)
        return count

    def fail_unfinished(self, now: datetime) -> int:
        """Fails documents that a run began more than a day ago and did not end, as ABANDONED: it
        was killed, and none came after it. Answers how many."""
        return self._registry.fail_unfinished(now - LEFT_BEHIND, now, ABANDONED)

    def delete_left_behind(self, now: datetime) -> int:
        """Deletes objects a day old that no row names: runs that broke off left them.

        Where another registry has documents in the storage, only what is not even whole: what no
        row of ours names may be theirs.
        """
        before = now - LEFT_BEHIND
        count = self._store.delete_unfinished(before)
        if self.other_registries():
            return count
        old = (each.key for each in self._store.find() if each.modified < before)
        ours = ((key, match[1]) for key in old if (match := _KEY.fullmatch(key)))
        while batch := dict(islice(ours, _BATCH)):
            for key in batch.keys() - self._registry.named(sorted(set(batch.values()))):
                self._store.delete(key)
                count += 1
        return count

    def other_registries(self) -> list[str]:
        """The ids of other registries that have documents in the same storage, by their markers
        `_registries/ID`: a database of another host, or of a system that shares the bucket."""
        found = (_MARKER.fullmatch(each.key) for each in self._store.find(f"{_MARKERS}/"))
        ours = self._registry.identity()
        return sorted(match[1] for match in found if match and match[1] != ours)

    def _mark(self) -> None:
        """Leaves word in the storage that this registry has documents there, before the first."""
        if self._marked:
            return
        marker = f"{_MARKERS}/{self._registry.identity()}"
        try:
            self._store.info(marker)
        except ObjectMissing:
            self._store.put(marker, Path(os.devnull), content_type=UNKNOWN_TYPE)
        self._marked = True

    def _put(self, document: Document, key: str, source: Path) -> None:
        self._mark()
        self._store.put(key, source, content_type=document.content_type, filename=document.filename)

    def _drop(self, key: str) -> None:
        # The document is complete; what cannot be deleted now is found later.
        with suppress(StorageUnavailable):
            if key:
                self._store.delete(key)


def open_documents(settings: Settings | None = None) -> Documents:
    """As the settings say; one per process, made at its first use (never before a fork).

    Raises ConfigurationError, e.g. where the database lacks its tables (`portaria db upgrade`).
    """
    settings = settings or load_settings()
    with _lock:
        # With the process: what a parent opened is not its children's.
        key = (os.getpid(), settings)
        if key not in _opened:
            engine = open_database(settings)
            require_schema(engine, _MIGRATIONS)
            good_for = timedelta(seconds=settings.link_seconds)
            _opened[key] = Documents(open_store(settings), Registry(engine), good_for=good_for)
        return _opened[key]


def _new(
    document_id: str,
    namespace: str,
    kind: str,
    filename: str,
    content_type: str,
    owner: str,
    keep: timedelta | None,
    *,
    job_id: str = "",
) -> Document:
    if document_id and not _ID.fullmatch(document_id):
        raise ValueError("the id of a document has 32 hex digits")
    if _CONTROL.search(owner + kind):
        raise PermanentError("TEXT_FORMAT", "owner and kind have no control characters")
    now = _now()
    return Document(
        id=document_id or os.urandom(16).hex(),
        namespace=namespace,
        owner=owner,
        kind=kind,
        filename=safe_filename(filename, "document"),
        content_type=safe_type(content_type),
        status=Status.PROCESSING,
        job_id=job_id,
        created=now,
        updated=now,
        expires=now + keep if keep is not None else None,
    )


def _key_of(document: Document, sha256: str) -> str:
    """A new key, also for the same content: the last digits are random."""
    extension = os.path.splitext(document.filename)[1].lower()
    if not _EXTENSION.fullmatch(extension):
        extension = ""
    name = f"{document.id}-{sha256}-{os.urandom(4).hex()}{extension}"
    return f"{document.namespace}/{document.created:%Y/%m}/{name}"


def _measure(source: Path) -> tuple[int, str]:
    with open(source, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), sha256


def _now() -> datetime:
    return datetime.now(UTC)
