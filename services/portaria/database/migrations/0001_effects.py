"""The records of portaria.jobs.sql: effects that happened in this database."""

import sqlalchemy as sa
from alembic import op

revision = "database_0001"
down_revision = None
branch_labels = ("database",)


def upgrade() -> None:
    """Adds portaria_effects, where create_effects_table has not."""
    op.create_table(
        "portaria_effects",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        if_not_exists=True,
    )
