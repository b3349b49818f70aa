"""What governs a home, for a look: the log folded without a lock, beside whoever writes."""

from __future__ import annotations

from groundrule.errors import InputError
from groundrule.govern.objects import ListSnapshot
from groundrule.govern.signed import parse_time
from groundrule.govern.state import State
from groundrule.ledger.entry import Entry, policy_digest
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import GOVERNANCE, log_folder
from groundrule.pipeline.parties import openings_of
from groundrule.store.area_store import current_areas_digest
from groundrule.store.home import Home
from groundrule.store.sanctions import SanctionsLists

_MARK = b'"stream":"governance"'


def read_state(home: Home) -> State:
    """Fold the log of a home as it stands, with what waits for its witnesses, and the commitments that open here."""
    if not log_folder(home).is_dir():
        raise InputError(f"`{home.path}` has no log, so nobody governs it", help="make one with: groundrule ledger init")
    log = read_log(log_folder(home))
    size = log.integrated_size
    tree = log.tree(size)
    roots: dict[int, bytes] = {}

    def consistent(seen: int, root: bytes) -> bool:
        if not 0 < seen <= tree.size:
            return False
        if seen not in roots:
            roots[seen] = tree.root_at(seen)
        return roots[seen] == root

    state = State(consistent, openings_of(home))
    for index, data in enumerate(tree.entries()):
        if _MARK in data:
            entry = Entry.decode(data)
            if entry.stream == GOVERNANCE:
                state.apply(index, parse_time(entry.t), entry.kind, entry.body)
    return state


def current_policy(home: Home) -> str:
    """Return the digest of the policy in force [64 hex digits]."""
    return policy_digest(rulebook_of(home).digest, current_areas_digest(home))


def newest_lists(home: Home) -> dict[str, ListSnapshot]:
    """Return the newest snapshot of each source that the home holds; empty where it holds none."""
    if not (home.path / "lists").exists():
        return {}
    with SanctionsLists.open(home) as held:
        return {
            source: ListSnapshot.parse({**each.ref, "date": each.ref["date"][:10]})
            for source, each in held.newest_by_source().items()
        }
