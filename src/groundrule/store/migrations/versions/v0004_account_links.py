"""A register of what connects accounts: who pays, who sold, and how the holder is reached."""

from alembic import op

from groundrule.store.migrations import run_sql

revision = "0004_account_links"
down_revision = "0003_addresses"


def upgrade() -> None:
    """Make this version of the one before."""
    run_sql(op.get_bind(), revision)
