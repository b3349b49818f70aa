"""What is bound to the log of one decision: the private record, field by field.

A record holds everything that a court may have to see of one decision, and each field can be opened alone. It is made
for each decision that begins something new for its terminal (`pipeline.transitions`). Records stay in the home; only
commitments to them are published, inside the root of a batch.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final

import h3
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.canon import canonical_json
from groundrule.instant import NS_PER_DAY
from groundrule.ledger.entry import format_time
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.lateness import DecidedBatch
from groundrule.records import LATER_COLUMNS
from groundrule.rules.classes import DECISIVE
from groundrule.rules.evidence import AreaFact

FIELDS: Final = (
    "terminal_id", "account_id", "observed_at", "decided_at", "position", "h3_r7", "country", "speed_kmh", "altitude_m",
    "outcome", "state", "reason_codes", "rule", "reasons", "obligations", "policy", "register", "inputs_sha256", "corrects",
    "owner_tag",
)  # fmt: skip
"""Fields of a record, in the order of `PrivateRecord.values`; docs/ledger.md says what each holds."""

_SORTED: Final = [(FIELDS.index(name), f'"{name}":'.encode()) for name in sorted(FIELDS)]
_PLACE: Final = {name: place for place, name in enumerate(FIELDS)}
_COARSE = 7
_NULL = b"null"
_E7 = 10_000_000


@dataclass(slots=True)
class PrivateRecord:
    """One decision, ready to be committed to.

    Attributes:
        terminal_id: whose decision.
        subject: whose data it is: the account, or the terminal where there is none.
        month: UTC month of the decision, `YYYY-MM`; with the subject the unit of erasure.
        observed_ns, decided_ns: [ns, UTC].
        answer: digest of the answer, by which the next transition is found.
        values: canonical JSON of each field, in the order of FIELDS; `corrects` and `owner_tag` are filled in later.
        correction: it replaces what was recorded of this terminal from here on.
    """

    terminal_id: str
    subject: str
    month: str
    observed_ns: int
    decided_ns: int
    answer: bytes
    values: list[bytes]
    correction: bool

    def put(self, name: str, value: Any) -> None:
        """Set the value of one field."""
        self.values[_PLACE[name]] = canonical_json(value)

    def content(self) -> str:
        """The whole record as canonical JSON, as it is stored."""
        return (b"{" + b",".join([name + self.values[place] for place, name in _SORTED]) + b"}").decode()


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What records need of some rows of a batch, copied, so that the batch itself can go."""

    terminal_ids: list[str]
    observations: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    lat_deg: list[float]
    lon_deg: list[float]
    sigma_m: list[float]
    cell: list[int]
    speed_low_m_s: list[float]
    speed_high_m_s: list[float]
    facts: list[tuple[AreaFact, ...] | None]
    answers: list[bytes]
    correction: bool


_DECISION_COLUMNS = [
    "observed_at", "decided_at", "outcome", "state", "rule", "reasons", "obligations", "evidence", "lists_version",
]  # fmt: skip


def excerpt(judge: Judge, batch: DecidedBatch, rows: NDArray[np.int64], answers: Sequence[bytes]) -> Excerpt:
    """Take what records need of some rows of a batch.

    Args:
        rows: of `batch.judged`, ascending.
        answers: digest of the answer of each.
    """
    judged, motion = batch.judged, batch.judged.motion
    # The decisions of a correction are fewer than the rows that were judged for it.
    places = rows if batch.chosen is None else np.searchsorted(np.flatnonzero(batch.chosen), rows)
    taken = judged.table.take(pa.array(rows))
    return Excerpt(
        taken.column("terminal_id").to_pylist(),
        taken.drop_columns(["source", "source_row"]).to_pylist(),
        batch.table.select(_DECISION_COLUMNS).take(pa.array(places)).to_pylist(),
        motion.lat_deg[rows].tolist(), motion.lon_deg[rows].tolist(), motion.sigma_m[rows].tolist(),
        motion.cell[rows].tolist(), motion.speed_low_m_s[rows].tolist(), motion.speed_high_m_s[rows].tolist(),
        [judge.where.values[code] for code in judged.where[rows]],
        list(answers),
        batch.correction,
    )  # fmt: skip


class RecordMaker:
    """Writes private records under one basis.

    Args:
        basis: what the decisions rest on.
        accounts: account of a terminal at an instant [ns, UTC], or None.
    """

    def __init__(self, basis: Basis, accounts: Accounts) -> None:
        self._accounts = accounts
        self._basis = basis
        registers = {"digest": basis.registers.digest, "revision": basis.registers.revision}
        self._register = canonical_json(registers)
        self._texts: dict[Any, bytes] = {}

    def records(self, part: Excerpt) -> list[PrivateRecord]:
        """Write the records of an excerpt, in its order."""
        return [self._record(part, row) for row in range(len(part.terminal_ids))]

    def _record(self, part: Excerpt, row: int) -> PrivateRecord:
        terminal, decision, facts = part.terminal_ids[row], part.decisions[row], part.facts[row]
        account = self._accounts.at(terminal, decision["observed_at"])
        alt_m = part.observations[row]["alt_m"]
        values = [
            _text(terminal),
            _NULL if account is None else _text(account),
            _text(format_time(decision["observed_at"])),
            _text(format_time(decision["decided_at"])),
            _position(part, row),
            _coarse(part, row),
            self._once(tuple(sorted({fact.country for fact in facts if fact.country})) if facts else None),
            _speed(part, row),
            _NULL if alt_m is None else b"%d" % round(alt_m),
            _text(decision["outcome"]),
            _text(decision["state"]),
            self._once(tuple(reason["code"] for reason in decision["reasons"] if reason["class"] == DECISIVE)),
            _text(decision["rule"]),
            self._once(tuple(tuple(reason[name] for name in _REASON) for reason in decision["reasons"]), _reasons),
            self._once(tuple(decision["obligations"])),
            self._once(decision["lists_version"], self._policy),
            self._register,
            _text(_inputs(part.observations[row], decision["evidence"])),
            _NULL,
            _NULL,
        ]
        return PrivateRecord(
            terminal,
            f"terminal:{terminal}" if account is None else f"account:{account}",
            _month(decision["decided_at"] // NS_PER_DAY),
            decision["observed_at"],
            decision["decided_at"],
            part.answers[row],
            values,
            part.correction,
        )

    def _policy(self, lists_version: str) -> dict[str, str]:
        return {
            "areas": self._basis.areas.digest,
            "lists": lists_version,
            "rulebook": self._basis.rulebook.digest,
        }

    def _once(self, key: Any, value: Any = None) -> bytes:
        """Canonical JSON of what many records share, written once."""
        if key not in self._texts:
            self._texts[key] = canonical_json(key if value is None else value(key))
        return self._texts[key]


class Accounts:
    """Which account a terminal belonged to at an instant.

    Args:
        rows: terminal, account or None, valid from, valid until [ns, UTC; half-open].
    """

    def __init__(self, rows: Sequence[tuple[str, str | None, int, int]]) -> None:
        self._versions: dict[str, list[tuple[int, int, str | None]]] = {}
        for terminal, account, since_ns, until_ns in rows:
            self._versions.setdefault(terminal, []).append((since_ns, until_ns, account))

    def at(self, terminal: str, instant_ns: int) -> str | None:
        """Return the account, or None where there is none."""
        for since_ns, until_ns, account in self._versions.get(terminal, ()):
            if since_ns <= instant_ns < until_ns:
                return account
        return None


def evaluator_digest() -> str:
    """Return the digest of the engine that decides [64 hex digits]."""
    return hashlib.sha256(canonical_json({"engine": ENGINE})).hexdigest()


def _written(value: Any) -> Any:
    """A value with its numbers, outside of plain lists, as text."""
    if isinstance(value, dict):
        return {name: [_written(each) for each in part] if isinstance(part, list) else _written(part) for name, part in value.items()}
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_REASON = ("code", "rule", "class")


def _reasons(reasons: tuple[tuple[str, ...], ...]) -> list[dict[str, str]]:
    return [dict(zip(_REASON, reason, strict=True)) for reason in reasons]


@lru_cache(maxsize=1024)
def _month(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m")


def _text(value: str) -> bytes:
    # A JSON string is written alike by every canonical writer.
    return encode_basestring(value).encode()


def _position(part: Excerpt, row: int) -> bytes:
    lat, lon, sigma = part.lat_deg[row], part.lon_deg[row], part.sigma_m[row]
    if math.isnan(lat) or part.cell[row]:
        return _NULL
    metres = b"null" if math.isnan(sigma) else b"%d" % round(sigma)
    return b'{"lat_e7":%d,"lon_e7":%d,"sigma_m":%s}' % (round(lat * _E7), round(lon * _E7), metres)


def _coarse(part: Excerpt, row: int) -> bytes:
    """The cell of resolution 7 that holds the position, or the reported cell if that is coarser."""
    if part.cell[row]:
        cell = h3.int_to_str(part.cell[row])
        return _text(h3.cell_to_parent(cell, _COARSE) if h3.get_resolution(cell) > _COARSE else cell)
    lat, lon = part.lat_deg[row], part.lon_deg[row]
    return _NULL if math.isnan(lat) else _text(h3.latlng_to_cell(lat, lon, _COARSE))


def _speed(part: Excerpt, row: int) -> bytes:
    """The interval that holds the speed [km/h, rounded outwards], or null."""
    low, high = part.speed_low_m_s[row] * 3.6, part.speed_high_m_s[row] * 3.6
    if not (math.isfinite(low) and math.isfinite(high)):
        return _NULL
    return b"[%d,%d]" % (math.floor(low), math.ceil(high))


def _inputs(observation: dict[str, Any], evidence: str) -> str:
    """SHA-256 of the observation, numbers as their shortest decimal text, and of what the rules saw [64 hex digits]."""
    content = {
        name: _written(value) for name, value in observation.items() if value is not None or name not in LATER_COLUMNS
    }
    return hashlib.sha256(canonical_json([content, evidence])).hexdigest()
