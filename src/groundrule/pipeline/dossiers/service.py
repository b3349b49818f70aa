"""What the network answered to a terminal, under which rules, where it was, and who stands behind it in the registers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import shapely

from groundrule.areas.model import Area
from groundrule.errors import InputError
from groundrule.evidence.dossier import (
    AreaVersion,
    DecisionRow,
    Phrase,
    RuleText,
    Standing,
    Times,
    TrackPoint,
    Value,
)
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.findings import plain_rule
from groundrule.pipeline.dossiers.otherwise import Found, without_changes
from groundrule.pipeline.dossiers.owner import registered as registered_as
from groundrule.pipeline.dossiers.reigns import Reign, Runs, reigns
from groundrule.pipeline.dossiers.speeds import measured, speeds_of, waits
from groundrule.pipeline.dossiers.why import Explaining, why_of
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.manifests import runs
from groundrule.rules.model import Rulebook
from groundrule.rules.written import Written, written_rules
from groundrule.store.area_store import load_areas
from groundrule.store.history import read_terminals
from groundrule.store.policy import history
from groundrule.store.registers import Registers

MAX_STRETCHES = 200
"""Stretches of equal answers that are listed one by one; of more, the first and the last half."""
MAX_POINTS = 2_000
"""Positions drawn; of more, evenly chosen ones, and every change of answer."""
WHOLE_DEG, WHOLE_POINTS = 5.0, 2_000
"""Areas up to this extent [degree] and number of points are given whole."""
MARGIN_DEG = 1.0
"""How far around a track areas are drawn at least [degree]."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is known of one terminal.

    Attributes:
        rows: stretches of equal answers, oldest first.
        said: sentences about registration; `why`: about the last answer, and why not.
        rules: texts of the rules that decided.
        areas: versions of the areas that decisions named. track: positions.
        proposals: enacted proposals that brought the rulebooks of these decisions into force.
        observations, decisions: how many rows there are.
        protected: class that it is registered as, where that is a protected one. holder: party that holds its account. Else empty.
        measured: sentences about speeds, and about refusals that waited until a limit was passed for long enough.
        without: what would have been answered without the changes that brought these rulebooks.
        refused: stretches that were refused.
    """

    rows: tuple[DecisionRow, ...]
    said: tuple[Said, ...]
    why: tuple[Said, ...]
    rules: tuple[RuleText, ...]
    areas: tuple[AreaVersion, ...]
    track: tuple[TrackPoint, ...]
    proposals: frozenset[str]
    observations: int
    decisions: int
    protected: str = ""
    holder: str = ""
    measured: tuple[Said, ...] = ()
    without: tuple[Found, ...] = ()

    @property
    def refused(self) -> tuple[DecisionRow, ...]:
        """Stretches in which service was denied."""
        return tuple(row for row in self.rows if row.outcome == "deny")


def service_of(bench: Bench, terminal_id: str, *, until_ns: int | None = None) -> Service:
    """Read everything about one terminal.

    Args:
        until_ns: leave out what was observed after this instant [ns, UTC].
    Raises:
        InputError: the home holds neither decisions nor a registration of it.
    """
    home, committed = bench.home, runs(bench.home)
    decided = read_terminals(home, "decisions", [terminal_id], runs=committed, until_ns=until_ns)
    seen = read_terminals(home, "observations", [terminal_id], runs=committed, until_ns=until_ns)
    registered = tuple(_registration(bench, terminal_id))
    if not len(decided) and not registered:
        raise InputError(f"nothing is known of terminal `{terminal_id[:80]}`", help="check the id; groundrule register show terminals")
    rows, used = _stretches(terminal_id, _latest(decided.to_pylist()) if len(decided) else [], Runs(bench))
    names = {area for row in rows for area in row.areas}
    versions = {version for _, version in used}
    track = tuple(_track(terminal_id, seen, rows))
    protected, _, holder = registered_as(bench, terminal_id)
    explaining = Explaining()
    why, cited = why_of(bench, terminal_id, rows, until_ns, explaining)
    proposals = frozenset(each.proposal for each in history(home) if each.proposal and each.rulebook in {book for book, _ in used})
    seen_at = speeds_of(seen)
    return Service(
        rows,
        registered,
        why,
        tuple(_rules(bench, {(row.rulebook, row.rule) for row in rows} | cited)),
        tuple(_areas(bench, versions, names, rows, track)),
        track,
        proposals,
        len(seen),
        len(decided),
        protected=protected,
        holder=holder,
        measured=(*measured(rows, seen_at), *waits(bench, rows, seen_at)),
        without=without_changes(bench, terminal_id, rows, proposals, explaining),
    )


def _latest(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One decision for each observation time: the last run's, since a correction replaces what it corrects."""
    newest: dict[int, dict[str, Any]] = {}
    for row in rows:
        held = newest.get(row["observed_at"])
        if held is None or int(row["run"]) >= int(held["run"]):
            newest[row["observed_at"]] = dict(row)
    return [newest[at] for at in sorted(newest)]


def _stretches(terminal_id: str, rows: Sequence[Mapping[str, Any]], made: Runs) -> tuple[tuple[DecisionRow, ...], list[tuple[str, str]]]:
    """Fold equal neighbours together; return them with the rulebook and area set of each."""
    found: list[DecisionRow] = []
    used: list[tuple[str, str]] = []
    key: tuple[Any, ...] | None = None
    for row in rows:
        reasons = tuple(each["code"] for each in row["reasons"])
        areas = tuple(each["id"] for each in row["areas"])
        here = (row["outcome"], row["state"], row["rule"], reasons, areas, row["rulebook"], row["areas_version"])
        at = int(row["observed_at"])
        if here == key:
            last = found[-1]
            found[-1] = DecisionRow(
                terminal_id, last.first_ns, at, last.count + 1, last.outcome, last.state, last.rule, last.reasons, last.areas,
                int(row["run"]), "", "", last.rulebook, last.decided_ns, last.logged_ns,
            )  # fmt: skip
            continue
        key = here
        found.append(
            DecisionRow(
                terminal_id, at, at, 1, row["outcome"], row["state"], row["rule"], reasons, areas, int(row["run"]), "", "",
                row["rulebook"], *made.times(int(row["run"])),
            )
        )
        used.append((row["rulebook"], row["areas_version"]))
    if len(found) > MAX_STRETCHES:
        half = MAX_STRETCHES // 2
        return (*found[:half], *found[-half:]), [*used[:half], *used[-half:]]
    return tuple(found), used


def _registration(bench: Bench, terminal_id: str) -> Iterator[Said]:
    """Versions of the terminal, its account and the party behind it, as registered and when that was recorded."""
    with Registers.open(bench.home) as registers:
        accounts: dict[str, None] = {}
        for row in registers.versions("terminals", terminal_id):
            yield _row("terminal_registered", row)
            if row.get("account_id"):
                accounts[str(row["account_id"])] = None
        parties: dict[str, None] = {}
        for account in accounts:
            for row in registers.versions("accounts", account):
                yield _row("account_registered", row)
                if row.get("party_id"):
                    parties[str(row["party_id"])] = None
        for party in parties:
            for row in registers.versions("parties", party):
                yield _row("party_registered", row)


_ROW_TIMES = ("valid_from", "valid_until", "recorded_at", "superseded_at", "version", "revision", "governed")


def _row(key: str, row: Mapping[str, Any]) -> Said:
    shown = {name: value for name, value in row.items() if name not in _ROW_TIMES and value not in (None, "", [], ())}
    values: dict[str, Value] = {
        "what": "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items()),
        "revision": int(row["revision"]),
    }
    times = Times(
        recorded_at_ns=int(row["recorded_at"]),
        effective_from_ns=_bounded(int(row["valid_from"])),
        effective_until_ns=_bounded(int(row["valid_until"])),
    )
    flags = () if row.get("governed") else ("ungoverned",)
    return Said(Phrase(key, values), Standing.RECORDED, times, flags)


def _bounded(instant_ns: int) -> int | None:
    return None if instant_ns in (MIN_NS, MAX_NS) else instant_ns


def _rules(bench: Bench, wanted: Iterable[tuple[str, str]]) -> Iterator[RuleText]:
    held = {each.rulebook: (place, each) for place, each in enumerate(reigns(bench.home))}
    for digest, rule_id in sorted(wanted, key=lambda each: (each[1], held[each[0]][0] if each[0] in held else -1, each[0])):
        if (text := rule_text(rulebook_of(bench.home, digest), rule_id, held[digest][1] if digest in held else None)) is not None:
            yield text


def rule_text(book: Rulebook, rule_id: str, held: Reign | None = None) -> RuleText | None:
    """Return one rule as it is written in a rulebook; None for the rulebook's default or where it has no such rule."""
    rule = next((each for each in book.rules if each.id == rule_id), None)
    if rule is None:
        return None
    return RuleText(
        book.digest,
        rule.id,
        rule.title,
        written_rules(book.text).get(rule_id, Written("", 0)).text,
        rule.authority.basis,
        rule.authority.requested_by or "",
        _bounded(rule.effective_from_ns),
        _bounded(rule.effective_until_ns),
        "" if held is None else held.brought_by,
        None if held is None else held.from_ns,
        None if held is None else held.until_ns,
        sha256(book.text.encode()).hexdigest(),
        plain_rule(rule),
    )


def _areas(
    bench: Bench, sets: Iterable[str], names: set[str], rows: Sequence[DecisionRow], track: Sequence[TrackPoint]
) -> Iterator[AreaVersion]:
    """Versions that held while these decisions were made, cut to the surroundings of the track.

    The coast line is left out: it is a basis of other areas and takes megabytes to draw.
    """
    if not rows:
        return
    first, last = rows[0].first_ns, rows[-1].last_ns
    window = window_of([(point.lon_deg, point.lat_deg) for point in track])
    given: set[tuple[str, int]] = set()
    for digest in sorted(sets):
        whole, _ = load_areas(bench.home, digest)
        for area in whole.areas:
            held = area.valid_from_ns <= last and first < area.valid_until_ns
            if area.id in names and area.kind != "land" and held and (area.id, area.valid_from_ns) not in given:
                given.add((area.id, area.valid_from_ns))
                yield area_version(area, window)


def window_of(places: Sequence[tuple[float, float]]) -> shapely.Polygon | None:
    """Return the surroundings of places (longitude, latitude) [degree]; None where there are none."""
    if not places:
        return None
    west, south, east, north = shapely.MultiPoint(list(places)).bounds
    margin = max(MARGIN_DEG, (east - west) / 2, (north - south) / 2)
    return shapely.box(max(-180, west - margin), max(-90, south - margin), min(180, east + margin), min(90, north + margin))


def area_version(area: Area, window: shapely.Polygon | None = None) -> AreaVersion:
    """Return an area as a dossier holds it, cut to a window where one is given."""
    geometry = area.geometry
    if window is not None and not _small(geometry):
        cut = shapely.intersection(geometry, window)
        geometry = geometry if cut.is_empty else cut
    return AreaVersion(
        area.id,
        area.name,
        area.kind,
        area.source,
        _bounded(area.valid_from_ns),
        _bounded(area.valid_until_ns),
        bytes(shapely.to_wkb(geometry)),
    )


def _small(geometry: shapely.Geometry) -> bool:
    """Whether an area is drawn whole: what is cut off its side looks as if the area ended there."""
    west, south, east, north = shapely.bounds(geometry)
    return bool(max(east - west, north - south) <= WHOLE_DEG) and int(shapely.get_num_coordinates(geometry)) <= WHOLE_POINTS


def _track(terminal_id: str, seen: Any, rows: Sequence[DecisionRow]) -> Iterator[TrackPoint]:
    """Positions as observed, thinned evenly, with the answer that each got."""
    if not len(seen):
        return
    lat = seen.column("lat_deg").to_numpy(zero_copy_only=False)
    lon = seen.column("lon_deg").to_numpy(zero_copy_only=False)
    at = seen.column("observed_at").to_numpy()
    sigma = seen.column("position_sigma_m").to_numpy(zero_copy_only=False)
    usable = np.flatnonzero(~np.isnan(np.asarray(lat, float)))
    if len(usable) > MAX_POINTS:
        usable = usable[np.unique(np.linspace(0, len(usable) - 1, MAX_POINTS).astype(int))]
    starts = np.array([row.first_ns for row in rows], np.int64)
    for i in usable.tolist():
        place = int(np.searchsorted(starts, at[i], side="right")) - 1
        spread = None if sigma[i] is None or np.isnan(float(sigma[i])) else float(sigma[i])
        outcome = rows[place].outcome if place >= 0 else ""
        yield TrackPoint(terminal_id, int(at[i]), float(lat[i]), float(lon[i]), spread, outcome)
