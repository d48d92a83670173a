"""The SQL database: its engine, its transactions, and the migrations of platform and domains.

    engine = open_database()
    require_schema(engine, Path(__file__).parent / "migrations")
    with transaction(engine) as connection:
        connection.execute(...)
    with reading(engine) as connection:
        ...

A domain owns its tables. It describes them in `tables.py`, with MOMENT for moments, and changes
them by files in a folder `migrations/` (a package) beside it, which `portaria db upgrade` finds by
the packages of PORTARIA_JOBS:

    migrations/0001_suppressions.py     revision = "mail_0001", down_revision = None,
                                        branch_labels = ("mail",)
    migrations/0002_reasons.py          revision = "mail_0002", down_revision = "mail_0001"

The folder above gives the branch its name; numbers have four digits and no gaps; `upgrade()` has
the change, `from alembic import op`. There is no way back: processes of two releases run at once,
so a migration adds, and what nobody reads any longer goes a release later.
"""

from portaria.database.engine import (
    engine_of,
    insert_into,
    open_database,
    reading,
    transaction,
)
from portaria.database.errors import DatabaseUnavailable, translated
from portaria.database.moment import MOMENT
from portaria.database.schema import require_schema

__all__ = [
    "MOMENT",
    "DatabaseUnavailable",
    "engine_of",
    "insert_into",
    "open_database",
    "reading",
    "require_schema",
    "transaction",
    "translated",
]
