"""What the intake thread does between two groups for somebody who waits, and answers that are errors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from groundrule.errors import StoreError
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.store.home import Home
from groundrule.store.policy import in_force


@dataclass(slots=True)
class Command:
    """Something to do.

    Attributes:
        do: it.
        future: takes what it returns or raises.
    """

    do: Callable[[], Any]
    future: Future[Any]


def run_command(command: Command) -> None:
    """Do it, unless whoever asked has given up."""
    if not command.future.set_running_or_notify_cancel():
        return
    try:
        command.future.set_result(command.do())
    except Exception as error:  # noqa: BLE001 - whoever asked gets it, whatever it is
        command.future.set_exception(error)


def log_what_is_due(home: Home, ledger: HomeLedger | None) -> int:
    """Put on record what time alone has brought about: emergencies that ran out or were not reviewed; return how many."""
    if ledger is None or in_force(home) is None:
        return 0
    return len(Governance.open(home, ledger).due())


def failed_future(error: Exception) -> Future[Any]:
    """Return a future that holds an error."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def ending() -> StoreError:
    """Return the error of whatever comes while the desk closes."""
    return StoreError("the service is ending", help="send it again", stopped=True)
