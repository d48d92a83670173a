"""The tables of the mail domain; its migrations make them, a test holds both to each other."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Table

from portaria.database import MOMENT

METADATA = MetaData()

SUPPRESSIONS = Table(
    "portaria_mail_suppressions",
    METADATA,
    Column("namespace", String(63), primary_key=True),
    # Its digest: a copy of the list shows nobody, though who has addresses can look them up in it.
    Column("address", String(64), primary_key=True),
    # An address may stand there for several reasons.
    Column("reason", String(16), primary_key=True),
    Column("created", MOMENT, nullable=False),
)
"""Who gets no mail, and why."""
