"""Three simple policies beside each other, on a simulation whose truth is known: whom each refuses falsely, whom it serves falsely.

The policies are rulebooks of one rule each (`simulate/data/policies`): in Ukraine only who is on the allow-list; over Ukraine
nothing that is fast; at the front only who is on the list. None of them looks at signals.

A terminal is refused falsely if it is innocent and was denied at least once; it is served falsely if it does something and was
never denied. Only terminals that were in the region count: elsewhere none of the policies says anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.whatif import Tally
from groundrule.records import Outcome
from groundrule.rules.model import Rulebook
from groundrule.rules.text import read_rulebook

POLICIES: Final = ("allow-list", "speed-limit", "front-list")
REGION: Final = (44.0, 52.5, 22.0, 40.5)
"""South, north, west and east of the region in which policies are compared: Ukraine and its borders [degree]."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What one policy did.

    Attributes:
        name, title: of the policy.
        innocent, guilty: terminals in the region that are one and the other.
        false_denials: innocent ones that were denied at least once; protected: of them, those of a protected class.
        false_permissions: guilty ones that were never denied.
        denied_kinds: false denials by kind of terminal, the most first.
    """

    name: str
    title: str
    innocent: int
    guilty: int
    false_denials: int
    protected: int
    false_permissions: int
    denied_kinds: tuple[tuple[str, int], ...]

    @property
    def value(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {"denied_kinds": dict(self.denied_kinds)}


def policy_book(name: str) -> Rulebook:
    """Return one of POLICIES."""
    text = files("groundrule.simulate").joinpath("data", "policies", f"{name}.yaml").read_text(encoding="utf-8")
    return read_rulebook(text, file=f"{name}.yaml")


def compare_policies(
    batches: Callable[[], Iterable[pa.Table]],
    terminals: pa.Table,
    basis: Callable[[Rulebook], Basis],
    start_ns: int,
    *,
    protected: Callable[[str], bool] = lambda _: False,
) -> list[Policy]:
    """Decide a simulation under each policy and count.

    Args:
        batches: observations in order of time, anew at each call.
        terminals: truth_terminals of the simulation.
        basis: areas and registers with a rulebook.
        start_ns: what was before the start decides nothing [ns, UTC].
        protected: is a terminal of a protected class?
    """
    truth = {row["terminal_id"]: row for row in terminals.to_pylist() if not row["clone"]}
    def since_start() -> Iterator[pa.Table]:
        for table in batches():
            yield table.filter(pc.greater_equal(table["observed_at"], start_ns))

    there = _in_region(since_start())
    counted = {name: row for name, row in truth.items() if name in there}
    made = []
    for name in POLICIES:
        book = policy_book(name)
        denied = _denied(since_start(), basis(book), there)
        innocent = [id_ for id_, row in counted.items() if row["innocent"]]
        guilty = [id_ for id_, row in counted.items() if row["behaviours"] and not row["innocent"]]
        wrong = [id_ for id_ in innocent if id_ in denied]
        kinds: dict[str, int] = {}
        for id_ in wrong:
            kinds[counted[id_]["kind"]] = kinds.get(counted[id_]["kind"], 0) + 1
        made.append(Policy(
            name, book.title, len(innocent), len(guilty), len(wrong), sum(map(protected, wrong)),
            sum(id_ not in denied for id_ in guilty), tuple(sorted(kinds.items(), key=lambda item: (-item[1], item[0]))),
        ))  # fmt: skip
    return made


def _in_region(batches: Iterable[pa.Table]) -> set[str]:
    south, north, west, east = REGION
    found: set[str] = set()
    for table in batches:
        lat, lon = table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy()
        inside = (lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)
        found.update(table["terminal_id"].filter(pa.array(inside)).unique().to_pylist())
    return found


def _denied(batches: Iterable[pa.Table], basis: Basis, there: set[str]) -> set[str]:
    """Which terminals were denied at least once; only those in the region are decided."""
    judge, tally = Judge(basis), Tally.empty(len(basis.registers))
    wanted = pa.array(sorted(there), pa.string())
    for table in batches:
        mine = table.filter(pc.is_in(table["terminal_id"], value_set=wanted))
        if len(mine):
            tally.add(judge.judge(mine))
    rows = np.flatnonzero(tally.strictest == Outcome.DENY)
    return set(basis.registers.ids_of(rows.astype(np.int32)).to_pylist())
