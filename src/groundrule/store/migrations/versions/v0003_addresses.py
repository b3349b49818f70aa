"""A register of addresses by which others know a terminal."""

from alembic import op

from groundrule.store.migrations import run_sql

revision = "0003_addresses"
down_revision = "0002_submitters"


def upgrade() -> None:
    """Make this version of the one before."""
    run_sql(op.get_bind(), revision)
