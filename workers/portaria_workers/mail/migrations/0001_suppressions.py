"""The suppression list."""

import sqlalchemy as sa
from alembic import op

revision = "mail_0001"
down_revision = None
branch_labels = ("mail",)


def upgrade() -> None:
    """Adds portaria_mail_suppressions."""
    op.create_table(
        "portaria_mail_suppressions",
        sa.Column("namespace", sa.String(63), primary_key=True),
        sa.Column("address", sa.String(64), primary_key=True),
        sa.Column("reason", sa.String(16), primary_key=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
    )
