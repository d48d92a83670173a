"""The tables of the registry; its migrations make them, a test holds both to each other."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

from portaria.database.moment import MOMENT

METADATA = MetaData()

DOCUMENTS = Table(
    "portaria_documents",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("namespace", String(63), nullable=False),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("pages", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("created", MOMENT, nullable=False),
    Column("updated", MOMENT, nullable=False),
    Column("expires", MOMENT),
    Index("portaria_documents_created", "namespace", "created", "id"),
    Index("portaria_documents_owner", "namespace", "owner", "created", "id"),
    Index("portaria_documents_expires", "expires"),
)

REGISTRY = Table(
    "portaria_registry",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("id", String(32), nullable=False),
)
"""One row, the first: which registry this is."""
