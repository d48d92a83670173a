"""Rows of the registry: every question and change that it knows, each in its own transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, RowMapping, Table, delete, or_, select, tuple_, update

from portaria.database.engine import insert_into, reading, transaction
from portaria.storage.document import Document, DocumentMissing, Status
from portaria.storage.tables import DOCUMENTS, REGISTRY

_PAGE = 500
_ROW = DOCUMENTS.c


class Registry:
    """Each method may raise DatabaseUnavailable. Safe to use from threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, document: Document) -> Document:
        """Adds a row, unless there is one of this id; answers the one that is there then."""
        with transaction(self._engine) as connection:
            connection.execute(self._adding(DOCUMENTS, asdict(document)))
            row = connection.execute(select(DOCUMENTS).where(_ROW.id == document.id)).mappings()
            return _document(row.one())

    def change(self, document: Document, **values: Any) -> tuple[Document, Document]:
        """Changes columns; answers the row before and after. Raises DocumentMissing."""
        return self._change(document, lambda _: values)

    def complete(
        self, document: Document, *, key: str, size: int, sha256: str, **values: Any
    ) -> tuple[Document, Document]:
        """Changes a row to COMPLETED, which keeps its key where it has this content already;
        answers the row before and after. Raises DocumentMissing."""

        def values_after(before: Document) -> dict[str, Any]:
            content = (Status.COMPLETED, size, sha256)
            same = before.key and (before.status, before.size, before.sha256) == content
            kept = before.key if same else key
            done = {"status": Status.COMPLETED, "reason": "", "size": size, "sha256": sha256}
            return {**values, **done, "key": kept}

        return self._change(document, values_after)

    def _change(
        self, document: Document, values: Callable[[Document], dict[str, Any]]
    ) -> tuple[Document, Document]:
        this = (_ROW.id == document.id) & (_ROW.namespace == document.namespace)
        with transaction(self._engine) as connection:
            # Locked, so that of two runs each learns what it replaced.
            row = (
                connection.execute(select(DOCUMENTS).where(this).with_for_update())
                .mappings()
                .one_or_none()
            )
            if row is None:
                raise DocumentMissing(document.id)
            before = _document(row)
            connection.execute(update(DOCUMENTS).where(this).values(values(before)))
            after = connection.execute(select(DOCUMENTS).where(this)).mappings().one()
            return before, _document(after)

    def get(self, document_id: str, namespace: str, now: datetime) -> Document:
        """Raises DocumentMissing, also where its time is over."""
        query = select(DOCUMENTS).where(
            _ROW.id == document_id, _ROW.namespace == namespace, _alive(now)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise DocumentMissing(document_id)
        return _document(row)

    def find(self, conditions: Sequence[Any], now: datetime) -> Iterator[Document]:
        """The newest first, page by page: no transaction stays open while they are looked at."""
        query = (
            select(DOCUMENTS)
            .where(_alive(now), *conditions)
            .order_by(_ROW.created.desc(), _ROW.id.desc())
            .limit(_PAGE)
        )
        page = query
        while True:
            with reading(self._engine) as connection:
                found = [_document(row) for row in connection.execute(page).mappings()]
            yield from found
            if len(found) < _PAGE:
                return
            last = (found[-1].created, found[-1].id)
            page = query.where(tuple_(_ROW.created, _ROW.id) < last)

    def owners(
        self, namespace: str, since: datetime, until: datetime, besides: str | None, now: datetime
    ) -> list[str]:
        """Sorted; without the empty one, and without those of one kind of documents only."""
        query = select(_ROW.owner).distinct().where(
            _ROW.namespace == namespace,
            _ROW.created >= since,
            _ROW.created < until,
            _ROW.owner != "",
            _ROW.kind.is_distinct_from(besides),
            _alive(now),
        )  # fmt: skip
        with reading(self._engine) as connection:
            return sorted(connection.scalars(query))

    def remove(self, document: Document) -> str | None:
        """Deletes a row; answers the key of its content, or None where the row was gone."""
        this = (_ROW.id == document.id) & (_ROW.namespace == document.namespace)
        with transaction(self._engine) as connection:
            return connection.scalar(delete(DOCUMENTS).where(this).returning(_ROW.key))

    def remove_expired(self, now: datetime) -> list[str]:
        """Deletes some rows whose time is over; answers the keys of their contents."""
        some = select(_ROW.id).where(_ROW.expires <= now).order_by(_ROW.expires).limit(_PAGE)
        with transaction(self._engine) as connection:
            over = delete(DOCUMENTS).where(_ROW.id.in_(some), _ROW.expires <= now)
            return list(connection.scalars(over.returning(_ROW.key)))

    def fail_unfinished(self, before: datetime, now: datetime, reason: str) -> int:
        """Fails documents that have been PROCESSING since then; answers how many."""
        stuck = (_ROW.status == Status.PROCESSING) & (_ROW.updated < before)
        failed = update(DOCUMENTS).where(stuck)
        with transaction(self._engine) as connection:
            return connection.execute(
                failed.values(status=Status.FAILED, reason=reason, updated=now)
            ).rowcount

    def identity(self) -> str:
        """Which registry this is, 32 hex digits: random, and the same for ever."""
        query = select(REGISTRY.c.id).where(REGISTRY.c.number == 1)
        with reading(self._engine) as connection:
            found: str | None = connection.scalar(query)
        if found is None:
            with transaction(self._engine) as connection:
                connection.execute(
                    self._adding(REGISTRY, {"number": 1, "id": os.urandom(16).hex()})
                )
                # Another process may have been first.
                found = connection.scalars(query).one()
        return found

    def named(self, document_ids: Sequence[str]) -> set[str]:
        """The keys that the rows of these documents name."""
        with reading(self._engine) as connection:
            return set(connection.scalars(select(_ROW.key).where(_ROW.id.in_(document_ids))))

    def _adding(self, table: Table, row: dict[str, Any]) -> Any:
        """Adds a row where there is none of its key."""
        return insert_into(self._engine, table).values(row).on_conflict_do_nothing()


def conditions(
    namespace: str,
    owner: str | None,
    status: Status | None,
    since: datetime | None,
    until: datetime | None,
) -> list[Any]:
    """What `find` asks for; None asks for nothing."""
    found = [_ROW.namespace == namespace]
    if owner is not None:
        found.append(_ROW.owner == owner)
    if status is not None:
        found.append(_ROW.status == status)
    if since is not None:
        found.append(_ROW.created >= since)
    if until is not None:
        found.append(_ROW.created < until)
    return found


def _alive(now: datetime) -> Any:
    return or_(_ROW.expires.is_(None), _ROW.expires > now)


def _document(row: RowMapping) -> Document:
    return Document(**{**row, "status": Status(row["status"])})
