"""Lists name who may submit entries."""

from alembic import op

from groundrule.store.migrations import run_sql

revision = "0002_submitters"
down_revision = "0001_registers"


def upgrade() -> None:
    """Make this version of the one before."""
    run_sql(op.get_bind(), revision)
