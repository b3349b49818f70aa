"""`groundrule simulate`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.orbits import FileOption, loaded_elements
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, progress
from groundrule.errors import InputError
from groundrule.simulate.description import Scenario
from groundrule.simulate.scenario import generate_scenario
from groundrule.simulate.scenario_file import MAX_SEED, read_scenario, shipped
from groundrule.simulate.written import write_generated


def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario file or the name of a shipped one; or `list`, or `show`.")],
    name: Annotated[str | None, typer.Argument(help="With `show`: which scenario.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Directory to write; an earlier simulation in it is replaced.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, max=MAX_SEED, help="The same seed gives the same bytes.")] = None,
    elements: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Simulate satellites, terminals, liars and jamming: observations, measurements, registers, and the truth beside them.

    `groundrule simulate list` names the shipped scenarios, `groundrule simulate show NAME` prints one, to be copied and changed.
    """
    if scenario == "list" and name is None:
        _list(as_json)
        return
    if scenario == "show":
        if name not in shipped():
            raise InputError(f"there is no shipped scenario `{name or ''}`", help="one of: " + ", ".join(shipped()), value=name)
        print_text(shipped()[name].read_text(encoding="utf-8").rstrip("\n"))
        return
    if name is not None:
        raise InputError(f"`{name}` is one word too many", help="give one scenario", value=name)
    read = read_scenario(scenario)
    if out is None:
        raise InputError("a simulation needs a directory", help="name one with --out", option="--out")
    given = loaded_elements(home, elements) if elements or read.constellation.home else None
    started = time.perf_counter()
    made = generate_scenario(read, seed, elements=given)
    with progress() as report:
        files = write_generated(made, out, progress=report)
    truth = json.loads(files["truth"].read_text(encoding="utf-8"))
    if as_json:
        print_json({**truth, "folder": str(out)})
    else:
        _print(truth, files, out, time.perf_counter() - started)


def _list(as_json: bool) -> None:
    found = [read_scenario(name) for name in shipped()]
    if as_json:
        print_json([_about(one) for one in found])
        return
    print_table(["scenario", "title", "terminals", "minutes"], [list(_about(one).values()) for one in found])
    print_text("Simulate one with: groundrule simulate NAME --out DIR")


def _about(one: Scenario) -> dict[str, Any]:
    terminals = one.world + sum(fleet.count for fleet in one.fleets)
    return {"name": one.name, "title": one.title, "terminals": terminals, "minutes": round(one.duration_s / 60, 1)}


def _print(truth: dict[str, Any], files: dict[str, Path], out: Path, elapsed_s: float) -> None:
    print_text(truth["title"], style="bold")
    print_text(truth["notice"])
    print_table(
        ["fleet", "attacker", "terminals", "measured"],
        [[row["fleet"], row["attack"], row["terminals"], row["measured"]] for row in truth["fleets"]],
    )
    counts = truth["counts"]
    measurements = counts.get("measurements", 0)
    print_text(f"{counts['observations']:,} observations, {measurements:,} measurements, seed {truth['seed']}; {elapsed_s:.1f} s.")
    print_text(f"The truth is in {out / 'truth.json'} and {out / 'truth.parquet'}. Try:")
    if "measurements" in files:
        print_text(f"  groundrule verify {files['measurements']} --elements {files['elements']} --claims {files['observations']}")
    print_text(f"  groundrule register import parties {files['parties']}")
