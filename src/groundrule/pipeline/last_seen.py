"""The last evidence and answer of every terminal, kept while batches pass; and what to say of each of them.

Explaining fifty thousand terminals one by one takes half a minute. Most differ in nothing that matters, so numbers are
rounded, terminals with the same rounded evidence are explained once, and where rounding would change the answer the exact
evidence is explained instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.pipeline.heard import VERIFIED_DISTANCE, signals_of, words_of
from groundrule.pipeline.judge import Judge, Judged
from groundrule.records import OUTCOME_WORDS, POSITION_SOURCES, ServiceState
from groundrule.rules.evidence import Truth
from groundrule.rules.explain import Explainer, Explanation
from groundrule.rules.situation import Situation

_STATES = tuple(state.value for state in ServiceState)
_STEPS = {"speed_m_s": 1 / 3.6, "alt_m": 100.0, "position_age_s": 60.0, "position_sigma_m": 10.0}
"""Steps to which numbers are rounded before they are explained together; others: see `_step`."""
RESTING_M_S = 4.0
"""A speed certainly below this is the noise of a resting receiver, and is explained as an interval from 0 [m/s]."""


@dataclass(slots=True)
class LastSeen:
    """Last evidence per terminal of one judge; arrays are indexed by terminal row.

    Args:
        judge: whose codes are kept.
    """

    judge: Judge
    columns: dict[str, NDArray] = field(default_factory=dict)
    _room: int = 0

    def add(self, judged: Judged) -> None:
        """Take the last row of each terminal of a batch; a batch is in order of time."""
        n = len(judged.rows)
        values: dict[str, NDArray] = {
            "seen": np.ones(n, bool),
            "where": judged.where,
            "who": judged.who,
            "now": judged.now_ns,
            "lat": judged.motion.lat_deg,
            "lon": judged.motion.lon_deg,
            "source": judged.motion.source,
            "outcome": judged.decided.outcome,
            "state": judged.decided.state,
            "klass": judged.decided.klass,
            "heard": np.zeros(n, np.int64) if judged.heard is None else judged.heard.codes,
            "speed_m_s<": judged.motion.speed_low_m_s,
            "speed_m_s>": judged.motion.speed_high_m_s,
        }
        for name, interval in judged.evidence.numbers.items():
            values[f"{name}<"], values[f"{name}>"] = interval.low, interval.high
        if VERIFIED_DISTANCE in self.judge.basis.compiled.numbers:
            for side in "<>":
                values.setdefault(f"{VERIFIED_DISTANCE}{side}", np.full(n, np.nan))
        for k in range(judged.motion.latches.shape[1]):
            values[f"latch{k}"] = judged.motion.latches[:, k]
        self._grow(int(judged.rows.max(initial=-1)) + 1, values)
        for name, value in values.items():
            self.columns[name][judged.rows] = value

    def rows(self) -> NDArray[np.int64]:
        """Rows of the terminals that were observed."""
        return np.flatnonzero(self.columns["seen"]) if self.columns else np.zeros(0, np.int64)

    def answers(self, rows: NDArray[np.int64]) -> tuple[list[str], list[str]]:
        """Outcome words and service states of rows."""
        outcome = np.array(OUTCOME_WORDS)[self.columns["outcome"][rows]]
        return outcome.tolist(), np.array(_STATES)[self.columns["state"][rows]].tolist()

    def situation(self, row: int, *, rounded: bool) -> Situation:
        """Return the last evidence of one terminal."""
        numbers: dict[str, Any] = {}
        for name in self.columns:
            if name.endswith("<"):
                low, high = float(self.columns[name][row]), float(self.columns[name[:-1] + ">"][row])
                numbers[name[:-1]] = _rounded(name[:-1], low, high) if rounded else (low, high)
        latches = {
            latch: Truth(int(self.columns[f"latch{k}"][row]))
            for k, latch in enumerate(self.judge.basis.compiled.latches)
        }
        return Situation(
            now_ns=int(self.columns["now"][row]),
            facts=self.judge.where.values[int(self.columns["where"][row])],
            profile=self.judge.who.values[int(self.columns["who"][row])],
            numbers=numbers,
            categories={"position_source": POSITION_SOURCES[int(self.columns["source"][row])], **_said(int(self.columns["heard"][row]))},
            latches=latches,
        )

    def explain(
        self, rows: NDArray[np.int64], explainer: Explainer, *, progress: Callable[[int], None] | None = None
    ) -> list[Explanation]:
        """Explain the last answer of each row, each distinct rounded evidence once."""
        keys = [self.columns[name][rows].astype(np.int64) for name in ("where", "who", "source", "klass", "heard")]
        keys += [self.columns[name][rows].astype(np.int64) for name in self.columns if name.startswith("latch")]
        resting = self.columns["speed_m_s>"][rows] < RESTING_M_S
        for name in self.columns:
            if name[-1] in "<>":
                with np.errstate(invalid="ignore"):
                    rounded = np.floor(self.columns[name][rows] / _step(name[:-1]))
                key = np.where(np.isfinite(rounded), rounded, -1).astype(np.int64)
                keys.append(np.where(resting, 0, key) if name.startswith("speed_m_s") else key)
        distinct, first, inverse = np.unique(np.column_stack(keys), axis=0, return_index=True, return_inverse=True)
        found: list[Explanation] = []
        for position in first:
            row = int(rows[position])
            wanted = OUTCOME_WORDS[int(self.columns["outcome"][row])]
            explanation = explainer.explain(self.situation(row, rounded=True))
            if explanation.outcome.word != wanted:
                explanation = explainer.explain(self.situation(row, rounded=False))
            found.append(explanation)
            if progress:
                progress(1)
        assert len(found) == len(distinct)
        return [found[code] for code in inverse.ravel()]

    def _grow(self, needed: int, like: dict[str, NDArray]) -> None:
        if needed <= self._room and self.columns:
            return
        room = max(needed, self._room + self._room // 4)
        for name, value in like.items():
            fresh = np.zeros(room, value.dtype)
            if name in self.columns:
                fresh[: self._room] = self.columns[name]
            self.columns[name] = fresh
        self._room = room


def _said(code: int) -> dict[str, object]:
    verdict, assurance, gnss = words_of(code)
    return {"verdict": verdict, "assurance": assurance, "gnss": gnss, "signals": signals_of(code)}


def _rounded(name: str, low: float, high: float) -> tuple[float, float]:
    if name == "speed_m_s" and high < RESTING_M_S:
        return 0.0, RESTING_M_S
    step = _step(name)
    return _floor(low, step), _floor(high, step)


def _step(name: str) -> float:
    if name in _STEPS:
        return _STEPS[name]
    return 1_000.0 if name.endswith("_m") else 1.0


def _floor(value: float, step: float) -> float:
    return value if not np.isfinite(value) else float(np.floor(value / step) * step)
