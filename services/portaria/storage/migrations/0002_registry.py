"""Which registry this is: several may keep documents in one storage."""

import sqlalchemy as sa
from alembic import op

revision = "storage_0002"
down_revision = "storage_0001"


def upgrade() -> None:
    """Adds portaria_registry; its row is made where it is first asked for."""
    op.create_table(
        "portaria_registry",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False),
    )
