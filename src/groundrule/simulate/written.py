"""Write a simulation: files that the other commands read, and the truth beside them.

observations.parquet: what terminals report. measurements.parquet: what the network measures. elements.json: what is told of
satellites. registers/*.parquet: the operator's registers. truth.parquet: one row for each observation; truth_terminals.parquet
and truth_satellites.parquet: one row each; truth.json: scenario, seed, intervals, counts, digests of the files. scenario.toml:
the scenario as it was read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.errors import ConflictError
from groundrule.instant import NS_PER_S, format_instant
from groundrule.orbit.writing import to_omm_json
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.simulate.behaviours import areas_geojson
from groundrule.simulate.description import Zone
from groundrule.verify.measurements import MEASUREMENT_SCHEMA

if TYPE_CHECKING:
    from groundrule.simulate.scenario import Generated

MARKER = "truth.json"
CONDITIONS = ("true", "false_claim", "spoofed", "lost", "inhibited", "none")
"""What a report's position is: honest, a lie, moved by false signals, taken by jamming, switched off, or never there."""

TRUTH_SCHEMA = pa.schema(
    [
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("observed_at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC"}),
        pa.field("lat_deg", pa.float64(), metadata={"unit": "degree"}),
        pa.field("lon_deg", pa.float64(), metadata={"unit": "degree"}),
        pa.field("height_m", pa.float32(), metadata={"unit": "m, ellipsoidal"}),
        pa.field("speed_m_s", pa.float32(), metadata={"unit": "m/s"}),
        pa.field("kind", pa.string()),
        pa.field("attack", pa.string()),
        pa.field("condition", pa.string()),
    ]
)
"""The truth about one observation; rows stand in the order of observations.parquet."""


def write_generated(made: Generated, folder: Path, *, progress: Callable[[str, int], None] = lambda _step, _rows: None) -> dict[str, Path]:
    """Write a simulation into a folder.

    Args:
        made: as generated. folder: empty, new, or one that an earlier simulation wrote.
        progress: told of rows done in each step.
    Returns:
        files by name.
    Raises:
        ConflictError: the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise ConflictError(
            f"`{folder}` holds something that is not a simulation", help="name another directory with --out", path=str(folder)
        )
    (folder / "registers").mkdir(parents=True, exist_ok=True)
    for old in ("measurements.parquet", "elements.json", "truth_satellites.parquet", "areas.geojson"):
        (folder / old).unlink(missing_ok=True)
    # The marker is there before anything else, so that a simulation that was cut off can be written again.
    (folder / MARKER).write_text("{}\n", encoding="utf-8")
    files: dict[str, Path] = {}
    counts = _write_observations(made, folder, files, progress)
    if made.sky is not None and made.elements is not None:
        files["measurements"] = folder / "measurements.parquet"
        counts["measurements"] = _write_tables(made.measurement_batches(), files["measurements"], MEASUREMENT_SCHEMA, progress)
        files["elements"] = folder / "elements.json"
        files["elements"].write_text(to_omm_json(made.elements), encoding="utf-8")
        files["truth_satellites"] = folder / "truth_satellites.parquet"
        pq.write_table(_satellites(made), files["truth_satellites"], compression="zstd")
    for kind, table in made.registers.items():
        files[kind] = folder / "registers" / f"{kind}.parquet"
        # The simulation's truth stays out of the register: nobody would have it.
        pq.write_table(table.drop_columns(["kind"]) if "kind" in table.column_names and kind == "terminals" else table, files[kind])
    files["truth_terminals"] = folder / "truth_terminals.parquet"
    pq.write_table(made.terminals, files["truth_terminals"], compression="zstd")
    if made.scenario.areas:
        files["areas"] = folder / "areas.geojson"
        files["areas"].write_text(areas_geojson(made.scenario.areas), encoding="utf-8")
    files["scenario"] = folder / "scenario.toml"
    files["scenario"].write_text(made.scenario.text, encoding="utf-8")
    digests = {path.relative_to(folder).as_posix(): _digest(path) for path in files.values()}
    files["truth"] = folder / MARKER
    text = json.dumps(_truth(made, counts, digests), indent=1, ensure_ascii=False, allow_nan=False)
    files["truth"].write_text(text + "\n", encoding="utf-8")
    return files


def truth_of(made: Generated) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Observations of one instant after the other, each with the truth about its rows."""
    fleet, disturbance = made.fleet, made.disturbance
    kind = pa.array(fleet.columns["kind"], pa.string())
    attack = made.terminals["attack"].combine_chunks()
    without = np.isin(fleet.columns["mode"].astype(str), ("none",))
    for report in fleet.reports(history=made.scenario.history):
        rows = report.rows
        lat, lon, _, speed, height = fleet.positions(max(0.0, report.t_s))
        condition = np.zeros(len(fleet), np.int64)
        condition[without] = CONDITIONS.index("none")
        if report.said is not None:
            condition[disturbance.spoofed(report.t_s, (lat, lon))] = CONDITIONS.index("spoofed")
            condition[report.said.state == 1] = CONDITIONS.index("lost")
            condition[report.said.state == 2] = CONDITIONS.index("inhibited")
            condition[disturbance.liar & ~report.said.lost] = CONDITIONS.index("false_claim")
        take = pa.array(rows)
        truth = pa.table(
            [
                report.table["terminal_id"], report.table["observed_at"], pa.array(lat[rows]), pa.array(lon[rows]),
                pa.array(height[rows].astype(np.float32)), pa.array(speed[rows].astype(np.float32)), kind.take(take), attack.take(take),
                pa.array(CONDITIONS, pa.string()).take(pa.array(condition[rows])),
            ],
            schema=TRUTH_SCHEMA,
        )  # fmt: skip
        yield report.table, truth


def _write_observations(
    made: Generated, folder: Path, files: dict[str, Path], progress: Callable[[str, int], None]
) -> dict[str, int]:
    files["observations"], files["truth_observations"] = folder / "observations.parquet", folder / "truth.parquet"
    rows = 0
    conditions = dict.fromkeys(CONDITIONS, 0)
    with (
        pq.ParquetWriter(files["observations"], OBSERVATION_SCHEMA, compression="zstd") as observations,
        pq.ParquetWriter(files["truth_observations"], TRUTH_SCHEMA, compression="zstd") as truths,
    ):
        for table, truth in truth_of(made):
            observations.write_table(table)
            truths.write_table(truth)
            rows += len(table)
            for item in pc.value_counts(truth["condition"]).to_pylist():
                conditions[item["values"]] += item["counts"]
            progress("observations", len(table))
    return {"observations": rows, **{f"positions_{name}": count for name, count in conditions.items() if count}}


def _write_tables(tables: Iterator[pa.Table], path: Path, schema: pa.Schema, progress: Callable[[str, int], None]) -> int:
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            rows += len(table)
            progress("measurements", len(table))
    return rows


def _satellites(made: Generated) -> pa.Table:
    assert made.sky is not None
    sky = made.sky
    columns = {name: pa.array(sky.error_m[:, axis]) for axis, name in enumerate(("along_m", "radial_m", "cross_m"))}
    return pa.table({"satellite": pa.array(sky.told.catalogue), **columns, "flies": pa.array(sky.flies)})


def _truth(made: Generated, counts: dict[str, int], digests: dict[str, str]) -> dict[str, Any]:
    scenario = made.scenario

    def zone(one: Zone) -> dict[str, Any]:
        return {
            "name": one.name,
            "from": format_instant(scenario.start_ns + round(one.from_s * NS_PER_S)),
            "until": format_instant(scenario.start_ns + round(one.until_s * NS_PER_S)),
            "centre": one.centre and list(one.centre), "radius_km": one.radius_km, "share": one.share,
        }  # fmt: skip

    fleets = made.terminals.group_by(["fleet", "attack"], use_threads=False).aggregate([([], "count_all"), ("measured", "sum")])
    return {
        "scenario": scenario.name, "title": scenario.title, "seed": made.seed,
        "start": format_instant(scenario.start_ns), "duration_s": scenario.duration_s,
        "notice": "Simulated: every terminal, person and company is invented. No satellite of a generated constellation is real.",
        "counts": counts,
        "fleets": [
            {"fleet": row["fleet"], "attack": row["attack"], "terminals": row["count_all"], "measured": int(row["measured_sum"])}
            for row in sorted(fleets.to_pylist(), key=lambda row: (row["fleet"], row["attack"]))
        ],
        "jamming": [zone(one) for one in scenario.jamming],
        "refusals": [zone(one) for one in scenario.refusals],
        "spoofing": [
            {**zone(one.zone), "circle": list(one.centre), "circle_km": one.radius_km, "period_s": one.period_s, "together": one.together}
            for one in scenario.spoofing
        ],
        "outages": [zone(one) for one in scenario.outages],
        "swaps": [
            {"terminals": sorted(pair), "at": format_instant(scenario.start_ns + round(at_s * NS_PER_S))}
            for a, b, at_s in made.fleet.swaps
            for pair in zip(made.fleet.columns["terminal_id"][a].tolist(), made.fleet.columns["terminal_id"][b].tolist(), strict=True)
        ],
        "clones": sorted(set(made.terminals.filter(made.terminals["clone"])["terminal_id"].to_pylist())),
        "files": digests,
    }  # fmt: skip


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
