"""The tables as they were at first."""

from alembic import op

from groundrule.store.migrations import run_sql

revision = "0001_registers"
down_revision = None


def upgrade() -> None:
    """Make this version of the one before."""
    run_sql(op.get_bind(), revision)
