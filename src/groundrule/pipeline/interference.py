"""Interference in observations or in a home: who may be a witness, what was found, and what of it may be published.

Witnesses are the parties behind terminals, as far as the registers know them, and only those whose terminals were activated
long enough before: who buys terminals this week speaks for no area today.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
import sqlalchemy as sa

from groundrule.detect.h3_words import parents, resolution_of
from groundrule.detect.interference import INTERFERENCE_SCHEMA, Anomalies, InterferenceWatch, Served
from groundrule.detect.interference_settings import InterferenceSettings
from groundrule.errors import InputError
from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.pipeline.area_cells import shapes_of, touches
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.standing import Standing
from groundrule.store.home import Home
from groundrule.store.ordering import Ordering
from groundrule.store.registers import Registers, holds, table_of
from groundrule.store.verifications import read_verifications as kept_verifications
from groundrule.store.workplace import workplace

ESTABLISHED_DAYS: Final = 30.0
"""A terminal activated later than so long before is no witness [days]."""

MIN_TERMINALS: Final = 20
MIN_OWNERS: Final = 5
PUBLIC_RESOLUTION: Final = 3
"""What is published: cells of this H3 resolution or a coarser one with at least so many troubled terminals of so many holders; as for the
aggregates of decisions (`ledger.aggregate`)."""

_VERIFICATION_COLUMNS = ("terminal_id", "at_ns", "verdict", "lat_deg", "lon_deg")


@dataclass(frozen=True, slots=True)
class Found:
    """What watching found.

    Attributes:
        anomalies: as found.
        suspended: rows that were suspended.
        terminals: distinct terminals seen.
        witnesses_known: holders of terminals were known.
        from_ns, until_ns: first and last instant seen [ns, UTC]; None without rows.
    """

    anomalies: Anomalies
    suspended: int
    terminals: int
    witnesses_known: bool
    from_ns: int | None
    until_ns: int | None


def witnesses_of(registers: Registers, at_ns: int, *, established_days: float = ESTABLISHED_DAYS) -> dict[str, str]:
    """Return the holder of each terminal that may be a witness: the party behind the account, or the account.

    Terminals without an account, of accounts that are not active, of parties on a sanctions list, those whose registration was
    revoked or whose cell is switched off, and those activated less than `established_days` before are not in it. A terminal whose
    activation is not known is. Lists and places are asked for when an area might be suspended (`pipeline.standing`).

    Args:
        registers: of the home.
        at_ns: as of when [ns, UTC].
        established_days: [days].
    """
    latest = at_ns - int(established_days * NS_PER_DAY)
    accounts, terminals, parties = table_of("accounts"), table_of("terminals"), table_of("parties")
    with registers.reading() as connection:
        asked = sa.select(parties.c.party_id).where(holds(parties, at_ns, None), parties.c.screening == "listed")
        listed = {name for (name,) in connection.execute(asked)}
        asked = sa.select(accounts.c.account_id, accounts.c.party_id, accounts.c.state).where(holds(accounts, at_ns, None))
        holder = {
            name: (f"party {party}" if party is not None else f"account {name}")
            if state in {None, "active"} and party not in listed else None
            for name, party, state in connection.execute(asked)
        }  # fmt: skip
        asked = sa.select(terminals.c.terminal_id, terminals.c.account_id, terminals.c.activated_at).where(
            holds(terminals, at_ns, None), terminals.c.account_id.is_not(None),
            sa.func.coalesce(terminals.c.registration, "") != "revoked", sa.func.coalesce(terminals.c.cell_state, "") != "disabled",
        )  # fmt: skip
        found = {}
        for terminal, account, activated in connection.execute(asked.execution_options(yield_per=10_000)):
            who = holder.get(account, f"account {account}")
            if who is not None and (activated is None or activated <= latest):
                found[terminal] = who
    return found


def witnesses_of_home(home: Home, at_ns: int) -> dict[str, str]:
    """Return `witnesses_of` the registers of a home."""
    with Registers.open(home) as registers:
        return witnesses_of(registers, at_ns)


def served_of_home(home: Home) -> Served:
    """Return what says who is served where, under what is in force in a home; that is read when it is first asked for."""

    @cache
    def judge() -> Judge:
        return Judge(basis_of(home, recorded_at_ns=time.time_ns()))

    return Standing(judge)


def watch(
    batches: Iterable[pa.Table],
    verifications: pa.Table | None = None,
    *,
    witnesses: Callable[[int], Mapping[str, str]] | None = None,
    settings: InterferenceSettings | None = None,
    served: Served | None = None,
    kept: Callable[[pa.Table], object] | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Found:
    """Watch observations that come in order of time.

    Args:
        batches: OBSERVATION_SCHEMA, in one total order.
        verifications: verdicts of the radio.
        witnesses: asked once, with the first instant; holders of the terminals that may be witnesses. None: not known.
        settings: how to watch.
        served: says who is served where it is at home; who is not is no witness.
        kept: is given each batch with `gnss_state`.
    """
    seeing: InterferenceWatch | None = None
    suspended = 0
    terminals: set[str] = set()
    first = last = None
    for batch in batches:
        if not len(batch):
            continue
        instants = batch.column("observed_at")
        if seeing is None:
            first = int(pc.min(instants).as_py())
            seeing = InterferenceWatch(accounts=None if witnesses is None else witnesses(first), settings=settings, served=served)
        last = int(pc.max(instants).as_py())
        answered = seeing.update(batch, verifications)
        verifications = None
        suspended += int(pc.sum(pc.equal(answered.column("gnss_state"), "suspended")).as_py() or 0)
        terminals.update(pc.unique(batch.column("terminal_id")).to_pylist())
        if kept:
            kept(answered)
        if progress:
            progress("watching for interference", len(batch))
    if seeing is None:
        seeing = InterferenceWatch(settings=settings)
        if verifications is not None:
            seeing.update(_NO_ROWS, verifications)
    seeing.finish()
    return Found(seeing.anomalies(), suspended, len(terminals), witnesses is not None, first, last)


_NO_ROWS = pa.table({"terminal_id": pa.array([], pa.string()), "observed_at": pa.array([], pa.int64()),
                     "lat_deg": pa.array([], pa.float64()), "lon_deg": pa.array([], pa.float64())})  # fmt: skip


def watch_home(
    home: Home, *, from_ns: int | None = None, until_ns: int | None = None, progress: Callable[[str, int], None] | None = None
) -> Found:
    """Watch what a home has decided, with the verifications that it keeps.

    Args:
        home: whose history and registers.
        from_ns, until_ns: from the first to before the second [ns, UTC].
    """
    said = kept_verifications(home, from_ns=from_ns, until_ns=until_ns, columns=_VERIFICATION_COLUMNS[2:])
    return watch(
        all_observations(home, from_ns=from_ns, until_ns=until_ns), said if len(said) else None,
        witnesses=lambda at_ns: witnesses_of_home(home, at_ns), served=served_of_home(home), progress=progress,
    )  # fmt: skip


def ordered(home: Home | None, tables: Iterable[pa.Table], folder: Path) -> Iterator[pa.Table]:
    """Yield observations in one total order without repeats; sorts in the home's work folder, or in one given."""
    if home is not None:
        with workplace(home.cache) as place, Ordering(place) as ordering:
            yield from ordering.sorted(tables)
        return
    with Ordering(folder) as ordering:
        yield from ordering.sorted(tables)


def read_verifications(path: Path) -> pa.Table:
    """Read verdicts from a Parquet file that `groundrule verify --out` wrote.

    Raises:
        InputError: it is no such file.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not readable as Parquet", help="give what `groundrule verify --out FILE.parquet` wrote") from error
    if lacking := [name for name in _VERIFICATION_COLUMNS if name not in table.column_names]:
        raise InputError(
            f"{path}: column `{lacking[0]}` is missing", help="give what `groundrule verify --out FILE.parquet` wrote", field=lacking[0]
        )
    return table.select(list(_VERIFICATION_COLUMNS))


# --- what is said of it -----------------------------------------------------------------------------------------------


def published(
    anomalies: pa.Table,
    *,
    terminals: int = MIN_TERMINALS,
    owners: int = MIN_OWNERS,
    conflict: Sequence[shapely.Geometry] = (),
) -> pa.Table:
    """Return what may be published: coarse cells with enough troubled terminals of enough holders, nothing else.

    Anomalies of finer cells are gathered into the coarse cell above them while they overlap in time; terminals of distinct
    cells of one resolution are added, holders are not, since one may be in several. Whole minutes are given. Accounts,
    witnesses, and positions shown are left out.

    Args:
        anomalies: INTERFERENCE_SCHEMA.
        terminals, owners: the least that is shown.
        conflict: countries at war, in longitude and latitude [degree]; cells that touch one are left out.
    """
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in anomalies.to_pylist():
        word = np.array([row["h3_cell"]], np.uint64)
        size = min(PUBLIC_RESOLUTION, int(resolution_of(word)[0]))
        groups.setdefault((int(parents(word, size)[0]), row["kind"]), []).append(row)
    shown: list[dict[str, Any]] = []
    for (cell, kind), rows in groups.items():
        for part in _together(rows):
            by_size: dict[int, dict[int, int]] = {}
            for row in part:
                size = int(resolution_of(np.array([row["h3_cell"]], np.uint64))[0])
                cells = by_size.setdefault(size, {})
                cells[row["h3_cell"]] = max(cells.get(row["h3_cell"], 0), row["terminals"])
            count = max(sum(cells.values()) for cells in by_size.values())
            if count < terminals or max(row["accounts"] for row in part) < owners:
                continue
            strongest = min(part, key=lambda row: row["p_value"])
            shown.append(
                {
                    "h3_cell": cell, "kind": kind, "terminals": count, "share": round(strongest["share"], 1),
                    "from_ns": _minute(min(row["from_ns"] for row in part)),
                    "until_ns": _minute(max(row["until_ns"] for row in part) + 59_999_999_999),
                    "pattern": strongest["pattern"],
                }
            )  # fmt: skip
    if conflict and shown:
        held = np.array([row["h3_cell"] for row in shown], np.uint64)
        near = np.logical_or.reduce([touches(country, held) for country in conflict])
        shown = [row for row, hidden in zip(shown, near.tolist(), strict=True) if not hidden]
    shown.sort(key=lambda row: (row["from_ns"], row["h3_cell"], row["kind"]))
    names = ("h3_cell", "from_ns", "until_ns", "kind", "terminals", "share", "pattern")
    return pa.Table.from_pylist(shown, schema=pa.schema([INTERFERENCE_SCHEMA.field(name) for name in names]))


def _minute(t_ns: int) -> int:
    return t_ns // 60_000_000_000 * 60_000_000_000


def _together(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Split rows into groups whose intervals overlap."""
    groups: list[list[dict[str, Any]]] = []
    end = None
    for row in sorted(rows, key=lambda row: (row["from_ns"], row["h3_cell"])):
        if end is None or row["from_ns"] > end:
            groups.append([])
            end = row["until_ns"]
        groups[-1].append(row)
        end = max(end, row["until_ns"])
    return groups


def geojson(table: pa.Table) -> dict[str, Any]:
    """Return anomalies, or what is published of them, as a GeoJSON FeatureCollection of their cells (RFC 7946)."""
    features = []
    for row in table.to_pylist():
        properties = {name: value for name, value in row.items() if value is not None and not name.endswith("_ns")}
        properties["h3_cell"] = h3.int_to_str(row["h3_cell"])
        for name in ("from", "until", "began"):
            if row.get(f"{name}_ns") is not None:
                properties[name] = format_instant(row[f"{name}_ns"])
        features.append({"type": "Feature", "geometry": cell_shape(row["h3_cell"]), "properties": properties})
    return {"type": "FeatureCollection", "features": features}


def in_countries(table: pa.Table, countries: Mapping[str, shapely.Geometry]) -> dict[str, int]:
    """Return, for each country, how many intervals of suspended cells touch it: what is said of a country at war instead of cells.

    Args:
        table: what would be published without regard to conflict.
        countries: by code, in longitude and latitude [degree].
    """
    cells = table.column("h3_cell").to_numpy().astype(np.uint64)
    return {code: int(touches(shape, cells).sum()) if len(cells) else 0 for code, shape in countries.items()}


def cell_shape(cell: int) -> dict[str, Any]:
    """Return the outline of an H3 cell as GeoJSON, counter-clockwise, cut at 180° where it crosses it."""
    shape = shapes_of(np.array([cell], np.uint64))[0]
    parts = [shapely.geometry.polygon.orient(part) for part in shapely.get_parts(shape)]
    found: dict[str, Any] = json.loads(shapely.to_geojson(parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)))
    return found


def write_found(table: pa.Table, out: Path) -> None:
    """Write anomalies as Parquet or GeoJSON, by the suffix."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".parquet":
        pq.write_table(table, out, compression="zstd")
        return
    out.write_text(json.dumps(geojson(table), ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


_KINDS = {
    "jump": "positions jumped together",
    "lost": "positions were lost together",
    "radio_disagrees": "the radio contradicted claims together",
}
_PATTERNS = {"point": ", all onto one point", "circle": ", onto a circle", "scattered": ", to many places"}


def words_of(row: Mapping[str, Any]) -> str:
    """One anomaly in words."""
    lat, lon = h3.cell_to_latlng(row["h3_cell"])
    size = float(h3.average_hexagon_edge_length(h3.get_resolution(row["h3_cell"]), "km"))
    where = f"within about {size:.0f} km of {abs(lat):.2f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.2f}° {'E' if lon >= 0 else 'W'}"
    when = f"From {format_instant(row['from_ns'])} to {format_instant(row['until_ns'])}"
    said = f"{when} {_KINDS[row['kind']]}{_PATTERNS.get(row.get('pattern') or '', '')} {where}: {row['terminals']:,} terminals"
    if row.get("accounts") is not None:
        said += (
            f", {row['accounts']:,} of {row['witnesses']:,} holders ({row['share']:.0%}, where {row['base_rate']:.1%} is usual; "
            f"chance {row['p_value']:.1e})"
        )
    if row.get("claimed_lat_deg") is not None and row.get("pattern") in {"point", "circle"}:
        said += f"; the positions shown lie around {row['claimed_lat_deg']:.3f}, {row['claimed_lon_deg']:.3f}"
        if row["pattern"] == "circle":
            said += f" at {row['claimed_radius_m'] / 1e3:.1f} km"
    return said + "."
