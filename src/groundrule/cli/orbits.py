"""`groundrule orbits import|status|visible`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError, OutOfRange
from groundrule.instant import format_instant
from groundrule.orbit.elements import Elements, join
from groundrule.orbit.generate import generate, published
from groundrule.orbit.propagate import Propagator
from groundrule.orbit.reading import FORMS, Read, read_file
from groundrule.orbit.record import Issue
from groundrule.orbit.status import for_use, status_at
from groundrule.orbit.visible import VisibilityIndex
from groundrule.store.home import Home
from groundrule.store.orbits import load_elements, save_elements

app = typer.Typer(no_args_is_help=True, help="Import orbital elements, say what they are worth, and who is seen.")

_SHOWN_ISSUES = 20
_DAY_S = 86_400.0

FileOption = Annotated[
    list[Path] | None, typer.Option("--elements", help="Use these files instead of the home's elements; repeatable.")
]
AtOption = Annotated[str | None, typer.Option("--at", help="As of this time; the default is now.")]
AgeOption = Annotated[float, typer.Option("--max-age-days", min=0, help="Older elements are stale [days].")]
AheadOption = Annotated[float, typer.Option("--max-ahead-days", min=0, help="Limit for epochs in the future [days].")]


@app.command(name="import")
def import_(
    files: Annotated[
        list[Path] | None, typer.Argument(help="OMM (JSON, XML, KVN, CSV) or TLE, plain or gzip-compressed.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    form: Annotated[str | None, typer.Option("--form", help="json, xml, kvn, csv or tle; the content tells.")] = None,
    constellation: Annotated[str | None, typer.Option(help="Of all records; the default goes by their names.")] = None,
    grade: Annotated[
        str | None, typer.Option(help="What they are worth: operator, supplemental or raw; the default goes by their classification.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where they come from; the default is the file's name.")] = None,
    generated: Annotated[str | None, typer.Option(help="Make this constellation from its published shells.")] = None,
    epoch: Annotated[str | None, typer.Option(help="Epoch of generated elements; the default is now.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Import elements into a home; every record that cannot be used is reported with file, line, field and value."""
    if form is not None and form not in FORMS:
        raise InputError(f"`{form}` is no form of elements", help="forms are: " + ", ".join(FORMS), value=form)
    if not files and generated is None:
        raise InputError("there is nothing to import", help="name a file, or a constellation with --generated")
    place = Home.open(home)
    now = time.time_ns()
    readings = [
        read_file(path, form=form, source=source, constellation=constellation, grade=grade, now_ns=now)
        for path in files or ()
    ]
    made = (
        []
        if generated is None
        else [generate(generated, now if epoch is None else instant_option(epoch, "--epoch") or 0)]
    )
    new = []
    with place.writer():
        for elements in (*(read.elements for read in readings), *made):
            new.append(bool(len(elements)) and save_elements(place, elements, now))
    result = [_told(path, read, stored) for path, read, stored in zip(files or (), readings, new, strict=False)]
    if as_json:
        more = [{"generated": generated, "elements": len(each), "digest": each.digest} for each in made]
        print_json({"imports": result + more})
    else:
        for read, told in zip(readings, result, strict=True):
            _print_import(read, told)
        for each in made:
            assert generated is not None
            about = published()[generated]
            print_text(f"Generated {len(each):,} satellites: {about.title}. None is real; shells from {about.source}.")
            print_text(f"  {each.digest}")
    if any(not len(read.elements) for read in readings):
        raise typer.Exit(2)


@app.command()
def status(
    home: HomeOption = DEFAULT_HOME,
    elements: FileOption = None,
    at: AtOption = None,
    max_age_days: AgeOption = 7.0,
    max_ahead_days: AheadOption = 3.0,
    as_json: OutputJson = False,
) -> None:
    """Say how many satellites of each constellation have usable elements, how old they are and what is missing."""
    loaded = loaded_elements(home, elements)
    moment = instant_option(at, "--at")
    moment = time.time_ns() if moment is None else moment
    rows = status_at(loaded, moment, max_age_s=max_age_days * _DAY_S, max_ahead_s=max_ahead_days * _DAY_S)
    if as_json:
        print_json(
            {
                "at": format_instant(moment),
                "elements": len(loaded),
                "digest": loaded.digest,
                "constellations": [
                    {
                        "constellation": row.constellation,
                        "satellites": row.satellites,
                        "usable": row.usable,
                        "stale": row.stale,
                        "future": row.future,
                        "failed": row.failed,
                        "newest_epoch": format_instant(row.newest_ns),
                        "oldest_epoch": format_instant(row.oldest_ns),
                        "median_age_days": round(row.median_age_s / _DAY_S, 3),
                        "grades": row.grades,
                        "forms": row.forms,
                        "sources": row.sources,
                        "generated": row.generated,
                        "incomplete": row.incomplete,
                    }
                    for row in rows
                ],
            }
        )
        return
    print_table(
        [
            "constellation",
            "satellites",
            "usable",
            "stale",
            "future",
            "failed",
            "newest epoch",
            "median age",
            "grade said",
            "remark",
        ],
        [
            [
                row.constellation,
                row.satellites,
                row.usable,
                row.stale,
                row.future,
                row.failed,
                format_instant(row.newest_ns),
                f"{row.median_age_s / _DAY_S:.1f} d",
                ", ".join(row.grades),
                "generated, not real" if row.generated else row.incomplete or "",
            ]
            for row in rows
        ],
    )
    print_text(f"{len(loaded):,} element sets at {format_instant(moment)}; {loaded.digest}")
    print_text("The grade is what the import was told (--grade), or what the classification hints at; nobody has checked it.")


@app.command(context_settings={"ignore_unknown_options": True})  # a negative coordinate is no option
def visible(
    lat: Annotated[float, typer.Argument(help="Latitude [degree].")],
    lon: Annotated[float, typer.Argument(help="Longitude [degree].")],
    height_m: Annotated[float, typer.Option("--height-m", help="Height above the ellipsoid [m].")] = 0.0,
    mask_deg: Annotated[float, typer.Option("--mask-deg", help="Lowest elevation [degree].")] = 25.0,
    constellation: Annotated[list[str] | None, typer.Option(help="Only this constellation; repeatable.")] = None,
    home: HomeOption = DEFAULT_HOME,
    elements: FileOption = None,
    at: AtOption = None,
    max_age_days: AgeOption = 7.0,
    max_ahead_days: AheadOption = 3.0,
    as_json: OutputJson = False,
) -> None:
    """Say which satellites a place sees above an elevation: geometry, not who serves it."""
    if not (-90 <= lat <= 90 and -180 <= lon <= 180 and -1e4 <= height_m <= 1e5):
        raise OutOfRange(
            f"latitude {lat}, longitude {lon} and height {height_m} m are not a place",
            help="latitude -90 to 90, longitude -180 to 180, height -10,000 to 100,000 m",
        )
    moment = instant_option(at, "--at")
    moment = time.time_ns() if moment is None else moment
    loaded = loaded_elements(home, elements)
    if constellation:
        loaded = loaded.of_constellation(*constellation)
    used = for_use(loaded, moment)
    limits = {"max_age_s": max_age_days * _DAY_S, "max_ahead_s": max_ahead_days * _DAY_S}
    used.check_age(moment, **limits)
    states = Propagator(used, **limits).at(moment)
    index = VisibilityIndex.build(states.r_m[:, 0])
    seen = index.visible(lat, lon, height_m, mask_deg=mask_deg)
    elevation, azimuth, distance = index.geometry(seen, lat, lon, height_m)
    age = used.age_s(moment)
    left_out = int((states.code[:, 0] != 0).sum())
    rows: list[dict[str, Any]] = [
        {
            "satellite": int(used.catalogue[row]),
            "name": str(used.name[row]),
            "constellation": str(used.constellation[row]),
            "elevation_deg": round(float(elevation[entry]), 3),
            "azimuth_deg": round(float(azimuth[entry]), 3),
            "range_km": round(float(distance[entry]) / 1e3, 3),
            "age_days": round(float(age[row]) / _DAY_S, 2),
            "generated": bool(used.generated[row]),
        }
        for entry, row in enumerate(seen.satellite.tolist())
    ]
    rows.sort(key=lambda row: (-row["elevation_deg"], row["satellite"]))
    names = sorted(set(used.constellation.tolist()))
    incomplete = {name: why for name in names if (why := used.incomplete(name)) and name != "other"}
    if as_json:
        print_json(
            {
                "at": format_instant(moment),
                "mask_deg": mask_deg,
                "satellites": rows,
                "without_state": left_out,
                "incomplete": incomplete,
                "digest": used.digest,
            }
        )
        return
    keys = ("satellite", "name", "elevation_deg", "azimuth_deg", "range_km", "age_days")
    titles = ["satellite", "name", "elevation °", "azimuth °", "range km", "age d"]
    print_table(titles, [[str(row["satellite"]), *(row[key] for key in keys[1:])] for row in rows])
    print_text(f"{len(rows)} of {len(used):,} satellites at or above {mask_deg:g}° at {format_instant(moment)}.")
    if left_out:
        warn(
            f"{left_out:,} satellites have no state: stale, from the future or decayed; see `groundrule orbits status`"
        )
    for name, why in incomplete.items():
        warn(f"{name}: {why}")


def loaded_elements(home: Path, files: list[Path] | None, *, grade: str | None = None) -> Elements:
    """Elements of files, or of the home where none are named; what cannot be used is told on stderr."""
    if not files:
        loaded = load_elements(Home.open(home))
        if not len(loaded):
            raise InputError("the home has no elements", help="import some with: groundrule orbits import FILE")
        return loaded
    tables = []
    for path in files:
        read = read_file(path, grade=grade)
        _print_issues(read.issues, read.issue_count)
        tables.append(read.elements)
    loaded = join(tables)
    if not len(loaded):
        raise InputError("the files have no usable elements", help="give OMM or TLE; the issues are above")
    return loaded


def _told(path: Path, read: Read, new: bool) -> dict[str, Any]:
    return {
        "file": str(path),
        "form": read.form,
        "records": read.records,
        "elements": len(read.elements),
        "rejected": read.rejected,
        "new": new,
        "digest": read.elements.digest,
        "issue_count": read.issue_count,
        "issues": [
            {
                "file": issue.file,
                "line": issue.line,
                "record": issue.record,
                "field": issue.field,
                "value": issue.value,
                "wanted": issue.wanted,
                "kept": issue.kept,
            }
            for issue in read.issues
        ],
    }


def _print_import(read: Read, told: dict[str, Any]) -> None:
    held = "" if told["new"] or not told["elements"] else "; held already"
    print_text(
        f"Imported {told['elements']:,} of {told['records']:,} records of {told['file']} ({told['form']}){held}."
    )
    if told["elements"]:
        print_text(f"  {told['digest']}")
    _print_issues(read.issues, read.issue_count)


def _print_issues(issues: tuple[Issue, ...], count: int) -> None:
    for issue in issues[:_SHOWN_ISSUES]:
        warn(f"  {issue}")
    if count > _SHOWN_ISSUES:
        warn(f"  and {count - _SHOWN_ISSUES:,} more; --json lists the first 1,000")
