"""What a database can answer when it cannot, in our words: those of drivers hold rows and hosts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from portaria.jobs.errors import JobError


class DatabaseUnavailable(JobError):
    """The database cannot be used now; a later attempt may find it."""

    def __init__(self, cause: str = "") -> None:
        detail = f" ({cause})" if cause else ""
        super().__init__("DATABASE_UNAVAILABLE", f"the database cannot be used now{detail}")


def is_unavailable(error: BaseException) -> bool:
    """Whether a later attempt may end otherwise: no connection, a lock, a full disk, a deadlock."""
    if isinstance(error, DBAPIError):
        if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            return False  # a mistake in a statement, such as a table that there is not
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return isinstance(error, PoolTimeout)


@contextmanager
def translated() -> Iterator[None]:
    """Raises DatabaseUnavailable for what a later attempt may mend; all else passes."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if not is_unavailable(error):
            raise
        # The driver's text may say where, and to whom.
        cause = error.orig if isinstance(error, DBAPIError) else error
        name = getattr(cause, "sqlite_errorname", type(cause).__name__)
        raise DatabaseUnavailable(name) from None
