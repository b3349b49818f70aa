"""A simulated time of outages at an enforcement point: real code, real files, a clock and faults drawn from one seed.

Parts fail and come back by rates: the policy store, the snapshot files, positions, sanctions lists, the log, its witnesses, the
clock, the disk under the journal, the process itself. At every step the fleet is decided, each answer is compared with the slow
model of the specification's table (`slow_degraded`), and the four rules are checked. The same seed gives the same run.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import shapely

import governed_world as gw
from governed_world import DAY, HOUR, MINUTE, SECOND, START
from groundrule.areas.model import Area
from groundrule.errors import StoreError
from groundrule.govern.signed import format_time
from groundrule.govern.snapshot import PolicyManifest
from groundrule.pipeline.bootstrap import bootstrap_of
from groundrule.pipeline.emergency_overlay import Clocks
from groundrule.pipeline.enforcement_point import Point
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.point_desk import PointDesk, Reach
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.area_store import current_areas_digest
from groundrule.store.home import Home
from groundrule.store.journal_file import JournalFile
from groundrule.store.register_extract import write_extract
from groundrule.store.registers import Registers
from small_home import AREAS, make_home, register

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "properties"))
from slow_degraded import FAULTS, Row
from slow_degraded import decide as slowly

STEP: Final = 30 * MINUTE
RESTART_S: Final = 6.0
"""How long a restart leaves questions unanswered [s]: a process begins, and loads and verifies what it decides by."""
WINDOWS: Final = [(START + each * 14 * DAY + 6 * HOUR, START + each * 14 * DAY + 54 * HOUR) for each in range(27)]
"""When the closed zone is closed: every second week for two days, all of it enacted and signed long before."""
RATES: Final[dict[str, tuple[float, float]]] = {
    # part: times a year, mean length [h]
    "store": (12, 16.0),
    "store for long": (1.5, 120.0),
    "snapshot damaged": (4, 10.0),
    "both damaged": (1, 6.0),
    "positions jammed": (40, 3.0),
    "lists not refreshed": (12, 30.0),
    "log": (12, 2.0),
    "witnesses": (50, 1.0),
    "clock set wrong": (6, 2.0),
    "disk full": (4, 4.0),
    "restart": (64, 0.0),
}
YEAR_H: Final = 8760.0

CLASS: Final = {
    "car": "ordinary", "late payer": "ordinary", "walker": "ordinary", "guest": "ordinary", "hidden": "ordinary",
    "clinic": "protected", "ambulance": "protected", "evil": "conflict", "evil clinic": "conflict", "truck": "conflict",
    "drone": "conflict", "stranger": "conflict",
}  # fmt: skip
PLACE: Final[dict[str, tuple[float, float] | None]] = {
    "car": (5.0, 5.0), "late payer": (5.0, 6.0), "walker": (2.5, 2.5), "guest": (5.0, 15.0), "hidden": None, "clinic": (5.0, 5.5),
    "ambulance": (6.0, 5.5), "evil": (5.0, 5.2), "evil clinic": (5.0, 5.3), "truck": (8.0, 8.0), "drone": (8.1, 8.1),
    "stranger": (8.2, 8.2),
}  # fmt: skip
PROTECTED: Final = {"clinic", "ambulance", "evil clinic"}
JAMMED: Final = {"car", "clinic", "truck", "drone"}

_RULE = """  - id: {id}
    title: {id} (invented)
    tier: {tier}
    {where}
    outcome: deny
    reason: {reason}
    unknown: {{"*": serve}}
    stale: serve
    edge: serve
    authority: {{basis: "an order (invented)", illustrative: true}}
"""
_CLOSED = "".join(
    _RULE.format(id=f"closed-{k}", tier="zone", where="where: {any: [area:closed]}", reason="no_service_zone")
    + f"    effective: {{from: {format_time(a)}, expires: {format_time(b)}}}\n"
    for k, (a, b) in enumerate(WINDOWS)
)
BOOK: Final = f"""\
rulebook: outages
version: 1
title: A rulebook for a year of outages
operator: Example Orbit (invented)
notice: An example, not legal advice.
default: {{outcome: serve, reason: served}}
precedence: [sanctions, account, zone]
assumptions: {{position_sigma_m: {{gnss: 15}}, max_gap_s: 300, max_position_age_s: 900, decision_valid_s: 60}}
rules:
{_RULE.format(id="listed", tier="sanctions", where="who: {list: denied}", reason="sanctions")}\
{_RULE.format(id="screened", tier="sanctions", where="who: {screening: listed}", reason="sanctions")}\
{_RULE.format(id="suspended", tier="account", where="who: {account: suspended}", reason="account_disabled")}\
{_RULE.format(id="no-licence", tier="zone", where="where: {any: [country:BE]}", reason="unlicensed_country")}\
{_CLOSED}"""

TERMINALS = "terminal_id,account_id,plan,protected_class,registration,activation_country\n" + "".join(
    f"{name},{'acc-s' if name == 'late payer' else 'acc-a'},roam,{'hospital' if name in PROTECTED else ''},registered,AT\n"
    for name in CLASS
    if name != "stranger"
)
DENIED = "list_id,terminal_id,state,holder,legal_class\ndenied,evil,active,p1,individual\ndenied,evil clinic,active,p2,individual\n"


@dataclass
class Published:
    """What a home would publish: content made once, envelopes for any time."""

    folder: Path
    manifests: dict[str, Any] = field(default_factory=dict)
    contents: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> Published:
        """Make a home, and take from it what its snapshots hold."""
        front = Area("front", "zone", "Front (invented)", shapely.box(7.5, 7.5, 9, 9), tags=("conflict",))
        home = make_home(folder / "home", book=BOOK, areas=(*AREAS, front))
        register(home, "terminals", TERMINALS)
        register(home, "list_entries", DENIED)
        made = cls(folder / "published")
        book = rulebook_of(home)
        areas = (home.areas / f"{current_areas_digest(home).removeprefix('sha256:')}.parquet").read_bytes()
        for name, rules in (("snapshot", book), ("bootstrap", bootstrap_of(book))):
            objects = {
                "areas": ("area-set", current_areas_digest(home), areas),
                "rulebook": ("rulebook", rules.digest, rules.text.encode()),
            }
            made._hold(name, objects)
        made._registers(home)
        folder_of_charters = made.folder / "charters"
        folder_of_charters.mkdir()
        charter = gw.charter_value(expires=format_time(START + 365 * DAY))
        (folder_of_charters / "1.dsse").write_text(json.dumps(gw.envelope("charter", charter, *gw.ROOT_MEMBERS)))
        return made

    def _hold(self, kind: str, objects: dict[str, tuple[str, str, bytes]]) -> None:
        (self.folder / "objects").mkdir(parents=True, exist_ok=True)
        self.manifests[kind] = {
            "v": 1, "objects": [{"id": k, "type": t, "sha256": d.removeprefix("sha256:")} for k, (t, d, _) in sorted(objects.items())],
        }  # fmt: skip
        self.contents[kind] = {name: self._put(data) for name, (_, _, data) in objects.items()}

    def _put(self, data: bytes) -> dict[str, Any]:
        digest = sha256(data).hexdigest()
        (self.folder / "objects" / digest).write_bytes(data)
        return {"sha256": digest, "size": len(data), "media_type": "application/octet-stream"}

    def _registers(self, home: Home) -> None:
        with Registers.open(home) as registers:
            self._extract = lambda at: write_extract(registers, START + 30 * DAY, {"invented list": at})
            self._extract(START)

    def snapshot(self, seq: int, at_ns: int, lists_ns: int) -> None:
        """Publish the snapshot of a moment, and the bootstrap policy with the first.

        Args:
            seq: its number.
            at_ns: now [ns].
            lists_ns: when the sanctions list came in last [ns].
        """
        manifest = self.manifests["snapshot"]
        value = {
            "policy_digest": PolicyManifest.parse(manifest).policy_digest, "manifest": manifest,
            "objects": self.contents["snapshot"] | {"registers": self._put(self._extract(lists_ns))},
            "seq": seq, "issued": format_time(at_ns), "expires": format_time(at_ns + 7 * DAY), "enactment_index": 3,
        }  # fmt: skip
        (self.folder / "snapshot.dsse").write_text(json.dumps(gw.envelope("snapshot", value, "p1", "p2")))
        if seq == 1:
            manifest = self.manifests["bootstrap"]
            digest = PolicyManifest.parse(manifest).policy_digest
            first = {
                "v": 1, "policy_digest": digest, "manifest": manifest, "objects": self.contents["bootstrap"],
                "of_policy": value["policy_digest"], "issued": format_time(at_ns), "expires": format_time(at_ns + 3000 * DAY),
            }  # fmt: skip
            (self.folder / "bootstrap.dsse").write_text(json.dumps(gw.envelope("bootstrap", first, "p2", "p3")))


@dataclass
class Report:
    """What came of a run; counts are decisions.

    Attributes:
        asked, answered, wrong: of them answered, and answered otherwise than the table says.
        unanswered_s: time without answers [s].
        degraded: decisions with at least one cause.
        changed: decisions in which an outage gave another outcome than the policy.
        by_cause: decisions by cause.
        faults: how often each part failed.
        loads_ms: how long each load took [ms].
        violations: what should not have been, first ones; kinds: all of them, counted by kind.
    """

    seed: int
    asked: int = 0
    answered: int = 0
    wrong: int = 0
    unanswered_s: float = 0.0
    simulated_s: float = 0.0
    degraded: int = 0
    changed: int = 0
    by_cause: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    loads_ms: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def availability(self) -> float:
        """Share of decisions that were answered within the rules."""
        answered = 1 - self.unanswered_s / self.simulated_s
        return answered * (self.answered - self.wrong) / self.asked


class FullDisk(JournalFile):
    """A journal whose disk can be full."""

    full = False

    def write(self, *arguments: Any, **named: Any) -> int:
        """Refuse while the disk is full."""
        if FullDisk.full:
            raise StoreError("no space left on device")
        return super().write(*arguments, **named)


class Outages:
    """One run.

    Args:
        published: content of snapshots, made once.
        folder: of the point; must not exist.
        seed: decides everything.
        step_ns: time between two decisions of the fleet [ns].
    """

    def __init__(self, published: Published, folder: Path, seed: int, step_ns: int = STEP) -> None:
        self._step = step_ns
        self._published, self._folder, self._random = published, folder, random.Random(seed)
        self.report = Report(seed)
        self._now = START + HOUR
        self._until: dict[str, int] = {}
        self._seq = 0
        self._lists_ns = self._confirmed_ns = self._witness_ns = self._now
        self._issued = self._expires = self._now
        self._saved: dict[str, bytes] = {}
        self._desk: PointDesk | None = None
        self._seen_at: dict[str, int] = {}
        self._deliver()
        self._load()

    def run(self, days: float) -> Report:
        """Let the time pass."""
        end = self._now + int(days * DAY)
        last_snapshot = self._now
        while self._now < end:
            self._now += self._step
            self.report.simulated_s += self._step / SECOND
            self._draw()
            if not self._down("lists not refreshed") and self._now - self._lists_ns >= 12 * HOUR:
                self._lists_ns = self._now
            if self._store_up():
                self._confirmed_ns = self._now
                if self._now - last_snapshot >= DAY and not self._down("clock set wrong"):
                    last_snapshot = self._now
                    self._deliver()
                    self._load()
            if not self._down("witnesses") and not self._down("log"):
                self._witness_ns = self._now
            self._decide()
        assert self._desk is not None
        self._desk.close()
        return self.report

    # --- faults -----------------------------------------------------------------------------------------------------------

    def _down(self, part: str) -> bool:
        return self._until.get(part, 0) > self._now

    def _store_up(self) -> bool:
        return not self._down("store") and not self._down("store for long")

    def _draw(self) -> None:
        before = {part: self._down(part) for part in ("snapshot damaged", "both damaged")}
        for part, (times, hours) in RATES.items():
            if not self._down(part) and self._random.random() < times * (self._step / HOUR) / YEAR_H:
                self.report.faults[part] += 1
                self._until[part] = self._now + int(self._random.expovariate(1 / hours) * HOUR) + 1 if hours else 0
                if part == "restart":
                    self.report.unanswered_s += RESTART_S
                    self._load(anew=True)
                elif part in before and not any(before.values()):
                    self._damage(("current",) if part == "snapshot damaged" else ("current", "previous"))
        if self._saved and not any(self._down(part) for part in before):
            for name, data in self._saved.items():
                (self._folder / "snapshots" / name).write_bytes(data)
            self._saved = {}
            self._load()
        FullDisk.full = self._down("disk full")

    def _damage(self, names: tuple[str, ...]) -> None:
        for name in names:
            path = self._folder / "snapshots" / name
            if path.exists() and name not in self._saved:
                self._saved[name] = path.read_bytes()
                data = bytearray(self._saved[name])
                data[self._random.randrange(len(data) // 4, len(data) // 2)] ^= 1 << self._random.randrange(3)
                path.write_bytes(bytes(data))
        self._load()

    def _deliver(self) -> None:
        self._seq += 1
        self._published.snapshot(self._seq, self._now, self._lists_ns)
        pin = gw.charter(expires=format_time(START + 365 * DAY)).digest
        made = Point.open(self._folder).take(self._published.folder, self._clocks(), pin=pin)
        assert not made.refused, made.refused
        self._saved = {}
        for part in ("snapshot damaged", "both damaged"):
            self._until.pop(part, None)

    def _load(self, anew: bool = False) -> None:
        """Load what there is now; a process that begins anew remembers no position."""
        started = time.perf_counter()
        if self._desk is None or anew:
            if self._desk is not None:
                self._desk.close()
            self._desk = PointDesk(Point.open(self._folder), self._clocks(), self._reach())
            self._seen_at.clear()
        else:
            self._desk = self._desk.renewed(self._clocks(), self._reach())
        self.report.loads_ms.append((time.perf_counter() - started) * 1000)

    def _clocks(self) -> Clocks:
        return Clocks(self._now, self._now - START, "boot (invented)")

    def _reach(self) -> Reach:
        return Reach(
            store_ns=self._confirmed_ns if self._store_up() else None,
            log=not self._down("log"),
            witness_ns=None if self._down("witnesses") or self._down("log") else self._witness_ns,
            clock_offset_ms=90_000 if self._down("clock set wrong") else 0,
        )

    # --- decisions --------------------------------------------------------------------------------------------------------

    def _decide(self) -> None:
        assert self._desk is not None
        jam = self._down("positions jammed")
        rows = []
        for name, place in PLACE.items():
            lat, lon = (None, None) if place is None or (jam and name in JAMMED) else place
            if lat is not None:
                self._seen_at[name] = self._now
            speed = 40.0 if name == "drone" else None
            rows.append({"terminal_id": name, "observed_at": self._now, "lat_deg": lat, "lon_deg": lon, "speed_m_s": speed,
                         "position_source": "none" if lat is None else "gnss", "source": "made"})  # fmt: skip
        table = pa.Table.from_pylist(rows, OBSERVATION_SCHEMA)
        desk, report = self._desk, self.report
        desk.look(self._clocks(), self._reach())
        report.asked += len(rows)
        made = desk.decide(table).to_pylist()
        report.answered += len(made)
        degrees = self._degrees(desk)
        held = desk.causes.held_ns
        for row in made:
            self._check(row, degrees, self._now if held is None else min(self._now, held), jam)

    def _degrees(self, desk: PointDesk) -> dict[str, int]:
        """Degrees as the specification defines them, from what was done to the parts."""
        both = any(name == "previous" for name in self._saved)
        degree = dict.fromkeys(FAULTS, 0)
        degree["snapshot_invalid"] = 0 if not self._saved else 2 if both or not (self._folder / "snapshots" / "previous").exists() else 1
        if not self._store_up():
            snapshot = desk.loaded.snapshot
            assert snapshot is not None
            age = self._now - snapshot.issued
            old = age >= 72 * HOUR or degree["snapshot_invalid"] == 2 or self._now >= snapshot.expires
            degree["policy_store_down"] = 2 if old else 1
        stale = [each for each in desk.loaded.registers.screening_ns.values() if self._now - each > DAY]
        degree["screening_stale"] = int(bool(stale))
        degree["ledger_down"] = 2 if self._down("log") else int(self._down("witnesses"))
        degree["clock_doubtful"] = int(self._down("clock set wrong"))
        return degree

    def _check(self, row: dict[str, Any], degrees: dict[str, int], held_ns: int, jam: bool) -> None:
        name, report = row["terminal_id"], self.report
        # Where a terminal is that was not seen for a day or since the start nobody knows, nor that it is in a conflict area.
        lost = self._now - self._seen_at.get(name, 0) > DAY
        kind = "ordinary" if lost and CLASS[name] == "conflict" else CLASS[name]
        location = 2 if lost else int(jam and name in JAMMED)
        degree = degrees | {"location_unverifiable": location}
        full = degrees["snapshot_invalid"] < 2
        evil = name.startswith("evil")
        base, held = (self._policy(name, at, full) for at in (self._now, held_ns))
        model = Row(kind, base, held, by_list=evil, landing=name == "guest", known=name != "stranger", fast=name == "drone")
        wanted = slowly(model, degree)
        active = {f"degraded:{cause}" for cause, each in degree.items() if each}
        carried = {each["code"] for each in row["reasons"] if each["code"].startswith("degraded:")}
        report.by_cause.update(active)
        report.degraded += bool(active)
        report.changed += row["state"] == "degraded"
        faults = []
        if row["outcome"] != wanted:
            report.wrong += 1
            faults.append(f"{row['outcome']} and not {wanted}")
        if carried != active:
            faults.append(f"carries {sorted(carried)} and not {sorted(active)}")
        if row["class"] != kind:
            faults.append(f"class {row['class']}")
        if CLASS[name] == "protected" and row["outcome"] == "deny":
            faults.append("rule 1")
        if evil and row["outcome"] != "deny":
            faults.append("rule 2")
        if name == "walker" and row["outcome"] == "deny" and not any(a <= held_ns < b for a, b in WINDOWS):
            faults.append("rule 3")
        if (row["outcome"] != base) != (row["state"] == "degraded"):
            faults.append("rule 4")
        where = f"seed {report.seed}, {format_time(self._now)}, {name}"
        down = {cause: each for cause, each in degree.items() if each}
        report.kinds.update(faults)
        report.violations += [f"{where}: {each}; down: {down}" for each in faults][: 20 - len(report.violations)]

    @staticmethod
    def _policy(name: str, at_ns: int, full: bool) -> str:
        """What the rulebook says, or the bootstrap policy of it."""
        if name.startswith("evil") or name == "guest":
            return "deny"
        if full and (name == "late payer" or (name == "walker" and any(a <= at_ns < b for a, b in WINDOWS))):
            return "deny"
        return "serve"
