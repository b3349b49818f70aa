"""Which emergencies the decisions of a home are made under: from the log, cut short by the clocks of this machine.

    HOME/governance/emergency-clocks.json    time since each emergency was loaded, kept over restarts; the last overlay
    HOME/governance/objects/SHA-256          overlays, named by the manifests of runs

Deleting the file of clocks takes nothing from what the wall clock and the log say. With the log out of reach, the last
overlay holds, and ends by the clocks: an emergency needs no connection to end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundrule.canon import canonical_json
from groundrule.errors import GroundruleError
from groundrule.govern.effect import Clocked, Effect, effects
from groundrule.govern.emergency import NS_PER_S
from groundrule.govern.signed import whole_ms
from groundrule.govern.state import State
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import GOVERNANCE, HomeLedger
from groundrule.pipeline.log_fold import kept_state
from groundrule.pipeline.overlay import NO_OVERLAY, Measure, Overlay
from groundrule.records import Outcome
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.policy import get_object, in_force, put_object

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SCHEME = "sha256:"


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of this machine at a moment.

    Attributes:
        wall_ns: the wall clock [ns, UTC].
        monotonic_ns: time since the machine started [ns].
        boot: which start of the machine that is.
    """

    wall_ns: int
    monotonic_ns: int
    boot: str

    @classmethod
    def now(cls, wall_ns: int | None = None) -> Clocks:
        """Read them; the wall clock unless it was read already."""
        boot = ""
        with suppress(OSError):
            boot = _BOOT.read_text("ascii").strip()
        # Time asleep counts as well where the system can tell.
        clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return cls(time.time_ns() if wall_ns is None else wall_ns, time.clock_gettime_ns(clock), boot)


def overlay_for_run(home: Home, ledger: HomeLedger | None, clocks: Clocks) -> Overlay:
    """Return the emergencies that a run is decided under, and keep the clocks; the caller holds the home's write lock.

    Args:
        home: whose.
        ledger: its log, open; None where it is out of reach.
        clocks: of this machine, now.
    """
    if ledger is not None and not ledger.records.logged_in(GOVERNANCE, "emergency-open"):
        return NO_OVERLAY
    kept = _Kept.read(home)
    if ledger is None:
        return _offline(home, kept, clocks)
    state = kept_state(home)
    found = [(each, kept.tick(each.emergency.id, _fresh(each), clocks, state.last_t_ns)) for each in effects(state)]
    overlay = _overlay([clocked.cut(each) for each, clocked in found])
    _Kept({each.emergency.id: clocked for each, clocked in found}, clocks.monotonic_ns, clocks.boot, overlay.digest).write(home)
    if overlay.measures:
        put_object(home, overlay.data)
    return overlay


def overlay_now(home: Home, clocks: Clocks) -> Overlay:
    """Return the same for a look, without keeping anything; no lock is needed."""
    if in_force(home) is None:
        return NO_OVERLAY
    kept = _Kept.read(home)
    state = kept_state(home)
    return _overlay(
        [kept.tick(each.emergency.id, _fresh(each), clocks, state.last_t_ns).cut(each) for each in effects(state)]
    )


def overlay_of_run(home: Home, manifest: Mapping[str, Any]) -> Overlay:
    """Return the emergencies that a run was decided under.

    Raises:
        StoreError: the overlay that its manifest names is not there. IntegrityError: it has been changed.
    """
    name = manifest.get("emergencies")
    return NO_OVERLAY if name is None else Overlay.parse(get_object(home, str(name).removeprefix(_SCHEME)))


def monotonic_of(home: Home, clocks: Clocks) -> dict[str, int]:
    """Return the time since each emergency was loaded here [ns], by id, for those that are kept."""
    kept = _Kept.read(home)
    delta = kept.delta(clocks)
    return {id_: max(each.elapsed_ns, each.monotonic_ns + delta) for id_, each in kept.clocked.items()}


def overlay_faults(home: Home, manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compare what runs were decided under with the log: no emergency invented, widened, prolonged or left out.

    Returns:
        One sentence for each fault.
    """
    try:
        governed = in_force(home) is not None
        now = read_state(home) if governed else State()
    except GroundruleError:
        return []  # a register or log that cannot be read is a fault already
    if not governed:
        return [f"run {each['run']} names emergencies, and the home has no charter" for each in manifests if "emergencies" in each]
    entries, logged = now.entries, {each.emergency.id: each for each in effects(now)}
    if not any(entry.kind == "emergency-open" for entry in entries) and not any("emergencies" in each for each in manifests):
        return []
    faults: list[str] = []
    folded, then = -1, dict(logged)
    for manifest in manifests:
        known = sum(entry.t_ns <= int(manifest["recorded_at_ns"]) for entry in entries)
        if known != folded:
            folded, then = known, {each.emergency.id: each for each in effects(State.fold(entries[:known], openings=now.openings))}
        try:
            held = {each.id: each for each in overlay_of_run(home, manifest).measures}
        except GroundruleError as error:
            faults.append(f"run {manifest['run']}: {error}")
            continue
        for id_, measure in held.items():
            told = then.get(id_) or logged.get(id_)
            if told is None or not _within(measure, _measure(told)):
                faults.append(f"run {manifest['run']} was decided under emergency {id_}, which the log does not hold like that")
        faults += [
            f"run {manifest['run']} was decided without emergency {id_}, which the log held"
            for id_ in then.keys() - held.keys()
        ]
    return faults


def _within(measure: Measure, told: Measure) -> bool:
    shorter = told.from_ns == measure.from_ns and measure.until_ns <= told.until_ns
    return shorter and replace(measure, until_ns=told.until_ns) == told


def _offline(home: Home, kept: _Kept, clocks: Clocks) -> Overlay:
    if kept.overlay is None or kept.overlay == NO_OVERLAY.digest:
        return NO_OVERLAY
    last = Overlay.parse(get_object(home, kept.overlay.removeprefix(_SCHEME)))
    clocked = {each.id: kept.tick(each.id, Clocked(each.from_ns, each.until_ns - each.from_ns), clocks, 0) for each in last.measures}
    measures = tuple(
        replace(each, until_ns=max(each.from_ns, min(each.until_ns, whole_ms(end))))
        for each in last.measures
        for end in (each.until_ns if clocked[each.id].ended_ns is None else clocked[each.id].ended_ns,)
        if end is not None
    )
    overlay = Overlay(measures)
    replace(kept, clocked=clocked, monotonic_ns=clocks.monotonic_ns, boot=clocks.boot).write(home)
    put_object(home, overlay.data)
    return overlay


def _fresh(effect: Effect) -> Clocked:
    return Clocked(effect.emergency.opened_at, effect.emergency.ttl_s * NS_PER_S)


def _overlay(found: Iterable[Effect]) -> Overlay:
    """An emergency that the clocks ended before it began stays in it, with an empty interval: it was not left out."""
    measures = tuple(_measure(each) for each in found)
    return Overlay(measures) if measures else NO_OVERLAY


def _measure(effect: Effect) -> Measure:
    emergency = effect.emergency
    return Measure(
        emergency.id, emergency.condition, emergency.direction == "permit_only", frozenset(emergency.scope.areas),
        frozenset(emergency.scope.terminals), tuple(sorted(Outcome[word.upper()] for word in emergency.scope.ops)),
        effect.from_ns, effect.until_ns, emergency.review_due,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kept:
    """The file of clocks.

    Attributes:
        clocked: by id of the emergency.
        monotonic_ns, boot: the clock that nobody sets, when it was written.
        overlay: digest of the last overlay; None before the first.
    """

    clocked: Mapping[str, Clocked]
    monotonic_ns: int = 0
    boot: str = ""
    overlay: str | None = None

    @classmethod
    def read(cls, home: Home) -> _Kept:
        """Read the file; what is damaged or missing begins anew."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            value = json.loads(_file(home).read_bytes())
            clocked = {id_: _clocked(each) for id_, each in value["emergencies"].items()}
            return cls(clocked, int(value["monotonic_ns"]), str(value["boot"]), value["overlay"])
        return cls({})

    def write(self, home: Home) -> None:
        """Write the file durably, if it would say something."""
        emergencies = {
            id_: {name: getattr(each, name) if getattr(each, name) is None else str(getattr(each, name)) for name in Clocked.__slots__}
            for id_, each in self.clocked.items()
        }
        value = {"emergencies": emergencies, "monotonic_ns": str(self.monotonic_ns), "boot": self.boot, "overlay": self.overlay}
        write_durably(_file(home), canonical_json(value))

    def delta(self, clocks: Clocks) -> int:
        """Time since it was written, as far as a clock that nobody sets tells; after a restart that is since the restart."""
        if not self.clocked:
            return 0
        same = self.boot == clocks.boot and self.monotonic_ns <= clocks.monotonic_ns
        return clocks.monotonic_ns - self.monotonic_ns if same else clocks.monotonic_ns

    def tick(self, id_: str, fresh: Clocked, clocks: Clocks, log_ns: int) -> Clocked:
        """Return an emergency's clocks, now; one that is loaded for the first time begins to count."""
        known = self.clocked.get(id_)
        if known is None or (known.opened_at_ns, known.ttl_ns) != (fresh.opened_at_ns, fresh.ttl_ns):
            return fresh.tick(clocks.wall_ns, 0, log_ns)
        return known.tick(clocks.wall_ns, self.delta(clocks), log_ns)


def _clocked(value: Mapping[str, Any]) -> Clocked:
    ended = value["ended_ns"]
    return Clocked(
        int(value["opened_at_ns"]), int(value["ttl_ns"]), int(value["monotonic_ns"]), int(value["elapsed_ns"]),
        int(value["running_ns"]), None if ended is None else int(ended),
    )  # fmt: skip


def _file(home: Home) -> Path:
    return home.path / "governance" / "emergency-clocks.json"
