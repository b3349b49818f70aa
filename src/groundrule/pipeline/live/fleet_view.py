"""The last answer of every terminal: columns that the intake thread updates, and immutable views of them for everybody else.

A row says what its terminal was answered last, in codes: of decision classes, which are kept by content for ever, and of
places and evidence, which mean something within one `Generation` of the judge. A generation lives as long as some terminal's
last answer is from it; it gives up its judge, and all that is big, when the judge is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.instant import MIN_NS
from groundrule.pipeline.coding import distinct_codes
from groundrule.pipeline.decisions import ENGINE, STATE_WORDS, DecisionWriter
from groundrule.pipeline.judge import Judge, Judged
from groundrule.records import AREA_HIT_TYPE, DECISION_SCHEMA, OUTCOME_WORDS, REASON_TYPE
from groundrule.rules.classes import DecisionClass
from groundrule.rules.evidence import AreaFact, Membership, Profile
from groundrule.store.terminal_index import TerminalIndex
from groundrule.store.timeline import Epoch, RegisterTimeline

COLUMNS: Final[dict[str, Any]] = {
    "seen": (np.bool_, False),
    "observed_at": (np.int64, MIN_NS),
    "decided_at": (np.int64, 0),
    "valid_until": (np.int64, 0),
    "lat": (np.float64, np.nan),
    "lon": (np.float64, np.nan),
    "speed": (np.float32, np.nan),
    "answer": (np.uint8, 255),
    "kind": (np.uint8, 0),
    "klass": (np.int32, -1),
    "where": (np.int32, 0),
    "evidence": (np.int32, -1),
    "epoch": (np.int32, 0),
    "generation": (np.int32, -1),
}
"""Columns by terminal row: type, and what stands in them before the first answer. `answer` is from `answer_codes`."""


@dataclass(frozen=True)
class FleetView:
    """The last answer of every terminal that was ever decided, at one moment; nothing in it changes.

    Attributes:
        version: grows whenever something changes.
        ids: terminal ids (text, shape (n,)).
        lat_deg, lon_deg: resolved position [degree; NaN unknown].
        speed_m_s: best single value of the speed at that time [m/s; NaN unknown; float32].
        outcome: `Outcome` as answered (uint8).
        state: index into `decisions.STATE_WORDS` (uint8).
        kind: `TerminalClass` (uint8).
        rule: index into `rules` of the deciding rule (int32).
        reason: index into `reasons` of the decisive reason (int32).
        observed_at_ns: [ns, UTC].
        rules, reasons: the words.
        where: place of each terminal, a code of its generation (int32).
        generation: which generation that is (int32).
        places: distinct places of each generation.
        register_rows: row of each terminal in the registers (int64).
        registered: the registers as they hold now.
    """

    version: int
    ids: pa.StringArray
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    speed_m_s: NDArray[np.float32]
    outcome: NDArray[np.uint8]
    state: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    rule: NDArray[np.int32]
    reason: NDArray[np.int32]
    observed_at_ns: NDArray[np.int64]
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    where: NDArray[np.int32]
    generation: NDArray[np.int32]
    places: Mapping[int, Sequence[tuple[AreaFact, ...] | None]]
    register_rows: NDArray[np.int64]
    registered: Epoch

    def __len__(self) -> int:
        return len(self.ids)

    def areas_of(self, row: int) -> tuple[str, ...]:
        """Return the ids of the areas that a terminal is in, or may be in."""
        facts = self.places[int(self.generation[row])][int(self.where[row])]
        return tuple(fact.id for fact in facts or ())

    def inside(self, areas: Container[str]) -> NDArray[np.bool_]:
        """Tell which terminals are, or may be, in one of some areas (bool, shape (n,))."""
        found = np.zeros(len(self), bool)
        for number, values in self.places.items():
            mine = np.flatnonzero(self.generation == number)
            if len(mine):
                codes = self.where[mine]
                # Places grow while they are read; those of this view are there already.
                known = values[: int(codes.max()) + 1]
                hit = np.array([any(fact.id in areas for fact in facts or ()) for facts in known], bool)
                found[mine] = hit[codes]
        return found

    @cached_property
    def profile(self) -> NDArray[np.int32]:
        """Index of each terminal's profile in `registered.profiles`, -1 for one that is not registered (int32, shape (n,))."""
        return self.registered.profile_codes_of(self.register_rows.astype(np.int32))

    def registered_as(self, row: int) -> Profile | None:
        """Return what the registers say of a terminal now; None where it is not registered."""
        code = int(self.profile[row])
        return None if code < 0 else self.registered.profiles[code]

    def whose(self, holds: Callable[[Profile], bool]) -> NDArray[np.bool_]:
        """Tell whose profile something holds of; of no profile nothing does (bool, shape (n,)). Each distinct profile is asked once."""
        answers = np.array([*(holds(each) for each in self.registered.profiles), False], bool)
        found: NDArray[np.bool_] = answers[self.profile]  # -1 is the last
        return found

    @cached_property
    def _index(self) -> TerminalIndex:
        return TerminalIndex(self.ids)

    def rows_of(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """Return the row of each terminal, -1 for one that was never decided."""
        return self._index.find(pa.array(list(ids), pa.string()))


class ClassBook:
    """Decision classes by content, numbered in order of appearance."""

    def __init__(self) -> None:
        self.classes: list[DecisionClass] = []
        self._codes: dict[DecisionClass, int] = {}
        self._rules: dict[str, int] = {}
        self._reasons: dict[str, int] = {}
        self.rule_of: list[int] = []
        self.reason_of: list[int] = []
        self._written: tuple[pa.Array, pa.Array] | None = None

    def code(self, found: DecisionClass) -> int:
        """Return the number of a class."""
        known = self._codes.get(found)
        if known is None:
            known = self._codes[found] = len(self.classes)
            self.classes.append(found)
            self.rule_of.append(self._rules.setdefault(found.rule_id, len(self._rules)))
            self.reason_of.append(self._reasons.setdefault(found.reasons[0][0], len(self._reasons)))
        return known

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of deciding rules."""
        return tuple(self._rules)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Codes of decisive reasons."""
        return tuple(self._reasons)

    def written(self) -> tuple[pa.Array, pa.Array]:
        """Reasons and obligations of each class, as columns."""
        if self._written is None or len(self._written[0]) < len(self.classes):
            reasons = [
                [dict(zip(("code", "rule", "class"), line, strict=True)) for line in each.reasons] for each in self.classes
            ]
            obligations = [list(each.obligations) for each in self.classes]
            self._written = pa.array(reasons, pa.list_(REASON_TYPE)), pa.array(obligations, pa.list_(pa.string()))
        return self._written


@dataclass(slots=True)
class Generation:
    """What the codes of one judge mean.

    Attributes:
        number: counts up.
        rulebook, areas: digests.
        revision: of the registers.
        where_values: distinct places.
        writer: of the judge; None once it is retired.
    """

    number: int
    rulebook: str
    areas: str
    revision: int
    where_values: Sequence[tuple[AreaFact, ...] | None]
    writer: DecisionWriter | None
    _judge: Judge | None
    _classes: NDArray[np.int32] = field(default_factory=lambda: np.full(64, -1, np.int32))
    _lists: dict[int, str] = field(default_factory=dict)
    _evidence: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, number: int, judge: Judge, writer: DecisionWriter) -> Generation:
        """Begin a generation."""
        basis = judge.basis
        return cls(
            number, basis.rulebook.digest, basis.areas.digest, basis.registers.revision, judge.where.values, writer, judge
        )

    def classes(self, judged: Judged, book: ClassBook) -> NDArray[np.int32]:
        """Return the number of each row's decision class in the book."""
        klass = judged.decided.klass
        highest = int(klass.max(initial=-1)) + 1
        if highest > len(self._classes):
            grown = np.full(max(highest, 2 * len(self._classes)), -1, np.int32)
            grown[: len(self._classes)] = self._classes
            self._classes = grown
        found = self._classes[klass]
        if len(found) and found.min() < 0:
            for code in np.unique(klass[found < 0]):
                self._classes[code] = book.code(judged.decided.classes[int(code)])
            found = self._classes[klass]
        return found

    def lists(self, epoch: int) -> str:
        """Return the digest of the lists of an epoch."""
        if epoch not in self._lists and self._judge is not None:
            self._lists[epoch] = self._judge.basis.registers.epoch(epoch).lists_version
        return self._lists.get(epoch, "")

    def evidence(self, codes: NDArray[np.int32]) -> list[str]:
        """Return the digest of each evidence code."""
        if self.writer is not None:
            return self.writer.evidence_digests(codes)
        return [self._evidence.get(int(code), "") for code in codes]

    def retire(self, evidence: NDArray[np.int32], epochs: NDArray[np.int32]) -> None:
        """Keep what the given codes need, and let the judge go."""
        codes = np.unique(evidence)
        self._evidence = dict(zip(codes.tolist(), self.evidence(codes.astype(np.int32)), strict=True))
        for epoch in np.unique(epochs):
            self.lists(int(epoch))
        self.writer = self._judge = None


class LastAnswers:
    """Last answers by terminal row; written by the intake thread alone, under the lock of the desk.

    Attributes:
        columns: see `COLUMNS`.
        version: grows with every change.
    """

    def __init__(self) -> None:
        self.columns: dict[str, NDArray[Any]] = {name: np.full(0, fill, kind) for name, (kind, fill) in COLUMNS.items()}
        self.book = ClassBook()
        self.generations: dict[int, Generation] = {}
        self.version = 0
        self._ids: tuple[int, NDArray[np.int64], pa.StringArray] | None = None

    def __len__(self) -> int:
        return len(self.columns["seen"])

    def grow(self, terminals: int) -> None:
        """Make room for terminals."""
        count = len(self)
        if terminals <= count:
            return
        for name, (kind, fill) in COLUMNS.items():
            wider = np.full(max(terminals, count + count // 4), fill, kind)
            wider[:count] = self.columns[name]
            self.columns[name] = wider

    def begin(self, judge: Judge, writer: DecisionWriter) -> Generation:
        """Begin a generation of codes, and forget those that no answer is from."""
        number = max(self.generations, default=-1) + 1
        in_use = set(np.unique(self.columns["generation"]).tolist())
        for each in list(self.generations):
            if each not in in_use:
                del self.generations[each]
            elif self.generations[each].writer is not None:
                mine = self.columns["generation"] == each
                self.generations[each].retire(self.columns["evidence"][mine], self.columns["epoch"][mine])
        made = self.generations[number] = Generation.of(number, judge, writer)
        return made

    def put(self, rows: NDArray[np.int32], values: dict[str, Any]) -> None:
        """Set columns of rows; of several values for one row the last stays."""
        for name, value in values.items():
            self.columns[name][rows] = value
        self.version += 1

    def renumber(self, rows: NDArray[np.int32], terminals: int) -> None:
        """Move what is known of row i to row `rows[i]`."""
        old, count = self.columns, len(rows)
        self.columns = {name: np.full(terminals, fill, kind) for name, (kind, fill) in COLUMNS.items()}
        for name in COLUMNS:
            self.columns[name][rows] = old[name][:count]
        self._ids = None
        self.version += 1

    def view(self, registers: RegisterTimeline) -> FleetView:
        """Return the last answers as they stand.

        Args:
            registers: whose rows these are.
        """
        seen = self.columns["seen"]
        count = int(seen.sum())
        if self._ids is None or self._ids[0] != count:
            rows = np.flatnonzero(seen)
            self._ids = count, rows, registers.ids_of(rows.astype(np.int32))
        _, rows, ids = self._ids
        klass = self.columns["klass"][rows]
        rule_of, reason_of = np.array(self.book.rule_of, np.int32), np.array(self.book.reason_of, np.int32)
        found = {name: self.columns[name][rows] for name in ("lat", "lon", "speed", "kind", "observed_at", "where", "generation")}
        found["outcome"], found["state"] = self.columns["answer"][rows] >> 3, self.columns["answer"][rows] & 7
        found |= {"rule": rule_of[klass] if count else klass, "reason": reason_of[klass] if count else klass}
        for column in found.values():
            column.flags.writeable = False
        return FleetView(
            self.version, ids, found["lat"], found["lon"], found["speed"], found["outcome"], found["state"], found["kind"], found["rule"],
            found["reason"], found["observed_at"], self.book.rules, self.book.reasons, found["where"], found["generation"],
            {number: each.where_values for number, each in self.generations.items()}, rows, registers.now,
        )  # fmt: skip

    def table(self, rows: NDArray[np.int32], ids: pa.Array) -> pa.Table:
        """Return the last decisions of terminals that have one, as a table of DECISION_SCHEMA.

        Areas on whose edge the position is have no probability here: it is not kept.
        """
        column = {name: values[rows] for name, values in self.columns.items()}
        used, local = distinct_codes(column["klass"])
        reasons, obligations = self.book.written()
        spread = pa.array(column["klass"].astype(np.int32))
        gens, which = np.unique(column["generation"], return_inverse=True)
        of = [self.generations[int(number)] for number in gens]
        areas: list[list[dict[str, Any]]] = [[] for _ in range(len(rows))]
        evidence = np.empty(len(rows), object)
        lists = np.empty(len(rows), object)
        for place, generation in enumerate(of):
            mine = np.flatnonzero(which == place)
            hits: dict[int, list[dict[str, Any]]] = {}
            for row in mine:
                where = int(column["where"][row])
                areas[row] = hits.setdefault(where, _hits(generation.where_values[where]))
            evidence[mine] = generation.evidence(column["evidence"][mine])
            lists[mine] = [generation.lists(int(each)) for each in column["epoch"][mine]]
        codes = pa.array(which.astype(np.int32))
        names = [self.book.classes[code].rule_id for code in used]
        made: dict[str, Any] = {
            "terminal_id": ids,
            "observed_at": column["observed_at"],
            "decided_at": column["decided_at"],
            "outcome": pa.DictionaryArray.from_arrays(
                pa.array((column["answer"] >> 3).astype(np.int8)), pa.array(OUTCOME_WORDS)
            ),
            "state": pa.DictionaryArray.from_arrays(pa.array((column["answer"] & 7).astype(np.int8)), pa.array(STATE_WORDS)),
            "rule": pa.DictionaryArray.from_arrays(pa.array(local.astype(np.int32)), pa.array(names, pa.string())),
            "reasons": reasons.take(spread),
            "obligations": obligations.take(spread),
            "areas": pa.array(areas, pa.list_(AREA_HIT_TYPE)),
            "evidence": pa.array(evidence.tolist(), pa.string()),
            "rulebook": pa.DictionaryArray.from_arrays(codes, pa.array([each.rulebook for each in of], pa.string())),
            "areas_version": pa.DictionaryArray.from_arrays(codes, pa.array([each.areas for each in of], pa.string())),
            "lists_version": pa.array(lists.tolist(), pa.string()).dictionary_encode(),
            "register_revision": pa.array([each.revision for each in of], pa.int64()).take(codes),
            "engine": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int32)), pa.array([ENGINE])),
            "valid_until": column["valid_until"],
        }
        return pa.table([made[each.name] for each in DECISION_SCHEMA], schema=DECISION_SCHEMA)


def answer_codes(outcome: NDArray[Any], state: NDArray[Any]) -> NDArray[np.uint8]:
    """Return outcome and state as one number, `outcome * 8 + state`."""
    return ((outcome.astype(np.uint8) << 3) | state.astype(np.uint8)).astype(np.uint8)


def columns_of(judged: Judged, generation: Generation, book: ClassBook, kind: NDArray[np.uint8]) -> dict[str, Any]:
    """Return what is kept of the answers of a batch, as they were decided."""
    return {
        "seen": True,
        "observed_at": judged.table.column("observed_at").to_numpy(),
        "decided_at": judged.now_ns,
        "valid_until": judged.decided.valid_until,
        "lat": judged.motion.lat_deg,
        "lon": judged.motion.lon_deg,
        "speed": judged.motion.speed_m_s,
        "answer": answer_codes(judged.decided.outcome, judged.decided.state),
        "kind": kind,
        "klass": generation.classes(judged, book),
        "where": judged.where,
        "evidence": judged.evidence_code,
        "epoch": judged.epoch,
        "generation": generation.number,
    }


_MEMBERSHIP: Final = {Membership.INSIDE: "inside", Membership.EDGE: "edge"}


def _hits(facts: tuple[AreaFact, ...] | None) -> list[dict[str, Any]]:
    return [
        {
            "id": fact.id,
            "membership": _MEMBERSHIP[fact.membership],
            "probability": 1.0 if fact.membership is Membership.INSIDE else None,
        }
        for fact in facts or ()
    ]

