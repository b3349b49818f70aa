"""Is what is in force what the log says? Tables, guard, lists and content of a home against the fold of its log.

Who runs the machine can edit the database; the log cannot be edited once others have seen its head. So where they differ,
the log is right. `groundrule replay` and `groundrule govern check` say so, and no run is decided under such a policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from groundrule.errors import GroundruleError, IntegrityError, StoreError
from groundrule.govern.state import State
from groundrule.ledger.entry import Entry, policy_digest
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import GOVERNANCE, HomeLedger, has_ledger, log_folder, policy_of
from groundrule.pipeline.log_fold import LogFold, fold_of
from groundrule.store.area_store import load_areas
from groundrule.store.home import Home
from groundrule.store.policy import check_guard, history, in_force, lists_digest
from groundrule.store.registers import Registers

Announced = Mapping[int, Mapping[str, Any]]


def announced_of(entries: Iterable[Entry]) -> dict[int, Mapping[str, Any]]:
    """Return what was announced as in force under the charter, by the index of what brought it into force."""
    return {int(entry.body["enactment_index"]): entry.body for entry in entries if entry.body.get("governed") is True}


def table_differences(home: Home, state: State, *, covered: Callable[[int], bool], announced: Announced) -> list[str]:
    """Return where the policy tables of a home differ from its log; what is logged and not announced yet is none.

    Args:
        state: the fold of the log.
        covered: whether the witnesses have seen the entry with this index.
        announced: from `announced_of`.
    """
    held = history(home)
    if state.charter is None:
        return ["the tables say that a charter governs, and the log holds none"] if held else []
    first = next(iter(state.charters))
    wanted: list[tuple[int, str, str]] = [(first, "", state.charters[first].policy_digest or "")]
    wanted += [
        (each.index, each.enactment.proposal_digest, each.enactment.policy_digest_after)
        for each in state.enactments
        if covered(each.index)
    ]
    tables = [(each.log_index, each.proposal, policy_digest(each.rulebook, each.areas)) for each in held]
    missing = wanted[len(tables) :]
    found = []
    if tables != wanted[: len(tables)] or any(index in announced for index, _, _ in missing):
        found.append("the tables name other enactments than the log")
    if not held:
        return found
    found += [f"the guard is damaged: {name}" for name in check_guard(home)]
    with Registers.open(home) as registers, registers.reading() as connection:
        if lists_digest(connection) != held[-1].lists:
            found.append("lists were changed without an enactment")
    for each in held:
        said = announced.get(each.log_index)
        if said is None and each is held[-1]:
            pass  # written, and a crash came before its announcement; the next act announces it
        elif said is None or (said["rulebook"], said["areas"], said["lists"]) != (each.rulebook, each.areas, each.lists):
            found.append(f"what enactment {each.log_index} brought into force is not what was announced")
        try:
            rulebook_of(home, each.rulebook)
            load_areas(home, each.areas)
        except (IntegrityError, StoreError) as error:
            found.append(error.message)
    return found


def policy_differences(home: Home, fold: LogFold | None = None) -> list[str]:
    """Compare what is in force in a home with its log, without a lock; empty where neither knows of a charter.

    Args:
        home: whose.
        fold: of its log, kept from before; None reads the whole log.
    """
    try:
        if not has_ledger(home):
            return ["the tables say that a charter governs, and there is no log"] if in_force(home) is not None else []
        log = read_log(log_folder(home))
        state, announced, _ = (fold or LogFold(home)).look()
        seen = 0
        if log.checkpoint is not None:
            checked = policy_of(home).check(log.checkpoint)
            seen = checked.checkpoint.size if checked.quorum_met else 0
        return table_differences(home, state, covered=lambda index: index < seen, announced=announced)
    except GroundruleError as error:
        return [f"governance cannot be compared with the log: {error.message}"]


def check_policy(home: Home, ledger: HomeLedger) -> None:
    """Refuse to decide under a policy that the log does not say.

    Raises:
        IntegrityError: tables, guard or lists were changed without an enactment.
    """
    if not ledger.records.logged_in(GOVERNANCE, "charter") and in_force(home) is None:
        return
    if found := policy_differences(home, fold_of(home) if has_ledger(home) else None):
        raise IntegrityError(
            f"what is in force is not what the log says: {found[0]}",
            help="see all: groundrule govern check; restore the home from a copy, the log is right",
        )

