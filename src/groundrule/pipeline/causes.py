"""Which parts are down at an instant, and how old is what decisions rest on: read from what a machine knows of itself.

    what is seen (`Seen`) ──► degree of each cause, and the staleness that every answer carries

Whoever decides fills in a `Seen`: a live service from its home (`see_home`), an enforcement point from its folder
(`enforcement_point.Point.seen`). What follows from it is a pure function, so that simulations and tests use the same one.

Source: reliability specification, sections 3.1 (staleness) and 3.2 (degrees).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import GroundruleError
from groundrule.govern.clock import Asked
from groundrule.pipeline.clock_check import seen_ns
from groundrule.pipeline.degraded import CLOCK_TOLERANCE_S, LKG_ORDINARY_S, SCREENING_MAX_AGE_S, Cause
from groundrule.pipeline.home_ledger import HomeLedger, has_ledger
from groundrule.pipeline.judge import Judged
from groundrule.rules.model import In, Rulebook
from groundrule.rules.normal import leaves_of
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.sanctions import SanctionsLists

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
CURRENT, PREVIOUS, BOOTSTRAP, NOTHING = "current", "previous", "bootstrap", "none"
"""What is loaded."""
_SQLITE: Final = "sqlite:///"
_VERDICTS: Final = {"inconsistent": 2, "ambiguous": 1, "insufficient": 1, "fault": 1}
"""Degree of `location_unverifiable` by what a verifier says."""


@dataclass(frozen=True, slots=True)
class Staleness:
    """How old is what an answer rests on; None is unknown.

    Attributes:
        policy_s: since the policy in use was last known to be right [s].
        screening_s: age of the oldest of the newest sanctions lists [s].
        witness_s: since a quorum of witnesses saw the log [s].
        location_s: age of the oldest position that was used [s].
        clock_offset_ms: our clock minus the quorum of witness times; 0 within what they can tell [ms].
    """

    policy_s: int | None = None
    screening_s: int | None = None
    witness_s: int | None = None
    location_s: int | None = None
    clock_offset_ms: int | None = None

    @property
    def value(self) -> dict[str, int | None]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a machine that decides knows of the parts that it rests on.

    Attributes:
        now_ns: its clock [ns, UTC].
        store_up: the policy store has answered.
        loaded: what decides: `current`, `previous`, `bootstrap` or `none`.
        newest_bad: the newest snapshot is damaged or not signed, or could not be taken in.
        ever_loaded: a snapshot was accepted at some time.
        confirmed_ns: when the policy in use was last known to be right: answer of the store, or issue of the snapshot [ns].
        expires_ns: expiry of the snapshot; None where it has none [ns].
        screens: the policy asks for screening.
        screening_ns: when the newest list of each source came in [ns].
        log_writable: the log takes entries.
        has_witnesses: there is a witness policy.
        witnessed: a quorum has answered the last time it was asked.
        witness_ns: when a quorum saw the log last [ns].
        clock_offset_ms: our clock minus theirs; None where no quorum has said since the start [ms].
    """

    now_ns: int
    store_up: bool = True
    loaded: str = CURRENT
    newest_bad: bool = False
    ever_loaded: bool = True
    confirmed_ns: int | None = None
    expires_ns: int | None = None
    screens: bool = True
    screening_ns: Mapping[str, int] = field(default_factory=dict)
    log_writable: bool = True
    has_witnesses: bool = True
    witnessed: bool = True
    witness_ns: int | None = None
    clock_offset_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Causes:
    """What is down.

    Attributes:
        degrees: of each cause but the location's, which is by row; only those that are not 0.
        staleness: to be carried by every answer.
        held_ns: until when what came into force counts; None while everything may [ns, UTC].
    """

    degrees: Mapping[Cause, int]
    staleness: Staleness
    held_ns: int | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """Reason codes of the causes, in the order of the table."""
        return tuple(cause.reason for cause in Cause if self.degrees.get(cause, 0))


def causes_of(seen: Seen) -> Causes:
    """Return the degree of each cause, and the staleness of what an answer rests on."""
    found = {
        Cause.POLICY_STORE_DOWN: _store(seen),
        Cause.SNAPSHOT_INVALID: _snapshot(seen),
        Cause.NO_SNAPSHOT: (2 if seen.loaded == NOTHING else 1) if seen.loaded == NOTHING or not seen.ever_loaded else 0,
        Cause.SCREENING_STALE: _screening(seen),
        Cause.LEDGER_DOWN: 2 if not seen.log_writable else 1 if seen.has_witnesses and not seen.witnessed else 0,
        Cause.CLOCK_DOUBTFUL: _clock(seen),
    }
    degrees = {cause: degree for cause, degree in found.items() if degree}
    staleness = Staleness(
        policy_s=_age(seen.now_ns, seen.confirmed_ns),
        screening_s=_age(seen.now_ns, min(seen.screening_ns.values(), default=None)),
        witness_s=_age(seen.now_ns, seen.witness_ns),
        clock_offset_ms=seen.clock_offset_ms,
    )
    stale = degrees.keys() & {Cause.POLICY_STORE_DOWN, Cause.SNAPSHOT_INVALID, Cause.NO_SNAPSHOT, Cause.CLOCK_DOUBTFUL}
    return Causes(degrees, staleness, _held(seen) if stale else None)


def _held(seen: Seen) -> int:
    """Nothing that begins after the policy was last known to be right; under a doubtful clock, nothing after witnesses spoke."""
    moments = [seen.now_ns]
    if not seen.store_up or seen.newest_bad:
        moments += [seen.confirmed_ns] if seen.confirmed_ns is not None else []
    if _clock(seen):
        moments += [each for each in (seen.witness_ns, seen.confirmed_ns) if each is not None][:1]
    return min(moments)


def _store(seen: Seen) -> int:
    if seen.store_up:
        return 0
    age = _age(seen.now_ns, seen.confirmed_ns)
    expired = seen.expires_ns is not None and seen.now_ns >= seen.expires_ns
    return 2 if age is None or age >= LKG_ORDINARY_S or expired or seen.loaded not in (CURRENT, PREVIOUS) else 1


def _snapshot(seen: Seen) -> int:
    if not seen.ever_loaded:
        return 0
    if seen.loaded in (BOOTSTRAP, NOTHING):
        return 2
    return int(seen.newest_bad or seen.loaded == PREVIOUS)


def _screening(seen: Seen) -> int:
    if not seen.screens:
        return 0
    if not seen.screening_ns:
        return 2
    return int(any(seen.now_ns - each > SCREENING_MAX_AGE_S * NS_PER_S for each in seen.screening_ns.values()))


def _clock(seen: Seen) -> int:
    if not seen.has_witnesses:
        return 0
    if seen.clock_offset_ms is None:
        return 2
    return int(abs(seen.clock_offset_ms) > CLOCK_TOLERANCE_S * 1000)


def _age(now_ns: int, at_ns: int | None) -> int | None:
    return None if at_ns is None else max(0, now_ns - at_ns) // NS_PER_S


# --- what is read from where ------------------------------------------------------------------------------------------------


def offset_ms(asked: Asked | None) -> int | None:
    """Return how far our clock is off what a quorum of witnesses said when it was asked; 0 within what they can tell [ms].

    Witnesses state whole seconds, and their answer takes its way: our clock is ahead for certain only if it was later when
    we asked than they can have seen, and behind only if it was earlier when they had answered.
    """
    if asked is None:
        return None
    ahead = asked.asked_ns - asked.before_ns - NS_PER_S
    behind = asked.after_ns - asked.answered_ns
    return (ahead if ahead > 0 else -behind if behind > 0 else 0) // NS_PER_MS


def screens(book: Rulebook) -> bool:
    """Tell whether a rulebook asks for screening."""
    return any(
        isinstance(leaf, In) and leaf.attribute == "screening" for rule in book.rules for leaf in leaves_of(rule.condition())
    )


def see_home(
    home: Home,
    ledger: HomeLedger | None,
    book: Rulebook,
    *,
    now_ns: int,
    confirmed_ns: int | None,
    asked: Asked | None,
    least_revision: int = 0,
    witnessed: bool = True,
    log_writable: bool = True,
) -> Seen:
    """Look at a home that decides by itself.

    Args:
        home: whose database is the policy store.
        ledger: its log, open; None where it has none or it is out of reach.
        book: the rulebook that decides.
        now_ns: our clock [ns, UTC].
        confirmed_ns: when what decides was last found to be what the log says [ns]; None if never.
        asked: what witnesses said when they were last asked, since the start; None if no quorum has answered.
        least_revision: register revision that was seen before; a store that has lost it is not up.
        witnessed: a quorum answered the last time.
        log_writable: the last entry was taken.
    """
    store_up = _store_answers(home, least_revision)
    has_witnesses = ledger is not None and bool(ledger.policy.witnesses)
    return Seen(
        now_ns,
        store_up=store_up,
        confirmed_ns=now_ns if store_up else confirmed_ns,
        screens=screens(book),
        screening_ns=screening_times(home),
        # A home that was made without a log lacks nothing.
        log_writable=log_writable and (ledger is not None or not has_ledger(home)),
        has_witnesses=has_witnesses,
        witnessed=witnessed,
        witness_ns=seen_ns(ledger) if ledger is not None else None,
        clock_offset_ms=offset_ms(asked),
    )


def _store_answers(home: Home, least_revision: int) -> bool:
    """Does the database of a home answer, with what it held? A file that is gone is not made anew by looking at it."""
    url = home.registers_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).is_file():
        return False
    try:
        with Registers.open(home) as registers:
            return registers.revision().revision >= least_revision
    except (GroundruleError, OSError):
        return False


def screening_times(home: Home) -> dict[str, int]:
    """Return when the newest list of each source came into a home [ns, UTC]; empty where none did or they cannot be read."""
    if not (home.path / "lists" / "index.sqlite").exists():
        return {}
    try:
        with SanctionsLists.open(home) as lists:
            return {source: each.recorded_ns for source, each in lists.newest_by_source().items()}
    except (GroundruleError, OSError):
        return {}


def location_degrees(judged: Judged, max_age_s: float) -> NDArray[np.uint8]:
    """Return the degree of `location_unverifiable` of each row (uint8, shape (n,)).

    Args:
        judged: a batch.
        max_age_s: from when a position is too old, as the rulebook assumes [s].
    """
    motion = judged.motion
    none = np.isnan(motion.lat_deg) & (motion.cell == 0)
    degree = np.where(none, 2, np.where(motion.age_s > max_age_s, 1, 0)).astype(np.uint8)
    verdicts = verdict_degrees(judged)
    return degree if verdicts is None else np.maximum(degree, verdicts)


def verdict_degrees(judged: Judged) -> NDArray[np.uint8] | None:
    """Return the degree of `location_unverifiable` that a verifier gives each row (uint8, shape (n,)); None where none verified.

    Where the place that radio gives decides, the place is verified, whatever the terminal claims.
    """
    verdict = judged.evidence.categories.get("verdict")
    if verdict is None or not len(verdict.values):
        return None
    of = np.array([_VERDICTS.get(str(each), 0) for each in verdict.values], np.uint8)
    found: NDArray[np.uint8] = of[verdict.codes]
    if judged.heard is not None:
        found[judged.heard.placed(judged.basis.rulebook.assumptions.radio_position)] = 0
    return found
