"""Lists, programmes and waivers made again from the objects that were enacted, in memory, and compared with the tables.

What stood in the tables at genesis is taken from the tables as they knew it then, and its digest from the log; from there on
every row follows from content that approvers signed the digest of. So a row that was changed in the tables shows, and so does
an enactment that wrote something else than its proposal says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from groundrule.canon import SCHEME
from groundrule.errors import GroundruleError
from groundrule.govern.objects import Change
from groundrule.govern.state import State
from groundrule.instant import MAX_NS
from groundrule.pipeline.changes import list_writes, split
from groundrule.pipeline.list_batches import Write, list_before, write_all
from groundrule.store.entities import ENTITIES
from groundrule.store.home import Home
from groundrule.store.policy import InForce, enacting, history, install_guard, lists_digest, lists_salt, stated
from groundrule.store.registers import POLICY_KINDS, REVISIONS, TABLES, Registers

LISTED: Final = ("list", "programme", "waiver")
MAX_SHOWN: Final = 20
_MEMORY: Final = "sqlite://"
Rows = Mapping[str, Sequence[tuple[Any, ...]]]


def list_differences(home: Home, state: State, announced: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return where the lists in the tables are not what the enacted objects make of them, row by row.

    Args:
        home: with its registers and the contents.
        state: the fold of the log.
        announced: what the log says of each policy in force, by the index of its entry.
    """
    held = history(home)
    if not held:
        return []
    with Registers.open(home) as registers, registers.reading() as connection:
        begun, salt = _at_genesis(connection, held), lists_salt(connection)
        present = {kind: stated(connection, kind) for kind in POLICY_KINDS}
    found: list[str] = []
    with Registers.open(_MEMORY) as made:
        for kind, rows in begun.items():
            _put(made, kind, rows, held[0])
        install_guard(made, held[0], salt=salt)
        try:
            found.extend(_replayed(home, state, held, announced, made))  # keeps what came before an error
        except GroundruleError as error:
            return [*found, f"lists cannot be made again from what was enacted: {error.message}"]
        with made.reading() as connection:
            wanted = {kind: stated(connection, kind) for kind in POLICY_KINDS}
    return found + _rows_that_differ(present, wanted)


def _replayed(
    home: Home,
    state: State,
    held: Sequence[InForce],
    announced: Mapping[int, Mapping[str, Any]],
    made: Registers,
) -> Iterator[str]:
    for each in held:
        if each.proposal:
            _enact_again(home, made, each, state)
        with made.reading() as connection:
            digest = lists_digest(connection)
        said = announced.get(each.log_index)
        if digest != (each.lists if said is None else said["lists"]):
            what = "genesis" if not each.proposal else f"enactment {each.log_index}"
            yield f"the lists of {what} in the log are not what its objects make of them"


def _enact_again(home: Home, made: Registers, each: InForce, state: State) -> None:
    proposal = state.proposals[each.proposal].proposal
    writes: tuple[Write, ...] = ()
    for change in proposal.change_set:
        if split_kind(change) in LISTED:
            kind, key = split(change.object)
            if change.before_sha256 != list_before(made, kind, key) and not writes:
                raise GroundruleError(f"`{change.object[:80]}` was enacted on another state than the log gives")
            writes += list_writes(
                home, made, change, writes, at_ns=each.enacted_at_ns, until_ns=proposal.effective.until
            )
    with enacting(made, each) as tables:
        write_all(tables, writes)


def split_kind(change: Change) -> str:
    """Return the kind of object of a change, also of one that `changes.split` does not know."""
    return change.object.partition("/")[0]


def _at_genesis(connection: sa.Connection, held: Sequence[InForce]) -> Rows:
    """Rows of the policy registers as they were believed before the first enactment wrote."""
    sources = [f"log entry {each.log_index}" for each in held if each.proposal]
    first = connection.execute(
        sa.select(REVISIONS.c.revision, REVISIONS.c.recorded_at)
        .where(REVISIONS.c.source.in_(sources), REVISIONS.c.actor == "enactment")
        .order_by(REVISIONS.c.revision)
        .limit(1)
    ).first()
    revision, recorded_at = (MAX_NS, MAX_NS) if first is None else first
    found = {}
    for kind in POLICY_KINDS:
        table, entity = TABLES[kind], ENTITIES[kind]
        names = (entity.key, *entity.attributes, "valid_from", "valid_until")
        query = sa.select(*(table.c[name] for name in names)).where(
            table.c.revision < revision, table.c.superseded_at >= recorded_at
        )
        ordered = query.order_by(table.c[entity.key], table.c.valid_from)
        found[kind] = [tuple(row) for row in connection.execute(ordered)]
    return found


def _put(made: Registers, kind: str, rows: Sequence[tuple[Any, ...]], first: InForce) -> None:
    """State the rows of genesis; of each thing one version after the other."""
    rounds: list[list[tuple[Any, ...]]] = []
    seen: dict[Any, int] = {}
    for row in rows:
        place = seen[row[0]] = seen.get(row[0], -1) + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(row)
    with made.recording(
        kind, recorded_at_ns=first.enacted_at_ns, actor="check", source="genesis", source_digest=SCHEME, governed=False
    ) as recording:
        for part in rounds:
            recording.put(part)


def _rows_that_differ(present: Rows, wanted: Rows) -> list[str]:
    found = []
    for kind in POLICY_KINDS:
        here, there = set(present[kind]), set(wanted[kind])
        for key in sorted({row[0] for row in here ^ there}):
            mine, theirs = {row for row in here if row[0] == key}, {row for row in there if row[0] == key}
            how = "is in the tables and was never enacted" if not theirs else "was enacted and is not in the tables" if not mine else (
                f"differs from what was enacted: {', '.join(_fields(kind, mine, theirs))}"
            )
            found.append(f"`{key}` of {kind} {how}")
    return found[:MAX_SHOWN] + ([f"and {len(found) - MAX_SHOWN} rows more"] if len(found) > MAX_SHOWN else [])


def _fields(kind: str, mine: set[tuple[Any, ...]], theirs: set[tuple[Any, ...]]) -> list[str]:
    """Names of the fields in which a row differs; never what they hold."""
    names = (ENTITIES[kind].key, *ENTITIES[kind].attributes, "valid_from", "valid_until")
    if len(mine) != 1 or len(theirs) != 1:
        return ["versions"]
    (one,), (other,) = mine, theirs
    return [name for name, a, b in zip(names, one, other, strict=True) if a != b]
