"""The suppression list: addresses that get no bulk mail any more, or no mail at all.

Where no database was set up (PORTARIA_DATABASE_URL is unset, and its file is not there) nobody can
have been put on the list, so mail goes out without SQL. A database that is there and lacks the
table is a ConfigurationError: nobody knows then who is on the list.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine, delete, select

from portaria.database import insert_into, open_database, reading, require_schema, transaction
from portaria.database.engine import database_url
from portaria.jobs import PermanentError
from portaria.settings import Settings, load_settings
from portaria_workers.mail.addresses import address_digest
from portaria_workers.mail.tables import SUPPRESSIONS as LIST

UNSUBSCRIBED = "UNSUBSCRIBED"
"""Left the list: keeps bulk mail away. Every other reason keeps all mail away."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_AT_ONCE = 500


class Suppressed(PermanentError):
    """The address is on the suppression list."""

    def __init__(self, reason: str) -> None:
        super().__init__("RECIPIENT_SUPPRESSED", f"is on the suppression list: {reason}")


def blocked(addresses: Sequence[str], *, namespace: str, bulk: bool = True) -> dict[str, str]:
    """Those that get no mail, with a reason each; of a single mail without `bulk`.

    500 addresses a query. Raises DatabaseUnavailable and ConfigurationError.
    """
    settings = load_settings()
    if not _is_set_up(settings):
        return {}
    by_digest: dict[str, list[str]] = {}
    for address in addresses:
        by_digest.setdefault(address_digest(address), []).append(address)
    found: dict[str, str] = {}
    with reading(_engine(settings)) as connection:
        for some in _batches(by_digest):
            wanted = select(LIST.c.address, LIST.c.reason).where(
                LIST.c.namespace == namespace, LIST.c.address.in_(some)
            )
            if not bulk:
                wanted = wanted.where(LIST.c.reason != UNSUBSCRIBED)
            for digest, reason in connection.execute(wanted.order_by(LIST.c.created)):
                found |= dict.fromkeys(by_digest[digest], reason)
    return found


def check_allowed(address: str, *, namespace: str) -> None:
    """Raises Suppressed where a single mail must not go there."""
    for reason in blocked([address], namespace=namespace, bulk=False).values():
        raise Suppressed(reason)


def suppress(digest: str, reason: str, *, namespace: str, now: datetime) -> bool:
    """Puts the address of a digest on the list; answers whether that is new."""
    engine = _engine(load_settings())
    with transaction(engine) as connection:
        insert = insert_into(engine, LIST).on_conflict_do_nothing()
        row = {"namespace": namespace, "address": digest, "reason": reason, "created": now}
        return connection.scalar(insert.values(row).returning(LIST.c.address)) is not None


def allow(digest: str, *, namespace: str) -> bool:
    """Takes the address of a digest off the list; answers whether it was there."""
    with transaction(_engine(load_settings())) as connection:
        gone = delete(LIST).where(LIST.c.namespace == namespace, LIST.c.address == digest)
        return connection.execute(gone).rowcount > 0


def _is_set_up(settings: Settings) -> bool:
    return bool(settings.database_url) or Path(database_url(settings).database or "").exists()


def _engine(settings: Settings) -> Engine:
    engine = open_database(settings)
    _check_once(os.getpid(), str(engine.url))
    return engine


@lru_cache(maxsize=8)
def _check_once(process: int, url: str) -> None:
    """Whether the table is there; what raises is asked again."""
    require_schema(open_database(), _MIGRATIONS)


def _batches(digests: Iterable[str]) -> Iterable[Sequence[str]]:
    every = list(digests)
    return (every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE))
