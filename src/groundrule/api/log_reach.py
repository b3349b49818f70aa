"""A log that is out of reach is no reason to say that there is nothing: what it would prove is there, and comes back with it."""

from __future__ import annotations

from typing import Final

from groundrule.api.problems import Refused
from groundrule.errors import GroundruleError
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home_ledger import has_ledger, keys_folder, log_folder, policy_of
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from groundrule.store.records import RecordStore

RETRY_S: Final = 60


def need_log(home: Home, error: GroundruleError) -> None:
    """Say why nothing can be proved, where that is because of the log and not of what was asked for.

    Args:
        home: whose log.
        error: that came up; it is the cause of what is raised.
    Raises:
        Refused: 404 where the home keeps no log; 503 where log, keys or private records cannot be read now.
    """
    if not has_ledger(home):
        raise Refused(
            404, "this home keeps no log, so there are no receipts", code="no_log", help="the operator makes one: groundrule ledger init"
        ) from error
    try:
        policy_of(home)
        read_log(log_folder(home))
        KeyService.open(keys_folder(home), read_only=True).close()
        RecordStore.open(home.path / "records.sqlite", read_only=True).close()
    except (GroundruleError, OSError):
        raise Refused(
            503, "the log, its keys or its records are out of reach, so nothing can be proved now; what was decided stands",
            code="log_unavailable", help="ask again later; /v1/status says since when", headers={"Retry-After": str(RETRY_S)},
        ) from error  # fmt: skip
