"""What a report or claim can be linked to, and whether the home holds it. Looked at only: a link changes nothing there."""

from __future__ import annotations

from collections.abc import Callable

from groundrule.errors import InputError
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import has_ledger
from groundrule.pipeline.parties import get_party
from groundrule.store.area_store import load_areas
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.sanctions import SanctionsLists


def check_link(home: Home, ref: str) -> None:
    """Check that what a reference names is in the home.

    Args:
        ref: `party:ID`, `area:ID`, `terminal:ID`, `contact:ID`, `rule:ID`, or `list_entry:ID` of the home's lists or, as
            `list_entry:SOURCE/NUMBER`, of a published one.
    Raises:
        InputError: it is not there, or the kind cannot be looked up.
    """
    kind, _, name = ref.partition(":")
    look = _HOLDS.get(kind)
    if look is None:
        raise InputError(f"nothing is linked to a `{kind[:40]}`", help=f"one of {', '.join(sorted(_HOLDS))}")
    if not look(home, name):
        raise InputError(
            f"`{ref[:120]}` is not in `{home.path}`", help="import or record it first; a link names what is there"
        )


def _in_register(home: Home, kind: str, key: str) -> bool:
    with Registers.open(home) as registers:
        return bool(registers.versions(kind, key))


def _party(home: Home, name: str) -> bool:
    if _in_register(home, "parties", name):
        return True
    try:
        return get_party(home, name) is not None
    except InputError:
        return False  # no id of governance


def _area(home: Home, name: str) -> bool:
    return any(area.id == name for area in load_areas(home)[0].areas)


def _list_entry(home: Home, name: str) -> bool:
    if _in_register(home, "list_entries", name):
        return True
    source, mark, uid = name.partition("/")
    if not mark or not (home.path / "lists" / "index.sqlite").exists():
        return False
    with SanctionsLists.open(home) as lists:
        held = lists.newest(source)
        return held is not None and uid in lists.load(held).by_uid


def _contact(home: Home, name: str) -> bool:
    return has_ledger(home) and name in read_state(home).contacts


def _rule(home: Home, name: str) -> bool:
    return any(rule.id == name for rule in rulebook_of(home).rules)


_HOLDS: dict[str, Callable[[Home, str], bool]] = {
    "party": _party,
    "area": _area,
    "terminal": lambda home, name: _in_register(home, "terminals", name),
    "list_entry": _list_entry,
    "contact": _contact,
    "rule": _rule,
}
