"""From judged columns to the decision table, and its digest.

What the rows of one class share (outcome, rule, reasons, obligations) is written once per class and spread by code, so that
a million explained decisions cost little more than a million numbers.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from groundrule import __version__
from groundrule.canon import canonical_json, digest_bytes
from groundrule.pipeline.coding import distinct_codes
from groundrule.pipeline.heard import signals_of, words_of
from groundrule.pipeline.judge import Judge, Judged
from groundrule.records import AREA_HIT_TYPE, DECISION_SCHEMA, OUTCOME_WORDS, REASON_TYPE, ServiceState
from groundrule.rules.compile import Decided
from groundrule.rules.evidence import Membership, Profile

ENGINE = f"groundrule/{__version__}"
STATE_WORDS = tuple(state.value for state in ServiceState)
_OUTCOMES, _STATES = pa.array(OUTCOME_WORDS), pa.array(STATE_WORDS)
_MEMBERSHIP_WORDS = {Membership.INSIDE: "inside", Membership.EDGE: "edge"}


class DecisionWriter:
    """Builds decision tables for the batches of one judge.

    Args:
        judge: the judge whose batches are written; its codes are resolved here.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._evidence_digests: list[str] = []
        self._evidence_column = pa.array([], pa.string())
        self._class_of = np.full(64, -1, np.int32)
        self._reasons, self._obligations = pa.array([], pa.list_(REASON_TYPE)), pa.array([], pa.list_(pa.string()))
        self._places = _Places(judge)
        self._profile_digests: dict[int, bytes] = {}
        self._area_digests: dict[int, bytes] = {}
        basis = judge.basis
        self._rules = pa.array(basis.overlay.rule_names(basis.rulebook))
        self._default = len(basis.rulebook.rules)
        self._constants = {
            "rulebook": pa.array([basis.rulebook.digest]),
            "areas_version": pa.array([basis.areas.digest]),
            "engine": pa.array([ENGINE]),
        }

    def table(self, judged: Judged) -> pa.Table:
        """Return the decisions of one batch as a table of DECISION_SCHEMA, in the order of the observations."""
        decided = judged.decided
        n = len(judged.table)
        spread = pa.array(self._written(decided))
        rule = np.where(decided.rule < 0, self._default, decided.rule).astype(np.int32)
        columns: dict[str, Any] = {
            "terminal_id": judged.table.column("terminal_id"),
            "observed_at": judged.table.column("observed_at"),
            "decided_at": pa.array(judged.now_ns),
            "outcome": pa.DictionaryArray.from_arrays(
                pa.array(decided.outcome.astype(np.int8)), _OUTCOMES
            ),
            "state": pa.DictionaryArray.from_arrays(pa.array(decided.state.astype(np.int8)), _STATES),
            "rule": pa.DictionaryArray.from_arrays(pa.array(rule), self._rules),
            "reasons": self._reasons.take(spread),
            "obligations": self._obligations.take(spread),
            "areas": self._areas(judged),
            "evidence": self._digests(judged.evidence_code),
            "register_revision": pa.array(np.full(n, self._judge.basis.registers.revision, np.int64)),
            "valid_until": pa.array(decided.valid_until),
        }
        zeros = pa.array(np.zeros(n, np.int32))
        epochs, which = distinct_codes(judged.epoch)
        lists = [self._judge.basis.registers.epoch(int(number)).lists_version for number in epochs]
        columns["lists_version"] = pa.DictionaryArray.from_arrays(
            pa.array(which.astype(np.int32)), pa.array(lists, pa.string())
        )
        for name, value in self._constants.items():
            columns[name] = pa.DictionaryArray.from_arrays(zeros, value)
        return pa.table([columns[field.name] for field in DECISION_SCHEMA], schema=DECISION_SCHEMA)

    def _written(self, decided: Decided) -> NDArray[np.int32]:
        """Return where reasons and obligations of each row's class are written; new classes are."""
        highest = int(decided.klass.max(initial=-1)) + 1
        if highest > len(self._class_of):
            grown = np.full(2 * highest, -1, np.int32)
            grown[: len(self._class_of)] = self._class_of
            self._class_of = grown
        found = self._class_of[decided.klass]
        if not len(found) or found.min() >= 0:
            return found
        fresh = np.unique(decided.klass[found < 0])
        self._class_of[fresh] = len(self._reasons) + np.arange(len(fresh), dtype=np.int32)
        classes = [decided.classes[int(code)] for code in fresh]
        reasons = pa.array(
            [
                [dict(zip(("code", "rule", "class"), reason, strict=True)) for reason in item.reasons]
                for item in classes
            ],
            pa.list_(REASON_TYPE),
        )
        obligations = pa.array([list(item.obligations) for item in classes], pa.list_(pa.string()))
        self._reasons = pa.concat_arrays([self._reasons, reasons])
        self._obligations = pa.concat_arrays([self._obligations, obligations])
        return self._class_of[decided.klass]

    def _areas(self, judged: Judged) -> pa.ListArray:
        """Areas of each row with membership and probability (1 where inside is certain enough)."""
        places = self._places
        places.learn()
        offsets = np.zeros(len(judged.where) + 1, np.int32)
        np.cumsum(places.lengths[judged.where], out=offsets[1:])
        entry = np.empty(int(offsets[-1]), np.int64)
        probability = np.ones(int(offsets[-1]), np.float32)
        _spread(judged.where, places.starts, offsets, entry)
        location = judged.location
        _fill_probability(
            location.edge_rows, location.edge_members, location.edge_probability, offsets, entry, places.members, probability
        )
        index = pa.array(entry)
        struct = pa.StructArray.from_arrays(
            [places.names.take(index), places.words.take(index), pa.array(probability)], fields=list(AREA_HIT_TYPE)
        )
        return pa.ListArray.from_arrays(pa.array(offsets), struct)

    def _digests(self, codes: NDArray[np.int32]) -> pa.Array:
        """Digest of what the rules saw of each row, apart from numbers.

        It is the SHA-256 of: digest of the areas with their membership, digest of the profile (32 bytes each), one byte
        for the position source, one byte per speed limit; where radio or satellite navigation says something, `radio`, and the
        words of verdict, assurance and state, each ended by a zero byte; where there are signals, `signals`, and their kinds likewise.
        """
        if int(codes.max(initial=-1)) >= len(self._evidence_column):
            self.evidence_digests(codes[:0])
            fresh = pa.array(self._evidence_digests[len(self._evidence_column) :], pa.string())
            self._evidence_column = pa.concat_arrays([self._evidence_column, fresh])
        return self._evidence_column.take(pa.array(codes))

    def evidence_digests(self, codes: NDArray[np.int32]) -> list[str]:
        """Return the digest of each evidence code of the judge."""
        keys = self._judge.evidence_keys.keys
        while len(self._evidence_digests) < len(keys):
            where, who, source, latches, heard = self._judge.explained_key(len(self._evidence_digests))
            content = self._area_digest(where) + self._profile_digest(who) + bytes((source, *latches))
            if heard:
                content += b"radio\0" + b"".join((word or "").encode() + b"\0" for word in words_of(heard))
            if heard and (raised := signals_of(heard)):
                content += b"signals\0" + b"".join(word.encode() + b"\0" for word in raised)
            self._evidence_digests.append(digest_bytes(content))
        return [self._evidence_digests[code] for code in codes]

    def _area_digest(self, where: int) -> bytes:
        if where not in self._area_digests:
            facts = self._judge.where.values[where]
            content = None if facts is None else [[fact.id, _MEMBERSHIP_WORDS[fact.membership]] for fact in facts]
            self._area_digests[where] = hashlib.sha256(canonical_json(content)).digest()
        return self._area_digests[where]

    def _profile_digest(self, who: int) -> bytes:
        if who not in self._profile_digests:
            profile = self._judge.who.values[who]
            content = None if profile is None else {name: getattr(profile, name) for name in Profile.__slots__}
            self._profile_digests[who] = hashlib.sha256(canonical_json(content)).digest()
        return self._profile_digests[who]


class _Places:
    """Areas of all distinct places of a judge, one after the other; places that are met are added.

    Attributes:
        starts, lengths: where the areas of each place begin, and how many they are (int64).
        names, words: id and membership of each area.
        members: its member of the index (int32).
    """

    def __init__(self, judge: Judge) -> None:
        self._where = judge.where
        self.starts, self.lengths = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.names, self.words = pa.array([], pa.string()), pa.array([], pa.string())
        self.members = np.zeros(0, np.int32)

    def learn(self) -> None:
        """Add the places that are new."""
        done, values = len(self.lengths), self._where.values
        if done == len(values):
            return
        facts = [item or () for item in values[done:]]
        lengths = np.array([len(item) for item in facts], np.int64)
        starts = len(self.names) + np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        names = pa.array([fact.id for item in facts for fact in item], pa.string())
        words = pa.array([_MEMBERSHIP_WORDS[fact.membership] for item in facts for fact in item], pa.string())
        members = np.array([m for item in self._where.members[done:] for m in item], np.int32)
        self.starts = np.concatenate([self.starts, starts])
        self.lengths = np.concatenate([self.lengths, lengths])
        self.names = pa.concat_arrays([self.names, names])
        self.words = pa.concat_arrays([self.words, words])
        self.members = np.concatenate([self.members, members])


@njit(cache=True, nogil=True)
def _spread(local, starts, offsets, entry):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    for i in range(len(local)):
        start = starts[local[i]]
        for j in range(offsets[i], offsets[i + 1]):
            entry[j] = start + (j - offsets[i])


@njit(cache=True, nogil=True)
def _fill_probability(  # type: ignore[no-untyped-def]  # compiled; typed by numba
    rows, edge_members, edge_probability, offsets, entry, member_of, probability,
):  # fmt: skip
    for k in range(len(rows)):
        for j in range(offsets[rows[k]], offsets[rows[k] + 1]):
            if member_of[entry[j]] == edge_members[k]:
                probability[j] = edge_probability[k]
